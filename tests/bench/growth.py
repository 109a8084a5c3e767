"""How the cost of a cycle grows: by series on one target, by targets of a thousand series, by endpoints listed.

    python tests/bench/compare.py --only growth

Linear means that a series costs no more where there are many. All sizes read the same windows. The peak is that of the
first cycle, which reads all that is not final: four hours, as after a restart.
"""

from __future__ import annotations

from collections.abc import Iterator

from budgets import Budget, peak_allowed
from canned import SERIES
from cycles import WARM, check, endpoints, lab, mean

BY_SERIES = (1000, 10_000, 50_000, 100_000, 500_000)
BY_TARGETS = (1, 10, 20, 50, 100)
BY_ENDPOINTS = (50, 500, 2500)
OF_A_TARGET = 1000  # series
CYCLES = 5
LINEAR = 1.25  # times what a series costs at 10,000

HEAD = (
    f"{'series':>8} {'targets':>7} {'points':>6} | {'read us':>8} {'page us':>8} | {'CPU s':>7} {'wall s':>7} "
    f"{'commit CPU ms':>13} {'wall ms':>8} {'peak MB':>8} {'steady MB':>9} {'fake busy':>9}"
)


def grow(series, targets):
    """Print a line about a size; return CPU of a cycle a series (s), and the most memory (bytes)."""
    each = endpoints(series, targets)
    series = each * targets * SERIES
    with lab(each, targets=targets) as house:
        house.run(WARM)
        before = house.ours.do("figures").answer
        found = house.run(CYCLES)
        after = house.ours.do("figures").answer
        check(after, targets, 1, house.cycles)
        peak, steady = house.ours.peak(), house.ours.steady()
    read, page = mean(found, "read", by="asked"), mean(found, "page", by="shown")
    cpu, wall = (1000 * (after[name] - before[name]) / CYCLES for name in ("commit_cpu", "commit_wall"))
    print(
        f"{series:8,} {targets:7} {mean(found, 'points', by='asked'):6.1f} | {1e6 * read:8.2f} {1e6 * page:8.2f} | "
        f"{mean(found, 'read') + mean(found, 'page'):7.2f} {mean(found, 'wall'):7.2f} {cpu:13.1f} {wall:8.1f} "
        f"{peak / 1e6:8.0f} {steady / 1e6:9.0f} {mean(found, 'fake', by='wall'):9.0%}",
        flush=True,
    )
    return (mean(found, "read") + mean(found, "page")) / series, peak


def inventory(number):
    """Print what it takes to look at so many endpoints again, of which none has changed; return CPU of one (s)."""
    with lab(number, inventory=True) as house:
        while house.ours.do("inventory").answer["described"] < number:
            house.forward()
        took = []
        for _ in range(CYCLES):
            house.forward()
            took.append(house.ours.do("inventory").cpu)
    print(f"inventory of {number:,} endpoints: {1000 * sum(took) / CYCLES:.1f} ms of CPU a look", flush=True)
    return sum(took) / CYCLES / number


def measure() -> Iterator[Budget]:
    """Print the tables; yield the lines about them."""
    print(HEAD)
    by_series = {size: grow(size, 1) for size in BY_SERIES}
    by_targets = {number: grow(number * OF_A_TARGET, number) for number in BY_TARGETS}
    by_endpoints = {number: inventory(number) for number in BY_ENDPOINTS}
    usual = by_series[10_000][0]
    for size in BY_SERIES[2:]:
        ratio = by_series[size][0] / usual
        what = f"growth: a series among {size:,}, to one among 10,000"
        yield Budget(what, f"at most {LINEAR}", f"{ratio:.2f}", ratio <= LINEAR)
    for number in BY_TARGETS[2:]:
        ratio = by_targets[number][0] / by_targets[10][0]
        what = f"growth: a series of {number} targets, to one of 10"
        yield Budget(what, f"at most {LINEAR}", f"{ratio:.2f}", ratio <= LINEAR)
    few, more = BY_ENDPOINTS[-2:]
    ratio = by_endpoints[more] / by_endpoints[few]
    what = f"growth: looking at an endpoint of {more:,}, to one of {few:,}"
    yield Budget(what, f"at most {LINEAR}", f"{ratio:.2f}", ratio <= LINEAR)
    for size, (_, peak) in by_series.items():
        most = peak_allowed(size)
        yield Budget(
            f"peak memory: {size:,} series", f"at most {most / 1e6:.0f} MB", f"{peak / 1e6:.0f} MB", peak <= most
        )
    small, large = min(BY_SERIES), max(BY_SERIES)
    slope = (by_series[large][1] - by_series[small][1]) / (large - small)
    yield Budget(f"memory of a series, {small:,} to {large:,}", "at most 400 B", f"{slope:.0f} B", slope <= 400)
