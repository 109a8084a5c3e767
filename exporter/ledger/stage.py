"""Readings applied to copies: what a commit would change, before anybody sees it."""

from __future__ import annotations

from collections import Counter as Tallies
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from msgspec import structs

from exporter.ledger import runs
from exporter.ledger.meter import Meter, Revision, Rules
from exporter.ledger.store import Changes, Key, Spot, Store, Total
from exporter.model import DAY, HOUR, Effect, Event, Reading, Resource, Target

RUNS = "runs"  # who the notes of things and their statuses belong to,
LIVES = "lives"  # and those of jobs and their ends
LISTED = 4 * HOUR  # after its end: CloudWatch lists the hosts of a job for 3 h after their last data


class Applied(NamedTuple):
    """What became of a reading, for those who report it."""

    outcomes: Mapping[tuple[str, str], int] = {}  # events by kind and outcome: counted, repeated, too_old
    revisions: Mapping[tuple[str, Revision], int] = {}  # by namespace
    short: Mapping[str, int] = {}  # blocks that came back with fewer points than before, by namespace
    lost_seconds: float = 0.0
    counted: Sequence[Event] = ()

    @property
    def events(self) -> Mapping[str, int]:
        """How many events became what, of whatever kind."""
        found: Tallies[str] = Tallies()
        for (_, outcome), number in self.outcomes.items():
            found[outcome] += number
        return found


class Progress(NamedTuple):
    """How far the counters of a target are, by namespace where they are told so; times are Unix seconds.

    `recovering` are the meters with counters that a restart or a gap may have left behind.
    """

    ahead: Mapping[str, int]
    closed_until: Mapping[str, int]
    read_until: int | None
    recovering: tuple[Meter, ...]

    @classmethod
    def of(cls, meters: Iterable[Meter]) -> Self:
        """Return how far these meters of one target are."""
        ahead: Tallies[str] = Tallies()
        closed: dict[str, int] = {}
        read: list[int] = []
        recovering = []
        for meter in meters:
            namespace, marks = meter.resource.namespace, meter.marks()
            ahead[namespace] += len(meter.ahead)
            if marks:
                read.append(marks[0])
                closed[namespace] = min(closed.get(namespace, marks[1]), marks[1])
            if meter.recovering:
                recovering.append(meter)
        return cls(ahead, closed, min(read, default=None), tuple(recovering))


class Books:
    """What has been committed: meters by target and resource, event totals, notes of the sources.

    `commits` counts, by target, those that changed a meter.
    """

    def __init__(self) -> None:
        self.meters: dict[Target, dict[Resource, Meter]] = {}
        self.totals: dict[Key, Total] = {}
        self.notes: dict[tuple[str, Target | None], dict[str, Any]] = {}
        self.commits: Tallies[Target] = Tallies()

    def install(self, changes: Changes) -> None:
        """Take over what has been committed."""
        self.commits.update({resource.target for resource in changes.meters})
        for resource, meter in changes.meters.items():
            if meter is None:
                self.meters.get(resource.target, {}).pop(resource, None)
            else:
                self.meters.setdefault(resource.target, {})[resource] = meter
        for key, total in changes.totals.items():
            if total is None:
                self.totals.pop(key, None)
            else:
                self.totals[key] = total
        for owner, notes in changes.notes.items():
            kept = {**self.notes.get(owner, {}), **notes}
            self.notes[owner] = {name: note for name, note in kept.items() if note is not None}


class Stage:
    """A batch of readings on top of the books, changing only copies."""

    def __init__(self, books: Books, store: Store, rules: Rules) -> None:
        self._books = books
        self._store = store
        self._rules = rules
        self._meters: dict[Resource, Meter | None] = {}
        self._totals: dict[Key, Total | None] = {}
        self._identities: dict[tuple[str, str], float] = {}
        self._notes: dict[tuple[str, Target | None], dict[str, Any]] = {}
        self._forget: dict[str, float] = {}

    @property
    def changes(self) -> Changes:
        """What a commit has to write."""
        return Changes(self._meters, self._totals, self._identities, self._notes, self._forget)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not any(self.changes)

    def meter(self, resource: Resource) -> Meter:
        """Return a copy of a meter that may be changed; a new one for a new resource."""
        meter = self._meters.get(resource)
        if meter is None:
            kept = None if resource in self._meters else self._books.meters.get(resource.target, {}).get(resource)
            meter = self._meters[resource] = kept.copy() if kept else Meter(resource)
        return meter

    def leases(self) -> Changes:
        """Return what holds although the commit was refused: a counter was read, and may stand as it stood."""
        meters: dict[Resource, Meter | None] = {}
        for resource, meter in self._meters.items():
            kept = self._books.meters.get(resource.target, {}).get(resource)
            if kept and meter:
                meters[resource] = twin = kept.copy()
                for counter, i in twin.position.items():  # which may stand in another order there
                    twin.lease[i] = meter.lease[meter.position[counter]]
        return Changes(meters, {}, {}, {}, {})

    def total(self, key: Key) -> Total:
        """Return a copy of an event total that may be changed; a new one at 0."""
        total = self._totals.get(key)
        if total is None:
            kept = None if key in self._totals else self._books.totals.get(key)
            total = structs.replace(kept, parts=dict(kept.parts)) if kept else Total({})
            self._totals[key] = total
        return total

    def serve(self, counter: Spot | Key, at: float) -> None:
        """Note when a page first showed the first 0 of a counter."""
        if isinstance(counter, Spot):
            meter = self.meter(counter.resource)
            meter.first_shown[meter.position[counter.counter]] = at
        else:
            self.total(counter).first_shown = at

    def release(self, counter: Spot | Key, now: float) -> None:
        """End the first 0 of a counter: from now on its total is shown."""
        if isinstance(counter, Spot):
            meter = self.meter(counter.resource)
            meter.release(meter.position[counter.counter], now)
        else:
            self.total(counter).released = True

    def add(self, reading: Reading) -> Applied:
        """Apply one reading, all of it but its samples."""
        revisions: Tallies[tuple[str, Revision]] = Tallies()
        short: Tallies[str] = Tallies()
        lost = 0.0
        for switch in reading.switches:
            meter = self.meter(switch.resource)
            for i in (meter.position[counter] for counter in switch.counters if counter in meter.position):
                meter.resume(i, switch.at) if switch.on else meter.pause(i)
        for standing in reading.standings:
            meter = self.meter(standing.resource)
            meter.alive, meter.used = standing.alive, reading.attended
        for read in sorted(reading.reads, key=lambda read: read.window.began):
            meter = self.meter(read.resource)
            meter.used = reading.attended
            counted = meter.count(read, reading.at, self._rules)
            namespace = read.resource.namespace
            revisions.update((namespace, revision) for revision in counted.revisions)
            short[namespace] += counted.short
            lost += counted.lost_seconds
        self._meters.update(dict.fromkeys(reading.forget))
        self._totals.update(dict.fromkeys((_key(effect, reading.target) for effect in reading.ended), None))
        for key in (_key(effect, reading.target) for effect in reading.hidden):
            self._hide(key, hidden=True)
        for effect in reading.seeds:
            self._seed(effect, _key(effect, reading.target))
        self._note((reading.source, reading.target), reading.notes)
        outcomes, events = self._count(reading)
        seen, begun = self._sight(reading)
        self._live(reading)
        return Applied(Tallies(outcomes) + Tallies(seen), revisions, +short, lost, (*events, *begun))

    def _note(self, owner: tuple[str, Target | None], notes: Mapping[str, Any]) -> None:
        """Take notes that are not those in the books: one may be of a megabyte, and is seldom another."""
        kept, staged = self._books.notes.get(owner, {}), self._notes.get(owner, {})
        for name, note in notes.items():
            before = kept.get(name)
            if name in staged or (note is not before and note != before):  # `!=` alone would walk through all of it
                self._notes.setdefault(owner, {})[name] = note

    def _seed(self, effect: Effect, key: Key) -> None:
        """Let what events feed stand at 0, unless it stands there already, or higher."""
        if self._kept(key):
            self._hide(key, hidden=False)
            return
        parts = [""] if effect.buckets is None else [*(repr(float(b)) for b in effect.buckets), "+Inf", "sum", "count"]
        self.total(key).parts.update(dict.fromkeys(parts, 0.0))

    def _hide(self, key: Key, *, hidden: bool) -> None:
        """Take an event total out of sight, if there is one, or let it be seen again; it keeps what it has counted."""
        kept = self._kept(key)
        if kept and kept.hidden != hidden:
            self.total(key).hidden = hidden

    def _kept(self, key: Key) -> Total | None:
        return self._totals[key] if key in self._totals else self._books.totals.get(key)

    def _count(self, reading: Reading) -> tuple[Mapping[tuple[str, str], int], Sequence[Event]]:
        """Count each event once; return how many were counted, repeated or too old, and those that were counted."""
        outcomes: Tallies[tuple[str, str]] = Tallies()
        counted: list[Event] = []
        by_kind: dict[str, list[str]] = {}
        for event in reading.events:
            by_kind.setdefault(event.kind, []).append(event.identity)
        seen = {(kind, one) for kind, identities in by_kind.items() for one in self._store.seen(kind, identities)}
        for event in reading.events:
            named = (event.kind, event.identity)
            if event.at < reading.not_before:
                outcomes[event.kind, "too_old"] += 1
            elif named in seen or named in self._identities:
                outcomes[event.kind, "repeated"] += 1
            else:
                outcomes[event.kind, "counted"] += 1
                counted.append(event)
                self._identities[named] = event.at
                for effect in event.effects:
                    total = self.total(_key(effect, event.target))
                    total.hidden = False
                    _take(effect, total)
        for kind in by_kind:
            self._forget[kind] = reading.not_before - DAY  # a day more than any event may be counted
        return outcomes, counted

    def _sight(self, reading: Reading) -> tuple[Mapping[tuple[str, str], int], Sequence[Event]]:
        """Count the runs that sightings begin; return what became of these, and those that count, as events."""
        owner = (RUNS, reading.target)
        if reading.unseen:
            self._note(owner, dict.fromkeys(reading.unseen))
        outcomes: Tallies[tuple[str, str]] = Tallies()
        counted: list[Event] = []
        for one in reading.sightings:
            *labels, status = one.effect.labels
            staged, kept = self._notes.get(owner, {}), self._books.notes.get(owner, {})
            known = (staged[one.thing] if one.thing in staged else kept.get(one.thing)) or ()
            history, begun = runs.seen(known, one.at, status)
            self._note(owner, {one.thing: history})
            fresh = [run for run in begun if run.at >= reading.not_before and one.counts]
            for run in fresh:
                effect = structs.replace(one.effect, labels=(*labels, run.status))
                total = self.total(_key(effect, reading.target))
                total.hidden = False
                _take(effect, total)
                if reading.target:
                    counted.append(Event(RUNS, one.thing, run.at, reading.target, (effect,)))
            outcomes[RUNS, "too_old" if one.at < reading.not_before else "counted" if fresh else "repeated"] += 1
        return outcomes, counted

    def _live(self, reading: Reading) -> None:
        """Take in what is newer about the lives of jobs; forget those that ended long ago."""
        owner = (LIVES, reading.target)
        kept = self._books.notes.get(owner, {})
        known = {**kept, **self._notes.get(owner, {})} if reading.lives else {}
        long_ago = reading.at - LISTED
        for job, life in reading.lives.items():
            before = known.get(job)
            if life[0] >= long_ago and (before is None or life[0] > before[0]):
                self._note(owner, {job: life})
        self._note(owner, {job: None for job, life in known.items() if life and life[0] < long_ago})


def _key(effect: Effect, target: Target | None) -> Key:
    return Key((effect.family, target), effect.labels)


def _take(effect: Effect, total: Total) -> None:
    parts = total.parts
    if effect.buckets is None:
        parts[""] = parts.get("", 0.0) + effect.amount
        return
    for bound in map(float, effect.buckets):
        parts[repr(bound)] = parts.get(repr(bound), 0.0) + (effect.amount <= bound)
    for part, amount in (("+Inf", 1.0), ("sum", effect.amount), ("count", 1.0)):
        parts[part] = parts.get(part, 0.0) + amount
