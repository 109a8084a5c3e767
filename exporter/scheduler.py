"""When each source runs on each target. `Schedule.due` is pure arithmetic; APScheduler only ticks.

A run never overlaps itself, is never thrown away for being a moment late, and starts at once when the process does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from exporter.clock import Clock
from exporter.model import Target
from exporter.tally import Tally

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

WORKERS = 16
TICK = 0.5  # seconds of real time between two looks at the schedule

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Entry:
    """Something that runs every so many seconds, once it `may`."""

    name: str
    every: float
    run: Callable[[], Any]
    target: Target | None = None
    may: Callable[[], bool] = lambda: True
    apart: bool = False  # in a thread of its own: it must go on while all workers wait for AWS
    planned: float = 0.0
    running: bool = False
    waiting: bool = False  # it was due, and no worker was free
    runs: int = 0
    missed: dict[str, int] = field(default_factory=dict)  # by reason, since the last look


class Schedule:
    """The entries, and which of them are due. Not thread-safe."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, entry: Entry, now: float) -> None:
        """Plan the first run for now."""
        entry.planned = now
        self.entries.append(entry)

    def remove(self, entry: Entry) -> None:
        """Plan no further run."""
        self.entries.remove(entry)

    def due(self, now: float) -> list[Entry]:
        """Return what is to be started, the longest planned first; note what was planned and can't happen."""
        for entry in self.entries:
            entry.planned = min(entry.planned, now + entry.every)  # the clock may have been set back
            late = int((now - entry.planned) // entry.every)
            if late > 0:
                reason = "still_running" if entry.running else "no_worker" if entry.waiting else "missed"
                if entry.runs or entry.running or entry.waiting:
                    entry.missed[reason] = entry.missed.get(reason, 0) + late
                entry.planned += late * entry.every
        ready = (e for e in self.entries if not e.running and e.planned <= now and e.may())
        return sorted(ready, key=lambda entry: entry.planned)

    @staticmethod
    def started(entry: Entry, now: float) -> float:
        """Plan the next run; return by how many seconds this one is late."""
        late = now - entry.planned
        entry.running, entry.waiting = True, False
        entry.planned += entry.every
        return late

    @staticmethod
    def ended(entry: Entry) -> None:
        """Let the entry run again."""
        entry.running = False
        entry.runs += 1


class Scheduler:
    """Runs what is due in a pool of threads, until it is stopped."""

    def __init__(self, clock: Clock, tally: Tally) -> None:
        self._clock = clock
        self._tally = tally
        self._lock = threading.Lock()
        self._schedule = Schedule()
        self._workers = ThreadPoolExecutor(WORKERS, "run")
        self._apart = ThreadPoolExecutor(1, "apart")
        self._running: set[Any] = set()
        self._ticker: BackgroundScheduler | None = None

    def add(self, entry: Entry) -> None:
        """Run an entry from now on."""
        with self._lock:
            self._schedule.add(entry, self._clock.now())
        if entry.target:
            self._tally.set("source_interval_seconds", entry.name, value=entry.every)

    def remove(self, entry: Entry) -> None:
        """Run an entry no more."""
        with self._lock:
            self._schedule.remove(entry)

    def start(self) -> None:
        """Begin to tick."""
        from apscheduler.executors.pool import ThreadPoolExecutor as TickExecutor  # noqa: PLC0415 - the port is open
        from apscheduler.schedulers.background import BackgroundScheduler  # noqa: PLC0415 - by now, and was not to wait

        self._ticker = BackgroundScheduler(
            timezone="UTC",
            executors={"default": TickExecutor(1)},
            # A tick that waited is not thrown away after a second, which is the default; several make one.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._ticker.add_job(self.tick, "interval", seconds=TICK, id="tick")
        self._ticker.start()

    def tick(self) -> None:
        """Start what is due, as far as there are workers."""
        with self._lock:
            now = self._clock.now()
            due = self._schedule.due(now)
            for entry in self._schedule.entries:
                self._report(entry)
            for entry in due:
                if not entry.apart and len(self._running) >= WORKERS:
                    entry.waiting = True
                    continue
                late = Schedule.started(entry, now)
                if entry.target:
                    self._tally.observe("scheduler_lateness_seconds", entry.name, value=max(0.0, late))
                if entry.apart:
                    self._apart.submit(self._run, entry)
                    continue
                future = self._workers.submit(self._run, entry)
                self._running.add(future)
                future.add_done_callback(self._running.discard)

    def _run(self, entry: Entry) -> None:
        try:
            entry.run()
        except Exception:  # noqa: BLE001 - a bug in one run must not end the others
            _log.exception("%s ended with a bug", entry.name)
        finally:
            with self._lock:
                Schedule.ended(entry)

    def _report(self, entry: Entry) -> None:
        for reason, count in entry.missed.items():
            if entry.target:
                where = (entry.target.account_id, entry.target.region)
                self._tally.add("scheduler_skipped_runs_total", *where, entry.name, reason, amount=count)
        entry.missed.clear()

    def stop(self, seconds: float, last: Callable[[], Any] = lambda: None) -> bool:
        """Start nothing more, call `last`, wait for what runs; return whether all of it has ended."""
        if self._ticker and self._ticker.running:
            self._ticker.shutdown(wait=False)
        with self._lock:
            for entry in self._schedule.due(self._clock.now()):
                entry.missed["stopping"] = entry.missed.get("stopping", 0) + 1
            for entry in self._schedule.entries:
                self._report(entry)
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._apart.shutdown(wait=True, cancel_futures=True)
        last()
        return not wait(set(self._running), timeout=seconds).not_done
