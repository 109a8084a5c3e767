"""What a quota limits, which AWS tells by its name alone: patterns of names, as rows.

The names are those of some 1,700 quotas of 2025 and 2026. One that no row matches is of the kind `other`.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Meaning(NamedTuple):
    """What a quota limits: its kind, the instance type if it is about one, and what is `counted` for its use.

    What is counted is a word of `usage.py`; "" where nothing that we see is what it limits.
    """

    kind: str = "other"
    instance_type: str = ""
    counted: str = ""


_TYPE = r"(?P<type>ml\.[\w.-]+)"
_ROWS = tuple(
    (re.compile(pattern), kind, counted)
    for pattern, kind, counted in (
        (rf"{_TYPE} for endpoint usage", "endpoint", "endpoint"),
        ("Number of instances across active endpoints", "endpoint", "endpoint"),
        (rf"{_TYPE} for training job usage", "training_job", "on_demand_training"),
        ("Number of instances across all training jobs", "training_job", "training"),
        (rf"{_TYPE} for spot training job usage", "training_job_spot", "spot_training"),
        ("Number of instances across all spot training jobs", "training_job_spot", "spot_training"),
        (rf"{_TYPE} for training warm pool usage", "training_job_warm_pool", "warm_pool"),
        (rf"{_TYPE} for processing job usage", "processing_job", "processing"),
        ("Number of instances across all processing jobs", "processing_job", "processing"),
        (rf"{_TYPE} for transform job usage", "transform_job", "transform"),
        ("Number of instances across all transform jobs", "transform_job", "transform"),
        (rf"{_TYPE} for notebook instance usage", "notebook_instance", "notebook_instance"),
        ("Total number of notebook instances", "notebook_instance", ""),  # stopped ones too? AWS does not say
        (rf"{_TYPE} for cluster usage", "cluster", "cluster"),
        (rf"(?:Studio )?(?P<app>\w+) Apps running on {_TYPE} instances?", "studio", "app"),
        (r"(?:Studio )?\w+ Apps running on system instances?", "studio", ""),
        ("Maximum number of running Studio apps allowed per account", "studio", "running_app"),
        ("Total domains", "studio", "domain"),
        ("Maximum number of Studio user profiles allowed per account", "studio", "user_profile"),
        ("Maximum number of Studio spaces allowed per account", "studio", "space"),
        ("Maximum number of MLflow Tracking Servers", "other", "mlflow_tracking_server"),
        ("Maximum number of pipelines allowed per account", "other", "pipeline"),
        ("Total Monitoring Schedules", "other", "monitoring_schedule"),
        (r"Rate of \w+ requests", "rate", ""),
    )
)


def meaning(name: str) -> Meaning:
    """Return what a quota of this name limits."""
    for pattern, kind, counted in _ROWS:
        found = pattern.fullmatch(name)
        if found:
            parts = found.groupdict()
            return Meaning(kind, parts.get("type", ""), f"app/{parts['app']}" if "app" in parts else counted)
    return Meaning()
