"""HyperPod clusters on EKS: scheduling health of their nodes."""

from __future__ import annotations

from exporter.catalogue.rows import JOBS, Shape, gauge, stateset, told

CLUSTER = Shape(namespaces=("ContainerInsights",), dimensions={"ClusterName": "eks_cluster_name"})
NODE = Shape(
    namespaces=("ContainerInsights",),
    dimensions={"ClusterName": "eks_cluster_name", "InstanceId": "instance_id", "NodeName": "node_name"},
)

ROWS = (
    gauge(
        "sagemaker_cluster_eks_nodes",
        "Nodes of a HyperPod cluster on EKS by scheduling health, sum over the newest settled minute.",
        CLUSTER,
        "hyperpod_node_health_status_{status}",
        stat="Sum",
        stable=False,
        period=60,
        pace="warm",
        values={"status": "eks_node_status"},
    ),
    stateset(
        "sagemaker_cluster_eks_node_status",
        "Scheduling health of one node of a HyperPod cluster on EKS, 1 for the value that holds.",
        NODE,
        "hyperpod_node_health_status_{status}",
        "Maximum",
        on=False,
        stable=False,
        period=60,
        pace="warm",
        values={"status": "eks_node_status"},
    ),
    told(
        JOBS,
        "counter",
        "sagemaker_cluster_state_changes_total",
        "Times a HyperPod cluster entered a status, each change counted once.",
        ("cluster_name", "status"),
        "SageMaker HyperPod Cluster State Change; ListClusters",
        values={"status": "cluster_status"},
        seeded=True,
    ),
    told(
        "job_events",
        "counter",
        "sagemaker_cluster_node_health_events_total",
        "Health events that HyperPod sent about nodes of a cluster.",
        ("cluster_name", "health_status", "repair_action"),
        "SageMaker HyperPod Cluster Node Health Event",
        values={"health_status": ("Unhealthy", "Degraded")},
    ),
    told(
        JOBS,
        "counter",
        "sagemaker_cluster_events_total",
        "Events that a HyperPod cluster logged about itself, its groups or its nodes.",
        ("cluster_name", "event_level", "resource_level"),
        "SageMaker HyperPod Cluster Event; ListClusterEvents",
        values={"event_level": "event_level", "resource_level": "cluster_event_resource"},
        seeded=True,
    ),
)
