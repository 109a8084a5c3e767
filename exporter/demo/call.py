"""One call of an AWS operation, as the operations see it, and the errors they answer with.

Errors bear the names of AWS's JSON protocols. CloudWatch has kept the names of its old query protocol for clients that
ask for them (`x-amzn-query-mode`), and STS speaks no other: both are told from the same error.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.world import Region, World

_QUERY_NAMES = {
    "AccessDeniedException": "AccessDenied",
    "ExpiredTokenException": "ExpiredToken",
    "InvalidParameterValueException": "InvalidParameterValue",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "ThrottlingException": "Throttling",
    "UnknownOperationException": "InvalidAction",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ValidationException": "ValidationError",
}


_PAGING = {
    "MaxDatapoints",
    "MaxRecords",
    "MaxResults",
    "NextToken",
    "PaginationToken",
    "ResourcesPerPage",
    "continuation-token",
    "limit",
    "max-keys",
    "nextToken",
}
"""Parameters that may differ from page to page."""


class AwsError(Exception):
    """An error that AWS answers with: its name in the JSON protocols, its text and its HTTP status."""

    def __init__(self, name: str, message: str, status: int = 400) -> None:
        """Name it as AWS's JSON protocols do."""
        super().__init__(message)
        self.name = name
        self.message = message
        self.status = status

    @property
    def query_name(self) -> str:
        """The name in the query protocol."""
        return _QUERY_NAMES.get(self.name, self.name)

    @property
    def fault(self) -> str:
        """Whose fault it is, in the words of the query protocol."""
        return "Sender" if self.status < 500 else "Receiver"


def invalid(message: str) -> AwsError:
    """Return the error for a request that breaks a rule of the operation."""
    return AwsError("ValidationException", message)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: an account and an ARN."""

    account: str
    arn: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over the wire, and how: after `delay` seconds, or not at all where the connection is `reset`."""

    status: int
    headers: dict[str, str]
    body: bytes
    delay: float = 0.0
    reset: bool = False


class Meter(Protocol):
    """Where an operation reports what AWS would limit and bill."""

    def admit(self, call: Call, recent: float, older: float) -> None:
        """Take note of datapoints asked for, from up to 3 h ago and from earlier; AwsError if that is too many."""

    def charge(self, metrics: int, datapoints: int) -> None:
        """Take note of metrics to be paid and of datapoints returned."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request after authentication: the operation, who calls it where and when, and what with."""

    service: str
    operation: str
    principal: Principal
    region: str
    now: float
    parameters: dict[str, Any]
    world: World
    meter: Meter
    fault_on: Callable[[Call, str, str], str | None]
    """Tells the kind of fault that strikes the result for a namespace and a metric, if one does."""
    fails: Callable[[], bool]
    """Says whether a fault strikes the next entry of a batch."""
    hold: Callable[[], float | None]
    """Lets other calls act for a moment and returns the time then; None for a caller who can't wait."""
    agent: str
    """The client, as it calls itself."""

    @property
    def action(self) -> str:
        """The action that an IAM policy must allow."""
        prefix = {"tagging": "tag", "sagemaker-a2i-runtime": "sagemaker"}.get(self.service, self.service)
        operation = {"ListObjectsV2": "ListBucket"}.get(self.operation, self.operation.removesuffix("Batch"))
        return f"{prefix}:{operation}"

    @property
    def place(self) -> Region:
        """The caller's account in this region."""
        return self.world.region(self.principal.account, self.region)

    def page(
        self, items: list[Any], size: int, wrong_token: AwsError, member: str = "NextToken"
    ) -> tuple[list[Any], dict[str, str]]:
        """Return the items of the page that the token leads to, and the member with the next token if there is one."""
        place = self.resumed(wrong_token, member) or 0
        following = place + size
        return items[place:following], {member: self.token(following)} if following < len(items) else {}

    def token(self, place: Any) -> str:
        """Return an opaque token that leads on from `place` (any JSON) in a call with the same parameters."""
        return base64.urlsafe_b64encode(orjson.dumps([self._digest(), place])).decode()

    def resumed(self, wrong_token: AwsError, member: str = "NextToken") -> Any:
        """Return the place that the request's token leads on from, or None without one; raise if it is not ours."""
        token = self.parameters.get(member)
        if not token:
            return None
        try:
            digest, place = orjson.loads(base64.urlsafe_b64decode(token))
        except (TypeError, ValueError) as error:  # binascii.Error and JSONDecodeError are ValueErrors
            raise wrong_token from error
        if digest != self._digest():
            raise wrong_token
        return place

    def _digest(self) -> str:
        same = {name: value for name, value in self.parameters.items() if name not in _PAGING}
        text = orjson.dumps([self.operation, self.principal.account, self.region, same], option=orjson.OPT_SORT_KEYS)
        return hashlib.blake2b(text, digest_size=9).hexdigest()
