"""Ground Truth: labeling jobs, as CloudWatch counts them, and work teams."""

from __future__ import annotations

from exporter.catalogue.rows import JOBS, Shape, counter, gauge, listed, told

ACCOUNT = Shape(namespaces=("AWS/SageMaker/LabelingJobs", "AWS/Sagemaker/LabelingJobs"), dimensions={})
JOB = Shape(
    namespaces=("AWS/SageMaker/LabelingJobs", "AWS/Sagemaker/LabelingJobs"),
    dimensions={"LabelingJobName": "labeling_job_name"},
)

ROWS = (
    counter(
        "sagemaker_labeling_job_failed_total",
        "Labeling jobs of the account and region that failed.",
        ACCOUNT,
        "JobsFailed",
        stable=False,
        pace="cold",
    ),
    counter(
        "sagemaker_labeling_job_succeeded_total",
        "Labeling jobs of the account and region that succeeded.",
        ACCOUNT,
        "JobsSucceeded",
        stable=False,
        pace="cold",
    ),
    counter(
        "sagemaker_labeling_job_stopped_total",
        "Labeling jobs of the account and region that were stopped.",
        ACCOUNT,
        "JobsStopped",
        stable=False,
        pace="cold",
    ),
    gauge(
        "sagemaker_labeling_job_dataset_objects_auto_annotated",
        "Dataset objects of a labeling job labeled by the automated labeler so far.",
        JOB,
        "DatasetObjectsAutoAnnotated",
        stat="Maximum",
        stable=False,
        pace="cold",
    ),
    gauge(
        "sagemaker_labeling_job_dataset_objects_human_annotated",
        "Dataset objects of a labeling job labeled by people so far.",
        JOB,
        "DatasetObjectsHumanAnnotated",
        stat="Maximum",
        stable=False,
        pace="cold",
    ),
    gauge(
        "sagemaker_labeling_job_dataset_objects_labeling_failed",
        "Dataset objects of a labeling job that could not be labeled so far.",
        JOB,
        "DatasetObjectsLabelingFailed",
        stat="Maximum",
        stable=False,
        pace="cold",
    ),
    gauge(
        "sagemaker_labeling_job_total_dataset_objects_labeled",
        "Dataset objects of a labeling job labeled in any way so far.",
        JOB,
        "TotalDatasetObjectsLabeled",
        stat="Maximum",
        stable=False,
        pace="cold",
    ),
    told(
        JOBS,
        "gauge",
        "sagemaker_labeling_job_objects",
        "Dataset objects of an open labeling job by what became of them.",
        ("labeling_job_name", "status"),
        "ListLabelingJobs LabelCounters without TotalLabeled",
        values={"status": "label_counter"},
    ),
    listed(
        "gauge",
        "sagemaker_workteam_members",
        "Members and groups that make up a work team.",
        ("workteam_name",),
        "ListWorkteams MemberDefinitions",
        on=False,
    ),
)
