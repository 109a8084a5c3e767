"""Jobs of every type that SageMaker has, and what they belong to, as plain facts.

A job's whole life is known when it is added, its future too; how it stands is a function of the time asked about. Lives
are told in seconds after the creation, so that 100,000 jobs that went alike share one. How AWS writes a job down is
told in `job_shapes`, how it lists them in `job_calls`, what it sends about them in `events`.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import nlargest, nsmallest
from itertools import chain
from typing import Any, NamedTuple


class Step(NamedTuple):
    """What a job enters `after` so many seconds: a status in the API's spelling, its phase and a text about it."""

    after: float
    status: str
    phase: str = ""
    text: str = ""


Life = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of job: its statuses as the API spells them, its phases with the share of the run before them."""

    name: str
    path: str  # in ARNs, before the name
    runs: str = "InProgress"
    done: tuple[str, ...] = ("Completed",)  # the usual one first
    failed: str | None = "Failed"
    stopping: str | None = "Stopping"
    stopped: str | None = "Stopped"
    begins: tuple[str, ...] = ()  # before it runs
    others: tuple[str, ...] = ()  # outside of the usual way
    phases: tuple[tuple[str, float], ...] = ()
    nested: bool = False  # the ARN begins with that of the parent
    category: str = ""  # of ListJobs

    @property
    def ended(self) -> tuple[str, ...]:
        """The statuses in which nothing happens any more."""
        return (*self.done, *(status for status in (self.failed, self.stopped) if status))

    @property
    def statuses(self) -> frozenset[str]:
        """All statuses."""
        return frozenset(
            (*self.begins, self.runs, *((self.stopping,) if self.stopping else ()), *self.ended, *self.others)
        )


_UPPER: dict[str, Any] = {"runs": "INPROGRESS", "done": ("COMPLETED",), "failed": "FAILED"}
_UPPER_STOP: dict[str, Any] = {"stopping": "STOPPING", "stopped": "STOPPED", "begins": ("STARTING",)}
_DELETED = ("Deleting", "DeleteFailed")


def _generic(name: str, category: str, *phases: tuple[str, float]) -> Kind:
    return Kind(name, f"job/{category}", others=_DELETED, phases=phases, category=category)


_JOB_TYPES = (
    Kind(
        "training",
        "training-job",
        others=("Deleting",),
        phases=(("Downloading", 0), ("Training", 0.1), ("Uploading", 0.95)),
    ),
    Kind("processing", "processing-job"),
    Kind("transform", "transform-job"),
    Kind("hyperparameter_tuning", "hyper-parameter-tuning-job", others=_DELETED),
    Kind(
        "automl",
        "automl-job",
        phases=(
            ("PreTraining", 0),
            ("AnalyzingData", 0.05),
            ("FeatureEngineering", 0.2),
            ("ModelTuning", 0.4),
            ("GeneratingExplainabilityReport", 0.9),
        ),
    ),
    Kind("compilation", "compilation-job", **_UPPER, **_UPPER_STOP),
    Kind("optimization", "optimization-job", **_UPPER, **_UPPER_STOP),
    Kind("edge_packaging", "edge-packaging-job", **_UPPER, **_UPPER_STOP),
    Kind("labeling", "labeling-job", begins=("Initializing",)),
    Kind(
        "inference_recommendations",
        "inference-recommendations-job",
        runs="IN_PROGRESS",
        done=("COMPLETED",),
        failed="FAILED",
        stopping="STOPPING",
        stopped="STOPPED",
        begins=("PENDING",),
        others=("DELETING", "DELETED"),
    ),
    Kind(
        "inference_experiment",
        "inference-experiment",
        runs="Running",
        failed=None,
        stopped="Cancelled",
        begins=("Creating", "Created", "Starting"),
        others=("Updating",),
    ),
    Kind(
        "pipeline_execution",
        "execution",
        runs="Executing",
        done=("Succeeded", "CompletedWithFailures"),
        nested=True,
    ),
    Kind(
        "monitoring_execution",
        "execution",
        done=("Completed", "CompletedWithViolations"),
        begins=("Pending",),
        nested=True,
    ),
    Kind("model_card_export", "export-job", stopping=None, stopped=None, nested=True),
    Kind("ai_benchmark", "ai-benchmark-job"),
    Kind("ai_recommendation", "ai-recommendation-job"),
    _generic("agent_rft", "AgentRFT", ("Downloading", 0), ("Training", 0.1), ("Uploading", 0.95)),
    _generic("synthetic_data_generation", "SyntheticDataGeneration", ("Preparing", 0), ("Generating", 0.1)),
    _generic("data_quality_evaluation", "DataQualityEvaluation", ("Validating", 0), ("Evaluating", 0.1)),
    _generic("agent_rft_evaluation", "AgentRFTEvaluation", ("Downloading", 0), ("Evaluating", 0.1)),
    _generic("data_transformation", "DataTransformation", ("Preparing", 0), ("Transforming", 0.1)),
    Kind("human_loop", "human-loop"),
)
JOB_TYPES: dict[str, Kind] = {kind.name: kind for kind in _JOB_TYPES}
"""What runs to an end and is counted."""

_STAYS: dict[str, Any] = {"done": (), "stopping": None, "stopped": None}
_OTHERS = (
    Kind("pipeline", "pipeline", runs="Active", failed=None, others=("Deleting",), **_STAYS),
    Kind("pipeline_step", "step", runs="Executing", done=("Succeeded",), begins=("Starting",), nested=True),
    Kind(
        "monitoring_schedule",
        "monitoring-schedule",
        runs="Scheduled",
        done=(),
        stopping=None,
        begins=("Pending",),
    ),
    Kind("flow_definition", "flow-definition", runs="Active", begins=("Initializing",), others=("Deleting",), **_STAYS),
    Kind(
        "model_card",
        "model-card",
        runs="Approved",
        done=("Archived",),
        failed=None,
        stopping=None,
        stopped=None,
        begins=("Draft", "PendingReview"),
    ),
)
KINDS: dict[str, Kind] = JOB_TYPES | {kind.name: kind for kind in _OTHERS}
"""Jobs, and what they belong to or consist of: kept alike, for that has a life too."""

WAITING = frozenset({"Starting", "Pending", "LaunchingMLInstances", "PreparingTrainingStack"})
"""Phases in which a job does not use anything yet."""

_STATUSES = {kind.name: kind.statuses for kind in KINDS.values()}


@lru_cache(maxsize=1000)
def life(
    kind: str,
    ends: str | None = None,
    lasts: float = 3600,
    waits: float = 120,
    phase: str = "",
    text: str = "",
) -> Life:
    """Return the usual life of a job of this kind: it waits, runs, and after `lasts` seconds `ends` in this status.

    Without `ends` it runs for ever. `phase` is that of the end, where it has a name of its own. A job whose waiting is
    as long as its life never begins to run.
    """
    of = KINDS[kind]
    span = lasts - waits
    until = math.inf if ends is None else lasts
    if ends is not None and ends == of.stopped and of.stopping:
        until -= 0.1 * (span or lasts)
    beginning = (of.begins or (of.runs,)) if waits else ()
    steps = [Step(waits * nth / len(beginning), status, "Starting") for nth, status in enumerate(beginning)]
    steps += [Step(waits + span * share, of.runs, name) for name, share in of.phases or (("", 0.0),)]
    steps = [step for step in steps if step.after < until]
    if ends is not None:
        if until < lasts:
            steps.append(Step(until, of.stopping or "", "Stopping"))
        steps.append(Step(lasts, ends, phase or ends, text))
    return tuple(steps)


@dataclass(frozen=True, slots=True)
class Work:
    """What a job was asked to do, and with how much; many jobs share one."""

    instance_type: str = "ml.m5.xlarge"
    instances: int = 1
    volume_gb: int = 30
    spot: bool = False
    billed: float = 1.0  # the share of its time that is paid
    longest: int = 86_400
    subject: str = "model-1"  # the model, endpoint or container that it is about
    monitors: str = "DataQuality"
    step_type: str = "Training"
    produces: str = ""  # resource of the job that a step or an execution started


@dataclass(slots=True, eq=False)
class Job:
    """A job, or what jobs belong to, from its creation to its removal."""

    kind: Kind
    name: str
    created: float
    life: Life
    parent: str = ""
    """What it belongs to, as it stands in ARNs: pipeline/NAME, hyper-parameter-tuning-job/NAME, ..."""
    work: Work = field(default_factory=Work)
    deleted: float = math.inf
    earlier: Job | None = None  # that had the same name
    number: int = 0  # in the order in which they were added

    @property
    def resource(self) -> str:
        """What stands in its ARN, after the account."""
        return f"{self.parent}/{self.kind.path}/{self.name}" if self.kind.nested else f"{self.kind.path}/{self.name}"

    @property
    def key(self) -> str:
        """What it is found by among those of its kind: ARNs are lower case."""
        own = self.resource if self.kind.nested else self.name
        lower = own.lower()
        return own if own == lower else lower  # 100,000 names are not kept twice

    def state(self, now: float) -> Step:
        """Return the step that it has entered last; before its creation: the first."""
        return next((step for step in reversed(self.life) if self.created + step.after <= now), self.life[0])

    def started(self, now: float = math.inf) -> float | None:
        """Return when it began to use what it had waited for."""
        for step in self.life:
            if step.status == self.kind.runs and step.phase not in WAITING:
                at = self.created + step.after
                return at if at <= now else None
        return None

    def ended(self, now: float = math.inf) -> float | None:
        """Return when it ended."""
        for step in self.life:
            if step.status in self.kind.ended:
                at = self.created + step.after
                return at if at <= now else None
        return None

    def statuses(self, now: float = math.inf) -> list[tuple[float, str]]:
        """Return the truth: when it entered which status. A step that only changes the phase enters none."""
        entered: list[tuple[float, str]] = []
        for step in self.life:
            at = self.created + step.after
            if at <= now and at < self.deleted and (not entered or entered[-1][1] != step.status):
                entered.append((at, step.status))
        return entered


class Window(NamedTuple):
    """Which creation times are asked for: after (or at) one, before another."""

    after: float = -math.inf
    before: float = math.inf
    inclusive: bool = False


class Listing:
    """Jobs of one kind or of one parent, in the orders in which they can be asked for."""

    def __init__(self) -> None:
        """Begin empty."""
        self._by_time: list[Job] = []
        self._by_name: list[Job] | None = None  # only when somebody has asked for that order

    def __len__(self) -> int:
        return len(self._by_time)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._by_time)

    def add(self, job: Job) -> None:
        """Take in one job more."""
        insort(self._by_time, job, key=_by_time)
        if self._by_name is not None:
            insort(self._by_name, job, key=_by_name)

    def within(self, window: Window, now: float) -> list[Job]:
        """Return the jobs that were created within the window and exist now, the oldest first."""
        low, high = self._bounds(window, now)
        return [job for job in self._by_time[low:high] if now < job.deleted]

    def cut(
        self,
        size: int,
        window: Window,
        now: float,
        *,
        sort: Callable[[Job], Any] | None,
        descending: bool,
        beyond: list[Any] | None,
    ) -> tuple[list[Job], list[Any] | None]:
        """Return a page of jobs in an order, and the place after it, or None where it is the last.

        `sort` None is the order of creation, `Job.name` that of names: both cost what they return, as long as there is
        no window for the second. Other orders look at each job of the window. `beyond`: the place to go on from.
        """
        place: Callable[[Job], Any] = _by_time
        if sort is None:
            low, high = self._bounds(window, now)
            walk = self._walk(self._by_time, low, high, _by_time, descending=descending, beyond=beyond)
        elif sort is name_of and window == Window():
            if self._by_name is None:
                self._by_name = sorted(self._by_time, key=_by_name)
            place = _by_name
            low, high = 0, len(self._by_name)
            walk = self._walk(self._by_name, low, high, _by_name, descending=descending, beyond=beyond)
        else:
            place = _by(sort)
            rest = self.within(window, now)
            if beyond is not None:
                last = tuple(beyond)
                rest = [job for job in rest if (place(job) < last if descending else place(job) > last)]
            walk = iter((nlargest if descending else nsmallest)(size + 1, rest, key=place))
        page = []
        for job in walk:
            if job.created <= now < job.deleted:
                page.append(job)
                if len(page) > size:
                    return page[:size], list(place(page[-2]))
        return page, None

    def _bounds(self, window: Window, now: float) -> tuple[int, int]:
        low = (bisect_left if window.inclusive else bisect_right)(self._by_time, window.after, key=_creation)
        high = bisect_right(self._by_time, now, key=_creation)
        if window.before <= now:
            high = bisect_left(self._by_time, window.before, key=_creation)
        return low, max(low, high)

    @staticmethod
    def _walk(
        jobs: list[Job], low: int, high: int, key: Callable[[Job], Any], *, descending: bool, beyond: list[Any] | None
    ) -> Iterator[Job]:
        if beyond is not None and descending:
            high = min(high, bisect_left(jobs, tuple(beyond), key=key))
        elif beyond is not None:
            low = max(low, bisect_right(jobs, tuple(beyond), key=key))
        places: Iterable[int] = range(high - 1, low - 1, -1) if descending else range(low, high)
        return (jobs[place] for place in places)


def name_of(job: Job) -> str:
    """Return the name: the order of names."""
    return job.name


def _creation(job: Job) -> float:
    return job.created


def _by_time(job: Job) -> tuple[float, str]:
    return job.created, job.key


def _by_name(job: Job) -> tuple[str, float, str]:
    return job.name, job.created, job.key


def _by(sort: Callable[[Job], Any]) -> Callable[[Job], Any]:
    return lambda job: (sort(job), job.created, job.key)


class Change(NamedTuple):
    """A step of a job, when it is entered."""

    at: float
    number: int  # of the job
    place: int  # of the step
    job: Job
    step: Step


class Jobs:
    """All jobs of an account in a region."""

    def __init__(self) -> None:
        """Begin empty."""
        self._added = 0
        self._named: dict[str, dict[str, Job]] = {}
        self._listings: dict[tuple[str, str], Listing] = {}
        self._changes: list[Change] | None = None  # only when somebody has asked for them

    def add(self, job: Job) -> Job:
        """Take in a job. ValueError: its name is in use, or its life cannot be one of its kind."""
        known = _STATUSES[job.kind.name]
        for step in job.life:
            if step.status not in known:
                raise ValueError(f"{job.kind.name} has no status {step.status}")
        named = self._named.setdefault(job.kind.name, {})
        job.earlier = named.get(job.key)
        if job.earlier and job.earlier.deleted > job.created:
            raise ValueError(f"{job.kind.name} {job.name} exists")
        named[job.key] = job
        self._added += 1
        job.number = self._added
        for parent in ("", job.parent) if job.parent else ("",):
            self._listings.setdefault((job.kind.name, parent), Listing()).add(job)
        if self._changes is not None:
            for change in self._steps_of(job):
                insort(self._changes, change)
        return job

    def find(self, kind: str, key: str, now: float) -> Job | None:
        """Return the job that has this key (see Job.key) now."""
        job = self._named.get(kind, {}).get(key)
        while job and job.created > now:
            job = job.earlier
        return job if job and now < job.deleted else None

    def exists(self, resource: str, now: float) -> bool:
        """Tell whether there is a job of this resource, as it stands in ARNs, now."""
        resource = resource.lower()
        for kind in KINDS.values():
            key = resource if kind.nested else resource.removeprefix(f"{kind.path}/".lower())
            if (kind.nested or key != resource) and self.find(kind.name, key, now):
                return True
        return False

    def listing(self, kind: str, parent: str = "") -> Listing:
        """Return the jobs of a kind, or those of a parent."""
        return self._listings.get((kind, parent)) or Listing()

    def enter(self, job: Job, at: float, status: str, phase: str = "", text: str = "") -> None:
        """Let a job enter a status; what it would have entered later does not come. ValueError: no such status."""
        if status not in _STATUSES[job.kind.name]:
            raise ValueError(f"{job.kind.name} has no status {status}")
        before = tuple(step for step in job.life if job.created + step.after < at)
        job.life = (*before, Step(at - job.created, status, phase, text))
        self._changes = None

    def delete(self, job: Job, at: float) -> None:
        """Remove a job: it is not shown any more, and what it would have entered later does not come."""
        job.deleted = at
        self._changes = None

    def changes(self, start: float, end: float) -> list[Change]:
        """Return all steps that are entered from `start` on and before `end`, in the order of time."""
        if self._changes is None:
            everything = (job for named in self._named.values() for job in named.values())
            self._changes = sorted(
                chain.from_iterable(map(self._steps_of, chain.from_iterable(map(_lives, everything))))
            )
        low, high = (bisect_left(self._changes, (at,)) for at in (start, end))
        return self._changes[low:high]

    @staticmethod
    def _steps_of(job: Job) -> list[Change]:
        return [
            Change(job.created + step.after, job.number, place, job, step)
            for place, step in enumerate(job.life)
            if job.created + step.after < job.deleted
        ]


def _lives(job: Job) -> Iterator[Job]:
    life: Job | None = job
    while life:
        yield life
        life = life.earlier
