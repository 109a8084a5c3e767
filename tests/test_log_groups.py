"""Log groups: what is shown of them, of which resources they are, and what asking about each takes."""

from __future__ import annotations

import math

import pytest
from street import ACCOUNT, REGION, Street
from worlds import HERE, T0, values

from exporter.catalogue.log_rules import kind_of, mixes, resource_of
from exporter.config import doubts, parse
from exporter.demo import World
from exporter.demo.logs import INFREQUENT, Chatter, spread
from exporter.estimate import assumed
from exporter.ledger.memory import MemoryStore
from exporter.model import DAY, HOUR, MINUTE
from exporter.sources import cloudwatch_logs
from exporter.sources.cloudwatch_logs import CALLS, CloudWatchLogs

WHERE = ACCOUNT, REGION
TRAINING, ENDPOINT = "/aws/sagemaker/TrainingJobs", "/aws/sagemaker/Endpoints/churn"
ALL = "families: {include: ['sagemaker_log_group_*']}"
FILTERS, LAST = "sagemaker_log_group_subscription_filters", "sagemaker_log_group_last_event_timestamp_seconds"


def a_street(world, text=""):
    return Street(world, text=text, run=("cloudwatch_logs",))


def shown(street, family):
    found = values(street.ledger.snapshot(), family)
    return {labels[2] if len(labels) == 3 else labels[2:]: value for labels, value in found.items()}


@pytest.fixture
def world():
    made = World(seed=1)
    writer = Chatter(1, T0 - DAY, T0 + DAY, 10.0, (("ok", 1.0),), spread(["main/i-1"]))
    made.add_log_group(*WHERE, ENDPOINT, T0 - DAY, writer, retention=30, key="a key", metric_filters=2, filters=("a",))
    made.add_log_group(*WHERE, TRAINING, T0 - 2 * DAY)
    made.add_log_group(*WHERE, "/aws/sagemaker/studio", T0 - DAY, log_class=INFREQUENT)
    made.add_log_group(*WHERE, "/aws/lambda/orders", T0 - DAY)
    return made


def test_what_the_listing_tells_is_shown_and_costs_one_call(world):
    street = a_street(world)
    street.cycle()
    assert shown(street, "sagemaker_log_group_retention_seconds") == {
        ENDPOINT: 30.0 * DAY,
        TRAINING: math.inf,
        "/aws/sagemaker/studio": math.inf,
    }
    assert set(shown(street, "sagemaker_log_group_info")) == {
        (ENDPOINT, "STANDARD", "true", "endpoint", "churn"),
        (TRAINING, "STANDARD", "false", "", ""),
        ("/aws/sagemaker/studio", "INFREQUENT_ACCESS", "false", "", ""),
    }
    assert shown(street, "sagemaker_log_group_stored_bytes")[ENDPOINT] > 0
    assert shown(street, "sagemaker_log_group_created_timestamp_seconds") == {}, "off"
    assert {name for name in street.fake.bill.requests if "logs." in name} == {"logs.DescribeLogGroups"}
    world.delete_log_group(*WHERE, TRAINING, T0 + 1)
    street.cycle(MINUTE)
    assert TRAINING not in shown(street, "sagemaker_log_group_retention_seconds")


def test_what_is_asked_of_each_group_is_asked_where_it_is_on(world):
    street = a_street(world, ALL)
    street.cycle()
    assert shown(street, FILTERS) == {ENDPOINT: 1.0, TRAINING: 0.0, "/aws/sagemaker/studio": 0.0}
    assert shown(street, LAST) == {ENDPOINT: pytest.approx(T0 - 1210, abs=20)}
    assert shown(street, "sagemaker_log_group_metric_filters")[ENDPOINT] == 2.0
    assert shown(street, "sagemaker_log_group_created_timestamp_seconds")[TRAINING] == T0 - 2 * DAY
    street.fake.faults.add("deny", operation="DescribeSubscriptionFilters")
    street.cycle(5 * MINUTE)
    assert shown(street, FILTERS)[ENDPOINT] == 1.0, "last good"
    assert {failure.scope for failure in street.runs[0].failures} == {
        f"DescribeSubscriptionFilters {name}" for name in (ENDPOINT, TRAINING)
    }
    world.delete_log_group(*WHERE, ENDPOINT, street.true.now())
    street.cycle(MINUTE)
    assert ENDPOINT not in shown(street, FILTERS)
    assert ENDPOINT not in shown(street, LAST)


def test_many_groups_take_turns():
    world = World(seed=1)
    for n in range(CALLS + 30):
        world.add_log_group(*WHERE, f"/aws/sagemaker/Endpoints/e-{n:03d}", T0 - DAY)
    street = a_street(world, f"families: {{include: [{FILTERS}]}}")
    street.cycle()
    assert len(shown(street, FILTERS)) == CALLS
    street.cycle(5 * MINUTE)
    assert len(shown(street, FILTERS)) == CALLS + 30
    assert street.fake.bill.requests["logs.DescribeSubscriptionFilters"] == 2 * CALLS


def test_groups_of_resources_that_are_not_wanted_are_left_out(world):
    street = a_street(world, "resources: {exclude: [churn]}")
    street.cycle()
    assert set(shown(street, "sagemaker_log_group_retention_seconds")) == {TRAINING, "/aws/sagemaker/studio"}


def test_while_groups_can_not_be_listed_they_stay_as_they_were(world):
    street = a_street(world)
    street.cycle()
    street.fake.faults.add("deny", operation="DescribeLogGroups")
    street.cycle(5 * MINUTE)
    assert [run.outcome for run in street.runs] == ["denied"]
    assert TRAINING in shown(street, "sagemaker_log_group_retention_seconds")
    street.cycle(HOUR)
    assert shown(street, "sagemaker_log_group_retention_seconds") == {}


def test_what_is_switched_off_ends_all_counts(world):
    text = "sources: {cloudwatch_logs: {presets: [python_traceback], rules: [{name: a, pattern: b, labels: [job]}]}}"
    street = Street(world, text=text, run=("cloudwatch_logs",), store=MemoryStore())
    street.cycle()
    assert len(shown(street, "sagemaker_log_group_matches_total")) == 4
    known = street.ledger.known("cloudwatch_logs", street.target)
    street.ledger.apply(cloudwatch_logs.switched_off(street.target, known, street.true.now()))
    assert shown(street, "sagemaker_log_group_matches_total") == {}
    assert street.ledger.known("cloudwatch_logs", street.target).notes == {}


def test_a_forecast_tells_how_many_pages_there_are_and_how_long_all_take():
    text = "sources: {cloudwatch_logs: {presets: [python_traceback, nccl_error], rules: [{name: a, pattern: b}]}}"
    for endpoints, every, pages in ((10, (300.0,), 32), (494, (300.0, 6000.0), 50)):
        config = parse(text)
        source = CloudWatchLogs(None, None, config)
        hour = source.forecast({HERE: assumed(config, endpoints, float(T0))}, 0.0, float(T0))
        assert hour.every == every
        assert hour.calls["FilterLogEvents"] == 12 * pages
        assert hour.calls["DescribeLogGroups"] == 12 * -(-(endpoints + 6) // 50)
    assert CloudWatchLogs(None, None, parse("")).forecast({HERE: assumed(parse(""), 1, float(T0))}, 0.0, 0.0).calls == {
        "DescribeLogGroups": 12.0
    }


@pytest.mark.parametrize(
    ("group", "resource"),
    [
        (ENDPOINT, ("endpoint", "churn")),
        ("/aws/sagemaker/InferenceComponents/llama", ("inference_component", "llama")),
        ("/aws/sagemaker/Clusters/eks/1a2b", ("cluster", "eks")),
        (TRAINING, ("", "")),
        ("/aws/sagemaker/groundtruth/WorkerActivity", ("", "")),
    ],
)
def test_a_group_is_of_a_resource_by_its_name(group, resource):
    assert resource_of(group) == resource


def test_streams_tell_what_their_group_is_known_for():
    assert kind_of(ENDPOINT).labels == {"endpoint", "variant"}
    assert kind_of("/aws/sagemaker/Clusters/eks/1a2b").labels == {"instance_group"}
    assert kind_of(TRAINING).labels == {"job"}
    assert kind_of("/aws/sagemaker/TrainingJobs2") is None


def test_a_question_mark_that_means_nothing_is_doubted():
    assert mixes('?ERROR "of course"')
    assert not mixes('?ERROR ?"of course"')
    assert not mixes("ERROR -exiting")
    text = "sources: {cloudwatch_logs: {rules: [{name: a, pattern: '?b c'}]}}"
    assert list(doubts(parse(text))) == [
        "sources.cloudwatch_logs.rules[0].pattern: ? beside terms without it means nothing to CloudWatch"
    ]
    assert "families.exclude" in "".join(doubts(parse(text + "\nfamilies: {exclude: ['*_matches_total']}")))
