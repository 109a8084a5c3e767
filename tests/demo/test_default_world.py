from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest
import yaml
from asking import ACCOUNT, NOW, REGION, ask, points, query
from service_model import MODELS, impossible

from exporter.demo import QUEUE, TRAIL_BUCKET, TRAIL_QUEUE, FakeAws, access_key, default_world
from exporter.demo.events import events
from exporter.demo.jobs import JOB_TYPES
from exporter.demo.names import NAMES
from exporter.demo.series import Generated
from exporter.demo.thing_shapes import APIS as THING_APIS
from exporter.demo.thing_shapes import View
from exporter.demo.things import KINDS as THINGS

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


def statuses(place, kind, at=NOW):
    return Counter(thing.state(at).status for thing in place.things.listing(kind, at))


def test_a_few_of_each_thing(demo):
    place = demo.world.region(ACCOUNT, REGION)
    assert statuses(place, "notebook_instance") == {"InService": 3, "Stopped": 1, "Failed": 1}
    assert statuses(place, "domain") == {"InService": 2}
    assert statuses(place, "space") == statuses(place, "app") == {"InService": 3}
    assert statuses(place, "feature_group") == {"Created": 3, "CreateFailed": 1}
    assert statuses(place, "cluster") == {"InService": 1}
    assert statuses(place, "cluster_instance_group") == {"InService": 3}
    assert statuses(place, "cluster_node") == {"Running": 7}
    assert statuses(place, "training_plan") == {"Active": 1}
    assert statuses(place, "monitoring_alert") == {"InAlert": 1, "OK": 2}
    assert statuses(place, "model_package_group") == {"Completed": 3}
    assert sum(statuses(place, "model_package").values()) >= 9
    assert statuses(place, "mlflow_tracking_server").keys() <= {"Created", "Updated"}
    for kind in THINGS:
        assert place.things.listing(kind, NOW), kind
    for alert in place.things.listing("monitoring_alert", NOW):
        assert place.jobs.exists(alert.parent, NOW)


def test_what_publishes_is_there(demo):
    place = demo.world.region(ACCOUNT, REGION)
    named = {
        name: {dict(series.dimensions)[name] for series in series_of(demo) if name in dict(series.dimensions)}
        for name in ("ClusterName", "FeatureGroupName", "ReservationName", "MonitoringSchedule")
    }
    kinds = {"ClusterName": "cluster", "FeatureGroupName": "feature_group", "ReservationName": "training_plan"}
    for name, kind in kinds.items():
        assert named[name] <= {thing.name for thing in place.things.listing(kind, NOW)}
    assert named["MonitoringSchedule"] <= {job.name for job in place.jobs.listing("monitoring_schedule")}
    for config in place.configs.values():
        for variant in config.variants:
            assert variant.model is None or place.things.called("model", variant.model, NOW)


@pytest.mark.parametrize("api", THING_APIS, ids=lambda api: api.lists)
def test_answers_about_things_are_possible(demo, api):
    scope = f"{access_key(ACCOUNT)}/20270115/{REGION}/sagemaker/aws4_request"
    place = demo.world.region(ACCOUNT, REGION)

    def answer(operation, given):
        headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}", "X-Amz-Target": f"SageMaker.{operation}"}
        status, _, body = demo.handle("POST", "/", headers, orjson.dumps(given))
        told = orjson.loads(body)
        assert status == 200, told
        assert list(impossible(MODELS["sagemaker"].operation_model(operation).output_shape, told)) == []
        return told

    holders = {thing.parent for thing in place.things.listing(api.kind, NOW)} if api.within else {None}
    listed = []
    for holder in holders:
        whole = place.things.find(holder, NOW) if holder else None
        name = whole.name if whole else (holder or "").partition("/")[2]
        listed += answer(api.lists, {"MaxResults": 100} | ({api.within: name} if holder else {}))[api.result]
    things = place.things.listing(api.kind, NOW)
    assert len(listed) == len(things) if not api.past else len(listed) > len(things)
    for thing in things if api.describes else ():
        view = View(place, thing, NOW)
        given = {name: value for name, fact in api.by.items() if (value := fact(view)) is not None}
        assert answer(api.describes, given)


def test_events_of_things_are_sent(demo):
    sent = events(demo.world, ACCOUNT, REGION, NOW - 3600, NOW + 3 * 86400)
    told = Counter(
        event.envelope["detail-type"].removeprefix("SageMaker ") for event in sent if orjson.dumps(event.envelope)
    )
    assert {
        "Notebook Instance State Change",
        "HyperPod Cluster State Change",
        "HyperPod Cluster Node Health Event",
        "HyperPod Cluster Event",
        "Feature Group State Change",
        "Model Package State Change",
        "Tracking Server Updating",
    } <= told.keys()
    assert len({event.envelope["id"] for event in sent}) == len(sent)


def test_things_change_over_the_days(demo):
    place = demo.world.region(ACCOUNT, REGION)
    for day in range(3):
        turns = place.things.changes(NOW + 86400 * day, NOW + 86400 * (day + 1))
        entered = {(turn.thing.kind.name, turn.state.status) for turn in turns}
        assert {
            ("notebook_instance", "Stopping"),
            ("app", "Pending"),
            ("cluster", "Updating"),
            ("cluster_instance_group", "Degraded"),
            ("cluster_node", "Failure"),
            ("monitoring_alert", "InAlert"),
            ("model_package", "Completed"),
        } <= entered
        assert any(turn.gone and turn.thing.kind.name == "cluster_node" for turn in turns)
    sick = next(turn for turn in place.things.changes(NOW, NOW + 7200) if turn.state.status == "Failure")
    nodes = [sum(statuses(place, "cluster_node", at).values()) for at in (sick.at, sick.at + 3600)]
    assert nodes[0] == nodes[1]
    assert statuses(place, "cluster_node", sick.at)["Failure"] == 1
    assert statuses(place, "cluster_node", sick.at + 3600)["Failure"] == 0


def test_the_same_seed_gives_the_same_world():
    def prints(seed):
        world = default_world(seed, 5, ("1" * 12,), ("eu-west-1",), NOW)
        place = world.region("1" * 12, "eu-west-1")
        series = [
            (series.namespace, series.metric, series.dimensions, series.points(NOW - 1200, NOW, NOW))
            for series in place.listing
        ]
        jobs = [(change.at, change.job.name, change.step) for change in place.jobs.changes(0, 2 * NOW)]
        things = [(turn.at, turn.thing.resource, turn.state.status) for turn in place.things.changes(0, 2 * NOW)]
        return series, jobs, things

    assert prints(3) == prints(3)
    for one, other in zip(prints(3), prints(4), strict=True):
        assert one != other


def test_what_the_demo_shows_is_never_so_late_that_a_gauge_leaves():
    """A `_max` leaves six minutes after its period and is read each minute, when that has ended two minutes ago."""
    place = default_world(begin=NOW, shown=True).region(ACCOUNT, REGION)
    steady = [
        series
        for series in place.listing
        if isinstance(series, Generated) and series.behaviour.steady and series.schedule.period == 60
        if series.schedule.activity(NOW - 600) and series.schedule.activity(NOW + 1260).last >= NOW + 1200  # jobs end
    ]
    assert len(steady) > 200
    for now in range(NOW + 7, NOW + 1207, 60):
        for series in steady:
            assert series.points(now - 360, now - 180, now), (series.metric, series.dimensions, now)


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


def test_api_calls_come_by_a_trail_and_with_the_events():
    world = default_world(begin=NOW, endpoints=2, accounts=(ACCOUNT, "210987654321"))
    place, now = world.region(ACCOUNT, REGION), NOW + 1800
    for name in (QUEUE, TRAIL_QUEUE):
        world.flow(place.queues[name], now)
    bodies = [orjson.loads(message.body) for message in place.queues[QUEUE].messages.values()]
    told = [one["detail"] for one in bodies if one["detail-type"] == "AWS API Call via CloudTrail"]
    assert 20 < len(told) < len(bodies)
    assert not any(one["readOnly"] for one in told)
    test, *heard = [orjson.loads(message.body) for message in place.queues[TRAIL_QUEUE].messages.values()]
    assert test["Event"] == "s3:TestEvent"
    keys = {one["Records"][0]["s3"]["object"]["key"] for one in heard}
    folders = {key.split("/")[2] for key in keys if key.startswith("AWSLogs/o-demo123456/")}
    assert folders == {ACCOUNT, "210987654321"}
    bucket = world.buckets[TRAIL_BUCKET]
    assert all(bucket.find(key, now) for key in keys)
    assert len(list(bucket.keys(f"AWSLogs/o-demo123456/{ACCOUNT}/CloudTrail/", "", now))) > 280  # of the day before
