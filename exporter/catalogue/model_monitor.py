"""Model Monitor: quality measures of monitored models, and executions of schedules."""

from __future__ import annotations

from exporter.catalogue.rows import JOBS, Shape, gauge, told

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
    told(
        JOBS,
        "counter",
        "sagemaker_model_monitor_executions_total",
        "Executions of a monitoring schedule that ended, by status.",
        ("monitoring_schedule", "status"),
        "ListMonitoringExecutions; ended statuses only",
        values={"status": "monitoring_execution_status"},
        seeded=True,
    ),
)
