"""How long a cycle takes where AWS takes 200 ms for every call, under the default rates, and what binds.

    python tests/bench/compare.py --only latency

Clocks run. A cycle can't be shorter than its calls take in turns of as many as are in flight, or at the rate of calls,
or of datapoints, at which they may be asked; the longest of these floors binds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from budgets import Budget
from cycles import endpoints, lab, mean, middle

from exporter.aws import WORKERS
from exporter.aws.budget import LEEWAY
from exporter.aws.operations import DATAPOINT_RATES, OPERATIONS

LATENCY = 0.2  # seconds
SIZES = (10_000, 100_000)
CYCLES = 15
MOST = {10_000: 1.5}  # seconds of a cycle; of the others, it is told what binds


def floors(cycle):
    """Return what a cycle can't be shorter than (s), by what binds."""
    second = 1 + LEEWAY
    return {
        f"{WORKERS} calls in flight": math.ceil(cycle.calls / WORKERS) * LATENCY,
        "calls a second": (math.ceil(cycle.calls / OPERATIONS["GetMetricData"].rate) - 1) * second,
        "datapoints a second": (math.ceil(cycle.points / DATAPOINT_RATES[0]) - 1) * second,
    }


def measure() -> Iterator[Budget]:
    """Print a line for each size; yield the lines about them."""
    for size in SIZES:
        began = time.time()
        options = {"latency": LATENCY, "runs": True}
        with lab(endpoints(size), at=began, fake_is=options, rates=True, runs=True) as house:
            house.run(2)
            found = house.run(CYCLES)
        bound = {name: [floors(cycle)[name] for cycle in found] for name in floors(found[0])}
        binds = max(bound, key=lambda name: sum(bound[name]))
        wall = middle(found, "wall")
        least, most = min(cycle.wall for cycle in found), max(cycle.wall for cycle in found)
        told = f"{wall:.2f} s ({least:.2f} to {most:.2f})"
        means = ", ".join(f"{name} {sum(of) / len(of):.2f} s" for name, of in bound.items())
        print(
            f"{size:,} series, {1000 * LATENCY:.0f} ms a call: {told} wall, {mean(found, 'read'):.2f} s CPU, "
            f"{mean(found, 'calls'):.0f} calls, {mean(found, 'points', by='asked'):.1f} datapoints a query; "
            f"floors: {means}; {binds} binds",
            flush=True,
        )
        what = f"cycle of {size:,} series at {1000 * LATENCY:.0f} ms a call"
        if size in MOST:
            yield Budget(what, f"under {MOST[size]} s wall", told, wall < MOST[size])
        else:
            yield Budget(what, "within the default rates", f"{told}, {binds} binds", wall < 60)
