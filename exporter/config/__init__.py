"""config.yaml to a frozen `Config`, or every mistake at once, each with its line and what to do about it.

The structs here are the schema: names, types, defaults, and what each key does. All else about the configuration is
derived from them: docs/configuration.md and its JSON schema by `exporter/reference.py`. How a text is read, and what
strict means, is told in `exporter/strict.py`.

    words      what values may be
    sources    the settings of each source
    settings   those of all else, and `Config`
    faults     what is wrong between values
"""

from __future__ import annotations

import hashlib
import os
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import structs

from exporter.catalogue import log_rules
from exporter.catalogue.jobs import BILLABLE_SECONDS, INSTANCES
from exporter.catalogue.logs import MATCHES
from exporter.catalogue.resources import TAGS_INFO
from exporter.config.faults import faults
from exporter.config.settings import Account, AuditSettings, Config, Families, Labels, Limits, Queue, Resources
from exporter.config.sources import CloudTrail, CloudWatchLogs, JobEvents, LogRule, Quotas, Sources, stands
from exporter.config.words import FamilyGlob
from exporter.strict import read, text_of

__all__ = [
    "Account",
    "AuditSettings",
    "CloudTrail",
    "CloudWatchLogs",
    "Config",
    "Families",
    "FamilyGlob",
    "JobEvents",
    "Labels",
    "Limits",
    "LogRule",
    "Queue",
    "Quotas",
    "Resources",
    "Sources",
    "doubts",
    "fingerprint",
    "load",
    "parse",
    "stands",
]


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration in a file. Raises `ConfigError` with all of its mistakes."""
    return parse(text_of(path), str(path), environment)


def parse(text: str, name: str = "config.yaml", environment: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration in a text. Raises `ConfigError` with all of its mistakes."""
    return typing.cast("Config", read(text, Config, name, environment, faults))


def doubts(config: Config) -> Iterator[str]:
    """Yield what can be meant so, but seldom is."""
    sources = {name: one for name, one in structs.asdict(config.sources).items() if name != "cloudtrail"}
    read = {getattr(source, "queue", None) for source in sources.values() if source.enabled}
    read |= {trail.queue for trail in config.sources.trails if trail.from_ != "lookup"}
    for name in config.queues.keys() - read:
        yield f"queues.{name} is read by no source that is enabled: nothing is received from it"
    if config.labels.tags and not config.labelled:
        why = "families.exclude names it" if config.sources.inventory.enabled else "sources.inventory is not enabled"
        yield f"labels.tags are labels of {TAGS_INFO} alone, which is not shown: {why}"
    logs = config.sources.cloudwatch_logs
    for n, rule in enumerate(logs.rules):
        if log_rules.mixes(rule.pattern):
            yield f"sources.cloudwatch_logs.rules[{n}].pattern: ? beside terms without it means nothing to CloudWatch"
    if logs.rules and not config.on(MATCHES):
        yield (
            "sources.cloudwatch_logs has rules, but families.exclude names what they count"
            if logs.enabled
            else ("sources.cloudwatch_logs has rules, but is not enabled")
        )
    if config.audit.output != "none" and not config.sources.trails:
        yield f"audit.output is {config.audit.output}, but no call is known: sources.cloudtrail is not enabled"
    if config.sources.cost.enabled:
        if not config.sources.inventory.enabled:
            yield "sources.cost holds jobs alone: what else runs is not known, since sources.inventory is not enabled"
        counted = config.on(BILLABLE_SECONDS)
        if not {"job_polling", "job_events"} & config.sources.enabled or not counted:
            why = "no source tells of them" if counted else "families.exclude names their seconds"
            yield f"sources.cost holds no jobs: {why}"
        elif not config.sources.job_polling.enabled or not config.on(INSTANCES):
            why = f"families.exclude names {INSTANCES}" if config.sources.job_polling.enabled else "nobody follows them"
            yield f"sources.cost does not tell what open jobs cost an hour: {why}"
    for name, source in sources.items():
        if source.enabled and getattr(source, "every", 60.0) < 10:
            yield f"sources.{name}.every is {source.every:g}s: CloudWatch's data is a minute old, and each run costs"


def fingerprint(config: Config) -> str:
    """Return a short hash of what is configured, whatever the file looks like."""
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()[:16]
