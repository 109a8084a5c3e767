"""Jobs under kill -9, with events lost, repeated and late: a real daemon counts each end once; Prometheus sees it.

An hour or two of jobs pass in a minute (`--clock`). The truth is the fake's; what was counted is read from the ledger.
"""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from programs import ACCOUNT, REGION, Exporter, Past, wait_until

from exporter.demo import World
from exporter.demo.jobs import KINDS, life
from exporter.demo.rules import Road
from exporter.jobs import JOB_TYPES, spelled
from exporter.ledger.sqlite import SqliteStore
from exporter.model import HOUR, MINUTE

SPEED = 120
KILLS = 8
URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/events"
CONFIG = f"""
queues: {{events: {{url: "{URL}"}}}}
sources:
  cloudwatch_metrics: {{enabled: false}}
  cloudwatch_alarms: {{enabled: false}}
  job_polling: {{every: 30s}}
  job_events: {{enabled: true}}
web: {{zero_hold: 600s}}
limits: {{requests_per_second: {{ListTrainingJobs: 10}}}}
"""
CHANGES, DURATION = "sagemaker_job_state_changes_total", "sagemaker_job_duration_seconds"
TYPES = ("training", "processing", "transform", "hyperparameter_tuning", "labeling", "compilation", "automl")
BAD = Road(lost=0.3, repeated=0.2, redelivered=0.2, delay=20.0, late=0.2, latest=1200.0)


def totals(path):
    """Return what stands in a ledger: changes of state, and jobs whose duration was observed."""
    store = SqliteStore(path)
    try:
        found = {(key.face[0], key.labels[2:]): total.parts for key, total in store.load().totals}
    finally:
        store.close()
    changes = Counter({labels: int(parts[""]) for (family, labels), parts in found.items() if family == CHANGES})
    ends = Counter({labels: int(parts["count"]) for (family, labels), parts in found.items() if family == DURATION})
    return +changes, +ends


@pytest.mark.slow(90)
def test_killed_at_any_instant_each_end_of_a_job_counts_once(aws, started, tmp_path):
    past, luck = Past(SPEED), random.Random(11)
    world = World(seed=3, repeated=0)
    fake, url = aws(world, past)
    world.route(world.add_queue(ACCOUNT, REGION, "events"), past(), BAD)
    config = CONFIG + f"ledger: {{path: {tmp_path}/ledger.db}}\n"
    daemon = started(Exporter(tmp_path, url, config=config, flags=[f"--clock={SPEED}"])).up()
    wait_until(lambda: daemon.shows(CHANGES), what="the first look at jobs")
    now = fake.now()
    for n in range(150):
        kind = luck.choice(TYPES)
        lives = life(kind, luck.choice([None, *KINDS[kind].ended]), luck.choice([5.0, 60.0, 900.0, 2400.0]), waits=10)
        world.add_job(ACCOUNT, REGION, kind, f"job-{n:03d}", now + luck.uniform(MINUTE, HOUR), lives=lives)
    for _ in range(KILLS):
        time.sleep(luck.uniform(1.0, 5.0))
        daemon.kill()
        daemon.start()
    end = now + 3 * HOUR
    wait_until(lambda: fake.now() > end, 120, "the end of all jobs")
    expected, firsts = Counter(), Counter()
    for change in world.job_changes(ACCOUNT, REGION, now, fake.now()):
        kind = JOB_TYPES[change.job.kind.name]
        status = spelled(kind, change.job.state(change.at).status)
        if change.job.ended() == change.at:
            expected[kind.name, status] += 1
        if change.at == change.job.created:
            firsts[kind.name, status] += 1
    assert expected.total() > 80

    def shown():
        found = {labels[2:]: value for labels, value in of_page(daemon, CHANGES).items()}
        return all(found.get(key) == number for key, number in expected.items())

    wait_until(shown, 90, "every end on the page")
    code, _ = daemon.stop()
    assert code == 0
    assert "Traceback" not in daemon.said
    changes, ends = totals(tmp_path / "ledger.db")
    over = {name: {spelled(kind, one) for one in kind.ended} for name, kind in JOB_TYPES.items()}
    assert Counter({key: n for key, n in changes.items() if key[1] in over[key[0]]}) == expected
    assert ends == expected
    assert not firsts - changes


def of_page(daemon, family):
    """Return the values of a family by the values of their labels, in the order of the page."""
    return {tuple(labels_of(series)): value for series, value in daemon.shows(family).items()}


def labels_of(series):
    return [part.partition('="')[2].rstrip('"}') for part in series.partition("{")[2].split(",")]


@pytest.mark.slow(10)
def test_prometheus_sees_the_first_failure_of_a_job(aws, started, prometheus, tmp_path):
    past = Past(SPEED)
    world = World(seed=3, repeated=0)
    fake, url = aws(world, past)
    world.route(world.add_queue(ACCOUNT, REGION, "events"), past())
    config = CONFIG + f"ledger: {{path: {tmp_path}/ledger.db}}\n"
    daemon = started(Exporter(tmp_path, url, config=config, flags=[f"--clock={SPEED}"])).up()
    server = prometheus(daemon.port, 1)
    failures = 'sagemaker_job_failures_total{job_type="training",reason="algorithm_error"}'
    wait_until(lambda: len(next(iter(server.samples(failures).values()), ())) >= 2, what="two scrapes of 0")
    assert set(server.values(failures).values()) == {0.0}
    lives = life("training", "Failed", 60.0, 10.0, text="AlgorithmError: framework error, exit code: 1")
    world.add_job(ACCOUNT, REGION, "training", "churn", fake.now() + 30, lives=lives)
    wait_until(lambda: any(server.values(f"increase({failures}[1m]) > 0").values()), what="the first failure ever")
    changes = 'sagemaker_job_state_changes_total{job_type="training",status="Failed"}'
    assert any(server.values(f"increase({changes}[1m]) > 0").values())
