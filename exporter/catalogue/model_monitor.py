"""Model Monitor: quality measures of monitored models."""

from __future__ import annotations

from exporter.catalogue.rows import Shape, gauge

SCHEDULE = Shape(
    namespaces=("aws/sagemaker/Endpoints/model-metrics",),
    dimensions={"Endpoint": "endpoint_name", "MonitoringSchedule": "monitoring_schedule"},
)
BATCH_SCHEDULE = Shape(
    namespaces=("aws/sagemaker/ModelMonitoring/model-metrics",),
    dimensions={"MonitoringSchedule": "monitoring_schedule"},
)

ROWS = (
    gauge(
        "sagemaker_model_monitor_quality",
        "Model quality measure of the newest execution of a monitoring schedule on an endpoint.",
        SCHEDULE,
        "{measure}",
        period=3600,
        pace="cold",
        values={"measure": "model_quality_measure"},
    ),
    gauge(
        "sagemaker_model_monitor_batch_quality",
        "Model quality measure of the newest execution of a batch monitoring schedule.",
        BATCH_SCHEDULE,
        "{measure}",
        period=3600,
        pace="cold",
        values={"measure": "model_quality_measure"},
    ),
)
