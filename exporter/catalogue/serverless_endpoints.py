"""Serverless endpoints: cold starts, concurrency, provisioned concurrency."""

from __future__ import annotations

from exporter.catalogue.rows import MEDIAN_AND_TAILS, MICROSECONDS, counter, gauge, listed, summary
from exporter.catalogue.shapes import VARIANT

ROWS = (
    summary(
        "sagemaker_endpoint_model_setup_time_seconds",
        "Time a serverless endpoint took to start new compute for a model, counted once per cold start; exact sum and count, quantiles of the newest settled period.",
        VARIANT,
        "ModelSetupTime",
        stable=False,
        scale=MICROSECONDS,
        quantiles=MEDIAN_AND_TAILS,
    ),
    gauge(
        "sagemaker_endpoint_model_setup_time_max_seconds",
        "Time a serverless endpoint took to start new compute for a model, counted once per cold start, the longest one in the newest settled period.",
        VARIANT,
        "ModelSetupTime",
        stat="Maximum",
        on=False,
        stable=False,
        scale=MICROSECONDS,
    ),
    gauge(
        "sagemaker_endpoint_serverless_concurrent_executions_utilization_ratio",
        "Concurrent executions of a serverless endpoint as a share of its maximum concurrency, average over the newest settled period.",
        VARIANT,
        "ServerlessConcurrentExecutionsUtilization",
        stable=False,
    ),
    gauge(
        "sagemaker_endpoint_serverless_concurrent_executions_utilization_max_ratio",
        "Concurrent executions of a serverless endpoint as a share of its maximum concurrency, highest value in the newest settled period.",
        VARIANT,
        "ServerlessConcurrentExecutionsUtilization",
        stat="Maximum",
        stable=False,
    ),
    gauge(
        "sagemaker_endpoint_serverless_provisioned_concurrency_executions",
        "Concurrent executions that run on provisioned concurrency of a serverless endpoint, average over the newest settled period.",
        VARIANT,
        "ServerlessProvisionedConcurrencyExecutions",
        stable=False,
        pace="warm",
    ),
    gauge(
        "sagemaker_endpoint_serverless_provisioned_concurrency_executions_max",
        "Concurrent executions that run on provisioned concurrency of a serverless endpoint, highest value in the newest settled period.",
        VARIANT,
        "ServerlessProvisionedConcurrencyExecutions",
        stat="Maximum",
        stable=False,
        pace="warm",
    ),
    gauge(
        "sagemaker_endpoint_serverless_provisioned_concurrency_utilization_ratio",
        "Concurrent executions of a serverless endpoint as a share of its provisioned concurrency, average over the newest settled period.",
        VARIANT,
        "ServerlessProvisionedConcurrencyUtilization",
        stable=False,
        pace="warm",
    ),
    gauge(
        "sagemaker_endpoint_serverless_provisioned_concurrency_utilization_max_ratio",
        "Concurrent executions of a serverless endpoint as a share of its provisioned concurrency, highest value in the newest settled period.",
        VARIANT,
        "ServerlessProvisionedConcurrencyUtilization",
        stat="Maximum",
        stable=False,
        pace="warm",
    ),
    counter(
        "sagemaker_endpoint_serverless_provisioned_concurrency_invocations_total",
        "Requests to a serverless endpoint that provisioned concurrency served.",
        VARIANT,
        "ServerlessProvisionedConcurrencyInvocations",
        stable=False,
    ),
    counter(
        "sagemaker_endpoint_serverless_provisioned_concurrency_spillover_invocations_total",
        "Requests to a serverless endpoint that went to on-demand compute because provisioned concurrency was used up.",
        VARIANT,
        "ServerlessProvisionedConcurrencySpilloverInvocations",
        stable=False,
    ),
    listed(
        "gauge",
        "sagemaker_endpoint_variant_serverless_memory_bytes",
        "Memory size that a serverless variant is configured with.",
        ("endpoint_name", "variant_name"),
        "CurrentServerlessConfig.MemorySizeInMB x 1048576",
    ),
    listed(
        "gauge",
        "sagemaker_endpoint_variant_serverless_max_concurrency",
        "Most concurrent executions that a serverless variant allows.",
        ("endpoint_name", "variant_name"),
        "CurrentServerlessConfig.MaxConcurrency",
    ),
    listed(
        "gauge",
        "sagemaker_endpoint_variant_serverless_provisioned_concurrency",
        "Executions that a serverless variant keeps ready at all times.",
        ("endpoint_name", "variant_name"),
        "CurrentServerlessConfig.ProvisionedConcurrency",
    ),
)
