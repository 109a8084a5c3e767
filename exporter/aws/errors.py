"""What an error of AWS means to us: five classes, whatever the service calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

ErrorClass = Literal["denied", "throttled", "absent", "transient", "bug"]

_TOO_FAST = (
    "Throttl",
    "TooManyRequests",
    "RequestLimitExceeded",
    "SlowDown",
    "LimitExceeded",
    "BandwidthLimit",
    "OverLimit",  # messages of a queue in flight
)
_NO_ENTRY = (
    "AccessDenied",
    "UnauthorizedOperation",
    "UnrecognizedClient",
    "InvalidClientTokenId",
    "InvalidSignature",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "MissingAuthenticationToken",
    "IncompleteSignature",
    "OptInRequired",
    "SubscriptionRequired",
    "NotAuthorized",
)
_NOT_THERE = ("NotFound", "NoSuch", "DoesNotExist", "NonExistent")
_SAYS_NOT_THERE = ("Could not find", "not found", "does not exist")  # SageMaker, as a ValidationException
_PASSING = {"InternalFailure", "InternalError", "ServiceUnavailable", "RequestTimeout"}
_PASSES = ("InternalException", "TimeoutException", "UnavailableException")
_BY_KEY = "KMS."  # S3, of the key by which an object is encrypted: it is disabled, deleted, not there or not for us
_LOGIN = (
    "UnrecognizedClient",
    "InvalidClientTokenId",
    "InvalidSignature",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "ExpiredToken",
    "InvalidToken",
    "MissingAuthenticationToken",
)


class AwsError(Exception):
    """A call that failed for good, after its retries.

    `error_class`: denied (no permission, no or wrong credentials), throttled, absent (the thing asked for does not
    exist), transient (server error, time-out, unreadable answer), bug (AWS refuses the request as we wrote it).
    `login` marks a failure that is about who we are, not about what we asked. `operation` names the one that failed
    where that is not the one that was called: AssumeRole, on the way to it.
    """

    def __init__(self, error_class: ErrorClass, text: str, *, login: bool = False, operation: str = "") -> None:
        super().__init__(text)
        self.error_class: ErrorClass = error_class
        self.login = login
        self.operation = operation


def classify(error: Exception) -> AwsError:
    """Return what an error of the SDK means."""
    from botocore import exceptions as sdk  # noqa: PLC0415 - loaded by whoever has such an error, and not before
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    no_login = (
        sdk.CredentialRetrievalError,
        sdk.MetadataRetrievalError,
        sdk.NoAuthTokenError,
        sdk.NoCredentialsError,
        sdk.PartialCredentialsError,
        sdk.ProfileNotFound,
        sdk.SSOError,
    )
    if isinstance(error, sdk.ClientError):
        return _of_answer(error)
    if isinstance(error, no_login):
        return AwsError("denied", str(error), login=True)
    if isinstance(error, RuntimeError) and "credentials" in str(error):  # the SDK's, of new ones that have expired
        return AwsError("denied", str(error), login=True)
    broken = (sdk.HTTPClientError, sdk.ConnectionError, sdk.IncompleteReadError, sdk.FlexibleChecksumError)
    if isinstance(error, (*broken, ResponseParserError)):
        return AwsError("transient", str(error))
    if isinstance(error, sdk.ParamValidationError | sdk.BotoCoreError):
        return AwsError("bug", str(error))
    raise error


def _of_answer(error: ClientError) -> AwsError:
    answer = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    text = str(answer.get("Error", {}).get("Message", "")) or str(error)
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = f"{error.operation_name}: {code}: {text}"
    if any(word in code for word in _TOO_FAST) or status == 429:
        return AwsError("throttled", said)
    if any(word in code for word in _NO_ENTRY) or status in {401, 403}:
        return AwsError("denied", said, login=any(word in code for word in _LOGIN))
    if code.startswith(_BY_KEY) and status < 500 and not code.endswith(_PASSES):
        return AwsError("denied", said)
    if status >= 500 or code.startswith(_BY_KEY) or code in _PASSING:
        return AwsError("transient", said)
    if any(word in code for word in _NOT_THERE) or any(words in text for words in _SAYS_NOT_THERE):
        return AwsError("absent", said)
    return AwsError("bug", said)
