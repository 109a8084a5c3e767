"""The notebooks, clusters and other things of the demo: a few of each kind, which change now and then over the day.

What stands in a region when the demo begins is the same for all seeds; when it changes is a matter of chance, and the
same for the same seed. Names are those that the demo's metrics are about.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from exporter.demo.jobs import Work, life
from exporter.demo.resources import arn
from exporter.demo.traffic import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.demo.things import Thing
    from exporter.demo.world import World

MINUTE, HOUR, DAY = 60, 3600, 86_400

MODELS = ("model-1", "model-2", "many-models", "llama")
PACKAGES = (("fraud", 4), ("churn", 3), ("price", 2))
_OTHERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("algorithm", "boosted-trees", {"AlgorithmDescription": "Gradient boosting"}),
    ("device_fleet", "cameras", {}),
    ("edge_deployment_plan", "cameras-v2", {"EdgeDeploymentSuccess": 12, "EdgeDeploymentPending": 3}),
    ("experiment", "lower-latency", {}),
    ("hub", "models-of-the-house", {}),
    ("inference_router", "chat", {}),
    ("mlflow_app", "tracking", {}),
    ("notebook_lifecycle_config", "auto-stop", {}),
    ("partner_app", "comet", {"Type": "comet"}),
    ("project", "fraud", {}),
    ("workforce", "default", {}),
    ("workteam", "labelers", {"UserGroups": ["day", "night"]}),
)
_BLOCKED = {"Status": "Blocked", "BlockedReason": "Access to s3://demo-features was denied"}
_SICK = {
    "HealthStatus": "Unhealthy",
    "HealthStatusReason": "NvidiaErrorTerminate",
    "RepairAction": "Replace",
    "Recommendation": "The node is replaced by itself where node recovery is automatic",
}
_NODE = "i-0a1b2c3d4e5f6{nth:04d}"


def add_things(world: World, account: str, region: str, now: int, until: float) -> None:
    """Add the things of a region, as they stand when the demo begins at `now` and as they change until `until`."""
    luck = random.Random(number_of(world.seed, account, region, "things"))  # noqa: S311 - no secret
    town = _Town(world, account, region, now, until, luck)
    for kind, name, facts in _OTHERS:
        town.add(kind, name, town.before(20), **facts)
    for name in MODELS:
        town.add("model", name, town.before(30))
    town.open_notebooks()
    town.open_studio()
    town.keep_features()
    town.run_cluster()
    town.reserve()
    town.watch_models()
    town.register_packages()
    town.track()


@dataclass(frozen=True, slots=True)
class _Town:
    """One region of one account, while it is furnished."""

    world: World
    account: str
    region: str
    now: int
    until: float
    luck: random.Random
    nodes: count[int] = field(default_factory=partial(count, 1))

    def before(self, days: float) -> float:
        """Return a time so many days before the beginning."""
        return float(self.now - int(days * DAY))

    def times(self, first: float, every: float) -> Iterator[float]:
        """Yield times from a day before the beginning on: `first` seconds after it, and all `every` seconds, about."""
        at = self.now + first
        while at - every > self.now - DAY:
            at -= every
        while at < self.until:
            yield at + self.luck.uniform(0, every / 20)
            at += every

    def add(self, kind: str, name: str, at: float, **facts: Any) -> Thing:
        return self.world.add_thing(self.account, self.region, kind, name, at, **facts)

    def change(self, thing: Thing, at: float, status: str | None = None, **facts: Any) -> None:
        self.world.change_thing(self.account, self.region, thing, at, status, **facts)

    def steps(self, thing: Thing, at: float, *steps: tuple[float, str]) -> None:
        """Let a thing enter statuses so many seconds after `at`."""
        for after, status in steps:
            self.change(thing, at + after, status)

    def open_notebooks(self) -> None:
        """Three that stop and start again, one that is stopped for most of the time, one that has failed."""
        for nth, (name, size) in enumerate((("anna", "t3.medium"), ("ben", "t3.xlarge"), ("carla", "g5.xlarge"))):
            facts = {"InstanceType": f"ml.{size}", "NotebookInstanceLifecycleConfigName": "auto-stop"}
            notebook = self.add("notebook_instance", name, self.before(9 + nth), tags={"team": "risk"}, **facts)
            for at in self.times((1 + nth) * HOUR, 4 * HOUR):
                self.steps(notebook, at, (0, "Stopping"), (90, "Stopped"), (1800, "Pending"), (1950, "InService"))
        seldom = self.add("notebook_instance", "dora", self.before(40), status="Stopped", InstanceType="ml.m5.xlarge")
        for at in self.times(3 * HOUR, 8 * HOUR):
            self.steps(seldom, at, (0, "Pending"), (140, "InService"), (7200, "Stopping"), (7290, "Stopped"))
        broken = self.add("notebook_instance", "emil", self.before(12), InstanceType="ml.t3.large")
        failed = "Instance creation failed. Error from EC2: Insufficient capacity"
        self.change(broken, self.now - 2 * HOUR, "Failed", FailureReason=failed)
        again = float(self.now + 8 * HOUR)
        self.change(broken, again, "Deleting")
        self.world.delete_thing(self.account, self.region, broken, again + 60)
        replaced = self.add("notebook_instance", "emil", again + 600, status="Pending", InstanceType="ml.t3.xlarge")
        self.change(replaced, again + 780, "InService")

    def open_studio(self) -> None:
        """Two domains with people, spaces, and apps that come and go."""
        first, second = (
            self.add("domain", name, self.before(60), id=f"d-{name[:4]}0a1b2c3d") for name in ("forecast", "vision")
        )
        for domain, name in ((first, "anna"), (first, "ben"), (second, "carla")):
            self.add("user_profile", name, self.before(50), parent=domain.resource, tags={"team": "risk"})
        spaces = (
            (first, "anna-lab", "JupyterLab", 20, "ml.t3.medium"),
            (first, "shared-lab", "JupyterLab", 100, "ml.g5.xlarge"),
            (second, "carla-code", "CodeEditor", 50, "ml.t3.large"),
        )
        for nth, (domain, name, kind, disk, size) in enumerate(spaces):
            facts = {"AppType": kind, "EbsVolumeSizeInGb": disk}
            space = self.add("space", name, self.before(30), parent=domain.resource, **facts)
            if nth == 1:
                self.change(space, self.now + 5 * HOUR, EbsVolumeSizeInGb=200)
            for at in self.times(-HOUR * (1 + nth / 2), 5 * HOUR):
                self._use(space, kind, at, size)

    def _use(self, space: Thing, kind: str, at: float, size: str) -> None:
        app = self.add(
            "app",
            "default",
            at,
            id=f"{kind}/default",
            parent=space.resource,
            status="Pending",
            AppType=kind,
            InstanceType=size,
            LastHealthCheckTimestamp=lambda now: now // MINUTE * MINUTE,
            LastUserActivityTimestamp=lambda now: max(at, now // 900 * 900),
        )
        self.steps(app, at, (70, "InService"), (4 * HOUR, "Deleting"), (4 * HOUR + 40, "Deleted"))
        self.world.delete_thing(self.account, self.region, app, at + 4.5 * HOUR)

    def keep_features(self) -> None:
        """Four groups: online and offline, in memory, offline and blocked at times, and one that could not be made."""
        begin = self.before(25)
        online = {"EnableOnlineStore": True, "StorageType": "Standard"}
        store = {"S3StorageConfig": {"S3Uri": "s3://demo-features/offline"}, "TableFormat": "Iceberg"}
        active = {"OfflineStoreConfig": store, "OfflineStoreStatus": {"Status": "Active"}}
        pays = {"ThroughputMode": "OnDemand"}
        customers = self.add(
            "feature_group",
            "customers",
            begin,
            tags={"team": "features"},
            OnlineStoreConfig=online,
            OnlineStoreTotalSizeBytes=lambda now: 4_000_000 + 9 * int(now - begin),
            ThroughputConfig=pays,
            **active,
        )
        for at in self.times(2 * HOUR, 6 * HOUR):
            self.change(customers, at, LastUpdateStatus={"Status": "InProgress"})
            self.change(customers, at + 120, LastUpdateStatus={"Status": "Successful"})
        provisioned = {
            "ThroughputMode": "Provisioned",
            "ProvisionedReadCapacityUnits": 40,
            "ProvisionedWriteCapacityUnits": 20,
        }
        self.add(
            "feature_group",
            "orders",
            begin,
            OnlineStoreConfig={**online, "StorageType": "InMemory"},
            OnlineStoreTotalSizeBytes=lambda now: 250_000_000 + int(2e8 * (now % DAY) / DAY),
            ThroughputConfig=provisioned,
        )
        products = self.add("feature_group", "products", begin, ThroughputConfig=pays, **active)
        for at in self.times(1.5 * HOUR, 8 * HOUR):
            self.change(products, at, OfflineStoreStatus=_BLOCKED)
            self.change(products, at + 40 * MINUTE, OfflineStoreStatus={"Status": "Active"})
        clicks = self.add(
            "feature_group", "clicks", float(self.now - HOUR), status="Creating", OnlineStoreConfig=online
        )
        refused = "The execution role must have the permissions to access the offline store"
        self.change(clicks, self.now - HOUR + 90.0, "CreateFailed", FailureReason=refused)

    def run_cluster(self) -> None:
        """A HyperPod cluster of three groups; a node of the workers gets sick and is replaced every five hours."""
        begin = self.before(15)
        eks = arn("eks", self.region, self.account, "cluster/training")
        cluster = self.add(
            "cluster",
            "hyperpod-eks",
            begin,
            id="0a1b2c3d4e5f",
            Orchestrator={"Eks": {"ClusterArn": eks}},
            NodeRecovery="Automatic",
            NodeProvisioningMode="Continuous",
            ImageVersionStatus="UpdateAvailable",
        )
        self.add("cluster_scheduler_config", "fair", begin, id="1a1b2c3d4e5f", parent=cluster.resource)
        self.add("compute_quota", "research", begin, id="2a1b2c3d4e5f", parent=cluster.resource)
        self._group(cluster, "controller", "ml.m5.xlarge", 1)
        workers, *_, sick = self._group(cluster, "workers", "ml.g5.12xlarge", 4)
        reserve, *_ = self._group(cluster, "reserve", "ml.g5.12xlarge", 2)
        for at in self.times(0.25 * HOUR, 5 * HOUR):
            sick = self._replace(cluster, workers, sick, at)
        for at in self.times(2 * HOUR, 12 * HOUR):
            self._scale(cluster, reserve, at)

    def _group(self, cluster: Thing, name: str, size: str, wanted: int) -> list[Thing]:
        """Return a group, and its nodes."""
        facts = {"InstanceType": size, "TargetCount": wanted, "ImageVersionStatus": "UpToDate"}
        group = self.add("cluster_instance_group", name, cluster.created, parent=cluster.resource, **facts)
        return [group, *(self._node(cluster, name, size, cluster.created) for _ in range(wanted))]

    def _node(self, cluster: Thing, group: str, size: str, at: float, status: str = "Running") -> Thing:
        nth = next(self.nodes)
        return self.add(
            "cluster_node",
            f"hyperpod-{nth}",
            at,
            id=_NODE.format(nth=nth),
            parent=cluster.resource,
            status=status,
            InstanceGroupName=group,
            InstanceType=size,
            ImageVersionStatus="UpToDate",
        )

    def _tell(self, cluster: Thing, at: float, level: str, text: str, group: str, node: Thing | None = None) -> None:
        bits = f"{self.luck.getrandbits(128):032x}"
        own = "-".join((bits[:8], bits[8:12], bits[12:16], bits[16:20], bits[20:]))
        facts = {"EventLevel": level, "Description": text, "InstanceGroupName": group}
        facts |= (
            {"ResourceType": "InstanceGroup"} if node is None else {"ResourceType": "Instance", "InstanceId": node.id}
        )
        self.add("cluster_event", own, at, id=own, parent=cluster.resource, **facts)

    def _replace(self, cluster: Thing, group: Thing, sick: Thing, at: float) -> Thing:
        """Let a node get sick; return the one that comes in its place."""
        name, size = group.name, sick.fact("InstanceType", at)
        self.change(sick, at, HealthSummary=_SICK)
        self._tell(cluster, at, "Warn", f"Instance {sick.id} is unhealthy: NvidiaErrorTerminate", name, sick)
        self.change(sick, at + 60, "Failure", Message="NvidiaErrorTerminate")
        self.change(group, at + 60, "Degraded")
        self.change(sick, at + 600, "ShuttingDown")
        self.world.delete_thing(self.account, self.region, sick, at + 720)
        new = self._node(cluster, name, size, at + 720, "Pending")
        self._tell(cluster, at + 720, "Info", f"Instance {new.id} takes the place of {sick.id}", name, new)
        self.steps(new, at + 720, (180, "DeepHealthCheckInProgress"), (900, "Running"))
        self.change(group, at + 1620, "InService")
        self._tell(cluster, at + 1620, "Info", f"InstanceGroup {name} is in service", name)
        return new

    def _scale(self, cluster: Thing, group: Thing, at: float) -> None:
        """Let a group have one node more, and none more three hours later."""
        size, wanted = group.fact("InstanceType", at), group.fact("TargetCount", at)
        self.change(group, at, "Updating", TargetCount=wanted + 1)
        self.change(cluster, at, "Updating")
        node = self._node(cluster, group.name, size, at + 60, "Pending")
        self._tell(cluster, at + 60, "Info", f"InstanceGroup {group.name} grows to {wanted + 1} instances", group.name)
        self.change(node, at + 600, "Running")
        for thing in (group, cluster):
            self.change(thing, at + 660, "InService")
        back = at + 3 * HOUR
        self.change(group, back, "Updating", TargetCount=wanted)
        self.change(cluster, back, "Updating")
        self.change(node, back + 30, "ShuttingDown")
        self.world.delete_thing(self.account, self.region, node, back + 300)
        for thing in (group, cluster):
            self.change(thing, back + 330, "InService")

    def reserve(self) -> None:
        """A training plan of which more and less is in use, by the hour."""
        plan = self.add(
            "training_plan",
            "h100-spring",
            self.before(6),
            InstanceType="ml.p5.48xlarge",
            TotalInstanceCount=8,
            InUseInstanceCount=4,
            UnhealthyInstanceCount=0,
            AvailableSpareInstanceCount=1,
            TargetResources=["training-job"],
            UpfrontFee="264192.00",
            CurrencyCode="USD",
            StartTime=self.before(5),
            EndTime=float(self.now + 9 * DAY),
        )
        for at in self.times(0.5 * HOUR, HOUR):
            sick = int(self.luck.random() < 0.2)
            self.change(plan, at, InUseInstanceCount=self.luck.randrange(0, 8), UnhealthyInstanceCount=sick)

    def watch_models(self) -> None:
        """A third schedule beside those of the jobs, and an alert for each of the three."""
        batch = self.world.add_job(
            self.account,
            self.region,
            "monitoring_schedule",
            "batch-quality-hourly",
            self.before(2),
            lives=life("monitoring_schedule", waits=60),
            work=Work(subject="", monitors="ModelQuality"),
        )
        for hour in range(self.now // HOUR * HOUR - DAY, int(self.until), HOUR):
            ends = self.luck.choice(("Completed", "Completed", "CompletedWithViolations", "Failed"))
            self.world.add_job(
                self.account,
                self.region,
                "monitoring_execution",
                f"batch-quality-{hour}",
                hour + self.luck.uniform(60, 600),
                lives=life("monitoring_execution", ends, 500, 90),
                parent=batch.resource,
                work=Work(subject="", monitors="ModelQuality"),
            )
        for nth, name in enumerate(("quality-hourly", "bias-hourly", "batch-quality-hourly")):
            facts = {"DatapointsToAlert": 1, "EvaluationPeriod": 1 + nth}
            parent = f"monitoring-schedule/{name}"
            alert = self.add("monitoring_alert", f"{name}-violations", self.before(1.5), parent=parent, **facts)
            for at in self.times(-0.5 * HOUR + nth * 2 * HOUR, 6 * HOUR):
                self.steps(alert, at, (0, "InAlert"), (HOUR, "OK"))

    def register_packages(self) -> None:
        """Three groups of model packages; each gets a new version every few hours, which somebody approves or not."""
        for nth, (name, versions) in enumerate(PACKAGES):
            group = self.add(
                "model_package_group", name, self.before(30), ModelPackageGroupDescription=f"All of {name}"
            )
            for version in range(1, versions + 1):
                at = self.before(20 - 3 * version)
                approval = "PendingManualApproval" if version == versions else "Approved"
                self._package(group, version, at, ModelApprovalStatus=approval)
            for version, at in enumerate(self.times((1 + nth) * HOUR, 8 * HOUR), versions + 1):
                package = self._package(group, version, at, status="Pending")
                self.change(package, at + 20, "InProgress")
                if self.luck.random() < 0.1:
                    self.change(package, at + 200, "Failed")
                    continue
                self.change(package, at + 200, "Completed")
                verdict = self.luck.choice(("Approved", "Approved", "Rejected"))
                self.change(package, at + self.luck.uniform(0.5, 2) * HOUR, ModelApprovalStatus=verdict)

    def _package(self, group: Thing, version: int, at: float, **facts: Any) -> Thing:
        name = f"{group.name}-{version}"
        return self.add("model_package", name, at, id=str(version), parent=group.resource, **facts)

    def track(self) -> None:
        """An MLflow server that is updated now and then, and an image that gets versions."""
        server = self.add(
            "mlflow_tracking_server", "experiments", self.before(30), TrackingServerSize="Small", MlflowVersion="2.16.2"
        )
        for at in self.times(4 * HOUR, 12 * HOUR):
            self.steps(server, at, (0, "Updating"), (15 * MINUTE, "Updated"))
        image = self.add("image", "torch-notebook", self.before(30), Description="PyTorch for notebooks")
        for version, days in enumerate((30, 10, 2), 1):
            self.add("image_version", f"v{version}", self.before(days), id=str(version), parent=image.resource)
