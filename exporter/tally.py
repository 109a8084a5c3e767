"""Counts of this process about itself: every room adds to one `Tally`, which is shown like everything else.

They last as long as the process; the catalogue's own rows say what may be counted, and under which labels.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from exporter.catalogue import CATALOGUE
from exporter.catalogue.rows import TARGET, Row
from exporter.model import Effect, Sample

PREFIX = "sagemaker_exporter_"


class Tally:
    """Counters, histograms and gauges by family (without the prefix of the exporter) and label values. Thread-safe.

    What counts is shown as 0 for `zero_hold` seconds first, like all counters: Prometheus must have seen a 0 in order
    to know of the first increase.
    """

    def __init__(self, zero_hold: float = 0.0) -> None:
        self._zero_hold = zero_hold
        self._lock = threading.Lock()
        self._values: dict[str, dict[tuple[str, ...], dict[str, float]]] = {}
        self._shown: dict[tuple[str, tuple[str, ...]], float] = {}  # since when (monotonic) what counts is shown

    def add(self, name: str, *labels: str, amount: float = 1.0) -> None:
        """Add to a counter."""
        row = _row(name, labels, "counter")
        with self._lock:
            parts = self._parts(row, labels)
            parts[""] = parts.get("", 0.0) + amount

    def observe(self, name: str, *labels: str, value: float) -> None:
        """Let a histogram observe a value in its base unit."""
        row = _row(name, labels, "histogram")
        with self._lock:
            parts = self._parts(row, labels)
            for bound in row.buckets:
                parts[repr(float(bound))] += value <= bound
            parts["+Inf"] += 1
            parts["sum"] += value
            parts["count"] += 1

    def set(self, name: str, *labels: str, value: float | None) -> None:
        """Set a gauge or fact; None takes it away."""
        row = _row(name, labels, "gauge", "info")
        with self._lock:
            if value is None:
                self._values.get(row.name, {}).pop(labels, None)
            else:
                self._parts(row, labels)[""] = value

    def fill(self, name: str, values: Iterable[tuple[tuple[str, ...], float]]) -> None:
        """Set a gauge for these labels and take it away for all others."""
        filled = {labels: {"": value} for labels, value in values}
        for labels in filled:
            _row(name, labels, "gauge", "info")
        with self._lock:
            self._values[PREFIX + name] = filled

    def hold(self, zero_hold: float) -> None:
        """Let what counts stand at its first 0 for so long from now on."""
        self._zero_hold = zero_hold

    def forget(self, **labels: str) -> None:
        """Take away all that is said under these label values: what they name is there no more."""
        with self._lock:
            for family, by_labels in self._values.items():
                names = CATALOGUE[family].labels
                if labels.keys() <= set(names):
                    places = {names.index(name): value for name, value in labels.items()}
                    for values in [one for one in by_labels if all(one[n] == value for n, value in places.items())]:
                        del by_labels[values]
                        self._shown.pop((family, values), None)

    def move(self, before: tuple[str, str], after: tuple[str, str]) -> None:
        """Let what was counted under an account and region count under others; gauges are taken away."""
        with self._lock:
            for family, by_labels in self._values.items():
                row = CATALOGUE[family]
                for values in [one for one in by_labels if row.labels[:2] == TARGET and one[:2] == before]:
                    parts = by_labels.pop(values)
                    self._shown.pop((family, values), None)
                    if row.type in {"counter", "histogram"}:
                        total = by_labels.setdefault((*after, *values[2:]), {})
                        for part, value in parts.items():
                            total[part] = total.get(part, 0.0) + value

    def seed(self, name: str, known: Mapping[str, Iterable[str]]) -> None:
        """Let a counter or histogram stand at 0 for every combination of label values; see `Row.combinations`."""
        for labels in CATALOGUE[PREFIX + name].combinations(known):
            row = _row(name, labels, "counter", "histogram")
            with self._lock:
                self._parts(row, labels).setdefault("sum" if row.buckets else "", 0.0)

    def take(self, effects: Iterable[Effect]) -> None:
        """Add what a reading tells of its run."""
        for effect in effects:
            name = effect.family.removeprefix(PREFIX)
            if CATALOGUE[effect.family].buckets:
                self.observe(name, *effect.labels, value=effect.amount)
            else:
                self.add(name, *effect.labels, amount=effect.amount)

    def samples(self, scope: str, monotonic: float) -> tuple[Sample, ...]:
        """Return everything as samples of a scope, which are shown from now on."""
        with self._lock:
            return tuple(
                Sample(family, labels, 0.0 if first else value, part, scope)
                for family, by_labels in self._values.items()
                for labels, parts in by_labels.items()
                for first in (self._first(family, labels, monotonic),)
                for part, value in parts.items()
            )

    def told(self) -> dict[str, dict[tuple[str, ...], float]]:
        """Return counters and gauges as they are, by family and labels: for people, who need no 0 first."""
        with self._lock:
            return {
                family: {labels: parts[""] for labels, parts in by_labels.items() if "" in parts}
                for family, by_labels in self._values.items()
            }

    def _first(self, family: str, labels: tuple[str, ...], monotonic: float) -> bool:
        """Say whether something stands at its first 0."""
        if CATALOGUE[family].type not in {"counter", "histogram"}:
            return False
        return monotonic < self._shown.setdefault((family, labels), monotonic) + self._zero_hold

    def _parts(self, row: Row, labels: tuple[str, ...]) -> dict[str, float]:
        """Return the values under some labels, all parts of a histogram at 0 if they are new."""
        by_labels = self._values.setdefault(row.name, {})
        if labels not in by_labels:
            parts = (*(repr(float(bound)) for bound in row.buckets), "+Inf", "sum", "count") if row.buckets else ()
            by_labels[labels] = dict.fromkeys(parts, 0.0)
        return by_labels[labels]


def _row(name: str, labels: tuple[str, ...], *types: str) -> Row:
    """Return the row of a family; raise where a room counts what the catalogue does not know."""
    row = CATALOGUE[PREFIX + name]
    if row.type not in types or len(labels) != len(row.labels):
        raise ValueError(f"{row.name} is a {row.type} with labels {row.labels}, got {labels}")
    return row
