"""What a real Prometheus stores and computes, over restarts of the daemon and an outage of AWS.

Simulated minutes pass in seconds. The first 0 of a counter stands for `web.zero_hold` seconds of the daemon's clock:
600 s of it are 5 s here, four scrapes or so.
"""

from __future__ import annotations

import json
import math
import random

import pytest
from oracle import COUNTER_NAMES, labels_of, truth
from programs import ACCOUNT, REGION, Exporter, Past, ask, wait_until
from small_world import ENDPOINT, FAILURES, INVOCATIONS, PIPELINE, UNFORESEEN, one_endpoint

from exporter.model import MINUTE

SPEED = 120
SCRAPES = 1  # seconds between two
CONFIG = """
sources:
  cloudwatch_metrics: {every: 30s, settle: 5m, deep_settle: 20m, max_age: 8m, pace: {warm: 1m, cold: 5m}}
  inventory: {every: 30s, list_metrics_every: 2m}
  job_polling: {enabled: false}
web: {zero_hold: 600s}
"""
FINAL = 10 * MINUTE  # what `Traffic` publishes is seen as it will stay so long after its minute
EVERYTHING = '{__name__=~"' + "|".join(sorted(COUNTER_NAMES)) + '"}'


class Traffic:
    """Puts requests into the world, minute by minute: some late, some corrected upwards."""

    def __init__(self, fake, luck):
        self._fake = fake
        self._luck = luck
        self.newest = 0.0

    def requests(self, minutes, late=True):
        """Let the next minutes be busy."""
        begin = max(self._fake.now(), self.newest) // MINUTE * MINUTE + MINUTE
        for minute in range(minutes):
            at, count = begin + minute * MINUTE, self._luck.randrange(20, 200)
            seen = at + MINUTE + (self._luck.choice((5, 30, 200, 400)) if late else 5)
            self._put("AWS/SageMaker", "Invocations", ENDPOINT, at, float(count), seen, count)
            self._put("AWS/SageMaker", "ModelLatency", ENDPOINT, at, [float(self._luck.randrange(10**5))] * 9, seen)
            if late and minute % 3 == 0:
                more = count + self._luck.randrange(1, 20)
                self._put("AWS/SageMaker", "Invocations", ENDPOINT, at, float(more), at + FINAL - MINUTE, more)
        self.newest = begin + minutes * MINUTE
        return self.newest

    def once(self, namespace, metric, dimensions, value=1.0):
        """Let something happen once, in the minute that has just ended."""
        at = self._fake.now() // MINUTE * MINUTE - MINUTE
        self._put(namespace, metric, dimensions, at, value, at + MINUTE, value)

    def _put(self, namespace, metric, dimensions, at, value, seen, count=1):
        self._fake.world.put(ACCOUNT, REGION, namespace, metric, dimensions, at, value, seen, count)


def as_stored(series):
    """Return the labels of a series of a page as Prometheus keeps them."""
    return tuple(sorted({"__name__": series.partition("{")[0], **labels_of(series)}.items()))


def close(value, other):
    return math.isclose(value, other, rel_tol=1e-9)


@pytest.mark.slow(50)
def test_prometheus_sees_every_request_once(aws, started, prometheus, tmp_path):
    past = Past(SPEED)
    world = one_endpoint(past.origin, listed_after=(60, 120))
    fake, url = aws(world, past)
    traffic = Traffic(fake, random.Random(5))
    config = CONFIG + f"ledger: {{path: {tmp_path}/ledger.db}}\n"
    daemon = started(Exporter(tmp_path, url, config=config, flags=[f"--clock={SPEED}"])).up()
    server = prometheus(daemon.port, SCRAPES)

    def newest(name):
        return max(server.values(name).values(), default=0.0)

    def requests():
        return world.truth(ACCOUNT, REGION, "AWS/SageMaker", "Invocations", ENDPOINT, "Sum", 0, math.inf)

    def passed(moment):
        wait_until(lambda: fake.now() > moment, 90, "a moment of the simulated day")

    # A counter that is foreseen stands at 0 before anything happens; the first failure ever is an increase.
    wait_until(lambda: len(next(iter(server.samples(FAILURES).values()), ())) >= 2, what="two scrapes of 0")
    traffic.requests(5)
    traffic.once("AWS/SageMaker", "Invocation5XXErrors", ENDPOINT)
    wait_until(lambda: newest(f"increase({FAILURES}[5m])") > 0, what="the first 5xx ever")
    # So is the first of what nobody could foresee, whose 0 comes with it.
    traffic.once("AWS/Sagemaker/ModelBuildingPipeline", "ExecutionFailed", PIPELINE, 3.0)
    wait_until(lambda: newest(f"increase({UNFORESEEN}[5m])") > 0, what="the first failure of a pipeline")
    wait_until(lambda: newest(INVOCATIONS) > 0, what="counted requests")

    # Restarts: one that is asked for, one that is not.
    traffic.requests(5)
    assert daemon.stop()[0] == 0
    daemon.start()
    wait_until(lambda: newest(INVOCATIONS) > 0, what="counters after a restart")
    traffic.requests(5)
    daemon.kill()
    daemon.start()
    wait_until(lambda: newest(INVOCATIONS) > 0, what="counters after a crash")
    passed(traffic.newest + FINAL)

    # An outage: the series leave, they are never frozen; the missed requests are added in one step.
    before = requests()
    wait_until(lambda: newest(INVOCATIONS) == before, what="the final value before the outage")
    fake.faults.add("http_503")
    traffic.requests(4, late=False)
    wait_until(lambda: not server.query(INVOCATIONS), what="the end of a series that cannot be read")
    wait_until(lambda: set(server.values("sagemaker_exporter_source_up").values()) == {0.0}, what="the bad news")
    assert newest("up") == 1
    passed(traffic.newest + MINUTE)
    missed = requests()
    assert missed > before
    fake.faults.clear()
    wait_until(lambda: server.query(INVOCATIONS), what="the return of the series")
    wait_until(lambda: set(server.values("sagemaker_exporter_source_up").values()) == {1.0}, what="whole runs again")
    (of_churn,) = server.samples(INVOCATIONS).values()
    steps = [value for _, value in of_churn if value >= before]
    assert set(steps) == {before, missed}, "more than one step"

    # At rest: what Prometheus has stored is the truth, and its functions say so.
    traffic.requests(3)
    passed(traffic.newest + FINAL)
    expected = {as_stored(series): value for series, value in truth(world, ACCOUNT, REGION).items()}

    def stored():
        samples = server.samples(EVERYTHING)
        arrived = (series in samples and close(samples[series][-1][1], value) for series, value in expected.items())
        return all(arrived) and samples

    samples = wait_until(stored, what="the final sums in Prometheus")
    assert len(samples) == 7, "four foreseen, sum and count of the latency, one unforeseen"
    for series, values in samples.items():
        name, total = dict(series)["__name__"], expected.get(series, 0.0)
        assert values[0][1] == 0.0, f"{series} began above 0"
        assert close(values[-1][1] - values[0][1], total), series
        assert set(server.values(f"resets({name}[30m])").values()) == {0.0}, name
        increased = server.values(f"increase({name}[30m])")[tuple(pair for pair in series if pair[0] != "__name__")]
        assert abs(increased - total) <= total / (len(values) - 1) * (1 + 1e-6), f"{series}: one interval's share"

    (target,) = json.loads(ask(server.port, "/api/v1/targets").body)["data"]["activeTargets"]
    assert target["lastError"] == ""
