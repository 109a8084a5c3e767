"""A job, as one who tells of it knows it."""

from __future__ import annotations

from msgspec import Struct

from exporter.catalogue.enums import ENUMS

PHASES = ENUMS["training_secondary_status"]  # what a training job is in while it has a status: SecondaryStatus


class Transition(Struct, frozen=True):
    """A phase of a job, with its start and end where they are told."""

    status: str
    start: float | None = None
    end: float | None = None


class WarmPool(Struct, frozen=True):
    """The instances that a training job keeps after its end; `billable_seconds` is told once they are given back."""

    status: str
    billable_seconds: float | None = None
    reused_by: str = ""


class Rule(Struct, frozen=True):
    """What Debugger (or its profiler) found of a training job by one rule, and when it last said so."""

    kind: str  # debugger or profiler
    name: str
    status: str
    modified: float | None = None


class Recommendation(Struct, frozen=True):
    """One way to serve a model, as an inference recommendation job has tried it: on which endpoint, how well."""

    endpoint_name: str = ""
    instance_type: str = ""
    model_latency: float | None = None  # seconds
    max_invocations: float | None = None  # a minute
    cost_hourly: float | None = None  # USD


class Step(Struct, frozen=True):
    """A step of an execution of a pipeline; `step_type` is "" before AWS tells, which it does once the step works.

    `name` is unique within the execution: that of a step of a loop begins with its turn (`LOOP[0]/STEP`).
    """

    name: str
    status: str
    step_type: str = ""
    attempt: int = 1
    started: float | None = None
    ended: float | None = None
    cached: bool = False  # it took its result from an earlier execution


class Job(Struct, frozen=True):
    """What one who tells of a job knows of it: what he does not is None or empty.

    `name` is unique among the jobs of its type on a target: that of a nested one begins with the name of what it
    belongs to (`PIPELINE/EXECUTION`), which is also `under`. `arn` is spelled as it was told: compare identities.
    `status` and phases are in the spelling that is shown. `ended` is when it was last modified where AWS tells no end.
    `sent` is when the event was sent that told of it. `run_seconds` and `billable_seconds` are final only of a job that
    has ended, each to be multiplied by the counts of `instances`; only Describe tells them.
    """

    job_type: str
    name: str
    status: str
    arn: str = ""
    created: float | None = None
    started: float | None = None
    ended: float | None = None
    modified: float | None = None
    sent: float | None = None
    secondary_status: str = ""
    transitions: tuple[Transition, ...] = ()
    failure: str = ""
    exit_message: str = ""  # what the user's container left behind
    instances: tuple[tuple[str, int], ...] = ()  # type, count
    run_seconds: float | None = None
    billable_seconds: float | None = None
    spot: bool | None = None
    max_runtime: float | None = None
    parent_type: str = "none"
    parent_name: str = ""
    under: str = ""
    child_jobs: tuple[tuple[str, int], ...] = ()
    child_objectives: tuple[tuple[str, int], ...] = ()
    child_jobs_limit: int | None = None
    label_counters: tuple[tuple[str, int], ...] = ()
    warm_pool: WarmPool | None = None
    billable_tokens: int | None = None
    rules: tuple[Rule, ...] = ()
    current_step: int | None = None
    steps_per_epoch: int | None = None
    current_epoch: int | None = None
    epochs_limit: int | None = None
    final_values: tuple[tuple[str, float], ...] = ()  # by the name that the algorithm gives them
    best_objective: tuple[str, float] | None = None
    recommendations: tuple[Recommendation, ...] = ()
