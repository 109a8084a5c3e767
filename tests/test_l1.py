"""Law L1, proved: whatever happens, no shown value falls, and at rest every total is CloudWatch's final sum.

A state machine drives the whole street against the fake AWS: the SDK, the door, the inventory, the source, the ledger.
What is expected comes from the fake's truth alone. An oracle computes, from a log of scrapes and nothing else, what
PromQL's increase() would see.
"""

from __future__ import annotations

import copy
import math
import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from street import ACCOUNT, REGION, Street
from worlds import T0, examples

from exporter import aws
from exporter.catalogue import CATALOGUE
from exporter.demo import World
from exporter.demo.resources import EndpointConfig, Variant
from exporter.ledger.memory import MemoryStore
from exporter.model import BLOCK, DAY, HOUR, MINUTE

DEEP = 3 * HOUR
BEGIN = T0 + MINUTE  # the current period of AWS's first answer: the first cycle is a minute after T0


@dataclass
class Line:
    """A series of CloudWatch, and what is expected of the counter that shows it."""

    family: str
    part: str
    labels: tuple[str, ...]
    namespace: str
    metric: str
    dimensions: dict[str, str]
    stat: str = "Sum"
    scale: float = 1.0
    prompt: bool = False  # not seeded: its first data must not come later than a listing could tell
    frozen: float = 0.0  # counted while it was last switched on
    counted_from: float = -math.inf
    on: bool = True
    minutes: dict[int, float] = field(default_factory=dict)

    def truth(self, world):
        """What CloudWatch will say in the end of all that counts."""
        begin = max(self.counted_from, 0)
        return self.frozen + world.truth(
            ACCOUNT, REGION, self.namespace, self.metric, self.dimensions, self.stat, begin, math.inf
        )


VARIANT = {"EndpointName": "churn", "VariantName": "main"}
ENDPOINT = (ACCOUNT, REGION, "churn", "main")
PIPELINE = "AWS/Sagemaker/ModelBuildingPipeline"


def lines():
    endpoint, latency = "sagemaker_endpoint_", "sagemaker_endpoint_model_latency_seconds"
    at_variant = (ENDPOINT, "AWS/SageMaker")
    return [
        Line(endpoint + "invocations_total", "", *at_variant, "Invocations", VARIANT),
        Line(endpoint + "invocation_5xx_errors_total", "", *at_variant, "Invocation5XXErrors", VARIANT),
        Line(endpoint + "mid_stream_errors_total", "", *at_variant, "MidStreamErrors", VARIANT, prompt=True),
        Line(latency, "sum", *at_variant, "ModelLatency", VARIANT, scale=1e-6, prompt=True),
        Line(latency, "count", *at_variant, "ModelLatency", VARIANT, "SampleCount", prompt=True),
        Line(
            "sagemaker_pipeline_execution_failed_total",
            "",
            (ACCOUNT, REGION, "nightly"),
            PIPELINE,
            "ExecutionFailed",
            {"PipelineName": "nightly"},
            prompt=True,
        ),
        Line(
            "sagemaker_labeling_job_failed_total",
            "",
            (ACCOUNT, REGION),
            "AWS/SageMaker/LabelingJobs",
            "JobsFailed",
            {},
            prompt=True,
        ),
    ]


def only(families, every="60s", extra=()):
    """A configuration in which nothing but these families is asked."""
    others = [name for name, row in CATALOGUE.items() if row.ask and row.on and name not in families]
    off = ", ".join([*others, *extra])
    return f"sources: {{cloudwatch_metrics: {{every: {every}}}}}\nfamilies: {{exclude: [{off}]}}\n"


FAMILIES = {line.family for line in lines()}


class Crash(BaseException):
    """The power goes."""


class CrashingStore(MemoryStore):
    """A store that the power fails before or after a commit."""

    crash: str | None = None

    def commit(self, changes):
        when, self.crash = self.crash, None
        if when == "before":
            raise Crash
        super().commit(changes)
        if when == "after":
            raise Crash

    def copy(self):
        twin = copy.copy(self)
        twin._meters, twin._totals = dict(self._meters), dict(self._totals)
        twin._identities = {source: dict(known) for source, known in self._identities.items()}
        twin._notes = {owner: dict(notes) for owner, notes in self._notes.items()}
        return twin


class Scrapes:
    """What a Prometheus would have stored: the value of each series at each scrape, None where it was absent."""

    def __init__(self):
        self.log: dict[tuple, list[float]] = {}

    def take(self, snapshot, families):
        for (family, _), chunk in snapshot.chunks.items():
            if family in families:
                for part in chunk.columns:
                    if part in {"", "sum", "count"}:
                        for labels, value in zip(chunk.labels, chunk.columns[part], strict=True):
                            if value is not None:
                                self.log.setdefault((family, part, labels), []).append(value)

    def increase(self, key):
        """PromQL's increase over everything, without extrapolation: a fall is a reset, a first value is no increase."""
        values = self.log.get(key, [0.0])
        return sum(after - before if after >= before else after for before, after in pairwise(values))


class CounterLaw(RuleBasedStateMachine):
    """See the module."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed):
        self.luck = random.Random(seed)
        self.world = World(seed=1)
        config = EndpointConfig("churn-config", T0 - DAY, (Variant("main"),))
        self.world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY, config=config)
        self.lines = lines()
        self.text = only(FAMILIES)
        self.street = Street(self.world, text=self.text, store=CrashingStore())
        self.scrapes = Scrapes()
        self.highest: dict[tuple, float] = {}
        self.backup = None
        self.restored = False
        self.exists = True
        self.scrape_in = 0.0
        self.cycles(3)

    # -- what the world does ---------------------------------------------------------------------------------------

    @rule(
        which=st.integers(0, 6),
        back=st.integers(1, 5),
        value=st.integers(1, 1000),
        late=st.sampled_from([0, 60, 240, 480, 3000, 10_000]),
        revised=st.sampled_from([None, None, 0.0, 0.5, 2.0]),
    )
    def traffic(self, which, back, value, late, revised):
        self.put(self.lines[which], self.street.true.time - back * MINUTE, value, late, revised)

    def put(self, line, at, value, late=0, revised=None):
        """Publish a datapoint of a minute, once: late, and maybe revised up or down, but never after `deep_settle`."""
        minute = int(at) // MINUTE * MINUTE
        twins = [other for other in self.lines if other.metric == line.metric and other.dimensions == line.dimensions]
        if minute in line.minutes or minute < BEGIN:
            return
        late = min(late, 300) if line.prompt and not line.minutes else late
        end = minute + MINUTE
        for twin in twins:
            twin.minutes[minute] = value
        spot = (ACCOUNT, REGION, line.namespace, line.metric, line.dimensions, minute)
        count = max(1, value % 7)
        self.world.put(*spot, float(value), end + late, count)
        if revised is not None:
            self.world.put(*spot, float(value * revised), min(end + late + 900, end + DEEP - 60), count)

    @rule(seconds=st.sampled_from([10, 60, 60, 60, 300, 900, 3700]), times=st.integers(1, 6))
    def cycles(self, times=1, seconds=60):
        """Let time pass and the daemon run, scraped every minute or so."""
        for _ in range(times):
            if self.luck.random() < 0.3:
                self.put(self.luck.choice(self.lines), self.street.true.time - 90, self.luck.randrange(1, 50))
            try:
                snapshot = self.street.cycle(seconds)
            except Crash:
                self.start_again()
                continue
            self.look(snapshot)

    @rule()
    def delist(self):
        """Take series off ListMetrics that are known: what was never listed can't be known."""
        line = self.luck.choice(self.lines)
        twins = [other for other in self.lines if other.dimensions == line.dimensions]
        if line.dimensions and all(self.known(twin) for twin in twins):
            self.world.hide(ACCOUNT, REGION, line.dimensions)

    @rule()
    def relist(self):
        for line in self.lines:
            self.world.hide(ACCOUNT, REGION, line.dimensions, hidden=False)

    @rule()
    def delete_endpoint(self):
        if self.exists:
            self.world.delete_endpoint(ACCOUNT, REGION, "churn", self.street.true.time)
            self.exists = False

    @rule(period=st.sampled_from([60, 10, 300]))
    def create_endpoint(self, period):
        if not self.exists:
            config = EndpointConfig("churn-again", self.street.true.time, (Variant("main"),), publish_period=period)
            self.world.add_endpoint(ACCOUNT, REGION, "churn", self.street.true.time, config=config)
            self.exists = True

    @rule(period=st.sampled_from([60, 10, 300]))
    def change_period(self, period):
        if self.exists:
            self.world.change_period(ACCOUNT, REGION, "churn", self.street.true.time, period)

    # -- what goes wrong -------------------------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from(
            [
                "short",
                "partial",
                "internal_error",
                "forbidden",
                "message",
                "throttle",
                "http_500",
                "deny",
                "truncated",
                "empty",
                "garbage",
                "reset",
            ]
        ),
        operation=st.sampled_from(["GetMetricData", "GetMetricData", "ListMetrics", "ListEndpoints"]),
        every=st.sampled_from([1, 2, 3, 7]),
        metric=st.sampled_from([None, None, "Invocations", "Invocation5XXErrors"]),
        times=st.integers(1, 8),
    )
    def fault(self, kind, operation, every, metric, times):
        named = {"metric": metric} if operation == "GetMetricData" and metric else {}
        self.street.fake.faults.add(kind, operation=operation, every=every, **named)
        self.cycles(times)
        self.street.fake.faults.clear()

    @rule(when=st.sampled_from(["before", "after"]))
    def kill_at_commit(self, when):
        self.street.store.crash = when
        self.cycles()

    @rule(minutes=st.integers(0, 30))
    def kill(self, minutes):
        self.street.kill()
        self.street.true.forward(minutes * MINUTE)
        self.street.start()
        self.cycles()

    @rule()
    def back_up(self):
        self.backup = (self.street.store.copy(), self.street.true.time)

    @precondition(lambda self: self.backup and self.street.true.time < self.backup[1] + 12 * DAY)  # or AWS forgets
    @precondition(lambda self: all(line.on and not line.frozen for line in self.lines))
    @rule()
    def restore(self):
        """Put an older ledger in place: what stood ahead may fall, what is younger than it begins anew."""
        store, _ = self.backup
        self.relist()
        self.street.kill()
        self.street.store = store.copy()
        self.street.start()
        self.restored = True
        self.highest.clear()
        self.cycles()

    @rule(hours=st.sampled_from([1, 6, 30, 400, 1440]), points=st.integers(0, 12), running=st.booleans())
    def outage(self, hours, points, running):
        """Nothing can be read for up to 60 days, while the world goes on; the daemon is down, or AWS is."""
        if hours > 300 and self.street.true.time < T0 + 5 * HOUR:
            self.cycles(20, 900)  # the block in which counting began can't be told apart after 15 days: see windows.py
        if running:
            self.street.fake.faults.add("http_503", service="cloudwatch")
            self.cycles()
        else:
            self.street.kill()
        end = self.street.true.time + hours * HOUR
        busy = [self.luck.choice(self.lines) for _ in range(points)]
        for line in busy:
            self.put(line, self.luck.uniform(self.street.true.time, end - HOUR), self.luck.randrange(1, 100))
        if hours > 300:  # AWS does not list what has had no data for two weeks: what is new and gone by then is unknown
            for line in [*busy, *(line for line in self.lines if line.minutes and not self.known(line))]:
                self.put(line, end - 2 * HOUR, 7)
        self.street.true.forward(hours * HOUR)
        if running:
            self.cycles()
            self.street.fake.faults.clear()
        else:
            self.street.start()
        self.cycles(2)

    @rule(off=st.sampled_from([0.0, 3600.0, -3600.0, 86_400.0 * 400, -120.0]))
    def local_clock(self, off):
        self.street.clock.off = off

    @rule()
    def switch(self):
        """Switch the family of invocations off, or on again."""
        line = self.lines[0]
        if line.on:
            self.street.kill()
            self.street.start(only(FAMILIES - {line.family}, extra=[line.family]))
            self.cycles()
            meter = self.meter(line)
            line.frozen = meter.total(meter.position[line.metric, line.stat]) if meter else line.frozen
            line.on = False
            if line.metric not in {metric for meter in self.meters() for metric, _ in meter.position}:
                line.frozen = 0.0
        else:
            self.street.kill()
            switched = self.street.true.time  # whatever the local clock says
            self.street.start(self.text)
            self.street.cycle()
            meter = self.meter(line)
            resumed = meter.counted_from[meter.position[line.metric, line.stat]] if meter else line.counted_from
            assert not meter or switched - 1 <= resumed <= self.street.true.time + BLOCK + MINUTE
            line.counted_from, line.on = resumed, True
            self.cycles()

    # -- what must hold --------------------------------------------------------------------------------------------

    def start_again(self):
        self.street.kill()
        self.street.start()

    def meters(self):
        return self.street.ledger.known("cloudwatch_metrics", self.street.target).meters.values()

    def meter(self, line):
        shape = tuple(sorted(line.dimensions.items()))
        return next(
            (m for m in self.meters() if m.resource.dimensions == shape and m.resource.namespace == line.namespace),
            None,
        )

    def known(self, line):
        meter = self.meter(line)
        return meter is not None and (line.metric, line.stat) in meter.position

    def look(self, snapshot):
        self.scrapes.take(snapshot, FAMILIES)
        for (family, _), chunk in snapshot.chunks.items():
            if family not in FAMILIES:
                continue
            for part, column in chunk.columns.items():
                if part not in {"", "sum", "count"}:
                    continue
                for labels, value in zip(chunk.labels, column, strict=True):
                    key = (family, part, labels)
                    if value is not None:
                        assert value >= self.highest.get(key, 0.0), f"{key} fell to {value}"
                        self.highest[key] = value

    def rest(self):
        """Let everything settle: all that was published is final, has been read, and is shown."""
        self.street.fake.faults.clear()
        self.relist()
        self.street.clock.off = 0.0
        for seconds in [60] * 6 + [900] * 16 + [3600] * 2 + [60] * 6:
            try:
                self.look(self.street.cycle(seconds))
            except Crash:
                self.start_again()

    def teardown(self):
        if not hasattr(self, "street"):
            return
        self.rest()
        snapshot = self.street.ledger.snapshot()
        ahead = self.street.ledger.figures().ahead
        for line in self.lines:
            truth = line.truth(self.world) if line.on else line.frozen
            meter = self.meter(line)
            if not self.known(line):
                assert truth == 0, f"{line.family} was never counted, {truth} is missing"
                continue
            i = meter.position[line.metric, line.stat]
            assert meter.total(i) == truth, f"{line.family}{line.part}: counted {meter.total(i)}, truth is {truth}"
            chunk = snapshot.chunks.get((line.family, self.street.target))
            if not line.on:
                assert chunk is None or line.labels not in chunk.labels
                continue
            if meter.alive:
                assert chunk is not None, line.family
                shown = chunk.columns[line.part][chunk.labels.index(line.labels)]
                if i in meter.ahead:
                    assert shown > truth * line.scale
                else:
                    assert shown == pytest.approx(truth * line.scale, rel=1e-12)
                if not self.restored:
                    key = (line.family, line.part, line.labels)
                    assert self.scrapes.log[key][0] == 0.0, "a counter began above 0"
                    assert self.scrapes.increase(key) == pytest.approx(shown, rel=1e-9)
        assert all(count >= 0 for count in ahead.values())
        self.street.kill()


CounterLaw.TestCase.settings = settings(
    max_examples=examples(30),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestCounterLaw = pytest.mark.slow(CounterLaw.TestCase)


def test_one_answer_with_a_wrong_date_closes_nothing(monkeypatch):
    """A third of all answers, deep ones among them, while a datapoint is eight minutes late."""
    law = CounterLaw()
    law.begin(1)
    law.cycles(20, 60)
    law.put(law.lines[0], law.street.true.time - 90, 100, late=480)
    date, answers = aws._date, []

    def wrong(headers):
        answers.append(date(headers))
        return answers[-1] + (5 * DAY if len(answers) % 3 == 1 else 0.0)

    monkeypatch.setattr(aws, "_date", wrong)
    law.cycles(15, 60)
    monkeypatch.undo()
    law.street.settle()
    assert len(answers) > 50
    assert all(counted == pytest.approx(true) for _, counted, true in law.street.counted(BEGIN))
