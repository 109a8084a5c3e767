"""One cycle of a large installation: three accounts, two regions, 50 ms for every call to AWS.

    python tests/bench/cycle.py [--endpoints 28] [--cycles 5] [--latency 0.05]

The fake AWS is a process of its own. Told are wall time, CPU, memory, ledger and scrape of this process: of the first
cycle (everything is new and due) and of the following ones, a minute apart by the clock of the program.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from exporter.clock import SystemClock
from exporter.config import parse
from exporter.daemon import Parts
from exporter.demo import FakeAws, access_key, default_world, serve
from exporter.ledger.sqlite import SqliteStore
from exporter.sinks.prometheus import Renderer
from exporter.web.server import Site, WebServer

ACCOUNTS = ("111111111111", "222222222222", "333333333333")
REGIONS = ("eu-west-1", "us-east-1")
FAKE = "serve a fake AWS"


def serve_fake(endpoints, latency, origin):
    """Be the fake AWS, until standard input ends. A line on it moves the clock by so many seconds."""
    world = default_world(endpoints=endpoints, accounts=ACCOUNTS, regions=REGIONS, begin=origin)
    fake = FakeAws(world, time.time)
    fake.faults.add("slow", seconds=latency)
    with serve(fake) as server:
        print(server.url, flush=True)
        for line in sys.stdin:
            fake.advance(float(line))
            print("moved", flush=True)


class Clock(SystemClock):
    """The machine's clock, moved on by hand between cycles."""

    ahead = 0.0

    def __init__(self):
        super().__init__(local=lambda: time.time() + self.ahead, steady=lambda: time.monotonic() + self.ahead)


def configuration():
    targets = "".join(
        f"\n  - account_id: '{account}'\n    role_arn: arn:aws:iam::{account}:role/sagemaker-exporter\n"
        f"    regions: [{', '.join(REGIONS)}]"
        for account in ACCOUNTS
    )
    quick = "{DescribeEndpoint: 50, DescribeEndpointConfig: 50, ListMetrics: 25}"  # not what is measured
    return parse(f"targets:{targets}\nlimits: {{requests_per_second: {quick}}}\n")


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoints", type=int, default=28)
    parser.add_argument("--cycles", type=int, default=5)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--fake", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fake is not None:
        serve_fake(options.endpoints, options.latency, options.fake)
        return
    logging.basicConfig(level=logging.ERROR)
    flags = ["--endpoints", str(options.endpoints), "--latency", str(options.latency), "--fake", str(time.time())]
    with (
        subprocess.Popen(
            [sys.executable, __file__, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as fake,
        tempfile.TemporaryDirectory() as folder,
    ):
        os.environ |= {
            "AWS_ENDPOINT_URL": fake.stdout.readline().strip(),
            "AWS_ACCESS_KEY_ID": access_key(ACCOUNTS[0]),
            "AWS_SECRET_ACCESS_KEY": "any",
        }
        measure(options, fake, Path(folder) / "ledger.db")
        fake.stdin.close()


def measure(options, fake, path):
    clock = Clock()
    parts = Parts(configuration(), clock, SqliteStore(path), begin=-900.0)
    targets = [parts.aws.login(account, region) for account, region in parts.logins(parts.config)]
    inventory, metrics, *_ = (source for source, _ in parts.sources)
    pool = ThreadPoolExecutor(16)
    renderer = Renderer()
    before = peak()
    list(pool.map(lambda target: parts.collection.run(inventory, target), targets))
    print(f"{len(targets)} targets, {options.endpoints} endpoints each, {options.latency * 1000:.0f} ms a call")
    print(f"memory with clients and inventory: {before:.0f} -> {peak():.0f} MB")
    for cycle in range(options.cycles):
        wall, cpu = time.perf_counter(), time.process_time()
        runs = list(pool.map(lambda target: parts.collection.run(metrics, target), targets))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        page_cpu = time.process_time()
        snapshot = parts.ledger.snapshot()
        page = renderer.render(snapshot)
        parts.ledger.shown(snapshot)
        page_cpu = time.process_time() - page_cpu
        series = sum(chunk.series for chunk in snapshot.chunks.values())
        counters = sum(len(m.counters) for t in targets for m in parts.ledger.known("", t).meters.values())
        outcomes = {run.outcome for run in runs}
        print(
            f"cycle {cycle}: {series:,} series ({counters:,} counters) {outcomes}, wall {wall:.2f} s, CPU {cpu:.2f} s, "
            f"page {page_cpu:.2f} s CPU and {len(page.text.gzip) / 1024:.0f} KiB, peak {peak():.0f} MB, "
            f"ledger {parts.ledger.figures().size_bytes / 1024:.0f} KiB"
        )
        fake.stdin.write("60\n")
        fake.stdin.flush()
        fake.stdout.readline()
        clock.ahead += 60
    own = (s for s in parts.tally.samples("x", math.inf) if s.family.endswith("ledger_write_duration_seconds"))
    writes = {sample.part: sample.value for sample in own}
    print(f"ledger: {writes['count']:.0f} commits, {writes['sum'] / writes['count'] * 1000:.1f} ms each in the mean")
    server = WebServer("127.0.0.1:0", Site(lambda _: page.text.gzip, lambda: b"", lambda: True), parts.tally)
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/metrics", headers={"Accept-Encoding": "gzip"})
    scrapes, began, cpu = 200, time.perf_counter(), time.process_time()
    for _ in range(scrapes):
        urllib.request.urlopen(request).read()  # noqa: S310 - our own server
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"scrape: {wall / scrapes * 1000:.2f} ms wall, {cpu / scrapes * 1000:.2f} ms CPU, client and server together")
    server.close()
    parts.close()


if __name__ == "__main__":
    main()
