"""What jobs belong to, as far as jobs tell of it: pipelines and their newest executions, monitoring schedules.

Their counters stand at 0 from when they are first seen, and leave a while after they were last seen. Pure: listings and
executions go in; seeds, what has ended, and samples come out, and notes by which the next process knows the same.
"""

from __future__ import annotations

import math
from collections import Counter as Tallies
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct, to_builtins

from exporter.catalogue import CATALOGUE
from exporter.jobs import Job, Step, counts
from exporter.model import DAY, HOUR

PIPELINE, SCHEDULE = "pipeline/", "schedule/"  # notes, by name
GONE = DAY  # a pipeline that has not been listed for so long has left
SILENT = 45 * DAY  # and a schedule that has begun no execution: nobody lists schedules here

EXECUTIONS = "sagemaker_pipeline_executions"
LAST_STATUS = "sagemaker_pipeline_last_execution_status"
LAST_SUCCESS = "sagemaker_pipeline_last_success_timestamp_seconds"

Value = tuple[str, tuple[str, ...], float | None]  # family, label values after the target's, value


class Pipeline(Struct):
    """A pipeline: when it was last listed, its newest execution, when one last succeeded, the types of its steps."""

    listed: float = 0.0
    created: float = 0.0  # its newest execution
    status: str = ""
    succeeded: float | None = None
    step_types: list[str] = []


class Parents:
    """The pipelines and the schedules of one target; of them only those that are `wanted`, by name, are shown."""

    def __init__(self, notes: Mapping[str, Any], wanted: Callable[[str], bool]) -> None:
        self._wanted = wanted
        self.notes: dict[str, Any] = {}
        self.ended: list[counts.Seed] = []
        self._pipelines: dict[str, Pipeline] = {}
        self._schedules: dict[str, float] = {}
        self._there: set[str] = set()  # pipelines in the last listing
        for name, note in notes.items():
            if name.startswith(PIPELINE):
                self._pipelines[name.removeprefix(PIPELINE)] = Pipeline(**note)
            elif name.startswith(SCHEDULE):
                self._schedules[name.removeprefix(SCHEDULE)] = note

    def list(self, names: Iterable[str], now: float) -> None:
        """Learn which pipelines there are."""
        self._there = {name for name in names if self._wanted(name)}
        for name in self._there:
            one = self._pipelines.setdefault(name, Pipeline())
            if now - one.listed > GONE / 24:  # a note more than once an hour would cost more than it tells
                one.listed = now
                self._note(name)

    def unknown(self, used: Mapping[str, float]) -> Iterator[str]:
        """Yield the pipelines of which an execution is newer than all that are known; `used` tells when they ran."""
        for name in self._there:
            if used.get(name, 0.0) > self._pipelines[name].created + HOUR:
                yield name

    def ran(self, name: str, at: float) -> None:
        """Learn that a pipeline ran at a time, of which there is nothing more to know."""
        one = self._pipelines[name]
        if at > one.created:
            one.created = at
            self._note(name)

    def see(self, job: Job) -> None:
        """Take in a job that belongs to something."""
        if job.job_type == "monitoring_execution" and job.created is not None:
            if job.created > self._schedules.get(job.under, 0.0) + HOUR:
                self._schedules[job.under] = self.notes[SCHEDULE + job.under] = job.created
        elif job.job_type == "pipeline_execution":
            self._execution(job)

    def _execution(self, job: Job) -> None:
        one = self._pipelines.setdefault(job.under, Pipeline(job.created or 0.0))
        before = (one.created, one.status, one.succeeded)
        created = math.floor(job.created or 0.0)  # a listing and Describe may tell it in fractions of their own
        if created >= one.created:
            one.created, one.status = created, job.status
        ended = job.ended if job.ended is not None else job.modified
        if job.status == "Succeeded" and ended is not None:
            one.succeeded = max(ended, one.succeeded or 0.0)
        if before != (one.created, one.status, one.succeeded):
            self._note(job.under)

    def step(self, name: str, steps: Iterable[Step]) -> None:
        """Take in steps of an execution of a pipeline."""
        one = self._pipelines.setdefault(name, Pipeline())
        new = dict.fromkeys(step.step_type for step in steps if step.step_type not in one.step_types)
        if new:
            one.step_types += new
            self._note(name)

    def tidy(self, now: float) -> None:
        """Let go of what has not been seen for so long; its counters end."""
        for name, one in tuple(self._pipelines.items()):
            if name not in self._there and now - one.listed > GONE:
                self.ended += counts.of_pipeline(name, one.step_types)
                self.notes[PIPELINE + name] = None
                del self._pipelines[name]
        for name, at in tuple(self._schedules.items()):
            if now - at > SILENT:
                self.ended += counts.of_schedule(name)
                self.notes[SCHEDULE + name] = None
                del self._schedules[name]

    def seeds(self) -> Iterator[counts.Seed]:
        """Yield what stands at 0."""
        for name, one in self._pipelines.items():
            if self._wanted(name):
                yield from counts.of_pipeline(name, one.step_types)
        for name in self._schedules:
            if self._wanted(name):
                yield from counts.of_schedule(name)

    def values(self, open_jobs: Iterable[Job]) -> Iterator[Value]:
        """Yield what is shown of the pipelines that are there; `open_jobs` are their executions."""
        running = {name: Tallies(dict.fromkeys(_OPEN, 0)) for name in self._there}
        for job in open_jobs:
            if job.under in running:
                running[job.under][job.status] += 1
        for name, statuses in running.items():
            one = self._pipelines[name]
            yield from ((EXECUTIONS, (name, status), float(number)) for status, number in statuses.items())
            if one.status:
                for status in dict.fromkeys((*CATALOGUE[LAST_STATUS].known("status"), one.status)):
                    yield LAST_STATUS, (name, status), float(status == one.status)
            yield LAST_SUCCESS, (name,), one.succeeded

    def _note(self, name: str) -> None:
        self.notes[PIPELINE + name] = to_builtins(self._pipelines[name])


_OPEN = ("Executing", "Stopping")
