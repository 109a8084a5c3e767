"""Files that nobody told of: at the start and every hour, the bucket is looked at, folder by folder.

A folder holds what one account recorded in one region. Its keys begin with the minute of their publishing, so that it
is listed from the mark of the last look on, and six hours before: files come late. Where the trail writes digests, each
tells which files were delivered in an hour: what it names and is not there is told. What has been read is remembered. A
mark moves only past what has, and past so many files that can't be read: these are tried again, by name, for two weeks.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from exporter.aws import Aws, AwsError
from exporter.aws.objects import SEPARATOR
from exporter.model import DAY, HOUR, MINUTE, Failure, Known, Reading, Target, Turn
from exporter.sources.cloudtrail.contents import SCOPE, TRIED, Contents
from exporter.sources.cloudtrail.files import DIGESTS, LOGS, READ, File, FileError, digested, first_key, named
from exporter.sources.cloudtrail.readings import SOURCE, Readings

EVERY = float(HOUR)
AGAIN = 5.0 * MINUTE  # after a look that something has kept from its end
LONGEST = 60.0  # seconds of a look, and then of the file that is being read: meanwhile nobody reads the queue
OVERLAP = 6 * HOUR
MOST_UNREAD = 100  # files of a folder that are tried again by name: with more of them, its mark stands still
TRIED_GONE = DAY  # what is not there does not come: S3 shows what it has
PASSING = {"throttled", "transient"}
ENOUGH = 3  # failures of that kind end a look at a folder; one file that always fails so does not

_MARK = "healed/"  # notes of how far a folder has been looked at
_CHECKED = "checked/"  # and of how far its digests have been
_UNREAD = "unread/"  # and of the files in it that can't be read: since when, and whether they are gone
_SINCE = "since/"  # note of when counting began in a bucket, for targets that nobody knew then

_log = logging.getLogger(__name__)


class _Folder(NamedTuple):
    """Where the files of one kind about one target are; `place` is what stands before the kind."""

    place: str
    kind: str
    target: Target

    @property
    def path(self) -> str:
        return f"{self.place}{self.kind}{SEPARATOR}{self.target.region}{SEPARATOR}"


class _Look:
    """One look at a folder: what is known of it, and what comes of it."""

    def __init__(self, folder: _Folder, bucket: str, known: Known, begun: float, now: float) -> None:
        self.folder = folder
        self.named = f"{bucket}/{folder.path}"
        self.notes = known.notes
        self.began = now
        self.begun = begun - begun % MINUTE  # keys tell the minute
        self.mark = float(known.notes.get(_MARK + self.named, self.begun))
        self.reached = self.mark
        self.checked = float(known.notes.get(_CHECKED + self.named, self.begun))
        self.unread: dict[str, tuple[float, bool]] = {
            key: (float(at), bool(gone)) for key, (at, gone) in known.notes.get(_UNREAD + self.named, {}).items()
        }
        self.done: set[str] = set()  # keys that were read, or tried, in this look
        self.digests: list[File] = []  # that are dealt with
        self.failures: list[Failure] = []
        self.stuck = False  # there is what can't be read and is not remembered: no mark must pass it
        self.passing = 0  # failures that may pass

    @property
    def stopped(self) -> bool:
        """Whether it makes no sense to go on for now."""
        return self.passing >= ENOUGH

    def reach(self, at: float) -> None:
        """Let the mark come so far; a key may name any time, and none that has yet to come is reached."""
        if not self.stuck:
            self.reached = max(self.reached, min(at, self.began))


class Healing:
    """Looks for files of one bucket, below the folder that holds those of all accounts."""

    def __init__(self, aws: Aws, contents: Contents, readings: Readings, top: str) -> None:
        self._aws = aws
        self._contents = contents
        self._bucket = contents.bucket
        self._readings = readings
        self._top = top
        self._began = aws.now()
        self._todo: Iterator[_Folder | Failure | None] | None = None  # of a look that is not at its end
        self._folder: _Folder | None = None
        self._tried: dict[str, float] = {}  # when files that can't be read were last tried
        self._first: dict[str, float] = {}  # and first, if that is not noted
        self._known: set[Target] = set()  # of which it is noted since when they count
        self._failed: dict[tuple[str, str], Failure] = {}  # in it
        self._soon = False  # something that may pass has kept it from looking everywhere
        self._next = 0.0

    def due(self) -> bool:
        """Say whether it is time to look."""
        return self._aws.now() >= self._next

    def heal(self, turn: Turn) -> Iterator[Reading]:
        """Yield what files tell that have not been read, for a minute or so; then it is due again at once.

        What has gone wrong is told until the end of the look, over all turns that it takes.
        """
        if self._failed:
            yield Reading(SOURCE, self._bucket.target, turn.now, failed=tuple(self._failed.values()))
        limit = self._aws.now() + LONGEST
        for reading in self._heal(turn._replace(stop=lambda: turn.stop() or self._aws.now() >= limit)):
            self._failed |= {(one.scope, one.error_class): one for one in reading.failed}
            yield reading
        if self._todo is None:
            self._failed.clear()

    def _heal(self, turn: Turn) -> Iterator[Reading]:
        self._next = self._aws.now() + AGAIN  # whatever happens
        yield from self._begin(turn)
        if self._todo is None:
            self._todo, self._soon = self._folders(turn.targets), False
        try:
            while not turn.stop():
                if self._folder is None:
                    found = next(self._todo)
                    if isinstance(found, Failure):
                        self._soon = True
                        yield Reading(SOURCE, self._bucket.target, turn.now, failed=(found,))
                    elif found and turn.wanted(found.target):
                        self._folder = found
                elif (yield from self._look(self._folder, turn)):
                    self._folder = None
        except StopIteration:
            self._todo = None
            self._next = self._aws.now() + (AGAIN if self._soon else EVERY)
        except AwsError as error:  # nothing is known of where folders are
            self._todo = None
            failure = Failure("ListObjectsV2", error.error_class, str(error))
            yield Reading(SOURCE, self._bucket.target, turn.now, failed=(failure,))
        else:
            self._next = self._aws.now()

    def _begin(self, turn: Turn) -> Iterator[Reading]:
        """Yield since when is counted: of each target that is known, else in the bucket, for whoever is found in it."""
        if turn.targets is None:
            home = self._bucket.target
            note = f"{_SINCE}{self._bucket.name}/{self._top}"
            if home not in self._known:
                since = self._readings.since(turn.known(home).notes.get(note, {}))
                yield Reading(SOURCE, home, turn.now, notes={note: since})
                self._known.add(home)
        for target in turn.targets or ():
            if target not in self._known:
                yield self._readings.make(target, turn.known(target), (), turn.now)
                self._known.add(target)

    def _folders(self, targets: Sequence[Target] | None) -> Iterator[_Folder | Failure | None]:
        """Yield the folders that may hold records; None now and then, where it takes long."""
        places = [f"{self._top}{name}{SEPARATOR}" for name in self._bucket.folders(self._top)]
        for place in tuple(place for place in places if place.startswith(f"{self._top}o-")):
            yield None
            places += [f"{place}{name}{SEPARATOR}" for name in self._bucket.folders(place)]
        found = False
        for place in places:
            account = place.split(SEPARATOR)[-2]
            if not re.fullmatch(r"[0-9]{12}", account, re.ASCII):
                continue
            found = True
            for kind in READ:
                if targets is not None:
                    regions = [target.region for target in targets if target.account_id == account]
                else:
                    yield None
                    try:
                        regions = list(self._bucket.folders(f"{place}{kind}{SEPARATOR}"))
                    except AwsError as error:
                        yield Failure("ListObjectsV2", error.error_class, str(error))
                        continue
                for region in regions:
                    yield _Folder(place, kind, Target(account, region))
        if not found:  # a new trail takes some minutes, while a wrong prefix would look like peace for ever
            self._soon = True
            if self._aws.now() > self._began + EVERY:
                yield Failure(SCOPE, "absent", f"no trail has written anything below {self._bucket.name}/{self._top}")

    def _look(self, folder: _Folder, turn: Turn) -> Generator[Reading, None, bool]:
        """Yield what files of a folder tell that have not been read; return whether there was time for all of it."""
        here = turn.known(folder.target)
        look = _Look(folder, self._bucket.name, here, min(self._readings.begun(here).values()), self._aws.now())
        ended = True
        try:
            for file in self._listed(look):
                if not self._is_known(look, file):
                    if self._waits(file.key):
                        look.stuck = True
                    else:
                        yield from self._try(look, file, turn)
                if look.stopped:
                    break
                if file.kind != DIGESTS:
                    look.reach(file.at)
                if turn.stop():
                    ended = False
                    break
            else:
                look.reach(look.began)
                look.checked = look.checked if look.stuck else look.began
        except AwsError as error:
            look.failures.append(Failure("ListObjectsV2", error.error_class, str(error)))
            self._soon = True
        if ended:
            yield from self._again(look, turn)
        yield self._end(look, turn.known(folder.target), turn.now)
        return ended

    def _listed(self, look: _Look) -> Iterator[File]:
        """Yield the files in a folder that were published since the look's beginning, day by day, and then digests."""
        marks = {look.folder.kind: look.mark} | ({DIGESTS: look.checked} if look.folder.kind == LOGS else {})
        for kind, mark in marks.items():
            folder, since = look.folder._replace(kind=kind), max(look.begun, mark - OVERLAP)
            for day in range(int(since // DAY) * DAY, int(look.began) + 1, DAY):
                begins = day <= since and kind != DIGESTS  # their names begin with that of the trail
                after = first_key(folder.path, kind, folder.target, since) if begins else ""
                prefix = f"{folder.path}{datetime.fromtimestamp(day, UTC):%Y/%m/%d}/"
                for file in map(named, self._bucket.listed(prefix, after)):
                    if file and file.folder == folder.path and file.kind == kind and file.at >= since:
                        yield file

    def _again(self, look: _Look, turn: Turn) -> Iterator[Reading]:
        """Try again what could not be read, that which has waited longest first; what there is no time for waits on."""
        for key in sorted(look.unread, key=lambda key: self._tried.get(key, 0.0)):
            file = named(key)
            if file is None or self._contents.has_read(file, look.notes):  # it was told again, and could be read
                del look.unread[key]
                self._forget(key)
            elif key not in look.done and not look.stopped:
                if turn.stop():
                    self._soon = True
                    break
                if not self._waits(key):
                    yield from self._try(look, file, turn)

    def _waits(self, key: str) -> bool:
        """Say whether a file that can't be read was tried within the hour."""
        return self._aws.now() < self._tried.get(key, -EVERY) + EVERY - AGAIN

    def _forget(self, key: str) -> None:
        self._tried.pop(key, None)
        self._first.pop(key, None)

    def _is_known(self, look: _Look, file: File) -> bool:
        return file.key in look.done or file.key in look.unread or self._contents.has_read(file, look.notes)

    def _try(self, look: _Look, file: File, turn: Turn) -> Iterator[Reading]:
        """Read a file, or what a digest names; note what came of it."""
        self._tried[file.key] = self._aws.now()
        if file.kind == DIGESTS:
            failure = yield from self._check(look, file, turn)
        else:
            failure = yield from self._contents.read(file, turn)
        self._note(look, file, failure)

    def _check(self, look: _Look, digest: File, turn: Turn) -> Generator[Reading, None, Failure | None]:
        """Read what a digest names and nobody has read; return what keeps the digest from being read."""
        try:
            names = digested(self._bucket.read(digest.key))
        except AwsError as error:
            failure = Failure("digests", error.error_class, f"{digest.key}: {error}")
        except FileError as error:
            failure = Failure("digests", "broken", f"{digest.key}: {error}")
        else:
            stuck, look.stuck = look.stuck, False
            for one in names:
                if look.stopped or turn.stop():
                    look.stuck = True
                    return Failure("digests", "transient", f"{digest.key}: broken off")
                file = named(one.s3_object) if one.s3_bucket == self._bucket.name else None
                ours = file and file.folder == look.folder.path and file.at >= look.begun
                if file and ours and not self._is_known(look, file):
                    if self._waits(file.key):
                        look.stuck = True
                    else:
                        yield from self._try(look, file, turn)
            if look.stuck:
                return Failure("digests", "transient", f"{digest.key}: not all that it names could be read")
            look.stuck = stuck
            look.digests.append(digest)
            return None
        look.failures.append(failure)
        return failure

    def _note(self, look: _Look, file: File, failure: Failure | None) -> None:
        """Learn what came of a file."""
        look.done.add(file.key)
        if failure is None:
            look.unread.pop(file.key, None)
            self._forget(file.key)
        elif failure.error_class in PASSING:
            self._soon = True
            self._tried.pop(file.key, None)
            look.passing += 1
            look.stuck |= file.key not in look.unread
        else:
            gone = failure.error_class == "absent"
            since, _ = look.unread.get(file.key, (self._first.setdefault(file.key, look.began), gone))
            if look.began - since > (TRIED_GONE if gone else TRIED):
                look.unread.pop(file.key, None)
                if since > -math.inf:
                    self._first[file.key] = -math.inf  # it may be listed for some time yet
                    _log.error("what is in %s is lost: %s", file.key, failure.detail)
            elif file.key in look.unread or len(look.unread) < MOST_UNREAD:
                look.unread[file.key] = since, gone
            else:  # it will be listed, and tried, again
                look.stuck = True

    def _end(self, look: _Look, known: Known, now: float) -> Reading:
        """Return what is to be remembered of a look: how far it came, and what it could not read."""
        waiting = look.unread.keys() - look.done
        if waiting or (look.stuck and not look.passing):
            more = ", and others: its mark stands still" if look.stuck else ""
            such = min(look.unread, default="")
            text = f"{len(look.unread)} files of {look.folder.path} can't be read{more}; such as {such}"
            look.failures.append(Failure(SCOPE, "broken", text))
        notes: dict[str, Any] = {
            _MARK + look.named: look.reached,
            _CHECKED + look.named: look.checked,
            _UNREAD + look.named: look.unread or None,
            **self._contents.remembered(look.digests, known.notes),
        }
        for kind, mark in ((look.folder.kind, look.reached), (DIGESTS, look.checked)):
            path = look.folder._replace(kind=kind).path
            notes |= dict.fromkeys(self._contents.forgotten(path, known.notes, mark))
        return self._readings.make(look.folder.target, known, (), now, failed=tuple(look.failures), notes=notes)
