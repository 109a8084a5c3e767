"""What is asked of CloudWatch about each resource, and when it is due.

A strand is what is asked together about one resource: its counters of one pace, or its gauges of one pace and period.
Strands are a cache: a new process makes them again from the catalogue, the census and the ledger, and finds everything
due. Nothing here calls AWS.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections import Counter as Tallies
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import groupby
from typing import NamedTuple

from exporter.admission import Order
from exporter.aws.metric_data import Result, statistic, subject
from exporter.catalogue.places import Asked, Place
from exporter.catalogue.rows import Row
from exporter.jobs import JOB_TYPES
from exporter.model import BLOCK, MINUTE, Counter, Metered, Resource

PRICED_TOGETHER = 5  # statistics of one metric in one call that AWS bills as one metric
SETTLE_EVERY = 5 * MINUTE  # how old the last reading of the settle window may get,
DEEP_EVERY = 15 * MINUTE  # and the last deep one

_JOBS = {kind.hosts: name for name, kind in JOB_TYPES.items() if kind.hosts}  # types by namespace


class Reach(IntEnum):
    """How far back a reading goes: a few minutes, the settle window, or all that is not closed."""

    NARROW = 0
    SETTLE = 1
    DEEP = 2


class Rank(IntEnum):
    """What is slowed first when dollars run short: see `rests`."""

    EXTRA = 0  # off by default, breakdowns, cold rows
    WARM = 1
    GAUGE = 2
    COUNTER = 3
    ERROR = 4  # of endpoints, seeded


HOT = Rank.GAUGE  # asked as often as the source runs, from this rank on


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says of a row (seconds), and how it ranks."""

    pace: float
    max_age: float
    gauge_delay: float
    rank: Rank
    order: Order = Order.HOT


@dataclass(frozen=True, slots=True, eq=False)
class Gauge:
    """A statistic that is shown as it is: under which family and part, times which factor, for how long."""

    row: Row
    part: str
    extra: tuple[str, ...]  # label values beyond those of the resource
    delay: float
    slack: float  # how much longer than its pace it is shown, from the end of its period, at the least,
    age: float  # and for how long anyway
    scale: float  # from AWS's unit to the base unit

    def lasts(self, pace: float) -> float:
        """Return for how long it is shown (seconds), from the end of its period, where it is asked at a pace."""
        return max(self.age, self.slack + pace)

    def labels(self, resource: Resource) -> tuple[str, ...]:
        """Return its label values."""
        return (*resource.labels, *self.extra) if self.extra else resource.labels


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One metric in one spelling, asked at one period: each statistic is counted, shown, or both.

    `spelling` is the index of the spelling; `metric` the first one, under which a counter is filed.
    """

    namespace: str
    asked: str
    metric: str
    spelling: int
    period: int
    pace: float
    rank: Rank
    seeded: bool
    stats: tuple[str, ...]
    counters: tuple[Counter | None, ...]
    gauges: tuple[tuple[Gauge, ...], ...]
    subject: bytes  # how its queries begin,
    endings: tuple[bytes, ...]  # and how they end, by statistic
    order: Order = Order.HOT
    coarse: Unit | None = None  # what of it is counted, asked at the width of a block to catch up

    @property
    def counts(self) -> bool:
        """Whether any of its statistics is counted."""
        return any(self.counters)

    @property
    def key(self) -> tuple[str, str]:
        """What it asks, whatever the period."""
        return self.namespace, self.asked

    @property
    def families(self) -> Iterator[str]:
        """The family of each series that it feeds."""
        yield from (counter.family for counter in self.counters if counter)
        yield from (gauge.row.name for of_stat in self.gauges for gauge in of_stat)

    @property
    def price(self) -> int:
        """Metrics that AWS bills for asking it once."""
        return -(-len(self.stats) // PRICED_TOGETHER)


class Counted(NamedTuple):
    """A counter of a bundle: the place of its query, its name in a meter, and the spelling that is asked."""

    query: int
    key: tuple[str, str]
    counter: Counter
    spelling: int


class Shown(NamedTuple):
    """A gauge of a bundle: the place of its query, and the period at which that is asked."""

    query: int
    gauge: Gauge
    period: int


class Bundle:
    """Units that are asked together, whatever the resource: all strands that ask the same share one.

    `queries` are how each of its queries begins and ends, in the order of the results; `counted` and `gauges` say what
    is made of which. The counters stand again in columns: their `keys`, `counters`, `spellings`, and the `places` of
    their queries. `once` says that each is asked in one spelling only. `price` is how many metrics AWS bills for it
    once, `prices` those of each rank.
    """

    __slots__ = (
        "_at",
        "_coarse",
        "age",
        "counted",
        "counters",
        "counts",
        "delay",
        "gauges",
        "keys",
        "metrics",
        "namespaces",
        "once",
        "places",
        "price",
        "prices",
        "queries",
        "series",
        "slack",
        "spellings",
        "units",
    )

    def __init__(self, units: tuple[Unit, ...]) -> None:
        asked = tuple((n, unit, k) for n, (unit, k) in enumerate((u, k) for u in units for k in range(len(u.stats))))
        self.units = units
        self.queries = tuple((unit.subject, unit.endings[k]) for _, unit, k in asked)
        self.counted = tuple(
            Counted(n, (counter.metric, counter.stat), counter, unit.spelling)
            for n, unit, k in asked
            if (counter := unit.counters[k])
        )
        self.gauges = tuple(Shown(n, gauge, unit.period) for n, unit, k in asked for gauge in unit.gauges[k])
        self.counts = bool(self.counted)
        self.keys = tuple(counted.key for counted in self.counted)
        self.counters = tuple(counted.counter for counted in self.counted)
        self.spellings = bytes(counted.spelling for counted in self.counted)
        self.places = tuple(counted.query for counted in self.counted)
        self.once = len(set(self.keys)) == len(self.keys)
        self.metrics = frozenset(unit.metric for unit in units)
        gauges = [shown.gauge for shown in self.gauges]
        self.delay = max((gauge.delay for gauge in gauges), default=0.0)
        self.slack = max((gauge.slack for gauge in gauges), default=0.0)
        self.age = max((gauge.age for gauge in gauges), default=0.0)
        self.namespaces = tuple(
            (namespace, sum(len(unit.stats) for unit in of_namespace))
            for namespace, of_namespace in groupby(units, key=lambda unit: unit.namespace)
        )
        self.price = sum(unit.price for unit in units)
        self.prices = Tallies[Rank]()
        for unit in units:
            self.prices[unit.rank] += unit.price
        self.series = len(self.counted) + len(self.gauges)
        self._coarse: Bundle | None = None
        self._at: tuple[Mapping[tuple[str, str], int] | None, slice | None] = (None, None)

    def at(self, position: Mapping[tuple[str, str], int]) -> slice | None:
        """Return where its counters stand, if they stand together and in order; meters of a kind share a `position`."""
        known, at = self._at
        if known is not position:
            first = position.get(self.keys[0], 0)
            in_order = list(map(position.get, self.keys)) == list(range(first, first + len(self.keys)))
            at = slice(first, first + len(self.keys)) if in_order else None
            self._at = position, at  # in one step: targets share bundles, and are read at the same time
        return at

    def zeros(self) -> tuple[array[float], array[int]]:
        """Return sums and points of a block in which none of its counters has data."""
        return array("d", bytes(8 * len(self.keys))), array("H", bytes(2 * len(self.keys)))

    @property
    def coarse(self) -> Bundle:
        """What of it is counted, asked at the width of a block to catch up."""
        if self._coarse is None:
            self._coarse = Bundle(tuple(unit.coarse for unit in self.units if unit.coarse))
        return self._coarse

    def only(self, units: Sequence[Unit]) -> Bundle:
        """Return the bundle of some of its units: itself, for all of them."""
        return self if len(units) == len(self.units) else Bundle(tuple(units))

    def lasts(self, pace: float) -> float:
        """Return for how long the longest of its gauges is shown: see there."""
        return max(self.age, self.slack + pace)

    def results(self, results: Sequence[Result]) -> Iterator[tuple[Unit, Sequence[Result]]]:
        """Yield its units, each with its part of the results of all its queries; nothing if there are none."""
        first = 0
        for unit in self.units if results else ():
            yield unit, results[first : first + len(unit.stats)]
            first += len(unit.stats)


@dataclass(slots=True)
class Strand:
    """Units that are asked together about one resource, and when the next readings of each width are due.

    If it `counts`, some of them have counters; `rank` is the highest of theirs.
    """

    resource: Resource
    bundle: Bundle
    counts: bool
    period: int
    pace: float
    rank: Rank
    middle: bytes  # of its queries
    alive: bool = True
    serves: bool = False  # it is about an endpoint that can be invoked
    order: Order = Order.HOT  # in which it is admitted
    quiet: bool = False  # asked only until its last blocks are closed: no complete listing shows it any more
    begin: Mapping[tuple[str, str], int] = field(default_factory=dict)  # of counters that have no state yet
    born: float = 0.0  # when it was first asked
    rest: float = 0.0  # how far apart its readings are (seconds) where that is more than its pace
    last: float = -math.inf  # when it was last answered
    due: float = -math.inf
    settle_due: float = -math.inf
    deep_due: float = -math.inf
    newest: int = 0  # end of the newest period with data, 0 if none was seen
    looked: float = -math.inf  # when all of it was last answered whole
    ended: float = math.inf  # when the job that it is about did, by our clock
    unheard: frozenset[str] = frozenset()  # metrics without a whole answer: asked again at once, in all spellings

    @property
    def host(self) -> bool:
        """Whether it is about a host of a job, which has an end."""
        return self.resource.dimensions[:1] != () and self.resource.dimensions[0][0] == "Host"

    @property
    def job(self) -> str:
        """The type and name of the job that it is about a host of, or about itself; "" for all else."""
        kind = _JOBS.get(self.resource.namespace)
        return f"{kind}/{self.resource.labels[2]}" if kind else ""

    @property
    def hot(self) -> bool:
        """Whether its rows are asked as often as the source runs."""
        return self.rank >= HOT

    @property
    def effective(self) -> float:
        """Seconds between two of its readings."""
        return max(self.pace, self.rest)

    def even(self, meter: Metered | None) -> tuple[int, int, int, float] | None:
        """Return read_until, closed_until, counted_from and the first lease of its counters, if they are all alike.

        So it is where they stand together, once they were read together.
        """
        at = self.bundle.at(meter.position) if meter else None
        if meter is None or at is None:
            return None
        read, closed, counted_from = meter.read_until[at], meter.closed_until[at], meter.counted_from[at]
        if any(meter.paused[at]) or not all(map(_alike, (read, closed, counted_from))):
            return None
        return read[0], closed[0], counted_from[0], min(meter.lease[at])

    def counters(self, unit: Unit, meter: Metered | None) -> list[tuple[int, int, int, float]]:
        """Return read_until, closed_until, counted_from and lease of a unit's counters; of new ones as they begin."""
        found = []
        for counter in unit.counters:
            if counter is None:
                continue
            key = (counter.metric, counter.stat)
            i = meter.position.get(key) if meter else None
            if meter is None or i is None:
                begin = self.begin[key]
                found.append((begin, begin // BLOCK * BLOCK, begin, -math.inf))
            elif not meter.paused[i]:
                found.append((meter.read_until[i], meter.closed_until[i], meter.counted_from[i], meter.lease[i]))
        return found

    @property
    def phase(self) -> float:
        """A fraction that is the same for all strands of a resource, and differs between resources."""
        return zlib.crc32(repr(self.resource.dimensions).encode()) / 2**32

    def rested(self, early: float) -> float:
        """Return when its rest is over: at the turn of its resource, or all that rests as long would be asked at once.

        It is asked up to `early` seconds before its turn, and never later than it may rest.
        """
        if self.rest <= self.pace or self.last == -math.inf:
            return -math.inf
        turn = self.phase * self.rest
        return min(self.last + self.rest, (self.last + self.rest + early - turn) // self.rest * self.rest + turn)

    def heard(self, now: float, reach: Reach) -> None:
        """Plan the next readings after one of this reach that was answered.

        After the first of each kind, the next one comes sooner, by the phase: resources take turns, so that the
        datapoints of wide readings are spread over time.
        """
        self.born, self.last = self.born or now, now
        if self.due == -math.inf and self.pace > MINUTE:
            self.due = now + self.pace * self.phase
        else:
            self.due = now + self.pace
        if reach >= Reach.SETTLE:
            self.settle_due = now + SETTLE_EVERY * (self.phase if self.settle_due == -math.inf else 1.0)
        if reach >= Reach.DEEP:
            self.deep_due = now + DEEP_EVERY * (self.phase if self.deep_due == -math.inf else 1.0)


def units(place: Place, name: str, settings: Mapping[str, Settings], period: int) -> list[Unit]:
    """Return how a metric of AWS is asked at a place: not at all, once, or apart for gauges of a finer period.

    `settings` holds the rows that are on. A gauge that stands beside no counter follows `period`, the publishing period
    of the resource (seconds); everything else is asked at a minute.
    """
    rows = [asked for asked in place.metrics.get(name, ()) if asked.row.name in settings]
    counted = any(asked.row.type in {"counter", "summary"} for asked in rows)
    apart = [asked for asked in rows if asked.row.type == "gauge" and counted and period < MINUTE]
    together = [asked for asked in rows if asked not in apart]
    found = []
    for group, usual in ((together, MINUTE if counted else period), (apart, period)):
        if group:
            own = next((asked.row.ask.period for asked in group if asked.row.ask and asked.row.ask.period), None)
            found.append(_unit(place, name, group, settings, own or usual))
    return found


def _unit(place: Place, name: str, rows: Sequence[Asked], settings: Mapping[str, Settings], period: int) -> Unit:
    stats = tuple(dict.fromkeys(stat for asked in rows if asked.row.ask for stat in asked.row.ask.stats))
    counters: list[Counter | None] = []
    gauges: list[tuple[Gauge, ...]] = []
    for stat in stats:
        of_stat = [asked for asked in rows if asked.row.ask and stat in asked.row.ask.stats]
        counters.append(next((_counter(one, stat) for one in of_stat if _counted(one.row, stat)), None))
        shown = (one for one in of_stat if not _counted(one.row, stat))
        gauges.append(tuple(_gauge(one, stat, settings[one.row.name], period) for one in shown))
    unit = Unit(
        namespace=place.namespace,
        asked=name,
        metric=rows[0].first,
        spelling=rows[0].spelling,
        period=period,
        pace=min(settings[asked.row.name].pace for asked in rows),
        rank=max(settings[asked.row.name].rank for asked in rows),
        order=min(settings[asked.row.name].order for asked in rows),
        seeded=any(asked.row.seeded == "inventory" for asked in rows),
        stats=stats,
        counters=tuple(counters),
        gauges=tuple(gauges),
        subject=subject(place.namespace, name),
        endings=tuple(statistic(period, stat) for stat in stats),
    )
    return replace(unit, coarse=_coarse(unit)) if unit.counts else unit


def _coarse(unit: Unit) -> Unit:
    counted = [(stat, counter) for stat, counter in zip(unit.stats, unit.counters, strict=True) if counter]
    return replace(
        unit,
        period=BLOCK,
        stats=tuple(stat for stat, _ in counted),
        counters=tuple(counter for _, counter in counted),
        gauges=((),) * len(counted),
        endings=tuple(statistic(BLOCK, stat) for stat, _ in counted),
    )


def _counted(row: Row, stat: str) -> bool:
    return row.type == "counter" or (row.type == "summary" and stat in {"Sum", "SampleCount"})


def _counter(asked: Asked, stat: str) -> Counter:
    row = asked.row
    part = "" if row.type == "counter" else {"Sum": "sum", "SampleCount": "count"}[stat]
    scale = row.ask.scale if row.ask and part != "count" else 1.0
    return Counter(asked.first, stat, row.name, part, scale)


def _gauge(asked: Asked, stat: str, settings: Settings, period: int) -> Gauge:
    row = asked.row
    of_traffic = row.type == "summary" or "_max" in row.name  # no alert may fire on traffic that has ended
    part = next((repr(q) for q in row.quantiles if f"p{100 * q:g}" == stat), "")
    extra = (asked.word,) if asked.word else ()
    age = 0.0 if of_traffic else settings.max_age
    scale = row.ask.scale if row.ask else 1.0
    return Gauge(row, part, extra, settings.gauge_delay, 3 * period + settings.gauge_delay, age, scale)


def _alike(column: Sequence[int]) -> bool:
    return column.count(column[0]) == len(column)
