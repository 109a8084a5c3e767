"""Reads a file of a trail, whoever found it: in readings of some records each, and which files have been read.

A record counts on its own target. Of a file of an organisation most records are of other services: they are passed by
before anything is made of them.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from exporter.aws import AwsError
from exporter.aws.objects import Bucket
from exporter.model import DAY, HOUR, Failure, Reading, Target, Turn
from exporter.sources.cloudtrail.files import File, FileError, records
from exporter.sources.cloudtrail.readings import Readings

PIECE = 1000  # records of one reading: what is held until it is committed
ROOM = 1 << 21  # and characters of them: as objects they take some ten times as much, in the worst case thirty
KEPT = 3 * DAY  # for which it is known that a file has been read: what is told once more later is read once more
TRIED = 14 * DAY  # for which a file that can't be read is tried again
SCOPE = "trail files"
KEYS = "trail keys"  # of KMS

_ACCOUNT, _REGION = re.compile(r"[0-9]{12}", re.ASCII), re.compile(r"[a-z0-9-]{1,32}", re.ASCII)
_READ = "read/"  # notes of the files that have been read, by folder and hour


class Contents:
    """The files of one bucket."""

    def __init__(self, bucket: Bucket, readings: Readings) -> None:
        self.bucket = bucket
        self._readings = readings

    def read(self, file: File, turn: Turn) -> Generator[Reading, None, Failure | None]:
        """Yield what a file tells of targets that are wanted; return what keeps it from being read to its end.

        The last reading is of the file's own target. It remembers the file, or holds the failure. What came before it
        may be told again: records have identities.
        """
        held: dict[Target, list[Any]] = {}
        number = size = ignored = 0
        failure: Failure | None = None
        try:
            for record, length in records(self.bucket.read(file.key)):
                target = self._counts(record, file.target, turn)
                if target is None:
                    ignored += 1
                    continue
                held.setdefault(target, []).append(record)
                number, size = number + 1, size + length
                if number == PIECE or size > ROOM:
                    yield from self._made(held, turn)
                    held, number, size = {}, 0, 0
        except AwsError as error:
            by_key = error.error_class == "denied" and "kms" in str(error).lower()
            failure = Failure(KEYS if by_key else SCOPE, error.error_class, f"{file.key}: {error}")
        except FileError as error:
            failure = Failure(SCOPE, "broken", f"{file.key}: {error}")
        own = held.pop(file.target, [])
        yield from self._made(held, turn)
        here = turn.known(file.target)
        over = dict.fromkeys(
            self.forgotten(file.folder, here.notes, turn.now - TRIED)
        )  # if nobody can look at the bucket
        yield self._readings.make(
            file.target,
            here,
            own,
            turn.now,
            failed=(failure,) if failure else (),
            notes=over if failure else {**over, **self.remembered([file], here.notes)},
            left={"ignored": ignored},
        )
        return failure

    def has_read(self, file: File, notes: Mapping[str, Any]) -> bool:
        """Say whether a file has been read, as far as notes of its target tell."""
        return _named(file) in notes.get(self._note(file), "").split()

    def remembered(self, files: Iterable[File], notes: Mapping[str, Any]) -> dict[str, str]:
        """Return the notes by which it is known that files of one target have been read."""
        found: dict[str, str] = {}
        for file in files:
            note = self._note(file)
            before = found.get(note, notes.get(note, ""))
            found[note] = f"{before} {_named(file)}".strip()
        return found

    def forgotten(self, folder: str, notes: Mapping[str, Any], before: float) -> Iterator[str]:
        """Yield the notes about files of a folder that were published long before a time."""
        first = f"{_READ}{self.bucket.name}/{folder}"
        last = first + _hour(before - KEPT)
        return (name for name in notes if name.startswith(first) and name < last)

    def _note(self, file: File) -> str:
        return f"{_READ}{self.bucket.name}/{file.folder}{_hour(file.at)}"

    def _made(self, held: Mapping[Target, list[Any]], turn: Turn) -> Iterator[Reading]:
        for target, some in held.items():
            yield self._readings.make(target, turn.known(target), some, turn.now)

    def _counts(self, record: Any, here: Target, turn: Turn) -> Target | None:
        """Return the target of a record; None for one that is passed by. What can't be read is of the file's own."""
        if not isinstance(record, dict):
            return here
        source = record.get("eventSource")
        if isinstance(source, str) and source not in self._readings.sources:
            return None
        account, region = record.get("recipientAccountId") or here.account_id, record.get("awsRegion")
        if not (isinstance(account, str) and isinstance(region, str)):
            return here
        if not (_ACCOUNT.fullmatch(account) and _REGION.fullmatch(region)):
            return here
        target = Target(account, region)
        return target if turn.wanted(target) else None


def _named(file: File) -> str:
    """Return what tells a file from all others of its folder."""
    return file.name.removeprefix(f"{file.target.account_id}_{file.kind}_{file.target.region}_")


def _hour(at: float) -> str:
    return f"{datetime.fromtimestamp(max(0.0, at - at % HOUR), UTC):%Y%m%dT%H}"
