"""Asks packed into calls, and calls taken apart when one of them fails (law L3: one bad series costs one series)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from exporter.aws import Aws, AwsError, MetricCall, Reply
from exporter.aws.metric_data import Result
from exporter.aws.operations import MOST_DATAPOINTS, MOST_QUERIES, RECENT
from exporter.model import HOUR, MINUTE, Target
from exporter.sources.cloudwatch_metrics.strands import Reach, Strand, Unit
from exporter.sources.cloudwatch_metrics.windows import Span

EXTRA_CALLS = 20  # for taking calls apart, for each target and cycle
ALONE_EVERY = 10 * MINUTE  # what made calls fail is tried again so often, in a call of its own


@dataclass(slots=True)
class Ask:
    """One unit of a strand in one window, and what came of it: results by statistic, or the class of an error."""

    strand: Strand
    unit: Unit
    span: Span
    reach: Reach = Reach.NARROW
    results: Sequence[Result] = ()
    began: float = 0.0
    date: float = 0.0
    error: str = ""
    detail: str = ""

    @property
    def key(self) -> Hashable:
        """What is asked, whatever the window."""
        return self.strand.resource, *self.unit.key, self.unit.period

    @property
    def points(self) -> int:
        """Datapoints that AWS estimates for it: by range and period, whether there are any or not."""
        return len(self.unit.stats) * ((self.span.end - self.span.start) // self.span.period)

    @property
    def whole(self) -> bool:
        """Whether all of it was answered completely."""
        return not self.error and all(result.complete for result in self.results)


Call = list[Ask]


class _Apart(NamedTuple):
    """What makes calls fail: the group that it fails in, how often, when that is tried again, and how it failed."""

    group: int
    times: int
    due: float
    error: str
    detail: str


class Fetcher:
    """Fetches asks of one target. Remembers, for the life of the process, which of them make calls fail."""

    def __init__(self, aws: Aws, target: Target) -> None:
        self._aws = aws
        self._target = target
        self._apart: dict[Hashable, _Apart] = {}
        self._groups = 0

    def fetch(self, asks: Sequence[Ask], now: float) -> Sequence[Ask]:
        """Fill in the asks and return them. One that failed alone lately is not tried again, and has its old error."""
        self._apart = {key: apart for key, apart in self._apart.items() if apart.due > now - HOUR}  # or it is gone
        together: Call = []
        groups: dict[int, Call] = {}
        for ask in asks:
            apart = self._apart.get(ask.key)
            if apart is None:
                together.append(ask)
            elif apart.due <= now:
                groups.setdefault(apart.group, []).append(ask)
            else:
                ask.error, ask.detail = apart.error, apart.detail
        alone = [call for group in groups.values() for call in pack(group, now, self._aws.datapoint_rates)]
        spare = [EXTRA_CALLS]
        failed = self._send([*pack(together, now, self._aws.datapoint_rates), *alone])
        culprits = [culprit for call in failed for culprit in self._narrow(call, spare)]
        if any(not ask.error for ask in asks):  # where nothing works at all, nothing is to blame for the rest
            for call in culprits:
                self._groups += 1
                before, error = self._apart.get(call[0].key), call[0].error
                times = before.times + 1 if before else 1
                # A server error may have been a moment's; of a refused request the culprit may still have to be found.
                sure = len(call) == 1 if error == "bug" else times > 1
                apart = _Apart(self._groups, times, now + ALONE_EVERY if sure else now, error, call[0].detail)
                self._apart.update(dict.fromkeys((ask.key for ask in call), apart))
        return asks

    def _send(self, calls: Sequence[Call]) -> list[Call]:
        """Send calls, fill in their asks, return the calls that failed."""
        failed = []
        replies = self._aws.metric_data(self._target, [_metric_call(call) for call in calls])
        for call, reply in zip(calls, replies, strict=True):
            if isinstance(reply, AwsError):
                failed.append(call)
                for ask in call:
                    ask.error, ask.detail = reply.error_class, str(reply)
            else:
                _fill(call, reply)
                for ask in call:
                    self._apart.pop(ask.key, None)
        return failed

    def _narrow(self, call: Call, spare: list[int]) -> list[Call]:
        """Take a failed call apart until what makes it fail stands alone; return that. `spare` calls are left for it.

        Throttles and denials are about us, not about what is asked. A server error that both halves meet has no culprit
        among them either, while a refused request may hold several.
        """
        error = call[0].error
        if error not in {"bug", "transient"}:
            return []
        parts = _by_namespace(call) if error == "transient" else [call]
        if len(parts) == 1:
            parts = _halves(call)
        if len(parts) == 1 or spare[0] < len(parts):
            return [call]
        spare[0] -= len(parts)
        failed = self._send(parts)
        if error == "transient" and len(failed) == len(parts):
            return [call]
        return [culprit for part in failed for culprit in self._narrow(part, spare)]


def pack(asks: Iterable[Ask], now: float, rates: tuple[float, float]) -> list[Call]:
    """Return asks as calls: one window each, starts within an hour, a strand in one call, one page of points.

    AWS estimates the points of a call from its range, period and queries; no call is for more than `rates` allow in a
    second, for starts within 3 h and for older ones.
    """
    calls: list[Call] = []
    kind = attrgetter("span.period", "span.recent", "span.end")
    for (period, _, end), group in groupby(sorted(asks, key=lambda ask: (*kind(ask), ask.span.start)), key=kind):
        call: Call = []
        room = 0  # queries that still fit
        for _, of_strand in groupby(group, key=lambda ask: id(ask.strand)):
            strand = tuple(of_strand)
            start = strand[0].span.start
            most = min(MOST_DATAPOINTS, rates[start < now - RECENT])
            fit = min(MOST_QUERIES, int(most // ((end - start) // period)))
            together = min(fit, sum(len(ask.unit.stats) for ask in strand))
            for ask in strand:
                need = len(ask.unit.stats)
                if not call or room < max(need, together) or start > call[0].span.start + HOUR:
                    call, room = [], fit
                    calls.append(call)
                call.append(ask)
                room -= need
                together = 0  # a strand that fits into no call is cut where it must be
    return calls


def _metric_call(call: Call) -> MetricCall:
    span = call[0].span
    queries = [ask.unit.subject + ask.strand.middle + ending for ask in call for ending in ask.unit.endings]
    return MetricCall(
        start=span.start,
        end=span.end,
        queries=queries,
        datapoints=len(queries) * ((span.end - span.start) // span.period),
        metrics=sum(ask.unit.price for ask in call),
    )


def _fill(call: Call, reply: Reply) -> None:
    place = 0
    for ask in call:
        ask.results = reply.results[place : place + len(ask.unit.stats)]
        ask.began, ask.date, ask.error = reply.began, reply.date, ""
        place += len(ask.unit.stats)


def _by_namespace(call: Call) -> list[Call]:
    groups: dict[str, Call] = {}
    for ask in call:
        groups.setdefault(ask.unit.namespace, []).append(ask)
    return list(groups.values())


def _halves(call: Call) -> list[Call]:
    middle = len(call) // 2
    return [call[:middle], call[middle:]] if middle else [call]
