"""A record of CloudTrail -> what counts: by documented records, and by ones that nobody has documented."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import T0

from exporter.catalogue.enums import ENUMS
from exporter.model import Target
from exporter.trail import HORIZON, KIND, Category, RecordError, Seen, call, event, outcome, zeros
from exporter.trail.records import error_class

ACCOUNT, REGION = "123456789012", "us-east-1"
WHERE = (ACCOUNT, REGION)
SOURCE = "sagemaker.amazonaws.com"
SEEN = Seen({SOURCE}, "sagemaker-exporter/", {f"{ACCOUNT}/sagemaker-exporter"}, {Target(ACCOUNT, REGION)})


def assumed(role="pipelines", session="run-7", account=ACCOUNT, **more):
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{session}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
        "accountId": account,
        "sessionContext": {"sessionIssuer": {"type": "Role", "userName": role, "accountId": account}, **more},
    }


def record(name="CreateTrainingJob", **more):
    return {
        "eventVersion": "1.11",
        "eventID": "e-1",
        "eventTime": datetime.fromtimestamp(T0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": SOURCE,
        "eventName": name,
        "eventType": "AwsApiCall",
        "eventCategory": "Management",
        "managementEvent": True,
        "awsRegion": REGION,
        "recipientAccountId": ACCOUNT,
        "sourceIPAddress": "203.0.113.9",
        "userAgent": "aws-cli/2",
        "userIdentity": assumed(),
        "readOnly": False,
        **more,
    }


def effects(record, way="s3", now=T0 + 40.0):
    made = event(call(record, {}), way, now)
    assert (made.kind, made.identity, made.at, made.target) == (KIND, record["eventID"], T0, Target(*WHERE))
    return {effect.family.removeprefix("sagemaker_"): effect.labels[2:] for effect in made.effects}


def test_a_call_counts_by_what_it_was_who_called_and_where_from():
    assert effects(record()) == {
        "api_calls_total": (SOURCE, "CreateTrainingJob", "none", "AssumedRole", "false"),
        "api_calls_by_origin_total": (SOURCE, "public_address", "none"),
        "api_calls_by_principal_total": (SOURCE, "CreateTrainingJob", "none", "pipelines"),
        "api_event_delivery_lag_seconds": ("s3",),
    }
    failed = effects(record(errorCode="AccessDenied", errorMessage="not you"))
    assert failed["api_call_errors_total"] == (SOURCE, "CreateTrainingJob", "AccessDenied")
    assert failed["api_calls_total"][2] == "access_denied"


def test_how_late_a_record_came_is_observed():
    made = event(call(record(), {}), "queue", T0 + 40.0)
    assert [(effect.amount, effect.labels) for effect in made.effects if effect.buckets] == [(40.0, (*WHERE, "queue"))]
    assert event(call(record(), {}), "queue", T0 - 5.0).effects[-1].amount == 0.0, "clocks may differ"


@pytest.mark.parametrize(
    ("more", "counted"),
    [
        (
            {"eventCategory": "Data", "managementEvent": False, "eventName": "PutRecord"},
            {"api_data_calls_total": (SOURCE, "PutRecord", "none", "AssumedRole")},
        ),
        (
            {
                "eventCategory": "Data",
                "eventName": "InvokeEndpoint",
                "resources": [
                    {"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::x"},
                    {"type": "AWS::SageMaker::Endpoint", "ARN": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/churn"},
                ],
            },
            {
                "api_data_calls_total": (SOURCE, "InvokeEndpoint", "none", "AssumedRole"),
                "api_data_calls_by_endpoint_total": ("InvokeEndpoint", "churn", "none"),
            },
        ),
        (
            {"eventType": "AwsServiceEvent", "eventName": "CreateTrainingJob", "userIdentity": {"invokedBy": SOURCE}},
            {"api_service_events_total": ("CreateTrainingJob",)},
        ),
        (
            {"eventType": "AwsVpceEvents", "eventCategory": "NetworkActivity", "errorCode": "VpceAccessDenied"},
            {"api_network_denials_total": ("CreateTrainingJob",)},
        ),
    ],
    ids=["data", "endpoint", "service", "network"],
)
def test_what_is_no_management_call_counts_in_a_family_of_its_own(more, counted):
    assert effects(record(**more)) == {**counted, "api_event_delivery_lag_seconds": ("s3",)}


@pytest.mark.parametrize(
    ("identity", "kind", "name"),
    [
        (assumed("deploy", "any-text-at-all"), "AssumedRole", "deploy"),
        ({"type": "IAMUser", "userName": "ada", "accountId": ACCOUNT}, "IAMUser", "ada"),
        ({"type": "Root", "accountId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root"}, "Root", "root"),
        ({"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"}, "AWSService", "autoscaling.amazonaws.com"),
        ({"invokedBy": "config.amazonaws.com"}, "AWSService", "config.amazonaws.com"),
        ({"type": "AWSAccount", "accountId": "999999999999"}, "AWSAccount", ""),
        (None, "Unknown", ""),
        ({"type": ["x"], "userName": {"a": 1}}, "Unknown", ""),
    ],
)
def test_who_called(identity, kind, name):
    found = call(record(userIdentity=identity), {})
    assert (found.principal_type, found.principal) == (kind, name)


NETWORKS = {
    "office": (ipaddress.ip_network("203.0.113.0/24"), ipaddress.ip_network("2001:db8::/32")),
    "desk": (ipaddress.ip_network("203.0.113.64/26"),),
}


@pytest.mark.parametrize(
    ("more", "origin"),
    [
        ({"sourceIPAddress": "198.51.100.7"}, "public_address"),
        ({"sourceIPAddress": "100.64.0.1"}, "private_address"),
        ({"sourceIPAddress": "8.8.8.8"}, "public_address"),
        ({"sourceIPAddress": "2600::1"}, "public_address"),
        ({"sourceIPAddress": "10.0.0.7"}, "private_address"),
        ({"sourceIPAddress": "fd00::1"}, "private_address"),
        ({"sourceIPAddress": "203.0.113.9"}, "office"),
        ({"sourceIPAddress": "203.0.113.70"}, "desk"),
        ({"sourceIPAddress": "2001:db8::7", "sessionCredentialFromConsole": "true"}, "office"),
        ({"sourceIPAddress": "8.8.8.8", "sessionCredentialFromConsole": "true"}, "console"),
        ({"sourceIPAddress": "8.8.8.8", "eventType": "AwsConsoleAction"}, "console"),
        ({"sourceIPAddress": "10.0.0.7", "vpcEndpointId": "vpce-1"}, "vpc_endpoint"),
        ({"sourceIPAddress": "sagemaker.amazonaws.com"}, "aws_service"),
        ({"sourceIPAddress": "AWS Internal"}, "aws_service"),
        ({"userIdentity": {"type": "AWSService", "invokedBy": "events.amazonaws.com"}}, "aws_service"),
        ({"sourceIPAddress": "somewhere"}, "unknown"),
        ({"sourceIPAddress": 7}, "unknown"),
    ],
)
def test_where_a_call_came_from(more, origin):
    assert call(record(**more), NETWORKS).origin == origin


@pytest.mark.parametrize(
    ("code", "message", "named"),
    [
        ("", "", "none"),
        ("AccessDenied", "", "access_denied"),
        ("AccessDeniedException", "", "access_denied"),
        ("Client.UnauthorizedOperation", "", "access_denied"),
        ("AccessForbidden", "", "access_denied"),
        ("ExpiredTokenException", "", "access_denied"),
        ("UnrecognizedClientException", "", "access_denied"),
        ("VpceAccessDenied", "", "access_denied"),
        ("ThrottlingException", "", "throttled"),
        ("TooManyRequestsException", "", "throttled"),
        ("ValidationException", "1 validation error detected", "validation"),
        ("ValidationException", 'Could not find endpoint "x".', "not_found"),
        ("ValidationException", "Model does not exist", "not_found"),
        ("ValidationError", "", "validation"),
        ("InvalidParameterValue", "", "validation"),
        ("ResourceNotFound", "", "not_found"),
        ("ResourceInUse", "", "conflict"),
        ("ConflictException", "", "conflict"),
        ("ResourceAlreadyExists", "", "conflict"),
        ("ResourceLimitExceeded", "", "limit_exceeded"),
        ("ServiceQuotaExceededException", "", "limit_exceeded"),
        ("InternalFailure", "", "server_error"),
        ("InternalDependencyException", "", "server_error"),
        ("ServiceUnavailable", "", "server_error"),
        ("ModelError", "", "server_error"),
        ("SomethingElse", "", "client_error"),
    ],
)
def test_classes_of_errors(code, message, named):
    assert error_class(code, message) == named
    assert named in ENUMS["error_class"]


def test_what_only_reads_is_told_or_known_by_its_verb():
    assert call(record("DescribeEndpoint", readOnly=True), {}).read_only
    assert call(record("ListEndpoints", readOnly=None), {}).read_only
    assert not call(record("DeleteEndpoint", readOnly=None), {}).read_only


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, ""),
        ({"eventSource": "s3.amazonaws.com"}, "ignored"),
        ({"eventCategory": "Insight", "eventType": "AwsCloudTrailInsight"}, "ignored"),
        ({"eventCategory": "Aggregated"}, "ignored"),
        ({"addendum": {"reason": "UPDATED_DATA", "originalEventID": "e-0"}}, "corrected"),
        ({"addendum": {"reason": "UPDATED_DATA"}}, "corrected"),
        ({"addendum": {"reason": "DELIVERY_DELAY"}}, ""),
        ({"addendum": {"reason": "SERVICE_OUTAGE", "originalEventID": "e-0"}}, ""),
        ({"userAgent": "Boto3/1 sagemaker-exporter/0.1", "userIdentity": assumed("sagemaker-exporter", "s")}, "own"),
        ({"userAgent": "Boto3/1 sagemaker-exporter/0.1", "userIdentity": assumed("somebody", "s")}, ""),
        ({"userAgent": "aws-cli/2", "userIdentity": assumed("sagemaker-exporter", "s")}, ""),
        ({"sharedEventID": "s-1"}, ""),
        ({"sharedEventID": "s-1", "recipientAccountId": "999999999999"}, "ignored"),
        ({"sharedEventID": "s-1", "userIdentity": assumed(account="999999999999")}, ""),
        ({"sharedEventID": "s-1", "recipientAccountId": "999999999999", "awsRegion": "eu-west-1"}, ""),
        ({"eventType": "AwsVpceEvents", "eventCategory": "NetworkActivity"}, "ignored"),
    ],
)
def test_what_is_left_out(more, why):
    assert outcome(call(record(**more), {}), SEEN) == why


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        "x",
        {},
        record(eventID=None),
        record(eventID="x" * 1025),
        record(eventName=""),
        record(eventName=7),
        record(eventTime="soon"),
        record(eventTime=1.0),
        record(eventSource=None),
        record(awsRegion=None),
        record(recipientAccountId=None),
    ],
)
def test_what_can_not_be_counted_is_an_error_that_says_what_and_not_what_stands_there(broken):
    with pytest.raises(RecordError) as failed:
        call(broken, {})
    assert "soon" not in str(failed.value)
    assert len(str(failed.value)) < 100


ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(record())), ANY, max_size=6))
def test_whatever_stands_in_a_record_it_counts_or_is_an_error(broken):
    try:
        found = call(record(**broken), NETWORKS)
    except RecordError:
        return
    assert outcome(found, SEEN) in {"", "ignored", "own", "corrected"}
    for effect in event(found, "lookup", T0).effects:
        assert all(isinstance(label, str) for label in effect.labels)


def test_zeros_are_of_known_words_and_named_networks():
    made = zeros(Target(*WHERE), [SOURCE], ["office"], ["lookup", "s3"])
    origins = {zero.labels[3] for zero in made if "origin" in zero.family}
    assert origins == {*ENUMS["call_origin"], "office"}
    assert {zero.labels[2] for zero in made if zero.buckets} == {"lookup", "s3"}
    assert not any(zero.amount for zero in made)


def test_records_count_for_as_long_as_cloudtrail_lists_them():
    assert HORIZON > 90 * 86_400
    assert Category("management") is Category.MANAGEMENT
