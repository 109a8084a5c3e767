"""A machine whose clock is wrong, or that was asleep: nothing is counted twice, closed early or of the future.

In one process on a clock that stands still, against a fake AWS whose Date header is the truth: no test can set the
clock of its machine.
"""

from __future__ import annotations

import itertools

import pytest
from exact_street import ExactStreet
from oracle import truth
from street import ACCOUNT, REGION
from worlds import T0

from exporter.demo import Lateness, World
from exporter.demo.default_world import open_endpoint
from exporter.model import BLOCK, DAY, HOUR, MINUTE

DEEP = 3 * HOUR  # the default deep_settle: what may still change is younger
INVOCATIONS = "sagemaker_endpoint_invocations_total"
LATE = Lateness(late=0.3, late_by=(120, 480), raised=0.05, lowered=0.0, revised_after=(300, 900), early=0.2)


class Watched(ExactStreet):
    """A street of one busy endpoint, whose every page is looked at."""

    def __init__(self):
        world = World(seed=11, lateness=LATE, listed_after=(60, 120))
        open_endpoint(world, ACCOUNT, REGION, "churn", T0 - DAY, 30.0)
        self.log = {}
        super().__init__(world, text='families: {exclude: ["sagemaker_[!e]*"]}', now=T0 + 37)  # within a minute

    def run(self, minutes, step=MINUTE):
        for _ in range(minutes * MINUTE // step):
            page = super().run(step // MINUTE, step)
            self.look(page)
        return page

    def look(self, page):
        """See that a page is sane, whatever the machine takes for the time."""
        for series, value in page.counters().items():
            self.log.setdefault(series, []).append(value)
        for meter in self.ledger.known("cloudwatch_metrics", self.target).meters.values():
            assert all(closed <= self.true.time - DEEP for closed in meter.closed_until if closed > T0), "closed early"
        future = {series: at for series, at in page.values.items() if is_time(series) and at > self.true.time}
        assert not future, "an age would be negative"
        for name in ("datapoint_lag_seconds", "scheduler_lateness_seconds", "source_run_duration_seconds"):
            sums = page.find(f"sagemaker_exporter_{name}_sum")
            assert all(value >= 0 for value in sums.values()), sums

    def settle(self):
        """Let a clock that is right again run until nothing changes any more; see that all of it is the truth."""
        self.clock.off = 0.0
        self.run(20)
        with self.fake.world.lock:
            for schedule in self.fake.world.region(ACCOUNT, REGION).endpoints["churn"][-1].schedules.values():
                schedule.stop(self.true.time)
        page = self.run(60, step=5 * MINUTE)
        expected = truth(self.fake.world, ACCOUNT, REGION, T0 + MINUTE)
        assert sum(expected.values()) > 1000
        shown = page.counters()
        assert {series: shown[series] for series in expected} == pytest.approx(expected, rel=1e-9)
        for series, values in self.log.items():
            assert values == sorted(values), f"{series} fell"
        assert not sum(page.find("sagemaker_exporter_lost_seconds_total").values())


def is_time(series):
    return series.startswith("sagemaker_exporter_") and series.partition("{")[0].endswith("_timestamp_seconds")


@pytest.fixture
def street():
    made = Watched()
    yield made
    made.kill()


@pytest.mark.parametrize("off", [HOUR, -HOUR, 40 * DAY])
def test_a_clock_that_is_off_is_told_and_counts_nothing_twice(street, off):
    street.run(20)
    street.clock.off = float(off)
    page = street.run(50)
    assert page.one("sagemaker_exporter_clock_skew_seconds") == pytest.approx(off, abs=1)
    street.run(4 * HOUR // MINUTE, step=BLOCK)
    street.settle()


@pytest.mark.parametrize("off", [HOUR, -HOUR])
def test_a_machine_that_starts_with_a_clock_that_is_off(street, off):
    street.clock.off = float(off)
    street.kill()
    street.start()
    street.run(90)
    street.settle()


def test_a_clock_that_steps_back_and_forth(street):
    steps = itertools.cycle([0.0, 3600.0, -3600.0, 0.0, -30.0, 7 * 3600.0, 90.0])
    for off in itertools.islice(steps, 4 * 60):
        street.clock.off = off
        street.run(1)
    street.settle()


def test_a_clock_that_runs_behind_shows_what_is_old_and_says_so(street):
    street.run(20)
    street.clock.off = -3600.0
    page = street.run(30)
    newest = page.find("sagemaker_exporter_data_newest_timestamp_seconds")
    assert len(newest) == 2
    assert all(at < street.true.time - 29 * MINUTE for at in newest.values()), "the age of the data is told"
    assert page.one("sagemaker_exporter_clock_skew_seconds") == pytest.approx(-3600, abs=1)
    street.settle()


def test_a_machine_that_was_asleep_for_hours_catches_up_in_one_step(street):
    before = street.run(30)
    street.true.forward(7 * HOUR)
    page = street.run(1)
    known = truth(street.fake.world, ACCOUNT, REGION, T0 + MINUTE, street.true.time - 15 * MINUTE)
    (invocations,) = page.find(INVOCATIONS)
    assert known[invocations] > 10 * before.values[invocations]
    assert page.values[invocations] >= known[invocations]
    street.settle()
