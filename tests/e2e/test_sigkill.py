"""The counter law under kill -9: a real daemon on a real ledger, killed again and again, loses and doubles nothing.

A day of late and revised data passes in a minute (`--clock`), and a scraper looks all the while. What is expected comes
from the fake's truth and from the contract; what was seen, from the log of scrapes alone.
"""

from __future__ import annotations

import math
import random
import threading
import time

import pytest
from oracle import Page, increase, truth
from programs import ACCOUNT, REGION, Exporter, Past, ask, wait_until

from exporter.demo import Lateness, World
from exporter.demo.default_world import open_endpoint
from exporter.ledger.sqlite import SqliteStore
from exporter.model import MINUTE

SPEED = 180
KILLS = 20
CONFIG = """
sources:
  cloudwatch_metrics: {every: 60s, settle: 10m, deep_settle: 30m, pace: {warm: 2m, cold: 5m}}
  inventory: {every: 60s, list_metrics_every: 2m}
  job_polling: {enabled: false}
families: {exclude: ["sagemaker_[!elp]*"]}
web: {zero_hold: 150s}
"""
BAD = Lateness(late=0.3, late_by=(120, 480), raised=0.06, lowered=0.06, revised_after=(300, 900), early=0.1)
FINAL = 16 * MINUTE  # nothing that BAD does to a datapoint comes later than this
CALM = Lateness(late=0.0, raised=0.0, lowered=0.0, early=0.0)


class Scraper:
    """What a Prometheus would have stored of the counters: every value of each series, in order."""

    def __init__(self, port):
        self.log = {}
        self.changes = 0
        self._port = port
        self._newest = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._scrape)
        self._thread.start()

    def _scrape(self):
        while not self._stop.wait(0.1):
            try:
                text = ask(self._port, "/metrics", timeout=5, Accept_Encoding="gzip").text
            except OSError:
                continue  # it was just killed
            counters = Page(text).counters()
            for series, value in counters.items():
                self.log.setdefault(series, []).append(value)
            if counters and counters != self._newest:
                self._newest = counters
                self.changes += 1

    def close(self):
        self._stop.set()
        self._thread.join()


def begin_traffic(world, now):
    """Open three endpoints, and let there be what nobody could foresee: late, and twice another value."""
    for name, per_minute in (("churn", 90.0), ("fraud", 8.0), ("search", 0.7)):
        open_endpoint(world, ACCOUNT, REGION, name, now + 2 * MINUTE, per_minute)
    luck = random.Random(7)
    for minute in sorted(luck.sample(range(2, 120), 24)):
        at, value = now + minute * MINUTE, luck.randrange(1, 9)
        for dimensions, namespace, metric in (
            ({"PipelineName": "nightly"}, "AWS/Sagemaker/ModelBuildingPipeline", "ExecutionFailed"),
            ({}, "AWS/SageMaker/LabelingJobs", "JobsFailed"),
        ):
            seen = at + MINUTE + luck.choice((5, 60, 300))
            put = (ACCOUNT, REGION, namespace, metric, dimensions, at)
            world.put(*put, float(value), seen, value)
            world.put(*put, float(value + luck.choice((-1, 0, 2))), seen + 600, value)


class Killer:
    """Ends a life of the daemon at an instant that depends on what it does, or on chance alone."""

    def __init__(self, luck, fake, daemon, scraper):
        self._luck = luck
        self._fake = fake
        self._daemon = daemon
        self._scraper = scraper
        self._ledger = daemon.folder / "ledger.db-wal"

    def strike(self, when):
        before = self._mark(when)
        if before is None:
            time.sleep(self._luck.uniform(0.1, 1.5) if when == "start" else self._luck.uniform(1.5, 5.0))
        else:
            deadline = time.monotonic() + 7
            turns = self._luck.randrange(1, 4)
            while turns and time.monotonic() < deadline:
                time.sleep(0.0005)
                now = self._mark(when)
                if now != before:
                    before, turns = now, turns - 1
            time.sleep(self._luck.uniform(0, 0.02))
        self._daemon.kill()

    def _mark(self, when):
        """Return something that changes at the instant meant; None where chance alone decides."""
        if when == "read":
            return self._fake.bill.requests["cloudwatch.GetMetricData"]
        if when == "commit":
            try:
                found = self._ledger.stat()
            except OSError:
                return (0, 0)
            return found.st_mtime_ns, found.st_size
        if when == "render":
            return self._scraper.changes
        return None


@pytest.fixture
def scrape():
    scrapers = []
    yield lambda port: scrapers.append(Scraper(port)) or scrapers[-1]
    for scraper in scrapers:
        scraper.close()


@pytest.mark.slow(90)
def test_killed_at_any_instant_nothing_is_lost_or_counted_twice(aws, started, scrape, tmp_path):
    past = Past(SPEED)
    world = World(seed=7, lateness=BAD)
    fake, url = aws(world, past)
    config = CONFIG + f"ledger: {{path: {tmp_path}/ledger.db}}\n"
    daemon = started(Exporter(tmp_path, url, config=config, flags=[f"--clock={SPEED}"]))
    scraper = scrape(daemon.port)
    daemon.counting()
    begin_traffic(world, fake.now())
    invocations = "sagemaker_endpoint_invocations_total"
    wait_until(lambda: any(daemon.shows(invocations).values()), what="counted requests")

    luck = random.Random(20)
    instants = ["start"] * 3 + ["chance"] * 5 + ["read"] * 4 + ["commit"] * 4 + ["render"] * 4
    luck.shuffle(instants)
    assert len(instants) == KILLS
    killer = Killer(luck, fake, daemon, scraper)
    for when in instants:
        killer.strike(when)
        daemon.start()

    # The world comes to rest: nothing more happens, and in the end all of it is final.
    world.change_lateness(CALM, fake.now())
    calm_from = fake.now()
    wait_until(lambda: fake.now() > calm_from + 5 * MINUTE, what="calm traffic")
    with world.lock:
        for endpoint in world.region(ACCOUNT, REGION).endpoints_at(fake.now()):
            for schedule in endpoint.schedules.values():
                schedule.stop(fake.now())
    final = calm_from + FINAL + 5 * MINUTE
    wait_until(lambda: fake.now() > final, what="the end of all revisions")
    expected = truth(world, ACCOUNT, REGION)
    assert sum(expected.values()) > 0

    def settled():
        shown = daemon.page().counters()
        return expected.keys() <= shown.keys() and all(
            shown[series] >= value * (1 - 1e-9) for series, value in expected.items()
        )

    wait_until(settled, 120, "every counter at its final value")

    def closed():
        until = daemon.shows("sagemaker_exporter_data_settled_until_timestamp_seconds").values()
        return until and min(until) >= final

    wait_until(closed, 240, "the end of all blocks")  # a busy machine may be late with its last deep readings
    page = daemon.page()
    code, _ = daemon.stop()
    scraper.close()
    assert code == 0
    assert "bug" not in daemon.said
    assert "Traceback" not in daemon.said

    # Each total is the truth, and so is what is shown, but for what stands above a downward revision and says so.
    totals = totals_of(tmp_path / "ledger.db")
    final_sums = {
        (namespace, metric, dimensions, stat): world.truth(
            ACCOUNT, REGION, namespace, metric, dict(dimensions), stat, 0, math.inf
        )
        for namespace, metric, dimensions, stat in totals
    }
    assert totals == pytest.approx(final_sums, rel=1e-9)
    shown = page.counters()
    ahead = {series for series, value in shown.items() if value > expected.get(series, 0.0) * (1 + 1e-9)}
    assert len(ahead) == sum(page.find("sagemaker_exporter_series_ahead").values()), ahead
    for series, value in shown.items():
        if series not in ahead:
            assert value == pytest.approx(expected.get(series, 0.0), rel=1e-9), series

    # And whoever scraped has seen every bit of it, once.
    assert set(expected) <= set(scraper.log)
    for series, values in scraper.log.items():
        assert values[0] == 0.0, f"{series} began above 0"
        assert values == sorted(values), f"{series} fell"
        assert increase(values) == pytest.approx(shown[series], rel=1e-9), series
    assert page.find("sagemaker_exporter_lost_seconds_total")
    assert not sum(page.find("sagemaker_exporter_lost_seconds_total").values())


def totals_of(path):
    """Return the totals in a ledger that nobody holds, by the identity of CloudWatch."""
    store = SqliteStore(path)
    try:
        return {
            (meter.resource.namespace, metric, meter.resource.dimensions, stat): meter.total(i)
            for meter in store.load().meters
            for (metric, stat), i in meter.position.items()
        }
    finally:
        store.close()
