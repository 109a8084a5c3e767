"""The commands: parse, call, print; no logic of their own."""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import structs

from exporter import __version__, logs
from exporter.aws import AwsError, endpoints
from exporter.catalogue import permissions
from exporter.clock import SystemClock
from exporter.config import Config, ConfigError, Limits, doubts, load
from exporter.daemon import Daemon, Parts, SetupError
from exporter.ledger.memory import MemoryStore
from exporter.ledger.sqlite import SqliteStore, move_aside
from exporter.ledger.store import LedgerUnusableError, Store
from exporter.sinks.prometheus import Renderer

_log = logging.getLogger("exporter")

Options = argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0, 1 for "no", 2 for what can't be done as it was asked."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in {"-h", "--help", "--version"}):
        given.insert(0, "run")
    options = _parser().parse_args(given)
    logs.set_up(options.log_level, options.log_format)
    try:
        sys.exit(options.command(options))
    except (ConfigError, SetupError, LedgerUnusableError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument
    add("--config.file", dest="config", type=Path, metavar="FILE", help="default: config.yaml, if it is there")
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
    add("--clock", type=_speed, default=1.0, help=argparse.SUPPRESS)  # simulated seconds a second, on loopback only
    add("--begin", type=_ago, default=0.0, help=argparse.SUPPRESS)  # such as -1h: count from an hour ago, likewise
    parser = argparse.ArgumentParser("sagemaker-exporter", description="Amazon SageMaker as Prometheus data.")
    parser.add_argument("--version", action="version", version=f"sagemaker-exporter {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command, text in (
        ("run", _run, "the daemon; what happens without a command"),
        ("demo", _demo, "the daemon on a make-believe AWS account: nothing real is asked"),
        ("once", _once, "one round of all sources: print the metrics, exit"),
        ("iam-policy", _iam_policy, "the least-privilege IAM policy for what is enabled, as JSON"),
        ("healthcheck", _healthcheck, "exit 0 if the local daemon is ready"),
    ):
        commands.add_parser(name, help=text, description=text, parents=[common]).set_defaults(command=command)
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
    _only_on_loopback(options)
    config = _config(options)
    return _serve(options, config, _store(options, config))


def _demo(options: Options) -> int:
    from exporter.demo import FakeAws, access_key, default_world, serve  # noqa: PLC0415 - nobody else needs it

    account, region = "123456789012", "us-east-1"
    clock = SystemClock(options.clock)
    fake = FakeAws(
        default_world(endpoints=50, accounts=(account,), regions=(region,), begin=clock.local()), clock.local
    )
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
    options.begin = options.begin or -3600.0
    options.listen = options.listen or ["127.0.0.1:10940"]
    quick = Limits(requests_per_second={"DescribeEndpoint": 20, "DescribeEndpointConfig": 20, "ListMetrics": 10})
    config = _config(options) if options.config else _listening(Config(limits=quick), options)
    note = "a make-believe AWS account, seed 1: 50 endpoints, 1 bad deployment in progress; no number here is real"
    print(note)
    with aws:
        return _serve(options, config, MemoryStore(), note)


def _serve(options: Options, config: Config, store: Store, note: str = "") -> int:
    """Run the daemon until somebody stops it."""
    for doubt in doubts(config):
        _log.warning("%s", doubt)
    parts = Parts(config, SystemClock(options.clock), store, options.begin)
    daemon = Daemon(parts, metrics_path=options.metrics_path, note=note)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.ask_to_stop())
    daemon.start()
    for server, address in zip(daemon.servers, config.web.listen_addresses, strict=True):
        host = address.rpartition(":")[0] or "localhost"
        _log.info(
            "metrics on http://%s:%d%s, status on http://%s:%d/",
            host,
            server.port,
            options.metrics_path,
            host,
            server.port,
        )
        if note:
            print(
                f"/metrics   http://{host}:{server.port}{options.metrics_path}\nstatus     http://{host}:{server.port}/",
                flush=True,
            )
    daemon.wait()
    _log.info("stopping")
    if not daemon.stop():
        _log.warning("a source did not end in time and is abandoned: what it read was not counted")
        os._exit(0)  # the interpreter would wait for its thread
    return 0


def _once(options: Options) -> int:
    _only_on_loopback(options)
    config = _config(options)
    config = structs.replace(config, web=structs.replace(config.web, zero_hold=0.0))
    parts = Parts(config, SystemClock(options.clock), _store(options, config), options.begin)
    runs = []
    for account, region in parts.logins():
        try:
            target = parts.aws.login(account, region)
        except AwsError as error:
            print(f"can't log in to {account.account_id or 'the ambient account'} {region}: {error}", file=sys.stderr)
            continue
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


def _iam_policy(options: Options) -> int:
    config = _config(options)
    sources = [name for name in permissions.ACTIONS if getattr(config.sources, name).enabled]
    print(json.dumps(permissions.policy(sources, config.tagged), indent=2))
    return 0


def _healthcheck(options: Options) -> int:
    address = _config(options).web.listen_addresses[0]
    host, _, port = address.rpartition(":")
    if host in {"", "0.0.0.0", "[::]"}:  # noqa: S104 - asked for, not bound
        host = "127.0.0.1"
    url = f"http://{host}:{port}/-/ready"
    try:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(url, timeout=5) as answer:
            return 0 if answer.status == 200 else 1
    except (OSError, urllib.error.URLError) as error:
        print(f"{url}: {error}", file=sys.stderr)
        return 1


# -- what they share ---------------------------------------------------------------------------------------------------


def _config(options: Options) -> Config:
    """Return the configuration: the named file, else config.yaml, else the defaults; flags win."""
    path = options.config or Path("config.yaml")
    return _listening(load(path) if options.config or path.exists() else Config(), options)


def _listening(config: Config, options: Options) -> Config:
    if not options.listen:
        return config
    return structs.replace(config, web=structs.replace(config.web, listen_addresses=tuple(options.listen)))


def _store(options: Options, config: Config) -> Store:
    """Open the ledger."""
    if config.ledger.path == ":memory:":
        _log.warning("the ledger is in memory: counters begin anew at the next start")
        return MemoryStore()
    path = Path(config.ledger.path) if config.ledger.path else _state_folder() / "ledger.db"
    if options.move_aside and path.exists():
        moved = move_aside(path, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
        _log.warning("the ledger %s is kept as %s, and a new one begins", path, moved)
    return SqliteStore(path)


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
