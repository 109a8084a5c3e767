"""Whether memory stays flat while endpoints come and go: by its slope over two thousand cycles, after a thousand.

    python tests/bench/compare.py --only churn
    python tests/bench/churn.py [--cycles 3000] [--endpoints 20] [--fresh]

An endpoint goes every four minutes, another one comes. Names come again, three times as many as there are endpoints at
a time: what a counter has counted is kept for 63 days after its last data, by decision, so that names that never come
again (`--fresh`) take memory for that long. The first third is left out: the pool of names has to be seen once, and the
heap to find its size. From then on the heap rises and falls by some MB, so the slope is that of its floor, the least
memory of each hundred cycles: whatever is kept for good lifts that.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator

from budgets import Budget
from cycles import lab, whole

CYCLES, ENDPOINTS = 3000, 20
GOES = 240  # seconds until the next endpoint goes
SAMPLE = 10  # cycles between two looks at the memory,
FLOOR = 100  # of which the least of so many cycles counts
FLAT = 300  # bytes a cycle


def live(cycles, endpoints, *, fresh=False):
    """Live through so many minutes; return the slope of memory (bytes a cycle)."""
    fake_is = {"churn": GOES, "names": 0 if fresh else 3 * endpoints}
    floor: dict[int, int] = {}
    with lab(endpoints, inventory=True, counted=60, fake_is=fake_is) as house:
        for n in range(cycles):
            whole("the inventory", house.ours.do("inventory").answer)
            house.cycle()
            house.forward()
            if n % SAMPLE == 0 and n >= cycles // 3:
                memory = house.ours.steady()
                floor[n // FLOOR] = min(memory, floor.get(n // FLOOR, memory))
        held = house.ours.do("figures").answer["resources"]
    slope = statistics.linear_regression(list(floor), list(floor.values())).slope / FLOOR
    came = cycles * 60 // GOES
    print(
        f"{cycles:,} cycles, {endpoints} endpoints at a time, {came} came and went, {held} resources in the ledger: "
        f"at the least {' '.join(f'{of / 1e6:.1f}' for of in floor.values())} MB in turn, {slope:+.0f} B a cycle",
        flush=True,
    )
    return slope


def measure() -> Iterator[Budget]:
    """Live; yield the line about it."""
    slope = live(CYCLES, ENDPOINTS)
    what = f"memory over {CYCLES - CYCLES // 3:,} cycles with churn"
    yield Budget(what, f"flat: at most {FLAT} B a cycle", f"{slope:+.0f} B a cycle", slope <= FLAT)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=CYCLES)
    parser.add_argument("--endpoints", type=int, default=ENDPOINTS)
    parser.add_argument("--fresh", action="store_true", help="names that never come again")
    options = parser.parse_args()
    live(options.cycles, options.endpoints, fresh=options.fresh)


if __name__ == "__main__":
    main()
