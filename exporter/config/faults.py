"""What is wrong between values that are right, each for itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from exporter.catalogue import CATALOGUE, log_rules
from exporter.catalogue.logs import BY_STREAM, MATCHES
from exporter.catalogue.resources import TAGS_INFO
from exporter.config.settings import BY_RULES, Account, AuditSettings, Config, Labels, Limits, Queue, RowSettings, Web
from exporter.config.sources import CloudTrail, CloudWatchLogs, CloudWatchMetrics, LogRule
from exporter.config.words import DATAPOINTS, queue_hint

_RULES_HINT = {
    MATCHES: "counts what sources.cloudwatch_logs.rules and presets name, and they name nothing",
    BY_STREAM: "counts for rules of sources.cloudwatch_logs that have labels, and none has",
}


def faults(given: Struct | dict[str, Any], wrong: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield what no single value of a configuration tells; see `strict.Faults`."""
    for key, fault, others in _between(given):
        if not wrong & {re.split(r"[.\[]", key)[0], *others}:
            yield key, fault


def _between(given: Struct | dict[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield keys, what is wrong with them, and the other keys that this depends on."""
    match given:
        case Account():
            for n, region in enumerate(given.regions):
                if region in given.regions[:n]:
                    yield f"regions[{n}]", f"{region} is given twice", ()
            if given.external_id is not None and not given.role_arn:
                yield "external_id", "is of no use without role_arn", ("role_arn",)
            if given.role_arn and given.supposed != given.role_arn.split(":")[4]:
                yield "role_arn", f"is a role of another account than {given.account_id}", ("account_id",)
        case Queue():
            if not given.url:
                yield "url", f"must be given{queue_hint('')}", ("url",)
            if given.external_id is not None and not given.role_arn:
                yield "external_id", "is of no use without role_arn", ("role_arn",)
        case CloudWatchMetrics():
            if not given.settle < given.deep_settle < 3 * 86_400:
                text = "settle must be shorter than deep_settle, and that than 3d"
                yield "", text, ("settle", "deep_settle")
        case LogRule():
            for key in ("name", "pattern"):
                if not getattr(given, key):
                    yield key, "must be given", (key,)
            for n, label in enumerate(given.labels):
                if not any(label in kind.labels and kind.may_match(given.group) for kind in log_rules.GROUP_KINDS):
                    yield f"labels[{n}]", f"{label} is told by no stream of {given.group}", ("group",)
        case CloudWatchLogs():
            if not 60 <= given.overlap <= 7200:
                yield "overlap", "must be from 1m to 2h", ()
            named = [*given.presets, *(rule.name for rule in given.rules)]
            for n, name in enumerate(named):
                if name and name in named[:n]:
                    k = n - len(given.presets)
                    where = f"presets[{n}]" if k < 0 else f"rules[{k}].name"
                    yield where, f"{name} is given twice: a rule counts under its name", ()
        case Labels():
            labels, keys = given.by_key, dict[str, str]()
            for n, key in enumerate(given.tags):
                before = keys.get(labels[key])
                if before is not None:
                    why = f"would be {labels[key]}, as {before} is: leave one out"
                    yield f"tags[{n}]", f"{key} {'is given twice' if key == before else why}", ()
                keys.setdefault(labels[key], key)
        case Limits():
            for name, rate in given.requests_per_second.items():
                if name == DATAPOINTS and not isinstance(rate, tuple):
                    yield f"requests_per_second.{name}", "must be two numbers, as in [90000, 198000]", ()
                elif name != DATAPOINTS and isinstance(rate, tuple):
                    yield f"requests_per_second.{name}", "must be a number above 0, not a list", ()
        case Config():
            if not given.targets:
                yield "targets", "must not be empty; leave it out for the ambient account", ()
            yield from ((key, fault, ()) for key, fault in _same_targets(given.targets))
            yield from ((key, fault, ()) for key, fault in _same_queues(given.queues))
            for n, name in enumerate(given.families.include):
                if name == TAGS_INFO and not given.labels.tags:
                    why = f"{name} shows tags that labels.tags names, and it names none"
                    yield f"families.include[{n}]", why, ("labels",)
            events = given.sources.job_events
            if events.enabled and events.queue not in given.queues:
                yield "sources.job_events.queue", f"there is no {events.queue!r} in queues", ("queues",)
            yield from ((key, fault, ("queues",)) for key, fault in _trails(given))
            if given.audit.path and given.ledger.path and _rotates(given.audit.path, given.ledger.path):
                yield "audit.path", "is where the ledger is: neither could be read again", ("ledger",)
            for n, name in enumerate(given.families.include):
                if name in CATALOGUE and "principal" in CATALOGUE[name].labels and not given.sources.principals:
                    yield f"families.include[{n}]", "has no values: say how many by sources.cloudtrail.principals", ()
                if name in BY_RULES and not BY_RULES[name](given.sources.cloudwatch_logs):
                    yield f"families.include[{n}]", _RULES_HINT[name], ("sources",)
        case AuditSettings():
            if given.output == "file" and not given.path:
                yield "path", "must be given for output: file", ("path", "output")
            if 0 < given.rotate < 1_000_000:
                yield "rotate", "must be at least 1MB, or 0 for never", ()
        case Web():
            if not given.listen_addresses:
                yield "listen_addresses", "must not be empty", ()
        case _:
            pass
    if hasattr(given, "enabled"):  # a source
        for key in ("every", "last_good", "describe_every", "list_metrics_every"):
            seconds = getattr(given, key, None)
            if seconds is not None and seconds < 1:
                yield key, "must be at least 1s", ()
    if isinstance(given, CloudWatchMetrics | RowSettings):
        for key in ("gauge_delay", "max_age"):
            if (getattr(given, key) or 0.0) > 86_400:
                yield key, "must be at most 1d: a gauge that old tells nothing of now", ()


def _trails(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the roads of CloudTrail."""
    several = isinstance(config.sources.cloudtrail, tuple)
    given = config.sources.cloudtrail if isinstance(config.sources.cloudtrail, tuple) else (config.sources.cloudtrail,)
    if not given:
        yield "sources.cloudtrail", "must not be an empty list; write {enabled: false}"
    for n, trail in enumerate(given):
        where = f"sources.cloudtrail[{n}]" if several else "sources.cloudtrail"
        if trail.enabled and trail.from_ != "lookup" and trail.queue not in config.queues:
            yield f"{where}.queue", f"there is no {trail.queue!r} in queues"
        if trail.enabled and trail.from_ == "s3" and not trail.bucket:
            yield f"{where}.bucket", "must be given for from: s3"
        if trail.way in {one.way for one in given[:n]}:
            yield where, "is a way that stands here already"
        if not trail.event_sources:
            yield f"{where}.event_sources", "must not be empty; leave it out for SageMaker's own"
        for key in ("event_sources", "principals", "networks"):
            if n and getattr(trail, key) not in (getattr(given[0], key), getattr(CloudTrail(), key)):
                yield (
                    f"{where}.{key}",
                    "must be that of the first block: a call counts once, whichever road it comes by",
                )


def _rotates(audit: str, ledger: str) -> bool:
    """Say whether audit records are written to the ledger, or renamed to it."""
    place, name = Path(audit).resolve(), Path(ledger).resolve()
    return name == place or (name.parent == place.parent and name.stem == place.name and name.suffix[1:].isdecimal())


def _same_targets(targets: tuple[Account, ...]) -> Iterator[tuple[str, str]]:
    """Yield what is one account and region with one before it, as far as can be told before any login."""
    first: dict[tuple[str, str], int] = {}
    for n, account in enumerate(targets):
        for k, region in enumerate(account.regions or ("",)):
            before = first.setdefault((account.supposed, region), n)
            if before != n:
                where = f"targets[{n}].regions[{k}]" if account.regions else f"targets[{n}]"
                said = f"{account.supposed or 'the ambient account'} in {region or 'the ambient region'}"
                yield where, f"{said} is targets[{before}] already: all of it would be counted twice"


def _same_queues(queues: Mapping[str, Queue]) -> Iterator[tuple[str, str]]:
    """Yield what is one queue with one before it, whatever host its URL names."""
    first: dict[str, str] = {}
    for name, queue in queues.items():
        before = first.setdefault(queue.arn, name) if queue.url else name
        if before != name:
            yield f"queues.{name}.url", f"is that of {before}: each of the two would miss what the other one reads"
