"""A real daemon that reads a queue: killed between the commit and the deletion, it counts nothing twice."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from listening import FAMILY, URL, event
from programs import ACCOUNT, COMMAND, REGION, Exporter, wait_until

from exporter.demo import World
from exporter.demo import fake as of_fake
from exporter.demo.call import AwsError
from exporter.ledger.sqlite import SqliteStore

KILLS = 4
HELD = 60  # seconds for which the exporter hides what it receives
CONFIG = f"""
targets: [{{regions: [{REGION}]}}]
queues: {{events: {{url: "{URL}"}}}}
sources: {{cloudwatch_metrics: {{enabled: false}}, cloudwatch_alarms: {{enabled: false}},
  job_polling: {{enabled: false}}}}
web: {{zero_hold: 0s}}
"""


@pytest.fixture
def daemon(started, aws, tmp_path):
    """Return what starts the exporter with a listener, and the fake that it talks to."""
    world = World(seed=5)
    fake, url = aws(world, time.time)
    config = CONFIG + f"ledger: {{path: {tmp_path}/ledger.db}}\n"
    program = Exporter(tmp_path, url, config=config)
    heard = Path(__file__).with_name("heard.py")
    program.arguments = [sys.executable, str(heard), *program.arguments[1:]]
    assert str(COMMAND) not in program.arguments
    return program, fake, lambda: started(program).up()


def counted(path):
    store = SqliteStore(path)
    try:
        return {key.labels: total.parts[""] for key, total in store.load().totals if key.face[0] == FAMILY}
    finally:
        store.close()


def test_a_kill_between_commit_and_deletion_counts_nothing_twice(daemon, monkeypatch, tmp_path):
    program, fake, start = daemon
    queue = fake.world.add_queue(ACCOUNT, REGION, "events")
    with fake.world.lock:
        for n in range(300):
            queue.send(event(n, f"alarm-{n % 7}"), fake.now())
    delete, kills = of_fake._OPERATIONS["sqs", "DeleteMessageBatch"], []

    def deadly(call):
        if program.runs:  # or this came from the one that was just killed: it deletes several batches at once
            if len(kills) == KILLS:
                return delete(call)
            kills.append(call)
            program.kill()
        raise AwsError("InternalFailure", "the caller is dead", 500)

    monkeypatch.setitem(of_fake._OPERATIONS, ("sqs", "DeleteMessageBatch"), deadly)
    start()
    for n in range(KILLS):
        wait_until(lambda: not program.runs, what="a kill")
        assert sum(counted(tmp_path / "ledger.db").values()) >= 10, "it died after a commit"
        assert len(queue.messages) == 300, "and before any deletion"
        fake.advance(HELD + 1)
        program.start()
        wait_until(lambda n=n: len(kills) > n + 1 or len(kills) == KILLS, what="another deletion")
    wait_until(lambda: not queue.messages, what="an empty queue")
    labels = (ACCOUNT, REGION)
    expected = {(*labels, f"alarm-{k}", "ALARM"): float(len(range(k, 300, 7))) for k in range(7)}

    def shown():
        found = program.shows(FAMILY)
        return sum(found.values()) == 300

    wait_until(shown, what="all of them on the page")
    code, _ = program.stop()
    assert code == 0
    assert counted(tmp_path / "ledger.db") == expected
    assert "Traceback" not in program.said


def test_a_daemon_that_waits_for_messages_stops_at_once(daemon):
    program, fake, start = daemon
    fake.world.add_queue(ACCOUNT, REGION, "events")
    start()
    wait_until(lambda: fake.bill.requests["sqs.ReceiveMessage"] and program.answers("/-/ready"), what="a poll")
    code, took = program.stop()
    assert code == 0
    assert took < 5.0  # a poll takes 20 s; 2 s are what it should be, on a machine that does nothing else
    assert "stopping" in program.said
    assert "WARNING" not in program.said.upper().split("STOPPING")[1]
