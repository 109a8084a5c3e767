from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
import yaml
from asking import ACCOUNT, NOW, REGION
from botocore.loaders import Loader
from botocore.model import ServiceModel

from exporter.demo import World
from exporter.demo.jobs import JOB_TYPES, KINDS, Step, Window, life, name_of

CONTRACT = yaml.load((Path(__file__).parent.parent / "contract" / "families.yaml").read_text(), yaml.CSafeLoader)
MODELS = {
    name: ServiceModel(Loader().load_service_model(name, "service-2"))
    for name in ("sagemaker", "sagemaker-a2i-runtime")
}
ENUMS = {
    "human_loop": "HumanLoopStatus",
    "training": "TrainingJobStatus",
    "processing": "ProcessingJobStatus",
    "transform": "TransformJobStatus",
    "hyperparameter_tuning": "HyperParameterTuningJobStatus",
    "automl": "AutoMLJobStatus",
    "compilation": "CompilationJobStatus",
    "optimization": "OptimizationJobStatus",
    "edge_packaging": "EdgePackagingJobStatus",
    "labeling": "LabelingJobStatus",
    "inference_recommendations": "RecommendationJobStatus",
    "inference_experiment": "InferenceExperimentStatus",
    "pipeline_execution": "PipelineExecutionStatus",
    "monitoring_execution": "ExecutionStatus",
    "model_card_export": "ModelCardExportJobStatus",
    "ai_benchmark": "AIBenchmarkJobStatus",
    "ai_recommendation": "AIRecommendationJobStatus",
    "pipeline": "PipelineStatus",
    "pipeline_step": "StepStatus",
    "monitoring_schedule": "ScheduleStatus",
    "flow_definition": "FlowDefinitionStatus",
    "model_card": "ModelCardStatus",
}
EVER = Window()


@pytest.fixture
def add(world):
    def add(kind, name, at=NOW, lives=None, **more):
        return world.add_job(ACCOUNT, REGION, kind, name, at, lives=lives, **more)

    return add


@pytest.fixture
def jobs(world):
    return world.region(ACCOUNT, REGION).jobs


class TestKinds:
    def test_all_types_of_the_contract(self):
        assert set(JOB_TYPES) == {row["job_type"] for row in CONTRACT["job_types"]}

    @pytest.mark.parametrize("kind", KINDS)
    def test_statuses_are_those_of_the_api(self, kind):
        service = "sagemaker-a2i-runtime" if kind == "human_loop" else "sagemaker"
        assert KINDS[kind].statuses == set(MODELS[service].shape_for(ENUMS.get(kind, "JobStatus")).enum)

    @pytest.mark.parametrize("row", CONTRACT["job_types"], ids=lambda row: row["job_type"])
    def test_they_end_where_the_contract_says_so(self, row):
        def plain(statuses):
            return {status.replace("_", "").lower() for status in statuses}

        assert plain(KINDS[row["job_type"]].ended) == plain(row["ended"])

    @pytest.mark.parametrize("kind", JOB_TYPES)
    def test_usual_lives(self, kind):
        of = KINDS[kind]
        for ends in (*of.ended, None):
            usual = life(kind, ends, 3600, 60)
            assert [step.after for step in usual] == sorted({step.after for step in usual})
            assert {step.status for step in usual} <= of.statuses
            assert (usual[-1].status, usual[-1].after) == ((of.runs, usual[-1].after) if ends is None else (ends, 3600))


class TestLife:
    def test_state_is_a_matter_of_time(self, add):
        job = add("training", "t", lives=life("training", "Failed", 1000, 100, text="out of memory"))
        seen = [job.state(NOW + later) for later in (-5, 0, 99, 100, 500, 960, 999, 1000, 5000)]
        assert [(step.status, step.phase) for step in seen] == [
            ("InProgress", "Starting"),
            ("InProgress", "Starting"),
            ("InProgress", "Starting"),
            ("InProgress", "Downloading"),
            ("InProgress", "Training"),
            ("InProgress", "Uploading"),
            ("InProgress", "Uploading"),
            ("Failed", "Failed"),
            ("Failed", "Failed"),
        ]
        assert (job.started(NOW + 99), job.started(NOW + 100)) == (None, NOW + 100)
        assert (job.ended(NOW + 999), job.ended(NOW + 1000)) == (None, NOW + 1000)

    def test_the_truth_names_each_status_once(self, add):
        job = add("training", "t", lives=life("training", "Stopped", 1000, 100, "MaxRuntimeExceeded"))
        assert job.statuses() == [(NOW, "InProgress"), (NOW + 910, "Stopping"), (NOW + 1000, "Stopped")]
        assert job.statuses(NOW + 950) == job.statuses()[:2]
        assert job.state(NOW + 2000).phase == "MaxRuntimeExceeded"

    def test_what_never_began_has_no_start(self, add):
        job = add("processing", "p", lives=life("processing", "Failed", 300, 300))
        assert (job.started(), job.ended()) == (None, NOW + 300)

    def test_what_does_not_wait_begins_at_once(self, add):
        job = add("pipeline_step", "s", lives=life("pipeline_step", "Succeeded", 300, 0))
        assert job.statuses() == [(NOW, "Executing"), (NOW + 300, "Succeeded")]
        assert job.started() == NOW

    def test_without_an_end_it_runs_for_ever(self, add):
        job = add("compilation", "c")
        assert (job.state(NOW + 10**9).status, job.ended()) == ("INPROGRESS", None)

    def test_a_life_can_be_changed_from_now_on(self, world, add):
        job = add("transform", "t", lives=life("transform", "Completed", 1000, 100))
        world.job_changes(ACCOUNT, REGION, NOW, NOW + 1)
        world.enter_status(ACCOUNT, REGION, job, NOW + 500, "Failed", text="gone")
        assert job.statuses() == [(NOW, "InProgress"), (NOW + 500, "Failed")]
        changes = world.job_changes(ACCOUNT, REGION, NOW, NOW + 2000)
        assert [(change.at, change.step.status) for change in changes] == [
            (NOW, "InProgress"),
            (NOW + 100, "InProgress"),
            (NOW + 500, "Failed"),
        ]

    def test_what_cannot_be(self, world, add):
        with pytest.raises(ValueError, match="has no status Succeeded"):
            add("training", "t", lives=(Step(0, "Succeeded"),))
        job = add("training", "t")
        with pytest.raises(ValueError, match="exists"):
            add("training", "t", NOW + 5)
        with pytest.raises(ValueError, match="has no status Gone"):
            world.enter_status(ACCOUNT, REGION, job, NOW, "Gone")


class TestNames:
    def test_a_name_can_be_had_again_after_removal(self, world, add, jobs):
        first = add("training", "t", lives=life("training", "Completed", 100, 10))
        world.delete_job(ACCOUNT, REGION, first, NOW + 200)
        second = add("training", "t", NOW + 300)
        found = [jobs.find("training", "t", NOW + later) for later in (-1, 0, 199, 200, 300)]
        assert found == [None, first, first, None, second]
        assert [change.job for change in jobs.changes(NOW, NOW + 10_000) if change.step.phase == "Starting"] == [
            first,
            second,
        ]

    def test_nothing_comes_after_removal(self, world, add, jobs):
        job = add("training", "t", lives=life("training", "Completed", 100, 10))
        world.delete_job(ACCOUNT, REGION, job, NOW + 50)
        assert job.statuses() == [(NOW, "InProgress")]
        assert jobs.changes(NOW + 50, NOW + 1000) == []

    def test_executions_are_told_apart_by_their_pipeline(self, add, jobs):
        one = add("pipeline_execution", "abc", parent="pipeline/One")
        two = add("pipeline_execution", "abc", parent="pipeline/two")
        assert jobs.find("pipeline_execution", "pipeline/one/execution/abc", NOW) is one
        assert list(jobs.listing("pipeline_execution", "pipeline/two")) == [two]
        assert list(jobs.listing("pipeline_execution")) == [one, two]

    def test_accounts_and_regions_have_their_own(self, world, add):
        add("training", "t")
        world.add_job("210987654321", REGION, "training", "t", NOW)
        assert len(world.region("210987654321", REGION).jobs.listing("training")) == 1
        assert len(world.region(ACCOUNT, "eu-west-1").jobs.listing("training")) == 0


class TestOrders:
    @pytest.fixture
    def listing(self, add, jobs):
        for number in (5, 3, 9, 1, 7, 0, 8, 2, 6, 4):
            add("training", f"t-{number}", NOW - 100 * (number // 2))
        return jobs.listing("training")

    def walk(self, listing, sort, descending, window=EVER, now=NOW):
        names, beyond = [], None
        while True:
            page, beyond = listing.cut(3, window, now, sort=sort, descending=descending, beyond=beyond)
            names += [job.name for job in page]
            if beyond is None:
                return names
            assert len(page) == 3

    def test_by_creation_then_name(self, listing):
        ascending = self.walk(listing, None, False)
        assert ascending == ["t-8", "t-9", "t-6", "t-7", "t-4", "t-5", "t-2", "t-3", "t-0", "t-1"]
        assert self.walk(listing, None, True) == ascending[::-1]

    def test_by_name(self, listing, add):
        names = [f"t-{number}" for number in range(10)]
        assert self.walk(listing, name_of, False) == names
        add("training", "t-33", NOW)
        add("training", "t-future", NOW + 1)
        assert self.walk(listing, name_of, True) == sorted([*names, "t-33"], reverse=True)

    def test_by_anything_else_within_a_window(self, listing):
        window = Window(NOW - 400, NOW)
        assert self.walk(listing, lambda job: -int(job.name[2:]), False, window) == [
            "t-7",
            "t-6",
            "t-5",
            "t-4",
            "t-3",
            "t-2",
        ]
        assert self.walk(listing, name_of, False, window._replace(inclusive=True))[-1] == "t-9"

    def test_what_comes_meanwhile_shifts_nothing(self, listing, add):
        page, beyond = listing.cut(3, Window(), NOW, sort=None, descending=True, beyond=None)
        add("training", "newer", NOW)
        following, _ = listing.cut(3, Window(), NOW, sort=None, descending=True, beyond=beyond)
        assert [job.name for job in page + following] == ["t-1", "t-0", "t-3", "t-2", "t-5", "t-4"]

    def test_what_is_removed_or_not_there_yet_is_left_out(self, listing, world, jobs):
        world.delete_job(ACCOUNT, REGION, jobs.find("training", "t-4", NOW), NOW)
        names = self.walk(listing, None, True, now=NOW - 100)
        assert names == ["t-3", "t-2", "t-5", "t-4", "t-7", "t-6", "t-9", "t-8"]
        assert "t-4" not in self.walk(listing, None, True)


def test_100_000_jobs_take_little_memory():
    tracemalloc.start()
    try:
        world = World()
        usual = life("training", "Completed", 1800)
        for number in range(10_000):
            world.add_job(ACCOUNT, REGION, "training", f"train-{number:06d}", NOW + number, lives=usual)
        each = tracemalloc.get_traced_memory()[0] / 10_000
    finally:
        tracemalloc.stop()
    assert each < 400  # bytes
