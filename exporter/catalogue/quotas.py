"""Service quotas of SageMaker: what AWS lets an account use, and how much of it is in use."""

from __future__ import annotations

from exporter.catalogue.rows import told

SOURCE = "quotas"

ROWS = (
    told(
        SOURCE,
        "gauge",
        "sagemaker_quota_limit",
        "Value of a SageMaker service quota that applies now.",
        ("quota_code",),
        "ListServiceQuotas Value; ListAWSDefaultServiceQuotas where nothing was applied",
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_quota_usage",
        "Use of a SageMaker service quota, from AWS usage metrics where they exist and otherwise counted from the resources that run.",
        ("quota_code",),
        "UsageMetric; DescribeEndpoint, open jobs, ListApps, ListNotebookInstances, DescribeCluster",
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_quota_utilization_ratio",
        "Use of a SageMaker service quota as a share of its limit.",
        ("quota_code",),
        "quota_usage divided by quota_limit",
    ),
    told(
        SOURCE,
        "info",
        "sagemaker_quota_info",
        "Facts about a SageMaker service quota, always 1.",
        ("quota_code", "quota_name", "quota_kind", "instance_type", "adjustable", "usage_source"),
        "ListServiceQuotas QuotaName, Adjustable; kind and instance type cut from the name",
        values={"quota_kind": "quota_kind", "adjustable": "yes_no", "usage_source": "quota_usage_source"},
    ),
)
