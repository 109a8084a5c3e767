"""Calls in files of a trail, which a queue tells of: each file as soon as it is told, and those that nobody told of.

What AWS tells of a new file comes in several forms, once, twice or never. A file that can't be read is left in the
queue, and SQS brings it back until it gives up; the hourly look at the bucket goes on to try it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from exporter.aws import Aws
from exporter.aws.objects import Bucket
from exporter.aws.queues import Told, announced
from exporter.config import CloudTrail, Config
from exporter.inventory import Census
from exporter.model import Effect, Forecast, Reading, Target, Turn
from exporter.sources.cloudtrail.contents import Contents
from exporter.sources.cloudtrail.files import READ, named
from exporter.sources.cloudtrail.healing import EVERY, Healing
from exporter.sources.cloudtrail.readings import EVENTS, SOURCE, Readings


class AnnouncedCalls:
    """Follows what one queue tells of new files in a bucket, and heals what it does not tell."""

    name = SOURCE

    def __init__(self, aws: Aws, trail: CloudTrail, config: Config, begin: float = 0.0) -> None:
        readings = Readings("s3", aws, config, begin)
        bucket = Bucket(aws, config.queues[trail.queue], trail.bucket)
        self._bucket = bucket
        self._top = f"{trail.folder}AWSLogs/"
        self._contents = Contents(bucket, readings)
        self._healing = Healing(aws, self._contents, readings, self._top)

    def hears(self, told: Told) -> bool:
        """Say whether this is for its ears: a new object in the bucket, below the prefix."""
        return next(self._keys(told), None) is not None

    def meet(self, target: Target) -> None:
        """Do nothing: a record holds all that counts."""

    def follow(self, told: Told, turn: Turn) -> Iterator[Reading]:
        """Yield what the files that a message announces tell: records of calls only, of targets that are wanted."""
        for file in filter(None, map(named, self._keys(told))):
            if file.kind not in READ:
                continue
            if not turn.wanted(file.target):  # nobody knows how much is in it
                yield self._ignored(turn.now)
            elif not self._contents.has_read(file, turn.known(file.target).notes):
                yield from self._contents.read(file, turn)

    def due(self) -> bool:
        """Say whether it is time to look which files nobody told of."""
        return self._healing.due()

    def heal(self, turn: Turn) -> Iterator[Reading]:
        """Yield what files tell that nobody told of; not all at once: it may be due again at once."""
        return self._healing.heal(turn)

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:  # noqa: ARG002 - not slowed
        """Return what an hour takes where a trail writes one file each five minutes for each target, and digests."""
        lists = 1 + (len(READ) + 1) * len(censuses)
        return Forecast((EVERY,), {"GetObject": 13.0 * len(censuses), "ListObjectsV2": float(lists)})

    def _keys(self, told: Told) -> Iterator[str]:
        return (key for bucket, key in announced(told) if bucket == self._bucket.name and key.startswith(self._top))

    def _ignored(self, now: float) -> Reading:
        """Return that a file was passed by, under the queue's account: nobody knows how many others there are."""
        home = self._bucket.target
        one = Effect(EVENTS, (home.account_id, home.region, SOURCE, "ignored"))
        return Reading(SOURCE, home, now, tallies=(one,))
