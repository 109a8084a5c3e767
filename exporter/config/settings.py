"""The settings of everything else, and `Config`, which holds all."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Literal

from msgspec import Struct

from exporter.catalogue import CATALOGUE
from exporter.catalogue.labels import patterned
from exporter.catalogue.logs import BY_STREAM, MATCHES
from exporter.catalogue.resources import TAGS_INFO
from exporter.config.sources import CloudWatchLogs, Sources
from exporter.config.words import (
    DATAPOINTS,
    PARTITIONS,
    AccountId,
    Address,
    AskedFamily,
    Dollars,
    FamilyGlob,
    Glob,
    Limited,
    Output,
    Pace,
    QueueName,
    QueueUrl,
    Rate,
    Region,
    RoleArn,
    Secret,
    Series,
    TagKey,
    region_of,
)
from exporter.strict import About, Seconds, Size


class Account(Struct, frozen=True, kw_only=True):
    """A login, and the regions in which it is used; by default one: the ambient credentials in the ambient region."""

    account_id: Annotated[
        AccountId | None,
        About("Number of the account, in quotes; a login to another one is refused.", '"123456789012"'),
    ] = None
    alias: Annotated[
        str | None, About("Name of the account in `account_alias` of `sagemaker_exporter_target_info`.", "prod")
    ] = None
    role_arn: Annotated[
        RoleArn | None,
        About("Role to assume by the ambient credentials.", "arn:aws:iam::123456789012:role/sagemaker-exporter"),
    ] = None
    external_id: Annotated[Secret | None, About("External id that the role asks for.", "${EXTERNAL_ID:-none}")] = None
    regions: Annotated[
        tuple[Region, ...],
        About("Regions to look at; by default that of the AWS environment.", "[us-east-1, eu-west-1]"),
    ] = ()

    @property
    def supposed(self) -> str:
        """The account number, as far as the configuration tells; empty for that of the ambient login."""
        return self.account_id or (self.role_arn.split(":")[4] if self.role_arn else "")


class Queue(Struct, frozen=True, kw_only=True):
    """An SQS queue that this exporter alone reads, for all sources that name it."""

    url: Annotated[
        QueueUrl,
        About("Its URL; must be given.", "https://sqs.us-east-1.amazonaws.com/123456789012/sagemaker-events"),
    ] = ""
    accounts: Annotated[
        Literal["targets", "all"],
        About("Whose events count: those of the configured targets, or of every account and region that sends any."),
    ] = "targets"
    role_arn: Annotated[
        RoleArn | None,
        About("Role to read it as.", "arn:aws:iam::123456789012:role/sagemaker-exporter"),
    ] = None
    external_id: Annotated[Secret | None, About("External id that the role asks for.", "${EXTERNAL_ID:-none}")] = None

    @property
    def region(self) -> str:
        """Its region."""
        return region_of(self.url)

    @property
    def account(self) -> str:
        """The number of its account."""
        return self.url.split("/")[3]

    @property
    def partition(self) -> str:
        """The partition of AWS that it is in."""
        return PARTITIONS.get(self.region.rsplit("-", 2)[0], "aws")

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:{self.partition}:sqs:{self.region}:{self.account}:{self.url.rpartition('/')[2]}"


class Families(Struct, frozen=True, kw_only=True):
    """Which families are shown; METRICS.md lists them all."""

    include: Annotated[
        tuple[FamilyGlob, ...], About("What is switched on besides the defaults.", '["sagemaker_endpoint_instance_*"]')
    ] = ()
    exclude: Annotated[
        tuple[FamilyGlob, ...], About("What is switched off, even if it is included.", '["*_overhead_latency_seconds"]')
    ] = ()


class RowSettings(Struct, frozen=True, kw_only=True):
    """What is changed about one CloudWatch family."""

    pace: Annotated[Pace | None, About("How often it is asked; by default as METRICS.md says.", "warm")] = None
    max_age: Annotated[Seconds | None, About("By default that of `sources.cloudwatch_metrics`; at most 1d.", "1h")] = (
        None
    )
    gauge_delay: Annotated[
        Seconds | None, About("By default that of `sources.cloudwatch_metrics`; at most 1d.", "90s")
    ] = None


class Resources(Struct, frozen=True, kw_only=True):
    """Which endpoints, inference components, jobs, pipelines, ... are exported."""

    include: Annotated[tuple[Glob, ...], About("Only these, by name; by default all.", '["prod-*"]')] = ()
    exclude: Annotated[tuple[Glob, ...], About("Not these, even if they are included.", '["*-scratch"]')] = ()
    tags: Annotated[
        dict[str, str],
        About("Endpoints and inference components with all of these tags only; values may be globs.", "{team: ml-*}"),
    ] = {}


class Labels(Struct, frozen=True, kw_only=True):
    """Which tags become labels: of `sagemaker_resource_tags_info`, and of nothing else; see METRICS.md.

    A resource of the kinds that `sources.inventory` looks at has one series if it has any of these tags. They are
    listed with one call for each hundred resources that have tags, free of charge.
    """

    tags: Annotated[
        tuple[TagKey, ...],
        About("Keys, as AWS writes them: `CostCenter` becomes the label `tag_cost_center`.", "[team, CostCenter]"),
    ] = ()

    @property
    def by_key(self) -> dict[str, str]:
        """The labels of tags by their keys, in the order of the configuration."""
        return {key: patterned(CATALOGUE[TAGS_INFO].label_pattern, key) for key in self.tags}


class Limits(Struct, frozen=True, kw_only=True):
    """What must not be exceeded: on all targets together, but for `requests_per_second`."""

    series: Annotated[
        Series,
        About(
            "How many series are shown at most, on all targets together, the exporter's own aside; rare rows are left "
            "out first, and each target has its fair share."
        ),
    ] = 200_000
    usd_per_month: Annotated[
        Dollars,
        About("USD over all targets, by list price; what is above is asked more seldom, and counted all the same."),
    ] = 500.0
    requests_per_second: Annotated[
        dict[Limited, Rate | tuple[Rate, Rate]],
        About(
            "Calls of an operation a second, in each account and region. `GetMetricData.datapoints` has two numbers: "
            "datapoints a second for starts within 3 h, and for older ones.",
            "{DescribeEndpoint: 5, GetMetricData.datapoints: [90000, 198000]}",
        ),
    ] = {}

    @property
    def calls(self) -> dict[str, float]:
        """Calls a second by operation."""
        return {name: rate for name, rate in self.requests_per_second.items() if not isinstance(rate, tuple)}

    @property
    def datapoints(self) -> tuple[float, float] | None:
        """Datapoints of GetMetricData a second: for starts within 3 h, and for older ones."""
        found = self.requests_per_second.get(DATAPOINTS)
        return found if isinstance(found, tuple) else None


class LedgerSettings(Struct, frozen=True, kw_only=True):
    """What has been counted, kept over restarts."""

    path: Annotated[
        str | None,
        About(
            "The file; by default ledger.db in $STATE_DIRECTORY, else in the user's state folder. "
            "`:memory:` forgets at a restart.",
            "/var/lib/sagemaker-exporter/ledger.db",
        ),
    ] = None


class AuditSettings(Struct, frozen=True, kw_only=True):
    """Who called what, when and from where: each API call that `sources.cloudtrail` counts, as a line of JSON.

    A line is written once its call has counted, and never again: a crash may lose some.
    """

    output: Annotated[
        Output, About("Where lines go: file, stdout (the log goes to stderr), or none, for nowhere.", "file")
    ] = "none"
    path: Annotated[
        str | None,
        About("The file, for output: file; its folder must be there.", "/var/log/sagemaker-exporter/audit.jsonl"),
    ] = None
    rotate: Annotated[
        Size,
        About(
            "How large the file may become before it is renamed to PATH.1, and what was that to PATH.2, up to PATH.9; "
            "at least 1MB, or 0 where something else rotates it."
        ),
    ] = 100_000_000


class Web(Struct, frozen=True, kw_only=True):
    """The HTTP server; TLS and passwords have a file of their own, see `--web.config.file`."""

    listen_addresses: Annotated[
        tuple[Address, ...], About("Where to listen; `--web.listen-address` wins.", '["127.0.0.1:10940"]')
    ] = (":10940",)
    zero_hold: Annotated[
        Seconds,
        About("How long an unforeseen counter stands at 0 before its first value: two scrapes of the usual minute."),
    ] = 130.0


class Config(Struct, frozen=True, kw_only=True):
    """Everything that can be configured."""

    targets: tuple[Account, ...] = (Account(),)
    queues: dict[QueueName, Queue] = {}
    sources: Sources = Sources()
    families: Families = Families()
    rows: dict[AskedFamily, RowSettings] = {}
    resources: Resources = Resources()
    labels: Labels = Labels()
    limits: Limits = Limits()
    ledger: LedgerSettings = LedgerSettings()
    audit: AuditSettings = AuditSettings()
    web: Web = Web()

    @property
    def buckets(self) -> tuple[tuple[str, str], ...]:
        """The buckets of trails that are read: ARNs, and what their keys begin with."""
        trails = [trail for trail in self.sources.trails if trail.from_ == "s3"]
        return tuple((f"arn:{self.queues[one.queue].partition}:s3:::{one.bucket}", one.folder) for one in trails)

    @property
    def tagged(self) -> tuple[str, ...]:
        """Sources that must know tags, to choose by them or to show them."""
        needs = {
            "inventory": bool(self.resources.tags or self.labelled),
            "cloudwatch_metrics": bool(self.resources.tags),
            "cloudwatch_alarms": bool(self.sources.cloudwatch_alarms.tags),
        }
        return tuple(source for source, needed in needs.items() if needed)

    @property
    def labelled(self) -> dict[str, str]:
        """The labels of the tags that are shown, by their keys."""
        return self.labels.by_key if self.sources.inventory.enabled and self.on(TAGS_INFO) else {}

    def on(self, family: str) -> bool:
        """Say whether a family is exposed, as far as its name decides."""
        if _any_of(self.families.exclude).match(family):
            return False
        if family == TAGS_INFO:
            return bool(self.labels.tags)
        if "principal" in CATALOGUE[family].labels:
            return self.sources.principals > 0
        if family in BY_RULES:
            return BY_RULES[family](self.sources.cloudwatch_logs)
        return CATALOGUE[family].on or _any_of(self.families.include).match(family) is not None


BY_RULES: dict[str, Callable[[CloudWatchLogs], bool]] = {  # families that rules for logs switch on
    MATCHES: lambda logs: bool(logs.presets or logs.rules),
    BY_STREAM: lambda logs: any(rule.labels for rule in logs.rules),
}


@lru_cache(2)  # of one configuration: hundreds of families are asked about at once
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches all that any of the shell patterns does."""
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")
