"""Asks become calls that AWS takes, and one bad ask costs one ask (law L3)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from street import ACCOUNT, REGION, Street
from worlds import HERE, T0

from exporter.aws.metric_data import dimensions, statistic, subject
from exporter.aws.operations import DATAPOINT_RATES, MOST_DATAPOINTS, MOST_QUERIES, RECENT
from exporter.demo import World
from exporter.model import BLOCK, DAY, HOUR, MINUTE, Resource
from exporter.sources.cloudwatch_metrics.fetch import ALONE_EVERY, EXTRA_CALLS, Ask, Fetcher, pack
from exporter.sources.cloudwatch_metrics.strands import Bundle, Rank, Strand, Unit
from exporter.sources.cloudwatch_metrics.windows import Span

NOW = T0 + 90 * DAY
SAGEMAKER = "AWS/SageMaker"
LATEST = Span(NOW - 5 * MINUTE, NOW + MINUTE, MINUTE)


def unit(name="Invocations", stats=("Sum",), namespace=SAGEMAKER, period=MINUTE):
    return Unit(
        namespace=namespace,
        asked=name,
        metric=name,
        spelling=0,
        period=period,
        pace=60.0,
        rank=Rank.GAUGE,
        seeded=False,
        stats=stats,
        counters=(None,) * len(stats),
        gauges=((),) * len(stats),
        subject=subject(namespace, name),
        endings=tuple(statistic(period, stat) for stat in stats),
    )


def strand(n, units):
    pairs = (("EndpointName", f"e{n}"),)
    resource = Resource(HERE, SAGEMAKER, pairs, (*pairs[0],))
    return Strand(resource, Bundle(tuple(units)), False, MINUTE, 60.0, Rank.GAUGE, dimensions(pairs))


def asks_of(one, span=LATEST):
    return [Ask(one, Bundle((each,)), span) for each in one.bundle.units]


def asked(ask):
    (one,) = ask.bundle.units
    return one.asked


# -- packing -----------------------------------------------------------------------------------------------------------

windows = st.one_of(
    st.integers(1, 24).map(lambda n: Span(NOW - n * BLOCK, NOW + MINUTE, MINUTE)),
    st.integers(25, 6000).map(lambda n: Span(NOW - n * BLOCK, NOW - 6 * HOUR, BLOCK, recent=False)),
    st.integers(100, 1400).map(lambda n: Span(NOW - n * BLOCK, NOW - (n - 1) * BLOCK, MINUTE, recent=False)),
    st.integers(2, 300).map(lambda n: Span(NOW - n * MINUTE, NOW + 10, 10)),
)
strands = st.tuples(st.lists(st.integers(1, 6), min_size=1, max_size=25), windows)


def points(call):
    span = call[0].span
    return sum(len(ask.bundle.queries) for ask in call) * ((span.end - span.start) // span.period)


def most_of(span):
    return MOST_DATAPOINTS if span.start < NOW - RECENT else DATAPOINT_RATES[0]


def fits_one_call(asks):
    queries = sum(len(ask.bundle.queries) for ask in asks)
    return queries <= MOST_QUERIES and points(asks) <= most_of(asks[0].span)


def packed(wanted):
    asks = []
    for n, (sizes, span) in enumerate(wanted):
        asks += asks_of(strand(n, [unit(f"M{k}", ("Sum",) * size) for k, size in enumerate(sizes)]), span)
    return asks, pack(asks, NOW, DATAPOINT_RATES)


@given(st.lists(strands, max_size=30))
def test_calls_hold_every_ask_once_and_one_window_each(wanted):
    asks, calls = packed(wanted)
    assert sorted(id(ask) for call in calls for ask in call) == sorted(map(id, asks))
    for call in calls:
        assert len({(ask.span.period, ask.span.end, ask.span.recent) for ask in call}) == 1
        starts = [ask.span.start for ask in call]
        assert starts[0] == min(starts), "the first ask says from when a call asks"
        assert max(starts) - min(starts) <= HOUR


@example([([1] * 9 + [6] * 7, Span(NOW - 267 * MINUTE, NOW, 10)), ([6, 1], Span(NOW - 207 * MINUTE, NOW, 10))])
@given(st.lists(strands, max_size=30))
def test_a_strand_that_fits_one_call_is_not_split(wanted):
    _, calls = packed(wanted)
    homes = {}
    for n, call in enumerate(calls):
        for ask in call:
            homes.setdefault(id(ask.strand), (ask.strand, set()))[1].add(n)
    for one, calls_of in homes.values():
        asks = [ask for n in calls_of for ask in calls[n] if ask.strand is one]
        assert len(calls_of) == 1 or not fits_one_call(asks)


@example([([6, 5, 6], Span(NOW - 6000 * BLOCK, NOW - 6 * HOUR, BLOCK, recent=False))])  # sixteen queries fit
@given(st.lists(strands, max_size=30))
def test_calls_fit_what_aws_takes_and_what_we_allow_ourselves(wanted):
    """So that no answer needs a second page, and no call more than half of the quota of a second."""
    for call in packed(wanted)[1]:
        assert sum(len(ask.bundle.queries) for ask in call) <= MOST_QUERIES
        assert points(call) <= most_of(call[0].span)


def test_a_call_is_no_larger_than_a_second_may_be():
    asks = [ask for n in range(100) for ask in asks_of(strand(n, [unit("A", ("Sum",) * 5)]))]
    calls = pack(asks, NOW, (900.0, 2000.0))
    assert {points(call) for call in calls} == {900, 300}
    assert sum(map(len, calls)) == 100
    old = Span(NOW - 10 * HOUR, NOW - 9 * HOUR, MINUTE, recent=False)
    assert (
        max(points(call) for call in pack([Ask(ask.strand, ask.bundle, old) for ask in asks], NOW, (900, 2000))) <= 2000
    )


def test_small_strands_share_a_call():
    asks = [ask for n in range(100) for ask in asks_of(strand(n, [unit("A", ("Sum",) * 5)]))]
    assert [len(call) for call in pack(asks, NOW, DATAPOINT_RATES)] == [100]
    assert [len(call) for call in pack([*asks, *asks_of(strand(100, [unit()]))], NOW, DATAPOINT_RATES)] == [100, 1]


def test_what_starts_more_than_an_hour_apart_never_shares_a_call():
    asks = [
        *asks_of(strand(0, [unit()]), Span(NOW - 2 * HOUR, NOW, MINUTE)),
        *asks_of(strand(1, [unit()]), Span(NOW - HOUR, NOW, MINUTE)),
        *asks_of(strand(2, [unit()]), Span(NOW - HOUR + BLOCK, NOW, MINUTE)),
    ]
    assert [[ask.span.start - NOW for ask in call] for call in pack(asks, NOW, DATAPOINT_RATES)] == [
        [-7200, -3600],
        [-2700],
    ]


def test_periods_below_a_minute_have_calls_of_their_own():
    fine = unit("A", period=10)
    asks = [*asks_of(strand(0, [unit()])), Ask(strand(1, [fine]), Bundle((fine,)), Span(NOW - 300, NOW + 10, 10))]
    assert len(pack(asks, NOW, DATAPOINT_RATES)) == 2


# -- taking calls apart ------------------------------------------------------------------------------------------------


class Calls:
    """A fetcher on a fake AWS, and what it sent."""

    def __init__(self):
        self.street = Street(World(), now=NOW)
        self.fake, self.aws = self.street.fake, self.street.aws
        self.fetcher = Fetcher(self.aws, self.street.target)
        for n in range(400):
            self.fake.world.put(ACCOUNT, REGION, SAGEMAKER, "Invocations", {"EndpointName": f"e{n}"}, NOW - 120, n)

    def fetch(self, asks):
        self.fake.calls.clear()
        return self.fetcher.fetch(asks, self.street.clock.now())

    @property
    def sent(self):
        return [call for call in self.fake.calls if call["call"] == "cloudwatch.GetMetricData"]


@pytest.fixture
def calls():
    calls = Calls()
    yield calls
    calls.street.kill()


def usual(count=400, **more):
    return [ask for n in range(count) for ask in asks_of(strand(n, [unit(**more)]))]


BAD = unit("Bad", ("no such statistic",))


def bad(n=7, one=BAD):
    return asks_of(strand(n, [one]))


def test_results_come_to_the_asks_that_they_belong_to(calls):
    asks = usual(3, stats=("Sum", "SampleCount"))
    assert calls.fetch(asks) == asks
    assert [[list(result.values) for result in ask.results] for ask in asks] == [
        [[0.0], [1.0]],
        [[1.0], [1.0]],
        [[2.0], [1.0]],
    ]
    assert {ask.date for ask in asks} == {NOW}
    assert not any(ask.error for ask in asks)


def test_one_bad_query_is_found_and_costs_nobody_else(calls):
    asks = [*usual(), *bad()]
    calls.fetch(asks)
    assert [ask.error for ask in asks] == [""] * 400 + ["bug"]
    assert "not supported" in asks[-1].detail
    assert all(ask.results for ask in asks[:-1])
    assert len(calls.sent) <= 1 + EXTRA_CALLS


def test_a_bad_unit_costs_its_strand_nothing_but_itself(calls):
    good, other = unit("Invocations"), unit("Invocation4XXErrors", ("Sum", "SampleCount"))
    strands = [strand(n, [good, BAD, other] if n == 7 else [good, other]) for n in range(100)]
    for minutes in (0, 1, ALONE_EVERY // MINUTE):
        calls.street.true.forward(60 * minutes)
        done = calls.fetch([Ask(one, one.bundle, LATEST) for one in strands])
        found = [(ask.strand.resource.labels[1], one.asked, ask.error) for ask in done for one in ask.bundle.units]
        assert sorted(found) == sorted(
            (one.resource.labels[1], each.asked, "bug" if each is BAD else "")
            for one in strands
            for each in one.bundle.units
        ), minutes
        for ask in done:
            assert ask.whole != bool(ask.error)
            assert [one.asked for one in ask.unheard] == (["Bad"] if ask.error else [])
            assert len(ask.results) == (0 if ask.error else len(ask.bundle.queries))


def test_an_ask_that_is_too_large_for_a_call_comes_in_parts(calls):
    one = strand(0, [unit(f"M{n}", ("Sum",) * 5) for n in range(9)])
    parts = [ask for call in pack([Ask(one, one.bundle, LATEST)], NOW, (60.0, 60.0)) for ask in call]
    assert [[each.asked for each in ask.bundle.units] for ask in parts] == [
        [f"M{n}", f"M{n + 1}"] for n in (0, 2, 4, 6)
    ] + [["M8"]]


def test_two_bad_queries_are_found_as_far_as_the_calls_go(calls):
    asks = [*usual(60), *bad(1), *usual(30), *bad(2)]
    calls.fetch(asks)
    assert len(calls.sent) <= 1 + EXTRA_CALLS
    assert sum(bool(ask.error) for ask in asks) <= 2 + 8
    calls.street.true.forward(60)
    again = [*usual(60), *bad(1), *usual(30), *bad(2)]
    calls.fetch(again)
    assert [asked(ask) for ask in again if ask.error] == ["Bad", "Bad"], "the next time it looks on"


def test_what_was_found_bad_is_tried_alone_every_ten_minutes_and_takes_nobody_with_it(calls):
    calls.fetch([*usual(), *bad()])
    for minutes in range(1, 10):
        calls.street.true.forward(60)
        asks = [*usual(), *bad()]
        calls.fetch(asks)
        assert [call["queries"] for call in calls.sent] == [400], f"{minutes} minutes later it was tried again"
        assert [ask.error for ask in asks] == [""] * 400 + ["bug"], "it can't be read all the same"
    calls.street.true.forward(ALONE_EVERY)
    asks = [*usual(), *bad()]
    calls.fetch(asks)
    assert sorted(call["queries"] for call in calls.sent) == [1, 400]
    assert [ask.error for ask in asks[-2:]] == ["", "bug"]


def test_what_works_again_goes_with_the_others_again(calls):
    calls.fetch([*usual(), *bad()])
    mended = unit("Bad")
    calls.street.true.forward(ALONE_EVERY + 60)
    asks = [*usual(), *bad(one=mended)]
    calls.fetch(asks)
    assert not any(ask.error for ask in asks)
    calls.street.true.forward(60)
    calls.fetch([*usual(), *bad(one=mended)])
    assert [call["queries"] for call in calls.sent] == [401]


def test_one_namespace_that_answers_500_costs_one_namespace(calls):
    calls.fake.faults.add("http_500", operation="GetMetricData", namespace="/aws/sagemaker/Endpoints")
    hosts = [
        Ask(strand(n, []), Bundle((unit("CPU", namespace="/aws/sagemaker/Endpoints"),)), LATEST) for n in range(50)
    ]
    asks = [*usual(200), *hosts]
    calls.fetch(asks)
    assert {ask.error for ask in asks[:200]} == {""}
    assert {ask.error for ask in hosts} == {"transient"}
    for _ in range(2):  # it may have been a moment's trouble
        calls.street.true.forward(60)
        calls.fetch([*usual(200), *hosts])
    assert [call["queries"] for call in calls.sent] == [200], "it is left alone for ten minutes"
    assert {ask.error for ask in hosts} == {"transient"}
    calls.fake.faults.clear()
    calls.street.true.forward(ALONE_EVERY)
    calls.fetch([*usual(200), *hosts])
    assert not any(ask.error for ask in hosts)
    assert sorted(call["queries"] for call in calls.sent) == [50, 200], "what failed together is tried together"


def test_one_metric_that_answers_500_costs_few_others(calls):
    calls.fake.faults.add("http_500", operation="GetMetricData", metric="Cursed")
    asks = [*usual(200), *asks_of(strand(900, [unit("Cursed")])), *usual(100)]
    calls.fetch(asks)
    assert [asked(ask) for ask in asks if ask.error] == ["Cursed"]


def test_when_nothing_works_nobody_is_to_blame(calls):
    fault = calls.fake.faults.add("http_503", service="cloudwatch")
    asks = usual()
    assert calls.fetch(asks) == asks
    assert {ask.error for ask in asks} == {"transient"}
    assert len(calls.sent) <= 3 * (1 + EXTRA_CALLS)
    calls.fake.faults.rules.remove(fault)
    calls.street.true.forward(60)
    again = usual()
    calls.fetch(again)
    assert not any(ask.error for ask in again)


@pytest.mark.parametrize(
    ("kind", "error"), [("throttle", "throttled"), ("deny", "denied"), ("expired_token", "denied")]
)
def test_what_is_about_us_is_never_split(calls, kind, error):
    calls.fake.faults.add(kind, operation="GetMetricData")
    asks = usual()
    calls.fetch(asks)
    assert {ask.error for ask in asks} == {error}
    assert {call["queries"] for call in calls.sent} == {400}
    calls.fake.faults.clear()
    calls.street.true.forward(60)
    again = usual()
    calls.fetch(again)
    assert not any(ask.error for ask in again), "nothing is held back"


def test_an_answer_that_is_not_whole_is_no_failure_of_the_call(calls):
    calls.fake.faults.add("forbidden", metric="Invocations", first=1)
    asks = usual(3)
    calls.fetch(asks)
    assert not any(ask.error for ask in asks)
    assert [ask.results[0].status for ask in asks] == ["Forbidden", "Complete", "Complete"]


def test_each_cycle_has_its_twenty_extra_calls_and_no_more(calls):
    """Ten namespaces, each with a bad query: what is not found today is found the next time."""
    asks = []
    for n in range(10):
        namespace = f"N{n}"
        asks += [Ask(strand(k, []), Bundle((unit(f"M{k}", namespace=namespace),)), LATEST) for k in range(30)]
        asks += [Ask(strand(99, []), Bundle((unit("Bad", ("no such",), namespace),)), LATEST)]
    calls.fetch(asks)
    assert len(calls.sent) <= 1 + EXTRA_CALLS


def test_metrics_are_priced_by_five_statistics(calls):
    stats = ("Sum", "SampleCount", "p50", "p90", "p99", "Maximum")
    for count, price in ((1, 1), (5, 1), (6, 2)):
        before = calls.fake.bill.metrics
        one = unit("Invocations", stats[:count])
        calls.fetch(asks_of(strand(1, [one])))
        assert one.price == price
        assert calls.fake.bill.metrics - before == price


def test_calls_fail_one_by_one(calls):
    """Two windows, two calls: the one that fails takes nothing from the other."""
    calls.fake.faults.add("deny", operation="GetMetricData", metric="Old")
    old = asks_of(strand(0, [unit("Old")]), Span(NOW - 3 * HOUR, NOW + MINUTE, MINUTE))
    new = usual(2)
    calls.fetch([*old, *new])
    assert [ask.error for ask in (*old, *new)] == ["denied", "", ""]
