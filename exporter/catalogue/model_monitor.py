"""Model Monitor: schedules, their executions and alerts, and quality measures of monitored models."""

from __future__ import annotations

from exporter.catalogue.rows import JOBS, Shape, gauge, listed, told

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
    listed(
        "stateset",
        "sagemaker_model_monitor_schedule_status",
        "Status of a monitoring schedule, 1 for the status that holds.",
        ("monitoring_schedule", "status"),
        "ListMonitoringSchedules",
        values={"status": "monitoring_schedule_status"},
    ),
    listed(
        "info",
        "sagemaker_model_monitor_schedule_info",
        "Facts about a monitoring schedule, always 1; joins it to its endpoint.",
        ("monitoring_schedule", "endpoint_name", "monitoring_type"),
        "ListMonitoringSchedules",
        values={"monitoring_type": "monitoring_type"},
    ),
    listed(
        "stateset",
        "sagemaker_model_monitor_last_execution_status",
        "Status of the newest execution of a monitoring schedule, 1 for the status that holds.",
        ("monitoring_schedule", "status"),
        "ListMonitoringExecutions, newest by ScheduledTime",
        values={"status": "monitoring_execution_status"},
    ),
    listed(
        "gauge",
        "sagemaker_model_monitor_last_execution_timestamp_seconds",
        "Time for which the newest execution of a monitoring schedule was planned.",
        ("monitoring_schedule",),
        "ScheduledTime",
    ),
    listed(
        "stateset",
        "sagemaker_model_monitor_alert_status",
        "State of an alert of a monitoring schedule, 1 for the state that holds.",
        ("monitoring_schedule", "monitoring_alert_name", "status"),
        "ListMonitoringAlerts",
        values={"status": "monitoring_alert_status"},
    ),
)
