"""What it takes to count an event once: half of those that are told are known already.

python tests/bench/compare.py --only events
"""

from __future__ import annotations

from collections.abc import Iterator

from budgets import Budget
from cycles import lab

LEAST = 20_000  # a second of CPU


def measure() -> Iterator[Budget]:
    """Tell the exporter's ledger of events, each twice; yield the line about it."""
    number = 20_000
    with lab(1) as house:
        took = house.ours.do("events", number)
    if took.answer != {"counted": number, "repeated": number}:
        raise RuntimeError(f"events were not counted once: {took.answer}")
    rate = 2 * number / took.cpu
    print(f"{2 * number:,} events, half of them known: {rate:,.0f} a second of CPU")
    yield Budget(f"events told apart: {2 * number:,}", f"at least {LEAST:,} a second", f"{rate:,.0f}", rate >= LEAST)
