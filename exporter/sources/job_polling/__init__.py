"""Jobs by List and Describe: each end counted once, however short the job and however long we were away.

    sagemaker_job_state_changes_total{account_id="...",region="us-east-1",job_type="training",status="Failed"} 3.0

    passes    listings, newest first -> every job that was created since the last look
    book      jobs -> events (once each), and which of them to follow by Describe

A job is listed once after it was created, whatever it is by then, and is followed until its end has been described: no
listing shows all that changed, and none is read twice. A job that was open when counting began counts for what happens
to it from then on; to find it, a first start lists what was created in the 30 days before.
"""

from __future__ import annotations

import math
from collections import Counter as Tallies
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import structs

from exporter.aws import Aws, AwsError
from exporter.catalogue import CATALOGUE
from exporter.config import Config
from exporter.inventory import Census, Selection
from exporter.jobs import JOB_TYPES, Job, JobType, UnreadableError, counts, described, spelled
from exporter.model import DAY, HOUR, Effect, Event, Failure, Forecast, Known, Reading, Sample, Target
from exporter.sources.job_polling.book import Book
from exporter.sources.job_polling.passes import Passes

HORIZON = 45 * DAY  # what is older is never counted, whoever tells of it
LONGEST = 30 * DAY  # a job is open: AWS stops a training job after 28
DESCRIBES = 150  # in one run: 30 s at 5 a second; the rest follows in the next one
UNKNOWN_FOR = HOUR  # a region that does not know a type of job is asked again so much later

_BEGUN, _LISTED, _RUN = "begun", "listed", "run"
_Value = tuple[str, tuple[str, ...], float | None]  # family, label values after the target's, value


class _OfTarget:
    """What is kept about a target as long as the process lives, and as long as all of it is committed."""

    def __init__(self, target: Target, known: Known, now: float) -> None:
        notes = known.notes
        self.begun: float = notes.get(_BEGUN, now)
        self.run: int = notes.get(_RUN, 0)
        listed = notes.get(_LISTED, {})
        self.passes = {
            name: Passes(kind, listed.get(name, self.begun - LONGEST), now) for name, kind in JOB_TYPES.items()
        }
        self.book = Book(target, notes, self.begun, now)
        self.unknown: dict[str, float] = {}  # types that this region does not know, and until when that is believed


class JobPolling:
    """Lists jobs of all types, describes those that are open, and counts what became of them."""

    name = "job_polling"
    thrifty = False

    def __init__(self, aws: Aws, config: Config) -> None:
        settings = config.sources.job_polling
        self._aws = aws
        self._every = settings.every
        self._last_good = settings.last_good or max(900.0, 3 * settings.every)
        self._selection = Selection(config.resources)
        self._on = {name for name, row in CATALOGUE.items() if self.name in row.sources and config.on(name)}
        self._targets: dict[Target, _OfTarget] = {}

    def confirm(self, receipts: tuple[Any, ...]) -> None:
        """Do nothing: listings are not used up by reading them."""

    def read(self, target: Target, known: Known, now: float) -> Reading:
        """List what is new, describe what is due."""
        kept = self._targets.get(target)
        if kept is None or kept.run != known.notes.get(_RUN):  # what the ledger refused was not read
            kept = self._targets[target] = _OfTarget(target, known, self._aws.now())
        book = kept.book
        book.events, book.notes = [], {}
        failed: list[Failure] = []
        looked = [name for name in JOB_TYPES if self._list(target, kept, JOB_TYPES[name], now, failed)]
        self._follow(target, book, now, failed)
        book.give_up(now)
        book.tidy(min(one.listed for one in kept.passes.values()))
        kept.run += 1
        listed = {name: one.listed for name, one in kept.passes.items()}
        return Reading(
            self.name,
            target,
            now,
            samples=tuple(self._samples(target, kept, looked, now + self._last_good)),
            looked=tuple(looked),
            failed=tuple(failed),
            seeds=tuple(self._seeds(target)),
            events=tuple(self._shown(event) for event in book.events),
            not_before=max(kept.begun, now - HORIZON),
            notes={_BEGUN: kept.begun, _LISTED: listed, _RUN: kept.run, **book.notes},
            read_until=min(listed.values()),
        )

    def survey(self, target: Target, now: float) -> tuple[Failure, ...]:  # noqa: ARG002 - a forecast needs no listing
        """List nothing: how many jobs there will be is not to be known."""
        return ()

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:  # noqa: ARG002 - not slowed
        """Return what an hour takes in which there are no jobs: a page of each listing in each run."""
        calls: Tallies[str] = Tallies()
        for kind in JOB_TYPES.values():
            first = kind.parent.listing if kind.parent else kind.listing
            calls[first.operation] += 1
        hourly = len(censuses) * HOUR / self._every
        return Forecast((self._every,), {operation: number * hourly for operation, number in calls.items()})

    # -- looking -----------------------------------------------------------------------------------------------------

    def _list(self, target: Target, kept: _OfTarget, kind: JobType, now: float, failed: list[Failure]) -> bool:
        """List the jobs of a type that are new; return whether nothing kept us from it."""
        if kept.unknown.get(kind.name, 0.0) > now:
            return True
        passes, whole = kept.passes[kind.name], True

        def complain(error: Exception) -> None:
            nonlocal whole
            whole = False
            failed.append(Failure(kind.listing.operation, "transient", str(error)))

        try:
            oldest = math.inf if kind.description else kept.book.oldest(kind.name)
            for job in passes.run(self._aws, target, self._aws.now(), complain, oldest):
                if self._wanted(job):
                    kept.book.see(job, self._aws.now())
        except AwsError as error:
            if error.error_class == "bug":
                kept.unknown[kind.name] = now + UNKNOWN_FOR
            failed.append(Failure(kind.listing.operation, error.error_class, str(error)))
            return False
        return whole

    def _wanted(self, job: Job) -> bool:
        return self._selection.admits(Census(), "job", job.under or job.name)

    def _follow(self, target: Target, book: Book, now: float, failed: list[Failure]) -> None:
        """Describe the jobs that are due."""
        for who in book.due(now, self._every / 2)[:DESCRIBES]:
            job = book.followed[who].job
            kind = JOB_TYPES[job.job_type]
            how = kind.description
            if how is None or book.followed[who].due > now + self._every / 2:  # since others of its type were denied
                continue
            try:
                answer = self._aws.call(
                    target, how.operation, **how.fixed, **{how.parameter: job.arn if how.by_arn else job.name}
                )
                book.learn(who, described(kind, answer), self._aws.now())
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

    # -- showing -----------------------------------------------------------------------------------------------------

    def _shown(self, event: Event) -> Event:
        """Return an event with its effects on families that are on."""
        if all(effect.family in self._on for effect in event.effects):
            return event
        return structs.replace(event, effects=tuple(effect for effect in event.effects if effect.family in self._on))

    def _seeds(self, target: Target) -> Iterator[Effect]:
        """Yield zeros of all that may come to count, each time: it may have had no place until now."""
        where = (target.account_id, target.region)
        for seed in counts.SEEDS:
            if seed.family in self._on:
                yield Effect(seed.family, (*where, *seed.labels), 0.0, seed.buckets)

    def _samples(self, target: Target, kept: _OfTarget, looked: Iterable[str], until: float) -> Iterator[Sample]:
        """Yield what is shown of open jobs, by type: a type that could not be listed stays as it was."""
        where = (target.account_id, target.region)
        open_jobs: dict[str, list[Job]] = {name: [] for name in looked}
        for job in kept.book.jobs:
            if job.job_type in open_jobs:
                open_jobs[job.job_type].append(job)
        for name, jobs in open_jobs.items():
            values = [*_of_type(name, jobs), *(value for job in jobs for value in _of_job(job))]
            values += [(_LAST_END, (name, status), at) for status, at in kept.book.last_end.get(name, {}).items()]
            for family, labels, value in values:
                if value is not None and family in self._on:
                    yield Sample(family, (*where, *labels), value, scope=name, until=until)


_LAST_END = "sagemaker_job_last_end_timestamp_seconds"


def _of_type(name: str, jobs: Iterable[Job]) -> Iterator[_Value]:
    """Yield how many jobs of a type there are, and how many instances they have."""
    statuses = Tallies(dict.fromkeys((spelled(JOB_TYPES[name], status) for status in JOB_TYPES[name].open), 0))
    instances: Tallies[str] = Tallies()
    for job in jobs:
        statuses[job.status] += 1
        for instance, count in job.instances:
            instances[instance] += count
    yield from (("sagemaker_jobs", (name, status), float(number)) for status, number in statuses.items())
    yield from (("sagemaker_job_instances", (name, one), float(number)) for one, number in instances.items())


def _of_job(job: Job) -> Iterator[_Value]:
    """Yield what is shown of one open job."""
    who = (job.job_type, job.name)
    instance = job.instances[0][0] if len(job.instances) == 1 else ""
    spot = "true" if job.spot else "false"
    yield "sagemaker_job_info", (*who, instance, spot, job.parent_type, job.parent_name), 1.0
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
    yield "sagemaker_job_child_jobs_limit", who, None if job.child_jobs_limit is None else float(job.child_jobs_limit)


def switched_off(target: Target, known: Known, now: float) -> Reading:
    """Return a reading that forgets what is followed on a target: what happens while it is off is not counted."""
    return Reading(JobPolling.name, target, now, notes=dict.fromkeys(known.notes))
