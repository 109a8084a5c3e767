from __future__ import annotations

from collections import Counter
from itertools import pairwise

import orjson
import pytest
from asking import ACCOUNT, NOW, REGION

from exporter.demo import World
from exporter.demo.events import Road, deliveries, events, iso
from exporter.demo.jobs import KINDS, Work, life
from exporter.demo.resources import EndpointConfig, Variant


def arn(resource):
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{resource}"


def sent(world, start=NOW - 10**6, end=NOW + 10**6):
    found = events(world, ACCOUNT, REGION, start, end)
    assert [event.at for event in found] == sorted(event.at for event in found)
    for at, envelope in found:
        assert set(envelope) == {
            "version",
            "id",
            "detail-type",
            "source",
            "account",
            "time",
            "region",
            "resources",
            "detail",
        }
        assert (envelope["source"], envelope["account"], envelope["region"]) == ("aws.sagemaker", ACCOUNT, REGION)
        assert envelope["time"] == iso(at)
        orjson.dumps(envelope)
    return found


@pytest.fixture
def add(world):
    def add(kind, name, at=NOW, lives=None, **more):
        return world.add_job(ACCOUNT, REGION, kind, name, at, lives=lives, **more)

    return add


def details(found):
    return [event.envelope["detail"] for event in found]


class TestPayloads:
    def test_training(self, world, add):
        lives = life("training", "Failed", 1000, 100, text="AlgorithmError: x")
        add("training", "t", lives=lives, parent="hyper-parameter-tuning-job/tune")
        found = sent(world)
        assert {event.envelope["detail-type"] for event in found} == {"SageMaker Training Job State Change"}
        assert {tuple(event.envelope["resources"]) for event in found} == {(arn("training-job/t"),)}
        assert [(detail["TrainingJobStatus"], detail["SecondaryStatus"]) for detail in details(found)] == [
            ("InProgress", "Starting"),
            ("InProgress", "Downloading"),
            ("InProgress", "Training"),
            ("InProgress", "Uploading"),
            ("Failed", "Failed"),
        ]
        first, *_, last = details(found)
        assert first["CreationTime"] == f"{NOW}000"
        assert first["TrainingStartTime"] is first["TrainingEndTime"] is None
        assert last["TrainingStartTime"] == f"{NOW + 100}000"
        assert last["TrainingEndTime"] == last["LastModifiedTime"] == f"{NOW + 1000}000"
        assert (last["FailureReason"], "FailureReason" in first) == ("AlgorithmError: x", False)
        assert last["TuningJobArn"] == arn("hyper-parameter-tuning-job/tune")
        assert (last["Tags"], last["SecondaryStatusTransitions"]) == ({}, [])
        assert last["ResourceConfig"]["InstanceCount"] == 1

    def test_tuning_bears_another_arn_than_in_the_api(self, world, add):
        add("hyperparameter_tuning", "Tune", lives=life("hyperparameter_tuning", "Completed", 500))
        found = sent(world)
        assert found[-1].envelope["resources"] == [arn("tuningJob/Tune")]
        detail = found[-1].envelope["detail"]
        assert detail["HyperParameterTuningJobArn"] == arn("tuningJob/Tune")
        assert detail["HyperParameterTuningEndTime"] == f"{NOW + 500}000"
        assert detail["TrainingJobStatusCounters"]["Completed"] == 0

    def test_transform_has_iso_times_and_processing_numbers(self, world, add):
        add("transform", "t", lives=life("transform", "Completed", 500, 100))
        add("processing", "p", lives=life("processing", "Stopped", 500, 100))
        by_type = {}
        for event in sent(world):
            by_type.setdefault(event.envelope["detail-type"], []).append(event.envelope["detail"])
        transform = by_type["SageMaker Transform Job State Change"]
        assert [one["TransformEndTime"] for one in transform] == [None, None, iso(NOW + 500)]
        assert transform[1]["TransformStartTime"] == "2027-01-15T08:01:40Z"
        processing = by_type["SageMaker Processing Job State Change"]
        assert [one["ProcessingJobStatus"] for one in processing] == ["InProgress", "InProgress", "Stopping", "Stopped"]
        assert processing[-1]["ProcessingEndTime"] == (NOW + 500) * 1000

    def test_of_labeling_only_the_end_with_hardly_anything(self, world, add):
        add("labeling", "Label", lives=life("labeling", "Completed", 500, 100))
        (event,) = sent(world)
        assert event.at == NOW + 500
        assert event.envelope["detail"] == {"LabelingJobStatus": "Completed"}
        assert event.envelope["resources"] == [arn("labeling-job/label")]

    def test_human_loop(self, world, add):
        text = "The human loop expired"
        add("human_loop", "loop", NOW + 0.25, life("human_loop", "Failed", 500, text=text), parent="flow-definition/f")
        (event,) = sent(world)
        assert event.envelope["detail-type"] == "SageMaker A2I HumanLoop Status Change"
        assert event.envelope["detail"] == {
            "creationTime": "2027-01-15T08:00:00.250Z",
            "failureCode": "Expired",
            "failureReason": text,
            "flowDefinitionArn": arn("flow-definition/f"),
            "humanLoopArn": arn("human-loop/loop"),
            "humanLoopName": "loop",
            "humanLoopOutput": {"outputS3Uri": None},
            "humanLoopStatus": "Failed",
        }

    def test_pipelines_in_lower_camel(self, world, add):
        run = add(
            "pipeline_execution", "abc", lives=life("pipeline_execution", "Failed", 900, 10), parent="pipeline/Train"
        )
        add(
            "pipeline_step",
            "Fit",
            NOW + 20,
            life("pipeline_step", "Failed", 800, 10, text="ClientError: no"),
            parent=run.resource,
            work=Work(produces="training-job/fit"),
        )
        found = sent(world)
        execution = arn("pipeline/train/execution/abc")
        assert {tuple(event.envelope["resources"]) for event in found} == {(arn("pipeline/train"), execution)}
        begun, starting, executing, failed, over = details(found)
        statuses = ("previousPipelineExecutionStatus", "currentPipelineExecutionStatus")
        assert [begun[status] for status in statuses] == [None, "Executing"]
        assert [over[status] for status in statuses] == ["Executing", "Failed"]
        assert (begun["executionEndTime"], over["executionEndTime"]) == (None, iso(NOW + 900))
        assert (starting["currentStepStatus"], "previousStepStatus" in starting) == ("Starting", False)
        assert (executing["previousStepStatus"], executing["failureReason"]) == ("Starting", "")
        assert executing["metadata"] == {"trainingJob": {"arn": arn("training-job/fit")}}
        assert (failed["failureReason"], failed["stepEndTime"]) == ("ClientError: no", iso(NOW + 820))

    def test_endpoints_in_capitals(self, world):
        old = EndpointConfig("old", NOW, (Variant(instances=2),))
        new = EndpointConfig("new", NOW + 50, (Variant(model="m-2", status="Baking"),))
        world.add_endpoint(ACCOUNT, REGION, "E", NOW, config=old, status="Creating", tags={"team": "x"})
        world.update_endpoint(ACCOUNT, REGION, "E", NOW + 60, status="InService")
        world.change_period(ACCOUNT, REGION, "E", NOW + 80, 10)  # the status stays, and nothing is told
        world.update_endpoint(ACCOUNT, REGION, "E", NOW + 100, status="RollingBack", pending=new)
        failed = {"status": "UpdateRollbackFailed", "pending": None, "failure": "no"}
        world.update_endpoint(ACCOUNT, REGION, "E", NOW + 200, **failed)
        world.delete_endpoint(ACCOUNT, REGION, "E", NOW + 300)
        found = {}
        for event in sent(world):
            found.setdefault(event.envelope["detail-type"], []).append(event.envelope["detail"])
        states = found["SageMaker Endpoint State Change"]
        assert [one["EndpointStatus"] for one in states] == [
            "CREATING",
            "IN_SERVICE",
            "ROLLING_BACK",
            "UPDATE_ROLLBACK_FAILED",
            "DELETING",
        ]
        assert isinstance(states[1]["LastModifiedTime"], float)
        assert states[1]["LastModifiedTime"] == (NOW + 60) * 1000
        assert [one["FailureReason"] for one in states] == [None, None, None, "no", "no"]
        assert states[0]["Tags"] == {"team": "x"}
        (deployment,) = found["SageMaker Endpoint Deployment State Change"]
        (pending,) = deployment["PendingDeploymentSummary"]["ProductionVariants"]
        assert pending["VariantStatus"] == [{"Status": "Baking", "StartTime": (NOW + 100) * 1000}]
        configs = found["SageMaker Endpoint Config State Change"]
        assert [one["EndpointConfigName"] for one in configs] == ["old", "new", f"E-every-10s-{NOW + 80}"]

    def test_where_nothing_is_published_the_description_stands_in(self, world, add):
        add("monitoring_schedule", "hourly", lives=life("monitoring_schedule", waits=30))
        add("model_card_export", "e", lives=life("model_card_export", "Completed", 60, 0), parent="model-card/c")
        found = sent(world)
        statuses = [one.get("MonitoringScheduleStatus") or one["Status"] for one in details(found)]
        assert statuses == ["Pending", "InProgress", "Scheduled", "Completed"]

    @pytest.mark.parametrize(
        "kind", ["automl", "compilation", "ai_benchmark", "agent_rft", "inference_experiment", "monitoring_execution"]
    )
    def test_of_the_other_types_nothing_is_sent(self, world, add, kind):
        add(kind, "x", lives=life(kind, KINDS[kind].ended[0], 500), parent="monitoring-schedule/s")
        assert sent(world) == []


class TestWindow:
    def test_events_about_what_the_world_does_not_have(self, world):
        detail = {"NotebookInstanceName": "n", "NotebookInstanceStatus": "Failed"}
        kind = "SageMaker Notebook Instance State Change"
        for later in (0, 100, 100):
            world.notify(ACCOUNT, REGION, NOW + later, kind, detail, [arn("notebook-instance/n")])
        first, second, third = sent(world)
        assert (first.at, first.envelope["detail-type"], first.envelope["detail"]) == (NOW, kind, detail)
        assert first.envelope["resources"] == [arn("notebook-instance/n")]
        assert second.envelope["id"] != third.envelope["id"]
        assert sent(world, NOW, NOW + 100) == [first]

    def test_pieces_are_the_whole(self, world, add):
        for nth in range(20):
            add("training", f"t-{nth}", NOW + 37 * nth, life("training", "Completed", 300, 30))
        whole = sent(world)
        pieces = [event for start in range(NOW, NOW + 1200, 100) for event in sent(world, start, start + 100)]
        assert pieces == whole
        assert len(whole) == 100
        assert len({event.envelope["id"] for event in whole}) == 100

    def test_every_terminal_status_of_the_truth_is_told_once(self, world, add):
        jobs = [
            add("transform", f"t-{nth}", NOW + nth, life("transform", ends, 300))
            for nth, ends in enumerate(("Completed", "Failed", "Stopped", None) * 5)
        ]
        told = Counter(
            (one["TransformJobName"], one["TransformJobStatus"])
            for one in details(sent(world))
            if one["TransformJobStatus"] in KINDS["transform"].ended
        )
        assert told == Counter((job.name, status) for job in jobs for at, status in job.statuses() if at == job.ended())


class TestRoad:
    @pytest.fixture
    def many(self, world, add):
        for nth in range(200):
            add("training", f"t-{nth:03d}", NOW + 10 * nth, life("training", "Completed", 300, 30))
        return sent(world)

    def ids(self, arriving):
        return [envelope["id"] for _, envelope in arriving]

    def test_a_perfect_one(self, many):
        assert deliveries(many) == [(event.at, event.envelope) for event in many]

    def test_lost(self, many):
        arriving = deliveries(many, Road(lost=0.2))
        assert 0.15 < 1 - len(arriving) / len(many) < 0.25
        assert deliveries(many, Road(lost=1.0)) == []

    def test_repeated_with_another_id_and_time(self, many):
        arriving = deliveries(many, Road(repeated=0.2, delay=0))
        ids = self.ids(arriving)
        assert len(set(ids)) == len(ids)
        known = {event.envelope["id"]: event.envelope for event in many}
        more = [envelope for _, envelope in arriving if envelope["id"] not in known]
        assert 0.15 < len(more) / len(many) < 0.25
        originals = {(orjson.dumps(event.envelope["detail"]), event.envelope["time"]) for event in many}
        for one in more:
            assert orjson.dumps(one["detail"]) in {detail for detail, _ in originals}
            assert (orjson.dumps(one["detail"]), one["time"]) not in originals

    def test_redelivered_the_same(self, many):
        ids = Counter(self.ids(deliveries(many, Road(redelivered=0.2))))
        assert 0.15 < sum(count == 2 for count in ids.values()) / len(many) < 0.25
        assert max(ids.values()) == 2

    def test_late_and_out_of_order(self, many):
        sent_at = {event.envelope["id"]: event.at for event in many}
        arriving = deliveries(many, Road(delay=2, late=0.1, latest=3600))
        delays = [at - sent_at[envelope["id"]] for at, envelope in arriving]
        assert min(delays) >= 0
        assert 0.05 < sum(delay > 2 for delay in delays) / len(many) < 0.15
        assert 1800 < max(delays) <= 3600
        assert [at for at, _ in arriving] == sorted(at for at, _ in arriving)
        order = [sent_at[envelope["id"]] for _, envelope in arriving]
        assert any(first > second for first, second in pairwise(order))

    def test_by_the_seed_alone_and_whatever_is_asked_together(self, many):
        road = Road(lost=0.1, repeated=0.1, redelivered=0.1, late=0.1)
        whole = deliveries(many, road, 7)
        assert whole == deliveries(many, road, 7)
        assert self.ids(deliveries(many, Road(lost=0.5), 7)) != self.ids(deliveries(many, Road(lost=0.5), 8))
        pieces = [one for nth in range(0, len(many), 100) for one in deliveries(many[nth : nth + 100], road, 7)]
        assert sorted(pieces, key=lambda one: one[0]) == whole


def test_other_worlds_have_other_ids():
    ids = []
    for seed in (1, 2):
        world = World(seed)
        world.add_job(ACCOUNT, REGION, "training", "t", NOW)
        ids.append(sent(world)[0].envelope["id"])
    assert ids[0] != ids[1]
