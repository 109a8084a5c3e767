"""What every ledger does, whatever its store: literal readings of three kinds in, snapshots out."""

from __future__ import annotations

import math
import sqlite3
import threading
from array import array
from concurrent.futures import ThreadPoolExecutor

import pytest
from worlds import (
    HERE,
    INVOCATIONS,
    LABELS,
    LATENCY_COUNT,
    LATENCY_SUM,
    T0,
    VARIANT,
    FakeClock,
    read,
    reading,
    values,
    wait_for,
)

from exporter.ledger import Ledger, LedgerError, Rules
from exporter.ledger.memory import MemoryStore
from exporter.ledger.sqlite import SqliteStore, move_aside
from exporter.ledger.stage import Stage
from exporter.ledger.store import LedgerUnusableError
from exporter.model import (
    BLOCK,
    DAY,
    HOUR,
    MINUTE,
    Answer,
    Bulk,
    Counter,
    Effect,
    Event,
    Failure,
    Read,
    Reading,
    Resource,
    Sample,
    Standing,
    Switch,
    Target,
    Window,
)
from exporter.tally import Tally

FAMILY = INVOCATIONS.family

CREATED = "sagemaker_endpoint_created_timestamp_seconds"


class World:
    """A ledger that can be killed and opened again."""

    def __init__(self, make_store) -> None:
        self.clock = FakeClock()
        self._make_store = make_store
        self.zero_hold = 130.0
        self.open()

    def open(self):
        self.store = self._make_store()
        self.tally = Tally()
        self.ledger = Ledger(self.store, self.clock, self.tally, zero_hold=self.zero_hold)

    def restart(self):
        self.ledger.close()
        self.open()

    def apply(self, *reads, **more):
        return self.ledger.apply(reading(self.clock, *reads, **more))

    def serve(self):
        """Make a page of the snapshot now, as the render thread does."""
        snapshot = self.ledger.snapshot()
        self.ledger.shown(snapshot)
        return snapshot

    def value(self, family=FAMILY, labels=LABELS, part=""):
        return values(self.serve(), family, part).get(labels)

    def counted(self, points, start=T0, **more):
        """Read the default counter and let its first 0 pass."""
        self.apply(read(self.clock, points, start, **more))
        if self.value() == 0:
            self.clock.forward(self.zero_hold)
            self.apply(read(self.clock, points, start, **more))
        return self.value()


@pytest.fixture(params=["memory", "sqlite"])
def world(request, tmp_path):
    kept = MemoryStore()
    made = World((lambda: kept) if request.param == "memory" else (lambda: SqliteStore(tmp_path / "ledger.db")))
    yield made
    made.ledger.close()


# -- counters ------------------------------------------------------------------------------------------------------


def test_counter_stands_at_zero_before_its_first_value(world):
    world.clock.forward(5 * MINUTE)
    world.apply(read(world.clock, {T0 + 60: 3.0}, T0))
    assert world.value() == 0.0
    world.clock.forward(129)
    world.apply(read(world.clock, {T0 + 60: 3.0}, T0))
    assert world.value() == 0.0
    world.clock.forward(1)
    world.apply(read(world.clock, {T0 + 60: 3.0}, T0))
    assert world.value() == 3.0


def test_first_zero_counts_its_time_only_while_a_page_with_it_is_served(world):
    world.clock.forward(5 * MINUTE)
    world.apply(read(world.clock, {T0 + 60: 3.0}, T0))
    world.clock.forward(10 * MINUTE)  # nobody has seen it
    world.apply(read(world.clock, {T0 + 60: 3.0}, T0))
    assert world.value() == 0.0


def test_without_time_to_hold_a_zero_that_another_run_has_shown_is_enough(world):
    world.zero_hold = 0.0
    world.restart()
    world.clock.forward(5 * MINUTE)
    world.apply(read(world.clock, {T0 + 60: 3.0}, T0))
    assert world.value() == 0.0
    world.restart()
    world.apply(read(world.clock, {T0 + 60: 3.0}, T0))
    world.apply()
    assert world.value() == 3.0


def test_reading_again_adds_only_differences(world):
    world.clock.forward(5 * MINUTE)
    assert world.counted({T0 + 60: 3.0}) == 3.0
    assert world.counted({T0 + 60: 3.0, T0 + 120: 1.0}) == 4.0
    assert world.counted({T0 + 60: 5.0, T0 + 120: 1.0}) == 6.0


def test_value_waits_after_a_downward_revision_until_the_total_has_caught_up(world):
    world.clock.forward(5 * MINUTE)
    assert world.counted({T0 + 60: 5.0}) == 5.0
    assert world.counted({T0 + 60: 2.0}) == 5.0
    assert world.ledger.figures().ahead[HERE, "AWS/SageMaker"] == 1
    assert world.counted({T0 + 60: 2.0, T0 + 240: 4.0}) == 6.0
    assert world.ledger.figures().ahead[HERE, "AWS/SageMaker"] == 0


def test_answer_with_fewer_points_is_could_not_look(world):
    world.clock.forward(5 * MINUTE)
    assert world.counted({T0 + 60: 5.0, T0 + 120: 1.0}) == 6.0
    applied = world.apply(read(world.clock, {T0 + 60: 5.0}, T0))
    assert applied.short == {"AWS/SageMaker": 1}
    assert world.value() == 6.0
    meter = world.ledger.known("cloudwatch_metrics", HERE).meters[VARIANT]
    assert meter.total(0) == 6.0


def test_shorter_answer_is_believed_when_final_and_given_three_times_ten_minutes_apart(world):
    world.clock.forward(5 * MINUTE)
    world.counted({T0 + 60: 5.0, T0 + 120: 1.0})
    world.clock.forward(4 * HOUR)
    for wait, expected in ((0, 6.0), (MINUTE, 6.0), (9 * MINUTE, 6.0), (9 * MINUTE, 6.0), (MINUTE, 5.0)):
        world.clock.forward(wait)
        world.apply(read(world.clock, {T0 + 60: 5.0}, T0))
        meter = world.ledger.known("cloudwatch_metrics", HERE).meters[VARIANT]
        assert meter.total(0) == expected
        assert (meter.closed_until[0] > T0) == (expected == 5.0)
    assert world.value() == 6.0  # a revision like any other: the value waits


def test_incomplete_answer_changes_nothing_and_moves_no_mark(world):
    world.clock.forward(5 * MINUTE)
    world.counted({T0 + 60: 5.0})
    before = world.ledger.known("cloudwatch_metrics", HERE).meters[VARIANT].read_until[0]
    world.clock.forward(5 * MINUTE)
    world.apply(read(world.clock, {T0 + 60: 5.0, T0 + 400: 9.0}, T0, complete=False))
    meter = world.ledger.known("cloudwatch_metrics", HERE).meters[VARIANT]
    assert (meter.total(0), meter.read_until[0]) == (5.0, before)


def test_blocks_close_in_order_and_only_by_the_date_of_an_answer_that_read_them(world):
    world.clock.forward(5 * MINUTE)
    points = {T0 + 60: 5.0, T0 + BLOCK + 60: 7.0}
    world.counted(points)

    def closed_until():
        return world.ledger.known("cloudwatch_metrics", HERE).meters[VARIANT].closed_until[0]

    world.clock.time = T0 + BLOCK + 3 * HOUR
    world.apply(read(world.clock, points, T0))
    assert closed_until() == T0  # dated at the border, not after it
    world.clock.forward(1)
    world.apply(read(world.clock, points, T0 + BLOCK))
    assert closed_until() == T0  # the first block was not read
    world.apply(read(world.clock, points, T0))
    assert closed_until() == T0 + BLOCK
    world.clock.forward(BLOCK)
    world.apply(read(world.clock, points | {T0 + 60: 500.0}, T0))
    assert closed_until() == T0 + 2 * BLOCK
    assert world.value() == 12.0  # what changes in a closed block is not counted


def test_late_reading_is_dropped(world):
    world.clock.forward(5 * MINUTE)
    old = read(world.clock, {T0 + 60: 1.0}, T0)
    world.clock.forward(MINUTE)
    world.counted({T0 + 60: 1.0, T0 + 300: 1.0})
    world.apply(old)
    assert world.value() == 2.0


def test_counting_begins_inside_a_block(world):
    begin = T0 + 300
    world.clock.forward(10 * MINUTE)
    points = {T0 + 360: 3.0}
    assert world.counted(points, start=begin, begin=begin) == 3.0
    world.clock.forward(4 * HOUR)
    world.apply(read(world.clock, points, begin, begin=begin))
    meter = world.ledger.known("cloudwatch_metrics", HERE).meters[VARIANT]
    assert meter.closed_until[0] >= T0 + BLOCK
    assert world.value() == 3.0


def test_spellings_are_never_added_up_and_a_block_keeps_the_one_that_it_has_counted(world):
    world.clock.forward(5 * MINUTE)
    window = Window(T0, T0 + 360, MINUTE, 0.0, world.clock.now())

    def both(first, second):
        answers = tuple(
            Answer(INVOCATIONS, blocks=((T0, value, 1),) if value else (), spelling=n, begin=T0)
            for n, value in ((0, first), (1, second))
            if value is not None
        )
        world.apply(Read(VARIANT, window, answers, until=math.inf))
        return world.ledger.known("cloudwatch_metrics", HERE).meters[VARIANT].total(0)

    assert both(0, 4.0) == 4.0
    assert both(9.0, 5.0) == 5.0
    assert both(9.0, None) == 5.0
    assert world.ledger.known("cloudwatch_metrics", HERE).meters[VARIANT].spellings(0) == {1}


def test_counter_is_absent_after_a_restart_until_it_has_been_read_up_to_now(world):
    world.clock.forward(5 * MINUTE)
    world.counted({T0 + 60: 5.0})
    world.restart()
    assert world.value() is None
    world.clock.forward(10 * MINUTE)
    now = int(world.clock.now())
    world.apply(
        read(world.clock, {T0 + 60: 5.0, T0 + 600: 2.0}, now // BLOCK * BLOCK)
    )  # not from the last closed block
    assert world.value() is None
    world.apply(read(world.clock, {T0 + 60: 5.0, T0 + 600: 2.0}, T0))
    assert world.value() == 7.0


def test_counter_that_was_not_read_for_long_leaves_and_returns_in_one_step(world):
    world.clock.forward(5 * MINUTE)
    world.counted({T0 + 60: 5.0})
    world.clock.forward(BLOCK - 1)
    assert world.value() == 5.0
    world.clock.forward(2)
    assert world.value() is None
    world.apply(read(world.clock, {T0 + 60: 5.0, T0 + 700: 2.0}, T0))
    assert world.value() == 7.0


def test_counter_that_needs_long_to_catch_up_is_shown_on_the_way_and_says_so(world):
    world.clock.forward(5 * MINUTE)
    world.counted({T0 + 60: 5.0})
    points = {T0 + hour * HOUR + 60: 1.0 for hour in range(1, 40)} | {T0 + 60: 5.0}
    world.clock.forward(40 * HOUR)

    def catch_up(hours):
        start = world.ledger.known("cloudwatch_metrics", HERE).meters[VARIANT].closed_until[0]
        end = start + hours * HOUR
        window = Window(start, end, BLOCK, world.clock.monotonic(), world.clock.now(), recent=False)
        blocks = tuple((b, n, 1) for b, n, _ in read(world.clock, points, start, end=end).answers[0].blocks)
        world.apply(Read(VARIANT, window, (Answer(INVOCATIONS, blocks=blocks),), until=world.clock.now() + BLOCK))

    catch_up(10)
    assert world.value() is None
    world.clock.forward(15 * MINUTE)
    catch_up(10)
    assert world.value() == 5.0 + 19
    assert world.ledger.figures().catching_up == {HERE}
    world.apply(
        read(world.clock, points, world.ledger.known("cloudwatch_metrics", HERE).meters[VARIANT].closed_until[0])
    )
    assert world.value() == 5.0 + 39
    assert world.ledger.figures().catching_up == set()


def test_what_aws_no_longer_holds_is_counted_as_lost(world):
    world.clock.forward(5 * MINUTE)
    world.counted({T0 + 60: 5.0})
    read_until = world.ledger.known("cloudwatch_metrics", HERE).meters[VARIANT].read_until[0]
    world.clock.forward(70 * DAY)
    floor = T0 + 8 * DAY
    late = read(world.clock, {floor + 60: 2.0}, floor)
    applied = world.apply(Read(VARIANT, late.window, late.answers, until=math.inf, lost_before=floor))
    assert applied.lost_seconds == floor - read_until
    assert world.value() == 7.0


def test_first_block_of_which_no_minutes_are_left_is_lost_and_no_other_counter_loses_anything(world):
    """Counting of errors began midway in a block, that of calls long before; then 20 days went by."""
    world.clock.forward(BLOCK + 5 * MINUTE)
    began = T0 + BLOCK + 3 * MINUTE
    window = Window(T0, T0 + BLOCK + 6 * MINUTE, MINUTE, world.clock.monotonic(), world.clock.now())
    failed = Counter("Invocation5XXErrors", "Sum", "sagemaker_endpoint_invocation_5xx_errors_total")
    calls, errors = Answer(INVOCATIONS, begin=T0), Answer(failed, begin=began)
    world.apply(Read(VARIANT, window, (calls, errors)))
    world.clock.forward(20 * DAY)
    coarse = Window(T0, T0 + DAY, BLOCK, world.clock.monotonic(), world.clock.now(), recent=False)
    blocks = ((T0, 1.0, 1), (T0 + BLOCK, 2.0, 1), (T0 + 2 * BLOCK, 4.0, 1))
    answers = tuple(Answer(counter, blocks=blocks) for counter in (INVOCATIONS, failed))
    applied = world.apply(Read(VARIANT, coarse, answers, coarse_before=T0 + 2 * BLOCK))
    meter = world.ledger.known("cloudwatch_metrics", HERE).meters[VARIANT]
    assert [meter.total(i) for i in range(2)] == [7.0, 4.0]
    assert applied.lost_seconds == T0 + 2 * BLOCK - window.date, "the rest of the block of errors"


def test_counter_of_a_resource_that_is_gone_stays_a_day_after_its_last_increase(world):
    world.clock.forward(5 * MINUTE)
    world.apply(read(world.clock, {}, T0, until=math.inf))
    world.serve()
    world.clock.forward(130)
    world.apply(read(world.clock, {T0 + 60: 5.0}, T0, until=math.inf))
    assert world.value() == 5.0
    world.apply(standings=(Standing(VARIANT, alive=False),))
    world.clock.forward(DAY - 1)
    assert world.value() == 5.0
    world.clock.forward(1)
    assert world.value() is None
    world.apply(standings=(Standing(VARIANT, alive=True),))
    assert world.value() == 5.0


def test_switched_off_counters_take_their_open_blocks_as_they_stand_and_go_on_at_the_next_border(world):
    world.clock.forward(5 * MINUTE)
    world.counted({T0 + 60: 5.0})
    key = (INVOCATIONS.metric, INVOCATIONS.stat)
    world.apply(switches=(Switch(VARIANT, (key,), on=False, at=world.clock.now()),))
    assert world.value() is None
    world.apply(read(world.clock, {T0 + 60: 50.0}, T0))
    assert world.value() is None
    world.clock.forward(MINUTE)
    world.apply(switches=(Switch(VARIANT, (key,), on=True, at=world.clock.now()),))
    border = int(math.ceil(world.clock.now() / BLOCK) * BLOCK)
    world.clock.time = border + 120
    world.apply(read(world.clock, {T0 + 60: 50.0, border + 60: 2.0}, border))
    assert world.value() == 7.0


def test_parts_of_a_summary_leave_their_zero_together(world):
    world.clock.forward(5 * MINUTE)
    window = Window(T0, T0 + 360, MINUTE, 0.0, world.clock.now())
    answers = (
        Answer(LATENCY_SUM, blocks=((T0, 2_000_000.0, 1),), begin=T0),
        Answer(LATENCY_COUNT, blocks=((T0, 4.0, 1),), begin=T0),
    )
    family = LATENCY_SUM.family
    world.apply(Read(VARIANT, window, answers, until=math.inf))
    assert (world.value(family, part="sum"), world.value(family, part="count")) == (0.0, 0.0)
    world.clock.forward(130)
    world.apply()
    assert (world.value(family, part="sum"), world.value(family, part="count")) == (2.0, 4.0)


def test_what_comes_after_a_reading_in_the_last_minute_of_a_block_revises_nothing(world):
    world.clock.forward(BLOCK - 20)
    begun = world.apply(read(world.clock, {T0: 5.0}, T0, end=T0 + BLOCK))
    world.clock.forward(MINUTE)
    whole = world.apply(read(world.clock, {T0: 5.0, T0 + BLOCK - MINUTE: 2.0}, T0))
    assert (begun.revisions, whole.revisions) == ({}, {})
    world.clock.forward(MINUTE)
    revised = world.apply(read(world.clock, {T0: 5.0, T0 + BLOCK - MINUTE: 3.0}, T0))
    assert [(revision.direction, number) for (_, revision), number in revised.revisions.items()] == [("up", 1)]


def test_late_revisions_are_told_apart(world):
    world.clock.forward(20 * MINUTE)
    world.counted({T0 + 60: 5.0})
    world.clock.forward(MINUTE)
    early = world.apply(read(world.clock, {T0 + 60: 6.0}, T0))
    assert [(r.direction, r.late) for _, r in early.revisions] == [("up", False)]
    world.clock.forward(HOUR)
    late = world.apply(read(world.clock, {T0 + 60: 4.0}, T0))
    assert [(r.direction, r.late) for _, r in late.revisions] == [("down", True)]


def test_forgotten_resource_begins_anew(world):
    world.clock.forward(5 * MINUTE)
    world.counted({T0 + 60: 5.0})
    world.apply(forget=(VARIANT,))
    assert world.value() is None
    world.restart()
    assert VARIANT not in world.ledger.known("cloudwatch_metrics", HERE).meters


# -- listings ------------------------------------------------------------------------------------------------------


def listing(clock, *names, looked=("endpoints",), failed=()):
    samples = tuple(
        Sample(CREATED, (*LABELS[:2], name), 1.0, scope="endpoints", until=clock.now() + BLOCK) for name in names
    )
    return Reading("inventory", HERE, clock.now(), samples=samples, looked=looked, failed=failed)


def test_listing_replaces_its_scope(world):
    world.ledger.apply(listing(world.clock, "a", "b"))
    assert set(values(world.serve(), CREATED)) == {(*LABELS[:2], "a"), (*LABELS[:2], "b")}
    world.ledger.apply(listing(world.clock, "b", "c"))
    assert set(values(world.serve(), CREATED)) == {(*LABELS[:2], "b"), (*LABELS[:2], "c")}
    assert world.ledger.known("inventory", HERE).scopes == {"endpoints"}


def test_what_others_have_told_of_a_family_is_known_without_first_zeros_and_whether_or_not_it_is_shown(world):
    listed = Reading("inventory", HERE, world.clock.now(), samples=(Sample(CREATED, LABELS[:3], 5.0, until=T0 + 60),))
    world.ledger.apply(listed)
    world.apply(read(world.clock, {T0: 7.0}, T0))
    world.ledger.rule(Rules(), 130.0, {JOBS})
    world.ledger.apply(Reading("job_events", HERE, world.clock.now(), events=(event("a"),)))
    known = world.ledger.known("cost", HERE).values
    assert (known(FAMILY), known(JOBS), known(CREATED)) == ({LABELS: 7.0}, {JOB: 1.0}, {LABELS[:3]: 5.0})
    assert (world.value(), world.value(JOBS, JOB)) == (0.0, None)
    world.clock.forward(60)
    assert known(CREATED) == {}
    assert world.ledger.known("cost", Target("210987654321", "us-east-1")).values(JOBS) == {}


def test_listing_that_failed_keeps_the_last_good_values_until_their_age_limit(world):
    world.ledger.apply(listing(world.clock, "a"))
    world.clock.forward(BLOCK - 1)
    world.ledger.apply(listing(world.clock, looked=(), failed=(Failure("endpoints", "throttled"),)))
    assert len(values(world.serve(), CREATED)) == 1
    world.clock.forward(1)
    assert values(world.serve(), CREATED) == {}


def test_unchanged_chunk_is_the_same_object(world):
    world.ledger.apply(listing(world.clock, "a"))
    first = world.ledger.snapshot()
    world.ledger.apply(listing(world.clock, "a"))
    second = world.ledger.snapshot()
    assert second.chunks[CREATED, HERE] is first.chunks[CREATED, HERE]


# -- events --------------------------------------------------------------------------------------------------------

JOBS = "sagemaker_job_state_changes_total"
DURATION = "sagemaker_job_duration_seconds"
JOB = ("123456789012", "eu-west-1", "training", "Failed")


def event(identity, at=T0, seconds=None):
    effects = [Effect(JOBS, JOB)]
    if seconds is not None:
        effects.append(Effect(DURATION, JOB[:3], seconds, buckets=(60.0, 600.0)))
    return Event("job", identity, at, HERE, tuple(effects))


def road(clock, *events, receipts=(), **more):
    return Reading("job_events", None, clock.now(), events=events, receipts=receipts, **more)


def test_event_is_counted_once_however_often_it_comes(world):
    assert world.ledger.apply(road(world.clock, event("a"), event("b"), event("a"))).events == {
        "counted": 2,
        "repeated": 1,
    }
    world.restart()
    assert world.ledger.apply(road(world.clock, event("b"), event("c"))).events == {"repeated": 1, "counted": 1}
    world.serve()
    world.clock.forward(130)
    world.ledger.apply(road(world.clock))
    assert world.value(JOBS, JOB) == 3.0


def test_an_event_that_two_sources_tell_of_is_counted_once(world):
    world.ledger.apply(road(world.clock, event("a")))
    polled = Reading("job_polling", HERE, world.clock.now(), events=(event("a"), event("b")))
    assert world.ledger.apply(polled).events == {"repeated": 1, "counted": 1}


def test_who_asks_is_told_which_events_are_counted(world):
    world.ledger.apply(road(world.clock, event("a"), event("b")))
    known = world.ledger.known("job_events", HERE)
    assert known.counted("job", ["b", "c"]) == {"b"}
    assert known.counted("cloudtrail/call", ["b"]) == set()
    world.restart()
    assert world.ledger.known("job_events", HERE).counted("job", ["b", "c"]) == {"b"}


def test_nobody_is_told_of_what_may_not_stay(tmp_path, monkeypatch):
    """A source that skipped an event because its count was just being written would lose it, if that was refused."""
    made = World(lambda: SqliteStore(tmp_path / "ledger.db"))
    known, told = made.ledger.known("job_events", HERE), []
    asks = threading.Thread(target=lambda: told.append(known.counted("job", ["a"])))

    def refuse(notes):
        asks.start()
        asks.join(0.2)  # it waits for the end of this
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(made.store, "_write_notes", refuse)
    with pytest.raises(LedgerError):
        made.ledger.apply(road(made.clock, event("a")))
    asks.join(30)
    assert told == [set()]
    made.ledger.close()


def test_event_counter_stands_at_zero_first(world):
    world.ledger.apply(road(world.clock, event("a", seconds=90.0)))
    assert world.value(JOBS, JOB) == 0.0
    assert world.value(DURATION, JOB[:3], "+Inf") == 0.0
    world.clock.forward(130)
    world.ledger.apply(road(world.clock))
    assert world.value(JOBS, JOB) == 1.0
    assert [world.value(DURATION, JOB[:3], part) for part in ("60.0", "600.0", "+Inf", "sum", "count")] == [
        0.0,
        1.0,
        1.0,
        90.0,
        1.0,
    ]


SEEDS = (Effect(JOBS, JOB), Effect(DURATION, JOB[:3], buckets=(60.0, 600.0)))


def polled(clock, *events, **more):
    return Reading("job_polling", HERE, clock.now(), events=events, **more)


def test_what_events_feed_stands_at_zero_from_its_seed_on_and_a_seed_never_takes_anything_back(world):
    world.ledger.apply(polled(world.clock, seeds=SEEDS))
    assert world.value(JOBS, JOB) == 0.0
    assert [world.value(DURATION, JOB[:3], part) for part in ("60.0", "600.0", "+Inf", "sum", "count")] == [0.0] * 5
    world.clock.forward(130)
    world.ledger.apply(polled(world.clock, event("a", seconds=90.0)))
    assert world.value(JOBS, JOB) == 1.0, "its first 0 has been seen"
    world.restart()
    world.ledger.apply(polled(world.clock, event("b", seconds=90.0), seeds=SEEDS))
    world.serve()
    world.clock.forward(130)
    world.ledger.apply(polled(world.clock, seeds=SEEDS))
    assert world.value(JOBS, JOB) == 2.0
    assert world.value(DURATION, JOB[:3], "600.0") == 2.0


def test_what_has_ended_leaves_with_its_total_and_begins_anew(world):
    world.ledger.apply(polled(world.clock, event("a", seconds=90.0)))
    world.serve()
    world.clock.forward(130)
    world.ledger.apply(polled(world.clock, event("b"), ended=SEEDS, seeds=SEEDS[:1]))
    assert world.value(JOBS, JOB) == 0.0, "of the new one"
    assert world.value(DURATION, JOB[:3], "sum") is None
    world.ledger.apply(polled(world.clock, ended=SEEDS))
    assert world.value(JOBS, JOB) is None
    world.restart()
    assert world.value(JOBS, JOB) is None
    world.ledger.apply(polled(world.clock, ended=SEEDS))
    world.ledger.apply(polled(world.clock, event("c")))
    world.serve()
    world.clock.forward(130)
    world.ledger.apply(polled(world.clock))
    assert world.value(JOBS, JOB) == 1.0


def test_what_is_hidden_keeps_its_total_over_restarts_and_goes_on_once_it_is_seeded_or_counted(world):
    world.ledger.apply(polled(world.clock, event("a", seconds=90.0)))
    world.serve()
    world.clock.forward(130)
    world.ledger.apply(polled(world.clock, hidden=SEEDS))
    assert world.value(JOBS, JOB) is None
    assert world.value(DURATION, JOB[:3], "sum") is None
    world.restart()
    world.ledger.apply(polled(world.clock, hidden=(*SEEDS, Effect(CREATED, ("never", "seen")))))
    assert world.value(JOBS, JOB) is None
    world.ledger.apply(polled(world.clock, event("b"), seeds=SEEDS[1:]))
    world.serve()
    world.clock.forward(130)
    world.ledger.apply(polled(world.clock))
    assert world.value(JOBS, JOB) == 2.0
    assert world.value(DURATION, JOB[:3], "sum") == 90.0


def test_totals_of_a_family_that_is_off_are_not_shown_and_go_on_when_it_is_on_again(world):
    world.ledger.apply(polled(world.clock, event("a", seconds=90.0), seeds=SEEDS))
    world.serve()
    world.clock.forward(130)
    world.ledger.rule(Rules(), 130.0, [JOBS])
    assert world.value(JOBS, JOB) is None
    assert world.value(DURATION, JOB[:3], "sum") == 0.0, "only its own"
    world.ledger.apply(polled(world.clock, event("b", seconds=90.0), seeds=SEEDS))
    assert world.value(JOBS, JOB) is None
    world.ledger.rule(Rules(), 130.0)
    world.ledger.apply(polled(world.clock))
    assert world.value(JOBS, JOB) == 2.0
    assert world.value(DURATION, JOB[:3], "sum") == 180.0


def test_a_first_zero_that_nobody_sees_for_its_family_is_off_is_not_over(world):
    world.ledger.rule(Rules(), 130.0, [JOBS])
    world.ledger.apply(polled(world.clock, event("a")))
    world.serve()
    world.clock.forward(600)
    world.ledger.rule(Rules(), 130.0)
    world.ledger.apply(polled(world.clock))
    assert world.value(JOBS, JOB) == 0.0
    world.serve()
    world.clock.forward(130)
    world.ledger.apply(polled(world.clock))
    assert world.value(JOBS, JOB) == 1.0


def test_event_that_is_too_old_is_not_counted(world):
    assert world.ledger.apply(road(world.clock, event("a", at=T0 - 1), not_before=T0)).events == {"too_old": 1}


def test_identities_are_kept_a_day_longer_than_an_event_may_count(world):
    world.ledger.apply(road(world.clock, event("a"), not_before=T0))
    world.ledger.apply(road(world.clock, event("b", at=T0 + 3 * DAY), not_before=T0 + DAY))
    assert world.store.seen("job", ["a"]) == {"a"}
    world.ledger.apply(road(world.clock, event("c", at=T0 + 3 * DAY), not_before=T0 + DAY + 1))
    assert world.store.seen("job", ["a", "b"]) == {"b"}


def test_how_many_identities_are_remembered_and_since_when(world):
    assert world.ledger.figures().identities == {}
    world.ledger.apply(road(world.clock, event("a", at=T0 + DAY), event("b"), event("b"), not_before=T0))
    other = Event("cloudtrail/call", "a", T0 + 5, HERE, ())
    world.ledger.apply(road(world.clock, event("c", at=T0 + 2 * DAY), event("a", at=T0 + DAY), other))
    for _ in range(2):
        assert world.ledger.figures().identities == {"job": (3, T0), "cloudtrail/call": (1, T0 + 5)}
        world.restart()
    world.ledger.apply(road(world.clock, event("d", at=T0 + 9 * DAY), not_before=T0 + 2 * DAY))
    assert world.ledger.figures().identities["job"] == (3, T0 + DAY), "the oldest one is forgotten"
    world.ledger.apply(road(world.clock, event("e"), not_before=T0 + 20 * DAY))
    assert world.ledger.figures().identities == {"job": (0, None), "cloudtrail/call": (1, T0 + 5)}


def test_identities_of_a_commit_that_was_refused_are_not_remembered(tmp_path):
    made = World(lambda: SqliteStore(tmp_path / "ledger.db"))
    made.ledger.apply(road(made.clock, event("a")))
    made.store._db.execute("PRAGMA query_only = ON")  # as on a disk that has become read-only
    with pytest.raises(LedgerError, match="readonly"):
        made.ledger.apply(road(made.clock, event("b")))
    assert made.ledger.figures().identities == {"job": (1, T0)}
    made.ledger.close()


def test_notes_are_kept_by_source_and_target(world):
    world.ledger.apply(Reading("cloudtrail", HERE, T0, notes={"until": T0, "open": ["a"]}))
    world.ledger.apply(Reading("cloudtrail", HERE, T0, notes={"open": None}))
    world.restart()
    assert world.ledger.known("cloudtrail", HERE).notes == {"until": T0}
    there = Target("1", "eu-west-1")
    assert world.ledger.known("cloudtrail", there).notes == {}
    world.ledger.apply(Reading("cloudtrail", there, T0, notes={"until": 1.0}))
    world.ledger.apply(Reading("quotas", there, T0, notes={"until": 2.0}))
    assert world.ledger.notes("cloudtrail") == {HERE: {"until": T0}, there: {"until": 1.0}}


@pytest.fixture
def noted(world, monkeypatch):
    """The notes of each commit of the world, as they are written."""
    written, commit = [], world.store.commit

    def spy(changes):
        commit(changes)
        written.append({name: note for notes in changes.notes.values() for name, note in notes.items()})

    monkeypatch.setattr(world.store, "commit", spy)
    return written


def test_notes_that_are_those_in_the_books_are_not_written_again(world, noted):
    long = {f"group {n}": [1] for n in range(3)}
    world.ledger.apply(Reading("metrics", HERE, T0, notes={"long": long, "attended": 1.0}))
    world.ledger.apply(Reading("metrics", HERE, T0, notes={"long": dict(long), "attended": 2.0, "never": None}))
    world.ledger.apply(Reading("metrics", HERE, T0, notes={"long": dict(long), "attended": 2.0}))
    world.ledger.apply(Reading("metrics", None, T0, notes={"long": long}))
    world.ledger.apply(Reading("metrics", HERE, T0, notes={"long": None}))
    world.ledger.apply(Reading("metrics", HERE, T0, notes={"long": long}))
    assert noted == [
        {"long": long, "attended": 1.0},
        {"attended": 2.0},
        {"long": long},
        {"long": None},
        {"long": long},
    ], "with nothing to write there is no commit"
    world.restart()
    assert world.ledger.known("metrics", HERE).notes == {"long": long, "attended": 2.0}


def test_a_note_that_changes_and_is_as_before_in_one_batch_is_as_before(world):
    world.ledger.apply(Reading("metrics", HERE, T0, notes={"a": 1}))
    stage = Stage(world.ledger._books, world.store, Rules())
    for note in (2, 1):
        stage.add(Reading("metrics", HERE, T0, notes={"a": note}))
    assert stage.changes.notes == {("metrics", HERE): {"a": 1}}


def test_the_lives_of_jobs_are_known_to_all_sources_until_cloudwatch_lists_their_hosts_no_more(world):
    def known():
        return {job: tuple(life) for job, life in world.ledger.known("cloudwatch_metrics", HERE).lives.items()}

    world.ledger.apply(Reading("job_events", HERE, T0, lives={"training/a": (T0, True), "transform/a": (T0 - 9, True)}))
    world.ledger.apply(Reading("job_polling", HERE, T0, lives={"training/a": (T0 - 60, False)}))
    assert known() == {"training/a": (T0, True), "transform/a": (T0 - 9, True)}, "what comes late is not newer"
    world.ledger.apply(Reading("job_polling", HERE, T0, lives={"training/a": (T0 + 60, False)}))
    world.restart()
    assert known() == {"training/a": (T0 + 60, False), "transform/a": (T0 - 9, True)}
    at = T0 + 4 * HOUR
    world.ledger.apply(Reading("job_polling", HERE, at, lives={"training/b": (at, True), "training/c": (T0 - 9, True)}))
    assert known() == {"training/a": (T0 + 60, False), "training/b": (at, True)}


# -- a store that refuses --------------------------------------------------------------------------------------------


def test_refused_commit_counts_nothing_and_still_shows_samples(world, monkeypatch):
    world.clock.forward(5 * MINUTE)
    world.counted({T0 + 60: 5.0})

    def refuse(changes):
        raise LedgerError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "commit", refuse)
        sample = Sample(CREATED, LABELS[:3], 1.0)
        with pytest.raises(LedgerError, match="disk is full"):
            world.apply(read(world.clock, {T0 + 60: 5.0, T0 + 240: 1.0}, T0), samples=(sample,))
        with pytest.raises(LedgerError):
            world.ledger.apply(road(world.clock, event("a")))
        assert world.value() == 5.0
        assert world.value(CREATED, LABELS[:3]) == 1.0
        world.ledger.apply(
            Reading("own", None, T0, samples=(Sample("sagemaker_exporter_ready", (), 1.0),), volatile=True)
        )
        assert world.value("sagemaker_exporter_ready", ()) == 1.0
    assert world.ledger.apply(road(world.clock, event("a"))).events == {"counted": 1}
    world.apply(read(world.clock, {T0 + 60: 5.0, T0 + 240: 1.0}, T0))
    assert world.value() == 6.0


def test_reading_that_cant_be_applied_fails_alone(world):
    world.clock.forward(5 * MINUTE)
    broken = Reading("cloudwatch_metrics", HERE, T0, reads=(None,))
    with pytest.raises(AttributeError):
        world.ledger.apply(broken)
    assert world.counted({T0 + 60: 5.0}) == 5.0


def test_a_note_that_cant_be_written_down_fails_alone(world, monkeypatch):
    """Also in one batch with others, which is what two sources at once make of it."""
    held, free = threading.Event(), threading.Event()
    commit = world.store.commit

    def slow(changes):
        held.set()
        assert free.wait(30)
        commit(changes)

    def fail(changes):
        if any(isinstance(note, threading.Event) for notes in changes.notes.values() for note in notes.values()):
            raise TypeError("no such thing can be written down")
        commit(changes)

    monkeypatch.setattr(world.store, "commit", slow)
    world.clock.forward(5 * MINUTE)
    strange = Reading("other", HERE, T0, notes={"a": held})
    with ThreadPoolExecutor(3) as sources:
        first = sources.submit(world.ledger.apply, Reading("first", HERE, T0, notes={"a": 1}))
        assert held.wait(30)
        good = sources.submit(world.apply, read(world.clock, {T0 + 60: 5.0}, T0))
        bad = sources.submit(world.ledger.apply, strange)
        wait_for(lambda: world.ledger._waiting.qsize() == 2)
        monkeypatch.setattr(world.store, "commit", fail)
        free.set()
        first.result()
        good.result()
        with pytest.raises(TypeError, match="written down"):
            bad.result()
    assert world.value() == 0.0
    assert world.ledger.known("other", HERE).notes == {}


def test_a_disk_that_can_not_be_looked_at_loses_no_event(world, monkeypatch):
    world.ledger.apply(road(world.clock, event("a")))

    def refuse():
        raise PermissionError("no")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "size", refuse)
        world.ledger.apply(road(world.clock, event("b")))
        assert world.ledger.figures().size_bytes is None
    world.ledger.apply(road(world.clock, event("c")))
    world.serve()
    world.clock.forward(130)
    world.ledger.apply(road(world.clock))
    assert world.value(JOBS, JOB) == 3.0


def test_a_counter_that_is_forgotten_at_its_first_0_takes_nothing_with_it(world):
    world.clock.forward(5 * MINUTE)
    world.apply(read(world.clock, {T0 + 60: 3.0}, T0))
    assert world.value() == 0.0
    world.apply(forget=(VARIANT,))
    world.clock.forward(130)
    other = Resource(HERE, "AWS/SageMaker", (("EndpointName", "b"), ("VariantName", "m")), (*LABELS[:2], "b", "m"))
    world.apply(read(world.clock, {}, T0, resource=other))
    assert world.value(labels=other.labels) == 0.0


def test_a_close_waits_for_a_long_transaction_and_for_what_waits_behind_it(world, monkeypatch):
    """As a SIGTERM does: what was read by then is counted."""
    begun, free = threading.Event(), threading.Event()
    commit = world.store.commit

    def slow(changes):
        begun.set()
        assert free.wait(30)
        commit(changes)

    monkeypatch.setattr(world.store, "commit", slow)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(world.ledger.apply, road(world.clock, event("a")))
        assert begun.wait(30)
        second = threads.submit(world.ledger.apply, road(world.clock, event("b")))
        wait_for(lambda: world.ledger._waiting.qsize() == 1)
        closing = threads.submit(world.ledger.close)
        wait_for(lambda: world.ledger._closed)
        assert not any(one.done() for one in (first, second, closing))
        free.set()
        assert [one.result().events for one in (first, second)] == [{"counted": 1}] * 2
        closing.result()
    monkeypatch.undo()
    world.open()
    assert world.ledger.figures().identities["job"].identities == 2


def together(clock, counters, until, begin=None):
    """Return a reading of counters at once, which stand on the page until some time."""
    end = int(clock.now()) // MINUTE * MINUTE + MINUTE
    keys = tuple((counter.metric, counter.stat) for counter in counters)
    blocks = ((T0, array("d", [5.0] * len(keys)), array("H", [1] * len(keys))),)
    said = Bulk(keys, tuple(counters), bytes(len(keys)), blocks, begin)
    return Read(VARIANT, Window(T0, end, MINUTE, clock.monotonic(), clock.now()), until=until, bulk=said)


def test_a_refused_commit_leaves_each_counter_its_own_lease(world, monkeypatch):
    """Also where the counters would have come to stand in another order."""
    now, hourly = world.clock.now(), LATENCY_COUNT
    world.ledger.apply(reading(world.clock, together(world.clock, [INVOCATIONS], now + 900, T0)))
    world.ledger.apply(reading(world.clock, together(world.clock, [hourly], now + 3 * HOUR, T0)))
    world.clock.forward(MINUTE)

    def refuse(changes):
        raise LedgerError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "commit", refuse)
        again = together(world.clock, [INVOCATIONS, LATENCY_SUM], world.clock.now() + 900, T0)
        with pytest.raises(LedgerError):
            world.ledger.apply(reading(world.clock, again))
    meter = world.ledger.known("cloudwatch_metrics", HERE).meters[VARIANT]
    leases = {key: meter.lease[i] - now for key, i in meter.position.items()}
    assert leases == {("Invocations", "Sum"): 960.0, (hourly.metric, hourly.stat): 3 * HOUR}


def test_a_ledger_that_is_closed_refuses(world):
    world.ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        world.apply()
    world.open()


def test_a_zero_that_was_served_is_not_forgotten_by_a_commit_that_was_refused(world, monkeypatch):
    world.clock.forward(5 * MINUTE)
    world.apply(read(world.clock, {T0 + 60: 3.0}, T0))
    assert world.value() == 0.0
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "commit", refuse)
        with pytest.raises(LedgerError):
            world.apply(read(world.clock, {T0 + 60: 3.0}, T0))
    served = world.clock.now()
    world.clock.forward(60)
    world.apply(read(world.clock, {T0 + 60: 3.0}, T0))
    (meter,) = world.store.load().meters
    assert list(meter.first_shown) == [served]


def test_the_first_0_is_timed_by_a_clock_that_nobody_sets(world):
    world.clock.forward(5 * MINUTE)
    world.apply(read(world.clock, {T0 + 60: 3.0}, T0))
    assert world.value() == 0.0
    world.clock.time += HOUR
    world.apply(read(world.clock, {T0 + 60: 3.0}, T0))
    assert world.value() == 0.0


def test_a_note_of_a_commit_that_was_refused_is_written_by_the_next_one(world, noted, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "commit", refuse)
        with pytest.raises(LedgerError):
            world.ledger.apply(Reading("metrics", HERE, T0, notes={"a": 1}))
    world.ledger.apply(Reading("metrics", HERE, T0, notes={"a": 1}))
    assert noted == [{"a": 1}]


def refuse(changes):
    raise LedgerError("the disk is full")


# -- the file --------------------------------------------------------------------------------------------------------


def test_second_process_is_refused(tmp_path):
    store = SqliteStore(tmp_path / "ledger.db")
    with pytest.raises(LedgerUnusableError, match="another process holds the ledger"):
        SqliteStore(tmp_path / "ledger.db")
    store.close()
    SqliteStore(tmp_path / "ledger.db").close()


def test_file_of_another_program_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "ledger.db") as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    with pytest.raises(LedgerUnusableError, match="database of another program"):
        SqliteStore(tmp_path / "ledger.db")


def test_damaged_file_is_refused_and_can_be_moved_aside(tmp_path):
    path = tmp_path / "ledger.db"
    path_was = b"not a database at all" * 100
    path.write_bytes(path_was)
    with pytest.raises(LedgerUnusableError, match=r"--ledger\.move-aside"):
        SqliteStore(path)
    moved = move_aside(path, "broken")
    assert moved.read_bytes() == path_was
    SqliteStore(path).close()
    again = move_aside(path, "broken")
    assert again != moved
    assert moved.read_bytes() == path_was, "what was kept is kept"


def test_a_page_of_garbage_or_a_file_cut_short_is_refused_or_was_of_no_use(tmp_path):
    """Wherever it lies: what opens holds all that was counted."""
    path = tmp_path / "ledger.db"
    made = World(lambda: SqliteStore(path))
    made.clock.forward(5 * MINUTE)
    for n in range(120):
        labels = (*LABELS[:2], f"endpoint-{n}", "main")
        dimensions = (("EndpointName", labels[2]), ("VariantName", "main"))
        resource = Resource(HERE, "AWS/SageMaker", dimensions, labels)
        made.apply(read(made.clock, {T0 + 60: float(n)}, T0, resource=resource), notes={f"note {n}": "x" * 200})
        made.ledger.apply(road(made.clock, event(f"event {n}")))
    made.ledger.close()
    whole = path.read_bytes()
    counted = opened(path)
    size = 4096
    refused = 0
    for page in range(len(whole) // size):
        begin = page * size
        garbage, nothing = (whole[:begin] + byte * size + whole[begin + size :] for byte in (b"\xa5", b"\0"))
        for damaged in (garbage, nothing, whole[: begin + size // 2]):
            path.write_bytes(damaged)
            try:
                assert opened(path) == counted, page
            except LedgerUnusableError:
                refused += 1
                assert path.read_bytes() == damaged, "the user's file is not touched"
    assert refused == 3 * len(whole) / size, "what no start reads is found as well"


@pytest.mark.parametrize(
    "damage",
    ["meters SET state = x'93010203'", "meters SET labels = NULL", "notes SET note = NULL", "totals SET parts = 'a'"],
)
def test_values_that_nobody_has_written_are_refused(tmp_path, damage):
    path = tmp_path / "ledger.db"
    made = World(lambda: SqliteStore(path))
    made.clock.forward(5 * MINUTE)
    made.apply(read(made.clock, {T0 + 60: 1.0}, T0), notes={"a": 1}, events=(event("a"),))
    made.ledger.close()
    with sqlite3.connect(path) as db:
        db.execute(f"UPDATE {damage}")
    db.close()
    with pytest.raises(LedgerUnusableError, match=r"--ledger\.move-aside"):
        opened(path)


def opened(path):
    """Return what a start finds in a ledger."""
    store = SqliteStore(path)
    try:
        state = store.load()
        meters = {meter.resource: meter.dump() for meter in state.meters}
        return meters, dict(state.totals), dict(state.notes), store.remembered()
    finally:
        store.close()


def test_an_empty_file_is_a_new_ledger(tmp_path):
    (tmp_path / "ledger.db").touch()
    made = World(lambda: SqliteStore(tmp_path / "ledger.db"))
    made.ledger.apply(road(made.clock, event("a")))
    made.restart()
    assert made.ledger.figures().identities == {"job": (1, T0)}
    made.ledger.close()


def test_a_folder_is_never_moved_aside(tmp_path):
    """A slip in a path must not take more away than a ledger."""
    folder = tmp_path / "home"
    folder.mkdir()
    for use in (SqliteStore, lambda path: move_aside(path, "old")):
        with pytest.raises(LedgerUnusableError, match="home: it is no file"):
            use(folder)
    assert [file.name for file in tmp_path.iterdir()] == ["home"]


def test_newer_schema_is_refused(tmp_path):
    path = tmp_path / "ledger.db"
    SqliteStore(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LedgerUnusableError, match="schema 99"):
        SqliteStore(path)
