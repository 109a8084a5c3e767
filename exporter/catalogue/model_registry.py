"""The model registry: groups of model packages, and tracking servers."""

from __future__ import annotations

from exporter.catalogue.rows import JOBS, told

ROWS = (
    told(
        JOBS,
        "counter",
        "sagemaker_model_package_group_approval_changes_total",
        "Times a model version of a model package group received an approval status.",
        ("model_package_group_name", "approval_status"),
        "SageMaker Model Package State Change; ListModelPackages",
        values={"approval_status": "model_approval_status"},
        seeded=True,
    ),
)
