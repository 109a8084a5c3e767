"""What may rest, for how long, and in which order things are slowed when dollars run short."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import HERE, T0

from exporter.aws import Spent
from exporter.model import HOUR, MINUTE, Resource, Target
from exporter.sources.cloudwatch_metrics.rests import (
    STAGES,
    Load,
    Purse,
    metrics_an_hour,
    months,
    silence,
    slowed,
    spent_this_month,
    stage_for,
)
from exporter.sources.cloudwatch_metrics.strands import Bundle, Rank, Strand

NOW = T0 + 100 * HOUR


def strand(newest=NOW, rank=Rank.COUNTER, name="churn", born=NOW - 90 * HOUR, pace=60.0, **of_strand):
    resource = Resource(HERE, "AWS/SageMaker", (("EndpointName", name),), ())
    return Strand(resource, Bundle(()), True, MINUTE, pace, rank, b"", newest=int(newest), born=born, **of_strand)


def rests(*strands):
    silence(strands, NOW)
    return [one.rest for one in strands]


@pytest.mark.parametrize(("hours", "minutes"), [(0.0, 0), (0.99, 0), (1, 5), (5.99, 5), (6, 15), (24 * 300, 15)])
def test_what_is_silent_rests(hours, minutes):
    assert rests(strand(NOW - hours * HOUR)) == [minutes * MINUTE]


def test_an_endpoint_in_service_is_never_asked_more_seldom_than_every_five_minutes():
    silent = NOW - 24 * HOUR
    assert rests(strand(silent, serves=True)) == [5 * MINUTE]
    assert rests(strand(silent)) == [15 * MINUTE]
    assert rests(strand(silent, Rank.WARM, pace=300.0, serves=True)) == [15 * MINUTE]


def test_data_of_a_resource_wakes_all_that_is_hot_and_nothing_else():
    silent = NOW - 24 * HOUR
    assert rests(
        strand(NOW - 60), strand(silent, Rank.ERROR), strand(silent, Rank.WARM), strand(silent, name="other")
    ) == [0, 0, 15 * MINUTE, 15 * MINUTE]


def test_what_has_never_had_data_is_silent_since_it_was_first_asked():
    assert rests(strand(0, born=NOW - 30 * MINUTE)) == [0]
    assert rests(strand(0, born=NOW - 2 * HOUR)) == [5 * MINUTE]
    assert rests(strand(0, born=0.0)) == [0], "it has not been asked yet"


def woken(rest, jitter=(0.0,), name="churn", cycles=400):
    """Return when a strand that rests is read: at the turn it finds in cycles of a minute that begin early or late."""
    one, read = strand(name=name), []
    one.last, one.rest = NOW, rest
    for n in range(1, cycles):
        at = NOW + n * MINUTE + jitter[n % len(jitter)]
        if one.rested(early=30.0) <= at + 30.0:
            one.last = at
            read.append(at)
    return read


@pytest.mark.parametrize("rest", [300.0, 900.0, 3600.0])
@pytest.mark.parametrize("name", ["churn", "fraud", "rank"])
def test_what_rests_wakes_at_its_turn_and_never_later(rest, name):
    read = woken(rest, name=name)
    assert read[0] - NOW <= rest
    assert {after - before for before, after in itertools.pairwise(read)} == {rest}


@pytest.mark.parametrize("name", [f"e{n}" for n in range(30)])
def test_cycles_that_come_early_or_late_do_not_let_it_rest_longer(name):
    read = woken(300.0, jitter=(-1.0, 1.0, 0.0, 0.5), name=name)
    gaps = [after - before for before, after in itertools.pairwise(read)]
    assert max(gaps) <= 302.0
    assert sum(gaps) / len(gaps) > 200.0, "at worst it is asked twice now and then"


def test_what_rests_as_long_does_not_wake_at_once():
    first = [woken(3600.0, name=f"e{n}")[0] for n in range(60)]
    assert max(first.count(at) for at in first) <= 6


def test_what_rests_no_longer_than_its_pace_has_no_turn():
    one = strand(pace=300.0)
    one.last, one.rest = NOW, 300.0
    assert one.rested(early=30.0) == -math.inf


# -- dollars -----------------------------------------------------------------------------------------------------------

loads = st.lists(
    st.builds(Load, st.integers(1, 500), st.sampled_from(Rank), st.sampled_from([60.0, 300.0, 3600.0])), min_size=1
)


@given(loads)
def test_each_stage_costs_no_more_than_the_one_before(wanted):
    costs = [metrics_an_hour(wanted, stage) for stage in range(len(STAGES) + 1)]
    assert costs == sorted(costs, reverse=True)


@given(loads, st.floats(0, 1e5), st.integers(0, len(STAGES)))
def test_the_stage_is_the_first_that_suffices(wanted, allowed, before):
    stage = stage_for(wanted, allowed, before)
    assert metrics_an_hour(wanted, stage) <= allowed or stage == len(STAGES)
    if stage > before:
        assert metrics_an_hour(wanted, stage - 1) > allowed
    elif stage:
        assert metrics_an_hour(wanted, stage - 1) > 0.95 * allowed
    assert stage_for(wanted, allowed, stage) == stage, "it does not go to and fro"


def test_what_is_slowed_first_and_last():
    assert STAGES[0][0] is Rank.EXTRA
    assert STAGES[-1][0] is Rank.ERROR
    floor = slowed(len(STAGES))
    assert floor == dict.fromkeys(Rank, 3600.0) | {Rank.ERROR: 300.0}


MONTH = 1_767_225_600 + 31 * 24 * HOUR  # 2026-02-01
SEVENTY = [Load(70, Rank.ERROR, 60.0), Load(100, Rank.GAUGE, 60.0)]  # 10,200 metrics an hour, 840 + 100 at the floor


def purse(usd, spent=None, noted=None, now=MONTH):
    return Purse(usd, spent or {}, noted or {}, now)


def test_what_is_enough_slows_nothing():
    assert purse(500.0).stage(HERE, SEVENTY, MONTH) == 0


def test_what_is_left_of_the_month_decides():
    one = purse(0.102 * 28 * 24 * 1.2)  # dollars for all of it
    assert one.stage(HERE, SEVENTY, MONTH) == 0
    half = MONTH + 14 * 24 * HOUR
    one.account(HERE, {HERE: Spent(0.102 * 14 * 24 * 1.5)}, None, half)
    assert 0 < one.stage(HERE, SEVENTY, half) < len(STAGES)
    one.account(HERE, {HERE: Spent(1000.0)}, None, half)
    assert one.stage(HERE, SEVENTY, half) == len(STAGES), "it is exceeded, and counting goes on"
    march = MONTH + 28 * 24 * HOUR + 60
    one.account(HERE, {HERE: Spent(1000.0)}, None, march)
    assert one.stage(HERE, SEVENTY, march) == 0, "a new month"


def test_the_month_is_known_to_the_next_process():
    month = purse(1.0).account(HERE, {HERE: Spent(3.0, 1.0)}, None, MONTH)
    assert month == ("2026-02", 4.0)
    again = purse(1.0)
    assert again.account(HERE, {HERE: Spent(0.5)}, list(month), MONTH + HOUR) == ("2026-02", 4.5)
    assert again.account(HERE, {HERE: Spent(0.75)}, list(month), MONTH + HOUR) == ("2026-02", 4.75)
    reloaded = purse(1.0, {HERE: Spent(0.75)})
    assert reloaded.account(HERE, {HERE: Spent(1.0)}, ["2026-02", 4.75], MONTH + HOUR) == ("2026-02", 5.0)


THERE = Target(HERE.account_id, "us-east-1")


def test_a_month_is_spent_by_all_targets_that_have_spent_in_it():
    noted = months({HERE: {"month": ["2026-02", 3.0]}, THERE: {"month": ("2026-01", 5.0)}, None: {}})
    assert noted == {HERE: ("2026-02", 3.0), THERE: ("2026-01", 5.0)}
    assert months({HERE: {"begin": {}}}) == {}
    assert spent_this_month(noted.values(), MONTH + HOUR) == 3.0
    assert spent_this_month([("2026-02", 0.5), *noted.values()], MONTH + HOUR) == 3.5


def test_a_target_that_is_not_read_any_more_has_spent_of_the_month():
    half, all_of_it = MONTH + 14 * 24 * HOUR, 0.102 * 28 * 24
    noted = {HERE: ("2026-02", 0.1 * all_of_it), THERE: ("2026-02", 0.6 * all_of_it)}
    for of_target, slows in ((noted, True), ({HERE: noted[HERE]}, False), (noted | {THERE: ("2026-01", 99.0)}, False)):
        one = purse(all_of_it, noted=of_target, now=half)
        one.account(HERE, {}, noted[HERE], half)
        assert (one.stage(HERE, SEVENTY, half) > 0) is slows


def test_what_a_target_has_noted_and_what_it_has_spent_since_is_counted_once():
    half, all_of_it = MONTH + 14 * 24 * HOUR, 0.102 * 28 * 24
    one = purse(all_of_it, noted={HERE: ("2026-02", 0.4 * all_of_it)}, now=half)
    one.account(HERE, {HERE: Spent(0.01)}, ("2026-02", 0.4 * all_of_it), half)
    assert one.stage(HERE, SEVENTY, half) == 0


def test_at_the_turn_of_a_month_the_first_target_has_all_of_the_new_one():
    month, end = ("2026-02", 100.0), MONTH + 28 * 24 * HOUR
    one = purse(0.102 * 31 * 24 * 2.2, noted={HERE: month, THERE: month})
    for now in (end - 60, end):
        for target in (HERE, THERE):
            one.account(target, {}, month, now)
            assert one.stage(target, SEVENTY, now) == (len(STAGES) if now < end else 0)


def test_all_targets_share_the_dollars():
    one = purse(0.102 * 28 * 24 * 1.5)
    assert one.stage(HERE, SEVENTY, MONTH) == 0
    assert one.stage(THERE, SEVENTY, MONTH) > 0


def test_listing_costs_too():
    one = purse(0.102 * 28 * 24 * 1.05)
    one.account(HERE, {HERE: Spent(0.0, 0.05)}, None, MONTH + HOUR)
    assert one.stage(HERE, SEVENTY, MONTH + HOUR) > 0
