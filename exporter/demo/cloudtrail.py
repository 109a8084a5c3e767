"""CloudTrail: LookupEvents, the event history of an account in a region.

Where AWS's pages are silent: a token leads on below the last entry that was shown, so that a record that arrives
between two pages is on a later page if it is older than that, and in the next look only if it is newer; nothing is
shown twice for it. A page looks at a limited number of records, so that one that is about few of them may hold less
than it could, or nothing, and still have a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from exporter.demo.call import AwsError, invalid
from exporter.demo.calls import MANAGEMENT, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.call import Call
    from exporter.demo.calls import ApiCall

# https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
MOST_AT_ONCE = 50
HISTORY = 90 * 86_400
LOOKED_AT = 5_000  # records for a page
MOST_COPIES = 2  # of a record: see calls.Delay

_ATTRIBUTES: dict[str, Callable[[ApiCall], list[Any]]] = {
    "AccessKeyId": lambda call: [call.who.access_key],
    "EventId": lambda call: [call.event_id],
    "EventName": lambda call: [call.name],
    "EventSource": lambda call: [call.source],
    "ReadOnly": lambda call: ["true" if call.read_only else "false"],
    "ResourceName": lambda call: [resource["ResourceName"] for resource in call.resources],
    "ResourceType": lambda call: [resource["ResourceType"] for resource in call.resources],
    "Username": lambda call: [call.who.name],
}


def lookup_events(call: Call) -> dict[str, Any]:
    """Answer LookupEvents: management events of 90 days, the newest first, those of both ends included."""
    given = call.parameters
    most = given.get("MaxResults", MOST_AT_ONCE)
    if not 1 <= most <= MOST_AT_ONCE:
        raise AwsError("InvalidMaxResultsException", f"A max results value of {most} is invalid. Specify 1 to 50.")
    begin, end = _range(call)
    values, wanted = _attribute(given.get("LookupAttributes", []))
    wrong = AwsError("InvalidNextTokenException", "The token is not valid, or was given for other parameters.")
    place = call.resumed(wrong)
    if given.get("EventCategory", "insight") != "insight":
        raise AwsError("InvalidEventCategoryException", "The event category is not valid: it can be insight.")
    if "EventCategory" in given:
        return {"Events": []}  # nobody has Insights here
    since = (place[0], place[1]) if place else None
    entries: list[dict[str, Any]] = []
    after: list[Any] = []
    for looked_at, one in enumerate(call.place.calls.newest_first(begin, end, since)):
        if looked_at == LOOKED_AT:
            return {"Events": entries, "NextToken": call.token(after)}
        matches = one.category == MANAGEMENT and (values is None or wanted in values(one))
        shown = place[2] if one.order == since else 0
        for copy in range(shown, _copies(call, one) if matches else 0):
            if len(entries) == most:
                return {"Events": entries, "NextToken": call.token(after)}
            entries.append(_entry(call, one))
            after = [*one.order, copy + 1]
        if len(entries) < most:
            after = [*one.order, MOST_COPIES]
    return {"Events": entries}


def _copies(call: Call, one: ApiCall) -> int:
    """Return how often a record is there: none before it has arrived."""
    return sum(at <= call.now for at in call.place.calls.arrivals(one, "lookup"))


def _range(call: Call) -> tuple[float, float]:
    """Return which times are asked for: whole seconds, the last of them as a whole."""
    earliest = call.now - HISTORY
    begin, end = call.parameters.get("StartTime", earliest), call.parameters.get("EndTime", call.now)
    if begin > end:
        raise AwsError("InvalidTimeRangeException", "The start time must be before the end time.")
    return max(float(begin), earliest), float(end) + 1


def _attribute(given: list[dict[str, str]]) -> tuple[Callable[[ApiCall], list[Any]] | None, str]:
    if not given:
        return None, ""
    if len(given) > 1:
        raise AwsError("InvalidLookupAttributesException", "You can specify only one lookup attribute.")
    key, value = given[0].get("AttributeKey", ""), given[0].get("AttributeValue", "")
    if key not in _ATTRIBUTES or not value:
        raise AwsError("InvalidLookupAttributesException", f"The lookup attribute {key} is not valid.")
    if len(value) > 2000:
        raise invalid("1 validation error detected: Value at 'attributeValue' has more than 2000 characters")
    return _ATTRIBUTES[key], value


def _entry(call: Call, one: ApiCall) -> dict[str, Any]:
    known = {
        "EventId": one.event_id,
        "EventName": one.name,
        "ReadOnly": "true" if one.read_only else "false",
        "AccessKeyId": one.who.access_key,
        "EventTime": int(one.at),
        "EventSource": one.source,
        "Username": one.who.name,
        "Resources": one.resources,
        "CloudTrailEvent": orjson.dumps(record(one, call.principal.account, call.region)).decode(),
    }
    return {name: value for name, value in known.items() if value is not None}


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {"LookupEvents": lookup_events}
