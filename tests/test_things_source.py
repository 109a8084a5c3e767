"""Things of all kinds, as families: a census in, a reading out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from msgspec import structs
from worlds import HERE, T0

from exporter.catalogue import CATALOGUE
from exporter.config import parse
from exporter.inventory import KINDS, Census, Thing, Things, Told
from exporter.model import DAY, HOUR, MINUTE, Known
from exporter.sources.inventory import InventorySource

NOW = float(T0)
ALL = "families: {include: ['*']}"


def read(census, text=ALL, *, scopes=(), now=NOW):
    """Return the reading of a literal census."""
    inventory = SimpleNamespace(look=lambda *_: census)
    return InventorySource(inventory, parse(text)).read(HERE, Known(scopes=frozenset(scopes)), now)


def shown(reading, family):
    """Return the values of a family by the labels after the target's."""
    found = [sample for sample in reading.samples if sample.family == f"sagemaker_{family}"]
    values = {sample.labels[2:]: sample.value for sample in found}
    assert len(values) == len(found), "a series is shown once"
    return values


def holds(states):
    """Return the labels that hold in a state set."""
    return {labels for labels, value in states.items() if value}


def thing(kind, name="a", status="", *, told=None, **facts):
    """Return a thing that was listed now, and what calls told of it a minute ago."""
    at = {operation: Told(tuple(items), NOW - MINUTE) for operation, items in (told or {}).items()}
    return Thing(kind, name, status, NOW - DAY, NOW - HOUR, {KINDS[kind].names[0]: name, **facts}, told=at)


def census(*things, at=NOW, pages=1, **more):
    """Return a census of these things; what was told of them is of the state that they are in."""
    found = {}
    for n, one in enumerate(things):
        key = f"{one.name}{n}" if one.kind in {"app", "space", "model_package"} else one.name
        found.setdefault(one.kind, {})[key] = settled(one)
    return Census(things={kind: Things(by_key, at, pages) for kind, by_key in found.items()}, at=NOW, **more)


def settled(one):
    for call in KINDS[one.kind].calls:
        if call.operation in one.told:
            told = one.told[call.operation]
            at = NOW if call.always else told.at
            state = (one.status, one.created, one.modified, one.signal, *map(one.facts.get, call.watches))
            others = [other for other in KINDS[one.kind].calls if other.always and not call.always]
            seen = tuple(
                frozenset({(tuple(item.values()), 1) for item in one.told[other.operation].items})
                for other in others
                if other.operation in one.told
            )
            told = Told(told.items, at, (*state, *seen), told.at)
            one = structs.replace(one, told={**one.told, call.operation: told})
    return one


# -- notebooks and Studio ----------------------------------------------------------------------------------------------


def test_notebook_instances():
    reading = read(
        census(
            thing("notebook_instance", "a", "InService", InstanceType="ml.t3.medium"),
            thing("notebook_instance", "b", "InService", InstanceType="ml.t3.medium"),
            thing("notebook_instance", "c", "Stopped", InstanceType="ml.p3.2xlarge"),
        )
    )
    states = shown(reading, "notebook_instance_status")
    assert holds(states) == {("a", "InService"), ("b", "InService"), ("c", "Stopped")}
    assert {word for name, word in states if name == "a"} == set(
        CATALOGUE["sagemaker_notebook_instance_status"].known("status")
    )
    assert shown(reading, "notebook_instance_info") == {
        ("a", "ml.t3.medium"): 1.0,
        ("b", "ml.t3.medium"): 1.0,
        ("c", "ml.p3.2xlarge"): 1.0,
    }
    assert shown(reading, "notebook_instances") == {
        ("ml.t3.medium", "InService"): 2.0,
        ("ml.p3.2xlarge", "Stopped"): 1.0,
    }
    assert shown(reading, "notebook_instance_last_modified_timestamp_seconds")[("a",)] == NOW - HOUR
    assert shown(reading, "resources") == {
        ("notebook_instance", "InService"): 2.0,
        ("notebook_instance", "Stopped"): 1.0,
    }


def test_a_status_that_is_not_known_passes_through():
    states = shown(read(census(thing("domain", "d", "Hibernating"))), "domain_status")
    assert holds(states) == {("d", "Hibernating")}
    assert states["d", "InService"] == 0.0


def test_a_domain_goes_by_its_id():
    reading = read(census(Thing("domain", "research", "InService", 1.0, 2.0, {"DomainId": "d-1", "DomainName": "r"})))
    assert shown(reading, "domain_info") == {("d-1", "r"): 1.0}
    assert holds(shown(reading, "domain_status")) == {("d-1", "InService")}


def app(name="default", status="InService", kind="JupyterLab", instance="ml.t3.medium", used=None, check=None, **facts):
    given = {"LastUserActivityTimestamp": used, "LastHealthCheckTimestamp": check}
    told = {"DescribeApp": [{name: at for name, at in given.items() if at is not None}]}
    facts = {"DomainId": "d", "AppName": name, "AppType": kind, "ResourceSpec.InstanceType": instance, **facts}
    return thing("app", name, status, told=told, **facts)


def test_apps():
    reading = read(census(app("a"), app("b"), app("c", "Failed"), app("d", kind="KernelGateway"), app("e", "Deleted")))
    assert shown(reading, "apps") == {
        ("JupyterLab", "ml.t3.medium", "InService"): 2.0,
        ("JupyterLab", "ml.t3.medium", "Failed"): 1.0,
        ("KernelGateway", "ml.t3.medium", "InService"): 1.0,
        ("JupyterLab", "ml.t3.medium", "Deleted"): 1.0,
    }
    names = {labels[2] for labels in shown(reading, "app_info")}
    assert names == {"a", "b", "d"}, "only apps that run"
    assert shown(reading, "app_created_timestamp_seconds")["d", "JupyterLab", "a", ""] == NOW - DAY
    assert shown(reading, "app_last_user_activity_timestamp_seconds") == {}


def test_apps_that_labels_do_not_tell_apart_are_shown_as_one():
    apps = (
        app(SpaceName="s", used=NOW - 50, check=NOW - 10),
        app(UserProfileName="ann", used=NOW - 900),
        app(UserProfileName="bob", used=NOW - 300),
        app(UserProfileName="eve", used=NOW - 5, check=NOW - 5),
    )
    older = Thing("app", "default", "InService", NOW - 2 * DAY, 0.0, {**apps[1].facts, "UserProfileName": "zoe"})
    reading = read(census(*apps, older))
    of_users = ("d", "JupyterLab", "default", "")
    assert shown(reading, "app_last_user_activity_timestamp_seconds") == {
        ("d", "JupyterLab", "default", "s"): NOW - 50,
        of_users: NOW - 300,
    }
    created = shown(reading, "app_created_timestamp_seconds")
    assert created == {("d", "JupyterLab", "default", "s"): NOW - DAY, of_users: NOW - 2 * DAY}
    assert shown(reading, "app_info") == {
        ("d", "JupyterLab", "default", "s", "ml.t3.medium"): 1.0,
        (*of_users, "ml.t3.medium"): 1.0,
    }


def test_the_storage_of_spaces_is_that_of_their_domain():
    size = "SpaceSettingsSummary.SpaceStorageSettings.EbsStorageSettings.EbsVolumeSizeInGb"
    spaces = [
        thing("space", "s", "InService", DomainId=domain, **facts)
        for domain, facts in (("d-1", {size: 5.0}), ("d-1", {size: 20.0}), ("d-2", {size: 1.0}), ("d-3", {}))
    ]
    assert shown(read(census(*spaces)), "space_storage_bytes") == {
        ("d-1",): 25.0 * 2**30,
        ("d-2",): 2.0**30,
        ("d-3",): 0.0,
    }


# -- feature groups, work teams, pipelines -----------------------------------------------------------------------------


def test_a_feature_group():
    described = {
        "LastUpdateStatus.Status": "Failed",
        "OnlineStoreConfig.EnableOnlineStore": True,
        "OnlineStoreConfig.StorageType": "InMemory",
        "OnlineStoreTotalSizeBytes": 2048.0,
        "ThroughputConfig.ThroughputMode": "Provisioned",
        "ThroughputConfig.ProvisionedReadCapacityUnits": 100.0,
        "ThroughputConfig.ProvisionedWriteCapacityUnits": 0.0,
    }
    facts = {"OfflineStoreStatus.Status": "Blocked"}
    reading = read(census(thing("feature_group", "f", "Created", told={"DescribeFeatureGroup": [described]}, **facts)))
    assert holds(shown(reading, "feature_group_status")) == {("f", "Created")}
    assert holds(shown(reading, "feature_group_offline_store_status")) == {("f", "Blocked")}
    assert holds(shown(reading, "feature_group_last_update_status")) == {("f", "Failed")}
    assert shown(reading, "feature_group_info") == {("f", "true", "InMemory", "Provisioned"): 1.0}
    assert shown(reading, "feature_group_online_store_size_bytes") == {("f",): 2048.0}
    assert shown(reading, "feature_group_provisioned_read_capacity_units") == {("f",): 100.0}
    assert shown(reading, "feature_group_provisioned_write_capacity_units") == {("f",): 0.0}
    assert shown(reading, "feature_group_created_timestamp_seconds") == {("f",): NOW - DAY}


@pytest.mark.parametrize(
    ("described", "info"),
    [
        ({}, ("false", "", "")),
        (
            {"OnlineStoreConfig.EnableOnlineStore": False, "OnlineStoreConfig.StorageType": "Standard"},
            ("false", "", ""),
        ),
        ({"OnlineStoreConfig.EnableOnlineStore": True}, ("true", "Standard", "")),
        ({"ThroughputConfig.ThroughputMode": "OnDemand"}, ("false", "", "OnDemand")),
    ],
)
def test_a_feature_group_without_this_or_that(described, info):
    reading = read(census(thing("feature_group", "f", "Created", told={"DescribeFeatureGroup": [described]})))
    assert shown(reading, "feature_group_info") == {("f", *info): 1.0}
    for family in ("offline_store_status", "last_update_status", "online_store_size_bytes"):
        assert shown(reading, f"feature_group_{family}") == {}


def test_members_of_a_work_team():
    team = thing("workteam", "t", **{"MemberDefinitions[]": ({}, {})})
    reading = read(census(team))
    assert shown(reading, "workteam_members") == {("t",): 2.0}
    assert shown(reading, "resources") == {}, "not by default"
    counted = f"{{{ALL}, sources: {{inventory: {{resource_types: {{include: [work*]}}}}}}}}"
    assert shown(read(census(team), counted), "resources") == {("workteam", ""): 1.0}


def test_pipelines():
    reading = read(census(thing("pipeline", "p", LastExecutionTime=NOW - 5), thing("pipeline", "never")))
    assert shown(reading, "pipeline_last_execution_timestamp_seconds") == {("p",): NOW - 5}
    assert shown(reading, "pipeline_last_modified_timestamp_seconds") == {("p",): NOW - HOUR, ("never",): NOW - HOUR}
    assert shown(reading, "resources") == {("pipeline", ""): 2.0}


# -- Model Monitor -----------------------------------------------------------------------------------------------------


def test_a_monitoring_schedule():
    told = {
        "ListMonitoringExecutions": [{"ScheduledTime": NOW - 300, "MonitoringExecutionStatus": "InProgress"}],
        "ListMonitoringAlerts": [
            {"MonitoringAlertName": "drift", "AlertStatus": "InAlert"},
            {"MonitoringAlertName": "bias", "AlertStatus": "OK"},
        ],
    }
    facts = {"EndpointName": "churn", "MonitoringType": "DataQuality"}
    reading = read(census(thing("monitoring_schedule", "m", "Scheduled", told=told, **facts)))
    assert holds(shown(reading, "model_monitor_schedule_status")) == {("m", "Scheduled")}
    assert shown(reading, "model_monitor_schedule_info") == {("m", "churn", "DataQuality"): 1.0}
    assert holds(shown(reading, "model_monitor_last_execution_status")) == {("m", "InProgress")}
    assert shown(reading, "model_monitor_last_execution_timestamp_seconds") == {("m",): NOW - 300}
    assert holds(shown(reading, "model_monitor_alert_status")) == {("m", "drift", "InAlert"), ("m", "bias", "OK")}


def test_a_schedule_that_has_never_run_has_no_last_execution():
    told = {"ListMonitoringExecutions": [], "ListMonitoringAlerts": []}
    reading = read(census(thing("monitoring_schedule", "m", "Scheduled", told=told)))
    assert shown(reading, "model_monitor_last_execution_status") == {}
    assert "ListMonitoringExecutions/m" in reading.looked


# -- training plans, clusters ------------------------------------------------------------------------------------------


def test_a_training_plan():
    described = {
        "AvailableInstanceCount": 1.0,
        "InUseInstanceCount": 2.0,
        "UnhealthyInstanceCount": 3.0,
        "AvailableSpareInstanceCount": 4.0,
    }
    facts = {"StartTime": NOW, "EndTime": NOW + DAY, "UpfrontFee": "1234.50", "CurrencyCode": "USD"}
    plan = thing("training_plan", "p", "Active", told={"DescribeTrainingPlan": [described]}, **facts)
    reading = read(census(plan))
    assert holds(shown(reading, "training_plan_status")) == {("p", "Active")}
    assert shown(reading, "training_plan_instances") == {
        ("p", "available"): 1.0,
        ("p", "in_use"): 2.0,
        ("p", "unhealthy"): 3.0,
        ("p", "spare"): 4.0,
    }
    assert shown(reading, "training_plan_start_timestamp_seconds") == {("p",): NOW}
    assert shown(reading, "training_plan_end_timestamp_seconds") == {("p",): NOW + DAY}
    assert shown(reading, "training_plan_upfront_fee_usd") == {("p",): 1234.5}


@pytest.mark.parametrize(
    ("fee", "currency"), [("12", "EUR"), ("a lot", "USD"), ("", "USD"), ("nan", "USD"), ("12", "")]
)
def test_a_fee_that_is_not_a_number_of_dollars(fee, currency):
    plan = thing("training_plan", "p", "Active", UpfrontFee=fee, CurrencyCode=currency)
    assert shown(read(census(plan)), "training_plan_upfront_fee_usd") == {}


def node(name="i-1", status="Running", group="workers"):
    return {"InstanceGroupName": group, "InstanceId": name, "InstanceStatus.Status": status}


GROUPS = {
    "InstanceGroups[]": (
        {
            "InstanceGroupName": "workers",
            "InstanceType": "ml.p5.48xlarge",
            "Status": "Degraded",
            "CurrentCount": 2.0,
            "TargetCount": 3.0,
            "ImageVersionStatus": "UpToDate",
        },
    ),
    "RestrictedInstanceGroups[]": ({"InstanceGroupName": "spare", "InstanceType": "ml.c5.large", "TargetCount": 0.0},),
}


def cluster(*nodes, **described):
    return thing("cluster", "c", "InService", told={"ListClusterNodes": nodes, "DescribeCluster": [GROUPS | described]})


def test_a_cluster_and_its_groups():
    arn = {"Orchestrator.Eks.ClusterArn": "arn:aws:eks:eu-west-1:123456789012:cluster/ml", "NodeRecovery": "Automatic"}
    reading = read(census(cluster(**arn)))
    assert holds(shown(reading, "cluster_status")) == {("c", "InService")}
    assert shown(reading, "cluster_info") == {("c", "eks", "ml", "Automatic"): 1.0}
    assert holds(shown(reading, "cluster_instance_group_status")) == {("c", "workers", "Degraded")}
    assert shown(reading, "cluster_instance_group_info") == {
        ("c", "workers", "ml.p5.48xlarge", "UpToDate"): 1.0,
        ("c", "spare", "ml.c5.large", ""): 1.0,
    }
    assert shown(reading, "cluster_instance_group_current_instances") == {("c", "workers"): 2.0}
    assert shown(reading, "cluster_instance_group_target_instances") == {("c", "workers"): 3.0, ("c", "spare"): 0.0}
    assert shown(read(census(cluster())), "cluster_info") == {("c", "slurm", "", ""): 1.0}


def test_nodes_of_a_cluster_are_counted_also_where_there_are_none():
    reading = read(census(cluster(node(), node("i-2"), node("i-3", "Failure"), node("i-4", "Odd", "late"))))
    counts = shown(reading, "cluster_nodes")
    assert {labels: value for labels, value in counts.items() if value} == {
        ("c", "workers", "Running"): 2.0,
        ("c", "workers", "Failure"): 1.0,
        ("c", "late", "Odd"): 1.0,
    }
    words = CATALOGUE["sagemaker_cluster_nodes"].known("status")
    assert {labels for labels in counts if labels[1] == "spare"} == {("c", "spare", word) for word in words}
    assert holds(shown(reading, "cluster_node_status")) >= {("c", "workers", "i-3", "Failure")}


# -- the model registry ------------------------------------------------------------------------------------------------


def package(group="g", version=1.0, approval="Approved", status="Completed", created=NOW):
    facts = {"ModelPackageVersion": version, "ModelApprovalStatus": approval}
    return Thing("model_package", group, status, created, 0.0, facts)


def test_model_packages_are_told_of_by_group():
    packages = (
        package(version=2.0, created=NOW - 5),
        package(version=10.0, approval="Rejected", created=NOW - 3),
        package(version=9.0, approval="Odd", status="Failed", created=NOW - 4),
    )
    reading = read(census(*packages, thing("model_package_group", "g", "Completed"), thing("model_package_group", "e")))
    assert {labels: value for labels, value in shown(reading, "model_package_group_packages").items() if value} == {
        ("g", "Approved"): 1.0,
        ("g", "Rejected"): 1.0,
        ("g", "Odd"): 1.0,
    }
    assert {labels for labels in shown(reading, "model_package_group_packages") if labels[0] == "e"} == {
        ("e", word) for word in ("Approved", "Rejected", "PendingManualApproval")
    }
    assert shown(reading, "model_package_group_failed_packages") == {("g",): 1.0, ("e",): 0.0}
    assert shown(reading, "model_package_group_latest_version") == {("g",): 10.0}
    assert shown(reading, "model_package_group_latest_version_timestamp_seconds") == {("g",): NOW - 3}
    assert holds(shown(reading, "model_package_group_status")) >= {("g", "Completed")}
    assert shown(reading, "resources") == {("model_package_group", "Completed"): 1.0, ("model_package_group", ""): 1.0}


def test_groups_that_could_not_be_listed_for_long_are_not_made_up():
    for age, there in ((900, True), (901, False)):
        groups = Things({"e": thing("model_package_group", "e")}, NOW - age)
        packages = Things({"1": package()}, NOW)
        found = Census(things={"model_package_group": groups, "model_package": packages})
        assert (("e",) in shown(read(found), "model_package_group_failed_packages")) is there


def test_packages_of_groups_that_are_not_wanted_are_not_counted():
    packages = census(package("g"), package("x"), *(thing("model_package_group", name) for name in "gx"))
    reading = read(packages, f"{{{ALL}, resources: {{exclude: [x]}}}}")
    assert {labels[0] for labels in shown(reading, "model_package_group_packages")} == {"g"}


@pytest.mark.parametrize(("active", "value"), [("Active", 1.0), ("Inactive", 0.0)])
def test_a_tracking_server(active, value):
    told = {"DescribeMlflowTrackingServer": [{"TrackingServerSize": "Small", "MlflowVersion": "3.0"}]}
    reading = read(census(thing("mlflow_tracking_server", "t", "Started", told=told, IsActive=active)))
    assert holds(shown(reading, "mlflow_tracking_server_status")) == {("t", "Started")}
    assert shown(reading, "mlflow_tracking_server_active") == {("t",): value}
    assert shown(reading, "mlflow_tracking_server_info") == {("t", "Small", "3.0"): 1.0}


# -- what is looked at, what stays, what is gone -----------------------------------------------------------------------


def test_what_was_not_listed_now_is_not_looked_at():
    old = census(thing("pipeline", "p"), cluster(), at=NOW - 60)
    reading = read(old, scopes={"ListPipelines", "DescribeCluster/c", "DescribeCluster/gone"})
    assert (reading.samples, reading.looked) == ((), ())


def test_what_a_complete_listing_does_not_show_is_gone():
    scopes = {"ListClusters", "DescribeCluster/c", "DescribeCluster/gone", "ListClusterNodes/gone"}
    assert set(read(census(cluster()), scopes=scopes).looked) == {*scopes, "ListClusterNodes/c"}


def test_a_kind_that_is_not_asked_any_more_leaves():
    scopes = {"ListPipelines", "DescribeCluster/c", "ListClusters", "scaling"}
    assert set(read(census(thing("pipeline", "p")), scopes=scopes).looked) == {
        "ListPipelines",
        "DescribeCluster/c",
        "ListClusters",
    }


def test_what_is_not_wanted_is_not_shown_and_leaves():
    found = census(thing("pipeline", "p"), thing("pipeline", "q"), cluster())
    reading = read(found, f"{{{ALL}, resources: {{include: [q]}}}}", scopes={"DescribeCluster/c"})
    assert shown(reading, "pipeline_last_modified_timestamp_seconds") == {("q",): NOW - HOUR}
    assert shown(reading, "resources") == {("pipeline", ""): 1.0}
    assert shown(reading, "cluster_status") == {}
    assert set(reading.looked) == {"ListPipelines", "ListClusters", "DescribeCluster/c"}


def test_a_description_of_another_state_is_not_shown_as_if_it_were_new():
    (plan,) = (
        census(thing("training_plan", "p", "Active", told={"DescribeTrainingPlan": [{"InUseInstanceCount": 1.0}]}))
        .things["training_plan"]
        .by_key.values()
    )
    before = Census(things={"training_plan": Things({"p": plan}, NOW)})
    assert "DescribeTrainingPlan/p" in read(before).looked
    for change in ({"status": "Expired"}, {"facts": {**plan.facts, "InUseInstanceCount": 2.0}}, {"status": "Pending"}):
        changed = Thing(**{name: getattr(plan, name) for name in plan.__struct_fields__} | change)
        reading = read(Census(things={"training_plan": Things({"p": changed}, NOW)}))
        assert "DescribeTrainingPlan/p" not in reading.looked, "what was shown stays for its time"
        assert shown(reading, "training_plan_instances") == {}


def test_a_description_that_has_become_too_old_is_not_shown():
    plan = thing("training_plan", "p", "Active", told={"DescribeTrainingPlan": [{"InUseInstanceCount": 1.0}]})
    found = census(plan)
    for age, there in ((HOUR + 15 * MINUTE - 1, True), (HOUR + 15 * MINUTE + 1, False)):
        told = found.things["training_plan"].by_key["p"].told["DescribeTrainingPlan"]
        aged = Thing(
            **{name: getattr(plan, name) for name in plan.__struct_fields__ if name != "told"},
            told={"DescribeTrainingPlan": Told(told.items, NOW - age, told.of)},
        )
        reading = read(Census(things={"training_plan": Things({"p": aged}, NOW)}))
        assert bool(shown(reading, "training_plan_instances")) is there


@pytest.mark.parametrize(("pages", "seconds"), [(1, 900), (50, 900), (101, 1800)])
def test_what_is_listed_seldom_stays_longer(pages, seconds):
    reading = read(census(thing("pipeline", "p"), pages=pages))
    assert {sample.until - NOW for sample in reading.samples} == {seconds}


def test_a_source_that_is_off_shows_nothing():
    reading = read(census(thing("pipeline", "p")), "sources: {inventory: {enabled: false}}", scopes={"ListClusters"})
    assert (reading.samples, reading.looked) == ((), ())
