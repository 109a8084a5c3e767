"""Runs one source on one target, or lets it hear: times it, guards it, applies the reading, confirms it, reports on it.

A source tells of what it could not read in `failed`, call by call; what it raises, having nothing to return, is caught
here. Order matters: a receipt is confirmed, and an audit record written, only after the commit.
"""

from __future__ import annotations

import logging
import operator
import threading
from collections import Counter as Tallies
from collections import deque
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

from exporter.admission import Admission, Sieve
from exporter.aws import AwsError, spending
from exporter.aws.queues import Told
from exporter.catalogue import CATALOGUE
from exporter.clock import Clock
from exporter.folding import Folding
from exporter.inventory import Census
from exporter.ledger import Applied, Ledger, LedgerError
from exporter.model import Event, Failure, Forecast, Known, Reading, Snapshot, Target, Turn
from exporter.tally import PREFIX, Tally

_log = logging.getLogger(__name__)

KEPT_FAILURES = 20  # for people who look at the status page
AGAIN = 3600.0  # seconds after which what goes on and on is told again

_SOURCES = CATALOGUE[f"{PREFIX}source_up"].known("source")
_TOLD_AS = {"job_events": "job_events/event"}  # the kind to count, where one message tells of several
_TELLERS = CATALOGUE[f"{PREFIX}event_lag_seconds"].known("source")  # of events


class Source(Protocol):
    """Where facts come from. A source returns data and touches nothing but itself.

    It may remember what a restart may forget, such as what is due when; all else goes into notes.
    """

    name: str
    thrifty: bool  # asks more seldom where dollars run short: what it takes depends on what the others leave

    def read(self, target: Target, known: Known, now: float) -> Reading:
        """Read what is due; raise `AwsError` when there is nothing at all to return."""

    def confirm(self, receipts: tuple[Any, ...]) -> None:
        """Tell the origin that what belongs to the receipts is safely counted."""

    def survey(self, target: Target, now: float) -> tuple[Failure, ...]:
        """List as much as a forecast needs; return what could not be listed."""

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:
        """Return what an hour takes where this exists, asking nothing; `usd` is what a limit leaves for the hour."""


class Listener(Protocol):
    """A source that hears: what it counts is told to it by messages, a batch at a time."""

    name: str

    def hears(self, told: Told) -> bool:
        """Say whether this is for its ears."""

    def meet(self, target: Target) -> None:
        """Learn of a target that is not configured, before the first message about it: nobody reads it."""

    def hear(self, target: Target, told: Sequence[Told], known: Known, now: float) -> Reading:
        """Return what messages about a target tell, those that it knows already too: their events have identities.

        Before the first one it is asked what no message tells: what stands at 0, and since when it counts.
        """


@runtime_checkable
class Follower(Protocol):
    """A source that follows messages to what they announce: more than one reading holds, and of any target.

    Each reading is committed before the next one is asked for. One that holds failures tells that the rest could not be
    read.
    """

    name: str

    def hears(self, told: Told) -> bool:
        """Say whether this is for its ears."""

    def meet(self, target: Target) -> None:
        """Learn of a target that is not configured."""

    def follow(self, told: Told, turn: Turn) -> Iterator[Reading]:
        """Yield what a message leads to."""

    def due(self) -> bool:
        """Say whether it is time to heal."""

    def heal(self, turn: Turn) -> Iterator[Reading]:
        """Yield what no message has led to, for a minute or so."""

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:
        """Return what an hour takes where this exists, beside what comes out of the queue; as that of a source."""


class Repeats:
    """How often the same is wrong with the same thing: to be told at first, and then with its number now and then."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[Hashable, int, float]] = {}  # to what is wrong, how often, when it was told

    def tell(self, about: Hashable, wrong: Hashable, now: float) -> int:
        """Return how often this has been so if it is to be told now, 1 for what is new; 0 if it is not (monotonic)."""
        before, times, told = self._known.get(about, (None, 0, 0.0))
        if wrong != before:
            times, told = 0, now
        times += 1
        tell = times == 1 or now >= told + AGAIN
        self._known[about] = (wrong, times, now if tell else told)
        return times if tell else 0

    def end(self, about: Hashable) -> bool:
        """Learn that nothing is wrong; return whether anything was."""
        return self._known.pop(about, None) is not None


class Run(NamedTuple):
    """One run of a source on a target, for people."""

    source: str
    target: Target
    at: float
    seconds: float
    outcome: str
    failures: tuple[Failure, ...]


class Collection:
    """The one wrapper around all sources. `audit` takes the records of events that have counted, and raises nothing."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        tally: Tally,
        admission: Admission,
        audit: Callable[[Sequence[Mapping[str, Any]]], object] = len,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._tally = tally
        self._admission = admission
        self._audit = audit
        self._sieve = Sieve(admission)
        self._folding = Folding(tally, ledger.snapshot())
        self._lock = threading.Lock()
        self._leaving = False
        self._repeats = Repeats()
        self._read_until: dict[tuple[str, Target], tuple[float, bool]] = {}  # and whether there is more
        self._last_event: dict[tuple[str, Target], float] = {}
        self._newest: dict[tuple[str, Target], Run] = {}
        self._listening: frozenset[int] | None = None  # None while that is not told
        self._wrong: dict[tuple[str, Target], dict[tuple[str, int], tuple[tuple[Failure, ...], float]]] = {}
        self._retired: frozenset[str] = frozenset()
        self._failed: deque[Run] = deque(maxlen=KEPT_FAILURES)

    def runs(self) -> tuple[Run, ...]:
        """Return the newest run of each source on each target."""
        with self._lock:
            return tuple(self._newest.values())

    def failures(self) -> tuple[Run, ...]:
        """Return the last runs that failed in a new way, the oldest first."""
        with self._lock:
            return tuple(self._failed)

    def keep(self, runs: Container[tuple[str, Target]]) -> None:
        """Forget the newest runs of all other sources and targets: they run no more, and the rest runs anew."""
        self._sieve.forget()
        with self._lock:
            self._newest = {key: run for key, run in self._newest.items() if key in runs}
            self._read_until = {key: until for key, until in self._read_until.items() if key in runs}

    def retire(self, sources: Iterable[str], listeners: Iterable[Listener | Follower]) -> None:
        """Learn which sources are switched off: a run of one that is still under way counts nothing any more.

        What was wrong with those that are on is to be found again, by the `listeners` that there are from now on.
        """
        self._retired = frozenset(sources)
        with self._lock:
            self._listening = frozenset(map(id, listeners))
            self._wrong.clear()

    def limit(self, labels: Mapping[str, int]) -> None:
        """Let labels have no more values than that."""
        self._folding.limit(labels)

    def leave(self) -> None:
        """Learn that the process ends: calls fail from now on, which is nothing to warn of."""
        self._leaving = True

    def run(self, source: Source, target: Target) -> Run:
        """Read, apply, confirm, report. Raises nothing: what went wrong is in the run."""
        began, now = self._clock.monotonic(), self._clock.now()
        failures: tuple[Failure, ...] = ()
        bug: Exception | None = None
        try:
            known = self._known(source.name, target)
            with spending(source.name):
                reading = source.read(target, known, now)
            failures, outcome = reading.failed, _outcome(reading)
            self._apply(source.name, reading, known)
            if reading.receipts:
                source.confirm(reading.receipts)
        except AwsError as error:
            failures = (*failures, Failure(source.name, error.error_class, str(error)))
            outcome = error.error_class if error.error_class in {"denied", "throttled"} else "failed"
        except LedgerError as error:
            failures, outcome = (*failures, Failure("ledger", "transient", str(error))), "failed"
        except Exception as error:  # noqa: BLE001 - a bug in one source must not take the others with it
            failures, outcome, bug = (*failures, Failure(source.name, "bug", repr(error))), "failed", error
        self._admission.pass_by(target, source.name)
        run = Run(source.name, target, now, self._clock.monotonic() - began, outcome, failures)
        self._report(run, bug, ("read", 0))
        return run

    def hear(self, listener: Listener, target: Target, told: Sequence[Told]) -> list[Told]:
        """Let a listener hear, apply, report; return those of which it could make nothing, but an exception.

        The others are committed. Raises `LedgerError`: any of them may not be.
        """
        began, now = self._clock.monotonic(), self._clock.now()
        failures: tuple[Failure, ...] = ()
        left: list[Told] = []
        bug: Exception | None = None
        waiting = [list(told)]
        try:
            while waiting:  # in halves, until each that it fails on stands alone
                some = waiting.pop()
                try:
                    known = self._known(listener.name, target)
                    with spending(listener.name):
                        reading = listener.hear(target, some, known, now)
                    self._apply(listener.name, reading, known)
                except LedgerError:
                    raise
                except Exception as error:  # noqa: BLE001 - one message must not take the others with it
                    bug = error
                    half = len(some) // 2
                    waiting += [some[half:], some[:half]] if half else []
                    left += [] if half else some
                else:
                    failures = (*failures, *reading.failed)
        except LedgerError as error:
            failures, outcome = (*failures, Failure("ledger", "transient", str(error))), "failed"
            raise
        else:
            if bug:
                failures = (*failures, Failure("messages", "bug", repr(bug)))
            outcome = "failed" if bug and len(left) == len(told) else "partial" if failures else "ok"
        finally:
            self._report(
                Run(listener.name, target, now, self._clock.monotonic() - began, outcome, failures),
                bug,
                ("hear", id(listener)),
            )
        return left

    def follow(self, follower: Follower, home: Target, told: Sequence[Told], turn: Turn) -> list[Told]:
        """Let a follower read what messages lead to, apply, report; return those that could not be read to their end.

        What it could read of these is committed too. Raises `LedgerError`: any of them may not be.
        """
        streams = (follower.follow(one, turn._replace(now=self._clock.now())) for one in told)
        whole = self._read_all(follower, "follow", home, streams, turn.stop)
        return [one for one, good in zip(told, whole, strict=True) if not good]

    def heal(self, follower: Follower, home: Target, turn: Turn) -> None:
        """Let a follower read what no message has led to, apply, report. Raises `LedgerError`."""
        self._read_all(follower, "heal", home, [follower.heal(turn)], turn.stop)

    def turn(
        self, name: str, wanted: Callable[[Target], bool], targets: Sequence[Target] | None, stop: Callable[[], bool]
    ) -> Turn:
        """Return what a follower of this name is given; see `Turn`."""
        return Turn(wanted, targets, partial(self._known, name), self._clock.now(), stop)

    def _read_all(
        self,
        follower: Follower,
        what: str,
        home: Target,
        streams: Iterable[Iterator[Reading]],
        stop: Callable[[], bool],
    ) -> list[bool]:
        """Apply streams of readings, reading by reading, until it is to stop; return which came to their end whole."""
        began, at = self._clock.monotonic(), self._clock.now()
        failures: list[Failure] = []
        whole: list[bool] = []
        bug: Exception | None = None
        try:
            for stream in streams:
                good = True
                try:
                    for reading in () if stop() else _billed(follower.name, stream):
                        self._apply(follower.name, reading, self._known(follower.name, reading.target or home))
                        failures += reading.failed
                        good = good and not reading.failed
                        if stop():
                            break
                    whole.append(good and not stop())
                except LedgerError:
                    raise
                except Exception as error:  # noqa: BLE001 - one stream must not take the others with it
                    bug = error
                    failures.append(Failure("messages", "bug", repr(error)))
                    whole.append(False)
        except LedgerError as error:
            failures.append(Failure("ledger", "transient", str(error)))
            raise
        finally:
            outcome = "ok" if not failures else "partial" if any(whole) else _only(failures)
            run = Run(follower.name, home, at, self._clock.monotonic() - began, outcome, tuple(failures))
            self._report(run, bug, (what, id(follower)))
        return whole

    def _known(self, source: str, target: Target) -> Known:
        known = self._ledger.known(source, target)
        return known._replace(scopes=known.scopes.union(self._sieve.scopes(target, source)))

    def _apply(self, source: str, reading: Reading, known: Known) -> None:
        if source in self._retired:
            _log.info("a reading of %s is left out: it has been switched off meanwhile", source)
            return
        for family, labels in set(_shown(reading)):  # what can't be rendered would leave the page without its family
            row = CATALOGUE.get(family)
            if row is None or not row.takes(labels):
                raise ValueError(f"source {source}: {family} with {labels} labels has no row")
        for kind in {event.kind for event in reading.events}:
            if _owner(kind) not in _SOURCES:
                raise ValueError(f"source {source}: events of the kind {kind!r} belong to no source")
        self._tally.take(reading.tallies)  # true of the run, whatever the ledger makes of it
        applied = self._ledger.apply(self._sieve.sift(self._folding.fold(reading), known, self._ledger.snapshot()))
        counted = sorted(applied.counted, key=operator.attrgetter("at"))
        self._audit([event.audit for event in counted if event.audit])
        self._tell(reading, applied)
        if reading.source in _TELLERS:
            self._tell_of_events(reading.source, applied.counted)
        if reading.target and reading.read_until is not None:
            with self._lock:
                behind = reading.read_until < reading.at if reading.behind is None else reading.behind
                self._read_until[reading.source, reading.target] = (reading.read_until, behind)

    def _tell(self, reading: Reading, applied: Applied) -> None:
        """Count what became of a reading."""
        if reading.target is None:
            return
        where = (reading.target.account_id, reading.target.region)
        for (namespace, revision), count in applied.revisions.items():
            self._tally.add("revisions_total", *where, namespace, revision.direction, amount=count)
            if revision.late:
                self._tally.add("late_revisions_total", *where, namespace, revision.direction, amount=count)
        for namespace, count in applied.short.items():
            self._tally.add("query_results_total", *where, namespace, "short", amount=count)
        for (kind, outcome), count in applied.outcomes.items() if reading.source in _TELLERS else ():
            if kind == _TOLD_AS.get(reading.source, kind):
                self._tally.add("events_total", *where, reading.source, outcome, amount=count)
        self._tally.take([tally for event in applied.counted for tally in event.tallies])
        lost = applied.lost_seconds + reading.lost_seconds
        if lost:
            self._tally.add("lost_seconds_total", *where, reading.source, amount=lost)

    def _tell_of_events(self, source: str, counted: Sequence[Event]) -> None:
        """Tell how late events were counted, and of the newest one."""
        now = self._clock.now()
        counted = [event for event in counted if event.kind == _TOLD_AS.get(source, event.kind)]
        for event in counted:
            self._tally.observe("event_lag_seconds", source, value=max(0.0, now - event.at))
        for target in {event.target for event in counted}:
            with self._lock:
                newest = max(event.at for event in counted if event.target == target)
                at = self._last_event[source, target] = max(newest, self._last_event.get((source, target), newest))
            self._tally.set("event_last_timestamp_seconds", target.account_id, target.region, source, value=at)

    def _report(self, run: Run, bug: Exception | None, who: tuple[str, int]) -> None:
        """Tell of a run in metrics, and in the log where it failed in a new way: one place for both.

        Several may tell of one source and target, by different roads: `who` is what was done, and by which listener.
        What is wrong with one is not mended by another that is well; what was wrong with a message is, in an hour: it
        may be the last one.
        """
        now = self._clock.monotonic()
        with self._lock:
            wrong = self._wrong.setdefault((run.source, run.target), {})
            if self._listening is None or who[1] in {0, *self._listening}:
                wrong[who] = run.failures, now
            others = tuple(
                one
                for name, (failures, at) in wrong.items()
                if name != who and (name[0] in {"read", "heal"} or now < at + AGAIN)
                for one in failures
            )
        if others:
            run = run._replace(failures=(*run.failures, *others))
            run = run if run.outcome != "ok" else run._replace(outcome="partial")
        where = (run.target.account_id, run.target.region, run.source)
        ended = run.at + run.seconds
        self._tally.add("source_runs_total", *where, run.outcome)
        self._tally.set("source_up", *where, value=float(run.outcome == "ok"))
        self._tally.observe("source_run_duration_seconds", run.source, value=run.seconds)
        self._tally.set("source_last_run_duration_seconds", *where, value=run.seconds)
        self._tally.set("source_last_run_timestamp_seconds", *where, value=ended)
        if run.outcome == "ok":
            self._tally.set("source_last_success_timestamp_seconds", *where, value=ended)
        with self._lock:
            self._newest[run.source, run.target] = run
            complaints = tuple(sorted({(failure.scope, failure.error_class) for failure in run.failures}))
            if complaints:
                times = self._repeats.tell((run.source, run.target), complaints, self._clock.monotonic())
                mended = False
            else:
                times, mended = 0, self._repeats.end((run.source, run.target))
            if times == 1:
                self._failed.append(run)
        named = (run.source, *where[:2])
        if times == 1 and bug:
            _log.error("source %s has a bug, on %s %s", *named, exc_info=bug)
        elif self._leaving:
            _log.debug("%s on %s %s: broken off", *named)
        elif times == 1:
            for failure in run.failures[:5]:
                _log.warning(
                    "%s on %s %s: could not look at %s (%s): %s",
                    *named,
                    failure.scope,
                    failure.error_class,
                    failure.detail,
                )
        elif times:
            _log.warning("%s on %s %s: still so, %d times in a row", *named, times)
        elif mended:
            _log.info("%s on %s %s: complete again", *named)

    def own(self) -> None:
        """Show what the process tells of itself, as a reading like all others."""
        now, figures, source = self._clock.now(), self._ledger.figures(), "cloudwatch_metrics"
        by_namespace = [
            ("series_ahead", figures.ahead),
            ("data_settled_until_timestamp_seconds", figures.settled_until),
        ]
        for name, values in by_namespace:
            self._tally.fill(name, (((t.account_id, t.region, ns), float(n)) for (t, ns), n in values.items()))
        with self._lock:
            read = {
                (target.account_id, target.region, source): told for (source, target), told in self._read_until.items()
            }
            tellers = {source for source, _ in self._newest}.intersection(_TELLERS)
        for target, end in figures.read_until.items():
            until = min(float(end), now)  # a period that goes on is read too, and no age is negative
            read[target.account_id, target.region, source] = (until, target in figures.catching_up)
        self._tally.fill("checkpoint_timestamp_seconds", ((labels, until) for labels, (until, _) in read.items()))
        self._tally.fill("catching_up", ((labels, float(behind)) for labels, (_, behind) in read.items()))
        counts: Tallies[str] = Tallies(dict.fromkeys(tellers, 0))
        oldest: dict[str, float] = {}
        for kind, remembered in figures.identities.items():
            owner = _owner(kind)
            counts[owner] += remembered.identities
            if remembered.oldest is not None:
                oldest[owner] = min(oldest.get(owner, remembered.oldest), remembered.oldest)
        self._tally.fill("ledger_identities", (((owner,), float(count)) for owner, count in counts.items()))
        self._tally.fill("ledger_oldest_timestamp_seconds", (((owner,), at) for owner, at in oldest.items()))
        self._tally.fill("source_series", _series_by_source(self._ledger.snapshot()))
        self._tally.set("series_limit", value=float(self._admission.limit))
        self._tally.set("series_dropped", "total", value=float(self._admission.dropped()))
        self._tally.set("ledger_size_bytes", value=None if figures.size_bytes is None else float(figures.size_bytes))
        self._tally.set("ledger_persistent", value=float(figures.persistent))
        samples = self._tally.samples("own", self._clock.monotonic())
        self._ledger.apply(Reading("own", None, now, samples=samples, looked=("own",), volatile=True))


def _billed(source: str, stream: Iterator[Reading]) -> Iterator[Reading]:
    """Yield the readings of a stream, with what is called for them on the bill of its source."""
    while True:
        with spending(source):
            reading = next(stream, None)
        if reading is None:
            return
        yield reading


def _owner(kind: str) -> str:
    """Return the source that a kind of events is called by."""
    return kind.partition("/")[0]


def _shown(reading: Reading) -> Iterator[tuple[str, int]]:
    """Yield the families of all that a reading shows, and how many labels they have."""
    yield from ((sample.family, len(sample.labels)) for sample in reading.samples)
    yield from ((column.family, labels) for column in reading.columns for labels in set(map(len, column.labels)))
    yield from ((effect.family, len(effect.labels)) for event in reading.events for effect in event.effects)
    yield from ((one.effect.family, len(one.effect.labels)) for one in reading.sightings)
    yield from ((effect.family, len(effect.labels)) for effect in reading.seeds)
    yield from ((counter.family, len(read.resource.labels)) for read in reading.reads for counter in read.counters())


def _series_by_source(snapshot: Snapshot) -> Iterable[tuple[tuple[str, str, str], float]]:
    """Return how many series each source has on each target."""
    found: Tallies[tuple[str, str, str]] = Tallies()
    for (family, target), chunk in snapshot.chunks.items():
        row = CATALOGUE.get(family)
        if target and row and row.source != "own":
            found[target.account_id, target.region, row.sources[-1]] += chunk.series
    return ((labels, float(count)) for labels, count in found.items())


def _outcome(reading: Reading) -> str:
    """Return how whole a reading is: ok, partial, or the class of error that left nothing."""
    if not reading.failed:
        return "ok"
    if reading.looked or any(read.bulk or any(answer.complete for answer in read.answers) for read in reading.reads):
        return "partial"
    return _only(reading.failed)


def _only(failures: Iterable[Failure]) -> str:
    """Return the outcome of a run of which there is nothing but failures."""
    classes = {failure.error_class for failure in failures}
    return classes.pop() if classes in ({"denied"}, {"throttled"}) else "failed"
