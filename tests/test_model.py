"""The nouns are plain data, and the clock never runs ahead of AWS."""

from __future__ import annotations

import threading

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import HERE, INVOCATIONS, LABELS, T0, VARIANT

from exporter import model
from exporter.model import Answer, Chunk, Read, Reading, Resource, Sample, SystemClock, Target, Window

# -- nouns -------------------------------------------------------------------------------------------------------------

NOUNS = [
    kind
    for kind in vars(model).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct
]


@pytest.mark.parametrize("noun", NOUNS)
def test_what_rooms_hand_to_each_other_can_not_be_changed(noun):
    assert noun.__struct_config__.frozen
    assert noun.__doc__


def test_equal_resources_are_one_key():
    twin = Resource(Target(*LABELS[:2]), VARIANT.namespace, VARIANT.dimensions, LABELS)
    assert twin == VARIANT
    assert {VARIANT: 1}[twin] == 1
    assert VARIANT.shape == ("AWS/SageMaker", ("EndpointName", "VariantName"))


def test_a_reading_is_a_literal():
    answer = Answer(INVOCATIONS, blocks=((T0, 5.0, 3),))
    reading = Reading("x", HERE, float(T0), reads=(Read(VARIANT, Window(T0, T0 + 900, 60, 0.0, T0), (answer,)),))
    assert reading.reads[0].answers == (answer,)
    assert reading == msgspec.structs.replace(reading)
    assert Sample("f", (), 1.0) == Sample("f", (), 1.0)


def test_a_chunk_counts_what_it_holds():
    assert Chunk((("a",), ("b",)), {"sum": (1.0, 2.0), "count": (1.0, 2.0), "0.5": (None, 0.0)}).series == 5
    assert Chunk((), {}).series == 0


# -- the clock ---------------------------------------------------------------------------------------------------------


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
