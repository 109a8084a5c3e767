"""CloudWatch: DescribeAlarms and DescribeAlarmHistory, with AWS's filters, page sizes and JSON within JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import orjson

from exporter.demo.alarms import COMPOSITE, LOG, METRIC, evaluate
from exporter.demo.call import AwsError, invalid
from exporter.demo.resources import arn
from exporter.demo.traffic import chance

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.alarms import Alarm, Transition
    from exporter.demo.call import Call

# docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
LONGEST_PAGE = 100
USUAL_PAGE = 50  # (guess)
KINDS = (COMPOSITE, METRIC, LOG)  # in the order in which they come
KEPT = 30 * 86_400  # of the history, deleted or not


def alarm_arn(call: Call, name: str) -> str:
    """Return the ARN of an alarm."""
    return arn("cloudwatch", call.region, call.principal.account, f"alarm:{name}")


def describe_alarms(call: Call) -> dict[str, Any]:
    """Answer DescribeAlarms: of metric alarms alone, unless other kinds are asked for."""
    given = call.parameters
    kinds = _kinds(call)
    if given.get("AlarmNames") and given.get("AlarmNamePrefix"):
        raise invalid("AlarmNames and AlarmNamePrefix cannot be specified together.")
    evaluate(call.place, call.now, call.world.history_after)
    found = [
        alarm
        for alarm in call.place.alarms_at(call.now)
        if alarm.kind in kinds
        and (not given.get("AlarmNames") or alarm.name in given["AlarmNames"])
        and alarm.name.startswith(given.get("AlarmNamePrefix", ""))
        and given.get("StateValue") in (None, alarm.state(call.now))
    ]
    found.sort(key=lambda alarm: (KINDS.index(alarm.kind), alarm.name))
    page, more = call.page(found, _size(call, USUAL_PAGE), _wrong_token())
    answer: dict[str, Any] = {"CompositeAlarms": [], "MetricAlarms": []}
    if LOG in kinds:
        answer["LogAlarms"] = []
    for alarm in page:
        answer[f"{alarm.kind}s"].append(_described(call, alarm))
    return {**answer, **more}


def _described(call: Call, alarm: Alarm) -> dict[str, Any]:
    changed = alarm.changed(call.now)
    actions: dict[str, list[str]] = {"OKActions": [], "AlarmActions": [], "InsufficientDataActions": []}
    return {
        "AlarmName": alarm.name,
        "AlarmArn": alarm_arn(call, alarm.name),
        "AlarmConfigurationUpdatedTimestamp": alarm.created,
        "ActionsEnabled": True,
        **actions,
        "StateValue": alarm.state(call.now),
        "StateReason": alarm.reason(call.now),
        "StateUpdatedTimestamp": changed,
        "StateTransitionedTimestamp": changed,
        **alarm.facts,
    }


def describe_alarm_history(call: Call) -> dict[str, Any]:
    """Answer DescribeAlarmHistory: of one alarm or of all of a kind; of those that are gone, too."""
    given, place = call.parameters, call.place
    kinds = _kinds(call)
    evaluate(place, call.now, call.world.history_after)
    start, end = given.get("StartDate", 0.0), given.get("EndDate", math.inf)
    items = [
        item
        for name, lives in place.alarms.items()
        if given.get("AlarmName") in (None, name)
        for alarm in lives
        if alarm.kind in kinds
        for item in _history(alarm, call.now)
        if start <= item["Timestamp"] <= end
        and item["Timestamp"] >= call.now - KEPT
        and given.get("HistoryItemType") in (None, item["HistoryItemType"])
    ]
    items.sort(key=lambda item: item["Timestamp"], reverse=given.get("ScanBy") != "TimestampAscending")
    page, more = call.page(items, _size(call, LONGEST_PAGE), _wrong_token())
    if page and chance(call.world.seed, len(items)) < call.world.repeated:
        page = [*page, page[0]]
    return {"AlarmHistoryItems": page, **more}


def _history(alarm: Alarm, now: float) -> list[dict[str, Any]]:
    items = [_item(alarm, alarm.created, "ConfigurationUpdate", f'Alarm "{alarm.name}" created', {"type": "Create"})]
    if alarm.deleted <= now:
        gone = _item(alarm, alarm.deleted, "ConfigurationUpdate", f'Alarm "{alarm.name}" deleted', {"type": "Delete"})
        items.append(gone)
    return items + [_update(alarm, one) for one in alarm.transitions if one.at < alarm.deleted and one.seen <= now]


def _update(alarm: Alarm, one: Transition) -> dict[str, Any]:
    data = {
        "oldState": {"stateValue": one.old, "stateReason": "as it was"},
        "newState": {"stateValue": one.new, "stateReason": one.reason},
    }
    return _item(alarm, one.at, "StateUpdate", f"Alarm updated from {one.old} to {one.new}", data)


def _item(alarm: Alarm, at: float, kind: str, summary: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "AlarmName": alarm.name,
        "AlarmType": alarm.kind,
        "Timestamp": at,
        "HistoryItemType": kind,
        "HistorySummary": summary,
        "HistoryData": orjson.dumps({"version": "1.0", **data}).decode(),
    }


def _kinds(call: Call) -> list[str]:
    kinds: list[str] = call.parameters.get("AlarmTypes") or [METRIC]
    for n, kind in enumerate(kinds, 1):
        if kind not in call.world.alarm_kinds:
            where = f"Value '{kind}' at 'alarmTypes.{n}.member' failed to satisfy constraint"
            raise invalid(f"1 validation error detected: {where}: Member must satisfy enum value set")
    return kinds


def _size(call: Call, usual: int) -> int:
    size: int = call.parameters.get("MaxRecords", usual)
    if not 1 <= size <= LONGEST_PAGE:
        raise invalid(f"MaxRecords must be between 1 and {LONGEST_PAGE}.")
    return size


def _wrong_token() -> AwsError:
    return AwsError("InvalidNextToken", "The next token specified is invalid.")


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "DescribeAlarmHistory": describe_alarm_history,
    "DescribeAlarms": describe_alarms,
}
