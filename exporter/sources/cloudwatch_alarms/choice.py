"""Which alarms are about SageMaker, and which resource one watches. Pure: alarms in, names and labels out.

Strict by default: an alarm is ours for what it watches, and for its name or tags only where the configuration says so.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from exporter.catalogue.places import Places
from exporter.sources.cloudwatch_alarms.answers import COMPOSITE, Alarm, Metric

LOG_GROUPS = "/aws/sagemaker/"
KINDS_BY_DIMENSION = {  # the nearest thing first: a monitored endpoint has a schedule that the alarm is about
    "InferenceComponentName": "inference_component",
    "MonitoringSchedule": "monitoring_schedule",
    "EndpointName": "endpoint",
    "Endpoint": "endpoint",
    "FeatureGroupName": "feature_group",
    "PipelineName": "pipeline",
    "ClusterName": "cluster",
}

_OURS = re.compile(r"/?aws/.*sagemaker", re.IGNORECASE)  # AWS/SageMaker, /aws/sagemaker/Endpoints, ...
_INSIGHTS = re.compile(r'\bFROM\s+(?:SCHEMA\s*\(\s*)?"([^"]*)"', re.IGNORECASE)  # a namespace with a slash is quoted
_RULE = re.compile(r'"((?:[^"\\]|\\.)*)"|([(),])|([^\s(),"]+)')
_FUNCTIONS = {"ALARM", "OK", "INSUFFICIENT_DATA", "AT_LEAST"}


class Choice:
    """Chooses alarms: by what they watch, else by globs of their names, else by tags."""

    def __init__(self, places: Places, names: Collection[str]) -> None:
        self._places = places
        self._names = names

    def ours(self, alarms: Iterable[Alarm], chosen: Callable[[Alarm], bool]) -> dict[str, Alarm]:
        """Return the alarms about SageMaker by name; `chosen` says whether one is for another reason."""
        by_name = {alarm.AlarmName: alarm for alarm in alarms}
        parents: dict[str, list[str]] = {}
        for alarm in by_name.values():
            for child in references(alarm.AlarmRule) if alarm.kind == COMPOSITE else ():
                parents.setdefault(child, []).append(alarm.AlarmName)
        found = [name for name, alarm in by_name.items() if self._direct(alarm) or chosen(alarm)]
        ours = set(found)
        while found:
            fresh = {parent for name in found for parent in parents.get(name, ())} - ours
            ours |= fresh
            found = list(fresh)
        return {name: alarm for name, alarm in by_name.items() if name in ours}

    def _direct(self, alarm: Alarm) -> bool:
        if any(fnmatch.fnmatchcase(alarm.AlarmName, pattern) for pattern in self._names):
            return True
        if any(self._watched(metric) for metric in alarm.inputs):
            return True
        expressions = (query.Expression or "" for query in alarm.Metrics)
        if any(_OURS.match(namespace) for text in expressions for namespace in _INSIGHTS.findall(text)):
            return True
        return any(group.startswith(LOG_GROUPS) for group in log_groups(alarm))

    def _watched(self, metric: Metric) -> bool:
        """Say whether a metric is SageMaker's: by its namespace, or as one that our own rows ask for elsewhere."""
        if _OURS.match(metric.Namespace):
            return True
        dimensions = tuple(sorted((one.Name, one.Value) for one in metric.Dimensions))
        place = self._places.get((metric.Namespace, tuple(name for name, _ in dimensions)))
        return place is not None and metric.MetricName in place.metrics and place.admits(dimensions)


def references(rule: str) -> set[str]:
    """Return the names of the alarms that an AlarmRule refers to, by name or by ARN.

    Operators are of no interest: what stands within the parentheses of a function is an alarm; AT_LEAST has its alarms
    in parentheses of their own, behind a number and a state. A name may hold anything, if it is quoted.
    """
    found: set[str] = set()
    depth, names_from, word = 0, 0, ""  # names stand at this depth of parentheses; 0 outside of functions
    for quoted, sign, bare in _RULE.findall(rule):
        if sign == "(":
            depth += 1
            if not names_from and word in _FUNCTIONS:
                names_from = depth + (word == "AT_LEAST")
        elif sign == ")":
            depth -= 1
            if depth < names_from:
                names_from = 0
        elif names_from and depth >= names_from:
            name = re.sub(r"\\(.)", r"\1", quoted) or bare
            found.add(name.partition(":alarm:")[2] if name.startswith("arn:") else name)
        word = bare
    return found - {""}


def log_groups(alarm: Alarm) -> Iterator[str]:
    """Yield the names of the log groups that a log alarm watches."""
    query = alarm.ScheduledQueryConfiguration
    for identifier in query.LogGroupIdentifiers if query else ():
        yield identifier.partition(":log-group:")[2].partition(":")[0] if identifier.startswith("arn:") else identifier


def resource(alarm: Alarm) -> tuple[str, str]:
    """Return kind and name of the resource that an alarm watches; empty where there are several, or none."""
    found = {_resource(metric) for metric in alarm.inputs} - {("", "")}
    for group in log_groups(alarm):
        kind, _, name = group.removeprefix(LOG_GROUPS).partition("/")
        if kind == "Endpoints" and name:
            found.add(("endpoint", name))
    return found.pop() if len(found) == 1 else ("", "")


def _resource(metric: Metric) -> tuple[str, str]:
    values: Mapping[str, str] = {one.Name: one.Value for one in metric.Dimensions}
    return next(((kind, values[name]) for name, kind in KINDS_BY_DIMENSION.items() if name in values), ("", ""))


def watched(alarm: Alarm) -> tuple[str, str, str]:
    """Return namespace, metric and statistic that an alarm watches, each empty where there are several, or none."""
    namespaces = {metric.Namespace for metric in alarm.inputs}
    names = {metric.MetricName for metric in alarm.inputs}
    statistics = {alarm.Statistic or alarm.ExtendedStatistic} - {""} or {
        query.MetricStat.Stat for query in alarm.Metrics if query.MetricStat
    }
    one = [values.pop() if len(values) == 1 else "" for values in (namespaces, names, statistics)]
    return one[0], one[1], one[2]
