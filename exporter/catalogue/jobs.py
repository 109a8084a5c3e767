"""Jobs of all types: changes of state, durations, failures, and those that are open now."""

from __future__ import annotations

from exporter.catalogue.rows import JOBS, told

OPEN = "sagemaker_jobs"
INSTANCES = "sagemaker_job_instances"
FACTS = "sagemaker_job_info"
BILLABLE_SECONDS = "sagemaker_job_billable_instance_seconds_total"
POLLING = "job_polling"  # who tells of each type how many jobs are open, on what, and how many pools are kept
NUMBER, SIZE, KEPT = "number", "size", "kept"


def scope_of(job_type: str, what: str) -> str:
    """Return the scope in which a sum of a type is told; it is looked at only when that lacks nothing."""
    return f"{job_type}/{what}"


ROWS = (
    told(
        JOBS,
        "counter",
        "sagemaker_job_state_changes_total",
        "Times a job entered a status, counted once per job and status whether an event or polling told of it first.",
        ("job_type", "status"),
        "job_types: events and List operations",
        values={"job_type": "job_type", "status": "job_status"},
        seeded=True,
    ),
    told(
        JOBS,
        "gauge",
        OPEN,
        "Jobs that have not ended, by status.",
        ("job_type", "status"),
        "job_types: open statuses only",
        values={"job_type": "job_type", "status": "job_status"},
        seeded=True,
    ),
    told(
        JOBS,
        "histogram",
        "sagemaker_job_duration_seconds",
        "Time from the creation of a job to its end, counted when the job ends.",
        ("job_type", "status"),
        "CreationTime to the end time, or LastModifiedTime where no end time exists; ended statuses only",
        values={"job_type": "job_type", "status": "job_status"},
        seeded=True,
        buckets=(30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 432000),
    ),
    told(
        JOBS,
        "histogram",
        "sagemaker_job_startup_seconds",
        "Time from the creation of a job to the start of its work, counted when the work starts.",
        ("job_type",),
        "CreationTime to TrainingStartTime, ProcessingStartTime, TransformStartTime, CompilationStartTime, OptimizationStartTime or StartTime",
        values={"job_type": "job_type"},
        seeded=True,
        buckets=(5, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 21600),
    ),
    told(
        JOBS,
        "counter",
        "sagemaker_job_failures_total",
        "Jobs that failed, by class of their failure reason.",
        ("job_type", "reason"),
        "FailureReason, ExitMessage, PartialFailureReasons; SecondaryStatus",
        values={"job_type": "job_type", "reason": "failure_reason"},
        seeded=True,
    ),
    told(
        JOBS,
        "counter",
        "sagemaker_job_run_instance_seconds_total",
        "Time that instances of ended jobs ran, each job counted as run time multiplied by its number of instances.",
        ("job_type", "instance_type"),
        "TrainingTimeInSeconds or start to end, x InstanceCount, per instance group",
        values={"job_type": "job_type"},
    ),
    told(
        JOBS,
        "counter",
        BILLABLE_SECONDS,
        "Time that AWS bills for instances of ended jobs, each job counted as billable time multiplied by its number of instances.",
        ("job_type", "instance_type"),
        "BillableTimeInSeconds x InstanceCount for training, otherwise the run time",
        values={"job_type": "job_type"},
    ),
    told(
        JOBS,
        "gauge",
        "sagemaker_job_last_end_timestamp_seconds",
        "Time at which the newest job with this type and final status ended.",
        ("job_type", "status"),
        "end times",
        values={"job_type": "job_type", "status": "job_status"},
    ),
    told(
        JOBS,
        "gauge",
        INSTANCES,
        "Instances that jobs not yet ended hold or wait for, by type.",
        ("job_type", "instance_type"),
        "InstanceType, InstanceCount of open jobs",
        values={"job_type": "job_type"},
    ),
    told(
        JOBS,
        "info",
        FACTS,
        "Facts about a job that has not ended, always 1.",
        ("job_type", "job_name", "instance_type", "spot", "parent_type", "parent_name"),
        "Describe of open jobs; TuningJobArn, AutoMLJobArn, LabelingJobArn, MonitoringScheduleArn",
        values={"job_type": "job_type", "spot": "yes_no", "parent_type": "parent_type"},
    ),
    told(
        JOBS,
        "stateset",
        "sagemaker_job_status",
        "Status of a job that has not ended, 1 for the status that holds.",
        ("job_type", "job_name", "status"),
        "open statuses of the job type",
        values={"job_type": "job_type", "status": "job_status"},
        on=False,
    ),
    told(
        JOBS,
        "gauge",
        "sagemaker_job_created_timestamp_seconds",
        "Time at which a job that has not ended was created.",
        ("job_type", "job_name"),
        "CreationTime",
        values={"job_type": "job_type"},
    ),
    told(
        JOBS,
        "gauge",
        "sagemaker_job_start_timestamp_seconds",
        "Time at which the work of a job that has not ended started, absent before that.",
        ("job_type", "job_name"),
        "start times as in job_startup_seconds",
        values={"job_type": "job_type"},
    ),
    told(
        JOBS,
        "gauge",
        "sagemaker_job_max_runtime_seconds",
        "Time after which a job that has not ended will be stopped.",
        ("job_type", "job_name"),
        "StoppingCondition.MaxRuntimeInSeconds",
        values={"job_type": "job_type"},
    ),
    told(
        JOBS,
        "gauge",
        "sagemaker_job_child_jobs",
        "Training jobs that an open tuning job has launched, by status.",
        ("job_type", "job_name", "status"),
        "ListHyperParameterTuningJobs TrainingJobStatusCounters",
        values={"job_type": ("hyperparameter_tuning",), "status": "child_job_status"},
    ),
    told(
        JOBS,
        "gauge",
        "sagemaker_job_child_jobs_limit",
        "Most training jobs that an open tuning job may launch.",
        ("job_type", "job_name"),
        "ResourceLimits.MaxNumberOfTrainingJobs",
        values={"job_type": ("hyperparameter_tuning",)},
    ),
    told(
        JOBS,
        "gauge",
        "sagemaker_job_child_objectives",
        "Training jobs of an open tuning job by state of their objective value.",
        ("job_type", "job_name", "status"),
        "ObjectiveStatusCounters",
        values={"job_type": ("hyperparameter_tuning",), "status": "objective_status"},
        on=False,
    ),
    told(
        JOBS,
        "gauge",
        "sagemaker_job_best_objective_value",
        "Best objective value that an open tuning or AutoML job has reached so far.",
        ("job_type", "job_name", "measure"),
        "BestTrainingJob, BestCandidate final objective metric",
        values={"job_type": ("hyperparameter_tuning", "automl")},
        on=False,
    ),
    told(
        "job_events",
        "counter",
        "sagemaker_service_events_total",
        "SageMaker events received from EventBridge, each delivered event counted once, by kind and status.",
        ("detail_type", "status"),
        "EventBridge detail-type and the status field of its payload, empty where it has none",
        values={"detail_type": "detail_type", "status": "event_status"},
    ),
)
