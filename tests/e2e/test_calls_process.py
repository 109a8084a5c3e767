"""API calls under kill -9, by each road and by all: a daemon counts each once, whatever is lost, repeated and late.

Hours of calls pass in a minute (`--clock`). The truth is the fake's; what was counted is read from the ledger.
"""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from programs import ACCOUNT, REGION, Exporter, Past, wait_until

from exporter.demo import World
from exporter.demo.calls import Delay, Delays
from exporter.demo.identities import assumed_role, iam_user
from exporter.demo.rules import Road
from exporter.ledger.sqlite import SqliteStore
from exporter.model import HOUR

SPEED = 120
KILLS = 4
URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}"
CONFIG = f"""
queues: {{events: {{url: "{URL}/events"}}, trail: {{url: "{URL}/trail"}}}}
sources:
  cloudwatch_metrics: {{enabled: false}}
  cloudwatch_alarms: {{enabled: false}}
  job_polling: {{enabled: false}}
  cloudtrail: %s
web: {{zero_hold: 600s}}
limits: {{requests_per_second: {{LookupEvents: 2}}}}
"""
FILES = "{from: s3, queue: trail, bucket: logs}"
CALLS = "sagemaker_api_calls_total"
NAMES = ("CreateTrainingJob", "DeleteEndpoint", "DescribeEndpoint", "ListModels", "UpdateDomain")
BAD = Road(lost=0.3, repeated=0.2, redelivered=0.2, delay=20.0, late=0.2, latest=1200.0)
LATE = Delays(*(Delay((20.0, 400.0), late=0.2, latest=900.0, again=0.1),) * 3)


def totals(path):
    """Return what stands in a ledger: calls by the values of their labels."""
    store = SqliteStore(path)
    try:
        found = {key.labels[2:]: int(total.parts[""]) for key, total in store.load().totals if key.face[0] == CALLS}
    finally:
        store.close()
    return +Counter(found)


@pytest.mark.slow(50)
@pytest.mark.parametrize("roads", [f"[{{every: 60s}}, {{from: queue}}, {FILES}]", FILES], ids=["all", "files"])
def test_killed_at_any_instant_each_call_counts_once(aws, started, tmp_path, roads):
    past, luck = Past(SPEED), random.Random(5)
    world = World(seed=3, repeated=0, call_delays=LATE)
    fake, url = aws(world, past)
    world.route(world.add_queue(ACCOUNT, REGION, "events"), past(), BAD, changes=False, calls="write")
    bucket = world.add_bucket(ACCOUNT, REGION, "logs", readers={ACCOUNT})
    world.add_trail(bucket, past(), [(ACCOUNT, REGION)])
    world.announce(bucket, world.add_queue(ACCOUNT, REGION, "trail"), past(), lost=0.3, repeated=0.2)
    config = CONFIG % roads + f"ledger: {{path: {tmp_path}/ledger.db}}\n"
    daemon = started(Exporter(tmp_path, url, config=config, flags=[f"--clock={SPEED}"])).up()
    wait_until(lambda: daemon.shows("sagemaker_api_calls_by_origin_total"), what="the first look at calls")
    now = fake.now()
    who = iam_user(ACCOUNT, "ada"), assumed_role(ACCOUNT, "pipelines", "run")
    for _ in range(1000):
        error = luck.choice([None, None, None, ("AccessDenied", "no")])
        at = now + luck.uniform(60, HOUR / 2)
        world.add_call(ACCOUNT, REGION, at, luck.choice(NAMES), who=luck.choice(who), error=error)
    for _ in range(KILLS):
        time.sleep(luck.uniform(1.0, 6.0))
        daemon.kill()
        daemon.start()
    expected = Counter()
    for one in world.region(ACCOUNT, REGION).calls.between(now, now + 2 * HOUR):
        if one.source == "sagemaker.amazonaws.com" and "sagemaker-exporter" not in one.who.agent:
            read_only = "true" if one.name.startswith(("Describe", "List")) else "false"
            kind = "access_denied" if one.error else "none"
            expected[one.source, one.name, kind, one.who.record["type"], read_only] += 1
    assert expected.total() == 1000
    wait_until(lambda: sum(daemon.shows(CALLS).values()) == 1000, 120, "every call on the page")
    code, _ = daemon.stop()
    assert code == 0
    assert "Traceback" not in daemon.said
    assert totals(tmp_path / "ledger.db") == expected
