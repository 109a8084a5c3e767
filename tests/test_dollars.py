"""The dollar limit at full size, as far as a suite has time for it: `bench/dollars.py` lives longer, and more lives."""

from __future__ import annotations

import pytest
from bench.dollars import floor, run, tell

from exporter.sources.cloudwatch_metrics.rests import STAGES

HOURS, ENDPOINTS = 2, 50  # one before the turn of a month, one after


@pytest.mark.slow(20)
def test_a_month_without_dollars_ends_and_the_next_one_keeps_its_limit():
    usd = 1.3 * floor(ENDPOINTS)
    life = run("spent", HOURS, ENDPOINTS, usd)
    assert tell(life, usd, HOURS) == []
    (_, first), *others = life["stages"]
    assert first == len(STAGES), "all that can be is slowed"
    assert others
    assert all(0 < stage < len(STAGES) for _, stage in others), "what a month's dollars suffice for"
    assert len(life["delays"]) >= 6
    assert len(life["totals"]) > 500
