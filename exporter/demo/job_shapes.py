"""How AWS writes a job down: the members of each type's summary and description, in the service model's names.

A table of rows, one for each type and for what jobs belong to; `job_calls` answers from it, `events` writes by it.
Members that a job does not have (yet) are left out. Facts and defaults are those of the service model 2017-07-24; where
it tells no order, the newest comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from exporter.demo.jobs import KINDS, name_of
from exporter.demo.resources import arn

if TYPE_CHECKING:
    from exporter.demo.jobs import Job, Kind, Step
    from exporter.demo.world import Region


class View(NamedTuple):
    """A job as it stands at a time."""

    place: Region
    job: Job
    now: float

    @property
    def state(self) -> Step:
        """The step that it has entered last."""
        return self.job.state(self.now)

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource beside it."""
        return sagemaker_arn(self.place, resource)


def sagemaker_arn(place: Region, resource: str) -> str:
    """Return the ARN of a resource of SageMaker: lower case."""
    return arn("sagemaker", place.name, place.account, resource.lower())


Fact = Callable[[View], Any]
Members = dict[str, Fact]
_View = TypeVar("_View")


def written(members: Mapping[str, Callable[[_View], Any]], view: _View) -> dict[str, Any]:
    """Return the members that a job, or another thing, has."""
    facts = {name: fact(view) for name, fact in members.items()}
    return {name: value for name, value in facts.items() if value is not None}


def name(view: View) -> str:
    """Return the name."""
    return view.job.name


def arn_of(view: View) -> str:
    """Return the ARN."""
    return view.arn(view.job.resource)


def status(view: View) -> str:
    """Return the status."""
    return view.state.status


def phase(view: View) -> str:
    """Return the secondary status."""
    return view.state.phase


def created(view: View) -> float:
    """Return when it was created."""
    return view.job.created


def modified(view: View) -> float:
    """Return when it last entered something."""
    return view.job.created + view.state.after


def started(view: View) -> float | None:
    """Return when it began to run."""
    return view.job.started(view.now)


def ended(view: View) -> float | None:
    """Return when it ended."""
    return view.job.ended(view.now)


def failure(view: View) -> str | None:
    """Return why it failed, if it did."""
    return view.state.text if view.state.status == view.job.kind.failed else None


def parent(view: View) -> str:
    """Return the name of what it belongs to."""
    return view.job.parent.rpartition("/")[2]


def scheduled(view: View) -> float:
    """Return the hour for which a monitoring execution was scheduled."""
    return view.job.created // 3600 * 3600


def _parent_arn(path: str, view: View) -> str | None:
    return view.arn(view.job.parent) if view.job.parent.startswith(f"{path}/") else None


def _parent(path: str) -> Fact:
    return partial(_parent_arn, path)


def _always(value: Any) -> Fact:
    return lambda _: value


def _role(view: View) -> str:
    return arn("iam", "", view.place.account, "role/sagemaker-jobs")


def _bucket(view: View, folder: str) -> str:
    return f"s3://demo-{view.place.account}/{folder}"


def _image(view: View) -> str:
    return f"{view.place.account}.dkr.ecr.{view.place.name}.amazonaws.com/{view.job.work.subject}:latest"


def _definition(view: View) -> str:
    return f"{parent(view) or view.job.name}-definition"[:63]


# Training

_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading the training image",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
}


def transitions(view: View) -> list[dict[str, Any]]:
    """Return the phases that it has entered, each with its end once it has one."""
    job = view.job
    steps = [step for step in job.life if job.created + step.after <= view.now]
    ends = [job.created + step.after for step in steps[1:]]
    told: list[dict[str, Any]] = []
    for place, step in enumerate(steps):
        one = {"Status": step.phase, "StartTime": job.created + step.after}
        one["StatusMessage"] = _MESSAGES.get(step.phase) or step.text or step.phase
        if place < len(ends):
            one["EndTime"] = ends[place]
        elif step.status in job.kind.ended:
            one["EndTime"] = one["StartTime"]
        told.append(one)
    return told


def seconds(view: View) -> int | None:
    """Return for how long a job that has ended ran."""
    begin, end = started(view), ended(view)
    return int(end - begin) if begin is not None and end is not None else None


def billable(view: View) -> int | None:
    """Return how much of that is paid."""
    ran = seconds(view)
    return ran if ran is None else int(ran * view.job.work.billed)


def resource_config(view: View) -> dict[str, Any]:
    """Return what it runs on."""
    work = view.job.work
    return {"InstanceType": work.instance_type, "InstanceCount": work.instances, "VolumeSizeInGB": work.volume_gb}


def _stopping(view: View) -> dict[str, Any]:
    waiting = {"MaxWaitTimeInSeconds": view.job.work.longest * 2} if view.job.work.spot else {}
    return {"MaxRuntimeInSeconds": view.job.work.longest, **waiting}


def _channel(view: View) -> list[dict[str, Any]]:
    source = {"S3DataType": "S3Prefix", "S3Uri": _bucket(view, "data"), "S3DataDistributionType": "FullyReplicated"}
    return [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]


TRAINING: Members = {
    "TrainingJobName": name,
    "TrainingJobArn": arn_of,
    "TuningJobArn": _parent("hyper-parameter-tuning-job"),
    "LabelingJobArn": _parent("labeling-job"),
    "AutoMLJobArn": _parent("automl-job"),
    "ModelArtifacts": lambda view: {"S3ModelArtifacts": _bucket(view, f"models/{view.job.name}/output/model.tar.gz")},
    "TrainingJobStatus": status,
    "SecondaryStatus": phase,
    "FailureReason": failure,
    "HyperParameters": _always({"epochs": "10"}),
    "AlgorithmSpecification": lambda view: {"TrainingImage": _image(view), "TrainingInputMode": "File"},
    "RoleArn": _role,
    "InputDataConfig": _channel,
    "OutputDataConfig": lambda view: {"S3OutputPath": _bucket(view, "models")},
    "ResourceConfig": resource_config,
    "StoppingCondition": _stopping,
    "CreationTime": created,
    "TrainingStartTime": started,
    "TrainingEndTime": ended,
    "LastModifiedTime": modified,
    "SecondaryStatusTransitions": transitions,
    "EnableNetworkIsolation": _always(value=False),
    "EnableInterContainerTrafficEncryption": _always(value=False),
    "EnableManagedSpotTraining": lambda view: view.job.work.spot,
    "TrainingTimeInSeconds": seconds,
    "BillableTimeInSeconds": billable,
}
"""Of the description, and of what Search finds."""


def _children(view: View) -> Counter[str]:
    children = view.place.jobs.listing("training", view.job.resource)
    return Counter(child.state(view.now).status for child in children if child.created <= view.now < child.deleted)


def _counters(view: View) -> dict[str, int]:
    counted = _children(view)
    return {
        "Completed": counted["Completed"],
        "InProgress": counted["InProgress"] + counted["Stopping"],
        "RetryableError": 0,
        "NonRetryableError": counted["Failed"],
        "Stopped": counted["Stopped"],
    }


def _objectives(view: View) -> dict[str, int]:
    counted = _children(view)
    return {
        "Succeeded": counted["Completed"],
        "Pending": counted["InProgress"] + counted["Stopping"],
        "Failed": counted["Failed"] + counted["Stopped"],
    }


_LIMITS = {"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 4}
TUNING: Members = {
    "HyperParameterTuningJobName": name,
    "HyperParameterTuningJobArn": arn_of,
    "HyperParameterTuningJobStatus": status,
    "CreationTime": created,
    "HyperParameterTuningEndTime": ended,
    "LastModifiedTime": modified,
    "TrainingJobStatusCounters": _counters,
    "ObjectiveStatusCounters": _objectives,
    "HyperParameterTuningJobConfig": _always({"Strategy": "Bayesian", "ResourceLimits": _LIMITS}),
    "FailureReason": failure,
}
"""Of the description, and of what Search finds."""

TUNED: Members = {
    "TrainingJobName": name,
    "TrainingJobArn": arn_of,
    "TuningJobName": parent,
    "CreationTime": created,
    "TrainingStartTime": started,
    "TrainingEndTime": ended,
    "TrainingJobStatus": status,
    "TunedHyperParameters": _always({"eta": "0.1"}),
    "FailureReason": failure,
    "ObjectiveStatus": lambda view: {"Completed": "Succeeded", "Failed": "Failed", "Stopped": "Failed"}.get(
        view.state.status, "Pending"
    ),
}
"""Of the summary of a tuning job's training job."""


def _cluster(view: View) -> dict[str, Any]:
    return {"ClusterConfig": resource_config(view)}


def _transform_input(view: View) -> dict[str, Any]:
    return {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": _bucket(view, "batch")}}}


# Labeling, pipelines, monitoring


def _labels(view: View) -> dict[str, int]:
    end = view.job.life[-1].after or 1.0
    done = int(1000 * max(0.0, min(1.0, (view.now - view.job.created) / end)))
    return {
        "TotalLabeled": done,
        "HumanLabeled": done,
        "MachineLabeled": 0,
        "FailedNonRetryableError": 0,
        "Unlabeled": 1000 - done,
    }


def _workteam(view: View) -> str:
    return view.arn("workteam/private-crowd/labelers")


def _labeling_input(view: View) -> dict[str, Any]:
    return {"DataSource": {"S3DataSource": {"ManifestS3Uri": _bucket(view, "images.manifest")}}}


def _human_task(view: View) -> dict[str, Any]:
    return {
        "WorkteamArn": _workteam(view),
        "UiConfig": {"UiTemplateS3Uri": _bucket(view, "template.html")},
        "TaskTitle": "Label images",
        "TaskDescription": "Draw a box around each car",
        "NumberOfHumanWorkersPerDataObject": 3,
        "TaskTimeLimitInSeconds": 600,
    }


def _last_execution(view: View) -> float | None:
    executions = view.place.jobs.listing("pipeline_execution", view.job.resource)
    return max((job.created for job in executions if job.created <= view.now), default=None)


_STEP_METADATA = {
    "Training": "TrainingJob",
    "Processing": "ProcessingJob",
    "Transform": "TransformJob",
    "Tuning": "TuningJob",
}


def step_metadata(view: View) -> dict[str, Any] | None:
    """Return the job that a step of a pipeline has started."""
    work = view.job.work
    if not work.produces or started(view) is None:
        return None
    return {_STEP_METADATA[work.step_type]: {"Arn": view.arn(work.produces)}}


PIPELINE_EXECUTION: Members = {
    "PipelineArn": lambda view: view.arn(view.job.parent),
    "PipelineExecutionArn": arn_of,
    "PipelineExecutionDisplayName": lambda view: f"execution-{view.job.name}",
    "PipelineExecutionStatus": status,
    "FailureReason": failure,
    "CreationTime": created,
    "LastModifiedTime": modified,
}
"""Of the description, and of what Search finds."""


def _monitored_endpoint(view: View) -> str:
    return view.job.work.subject


def _processing_arn(view: View) -> str | None:
    return None if started(view) is None else view.arn(f"processing-job/{view.job.name}")


def _generated(view: View) -> str | None:
    return _bucket(view, f"cards/{view.job.name}.pdf") if view.state.status == "Completed" else None


def _artifact(view: View) -> dict[str, str] | None:
    path = _generated(view)
    return {"S3ExportArtifacts": path} if path else None


def _loop_output(view: View) -> dict[str, str] | None:
    return {"OutputS3Uri": _bucket(view, f"loops/{view.job.name}.json")} if view.state.status == "Completed" else None


def _failure_code(view: View) -> str | None:
    text = failure(view)
    if text is None:
        return None
    return "Expired" if "expired" in text else "ValidationError" if "input" in text else "InternalError"


# The table

_TIMES = ("CreationTimeAfter", "CreationTimeBefore")
_MODIFIED = ("LastModifiedTimeAfter", "LastModifiedTimeBefore")
_USUAL = (*_MODIFIED, "NameContains", "StatusEquals")
SORTS: dict[str, Fact | None] = {"Name": name, "CreationTime": None, "Status": status}


@dataclass(frozen=True, slots=True)
class Api:
    """How jobs of one kind are listed and described."""

    kind: str
    lists: str = ""  # the operation
    result: str = ""
    summary: Members = field(default_factory=dict)
    describes: str = ""  # the operation
    by: str = ""  # its parameter
    description: Members = field(default_factory=dict)
    filters: tuple[str, ...] = _USUAL
    window: tuple[str, ...] = _TIMES
    inclusive: bool = False  # a job created at the first of the window is in it
    sorts: dict[str, Fact | None] = field(default_factory=lambda: dict(SORTS))
    sort: str = "CreationTime"  # the default, as the next two
    order: str = "Descending"
    size: int = 10
    within: str = ""  # the parameter that names the parent
    parent: str = ""  # the kind of the parent
    required: bool = True  # the parent
    strict: bool = True  # a parent that does not exist is an error
    unknown: tuple[str, str] = ("ResourceNotFound", "Could not find {what} with name: {name}")

    @property
    def of(self) -> Kind:
        """The kind."""
        return KINDS[self.kind]

    @property
    def parameters(self) -> frozenset[str]:
        """All that the list operation takes."""
        sorting = ("SortBy", "SortOrder") if self.sorts else ("SortOrder",)
        category = ("JobCategory",) if self.of.category else ()
        parent = (self.within,) if self.within else ()
        return frozenset((*self.filters, *self.window, *sorting, *category, *parent, "MaxResults", "NextToken"))


def _noun(noun: str, **more: Fact) -> Members:
    """Return what most types have, spelt with their noun."""
    return {f"{noun}Name": name, f"{noun}Arn": arn_of, f"{noun}Status": status, "CreationTime": created, **more}


_NOT_FOUND = "ValidationException", "Could not find requested job with name: {name}"
_ASCENDING: dict[str, Any] = {"order": "Ascending"}

_PROCESSING = _noun(
    "ProcessingJob",
    ProcessingEndTime=ended,
    LastModifiedTime=modified,
    FailureReason=failure,
    ExitMessage=lambda view: failure(view) and "The container exited with code 1",
)
_TRANSFORM = _noun("TransformJob", TransformEndTime=ended, FailureReason=failure)
_AUTOML: Members = _noun(
    "AutoMLJob", AutoMLJobSecondaryStatus=phase, EndTime=ended, LastModifiedTime=modified, FailureReason=failure
)
_AUTOML_DESCRIPTION: Members = {
    **_AUTOML,
    "OutputDataConfig": lambda view: {"S3OutputPath": _bucket(view, "automl")},
    "RoleArn": _role,
}
_COMPILATION = _noun(
    "CompilationJob", CompilationStartTime=started, CompilationEndTime=ended, LastModifiedTime=modified
)
_OPTIMIZATION = _noun(
    "OptimizationJob",
    OptimizationStartTime=started,
    OptimizationEndTime=ended,
    LastModifiedTime=modified,
    DeploymentInstanceType=_always("ml.g5.12xlarge"),
)
_EDGE = _noun(
    "EdgePackagingJob",
    CompilationJobName=lambda view: f"compile-{view.job.work.subject}",
    ModelName=lambda view: view.job.work.subject,
    ModelVersion=_always("1.0"),
    LastModifiedTime=modified,
)
_LABELING = _noun("LabelingJob", LastModifiedTime=modified, LabelCounters=_labels, FailureReason=failure)
_RECOMMENDATION: Members = {
    "JobName": name,
    "JobDescription": _always(""),
    "JobType": _always("Default"),
    "JobArn": arn_of,
    "Status": status,
    "CreationTime": created,
    "CompletionTime": ended,
    "RoleArn": _role,
    "LastModifiedTime": modified,
    "FailureReason": failure,
}
_EXPERIMENT: Members = {
    "Name": name,
    "Type": _always("ShadowMode"),
    "Status": status,
    "StatusReason": lambda view: view.state.text or None,
    "CreationTime": created,
    "CompletionTime": ended,
    "LastModifiedTime": modified,
    "RoleArn": _role,
}
_EXPORT: Members = {
    "ModelCardExportJobName": name,
    "ModelCardExportJobArn": arn_of,
    "Status": status,
    "ModelCardName": parent,
    "ModelCardVersion": _always(1),
    "CreatedAt": created,
    "LastModifiedAt": modified,
}
MODEL_CARD_EXPORT: Members = {
    **_EXPORT,
    "OutputConfig": lambda view: {"S3OutputPath": _bucket(view, "cards")},
    "FailureReason": failure,
    "ExportArtifacts": _artifact,
}
_SCHEDULE: Members = {
    "MonitoringScheduleName": name,
    "MonitoringScheduleArn": arn_of,
    "CreationTime": created,
    "LastModifiedTime": modified,
    "MonitoringScheduleStatus": status,
    "EndpointName": _monitored_endpoint,
    "MonitoringType": lambda view: view.job.work.monitors,
}
MONITORING_SCHEDULE: Members = {
    **_SCHEDULE,
    "MonitoringScheduleConfig": lambda view: {
        "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
        "MonitoringJobDefinitionName": _definition(view),
        "MonitoringType": view.job.work.monitors,
    },
    "FailureReason": failure,
}
_GENERIC: Members = {
    "JobArn": arn_of,
    "JobName": name,
    "JobCategory": lambda view: view.job.kind.category,
    "JobStatus": status,
    "CreationTime": created,
    "LastModifiedTime": modified,
    "EndTime": ended,
}
_FLOW = _noun("FlowDefinition", FailureReason=failure)
_LOOP: Members = {
    "HumanLoopName": name,
    "HumanLoopStatus": status,
    "CreationTime": created,
    "FailureReason": failure,
    "FlowDefinitionArn": lambda view: view.arn(view.job.parent),
}


def _generic_apis() -> list[Api]:
    return [
        Api(
            kind.name,
            "ListJobs",
            "JobSummaries",
            {**_GENERIC, "JobSecondaryStatus": phase},
            "DescribeJob",
            "JobName",
            {
                **_GENERIC,
                "RoleArn": _role,
                "JobConfigSchemaVersion": _always("1.0"),
                "JobConfigDocument": _always("{}"),
                "SecondaryStatus": phase,
                "SecondaryStatusTransitions": transitions,
                "FailureReason": failure,
            },
            size=50,
        )
        for kind in KINDS.values()
        if kind.category
    ]


APIS: tuple[Api, ...] = (
    Api(
        "training",
        "ListTrainingJobs",
        "TrainingJobSummaries",
        _noun("TrainingJob", SecondaryStatus=phase, TrainingEndTime=ended, LastModifiedTime=modified),
        "DescribeTrainingJob",
        "TrainingJobName",
        TRAINING,
        (*_USUAL, "WarmPoolStatusEquals", "TrainingPlanArnEquals"),
        # The model's text says Ascending, the operation's own example: "from the most current to the oldest".
        unknown=("ValidationException", "Requested resource not found."),
    ),
    Api(
        "processing",
        "ListProcessingJobs",
        "ProcessingJobSummaries",
        _PROCESSING,
        "DescribeProcessingJob",
        "ProcessingJobName",
        {
            **_PROCESSING,
            "ProcessingStartTime": started,
            "ProcessingResources": _cluster,
            "AppSpecification": lambda view: {"ImageUri": _image(view)},
            "StoppingCondition": lambda view: {"MaxRuntimeInSeconds": view.job.work.longest},
            "RoleArn": _role,
            "MonitoringScheduleArn": _parent("monitoring-schedule"),
            "AutoMLJobArn": _parent("automl-job"),
        },
        unknown=_NOT_FOUND,
        **_ASCENDING,
    ),
    Api(
        "transform",
        "ListTransformJobs",
        "TransformJobSummaries",
        {**_TRANSFORM, "LastModifiedTime": modified},
        "DescribeTransformJob",
        "TransformJobName",
        {
            **_TRANSFORM,
            "ModelName": lambda view: view.job.work.subject,
            "MaxConcurrentTransforms": _always(1),
            "MaxPayloadInMB": _always(6),
            "BatchStrategy": _always("MultiRecord"),
            "TransformInput": _transform_input,
            "TransformOutput": lambda view: {"S3OutputPath": _bucket(view, "predictions")},
            "TransformResources": lambda view: {
                "InstanceType": view.job.work.instance_type,
                "InstanceCount": view.job.work.instances,
            },
            "TransformStartTime": started,
            "LabelingJobArn": _parent("labeling-job"),
            "AutoMLJobArn": _parent("automl-job"),
        },
        unknown=_NOT_FOUND,
    ),
    Api(
        "hyperparameter_tuning",
        "ListHyperParameterTuningJobs",
        "HyperParameterTuningJobSummaries",
        {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobArn": arn_of,
            "HyperParameterTuningJobStatus": status,
            "Strategy": _always("Bayesian"),
            "CreationTime": created,
            "HyperParameterTuningEndTime": ended,
            "LastModifiedTime": modified,
            "TrainingJobStatusCounters": _counters,
            "ObjectiveStatusCounters": _objectives,
            "ResourceLimits": _always(_LIMITS),
        },
        "DescribeHyperParameterTuningJob",
        "HyperParameterTuningJobName",
        TUNING,
        sort="Name",
        unknown=(
            "ResourceNotFound",
            "Amazon SageMaker can't find a tuning job called {name}. Type another name.",
        ),
        **_ASCENDING,
    ),
    Api(
        "training",
        "ListTrainingJobsForHyperParameterTuningJob",
        "TrainingJobSummaries",
        TUNED,
        filters=("StatusEquals",),
        window=(),
        sorts={**SORTS, "FinalObjectiveMetricValue": created},
        sort="Name",
        within="HyperParameterTuningJobName",
        parent="hyperparameter_tuning",
        **_ASCENDING,
    ),
    Api(
        "automl",
        "ListAutoMLJobs",
        "AutoMLJobSummaries",
        _AUTOML,
        "DescribeAutoMLJobV2",
        "AutoMLJobName",
        {
            **_AUTOML_DESCRIPTION,
            "AutoMLJobInputDataConfig": _always([{"ChannelType": "training", "ContentType": "text/csv"}]),
            "AutoMLProblemTypeConfigName": _always("Tabular"),
        },
        sort="Name",
    ),
    Api(
        "automl",
        describes="DescribeAutoMLJob",
        by="AutoMLJobName",
        description={
            **_AUTOML_DESCRIPTION,
            "InputDataConfig": _always([{"TargetAttributeName": "price"}]),
            "ProblemType": _always("Regression"),
        },
    ),
    Api(
        "compilation",
        "ListCompilationJobs",
        "CompilationJobSummaries",
        {**_COMPILATION, "CompilationTargetDevice": _always("ml_c5")},
        "DescribeCompilationJob",
        "CompilationJobName",
        {
            **_COMPILATION,
            "StoppingCondition": lambda view: {"MaxRuntimeInSeconds": view.job.work.longest},
            "FailureReason": lambda view: failure(view) or "",  # the model has it in every answer
            "ModelArtifacts": lambda view: {"S3ModelArtifacts": _bucket(view, "compiled/model.tar.gz")},
            "RoleArn": _role,
            "InputConfig": lambda view: {"S3Uri": _bucket(view, "model.tar.gz"), "Framework": "PYTORCH"},
            "OutputConfig": lambda view: {"S3OutputLocation": _bucket(view, "compiled"), "TargetDevice": "ml_c5"},
        },
        **_ASCENDING,
    ),
    Api(
        "optimization",
        "ListOptimizationJobs",
        "OptimizationJobSummaries",
        {**_OPTIMIZATION, "OptimizationTypes": _always(["Quantization"])},
        "DescribeOptimizationJob",
        "OptimizationJobName",
        {
            **_OPTIMIZATION,
            "FailureReason": failure,
            "ModelSource": lambda view: {"S3": {"S3Uri": _bucket(view, "model")}},
            "OptimizationConfigs": _always([{"ModelQuantizationConfig": {"OverrideEnvironment": {}}}]),
            "OutputConfig": lambda view: {"S3OutputLocation": _bucket(view, "optimized")},
            "RoleArn": _role,
            "StoppingCondition": lambda view: {"MaxRuntimeInSeconds": view.job.work.longest},
        },
        (*_USUAL, "OptimizationContains"),
        size=50,
        **_ASCENDING,
    ),
    Api(
        "edge_packaging",
        "ListEdgePackagingJobs",
        "EdgePackagingJobSummaries",
        _EDGE,
        "DescribeEdgePackagingJob",
        "EdgePackagingJobName",
        {
            **_EDGE,
            "RoleArn": _role,
            "OutputConfig": lambda view: {"S3OutputLocation": _bucket(view, "edge")},
            "EdgePackagingJobStatusMessage": failure,
        },
        (*_USUAL, "ModelNameContains"),
        sorts={
            "NAME": name,
            "MODEL_NAME": lambda view: view.job.work.subject,
            "CREATION_TIME": None,
            "LAST_MODIFIED_TIME": modified,
            "STATUS": status,
        },
        sort="CREATION_TIME",
    ),
    Api(
        "labeling",
        "ListLabelingJobs",
        "LabelingJobSummaryList",
        {
            **_LABELING,
            "WorkteamArn": _workteam,
            "PreHumanTaskLambdaArn": lambda view: arn(
                "lambda", view.place.name, view.place.account, "function:PRE-BoundingBox"
            ),
            "InputConfig": _labeling_input,
        },
        "DescribeLabelingJob",
        "LabelingJobName",
        {
            **_LABELING,
            "JobReferenceCode": lambda view: f"{view.job.number:010d}",
            "LabelAttributeName": _always("cars"),
            "InputConfig": _labeling_input,
            "OutputConfig": lambda view: {"S3OutputPath": _bucket(view, "labels")},
            "RoleArn": _role,
            "HumanTaskConfig": _human_task,
        },
        **_ASCENDING,
    ),
    Api(
        "inference_recommendations",
        "ListInferenceRecommendationsJobs",
        "InferenceRecommendationsJobs",
        {**_RECOMMENDATION, "ModelName": lambda view: view.job.work.subject},
        "DescribeInferenceRecommendationsJob",
        "JobName",
        {**_RECOMMENDATION, "InputConfig": lambda view: {"ModelName": view.job.work.subject}},
        (*_USUAL, "ModelNameEquals", "ModelPackageVersionArnEquals"),
    ),
    Api(
        "inference_experiment",
        "ListInferenceExperiments",
        "InferenceExperiments",
        _EXPERIMENT,
        "DescribeInferenceExperiment",
        "Name",
        {
            **_EXPERIMENT,
            "Arn": arn_of,
            "EndpointMetadata": lambda view: {
                "EndpointName": view.job.work.subject,
                "EndpointStatus": "InService",
            },
            "ModelVariants": lambda view: [
                {
                    "ModelName": "model-1",
                    "VariantName": "Shadow",
                    "InfrastructureConfig": {
                        "InfrastructureType": "RealTimeInference",
                        "RealTimeInferenceConfig": {
                            "InstanceType": view.job.work.instance_type,
                            "InstanceCount": view.job.work.instances,
                        },
                    },
                    "Status": "InService",
                }
            ],
        },
        (*_USUAL, "Type"),
    ),
    Api(
        "pipeline",
        "ListPipelines",
        "PipelineSummaries",
        {
            "PipelineArn": arn_of,
            "PipelineName": name,
            "PipelineDisplayName": name,
            "RoleArn": _role,
            "CreationTime": created,
            "LastModifiedTime": modified,
            "LastExecutionTime": _last_execution,
        },
        "DescribePipeline",
        "PipelineName",
        {
            "PipelineArn": arn_of,
            "PipelineName": name,
            "PipelineDisplayName": name,
            "PipelineDefinition": _always('{"Version": "2020-12-01", "Steps": []}'),
            "RoleArn": _role,
            "PipelineStatus": status,
            "CreationTime": created,
            "LastModifiedTime": modified,
            "LastRunTime": _last_execution,
        },
        ("PipelineNamePrefix", "ManagedBy"),
        ("CreatedAfter", "CreatedBefore"),
        sorts={"Name": name, "CreationTime": None},
        unknown=("ResourceNotFound", "Pipeline '{arn}' does not exist."),
    ),
    Api(
        "pipeline_execution",
        "ListPipelineExecutions",
        "PipelineExecutionSummaries",
        {
            "PipelineExecutionArn": arn_of,
            "StartTime": created,
            "PipelineExecutionStatus": status,
            "PipelineExecutionDisplayName": PIPELINE_EXECUTION["PipelineExecutionDisplayName"],
            "PipelineExecutionFailureReason": failure,
        },
        "DescribePipelineExecution",
        "PipelineExecutionArn",
        {**PIPELINE_EXECUTION, "RoleArn": _role},
        ("PipelineVersionAlias",),
        ("CreatedAfter", "CreatedBefore"),
        sorts={"CreationTime": None, "PipelineExecutionArn": arn_of},
        within="PipelineName",
        parent="pipeline",
        unknown=("ResourceNotFound", "PipelineExecution '{arn}' does not exist."),
    ),
    Api(
        "pipeline_step",
        "ListPipelineExecutionSteps",
        "PipelineExecutionSteps",
        {
            "StepName": name,
            "StartTime": created,
            "EndTime": ended,
            "StepStatus": status,
            "FailureReason": failure,
            "Metadata": step_metadata,
            "AttemptCount": _always(1),
        },
        filters=(),
        window=(),
        sorts={},
        within="PipelineExecutionArn",
        parent="pipeline_execution",
    ),
    Api(
        "monitoring_schedule",
        "ListMonitoringSchedules",
        "MonitoringScheduleSummaries",
        {**_SCHEDULE, "MonitoringJobDefinitionName": _definition},
        "DescribeMonitoringSchedule",
        "MonitoringScheduleName",
        MONITORING_SCHEDULE,
        (*_USUAL, "EndpointName", "MonitoringJobDefinitionName", "MonitoringTypeEquals"),
    ),
    Api(
        "monitoring_execution",
        "ListMonitoringExecutions",
        "MonitoringExecutionSummaries",
        {
            "MonitoringScheduleName": parent,
            "ScheduledTime": scheduled,
            "CreationTime": created,
            "LastModifiedTime": modified,
            "MonitoringExecutionStatus": status,
            "ProcessingJobArn": _processing_arn,
            "EndpointName": _monitored_endpoint,
            "FailureReason": failure,
            "MonitoringJobDefinitionName": _definition,
            "MonitoringType": lambda view: view.job.work.monitors,
        },
        filters=(
            *_MODIFIED,
            "StatusEquals",
            "EndpointName",
            "ScheduledTimeAfter",
            "ScheduledTimeBefore",
            "MonitoringJobDefinitionName",
            "MonitoringTypeEquals",
        ),
        sorts={"CreationTime": None, "ScheduledTime": scheduled, "Status": status},
        within="MonitoringScheduleName",
        parent="monitoring_schedule",
        required=False,
        strict=False,
    ),
    Api(
        "model_card",
        "ListModelCards",
        "ModelCardSummaries",
        _noun("ModelCard", LastModifiedTime=modified),
        filters=("NameContains", "ModelCardStatus"),
        sorts={"Name": name, "CreationTime": None},
    ),
    Api(
        "model_card_export",
        "ListModelCardExportJobs",
        "ModelCardExportJobSummaries",
        _EXPORT,
        "DescribeModelCardExportJob",
        "ModelCardExportJobArn",
        MODEL_CARD_EXPORT,
        ("ModelCardVersion", "ModelCardExportJobNameContains", "StatusEquals"),
        within="ModelCardName",
        parent="model_card",
        strict=False,
    ),
    Api(
        "ai_benchmark",
        "ListAIBenchmarkJobs",
        "AIBenchmarkJobs",
        _noun("AIBenchmarkJob", EndTime=ended, AIWorkloadConfigName=_always("chat")),
        "DescribeAIBenchmarkJob",
        "AIBenchmarkJobName",
        _noun(
            "AIBenchmarkJob",
            FailureReason=failure,
            BenchmarkTarget=lambda view: {"Endpoint": {"Identifier": view.job.work.subject}},
            OutputConfig=lambda view: {"S3OutputLocation": _bucket(view, "benchmarks")},
            AIWorkloadConfigIdentifier=_always("chat"),
            RoleArn=_role,
            StartTime=started,
            EndTime=ended,
        ),
        ("NameContains", "StatusEquals"),
    ),
    Api(
        "ai_recommendation",
        "ListAIRecommendationJobs",
        "AIRecommendationJobs",
        _noun("AIRecommendationJob", EndTime=ended),
        "DescribeAIRecommendationJob",
        "AIRecommendationJobName",
        _noun(
            "AIRecommendationJob",
            FailureReason=failure,
            ModelSource=lambda view: {"S3": {"S3Uri": _bucket(view, "model")}},
            OutputConfig=lambda view: {"S3OutputLocation": _bucket(view, "recommendations")},
            AIWorkloadConfigIdentifier=_always("chat"),
            RoleArn=_role,
            StartTime=started,
            EndTime=ended,
        ),
        ("NameContains", "StatusEquals"),
    ),
    *_generic_apis(),
    Api(
        "flow_definition",
        "ListFlowDefinitions",
        "FlowDefinitionSummaries",
        _FLOW,
        "DescribeFlowDefinition",
        "FlowDefinitionName",
        {
            **_FLOW,
            "HumanLoopConfig": lambda view: {
                "WorkteamArn": _workteam(view),
                "HumanTaskUiArn": view.arn("human-task-ui/review"),
                "TaskTitle": "Review",
                "TaskDescription": "Check what the model says",
                "TaskCount": 1,
            },
            "OutputConfig": lambda view: {"S3OutputPath": _bucket(view, "reviews")},
            "RoleArn": _role,
        },
        (),
        inclusive=True,
        sorts={},
    ),
)
"""What the service `sagemaker` answers."""

HUMAN_LOOP = Api(
    "human_loop",
    "ListHumanLoops",
    "HumanLoopSummaries",
    _LOOP,
    "DescribeHumanLoop",
    "HumanLoopName",
    {**_LOOP, "FailureCode": _failure_code, "HumanLoopArn": arn_of, "HumanLoopOutput": _loop_output},
    (),
    sorts={},
    within="FlowDefinitionArn",
    parent="flow_definition",
    unknown=("ResourceNotFoundException", "The requested resource does not exist: {name}"),
)
"""What the service `sagemaker-a2i-runtime` answers."""


_BY_KIND: dict[str, Api] = {api.kind: api for api in reversed((*APIS, HUMAN_LOOP))}


def of_kind(kind: str) -> Api:
    """Return the row of a kind, the first if there are more."""
    return _BY_KIND[kind]


def in_order(api: Api, sort: str, place: Region, now: float) -> Callable[[Job], Any] | None:
    """Return the order of a listing as `jobs.Listing.cut` takes it."""
    fact = api.sorts.get(sort)
    if fact is None:
        return None
    return name_of if fact is name else lambda job: fact(View(place, job, now))
