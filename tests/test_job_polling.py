"""Jobs by polling: every end counted once, whatever the polls miss, however often we start again."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import HERE, T0, FakeClock, values

from exporter.aws import AwsError
from exporter.config import parse
from exporter.jobs import JOB_TYPES, REASONS, spelled
from exporter.ledger import Ledger
from exporter.ledger.memory import MemoryStore
from exporter.model import DAY, HOUR, MINUTE, Reading
from exporter.sources.job_polling import JobPolling
from exporter.tally import Tally

WHERE = (HERE.account_id, HERE.region)
CHANGES = "sagemaker_job_state_changes_total"
DURATION = "sagemaker_job_duration_seconds"
FAILURES = "sagemaker_job_failures_total"


class Job:
    """A job's life: when it is created, and in which status it is from when on (AWS's spelling)."""

    numbers = itertools.count()

    def __init__(self, job_type, created, *lives, failure="", started=None):
        self.kind = JOB_TYPES[job_type]
        self.name = f"job-{next(self.numbers):05d}"
        self.created, self.failure, self.started = created, failure, started
        self.lives = ((created, self.kind.first), *lives)
        self.gone = math.inf

    def status(self, now):
        return [status for at, status in self.lives if at <= now][-1]

    def changed(self, now):
        return max(at for at, _ in self.lives if at <= now)

    def ended(self, now=math.inf):
        return next((at for at, status in self.lives if status in self.kind.ended and at <= now), None)

    def path(self):
        """Return the end of its ARN."""
        nested = {"pipeline_execution": "execution", "model_card_export": "export-job"}.get(self.kind.name)
        first = (*self.kind.resources, "")[0]
        return f"{first}/parent/{nested}/{self.name}" if nested else f"{first}/{self.name}"

    def told(self, fields, now):
        """Return what AWS tells of it, where its fields say."""
        of = {
            fields.status: self.status(now),
            fields.name: self.name,
            fields.created: self.created,
            fields.modified: self.changed(now),
            fields.ended: self.ended(now),
            fields.arn: f"arn:aws:sagemaker:us-east-1:123456789012:{self.path()}",
            fields.under: "parent",
            fields.scheduled: float(int(self.name[-5:]) * 3600),
            fields.started: self.started if self.started is not None and self.started <= now else None,
        }
        if fields.failure and self.ended(now) is not None:
            of[fields.failure[0]] = self.failure or None
        found = {}
        for path, value in of.items():
            if path and value is not None:
                *outer, last = path.split(".")
                at = found
                for name in outer:
                    at = at.setdefault(name, {})
                at[last] = value
        return found


class Api:
    """What AWS answers about jobs, and how often it was asked."""

    def __init__(self, clock):
        self.clock = clock
        self.jobs = []
        self.calls = Counter()
        self.fails = lambda _: None

    def now(self):
        return self.clock.now()

    def call(self, target, operation, **params):
        assert target == HERE
        self.calls[operation] += 1
        error = self.fails(operation)
        if error:
            raise AwsError(error, f"{operation}: {error}")
        now = self.now()
        for kind in JOB_TYPES.values():
            if kind.description and kind.description.operation == operation:
                named = params[kind.description.parameter]
                for job in self.jobs:
                    if job.kind is kind and job.name in named and job.created <= now < job.gone:
                        return job.told(kind.answer, now)
            if kind.listing.operation == operation and kind.listing.fixed.items() <= params.items():
                return self._page(kind.listing, [job for job in self.jobs if job.kind is kind], params)
            if kind.parent and kind.parent.listing.operation == operation:
                return {kind.parent.listing.member: [{kind.parent.field: "parent"}]}
        raise AwsError("absent", "Requested resource not found.")

    def pages(self, target, operation, **params):
        yield self.call(target, operation, **params)

    def _page(self, listing, jobs, params):
        now, since, most = self.now(), params[listing.since], params["MaxResults"]
        listed = sorted((job for job in jobs if since < job.created <= now < job.gone), key=lambda job: -job.created)
        start = next((n for n, job in enumerate(listed) if job.name == params.get("NextToken")), 0)
        more = {"NextToken": listed[start + most].name} if start + most < len(listed) else {}
        return {listing.member: [job.told(job.kind.summary, now) for job in listed[start : start + most]], **more}


class Room:
    """The source and a ledger, which can be ended and begun again, or refuse."""

    def __init__(self, text=""):
        self.clock = FakeClock(T0)
        self.api = Api(self.clock)
        self.store = MemoryStore()
        self.text = text
        self.start()

    def start(self):
        self.ledger = Ledger(self.store, self.clock, Tally(), zero_hold=0.0)
        self.source = JobPolling(self.api, parse(self.text))

    def restart(self):
        self.ledger.close()
        self.start()

    def poll(self, *, refused=False):
        known = self.ledger.known("job_polling", HERE)
        reading = self.source.read(HERE, known, self.clock.now())
        if not refused:  # or the disk is full: nothing of it is committed
            self.ledger.apply(reading)
        return reading

    def shown(self, family, part=""):
        self.ledger.shown(self.ledger.snapshot())  # first zeros
        self.ledger.apply(Reading("job_polling", HERE, self.clock.now()))
        snapshot = self.ledger.snapshot()
        return {labels[2:]: value for labels, value in values(snapshot, family, part).items() if value}


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
        Job("transform", T0 + 1 + n / 10, (T0 + 5000, "Completed"), started=T0 + 2000) for n in range(9_000)
    ]
    room.clock.forward(2 * HOUR)
    for n in range(80):
        room.poll()
        if n == 3:
            room.restart()
        room.clock.forward(MINUTE)
    assert room.shown(CHANGES) == {("transform", "InProgress"): 9_000, ("transform", "Completed"): 9_000}
    assert room.shown(DURATION, "count") == {("transform", "Completed"): 9_000}
    assert room.shown("sagemaker_job_startup_seconds", "count") == {("transform",): 9_000}, "each was described"


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


@settings(max_examples=100)
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
