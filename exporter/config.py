"""config.yaml to a frozen `Config`, or every mistake at once, each with its line and what to do about it.

The structs below are the schema: names, types, defaults, and what each key does. All else about the configuration is
derived from them: docs/configuration.md and its JSON schema by `exporter/reference.py`. How a text is read, and what
strict means, is told in `exporter/strict.py`.
"""

from __future__ import annotations

import fnmatch
import hashlib
import ipaddress
import os
import re
import typing
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, structs

from exporter.catalogue import CATALOGUE, log_rules
from exporter.catalogue.enums import ENUMS
from exporter.catalogue.labels import patterned
from exporter.catalogue.logs import BY_STREAM, MATCHES
from exporter.catalogue.permissions import ACTIONS, CONTENTS, LOGIN, OBJECTS, QUEUES, TAGS, WITH
from exporter.catalogue.resources import TAGS_INFO
from exporter.strict import About, Seconds, Size, close, read, text_of

TOLD = tuple(name for name, row in CATALOGUE.items() if row.source != "own")  # families that can be switched
ASKED = tuple(name for name, row in CATALOGUE.items() if row.ask)
DATAPOINTS = "GetMetricData.datapoints"
JOB_SECONDS = "sagemaker_job_billable_instance_seconds_total"  # of which the cost of jobs is made
LIMITED = (  # what can be called, and so be limited
    *sorted(
        {
            action.partition(":")[2]
            for actions in (*ACTIONS.values(), *WITH.values(), CONTENTS, TAGS, LOGIN)
            for action in actions
        }
    ),
    *QUEUES,
    *OBJECTS,
    DATAPOINTS,
)


def _no_family(pattern: str) -> str:
    named = fnmatch.filter(CATALOGUE, pattern)
    if not named:
        return f"no family is called {pattern!r}{close(pattern, CATALOGUE)}"
    return "" if set(named) & set(TOLD) else "what the exporter says of itself is always shown"


def _not_asked(name: str) -> str:
    if name in ASKED:
        return ""
    if name in CATALOGUE:
        return "is no CloudWatch family: nobody asks for it, more or less often"
    return f"no CloudWatch family is called so{close(name, ASKED)}"


def _not_called(operation: str) -> str:
    return "" if operation in LIMITED else f"is no operation that we call{close(operation, LIMITED)}"


def _no_resource_type(pattern: str) -> str:
    known = ENUMS["resource_type"]
    named = fnmatch.filter(known, pattern)
    return "" if named else f"no kind of resource is called {pattern!r}{close(pattern, known)}"


def _no_tag_key(key: str) -> str:
    """Say what makes a text no key of a tag: of characters AWS allows letters, digits, spaces and a few more."""
    odd = next((char for char in key if unicodedata.category(char)[0] not in "LZN" and char not in "_.:/=+-@"), "")
    if odd:
        return f"{key!r} is no key of a tag: {odd!r} is in none{'; name each key' if odd in '*?[' else ''}"
    return "" if 0 < len(key) <= _LONGEST_KEY else f"must have 1 to {_LONGEST_KEY} characters, as any key of a tag"


def _no_rule_name(name: str) -> str:
    good = re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name, re.ASCII)
    return "" if good else "is no name of a rule; write small letters, digits and _"


def _no_preset(name: str) -> str:
    return "" if name in log_rules.PRESETS else f"no preset is called so{close(name, log_rules.PRESETS)}"


def _no_group(glob: str) -> str:
    head = re.split(r"[*?\[]", glob)[0]
    if len(glob) > 512 or not (head.startswith(log_rules.PREFIX) or log_rules.PREFIX.startswith(head)):
        return f"is no log group of SageMaker; write {log_rules.PREFIX}TrainingJobs or {log_rules.PREFIX}Endpoints/*"
    return ""


def _no_address(address: str) -> str:
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]*):([0-9]{1,5})", address, re.ASCII)
    good = found and int(found[2]) <= 65_535
    return "" if good else f"{address!r} is no address; write :10940, 127.0.0.1:10940 or [::1]:10940"


def _account_hint(text: str) -> str:
    digits = re.sub(r"[ -]", "", text)
    return f'; did you mean "{digits}"?' if re.fullmatch(r"[0-9]{12}", digits) else ""


def _no_queue_name(name: str) -> str:
    return "" if re.fullmatch(r"[\w.-]{1,80}", name, re.ASCII) else "is no name; write letters, digits, - and _"


def _no_network_name(name: str) -> str:
    if name in ENUMS["call_origin"]:
        return "is what an origin is called already"
    return (
        "" if re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name, re.ASCII) else "is no name; write small letters, digits and _"
    )


def _no_network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        return f"is no network: {error}"
    return ""


def _no_bucket(name: str) -> str:
    good = not name or (re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name, re.ASCII) and ".." not in name)
    return "" if good else f"{name!r} is no name of a bucket; write it alone, without s3:// and without a prefix"


def _no_prefix(prefix: str) -> str:
    if len(prefix.encode()) > 512 or "\0" in prefix:
        return "is no prefix of keys"
    return "" if not prefix.startswith("/") and "AWSLogs" not in prefix.split("/") else _PREFIX_HINT


def _no_region(url: str) -> str:
    return "" if _region_of(url) else "names no region, as sqs.eu-west-1.amazonaws.com does"


def _region_of(url: str) -> str:
    """Return the region in the host of a URL."""
    return next((part for part in url.split("/")[2].split(".") if re.fullmatch(_REGION, part)), "")


def _queue_hint(text: str) -> str:
    arn = re.fullmatch(r"arn:(aws[a-z-]*):sqs:([a-z0-9-]+):([0-9]{12}):([\w-]+(?:\.fifo)?)", text, re.ASCII)
    if arn is None:
        return ", as in https://sqs.eu-west-1.amazonaws.com/123456789012/sagemaker-events"
    suffix = {"aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu"}.get(arn[1], "amazonaws.com")
    return f"; did you mean https://sqs.{arn[2]}.{suffix}/{arn[3]}/{arn[4]}?"


def _output_hint(text: str) -> str:
    return "; records by OTLP come with a later version" if text.lower() == "otlp" else ""


def _number_hint(text: str) -> str:
    digits = re.sub(r"^0+(?=[0-9])", "", text)
    return f"; a leading 0 may mean octal, write {digits}" if digits != text and re.fullmatch(_NUMBER, digits) else ""


def _region_hint(text: str) -> str:
    zone = re.fullmatch(r"([a-z]{2,4}(?:-[a-z]+)+-[0-9])[a-z]", text.lower().replace("_", "-"))
    region = zone[1] if zone else text.lower().replace("_", "-")
    return f"; did you mean {region}?" if region != text and re.fullmatch(_REGION, region) else ""


def _role_hint(text: str) -> str:
    assumed = re.fullmatch(r"arn:(aws[a-z-]*):sts::([0-9]{12}):assumed-role/([^/]+)/.*", text)
    if assumed:
        return f"; did you mean arn:{assumed[1]}:iam::{assumed[2]}:role/{assumed[3]}?"
    parts = text.split(":")
    if len(parts) == 6 and parts[2] == "iam" and not re.fullmatch(r"[0-9]{12}", parts[4]):
        return f": {parts[4] or 'nothing'!r} is no account number of twelve digits"
    kind = parts[-1].partition("/")[0]
    if len(parts) == 6 and kind != "role":
        return f", but of a {kind}"
    return ", as in arn:aws:iam::123456789012:role/sagemaker-exporter"


_RULES_HINT = {
    MATCHES: "counts what sources.cloudwatch_logs.rules and presets name, and they name nothing",
    BY_STREAM: "counts for rules of sources.cloudwatch_logs that have labels, and none has",
}
_PREFIX_HINT = "must be what stands before AWSLogs/ in the keys, as in logs"
_NUMBER = r"[0-9]{1,10}(\.[0-9]{1,10})?"
_REGION = r"^[a-z]{2,4}(-[a-z]+)+-[0-9]\Z"
_PARTITIONS = {"cn": "aws-cn", "eusc": "aws-eusc", "us-gov": "aws-us-gov", "us-iso": "aws-iso", "us-isob": "aws-iso-b"}
_LONGEST_KEY = 128  # characters of a tag's key: AddTags
_MOST = 1_000_000_000  # series, dollars, calls a second: nobody means more, and what is finite can be reckoned with

Pace = Literal["hot", "warm", "cold"]
Way = Literal["lookup", "queue", "s3"]
AccountId = Annotated[
    str,
    Meta(
        title="text of twelve digits",
        pattern=r"^[0-9]{12}\Z",
        description="an account number of twelve digits",
        extra={"hint": _account_hint},
    ),
]
Region = Annotated[
    str,
    Meta(title="region", pattern=_REGION, description="a region such as eu-west-1", extra={"hint": _region_hint}),
]
RoleArn = Annotated[
    str,
    Meta(
        title="ARN",
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/\S+\Z",
        description="the ARN of a role",
        extra={"hint": _role_hint},
    ),
]
Secret = Annotated[str, Meta(title="text", description="a text", extra={"secret": True})]
Glob = Annotated[str, Meta(title="name or glob", min_length=1, description="a name or a glob such as prod-*")]
FamilyGlob = Annotated[
    str,
    Meta(
        title="family or glob",
        description="the name of a family or a glob",
        extra={"check": _no_family},
        extra_json_schema={"anyOf": [{"enum": TOLD}, {"pattern": r"[*?\[]"}]},
    ),
]
ResourceTypeGlob = Annotated[
    str,
    Meta(
        title="kind or glob",
        description="a kind of resource or a glob",
        extra={"check": _no_resource_type},
        extra_json_schema={"anyOf": [{"enum": list(ENUMS["resource_type"])}, {"pattern": r"[*?\[]"}]},
    ),
]
TagKey = Annotated[
    str,
    Meta(
        title="key of a tag",
        description="the key of a tag",
        extra={"check": _no_tag_key},
        extra_json_schema={  # of what is odd, all that is ASCII
            "pattern": r"^[^\x00-\x1f!-*,;<>?\[-^`{-\x7f]+$",
            "minLength": 1,
            "maxLength": _LONGEST_KEY,
        },
    ),
]
AskedFamily = Annotated[
    str,
    Meta(
        title="CloudWatch family",
        extra={"check": _not_asked, "stands_for": "FAMILY", "example": "sagemaker_endpoint_invocations_total"},
        extra_json_schema={"enum": ASKED},
    ),
]
QueueName = Annotated[
    str,
    Meta(
        title="name",
        description="the name of a queue",
        extra={"check": _no_queue_name, "stands_for": "NAME", "example": "events"},
        extra_json_schema={"pattern": "^[A-Za-z0-9_.-]{1,80}$"},
    ),
]
EventSource = Annotated[
    str,
    Meta(title="host", pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com\Z", description="a host of AWS"),
]
Principals = Annotated[int, Meta(title="whole number", ge=0, le=100, description="a whole number from 0 to 100")]
NetworkName = Annotated[
    str,
    Meta(
        title="name",
        extra={"check": _no_network_name, "stands_for": "NAME", "example": "office"},
        extra_json_schema={"pattern": "^[a-z][a-z0-9_]{0,39}$"},
    ),
]
Cidr = Annotated[
    str, Meta(title="network", description="a network such as 203.0.113.0/24", extra={"check": _no_network})
]
RuleName = Annotated[
    str,
    Meta(
        title="name",
        description="the name of a rule",
        extra={"check": _no_rule_name},
        extra_json_schema={"pattern": "^[a-z][a-z0-9_]{0,62}$"},
    ),
]
PresetName = Annotated[
    str,
    Meta(
        title="preset",
        description="the name of a preset",
        extra={"check": _no_preset},
        extra_json_schema={"enum": list(log_rules.PRESETS)},
    ),
]
GroupGlob = Annotated[
    str,
    Meta(
        title="name or glob",
        min_length=1,
        description="a log group or a glob",
        extra={"check": _no_group},
        extra_json_schema={"pattern": "^(/aws/sagemaker/|.*[*?\\[])"},
    ),
]
FilterPattern = Annotated[
    str,
    Meta(
        title="filter pattern",
        description="a filter pattern of CloudWatch",
        extra={"check": log_rules.wrong_with},
        extra_json_schema={"minLength": 1, "maxLength": log_rules.LONGEST_PATTERN},
    ),
]
Pages = Annotated[int, Meta(title="whole number", ge=1, le=100_000, description="a whole number from 1 to 100,000")]
QueueUrl = Annotated[
    str,
    Meta(
        title="URL",
        pattern=r"^https://[a-z0-9.-]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?\Z",
        description="the URL of a queue",
        extra={"hint": _queue_hint, "check": _no_region},
    ),
]
BucketName = Annotated[
    str,
    Meta(
        title="name of a bucket",
        description="the name of a bucket",
        extra={"check": _no_bucket},
        extra_json_schema={"pattern": r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$"},
    ),
]
KeyPrefix = Annotated[
    str,
    Meta(
        title="prefix of keys",
        description="the beginning of keys",
        extra={"check": _no_prefix},
        extra_json_schema={"not": {"pattern": "^/|(^|/)AWSLogs(/|$)"}, "maxLength": 512},
    ),
]
Limited = Annotated[str, Meta(title="operation", extra={"check": _not_called}, extra_json_schema={"enum": LIMITED})]
Output = Annotated[
    str,
    Meta(
        title="none, stdout, file",
        pattern=r"^(none|stdout|file)\Z",
        description="none, stdout or file",
        extra={"hint": _output_hint},
    ),
]
Address = Annotated[
    str,
    Meta(
        title="address",
        description="an address such as :10940",
        extra={"check": _no_address},
        extra_json_schema={"pattern": r":[0-9]{1,5}$"},
    ),
]
Rate = Annotated[
    float,
    Meta(
        title="number",
        gt=0,
        le=_MOST,
        description=f"a number above 0, at most {_MOST:,}",
        extra={"hint": _number_hint},
    ),
]
Series = Annotated[
    int,
    Meta(
        title="whole number",
        ge=1,
        le=_MOST,
        description=f"a whole number from 1 to {_MOST:,}",
        extra={"hint": _number_hint},
    ),
]
Dollars = Annotated[
    float,
    Meta(
        title="number",
        ge=0,
        le=_MOST,
        description=f"a number of dollars from 0 to {_MOST:,}",
        extra={"hint": _number_hint},
    ),
]
Enabled = Annotated[bool, About("Whether the source runs.")]
LastGood = Annotated[
    Seconds | None,
    About(
        "How long values stay while they can't be looked at, at least 1s; by default three times `every`, and 15m at "
        "the least.",
        "15m",
    ),
]


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
        return _region_of(self.url)

    @property
    def account(self) -> str:
        """The number of its account."""
        return self.url.split("/")[3]

    @property
    def partition(self) -> str:
        """The partition of AWS that it is in."""
        return _PARTITIONS.get(self.region.rsplit("-", 2)[0], "aws")

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:{self.partition}:sqs:{self.region}:{self.account}:{self.url.rpartition('/')[2]}"


class Paces(Struct, frozen=True, kw_only=True):
    """How often CloudWatch families that are not hot are asked; METRICS.md tells the pace of each."""

    warm: Annotated[Seconds, About("How often warm families are asked.")] = 300.0
    cold: Annotated[Seconds, About("How often cold families are asked.")] = 3600.0


class CloudWatchMetrics(Struct, frozen=True, kw_only=True):
    """Metrics that SageMaker publishes to CloudWatch: counters that equal its final sums, and gauges."""

    enabled: Enabled = True
    every: Annotated[Seconds, About("How often hot families are asked; at least 1s.")] = 60.0
    pace: Paces = Paces()
    settle: Annotated[Seconds, About("How long CloudWatch's sums usually change; a later revision is a late one.")] = (
        900.0
    )
    deep_settle: Annotated[
        Seconds, About("How long CloudWatch's sums may change; what changes later is not read. Less than 3d.")
    ] = 10_800.0
    gauge_delay: Annotated[
        Seconds, About("A gauge shows the newest period that ended at least so long ago; at most 1d.")
    ] = 120.0
    max_age: Annotated[
        Seconds,
        About("A gauge leaves, and a counter waits to be caught up, when the newest reading is older; at most 1d."),
    ] = 900.0


class ResourceTypes(Struct, frozen=True, kw_only=True):
    """Which kinds of resources `sagemaker_resources` counts.

    By default endpoints and what belongs to them, notebook instances, domains, spaces, apps, feature groups, pipelines,
    model package groups, monitoring schedules, clusters, training plans and MLflow tracking servers. Each other kind is
    one more List call in a run. What has families of its own is listed for these all the same. Of all that is listed
    `sagemaker_resource_tags_info` shows tags (`labels.tags`).
    """

    include: Annotated[
        tuple[ResourceTypeGlob, ...], About("What is counted besides the defaults.", "[hub, project, image]")
    ] = ()
    exclude: Annotated[tuple[ResourceTypeGlob, ...], About("What is not, even if it is included.", "[model]")] = ()


class Inventory(Struct, frozen=True, kw_only=True):
    """What exists: endpoints, all else of SageMaker that is listed, and the series that CloudWatch lists."""

    enabled: Annotated[
        bool, About("Whether what exists is shown and described; CloudWatch's series are listed all the same.")
    ] = True
    every: Annotated[Seconds, About("How often it is listed; at least 1s.")] = 60.0
    last_good: LastGood = None
    describe_every: Annotated[
        Seconds, About("How often a thing is described that is in service and has not changed; at least 1s.")
    ] = 3600.0
    list_metrics_every: Annotated[
        Seconds, About("How often the series of CloudWatch, the bounds of scaling and tags are listed; at least 1s.")
    ] = 300.0
    resource_types: ResourceTypes = ResourceTypes()


class CloudWatchAlarms(Struct, frozen=True, kw_only=True):
    """CloudWatch alarms on SageMaker's metrics and log groups, and composite alarms that refer to such."""

    enabled: Enabled = True
    every: Annotated[
        Seconds, About("How often they are listed: a call for each hundred alarms of the account. At least 1s.")
    ] = 120.0
    last_good: LastGood = None
    names: Annotated[tuple[Glob, ...], About("Other alarms to show, by name.", '["ml-*"]')] = ()
    tags: Annotated[dict[str, str], About("Other alarms to show: those with all of these tags.", "{team: ml-*}")] = {}


class LogRule(Struct, frozen=True, kw_only=True):
    """What of the text of log groups is counted."""

    name: Annotated[RuleName, About("Value of the label `rule`; must be given.", "rejected")] = ""
    group: Annotated[GroupGlob, About("The log groups in which it is looked for.", "/aws/sagemaker/Endpoints/*")] = (
        "/aws/sagemaker/*"
    )
    pattern: Annotated[
        FilterPattern,
        About(
            "A filter pattern of CloudWatch; must be given. Case matters, `A B` is both, `?A ?B` any, `-A` is not, and "
            "a phrase stands in double quotes. A dollar is written `$$`.",
            '"input rejected"',
        ),
    ] = ""
    labels: Annotated[
        tuple[Literal["endpoint", "variant", "job", "instance_group"], ...],
        About("What the names of groups and streams tell, as labels of a counter of its own.", "[variant]"),
    ] = ()


class CloudWatchLogs(Struct, frozen=True, kw_only=True):
    """Log groups of SageMaker, and how many of their events match rules: each counted once, also late ones.

    What CloudWatch takes in up to 2 h late is found within an hour or so, and up to a day late within a day; what is
    later may be missed. Groups of the infrequent access class can't be searched.
    """

    enabled: Enabled = True
    every: Annotated[
        Seconds, About("How often groups are listed, a call for each fifty, and searched; at least 1s.")
    ] = 300.0
    last_good: LastGood = None
    pages_per_cycle: Annotated[
        Pages,
        About(
            "How many pages of FilterLogEvents are read in one run on a target, over all groups and rules. A search of "
            "a group takes one at least, and one search does for all presets. What is left is read in the next runs."
        ),
    ] = 50
    overlap: Annotated[
        Seconds, About("How far back each search looks beyond the last one: for what comes late. From 1m to 2h.")
    ] = 900.0
    presets: Annotated[
        tuple[PresetName, ...],
        About(f"Rules that are there already: {', '.join(log_rules.PRESETS)}.", "[cuda_out_of_memory, nccl_error]"),
    ] = ()
    rules: Annotated[tuple[LogRule, ...], About("Rules of your own.")] = ()

    @property
    def matches(self) -> bool:
        """Whether any event is looked for."""
        return bool(self.enabled and (self.presets or self.rules))


class JobPolling(Struct, frozen=True, kw_only=True):
    """Jobs of all types, found by listing them: their changes of state, each counted once, and those that are open.

    And what HyperPod clusters log, if the inventory looks which there are.
    """

    enabled: Enabled = True
    every: Annotated[
        Seconds,
        About(
            "How often new jobs are listed, a call for each of 22 types, and the logs of HyperPod clusters, a call for "
            "each; at least 1s."
        ),
    ] = 60.0
    last_good: LastGood = None


class JobEvents(Struct, frozen=True, kw_only=True):
    """SageMaker's events of jobs and other things, from EventBridge through a queue: told at once, best effort."""

    enabled: Enabled = False
    queue: Annotated[QueueName, About("The queue in `queues` that holds them.")] = "events"


class CloudTrail(Struct, frozen=True, kw_only=True):
    """API calls to SageMaker, as CloudTrail has recorded them. A list of such blocks has them come by several roads.

    What counts, and how, stands in the first block of a list; a call that comes by two roads counts once.
    """

    enabled: Enabled = True
    from_: Annotated[
        Way,
        About(
            "The way: lookup needs nothing set up; queue takes events of EventBridge; s3 reads the files of a trail, "
            "which a queue announces."
        ),
    ] = "lookup"
    every: Annotated[Seconds, About("How often new records are looked up, a call for each event source.")] = 60.0
    overlap: Annotated[
        Seconds, About("How far back is looked each ten minutes: CloudTrail delivers up to a quarter of an hour late.")
    ] = 1200.0
    queue: Annotated[
        QueueName,
        About("The queue in `queues` that holds the events, or tells of new files; for from: queue and from: s3."),
    ] = "events"
    bucket: Annotated[
        BucketName,
        About(
            "The bucket of the trail, in the region of the queue, read by the queue's role; for from: s3.", "my-trail"
        ),
    ] = ""
    prefix: Annotated[KeyPrefix, About("What stands before AWSLogs/ in its keys; for from: s3.", "logs")] = ""
    event_sources: Annotated[tuple[EventSource, ...], About("Whose records count.", "[sagemaker.amazonaws.com]")] = (
        "sagemaker.amazonaws.com",
    )
    principals: Annotated[
        Principals,
        About("How many names of roles and users become labels, the first that call: the family by principal.", "50"),
    ] = 0
    networks: Annotated[
        dict[NetworkName, tuple[Cidr, ...]],
        About("Networks that are values of `origin`.", "{office: [203.0.113.0/24]}"),
    ] = {}

    @property
    def folder(self) -> str:
        """What stands before AWSLogs/ in the keys of its files, with the separator."""
        return f"{self.prefix.removesuffix('/')}/" if self.prefix else ""

    @property
    def way(self) -> tuple[str, ...]:
        """What makes it another way than others are."""
        return {"lookup": ("lookup",), "queue": ("queue", self.queue), "s3": ("s3", self.bucket, self.folder)}[
            self.from_
        ]


class Quotas(Struct, frozen=True, kw_only=True):
    """Service quotas of SageMaker: their limits, and how much of those that are in use is used.

    Use is what AWS's usage metrics say, for a tenth of a cent for each hundred quotas, or what `inventory` and
    `job_polling` see run, and then it is told each minute.
    """

    enabled: Enabled = False
    every: Annotated[
        Seconds,
        About(
            "How often quotas are listed, a free call for each hundred of some 1,700 and of their defaults, and usage "
            "metrics are asked for; at least 1s."
        ),
    ] = 3600.0
    last_good: LastGood = None
    codes: Annotated[
        tuple[Glob, ...],
        About(
            "Quotas to show though they are not in use, by code or by name; `*` for all.",
            '[L-614B09FD, "ml.p5*training*"]',
        ),
    ] = ()


class Cost(Struct, frozen=True, kw_only=True):
    """What endpoints, jobs, notebook instances, apps, clusters and tracking servers cost, by the hours they run.

    Estimates by list price, without discounts, storage, data and requests. What runs is known by `inventory`, what jobs
    took by `job_polling` or `job_events`: where these are off, or the families that they count in, their cost is
    missing.
    """

    enabled: Enabled = True
    every: Annotated[
        Seconds,
        About("How often it is reckoned, which asks AWS nothing but a price list a day for each region. At least 1s."),
    ] = 300.0
    last_good: LastGood = None
    idle_after: Annotated[
        Seconds,
        About("How long a resource is not used until `sagemaker_cost_idle_hourly_usd` (off by default) holds it."),
    ] = 86_400.0


class Sources(Struct, frozen=True, kw_only=True):
    """Where facts come from."""

    cloudwatch_metrics: CloudWatchMetrics = CloudWatchMetrics()
    inventory: Inventory = Inventory()
    cloudwatch_alarms: CloudWatchAlarms = CloudWatchAlarms()
    cloudwatch_logs: CloudWatchLogs = CloudWatchLogs()
    job_polling: JobPolling = JobPolling()
    job_events: JobEvents = JobEvents()
    cloudtrail: CloudTrail | tuple[CloudTrail, ...] = CloudTrail()
    quotas: Quotas = Quotas()
    cost: Cost = Cost()

    @property
    def trails(self) -> tuple[CloudTrail, ...]:
        """The roads by which records of CloudTrail come."""
        several = self.cloudtrail if isinstance(self.cloudtrail, tuple) else (self.cloudtrail,)
        return tuple(one for one in several if one.enabled)

    @property
    def said(self) -> CloudTrail:
        """The block of CloudTrail that says what counts: the first one that is given."""
        return self.cloudtrail[0] if isinstance(self.cloudtrail, tuple) else self.cloudtrail

    @property
    def principals(self) -> int:
        """How many principals become labels."""
        return self.said.principals if self.trails else 0

    @property
    def asking(self) -> frozenset[str]:
        """The names of those that ask AWS, beside what comes out of queues."""
        hears = set[str]() if any(trail.from_ == "lookup" for trail in self.trails) else {"cloudtrail"}
        return self.enabled - hears

    @property
    def enabled(self) -> frozenset[str]:
        """The names of those that run."""
        by_name = {name: getattr(self, name) for name in self.__struct_fields__}
        return frozenset(
            name for name, one in by_name.items() if (self.trails if name == "cloudtrail" else one.enabled)
        )


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
        if family in _BY_RULES:
            return _BY_RULES[family](self.sources.cloudwatch_logs)
        return CATALOGUE[family].on or _any_of(self.families.include).match(family) is not None


_BY_RULES: dict[str, Callable[[CloudWatchLogs], bool]] = {  # families that rules for logs switch on
    MATCHES: lambda logs: bool(logs.presets or logs.rules),
    BY_STREAM: lambda logs: any(rule.labels for rule in logs.rules),
}


@lru_cache(2)  # of one configuration: hundreds of families are asked about at once
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches all that any of the shell patterns does."""
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration in a file. Raises `ConfigError` with all of its mistakes."""
    return parse(text_of(path), str(path), environment)


def parse(text: str, name: str = "config.yaml", environment: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration in a text. Raises `ConfigError` with all of its mistakes."""
    return typing.cast("Config", read(text, Config, name, environment, _faults))


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
        if not {"job_polling", "job_events"} & config.sources.enabled or not config.on(JOB_SECONDS):
            why = "families.exclude names their seconds" if not config.on(JOB_SECONDS) else "no source tells of them"
            yield f"sources.cost holds no jobs: {why}"
    for name, source in sources.items():
        if source.enabled and getattr(source, "every", 60.0) < 10:
            yield f"sources.{name}.every is {source.every:g}s: CloudWatch's data is a minute old, and each run costs"


def fingerprint(config: Config) -> str:
    """Return a short hash of what is configured, whatever the file looks like."""
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()[:16]


def _faults(given: Struct | dict[str, Any], wrong: frozenset[str]) -> Iterator[tuple[str, str]]:
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
                yield "url", f"must be given{_queue_hint('')}", ("url",)
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
                if name in _BY_RULES and not _BY_RULES[name](given.sources.cloudwatch_logs):
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
