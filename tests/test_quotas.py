"""Quotas in use: limits as AWS lists them, use as AWS counts it or as we do, and nothing made up in between."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from street import ACCOUNT, REGION, Street
from worlds import T0, examples

from exporter.aws import AwsError
from exporter.aws.operations import OPERATIONS
from exporter.catalogue.enums import ENUMS
from exporter.catalogue.jobs import FACTS, INSTANCES, KEPT, SIZE, scope_of
from exporter.catalogue.training_jobs import POOLS
from exporter.config import parse
from exporter.demo import World
from exporter.demo.jobs import Work, life
from exporter.demo.quotas import code_of, table, used
from exporter.demo.resources import EndpointConfig, Variant
from exporter.inventory import Census, Thing, Things
from exporter.model import DAY, HOUR, MINUTE, Known
from exporter.sources.quotas import RETRY_AFTER, WAITS, Quotas
from exporter.sources.quotas.answers import MOST, limits
from exporter.sources.quotas.names import Meaning, meaning
from exporter.sources.quotas.usage import Counts, count_of

WHERE = ACCOUNT, REGION
NOW = float(T0)
MADE = NOW - DAY
ENABLED = "sources: {quotas: {enabled: true}}"
ALL = 'sources: {quotas: {enabled: true, codes: ["*"]}}'


class Room:
    """A world, and a street that looks at its quotas."""

    def __init__(self, world=None, *, text=ENABLED, run=("inventory", "job_polling", "quotas")):
        self.world = world or World(listed_after=(0, 0), repeated=0.0)
        self.street = Street(self.world, text=text, run=run)
        self.street.aws._rates = dict.fromkeys(OPERATIONS, 1e9)
        self.fake = self.street.fake

    def cycle(self, seconds=0.0):
        """Let time pass, run all; return what is shown: limit, use, ratio and where the use is from, by name."""
        snapshot = self.street.cycle(seconds)
        found = {}
        for (family, _), chunk in snapshot.chunks.items():
            if family.startswith("sagemaker_quota_"):
                for labels, value in zip(chunk.labels, chunk.columns[""], strict=True):
                    if family == "sagemaker_quota_info":
                        found.setdefault(labels[2], {}).update(name=labels[3], source=labels[7])
                    else:
                        found.setdefault(labels[2], {})[family.removeprefix("sagemaker_quota_")] = value
        assert all("name" in one for one in found.values()), "what is shown is explained"
        return {
            one["name"]: (one["limit"], one.get("usage"), one.get("utilization_ratio"), one["source"])
            for one in found.values()
        }

    @property
    def run(self):
        return self.street.runs[-1]

    def sent(self, operation):
        return sum(call["call"].endswith(f".{operation}") for call in self.fake.calls)

    def endpoint(self, name="churn", *variants, at=MADE):
        self.world.add_endpoint(*WHERE, name, at, variants=variants or (Variant(instances=2),))

    def job(self, kind, name, instance_type, instances, **work):
        at = self.street.true.time - 60
        self.world.add_job(*WHERE, kind, name, at, work=Work(instance_type, instances, **work))


@pytest.fixture
def room():
    made = Room()
    yield made
    made.street.kill()


# -- names -------------------------------------------------------------------------------------------------------------

NAMES = {
    "ml.g5.xlarge for endpoint usage": ("endpoint", "ml.g5.xlarge", "endpoint"),
    "ml.r8g.medium for endpoint usage": ("endpoint", "ml.r8g.medium", "endpoint"),
    "ml.eia1.medium for endpoint usage": ("endpoint", "ml.eia1.medium", "endpoint"),
    "ml.inf1.6xlarge for endpoint usage": ("endpoint", "ml.inf1.6xlarge", "endpoint"),
    "ml.c6gd.16xlarge for endpoint usage": ("endpoint", "ml.c6gd.16xlarge", "endpoint"),
    "ml.g6e.48xlarge for training job usage": ("training_job", "ml.g6e.48xlarge", "on_demand_training"),
    "ml.p4d.24xlarge for training job usage": ("training_job", "ml.p4d.24xlarge", "on_demand_training"),
    "ml.c7i.48xlarge for training job usage": ("training_job", "ml.c7i.48xlarge", "on_demand_training"),
    "ml.c5n.xlarge for training job usage": ("training_job", "ml.c5n.xlarge", "on_demand_training"),
    "ml.p6-b200.48xlarge for training job usage": ("training_job", "ml.p6-b200.48xlarge", "on_demand_training"),
    "ml.p4d.24xlarge for spot training job usage": ("training_job_spot", "ml.p4d.24xlarge", "spot_training"),
    "ml.g4dn.2xlarge for spot training job usage": ("training_job_spot", "ml.g4dn.2xlarge", "spot_training"),
    "ml.r5d.xlarge for spot training job usage": ("training_job_spot", "ml.r5d.xlarge", "spot_training"),
    "ml.m5.4xlarge for training warm pool usage": ("training_job_warm_pool", "ml.m5.4xlarge", "warm_pool"),
    "ml.c5.2xlarge for training warm pool usage": ("training_job_warm_pool", "ml.c5.2xlarge", "warm_pool"),
    "ml.trn1.32xlarge for training warm pool usage": ("training_job_warm_pool", "ml.trn1.32xlarge", "warm_pool"),
    "ml.r7i.8xlarge for processing job usage": ("processing_job", "ml.r7i.8xlarge", "processing"),
    "ml.m4.2xlarge for processing job usage": ("processing_job", "ml.m4.2xlarge", "processing"),
    "ml.t3.medium for processing job usage": ("processing_job", "ml.t3.medium", "processing"),
    "ml.c6i.large for transform job usage": ("transform_job", "ml.c6i.large", "transform"),
    "ml.g5.16xlarge for transform job usage": ("transform_job", "ml.g5.16xlarge", "transform"),
    "ml.g5.16xlarge for notebook instance usage": ("notebook_instance", "ml.g5.16xlarge", "notebook_instance"),
    "ml.m6id.2xlarge for notebook instance usage": ("notebook_instance", "ml.m6id.2xlarge", "notebook_instance"),
    "ml.inf2.xlarge for notebook instance usage": ("notebook_instance", "ml.inf2.xlarge", "notebook_instance"),
    "ml.m6i.xlarge for cluster usage": ("cluster", "ml.m6i.xlarge", "cluster"),
    "ml.i3en.2xlarge for cluster usage": ("cluster", "ml.i3en.2xlarge", "cluster"),
    "ml.p4de.24xlarge for cluster usage": ("cluster", "ml.p4de.24xlarge", "cluster"),
    "Studio KernelGateway Apps running on ml.m5.4xlarge instance": ("studio", "ml.m5.4xlarge", "app/KernelGateway"),
    "Studio KernelGateway Apps running on ml.g5.12xlarge instance": ("studio", "ml.g5.12xlarge", "app/KernelGateway"),
    "Studio JupyterLab Apps running on ml.c7i.xlarge instances": ("studio", "ml.c7i.xlarge", "app/JupyterLab"),
    "Studio JupyterLab Apps running on ml.m5d.16xlarge instances": ("studio", "ml.m5d.16xlarge", "app/JupyterLab"),
    "Studio JupyterLab Apps running on ml.p4d.24xlarge instances": ("studio", "ml.p4d.24xlarge", "app/JupyterLab"),
    "Studio CodeEditor Apps running on ml.c5.24xlarge instances": ("studio", "ml.c5.24xlarge", "app/CodeEditor"),
    "Studio CodeEditor Apps running on ml.r6id.24xlarge instances": ("studio", "ml.r6id.24xlarge", "app/CodeEditor"),
    "RSessionGateway Apps running on ml.r5.4xlarge instance": ("studio", "ml.r5.4xlarge", "app/RSessionGateway"),
    "RSessionGateway Apps running on ml.t3.large instance": ("studio", "ml.t3.large", "app/RSessionGateway"),
    "RStudioServerPro Apps running on system instances": ("studio", "", ""),
    "Maximum number of running Studio apps allowed per account": ("studio", "", "running_app"),
    "Maximum number of Studio spaces allowed per account": ("studio", "", "space"),
    "Maximum number of Studio user profiles allowed per account": ("studio", "", "user_profile"),
    "Total domains": ("studio", "", "domain"),
    "Number of instances across active endpoints": ("endpoint", "", "endpoint"),
    "Number of instances across all training jobs": ("training_job", "", "training"),
    "Number of instances across all processing jobs": ("processing_job", "", "processing"),
    "Number of instances across all transform jobs": ("transform_job", "", "transform"),
    "Total number of notebook instances": ("notebook_instance", "", ""),
    "Rate of CreateEndpoint requests": ("rate", "", ""),
    "Rate of InvokeEndpoint requests": ("rate", "", ""),
    "Rate of StopNotebookInstance requests": ("rate", "", ""),
    "Rate of CreateStudioLifecycleConfig requests": ("rate", "", ""),
    "Rate of UpdateEndpointWeightsAndCapacities requests": ("rate", "", ""),
    "Rate of DescribeNotebookInstanceLifecycleConfig requests": ("rate", "", ""),
    "Maximum number of MLflow Tracking Servers": ("other", "", "mlflow_tracking_server"),
    "Maximum number of pipelines allowed per account": ("other", "", "pipeline"),
    "Total Monitoring Schedules": ("other", "", "monitoring_schedule"),
    "Maximum number of instances per training job": ("other", "", ""),
    "Maximum number of training jobs each hyper parameter tuning job can run in parallel at once": ("other", "", ""),
    "Maximum number of training jobs that each hyperparameter tuning job with Random search strategy can create": (
        "other",
        "",
        "",
    ),
    "Maximum number of Ground Truth labeling jobs": ("other", "", ""),
    "Maximum number of A2I flow definitions": ("other", "", ""),
    "Maximum number of SageMaker Projects allowed per account": ("other", "", ""),
    "Longest run time for an AutoML job, from creation to termination": ("other", "", ""),
    "Number of elastic inference accelerators across active endpoints": ("other", "", ""),
}


@pytest.mark.parametrize(("name", "means"), NAMES.items(), ids=list(NAMES))
def test_a_name_tells_what_a_quota_limits(name, means):
    assert meaning(name) == means
    assert means[0] in ENUMS["quota_kind"]


def test_there_is_a_name_of_each_kind_and_an_unknown_one_is_of_the_kind_other():
    assert {means[0] for means in NAMES.values()} == set(ENUMS["quota_kind"])
    assert meaning("ml.g5.xlarge for something new") == Meaning("other", "", "")


# -- the example by hand -----------------------------------------------------------------------------------------------


def test_an_account_with_three_endpoints_two_jobs_and_a_notebook_instance(room):
    """Worked out by hand: 2 + 1 ml.m5.xlarge and 1 + 2 ml.g5.xlarge serve, 6 instances in all; and so on."""
    room.endpoint("churn", Variant(instances=2))
    room.endpoint("price", Variant("a", instances=1), Variant("b", instance_type="ml.g5.xlarge", instances=1))
    room.endpoint("chat", Variant(instance_type="ml.g5.xlarge", instances=2))
    room.job("training", "fit", "ml.m5.2xlarge", 3)
    room.job("processing", "clean", "ml.m5.xlarge", 1)
    room.world.add_thing(*WHERE, "notebook_instance", "ann", MADE, InstanceType="ml.t3.medium")
    room.world.change_quota(*WHERE, code_of("ml.g5.xlarge for endpoint usage"), MADE, 4)
    assert room.cycle() == {
        "ml.m5.xlarge for endpoint usage": (8, 3, 0.375, "inventory"),
        "ml.g5.xlarge for endpoint usage": (4, 3, 0.75, "inventory"),
        "Number of instances across active endpoints": (200, 6, 0.03, "inventory"),
        "ml.m5.2xlarge for training job usage": (8, 3, 0.375, "inventory"),
        "Number of instances across all training jobs": (50, 3, 0.06, "inventory"),
        "ml.m5.xlarge for processing job usage": (8, 1, 0.125, "inventory"),
        "Number of instances across all processing jobs": (50, 1, 0.02, "inventory"),
        "ml.t3.medium for notebook instance usage": (4, 1, 0.25, "inventory"),
    }
    assert [run.outcome for run in room.street.runs] == ["ok"] * 3
    info = room.street.ledger.snapshot().chunks["sagemaker_quota_info", room.street.target]
    assert (*WHERE, "L-614B09FD") not in {labels[:3] for labels in info.labels}, "ml.m5.large: not in use"
    name = "ml.m5.2xlarge for training job usage"
    assert (*WHERE, "L-AD0A282D", name, "training_job", "ml.m5.2xlarge", "true", "inventory") in info.labels


def test_what_is_in_use_no_longer_leaves_at_once_and_a_limit_that_is_raised_is_seen_within_the_hour(room):
    room.endpoint("churn")
    code = code_of("ml.m5.xlarge for endpoint usage")
    room.world.change_quota(*WHERE, code, NOW + 10 * MINUTE, 20)
    assert room.cycle()["ml.m5.xlarge for endpoint usage"] == (8, 2, 0.25, "inventory")
    room.world.update_endpoint(*WHERE, "churn", NOW + 30, config=EndpointConfig("new", NOW, (Variant(instances=9),)))
    shown = room.cycle(60)
    assert shown["ml.m5.xlarge for endpoint usage"] == (8, 9, 1.125, "inventory"), "above the limit is above the limit"
    assert room.cycle(HOUR)["ml.m5.xlarge for endpoint usage"] == (20, 9, 0.45, "inventory")
    room.world.delete_endpoint(*WHERE, "churn", NOW + HOUR + 2 * MINUTE)
    assert room.cycle(2 * MINUTE) == {}
    assert room.sent("ListServiceQuotas") == room.sent("ListAWSDefaultServiceQuotas") == 6, "three pages, twice"


def test_a_limit_of_0_has_no_ratio(room):
    room.endpoint("big", Variant(instance_type="ml.p4d.24xlarge", instances=1))
    assert room.cycle()["ml.p4d.24xlarge for endpoint usage"] == (0, 1, None, "inventory")


def test_quotas_that_are_named_are_shown_though_they_are_not_in_use():
    room = Room(
        text='sources: {quotas: {enabled: true, codes: [L-614B09FD, "Rate of Create*", "ml.p5*training job*"]}}'
    )
    room.job("training", "spot", "ml.g5.xlarge", 1, spot=True)
    room.job("training", "not", "ml.g5.xlarge", 1)
    assert room.cycle() == {
        "ml.m5.large for endpoint usage": (8, 0, 0.0, "inventory"),
        "Rate of CreateEndpoint requests": (10, None, None, "none"),
        "Rate of CreateModel requests": (10, None, None, "none"),
        "Rate of CreateNotebookInstanceLifecycleConfig requests": (10, None, None, "none"),
        "Rate of CreateStudioLifecycleConfig requests": (10, None, None, "none"),
        "Rate of CreateWorkteam requests": (10, None, None, "none"),
        "ml.p5.48xlarge for training job usage": (0, 0, None, "inventory"),
        "ml.p5.48xlarge for spot training job usage": (0, 0, None, "inventory"),
        "Number of instances across all training jobs": (50, 2, 0.04, "inventory"),
    }, "of ml.g5.xlarge some are spot and some are not, and how many of which nobody tells"
    room.street.kill()


# -- law ---------------------------------------------------------------------------------------------------------------

TYPES = ("ml.m5.xlarge", "ml.g5.xlarge", "ml.c5.large")
FEW = st.integers(1, 3)


@st.composite
def worlds(draw):
    """Draw a world with endpoints, jobs, notebook instances, apps and a cluster."""
    world = World(listed_after=(0, 0), repeated=0.0)
    types = st.sampled_from(TYPES)
    for nth in range(draw(st.integers(0, 3))):
        variant = Variant(instance_type=draw(types), instances=draw(FEW))
        if draw(st.booleans()):
            variant = Variant(instance_type=None, instances=draw(FEW), pools=TYPES[:2])
        status = draw(st.sampled_from(("InService", "Updating", "Creating", "Failed")))
        world.add_endpoint(*WHERE, f"e-{nth}", MADE, variants=(variant,), status=status)
    for nth in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(("training", "processing", "transform")))
        lives = life(kind, "Completed", draw(st.sampled_from((60.0, 7200.0))))
        spot = kind == "training" and draw(st.booleans())
        world.add_job(*WHERE, kind, f"j-{nth}", NOW - 600, lives=lives, work=Work(draw(types), draw(FEW), spot=spot))
    for nth in range(draw(st.integers(0, 3))):
        status = draw(st.sampled_from(("InService", "Stopped", "Pending")))
        world.add_thing(*WHERE, "notebook_instance", f"n-{nth}", MADE, status=status, InstanceType=draw(types))
    domain = world.add_thing(*WHERE, "domain", "lab", MADE, id="d-000000000001").resource
    for nth in range(draw(st.integers(0, 2))):
        space = world.add_thing(*WHERE, "space", f"s-{nth}", MADE, parent=domain, AppType="JupyterLab").resource
        more = {"AppType": "JupyterLab", "InstanceType": draw(types)}
        world.add_thing(*WHERE, "app", "default", MADE, id=f"JupyterLab/s{nth}", parent=space, **more)
    cluster = world.add_thing(*WHERE, "cluster", "c", MADE, id="abcdefghijkl").resource
    for nth, number in enumerate(draw(st.lists(FEW, max_size=2))):
        facts = {"InstanceType": draw(types), "TargetCount": number}
        world.add_thing(*WHERE, "cluster_instance_group", f"g-{nth}", MADE, parent=cluster, **facts)
        for node in range(number):
            facts = {"InstanceGroupName": f"g-{nth}", "InstanceType": facts["InstanceType"]}
            world.add_thing(
                *WHERE,
                "cluster_node",
                f"i-{nth}{node}",
                MADE,
                id=f"i-{nth}{node}",
                parent=cluster,
                status="Running",
                **facts,
            )
    return world


@given(worlds())
@settings(max_examples=examples(24), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_counted_is_what_is_in_use(world):
    room = Room(world, text=ALL)
    shown = room.cycle()
    truth = used(world.region(*WHERE), room.street.true.time)
    room.street.kill()
    mixed = {one for one in TYPES if truth[f"training-job/{one}"] and truth[f"spot-training-job/{one}"]}
    assert len(shown) == len(table())
    for quota in table().values():
        limit, usage, ratio, source = shown[quota.name]
        what, _, instance_type = quota.limits.partition("/")
        told = quota.limits and what != "studio" and "total_count" not in quota.limits
        if told and not (what.endswith("training-job") and instance_type in mixed):
            assert usage == truth[quota.limits], quota.name
            assert source == "inventory"
            assert ratio == (usage / limit if limit else None)
        elif told:
            assert (usage, ratio, source) == (None, None, "none")


# -- usage metrics -----------------------------------------------------------------------------------------------------


def test_what_aws_counts_goes_before_what_we_count_and_only_what_is_in_use_is_asked_for(room):
    room.world.count_usage(*WHERE, MADE)
    room.endpoint("churn")
    room.world.add_thing(*WHERE, "domain", "lab", MADE, id="d-000000000001")
    room.world.update_endpoint(*WHERE, "churn", NOW - 60, config=EndpointConfig("new", NOW, (Variant(instances=5),)))
    shown = room.cycle()
    assert shown == {
        "ml.m5.xlarge for endpoint usage": (8, 2, 0.25, "usage_metric"),  # as of the newest period that AWS has
        "Number of instances across active endpoints": (200, 2, 0.01, "usage_metric"),
        "Total domains": (5, 1, 0.2, "usage_metric"),
    }
    asked = {"ml.m5.xlarge for endpoint usage", "Number of instances across active endpoints", "Total domains"}
    blind = {"Total number of notebook instances", "Maximum number of Studio user profiles allowed per account"}
    assert (room.sent("GetMetricData"), room.fake.bill.metrics) == (1, len(asked | blind))
    for _ in range(6):
        shown = room.cycle(5 * MINUTE)
    assert room.fake.bill.metrics == 5, "until the hour is over"
    shown = room.cycle(31 * MINUTE)
    assert shown["ml.m5.xlarge for endpoint usage"] == (8, 5, 0.625, "usage_metric")
    assert (room.sent("GetMetricData"), room.fake.bill.metrics) == (2, 10)


def test_a_quota_that_comes_into_use_is_asked_for_at_once_and_then_together_with_the_others(room):
    room.world.count_usage(*WHERE, MADE)
    endpoints = "ml.m5.xlarge for endpoint usage"
    room.cycle()
    before = room.fake.bill.metrics
    room.endpoint("churn", at=NOW + 49 * MINUTE)
    assert room.cycle(50 * MINUTE)[endpoints] == (8, 2, 0.25, "inventory"), "AWS has no number yet"
    assert room.fake.bill.metrics == before + 2
    room.cycle(10 * MINUTE)
    assert (room.sent("GetMetricData"), room.fake.bill.metrics) == (3, before + 2 + before + 2)
    assert room.cycle(HOUR)[endpoints] == (8, 2, 0.25, "usage_metric")
    room.world.delete_endpoint(*WHERE, "churn", NOW + 2 * HOUR + 30)
    assert endpoints not in room.cycle(MINUTE), "AWS will say so in half an hour"


def test_where_aws_no_longer_counts_we_do(room):
    room.world.count_usage(*WHERE, MADE)
    room.endpoint("churn")
    sources = [room.cycle()["ml.m5.xlarge for endpoint usage"][3]]
    room.fake.faults.add("deny", operation="GetMetricData")
    sources += [room.cycle(HOUR)["ml.m5.xlarge for endpoint usage"][3] for _ in range(3)]
    assert sources == ["usage_metric"] * 2 + ["inventory"] * 2


def test_what_aws_has_counted_leaves_when_it_is_too_old(room):
    room.world.count_usage(*WHERE, MADE)
    domain = room.world.add_thing(*WHERE, "user_profile", "ann", MADE, parent="domain/d-000000000001")
    users = "Maximum number of Studio user profiles allowed per account"
    assert room.cycle()[users] == (200, 1, 0.005, "usage_metric")
    room.world.delete_thing(*WHERE, domain, NOW + 60)
    for hours in (1, 2):
        assert users in room.cycle(HOUR), hours  # the last number is of 10 minutes ago, and of an hour and ten
    assert users not in room.cycle(HOUR)


def test_a_metric_that_can_not_be_had_is_told_and_what_we_count_stands_in(room):
    room.world.count_usage(*WHERE, MADE)
    room.endpoint("churn")
    room.fake.faults.add("deny", operation="GetMetricData")
    assert room.cycle()["ml.m5.xlarge for endpoint usage"] == (8, 2, 0.25, "inventory")
    assert room.run.outcome == "partial"
    (failure,) = room.run.failures
    assert (failure.scope, failure.error_class) == ("GetMetricData", "denied")
    assert "cloudwatch:GetMetricData" in failure.detail
    room.cycle(MINUTE)
    assert (room.run.outcome, room.sent("GetMetricData")) == ("partial", 1), "still so, and not asked again each minute"
    room.fake.faults.clear()
    shown = room.cycle(RETRY_AFTER)
    assert (room.run.outcome, shown["ml.m5.xlarge for endpoint usage"][3]) == ("ok", "usage_metric")


@pytest.mark.parametrize("fault", ["partial", "forbidden", "internal_error", "message"])
def test_a_number_for_which_cloudwatch_does_not_vouch_is_not_shown(room, fault):
    room.world.count_usage(*WHERE, MADE)
    room.world.add_thing(*WHERE, "domain", "lab", MADE, id="d-000000000001")
    room.fake.faults.add(fault, namespace="AWS/Usage")
    assert room.cycle() == {}
    assert room.run.outcome == "partial"
    assert {one.error_class for one in room.run.failures} == {"denied" if fault == "forbidden" else "transient"}


def test_metrics_of_what_is_about_to_be_counted_are_waited_for():
    room = Room(run=("inventory", "quotas"))  # whoever follows jobs has not run
    room.world.count_usage(*WHERE, MADE)
    room.job("training", "fit", "ml.m5.xlarge", 1)
    room.cycle()
    before = room.fake.bill.metrics
    assert before == 3, "domains, their users, notebook instances: what nobody here counts"
    room.cycle(WAITS - 1)
    assert room.fake.bill.metrics == before
    assert "Number of instances across all training jobs" in room.cycle(20 * MINUTE), "but not for ever"
    assert room.fake.bill.metrics == before + 3
    room.street.kill()


# -- bad days ----------------------------------------------------------------------------------------------------------


def test_without_permission_nothing_is_shown_and_the_action_is_named(room):
    room.endpoint("churn")
    room.fake.faults.add("deny", operation="ListServiceQuotas")
    assert room.cycle() == {}
    (failure,) = room.run.failures
    assert (room.run.outcome, failure.scope, failure.error_class) == ("denied", "ListServiceQuotas", "denied")
    assert "servicequotas:ListServiceQuotas" in failure.detail
    assert room.sent("ListAWSDefaultServiceQuotas") == 0, "a default need not be what applies"
    room.cycle(MINUTE)
    assert room.run.outcome == "denied"
    assert room.sent("ListServiceQuotas") == 1, "it is not asked again each minute"
    room.fake.faults.clear()
    assert "ml.m5.xlarge for endpoint usage" in room.cycle(RETRY_AFTER)
    assert room.run.outcome == "ok"


def test_without_defaults_what_applies_is_shown_and_the_rest_stays_for_a_while(room):
    room.world.add_thing(*WHERE, "mlflow_tracking_server", "m", MADE)
    servers = "Maximum number of MLflow Tracking Servers"  # of which AWS lists a default only
    assert room.cycle()[servers] == (3, 1, 1 / 3, "inventory")
    room.fake.faults.add("http_500", operation="ListAWSDefaultServiceQuotas")
    room.endpoint("churn", at=NOW + 60)
    shown = room.cycle(HOUR)
    assert {servers, "ml.m5.xlarge for endpoint usage"} <= shown.keys()
    assert (room.run.outcome, [one.scope for one in room.run.failures]) == ("partial", ["ListAWSDefaultServiceQuotas"])
    for _ in range(2):
        shown = room.cycle(HOUR + 60)
    assert servers not in shown, "it was last listed more than three hours ago"
    assert "ml.m5.xlarge for endpoint usage" in shown


def test_limits_that_can_not_be_listed_stand_for_three_hours(room):
    room.endpoint("churn")
    room.cycle()
    room.fake.faults.add("throttle", operation="ListServiceQuotas")
    for _ in range(2):
        assert room.cycle(HOUR)["ml.m5.xlarge for endpoint usage"] == (8, 2, 0.25, "inventory")
        assert room.run.failures[0].error_class == "throttled"
    assert room.cycle(HOUR + 1) == {}


def change_what_applies(street, monkeypatch, change, name):
    """Have AWS list a quota in what applies as changed so."""
    pages = street.aws.pages

    def changed(target, operation, **asked):
        for page in pages(target, operation, **asked):
            if operation == "ListServiceQuotas":
                yield {"Quotas": [{**one, **change} if one["QuotaName"] == name else one for one in page["Quotas"]]}
            else:
                yield page

    monkeypatch.setattr(street.aws, "pages", changed)


def test_of_a_quota_that_aws_lists_and_can_not_tell_the_default_is_not_the_limit(room, monkeypatch):
    """A raised limit looked like its default, which may be used up twelve times."""
    room.endpoint("churn", Variant(instances=24))
    endpoints, all_of_them = "ml.m5.xlarge for endpoint usage", "Number of instances across active endpoints"
    room.world.change_quota(*WHERE, code_of(endpoints), MADE, 100)
    assert room.cycle()[endpoints] == (100, 24, 0.24, "inventory")
    why = {"ErrorCode": "DEPENDENCY_SERVICE_ERROR", "ErrorMessage": "no"}
    change_what_applies(room.street, monkeypatch, {"Value": None, "ErrorReason": why}, endpoints)
    for _ in range(2):
        assert room.cycle(HOUR)[endpoints] == (100, 24, 0.24, "inventory"), "the last one stands for its time"
        assert (room.run.outcome, len(room.run.failures)) == ("partial", 1)
    assert f"can't tell {code_of(endpoints)}: DEPENDENCY_SERVICE_ERROR" in room.run.failures[0].detail
    street = room.street
    street.sources = (*street.sources[:-1], Quotas(street.aws, street.inventory, street.config))  # a reload
    assert room.cycle(MINUTE)[endpoints] == (100, 24, 0.24, "inventory"), "what is on the page stays for its time"
    shown = room.cycle(HOUR)
    assert (endpoints in shown, shown[all_of_them]) == (False, (200, 24, 0.12, "inventory")), "and no longer"
    assert room.run.outcome == "partial"


def test_a_quota_that_applies_to_single_resources_has_no_default_for_the_account(room, monkeypatch):
    room.endpoint("churn")
    endpoints = "ml.m5.xlarge for endpoint usage"
    change_what_applies(room.street, monkeypatch, {"QuotaAppliedAtLevel": "RESOURCE"}, endpoints)
    assert set(room.cycle()) == {"Number of instances across active endpoints"}
    assert room.run.outcome == "ok"


def test_a_broken_page_changes_nothing(room):
    room.endpoint("churn")
    before = room.cycle()
    room.fake.faults.add("truncated", operation="ListServiceQuotas", every=2)
    room.fake.faults.add("empty", operation="ListServiceQuotas", every=3)
    assert room.cycle(HOUR) == before
    assert room.run.outcome in {"ok", "partial"}


def test_use_that_nobody_has_seen_for_long_is_no_use_of_0(room):
    room.endpoint("churn")
    room.job("training", "fit", "ml.m5.2xlarge", 3)
    endpoints, jobs = "ml.m5.xlarge for endpoint usage", "ml.m5.2xlarge for training job usage"
    assert {endpoints, jobs} <= room.cycle().keys()
    room.fake.faults.add("http_500", operation="ListEndpoints")
    room.fake.faults.add("http_500", operation="ListTrainingJobs")
    for _ in range(14):
        shown = room.cycle(MINUTE)
        assert (shown[endpoints][1], shown[jobs][1]) == (2, 3), "the last good values"
    assert endpoints not in room.cycle(MINUTE + 1)
    for _ in range(6):
        shown = room.cycle(MINUTE)
    assert jobs not in shown
    room.fake.faults.clear()
    assert {endpoints, jobs} <= room.cycle(MINUTE).keys()


def test_the_use_of_a_cluster_that_can_not_be_looked_at_any_more_is_not_told_for_ever(room):
    cluster = room.world.add_thing(*WHERE, "cluster", "c", MADE, id="abcdefghijkl").resource
    facts = {"InstanceType": "ml.p5.48xlarge", "TargetCount": 1}
    room.world.add_thing(*WHERE, "cluster_instance_group", "g", MADE, parent=cluster, **facts)
    facts = {"InstanceGroupName": "g", "InstanceType": "ml.p5.48xlarge"}
    node = room.world.add_thing(*WHERE, "cluster_node", "i-1", MADE, parent=cluster, status="Running", **facts)
    used = "ml.p5.48xlarge for cluster usage"
    assert room.cycle()[used][1] == 1
    room.fake.faults.add("deny", operation="DescribeCluster")
    room.world.delete_thing(*WHERE, node, NOW + 60)
    shown = [room.cycle(10 * MINUTE).get(used) for _ in range(24)]
    assert shown[0][1] == 1
    assert set(shown[20:]) == {None}, "what it is now nobody knows"
    room.fake.faults.clear()
    room.cycle(HOUR)
    assert room.cycle(MINUTE).get(used) is None, "none any more"


@pytest.mark.parametrize("off", [-6 * HOUR, -30 * DAY])
def test_when_our_clock_is_set_back_quotas_go_on(room, off):
    """Nothing was due, and nothing too old, until it was as late again by our clock."""
    endpoints, notebooks = "ml.m5.xlarge for endpoint usage", "ml.t3.medium for notebook instance usage"
    room.endpoint("churn")
    room.world.add_thing(*WHERE, "domain", "lab", MADE, id="d-000000000001")
    one = room.world.add_thing(*WHERE, "notebook_instance", "ann", MADE, InstanceType="ml.t3.medium")
    room.cycle()
    room.street.clock.off = off
    room.world.count_usage(*WHERE, MADE)
    room.world.change_quota(*WHERE, code_of(endpoints), NOW + 10 * MINUTE, 20)
    room.world.change_thing(*WHERE, one, NOW + 10 * MINUTE, "Stopped")
    assert {endpoints, notebooks} <= room.cycle(MINUTE).keys()
    assert notebooks not in room.cycle(10 * MINUTE), "none is in use"
    shown = room.cycle(HOUR)
    assert shown[endpoints] == (20, 2, 0.1, "usage_metric")
    assert shown["Total domains"] == (5, 1, 0.2, "usage_metric")
    room.fake.faults.add("deny", operation="ListServiceQuotas")
    room.fake.faults.add("deny", operation="GetMetricData")
    for _ in range(2):
        assert endpoints in room.cycle(HOUR)
    assert room.cycle(HOUR + MINUTE) == {}


def test_what_was_put_off_by_a_clock_that_was_ahead_is_due_at_once(room, monkeypatch):
    """Nobody has told us what time it is before AWS's first answer."""
    room.world.count_usage(*WHERE, MADE)
    room.endpoint("churn")
    with monkeypatch.context() as at_first:
        at_first.setattr(room.street.aws, "now", lambda: NOW + 5 * DAY)
        room.cycle()
    lists, metrics = room.sent("ListServiceQuotas"), room.sent("GetMetricData")
    assert room.cycle(MINUTE)["ml.m5.xlarge for endpoint usage"] == (8, 2, 0.25, "usage_metric")
    assert (room.sent("ListServiceQuotas"), room.sent("GetMetricData")) == (2 * lists, metrics + 1)


def test_what_can_not_be_listed_since_our_clock_was_set_back_is_in_use_no_longer_than_else(room):
    endpoints, notebooks = "ml.m5.xlarge for endpoint usage", "ml.t3.medium for notebook instance usage"
    room.endpoint("churn")
    room.world.add_thing(*WHERE, "notebook_instance", "ann", MADE, InstanceType="ml.t3.medium")
    assert room.cycle().keys() >= {endpoints, notebooks}
    room.street.clock.off = -6 * HOUR
    for operation in ("ListEndpoints", "ListNotebookInstances"):
        room.fake.faults.add("deny", operation=operation)
    for _ in range(14):
        assert room.cycle(MINUTE).keys() >= {endpoints, notebooks}
    room.cycle(MINUTE)
    assert room.cycle(MINUTE + 1) == {}


# -- literal answers and counts ----------------------------------------------------------------------------------------


def test_an_answer_is_read_as_aws_means_it():
    metric = {"MetricNamespace": "AWS/Usage", "MetricName": "ResourceCount", "MetricDimensions": {"b": "2", "a": "1"}}
    listed = [
        {"QuotaCode": "L-1", "QuotaName": "ml.g5.xlarge for endpoint usage", "Value": 2.0, "UsageMetric": metric},
        {"QuotaCode": "L-2", "QuotaName": "of each", "Value": 3.0, "QuotaAppliedAtLevel": "RESOURCE"},
        {"QuotaCode": "L-3", "ErrorReason": {"ErrorCode": "SERVICE_QUOTA_NOT_AVAILABLE_ERROR", "ErrorMessage": "no"}},
        {"QuotaCode": "L-4", "Value": 4.0, "UsageMetric": {**metric, "MetricName": "CallCount"}},
        {"QuotaCode": "L-5", "Value": 5.0, "UsageMetric": {}},
    ]
    found, failed = limits("ListServiceQuotas", [{"Quotas": listed[:2]}, {"Quotas": listed[2:]}], NOW)
    assert [code for code, one in found.items() if one] == ["L-1", "L-4", "L-5"]
    assert [code for code, one in found.items() if not one] == ["L-2", "L-3"], "listed, without a limit of the account"
    assert found["L-1"].metric == ("AWS/Usage", "ResourceCount", (("a", "1"), ("b", "2")), "Maximum")
    assert (found["L-4"].metric, found["L-5"].metric) == (None, None), "calls are no stock; nothing is nothing"
    assert [(one.scope, one.error_class) for one in failed] == [("ListServiceQuotas", "transient")]
    assert failed[0].detail == "AWS can't tell L-3: SERVICE_QUOTA_NOT_AVAILABLE_ERROR: no"
    with pytest.raises(AwsError, match="unreadable"):
        limits("ListServiceQuotas", [{"Quotas": [{"QuotaCode": 1}]}], NOW)
    many = ({"Quotas": [{"QuotaCode": f"L-{page}-{n}", "Value": 1.0} for n in range(100)]} for page in range(1000))
    with pytest.raises(AwsError, match=f"{MOST:,}"):
        limits("ListServiceQuotas", many, NOW)


def told(**families):
    """Return what the ledger knows of these families, the target's labels left out."""
    values = {name: {(*WHERE, *labels): value for labels, value in of.items()} for name, of in families.items()}
    looked = {scope_of(of, SIZE) for of in ("training", "processing") if INSTANCES in families}
    looked |= {scope_of("training", KEPT)} if POOLS in families else set()
    return Known(
        values=lambda family: values.get(family, {}),
        looked=lambda source, scope: NOW - 60 if source == "job_polling" and scope in looked else 0.0,
    )


def counted(known, what, instance_type="", text=""):
    count = count_of(Counts(parse(text)).now(Census(), known, NOW), what)
    return count and count.of(instance_type)


def spot(*jobs):
    """Return facts about training jobs: instance type and whether it is spot."""
    return {("training", f"j{n}", one, is_spot, "none", ""): 1.0 for n, (one, is_spot) in enumerate(jobs)}


@pytest.mark.parametrize(
    ("jobs", "on_demand", "spot_ones"),
    [
        ((("ml.a", "false"),), 4.0, 0.0),
        ((("ml.a", "true"), ("ml.a", "true")), 0.0, 4.0),
        ((("ml.a", "true"), ("ml.a", "false")), math.nan, math.nan),
        ((("ml.a", "true"), ("", "false")), math.nan, math.nan),
        ((("ml.a", "true"), ("", "true")), 0.0, 4.0),
        ((("", "true"),), 0.0, 4.0),
        ((), math.nan, math.nan),
    ],
    ids=["on demand", "spot", "both", "one of several types may be either", "or is the same", "it alone", "not told"],
)
def test_spot_is_told_apart_where_it_can_be(jobs, on_demand, spot_ones):
    known = told(**{INSTANCES: {("training", "ml.a"): 4.0}, FACTS: spot(*jobs)})
    found = [counted(known, what, "ml.a") for what in ("on_demand_training", "spot_training", "training")]
    assert found == pytest.approx([on_demand, spot_ones, 4.0], nan_ok=True)
    assert [counted(known, what, "ml.b") for what in ("on_demand_training", "spot_training")] == [0.0, 0.0]


def test_what_is_beyond_the_bound_of_its_label_is_of_any_type_that_has_no_number():
    on = {("training", "ml.a"): 4.0, ("training", "other"): 2.0, ("processing", "ml.a"): 1.0}
    known = told(**{INSTANCES: on})
    assert (counted(known, "training", "ml.a"), counted(known, "training")) == (4.0, 6.0)
    assert math.isnan(counted(known, "training", "ml.b")), "two jobs may be on it"
    assert counted(known, "processing", "ml.b") == 0.0


def test_of_warm_pools_it_is_known_where_there_are_none():
    known = told(**{POOLS: {("ml.a", "Available"): 2.0}})
    assert math.isnan(counted(known, "warm_pool", "ml.a"))
    assert counted(known, "warm_pool", "ml.b") == 0.0
    several = told(**{POOLS: {("", "InUse"): 1.0}})
    assert math.isnan(counted(several, "warm_pool", "ml.b")), "of several types, of any"


@pytest.mark.parametrize(
    "text",
    [
        "sources: {job_polling: {enabled: false}}",
        "families: {exclude: [sagemaker_job_instances, sagemaker_training_job_warm_pools]}",
        "resources: {include: [prod-*]}",
        "resources: {exclude: ['*-scratch']}",
        "resources: {include: ['*'], exclude: ['*-scratch']}",
    ],
)
def test_what_nobody_tells_of_jobs_is_not_known(text):
    known = told(**{INSTANCES: {("training", "ml.a"): 4.0}, FACTS: spot(("ml.a", "true")), POOLS: {}})
    for what in ("training", "on_demand_training", "spot_training", "warm_pool", "processing"):
        assert counted(known, what, "ml.a", text) is None
    assert counted(told(), "training") is None, "not listed yet"
    assert counted(told(**{INSTANCES: {}}), "training") == 0.0, "looked at, and there is nothing"
    late = told(**{INSTANCES: {}})._replace(looked=lambda *_: NOW - HOUR)
    assert counted(late, "training") is None, "not lately"
    ahead = told(**{INSTANCES: {}})._replace(looked=lambda *_: NOW + HOUR)
    assert counted(ahead, "training") is None, "our clock was set back since: it may have been long ago"


@pytest.mark.parametrize("text", ["resources: {include: ['*']}", "resources: {tags: {team: ml-*}}"])
def test_jobs_of_which_none_is_left_out_are_counted(text):
    """Tags choose endpoints and components alone, which are counted as they are listed."""
    known = told(**{INSTANCES: {("training", "ml.a"): 4.0}})
    assert counted(known, "training", "ml.a", text) == 4.0


@pytest.mark.parametrize("selected", ["include: [prod-*]", "exclude: [dev-*]", "tags: {team: ml}"])
def test_what_is_not_wanted_is_used_all_the_same(selected):
    """The limit is the account's: a share of what is wanted alone would promise room that there is not."""
    room = Room(text=f"{{{ENABLED}, resources: {{{selected}}}}}")
    room.endpoint("dev-churn")
    room.job("training", "prod-fit", "ml.m5.xlarge", 1)
    room.job("training", "dev-fit", "ml.m5.xlarge", 7)
    shown = room.cycle()
    assert shown["ml.m5.xlarge for endpoint usage"] == (8, 2, 0.25, "inventory")
    jobs = shown.get("ml.m5.xlarge for training job usage")
    assert jobs == ((8, 8, 1.0, "inventory") if "tags" in selected else None)
    room.street.kill()


def test_where_jobs_are_left_out_aws_tells_what_they_use():
    room = Room(text=f"{{{ENABLED}, resources: {{include: [prod-*]}}}}")
    room.world.count_usage(*WHERE, MADE)
    room.job("training", "dev-fit", "ml.m5.xlarge", 7)
    room.cycle()
    assert room.cycle(HOUR)["Number of instances across all training jobs"] == (50, 7, 0.14, "usage_metric")
    room.street.kill()


def test_things_are_counted_while_their_listing_is_fresh():
    def census(at, status="InService"):
        app = Thing("app", "a", status, NOW - HOUR, 0.0, {"AppType": "JupyterLab", "ResourceSpec.InstanceType": "ml.a"})
        pipelines = {str(n): Thing("pipeline", str(n), "", 0.0, 0.0) for n in range(3)}
        return Census(things={"app": Things({"a": app}, at), "pipeline": Things(pipelines, at)})

    def found(census, what, instance_type=""):
        count = count_of(Counts(parse("")).now(census, told(), NOW), what)
        return count and count.of(instance_type)

    assert found(census(NOW), "pipeline") == 3.0
    assert (found(census(NOW), "running_app"), found(census(NOW, "Deleted"), "running_app")) == (1.0, 0.0)
    assert found(census(NOW), "app/JupyterLab", "ml.a") == 1.0
    assert found(census(NOW), "app/CodeEditor", "ml.a") == 0.0
    assert found(census(NOW), "domain") is None, "nobody lists them"
    assert found(census(NOW - 901), "pipeline") is None
    assert found(census(NOW - 901), "app/JupyterLab", "ml.a") is None
    assert found(census(0.0), "pipeline") is None


def test_what_was_seen_by_a_clock_that_was_ahead_stands_no_longer_than_what_was_seen_just_now():
    app = Thing("app", "a", "InService", NOW, 0.0, {"AppType": "JupyterLab", "ResourceSpec.InstanceType": "ml.a"})
    at = NOW + 6 * HOUR
    census = Census(endpoints_at=at, things={"app": Things({"a": app}, at), "pipeline": Things({}, at)})
    counts = Counts(parse("")).now(census, told(), NOW)
    assert {"endpoint", "app/JupyterLab", "running_app", "pipeline"} <= counts.keys()
    assert {one.until for one in counts.values()} == {NOW + 900}


# -- forecast ----------------------------------------------------------------------------------------------------------


def test_an_hour_takes_what_is_forecast(room):
    room.world.count_usage(*WHERE, MADE)
    room.endpoint("churn")
    source = room.street.sources[-1]
    room.cycle()
    forecast = source.forecast({room.street.target: room.street.inventory.census(room.street.target)}, 1.0, NOW)
    before = Counter(room.fake.bill.requests), room.fake.bill.metrics
    for _ in range(12):
        room.cycle(5 * MINUTE)
    sent = Counter(room.fake.bill.requests) - before[0]
    for operation, number in forecast.calls.items():
        assert sum(sent[name] for name in sent if name.endswith(f".{operation}")) == number
    assert forecast.every == (HOUR,)
    assert room.fake.bill.metrics - before[1] == forecast.metrics


def test_a_survey_lists_and_tells_what_could_not_be_listed(room):
    source = room.street.sources[-1]
    assert source.survey(room.street.target, NOW) == ()
    room.fake.faults.add("deny", service="servicequotas")
    assert [one.scope for one in source.survey(room.street.target, NOW)] == ["ListServiceQuotas"]
    room.fake.faults.clear()
    fresh = Room()
    assumed = fresh.street.sources[-1].forecast({fresh.street.target: Census()}, 1.0, NOW)
    assert assumed.calls["ListServiceQuotas"] == 17, "a page for each hundred of what AWS has"
    fresh.street.kill()
