"""What AWS says of alarms, with AWS's names: answers read into what they must be, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from exporter.aws import AwsError, read_as

METRIC, COMPOSITE, LOG = "MetricAlarm", "CompositeAlarm", "LogAlarm"
KINDS = (METRIC, COMPOSITE, LOG)


class Dimension(Struct, frozen=True):
    """One dimension of a metric."""

    Name: str
    Value: str


class Metric(Struct, frozen=True):
    """A metric of CloudWatch."""

    Namespace: str = ""
    MetricName: str = ""
    Dimensions: list[Dimension] = []


class MetricStat(Struct, frozen=True):
    """A statistic of a metric."""

    Metric: Metric = Metric()
    Stat: str = ""


class Query(Struct, frozen=True):
    """One item of metric math: an input or an expression."""

    MetricStat: MetricStat | None = None
    Expression: str | None = None


class ScheduledQuery(Struct, frozen=True):
    """What a log alarm asks of which log groups, named or by ARN."""

    LogGroupIdentifiers: list[str] = []


class Alarm(Struct, frozen=True):
    """An alarm of any kind. What its kind does not have is empty."""

    AlarmName: str
    StateValue: str
    AlarmArn: str = ""
    StateUpdatedTimestamp: float | None = None
    StateTransitionedTimestamp: float | None = None
    ActionsEnabled: bool = False
    OKActions: list[str] = []
    AlarmActions: list[str] = []
    InsufficientDataActions: list[str] = []
    ActionsSuppressedBy: str | None = None
    EvaluationState: str | None = None
    Threshold: float | None = None
    ComparisonOperator: str = ""
    Namespace: str = ""
    MetricName: str = ""
    Dimensions: list[Dimension] = []
    Statistic: str = ""
    ExtendedStatistic: str = ""
    Metrics: list[Query] = []
    AlarmRule: str = ""
    ScheduledQueryConfiguration: ScheduledQuery | None = None
    kind: str = METRIC

    @property
    def changed(self) -> float:
        """When it last changed its state; when that was last written, where AWS does not say."""
        return self.StateTransitionedTimestamp or self.StateUpdatedTimestamp or 0.0

    @property
    def inputs(self) -> list[Metric]:
        """The metrics that it watches."""
        own = Metric(self.Namespace, self.MetricName, self.Dimensions)
        return [own] if self.Namespace else [one.MetricStat.Metric for one in self.Metrics if one.MetricStat]


class HistoryItem(Struct, frozen=True):
    """An entry of an alarm's history; `HistoryData` is JSON."""

    AlarmName: str
    Timestamp: float
    HistoryItemType: str = ""
    HistoryData: str = ""


class _State(Struct, rename="camel"):
    state_value: str


class StateUpdate(Struct, rename="camel"):
    """What the history says of a change of state."""

    old_state: _State
    new_state: _State


class TaggedArn(Struct):
    """A resource and its tags."""

    ResourceARN: str
    Tags: list[Mapping[str, str]] = []


def alarms(page: Mapping[str, Any]) -> list[Alarm]:
    """Return the alarms on a page of DescribeAlarms. Raises `AwsError`."""
    found = []
    for kind in KINDS:
        found += [msgspec.structs.replace(one, kind=kind) for one in read_as(Alarm, page.get(f"{kind}s") or [])]
    return found


def state_update(text: str) -> StateUpdate:
    """Return what a history item says of a change. Raises `AwsError`."""
    try:
        return msgspec.json.decode(text, type=StateUpdate)
    except msgspec.MsgspecError as error:
        raise AwsError("transient", f"unreadable history: {error}") from error
