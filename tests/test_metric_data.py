"""GetMetricData on the wire: our bytes are those of the SDK, and pages come together as one answer."""

from __future__ import annotations

import boto3
import msgspec
import orjson
import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import given
from hypothesis import strategies as st
from street import ACCOUNT, REGION, Street
from worlds import T0

from exporter.aws import metric_data
from exporter.aws.metric_data import MetricCall, Result, body, decode, dimensions, merge, statistic, subject
from exporter.aws.operations import MOST_DATAPOINTS, MOST_QUERIES
from exporter.demo import World
from exporter.model import MINUTE

# -- the request -------------------------------------------------------------------------------------------------------

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
queries = st.tuples(
    names,
    names,
    st.lists(st.tuples(names, names), max_size=3, unique_by=lambda pair: pair[0]),
    st.sampled_from([1, 10, 60, 300, 900]),
    st.sampled_from(["Sum", "SampleCount", "Average", "Maximum", "p99", "p99.9", "TM(10%:90%)"]),
)


class _Nothing:
    def stream(self):
        yield b'{"MetricDataResults":[],"Messages":[]}'


@pytest.fixture(scope="module")
def sdk():
    """A function that returns what a plain boto3 client sends for the arguments of get_metric_data."""
    sent = []

    def send(request, **_):
        sent.append(request.body)
        return AWSResponse(request.url, 200, {"Content-Type": "application/x-amz-json-1.0"}, _Nothing())

    client = boto3.client("cloudwatch", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")
    client.meta.events.register("before-send", send)
    yield lambda **asked: client.get_metric_data(**asked) and sent.pop()
    client.close()


def call(asked, start=T0, end=T0 + 900):
    prepared = [
        subject(namespace, metric) + dimensions(pairs) + statistic(period, stat)
        for namespace, metric, pairs, period, stat in asked
    ]
    return MetricCall(start, end, prepared, datapoints=0, metrics=0)


@given(st.lists(queries, min_size=1, max_size=5), st.none() | names)
def test_our_request_is_what_the_sdk_would_have_sent(sdk, asked, token):
    theirs = sdk(
        MetricDataQueries=[
            {
                "Id": f"q{n}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": namespace,
                        "MetricName": metric,
                        "Dimensions": [{"Name": name, "Value": value} for name, value in pairs],
                    },
                    "Period": period,
                    "Stat": stat,
                },
            }
            for n, (namespace, metric, pairs, period, stat) in enumerate(asked)
        ],
        StartTime=T0,
        EndTime=T0 + 900,
        ScanBy="TimestampAscending",
        MaxDatapoints=MOST_DATAPOINTS,
        **({"NextToken": token} if token else {}),
    )
    assert orjson.loads(body(call(asked), token)) == orjson.loads(theirs)


def test_a_whole_call_has_an_id_for_each_query():
    most = orjson.loads(body(call([("N", "M", [], 60, "Sum")] * MOST_QUERIES), None))
    assert len({query["Id"] for query in most["MetricDataQueries"]}) == MOST_QUERIES


# -- the answer --------------------------------------------------------------------------------------------------------


def page(*results, token=None, messages=None):
    return decode(orjson.dumps({"MetricDataResults": results, "NextToken": token, "Messages": messages}))


def result(id_, points=(), status="Complete", messages=None, values=None):
    given_values = [value for _, value in points] if values is None else values
    times = [float(at) for at, _ in points]
    found = {"Id": id_, "Label": "any", "Timestamps": times, "Values": given_values, "StatusCode": status}
    return found if messages is None else found | {"Messages": messages}


def merged(*pages, count=1):
    return merge(MetricCall(T0, T0 + 900, [b""] * count, 0, 0), pages, 5.0, 7.0)


def test_one_page():
    reply = merged(page(result("q1", [(0, 1.0), (60, 2.0)]), result("q0")), count=2)
    assert reply.results == [Result([], [], "Complete"), Result([0.0, 60.0], [1.0, 2.0], "Complete")]
    assert (reply.began, reply.date, reply.datapoints) == (5.0, 7.0, 2)


def test_the_last_page_says_whether_a_result_is_whole():
    reply = merged(page(result("q0", [(0, 1)], "PartialData"), token="t"), page(result("q0", [(60, 2)])))
    assert reply.results == [Result([0.0, 60.0], [1.0, 2.0], "Complete")]
    cut = merged(page(result("q0", [(0, 1)])), page(result("q0", [(60, 2)], "PartialData")))
    assert not cut.results[0].complete


def test_what_was_asked_and_is_not_in_the_answer_is_missing():
    reply = merged(page(result("q0")), count=2)
    assert [one.status for one in reply.results] == ["Complete", "Missing"]
    assert not reply.results[1].complete


@pytest.mark.parametrize("stranger", ["q1", "q500", "x", "", "Q0", "q-1", "q00"])
def test_an_id_that_nobody_asked_for_is_left_out(stranger):
    assert merged(page(result(stranger, [(0, 1)]), result("q0"))).results == [Result([], [], "Complete")]


@pytest.mark.parametrize("status", ["PartialData", "InternalError", "Forbidden", "", "SomethingNew"])
def test_only_complete_is_complete(status):
    reply = merged(page(result("q0", [(0, 1)], status)))
    assert reply.results[0].status == status
    assert not reply.results[0].complete


MESSAGE = [{"Code": "InternalError", "Value": "Some data could not be read."}]


def test_a_message_on_a_result_means_that_it_is_not_whole():
    reply = merged(page(result("q0", [(0, 1)], messages=MESSAGE), result("q1")), count=2)
    assert [one.complete for one in reply.results] == [False, True]


def test_a_message_on_any_page_means_that_no_result_is_whole():
    reply = merged(page(result("q0"), token="t"), page(result("q1"), messages=MESSAGE), count=2)
    assert [one.complete for one in reply.results] == [False, False]


def test_a_message_on_the_only_page_means_so_too():
    reply = merged(page(result("q0"), result("q1", [(0, 1)]), messages=MESSAGE), count=2)
    assert [one.complete for one in reply.results] == [False, False]


def test_a_result_once_doubted_stays_so():
    reply = merged(page(result("q0", messages=MESSAGE), token="t"), page(result("q0", [(0, 1)])))
    assert not reply.results[0].complete


def test_a_result_in_two_parts_on_one_page_is_one():
    reply = merged(page(result("q0", [(0, 1)]), result("q0", [(60, 2)])))
    assert reply.results == [Result([0.0, 60.0], [1.0, 2.0], "Complete")]


def test_times_that_are_the_same_are_read_once():
    points = [(T0 + minute * 60, 1.0) for minute in range(5)]
    first, other, again, few = merged(
        page(*(result(f"q{n}", some) for n, some in enumerate((points, points[1:], points, points[:1])))), count=4
    ).results
    assert first.times is again.times
    assert [one.times for one in (first, other, few)] == [
        [at for at, _ in some] for some in (points, points[1:], points[:1])
    ]


def test_empty_lists_of_messages_mean_nothing():
    assert merged(page(result("q0", messages=[]), messages=[])).results[0].complete


def test_times_without_values_are_not_a_whole_answer():
    uneven = result("q0", [(0, 1), (60, 2)], values=[1.0])
    assert not merged(page(uneven)).results[0].complete
    assert not merged(page(uneven, token="t"), page(result("q0", [(120, 3)], values=[2.0, 3.0]))).results[0].complete


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"\x00<html>",
        b'{"Messages": []}',
        b'{"MetricDataResults": null}',
        b'{"MetricDataResults": [{}]}',
        b'{"MetricDataResults": [{"Id": "q0", "Timestamps": ["now"]}]}',
        b'{"MetricDataResults": [{"Id": "q0", "Values": [null]}]}',
        b'{"MetricDataResults": []',
    ],
)
def test_what_is_no_answer_is_refused(text):
    with pytest.raises(msgspec.MsgspecError):
        decode(text)


def test_members_that_aws_may_add_are_no_reason_to_refuse():
    text = b'{"MetricDataResults": [{"Id": "q0", "StatusCode": "Complete", "New": 1}], "New": {"a": [1]}}'
    assert merge(call([("N", "M", [], 60, "Sum")]), [decode(text)], 0.0, 0.0).results[0].complete


# -- both, through the whole door --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def street():
    street = Street(World(), now=T0 + 1000)
    yield street
    street.kill()


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 9)), max_size=15), min_size=1, max_size=6),
    st.integers(1, 40),
)
def test_an_answer_in_pages_equals_one_without(street, series, limit):
    street.fake.world = World()
    for n, points in enumerate(series):
        at = (ACCOUNT, REGION, "AWS/SageMaker", "Invocations", {"EndpointName": str(n)})
        for minute, value in points:
            street.fake.world.put(*at, T0 + minute * MINUTE, value)
    asked = call([("AWS/SageMaker", "Invocations", [("EndpointName", str(n))], 60, "Sum") for n in range(len(series))])
    (whole,) = street.aws.metric_data(street.target, [asked])
    before = street.fake.bill.requests["cloudwatch.GetMetricData"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metric_data, "MOST_DATAPOINTS", limit)
        (paged,) = street.aws.metric_data(street.target, [asked])
    assert all(result.complete for result in whole.results)
    assert paged.results == whole.results
    pages = max(1, -(-whole.datapoints // limit))
    assert street.fake.bill.requests["cloudwatch.GetMetricData"] == before + pages
