"""Log groups of SageMaker: volume."""

from __future__ import annotations

from exporter.catalogue.rows import Shape, counter

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
)
