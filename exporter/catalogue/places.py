"""Where CloudWatch keeps what the rows ask for: from (namespace, dimension names, metric) to rows and labels, and back.

Everything that could be matched is spelt out here once, so that nothing that AWS adds later matches by accident.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exporter.catalogue.rows import Row, Shape

Dimensions = tuple[tuple[str, str], ...]  # (name, value), sorted by name


class Asked(NamedTuple):
    """A metric name of AWS that a row asks for: in which spelling (0 is the first), with which word cut out."""

    row: Row
    spelling: int
    word: str
    first: str  # the first spelling of the metric, under which it is filed


class Place(NamedTuple):
    """A namespace in one spelling with one set of dimension names, and what is asked there by metric name."""

    namespace: str
    names: tuple[str, ...]
    shape: Shape
    metrics: dict[str, list[Asked]]

    def admits(self, dimensions: Dimensions) -> bool:
        """Say whether the values of dimensions that have no label, or not any value, are the right ones."""
        values = dict(dimensions)
        return all(values[name] == value for name, value in self.shape.fixed.items()) and all(
            any(fnmatch.fnmatchcase(values[name], pattern) for pattern in patterns)
            for name, patterns in self.shape.only.items()
        )

    def labels(self, dimensions: Dimensions) -> tuple[str, ...]:
        """Return the label values that dimensions give, in the order of the shape."""
        values = dict(dimensions)
        found: list[str] = []
        for name, labels in self.shape.dimensions.items():
            spelt = next(alias for alias in (name, *self.shape.aliases.get(name, ())) if alias in values)
            if isinstance(labels, str):
                found.append(values[spelt])
            else:
                head, _, tail = values[spelt].rpartition("/")
                found += [head, tail]
        return tuple(found)


Places = Mapping[tuple[str, tuple[str, ...]], Place]


def named(namespace: str, dimensions: Dimensions) -> str:
    """Return a name for a set of dimensions in a namespace, in its first spelling."""
    return " ".join((namespace, *(f"{name}={value}" for name, value in dimensions)))


def places(rows: Iterable[Row]) -> Places:
    """Return, by namespace and sorted dimension names, every place where the rows ask for something."""
    found: dict[tuple[str, tuple[str, ...]], Place] = {}
    for row in rows:
        if row.ask is None:
            continue
        shape = row.ask.shape
        for n, namespace in enumerate(shape.namespaces):
            for names in _name_sets(shape):
                place = found.setdefault((namespace, names), Place(namespace, names, shape, {}))
                for m, metric in enumerate(row.ask.metrics):
                    spelling = n * len(row.ask.metrics) + m
                    for word in row.known(row.ask.word) if row.ask.word else ("",):
                        spelt = _fill(metric, word)
                        first = _fill(row.ask.metrics[0], word)
                        place.metrics.setdefault(spelt, []).append(Asked(row, spelling, word, first))
    return found


def _name_sets(shape: Shape) -> list[tuple[str, ...]]:
    """Return the sets of dimension names that a shape goes by, each sorted."""
    sets = [[*shape.dimensions, *shape.fixed]]
    for name, aliases in shape.aliases.items():
        sets += [[alias if known == name else known for known in sets[0]] for alias in aliases]
    return [tuple(sorted(names)) for names in sets]


def _fill(metric: str, word: str) -> str:
    head, brace, tail = metric.partition("{")
    return head + word + tail.partition("}")[2] if brace else metric


class Sweep(NamedTuple):
    """A ListMetrics that shows everything at some places: a namespace, or one metric where others publish there too.

    `counts` says whether counters are fed from it, so that no hole in time may stay after an outage.
    """

    namespace: str
    metric: str | None
    fixed: Dimensions
    counts: bool


def sweeps(known: Places) -> tuple[Sweep, ...]:
    """Return the listings that show all places. Namespaces of other services are listed metric by metric."""
    found: dict[tuple[str, str | None, Dimensions], bool] = {}
    for place in known.values():
        own = "sagemaker" in place.namespace.lower()
        fixed: Dimensions = () if own else tuple(sorted(place.shape.fixed.items()))
        for metric, asked in place.metrics.items():
            counts = any(one.row.type in {"counter", "summary"} for one in asked)
            key = (place.namespace, None if own else metric, fixed)
            found[key] = found.get(key, False) or counts
    return tuple(Sweep(*key, counts) for key, counts in found.items())
