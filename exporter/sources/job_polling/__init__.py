"""Jobs by List and Describe: each end counted once, however short the job and however long we were away.

    sagemaker_job_state_changes_total{account_id="...",region="us-east-1",job_type="training",status="Failed"} 3.0

    passes    listings, newest first -> every job that was created since the last look
    book      jobs -> events (once each), and which of them to follow by Describe
    parents   pipelines and monitoring schedules: what stands at 0 of them, and their newest executions
    things    things that come back to a status, as the inventory shows them
    clusters  the logs of HyperPod clusters

A job is listed once after it was created, whatever it is by then, and is followed until its end has been described: no
listing shows all that changed, and none is read twice. A job that was open when counting began counts for what happens
to it from then on; to find it, a first start lists what was created in the 30 days before.
"""

from __future__ import annotations

import math
from collections import Counter as Tallies
from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from msgspec import structs

from exporter.aws import Aws, AwsError
from exporter.catalogue import CATALOGUE
from exporter.catalogue.jobs import FACTS, INSTANCES, KEPT, NUMBER, OPEN, POLLING, SIZE, scope_of
from exporter.catalogue.training_jobs import POOL_SECONDS, POOLS
from exporter.config import Config, stands
from exporter.inventory import Census, Inventory, Selection, Things
from exporter.jobs import (
    JOB_TYPES,
    STEPS,
    Job,
    JobType,
    UnreadableError,
    cluster_events,
    counts,
    described,
    spelled,
    step,
    summary,
)
from exporter.jobs.things import Thing
from exporter.model import DAY, HOUR, MINUTE, Event, Failure, Forecast, Known, Reading, Sample, Target
from exporter.sources.job_polling import clusters, things
from exporter.sources.job_polling.book import POOL_OPEN, Book, Wants
from exporter.sources.job_polling.clusters import Clusters
from exporter.sources.job_polling.parents import LAST_STATUS, LAST_SUCCESS, Parents, Value
from exporter.sources.job_polling.passes import Passes

LONGEST = 30 * DAY  # a job is open: AWS stops a training job after 28
DESCRIBES = 150  # in one run: 30 s at 5 a second; the rest follows in the next one
HEARD_BY = 15 * MINUTE  # after the end of a job was polled: an event that is not there by then is missed
UNKNOWN_FOR = HOUR  # a region that does not know a type of job is asked again so much later
LAST_EXECUTIONS = 20  # of pipelines that have not run for so long that no pass shows it: asked for in one run
PIPELINES = "pipeline_execution"

_BEGUN, _LISTED, _RUN = "begun", "listed", "run"


_Sum = tuple[str, str]  # a type of jobs, and what of it is added up


class _OfTarget:
    """What is kept about a target as long as the process lives, and as long as all of it is committed."""

    def __init__(self, target: Target, known: Known, now: float, wants: Wants, selection: Selection) -> None:
        notes = known.notes
        self.begun: float = notes.get(_BEGUN, now)
        self.run: int = notes.get(_RUN, 0)
        listed = notes.get(_LISTED, {})
        self.passes = {
            name: Passes(kind.listing, listed.get(name, self.begun - LONGEST), now, kind.parent)
            for name, kind in JOB_TYPES.items()
        }
        self.book = Book(target, notes, self.begun, now, wants)
        self.parents = Parents(notes, lambda name: selection.admits(Census(), "job", name))
        self.clusters = Clusters(notes, now)
        self.unheard: deque[tuple[float, Job]] = deque()  # ended jobs, and when their events are missed
        self.whole = dict.fromkeys(JOB_TYPES, now)  # when the sums of each type were last whole
        self.unknown: dict[str, float] = {}  # types that this region does not know, and until when that is believed


class JobPolling:
    """Lists jobs of all types, describes those that are open, and counts what became of them."""

    name = POLLING
    thrifty = False

    def __init__(self, aws: Aws, inventory: Inventory, config: Config) -> None:
        settings = config.sources.job_polling
        self._aws = aws
        self._inventory = inventory
        self._hears = config.sources.job_events.enabled
        self._since = aws.now()  # when it began to hear, if it does
        self._every = settings.every
        self._last_good = stands(settings)
        self._selection = Selection(config.resources)
        self._on = {name for name, row in CATALOGUE.items() if self.name in row.sources and config.on(name)}
        self._wants = Wants(
            pools=bool(self._on & {POOLS, POOL_SECONDS}),
            rules=counts.RULES in self._on,
            steps=bool(self._on & {counts.STEPS, counts.CACHE_HITS}),
            final_values=FINAL_VALUE in self._on,
            recommendations=bool(self._on.intersection(RECOMMENDED)),
        )
        self._targets: dict[Target, _OfTarget] = {}

    def confirm(self, receipts: tuple[Any, ...]) -> None:
        """Do nothing: listings are not used up by reading them."""

    def read(self, target: Target, known: Known, now: float) -> Reading:
        """List what is new, describe what is due."""
        kept = self._targets.get(target)
        if kept is None or kept.run != known.notes.get(_RUN):  # what the ledger refused was not read
            kept = self._targets[target] = _OfTarget(target, known, self._aws.now(), self._wants, self._selection)
        book, parents = kept.book, kept.parents
        book.events, book.notes, parents.notes, parents.ended = [], {}, {}, []
        failed: list[Failure] = []
        looked = [name for name in JOB_TYPES if self._list(target, kept, JOB_TYPES[name], now, failed)]
        self._follow(target, kept, now, failed)
        self._last_executions(target, kept, failed)
        book.give_up(now)
        there = [one.listed for name, one in kept.passes.items() if name not in kept.unknown]
        book.tidy(min(there, default=now), now)
        sums = dict.fromkeys(one for name in looked for one in self._sums(kept, name))
        failed += self._missing(kept, looked, sums)
        if PIPELINES in looked:
            parents.tidy(now)
        census = self._inventory.census(target)
        seen = things.look(target, census, known, self._wants_thing, self._on, kept.begun)
        logging = census.things.get("cluster", Things()) if cluster_events.LOGGED in self._on else Things()
        logged = tuple(kept.clusters.read(self._aws, target, logging, self._wants_cluster, failed))
        lives = counts.lives((*book.closed, *book.jobs), known.lives, self._aws.now())
        found = (*book.events, *seen.events, *logged, *self._missed(target, kept, now))
        kept.run += 1
        listed = {name: one.listed for name, one in kept.passes.items()}
        return Reading(
            self.name,
            target,
            now,
            samples=tuple(self._samples(target, kept, looked, sums, now + self._last_good)),
            looked=(*looked, *(scope_of(*one) for one in sums)),
            failed=tuple(failed),
            seeds=(
                *counts.zeros(target, (*counts.SEEDS, *parents.seeds()), self._on),
                *(seed for seed in seen.seeds if seed.family in self._on),
            ),
            ended=(*counts.zeros(target, parents.ended, self._on), *seen.ended),
            events=tuple(counts.only(event, self._on) for event in found if event.at >= kept.begun),
            sightings=tuple(seen.sightings),
            unseen=tuple(seen.unseen),
            lives=lives,
            not_before=now - counts.HORIZON,  # not `begun`: the ledger forgets identities by this (decision 0013)
            notes={
                _BEGUN: kept.begun,
                _LISTED: listed,
                _RUN: kept.run,
                **book.notes,
                **parents.notes,
                **seen.notes,
                clusters.NOTE: kept.clusters.note if cluster_events.LOGGED in self._on else None,
            },
            read_until=min((*there, *kept.clusters.listed(logging, now)), default=now),
        )

    def survey(self, target: Target, now: float) -> tuple[Failure, ...]:  # noqa: ARG002 - a forecast needs no listing
        """List nothing: how many jobs there will be is not to be known."""
        return ()

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:  # noqa: ARG002 - not slowed
        """Return what an hour takes in which nothing happens: a page of each listing in each run."""
        calls: Tallies[str] = Tallies()
        for kind in JOB_TYPES.values():
            first = kind.parent.listing if kind.parent else kind.listing
            calls[first.operation] += 1
        hours = HOUR / self._every
        hourly = {operation: number * len(censuses) * hours for operation, number in calls.items()}
        if cluster_events.LOGGED in self._on:
            of_clusters = (one.things.get("cluster", Things()) for one in censuses.values())
            hourly[cluster_events.LISTING.operation] = hours * sum(
                min(clusters.CALLS, sum(self._wants_cluster(one.name) for one in clusters.with_log(listed)))
                for listed in of_clusters
            )
        return Forecast((self._every,), hourly)

    # -- looking -----------------------------------------------------------------------------------------------------

    def _list(self, target: Target, kept: _OfTarget, kind: JobType, now: float, failed: list[Failure]) -> bool:
        """List the jobs of a type that are new; return whether nothing kept us from it."""
        if kept.unknown.get(kind.name, 0.0) > now:
            return True
        passes, whole = kept.passes[kind.name], True
        try:
            oldest = math.inf if kind.description else kept.book.oldest(kind.name)
            for item, under in passes.run(self._aws, target, self._aws.now(), oldest):
                try:
                    job = _named(summary(kind, item), kind, under)
                except UnreadableError as error:
                    whole = False
                    failed.append(Failure(kind.listing.operation, "transient", str(error)))
                    continue
                if self._wanted(job):
                    kept.book.see(job, self._aws.now())
                    kept.parents.see(job)
        except AwsError as error:
            if error.error_class == "bug":
                kept.unknown[kind.name] = now + UNKNOWN_FOR
            failed.append(Failure(kind.listing.operation, error.error_class, str(error)))
            return False
        kept.unknown.pop(kind.name, None)
        if kind.name == PIPELINES and passes.parents is not None:
            kept.parents.list(_used(passes.parents), now)
        return whole

    def _wanted(self, job: Job) -> bool:
        return self._selection.admits(Census(), "job", job.under or job.name)

    def _missed(self, target: Target, kept: _OfTarget, now: float) -> Iterator[Event]:
        """Yield the changes of jobs that have ended, and of which an event should have told by now."""
        if self._hears:
            kept.unheard += [(now + HEARD_BY, job) for job in kept.book.closed]
        kept.book.closed = []
        while kept.unheard and kept.unheard[0][0] <= now:
            yield from counts.missed(target, kept.unheard.popleft()[1], self._since, now)

    def _wants_thing(self, census: Census, thing: Thing) -> bool:
        kind = {"endpoint": "endpoint", "inference_component": "inference-component"}.get(thing.kind, "")
        return self._selection.admits(census, kind, thing.label or thing.name)

    def _wants_cluster(self, name: str) -> bool:
        return self._selection.admits(Census(), "", name)

    def _follow(self, target: Target, kept: _OfTarget, now: float, failed: list[Failure]) -> None:
        """Describe the jobs that are due, and list the steps of executions."""
        book = kept.book
        for who in book.due(now, self._every / 2)[:DESCRIBES]:
            job = book.followed[who].job
            if job.job_type == PIPELINES and book.followed[who].counted:
                if self._wants.steps:
                    self._steps(target, kept, who, now, failed)
                else:  # since a reload
                    book.miss(who, now)
                continue
            kind = JOB_TYPES[job.job_type]
            how = kind.description
            if how is None or book.followed[who].due > now + self._every / 2:  # since others of its type were denied
                continue
            try:
                answer = self._aws.call(
                    target, how.operation, **how.fixed, **{how.parameter: job.arn if how.by_arn else job.name}
                )
                learnt = described(kind, answer)
                book.learn(who, learnt, self._aws.now())
                kept.parents.see(structs.replace(learnt, under=job.under))
                if self._wants.steps and job.job_type == PIPELINES and who in book.followed:
                    self._steps(target, kept, who, now, failed)
            except UnreadableError as error:
                failed.append(Failure(how.operation, "transient", str(error)))
                book.wait(who, now)
            except AwsError as error:
                if error.error_class == "absent":
                    book.miss(who, self._aws.now())
                    continue
                failed.append(Failure(how.operation, error.error_class, str(error)))
                if error.error_class == "throttled":
                    return
                if error.error_class == "denied":  # as all others of its type would be
                    book.wait_all(job.job_type, now)
                book.wait(who, now)

    def _steps(self, target: Target, kept: _OfTarget, who: str, now: float, failed: list[Failure]) -> None:
        """List the steps of an execution, all of them: what has changed of one is not told otherwise."""
        job = kept.book.followed[who].job
        kind, found = JOB_TYPES[PIPELINES], []
        try:
            for page in self._aws.pages(target, STEPS.operation, **STEPS.fixed, PipelineExecutionArn=job.arn):
                for item in page[STEPS.member]:
                    try:
                        found.append(step(kind, item))
                    except UnreadableError as error:
                        failed.append(Failure(STEPS.operation, "transient", str(error)))
        except AwsError as error:
            counted = kept.book.followed[who].counted
            if counted and error.error_class == "absent":
                kept.book.miss(who, self._aws.now())
                return
            failed.append(Failure(STEPS.operation, error.error_class, str(error)))
            if counted:
                kept.book.wait(who, now)
            return
        kept.parents.step(job.under, found)
        kept.book.step(who, found, self._aws.now())

    def _last_executions(self, target: Target, kept: _OfTarget, failed: list[Failure]) -> None:
        """Ask for the newest execution of pipelines that ran before anything was listed."""
        passes = kept.passes[PIPELINES]
        if passes.behind or not self._on & {LAST_STATUS, LAST_SUCCESS} or passes.parents is None:
            return
        kind = JOB_TYPES[PIPELINES]
        used = _used(passes.parents)
        for name in tuple(islice(kept.parents.unknown(used), LAST_EXECUTIONS)):
            try:
                page = self._aws.call(
                    target, kind.listing.operation, **{**kind.listing.fixed, "MaxResults": 1}, PipelineName=name
                )
                for item in page[kind.listing.member]:
                    kept.parents.see(structs.replace(summary(kind, item), under=name))
                kept.parents.ran(name, used[name])
            except (AwsError, UnreadableError) as error:
                error_class = error.error_class if isinstance(error, AwsError) else "transient"
                failed.append(Failure(kind.listing.operation, error_class, str(error)))
                return

    # -- showing -----------------------------------------------------------------------------------------------------

    def _samples(
        self, target: Target, kept: _OfTarget, looked: Iterable[str], whole: Container[_Sum], until: float
    ) -> Iterator[Sample]:
        """Yield what is shown of open jobs, by type: a type that could not be listed stays as it was.

        So do sums that lack something: of jobs that have yet to be listed, or to be described.
        """
        where = (target.account_id, target.region)
        open_jobs: dict[str, list[Job]] = {name: [] for name in looked}
        more: dict[str, list[Value]] = {name: [] for name in looked}
        for job in kept.book.jobs:
            if job.job_type in open_jobs:
                open_jobs[job.job_type].append(job)
        for job in kept.book.recent:
            if job.job_type in more:
                more[job.job_type] += _after_all(job)
        if PIPELINES in more:
            more[PIPELINES] += kept.parents.values(open_jobs[PIPELINES])
        for name, jobs in open_jobs.items():
            values = [*(value for job in jobs for value in _of_job(job)), *more[name]]
            values += [(_LAST_END, (name, status), at) for status, at in kept.book.last_end.get(name, {}).items()]
            sums = _of_type(name, jobs, kept.book.kept if name == "training" else ())
            scoped = {name: values, **{scope_of(name, what): of for what, of in sums.items() if (name, what) in whole}}
            for scope, family, labels, value in ((scope, *one) for scope, of in scoped.items() for one in of):
                if value is not None and family in self._on:
                    yield Sample(family, (*where, *labels), float(value), scope=scope, until=until)

    def _missing(self, kept: _OfTarget, looked: Iterable[str], whole: Container[_Sum]) -> Iterator[Failure]:
        """Yield the types whose sums have been missing for so long that they are shown no more."""
        now = self._aws.now()
        shown = [what for what, family in ((NUMBER, OPEN), (SIZE, INSTANCES)) if family in self._on]
        for name in (one for one in looked if one not in kept.unknown):
            if all((name, what) in whole for what in shown):
                kept.whole[name] = now
            elif now >= kept.whole[name] + self._last_good:
                text = "some have yet to be listed or described: how many there are, and on what, is missing"
                yield Failure(f"{name} jobs", "transient", text)

    def _sums(self, kept: _OfTarget, name: str) -> Iterator[_Sum]:
        """Yield the sums of a type that lack nothing now, such as jobs that have yet to be listed, or to be described.

        A sum that is off is not one of 0.
        """
        if kept.passes[name].behind:
            return
        known = {
            (NUMBER, OPEN): True,
            (SIZE, INSTANCES): kept.book.knows_sizes(name),
            (KEPT, POOLS): name == "training" and kept.book.knows_pools,
        }
        yield from ((name, what) for (what, family), whole in known.items() if whole and family in self._on)


_LAST_END = "sagemaker_job_last_end_timestamp_seconds"
FINAL_VALUE = "sagemaker_training_job_final_value"
RECOMMENDED = (
    "sagemaker_recommender_job_recommended_model_latency_seconds",
    "sagemaker_recommender_job_recommended_max_invocations",
    "sagemaker_recommender_job_recommended_cost_hourly_usd",
)


def _of_type(name: str, jobs: Iterable[Job], kept: Iterable[Job]) -> dict[str, list[Value]]:
    """Return how many jobs of a type there are, how many instances they have, and how many warm pools are kept."""
    statuses = Tallies(dict.fromkeys((spelled(JOB_TYPES[name], status) for status in JOB_TYPES[name].open), 0))
    instances: Tallies[str] = Tallies()
    for job in jobs:
        statuses[job.status] += 1
        for instance, count in job.instances:
            instances[instance] += count
    return {
        NUMBER: [(OPEN, (name, status), float(number)) for status, number in statuses.items()],
        SIZE: [(INSTANCES, (name, one), float(number)) for one, number in instances.items()],
        KEPT: [*_warm_pools(kept)],
    }


def _of_job(job: Job) -> Iterator[Value]:
    """Yield what is shown of one open job."""
    who = (job.job_type, job.name)
    instance = job.instances[0][0] if len(job.instances) == 1 else ""
    spot = "true" if job.spot else "false"
    yield FACTS, (*who, instance, spot, job.parent_type, job.parent_name), 1.0
    for status in dict.fromkeys(
        (*(spelled(JOB_TYPES[job.job_type], one) for one in JOB_TYPES[job.job_type].open), job.status)
    ):
        yield "sagemaker_job_status", (*who, status), float(status == job.status)
    yield "sagemaker_job_created_timestamp_seconds", who, job.created
    yield "sagemaker_job_start_timestamp_seconds", who, job.started
    yield "sagemaker_job_max_runtime_seconds", who, job.max_runtime
    for status, number in job.child_jobs:
        yield "sagemaker_job_child_jobs", (*who, status), float(number)
    for status, number in job.child_objectives:
        yield "sagemaker_job_child_objectives", (*who, status), float(number)
    yield "sagemaker_job_child_jobs_limit", who, job.child_jobs_limit
    if job.best_objective:
        measure, value = job.best_objective
        yield "sagemaker_job_best_objective_value", (*who, measure), value
    if job.job_type == "labeling":
        for status, number in job.label_counters:
            yield "sagemaker_labeling_job_objects", (job.name, status), float(number)
    if job.job_type == "training":
        yield "sagemaker_training_job_current_step", (job.name,), job.current_step
        yield "sagemaker_training_job_steps_per_epoch", (job.name,), job.steps_per_epoch
        yield "sagemaker_training_job_current_epoch", (job.name,), job.current_epoch
        yield "sagemaker_training_job_epochs_limit", (job.name,), job.epochs_limit
    yield from _after_all(job)


def _after_all(job: Job) -> Iterator[Value]:
    """Yield what is shown of a job while it is open, and for a while after its end."""
    for measure, value in job.final_values:
        yield FINAL_VALUE, (job.name, measure), value
    for one in job.recommendations:
        labels = (job.name, one.endpoint_name, one.instance_type)
        told = (one.model_latency, one.max_invocations, one.cost_hourly)
        yield from ((family, labels, value) for family, value in zip(RECOMMENDED, told, strict=True))


def _warm_pools(jobs: Iterable[Job]) -> Iterator[Value]:
    """Yield how many warm pools there are, of jobs that have been described."""
    pools = Tallies(
        (job.instances[0][0] if len(job.instances) == 1 else "", job.warm_pool.status)
        for job in jobs
        if job.warm_pool and job.warm_pool.status in POOL_OPEN and job.instances
    )
    yield from ((POOLS, labels, float(number)) for labels, number in pools.items())


def _named(job: Job, kind: JobType, under: str) -> Job:
    """Return a job with the name of its parent as that is listed: the ARN that it was taken from is in lower case."""
    if not (kind.nested and under):
        return job
    return structs.replace(job, under=under, name=f"{under}/{job.name.rpartition('/')[2]}")


def _used(pipelines: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return when each pipeline that is listed last began an execution; 0 for one that never has."""
    return {one["PipelineName"]: one.get("LastExecutionTime") or 0.0 for one in pipelines}


def switched_off(target: Target, known: Known, now: float) -> Reading:
    """Return a reading that forgets what is followed on a target: what happens while it is off is not counted.

    Which things there were is remembered: the series of those that are gone when it is on again must end.
    """
    notes = dict.fromkeys(name for name in known.notes if not name.startswith(things.THINGS))
    return Reading(JobPolling.name, target, now, notes=notes)
