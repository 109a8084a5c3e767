"""Builds every part from a `Config`, starts them, drains and stops them. The only file that knows them all."""

from __future__ import annotations

import logging
import os
import platform
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version as version_of
from typing import Any, NamedTuple

from msgspec import structs

from exporter import __version__
from exporter.admission import NOTE, Admission
from exporter.aws import Aws, AwsError, SameTargetError
from exporter.aws.queues import Queue
from exporter.catalogue import CATALOGUE
from exporter.catalogue.places import Places, places
from exporter.clock import Clock
from exporter.collection import Collection, Follower, Listener, Repeats, Source
from exporter.config import Account, Config, fingerprint, stands
from exporter.config import Queue as QueueSettings
from exporter.inventory import Inventory, Pacing, Selection, counted, wanted
from exporter.ledger import Ledger, LedgerError, Rules
from exporter.ledger.store import Store
from exporter.model import Target
from exporter.road import Road
from exporter.scheduler import Entry, Scheduler
from exporter.sinks.audit import Audit, AuditError, outlet
from exporter.sinks.prometheus import Page, Process, Renderer
from exporter.sources import (
    cloudtrail,
    cloudwatch_alarms,
    cloudwatch_logs,
    cloudwatch_metrics,
    cost,
    job_events,
    job_polling,
    quotas,
)
from exporter.sources.cloudtrail import AnnouncedCalls, HeardCalls, ListedCalls
from exporter.sources.cloudwatch_alarms import CloudWatchAlarms
from exporter.sources.cloudwatch_logs import CloudWatchLogs
from exporter.sources.cloudwatch_metrics import CloudWatchMetrics
from exporter.sources.cloudwatch_metrics.rests import months, spent_this_month
from exporter.sources.cost import Cost
from exporter.sources.inventory import InventorySource
from exporter.sources.job_events import JobEvents
from exporter.sources.job_polling import JobPolling
from exporter.sources.quotas import Quotas
from exporter.strict import ConfigError
from exporter.tally import PREFIX, Tally
from exporter.web import status
from exporter.web.gate import Gate
from exporter.web.negotiation import Format
from exporter.web.server import WebServer
from exporter.web.site import Site

OWN_EVERY = 15.0  # seconds between two looks of the process at itself
LOGIN_EVERY = 60.0  # seconds between two attempts to log in
RENDER_EVERY = 1.0  # seconds between two pages at the least, of real time
FIRST_ROUND = 120.0  # seconds after which we are ready, even if a source has not ended its first run
DRAIN = 10.0  # seconds of real time that running sources have to end; Kubernetes kills after 30
ROAD_DRAIN = 5.0  # and that a queue's reader has to delete what it has counted
AUDIT_DRAIN = 3.0  # and that audit records have to be written

Login = tuple[Account, str]  # how to become whom, and in which region

_SWITCHED_OFF = {  # by source: how to end the count of what it counts
    CloudWatchMetrics.name: cloudwatch_metrics.switched_off,
    CloudWatchAlarms.name: cloudwatch_alarms.switched_off,
    CloudWatchLogs.name: cloudwatch_logs.switched_off,
    JobPolling.name: job_polling.switched_off,
    JobEvents.name: job_events.switched_off,
    cloudtrail.SOURCE: cloudtrail.switched_off,
    Cost.name: cost.switched_off,
}

_AFTER = {  # by source: those that tell what it reads must have run once, or it would begin with half of it
    Cost.name: (InventorySource.name, JobPolling.name),
}

_log = logging.getLogger(__name__)


class SetupError(Exception):
    """Something outside the configuration file keeps the program from starting; the text says what to do."""


Sources = list[tuple[Source, float]]  # each with the seconds between two of its runs
Listeners = list[tuple[Listener | Follower, str]]  # each with the queue that it hears


class Made(NamedTuple):
    """What is made by a configuration."""

    config: Config
    inventory: Inventory
    sources: Sources
    listeners: Listeners

    @property
    def names(self) -> frozenset[str]:
        """The sources that run or hear."""
        return frozenset({one.name for one, _ in self.sources} | {one.name for one, _ in self.listeners})

    @property
    def off(self) -> frozenset[str]:
        """The sources that count, and are not among these."""
        return frozenset(_SWITCHED_OFF) - self.names


def _listeners(config: Config, aws: Aws, inventory: Inventory, begin: float) -> Listeners:
    """Return who hears which queue: a line for each source that does."""
    events = config.sources.job_events
    made: Listeners = [(JobEvents(aws, inventory, config), events.queue)] if events.enabled else []
    for trail in config.sources.trails:
        if trail.from_ == "queue":
            made.append((HeardCalls(aws, config, begin), trail.queue))
        elif trail.from_ == "s3":
            made.append((AnnouncedCalls(aws, trail, config, begin), trail.queue))
    return made


class Parts:
    """What every command that reads AWS needs. `configure` makes the sources; what they have learnt of the world stays.

    `begin` (seconds, 0 or less) moves the start of counting at a first start: for demonstrations. Audit records go
    nowhere until `audit` is told where.
    """

    def __init__(self, config: Config, clock: Clock, store: Store, begin: float = 0.0) -> None:
        self.clock = clock
        self.tally = Tally(config.web.zero_hold)
        self.ledger = Ledger(store, clock, self.tally)
        self.aws = Aws(clock, self.tally, f"sagemaker-exporter/{__version__}")
        self.admission = Admission(config.limits.series)
        self.audit = Audit(self.tally)
        self.collection = Collection(self.ledger, clock, self.tally, self.admission, self.audit.write)
        self._begin = begin
        self.tally.seed("config_reloads_total", {})
        self._tell_what_runs()
        self.inventory = Inventory(self.aws, {}, Pacing(), self.admission)
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Make the sources by a configuration, and use them."""
        self.use(self.make(config))

    def make(self, config: Config) -> Made:
        """Make the sources by a configuration, changing nothing yet."""
        metrics, listing, priced = config.sources.cloudwatch_metrics, config.sources.inventory, config.sources.cost
        pacing = Pacing(
            listing.describe_every,
            listing.list_metrics_every,
            stands(listing),
            tags=Selection(config.resources).tags,
            labels=frozenset(config.labelled),
            resources=listing.enabled,
            kinds=wanted(
                config.on,
                counted(listing.resource_types.include, listing.resource_types.exclude),
                runs=priced.enabled or config.sources.quotas.enabled,
            ),
        )
        inventory = Inventory(self.aws, _listed_places(config), pacing, self.admission, config.on, self.inventory)
        known = places(row for row in CATALOGUE.values() if row.ask)
        sources: Sources = [(InventorySource(inventory, config), listing.every)]
        if metrics.enabled:
            notes = self.ledger.notes(CloudWatchMetrics.name)
            source = CloudWatchMetrics(self.aws, inventory, known, config, self.admission, notes, self._begin)
            sources.append((source, metrics.every))
        alarms = config.sources.cloudwatch_alarms
        if alarms.enabled:
            sources.append((CloudWatchAlarms(self.aws, known, config), alarms.every))
        logs = config.sources.cloudwatch_logs
        if logs.enabled:
            sources.append((CloudWatchLogs(self.aws, inventory, config, self._begin), logs.every))
        jobs = config.sources.job_polling
        if jobs.enabled:
            sources.append((JobPolling(self.aws, inventory, config), jobs.every))
        if config.sources.quotas.enabled:
            every = min(config.sources.quotas.every, quotas.RUN_EVERY)
            sources.append((Quotas(self.aws, inventory, config), every))
        trails = [trail for trail in config.sources.trails if trail.from_ == "lookup"]
        sources += [(ListedCalls(self.aws, trail, config, self._begin), trail.every) for trail in trails]
        if priced.enabled:
            sources.append((Cost(self.aws, inventory, config), priced.every))
        listeners = _listeners(config, self.aws, inventory, self._begin)
        sources += [(listener, job_events.EVERY) for listener, _ in listeners if isinstance(listener, JobEvents)]
        return Made(config, inventory, sources, listeners)

    def use(self, made: Made) -> None:
        """Let a configuration be in force."""
        self.config, self.inventory, self.sources, self.listeners = made
        config, metrics = self.config, self.config.sources.cloudwatch_metrics
        self.tally.hold(config.web.zero_hold)
        self.ledger.rule(Rules(metrics.settle, metrics.deep_settle), config.web.zero_hold, _off(made))
        self.aws.limit(config.limits.calls, config.limits.datapoints)
        self.admission.limit = config.limits.series
        self.collection.limit({"principal": config.sources.principals})
        self.tally.fill("config_info", [((fingerprint(config),), 1.0)])
        self.tally.set("ignored_targets", value=0.0)
        self.tally.set("config_last_reload_successful", value=1.0)
        self.tally.set("config_last_reload_timestamp_seconds", value=self.clock.now())

    def logins(self, config: Config) -> tuple[Login, ...]:
        """Return what is to be logged in to: accounts by regions. Raises `SetupError`: no region, or the same twice."""
        found: list[Login] = []
        first: dict[tuple[str, str], int] = {}
        for n, account in enumerate(config.targets):
            for region in account.regions or (self._region(n),):  # that of the environment is known only here
                before = first.setdefault((account.supposed, region), n)
                if before != n:
                    who = account.supposed or "the ambient account"
                    raise SetupError(f"targets[{n}] and targets[{before}] are both {who} in {region}: leave one out")
                found.append((structs.replace(account, regions=()), region))
        return tuple(found)

    def _region(self, n: int) -> str:
        try:
            region = self.aws.region
        except AwsError as error:
            raise SetupError(f"targets[{n}] names no region, and the AWS environment can't be read: {error}") from error
        if region is None:
            raise SetupError(f"targets[{n}] names no region, and neither does the AWS environment (AWS_REGION)")
        return region

    def prepare(self, target: Target) -> None:
        """Before anything runs on a target: own counters about it stand at 0; what is switched off is not counted."""
        self.switch_off(target, Made(self.config, self.inventory, self.sources, self.listeners))
        self.expect(target)

    def switch_off(self, target: Target, made: Made) -> None:
        """End the count of what no source of these counts. Raises `LedgerError` if the disk refuses."""
        for name in made.off:
            self.ledger.apply(_SWITCHED_OFF[name](target, self.ledger.known(name, target), self.clock.now()))

    def retire(self, targets: Iterable[Target]) -> None:
        """End the count of what is switched off once more, for good: a run was under way when it was."""
        made = Made(self.config, self.inventory, self.sources, self.listeners)
        self.collection.retire(made.off, (listener for listener, _ in made.listeners))
        try:
            for target in targets:
                self.switch_off(target, made)
        except LedgerError as error:
            _log.error("what is switched off may have counted a last time: %s", error)

    def expect(self, target: Target) -> None:
        """Let room be kept for the sources on a target, and own counters about it stand at 0."""
        hearing = [listener.name for listener, _ in self.listeners]
        sources = [source.name for source, _ in self.sources] + hearing
        self._admit(target, sources)
        for name, row in CATALOGUE.items():
            counts = row.source == "own" and row.type != "gauge"
            if counts and row.seeded is True and "cloudwatch_namespace" not in row.labels:
                telling = [source for source in sources if source in row.known("source")]
                here = {"account_id": [target.account_id], "region": [target.region], "source": telling}
                if telling or "source" not in row.labels:
                    self.tally.seed(name.removeprefix(PREFIX), here)

    def meet(self, target: Target) -> None:
        """Let room be kept for what queues tell of a target that is not configured; listeners know it then."""
        for listener, _ in self.listeners:
            listener.meet(target)
        self._admit(target, [listener.name for listener, _ in self.listeners])

    def _admit(self, target: Target, sources: Sequence[str]) -> None:
        self.admission.expect(target, {name: self.ledger.known(name, target).notes.get(NOTE) for name in sources})
        for listener, _ in self.listeners:  # nobody waits for them: there may be nothing to hear for weeks
            self.admission.pass_by(target, listener.name)

    def forget(self, target: Target) -> None:
        """Give up a target that is no longer configured; its counters stay in the ledger."""
        self.aws.forget(target)
        self.admission.expect(target, {})
        self.tally.forget(account_id=target.account_id, region=target.region)

    def close(self) -> None:
        """Give everything up."""
        self.aws.close()
        self.audit.close(AUDIT_DRAIN)
        self.ledger.close()

    def _tell_what_runs(self) -> None:
        revision = os.environ.get("SAGEMAKER_EXPORTER_REVISION", "")
        facts = (__version__, revision, platform.python_version(), version_of("botocore"))
        self.tally.set("build_info", *facts, value=1.0)


class Daemon:
    """The running program: parts, schedule, pages, server. `load` reads the configuration again."""

    def __init__(
        self,
        parts: Parts,
        load: Callable[[], Config],
        *,
        metrics_path: str = "/metrics",
        note: str = "",
        gate: Gate | None = None,
        lifecycle: bool = False,
    ) -> None:
        self._parts = parts
        self._load = load
        self._clock = parts.clock
        self._tally = parts.tally
        self._scheduler = Scheduler(parts.clock, parts.tally)
        self._logins = parts.logins(parts.config)
        self._lock = threading.RLock()  # guards what is logged in to, and what runs
        self._waiting: dict[Login, Entry] = {}
        self._complaints: dict[Login, AwsError] = {}  # why a login last failed
        self._repeats = Repeats()
        self._targets: dict[Login, Target] = {}
        self._ignored: dict[Login, str] = {}  # what is not read, since it is another target, and why
        self._entries: dict[Target, list[Entry]] = {}
        self._ending: dict[Target, list[Entry]] = {}  # what was still running, by a configuration of before
        self._roads: dict[str, tuple[QueueSettings, Road]] = {}
        self._asked: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()  # by signals
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._refused = ""  # why the last reload was refused
        self._page_error = ""  # why a page could not be made, last
        self._shown = False  # whether a page holds the first round of all sources
        self._started = parts.clock.monotonic()
        self._renderer = Renderer(Process())
        self._page = self._renderer.render(parts.ledger.snapshot())
        self._pages = threading.Thread(target=self._make_pages, name="render", daemon=True)
        status_page = partial(self._status, note, metrics_path)
        reload = self.reload if lifecycle else None
        self._site = Site(self._metrics, status_page, self.ready, metrics_path, reload)
        self._gate = gate or Gate()
        self.servers: list[WebServer] = []

    def start(self) -> None:
        """Listen first, so that the process can be seen; then log in and run what there is to run."""
        addresses = self._parts.config.web.listen_addresses
        try:
            self.servers += [WebServer(address, self._site, self._tally, self._gate) for address in addresses]
        except (OSError, ValueError, OverflowError) as error:
            raise SetupError(f"can't listen on {' '.join(addresses)}: {error}") from error
        self._gate.watch()
        self._parts.collection.own()
        self._pages.start()
        with self._lock:
            for login in self._logins:
                self._wait_for(login)
            self._read_queues()
        self._scheduler.add(Entry("own", OWN_EVERY, self._own, apart=True))
        self._scheduler.start()

    def wait(self, settled: Callable[[], Any] = str) -> None:
        """Do what is asked for until somebody asks the daemon to stop; call `settled` once the first round is shown."""
        begun = False
        while not self._stopping.is_set():
            if self._shown and not begun:
                begun = True
                settled()
            with suppress(queue.Empty):  # a signal that comes just before the wait begins is heard of after it only
                self._asked.get(timeout=0.2)()

    def ask_to_stop(self) -> None:
        """Let `wait` return. Safe in a signal handler."""
        self._stopping.set()
        self._asked.put(str)  # which does nothing: `wait` looks up

    def ask_to_reload(self) -> None:
        """Let `wait` take over the configuration as it is now. Safe in a signal handler."""
        self._asked.put(self.reload)

    def reload(self) -> str | None:
        """Take over the configuration as it is now; return why that can't be done: then nothing has changed."""
        with self._lock:
            try:
                config = self._load()
                fixed = _fixed(self._parts.config, config)
                logins = self._parts.logins(config)
                made = self._parts.make(config)
                moved = not fixed and config.audit != self._parts.config.audit
                where = outlet(config.audit) if moved else None
                for login in logins if not fixed else ():
                    if login in self._targets:
                        self._parts.switch_off(self._targets[login], made)
            except (AuditError, ConfigError, SetupError, LedgerError) as error:
                fixed = str(error)
            except Exception as error:  # noqa: BLE001 - no file, whatever is in it, may end a program that runs
                _log.exception("a configuration could not be taken over")
                fixed = f"a fault of the exporter, of which its log tells more: {error!r}"
            self._refused = fixed
            self._tally.add("config_reloads_total", "rejected" if fixed else "ok")
            if fixed:
                self._tally.set("config_last_reload_successful", value=0.0)
                _log.error("the configuration stays as it was: %s", fixed)
                return fixed
            heard = {listener.name for listener, _ in self._parts.listeners}
            self._parts.use(made)
            if moved:
                self._parts.audit.use(where)
            self._take_over(logins)
            self._read_queues()
            self._parts.retire(self._targets.values())
            for source in heard - {listener.name for listener, _ in made.listeners}:
                self._tally.forget(source=source)
            self._gate.look()
            _log.info("a new configuration is in force: %s", fingerprint(config))
            return None

    def _take_over(self, logins: tuple[Login, ...]) -> None:
        """Run the sources that are configured now instead of those of before."""
        before, known = self._entries, self._targets
        for entry in (*self._waiting.values(), *(one for entries in before.values() for one in entries)):
            self._scheduler.remove(entry)
        for target, entries in before.items():
            self._ending.setdefault(target, []).extend(entries)
        still = {target: [one for one in entries if one.running] for target, entries in self._ending.items()}
        self._ending = {target: entries for target, entries in still.items() if entries}
        self._waiting, self._entries, self._targets, self._ignored = {}, {}, {}, {}
        for login in logins:
            if login in known:
                self._parts.expect(known[login])
                self._add_target(login, known[login])
        for target in before.keys() - self._entries.keys():  # before others log in: one of them may be the same
            self._parts.forget(target)
        for login in logins:
            if login not in known:
                self._wait_for(login)
        ran = {entry.name for entries in before.values() for entry in entries}
        kept = {(entry.name, target) for target, entries in self._entries.items() for entry in entries}
        self._parts.collection.keep(kept)
        for source in ran - {source.name for source, _ in self._parts.sources}:
            self._tally.forget(source=source)

    def stop(self) -> bool:
        """Start nothing more, let runs end, commit, give up; return whether all of it ended in time."""
        self._stopping.set()
        drained = self._leave([road for _, road in self._roads.values()])  # before calls fail: they delete what counts
        self._parts.collection.leave()
        self._parts.aws.close()
        drained &= self._scheduler.stop(DRAIN, last=self._own)
        self._parts.audit.close(AUDIT_DRAIN)
        self._ended.set()
        self._pages.join()
        self._gate.close()
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

    def _wait_for(self, login: Login) -> None:
        """Try to log in, now and then, until that works."""
        entry = self._waiting[login] = Entry("login", LOGIN_EVERY, partial(self._log_in, login))
        self._scheduler.add(entry)

    def _log_in(self, login: Login) -> None:
        """Try to log in; once that works, run the sources on the target instead."""
        account, region = login
        try:
            target = self._parts.aws.login(account, region)
        except SameTargetError as error:
            self._ignore(login, str(error))
            return
        except AwsError as error:
            self._complaints[login] = error
            times = self._repeats.tell(login, error.error_class, self._clock.monotonic())
            again = f" ({times} times in a row)" if times > 1 else ""
            if times:
                who = account.account_id or "the ambient account"
                _log.warning("can't log in to %s %s%s: %s", who, region, again, error)
            return
        self._repeats.end(login)
        with self._lock:
            entry = self._waiting.pop(login, None)
            if entry:  # or it is no longer wanted
                self._scheduler.remove(entry)
                self._parts.prepare(target)
                self._add_target(login, target)
        self._parts.collection.own()  # what was told of a login into no account yet is shown no longer

    def _ignore(self, login: Login, why: str) -> None:
        """Never read what another target is already, and do not try again: only another configuration mends it."""
        with self._lock:
            entry = self._waiting.pop(login, None)
            if entry:
                self._scheduler.remove(entry)
                self._ignored[login] = why
                self._tally.set("ignored_targets", value=float(len(self._ignored)))
                _log.error("the configuration is wrong: %s", why)

    def _add_target(self, login: Login, target: Target) -> None:
        """Run the sources on a target, each once its runs of before have ended: one of two would undo the other."""
        entries: list[Entry] = []
        for source, every in self._parts.sources:
            entry = Entry(source.name, every, partial(self._parts.collection.run, source, target), target)
            last = [one for one in self._ending.get(target, ()) if one.name == source.name]
            first = [one for one in entries if one.name in _AFTER.get(source.name, ())]
            entry.may = partial(self._may_run, source.name, target, last, first)
            entries.append(entry)
        self._targets[login], self._entries[target] = target, entries
        for entry in entries:
            self._scheduler.add(entry)

    def _may_run(self, source: str, target: Target, last: list[Entry], first: Sequence[Entry]) -> bool:
        """Say whether a source may run: the inventory first, for it knows what there is to ask."""
        last[:] = [entry for entry in last if entry.running]  # let go of the others: they hold the ones before
        listed = source == "inventory" or self._parts.inventory.census(target).at > 0
        return listed and not last and all(entry.runs for entry in first)

    def _read_queues(self) -> None:
        """Read the queues that are configured now, and no others."""
        queues, listeners = self._parts.config.queues, self._parts.listeners
        gone = {name: road for name, (settings, road) in self._roads.items() if queues.get(name) != settings}
        self._leave(list(gone.values()))
        for name in gone:
            del self._roads[name]
            self._tally.forget(queue=name)
        for name, settings in queues.items():
            if name not in self._roads:
                self._roads[name] = settings, self._road(name, settings)
                self._roads[name][1].start()
            self._roads[name][1].listen(listener for listener, queue in listeners if queue == name)

    def _road(self, name: str, settings: QueueSettings) -> Road:
        parts = self._parts
        return Road(
            name,
            Queue(parts.aws, settings),
            parts.collection,
            parts.clock,
            parts.tally,
            self._meant,
            every=settings.accounts == "all",
            meet=parts.meet,
        )

    def _meant(self) -> frozenset[Target] | None:
        """Return the targets that are configured; None while one has yet to log in to be known."""
        with self._lock:
            waiting = [Target(account.supposed, region) for account, region in self._waiting]
            if not all(target.account_id for target in waiting):
                return None
            return frozenset((*self._targets.values(), *waiting))

    def _leave(self, roads: Sequence[Road]) -> bool:
        """Read no more; return whether all that was received has been dealt with in time."""
        for road in roads:
            road.stop()
        ended = [road.ended(ROAD_DRAIN) for road in roads]
        return all(ended)

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
        collection = self._parts.collection
        with self._lock:
            waiting = [
                (f"{account.supposed or 'ambient account'} {region}", str(self._complaints.get((account, region), "")))
                for account, region in self._waiting
            ]
            ignored = tuple(self._ignored.values())
            queues = [road.state() for _, road in self._roads.values()]
        spent = months(self._parts.ledger.notes(CloudWatchMetrics.name))
        return status.page(
            status.View(
                version=__version__,
                note=note,
                metrics_path=metrics_path,
                ready=self.ready(),
                now=self._clock.now(),
                snapshot=self._page.snapshot,
                tally=self._tally.told(),
                runs=collection.runs(),
                failures=collection.failures(),
                waiting=waiting,
                refused=self._refused,
                left_out=self._parts.admission.refused(),
                spent=spent_this_month(spent.values(), self._clock.now()),
                limit=self._parts.config.limits.usd_per_month,
                ignored=ignored,
                queues=queues,
            )
        )


def _fixed(before: Config, after: Config) -> str:
    """Return what can't change while the process runs, if it has."""
    changed = [
        key
        for key, (old, new) in {
            "ledger.path": (before.ledger.path, after.ledger.path),
            "web.listen_addresses": (before.web.listen_addresses, after.web.listen_addresses),
        }.items()
        if old != new
    ]
    return f"{' and '.join(changed)} can't change by a reload: restart the exporter" if changed else ""


def _off(made: Made) -> frozenset[str]:
    """Return the families that events feed and that are not to be shown: switched off, or of no source that runs."""
    runs = made.names
    return frozenset(
        name
        for name, row in CATALOGUE.items()
        if row.source != "own" and row.ask is None and not (made.config.on(name) and runs.intersection(row.sources))
    )


def _listed_places(config: Config) -> Places:
    """Return where CloudWatch keeps what is on, and what else lies in those namespaces, to tell one from the other."""
    rows = [row for row in CATALOGUE.values() if row.ask and config.sources.cloudwatch_metrics.enabled]
    asked = {namespace for row in rows if row.ask and config.on(row.name) for namespace in row.ask.shape.namespaces}
    return places(row for row in rows if row.ask and asked.intersection(row.ask.shape.namespaces))
