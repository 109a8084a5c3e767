"""A world with something of every kind of things."""

from __future__ import annotations

from street import ACCOUNT, REGION
from worlds import T0

from exporter.model import DAY, HOUR

WHERE = ACCOUNT, REGION
MADE = T0 - DAY
FEW = (
    "algorithm",
    "device_fleet",
    "edge_deployment_plan",
    "experiment",
    "hub",
    "image",
    "inference_router",
    "mlflow_app",
    "model",
    "partner_app",
    "project",
    "workforce",
)  # of which nothing matters but that they are there


def furnish(world):
    """Add something of every kind; return the world."""

    def add(kind, name, at=MADE, **more):
        return world.add_thing(*WHERE, kind, name, at, **more)

    for kind in FEW:
        add(kind, f"some-{kind.replace('_', '-')}")
    world.add_endpoint(*WHERE, "churn", MADE)
    add("workteam", "labelers")
    _studio(add)
    _hyperpod(add)
    _registry(add)
    _monitoring(world, add)
    for n in range(3):
        add("notebook_instance", f"nb-{n}", MADE + n, InstanceType="ml.t3.medium")
    add("notebook_instance", "old", status="Stopped", InstanceType="ml.p3.2xlarge")
    add(
        "feature_group",
        "customers",
        OnlineStoreConfig={"EnableOnlineStore": True, "StorageType": "InMemory"},
        OnlineStoreTotalSizeBytes=4096,
        OfflineStoreStatus={"Status": "Active"},
        LastUpdateStatus={"Status": "Successful"},
        ThroughputConfig={
            "ThroughputMode": "Provisioned",
            "ProvisionedReadCapacityUnits": 100,
            "ProvisionedWriteCapacityUnits": 50,
        },
    )
    return world


def _studio(add):
    domain = add("domain", "research", id="d-000000000001").resource
    add("user_profile", "ann", parent=domain)
    space = add("space", "lab", parent=domain, AppType="JupyterLab", EbsVolumeSizeInGb=20).resource
    add(
        "app",
        "default",
        id="JupyterLab/default",
        parent=space,
        AppType="JupyterLab",
        InstanceType="ml.t3.medium",
        LastUserActivityTimestamp=T0 - HOUR,
        LastHealthCheckTimestamp=T0,
    )


def _hyperpod(add):
    eks = {"Eks": {"ClusterArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/ml"}}
    cluster = add("cluster", "frontier", id="abcdefghijkl", Orchestrator=eks, NodeRecovery="Automatic").resource
    add("cluster_scheduler_config", "fair", id="000000000001", parent=cluster)
    add("compute_quota", "team", id="000000000002", parent=cluster)
    add("cluster_instance_group", "workers", parent=cluster, InstanceType="ml.p5.48xlarge", TargetCount=3)
    for n, status in enumerate(("Running", "Running", "Failure")):
        facts = {"InstanceGroupName": "workers", "InstanceType": "ml.p5.48xlarge"}
        add("cluster_node", f"i-{n:017d}", status=status, parent=cluster, **facts)
    add(
        "training_plan",
        "spring",
        InstanceType="ml.p5.48xlarge",
        TotalInstanceCount=4,
        InUseInstanceCount=3,
        UnhealthyInstanceCount=1,
        AvailableSpareInstanceCount=2,
        StartTime=T0 - HOUR,
        EndTime=T0 + DAY,
        UpfrontFee="1000.0",
        CurrencyCode="USD",
    )


def _registry(add):
    group = add("model_package_group", "fraud").resource
    for n, approval in enumerate(("Approved", "PendingManualApproval"), 1):
        add("model_package", f"fraud-{n}", MADE + n, id=str(n), parent=group, ModelApprovalStatus=approval)
    add("mlflow_tracking_server", "runs", IsActive="Active", TrackingServerSize="Small", MlflowVersion="3.0")


def _monitoring(world, add):
    for kind, name in (("pipeline", "train"), ("model_card", "card"), ("flow_definition", "review")):
        world.add_job(*WHERE, kind, name, MADE)
    world.add_job(*WHERE, "pipeline_execution", "run-1", T0 - HOUR, parent="pipeline/train")
    schedule = world.add_job(*WHERE, "monitoring_schedule", "quality", MADE).resource
    world.add_job(*WHERE, "monitoring_execution", "run-1", T0 - HOUR, parent=schedule)
    add("monitoring_alert", "drift", status="InAlert", parent=schedule)
