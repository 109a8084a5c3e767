"""What the make-believe metrics measure: plausible numbers for each of AWS's names.

Counters of one thing follow its traffic, so that its metrics tell one story: as many latencies as requests, and no more
errors than these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from exporter.demo.traffic import Durations, Level, Outcomes, Progress, Requests, Surge, Traffic, number_of

if TYPE_CHECKING:
    from exporter.demo.names import Row
    from exporter.demo.traffic import Behaviour

RATIOS = {
    "Invocation4XXErrors": 0.01,
    "Invocation5XXErrors": 0.002,
    "InvocationModelErrors": 0.003,
    "MidStreamErrors": 0.001,
    "ModelCacheHit": 0.93,
    "Operation4XXErrors": 0.01,
    "Operation5XXErrors": 0.001,
    "ThrottledRequests": 0.004,
}
"""Metrics with one sample per request, 1 or 0, and the share of ones."""

BY_BAD_MODELS = {"Invocation5XXErrors", "InvocationModelErrors"}

RARELY = {
    "ExecutionFailed": 0.05,
    "ExecutionStopped": 0.05,
    "ExpiredRequests": 0.05,
    "InvocationFailures": 0.1,
    "JobsFailed": 0.05,
    "JobsStopped": 0.05,
    "NoCapacityInvocationFailures": 0.1,
    "NotificationFailures": 0.1,
    "RequestDownloadFailures": 0.1,
    "ResponseUploadFailures": 0.1,
    "StepFailed": 0.05,
    "StepStopped": 0.05,
}
"""Counters of what seldom happens, and how often: times per minute."""

MEANS = {
    "ExecutionDuration": 900_000.0,
    "FirstChunkLatency": 180_000.0,
    "FirstChunkModelLatency": 170_000.0,
    "FirstChunkOverheadLatency": 9_000.0,
    "IncomingBytes": 6_000.0,
    "ModelLatency": 42_000.0,
    "OverheadLatency": 3_500.0,
    "StepDuration": 200_000.0,
    "TimeSpent": 25.0,
}
MEANS_BY_UNIT = {"Microseconds": 25_000.0, "Milliseconds": 1_500.0}
"""Means of what has a size, in the metric's unit."""

LEVELS = {
    "CPUReservation": 55.0,
    "CPUUtilization": 35.0,
    "DiskUtilization": 22.0,
    "GPUMemoryUtilization": 70.0,
    "GPUReservation": 75.0,
    "GPUUtilization": 65.0,
    "HasBacklogWithoutCapacity": 0.0,
    "hyperpod_node_health_status_unschedulable": 0.0,
    "hyperpod_node_health_status_unschedulable_pending_reboot": 0.0,
    "hyperpod_node_health_status_unschedulable_pending_replacement": 0.0,
}
LEVELS_BY_UNIT = {"Count": 4.0, "None": 0.7, "Percent": 45.0, "Seconds": 20.0}
"""Where levels lie, in the metric's unit, and per core or accelerator where these add up."""


@dataclass(frozen=True, slots=True)
class Thing:
    """What publishes metrics, as far as their values depend on it."""

    number: int
    traffic: Traffic
    instances: int = 1
    cores: int = 1
    accelerators: int = 1
    surge: Surge | None = None  # of errors, while a bad model serves
    begin: int = 0

    @classmethod
    def of(cls, number: int, per_minute: float, peak: int = 14 * 3600) -> Thing:
        """Return a thing with traffic of its own."""
        return cls(number, Traffic(number, per_minute, peak=peak))

    def part(self, name: object) -> Thing:
        """Return a part of it: one instance, container or accelerator, with traffic of its own."""
        number = number_of(self.number, name)
        return replace(self, number=number, traffic=replace(self.traffic, number=number), instances=1)


def behaviour(row: Row, metric: str, thing: Thing) -> Behaviour:
    """Return what this metric of this thing measures."""
    number = number_of(thing.number, metric)
    if metric in RATIOS:
        surge = thing.surge if metric in BY_BAD_MODELS else None
        return Outcomes(thing.traffic, number, RATIOS[metric], surge)
    if row.kind == "distribution" or metric in MEANS:
        slower = replace(thing.surge, factor=1.8) if thing.surge else None
        return Durations(thing.traffic, number, MEANS.get(metric) or MEANS_BY_UNIT[row.unit], surge=slower)
    if metric in RARELY:
        return Requests(Traffic(number, RARELY[metric], swing=0.0))
    if row.kind == "counter":
        return Requests(thing.traffic, 1 / thing.instances if "Per" in metric else 1.0)
    if row.kind == "progress":
        return Progress(thing.begin, 2.0, 5000.0)
    middle = LEVELS.get(metric, LEVELS_BY_UNIT[row.unit])
    if row.unit != "Percent":
        whole = row.unit == "Count" or metric == "LoadedModelCount"
        return Level(number, middle, sources=thing.instances, whole=whole)
    units = {
        "CPUUtilization": thing.cores,
        "GPUUtilization": thing.accelerators,
        "GPUMemoryUtilization": thing.accelerators,
    }.get(metric, 1)
    return Level(number, middle * units, highest=100.0 * units, sources=thing.instances)
