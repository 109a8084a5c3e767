"""Jobs by polling, over the SDK and the fake's own listings, pages, filters and throttles."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from street import ACCOUNT, REGION, Street, add_parents
from worlds import T0, values

from exporter.demo import World
from exporter.demo.jobs import KINDS, life
from exporter.jobs import JOB_TYPES, spelled
from exporter.model import DAY, HOUR, MINUTE

CHANGES = "sagemaker_job_state_changes_total"
EXECUTIONS = "sagemaker_pipeline_execution_state_changes_total"
STEPS = "sagemaker_pipeline_step_state_changes_total"
MONITORED = "sagemaker_model_monitor_executions_total"
DURATION = "sagemaker_job_duration_seconds"


def lively(luck, number, until):
    """Return a world with jobs of all types, some of them from before counting begins."""
    world = World(seed=1, repeated=0)
    parents = add_parents(world, T0 - 40 * DAY)
    for n in range(number):
        kind = luck.choice(sorted(JOB_TYPES))
        of = KINDS[kind]
        ends = luck.choice([None, *of.ended])
        lasts = luck.choice([20.0, 200.0, 3000.0, 40_000.0])
        job = world.add_job(
            ACCOUNT,
            REGION,
            kind,
            f"job-{n:04d}",
            T0 + luck.randrange(-100_000 if kind != "human_loop" else 0, until),
            lives=life(kind, ends, lasts, waits=10 if of.begins else luck.choice([0, 10])),
            parent=parents.get(kind, ""),
        )
        if kind == "pipeline_execution":
            for step in range(luck.choice([1, 12])):
                lives = life("pipeline_step", luck.choice(["Succeeded", "Failed"]), lasts * luck.uniform(0.3, 0.9))
                world.add_job(
                    ACCOUNT, REGION, "pipeline_step", f"step-{step}", job.created, lives=lives, parent=job.resource
                )
    return world


@pytest.mark.parametrize("seed", range(4))
def test_every_end_counts_once_over_kills_throttles_and_outages(seed):
    luck = random.Random(seed)
    text = "limits: {requests_per_second: {ListTrainingJobs: 10}}"
    street = Street(lively(luck, 150, 20 * HOUR), text=text, run=["job_polling"])
    try:
        begun = street.clock.now()
        street.cycle()
        for n in range(32):
            if n % 9 == 4:
                street.kill()
                street.start()
            if n % 7 == 2:
                street.fake.faults.add(
                    "http_500", operation=luck.choice(["ListTrainingJobs", "ListPipelines", "DescribeTransformJob"])
                )
            street.cycle(luck.choice([MINUTE, MINUTE, HOUR]))
            street.fake.faults.clear()
        for _ in range(12):
            snapshot = street.cycle(3 * HOUR)  # until nothing happens any more
        now = street.clock.now()
        ends, firsts, steps = Counter(), Counter(), Counter()
        for change in street.fake.world.job_changes(ACCOUNT, REGION, begun, now):
            kind = JOB_TYPES.get(change.job.kind.name)
            if kind and change.job.ended() == change.at:
                ends[kind.name, spelled(kind, change.job.state(now).status)] += 1
            if change.job.kind.name == "pipeline_step" and change.job.ended() == change.at:
                steps["a-pipeline", "", change.step.status] += 1
            if kind and change.at == change.job.created:
                firsts[kind.name, spelled(kind, change.job.state(change.at).status)] += 1
        shown = {labels[2:]: value for labels, value in values(snapshot, CHANGES).items() if value}
        ended = {name: {spelled(kind, status) for status in kind.ended} for name, kind in JOB_TYPES.items()}
        assert sum(ends.values()) > 40
        assert {key: n for key, n in shown.items() if key[1] in ended[key[0]]} == ends
        assert {labels[2:]: n for labels, n in values(snapshot, DURATION, "count").items() if n} == ends
        assert firsts.items() <= shown.items()
        by_parent = {
            "pipeline_execution": (EXECUTIONS, "a-pipeline"),
            "monitoring_execution": (MONITORED, "a-monitoring-schedule"),
        }
        for kind, (family, parent) in by_parent.items():
            of_kind = {(parent, status): n for (name, status), n in ends.items() if name == kind}
            counted = {labels[2:]: n for labels, n in values(snapshot, family).items() if n}
            assert {key: n for key, n in counted.items() if key[1] in ended[kind]} == of_kind
        counted = {labels[2:]: n for labels, n in values(snapshot, STEPS).items() if n}
        assert {key: n for key, n in counted.items() if key[2] != "Starting"} == steps
    finally:
        street.kill()
