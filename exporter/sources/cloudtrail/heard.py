"""Calls that events of EventBridge tell of: "AWS API Call via CloudTrail", through a queue."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.aws import Aws
from exporter.aws.queues import Told
from exporter.config import Config
from exporter.model import Known, Reading, Target
from exporter.sources.cloudtrail.readings import SOURCE, Readings

_TRAIL = " via CloudTrail"  # the end of the detail-types: of calls, of what services did, of the console, of insights


class HeardCalls:
    """Hears the events of one queue."""

    name = SOURCE

    def __init__(self, aws: Aws, config: Config, begin: float = 0.0) -> None:
        self._readings = Readings("queue", aws, config, begin)

    def hears(self, told: Told) -> bool:
        """Say whether this is for its ears: what a replay brings out of an archive has counted, or is too old."""
        return told.detail_type.endswith(_TRAIL)

    def meet(self, target: Target) -> None:
        """Do nothing: a record holds all that counts."""

    def hear(self, target: Target, told: Sequence[Told], known: Known, now: float) -> Reading:
        """Return what the records in events tell."""
        return self._readings.make(target, known, (one.detail for one in told), now)
