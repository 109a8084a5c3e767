"""Application Auto Scaling: DescribeScalableTargets, of SageMaker's variants and inference components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.demo.call import AwsError, invalid
from exporter.demo.resources import arn

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.call import Call

# https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DescribeScalableTargets.html
LONGEST_PAGE = 50


def describe_scalable_targets(call: Call) -> dict[str, Any]:
    """Answer DescribeScalableTargets; other services than SageMaker have none."""
    given = call.parameters
    if not given.get("ServiceNamespace"):
        raise invalid("1 validation error detected: Value at 'serviceNamespace' failed to satisfy constraint: not null")
    size = given.get("MaxResults", LONGEST_PAGE)
    if not 1 <= size <= LONGEST_PAGE:
        raise invalid(f"MaxResults must be between 1 and {LONGEST_PAGE}")
    targets = [
        target
        for target in (call.place.targets if given["ServiceNamespace"] == "sagemaker" else ())
        if target.created <= call.now
        and (not given.get("ResourceIds") or target.resource in given["ResourceIds"])
        and given.get("ScalableDimension") in (None, target.dimension)
    ]
    page, more = call.page(targets, size, AwsError("InvalidNextTokenException", "Invalid next token"))
    role = arn("iam", "", call.principal.account, "role/aws-service-role/AWSServiceRoleForApplicationAutoScaling")
    return {
        "ScalableTargets": [
            {
                "ServiceNamespace": "sagemaker",
                "ResourceId": target.resource,
                "ScalableDimension": target.dimension,
                "MinCapacity": target.lowest,
                "MaxCapacity": target.highest,
                "RoleARN": role,
                "CreationTime": target.created,
                "SuspendedState": {
                    "DynamicScalingInSuspended": False,
                    "DynamicScalingOutSuspended": False,
                    "ScheduledScalingSuspended": False,
                },
            }
            for target in page
        ],
        **more,
    }


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {"DescribeScalableTargets": describe_scalable_targets}
