"""Resources of SageMaker of all kinds, counted."""

from __future__ import annotations

from exporter.catalogue.rows import listed

ROWS = (
    listed(
        "gauge",
        "sagemaker_resources",
        "Resources that exist, by kind and status; status is empty for kinds without one.",
        ("resource_type", "status"),
        "resource_types: one List operation per kind named in the configuration",
        values={"resource_type": "resource_type"},
    ),
)
