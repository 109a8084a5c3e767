"""The daemon reads the queues that are configured, for those who listen, and lets go of them by a reload."""

from __future__ import annotations

import re
import threading
import time

import pytest
from listening import ACCOUNT, REGION, URL, Counting, event
from worlds import wait_for

from exporter import daemon as of_daemon
from exporter.clock import SystemClock
from exporter.config import parse
from exporter.daemon import Daemon, Parts
from exporter.demo import FakeAws, World, access_key, serve
from exporter.ledger.memory import MemoryStore
from exporter.model import Target

TEXT = f"""
targets: [{{regions: [{REGION}]}}]
sources:
  cloudwatch_metrics: {{enabled: false}}
  cloudwatch_alarms: {{enabled: false}}
  job_polling: {{enabled: false}}
web: {{listen_addresses: ["127.0.0.1:0"]}}
"""
EVENTS = f'events: {{url: "{URL}"}}'
OTHER = f'other: {{url: "{URL}-2"}}'


class Running:
    """A whole daemon, and the queues that it may read."""

    def __init__(self, text):
        self.fake = FakeAws(World(seed=1), time.time)
        self.server = serve(self.fake)
        self.queue = self.fake.world.add_queue(ACCOUNT, REGION, "events")
        self.other = self.fake.world.add_queue(ACCOUNT, REGION, "events-2")
        self.text = text
        self.heard = {"events": Counting(), "other": Counting()}
        self.daemon = None

    def start(self):
        self.parts = Parts(parse(self.text), SystemClock(), MemoryStore())
        self.daemon = Daemon(self.parts, lambda: parse(self.text))
        self.daemon.start()

    def send(self, queue, *names):
        for name in names:
            self.fake.world.send(queue, event(f"{queue.name} {name}", name), self.fake.now())

    def total(self):
        return sum(total.parts[""] for total in self.parts.ledger._books.totals.values())

    def own(self, name):
        return self.parts.tally.told().get(f"sagemaker_exporter_{name}", {})

    def page(self):
        return self.daemon._site.status().decode()


@pytest.fixture
def running(monkeypatch):
    made = []

    def start(text, *queues):
        one = Running(text)
        made.append(one)
        monkeypatch.setenv("AWS_ENDPOINT_URL", one.server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key(ACCOUNT))
        pairs = [(one.heard[queue], queue) for queue in queues]
        monkeypatch.setattr(of_daemon, "_listeners", lambda config, *_: [p for p in pairs if p[1] in config.queues])
        one.start()
        return one

    yield start
    for one in made:
        if not one.daemon._stopping.is_set():
            one.daemon.stop()
        one.server.close()


def test_what_comes_is_counted_and_a_stop_waits_for_no_poll(running):
    one = running(f"{TEXT}queues: {{{EVENTS}}}", "events")
    one.send(one.queue, "a", "b", "a")
    wait_for(lambda: one.own("queue_received_total").get((ACCOUNT, REGION, "events", "deleted")) == 3.0)
    assert one.total() == 2.0  # two of them are one
    assert one.own("events_total")[ACCOUNT, REGION, "cloudwatch_alarms", "too_old"] == 0.0  # born with the target
    assert "cloudwatch_alarms" in one.page()
    one.send(one.queue, "c")
    wait_for(lambda: one.total() == 3.0)
    began = time.monotonic()
    assert one.daemon.stop()
    assert time.monotonic() - began < 2.0


def test_listeners_know_which_targets_nobody_reads(running):
    one = running(f'{TEXT}queues: {{events: {{url: "{URL}", accounts: all}}}}', "events")
    far = Target("999999999999", REGION)
    for account in (ACCOUNT, far.account_id):
        one.fake.world.send(one.queue, event(account, account=account), one.fake.now())
    wait_for(lambda: one.total() == 2.0)
    assert one.heard["events"].met == [far]


def test_nobody_waits_for_what_may_never_be_heard(running):
    """Else a limit of series would keep room for it, and all others would have less."""
    one = running(f"{TEXT}queues: {{{EVENTS}}}", "events")
    wait_for(lambda: any(source == "cloudwatch_alarms" for _, source in one.parts.admission._asked))
    wait_for(lambda: None not in one.parts.admission._asked.values())


def test_what_is_in_flight_at_the_stop_is_committed_and_deleted(running):
    one = running(f"{TEXT}queues: {{{EVENTS}}}", "events")
    (_, road), heard, go_on = one.daemon._roads["events"], threading.Event(), threading.Event()

    def hear(target, told, *more):
        if told:  # and not the greeting
            heard.set()
            assert go_on.wait(30)
        return Counting.hear(one.heard["events"], target, told, *more)

    one.heard["events"].hear = hear
    one.send(one.queue, "a")
    wait_for(heard.is_set)
    stop = threading.Thread(target=one.daemon.stop)
    stop.start()
    wait_for(lambda: road._stopping.is_set() or one.parts.aws.stopping.is_set())
    go_on.set()
    stop.join(30)
    assert one.total() == 1.0
    assert not one.queue.messages


def test_queues_come_and_go_with_a_reload(running):
    one = running(f"{TEXT}queues: {{{EVENTS}}}", "events", "other")
    one.send(one.queue, "a")
    wait_for(lambda: one.total() == 1.0)
    _, road = one.daemon._roads["events"]

    one.text = f"{TEXT}queues: {{{EVENTS}, {OTHER}}}"
    assert one.daemon.reload() is None
    assert one.daemon._roads["events"][1] is road  # it goes on
    one.send(one.other, "b")
    wait_for(lambda: one.total() == 2.0)

    one.text = f"{TEXT}queues: {{{OTHER}}}"
    assert one.daemon.reload() is None
    assert list(one.daemon._roads) == ["other"]
    assert {labels[2] for labels in one.own("queue_received_total")} == {"other"}
    one.send(one.other, "c")
    wait_for(lambda: one.total() == 3.0)
    one.send(one.queue, "d")  # the last poll of the road that was ended brings it, and gives it back
    wait_for(lambda: [message.received for message in one.queue.messages.values()] == [1])
    wait_for(lambda: all(message.visible <= one.fake.now() for message in one.queue.messages.values()))

    one.text = f"{TEXT}queues: {{{EVENTS}}}"
    assert one.daemon.reload() is None
    wait_for(lambda: one.total() == 4.0)


def test_a_queue_that_nobody_hears_is_looked_at_and_left(running):
    one = running(f"{TEXT}queues: {{{EVENTS}}}")
    one.send(one.queue, "a")
    wait_for(lambda: (ACCOUNT, REGION, "events", "visible") in one.own("queue_messages"))
    page = one.page()
    assert "queue events: no source that is enabled reads it, nothing is received" in page
    assert re.search(r"events <small>.*?not read.*?never", page)
    assert one.fake.bill.requests["sqs.ReceiveMessage"] == 0
    assert len(one.queue.messages) == 1


def test_nothing_is_received_while_it_is_not_known_who_the_ambient_account_is(running):
    one = running(f"{TEXT}queues: {{{EVENTS}}}", "events")
    assert one.daemon._meant() is None or one.daemon._targets
    wait_for(one.daemon._meant)
    with one.daemon._lock:
        (login,) = one.daemon._logins
        one.daemon._waiting[login] = None
        assert one.daemon._meant() is None
        del one.daemon._waiting[login]
