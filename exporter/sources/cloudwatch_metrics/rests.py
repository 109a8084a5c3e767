"""How much slower than its pace a strand may be asked: silence, and the dollars of a month. Nothing is lost by either.

A call returns every period of its window for the price of one, so that a strand that rests is later, never less exact.
Nothing here asks AWS: who asks, and what that costs, is told from outside.
"""

from __future__ import annotations

import calendar
import logging
import math
import threading
import time
from collections import Counter as Tallies
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.aws import Spent
from exporter.aws.operations import METRIC_PRICE
from exporter.model import HOUR, MINUTE, Resource, Target
from exporter.sources.cloudwatch_metrics.strands import Rank, Strand

_log = logging.getLogger(__name__)

SILENT = ((6 * HOUR, 15.0 * MINUTE), (HOUR, 5.0 * MINUTE))  # without data for so long: asked every so often
SERVING = 5.0 * MINUTE  # what is hot, of an endpoint in service, is never asked more seldom because it is silent

# What is slowed, in this order, until a month's dollars suffice: the rare first, errors of endpoints in service last.
STAGES = (
    (Rank.EXTRA, 1.0 * HOUR),
    (Rank.WARM, 15.0 * MINUTE),
    (Rank.WARM, 1.0 * HOUR),
    (Rank.GAUGE, 5.0 * MINUTE),
    (Rank.GAUGE, 15.0 * MINUTE),
    (Rank.COUNTER, 5.0 * MINUTE),
    (Rank.GAUGE, 1.0 * HOUR),
    (Rank.COUNTER, 15.0 * MINUTE),
    (Rank.COUNTER, 1.0 * HOUR),
    (Rank.ERROR, 2.0 * MINUTE),
    (Rank.ERROR, 3.0 * MINUTE),
    (Rank.ERROR, 5.0 * MINUTE),
)
RELIEF = 0.95  # of what may be spent: a stage ends only when the one before it would cost less


def hours_left(now: float) -> float:
    """Return the hours that are left of a month (UTC), one at the least."""
    year, month, *_ = time.gmtime(now)
    end = calendar.timegm((year + month // 12, month % 12 + 1, 1, 0, 0, 0))
    return max(1.0, (end - now) / HOUR)


def month_of(now: float) -> str:
    """Return the month (UTC) for which AWS bills what is asked now, such as 2026-11."""
    return time.strftime("%Y-%m", time.gmtime(now))


def months(notes: Mapping[Target | None, Mapping[str, Any]]) -> Mapping[Target, tuple[str, float]]:
    """Return a month and what was spent in it (USD) for each target that has noted one: of those removed too."""
    return {target: tuple(of["month"]) for target, of in notes.items() if target and of.get("month")}


def spent_this_month(months: Iterable[tuple[str, float]], now: float) -> float:
    """Return what targets have cost in this month (USD)."""
    return math.fsum(usd for month, usd in months if month == month_of(now))


class Load(NamedTuple):
    """Metrics that strands ask for each time, how they rank, and how often they are asked unless slowed (s)."""

    metrics: int
    rank: Rank
    every: float


def silence(strands: Iterable[Strand], now: float) -> None:
    """Let strands rest whose resource has had no data for long. Any new data of it wakes all that is hot."""
    newest: dict[Resource, float] = {}
    for strand in strands:
        newest[strand.resource] = max(newest.get(strand.resource, 0.0), strand.newest, strand.born or now)
    for strand in strands:
        own = newest[strand.resource] if strand.hot else max(strand.newest, strand.born or now)
        rest = next((rest for silent, rest in SILENT if now - own >= silent), 0.0)
        strand.rest = min(rest, SERVING) if strand.hot and strand.serves else rest


def loads(strands: Iterable[Strand]) -> list[Load]:
    """Return how strands weigh, as they rest because of silence alone: few loads, however many strands there are."""
    metrics: Tallies[tuple[Rank, float]] = Tallies()
    alike = Tallies((strand.bundle, strand.serves, strand.effective) for strand in strands)
    for (bundle, serves, every), number in alike.items():
        for rank, price in bundle.prices.items():
            metrics[weight(rank, serves=serves), every] += number * price
    return [Load(asked, rank, every) for (rank, every), asked in metrics.items()]


def weight(rank: Rank, *, serves: bool) -> Rank:
    """Return as what a rank is slowed: errors come last only of an endpoint that can be invoked."""
    return Rank.COUNTER if rank is Rank.ERROR and not serves else rank


def slowed(stage: int) -> Mapping[Rank, float]:
    """Return how often at the most (seconds between two readings) each rank is asked at a stage."""
    return dict(STAGES[:stage])


def metrics_an_hour(loads: Iterable[Load], stage: int) -> float:
    """Return how many metrics are asked for in an hour at a stage."""
    slow = slowed(stage)
    return sum(load.metrics * HOUR / max(load.every, slow.get(load.rank, 0.0)) for load in loads)


def stage_for(loads: list[Load], allowed: float, before: int) -> int:
    """Return the first stage at which no more metrics are asked for in an hour than are allowed; the last if none is.

    Less slow than `before` only where there is room to spare, or it would go to and fro.
    """
    for stage in range(len(STAGES) + 1):
        if metrics_an_hour(loads, stage) <= (allowed if stage >= before else allowed * RELIEF):
            return stage
    return len(STAGES)


class Purse:
    """The dollars of a month, for all targets together, and the stage at which they suffice. Thread-safe.

    `spent` is what the process has spent and accounted for by the time `now`: nothing, unless after a reload. `noted`
    is what targets have noted by then: whoever is removed in a month, or not read yet, has spent of it all the same.
    """

    def __init__(
        self, usd_per_month: float, spent: Mapping[Target, Spent], noted: Mapping[Target, tuple[str, float]], now: float
    ) -> None:
        self.stage_now = 0
        self._usd = usd_per_month
        self._began = now
        self._before = sum(one.other for one in spent.values())
        self._lock = threading.Lock()
        self._noted = noted
        self._months: dict[Target, tuple[str, float]] = {}  # such as 2026-11, and what was spent in it
        self._spent = dict(spent)
        self._loads: dict[Target, Sequence[Load]] = {}

    def account(
        self, target: Target, spent: Mapping[Target, Spent], before: Sequence[Any] | None, now: float
    ) -> tuple[str, float]:
        """Return the month and what a target has cost in it, to be noted; `before` is an earlier process's note."""
        with self._lock:
            new = sum(spent.get(target, ())) - sum(self._spent.get(target, ()))
            self._spent[target] = spent.get(target, Spent())
            name, usd = self._months.get(target) or (tuple(before) if before else ("", 0.0))
            today = month_of(now)
            self._months[target] = month = (today, usd + new if name == today else new)
            return month

    def stage(self, target: Target, loads: Sequence[Load], now: float) -> int:
        """Return the stage at which what is left of the month suffices, if `loads` is what is asked on a target."""
        with self._lock:
            self._loads[target] = loads
            so_far = spent_this_month({**self._noted, **self._months}.values(), now)
            passed = max(0.25, (now - self._began) / HOUR)
            other = (sum(spent.other for spent in self._spent.values()) - self._before) / passed
            allowed = (self._usd - so_far) / hours_left(now) - other
            everything = [one for of_target in self._loads.values() for one in of_target]
            before, self.stage_now = self.stage_now, stage_for(everything, allowed / METRIC_PRICE, self.stage_now)
            if self.stage_now != before:
                costs = metrics_an_hour(everything, self.stage_now) * METRIC_PRICE + other
                text = "paces are at stage %d of %d: %.4f USD an hour, %.2f spent this month, of %.2f"
                _log.warning(text, self.stage_now, len(STAGES), costs, so_far, self._usd)
            return self.stage_now
