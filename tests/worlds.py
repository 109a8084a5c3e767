"""Small things that tests of several rooms need: a clock to set, a target, literal readings."""

from __future__ import annotations

import os
import threading

import pytest

from exporter.model import BLOCK, MINUTE, Answer, Counter, Read, Reading, Resource, Target, Window

T0 = 1_767_225_600  # 2026-01-01 00:00 UTC, a block border
HERE = Target("123456789012", "eu-west-1")
VARIANT = Resource(
    HERE,
    "AWS/SageMaker",
    (("EndpointName", "churn"), ("VariantName", "main")),
    ("123456789012", "eu-west-1", "churn", "main"),
)
LABELS = VARIANT.labels
INVOCATIONS = Counter("Invocations", "Sum", "sagemaker_endpoint_invocations_total")
ERRORS = Counter("Invocation5XXErrors", "Sum", "sagemaker_endpoint_invocation_5xx_errors_total")
LATENCY_SUM = Counter("ModelLatency", "Sum", "sagemaker_endpoint_model_latency_seconds", "sum", 1e-6)
LATENCY_COUNT = Counter("ModelLatency", "SampleCount", "sagemaker_endpoint_model_latency_seconds", "count")


class FakeClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, now: float = T0) -> None:
        self.time = now
        self.steady = 0.0

    def now(self) -> float:
        return self.time

    def aws(self) -> float:
        return self.time

    def local(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.steady

    def witness(self, date: float) -> None:
        pass

    def wait(self, event, seconds):
        self.forward(seconds)
        return event.is_set()

    def forward(self, seconds: float) -> float:
        self.time += seconds
        self.steady += seconds
        return self.time


def blocks_of(points: dict[int, float], start: int, end: int) -> tuple[tuple[int, float, int], ...]:
    """Fold points by minute into blocks, as a source does."""
    found: dict[int, list[float]] = {}
    for at, value in sorted(points.items()):
        if start <= at < end:
            found.setdefault(at - at % BLOCK, []).append(value)
    return tuple((block, sum(values), len(values)) for block, values in found.items())


def reading(clock, *reads, source="cloudwatch_metrics", target=HERE, **more) -> Reading:
    return Reading(source, target, clock.now(), reads=reads, **more)


def read(clock, points, start, counter=INVOCATIONS, *, end=None, begin=T0, until=None, resource=VARIANT, **more):
    """Read one counter from `start` to now; `points` is what CloudWatch shows: value by minute."""
    end = end or int(clock.now()) // MINUTE * MINUTE + MINUTE
    window = Window(start, end, MINUTE, clock.monotonic(), clock.now())
    answer = Answer(counter, blocks=blocks_of(points, start, end), begin=begin, **more)
    return Read(resource, window, (answer,), until=until or clock.now() + BLOCK)


def values(snapshot, family, part=""):
    """Return the values of a part of a family by labels, over all targets."""
    return {
        labels: value
        for (name, _), chunk in snapshot.chunks.items()
        if name == family and part in chunk.columns
        for labels, value in zip(chunk.labels, chunk.columns[part], strict=True)
        if value is not None
    }


def examples(at_home):
    """Return how many examples to draw of a law that takes minutes: CI draws the same ones each time, and a third."""
    return at_home // 3 if os.environ.get("CI") == "true" else at_home


def wait_for(condition):
    """Wait until something holds, at most a minute."""
    event = threading.Event()
    for _ in range(6000):
        if condition():
            return
        event.wait(0.01)
    pytest.fail("it never came to be")
