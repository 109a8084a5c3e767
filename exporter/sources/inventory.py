"""What exists: the census as families about endpoints and inference components.

sagemaker_endpoint_status{account_id="123456789012",region="us-east-1",endpoint_name="churn",status="InService"} 1.0
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from exporter.catalogue import CATALOGUE
from exporter.config import Config
from exporter.inventory import STEADY, Census, Component, Endpoint, Inventory, ScalingBound, Selection, Variant
from exporter.model import Failure, Forecast, Known, Reading, Sample, Target

MEBIBYTE = 2**20

Value = tuple[str, tuple[str, ...], float | None]  # family without its prefix, label values after the target's, value


class InventorySource:
    """Looks at the inventory and shows it."""

    name = "inventory"
    thrifty = False

    def __init__(self, inventory: Inventory, config: Config) -> None:
        settings = config.sources.inventory
        self._inventory = inventory
        self._every = settings.every
        self._shown = settings.enabled
        self._last_good = settings.last_good or max(900.0, 3 * settings.every)
        self._selection = Selection(config.resources)
        self._on = {name for name, row in CATALOGUE.items() if row.source == self.name and config.on(name)}

    def confirm(self, receipts: tuple[Any, ...]) -> None:
        """Do nothing: listings are not used up by reading them."""

    def read(self, target: Target, known: Known, now: float) -> Reading:
        """Look at what is due; return what is known, scope by scope."""
        census = self._inventory.look(target, now, known.meters)
        scopes: dict[str, list[Value]] = {}
        if self._shown and census.endpoints_at == now:
            self._endpoints(census, now, scopes)
        if self._shown and census.components_at == now:
            self._components(census, now, scopes)
        if self._shown and census.scaling_at == now:
            scopes["scaling"] = [value for bound in census.scaling for value in _scaling(bound)]
        gone = self._gone(known.scopes, census, now) if self._shown else set()
        until = now + self._last_good
        samples = (
            Sample(
                f"sagemaker_{name}", (target.account_id, target.region, *labels), float(value), scope=scope, until=until
            )
            for scope, values in scopes.items()
            for name, labels, value in values
            if value is not None and f"sagemaker_{name}" in self._on
        )
        return Reading(
            self.name,
            target,
            now,
            samples=tuple(samples),
            looked=(*scopes, *gone),
            failed=census.failures,
        )

    def survey(self, target: Target, now: float) -> tuple[Failure, ...]:
        """List what exists."""
        return self._inventory.survey(target, now).failures

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:  # noqa: ARG002 - not slowed
        """Return what an hour takes where all that exists is in service and nothing changes."""
        calls: dict[str, float] = {}
        for census in censuses.values():
            for operation, number in self._inventory.calls_an_hour(census, self._every).items():
                calls[operation] = calls.get(operation, 0.0) + number
        return Forecast((self._every,), calls)

    def _endpoints(self, census: Census, now: float, scopes: dict[str, list[Value]]) -> None:
        listed = scopes.setdefault("endpoints", [])
        for endpoint in census.endpoints.values():
            if not self._selection.admits(census, "endpoint", endpoint.name):
                continue
            listed += _states("endpoint_status", (endpoint.name,), endpoint.status)
            listed.append(("endpoint_created_timestamp_seconds", (endpoint.name,), endpoint.created))
            listed.append(("endpoint_last_modified_timestamp_seconds", (endpoint.name,), endpoint.modified))
            if _described(endpoint, now):
                scopes[f"endpoint/{endpoint.name}"] = [*_endpoint(endpoint), *_variants(endpoint)]

    def _components(self, census: Census, now: float, scopes: dict[str, list[Value]]) -> None:
        listed = scopes.setdefault("components", [])
        for component in census.components.values():
            if not self._selection.admits(census, "inference-component", component.name):
                continue
            listed += _states("inference_component_status", (component.name,), component.status)
            changed = "inference_component_last_modified_timestamp_seconds"
            listed.append((changed, (component.name,), component.modified))
            if _described(component, now):
                scopes[f"component/{component.name}"] = list(_component(component))

    def _gone(self, scopes: Collection[str], census: Census, now: float) -> set[str]:
        """Return the scopes of things that a complete listing no longer shows, or that are no longer selected."""
        kinds: tuple[tuple[str, str, float, Collection[str]], ...] = (
            ("endpoint/", "endpoint", census.endpoints_at, census.endpoints),
            ("component/", "inference-component", census.components_at, census.components),
        )
        return {
            scope
            for prefix, kind, listed_at, names in kinds
            if listed_at == now
            for scope in scopes
            if scope.startswith(prefix)
            and not (
                scope.removeprefix(prefix) in names and self._selection.admits(census, kind, scope.removeprefix(prefix))
            )
        }


def _described(thing: Endpoint | Component, now: float) -> bool:
    """Say whether a description belongs to the thing as it is listed now, or was made just now."""
    return thing.described_at == now or (
        thing.described_as == (thing.status, thing.modified) and thing.status in STEADY
    )


def _states(name: str, labels: tuple[str, ...], holds: str | Collection[str]) -> Iterator[Value]:
    """Yield a state set: 1 for what holds, 0 for the other known states; an unknown one passes through."""
    states = CATALOGUE[f"sagemaker_{name}"].known("status")
    holding = {holds} if isinstance(holds, str) else set(holds)
    for state in (*states, *sorted(holding - set(states))):
        yield name, (*labels, state), float(state in holding)


def _endpoint(endpoint: Endpoint) -> Iterator[Value]:
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


def _variants(endpoint: Endpoint) -> Iterator[Value]:
    for variant in endpoint.variants:
        labels, facts = (endpoint.name, variant.name), variant.facts
        yield "endpoint_variant_info", (*labels, variant.role, *_variant_facts(variant)), 1.0
        yield "endpoint_variant_current_instances", labels, facts.get("CurrentInstanceCount")
        yield "endpoint_variant_current_weight", labels, facts.get("CurrentWeight")
        yield "endpoint_variant_desired_instances", labels, facts.get("DesiredInstanceCount")
        yield "endpoint_variant_desired_weight", labels, facts.get("DesiredWeight")
        steps = [one["Status"] for one in facts.get("VariantStatus") or ()]
        yield from _states("endpoint_variant_status", labels, steps)
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


def _component(component: Component) -> Iterator[Value]:
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


def _scaling(bound: ScalingBound) -> Iterator[Value]:
    """Yield the bounds of a variant or a component, by the form of the resource id."""
    parts, dimension = bound.resource.split("/"), bound.dimension.rpartition(":")[2]
    if len(parts) == 4 and (parts[0], parts[2]) == ("endpoint", "variant"):
        labels = (parts[1], parts[3], dimension)
        yield "endpoint_variant_scaling_min_capacity", labels, bound.least
        yield "endpoint_variant_scaling_max_capacity", labels, bound.most
    elif len(parts) == 2 and parts[0] == "inference-component" and dimension == "DesiredCopyCount":
        yield "inference_component_scaling_min_copies", (parts[1],), bound.least
        yield "inference_component_scaling_max_copies", (parts[1],), bound.most
