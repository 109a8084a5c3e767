"""What tests of queues need: a listener that counts, messages for it, and the parts around a road."""

from __future__ import annotations

import json
import time

from exporter.admission import Admission
from exporter.aws import Aws
from exporter.aws.queues import Queue
from exporter.clock import SystemClock
from exporter.collection import Collection
from exporter.config import Queue as Settings
from exporter.ledger import Ledger
from exporter.ledger.memory import MemoryStore
from exporter.model import DAY, Effect, Event, Reading, Target
from exporter.road import Road
from exporter.tally import Tally

ACCOUNT, REGION = "123456789012", "us-east-1"
HERE = Target(ACCOUNT, REGION)
URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/events"
FAMILY = "sagemaker_alarm_state_changes_total"  # one that events feed


class Counting:
    """Counts each event of source `test` by its id, under the name in its detail; fails on what says so."""

    name = "cloudwatch_alarms"

    def __init__(self):
        self.batches = []
        self.met = []

    def hears(self, told):
        return told.source == "test"

    def meet(self, target):
        self.met.append(target)

    def hear(self, target, told, known, now):
        self.batches.append(len(told))
        for one in told:
            if one.detail.get("fails"):
                raise ArithmeticError(one.id)
        events = tuple(
            Event(f"{self.name}/heard", one.id, one.at, target, (Effect(FAMILY, labels(target, one.detail["name"])),))
            for one in told
        )
        return Reading(self.name, target, now, events=events, not_before=now - 45 * DAY)


def labels(target, name):
    return (target.account_id, target.region, name, "ALARM")


def event(identity, name="a", *, at="", account=ACCOUNT, region=REGION, source="test", **detail):
    """Return the body of a message: an event as EventBridge writes it."""
    return json.dumps(
        {
            "version": "0",
            "id": str(identity),
            "detail-type": "Something Happened",
            "source": source,
            "account": account,
            "time": at or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "region": region,
            "resources": [],
            "detail": {"name": name, **detail},
        }
    )


class House:
    """A road and all that it needs, on the AWS of the environment."""

    def __init__(self, store=None, *, listeners=None, targets=(HERE,), **settings):
        self.clock = SystemClock()
        self.tally = Tally()
        self.store = store or MemoryStore()
        self.ledger = Ledger(self.store, self.clock, self.tally, zero_hold=0.0)
        self.aws = Aws(self.clock, self.tally, "test")
        self.readings = Collection(self.ledger, self.clock, self.tally, Admission(100_000))
        self.listener = Counting()
        self.settings = Settings(url=URL, **settings)
        self.met = []
        self.road = Road(
            "events",
            Queue(self.aws, self.settings),
            self.readings,
            self.clock,
            self.tally,
            lambda: targets,
            every=self.settings.accounts == "all",
            meet=self.met.append,
        )
        self.road.listen([self.listener] if listeners is None else listeners)

    def start(self):
        self.road.start()
        return self

    def close(self):
        """End it as the daemon does."""
        self.road.stop()
        ended = self.road.ended(5.0)
        self.aws.close()
        self.ledger.close()
        return ended

    def own(self, name, *labels):
        """Return the values that the process tells of itself, by labels."""
        values = self.tally.told().get(f"sagemaker_exporter_{name}", {})
        return {key[len(labels) :]: value for key, value in values.items() if key[: len(labels)] == labels}

    def became(self, outcome):
        """Return how many messages became this."""
        return self.own("queue_received_total", ACCOUNT, REGION, "events").get((outcome,), 0.0)

    def counted(self):
        """Return what has been counted, by target and name."""
        totals = self.ledger._books.totals
        return {(key.face[1], key.labels[2]): total.parts[""] for key, total in totals.items()}

    def total(self):
        return sum(self.counted().values())
