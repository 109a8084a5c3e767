"""The fake's queues keep the word that AWS gives, and no other."""

from __future__ import annotations

import json
import threading

import pytest
from asking import ACCOUNT, NOW, REGION
from botocore.exceptions import ClientError

URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/q"


@pytest.fixture
def queue(world):
    return world.add_queue(ACCOUNT, REGION, "q")


@pytest.fixture
def sqs(in_memory):
    return in_memory("sqs")


def received(sqs, most=10, **more):
    return sqs.receive_message(QueueUrl=URL, MaxNumberOfMessages=most, **more).get("Messages", [])


def bodies(sqs, **more):
    return [message["Body"] for message in received(sqs, **more)]


def code(error):
    return error.value.response["Error"]["Code"]


def test_what_is_sent_is_received_with_its_times_and_its_count(sqs, queue, clock):
    sent = sqs.send_message(QueueUrl=URL, MessageBody="hello")
    clock.now += 5
    wanted = ["SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp"]
    (message,) = received(sqs, MessageSystemAttributeNames=wanted)
    assert (message["Body"], message["MessageId"]) == ("hello", sent["MessageId"])
    assert message["Attributes"] == {
        "SentTimestamp": str(NOW * 1000),
        "ApproximateReceiveCount": "1",
        "ApproximateFirstReceiveTimestamp": str((NOW + 5) * 1000),
    }


def test_what_is_received_is_hidden_for_the_time_of_the_queue_or_of_the_call(sqs, queue, clock):
    sqs.send_message(QueueUrl=URL, MessageBody="hello")
    assert bodies(sqs) == ["hello"]
    clock.now += 29
    assert bodies(sqs) == []
    clock.now += 1
    assert bodies(sqs, VisibilityTimeout=100) == ["hello"]
    clock.now += 99
    assert bodies(sqs) == []
    clock.now += 1
    (message,) = received(sqs, MessageSystemAttributeNames=["All"])
    assert message["Attributes"]["ApproximateReceiveCount"] == "3"


def test_visibility_changes_up_to_twelve_hours_from_the_receive(sqs, queue, clock):
    sqs.send_message(QueueUrl=URL, MessageBody="hello")
    (message,) = received(sqs)
    entry = {"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}

    def change(seconds):
        return sqs.change_message_visibility_batch(QueueUrl=URL, Entries=[{**entry, "VisibilityTimeout": seconds}])

    assert change(40_000)["Successful"] == [{"Id": "a"}]
    clock.now += 39_999
    assert bodies(sqs) == []
    (failed,) = change(10_000)["Failed"]
    assert (failed["Code"], failed["SenderFault"]) == ("InvalidParameterValue", True)
    assert change(0)["Successful"] == [{"Id": "a"}]
    assert bodies(sqs) == ["hello"]


def test_a_message_is_deleted_by_its_newest_handle_only(sqs, queue, clock):
    sqs.send_message(QueueUrl=URL, MessageBody="hello")
    (old,) = received(sqs)
    clock.now += 30
    (new,) = received(sqs)
    for message, left in ((old, 1), (new, 0)):
        entries = [{"Id": "a", "ReceiptHandle": message["ReceiptHandle"]}]
        answer = sqs.delete_message_batch(QueueUrl=URL, Entries=entries)
        assert answer["Successful"] == [{"Id": "a"}]  # for the old one too
        assert len(queue.messages) == left


def test_a_batch_may_fail_in_part(sqs, queue, fake):
    fake.faults.add("failed_entry", operation="DeleteMessageBatch", every=2)
    sqs.send_message_batch(QueueUrl=URL, Entries=[{"Id": str(n), "MessageBody": str(n)} for n in range(4)])
    entries = [{"Id": m["Body"], "ReceiptHandle": m["ReceiptHandle"]} for m in received(sqs)]
    entries[2]["ReceiptHandle"] = "no handle"
    answer = sqs.delete_message_batch(QueueUrl=URL, Entries=entries)
    assert [one["Id"] for one in answer["Successful"]] == ["0"]
    assert {one["Id"]: (one["Code"], one["SenderFault"]) for one in answer["Failed"]} == {
        "1": ("InternalError", False),
        "2": ("ReceiptHandleIsInvalid", True),
        "3": ("InternalError", False),
    }
    assert len(queue.messages) == 3


def test_what_has_been_received_too_often_goes_to_the_dead_letter_queue(sqs, world, queue, clock):
    dead = world.add_queue(ACCOUNT, REGION, "dead")
    queue.attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": "2"})
    sqs.send_message(QueueUrl=URL, MessageBody="poison")
    for _ in range(2):
        assert bodies(sqs) == ["poison"]
        clock.now += 30
    assert bodies(sqs) == []
    (message,) = dead.messages.values()
    assert (message.body, message.sent) == ("poison", NOW)  # it keeps its age


def test_what_is_kept_too_long_is_gone(sqs, queue, clock):
    sqs.send_message(QueueUrl=URL, MessageBody="old")
    clock.now += 4 * 86_400
    assert bodies(sqs) == []
    assert not queue.messages


def test_at_least_once_and_in_any_order(sqs, queue):
    queue.twice = queue.returning = 0.5
    queue.unordered = True
    for tens in range(0, 100, 10):
        entries = [{"Id": str(n), "MessageBody": str(tens + n)} for n in range(10)]
        sqs.send_message_batch(QueueUrl=URL, Entries=entries)
    found = []
    while got := received(sqs):
        found += [int(message["Body"]) for message in got]
        done = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(got)]
        sqs.delete_message_batch(QueueUrl=URL, Entries=done)
    assert set(found) == set(range(100))  # none is lost
    assert len(found) > 120  # some come more than once
    assert list(dict.fromkeys(found)) != list(range(100))


def test_a_poll_ends_when_a_message_comes(over_http, world, queue, fake):
    """On a clock that stands still, a poll would never end by itself."""
    found = []
    client = over_http("sqs", read_timeout=30)
    poll = threading.Thread(target=lambda: found.extend(received(client, WaitTimeSeconds=20)), daemon=True)
    poll.start()
    over_http("sts").get_caller_identity()  # others are answered meanwhile
    world.send(queue, "hello", fake.now())
    poll.join(10)
    assert [message["Body"] for message in found] == ["hello"]


def test_a_poll_ends_when_its_time_is_over(over_http, queue, clock):
    client = over_http("sqs", read_timeout=30)
    found = []
    poll = threading.Thread(target=lambda: found.append(received(client, WaitTimeSeconds=20)), daemon=True)
    poll.start()
    while poll.is_alive():
        clock.now += 1
        poll.join(0.05)
    assert found == [[]]


def test_how_full_it_is(sqs, queue):
    entries = [{"Id": str(n), "MessageBody": "m", "DelaySeconds": 9 * (n == 0)} for n in range(6)]
    sqs.send_message_batch(QueueUrl=URL, Entries=entries)
    received(sqs, most=2)
    told = sqs.get_queue_attributes(QueueUrl=URL, AttributeNames=["All"])["Attributes"]
    assert told["QueueArn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
    assert (told["ApproximateNumberOfMessages"], told["VisibilityTimeout"]) == ("3", "30")
    assert told["ApproximateNumberOfMessagesNotVisible"] == "2"
    assert told["ApproximateNumberOfMessagesDelayed"] == "1"


@pytest.mark.parametrize(
    ("operation", "parameters", "error"),
    [
        ("receive_message", {"QueueUrl": URL + "x"}, "AWS.SimpleQueueService.NonExistentQueue"),
        ("receive_message", {"QueueUrl": "https://sqs/q"}, "InvalidAddress"),
        ("receive_message", {"QueueUrl": URL.replace(ACCOUNT, "210987654321")}, "AccessDenied"),
        ("receive_message", {"QueueUrl": URL, "MaxNumberOfMessages": 11}, "InvalidParameterValue"),
        ("receive_message", {"QueueUrl": URL, "WaitTimeSeconds": 21}, "InvalidParameterValue"),
        ("delete_message_batch", {"QueueUrl": URL, "Entries": []}, "EmptyBatchRequest"),
        (
            "delete_message_batch",
            {"QueueUrl": URL, "Entries": [{"Id": "a", "ReceiptHandle": "b"}] * 2},
            "BatchEntryIdsNotDistinct",
        ),
        (
            "delete_message_batch",
            {"QueueUrl": URL, "Entries": [{"Id": str(n), "ReceiptHandle": "b"} for n in range(11)]},
            "TooManyEntriesInBatchRequest",
        ),
        ("send_message", {"QueueUrl": URL, "MessageBody": "x" * 1_048_577}, "InvalidParameterValue"),
        ("get_queue_attributes", {"QueueUrl": URL, "AttributeNames": ["Nonsense"]}, "InvalidAttributeName"),
    ],
)
def test_what_can_not_be_is_refused(sqs, queue, operation, parameters, error):
    with pytest.raises(ClientError) as caught:
        getattr(sqs, operation)(**parameters)
    assert code(caught) == error


def test_too_many_in_flight(sqs, queue, monkeypatch):
    monkeypatch.setattr("exporter.demo.sqs.MOST_IN_FLIGHT", 3)
    sqs.send_message_batch(QueueUrl=URL, Entries=[{"Id": str(n), "MessageBody": "m"} for n in range(4)])
    assert len(received(sqs, most=3)) == 3
    with pytest.raises(ClientError) as caught:
        received(sqs)
    assert code(caught) == "OverLimit"


def test_calls_are_on_the_bill(sqs, queue, fake):
    for _ in range(5):
        received(sqs)
    assert fake.bill.dollars == pytest.approx(5 * 0.40 / 1e6)
    (actions,) = fake.bill.actions.values()
    assert actions == {"sqs:ReceiveMessage"}
