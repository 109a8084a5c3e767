"""The exporter as a process that does what it is told: the whole program, but for its schedule.

Its own sources read in a pool of as many threads as the scheduler has, by the SDK and over real sockets; its ledger is
SQLite on disk. Its clock stands where it is put, and moves when it is told to.

    read        the CloudWatch metrics of all targets, once; `inventory` likewise
    own         what the process tells of itself, four times: as often as in a minute
    page        snapshot, page, and that it is shown
    events      so many events, in readings of 500, each told twice
    serve       open a port on which the last page is served
    figures     what the ledger took and holds
    held        the bytes that are in use (glibc's books): all of Python's too where PYTHONMALLOC is malloc
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import logging
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from canned import SERIES, VARIANT, named, places
from processes import Child, flags, obey

from exporter import footprint
from exporter import inventory as listed
from exporter.clock import SystemClock
from exporter.config import Sources, parse
from exporter.daemon import Parts
from exporter.ledger.sqlite import SqliteStore
from exporter.model import Effect, Event, Reading
from exporter.scheduler import WORKERS
from exporter.sinks.prometheus import Renderer
from exporter.tally import PREFIX
from exporter.web.server import Site, WebServer

COUNTED = 4 * 3600  # seconds before the first cycle from which it counts: deep readings are as wide as they get
FREE = 1_000_000_000  # a limit that does not bind


class SetClock(SystemClock):
    """A clock that stands still until it is moved, as all who wait do, or runs on from where it is put."""

    def __init__(self, at, *, runs):
        self._passed, self._runs = 0.0, runs
        self._began = time.monotonic()
        super().__init__(local=lambda: at + self._since(), steady=self._since)

    def _since(self):
        return self._passed + (time.monotonic() - self._began if self._runs else 0.0)

    def forward(self, seconds):
        self._passed += seconds

    def wait(self, event, seconds):
        if self._runs:
            return super().wait(event, seconds)
        self.forward(max(0.0, seconds))
        return event.is_set()


class TimedStore(SqliteStore):
    """The ledger's store, which tells what its commits took."""

    commits = 0
    cpu = wall = 0.0  # seconds

    def commit(self, changes):
        cpu, wall = time.thread_time(), time.perf_counter()
        try:
            super().commit(changes)
        finally:
            self.commits += 1
            self.cpu += time.thread_time() - cpu
            self.wall += time.perf_counter() - wall


def targets(number):
    """Return the configuration of so many targets: accounts of a few regions, each behind a role."""
    regions = {}
    for account, region in places(number):
        regions.setdefault(account, []).append(region)
    role = "arn:aws:iam::{}:role/sagemaker-exporter"
    return "targets:\n" + "\n".join(
        f"  - {{account_id: '{account}', role_arn: {role.format(account)}, regions: [{', '.join(of_account)}]}}"
        for account, of_account in regions.items()
    )


def configuration(number, *, inventory, free):
    """Return the configuration: defaults, but for limits, and for alarms, of which there are none."""
    operations = ("GetMetricData", "ListMetrics", "ListEndpoints", "DescribeEndpoint", "DescribeEndpointConfig")
    rates = ", ".join([*(f"{name}: {FREE}" for name in operations), f"GetMetricData.datapoints: [{FREE}, {FREE}]"])
    only_lists = "ListMetrics: 1000"  # listing is not what is measured where rates are
    asked = (one for kind in listed.KINDS.values() for one in (kind, *kind.calls))
    others = ", ".join(sorted({name for one in asked for name in one.families} | {listed.COUNTED}))
    unused = sorted(set(Sources.__struct_fields__) - {"cloudwatch_metrics", "inventory"})
    off = ", ".join(f"{source}: {{enabled: false}}" for source in unused)
    return (
        f"{targets(number)}\n"
        f"families: {{exclude: [{others}]}}\n"  # which the canned AWS does not have
        f"limits: {{series: {FREE}, usd_per_month: {FREE}, requests_per_second: {{{rates if free else only_lists}}}}}\n"
        f"sources: {{{off}, inventory: {{enabled: {str(inventory).lower()}}}}}\n"
    )


class Books(ctypes.Structure):
    """What mallinfo2(3) tells, in its order."""

    _names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_ = [(name, ctypes.c_size_t) for name in _names]


class Program:
    """The parts of the program, and what it may be told."""

    def __init__(self, options):
        self._clock = SetClock(options.at, runs=options.runs)
        self._store = TimedStore(Path(options.ledger))
        config = parse(configuration(options.targets, inventory=options.inventory, free=not options.rates))
        self._parts = Parts(config, self._clock, self._store, begin=-float(options.counted))
        self._pool = ThreadPoolExecutor(WORKERS)
        logins = self._parts.logins(config)
        self._targets = list(self._pool.map(lambda login: self._parts.aws.login(*login), logins))
        for target in self._targets:
            self._parts.prepare(target)
        self._sources = {source.name: source for source, _ in self._parts.sources}
        self._renderer = Renderer()
        self._page = None
        self._books = ctypes.CDLL(None).mallinfo2
        self._books.restype = Books

    def inventory(self):
        ran = self._run("inventory")
        censuses = self._parts.inventory.censuses().values()
        return {**ran, "described": sum(bool(one.facts) for census in censuses for one in census.endpoints.values())}

    def read(self):
        return self._run("cloudwatch_metrics")

    def _run(self, name):
        source = self._sources[name]
        runs = list(self._pool.map(lambda target: self._parts.collection.run(source, target), self._targets))
        failures = [failure for run in runs for failure in run.failures]
        return {"outcomes": Counter(run.outcome for run in runs), "failures": list(map(str, failures[:3]))}

    def own(self):
        for _ in range(4):
            self._parts.collection.own()

    def page(self):
        began = time.thread_time()
        snapshot = self._parts.ledger.snapshot()
        gathered = time.thread_time() - began
        page = self._page = self._renderer.render(snapshot)
        self._parts.ledger.shown(snapshot)
        own = sum(chunk.series for (_, target), chunk in snapshot.chunks.items() if target is None)
        return {"series": page.series, "own": own, "bytes": len(page.text.gzip), "snapshot_cpu": gathered}

    def events(self, number):
        now, target = self._clock.now(), self._targets[0]
        grows = (Effect("sagemaker_alarm_state_changes_total", (target.account_id, target.region, "a", "OK")),)
        made = [Event("cloudwatch_alarms/state", f"alarm {n}", now, target, grows) for n in range(int(number))]
        before = Counter()
        for n in range(0, len(made), 500):
            for _ in range(2):
                told = Reading("cloudwatch_alarms", target, now, events=tuple(made[n : n + 500]))
                before.update(self._parts.ledger.apply(told).events)
        return before

    def serve(self):
        site = Site(lambda _: self._page.text.gzip, lambda: b"", lambda: True)
        return {"port": WebServer("127.0.0.1:0", site, self._parts.tally).port}

    def forward(self, seconds):
        self._clock.forward(float(seconds))

    def figures(self):
        """Tell of the ledger, and what its counters are worth: the totals of the first endpoint of each target."""
        first = {"EndpointName": named(0), "VariantName": VARIANT}
        totals, meters = [], 0
        for target in self._targets:
            for resource, meter in self._parts.ledger.known("", target).meters.items():
                meters += 1
                if dict(resource.dimensions) == first:
                    totals += [meter.total(i) for i in range(len(meter.counters))]
        told = self._parts.tally.told()
        return {
            "commits": self._store.commits,
            "commit_cpu": self._store.cpu,
            "commit_wall": self._store.wall,
            "bytes": self._store.size(),
            "resources": meters,
            "totals": totals,
            "waited": sum(told.get(f"{PREFIX}aws_budget_wait_seconds_total", {}).values()),
        }

    def held(self):
        gc.collect()
        books = self._books()
        return {"bytes": books.uordblks + books.hblkhd}

    def close(self):
        self._parts.close()


def program(folder, **options):
    """Start it with its ledger in a folder; return the process."""
    environment = options.pop("environment")
    return Child("program.py", "--ledger", Path(folder) / "ledger.db", *flags(options), environment=environment)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--targets", type=int, default=1)
    parser.add_argument("--at", type=float, required=True, help="where the clock stands (Unix seconds)")
    parser.add_argument("--runs", action="store_true", help="the clock runs from there")
    parser.add_argument("--counted", type=int, default=COUNTED, help="seconds before the start that count")
    parser.add_argument("--inventory", action="store_true", help="list and describe endpoints too")
    parser.add_argument("--rates", action="store_true", help="keep to the default rates of calls and datapoints")
    logging.basicConfig(level=logging.ERROR)
    footprint.keep_small()
    footprint.look_seldom()
    made = Program(parser.parse_args())
    names = ("inventory", "read", "own", "page", "events", "serve", "forward", "figures", "held")
    obey({name: getattr(made, name) for name in names}, series=SERIES)
    made.close()


if __name__ == "__main__":
    main()
