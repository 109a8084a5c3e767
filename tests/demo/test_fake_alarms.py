"""Alarms of the fake AWS: evaluated as AWS's own tables say, listed and remembered as its API does."""

from __future__ import annotations

import json

import pytest
from asking import ACCOUNT, NOW, REGION, when
from botocore.exceptions import ClientError
from fake_transport import plug

from exporter.demo.alarms import COMPOSITE, LOG, Alarm, judge

BEGIN = NOW - 3600.0


@pytest.fixture
def client(connect, fake):
    return plug(connect("cloudwatch"), fake)


@pytest.fixture
def put(world):
    def put(name="a", kind="MetricAlarm", created=BEGIN, *, scripted=False, **facts):
        usual = {
            "Namespace": "AWS/SageMaker",
            "MetricName": "Errors",
            "Dimensions": [{"Name": "EndpointName", "Value": "e"}],
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 2.0,
            "ComparisonOperator": "GreaterThanThreshold",
        }
        watching = usual if kind == "MetricAlarm" and "Metrics" not in facts else {}
        return world.put_alarm(ACCOUNT, REGION, Alarm(name, created, {**watching, **facts}, kind, scripted=scripted))

    return put


@pytest.fixture
def errors(world):
    def errors(*values, metric="Errors", late=0.0):
        """Publish values by minute, from BEGIN on; None publishes nothing."""
        for minute, value in enumerate(values):
            at = BEGIN + 60 * minute
            if value is not None:
                world.put(ACCOUNT, REGION, "AWS/SageMaker", metric, {"EndpointName": "e"}, at, value, at + 60 + late)

    return errors


def states(client, **more):
    answer = client.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm", "LogAlarm"], **more)
    return {one["AlarmName"]: one["StateValue"] for key in answer if key.endswith("Alarms") for one in answer[key]}


def history(client, **more):
    answer = client.describe_alarm_history(HistoryItemType="StateUpdate", ScanBy="TimestampAscending", **more)
    found = []
    for item in answer["AlarmHistoryItems"]:
        data = json.loads(item["HistoryData"])
        assert item["HistorySummary"] == (
            f"Alarm updated from {data['oldState']['stateValue']} to {data['newState']['stateValue']}"
        )
        found.append((item["Timestamp"].timestamp() - BEGIN, data["newState"]["stateValue"]))
    return list(dict.fromkeys(found))  # some come twice


@pytest.mark.parametrize(
    ("points", "missing", "ignore", "breaching", "not_breaching"),
    [  # AWS's table for three of three, oldest datapoint first; None for "retain current state"
        ("0-X-X", "OK", "OK", "OK", "OK"),
        ("----0", "OK", "OK", "OK", "OK"),
        ("-----", "INSUFFICIENT_DATA", None, "ALARM", "OK"),
        ("0XX-X", "ALARM", "ALARM", "ALARM", "ALARM"),
        ("--X--", "ALARM", None, "ALARM", "OK"),
    ],
)
def test_missing_data_is_treated_as_in_the_tables_of_aws(points, missing, ignore, breaching, not_breaching):
    found = [{"0": False, "X": True, "-": None}[point] for point in points]
    wanted = {"missing": missing, "ignore": ignore, "breaching": breaching, "notBreaching": not_breaching}
    for treatment, state in wanted.items():
        assert judge(found, 3, 3, treatment, "as it was") == (state or "as it was"), treatment


@pytest.mark.parametrize(
    ("points", "state"), [("0XX0X", "ALARM"), ("X000X", "OK"), ("XX00X", "OK"), ("000XX", "ALARM")]
)
def test_so_many_of_so_many(points, state):
    assert judge([point == "X" for point in points], 3, 2, "missing", "OK") == state


def test_an_alarm_begins_without_data_and_follows_its_metric(client, clock, put, errors):
    put()
    errors(0, 0, 5, 5, 0)
    clock.now = BEGIN + 30
    assert states(client) == {"a": "INSUFFICIENT_DATA"}
    (made,) = client.describe_alarms()["MetricAlarms"]
    assert made["StateTransitionedTimestamp"] == made["AlarmConfigurationUpdatedTimestamp"] == when(BEGIN)
    assert made["StateReason"] == "Unchecked: Initial alarm creation"
    clock.now = BEGIN + 200
    assert states(client) == {"a": "ALARM"}
    clock.now = BEGIN + 310
    assert states(client) == {"a": "OK"}
    clock.now = BEGIN + 1000
    assert states(client) == {"a": "INSUFFICIENT_DATA"}, "two periods more than it needs are missing"
    assert history(client, AlarmName="a") == [(60, "OK"), (180, "ALARM"), (300, "OK"), (480, "INSUFFICIENT_DATA")]
    changed = client.describe_alarms()["MetricAlarms"][0]["StateTransitionedTimestamp"]
    assert changed.timestamp() - BEGIN == 480


def test_late_data_is_judged_when_it_is_there(client, clock, put, errors):
    put()
    errors(0, 0, 0, 9, 0, late=90.0)
    clock.now = BEGIN + 1000
    assert (360, "ALARM") in history(client)


def test_metric_math(client, clock, put, errors):
    inputs = [
        {
            "Id": name,
            "ReturnData": False,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/SageMaker",
                    "MetricName": metric,
                    "Dimensions": [{"Name": "EndpointName", "Value": "e"}],
                },
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for name, metric in (("x", "Errors"), ("y", "Requests"))
    ]
    ratio = {"Id": "r", "Expression": "100 * x / (x + y - 0)"}
    put(Metrics=[ratio, *inputs], EvaluationPeriods=1, Threshold=50.0, ComparisonOperator="GreaterThanThreshold")
    errors(1, 3, None, 0)
    errors(3, 1, 5, 0, metric="Requests")
    clock.now = BEGIN + 1000
    assert history(client)[:2] == [(60, "OK"), (120, "ALARM")]


def test_a_composite_alarm_follows_its_children(client, clock, world, put, errors):
    put()
    put("told", scripted=True)
    put("both", COMPOSITE, AlarmRule='ALARM(a) AND ALARM("told")')
    put("above", COMPOSITE, AlarmRule="NOT (OK(both) OR INSUFFICIENT_DATA(both)) AND NOT FALSE")
    errors(5, 5, 5, 5, 0, 0)
    world.set_alarm_state(ACCOUNT, REGION, "told", BEGIN + 125.5, "ALARM")
    clock.now = BEGIN + 200
    assert states(client) == {"a": "ALARM", "told": "ALARM", "both": "ALARM", "above": "ALARM"}
    clock.now = BEGIN + 400
    assert states(client, StateValue="OK") == {"a": "OK", "both": "OK", "above": "OK"}
    both = history(client, AlarmName="both", AlarmTypes=[COMPOSITE])
    assert [(round(at), state) for at, state in both][1:] == [(126, "ALARM"), (300, "OK")]


def test_metric_alarms_alone_are_listed_unless_others_are_asked_for(client, put, world):
    put()
    put("c", COMPOSITE, AlarmRule="TRUE")
    put("l", LOG, scripted=True)
    answer = client.describe_alarms()
    assert [one["AlarmName"] for one in answer["MetricAlarms"]] == ["a"]
    assert not answer["CompositeAlarms"]
    assert states(client).keys() == {"a", "c", "l"}
    assert states(client, AlarmNamePrefix="l").keys() == states(client, AlarmNames=["l"]).keys() == {"l"}
    world.alarm_kinds.discard(LOG)
    with pytest.raises(ClientError, match=r"alarmTypes\.3"):
        states(client)
    with pytest.raises(ClientError, match="together"):
        client.describe_alarms(AlarmNames=["a"], AlarmNamePrefix="a")


def test_pages(client, put, clock, world):
    for n in range(120):
        put(f"{n:03d}", scripted=True)
        world.set_alarm_state(ACCOUNT, REGION, f"{n:03d}", BEGIN + n + 1, "OK")
    assert len(client.describe_alarms()["MetricAlarms"]) == 50
    pages = client.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 100})
    assert [len(page["MetricAlarms"]) for page in pages] == [100, 20]
    answer = client.describe_alarm_history(HistoryItemType="StateUpdate")
    assert len({item["AlarmName"] for item in answer["AlarmHistoryItems"]}) == 100
    times = [item["Timestamp"] for item in answer["AlarmHistoryItems"][:100]]
    assert times == sorted(times, reverse=True), "the newest first"
    with pytest.raises(ClientError, match="token"):
        client.describe_alarm_history(NextToken="?")
    with pytest.raises(ClientError, match="MaxRecords"):
        client.describe_alarms(MaxRecords=101)


def test_history_comes_late_stays_when_the_alarm_is_gone_and_ends_after_thirty_days(client, clock, put, world):
    put(scripted=True)
    world.set_alarm_state(ACCOUNT, REGION, "a", BEGIN + 10, "OK", 100.0)
    world.set_alarm_state(ACCOUNT, REGION, "a", BEGIN + 50, "ALARM")
    clock.now = BEGIN + 60
    assert history(client) == [(50, "ALARM")]
    clock.now = BEGIN + 200
    assert history(client) == [(10, "OK"), (50, "ALARM")]
    assert history(client, StartDate=when(BEGIN + 20)) == history(client, StartDate=when(BEGIN + 50)) == [(50, "ALARM")]
    assert history(client, EndDate=when(BEGIN + 20)) == [(10, "OK")]
    world.delete_alarm(ACCOUNT, REGION, "a", clock.now)
    clock.now += 10
    assert states(client) == {}
    kinds = [item["HistorySummary"] for item in client.describe_alarm_history()["AlarmHistoryItems"]][:4]
    assert kinds == [
        'Alarm "a" deleted',
        "Alarm updated from OK to ALARM",
        "Alarm updated from INSUFFICIENT_DATA to OK",
        ('Alarm "a" created'),
    ]
    put(created=clock.now, scripted=True)
    assert states(client) == {"a": "INSUFFICIENT_DATA"}
    assert history(client, AlarmName="a") == [(10, "OK"), (50, "ALARM")], "of a name, whoever has it"
    clock.now = BEGIN + 50 + 30 * 86_400 + 1
    assert history(client) == []


def test_tags_of_alarms(connect, fake, put, world):
    put().tags["team"] = "ml"
    put("b")
    tagging = plug(connect("resourcegroupstaggingapi"), fake)
    (found,) = tagging.get_resources(ResourceTypeFilters=["cloudwatch:alarm"])["ResourceTagMappingList"]
    assert found["ResourceARN"] == f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:a"
    assert tagging.get_resources(ResourceTypeFilters=["sagemaker"])["ResourceTagMappingList"] == []


def test_what_can_not_be(put, world):
    put(scripted=True)
    with pytest.raises(ValueError, match="exists"):
        put()
    world.set_alarm_state(ACCOUNT, REGION, "a", BEGIN + 10, "OK")
    with pytest.raises(ValueError, match="changed since"):
        world.set_alarm_state(ACCOUNT, REGION, "a", BEGIN + 5, "ALARM")
    with pytest.raises(KeyError):
        world.set_alarm_state(ACCOUNT, REGION, "b", BEGIN + 5, "ALARM")
