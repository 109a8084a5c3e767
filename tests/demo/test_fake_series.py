from __future__ import annotations

import math
from itertools import pairwise

import pytest
from asking import ACCOUNT, NOW, REGION, points, query
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo import FakeAws, Lateness, World
from exporter.demo.series import Schedule, Scripted
from exporter.demo.stats import Stat, statistic
from exporter.demo.traffic import Durations, Level, Outcomes, Requests, Surge, Traffic, poisson

PERIODS = (10, 30, 60, 120, 180, 240, 300)
QUICK = Lateness(revised_after=(60, 900))


def one_series(behaviour, schedule, lateness=QUICK, seed=0, **more):
    world = World(seed, lateness=lateness, **more)
    world.generate(ACCOUNT, REGION, "AWS/SageMaker", "Invocations", {"EndpointName": "e"}, behaviour, schedule)
    return world


def truth(world, start, end, name="Sum", now=math.inf):
    return world.truth(ACCOUNT, REGION, "AWS/SageMaker", "Invocations", {"EndpointName": "e"}, name, start, end, now)


behaviours = st.builds(
    lambda number, rate, kind: {
        "requests": Requests(Traffic(number, rate)),
        "shares": Requests(Traffic(number, rate), 1 / 3),
        "outcomes": Outcomes(Traffic(number, rate), number, 0.2),
        "durations": Durations(Traffic(number, rate), number, 5000.0),
        "level": Level(number, 40.0, sources=2),
    }[kind],
    st.integers(0, 2**64 - 1),
    st.sampled_from([0.05, 1.0, 40.0, 3000.0]),
    st.sampled_from(["requests", "shares", "outcomes", "durations", "level"]),
)


@st.composite
def schedules(draw):
    schedule = Schedule(NOW - draw(st.integers(7200, 9000)), draw(st.sampled_from(PERIODS)))
    for at in sorted(draw(st.lists(st.integers(NOW - 7200, NOW), max_size=3))):
        schedule.change(at, draw(st.sampled_from(PERIODS)))
    return schedule


@settings(deadline=None, max_examples=60)
@given(behaviours, schedules())
def test_the_truth_is_the_same_whatever_the_period_it_is_read_with(behaviour, schedule):
    world = one_series(behaviour, schedule)
    start, end = NOW - 3600, NOW
    fake = FakeAws(world, lambda: NOW + 2400)
    for name in ("Sum", "SampleCount"):
        expected = truth(world, start, end, name)
        for period in (60, 300, 900, 3600):
            read = points(fake, [query(name, period)], start, end)
            assert sum(read.values()) == pytest.approx(expected, rel=1e-12)
    if all(period < 60 for _, period in schedule.slots(start, end)):
        read = points(fake, [query("Sum", 10)], start, end)
        assert sum(read.values()) == pytest.approx(truth(world, start, end), rel=1e-12)


@settings(deadline=None, max_examples=60)
@given(behaviours, schedules(), st.lists(st.integers(0, 7200), min_size=2, max_size=6))
def test_a_datapoint_that_was_seen_never_goes_away(behaviour, schedule, looks):
    world = one_series(behaviour, schedule)
    (series,) = world.region(ACCOUNT, REGION).listing
    seen = set()
    for look in sorted(looks):
        now = NOW + look
        present = {at for at, _ in series.points(NOW - 3600, NOW + 7200, now)}
        assert seen <= present
        assert all(at <= now for at in present)
        seen = present
    assert seen <= {at for at, _ in series.points(NOW - 3600, NOW + 7200, math.inf)}


@settings(deadline=None, max_examples=60)
@given(behaviours, schedules(), st.integers(0, 7200))
def test_what_is_seen_is_possible_data(behaviour, schedule, look):
    (series,) = one_series(behaviour, schedule).region(ACCOUNT, REGION).listing
    for _, stat in series.points(NOW - 3600, NOW, NOW + look):
        assert stat.number >= 1
        assert stat.sum >= 0
        assert stat.min <= stat.max
        median = statistic("p50")([stat])
        assert median is None or stat.min * 0.999 <= median <= stat.max * 1.001


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 4000), st.integers(1, 9)), max_size=40))
def test_scripted_versions_replace_each_other_in_the_order_in_which_they_are_available(puts):
    world = World()
    versions = {}
    for minute, available, value in puts:
        world.put(ACCOUNT, REGION, "AWS/SageMaker", "Invocations", {"EndpointName": "e"}, 60 * minute, value, available)
        versions.setdefault(60 * minute, []).append((available, value))
    for now in range(0, 5000, 500):
        seen = 0
        for history in versions.values():
            visible = [
                (available, place, value) for place, (available, value) in enumerate(history) if available <= now
            ]
            seen += max(visible)[2] if visible else 0
        assert truth(world, 0, 10**6, now=now) == seen


def test_generated_data_is_late_and_revised_about_as_often_as_asked():
    (series,) = one_series(Requests(Traffic(1, 600.0)), Schedule(0, 60), Lateness()).region(ACCOUNT, REGION).listing
    late = revised = samples = late_samples = lowered = 0
    for at in range(0, 60 * 5000, 60):
        versions = series._arrivals.versions(series, at, 60)
        final = versions[-1].stat
        after = versions[-1].available - at - 60
        late += 120 <= after <= 480
        lowered += versions[0].stat.sum > final.sum
        revised += after >= 600
        samples += final.number
        on_time = [version.stat.number for version in versions if version.available <= at + 60 + 110]
        late_samples += max(0, final.number - on_time[-1]) if on_time else final.number
        assert all(a.available < b.available for a, b in pairwise(versions))
    assert 0.24 < late / 5000 < 0.30
    assert 0.03 < revised / 5000 < 0.05
    assert 0.01 < lowered / 5000 < 0.03
    assert 0.18 < late_samples / samples < 0.23


def test_lateness_changes_for_periods_to_come_only():
    world = one_series(Requests(Traffic(1, 60.0)), Schedule(0, 60), Lateness(late=0, raised=0, lowered=0, early=0))
    before = {at: truth(world, at, at + 60, now=NOW) for at in range(NOW - 600, NOW, 60)}
    world.change_lateness(Lateness(late=1.0, late_by=(3000, 3000)), NOW)
    assert before == {at: truth(world, at, at + 60, now=NOW) for at in range(NOW - 600, NOW, 60)}
    assert truth(world, NOW, NOW + 600, now=NOW + 700) > 0  # a period that begins at the change is still an old one
    assert truth(world, NOW + 60, NOW + 600, "SampleCount", now=NOW + 600) < truth(world, NOW + 60, NOW + 600) * 0.6


def test_the_cache_is_bounded_and_changes_nothing():
    small, large = (one_series(Requests(Traffic(7, 9.0)), Schedule(0, 60), cached=size) for size in (10, 10_000))
    (series,) = small.region(ACCOUNT, REGION).listing
    for _ in range(3):
        assert truth(small, NOW, NOW + 6000) == truth(large, NOW, NOW + 6000)
        assert len(series.kept) <= 10


@pytest.mark.parametrize(("old", "new"), [(60, 10), (10, 300), (240, 300), (180, 240)])
def test_a_publishing_period_changes_where_both_grids_have_a_border(old, new):
    schedule = Schedule(0, old)
    schedule.change(10_007, new)
    slots = [(at, period) for starts, period in schedule.slots(0, 30_000) for at in starts]
    assert all(at + period == following for (at, period), (following, _) in pairwise(slots))
    assert {period for _, period in slots} == {old, new}


def test_a_schedule_can_stop_and_start_again():
    schedule = Schedule(0, 60)
    schedule.stop(600)
    schedule.start(1200, 60)
    assert [at for starts, _ in schedule.slots(480, 1321) for at in starts] == [480, 540, 1200, 1260, 1320]
    assert schedule.activity(900) == (0, 540)
    assert schedule.activity(1250) == (0, 1200)
    schedule.stop(1300)
    schedule.start(1300 + 15 * 86400, 60)
    assert schedule.activity(1300 + 15 * 86400 + 600).first > 1300
    assert Schedule(1000, 60).activity(900) is None


def test_surges_come_back_and_end():
    surge = Surge(1000, 100, 500, 2, 9.0)
    assert [surge.at(at) for at in (999, 1000, 1099, 1100, 1500, 2000)] == [1, 9, 9, 1, 9, 1]


@pytest.mark.parametrize("mean", [0.01, 1.0, 20.0, 500.0])
def test_poisson_means_what_it_says(mean):
    drawn = [poisson(mean, (nth + 0.5) / 2000) for nth in range(2000)]
    assert sum(drawn) / 2000 == pytest.approx(mean, rel=0.03)
    assert all(isinstance(events, int) and events >= 0 for events in drawn)


def test_put_refuses_a_generated_series():
    world = one_series(Level(1, 5.0), Schedule(0, 60))
    with pytest.raises(ValueError, match="generated"):
        world.put(ACCOUNT, REGION, "AWS/SageMaker", "Invocations", {"EndpointName": "e"}, 0, 1)


def test_activity_begins_after_the_last_gap_of_two_weeks():
    series = Scripted(("AWS/SageMaker", "Invocations", ()), "None", 1)
    days = 86400
    for at in (0, 20 * days, 21 * days, 40 * days, 41 * days):
        series.put(at, Stat.alike(1.0, 1.0), at + 60.0, fine=False)
    assert series.activity(59) is None
    assert series.activity(60) == (0, 0)
    assert series.activity(22 * days) == (20 * days, 21 * days)
    assert series.activity(50 * days) == (40 * days, 41 * days)
