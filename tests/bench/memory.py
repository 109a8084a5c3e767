"""Memory of a counter and of a gauge in the ledger and on the page, by the slope between two sizes.

python tests/bench/memory.py [--small 1000] [--large 3000]
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
from pathlib import Path

from exporter.clock import SystemClock
from exporter.ledger import Ledger
from exporter.ledger.memory import MemoryStore
from exporter.model import BLOCK, HOUR, MINUTE, Answer, Counter, Read, Reading, Resource, Sample, Target, Window
from exporter.sinks.prometheus import Renderer
from exporter.tally import Tally

T0 = 1_767_225_600
HERE = Target("123456789012", "eu-west-1")
FAMILIES = [
    "sagemaker_endpoint_invocations_total",
    "sagemaker_endpoint_invocation_4xx_errors_total",
    "sagemaker_endpoint_invocation_5xx_errors_total",
    "sagemaker_endpoint_invocation_model_errors_total",
    "sagemaker_endpoint_mid_stream_errors_total",
]
GAUGES = [
    "sagemaker_endpoint_cpu_utilization_ratio",
    "sagemaker_endpoint_cpu_utilization_max_ratio",
    "sagemaker_endpoint_memory_utilization_ratio",
    "sagemaker_endpoint_memory_utilization_max_ratio",
    "sagemaker_endpoint_disk_utilization_ratio",
]


class Forgetful(MemoryStore):
    """A store that keeps nothing: what SQLite keeps is on disk."""

    def commit(self, changes):
        pass


def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def resources(count):
    for n in range(count):
        dimensions = (("EndpointName", f"endpoint-with-a-name-{n:06d}"), ("VariantName", "AllTraffic"))
        labels = (HERE.account_id, HERE.region, dimensions[0][1], "AllTraffic")
        yield Resource(HERE, "AWS/SageMaker", dimensions, labels)


def counters(ledger, count):
    """Let each resource have busy counters, with the blocks of more than three hours open."""
    known = [Counter(f"Metric{n}", "Sum", family) for n, family in enumerate(FAMILIES)]
    things = list(resources(count))
    for hour in range(5):
        now = T0 + hour * HOUR
        start = max(T0, now - 4 * HOUR)
        window = Window(start, now + MINUTE, MINUTE, float(hour), float(now))
        blocks = tuple((block, float(block % 977), 15) for block in range(start, now, BLOCK))
        answers = tuple(Answer(counter, blocks=blocks, begin=T0) for counter in known)
        reads = tuple(Read(thing, window, answers, until=now + 1e9) for thing in things)
        ledger.apply(Reading("cloudwatch_metrics", HERE, float(now), reads=reads))
    return count * len(known)


def gauges(ledger, count):
    samples = tuple(
        Sample(family, thing.labels, n * 1.37, until=T0 + 1e9, time=float(T0))
        for n, thing in enumerate(resources(count))
        for family in GAUGES
    )
    ledger.apply(Reading("cloudwatch_metrics", HERE, float(T0), samples=samples))
    return count * len(GAUGES)


def measure(kind, count):
    ledger = Ledger(Forgetful(), SystemClock(local=lambda: T0 + 5.0 * HOUR), Tally())
    before = resident()
    series = {"counter": counters, "gauge": gauges}[kind](ledger, count)
    held = resident()
    renderer = Renderer()
    page = renderer.render(ledger.snapshot())
    shown = resident()
    print(series, held - before, shown - before, len(page.text.gzip))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--large", type=int, default=3000)
    parser.add_argument("--only", nargs=2, metavar=("KIND", "COUNT"))
    options = parser.parse_args()
    if options.only:
        measure(options.only[0], int(options.only[1]))
        return
    for kind in ("counter", "gauge"):
        runs = []
        for count in (options.small, options.large):
            command = [sys.executable, __file__, "--only", kind, str(count)]
            runs.append([int(word) for word in subprocess.check_output(command).split()])
        (few, held_few, shown_few, _), (many, held_many, shown_many, _) = runs
        held, shown = (held_many - held_few) / (many - few), (shown_many - shown_few) / (many - few)
        print(f"{kind}: {held:.0f} B in the ledger, {shown:.0f} B with snapshot and page ({few:,} to {many:,} series)")


if __name__ == "__main__":
    main()
