"""API calls, as AWS usage metrics count them."""

from __future__ import annotations

from exporter.catalogue.rows import Shape, counter

OPERATION = Shape(
    namespaces=("AWS/Usage",),
    dimensions={"Resource": "operation"},
    fixed={"Service": "Sagemaker", "Type": "API", "Class": "None"},
)

ROWS = (
    counter(
        "sagemaker_api_usage_calls_total",
        "API calls of the account as AWS usage metrics count them.",
        OPERATION,
        "CallCount",
        on=False,
        stable=False,
        pace="warm",
    ),
)
