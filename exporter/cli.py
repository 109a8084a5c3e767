"""The commands: parse, call, print; no logic of their own."""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import os
import re
import signal
import ssl
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from msgspec import structs

from exporter import __version__, footprint, logs
from exporter.aws import AwsError, SameTargetError, endpoints
from exporter.catalogue import log_rules, permissions
from exporter.clock import SystemClock
from exporter.config import (
    CloudTrail,
    CloudWatchLogs,
    Config,
    Families,
    JobEvents,
    Labels,
    Limits,
    LogRule,
    Queue,
    Quotas,
    Sources,
    doubts,
)
from exporter.config import load as load_config
from exporter.daemon import Daemon, Parts, SetupError
from exporter.estimate import assumed, estimate, survey, told
from exporter.inventory import Census
from exporter.ledger.memory import MemoryStore
from exporter.ledger.sqlite import SqliteStore, move_aside
from exporter.ledger.store import LedgerUnusableError, Store
from exporter.model import Target
from exporter.sinks.audit import AuditError, Outlet, outlet
from exporter.sinks.prometheus import Renderer
from exporter.strict import ConfigError
from exporter.web.gate import Gate

_log = logging.getLogger("exporter")

ENDPOINTS = 10  # that check-config assumes

Options = argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0, 1 for "no", 2 for what can't be done as it was asked."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in {"-h", "--help", "--version"}):
        given.insert(0, "run")
    options = _parser().parse_args(given)
    logs.set_up(options.log_level, options.log_format)
    footprint.keep_small()
    try:
        sys.exit(options.command(options))
    except (AuditError, ConfigError, SetupError, LedgerUnusableError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument
    add("--config.file", dest="config", type=Path, metavar="FILE", help="default: config.yaml, if it is there")
    add("--config.check", dest="check", action="store_true", help="as check-config: validate, say what it costs, exit")
    add("--log.level", dest="log_level", choices=logs.LEVELS, default="info")
    add("--log.format", dest="log_format", choices=("logfmt", "json"), default="logfmt")
    add(
        "--ledger.move-aside",
        dest="move_aside",
        action="store_true",
        help="keep the ledger under another name, begin anew",
    )
    add("--web.listen-address", dest="listen", action="append", metavar="ADDRESS", help="repeatable; default :10940")
    add("--web.telemetry-path", dest="metrics_path", type=_path, default="/metrics", metavar="PATH")
    add("--web.config.file", dest="web_config", type=Path, metavar="FILE", help="TLS and passwords; see the README")
    add("--web.enable-lifecycle", dest="lifecycle", action="store_true", help="allow POST /-/reload")
    add("--clock", type=_speed, default=1.0, help=argparse.SUPPRESS)  # simulated seconds a second, on loopback only
    add("--begin", type=_ago, default=0.0, help=argparse.SUPPRESS)  # such as -1h: count from an hour ago, likewise
    parser = argparse.ArgumentParser("sagemaker-exporter", description="Amazon SageMaker as Prometheus data.")
    parser.add_argument("--version", action="version", version=f"sagemaker-exporter {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command, text in (
        ("run", _run, "the daemon; what happens without a command"),
        ("demo", _demo, "the daemon on a make-believe AWS account: nothing real is asked"),
        ("once", _once, "one round of all sources: print the metrics, exit"),
        ("check-config", _check_config, "all mistakes of a configuration; if there are none, what it asks and costs"),
        ("estimate", _estimate, "what a configuration asks and costs in the accounts as they are (listings only)"),
        ("iam-policy", _iam_policy, "the least-privilege IAM policy for what is enabled, as JSON"),
        ("healthcheck", _healthcheck, "exit 0 if the local daemon is ready"),
    ):
        made = commands.add_parser(name, help=text, description=text, parents=[common])
        made.set_defaults(command=command)
        if name == "check-config":
            made.add_argument("file", nargs="?", type=Path, metavar="FILE", help="instead of --config.file")
            made.add_argument("--endpoints", type=int, default=ENDPOINTS, metavar="N", help="assumed in every target")
    return parser


def _path(text: str) -> str:
    if not re.fullmatch(r"/[!-~]*", text):
        raise argparse.ArgumentTypeError("write /metrics")
    return text


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed <= 1e6:
        raise argparse.ArgumentTypeError("must be above 0")
    return speed


def _ago(text: str) -> float:
    found = re.fullmatch(r"-(\d+)([smhd])", text)
    if not found:
        raise argparse.ArgumentTypeError("write -1h")
    return -float(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]


# -- commands ----------------------------------------------------------------------------------------------------------


def _run(options: Options) -> int:
    if options.check:
        return _check_config(options)
    _only_on_loopback(options)
    config = _config(options)
    gate = Gate(options.web_config)  # before the ledger is opened: a mistake must leave nothing behind
    where = _outlet(config)
    return _serve(options, config, _store(options, config), gate, partial(_config, options), where)


def _demo(options: Options) -> int:
    from exporter.demo import QUEUE, TRAIL_BUCKET, TRAIL_QUEUE, FakeAws, access_key, default_world, serve  # noqa: PLC0415 - nobody else needs it

    account, region = "123456789012", "us-east-1"
    clock = SystemClock(options.clock)
    world = default_world(endpoints=50, accounts=(account,), regions=(region,), begin=clock.local(), shown=True)
    fake = FakeAws(world, clock.local)
    options.begin = options.begin or -3600.0
    options.listen = options.listen or ["127.0.0.1:10940"]
    quick = Limits(
        requests_per_second={
            "DescribeEndpoint": 20,
            "DescribeEndpointConfig": 20,
            "ListMetrics": 10,
            "DescribeSubscriptionFilters": 20,
            "FilterLogEvents": 20,
        }
    )
    there = fake.world.region(account, region).queues
    queues = {"events": Queue(url=there[QUEUE].url), "trail": Queue(url=there[TRAIL_QUEUE].url)}
    roads = (
        CloudTrail(principals=50),
        CloudTrail(from_="queue", principals=50),
        CloudTrail(from_="s3", queue="trail", bucket=TRAIL_BUCKET, principals=50),
    )
    training = f"{log_rules.PREFIX}TrainingJobs"
    rules = (LogRule(name="failed_training", group=training, pattern="?Traceback ?NCCL", labels=("job",)),)
    logs = CloudWatchLogs(pages_per_cycle=100, presets=tuple(log_rules.PRESETS), rules=rules)
    sources = Sources(
        job_events=JobEvents(enabled=True), cloudtrail=roads, cloudwatch_logs=logs, quotas=Quotas(enabled=True)
    )
    off = ("log_group_metric_filters", "log_group_subscription_filters", "cost_idle_hourly_usd")  # by default
    families = Families(include=tuple(f"sagemaker_{name}" for name in off))
    labels = Labels(tags=("team", "stage"))
    usual = Config(limits=quick, queues=queues, sources=sources, families=families, labels=labels)
    config = _config(options) if options.config else _listening(usual, options)
    where = outlet(config.audit)  # before anything is begun
    note = "a make-believe AWS account, seed 1: 50 endpoints, jobs that come and go, 1 bad deployment in progress"
    note += "; no number here is real"
    print(note, file=_beside(config))
    aws = serve(fake)
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        del os.environ[name]  # nothing of a real account may be read, let alone used
    os.environ |= {
        "AWS_ACCESS_KEY_ID": access_key(account),
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    with aws:
        return _serve(options, config, MemoryStore(), Gate(options.web_config), lambda: config, where, note)


def _serve(
    options: Options,
    config: Config,
    store: Store,
    gate: Gate,
    load: Callable[[], Config],
    where: Outlet | None,
    note: str = "",
) -> int:
    """Run the daemon until somebody stops it."""
    for doubt in doubts(config):
        _log.warning("%s", doubt)
    scheme = "https" if gate.terms.tls else "http"
    parts = Parts(config, SystemClock(options.clock), store, options.begin)
    parts.audit.use(where)
    daemon = Daemon(parts, load, metrics_path=options.metrics_path, note=note, gate=gate, lifecycle=options.lifecycle)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.ask_to_stop())
    if hasattr(signal, "SIGHUP"):  # not on Windows
        signal.signal(signal.SIGHUP, lambda *_: daemon.ask_to_reload())
    daemon.start()
    footprint.look_seldom()
    for server, address in zip(daemon.servers, config.web.listen_addresses, strict=True):
        host = address.rpartition(":")[0] or "localhost"
        _log.info(
            "metrics on %s://%s:%d%s, status on %s://%s:%d/",
            scheme,
            host,
            server.port,
            options.metrics_path,
            scheme,
            host,
            server.port,
        )
        if note:
            print(
                f"/metrics   {scheme}://{host}:{server.port}{options.metrics_path}\n"
                f"status     {scheme}://{host}:{server.port}/",
                file=_beside(config),
                flush=True,
            )
    daemon.wait(footprint.settle)
    _log.info("stopping")
    if not daemon.stop():
        _log.warning("a source did not end in time and is abandoned: what it read was not counted")
        os._exit(0)  # the interpreter would wait for its thread
    return 0


def _once(options: Options) -> int:
    _only_on_loopback(options)
    config = _config(options)
    config = structs.replace(config, web=structs.replace(config.web, zero_hold=0.0))
    if config.audit.output == "stdout":
        raise SetupError("audit.output: stdout is where `once` prints the metrics; write output: file")
    where = _outlet(config)
    parts = Parts(config, SystemClock(options.clock), _store(options, config), options.begin)
    parts.audit.use(where)
    targets = []
    for account, region in parts.logins(config):
        try:
            targets.append(parts.aws.login(account, region))
        except SameTargetError as error:
            raise SetupError(str(error)) from error
        except AwsError as error:
            print(f"can't log in to {account.account_id or 'the ambient account'} {region}: {error}", file=sys.stderr)
    runs = []
    for target in targets:
        parts.prepare(target)
        runs += [parts.collection.run(source, target) for source, _ in parts.sources]
    if runs:
        parts.collection.own()
        snapshot = parts.ledger.snapshot()
        print(zlib.decompress(Renderer().render(snapshot).text.gzip, 31).decode(), end="")
        sys.stdout.flush()
        parts.ledger.shown(snapshot)
    parts.close()
    return 0 if any(run.outcome in {"ok", "partial"} for run in runs) else 1


def _check_config(options: Options) -> int:
    """Exit 1 for a configuration with mistakes: it is what was asked about."""
    options.config = getattr(options, "file", None) or options.config
    try:
        config = _config(options)
        Gate(options.web_config)
        parts = Parts(config, SystemClock(), MemoryStore())
        logins = parts.logins(config)
    except (ConfigError, SetupError) as error:
        print(error)
        return 1
    targets = [Target(account.supposed or "ambient", region) for account, region in logins]
    endpoints = getattr(options, "endpoints", ENDPOINTS)
    census = assumed(config, endpoints, parts.clock.now())
    about = f"assuming {endpoints} endpoints with one variant each and up to 100 alarms in every target"
    about += "; `estimate` looks at yours"
    _print_estimate(parts, dict.fromkeys(targets, census), about)
    return 0


def _estimate(options: Options) -> int:
    config = _config(options)
    parts = Parts(config, SystemClock(options.clock), MemoryStore())
    failures = 0
    targets: list[Target] = []
    for account, region in parts.logins(config):
        try:
            target = parts.aws.login(account, region)
        except SameTargetError as error:
            raise SetupError(str(error)) from error
        except AwsError as error:
            print(f"can't log in to {account.supposed or 'the ambient account'} {region}: {error}", file=sys.stderr)
            return 1
        targets.append(target)
    for target in targets:
        for failure in survey(parts, target):
            print(f"{target.account_id} {target.region}: {failure.scope} ({failure.error_class})", file=sys.stderr)
            failures += 1
    censuses = {target: parts.inventory.census(target) for target in targets}
    endpoints = sum(len(census.endpoints) for census in censuses.values())
    listings = [listing for census in censuses.values() for listing in census.listings.values()]
    metrics = sum(len(names) for listing in listings for names in listing.metrics.values())
    _print_estimate(parts, censuses, f"{endpoints} endpoints, {metrics:,} metrics that CloudWatch lists")
    return 1 if failures else 0


def _print_estimate(parts: Parts, censuses: Mapping[Target, Census], about: str) -> None:
    found = estimate(parts, censuses)
    print("\n".join((*told(found, parts.config, censuses, about), *doubts(parts.config))))
    parts.close()


def _iam_policy(options: Options) -> int:
    config = _config(options)
    on = config.sources.asking
    sources = [name for name in permissions.ACTIONS if name in on and permissions.ALONE.get(name) not in on]
    queues = [queue.arn for queue in config.queues.values()]
    matches = config.sources.cloudwatch_logs.matches
    policy = permissions.policy(sources, config.tagged, queues, config.buckets, matches=matches)
    print(json.dumps(policy, indent=2))
    return 0


def _healthcheck(options: Options) -> int:
    address = _config(options).web.listen_addresses[0]
    host, _, port = address.rpartition(":")
    if host in {"", "0.0.0.0", "[::]"}:  # noqa: S104 - asked for, not bound
        host = "127.0.0.1"
    scheme = "https" if Gate(options.web_config).terms.tls else "http"
    url = f"{scheme}://{host}:{port}/-/ready"
    nobody_verifies = ssl._create_unverified_context()  # noqa: S323, SLF001 - it is this machine that we ask
    try:
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=nobody_verifies)
        )
        with direct.open(url, timeout=5) as answer:
            return 0 if answer.status == 200 else 1
    except (OSError, urllib.error.URLError) as error:
        print(f"{url}: {error}", file=sys.stderr)
        return 1


# -- what they share ---------------------------------------------------------------------------------------------------


def _config(options: Options) -> Config:
    """Return the configuration: the named file, else config.yaml, else the defaults; flags win."""
    path = options.config or Path("config.yaml")
    return _listening(load_config(path) if options.config or path.exists() else Config(), options)


def _listening(config: Config, options: Options) -> Config:
    if not options.listen:
        return config
    return structs.replace(config, web=structs.replace(config.web, listen_addresses=tuple(options.listen)))


def _store(options: Options, config: Config) -> Store:
    """Open the ledger."""
    if config.ledger.path == ":memory:":
        _log.warning("the ledger is in memory: counters begin anew at the next start")
        return MemoryStore()
    path = _ledger(config)
    if options.move_aside and path.exists():
        moved = move_aside(path, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
        _log.warning("the ledger %s is kept as %s, and a new one begins", path, moved)
    return SqliteStore(path)


def _ledger(config: Config) -> Path:
    """Return where the ledger is."""
    return Path(config.ledger.path) if config.ledger.path else _state_folder() / "ledger.db"


def _outlet(config: Config) -> Outlet | None:
    """Return where audit records go: not to the place of a ledger that is not there yet, and can't be told from it."""
    if config.audit.path and Path(config.audit.path).resolve() == _ledger(config).resolve():
        raise SetupError(f"audit.path: {config.audit.path} is where the ledger is")
    return outlet(config.audit)


def _beside(config: Config) -> TextIO:
    """Return where people are told what is not a record: where no records go."""
    return sys.stderr if config.audit.output == "stdout" else sys.stdout


def _state_folder() -> Path:
    """Return where systemd keeps our state, or where the user keeps that of programs."""
    if "STATE_DIRECTORY" in os.environ:
        return Path(os.environ["STATE_DIRECTORY"].split(":")[0])
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "sagemaker-exporter"


def _only_on_loopback(options: Options) -> None:
    """Refuse a simulated clock unless AWS is a fake on this machine."""
    if options.clock == 1.0 and not options.begin:
        return
    try:
        strangers = [url for url in endpoints() if not _loopback(url)]
    except ValueError as error:
        strangers = [str(error)]
    if strangers:
        where = f"not {strangers[0]}"
        raise SetupError(f"--clock and --begin are for a fake AWS: AWS_ENDPOINT_URL must be on the loopback, {where}")


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
