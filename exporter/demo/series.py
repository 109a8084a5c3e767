"""Series as CloudWatch keeps them: datapoints, and the moment from which each of their values can be seen.

A datapoint has one or more versions; the one seen is the newest that is available, the last one is the truth. A later
version may be lower than the one before, but a datapoint that was seen once never goes away.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from exporter.demo.stats import Stat
from exporter.demo.traffic import dice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.demo.traffic import Behaviour

Dimensions = tuple[tuple[str, str], ...]
"""The complete set of (name, value), sorted: part of a metric's identity."""

FORGOTTEN_AFTER = 14 * 86400
"""ListMetrics leaves out what had no data for two weeks (API reference, ListMetrics)."""


class Version(NamedTuple):
    """A value of a datapoint and the Unix time from which it is seen."""

    available: float
    stat: Stat


Point = tuple[int, Stat]
"""A datapoint as seen at some moment: the Unix time at which its period began, and its samples."""


def _seen(history: Sequence[Version], now: float) -> Stat | None:
    for available, stat in reversed(history):
        if available <= now:
            return stat
    return None


class Activity(NamedTuple):
    """When a series got its first datapoint (since it was last forgotten) and its newest one."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late and how wrong generated datapoints are at first. Shares are of all datapoints, times in seconds.

    A late datapoint comes late as a whole or, as often, with half of its samples on time: a `late` of 0.27 makes
    about 20 % of all samples late. A revised one is seen on time with a sample too few (`raised`) or too many
    (`lowered`) and put right later. An early one is seen with half of its samples before its period has ended.
    """

    usual: tuple[float, float] = (5, 55)
    late: float = 0.27
    late_by: tuple[float, float] = (120, 480)
    raised: float = 0.02
    lowered: float = 0.02
    revised_after: tuple[float, float] = (600, 5400)
    early: float = 0.1

    def versions(self, stat: Stat, at: int, period: int, luck: int) -> tuple[Version, ...]:
        """Return how the datapoint at `at` becomes visible; `luck` is 64 random bits."""
        kind = (luck & 0xFFFF) / 0x10000
        end = at + period
        on_time = end + _between(self.usual, luck >> 16)
        if kind < self.late:
            late = end + _between(self.late_by, luck >> 32)
            if kind < self.late / 2 or stat.number < 2:
                return (Version(late, stat),)
            return _two(Version(on_time, _half(stat)), Version(late, stat))
        kind -= self.late
        if kind < self.raised + self.lowered:
            wrong = _with_one_less(stat) if kind < self.raised else _with_one_more(stat)
            return _two(Version(on_time, wrong), Version(on_time + _between(self.revised_after, luck >> 32), stat))
        if kind < self.raised + self.lowered + self.early and stat.number >= 2:
            return _two(Version(at + period / 2, _half(stat)), Version(on_time, stat))
        return (Version(on_time, stat),)


def _between(limits: tuple[float, float], luck: int) -> float:
    return limits[0] + (limits[1] - limits[0]) * (luck & 0xFFFF) / 0x10000


def _two(first: Version, second: Version) -> tuple[Version, ...]:
    return (first, second) if first.available < second.available else (second,)


def _half(stat: Stat) -> Stat:
    number = float(math.ceil(stat.number / 2))
    return stat._replace(sum=_share(stat.sum, number / stat.number), number=number)


def _with_one_less(stat: Stat) -> Stat:
    if stat.number < 2:
        return stat
    return stat._replace(sum=_share(stat.sum, 1 - 1 / stat.number), number=stat.number - 1)


def _with_one_more(stat: Stat) -> Stat:
    sample = stat.max if stat.max <= 1 else _share(stat.sum, 1 / stat.number)
    return stat._replace(sum=stat.sum + sample, number=stat.number + 1)


def _share(total: float, share: float) -> float:
    return float(round(total * share)) if total.is_integer() else total * share


class Arrivals:
    """When the datapoints of the generated series of a world become visible."""

    def __init__(self, lateness: Lateness, cached: int) -> None:
        """Keep the versions of up to `cached` datapoints at hand (about 400 bytes each)."""
        self._since: list[float] = [-math.inf]
        self._lateness = [lateness]
        self._room = self._free = cached
        self._kept: list[dict[int, tuple[Version, ...]]] = []

    def change(self, lateness: Lateness, at: float) -> None:
        """Let datapoints of periods that begin after `at` arrive otherwise; older ones keep their versions."""
        place = bisect_right(self._since, at)
        self._since.insert(place, at)
        self._lateness.insert(place, lateness)
        self._forget()

    def lateness(self, at: float) -> Lateness:
        """Return what holds for the period that begins at `at`."""
        return self._lateness[bisect_left(self._since, at) - 1]

    def versions(self, series: Generated, at: int, period: int) -> tuple[Version, ...]:
        """Make up the versions of a datapoint, none where a period is empty, and keep them in `series.kept`."""
        stat = series.behaviour.samples(at, period)
        versions = self.lateness(at).versions(stat, at, period, dice(series.number, at)) if stat else ()
        if not self._free:
            self._forget()
        if not series.kept:
            self._kept.append(series.kept)
        series.kept[at << 12 | period] = versions
        self._free -= 1
        return versions

    def _forget(self) -> None:
        for kept in self._kept:
            kept.clear()
        self._kept.clear()
        self._free = self._room


class _Stretch(NamedTuple):
    begin: float
    end: float
    period: int


class Schedule:
    """When something publishes its metrics, and how often. The series of one endpoint share it."""

    __slots__ = ("_stretches",)

    def __init__(self, begin: float, period: int, end: float = math.inf) -> None:
        self._stretches = [_Stretch(begin, end, period)]

    @property
    def period(self) -> int:
        """Return how often it published last, in seconds."""
        return self._stretches[-1].period

    def stop(self, at: float) -> None:
        """Publish nothing about periods that begin at or after `at`."""
        self._stretches = [
            stretch._replace(end=min(stretch.end, at)) for stretch in self._stretches if stretch.begin < at
        ] or [_Stretch(at, at, self.period)]

    def start(self, at: float, period: int) -> None:
        """Publish again from `at` on."""
        self.stop(at)
        self._stretches.append(_Stretch(at, math.inf, period))

    def change(self, at: float, period: int) -> None:
        """Publish every `period` seconds from `at` on, or a little later: where both grids have a border."""
        grid = math.lcm(period, self.period)
        self.start(math.ceil(at / grid) * grid, period)

    def slots(self, begin: float, end: float) -> Iterator[tuple[range, int]]:
        """Yield (starts, period) for the periods that begin in `begin` <= t < `end`, in order of time."""
        for stretch in self._stretches:
            first, last = max(begin, stretch.begin), min(end, stretch.end)
            if first < last:
                period = stretch.period
                yield range(math.ceil(first / period) * period, math.ceil(last), period), period

    def activity(self, now: float) -> Activity | None:
        """Return the first period of the present run without a gap of two weeks, and the newest one."""
        first: int | None = None
        last = 0
        for stretch in self._stretches:
            begin = math.ceil(stretch.begin / stretch.period) * stretch.period
            end = min(stretch.end, now + 1)
            if begin < end:
                if first is None or begin - last >= FORGOTTEN_AFTER:
                    first = begin
                last = math.ceil(end / stretch.period) * stretch.period - stretch.period
        return None if first is None else Activity(first, last)


class Series:
    """One metric of CloudWatch: its identity, and what can be seen of it."""

    __slots__ = ("dimensions", "hidden", "metric", "namespace", "number", "unit")

    def __init__(self, namespace: str, metric: str, dimensions: Dimensions, unit: str, number: int) -> None:
        self.namespace = namespace
        self.metric = metric
        self.dimensions = dimensions
        self.unit = unit
        self.number = number  # random-looking, different for each series: for choices that must not change
        self.hidden = False  # ListMetrics does not show it

    def points(self, begin: float, end: float, now: float, *, fine: bool = False) -> list[Point]:
        """Return the datapoints of `begin` <= t < `end` as seen at `now`, by time; `fine`: only those under a minute.

        With `now` infinite they are the truth.
        """
        raise NotImplementedError

    def activity(self, now: float) -> Activity | None:
        """Return since when and until when it had datapoints, or None where it never had one."""
        raise NotImplementedError


class Generated(Series):
    """A series whose datapoints are made up when somebody looks."""

    __slots__ = ("_arrivals", "_looked_from", "_looked_until", "behaviour", "kept", "schedule")

    def __init__(
        self,
        identity: tuple[str, str, Dimensions],
        unit: str,
        number: int,
        behaviour: Behaviour,
        schedule: Schedule,
        arrivals: Arrivals,
    ) -> None:
        super().__init__(*identity, unit, number)
        self.behaviour = behaviour
        self.schedule = schedule
        self._arrivals = arrivals
        self.kept: dict[int, tuple[Version, ...]] = {}  # made up before, by (at << 12 | period): see Arrivals
        self._looked_from, self._looked_until = 0, 0  # no datapoints between these two

    def points(self, begin: float, end: float, now: float, *, fine: bool = False) -> list[Point]:  # noqa: D102
        kept, make_up = self.kept, self._arrivals.versions
        found = []
        for starts, period in self.schedule.slots(begin, min(end, now)):
            if fine and period >= 60:
                continue
            for at in starts:
                history = kept.get(at << 12 | period)
                if history is None:
                    history = make_up(self, at, period)
                if history:
                    available, stat = history[-1]
                    if available <= now:
                        found.append((at, stat))
                    elif earlier := _seen(history, now):
                        found.append((at, earlier))
        return found

    def activity(self, now: float) -> Activity | None:  # noqa: D102
        activity = self.schedule.activity(now)
        if activity is None or self.behaviour.steady:
            return activity
        if self._looked_from != activity.first:
            self._looked_from = self._looked_until = activity.first
        first = self._first(self._looked_until, now)
        if first is None:
            self._looked_until = activity.last
            return None
        self._looked_until = first
        return Activity(first, self._newest(max(first, activity.last - 4 * 3600), activity.last + 1) or first)

    def _first(self, begin: int, end: float) -> int | None:
        samples = self.behaviour.samples
        slots = self.schedule.slots(begin, end)
        return next((at for starts, period in slots for at in starts if samples(at, period)), None)

    def _newest(self, begin: int, end: int) -> int | None:
        samples = self.behaviour.samples
        slots = reversed(list(self.schedule.slots(begin, end)))
        return next((at for starts, period in slots for at in reversed(starts) if samples(at, period)), None)


class Scripted(Series):
    """A series whose datapoints were put there one by one."""

    __slots__ = ("_fine", "_times", "_versions")

    def __init__(self, identity: tuple[str, str, Dimensions], unit: str, number: int) -> None:
        super().__init__(*identity, unit, number)
        self._versions: dict[int, list[Version]] = {}
        self._times: list[int] = []
        self._fine: set[int] = set()

    def put(self, at: int, stat: Stat, available: float, *, fine: bool) -> None:
        """Add a datapoint, or a version of it; of two with the same `available` the one put last holds."""
        if at not in self._versions:
            insort(self._times, at)
            self._versions[at] = []
        insort(self._versions[at], Version(available, stat), key=lambda version: version.available)
        if fine:
            self._fine.add(at)

    def points(self, begin: float, end: float, now: float, *, fine: bool = False) -> list[Point]:  # noqa: D102
        found, versions = [], self._versions
        for at in self._times[bisect_left(self._times, begin) : bisect_left(self._times, end)]:
            if fine and at not in self._fine:
                continue
            history = versions[at]
            available, stat = history[-1]
            if available <= now:
                found.append((at, stat))
            elif earlier := _seen(history, now):
                found.append((at, earlier))
        return found

    def activity(self, now: float) -> Activity | None:  # noqa: D102
        times, versions = self._times, self._versions
        first = next((at for at in times if versions[at][0].available <= now), None)
        if first is None:
            return None
        last = next(at for at in reversed(times) if versions[at][0].available <= now)
        if last - first >= FORGOTTEN_AFTER:  # or there is no room for a gap so long
            seen = [at for at in times if versions[at][0].available <= now]
            first = next((at for before, at in reversed(list(pairwise(seen))) if at - before >= FORGOTTEN_AFTER), first)
        return Activity(first, last)
