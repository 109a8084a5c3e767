"""Benchmarks measure the real thing: what is read from their fake is right, and a mistake in it is seen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "bench"))

from canned import METRICS, MINUTE, SERIES, World, canned, environment, named, value
from cycles import AT, check, lab
from naive import naive


def test_the_exporter_reads_what_the_fake_holds_on_all_targets():
    with lab(2, targets=2) as house:
        cycles = house.run(4)
        figures = house.ours.do("figures").answer
    assert all(cycle.asked == 2 * 2 * SERIES for cycle in cycles)
    assert cycles[-1].shown > 2 * 2 * SERIES, "and what it says of itself"
    assert cycles[0].points / cycles[0].asked > 4 * 60 - 15, "the first reading goes back to where counting began"
    assert 5 <= cycles[-1].points / cycles[-1].asked < 60
    assert all(cycle.read > 0 and cycle.page > 0 for cycle in cycles)
    check(figures, 2, 1, house.cycles)
    figures["totals"][3] += 0.25
    with pytest.raises(RuntimeError, match=f"1 of {len(figures['totals'])} totals"):
        check(figures, 2, 1, house.cycles)


def test_the_naive_program_asks_as_many_series_and_sets_them():
    with canned(30, at=AT) as fake, naive(at=AT, minutes=27, environment=environment(fake)) as theirs:
        assert theirs.do("read").answer == {"answered": 30 * SERIES}
        assert theirs.do("page").answer["series"] == 30 * SERIES
        counts = fake.do("counts").answer
        newest = theirs.do("values", "ModelLatency", "p99").answer
    assert counts["queries"] == 30 * SERIES
    assert counts["datapoints"] == 27 * 30 * SERIES
    assert counts["GetMetricData"] == -(-30 * SERIES // 500)
    assert counts["ListMetrics"] == 1
    assert len(METRICS) * 30 <= 500
    assert newest == {named(n): value(n, AT - MINUTE) for n in range(30)}


def test_endpoints_that_come_and_go_leave_no_total_wrong():
    with lab(2, inventory=True, counted=60, fake_is={"churn": 120, "names": 6}) as house:
        for _ in range(20):
            assert house.ours.do("inventory").answer["outcomes"] == {"ok": 1}
            house.cycle()
            house.forward()
        figures = house.ours.do("figures").answer
    assert figures["resources"] == 6
    lives = World(2, 1, 120, 6, AT, runs=False)
    minutes = [AT + n * MINUTE for n in range(-1, 19)]
    truth = sum(value(0, at) for at in minutes if 0 in lives.alive(at, at))
    assert set(figures["totals"]) == {truth}
    assert truth < sum(value(0, at) for at in minutes) / 2
