from __future__ import annotations

import pytest
from asking import ACCOUNT, NOW, ask, points, query, when
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.parsers import ResponseParserError

SIGNED = {"Authorization": f"AWS4-HMAC-SHA256 Credential=AKIADEMO{ACCOUNT}/20270115/us-east-1/sagemaker/aws4_request"}
ASKED = {"MetricDataQueries": [query()], "StartTime": when(NOW - 600), "EndTime": when(NOW)}


@pytest.fixture(autouse=True)
def data(put):
    for minute in range(10):
        put(NOW - 600 + 60 * minute, 1)
        put(NOW - 600 + 60 * minute, 1, metric="Other")


class TestErrors:
    @pytest.mark.parametrize(
        ("kind", "code", "json_code", "status"),
        [
            ("throttle", "Throttling", "ThrottlingException", 400),
            ("deny", "AccessDenied", "AccessDeniedException", 400),
            ("http_500", "InternalFailure", "InternalFailure", 500),
            ("http_503", "ServiceUnavailable", "ServiceUnavailable", 503),
            ("expired_token", "ExpiredToken", "ExpiredTokenException", 403),
        ],
    )
    def test_in_the_shapes_of_aws(self, over_http, fake, kind, code, json_code, status):
        fake.faults.add(kind)
        for call, expected in (
            (over_http("cloudwatch").list_metrics, (code, status)),
            (over_http("sts").get_caller_identity, (code, 403 if kind == "deny" else status)),
            (over_http("sagemaker").list_endpoints, (json_code, status)),
        ):
            with pytest.raises(ClientError) as raised:
                call()
            answer = raised.value.response
            assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == expected

    def test_a_denial_names_who_may_not_do_what(self, in_memory, fake):
        fake.faults.add("deny")
        with pytest.raises(ClientError) as raised:
            in_memory("resourcegroupstaggingapi").get_resources()
        assert raised.value.response["Error"]["Message"] == (
            f"User: arn:aws:iam::{ACCOUNT}:user/demo is not authorized to perform: tag:GetResources "
            "because no identity-based policy allows the tag:GetResources action"
        )


class TestWhom:
    @pytest.mark.parametrize(
        "rule",
        [
            {"service": "cloudwatch"},
            {"operation": "GetMetricData"},
            {"account": ACCOUNT},
            {"region": "us-east-1"},
            {"namespace": "AWS/SageMaker"},
            {"metric": "Other"},
            {"namespace": "AWS/SageMaker", "metric": "Other", "operation": "GetMetricData"},
        ],
    )
    def test_a_rule_that_matches(self, fake, rule):
        fake.faults.add("throttle", **rule)
        assert ask(fake, [query(), query(metric="Other", name="r")], NOW - 600, NOW)[0] == 400

    @pytest.mark.parametrize(
        "rule",
        [
            {"service": "sagemaker"},
            {"operation": "ListMetrics"},
            {"account": "210987654321"},
            {"region": "eu-west-1"},
            {"namespace": "AWS/Logs"},
            {"metric": "Nothing"},
            {"namespace": "AWS/Logs", "metric": "Other"},
        ],
    )
    def test_a_rule_that_does_not(self, fake, rule):
        fake.faults.add("throttle", **rule)
        assert ask(fake, [query(), query(metric="Other", name="r")], NOW - 600, NOW)[0] == 200

    def test_list_metrics_of_one_namespace(self, fake, in_memory):
        fake.faults.add("http_500", namespace="AWS/Logs")
        client = in_memory("cloudwatch")
        client.list_metrics(Namespace="AWS/SageMaker")
        with pytest.raises(ClientError):
            client.list_metrics(Namespace="AWS/Logs")

    def test_unknown_kinds_and_fields(self, fake):
        with pytest.raises(ValueError, match="no such fault"):
            fake.faults.add("earthquake")
        with pytest.raises(TypeError):
            fake.faults.add("deny", colour="red")


class TestHowOften:
    def outcomes(self, fake, calls):
        return [ask(fake, [query()], NOW - 600, NOW)[0] == 200 for _ in range(calls)]

    def test_always_until_cleared(self, fake):
        fake.faults.add("throttle")
        assert self.outcomes(fake, 3) == [False] * 3
        fake.faults.clear()
        assert self.outcomes(fake, 2) == [True] * 2

    def test_every_third(self, fake):
        rule = fake.faults.add("throttle", every=3)
        assert self.outcomes(fake, 7) == [True, True, False, True, True, False, True]
        assert (rule.matched, rule.struck) == (7, 2)

    def test_the_first_two(self, fake):
        fake.faults.add("throttle", first=2)
        assert self.outcomes(fake, 5) == [False, False, True, True, True]

    def test_one_in_twenty_by_chance_but_always_the_same(self, fake):
        fake.faults.add("throttle", probability=0.05)
        assert 3 <= self.outcomes(fake, 200).count(False) <= 25


class TestResults:
    def results(self, fake):
        status, answer = ask(fake, [query(), query(metric="Other", name="r")], NOW - 600, NOW)
        assert status == 200
        assert "NextToken" not in answer
        struck, other = answer["MetricDataResults"]
        assert (other["StatusCode"], len(other["Values"])) == ("Complete", 10)
        return struck

    @pytest.mark.parametrize(
        ("kind", "status", "values"),
        [("partial", "PartialData", 5), ("internal_error", "InternalError", 0), ("forbidden", "Forbidden", 0)],
    )
    def test_a_result_that_is_not_complete(self, fake, kind, status, values):
        fake.faults.add(kind, metric="Invocations")
        struck = self.results(fake)
        assert (struck["StatusCode"], len(struck["Values"])) == (status, values)

    def test_a_complete_result_with_a_message_is_short(self, fake):
        fake.faults.add("message", metric="Invocations")
        struck = self.results(fake)
        assert (struck["StatusCode"], len(struck["Values"])) == ("Complete", 5)
        assert struck["Messages"][0]["Code"] == "InternalError"

    def test_a_complete_result_that_is_short(self, fake):
        fake.faults.add("short", metric="Invocations", first=1)
        struck = self.results(fake)
        assert (struck["StatusCode"], len(struck["Values"])) == ("Complete", 5)
        assert len(self.results(fake)["Values"]) == 10


class TestDeliveries:
    @pytest.mark.parametrize("kind", ["truncated", "empty"])
    def test_what_the_sdk_takes_for_an_empty_answer(self, over_http, in_memory, fake, kind):
        fake.faults.add(kind)
        for client in (over_http("cloudwatch"), in_memory("cloudwatch")):
            answer = client.get_metric_data(**ASKED)
            assert set(answer) == {"ResponseMetadata"}
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200

    def test_a_truncated_body_is_shorter_than_promised(self, fake):
        fake.faults.add("truncated")
        _, headers, body = fake.handle("POST", "/", {"X-Amz-Target": "SageMaker.ListEndpoints", **SIGNED}, b"{}")
        assert len(body) < int(headers["Content-Length"])

    def test_garbage(self, over_http, fake):
        fake.faults.add("garbage")
        with pytest.raises((ResponseParserError, ClientError, ValueError)):
            over_http("sts").get_caller_identity()

    def test_reset(self, over_http, in_memory, fake):
        fake.faults.add("reset", first=2)
        client = over_http("cloudwatch")
        with pytest.raises(ConnectionClosedError, match="Connection was closed"):
            client.get_metric_data(**ASKED)
        with pytest.raises(ConnectionClosedError):
            in_memory("cloudwatch").get_metric_data(**ASKED)
        assert client.get_metric_data(**ASKED)["MetricDataResults"]
        fake.faults.add("reset")
        with pytest.raises(ConnectionResetError):
            points(fake, [query()], NOW - 600, NOW)

    def test_slow(self, over_http, in_memory, fake):
        fake.faults.add("slow", seconds=0.3)
        with pytest.raises(ReadTimeoutError):
            over_http("cloudwatch", read_timeout=0.1).get_metric_data(**ASKED)
        with pytest.raises(ReadTimeoutError):
            in_memory("cloudwatch", read_timeout=0.1).get_metric_data(**ASKED)
        assert in_memory("cloudwatch").get_metric_data(**ASKED)["MetricDataResults"]
