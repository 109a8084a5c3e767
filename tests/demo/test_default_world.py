from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from asking import ACCOUNT, NOW, REGION, ask, points, query

from exporter.demo import FakeAws, default_world
from exporter.demo.jobs import JOB_TYPES
from exporter.demo.names import NAMES

CONTRACT = yaml.load((Path(__file__).parent.parent / "contract" / "families.yaml").read_text(), yaml.CSafeLoader)


def asks():
    """(family, namespaces, metrics, dimension names) of every default CloudWatch family that need not wait."""
    found = {}
    for family in CONTRACT["families"]:
        if family["source"] != "cloudwatch_metrics" or family["default"] != "on" or family.get("later"):
            continue
        ask = family["ask"]
        dimensions = tuple(sorted([*ask["dimensions"], *ask.get("fixed", {})]))
        word = re.search(r"{(\w+)}", ask["metric"][0])
        spelt = (
            [[ask["metric"][0].replace(word[0], one)] for one in values(family, word[1])] if word else [ask["metric"]]
        )
        for metrics in spelt:
            found[metrics[0], dimensions, ask["namespace"][0]] = (
                family["family"],
                ask["namespace"],
                metrics,
                dimensions,
            )
    return list(found.values())


def values(family, word):
    known = family["values"][word]
    return known if isinstance(known, list) else CONTRACT["enums"][known]


@pytest.fixture(scope="module")
def demo():
    return FakeAws(default_world(begin=NOW), lambda: NOW)


def series_of(fake, account=ACCOUNT, region=REGION):
    return fake.world.region(account, region).listing


@pytest.fixture(scope="module")
def live(demo):
    """(namespace, metric, dimension names) of what had a datapoint in the last three hours."""
    return {
        (series.namespace, series.metric, tuple(sorted(name for name, _ in series.dimensions)))
        for series in series_of(demo)
        if any(series.points(NOW - back, NOW, NOW) for back in (600, 3 * 3600)) and series.activity(NOW)
    }


@pytest.mark.parametrize(("family", "namespaces", "metrics", "dimensions"), asks())
def test_every_default_family_has_live_data(live, family, namespaces, metrics, dimensions):
    spellings = {(namespace, metric, dimensions) for namespace in namespaces for metric in metrics}
    assert spellings & live


def test_every_name_of_aws_is_used(demo):
    """Each row of the names has a series for its first dimension set, under one of its spellings."""
    present = {(series.namespace, series.metric, frozenset(dict(series.dimensions))) for series in series_of(demo)}
    for row in (row for rows in NAMES.values() for row in rows):
        metrics = [metric for _, metric, _ in present] if "{" in row.metrics[0] else row.metrics
        assert any(
            (namespace, metric, frozenset(row.sets[0])) in present for namespace in row.namespaces for metric in metrics
        ), row


def test_names_are_well_formed():
    for by, rows in NAMES.items():
        for row in rows:
            assert row.by == by
            assert row.kind in {"counter", "distribution", "gauge", "progress"}
            assert row.period in {10, 60, 3600}
            assert row.sets
            assert all(len(set(names)) == len(names) for names in row.sets)


def test_breakdowns_exist_for_a_few_endpoints(live):
    for namespace, metric, names in (
        ("AWS/SageMaker", "Invocations", ("EndpointConfigName", "EndpointName", "VariantName")),
        ("AWS/SageMaker", "Invocations", ("EndpointName", "InstanceType", "VariantName")),
        ("AWS/SageMaker", "Invocations", ("EndpointName", "InstanceId", "VariantName")),
        ("AWS/SageMaker", "Invocations", ("ContainerName", "EndpointName", "VariantName")),
        ("/aws/sagemaker/Endpoints", "GPUUtilization", ("AcceleratorId", "EndpointName", "InstanceId", "VariantName")),
        ("/aws/sagemaker/InferenceComponents", "GPUUtilizationNormalized", ("GpuId", "InferenceComponentName")),
        ("/aws/sagemaker/Endpoints", "CPUUtilization", ("Host",)),
    ):
        assert (namespace, metric, names) in live


def test_disputed_spellings_one_in_use():
    for spelling in (0, 1):
        world = default_world(endpoints=0, begin=NOW, spelling=spelling)
        namespaces = {series.namespace for series in world.region(ACCOUNT, REGION).listing}
        disputed = ["AWS/Sagemaker/ModelBuildingPipeline", "AWS/SageMaker/ModelBuildingPipeline"]
        assert disputed[spelling] in namespaces
        assert disputed[1 - spelling] not in namespaces


def test_the_world_is_as_the_demo_tells(demo, clock):
    place = demo.world.region(ACCOUNT, REGION)
    endpoints = place.endpoints_at(NOW)
    assert len(endpoints) == 50
    assert {bool(endpoint.tags) for endpoint in endpoints} == {True, False}
    states = [endpoint.state(NOW) for endpoint in endpoints]
    (deploying,) = [state for state in states if state.status == "Updating"]
    assert deploying.pending
    assert any(state.config.asynchronous for state in states)
    assert any(variant.serverless for state in states for variant in state.config.variants)
    assert any(state.config.shadows for state in states)
    assert any(state.config.publish_period == 10 for state in states)
    assert len(place.components_at(NOW)) == 3
    assert place.targets
    gpu = {"EndpointName": endpoints[1].name, "VariantName": "AllTraffic"}
    (percent,) = points(
        demo,
        [query("Maximum", 3600, "GPUUtilization", "/aws/sagemaker/Endpoints", gpu)],
        NOW - 3600,
        NOW,
    ).values()
    assert 100 < percent <= 400


def test_the_bad_deployment_raises_errors_and_ends(demo):
    variant = {"EndpointName": "fraud-score", "VariantName": "AllTraffic"}

    def ratio(start, end):
        totals = [
            demo.truth(ACCOUNT, REGION, "AWS/SageMaker", metric, variant, "Sum", start, end)
            for metric in ("Invocation5XXErrors", "Invocations")
        ]
        return totals[0] / totals[1]

    assert ratio(NOW - 7200, NOW - 300) < 0.01
    assert ratio(NOW - 240, NOW + 600) > 0.04
    assert ratio(NOW + 1200, NOW + 7200) < 0.01
    (endpoint,) = demo.world.region(ACCOUNT, REGION).endpoints["fraud-score"]
    assert [endpoint.state(NOW + later).status for later in (-600, 0, 1000, 1300, 3 * 3600)] == [
        "InService",
        "Updating",
        "RollingBack",
        "InService",
        "Updating",
    ]


def test_metrics_of_one_variant_tell_the_same_story(demo):
    variant = {"EndpointName": "price-rank", "VariantName": "AllTraffic"}
    stats = {}
    for metric in ("Invocations", "ModelLatency", "Invocation4XXErrors", "OverheadLatency"):
        for name in ("Sum", "SampleCount"):
            stats[metric, name] = demo.truth(ACCOUNT, REGION, "AWS/SageMaker", metric, variant, name, NOW - 86400, NOW)
    requests = stats["Invocations", "Sum"]
    assert requests > 0
    for metric in ("ModelLatency", "Invocation4XXErrors", "OverheadLatency"):
        assert stats[metric, "SampleCount"] == requests
    assert 0 < stats["Invocation4XXErrors", "Sum"] < requests / 20
    assert stats["ModelLatency", "Sum"] == int(stats["ModelLatency", "Sum"])


def test_there_is_day_and_night(demo):
    variant = {"EndpointName": "price-rank", "VariantName": "AllTraffic"}
    hours = [
        demo.truth(ACCOUNT, REGION, "AWS/SageMaker", "Invocations", variant, "Sum", start, start + 3600)
        for start in range(NOW - 86400, NOW, 3600)
    ]
    assert max(hours) > 2 * min(hours)


def test_jobs_come_and_go(demo):
    def hosts(at):
        return {
            dict(series.dimensions)["Host"]
            for series in series_of(demo)
            if series.namespace == "/aws/sagemaker/TrainingJobs" and "Host" in dict(series.dimensions)
            if series.points(at - 300, at, at + 600)
        }

    now, later = hosts(NOW), hosts(NOW + 7200)
    assert now
    assert later
    assert now != later


def test_jobs_of_every_type_come_and_go(demo):
    jobs = demo.world.region(ACCOUNT, REGION).jobs
    for kind in JOB_TYPES:
        assert len(jobs.listing(kind)) > 0
    today = [job for kind in JOB_TYPES for job in jobs.listing(kind) if NOW - 86400 <= job.created < NOW]
    assert len(today) >= 140
    assert any(job.ended(NOW) is None for job in today)
    for later in (0, 86400, 2 * 86400):
        ends = Counter(change.step.status for change in jobs.changes(NOW + later - 86400, NOW + later))
        assert min(ends["Completed"], ends["Failed"], ends["Stopped"]) >= 5


def test_jobs_publish_while_they_run(demo):
    jobs = demo.world.region(ACCOUNT, REGION).jobs
    publishing = {
        dict(series.dimensions)["Host"].partition("/")[0]
        for series in series_of(demo)
        if series.namespace == "/aws/sagemaker/TrainingJobs"
        and "Host" in dict(series.dimensions)
        and series.points(NOW + 7000, NOW + 7060, NOW + 10_000)
    }
    running = {
        job.name
        for job in jobs.listing("training")
        if job.name.count("-") == 3 and (job.started() or NOW**2) <= NOW + 7000 and job.ended() >= NOW + 7060
    }
    assert publishing == running


def test_the_same_seed_gives_the_same_world():
    def prints(seed):
        world = default_world(seed, 5, ("1" * 12,), ("eu-west-1",), NOW)
        place = world.region("1" * 12, "eu-west-1")
        series = [
            (series.namespace, series.metric, series.dimensions, series.points(NOW - 1200, NOW, NOW))
            for series in place.listing
        ]
        return series, [(change.at, change.job.name, change.step) for change in place.jobs.changes(0, 2 * NOW)]

    assert prints(3) == prints(3)
    assert prints(3) != prints(4)


def test_accounts_and_regions_each_have_their_own():
    world = default_world(endpoints=2, accounts=("1" * 12, "2" * 12), regions=("eu-west-1", "us-east-1"), begin=NOW)
    assert len(world.regions) == 4
    assert set(world.roles) == {("1" * 12, "sagemaker-exporter"), ("2" * 12, "sagemaker-exporter")}
    invocations = {
        place: world.truth(*place, "AWS/SageMaker", "Invocations", variant, "Sum", NOW - 86400, NOW)
        for place in [(region.account, region.name) for region in world.regions]
        for variant in [{"EndpointName": "fraud-score", "VariantName": "AllTraffic"}]
    }
    assert len(set(invocations.values())) == 4


def test_starts_at_once_and_answers_fast(demo):
    begin = time.process_time()
    default_world(begin=NOW)
    assert time.process_time() - begin < 1
    queries = [
        query("Sum", 60, series.metric, series.namespace, dict(series.dimensions), f"q{place}")
        for place, series in enumerate(series_of(demo)[:500])
    ]
    ask(demo, queries, NOW - 300, NOW)
    took = []
    for _ in range(5):  # the quickest of them: a neighbour that takes our cache does not make the fake slow
        begin = time.process_time()
        ask(demo, queries, NOW - 300, NOW)
        took.append(time.process_time() - begin)
    assert min(took) < 0.2  # usually a tenth of this
