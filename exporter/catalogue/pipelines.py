"""Pipelines: executions and steps, as CloudWatch counts them."""

from __future__ import annotations

from exporter.catalogue.rows import MILLISECONDS, Shape, counter, gauge, summary

PIPELINE = Shape(
    namespaces=("AWS/Sagemaker/ModelBuildingPipeline", "AWS/SageMaker/ModelBuildingPipeline"),
    dimensions={"PipelineName": "pipeline_name"},
)
STEP = Shape(
    namespaces=("AWS/Sagemaker/ModelBuildingPipeline", "AWS/SageMaker/ModelBuildingPipeline"),
    dimensions={"PipelineName": "pipeline_name", "StepName": "step_name"},
)

ROWS = (
    counter(
        "sagemaker_pipeline_execution_started_total",
        "Executions of a pipeline that started.",
        PIPELINE,
        "ExecutionStarted",
        pace="warm",
        breakdowns=("pipeline_by_account",),
    ),
    counter(
        "sagemaker_pipeline_execution_failed_total",
        "Executions of a pipeline that failed.",
        PIPELINE,
        "ExecutionFailed",
        pace="warm",
        breakdowns=("pipeline_by_account",),
    ),
    counter(
        "sagemaker_pipeline_execution_succeeded_total",
        "Executions of a pipeline that succeeded.",
        PIPELINE,
        "ExecutionSucceeded",
        pace="warm",
        breakdowns=("pipeline_by_account",),
    ),
    counter(
        "sagemaker_pipeline_execution_stopped_total",
        "Executions of a pipeline that were stopped.",
        PIPELINE,
        "ExecutionStopped",
        pace="warm",
        breakdowns=("pipeline_by_account",),
    ),
    summary(
        "sagemaker_pipeline_execution_duration_seconds",
        "Time one execution of a pipeline took; exact sum and count.",
        PIPELINE,
        "ExecutionDuration",
        scale=MILLISECONDS,
        pace="warm",
        breakdowns=("pipeline_by_account",),
    ),
    gauge(
        "sagemaker_pipeline_execution_duration_max_seconds",
        "Time one execution of a pipeline took, the longest one in the newest settled period.",
        PIPELINE,
        "ExecutionDuration",
        stat="Maximum",
        scale=MILLISECONDS,
        pace="warm",
        breakdowns=("pipeline_by_account",),
    ),
    counter(
        "sagemaker_pipeline_step_started_total",
        "Runs of a pipeline step that started.",
        STEP,
        "StepStarted",
        pace="warm",
    ),
    counter(
        "sagemaker_pipeline_step_failed_total",
        "Runs of a pipeline step that failed.",
        STEP,
        "StepFailed",
        pace="warm",
    ),
    counter(
        "sagemaker_pipeline_step_succeeded_total",
        "Runs of a pipeline step that succeeded.",
        STEP,
        "StepSucceeded",
        pace="warm",
    ),
    counter(
        "sagemaker_pipeline_step_stopped_total",
        "Runs of a pipeline step that were stopped.",
        STEP,
        "StepStopped",
        pace="warm",
    ),
    summary(
        "sagemaker_pipeline_step_duration_seconds",
        "Time one run of a pipeline step took; exact sum and count.",
        STEP,
        "StepDuration",
        scale=MILLISECONDS,
        pace="warm",
    ),
    gauge(
        "sagemaker_pipeline_step_duration_max_seconds",
        "Time one run of a pipeline step took, the longest one in the newest settled period.",
        STEP,
        "StepDuration",
        stat="Maximum",
        scale=MILLISECONDS,
        pace="warm",
    ),
)
