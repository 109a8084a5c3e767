"""Model registry: groups of model packages, their versions and approvals; MLflow tracking servers."""

from __future__ import annotations

from exporter.catalogue.rows import JOBS, listed, told

ROWS = (
    listed(
        "stateset",
        "sagemaker_model_package_group_status",
        "Status of a model package group, 1 for the status that holds.",
        ("model_package_group_name", "status"),
        "ListModelPackageGroups",
        values={"status": "model_package_group_status"},
        on=False,
    ),
    listed(
        "gauge",
        "sagemaker_model_package_group_packages",
        "Model versions of a model package group by approval.",
        ("model_package_group_name", "approval_status"),
        "ListModelPackages ModelApprovalStatus",
        values={"approval_status": "model_approval_status"},
        seeded=True,
    ),
    listed(
        "gauge",
        "sagemaker_model_package_group_failed_packages",
        "Model versions of a model package group whose creation failed.",
        ("model_package_group_name",),
        "ListModelPackages ModelPackageStatus Failed",
        on=False,
    ),
    listed(
        "gauge",
        "sagemaker_model_package_group_latest_version",
        "Number of the newest model version of a model package group.",
        ("model_package_group_name",),
        "ListModelPackages ModelPackageVersion",
    ),
    listed(
        "gauge",
        "sagemaker_model_package_group_latest_version_timestamp_seconds",
        "Time at which the newest model version of a model package group was created.",
        ("model_package_group_name",),
        "ListModelPackages CreationTime",
    ),
    listed(
        "stateset",
        "sagemaker_mlflow_tracking_server_status",
        "Status of an MLflow tracking server, 1 for the status that holds.",
        ("tracking_server_name", "status"),
        "ListMlflowTrackingServers",
        values={"status": "mlflow_tracking_server_status"},
    ),
    listed(
        "gauge",
        "sagemaker_mlflow_tracking_server_active",
        "1 while an MLflow tracking server runs and is billed, 0 otherwise.",
        ("tracking_server_name",),
        "ListMlflowTrackingServers IsActive",
    ),
    listed(
        "info",
        "sagemaker_mlflow_tracking_server_info",
        "Facts about an MLflow tracking server, always 1.",
        ("tracking_server_name", "tracking_server_size", "mlflow_version"),
        "DescribeMlflowTrackingServer",
    ),
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
