from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from asking import ACCOUNT, NOW, REGION

from exporter.demo import World
from exporter.demo.job_lives import BROKE, LOOP_FAILURES, MIX, NEVER_BEGAN, add_jobs
from exporter.demo.jobs import JOB_TYPES

DAY = 86_400


@pytest.fixture(scope="module")
def jobs():
    world = World(1)
    add_jobs(world, ACCOUNT, REGION, NOW - DAY, NOW, 2_000)
    return world.region(ACCOUNT, REGION).jobs


def of_types(jobs):
    return [job for kind in JOB_TYPES for job in jobs.listing(kind)]


def test_as_many_as_asked_for_of_every_type(jobs):
    counts = Counter(job.kind.name for job in of_types(jobs))
    assert set(counts) == set(JOB_TYPES)
    alone = [job for job in of_types(jobs) if not job.parent and not job.name.startswith("pipelines-")]
    assert 0.75 * 2_000 < len(alone) < 1.1 * 2_000
    assert all(job.created >= NOW - DAY for job in of_types(jobs))
    assert MIX["training"] > MIX["automl"]


def test_they_end_in_every_way(jobs):
    ends = Counter((job.kind.name, job.life[-1].status) for job in of_types(jobs))
    usual = sum(number for (kind, status), number in ends.items() if status in JOB_TYPES[kind].done)
    assert 0.75 < usual / len(of_types(jobs)) < 0.92
    assert {status for kind, status in ends if kind == "training"} == {"Completed", "Failed", "Stopped"}
    phases = Counter(step.phase for job in jobs.listing("training") for step in job.life)
    assert min(phases[phase] for phase in ("MaxRuntimeExceeded", "MaxWaitTimeExceeded", "Interrupted", "Stopped")) > 0
    assert all(job.life[-1].after <= 12 * 3600 for job in of_types(jobs))


def test_they_fail_for_many_reasons(jobs):
    texts = Counter(job.life[-1].text for kind in ("training", "processing") for job in jobs.listing(kind))
    assert set(texts) - {""} == {*NEVER_BEGAN, *BROKE}
    assert all(len(text) <= 1024 for text in (*texts, *LOOP_FAILURES))  # FailureReason in the service model
    for job in jobs.listing("training"):
        assert (job.started() is None) == (job.life[-1].text in NEVER_BEGAN)


def test_steps_go_forward_in_time(jobs):
    for job in of_types(jobs):
        assert [step.after for step in job.life] == sorted(step.after for step in job.life)
        assert job.life[0].after == 0


def test_tuning_jobs_outlive_their_training_jobs(jobs):
    assert len(jobs.listing("hyperparameter_tuning")) > 10
    for job in jobs.listing("hyperparameter_tuning"):
        children = list(jobs.listing("training", job.resource))
        assert 3 <= len(children) <= 8
        assert all(job.created < child.created and child.ended() < job.ended() for child in children)


def test_pipelines_go_step_by_step_until_one_does_not_succeed(jobs):
    ends = Counter()
    for execution in jobs.listing("pipeline_execution"):
        steps = list(jobs.listing("pipeline_step", execution.resource))
        assert steps
        for step, following in pairwise(steps):
            assert step.life[-1].status == "Succeeded"
            assert step.ended() < following.created
        assert steps[-1].life[-1].status == execution.life[-1].status
        assert execution.created < steps[0].created
        assert steps[-1].ended() < execution.ended()
        ends[execution.life[-1].status, len(steps)] += 1
        for step in steps:
            kind, _, name = step.work.produces.partition("-job/")
            job = jobs.find(kind, name.lower(), NOW + DAY)
            assert step.created < job.created
            assert job.ended() < step.ended()
    assert ends["Succeeded", 4] > 10
    assert sum(number for (status, _), number in ends.items() if status == "Failed") > 5


def test_schedules_execute_each_hour_as_processing_jobs(jobs):
    for name in ("quality-hourly", "bias-hourly"):
        executions = list(jobs.listing("monitoring_execution", f"monitoring-schedule/{name}"))
        assert len(executions) == 23  # of the whole hours in between
        for execution in executions:
            job = jobs.find("processing", execution.name, NOW + DAY)
            assert job.ended() == execution.ended()
            assert job.parent == execution.parent


def test_the_same_seed_gives_the_same_jobs():
    def changes(of_world, seed=0):
        world = World(of_world)
        add_jobs(world, ACCOUNT, REGION, NOW - DAY, NOW, 100, seed=seed)
        found = world.job_changes(ACCOUNT, REGION, 0, 2 * NOW)
        return [(change.at, change.job.resource, change.step) for change in found]

    assert changes(1) == changes(1)
    assert changes(1) != changes(2)
    assert changes(1) != changes(1, seed=5)
