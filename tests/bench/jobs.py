"""What polling jobs costs: calls, CPU and waits, at a first start and from then on, and how many series there are.

    python tests/bench/jobs.py [--history 20000] [--open 500] [--week 100000] [--hours 168] [--every 60]

The whole street on a clock that stands still, with nothing but jobs: the SDK, but for its sockets, included. Its fake
AWS refuses a third ListTrainingJobs within a second, as AWS does. CPU is that of this process without the fake's. Time
is the fake's: it passes while calls wait for their turn.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from street import ACCOUNT, REGION, Street
from worlds import T0, values

from exporter.demo import World
from exporter.demo.call import AwsError
from exporter.demo.jobs import Work, life
from exporter.model import DAY, HOUR, MINUTE

CHANGES = "sagemaker_job_state_changes_total"
OF_A_JOB = ("sagemaker_job_info", "sagemaker_job_created_timestamp_seconds", "sagemaker_job_start_timestamp_seconds")
ENDED = {"Completed", "Failed", "Stopped"}
QUOTA = 2  # ListTrainingJobs a second, for the whole account; it can't be raised
TYPES = ("training", "processing", "transform")
WORKS = tuple(Work(f"ml.{kind}.{size}xlarge", 2) for kind in ("m5", "c5", "g5", "p3") for size in (2, 4, 8, 12))


class Cycle(NamedTuple):
    """What one cycle took: calls by operation, seconds of CPU, seconds of the fake's time in which calls waited."""

    calls: Counter
    cpu: float
    waited: float

    @property
    def listings(self):
        """Calls that list."""
        return sum(number for operation, number in self.calls.items() if operation.startswith("List"))

    @property
    def describes(self):
        """Calls that describe."""
        return self.calls.total() - self.listings


class Poller:
    """A street that polls jobs, measured cycle by cycle; `refused` counts what the quota of AWS has refused."""

    def __init__(self, world, text=""):
        self.street = Street(world, text=text, run=["job_polling"])
        self.refused = 0
        self._fakes = 0.0
        self._newest = deque(maxlen=QUOTA)
        before, answer = self.street.fake.faults.before, self.street.fake.answer

        def quota(call):
            before(call)
            if call.operation == "ListTrainingJobs":
                if len(self._newest) == QUOTA and call.now < self._newest[0] + 1:
                    self.refused += 1
                    raise AwsError("ThrottlingException", "Rate exceeded")
                self._newest.append(call.now)

        def timed(*request):
            began = time.process_time()
            try:
                return answer(*request)
            finally:
                self._fakes += time.process_time() - began

        self.street.fake.faults.before, self.street.fake.answer = quota, timed

    def cycle(self, seconds=MINUTE):
        """Let time pass, and run; return what it took."""
        requests = self.street.fake.bill.requests
        before = Counter(requests)
        cpu, now = time.process_time() - self._fakes, self.street.true.time
        self.snapshot = self.street.cycle(seconds)
        assert [run.outcome for run in self.street.runs] == ["ok"], self.street.runs
        calls = Counter({name.partition(".")[2]: n for name, n in (Counter(requests) - before).items()})
        waited = self.street.true.time - now - seconds
        return Cycle(calls, time.process_time() - self._fakes - cpu, waited)

    @property
    def complete(self):
        """Whether everything has been listed, and all that is open, or has ended since, has been described."""
        (kept,) = self.street.sources[0]._targets.values()
        behind = any(one.behind for one in kept.passes.values())
        return not behind and all(one.described for one in kept.book.followed.values())

    def shown(self, family):
        """Return the values of a family by the labels after the target's, but for zeros."""
        return {labels[2:]: value for labels, value in values(self.snapshot, family).items() if value}

    @property
    def series(self):
        """The number of series."""
        return sum(chunk.series for (_, target), chunk in self.snapshot.chunks.items() if target)


def past(history, still_open, days=25):
    """Return a world with so many jobs that have ended within some days, and so many that go on; one for 28 days."""
    world, luck = World(seed=1), random.Random(1)
    for n in range(history):
        at = T0 - days * DAY + n * days * DAY / history
        ends = luck.choices(["Completed", "Failed", "Stopped"], [8, 1, 1])[0]
        put(world, luck, f"past-{n:06d}", at, ends, min(luck.choice([300.0, 3000.0]), T0 - at - 1))
    for n in range(still_open):
        at = T0 - 28 * DAY if n == 0 else T0 - luck.uniform(MINUTE, 20 * DAY)
        world.add_job(ACCOUNT, REGION, TYPES[n % 3], f"open-{n:04d}", at, lives=life(TYPES[n % 3], lasts=DAY, waits=30))
    return world


def coming(world, number, until, seed=2):
    """Let so many jobs be created evenly from T0 on, until a time."""
    luck = random.Random(seed)
    for n in range(number):
        ends = luck.choices(["Completed", "Failed", "Stopped"], [8, 1, 1])[0]
        put(world, luck, f"new-{n:06d}", T0 + 1 + n * (until - T0) / number, ends, luck.choice([20.0, 300.0, 1500.0]))


def put(world, luck, name, at, ends, lasts):
    """Add a job."""
    kind = luck.choice(TYPES)
    lives = life(kind, ends, lasts, waits=lasts / 10)
    world.add_job(ACCOUNT, REGION, kind, name, at, lives=lives, work=luck.choice(WORKS))


def first_reading(poller, most=60):
    """Poll until the first complete reading; return the cycles, and the seconds that it took."""
    began, cycles = poller.street.true.time, []
    while not cycles or not poller.complete:
        assert len(cycles) < most, "it never becomes complete"
        cycles.append(poller.cycle(MINUTE if cycles else 0))
    return cycles, poller.street.true.time - began


def told(name, cycles):
    """Print what the cycles took, on average and at most."""
    number = len(cycles)
    figures = (
        f"{number}",
        f"{sum(one.calls['ListTrainingJobs'] for one in cycles) / number:.1f}",
        f"{sum(one.listings for one in cycles) / number:.1f}",
        f"{sum(one.describes for one in cycles) / number:.1f}",
        f"{max(one.calls.total() for one in cycles)}",
        f"{1000 * sum(one.cpu for one in cycles) / number:.0f}",
        f"{max(one.waited for one in cycles):.1f}",
    )
    print(f"{name:38}" + "".join(f"{figure:>11}" for figure in figures))


def main():
    """Print a line for each kind of cycle."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--history", type=int, default=20_000)
    parser.add_argument("--open", type=int, default=500)
    parser.add_argument("--week", type=int, default=100_000, help="jobs created in a week")
    parser.add_argument("--hours", type=int, default=168, help="how much of that week is run through")
    parser.add_argument("--every", type=int, default=MINUTE, help="seconds between two cycles of it")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    heads = ("cycles", "ListTrain.", "all Lists", "Describes", "at most", "CPU ms", "waits s")
    print(f"{'':38}" + "".join(f"{head:>11}" for head in heads))
    for history in (options.history // 10, options.history):
        told_of_the_past(history, options.open)
    told_of_a_week(options.week * options.hours // 168, options.hours, options.every)


def told_of_the_past(history, still_open):
    """Print what a first start and idle cycles take where so many jobs have ended."""
    poller = Poller(past(history, still_open))
    cycles, took = first_reading(poller)
    told(f"{history} ended, {still_open} open: first", cycles)
    print(f"    the first complete reading took {took:.0f} s; refused by the quota: {poller.refused}")
    assert poller.shown(CHANGES) == {}, "nothing of the past is new"
    assert sum(poller.shown("sagemaker_jobs").values()) == still_open
    for _ in range(20):
        poller.cycle()
    told("  nothing changes", [poller.cycle() for _ in range(30)])
    poller.street.kill()


def told_of_a_week(jobs, hours, every):
    """Print what cycles take while so many jobs are created, and how many series there are."""
    world, cycles, most, most_open = World(seed=1), [], 0, 0
    coming(world, jobs, T0 + hours * HOUR)
    poller = Poller(world, f"sources: {{job_polling: {{every: {every}s}}}}")
    poller.cycle(0)
    while poller.street.true.time < T0 + hours * HOUR:
        cycles.append(poller.cycle(every))
        most = max(most, poller.series)
        most_open = max(most_open, len(poller.shown("sagemaker_job_info")))
    told(f"{jobs} jobs in {hours} hours", cycles)
    for _ in range(5400 // every):
        poller.cycle(every)
    counted = sum(n for labels, n in poller.shown(CHANGES).items() if labels[1] in ENDED)
    left = sum(len(poller.shown(family)) for family in OF_A_JOB)
    print(f"    {counted:.0f} ends counted; refused by the quota: {poller.refused}")
    print(f"    at most {most} series and {most_open} jobs open; later {poller.series} series, {left} of single jobs")
    assert counted == jobs
    poller.street.kill()


if __name__ == "__main__":
    main()
