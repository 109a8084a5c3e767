"""The fake's CloudWatch Logs: groups, filter patterns, pages, what comes late, and the truth."""

from __future__ import annotations

import pytest
from asking import ACCOUNT, NOW, REGION
from botocore.exceptions import ClientError
from service_model import MODELS, impossible

from exporter.demo import default_world
from exporter.demo.filter_patterns import matcher
from exporter.demo.logs import INFREQUENT, Chatter, numbered

WHERE = ACCOUNT, REGION
GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def logs(in_memory):
    return in_memory("logs")


@pytest.fixture
def group(world):
    return world.add_log_group(*WHERE, GROUP, NOW - 86_400)


def found(logs, **asked):
    """All events that FilterLogEvents finds, page by page; and the sizes of the pages."""
    asked = {"logGroupName": GROUP, "startTime": 0, **asked}
    pages = list(logs.get_paginator("filter_log_events").paginate(**asked))
    return [event for page in pages for event in page["events"]], [len(page["events"]) for page in pages]


def messages(logs, **asked):
    return [event["message"] for event in found(logs, **asked)[0]]


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("", ["ERROR 401", "UNAUTHORIZED", "error", "ERROR exiting", 'a "b" c']),
        ("ERROR", ["ERROR 401", "ERROR exiting"]),
        ("ERROR 401", ["ERROR 401"]),
        ("?error ?401", ["ERROR 401", "error"]),
        ("ERROR -exiting", ["ERROR 401"]),
        ('"ERROR exiting"', ["ERROR exiting"]),
        (r'"\"b\" c"', ['a "b" c']),
        ("AUTHORIZED", []),
        ("?error 401", []),  # ? beside others means nothing
    ],
)
def test_patterns_match_as_documented(pattern, matched):
    every = ["ERROR 401", "UNAUTHORIZED", "error", "ERROR exiting", 'a "b" c']
    assert [message for message in every if matcher(pattern)(message)] == matched


@pytest.mark.parametrize("pattern", ['"half', "{ $.a = 1 }", "[a, b]", 'a"b"'])
def test_what_is_no_pattern_is_refused(logs, group, pattern):
    with pytest.raises(ClientError, match=r"InvalidParameterException.*filter pattern"):
        found(logs, filterPattern=pattern)


def test_events_come_in_order_both_ends_included_once_they_are_in(logs, world, group, clock):
    for at in (30, 10, 20):
        world.log(*WHERE, GROUP, "s", NOW - at, f"at {at}")
    world.log(*WHERE, GROUP, "s", NOW - 15, "late", late=60)
    assert messages(logs) == ["at 30", "at 20", "at 10"]
    assert messages(logs, startTime=(NOW - 20) * 1000, endTime=(NOW - 20) * 1000) == ["at 20"]
    clock.now += 60
    assert messages(logs) == ["at 30", "at 20", "late", "at 10"]
    assert [event.message for event in world.log_matches(*WHERE, GROUP, "late", 0, clock.now, NOW)] == []
    assert [event.message for event in world.log_matches(*WHERE, GROUP, "late", 0, clock.now)] == ["late"]


def test_pages_are_short_or_empty_and_lead_on_and_may_repeat(logs, world, clock):
    world.repeated = 0.5
    writer = Chatter(1, NOW - 5000, NOW, 0.1, (("ERROR", 1.0), ("ok", 499.0)), numbered("job-{}/algo-1-1", 10_000))
    world.add_log_group(*WHERE, GROUP, NOW - 86_400, writer)
    events, sizes = found(logs, filterPattern="ERROR")
    truth = world.log_matches(*WHERE, GROUP, "ERROR", 0, NOW, NOW)
    assert {event["eventId"] for event in events} == {event.id for event in truth}
    assert len(sizes) >= 3
    assert len({event["logStreamName"] for event in events}) > 50
    events, sizes = found(logs, filterPattern="ERROR", limit=7)
    assert max(sizes) == 7
    assert len(events) > len({event["eventId"] for event in events}), "a page begins with what ended the last one"


def test_a_token_lives_a_day_and_for_its_parameters(logs, world, group, clock):
    for at in range(3):
        world.log(*WHERE, GROUP, "s", NOW - 10 + at, "x")
    token = logs.filter_log_events(logGroupName=GROUP, limit=1)["nextToken"]
    with pytest.raises(ClientError, match="nextToken is invalid"):
        logs.filter_log_events(logGroupName=GROUP, nextToken=token, filterPattern="x")
    assert logs.filter_log_events(logGroupName=GROUP, nextToken=token)["events"]
    clock.now += 86_401
    with pytest.raises(ClientError, match="nextToken is invalid"):
        logs.filter_log_events(logGroupName=GROUP, nextToken=token)


def test_groups_of_the_cheap_class_and_groups_that_are_not_there_are_not_searched(logs, world):
    world.add_log_group(*WHERE, GROUP, NOW - 1, log_class=INFREQUENT)
    with pytest.raises(ClientError, match=r"InvalidParameterException.*Infrequent Access"):
        found(logs)
    world.delete_log_group(*WHERE, GROUP, NOW)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        found(logs)


@pytest.mark.parametrize(("region", "quota"), [("us-east-1", 25), ("eu-west-1", 10), ("eu-central-1", 5)])
def test_each_region_has_its_quota(in_memory, world, fake, region, quota):
    world.add_log_group(ACCOUNT, region, GROUP, NOW - 1)
    fake.bill.enforced = True
    logs = in_memory("logs", region=region)
    for _ in range(quota):
        logs.filter_log_events(logGroupName=GROUP)
    with pytest.raises(ClientError, match="ThrottlingException"):
        logs.filter_log_events(logGroupName=GROUP)


def test_answers_are_those_of_the_service_model(logs, fake, clock):
    fake.world = default_world(begin=NOW - 3600, endpoints=26)
    model = MODELS["logs"]
    groups = [one for page in logs.get_paginator("describe_log_groups").paginate() for one in page["logGroups"]]
    assert [one["logGroupName"] for one in groups] == sorted(one["logGroupName"] for one in groups)
    assert {one["logGroupClass"] for one in groups} == {"STANDARD", INFREQUENT}
    assert {one.get("retentionInDays") for one in groups} > {None, 14, 30}
    of_one = {"logGroupName": "/aws/sagemaker/Endpoints/fraud-score"}
    answers = {
        "DescribeLogGroups": logs.describe_log_groups(logGroupNamePrefix="/aws/sagemaker/T"),
        "DescribeLogStreams": logs.describe_log_streams(**of_one, orderBy="LastEventTime", descending=True),
        "DescribeSubscriptionFilters": logs.describe_subscription_filters(**of_one),
        "FilterLogEvents": logs.filter_log_events(**of_one, filterPattern='"CUDA out of memory"'),
    }
    for operation, answer in answers.items():
        del answer["ResponseMetadata"]
        assert any(answer.values()), operation
        assert not list(impossible(model.operation_model(operation).output_shape, answer)), operation
    assert all("CUDA" in event["message"] for event in answers["FilterLogEvents"]["events"])
