"""Jobs and things by events: each fact counted once, whatever is lost, repeated, late or out of order."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from job_room import Api, Job
from test_job_polling import ENDED, histories
from worlds import HERE, T0, FakeClock, examples, values

from exporter.admission import Admission
from exporter.aws.queues import opened
from exporter.catalogue.enums import ENUMS
from exporter.collection import Collection
from exporter.config import parse
from exporter.inventory import Census, Endpoint
from exporter.jobs import spelled
from exporter.jobs.detail_types import DETAIL_TYPES
from exporter.ledger import Ledger
from exporter.ledger.memory import MemoryStore
from exporter.model import DAY, HOUR, MINUTE, Reading, Target
from exporter.sources.job_events import JobEvents
from exporter.sources.job_polling import JobPolling
from exporter.tally import Tally

WHERE = (HERE.account_id, HERE.region)
CHANGES = "sagemaker_job_state_changes_total"
DURATION = "sagemaker_job_duration_seconds"
FAILURES = "sagemaker_job_failures_total"
EVENTS = "sagemaker_service_events_total"
ENDPOINTS = "sagemaker_endpoint_state_changes_total"
DEPLOYMENTS = "sagemaker_endpoint_deployments_total"
SAMPLES = yaml.safe_load((Path(__file__).parent / "event_samples.yaml").read_text())
ALONE = "sources: {job_events: {enabled: true}, job_polling: {enabled: false}}\nqueues: {events: {url: %s}}\n"
BOTH = "sources: {job_events: {enabled: true}}\nqueues: {events: {url: %s}}\n"
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/events"


def envelope(detail_type, detail, at, *, resources=(), id_="", replay=""):
    """Write down an event as EventBridge does."""
    return {
        "version": "0",
        "id": id_ or f"id-{next(NUMBERS)}",
        "detail-type": detail_type,
        "source": "aws.sagemaker",
        "account": HERE.account_id,
        "region": HERE.region,
        "time": at * 1000,
        "resources": list(resources),
        "detail": detail,
    } | ({"replay-name": replay} if replay else {})


NUMBERS = itertools.count()


class StandingInventory:
    """An inventory in which stands what a test puts there."""

    def __init__(self):
        self.now = Census()

    def census(self, target):
        assert target == HERE
        return self.now


class Room:
    """The sources and a ledger, which can be ended and begun again."""

    def __init__(self, text=ALONE):
        self.clock = FakeClock(T0)
        self.api = Api(self.clock)
        self.store = MemoryStore()
        self.inventory = StandingInventory()
        self.config = parse(text % URL)
        self.start()

    def start(self):
        self.tally = Tally()
        self.ledger = Ledger(self.store, self.clock, self.tally, zero_hold=0.0)
        self.admission = admission = Admission(self.config.limits.series)
        self.collection = Collection(self.ledger, self.clock, self.tally, admission)
        self.events = JobEvents(self.api, self.inventory, self.config)
        self.sources = [self.events]
        if self.config.sources.job_polling.enabled:
            self.sources.append(JobPolling(self.api, self.inventory, self.config))
        admission.expect(HERE, {source.name: None for source in self.sources})

    def restart(self):
        self.ledger.close()
        self.start()

    def run(self):
        return [self.collection.run(source, HERE) for source in self.sources]

    def hear(self, *envelopes):
        told = [opened(json.dumps(one)) for one in envelopes]
        heard = [one for one in told if self.events.hears(one)]
        return self.collection.hear(self.events, HERE, heard)

    def shown(self, family, part=""):
        self.ledger.shown(self.ledger.snapshot())  # first zeros
        self.ledger.apply(Reading("job_events", HERE, self.clock.now()))
        snapshot = self.ledger.snapshot()
        return {labels[2:]: value for labels, value in values(snapshot, family, part).items() if value}

    def outcomes(self):
        self.collection.own()
        found = values(self.ledger.snapshot(), "sagemaker_exporter_events_total")
        return {labels[3]: n for labels, n in found.items() if labels[2] == "job_events" and n}


@pytest.fixture
def room():
    made = Room()
    yield made
    made.ledger.close()


@pytest.fixture
def both():
    made = Room(BOTH)
    yield made
    made.ledger.close()


# -- all kinds ---------------------------------------------------------------------------------------------------------


def test_there_is_a_sample_of_each_kind_of_event():
    assert set(SAMPLES) == set(DETAIL_TYPES) == set(ENUMS["detail_type"])
    assert len(SAMPLES) == 58


@pytest.mark.parametrize("detail_type", sorted(SAMPLES))
def test_each_kind_of_event_lands_where_it_belongs(room, detail_type):
    sample = SAMPLES[detail_type]
    detail = json.loads(json.dumps(sample["detail"]).replace('"NOW"', str(int(T0 + 30) * 1000)))
    room.run()
    room.clock.forward(60)
    event = envelope(detail_type, detail, T0 + 40, resources=sample.get("resources", ()))
    assert room.hear(event, event) == []
    assert room.shown(EVENTS) == {(detail_type, sample["status"]): 1}
    for family, labels in sample.get("counts", {}).items():
        assert room.shown(family).get(tuple(labels)) == 1, family
    assert room.shown("sagemaker_exporter_label_values_folded_total") == {}


def test_of_a_cluster_that_is_not_chosen_nothing_counts():
    room = Room("resources: {exclude: [llm]}\n" + ALONE)
    try:
        room.run()
        room.clock.forward(60)
        logged = {"EventId": "a", "ClusterName": "llm", "EventTime": (T0 + 30) * 1000, "EventLevel": "Info"}
        health = {"ClusterName": "llm", "HealthSummary": {"HealthStatus": "Unhealthy", "RepairAction": "Reboot"}}
        room.hear(
            envelope("SageMaker HyperPod Cluster Event", {"EventDetails": logged}, T0 + 40),
            envelope("SageMaker HyperPod Cluster Node Health Event", health, T0 + 41),
        )
        assert room.shown("sagemaker_cluster_events_total") == {}
        assert room.shown("sagemaker_cluster_node_health_events_total") == {}
        assert sum(room.shown(EVENTS).values()) == 2
    finally:
        room.ledger.close()


def test_an_unknown_kind_is_counted_by_its_name_and_many_of_them_as_other(room):
    room.run()
    room.clock.forward(60)
    room.hear(envelope("SageMaker Quantum Job State Change", {"QuantumJobStatus": "Entangled"}, T0 + 40))
    assert room.shown(EVENTS) == {("SageMaker Quantum Job State Change", ""): 1}
    room.hear(*(envelope(f"SageMaker New {n}", {}, T0 + 41) for n in range(40)))
    shown = room.shown(EVENTS)
    assert len(shown) == 21
    assert shown["other", ""] == 21


def test_what_is_of_another_service_or_of_a_trail_is_not_heard(room):
    told = opened(json.dumps(envelope("AWS API Call via CloudTrail", {}, T0)))
    assert not room.events.hears(told)
    assert not room.events.hears(opened(json.dumps(envelope("x", {}, T0) | {"source": "aws.s3"})))


def test_an_event_that_can_not_be_read_is_left_and_takes_no_other_with_it(room):
    room.run()
    room.clock.forward(60)
    detail_type = "SageMaker Training Job State Change"
    good = {"TrainingJobName": "a", "TrainingJobStatus": "Completed", "CreationTime": (T0 + 5) * 1000}
    bad = envelope(detail_type, good | {"TrainingJobStatus": ["Completed"]}, T0 + 10)
    left = room.hear(bad, envelope(detail_type, good, T0 + 50))
    assert [one.id for one in left] == [bad["id"]]
    assert room.shown(EVENTS) == {(detail_type, "Completed"): 1}


def test_a_replay_out_of_an_archive_is_no_event_anew(room):
    room.run()
    room.clock.forward(60)
    detail = {"TrainingJobName": "a", "TrainingJobStatus": "Completed", "CreationTime": (T0 + 5) * 1000}
    event = envelope("SageMaker Training Job State Change", detail, T0 + 30)
    room.hear(event)
    room.hear(event | {"id": "another", "replay-name": "again"})
    assert room.shown(EVENTS) == {("SageMaker Training Job State Change", "Completed"): 1}
    assert room.shown(CHANGES) == {("training", "InProgress"): 1, ("training", "Completed"): 1}


def test_what_happened_before_counting_began_does_not_count_and_is_told(room):
    room.run()
    detail = {"TrainingJobName": "a", "TrainingJobStatus": "Completed", "CreationTime": (T0 - 500) * 1000}
    detail |= {"TrainingEndTime": (T0 - 100) * 1000, "LastModifiedTime": (T0 - 100) * 1000}
    room.hear(envelope("SageMaker Training Job State Change", detail, T0 - 90))
    assert room.shown(CHANGES) == {}
    assert room.shown(EVENTS) == {}
    assert room.outcomes() == {"too_old": 1.0}


def test_counting_begins_by_the_clock_of_aws_and_ours_may_be_ahead_of_it(room):
    with mock.patch.object(room.api, "now", return_value=T0 + HOUR):  # before AWS has answered anything
        room.events = JobEvents(room.api, room.inventory, room.config)
    room.clock.forward(80)
    room.hear(*sent(Job("training", T0 + 10, (T0 + 70, "Failed"), started=T0 + 30.0)))
    assert room.shown(CHANGES) == {}, "what happened before the first message came is not known to be new"
    room.clock.forward(80)
    room.hear(*sent(Job("training", T0 + 90, (T0 + 150, "Failed"), started=T0 + 100.0)))
    assert room.shown(CHANGES) == {("training", "InProgress"): 1, ("training", "Failed"): 1}


# -- jobs --------------------------------------------------------------------------------------------------------------


def test_an_end_is_described_where_nobody_polls(room):
    room.run()
    job = Job("training", T0 + 10, (T0 + 70, "Failed"), failure="CapacityError: no instances", started=T0 + 30.0)
    room.api.jobs.append(job)
    room.clock.forward(80)
    room.hear(*sent(job))
    assert room.shown(CHANGES) == {("training", "InProgress"): 1, ("training", "Failed"): 1}
    assert room.shown(FAILURES) == {}
    room.run()
    assert room.shown(FAILURES) == {("training", "capacity"): 1}
    assert room.shown(DURATION, "sum") == {("training", "Failed"): 60}
    room.clock.forward(HOUR)
    room.hear(*sent(job))
    room.run()
    assert room.shown(FAILURES) == {("training", "capacity"): 1}
    assert room.api.calls["DescribeTrainingJob"] == 2, "the second time it is not known to be told, and counts nothing"


def test_what_events_tell_of_a_target_that_nobody_reads_is_all_there_is(both):
    there = Target("999999999999", HERE.region)
    both.run()
    both.events.meet(there)
    both.clock.forward(80)

    def hear(*envelopes):
        both.collection.hear(both.events, there, [opened(json.dumps(one)) for one in envelopes])

    def shown(family, part=""):
        found = values(both.ledger.snapshot(), family, part)
        return {labels[2:]: value for labels, value in found.items() if labels[0] == there.account_id and value}

    failed = Job("training", T0 + 10, (T0 + 70, "Failed"), failure="CapacityError: no instances", started=T0 + 30.0)
    hear(*sent(failed), *sent(failed), *sent(Job("labeling", T0 + 10, (T0 + 70, "Failed")), ("training", "x")))
    for _ in range(2):
        both.clock.forward(MINUTE)
        both.ledger.shown(both.ledger.snapshot())
        hear()
    assert shown(FAILURES) == {("training", "capacity"): 1, ("labeling", "unspecified"): 1}
    assert shown(DURATION, "sum") == {("training", "Failed"): 60}
    assert shown(CHANGES)["labeling", "Failed"] == 1
    assert not [name for name in both.ledger.known("job_events", there).notes if name.startswith("owed/")]


def test_a_target_that_is_read_after_all_is_one_that_is_read(both):
    both.events.meet(HERE)  # by a batch that came before it was configured
    both.run()
    both.clock.forward(80)
    job = Job("labeling", T0 + 10, (T0 + 70, "Completed"))
    both.api.jobs.append(job)
    both.hear(*sent(job))
    assert both.shown(CHANGES) == {}, "polling describes it"


def test_a_job_without_a_time_of_creation_waits_for_its_description(room):
    room.run()
    job = Job("labeling", T0 + 10, (T0 + 70, "Completed"))
    room.api.jobs.append(job)
    room.clock.forward(80)
    room.hear(*sent(job))
    assert room.shown(CHANGES) == {}
    room.run()
    assert room.shown(CHANGES) == {("labeling", "Initializing"): 1, ("labeling", "Completed"): 1}
    assert room.shown(DURATION, "sum") == {("labeling", "Completed"): 60}


def test_a_job_that_is_gone_before_it_is_described_counts_by_what_was_told(room):
    room.run()
    room.clock.forward(80)
    room.hear(*sent(Job("labeling", T0 + 10, (T0 + 70, "Failed")), ("training", "x")))
    room.run()
    assert room.shown(CHANGES) == {("labeling", "Failed"): 1}
    assert room.shown(FAILURES) == {("labeling", "unspecified"): 1}
    room.clock.forward(HOUR)
    room.run()
    assert room.shown(CHANGES) == {("labeling", "Failed"): 1}


def test_what_describe_has_not_told_in_ten_minutes_counts_without_it(room):
    room.run()
    job = Job("training", T0 + 10, (T0 + 70, "Failed"), failure="")
    room.api.jobs.append(job)
    room.api.fails = lambda _: "denied"
    room.clock.forward(80)
    room.hear(*sent(job))
    for _ in range(10):
        room.run()
        assert room.shown(FAILURES) == {}
        room.clock.forward(MINUTE)
    room.run()
    assert room.shown(FAILURES) == {("training", "unspecified"): 1}


def test_polling_tells_of_what_no_event_told(both):
    both.run()
    heard = Job("training", T0 + 10, (T0 + 50, "Completed"))
    missed = Job("training", T0 + 11, (T0 + 51, "Completed"))
    both.api.jobs += [heard, missed]
    both.clock.forward(60)
    both.hear(*sent(heard))
    for _ in range(25):
        both.run()
        both.clock.forward(MINUTE)
    both.hear(*sent(missed))
    assert both.shown(CHANGES) == {("training", "InProgress"): 2, ("training", "Completed"): 2}
    both.collection.own()
    assert both.shown("sagemaker_exporter_missed_events_total") == {("training",): 2}, "both changes of one job"


def sent(job, *_):
    """Yield the events about a job, as AWS sends them: of some types only the end is told."""
    kind = job.kind
    for at, status in job.lives:
        if kind.name in {"labeling", "human_loop"} and status not in kind.ended:
            continue
        detail = job.told(kind.event, at)
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:{job.path()}"
        yield envelope(kind.detail_type, detail, at, resources=[arn], id_=f"{job.name}-{status}-{at}")


# -- things ------------------------------------------------------------------------------------------------------------


def endpoint_event(status, at, *, changed=None, created=T0 - 5 * DAY, name="a"):
    detail = {"EndpointName": name, "EndpointStatus": status, "CreationTime": created * 1000}
    detail["LastModifiedTime"] = (at if changed is None else changed) * 1000
    return envelope("SageMaker Endpoint State Change", detail, at)


def standing(status, modified, *, created=T0 - 5 * DAY, at=T0, **facts):
    endpoint = Endpoint("a", status, created, modified, facts=facts)
    return Census(endpoints={"a": endpoint}, endpoints_at=at)


def test_an_endpoint_counts_each_time_it_comes_back_to_a_status_whoever_saw_it(both):
    both.inventory.now = standing("InService", T0 - DAY)
    both.run()
    assert both.shown(ENDPOINTS) == {}, "it has been so before counting began"
    both.clock.forward(100)
    both.hear(endpoint_event("UPDATING", T0 + 50), endpoint_event("IN_SERVICE", T0 + 90))
    assert both.shown(ENDPOINTS) == {("a", "Updating"): 1, ("a", "InService"): 1}
    both.inventory.now = standing("InService", T0 + 90)
    both.run()
    both.clock.forward(100)
    both.inventory.now = standing("InService", T0 + 190)  # it was updated, and no event came
    both.run()
    assert both.shown(ENDPOINTS) == {("a", "Updating"): 1, ("a", "InService"): 1}
    both.hear(endpoint_event("UPDATING", T0 + 150))
    assert both.shown(ENDPOINTS) == {("a", "Updating"): 2, ("a", "InService"): 2}, "it must have come back"
    both.hear(endpoint_event("IN_SERVICE", T0 + 190), endpoint_event("UPDATING", T0 + 50))
    assert both.shown(ENDPOINTS) == {("a", "Updating"): 2, ("a", "InService"): 2}


def test_what_exists_stands_at_0_and_leaves_a_day_after_it_is_gone(both):
    both.inventory.now = standing("InService", T0 - DAY)
    both.run()
    of_endpoint = {labels[2:] for labels in values(both.ledger.snapshot(), ENDPOINTS)}
    assert of_endpoint == {("a", status) for status in ENUMS["endpoint_status"]}
    both.clock.forward(MINUTE)
    both.inventory.now = Census(endpoints_at=both.clock.now())
    both.run()
    assert values(both.ledger.snapshot(), ENDPOINTS)
    both.clock.forward(DAY + MINUTE)
    both.inventory.now = Census(endpoints_at=both.clock.now())
    both.run()
    assert not values(both.ledger.snapshot(), ENDPOINTS)
    both.hear(endpoint_event("UPDATING", T0 + 30), endpoint_event("UPDATING", T0 + 30))
    assert both.shown(ENDPOINTS) == {("a", "Updating"): 1}
    both.hear(endpoint_event("UPDATING", T0 + 30))
    assert both.shown(ENDPOINTS) == {("a", "Updating"): 1}, "what was seen of it is remembered"
    both.clock.forward(47 * DAY)
    both.inventory.now = Census(endpoints_at=both.clock.now())
    both.run()
    assert not both.ledger.notes("runs")[HERE]


def test_a_listing_that_failed_ends_nothing(both):
    both.inventory.now = standing("InService", T0 - DAY)
    both.run()
    both.clock.forward(3 * DAY)
    both.inventory.now = Census()
    both.run()
    assert values(both.ledger.snapshot(), ENDPOINTS)


def test_a_deployment_counts_once_by_what_came_of_it(both):
    old, new = {"EndpointName": "a", "EndpointConfigName": "old"}, {"EndpointName": "a", "EndpointConfigName": "new"}
    pending = {"PendingDeploymentSummary": {"EndpointConfigName": "new", "StartTime": T0 + 10}}
    both.inventory.now = standing("InService", T0 - DAY, EndpointStatus="InService", **old)
    both.run()
    both.clock.forward(60)
    both.inventory.now = standing("Updating", T0 + 10, EndpointStatus="Updating", **old, **pending)
    both.run()
    both.restart()
    both.clock.forward(600)
    told = new | {"EndpointStatus": "IN_SERVICE", "LastModifiedTime": (T0 + 610) * 1000}
    in_ms = {"PendingDeploymentSummary": {"EndpointConfigName": "new", "StartTime": (T0 + 10) * 1000}}
    both.hear(envelope("SageMaker Endpoint Deployment State Change", told | in_ms, T0 + 611))
    both.inventory.now = standing("InService", T0 + 610, EndpointStatus="InService", **new)
    both.run()
    assert both.shown(DEPLOYMENTS) == {("a", "succeeded"): 1}
    assert both.shown("sagemaker_endpoint_deployment_duration_seconds", "sum") == {("succeeded",): 600}
    pending["PendingDeploymentSummary"]["StartTime"] = T0 + 700
    both.clock.forward(120)
    both.inventory.now = standing("RollingBack", T0 + 750, EndpointStatus="RollingBack", **new, **pending)
    pending["PendingDeploymentSummary"]["EndpointConfigName"] = "newest"
    both.run()
    both.clock.forward(120)
    both.inventory.now = standing("InService", T0 + 800, EndpointStatus="InService", **new)
    both.run()
    assert both.shown(DEPLOYMENTS) == {("a", "succeeded"): 1, ("a", "rolled_back"): 1}


def test_what_is_told_again_at_an_equal_time_begins_no_run(both):
    both.run()
    both.clock.forward(100)
    events = [endpoint_event(status, T0 + 50) for status in ("UPDATING", "IN_SERVICE", "FAILED")]
    for _ in range(4):
        both.hear(*events)
    assert set(both.shown(ENDPOINTS).values()) == {1}


def test_what_stands_still_is_not_written_down_anew(both):
    both.inventory.now = standing("InService", T0 - DAY)
    for _ in range(10):
        both.run()
        both.clock.forward(MINUTE)
    assert len(both.ledger.notes("runs")[HERE]["endpoint/a"]) == 2


def test_what_happened_while_a_family_was_off_does_not_count():
    room = Room(BOTH)
    try:
        room.inventory.now = standing("InService", T0 - DAY)
        room.run()
        room.ledger.close()
        off = "families: {exclude: [sagemaker_endpoint_state_changes_total]}\n"
        room.config = parse(off + BOTH % URL)
        room.start()
        room.clock.forward(HOUR)
        room.inventory.now = standing("Failed", T0 + 600, at=room.clock.now())
        room.run()
        room.ledger.close()
        room.config = parse(BOTH % URL)
        room.start()
        room.clock.forward(HOUR)
        room.inventory.now = standing("Failed", T0 + 600, at=room.clock.now())
        room.run()
        assert room.shown(ENDPOINTS) == {}
        room.inventory.now = standing("InService", room.clock.now() + 5, at=room.clock.now() + 10)
        room.clock.forward(MINUTE)
        room.run()
        assert room.shown(ENDPOINTS) == {("a", "InService"): 1}
    finally:
        room.ledger.close()


def test_a_deployment_counts_in_whatever_order_its_events_come(both):
    both.run()
    both.clock.forward(900)
    pending = {"PendingDeploymentSummary": {"EndpointConfigName": "new", "StartTime": (T0 + 10) * 1000}}
    updating = {"EndpointName": "a", "EndpointStatus": "UPDATING", "EndpointConfigName": "old", **pending}
    done = {"EndpointName": "a", "EndpointStatus": "IN_SERVICE", "EndpointConfigName": "new"}
    deployment = "SageMaker Endpoint Deployment State Change"
    after = envelope(deployment, done | {"LastModifiedTime": (T0 + 610) * 1000}, T0 + 611)
    before = envelope(deployment, updating | {"LastModifiedTime": (T0 + 10) * 1000}, T0 + 11)
    both.hear(after)
    both.hear(before)
    both.hear(after, before)
    assert both.shown(DEPLOYMENTS) == {("a", "succeeded"): 1}
    assert both.shown("sagemaker_endpoint_deployment_duration_seconds", "sum") == {("succeeded",): 600}


def test_a_description_that_lags_behind_its_event_is_waited_for(room):
    room.run()
    job = Job("training", T0 + 10, (T0 + 70, "Failed"), failure="CapacityError: none")
    told = list(sent(job))
    job.lives = job.lives[:1]
    room.api.jobs.append(job)
    room.clock.forward(80)
    room.hear(*told)
    room.run()
    assert room.shown(FAILURES) == {}
    job.lives = (*job.lives, (T0 + 70, "Failed"))
    room.clock.forward(MINUTE)
    room.run()
    assert room.shown(FAILURES) == {("training", "capacity"): 1}


def test_an_end_that_polling_can_not_list_counts_in_an_hour_by_what_was_told(both):
    both.api.fails = lambda operation: "denied" if operation == "ListTrainingJobs" else None
    both.run()
    both.clock.forward(80)
    both.hear(*sent(Job("training", T0 + 10, (T0 + 70, "Failed"), failure="CapacityError: none")))
    both.run()
    assert both.shown(FAILURES) == {}
    both.clock.forward(HOUR + MINUTE)
    both.run()
    assert both.shown(FAILURES) == {("training", "capacity"): 1}
    assert not both.api.calls["DescribeTrainingJob"]


def test_names_that_only_events_tell_keep_to_the_limit_of_series():
    for text in (BOTH, ALONE):
        room = Room("limits: {series: 3000}\n" + text)
        try:
            room.inventory.now = standing("InService", T0 - DAY)
            for _ in range(3):
                room.run()
                room.clock.forward(MINUTE)
            for first in range(0, 4000, 100):
                room.hear(*(endpoint_event("FAILED", T0 + 70, name=f"made-up-{first + n}") for n in range(100)))
            room.run()
            assert len(values(room.ledger.snapshot(), ENDPOINTS)) < 3000
            room.hear(*(endpoint_event("FAILED", T0 + 70, name=f"more-{n}") for n in range(100)))
            assert not any(labels[2].startswith("more-") for labels in values(room.ledger.snapshot(), ENDPOINTS))
        finally:
            room.ledger.close()


# -- any history -------------------------------------------------------------------------------------------------------


def deliveries(jobs, luck, losses):
    """Return the events about jobs, each with the time of its arrival: lost, repeated, late, in any order."""
    arriving = []
    for job in jobs:
        for one in sent(job) if job.kind.detail_type else ():
            at = one["time"] / 1000
            copies = 0 if luck.random() < losses else luck.choice([1, 1, 2])
            arriving += [(at + luck.choice([0.0, 1.0, 500.0, 20_000.0]), one) for _ in range(copies)]
    return sorted(arriving, key=lambda pair: pair[0])


@settings(max_examples=examples(100))
@given(histories(), st.sampled_from([0.0, 0.5, 1.0]), st.booleans())
def test_every_end_counts_once_by_events_by_polls_or_by_both(history, losses, polled):
    jobs, steps, luck = history
    room = Room(BOTH if polled else ALONE)
    room.api.jobs = jobs
    arriving, heard = deliveries(jobs, random.Random(luck.random()), losses), []
    try:
        room.run()
        for step, seconds in [*steps, *(("poll", 7200) for _ in range(12))]:
            room.clock.forward(seconds)
            now = room.clock.now()
            room.api.fails = {
                "fail": lambda _: "transient",
                "some fail": lambda _: luck.choice([None, "transient", "denied", "throttled"]),
            }.get(step, lambda _: None)
            if step == "restart":
                room.restart()
            come = [one for at, one in arriving if at <= now and one["time"] / 1000 <= now]
            arriving = [pair for pair in arriving if pair[1] not in come]
            luck.shuffle(come)
            heard += come
            if come:
                assert room.hear(*come) == []
            room.run()
        room.clock.forward(MINUTE)
        room.hear(*(one | {"replay-name": "again"} for one in heard))  # and what is replayed counts nothing
        room.run()
        told = {(one["id"]) for one in heard}
        ends, least, most = oracle(jobs, told, room.clock.now(), polled=polled)
        shown = Counter(room.shown(CHANGES))
        assert Counter({key: n for key, n in shown.items() if key[1] in ENDED[key[0]]}) == ends
        assert not least - shown
        assert not shown - most, [(j.kind.name, j.created - T0, [(a - T0, s) for a, s in j.lives]) for j in jobs]
        if not polled:
            assert shown == least
        durations = Counter(room.shown(DURATION, "count"))
        assert {k: n for k, n in durations.items() if k[0] != "labeling"} == {
            k: n for k, n in ends.items() if k[0] != "labeling"
        }
        assert durations <= ends
        fails = sum(n for key, n in ends.items() if key[1] == "Failed")
        assert sum(room.shown(FAILURES).values()) == fails
        room.clock.forward(60 * DAY)  # their identities are forgotten by now
        for _ in range(2):
            room.hear(*heard)
            room.run()
        assert Counter(room.shown(CHANGES)) == shown
        assert Counter(room.shown(DURATION, "count")) == durations
    finally:
        room.ledger.close()


def oracle(jobs, told, now, *, polled):
    """Count by what was decided: ends, what must have been counted in all, and what may have been."""
    ends, least, most = Counter(), Counter(), Counter()
    for job in jobs:
        heard = {status for at, status in job.lives if f"{job.name}-{status}-{at}" in told}
        named = job.kind.name != "labeling"
        for at, status in job.lives:
            if not T0 <= at <= now:
                continue
            key = (job.kind.name, spelled(job.kind, status))
            over, first = status in job.kind.ended, at == job.created
            known = polled or bool(heard)
            if (over and (polled or status in heard)) or (first and known) or (status in heard and named):
                least[key] += 1
            if over and (polled or status in heard):
                ends[key] += 1
            most[key] += 1
    return ends, least, most


@pytest.mark.parametrize("text", [ALONE, BOTH], ids=["alone", "with polling"])
def test_what_a_job_has_used_up_counts_once_describe_tells(text):
    """Its end counts after ten minutes without that."""
    room = Room(text)
    room.run()
    room.clock.forward(60)
    on = {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}}
    job = Job("training", T0 + 30, (T0 + 100, "Completed"), started=T0 + 31.0, BillableTimeInSeconds=69, **on)
    room.api.jobs.append(job)
    room.clock.forward(60)
    room.api.fails = lambda operation: "denied" if operation.startswith("Describe") else None
    times = {"CreationTime": T0 + 30, "TrainingEndTime": T0 + 100, "LastModifiedTime": T0 + 100}
    detail = {
        "TrainingJobName": job.name,
        "TrainingJobStatus": "Completed",
        **{at: 1000 * of for at, of in times.items()},
    }
    room.hear(envelope("SageMaker Training Job State Change", detail, T0 + 101))
    for minute in range(120):
        room.run()
        room.clock.forward(60)
        if minute == 20:
            assert room.shown(DURATION, "count")
            room.api.fails = lambda _: None
    assert room.shown("sagemaker_job_billable_instance_seconds_total") == {("training", "ml.m5.large"): 69.0}


def test_a_type_that_may_not_be_described_is_asked_about_seldom_and_counts_once_it_may():
    room = Room(ALONE)
    room.run()
    on = {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}}
    room.api.fails = lambda operation: "denied" if operation.startswith("Describe") else None
    for n in range(100):
        at = T0 + 30 + n
        job = Job("training", at, (at + 10, "Completed"), started=at + 1.0, BillableTimeInSeconds=9, **on)
        room.api.jobs.append(job)
        times = {"CreationTime": at, "TrainingEndTime": at + 10, "LastModifiedTime": at + 10}
        told = {name: 1000 * of for name, of in times.items()}
        detail = {"TrainingJobName": job.name, "TrainingJobStatus": "Completed", **told}
        room.hear(envelope("SageMaker Training Job State Change", detail, at + 11))
    for _ in range(120):
        room.clock.forward(60)
        room.run()
    assert room.api.calls["DescribeTrainingJob"] <= 121, "one tells for all"
    room.api.fails = lambda _: None
    for _ in range(30):
        room.clock.forward(60)
        room.run()
    assert room.shown("sagemaker_job_billable_instance_seconds_total") == {("training", "ml.m5.large"): 900.0}
