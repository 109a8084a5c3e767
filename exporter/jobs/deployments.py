"""The deployments of an endpoint: each counted once, when it ends, by what has come of it.

While one is under way, AWS tells when it began and which configuration is to come. It has succeeded when the endpoint
is in service with that configuration, was rolled back when with another one, and has failed otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

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

OUTCOMES = CATALOGUE[ENDED].known("outcome")

UnderWay = tuple[float, str]  # when it began, the configuration that is to come


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


def follow(target: Target, before: Any, look: Look) -> tuple[UnderWay | None, Event | None]:
    """Return what is under way after a look, and the event of what has ended by it; `before` is what was under way."""
    deployment = look.deployment or ((float(before[0]), str(before[1])) if before else None)
    if deployment is None or look.at < deployment[0]:
        return deployment, None
    if look.status == "InService":
        outcome = "succeeded" if not deployment[1] or look.config == deployment[1] else "rolled_back"
    elif look.status in FAILED:
        outcome = "failed"
    else:
        return deployment, None
    start, where = deployment[0], (target.account_id, target.region)
    took = Effect(DURATION, (*where, outcome), look.at - start, CATALOGUE[DURATION].buckets)
    who = f"{target.account_id}/{target.region}/{look.endpoint}@{math.floor(start)}"
    return None, Event(KIND, who, look.at, target, (Effect(ENDED, (*where, look.endpoint, outcome)), took))


def series(target: Target, endpoint: str) -> Iterator[Effect]:
    """Yield the series that stand at 0 for an endpoint that exists."""
    for outcome in OUTCOMES:
        where = (target.account_id, target.region)
        yield Effect(ENDED, (*where, endpoint, outcome), 0.0)
        yield Effect(DURATION, (*where, outcome), 0.0, CATALOGUE[DURATION].buckets)
