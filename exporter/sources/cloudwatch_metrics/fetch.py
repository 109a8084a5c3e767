"""Asks packed into calls, and calls taken apart when one of them fails (law L3: one bad series costs one series)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import attrgetter
from typing import NamedTuple, TypeVar

from exporter.aws import Aws, AwsError, MetricCall, Reply
from exporter.aws.metric_data import Result
from exporter.aws.operations import MOST_DATAPOINTS, MOST_QUERIES, RECENT
from exporter.model import HOUR, MINUTE, Answer, Bulk, Target
from exporter.sources.cloudwatch_metrics.strands import Bundle, Reach, Strand, Unit
from exporter.sources.cloudwatch_metrics.windows import Span

EXTRA_CALLS = 20  # for taking calls apart, for each target and cycle
ALONE_EVERY = 10 * MINUTE  # what made calls fail is tried again so often, in a call of its own

_K = TypeVar("_K", bound=Hashable)


@dataclass(slots=True, eq=False)
class Ask:
    """A bundle of a strand, or a part of it, in one window, and what came of it: results, or the class of an error.

    Of the results remains, once they are taken, what was `said` of its counters, and the end of the `newest` period
    with data (0 without any). `heard` says that some of it was answered completely, `whole` that all was.
    """

    strand: Strand
    bundle: Bundle
    span: Span
    reach: Reach = Reach.NARROW
    results: Sequence[Result] = ()
    whole: bool = False
    heard: bool = False
    missed: tuple[Unit, ...] = ()
    said: Bulk | tuple[Answer, ...] = ()
    newest: float = 0.0
    began: float = 0.0
    date: float = 0.0
    error: str = ""
    detail: str = ""

    @property
    def keys(self) -> tuple[Hashable, ...]:
        """What each of its units asks, whatever the window."""
        return tuple((self.strand.resource, *unit.key, unit.period) for unit in self.bundle.units)

    @property
    def points(self) -> int:
        """Datapoints that AWS estimates for it: by range and period, whether there are any or not."""
        return len(self.bundle.queries) * ((self.span.end - self.span.start) // self.span.period)

    @property
    def unheard(self) -> tuple[Unit, ...]:
        """The units that were not answered completely."""
        return self.bundle.units if self.error else self.missed

    def part(self, units: Sequence[Unit]) -> Ask:
        """Return an ask for some of its units, with the error that it has: itself, for all of them."""
        if len(units) == len(self.bundle.units):
            return self
        return Ask(self.strand, Bundle(tuple(units)), self.span, self.reach, error=self.error, detail=self.detail)


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

    def fetch(self, asks: Sequence[Ask], now: float, take: Callable[[Ask], object] = id) -> Sequence[Ask]:
        """Return the asks, some of them in parts, with what came of them; `take` is told of each that has its results.

        What failed alone lately is not tried again, and has its old error.
        """
        self._apart = {key: apart for key, apart in self._apart.items() if apart.due > now - HOUR}  # or it is gone
        together, alone, given_up = self._divide(asks, now)
        rates = self._aws.datapoint_rates
        calls = pack(together, now, rates)
        for group in _grouped(alone, self._group).values():
            calls += pack(group, now, rates)
        done = [*(ask for call in calls for ask in call), *given_up]
        failed = self._send(calls, take)
        spare = [EXTRA_CALLS]
        culprits: list[Call] = []
        # Throttles and denials are about us, not about what is asked.
        apart = [call for call in failed if call[0].error in {"bug", "transient"}]
        whole = {id(ask) for call in apart for ask in call}
        done = [ask for ask in done if id(ask) not in whole]
        for call in apart:
            single = [ask.part((unit,)) for ask in call for unit in ask.bundle.units]
            done += single
            culprits += self._narrow(single, spare, take)
        if any(not ask.error for ask in done):  # where nothing works at all, nothing is to blame for the rest
            for call in culprits:
                self._groups += 1
                before, error = self._apart.get(call[0].keys[0]), call[0].error
                times = before.times + 1 if before else 1
                # A server error may have been a moment's; of a refused request the culprit may still have to be found.
                sure = len(call) == 1 if error == "bug" else times > 1
                why = _Apart(self._groups, times, now + ALONE_EVERY if sure else now, error, call[0].detail)
                self._apart.update(dict.fromkeys((key for ask in call for key in ask.keys), why))
        return done

    def _divide(self, asks: Sequence[Ask], now: float) -> tuple[Call, Call, Call]:
        """Return what is asked together, what alone, and what is not tried now, with its error."""
        if not self._apart:
            return list(asks), [], []
        together: Call = []
        alone: Call = []
        given_up: Call = []
        for ask in asks:
            aparts = [self._apart.get(key) for key in ask.keys]
            if not any(aparts):
                together.append(ask)
                continue
            parts = [ask.part((unit,)) for unit in ask.bundle.units]
            for part, apart in zip(parts, aparts, strict=True):
                if apart and apart.due > now:
                    part.error, part.detail = apart.error, apart.detail
                (together if apart is None else alone if apart.due <= now else given_up).append(part)
        return together, alone, given_up

    def _group(self, ask: Ask) -> int:
        return self._apart[ask.keys[0]].group

    def _send(self, calls: Sequence[Call], take: Callable[[Ask], object]) -> list[Call]:
        """Send calls, fill in their asks, let each be taken, return the calls that failed."""
        failed = []
        made = [_metric_call(call) for call in calls]
        asks_of = {id(metric_call): call for metric_call, call in zip(made, calls, strict=True)}

        def fill(metric_call: MetricCall, reply: Reply) -> None:
            call = asks_of[id(metric_call)]
            _fill(call, reply)
            for ask in call:
                take(ask)

        for call, error in zip(calls, self._aws.metric_data(self._target, made, fill), strict=True):
            if isinstance(error, AwsError):
                failed.append(call)
                for ask in call:
                    ask.error, ask.detail = error.error_class, str(error)
            else:
                for ask in call if self._apart else ():
                    for key in ask.keys:
                        self._apart.pop(key, None)
        return failed

    def _narrow(self, call: Call, spare: list[int], take: Callable[[Ask], object]) -> list[Call]:
        """Take a failed call apart until what makes it fail stands alone; return that. `spare` calls are left for it.

        A server error that both halves meet has no culprit among them either, while a refused request may hold several.
        """
        error = call[0].error
        if error not in {"bug", "transient"}:
            return []
        parts = list(_grouped(call, _namespace).values()) if error == "transient" else [call]
        if len(parts) == 1:
            parts = _halves(call)
        if len(parts) == 1 or spare[0] < len(parts):
            return [call]
        spare[0] -= len(parts)
        failed = self._send(parts, take)
        if error == "transient" and len(failed) == len(parts):
            return [call]
        return [culprit for part in failed for culprit in self._narrow(part, spare, take)]


def pack(asks: Iterable[Ask], now: float, rates: tuple[float, float]) -> list[Call]:
    """Return asks as calls: one window each, starts within an hour, one page of points, a strand in one if it fits.

    An ask that is too large comes in parts.

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
            together = min(fit, sum(len(ask.bundle.queries) for ask in strand))
            for ask in chain.from_iterable(_cut(whole, fit) for whole in strand):
                need = len(ask.bundle.queries)
                if not call or room < max(need, together) or start > call[0].span.start + HOUR:
                    call, room = [], fit
                    calls.append(call)
                call.append(ask)
                room -= need
                together = 0  # a strand that fits into no call is cut where it must be
    return calls


def _cut(ask: Ask, most: int) -> Iterator[Ask]:
    """Yield an ask in parts of so many queries at the most; a unit is never cut."""
    if len(ask.bundle.queries) <= most:
        yield ask
        return
    units: list[Unit] = []
    queries = 0
    for unit in ask.bundle.units:
        if units and queries + len(unit.stats) > most:
            yield ask.part(units)
            units, queries = [], 0
        units.append(unit)
        queries += len(unit.stats)
    yield ask.part(units)


def _metric_call(call: Call) -> MetricCall:
    span = call[0].span
    return MetricCall(
        start=span.start,
        end=span.end,
        queries=_Queries(call),
        datapoints=sum(len(ask.bundle.queries) for ask in call) * ((span.end - span.start) // span.period),
        metrics=sum(ask.bundle.price for ask in call),
    )


class _Queries:
    """The queries of a call, each joined when it is sent."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __len__(self) -> int:
        return sum(len(ask.bundle.queries) for ask in self._call)

    def __iter__(self) -> Iterator[bytes]:
        for ask in self._call:
            middle = ask.strand.middle
            for beginning, ending in ask.bundle.queries:
                yield beginning + middle + ending


def _fill(call: Call, reply: Reply) -> None:
    place = 0
    whole = {result.status for result in reply.results} == {"Complete"}
    for ask in call:
        ask.results = reply.results[place : place + len(ask.bundle.queries)]
        ask.whole = ask.heard = True
        if not whole:
            complete = [result.complete for result in ask.results]
            ask.whole, ask.heard = all(complete), any(complete)
            units = ask.bundle.results(ask.results)
            ask.missed = tuple(unit for unit, results in units if not all(result.complete for result in results))
        ask.began, ask.date, ask.error = reply.began, reply.date, ""
        place += len(ask.bundle.queries)


def _namespace(ask: Ask) -> str:
    return ask.bundle.units[0].namespace


def _grouped(asks: Iterable[Ask], key: Callable[[Ask], _K]) -> dict[_K, Call]:
    groups: dict[_K, Call] = {}
    for ask in asks:
        groups.setdefault(key(ask), []).append(ask)
    return groups


def _halves(call: Call) -> list[Call]:
    middle = len(call) // 2
    return [call[:middle], call[middle:]] if middle else [call]
