"""Jobs by polling: every end counted once, whatever the polls miss, however often we start again."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from job_room import Job, Room
from worlds import HERE, T0, examples, values

from exporter.aws import AwsError
from exporter.catalogue.jobs import NUMBER, scope_of
from exporter.jobs import JOB_TYPES, REASONS, spelled
from exporter.model import DAY, HOUR, MINUTE

WHERE = (HERE.account_id, HERE.region)
CHANGES = "sagemaker_job_state_changes_total"
DURATION = "sagemaker_job_duration_seconds"
FAILURES = "sagemaker_job_failures_total"


@pytest.fixture
def room():
    made = Room()
    yield made
    made.ledger.close()


def test_a_job_that_starts_and_ends_between_two_polls_is_counted(room):
    room.poll()
    room.api.jobs.append(Job("training", T0 + 10, (T0 + 40, "Failed"), failure="AlgorithmError: exit code 1"))
    room.clock.forward(MINUTE)
    room.poll()
    room.clock.forward(MINUTE)
    room.poll()
    assert room.shown(CHANGES) == {("training", "InProgress"): 1, ("training", "Failed"): 1}
    assert room.shown(DURATION, "sum") == {("training", "Failed"): 30}
    assert room.shown(FAILURES) == {("training", "algorithm_error"): 1}


def test_a_first_start_counts_nothing_of_the_past_and_what_is_open_from_then_on(room):
    room.api.jobs += [
        Job("training", T0 - 5 * DAY, (T0 - 4 * DAY, "Completed")),
        Job("processing", T0 - 2 * HOUR, (T0 + 90, "Completed")),
        Job("training", T0 - 28 * DAY, (T0 + 300, "Failed"), failure="AlgorithmError: exit code: 137"),
    ]
    room.poll()
    assert room.shown(CHANGES) == {}
    assert room.shown("sagemaker_jobs") == {("processing", "InProgress"): 1, ("training", "InProgress"): 1}
    for _ in range(30):
        room.clock.forward(MINUTE)
        room.poll()
    assert room.shown(CHANGES) == {("processing", "Completed"): 1, ("training", "Failed"): 1}
    assert room.shown(FAILURES) == {("training", "out_of_memory"): 1}
    assert room.shown("sagemaker_jobs") == {}


def test_what_counts_stands_at_0_from_the_start(room):
    reading = room.poll()
    room.ledger.shown(room.ledger.snapshot())
    snapshot = room.ledger.snapshot()
    statuses = {(name, status) for name, kind in JOB_TYPES.items() for status in map_spelled(kind, kind.statuses)}
    assert {labels[2:]: value for labels, value in values(snapshot, CHANGES).items()} == dict.fromkeys(statuses, 0)
    assert values(snapshot, DURATION, "30.0")[*WHERE, "training", "Failed"] == 0
    assert len(values(snapshot, FAILURES)) == len(JOB_TYPES) * len(REASONS)
    assert reading.failed == ()


def map_spelled(kind, statuses):
    return [spelled(kind, status) for status in statuses]


def test_an_end_that_can_not_be_described_counts_without_a_reason_after_ten_minutes(room):
    room.poll()
    room.api.jobs.append(Job("training", T0 + 1, (T0 + 30, "Failed"), failure="AlgorithmError: exit code: 137"))
    room.api.fails = lambda operation: "denied" if operation.startswith("Describe") else None
    room.clock.forward(MINUTE)
    failed = room.poll().failed
    assert [(one.scope, one.error_class) for one in failed] == [("DescribeTrainingJob", "denied")]
    assert room.shown(CHANGES)["training", "Failed"] == 1, "that is known at once"
    for _ in range(9):
        room.clock.forward(MINUTE)
        room.poll()
    assert room.shown(FAILURES) == {}
    room.clock.forward(MINUTE)
    room.poll()
    assert room.shown(FAILURES) == {("training", "unspecified"): 1}
    room.api.fails = lambda _: None
    for _ in range(5):
        room.clock.forward(MINUTE)
        room.poll()
    assert room.shown(FAILURES) == {("training", "unspecified"): 1}, "once"


def test_a_job_whose_record_is_gone_is_forgotten_and_one_that_was_seen_to_end_counts(room):
    room.api.jobs += [Job("training", T0 - HOUR), Job("training", T0 - 60, (T0 + 30, "Completed"))]
    room.poll()
    for job in room.api.jobs:
        job.gone = T0 + 60
    for _ in range(6):
        room.clock.forward(50)
        room.poll()
    assert room.shown(CHANGES) == {("training", "Completed"): 1}
    assert room.shown("sagemaker_jobs") == {}


def test_an_open_job_shows_itself_and_goes(room):
    room.poll()
    room.api.jobs.append(Job("training", T0 + 1, (T0 + 100, "Completed"), started=T0 + 21.0))
    room.clock.forward(30)
    room.poll()
    name = room.api.jobs[0].name
    assert room.shown("sagemaker_job_info") == {("training", name, "", "false", "none", ""): 1}
    assert room.shown("sagemaker_job_created_timestamp_seconds") == {("training", name): T0 + 1}
    assert room.shown("sagemaker_job_start_timestamp_seconds") == {("training", name): T0 + 21}
    assert room.shown("sagemaker_job_startup_seconds", "sum") == {("training",): 20}
    room.clock.forward(120)
    room.poll()
    room.clock.forward(120)
    room.poll()
    for family in ("sagemaker_job_info", "sagemaker_job_created_timestamp_seconds", "sagemaker_jobs"):
        assert room.shown(family) == {}
    assert room.shown("sagemaker_job_last_end_timestamp_seconds") == {("training", "Completed"): T0 + 100}


def test_a_job_that_is_listed_again_when_it_has_ended_counts_though_the_listing_does_not_tell_when(room):
    room.api.jobs.append(Job("pipeline_execution", T0 - 100, (T0 + 300, "Succeeded")))
    room.poll()
    room.clock.forward(2 * HOUR)
    room.poll()
    assert room.shown(CHANGES) == {("pipeline_execution", "Succeeded"): 1}


# -- what it costs -----------------------------------------------------------------------------------------------------


def test_a_cycle_costs_what_has_changed_and_not_what_there_was(room):
    room.api.jobs += [
        Job("training", T0 - 8 * DAY + n * 30, (T0 - 8 * DAY + n * 30 + 20, "Completed")) for n in range(20_000)
    ]
    room.api.jobs += [Job("training", T0 - 20 * DAY + n * 600) for n in range(500)]
    calls = []
    for _ in range(30):
        room.api.calls.clear()
        room.poll()
        calls.append(room.api.calls.copy())
        room.clock.forward(MINUTE)
    listed = [of_run["ListTrainingJobs"] for of_run in calls]
    assert sum(listed[:10]) == pytest.approx(20_500 / 100, abs=20), "all of thirty days, once"
    assert listed[10:] == [1] * 20
    assert max(of_run["DescribeTrainingJob"] for of_run in calls) <= 150
    assert sum(of_run["DescribeTrainingJob"] for of_run in calls[15:]) <= 500 * 15 / 15 + 150, "of old jobs, seldom"


def test_many_new_jobs_are_counted_over_several_runs_and_none_twice(room):
    room.poll()
    room.api.jobs += [
        Job("transform", T0 + 1 + n / 10, (T0 + 5000, "Completed"), started=T0 + 2000) for n in range(4_500)
    ]
    room.clock.forward(2 * HOUR)
    for n in range(40):
        room.poll()
        if n == 3:
            room.restart()
        room.clock.forward(MINUTE)
    assert room.shown(CHANGES) == {("transform", "InProgress"): 4_500, ("transform", "Completed"): 4_500}
    assert room.shown(DURATION, "count") == {("transform", "Completed"): 4_500}
    assert room.shown("sagemaker_job_startup_seconds", "count") == {("transform",): 4_500}, "each was described"


# -- any history -------------------------------------------------------------------------------------------------------


def lives(draw, job_type, created):
    """Draw what becomes of a job: it may be open at the end, and go through statuses that nobody sees."""
    kind, at = JOB_TYPES[job_type], created
    found = []
    for status in draw(st.permutations([one for one in kind.open if one != kind.first]))[: draw(st.integers(0, 2))]:
        at += draw(st.integers(1, 4000))
        found.append((at, status))
    if draw(st.booleans()):
        found.append((at + draw(st.integers(1, 9000)), draw(st.sampled_from(kind.ended))))
    return found


@st.composite
def histories(draw):
    """Draw jobs of all types around the start of counting, and what happens to those who look."""
    jobs = []
    for _ in range(draw(st.integers(1, 12))):
        job_type = draw(st.sampled_from(sorted(JOB_TYPES)))
        before = 0 if job_type == "human_loop" else -40_000  # of which AWS does not tell when they ended
        created = T0 + draw(st.integers(before, 20_000)) + draw(st.sampled_from([0.0, 0.25]))
        jobs.append(Job(job_type, created, *lives(draw, job_type, created)))
    steps = st.tuples(
        st.sampled_from(["poll"] * 6 + ["fail", "some fail", "refused", "restart"]),
        st.sampled_from([30, 60, 600, 5000]),
    )
    return jobs, draw(st.lists(steps, min_size=3, max_size=25)), draw(st.randoms(use_true_random=False))


def truth(jobs, begun, now):
    """Count what happened, by what was decided: each end once, if it came after counting began."""
    ends, firsts = Counter(), Counter()
    for job in jobs:
        at = job.ended(now)
        if at is not None and at >= begun:
            ends[job.kind.name, spelled(job.kind, job.status(at))] += 1
        if begun <= job.created <= now:
            firsts[job.kind.name, spelled(job.kind, job.kind.first)] += 1
    return ends, firsts


@settings(max_examples=examples(100))
@given(histories())
def test_every_end_counts_once_whatever_the_polls_miss(history):
    jobs, steps, luck = history
    room = Room()
    room.api.jobs = jobs
    try:
        room.poll()
        for step, seconds in steps:
            room.clock.forward(seconds)
            room.api.fails = {
                "fail": lambda _: "transient",
                "some fail": lambda _: luck.choice([None, "transient", "denied", "throttled"]),
            }.get(step, lambda _: None)
            if step == "restart":
                room.restart()
            room.poll(refused=step == "refused")
        room.api.fails = lambda _: None
        for _ in range(3):
            room.clock.forward(2 * HOUR)
            room.poll()
        ends, firsts = truth(jobs, T0, room.clock.now())
        shown = room.shown(CHANGES)
        assert {key: n for key, n in shown.items() if key in ends or key[1] in ENDED[key[0]]} == ends
        assert {key: n for key, n in shown.items() if key in firsts} == firsts
        assert room.shown(DURATION, "count") == ends
        failed = Counter({key: n for key, n in ends.items() if key[1] == "Failed"})
        assert sum(room.shown(FAILURES).values()) == failed.total()
    finally:
        room.ledger.close()


ENDED = {name: {spelled(kind, status) for status in kind.ended} for name, kind in JOB_TYPES.items()}


# -- what Describe tells late, or not at all ---------------------------------------------------------------------------

BILLABLE = "sagemaker_job_billable_instance_seconds_total"
ON_ONE = {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}}


def a_training(at, ended, seconds):
    return Job("training", at, (ended, "Completed"), started=at + 1.0, BillableTimeInSeconds=seconds, **ON_ONE)


def test_ended_jobs_that_can_not_be_described_keep_no_other_waiting(room):
    """And each is asked about more and more seldom."""
    room.poll()
    room.api.jobs.append(a_training(T0 + 30, T0 + HOUR, 3000))
    room.polls(3)
    room.api.jobs += [a_training(T0 + 300 + n, T0 + 360 + n, "soon") for n in range(160)]  # which is no number
    room.polls(80)
    assert room.shown(BILLABLE) == {("training", "ml.m5.large"): 3000.0}
    assert room.shown(CHANGES)["training", "Completed"] == 161
    assert room.api.calls["DescribeTrainingJob"] < 161 * 60


@pytest.mark.parametrize("outage", [2 * HOUR, 25 * HOUR])
def test_what_a_job_has_used_up_is_waited_for_a_day_from_when_its_end_counted(room, outage):
    room.poll()
    room.api.jobs.append(a_training(T0 + 30, T0 + HOUR, 3000))
    room.polls(3)
    room.clock.forward(outage)
    room.restart()
    room.api.fails = lambda operation: "denied" if operation.startswith("Describe") else None
    room.polls(12)
    room.restart()
    room.api.fails = lambda _: None
    room.polls(30)
    assert room.shown(BILLABLE) == {("training", "ml.m5.large"): 3000.0}


def test_what_is_listed_for_many_parents_comes_to_the_last_of_them(room):
    """More than there are pages in a run: the next run goes on."""
    call = room.api.call

    def with_cards(target, operation, **asked):
        if operation == "ListModelCards":
            return {"ModelCardSummaries": [{"ModelCardName": f"card-{n}"} for n in range(60)]}
        return call(target, operation, **asked)

    room.api.call = with_cards
    looked = []
    for _ in range(20):
        room.clock.forward(MINUTE)
        looked.append(scope_of("model_card_export", NUMBER) in room.poll().looked)
    assert looked[-1]
    assert sum(looked) >= 8, "every other run"
    assert room.api.calls["ListModelCardExportJobs"] <= 40 * 20


def test_a_sum_that_is_missing_for_long_is_told():
    """More jobs begin than can be described: how many instances they have is not known, and why is said."""
    room, processing = Room(), {"ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large"}}}
    processing["ProcessingResources"]["ClusterConfig"]["InstanceCount"] = 1
    room.poll()
    for minute in range(40):
        at = room.clock.now()
        new = [at + 1 + n * 50 / 80 for n in range(80)]
        room.api.jobs += [
            Job("processing", one, (one + 600, "Completed"), started=one + 1, **processing) for one in new
        ]
        room.clock.forward(MINUTE)
        reading = room.poll()
        numbers = room.shown("sagemaker_job_instances")
        assert numbers in ({}, {("processing", "ml.m5.large"): numbers.get(("processing", "ml.m5.large"))})
        if minute == 39:
            assert numbers == {}
            assert "processing jobs" in {one.scope for one in reading.failed}


@pytest.mark.parametrize("why", ["absent", "denied", "transient"])
def test_one_parent_that_can_not_be_listed_for_hides_no_job_of_the_others(room, why):
    """Deleted since it was listed, or not in the policy: among more than there are pages in a run."""
    room.api.pipelines = {f"p{n:02d}": None for n in range(60)}
    room.polls(6)
    at = room.clock.now()
    room.api.jobs += [Job("pipeline_execution", at + 5, (at + 20, "Succeeded"), under=f"p{n:02d}") for n in range(60)]
    room.polls(1)
    call = room.api.call

    def broken(target, operation, **asked):
        if asked.get("PipelineName") == "p50":
            raise AwsError(why, operation)
        return call(target, operation, **asked)

    room.api.call = broken
    if why == "absent":
        del room.api.pipelines["p50"]
    room.polls(5)
    for n in range(30):
        at = room.clock.now()
        room.api.jobs.append(Job("pipeline_execution", at + 5, (at + 20, "Failed"), under=f"p{n:02d}"))
        room.polls(5)
    room.clock.forward(MINUTE)
    reading = room.poll()
    ended = {status: number for (_, status), number in room.shown(CHANGES).items() if status != "Executing"}
    assert ended == {"Succeeded": 59, "Failed": 30}
    behind = room.clock.now() - reading.notes["listed"]["pipeline_execution"]
    assert (behind < 10 * MINUTE) == (why == "absent"), "who was not listed is not said to be"
    assert bool(reading.failed) == (why != "absent")
    (kept,) = room.source._targets.values()
    assert len(kept.passes["pipeline_execution"]._open) <= 1


def test_a_type_that_was_unknown_for_a_moment_holds_the_checkpoint_again(room):
    room.polls(3)
    for fails, runs in (("bug", 1), (None, 70), ("denied", 60)):
        room.api.fails = lambda operation, fails=fails: fails if operation == "ListTrainingJobs" else None
        room.polls(runs)
    assert room.clock.now() - room.poll().read_until == pytest.approx(HOUR, abs=2 * MINUTE)


def test_what_ended_jobs_have_left_has_its_turn_among_open_ones(room, monkeypatch):
    """More are open than can be described in time."""
    monkeypatch.setattr("exporter.sources.job_polling.DESCRIBES", 5)
    pool = {"WarmPoolStatus": {"Status": "Available"}}
    room.poll()
    room.api.jobs.append(Job("training", T0 + 10, (T0 + 20, "Completed"), started=T0 + 11.0, **pool, **ON_ONE))
    room.api.jobs += [Job("processing", T0 + 30 + n, (T0 + 9 * DAY, "Completed")) for n in range(100)]
    room.polls(40)
    asked = room.api.calls["DescribeTrainingJob"]
    room.polls(120)
    assert room.api.calls["DescribeTrainingJob"] >= asked + 2
