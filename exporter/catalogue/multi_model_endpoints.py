"""Multi-model endpoints: loading, unloading and caching of models."""

from __future__ import annotations

from exporter.catalogue.rows import MICROSECONDS, counter, gauge, summary
from exporter.catalogue.shapes import VARIANT, VARIANT_HOSTS

ROWS = (
    summary(
        "sagemaker_endpoint_model_loading_wait_time_seconds",
        "Time a request to a multi-model endpoint waited for its model to be downloaded and loaded; exact sum and count.",
        VARIANT,
        "ModelLoadingWaitTime",
        scale=MICROSECONDS,
    ),
    gauge(
        "sagemaker_endpoint_model_loading_wait_time_max_seconds",
        "Time a request to a multi-model endpoint waited for its model to be downloaded and loaded, the longest one in the newest settled period.",
        VARIANT,
        "ModelLoadingWaitTime",
        stat="Maximum",
        scale=MICROSECONDS,
    ),
    summary(
        "sagemaker_endpoint_model_unloading_time_seconds",
        "Time a multi-model endpoint took to unload a model; exact sum and count.",
        VARIANT,
        "ModelUnloadingTime",
        scale=MICROSECONDS,
    ),
    gauge(
        "sagemaker_endpoint_model_unloading_time_max_seconds",
        "Time a multi-model endpoint took to unload a model, the longest one in the newest settled period.",
        VARIANT,
        "ModelUnloadingTime",
        stat="Maximum",
        scale=MICROSECONDS,
    ),
    summary(
        "sagemaker_endpoint_model_downloading_time_seconds",
        "Time a multi-model endpoint took to download a model from S3; exact sum and count.",
        VARIANT,
        "ModelDownloadingTime",
        scale=MICROSECONDS,
    ),
    gauge(
        "sagemaker_endpoint_model_downloading_time_max_seconds",
        "Time a multi-model endpoint took to download a model from S3, the longest one in the newest settled period.",
        VARIANT,
        "ModelDownloadingTime",
        stat="Maximum",
        scale=MICROSECONDS,
    ),
    summary(
        "sagemaker_endpoint_model_loading_time_seconds",
        "Time a multi-model endpoint took to load a model; exact sum and count.",
        VARIANT,
        "ModelLoadingTime",
        scale=MICROSECONDS,
    ),
    gauge(
        "sagemaker_endpoint_model_loading_time_max_seconds",
        "Time a multi-model endpoint took to load a model, the longest one in the newest settled period.",
        VARIANT,
        "ModelLoadingTime",
        stat="Maximum",
        scale=MICROSECONDS,
    ),
    counter(
        "sagemaker_endpoint_model_cache_hits_total",
        "Requests to a multi-model endpoint whose model was already loaded.",
        VARIANT,
        "ModelCacheHit",
    ),
    counter(
        "sagemaker_endpoint_model_cache_lookups_total",
        "Requests to a multi-model endpoint that looked for a loaded model, found or not.",
        VARIANT,
        "ModelCacheHit",
        stat="SampleCount",
    ),
    gauge(
        "sagemaker_endpoint_loaded_models_per_instance",
        "Models loaded on one instance of a multi-model endpoint, average over the newest settled period.",
        VARIANT_HOSTS,
        "LoadedModelCount",
        pace="warm",
    ),
    gauge(
        "sagemaker_endpoint_loaded_models_per_instance_max",
        "Models loaded on one instance of a multi-model endpoint, highest value in the newest settled period.",
        VARIANT_HOSTS,
        "LoadedModelCount",
        stat="Maximum",
        pace="warm",
    ),
)
