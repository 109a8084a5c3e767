"""How AWS writes a thing down: the members of each kind's summary and description, in the service model's names.

A table of rows, one for each list operation; `thing_calls` answers from it, `events` writes by it. Members that a thing
does not have are left out. Facts and defaults are those of the service model 2017-07-24; where it tells no order, the
newest comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from exporter.demo.job_shapes import sagemaker_arn
from exporter.demo.resources import arn
from exporter.demo.things import KINDS

if TYPE_CHECKING:
    from exporter.demo.things import Kind, State, Thing
    from exporter.demo.world import Region


class View(NamedTuple):
    """A thing as it stands at a time."""

    place: Region
    thing: Thing
    now: float

    @property
    def state(self) -> State:
        """The state that it has entered last."""
        return self.thing.state(self.now)

    def fact(self, name: str) -> Any:
        """Return a fact as it is, or None where there is none."""
        return self.thing.fact(name, self.now)

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource beside it."""
        return sagemaker_arn(self.place, resource)

    def of(self, kind: str) -> list[View]:
        """Return what belongs to it."""
        return [
            View(self.place, one, self.now) for one in self.place.things.listing(kind, self.now, self.thing.resource)
        ]


Fact = Callable[[View], Any]
Members = Mapping[str, Fact]
Filter = Callable[[View, Any], bool]


def name(view: View) -> str:
    """Return the name."""
    return view.thing.name


def own(view: View) -> str:
    """Return what the ARN ends in."""
    return view.thing.own


def arn_of(view: View) -> str:
    """Return the ARN."""
    return view.arn(view.thing.resource)


def status(view: View) -> str:
    """Return the status."""
    return view.state.status


def created(view: View) -> float:
    """Return when it was created."""
    return view.thing.created


def modified(view: View) -> float:
    """Return when it was changed last."""
    return view.state.at


def parent(view: View) -> str:
    """Return the last part of what it belongs to."""
    return view.thing.parent.rpartition("/")[2]


def _parent_arn(view: View) -> str:
    return view.arn(view.thing.parent)


def _parent_name(view: View) -> str:
    whole = view.place.things.find(view.thing.parent, view.now)
    return whole.name if whole else parent(view)


def _fact(name: str, view: View) -> Any:
    if name.startswith("Failure") and "failed" not in view.state.status.lower():
        return None  # a reason is told for as long as it is one
    return view.fact(name)


def _told(*names: str) -> dict[str, Fact]:
    """Return members that are facts of the same name."""
    return {one: partial(_fact, one) for one in names}


def _always(value: Any) -> Fact:
    return lambda _: value


def _role(view: View) -> str:
    return arn("iam", "", view.place.account, "role/sagemaker-things")


def _user(view: View) -> dict[str, Any]:
    return {"IamIdentity": {"Arn": _role(view), "PrincipalId": "AROADEMO:anna"}}


def _image(view: View) -> str:
    return f"{view.place.account}.dkr.ecr.{view.place.name}.amazonaws.com/{view.thing.name}:latest"


def _bucket(view: View, folder: str) -> str:
    return f"s3://demo-{view.place.account}/{folder}"


def _noun(noun: str, *facts: str, **more: Fact) -> dict[str, Fact]:
    """Return what most kinds have, spelt with their noun."""
    return {
        f"{noun}Name": name,
        f"{noun}Arn": arn_of,
        "CreationTime": created,
        "LastModifiedTime": modified,
        **_told(*facts),
        **more,
    }


# Filters


def _contains(fact: Fact) -> Filter:
    return lambda view, text: text.lower() in (fact(view) or "").lower()


def _equals(fact: Fact) -> Filter:
    return lambda view, wanted: bool(fact(view) == wanted)


def _of_members(one: str) -> Fact:
    return lambda view: view.fact(one)


def _any(_: View, __: Any) -> bool:
    return True  # says how to answer, or all things of the fake's have it


def _none(_: View, __: Any) -> bool:
    return False  # no thing of the fake's has what is asked for


NAMED: dict[str, Filter] = {"NameContains": _contains(name)}
CREATED: dict[str, Filter] = {
    "CreationTimeAfter": lambda view, time: created(view) > time,
    "CreationTimeBefore": lambda view, time: created(view) < time,
}
_FROM: dict[str, Filter] = CREATED | {"CreationTimeAfter": lambda view, time: created(view) >= time}
_SHORT: dict[str, Filter] = {
    "CreatedAfter": CREATED["CreationTimeAfter"],
    "CreatedBefore": CREATED["CreationTimeBefore"],
}
MODIFIED: dict[str, Filter] = {
    "LastModifiedTimeAfter": lambda view, time: modified(view) > time,
    "LastModifiedTimeBefore": lambda view, time: modified(view) < time,
}
SORTS: dict[str, Fact] = {"Name": name, "CreationTime": created}
_WITH_STATUS: dict[str, Fact] = {**SORTS, "Status": status}
_UPPER: dict[str, Fact] = {"NAME": name, "CREATION_TIME": created}


@dataclass(frozen=True, slots=True)
class Api:
    """How things of one kind are listed and described."""

    kind: str
    lists: str = ""  # the operation
    result: str = ""
    summary: Members = field(default_factory=dict)
    describes: str = ""  # the operation
    by: Mapping[str, Fact] = field(default_factory=dict)  # its parameters, that of the name last
    description: Members = field(default_factory=dict)
    inside: str = ""  # the member of the answer that holds the description, where one does
    optional: tuple[str, ...] = ()  # parameters of the description that may be left out
    newest: bool = False  # is described where none is named
    filters: Mapping[str, Filter] = field(default_factory=dict)
    assumed: Mapping[str, Any] = field(default_factory=dict)  # filters that hold where all are listed
    sorts: Mapping[str, Fact] = field(default_factory=dict)
    sort: str = "CreationTime"  # the default, as the next three
    order: str = "Descending"
    orders: tuple[str, ...] = ("Ascending", "Descending")
    size: int = 10
    within: str = ""  # the parameter that names what they belong to
    parent: str = ""  # its kind
    required: bool = True  # the parent
    past: bool = False  # each status that one has entered is listed
    unknown: tuple[str, str] = ("ResourceNotFound", "Could not find {what} with name: {name}")

    @property
    def of(self) -> Kind:
        """The kind."""
        return KINDS[self.kind]

    @property
    def parameters(self) -> frozenset[str]:
        """All that the list operation takes."""
        sorting = ("SortBy", "SortOrder") if self.sorts else ()
        return frozenset((*self.filters, *sorting, *((self.within,) if self.within else ()), "MaxResults", "NextToken"))


_ASCENDING: dict[str, Any] = {"order": "Ascending"}
_GONE = "ValidationException", 'Could not find {what} "{arn}".'

# Notebooks

_NOTEBOOK = _noun(
    "NotebookInstance",
    "InstanceType",
    "NotebookInstanceLifecycleConfigName",
    "DefaultCodeRepository",
    "AdditionalCodeRepositories",
    NotebookInstanceStatus=status,
    Url=lambda view: f"{view.thing.name.lower()}.notebook.{view.place.name}.sagemaker.aws",
)
NOTEBOOK: Members = {
    **_NOTEBOOK,
    **_told("FailureReason", "KmsKeyId"),
    "RoleArn": _role,
    "DirectInternetAccess": _always("Enabled"),
    "VolumeSizeInGB": lambda view: view.fact("VolumeSizeInGB") or 5,
    "RootAccess": _always("Enabled"),
    "PlatformIdentifier": _always("notebook-al2023-v1"),
}
NOTEBOOK_CONFIG: Members = _noun("NotebookInstanceLifecycleConfig")

_NOTEBOOKS = (
    Api(
        "notebook_instance",
        "ListNotebookInstances",
        "NotebookInstances",
        _NOTEBOOK,
        "DescribeNotebookInstance",
        {"NotebookInstanceName": name},
        NOTEBOOK,
        filters={
            **NAMED,
            **CREATED,
            **MODIFIED,
            "StatusEquals": _equals(status),
            "NotebookInstanceLifecycleConfigNameContains": _contains(
                _of_members("NotebookInstanceLifecycleConfigName")
            ),
            "DefaultCodeRepositoryContains": _contains(_of_members("DefaultCodeRepository")),
            "AdditionalCodeRepositoryEquals": lambda view, wanted: (
                wanted in (view.fact("AdditionalCodeRepositories") or ())
            ),
        },
        sorts=_WITH_STATUS,
        sort="Name",
        unknown=("ValidationException", "RecordNotFound"),
        **_ASCENDING,
    ),
    Api(
        "notebook_lifecycle_config",
        "ListNotebookInstanceLifecycleConfigs",
        "NotebookInstanceLifecycleConfigs",
        NOTEBOOK_CONFIG,
        "DescribeNotebookInstanceLifecycleConfig",
        {"NotebookInstanceLifecycleConfigName": name},
        {**NOTEBOOK_CONFIG, "OnCreate": _always([]), "OnStart": _always([])},
        filters={**NAMED, **CREATED, **MODIFIED},
        sorts={**SORTS, "LastModifiedTime": modified},
        unknown=("ValidationException", "Unable to describe Notebook Instance Lifecycle Config '{arn}'"),
    ),
)

# HyperPod

_CLUSTER: Members = {
    "ClusterArn": arn_of,
    "ClusterName": name,
    "CreationTime": created,
    "ClusterStatus": status,
}


def _group(view: View) -> dict[str, Any]:
    nodes = view.place.things.listing("cluster_node", view.now, view.thing.parent)
    here = [node for node in nodes if node.fact("InstanceGroupName", view.now) == view.thing.name]
    plan = view.fact("TrainingPlanArn")
    told = {
        "InstanceGroupName": view.thing.name,
        "InstanceType": view.fact("InstanceType"),
        "Status": view.state.status,
        "CurrentCount": sum(node.state(view.now).status != "Pending" for node in here),
        "TargetCount": view.fact("TargetCount"),
        "ExecutionRole": _role(view),
        "ThreadsPerCore": 1,
        "LifeCycleConfig": {"SourceS3Uri": _bucket(view, "lifecycle"), "OnCreate": "on_create.sh"},
        "ImageVersionStatus": view.fact("ImageVersionStatus"),
        "TrainingPlanArn": plan,
        "TrainingPlanStatus": "Active" if plan else None,
    }
    return {name: value for name, value in told.items() if value is not None}


CLUSTER: Members = {
    **_CLUSTER,
    **_told("FailureMessage", "Orchestrator", "NodeRecovery", "NodeProvisioningMode"),
    "InstanceGroups": lambda view: [_group(group) for group in view.of("cluster_instance_group")],
    "VpcConfig": _always({"SecurityGroupIds": ["sg-0a1b2c3d"], "Subnets": ["subnet-0a1b2c3d"]}),
}


def _node_status(view: View) -> dict[str, str]:
    message = view.fact("Message")
    return {"Status": view.state.status, **({"Message": message} if message else {})}


_NODE: Members = {
    "InstanceGroupName": lambda view: view.fact("InstanceGroupName"),
    "InstanceId": own,
    "InstanceType": lambda view: view.fact("InstanceType"),
    "LaunchTime": created,
    "InstanceStatus": _node_status,
    **_told(
        "NodeLogicalId",
        "LastSoftwareUpdateTime",
        "PrivateDnsHostname",
        "CurrentImageReleaseVersion",
        "ImageVersionStatus",
    ),
}
_CLUSTER_EVENT: Members = {
    "EventId": own,
    "ClusterArn": _parent_arn,
    "ClusterName": _parent_name,
    "ResourceType": lambda view: view.fact("ResourceType"),
    "EventTime": created,
    **_told("InstanceGroupName", "InstanceId", "Description", "EventLevel", "OperationId"),
}


def _metadata(view: View) -> dict[str, Any]:
    return {"EventMetadata": view.fact("EventMetadata") or {view.fact("ResourceType"): {}}}


CLUSTER_EVENT_DETAILS: Members = {**_CLUSTER_EVENT, "EventDetails": _metadata}
_NO_CLUSTER = "ResourceNotFound", "Cluster with name {name} was not found"


def _capacity(view: View) -> list[dict[str, Any]]:
    told = {
        "ReservedCapacityArn": view.arn(f"reserved-capacity/{view.thing.name}"),
        "ReservedCapacityType": "Instance",
        "InstanceType": view.fact("InstanceType"),
        "TotalInstanceCount": view.fact("TotalInstanceCount"),
        "Status": view.state.status,
        "AvailabilityZone": f"{view.place.name}a",
        "DurationHours": _hours(view),
        "StartTime": view.fact("StartTime"),
        "EndTime": view.fact("EndTime"),
    }
    return [{name: value for name, value in told.items() if value is not None}]


def _hours(view: View) -> int:
    begin, end = view.fact("StartTime"), view.fact("EndTime")
    return int((end - begin) // 3600) if begin and end else 0


def _free(view: View) -> int:
    used = (view.fact("InUseInstanceCount") or 0) + (view.fact("UnhealthyInstanceCount") or 0)
    return int(view.fact("TotalInstanceCount") - used)


_PLAN: Members = {
    "TrainingPlanArn": arn_of,
    "TrainingPlanName": name,
    "Status": status,
    "DurationHours": _hours,
    "DurationMinutes": _always(0),
    **_told(
        "StatusMessage",
        "StartTime",
        "EndTime",
        "UpfrontFee",
        "CurrencyCode",
        "TotalInstanceCount",
        "InUseInstanceCount",
        "TargetResources",
    ),
    "AvailableInstanceCount": _free,
    "TotalUltraServerCount": _always(0),
    "ReservedCapacitySummaries": _capacity,
}


def _is_on(view: View, cluster: str) -> bool:
    return _parent_arn(view) == cluster.lower()


_GOVERNED: Members = {"Name": name, "Status": status, "CreationTime": created, "LastModifiedTime": modified}

_HYPERPOD = (
    Api(
        "cluster",
        "ListClusters",
        "ClusterSummaries",
        {**_CLUSTER, **_told("TrainingPlanArns", "ImageVersionStatus")},
        "DescribeCluster",
        {"ClusterName": name},
        CLUSTER,
        filters={
            **NAMED,
            **CREATED,
            "TrainingPlanArn": lambda view, plan: plan in (view.fact("TrainingPlanArns") or ()),
        },
        sorts=_UPPER,
        sort="CREATION_TIME",
        unknown=_NO_CLUSTER,
        **_ASCENDING,
    ),
    Api(
        "cluster_node",
        "ListClusterNodes",
        "ClusterNodeSummaries",
        _NODE,
        "DescribeClusterNode",
        {"ClusterName": _parent_name, "NodeLogicalId": lambda view: view.fact("NodeLogicalId"), "NodeId": own},
        {**_NODE, "Placement": lambda view: {"AvailabilityZone": f"{view.place.name}a"}},
        "NodeDetails",
        ("NodeLogicalId", "NodeId"),
        filters={
            **CREATED,
            "InstanceGroupNameContains": _contains(_of_members("InstanceGroupName")),
            "IncludeNodeLogicalIds": _any,
        },
        sorts={"NAME": own, "CREATION_TIME": created},
        sort="CREATION_TIME",
        within="ClusterName",
        parent="cluster",
        unknown=("ResourceNotFound", "Node {name} was not found"),
        **_ASCENDING,
    ),
    Api(
        "cluster_event",
        "ListClusterEvents",
        "Events",
        _CLUSTER_EVENT,
        "DescribeClusterEvent",
        {"ClusterName": _parent_name, "EventId": own},
        CLUSTER_EVENT_DETAILS,
        "EventDetails",
        filters={
            "EventTimeAfter": CREATED["CreationTimeAfter"],
            "EventTimeBefore": CREATED["CreationTimeBefore"],
            "InstanceGroupName": _equals(_of_members("InstanceGroupName")),
            "NodeId": _equals(_of_members("InstanceId")),
            "OperationId": _equals(_of_members("OperationId")),
            "ResourceType": _equals(_of_members("ResourceType")),
        },
        sorts={"EventTime": created},
        sort="EventTime",
        within="ClusterName",
        parent="cluster",
        unknown=("ResourceNotFound", "Event {name} was not found"),
    ),
    Api(
        "cluster_scheduler_config",
        "ListClusterSchedulerConfigs",
        "ClusterSchedulerConfigSummaries",
        {
            **_GOVERNED,
            "ClusterSchedulerConfigArn": arn_of,
            "ClusterSchedulerConfigId": own,
            "ClusterSchedulerConfigVersion": _always(1),
            "ClusterArn": _parent_arn,
        },
        filters={**NAMED, **_SHORT, "ClusterArn": _is_on, "Status": _equals(status)},
        sorts=_WITH_STATUS,
    ),
    Api(
        "compute_quota",
        "ListComputeQuotas",
        "ComputeQuotaSummaries",
        {
            **_GOVERNED,
            "ComputeQuotaArn": arn_of,
            "ComputeQuotaId": own,
            "ComputeQuotaVersion": _always(1),
            "ClusterArn": _parent_arn,
            "ComputeQuotaTarget": lambda view: {"TeamName": view.fact("TeamName") or "research", "FairShareWeight": 1},
            "ActivationState": _always("Enabled"),
        },
        filters={**NAMED, **_SHORT, "ClusterArn": _is_on, "Status": _equals(status)},
        sorts={**_WITH_STATUS, "ClusterArn": _parent_arn},
    ),
    Api(
        "training_plan",
        "ListTrainingPlans",
        "TrainingPlanSummaries",
        _PLAN,
        "DescribeTrainingPlan",
        {"TrainingPlanName": name},
        {**_PLAN, **_told("UnhealthyInstanceCount", "AvailableSpareInstanceCount")},
        filters={
            "StartTimeAfter": lambda view, time: (view.fact("StartTime") or 0) > time,
            "StartTimeBefore": lambda view, time: (view.fact("StartTime") or 0) < time,
            "Filters": lambda view, filters: all(one["Value"] == view.state.status for one in filters),
        },
        sorts={
            "TrainingPlanName": name,
            "StartTime": lambda view: view.fact("StartTime") or 0,
            "Status": status,
        },
        sort="StartTime",
    ),
)

# Feature groups

_FEATURES: Members = {
    "FeatureGroupName": name,
    "FeatureGroupArn": arn_of,
    "CreationTime": created,
    "FeatureGroupStatus": status,
    **_told("OfflineStoreStatus"),
}
FEATURE_GROUP: Members = {
    **_FEATURES,
    "RecordIdentifierFeatureName": _always("id"),
    "EventTimeFeatureName": _always("seen"),
    "FeatureDefinitions": _always(
        [{"FeatureName": "id", "FeatureType": "String"}, {"FeatureName": "seen", "FeatureType": "Fractional"}]
    ),
    "LastModifiedTime": modified,
    "RoleArn": _role,
    "NextToken": _always(""),  # the model has it in every answer
    **_told(
        "OnlineStoreConfig",
        "OfflineStoreConfig",
        "ThroughputConfig",
        "LastUpdateStatus",
        "FailureReason",
        "Description",
        "OnlineStoreTotalSizeBytes",
    ),
}


def _offline_status(view: View) -> str:
    return str((view.fact("OfflineStoreStatus") or {}).get("Status", ""))


_FEATURE_GROUPS = (
    Api(
        "feature_group",
        "ListFeatureGroups",
        "FeatureGroupSummaries",
        _FEATURES,
        "DescribeFeatureGroup",
        {"FeatureGroupName": name},
        FEATURE_GROUP,
        optional=("NextToken",),
        filters={
            **NAMED,
            **CREATED,
            "FeatureGroupStatusEquals": _equals(status),
            "OfflineStoreStatusEquals": _equals(_offline_status),
        },
        sorts={**SORTS, "FeatureGroupStatus": status, "OfflineStoreStatus": _offline_status},
        unknown=("ResourceNotFound", "Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name {name}"),
    ),
)

# Model monitor

_ALERT_KEYS: Members = {
    "MonitoringAlertName": name,
    "AlertStatus": status,
}
_ALERTS = (
    Api(
        "monitoring_alert",
        "ListMonitoringAlerts",
        "MonitoringAlertSummaries",
        {
            **_ALERT_KEYS,
            "CreationTime": created,
            "LastModifiedTime": modified,
            "DatapointsToAlert": lambda view: view.fact("DatapointsToAlert") or 1,
            "EvaluationPeriod": lambda view: view.fact("EvaluationPeriod") or 1,
            "Actions": _always({"ModelDashboardIndicator": {"Enabled": True}}),
        },
        size=100,
        within="MonitoringScheduleName",
        parent="monitoring_schedule",
    ),
    Api(
        "monitoring_alert",
        "ListMonitoringAlertHistory",
        "MonitoringAlertHistory",
        {**_ALERT_KEYS, "MonitoringScheduleName": parent, "CreationTime": modified},
        filters={
            "MonitoringAlertName": _equals(name),
            "StatusEquals": _equals(status),
            "CreationTimeAfter": MODIFIED["LastModifiedTimeAfter"],
            "CreationTimeBefore": MODIFIED["LastModifiedTimeBefore"],
        },
        sorts={"CreationTime": modified, "Status": status},
        size=100,
        within="MonitoringScheduleName",
        parent="monitoring_schedule",
        required=False,
        past=True,
    ),
)

# Models and their registry

MODEL: Members = {"ModelName": name, "ModelArn": arn_of, "CreationTime": created}


def _container(view: View) -> dict[str, Any]:
    return {"Image": _image(view), "Mode": "SingleModel", "ModelDataUrl": _bucket(view, "models/model.tar.gz")}


MODEL_DESCRIPTION: Members = {
    **MODEL,
    "PrimaryContainer": _container,
    "ExecutionRoleArn": _role,
    "EnableNetworkIsolation": _always(value=False),
}
_GROUP: Members = {
    "ModelPackageGroupName": name,
    "ModelPackageGroupArn": arn_of,
    "CreationTime": created,
    "ModelPackageGroupStatus": status,
    **_told("ModelPackageGroupDescription"),
}


def _version(view: View) -> int | None:
    return int(view.thing.own) if view.thing.parent else None


def _package_group(view: View) -> str | None:
    return parent(view) or None


def _approval(view: View) -> str | None:
    return view.fact("ModelApprovalStatus") or ("PendingManualApproval" if view.thing.parent else None)


def _validations(view: View) -> dict[str, Any]:
    steps = {"Completed": "Completed", "Failed": "Failed", "InProgress": "InProgress"}
    one = {"Name": "validate", "Status": steps.get(view.state.status, "NotStarted")}
    return {"ValidationStatuses": [one], "ImageScanStatuses": []}


_PACKAGE: Members = {
    "ModelPackageName": lambda view: None if view.thing.parent else view.thing.name,
    "ModelPackageGroupName": _package_group,
    "ModelPackageVersion": _version,
    "ModelPackageArn": arn_of,
    "CreationTime": created,
    "ModelPackageStatus": status,
    "ModelApprovalStatus": _approval,
    **_told("ModelPackageDescription", "ModelLifeCycle"),
}
MODEL_PACKAGE: Members = {
    **_PACKAGE,
    "ModelPackageName": lambda view: parent(view) or view.thing.name,  # the model has it in every answer
    "ModelPackageStatusDetails": _validations,
    "CertifyForMarketplace": _always(value=False),
    "CreatedBy": _user,
    "LastModifiedTime": modified,
    "LastModifiedBy": _user,
    **_told("ApprovalDescription", "Domain", "Task"),
}


def _is_versioned(view: View, kind: str) -> bool:
    return kind == "Both" or (kind == "Versioned") == bool(view.thing.parent)


ALGORITHM: Members = {
    "AlgorithmName": name,
    "AlgorithmArn": arn_of,
    "AlgorithmDescription": lambda view: view.fact("AlgorithmDescription") or "",
    "CreationTime": created,
    "AlgorithmStatus": status,
}
_TRAINING_SPECIFICATION = {
    "TrainingImage": "algorithm:1",
    "SupportedTrainingInstanceTypes": ["ml.m5.xlarge"],
    "TrainingChannels": [
        {"Name": "train", "SupportedContentTypes": ["text/csv"], "SupportedInputModes": ["File"]},
    ],
}

_REGISTRY = (
    Api(
        "model",
        "ListModels",
        "Models",
        MODEL,
        "DescribeModel",
        {"ModelName": name},
        MODEL_DESCRIPTION,
        filters={**NAMED, **_FROM},
        sorts=SORTS,
        unknown=_GONE,
    ),
    Api(
        "model_package_group",
        "ListModelPackageGroups",
        "ModelPackageGroupSummaryList",
        _GROUP,
        "DescribeModelPackageGroup",
        {"ModelPackageGroupName": name},
        {**_GROUP, "CreatedBy": _user},
        filters={
            **NAMED,
            **CREATED,
            "CrossAccountFilterOption": lambda _, option: option == "SameAccount",
        },
        sorts=SORTS,
        unknown=("ValidationException", "ModelPackageGroup {arn} does not exist."),
        **_ASCENDING,
    ),
    Api(
        "model_package",
        "ListModelPackages",
        "ModelPackageSummaryList",
        _PACKAGE,
        "DescribeModelPackage",
        {"ModelPackageName": lambda view: view.arn(view.thing.resource) if view.thing.parent else view.thing.name},
        MODEL_PACKAGE,
        optional=("IncludedData",),
        filters={
            **NAMED,
            **CREATED,
            "ModelApprovalStatus": _equals(_approval),
            "ModelPackageType": _is_versioned,
        },
        assumed={"ModelPackageType": "Unversioned"},
        sorts={"Name": lambda view: view.thing.resource, "CreationTime": created},
        within="ModelPackageGroupName",
        parent="model_package_group",
        required=False,
        unknown=("ValidationException", "ModelPackage {arn} does not exist."),
        **_ASCENDING,
    ),
    Api(
        "algorithm",
        "ListAlgorithms",
        "AlgorithmSummaryList",
        ALGORITHM,
        "DescribeAlgorithm",
        {"AlgorithmName": name},
        {
            **ALGORITHM,
            "TrainingSpecification": _always(_TRAINING_SPECIFICATION),
            "AlgorithmStatusDetails": lambda _: {},
            "CertifyForMarketplace": _always(value=False),
        },
        filters={**NAMED, **CREATED},
        sorts=SORTS,
        unknown=("ValidationException", "Algorithm {arn} does not exist."),
        **_ASCENDING,
    ),
)

# Studio

_LIVED: Members = {"Status": status, "CreationTime": created, "LastModifiedTime": modified}


def _domain(view: View) -> str:
    """Return the id of the domain of what is in it."""
    return view.thing.parent.split("/")[1]


def _holder(path: str) -> Fact:
    return lambda view: parent(view) if view.thing.parent.startswith(f"{path}/") else None


def _disk(view: View) -> dict[str, Any] | None:
    size = view.fact("EbsVolumeSizeInGb")
    return None if size is None else {"EbsStorageSettings": {"EbsVolumeSizeInGb": size}}


def _space_settings(view: View) -> dict[str, Any]:
    told = {"AppType": view.fact("AppType"), "SpaceStorageSettings": _disk(view)}
    return {name: value for name, value in told.items() if value is not None}


def _sharing(view: View) -> dict[str, Any]:
    return {"SharingType": view.fact("SharingType") or "Private"}


def _owner(view: View) -> dict[str, Any]:
    return {"OwnerUserProfileName": view.fact("OwnerUserProfileName") or "anna"}


_DOMAIN: Members = {
    **_LIVED,
    "DomainArn": arn_of,
    "DomainId": own,
    "DomainName": name,
    "Url": lambda view: f"https://{view.thing.own}.studio.{view.place.name}.sagemaker.aws",
}
_PROFILE: Members = {**_LIVED, "DomainId": _domain, "UserProfileName": name}
_SPACE: Members = {**_LIVED, "DomainId": _domain, "SpaceName": name}
_APP: Members = {
    "DomainId": _domain,
    "UserProfileName": _holder("user-profile"),
    "SpaceName": _holder("space"),
    "AppType": lambda view: view.fact("AppType"),
    "AppName": name,
    "Status": status,
    "CreationTime": created,
    "ResourceSpec": lambda view: {"InstanceType": view.fact("InstanceType") or "system"},
}
_STUDIO_LIST: dict[str, Any] = {"order": "Ascending", "sorts": {"CreationTime": created}}
_STUDIO_SORTS: dict[str, Any] = {
    "order": "Ascending",
    "sorts": {"CreationTime": created, "LastModifiedTime": modified},
}

_STUDIO = (
    Api(
        "domain",
        "ListDomains",
        "Domains",
        _DOMAIN,
        "DescribeDomain",
        {"DomainId": own},
        {
            **_DOMAIN,
            "AuthMode": _always("IAM"),
            "AppNetworkAccessType": _always("PublicInternetOnly"),
            "VpcId": _always("vpc-0a1b2c3d"),
            "SubnetIds": _always(["subnet-0a1b2c3d"]),
            "DefaultUserSettings": lambda view: {"ExecutionRole": _role(view)},
            **_told("FailureReason"),
        },
        unknown=("ResourceNotFound", "Domain [{name}] does not exist."),
    ),
    Api(
        "user_profile",
        "ListUserProfiles",
        "UserProfiles",
        _PROFILE,
        "DescribeUserProfile",
        {"DomainId": _domain, "UserProfileName": name},
        {**_PROFILE, "UserProfileArn": arn_of, **_told("FailureReason")},
        filters={"DomainIdEquals": _equals(_domain), "UserProfileNameContains": _contains(name)},
        unknown=("ResourceNotFound", "UserProfile [{name}] does not exist."),
        **_STUDIO_SORTS,
    ),
    Api(
        "space",
        "ListSpaces",
        "Spaces",
        {
            **_SPACE,
            "SpaceSettingsSummary": _space_settings,
            "SpaceSharingSettingsSummary": _sharing,
            "OwnershipSettingsSummary": _owner,
        },
        "DescribeSpace",
        {"DomainId": _domain, "SpaceName": name},
        {
            **_SPACE,
            "SpaceArn": arn_of,
            "SpaceSettings": _space_settings,
            "SpaceSharingSettings": _sharing,
            "OwnershipSettings": _owner,
            **_told("FailureReason"),
        },
        filters={"DomainIdEquals": _equals(_domain), "SpaceNameContains": _contains(name)},
        unknown=("ResourceNotFound", "Space [{name}] does not exist."),
        **_STUDIO_SORTS,
    ),
    Api(
        "app",
        "ListApps",
        "Apps",
        _APP,
        "DescribeApp",
        {
            "DomainId": _domain,
            "UserProfileName": _APP["UserProfileName"],
            "SpaceName": _APP["SpaceName"],
            "AppType": _APP["AppType"],
            "AppName": name,
        },
        {
            **_APP,
            "AppArn": arn_of,
            **_told("FailureReason", "LastHealthCheckTimestamp", "LastUserActivityTimestamp"),
        },
        optional=("UserProfileName", "SpaceName"),
        filters={
            "DomainIdEquals": _equals(_domain),
            "UserProfileNameEquals": _equals(_APP["UserProfileName"]),
            "SpaceNameEquals": _equals(_APP["SpaceName"]),
        },
        unknown=("ResourceNotFound", "App [{name}] does not exist."),
        **_STUDIO_LIST,
    ),
)

# The rest

IMAGE: Members = _noun("Image", "Description", "DisplayName", "FailureReason", ImageStatus=status)
IMAGE_VERSION: Members = {
    "CreationTime": created,
    "LastModifiedTime": modified,
    "ImageArn": _parent_arn,
    "ImageVersionArn": arn_of,
    "ImageVersionStatus": status,
    "Version": lambda view: int(view.thing.own),
    **_told("FailureReason"),
}
_UP_OR_DOWN: dict[str, Any] = {"orders": ("ASCENDING", "DESCENDING"), "order": "DESCENDING", "sort": "CREATION_TIME"}

_INACTIVE = frozenset({"Creating", "CreateFailed", "Stopping", "Stopped", "Starting", "StartFailed", "Deleting"})


def _is_active(view: View) -> str:
    return "Inactive" if view.state.status in _INACTIVE else "Active"


def _mlflow_version(view: View) -> str:
    return view.fact("MlflowVersion") or "3.0"


_TRACKING = _noun("TrackingServer", TrackingServerStatus=status, IsActive=_is_active, MlflowVersion=_mlflow_version)
TRACKING_SERVER: Members = {
    **_TRACKING,
    "ArtifactStoreUri": lambda view: _bucket(view, "mlflow"),
    "TrackingServerSize": lambda view: view.fact("TrackingServerSize") or "Small",
    "RoleArn": _role,
    "TrackingServerUrl": lambda view: f"https://t-0001.{view.place.name}.experiments.sagemaker.aws",
    "WeeklyMaintenanceWindowStart": _always("Tue:03:30"),
    "AutomaticModelRegistration": _always(value=False),
    "CreatedBy": _user,
    "LastModifiedBy": _user,
    **_told("TrackingServerMaintenanceStatus"),
}


def _members(view: View) -> list[dict[str, Any]]:
    groups = view.fact("UserGroups") or ("labelers",)
    pool = {"UserPool": f"{view.place.name}_demo", "ClientId": "0a1b2c3d4e"}
    return [{"CognitoMemberDefinition": {**pool, "UserGroup": group}} for group in groups]


_WORKTEAM: Members = {
    "WorkteamName": name,
    "WorkteamArn": arn_of,
    "MemberDefinitions": _members,
    "Description": lambda view: view.fact("Description") or "",
    "CreateDate": created,
    "LastUpdatedDate": modified,
}
_DATED: dict[str, Fact] = {"Name": name, "CreateDate": created}
_ARN: Members = {"Arn": arn_of, "Name": name, "Status": status, "CreationTime": created}
_EDGE_SORTS: dict[str, Fact] = {"NAME": name, "CREATION_TIME": created, "LAST_MODIFIED_TIME": modified}


def _fleet(view: View) -> str:
    return view.fact("DeviceFleetName") or "cameras"


_REST = (
    Api(
        "image",
        "ListImages",
        "Images",
        IMAGE,
        "DescribeImage",
        {"ImageName": name},
        {**IMAGE, "RoleArn": _role},
        filters={**NAMED, **CREATED, **MODIFIED},
        sorts={"CREATION_TIME": created, "LAST_MODIFIED_TIME": modified, "IMAGE_NAME": name},
        unknown=("ResourceNotFound", "No Image with the name {name} found."),
        **_UP_OR_DOWN,
    ),
    Api(
        "image_version",
        "ListImageVersions",
        "ImageVersions",
        IMAGE_VERSION,
        "DescribeImageVersion",
        {"Alias": _always(None), "ImageName": parent, "Version": lambda view: int(view.thing.own)},
        {**IMAGE_VERSION, "BaseImage": _image, "ContainerImage": _image},
        optional=("Alias", "Version"),
        newest=True,
        filters={**CREATED, **MODIFIED},
        sorts={"CREATION_TIME": created, "LAST_MODIFIED_TIME": modified, "VERSION": lambda view: int(view.thing.own)},
        within="ImageName",
        parent="image",
        unknown=("ResourceNotFound", "No ImageVersion {name} found."),
        **_UP_OR_DOWN,
    ),
    Api(
        "mlflow_tracking_server",
        "ListMlflowTrackingServers",
        "TrackingServerSummaries",
        _TRACKING,
        "DescribeMlflowTrackingServer",
        {"TrackingServerName": name},
        TRACKING_SERVER,
        filters={**_SHORT, "TrackingServerStatus": _equals(status), "MlflowVersion": _equals(_mlflow_version)},
        sorts=_WITH_STATUS,
        unknown=("ResourceNotFound", "TrackingServer {name} does not exist."),
    ),
    Api(
        "mlflow_app",
        "ListMlflowApps",
        "Summaries",
        {**_ARN, "LastModifiedTime": modified, "MlflowVersion": _mlflow_version},
        filters={
            **_SHORT,
            "Status": _equals(status),
            "MlflowVersion": _equals(_mlflow_version),
            "DefaultForDomainId": _none,
            "AccountDefaultStatus": lambda _, wanted: wanted == "DISABLED",
        },
        sorts=_WITH_STATUS,
    ),
    Api(
        "partner_app",
        "ListPartnerApps",
        "Summaries",
        {**_ARN, "Type": lambda view: view.fact("Type") or "comet"},
    ),
    Api(
        "hub",
        "ListHubs",
        "HubSummaries",
        _noun("Hub", "HubDisplayName", "HubDescription", HubStatus=status),
        filters={**NAMED, **CREATED, **MODIFIED},
        sorts={
            "HubName": name,
            "CreationTime": created,
            "HubStatus": status,
            "AccountIdOwner": lambda view: view.place.account,
        },
    ),
    Api(
        "project",
        "ListProjects",
        "ProjectSummaryList",
        {
            "ProjectName": name,
            "ProjectArn": arn_of,
            "ProjectId": lambda view: f"p-{view.thing.number:012d}",
            "CreationTime": created,
            "ProjectStatus": status,
            **_told("ProjectDescription"),
        },
        filters={**NAMED, **CREATED},
        sorts=SORTS,
        **_ASCENDING,
    ),
    Api(
        "workforce",
        "ListWorkforces",
        "Workforces",
        {
            "WorkforceName": name,
            "WorkforceArn": arn_of,
            "Status": status,
            "CreateDate": created,
            "LastUpdatedDate": modified,
            "CognitoConfig": lambda view: {"UserPool": f"{view.place.name}_demo", "ClientId": "0a1b2c3d4e"},
            **_told("FailureReason"),
        },
        filters=NAMED,
        sorts=_DATED,
        sort="CreateDate",
    ),
    Api(
        "workteam",
        "ListWorkteams",
        "Workteams",
        _WORKTEAM,
        "DescribeWorkteam",
        {"WorkteamName": name},
        _WORKTEAM,
        "Workteam",
        filters=NAMED,
        sorts=_DATED,
        sort="CreateDate",
        unknown=("ValidationException", "Workteam not found: {arn}"),
        **_ASCENDING,
    ),
    Api(
        "inference_router",
        "ListInferenceRouters",
        "InferenceRouters",
        _noun("InferenceRouter"),
    ),
    Api(
        "experiment",
        "ListExperiments",
        "ExperimentSummaries",
        _noun("Experiment", "DisplayName"),
        filters=_SHORT,
        sorts=SORTS,
    ),
    Api(
        "device_fleet",
        "ListDeviceFleets",
        "DeviceFleetSummaries",
        _noun("DeviceFleet"),
        filters={**NAMED, **CREATED, **MODIFIED},
        sorts=_EDGE_SORTS,
        sort="CREATION_TIME",
    ),
    Api(
        "edge_deployment_plan",
        "ListEdgeDeploymentPlans",
        "EdgeDeploymentPlanSummaries",
        _noun(
            "EdgeDeploymentPlan",
            DeviceFleetName=_fleet,
            EdgeDeploymentSuccess=lambda view: view.fact("EdgeDeploymentSuccess") or 0,
            EdgeDeploymentPending=lambda view: view.fact("EdgeDeploymentPending") or 0,
            EdgeDeploymentFailed=lambda view: view.fact("EdgeDeploymentFailed") or 0,
        ),
        filters={**NAMED, **CREATED, **MODIFIED, "DeviceFleetNameContains": _contains(_fleet)},
        sorts={**_EDGE_SORTS, "DEVICE_FLEET_NAME": _fleet},
        sort="CREATION_TIME",
        size=50,
    ),
)

APIS: tuple[Api, ...] = (
    *_NOTEBOOKS,
    *_HYPERPOD,
    *_FEATURE_GROUPS,
    *_ALERTS,
    *_REGISTRY,
    *_STUDIO,
    *_REST,
)
"""What the service `sagemaker` answers."""

_BY_KIND: dict[str, Api] = {api.kind: api for api in reversed(APIS)}


def of_kind(kind: str) -> Api:
    """Return the row of a kind, the first if there are more."""
    return _BY_KIND[kind]
