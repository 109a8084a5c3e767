"""When things run: hours of fake time for the arithmetic, real threads for the rest."""

from __future__ import annotations

import logging
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import HERE, T0, FakeClock, wait_for

from exporter.model import HOUR
from exporter.scheduler import WORKERS, Entry, Schedule, Scheduler
from exporter.tally import Tally

# -- arithmetic --------------------------------------------------------------------------------------------------------


class Day:
    """A schedule, looked at each half second, on which runs take as long as they are told to."""

    def __init__(self, *entries, step=0.5):
        self.schedule = Schedule()
        self.now = float(T0)
        self.step = step
        self.takes = dict.fromkeys((entry.name for entry in entries), 0.0)
        self.log = {entry.name: [] for entry in entries}
        self.late = {entry.name: [] for entry in entries}
        self._ends = []
        for entry in entries:
            self.schedule.add(entry, self.now)

    def tick(self):
        for ended in [one for one in self._ends if one[0] <= self.now]:
            self._ends.remove(ended)
            Schedule.ended(ended[1])
        for entry in self.schedule.due(self.now):
            self.late[entry.name].append(Schedule.started(entry, self.now))
            self.log[entry.name].append(self.now - T0)
            self._ends.append((self.now + self.takes[entry.name], entry))

    def forward(self, seconds):
        end = self.now + seconds
        while self.now < end:
            self.tick()
            self.now += self.step


def entry(name="a", every=60.0, **more):
    return Entry(name, every, lambda: None, **more)


def test_a_run_starts_at_once_and_then_on_its_interval():
    day = Day(entry())
    day.forward(HOUR)
    assert day.log["a"] == [60.0 * n for n in range(60)]
    assert day.schedule.entries[0].missed == {}


def test_runs_do_not_drift():
    day = Day(entry(every=7.0), step=0.4)
    day.forward(2 * HOUR)
    assert len(day.log["a"]) == pytest.approx(2 * HOUR / 7, abs=1)
    assert max(day.late["a"]) <= 0.4
    assert all(abs(at - 7 * n) <= 0.4 for n, at in enumerate(day.log["a"]))


def test_a_long_run_is_not_overtaken_and_what_it_cost_is_counted():
    one = entry()
    day = Day(one)
    day.takes["a"] = 200.0
    day.forward(250)
    assert day.log["a"] == [0.0, 200.0]
    assert one.missed == {"still_running": 2}, "of 60, 120 and 180 one ran, late"
    assert day.late["a"] == [0.0, 20.0]


def test_a_run_that_is_a_little_too_long_runs_without_a_pause():
    one = entry()
    day = Day(one)
    day.takes["a"] = 61.0
    day.forward(HOUR)
    assert len(day.log["a"]) == pytest.approx(HOUR / 61, abs=1)
    assert one.missed.get("still_running", 0) <= 1


def test_a_machine_that_slept_runs_once_and_says_what_it_missed():
    one = entry()
    day = Day(one)
    day.forward(100)
    day.now += 3 * HOUR
    day.forward(100)
    assert [at for at in day.log["a"] if at > 100] == [3 * HOUR + 100.0, 3 * HOUR + 120.0, 3 * HOUR + 180.0]
    assert one.missed == {"missed": 179}


def test_a_clock_that_is_set_forward_and_back_does_not_stop_anything():
    day = Day(entry(every=600.0))
    day.forward(60)
    day.now -= 86_400
    day.forward(1300)
    assert len(day.log["a"]) == 1 + 2, "ten minutes later at the latest"
    day.now += 86_400
    day.forward(HOUR)
    assert len(day.log["a"]) == pytest.approx(3 + 6, abs=1)


def test_the_longest_planned_is_first():
    schedule = Schedule()
    names = ["c", "a", "b"]
    for n, name in enumerate(names):
        schedule.add(entry(name), T0 + n)
    assert [one.name for one in schedule.due(T0 + 10)] == names


def test_what_may_not_run_yet_waits_and_misses_nothing():
    listed = []
    one = entry(may=lambda: bool(listed))
    day = Day(one)
    day.forward(150)
    assert day.log["a"] == []
    listed.append(1)
    day.forward(60)
    assert day.log["a"] == [150.0, 180.0]
    assert one.missed == {}


def test_what_is_removed_does_not_run():
    one, other = entry("a"), entry("b")
    day = Day(one, other)
    day.forward(30)
    day.schedule.remove(one)
    day.forward(300)
    assert len(day.log["a"]) == 1
    assert len(day.log["b"]) == 6


@given(
    st.lists(
        st.tuples(st.sampled_from([5.0, 60.0, 600.0]), st.floats(0, 900), st.floats(-7200, 7200)),
        min_size=1,
        max_size=8,
    )
)
def test_each_planned_run_happens_or_is_counted(steps):
    """As long as the clock goes forward, runs and skips add up to the time that has passed."""
    one = entry()
    day = Day(one, step=5.0)
    day.forward(30)
    for every, takes, jump in steps:
        day.takes["a"] = takes
        if jump > 0:
            day.now += jump
        day.forward(every)
    planned = int((day.now - day.step - T0) // 60) + 1
    happened = len(day.log["a"]) + sum(one.missed.values())
    assert planned - 1 <= happened <= planned
    assert all(late >= 0 for late in day.late["a"])


# -- threads -----------------------------------------------------------------------------------------------------------


class Threads:
    """A scheduler on a clock that stands still, ticked by hand."""

    def __init__(self):
        self.clock = FakeClock()
        self.tally = Tally()
        self.scheduler = Scheduler(self.clock, self.tally)
        self.free = threading.Event()
        self.begun = threading.Semaphore(0)

    def add(self, name="inventory", run=None, **more):
        one = Entry(name, 60.0, run or self.block, more.pop("target", HERE), **more)
        self.scheduler.add(one)
        return one

    def block(self):
        self.begun.release()
        assert self.free.wait(30)

    def tick(self, seconds=0.0, begun=0):
        """Let time pass and tick; wait until so many runs have begun."""
        self.clock.forward(seconds)
        self.scheduler.tick()
        for _ in range(begun):
            assert self.begun.acquire(timeout=30)

    def end(self):
        """Let all that runs end."""
        self.free.set()
        assert self.scheduler.stop(30)

    def told(self, name, part=""):
        family = f"sagemaker_exporter_{name}"
        return {s.labels: s.value for s in self.tally.samples("own", 0.0) if s.family == family and s.part == part}


@pytest.fixture
def threads():
    made = Threads()
    yield made
    made.end()


def skipped(threads):
    return {labels[3]: value for labels, value in threads.told("scheduler_skipped_runs_total").items()}


def test_what_is_due_runs_in_a_thread_of_its_own(threads):
    threads.add()
    threads.add("cloudwatch_metrics")
    threads.tick(begun=2)
    assert threads.told("scheduler_lateness_seconds", "count") == {("inventory",): 1.0, ("cloudwatch_metrics",): 1.0}
    assert threads.told("source_interval_seconds") == {("inventory",): 60.0, ("cloudwatch_metrics",): 60.0}


def test_a_run_never_overlaps_itself(threads):
    threads.add()
    threads.tick(begun=1)
    for _ in range(5):
        threads.tick(60)
    assert not threads.begun.acquire(blocking=False)
    assert skipped(threads) == {"still_running": 4.0}


def test_a_sleep_of_the_machine_is_told(threads):
    done = threading.Event()
    one = threads.add(run=done.set)
    threads.tick()
    assert done.wait(30)
    wait_for(lambda: not one.running)
    threads.tick(HOUR)
    assert skipped(threads) == {"missed": 59.0}
    assert threads.told("scheduler_lateness_seconds", "sum") == {("inventory",): 0.0}


def test_a_bug_in_a_run_ends_neither_the_entry_nor_the_others(threads, caplog):
    def fail():
        threads.begun.release()
        raise ValueError("a bug")

    one = threads.add(run=fail)
    threads.add("cloudwatch_metrics")
    threads.tick(begun=2)
    wait_for(lambda: not one.running)
    threads.tick(60, begun=1)
    assert caplog.text.count("inventory ended with a bug") >= 1


def test_there_are_only_so_many_workers_and_the_longest_planned_goes_first(threads):
    for _ in range(WORKERS + 3):
        threads.add()
    threads.tick(begun=WORKERS)
    threads.tick(1)
    assert not threads.begun.acquire(blocking=False)
    waiting = [one for one in threads.scheduler._schedule.entries if not one.running]
    assert len(waiting) == 3
    threads.free.set()
    wait_for(lambda: not any(one.running for one in threads.scheduler._schedule.entries))
    threads.tick(1, begun=3)


def test_who_finds_no_worker_is_counted_as_such(threads):
    for _ in range(WORKERS):
        threads.add()
    threads.tick(begun=WORKERS)
    threads.add("cloudwatch_metrics")
    threads.tick()
    threads.tick(300)
    found = {labels[2:]: value for labels, value in threads.told("scheduler_skipped_runs_total").items()}
    assert found["cloudwatch_metrics", "no_worker"] == 5.0


def test_what_is_about_no_target_is_not_told(threads):
    threads.add("own", target=None)
    threads.tick(begun=1)
    threads.tick(600)
    assert threads.told("source_interval_seconds") == {}
    assert skipped(threads) == {}


def test_the_process_tells_of_itself_although_all_workers_wait(threads):
    looked = threading.Semaphore(0)
    own = threads.add("own", run=looked.release, target=None, apart=True)
    for n in range(WORKERS + 4):
        threads.add(f"source-{n}")
    threads.tick(begun=WORKERS)
    for _ in range(3):
        assert looked.acquire(timeout=30)
        wait_for(lambda: not own.running)
        threads.tick(60)


def test_what_a_stop_keeps_from_running_is_told():
    threads = Threads()
    threads.add("inventory", run=lambda: None)
    threads.clock.forward(60)
    assert threads.scheduler.stop(30)
    assert skipped(threads) == {"stopping": 1.0}


def test_a_stop_waits_for_what_runs_and_starts_nothing_more():
    threads = Threads()
    threads.add()
    threads.tick(begun=1)
    stopped = []
    stopper = threading.Thread(target=lambda: stopped.append(threads.scheduler.stop(30)))
    stopper.start()
    threads.free.set()
    stopper.join(30)
    assert stopped == [True]


def test_a_stop_does_not_wait_for_ever():
    threads = Threads()
    threads.add()
    threads.tick(begun=1)
    assert threads.scheduler.stop(0.01) is False
    threads.end()


def test_a_stop_before_the_start_is_no_error():
    assert Scheduler(FakeClock(), Tally()).stop(1)


def test_real_ticks_run_what_is_due_until_it_is_stopped(caplog):
    caplog.set_level(logging.WARNING)
    clock = FakeClock()
    scheduler = Scheduler(clock, Tally())
    runs = threading.Semaphore(0)
    scheduler.add(Entry("own", 60.0, runs.release))
    scheduler.start()
    assert runs.acquire(timeout=30)
    clock.forward(60)
    assert runs.acquire(timeout=30)
    assert scheduler.stop(30)
    assert not scheduler._ticker.running
    assert caplog.text == ""
