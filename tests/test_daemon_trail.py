"""The whole daemon reads files of a trail: those that its queue tells of, and those that it does not."""

from __future__ import annotations

import gzip
import json
import time

import pytest
from worlds import values, wait_for

from exporter.clock import SystemClock
from exporter.config import parse
from exporter.daemon import Daemon, Parts
from exporter.demo import FakeAws, World, access_key, serve
from exporter.demo.calls import record
from exporter.demo.identities import iam_user
from exporter.demo.resources import Role
from exporter.ledger.memory import MemoryStore

ACCOUNT, REGION, LOGS = "123456789012", "us-east-1", "210987654321"
TEXT = f"""
targets: [{{regions: [{REGION}]}}]
queues:
  trail: {{url: "https://sqs.{REGION}.amazonaws.com/{LOGS}/trail", role_arn: "arn:aws:iam::{LOGS}:role/reader"}}
sources:
  cloudwatch_metrics: {{enabled: false}}
  cloudwatch_alarms: {{enabled: false}}
  job_polling: {{enabled: false}}
  cloudtrail: {{from: s3, queue: trail, bucket: logs, prefix: org}}
web: {{listen_addresses: ["127.0.0.1:0"], zero_hold: 0s}}
"""


class Running:
    """A daemon in one account, and the account in which an organisation keeps its logs."""

    def __init__(self):
        self.fake = FakeAws(World(seed=1), time.time)
        self.world = self.fake.world
        self.server = serve(self.fake)
        self.queue = self.world.add_queue(LOGS, REGION, "trail")
        self.bucket = self.world.add_bucket(LOGS, REGION, "logs")
        self.world.add_role(LOGS, Role("reader"))
        self.number = 0

    def start(self):
        self.parts = Parts(parse(TEXT), SystemClock(), MemoryStore())
        self.daemon = Daemon(self.parts, lambda: parse(TEXT))
        self.daemon.start()

    def put(self, calls):
        """Put a file with so many calls into the bucket, all of them since counting began, whenever that is."""
        now, made = time.time(), []
        for n in range(calls):
            one = self.world.add_call(ACCOUNT, REGION, now + 30 + n % 30, "DeleteModel", who=iam_user(ACCOUNT, "ada"))
            made.append(record(one, ACCOUNT, REGION))
        self.number += 1
        name = f"{ACCOUNT}_CloudTrail_{REGION}_{time.strftime('%Y%m%dT%H%MZ', time.gmtime(now))}_{self.number:016d}"
        day = time.strftime("%Y/%m/%d", time.gmtime(now))
        key = f"org/AWSLogs/o-exampleorg/{ACCOUNT}/CloudTrail/{REGION}/{day}/{name}.json.gz"
        self.bucket.put(key, gzip.compress(json.dumps({"Records": made}).encode()), time.time())

    def shown(self):
        found = values(self.parts.ledger.snapshot(), "sagemaker_api_calls_total")
        return {labels[:2]: value for labels, value in found.items()}


@pytest.fixture
def running(monkeypatch):
    one = Running()
    monkeypatch.setenv("AWS_ENDPOINT_URL", one.server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key(ACCOUNT))
    yield one
    if not one.daemon._stopping.is_set():
        one.daemon.stop()
    one.server.close()


def test_what_was_there_is_found_and_what_comes_is_told(running):
    running.put(2500)  # of which nobody tells
    running.start()
    wait_for(lambda: running.shown() == {(ACCOUNT, REGION): 2500.0})
    running.world.announce(running.bucket, running.queue, time.time(), "eventbridge")  # under the account of the logs
    running.put(30)
    wait_for(lambda: running.shown() == {(ACCOUNT, REGION): 2530.0})
    wait_for(lambda: not running.queue.messages)
    began = time.monotonic()
    assert running.daemon.stop()
    assert time.monotonic() - began < 5.0
