"""What keeps a label to its bound: words of AWS that nobody foresaw pass as they are, but not any number of them.

A bound is declared with its label in `catalogue/labels.py`. Beyond it a value becomes `other` and is counted. Names of
resources are bounded by what exists, and by `limits.series`.
"""

from __future__ import annotations

import logging
import math
import operator
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from msgspec import structs

from exporter.catalogue import CATALOGUE
from exporter.catalogue.labels import LABELS
from exporter.catalogue.rows import Row
from exporter.model import DAY, Column, Effect, Reading, Sample, Snapshot
from exporter.tally import Tally

UNKNOWN = 20  # words of a list of AWS's that its documentation did not have yet
OTHER = "other"
SHOWN = DAY  # what no reading has had for so long is on no page any more, and gives its place to others
TIME = "_timestamp_seconds"  # how names of times end: of several times that have become one, the newest stands
REMEMBERED = 1000  # values that were folded, so that each is counted once

_log = logging.getLogger(__name__)

_E = TypeVar("_E", Sample, Effect)


class _Bound(NamedTuple):
    """A label of a family by its place: how many values it may have besides those that are known."""

    place: int
    label: str
    known: frozenset[str]
    most: int


class Folding:
    """The values that bounded labels have had. Thread-safe. What the `snapshot` at the start shows already passes.

    What events have counted under keeps its place: its counter stands in the ledger, to go on there and to end there.
    """

    def __init__(self, tally: Tally, snapshot: Snapshot) -> None:
        self._tally = tally
        self._lock = threading.Lock()
        self._seen: dict[str, dict[str, float]] = {}  # by label, with the time of the last reading; inf: counted under
        self._folded: dict[str, set[str]] = {}
        self._less: Mapping[str, int] = {}
        for (family, _), chunk in snapshot.chunks.items():
            for bound in _BOUNDED.get(family, ()):
                values = {labels[bound.place] for labels in chunk.labels}
                self._seen.setdefault(bound.label, {}).update(dict.fromkeys(values - bound.known, math.inf))
        for label in {bound.label for bounds in _BOUNDED.values() for bound in bounds}:
            self._tally.seed("label_values_folded_total", {"label_name": [label]})

    def limit(self, less: Mapping[str, int]) -> None:
        """Let these labels have no more values than that, though they might: what has a place keeps it."""
        self._less = less

    def fold(self, reading: Reading) -> Reading:
        """Return a reading whose labels keep to their bounds: itself, where they do."""
        self._forget(reading.at - SHOWN)
        columns = tuple(column for column in reading.columns if column.family not in _BOUNDED)
        if len(columns) < len(reading.columns):
            bounded = (sample for column in reading.columns if column.family in _BOUNDED for sample in _samples(column))
            reading = structs.replace(reading, samples=(*reading.samples, *bounded), columns=columns)
        samples, ended = self._each(reading.samples, reading.at), self._each(reading.ended, reading.at)
        samples = _additive(samples, reading.samples)
        seeds = self._each(reading.seeds, math.inf)
        events = tuple(
            event
            if (effects := self._each(event.effects, math.inf)) is event.effects
            else structs.replace(event, effects=effects)
            for event in reading.events
        )
        effects = self._each(tuple(one.effect for one in reading.sightings), math.inf)
        sightings = tuple(
            one if effect is one.effect else structs.replace(one, effect=effect)
            for one, effect in zip(reading.sightings, effects, strict=True)
        )
        same = samples is reading.samples and seeds is reading.seeds and ended is reading.ended
        same &= all(map(operator.is_, sightings, reading.sightings))
        if same and all(map(operator.is_, events, reading.events)):
            return reading
        return structs.replace(
            reading, samples=_together(samples), seeds=seeds, ended=ended, events=events, sightings=sightings
        )

    def _forget(self, before: float) -> None:
        """Forget values that no reading has had since: what was seen once must not fill a bound for good."""
        with self._lock:
            for seen in self._seen.values():
                for value in [value for value, at in seen.items() if at < before]:
                    del seen[value]

    def _each(self, them: tuple[_E, ...], at: float) -> tuple[_E, ...]:
        """Return samples or effects with labels within their bounds: the same tuple, where they are."""
        bounded = [self._one(one, at) if one.family in _BOUNDED else one for one in them]
        return them if all(map(operator.is_, bounded, them)) else tuple(bounded)

    def _one(self, one: _E, at: float) -> _E:
        folded = [b.place for b in _BOUNDED[one.family] if not self._passes(b, one.labels[b.place], at)]
        if not folded:
            return one
        labels = tuple(OTHER if place in folded else value for place, value in enumerate(one.labels))
        return structs.replace(one, labels=labels)

    def _passes(self, bound: _Bound, value: str, at: float) -> bool:
        if value in bound.known or not value:
            return True
        with self._lock:
            seen = self._seen.setdefault(bound.label, {})
            if value not in seen and len(seen) >= min(bound.most, self._less.get(bound.label, bound.most)):
                self._count(bound.label, value)
                return False
            seen[value] = max(at, seen.get(value, at))
            return True

    def _count(self, label: str, value: str) -> None:
        """Count a value that does not pass, once: as many are remembered as would pass."""
        folded = self._folded.setdefault(label, set())
        if value not in folded and len(folded) < REMEMBERED:
            folded.add(value)
            self._tally.add("label_values_folded_total", label)
            if len(folded) == 1:
                _log.warning("label %s has more values than it may have: %r and others become %s", label, value, OTHER)


def _samples(column: Column) -> Iterator[Sample]:
    for labels, value in zip(column.labels, column.values, strict=True):
        yield Sample(column.family, labels, value, column.part, until=column.until, time=column.time)


def _additive(samples: tuple[Sample, ...], before: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """Return samples without folded ones of families whose values can't be added: the same tuple, if there are none."""
    if samples is before:
        return samples
    return tuple(one for one, was in zip(samples, before, strict=True) if one is was or CATALOGUE[one.family].adds)


def _together(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Return samples with those that have come to have one set of labels made one: a sum, or what holds of any."""
    found: dict[tuple[str, tuple[str, ...], str], Sample] = {}
    for sample in samples:
        key = (sample.family, sample.labels, sample.part)
        before = found.get(key)
        if before is None:
            found[key] = sample
        else:
            newest = CATALOGUE[sample.family].type in {"stateset", "info"} or sample.family.endswith(TIME)
            either = max if newest else operator.add
            found[key] = structs.replace(sample, value=either(before.value, sample.value))
    return tuple(found.values())


def _bounds(row: Row) -> tuple[_Bound, ...]:
    """Return the bounded labels of a family."""
    found = []
    for place, label in enumerate(row.labels):
        kind, _, number = LABELS[label].bound.partition(" ")
        if kind in {"enum", "capped"}:
            most = int(number) if kind == "capped" else UNKNOWN
            found.append(_Bound(place, label, frozenset(row.known(label)), most))
    return tuple(found)


# The process's own families are left out, for we name those values. What CloudWatch counts is what it lists.
_BOUNDED = {name: bounds for name, row in CATALOGUE.items() if row.source != "own" and (bounds := _bounds(row))}
