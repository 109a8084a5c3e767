"""An hour of asking with nobody to answer: what the rows, paces and limits of a configuration would cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from exporter.model import BLOCK, Resource
from exporter.sources.cloudwatch_metrics.strands import Strand


class Steady:
    """Counters that have been read up to now and were never behind, of all the strands of a resource."""

    alive = True
    used = 0.0

    def __init__(self, resource: Resource, deep_settle: float) -> None:
        self.resource = resource
        self.position: dict[tuple[str, str], int] = {}
        self._deep_settle = deep_settle
        self._now = 0.0

    def at(self, now: float) -> None:
        """Let it be another time."""
        self._now = now

    def _all(self, value: float) -> Sequence[int]:
        return [int(value)] * len(self.position)

    @property
    def read_until(self) -> Sequence[int]:
        """See `model.Metered`."""
        return self._all(self._now)

    @property
    def closed_until(self) -> Sequence[int]:
        """See `model.Metered`."""
        return self._all((self._now - self._deep_settle) // BLOCK * BLOCK)

    @property
    def counted_from(self) -> Sequence[int]:
        """See `model.Metered`."""
        return self._all(0)

    @property
    def paused(self) -> Sequence[int]:
        """See `model.Metered`."""
        return self._all(0)

    @property
    def lease(self) -> Sequence[float]:
        """See `model.Metered`."""
        return [math.inf] * len(self.position)

    def total(self, i: int) -> float:  # noqa: ARG002 - of any
        """Return 0: nobody asks how much there was."""
        return 0.0

    def spellings(self, i: int) -> set[int]:  # noqa: ARG002 - of any
        """See `model.Metered`."""
        return {0}

    def visible(self, i: int, now: float) -> bool:  # noqa: ARG002 - at any time
        """See `model.Metered`."""
        return True


def steady(strands: Iterable[Strand], deep_settle: float) -> Mapping[Resource, Steady]:
    """Return meters of all that strands count."""
    found: dict[Resource, Steady] = {}
    for strand in strands:
        if strand.counts:
            meter = found.setdefault(strand.resource, Steady(strand.resource, deep_settle))
            for counted in strand.bundle.counted:
                meter.position.setdefault(counted.key, len(meter.position))
    return found
