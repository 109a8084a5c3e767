"""Notebook instances, and Studio: domains, apps, spaces."""

from __future__ import annotations

from exporter.catalogue.rows import JOBS, told

ROWS = (
    told(
        JOBS,
        "counter",
        "sagemaker_notebook_instance_state_changes_total",
        "Times a notebook instance entered a status, each change counted once.",
        ("notebook_instance_name", "status"),
        "SageMaker Notebook Instance State Change; ListNotebookInstances",
        values={"status": "notebook_instance_status"},
        seeded=True,
    ),
)
