"""Questions to CloudWatch, short to write down."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from exporter.demo import access_key

ACCOUNT, REGION = "123456789012", "us-east-1"
NOW = 1_800_000_000  # a whole hour


def query(stat="Sum", period=60, metric="Invocations", namespace="AWS/SageMaker", dimensions=None, name="q", **more):
    dimensions = {"EndpointName": "e"} if dimensions is None else dimensions
    asked = {"Namespace": namespace, "MetricName": metric}
    asked["Dimensions"] = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    return {"Id": name, "MetricStat": {"Metric": asked, "Period": period, "Stat": stat}, **more}


def when(at):
    return datetime.fromtimestamp(at, UTC)


def ask(fake, queries, start, end, account=ACCOUNT, region=REGION, **more):
    """GetMetricData without the SDK, for the many calls of a property test: (status, answer)."""
    scope = f"{access_key(account)}/20270115/{region}/monitoring/aws4_request"
    status, _, body = fake.handle(
        "POST",
        "/",
        {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}",
            "X-Amz-Target": "GraniteServiceVersion20100801.GetMetricData",
            "Content-Type": "application/x-amz-json-1.0",
        },
        orjson.dumps({"MetricDataQueries": queries, "StartTime": start, "EndTime": end, **more}),
    )
    return status, orjson.loads(body)


def points(fake, queries, start, end, **more):
    """The datapoints of the first query, by time."""
    status, answer = ask(fake, queries, start, end, **more)
    assert status == 200, answer
    result = answer["MetricDataResults"][0]
    assert result["StatusCode"] == "Complete"
    return dict(sorted(zip(result["Timestamps"], result["Values"], strict=True)))
