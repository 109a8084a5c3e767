"""The smallest account that is worth a look: one endpoint, and what a test wants to happen to it."""

from __future__ import annotations

from programs import ACCOUNT, REGION

from exporter.demo import World
from exporter.demo.resources import EndpointConfig, Variant
from exporter.model import DAY, MINUTE

ENDPOINT = {"EndpointName": "churn", "VariantName": "main"}
PIPELINE = {"PipelineName": "nightly"}
INVOCATIONS = "sagemaker_endpoint_invocations_total"
FAILURES = "sagemaker_endpoint_invocation_5xx_errors_total"
UNFORESEEN = "sagemaker_pipeline_execution_failed_total"


def one_endpoint(at, **more):
    """Return a world with an endpoint that has never had a request; it exists for a day."""
    world = World(seed=3, **more)
    config = EndpointConfig("churn-config", at - DAY, (Variant("main"),))
    world.add_endpoint(ACCOUNT, REGION, "churn", at - DAY, config=config)
    return world


def busy(world, begin, minutes, each=10.0):
    """Let the endpoint have requests in so many minutes from `begin` on, seen at once; return how many in all."""
    first = begin // MINUTE * MINUTE
    for minute in range(minutes):
        at = first + minute * MINUTE
        world.put(ACCOUNT, REGION, "AWS/SageMaker", "Invocations", ENDPOINT, at, each, at + MINUTE, each)
    return minutes * each
