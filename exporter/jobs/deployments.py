"""The deployments of an endpoint: each counted once, when it ends, by what has come of it.

While one is under way, AWS tells when it began and which configuration is to come. It has succeeded when the endpoint
is in service with that configuration, was rolled back when with another one, and has failed otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec import Struct

from exporter.catalogue import CATALOGUE
from exporter.jobs.job_types import spelled
from exporter.jobs.objects import Object, UnreadableError
from exporter.model import Effect, Event, Target

ENDED = "sagemaker_endpoint_deployments_total"
DURATION = "sagemaker_endpoint_deployment_duration_seconds"
KIND = "job_events/deployment"
TELL = {"SageMaker Endpoint Deployment State Change", "SageMaker Endpoint State Change"}
FAILED = {"Failed", "UpdateRollbackFailed", "OutOfService"}
SETTLED = {"InService", *FAILED}

OUTCOMES = CATALOGUE[ENDED].known("outcome")

UnderWay = tuple[float, str]  # when it began, the configuration that is to come


class Course(NamedTuple):
    """How an endpoint goes on: the deployment that is under way (0: none), and how and when it last was settled."""

    start: float = 0.0
    coming: str = ""
    settled: float = 0.0
    config: str = ""
    status: str = ""


class Look(Struct, frozen=True):
    """How an endpoint stands: `deployment` is what is under way, `at` when it came to stand so, as near as is told."""

    endpoint: str
    status: str
    config: str
    at: float
    deployment: UnderWay | None = None


def told(detail: Any, sent: float) -> Look:
    """Return what the detail of an event tells. Raises `UnreadableError`."""
    return _look(Object(detail, "endpoint, event"), sent)


def described(facts: Any, modified: float) -> Look:
    """Return what DescribeEndpoint tells. Raises `UnreadableError`."""
    return _look(Object(facts, "endpoint, described"), modified)


def _look(found: Object, at: float) -> Look:
    name, status = found.text("EndpointName"), found.text("EndpointStatus")
    if not name or not status:
        raise UnreadableError("endpoint: EndpointName or EndpointStatus is missing")
    start = found.time("PendingDeploymentSummary.StartTime")
    changed = found.time("LastModifiedTime")
    return Look(
        name,
        spelled(CATALOGUE["sagemaker_endpoint_status"].known("status"), status),
        found.text("EndpointConfigName"),
        at if changed is None else changed,
        None if start is None else (start, found.text("PendingDeploymentSummary.EndpointConfigName")),
    )


def follow(target: Target, before: Any, look: Look) -> tuple[Course, list[Event]]:
    """Return how an endpoint goes on after a look, and the events of what has ended by it; `before` is how it went on.

    Looks may come in any order: one that it has settled may be told before one that it was being deployed.
    """
    course = Course(*before) if before else Course()
    events: list[Event] = []
    if look.deployment and look.deployment[0] > course.start:
        if course.start:  # nobody has told of its end: it has come to what another one began from
            stands = course._replace(settled=look.deployment[0], config=look.config, status="InService")
            events.append(_ended(target, look.endpoint, stands))
        course = course._replace(start=look.deployment[0], coming=look.deployment[1])
    if look.at >= course.settled and look.status in SETTLED:
        course = course._replace(settled=look.at, config=look.config, status=look.status)
    if course.start and course.settled >= course.start:
        events.append(_ended(target, look.endpoint, course))
        course = course._replace(start=0.0, coming="")
    return course, events


def _ended(target: Target, endpoint: str, course: Course) -> Event:
    if course.status in FAILED:
        outcome = "failed"
    else:
        outcome = "succeeded" if course.coming in {"", course.config} else "rolled_back"
    where = (target.account_id, target.region)
    took = Effect(DURATION, (*where, outcome), course.settled - course.start, CATALOGUE[DURATION].buckets)
    who = f"{target.account_id}/{target.region}/{endpoint}@{math.floor(course.start)}"
    return Event(KIND, who, course.settled, target, (Effect(ENDED, (*where, endpoint, outcome)), took))


def series(target: Target, endpoint: str) -> Iterator[Effect]:
    """Yield the series that stand at 0 for an endpoint that exists."""
    for outcome in OUTCOMES:
        where = (target.account_id, target.region)
        yield Effect(ENDED, (*where, endpoint, outcome), 0.0)
        yield Effect(DURATION, (*where, outcome), 0.0, CATALOGUE[DURATION].buckets)
