"""The whole street in one process, on a clock that stands still: the SDK, but for its sockets, included."""

from __future__ import annotations

import math
import os
import sys
from functools import cache, lru_cache
from pathlib import Path
from typing import ClassVar
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent / "demo"))  # where the fake's transport for tests lives

from fake_transport import cut_short, plug
from worlds import T0, FakeClock

from exporter import config as configuration
from exporter.admission import NOTE, Admission
from exporter.aws import Aws
from exporter.aws.sessions import Sessions
from exporter.catalogue import CATALOGUE
from exporter.catalogue.places import places
from exporter.clock import SystemClock
from exporter.collection import Collection
from exporter.demo import FakeAws, access_key
from exporter.demo.jobs import JOB_TYPES
from exporter.inventory import Inventory, Pacing, Selection, counted, wanted
from exporter.ledger import Ledger, Rules
from exporter.ledger.memory import MemoryStore
from exporter.model import HOUR, MINUTE
from exporter.sinks.prometheus import Renderer
from exporter.sources.cloudtrail import ListedCalls
from exporter.sources.cloudwatch_alarms import CloudWatchAlarms
from exporter.sources.cloudwatch_logs import CloudWatchLogs
from exporter.sources.cloudwatch_metrics import CloudWatchMetrics
from exporter.sources.cost import Cost
from exporter.sources.inventory import InventorySource
from exporter.sources.job_polling import JobPolling
from exporter.sources.quotas import Quotas
from exporter.tally import Tally

ACCOUNT, REGION = "123456789012", "us-east-1"
RUN = ("inventory", "cloudwatch_metrics", "cloudwatch_alarms")  # jobs would cost each street some hundred calls


PARENTS = {
    "pipeline_execution": "pipeline",
    "model_card_export": "model_card",
    "human_loop": "flow_definition",
    "monitoring_execution": "monitoring_schedule",
}


parsed = lru_cache(100)(configuration.parse)  # of many streets that begin alike: what it returns does not change


@cache
def asked():
    return places(row for row in CATALOGUE.values() if row.ask)


def add_parents(world, at):
    """Put what jobs belong to into a world; return how each stands in ARNs, by the type of job."""
    return {
        kind: world.add_job(ACCOUNT, REGION, parent, f"a-{parent}".replace("_", "-"), at).resource
        for kind, parent in PARENTS.items()
    }


def add_one_of_each(world, at):
    """Put an open job of each type into a world, an execution of a pipeline with a step."""
    parents = add_parents(world, at)
    for kind in JOB_TYPES:
        job = world.add_job(ACCOUNT, REGION, kind, f"a-{kind}".replace("_", "-"), at, parent=parents.get(kind, ""))
        if kind == "pipeline_execution":
            world.add_job(ACCOUNT, REGION, "pipeline_step", "a-step", at, parent=job.resource)


def stop(world, end):
    """Let nothing happen in a world after `end`, however long the last calls take."""
    for place in world.regions:
        for series in place.series.values():
            if hasattr(series, "schedule"):
                series.schedule.stop(end)


class PluggedSessions(Sessions):
    """Logins whose clients talk to a fake AWS without a wire; service models are loaded once for all tests."""

    fake: FakeAws
    wire = staticmethod(cut_short)
    loader = None
    tls: ClassVar = {}  # nobody speaks TLS here, and to read all certificates takes 30 ms

    def __init__(self, user_agent):
        super().__init__(user_agent)
        if PluggedSessions.loader is None:
            PluggedSessions.loader = self._base.get_component("data_loader")
        self._base.register_component("data_loader", PluggedSessions.loader)
        self._tls = PluggedSessions.tls

    def client(self, session, service, region):
        return self.wire(super().client(session, service, region), self.fake)


class WholeSessions(PluggedSessions):
    """The same with all that the SDK does around a request: for tests of that."""

    wire = staticmethod(plug)


class LocalClock(SystemClock):
    """The daemon's clock: the real one, on a machine whose time may be `off` from that of AWS."""

    def __init__(self, true):
        self.off = 0.0
        self.true = true
        super().__init__(local=lambda: true.time + self.off, steady=lambda: true.steady)

    def wait(self, event, seconds):
        self.true.forward(max(0.0, seconds))
        return event.is_set()


class Street:
    """A daemon without its threads: `cycle` does what a minute does. It has the sources that are `run`, by name.

    Things of other `kinds` than endpoints are listed only where a test is about them: thirty calls more in each cycle.
    """

    def __init__(self, world, *, text="", now=T0, store=None, seed=0, begin=0.0, run=RUN, kinds=False):
        self.true = FakeClock(now)
        self.clock = LocalClock(self.true)
        self.fake = FakeAws(world, self.true.now, seed)
        self.store = store or MemoryStore()
        self.text = text
        self.begin = begin
        self.named = run
        self.kinds = kinds
        self.start()

    def start(self, text=None):
        """Start the daemon anew on what the store has kept."""
        self.text = self.text if text is None else text
        self.config = parsed(self.text)
        rules = self.config.sources.cloudwatch_metrics
        self.tally = Tally()
        with mock.patch("exporter.aws.sessions.Sessions", PluggedSessions):
            environment = {
                "AWS_ACCESS_KEY_ID": access_key(ACCOUNT),
                "AWS_SECRET_ACCESS_KEY": "any",
                "AWS_DEFAULT_REGION": REGION,
            }
            with mock.patch.dict(os.environ, environment):
                self.aws = Aws(self.clock, self.tally, "sagemaker-exporter/test")
                self.aws._sessions.fake = self.fake
                account = self.config.targets[0]
                self.target = self.aws.login(account, REGION)
        self.ledger = Ledger(
            self.store, self.clock, self.tally, Rules(rules.settle, rules.deep_settle), self.config.web.zero_hold
        )
        known = asked()
        settings = self.config.sources.inventory
        types = settings.resource_types
        runs = "quotas" in self.named
        pacing = Pacing(
            settings.describe_every,
            settings.list_metrics_every,
            settings.last_good or max(900.0, 3 * settings.every),
            Selection(self.config.resources).tags,
            frozenset(self.config.labelled),
            kinds=wanted(self.config.on, counted(types.include, types.exclude), runs=runs or "cost" in self.named)
            if self.kinds
            else wanted(lambda _: False, (), runs=runs),
        )
        self.admission = Admission(self.config.limits.series)
        self.inventory = Inventory(self.aws, known, pacing, self.admission)
        notes = self.ledger.notes(CloudWatchMetrics.name)
        made = (
            InventorySource(self.inventory, self.config),
            CloudWatchMetrics(self.aws, self.inventory, known, self.config, self.admission, notes, self.begin),
            CloudWatchAlarms(self.aws, known, self.config),
            CloudWatchLogs(self.aws, self.inventory, self.config, self.begin),
            JobPolling(self.aws, self.inventory, self.config),
            Quotas(self.aws, self.inventory, self.config),
            *(
                ListedCalls(self.aws, trail, self.config)
                for trail in self.config.sources.trails
                if trail.from_ == "lookup"
            ),
            Cost(self.aws, self.inventory, self.config),
        )
        self.sources = tuple(source for source in made if source.name in self.named)
        self.audited = []
        self.collection = Collection(self.ledger, self.clock, self.tally, self.admission, self.audited.extend)
        self.collection.limit({"principal": self.config.sources.principals})
        noted = {source.name: self.ledger.known(source.name, self.target).notes.get(NOTE) for source in self.sources}
        self.admission.expect(self.target, noted)
        self.renderer = Renderer()

    def kill(self):
        """End the daemon as a power cut does: what was not committed is gone."""
        self.ledger.close()
        self.aws.close()

    def cycle(self, seconds=0.0):
        """Let time pass, run every source, make a page; return the snapshot."""
        self.true.forward(seconds)
        self.runs = [self.collection.run(source, self.target) for source in self.sources]
        self.collection.own()
        snapshot = self.ledger.snapshot()
        self.ledger.shown(snapshot)
        return snapshot

    def settle(self):
        """Let what is late arrive, and all blocks be closed; nothing may happen in the world any more."""
        for _ in range(12):
            self.cycle(MINUTE)
        for _ in range(24):
            self.cycle(HOUR / 4)

    def counted(self, begin):
        """Yield the name of each counter of CloudWatch, its total, and the truth since `begin` or since it counts."""
        for resource, meter in self.ledger.known("cloudwatch_metrics", self.target).meters.items():
            for (metric, stat), i in meter.position.items():
                where = (ACCOUNT, REGION, resource.namespace, metric, dict(resource.dimensions), stat)
                truth = self.fake.world.truth(*where, max(begin, meter.counted_from[i]), math.inf)
                yield f"{resource.namespace} {metric} {stat} {dict(resource.dimensions)}", meter.total(i), truth
