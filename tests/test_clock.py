"""The clock never runs ahead of AWS."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import T0

from exporter.clock import SystemClock


class Machine:
    """A computer whose time can be set wrong."""

    def __init__(self):
        self.time = float(T0)
        self.steady = 1000.0

    def clock(self, **more):
        return SystemClock(local=lambda: self.time, steady=lambda: self.steady, **more)

    def forward(self, seconds):
        self.time += seconds
        self.steady += seconds


@pytest.fixture
def machine():
    return Machine()


def test_before_aws_has_said_anything_the_local_time_holds(machine):
    clock = machine.clock()
    assert clock.now() == clock.local() == T0


def test_a_clock_that_runs_ahead_is_held_back_by_aws(machine):
    clock = machine.clock()
    clock.witness(T0 - 3600.0)
    assert clock.now() == T0 - 3600
    machine.forward(60)
    assert clock.now() == T0 - 3540
    assert clock.local() == T0 + 60


def test_a_clock_that_runs_behind_is_believed(machine):
    clock = machine.clock()
    clock.witness(T0 + 3600.0)
    assert clock.now() == T0


def test_a_clock_that_is_set_right_again_is_right_at_once(machine):
    clock = machine.clock()
    machine.time += 86_400
    clock.witness(float(T0))
    machine.time -= 86_400
    machine.forward(10)
    assert clock.now() == T0 + 10


def test_what_aws_said_last_counts(machine):
    clock = machine.clock()
    clock.witness(T0 - 100.0)
    clock.witness(T0 - 50.0)
    assert clock.now() == T0 - 50


def test_one_answer_that_is_days_off_is_not_believed_and_two_are(machine):
    clock = machine.clock()
    clock.witness(float(T0))
    for off in (5 * 86_400.0, -5 * 86_400.0, 301.0):
        clock.witness(T0 + off)
        assert clock.aws() == T0, "it stands alone, and the next one is another"
    clock.witness(T0 + 1.0)
    assert clock.aws() == T0 + 1
    machine.forward(10)
    clock.witness(T0 + 86_400.0)
    machine.forward(10)
    clock.witness(T0 + 86_412.0)
    assert clock.aws() == T0 + 86_412, "as after a sleep that nobody has counted"
    clock.witness(T0 + 86_300.0)
    assert clock.aws() == T0 + 86_300, "a little off is how answers are"


@given(st.lists(st.tuples(st.sampled_from(["pass", "set", "aws"]), st.integers(-100_000, 100_000)), max_size=30))
def test_now_is_never_ahead_of_aws(events):
    machine, true = Machine(), float(T0)
    clock = machine.clock()
    heard = False
    for what, amount in events:
        if what == "pass":
            machine.forward(abs(amount))
            true += abs(amount)
        elif what == "set":
            machine.time = true + amount
        else:
            clock.witness(true)
            heard = True
        assert clock.now() <= clock.local()
        assert not heard or clock.now() <= true


def test_the_monotonic_time_of_the_machine_counts_its_sleep():
    """A laptop that slept for hours must see a gap: CLOCK_MONOTONIC stands still meanwhile."""
    import time

    if not hasattr(time, "CLOCK_BOOTTIME"):
        pytest.skip("this system has no clock that counts suspends")
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    seen = SystemClock().monotonic()
    assert before <= seen <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_a_demonstration_runs_faster_and_from_another_day(machine):
    clock = machine.clock(speed=60.0, origin=0.0)
    assert clock.local() == 0.0
    machine.forward(2)
    assert clock.local() == 120.0
    assert clock.monotonic() == 1002.0 * 60
    clock.witness(30.0)
    machine.forward(1)
    assert clock.now() == 90.0


def test_waiting_ends_with_the_event_or_with_the_time():
    event = threading.Event()
    clock = SystemClock(speed=1000.0)
    assert not clock.wait(event, 1.0)  # a simulated second
    assert not clock.wait(event, -5.0)
    event.set()
    assert clock.wait(event, 1e9)
