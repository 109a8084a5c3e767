"""Whether memory stays flat while endpoints come and go: by its slope over two thousand cycles, after a thousand.

    python tests/bench/compare.py --only churn
    python tests/bench/churn.py [--cycles 3000] [--endpoints 20] [--fresh]

An endpoint goes every four minutes, another one comes. Names come again, three times as many as there are endpoints at
a time: what a counter has counted is kept for 63 days after its last data, by decision, so that names that never come
again (`--fresh`) take memory for that long. The first third is left out: the pool of names has to be seen once.

The slope is that of the bytes that are in use, as malloc's own books tell (Python's small objects too). What a process
holds besides, torn to pieces, rises and falls by some MB over thousands of cycles, which is told as well.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator

from budgets import Budget
from cycles import lab, whole

CYCLES, ENDPOINTS = 3000, 20
GOES = 240  # seconds until the next endpoint goes
SAMPLE = 15  # cycles between two looks at the memory: a round of all windows
FLAT = 300  # bytes a cycle


def live(cycles, endpoints, *, fresh=False):
    """Live through so many minutes; return the slope of memory (bytes a cycle)."""
    fake_is = {"churn": GOES, "names": 0 if fresh else 3 * endpoints}
    used, held = [], []
    with lab(endpoints, inventory=True, counted=60, fake_is=fake_is, env={"PYTHONMALLOC": "malloc"}) as house:
        for n in range(cycles):
            whole("the inventory", house.ours.do("inventory").answer)
            house.cycle()
            house.forward()
            if n % SAMPLE == 0 and n >= cycles // 3:
                used.append((n, house.ours.do("held").answer["bytes"]))
                held.append(house.ours.steady())
        resources = house.ours.do("figures").answer["resources"]
    slope = statistics.linear_regression(*zip(*used, strict=True)).slope
    came = cycles * 60 // GOES
    print(
        f"{cycles:,} cycles, {endpoints} endpoints at a time, {came} came and went, {resources} resources "
        f"in the ledger; in use {used[0][1] / 1e6:.2f} to {used[-1][1] / 1e6:.2f} MB, {slope:+.0f} B a cycle; "
        f"held {min(held) / 1e6:.1f} to {max(held) / 1e6:.1f} MB",
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
