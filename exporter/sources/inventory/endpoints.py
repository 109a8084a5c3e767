"""Families about endpoints, their variants, inference components and bounds of scaling."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.inventory import STEADY, Component, Endpoint, ScalingBound, Variant
from exporter.sources.inventory.values import Value, states

MEBIBYTE = 2**20


def described(thing: Endpoint | Component, now: float) -> bool:
    """Say whether a description belongs to the thing as it is listed now, or was made just now."""
    return thing.described_at == now or (
        thing.described_as == (thing.status, thing.modified) and thing.status in STEADY
    )


def of_endpoint(endpoint: Endpoint) -> Iterator[Value]:
    """Yield what the description of an endpoint tells."""
    name, facts = (endpoint.name,), endpoint.facts
    yield "endpoint_info", (*name, facts.get("EndpointConfigName", ""), _type(endpoint)), 1.0
    started = facts.get("PendingDeploymentSummary", {}).get("StartTime")
    yield "endpoint_deployment_start_timestamp_seconds", name, started
    capture = facts.get("DataCaptureConfig")
    if capture:
        running = capture.get("EnableCapture") and capture.get("CaptureStatus") == "Started"
        share = capture.get("CurrentSamplingPercentage", 0) / 100 if running else 0.0
        yield "endpoint_data_capture_sampling_ratio", name, share
    yield "endpoint_publish_period_seconds", name, endpoint.publish_period


def _type(endpoint: Endpoint) -> str:
    """Return how an endpoint serves."""
    if endpoint.facts.get("AsyncInferenceConfig"):
        return "asynchronous"
    if any(variant.facts.get("CurrentServerlessConfig") for variant in endpoint.variants):
        return "serverless"
    if any(variant.config and not variant.config.get("ModelName") for variant in endpoint.variants):
        return "inference_components"
    return "realtime"


def of_variants(endpoint: Endpoint) -> Iterator[Value]:
    """Yield what it tells of the variants."""
    for variant in endpoint.variants:
        labels, facts = (endpoint.name, variant.name), variant.facts
        yield "endpoint_variant_info", (*labels, variant.role, *_variant_facts(variant)), 1.0
        yield "endpoint_variant_current_instances", labels, facts.get("CurrentInstanceCount")
        yield "endpoint_variant_current_weight", labels, facts.get("CurrentWeight")
        yield "endpoint_variant_desired_instances", labels, facts.get("DesiredInstanceCount")
        yield "endpoint_variant_desired_weight", labels, facts.get("DesiredWeight")
        steps = [one["Status"] for one in facts.get("VariantStatus") or ()]
        yield from states("endpoint_variant_status", labels, steps)
        managed = facts.get("ManagedInstanceScaling") or {}
        yield "endpoint_variant_managed_min_instances", labels, managed.get("MinInstanceCount")
        yield "endpoint_variant_managed_max_instances", labels, managed.get("MaxInstanceCount")
        serverless = facts.get("CurrentServerlessConfig") or {}
        memory = serverless.get("MemorySizeInMB")
        yield "endpoint_variant_serverless_memory_bytes", labels, memory and memory * MEBIBYTE
        yield "endpoint_variant_serverless_max_concurrency", labels, serverless.get("MaxConcurrency")
        yield "endpoint_variant_serverless_provisioned_concurrency", labels, serverless.get("ProvisionedConcurrency")


def _variant_facts(variant: Variant) -> tuple[str, str, str]:
    """Return instance type, model and routing of a variant; empty where several or none apply."""
    config, pools = variant.config, variant.config.get("InstancePools") or ()
    types: set[str] = {config["InstanceType"]} if "InstanceType" in config else {one["InstanceType"] for one in pools}
    routing = variant.facts.get("RoutingConfig") or config.get("RoutingConfig") or {}
    return types.pop() if len(types) == 1 else "", config.get("ModelName", ""), routing.get("RoutingStrategy", "")


def of_component(component: Component) -> Iterator[Value]:
    """Yield what the description of an inference component tells."""
    name, facts = (component.name,), component.facts
    specification = facts.get("Specification") or {}
    model, base = specification.get("ModelName", ""), specification.get("BaseInferenceComponentName", "")
    yield "inference_component_info", (*name, component.endpoint, component.variant, model, base), 1.0
    runtime = facts.get("RuntimeConfig") or {}
    yield "inference_component_current_copies", name, runtime.get("CurrentCopyCount")
    yield "inference_component_desired_copies", name, runtime.get("DesiredCopyCount")
    needs = specification.get("ComputeResourceRequirements") or {}
    yield "inference_component_required_cpu_cores", name, needs.get("NumberOfCpuCoresRequired")
    yield "inference_component_required_accelerators", name, needs.get("NumberOfAcceleratorDevicesRequired")
    memory = needs.get("MinMemoryRequiredInMb")
    yield "inference_component_required_memory_bytes", name, memory and memory * MEBIBYTE


def of_scaling(bound: ScalingBound) -> Iterator[Value]:
    """Yield the bounds of a variant or a component, by the form of the resource id."""
    parts, dimension = bound.resource.split("/"), bound.dimension.rpartition(":")[2]
    if len(parts) == 4 and (parts[0], parts[2]) == ("endpoint", "variant"):
        labels = (parts[1], parts[3], dimension)
        yield "endpoint_variant_scaling_min_capacity", labels, bound.least
        yield "endpoint_variant_scaling_max_capacity", labels, bound.most
    elif len(parts) == 2 and parts[0] == "inference-component" and dimension == "DesiredCopyCount":
        yield "inference_component_scaling_min_copies", (parts[1],), bound.least
        yield "inference_component_scaling_max_copies", (parts[1],), bound.most
