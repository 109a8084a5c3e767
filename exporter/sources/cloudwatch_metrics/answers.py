"""What CloudWatch answered: points folded into blocks for counters, the newest settled value for gauges."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter as Tallies
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

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


class Harvest(NamedTuple):
    """All that came of the asks of a cycle."""

    reads: list[Read]
    columns: list[Column]
    failures: list[Failure]
    tallies: list[Effect]


def harvest(
    asks: Sequence[Ask], meters: Mapping[Resource, Metered], target: Target, now: float, max_age: float
) -> Harvest:
    """Return readings, gauges and reports. A counter may stand unread for `max_age` seconds or three of its paces."""
    reads: list[Read] = []
    columns: dict[_Of, tuple[list[tuple[str, ...]], list[float]]] = {}
    windows: dict[tuple[int, Span], list[Ask]] = {}
    for ask in asks:
        windows.setdefault((id(ask.strand), ask.span), []).append(ask)
    for together in windows.values():
        strand = together[0].strand
        if strand.counts:
            until = math.inf if strand.quiet else now + max(max_age, 3 * strand.effective)
            reads.append(_read(together, meters.get(strand.resource), until))
        for ask in together if together[0].span.recent else ():
            _show(ask, now, columns)
    outcomes: Tallies[tuple[str, str]] = Tallies()
    for ask in asks:
        for namespace, results in _by_namespace(ask):
            if ask.whole:
                outcomes[namespace, "complete"] += len(results)
            else:
                outcomes.update((namespace, _OUTCOMES.get(result.status, "partial")) for result in results)
    where = (target.account_id, target.region)
    tallies = [
        Effect("sagemaker_exporter_query_results_total", (*where, namespace, outcome), float(count))
        for (namespace, outcome), count in outcomes.items()
        if count
    ]
    shown = [
        Column(gauge.row.name, tuple(labels), tuple(values), gauge.part, ended + gauge.lasts(pace), ended)
        for (gauge, ended, pace), (labels, values) in columns.items()
    ]
    return Harvest(reads, shown, _failures(asks, outcomes), [*tallies, *_lags(asks, now)])


def _read(asks: Sequence[Ask], meter: Metered | None, until: float) -> Read:
    """Return the answers to asks of one strand in one window; what failed is an answer that is not complete.

    They may have come by several calls, and one spelling of a counter may have failed where another did not: only
    together do they say what was there.
    """
    strand, span = asks[0].strand, asks[0].span
    answers: list[Answer] = []
    bulk = _bulk(asks[0], meter) if len(asks) == 1 else None
    if bulk is None:
        answers += (answer for ask in asks for answer in _answers(ask, meter))
        places = {key: n for n, key in enumerate(dict.fromkeys(map(_key, answers)))}
        answers.sort(key=lambda answer: places[_key(answer)])  # the spellings of a counter together
    heard = [ask for ask in asks if not ask.error]
    began, date = (min((getattr(ask, name) for ask in heard), default=0.0) for name in ("began", "date"))
    window = Window(span.start, span.end, span.period, began, date, span.recent)
    lost, coarse = span.lost_before, span.coarse_before
    return Read(strand.resource, window, tuple(answers), until, strand.alive, lost, coarse, bulk)


def _bulk(ask: Ask, meter: Metered | None) -> Bulk | None:
    """Return what was said of all counters at once, if all of it is complete, and all of the window counts for each.

    Nearly all points of a call stand at the same times: where these fall into blocks is seen once.
    """
    bundle, start, end = ask.bundle, ask.span.start, ask.span.end
    since = meter.counted_from if meter else ()
    if not ask.whole or not bundle.once or ask.strand.begin or max(since, default=math.inf) > start:
        return None
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
    return Bulk(bundle.keys, bundle.counters, bundle.spellings, found)


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


_Of = tuple[Gauge, float, float]  # what the values of a column share: gauge, end of period, pace of the strand


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
            column[0].append(gauge.labels(resource) if gauge.extra else resource.labels)
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


def _lags(asks: Iterable[Ask], now: float) -> Iterable[Effect]:
    """Yield how late the newest data of each strand came, when it came; remember how new it is."""
    newest: dict[int, tuple[Strand, float]] = {}
    for ask in asks:
        if not ask.span.recent:
            continue
        times: Sequence[float] = ()
        for result in ask.results:
            if result.times is not times and result.times != times:
                times = result.times
                ends = [at + ask.span.period for at in times[-2:] if at + ask.span.period <= now]
                if ends and ends[-1] > newest.get(id(ask.strand), (ask.strand, 0.0))[1]:
                    newest[id(ask.strand)] = (ask.strand, ends[-1])
    for strand, end in newest.values():
        if strand.newest and end > strand.newest:
            yield Effect("sagemaker_exporter_datapoint_lag_seconds", (strand.resource.namespace,), now - end)
        strand.newest = max(strand.newest, int(end))
