"""What keeps a label to its bound: words of AWS that nobody foresaw pass as they are, but not any number of them.

A bound is declared with its label in `catalogue/labels.py`. Beyond it a value becomes `other` and is counted. Names of
resources are bounded by what exists, and by `limits.series`.
"""

from __future__ import annotations

import logging
import operator
import threading
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from msgspec import structs

from exporter.catalogue import CATALOGUE
from exporter.catalogue.labels import LABELS
from exporter.catalogue.rows import Row
from exporter.model import Effect, Reading, Sample, Snapshot
from exporter.tally import Tally

UNKNOWN = 20  # words of a list of AWS's that its documentation did not have yet
OTHER = "other"
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
    """The values that bounded labels have had. Thread-safe. What a `snapshot` shows already passes."""

    def __init__(self, tally: Tally, snapshot: Snapshot) -> None:
        self._tally = tally
        self._lock = threading.Lock()
        self._seen: dict[str, set[str]] = {}
        self._folded: dict[str, set[str]] = {}
        for (family, _), chunk in snapshot.chunks.items():
            for bound in _BOUNDED.get(family, ()):
                values = {labels[bound.place] for labels in chunk.labels}
                self._seen.setdefault(bound.label, set()).update(values - bound.known)
        for label in {bound.label for bounds in _BOUNDED.values() for bound in bounds}:
            self._tally.seed("label_values_folded_total", {"label_name": [label]})

    def fold(self, reading: Reading) -> Reading:
        """Return a reading whose labels keep to their bounds: itself, where they do."""
        samples, seeds = self._each(reading.samples), self._each(reading.seeds)
        events = tuple(
            event
            if (effects := self._each(event.effects)) is event.effects
            else structs.replace(event, effects=effects)
            for event in reading.events
        )
        if samples is reading.samples and seeds is reading.seeds and all(map(operator.is_, events, reading.events)):
            return reading
        ended = self._each(reading.ended)
        return structs.replace(reading, samples=_together(samples), seeds=seeds, ended=ended, events=events)

    def _each(self, them: tuple[_E, ...]) -> tuple[_E, ...]:
        """Return samples or effects with labels within their bounds: the same tuple, where they are."""
        bounded = [self._one(one) if one.family in _BOUNDED else one for one in them]
        return them if all(map(operator.is_, bounded, them)) else tuple(bounded)

    def _one(self, one: _E) -> _E:
        folded = [b.place for b in _BOUNDED[one.family] if not self._passes(b, one.labels[b.place])]
        if not folded:
            return one
        labels = tuple(OTHER if place in folded else value for place, value in enumerate(one.labels))
        return structs.replace(one, labels=labels)

    def _passes(self, bound: _Bound, value: str) -> bool:
        if value in bound.known or not value:
            return True
        with self._lock:
            seen = self._seen.setdefault(bound.label, set())
            if value not in seen and len(seen) >= bound.most:
                self._count(bound.label, value)
                return False
            seen.add(value)
            return True

    def _count(self, label: str, value: str) -> None:
        """Count a value that does not pass, once: as many are remembered as would pass."""
        folded = self._folded.setdefault(label, set())
        if value not in folded and len(folded) < REMEMBERED:
            folded.add(value)
            self._tally.add("label_values_folded_total", label)
            if len(folded) == 1:
                _log.warning("label %s has more values than it may have: %r and others become %s", label, value, OTHER)


def _together(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Return samples with those that have come to have one set of labels made one: a sum, or what holds of any."""
    found: dict[tuple[str, tuple[str, ...], str], Sample] = {}
    for sample in samples:
        key = (sample.family, sample.labels, sample.part)
        before = found.get(key)
        if before is None:
            found[key] = sample
        else:
            either = max if CATALOGUE[sample.family].type in {"stateset", "info"} else operator.add
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
