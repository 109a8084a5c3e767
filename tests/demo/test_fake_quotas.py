"""Service Quotas of the fake: pages, values that change, and AWS/Usage, which counts what there is."""

from __future__ import annotations

import pytest
from asking import ACCOUNT, NOW, REGION, points, query
from botocore.exceptions import ClientError

from exporter.demo.quotas import COUNTED_AFTER, COUNTED_EVERY, code_of, table, used
from exporter.demo.resources import Variant

WHERE = ACCOUNT, REGION
DAY = 86400
ENDPOINTS = code_of("ml.m5.large for endpoint usage")
USAGE = {"Service": "SageMaker", "Class": "None", "Type": "Resource", "Resource": "endpoint/ml.m5.large"}


def listed(client, operation="list_service_quotas", **more):
    pages = client.get_paginator(operation).paginate(ServiceCode="sagemaker", **more)
    return [quota for page in pages for quota in page["Quotas"]]


def code(raised):
    return raised.value.response["Error"]["Code"]


def test_quotas_come_in_pages_of_a_hundred(over_http):
    pages = list(over_http("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker"))
    sizes = [len(page["Quotas"]) for page in pages]
    assert sizes[:-1] == [100] * (len(sizes) - 1)
    assert 200 < sum(sizes) < len(table())
    small = over_http("service-quotas").list_service_quotas(ServiceCode="sagemaker", MaxResults=7)
    assert len(small["Quotas"]) == 7


def test_a_quota_is_told_as_aws_does(in_memory):
    found = {one["QuotaCode"]: one for one in listed(in_memory("service-quotas"))}
    assert found[ENDPOINTS] == {
        "ServiceCode": "sagemaker",
        "ServiceName": "Amazon SageMaker",
        "QuotaArn": f"arn:aws:servicequotas:{REGION}:{ACCOUNT}:sagemaker/L-614B09FD",
        "QuotaCode": "L-614B09FD",
        "QuotaName": "ml.m5.large for endpoint usage",
        "Value": 8.0,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        "QuotaAppliedAtLevel": "ACCOUNT",
        "UsageMetric": {
            "MetricNamespace": "AWS/Usage",
            "MetricName": "ResourceCount",
            "MetricDimensions": USAGE,
            "MetricStatisticRecommendation": "Maximum",
        },
    }
    rate = found[code_of("Rate of CreateEndpoint requests")]
    assert rate["Period"] == {"PeriodValue": 1, "PeriodUnit": "SECOND"}
    assert "UsageMetric" not in rate


def test_some_have_defaults_only_and_what_applies_may_be_more(in_memory, world, clock):
    client = in_memory("service-quotas")
    applied = {one["QuotaName"] for one in listed(client)}
    default = {one["QuotaName"]: one["Value"] for one in listed(client, "list_aws_default_service_quotas")}
    assert default.keys() - applied == {
        "Maximum number of Ground Truth labeling jobs",
        "Maximum number of MLflow Tracking Servers",
    }
    world.change_quota(*WHERE, ENDPOINTS, NOW + 60, 20)
    world.change_quota(*WHERE, ENDPOINTS, NOW + 30, 10)
    values = []
    for _ in range(3):
        (quota,) = listed(client, QuotaCode=ENDPOINTS)
        values.append(quota["Value"])
        clock.now += 30
    assert values == [8, 10, 20]
    assert default["ml.m5.large for endpoint usage"] == 8
    assert listed(client, QuotaAppliedAtLevel="RESOURCE") == []
    with pytest.raises(KeyError):
        world.change_quota(*WHERE, "L-00000000", NOW, 1)


def test_codes_differ_and_have_the_form_of_aws():
    assert len(table()) > 250
    assert all(len(one) == 10 and one.startswith("L-") for one in table())


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"ServiceCode": "lambda"}, "NoSuchResourceException"),
        ({"ServiceCode": "sagemaker", "NextToken": "abc"}, "InvalidPaginationTokenException"),
    ],
)
def test_what_is_refused(in_memory, given, error):
    with pytest.raises(ClientError) as raised:
        in_memory("service-quotas").list_service_quotas(**given)
    assert code(raised) == error


def test_more_than_ten_calls_a_second_are_refused_where_quotas_are_enforced(in_memory, fake):
    fake.bill.enforced = True
    client = in_memory("service-quotas")
    for _ in range(10):
        client.list_service_quotas(ServiceCode="sagemaker")
    with pytest.raises(ClientError) as raised:
        client.list_service_quotas(ServiceCode="sagemaker")
    assert code(raised) == "ThrottlingException"


def test_usage_is_counted_every_twenty_minutes_from_what_there_is(fake, world, clock):
    world.count_usage(*WHERE, NOW - DAY)
    world.add_endpoint(*WHERE, "a", NOW - 3600, variants=(Variant(instance_type="ml.m5.large", instances=3),))
    world.add_endpoint(*WHERE, "b", NOW - 1900, variants=(Variant(instance_type="ml.m5.large", instances=2),))
    asked = [query("Maximum", 300, "ResourceCount", "AWS/Usage", USAGE)]
    ago = COUNTED_EVERY
    assert points(fake, asked, NOW - 7200, NOW + 300) == {NOW - 3 * ago: 3, NOW - 2 * ago: 3, NOW - ago: 5}
    clock.now += COUNTED_AFTER + 1
    assert points(fake, asked, NOW, NOW + 300) == {NOW: 5}
    assert used(world.region(*WHERE), NOW)["endpoint/total_instance_count"] == 5


def test_usage_is_listed_while_there_is_any(in_memory, world):
    world.count_usage(*WHERE, NOW - DAY)
    world.add_endpoint(*WHERE, "a", NOW - 3600)
    found = in_memory("cloudwatch").list_metrics(Namespace="AWS/Usage", MetricName="ResourceCount")["Metrics"]
    resources = {pair["Value"] for one in found for pair in one["Dimensions"] if pair["Name"] == "Resource"}
    assert resources == {"endpoint/ml.m5.xlarge", "endpoint/total_instance_count"}
