from __future__ import annotations

import random

import pytest
from asking import ACCOUNT, NOW, REGION, ask, points, query, when
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo import FakeAws, World
from exporter.demo.series import Schedule
from exporter.demo.traffic import Requests, Traffic

DAY = 86400
MEMBER = "parameter MetricDataQueries.member"


def error_of(call, **arguments):
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


class TestGetMetricDataWithTheSdk:
    def test_values_newest_first_by_default(self, over_http, put):
        for minute in range(5):
            put(NOW - 600 + 60 * minute, minute + 1)
        client = over_http("cloudwatch")
        asked = {"MetricDataQueries": [query()], "StartTime": when(NOW - 600), "EndTime": when(NOW)}
        answer = client.get_metric_data(**asked)
        (result,) = answer["MetricDataResults"]
        assert result["Values"] == [5, 4, 3, 2, 1]
        assert result["Timestamps"][-1] == when(NOW - 600)
        assert (result["Id"], result["Label"], result["StatusCode"]) == ("q", "Invocations", "Complete")
        assert answer["Messages"] == []
        assert "NextToken" not in answer
        ascending = client.get_metric_data(**asked, ScanBy="TimestampAscending")
        assert ascending["MetricDataResults"][0]["Values"] == [1, 2, 3, 4, 5]

    def test_the_paginator_gets_everything(self, over_http, put):
        for minute in range(30):
            put(NOW - 3600 + 60 * minute, 1)
            put(NOW - 3600 + 60 * minute, 2, metric="Other")
        client = over_http("cloudwatch")
        pages = list(
            client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=[query(), query(metric="Other", name="r")],
                StartTime=when(NOW - 3600),
                EndTime=when(NOW),
                MaxDatapoints=7,
            )
        )
        assert len(pages) == 9
        values = {"q": 0.0, "r": 0.0}
        for page in pages:
            for result in page["MetricDataResults"]:
                values[result["Id"]] += sum(result["Values"])
        assert values == {"q": 30, "r": 60}

    def test_every_statistic_of_one_datapoint(self, over_http, put):
        put(NOW - 120, list(range(1, 101)))
        names = [
            "Sum",
            "SampleCount",
            "Average",
            "Minimum",
            "Maximum",
            "p50",
            "p90.00",
            "TM(10%:90%)",
            "TC(:10)",
            "PR(:300)",
        ]
        answer = over_http("cloudwatch").get_metric_data(
            MetricDataQueries=[query(stat, name=f"q{place}") for place, stat in enumerate(names)],
            StartTime=when(NOW - 300),
            EndTime=when(NOW),
        )
        values = [result["Values"][0] for result in answer["MetricDataResults"]]
        assert values == pytest.approx([5050, 100, 50.5, 1, 100, 50.5, 90.1, 50.5, 10, 100])

    @pytest.mark.parametrize(
        ("change", "code", "message"),
        [
            ({"MetricDataQueries": []}, "ValidationError", "The parameter MetricDataQueries is required."),
            (
                {"MetricDataQueries": [query(name=f"q{number}") for number in range(501)]},
                "ValidationError",
                "The collection MetricDataQueries must not have a size greater than 500.",
            ),
            (
                {"MetricDataQueries": [query(), query()]},
                "ValidationError",
                "The values for parameter id in MetricDataQueries are not unique.",
            ),
            (
                {"MetricDataQueries": [query(name="Q")]},
                "ValidationError",
                f"The value Q for {MEMBER}.1.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.",
            ),
            (
                {"MetricDataQueries": [query(name="a"), query(period=7)]},
                "ValidationError",
                f"The {MEMBER}.2.MetricStat.Period must be a value in the set [1, 5, 10, 20, 30] or a multiple of 60.",
            ),
            (
                {"MetricDataQueries": [query("p200")]},
                "ValidationError",
                f"The value p200 for {MEMBER}.1.MetricStat.Stat is not supported.",
            ),
            (
                {"MetricDataQueries": [{"Id": "a", "Expression": "SELECT SUM(Invocations) FROM x"}]},
                "ValidationError",
                f"The {MEMBER}.1.Expression cannot be evaluated by this fake AWS.",
            ),
            (
                {"MetricDataQueries": [query() | {"Expression": "q * 2"}]},
                "ValidationError",
                f"The {MEMBER}.1.MetricStat or Expression is required, and not both.",
            ),
            (
                {"MetricDataQueries": [query(dimensions={f"D{number}": "x" for number in range(31)})]},
                "ValidationError",
                f"The {MEMBER}.1.MetricStat.Metric.Dimensions must not have a size greater than 30.",
            ),
            (
                {"MetricDataQueries": [{"Id": "q", "MetricStat": {"Metric": {}, "Period": 60, "Stat": "Sum"}}]},
                "ValidationError",
                f"The {MEMBER}.1.MetricStat.Metric.Namespace is required.",
            ),
            (
                {"EndTime": when(NOW - 600)},
                "ValidationError",
                "The parameter StartTime must not equal parameter EndTime.",
            ),
            (
                {"EndTime": when(NOW - 700)},
                "ValidationError",
                "The parameter StartTime must be less than the parameter EndTime.",
            ),
            ({"ScanBy": "Sideways"}, "ValidationError", "The value Sideways for parameter ScanBy is not supported."),
            (
                {"MaxDatapoints": 100_801},
                "ValidationError",
                "The value 100801 for parameter MaxDatapoints must be between 1 and 100800.",
            ),
            ({"NextToken": "bogus"}, "InvalidNextToken", "The next token specified is invalid."),
        ],
    )
    def test_what_breaks_a_rule_is_refused_in_words_of_aws(self, in_memory, change, code, message):
        asked = {"MetricDataQueries": [query()], "StartTime": when(NOW - 600), "EndTime": when(NOW)} | change
        assert error_of(in_memory("cloudwatch").get_metric_data, **asked) == (code, message)

    def test_a_token_belongs_to_its_request(self, in_memory, put):
        for minute in range(10):
            put(NOW - 600 + 60 * minute, 1)
        client = in_memory("cloudwatch")
        asked = {"MetricDataQueries": [query()], "StartTime": when(NOW - 600), "EndTime": when(NOW), "MaxDatapoints": 2}
        token = client.get_metric_data(**asked)["NextToken"]
        assert client.get_metric_data(**asked | {"MaxDatapoints": 3}, NextToken=token)["MetricDataResults"][0]["Values"]
        other = asked | {"EndTime": when(NOW + 60)}
        assert error_of(client.get_metric_data, **other, NextToken=token)[0] == "InvalidNextToken"


class TestIdentity:
    def test_a_metric_is_its_name_and_all_of_its_dimensions(self, fake, put):
        put(NOW - 120, 1, dimensions={"EndpointName": "e", "VariantName": "v"})
        put(NOW - 120, 2, dimensions={"EndpointName": "e"})
        put(NOW - 120, 4, dimensions={})
        put(NOW - 120, 8, dimensions={"EndpointName": "e"}, namespace="aws/sagemaker")
        asked = [{"VariantName": "v", "EndpointName": "e"}, {"EndpointName": "e"}, {}, {"VariantName": "v"}]
        status, answer = ask(
            fake, [query(dimensions=one, name=f"q{place}") for place, one in enumerate(asked)], NOW - 300, NOW
        )
        assert status == 200
        assert [result["Values"] for result in answer["MetricDataResults"]] == [[1], [2], [4], []]
        assert {result["StatusCode"] for result in answer["MetricDataResults"]} == {"Complete"}

    def test_accounts_and_regions_are_apart(self, fake, put):
        put(NOW - 120, 1)
        assert points(fake, [query()], NOW - 300, NOW, account="210987654321") == {}
        assert points(fake, [query()], NOW - 300, NOW, region="eu-west-1") == {}

    def test_another_accounts_metric_is_forbidden(self, fake, put):
        put(NOW - 120, 1)
        _, answer = ask(fake, [query(AccountId="210987654321"), query(name="own", AccountId=ACCOUNT)], NOW - 300, NOW)
        forbidden, own = answer["MetricDataResults"]
        assert (forbidden["StatusCode"], forbidden["Values"]) == ("Forbidden", [])
        assert own["Values"] == [1]

    def test_a_unit_must_match(self, fake, put):
        put(NOW - 120, 1, unit="Count")
        asked = query()
        asked["MetricStat"]["Unit"] = "Count"
        assert points(fake, [asked], NOW - 300, NOW)
        asked["MetricStat"]["Unit"] = "Seconds"
        assert not points(fake, [asked], NOW - 300, NOW)

    def test_what_is_not_to_be_returned_is_not(self, fake, put):
        put(NOW - 120, 1)
        _, answer = ask(fake, [query(ReturnData=False), query(name="r", Label="mine")], NOW - 300, NOW)
        assert [(result["Id"], result["Label"]) for result in answer["MetricDataResults"]] == [("r", "mine")]


class TestTime:
    def test_periods_are_aligned_and_stamped_with_their_start(self, fake, put):
        for minute in range(20):
            put(NOW - 1200 + 60 * minute, 1)
        assert points(fake, [query(period=300)], NOW - 1200, NOW) == {NOW - 1200 + 300 * n: 5.0 for n in range(4)}
        # a window that is not aligned gets two partly filled periods at its ends
        assert points(fake, [query(period=300)], NOW - 1080, NOW - 480) == {NOW - 1200: 3, NOW - 900: 5, NOW - 600: 2}

    def test_the_start_is_inclusive_and_rounded_down_and_the_end_exclusive(self, fake, put):
        for minute in range(5):
            put(NOW - 300 + 60 * minute, 1)
        assert list(points(fake, [query()], NOW - 301, NOW - 240)) == [NOW - 300]
        assert list(points(fake, [query()], NOW - 241, NOW - 180)) == [NOW - 300, NOW - 240]

    def test_datapoints_published_seldom_stand_at_their_start(self, fake, put):
        put(NOW - 900, 7, period=300)
        assert points(fake, [query(period=60)], NOW - 900, NOW) == {NOW - 900: 7}

    def test_the_present_period_is_seen_while_it_grows(self, fake, put, clock):
        put(NOW, 3, available_at=NOW + 20)
        put(NOW, 5, available_at=NOW + 70)
        seen = {}
        for later in (0, 30, 80):
            clock.now = NOW + later
            seen[later] = points(fake, [query()], NOW - 60, NOW + 60)
        assert seen == {0: {}, 30: {NOW: 3}, 80: {NOW: 5}}

    def test_a_downward_revision_lowers_a_value(self, fake, put, clock):
        put(NOW - 60, 9, available_at=NOW)
        put(NOW - 60, 4, available_at=NOW + 3600)
        assert points(fake, [query()], NOW - 60, NOW) == {NOW - 60: 9}
        clock.now = NOW + 3600
        assert points(fake, [query()], NOW - 60, NOW) == {NOW - 60: 4}
        assert fake.truth(ACCOUNT, REGION, "AWS/SageMaker", "Invocations", {"EndpointName": "e"}, "Sum", 0, NOW) == 4


class TestRetention:
    @pytest.mark.parametrize(
        ("age", "period", "kept"),
        [
            (3 * 3600, 10, True),
            (3 * 3600 + 60, 10, False),
            (3 * 3600 + 60, 60, True),
            (15 * DAY, 60, True),
            (15 * DAY + 300, 60, False),
            (15 * DAY + 300, 240, False),
            (15 * DAY + 300, 300, True),
            (15 * DAY + 300, 900, True),
            (63 * DAY, 900, True),
            (63 * DAY + 3600, 900, False),
            (63 * DAY + 3600, 3600, True),
            (455 * DAY, 3600, True),
            (455 * DAY + 3600, 3600, False),
        ],
    )
    def test_a_period_too_fine_for_the_age_of_the_start_answers_complete_and_empty(self, fake, put, age, period, kept):
        start = (NOW - age) // 3600 * 3600 if age > 15 * DAY else NOW - age
        start = start if NOW - start <= age else start + 3600
        for offset in range(0, 3600, 10):
            put(start + offset, 1, period=10)
        assert bool(points(fake, [query(period=period)], NOW - age, NOW - age + 3600)) == kept

    def test_a_window_that_begins_too_early_is_empty_even_where_it_is_young(self, fake, put):
        put(NOW - 120, 1, period=10)
        assert points(fake, [query(period=10)], NOW - 4 * 3600, NOW) == {}
        assert points(fake, [query(period=60)], NOW - 16 * DAY, NOW) == {}
        assert points(fake, [query(period=60)], NOW - 15 * DAY, NOW) == {NOW - 120: 1}

    def test_data_under_a_minute_stays_readable_by_the_minute(self, fake, put, clock):
        for second in range(0, 60, 10):
            put(NOW - 600 + second, 2, period=10)
        assert len(points(fake, [query(period=10)], NOW - 600, NOW)) == 6
        clock.now = NOW + 14 * DAY
        assert points(fake, [query(period=10)], NOW - 600, NOW) == {}
        assert points(fake, [query(period=60)], NOW - 600, NOW) == {NOW - 600: 12}
        clock.now = NOW + 60 * DAY
        assert points(fake, [query(period=300)], NOW - 600, NOW) == {NOW - 600: 12}

    def test_data_by_the_minute_has_nothing_under_a_minute(self, fake, put):
        put(NOW - 120, 1)
        assert points(fake, [query(period=30)], NOW - 600, NOW) == {}

    def test_the_start_is_rounded_down_to_what_is_kept(self, fake, put, clock):
        put(NOW - 600, 1)
        put(NOW - 540, 1)
        clock.now = NOW + 20 * DAY
        assert points(fake, [query(period=300)], NOW - 299, NOW) == {}
        assert points(fake, [query(period=300)], NOW - 590, NOW - 570) == {NOW - 600: 2}
        clock.now = NOW + 100 * DAY
        assert points(fake, [query(period=3600)], NOW - 10, NOW) == {NOW - 3600: 2}


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 59), max_size=12),
    st.integers(1, 40),
    st.sampled_from(["TimestampDescending", "TimestampAscending"]),
)
def test_pages_merged_by_id_equal_an_answer_without_pages(lengths, limit, scan):
    world = World()
    for number, length in enumerate(lengths):
        for minute in range(length):
            world.put(ACCOUNT, REGION, "N", f"M{number}", {}, NOW - 3600 + 60 * minute, number + minute)
    fake = FakeAws(world, lambda: NOW)
    queries = [query(namespace="N", metric=f"M{n}", dimensions={}, name=f"q{n}") for n in range(len(lengths))]
    if not queries:
        return
    _, whole = ask(fake, queries, NOW - 3600, NOW, ScanBy=scan)
    merged = {one["Id"]: ([], []) for one in queries}
    status, more = {}, {"MaxDatapoints": limit}
    while True:
        _, page = ask(fake, queries, NOW - 3600, NOW, ScanBy=scan, **more)
        assert sum(len(result["Values"]) for result in page["MetricDataResults"]) <= limit
        for result in page["MetricDataResults"]:
            assert status.get(result["Id"]) != "Complete"  # nothing comes after Complete
            status[result["Id"]] = result["StatusCode"]
            merged[result["Id"]][0].extend(result["Timestamps"])
            merged[result["Id"]][1].extend(result["Values"])
        if "NextToken" not in page:
            break
        assert "PartialData" in status.values()
        more["NextToken"] = page["NextToken"]
    assert set(status.values()) == {"Complete"}
    assert merged == {one["Id"]: (one["Timestamps"], one["Values"]) for one in whole["MetricDataResults"]}


def test_pages_show_what_was_seen_at_the_first_one(fake, put, clock):
    put(NOW - 120, 1)
    put(NOW - 60, 1, available_at=NOW + 10)
    put(NOW - 180, 1)
    _, first = ask(fake, [query()], NOW - 600, NOW, MaxDatapoints=1)
    clock.now = NOW + 30
    _, second = ask(fake, [query()], NOW - 600, NOW, MaxDatapoints=5, NextToken=first["NextToken"])
    assert first["MetricDataResults"][0]["Timestamps"] == [NOW - 120]
    assert second["MetricDataResults"][0]["Timestamps"] == [NOW - 180]


class TestListMetrics:
    @pytest.fixture
    def world(self):
        return World(listed_after=(0, 0), repeated=0)

    def names(self, client, **filters):
        pages = client.get_paginator("list_metrics").paginate(**filters)
        return [
            (one["MetricName"], frozenset((d["Name"], d["Value"]) for d in one["Dimensions"]))
            for page in pages
            for one in page["Metrics"]
        ]

    def test_filters(self, over_http, put):
        put(NOW - 120, 1, metric="A", dimensions={"E": "1", "V": "x"})
        put(NOW - 120, 1, metric="B", dimensions={"E": "2"})
        put(NOW - 120, 1, metric="A", dimensions={}, namespace="Other")
        client = over_http("cloudwatch")
        first, second = ("A", frozenset({("E", "1"), ("V", "x")})), ("B", frozenset({("E", "2")}))
        assert set(self.names(client)) == {first, second, ("A", frozenset())}
        assert set(self.names(client, Namespace="AWS/SageMaker")) == {first, second}
        assert set(self.names(client, Namespace="AWS/SageMaker", MetricName="A")) == {first}
        assert set(self.names(client, Dimensions=[{"Name": "E"}])) == {first, second}
        assert set(self.names(client, Dimensions=[{"Name": "E", "Value": "1"}])) == {first}
        assert set(self.names(client, Dimensions=[{"Name": "E"}, {"Name": "V"}])) == {first}
        assert self.names(client, Namespace="aws/sagemaker") == []

    def test_pages_of_five_hundred(self, in_memory, put):
        for number in range(1201):
            put(NOW - 120, 1, dimensions={"E": str(number)})
        client = in_memory("cloudwatch")
        pages = list(client.get_paginator("list_metrics").paginate(Namespace="AWS/SageMaker"))
        assert [len(page["Metrics"]) for page in pages] == [500, 500, 201]
        listed = self.names(client)
        assert len(set(listed)) == len(listed) == 1201
        assert [dict(names)["E"] for _, names in listed] != [str(number) for number in range(1201)]  # in no order
        code, _ = error_of(client.list_metrics, NextToken="bogus")
        assert code == "InvalidParameterValue"

    def test_some_pages_name_a_series_twice(self, in_memory, put, world):
        world.repeated = 1.0
        for number in range(700):
            put(NOW - 120, 1, dimensions={"E": str(number)})
        listed = self.names(in_memory("cloudwatch"))
        assert len(set(listed)) == 700
        assert len(listed) == 702

    def test_a_new_series_is_listed_late(self, in_memory, put, world, clock):
        world.listed_after = (600, 600)
        put(NOW - 60, 1)
        client = in_memory("cloudwatch")
        listed = []
        for later in (0, 500, 541):
            clock.now = NOW + later
            listed.append(len(self.names(client)))
        assert listed == [0, 0, 1]

    def test_a_series_is_forgotten_after_two_weeks_and_listed_late_when_it_comes_back(
        self, in_memory, put, world, clock
    ):
        world.listed_after = (600, 600)
        put(NOW - 60, 1)
        client = in_memory("cloudwatch")
        clock.now = NOW + 14 * DAY - 120
        assert self.names(client)
        clock.now = NOW + 14 * DAY
        assert not self.names(client)
        put(clock.now, 1, available_at=clock.now)
        clock.now += 500
        assert not self.names(client)
        clock.now += 200
        assert self.names(client)

    def test_recently_active(self, in_memory, put):
        put(NOW - 4 * 3600, 1, metric="Old")
        put(NOW - 3 * 3600 + 120, 1, metric="New")
        client = in_memory("cloudwatch")
        assert {name for name, _ in self.names(client, RecentlyActive="PT3H")} == {"New"}
        assert {name for name, _ in self.names(client)} == {"New", "Old"}
        code, message = error_of(client.list_metrics, RecentlyActive="PT1H")
        assert code == "ValidationError"
        assert "[PT3H]" in message

    def test_hidden_series_stay_readable(self, in_memory, put, world, fake):
        put(NOW - 60, 1)
        client = in_memory("cloudwatch")
        world.hide(ACCOUNT, REGION, {"EndpointName": "e"})
        assert not self.names(client)
        assert points(fake, [query()], NOW - 300, NOW)
        world.hide(ACCOUNT, REGION, {"EndpointName": "e"}, hidden=False)
        assert self.names(client)

    def test_linked_accounts(self, in_memory, put):
        put(NOW - 60, 1)
        assert in_memory("cloudwatch").list_metrics(IncludeLinkedAccounts=True)["OwningAccounts"] == [ACCOUNT]

    def test_a_seldom_counter_is_listed_from_its_first_datapoint_on(self, in_memory, world, clock):
        rarely = Requests(Traffic(5, 0.01, swing=0.0))
        begin = NOW - 600
        world.generate(ACCOUNT, REGION, "AWS/SageMaker", "Rare", {}, rarely, Schedule(begin, 60))
        first = next(at for at in range(begin, begin + 10**6, 60) if rarely.samples(at, 60))
        assert first > NOW
        client = in_memory("cloudwatch")
        for at, listed in ((NOW, 0), (first - 1, 0), (first + 1, 1), (first + 3600, 1)):
            clock.now = at
            assert len(self.names(client)) == listed


def test_the_same_seed_gives_the_same_answers_whatever_is_asked_first():
    def answers(order):
        world = World(5)
        for number in range(5):
            behaviour = Requests(Traffic(number, 30.0))
            world.generate(ACCOUNT, REGION, "N", f"M{number}", {}, behaviour, Schedule(0, 60))
        fake = FakeAws(world, lambda: NOW)
        asked = [(n, start) for n in range(5) for start in (NOW - 7200, NOW - 600)]
        if order:
            random.Random(order).shuffle(asked)
        return {
            (n, start): points(fake, [query(namespace="N", metric=f"M{n}", dimensions={})], start, NOW)
            for n, start in asked
        }

    assert answers(0) == answers(1) == answers(2)
