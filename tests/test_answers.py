"""Answers of CloudWatch as readings: blocks for counters, the newest settled period for gauges, failures by name."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from worlds import ERRORS, HERE, INVOCATIONS, LABELS, T0, VARIANT

from exporter.aws.metric_data import Result
from exporter.catalogue import CATALOGUE
from exporter.catalogue.places import places
from exporter.model import BLOCK, DAY, HOUR, MINUTE, Answer, Counter, Effect, Failure, Read, Resource, Sample, Window
from exporter.sources.cloudwatch_metrics.answers import Crop, begun, fold
from exporter.sources.cloudwatch_metrics.fetch import Ask
from exporter.sources.cloudwatch_metrics.strands import Bundle, Rank, Settings, Strand, units
from exporter.sources.cloudwatch_metrics.windows import Span

NOW = T0 + HOUR + 30
SPAN = Span(T0, T0 + HOUR + MINUTE, MINUTE)
MAX_AGE = 900.0

# -- folding -----------------------------------------------------------------------------------------------------------

grids = st.sampled_from([10, 60, 300, 900])


def result(points, status="Complete"):
    return Result([float(at) for at, _ in points], [float(value) for _, value in points], status)


@given(
    grids,
    st.dictionaries(st.integers(0, 200), st.integers(-1000, 1000), max_size=100),
    st.integers(0, 20),
    st.integers(0, 30),
)
def test_blocks_hold_every_point_of_the_range_and_no_other(grid, values, first, length):
    points = [(T0 + n * grid, value) for n, value in sorted(values.items())]
    start, end = T0 + first * MINUTE, T0 + first * MINUTE + length * BLOCK
    blocks = fold(result(points), start, end)
    wanted = [(at, value) for at, value in points if start <= at < end]
    assert sum(count for *_, count in blocks) == len(wanted)
    assert sum(total for _, total, _ in blocks) == sum(value for _, value in wanted)
    for block, total, count in blocks:
        inside = [value for at, value in wanted if block <= at < block + BLOCK]
        assert block % BLOCK == 0
        assert (total, count) == (sum(inside), len(inside))
    assert [block for block, *_ in blocks] == sorted({at // BLOCK * BLOCK for at, _ in wanted})


def test_points_before_the_start_of_counting_are_left_out_of_the_first_block():
    points = [(T0 + n * MINUTE, 1) for n in range(20)]
    assert fold(result(points), T0 + 7 * MINUTE, T0 + HOUR) == ((T0, 8.0, 8), (T0 + BLOCK, 5.0, 5))


def test_a_point_of_zero_is_a_point():
    assert fold(result([(T0, 0)]), T0, T0 + HOUR) == ((T0, 0.0, 1),)


# -- asks with their answers -------------------------------------------------------------------------------------------

ALL = places(row for row in CATALOGUE.values() if row.ask)
SETTINGS = Settings(pace=60.0, max_age=900.0, gauge_delay=120.0, rank=Rank.COUNTER)


def unit(metric, *, namespace="AWS/SageMaker", names=("EndpointName", "VariantName"), period=MINUTE, on=None, n=0):
    """Return a unit of the real catalogue, with the rows that are `on` (all that are on by default)."""
    settings = {row.name: SETTINGS for row in CATALOGUE.values() if (row.name in on if on else row.on)}
    return units(ALL[namespace, names], metric, settings, period)[n]


def ask(one, results=(), *, strand=None, span=SPAN, error="", **of_strand):
    strand = strand or Strand(VARIANT, Bundle((one,)), one.counts, one.period, one.pace, Rank.COUNTER, b"", **of_strand)
    found = Ask(strand, Bundle((one,)), span, error=error, detail="said AWS" if error else "")
    if not error:
        found.results, found.began, found.date = list(results), 5.0, NOW - 1
        found.whole = all(one.complete for one in results)
    return found


def meter(counted_from=T0, counters=(INVOCATIONS,)):
    position = {(counter.metric, counter.stat): n for n, counter in enumerate(counters)}
    return SimpleNamespace(position=position, counted_from=[counted_from] * len(position))


def harvested(*asks, known=None, max_age=MAX_AGE, now=NOW):
    crop = Crop({VARIANT: known} if known else {}, max_age, lambda: now)
    for one in asks:
        if not one.error:
            crop.take(one)
            assert one.results == (), "what is taken need not be held"
    return crop.harvest(asks, HERE)


def samples(crop):
    """Return what the columns of a harvest hold, one by one."""
    return [
        Sample(column.family, labels, value, column.part, until=column.until, time=column.time)
        for column in crop.columns
        for labels, value in zip(column.labels, column.values, strict=True)
    ]


POINTS = [(T0 + n * MINUTE, n) for n in range(60)]


def test_a_counter_becomes_blocks():
    crop = harvested(ask(unit("Invocations"), [result(POINTS)]), known=meter())
    blocks = tuple((T0 + n * BLOCK, float(sum(range(15 * n, 15 * n + 15))), 15) for n in range(4))
    (read,) = crop.reads
    assert read.every() == (Answer(INVOCATIONS, True, blocks),)
    assert structs.replace(read, bulk=None) == Read(
        VARIANT, Window(T0, T0 + HOUR + MINUTE, MINUTE, 5.0, NOW - 1), until=NOW + MAX_AGE
    )
    assert samples(crop) == []
    assert crop.failures == []


def test_a_counter_without_state_is_counted_from_its_begin():
    begin = T0 + 7 * MINUTE
    one = ask(unit("Invocations"), [result(POINTS)], begin={("Invocations", "Sum"): begin})
    ((answer,),) = (read.every() for read in harvested(one).reads)
    assert answer.begin == begin
    assert answer.blocks[0] == (T0, float(sum(range(7, 15))), 8)


def test_a_counter_with_state_is_counted_from_where_its_ledger_says():
    one = ask(unit("Invocations"), [result(POINTS)])
    ((answer,),) = (read.every() for read in harvested(one, known=meter(T0 + 7 * MINUTE)).reads)
    assert answer.begin is None
    assert answer.blocks[0] == (T0, float(sum(range(7, 15))), 8)


def test_a_counter_without_data_is_an_answer_too():
    ((answer,),) = (read.every() for read in harvested(ask(unit("Invocations"), [result([])]), known=meter()).reads)
    assert answer == Answer(INVOCATIONS, complete=True, blocks=())


@pytest.mark.parametrize("status", ["PartialData", "InternalError", "Forbidden", "Missing", "SomethingNew"])
def test_what_is_not_complete_says_nothing(status):
    one = ask(unit("Invocations"), [result(POINTS, status)])
    ((answer,),) = (read.every() for read in harvested(one, known=meter()).reads)
    assert answer == Answer(INVOCATIONS, complete=False, blocks=())


def test_a_call_that_failed_says_nothing_of_its_counters():
    crop = harvested(ask(unit("Invocations"), error="denied"), known=meter())
    ((answer,),) = (read.every() for read in crop.reads)
    assert not answer.complete
    assert crop.failures == [Failure("GetMetricData AWS/SageMaker", "denied", "1 metrics: said AWS")]
    assert crop.tallies == []


def test_other_spellings_are_answers_about_the_same_counter():
    first, second = unit("Invocation5XXErrors"), unit("Invocation5XX Errors")
    strand = Strand(VARIANT, Bundle((first, second)), True, MINUTE, 60.0, Rank.COUNTER, b"")
    empty, full = ask(first, [result([])], strand=strand), ask(second, [result(POINTS[:1])], strand=strand)
    (read,) = harvested(empty, full, known=meter(counters=(ERRORS,))).reads
    assert [answer.counter for answer in read.every()] == [ERRORS, ERRORS]
    assert [answer.spelling for answer in read.every()] == [0, 2]
    assert [answer.blocks for answer in read.every()] == [(), ((T0, 0.0, 1),)]


def test_windows_of_a_strand_are_readings_of_their_own():
    one = unit("Invocations")
    strand = Strand(VARIANT, Bundle((one,)), True, MINUTE, 60.0, Rank.COUNTER, b"")
    old = Span(T0 - 2 * HOUR, T0, BLOCK, recent=False, lost_before=T0 - 2 * HOUR)
    crop = harvested(
        ask(one.coarse, [result([(T0 - HOUR, 900)])], strand=strand, span=old),
        ask(one, [result(POINTS)], strand=strand),
        known=meter(T0 - 9 * HOUR),
    )
    assert [(read.window.period, read.window.recent, read.lost_before) for read in crop.reads] == [
        (BLOCK, False, T0 - 2 * HOUR),
        (MINUTE, True, 0),
    ]
    assert crop.reads[0].every()[0].blocks == ((T0 - HOUR, 900.0, 1),)


def test_how_long_a_counter_may_stand():
    one = unit("Invocations")
    hourly = Strand(VARIANT, Bundle((one,)), True, MINUTE, 3600.0, Rank.COUNTER, b"")
    quiet = Strand(VARIANT, Bundle((one,)), True, MINUTE, 3600.0, Rank.COUNTER, b"", quiet=True)
    crop = harvested(*(ask(one, [result([])], strand=strand) for strand in (hourly, quiet)), known=meter())
    assert [read.until - NOW for read in crop.reads] == [3 * HOUR, math.inf]


def test_a_new_strand_that_could_not_be_asked_says_from_when_it_counts():
    one = unit("Invocations")
    strand = Strand(
        VARIANT, Bundle((one,)), True, MINUTE, 60.0, Rank.COUNTER, b"", begin={("Invocations", "Sum"): T0 + 60}
    )
    read = begun(strand)
    assert read.every() == (Answer(INVOCATIONS, complete=False, begin=T0 + 60),)


# -- gauges ------------------------------------------------------------------------------------------------------------

HOSTS = {"namespace": "/aws/sagemaker/Endpoints"}
CPU = "sagemaker_endpoint_cpu_utilization_ratio"


def test_a_gauge_is_the_newest_period_that_has_settled():
    crop = harvested(ask(unit("CPUUtilization", on={CPU}, **HOSTS), [result(POINTS)]))
    settled = T0 + 57 * MINUTE  # ended 150 s ago; the next one has ended only 90 s ago
    ended = settled + MINUTE
    assert samples(crop) == [Sample(CPU, LABELS, 57 * 0.01, until=ended + 900.0, time=ended)]
    assert crop.reads == []


def test_a_gauge_at_ten_seconds_is_shown_ten_seconds_fresh():
    points = [(T0 + HOUR - 600 + 10 * n, n) for n in range(62)]
    (sample,) = samples(harvested(ask(unit("CPUUtilization", on={CPU}, period=10, **HOSTS), [result(points)])))
    assert sample.time == T0 + HOUR - 90


def test_a_gauge_without_data_is_no_sample():
    crop = harvested(ask(unit("CPUUtilization", on={CPU}, **HOSTS), [result([])]))
    assert samples(crop) == []
    assert crop.failures == []


def test_a_gauge_of_which_only_the_present_is_known_waits():
    assert samples(harvested(ask(unit("CPUUtilization", on={CPU}, **HOSTS), [result([(T0 + 59 * MINUTE, 1)])]))) == []


@pytest.mark.parametrize("status", ["PartialData", "InternalError", "Forbidden", "Missing"])
def test_a_gauge_is_not_taken_from_what_is_not_whole(status):
    crop = harvested(ask(unit("CPUUtilization", on={CPU}, **HOSTS), [result(POINTS, status)]))
    assert samples(crop) == []
    assert [failure.scope for failure in crop.failures] == ["GetMetricData /aws/sagemaker/Endpoints"]


def test_catching_up_shows_no_gauges_of_the_past():
    one = unit("ModelLatency")
    past = Span(T0, T0 + BLOCK, MINUTE, recent=False)
    past_crop = harvested(ask(one, [result(POINTS[:5])] * len(one.stats), span=past), known=meter())
    assert samples(past_crop) == []


def test_a_summary_is_counted_and_shown():
    one = unit("ModelLatency")
    assert one.stats == ("Sum", "SampleCount", "p50", "p90", "p99")
    crop = harvested(ask(one, [result([(T0, 1000 * n)]) for n in range(5)]), known=meter(counters=()), now=T0 + 180)
    family = "sagemaker_endpoint_model_latency_seconds"
    counters = [answer.counter for read in crop.reads for answer in read.every()]
    assert counters == [
        Counter("ModelLatency", "Sum", family, "sum", 1e-6),
        Counter("ModelLatency", "SampleCount", family, "count", 1.0),
    ]
    assert [(sample.part, round(sample.value, 9)) for sample in samples(crop)] == [
        ("0.5", 0.002),
        ("0.9", 0.003),
        ("0.99", 0.004),
    ]


def until(family, metric, period=MINUTE, settings=SETTINGS, **where):
    """Return how many seconds after the end of its period a gauge leaves."""
    place = ALL[where.get("namespace", "AWS/SageMaker"), ("EndpointName", "VariantName")]
    (one,) = units(place, metric, {family: settings}, period)
    points = [(T0, 1.0)]
    (sample, *_) = samples(harvested(ask(one, [result(points)] * len(one.stats)), now=T0 + HOUR))
    assert sample.time == T0 + period
    return sample.until - sample.time


def test_a_gauge_leaves_after_its_longest_age_or_three_periods():
    slow = Settings(pace=3600.0, max_age=900.0, gauge_delay=120.0, rank=Rank.COUNTER)
    short = Settings(pace=60.0, max_age=60.0, gauge_delay=120.0, rank=Rank.COUNTER)
    assert until(CPU, "CPUUtilization", **HOSTS) == 900
    assert until(CPU, "CPUUtilization", settings=slow, **HOSTS) == 3 * 60 + 3600 + 120
    assert until(CPU, "CPUUtilization", settings=short, **HOSTS) == 3 * 60 + 60 + 120
    assert until(CPU, "CPUUtilization", period=10, settings=short, **HOSTS) == 3 * 10 + 60 + 120


def test_quantiles_and_maxima_leave_with_the_traffic():
    assert until("sagemaker_endpoint_model_latency_seconds", "ModelLatency") == 3 * 60 + 60 + 120
    assert until("sagemaker_endpoint_cpu_utilization_max_ratio", "CPUUtilization", **HOSTS) == 3 * 60 + 60 + 120


# -- what is said of it ------------------------------------------------------------------------------------------------


def test_failures_are_named_by_namespace_and_class():
    one, other = unit("Invocations"), unit("CPUUtilization", on={CPU}, **HOSTS)
    crop = harvested(
        ask(one, error="throttled"),
        ask(one, error="throttled"),
        ask(other, error="transient"),
        ask(one, [result([], "Forbidden")]),
        ask(one, [result([], "PartialData")]),
    )
    assert set(crop.failures) == {
        Failure("GetMetricData /aws/sagemaker/Endpoints", "transient", "1 metrics: said AWS"),
        Failure("GetMetricData AWS/SageMaker", "denied", "1 results were forbidden"),
        Failure("GetMetricData AWS/SageMaker", "throttled", "2 metrics: said AWS"),
        Failure("GetMetricData AWS/SageMaker", "transient", "1 results were partial"),
    }


def test_results_are_counted_by_how_whole_they_were():
    one = unit("Invocations")
    statuses = ["Complete", "Complete", "PartialData", "InternalError", "Forbidden", "Missing", "SomethingNew"]
    crop = harvested(*(ask(one, [result([], status)]) for status in statuses))
    counted = {effect.labels[-1]: effect.amount for effect in crop.tallies}
    assert counted == {"complete": 2, "partial": 2, "internal_error": 1, "forbidden": 1, "missing": 1}
    assert {effect.labels[:3] for effect in crop.tallies} == {(HERE.account_id, HERE.region, "AWS/SageMaker")}


def test_the_lag_of_new_data_is_told_once():
    one = unit("Invocations")
    strand = Strand(VARIANT, Bundle((one,)), True, MINUTE, 60.0, Rank.COUNTER, b"")

    def lags(points, now):
        tallies = harvested(ask(one, [result(points)], strand=strand), known=meter(), now=now).tallies
        return [effect for effect in tallies if effect.family == "sagemaker_exporter_datapoint_lag_seconds"]

    assert lags(POINTS[:10], T0 + 10 * MINUTE + 45) == []  # what is there at the first look may be old
    assert strand.newest == T0 + 10 * MINUTE
    new = Effect("sagemaker_exporter_datapoint_lag_seconds", ("AWS/SageMaker",), 45.0)
    assert lags(POINTS[:11], T0 + 11 * MINUTE + 45) == [new]
    assert lags(POINTS[:11], T0 + 12 * MINUTE + 45) == []
    assert lags(POINTS[:14], T0 + 13 * MINUTE + 45) == [new]  # a period that has not ended is not new data
    assert strand.newest == T0 + 13 * MINUTE


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_two_spellings_of_a_gauge_the_newer_value_is_shown_whichever_came_first(order):
    shown = unit("CPUUtilization", on={CPU}, **HOSTS)
    other = Resource(HERE, VARIANT.namespace, (("EndpointName", "other"),), (*LABELS[:2], "other", "main"))
    old, new = result([(T0 + 20 * MINUTE, 90)]), result([(T0 + 50 * MINUTE, 10)])
    strands = [
        Strand(of, Bundle((shown,) * len(results)), False, MINUTE, 60.0, Rank.GAUGE, b"")
        for of, results in ((VARIANT, (new, old)), (other, (new,)), (other, (old,)))
    ]
    asks = [
        Ask(strand, strand.bundle, SPAN, results=results, whole=True, date=NOW - 1)
        for strand, results in zip(strands, ((new, old), (new,), (old,)), strict=True)
    ]
    last = {sample.labels: sample.value for sample in samples(harvested(*(asks[n] for n in order)))}
    assert last[LABELS] == pytest.approx(0.1)


def test_windows_of_a_strand_count_in_turn_whichever_was_sent_first():
    one = unit("Invocations")
    strand = Strand(VARIANT, Bundle((one,)), True, MINUTE, 60.0, Rank.COUNTER, b"")
    early, late = Span(T0 - DAY, T0, BLOCK, recent=False), SPAN
    asks = [ask(one, [result(POINTS)], strand=strand, span=span) for span in (late, early)]
    asks[0].began, asks[1].began = 5.0, 6.0
    reads = harvested(*asks, known=meter(T0 - DAY)).reads
    assert [(read.window.start, read.window.began) for read in reads] == [(T0 - DAY, 5.0), (T0, 5.0)]


@given(st.lists(st.dictionaries(st.integers(0, 60), st.integers(-9, 9)), min_size=4, max_size=4), st.booleans())
def test_what_is_said_at_once_is_what_is_said_one_by_one(values, even):
    if even:
        values = [values[0]] * 4
    one = unit("ModelLatency")
    several = Bundle((one, unit("Invocations"), unit("Invocation5XXErrors")))
    strand = Strand(VARIANT, several, True, MINUTE, 60.0, Rank.COUNTER, b"")
    results = [result(())] * len(several.queries)
    for place, of_counter in zip(several.places, values, strict=True):
        results[place] = result([(T0 + n * MINUTE, value) for n, value in sorted(of_counter.items())])
    asked = Ask(strand, several, SPAN, results=results, whole=True, began=5.0, date=NOW - 1)
    known = meter(counters=several.counters)
    (read,) = harvested(asked, known=known).reads
    assert read.bulk
    assert read.every() == tuple(
        Answer(counter, True, fold(results[place], SPAN.start, SPAN.end))
        for counter, place in zip(several.counters, several.places, strict=True)
    )
    later = meter(T0 + MINUTE, several.counters)
    asked.results = results
    (read,) = harvested(asked, known=later).reads
    assert [answer.blocks for answer in read.bulk.answers()] == [
        fold(results[place], T0 + MINUTE, SPAN.end) for place in several.places
    ]
    later.counted_from[1] = T0 + 2 * MINUTE
    asked.results = results
    (read,) = harvested(asked, known=later).reads
    assert read.bulk is None, "not the same of the window counts for each"
    assert [answer.blocks for answer in read.answers] == [
        fold(results[place], since, SPAN.end) for place, since in zip(several.places, later.counted_from, strict=True)
    ]
