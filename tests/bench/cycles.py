"""The exporter in its cycles against the fake: started together, a minute a cycle, what each took and answered."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from canned import MINUTE, SERIES, canned, environment, value
from program import COUNTED, program

AT = 1_767_225_600 + 2 * MINUTE  # 2026-01-01 00:02 UTC, when the first cycle is
WARM = 4  # cycles until all is read once and every first 0 has stood its time


class Cycle(NamedTuple):
    """What one cycle took (s, CPU unless it is wall time) and how much it was about."""

    asked: int  # series
    points: int  # that AWS answered
    calls: int
    read: float  # ask, send, decode, count, commit, and what the process tells of itself in a minute
    wall: float  # of reading
    shown: int
    page: float  # of making it anew
    fake: float  # of the fake while reading


class Lab:
    """The exporter and its fake, in step."""

    def __init__(self, ours, fake, *others):
        self.ours, self.fake, self.others = ours, fake, others
        self.cycles = 0

    def cycle(self) -> Cycle:
        """Let the exporter read and show all that is due. Raises for a cycle that was not whole."""
        before, busy = self.fake.do("counts").answer, self.fake.cpu()
        read = self.ours.do("read")
        busy, after = self.fake.cpu() - busy, self.fake.do("counts").answer
        whole("a reading", read.answer)
        own, page = self.ours.do("own"), self.ours.do("page")
        asked, points, calls = (after[key] - before.get(key, 0) for key in ("queries", "datapoints", "GetMetricData"))
        self.cycles += 1
        return Cycle(asked, points, calls, read.cpu + own.cpu, read.wall, page.answer["series"], page.cpu, busy)

    def forward(self) -> None:
        """Let a minute pass for all."""
        for process in (self.ours, self.fake, *self.others):
            process.do("forward", MINUTE)

    def run(self, cycles) -> list[Cycle]:
        """Return so many cycles, a minute apart."""
        found = []
        for _ in range(cycles):
            found.append(self.cycle())
            self.forward()
        return found


@contextmanager
def lab(each, *, targets=1, fake_is=None, env=None, **options) -> Iterator[Lab]:
    """Start the exporter on a fake with so many endpoints in each target, all of them listed and read once."""
    options.setdefault("at", AT)
    with (
        tempfile.TemporaryDirectory() as folder,
        canned(each, at=options["at"], **(fake_is or {})) as fake,
        program(folder, targets=targets, environment={**environment(fake), **(env or {})}, **options) as ours,
    ):
        whole("the inventory", ours.do("inventory").answer)
        yield Lab(ours, fake)


def whole(what, answer):
    """Raise unless a run was whole on every target."""
    if set(answer["outcomes"]) != {"ok"}:
        raise RuntimeError(f"{what} was not whole: {answer}")


def endpoints(series, targets=1):
    """Return how many endpoints each target must have for about so many series in all."""
    return max(1, round(series / targets / SERIES))


def check(figures, targets, spacing, cycles):
    """Raise unless all counters of the first endpoint have the sums that the fake has answered: speed is no excuse."""
    begin, end = AT - COUNTED, AT + (cycles - 1) * MINUTE
    truth = sum(value(0, at) for at in range(begin, end - end % MINUTE, MINUTE) if at % (spacing * MINUTE) == 0)
    wrong = [total for total in figures["totals"] if total != truth]
    if wrong or not figures["totals"] or len(figures["totals"]) % targets:
        raise RuntimeError(f"{len(wrong)} of {len(figures['totals'])} totals are not {truth}: {wrong[:3]}")


def mean(cycles, name, by=None):
    """Return the mean of a figure of cycles, or what it is for one of another."""
    amount = sum(getattr(cycle, name) for cycle in cycles)
    return amount / (sum(getattr(cycle, by) for cycle in cycles) if by else len(cycles))


def middle(cycles, name):
    """Return the median of a figure of cycles."""
    return statistics.median(getattr(cycle, name) for cycle in cycles)
