"""Trails: the files into which CloudTrail writes records, and its digests, in a bucket.

A file is made when somebody asks for it, of the records that arrive within five minutes, and is the same each time; so
months of history take no memory. Two trails have files of their own with the same records, and a record that arrives
twice is there twice. What the fake has answered itself is in files for as long as it is remembered (`calls`).

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html and
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from exporter.demo.calls import MANAGEMENT, SLOT, record
from exporter.demo.events import iso
from exporter.demo.s3 import Object
from exporter.demo.traffic import chance, dice, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.demo.calls import ApiCall
    from exporter.demo.world import Region

DAY, HOUR = 86_400, 3600
MOST_RECORDS = 400  # of a file, about: real ones end by size
LOGS, DIGESTS, INSIGHTS, AGGREGATED = (f"CloudTrail{kind}" for kind in ("", "-Digest", "-Insight", "-Aggregated"))
_STEPS = {LOGS: SLOT, DIGESTS: HOUR, INSIGHTS: HOUR, AGGREGATED: HOUR}
_LATEST = 900  # seconds from the end of a stretch to the delivery of its file
_AT_HAND, _KNOWN = 16, 20_000  # files whose bytes, and whose sizes, are kept
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_LAST = "\U0010ffff"


class _Folder(NamedTuple):
    """Where the files of a kind about one place are."""

    path: str
    kind: str
    place: Region


class _File(NamedTuple):
    """A file before it is written: when it is delivered, and of which stretch of time, up to `stamp`, it is."""

    key: str
    at: float
    folder: _Folder
    stamp: int
    part: int


@dataclass(slots=True, eq=False)
class Trail:
    """A trail. `places`: where it listens, from `since` on; `categories`: what it logs; `kinds`: what it writes."""

    name: str
    bucket: str
    home: str
    seed: int
    places: tuple[Region, ...]
    since: float
    prefix: str = ""
    organization: str = ""
    categories: frozenset[str] = frozenset({MANAGEMENT})
    kinds: tuple[str, ...] = (LOGS, DIGESTS)
    _made: OrderedDict[str, Object] = field(default_factory=OrderedDict)
    _numbers: OrderedDict[tuple[str, int], int] = field(default_factory=OrderedDict)
    _cut: OrderedDict[tuple[str, int], list[list[ApiCall]]] = field(default_factory=OrderedDict)
    _facts: OrderedDict[str, tuple[float, int, str]] = field(default_factory=OrderedDict)

    # What a bucket asks

    def keys(self, prefix: str, after: str, now: float) -> Iterator[str]:
        """Yield the keys that are there now, in order: those with a prefix that come after a text."""
        for folder in self._folders():
            if not _may_hold(folder.path, prefix, after):
                continue
            for day in range(int(self.since // DAY) * DAY, int(now) + 1, DAY):
                if _may_hold(f"{folder.path}{_day(day)}/", prefix, after):
                    for file in self._files(folder, day, min(day + DAY, now), prefix, after):
                        if file.at <= now and file.key.startswith(prefix) and file.key > after:
                            yield file.key

    def find(self, key: str, now: float) -> Object | None:
        """Return a file that is there now."""
        made = self._made.get(key)
        if made is None:
            file = self._named(key)
            if file is None or file.at > now:
                return None
            made = self._made[key] = self._written(file)
            if len(self._made) > _AT_HAND:
                self._made.popitem(last=False)
        return made if made.at <= now else None

    def facts(self, key: str, now: float) -> tuple[float, int, str] | None:
        """Return when a file that is there now came, its size and its ETag."""
        known = self._facts.get(key)
        if known is None:
            made = self.find(key, now)
            if made is None:
                return None
            known = self._facts[key] = (made.at, *made.facts)
            if len(self._facts) > _KNOWN:
                self._facts.popitem(last=False)
        return known if known[0] <= now else None

    def created(self, start: float, end: float) -> list[tuple[float, str]]:
        """Return (time, key) of the files that come at `start` <= t < `end`, in that order."""
        files = (file for folder in self._folders() for file in self._files(folder, start - _LATEST, end))
        return sorted((file.at, file.key) for file in files if start <= file.at < end)

    # Which files there are

    def _folders(self) -> list[_Folder]:
        first = "/".join(part for part in (self.prefix, "AWSLogs", self.organization) if part)
        return sorted(
            (
                _Folder(f"{first}/{place.account}/{kind}/{place.name}/", kind, place)
                for place in self.places
                for kind in self.kinds
            ),
            key=lambda folder: folder.path,
        )

    def _files(self, folder: _Folder, start: float, end: float, prefix: str = "", after: str = "") -> Iterator[_File]:
        """Yield the files of stretches that end at `start` <= t < `end`, in the order of their keys."""
        step = _STEPS[folder.kind]
        for stamp in range(int(-(-max(start, self.since + 1) // step)) * step, int(end) + 1, step):
            stem = self._stem(folder, stamp)
            if stamp < end and _may_hold(stem, prefix, after):
                parts = range(self._number(folder, stamp) if folder.kind == LOGS else 1)
                yield from sorted(self._file(folder, stamp, part, stem) for part in parts)

    def _stem(self, folder: _Folder, stamp: int) -> str:
        account, region = folder.place.account, folder.place.name
        named = f"{folder.path}{_day(stamp)}/{account}_{folder.kind}_{region}_"
        if folder.kind == DIGESTS:
            return f"{named}{self.name}_{self.home}_{_written(stamp, '%Y%m%dT%H%M%SZ')}"
        return f"{named}{_written(stamp, '%Y%m%dT%H%MZ')}_"

    def _file(self, folder: _Folder, stamp: int, part: int, stem: str) -> _File:
        luck = number_of(self.seed, self.name, self.bucket, stem, part)
        if folder.kind == DIGESTS:
            return _File(f"{stem}.json.gz", stamp + 60 + 600 * chance(luck, 1), folder, stamp, part)
        name = "".join(_LETTERS[dice(luck, 2 + nth) % len(_LETTERS)] for nth in range(16))
        return _File(f"{stem}{name}.json.gz", stamp + 5 + 30 * chance(luck, 1), folder, stamp, part)

    def _named(self, key: str) -> _File | None:
        folder = next((folder for folder in self._folders() if key.startswith(folder.path)), None)
        found = re.search(r"_(\d{8}T\d{4}(?:\d\d)?Z)(?:_\w{16})?\.json\.gz$", key)
        if folder is None or found is None:
            return None
        spelling = "%Y%m%dT%H%M%SZ" if folder.kind == DIGESTS else "%Y%m%dT%H%MZ"
        try:
            stamp = datetime.strptime(found[1], spelling).replace(tzinfo=UTC).timestamp()
        except ValueError:
            return None
        return next((file for file in self._files(folder, stamp, stamp + 1) if file.key == key), None)

    def _number(self, folder: _Folder, stamp: int) -> int:
        """Return how many files of five minutes there are."""
        known = self._numbers.get((folder.path, stamp))
        if known is None:
            known = self._numbers[folder.path, stamp] = len(self._parts(folder, stamp))
            if len(self._numbers) > _KNOWN:
                self._numbers.popitem(last=False)
        return known

    def _parts(self, folder: _Folder, stamp: int) -> list[list[ApiCall]]:
        """Return the records of each file of five minutes, in no order."""
        if (folder.path, stamp) not in self._cut:
            self._cut[folder.path, stamp] = self._split(folder, stamp)
            if len(self._cut) > _AT_HAND:
                self._cut.popitem(last=False)
        return self._cut[folder.path, stamp]

    def _split(self, folder: _Folder, stamp: int) -> list[list[ApiCall]]:
        coming = folder.place.calls.arriving("trail", max(stamp - SLOT, self.since), stamp)
        calls = [call for _, call in coming if call.category in self.categories]
        luck = number_of(self.seed, self.name, folder.path, stamp)
        number = 1 + len(calls) // MOST_RECORDS + (chance(luck, 1) < 0.1)
        parts: list[list[ApiCall]] = [[] for _ in range(number)]
        for _, nth, call in sorted((dice(luck, call.number), nth, call) for nth, call in enumerate(calls)):
            parts[dice(luck, call.number ^ nth) % number].append(call)
        return [part for part in parts if part]

    # What is in them

    def _written(self, file: _File) -> Object:
        content = orjson.dumps(_CONTENTS[file.folder.kind](self, file))
        return Object(file.key, file.at, gzip.compress(content, 1, mtime=file.stamp), "gzip")

    def _log(self, file: _File) -> dict[str, Any]:
        place = file.folder.place
        calls = self._parts(file.folder, file.stamp)[file.part]
        return {"Records": [record(call, place.account, place.name) for call in calls]}

    def _digest(self, file: _File) -> dict[str, Any]:
        """Return which files were delivered in an hour; the chain of digests is a make-believe one."""
        place, begin = file.folder.place, file.stamp - HOUR
        logs = next(folder for folder in self._folders() if folder.place is place and folder.kind == LOGS)
        listed = []
        for log in self._files(logs, begin - _LATEST, file.stamp):
            if begin <= log.at < file.stamp:
                content = self._log(log)
                times = sorted(one["eventTime"] for one in content["Records"])
                listed.append(
                    {
                        "s3Bucket": self.bucket,
                        "s3Object": log.key,
                        "hashValue": hashlib.sha256(orjson.dumps(content)).hexdigest(),
                        "hashAlgorithm": "SHA-256",
                        "newestEventTime": times[-1],
                        "oldestEventTime": times[0],
                    }
                )
        before = self._file(file.folder, begin, 0, self._stem(file.folder, begin)).key if begin > self.since else None
        times = sorted(time for log in listed for time in (log["oldestEventTime"], log["newestEventTime"]))
        return {
            "awsAccountId": place.account,
            "digestStartTime": iso(begin),
            "digestEndTime": iso(file.stamp),
            "digestS3Bucket": self.bucket,
            "digestS3Object": file.key,
            "digestPublicKeyFingerprint": hashlib.md5(self.name.encode()).hexdigest(),  # noqa: S324 - what it looks like
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": times[-1] if times else None,
            "oldestEventTime": times[0] if times else None,
            "previousDigestS3Bucket": self.bucket if before else None,
            "previousDigestS3Object": before,
            "previousDigestHashValue": hashlib.sha256(before.encode()).hexdigest() if before else None,
            "previousDigestHashAlgorithm": "SHA-256" if before else None,
            "previousDigestSignature": hashlib.sha512(before.encode()).hexdigest() if before else None,
            "logFiles": listed,
        }

    def _insight(self, file: _File) -> dict[str, Any]:
        return {"Records": [self._summary(file, "AwsCloudTrailInsight", "Insight")]}

    def _aggregated(self, file: _File) -> dict[str, Any]:
        return {"Records": [self._summary(file, "AwsCloudTrailAggregatedEvent", "Aggregated")]}

    def _summary(self, file: _File, kind: str, category: str) -> dict[str, Any]:
        """Return a record that is none of a call; what is in it besides is not known."""
        place, luck = file.folder.place, number_of(file.key)
        return {
            "eventVersion": "1.09",
            "eventTime": iso(file.stamp - HOUR),
            "awsRegion": place.name,
            "eventID": f"{luck:016x}"[:8] + f"-0000-4000-8000-{luck & 0xFFFFFFFFFFFF:012x}",
            "eventType": kind,
            "recipientAccountId": place.account,
            "eventCategory": category,
        }


_CONTENTS = {
    LOGS: Trail._log,  # noqa: SLF001 - its own
    DIGESTS: Trail._digest,  # noqa: SLF001
    INSIGHTS: Trail._insight,  # noqa: SLF001
    AGGREGATED: Trail._aggregated,  # noqa: SLF001
}


def _written(at: float, spelling: str) -> str:
    return datetime.fromtimestamp(at, UTC).strftime(spelling)


def _day(at: float) -> str:
    return _written(at, "%Y/%m/%d")


def _may_hold(stem: str, prefix: str, after: str) -> bool:
    """Tell whether a key that begins so can have the prefix, and come after a text."""
    return (stem.startswith(prefix) or prefix.startswith(stem)) and stem + _LAST > after
