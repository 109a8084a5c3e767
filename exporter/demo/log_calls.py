"""CloudWatch Logs: DescribeLogGroups, DescribeLogStreams, DescribeSubscriptionFilters and FilterLogEvents.

A page of FilterLogEvents looks at a limited number of events, so that one that finds few of them may hold less than it
could, or nothing, and still have a token. Where AWS's documentation is silent: a token leads on behind the last event
that was looked at, so that one that comes in meanwhile is on a later page if it is newer than that, and otherwise on
none; a page may begin with the last event of the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.demo.call import AwsError
from exporter.demo.filter_patterns import matcher
from exporter.demo.logs import INFREQUENT, STANDARD, Event, LogGroup
from exporter.demo.resources import arn
from exporter.demo.traffic import chance, number_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.call import Call

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
MOST_EVENTS = 10_000
MOST_BYTES = 1_048_576
EVENT_OVERHEAD = 26  # bytes that AWS adds to a message wherever it counts them
LOOKED_AT = 20_000  # (guess) events for a page
TOKEN_LIVES = 86_400
ON_A_PAGE = 50  # of all Describes
LONGEST_PATTERN = 1024
_FIRST = (0, 0, "")  # before all events


def describe_log_groups(call: Call) -> dict[str, Any]:
    """Answer DescribeLogGroups, in the order of ASCII."""
    given = call.parameters
    prefix, wanted = given.get("logGroupNamePrefix", ""), given.get("logGroupClass")
    groups = [
        group
        for group in call.place.log_groups_at(call.now)
        if group.name.startswith(prefix) and wanted in (None, group.log_class)
    ]
    page, more = call.page(sorted(groups, key=lambda one: one.name), _limit(call), _wrong_token(), "nextToken")
    return {"logGroups": [_group(call, group) for group in page], **more}


def _group(call: Call, group: LogGroup) -> dict[str, Any]:
    where = arn("logs", call.region, call.principal.account, f"log-group:{group.name}")
    told = {
        "logGroupName": group.name,
        "creationTime": round(group.created * 1000),
        "retentionInDays": group.retention,
        "metricFilterCount": group.metric_filters,
        "arn": f"{where}:*",
        "storedBytes": group.stored(call.now),
        "kmsKeyId": group.key,
        "logGroupClass": group.log_class,
        "logGroupArn": where,
    }
    return {name: value for name, value in told.items() if value is not None}


def describe_log_streams(call: Call) -> dict[str, Any]:
    """Answer DescribeLogStreams: by name, or those with the newest events first. Of the last hours, as for all here."""
    given, group = call.parameters, _named(call)
    by_time = given.get("orderBy") == "LastEventTime"
    if by_time and "logStreamNamePrefix" in given:
        raise _wrong("Cannot order by LastEventTime with a logStreamNamePrefix.")
    newest: dict[str, Event] = {}
    until = round((call.now - 1200) * 1000)  # these times come late
    for event in group.between(until - 3_600_000, until):
        if event.ingested <= until:
            newest[event.stream] = event
    if by_time:
        names = sorted(newest, key=lambda name: newest[name].at, reverse=bool(given.get("descending")))
    else:
        prefix = given.get("logStreamNamePrefix", "")
        names = sorted((name for name in newest if name.startswith(prefix)), reverse=bool(given.get("descending")))
    page, more = call.page(names, _limit(call), _wrong_token(), "nextToken")
    streams = [
        {
            "logStreamName": name,
            "creationTime": round(group.created * 1000),
            "lastEventTimestamp": newest[name].at,
            "lastIngestionTime": newest[name].ingested,
            "storedBytes": 0,
        }
        for name in page
    ]
    return {"logStreams": streams, **more}


def describe_subscription_filters(call: Call) -> dict[str, Any]:
    """Answer DescribeSubscriptionFilters."""
    group = _named(call)
    page, more = call.page(sorted(group.filters), _limit(call), _wrong_token(), "nextToken")
    filters = [
        {
            "filterName": name,
            "logGroupName": group.name,
            "filterPattern": "",
            "destinationArn": arn("firehose", call.region, call.principal.account, f"deliverystream/{name}"),
            "distribution": "ByLogStream",
            "creationTime": round(group.created * 1000),
        }
        for name in page
    ]
    return {"subscriptionFilters": filters, **more}


def filter_log_events(call: Call) -> dict[str, Any]:
    """Answer FilterLogEvents: what matches, the oldest first, both ends included."""
    given, group = call.parameters, _named(call)
    if group.log_class != STANDARD:
        kind = "Infrequent Access" if group.log_class == INFREQUENT else group.log_class
        raise _wrong(f"FilterLogEvents is not supported for log groups of the {kind} log class.")
    most = _limit(call, MOST_EVENTS)
    try:
        pattern = given.get("filterPattern", "")
        matching = matcher(pattern)
    except ValueError as error:
        raise _wrong("Invalid filter pattern") from error
    if len(pattern) > LONGEST_PATTERN:
        raise _wrong(f"1 validation error detected: 'filterPattern' is longer than {LONGEST_PATTERN}")
    start, end = given.get("startTime", 0), given.get("endTime", round(call.now * 1000))
    if start > end:
        raise _wrong("End time should not be before start time.")
    place = call.resumed(_wrong_token(), "nextToken")
    if place and call.now > place[0] + TOKEN_LIVES:
        raise _wrong_token()
    after, shown = map(tuple, place[1:3]) if place else (_FIRST, _FIRST)
    again = shown != _FIRST and not place[3] and _repeats(call, after)  # a page of one event would never end
    after = shown if again else after
    start = max(start, after[0], _kept_since(call, group))
    page: list[Event] = []
    size = looked_at = 0
    last = after
    for event in group.between(start, end):
        order = event[:3]
        if order < after or event.ingested > call.now * 1000 or (order == after and not again):
            continue
        matched = matching(event.message)
        bytes_ = EVENT_OVERHEAD + len(event.message.encode())
        if looked_at == LOOKED_AT or (matched and page and (len(page) >= most or size + bytes_ > MOST_BYTES)):
            return {"events": [_event(one) for one in page], "nextToken": call.token([call.now, last, shown, again])}
        looked_at += 1
        last = order
        if matched:
            shown = order
            page.append(event)
            size += bytes_
    return {"events": [_event(one) for one in page], "searchedLogStreams": []}


def _repeats(call: Call, after: tuple[Any, ...]) -> bool:
    return chance(number_of(call.world.seed, "page", *after), 0) < call.world.repeated


def _kept_since(call: Call, group: LogGroup) -> int:
    return 0 if group.retention is None else round((call.now - group.retention * 86_400) * 1000)


def _event(event: Event) -> dict[str, Any]:
    return {
        "logStreamName": event.stream,
        "timestamp": event.at,
        "message": event.message,
        "ingestionTime": event.ingested,
        "eventId": event.id,
    }


def _named(call: Call) -> LogGroup:
    name = call.parameters.get("logGroupName")
    if not name:
        raise _wrong("Log group name or identifier is missing.")
    group = call.place.log_group(name, call.now)
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def _limit(call: Call, most: int = ON_A_PAGE) -> int:
    limit = call.parameters.get("limit", most)
    if not isinstance(limit, int) or not 1 <= limit <= most:
        raise _wrong(f"1 validation error detected: Value '{limit}' at 'limit' must be between 1 and {most}")
    return limit


def _wrong(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def _wrong_token() -> AwsError:
    return _wrong("The specified nextToken is invalid.")


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "DescribeLogGroups": describe_log_groups,
    "DescribeLogStreams": describe_log_streams,
    "DescribeSubscriptionFilters": describe_subscription_filters,
    "FilterLogEvents": filter_log_events,
}
