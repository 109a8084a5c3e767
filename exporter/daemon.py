"""Builds every part from a `Config`, starts them, drains and stops them. The only file that knows them all."""

from __future__ import annotations

import logging
import os
import platform
import threading
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version as version_of

from exporter import __version__
from exporter.aws import Aws, AwsError
from exporter.catalogue import CATALOGUE
from exporter.catalogue.places import Places, places
from exporter.clock import Clock
from exporter.collection import Collection, Source
from exporter.config import Account, Config, fingerprint
from exporter.inventory import Inventory, Pacing, Selection
from exporter.ledger import Ledger, Rules
from exporter.ledger.store import Store
from exporter.model import Target
from exporter.scheduler import Entry, Scheduler
from exporter.sinks.prometheus import Page, Renderer
from exporter.sources import cloudwatch_alarms, cloudwatch_metrics
from exporter.sources.cloudwatch_alarms import CloudWatchAlarms
from exporter.sources.cloudwatch_metrics import CloudWatchMetrics
from exporter.sources.inventory import InventorySource
from exporter.tally import PREFIX, Tally
from exporter.web import status
from exporter.web.negotiation import Format
from exporter.web.server import Site, WebServer

OWN_EVERY = 15.0  # seconds between two looks of the process at itself
LOGIN_EVERY = 60.0  # seconds between two attempts to log in
RENDER_EVERY = 1.0  # seconds between two pages at the least, of real time
FIRST_ROUND = 120.0  # seconds after which we are ready, even if a source has not ended its first run
DRAIN = 10.0  # seconds of real time that running sources have to end; Kubernetes kills after 30

_SWITCHED_OFF = {  # by source: how to end the count of what it counts
    CloudWatchMetrics.name: cloudwatch_metrics.switched_off,
    CloudWatchAlarms.name: cloudwatch_alarms.switched_off,
}

_log = logging.getLogger(__name__)


class SetupError(Exception):
    """Something outside the configuration file keeps the program from starting; the text says what to do."""


class Parts:
    """What every command that reads AWS needs, built from a configuration."""

    def __init__(self, config: Config, clock: Clock, store: Store, begin: float = 0.0) -> None:
        self.config = config
        self.clock = clock
        self.tally = Tally(config.web.zero_hold)
        metrics, listing = config.sources.cloudwatch_metrics, config.sources.inventory
        rules = Rules(metrics.settle, metrics.deep_settle)
        self.ledger = Ledger(store, clock, self.tally, rules, config.web.zero_hold)
        self.aws = Aws(clock, self.tally, f"sagemaker-exporter/{__version__}", config.limits.requests_per_second)
        pacing = Pacing(
            listing.describe_every,
            listing.list_metrics_every,
            tags=Selection(config.resources).tags,
            resources=listing.enabled,
        )
        self.inventory = Inventory(self.aws, _listed_places(config), pacing)
        known = places(row for row in CATALOGUE.values() if row.ask)
        self.sources: list[tuple[Source, float]] = [(InventorySource(self.inventory, config), listing.every)]
        if metrics.enabled:
            source = CloudWatchMetrics(self.aws, self.inventory, known, config, begin)
            self.sources.append((source, metrics.every))
        alarms = config.sources.cloudwatch_alarms
        if alarms.enabled:
            self.sources.append((CloudWatchAlarms(self.aws, known, config), alarms.every))
        self.collection = Collection(self.ledger, clock, self.tally)
        self._tell_what_runs()

    def logins(self) -> Iterator[tuple[Account, str]]:
        """Yield what is to be logged in to: accounts by regions. Raises `SetupError` where no region is known."""
        for n, account in enumerate(self.config.targets):
            regions = account.regions or ((self.aws.region,) if self.aws.region else ())
            if not regions:
                raise SetupError(f"targets[{n}] names no region, and neither does the AWS environment (AWS_REGION)")
            yield from ((account, region) for region in regions)

    def prepare(self, target: Target) -> None:
        """Before anything runs on a target: own counters about it stand at 0; what is switched off is not counted."""
        sources = [source.name for source, _ in self.sources]
        for name, switched_off in _SWITCHED_OFF.items():
            if name not in sources:
                self.ledger.apply(switched_off(target, self.ledger.known(name, target), self.clock.now()))
        for name, row in CATALOGUE.items():
            if row.source == "own" and row.seeded is True and "cloudwatch_namespace" not in row.labels:
                telling = [source for source in sources if source in row.known("source")]
                here = {"account_id": [target.account_id], "region": [target.region], "source": telling}
                if telling or "source" not in row.labels:
                    self.tally.seed(name.removeprefix(PREFIX), here)

    def close(self) -> None:
        """Give everything up."""
        self.aws.close()
        self.ledger.close()

    def _tell_what_runs(self) -> None:
        revision = os.environ.get("SAGEMAKER_EXPORTER_REVISION", "")
        facts = (__version__, revision, platform.python_version(), version_of("botocore"))
        self.tally.set("build_info", *facts, value=1.0)
        self.tally.set("config_info", fingerprint(self.config), value=1.0)
        self.tally.set("config_last_reload_successful", value=1.0)
        self.tally.set("config_last_reload_timestamp_seconds", value=self.clock.now())


class Daemon:
    """The running program: parts, schedule, pages, server."""

    def __init__(self, parts: Parts, *, metrics_path: str = "/metrics", note: str = "") -> None:
        self._parts = parts
        self._clock = parts.clock
        self._tally = parts.tally
        self._scheduler = Scheduler(parts.clock, parts.tally)
        self._logins = tuple(parts.logins())
        self._waiting: dict[tuple[Account, str], Entry] = {}
        self._complaints: dict[tuple[Account, str], str] = {}  # why a login last failed
        self._entries: dict[Target, list[Entry]] = {}
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._page_error = ""  # why a page could not be made, last
        self._shown = False  # whether a page holds the first round of all sources
        self._started = parts.clock.monotonic()
        self._renderer = Renderer()
        self._page = self._renderer.render(parts.ledger.snapshot())
        self._pages = threading.Thread(target=self._make_pages, name="render", daemon=True)
        self._site = Site(self._metrics, partial(self._status, note, metrics_path), self.ready, metrics_path)
        self.servers: list[WebServer] = []

    def start(self) -> None:
        """Listen first, so that the process can be seen; then log in and run what there is to run."""
        addresses = self._parts.config.web.listen_addresses
        try:
            self.servers += [WebServer(address, self._site, self._tally) for address in addresses]
        except (OSError, ValueError, OverflowError) as error:
            raise SetupError(f"can't listen on {' '.join(addresses)}: {error}") from error
        self._parts.collection.own()
        self._pages.start()
        for account, region in self._logins:
            entry = Entry("login", LOGIN_EVERY, partial(self._log_in, account, region))
            self._waiting[account, region] = entry
            self._scheduler.add(entry)
        self._scheduler.add(Entry("own", OWN_EVERY, self._own, apart=True))
        self._scheduler.start()

    def wait(self) -> None:
        """Return when somebody has asked the daemon to stop."""
        self._stopping.wait()

    def ask_to_stop(self) -> None:
        """Let `wait` return. Safe in a signal handler."""
        self._stopping.set()

    def stop(self) -> bool:
        """Start nothing more, let runs end, commit, give up; return whether all of it ended in time."""
        self._stopping.set()
        self._parts.aws.close()
        drained = self._scheduler.stop(DRAIN, last=self._own)
        self._ended.set()
        self._pages.join()
        for server in self.servers:
            server.close()
        if drained:
            self._parts.ledger.close()
        return drained

    def ready(self) -> bool:
        """Say whether the first round of all sources on all targets has ended, or has had its time."""
        if self._stopping.is_set():
            return False
        return self._shown or self._clock.monotonic() > self._started + FIRST_ROUND

    def _ran(self) -> bool:
        """Say whether every source has run on every target."""
        entries = [entry for of_target in tuple(self._entries.values()) for entry in of_target]
        return not self._waiting and all(entry.runs for entry in entries)

    # -- what runs ---------------------------------------------------------------------------------------------------

    def _log_in(self, account: Account, region: str) -> None:
        """Try to log in; once that works, run the sources on the target instead."""
        try:
            target = self._parts.aws.login(account, region)
        except AwsError as error:
            if self._complaints.get((account, region)) != error.error_class:
                self._complaints[account, region] = error.error_class
                _log.warning("can't log in to %s %s: %s", account.account_id or "the ambient account", region, error)
            return
        self._add_target(target)
        self._scheduler.remove(self._waiting.pop((account, region)))

    def _add_target(self, target: Target) -> None:
        if target in self._entries:
            _log.error("%s %s is configured twice: the second one is ignored", target.account_id, target.region)
            return
        self._parts.prepare(target)
        entries = []
        for source, every in self._parts.sources:
            entry = Entry(source.name, every, partial(self._parts.collection.run, source, target), target)
            if source.name != "inventory":
                entry.may = partial(self._listed, target)
            entries.append(entry)
        self._entries[target] = entries
        for entry in entries:
            self._scheduler.add(entry)

    def _listed(self, target: Target) -> bool:
        """Say whether the inventory has seen a target: before that, no other source knows what to ask."""
        return self._parts.inventory.census(target).at > 0

    def _own(self) -> None:
        self._tally.set("ready", value=float(self.ready()))
        self._parts.collection.own()

    # -- what is shown -----------------------------------------------------------------------------------------------

    def _make_pages(self) -> None:
        """Make pages, at most one a second, until all has ended."""
        while not self._ended.wait(RENDER_EVERY):
            try:
                self._make_page()
            except Exception as error:  # noqa: BLE001 - the last page stays, and the next second tries again
                if self._page_error != repr(error):  # told once, with its traceback
                    _log.exception("a page could not be made, the last one stays")
                self._page_error = repr(error)
            else:
                self._page_error = ""

    def _make_page(self) -> None:
        """Make a page of what has changed."""
        ran, snapshot = self._ran(), self._parts.ledger.snapshot()
        if snapshot is not self._page.snapshot:
            began = self._clock.monotonic()
            self._page = self._renderer.render(snapshot)
            self._parts.ledger.shown(snapshot)
            self._tally.observe("snapshot_render_duration_seconds", value=self._clock.monotonic() - began)
            self._tally.set("snapshot_timestamp_seconds", value=snapshot.at)
            self._tally.set("series", value=float(self._page.series))
        self._shown |= ran

    def _metrics(self, form: Format) -> bytes:
        page: Page = self._page
        return (page.openmetrics if form == "openmetrics" else page.text).gzip

    def _status(self, note: str, metrics_path: str) -> bytes:
        return status.page(__version__, self._parts.collection.runs(), note, metrics_path)


def _listed_places(config: Config) -> Places:
    """Return where CloudWatch keeps what is on, and what else lies in those namespaces, to tell one from the other."""
    rows = [row for row in CATALOGUE.values() if row.ask and config.sources.cloudwatch_metrics.enabled]
    asked = {namespace for row in rows if row.ask and config.on(row.name) for namespace in row.ask.shape.namespaces}
    return places(row for row in rows if row.ask and asked.intersection(row.ask.shape.namespaces))
