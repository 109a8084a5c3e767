"""What SageMaker's instances cost by list price: estimates, without discounts, storage, data and requests."""

from __future__ import annotations

from exporter.catalogue.rows import told

_OF = {"resource_type": "billed_resource_type"}

ROWS = (
    told(
        "cost",
        "gauge",
        "sagemaker_cost_hourly_usd",
        "Estimated list price of one hour of everything that runs now.",
        ("resource_type", "instance_type"),
        "inventory and open jobs x price list",
        values=_OF,
    ),
    told(
        "cost",
        "gauge",
        "sagemaker_cost_resource_hourly_usd",
        "Estimated list price of one hour of one long-lived resource that runs now.",
        ("resource_type", "resource_name"),
        "endpoints, notebook instances, clusters, tracking servers; not jobs, not apps",
        values=_OF,
    ),
    told(
        "cost",
        "counter",
        "sagemaker_cost_usd_total",
        "Estimated list price of all running time counted so far.",
        ("resource_type", "instance_type"),
        "billable instance time of ended jobs, running time of resources between two reads",
        values=_OF,
        seeded=True,
    ),
    told(
        "cost",
        "gauge",
        "sagemaker_cost_idle_hourly_usd",
        "Estimated list price of one hour of resources that run but have not been used for the configured time.",
        ("resource_type",),
        "no Invocations, no user activity, no running app",
        values=_OF,
        on=False,
        stable=False,
    ),
    told(
        "cost",
        "gauge",
        "sagemaker_cost_price_hourly_usd",
        "On-demand list price of one hour of an instance type, for the types in use.",
        ("resource_type", "instance_type"),
        "GetProducts of the price list",
        values=_OF,
        adds=False,
    ),
    told(
        "cost",
        "gauge",
        "sagemaker_cost_price_updated_timestamp_seconds",
        "Time at which the list prices were last read.",
        (),
        "GetProducts",
    ),
    told(
        "cost",
        "gauge",
        "sagemaker_cost_unpriced_instances",
        "Running instances for which no list price is known, so that they are missing from the estimates.",
        ("resource_type", "instance_type"),
        "inventory without a price",
        values=_OF,
    ),
)
