"""By what a job is known, so that it counts once whoever tells of it: a text that the ledger keeps.

`123456789012/us-east-1/training/churn-17@1769868307`: where it is, what it is, its name, and when it was created, since
a job can be deleted and another one get its name. This is AWS's ARN and creation time, in one form of its own. ARNs are
not: their names come in lower case at times, events have tuningJob/ for hyper-parameter-tuning-job/, and a listing of
experiments or of human loops tells none.

A time of creation counts in whole seconds, cut off: events tell it in milliseconds or, as ISO times, in seconds,
answers as floats of seconds. Cut off (not rounded) all are the same second, and no name is used twice in one.
AWS makes up the ids of executions of pipelines, which need no time; that is as well, since a listing calls it
StartTime, Describe CreationTime and an event executionStartTime, and nobody says that they are equal.
"""

from __future__ import annotations

import math

from exporter.jobs.job import Job
from exporter.jobs.job_types import JOB_TYPES
from exporter.model import Target


def identity(target: Target, job: Job) -> str | None:
    """Return the identity of a job on a target; None while nobody has told when it was created."""
    who = _who(target, job)
    if JOB_TYPES[job.job_type].unique:
        return who
    return None if job.created is None else f"{who}@{math.floor(job.created)}"


def entered(target: Target, job: Job, status: str) -> str | None:
    """Return the identity of a job's entering a status; None as above."""
    who = identity(target, job)
    return None if who is None else f"{who}#{status}"


def stand_in(target: Target, job: Job) -> str | None:
    """Return what stands in for an identity that can't be had: who, which status, and when the event was sent."""
    return None if job.sent is None else f"{_who(target, job)}?{job.status}@{math.floor(job.sent)}"


def _who(target: Target, job: Job) -> str:
    return f"{target.account_id}/{target.region}/{job.job_type}/{job.name.lower()}"
