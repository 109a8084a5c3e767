"""SQS queues as a reader needs them, and what the messages in them say.

A `Queue` hands out messages, hides them longer, deletes them, and tells how full it is; by its own credentials, which
need be no target's. `opened` takes a message out of its envelopes: those of EventBridge, of S3 and CloudTrail, and SNS
around any; `announced` tells which new objects it is about. Nothing here knows what a message is good for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import unquote_plus

import msgspec
from msgspec import Meta, Struct

from exporter.aws import Aws, read_as
from exporter.config import Account
from exporter.config import Queue as Settings
from exporter.model import Target

# docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference: API_ReceiveMessage, API_DeleteMessageBatch
WAIT = 20  # seconds, the longest poll
BATCH = 10  # messages in one call
HELD = 60  # seconds for which what is received stays hidden: time for a commit, whatever the queue's own setting is
LONGEST_HELD = 12 * 3600  # seconds from the receive: API_ChangeMessageVisibility

_T = TypeVar("_T", bound=Struct)


class Message(NamedTuple):
    """A message as it was received: when it was sent (Unix seconds), and how often it has been received."""

    id: str
    body: str
    handle: str
    sent: float
    received: int


class Fullness(NamedTuple):
    """How many messages are in a queue, by state, and what its dead-letter queue is called; "" where it has none."""

    messages: Mapping[str, int]
    dead_letters: str


class Queue:
    """One queue. Raises `AwsError` for what can't be done. Thread-safe."""

    def __init__(self, aws: Aws, settings: Settings) -> None:
        self.target = Target(settings.account, settings.region)
        self._aws = aws
        self._url = settings.url
        self._account = Account(role_arn=settings.role_arn, external_id=settings.external_id)

    def receive(self, wait: int = WAIT) -> list[Message]:
        """Return up to ten messages as soon as there are any, after `wait` seconds none."""
        answer = self._call(
            "ReceiveMessage",
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=wait,
            VisibilityTimeout=HELD,
            MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
        )
        return [one.message() for one in read_as(_Received, answer.get("Messages", []))]

    def extend(self, messages: Sequence[Message], seconds: int) -> set[str]:
        """Hide messages for so long from now on; return the ids of those that others may have by now."""
        return self._each("ChangeMessageVisibilityBatch", messages, VisibilityTimeout=seconds)

    def delete(self, messages: Sequence[Message]) -> set[str]:
        """Delete messages; return the ids of those that are still there, for all we know."""
        return self._each("DeleteMessageBatch", messages)

    def fullness(self) -> Fullness:
        """Return how full the queue is, as far as SQS knows."""
        told = self._attributes(self._url, _Attributes)
        counts = {
            "visible": int(told.ApproximateNumberOfMessages),
            "in_flight": int(told.ApproximateNumberOfMessagesNotVisible),
            "delayed": int(told.ApproximateNumberOfMessagesDelayed),
        }
        found = re.search(r'"deadLetterTargetArn"\s*:\s*"[^"]*:([\w.-]+)"', told.RedrivePolicy, re.ASCII)
        return Fullness(counts, found[1] if found else "")

    def dead_letters(self, name: str) -> int:
        """Return how many messages wait in a dead-letter queue: it is in our account and region, by AWS's rule."""
        url = f"{self._url.rpartition('/')[0]}/{name}"
        return int(self._attributes(url, _DeadLetters).ApproximateNumberOfMessages)

    def _attributes(self, url: str, kind: type[_T]) -> _T:
        names = list(kind.__struct_fields__)
        answer = self._aws.call_by(self._account, self.target, "GetQueueAttributes", QueueUrl=url, AttributeNames=names)
        return read_as(kind, [answer["Attributes"]])[0]

    def _call(self, operation: str, **params: Any) -> dict[str, Any]:
        return self._aws.call_by(self._account, self.target, operation, QueueUrl=self._url, **params)

    def _each(self, operation: str, messages: Sequence[Message], **each: Any) -> set[str]:
        """Do this to each message; return the ids of those of which AWS does not say that it is done."""
        left = {message.id for message in messages}
        for first in range(0, len(messages), BATCH):
            some = messages[first : first + BATCH]
            entries = [{"Id": str(n), "ReceiptHandle": message.handle, **each} for n, message in enumerate(some)]
            answer = self._call(operation, Entries=entries)  # 200 even if each of them has failed
            done = {one.Id for one in read_as(_Done, answer.get("Successful", []))}
            left -= {message.id for n, message in enumerate(some) if str(n) in done}
        return left


_Number = Annotated[str, Meta(pattern=r"^[0-9]{1,15}\Z")]  # as SQS writes all of them


class _Attributes(Struct, frozen=True):
    ApproximateNumberOfMessages: _Number
    ApproximateNumberOfMessagesNotVisible: _Number
    ApproximateNumberOfMessagesDelayed: _Number
    RedrivePolicy: str = ""


class _DeadLetters(Struct, frozen=True):
    ApproximateNumberOfMessages: _Number


class _System(Struct, frozen=True):
    SentTimestamp: _Number
    ApproximateReceiveCount: _Number


class _Received(Struct, frozen=True):
    MessageId: str
    ReceiptHandle: str
    Body: str
    Attributes: _System

    def message(self) -> Message:
        sent, received = int(self.Attributes.SentTimestamp) / 1000, int(self.Attributes.ApproximateReceiveCount)
        return Message(self.MessageId, self.Body, self.ReceiptHandle, sent, received)


class _Done(Struct, frozen=True):
    Id: str


# -- envelopes ---------------------------------------------------------------------------------------------------------

S3_NOTIFICATION = "S3 Notification"  # as `Told.detail_type`: these have no word of their own
S3_TEST = "S3 Test Event"
S3_CREATED = "Object Created"  # as EventBridge calls it
TRAIL_FILES = "CloudTrail Log Files"  # CloudTrail's own notice, by a topic
TRAIL_TEST = "CloudTrail Validation"
_TRAIL_TEST = "CloudTrail validation message."  # all that it says
_CREATED = "ObjectCreated:"


class Told(Struct, frozen=True):
    """What a message says, out of its envelopes. Times are Unix seconds.

    S3's own notifications come as `source` aws.s3 with all that they hold in `detail`, and no id; they name no account.
    So do CloudTrail's, as aws.cloudtrail. What objects any of them is about, `announced` tells.
    `replayed` is the name of the replay that brought it out of an archive. `sent` is when it came into the queue.
    """

    id: str
    source: str
    detail_type: str
    account: str
    region: str
    at: float
    resources: tuple[str, ...] = ()
    detail: Mapping[str, Any] = {}
    replayed: str = ""
    sent: float = math.nan


class EnvelopeError(ValueError):
    """A message that is none of those that can be read; the text says how far it could be."""


def opened(body: str, sent: float = math.nan) -> Told:
    """Return what a message says. Raises `EnvelopeError`."""
    return _opened(body, sent, wrapped=False)


def announced(told: Told) -> tuple[tuple[str, str], ...]:
    """Return which objects are new, by bucket and key, as far as a message tells of any. Raises `EnvelopeError`."""
    try:
        if told.detail_type == S3_NOTIFICATION:
            records = msgspec.convert(told.detail, _Notification).Records
            new = (record.s3 for record in records if record.event_name.removeprefix("s3:").startswith(_CREATED))
            return tuple((one.bucket.name, unquote_plus(one.object.key)) for one in new)
        if (told.source, told.detail_type) == ("aws.s3", S3_CREATED):
            one = msgspec.convert(told.detail, _Entity)
            return ((one.bucket.name, one.object.key),)
        if told.detail_type == TRAIL_FILES:
            notice = msgspec.convert(told.detail, _Notice)
            return tuple((notice.bucket, key) for key in notice.keys)
    except msgspec.ValidationError as error:
        raise EnvelopeError(f"no notice of new objects: {error}") from error
    return ()


class _Bucket(Struct, frozen=True):
    name: str


class _Object(Struct, frozen=True):
    key: str


class _Entity(Struct, frozen=True):
    bucket: _Bucket
    object: _Object


class _Record(Struct, frozen=True):
    """docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html: the key is URL-encoded."""

    event_name: str = msgspec.field(name="eventName")
    s3: _Entity


class _Notification(Struct, frozen=True):
    Records: tuple[_Record, ...]


class _Notice(Struct, frozen=True):
    """docs.aws.amazon.com/awscloudtrail/latest/userguide/configure-sns-notifications-for-cloudtrail.html."""

    bucket: str = msgspec.field(name="s3Bucket")
    keys: tuple[str, ...] = msgspec.field(name="s3ObjectKey")


def _opened(body: str, sent: float, *, wrapped: bool) -> Told:
    if body == _TRAIL_TEST:
        return Told("", "aws.cloudtrail", TRAIL_TEST, "", "", math.nan, sent=sent)
    found = _object(body)
    if found.get("Type") == "Notification" and "TopicArn" in found and not wrapped:
        inside = found.get("Message")
        if not isinstance(inside, str):
            raise EnvelopeError("a notification of SNS without a message")
        return _opened(inside, sent, wrapped=True)
    if "detail-type" in found:
        return _event(found, sent)
    if found.get("Event") == "s3:TestEvent":
        return Told("", "aws.s3", S3_TEST, "", "", _seconds(found.get("Time")), detail=found, sent=sent)
    if "s3Bucket" in found and "s3ObjectKey" in found:
        return Told("", "aws.cloudtrail", TRAIL_FILES, "", "", math.nan, detail=found, sent=sent)
    records = found.get("Records")
    if isinstance(records, list) and records and all(_of_s3(record) for record in records):
        first = records[0]
        region, at = str(first.get("awsRegion", "")), _seconds(first.get("eventTime"))
        return Told("", "aws.s3", S3_NOTIFICATION, "", region, at, detail=found, sent=sent)
    raise EnvelopeError(
        f"neither an event of EventBridge nor a notice of S3 or CloudTrail: its keys are {_keys(found)}"
    )


class _Envelope(Struct, frozen=True):
    """What EventBridge writes around an event: docs.aws.amazon.com/eventbridge/latest/userguide/eb-events.html."""

    id: Annotated[str, Meta(min_length=1)]
    source: str
    account: Annotated[str, Meta(pattern=r"^[0-9]{12}\Z")]  # anybody may be allowed to write into a queue
    region: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
    time: str | float
    detail: dict[str, Any]
    detail_type: str = msgspec.field(name="detail-type")
    resources: tuple[str, ...] = ()
    replay_name: str = msgspec.field(name="replay-name", default="")


def _event(found: Mapping[str, Any], sent: float) -> Told:
    try:
        told = msgspec.convert(found, _Envelope)
    except msgspec.ValidationError as error:
        raise EnvelopeError(f"no event of EventBridge: {error}") from error
    return Told(
        told.id,
        told.source,
        told.detail_type,
        told.account,
        told.region,
        _seconds(told.time),
        told.resources,
        told.detail,
        told.replay_name,
        sent,
    )


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, RecursionError) as error:  # msgspec's errors, and what can't be encoded, are ValueErrors
        raise EnvelopeError(f"no JSON object: {error}") from error


def _seconds(time: object) -> float:
    """Return a time in Unix seconds: written in ISO 8601, or as milliseconds, in digits or as a number."""
    text = str(time)
    try:
        if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", text, re.ASCII):
            return float(text) / 1000
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise EnvelopeError(f"{text[:100]!r} is no time") from error
    if at.tzinfo is None:
        raise EnvelopeError(f"{text[:100]!r} names no time zone")
    return at.timestamp()


def _of_s3(record: object) -> bool:
    return isinstance(record, Mapping) and record.get("eventSource") == "aws:s3"


def _keys(found: Iterable[str]) -> str:
    return ", ".join(sorted(found)[:10])[:200] or "none"
