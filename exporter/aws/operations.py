"""The calls that we make, and nothing beside them: a table of AWS's facts about each.

The door refuses an operation that is not here, so the program can't do more than the policy derived from this table
allows: look at an account, read the files of a trail, take what is addressed to it out of its own queues. Prices are
list prices in USD, the same in all regions that publish one (aws.amazon.com/cloudwatch/pricing); default rates leave
most of each quota to the account's other users.
"""

from __future__ import annotations

from typing import Any, NamedTuple

PER_THOUSAND = 0.01 / 1000
PER_QUEUE_CALL = 0.4 / 1_000_000  # aws.amazon.com/sqs/pricing: of a standard queue, up to 64 KiB
PER_OBJECT = 0.0004 / 1000  # aws.amazon.com/s3/pricing: what is read in the bucket's own region costs no transfer
PER_LISTING = 0.005 / 1000
NEVER_BINDS = 1000.0  # calls a second: standard queues have nearly no limit, and a reader sets its own pace


class Operation(NamedTuple):
    """One operation of an AWS service.

    `service` is the SDK's word, `prefix` that of the service's endpoints. `action` is the IAM action. `member`, if one
    is named, must be in every answer: a cut-off body reads as an empty one without it. `token` names the paging token
    in request and answer. `rate` is calls a second for each account and region, `price` USD a call. A `trailed` call is
    a management event of CloudTrail; others are data events, which trails log only where they are told to.
    """

    service: str
    prefix: str
    name: str
    action: str
    member: str
    token: str = "NextToken"  # noqa: S105 - a page, not a secret
    rate: float = 5.0
    price: float = 0.0
    trailed: bool = True


_SAGEMAKER = ("sagemaker", "api.sagemaker")
_A2I = ("sagemaker-a2i-runtime", "a2i-runtime.sagemaker")
_CLOUDWATCH = ("cloudwatch", "monitoring")
_LOGS = ("logs", "logs")
_NEXT = "nextToken"
_SQS = ("sqs", "sqs")
_S3 = ("s3", "s3")
_OF_QUEUES: Any = {"rate": NEVER_BINDS, "price": PER_QUEUE_CALL, "trailed": False}
_ABOUT_QUEUES: Any = {**_OF_QUEUES, "trailed": True}

_OF_JOBS = (  # operation, member
    ("ListTrainingJobs", "TrainingJobSummaries"),
    ("ListProcessingJobs", "ProcessingJobSummaries"),
    ("ListTransformJobs", "TransformJobSummaries"),
    ("ListHyperParameterTuningJobs", "HyperParameterTuningJobSummaries"),
    ("ListAutoMLJobs", "AutoMLJobSummaries"),
    ("ListCompilationJobs", "CompilationJobSummaries"),
    ("ListOptimizationJobs", "OptimizationJobSummaries"),
    ("ListEdgePackagingJobs", "EdgePackagingJobSummaries"),
    ("ListLabelingJobs", "LabelingJobSummaryList"),
    ("ListInferenceRecommendationsJobs", "InferenceRecommendationsJobs"),
    ("ListInferenceExperiments", "InferenceExperiments"),
    ("ListPipelines", "PipelineSummaries"),
    ("ListPipelineExecutions", "PipelineExecutionSummaries"),
    ("ListPipelineExecutionSteps", "PipelineExecutionSteps"),
    ("ListMonitoringExecutions", "MonitoringExecutionSummaries"),
    ("ListModelCards", "ModelCardSummaries"),
    ("ListModelCardExportJobs", "ModelCardExportJobSummaries"),
    ("ListAIBenchmarkJobs", "AIBenchmarkJobs"),
    ("ListAIRecommendationJobs", "AIRecommendationJobs"),
    ("ListJobs", "JobSummaries"),
    ("ListFlowDefinitions", "FlowDefinitionSummaries"),
    ("DescribeTrainingJob", "TrainingJobStatus"),
    ("DescribeProcessingJob", "ProcessingJobStatus"),
    ("DescribeTransformJob", "TransformJobStatus"),
    ("DescribeHyperParameterTuningJob", "HyperParameterTuningJobStatus"),
    ("DescribeAutoMLJobV2", "AutoMLJobStatus"),
    ("DescribeCompilationJob", "CompilationJobStatus"),
    ("DescribeOptimizationJob", "OptimizationJobStatus"),
    ("DescribeEdgePackagingJob", "EdgePackagingJobStatus"),
    ("DescribeLabelingJob", "LabelingJobStatus"),
    ("DescribeInferenceRecommendationsJob", "Status"),
    ("DescribeInferenceExperiment", "Status"),
    ("DescribePipelineExecution", "PipelineExecutionStatus"),
    ("DescribeModelCardExportJob", "Status"),
    ("DescribeAIBenchmarkJob", "AIBenchmarkJobStatus"),
    ("DescribeAIRecommendationJob", "AIRecommendationJobStatus"),
    ("DescribeJob", "JobStatus"),
)

_OF_THINGS = (  # operation, member
    ("ListEndpointConfigs", "EndpointConfigs"),
    ("ListModels", "Models"),
    ("ListInferenceRouters", "InferenceRouters"),
    ("ListNotebookInstances", "NotebookInstances"),
    ("ListDomains", "Domains"),
    ("ListUserProfiles", "UserProfiles"),
    ("ListSpaces", "Spaces"),
    ("ListApps", "Apps"),
    ("ListFeatureGroups", "FeatureGroupSummaries"),
    ("ListModelPackageGroups", "ModelPackageGroupSummaryList"),
    ("ListModelPackages", "ModelPackageSummaryList"),
    ("ListMonitoringSchedules", "MonitoringScheduleSummaries"),
    ("ListClusters", "ClusterSummaries"),
    ("ListClusterSchedulerConfigs", "ClusterSchedulerConfigSummaries"),
    ("ListComputeQuotas", "ComputeQuotaSummaries"),
    ("ListTrainingPlans", "TrainingPlanSummaries"),
    ("ListMlflowTrackingServers", "TrackingServerSummaries"),
    ("ListMlflowApps", "Summaries"),
    ("ListPartnerApps", "Summaries"),
    ("ListHubs", "HubSummaries"),
    ("ListImages", "Images"),
    ("ListProjects", "ProjectSummaryList"),
    ("ListAlgorithms", "AlgorithmSummaryList"),
    ("ListWorkforces", "Workforces"),
    ("ListWorkteams", "Workteams"),
    ("ListExperiments", "ExperimentSummaries"),
    ("ListEdgeDeploymentPlans", "EdgeDeploymentPlanSummaries"),
    ("ListDeviceFleets", "DeviceFleetSummaries"),
    ("DescribeApp", "AppArn"),
    ("DescribeFeatureGroup", "FeatureGroupName"),
    ("ListMonitoringAlerts", "MonitoringAlertSummaries"),
    ("ListClusterNodes", "ClusterNodeSummaries"),
    ("ListClusterEvents", "Events"),
    ("DescribeCluster", "ClusterArn"),
    ("DescribeTrainingPlan", "TrainingPlanName"),
    ("DescribeMlflowTrackingServer", "TrackingServerName"),
)

OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("sts", "sts", "GetCallerIdentity", "sts:GetCallerIdentity", "Account"),
        Operation("sts", "sts", "AssumeRole", "sts:AssumeRole", "Credentials"),
        Operation(
            *_CLOUDWATCH, "GetMetricData", "cloudwatch:GetMetricData", "MetricDataResults", rate=25.0, trailed=False
        ),
        Operation(*_CLOUDWATCH, "ListMetrics", "cloudwatch:ListMetrics", "Metrics", price=PER_THOUSAND, trailed=False),
        Operation(
            *_CLOUDWATCH, "DescribeAlarms", "cloudwatch:DescribeAlarms", "MetricAlarms", rate=3.0, price=PER_THOUSAND
        ),
        Operation(
            *_CLOUDWATCH,
            "DescribeAlarmHistory",
            "cloudwatch:DescribeAlarmHistory",
            "AlarmHistoryItems",
            price=PER_THOUSAND,
        ),
        Operation(*_SAGEMAKER, "ListEndpoints", "sagemaker:ListEndpoints", "Endpoints"),
        Operation(*_SAGEMAKER, "DescribeEndpoint", "sagemaker:DescribeEndpoint", "EndpointName"),
        Operation(*_SAGEMAKER, "DescribeEndpointConfig", "sagemaker:DescribeEndpointConfig", "EndpointConfigName"),
        Operation(*_SAGEMAKER, "ListInferenceComponents", "sagemaker:ListInferenceComponents", "InferenceComponents"),
        Operation(
            *_SAGEMAKER,
            "DescribeInferenceComponent",
            "sagemaker:DescribeInferenceComponent",
            "InferenceComponentName",
        ),
        *(
            Operation(*_SAGEMAKER, name, f"sagemaker:{name}", member, rate=1.0 if name == "ListTrainingJobs" else 5.0)
            for name, member in (*_OF_JOBS, *_OF_THINGS)
        ),
        Operation(*_A2I, "ListHumanLoops", "sagemaker:ListHumanLoops", "HumanLoopSummaries"),
        Operation(*_A2I, "DescribeHumanLoop", "sagemaker:DescribeHumanLoop", "HumanLoopStatus"),
        Operation(
            "application-autoscaling",
            "application-autoscaling",
            "DescribeScalableTargets",
            "application-autoscaling:DescribeScalableTargets",
            "ScalableTargets",
        ),
        Operation(
            "resourcegroupstaggingapi",
            "tagging",
            "GetResources",
            "tag:GetResources",
            "ResourceTagMappingList",
            token="PaginationToken",  # noqa: S106 - a page, not a secret
        ),
        # docs.aws.amazon.com/servicequotas/latest/userguide/reference_limits.html: ten calls a second of each
        *(
            Operation("service-quotas", "servicequotas", name, f"servicequotas:{name}", "Quotas", rate=2.0)
            for name in ("ListServiceQuotas", "ListAWSDefaultServiceQuotas")
        ),
        # aws.amazon.com/cloudwatch/pricing: free of charge. docs.aws.amazon.com/general/latest/gr/cwl_region.html:
        # FilterLogEvents is answered 5 times a second in the slowest regions, 25 in the fastest
        Operation(*_LOGS, "DescribeLogGroups", "logs:DescribeLogGroups", "logGroups", _NEXT),
        Operation(*_LOGS, "DescribeLogStreams", "logs:DescribeLogStreams", "logStreams", _NEXT),
        Operation(
            *_LOGS, "DescribeSubscriptionFilters", "logs:DescribeSubscriptionFilters", "subscriptionFilters", _NEXT
        ),
        Operation(*_LOGS, "FilterLogEvents", "logs:FilterLogEvents", "events", _NEXT, rate=2.0, trailed=False),
        # docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html: two calls a second
        Operation("cloudtrail", "cloudtrail", "LookupEvents", "cloudtrail:LookupEvents", "Events", rate=1.0),
        Operation("pricing", "api.pricing", "GetProducts", "pricing:GetProducts", "PriceList", rate=2.0),
        Operation(*_SQS, "ReceiveMessage", "sqs:ReceiveMessage", "", **_OF_QUEUES),  # {} if there is no message
        Operation(*_SQS, "DeleteMessageBatch", "sqs:DeleteMessage", "Successful", **_OF_QUEUES),
        Operation(*_SQS, "ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility", "Successful", **_OF_QUEUES),
        Operation(*_SQS, "GetQueueAttributes", "sqs:GetQueueAttributes", "Attributes", **_ABOUT_QUEUES),
        # docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html: 5,500 a second of each prefix
        Operation(*_S3, "GetObject", "s3:GetObject", "Body", rate=100.0, price=PER_OBJECT, trailed=False),
        Operation(*_S3, "ListObjectsV2", "s3:ListBucket", "IsTruncated", rate=20.0, price=PER_LISTING, trailed=False),
    )
}

ANSWERS_AT = {
    "pricing": (
        ("cn-", "cn-northwest-1"),
        ("us-gov-", ""),
        ("us-iso-", "us-iso-east-1"),
        ("us-isob-", "us-isob-east-1"),
        ("eu-isoe-", "eu-isoe-west-1"),
        ("us-isof-", "us-isof-south-1"),
        ("eusc-", "eusc-de-east-1"),
        ("", "us-east-1"),
    )
}
"""Where a service answers for all regions of a partition, as their names begin, "" where nowhere:
docs.aws.amazon.com/general/latest/gr/billing.html, and the SDK's list of endpoints. A login into another partition is
refused there."""
TRAIL_PRICE = 2.0 / 100_000
"""Of a management event in each trail of an account beside its first one, where it is free
(aws.amazon.com/cloudtrail/pricing)."""
METRIC_PRICE = PER_THOUSAND  # of GetMetricData: a metric asked for, up to five statistics of it in one call
DATAPOINT_RATES = (90_000.0, 198_000.0)  # a second, for starts within 3 h and older ones: half of AWS's quotas
RECENT = 3 * 3600  # seconds; the border between the two
MOST_QUERIES = 500  # in one call: API_GetMetricData
MOST_DATAPOINTS = 100_800  # on one page of an answer: API_GetMetricData
"""Whether further pages are billed is not documented, so our calls fit on one."""
