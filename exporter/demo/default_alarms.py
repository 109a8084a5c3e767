"""The alarms of the demo: on endpoints, on what else SageMaker publishes, and on other services (of no concern here).

Thresholds are such that some of them fire now and then, and the one on the bad deployment does at the beginning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.demo.alarms import COMPOSITE, LOG, METRIC, Alarm
from exporter.demo.resources import arn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.demo.world import World

DAY = 86_400
RUN_IN = 1800  # seconds before the demo begins from which alarms are evaluated

_UP, _DOWN = "GreaterThanThreshold", "LessThanThreshold"
_ENDPOINTS, _HOSTS = "AWS/SageMaker", "/aws/sagemaker/Endpoints"


def add_alarms(world: World, account: str, region: str, now: int, endpoints: Sequence[str]) -> None:
    """Add the alarms of a region; there are none without endpoints."""
    topic = arn("sns", region, account, "on-call")
    for nth, (name, kind, facts) in enumerate(_alarms(endpoints) if endpoints else ()):
        actions = {"AlarmActions": [topic], "OKActions": [topic]} if nth % 4 else {}
        created = float(now - DAY * (1 + nth * 5 % 30))
        alarm = Alarm(name, created, {**actions, **facts}, kind, kind == LOG, evaluated=float(now - RUN_IN))
        alarm.enter("OK", created + 60, "Threshold Crossed: no datapoint was beyond it", created + 60)
        world.put_alarm(account, region, alarm)


def _alarms(endpoints: Sequence[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    first = endpoints[0]
    yield f"{first}-5xx", METRIC, _metric(_ENDPOINTS, "Invocation5XXErrors", _variant(first), "Sum", 5)
    yield f"{first}-error-ratio", METRIC, _error_ratio(first)
    yield f"{first}-broken", COMPOSITE, {"AlarmRule": f'ALARM("{first}-5xx") AND ALARM("{first}-error-ratio")'}
    for name in endpoints[1:5]:
        yield f"{name}-4xx", METRIC, _metric(_ENDPOINTS, "Invocation4XXErrors", _variant(name), "Sum", 3, 2, of=3)
        slow = _metric(_ENDPOINTS, "ModelLatency", _variant(name), "p90", 400_000, 2, of=3)
        yield f"{name}-slow", METRIC, slow
    for name in endpoints[5:8]:
        busy = _metric(_HOSTS, "CPUUtilization", _variant(name), "Average", 90, 3)
        yield f"{name}-cpu", METRIC, busy | {"Unit": "Percent"}
    variant = f"endpoint/{first}/variant/AllTraffic"
    per_instance = _variant(first)
    for word, comparison, threshold in (("High", _UP, 90), ("Low", _DOWN, 40)):
        scaling = _metric(_ENDPOINTS, "InvocationsPerInstance", per_instance, "Sum", threshold, 3, comparison)
        yield f"TargetTracking-{variant}-Alarm{word}-7f3c", METRIC, scaling
    failed = _metric("AWS/Sagemaker/ModelBuildingPipeline", "ExecutionFailed", {}, "Sum", 0)
    yield "pipelines-failed", METRIC, failed | {"TreatMissingData": "notBreaching"}
    throttled = {"FeatureGroupName": "customers", "OperationName": "PutRecord"}
    yield "features-throttled", METRIC, _metric(_ENDPOINTS, "ThrottledRequests", throttled, "Sum", 10, of=5)
    query = {
        "QueryString": "filter @message like /CUDA out of memory/",
        "LogGroupIdentifiers": [f"/aws/sagemaker/Endpoints/{first}"],
        "ScheduledQueryRoleARN": "arn:aws:iam::123456789012:role/logs",
        "ScheduleConfiguration": {"ScheduleExpression": "rate(5 minutes)", "StartTimeOffset": 360},
        "AggregationExpression": "count(*)",
    }
    asked = {"QueryResultsToEvaluate": 1, "QueryResultsToAlarm": 1, "Threshold": 0.0, "ComparisonOperator": _UP}
    yield f"{first}-out-of-memory", LOG, {"ScheduledQueryConfiguration": query, **asked}
    yield "sagemaker", COMPOSITE, {"AlarmRule": f'ALARM("{first}-broken") OR ALARM(pipelines-failed)'}
    # Nobody here wants to hear of these:
    yield "orders-lambda-errors", METRIC, _metric("AWS/Lambda", "Errors", {"FunctionName": "orders"}, "Sum", 0)
    yield "web-cpu", METRIC, _metric("AWS/EC2", "CPUUtilization", {"AutoScalingGroupName": "web"}, "Average", 80)
    logs = _metric("AWS/Logs", "IncomingBytes", {"LogGroupName": "/aws/lambda/orders"}, "Sum", 1000)
    yield "orders-talks", METRIC, logs
    yield "shop", COMPOSITE, {"AlarmRule": "ALARM(orders-lambda-errors) OR ALARM(web-cpu)"}


def _variant(endpoint: str) -> dict[str, str]:
    return {"EndpointName": endpoint, "VariantName": "AllTraffic"}


def _named(dimensions: dict[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _metric(
    namespace: str,
    metric: str,
    dimensions: dict[str, str],
    statistic: str,
    threshold: float,
    enough: int = 1,
    comparison: str = _UP,
    of: int | None = None,
) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": metric,
        "Dimensions": _named(dimensions),
        "ExtendedStatistic" if statistic.startswith("p") else "Statistic": statistic,
        "Period": 60,
        "EvaluationPeriods": of or enough,
        "DatapointsToAlarm": enough,
        "Threshold": float(threshold),
        "ComparisonOperator": comparison,
        "TreatMissingData": "missing",
    }


def _error_ratio(endpoint: str) -> dict[str, Any]:
    inputs = [
        {
            "Id": name,
            "ReturnData": False,
            "MetricStat": {
                "Metric": {"Namespace": _ENDPOINTS, "MetricName": metric, "Dimensions": _named(_variant(endpoint))},
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for name, metric in (("errors", "Invocation5XXErrors"), ("all", "Invocations"))
    ]
    return {
        "Metrics": [{"Id": "ratio", "Expression": "100 * errors / all", "ReturnData": True}, *inputs],
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 5.0,
        "ComparisonOperator": _UP,
        "TreatMissingData": "notBreaching",
    }
