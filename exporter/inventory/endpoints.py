"""Endpoints, inference components and their bounds of scaling; the tags of all that is looked at.

They are listed, and described when it is due.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, structs

from exporter.aws import AwsError, read_as
from exporter.inventory.census import Component, Configured, Endpoint, ScalingBound, TagsOf, Variant
from exporter.inventory.look import Look

_OLDEST_FIRST: Mapping[str, Any] = {"SortBy": "CreationTime", "SortOrder": "Ascending", "MaxResults": 100}


def list_endpoints(look: Look) -> None:
    """List endpoints, keeping the descriptions that there are."""
    listed = look.list("ListEndpoints", _ListedEndpoint, **_OLDEST_FIRST)
    if listed is None:
        return
    known = look.before.endpoints
    look.seen["endpoints_at"] = look.now
    look.seen["endpoints"] = {
        one.EndpointName: structs.replace(
            known.get(one.EndpointName, Endpoint(one.EndpointName, "", 0.0, 0.0)),
            status=one.EndpointStatus,
            created=one.CreationTime,
            modified=one.LastModifiedTime,
        )
        for one in listed
    }


def describe_endpoints(look: Look) -> None:
    """Describe endpoints that are new, changed, restless or not described for long, and their configurations."""
    endpoints = dict(look.seen.get("endpoints", look.before.endpoints))
    configs = dict(look.before.configs)
    for endpoint in look.due(endpoints.values()):
        facts = look.describe("DescribeEndpoint", _Described, EndpointName=endpoint.name)
        if not facts:
            endpoints[endpoint.name] = look.later(endpoint)
            continue
        name = facts.get("EndpointConfigName", "")
        config = _configured(look, endpoint, name, configs) if name else None
        # What the endpoint itself says is shown all the same.
        told = not name or (config is not None and config.at >= endpoint.modified)
        looked = structs.replace(endpoint, failed=0) if told else look.later(endpoint)
        endpoints[endpoint.name] = structs.replace(
            looked,
            facts=facts,
            variants=_variants(facts, config.facts if config else {}),
            configured=config,
            described_at=look.now,
            described_as=(endpoint.status, endpoint.modified),
        )
    used = {endpoint.facts.get("EndpointConfigName") for endpoint in endpoints.values()}
    look.seen["endpoints"] = endpoints
    look.seen["configs"] = {name: config for name, config in configs.items() if name in used}


def _configured(look: Look, endpoint: Endpoint, name: str, configs: dict[str, Configured]) -> Configured | None:
    """Return the configuration of an endpoint; None if it has to be described and can't be, which is a failure.

    It can't be changed, but be deleted and made anew under its name: what was told of it before an endpoint was made,
    or modified, need not be what that one has. One that is modified has most probably kept it: that is its last good
    one for a while, and for good if it has been deleted since.
    """
    own = endpoint.configured if endpoint.configured and endpoint.configured.name == name else None
    for known in (own, configs.get(name)):
        if known and known.name == name and known.at >= endpoint.modified:
            return known
    kept = own if own and own.at >= endpoint.created else None
    at = look.aws.now()
    told = look.describe("DescribeEndpointConfig", _Described, EndpointConfigName=name)
    if told is None:
        return kept if at < endpoint.modified + look.pacing.last_good else None
    configs[name] = Configured(name, told or (kept.facts if kept else {}), at)
    return configs[name]


def list_components(look: Look) -> None:
    """List inference components, keeping the descriptions that there are."""
    listed = look.list("ListInferenceComponents", _ListedComponent, **_OLDEST_FIRST)
    if listed is None:
        return
    known = look.before.components
    look.seen["components_at"] = look.now
    look.seen["components"] = {
        one.InferenceComponentName: structs.replace(
            known.get(one.InferenceComponentName, Component(one.InferenceComponentName, "", "", "", 0.0, 0.0)),
            endpoint=one.EndpointName,
            variant=one.VariantName,
            status=one.InferenceComponentStatus,
            created=one.CreationTime,
            modified=one.LastModifiedTime,
        )
        for one in listed
    }


def describe_components(look: Look) -> None:
    """Describe inference components by the same rule."""
    components = dict(look.seen.get("components", look.before.components))
    for component in look.due(components.values()):
        facts = look.describe("DescribeInferenceComponent", _Described, InferenceComponentName=component.name)
        if not facts:
            components[component.name] = look.later(component)
            continue
        components[component.name] = structs.replace(
            component,
            facts=facts,
            described_at=look.now,
            described_as=(component.status, component.modified),
            failed=0,
        )
    look.seen["components"] = components


def list_scaling(look: Look) -> None:
    """Look at the bounds of Application Auto Scaling, on the slow timer."""
    if look.now < look.before.scaling_at + look.pacing.list_metrics_every:
        return
    listed = look.list("DescribeScalableTargets", _ListedBound, ServiceNamespace="sagemaker")
    if listed is not None:
        look.seen["scaling_at"] = look.now
        look.seen["scaling"] = tuple(
            ScalingBound(one.ResourceId, one.ScalableDimension, one.MinCapacity, one.MaxCapacity) for one in listed
        )


def list_tags(look: Look) -> None:
    """Look at the tags of what is looked at, on the slow timer, or at once when others are of interest than before.

    All kinds in one listing: it names a hundred resources in a call, and only those that have tags, or had some. There
    may be twenty of no interest on each, which are not kept.
    """
    by_tags, shown = ("endpoint", "inference-component"), look.pacing.labels
    kinds = (*by_tags, *(one.kind.arn_type for one in look.pacing.kinds if one.kind.counted and shown))
    of = TagsOf(look.pacing.tags, shown, kinds)
    if of == look.before.tags_of and look.now < look.before.tags_at + look.pacing.list_metrics_every:
        return
    asked: dict[str, Any] = {"ResourceTypeFilters": [f"sagemaker:{kind}" for kind in kinds], "ResourcesPerPage": 100}
    if len(shown) == 1 and not of.chosen:
        asked["TagFilters"] = [{"Key": key} for key in shown]  # of several it would want all at once
    found: dict[str, dict[str, str]] = {}
    try:
        for page in look.aws.pages(look.target, "GetResources", **asked):
            for one in read_as(_ListedTags, page["ResourceTagMappingList"]):
                name = one.ResourceARN.split(":", 5)[-1].lower()
                every = of.chosen and name.partition("/")[0] in by_tags
                if tags := {tag.Key: tag.Value for tag in one.Tags if every or tag.Key in shown}:
                    found[name] = tags
    except AwsError as error:
        look.complain("GetResources", error)
        return
    look.seen.update(tags=found, tags_at=look.now, tags_of=of)


# What answers must hold, with AWS's names. The SDK hands on what came, and AWS promises some of it only in prose.


class _ListedEndpoint(Struct):
    EndpointName: str
    EndpointStatus: str
    CreationTime: float
    LastModifiedTime: float


class _ListedComponent(Struct):
    InferenceComponentName: str
    EndpointName: str
    VariantName: str
    CreationTime: float
    LastModifiedTime: float
    InferenceComponentStatus: str = ""


class _ListedBound(Struct):
    ResourceId: str
    ScalableDimension: str
    MinCapacity: int
    MaxCapacity: int


class _Tag(Struct):
    Key: str
    Value: str


class _ListedTags(Struct):
    ResourceARN: str
    Tags: list[_Tag] = []


class _NamedVariant(Struct):
    VariantName: str


class _Described(Struct):
    EndpointConfigName: str = ""
    ProductionVariants: list[_NamedVariant] | None = None
    ShadowProductionVariants: list[_NamedVariant] | None = None
    MetricsConfig: dict[str, Any] = {}


def _variants(facts: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[Variant, ...]:
    """Return the variants of an endpoint with what its configuration says of them."""
    kinds = (("ProductionVariants", "production"), ("ShadowProductionVariants", "shadow"))
    configured = {one["VariantName"]: one for kind, _ in kinds for one in config.get(kind) or ()}
    return tuple(
        Variant(one["VariantName"], role, one, configured.get(one["VariantName"], {}))
        for kind, role in kinds
        for one in facts.get(kind) or ()
    )
