"""What an error of AWS means to us, under every name that AWS's protocols give it."""

from __future__ import annotations

import inspect

import botocore.exceptions as sdk
import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from exporter.aws.errors import AwsError, classify


def answered(code, status=400, message="some words", operation="GetMetricData"):
    """Return what the SDK raises for an error that AWS has answered with."""
    said = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, operation)


@pytest.mark.parametrize(
    ("code", "status", "error_class"),
    [
        # JSON protocols, and the query protocol's name for the same thing
        ("ThrottlingException", 400, "throttled"),
        ("Throttling", 400, "throttled"),
        ("ThrottledException", 400, "throttled"),
        ("RequestThrottled", 400, "throttled"),
        ("RequestThrottledException", 400, "throttled"),
        ("TooManyRequestsException", 429, "throttled"),
        ("RequestLimitExceeded", 503, "throttled"),
        ("SlowDown", 503, "throttled"),
        ("LimitExceededException", 400, "throttled"),
        ("OverLimit", 403, "throttled"),
        ("anything", 429, "throttled"),
        ("AccessDeniedException", 400, "denied"),
        ("AccessDenied", 403, "denied"),
        ("UnauthorizedOperation", 403, "denied"),
        ("NotAuthorized", 400, "denied"),
        ("OptInRequired", 403, "denied"),
        ("SubscriptionRequiredException", 400, "denied"),
        ("UnrecognizedClientException", 403, "denied"),
        ("InvalidClientTokenId", 403, "denied"),
        ("ExpiredTokenException", 403, "denied"),
        ("ExpiredToken", 403, "denied"),
        ("MissingAuthenticationTokenException", 403, "denied"),
        ("MissingAuthenticationToken", 403, "denied"),
        ("InvalidSignatureException", 403, "denied"),
        ("SignatureDoesNotMatch", 403, "denied"),
        ("IncompleteSignature", 400, "denied"),
        ("anything", 401, "denied"),
        ("anything", 403, "denied"),
        ("KMS.DisabledException", 400, "denied"),
        ("KMS.NotFoundException", 400, "denied"),
        ("KMS.InternalException", 500, "transient"),
        ("KMS.DependencyTimeoutException", 503, "transient"),
        ("KMS.UnavailableException", 400, "transient"),
        ("KMS.ThrottlingException", 400, "throttled"),
        ("NoSuchKey", 404, "absent"),
        ("NoSuchBucket", 404, "absent"),
        ("InternalFailure", 500, "transient"),
        ("InternalServiceError", 500, "transient"),
        ("InternalServiceFault", 500, "transient"),
        ("ServiceUnavailable", 503, "transient"),
        ("ServiceUnavailableException", 503, "transient"),
        ("InternalError", 200, "transient"),
        ("RequestTimeout", 400, "transient"),
        ("", 502, "transient"),
        ("504", 504, "transient"),
        ("ResourceNotFound", 400, "absent"),
        ("ResourceNotFoundException", 404, "absent"),
        ("NoSuchEntity", 404, "absent"),
        ("AWS.SimpleQueueService.NonExistentQueue", 400, "absent"),
        ("ValidationException", 400, "bug"),
        ("ValidationError", 400, "bug"),
        ("InvalidParameterValue", 400, "bug"),
        ("InvalidParameterValueException", 400, "bug"),
        ("InvalidNextToken", 400, "bug"),
        ("PaginationTokenExpiredException", 400, "bug"),
        ("UnknownOperationException", 400, "bug"),
        ("", 400, "bug"),
    ],
)
def test_class_of_an_answer(code, status, error_class):
    assert classify(answered(code, status)).error_class == error_class


def test_sagemaker_says_of_what_does_not_exist_that_the_request_is_invalid():
    missing = 'Could not find endpoint "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/gone".'
    assert classify(answered("ValidationException", message=missing)).error_class == "absent"


def test_the_text_names_the_operation_the_error_and_the_reason():
    error = classify(answered("AccessDeniedException", message="User: x is not authorized", operation="ListEndpoints"))
    assert str(error) == "ListEndpoints: AccessDeniedException: User: x is not authorized"


def test_an_answer_without_words_has_a_text_all_the_same():
    empty = classify(ClientError({}, "ListEndpoints"))
    assert empty.error_class == "bug"
    assert "ListEndpoints" in str(empty)


@pytest.mark.parametrize(
    "code",
    [
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "ExpiredTokenException",
        "ExpiredToken",
        "MissingAuthenticationTokenException",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
    ],
)
def test_credentials_that_are_no_good_are_about_the_login(code):
    assert classify(answered(code, 403)).login


@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "OptInRequired"])
def test_a_permission_that_is_missing_is_not_about_the_login(code):
    assert not classify(answered(code, 403)).login


@pytest.mark.parametrize(
    ("error", "error_class", "login"),
    [
        (sdk.NoCredentialsError(), "denied", True),
        (sdk.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "denied", True),
        (sdk.CredentialRetrievalError(provider="process", error_msg="exit 1"), "denied", True),
        (sdk.MetadataRetrievalError(error_msg="no answer"), "denied", True),
        (sdk.ProfileNotFound(profile="prod"), "denied", True),
        (sdk.UnauthorizedSSOTokenError(), "denied", True),
        (sdk.SSOTokenLoadError(error_msg="gone"), "denied", True),
        (sdk.ConnectTimeoutError(endpoint_url="https://x"), "transient", False),
        (sdk.ReadTimeoutError(endpoint_url="https://x"), "transient", False),
        (sdk.ConnectionClosedError(endpoint_url="https://x"), "transient", False),
        (sdk.EndpointConnectionError(endpoint_url="https://x", error="refused"), "transient", False),
        (sdk.SSLError(endpoint_url="https://x", error="unknown CA"), "transient", False),
        (sdk.ProxyConnectionError(proxy_url="http://x"), "transient", False),
        (ResponseParserError("not JSON"), "transient", False),
        (sdk.ParamValidationError(report="no such member"), "bug", False),
        (sdk.NoRegionError(), "bug", False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_class_of_what_the_sdk_itself_raises(error, error_class, login):
    found = classify(error)
    assert (found.error_class, found.login) == (error_class, login)
    assert str(found)


def test_every_error_of_the_sdk_has_a_class():
    """So that no new one ends a source: the door promises `AwsError` and nothing else."""
    kinds = [kind for _, kind in inspect.getmembers(sdk, inspect.isclass) if issubclass(kind, sdk.BotoCoreError)]
    assert len(kinds) > 50
    for kind in kinds:
        error = kind.__new__(kind)
        Exception.__init__(error, "made up")
        assert isinstance(classify(error), AwsError), kind


def test_what_is_no_error_of_aws_is_passed_on():
    bug = KeyError("our own mistake")
    with pytest.raises(KeyError) as raised:
        classify(bug)
    assert raised.value is bug
