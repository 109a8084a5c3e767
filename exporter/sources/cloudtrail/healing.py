"""Files that nobody told of: at the start and every hour, the bucket is listed, folder by folder.

A folder holds what one account recorded in one region. Its keys begin with the minute of their publishing, so that it
is listed from the mark of the last look on, and six hours before: files come late. Where the trail writes digests, each
tells which files were delivered in an hour: what it names and is not there is told. What has been read is remembered, a
mark moves only past what has, and past files that can't be read: these are tried again, by name, for two weeks.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from exporter.aws import Aws, AwsError
from exporter.aws.objects import SEPARATOR
from exporter.model import DAY, HOUR, MINUTE, Failure, Known, Reading, Target
from exporter.sources.cloudtrail.contents import Contents, KnownOf, Wanted
from exporter.sources.cloudtrail.files import DIGESTS, LOGS, READ, File, FileError, digested, first_key, named
from exporter.sources.cloudtrail.readings import SOURCE, Readings

EVERY = float(HOUR)
AGAIN = 5.0 * MINUTE  # after a look that something has kept from its end
LONGEST = 60.0  # seconds of a look: meanwhile nobody reads the queue
OVERLAP = 6 * HOUR
MOST_UNREAD = 100  # files of a folder that can't be read and are tried again: with more of them, its mark stands still
TRIED = 14 * DAY
TRIED_GONE = DAY  # what is not there does not come: S3 shows what it has
PASSING = {"throttled", "transient"}

_MARK = "healed/"  # notes of how far a folder has been looked at
_UNREAD = "unread/"  # and of the files in it that can't be read: since when, and whether they are gone

_log = logging.getLogger(__name__)


class _Folder(NamedTuple):
    """Where the files of one kind about one target are."""

    path: str
    kind: str
    target: Target


class _Look:
    """One look at a folder: what is known of it, and what comes of it."""

    def __init__(self, folder: _Folder, bucket: str, known: Known, begun: float, now: float) -> None:
        self.folder = folder
        self.named = f"{bucket}/{folder.path}"
        self.notes = known.notes
        self.began = now
        self.begun = begun - begun % MINUTE  # keys tell the minute
        self.mark = float(known.notes.get(_MARK + self.named, self.begun))
        self.since = max(self.begun, self.mark - OVERLAP)
        self.reached = self.mark
        self.unread: dict[str, tuple[float, bool]] = {
            key: (float(at), bool(gone)) for key, (at, gone) in known.notes.get(_UNREAD + self.named, {}).items()
        }
        self.done: set[str] = set()  # keys that were read, or tried, in this look
        self.digests: list[File] = []
        self.failures: list[Failure] = []
        self.stopped = False


class Healing:
    """Looks for files of one bucket, below a prefix."""

    def __init__(self, aws: Aws, contents: Contents, readings: Readings, prefix: str) -> None:
        self._aws = aws
        self._contents = contents
        self._bucket = contents.bucket
        self._readings = readings
        self._prefix = prefix
        self._todo: deque[_Folder] = deque()  # of a look that is not at its end
        self._soon = False  # something that may pass has kept it from looking everywhere
        self._next = 0.0

    def due(self) -> bool:
        """Say whether it is time to look."""
        return self._aws.now() >= self._next

    def heal(self, wanted: Wanted, known: KnownOf, now: float) -> Iterator[Reading]:
        """Yield what files tell that have not been read, for a minute or so; then it is due again at once."""
        self._next = self._aws.now() + AGAIN  # whatever happens
        limit = self._aws.now() + LONGEST
        if not self._todo:
            self._soon = False
            try:
                self._todo.extend(folder for folder in self._folders() if wanted(folder.target))
            except AwsError as error:
                self._todo.clear()
                failure = Failure("ListObjectsV2", error.error_class, str(error))
                yield Reading(SOURCE, self._bucket.target, now, failed=(failure,))
                return
        while self._todo:
            ended = yield from self._look(self._todo[0], wanted, known, now, limit)
            if not ended:
                self._next = self._aws.now()
                return
            self._todo.popleft()
        self._next = self._aws.now() + (AGAIN if self._soon else EVERY)

    def _folders(self) -> Iterator[_Folder]:
        """Yield the folders that hold records, of all accounts and regions."""
        top = f"{self._prefix}AWSLogs{SEPARATOR}"
        places = [f"{top}{name}{SEPARATOR}" for name in self._bucket.folders(top)]
        for place in tuple(place for place in places if place.startswith(f"{top}o-")):
            places += [f"{place}{name}{SEPARATOR}" for name in self._bucket.folders(place)]
        for place in places:
            account = place.split(SEPARATOR)[-2]
            for kind in READ if re.fullmatch(r"[0-9]{12}", account, re.ASCII) else ():
                within = f"{place}{kind}{SEPARATOR}"
                for region in self._bucket.folders(within):
                    yield _Folder(f"{within}{region}{SEPARATOR}", kind, Target(account, region))

    def _look(
        self, folder: _Folder, wanted: Wanted, known: KnownOf, now: float, limit: float
    ) -> Generator[Reading, None, bool]:
        """Yield what files of a folder tell that have not been read; return whether there was time for all of it."""
        here = known(folder.target)
        look = _Look(folder, self._bucket.name, here, min(self._readings.begun(here).values()), self._aws.now())
        ended = True
        try:
            for file in self._missing(look):
                if self._aws.now() >= limit:
                    ended = False
                    break
                failure = yield from self._contents.read(file, wanted, known, now)
                self._note(look, file, failure)
                if look.stopped:
                    break
            else:
                look.reached = max(look.mark, look.began)
        except AwsError as error:
            look.failures.append(Failure("ListObjectsV2", error.error_class, str(error)))
            self._soon = True
        yield self._end(look, known(folder.target), now)
        return ended

    def _missing(self, look: _Look) -> Iterator[File]:
        """Yield files that have yet to be read: those that could not be, those that are listed, those in digests."""
        for file in filter(None, map(named, tuple(look.unread))):
            if self._contents.has_read(file, look.notes):  # it was told again, and could be read
                del look.unread[file.key]
            else:
                yield file
        for file in self._listed(look, look.folder):
            if self._is_missing(look, file):
                yield file
            look.reached = max(look.reached, file.at)
        if look.folder.kind == LOGS:
            yield from self._named_by_digests(look)

    def _named_by_digests(self, look: _Look) -> Iterator[File]:
        path = look.folder.path.replace(f"/{LOGS}/", f"/{DIGESTS}/")
        for digest in self._listed(look, look.folder._replace(path=path, kind=DIGESTS)):
            if self._contents.has_read(digest, look.notes):
                continue
            try:
                names = digested(self._bucket.read(digest.key))
            except AwsError as error:
                look.failures.append(Failure("digests", error.error_class, f"{digest.key}: {error}"))
                continue
            except FileError as error:
                look.failures.append(Failure("digests", "broken", f"{digest.key}: {error}"))
                continue
            for one in names:
                file = named(one.s3_object) if one.s3_bucket == self._bucket.name else None
                if file and file.folder == look.folder.path and file.at >= look.begun and self._is_missing(look, file):
                    yield file
            look.digests.append(digest)

    def _is_missing(self, look: _Look, file: File) -> bool:
        return (
            file.key not in look.done and file.key not in look.unread and not self._contents.has_read(file, look.notes)
        )

    def _listed(self, look: _Look, folder: _Folder) -> Iterator[File]:
        """Yield the files in a folder that were published since the look's beginning, day by day."""
        for day in range(int(look.since // DAY) * DAY, int(look.began) + 1, DAY):
            begins = day <= look.since and folder.kind != DIGESTS  # their names begin with that of the trail
            after = first_key(folder.path, folder.kind, folder.target, look.since) if begins else ""
            for file in map(
                named, self._bucket.listed(f"{folder.path}{datetime.fromtimestamp(day, UTC):%Y/%m/%d}/", after)
            ):
                if file and file.folder == folder.path and file.kind == folder.kind and file.at >= look.since:
                    yield file

    def _note(self, look: _Look, file: File, failure: Failure | None) -> None:
        """Learn what came of a file."""
        look.done.add(file.key)
        if failure is None:
            look.unread.pop(file.key, None)
        elif failure.error_class in PASSING:
            look.stopped = self._soon = True
        else:
            gone = failure.error_class == "absent"
            since, _ = look.unread.setdefault(file.key, (look.began, gone))
            look.unread[file.key] = since, gone
            if look.began - since > (TRIED_GONE if gone else TRIED):
                del look.unread[file.key]
                _log.error("what is in %s is lost: %s", file.key, failure.detail)
            look.stopped = len(look.unread) > MOST_UNREAD

    def _end(self, look: _Look, known: Known, now: float) -> Reading:
        """Return what is to be remembered of a look: how far it came, and what it could not read."""
        notes: dict[str, Any] = {
            _MARK + look.named: look.reached,
            _UNREAD + look.named: look.unread or None,
            **self._contents.remembered(look.digests, known.notes),
        }
        for path in (look.folder.path, look.folder.path.replace(f"/{LOGS}/", f"/{DIGESTS}/")):
            notes |= dict.fromkeys(self._contents.forgotten(path, known.notes, min(look.reached, look.began)))
        return self._readings.make(look.folder.target, known, (), now, failed=tuple(look.failures), notes=notes)
