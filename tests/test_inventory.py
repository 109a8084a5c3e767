"""What exists is looked at when it is due, and what can't be looked at stays as it was, with its own age."""

from __future__ import annotations

import tracemalloc

import pytest
from street import ACCOUNT, REGION, Street
from worlds import T0

from exporter.admission import Admission
from exporter.aws.operations import OPERATIONS
from exporter.catalogue import CATALOGUE
from exporter.catalogue.places import places
from exporter.config import Resources
from exporter.demo import FakeAws, World
from exporter.demo.resources import Component, EndpointConfig, ScalableTarget, Serverless, Variant
from exporter.inventory import Census, Inventory, Pacing, ScalingBound, Selection
from exporter.inventory.look import MOST_DESCRIBES, RETRY_AFTER
from exporter.inventory.series import LASTING_EVERY, UNBROKEN
from exporter.model import DAY, HOUR, MINUTE, Resource, Target

HERE = (ACCOUNT, REGION)
SAGEMAKER, PIPELINES = "AWS/SageMaker", "AWS/Sagemaker/ModelBuildingPipeline"
ALL = places(row for row in CATALOGUE.values() if row.ask)


class Line:
    """Leads to the fake AWS of the test that runs, whenever a client was made."""

    def __init__(self, street):
        self._street = street

    def answer(self, *request):
        return self._street.fake.answer(*request)


class Account:
    """An account of the fake AWS, and the inventory of a process that looks at it."""

    def __init__(self, street, known=ALL, **pacing):
        self._street = street
        street.true.time = float(T0)
        street.aws._rates = dict.fromkeys(OPERATIONS, 1e9)  # no waiting: a look takes no time
        street.aws._limits.clear()
        self.world = World(listed_after=(0, 0), repeated=0.0)
        self.fake = street.fake = FakeAws(self.world, street.true.now)
        self.admission = Admission(200_000)
        self.inventory = Inventory(street.aws, known, Pacing(**pacing), self.admission)

    def look(self, seconds=0.0):
        """Let time pass and look; return the census. Afterwards `sent` holds what was called."""
        self._street.true.time += seconds
        self.fake.calls.clear()
        return self.inventory.look(self._street.target, self._street.true.time)

    @property
    def now(self):
        return self._street.true.time

    @property
    def sent(self):
        return [call["call"].partition(".")[2] for call in self.fake.calls]

    def endpoint(self, name="churn", **more):
        return self.world.add_endpoint(*HERE, name, more.pop("at", T0 - DAY), **more)

    def series(self, metric="Invocations", dimensions=None, namespace=SAGEMAKER, at=None):
        dimensions = {"EndpointName": "churn", "VariantName": "main"} if dimensions is None else dimensions
        self.world.put(*HERE, namespace, metric, dimensions, self.now - 10 * MINUTE if at is None else at, 1)


@pytest.fixture(scope="module")
def street():
    """One SDK for all tests: its clients take long to make."""
    street = Street(World())
    street.aws._sessions.fake = Line(street)
    yield street
    street.kill()


@pytest.fixture
def account(street):
    return Account(street)


# -- endpoints ---------------------------------------------------------------------------------------------------------


def test_before_the_first_look_nothing_is_known(account, street):
    assert account.inventory.census(street.target) == Census()


def test_an_empty_account_was_looked_at_all_the_same(account):
    census = account.look()
    assert (census.endpoints, census.components, census.scaling) == ({}, {}, ())
    assert census.endpoints_at == census.components_at == census.scaling_at == census.at == T0
    assert census.failures == ()


def test_an_endpoint_is_listed_and_described_with_its_configuration(account):
    account.endpoint(variants=(Variant("main", instance_type="ml.m5.large", instances=3),))
    (endpoint,) = account.look().endpoints.values()
    assert (endpoint.name, endpoint.status, endpoint.created, endpoint.modified) == (
        "churn",
        "InService",
        T0 - DAY,
        T0 - DAY,
    )
    (variant,) = endpoint.variants
    assert (variant.name, variant.role) == ("main", "production")
    assert variant.facts["CurrentInstanceCount"] == 3
    assert variant.config["InstanceType"] == "ml.m5.large"
    assert endpoint.described_at == T0


def test_shadow_variants_are_variants_with_another_role(account):
    config = EndpointConfig("c", T0 - DAY, (Variant("main"),), (Variant("candidate", "model-2"),))
    account.endpoint(config=config)
    (endpoint,) = account.look().endpoints.values()
    assert [(one.name, one.role, one.config["ModelName"]) for one in endpoint.variants] == [
        ("main", "production", "model-1"),
        ("candidate", "shadow", "model-2"),
    ]


def test_what_an_endpoint_publishes(account):
    account.endpoint("usual")
    account.endpoint("fast", config=EndpointConfig("f", T0 - DAY, publish_period=10, enhanced=True))
    endpoints = account.look().endpoints
    assert (endpoints["usual"].publish_period, endpoints["usual"].enhanced) == (60, False)
    assert (endpoints["fast"].publish_period, endpoints["fast"].enhanced) == (10, True)


def test_endpoints_are_listed_each_time_and_described_once(account):
    account.endpoint()
    account.look()
    assert account.sent.count("DescribeEndpoint") == 1
    before = account.inventory.census(account._street.target).endpoints
    for _ in range(5):
        census = account.look(60)
        assert "ListEndpoints" in account.sent
        assert "DescribeEndpoint" not in account.sent
    assert census.endpoints == before
    assert census.endpoints_at == account.now


def test_each_endpoint_is_described_now_and_then(street):
    account = Account(street, describe_every=600.0)
    account.endpoint()
    account.look()
    assert "DescribeEndpoint" not in (account.look(540), account.sent)[1]
    assert "DescribeEndpoint" in (account.look(60), account.sent)[1]


def test_a_new_endpoint_is_described_and_the_others_are_not(account):
    account.endpoint("a")
    account.look()
    account.endpoint("b", at=T0 + 30)
    census = account.look(60)
    assert account.sent.count("DescribeEndpoint") == 1
    assert census.endpoints["b"].facts
    assert census.endpoints["a"].described_at == T0


def test_an_endpoint_that_changes_is_described_at_each_look_until_it_is_steady(account):
    account.endpoint()
    account.look()
    account.world.update_endpoint(*HERE, "churn", T0 + 30, status="Updating")
    account.world.update_endpoint(*HERE, "churn", T0 + 150, status="InService")
    described = []
    for _ in range(5):
        census = account.look(60)
        described.append((census.endpoints["churn"].status, account.sent.count("DescribeEndpoint")))
    assert described == [
        ("Updating", 1),
        ("Updating", 1),
        ("InService", 1),
        ("InService", 0),
        ("InService", 0),
    ]


@pytest.mark.parametrize(("status", "restless"), [("Failed", False), ("Creating", True), ("SomethingNew", True)])
def test_which_states_are_restless(account, status, restless):
    account.endpoint(status=status)
    account.look()
    account.look(60)
    assert ("DescribeEndpoint" in account.sent) is restless


def test_a_configuration_is_described_once_however_many_use_it(account):
    shared = EndpointConfig("shared", T0 - DAY)
    for name in ("a", "b", "c"):
        account.endpoint(name, config=shared)
    census = account.look()
    assert account.sent.count("DescribeEndpointConfig") == 1
    assert [one.variants[0].config["ModelName"] for one in census.endpoints.values()] == ["model-1"] * 3


def test_a_new_configuration_is_described(account):
    account.endpoint()
    account.look()
    newer = EndpointConfig("newer", T0 + 30, (Variant("main", "model-2"),))
    account.world.update_endpoint(*HERE, "churn", T0 + 30, config=newer)
    census = account.look(60)
    assert account.sent.count("DescribeEndpointConfig") == 1
    assert census.endpoints["churn"].variants[0].config["ModelName"] == "model-2"
    assert set(census.configs) == {"newer"}, "a configuration that nobody uses is forgotten"


def test_an_endpoint_that_is_gone_is_gone_at_once(account):
    account.endpoint()
    account.look()
    account.world.delete_endpoint(*HERE, "churn", T0 + 30)
    census = account.look(60)
    assert census.endpoints == {}
    assert census.configs == {}
    assert census.failures == ()


def test_an_endpoint_that_goes_while_it_is_looked_at_is_no_failure(account):
    account._street.aws._rates = {"DescribeEndpoint": 4.0}  # the last one is described in the third second
    for n in range(12):
        account.endpoint(f"e{n:02d}")
    account.world.delete_endpoint(*HERE, "e11", T0 + 1)
    census = account.look()
    assert census.failures == ()
    assert not census.endpoints["e11"].facts
    assert census.endpoints["e00"].facts


def test_a_lot_of_endpoints_is_described_in_several_looks_the_unknown_first(account):
    for n in range(MOST_DESCRIBES + 20):
        account.endpoint(f"e{n:03d}", config=EndpointConfig("shared", T0 - DAY))
    census = account.look()
    assert account.sent.count("DescribeEndpoint") == MOST_DESCRIBES
    assert sum(bool(one.facts) for one in census.endpoints.values()) == MOST_DESCRIBES
    census = account.look(60)
    assert account.sent.count("DescribeEndpoint") == 20
    assert all(one.facts for one in census.endpoints.values())


def test_pages_of_endpoints(account):
    for n in range(230):
        account.endpoint(f"e{n:03d}", config=EndpointConfig("shared", T0 - DAY))
    assert len(account.look().endpoints) == 230
    assert account.sent.count("ListEndpoints") == 3


def test_what_is_listed_is_known_before_it_is_described(account, street, monkeypatch):
    """Describing takes long; series are asked meanwhile."""
    account.endpoint()
    account.series()
    seen = []
    call = street.aws.call

    def spy(target, operation, **asked):
        if operation == "DescribeEndpoint":
            seen.append(account.inventory.census(target))
        return call(target, operation, **asked)

    monkeypatch.setattr(street.aws, "call", spy)
    account.look()
    (census,) = seen
    assert set(census.endpoints) == {"churn"}
    assert census.listings[SAGEMAKER].metrics


def test_when_our_clock_is_set_back_all_is_looked_at_as_often_as_before(street):
    account = Account(street, labels=frozenset({"team"}))
    account.endpoint()
    account.world.add_component(*HERE, Component("llama", "churn", "main", T0 - DAY))
    account.look()

    def look(seconds):
        account._street.true.time += seconds
        account.fake.calls.clear()
        return account.inventory.look(street.target, account.now - DAY)

    census = look(60)
    now = account.now - DAY
    assert (census.at, census.endpoints_at, census.components_at, census.scaling_at, census.tags_at) == (now,) * 5
    assert census.endpoints["churn"].described_at == census.components["llama"].described_at == now
    look(300)
    assert {"DescribeScalableTargets", "GetResources"} <= set(account.sent)
    look(HOUR - 300)
    assert {"DescribeEndpoint", "DescribeInferenceComponent"} <= set(account.sent)


# -- what can't be looked at -------------------------------------------------------------------------------------------


def test_a_listing_that_fails_keeps_what_was_known_and_its_age(account):
    account.endpoint()
    account.look()
    account.world.delete_endpoint(*HERE, "churn", T0 + 30)
    account.fake.faults.add("deny", operation="ListEndpoints")
    census = account.look(60)
    assert set(census.endpoints) == {"churn"}
    assert census.endpoints_at == T0
    assert census.at == T0 + 60
    (failure,) = census.failures
    assert (failure.scope, failure.error_class) == ("ListEndpoints", "denied")
    assert "ListEndpoints" in failure.detail


@pytest.mark.parametrize("kind", ["http_500", "throttle", "truncated", "empty", "garbage", "reset"])
def test_half_a_listing_is_none(account, street, monkeypatch, kind):
    for n in range(150):
        account.endpoint(f"e{n:03d}", config=EndpointConfig("shared", T0 - DAY))
    account.look()
    call = street.aws.call

    def fail_at_the_second_page(target, operation, **asked):
        if operation == "ListEndpoints" and "NextToken" in asked:
            account.fake.faults.add(kind, operation=operation)
        return call(target, operation, **asked)

    monkeypatch.setattr(street.aws, "call", fail_at_the_second_page)
    census = account.look(60)
    assert len(census.endpoints) == 150
    assert census.endpoints_at == T0
    assert [failure.scope for failure in census.failures] == ["ListEndpoints"]


def test_a_description_that_fails_keeps_the_last_one_and_is_tried_again(account):
    account.endpoint()
    account.look()
    account.world.update_endpoint(*HERE, "churn", T0 + 30, status="OutOfService")
    account.fake.faults.add("http_500", operation="DescribeEndpoint")
    census = account.look(60)
    assert (census.endpoints["churn"].status, census.endpoints["churn"].described_at) == ("OutOfService", T0)
    assert [(one.scope, one.error_class) for one in census.failures] == [("DescribeEndpoint", "transient")]
    account.fake.faults.clear()
    assert account.look(60).endpoints["churn"].described_at == T0, "each try is an event in somebody's CloudTrail"
    census = account.look(RETRY_AFTER)
    assert census.endpoints["churn"].described_at == census.at
    assert census.failures == ()


def test_a_configuration_that_could_not_be_described_is_tried_again(account):
    account.endpoint()
    account.fake.faults.add("http_500", operation="DescribeEndpointConfig")
    census = account.look()
    assert [failure.scope for failure in census.failures] == ["DescribeEndpointConfig"]
    assert census.endpoints["churn"].variants[0].facts["CurrentInstanceCount"], "what the endpoint says is known"
    account.fake.faults.clear()
    census = account.look(RETRY_AFTER)
    assert census.endpoints["churn"].variants[0].config["ModelName"] == "model-1"


def configured(census, name="churn"):
    """Return what the configuration of an endpoint tells of its variant, as far as it is known."""
    (only,) = census.endpoints[name].variants
    return only.config.get("InstanceType")


def made_anew(account, instance_type, name="churn"):
    """Make an endpoint and its configuration again, by the same names."""
    account.world.delete_endpoint(*HERE, name, account.now + 10)
    account.world.region(*HERE).configs.pop("c", None)
    config = EndpointConfig("c", account.now + 20, (Variant(instance_type=instance_type),))
    account.endpoint(name, at=account.now + 30, config=config)


def test_a_configuration_that_was_made_anew_and_could_not_be_described_is_not_the_old_one(account):
    """Once missed, it was never asked for again: the old type of instance was told, and its price, for ever."""
    account.endpoint(config=EndpointConfig("c", T0 - DAY, (Variant(instance_type="ml.m5.xlarge"),)))
    assert configured(account.look()) == "ml.m5.xlarge"
    made_anew(account, "ml.g5.xlarge")
    account.fake.faults.add("deny", operation="DescribeEndpointConfig")
    for _ in range(3):
        assert configured(account.look(60)) is None
    account.fake.faults.clear()
    assert configured(account.look(4 * RETRY_AFTER)) == "ml.g5.xlarge"
    assert account.sent.count("DescribeEndpointConfig") == 1
    account.look(HOUR)
    assert account.sent.count("DescribeEndpoint") == 1
    assert account.sent.count("DescribeEndpointConfig") == 0, "it is known as of now"


def test_a_new_endpoint_has_no_older_configuration_of_the_same_name(account):
    """One that is in use may be deleted, and goes on for the endpoint that has it."""
    account.endpoint("old", config=EndpointConfig("c", T0 - DAY, (Variant(instance_type="ml.m5.xlarge"),)))
    account.look()
    config = EndpointConfig("c", T0 + 20, (Variant(instance_type="ml.g5.xlarge"),))
    account.world.region(*HERE).configs.pop("c", None)
    account.endpoint("new", at=T0 + 30, config=config)
    census = account.look(60)
    assert (configured(census, "old"), configured(census, "new")) == ("ml.m5.xlarge", "ml.g5.xlarge")
    census = account.look(HOUR)
    assert account.sent.count("DescribeEndpoint") == 2, "both are due"
    assert (configured(census, "old"), configured(census, "new")) == ("ml.m5.xlarge", "ml.g5.xlarge")


def test_a_configuration_that_can_not_be_described_is_the_last_good_one_for_a_while_for_what_has_changed(account):
    """Each scaling is a change: one call that is refused must not make what was known unknown."""
    shared = EndpointConfig("c", T0 - DAY, (Variant(instance_type="ml.m5.xlarge"),))
    account.endpoint("a", config=shared)
    account.endpoint("b", config=shared)
    account.look()
    account.fake.faults.add("deny", operation="DescribeEndpointConfig")
    account.world.update_endpoint(*HERE, "a", T0 + HOUR - 30, config=shared)
    census = account.look(HOUR)
    assert account.sent.count("DescribeEndpoint") == 2, "both are due"
    assert (configured(census, "a"), configured(census, "b")) == ("ml.m5.xlarge", "ml.m5.xlarge")
    census = account.look(20 * MINUTE)
    assert account.sent.count("DescribeEndpointConfig") == 1, "it is asked for again"
    assert (configured(census, "a"), configured(census, "b")) == (None, "ml.m5.xlarge")
    account.fake.faults.clear()
    assert configured(account.look(HOUR), "a") == "ml.m5.xlarge"


def test_an_endpoint_whose_configuration_is_deleted_goes_on_with_it(account):
    config = EndpointConfig("c", T0 - DAY, (Variant(instance_type="ml.m5.xlarge"),))
    account.endpoint("a", config=config)
    account.look()
    account.world.update_endpoint(*HERE, "a", T0 + 60, config=config)
    account.world.region(*HERE).configs.pop("c", None)
    for _ in range(3):
        census = account.look(HOUR)
    assert configured(census, "a") == "ml.m5.xlarge"


def test_one_failure_costs_nothing_else(account):
    account.endpoint()
    account.world.add_component(*HERE, Component("llama", "churn", "main", T0 - DAY))
    account.series()
    account.fake.faults.add("deny", operation="ListEndpoints")
    census = account.look()
    assert set(census.components) == {"llama"}
    assert census.listings[SAGEMAKER].metrics
    assert census.endpoints_at == 0
    assert len(census.failures) == 1


def test_failures_are_those_of_this_look(account):
    account.fake.faults.add("deny", service="sagemaker")
    assert len(account.look().failures) == 2
    account.fake.faults.clear()
    assert account.look(60).failures == ()


# -- components, scaling, tags -----------------------------------------------------------------------------------------


def test_components_are_listed_and_described_by_the_same_rule(account):
    component = Component("llama", "churn", "main", T0 - DAY, copies=2, desired_copies=3)
    account.world.add_component(*HERE, component)
    (found,) = account.look().components.values()
    assert (found.endpoint, found.variant, found.status) == ("churn", "main", "InService")
    assert found.facts["RuntimeConfig"] == {"DesiredCopyCount": 3, "CurrentCopyCount": 2}
    account.look(60)
    assert "DescribeInferenceComponent" not in account.sent
    account.look(HOUR)
    assert account.sent.count("DescribeInferenceComponent") == 1
    account.world.delete_component(*HERE, "llama", account.now + 1)
    assert account.look(60).components == {}


def test_bounds_of_scaling_are_looked_at_on_the_slow_timer(account):
    where = ScalableTarget("endpoint/churn/variant/main", "sagemaker:variant:DesiredInstanceCount", 1, 6, T0 - DAY)
    account.world.region(*HERE).targets.append(where)
    bound = ScalingBound("endpoint/churn/variant/main", "sagemaker:variant:DesiredInstanceCount", 1, 6)
    assert account.look().scaling == (bound,)
    looked = []
    for _ in range(5):
        census = account.look(60)
        looked.append("DescribeScalableTargets" in account.sent)
    assert looked == [False, False, False, False, True]
    assert census.scaling == (bound,)
    assert census.scaling_at == account.now


def test_tags_are_looked_at_only_where_they_matter(street):
    account = Account(street)
    account.look()
    assert "GetResources" not in account.sent
    account = Account(street, tags=True)
    account.endpoint("Churn", tags={"team": "ml"})
    account.world.add_component(*HERE, Component("llama", "Churn", "main", T0 - DAY, tags={"team": "llm"}))
    census = account.look()
    assert census.tags == {"endpoint/churn": {"team": "ml"}, "inference-component/llama": {"team": "llm"}}
    account.look(60)
    assert "GetResources" not in account.sent
    account.look(240)
    assert "GetResources" in account.sent


def test_tags_that_can_not_be_had_stay_as_they_were(street):
    account = Account(street, tags=True)
    account.endpoint(tags={"team": "ml"})
    account.look()
    account.fake.faults.add("deny", operation="GetResources")
    census = account.look(HOUR)
    assert census.tags == {"endpoint/churn": {"team": "ml"}}
    assert census.tags_at == T0
    assert [failure.scope for failure in census.failures] == ["GetResources"]


def test_without_resources_only_series_are_listed(street):
    account = Account(street, resources=False)
    account.endpoint()
    account.series()
    census = account.look()
    assert set(account.sent) == {"ListMetrics"}
    assert census.endpoints_at == 0
    assert census.listings[SAGEMAKER].metrics


@pytest.mark.parametrize(
    ("wanted", "kind", "name", "admitted"),
    [
        (Resources(), "endpoint", "churn", True),
        (Resources(include=("c*",)), "endpoint", "churn", True),
        (Resources(include=("C*",)), "endpoint", "churn", False),
        (Resources(include=("a*", "churn")), "endpoint", "churn", True),
        (Resources(include=("*",), exclude=("ch*",)), "endpoint", "churn", False),
        (Resources(tags={"team": "ml"}), "endpoint", "churn", True),
        (Resources(tags={"team": "m?"}), "endpoint", "Churn", True),
        (Resources(tags={"team": "risk"}), "endpoint", "churn", False),
        (Resources(tags={"stage": "prod"}), "endpoint", "churn", False),
        (Resources(tags={"stage": ""}), "endpoint", "churn", True),
        (Resources(tags={"team": "risk"}), "", "nightly", True),
        (Resources(tags={"team": "ml"}), "inference-component", "llama", False),
    ],
)
def test_selection(wanted, kind, name, admitted):
    census = Census(tags={"endpoint/churn": {"team": "ml"}})
    assert Selection(wanted).admits(census, kind, name) is admitted


# -- series ------------------------------------------------------------------------------------------------------------

CHURN = (("EndpointName", "churn"), ("VariantName", "main"))


def test_series_are_listed_by_dimensions(account):
    account.series("Invocations")
    account.series("MidStreamErrors")
    account.series("ExecutionFailed", {"PipelineName": "nightly"}, PIPELINES)
    listings = account.look().listings
    assert listings[SAGEMAKER].metrics == {CHURN: frozenset({"Invocations", "MidStreamErrors"})}
    assert listings[PIPELINES].metrics == {(("PipelineName", "nightly"),): frozenset({"ExecutionFailed"})}
    assert listings[SAGEMAKER].at == T0


def test_what_is_not_on_the_list_is_left_out_and_counted(account):
    account.series("Invocations")
    account.series("SomethingNew")
    account.series("Invocations", {"EndpointName": "churn", "VariantName": "main", "NewDimension": "x"})
    account.series("Invocations", {"NewDimension": "x"})
    listing = account.look().listings[SAGEMAKER]
    assert listing.metrics == {CHURN: frozenset({"Invocations"})}
    assert listing.left_out == {"dimension_set": 2, "metric": 1, "filtered": 0}


def test_series_that_are_somebody_elses_are_left_out(account):
    for group in ("/aws/sagemaker/TrainingJobs", "/aws/lambda/orders"):
        account.series("IncomingBytes", {"LogGroupName": group}, "AWS/Logs")
    listing = account.look().listings["AWS/Logs"]
    assert set(listing.metrics) == {(("LogGroupName", "/aws/sagemaker/TrainingJobs"),)}
    assert listing.left_out["filtered"] == 1


def test_a_series_that_is_listed_twice_is_one(account):
    account.world.repeated = 1.0
    for n in range(600):
        account.series("Invocations", {"EndpointName": f"e{n}", "VariantName": "main"})
        account.series("SomethingNew", {"EndpointName": f"e{n}", "VariantName": "main"})
    listing = account.look().listings[SAGEMAKER]
    assert len(listing.metrics) == 600
    assert listing.left_out["metric"] == 600


def test_equal_sets_of_metrics_are_one_object(account):
    """A hundred thousand series of equal endpoints must not be held as often."""
    for n in range(3):
        for metric in ("Invocations", "ModelLatency"):
            account.series(metric, {"EndpointName": f"e{n}", "VariantName": "main"})
    assert len({id(names) for names in account.look().listings[SAGEMAKER].metrics.values()}) == 1


def test_listings_are_made_on_the_slow_timer(account):
    account.look()
    listed = []
    for _ in range(6):
        census = account.look(60)
        listed.append("ListMetrics" in account.sent)
    assert listed == [False, False, False, False, True, False]
    assert census.listings[SAGEMAKER].at == T0 + 300


def test_what_was_not_active_lately_is_listed_as_lasting_alone(account):
    account.series("Invocations", at=T0 - 5 * HOUR)
    account.series("ModelLatency", at=T0 - HOUR)
    listing = account.look().listings[SAGEMAKER]
    assert listing.metrics == {CHURN: frozenset({"ModelLatency"})}
    assert listing.lasting == {CHURN: frozenset({"Invocations", "ModelLatency"})}
    assert listing.lasting_at == listing.since == T0


def test_the_long_listing_is_made_each_hour_and_only_where_something_is_counted(account):
    account.look()
    first = len(account.sent)
    account.look(300)
    assert len(account.sent) < first
    census = account.look(LASTING_EVERY - 300)
    assert {listing.lasting_at for listing in census.listings.values()} == {0.0, account.now}
    for namespace, listing in census.listings.items():
        counted = any(
            one.row.type in {"counter", "summary"}
            for (where, _), place in ALL.items()
            if where == namespace
            for asked in place.metrics.values()
            for one in asked
        )
        assert bool(listing.lasting_at) is counted, namespace


def test_since_when_nothing_can_have_been_missed(account):
    account.look()
    assert account.look(UNBROKEN).listings[SAGEMAKER].since == T0
    assert account.look(UNBROKEN + 60).listings[SAGEMAKER].since == account.now


@pytest.mark.parametrize("kind", ["http_500", "deny", "truncated", "empty"])
def test_a_namespace_that_can_not_be_listed_keeps_its_last_listing(account, kind):
    account.series()
    account.series("ExecutionFailed", {"PipelineName": "nightly"}, PIPELINES)
    before = account.look().listings
    if kind in {"truncated", "empty"}:
        account.fake.faults.add(kind, operation="ListMetrics")
    else:
        account.fake.faults.add(kind, operation="ListMetrics", namespace=SAGEMAKER)
    account.series("MidStreamErrors")
    census = account.look(300)
    assert census.listings[SAGEMAKER] == before[SAGEMAKER]
    scope = f"ListMetrics {SAGEMAKER}"
    assert scope in {one.scope for one in census.failures}
    if kind == "http_500":
        assert census.listings[PIPELINES].at == census.at
        assert {one.scope for one in census.failures} == {scope}


def test_a_page_that_fails_leaves_the_whole_namespace_as_it_was(account):
    for n in range(600):
        account.series("Invocations", {"EndpointName": f"e{n}", "VariantName": "main"})
    account.look()
    account.series("Invocations", {"EndpointName": "new", "VariantName": "main"})
    account.fake.faults.add("deny", operation="ListMetrics", namespace=SAGEMAKER, every=2)
    listing = account.look(300).listings[SAGEMAKER]
    assert listing.at == T0
    assert len(listing.metrics) == 600


def test_a_serverless_variant_has_no_instances(account):
    account.endpoint(variants=(Variant("main", instance_type=None, serverless=Serverless(2048, 20)),))
    (variant,) = account.look().endpoints["churn"].variants
    assert variant.facts["CurrentServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 20}
    assert variant.facts["CurrentInstanceCount"] == 0


# -- no room for all ---------------------------------------------------------------------------------------------------


@pytest.fixture
def narrow(street, monkeypatch):
    """An account of which no more than ten metrics are held."""
    monkeypatch.setattr("exporter.inventory.series.HELD", 1)
    monkeypatch.setattr("exporter.inventory.series.HELD_ANYWAY", 0)
    made = Account(street)
    made.admission.limit = 10
    return made


def listed(census, namespace=SAGEMAKER):
    return {dict(dimensions)["EndpointName"] for dimensions in census.listings[namespace].metrics}


def many(account, *numbers):
    for n in numbers:
        account.series(dimensions={"EndpointName": f"e-{n:02}", "VariantName": "main"})


def test_of_a_long_listing_a_part_is_held_and_the_rest_counted(narrow):
    many(narrow, *range(20, 60))
    census = narrow.look()
    assert listed(census) == {f"e-{n}" for n in range(20, 30)}
    assert census.listings[SAGEMAKER].beyond == 30
    assert len(census.listings[SAGEMAKER].lasting) == 10


def test_what_was_held_is_held_again(narrow):
    many(narrow, *range(20, 60))
    narrow.look()
    many(narrow, *range(10))
    census = narrow.look(300)
    assert listed(census) == {f"e-{n}" for n in range(20, 30)}
    assert census.listings[SAGEMAKER].beyond == 40


def test_what_nobody_asks_for_goes_first_and_is_not_missed(narrow):
    off = "sagemaker_endpoint_invocations_total"
    narrow.inventory = Inventory(narrow._street.aws, ALL, Pacing(), narrow.admission, lambda family: family != off)
    many(narrow, *range(20, 60))
    for n in range(70, 75):
        narrow.series("MidStreamErrors", {"EndpointName": f"e-{n}", "VariantName": "main"})
    census = narrow.look()
    assert {f"e-{n}" for n in range(70, 75)} <= listed(census)
    assert census.listings[SAGEMAKER].beyond == 0


def test_what_has_a_place_is_held_for_certain(narrow, street):
    """Or CloudWatch would seem to list it no more: a counter would be taken for read, a gauge lose its place."""
    many(narrow, *range(20, 60))
    name = f"{SAGEMAKER} EndpointName=e-59 VariantName=main"
    narrow.admission.expect(street.target, {"cloudwatch_metrics": {name: [0]}})
    dimensions = (("EndpointName", "e-58"), ("VariantName", "main"))
    counted = Resource(street.target, SAGEMAKER, dimensions, (*HERE, "e-58", "main"))
    census = narrow.inventory.look(street.target, narrow.now, [counted])
    assert listed(census) == {"e-58", "e-59"} | {f"e-{n}" for n in range(20, 28)}
    lasting = {dict(dimensions)["EndpointName"] for dimensions in census.listings[SAGEMAKER].lasting}
    assert {"e-58", "e-59"} <= lasting


class Endless:
    """An AWS that lists very many series in one namespace."""

    def __init__(self, number):
        self._number = number

    def now(self):
        return float(T0)

    def pages(self, _target, operation, **asked):
        number = self._number if (operation, asked.get("Namespace")) == ("ListMetrics", SAGEMAKER) else 0
        for first in range(0, number, 500):
            yield {"Metrics": [self._metric(n) for n in range(first, first + 500)]}

    def _metric(self, n):
        pairs = (("EndpointName", f"endpoint-{n}"), ("VariantName", "main"))
        return {"MetricName": "Invocations", "Dimensions": [{"Name": name, "Value": value} for name, value in pairs]}


def test_a_listing_takes_no_more_memory_than_the_limit_allows(monkeypatch):
    """A million series are listed in `bench/listing.py`."""
    monkeypatch.setattr("exporter.inventory.series.HELD_ANYWAY", 500)
    monkeypatch.setattr("exporter.inventory.series.HELD", 1)
    monkeypatch.setattr("exporter.inventory.series.TOLD_APART", 2000)
    known, target, peaks = places([CATALOGUE["sagemaker_endpoint_invocations_total"]]), Target(*HERE), []
    for number in (5_000, 20_000):
        inventory = Inventory(Endless(number), known, Pacing(resources=False), Admission(500))
        tracemalloc.start()
        listing = inventory.look(target, T0).listings[SAGEMAKER]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (len(listing.metrics), listing.beyond) == (500, number - 500)
    assert peaks[1] < 1.2 * peaks[0]
