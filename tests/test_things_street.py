"""Things of all kinds, from the fake AWS to the page: each family, whatever fails, as the truth has it."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from furnished import WHERE, furnish
from street import ACCOUNT, REGION, Street
from worlds import T0, values

from exporter.aws.operations import OPERATIONS
from exporter.catalogue import CATALOGUE, permissions
from exporter.demo import World
from exporter.demo.fake import _BY_TARGET
from exporter.demo.resources import Component
from exporter.inventory import COUNTED, KINDS
from exporter.model import HOUR, MINUTE

ALL = "{families: {include: ['*']}, sources: {inventory: {resource_types: {include: ['*']}}}}"
FAMILIES = {
    name
    for kind in KINDS.values()
    for one in (kind, *kind.calls)
    for name in one.families
    if CATALOGUE[name].source == "inventory"
}


def street_of(world, text=ALL):
    """Return a street on which no rate limit binds, with nothing on it but the inventory."""
    street = Street(world, text=text, kinds=True)
    street.aws._rates = dict.fromkeys(OPERATIONS, 1e6)
    street.sources = street.sources[:1]
    return street


@pytest.fixture(scope="module")
def furnished():
    street = street_of(furnish(World()))
    street.snapshot = street.cycle(MINUTE)
    yield street
    street.kill()


def shown(street, family):
    return {labels[2:]: value for labels, value in values(street.snapshot, f"sagemaker_{family}").items()}


def holds(street, family):
    return {labels for labels, value in shown(street, family).items() if value}


def test_all_of_it_could_be_looked_at(furnished):
    assert [(run.outcome, run.failures) for run in furnished.runs] == [("ok", ())]


@pytest.mark.parametrize("family", sorted({*FAMILIES, COUNTED}))
def test_every_family_appears_with_its_labels(furnished, family):
    labels = furnished.snapshot.chunks[family, furnished.target].labels
    assert labels
    for one in labels:
        assert one[:2] == (ACCOUNT, REGION)
        assert len(one) == len(CATALOGUE[family].labels)
        assert all(one[:-1]) or family in {COUNTED, "sagemaker_cluster_instance_group_info"}


def test_every_kind_is_counted(furnished):
    assert {kind for kind, _ in holds(furnished, "resources")} == set(CATALOGUE[COUNTED].known("resource_type")) - {
        "inference_component"
    }


def test_numbers_are_those_of_the_account(furnished):
    assert shown(furnished, "notebook_instances") == {
        ("ml.t3.medium", "InService"): 3.0,
        ("ml.p3.2xlarge", "Stopped"): 1.0,
    }
    assert holds(furnished, "cluster_node_status") == {
        ("frontier", "workers", f"i-{n:017d}", status) for n, status in enumerate(("Running", "Running", "Failure"))
    }
    assert shown(furnished, "training_plan_instances") == {
        ("spring", "available"): 0.0,
        ("spring", "in_use"): 3.0,
        ("spring", "unhealthy"): 1.0,
        ("spring", "spare"): 2.0,
    }
    assert shown(furnished, "space_storage_bytes") == {("d-000000000001",): 20.0 * 2**30}
    assert holds(furnished, "model_package_group_packages") == {
        ("fraud", "Approved"),
        ("fraud", "PendingManualApproval"),
    }
    assert shown(furnished, "model_package_group_latest_version") == {("fraud",): 2.0}
    assert shown(furnished, "app_last_user_activity_timestamp_seconds") == {
        ("d-000000000001", "JupyterLab", "default", "lab"): T0 - HOUR
    }
    assert shown(furnished, "pipeline_last_execution_timestamp_seconds") == {("train",): T0 - HOUR}
    assert holds(furnished, "model_monitor_alert_status") == {("quality", "drift", "InAlert")}


def test_all_that_the_policy_allows_is_used_and_nothing_else():
    world = furnish(World())
    world.add_component(*WHERE, Component("llama", "churn", "AllTraffic", T0 - HOUR))
    text = ALL.replace("families:", "resources: {tags: {team: '*'}}, families:")
    street = street_of(world, text)
    street.cycle(MINUTE)
    policy = permissions.policy(["inventory"], ["inventory"])
    (statement,) = policy["Statement"]
    metrics = {"cloudwatch:ListMetrics", "sts:GetCallerIdentity"}
    assert set().union(*street.fake.bill.actions.values()) - metrics == set(statement["Action"])
    street.kill()


def test_by_default_the_usual_kinds_are_asked_and_the_others_are_not():
    street = street_of(furnish(World()), "")
    street.cycle(MINUTE)
    asked = {call["call"].partition(".")[2] for call in street.fake.calls}
    lists = {kind.operation for kind in KINDS.values()}
    assert asked & lists == {kind.operation for kind in KINDS.values() if kind.asked}
    assert "DescribeApp" not in asked, "a call for each app"
    assert "DescribeCluster" in asked
    street.kill()


def test_an_hour_takes_as_many_calls_as_are_forecast():
    street = street_of(furnish(World()))
    for _ in range(61):
        street.cycle(MINUTE)
    street.fake.calls.clear()
    (forecast,) = [
        source.forecast({street.target: street.inventory.census(street.target)}, 0.0, 0.0) for source in street.sources
    ]
    for _ in range(60):
        street.cycle(MINUTE)
    seen = Counter(call["call"].partition(".")[2] for call in street.fake.calls)
    of_kinds = {one.operation for kind in KINDS.values() for one in (kind, *kind.calls)}
    assert {name: seen[name] for name in of_kinds} == {name: forecast.calls[name] for name in of_kinds}
    street.kill()


def test_an_execution_that_ends_is_seen_in_the_next_run():
    world = furnish(World())
    street = street_of(world)
    street.snapshot = street.cycle(MINUTE)
    assert holds(street, "model_monitor_last_execution_status") == {("quality", "InProgress")}
    (execution,) = world.region(*WHERE).jobs.listing("monitoring_execution")
    world.enter_status(*WHERE, execution, T0 + 90, "CompletedWithViolations")
    street.snapshot = street.cycle(MINUTE)
    assert holds(street, "model_monitor_last_execution_status") == {("quality", "CompletedWithViolations")}
    street.kill()


def test_a_node_that_breaks_and_a_group_that_follows():
    world = furnish(World())
    street = street_of(world)
    street.cycle(MINUTE)
    node = next(one for one in world.region(*WHERE).things if one.name == "i-00000000000000000")
    group = next(one for one in world.region(*WHERE).things if one.kind.name == "cluster_instance_group")
    world.change_thing(*WHERE, node, T0 + 90, "Failure")
    world.change_thing(*WHERE, group, T0 + 90, "Degraded")
    street.snapshot = street.cycle(MINUTE)
    assert shown(street, "cluster_nodes")["frontier", "workers", "Failure"] == 2.0
    assert holds(street, "cluster_instance_group_status") == {("frontier", "workers", "Degraded")}
    street.kill()


def test_a_region_that_does_not_know_a_kind_is_asked_an_hour_later(monkeypatch):
    sagemaker = _BY_TARGET["SageMaker"]
    known = {name: answer for name, answer in sagemaker.operations.items() if name != "ListClusters"}
    street = street_of(furnish(World()))
    with monkeypatch.context() as patch:
        patch.setitem(_BY_TARGET, "SageMaker", sagemaker._replace(operations=known))
        street.snapshot = street.cycle(MINUTE)
        assert [(one.scope, one.error_class) for one in street.runs[0].failures] == [("ListClusters", "bug")]
    assert shown(street, "cluster_status") == {}
    assert shown(street, "domain_info")
    street.cycle(HOUR - MINUTE)
    assert "ListClusters" not in {call["call"].partition(".")[2] for call in street.fake.calls}
    street.snapshot = street.cycle(MINUTE)
    assert holds(street, "cluster_status") == {("frontier", "InService")}
    street.kill()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_fails_the_last_good_listing_is_shown_for_its_time_and_nothing_else(seed):
    luck = random.Random(seed)
    world = World()
    street = street_of(world, "")
    alive, truth, good = {}, set(), 0.0
    for _ in range(80):
        now = street.true.time
        if luck.random() < 0.5 or not alive:
            name = f"nb-{luck.randrange(6)}"
            if name not in alive:
                alive[name] = world.add_thing(*WHERE, "notebook_instance", name, now, InstanceType="ml.t3.medium")
        else:
            world.delete_thing(*WHERE, alive.pop(luck.choice(sorted(alive))), now)
        street.fake.faults.clear()
        kind = luck.choice(["", "", "deny", "http_500", "garbage", "truncated", "empty"])
        if kind:
            street.fake.faults.add(kind, operation="ListNotebookInstances")
        street.snapshot = street.cycle(luck.choice([MINUTE, MINUTE, 5 * MINUTE]))
        if not kind:
            truth, good = set(alive), street.inventory.census(street.target).at
        fresh = street.true.time < good + 15 * MINUTE
        assert {name for name, _ in shown(street, "notebook_instance_status")} == (truth if fresh else set())
        assert shown(street, "notebook_instances") == (
            {("ml.t3.medium", "InService"): len(truth)} if fresh and truth else {}
        )
    street.kill()
