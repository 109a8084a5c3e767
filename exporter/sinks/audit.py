"""Who called what, when and from where: audit records as lines of JSON, to a file or to standard output.

    {"time":"2026-01-01T00:01:40Z","event_name":"DeleteEndpoint",...,"resources":{"endpointName":"churn"}}

A record is handed over after the commit that counts its call, which never counts again: what a crash, a full disk or a
reader that has stopped reading takes away is lost, and no line is written twice. A thread of its own writes, so that
nothing that becomes of the output keeps anybody from counting.

A file is opened for each few lines anew. So whoever renames or removes it is followed at once, and need tell nobody.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson

from exporter.config import AuditSettings
from exporter.tally import Tally

ROOM = 16 << 20  # bytes of lines that wait
PIECE = 1 << 18  # bytes that are written at once: a file is larger than it may be by no more
KEPT = 9  # files that were renamed

_log = logging.getLogger(__name__)

# What JSON lets stand, and terminals or readers of lines do not take for text.
_ODD = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class AuditError(Exception):
    """Audit records can't be written where they should be. Says why, for people."""


class Put(NamedTuple):
    """How many lines are written whole, and what is wrong, if anything is."""

    lines: int
    trouble: str = ""


class Outlet(Protocol):
    """Where lines go."""

    def put(self, lines: Sequence[bytes]) -> Put:
        """Write lines as far as that can be done."""


class Stream:
    """A stream by its descriptor: standard output."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._torn = False

    def put(self, lines: Sequence[bytes]) -> Put:
        """Write lines as far as that can be done."""
        put, self._torn = _write(self._descriptor, lines, torn=self._torn)
        return put


class File(NamedTuple):
    """A file, and the bytes that it may hold before it is renamed; 0 for any number."""

    path: Path
    rotate: int

    def check(self) -> None:
        """Raise `AuditError` if nothing can be written."""
        try:
            os.close(self._open())
        except OSError as error:
            raise AuditError(f"audit.path: {self.path} can't be written: {_words(error)}") from error

    def put(self, lines: Sequence[bytes]) -> Put:
        """Write lines as far as that can be done. A file that can't be renamed grows."""
        done, trouble = 0, ""
        for piece in _pieces(lines):
            try:
                trouble = self._make_room(sum(map(len, piece))) or trouble
                put = self._add(piece)
            except (
                OSError
            ) as error:  # a server of files may refuse at the end what it seemed to take: it tells at close
                return Put(done, _words(error))
            done += put.lines
            if put.trouble:
                return Put(done, put.trouble)
        return Put(done, trouble)

    def _add(self, piece: Sequence[bytes]) -> Put:
        descriptor = self._open()
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            put, _ = _write(descriptor, piece, torn=torn)
        finally:
            os.close(descriptor)
        return put

    def _open(self) -> int:
        """Open the file, a new one for its owner alone; refuse what holds anything else, such as the ledger."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK  # a pipe without a reader must not hold us up
        descriptor = os.open(self.path, flags, 0o600)
        fault = ""
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            fault = "it is no regular file"
        elif os.pread(descriptor, 1, 0) not in {b"", b"{"}:
            fault = "it holds something else than audit records"
        if fault:
            os.close(descriptor)
            raise OSError(errno.EINVAL, fault)
        return descriptor

    def _make_room(self, number: int) -> str:
        """Rename the file if that many bytes are too many for it; return why that can't be done."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return ""
        if not self.rotate or not size or size + number <= self.rotate:
            return ""
        names = [self.path, *(Path(f"{self.path}.{n}") for n in range(1, KEPT + 1))]
        free = next((n for n, name in enumerate(names) if not name.exists()), KEPT)
        try:
            for n in range(free, 0, -1):
                names[n - 1].replace(names[n])
        except OSError as error:
            return f"the file can't be renamed, and grows: {_words(error)}"
        return ""


def outlet(settings: AuditSettings) -> Outlet | None:
    """Return where lines go, None for nowhere. Raises `AuditError` if they could not."""
    if settings.output == "stdout":
        return Stream(sys.stdout.fileno())
    if settings.output == "none" or settings.path is None:
        return None
    found = File(Path(settings.path).absolute(), settings.rotate)
    found.check()
    return found


class Audit:
    """Takes records and writes them. Thread-safe."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._outlet: Outlet | None = None
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Outlet, list[bytes]]] = deque()
        self._held = 0  # bytes of lines that wait or are being written
        self._closing = False
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def use(self, where: Outlet | None) -> None:
        """Write there what is handed over from now on."""
        with self._changed:
            self._outlet = where
            if where and not self._thread.is_alive() and not self._closing:
                self._thread.start()

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Take records, whose lines stand together and in their order. Waits for nothing, and raises nothing."""
        lines = [line(record) for record in records]
        size = sum(map(len, lines))
        with self._changed:
            if self._outlet is None or not lines:
                return
            full = self._closing or self._held + size > ROOM
            if not full:
                self._waiting.append((self._outlet, lines))
                self._held += size
                self._changed.notify()
        if full:
            self._report(len(lines), Put(0, "the output takes nothing more"))

    def close(self, seconds: float) -> None:
        """Write what waits, as far as there is time; take nothing more."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(seconds)
        with self._changed:
            left = sum(len(lines) for _, lines in self._waiting)
            self._waiting.clear()
        if left:
            self._report(left, Put(0, "there was no time to write it"))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                where, lines = self._waiting.popleft()
            try:
                put = where.put(lines)
            except Exception as error:  # noqa: BLE001 - no bug may end the thread: nobody would write any more
                _log.exception("audit records: a bug")
                put = Put(0, repr(error))
            self._report(len(lines), put)
            with self._changed:
                self._held -= sum(map(len, lines))

    def _report(self, number: int, put: Put) -> None:
        """Tell what became of lines: in a metric, and in the log when that is new."""
        self._tally.add("audit_records_total", "written", amount=float(put.lines))
        self._tally.add("audit_records_total", "lost", amount=float(number - put.lines))
        with self._changed:
            before = self._trouble
            if put.trouble or not self._waiting:  # else it may be that only this one found room
                self._trouble = put.trouble
            mended = before and not self._trouble
        if put.trouble and put.trouble != before:
            _log.error("audit records can't be written, calls are counted all the same: %s", put.trouble)
        elif mended:
            _log.info("audit records are written again")


def line(record: Mapping[str, Any]) -> bytes:
    """Return a record as one line, whatever stands in it."""
    text = orjson.dumps(record).decode()
    return _ODD.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode() + b"\n"


def _pieces(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield lines in pieces, each of which is written at once."""
    piece: list[bytes] = []
    size = 0
    for one in lines:
        if piece and size + len(one) > PIECE:
            yield piece
            piece, size = [], 0
        piece.append(one)
        size += len(one)
    if piece:
        yield piece


def _write(descriptor: int, lines: Sequence[bytes], *, torn: bool) -> tuple[Put, bool]:
    """Write lines, on a new one if the last was `torn`; return what became of them, and whether one is torn now."""
    data = memoryview((b"\n" if torn else b"") + b"".join(lines))
    done, trouble = 0, ""
    try:
        while done < len(data):
            done += os.write(descriptor, data[done:])
    except OSError as error:
        trouble = _words(error)
    written = bytes(data[torn:done])
    whole = written.count(b"\n")
    return Put(whole, trouble), (not written.endswith(b"\n") if done > torn else torn and not done)


def _words(error: OSError) -> str:
    return error.strerror or str(error)
