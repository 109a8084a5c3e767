"""A limit is kept in any second, whichever one looks at, whoever asks, and nobody is overtaken."""

from __future__ import annotations

import threading
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from worlds import FakeClock

from exporter.aws.budget import LEEWAY, Limit

# Fractions that floats hold exactly: what is tested is the limit, not arithmetic.
moments = st.integers(0, 200).map(lambda n: n / 64)
rates = st.sampled_from([0.125, 0.25, 0.5, 1.0, 2.0, 5.0, 25.0, 90_000.0])


class PatientClock(FakeClock):
    """A clock that notices when somebody waits for ever."""

    def wait(self, event, seconds):
        assert seconds > 0, "waits for no time at all, again and again"
        return super().wait(event, seconds)


def limit(rate, clock=None):
    return Limit(rate, clock or PatientClock(), threading.Event())


def most_in_any(width, spent):
    """Return the most that was spent in a window of `width` seconds that ends with a spending."""
    return max(sum(units for at, units in spent if end - width < at <= end) for end, _ in spent)


@given(rates, st.lists(st.tuples(moments, st.integers(1, 8)), min_size=1, max_size=60))
def test_no_window_of_a_second_holds_more_than_the_rate(rate, asked):
    clock = PatientClock()
    limited = limit(rate, clock)
    second = max(1.0, 1.0 / rate)
    width, most = second + LEEWAY - 1e-6, rate * second  # sums of floats are a little off
    spent = []
    for pause, eighths in asked:
        clock.forward(pause)
        units = most * eighths / 8
        began = clock.steady
        waited = limited.take(units)
        assert waited == pytest.approx(clock.steady - began)
        spent.append((clock.steady, units))
    assert most_in_any(width, spent) <= most * (1 + 1e-9)


@given(rates, st.integers(2, 40))
def test_single_requests_go_at_the_full_rate_and_no_faster(rate, count):
    clock = PatientClock()
    limited = limit(rate, clock)
    for _ in range(count):
        limited.take()
    at_once = max(1, int(rate))
    assert clock.steady == pytest.approx((count - 1) // at_once * (max(1.0, 1.0 / rate) + LEEWAY))


def test_a_rest_is_not_saved_up():
    clock = PatientClock()
    limited = limit(4.0, clock)
    clock.forward(3600)
    assert [limited.take() for _ in range(5)] == pytest.approx([0, 0, 0, 0, 1.0 + LEEWAY])


@pytest.mark.parametrize("rate", [0.5, 10.0])
def test_more_than_a_seconds_worth_goes_alone(rate):
    clock = PatientClock()
    limited = limit(rate, clock)
    second = max(1.0, 1.0 / rate)
    limited.take(rate * second * 3)
    limited.take(rate * second * 3)
    limited.take(1.0)
    assert clock.steady == pytest.approx(2 * (second + LEEWAY))


@example(0.9)
@given(st.floats(0.0, 1e6))
def test_any_moment_is_over_after_a_second(at):
    """Also where the machine's arithmetic rounds the second down."""
    clock = FakeClock()
    clock.forward(at)
    limited = limit(1.0, clock)
    waits = iter(range(5))

    def wait(event, seconds):
        assert next(waits, None) is not None, "waits for ever"
        clock.forward(seconds)
        return event.is_set()

    clock.wait = wait
    limited.take()
    limited.take()
    assert clock.steady >= at + 1.0


def test_threads_share_one_limit():
    clock = PatientClock()
    limited = limit(8.0, clock)
    spent, lock = [], threading.Lock()

    def spend():
        for _ in range(20):
            limited.take()
            with lock:
                spent.append(clock.steady)  # not before it was spent

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(spent) == 160
    assert clock.steady == pytest.approx((160 / 8 - 1) * (1 + LEEWAY))
    granted = list(accumulate(8 for _ in range(20)))
    for second, most in enumerate(granted):
        assert sum(at <= second * (1 + LEEWAY) for at in spent) <= most


def test_small_requests_do_not_overtake_a_large_one_that_waits():
    clock = FakeClock()
    limited = limit(10.0, clock)
    done, threads = [], []

    def take(units):
        limited.take(units)
        done.append(units)

    def wait(event, seconds):
        if not threads:  # while the large one waits for its second, many small ones come that would fit at once
            threads.extend(threading.Thread(target=take, args=(1.0,)) for _ in range(4))
            for thread in threads:
                thread.start()
        clock.forward(seconds)
        return event.is_set()

    clock.wait = wait
    limited.take(5.0)
    take(10.0)
    for thread in threads:
        thread.join(30)
    assert done == [10.0, 1.0, 1.0, 1.0, 1.0]


def test_who_waits_is_let_go_when_the_program_stops():
    clock = FakeClock()
    stopping = threading.Event()
    limited = Limit(0.001, clock, stopping)
    limited.take()

    def wait(event, seconds):
        stopping.set()
        return event.wait(seconds)  # a thousand real seconds, if nobody stopped it

    clock.wait = wait
    limited.take()
    assert clock.steady == 0.0


def test_after_a_stop_nothing_waits():
    stopping = threading.Event()
    stopping.set()
    limited = Limit(0.001, PatientClock(), stopping)
    assert [limited.take(), limited.take()] == [0.0, 0.0]
