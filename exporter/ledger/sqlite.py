"""The store on disk: SQLite in WAL mode, every commit synced. The only file that knows SQL.

One process owns the file: an exclusive lock is held for as long as it is open, and the operating system lets go of it
however the process ends.
"""

from __future__ import annotations

import itertools
import logging
import os
import sqlite3
import threading
from collections import Counter as Tallies
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from exporter.ledger.meter import Meter
from exporter.ledger.store import (
    Changes,
    Key,
    LedgerError,
    LedgerHeldError,
    LedgerUnusableError,
    NoLedgerError,
    Remembered,
    State,
    Total,
)
from exporter.model import Resource, Target

PATIENCE = 0.5  # seconds to wait for a lock: whoever holds it holds it for good
APPLICATION = 0x5A6D4578  # "what is this file" for SQLite: ours
SCHEMA = 3  # of the tables, and of what `Meter.dump` writes

_TABLES = """
    CREATE TABLE meters (
        id INTEGER PRIMARY KEY, account_id TEXT, region TEXT, namespace TEXT, dimensions BLOB, labels BLOB, state BLOB
    );
    CREATE TABLE totals (
        family TEXT, account_id TEXT, region TEXT, labels BLOB,
        parts BLOB, released INTEGER, first_shown REAL, hidden INTEGER,
        PRIMARY KEY (family, account_id, region, labels)
    ) WITHOUT ROWID;
    CREATE TABLE identities (
        kind TEXT, identity TEXT, at REAL, PRIMARY KEY (kind, identity)
    ) WITHOUT ROWID;
    CREATE INDEX identities_by_age ON identities (kind, at);
    CREATE TABLE notes (
        source TEXT, account_id TEXT, region TEXT, name TEXT, note BLOB,
        PRIMARY KEY (source, account_id, region, name)
    ) WITHOUT ROWID;
"""
_DISK = {  # errors of SQLite that are about the disk, not about the file
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
_MANY = 500  # variables in one statement; SQLite's own limit is 32,766, older builds allowed 999

_log = logging.getLogger(__name__)

_pack = msgspec.msgpack.encode
_unpack = msgspec.msgpack.decode


class SqliteStore:
    """The ledger file. Raises `LedgerUnusableError` when it can't be opened, with what to do about it."""

    persistent = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids: dict[Resource, int] = {}
        self._remembered: dict[str, Remembered] = {}
        self._commits = threading.Lock()  # held while something is written that may yet be taken back
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _refuse_read_only(path)
        _look(path)
        with _told(path):
            self._db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            with _told(path):
                self._open()
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("BEGIN IMMEDIATE")  # takes the lock that is then held for good
        if _check(self._path, self._db):
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id = {APPLICATION}")
            self._db.execute(f"PRAGMA user_version = {SCHEMA}")
        self._db.execute("COMMIT")
        ((found,),) = self._db.execute("PRAGMA quick_check(1)")  # or a commit would find it, some night
        if found != "ok":
            raise sqlite3.DatabaseError(found)

    def load(self) -> State:
        """Return what has been committed."""
        with _told(self._path):
            kinds = self._db.execute("SELECT kind, COUNT(*), MIN(at) FROM identities GROUP BY kind")
            self._remembered = {kind: Remembered(count, oldest) for kind, count, oldest in kinds}
            return State(list(self._meters()), list(self._totals()), list(self._notes()))

    def _meters(self) -> Iterator[Meter]:
        columns = "id, account_id, region, namespace, dimensions, labels, state"
        for id_, account, region, namespace, dimensions, labels, state in self._db.execute(
            f"SELECT {columns} FROM meters"  # noqa: S608 - the columns stand above
        ):
            resource = Resource(
                Target(account, region),
                namespace,
                _unpack(dimensions, type=tuple[tuple[str, str], ...]),
                _unpack(labels, type=tuple[str, ...]),
            )
            self._ids[resource] = id_
            yield Meter.load(resource, state)

    def _totals(self) -> Iterator[tuple[Key, Total]]:
        rows = self._db.execute("SELECT * FROM totals")
        for family, account, region, labels, parts, released, first_shown, hidden in rows:
            key = Key((family, _target(account, region)), _unpack(labels, type=tuple[str, ...]))
            yield key, Total(_unpack(parts, type=dict[str, float]), bool(released), first_shown, bool(hidden))

    def _notes(self) -> Iterable[tuple[tuple[str, Target | None], dict[str, Any]]]:
        notes: dict[tuple[str, Target | None], dict[str, Any]] = {}
        for source, account, region, name, note in self._db.execute("SELECT * FROM notes"):
            notes.setdefault((source, _target(account, region)), {})[name] = _unpack(note)
        return notes.items()

    def commit(self, changes: Changes) -> None:
        """Write everything or nothing; raise `LedgerError` for nothing."""
        try:
            with self._commits, self._transaction():
                fresh = self._write_meters(changes.meters)
                self._write_totals(changes.totals)
                remembered = self._write_identities(changes)
                self._write_notes(changes.notes)
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger {self._path} refuses: {error}") from error
        self._ids.update(fresh)
        self._remembered = self._remembered | remembered
        for resource in (resource for resource, meter in changes.meters.items() if meter is None):
            self._ids.pop(resource, None)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite has rolled back by itself where it had to
                self._db.execute("ROLLBACK")
            raise

    def _write_meters(self, meters: Mapping[Resource, Meter | None]) -> dict[Resource, int]:
        """Write changed meters; return the row numbers of new ones, which are not sure before the commit."""
        known = ((m.dump(), self._ids[r]) for r, m in meters.items() if m and r in self._ids)
        self._db.executemany("UPDATE meters SET state = ? WHERE id = ?", known)
        gone = ((self._ids[r],) for r, m in meters.items() if m is None and r in self._ids)
        self._db.executemany("DELETE FROM meters WHERE id = ?", gone)
        fresh = {}
        for r, m in meters.items():
            if m and r not in self._ids:
                row = (*_columns(r.target), r.namespace, _pack(r.dimensions), _pack(r.labels), m.dump())
                insert = "INSERT INTO meters (account_id, region, namespace, dimensions, labels, state)"
                fresh[r] = self._db.execute(f"{insert} VALUES (?,?,?,?,?,?)", row).lastrowid or 0
        return fresh

    def _write_totals(self, totals: Mapping[Key, Total | None]) -> None:
        rows = (
            (f, *_columns(target), _pack(labels), _pack(t.parts), t.released, t.first_shown, t.hidden)
            for ((f, target), labels), t in totals.items()
            if t
        )
        ended = ((k.face[0], *_columns(k.face[1]), _pack(k.labels)) for k, t in totals.items() if t is None)
        self._db.executemany("INSERT OR REPLACE INTO totals VALUES (?,?,?,?,?,?,?,?)", rows)
        where = "family = ? AND account_id = ? AND region = ? AND labels = ?"
        self._db.executemany(f"DELETE FROM totals WHERE {where}", ended)  # noqa: S608 - the columns stand above

    def _write_identities(self, changes: Changes) -> dict[str, Remembered]:
        """Write new identities, forget old ones; return what there will be of each kind. Nothing is counted again."""
        counts = Tallies({kind: known.identities for kind, known in self._remembered.items()})
        counts.update(kind for kind, _ in changes.identities)
        rows = ((kind, identity, at) for (kind, identity), at in changes.identities.items())
        self._db.executemany("INSERT INTO identities VALUES (?,?,?)", rows)
        forget = "DELETE FROM identities WHERE kind = ? AND at < ?"
        for kind, before in changes.forget.items():
            counts[kind] -= self._db.execute(forget, (kind, before)).rowcount
        touched = {kind for kind, _ in changes.identities} | changes.forget.keys()
        oldest = "SELECT MIN(at) FROM identities WHERE kind = ?"
        return {kind: Remembered(counts[kind], *self._db.execute(oldest, (kind,)).fetchone()) for kind in touched}

    def _write_notes(self, notes: Mapping[tuple[str, Target | None], Mapping[str, Any]]) -> None:
        rows = [
            (source, *_columns(of), name, note) for (source, of), own in notes.items() for name, note in own.items()
        ]
        kept = ((*row, _pack(note)) for *row, note in rows if note is not None)
        gone = (row for *row, note in rows if note is None)
        self._db.executemany("INSERT OR REPLACE INTO notes VALUES (?,?,?,?,?)", kept)
        self._db.executemany("DELETE FROM notes WHERE source = ? AND account_id = ? AND region = ? AND name = ?", gone)

    def seen(self, kind: str, identities: list[str]) -> set[str]:
        """Return which of the identities of a kind have been committed."""
        found: set[str] = set()
        try:
            for first in range(0, len(identities), _MANY):
                some = identities[first : first + _MANY]
                query = f"SELECT identity FROM identities WHERE kind = ? AND identity IN ({','.join('?' * len(some))})"  # noqa: S608 - question marks
                with self._commits:
                    found.update(identity for (identity,) in self._db.execute(query, (kind, *some)).fetchall())
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger {self._path} can't be read: {error}") from error
        return found

    def remembered(self) -> Mapping[str, Remembered]:
        """Return what is known of the identities that have been committed, by kind."""
        return self._remembered

    def size(self) -> int:
        """Return the bytes on disk, the write-ahead log included. Raises OSError where that can't be seen."""
        files = (self._path, self._path.with_name(self._path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Give the file up."""
        with self._commits:  # closed while somebody asks, it would take the process down
            self._db.close()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say in words what keeps a ledger from being used, and what can be done about it."""
    try:
        yield
    except (OSError, sqlite3.Error, TypeError, ValueError, msgspec.MsgspecError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of it says more than we ask
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            text = f"another process holds the ledger {path}: two exporters can't count into one ledger"
            raise LedgerHeldError(text) from error
        if isinstance(error, OSError) or code in _DISK:  # what has been counted may be whole: nobody should leave it
            text = f"can't open the ledger {path}: {error}"
        else:
            advice = "start with --ledger.move-aside to keep it under another name and begin anew"
            text = f"can't use the ledger {path}: {error}; {advice}"
        raise LedgerUnusableError(text) from error


def _refuse_read_only(path: Path) -> None:
    """Raise `OSError` where nothing can be written: SQLite itself says so in other words each time, and late."""
    for place in (path.parent, path):
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(f"{place} can't be written")


def _look(path: Path) -> None:
    """Raise `LedgerUnusableError` for a file that is held or not ours, without changing a byte of it."""
    if path.exists():
        if not path.is_file():
            raise NoLedgerError(f"can't open the ledger {path}: it is no file")
        with (
            _told(path),
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as db,
        ):
            _check(path, db)


def _check(path: Path, db: sqlite3.Connection) -> bool:
    """Return whether a database is empty; raise `LedgerUnusableError` for one of another program or version."""
    application, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if not db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
        return True
    if application != APPLICATION:
        raise LedgerUnusableError(f"{path} is a database of another program")
    if version != SCHEMA:
        text = f"{path} was written by another version (schema {version}, this one knows {SCHEMA})"
        raise LedgerUnusableError(f"{text}: use that one, or start with --ledger.move-aside to begin anew")
    return False


def _columns(target: Target | None) -> tuple[str, str]:
    return (target.account_id, target.region) if target else ("", "")


def _target(account: str, region: str) -> Target | None:
    return Target(account, region) if region else None


def move_aside(path: Path, suffix: str) -> Path:
    """Rename a ledger and its log, so that a new one can begin; return the new name. Nothing is ever deleted.

    Raises `LedgerUnusableError` if another process holds it: that one would go on to count where nobody looks. A folder
    is not renamed: a slip in a path must not take more away than a ledger.
    """
    try:
        _look(path)
    except (LedgerHeldError, NoLedgerError):
        raise
    except LedgerUnusableError as error:
        _log.warning("%s", error)
    again = itertools.chain([""], (f"-{n}" for n in itertools.count(2)))
    moved = next(name for more in again if not (name := path.with_name(f"{path.name}.{suffix}{more}")).exists())
    try:
        for extra in ("", "-wal", "-shm"):
            file = path.with_name(path.name + extra)
            if file.exists():
                file.rename(moved.with_name(moved.name + extra))
    except OSError as error:
        raise LedgerUnusableError(f"can't move the ledger {path} aside: {error.strerror}") from error
    return moved
