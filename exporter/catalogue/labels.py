"""Every label, once: what it means, and what bounds the number of its values."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Label:
    """A label: its bound (see METRICS.md) and one sentence on its meaning."""

    bound: str
    means: str


LABELS = {
    "accelerator_id": Label("instances", "Accelerator of an instance; only in families that are off by default."),
    "account_alias": Label("config", "Alias of the account, or the name given in the configuration."),
    "account_id": Label("config", "AWS account number."),
    "adjustable": Label("fixed", "true if the quota can be raised."),
    "alarm_name": Label("resources", "CloudWatch alarm."),
    "alarm_type": Label("enum", "Kind of alarm."),
    "app_name": Label("resources", "Studio app."),
    "app_type": Label("enum", "Kind of Studio app."),
    "approval_status": Label("enum", "Approval of a model version."),
    "availability_zone": Label("resources", "Availability zone."),
    "aws_service": Label("fixed", "AWS service that was called, by its endpoint prefix."),
    "base_inference_component_name": Label("resources", "Inference component that adapters share."),
    "botocore_version": Label("fixed", "botocore version."),
    "cloudwatch_namespace": Label("fixed", "CloudWatch namespace."),
    "cluster_name": Label("resources", "HyperPod cluster."),
    "code": Label("fixed", "HTTP status code."),
    "comparison_operator": Label("enum", "How the alarm compares."),
    "component_type": Label("enum", "Component of a capacity reservation."),
    "config_hash": Label("config", "Hash of the configuration in force."),
    "container_id": Label("instances", "Container on an instance; only in families that are off by default."),
    "container_name": Label("resources", "Container of a multi-container endpoint."),
    "detail_type": Label("enum", "EventBridge detail-type."),
    "direction": Label("fixed", "up or down."),
    "domain_id": Label("resources", "Studio domain."),
    "domain_name": Label("resources", "Name of a Studio domain."),
    "eks_cluster_name": Label("resources", "EKS cluster under a HyperPod cluster."),
    "encoding": Label("fixed", "Content encoding of the answer."),
    "encrypted": Label("fixed", "true with a customer key."),
    "endpoint_config_name": Label("resources", "Endpoint configuration."),
    "endpoint_name": Label("resources", "Endpoint."),
    "endpoint_type": Label("fixed", "How an endpoint serves."),
    "error_class": Label("fixed", "Class of an error, none for success."),
    "error_code": Label("capped 100", "Error code as recorded."),
    "event_level": Label("enum", "Level of a cluster event."),
    "event_name": Label(
        "capped 500", "API operation as recorded, at most 425 in the service model plus runtime calls."
    ),
    "event_source": Label("enum", "Service that recorded the API call."),
    "feature_group_name": Label("resources", "Feature group."),
    "health_status": Label("capped 20", "Health that HyperPod reports for a node."),
    "host": Label("open jobs", "Host of a job: algo-N, or the instance id of a transform job."),
    "image_version_status": Label("enum", "Whether a newer node image exists."),
    "inference_component_name": Label("resources", "Inference component."),
    "instance_group_name": Label("resources", "Instance group of a cluster."),
    "instance_id": Label("instances", "EC2 instance id of a host; only in families that are off by default."),
    "instance_type": Label("capped 300", "AWS instance type, empty where several or none apply."),
    "item": Label("fixed", "What is paid for."),
    "job_name": Label("open jobs", "Job of any type, or inference recommendation job."),
    "job_type": Label("enum", "Kind of job, see job_types."),
    "label_name": Label("fixed", "Name of a label."),
    "labeling_job_name": Label("open jobs", "Labeling job."),
    "limit": Label("fixed", "Which limit was reached."),
    "log_group_class": Label("enum", "Class of a log group."),
    "log_group_name": Label("resources", "Log group."),
    "measure": Label("config", "Name of a measured value; user-defined ones only if named in the configuration."),
    "metric_name": Label("resources", "CloudWatch metric that an alarm watches."),
    "metric_namespace": Label("resources", "CloudWatch namespace that an alarm watches."),
    "mlflow_version": Label("enum", "Version of MLflow."),
    "model_name": Label("resources", "Model."),
    "model_package_group_name": Label("resources", "Model package group."),
    "monitoring_alert_name": Label("resources", "Alert of a monitoring schedule."),
    "monitoring_schedule": Label("resources", "Monitoring schedule."),
    "monitoring_type": Label("enum", "Kind of monitoring."),
    "node_name": Label("instances", "Kubernetes node; only in families that are off by default."),
    "node_recovery": Label("enum", "Whether HyperPod replaces broken nodes by itself."),
    "notebook_instance_name": Label("resources", "Notebook instance."),
    "online_store": Label("fixed", "true with an online store."),
    "operation": Label("capped 500", "AWS API operation."),
    "operation_name": Label("enum", "Feature store runtime operation."),
    "orchestrator": Label("fixed", "eks or slurm."),
    "origin": Label("fixed", "Kind of place a call came from."),
    "outcome": Label("fixed", "How something ended."),
    "parent_name": Label("open jobs", "Name of the thing that started a job."),
    "parent_type": Label("fixed", "Kind of thing that started a job, none for a job of its own."),
    "partition": Label("fixed", "AWS partition, such as aws or aws-cn."),
    "path": Label("fixed", "Path of the HTTP interface, unknown ones as other."),
    "pipeline_name": Label("resources", "Pipeline."),
    "principal": Label("capped 100", "Role or user name, never the session part; opt-in."),
    "principal_type": Label("enum", "Type of the identity that called."),
    "processing_job_name": Label("open jobs", "Processing job."),
    "python_version": Label("fixed", "Python version."),
    "queue": Label("config", "Name of a queue in the configuration."),
    "quota_code": Label("resources", "Code of a service quota."),
    "quota_kind": Label("fixed", "What a quota limits."),
    "quota_name": Label("resources", "Name of a service quota."),
    "read_only": Label("fixed", "true for calls that change nothing."),
    "reason": Label("fixed", "Class of a failure or of a skip."),
    "region": Label("config", "AWS region code."),
    "repair_action": Label("capped 20", "Repair that HyperPod announces for a node."),
    "reservation_name": Label("resources", "Capacity reservation."),
    "reservation_type": Label("enum", "Kind of capacity reservation."),
    "resource_level": Label("enum", "Cluster, InstanceGroup or Instance."),
    "resource_name": Label("resources", "Name of the resource of this resource_type."),
    "resource_type": Label("fixed", "Kind of resource, see resource_types."),
    "revision": Label("fixed", "Source revision of the exporter."),
    "routing_strategy": Label("enum", "How requests are spread over instances."),
    "rule": Label("config", "Name of a log rule in the configuration."),
    "rule_kind": Label("fixed", "debugger or profiler."),
    "scalable_dimension": Label("enum", "What Application Auto Scaling changes."),
    "secondary_status": Label("enum", "Phase of a training job."),
    "source": Label("fixed", "Name of a source of the exporter."),
    "space_name": Label("resources", "Studio space, empty for apps of a user."),
    "spot": Label("fixed", "true for managed spot training."),
    "statistic": Label("enum", "Statistic that the alarm watches."),
    "status": Label("enum", "State of the thing that the family is about, in the words of AWS."),
    "step_name": Label("resources", "Step of a pipeline definition."),
    "step_type": Label("enum", "Kind of pipeline step."),
    "storage_type": Label("enum", "Storage of the online store."),
    "throughput_mode": Label("enum", "How throughput is paid."),
    "tracking_server_name": Label("resources", "MLflow tracking server."),
    "tracking_server_size": Label("enum", "Size of a tracking server."),
    "training_job_name": Label("open jobs", "Training job."),
    "training_plan_name": Label("resources", "Training plan."),
    "transform_job_name": Label("open jobs", "Transform job."),
    "usage_source": Label("fixed", "Where the use of a quota is taken from."),
    "variant_name": Label("resources", "Variant of an endpoint."),
    "variant_role": Label("fixed", "production or shadow."),
    "version": Label("fixed", "Version of the exporter."),
    "way": Label("fixed", "How CloudTrail events reach the exporter: lookup, s3 or queue."),
    "workteam_name": Label("resources", "Work team."),
}


def patterned(pattern: str, key: str) -> str:
    """Return the label of a key that the configuration names: tag_cost_center for CostCenter and the pattern tag_*.

    What Prometheus does not take becomes `_`, and a capital after a small letter or a digit begins a word: the rule of
    kube-state-metrics, so that one key is called alike in both.
    """
    plain = re.sub(r"[^a-zA-Z0-9_]", "_", key)
    return pattern.replace("*", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).lower())
