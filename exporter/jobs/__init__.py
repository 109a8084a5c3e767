"""WHAT a job is, whatever type it has and whoever tells of it: data in, data out.

    job_types   the table: for each of the 22 types how it is listed and described, where its facts stand, its statuses
    job         `Job`: what one who tells of a job knows of it; `Step`, of the steps of an execution of a pipeline
    facts       a summary of a listing, an answer of Describe or an event -> Job
    identities  Job -> the text by which its end, and its entering a status, counts once
    failures    Job -> whether its end is a failure, and of which class

Nothing here calls AWS, keeps anything or knows a family. Whatever AWS says, the one error is `UnreadableError`.
"""

from __future__ import annotations

from exporter.jobs.facts import described, step, summary, told
from exporter.jobs.failures import REASONS, failed, failure
from exporter.jobs.identities import entered, identity, stand_in
from exporter.jobs.job import PHASES, Job, Recommendation, Rule, Step, Transition, WarmPool
from exporter.jobs.job_types import (
    JOB_STATUSES,
    JOB_TYPES,
    RULE_STATUSES,
    STEP_STATUSES,
    STEP_TYPES,
    STEPS,
    TOLD_BY,
    Description,
    Fields,
    JobType,
    Listing,
    Parent,
    spelled,
)
from exporter.jobs.objects import UnreadableError

__all__ = [
    "JOB_STATUSES",
    "JOB_TYPES",
    "PHASES",
    "REASONS",
    "RULE_STATUSES",
    "STEPS",
    "STEP_STATUSES",
    "STEP_TYPES",
    "TOLD_BY",
    "Description",
    "Fields",
    "Job",
    "JobType",
    "Listing",
    "Parent",
    "Recommendation",
    "Rule",
    "Step",
    "Transition",
    "UnreadableError",
    "WarmPool",
    "described",
    "entered",
    "failed",
    "failure",
    "identity",
    "spelled",
    "stand_in",
    "step",
    "summary",
    "told",
]
