"""What is missing when a part of AWS fails: that part, by name, and nothing else (law L3, honest time: L4).

In one process on a clock that stands still: what is asked here is what an age limit of 900 seconds does after 899 and
after 901 of them, which no process on a real clock can be asked. The SDK and all of the program but its threads and
sockets take part; that these carry the same is shown by the other files of this folder.
"""

from __future__ import annotations

import math

import pytest
from exact_street import ExactStreet
from oracle import COUNTER_NAMES, labels_of, truth
from street import ACCOUNT, REGION
from worlds import T0

from exporter.demo import Lateness, World
from exporter.demo.default_world import open_endpoint
from exporter.model import DAY, HOUR, MINUTE

PUNCTUAL = Lateness(usual=(5, 50), late=0.0, raised=0.0, lowered=0.0, early=0.0)
INVOCATIONS = "sagemaker_endpoint_invocations_total"
LATENCY = "sagemaker_endpoint_model_latency_seconds"
CPU = "sagemaker_endpoint_cpu_utilization_ratio"
HOSTS = "/aws/sagemaker/Endpoints"
PERIOD_SHOWN = 3 * MINUTE + MINUTE + 2 * MINUTE  # of a quantile: three periods, a pace, the delay of gauges


class Town(ExactStreet):
    """Two busy endpoints, and a daemon that looks every minute."""

    def __init__(self, **more):
        world = World(seed=5, lateness=PUNCTUAL, listed_after=(60, 120))
        for name in ("churn", "fraud"):
            open_endpoint(world, ACCOUNT, REGION, name, T0 - DAY, 60.0)
        super().__init__(world, text='families: {exclude: ["sagemaker_[!e]*"]}', **more)

    def stop_traffic(self, name):
        """Let an endpoint publish nothing more; return when its last period ends."""
        for schedule in self.fake.world.region(ACCOUNT, REGION).endpoints[name][-1].schedules.values():
            schedule.stop(self.true.time)
        return math.ceil(self.true.time / MINUTE) * MINUTE

    def at_rest(self):
        """Say whether every counter shows what is true of it now."""
        page = self.run(1)
        now = self.true.time
        expected = truth(self.fake.world, ACCOUNT, REGION, T0 + MINUTE, now=now)
        shown = page.counters()
        return expected.keys() <= shown.keys() and all(
            shown[series] == pytest.approx(value, rel=1e-9) for series, value in expected.items()
        )


@pytest.fixture
def town():
    street = Town()
    street.run(30)
    yield street
    street.kill()


def from_aws(page):
    """Return the series of a page that are not about the exporter itself."""
    return {series for series in page.values if not series.startswith("sagemaker_exporter_")}


def names(series):
    return {one.partition("{")[0] for one in series}


def own(page, name, **labels):
    return page.one(f"sagemaker_exporter_{name}", **labels)


# -- only what could not be read is missing ----------------------------------------------------------------------------


def test_one_denied_metric_is_missing_and_nothing_else(town):
    before = town.run(1)
    town.fake.faults.add("forbidden", metric="ModelLatency")
    during = town.run(30)

    gone = from_aws(before) - from_aws(during)
    assert names(gone) == {LATENCY, f"{LATENCY}_sum", f"{LATENCY}_count"}
    assert len(gone) == 2 * 5
    assert from_aws(during) - from_aws(before) == set()
    for endpoint in ("churn", "fraud"):
        counted = during.one(INVOCATIONS, endpoint_name=endpoint)
        assert counted > before.one(INVOCATIONS, endpoint_name=endpoint)
    named = {"cloudwatch_namespace": "AWS/SageMaker", "outcome": "forbidden"}
    assert own(during, "query_results_total", **named) > 0
    assert own(during, "source_up", source="cloudwatch_metrics") == 0
    assert own(during, "source_runs_total", source="cloudwatch_metrics", outcome="partial") == 30
    assert own(during, "source_up", source="inventory") == 1
    forbidden = during.find("sagemaker_exporter_query_results_total", outcome="forbidden")
    blamed = {labels_of(series)["cloudwatch_namespace"] for series, results in forbidden.items() if results}
    assert blamed == {"AWS/SageMaker"}, "no other namespace is blamed"

    town.fake.faults.clear()
    after = town.run(5)
    assert from_aws(after) == from_aws(before)
    assert own(after, "source_up", source="cloudwatch_metrics") == 1
    assert town.at_rest()


def test_denied_operation_is_named(town):
    """DescribeScalableTargets may be left out of a policy: its families are missing, and it is told which."""
    town.fake.faults.add("deny", operation="DescribeScalableTargets")
    page = town.run(30)
    denied = {"operation": "DescribeScalableTargets", "error_class": "denied"}
    assert own(page, "aws_errors_total", **denied) > 0
    assert len(page.find("sagemaker_exporter_aws_errors_total")) == 1
    assert own(page, "source_up", source="inventory") == 0
    assert own(page, "source_up", source="cloudwatch_metrics") == 1
    assert not page.find("sagemaker_endpoint_variant_scaling_max_capacity"), "last good values have had their time"
    assert page.find("sagemaker_endpoint_status", endpoint_name="churn")


def test_one_throttled_call_in_twenty_is_waited_out(town):
    before = town.run(1)
    town.fake.faults.add("throttle", every=20)
    during = town.run(60)
    assert town.fake.faults.rules[0].struck > 10
    assert from_aws(during) == from_aws(before)
    throttled = during.find("sagemaker_exporter_aws_errors_total", error_class="throttled")
    assert sum(throttled.values()) == town.fake.faults.rules[0].struck
    assert sum(during.find("sagemaker_exporter_aws_retries_total").values()) == sum(throttled.values())
    runs = {labels_of(series)["outcome"] for series in during.find("sagemaker_exporter_source_runs_total")}
    assert runs == {"ok"}
    assert town.at_rest()


def test_one_namespace_that_answers_500_is_missing_and_nothing_else(town):
    before = town.run(1)
    town.fake.faults.add("http_500", namespace=HOSTS)
    during = town.run(45)

    gone = from_aws(before) - from_aws(during)
    hosts = [f"sagemaker_endpoint_{what}_utilization" for what in ("cpu", "memory", "disk")]
    assert names(gone) == {f"{host}{which}_ratio" for host in hosts for which in ("", "_max")}
    assert from_aws(during) - from_aws(before) == set()
    assert during.one(INVOCATIONS, endpoint_name="churn") > before.one(INVOCATIONS, endpoint_name="churn")
    quantile = {"endpoint_name": "churn", "quantile": "0.99"}
    assert during.one(LATENCY, **quantile) != before.one(LATENCY, **quantile), "quantiles are fresh"

    newest = during.find("sagemaker_exporter_data_newest_timestamp_seconds")
    stale = {labels_of(s)["cloudwatch_namespace"] for s, at in newest.items() if at < town.true.time - 30 * MINUTE}
    assert stale == {HOSTS}, "the age of its data names it"
    errors = during.find("sagemaker_exporter_aws_errors_total", error_class="transient")
    assert {labels_of(series)["operation"] for series in errors} == {"GetMetricData", "ListMetrics"}
    assert own(during, "source_runs_total", source="cloudwatch_metrics", outcome="partial") > 0

    town.fake.faults.clear()
    after = town.run(15)  # what failed alone is tried again every ten minutes
    assert from_aws(after) == from_aws(before)
    assert set(after.find("sagemaker_exporter_source_up").values()) == {1.0}
    assert town.at_rest()


def test_source_is_not_up_while_a_namespace_cannot_be_read(town, caplog):
    town.fake.faults.add("http_500", namespace=HOSTS)
    pages = [town.run(1) for _ in range(45)]
    up = [own(page, "source_up", source="cloudwatch_metrics") for page in pages[5:]]
    assert set(up) == {0.0}
    assert "complete again" not in caplog.text


def test_nothing_at_all_can_be_read(town):
    """Gauges go by age, counters too; nothing falls, nothing is zeroed, and the exporter says what happens."""
    before = town.run(1)
    town.fake.faults.add("http_503")
    for _ in range(14):
        page = town.run(1)
        assert all(page.values[s] == v for s, v in before.counters().items() if s in page.values)
    assert from_aws(town.run(15)) == set()
    page = town.run(1)
    assert set(page.find("sagemaker_exporter_source_up").values()) == {0.0}
    assert own(page, "source_runs_total", source="cloudwatch_metrics", outcome="failed") == 30
    town.fake.faults.clear()
    after = town.run(3)
    assert set(before.counters()) <= set(after.counters())
    assert all(after.values[series] >= value for series, value in before.counters().items())
    assert town.at_rest()


# -- last good values, and what they are good for ----------------------------------------------------------------------


def test_last_good_inventory_expires_at_its_age_and_not_before(town):
    town.run(1)
    looked = town.true.time  # the last listing that worked
    town.fake.faults.add("deny", operation="ListEndpoints")
    while town.true.time < looked + 14 * MINUTE:
        page = town.run(1)
        assert page.one("sagemaker_endpoint_status", endpoint_name="churn", status="InService") == 1
        assert page.find("sagemaker_endpoint_variant_current_instances")
    page = town.run(2)
    assert not page.find("sagemaker_endpoint_status")
    assert not page.find("sagemaker_endpoint_variant_current_instances")
    assert page.find(INVOCATIONS, endpoint_name="churn"), "could not look is not nothing there"
    assert own(page, "aws_errors_total", operation="ListEndpoints", error_class="denied") > 0
    assert own(page, "source_up", source="inventory") == 0
    town.fake.faults.clear()
    assert town.run(1).one("sagemaker_endpoint_status", endpoint_name="churn", status="InService") == 1


def test_deleted_endpoint_leaves_in_good_order(town):
    """Its state at once, its gauges by age, its counters a day after their last increase; the other one stays."""
    before = town.run(1)
    town.fake.world.delete_endpoint(ACCOUNT, REGION, "churn", town.true.time)
    ended = math.ceil(town.true.time / MINUTE) * MINUTE
    page = town.run(2)
    assert not page.find("sagemaker_endpoint_status", endpoint_name="churn")
    assert not page.find("sagemaker_endpoint_variant_current_instances", endpoint_name="churn")
    while town.true.time <= ended + 14 * MINUTE:
        page = town.run(1)
        assert page.find(CPU, endpoint_name="churn")
    page = town.run(2)
    left = {s for s in from_aws(page) if labels_of(s).get("endpoint_name") == "churn"}
    scaling = {name for name in names(left) if "_scaling_" in name}  # AWS lists these targets until they are removed
    assert names(left) - scaling == names(s for s in before.counters() if labels_of(s)["endpoint_name"] == "churn")
    assert page.find(CPU, endpoint_name="fraud")

    final = page.one(INVOCATIONS, endpoint_name="churn")
    assert final == truth_of(town, "churn")
    page = town.run(23 * HOUR // MINUTE, step=HOUR)
    assert page.one(INVOCATIONS, endpoint_name="churn") == final
    page = town.run(90, step=15 * MINUTE)
    assert not page.find(INVOCATIONS, endpoint_name="churn")
    assert page.find(INVOCATIONS, endpoint_name="fraud")


def truth_of(town, endpoint):
    dimensions = {"EndpointName": endpoint, "VariantName": "AllTraffic"}
    return town.fake.world.truth(
        ACCOUNT, REGION, "AWS/SageMaker", "Invocations", dimensions, "Sum", T0 + MINUTE, math.inf
    )


def test_quantiles_leave_with_the_traffic_and_counters_stay(town):
    before = town.run(1)
    ended = town.stop_traffic("churn")
    while town.true.time < ended + PERIOD_SHOWN - MINUTE:
        page = town.run(1)
        assert len(page.find(LATENCY, endpoint_name="churn")) == 3, town.true.time - ended
    page = town.run(2)
    assert not page.find(LATENCY, endpoint_name="churn")
    assert len(page.find(LATENCY, endpoint_name="fraud")) == 3
    of_churn = {s for s in before.counters() if labels_of(s)["endpoint_name"] == "churn"}
    assert of_churn <= set(town.run(30).counters())
    page = town.run(6 * HOUR // MINUTE, step=15 * MINUTE)
    assert of_churn <= set(page.counters())
    assert page.one(INVOCATIONS, endpoint_name="churn") == truth_of(town, "churn")
    assert names(of_churn) <= COUNTER_NAMES


def test_denied_metric_does_not_make_the_others_dearer(town):
    """Its blocks stay open; that must not let everything beside it be read again from there, every minute."""

    def datapoints(minutes):
        before = town.fake.bill.datapoints
        town.run(minutes)
        return (town.fake.bill.datapoints - before) / minutes

    town.run(HOUR // MINUTE, step=5 * MINUTE)
    usual = datapoints(30)
    town.fake.faults.add("forbidden", metric="ModelLatency")
    town.run(6 * HOUR // MINUTE, step=15 * MINUTE)
    assert datapoints(15) < 2 * usual
