"""The kinds of things that exist beside endpoints, a row each: how AWS lists them, and what else there is to ask.

A test compares the rows with the SDK's description of SageMaker and with the contract. All that has a default is
passed, for defaults differ (10 on a page; by name or by time). Listings are asked oldest first: what is created while
the pages are read comes last, and pushes nothing off the page that comes next.

Facts are named by their paths in AWS's answer; a path that ends in [] leads to a list, of which the facts of each item
are told. What a row does not name is not kept.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeAlias

from msgspec import Struct

from exporter.catalogue.enums import ENUMS
from exporter.catalogue.resources import TAGS_INFO

Paths: TypeAlias = Mapping[str, Any]  # path to str, float (numbers and times), bool, or the paths in items of a list
COUNTED = "sagemaker_resources"


class Call(Struct, frozen=True):
    """What is asked about one thing: a Describe, or, with `member`, a List, of which `newest` takes one item.

    `parameters` takes facts of the listing. Each call is a CloudTrail event, so it is made for a thing that is new or
    changed, once more `settles` seconds later, while its status is not steady, and now and then. `watches` are facts of
    the listing that tell of a change which status and time of modification don't; a call that is asked `always` is made
    in each look, and what it shows is watched too. `only` things of these statuses are asked about. One that `runs`
    tells on which instances a thing does.
    """

    operation: str
    parameters: Mapping[str, str]
    facts: Paths
    families: tuple[str, ...]
    member: str = ""
    fixed: Mapping[str, Any] = {}
    newest: bool = False
    always: bool = False
    watches: tuple[str, ...] = ()
    only: frozenset[str] = frozenset()
    settles: float = 0.0
    runs: bool = False


class Signal(Struct, frozen=True):
    """A listing over all things of a kind that tells which of them have changed: newest first, of the last `seconds`.

    `of` is the field that names the thing, `facts` what is new about it when it changes.
    """

    operation: str
    member: str
    of: str
    since: str
    seconds: float
    facts: Paths
    fixed: Mapping[str, Any]


class Kind(Struct, frozen=True):
    """A kind of things. `name` is a word of `resource_type`, but for what is no resource of its own.

    `names` are the fields that tell one from others, the first of which is never empty; users choose by `called`.
    `arn` is the field of the listing with the ARN, in which `arn_type` stands; where none is, all names follow on that.
    `statuses` are as they are shown; of these the `steady` ones don't change by themselves. `counted` in
    `sagemaker_resources` is each kind that is a resource: `asked` ones by default, the others when the configuration
    names them. `families` are those that need the listing; what a `call` is good for stands with it. What `runs` on
    instances is listed too where somebody wants to know what does.
    """

    name: str
    operation: str
    member: str
    names: tuple[str, ...]
    called: str = ""
    status: str = ""
    created: str = "CreationTime"
    modified: str = "LastModifiedTime"
    fixed: Mapping[str, Any] = {}
    statuses: tuple[str, ...] = ()
    steady: frozenset[str] = frozenset()
    facts: Paths = {}
    families: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    signal: Signal | None = None
    counted: bool = True
    asked: bool = True
    arn: str = ""
    in_arns: str = ""
    runs: bool = False

    @property
    def arn_type(self) -> str:
        """What ARNs call the kind: as we do, or `in_arns`."""
        return self.in_arns or self.name.replace("_", "-")


_PAGE: Mapping[str, Any] = {"MaxResults": 100}
_BY_TIME: Mapping[str, Any] = {"SortBy": "CreationTime", "SortOrder": "Ascending", **_PAGE}
_BY_TIME_CAPITALS: Mapping[str, Any] = {**_BY_TIME, "SortBy": "CREATION_TIME"}
_BY_DATE: Mapping[str, Any] = {**_BY_TIME, "SortBy": "CreateDate"}

_OF_CLUSTERS = (
    "Creating",
    "CreateFailed",
    "CreateRollbackFailed",
    "Created",
    "Updating",
    "UpdateFailed",
    "UpdateRollbackFailed",
    "Updated",
    "Deleting",
    "DeleteFailed",
    "DeleteRollbackFailed",
    "Deleted",
)

_GROUP: Paths = {
    "InstanceGroupName": str,
    "InstanceType": str,
    "Status": str,
    "CurrentCount": float,
    "TargetCount": float,
}

_ROWS = (
    Kind(
        "endpoint_config",
        "ListEndpointConfigs",
        "EndpointConfigs",
        ("EndpointConfigName",),
        arn="EndpointConfigArn",
        modified="",
        fixed=_BY_TIME,
    ),
    Kind("model", "ListModels", "Models", ("ModelName",), arn="ModelArn", modified="", fixed=_BY_TIME),
    Kind(
        "inference_router",
        "ListInferenceRouters",
        "InferenceRouters",
        ("InferenceRouterName",),
        arn="InferenceRouterArn",
        fixed=_PAGE,
        asked=False,
    ),
    Kind(
        "notebook_instance",
        "ListNotebookInstances",
        "NotebookInstances",
        ("NotebookInstanceName",),
        arn="NotebookInstanceArn",
        status="NotebookInstanceStatus",
        fixed=_BY_TIME,
        statuses=ENUMS["notebook_instance_status"],
        facts={"InstanceType": str},
        families=(
            "sagemaker_notebook_instance_status",
            "sagemaker_notebook_instance_info",
            "sagemaker_notebook_instances",
            "sagemaker_notebook_instance_last_modified_timestamp_seconds",
            "sagemaker_notebook_instance_state_changes_total",
        ),
        runs=True,
    ),
    Kind(
        "domain",
        "ListDomains",
        "Domains",
        ("DomainId",),
        arn="DomainArn",
        called="DomainName",
        status="Status",
        fixed=_PAGE,
        statuses=ENUMS["domain_status"],
        facts={"DomainName": str},
        families=("sagemaker_domain_status", "sagemaker_domain_info"),
    ),
    Kind(
        "user_profile",
        "ListUserProfiles",
        "UserProfiles",
        ("DomainId", "UserProfileName"),
        status="Status",
        fixed=_BY_TIME,
        statuses=ENUMS["domain_status"],
        asked=False,
    ),
    Kind(
        "space",
        "ListSpaces",
        "Spaces",
        ("DomainId", "SpaceName"),
        status="Status",
        fixed=_BY_TIME,
        statuses=ENUMS["domain_status"],
        facts={"SpaceSettingsSummary.SpaceStorageSettings.EbsStorageSettings.EbsVolumeSizeInGb": float},
        families=("sagemaker_space_storage_bytes",),
    ),
    Kind(
        "app",
        "ListApps",
        "Apps",
        ("DomainId", "UserProfileName", "SpaceName", "AppType", "AppName"),
        status="Status",
        modified="",
        fixed=_BY_TIME,
        statuses=ENUMS["app_status"],
        steady=frozenset({"Deleted", "Failed", "InService"}),
        facts={"ResourceSpec.InstanceType": str},
        families=("sagemaker_apps", "sagemaker_app_info", "sagemaker_app_created_timestamp_seconds"),
        calls=(
            Call(
                "DescribeApp",
                {name: name for name in ("DomainId", "UserProfileName", "SpaceName", "AppType", "AppName")},
                {"LastUserActivityTimestamp": float, "LastHealthCheckTimestamp": float},
                ("sagemaker_app_last_user_activity_timestamp_seconds", "sagemaker_cost_idle_hourly_usd"),
                only=frozenset({"InService"}),
            ),
        ),
        runs=True,
    ),
    Kind(
        "feature_group",
        "ListFeatureGroups",
        "FeatureGroupSummaries",
        ("FeatureGroupName",),
        arn="FeatureGroupArn",
        status="FeatureGroupStatus",
        modified="",
        fixed=_BY_TIME,
        statuses=ENUMS["feature_group_status"],
        steady=frozenset({"Created", "CreateFailed", "DeleteFailed"}),
        facts={"OfflineStoreStatus.Status": str},
        families=(
            "sagemaker_feature_group_status",
            "sagemaker_feature_group_offline_store_status",
            "sagemaker_feature_group_created_timestamp_seconds",
        ),
        calls=(
            Call(
                "DescribeFeatureGroup",
                {"FeatureGroupName": "FeatureGroupName"},
                {
                    "LastUpdateStatus.Status": str,
                    "OnlineStoreConfig.EnableOnlineStore": bool,
                    "OnlineStoreConfig.StorageType": str,
                    "OnlineStoreTotalSizeBytes": float,
                    "ThroughputConfig.ThroughputMode": str,
                    "ThroughputConfig.ProvisionedReadCapacityUnits": float,
                    "ThroughputConfig.ProvisionedWriteCapacityUnits": float,
                },
                (
                    "sagemaker_feature_group_last_update_status",
                    "sagemaker_feature_group_info",
                    "sagemaker_feature_group_online_store_size_bytes",
                    "sagemaker_feature_group_provisioned_read_capacity_units",
                    "sagemaker_feature_group_provisioned_write_capacity_units",
                ),
                watches=("OfflineStoreStatus.Status",),
            ),
        ),
    ),
    Kind(
        "pipeline",
        "ListPipelines",
        "PipelineSummaries",
        ("PipelineName",),
        arn="PipelineArn",
        fixed=_BY_TIME,
        facts={"LastExecutionTime": float},
        families=(
            "sagemaker_pipeline_last_execution_timestamp_seconds",
            "sagemaker_pipeline_last_modified_timestamp_seconds",
        ),
    ),
    Kind(
        "model_package_group",
        "ListModelPackageGroups",
        "ModelPackageGroupSummaryList",
        ("ModelPackageGroupName",),
        arn="ModelPackageGroupArn",
        status="ModelPackageGroupStatus",
        modified="",
        fixed=_BY_TIME,
        statuses=ENUMS["model_package_group_status"],
        families=(
            "sagemaker_model_package_group_status",
            "sagemaker_model_package_group_packages",
            "sagemaker_model_package_group_failed_packages",
        ),
    ),
    Kind(  # in one listing over all groups: a call for each group would be a hundred times as many
        "model_package",
        "ListModelPackages",
        "ModelPackageSummaryList",
        ("ModelPackageArn",),
        arn="ModelPackageArn",
        called="ModelPackageGroupName",
        status="ModelPackageStatus",
        modified="",
        fixed={**_BY_TIME, "ModelPackageType": "Versioned"},
        statuses=("Pending", "InProgress", "Completed", "Failed", "Deleting"),
        facts={"ModelPackageGroupName": str, "ModelPackageVersion": float, "ModelApprovalStatus": str},
        families=(
            "sagemaker_model_package_group_packages",
            "sagemaker_model_package_group_failed_packages",
            "sagemaker_model_package_group_latest_version",
            "sagemaker_model_package_group_latest_version_timestamp_seconds",
            "sagemaker_model_package_group_approval_changes_total",
        ),
        counted=False,
    ),
    Kind(
        "model_card",
        "ListModelCards",
        "ModelCardSummaries",
        ("ModelCardName",),
        arn="ModelCardArn",
        status="ModelCardStatus",
        fixed=_BY_TIME,
        statuses=("Draft", "PendingReview", "Approved", "Archived"),
        asked=False,
    ),
    Kind(
        "monitoring_schedule",
        "ListMonitoringSchedules",
        "MonitoringScheduleSummaries",
        ("MonitoringScheduleName",),
        arn="MonitoringScheduleArn",
        status="MonitoringScheduleStatus",
        fixed=_BY_TIME,
        statuses=ENUMS["monitoring_schedule_status"],
        steady=frozenset({"Failed", "Scheduled", "Stopped"}),
        facts={"EndpointName": str, "MonitoringType": str},
        families=("sagemaker_model_monitor_schedule_status", "sagemaker_model_monitor_schedule_info"),
        calls=(
            Call(
                "ListMonitoringExecutions",
                {"MonitoringScheduleName": "MonitoringScheduleName"},
                {"ScheduledTime": float, "MonitoringExecutionStatus": str},
                (
                    "sagemaker_model_monitor_last_execution_status",
                    "sagemaker_model_monitor_last_execution_timestamp_seconds",
                ),
                member="MonitoringExecutionSummaries",
                fixed={"SortBy": "ScheduledTime", "SortOrder": "Descending", "MaxResults": 1},
                newest=True,
            ),
            Call(
                "ListMonitoringAlerts",
                {"MonitoringScheduleName": "MonitoringScheduleName"},
                {"MonitoringAlertName": str, "AlertStatus": str},
                ("sagemaker_model_monitor_alert_status",),
                member="MonitoringAlertSummaries",
                fixed=_PAGE,
                settles=600.0,
            ),
        ),
        signal=Signal(
            "ListMonitoringExecutions",
            "MonitoringExecutionSummaries",
            "MonitoringScheduleName",
            "CreationTimeAfter",
            6 * 3600.0,
            {"ScheduledTime": float, "MonitoringExecutionStatus": str},
            {"SortBy": "CreationTime", "SortOrder": "Descending", **_PAGE},
        ),
    ),
    Kind(
        "cluster",
        "ListClusters",
        "ClusterSummaries",
        ("ClusterName",),
        arn="ClusterArn",
        status="ClusterStatus",
        modified="",
        fixed=_BY_TIME_CAPITALS,
        statuses=ENUMS["cluster_status"],
        steady=frozenset({"Failed", "InService"}),
        facts={"ImageVersionStatus": str},
        families=(
            "sagemaker_cluster_status",
            "sagemaker_cluster_state_changes_total",
            "sagemaker_cluster_events_total",
        ),
        calls=(
            Call(
                "ListClusterNodes",
                {"ClusterName": "ClusterName"},
                {"InstanceGroupName": str, "InstanceId": str, "InstanceStatus.Status": str},
                ("sagemaker_cluster_nodes", "sagemaker_cluster_node_status"),
                member="ClusterNodeSummaries",
                fixed=_BY_TIME_CAPITALS,
                always=True,
            ),
            Call(
                "DescribeCluster",
                {"ClusterName": "ClusterName"},
                {
                    "Orchestrator.Eks.ClusterArn": str,
                    "NodeRecovery": str,
                    "NodeProvisioningMode": str,
                    "InstanceGroups[]": {
                        **_GROUP,
                        "ImageVersionStatus": str,
                        "InstanceTypeDetails[]": {"InstanceType": str, "CurrentCount": float},
                    },
                    "RestrictedInstanceGroups[]": _GROUP,
                },
                (
                    "sagemaker_cluster_info",
                    "sagemaker_cluster_instance_group_status",
                    "sagemaker_cluster_instance_group_info",
                    "sagemaker_cluster_instance_group_current_instances",
                    "sagemaker_cluster_instance_group_target_instances",
                    "sagemaker_cluster_nodes",
                    "sagemaker_cluster_events_total",
                ),
                watches=("ImageVersionStatus",),
                runs=True,
            ),
        ),
        runs=True,
    ),
    Kind(
        "cluster_scheduler_config",
        "ListClusterSchedulerConfigs",
        "ClusterSchedulerConfigSummaries",
        ("ClusterSchedulerConfigId",),
        arn="ClusterSchedulerConfigArn",
        called="Name",
        status="Status",
        fixed=_BY_TIME,
        statuses=_OF_CLUSTERS,
        asked=False,
    ),
    Kind(
        "compute_quota",
        "ListComputeQuotas",
        "ComputeQuotaSummaries",
        ("ComputeQuotaId",),
        arn="ComputeQuotaArn",
        called="Name",
        status="Status",
        fixed=_BY_TIME,
        statuses=_OF_CLUSTERS,
        asked=False,
    ),
    Kind(
        "training_plan",
        "ListTrainingPlans",
        "TrainingPlanSummaries",
        ("TrainingPlanName",),
        arn="TrainingPlanArn",
        status="Status",
        created="",
        modified="",
        fixed={**_BY_TIME, "SortBy": "StartTime"},
        statuses=ENUMS["training_plan_status"],
        steady=frozenset({"Active", "Scheduled", "Expired", "Failed"}),
        facts={
            "StartTime": float,
            "EndTime": float,
            "UpfrontFee": str,
            "CurrencyCode": str,
            "AvailableInstanceCount": float,
            "InUseInstanceCount": float,
        },
        families=(
            "sagemaker_training_plan_status",
            "sagemaker_training_plan_start_timestamp_seconds",
            "sagemaker_training_plan_end_timestamp_seconds",
            "sagemaker_training_plan_upfront_fee_usd",
        ),
        calls=(
            Call(
                "DescribeTrainingPlan",
                {"TrainingPlanName": "TrainingPlanName"},
                {
                    "AvailableInstanceCount": float,
                    "InUseInstanceCount": float,
                    "UnhealthyInstanceCount": float,
                    "AvailableSpareInstanceCount": float,
                },
                ("sagemaker_training_plan_instances",),
                watches=("AvailableInstanceCount", "InUseInstanceCount"),
            ),
        ),
    ),
    Kind(
        "mlflow_tracking_server",
        "ListMlflowTrackingServers",
        "TrackingServerSummaries",
        ("TrackingServerName",),
        arn="TrackingServerArn",
        status="TrackingServerStatus",
        fixed=_BY_TIME,
        statuses=ENUMS["mlflow_tracking_server_status"],
        steady=frozenset(
            {
                "Created",
                "CreateFailed",
                "Updated",
                "UpdateFailed",
                "DeleteFailed",
                "Stopped",
                "StopFailed",
                "Started",
                "StartFailed",
                "MaintenanceComplete",
                "MaintenanceFailed",
            }
        ),
        facts={"IsActive": str},
        families=("sagemaker_mlflow_tracking_server_status", "sagemaker_mlflow_tracking_server_active"),
        calls=(
            Call(
                "DescribeMlflowTrackingServer",
                {"TrackingServerName": "TrackingServerName"},
                {"TrackingServerSize": str, "MlflowVersion": str},
                ("sagemaker_mlflow_tracking_server_info",),
                runs=True,
            ),
        ),
        runs=True,
    ),
    Kind(
        "mlflow_app",
        "ListMlflowApps",
        "Summaries",
        ("Arn",),
        arn="Arn",
        called="Name",
        status="Status",
        fixed=_BY_TIME,
        statuses=(
            "Creating",
            "Created",
            "CreateFailed",
            "Updating",
            "Updated",
            "UpdateFailed",
            "Deleting",
            "DeleteFailed",
            "Deleted",
        ),
        asked=False,
    ),
    Kind(
        "partner_app",
        "ListPartnerApps",
        "Summaries",
        ("Arn",),
        arn="Arn",
        called="Name",
        status="Status",
        modified="",
        fixed=_PAGE,
        statuses=("Creating", "Updating", "Deleting", "Available", "Failed", "UpdateFailed", "Deleted"),
        asked=False,
    ),
    Kind(
        "hub",
        "ListHubs",
        "HubSummaries",
        ("HubName",),
        arn="HubArn",
        status="HubStatus",
        fixed=_BY_TIME,
        statuses=("InService", "Creating", "Updating", "Deleting", "CreateFailed", "UpdateFailed", "DeleteFailed"),
        asked=False,
    ),
    Kind(
        "image",
        "ListImages",
        "Images",
        ("ImageName",),
        arn="ImageArn",
        status="ImageStatus",
        fixed={**_BY_TIME_CAPITALS, "SortOrder": "ASCENDING"},
        statuses=("CREATING", "CREATED", "CREATE_FAILED", "UPDATING", "UPDATE_FAILED", "DELETING", "DELETE_FAILED"),
        asked=False,
    ),
    Kind(
        "project",
        "ListProjects",
        "ProjectSummaryList",
        ("ProjectName",),
        arn="ProjectArn",
        status="ProjectStatus",
        modified="",
        fixed=_BY_TIME,
        statuses=(
            "Pending",
            "CreateInProgress",
            "CreateCompleted",
            "CreateFailed",
            "DeleteInProgress",
            "DeleteFailed",
            "DeleteCompleted",
            "UpdateInProgress",
            "UpdateCompleted",
            "UpdateFailed",
        ),
        asked=False,
    ),
    Kind(
        "algorithm",
        "ListAlgorithms",
        "AlgorithmSummaryList",
        ("AlgorithmName",),
        arn="AlgorithmArn",
        status="AlgorithmStatus",
        modified="",
        fixed=_BY_TIME,
        statuses=("Pending", "InProgress", "Completed", "Failed", "Deleting"),
        asked=False,
    ),
    Kind(
        "workforce",
        "ListWorkforces",
        "Workforces",
        ("WorkforceName",),
        arn="WorkforceArn",
        status="Status",
        created="CreateDate",
        modified="LastUpdatedDate",
        fixed=_BY_DATE,
        statuses=("Initializing", "Updating", "Deleting", "Failed", "Active"),
        asked=False,
    ),
    Kind(
        "workteam",
        "ListWorkteams",
        "Workteams",
        ("WorkteamName",),
        arn="WorkteamArn",
        created="CreateDate",
        modified="LastUpdatedDate",
        fixed=_BY_DATE,
        facts={"MemberDefinitions[]": {}},
        families=("sagemaker_workteam_members",),
        asked=False,
    ),
    Kind(
        "flow_definition",
        "ListFlowDefinitions",
        "FlowDefinitionSummaries",
        ("FlowDefinitionName",),
        arn="FlowDefinitionArn",
        status="FlowDefinitionStatus",
        modified="",
        fixed={"SortOrder": "Ascending", **_PAGE},
        statuses=("Initializing", "Active", "Failed", "Deleting"),
        asked=False,
    ),
    Kind(
        "experiment",
        "ListExperiments",
        "ExperimentSummaries",
        ("ExperimentName",),
        arn="ExperimentArn",
        fixed=_BY_TIME,
        asked=False,
    ),
    Kind(
        "edge_deployment_plan",
        "ListEdgeDeploymentPlans",
        "EdgeDeploymentPlanSummaries",
        ("EdgeDeploymentPlanName",),
        arn="EdgeDeploymentPlanArn",
        in_arns="edge-deployment",
        fixed=_BY_TIME_CAPITALS,
        asked=False,
    ),
    Kind(
        "device_fleet",
        "ListDeviceFleets",
        "DeviceFleetSummaries",
        ("DeviceFleetName",),
        arn="DeviceFleetArn",
        fixed=_BY_TIME_CAPITALS,
        asked=False,
    ),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ROWS}
WITH_ENDPOINTS = ("endpoint", "inference_component")  # counted too, and always listed


class Wanted(NamedTuple):
    """A kind that somebody wants to see, and the operations that are asked about each thing of it."""

    kind: Kind
    calls: tuple[Call, ...]


def counted(include: Collection[str], exclude: Collection[str]) -> frozenset[str]:
    """Return the kinds that are counted: those by default and those included, less those excluded (names or globs)."""

    def named(name: str, globs: Collection[str]) -> bool:
        return any(fnmatch.fnmatchcase(name, glob) for glob in globs)

    by_default = {kind.name: kind.asked for kind in KINDS.values() if kind.counted} | dict.fromkeys(
        WITH_ENDPOINTS, True
    )
    return frozenset(
        name for name, asked in by_default.items() if (asked or named(name, include)) and not named(name, exclude)
    )


def wanted(on: Callable[[str], bool], kinds: Collection[str], *, runs: bool = False) -> tuple[Wanted, ...]:
    """Return what has to be asked for the families that are on, if these kinds are counted, and their tags shown.

    `runs`: and for what runs on instances.
    """
    all_of_them = on(COUNTED) or on(TAGS_INFO)

    def asked(kind: Kind) -> Wanted:
        return Wanted(kind, tuple(call for call in kind.calls if (runs and call.runs) or any(map(on, call.families))))

    return tuple(
        one
        for one in map(asked, KINDS.values())
        if one.calls
        or (runs and one.kind.runs)
        or any(map(on, one.kind.families))
        or (all_of_them and one.kind.name in kinds)
    )
