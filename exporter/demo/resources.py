"""The things of SageMaker that the fake knows besides metrics: endpoints and what belongs to them, as plain facts.

Everything that changes is dated, so that what exists and how it stands is a function of the time asked about. How AWS
writes these facts down is told in `sagemaker`, `autoscaling` and `tagging`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.demo.series import Schedule


def arn(service: str, region: str, account: str, resource: str) -> str:
    """Return the ARN of a resource, in the partition of its region."""
    partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")
    return f"arn:{partition}:{service}:{region}:{account}:{resource}"


@dataclass(frozen=True, slots=True)
class Serverless:
    """The serverless side of a variant; `provisioned` concurrency may be absent."""

    memory_mb: int = 2048
    max_concurrency: int = 20
    provisioned: int | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of an endpoint, as configured and as it runs."""

    name: str = "AllTraffic"
    model: str | None = "model-1"  # None: inference components bring the models
    instance_type: str | None = "ml.m5.xlarge"  # None: serverless, or instance pools
    instances: int = 1
    weight: float = 1.0
    serverless: Serverless | None = None
    pools: tuple[str, ...] = ()  # instance types, by priority
    managed: tuple[int, int] | None = None  # fewest and most instances, scaled by SageMaker itself
    routing: str | None = None
    status: str | None = None  # VariantStatus, only while something goes on


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """An endpoint configuration: never changed, only replaced."""

    name: str
    created: float
    variants: tuple[Variant, ...] = (Variant(),)
    shadows: tuple[Variant, ...] = ()
    asynchronous: bool = False
    explained: bool = False
    captured_percent: int | None = None
    publish_period: int | None = None  # MetricPublishFrequencyInSeconds
    enhanced: bool = False


@dataclass(frozen=True, slots=True)
class EndpointState:
    """How an endpoint stands from `at` on, until its next state."""

    at: float
    status: str
    config: EndpointConfig
    pending: EndpointConfig | None = None  # what a deployment in progress leads to
    failure: str | None = None


@dataclass(slots=True)
class Endpoint:
    """One life of an endpoint, from creation to deletion."""

    name: str
    created: float
    states: list[EndpointState]
    tags: dict[str, str] = field(default_factory=dict)
    deleted: float = math.inf
    schedules: dict[str, Schedule] = field(default_factory=dict)
    """When its series publish, by what they measure: "invocations", "utilization", "concurrency"."""

    def state(self, now: float) -> EndpointState:
        """Return how it stands; before its first state: that one."""
        return next((state for state in reversed(self.states) if state.at <= now), self.states[0])


@dataclass(slots=True)
class Component:
    """One life of an inference component."""

    name: str
    endpoint: str
    variant: str
    created: float
    model: str | None = "model-1"
    base: str | None = None
    copies: int = 1
    desired_copies: int = 1
    cpu_cores: float | None = 1.0
    accelerators: float | None = None
    memory_mb: int = 1024
    status: str = "InService"
    tags: dict[str, str] = field(default_factory=dict)
    deleted: float = math.inf
    schedules: dict[str, Schedule] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScalableTarget:
    """A number that Application Auto Scaling moves between two bounds."""

    resource: str  # endpoint/NAME/variant/NAME or inference-component/NAME
    dimension: str
    lowest: int
    highest: int
    created: float


@dataclass(frozen=True, slots=True)
class Role:
    """A role that others may assume, with the external id it demands."""

    name: str
    external_id: str | None = None
    longest_session: int = 3600
