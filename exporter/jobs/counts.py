"""Job -> what of it counts: each fact an event of its own, so that it counts once, whoever tells of it, and how often.

    state    a job entered a status: that it was created in, if that is after the beginning, and any that was seen
    start    it began to run: how long it waited
    end      it ended: how long it took, as what it failed, what it used. Only of what Describe has told
    phase    a training job entered a phase, or left it
    pool     a warm pool came to its end: how long it was kept
    rule     a rule of Debugger has judged a training job that ended
    step     a step of an execution of a pipeline entered a status, or was spared

An event is placed at the time of the fact, not of the telling: what happened before counting began never counts.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from msgspec import structs

from exporter.catalogue import CATALOGUE
from exporter.catalogue.jobs import BILLABLE_SECONDS
from exporter.catalogue.training_jobs import POOL_SECONDS
from exporter.jobs.failures import REASONS, failed, failure
from exporter.jobs.identities import entered, identity
from exporter.jobs.job import Job, Step
from exporter.jobs.job_types import JOB_TYPES, spelled
from exporter.model import DAY, MINUTE, Effect, Event, Life, Target

STATE, START, END, PHASE = "job_events/state", "job_events/start", "job_events/end", "job_events/phase"
POOL, RULE, STEP = "job_events/pool", "job_events/rule", "job_events/step"
EXECUTION = "job_events/execution"  # the state of one, by its pipeline: the name of that is not told by everybody
WORK = "job_events/work"  # what a job has used up: only Describe tells, maybe long after its end
HEARD = "job_events/heard"  # that an event told of a change, or that none did for so long that it is missed
KINDS = (STATE, START, END, PHASE, POOL, RULE, STEP, EXECUTION, WORK, HEARD)

SOONEST, LATEST = 1.0 * MINUTE, 15.0 * MINUTE  # between two Describes of a job
LEFT_FOR = DAY  # after its end counts: what has not come to an end by then never counts

CHANGES = "sagemaker_job_state_changes_total"
DURATION = "sagemaker_job_duration_seconds"
STARTUP = "sagemaker_job_startup_seconds"
FAILURES = "sagemaker_job_failures_total"
RUN_SECONDS = "sagemaker_job_run_instance_seconds_total"
PHASE_CHANGES = "sagemaker_training_job_phase_changes_total"
PHASE_SECONDS = "sagemaker_training_job_phase_seconds"
MISSED = "sagemaker_exporter_missed_events_total"
INTERRUPTIONS = "sagemaker_training_job_spot_interruptions_total"
TOKENS = "sagemaker_training_job_billable_tokens_total"
RULES = "sagemaker_training_job_rule_evaluations_total"
EXECUTIONS = "sagemaker_pipeline_execution_state_changes_total"
STEPS = "sagemaker_pipeline_step_state_changes_total"
CACHE_HITS = "sagemaker_pipeline_step_cache_hits_total"
MONITORED = "sagemaker_model_monitor_executions_total"

NO_PHASES = {"Stopped", "MaxRuntimeExceeded", "Completed", "Failed", "Interrupted", "MaxWaitTimeExceeded"}
"""Words for how a training job ended, or was interrupted, among those for what it is doing."""

POOL_ENDED = {"Terminated", "Reused"}
RULE_OPEN = {"InProgress", "Stopping"}
STEP_ENDED = {"Stopped", "Failed", "Succeeded"}
STEP_FIRST = "Starting"


HORIZON = 45 * DAY  # what is older is never counted, by whoever tells of it: the ledger forgets identities by it


class Seed(NamedTuple):
    """A series that stands at 0 before anything happens: its labels after the target's, its buckets."""

    family: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] | None = None


def zeros(target: Target, seeds: Iterable[Seed], on: Container[str]) -> Iterator[Effect]:
    """Yield zeros of what may come to count in families that are on."""
    for seed in seeds:
        if seed.family in on:
            yield Effect(seed.family, (target.account_id, target.region, *seed.labels), 0.0, seed.buckets)


def only(event: Event, on: Container[str]) -> Event:
    """Return an event with its effects on families that are on."""
    if all(effect.family in on for effect in event.effects):
        return event
    return structs.replace(event, effects=tuple(effect for effect in event.effects if effect.family in on))


def ended(job: Job) -> bool:
    """Say whether a job has come to its end."""
    kind = JOB_TYPES[job.job_type]
    return job.status in {spelled(kind, status) for status in kind.ended}


def lives(jobs: Iterable[Job], known: Container[str], now: float) -> dict[str, Life]:
    """Return when jobs whose hosts CloudWatch measures ended; of those known to have, that one began anew."""
    found: dict[str, Life] = {}
    for job in jobs:
        name = f"{job.job_type}/{job.name}"
        if not JOB_TYPES[job.job_type].hosts:
            continue
        if ended(job):
            life = (since(job, now), True)
        elif name in known and job.created is not None:
            life = (job.created, False)
        else:
            continue
        found[name] = max(found.get(name, life), life)
    return found


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
            if job.job_type == "pipeline_execution":
                of_pipeline = Effect(EXECUTIONS, (*labels[:2], job.under, status))
                yield Event(EXECUTION, who, at, target, (of_pipeline,))


def heard(target: Target, job: Job, now: float) -> Iterator[Event]:
    """Yield that an event has told that a job is in its status."""
    for event in changes(target, job, now):
        if event.kind == STATE and event.effects[0].labels[-1] == job.status:
            yield Event(HEARD, event.identity, event.at, target)


def missed(target: Target, job: Job, since: float, now: float) -> Iterator[Event]:
    """Yield that no event has told of a job's changes of status: it counts only if none has.

    Only of what happened `since` events are heard. Events that tell no creation can't be told from others.
    """
    kind = JOB_TYPES[job.job_type]
    if kind.event is None or not (kind.event.created or kind.unique):
        return
    for event in changes(target, job, now):
        if event.at < since:
            continue
        status = event.effects[0].labels[-1]
        if (
            event.kind == STATE
            and kind.detail_type
            and (status in {spelled(kind, one) for one in kind.ended} or not kind.ends_only)
        ):
            labels = (target.account_id, target.region, job.job_type)
            yield Event(HEARD, event.identity, event.at, target, tallies=(Effect(MISSED, labels),))


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
            if used:  # or whoever knows the instances could not count it any more
                yield Event(PHASE, named, one.start, target, tuple(used))
        if one.status in NO_PHASES:
            continue
        yield Event(PHASE, named, one.start, target, (Effect(PHASE_CHANGES, (*where, one.status)),))
        if one.end is not None:
            took = _observed(PHASE_SECONDS, (*where, one.status), max(0.0, one.end - one.start))
            yield Event(PHASE, f"{named}-", one.end, target, (took,))


def end(target: Target, job: Job, now: float) -> Iterator[Event]:
    """Yield what is known of a job at its end: `job` is what Describe told, or all there is without it."""
    who = identity(target, job)
    if not who or not ended(job):
        return
    where, at = (target.account_id, target.region, job.job_type), since(job, now)
    effects: list[Effect] = []
    if job.created is not None:
        effects.append(_observed(DURATION, (*where, job.status), max(0.0, at - job.created)))
    if failed(job):
        effects.append(Effect(FAILURES, (*where, failure(job))))
    if job.job_type == "monitoring_execution":
        effects.append(Effect(MONITORED, (*where[:2], job.under, job.status)))
    yield Event(END, who, at, target, tuple(effects))
    yield from work(target, job, now)


def uses(job: Job) -> bool:
    """Say whether Describe may tell what a job of this type has used up."""
    answer = JOB_TYPES[job.job_type].answer
    return answer is not None and bool(answer.instances or answer.billable_tokens)


def pause(since: float, now: float) -> float:
    """Return how long to wait until asking again of what has been so since a time: a twentieth of that."""
    return min(LATEST, max(SOONEST, (now - since) / 20))


def work(target: Target, job: Job, now: float) -> Iterator[Event]:
    """Yield what an ended job has used up, as far as Describe has told: its end may have counted without that."""
    who = identity(target, job)
    if not who or not ended(job):
        return
    where = (target.account_id, target.region, job.job_type)
    effects: list[Effect] = []
    for family, seconds in ((RUN_SECONDS, job.run_seconds), (BILLABLE_SECONDS, job.billable_seconds)):
        if seconds is not None:
            effects += [Effect(family, (*where, instance), seconds * count) for instance, count in job.instances]
    if job.billable_tokens is not None:
        effects.append(Effect(TOKENS, where[:2], float(job.billable_tokens)))
    if effects:
        yield Event(WORK, who, since(job, now), target, tuple(effects))


def pool(target: Target, job: Job, now: float) -> Iterator[Event]:
    """Yield how long the instances of an ended job were kept in a warm pool, once they no longer are."""
    who, kept = identity(target, job), job.warm_pool
    if not who or not ended(job) or kept is None or kept.status not in POOL_ENDED or kept.billable_seconds is None:
        return
    where, seconds = (target.account_id, target.region), kept.billable_seconds
    effects = tuple(Effect(POOL_SECONDS, (*where, instance), seconds * count) for instance, count in job.instances)
    if effects:
        yield Event(POOL, who, since(job, now) + seconds, target, effects)


def rules(target: Target, job: Job, now: float) -> Iterator[Event]:
    """Yield what the rules of an ended training job have found, each once it goes on no more."""
    who = identity(target, job)
    if not who or not ended(job):
        return
    for rule in job.rules:
        if rule.status not in RULE_OPEN:
            at = since(job, now) if rule.modified is None else max(rule.modified, since(job, now))
            labels = (target.account_id, target.region, rule.kind, rule.status)
            yield Event(RULE, f"{who}#{rule.kind}/{rule.name}", at, target, (Effect(RULES, labels),))


def steps(target: Target, job: Job, told: Iterable[Step], now: float) -> Iterator[Event]:
    """Yield the changes of status of an execution's steps: the one that each is in, and the one that it began in.

    One that works on nothing yet waits: AWS has yet to tell its type. Events of a step tell no attempt: its first one.
    """
    who = identity(target, job)
    if not who:
        return
    where = (target.account_id, target.region, job.under)
    for one in told:
        over = one.status in STEP_ENDED
        if not one.step_type and not over:
            continue
        named = f"{who}#{one.name}" if one.attempt < 2 else f"{who}#{one.name}/{one.attempt}"
        changed = one.ended if over else None
        seen = {one.status: now if changed is None else changed}
        if one.started is not None:
            seen = {STEP_FIRST: one.started, **seen} if one.status != STEP_FIRST else {STEP_FIRST: one.started}
        for status, at in seen.items():
            effect = Effect(STEPS, (*where, one.step_type, status))
            yield Event(STEP, f"{named}#{status}", at, target, (effect,))
        if one.cached:
            yield Event(STEP, f"{named}#cached", max(seen.values()), target, (Effect(CACHE_HITS, where),))


def unnamed(target: Target, job: Job, who: str, now: float) -> Iterator[Event]:
    """Yield what counts of a job that nobody tells the creation of, by what stands in for its identity."""
    at, where = since(job, now), (target.account_id, target.region, job.job_type)
    yield Event(STATE, who, at, target, (Effect(CHANGES, (*where, job.status)),))
    if failed(job):
        yield Event(END, who, at, target, (Effect(FAILURES, (*where, failure(job))),))


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
    for kind_of_rule in CATALOGUE[RULES].known("rule_kind"):
        yield from (Seed(RULES, (kind_of_rule, status)) for status in CATALOGUE[RULES].known("status"))


SEEDS = tuple(_seeds())
MONITORED_ENDED = tuple(
    spelled(JOB_TYPES["monitoring_execution"], status) for status in JOB_TYPES["monitoring_execution"].ended
)


def of_pipeline(name: str, step_types: Iterable[str]) -> Iterator[Seed]:
    """Yield what stands at 0 for a pipeline that exists, with steps of these types."""
    yield from (Seed(EXECUTIONS, (name, status)) for status in CATALOGUE[EXECUTIONS].known("status"))
    yield Seed(CACHE_HITS, (name,))
    for step_type in step_types:
        yield from (Seed(STEPS, (name, step_type, status)) for status in CATALOGUE[STEPS].known("status"))


def of_schedule(name: str) -> Iterator[Seed]:
    """Yield what stands at 0 for a monitoring schedule that exists."""
    yield from (Seed(MONITORED, (name, status)) for status in MONITORED_ENDED)
