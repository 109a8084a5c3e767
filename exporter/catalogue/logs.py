"""Log groups of SageMaker: volume, what they keep and for how long, and what their text tells.

What is counted of the text is said by rules in `sources.cloudwatch_logs`: a rule or a preset there switches
`sagemaker_log_group_matches_total` on, and `labels` of a rule the same by what streams are called. Each event counts once,
however often it is read; what CloudWatch takes in more than a day late may be missed. At most 500 series by streams
stand at a time on a target: one leaves a day after its last match or, if that came late, after it was found. What there
is no place for is `other`, one for each rule and log group.
"""

from __future__ import annotations

from exporter.catalogue import log_rules
from exporter.catalogue.rows import Shape, counter, told

SOURCE = "cloudwatch_logs"
MATCHES = "sagemaker_log_group_matches_total"
BY_STREAM = "sagemaker_log_group_matches_by_stream_total"

LOG_GROUP = Shape(
    namespaces=("AWS/Logs",),
    dimensions={"LogGroupName": "log_group_name"},
    only={"LogGroupName": ("/aws/sagemaker/*",)},
)

ROWS = (
    counter(
        "sagemaker_log_group_incoming_bytes_total",
        "Bytes of log text that a log group received, before compression.",
        LOG_GROUP,
        "IncomingBytes",
        pace="warm",
    ),
    counter(
        "sagemaker_log_group_incoming_log_events_total",
        "Log events that a log group received.",
        LOG_GROUP,
        "IncomingLogEvents",
        pace="warm",
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_log_group_stored_bytes",
        "Bytes that a log group keeps.",
        ("log_group_name",),
        "DescribeLogGroups storedBytes",
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_log_group_retention_seconds",
        "Time that a log group keeps its events, +Inf if they never expire.",
        ("log_group_name",),
        "DescribeLogGroups retentionInDays x 86400",
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_log_group_created_timestamp_seconds",
        "Time at which a log group was created.",
        ("log_group_name",),
        "DescribeLogGroups creationTime",
        on=False,
    ),
    told(
        SOURCE,
        "info",
        "sagemaker_log_group_info",
        "Facts about a log group, always 1; joins it to its resource.",
        ("log_group_name", "log_group_class", "encrypted", "resource_type", "resource_name"),
        "DescribeLogGroups logGroupClass, kmsKeyId; resource from the group name",
        values={"log_group_class": "log_group_class", "encrypted": "yes_no", "resource_type": "resource_type"},
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_log_group_metric_filters",
        "Metric filters set on a log group.",
        ("log_group_name",),
        "DescribeLogGroups metricFilterCount",
        on=False,
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_log_group_subscription_filters",
        "Subscription filters set on a log group, which send its events on as they come; 0 if it is not archived so.",
        ("log_group_name",),
        "DescribeSubscriptionFilters, a call for each log group",
        on=False,
        stable=False,
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_log_group_last_event_timestamp_seconds",
        "Time of the newest event in a log group, known to CloudWatch with a delay of up to an hour.",
        ("log_group_name",),
        "DescribeLogStreams by LastEventTime",
        on=False,
    ),
    told(
        SOURCE,
        "counter",
        MATCHES,
        "Log events that matched a rule of the configuration, each event id counted once.",
        ("log_group_name", "rule"),
        "FilterLogEvents",
        on=False,
        seeded=True,
    ),
    told(
        SOURCE,
        "counter",
        BY_STREAM,
        "Log events that matched a rule which asks for labels, by what the name of the stream tells.",
        ("log_group_name", "rule", *log_rules.LABELS.values()),
        "FilterLogEvents logStreamName",
        on=False,
        stable=False,
        base=MATCHES,
    ),
)
