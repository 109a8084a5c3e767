"""What is shown of a log group: from the listing, and from the calls that are made about each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from exporter.aws import Aws, read_as
from exporter.catalogue.log_rules import resource_of
from exporter.model import DAY, Target

STANDARD, INFREQUENT = "STANDARD", "INFREQUENT_ACCESS"  # only groups of the first class can be searched

Value = tuple[str, tuple[str, ...], float | None]  # family, label values after the target's, value


class LogGroup(Struct, rename="camel"):
    """A log group as DescribeLogGroups tells of it."""

    log_group_name: str
    creation_time: int | None = None
    retention_in_days: int | None = None
    metric_filter_count: int | None = None
    stored_bytes: int | None = None
    kms_key_id: str | None = None
    log_group_class: str = STANDARD

    @property
    def created(self) -> float | None:
        """When it was created (Unix seconds)."""
        return None if self.creation_time is None else self.creation_time / 1000

    @property
    def retention(self) -> float:
        """For how long it keeps its events (s)."""
        days = self.retention_in_days
        return days * DAY if days is not None and days > 0 else math.inf


class Groups(NamedTuple):
    """Log groups that are wanted, and the names of those that are known not to be.

    Where they could not be `listed`, it is those that have been searched: of these only the names are known.
    """

    wanted: Sequence[LogGroup]
    barred: frozenset[str]
    listed: bool


class SubscriptionFilter(Struct, rename="camel"):
    """A subscription filter, of which nothing is shown but that it is there."""

    filter_name: str


class LogStream(Struct, rename="camel"):
    """A stream as DescribeLogStreams tells of it."""

    last_event_timestamp: int | None = None


def shown(group: LogGroup) -> Iterator[Value]:
    """Yield all that the listing tells of a group."""
    name = (group.log_group_name,)
    encrypted = "true" if group.kms_key_id else "false"
    yield "sagemaker_log_group_stored_bytes", name, group.stored_bytes
    yield "sagemaker_log_group_retention_seconds", name, group.retention
    yield "sagemaker_log_group_created_timestamp_seconds", name, group.created
    yield "sagemaker_log_group_info", (*name, group.log_group_class, encrypted, *resource_of(group.log_group_name)), 1.0
    yield "sagemaker_log_group_metric_filters", name, group.metric_filter_count
    if not FILTERS.covers(group):
        yield FILTERS.family, name, 0.0


class Asked(NamedTuple):
    """A call that is made about each group, and what it tells; `covers` says of which groups."""

    family: str
    operation: str
    ask: Callable[[Aws, Target, str], list[Value]]
    covers: Callable[[LogGroup], bool]


def _filters(aws: Aws, target: Target, name: str) -> list[Value]:
    pages = aws.pages(target, FILTERS.operation, logGroupName=name)
    number = sum(len(read_as(SubscriptionFilter, page["subscriptionFilters"])) for page in pages)
    return [(FILTERS.family, (name,), float(number))]


def _last_event(aws: Aws, target: Target, name: str) -> list[Value]:
    answer = aws.call(
        target, LAST_EVENT.operation, logGroupName=name, orderBy="LastEventTime", descending=True, limit=1
    )
    times = [one.last_event_timestamp for one in read_as(LogStream, answer["logStreams"])]
    return [(LAST_EVENT.family, (name,), at / 1000) for at in times if at is not None]


FILTERS = Asked(
    "sagemaker_log_group_subscription_filters",
    "DescribeSubscriptionFilters",
    _filters,
    lambda group: group.log_group_class != INFREQUENT,  # which can have none
)
LAST_EVENT = Asked(
    "sagemaker_log_group_last_event_timestamp_seconds", "DescribeLogStreams", _last_event, lambda _: True
)
