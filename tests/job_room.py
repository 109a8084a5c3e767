"""A source of jobs, a ledger, and what AWS answers: jobs whose lives are literals."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from unittest import mock

from worlds import HERE, T0, FakeClock, values

from exporter.aws import AwsError
from exporter.config import parse
from exporter.inventory import Census
from exporter.jobs import JOB_TYPES, STEPS
from exporter.ledger import Ledger
from exporter.ledger.memory import MemoryStore
from exporter.model import MINUTE, Reading
from exporter.sources.job_polling import JobPolling
from exporter.tally import Tally


class Job:
    """A job's life: when it is created, and in which status it is from when on (AWS's spelling)."""

    numbers = itertools.count()

    def __init__(self, job_type, created, *lives, failure="", started=None, under="parent", **more):
        """`more` are other members of the answer of Describe, or what tells one at a time."""
        self.kind, self.under, self.more = JOB_TYPES[job_type], under, more
        self.name = f"job-{next(self.numbers):05d}"
        self.created, self.failure, self.started = created, failure, started
        self.lives = ((created, self.kind.first), *lives)
        self.gone = math.inf

    def status(self, now):
        return [status for at, status in self.lives if at <= now][-1]

    def changed(self, now):
        return max(at for at, _ in self.lives if at <= now)

    def ended(self, now=math.inf):
        return next((at for at, status in self.lives if status in self.kind.ended and at <= now), None)

    def path(self):
        """Return the end of its ARN."""
        nested = {"pipeline_execution": "execution", "model_card_export": "export-job"}.get(self.kind.name)
        first = (*self.kind.resources, "")[0]
        return f"{first}/{self.under.lower()}/{nested}/{self.name}" if nested else f"{first}/{self.name}"

    def told(self, fields, now):
        """Return what AWS tells of it, where its fields say."""
        of = {
            fields.status: self.status(now),
            fields.name: self.name,
            fields.created: self.created,
            fields.modified: self.changed(now),
            fields.ended: self.ended(now),
            fields.arn: f"arn:aws:sagemaker:us-east-1:123456789012:{self.path()}",
            fields.under: self.under,
            fields.scheduled: float(int(self.name[-5:]) * 3600),
            fields.started: self.started if self.started is not None and self.started <= now else None,
        }
        if fields.failure and self.ended(now) is not None:
            of[fields.failure[0]] = self.failure or None
        found = {}
        for path, value in of.items():
            if path and value is not None:
                *outer, last = path.split(".")
                at = found
                for name in outer:
                    at = at.setdefault(name, {})
                at[last] = value
        return found

    def described(self, now):
        """Return the answer of Describe."""
        more = {name: value(now) if callable(value) else value for name, value in self.more.items()}
        return {**self.told(self.kind.answer, now), **{name: one for name, one in more.items() if one is not None}}


class Api:
    """What AWS answers about jobs, and how often it was asked."""

    def __init__(self, clock):
        self.clock = clock
        self.jobs = []
        self.calls = Counter()
        self.fails = lambda _: None
        self.pipelines = {"parent": None}  # by name, when each began one before those in `jobs`
        self.steps = {}  # by execution, and what tells at a time which there are

    def now(self):
        return self.clock.now()

    def call(self, target, operation, **params):
        assert target == HERE
        self.calls[operation] += 1
        error = self.fails(operation)
        if error:
            raise AwsError(error, f"{operation}: {error}")
        now = self.now()
        for kind in JOB_TYPES.values():
            if kind.description and kind.description.operation == operation:
                named = params[kind.description.parameter]
                for job in self.jobs:
                    if job.kind is kind and job.name in named and job.created <= now < job.gone:
                        return job.described(now)
            fixed = {**kind.listing.fixed, "MaxResults": params.get("MaxResults")}
            if kind.listing.operation == operation and fixed.items() <= params.items():
                jobs = [job for job in self.jobs if job.kind is kind]
                of = params.get("PipelineName")
                return self._page(kind.listing, [job for job in jobs if of in {None, job.under}], params)
            if operation == "ListPipelines":
                return {"PipelineSummaries": [self._pipeline(*one) for one in self.pipelines.items()]}
            if kind.parent and kind.parent.listing.operation == operation:
                return {kind.parent.listing.member: [{kind.parent.field: "parent"}]}
        if operation == STEPS.operation:
            return self._steps(params)
        raise AwsError("absent", "Requested resource not found.")

    def pages(self, target, operation, **params):
        token = {}
        while True:
            page = self.call(target, operation, **params, **token)
            yield page
            if "NextToken" not in page:
                return
            token = {"NextToken": page["NextToken"]}

    def _pipeline(self, name, used):
        ran = [job.created for job in self.jobs if job.under == name and "pipeline" in job.kind.name]
        used = max((at for at in (used, *ran) if at and at <= self.now()), default=None)
        return {"PipelineName": name} | ({"LastExecutionTime": used} if used else {})

    def _steps(self, params):
        """Return two steps on a page, whatever is asked for."""
        execution = params["PipelineExecutionArn"].rpartition("/")[2]
        start = int(params.get("NextToken", 0))
        steps = self.steps.get(execution, lambda _: [])(self.now())
        more = {"NextToken": str(start + 2)} if start + 2 < len(steps) else {}
        return {STEPS.member: steps[start : start + 2], **more}

    def _page(self, listing, jobs, params):
        now, since, most = self.now(), params.get(listing.since, 0), params["MaxResults"]
        listed = sorted((job for job in jobs if since < job.created <= now < job.gone), key=lambda job: -job.created)
        start = next((n for n, job in enumerate(listed) if job.name == params.get("NextToken")), 0)
        more = {"NextToken": listed[start + most].name} if start + most < len(listed) else {}
        return {listing.member: [job.told(job.kind.summary, now) for job in listed[start : start + most]], **more}


class Room:
    """The source and a ledger, which can be ended and begun again, or refuse."""

    def __init__(self, text=""):
        self.clock = FakeClock(T0)
        self.api = Api(self.clock)
        self.store = MemoryStore()
        self.text = text
        self.start()

    def start(self):
        self.ledger = Ledger(self.store, self.clock, Tally(), zero_hold=0.0)
        self.source = JobPolling(self.api, mock.Mock(census=lambda _: Census()), parse(self.text))

    def restart(self):
        self.ledger.close()
        self.start()

    def poll(self, *, refused=False):
        known = self.ledger.known("job_polling", HERE)
        reading = self.source.read(HERE, known, self.clock.now())
        if not refused:  # or the disk is full: nothing of it is committed
            self.ledger.apply(reading)
        return reading

    def shown(self, family, part=""):
        self.ledger.shown(self.ledger.snapshot())  # first zeros
        self.ledger.apply(Reading("job_polling", HERE, self.clock.now()))
        snapshot = self.ledger.snapshot()
        return {labels[2:]: value for labels, value in values(snapshot, family, part).items() if value}

    def zeros(self, family):
        """Return the labels after the target's of what stands at 0."""
        return {labels[2:] for labels, value in values(self.ledger.snapshot(), family).items() if value == 0}

    def polls(self, number, seconds=MINUTE):
        """Let time pass, and poll, so many times."""
        for _ in range(number):
            self.clock.forward(seconds)
            self.poll()
