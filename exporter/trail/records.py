"""A record as CloudTrail writes it -> `Call`.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html

What AWS promises only in prose is read leniently: a field of another type is an absent one, but for those without which
a call can't be counted: its id, its time, its name, its source, its account and its region.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any

from msgspec import Struct

ENDPOINT = "AWS::SageMaker::Endpoint"
READS = ("Describe", "Get", "List", "Query", "Search", "BatchDescribe", "BatchGet")  # what only reads begins with
LONGEST = 1024  # characters of a word: what is longer is no name of AWS's

Networks = Mapping[str, Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]]

_PRIVATE = tuple(  # RFC 1918, 6598, 4193, and those of a machine or a link: what Python counts in changes with Python
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)


class RecordError(ValueError):
    """A record that can't be read. Says what of it, never what stands there."""


class Category(Enum):
    """What kind of a fact a record is."""

    MANAGEMENT = "management"
    DATA = "data"
    SERVICE = "service"  # what AWS did by itself
    NETWORK = "network"  # what a VPC endpoint has refused
    OTHER = "other"  # insights, aggregates: they tell of calls that have records of their own


class Call(Struct, frozen=True):
    """An API call that CloudTrail has recorded. `at` is when it was completed (Unix seconds).

    `account` is where it was recorded. `caller` is the account of who called, "" where that is nobody's. `shared` is
    the id that the records of it in several accounts have in common, "" where there is one. `corrects`: whether it only
    corrects another record. `principal` is the lasting name of who called: of a role or user, not of a session.
    `origin` is the kind of place that it came from, or a network that the user has named.
    """

    id: str
    at: float
    account: str
    region: str
    category: Category
    source: str
    name: str
    read_only: bool
    error_code: str
    error_class: str
    principal_type: str
    principal: str
    caller: str
    origin: str
    user_agent: str
    shared: str = ""
    corrects: bool = False
    endpoint: str = ""
    record: Mapping[str, Any] = {}


def call(record: Any, networks: Networks, account: str = "") -> Call:
    """Return the call that a record, decoded from JSON, tells of. Raises `RecordError`.

    `account` is where it was found; a record that names none is of that.
    """
    if not isinstance(record, dict):
        raise RecordError("a record is not an object")
    identity = object_in(record, "userIdentity")
    code, name = text_in(record, "errorCode"), _needed(record, "eventName")
    kind = text_in(record, "eventType")
    read_only = record.get("readOnly")
    account = text_in(record, "recipientAccountId") or account
    if not account:
        raise RecordError("a record names no account")
    return Call(
        id=_needed(record, "eventID"),
        at=_time(_needed(record, "eventTime")),
        account=account,
        region=_needed(record, "awsRegion"),
        category=_category(record, kind),
        source=_needed(record, "eventSource"),
        name=name,
        read_only=read_only if isinstance(read_only, bool) else name.startswith(READS),
        error_code=code,
        error_class=error_class(code, text_in(record, "errorMessage")),
        principal_type=text_in(identity, "type") or ("AWSService" if text_in(identity, "invokedBy") else "Unknown"),
        principal=_principal(identity),
        caller=text_in(identity, "accountId"),
        origin=_origin(record, identity, kind, networks),
        user_agent=text_in(record, "userAgent"),
        shared=text_in(record, "sharedEventID"),
        corrects=text_in(object_in(record, "addendum"), "reason") == "UPDATED_DATA",
        endpoint=_endpoint(record),
        record=record,
    )


def _category(record: Mapping[str, Any], kind: str) -> Category:
    named = text_in(record, "eventCategory") or ("Data" if record.get("managementEvent") is False else "Management")
    if kind == "AwsServiceEvent":
        return Category.SERVICE
    if (
        kind == "AwsVpceEvents" or named == "NetworkActivity"
    ):  # those that came through are calls with records of theirs
        return Category.NETWORK if text_in(record, "errorCode") == "VpceAccessDenied" else Category.OTHER
    if named == "Data":
        return Category.DATA
    if named == "Management" and kind in {"AwsApiCall", "AwsConsoleAction", ""}:
        return Category.MANAGEMENT
    return Category.OTHER


def _principal(identity: Mapping[str, Any]) -> str:
    """Return the lasting name of who called: the name of a session is anybody's choice, and there is no end to them."""
    issuer = object_in(object_in(identity, "sessionContext"), "sessionIssuer")
    named = text_in(issuer, "userName") or text_in(identity, "userName") or text_in(identity, "invokedBy")
    return named or ("root" if text_in(identity, "type") == "Root" else "")


def _origin(record: Mapping[str, Any], identity: Mapping[str, Any], kind: str, networks: Networks) -> str:
    """Return the kind of place that a call came from; a network that the user has named, before all but AWS itself."""
    source = text_in(record, "sourceIPAddress")
    inside = text_in(identity, "type") == "AWSService" or text_in(identity, "invokedBy")
    if inside or source == "AWS Internal" or source.endswith(".amazonaws.com"):
        return "aws_service"
    place = _place(source)
    name = _named(place, networks) if place and networks else ""
    if name:
        return name
    if kind == "AwsConsoleAction" or record.get("sessionCredentialFromConsole") in {"true", True}:
        return "console"
    if text_in(record, "vpcEndpointId"):
        return "vpc_endpoint"
    if place is None:
        return "unknown"
    return "private_address" if any(place in of for of in _PRIVATE) else "public_address"


def _named(place: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: Networks) -> str:
    """Return the narrowest of the user's networks that an address lies in; "" where it lies in none."""
    found = [(of.prefixlen, name) for name, known in networks.items() for of in known if place in of]
    return max(found)[1] if found else ""


@lru_cache(maxsize=4096)
def _place(source: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(source)
    except ValueError:
        return None


# First match wins: (class, what the code must match, what the message must match).
_CLASSES = tuple(
    (name, re.compile(code), re.compile(message, re.IGNORECASE))
    for name, code, message in (
        ("not_found", r"^Validation", r"could not find|does not exist|not found|cannot find|unable to describe"),
        ("access_denied", r"Denied|Unauthorized|NotAuthorized|Forbidden|OptInRequired", ""),
        (
            "access_denied",
            r"InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|AuthenticationToken|Expired",
            "",
        ),
        ("throttled", r"Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|ThroughputExceeded", ""),
        ("limit_exceeded", r"LimitExceeded|QuotaExceeded", ""),
        ("not_found", r"NotFound|NoSuch|DoesNotExist", ""),
        ("conflict", r"Conflict|InUse|AlreadyExists", ""),
        (
            "server_error",
            r"^Internal|ServiceUnavailable|ServerException|ServiceException$|^Model(?:Error|NotReady|Stream)|Dependency",
            "",
        ),
        ("validation", r"Validation|^Invalid|^Missing|Malformed|BadRequest", ""),
    )
)


@lru_cache(maxsize=4096)
def error_class(code: str, message: str) -> str:
    """Return the class of an error by the code on the wire: none for a call that succeeded."""
    if not code:
        return "none"
    found = (name for name, codes, messages in _CLASSES if codes.search(code) and messages.search(message))
    return next(found, "client_error")


def _endpoint(record: Mapping[str, Any]) -> str:
    """Return the endpoint that a data event is about; "" where it is about none."""
    resources = record.get("resources")
    for one in resources if isinstance(resources, list) else ():
        if isinstance(one, dict) and one.get("type") == ENDPOINT:
            return text_in(one, "ARN").rpartition(":endpoint/")[2]
    return ""


def object_in(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object in a record, which may hold anything; an empty one where there is none."""
    found = of.get(name)
    return found if isinstance(found, dict) else {}


def text_in(of: Mapping[str, Any], name: str) -> str:
    """Return a text in a record, which may hold anything; "" where there is none."""
    found = of.get(name)
    return found if isinstance(found, str) else ""


def _needed(record: Mapping[str, Any], name: str) -> str:
    found = text_in(record, name)
    if not found or len(found) > LONGEST:
        raise RecordError(
            f"a record has no {name}" if not found else f"a record has a {name} of {len(found)} characters"
        )
    return found


def _time(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise RecordError("a record has an eventTime that is none") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
