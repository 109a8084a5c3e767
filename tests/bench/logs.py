"""What FilterLogEvents takes to count a burst of matching log events: pages, minutes, CPU, and the room in the ledger.

    python tests/bench/logs.py [--events 100000] [--streams 10000] [--window 300] [--late 120]

The whole street on a clock that stands still, with nothing but the logs: the SDK, but for its sockets, included, and a
ledger on disk. Its fake AWS refuses what is over its quotas, as AWS does, and gives pages of 10,000 events or 1 MB. CPU
is that of this process without the fake's. Time is the fake's: it passes while calls wait for their turn.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from street import ACCOUNT, REGION, Street
from worlds import T0

from exporter.catalogue.logs import MATCHES
from exporter.demo import World
from exporter.demo.logs import Chatter, numbered
from exporter.ledger.sqlite import SqliteStore
from exporter.model import DAY, MINUTE

GROUP = "/aws/sagemaker/TrainingJobs"
EVERY = 5 * MINUTE
TEXT = """
sources:
  cloudwatch_logs:
    rules: [{name: errors, group: /aws/sagemaker/TrainingJobs, pattern: ERROR}]
"""


def counted(street):
    """Return how many events have been counted."""
    return sum(total.parts[""] for key, total in street.ledger._books.totals.items() if key.face[0] == MATCHES)


def measure(events, streams, window, late, path):
    """Yield lines that tell what it took, after all has been counted; raise if that is not the truth."""
    lines = (("2026-01-01T00:00:00 ERROR step=1200 loss=nan: the gradient has overflown", 1.0),)
    writer = Chatter(
        1, T0 + 1, T0 + 1 + window, window / events, lines, numbered("job-{}/algo-1-1", streams), 0.2, late
    )
    world = World(seed=1)
    world.add_log_group(ACCOUNT, REGION, GROUP, T0 - DAY, writer)
    truth = len(world.log_matches(ACCOUNT, REGION, GROUP, "ERROR", T0, T0 + DAY))
    street = Street(world, text=TEXT, run=("cloudwatch_logs",), store=SqliteStore(path))
    street.fake.bill.enforced = True
    of_fake, answer = 0.0, street.fake.answer

    def timed(*given, **more):
        nonlocal of_fake
        began = time.process_time()
        try:
            return answer(*given, **more)
        finally:
            of_fake += time.process_time() - began

    street.fake.answer = timed
    street.cycle()
    size = path.stat().st_size
    cpu, runs, began = time.process_time(), 0, street.true.now()
    while counted(street) != truth:
        if runs > 500 or counted(street) > truth:
            raise RuntimeError(f"{counted(street)} of {truth} counted")
        street.cycle(max(0.0, began + (runs + 1) * EVERY - street.true.now()))
        runs += 1
    used, took = time.process_time() - cpu - of_fake, street.true.now() - began
    pages = street.fake.bill.requests["logs.FilterLogEvents"]
    yield f"{truth:,} events of {window:g} s in {streams:,} streams, {late:g} s late: exact after {took / 60:.0f} min"
    yield f"{runs} runs, {pages} pages, {used:.1f} s of CPU: {truth / used:,.0f} events a second"
    street.ledger.close()
    yield f"{(path.stat().st_size - size) / truth:.0f} bytes of the ledger for each"


def main():
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--window", type=float, default=300.0)
    parser.add_argument("--late", type=float, default=120.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        for line in measure(given.events, given.streams, given.window, given.late, path):
            print(line, flush=True)


if __name__ == "__main__":
    main()
