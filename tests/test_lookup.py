"""LookupEvents by passes: complete however late records are and however little time a run has, and not too often."""

from __future__ import annotations

import bisect
import itertools
import json
import math
import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import T0

from exporter.aws import AwsError
from exporter.model import DAY, HOUR, MINUTE
from exporter.sources.cloudtrail.lookup import KEPT, NARROW, PAGES, Going, Passes, read_until, run, turns

OVERLAP = 20.0 * MINUTE


class History:
    """CloudTrail's event history: newest first, both ends inclusive, whole seconds, 50 a page.

    A call takes `pace` seconds. A token is good for the parameters that it came with only, and keeps its place among
    what comes late meanwhile.
    """

    def __init__(self, now=T0, pace=1.0):
        self.now = float(now)
        self.pace = pace
        self.records = []  # time of the call, when it is there, id
        self.calls = []
        self.tokens, self.stale = [], set()
        self.fails = lambda: False

    def add(self, at, late=0.0, name=None):
        record = (math.floor(at), at + late, name or f"e-{len(self.records)}")
        bisect.insort(self.records, record, key=lambda one: (-one[0], one[2]))

    def __call__(self, params):
        self.now += self.pace
        self.calls.append(self.now)
        if self.fails():
            raise AwsError("throttled", "LookupEvents: Rate exceeded")
        window = params["StartTime"], params["EndTime"]
        token = params.get("NextToken")
        if token and token in self.stale:
            raise AwsError("bug", "LookupEvents: InvalidNextTokenException")
        *same, at, name = json.loads(token) if token else (*window, window[1] + 1, "")
        assert tuple(same) == window, "a token with other parameters"
        page, more = [], False
        for record in self.records[bisect.bisect(self.records, (-at, name), key=lambda one: (-one[0], one[2])) :]:
            if record[0] < window[0] or more:
                break
            if record[1] <= self.now:
                more = len(page) == params["MaxResults"]
                page += [] if more else [record]
        answer = {"Events": [{"EventId": name, "EventTime": float(at)} for at, _, name in page]}
        if more:
            answer["NextToken"] = json.dumps([*window, page[-1][0], page[-1][2]])
            self.tokens.append(answer["NextToken"])
        return answer


class Reader:
    """Runs again and again, as a source does: what it knows stands in a note, and is lost where a commit is refused."""

    def __init__(self, history, every=60.0):
        self.history, self.every = history, every
        self.begun = history.now
        self.passes = Passes(self.begun)
        self.found = Counter()

    def run(self, *, committed=True):
        before = self.history.now
        passes = msgspec.convert(msgspec.to_builtins(self.passes, str_keys=True), Passes, strict=False)
        limit = before + 0.8 * self.every
        found = run(passes, self.begun, OVERLAP, self.history, lambda: self.history.now, limit)
        if committed:
            self.passes = passes
            self.found.update(entry["EventId"] for entry in found.entries)
        self.history.now = max(self.history.now, before + self.every)
        return found


def test_an_idle_run_is_one_call_and_wider_ones_take_turns():
    history = History()
    reader = Reader(history)
    reader.run()
    first = len(history.calls)
    assert first == 4, "what is new, and all that is wider"
    for _ in range(24 * 60 - 1):
        reader.run()
    wide = DAY / (10 * MINUTE) + 24
    assert len(history.calls) - first == pytest.approx(24 * 60 + wide, abs=3)


def test_thirty_thousand_records_in_the_window_are_all_found_by_less_than_two_calls_a_second():
    luck = random.Random(1)
    history = History()
    reader = Reader(history)
    for _ in range(30_000):
        history.add(T0 + luck.uniform(0, 15 * MINUTE), late=luck.uniform(0, 15 * MINUTE))
    for _ in range(120):
        reader.run()
    assert set(reader.found) == {name for *_, name in history.records}
    assert all(b - a >= 0.5 for a, b in itertools.pairwise(history.calls))


def test_a_pass_that_takes_longer_than_its_turn_rests_as_long():
    """100 records a minute are 2 calls of 10 s; a run has time for some two more, and the overlap is 40 calls."""
    history = History(pace=10.0)
    reader = Reader(history)
    begins = []
    for n in range(200):
        for k in range(100):
            history.add(T0 + n * MINUTE + k * 0.6)
        reader.run()
        if reader.passes.done.get(OVERLAP) not in {None, *begins}:
            begins.append(reader.passes.done[OVERLAP])
    between = [b - a for a, b in itertools.pairwise(begins)]
    assert len(between) == 2
    assert between[1] > 2 * 20 * MINUTE, "as long a rest as it took"


def test_a_long_pass_does_not_keep_what_is_new_waiting():
    """The day's pass takes hours here; a record that is five minutes late is found by the overlap all the while."""
    history = History(pace=2.0)
    reader = Reader(history)
    worst = 0.0
    for n in range(9 * 60):
        for k in range(30):
            history.add(T0 + n * MINUTE + k * 2.0, late=5.0 * MINUTE)
        if n == 6 * 60:  # as after a day
            reader.passes.done[48.0 * HOUR] = -math.inf
        reader.run()
        missing = [at for at, _, name in history.records if name not in reader.found]
        worst = max(worst, history.now - min(missing, default=history.now))
    assert worst < 45 * MINUTE
    assert read_until(reader.passes, OVERLAP, history.now) > history.now - 40 * MINUTE


def test_until_when_all_is_read_is_told_by_the_overlap_where_that_is_late():
    passes = Passes(T0, done={OVERLAP: T0 - HOUR, 48.0 * HOUR: T0})
    assert read_until(passes, OVERLAP, T0 - HOUR + 15 * MINUTE) == T0
    assert read_until(passes, OVERLAP, T0) == T0 - HOUR


def test_turns_of_an_overlap_that_is_one_of_the_others_are_the_more_frequent_ones():
    assert turns(3.0 * HOUR) == {3.0 * HOUR: 10.0 * MINUTE, 48.0 * HOUR: float(DAY)}


def test_passes_of_an_overlap_that_has_been_changed_are_forgotten():
    history = History()
    passes = Passes(T0 - HOUR, done={900.0: T0}, rest={900.0: T0}, going={900.0: Going(T0 - 900, T0, 900.0, T0)})
    run(passes, T0 - DAY, OVERLAP, history, lambda: history.now, math.inf)
    assert set(passes.done) == set(turns(OVERLAP))
    assert not passes.going


def test_where_the_clock_was_set_back_behind_the_beginning_nothing_is_asked():
    history = History()
    assert run(Passes(T0 + HOUR), T0 + HOUR, OVERLAP, history, lambda: history.now, math.inf).entries == []
    assert history.calls == []


def test_a_run_reads_no_more_than_it_may_hold():
    history = History()
    reader = Reader(history, every=3600.0)
    for n in range(PAGES * 50 + 500):
        history.add(T0 + n / 10)
    history.now += 3000
    assert len(reader.run().entries) <= (PAGES + 1) * 50
    for _ in range(3):
        reader.run()
    assert set(reader.found) == {name for *_, name in history.records}


def test_an_outage_is_caught_up_and_what_came_late_before_it_too():
    history = History()
    reader = Reader(history)
    reader.run()
    history.add(T0 + 50, late=14 * MINUTE)
    reader.run()
    for n in range(3000):
        history.add(T0 + 2 * MINUTE + n * 60)
    history.now = T0 + 3 * DAY
    for _ in range(20):
        reader.run()
    assert set(reader.found) == {name for at, _, name in history.records if at <= history.now}


def test_nothing_before_the_beginning_nor_before_what_cloudtrail_keeps_is_asked_for():
    history = History()
    reader = Reader(history)
    starts = []

    def ask(params):
        starts.append(params["StartTime"])
        return history(params)

    run(reader.passes, reader.begun, OVERLAP, ask, lambda: history.now, math.inf)
    assert min(starts) == T0
    starts.clear()
    history.now += 200 * DAY
    run(reader.passes, reader.begun, OVERLAP, ask, lambda: history.now, math.inf)
    assert min(starts) >= history.now - KEPT - MINUTE


def test_what_was_read_before_an_error_counts_and_the_pass_goes_on_there():
    history = History()
    reader = Reader(history)
    for n in range(400):
        history.add(T0 + n)
    history.now += 500
    reader.passes.until = history.now - HOUR
    history.fails = lambda: len(history.calls) == 3
    found = reader.run()
    assert found.error is not None
    assert len(found.entries) == 100
    calls = len(history.calls)
    for _ in range(2):
        assert reader.run().error is None
    assert set(reader.found) == {name for *_, name in history.records}
    assert len(history.calls) - calls <= 4 * 400 / 50 + 4, "nothing is read from its beginning again"


def test_where_a_token_is_refused_the_pass_goes_on_at_the_oldest_record():
    history = History()
    reader = Reader(history, every=3.0)
    for n in range(400):
        history.add(T0 + n)
    history.now += 500
    reader.run()
    history.stale.update(history.tokens)
    assert reader.run().error is not None
    while reader.passes.going:
        assert reader.run().error is None
    assert set(reader.found) == {name for *_, name in history.records}
    assert sum(reader.found.values()) <= 4 * 400 + 4 * 50, "nothing is read from its beginning again"


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 400), st.sampled_from([1.0, 60.0, 300.0]))
def test_all_that_is_there_within_a_day_of_its_call_is_found(seed, number, every):
    """With failures, commits that are refused, pages full of one second, and outages in between."""
    luck = random.Random(seed)
    history = History()
    reader = Reader(history, every)
    for _ in range(number):
        at = T0 + luck.choice([luck.uniform(0, 6 * HOUR), 3 * HOUR + luck.choice([0, 1, 2])])
        history.add(at, late=luck.choice([0.0, luck.uniform(0, 15 * MINUTE), luck.uniform(0, 20 * HOUR)]))
    history.fails = lambda: luck.random() < 0.1
    for _ in range(60):
        reader.run(committed=luck.random() < 0.9)
        history.now += luck.choice([0, MINUTE, HOUR])
    history.fails = lambda: False
    history.now = max(history.now, T0 + 27 * HOUR)
    for _ in range(3 * 24 * 3):
        reader.run()
        history.now += 20 * MINUTE
    assert set(reader.found) == {name for *_, name in history.records}


def test_what_is_widest_has_in_it_all_that_is_narrower():
    assert sorted(turns(OVERLAP)) == [OVERLAP, 3 * HOUR, 48 * HOUR]
    assert min(turns(OVERLAP)) > NARROW
