"""What CloudWatch answered: points folded into blocks for counters, the newest settled value for gauges."""

from __future__ import annotations

import math
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter as Tallies
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.aws.metric_data import Result
from exporter.model import BLOCK, MINUTE, Answer, Bulk, Column, Effect, Failure, Metered, Read, Resource, Target, Window
from exporter.sources.cloudwatch_metrics.fetch import Ask
from exporter.sources.cloudwatch_metrics.strands import Gauge, Strand
from exporter.sources.cloudwatch_metrics.windows import Span

_OUTCOMES = {
    "Complete": "complete",
    "PartialData": "partial",
    "InternalError": "internal_error",
    "Forbidden": "forbidden",
    "Missing": "missing",
}


_Of = tuple[Gauge, float, float]  # what the values of a column share: gauge, end of period, pace of the strand


class Harvest(NamedTuple):
    """All that came of the asks of a cycle."""

    reads: list[Read]
    columns: list[Column]
    failures: list[Failure]
    tallies: list[Effect]


class Crop:
    """Takes what came of asks, one after the other, and lets go of their results. Thread-safe.

    A counter may stand unread for `max_age` seconds or three of its paces. `now` is asked when results have come.
    """

    def __init__(self, meters: Mapping[Resource, Metered], max_age: float, now: Callable[[], float]) -> None:
        self._meters = meters
        self._max_age = max_age
        self._now = now
        self._lock = threading.Lock()
        self._columns: dict[_Of, tuple[list[tuple[str, ...]], list[float]]] = {}
        self._outcomes: Tallies[tuple[str, str]] = Tallies()

    def take(self, ask: Ask) -> None:
        """Take what came of an ask."""
        now, strand = self._now(), ask.strand
        if ask.bundle.counts:
            meter = self._meters.get(strand.resource)
            ask.said = _bulk(ask, meter) or tuple(_answers(ask, meter))
        with self._lock:
            if ask.span.recent:
                ask.newest = _newest(ask, now)
                _show(ask, now, self._columns)
            for namespace, results in _by_namespace(ask):
                if ask.whole:
                    self._outcomes[namespace, "complete"] += len(results)
                else:
                    self._outcomes.update((namespace, _OUTCOMES.get(one.status, "partial")) for one in results)
        ask.results = ()

    def harvest(self, asks: Sequence[Ask], target: Target) -> Harvest:
        """Return readings, gauges and reports, when all asks have been taken that were answered."""
        now = self._now()
        windows: dict[tuple[int, Span], list[Ask]] = {}
        for ask in asks:
            if ask.bundle.counts:
                windows.setdefault((id(ask.strand), ask.span), []).append(ask)
        began: dict[int, float] = {}
        for ask in asks:
            if not ask.error:
                began[id(ask.strand)] = min(ask.began, began.get(id(ask.strand), math.inf))
        # What a strand missed comes in several windows, one after the other: they count in this order, and all of them,
        # whichever was sent first.
        in_turn = sorted(windows.items(), key=lambda window: window[0][1].start)
        reads = [_read(together, began.get(strand, 0.0), now, self._max_age) for (strand, _), together in in_turn]
        where = (target.account_id, target.region)
        tallies = [
            Effect("sagemaker_exporter_query_results_total", (*where, namespace, outcome), float(count))
            for (namespace, outcome), count in self._outcomes.items()
            if count
        ]
        shown = [
            Column(gauge.row.name, tuple(labels), tuple(values), gauge.part, ended + gauge.lasts(pace), ended)
            for (gauge, ended, pace), (labels, values) in sorted(self._columns.items(), key=_ended)
        ]
        return Harvest(reads, shown, _failures(asks, self._outcomes), [*tallies, *_lags(asks, now)])


def _read(asks: Sequence[Ask], began: float, now: float, max_age: float) -> Read:
    """Return the answers to asks of one strand in one window; what failed is an answer that is not complete.

    They may have come by several calls, and one spelling of a counter may have failed where another did not: only
    together do they say what was there.
    """
    strand, span = asks[0].strand, asks[0].span
    until = math.inf if strand.quiet else now + max(max_age, 3 * strand.effective)
    date = min((ask.date for ask in asks if not ask.error), default=0.0)
    window = Window(span.start, span.end, span.period, began, date, span.recent)
    answers: list[Answer] = []
    bulk = asks[0].said if len(asks) == 1 and isinstance(asks[0].said, Bulk) else None
    if bulk is None:
        answers += (answer for ask in asks for answer in _said(ask))
        places = {key: n for n, key in enumerate(dict.fromkeys(map(_key, answers)))}
        answers.sort(key=lambda answer: places[_key(answer)])  # the spellings of a counter together
    lost, coarse = span.lost_before, span.coarse_before
    return Read(strand.resource, window, tuple(answers), until, strand.alive, lost, coarse, bulk)


def _said(ask: Ask) -> Iterable[Answer]:
    """Return what was said of each counter of an ask, one by one."""
    if ask.error:
        return _answers(ask, None)
    return ask.said.answers() if isinstance(ask.said, Bulk) else ask.said


def _bulk(ask: Ask, meter: Metered | None) -> Bulk | None:
    """Return what was said of all counters at once, if it is complete, and the same of the window counts for each.

    Nearly all points of a call stand at the same times: where these fall into blocks is seen once.
    """
    bundle, end = ask.bundle, ask.span.end
    since = _since(ask, meter) if ask.whole and bundle.once else None
    if since is None:
        return None
    start = max(ask.span.start, since)
    blocks: dict[int, tuple[array[float], array[int]]] = {}
    times: Sequence[float] = ()
    places: list[tuple[array[float], array[int], int, int]] = []
    results = ask.results
    for n, query in enumerate(bundle.places):
        result = results[query]
        if result.times is not times and result.times != times:
            times, places = result.times, []
            for block, first, after in _blocks(times, start, end):
                of_block = blocks.get(block)
                if of_block is None:
                    of_block = blocks[block] = bundle.zeros()
                places.append((*of_block, first, after))
        for sums, points, first, after in places:
            sums[n] = sum(result.values[first:after])
            points[n] = after - first
    found = tuple((block, *blocks[block]) for block in sorted(blocks))
    begin = since if ask.strand.begin else None
    return Bulk(bundle.keys, bundle.counters, bundle.spellings, found, begin)


def _since(ask: Ask, meter: Metered | None) -> int | None:
    """Return from when all counters of an ask count, or 0 if that is before its window; None if it is not the same."""
    begins = ask.strand.begin
    if begins:
        new = {begins.get(key) for key in ask.bundle.keys}
        return new.pop() if len(new) == 1 else None
    counted_from = meter.counted_from if meter else ()
    if not counted_from or max(counted_from) <= ask.span.start:
        return 0 if counted_from else None
    position = meter.position if meter else {}
    known = {counted_from[position[key]] for key in ask.bundle.keys if key in position}
    return known.pop() if len(known) == 1 else None


def _answers(ask: Ask, meter: Metered | None) -> Iterator[Answer]:
    """Yield what was said of each counter that was asked for."""
    for query, key, counter, spelling in ask.bundle.counted:
        begin = ask.strand.begin.get(key)
        i = meter.position.get(key) if meter else None
        since = begin if meter is None or i is None else meter.counted_from[i]
        result = ask.results[query] if ask.results else Result()
        blocks = fold(result, max(ask.span.start, since or 0), ask.span.end) if result.complete else ()
        yield Answer(counter, result.complete, blocks, spelling, begin)


def _key(answer: Answer) -> tuple[str, str]:
    return answer.counter.metric, answer.counter.stat


def begun(strand: Strand) -> Read:
    """Return a reading that only says from when the new counters of a strand count: it could not be asked yet."""
    answers = tuple(
        Answer(counted.counter, complete=False, begin=strand.begin[counted.key])
        for counted in strand.bundle.counted
        if counted.key in strand.begin
    )
    return Read(strand.resource, Window(0, 0, MINUTE, 0.0, 0.0), answers, alive=strand.alive)


def fold(result: Result, start: int, end: int) -> tuple[tuple[int, float, int], ...]:
    """Return the blocks (start, sum, points) of the points in [start, end); times ascend."""
    places = _blocks(result.times, start, end)
    return tuple((block, sum(result.values[first:after]), after - first) for block, first, after in places)


def _blocks(times: Sequence[float], start: int, end: int) -> tuple[tuple[int, int, int], ...]:
    """Return the blocks of the times in [start, end): their starts, and from which place to which their times stand."""
    found = []
    first, last = bisect_left(times, start), bisect_left(times, end)
    while first < last:
        block = int(times[first]) // BLOCK * BLOCK
        after = bisect_left(times, block + BLOCK, first, last)
        found.append((block, first, after))
        first = after
    return tuple(found)


def _ended(column: tuple[_Of, Any]) -> float:
    """Return the end of the period of a column: of two spellings of a gauge the newer value comes last, and stays."""
    return column[0][1]


def _show(ask: Ask, now: float, columns: dict[_Of, tuple[list[tuple[str, ...]], list[float]]]) -> None:
    """Add the newest settled value of each statistic that is shown as it is to its column."""
    if not ask.results:
        return
    pace, resource = ask.strand.effective, ask.strand.resource
    times: Sequence[float] = ()
    settled: dict[tuple[float, int], int] = {}  # places of the newest settled time
    for query, gauge, period in ask.bundle.gauges:
        result = ask.results[query]
        if not result.complete:
            continue
        if result.times is not times and result.times != times:
            times = result.times
            settled.clear()
        n = settled.get((gauge.delay, period))
        if n is None:
            n = settled[gauge.delay, period] = bisect_right(times, now - gauge.delay - period) - 1
        if n >= 0:
            of = gauge, times[n] + period, pace
            column = columns.get(of)
            if column is None:
                column = columns[of] = [], []
            column[0].append(gauge.labels(resource))
            column[1].append(result.values[n] * gauge.scale)


def _by_namespace(ask: Ask) -> Iterator[tuple[str, Sequence[Result]]]:
    """Yield the results of an ask by namespace; nothing where it failed."""
    first = 0
    for namespace, queries in ask.bundle.namespaces if ask.results else ():
        yield namespace, ask.results[first : first + queries]
        first += queries


def _failures(asks: Sequence[Ask], outcomes: Mapping[tuple[str, str], int]) -> list[Failure]:
    """Return what could not be looked at, by namespace: calls that failed, and results that were not whole."""
    bad = [(unit.namespace, ask.error, ask.detail) for ask in asks if ask.error for unit in ask.bundle.units]
    failed = Tallies((namespace, error) for namespace, error, _ in bad)
    details = {(namespace, error): detail for namespace, error, detail in bad}
    found = [
        Failure(f"GetMetricData {namespace}", error, f"{count} metrics: {details[namespace, error]}")
        for (namespace, error), count in failed.items()
    ]
    for (namespace, outcome), count in outcomes.items():
        if outcome != "complete":
            error = "denied" if outcome == "forbidden" else "transient"
            found.append(Failure(f"GetMetricData {namespace}", error, f"{count} results were {outcome}"))
    return found


def _newest(ask: Ask, now: float) -> float:
    """Return the end of the newest period with data, 0 without any."""
    times: Sequence[float] = ()
    newest = 0.0
    for result in ask.results:
        if result.times is not times and result.times != times:
            times = result.times
            ends = [at + ask.span.period for at in times[-2:] if at + ask.span.period <= now]
            newest = max(newest, ends[-1] if ends else 0.0)
    return newest


def _lags(asks: Iterable[Ask], now: float) -> Iterable[Effect]:
    """Yield how late the newest data of each strand came, when it came; remember how new it is."""
    newest: dict[int, tuple[Strand, float]] = {}
    for ask in asks:
        if ask.newest > newest.get(id(ask.strand), (ask.strand, 0.0))[1]:
            newest[id(ask.strand)] = (ask.strand, ask.newest)
    for strand, end in newest.values():
        if strand.newest and end > strand.newest:
            yield Effect("sagemaker_exporter_datapoint_lag_seconds", (strand.resource.namespace,), now - end)
        strand.newest = max(strand.newest, int(end))
