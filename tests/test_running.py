"""What runs on instances, out of literal censuses and out of a look at the fake AWS."""

from __future__ import annotations

import pytest
from furnished import furnish
from msgspec import structs
from street import Street
from worlds import T0

from exporter.demo import World
from exporter.inventory import KINDS, Census, Endpoint, Inventory, Pacing, Thing, Things, Told, Variant, known_since
from exporter.inventory import running as _running
from exporter.inventory.kinds import wanted
from exporter.model import HOUR

NOW = float(T0)


def running(census):
    return sorted((one.resource_type, one.name, one.instance_type, one.count) for one in _running(census))


def variant(name="main", instance_type="ml.m5.xlarge", count=2, **facts):
    config = {"InstanceType": instance_type} if instance_type else {}
    return Variant(name, "production", {"CurrentInstanceCount": count, **facts}, config)


def endpoint(name, *variants, status="InService", at=NOW):
    return Endpoint(name, status, NOW - HOUR, NOW - 60, {}, variants, at, (status, NOW - 60))


def endpoints(*some, at=NOW):
    return Census(endpoints={one.name: one for one in some}, endpoints_at=at)


def things(kind, *some, at=NOW):
    return Census(endpoints_at=at, things={kind: Things({one.name: one for one in some}, at)})


def thing(kind, name, status, told=(), at=NOW, **facts):
    of = (status, NOW - HOUR, NOW - 60, (), *map(facts.get, [w for call in KINDS[kind].calls for w in call.watches]))
    tells = next((call.operation for call in KINDS[kind].calls if call.runs), "")
    return Thing(
        kind, name, status, NOW - HOUR, NOW - 60, facts, told={tells: Told(tuple(told), at, of)} if told else {}
    )


def test_an_endpoint_runs_on_what_its_variants_have_now():
    pools = [
        {"InstanceType": "ml.g5.xlarge", "CurrentInstanceCount": 3},
        {"InstanceType": "ml.g4dn.xlarge", "CurrentInstanceCount": 0},
    ]
    census = endpoints(
        endpoint("churn", variant("blue"), variant("green", "ml.c5.large", 1)),
        endpoint("pooled", variant(instance_type="", count=3, InstancePools=pools)),
        endpoint("serverless", variant(instance_type="", count=0, CurrentServerlessConfig={"MaxConcurrency": 5})),
        endpoint("scaled-in", variant(count=0)),
    )
    assert running(census) == [
        ("endpoint", "churn", "ml.c5.large", 1),
        ("endpoint", "churn", "ml.m5.xlarge", 2),
        ("endpoint", "pooled", "ml.g5.xlarge", 3),
    ]
    assert known_since(census) == {"endpoint": NOW}
    (first, *_) = _running(census)
    assert structs.astuple(first)[4:] == (NOW - HOUR, NOW - 60, "InService", NOW, "")


@pytest.mark.parametrize(
    ("status", "runs"),
    [
        ("InService", True),
        ("Updating", True),
        ("SystemUpdating", True),
        ("RollingBack", True),
        ("UpdateRollbackFailed", True),
        ("Creating", False),
        ("Deleting", False),
        ("Failed", False),
        ("OutOfService", False),
    ],
)
def test_an_endpoint_holds_instances_while_it_serves(status, runs):
    census = endpoints(endpoint("churn", variant(), status=status))
    assert bool(running(census)) is runs
    assert known_since(census) == {"endpoint": NOW}


def test_what_is_not_described_yet_is_not_nothing():
    census = endpoints(endpoint("known", variant()), Endpoint("new", "InService", NOW, NOW))
    assert running(census) == [("endpoint", "known", "ml.m5.xlarge", 2)]
    assert known_since(census) == {"endpoint": 0.0}
    census = endpoints(endpoint("no-config", variant(instance_type="")))
    assert running(census) == []
    assert known_since(census) == {"endpoint": 0.0}
    assert known_since(Census()) == {"endpoint": 0.0}, "before the first look"


def test_a_description_holds_while_nothing_changes_and_ages_when_something_has():
    steady = endpoint("steady", variant(), at=NOW - 1800)
    assert known_since(endpoints(steady)) == {"endpoint": NOW}
    changed = structs.replace(steady, modified=NOW - 30)
    assert known_since(endpoints(changed)) == {"endpoint": NOW - 1800}
    restless = endpoint("restless", variant(), status="Updating", at=NOW - 120)
    assert known_since(endpoints(steady, restless)) == {"endpoint": NOW - 120}


def test_a_notebook_instance_runs_while_it_is_in_service():
    def notebook(name, status):
        return thing("notebook_instance", name, status, InstanceType="ml.t3.medium")

    others = set(KINDS["notebook_instance"].statuses) - {"InService"}
    census = things("notebook_instance", notebook("nb", "InService"), *(notebook(f"nb-{o}", o) for o in others))
    assert running(census) == [("notebook_instance", "nb", "ml.t3.medium", 1)]
    assert known_since(census) == {"endpoint": NOW, "notebook_instance": NOW}


@pytest.mark.parametrize(
    ("app_type", "instance_type", "on"),
    [
        ("JupyterLab", "ml.g4dn.xlarge", "ml.g4dn.xlarge"),
        ("JupyterServer", "system", None),
        ("KernelGateway", "system", "ml.t3.medium"),
        ("KernelGateway", "ml.m5.large", "ml.m5.large"),
        ("Canvas", "", None),
    ],
)
def test_an_app_runs_on_an_instance_of_its_own_or_on_none(app_type, instance_type, on):
    facts = {"AppType": app_type} | ({"ResourceSpec.InstanceType": instance_type} if instance_type else {})
    census = things("app", thing("app", "a", "InService", **facts), thing("app", "b", "Pending", **facts))
    assert running(census) == ([("app", "a", on, 1)] if on else [])
    assert [one.app_type for one in _running(census)] == ([app_type] if on else [])


def test_a_cluster_runs_on_the_current_instances_of_its_groups():
    groups = {
        "InstanceGroups[]": (
            {"InstanceGroupName": "w", "InstanceType": "ml.p5.48xlarge", "CurrentCount": 8.0, "TargetCount": 16.0},
            {
                "InstanceGroupName": "flexible",
                "CurrentCount": 3.0,
                "InstanceTypeDetails[]": (
                    {"InstanceType": "ml.g5.xlarge", "CurrentCount": 1.0},
                    {"InstanceType": "ml.g6.xlarge", "CurrentCount": 2.0},
                ),
            },
        ),
        "RestrictedInstanceGroups[]": ({"InstanceType": "ml.p5e.48xlarge", "CurrentCount": 4.0},),
    }
    census = things("cluster", thing("cluster", "frontier", "InService", (groups,), at=NOW - 1800))
    assert running(census) == [
        ("cluster", "frontier", "ml.g5.xlarge", 1),
        ("cluster", "frontier", "ml.g6.xlarge", 2),
        ("cluster", "frontier", "ml.p5.48xlarge", 8),
        ("cluster", "frontier", "ml.p5e.48xlarge", 4),
    ]
    assert known_since(census)["cluster"] == NOW
    updating = things("cluster", thing("cluster", "frontier", "Updating", (groups,), at=NOW - 180))
    assert known_since(updating)["cluster"] == NOW - 180
    assert known_since(things("cluster", thing("cluster", "frontier", "Creating")))["cluster"] == 0.0


def test_a_tracking_server_runs_while_it_is_active():
    def server(name, status, active="Active"):
        told = ({"TrackingServerSize": "Medium"},)
        return thing("mlflow_tracking_server", name, status, told, IsActive=active)

    census = things(
        "mlflow_tracking_server",
        server("a", "Created"),
        server("b", "Stopped"),
        server("c", "Creating"),
        server("d", "Updated", "Inactive"),
    )
    assert running(census) == [("mlflow_tracking_server", "a", "Medium", 1)]


def test_what_a_look_at_aws_finds_runs():
    world = furnish(World(listed_after=(0, 0), repeated=0.0))
    street = Street(world)
    try:
        street.true.time = NOW
        kinds = wanted(lambda _: False, (), runs=True)
        assert {one.kind.name for one in kinds} == {"notebook_instance", "app", "cluster", "mlflow_tracking_server"}
        assert [call.operation for one in kinds for call in one.calls] == [
            "DescribeCluster",
            "DescribeMlflowTrackingServer",
        ]
        inventory = Inventory(street.aws, {}, Pacing(kinds=kinds), street.admission)
        census = inventory.look(street.target, NOW)
        assert not census.failures
        found = running(census)
        assert ("endpoint", "churn", "ml.m5.xlarge", 1) in found
        assert [one[1] for one in found if one[0] == "notebook_instance"] == ["nb-0", "nb-1", "nb-2"]
        assert {one[0] for one in found} >= {"endpoint", "notebook_instance", "app", "cluster"}
        assert known_since(census) == dict.fromkeys(("endpoint", *(one.kind.name for one in kinds)), NOW)
    finally:
        street.kill()
