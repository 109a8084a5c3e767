"""Job -> what of it counts: each fact an event of its own, so that it counts once, whoever tells of it, and how often.

    state    a job entered a status: that it was created in, if that is after the beginning, and any that was seen
    start    it began to run: how long it waited
    end      it ended: how long it took, as what it failed, what it used. Only of what Describe has told
    phase    a training job entered a phase, or left it

An event is placed at the time of the fact, not of the telling: what happened before counting began never counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from exporter.catalogue import CATALOGUE
from exporter.jobs.failures import REASONS, failed, failure
from exporter.jobs.identities import entered, identity
from exporter.jobs.job import Job
from exporter.jobs.job_types import JOB_TYPES, spelled
from exporter.model import Effect, Event, Target

STATE, START, END, PHASE = "job_events/state", "job_events/start", "job_events/end", "job_events/phase"
KINDS = (STATE, START, END, PHASE)

CHANGES = "sagemaker_job_state_changes_total"
DURATION = "sagemaker_job_duration_seconds"
STARTUP = "sagemaker_job_startup_seconds"
FAILURES = "sagemaker_job_failures_total"
RUN_SECONDS = "sagemaker_job_run_instance_seconds_total"
BILLABLE_SECONDS = "sagemaker_job_billable_instance_seconds_total"
PHASE_CHANGES = "sagemaker_training_job_phase_changes_total"
PHASE_SECONDS = "sagemaker_training_job_phase_seconds"
INTERRUPTIONS = "sagemaker_training_job_spot_interruptions_total"

NO_PHASES = {"Stopped", "MaxRuntimeExceeded", "Completed", "Failed", "Interrupted", "MaxWaitTimeExceeded"}
"""Words for how a training job ended, or was interrupted, among those for what it is doing."""


class Seed(NamedTuple):
    """A series that stands at 0 before anything happens: its labels after the target's, its buckets."""

    family: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] | None = None


def ended(job: Job) -> bool:
    """Say whether a job has come to its end."""
    kind = JOB_TYPES[job.job_type]
    return job.status in {spelled(kind, status) for status in kind.ended}


def open_(job: Job) -> bool:
    """Say whether a job is yet to come to its end: neither has it, nor is it being removed."""
    kind = JOB_TYPES[job.job_type]
    return job.status not in {spelled(kind, status) for status in (*kind.ended, *kind.removed)}


def changes(target: Target, job: Job, now: float) -> Iterator[Event]:
    """Yield what is known of a job's changes of status: the one that it is in, and the one that it was created in."""
    kind = JOB_TYPES[job.job_type]
    first = spelled(kind, kind.first)
    for status in dict.fromkeys((first, job.status) if job.created is not None else (job.status,)):
        who = entered(target, job, status)
        if who:
            at = job.created if status == first and job.created is not None else since(job, now)
            labels = (target.account_id, target.region, job.job_type, status)
            yield Event(STATE, who, at, target, (Effect(CHANGES, labels),))


def started(target: Target, job: Job) -> Iterator[Event]:
    """Yield how long a job waited, once it is known to run."""
    who = identity(target, job)
    if who and job.created is not None and job.started is not None:
        waited = max(0.0, job.started - job.created)
        labels = (target.account_id, target.region, job.job_type)
        yield Event(START, who, job.started, target, (_observed(STARTUP, labels, waited),))


def phases(target: Target, job: Job) -> Iterator[Event]:
    """Yield the phases that a training job has entered and left, and where spot capacity was taken from it."""
    who = identity(target, job)
    if job.job_type != "training" or not who:
        return
    where = (target.account_id, target.region)
    for one in job.transitions:
        if one.start is None:
            continue
        named = f"{who}#{one.status}@{math.floor(one.start)}"
        if one.status == "Interrupted" and job.spot:
            used = [Effect(INTERRUPTIONS, (*where, instance)) for instance, _ in job.instances]
            yield Event(PHASE, named, one.start, target, tuple(used))
        if one.status in NO_PHASES:
            continue
        yield Event(PHASE, named, one.start, target, (Effect(PHASE_CHANGES, (*where, one.status)),))
        if one.end is not None:
            took = _observed(PHASE_SECONDS, (*where, one.status), max(0.0, one.end - one.start))
            yield Event(PHASE, f"{named}-", one.end, target, (took,))


def end(target: Target, job: Job, now: float) -> Iterator[Event]:
    """Yield what is known of a job at its end, all at once: `job` is what Describe told, or all there is without it."""
    who = identity(target, job)
    if not who or not ended(job):
        return
    where, at = (target.account_id, target.region, job.job_type), since(job, now)
    effects: list[Effect] = []
    if job.created is not None:
        effects.append(_observed(DURATION, (*where, job.status), max(0.0, at - job.created)))
    if failed(job):
        effects.append(Effect(FAILURES, (*where, failure(job))))
    for family, seconds in ((RUN_SECONDS, job.run_seconds), (BILLABLE_SECONDS, job.billable_seconds)):
        if seconds is not None:
            effects += [Effect(family, (*where, instance), seconds * count) for instance, count in job.instances]
    yield Event(END, who, at, target, tuple(effects))


def dated(job: Job) -> bool:
    """Say whether it is known when a job entered the status that it is in."""
    return job.modified is not None or job.sent is not None or (ended(job) and job.ended is not None)


def since(job: Job, now: float) -> float:
    """Return when a job entered the status that it is in, or as near to it as is told."""
    return next(at for at in (job.ended if ended(job) else None, job.modified, job.sent, now) if at is not None)


def _observed(family: str, labels: tuple[str, ...], amount: float) -> Effect:
    return Effect(family, labels, amount, CATALOGUE[family].buckets)


def _seeds() -> Iterator[Seed]:
    for kind in JOB_TYPES.values():
        words = dict.fromkeys(spelled(kind, status) for status in kind.statuses)
        yield from (Seed(CHANGES, (kind.name, status)) for status in words)
        for status in dict.fromkeys(spelled(kind, status) for status in kind.ended):
            yield Seed(DURATION, (kind.name, status), CATALOGUE[DURATION].buckets)
        if (kind.answer or kind.summary).started:
            yield Seed(STARTUP, (kind.name,), CATALOGUE[STARTUP].buckets)
        yield from (Seed(FAILURES, (kind.name, reason)) for reason in REASONS)
    for phase in CATALOGUE[PHASE_CHANGES].known("secondary_status"):
        if phase not in NO_PHASES:
            yield Seed(PHASE_CHANGES, (phase,))
            yield Seed(PHASE_SECONDS, (phase,), CATALOGUE[PHASE_SECONDS].buckets)


SEEDS = tuple(_seeds())
