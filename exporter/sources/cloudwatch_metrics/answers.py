"""What CloudWatch answered: points folded into blocks for counters, the newest settled value for gauges."""

from __future__ import annotations

import math
from collections import Counter as Tallies
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from exporter.aws.metric_data import Result
from exporter.model import BLOCK, MINUTE, Answer, Effect, Failure, Metered, Read, Resource, Sample, Target, Window
from exporter.sources.cloudwatch_metrics.fetch import Ask
from exporter.sources.cloudwatch_metrics.strands import Strand
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
    samples: list[Sample]
    failures: list[Failure]
    tallies: list[Effect]


def harvest(
    asks: Sequence[Ask], meters: Mapping[Resource, Metered], target: Target, now: float, max_age: float
) -> Harvest:
    """Return readings, samples and reports. A counter may stand unread for `max_age` seconds or three of its paces."""
    reads: list[Read] = []
    samples: list[Sample] = []
    windows: dict[tuple[int, Span], list[Ask]] = {}
    for ask in asks:
        windows.setdefault((id(ask.strand), ask.span), []).append(ask)
    for together in windows.values():
        strand = together[0].strand
        if strand.counts:
            until = math.inf if strand.quiet else now + max(max_age, 3 * strand.effective)
            reads.append(_read(together, meters.get(strand.resource), until))
        if together[0].span.recent:
            samples += _samples(together, now)
    outcomes = Tallies((ask.unit.namespace, _OUTCOMES.get(r.status, "partial")) for ask in asks for r in ask.results)
    where = (target.account_id, target.region)
    tallies = [
        Effect("sagemaker_exporter_query_results_total", (*where, namespace, outcome), float(count))
        for (namespace, outcome), count in outcomes.items()
    ]
    return Harvest(reads, samples, _failures(asks, outcomes), [*tallies, *_lags(asks, now)])


def _read(asks: Sequence[Ask], meter: Metered | None, until: float) -> Read:
    """Return the answers to asks of one strand in one window; what failed is an answer that is not complete.

    They may have come by several calls, and one spelling of a counter may have failed where another did not: only
    together do they say what was there.
    """
    strand, span = asks[0].strand, asks[0].span
    answers: dict[tuple[str, str], list[Answer]] = {}
    for ask in asks:
        for n, counter in enumerate(ask.unit.counters):
            if counter is None:
                continue
            key = (counter.metric, counter.stat)
            begin = strand.begin.get(key)
            i = meter.position.get(key) if meter else None
            since = begin if meter is None or i is None else meter.counted_from[i]
            result = ask.results[n] if ask.results else Result()
            blocks = fold(result, max(span.start, since or 0), span.end) if result.complete else ()
            answers.setdefault(key, []).append(Answer(counter, result.complete, blocks, ask.unit.spelling, begin))
    heard = [ask for ask in asks if not ask.error]
    began, date = (min((getattr(ask, name) for ask in heard), default=0.0) for name in ("began", "date"))
    window = Window(span.start, span.end, span.period, began, date, span.recent)
    spelt = tuple(answer for of_counter in answers.values() for answer in of_counter)
    return Read(strand.resource, window, spelt, until, strand.alive, span.lost_before, span.coarse_before)


def begun(strand: Strand) -> Read:
    """Return a reading that only says from when the new counters of a strand count: it could not be asked yet."""
    answers = tuple(
        Answer(counter, complete=False, begin=strand.begin[counter.metric, counter.stat])
        for unit in strand.units
        for counter in unit.counters
        if counter and (counter.metric, counter.stat) in strand.begin
    )
    return Read(strand.resource, Window(0, 0, MINUTE, 0.0, 0.0), answers, alive=strand.alive)


def fold(result: Result, start: int, end: int) -> tuple[tuple[int, float, int], ...]:
    """Return the blocks (start, sum, points) of the points in [start, end); times ascend."""
    blocks: list[tuple[int, float, int]] = []
    block, border, total, points = 0, 0, 0.0, 0
    for time, value in zip(result.times, result.values, strict=True):
        if not start <= time < end:
            continue
        if time >= border:
            if points:
                blocks.append((block, total, points))
            block = int(time) // BLOCK * BLOCK
            border, total, points = block + BLOCK, 0.0, 0
        total += value
        points += 1
    if points:
        blocks.append((block, total, points))
    return tuple(blocks)


def _samples(asks: Iterable[Ask], now: float) -> Iterable[Sample]:
    """Yield the newest settled value of each statistic that is shown as it is."""
    for ask in asks:
        for result, gauges in zip(ask.results, ask.unit.gauges, strict=False):
            if not gauges or not result.complete:
                continue
            for gauge in gauges:
                newest = now - gauge.delay - ask.unit.period
                n = next((n for n in range(len(result.times) - 1, -1, -1) if result.times[n] <= newest), None)
                if n is None:
                    continue
                ended = result.times[n] + ask.unit.period
                scale = gauge.row.ask.scale if gauge.row.ask else 1.0
                yield Sample(
                    gauge.row.name,
                    gauge.labels(ask.strand.resource),
                    result.values[n] * scale,
                    gauge.part,
                    until=ended + gauge.lasts(ask.strand.effective),
                    time=ended,
                )


def _failures(asks: Sequence[Ask], outcomes: Mapping[tuple[str, str], int]) -> list[Failure]:
    """Return what could not be looked at, by namespace: calls that failed, and results that were not whole."""
    failed = Tallies((ask.unit.namespace, ask.error) for ask in asks if ask.error)
    details = {(ask.unit.namespace, ask.error): ask.detail for ask in asks if ask.error}
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
        period = ask.unit.period if ask.span.recent else 0
        for result in ask.results:
            ends = [at + period for at in result.times[-2:] if period and at + period <= now]
            if ends and ends[-1] > newest.get(id(ask.strand), (ask.strand, 0.0))[1]:
                newest[id(ask.strand)] = (ask.strand, ends[-1])
    for strand, end in newest.values():
        if strand.newest and end > strand.newest:
            yield Effect("sagemaker_exporter_datapoint_lag_seconds", (strand.resource.namespace,), now - end)
        strand.newest = max(strand.newest, int(end))
