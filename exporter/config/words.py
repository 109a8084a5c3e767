"""What values may be: kinds of texts and numbers, each with its rule, and what to say of one that breaks it."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
import unicodedata
from typing import Annotated, Literal

from msgspec import Meta

from exporter.catalogue import CATALOGUE, log_rules
from exporter.catalogue.enums import ENUMS
from exporter.catalogue.permissions import ACTIONS, CONTENTS, LOGIN, OBJECTS, QUEUES, TAGS, WITH
from exporter.strict import About, Seconds, close

TOLD = tuple(name for name, row in CATALOGUE.items() if row.source != "own")  # families that can be switched
ASKED = tuple(name for name, row in CATALOGUE.items() if row.ask)
DATAPOINTS = "GetMetricData.datapoints"
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
    return "" if region_of(url) else "names no region, as sqs.eu-west-1.amazonaws.com does"


def region_of(url: str) -> str:
    """Return the region in the host of a URL."""
    return next((part for part in url.split("/")[2].split(".") if re.fullmatch(_REGION, part)), "")


def queue_hint(text: str) -> str:
    """Return what to write instead of a text that is no URL of a queue."""
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


_PREFIX_HINT = "must be what stands before AWSLogs/ in the keys, as in logs"
_NUMBER = r"[0-9]{1,10}(\.[0-9]{1,10})?"
_REGION = r"^[a-z]{2,4}(-[a-z]+)+-[0-9]\Z"
PARTITIONS = {"cn": "aws-cn", "eusc": "aws-eusc", "us-gov": "aws-us-gov", "us-iso": "aws-iso", "us-isob": "aws-iso-b"}
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
        extra={"hint": queue_hint, "check": _no_region},
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
