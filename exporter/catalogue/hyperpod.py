"""HyperPod clusters on EKS: scheduling health of their nodes."""

from __future__ import annotations

from exporter.catalogue.rows import Shape, gauge, stateset

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
)
