"""What polling jobs costs, over the SDK and the fake's quota: what has changed, not what there was; and few series."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "bench"))

from jobs import CHANGES, ENDED, OF_A_JOB, Poller, coming, first_reading, past
from worlds import T0

from exporter.config import parse
from exporter.demo import World
from exporter.model import HOUR


@pytest.mark.parametrize("history", [300, 3000])
def test_a_first_start_lists_thirty_days_once_and_then_costs_what_goes_on(history):
    poller = Poller(past(history, 40))
    cycles, took = first_reading(poller)
    listed = [one.calls["ListTrainingJobs"] for one in cycles]
    assert sum(listed) == pytest.approx(history / 3 / 100, abs=3), "a hundred on a page, and each once"
    assert sum(one.describes for one in cycles) == 40
    assert took < 60
    assert poller.refused == 0, "the account has another request a second for its users"
    assert poller.shown(CHANGES) == {}, "nothing of the past is new"
    assert sum(poller.shown("sagemaker_jobs").values()) == 40
    later = [poller.cycle() for _ in range(20)]
    assert {one.calls["ListTrainingJobs"] for one in later} == {1}
    assert {one.listings for one in later} == {22}, "one of each type, whatever there was"
    assert sum(one.describes for one in later) <= 40 * 20 / 15 + 40, "of old jobs, each quarter of an hour"
    assert max(one.waited for one in later) < 20
    poller.street.kill()


def test_of_many_jobs_that_come_and_go_all_count_and_series_are_few():
    """As many an hour as 100,000 in a week: each ends, and nothing of it is left."""
    world, hours = World(seed=1), 2
    jobs = 100_000 * hours // 168
    coming(world, jobs, T0 + hours * HOUR)
    poller, most = Poller(world, "sources: {job_polling: {every: 5m}}"), 0
    poller.cycle(0)
    idle = poller.series
    while poller.street.true.time < T0 + hours * HOUR:
        poller.cycle(300)
        most = max(most, poller.series)
        still_open = set(poller.shown("sagemaker_job_info"))
        assert 0 < len(still_open) < 300
    for _ in range(12):
        poller.cycle(300)
    assert sum(n for labels, n in poller.shown(CHANGES).items() if labels[1] in ENDED) == jobs
    assert [poller.shown(family) for family in OF_A_JOB] == [{}, {}, {}]
    assert poller.refused == 0
    assert most < idle + 2000 < parse("").limits.series / 20
    assert poller.series < idle + 150, "counters of what has been used are left"
    poller.street.kill()
