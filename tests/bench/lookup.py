"""What LookupEvents takes to find many calls, all of them late: calls, minutes and CPU, and what an idle run takes.

    python tests/bench/lookup.py [--records 30000] [--window 900] [--late 900]

The whole street on a clock that stands still, with nothing but CloudTrail: the SDK, but for its sockets, included. Its
fake AWS refuses a third LookupEvents within a second, as AWS does, and gives fifty records a page. CPU is that of this
process, the fake's included. Time is the fake's: it passes while calls wait for their turn.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from street import ACCOUNT, REGION, Street
from worlds import T0

from exporter.demo import World
from exporter.demo.calls import Delay, Delays
from exporter.model import MINUTE

CALLS = "sagemaker_api_calls_total"
NAMES = ("CreateTrainingJob", "DeleteEndpoint", "ListEndpoints", "DescribeEndpoint", "UpdateDomain")


def asked(street):
    """Return how many calls the fake has answered or refused."""
    return street.fake.bill.requests["cloudtrail.LookupEvents"]


def counted(street):
    """Return what has been counted, by the names of operations."""
    totals = street.ledger._books.totals
    return +Counter({key.labels[3]: int(total.parts[""]) for key, total in _by_name(totals).items()})


def _by_name(totals):
    return {key: total for key, total in totals.items() if key.face[0] == CALLS}


def measure(records, window, late):
    """Yield lines that tell what it took, after all has been found; raise if that is not the truth."""
    world, luck = World(seed=1, call_delays=Delays(*(Delay((0.0, late)),) * 3)), random.Random(1)
    street = Street(world, run=("cloudtrail",))
    street.fake.bill.enforced = True
    street.cycle()
    truth = Counter()
    for _ in range(records):
        name = luck.choice(NAMES)
        world.add_call(ACCOUNT, REGION, T0 + 1 + luck.uniform(0, window), name)
        truth[name] += 1
    cpu, before, runs = time.process_time(), asked(street), 0
    began = street.true.now()
    while counted(street) != truth:
        if street.true.now() > began + 6 * 3600:
            raise RuntimeError(f"not all was found: {counted(street)} of {truth}")
        street.cycle(max(0.0, began + runs * MINUTE - street.true.now()))
        runs += 1
    took = street.true.now() - began
    calls = asked(street) - before
    yield f"{records:,} calls of {window:g} s, recorded up to {late:g} s late: all counted after {took / 60:.0f} min"
    yield f"{runs} runs, {calls:,} LookupEvents, {calls / took:.2f} a second, {time.process_time() - cpu:.0f} s of CPU"
    for _ in range(100):
        street.cycle(10 * MINUTE)
    before = asked(street)
    street.cycle(MINUTE)
    yield f"an idle run: {asked(street) - before} LookupEvents"


def main():
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=30_000)
    parser.add_argument("--window", type=float, default=900.0)
    parser.add_argument("--late", type=float, default=900.0)
    given = parser.parse_args()
    for line in measure(given.records, given.window, given.late):
        print(line, flush=True)


if __name__ == "__main__":
    main()
