"""What a row is: one declared family, all of it, as frozen data.

Here: the row types, the short constructors that the tables use, and the checks that every row passes at import.
Not here: any family (the tables), any I/O, any code that computes a value.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

from exporter.catalogue.enums import ENUMS
from exporter.catalogue.labels import LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Type = Literal["counter", "gauge", "summary", "histogram", "stateset", "info"]
Pace = Literal["hot", "warm", "cold"]
Values = str | tuple[str, ...]

TARGET = ("account_id", "region")
UNITS = ("seconds", "bytes", "ratio", "usd")

MICROSECONDS = 1e-6
MILLISECONDS = 1e-3
PERCENT = 0.01
MEDIAN_AND_TAILS = (0.5, 0.9, 0.99)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A CloudWatch namespace and one complete dimension set: what the series of a resource have in common.

    `namespaces` are spellings of one namespace, the likeliest first. `dimensions` maps each AWS dimension to our
    label, or to several labels between which its value is split at the last slash; `aliases` are other spellings
    of a dimension. `fixed` dimensions have one value and no label. `only` limits the values of a dimension to
    shell patterns.
    """

    namespaces: tuple[str, ...]
    dimensions: Mapping[str, Values]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names that the dimensions give, in order."""
        split = ((names,) if isinstance(names, str) else names for names in self.dimensions.values())
        return tuple(name for names in split for name in names)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What to ask CloudWatch for: spellings of a metric name, statistics, and the factor to the base unit.

    A `{word}` in the metric name is cut out into the label of that name. `period` (seconds) is set only where
    no other one is right.
    """

    shape: Shape
    metrics: tuple[str, ...]
    stats: tuple[str, ...]
    scale: float = 1.0
    period: int | None = None

    @property
    def word(self) -> str | None:
        """Label that is cut out of the metric name, if any."""
        found = re.search(r"\{(\w+)\}", self.metrics[0])
        return found[1] if found else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One family: what is exposed, documented, asked and permitted all follows from it.

    `on` is whether it is shown unless configured otherwise; `stable` whether name, type and labels are promised. `pace`
    is how often it is asked: hot in every run, warm and cold as configured (5 min and 1 h). `breakdowns` are the words
    of its other forms. `quantiles` belong to a summary, `buckets` (upper bounds) to a histogram.
    `values` maps a label to the name of a list in `enums`, or to the values themselves. `seeded` families stand at
    0 before anything happens: "inventory" for each variant in service, True for what is configured. `reads` names
    the AWS fields behind a family that is not a CloudWatch metric. `label_pattern` is how further labels are called
    that the configuration names, as in tag_*: each series carries those that it has, names and values in turn, after
    the values of its `labels`. `adds` is False for a gauge of which a sum means nothing, such as a price: beyond the
    bound of a label it is not shown, where others are added up. `base` is set on a breakdown: the family that it splits.
    """

    name: str
    type: Type
    help: str
    labels: tuple[str, ...]
    source: str
    on: bool = True
    stable: bool = True
    values: Mapping[str, Values] = field(default_factory=dict)
    seeded: Literal["inventory"] | bool = False
    reads: str = ""
    quantiles: tuple[float, ...] = ()
    buckets: tuple[float, ...] = ()
    pace: Pace | None = None
    ask: Question | None = None
    breakdowns: tuple[str, ...] = ()
    label_pattern: str = ""
    adds: bool = True
    base: str | None = None

    def __post_init__(self) -> None:
        """Refuse a row that breaks the naming rules of the contract, with the reason."""
        mistakes = [text for wrong, text in _mistakes(self) if wrong]
        if mistakes:
            raise ValueError(f"{self.name}: " + "; ".join(mistakes))

    @property
    def unit(self) -> str:
        """Base unit, which a name carries last (before `_total` on counters); empty for plain numbers."""
        last = self.name.removesuffix("_total").rpartition("_")[2]
        return last if last in UNITS else ""

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that tell it: of several, the last is the one that sees what the others miss."""
        return tuple(self.source.split("+"))

    def takes(self, labels: int) -> bool:
        """Say whether a series may have so many: a value of each label, and pairs of further names and values."""
        further = labels - len(self.labels)
        return further == 0 or (bool(self.label_pattern) and further > 0 and further % 2 == 0)

    def known(self, label: str) -> tuple[str, ...]:
        """Return the known values of a label, empty if it has no closed list."""
        values = self.values.get(label, ())
        return ENUMS[values] if isinstance(values, str) else values

    def combinations(self, known: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, ...]]:
        """Yield all sets of label values, each value one of `known`, else of its closed list."""
        return itertools.product(*(known.get(label) or self.known(label) for label in self.labels))


def _mistakes(row: Row) -> list[tuple[bool, str]]:
    """Pair each rule that a row can break with what to say about it."""
    name, total = row.name, row.name.endswith("_total")
    lists = [values for values in row.values.values() if isinstance(values, str)]
    return [
        (not re.fullmatch(r"sagemaker_[a-z0-9_]+", name), "a name is snake case and begins with sagemaker_"),
        (total != (row.type == "counter"), "_total ends the names of counters and of nothing else"),
        (
            name.endswith(("_sum", "_count", "_bucket", "_created")),
            "this suffix belongs to parts of a family",
        ),
        (name.endswith("_info") != (row.type == "info"), "_info ends the names of facts and of nothing else"),
        (not re.fullmatch(r"[A-Z0-9].*[^.]\.", row.help), "help is one sentence"),
        (len(set(row.labels)) != len(row.labels), "a label is named twice"),
        (not set(row.labels) <= set(LABELS), f"unknown labels {sorted(set(row.labels) - set(LABELS))}"),
        (not set(row.values) <= set(row.labels), "values are given for a label that it does not have"),
        (not set(lists) <= set(ENUMS), f"unknown lists {sorted(set(lists) - set(ENUMS))}"),
        ((row.type == "histogram") != bool(row.buckets), "buckets belong to a histogram"),
        (list(row.buckets) != sorted(set(row.buckets)), "buckets grow"),
        (bool(row.quantiles) and row.type != "summary", "quantiles belong to a summary"),
        (bool(row.label_pattern) and row.type != "info", "further labels belong to facts"),
        (
            (row.ask is None) == (row.source == "cloudwatch_metrics"),
            "CloudWatch families, and only they, ask",
        ),
        ((row.ask is None) != (row.pace is None), "what is asked has a pace"),
        (
            row.ask is not None and row.type in {"counter", "summary"} and bool(row.ask.shape.aliases),
            "what is counted has one dimension set, or one of two would hide the other",
        ),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Breakdown:
    """A second form of the families `sagemaker_<of>_...`: with more dimensions, or with others instead."""

    word: str
    of: str
    help: str
    adds: Mapping[str, Values] = field(default_factory=dict)
    instead: Mapping[str, Values] | None = None
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def form(self, row: Row) -> Row:
        """Return the family in this form: off, and never to be added to its base."""
        if row.ask is None or not row.name.startswith(f"sagemaker_{self.of}_"):
            raise ValueError(f"{row.name} has no form {self.word}")
        dimensions = {**(row.ask.shape.dimensions if self.instead is None else self.instead), **self.adds}
        ask = replace(row.ask, shape=replace(row.ask.shape, dimensions=dimensions, aliases=self.aliases))
        return replace(
            row,
            name=row.name.replace(f"sagemaker_{self.of}_", f"sagemaker_{self.word}_", 1),
            help=f"{row.help.removesuffix('.')}; {self.help}.",
            labels=_labels(ask),
            ask=ask,
            on=False,
            seeded=False,
            breakdowns=(),
            base=row.name,
        )


class More(TypedDict, total=False):
    """What a constructor takes besides its positional arguments; fields of `Row` of the same name."""

    on: bool
    stable: bool
    values: Mapping[str, Values]
    seeded: Literal["inventory"] | bool
    quantiles: tuple[float, ...]
    buckets: tuple[float, ...]
    pace: Pace
    breakdowns: tuple[str, ...]
    label_pattern: str
    adds: bool
    base: str


def _labels(ask: Question) -> tuple[str, ...]:
    return TARGET + ask.shape.labels + ((ask.word,) if ask.word else ())


def _asked(type_: Type, name: str, text: str, ask: Question, more: More) -> Row:
    fields: More = {"pace": "hot", **more}
    return Row(name=name, type=type_, help=text, labels=_labels(ask), source="cloudwatch_metrics", ask=ask, **fields)


def counter(
    name: str,
    text: str,
    shape: Shape,
    metric: Values,
    stat: str = "Sum",
    scale: float = 1.0,
    **more: Unpack[More],
) -> Row:
    """Return a counter of CloudWatch's Sum, or of its SampleCount."""
    return _asked("counter", name, text, _ask(shape, metric, (stat,), scale), more)


def gauge(
    name: str,
    text: str,
    shape: Shape,
    metric: Values,
    stat: str = "Average",
    scale: float = 1.0,
    period: int | None = None,
    **more: Unpack[More],
) -> Row:
    """Return a gauge of one statistic of the newest settled period."""
    return _asked("gauge", name, text, _ask(shape, metric, (stat,), scale, period), more)


def summary(name: str, text: str, shape: Shape, metric: Values, scale: float = 1.0, **more: Unpack[More]) -> Row:
    """Return a summary: `_sum` and `_count` are exact counters, quantiles are of the newest settled period."""
    quantiles = (f"p{100 * quantile:g}" for quantile in more.get("quantiles", ()))
    return _asked("summary", name, text, _ask(shape, metric, ("Sum", "SampleCount", *quantiles), scale), more)


def stateset(
    name: str,
    text: str,
    shape: Shape,
    metric: Values,
    stat: str,
    period: int | None = None,
    **more: Unpack[More],
) -> Row:
    """Return a state set whose states are cut out of the metric name."""
    return _asked("stateset", name, text, _ask(shape, metric, (stat,), 1.0, period), more)


def _ask(shape: Shape, metric: Values, stats: tuple[str, ...], scale: float, period: int | None = None) -> Question:
    metrics = (metric,) if isinstance(metric, str) else metric
    return Question(shape=shape, metrics=metrics, stats=stats, scale=scale, period=period)


JOBS = "job_events+job_polling"  # the source of what both tell of, each what the other may have missed


def told(
    source: str, type_: Type, name: str, text: str, labels: tuple[str, ...], reads: str, **more: Unpack[More]
) -> Row:
    """Return a family that a source tells of a target from other answers than GetMetricData's; `reads` names them."""
    return Row(name=name, type=type_, help=text, labels=TARGET + labels, source=source, reads=reads, **more)


def listed(type_: Type, name: str, text: str, labels: tuple[str, ...], reads: str, **more: Unpack[More]) -> Row:
    """Return a family about a thing that the inventory lists; `reads` names the AWS fields."""
    return told("inventory", type_, name, text, labels, reads, **more)


def own(type_: Type, name: str, text: str, labels: tuple[str, ...] = (), **more: Unpack[More]) -> Row:
    """Return a family about this process; `labels` name the target too where it is about one."""
    return Row(name=f"sagemaker_exporter_{name}", type=type_, help=text, labels=labels, source="own", **more)
