"""Inference recommendation jobs: the load that they put on endpoints, and what they recommend."""

from __future__ import annotations

from exporter.catalogue.rows import JOBS, MEDIAN_AND_TAILS, MILLISECONDS, Shape, counter, gauge, summary, told

JOB = Shape(namespaces=("/aws/sagemaker/InferenceRecommendationsJobs",), dimensions={"JobName": "job_name"})

ROWS = (
    counter(
        "sagemaker_recommender_job_client_invocations_total",
        "Requests that an inference recommendation job sent to the endpoints it tests.",
        JOB,
        "ClientInvocations",
        pace="warm",
        breakdowns=("recommender_job_by_endpoint",),
    ),
    counter(
        "sagemaker_recommender_job_client_invocation_errors_total",
        "Requests of an inference recommendation job that failed.",
        JOB,
        "ClientInvocationErrors",
        pace="warm",
        breakdowns=("recommender_job_by_endpoint",),
    ),
    summary(
        "sagemaker_recommender_job_client_latency_seconds",
        "Time from sending a test request to receiving its answer in an inference recommendation job; exact sum and count, quantiles of the newest settled period.",
        JOB,
        "ClientLatency",
        scale=MILLISECONDS,
        pace="warm",
        quantiles=MEDIAN_AND_TAILS,
        breakdowns=("recommender_job_by_endpoint",),
    ),
    gauge(
        "sagemaker_recommender_job_client_latency_max_seconds",
        "Time from sending a test request to receiving its answer in an inference recommendation job, the longest one in the newest settled period.",
        JOB,
        "ClientLatency",
        stat="Maximum",
        on=False,
        scale=MILLISECONDS,
        pace="warm",
        breakdowns=("recommender_job_by_endpoint",),
    ),
    gauge(
        "sagemaker_recommender_job_number_of_users",
        "Simulated users that send requests at the same time in an inference recommendation job, average over the newest settled period.",
        JOB,
        "NumberOfUsers",
        pace="warm",
        breakdowns=("recommender_job_by_endpoint",),
    ),
    gauge(
        "sagemaker_recommender_job_number_of_users_max",
        "Simulated users that send requests at the same time in an inference recommendation job, highest value in the newest settled period.",
        JOB,
        "NumberOfUsers",
        stat="Maximum",
        pace="warm",
        breakdowns=("recommender_job_by_endpoint",),
    ),
    told(
        JOBS,
        "gauge",
        "sagemaker_recommender_job_recommended_model_latency_seconds",
        "Model latency that an inference recommendation job measured for one recommended configuration.",
        ("job_name", "endpoint_name", "instance_type"),
        "InferenceRecommendations[].Metrics.ModelLatency",
        on=False,
    ),
    told(
        JOBS,
        "gauge",
        "sagemaker_recommender_job_recommended_max_invocations",
        "Requests per minute that one recommended configuration can serve.",
        ("job_name", "endpoint_name", "instance_type"),
        "InferenceRecommendations[].Metrics.MaxInvocations",
        on=False,
    ),
    told(
        JOBS,
        "gauge",
        "sagemaker_recommender_job_recommended_cost_hourly_usd",
        "Hourly price of one recommended configuration.",
        ("job_name", "endpoint_name", "instance_type"),
        "InferenceRecommendations[].Metrics.CostPerHour",
        on=False,
    ),
)
