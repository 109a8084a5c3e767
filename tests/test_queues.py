"""Queues read to the end: against moto's server and against the fake, wherever both can, and never twice."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
import threading
import time

import boto3
import pytest
from botocore.config import Config
from listening import ACCOUNT, HERE, REGION, URL, Counting, House, event
from worlds import wait_for

from exporter.aws import AwsError, queues
from exporter.aws.queues import Queue
from exporter.aws.sessions import READ_TIMEOUT
from exporter.demo import FakeAws, World, access_key, serve
from exporter.demo.resources import Role
from exporter.ledger import LedgerError
from exporter.ledger.memory import MemoryStore
from exporter.ledger.sqlite import SqliteStore
from exporter.model import Target

ELSEWHERE = Target("210987654321", "eu-west-1")


class Sqs:
    """A double of SQS, and what its users do with it by the SDK.

    A poll that a test has left may go on in moto: so each test has queues with names of their own.
    """

    numbers = itertools.count()

    def __init__(self, url, key):
        self.names = {name: f"{name}-{next(self.numbers)}" for name in ("events", "dead")}
        keys = {"aws_access_key_id": key, "aws_secret_access_key": "any"}
        config = Config(retries={"total_max_attempts": 1})
        self.client = boto3.client("sqs", region_name=REGION, endpoint_url=url, config=config, **keys)
        self.queue = ""

    def create(self, most_receives=None):
        """Create the queue `events`, with a dead-letter queue if messages may be received only so often."""
        attributes = {}
        if most_receives:
            self.client.create_queue(QueueName=self.names["dead"])
            arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.names['dead']}"
            policy = {"deadLetterTargetArn": arn, "maxReceiveCount": str(most_receives)}
            attributes = {"RedrivePolicy": json.dumps(policy)}
        self.queue = self.client.create_queue(QueueName=self.names["events"], Attributes=attributes)["QueueUrl"]

    def send(self, *bodies):
        for first in range(0, len(bodies), 10):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[first : first + 10])]
            done = self.client.send_message_batch(QueueUrl=self.queue, Entries=entries)["Successful"]
            assert len(done) == len(entries)

    def holds(self, name="events"):
        """Return how many messages are in a queue, in anybody's hands or not."""
        url = self.queue.rpartition("/")[0] + "/" + self.names[name]
        told = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(told["ApproximateNumberOfMessages"]) + int(told["ApproximateNumberOfMessagesNotVisible"])


@pytest.fixture(scope="session")
def moto():
    """Serve moto on a port of the loopback."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "Running on" in line:
                break
        silent = threading.Thread(target=process.stderr.read, daemon=True)  # or it would wait for a reader
        silent.start()
        yield line.split()[-1]
        process.terminate()


@pytest.fixture
def fake():
    return FakeAws(World(seed=1), time.time)


@pytest.fixture(params=["fake", "moto"])
def sqs(request, monkeypatch):
    """Return a double of SQS, which is the AWS of this process."""
    if request.param == "moto":
        url = request.getfixturevalue("moto")
        key = "AKIAIOSFODNN7EXAMPLE"
    else:
        url = request.getfixturevalue("served")
        key = access_key(ACCOUNT)
    double = _environment(monkeypatch, url, key)
    monkeypatch.setattr("listening.URL", URL.replace("events", double.names["events"]))
    return double


@pytest.fixture
def served(fake):
    with serve(fake) as server:
        yield server.url


@pytest.fixture
def ours(served, fake, monkeypatch):
    """Return the fake with a queue in it, for what moto can't do."""
    _environment(monkeypatch, served, access_key(ACCOUNT))
    fake.queue = fake.world.add_queue(ACCOUNT, REGION, "events")
    return fake


def _environment(monkeypatch, url, key):
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    return Sqs(url, key)


@pytest.fixture
def house():
    """Make houses, and close them."""
    made = []

    def make(*arguments, **more):
        made.append(House(*arguments, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def soon(monkeypatch):
    """Let what is left come back after a second."""
    monkeypatch.setattr("exporter.aws.queues.HELD", 1)
    monkeypatch.setattr("exporter.road.HELD", 1)


class Refusing(MemoryStore):
    """A ledger whose disk is full for so many commits; `meanwhile` is called in each of them."""

    def __init__(self, times, meanwhile=str):
        super().__init__()
        self.times = times
        self.refused = 0
        self._meanwhile = meanwhile

    def commit(self, changes):
        if changes.identities and self.refused < self.times:
            self.refused += 1
            self._meanwhile()
            raise LedgerError("the disk is full")
        super().commit(changes)


# -- on both doubles ---------------------------------------------------------------------------------------------------
# Of ten messages and more at least so many are deleted: moto hands one out twice where it is asked by several at once.


def test_messages_are_counted_and_deleted(sqs, house):
    sqs.create()
    sqs.send(*(event(n, f"alarm-{n % 3}") for n in range(25)))
    one = house().start()
    wait_for(lambda: one.became("deleted") >= 25)
    assert one.counted() == {(HERE, "alarm-0"): 9.0, (HERE, "alarm-1"): 8.0, (HERE, "alarm-2"): 8.0}
    assert sqs.holds() == 0
    assert one.became("left") == one.became("unparsed") == one.became("delete_failed") == 0.0


def test_a_message_that_comes_is_heard_at_once(sqs, house):
    sqs.create()
    one = house().start()
    wait_for(lambda: one.own("aws_requests_total", ACCOUNT, REGION, "sqs").get(("GetQueueAttributes",)))
    began = time.monotonic()
    sqs.send(event("first"))
    wait_for(lambda: one.total() == 1.0)
    assert time.monotonic() - began < 5.0  # long before the poll would have ended


def test_nothing_is_deleted_before_the_commit(sqs, house, soon):
    sqs.create()
    sqs.send(*(event(n) for n in range(5)))
    held = []
    store = Refusing(2, lambda: held.append(sqs.holds()))
    one = house(store).start()
    wait_for(lambda: one.became("deleted") == 5)
    assert (held, one.total()) == ([5, 5], 5.0)
    assert sqs.holds() == 0


def test_what_a_refused_commit_has_left_comes_back_to_another_life(sqs, house, soon):
    sqs.create()
    sqs.send(*(event(n) for n in range(12)))
    first = house(Refusing(1_000)).start()
    wait_for(lambda: first.store.refused)
    first.close()
    assert (first.total(), sqs.holds()) == (0, 12)
    second = house().start()
    wait_for(lambda: second.became("deleted") >= 12)
    assert (second.total(), sqs.holds()) == (12.0, 0)


def test_one_event_in_many_messages_counts_once(sqs, house, request):
    sqs.create()
    sqs.send(*(event(n % 4) for n in range(30)))
    one = house().start()
    wait_for(lambda: one.became("deleted") >= 30)
    assert one.total() == 4.0
    outcomes = one.own("events_total", ACCOUNT, REGION, "cloudwatch_alarms")
    assert outcomes[("counted",)] == 4.0
    repeated, double = outcomes[("repeated",)], request.node.callspec.params["sqs"]
    assert repeated == 26.0 or (double == "moto" and repeated > 26.0)  # moto hands some out twice


def test_poison_goes_to_the_dead_letter_queue_and_holds_up_nobody(sqs, house, soon, caplog):
    sqs.create(most_receives=2)
    sqs.send(event(1), "no json", event(2), '{"neither": "nor"}', event(3))
    one = house().start()
    wait_for(lambda: sqs.holds("dead") == 2)
    assert (one.total(), one.became("deleted"), one.became("unparsed")) == (3.0, 3.0, 4.0)
    assert sqs.holds() == 0
    told = [record.message for record in caplog.records if "can't be read" in record.message]
    assert len(told) == 1  # of four times


def test_a_listener_that_fails_on_one_message_hears_all_others(sqs, house, soon):
    sqs.create(most_receives=2)
    sqs.send(*(event(n, fails=n in {3, 7}) for n in range(10)))
    one = house().start()
    wait_for(lambda: sqs.holds("dead") == 2)
    assert (one.total(), one.became("deleted"), one.became("left")) == (8.0, 8.0, 4.0)


def test_others_events_are_deleted_and_not_counted(sqs, house):
    sqs.create()
    far = {"account": ELSEWHERE.account_id, "region": ELSEWHERE.region}
    sqs.send(event(1), event(2, **far), event(3, source="aws.health"), event(4, region="eu-west-1"))
    one = house().start()
    wait_for(lambda: one.became("deleted") == 4)
    assert one.counted() == {(HERE, "a"): 1.0}
    assert one.own("events_total", ACCOUNT, REGION) == {
        ("cloudwatch_alarms", "counted"): 1.0,
        ("cloudwatch_alarms", "ignored"): 2.0,
    }
    assert sqs.holds() == 0


def test_every_account_counts_where_that_is_wanted(sqs, house):
    sqs.create()
    far = {"account": ELSEWHERE.account_id, "region": ELSEWHERE.region}
    sqs.send(event(1), *(event(n, **far) for n in range(2, 5)))
    one = house(accounts="all").start()
    wait_for(lambda: one.became("deleted") == 4)
    assert one.counted() == {(HERE, "a"): 1.0, (ELSEWHERE, "a"): 3.0}
    assert one.met == [ELSEWHERE]  # once, before it was heard


def test_a_poll_that_waits_does_not_hold_up_the_stop(sqs, house):
    sqs.create()
    one = house().start()
    requests = ("aws_requests_total", ACCOUNT, REGION, "sqs")
    wait_for(lambda: one.own(*requests).get(("ReceiveMessage",)))
    began = time.monotonic()
    assert one.close()
    assert time.monotonic() - began < 1.0


def test_how_full_a_queue_is(sqs, house):
    sqs.create(most_receives=3)
    sqs.send("a", "b", "c")
    sqs.client.receive_message(QueueUrl=sqs.queue, MaxNumberOfMessages=1)
    one = house(listeners=[]).start()
    wait_for(lambda: one.own("queue_dead_letters"))
    assert one.own("queue_messages", ACCOUNT, REGION, "events") == {
        ("visible",): 2.0,
        ("in_flight",): 1.0,
        ("delayed",): 0.0,
    }
    assert one.own("queue_dead_letters") == {(ACCOUNT, REGION, "events"): 0.0}
    assert one.road.state().listeners == ()
    assert sqs.holds() == 3  # where nobody listens, nothing is received


def test_messages_are_hidden_longer(sqs, house, soon):
    sqs.create()
    sqs.send("a", "b")
    queue = Queue(house().aws, House().settings)
    first = queue.receive(1)
    assert queue.extend(first, 30) == set()
    assert [message.received for message in first] == [1] * len(first)
    assert abs(first[0].sent - time.time()) < 60
    rest = queue.receive(2) if len(first) < 2 else []  # a second more than they were hidden for at first
    assert {message.body for message in first}.isdisjoint(message.body for message in rest)
    assert queue.extend(first, 0) == set()
    assert {message.body for message in queue.receive(1)} >= {message.body for message in first}


def test_a_queue_that_is_not_there_is_told_of_once(sqs, house, caplog):
    one = house().start()
    wait_for(lambda: one.own("aws_errors_total", ACCOUNT, REGION, "sqs").get(("ReceiveMessage", "absent"), 0) > 1)
    told = [record.message for record in caplog.records if "ReceiveMessage" in record.message]
    assert len(told) == 1
    assert "NonExistentQueue" in one.road.state().trouble


# -- on the fake alone -------------------------------------------------------------------------------------------------


@pytest.mark.slow(20)
def test_ten_thousand_in_a_burst_with_all_that_at_least_once_can_mean(ours, house, soon, tmp_path):
    ours.queue.twice, ours.queue.returning, ours.queue.unordered = 0.05, 0.05, True
    ours.faults.add("failed_entry", operation="DeleteMessageBatch", probability=0.02)
    ours.faults.add("http_500", service="sqs", probability=0.01)
    names = [f"alarm-{random.Random(n).randrange(50)}" for n in range(10_000)]
    with ours.world.lock:
        for n, name in enumerate(names):
            ours.queue.send(event(n, name), ours.now())
    one = house(SqliteStore(tmp_path / "ledger.db")).start()
    for done in range(1_000, 11_000, 1_000):  # each within half a minute
        wait_for(lambda done=done: one.total() >= done)
    wait_for(lambda: not ours.queue.messages)
    assert one.counted() == {(HERE, name): float(names.count(name)) for name in set(names)}
    assert one.own("events_total", ACCOUNT, REGION)["cloudwatch_alarms", "repeated"] > 500
    assert one.became("delete_failed") > 0
    assert max(one.listener.batches) > 50  # several receives in one commit


def test_large_messages_are_not_gathered(ours, house):
    with ours.world.lock:
        for n in range(40):
            ours.queue.send(event(n, text="x" * 50_000), ours.now())
    one = house().start()
    wait_for(lambda: one.total() == 40)
    assert max(one.listener.batches) == 10


def test_what_is_held_while_the_ledger_refuses_is_received_once(ours, house, soon):
    """Each receive counts, and a few lead to the dead-letter queue: a full disk must not send good messages there."""
    with ours.world.lock:
        for n in range(3):
            ours.queue.send(event(n), ours.now())
    one = house(Refusing(3)).start()  # 1 and 2 and 4 seconds
    wait_for(lambda: one.total() == 3)
    wait_for(lambda: one.became("deleted") == 3.0)
    assert ours.bill.requests["sqs.ChangeMessageVisibilityBatch"] == 3
    assert (one.became("deleted"), one.own("events_total", ACCOUNT, REGION)) == (
        3.0,
        {("cloudwatch_alarms", "counted"): 3.0},
    )


def test_what_a_late_poll_brings_is_given_back(ours, house):
    """A queue that a reload hands to another road: what comes to the first is the second's, at once."""
    first = house().start()
    wait_for(lambda: ours.bill.requests["sqs.ReceiveMessage"])
    first.road.stop()
    ours.world.send(ours.queue, event(1), ours.now())
    second = house().start()
    wait_for(lambda: second.total() == 1)  # long before a minute is over
    assert first.total() == 0


@pytest.mark.parametrize(("fault", "kind"), [("deny", "denied"), ("http_500", "transient")])
def test_what_fails_is_told_once_and_goes_on_when_it_is_over(ours, house, caplog, fault, kind):
    caplog.set_level("INFO")
    ours.faults.add(fault, operation="ReceiveMessage")
    one = house().start()
    errors = ("aws_errors_total", ACCOUNT, REGION, "sqs", "ReceiveMessage")
    wait_for(lambda: one.own(*errors).get((kind,), 0) > (1 if kind == "denied" else 3))  # two turns
    assert len([one for one in caplog.records if one.levelname == "WARNING"]) == 1
    ours.faults.clear()
    ours.world.send(ours.queue, event(1), ours.now())
    wait_for(lambda: one.total() == 1)
    wait_for(lambda: not one.road.state().trouble)
    assert "queue events: receive works again" in caplog.messages
    assert not one.own("target_up")  # this is not about a login to a target


def test_a_bug_ends_no_thread(ours, house, caplog):
    one = house()
    failing = ["once", "twice"]

    def targets():
        if failing:
            raise ArithmeticError(failing.pop())
        return (HERE,)

    one.road._targets = targets
    one.start()
    ours.world.send(ours.queue, event(1), ours.now())
    wait_for(lambda: one.total() == 1)
    assert len([record for record in caplog.records if record.exc_info]) == 1


@pytest.fixture
def turns(monkeypatch):
    """Return where each turn of a road leaves a mark, and let those in which nothing is received be quick."""
    marks = []
    monkeypatch.setattr("exporter.road.NOT_YET", 0.001)
    monkeypatch.setattr("exporter.road.Road._look", lambda _: marks.append(1))
    return marks


def test_nothing_is_received_before_it_is_known_who_is_configured(ours, house, turns):
    known = []
    one = house()
    one.road._targets = lambda: known or None
    ours.world.send(ours.queue, event(1), ours.now())
    one.start()
    wait_for(lambda: len(turns) > 3)
    assert ours.bill.requests["sqs.ReceiveMessage"] == 0
    known.append(HERE)
    wait_for(lambda: one.total() == 1)


def test_nothing_is_received_for_nobody(ours, house, turns):
    one = house(listeners=[])
    ours.world.send(ours.queue, event(1), ours.now())
    one.start()
    wait_for(lambda: len(turns) > 3)
    assert ours.bill.requests["sqs.ReceiveMessage"] == 0
    one.road.listen([one.listener])
    wait_for(lambda: one.total() == 1)


def test_the_last_look_stands_for_a_while_when_there_is_no_other(ours, house, monkeypatch):
    monkeypatch.setattr("exporter.road.LOOK_EVERY", 0.0)
    road = house().road
    own = road._tally.told
    ours.queue.attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": ours.queue.arn, "maxReceiveCount": 3})
    road._look()
    ours.faults.add("deny", operation="GetQueueAttributes")
    road._look()
    names = ("queue_messages", "queue_dead_letters")
    assert [len(own()[f"sagemaker_exporter_{name}"]) for name in names] == [3, 1]
    assert "not authorized" in road.state().trouble
    monkeypatch.setattr("exporter.road.LAST_GOOD", -1.0)  # it is over
    road._look()
    assert [len(own()[f"sagemaker_exporter_{name}"]) for name in names] == [0, 0]


def test_a_listener_that_can_not_say_whether_it_hears_blocks_nobody(ours, house):
    class Confused(Counting):
        def hears(self, told):
            return told.detail["name"] != "b" or 1 / 0

    one = house(listeners=[Confused()])
    for n, name in enumerate("abc"):
        ours.world.send(ours.queue, event(n, name), ours.now())
    one.start()
    wait_for(lambda: one.became("deleted") == 2)
    wait_for(lambda: one.became("left") == 1)
    assert one.counted() == {(HERE, "a"): 1.0, (HERE, "c"): 1.0}


def test_two_listeners_hear_the_same_and_a_message_waits_for_both(ours, house):
    other, fails = Counting(), [True]
    other.name = "job_events"

    def hear(target, told, known, now):
        if fails:
            raise ArithmeticError
        return Counting.hear(other, target, told, known, now)

    other.hear = hear
    one = house()
    one.road.listen([one.listener, other])
    ours.world.send(ours.queue, event(1), ours.now())
    one.start()
    wait_for(lambda: one.became("left") == 1)
    assert (one.total(), len(ours.queue.messages)) == (1.0, 1)
    fails.clear()
    ours.advance(queues.HELD)
    wait_for(lambda: one.became("deleted") == 1)
    assert one.total() == 2.0  # once by each
    assert not ours.queue.messages


def test_it_is_read_by_the_role_of_the_queue(ours, house):
    ours.world.add_role(ACCOUNT, Role("reader", external_id="secret"))
    ours.world.send(ours.queue, event(1), ours.now())
    one = house(role_arn=f"arn:aws:iam::{ACCOUNT}:role/reader", external_id="secret").start()
    wait_for(lambda: one.became("deleted") == 1)
    (actions,) = [used for who, used in ours.bill.actions.items() if ":assumed-role/reader/" in who]
    assert actions == {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}


def test_a_role_that_is_denied_takes_no_target_with_it(ours, house, monkeypatch):
    one = house(role_arn=f"arn:aws:iam::{ACCOUNT}:role/nobody").start()
    wait_for(lambda: "AssumeRole" in one.road.state().trouble)
    from exporter.config import Account

    ours.world.add_role(ACCOUNT, Role("exporter"))
    role = Account(role_arn=f"arn:aws:iam::{ACCOUNT}:role/exporter")
    assert one.aws.login(role, REGION) == HERE
    assert one.own("target_up") == {(ACCOUNT, REGION): 1.0}


def test_calls_are_counted_and_priced_and_wait_for_no_turn(ours, house):
    one = house()
    queue = Queue(one.aws, one.settings)
    for _ in range(30):
        queue.receive(0)
    assert one.own("aws_requests_total") == {(ACCOUNT, REGION, "sqs", "ReceiveMessage"): 30.0}
    (cost,) = one.own("aws_cost_usd_total").values()
    assert cost == pytest.approx(30 * 0.40 / 1e6) == pytest.approx(ours.bill.dollars)
    assert sum(one.own("aws_budget_wait_seconds_total").values()) < 0.1


def test_an_answer_that_is_no_message_is_none(ours, house, monkeypatch):
    from exporter.demo import fake as of_fake

    monkeypatch.setitem(of_fake._OPERATIONS, ("sqs", "ReceiveMessage"), lambda _: {"Messages": [{"Body": "a"}]})
    with pytest.raises(AwsError, match="unreadable answer") as caught:
        Queue(house().aws, House().settings).receive(0)
    assert caught.value.error_class == "transient"


def test_the_client_waits_longer_than_the_longest_poll():
    assert READ_TIMEOUT >= queues.WAIT + 10


def test_the_dead_letter_queue_that_can_not_be_seen_hides_nothing_else(ours, house):
    dead = f"arn:aws:sqs:{REGION}:{ACCOUNT}:gone"
    ours.queue.attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 3})
    one = house().start()
    wait_for(lambda: "NonExistentQueue" in one.road.state().trouble)
    assert one.own("queue_messages", ACCOUNT, REGION, "events")["visible",] == 0.0
    assert not one.own("queue_dead_letters")


def test_the_age_of_the_oldest_message_in_a_batch(ours, house):
    with ours.world.lock:
        ours.queue.send(event(1), ours.now() - 90)
        ours.queue.send(event(2), ours.now())
    one = house().start()
    wait_for(lambda: one.total() == 2)
    (age,) = one.own("queue_oldest_message_age_seconds").values()
    assert 89 < age < 150
    assert URL.endswith("/events")
