"""SageMaker: lists and descriptions of endpoints, their configurations, and inference components, and their tags.

Shapes, defaults and limits are those of the service model 2017-07-24. The facts are in `world`; jobs, and what they
belong to, are in `job_calls`, all other things in `thing_calls`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.demo.call import invalid
from exporter.demo.resources import arn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporter.demo.call import Call
    from exporter.demo.resources import Component, Endpoint, EndpointConfig, Serverless, Variant

LONGEST_PAGE = 100
USUAL_PAGE = 10


def list_endpoints(call: Call) -> dict[str, Any]:
    """Answer ListEndpoints."""
    summaries = []
    for endpoint in call.place.endpoints_at(call.now):
        state = endpoint.state(call.now)
        summaries.append(
            {
                "EndpointName": endpoint.name,
                "EndpointArn": _arn(call, f"endpoint/{endpoint.name}"),
                "CreationTime": endpoint.created,
                "LastModifiedTime": state.at,
                "EndpointStatus": state.status,
            }
        )
    return _listing(call, summaries, "Endpoint")


def list_inference_components(call: Call) -> dict[str, Any]:
    """Answer ListInferenceComponents."""
    endpoint = call.parameters.get("EndpointNameEquals")
    variant = call.parameters.get("VariantNameEquals")
    summaries = [
        {
            "InferenceComponentName": component.name,
            "InferenceComponentArn": _arn(call, f"inference-component/{component.name}"),
            "EndpointName": component.endpoint,
            "EndpointArn": _arn(call, f"endpoint/{component.endpoint}"),
            "VariantName": component.variant,
            "CreationTime": component.created,
            "LastModifiedTime": component.created,
            "InferenceComponentStatus": component.status,
        }
        for component in call.place.components_at(call.now)
        if endpoint in (None, component.endpoint) and variant in (None, component.variant)
    ]
    return _listing(call, summaries, "InferenceComponent")


def list_endpoint_configs(call: Call) -> dict[str, Any]:
    """Answer ListEndpointConfigs."""
    summaries = [
        {
            "EndpointConfigName": config.name,
            "EndpointConfigArn": _arn(call, f"endpoint-config/{config.name}"),
            "CreationTime": config.created,
        }
        for config in call.place.configs.values()
        if config.created <= call.now
    ]
    for name in call.parameters:
        if name not in _OF_CONFIGS:
            raise invalid(f"{name} is not a parameter of ListEndpointConfigs")
    one_of(call.parameters, "SortBy", ("Name", "CreationTime"), "CreationTime")
    return _listing(call, summaries, "EndpointConfig")


_OF_CONFIGS = frozenset(
    {"CreationTimeAfter", "CreationTimeBefore", "MaxResults", "NameContains", "NextToken", "SortBy", "SortOrder"}
)


def _listing(call: Call, summaries: list[dict[str, Any]], noun: str) -> dict[str, Any]:
    given = call.parameters
    bounds: list[tuple[str, Callable[[dict[str, Any], Any], bool]]] = [
        ("NameContains", lambda one, text: text.lower() in one[f"{noun}Name"].lower()),
        ("StatusEquals", lambda one, status: one[f"{noun}Status"] == status),
        ("CreationTimeAfter", lambda one, time: one["CreationTime"] >= time),
        ("CreationTimeBefore", lambda one, time: one["CreationTime"] <= time),
        ("LastModifiedTimeAfter", lambda one, time: one["LastModifiedTime"] > time),
        ("LastModifiedTimeBefore", lambda one, time: one["LastModifiedTime"] < time),
    ]
    for name, holds in bounds:
        if given.get(name) is not None:
            summaries = [one for one in summaries if holds(one, given[name])]
    keys = {"Name": f"{noun}Name", "CreationTime": "CreationTime", "Status": f"{noun}Status"}
    key = keys[one_of(given, "SortBy", tuple(keys), "CreationTime")]
    order = one_of(given, "SortOrder", ("Ascending", "Descending"), "Descending")
    summaries.sort(key=lambda one: (one[key], one[f"{noun}Name"]), reverse=order == "Descending")
    size = given.get("MaxResults", USUAL_PAGE)
    if not 1 <= size <= LONGEST_PAGE:
        raise constraint(size, "MaxResults", f"Member must have value between 1 and {LONGEST_PAGE}")
    page, more = call.page(summaries, size, invalid("Invalid pagination token"))
    return {f"{noun}s": page, **more}


def one_of(given: dict[str, Any], name: str, values: tuple[str, ...], default: str) -> str:
    """Return the value of a parameter; AwsError if it is none of these."""
    value = given.get(name, default)
    if value not in values:
        raise constraint(value, name, f"Member must satisfy enum value set: [{', '.join(values)}]")
    return str(value)


def constraint(value: Any, name: str, rule: str) -> Exception:
    """Return the error for a value that breaks a rule of the service model."""
    member = name[0].lower() + name[1:]
    return invalid(f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}")


def describe_endpoint(call: Call) -> dict[str, Any]:
    """Answer DescribeEndpoint."""
    name = call.parameters.get("EndpointName", "")
    endpoint = call.place.endpoint(name, call.now)
    if endpoint is None:
        raise invalid(f'Could not find endpoint "{_arn(call, f"endpoint/{name}")}".')
    state = endpoint.state(call.now)
    config = state.config
    answer: dict[str, Any] = {
        "EndpointName": endpoint.name,
        "EndpointArn": _arn(call, f"endpoint/{endpoint.name}"),
        "EndpointConfigName": config.name,
        "EndpointStatus": state.status,
        "CreationTime": endpoint.created,
        "LastModifiedTime": state.at,
        "ProductionVariants": [_running(call, endpoint, variant) for variant in config.variants],
        **_settings(config),
    }
    if config.shadows:
        answer["ShadowProductionVariants"] = [_running(call, endpoint, variant) for variant in config.shadows]
    if config.captured_percent is not None:
        answer["DataCaptureConfig"] = {
            "EnableCapture": True,
            "CaptureStatus": "Started",
            "CurrentSamplingPercentage": config.captured_percent,
            "DestinationS3Uri": f"s3://demo-{call.principal.account}/captured",
            "KmsKeyId": "",
        }
    if state.pending:
        answer["PendingDeploymentSummary"] = {
            "EndpointConfigName": state.pending.name,
            "ProductionVariants": [_running(call, endpoint, variant) for variant in state.pending.variants],
            "StartTime": state.at,
        }
    if state.failure:
        answer["FailureReason"] = state.failure
    return answer


def _running(call: Call, endpoint: Endpoint, variant: Variant) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "VariantName": variant.name,
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": 0 if variant.serverless else variant.instances,
        **_scaling(variant),
    }
    if variant.serverless:
        summary["CurrentServerlessConfig"] = _serverless(variant.serverless)
    else:
        summary["DesiredInstanceCount"] = variant.instances
    if variant.model:
        image = f"{call.principal.account}.dkr.ecr.{call.region}.amazonaws.com/{variant.model}"
        summary["DeployedImages"] = [
            {
                "SpecifiedImage": f"{image}:latest",
                "ResolvedImage": f"{image}@sha256:{'0' * 64}",
                "ResolutionTime": endpoint.created,
            }
        ]
    if variant.pools:
        share, rest = divmod(variant.instances, len(variant.pools))
        summary["InstancePools"] = [
            {"InstanceType": pool, "CurrentInstanceCount": share + (place < rest)}
            for place, pool in enumerate(variant.pools)
        ]
    if variant.status:
        summary["VariantStatus"] = [{"Status": variant.status, "StartTime": endpoint.state(call.now).at}]
    return summary


def _scaling(variant: Variant) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if variant.managed:
        fewest, most = variant.managed
        settings["ManagedInstanceScaling"] = {
            "Status": "ENABLED",
            "MinInstanceCount": fewest,
            "MaxInstanceCount": most,
        }
    if variant.routing:
        settings["RoutingConfig"] = {"RoutingStrategy": variant.routing}
    return settings


def _serverless(serverless: Serverless) -> dict[str, Any]:
    settings = {"MemorySizeInMB": serverless.memory_mb, "MaxConcurrency": serverless.max_concurrency}
    if serverless.provisioned is not None:
        settings["ProvisionedConcurrency"] = serverless.provisioned
    return settings


def _settings(config: EndpointConfig) -> dict[str, Any]:
    """Return what stands alike in the description of an endpoint and of its configuration."""
    settings: dict[str, Any] = {}
    if config.asynchronous:
        settings["AsyncInferenceConfig"] = {"OutputConfig": {"S3OutputPath": "s3://demo/answers"}}
    if config.explained:
        settings["ExplainerConfig"] = {
            "ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": "0,0,0"}}}
        }
    if config.publish_period is not None or config.enhanced:
        settings["MetricsConfig"] = {
            "EnableEnhancedMetrics": config.enhanced,
            "MetricPublishFrequencyInSeconds": config.publish_period or 60,
        }
    return settings


def describe_endpoint_config(call: Call) -> dict[str, Any]:
    """Answer DescribeEndpointConfig."""
    name = call.parameters.get("EndpointConfigName", "")
    config = call.place.configs.get(name)
    if config is None or config.created > call.now:
        raise invalid(f'Could not find endpoint configuration "{_arn(call, f"endpoint-config/{name}")}".')
    answer: dict[str, Any] = {
        "EndpointConfigName": config.name,
        "EndpointConfigArn": _arn(call, f"endpoint-config/{config.name}"),
        "CreationTime": config.created,
        "ProductionVariants": [_configured(variant) for variant in config.variants],
        **_settings(config),
    }
    if config.shadows:
        answer["ShadowProductionVariants"] = [_configured(variant) for variant in config.shadows]
    if config.captured_percent is not None:
        answer["DataCaptureConfig"] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": config.captured_percent,
            "DestinationS3Uri": f"s3://demo-{call.principal.account}/captured",
            "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
        }
    return answer


def _configured(variant: Variant) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "VariantName": variant.name,
        "InitialVariantWeight": variant.weight,
        **_scaling(variant),
    }
    if variant.model:
        settings["ModelName"] = variant.model
    if variant.serverless:
        settings["ServerlessConfig"] = _serverless(variant.serverless)
        return settings
    settings["InitialInstanceCount"] = variant.instances
    if variant.instance_type:
        settings["InstanceType"] = variant.instance_type
    if variant.pools:
        settings["InstancePools"] = [
            {"InstanceType": pool, "Priority": priority} for priority, pool in enumerate(variant.pools, 1)
        ]
    return settings


def describe_inference_component(call: Call) -> dict[str, Any]:
    """Answer DescribeInferenceComponent."""
    name = call.parameters.get("InferenceComponentName", "")
    component = call.place.component(name, call.now)
    if component is None:
        raise invalid(f'Could not find inference component "{_arn(call, f"inference-component/{name}")}".')
    return {
        "InferenceComponentName": component.name,
        "InferenceComponentArn": _arn(call, f"inference-component/{component.name}"),
        "EndpointName": component.endpoint,
        "EndpointArn": _arn(call, f"endpoint/{component.endpoint}"),
        "VariantName": component.variant,
        "CreationTime": component.created,
        "LastModifiedTime": component.created,
        "InferenceComponentStatus": component.status,
        "Specification": _specification(component),
        "RuntimeConfig": {
            "DesiredCopyCount": component.desired_copies,
            "CurrentCopyCount": component.copies,
        },
    }


def _specification(component: Component) -> dict[str, Any]:
    specification: dict[str, Any] = {}
    if component.model:
        specification["ModelName"] = component.model
    if component.base:  # an adapter lives in the memory of the component that carries it
        specification["BaseInferenceComponentName"] = component.base
        return specification
    needs: dict[str, Any] = {"MinMemoryRequiredInMb": component.memory_mb}
    if component.cpu_cores is not None:
        needs["NumberOfCpuCoresRequired"] = component.cpu_cores
    if component.accelerators is not None:
        needs["NumberOfAcceleratorDevicesRequired"] = component.accelerators
    specification["ComputeResourceRequirements"] = needs
    return specification


def list_tags(call: Call) -> dict[str, Any]:
    """Answer ListTags; nothing has more tags than fit on a page."""
    wanted = call.parameters.get("ResourceArn", "")
    tags = dict(resources(call)).get(wanted)
    if tags is None and call.place.jobs.exists(wanted.split(":", 5)[-1], call.now):
        tags = {}
    if tags is None:
        raise invalid(f'Could not find resource "{wanted}".')
    return {"Tags": tags_of(tags.items())}


def resources(call: Call) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (ARN, tags) of everything that exists."""
    for endpoint in call.place.endpoints_at(call.now):
        yield _arn(call, f"endpoint/{endpoint.name}"), endpoint.tags
    for component in call.place.components_at(call.now):
        yield _arn(call, f"inference-component/{component.name}"), component.tags
    for thing in call.place.things:
        if thing.exists(call.now):
            yield _arn(call, thing.resource), thing.tags
    yield from call.place.tags.items()


def tags_of(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return tags as AWS writes them."""
    return [{"Key": key, "Value": value} for key, value in pairs]


def _arn(call: Call, resource: str) -> str:
    return arn("sagemaker", call.region, call.principal.account, resource.lower())  # SageMaker's ARNs are lower case


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "DescribeEndpoint": describe_endpoint,
    "DescribeEndpointConfig": describe_endpoint_config,
    "DescribeInferenceComponent": describe_inference_component,
    "ListEndpointConfigs": list_endpoint_configs,
    "ListEndpoints": list_endpoints,
    "ListInferenceComponents": list_inference_components,
    "ListTags": list_tags,
}
