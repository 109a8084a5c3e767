"""Which alarms are SageMaker's, what is shown of one, and what a bad answer costs."""

from __future__ import annotations

import pytest
from street import ACCOUNT, REGION, Street
from worlds import T0, values

from exporter.catalogue import CATALOGUE
from exporter.catalogue.places import places
from exporter.config import parse
from exporter.demo import World, default_world
from exporter.demo.alarms import COMPOSITE, LOG, METRIC
from exporter.demo.alarms import Alarm as FakeAlarm
from exporter.demo.fake import _OPERATIONS
from exporter.model import DAY
from exporter.sources.cloudwatch_alarms.answers import Alarm, Dimension, Metric, MetricStat, Query, ScheduledQuery
from exporter.sources.cloudwatch_alarms.choice import Choice, references, resource, watched

PLACES = places(row for row in CATALOGUE.values() if row.ask)
VARIANT = {"EndpointName": "churn", "VariantName": "main"}


def dimensions(named):
    return [Dimension(name, value) for name, value in named.items()]


def metric(namespace, name="Invocations", **named):
    return Alarm("a", "OK", Namespace=namespace, MetricName=name, Dimensions=dimensions(named), Statistic="Sum")


def math(*inputs, expression="a + b"):
    queries = [Query(MetricStat(Metric(ns, name, dimensions(of)), "Sum")) for ns, name, of in inputs]
    return Alarm("a", "OK", Metrics=[Query(Expression=expression), *queries])


def log(*groups):
    return Alarm("a", "OK", kind=LOG, ScheduledQueryConfiguration=ScheduledQuery(list(groups)))


def chosen(*alarms, names=(), tagged=()):
    return set(Choice(PLACES, names).ours(alarms, lambda alarm: alarm.AlarmName in tagged))


# -- which are ours ----------------------------------------------------------------------------------------------------

USAGE = {"Service": "SageMaker", "Type": "API", "Resource": "InvokeEndpoint", "Class": "None"}


@pytest.mark.parametrize(
    "alarm",
    [
        metric("AWS/SageMaker"),
        metric("/aws/sagemaker/Endpoints", "CPUUtilization"),
        metric("aws/sagemaker/Endpoints/data-metrics", "feature_data_age"),
        metric("AWS/Sagemaker/ModelBuildingPipeline"),
        metric("AWS/SageMaker/Workteam"),
        metric("AWS/Logs", "IncomingBytes", LogGroupName="/aws/sagemaker/TrainingJobs"),
        metric("AWS/Usage", "CallCount", **{**USAGE, "Service": "Sagemaker"}),
        math(("AWS/Lambda", "Errors", {}), ("AWS/SageMaker", "Invocations", VARIANT)),
        math(expression='SELECT SUM(Invocations) FROM SCHEMA("AWS/SageMaker", EndpointName) GROUP BY EndpointName'),
        math(expression='SELECT SUM(Invocations) FROM "AWS/SageMaker"'),
        log("/aws/lambda/x", "/aws/sagemaker/Endpoints/churn"),
        log("arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/churn:*"),
    ],
)
def test_alarms_on_sagemaker(alarm):
    assert chosen(alarm) == {"a"}


@pytest.mark.parametrize(
    "alarm",
    [
        metric("AWS/EC2", "CPUUtilization"),
        metric("MyTeam/SageMaker"),
        metric("AWS/Logs", "IncomingBytes", LogGroupName="/aws/lambda/sagemaker"),
        metric("AWS/Logs", "IncomingBytes"),
        metric("AWS/Usage", "CallCount", **{**USAGE, "Service": "EC2"}),
        metric("AWS/Logs", "DeliveryErrors", LogGroupName="/aws/sagemaker/TrainingJobs"),
        math(("AWS/Lambda", "Errors", {"FunctionName": "sagemaker"})),
        math(expression="SELECT SUM(Errors) FROM \"AWS/Lambda\" WHERE FunctionName = 'AWS/SageMaker'"),
        log("/aws/lambda/x", "sagemaker"),
        Alarm("sagemaker", "OK"),
        Alarm("a", "OK", kind=COMPOSITE, AlarmRule="ALARM(nobody) OR TRUE"),
    ],
)
def test_alarms_on_something_else(alarm):
    assert chosen(alarm) == set()


def test_composite_alarms_that_refer_to_ours_at_any_depth():
    def composite(name, rule):
        return Alarm(name, "OK", kind=COMPOSITE, AlarmRule=rule)

    alarms = (
        metric("AWS/SageMaker"),
        composite("parent", "ALARM(a) AND NOT OK(b)"),
        composite("grandparent", 'ALARM("arn:aws:cloudwatch:us-east-1:123456789012:alarm:parent")'),
        composite("circle-1", "ALARM(circle-2)"),
        composite("circle-2", "ALARM(circle-1) OR ALARM(grandparent)"),
        composite("stranger", 'ALARM("the parent") OR ALARM(A)'),
    )
    assert chosen(*alarms) == {"a", "parent", "grandparent", "circle-1", "circle-2"}


def test_names_and_tags_choose_the_rest():
    alarms = [Alarm(name, "OK") for name in ("ml-gpu", "ml", "ML-gpu", "gpu")]
    assert chosen(*alarms, names=["ml-*"]) == {"ml-gpu"}
    assert chosen(*alarms, tagged=["gpu"]) == {"gpu"}
    assert chosen(*alarms) == set()


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ("", set()),
        ("TRUE", set()),
        ("ALARM(a)", {"a"}),
        ("ALARM( a )", {"a"}),
        ('ALARM("a b (c) \\"d\\", OK(x)")', {'a b (c) "d", OK(x)'}),
        ("ALARM(a) AND (OK(b) OR NOT INSUFFICIENT_DATA(c))", {"a", "b", "c"}),
        ("((ALARM(a)))OR(OK(b))", {"a", "b"}),
        ("ALARM(OK) OR OK(5) OR ALARM(ALARM)", {"OK", "5", "ALARM"}),
        ("ALARM(TargetTracking-endpoint/a/variant/b-AlarmHigh-1)", {"TargetTracking-endpoint/a/variant/b-AlarmHigh-1"}),
        ("ALARM(arn:aws:cloudwatch:us-east-1:123456789012:alarm:a:b)", {"a:b"}),
        ("AT_LEAST(2, ALARM, (a, b, c)) AND ALARM(d)", {"a", "b", "c", "d"}),
        ('AT_LEAST(50%, NOT OK, ("2", b))', {"2", "b"}),
        ("ALARM(a", {"a"}),
        (") ALARM a", set()),
    ],
)
def test_what_a_rule_refers_to(rule, names):
    assert references(rule) == names


# -- what it watches ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alarm", "kind"),
    [
        (metric("AWS/SageMaker", **VARIANT), ("endpoint", "churn")),
        (metric("AWS/SageMaker", InferenceComponentName="llama"), ("inference_component", "llama")),
        (metric("x", Endpoint="churn", MonitoringSchedule="hourly"), ("monitoring_schedule", "hourly")),
        (metric("AWS/SageMaker", FeatureGroupName="f", OperationName="PutRecord"), ("feature_group", "f")),
        (metric("x", PipelineName="p", StepName="Train"), ("pipeline", "p")),
        (metric("x", ClusterName="c"), ("cluster", "c")),
        (metric("AWS/SageMaker", "Host", Host="job/algo-1"), ("", "")),
        (math(("x", "a", VARIANT), ("x", "b", VARIANT)), ("endpoint", "churn")),
        (math(("x", "a", VARIANT), ("x", "b", {**VARIANT, "EndpointName": "other"})), ("", "")),
        (log("/aws/sagemaker/Endpoints/churn"), ("endpoint", "churn")),
        (log("/aws/sagemaker/Endpoints/churn", "/aws/sagemaker/Endpoints/b"), ("", "")),
        (log("/aws/sagemaker/TrainingJobs"), ("", "")),
    ],
)
def test_the_resource_that_an_alarm_watches(alarm, kind):
    assert resource(alarm) == kind


def test_the_metric_that_an_alarm_watches():
    assert watched(metric("AWS/SageMaker")) == ("AWS/SageMaker", "Invocations", "Sum")
    latency = Alarm("a", "OK", Namespace="AWS/SageMaker", MetricName="ModelLatency", ExtendedStatistic="p99")
    assert watched(latency) == ("AWS/SageMaker", "ModelLatency", "p99")
    assert watched(math(("x", "a", {}), ("x", "b", {}))) == ("x", "", "Sum")
    assert watched(log("g")) == ("", "", "")


# -- what is shown -----------------------------------------------------------------------------------------------------


class Room:
    """A street with nothing but alarms; `text` configures them."""

    def __init__(self, *alarms, text="", world=None):
        self.world = world or World(seed=1)
        for alarm in alarms:
            self.world.put_alarm(ACCOUNT, REGION, alarm)
        self.street = Street(self.world, text=text)
        self.street.sources = self.street.sources[2:]

    def cycle(self, seconds=120):
        self.snapshot = self.street.cycle(seconds)
        return self.street.runs[0]

    def shown(self, family):
        return {labels[2:]: value for labels, value in values(self.snapshot, f"sagemaker_{family}").items()}


@pytest.fixture
def room():
    begun = []

    def start(*alarms, **more):
        begun.append(Room(*alarms, **more))
        return begun[-1]

    yield start
    for one in begun:
        one.street.kill()


def fake(name="a", kind=METRIC, namespace="AWS/SageMaker", *, tags=None, **facts):
    watching = {METRIC: {"Namespace": namespace, "MetricName": "Invocations"}}.get(kind, {})
    return FakeAlarm(name, float(T0 - DAY), {**watching, **facts}, kind, scripted=True, tags=tags or {})


ALL = "families: {include: ['sagemaker_alarm*']}"


def test_an_alarm(room):
    made = fake(
        Threshold=5.0,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Sum",
        Dimensions=[{"Name": "EndpointName", "Value": "churn"}],
        AlarmActions=["arn:1", "arn:2"],
        EvaluationState="PARTIAL_DATA",
    )
    made.enter("OK", T0 - 100.0, "", 0.0)
    one = room(made, text=ALL)
    assert one.cycle().outcome == "ok"
    assert one.shown("alarm_status") == {("a", "OK"): 1.0, ("a", "ALARM"): 0.0, ("a", "INSUFFICIENT_DATA"): 0.0}
    facts = ("MetricAlarm", "AWS/SageMaker", "Invocations", "Sum", "GreaterThanThreshold", "endpoint", "churn")
    assert one.shown("alarm_info") == {("a", *facts): 1.0}
    assert one.shown("alarm_threshold") == {("a",): 5.0}
    assert one.shown("alarm_last_change_timestamp_seconds") == {("a",): T0 - 100.0}
    assert one.shown("alarm_last_update_timestamp_seconds") == {("a",): T0 - 100.0}
    assert one.shown("alarm_actions_enabled") == {("a",): 1.0}
    assert one.shown("alarm_actions") == {("a", "OK"): 0.0, ("a", "ALARM"): 2.0, ("a", "INSUFFICIENT_DATA"): 0.0}
    assert one.shown("alarm_actions_suppressed") == {}
    assert {labels[1] for labels, value in one.shown("alarm_evaluation_status").items() if value} == {"PARTIAL_DATA"}
    assert len(one.shown("alarm_evaluation_status")) == 3


def test_a_composite_alarm_has_no_threshold_and_may_be_held_back(room):
    rule = {"AlarmRule": "ALARM(a)", "ActionsSuppressedBy": "WaitPeriod", "ActionsEnabled": False}
    one = room(fake(Threshold=1.0), fake("both", COMPOSITE, **rule), text=ALL)
    one.cycle()
    assert one.shown("alarm_threshold").keys() == {("a",)}
    assert one.shown("alarm_actions_suppressed") == {("both",): 1.0}
    assert one.shown("alarm_actions_enabled")["both",] == 0.0
    assert not any(one.shown("alarm_evaluation_status").values())


def test_alarms_are_counted_by_kind_and_state_where_there_are_none_too(room):
    one = room()
    one.cycle()
    assert len(one.shown("alarms")) == 9
    assert not any(one.shown("alarms").values())
    firing = fake("b")
    firing.enter("ALARM", T0 - 5.0, "", 0.0)
    two = room(
        fake(), firing, fake("c", LOG, ScheduledQueryConfiguration={"LogGroupIdentifiers": ["/aws/sagemaker/x"]})
    )
    two.cycle()
    assert {labels: value for labels, value in two.shown("alarms").items() if value} == {
        ("MetricAlarm", "INSUFFICIENT_DATA"): 1.0,
        ("MetricAlarm", "ALARM"): 1.0,
        ("LogAlarm", "INSUFFICIENT_DATA"): 1.0,
    }


def test_all_kinds_are_asked_for_explicitly(room):
    one = room(*(fake(f"{n:03d}") for n in range(250)), fake("all", COMPOSITE, AlarmRule="ALARM(249)"))
    one.cycle()
    assert len(one.shown("alarm_info")) == 251
    assert one.street.fake.bill.requests["cloudwatch.DescribeAlarms"] == 3


def test_a_region_that_knows_no_log_alarms_has_none(room):
    world = World(seed=1)
    world.alarm_kinds.discard(LOG)
    one = room(fake(), world=world)
    assert [one.cycle().outcome for _ in range(3)] == ["ok"] * 3
    assert one.street.fake.bill.requests["cloudwatch.DescribeAlarms"] == 4, "it is asked once"
    assert one.shown("alarms")["MetricAlarm", "INSUFFICIENT_DATA"] == 1.0


# -- bad days ----------------------------------------------------------------------------------------------------------


def test_a_listing_that_fails_keeps_what_is_known_for_a_while_and_what_is_gone_leaves_at_once(room):
    one = room(fake(), fake("b"))
    one.cycle()
    one.street.fake.faults.add("deny", operation="DescribeAlarms")
    one.world.delete_alarm(ACCOUNT, REGION, "a", T0 + 150.0)
    while one.street.true.time < T0 + 120 + 900 - 120:
        assert one.cycle().outcome == "denied"
        assert len(one.shown("alarm_info")) == 2
    one.cycle()
    assert one.shown("alarm_info") == {}
    assert one.shown("alarm_state_changes_total"), "what was counted was counted"
    one.street.fake.faults.clear()
    one.cycle()
    assert {name for name, *_ in one.shown("alarm_info")} == {"b"}


def test_a_page_that_fails_fails_the_listing(room):
    one = room(*(fake(f"{n:03d}") for n in range(150)))
    one.street.fake.faults.add("http_500", operation="DescribeAlarms", every=2)
    one.street.fake.faults.add("http_500", operation="DescribeAlarms", every=3)
    one.cycle()
    one.street.fake.faults.clear()
    one.cycle()
    assert len(one.shown("alarm_info")) == 150


TAGGED = "sources: {cloudwatch_alarms: {tags: {team: ml*}}}"


def test_tags_choose(room):
    tagged = [fake(name, namespace="x", tags={"team": team}) for name, team in (("a", "mlops"), ("b", "shop"))]
    one = room(*tagged, fake("c", namespace="x"), fake("d"), text=TAGGED)
    one.cycle()
    assert {name for name, *_ in one.shown("alarm_info")} == {"a", "d"}


def test_while_tags_can_not_be_read_nothing_that_they_chose_leaves(room):
    one = room(fake("a", namespace="x", tags={"team": "ml"}), fake("b", namespace="x"), fake("d"), text=TAGGED)
    one.cycle()
    one.street.fake.faults.add("deny", service="tagging")
    for _ in range(2):
        run = one.cycle()
        assert run.outcome == "partial"
        assert [(failure.scope, failure.error_class) for failure in run.failures] == [("GetResources", "denied")]
        assert {name for name, *_ in one.shown("alarm_info")} == {"a", "d"}
    one.street.kill()
    one.street.start()
    one.street.sources = one.street.sources[2:]
    one.cycle()
    assert {name for name, *_ in one.shown("alarm_info")} == {"a", "d"}, "after a restart, too"


def test_a_history_that_can_not_be_read_costs_that_alarm(room, monkeypatch):
    usual = _OPERATIONS["cloudwatch", "DescribeAlarmHistory"]

    def edit(call):
        answer = usual(call)
        for item in answer["AlarmHistoryItems"]:
            if item["AlarmName"] == "a":
                item["HistoryData"] = '{"newState": "?"}'
        return answer

    monkeypatch.setitem(_OPERATIONS, ("cloudwatch", "DescribeAlarmHistory"), edit)
    one = room(fake("a"), fake("b"))
    one.cycle()
    for name in ("a", "b"):
        for offset, state in ((1.0, "OK"), (2.0, "ALARM")):
            one.world.set_alarm_state(ACCOUNT, REGION, name, one.street.true.time + offset, state)
    run = one.cycle()
    assert [failure.scope for failure in run.failures] == ["DescribeAlarmHistory a"]
    for _ in range(3):
        one.cycle()
    assert one.shown("alarm_state_changes_total")["b", "OK"] == 1.0
    assert one.shown("alarm_state_changes_total")["a", "ALARM"] == 1.0, "as the look proves"


@pytest.mark.parametrize("edit", [{"StateValue": None}, {"Threshold": "high"}, {"Dimensions": [{"Name": "x"}]}])
def test_a_listing_that_can_not_be_read_is_no_listing(room, monkeypatch, edit):
    usual = _OPERATIONS["cloudwatch", "DescribeAlarms"]

    def otherwise(call):
        answer = usual(call)
        return answer | {"MetricAlarms": [one | edit for one in answer["MetricAlarms"]]}

    one = room(fake())
    one.cycle()
    monkeypatch.setitem(_OPERATIONS, ("cloudwatch", "DescribeAlarms"), otherwise)
    assert one.cycle().outcome == "failed"
    assert one.shown("alarm_status")


# -- the demo ----------------------------------------------------------------------------------------------------------


def test_the_demo_shows_every_family_and_ignores_other_services(room):
    one = room(text=ALL, world=default_world(begin=T0, endpoints=12))
    one.cycle()
    for row in CATALOGUE.values():
        if row.source == "cloudwatch_alarms":
            chunk = one.snapshot.chunks[row.name, one.street.target]
            assert {len(labels) for labels in chunk.labels} == {len(row.labels)}
    names = {name for name, *_ in one.shown("alarm_info")}
    assert len(names) == 20
    assert not names & {"orders-lambda-errors", "web-cpu", "orders-talks", "shop"}
    assert one.shown("alarm_status")["fraud-score-broken", "ALARM"] == 1.0


def test_a_configuration_of_it():
    settings = parse("sources: {cloudwatch_alarms: {every: 5m, names: [ml-*], tags: {team: ml}}}").sources
    assert settings.cloudwatch_alarms.every == 300.0
    assert settings.cloudwatch_alarms.names == ("ml-*",)
    assert parse("").sources.cloudwatch_alarms.every == 120.0
