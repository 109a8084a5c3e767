from __future__ import annotations

import pytest
from asking import ACCOUNT, NOW, REGION, query, when
from botocore.exceptions import ClientError

from exporter.demo.resources import Role

OTHER = "210987654321"


@pytest.fixture(autouse=True)
def roles(world):
    world.add_role(OTHER, Role("open"))
    world.add_role(OTHER, Role("closed", external_id="secret", longest_session=7200))


def role(name, account=OTHER):
    return f"arn:aws:iam::{account}:role/{name}"


def code(raised):
    return raised.value.response["Error"]["Code"]


def keys_of(credentials):
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }


def test_who_am_i(over_http):
    answer = over_http("sts").get_caller_identity()
    assert (answer["Account"], answer["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/demo")
    assert over_http("sts", account=OTHER).get_caller_identity()["Account"] == OTHER


def test_an_assumed_role_sees_its_own_account_until_it_expires(over_http, world, clock):
    world.put(OTHER, REGION, "AWS/SageMaker", "Invocations", {"EndpointName": "e"}, NOW - 120, 5)
    answer = over_http("sts").assume_role(RoleArn=role("open"), RoleSessionName="test", DurationSeconds=900)
    credentials = answer["Credentials"]
    assert credentials["Expiration"] == when(NOW + 900)
    keys = keys_of(credentials)
    assert over_http("sts", keys=keys).get_caller_identity()["Arn"] == answer["AssumedRoleUser"]["Arn"]
    client = over_http("cloudwatch", keys=keys)
    asked = {"MetricDataQueries": [query()], "StartTime": when(NOW - 600), "EndTime": when(NOW)}
    assert client.get_metric_data(**asked)["MetricDataResults"][0]["Values"] == [5]
    clock.now = NOW + 901
    with pytest.raises(ClientError) as raised:
        client.get_metric_data(**asked)
    assert code(raised) == "ExpiredToken"
    with pytest.raises(ClientError) as raised:
        over_http("sagemaker", keys=keys).list_endpoints()
    assert code(raised) == "ExpiredTokenException"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"RoleArn": role("closed")}, "AccessDenied"),
        ({"RoleArn": role("closed"), "ExternalId": "guess"}, "AccessDenied"),
        ({"RoleArn": role("closed"), "ExternalId": "secret"}, None),
        ({"RoleArn": role("open"), "ExternalId": "needless"}, None),
        ({"RoleArn": role("path/open")}, None),
        ({"RoleArn": role("nix")}, "AccessDenied"),
        ({"RoleArn": role("open", ACCOUNT)}, "AccessDenied"),
        ({"RoleArn": role("open"), "DurationSeconds": 43201}, "ValidationError"),
        ({"RoleArn": role("open"), "DurationSeconds": 7200}, "ValidationError"),
        ({"RoleArn": role("closed"), "ExternalId": "secret", "DurationSeconds": 7200}, None),
        ({"RoleArn": role("open"), "RoleSessionName": "a b"}, "ValidationError"),
    ],
)
def test_assume_role(in_memory, arguments, expected):
    client = in_memory("sts")
    arguments = {"RoleSessionName": "test"} | arguments
    if expected is None:
        assert client.assume_role(**arguments)["Credentials"]["AccessKeyId"] == f"ASIADEMO{OTHER}"
    else:
        with pytest.raises(ClientError) as raised:
            client.assume_role(**arguments)
        assert code(raised) == expected


def test_a_chained_session_lasts_an_hour_at_most(in_memory):
    first = in_memory("sts").assume_role(RoleArn=role("open"), RoleSessionName="one")
    client = in_memory("sts", keys=keys_of(first["Credentials"]))
    with pytest.raises(ClientError, match="role chaining"):
        client.assume_role(RoleArn=role("closed"), RoleSessionName="two", ExternalId="secret", DurationSeconds=7200)


@pytest.mark.parametrize(
    "keys",
    [
        {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "x"},
        {"aws_access_key_id": f"ASIADEMO{ACCOUNT}", "aws_secret_access_key": "x"},
        {"aws_access_key_id": f"ASIADEMO{ACCOUNT}", "aws_secret_access_key": "x", "aws_session_token": "!"},
    ],
)
def test_unknown_keys(in_memory, keys):
    for service, expected in (("sagemaker", "UnrecognizedClientException"), ("cloudwatch", "InvalidClientTokenId")):
        client = in_memory(service, keys=keys)
        with pytest.raises(ClientError) as raised:
            (client.list_endpoints if service == "sagemaker" else client.list_metrics)()
        assert code(raised) == expected


def test_no_signature(fake):
    status, _, body = fake.handle("POST", "/", {"X-Amz-Target": "SageMaker.ListEndpoints"}, b"{}")
    assert (status, b"MissingAuthenticationToken" in body) == (403, True)


def test_a_signature_is_for_one_service(fake):
    scope = f"AWS4-HMAC-SHA256 Credential=AKIADEMO{ACCOUNT}/20270115/us-east-1/sts/aws4_request"
    headers = {"X-Amz-Target": "SageMaker.ListEndpoints", "Authorization": scope}
    status, _, body = fake.handle("POST", "/", headers, b"{}")
    assert (status, b"InvalidSignatureException" in body) == (403, True)


def test_unknown_operations_and_bodies(fake):
    scope = f"AWS4-HMAC-SHA256 Credential=AKIADEMO{ACCOUNT}/20270115/us-east-1/sagemaker/aws4_request"
    for target, body, expected in (
        ("SageMaker.ListDreams", b"{}", b"UnknownOperationException"),
        ("Dreams.List", b"{}", b"UnknownOperationException"),
        ("SageMaker.ListEndpoints", b"nonsense", b"SerializationException"),
        ("SageMaker.ListEndpoints", b"[]", b"SerializationException"),
    ):
        status, _, answer = fake.handle("POST", "/", {"X-Amz-Target": target, "Authorization": scope}, body)
        assert (status, expected in answer) == (400, True)
    status, _, answer = fake.handle("POST", "/", {"Authorization": scope.replace("sagemaker", "sts")}, b"Action=Dream")
    assert (status, b"InvalidAction" in answer) == (400, True)
