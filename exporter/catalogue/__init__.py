"""WHAT we export: every family as a row, by subject. Start here to add a metric.

`CATALOGUE` holds all rows by name, breakdowns included. Tables are plain data; nothing here does I/O, and nothing
here knows how a value is read. Row types and their checks are in `rows`, labels in `labels`, words of AWS in `enums`,
what is derived from the rows in `derive`.
"""

from __future__ import annotations

from exporter.catalogue import (
    alarms,
    api_calls,
    async_endpoints,
    capacity,
    cost,
    endpoints,
    feature_store,
    hyperpod,
    inference_components,
    inference_recommender,
    jobs,
    labeling,
    logs,
    model_monitor,
    model_registry,
    multi_model_endpoints,
    notebooks,
    own_health,
    pipelines,
    processing_jobs,
    quotas,
    resources,
    serverless_endpoints,
    training_jobs,
    transform_jobs,
)
from exporter.catalogue.breakdowns import BREAKDOWNS
from exporter.catalogue.rows import Row

TABLES: dict[str, tuple[Row, ...]] = {
    "endpoints": endpoints.ROWS,
    "multi_model_endpoints": multi_model_endpoints.ROWS,
    "async_endpoints": async_endpoints.ROWS,
    "serverless_endpoints": serverless_endpoints.ROWS,
    "inference_components": inference_components.ROWS,
    "feature_store": feature_store.ROWS,
    "training_jobs": training_jobs.ROWS,
    "processing_jobs": processing_jobs.ROWS,
    "transform_jobs": transform_jobs.ROWS,
    "inference_recommender": inference_recommender.ROWS,
    "labeling": labeling.ROWS,
    "pipelines": pipelines.ROWS,
    "model_monitor": model_monitor.ROWS,
    "capacity": capacity.ROWS,
    "hyperpod": hyperpod.ROWS,
    "jobs": jobs.ROWS,
    "notebooks": notebooks.ROWS,
    "model_registry": model_registry.ROWS,
    "resources": resources.ROWS,
    "api_calls": api_calls.ROWS,
    "alarms": alarms.ROWS,
    "logs": logs.ROWS,
    "quotas": quotas.ROWS,
    "cost": cost.ROWS,
    "own_health": own_health.ROWS,
}


def _catalogue() -> dict[str, Row]:
    """Return every row and every breakdown of one by name, in the order of the tables."""
    rows = [
        form
        for table in TABLES.values()
        for row in table
        for form in (row, *(BREAKDOWNS[word].form(row) for word in row.breakdowns))
    ]
    by_name = {row.name: row for row in rows}
    if len(by_name) != len(rows):
        names = [row.name for row in rows]
        raise ValueError(f"declared twice: {sorted({name for name in names if names.count(name) > 1})}")
    return by_name


CATALOGUE = _catalogue()
