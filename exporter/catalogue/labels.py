"""Every label, once: what it means, and what bounds the number of its values."""

from __future__ import annotations

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
    "alarm_name": Label("resources", "CloudWatch alarm."),
    "alarm_type": Label("enum", "Kind of alarm."),
    "availability_zone": Label("resources", "Availability zone."),
    "aws_service": Label("fixed", "AWS service that was called, by its endpoint prefix."),
    "base_inference_component_name": Label("resources", "Inference component that adapters share."),
    "botocore_version": Label("fixed", "botocore version."),
    "cloudwatch_namespace": Label("fixed", "CloudWatch namespace."),
    "code": Label("fixed", "HTTP status code."),
    "comparison_operator": Label("enum", "How the alarm compares."),
    "component_type": Label("enum", "Component of a capacity reservation."),
    "config_hash": Label("config", "Hash of the configuration in force."),
    "container_id": Label("instances", "Container on an instance; only in families that are off by default."),
    "container_name": Label("resources", "Container of a multi-container endpoint."),
    "direction": Label("fixed", "up or down."),
    "eks_cluster_name": Label("resources", "EKS cluster under a HyperPod cluster."),
    "encoding": Label("fixed", "Content encoding of the answer."),
    "endpoint_config_name": Label("resources", "Endpoint configuration."),
    "endpoint_name": Label("resources", "Endpoint."),
    "endpoint_type": Label("fixed", "How an endpoint serves."),
    "error_class": Label("fixed", "Class of an error, none for success."),
    "feature_group_name": Label("resources", "Feature group."),
    "host": Label("open jobs", "Host of a job: algo-N, or the instance id of a transform job."),
    "inference_component_name": Label("resources", "Inference component."),
    "instance_id": Label("instances", "EC2 instance id of a host; only in families that are off by default."),
    "instance_type": Label("capped 300", "AWS instance type, empty where several or none apply."),
    "job_name": Label("open jobs", "Job of any type, or inference recommendation job."),
    "job_type": Label("enum", "Kind of job, see job_types."),
    "label_name": Label("fixed", "Name of a label."),
    "labeling_job_name": Label("open jobs", "Labeling job."),
    "limit": Label("fixed", "Which limit was reached."),
    "log_group_name": Label("resources", "Log group."),
    "measure": Label("config", "Name of a measured value; user-defined ones only if named in the configuration."),
    "metric_name": Label("resources", "CloudWatch metric that an alarm watches."),
    "metric_namespace": Label("resources", "CloudWatch namespace that an alarm watches."),
    "model_name": Label("resources", "Model."),
    "monitoring_schedule": Label("resources", "Monitoring schedule."),
    "node_name": Label("instances", "Kubernetes node; only in families that are off by default."),
    "operation": Label("capped 500", "AWS API operation."),
    "operation_name": Label("enum", "Feature store runtime operation."),
    "outcome": Label("fixed", "How something ended."),
    "parent_name": Label("open jobs", "Name of the thing that started a job."),
    "parent_type": Label("fixed", "Kind of thing that started a job, none for a job of its own."),
    "partition": Label("fixed", "AWS partition, such as aws or aws-cn."),
    "path": Label("fixed", "Path of the HTTP interface, unknown ones as other."),
    "pipeline_name": Label("resources", "Pipeline."),
    "processing_job_name": Label("open jobs", "Processing job."),
    "python_version": Label("fixed", "Python version."),
    "queue": Label("config", "Name of a queue in the configuration."),
    "reason": Label("fixed", "Class of a failure or of a skip."),
    "region": Label("config", "AWS region code."),
    "reservation_name": Label("resources", "Capacity reservation."),
    "reservation_type": Label("enum", "Kind of capacity reservation."),
    "resource_name": Label("resources", "Name of the resource of this resource_type."),
    "resource_type": Label("fixed", "Kind of resource, see resource_types."),
    "revision": Label("fixed", "Source revision of the exporter."),
    "routing_strategy": Label("enum", "How requests are spread over instances."),
    "scalable_dimension": Label("enum", "What Application Auto Scaling changes."),
    "secondary_status": Label("enum", "Phase of a training job."),
    "source": Label("fixed", "Name of a source of the exporter."),
    "spot": Label("fixed", "true for managed spot training."),
    "statistic": Label("enum", "Statistic that the alarm watches."),
    "status": Label("enum", "State of the thing that the family is about, in the words of AWS."),
    "step_name": Label("resources", "Step of a pipeline definition."),
    "training_job_name": Label("open jobs", "Training job."),
    "transform_job_name": Label("open jobs", "Transform job."),
    "variant_name": Label("resources", "Variant of an endpoint."),
    "variant_role": Label("fixed", "production or shadow."),
    "version": Label("fixed", "Version of the exporter."),
}
