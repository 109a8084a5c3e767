"""The types of jobs, a row each: AWS's names of operations, parameters, fields and statuses.

A test compares the rows with the SDK's description of the services and with the contract. AWS has no description of its
events: what stands here follows the samples in its guides (automating-sagemaker-with-eventbridge); where it shows none,
an event is read like the answer of Describe.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import Struct

from exporter.catalogue.enums import ENUMS

# Of all types, in one spelling; of words that a type has in capitals (INPROGRESS) the usual one.
JOB_STATUSES = ENUMS["job_status"]
STEP_STATUSES = ENUMS["pipeline_step_status"]
STEP_TYPES = ENUMS["step_type"]  # the members of PipelineExecutionStepMetadata, of which a step has one
RULE_STATUSES = ("InProgress", "Stopping", *ENUMS["rule_evaluation_status"])  # of training jobs


class Listing(Struct, frozen=True):
    """A List operation: the member of its answer with the summaries, and what is passed each time.

    `since` is the parameter that leaves out what was created before a time. Such a listing is asked newest first: only
    so is it known to end where the filter does, while other orders and filters page through all of history, with empty
    pages. All that has a default is passed, for defaults differ (Name, Ascending, 10 on a page).
    """

    operation: str
    member: str
    since: str = "CreationTimeAfter"
    fixed: Mapping[str, Any] = {}


class Parent(Struct, frozen=True):
    """What must be listed first, for jobs that are listed for one parent only.

    `field` of the parent's summary is what the listing of jobs takes as `parameter`. `used` is the field with the time
    at which the parent last began a job (one without it never has), "" where the summary does not tell: all parents
    must be asked then.
    """

    listing: Listing
    field: str
    parameter: str
    used: str = ""


class Description(Struct, frozen=True):
    """A Describe operation: its `parameter` takes a job's name, or, with `by_arn`, its ARN."""

    operation: str
    parameter: str
    by_arn: bool = False
    fixed: Mapping[str, str] = {}


class Fields(Struct, frozen=True):
    """Where a job's facts stand in a summary, an answer or the detail of an event: dotted paths, "" where they don't.

    `instances` leads to what holds InstanceType and InstanceCount. Of `max_runtime` the first path that leads somewhere
    counts, of `parents` (type, ARN or name) likewise, so the nearest parent stands first; texts in `failure` add up.
    """

    status: str
    name: str = ""
    arn: str = ""
    created: str = ""
    started: str = ""
    ended: str = ""
    modified: str = ""
    scheduled: str = ""
    under: str = ""
    failure: tuple[str, ...] = ()
    exit_message: str = ""
    secondary_status: str = ""
    transitions: str = ""
    instances: str = ""
    run_seconds: str = ""
    billable_seconds: str = ""
    spot: str = ""
    max_runtime: tuple[str, ...] = ()
    parents: tuple[tuple[str, str], ...] = ()
    child_jobs: str = ""
    child_objectives: str = ""
    child_jobs_limit: str = ""
    label_counters: str = ""
    warm_pool: str = ""
    billable_tokens: str = ""
    debugger_rules: str = ""
    profiler_rules: str = ""
    progress: str = ""
    final_values: str = ""
    best_objective: str = ""
    recommendations: str = ""


class JobType(Struct, frozen=True):
    """A type of job.

    `open`, `ended` and `removed` are its statuses in the spelling of its API; `first` is the one that it is created in.
    `resources` are the words before the name in its ARNs: the API's, then those that events have instead. The name of a
    `nested` one is unique within a parent only. AWS makes up the ARN of a `unique` one, and never uses it again.
    """

    name: str
    listing: Listing
    summary: Fields
    description: Description | None
    answer: Fields | None
    open: tuple[str, ...]
    ended: tuple[str, ...]
    first: str
    resources: tuple[str, ...]
    removed: tuple[str, ...] = ()
    detail_type: str | None = None
    event: Fields | None = None
    parent: Parent | None = None
    service: str = "sagemaker"
    nested: bool = False
    unique: bool = False
    ends_only: bool = False  # events tell of nothing but its end
    hosts: str = ""  # the namespace of the metrics that CloudWatch has of its hosts

    @property
    def statuses(self) -> tuple[str, ...]:
        """All that it can have."""
        return (*self.open, *self.ended, *self.removed)


_NEWEST_FIRST: Mapping[str, Any] = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 100}
_STOPPABLE = ("InProgress", "Stopping")
_ENDED = ("Completed", "Failed", "Stopped")
_STOPPABLE_CAPITALS = ("INPROGRESS", "STARTING", "STOPPING")
_ENDED_CAPITALS = ("COMPLETED", "FAILED", "STOPPED")
_MODIFIED: Mapping[str, Any] = {"created": "CreationTime", "modified": "LastModifiedTime"}


def _fields(noun: str, **others: Any) -> Fields:
    """Return fields of a job whose name, ARN and status are called by its noun, as most are."""
    return Fields(name=f"{noun}Name", arn=f"{noun}Arn", status=f"{noun}Status", **others)


_TRAINING = _fields(
    "TrainingJob",
    **_MODIFIED,
    started="TrainingStartTime",
    ended="TrainingEndTime",
    failure=("FailureReason",),
    secondary_status="SecondaryStatus",
    transitions="SecondaryStatusTransitions",
    instances="ResourceConfig",
    run_seconds="TrainingTimeInSeconds",
    billable_seconds="BillableTimeInSeconds",
    spot="EnableManagedSpotTraining",
    max_runtime=("StoppingCondition.MaxRuntimeInSeconds",),
    parents=(
        ("hyperparameter_tuning", "TuningJobArn"),
        ("automl", "AutoMLJobArn"),
        ("labeling", "LabelingJobArn"),
    ),
    warm_pool="WarmPoolStatus",
    billable_tokens="BillableTokenCount",
    debugger_rules="DebugRuleEvaluationStatuses",
    profiler_rules="ProfilerRuleEvaluationStatuses",
    progress="ProgressInfo",
    final_values="FinalMetricDataList",
)

_PROCESSING = _fields(
    "ProcessingJob",
    **_MODIFIED,
    started="ProcessingStartTime",
    ended="ProcessingEndTime",
    failure=("FailureReason",),
    exit_message="ExitMessage",
    instances="ProcessingResources.ClusterConfig",
    max_runtime=("StoppingCondition.MaxRuntimeInSeconds",),
    parents=(
        ("monitoring_schedule", "MonitoringScheduleArn"),
        ("training", "TrainingJobArn"),
        ("automl", "AutoMLJobArn"),
    ),
)

_TRANSFORM = _fields(
    "TransformJob",
    created="CreationTime",
    started="TransformStartTime",
    ended="TransformEndTime",
    failure=("FailureReason",),
    instances="TransformResources",
    parents=(("automl", "AutoMLJobArn"), ("labeling", "LabelingJobArn")),
)

_TUNING = _fields(
    "HyperParameterTuningJob",
    **_MODIFIED,
    ended="HyperParameterTuningEndTime",
    failure=("FailureReason",),
    max_runtime=("HyperParameterTuningJobConfig.ResourceLimits.MaxRuntimeInSeconds",),
    child_jobs="TrainingJobStatusCounters",
    child_objectives="ObjectiveStatusCounters",
    child_jobs_limit="HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs",
    best_objective="BestTrainingJob.FinalHyperParameterTuningJobObjectiveMetric",
)

_AUTOML: dict[str, Any] = {
    **_MODIFIED,
    "ended": "EndTime",
    "failure": ("FailureReason", "PartialFailureReasons[].PartialFailureMessage"),
    "secondary_status": "AutoMLJobSecondaryStatus",
}

_COMPILATION: dict[str, Any] = {**_MODIFIED, "started": "CompilationStartTime", "ended": "CompilationEndTime"}
_OPTIMIZATION: dict[str, Any] = {**_MODIFIED, "started": "OptimizationStartTime", "ended": "OptimizationEndTime"}
_LABELING: dict[str, Any] = {**_MODIFIED, "failure": ("FailureReason",), "label_counters": "LabelCounters"}

_RECOMMENDATIONS = Fields(
    name="JobName", arn="JobArn", status="Status", **_MODIFIED, ended="CompletionTime", failure=("FailureReason",)
)

_EXPERIMENT = Fields(name="Name", status="Status", **_MODIFIED, ended="CompletionTime", failure=("StatusReason",))

_EXPORT: dict[str, Any] = {
    "name": "ModelCardExportJobName",
    "arn": "ModelCardExportJobArn",
    "status": "Status",
    "created": "CreatedAt",
    "modified": "LastModifiedAt",
    "under": "ModelCardName",
}
_EXPORT_ANSWER = Fields(**_EXPORT, failure=("FailureReason",))

_LOOP: dict[str, Any] = {
    "name": "HumanLoopName",
    "status": "HumanLoopStatus",
    "created": "CreationTime",
    "under": "FlowDefinitionArn",
}


def _ai(noun: str) -> JobType:
    """Return a type of jobs that advise on how to serve a model."""
    summary: dict[str, Any] = {"created": "CreationTime", "ended": "EndTime"}
    word = noun.removeprefix("AI").removesuffix("Job").lower()
    return JobType(
        name=f"ai_{word}",
        listing=Listing(f"List{noun}s", f"{noun}s", fixed=_NEWEST_FIRST),
        summary=_fields(noun, **summary),
        description=Description(f"Describe{noun}", f"{noun}Name"),
        answer=_fields(noun, **summary, started="StartTime", failure=("FailureReason",)),
        open=_STOPPABLE,
        ended=_ENDED,
        first="InProgress",
        resources=(f"ai-{word}-job",),
    )


def _generic(name: str, category: str) -> JobType:
    """Return a type of jobs that AWS tells from others by a category only."""
    summary: dict[str, Any] = {**_MODIFIED, "ended": "EndTime"}
    return JobType(
        name=name,
        listing=Listing("ListJobs", "JobSummaries", fixed={**_NEWEST_FIRST, "JobCategory": category}),
        summary=_fields("Job", **summary, secondary_status="JobSecondaryStatus"),
        description=Description("DescribeJob", "JobName", fixed={"JobCategory": category}),
        answer=_fields(
            "Job",
            **summary,
            failure=("FailureReason",),
            secondary_status="SecondaryStatus",
            transitions="SecondaryStatusTransitions",
        ),
        open=_STOPPABLE,
        ended=_ENDED,
        removed=("Deleting", "DeleteFailed"),
        first="InProgress",
        resources=(f"job/{category.lower()}",),
    )


_ROWS = (
    JobType(
        name="training",
        hosts="/aws/sagemaker/TrainingJobs",
        detail_type="SageMaker Training Job State Change",
        listing=Listing("ListTrainingJobs", "TrainingJobSummaries", fixed=_NEWEST_FIRST),
        summary=_fields(
            "TrainingJob",
            **_MODIFIED,
            ended="TrainingEndTime",
            secondary_status="SecondaryStatus",
            warm_pool="WarmPoolStatus",
        ),
        description=Description("DescribeTrainingJob", "TrainingJobName"),
        answer=_TRAINING,
        event=_TRAINING,
        open=_STOPPABLE,
        ended=_ENDED,
        removed=("Deleting",),
        first="InProgress",
        resources=("training-job",),
    ),
    JobType(
        name="processing",
        hosts="/aws/sagemaker/ProcessingJobs",
        detail_type="SageMaker Processing Job State Change",
        listing=Listing("ListProcessingJobs", "ProcessingJobSummaries", fixed=_NEWEST_FIRST),
        summary=_fields(
            "ProcessingJob",
            **_MODIFIED,
            ended="ProcessingEndTime",
            failure=("FailureReason",),
            exit_message="ExitMessage",
        ),
        description=Description("DescribeProcessingJob", "ProcessingJobName"),
        answer=_PROCESSING,
        event=_PROCESSING,
        open=_STOPPABLE,
        ended=_ENDED,
        first="InProgress",
        resources=("processing-job",),
    ),
    JobType(
        name="transform",
        hosts="/aws/sagemaker/TransformJobs",
        detail_type="SageMaker Transform Job State Change",
        listing=Listing("ListTransformJobs", "TransformJobSummaries", fixed=_NEWEST_FIRST),
        summary=_fields("TransformJob", **_MODIFIED, ended="TransformEndTime", failure=("FailureReason",)),
        description=Description("DescribeTransformJob", "TransformJobName"),
        answer=_TRANSFORM,
        event=_TRANSFORM,
        open=_STOPPABLE,
        ended=_ENDED,
        first="InProgress",
        resources=("transform-job",),
    ),
    JobType(
        name="hyperparameter_tuning",
        detail_type="SageMaker HyperParameter Tuning Job State Change",
        listing=Listing("ListHyperParameterTuningJobs", "HyperParameterTuningJobSummaries", fixed=_NEWEST_FIRST),
        summary=_fields(
            "HyperParameterTuningJob",
            **_MODIFIED,
            ended="HyperParameterTuningEndTime",
            max_runtime=("ResourceLimits.MaxRuntimeInSeconds",),
            child_jobs="TrainingJobStatusCounters",
            child_objectives="ObjectiveStatusCounters",
            child_jobs_limit="ResourceLimits.MaxNumberOfTrainingJobs",
        ),
        description=Description("DescribeHyperParameterTuningJob", "HyperParameterTuningJobName"),
        answer=_TUNING,
        event=_TUNING,
        open=_STOPPABLE,
        ended=_ENDED,
        removed=("Deleting", "DeleteFailed"),
        first="InProgress",
        resources=("hyper-parameter-tuning-job", "tuningJob"),
    ),
    JobType(
        name="automl",
        listing=Listing("ListAutoMLJobs", "AutoMLJobSummaries", fixed=_NEWEST_FIRST),
        summary=_fields("AutoMLJob", **_AUTOML),
        description=Description(
            "DescribeAutoMLJobV2", "AutoMLJobName"
        ),  # knows jobs of both versions, the first its own
        answer=_fields(
            "AutoMLJob",
            **_AUTOML,
            max_runtime=tuple(
                f"AutoMLProblemTypeConfig.{problem}JobConfig.CompletionCriteria.MaxAutoMLJobRuntimeInSeconds"
                for problem in (
                    "Tabular",
                    "TimeSeriesForecasting",
                    "ImageClassification",
                    "TextClassification",
                    "TextGeneration",
                )
            ),
            best_objective="BestCandidate.FinalAutoMLJobObjectiveMetric",
        ),
        open=_STOPPABLE,
        ended=_ENDED,
        first="InProgress",
        resources=("automl-job",),
    ),
    JobType(
        name="compilation",
        listing=Listing("ListCompilationJobs", "CompilationJobSummaries", fixed=_NEWEST_FIRST),
        summary=_fields("CompilationJob", **_COMPILATION),
        description=Description("DescribeCompilationJob", "CompilationJobName"),
        answer=_fields(
            "CompilationJob",
            **_COMPILATION,
            failure=("FailureReason",),
            max_runtime=("StoppingCondition.MaxRuntimeInSeconds",),
        ),
        open=_STOPPABLE_CAPITALS,
        ended=_ENDED_CAPITALS,
        first="STARTING",
        resources=("compilation-job",),
    ),
    JobType(
        name="optimization",
        listing=Listing("ListOptimizationJobs", "OptimizationJobSummaries", fixed=_NEWEST_FIRST),
        summary=_fields("OptimizationJob", **_OPTIMIZATION),
        description=Description("DescribeOptimizationJob", "OptimizationJobName"),
        answer=_fields(
            "OptimizationJob",
            **_OPTIMIZATION,
            failure=("FailureReason",),
            max_runtime=("StoppingCondition.MaxRuntimeInSeconds",),
        ),
        open=_STOPPABLE_CAPITALS,
        ended=_ENDED_CAPITALS,
        first="STARTING",
        resources=("optimization-job",),
    ),
    JobType(
        name="edge_packaging",
        listing=Listing(
            "ListEdgePackagingJobs", "EdgePackagingJobSummaries", fixed={**_NEWEST_FIRST, "SortBy": "CREATION_TIME"}
        ),
        summary=_fields("EdgePackagingJob", **_MODIFIED),
        description=Description("DescribeEdgePackagingJob", "EdgePackagingJobName"),
        answer=_fields("EdgePackagingJob", **_MODIFIED, failure=("EdgePackagingJobStatusMessage",)),
        open=("STARTING", "INPROGRESS", "STOPPING"),
        ended=_ENDED_CAPITALS,
        first="STARTING",
        resources=("edge-packaging-job",),
    ),
    JobType(
        name="labeling",
        ends_only=True,
        detail_type="SageMaker Ground Truth Labeling Job State Change",
        listing=Listing("ListLabelingJobs", "LabelingJobSummaryList", fixed=_NEWEST_FIRST),
        summary=_fields("LabelingJob", **_LABELING),
        description=Description("DescribeLabelingJob", "LabelingJobName"),
        answer=_fields("LabelingJob", **_LABELING),
        event=Fields(status="LabelingJobStatus"),  # nothing else: who it is stands beside the detail, when nowhere
        open=("Initializing", *_STOPPABLE),
        ended=_ENDED,
        first="Initializing",
        resources=("labeling-job",),
    ),
    JobType(
        name="inference_recommendations",
        listing=Listing("ListInferenceRecommendationsJobs", "InferenceRecommendationsJobs", fixed=_NEWEST_FIRST),
        summary=_RECOMMENDATIONS,
        description=Description("DescribeInferenceRecommendationsJob", "JobName"),
        answer=Fields(
            name="JobName",
            arn="JobArn",
            status="Status",
            **_MODIFIED,
            ended="CompletionTime",
            failure=("FailureReason",),
            max_runtime=("InputConfig.JobDurationInSeconds",),
            recommendations="InferenceRecommendations",
        ),
        open=("PENDING", "IN_PROGRESS", "STOPPING"),
        ended=_ENDED_CAPITALS,
        removed=("DELETING", "DELETED"),
        first="PENDING",
        resources=("inference-recommendations-job",),
    ),
    JobType(
        name="inference_experiment",
        listing=Listing("ListInferenceExperiments", "InferenceExperiments", fixed=_NEWEST_FIRST),
        summary=_EXPERIMENT,
        description=Description("DescribeInferenceExperiment", "Name"),
        answer=Fields(
            name="Name", arn="Arn", status="Status", **_MODIFIED, ended="CompletionTime", failure=("StatusReason",)
        ),
        open=("Creating", "Created", "Updating", "Running", "Starting", "Stopping"),
        ended=("Completed", "Cancelled"),
        first="Creating",
        resources=("inference-experiment",),
    ),
    JobType(
        name="pipeline_execution",
        detail_type="SageMaker Model Building Pipeline Execution Status Change",
        listing=Listing(
            "ListPipelineExecutions", "PipelineExecutionSummaries", since="CreatedAfter", fixed=_NEWEST_FIRST
        ),
        parent=Parent(
            Listing("ListPipelines", "PipelineSummaries", since="CreatedAfter", fixed=_NEWEST_FIRST),
            "PipelineName",
            "PipelineName",
            used="LastExecutionTime",
        ),
        summary=Fields(
            arn="PipelineExecutionArn",
            status="PipelineExecutionStatus",
            created="StartTime",
            failure=("PipelineExecutionFailureReason",),
        ),
        description=Description("DescribePipelineExecution", "PipelineExecutionArn", by_arn=True),
        answer=Fields(
            arn="PipelineExecutionArn",
            status="PipelineExecutionStatus",
            **_MODIFIED,
            failure=("FailureReason",),
        ),
        event=Fields(
            arn="pipelineExecutionArn",
            status="currentPipelineExecutionStatus",
            created="executionStartTime",
            ended="executionEndTime",
            failure=("failureReason",),
        ),
        open=("Executing", "Stopping"),
        ended=("Succeeded", "CompletedWithFailures", "Failed", "Stopped"),
        first="Executing",
        resources=("pipeline",),
        nested=True,
        unique=True,
    ),
    JobType(
        name="monitoring_execution",
        listing=Listing("ListMonitoringExecutions", "MonitoringExecutionSummaries", fixed=_NEWEST_FIRST),
        summary=Fields(
            status="MonitoringExecutionStatus",
            **_MODIFIED,
            scheduled="ScheduledTime",
            under="MonitoringScheduleName",
            parents=(("monitoring_schedule", "MonitoringScheduleName"),),
            failure=("FailureReason",),
        ),
        description=None,  # its processing job can be described, which is a job of its own
        answer=None,
        open=("Pending", "InProgress", "Stopping"),
        ended=("Completed", "CompletedWithViolations", "Failed", "Stopped"),
        first="Pending",
        resources=(),
        nested=True,
    ),
    JobType(
        name="model_card_export",
        detail_type="SageMaker Model Card Export Job State Change",
        listing=Listing("ListModelCardExportJobs", "ModelCardExportJobSummaries", fixed=_NEWEST_FIRST),
        parent=Parent(
            Listing("ListModelCards", "ModelCardSummaries", fixed=_NEWEST_FIRST), "ModelCardName", "ModelCardName"
        ),
        summary=Fields(**_EXPORT),
        description=Description("DescribeModelCardExportJob", "ModelCardExportJobArn", by_arn=True),
        answer=_EXPORT_ANSWER,
        event=_EXPORT_ANSWER,
        open=("InProgress",),
        ended=("Completed", "Failed"),
        first="InProgress",
        resources=("model-card",),
        nested=True,
    ),
    _ai("AIBenchmarkJob"),
    _ai("AIRecommendationJob"),
    _generic("agent_rft", "AgentRFT"),
    _generic("synthetic_data_generation", "SyntheticDataGeneration"),
    _generic("data_quality_evaluation", "DataQualityEvaluation"),
    _generic("agent_rft_evaluation", "AgentRFTEvaluation"),
    _generic("data_transformation", "DataTransformation"),
    JobType(
        name="human_loop",
        ends_only=True,
        detail_type="SageMaker A2I HumanLoop Status Change",
        service="sagemaker-a2i-runtime",
        listing=Listing("ListHumanLoops", "HumanLoopSummaries", fixed={"SortOrder": "Descending", "MaxResults": 100}),
        parent=Parent(
            Listing(
                "ListFlowDefinitions",
                "FlowDefinitionSummaries",
                fixed={"SortOrder": "Descending", "MaxResults": 100},
            ),
            "FlowDefinitionArn",
            "FlowDefinitionArn",
        ),
        summary=Fields(**_LOOP, failure=("FailureReason",)),
        description=Description("DescribeHumanLoop", "HumanLoopName"),
        answer=Fields(**_LOOP, arn="HumanLoopArn", failure=("FailureReason", "FailureCode")),
        event=Fields(
            name="humanLoopName",
            arn="humanLoopArn",
            status="humanLoopStatus",
            created="creationTime",
            under="flowDefinitionArn",
            failure=("failureReason", "failureCode"),
        ),
        open=_STOPPABLE,
        ended=_ENDED,
        first="InProgress",
        resources=("human-loop",),
    ),
)

JOB_TYPES: Mapping[str, JobType] = {kind.name: kind for kind in _ROWS}
STEPS = Listing("ListPipelineExecutionSteps", "PipelineExecutionSteps", since="", fixed={"MaxResults": 100})
"""The steps of one execution of a pipeline, by its PipelineExecutionArn; no time filters them."""

TOLD_BY: Mapping[str, JobType] = {kind.detail_type: kind for kind in _ROWS if kind.detail_type}


def spelled(kind: JobType | tuple[str, ...], status: str) -> str:
    """Return a status in the spelling that is shown: of a type of job, or as one of the words given (an enum's).

    AWS writes IN_SERVICE, INPROGRESS and "In Progress" for InService and InProgress; what it has no word for stays.
    """
    return _spellings(JOB_STATUSES if isinstance(kind, JobType) else kind).get(_bare(status), status)


@cache
def _spellings(words: tuple[str, ...]) -> Mapping[str, str]:
    return {_bare(word): word for word in words}


def _bare(word: str) -> str:
    return "".join(word.lower().replace("_", " ").replace("-", " ").split())
