"""What is shown: counters, event totals and samples, gathered into chunks by family and target.

Here: who is visible at an instant, first zeros, age limits of samples. Not here: counting, commits, formats.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from exporter.ledger.meter import Meter
from exporter.ledger.store import Changes, Face, Key, Spot, Total
from exporter.model import DAY, Chunk, Column, Counter, Reading, Resource, Snapshot, Target

Shape = tuple[str, tuple[str, ...]]


class _Zero(NamedTuple):
    """A first 0: the number of the first snapshot with it, and since when (monotonic) a page with it is served."""

    number: int
    served: float | None


class _Cohort(NamedTuple):
    """Meters with the same counters: where these are, whether all show all of them, and the labels of each."""

    position: Mapping[tuple[str, str], int]
    whole: bool
    labels: list[tuple[str, ...]]
    meters: list[Meter]


class _Shelf:
    """What is shown as it is of one family on one target: values by part and labels, and until when each stands."""

    def __init__(self) -> None:
        self.values: dict[str, dict[tuple[str, ...], float]] = {}
        self.untils: dict[str, dict[tuple[str, ...], float]] = {}
        self.earliest = math.inf  # nothing ends before this

    def put(self, column: Column) -> None:
        """Show values instead of what stood under their labels."""
        self.values.setdefault(column.part, {}).update(zip(column.labels, column.values, strict=True))
        self.untils.setdefault(column.part, {}).update(dict.fromkeys(column.labels, column.until))
        self.earliest = min(self.earliest, column.until)

    def drop(self, part: str, labels: tuple[str, ...]) -> None:
        """Show nothing under some labels."""
        self.values.get(part, {}).pop(labels, None)
        self.untils.get(part, {}).pop(labels, None)

    def expire(self, now: float) -> bool:
        """Drop what has reached its age limit; return whether anything did."""
        if self.earliest > now:
            return False
        over = [(part, labels) for part, ends in self.untils.items() for labels, until in ends.items() if until <= now]
        for part, labels in over:
            self.drop(part, labels)
        self.earliest = min((until for ends in self.untils.values() for until in ends.values()), default=math.inf)
        return bool(over)


LOOKED = 100  # scopes without samples of which it may be remembered when they were looked at, however old that is


class Board:
    """Everything that has been installed, ready to be gathered into a snapshot. Not thread-safe."""

    def __init__(self, zero_hold: float, now: float) -> None:
        self._zero_hold = zero_hold
        self._meters: dict[tuple[Target, Shape], dict[Resource, Meter]] = {}
        self._leaving: dict[tuple[Target, Shape], float] = {}  # when the next counter of a shape leaves by age
        self._counters: dict[tuple[Target, Shape], dict[tuple[str, str], Counter]] = {}
        self._shapes: dict[Face, Shape] = {}
        self._totals: dict[Face, dict[tuple[str, ...], Total]] = {}
        self._shelves: dict[Face, _Shelf] = {}
        self._scopes: dict[tuple[str, Target | None], dict[str, set[tuple[Face, tuple[str, ...], str]]]] = {}
        self._looked: dict[tuple[str, Target | None], dict[str, float]] = {}  # when each scope last was
        self._zeros: dict[Spot | Key, _Zero] = {}
        self._unserved = _Zero(0, None)  # shared by all that are new, thousands at a start
        self._newly_served: dict[Spot | Key, float] = {}
        self._off: frozenset[str] = frozenset()
        self._dirty: set[Face] = set()
        self._number = 0
        self._snapshot = Snapshot(0, now, {})

    # -- taking in ---------------------------------------------------------------------------------------------------

    def install(self, changes: Changes, readings: Iterable[Reading], now: float) -> None:
        """Show what has been committed."""
        self._number += 1
        self._unserved = _Zero(self._number, None)
        for reading in readings:
            for read in reading.reads:
                self._face(read.resource, read.counters())
        homes = set()
        for resource, meter in changes.meters.items():
            home = (resource.target, resource.shape)
            homes.add(home)
            if meter is None:
                gone = self._meters.get(home, {}).pop(resource, None)
                for name in gone.counters if gone else ():
                    self._end(Spot(resource, name))
                continue
            self._meters.setdefault(home, {})[resource] = meter
            self._leaving[home] = min(self._leaving.get(home, math.inf), meter.changes_at(now))
            if self._zeros or any(map(math.isnan, meter.exposed)):
                for i, name in enumerate(meter.counters):
                    if math.isnan(meter.exposed[i]) and meter.visible(i, now):
                        self._hold(Spot(resource, name), meter.first_shown[i])
                    else:
                        self._end(Spot(resource, name))
        for home in homes:
            self._dirty.update((counter.family, home[0]) for counter in self._counters.get(home, {}).values())
        for key, total in changes.totals.items():
            self._dirty.add(key.face)
            if total is None:
                self._totals.get(key.face, {}).pop(key.labels, None)
                self._end(key)
                continue
            self._totals.setdefault(key.face, {})[key.labels] = total
            if total.released or total.hidden:
                self._end(key)
            else:
                self._hold(key, total.first_shown)

    def put(self, reading: Reading) -> None:
        """Show samples; within the scopes that were read whole, drop the others."""
        scopes = self._scopes.setdefault((reading.source, reading.target), {})
        looked = self._looked.setdefault((reading.source, reading.target), {})
        looked |= {**dict.fromkeys(reading.looked, reading.at), **dict.fromkeys(reading.left_out, 0.0)}
        if len(looked) > 2 * len(scopes) + LOOKED:  # things come and go, and leave their scopes behind
            for scope in [one for one, at in looked.items() if one not in scopes and at < reading.at - DAY]:
                del looked[scope]
        gone = {entry for scope in reading.looked for entry in scopes.pop(scope, ())}
        for column in reading.columns:
            self._shelf((column.family, reading.target)).put(column)
        for sample in reading.samples:
            face = (sample.family, reading.target)
            self._shelf(face).put(Column(sample.family, (sample.labels,), (sample.value,), sample.part, sample.until))
            if sample.scope:
                entry = (face, sample.labels, sample.part)
                scopes.setdefault(sample.scope, set()).add(entry)
                gone.discard(entry)
        for face, labels, part in gone:
            self._shelf(face).drop(part, labels)

    def _shelf(self, face: Face) -> _Shelf:
        """Return the shelf of a face, about to change."""
        self._dirty.add(face)
        if face not in self._shelves:
            self._shelves[face] = _Shelf()
        return self._shelves[face]

    def scopes(self, source: str, target: Target | None) -> frozenset[str]:
        """Return the scopes of which a source has samples on a target."""
        return frozenset(self._scopes.get((source, target), ()))

    def looked(self, source: str, target: Target | None, scope: str) -> float:
        """Return when a source last looked at all of a scope, in this process; 0: it has not."""
        return self._looked.get((source, target), {}).get(scope, 0.0)

    def _face(self, resource: Resource, counters: Iterable[Counter]) -> None:
        """Learn under which families the counters of a shape are shown."""
        known = self._counters.setdefault((resource.target, resource.shape), {})
        for counter in counters:
            if (counter.metric, counter.stat) not in known:
                known[counter.metric, counter.stat] = counter
                self._shapes[counter.family, resource.target] = resource.shape

    def hide(self, off: Collection[str]) -> None:
        """Show no totals of events of these families; they stay as they are, for the day on which one is on again."""
        changed = self._off.symmetric_difference(off)
        self._off = frozenset(off)
        self._dirty.update(face for face in self._totals if face[0] in changed)

    # -- first zeros -------------------------------------------------------------------------------------------------

    def hold(self, zero_hold: float) -> None:
        """Let first zeros stand for so long from now on."""
        self._zero_hold = zero_hold

    def _hold(self, counter: Spot | Key, first_shown: float) -> None:
        """Let a counter stand at 0.

        With no time to hold, what another process has shown is enough. Else a new process begins anew: a Prometheus
        that has missed the first showing must still see the 0.
        """
        served = first_shown and not self._zero_hold
        self._zeros.setdefault(counter, _Zero(self._number, -math.inf) if served else self._unserved)

    def _end(self, counter: Spot | Key) -> None:
        """Let a counter stand at 0 no more."""
        self._zeros.pop(counter, None)
        self._newly_served.pop(counter, None)

    def shown(self, snapshot: Snapshot, now: float, monotonic: float) -> None:
        """Learn that pages with this snapshot are served: the zeros in it begin to count their time."""
        served = _Zero(snapshot.number, monotonic)
        for counter, zero in self._zeros.items():
            hidden = isinstance(counter, Key) and counter.face[0] in self._off
            if zero.served is None and zero.number <= snapshot.number and not hidden:
                self._zeros[counter] = served
                self._newly_served[counter] = now

    def newly_served(self) -> list[tuple[Spot | Key, float]]:
        """Return the zeros that began to be served, and when, until that is `noted`."""
        return list(self._newly_served.items())

    def noted(self, served: Iterable[tuple[Spot | Key, float]]) -> None:
        """Learn that this is committed."""
        for counter, _ in served:
            self._newly_served.pop(counter, None)

    def releasable(self, monotonic: float) -> list[Spot | Key]:
        """Return the counters whose first 0 has stood long enough."""
        return [
            counter
            for counter, zero in self._zeros.items()
            if zero.served is not None and monotonic >= zero.served + self._zero_hold
        ]

    # -- giving out --------------------------------------------------------------------------------------------------

    def snapshot(self, now: float) -> Snapshot:
        """Return all that may be shown now. What has not changed are the objects of the last snapshot."""
        self._expire(now)
        if self._dirty:
            chunks = dict(self._snapshot.chunks)
            cohorts: dict[tuple[Target, Shape], list[_Cohort]] = {}
            for face in self._dirty:
                chunk = self._chunk(face, cohorts, now)
                if not chunk.labels:
                    chunks.pop(face, None)
                elif chunk != chunks.get(face):
                    chunks[face] = chunk
            self._dirty.clear()
            self._snapshot = Snapshot(self._number, now, chunks)
        return self._snapshot

    def values(
        self, face: Face, now: float
    ) -> tuple[list[tuple[tuple[str, ...], Meter, int, float]], dict[tuple[str, ...], float]]:
        """Return what is known of a family of one part, by labels, shown or not. No value is a first 0.

        Of counters of CloudWatch it tells the meter, their place and their scale: to add them up takes too long here.
        """
        counters: list[tuple[tuple[str, ...], Meter, int, float]] = []
        shape, target = self._shapes.get(face), face[1]
        if shape and target:
            named = [one for one in self._counters[target, shape].values() if one.family == face[0]]
            for meter in self._meters.get((target, shape), {}).values():
                for counter in named:
                    i = meter.position.get((counter.metric, counter.stat))
                    if i is not None:
                        counters.append((meter.resource.labels, meter, i, counter.scale))
        found = {labels: total.parts.get("", 0.0) for labels, total in self._totals.get(face, {}).items()}
        shelf = self._shelves.get(face)
        if shelf:
            untils = shelf.untils.get("", {})
            found |= {labels: value for labels, value in shelf.values.get("", {}).items() if untils[labels] > now}
        return counters, found

    def _expire(self, now: float) -> None:
        """Mark what leaves by age since the last time."""
        for face, shelf in self._shelves.items():
            if shelf.expire(now):
                self._dirty.add(face)
        for (target, shape), leaving in self._leaving.items():
            if leaving <= now:
                meters = self._meters.get((target, shape), {})
                self._leaving[target, shape] = min((m.changes_at(now) for m in meters.values()), default=math.inf)
                self._dirty.update((c.family, target) for c in self._counters.get((target, shape), {}).values())
                for resource, meter in meters.items():
                    for i, name in enumerate(meter.counters):
                        if not meter.visible(i, now):
                            self._end(Spot(resource, name))

    def _chunk(self, face: Face, cohorts: dict[tuple[Target, Shape], list[_Cohort]], now: float) -> Chunk:
        parts = self._parts(face, cohorts, now)
        if len(parts) == 1:
            ((part, values),) = parts.items()
            return Chunk(tuple(values), {part: tuple(values.values())})
        labels = tuple(dict.fromkeys(chain.from_iterable(parts.values())))
        return Chunk(labels, {part: tuple(map(of_part.get, labels)) for part, of_part in parts.items()})

    def _parts(
        self, face: Face, cohorts: dict[tuple[Target, Shape], list[_Cohort]], now: float
    ) -> dict[str, dict[tuple[str, ...], float]]:
        """Return what may be shown of a face: values by part and labels. `cohorts` fills, for the next faces."""
        family, target = face
        parts: dict[str, dict[tuple[str, ...], float]] = {}
        shape = self._shapes.get(face)
        if shape and target:
            home = (target, shape)
            if home not in cohorts:
                cohorts[home] = _cohorts(self._meters.get(home, {}).values(), now)
            for counter in self._counters[home].values():
                if counter.family == family:
                    parts.setdefault(counter.part, {}).update(_shown(cohorts[home], counter, now))
        totals = {} if family in self._off else self._totals.get(face, {})
        for labels, total in totals.items():
            for part, value in () if total.hidden else total.parts.items():
                parts.setdefault(part, {})[labels] = value if total.released else 0.0
        if face in self._shelves:
            for part, values in self._shelves[face].values.items():
                parts.setdefault(part, {}).update(values)
        return {part: values for part, values in parts.items() if values}


def _shown(cohorts: Iterable[_Cohort], counter: Counter, now: float) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield labels and value of a counter for each of the meters that shows it."""
    key, scale = (counter.metric, counter.stat), counter.scale
    for cohort in cohorts:
        i = cohort.position.get(key)
        if i is None:
            continue
        if cohort.whole:
            yield from zip(cohort.labels, [meter.exposed[i] * scale for meter in cohort.meters], strict=True)
            continue
        for labels, meter in zip(cohort.labels, cohort.meters, strict=True):
            if meter.lease[i] > now and (meter.alive or meter.visible(i, now)):
                exposed = meter.exposed[i]
                yield labels, exposed * scale if exposed == exposed else 0.0  # noqa: PLR0124 - NaN: still 0


def _cohorts(meters: Iterable[Meter], now: float) -> list[_Cohort]:
    """Return meters together that have the same counters, and show all of them or not."""
    found: dict[tuple[int, bool], _Cohort] = {}
    for meter in meters:
        whole = meter.alive and min(meter.lease, default=-math.inf) > now and not math.isnan(sum(meter.exposed))
        cohort = found.get((id(meter.position), whole))  # meters with the same counters share one mapping
        if cohort is None:
            cohort = found[id(meter.position), whole] = _Cohort(meter.position, whole, [], [])
        cohort.labels.append(meter.resource.labels)
        cohort.meters.append(meter)
    return list(found.values())
