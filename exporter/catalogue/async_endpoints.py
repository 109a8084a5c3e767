"""Asynchronous endpoints: the queue, and what became of its requests."""

from __future__ import annotations

from exporter.catalogue.rows import MICROSECONDS, MILLISECONDS, Shape, counter, gauge, summary
from exporter.catalogue.shapes import VARIANT

ENDPOINT = Shape(namespaces=("AWS/SageMaker",), dimensions={"EndpointName": "endpoint_name"})

ROWS = (
    gauge(
        "sagemaker_endpoint_approximate_backlog_size",
        "Requests of an asynchronous endpoint that wait or are being worked on, average over the newest settled period.",
        ENDPOINT,
        "ApproximateBacklogSize",
    ),
    gauge(
        "sagemaker_endpoint_approximate_backlog_size_max",
        "Requests of an asynchronous endpoint that wait or are being worked on, highest value in the newest settled period.",
        ENDPOINT,
        "ApproximateBacklogSize",
        stat="Maximum",
    ),
    gauge(
        "sagemaker_endpoint_approximate_backlog_size_per_instance",
        "Requests of an asynchronous endpoint that wait or are being worked on, divided by its instances, average over the newest settled period.",
        ENDPOINT,
        "ApproximateBacklogSizePerInstance",
    ),
    gauge(
        "sagemaker_endpoint_approximate_backlog_size_per_instance_max",
        "Requests of an asynchronous endpoint that wait or are being worked on, divided by its instances, highest value in the newest settled period.",
        ENDPOINT,
        "ApproximateBacklogSizePerInstance",
        stat="Maximum",
    ),
    gauge(
        "sagemaker_endpoint_approximate_age_of_oldest_request_seconds",
        "Age of the oldest waiting request of an asynchronous endpoint, average over the newest settled period.",
        ENDPOINT,
        "ApproximateAgeOfOldestRequest",
    ),
    gauge(
        "sagemaker_endpoint_approximate_age_of_oldest_request_max_seconds",
        "Age of the oldest waiting request of an asynchronous endpoint, highest value in the newest settled period.",
        ENDPOINT,
        "ApproximateAgeOfOldestRequest",
        stat="Maximum",
    ),
    gauge(
        "sagemaker_endpoint_has_backlog_without_capacity",
        "1 while requests of an asynchronous endpoint wait and no instance runs, 0 otherwise, average over the newest settled period.",
        ENDPOINT,
        "HasBacklogWithoutCapacity",
    ),
    counter(
        "sagemaker_endpoint_request_download_failures_total",
        "Asynchronous requests that failed because their payload could not be read from S3.",
        VARIANT,
        "RequestDownloadFailures",
    ),
    counter(
        "sagemaker_endpoint_response_upload_failures_total",
        "Asynchronous requests that failed because their result could not be written to S3.",
        VARIANT,
        "ResponseUploadFailures",
    ),
    counter(
        "sagemaker_endpoint_notification_failures_total",
        "Notifications about asynchronous requests that could not be published to SNS.",
        VARIANT,
        "NotificationFailures",
    ),
    counter(
        "sagemaker_endpoint_expired_requests_total",
        "Asynchronous requests that failed because they reached their time to live in the queue.",
        VARIANT,
        "ExpiredRequests",
    ),
    counter(
        "sagemaker_endpoint_invocation_failures_total",
        "Asynchronous requests that failed for any reason.",
        VARIANT,
        "InvocationFailures",
    ),
    counter(
        "sagemaker_endpoint_invocations_processed_total",
        "Asynchronous requests that an endpoint variant has processed.",
        VARIANT,
        ("InvocationsProcesssed", "InvocationsProcessed"),
    ),
    summary(
        "sagemaker_endpoint_request_download_latency_seconds",
        "Time an asynchronous endpoint took to read a request payload from S3; exact sum and count.",
        VARIANT,
        "RequestDownloadLatency",
        scale=MICROSECONDS,
    ),
    gauge(
        "sagemaker_endpoint_request_download_latency_max_seconds",
        "Time an asynchronous endpoint took to read a request payload from S3, the longest one in the newest settled period.",
        VARIANT,
        "RequestDownloadLatency",
        stat="Maximum",
        scale=MICROSECONDS,
    ),
    summary(
        "sagemaker_endpoint_response_upload_latency_seconds",
        "Time an asynchronous endpoint took to write a result to S3; exact sum and count.",
        VARIANT,
        "ResponseUploadLatency",
        scale=MICROSECONDS,
    ),
    gauge(
        "sagemaker_endpoint_response_upload_latency_max_seconds",
        "Time an asynchronous endpoint took to write a result to S3, the longest one in the newest settled period.",
        VARIANT,
        "ResponseUploadLatency",
        stat="Maximum",
        scale=MICROSECONDS,
    ),
    summary(
        "sagemaker_endpoint_time_in_backlog_seconds",
        "Time an asynchronous request waited in the queue; exact sum and count.",
        VARIANT,
        "TimeInBacklog",
        scale=MILLISECONDS,
    ),
    gauge(
        "sagemaker_endpoint_time_in_backlog_max_seconds",
        "Time an asynchronous request waited in the queue, the longest one in the newest settled period.",
        VARIANT,
        "TimeInBacklog",
        stat="Maximum",
        scale=MILLISECONDS,
    ),
    summary(
        "sagemaker_endpoint_total_processing_time_seconds",
        "Time from receiving an asynchronous request to its end; exact sum and count.",
        VARIANT,
        "TotalProcessingTime",
        scale=MILLISECONDS,
    ),
    gauge(
        "sagemaker_endpoint_total_processing_time_max_seconds",
        "Time from receiving an asynchronous request to its end, the longest one in the newest settled period.",
        VARIANT,
        "TotalProcessingTime",
        stat="Maximum",
        scale=MILLISECONDS,
    ),
)
