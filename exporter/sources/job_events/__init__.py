"""SageMaker's events, from EventBridge through a queue: what happened to jobs and other things, told at once.

    sagemaker_service_events_total{...,detail_type="SageMaker Training Job State Change",status="Failed"} 3.0

An event is best effort: lost, late, repeated, out of order. So nothing here decides that something is new: each fact
has the identity by which `job_polling` knows it too, and the ledger counts it once, whoever comes first.

Where jobs are polled as well, their ends are described there; what polling has not told of in an hour counts here, by
what the event told. Where they are not, those whose end has been told are described here, in a run now and then, and
what Describe has not told ten minutes later counts without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

from exporter.aws import Aws, AwsError
from exporter.aws.queues import Told
from exporter.catalogue import CATALOGUE
from exporter.config import Config
from exporter.inventory import Census, Inventory, Selection
from exporter.jobs import (
    JOB_TYPES,
    TOLD_BY,
    Job,
    Step,
    UnreadableError,
    cluster_events,
    counts,
    deployments,
    described,
    identity,
    spelled,
    stand_in,
)
from exporter.jobs import told as job_told
from exporter.jobs.detail_types import status_of
from exporter.jobs.job_types import STEP_STATUSES, STEP_TYPES
from exporter.jobs.objects import Object
from exporter.jobs.things import THING_TYPES, THINGS_TOLD_BY, Thing, series, sightings, thing_told
from exporter.model import DAY, HOUR, MINUTE, Effect, Event, Failure, Forecast, Known, Reading, Sighting, Target

SERVICE = "aws.sagemaker"
EVERY = 1.0 * MINUTE  # between two runs in which ends are described
GIVE_UP = 10 * MINUTE  # after an end was told: it counts without what Describe tells
OVERDUE = 60 * MINUTE  # after an end was told: polling, if it can, has described it by then
DESCRIBES = 150  # in one run; the rest follows in the next one

EVENTS = "sagemaker_service_events_total"
NODES = "sagemaker_cluster_node_health_events_total"
ENVELOPE, NODE = "job_events/event", "job_events/node"

_BEGUN = "begun"
_OWED = "owed/"  # notes of jobs whose end has been told and not yet described, by who they are
_DEPLOYING = "deploying/"  # notes of how endpoints go on
_TRAIL = " via CloudTrail"  # the end of the detail-types that are not SageMaker's own
_OF_STEP = "SageMaker Model Building Pipeline Execution Step Status Change"
_NODE_HEALTH = "SageMaker HyperPod Cluster Node Health Event"
_OF_CLUSTER = "SageMaker HyperPod Cluster Event"


class _Owed(msgspec.Struct, frozen=True):
    """A job whose end is to be described, and since when it is known.

    The end of a `counted` one counts already, without what the job has used up: that is asked for again at `due`.
    """

    job: Job
    since: float
    counted: bool = False
    due: float = 0.0


class JobEvents:
    """Hears events of SageMaker, and describes the ends of jobs where nobody else does."""

    name = "job_events"
    thrifty = False

    def __init__(self, aws: Aws, inventory: Inventory, config: Config) -> None:
        self._aws = aws
        self._inventory = inventory
        self._alone = not config.sources.job_polling.enabled
        self._met: dict[Target, float] = {}  # targets that nobody reads, and when it was last looked what is over there
        self._since = aws.now()  # when counting begins, if it never has
        self._selection = Selection(config.resources)
        self._on = {name for name, row in CATALOGUE.items() if self.name in row.sources and config.on(name)}

    # -- hearing -----------------------------------------------------------------------------------------------------

    def hears(self, told: Told) -> bool:
        """Say whether this is for its ears."""
        return told.source == SERVICE and not told.detail_type.endswith(_TRAIL)

    def meet(self, target: Target) -> None:
        """Learn of a target that nobody reads: what events tell of it is all there is."""
        self._met.setdefault(target, -math.inf)

    def hear(self, target: Target, told: Sequence[Told], known: Known, now: float) -> Reading:
        """Return what events tell. Raises `UnreadableError` for one that can't be read: it is left in the queue."""
        begun = known.notes.get(_BEGUN, min(self._since, self._aws.now()))  # our clock may be ahead
        notes: dict[str, Any] = {_BEGUN: begun}
        events: list[Event] = []
        seen: list[Sighting] = []
        jobs: list[Job] = []
        alone = self._alone or target in self._met
        for one in told:
            detail = Object(one.detail, one.detail_type)
            if not one.replayed:
                events.append(_service_event(target, one, detail))
            kind, thing = TOLD_BY.get(one.detail_type), THINGS_TOLD_BY.get(one.detail_type)
            if kind:
                job = job_told(kind, {"detail": one.detail, "resources": list(one.resources), "time": one.at})
                if self._selection.admits(Census(), "job", job.under or job.name):
                    events += self._job(target, job, one, notes, now, alone=alone)
                    jobs.append(job)
            elif thing:
                found = thing_told(thing, one.detail, one.at)
                if found and self._wants(target, found):
                    seen += sightings(target, found)
            if one.detail_type in deployments.TELL:
                events += self._deployment(target, one, known, notes)
            if one.detail_type == _OF_STEP and alone:  # or polling lists it, with the pipeline's name as it is
                events += self._steps(target, one, detail)
            elif one.detail_type == _NODE_HEALTH:
                events += self._of_cluster(target, _node_health(target, one, detail))
            elif one.detail_type == _OF_CLUSTER:
                logged = cluster_events.logged(target, detail.at("EventDetails"), one.at, one.id)
                events += self._of_cluster(target, logged)
        for name, owed in _owed(known, now) if target in self._met else ():  # since it was read last
            events += _ended(target, owed.job, now)
            notes[name] = None
        unseen: Sequence[str] = ()
        ending: Sequence[str] = ()
        if self._met.get(target, math.inf) <= now - HOUR:
            self._met[target] = now
            unseen, ending = _over(known, now)
        fresh, old = _since(begun, events)
        return Reading(
            self.name,
            target,
            now,
            events=tuple(counts.only(event, self._on) for event in fresh),
            sightings=tuple(
                structs.replace(one, counts=one.at >= begun) for one in seen if one.effect.family in self._on
            ),
            ended=tuple(effect for called in ending for effect in _series(target, called)),
            unseen=tuple(unseen),
            lives=counts.lives(jobs, known.lives, now),
            not_before=now - counts.HORIZON,
            notes=notes,
            tallies=tuple(_too_old(target, old)),
        )

    def _job(
        self, target: Target, job: Job, one: Told, notes: dict[str, Any], now: float, *, alone: bool
    ) -> Iterator[Event]:
        """Yield what an event about a job tells. A job whose creation it does not tell has yet to be described."""
        for event in counts.changes(target, job, now):
            if alone or event.kind != counts.EXECUTION:  # the name of the pipeline is in lower case here
                yield event
        yield from counts.heard(target, job, now)
        yield from counts.started(target, job)
        yield from counts.phases(target, job)
        who = identity(target, job) or stand_in(target, job)
        old = one.at < now - counts.HORIZON  # its identities are forgotten: what is described would count once more
        if target in self._met:
            if counts.ended(job) or identity(target, job) is None:
                yield from _ended(target, job, now)
        elif who and not old and (counts.ended(job) or identity(target, job) is None):
            notes[_OWED + who] = msgspec.to_builtins(_Owed(job, now))

    def _deployment(self, target: Target, one: Told, known: Known, notes: dict[str, Any]) -> Iterator[Event]:
        """Yield the end of a deployment; note one that has begun."""
        look = deployments.told(one.detail, one.at)
        if self._selection.admits(self._inventory.census(target), "endpoint", look.endpoint):
            name = _DEPLOYING + look.endpoint
            course, events = deployments.follow(target, notes.get(name, known.notes.get(name)), look)
            notes[name] = list(course)
            yield from events

    def _steps(self, target: Target, told: Told, detail: Object) -> Iterator[Event]:
        """Yield that a step of an execution entered a status."""
        pipeline, _, execution = detail.text("pipelineExecutionArn").partition(":pipeline/")[2].partition("/execution/")
        name, status, kind = detail.text("stepName"), detail.text("currentStepStatus"), detail.text("stepType")
        if not (pipeline and execution and name and status):
            raise UnreadableError("an event of a step: it does not tell which step of what entered which status")
        if not self._selection.admits(Census(), "job", pipeline):
            return
        step = Step(
            name,
            spelled(STEP_STATUSES, status),
            next((word for word in STEP_TYPES if word in {kind, f"{kind}Job"}), kind),
            started=detail.time("stepStartTime"),
            ended=detail.time("stepEndTime"),
            cached=detail.at("cacheHitResult") is not None,
        )
        job = Job("pipeline_execution", f"{pipeline}/{execution}", "Executing", under=pipeline)
        yield from counts.steps(target, job, [step], told.at)

    def _of_cluster(self, target: Target, event: Event) -> Iterator[Event]:
        """Yield an event of a cluster that is chosen."""
        _, _, name, *_ = event.effects[0].labels
        if self._wants(target, Thing("cluster", name, "")):
            yield event

    def _wants(self, target: Target, thing: Thing) -> bool:
        kind = "endpoint" if thing.kind == "endpoint" else ""
        return self._selection.admits(self._inventory.census(target), kind, thing.label or thing.name)

    # -- describing --------------------------------------------------------------------------------------------------

    def confirm(self, receipts: tuple[Any, ...]) -> None:
        """Do nothing: a queue is confirmed by who reads it."""

    def read(self, target: Target, known: Known, now: float) -> Reading:
        """Describe the jobs whose end has been told."""
        self._met.pop(target, None)  # since it is read: a batch that came while that began may have said otherwise
        begun = known.notes.get(_BEGUN, min(self._since, self._aws.now()))
        events: list[Event] = []
        notes: dict[str, Any] = {_BEGUN: begun}
        failed: list[Failure] = []
        throttled, denied = False, set[str]()  # types, of which no other is asked about
        # Polling describes them, where it runs; what it has not told of in an hour, it can't.
        owed = _owed(known, now if self._alone else now - OVERDUE)
        waiting = sorted(owed, key=lambda item: (item[1].counted, item[1].since))
        for name, one in [item for item in waiting if item[1].due <= now][:DESCRIBES]:
            job: Job | None = None
            try:
                refused = throttled or one.job.job_type in denied
                asked = not refused and (self._alone or identity(target, one.job) is None)
                job = self._described(target, one.job) if asked else None
                gone = job is None and not refused
            except (AwsError, UnreadableError) as error:
                reason = error.error_class if isinstance(error, AwsError) else "transient"
                gone, throttled = reason == "absent", reason == "throttled"
                denied |= {one.job.job_type} if reason == "denied" else set()
                if not gone:
                    failed.append(Failure(_operation(one.job), reason, str(error)))
            known_end = job is not None and _same(target, one.job, job) and counts.ended(job)
            over = known_end or gone
            if not over and now < one.since + GIVE_UP:  # Describe may lag behind
                continue
            # Of some AWS does not tell when they ended: then it was when the event was sent, not now.
            told = structs.replace(job, sent=one.job.sent) if job and known_end else one.job
            events += counts.work(target, told, now) if one.counted else _ended(target, told, now)
            later = not over and self._alone and counts.uses(one.job) and now < one.since + counts.LEFT_FOR
            kept = structs.replace(one, counted=True, due=now + counts.pause(one.since, now))
            notes[name] = msgspec.to_builtins(kept) if later else None
        unseen, ending = _over(known, now) if self._alone else ((), ())
        settled = ((name, note) for name, note in known.notes.items() if name.startswith(_DEPLOYING))
        notes |= dict.fromkeys(name for name, note in settled if max(note[0], note[2]) < now - counts.HORIZON)
        return Reading(
            self.name,
            target,
            now,
            failed=tuple(failed),
            events=tuple(counts.only(event, self._on) for event in _since(begun, events)[0]),
            seeds=tuple(counts.zeros(target, counts.SEEDS, self._on)) if self._alone else (),
            ended=tuple(effect for called in ending for effect in _series(target, called)),
            unseen=tuple(unseen),
            not_before=now - counts.HORIZON,
            notes=notes,
        )

    def _described(self, target: Target, job: Job) -> Job | None:
        """Return what Describe tells of a job; None where AWS describes none of its type."""
        kind = JOB_TYPES[job.job_type]
        how = kind.description
        if how is None or (how.by_arn and not job.arn):
            return None
        name = job.arn if how.by_arn else job.name
        return described(kind, self._aws.call(target, how.operation, **how.fixed, **{how.parameter: name}))

    def survey(self, target: Target, now: float) -> tuple[Failure, ...]:  # noqa: ARG002 - nothing is to be listed
        """List nothing: how many events there will be is not to be known."""
        return ()

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:  # noqa: ARG002 - see survey
        """Return what an hour takes in which nothing happens."""
        return Forecast((EVERY,), {})


def _since(begun: float, events: Iterable[Event]) -> tuple[list[Event], int]:
    """Return the events since counting began, and how many messages told of a time before.

    That is not left to the ledger: it forgets identities by the same limit, and others look further back.
    """
    found = list(events)
    fresh = [event for event in found if event.at >= begun]
    return fresh, sum(event.kind == ENVELOPE and event.at < begun for event in found)


def _too_old(target: Target, number: int) -> Iterator[Effect]:
    if number:
        where = (target.account_id, target.region, JobEvents.name, "too_old")
        yield Effect("sagemaker_exporter_events_total", where, float(number))


def _ended(target: Target, job: Job, now: float) -> Iterator[Event]:
    """Yield all that is known of a job, its end too; by what stands in for its identity, where it has none."""
    if identity(target, job):
        yield from counts.changes(target, job, now)
        yield from counts.started(target, job)
        yield from counts.phases(target, job)
        yield from counts.end(target, job, now)
        return
    who = stand_in(target, job)
    if who:
        yield from counts.unnamed(target, job, who, now)


def _owed(known: Known, before: float) -> Iterator[tuple[str, _Owed]]:
    """Yield the jobs whose end is owed since before a time, with the names of the notes of it."""
    for name, note in known.notes.items():
        if name.startswith(_OWED) and note["since"] <= before:
            yield name, msgspec.convert(note, _Owed)


def _over(known: Known, now: float) -> tuple[list[str], list[str]]:
    """Return the things to forget, and those whose series end: nobody lists them, and nothing is told of them."""
    newest = {called: history[-1] for called, history in known.runs.items()}
    unseen = [called for called, (at, _) in newest.items() if at < now - counts.HORIZON - DAY]
    gone = [called for called, (at, status) in newest.items() if status == "Deleting" and at < now - DAY]
    return unseen, unseen + gone


def _series(target: Target, called: str) -> Iterator[Effect]:
    kind, _, name = called.partition("/")
    if not THING_TYPES[kind].grouped:
        yield from series(target, Thing(kind, name, ""))


def _same(target: Target, told: Job, job: Job) -> bool:
    """Say whether what Describe tells is of the job that an event told of: another one may have its name by now."""
    return identity(target, told) in {None, identity(target, job)}


def _operation(job: Job) -> str:
    how = JOB_TYPES[job.job_type].description
    return how.operation if how else job.job_type


def _service_event(target: Target, told: Told, detail: Object) -> Event:
    """Return that an event came, by the id of its envelope."""
    labels = (target.account_id, target.region, told.detail_type, status_of(told.detail_type, detail))
    return Event(ENVELOPE, told.id, told.at, target, (Effect(EVENTS, labels),))


def _node_health(target: Target, told: Told, detail: Object) -> Event:
    name = detail.text("ClusterName") or detail.text("ClusterArn").rpartition("/")[2]
    if not name:
        raise UnreadableError("an event of a node: ClusterName is missing")
    health = (detail.text("HealthSummary.HealthStatus"), detail.text("HealthSummary.RepairAction"))
    labels = (target.account_id, target.region, name, *health)
    return Event(NODE, told.id, told.at, target, (Effect(NODES, labels),))


def switched_off(target: Target, known: Known, now: float) -> Reading:
    """Return a reading that forgets what is owed on a target: what is told while it is off is not counted."""
    return Reading(JobEvents.name, target, now, notes=dict.fromkeys(known.notes))
