"""Alarms as CloudWatch keeps them: what they watch, how they stand at a time, and how they came to stand so.

A metric alarm looks each minute at the datapoints that are to be seen then; a composite one follows its children; a
scripted one changes when it is told to. Every change is dated, so that what was is never lost, as in AWS's own history.

How AWS evaluates: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html, whose tables are
tests here. That it looks back two periods more than it must is a guess that those tables allow.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from exporter.demo.stats import statistic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.demo.world import Region

METRIC, COMPOSITE, LOG = "MetricAlarm", "CompositeAlarm", "LogAlarm"
BEGINNING = "INSUFFICIENT_DATA"
MINUTE = 60
LOOKED_BACK = 2  # periods besides those that must be there (guess)

Point = float | None

_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


class Transition(NamedTuple):
    """A change of state; the history shows it from `seen` on."""

    at: float
    old: str
    new: str
    reason: str
    seen: float


@dataclass(slots=True)
class Alarm:
    """One life of an alarm. `facts` are the members that it was made with, in AWS's words."""

    name: str
    created: float
    facts: dict[str, Any]
    kind: str = METRIC
    scripted: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    deleted: float = math.inf
    transitions: list[Transition] = field(default_factory=list)
    evaluated: float = 0.0  # everything until then has been looked at

    def __post_init__(self) -> None:
        """Begin to look when it is made."""
        self.evaluated = self.evaluated or self.created

    def state(self, now: float) -> str:
        """Return how it stands."""
        return next((one.new for one in reversed(self.transitions) if one.at <= now), BEGINNING)

    def changed(self, now: float) -> float:
        """Return since when it stands so."""
        return next((one.at for one in reversed(self.transitions) if one.at <= now), self.created)

    def reason(self, now: float) -> str:
        """Return why it stands so."""
        initial = "Unchecked: Initial alarm creation"
        return next((one.reason for one in reversed(self.transitions) if one.at <= now), initial)

    def enter(self, state: str, at: float, reason: str, seen: float) -> None:
        """Let it enter a state, if it is not in it. ValueError: it has changed since."""
        if self.transitions and self.transitions[-1].at >= at:
            raise ValueError(f"{self.name} has changed since")
        if self.state(at) != state:
            self.transitions.append(Transition(at, self.state(at), state, reason, seen))


def evaluate(place: Region, now: float, late: float = 0.0) -> None:
    """Let every alarm of a region look at what it watches, minute by minute, up to now."""
    alive = [alarm for lives in place.alarms.values() for alarm in lives[-1:] if not alarm.scripted]
    todo = [alarm for alarm in alive if alarm.evaluated < min(now, alarm.deleted)]
    if not todo:
        return
    begin = min(alarm.evaluated for alarm in todo)
    metrics = [alarm for alarm in todo if alarm.kind == METRIC]
    composites = [alarm for alarm in todo if alarm.kind == COMPOSITE]
    scripted = [alarm for lives in place.alarms.values() for alarm in lives if alarm.scripted]
    moments = {one.at for alarm in scripted for one in alarm.transitions if begin < one.at <= now}
    minute = begin // MINUTE * MINUTE
    while minute <= now:
        for nth, alarm in enumerate(metrics):
            at = minute + nth % MINUTE  # each has its own second, as on AWS
            if alarm.evaluated < at <= min(now, alarm.deleted):
                before = alarm.state(at)
                state = _of_metric(place, alarm, at)
                if state != before:
                    alarm.enter(state, at, _reason(alarm, state), at + late)
                    moments.add(at)
        due = sorted({at for at in moments if at < minute + MINUTE} | {minute})
        moments = {at for at in moments if at >= minute + MINUTE}
        for at in due if composites else ():
            _follow(place, [one for one in composites if one.evaluated <= at <= min(now, one.deleted)], at, late)
        minute += MINUTE
    for alarm in todo:
        alarm.evaluated = min(now, alarm.deleted)


def _follow(place: Region, composites: list[Alarm], at: float, late: float) -> None:
    """Let composite alarms follow their children, and one another, a little later each."""
    for nth in range(1, 6):
        moment = at + nth / 100
        for alarm in composites:
            state = "ALARM" if _Rule(place, alarm.facts["AlarmRule"], moment).holds() else "OK"
            if alarm.state(moment) != state and alarm.changed(moment) < moment:
                alarm.enter(state, moment, f"{alarm.name} transitioned to {state}", moment + late)


def _reason(alarm: Alarm, state: str) -> str:
    if state == BEGINNING:
        return "Insufficient Data: no datapoints were received"
    return f"Threshold Crossed: compared with {alarm.facts.get('Threshold')} and found {state}"


def _of_metric(place: Region, alarm: Alarm, now: float) -> str:
    facts = alarm.facts
    wanted = int(facts["EvaluationPeriods"])
    points = values(place, facts, wanted + LOOKED_BACK, now)
    compare, threshold = _COMPARED[facts["ComparisonOperator"]], float(facts["Threshold"])
    breaching = [None if point is None else compare(point, threshold) for point in points]
    enough = int(facts.get("DatapointsToAlarm", wanted))
    return judge(breaching, wanted, enough, facts.get("TreatMissingData", "missing"), alarm.state(now))


def judge(breaching: Sequence[bool | None], wanted: int, enough: int, missing: str, before: str) -> str:
    """Return the state that datapoints (newest last, None: missing) lead to; `enough` of `wanted` make an alarm."""
    real = [one for one in breaching if one is not None][-wanted:]
    absent = wanted - len(real)
    found = sum(real)
    if not real and missing in ("missing", "ignore"):
        return BEGINNING if missing == "missing" else before
    if found + (absent if missing == "breaching" else 0) >= enough:
        return "ALARM"
    if absent and missing == "missing" and found == len(real):
        return "ALARM"  # nothing that is there says otherwise
    if absent and missing == "ignore" and found + absent >= enough:
        return before
    return "OK"


def values(place: Region, facts: dict[str, Any], number: int, now: float) -> list[Point]:
    """Return what an alarm watches in the last periods that have ended, the newest last, as it is to be seen now."""
    if "MetricName" in facts:
        stat = facts.get("Statistic") or facts["ExtendedStatistic"]
        return _points(place, facts, facts.get("Dimensions", ()), facts["Period"], stat, number, now)
    found: dict[str, list[Point]] = {}
    expression = ""
    for query in facts["Metrics"]:
        if "Expression" in query:
            expression = query["Expression"] if query.get("ReturnData", True) else expression
        else:
            asked = query["MetricStat"]
            metric = asked["Metric"]
            found[query["Id"]] = _points(
                place, metric, metric.get("Dimensions", ()), asked["Period"], asked["Stat"], number, now
            )
    tree = ast.parse(expression, mode="eval").body
    return [_math(tree, {name: points[n] for name, points in found.items()}) for n in range(number)]


def _points(
    place: Region, metric: dict[str, Any], dimensions: Any, period: int, stat: str, number: int, now: float
) -> list[Point]:
    end = now // period * period
    identity = (
        metric["Namespace"],
        metric["MetricName"],
        tuple(sorted((one["Name"], one["Value"]) for one in dimensions)),
    )
    series = place.series.get(identity)
    found: dict[float, list[Any]] = {}
    for at, one in series.points(end - number * period, end, now) if series else ():
        found.setdefault(at - at % period, []).append(one)
    tell = statistic(stat)
    starts = [end - n * period for n in range(number, 0, -1)]
    return [tell(found[start]) if start in found else None for start in starts]


_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _math(node: ast.expr, known: dict[str, Point]) -> Point:
    """Return the value of an expression of ids, numbers and the four operators; None where one of them is missing."""
    match node:
        case ast.Name():
            return known[node.id]
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.BinOp():
            left, right = _math(node.left, known), _math(node.right, known)
            if left is None or right is None or (isinstance(node.op, ast.Div) and not right):
                return None
            return _OPERATORS[type(node.op)](left, right)
    raise ValueError(f"this fake AWS can't evaluate {ast.unparse(node)}")


class _Rule:
    """Evaluates an AlarmRule by recursive descent: OR binds least, NOT most."""

    def __init__(self, place: Region, rule: str, now: float) -> None:
        self._place = place
        self._words: list[str] = re.findall(r'"[^"]*"|[()]|[^\s()"]+', rule)
        self._now = now

    def holds(self) -> bool:
        found = self._either()
        if self._words:
            raise ValueError(f"no AlarmRule: {self._words}")
        return found

    def _either(self) -> bool:
        found = self._both()
        while self._words[:1] == ["OR"]:
            self._words.pop(0)
            found = self._both() or found
        return found

    def _both(self) -> bool:
        found = self._one()
        while self._words[:1] == ["AND"]:
            self._words.pop(0)
            found = self._one() and found
        return found

    def _one(self) -> bool:
        word = self._words.pop(0)
        found: bool
        if word == "NOT":
            return not self._one()
        if word in ("TRUE", "FALSE"):
            return word == "TRUE"
        if word == "(":
            found = self._either()
        else:
            self._words.pop(0)
            name = self._words.pop(0).strip('"')
            found = self._state_of(name) == word
        self._words.pop(0)
        return found

    def _state_of(self, name: str) -> str:
        alarm = self._place.alarm(name.partition(":alarm:")[2] or name, self._now)
        return alarm.state(self._now) if alarm else BEGINNING
