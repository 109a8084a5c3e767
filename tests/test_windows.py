"""Which stretches of time are asked for: nothing is missed, nothing is asked that CloudWatch no longer has."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st
from worlds import T0

from exporter.aws.operations import MOST_DATAPOINTS
from exporter.model import BLOCK, DAY, HOUR, MINUTE
from exporter.sources.cloudwatch_metrics.windows import (
    FINE_REACH,
    KEPT,
    KEPT_FINE,
    MARGIN,
    NARROW,
    Marks,
    Span,
    gauge_span,
    marks,
    spans,
)

DEEP = 3 * HOUR
NOW = T0 + 90 * DAY + 7 * MINUTE + 30
COARSE = int(NOW - KEPT_FINE) // BLOCK * BLOCK + BLOCK  # before this CloudWatch has no minutes any more


def border(at):
    return int(at) // BLOCK * BLOCK


def asked(now=NOW, closed=6 * HOUR, read=2 * MINUTE, width=NARROW, *, deep=False, partial=()):
    """Return the spans for marks that lie so many seconds back, as literal as they can be read."""
    at = Marks(int(now - read), border(now - closed), tuple(border(now - ago) for ago in partial))
    return spans(now, at, width, deep=deep, deep_settle=DEEP)


# -- literal -----------------------------------------------------------------------------------------------------------


def test_each_cycle_reads_from_the_block_of_five_minutes_ago_to_the_end_of_this_minute():
    assert asked() == [Span(T0 + 90 * DAY, T0 + 90 * DAY + 8 * MINUTE, MINUTE)]


def test_a_gap_is_read_from_where_reading_stopped():
    assert asked(read=2 * HOUR) == [Span(border(NOW - 2 * HOUR), T0 + 90 * DAY + 8 * MINUTE, MINUTE)]


def test_the_settle_window_and_the_deep_one_reach_back_to_a_block_border():
    (settle,) = asked(width=15 * MINUTE)
    (deep,) = asked(closed=3 * HOUR, deep=True)
    assert settle.start == border(NOW - 15 * MINUTE)
    assert deep.start == border(NOW - 3 * HOUR)


def test_what_is_older_than_six_hours_is_caught_up_at_the_width_of_a_block():
    coarse, fine = asked(closed=30 * HOUR, read=20 * HOUR, deep=True)
    assert coarse == Span(border(NOW - 30 * HOUR), border(NOW - 6 * HOUR), BLOCK, False, 0, COARSE)
    assert fine == Span(border(NOW - 6 * HOUR), T0 + 90 * DAY + 8 * MINUTE, MINUTE, True, 0, COARSE)


def test_the_block_in_which_counting_began_is_read_by_the_minute():
    first, coarse, fine = asked(closed=30 * HOUR, read=20 * HOUR, deep=True, partial=[30 * HOUR])
    began = border(NOW - 30 * HOUR)
    assert first == Span(began, began + BLOCK, MINUTE, False, 0, COARSE)
    assert coarse == Span(began + BLOCK, border(NOW - 6 * HOUR), BLOCK, False, 0, COARSE)
    assert fine.period == MINUTE


def test_counters_that_began_in_different_blocks_have_each_their_first_one_read_by_the_minute():
    found = asked(closed=30 * HOUR, read=20 * HOUR, deep=True, partial=[30 * HOUR, 25 * HOUR])
    later = border(NOW - 25 * HOUR)
    assert Span(later, later + BLOCK, MINUTE, False, 0, COARSE) in found
    assert len(found) == 4


def test_a_first_block_of_which_cloudwatch_has_no_minutes_any_more_is_lost():
    coarse, fine = asked(closed=20 * DAY, read=20 * DAY, deep=True, partial=[20 * DAY])
    assert (coarse.start, coarse.period, coarse.lost_before) == (border(NOW - 20 * DAY), BLOCK, 0)
    assert coarse.coarse_before == fine.coarse_before == COARSE
    assert NOW - KEPT_FINE < COARSE <= NOW - KEPT_FINE + BLOCK


def test_what_is_older_than_63_days_is_lost():
    coarse, fine = asked(closed=80 * DAY, read=70 * DAY, deep=True)
    assert coarse.start == coarse.lost_before == fine.lost_before
    assert NOW - KEPT < coarse.start <= NOW - KEPT + BLOCK


def test_nothing_is_asked_before_counting_begins():
    later = border(NOW) + BLOCK
    assert spans(NOW, Marks(later, later), NARROW, deep=True, deep_settle=DEEP) == []


def test_counting_that_begins_in_this_minute_is_asked_at_once():
    minute = int(NOW) // MINUTE * MINUTE
    at = marks([(minute, border(minute), minute)])
    assert spans(NOW, at, NARROW, deep=True, deep_settle=DEEP) == [Span(border(NOW), minute + MINUTE, MINUTE)]


def test_marks_are_those_of_the_counter_that_is_furthest_behind():
    assert marks([(100, 50, 0), (90, 60, 60)]) == Marks(read_until=90, closed_until=50, partial=())
    assert marks([(2000, 1800, 1900), (2000, 900, 1000)]) == Marks(2000, 900, partial=(900, 1800))


# -- whatever the marks ------------------------------------------------------------------------------------------------

ages = st.one_of(st.floats(0, 12 * HOUR), st.floats(0, 20 * DAY), st.floats(0, 100 * DAY))
clocks = st.floats(T0 + 200 * DAY, T0 + 201 * DAY)
counters = st.tuples(ages, st.floats(0, 1), st.booleans())


def counter(now, age, read_share, *, begun_midway):
    """Return read_until, closed_until and counted_from of a counter whose last block closed so long ago."""
    closed = border(now - age)
    counted_from = closed + 420 if begun_midway else closed - BLOCK
    read = max(closed, counted_from) + read_share * max(0.0, now - max(closed, counted_from))
    return int(read) // MINUTE * MINUTE, closed, counted_from


@given(clocks, st.lists(counters, min_size=1, max_size=4), st.sampled_from([NARROW, 15 * MINUTE]), st.booleans())
def test_spans_lie_on_the_grid_and_in_what_cloudwatch_keeps(now, states, width, deep):
    at = marks(counter(now, age, share, begun_midway=partial) for age, share, partial in states)
    found = spans(now, at, width, deep=deep, deep_settle=DEEP)
    end = int(now) // MINUTE * MINUTE + MINUTE
    assert [span.recent for span in found] == [False] * (len(found) - 1) + [True]
    assert found[-1].end == end
    assert found[-1].period == MINUTE
    for span in found:
        assert span.start < span.end
        assert span.start % BLOCK == 0
        assert span.end % span.period == 0
        assert span.start >= at.closed_until
        assert span.start >= span.lost_before
        assert span.start - MARGIN >= now - (15 * DAY if span.period == MINUTE else 63 * DAY)
        assert (span.end - span.start) // span.period <= MOST_DATAPOINTS // 16  # so that 16 of them fit one call
        assert span.period == BLOCK or span.end - span.start <= FINE_REACH + 2 * BLOCK
    assert len({span.lost_before for span in found}) == 1


@given(clocks, st.lists(counters, min_size=1, max_size=4))
def test_a_deep_reading_asks_for_every_minute_that_is_not_final_and_can_be_had(now, states):
    at = marks(counter(now, age, share, begun_midway=partial) for age, share, partial in states)
    found = sorted(spans(now, at, NARROW, deep=True, deep_settle=DEEP))
    lost = found[0].lost_before
    assert found[0].start == max(at.closed_until, lost)
    covered = found[0].start
    for span in found:
        assert span.start <= covered, "a hole"
        covered = max(covered, span.end)
    assert covered > now


@given(clocks, counters)
def test_one_counter_is_asked_once_for_each_minute(now, state):
    age, share, partial = state
    at = marks([counter(now, age, share, begun_midway=partial)])
    for deep in (True, False):
        found = spans(now, at, NARROW, deep=deep, deep_settle=DEEP)
        tail = [span for span in found if span.start not in at.partial or span.recent]
        assert all(before.end == after.start for before, after in pairwise(tail))
        for block in at.partial:
            assert all(
                span.period == MINUTE or block < span.coarse_before for span in found if span.start <= block < span.end
            )


@given(clocks, ages, st.floats(0, 1), st.sampled_from([NARROW, 15 * MINUTE]))
def test_a_narrow_reading_leaves_no_hole_behind_what_was_read(now, age, share, width):
    read, closed, counted = counter(now, age, share, begun_midway=False)
    found = spans(now, marks([(read, closed, counted)]), width, deep=False, deep_settle=DEEP)
    assert found[0].start <= max(read, found[0].lost_before)
    assert found[0].start <= max(now - width, closed, found[0].lost_before)


@given(clocks, ages, st.floats(0, 1), st.booleans())
def test_only_what_can_not_be_had_is_lost(now, age, share, partial):
    at = marks([counter(now, age, share, begun_midway=partial)])
    (lost,) = {span.lost_before for span in spans(now, at, NARROW, deep=True, deep_settle=DEEP)}
    assert lost == (border(now - KEPT) + BLOCK if at.closed_until < now - KEPT else 0)


def test_an_old_first_block_of_one_counter_costs_the_others_nothing():
    """Counting of one error began a quarter of an hour before an outage of 20 days; another counter is much older."""
    outage = border(NOW - 20 * DAY)
    old = (outage + 600, outage - 3 * HOUR, outage - 30 * DAY)
    young = (outage + 600, outage, outage + 420)
    found = spans(NOW, marks([old, young]), NARROW, deep=True, deep_settle=DEEP)
    assert min(span.start for span in found if span.period == BLOCK) == outage - 3 * HOUR


# -- gauges ------------------------------------------------------------------------------------------------------------


@given(clocks, st.integers(MINUTE, 2 * HOUR), st.sampled_from([10, 60, 300, 3600]))
@example(float(T0), 1020, 60)
def test_the_window_of_a_gauge_holds_its_width_and_the_present(now, width, period):
    span = gauge_span(now, width, period)
    assert span.start % period == 0
    assert span.end % period == 0
    if period >= MINUTE:
        assert span.start <= now - width
        assert now - width - span.start < 2 * period
    assert span.end - period <= now < span.end
    assert span.recent
    assert not span.lost_before


@given(st.sampled_from([10, 20, 30]), st.integers(171 * MINUTE, 12 * HOUR))
def test_periods_below_a_minute_are_asked_for_less_than_two_hours_and_fifty_minutes(period, width):
    """CloudWatch keeps them for 3 h, and answers a longer window as if there were nothing."""
    assert gauge_span(NOW, width, period).start > NOW - 170 * MINUTE
