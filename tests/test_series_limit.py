"""`limits.series` over three targets that want five times as much: fair, stable over restarts, never to and fro."""

from __future__ import annotations

import random

import pytest
from street import ACCOUNT, PluggedSessions
from worlds import T0, FakeClock

from exporter.aws.operations import OPERATIONS
from exporter.catalogue import CATALOGUE
from exporter.catalogue.shapes import VARIANT, VARIANT_HOSTS
from exporter.config import parse
from exporter.daemon import Parts
from exporter.demo import FakeAws, World, access_key
from exporter.ledger.memory import MemoryStore
from exporter.model import DAY, MINUTE

REGIONS = ("ap-south-1", "eu-west-1", "us-east-1")
ENDPOINTS = 53  # in each region: with all that is shown of one, 5,000 series
LIMIT = 1000
RESTARTS = 5  # it held for 50, which take two minutes


def crowded_world():
    """Endpoints in three regions, each with all metrics that are on by default, and data for some minutes."""
    world = World(seed=1, listed_after=(0, 0), repeated=0.0)
    rows = [row for row in CATALOGUE.values() if row.on and row.ask and row.ask.shape in (VARIANT, VARIANT_HOSTS)]
    series = {(row.ask.shape.namespaces[0], row.ask.metrics[0]) for row in rows}
    for region in REGIONS:
        for n in range(ENDPOINTS):
            name = f"endpoint-{n:03}"
            world.add_endpoint(ACCOUNT, region, name, T0 - DAY)
            for namespace, metric in series:
                variant = {"EndpointName": name, "VariantName": "AllTraffic"}
                for at in range(T0 - 3 * MINUTE, T0 + 5 * MINUTE, MINUTE):
                    world.put(ACCOUNT, region, namespace, metric, variant, at, 1.0, at + MINUTE)
    return world


class Fleet:
    """A daemon on three targets without its threads, which can be started anew on what its ledger has kept."""

    def __init__(self):
        self.clock = FakeClock(T0)
        self.world = crowded_world()
        self.fake = FakeAws(self.world, self.clock.now)
        self.store = MemoryStore()
        self.random = random.Random(7)

    def start(self, limit=LIMIT):
        """Start; AWS lists everything in another order than before."""
        for region in self.world.regions:
            self.random.shuffle(region.listing)
            for listing in region.by_namespace.values():
                self.random.shuffle(listing)
        unhurried = ", ".join(f"{name}: 100000" for name in OPERATIONS)  # or the data would age while calls wait
        text = f"""
            targets: [{{regions: [{", ".join(REGIONS)}]}}]
            limits: {{series: {limit}, usd_per_month: 1000000, requests_per_second: {{{unhurried}}}}}
            sources: {{job_polling: {{enabled: false}}}}
        """
        self.parts = Parts(parse(text), self.clock, self.store)
        self.parts.aws._sessions.fake = self.fake
        self.targets = [self.parts.aws.login(*login) for login in self.parts.logins(self.parts.config)]
        for target in self.targets:
            self.parts.prepare(target)

    def cycle(self, seconds=1):
        """Let time pass, run all sources on all targets in some order; return what is shown of each target."""
        self.clock.forward(seconds)
        for source, _ in self.parts.sources:
            for target in self.random.sample(self.targets, len(self.targets)):
                assert self.parts.collection.run(source, target).outcome == "ok"
        self.parts.collection.own()
        snapshot = self.parts.ledger.snapshot()
        self.parts.ledger.shown(snapshot)
        shown = {target: set() for target in self.targets}
        for (family, target), chunk in snapshot.chunks.items():
            if target and CATALOGUE[family].source != "own":
                for part, column in chunk.columns.items():
                    labels = zip(chunk.labels, column, strict=True)
                    shown[target] |= {(family, one, part) for one, value in labels if value is not None}
        return shown

    def places(self):
        return {
            (target, source.name): self.parts.admission.admitted(target, source.name)
            for target in self.targets
            for source, _ in self.parts.sources
        }

    def own(self, name):
        chunk = self.parts.ledger.snapshot().chunks[f"sagemaker_exporter_{name}", None]
        return sum(chunk.columns[""])

    def stop(self):
        self.parts.close()


@pytest.fixture
def fleet(monkeypatch):
    monkeypatch.setattr("exporter.aws.sessions.Sessions", PluggedSessions)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key(ACCOUNT))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    return Fleet()


@pytest.mark.slow(5)
def test_three_targets_share_a_limit(fleet):
    fleet.start(limit=200_000)
    wanted = {target: len(shown) for target, shown in (fleet.cycle(), fleet.cycle())[1].items()}
    assert all(6_240 <= number <= 6_440 for number in wanted.values()), wanted
    assert fleet.own("series_dropped") == 0
    fleet.stop()

    fleet.store = MemoryStore()
    fleet.start()
    fleet.cycle()
    first, places = fleet.cycle(), fleet.places()
    for restart in range(RESTARTS):
        numbers = sorted(map(len, first.values()))
        assert sum(numbers) <= LIMIT
        assert 0.8 * LIMIT / 3 <= numbers[0] == numbers[-1]
        assert fleet.own("series_limit") == LIMIT
        assert fleet.own("series_dropped") >= sum(wanted.values()) - LIMIT
        refused = fleet.parts.admission.refused()
        assert {target for target, _ in refused} == set(fleet.targets)
        assert refused[fleet.targets[0], "inventory"]["sagemaker_endpoint_status"] > 0
        fleet.stop()
        fleet.start()
        for _ in range(2):
            assert fleet.cycle() == first, f"restart {restart}"
    for _ in range(5):  # all is listed again, and what had no data for long is no longer shown
        fleet.cycle(5 * MINUTE)
        assert fleet.places() == places
    fleet.stop()
