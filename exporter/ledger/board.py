"""What is shown: counters, event totals and samples, gathered into chunks by family and target.

Here: who is visible at an instant, first zeros, age limits of samples. Not here: counting, commits, formats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from exporter.ledger.meter import Meter
from exporter.ledger.store import Changes, Face, Key, Spot, Total
from exporter.model import Chunk, Counter, Reading, Resource, Sample, Snapshot, Target

Shape = tuple[str, tuple[str, ...]]


class _Zero(NamedTuple):
    """A first 0: the number of the first snapshot with it, and since when (monotonic) a page with it is served."""

    number: int
    served: float | None


class _Shelf:
    """The samples of one family on one target."""

    def __init__(self) -> None:
        self.samples: dict[tuple[tuple[str, ...], str], Sample] = {}
        self.earliest = math.inf  # no sample ends before this

    def put(self, sample: Sample) -> None:
        self.samples[sample.labels, sample.part] = sample
        self.earliest = min(self.earliest, sample.until)

    def expire(self, now: float) -> bool:
        """Drop what has reached its age limit; return whether anything did."""
        if self.earliest > now:
            return False
        before = len(self.samples)
        self.samples = {key: sample for key, sample in self.samples.items() if sample.until > now}
        self.earliest = min((sample.until for sample in self.samples.values()), default=math.inf)
        return len(self.samples) < before


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
        self._zeros: dict[Spot | Key, _Zero] = {}
        self._newly_served: dict[Spot | Key, float] = {}
        self._dirty: set[Face] = set()
        self._number = 0
        self._snapshot = Snapshot(0, now, {})

    # -- taking in ---------------------------------------------------------------------------------------------------

    def install(self, changes: Changes, readings: Iterable[Reading], now: float) -> None:
        """Show what has been committed."""
        self._number += 1
        for reading in readings:
            for read in reading.reads:
                self._face(read.resource, (answer.counter for answer in read.answers))
        for resource, meter in changes.meters.items():
            home = (resource.target, resource.shape)
            self._dirty.update((counter.family, resource.target) for counter in self._counters.get(home, {}).values())
            if meter is None:
                gone = self._meters.get(home, {}).pop(resource, None)
                for i in range(len(gone.counters) if gone else 0):
                    self._end(Spot(resource, i))
                continue
            self._meters.setdefault(home, {})[resource] = meter
            self._leaving[home] = min(self._leaving.get(home, math.inf), meter.changes_at(now))
            for i, exposed in enumerate(meter.exposed):
                if math.isnan(exposed) and meter.visible(i, now):
                    self._hold(Spot(resource, i), meter.first_shown[i])
                else:
                    self._end(Spot(resource, i))
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
        gone = {entry for scope in reading.looked for entry in scopes.pop(scope, ())}
        for sample in reading.samples:
            face = (sample.family, reading.target)
            shelf = self._shelves.get(face)
            if shelf is None:
                shelf = self._shelves[face] = _Shelf()
            shelf.put(sample)
            self._dirty.add(face)
            if sample.scope:
                entry = (face, sample.labels, sample.part)
                scopes.setdefault(sample.scope, set()).add(entry)
                gone.discard(entry)
        for face, labels, part in gone:
            self._dirty.add(face)
            self._shelves[face].samples.pop((labels, part), None)

    def scopes(self, source: str, target: Target | None) -> frozenset[str]:
        """Return the scopes of which a source has samples on a target."""
        return frozenset(self._scopes.get((source, target), ()))

    def _face(self, resource: Resource, counters: Iterable[Counter]) -> None:
        """Learn under which families the counters of a shape are shown."""
        known = self._counters.setdefault((resource.target, resource.shape), {})
        for counter in counters:
            if (counter.metric, counter.stat) not in known:
                known[counter.metric, counter.stat] = counter
                self._shapes[counter.family, resource.target] = resource.shape

    # -- first zeros -------------------------------------------------------------------------------------------------

    def hold(self, zero_hold: float) -> None:
        """Let first zeros stand for so long from now on."""
        self._zero_hold = zero_hold

    def _hold(self, counter: Spot | Key, first_shown: float) -> None:
        """Let a counter stand at 0.

        With no time to hold, what another process has shown is enough. Else a new process begins anew: a Prometheus
        that has missed the first showing must still see the 0.
        """
        served = -math.inf if first_shown and not self._zero_hold else None
        self._zeros.setdefault(counter, _Zero(self._number, served))

    def _end(self, counter: Spot | Key) -> None:
        """Let a counter stand at 0 no more."""
        self._zeros.pop(counter, None)
        self._newly_served.pop(counter, None)

    def shown(self, snapshot: Snapshot, now: float, monotonic: float) -> None:
        """Learn that pages with this snapshot are served: the zeros in it begin to count their time."""
        for counter, zero in self._zeros.items():
            if zero.served is None and zero.number <= snapshot.number:
                self._zeros[counter] = zero._replace(served=monotonic)
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
            for face in self._dirty:
                chunk = self._chunk(face, now)
                if not chunk.labels:
                    chunks.pop(face, None)
                elif chunk != chunks.get(face):
                    chunks[face] = chunk
            self._dirty.clear()
            self._snapshot = Snapshot(self._number, now, chunks)
        return self._snapshot

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
                    for i in range(len(meter.counters)):
                        if not meter.visible(i, now):
                            self._end(Spot(resource, i))

    def _chunk(self, face: Face, now: float) -> Chunk:
        rows: dict[tuple[str, ...], dict[str, float]] = {}
        for labels, part, value in self._values(face, now):
            rows.setdefault(labels, {})[part] = value
        parts = dict.fromkeys(part for row in rows.values() for part in row)
        columns = {part: tuple(row.get(part) for row in rows.values()) for part in parts}
        return Chunk(tuple(rows), columns)

    def _values(self, face: Face, now: float) -> Iterator[tuple[tuple[str, ...], str, float]]:
        family, target = face
        shape = self._shapes.get(face)
        if shape and target:
            counters = [c for c in self._counters[target, shape].values() if c.family == family]
            for meter in self._meters.get((target, shape), {}).values():
                for counter in counters:
                    i = meter.position.get((counter.metric, counter.stat))
                    if i is not None and meter.visible(i, now):
                        yield meter.resource.labels, counter.part, meter.value(i) * counter.scale
        for labels, total in self._totals.get(face, {}).items():
            for part, value in () if total.hidden else total.parts.items():
                yield labels, part, value if total.released else 0.0
        if face in self._shelves:
            for (labels, part), sample in self._shelves[face].samples.items():
                yield labels, part, sample.value
