"""Which IAM actions each source may use: the least-privilege policy comes from here, and a test holds it to that.

Nothing here changes anything in an account: the verbs are Get, List and Describe (law L7). But what has been read and
counted is taken out of queues that are there for us.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

ACTIONS: dict[str, tuple[str, ...]] = {
    "inventory": (
        "application-autoscaling:DescribeScalableTargets",
        "sagemaker:DescribeApp",
        "sagemaker:DescribeCluster",
        "sagemaker:DescribeEndpoint",
        "sagemaker:DescribeEndpointConfig",
        "sagemaker:DescribeFeatureGroup",
        "sagemaker:DescribeInferenceComponent",
        "sagemaker:DescribeMlflowTrackingServer",
        "sagemaker:DescribeTrainingPlan",
        "sagemaker:ListAlgorithms",
        "sagemaker:ListApps",
        "sagemaker:ListClusterNodes",
        "sagemaker:ListClusterSchedulerConfigs",
        "sagemaker:ListClusters",
        "sagemaker:ListComputeQuotas",
        "sagemaker:ListDeviceFleets",
        "sagemaker:ListDomains",
        "sagemaker:ListEdgeDeploymentPlans",
        "sagemaker:ListEndpointConfigs",
        "sagemaker:ListEndpoints",
        "sagemaker:ListExperiments",
        "sagemaker:ListFeatureGroups",
        "sagemaker:ListFlowDefinitions",
        "sagemaker:ListHubs",
        "sagemaker:ListImages",
        "sagemaker:ListInferenceComponents",
        "sagemaker:ListInferenceRouters",
        "sagemaker:ListMlflowApps",
        "sagemaker:ListMlflowTrackingServers",
        "sagemaker:ListModelCards",
        "sagemaker:ListModelPackageGroups",
        "sagemaker:ListModelPackages",
        "sagemaker:ListModels",
        "sagemaker:ListMonitoringAlerts",
        "sagemaker:ListMonitoringExecutions",
        "sagemaker:ListMonitoringSchedules",
        "sagemaker:ListNotebookInstances",
        "sagemaker:ListPartnerApps",
        "sagemaker:ListPipelines",
        "sagemaker:ListProjects",
        "sagemaker:ListSpaces",
        "sagemaker:ListTrainingPlans",
        "sagemaker:ListUserProfiles",
        "sagemaker:ListWorkforces",
        "sagemaker:ListWorkteams",
    ),
    "job_events": (  # only where jobs are not polled
        "sagemaker:DescribeHumanLoop",
        "sagemaker:DescribeHyperParameterTuningJob",
        "sagemaker:DescribeLabelingJob",
        "sagemaker:DescribeModelCardExportJob",
        "sagemaker:DescribePipelineExecution",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:DescribeTrainingJob",
        "sagemaker:DescribeTransformJob",
    ),
    "job_polling": (
        "sagemaker:DescribeAIBenchmarkJob",
        "sagemaker:DescribeAIRecommendationJob",
        "sagemaker:DescribeAutoMLJobV2",
        "sagemaker:DescribeCompilationJob",
        "sagemaker:DescribeEdgePackagingJob",
        "sagemaker:DescribeHumanLoop",
        "sagemaker:DescribeHyperParameterTuningJob",
        "sagemaker:DescribeInferenceExperiment",
        "sagemaker:DescribeInferenceRecommendationsJob",
        "sagemaker:DescribeJob",
        "sagemaker:DescribeLabelingJob",
        "sagemaker:DescribeModelCardExportJob",
        "sagemaker:DescribeOptimizationJob",
        "sagemaker:DescribePipelineExecution",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:DescribeTrainingJob",
        "sagemaker:DescribeTransformJob",
        "sagemaker:ListAIBenchmarkJobs",
        "sagemaker:ListAIRecommendationJobs",
        "sagemaker:ListAutoMLJobs",
        "sagemaker:ListCompilationJobs",
        "sagemaker:ListEdgePackagingJobs",
        "sagemaker:ListFlowDefinitions",
        "sagemaker:ListHumanLoops",
        "sagemaker:ListHyperParameterTuningJobs",
        "sagemaker:ListInferenceExperiments",
        "sagemaker:ListInferenceRecommendationsJobs",
        "sagemaker:ListJobs",
        "sagemaker:ListLabelingJobs",
        "sagemaker:ListModelCardExportJobs",
        "sagemaker:ListModelCards",
        "sagemaker:ListMonitoringExecutions",
        "sagemaker:ListOptimizationJobs",
        "sagemaker:ListPipelineExecutionSteps",
        "sagemaker:ListPipelineExecutions",
        "sagemaker:ListPipelines",
        "sagemaker:ListProcessingJobs",
        "sagemaker:ListTrainingJobs",
        "sagemaker:ListTransformJobs",
    ),
    "cloudwatch_metrics": ("cloudwatch:GetMetricData", "cloudwatch:ListMetrics"),
    "cloudwatch_alarms": ("cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAlarms"),
    "cloudwatch_logs": ("logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:DescribeSubscriptionFilters"),
    "cloudtrail": ("cloudtrail:LookupEvents",),
    "quotas": (
        "cloudwatch:GetMetricData",
        "servicequotas:ListAWSDefaultServiceQuotas",
        "servicequotas:ListServiceQuotas",
    ),
    "cost": ("pricing:GetProducts",),
}
ALONE = {"job_events": "job_polling"}  # what needs nothing where the other one runs: that does it for both
OFF = ("job_events", "quotas")  # what runs only where the configuration says so
WITH = {  # what the first needs only where the second runs: that tells which clusters there are
    ("job_polling", "inventory"): ("sagemaker:ListClusterEvents",),
}
CONTENTS = ("logs:FilterLogEvents",)  # where log events are matched: it can read all that is written there
TAGS = ("tag:GetResources",)  # where resources are chosen by tags, or tags are shown
QUEUES = {  # by operation: what is done to many has the action of what is done to one
    "ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "DeleteMessageBatch": "sqs:DeleteMessage",
    "GetQueueAttributes": "sqs:GetQueueAttributes",
    "ReceiveMessage": "sqs:ReceiveMessage",
}
OBJECTS = {  # by operation: of a bucket into which a trail writes
    "GetObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
}
DEAD_LETTERS = ("sqs:GetQueueAttributes",)  # of queues beside ours, the name of which only these tell
LOGIN = ("sts:AssumeRole", "sts:GetCallerIdentity")  # the second needs no permission, the first one at its role


def policy(
    sources: Iterable[str],
    tagged: Collection[str] = (),
    queues: Collection[str] = (),
    buckets: Collection[tuple[str, str]] = (),
    *,
    matches: bool = False,
) -> dict[str, object]:
    """Return the IAM policy that sources need, those in `tagged` in order to know tags.

    Where log events are not matched, nobody may read them. `queues` are ARNs, `buckets` are ARNs with what the keys of trails in them begin with. No action of a source can be
    limited to resources of SageMaker alone.
    """
    run = tuple(sources)
    statements = [
        {
            "Sid": "".join(word.capitalize() for word in source.split("_")),
            "Effect": "Allow",
            "Action": sorted((*_actions(source, run, matches=matches), *(TAGS if source in tagged else ()))),
            "Resource": "*",
        }
        for source in run
    ]
    if queues:
        beside = {f"{arn.rpartition(':')[0]}:*" for arn in queues}
        statements += [
            {"Sid": "Queues", "Effect": "Allow", "Action": sorted(QUEUES.values()), "Resource": sorted(queues)},
            {"Sid": "DeadLetters", "Effect": "Allow", "Action": list(DEAD_LETTERS), "Resource": sorted(beside)},
        ]
    if buckets:
        places = sorted({arn for arn, _ in buckets})
        files = sorted({f"{arn}/{prefix}AWSLogs/*" for arn, prefix in buckets})
        statements += [
            {"Sid": "TrailFiles", "Effect": "Allow", "Action": [OBJECTS["GetObject"]], "Resource": files},
            {"Sid": "TrailBuckets", "Effect": "Allow", "Action": [OBJECTS["ListObjectsV2"]], "Resource": places},
        ]
    return {"Version": "2012-10-17", "Statement": statements}


def _actions(source: str, run: Collection[str], *, matches: bool) -> Iterator[str]:
    """Yield the actions of a source among those that run."""
    yield from ACTIONS[source]
    if source == "cloudwatch_logs" and matches:
        yield from CONTENTS
    for (one, other), actions in WITH.items():
        if one == source and other in run:
            yield from actions
