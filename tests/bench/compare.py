"""The exporter against what people write with boto3 and prometheus_client, and against its budgets: one table.

    python tests/bench/compare.py [--quick] [--series 1000 10000] [--points 5 27] [--targets 1 20] [--rounds 5]
    python tests/bench/compare.py --only growth start

Both are processes of their own that read the same series from the same fake (`canned`) by real sockets, in turns: each
round is a quarter of an hour of the exporter, a minute a cycle, with cycles of the naive program in between. Ratios are
medians over the rounds, with the least and the most of them; microseconds are those of this machine at this moment.

How many datapoints a query brings: the exporter reads 5 to 20 minutes back in most cycles, every fifth over the settle
window, every fifteenth over all that is not final, which are 27 minutes in the mean. The naive program asks 27 minutes.
So series with a datapoint every minute bring 27; every 2, 5, 30 minutes, about 13, 5 and 1. What was answered is told.

CPU is that of all threads of a process, per series that was asked in a cycle (`read`) or is on the page (`page`):

    read    ask, sign, send, decode, count, commit; and what the process tells of itself, as often as in a minute
    page    snapshot, render and compress everything; for the naive program: one scrape

The other parts have a file each: `growth`, `latency`, `clients`, `churn`, `start`, `events`, `queues`, `trail`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import churn
import clients
import events
import growth
import latency
import queues
import start
import trail
from budgets import Budget, Spread, peak_allowed
from canned import SERIES, environment
from cycles import AT, WARM, check, endpoints, lab, mean
from naive import naive

MINUTES = 27  # how far back the naive program reads
SPACING = {1: 30, 5: 5, 13: 2, 27: 1}  # minutes between two datapoints, by how many a query brings
EVERY = 5  # cycles of the exporter for one of the naive program

PARTS = {module.__name__: module.measure for module in (start, events, queues, trail, clients, latency, growth, churn)}


class Round(NamedTuple):
    """Means of a round (s of CPU a series), of the exporter and of the naive program."""

    read: float
    page: float
    naive_read: float
    naive_page: float


def compare(series, points, targets, rounds, cycles) -> Iterator[Budget]:
    """Let both read the same series in turns; print a line, yield what it says of the budgets."""
    each = endpoints(series, targets)
    series = each * targets * SERIES
    with (
        lab(each, targets=targets, fake_is={"spacing": SPACING[points]}) as house,
        naive(at=AT, targets=targets, minutes=MINUTES, environment=environment(house.fake)) as theirs,
    ):
        house.others = (theirs,)
        house.run(WARM)
        theirs.do("read")
        before, found, all_ours = house.ours.do("figures").answer, [], []
        for _ in range(rounds):
            ours, naive_read, naive_page = [], [], []
            for n in range(cycles):
                ours.append(house.cycle())
                if n % EVERY == 0:
                    read, page = theirs.do("read"), theirs.do("page")
                    naive_read.append(read.cpu / series)
                    naive_page.append(page.cpu / page.answer["series"])
                house.forward()
            naive_means = (sum(naive_read) / len(naive_read), sum(naive_page) / len(naive_page))
            found.append(Round(mean(ours, "read", by="asked"), mean(ours, "page", by="shown"), *naive_means))
            all_ours += ours
        after = house.ours.do("figures").answer
        check(after, targets, SPACING[points], house.cycles)
        commit = 1000 * (after["commit_cpu"] - before["commit_cpu"]) / len(all_ours)
        scrape = 1000 * clients.scrape(house.ours)
        peak, naive_peak = house.ours.peak(), theirs.peak()
    read, page = Spread.of(one.read for one in found), Spread.of(one.page for one in found)
    read_ratio = Spread.of(one.naive_read / one.read for one in found)
    page_ratio = Spread.of(one.naive_page / one.page for one in found)
    naive_read, naive_page = (Spread.of(getattr(one, name) for one in found) for name in ("naive_read", "naive_page"))
    answered = mean(all_ours, "points", by="asked")
    print(
        f"{series:8,} {targets:7} {answered:6.1f} | {1e6 * read.median:8.2f} {1e6 * naive_read.median:7.1f} "
        f"{read_ratio!s:>20} | {1e6 * page.median:8.2f} {1e6 * naive_page.median:7.1f} {page_ratio!s:>20} | "
        f"{mean(all_ours, 'wall'):7.2f} {commit:9.1f} {scrape:9.2f} {peak / 1e6:7.0f} {naive_peak / 1e6:6.0f}",
        flush=True,
    )
    where = f"{series:,} series, {targets} targets, {answered:.0f} datapoints"
    if points == 5:
        asked = "at most 1/30 of naive boto3"
        yield Budget(f"read: {where}", asked, f"1/{read_ratio}", read_ratio.median >= 30)
    else:
        yield Budget(f"read: {where}", "(stated)", f"1/{read_ratio}", holds=True)
    yield Budget(f"page: {where}", "at most 1/25 of naive", f"1/{page_ratio}", page_ratio.median >= 25)
    allowed = max(1.0, series / 100_000)
    yield Budget(f"scrape: {where}", f"at most {allowed:g} ms of CPU", f"{scrape:.2f} ms", scrape <= allowed)
    yield Budget(
        f"commit of a cycle: {where}", f"under {100 * allowed:g} ms", f"{commit:.1f} ms", commit < 100 * allowed
    )
    most = peak_allowed(series)
    yield Budget(f"peak memory: {where}", f"at most {most / 1e6:.0f} MB", f"{peak / 1e6:.0f} MB", peak <= most)


HEAD = (
    f"{'':8} {'':7} {'points':>6} | {'read, CPU us a series':^37} | {'page, CPU us a series':^37} | "
    f"{'cycle':>7} {'commit':>9} {'scrape':>9} {'peak':>7} {'naive':>6}\n"
    f"{'series':>8} {'targets':>7} {'/query':>6} | {'exporter':>8} {'naive':>7} {'ratio':>20} | "
    f"{'exporter':>8} {'naive':>7} {'ratio':>20} | {'wall s':>7} {'CPU ms':>9} {'CPU ms':>9} {'MB':>7} {'MB':>6}"
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about a minute: few series, few rounds, a few parts")
    parser.add_argument("--series", type=int, nargs="+", default=[10_000])
    parser.add_argument("--points", type=int, nargs="+", choices=sorted(SPACING), default=[1, 5, 13, 27])
    parser.add_argument("--targets", type=int, nargs="+", default=[1, 20])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cycles", type=int, default=15, help="of a round; fewer than 15 bring other windows")
    parser.add_argument("--only", nargs="+", choices=("compare", *PARTS), default=("compare", *PARTS))
    options = parser.parse_args()
    if options.quick:
        options.series, options.points, options.targets, options.rounds = [1000], [5, 27], [1], 2
        options.only = ("compare", "start", "events")
    lines: list[Budget] = []
    if "compare" in options.only:
        print(HEAD)
        for series in options.series:
            for targets in options.targets:
                for points in options.points:
                    lines += compare(series, points, targets, options.rounds, options.cycles)
    for name, measure in PARTS.items():
        if name in options.only:
            print(f"\n{name}")
            lines += measure()
    print("\nbudgets")
    print("\n".join(map(str, lines)))


if __name__ == "__main__":
    main()
