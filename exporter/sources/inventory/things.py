"""Families about things of all other kinds: what each is told by, as rows.

A row is a function of the facts that AWS told of a thing, or of an item in a list about it; it yields what it shows,
with the labels that come after those of the thing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from exporter.catalogue import CATALOGUE
from exporter.inventory import KINDS, Facts, Kind, Thing, Told
from exporter.sources.inventory.values import Value, states

GIBIBYTE = 2**30
STATUS, CREATED, MODIFIED = "status", "created", "modified"  # of the thing, among the facts of its listing
RUNS = "InService"  # a Studio app
SPACE_SIZE = "SpaceSettingsSummary.SpaceStorageSettings.EbsStorageSettings.EbsVolumeSizeInGb"

Row = Callable[[Facts], Iterator[Value]]


def _status(family: str, path: str = STATUS) -> Row:
    def row(facts: Facts) -> Iterator[Value]:
        if path in facts:
            yield from states(family, (), facts[path])

    return row


def _value(family: str, path: str) -> Row:
    def row(facts: Facts) -> Iterator[Value]:
        yield family, (), facts.get(path)

    return row


def _info(family: str, *paths: str) -> Row:
    def row(facts: Facts) -> Iterator[Value]:
        yield family, tuple(facts.get(path, "") for path in paths), 1.0

    return row


def _each(path: str, label: str, *rows: Row) -> Row:
    """Return a row that yields what others do of each item in a list, under a label of it."""

    def row(facts: Facts) -> Iterator[Value]:
        for item in facts.get(path, ()):
            yield from _under(label, *rows)(item)

    return row


def _under(label: str, *rows: Row) -> Row:
    def row(facts: Facts) -> Iterator[Value]:
        for one in rows:
            for family, labels, value in one(facts):
                yield family, (facts.get(label, ""), *labels), value

    return row


def _members(facts: Facts) -> Iterator[Value]:
    yield "workteam_members", (), len(facts.get("MemberDefinitions[]", ()))


def _is_active(facts: Facts) -> Iterator[Value]:
    if "IsActive" in facts:
        yield "mlflow_tracking_server_active", (), float(facts["IsActive"] == "Active")


def _fee(facts: Facts) -> Iterator[Value]:
    fee = facts.get("UpfrontFee", "")
    if facts.get("CurrencyCode") == "USD" and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", fee, re.ASCII):
        yield "training_plan_upfront_fee_usd", (), float(fee)


def _feature_group(facts: Facts) -> Iterator[Value]:
    online = facts.get("OnlineStoreConfig.EnableOnlineStore", False)
    storage = facts.get("OnlineStoreConfig.StorageType", "Standard") if online else ""
    throughput = facts.get("ThroughputConfig.ThroughputMode", "")
    yield "feature_group_info", ("true" if online else "false", storage, throughput), 1.0


def _plan_instances(facts: Facts) -> Iterator[Value]:
    for use, path in {
        "available": "AvailableInstanceCount",
        "in_use": "InUseInstanceCount",
        "unhealthy": "UnhealthyInstanceCount",
        "spare": "AvailableSpareInstanceCount",
    }.items():
        yield "training_plan_instances", (use,), facts.get(path)


def _cluster(facts: Facts) -> Iterator[Value]:
    eks = facts.get("Orchestrator.Eks.ClusterArn", "").rpartition("/")[2]
    yield "cluster_info", ("eks" if eks else "slurm", eks, facts.get("NodeRecovery", "")), 1.0


_GROUP = (
    _status("cluster_instance_group_status", "Status"),
    _info("cluster_instance_group_info", "InstanceType", "ImageVersionStatus"),
    _value("cluster_instance_group_current_instances", "CurrentCount"),
    _value("cluster_instance_group_target_instances", "TargetCount"),
)

LISTED: Mapping[str, tuple[Row, ...]] = {  # by kind: what the listing tells of a thing
    "notebook_instance": (
        _status("notebook_instance_status"),
        _info("notebook_instance_info", "InstanceType"),
        _value("notebook_instance_last_modified_timestamp_seconds", MODIFIED),
    ),
    "domain": (_status("domain_status"), _info("domain_info", "DomainName")),
    "feature_group": (
        _status("feature_group_status"),
        _status("feature_group_offline_store_status", "OfflineStoreStatus.Status"),
        _value("feature_group_created_timestamp_seconds", CREATED),
    ),
    "pipeline": (
        _value("pipeline_last_execution_timestamp_seconds", "LastExecutionTime"),
        _value("pipeline_last_modified_timestamp_seconds", MODIFIED),
    ),
    "model_package_group": (_status("model_package_group_status"),),
    "monitoring_schedule": (
        _status("model_monitor_schedule_status"),
        _info("model_monitor_schedule_info", "EndpointName", "MonitoringType"),
    ),
    "cluster": (_status("cluster_status"),),
    "training_plan": (
        _status("training_plan_status"),
        _value("training_plan_start_timestamp_seconds", "StartTime"),
        _value("training_plan_end_timestamp_seconds", "EndTime"),
        _fee,
    ),
    "mlflow_tracking_server": (_status("mlflow_tracking_server_status"), _is_active),
    "workteam": (_members,),
}

TOLD: Mapping[str, tuple[Row, ...]] = {  # by operation: what it tells of a thing, or of each item in a list about it
    "DescribeFeatureGroup": (
        _feature_group,
        _status("feature_group_last_update_status", "LastUpdateStatus.Status"),
        _value("feature_group_online_store_size_bytes", "OnlineStoreTotalSizeBytes"),
        _value("feature_group_provisioned_read_capacity_units", "ThroughputConfig.ProvisionedReadCapacityUnits"),
        _value("feature_group_provisioned_write_capacity_units", "ThroughputConfig.ProvisionedWriteCapacityUnits"),
    ),
    "ListMonitoringExecutions": (
        _status("model_monitor_last_execution_status", "MonitoringExecutionStatus"),
        _value("model_monitor_last_execution_timestamp_seconds", "ScheduledTime"),
    ),
    "ListMonitoringAlerts": (_under("MonitoringAlertName", _status("model_monitor_alert_status", "AlertStatus")),),
    "ListClusterNodes": (
        _under("InstanceGroupName", _under("InstanceId", _status("cluster_node_status", "InstanceStatus.Status"))),
    ),
    "DescribeCluster": (
        _cluster,
        _each("InstanceGroups[]", "InstanceGroupName", *_GROUP),
        _each("RestrictedInstanceGroups[]", "InstanceGroupName", *_GROUP),
    ),
    "DescribeTrainingPlan": (_plan_instances,),
    "DescribeMlflowTrackingServer": (_info("mlflow_tracking_server_info", "TrackingServerSize", "MlflowVersion"),),
}


def listed(thing: Thing) -> Iterator[Value]:
    """Yield what a listing tells of a thing."""
    times = {CREATED: thing.created or None, MODIFIED: thing.modified or None}
    return _of(thing, LISTED.get(thing.kind, ()), {**thing.facts, **times, STATUS: thing.status})


def told(thing: Thing, operation: str) -> Iterator[Value]:
    """Yield what an operation told of a thing."""
    for item in thing.told[operation].items:
        yield from _of(thing, TOLD.get(operation, ()), item)
    if operation == "ListClusterNodes":
        yield from _nodes(thing)


def _of(thing: Thing, rows: Iterable[Row], facts: Facts) -> Iterator[Value]:
    names = tuple(map(thing.text, KINDS[thing.kind].names))
    for row in rows:
        for family, labels, value in row(facts):
            yield family, (*names, *labels), value


def _nodes(cluster: Thing) -> Iterator[Value]:
    """Yield how many nodes of each group have each status; groups without nodes are known by their description."""
    groups = {
        group.get("InstanceGroupName", "")
        for facts in (cluster.told["DescribeCluster"].items if "DescribeCluster" in cluster.told else ())
        for path in ("InstanceGroups[]", "RestrictedInstanceGroups[]")
        for group in facts.get(path, ())
    }
    nodes = Counter(
        (node.get("InstanceGroupName", ""), node.get("InstanceStatus.Status", ""))
        for node in cluster.told["ListClusterNodes"].items
    )
    counts = _seeded("cluster_nodes", groups | {group for group, _ in nodes}, nodes)
    for (group, status), number in counts.items():
        yield "cluster_nodes", (cluster.name, group, status), number


def _seeded(family: str, of: Iterable[str], counts: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Return counts by two labels, with 0 for each known value of the second one."""
    row = CATALOGUE[f"sagemaker_{family}"]
    return {(one, word): 0 for one in of for word in row.known(row.labels[-1])} | dict(counts)


# -- sums over a listing -----------------------------------------------------------------------------------------------


def sums(kind: Kind, things: Collection[Thing]) -> Iterator[Value]:
    """Yield what is summed up over the things of a kind."""
    if kind.name == "notebook_instance":
        yield from _counted("notebook_instances", ((one.text("InstanceType"), one.status) for one in things))
    elif kind.name == "app":
        types = ((one.text("AppType"), one.text("ResourceSpec.InstanceType"), one.status) for one in things)
        yield from _counted("apps", types)
        yield from _apps([one for one in things if one.status == RUNS])
    elif kind.name == "space":
        storage: Counter[str] = Counter()
        for space in things:
            storage[space.text("DomainId")] += GIBIBYTE * int(space.facts.get(SPACE_SIZE, 0))
        for domain, size in storage.items():
            yield "space_storage_bytes", (domain,), size


def _apps(running: Iterable[Thing]) -> Iterator[Value]:
    """Yield what is told of apps that run. People have apps of the same name, and no label tells whose an app is."""
    alike: dict[tuple[str, ...], list[Thing]] = {}
    for app in running:
        labels = tuple(map(app.text, ("DomainId", "AppType", "AppName", "SpaceName")))
        alike.setdefault(labels, []).append(app)
    for labels, apps in alike.items():
        for instance_type in {app.text("ResourceSpec.InstanceType") for app in apps}:
            yield "app_info", (*labels, instance_type), 1.0
        yield "app_created_timestamp_seconds", labels, min(app.created for app in apps) or None
        used = [at for app in apps for told in app.told.values() for at in _used(told)]
        yield "app_last_user_activity_timestamp_seconds", labels, max(used, default=None)


def _used(told: Told) -> Iterator[float]:
    """Yield when somebody used an app: where nobody did, AWS tells the time of its own check of its health."""
    for facts in told.items:
        at = facts.get("LastUserActivityTimestamp")
        if at is not None and at != facts.get("LastHealthCheckTimestamp"):
            yield at


def _counted(family: str, labels: Iterable[tuple[str, ...]]) -> Iterator[Value]:
    for of, number in Counter(labels).items():
        yield family, of, number


def resources(kind: str, statuses: Iterable[str]) -> Iterator[Value]:
    """Yield how many resources of a kind have each status."""
    return _counted("resources", ((kind, status) for status in statuses))


def registry(groups: Iterable[str], packages: Iterable[Thing]) -> Iterator[Value]:
    """Yield what is to be said of groups of model packages, by the packages in them."""
    packages = list(packages)
    approvals = Counter((one.name, one.text("ModelApprovalStatus")) for one in packages)
    failed = Counter(one.name for one in packages if one.status == "Failed")
    named = {*groups, *(one.name for one in packages)}
    for labels, number in _seeded("model_package_group_packages", named, approvals).items():
        yield "model_package_group_packages", labels, number
    for name in named:
        yield "model_package_group_failed_packages", (name,), failed[name]
    latest: dict[str, Thing] = {}
    for one in packages:
        if _version(one) >= _version(latest.get(one.name)):
            latest[one.name] = one
    for name, one in latest.items():
        yield "model_package_group_latest_version", (name,), _version(one)
        yield "model_package_group_latest_version_timestamp_seconds", (name,), one.created or None


def _version(package: Thing | None) -> float:
    return float(package.facts.get("ModelPackageVersion", 0.0)) if package else 0.0
