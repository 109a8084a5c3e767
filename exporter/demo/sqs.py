"""SQS: standard queues, with visibility time-outs, dead-letter queues, long polls, and what "at least once" can mean.

A queue keeps its word and nothing more: it may hand a message out to two at once, hand it out again after it has been
deleted, and in any order. How often it does is set on the queue, and is never by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from exporter.demo.call import AwsError
from exporter.demo.resources import arn
from exporter.demo.traffic import chance, number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.demo.call import Call

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MOST_AT_ONCE = 10  # messages of a receive, entries of a batch
LARGEST = 1_048_576  # bytes of a message, and of a batch
MOST_IN_FLIGHT = 120_000
LONGEST_POLL = 20  # seconds
LONGEST_HIDDEN = 43_200  # seconds from a receive

ATTRIBUTES = {  # what can be set, and where it stands unless it is
    "DelaySeconds": "0",
    "MaximumMessageSize": str(LARGEST),
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "RedrivePolicy": "",
    "VisibilityTimeout": "30",
}


@dataclass(slots=True, eq=False)
class Message:
    """A message in a queue, and who has it."""

    id: str
    body: str
    sent: float
    visible: float  # from when on it is handed out (again)
    received: int = 0
    first_received: float = 0.0
    handle: str = ""  # of the newest receive
    held_since: float = 0.0


@dataclass(slots=True, eq=False)
class Queue:
    """A standard queue. `twice`, `returning`: chances that what is received, or deleted, can be received once more."""

    account: str
    region: str
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)  # by id, in the order in which they came
    deleted: int = 0
    twice: float = 0.0
    returning: float = 0.0
    unordered: bool = False
    acts: int = 0  # so that chance is not the same each time

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn("sqs", self.region, self.account, self.name)

    @property
    def url(self) -> str:
        """Its URL."""
        return f"https://sqs.{self.region}.amazonaws.com/{self.account}/{self.name}"

    def attribute(self, name: str) -> str:
        """Return an attribute that can be set."""
        return self.attributes.get(name, ATTRIBUTES[name])

    def send(self, body: str, now: float, delay: float | None = None) -> Message:
        """Take a message."""
        identity = _uuid(self.arn, "message", self._act())
        wait = float(self.attribute("DelaySeconds")) if delay is None else delay
        message = self.messages[identity] = Message(identity, body, now, now + wait)
        return message

    def visible(self, now: float) -> Iterator[Message]:
        """Yield what can be handed out now; what has been kept too long is gone."""
        kept = float(self.attribute("MessageRetentionPeriod"))
        known = list(self.messages.values())
        if self.unordered:
            cut = int(chance(number_of(self.arn, "order"), self._act()) * len(known))
            known = known[cut:] + known[:cut]
        for message in known:
            if message.sent + kept <= now:
                del self.messages[message.id]
            elif message.visible <= now:
                yield message

    def in_flight(self, now: float) -> int:
        """Return how many have been handed out and are not back."""
        return sum(one.received > 0 and one.visible > now for one in self.messages.values())

    def take(self, message: Message, seconds: float, now: float) -> None:
        """Hand a message out."""
        message.received += 1
        message.first_received = message.first_received or now
        message.held_since = now
        message.handle = _uuid(self.arn, message.id, self._act())
        message.visible = now if self._happens(self.twice) else now + seconds

    def delete(self, handle: str) -> None:
        """Forget a message, if the handle is its newest: an old one is accepted, and may do nothing."""
        for message in [one for one in self.messages.values() if one.handle == handle]:
            if self._happens(self.returning):
                continue  # one of AWS's servers was down, and brings it back when it is up
            del self.messages[message.id]
            self.deleted += 1

    def _act(self) -> int:
        self.acts += 1
        return self.acts

    def _happens(self, likely: float) -> bool:
        return chance(number_of(self.arn, "luck"), self._act()) < likely


def _uuid(*names: object) -> str:
    digits = f"{number_of(*names):016x}{number_of('second half', *names):016x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def create_queue(call: Call) -> dict[str, Any]:
    """Answer CreateQueue: again with the same attributes is no error."""
    name = call.parameters.get("QueueName", "")
    if not re.fullmatch(r"[\w-]{1,80}", name, re.ASCII):
        text = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        raise AwsError("InvalidParameterValueException", text)
    given = call.parameters.get("Attributes", {})
    unknown = sorted(given.keys() - ATTRIBUTES.keys())
    if unknown:
        raise AwsError("InvalidAttributeName", f"Unknown Attribute {unknown[0]}.")
    queue = call.place.queues.get(name)
    if queue is None:
        queue = call.place.queues[name] = Queue(call.principal.account, call.region, name, dict(given))
    elif queue.attributes != given:
        raise AwsError("QueueNameExists", "A queue already exists with the same name and a different value.")
    return {"QueueUrl": queue.url}


def get_queue_attributes(call: Call) -> dict[str, Any]:
    """Answer GetQueueAttributes; the numbers are said to be approximate, and here they are exact."""
    queue = _queue(call)
    call.world.flow(queue, call.now)
    waiting = [one for one in queue.messages.values() if one.received == 0 and one.visible > call.now]
    found = {name: queue.attribute(name) for name in ATTRIBUTES if queue.attribute(name)} | {
        "QueueArn": queue.arn,
        "ApproximateNumberOfMessages": str(sum(1 for _ in queue.visible(call.now))),
        "ApproximateNumberOfMessagesNotVisible": str(queue.in_flight(call.now)),
        "ApproximateNumberOfMessagesDelayed": str(len(waiting)),
    }
    wanted = call.parameters.get("AttributeNames", ())
    unknown = [name for name in wanted if name != "All" and name not in found and name not in ATTRIBUTES]
    if unknown:
        raise AwsError("InvalidAttributeName", f"Unknown Attribute {unknown[0]}.")
    told = {name: value for name, value in found.items() if "All" in wanted or name in wanted}
    return {"Attributes": told} if told else {}


def send_message(call: Call) -> dict[str, Any]:
    """Answer SendMessage."""
    message = _send(_queue(call), call.parameters, call.now)
    call.world.arrival.notify_all()
    return {"MessageId": message.id}


def send_message_batch(call: Call) -> dict[str, Any]:
    """Answer SendMessageBatch."""
    queue = _queue(call)
    entries = _entries(call)
    if sum(len(entry.get("MessageBody", "").encode()) for entry in entries) > LARGEST:
        raise AwsError("BatchRequestTooLong", f"Batch requests cannot be longer than {LARGEST} bytes.")
    answer = _each(call, entries, lambda entry: {"MessageId": _send(queue, entry, call.now).id})
    call.world.arrival.notify_all()
    return answer


def _send(queue: Queue, given: dict[str, Any], now: float) -> Message:
    body = given.get("MessageBody", "")
    if not body:
        raise AwsError("MissingParameter", "The request must contain the parameter MessageBody.")
    if len(body.encode()) > int(queue.attribute("MaximumMessageSize")):
        raise AwsError("InvalidParameterValueException", "One or more parameters are invalid. Reason: Message too long")
    return queue.send(body, now, given.get("DelaySeconds"))


def receive_message(call: Call) -> dict[str, Any]:
    """Answer ReceiveMessage: at once if there is anything, else when something comes or the poll has been long enough.

    A message that has been received as often as the queue allows goes to the dead-letter queue instead.
    """
    queue, given = _queue(call), call.parameters
    most = _within(call, "MaxNumberOfMessages", 1, 1, MOST_AT_ONCE)
    wait = _within(call, "WaitTimeSeconds", int(queue.attribute("ReceiveMessageWaitTimeSeconds")), 0, LONGEST_POLL)
    hidden = _within(call, "VisibilityTimeout", int(queue.attribute("VisibilityTimeout")), 0, LONGEST_HIDDEN)
    now: float | None = call.now
    while now is not None:
        call.world.flow(queue, now)
        found = list(_handed_out(call, queue, most, hidden, now))
        if found or now >= call.now + wait:
            named = given.get("MessageSystemAttributeNames") or given.get("AttributeNames") or []
            return {"Messages": [_told(message, named) for message in found]} if found else {}
        now = call.hold()
    return {}


def _handed_out(call: Call, queue: Queue, most: int, hidden: int, now: float) -> Iterator[Message]:
    if len(queue.messages) > MOST_IN_FLIGHT <= queue.in_flight(now):
        raise AwsError("OverLimit", "Too many messages are in flight in this queue.", 403)
    policy = orjson.loads(queue.attribute("RedrivePolicy") or b"{}")
    number = 0
    for message in queue.visible(now):
        if policy and message.received >= int(policy["maxReceiveCount"]):
            dead = call.world.region(queue.account, queue.region).queues[policy["deadLetterTargetArn"].split(":")[-1]]
            dead.messages[message.id] = queue.messages.pop(message.id)  # it keeps the time at which it was sent
            message.received, message.visible = 0, now
            continue
        queue.take(message, hidden, now)
        yield message
        number += 1
        if number == most:
            return


def _told(message: Message, named: list[str]) -> dict[str, Any]:
    attributes = {
        "SentTimestamp": str(int(message.sent * 1000)),
        "ApproximateReceiveCount": str(message.received),
        "ApproximateFirstReceiveTimestamp": str(int(message.first_received * 1000)),
    }
    told = {name: value for name, value in attributes.items() if "All" in named or name in named}
    known = {"MessageId": message.id, "ReceiptHandle": message.handle, "Body": message.body}
    return {**known, "Attributes": told} if told else known


def delete_message_batch(call: Call) -> dict[str, Any]:
    """Answer DeleteMessageBatch."""
    queue = _queue(call)

    def delete(entry: dict[str, Any]) -> dict[str, Any]:
        queue.delete(_handle(entry))
        return {}

    return _each(call, _entries(call), delete)


def change_message_visibility_batch(call: Call) -> dict[str, Any]:
    """Answer ChangeMessageVisibilityBatch: 12 hours from the receive are the most."""
    queue = _queue(call)

    def change(entry: dict[str, Any]) -> dict[str, Any]:
        handle, seconds = _handle(entry), int(entry.get("VisibilityTimeout", 0))
        held = next((one for one in queue.messages.values() if one.handle == handle and one.visible > call.now), None)
        if held is None:
            raise AwsError("MessageNotInflight", "The message referred to isn't in flight.")
        if seconds < 0 or call.now + seconds > held.held_since + LONGEST_HIDDEN:
            text = f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for "
            text += "the message is beyond the limit [43200 seconds]"
            raise AwsError("InvalidParameterValueException", text)
        held.visible = call.now + seconds
        return {}

    answer = _each(call, _entries(call), change)
    call.world.arrival.notify_all()
    return answer


def _handle(entry: dict[str, Any]) -> str:
    handle: str = entry.get("ReceiptHandle", "")
    if not re.fullmatch(r"[0-9a-f-]{36}", handle):
        raise AwsError("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not valid.')
    return handle


def _queue(call: Call) -> Queue:
    """Return the queue that a call names: one of the caller's own account, in the region that is called."""
    url = call.parameters.get("QueueUrl", "")
    found = re.fullmatch(r"https?://[^/]+/(\d{12})/([\w-]+)", url, re.ASCII)
    if not found:
        raise AwsError("InvalidAddress", f"The address {url} is not valid for this endpoint.", 404)
    if found[1] != call.principal.account:
        text = f"User: {call.principal.arn} is not authorized to perform: {call.action} on resource: "
        text += f"{arn('sqs', call.region, found[1], found[2])} because no resource-based policy allows it"
        raise AwsError("AccessDeniedException", text, 403)
    queue = call.place.queues.get(found[2])
    if queue is None:
        raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")
    return queue


def _within(call: Call, name: str, usual: int, least: int, most: int) -> int:
    value: int = call.parameters.get(name, usual)
    if not least <= value <= most:
        text = f"Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}, if provided"
        raise AwsError("InvalidParameterValueException", text)
    return value


def _entries(call: Call) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = call.parameters.get("Entries", [])
    names = [entry.get("Id", "") for entry in entries]
    if not entries:
        raise AwsError("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > MOST_AT_ONCE:
        text = f"Maximum number of entries per request are {MOST_AT_ONCE}. You have sent {len(entries)}."
        raise AwsError("TooManyEntriesInBatchRequest", text)
    if len(set(names)) < len(names):
        raise AwsError("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
    if not all(re.fullmatch(r"[\w-]{1,80}", name, re.ASCII) for name in names):
        raise AwsError("InvalidBatchEntryId", "The Id of a batch entry in a batch request is not valid.")
    return entries


def _each(call: Call, entries: list[dict[str, Any]], act: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Do each entry of a batch by itself; those that fail are told in an answer that is otherwise good."""
    done, failed = [], []
    for entry in entries:
        try:
            done.append({"Id": entry["Id"], **(_broken() if call.fails() else act(entry))})
        except AwsError as error:
            told = {"Id": entry["Id"], "Code": error.query_name, "Message": error.message}
            failed.append({**told, "SenderFault": error.fault == "Sender"})
    return {"Successful": done, "Failed": failed}


def _broken() -> dict[str, Any]:
    raise AwsError("InternalError", "We encountered an internal error. Please try again.", 500)


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "ChangeMessageVisibilityBatch": change_message_visibility_batch,
    "CreateQueue": create_queue,
    "DeleteMessageBatch": delete_message_batch,
    "GetQueueAttributes": get_queue_attributes,
    "ReceiveMessage": receive_message,
    "SendMessage": send_message,
    "SendMessageBatch": send_message_batch,
}
