"""WHAT HAS BEEN COUNTED: readings in, one transaction each, a frozen snapshot out.

The door: `apply`, `snapshot`, `shown`, `known`, `notes`, `figures`, `close`. Behind it, along a reading's way:

    stage    copies what a reading changes (its meters, totals of events, notes) and changes the copies;
    meter    the counters of one resource, and how they follow CloudWatch;
    store    commits the copies (`sqlite`, or `memory` where nothing need survive);
    books    (`stage.Books`) hold what is committed;
    board    shows it: which counter, under which family and labels, from when and until when.

The order is everything: copies are committed first, and only then installed where a snapshot sees them. What a commit
refused was never counted, and no counter shows it; samples are shown all the same, for they count nothing. Nothing here
calls AWS, or knows a catalogue row or a format.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple

from exporter.clock import Clock
from exporter.ledger.board import Board
from exporter.ledger.meter import Rules
from exporter.ledger.stage import LIVES, RUNS, Applied, Books, Progress, Stage
from exporter.ledger.store import Changes, Key, LedgerError, Remembered, Spot, Store
from exporter.model import Known, Reading, Snapshot, Target
from exporter.tally import Tally

__all__ = ["Applied", "Figures", "Ledger", "LedgerError", "Rules"]

_log = logging.getLogger(__name__)


class Figures(NamedTuple):
    """Gauges about the ledger itself, by target and namespace where they are about series."""

    ahead: Mapping[tuple[Target, str], int]
    catching_up: frozenset[Target]
    settled_until: Mapping[tuple[Target, str], int]
    read_until: Mapping[Target, int]
    identities: Mapping[str, Remembered]  # by kind
    size_bytes: int | None
    persistent: bool


class Ledger:
    """The one place where anything is counted. Thread-safe; a thread of its own does all the writing.

    Prometheus counts an increase only from a value that it has seen. So a counter stands at 0 first, and shows its
    total when pages with that 0 have been served for `zero_hold` seconds.
    """

    def __init__(
        self, store: Store, clock: Clock, tally: Tally, rules: Rules | None = None, zero_hold: float = 130.0
    ) -> None:
        self._store = store
        self._clock = clock
        self._tally = tally
        self._rules = rules or Rules()
        self._state = threading.Lock()  # guards books and board; held for moments, never over a commit
        self._door = threading.Lock()  # or a reading could come in behind the last one, and wait for ever
        self._books = Books()
        self._board = Board(zero_hold, clock.now())
        self._closed = False
        self._progress: dict[Target, tuple[int, Progress]] = {}
        self._load()
        self._waiting: queue.SimpleQueue[tuple[Reading, Future[Applied]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="ledger-writer", daemon=True)
        self._writer.start()

    def _load(self) -> None:
        state = self._store.load()
        kept = Changes(
            meters={meter.resource: meter for meter in state.meters},
            totals=dict(state.totals),
            identities={},
            notes=dict(state.notes),
            forget={},
        )
        self._books.install(kept)
        self._board.install(kept, (), self._clock.now())

    def rule(self, rules: Rules, zero_hold: float, off: Collection[str] = ()) -> None:
        """Count by these rules from now on; what events have counted of families that are `off` is not shown."""
        with self._state:
            self._rules = rules
            self._board.hold(zero_hold)
            self._board.hide(off)

    def apply(self, reading: Reading) -> Applied:
        """Count a reading, commit it, install it; return what became of it.

        Raises `LedgerError` if the store refused, or is closed: nothing was counted, and nothing may be confirmed at
        the origin. Samples are shown all the same, and counters that were read stand at their committed value.
        """
        done: Future[Applied] = Future()
        with self._door:
            if self._closed:
                raise LedgerError("the ledger is closed")
            self._waiting.put((reading, done))
        return done.result()

    def snapshot(self) -> Snapshot:
        """Return everything that may be shown now; unchanged chunks are the objects of the last snapshot."""
        with self._state:
            return self._board.snapshot(self._clock.now())

    def shown(self, snapshot: Snapshot) -> None:
        """Learn that pages with this snapshot are served from now on: first zeros in it begin to count their time."""
        with self._state:
            self._board.shown(snapshot, self._clock.now(), self._clock.monotonic())

    def known(self, source: str, target: Target | None) -> Known:
        """Return what is known of a source on a target. The meters are frozen: they are replaced, never changed."""
        with self._state:
            return Known(
                notes=dict(self._books.notes.get((source, target), {})),
                meters=dict(self._books.meters.get(target, {})) if target else {},
                scopes=self._board.scopes(source, target),
                runs=self._books.notes.get((RUNS, target), {}),
                lives=self._books.notes.get((LIVES, target), {}),
                values=partial(self._values, target),
                counted=self._store.seen,
                looked=partial(self._looked, target),
            )

    def _values(self, target: Target | None, family: str) -> Mapping[tuple[str, ...], float]:
        with self._state:
            counters, found = self._board.values((family, target), self._clock.now())
        return {**{labels: meter.total(i) * scale for labels, meter, i, scale in counters}, **found}

    def _looked(self, target: Target | None, source: str, scope: str) -> float:
        with self._state:
            return self._board.looked(source, target, scope)

    def notes(self, source: str) -> Mapping[Target | None, Mapping[str, Any]]:
        """Return the notes of a source on all targets that it has ever had, configured or not."""
        with self._state:
            return {target: dict(notes) for (name, target), notes in self._books.notes.items() if name == source}

    def figures(self) -> Figures:
        """Return gauges about the ledger itself."""
        now = self._clock.now()
        self._progress = self._look(self._progress)
        told = [(target, one) for target, (_, one) in self._progress.items()]
        ahead = {(target, namespace): n for target, one in told for namespace, n in one.ahead.items()}
        settled = {(target, namespace): at for target, one in told for namespace, at in one.closed_until.items()}
        read = {target: one.read_until for target, one in told if one.read_until is not None}
        catching_up = frozenset(
            target
            for target, one in told
            if any(meter.visible(i, now) for meter in one.recovering for i in meter.recovering)
        )
        try:
            size = self._store.size()
        except OSError as error:  # what can't be seen is not told
            _log.warning("can't see how large the ledger is: %s", error)
            size = None
        remembered = self._store.remembered()
        return Figures(ahead, catching_up, settled, read, remembered, size, self._store.persistent)

    def _look(self, before: Mapping[Target, tuple[int, Progress]]) -> dict[Target, tuple[int, Progress]]:
        """Return how far each target is, and at which of its commits: it is told more often than there are commits.

        Meters are walked without the lock, or a page would wait for it.
        """
        with self._state:
            commits = dict(self._books.commits)
            stale = [
                (target, tuple(self._books.meters.get(target, {}).values()))
                for target, commit in commits.items()
                if target not in before or before[target][0] != commit
            ]
        return {**before, **{target: (commits[target], Progress.of(meters)) for target, meters in stale}}

    def close(self) -> None:
        """Commit what is pending, stop the writer, give the store up."""
        with self._door:
            self._closed = True
            self._waiting.put(None)
        self._writer.join()
        self._store.close()

    # -- the writer --------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Take what waits, stage it, commit it, install it: the only code that changes anything."""
        last = False
        while not last:
            batch = [self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            last = None in batch
            self._commit_all([item for item in batch if item is not None])
            batch.clear()  # or the last reading would be held until the next one comes

    def _commit_all(self, waiting: list[tuple[Reading, Future[Applied]]]) -> None:
        try:
            self._commit(waiting)
        except BaseException as error:  # noqa: BLE001 - or those who wait would wait for ever
            for _, done in waiting:
                if not done.done():
                    done.set_exception(error)

    def _commit(self, batch: list[tuple[Reading, Future[Applied]]]) -> None:
        """Commit a batch in one transaction; a reading that can't be applied, or written down, fails alone."""
        stage = Stage(self._books, self._store, self._rules)
        served = self._stage_zeros(stage)
        results = []
        for n, (reading, done) in enumerate(batch):
            try:
                results.append(stage.add(reading))
            except Exception as error:  # noqa: BLE001 - whatever it is belongs to the caller, and to him alone
                done.set_exception(error)
                self._commit(batch[:n] + batch[n + 1 :])
                return
        refused = None
        if not stage.empty:
            try:
                refused = self._store_changes(stage.changes)
            except Exception as error:
                if len(batch) < 2:
                    raise
                _log.debug("a batch is taken apart: %r", error)
                for item in batch:
                    self._commit_alone(item)
                return
        # From here on nothing may fail: what is on disk and not in the books would be overwritten by the next commit.
        readings = [reading for reading, _ in batch]
        # A refusal takes no counter off the page: it has been read, and stands at its committed value.
        changes = stage.leases() if refused else stage.changes
        with self._state:
            self._books.install(changes)
            self._board.install(changes, () if refused else readings, self._clock.now())
            if not refused:
                self._board.noted(served)
            for reading in readings:
                self._board.put(reading)  # its samples
        for (reading, done), applied in zip(batch, results, strict=True):
            if refused is None or reading.volatile:
                done.set_result(applied)
            else:
                done.set_exception(refused)

    def _commit_alone(self, item: tuple[Reading, Future[Applied]]) -> None:
        try:
            self._commit([item])
        except Exception as error:  # noqa: BLE001 - it belongs to the caller
            item[1].set_exception(error)

    def _store_changes(self, changes: Changes) -> LedgerError | None:
        """Commit; return what the store had against it. Raises what else went wrong: a note that can't be encoded."""
        began, outcome, refused = self._clock.monotonic(), "failed", None
        try:
            self._store.commit(changes)
            outcome = "ok"
        except LedgerError as error:
            refused = error
        finally:
            self._tally.add("ledger_writes_total", outcome)
            self._tally.observe("ledger_write_duration_seconds", value=self._clock.monotonic() - began)
        if not refused:
            self._tally.set("ledger_last_write_timestamp_seconds", value=self._clock.now())
        return refused

    def _stage_zeros(self, stage: Stage) -> list[tuple[Spot | Key, float]]:
        """Stage what time alone has changed: zeros that have stood long enough, and those newly served (returned)."""
        with self._state:
            served, over = self._board.newly_served(), self._board.releasable(self._clock.monotonic())
        for counter, at in served:
            stage.serve(counter, at)
        for counter in over:
            stage.release(counter, self._clock.now())
        return served
