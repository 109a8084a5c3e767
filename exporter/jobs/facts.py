"""What is known of a job, read from a summary of a listing, from an answer of Describe, or from an event.

AWS's JSON comes as plain objects, in its spelling. Fields that we don't know are left alone, and so are words of AWS
that we don't; a field that we do know and that is not what it should be makes the whole unreadable.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from exporter.jobs.failures import bounded
from exporter.jobs.job import PHASES, Job, Recommendation, Rule, Step, Transition, WarmPool
from exporter.jobs.job_types import RULE_STATUSES, STEP_STATUSES, STEP_TYPES, Fields, JobType, spelled
from exporter.jobs.objects import Object, UnreadableError


def summary(kind: JobType, item: Any) -> Job:
    """Return what a summary in the answer of a listing tells. Raises `UnreadableError`."""
    return _Facts(kind, kind.summary, item, f"{kind.name}, listed").job()


def described(kind: JobType, answer: Any) -> Job:
    """Return what the answer of Describe tells. Raises `UnreadableError`."""
    if kind.answer is None:
        raise UnreadableError(f"{kind.name}: AWS does not describe jobs of this type")
    return _Facts(kind, kind.answer, answer, f"{kind.name}, described").job(final=True)


def told(kind: JobType, envelope: Any) -> Job:
    """Return what an event of EventBridge tells. Raises `UnreadableError`."""
    if kind.event is None:
        raise UnreadableError(f"{kind.name}: AWS sends no events about jobs of this type")
    where = f"{kind.name}, event"
    outside = _Facts(kind, kind.event, envelope, where)
    if not isinstance(outside.at("detail"), dict):
        raise UnreadableError(f"{where}: it has no detail")
    resources = outside.at("resources")
    if not isinstance(resources, list | None):
        raise outside.odd("resources", resources, "a list")
    arns = tuple(one for one in resources or () if isinstance(one, str))
    return _Facts(kind, kind.event, outside.at("detail"), where, arns).job(sent=outside.time("time"))


def step(kind: JobType, item: Any) -> Step:
    """Return what a summary in the listing of an execution's steps tells. Raises `UnreadableError`."""
    return _Facts(kind, Fields(status="StepStatus"), item, f"{kind.name}, a step of it").step()


class _Facts(Object):
    """An object of AWS's about a job, and where in it things stand. `arns` are told beside it."""

    def __init__(self, kind: JobType, fields: Fields, item: Any, where: str, arns: tuple[str, ...] = ()) -> None:
        super().__init__(item, where)
        self._kind = kind
        self._fields = fields
        self._arns = arns

    def job(self, *, final: bool = False, sent: float | None = None) -> Job:
        """Return the job; times that it ran are read only where they are `final`."""
        kind, fields = self._kind, self._fields
        status = spelled(kind, self.text(fields.status))
        if not status:
            raise UnreadableError(f"{self._where}: {fields.status} is missing")
        arn = self.text(fields.arn) or next((one for one in self._arns if self._about(one)), "")
        under, name = self._names(arn)
        started, ended, modified = self.time(fields.started), self.time(fields.ended), self.time(fields.modified)
        if ended is None and status in {spelled(kind, one) for one in kind.ended}:
            ended = modified
        run = billable = None
        if final:
            run = self.number(fields.run_seconds)
            if run is None and started is not None and ended is not None:
                run = max(0.0, ended - started)
            billable = self.number(fields.billable_seconds) if fields.billable_seconds else run
        parent_type, parent_name = self._parent()
        return Job(
            job_type=kind.name,
            name=name,
            status=status,
            arn=arn,
            created=self.time(fields.created),
            started=started,
            ended=ended,
            modified=modified,
            sent=sent,
            secondary_status=spelled(PHASES, self.text(fields.secondary_status)),
            transitions=tuple(self._transitions()),
            failure=bounded("\n".join(filter(None, map(self._texts, fields.failure)))),
            exit_message=bounded(self.text(fields.exit_message)),
            instances=tuple(self._instances()),
            run_seconds=run,
            billable_seconds=billable,
            spot=self.yes(fields.spot),
            max_runtime=next(filter(None, map(self.number, fields.max_runtime)), None),
            parent_type=parent_type,
            parent_name=parent_name,
            under=under,
            child_jobs=self._counts(fields.child_jobs),
            child_objectives=self._counts(fields.child_objectives),
            child_jobs_limit=self.whole(fields.child_jobs_limit),
            label_counters=tuple(one for one in self._counts(fields.label_counters) if one[0] != "TotalLabeled"),
            warm_pool=self._warm_pool(),
            billable_tokens=self.whole(fields.billable_tokens),
            rules=(*self._rules("debugger", fields.debugger_rules), *self._rules("profiler", fields.profiler_rules)),
            current_step=self._progress("CurrentStep"),
            steps_per_epoch=self._progress("TotalStepCountPerEpoch"),
            current_epoch=self._progress("CurrentEpoch"),
            epochs_limit=self._progress("MaxEpoch"),
            final_values=tuple(filter(None, (one.value() for one in self._list(fields.final_values)))),
            best_objective=self._best_objective(),
            recommendations=tuple(one.recommendation() for one in self._list(fields.recommendations)),
        )

    def step(self) -> Step:
        """Return a step of an execution."""
        name, status = self.text("StepName"), spelled(STEP_STATUSES, self.text("StepStatus"))
        if not name or not status:
            raise UnreadableError(f"{self._where}: its name or its status is missing")
        turn = self.whole("IterationContext.Index")
        loop = "" if turn is None else f"{self.text('IterationContext.ParentStepName')}[{turn}]/"
        metadata = self.at("Metadata")
        if not isinstance(metadata, dict | None):
            raise self.odd("Metadata", metadata, "an object")
        told = [word for word, about in (metadata or {}).items() if about is not None]
        return Step(
            loop + name,
            status,
            next((word for word in STEP_TYPES if word in told), told[0] if told else ""),
            self.whole("AttemptCount") or 1,
            self.time("StartTime"),
            self.time("EndTime"),
            self.at("CacheHitResult.SourcePipelineExecutionArn") is not None,
        )

    def value(self) -> tuple[str, float] | None:
        """Return a measured value with its name; None for what is no number."""
        name, value = self.text("MetricName"), self.real("Value")
        return (name, value) if name and value is not None else None

    def recommendation(self) -> Recommendation:
        """Return one recommended way to serve a model."""
        latency = self.number("Metrics.ModelLatency")
        return Recommendation(
            self.text("EndpointConfiguration.EndpointName"),
            self.text("EndpointConfiguration.InstanceType"),
            None if latency is None else latency / 1000,  # ms: the guide, inference-recommender-interpret-results
            self.number("Metrics.MaxInvocations"),
            self.number("Metrics.CostPerHour"),
        )

    def _list(self, path: str) -> Iterator[_Facts]:
        """Yield the objects of a list, each to be read like this one."""
        found = self.at(path) if path else None
        if not isinstance(found, list | None):
            raise self.odd(path, found, "a list")
        for n, one in enumerate(found or ()):
            yield _Facts(self._kind, self._fields, one, f"{self._where}: {path}[{n}]")

    def _texts(self, path: str) -> str:
        """Return a text, or those in the objects of a list (`LIST[].FIELD`)."""
        in_list, inside, field = path.partition("[].")
        return "\n".join(filter(None, (one.text(field) for one in self._list(in_list)))) if inside else self.text(path)

    def _about(self, arn: str) -> bool:
        """Say whether an ARN is one of a job of this type."""
        resource = arn.rpartition(":")[2].lower()
        return any(resource.startswith(f"{word}/".lower()) for word in self._kind.resources)

    def _names(self, arn: str) -> tuple[str, str]:
        """Return the name of what the job belongs to, and its own."""
        under, name = _last(self.text(self._fields.under)), self.text(self._fields.name)
        if self._fields.scheduled:  # an execution of a schedule has no name
            scheduled = self.time(self._fields.scheduled)
            name = f"{datetime.fromtimestamp(scheduled, UTC):%Y-%m-%dT%H:%M:%SZ}" if scheduled is not None else ""
        if self._about(arn):
            parts = arn.rpartition(":")[2].split("/")
            name = name or parts[-1]
            if self._kind.nested and len(parts) == 4:  # pipeline/PIPELINE/execution/EXECUTION
                under = under or parts[1]
        if not name or (self._kind.nested and not under):
            raise UnreadableError(f"{self._where}: the job has no name")
        return under, f"{under}/{name}" if self._kind.nested else name

    def _parent(self) -> tuple[str, str]:
        parents = ((kind, _last(self.text(path))) for kind, path in self._fields.parents)
        return next((one for one in parents if one[1]), ("none", ""))

    def _transitions(self) -> Iterator[Transition]:
        for one in self._list(self._fields.transitions):
            status = one.text("Status")
            if status:
                yield Transition(spelled(PHASES, status), one.time("StartTime"), one.time("EndTime"))

    def _instances(self) -> Iterator[tuple[str, int]]:
        """Yield types and counts of instances: those that AWS chose where it had a choice, or group by group."""
        path = self._fields.instances
        if not path or self.at(path) is None:
            return
        chosen = self.text(f"{path}.SelectedInstanceType"), self.whole(f"{path}.SelectedInstanceCount")
        alike = self.text(f"{path}.InstanceType"), self.whole(f"{path}.InstanceCount")
        groups = [
            (one.text("InstanceType"), one.whole("InstanceCount")) for one in self._list(f"{path}.InstanceGroups")
        ]
        for name, count in [chosen] if chosen[0] else groups or [alike]:
            if name and count is not None:
                yield name, count

    def _counts(self, path: str) -> tuple[tuple[str, int], ...]:
        found = self.at(path) if path else None
        if not isinstance(found, dict | None):
            raise self.odd(path, found, "an object")
        inside = _Facts(self._kind, self._fields, found, f"{self._where}: {path}")
        counts = ((name, inside.whole(name)) for name in found or () if "." not in name)  # no counter's name has one
        return tuple((name, count) for name, count in counts if count is not None)

    def _warm_pool(self) -> WarmPool | None:
        path = self._fields.warm_pool
        status = self.text(f"{path}.Status") if path else ""
        if not status:
            return None
        billable = self.number(f"{path}.ResourceRetainedBillableTimeInSeconds")
        return WarmPool(status, billable, self.text(f"{path}.ReusedByJob"))

    def _rules(self, kind: str, path: str) -> Iterator[Rule]:
        for one in self._list(path):
            name, status = one.text("RuleConfigurationName"), one.text("RuleEvaluationStatus")
            if name and status:
                yield Rule(kind, name, spelled(RULE_STATUSES, status), one.time("LastModifiedTime"))

    def _progress(self, name: str) -> int | None:
        return self.whole(f"{self._fields.progress}.{name}") if self._fields.progress else None

    def _best_objective(self) -> tuple[str, float] | None:
        path = self._fields.best_objective
        found = self.at(path) if path else None
        if found is None:
            return None
        return _Facts(self._kind, self._fields, found, f"{self._where}: {path}").value()


def _last(arn: str) -> str:
    """Return the name at the end of an ARN, or what is no ARN as it is."""
    return arn.rpartition("/")[2]
