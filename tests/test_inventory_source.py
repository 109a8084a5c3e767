"""What exists, as families: a census in, a reading out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from msgspec import structs
from street import ACCOUNT, REGION, Street
from worlds import HERE, T0, values

from exporter.catalogue import CATALOGUE
from exporter.config import parse
from exporter.demo import World, default_world
from exporter.inventory import COUNTED, Census, Component, Endpoint, ScalingBound, Variant
from exporter.model import DAY, HOUR, Failure, Known
from exporter.sources.inventory import InventorySource

NOW = float(T0)
ENDPOINTS = "sagemaker_endpoint_"
COMPONENTS = "sagemaker_inference_component_"


def read(census, text="", *, scopes=(), now=NOW):
    """Return the reading of a literal census."""
    inventory = SimpleNamespace(look=lambda *_: census)
    return InventorySource(inventory, parse(text)).read(HERE, Known(scopes=frozenset(scopes)), now)


def shown(reading, family):
    """Return the values of a family by the labels after the target's."""
    return {sample.labels[2:]: sample.value for sample in reading.samples if sample.family == f"sagemaker_{family}"}


def variant(name="main", role="production", config=None, **facts):
    return Variant(name, role, {"VariantName": name, **facts}, config or {"ModelName": "m"})


def endpoint(name="churn", status="InService", variants=(), *, described=True, **facts):
    found = Endpoint(name, status, NOW - 2 * DAY, NOW - DAY, {"EndpointConfigName": "v1", **facts}, tuple(variants))
    known = (status, NOW - DAY) if described else ("", 0.0)
    return structs.replace(found, described_at=NOW - HOUR if described else 0.0, described_as=known)


def component(name="llama", status="InService", **facts):
    found = Component(name, "churn", "main", status, NOW - 2 * DAY, NOW - DAY, facts)
    return structs.replace(found, described_at=NOW - HOUR, described_as=(status, NOW - DAY))


def census(*things, **more):
    endpoints = {one.name: one for one in things if isinstance(one, Endpoint)}
    components = {one.name: one for one in things if isinstance(one, Component)}
    at = {"endpoints_at": NOW, "components_at": NOW, "scaling_at": NOW, "at": NOW}
    return Census(**{"endpoints": endpoints, "components": components, **at, **more})


# -- endpoints ---------------------------------------------------------------------------------------------------------


def test_an_endpoint():
    reading = read(census(endpoint()))
    assert shown(reading, "endpoint_info") == {("churn", "v1", "realtime"): 1.0}
    assert shown(reading, "endpoint_created_timestamp_seconds") == {("churn",): NOW - 2 * DAY}
    assert shown(reading, "endpoint_last_modified_timestamp_seconds") == {("churn",): NOW - DAY}
    assert shown(reading, "endpoint_deployment_start_timestamp_seconds") == {}
    assert set(reading.looked) == {"endpoints", "components", "scaling", "endpoint/churn"}
    assert reading.failed == ()


@pytest.mark.parametrize("status", CATALOGUE["sagemaker_endpoint_status"].known("status"))
def test_a_state_set_has_all_states_and_one_holds(status):
    states = shown(read(census(endpoint(status=status))), "endpoint_status")
    assert set(states) == {("churn", one) for one in CATALOGUE["sagemaker_endpoint_status"].known("status")}
    assert [labels[1] for labels, value in states.items() if value == 1.0] == [status]


def test_a_status_that_is_not_known_passes_through():
    states = shown(read(census(endpoint(status="Hibernating"))), "endpoint_status")
    assert states["churn", "Hibernating"] == 1.0
    assert sum(states.values()) == 1.0
    assert states["churn", "InService"] == 0.0


@pytest.mark.parametrize(
    ("facts", "of_variant", "config", "kind"),
    [
        ({}, {}, {"ModelName": "m"}, "realtime"),
        ({"AsyncInferenceConfig": {"OutputConfig": {}}}, {}, {"ModelName": "m"}, "asynchronous"),
        ({}, {"CurrentServerlessConfig": {"MemorySizeInMB": 1024}}, {"ModelName": "m"}, "serverless"),
        ({}, {}, {"InstanceType": "ml.g5.xlarge"}, "inference_components"),
    ],
)
def test_how_an_endpoint_serves(facts, of_variant, config, kind):
    one = endpoint(variants=[variant(config=config, **of_variant)], **facts)
    assert shown(read(census(one)), "endpoint_info") == {("churn", "v1", kind): 1.0}


def test_a_variant():
    one = variant(
        config={"ModelName": "m", "InstanceType": "ml.m5.large"},
        CurrentInstanceCount=2,
        DesiredInstanceCount=3,
        CurrentWeight=0.5,
        DesiredWeight=1.0,
        ManagedInstanceScaling={"MinInstanceCount": 1, "MaxInstanceCount": 4},
        RoutingConfig={"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
    )
    reading = read(census(endpoint(variants=[one, variant("new", "shadow")])))
    assert shown(reading, "endpoint_variant_info") == {
        ("churn", "main", "production", "ml.m5.large", "m", "LEAST_OUTSTANDING_REQUESTS"): 1.0,
        ("churn", "new", "shadow", "", "m", ""): 1.0,
    }
    for family, value in {
        "current_instances": 2.0,
        "desired_instances": 3.0,
        "current_weight": 0.5,
        "desired_weight": 1.0,
        "managed_min_instances": 1.0,
        "managed_max_instances": 4.0,
    }.items():
        assert shown(reading, f"endpoint_variant_{family}") == {("churn", "main"): value}
    assert shown(reading, "endpoint_variant_serverless_memory_bytes") == {}


def test_a_serverless_variant():
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 20, "ProvisionedConcurrency": 5}
    reading = read(census(endpoint(variants=[variant(CurrentServerlessConfig=serverless)])))
    assert shown(reading, "endpoint_variant_serverless_memory_bytes") == {("churn", "main"): 2048 * 2**20}
    assert shown(reading, "endpoint_variant_serverless_max_concurrency") == {("churn", "main"): 20.0}
    assert shown(reading, "endpoint_variant_serverless_provisioned_concurrency") == {("churn", "main"): 5.0}


def test_a_variant_of_several_instance_types_names_none():
    pools = {"InstancePools": [{"InstanceType": "ml.m5.xlarge"}, {"InstanceType": "ml.c5.xlarge"}], "ModelName": "m"}
    alike = {"InstancePools": [{"InstanceType": "ml.m5.xlarge"}, {"InstanceType": "ml.m5.xlarge"}], "ModelName": "m"}
    reading = read(census(endpoint(variants=[variant("a", config=pools), variant("b", config=alike)])))
    assert {labels[1]: labels[3] for labels in shown(reading, "endpoint_variant_info")} == {
        "a": "",
        "b": "ml.m5.xlarge",
    }


def test_a_deployment_that_goes_on():
    text = "families: {include: [sagemaker_endpoint_variant_status]}"
    one = endpoint(
        status="Updating",
        variants=[variant(VariantStatus=[{"Status": "Baking"}, {"Status": "Creating"}])],
        PendingDeploymentSummary={"StartTime": NOW - 300},
    )
    reading = read(census(one), text)
    assert shown(reading, "endpoint_deployment_start_timestamp_seconds") == {}, "described before it was Updating"
    reading = read(census(structs.replace(one, described_at=NOW)), text)
    assert shown(reading, "endpoint_deployment_start_timestamp_seconds") == {("churn",): NOW - 300}
    steps = shown(reading, "endpoint_variant_status")
    assert {labels[2] for labels, value in steps.items() if value} == {"Baking", "Creating"}


@pytest.mark.parametrize(
    ("capture", "share"),
    [
        ({"EnableCapture": True, "CaptureStatus": "Started", "CurrentSamplingPercentage": 20}, 0.2),
        ({"EnableCapture": True, "CaptureStatus": "Stopped", "CurrentSamplingPercentage": 20}, 0.0),
        ({"EnableCapture": False, "CaptureStatus": "Started", "CurrentSamplingPercentage": 20}, 0.0),
    ],
)
def test_data_capture(capture, share):
    reading = read(census(endpoint(DataCaptureConfig=capture)), "families: {include: ['sagemaker_endpoint_*']}")
    assert shown(reading, "endpoint_data_capture_sampling_ratio") == {("churn",): share}
    assert shown(reading, "endpoint_publish_period_seconds") == {("churn",): 60.0}


def test_an_endpoint_that_was_never_described_has_a_status_all_the_same():
    reading = read(census(endpoint(described=False)))
    assert shown(reading, "endpoint_status")["churn", "InService"] == 1.0
    assert shown(reading, "endpoint_info") == {}
    assert "endpoint/churn" not in reading.looked


def test_a_description_of_another_state_is_not_shown_as_if_it_were_new():
    changed = structs.replace(endpoint(variants=[variant(CurrentInstanceCount=2)]), modified=NOW - 60)
    reading = read(census(changed))
    assert shown(reading, "endpoint_variant_current_instances") == {}
    assert "endpoint/churn" not in reading.looked, "what was shown stays for its time"


# -- components and scaling --------------------------------------------------------------------------------------------


def test_a_component():
    one = component(
        Specification={
            "ModelName": "llama-2",
            "ComputeResourceRequirements": {
                "NumberOfCpuCoresRequired": 0.5,
                "NumberOfAcceleratorDevicesRequired": 1,
                "MinMemoryRequiredInMb": 1024,
            },
        },
        RuntimeConfig={"CurrentCopyCount": 0, "DesiredCopyCount": 2},
    )
    reading = read(census(one))
    assert shown(reading, "inference_component_info") == {("llama", "churn", "main", "llama-2", ""): 1.0}
    for family, value in {
        "current_copies": 0.0,
        "desired_copies": 2.0,
        "required_cpu_cores": 0.5,
        "required_accelerators": 1.0,
        "required_memory_bytes": 2.0**30,
        "last_modified_timestamp_seconds": NOW - DAY,
    }.items():
        assert shown(reading, f"inference_component_{family}") == {("llama",): value}
    assert shown(reading, "inference_component_status")["llama", "InService"] == 1.0


def test_an_adapter_shares_what_carries_it():
    reading = read(census(component("adapter", Specification={"BaseInferenceComponentName": "llama"})))
    assert shown(reading, "inference_component_info") == {("adapter", "churn", "main", "", "llama"): 1.0}
    assert shown(reading, "inference_component_required_memory_bytes") == {}


@pytest.mark.parametrize(
    ("resource", "dimension", "families"),
    [
        (
            "endpoint/churn/variant/main",
            "sagemaker:variant:DesiredInstanceCount",
            {"endpoint_variant_scaling_%s_capacity": ("churn", "main", "DesiredInstanceCount")},
        ),
        (
            "endpoint/churn/variant/main",
            "sagemaker:variant:DesiredProvisionedConcurrency",
            {"endpoint_variant_scaling_%s_capacity": ("churn", "main", "DesiredProvisionedConcurrency")},
        ),
        (
            "inference-component/llama",
            "sagemaker:inference-component:DesiredCopyCount",
            {"inference_component_scaling_%s_copies": ("llama",)},
        ),
        ("something/new", "sagemaker:something:New", {}),
        ("endpoint/churn", "sagemaker:variant:DesiredInstanceCount", {}),
    ],
)
def test_bounds_of_scaling(resource, dimension, families):
    reading = read(census(scaling=(ScalingBound(resource, dimension, 1, 6),)))
    found = {sample.family: (sample.labels[2:], sample.value) for sample in reading.samples}
    assert found == {
        f"sagemaker_{family % which}": (labels, value)
        for family, labels in families.items()
        for which, value in (("min", 1.0), ("max", 6.0))
    }


@pytest.mark.parametrize(("text", "stay"), [("", 900), ("{list_metrics_every: 1h}", 3 * HOUR)])
def test_bounds_of_scaling_stay_until_the_slow_timer_has_had_three_chances(text, stay):
    bound = ScalingBound("inference-component/llama", "sagemaker:inference-component:DesiredCopyCount", 1, 6)
    reading = read(census(scaling=(bound,)), f"sources: {{inventory: {text or '{}'}}}")
    assert {sample.until - NOW for sample in reading.samples} == {stay}


# -- what can't be looked at, and what is gone -------------------------------------------------------------------------


def test_what_was_not_listed_now_is_not_looked_at():
    """Its last values stay for as long as they were given: the ledger keeps them."""
    before = census(endpoint(), endpoints_at=NOW - 60, components_at=NOW - 60, scaling_at=NOW - 60)
    reading = read(before, scopes={"endpoint/churn", "endpoint/gone"})
    assert (reading.samples, reading.looked) == ((), ())


def test_a_failure_is_handed_on():
    failed = Failure("ListEndpoints", "denied", "no permission")
    assert read(census(failures=(failed,))).failed == (failed,)


def test_what_a_complete_listing_does_not_show_is_looked_at_and_empty():
    reading = read(census(endpoint()), scopes={"endpoint/churn", "endpoint/gone", "component/gone", "scaling"})
    assert set(reading.looked) == {
        "endpoints",
        "components",
        "scaling",
        "endpoint/churn",
        "endpoint/gone",
        "component/gone",
    }
    assert {sample.scope for sample in reading.samples} == {"endpoints", "endpoint/churn"}


def test_what_is_not_wanted_is_not_shown_and_leaves():
    reading = read(census(endpoint(), endpoint("fraud")), "resources: {exclude: [churn]}", scopes={"endpoint/churn"})
    assert {labels[0] for labels in shown(reading, "endpoint_status")} == {"fraud"}
    assert not [sample for sample in reading.samples if "churn" in sample.labels]
    assert shown(reading, "resources") == {("endpoint", "InService"): 1.0}
    assert "endpoint/churn" in reading.looked


def test_tags_choose():
    tags = {"endpoint/churn": {"team": "ml"}, "inference-component/llama": {"team": "llm"}}
    reading = read(census(endpoint(), endpoint("fraud"), component(), tags=tags), "resources: {tags: {team: ml}}")
    assert {labels[0] for labels in shown(reading, "endpoint_status")} == {"churn"}
    assert shown(reading, "inference_component_status") == {}
    assert shown(reading, "resources") == {("endpoint", "InService"): 1.0}


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [("{}", 900), ("{every: 10m}", 1800), ("{last_good: 20s}", 20), ("{every: 10m, last_good: 1h}", 3600)],
)
def test_how_long_the_last_good_values_stand(settings, seconds):
    reading = read(census(endpoint()), f"sources: {{inventory: {settings}}}")
    assert {sample.until for sample in reading.samples} == {NOW + seconds}


def test_a_source_that_is_off_shows_nothing_and_looks_all_the_same():
    reading = read(census(endpoint()), "sources: {inventory: {enabled: false}}", scopes={"endpoint/gone"})
    assert (reading.samples, reading.looked) == ((), ())


def test_endpoints_and_components_are_counted_by_status():
    things = endpoint(), endpoint("b"), endpoint("c", "Failed"), component()
    counts = {("endpoint", "InService"): 2.0, ("endpoint", "Failed"): 1.0, ("inference_component", "InService"): 1.0}
    assert shown(read(census(*things)), "resources") == counts
    without = "sources: {inventory: {resource_types: {exclude: [endpoint]}}}"
    assert set(shown(read(census(*things), without), "resources")) == {("inference_component", "InService")}


def test_families_that_are_off_are_not_shown():
    reading = read(census(endpoint()), "families: {exclude: ['sagemaker_endpoint_*', sagemaker_resources]}")
    assert reading.samples == ()
    assert "endpoints" in reading.looked


# -- the whole street --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def street():
    text = "families: {include: ['sagemaker_endpoint_*', 'sagemaker_inference_component_*']}"
    street = Street(default_world(begin=T0, endpoints=12), text=text)
    street.snapshot = street.cycle(60)
    yield street
    street.kill()


def test_every_family_of_the_inventory_appears_with_its_labels(street):
    """Those of endpoints and components; the others are in test_things_street."""
    names = "sagemaker_endpoint_", "sagemaker_inference_component_", COUNTED
    rows = [row for row in CATALOGUE.values() if row.source == "inventory" and row.name.startswith(names)]
    assert len(rows) >= 30
    for row in rows:
        for labels in street.snapshot.chunks[row.name, street.target].labels:
            assert labels[:2] == (ACCOUNT, REGION)
            assert len(labels) == len(row.labels)


def test_numbers_of_the_street_are_those_of_the_account(street):
    place, now = street.fake.world.region(ACCOUNT, REGION), street.true.time
    created = values(street.snapshot, "sagemaker_endpoint_created_timestamp_seconds")
    copies = values(street.snapshot, "sagemaker_inference_component_current_copies")
    assert {labels[2]: at for labels, at in created.items()} == {
        one.name: one.created for one in place.endpoints_at(now)
    }
    assert {labels[2]: n for labels, n in copies.items()} == {one.name: one.copies for one in place.components_at(now)}


def test_an_endpoint_leaves_at_once_and_a_failed_listing_keeps_the_others_for_a_while():
    world = World()
    for name in ("a", "b", "c"):
        world.add_endpoint(ACCOUNT, REGION, name, T0 - DAY)
    street = Street(world)

    def present(seconds):
        return {labels[2] for labels in values(street.cycle(seconds), "sagemaker_endpoint_variant_current_instances")}

    assert present(60) == {"a", "b", "c"}
    world.delete_endpoint(ACCOUNT, REGION, "a", T0 + 90)
    assert present(60) == {"b", "c"}
    good = street.true.time
    street.fake.faults.add("deny", service="sagemaker")
    world.delete_endpoint(ACCOUNT, REGION, "b", T0 + 150)
    while street.true.time < good + 800:
        assert present(60) == {"b", "c"}
    assert present(200) == set()
    assert values(street.ledger.snapshot(), "sagemaker_exporter_source_up") == {
        (ACCOUNT, REGION, "inventory"): 0.0,
        (ACCOUNT, REGION, "cloudwatch_metrics"): 1.0,
        (ACCOUNT, REGION, "cloudwatch_alarms"): 1.0,
    }
    street.fake.faults.clear()
    assert present(60) == {"c"}
    street.kill()
