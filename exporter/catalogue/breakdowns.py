"""Breakdowns: second forms of families, with a finer dimension set. All are off by default."""

from __future__ import annotations

from exporter.catalogue.rows import Breakdown

BREAKDOWNS = {
    breakdown.word: breakdown
    for breakdown in (
        Breakdown(
            word="endpoint_container",
            of="endpoint",
            help="per container of a multi-container endpoint",
            adds={"ContainerName": "container_name"},
        ),
        Breakdown(
            word="endpoint_by_config",
            of="endpoint",
            help="per endpoint configuration, as used by deployment guardrails",
            adds={"EndpointConfigName": "endpoint_config_name"},
        ),
        Breakdown(
            word="endpoint_by_instance_type",
            of="endpoint",
            help="per instance type of an instance pool",
            adds={"InstanceType": "instance_type"},
        ),
        Breakdown(
            word="endpoint_instance",
            of="endpoint",
            help="per instance; needs enhanced metrics",
            adds={"InstanceId": "instance_id"},
        ),
        Breakdown(
            word="endpoint_accelerator",
            of="endpoint",
            help="per accelerator; needs enhanced metrics",
            adds={"InstanceId": "instance_id", "AcceleratorId": "accelerator_id"},
            aliases={"AcceleratorId": ("GpuId",)},
        ),
        Breakdown(
            word="inference_component_by_instance_type",
            of="inference_component",
            help="per instance type of an instance pool",
            adds={"InstanceType": "instance_type"},
        ),
        Breakdown(
            word="inference_component_instance",
            of="inference_component",
            help="per instance; needs enhanced metrics",
            adds={"InstanceId": "instance_id"},
        ),
        Breakdown(
            word="inference_component_container",
            of="inference_component",
            help="per container; needs enhanced metrics",
            adds={"InstanceId": "instance_id", "ContainerId": "container_id"},
        ),
        Breakdown(
            word="inference_component_accelerator",
            of="inference_component",
            help="per accelerator; needs enhanced metrics",
            adds={
                "InstanceId": "instance_id",
                "ContainerId": "container_id",
                "AcceleratorId": "accelerator_id",
            },
            aliases={"AcceleratorId": ("GpuId",)},
        ),
        Breakdown(
            word="recommender_job_by_endpoint",
            of="recommender_job",
            help="per load-tested endpoint instead of per job",
            instead={"EndpointName": "endpoint_name"},
        ),
        Breakdown(
            word="pipeline_by_account",
            of="pipeline",
            help="over all pipelines of the account and region",
            instead={},
        ),
    )
}
