from __future__ import annotations

import pytest
from asking import ACCOUNT, NOW, ask, query, when
from botocore.exceptions import ClientError


def test_a_bill_counted_by_hand(fake, put, in_memory):
    for minute in range(10):
        put(NOW - 600 + 60 * minute, [1, 2])
        put(NOW - 600 + 60 * minute, 1, metric="Other")
    client = in_memory("cloudwatch")
    six = ["Sum", "SampleCount", "Average", "Minimum", "Maximum", "p50"]
    queries = [query(stat, name=f"a{place}") for place, stat in enumerate(six)]
    queries.append(query(metric="Other", name="b"))
    queries.append(query(metric="Nothing", name="c"))
    queries.append(query(metric="Nothing", name="d", dimensions={}, ReturnData=False))
    asked = {"MetricDataQueries": queries, "StartTime": when(NOW - 600), "EndTime": when(NOW)}
    client.get_metric_data(**asked)
    # six statistics of one metric are two metrics, and each other metric is one: 2 + 1 + 1 + 1
    assert fake.bill.metrics == 5
    assert fake.bill.datapoints == 70

    pages = list(client.get_paginator("get_metric_data").paginate(**asked, MaxDatapoints=30))
    assert len(pages) == 3
    assert fake.bill.metrics == 5 + 3 * 5  # every page again
    client.list_metrics()
    client.list_metrics(Namespace="AWS/SageMaker")
    in_memory("sagemaker").list_endpoints()
    assert fake.bill.requests == {
        "cloudwatch.GetMetricData": 4,
        "cloudwatch.ListMetrics": 2,
        "sagemaker.ListEndpoints": 1,
    }
    assert fake.bill.dollars == pytest.approx(20 * 0.01 / 1000 + 2 * 0.01 / 1000)
    assert fake.bill.actions == {
        f"arn:aws:iam::{ACCOUNT}:user/demo": {
            "cloudwatch:GetMetricData",
            "cloudwatch:ListMetrics",
            "sagemaker:ListEndpoints",
        }
    }


def test_what_is_refused_costs_nothing(fake):
    assert ask(fake, [query("nix")], NOW - 600, NOW)[0] == 400
    fake.faults.add("throttle")
    assert ask(fake, [query()], NOW - 600, NOW)[0] == 400
    assert fake.bill.metrics == 0
    assert fake.bill.requests["cloudwatch.GetMetricData"] == 2


def test_what_was_lost_on_the_way_is_paid(fake):
    fake.faults.add("garbage")
    with pytest.raises(ValueError, match="unexpected"):
        ask(fake, [query()], NOW - 600, NOW)
    assert fake.bill.metrics == 1


def test_the_busiest_second(fake, clock):
    queries = [query(name=f"q{number}") for number in range(100)]
    for later in (0, 0.4, 0.9, 1.5):
        clock.now = NOW + later
        ask(fake, queries, NOW - 3600, NOW)
        ask(fake, queries, NOW - 4 * 3600, NOW)
    assert fake.bill.highest["datapoints.recent"] == 3 * 100 * 60
    assert fake.bill.highest["datapoints.older"] == 3 * 100 * 240
    assert fake.bill.highest["cloudwatch.GetMetricData"] == 6
    clock.now = NOW - 100  # a clock that is set back begins anew
    ask(fake, queries, NOW - 3600, NOW)
    assert fake.bill.highest["cloudwatch.GetMetricData"] == 6


def test_quotas_refuse_when_they_are_enforced(fake, in_memory, clock):
    fake.bill.enforced = True
    client = in_memory("cloudwatch")
    for _ in range(25):
        client.list_metrics()
    with pytest.raises(ClientError) as raised:
        client.list_metrics()
    assert raised.value.response["Error"]["Code"] == "Throttling"
    assert raised.value.response["Error"]["Message"] == "Rate exceeded"
    in_memory("cloudwatch", region="eu-west-1").list_metrics()  # another region has a quota of its own
    clock.now += 1
    client.list_metrics()

    queries = [query(name=f"q{number}") for number in range(500)]
    assert ask(fake, queries, NOW - 3 * 3600 + 60, NOW)[0] == 200  # 500 x 179 datapoints asked for
    assert ask(fake, queries, NOW - 3 * 3600 + 60, NOW)[0] == 200
    status, answer = ask(fake, queries, NOW - 3600, NOW)
    assert (status, answer["__type"]) == (400, "ThrottlingException")
    assert fake.bill.refused == {"cloudwatch.ListMetrics": 1, "datapoints.recent": 1}
    assert ask(fake, queries, NOW - 6 * 3600, NOW)[0] == 200  # older starts have a quota of their own


def test_operations_without_a_published_quota_have_one_too(fake, in_memory):
    fake.bill.enforced = True
    client = in_memory("sagemaker")
    for _ in range(10):
        client.list_endpoints()
    with pytest.raises(ClientError, match="ThrottlingException"):
        client.list_endpoints()
