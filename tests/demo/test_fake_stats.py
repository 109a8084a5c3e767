from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.demo.stats import Profile, Stat, statistic

HUNDRED = [Stat.of(range(1, 51)), Stat.of(range(51, 101))]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Sum", 5050),
        ("SampleCount", 100),
        ("Average", 50.5),
        ("Minimum", 1),
        ("Maximum", 100),
        ("p0", 1),
        ("p50", 50.5),
        ("p90", 90.1),
        ("p99.9", 99.901),
        ("p100", 100),
        ("tm90", 45.5),
        ("TM(10%:90%)", 50.5),
        ("IQM", 50.5),
        ("TC(:10)", 10),
        ("TC(5:10)", 5),
        ("tc95", 95),
        ("TC(0.5%:)", 99.5),
        ("TS(80%:)", 1810),
        ("ts50", 1275),
        ("PR(:10)", 10),
        ("PR(90:)", 10),
        ("wm90", (4095 + 10 * 90) / 100),
        ("WM(5:95)", (sum(range(6, 96)) + 5 * 6 + 5 * 95) / 100),
    ],
)
def test_statistics_of_one_to_a_hundred(name, expected):
    assert statistic(name)(HUNDRED) == pytest.approx(expected)


@pytest.mark.parametrize(
    "name", ["sum", "p", "p101", "p1.", "P50", "TM()", "TM(:)", "TM(10%:90)", "PR(10%:)", "IQM2", ""]
)
def test_no_such_statistic(name):
    with pytest.raises(ValueError, match=r"statistic|percent|bound"):
        statistic(name)


def test_a_statistic_set_has_percentiles_only_if_its_samples_are_alike():
    assert statistic("p50")([Stat(10, 2, 1, 9)]) is None
    assert statistic("p50")([Stat(10, 2, 5, 5)]) == 5
    assert statistic("Sum")([Stat(10, 2, 1, 9)]) == 10


def test_negative_samples_have_no_percentiles():
    assert statistic("p50")([Stat.of([-1.0, 1.0])]) is None


def test_a_profile_spreads_samples_around_their_mean():
    stat = Stat(1000.0, 100.0, 5.0, 30.0, Profile(((0.5, 0.5), (1.25, 0.4), (2.5, 0.1))))
    assert statistic("p10")([stat]) == 5
    assert statistic("p80")([stat]) == 12.5
    assert statistic("TC(:12.5)")([stat]) == pytest.approx(90)
    assert statistic("TC(:20%)")([stat]) == pytest.approx(20)


values = st.lists(st.integers(0, 50).map(float), min_size=1, max_size=30)


@given(values, st.floats(0, 100), st.floats(0, 100))
def test_percentiles_rise_and_stay_within_the_extremes(samples, one, other):
    low, high = sorted((round(one, 2), round(other, 2)))
    stat = [Stat.of(samples)]
    assert min(samples) <= statistic(f"p{low}")(stat) <= statistic(f"p{high}")(stat) <= max(samples)


@given(values, st.integers(0, 50))
def test_what_is_below_and_above_a_bound_is_everything(samples, bound):
    stat = [Stat.of(samples)]
    assert statistic(f"TC(:{bound})")(stat) + statistic(f"TC({bound}:)")(stat) == len(samples)
    assert statistic(f"PR(:{bound})")(stat) + statistic(f"PR({bound}:)")(stat) == pytest.approx(100)


@given(values, values)
def test_stats_add_up(some, others):
    apart, together = [Stat.of(some), Stat.of(others)], [Stat.of(some + others)]
    for name in ("Sum", "SampleCount", "Average", "Minimum", "Maximum", "p50", "p99", "TM(10%:90%)"):
        assert statistic(name)(apart) == pytest.approx(statistic(name)(together))
