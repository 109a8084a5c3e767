"""Each change of an alarm is counted exactly once, whatever the days are like: the street against the fake's truth."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from street import ACCOUNT, REGION, Street
from worlds import T0, examples, values

from exporter.config import parse
from exporter.daemon import Parts
from exporter.demo import World
from exporter.demo.alarms import Alarm
from exporter.model import DAY, HOUR
from exporter.sources import cloudwatch_alarms
from exporter.sources.cloudwatch_alarms import track as tracks

CHANGES = "sagemaker_alarm_state_changes_total"
LOST = "sagemaker_exporter_lost_seconds_total"
OURS = ("a", "b", "c")
STATES = ("OK", "ALARM", "INSUFFICIENT_DATA")


def facts(namespace="AWS/SageMaker"):
    return {"Namespace": namespace, "MetricName": "Invocation5XXErrors", "Dimensions": [], "Threshold": 1.0}


class Days:
    """A street with nothing but alarms, and what has truly happened to them."""

    def __init__(self, **more):
        self.world = World(seed=1, repeated=0.5, **more)
        for name in OURS:
            self.make(name, T0 - DAY)
        self.make("other", T0 - DAY, "AWS/EC2")
        self.street = Street(self.world)
        self.seen: dict[str, float] = {}
        self.only_alarms()

    def only_alarms(self):
        self.street.sources = self.street.sources[2:]

    def make(self, name, at, namespace="AWS/SageMaker"):
        self.world.put_alarm(ACCOUNT, REGION, Alarm(name, float(at), facts(namespace), scripted=True))

    @property
    def now(self):
        return self.street.true.time

    @property
    def place(self):
        return self.world.region(ACCOUNT, REGION)

    def restart(self):
        self.street.kill()
        self.street.start()
        self.only_alarms()

    def change(self, name, at, state, seen_after=0.0):
        """Let an alarm change, if it is there and not in this state; say whether it did."""
        alarm = self.place.alarm(name, at)
        if alarm is None or alarm.state(at) == state or (alarm.transitions and alarm.transitions[-1].at >= at):
            return False
        self.world.set_alarm_state(ACCOUNT, REGION, name, at, state, seen_after)
        return True

    def cycle(self, seconds):
        self.street.cycle(seconds)
        (run,) = self.street.runs
        if run.outcome in {"ok", "partial"}:
            self.seen |= {alarm.name: alarm.created for alarm in self.place.alarms_at(run.at)}
        return run

    def delete(self, name):
        """Delete an alarm; not one that no listing has shown, of which nothing can be known."""
        alarm = self.place.alarm(name, self.now)
        if alarm and self.seen.get(name) == alarm.created and alarm.changed(self.now) < self.now:
            self.world.delete_alarm(ACCOUNT, REGION, name, self.now)

    def truth(self):
        """Return how often each alarm truly entered each state by now, since counting began."""
        begun = self.street.ledger.known("cloudwatch_alarms", self.street.target).notes.get("begun", float("inf"))
        return Counter(
            (name, one.new)
            for name in OURS
            for alarm in self.place.alarms.get(name, ())
            for one in alarm.transitions
            if begun <= one.at <= self.now and one.at < alarm.deleted
        )

    def truth_at(self, name):
        """Return when an alarm last changed."""
        return self.place.alarm(name, self.now).transitions[-1].at

    def counted(self):
        """Return how often the ledger has counted that: also of alarms that are over."""
        identities = self.street.store._identities.get(cloudwatch_alarms.KIND, {})
        return Counter(tuple(identity.split("/")[i] for i in (2, 4)) for identity in identities)

    def shown(self):
        found = values(self.street.ledger.snapshot(), CHANGES)
        return {labels[2:]: value for labels, value in found.items()}


NAMES = st.sampled_from((*OURS, "other"))
SECONDS = st.sampled_from([20, 60, 120, 600, 1000, HOUR, 2 * DAY])
CHANGE = st.tuples(
    st.just("change"),
    NAMES,
    st.floats(0.01, 0.99),
    st.sampled_from(STATES),
    st.sampled_from([0.0, 0.0, 5.0, 300.0, tracks.SETTLED - 61.0]),
)
OPERATIONS = st.sampled_from([None, "DescribeAlarms", "DescribeAlarmHistory"])
KINDS = st.sampled_from(["throttle", "deny", "http_500", "garbage", "empty", "truncated"])
STEP = st.one_of(
    st.tuples(st.just("live"), SECONDS, st.lists(CHANGE, max_size=5)),
    st.tuples(st.just("live"), SECONDS, st.lists(CHANGE, max_size=5)),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("make"), st.sampled_from(OURS)),
    st.tuples(st.just("restart")),
    st.tuples(st.just("fault"), KINDS, OPERATIONS, st.sampled_from([1.0, 0.5])),
    st.tuples(st.just("mend")),
)


def live(days, seconds, changes):
    """Let changes happen within the coming stretch of time, and look at its end."""
    for _, name, share, state, seen_after in sorted(changes, key=lambda change: change[2]):
        days.change(name, days.now + share * seconds, state, seen_after)
    days.cycle(seconds)


@pytest.mark.slow
@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(STEP, max_size=25),
    limits=st.tuples(st.sampled_from([0, 1, 20]), st.sampled_from([2, 3, 100]), st.sampled_from([2, 100])),
)
def test_each_change_is_counted_once(steps, limits):
    with pytest.MonkeyPatch.context() as patch:
        for name, limit in zip(("ONE_BY_ONE", "MOST_CALLS", "PAGE"), limits, strict=True):
            patch.setattr(cloudwatch_alarms, name, limit)
        days = Days()
        for kind, *given_ in steps:
            if kind == "live":
                live(days, *given_)
            elif kind == "delete":
                days.delete(*given_)
            elif kind == "make" and not days.place.alarm(given_[0], days.now):
                days.make(given_[0], days.now)
            elif kind == "restart":
                days.restart()
            elif kind == "fault":
                fault, operation, probability = given_  # a login that fails is the daemon's business, and not here
                days.street.fake.faults.add(fault, service="cloudwatch", operation=operation, probability=probability)
            elif kind == "mend":
                days.street.fake.faults.clear()
            assert not days.counted() - days.truth(), "nothing is counted that did not happen"
        days.street.fake.faults.clear()
        for _ in range(40):
            days.cycle(6 * 60)
        assert days.counted() == days.truth()
        shown = days.shown()
        for name in {name for name, _ in shown}:
            assert {state: shown[name, state] for state in STATES if (name, state) in shown}.keys() == set(STATES)
        for (name, state), value in shown.items():
            assert value <= days.truth()[name, state]
        for alarm in days.place.alarms_at(days.now):
            if alarm.name in OURS and len(days.place.alarms[alarm.name]) == 1:
                assert all(shown[alarm.name, state] == days.truth()[alarm.name, state] for state in STATES)
        assert not any(name == "other" for name, _ in shown)
        days.street.kill()


# -- days of a kind ----------------------------------------------------------------------------------------------------


@pytest.fixture
def days():
    made = Days()
    yield made
    made.street.kill()


def calls(days, operation="DescribeAlarmHistory"):
    return days.street.fake.bill.requests[f"cloudwatch.{operation}"]


def test_counters_are_born_at_zero_and_nothing_before_the_start_counts(days):
    days.change("a", T0 - 100.0, "ALARM")
    days.cycle(60)
    assert days.shown() == dict.fromkeys(((name, state) for name in OURS for state in STATES), 0.0)
    days.cycle(120)
    days.cycle(120)
    days.change("a", days.now + 1.0, "OK")
    days.cycle(120)
    assert days.shown()["a", "OK"] == 1.0
    assert days.shown()["a", "ALARM"] == 0.0


def test_an_alarm_that_came_and_went_between_two_looks_is_seen(days):
    days.change("a", T0 - 100.0, "OK")
    days.cycle(60)
    for offset, state in ((10.5, "ALARM"), (20.5, "OK"), (30.5, "ALARM"), (40.5, "OK")):
        days.change("a", days.now + offset, state)
    days.cycle(120)
    assert days.counted() == {("a", "ALARM"): 2, ("a", "OK"): 2}
    assert calls(days) == 1, "the others have not changed"
    for _ in range(100):
        days.cycle(120)
    assert calls(days) == 2, "once more when the history has settled, and then no more"


def test_where_nothing_changes_nothing_but_the_listing_is_asked(days):
    for _ in range(30):
        days.cycle(120)
    assert (calls(days, "DescribeAlarms"), calls(days)) == (30, 0)


def test_without_the_history_what_a_look_proves_is_counted_and_the_rest_follows(days):
    days.cycle(60)
    days.street.fake.faults.add("deny", operation="DescribeAlarmHistory")
    for state in ("OK", "ALARM", "OK"):
        days.change("a", days.now + 100.0, state)
        run = days.cycle(120)
    assert days.counted() == {("a", "ALARM"): 1, ("a", "OK"): 2}
    assert run.outcome == "partial"
    assert [(failure.scope, failure.error_class) for failure in run.failures] == [("DescribeAlarmHistory", "denied")]
    days.change("a", days.now + 10.0, "INSUFFICIENT_DATA")
    days.cycle(120)
    assert days.counted()["a", "INSUFFICIENT_DATA"] == 0, "an alarm begins there, so a look proves nothing"
    days.street.fake.faults.clear()
    days.cycle(120)
    assert days.counted() == days.truth()
    assert days.truth().total() == 4


def marks(days):
    """Return until when all changes have been read, and whether the page says that some have not."""
    snapshot = days.street.ledger.snapshot()
    names = ("checkpoint_timestamp_seconds", "catching_up")
    return [values(snapshot, f"sagemaker_exporter_{name}")[ACCOUNT, REGION, "cloudwatch_alarms"] for name in names]


def test_until_a_change_is_read_in_the_history_the_page_says_that_it_catches_up(days):
    for _ in range(3):
        days.cycle(120)
        assert marks(days) == [days.now, 0.0]
    days.street.fake.faults.add("deny", operation="DescribeAlarmHistory")
    days.cycle(120)
    assert marks(days) == [days.now, 0.0], "nobody needed the history"
    days.change("a", days.now + 100.0, "OK")
    for _ in range(20):
        days.cycle(120)
        read_until, behind = marks(days)
        assert behind == 1.0
        assert read_until <= days.truth_at("a"), "the change is not behind us"
    days.street.fake.faults.clear()
    days.cycle(120)
    assert marks(days) == [days.now, 0.0]


def test_a_history_that_never_comes_is_lost_and_said(days):
    days.cycle(60)
    days.change("a", days.now + 10.0, "OK", seen_after=1e9)
    days.change("a", days.now + 20.0, "ALARM", seen_after=1e9)
    for _ in range(200):
        days.cycle(600)
    assert days.counted() == {("a", "ALARM"): 1}
    (lost,) = values(days.street.ledger.snapshot(), LOST).values()
    assert 0 < lost < 2 * DAY
    asked = calls(days)
    assert asked < 60
    for _ in range(20):
        days.cycle(600)
    assert calls(days) == asked


def test_an_outage_longer_than_the_history_is_lost_in_part(days):
    days.cycle(60)
    quiet = days.now
    days.change("a", quiet + DAY, "OK")
    days.change("b", quiet + 32 * DAY, "OK")
    days.change("b", quiet + 33 * DAY, "ALARM")
    days.cycle(40 * DAY)
    days.cycle(120)
    assert days.counted() == {("a", "OK"): 1, ("b", "OK"): 1, ("b", "ALARM"): 1}
    (lost,) = values(days.street.ledger.snapshot(), LOST).values()
    assert lost == pytest.approx(2 * 10 * DAY, abs=HOUR), "ten days of each that has changed"
    before = lost
    for _ in range(20):
        days.cycle(600)
    assert list(values(days.street.ledger.snapshot(), LOST).values()) == [before]


def test_an_alarm_that_was_quiet_for_months_has_lost_nothing(days):
    days.cycle(60)
    for _ in range(40):
        days.cycle(DAY)
    days.change("a", days.now + 10.0, "ALARM")
    for _ in range(10):
        days.cycle(600)
    assert days.counted() == {("a", "ALARM"): 1}
    assert values(days.street.ledger.snapshot(), LOST) == {}


def test_a_deleted_alarm_is_counted_to_its_end_and_leaves_a_day_later(days):
    days.cycle(60)
    days.change("a", days.now + 10.0, "ALARM", seen_after=300.0)
    days.street.true.forward(60)
    days.world.delete_alarm(ACCOUNT, REGION, "a", days.now)
    days.cycle(60)
    assert ("a", "ALARM") in days.shown()
    assert not any("a" in labels for labels in values(days.street.ledger.snapshot(), "sagemaker_alarm_status"))
    for _ in range(20):
        days.cycle(120)
    assert days.shown()["a", "ALARM"] == 1.0
    for _ in range(25):
        days.cycle(HOUR)
    assert not any(name == "a" for name, _ in days.shown())
    assert "alarm/a" not in days.street.ledger.known("cloudwatch_alarms", days.street.target).notes
    days.make("a", days.now)
    days.cycle(120)
    assert days.shown()["a", "ALARM"] == 0.0, "another one"


def test_creation_is_no_change_and_two_lives_in_one_state_are_two_entries(days):
    days.cycle(60)
    days.change("a", days.now + 10.0, "ALARM")
    days.street.true.forward(30)
    days.world.delete_alarm(ACCOUNT, REGION, "a", days.now)
    days.make("a", days.now + 10)
    days.street.true.forward(30)
    days.change("a", days.now + 10.0, "ALARM")
    days.cycle(60)
    assert days.counted() == {("a", "ALARM"): 2}


def test_many_that_change_at_once_are_read_together(days, monkeypatch):
    for n in range(300):
        days.make(f"many-{n:03d}", T0 - DAY)
        days.change(f"many-{n:03d}", T0 - 1000.0, "OK")
    days.cycle(60)
    for n in range(300):
        days.change(f"many-{n:03d}", days.now + 10.0 + n / 10, "ALARM")
    days.cycle(120)
    assert len(days.counted()) == 300
    assert calls(days) == 3, "a hundred on a page"


def test_other_alarms_do_not_make_a_reading_dear(days):
    """What is listed together is given up at half of what it would cost one by one."""
    for n in range(30):
        days.make(f"many-{n:03d}", T0 - DAY)
    for n in range(100):
        days.make(f"noise-{n}", T0 - DAY, "AWS/EC2")
    days.cycle(60)
    for step in range(1, 100):
        for n in range(100):
            days.change(f"noise-{n}", days.now + step, ("OK", "ALARM")[step % 2])
    for n in range(30):
        days.change(f"many-{n:03d}", days.now + 100.0, "ALARM")
    days.cycle(120)
    assert sum(count for (name, _), count in days.counted().items() if name.startswith("many")) == 30
    assert calls(days) == 15 + 30


def test_calls_in_a_run_are_limited_and_what_waits_is_said(days, monkeypatch):
    monkeypatch.setattr(cloudwatch_alarms, "MOST_CALLS", 2)
    days.cycle(60)
    for name in OURS:
        days.change(name, days.now + 10.0, "ALARM")
    run = days.cycle(120)
    assert [failure.detail for failure in run.failures] == ["1 alarms wait for the next run"]
    assert days.cycle(120).outcome == "ok"
    assert days.counted() == days.truth()


def test_a_history_longer_than_a_run_may_read_is_taken_up_where_it_was_left(days, monkeypatch):
    monkeypatch.setattr(cloudwatch_alarms, "MOST_CALLS", 2)
    days.cycle(60)
    for n in range(1, 700):
        days.change("a", days.now + 10.0 * n, ("OK", "ALARM")[n % 2])
    outcomes = [days.cycle(7200 if n == 0 else 120).outcome for n in range(6)]
    assert outcomes[0] == "partial"
    assert outcomes[-1] == "ok"
    assert days.counted() == days.truth()


def test_time_in_which_changes_are_not_counted_does_not_count(days):
    days.cycle(60)
    days.change("a", days.now + 10.0, "ALARM")
    days.cycle(120)
    days.street.kill()
    days.street.start(f"families: {{exclude: [{CHANGES}]}}")
    days.only_alarms()
    days.change("a", days.now + 10.0, "OK")
    days.cycle(120)
    assert values(days.street.ledger.snapshot(), CHANGES) == {}
    assert values(days.street.ledger.snapshot(), "sagemaker_alarm_status")
    asked = calls(days)
    days.street.kill()
    days.street.start("")
    days.only_alarms()
    days.cycle(120)
    assert calls(days) == asked
    assert days.shown()["a", "OK"] == 0.0


def test_a_daemon_without_the_source_ends_its_counts(days, monkeypatch):
    """The parts as the daemon makes them: time in which it is switched off does not count."""
    days.cycle(60)
    days.change("a", days.now + 10.0, "ALARM")
    days.cycle(120)
    days.street.kill()
    target, text = days.street.target, "sources: {cloudwatch_alarms: {enabled: false}}"
    monkeypatch.setenv("AWS_REGION", REGION)
    parts = Parts(parse(text), days.street.clock, days.street.store)
    parts.prepare(target)
    assert "cloudwatch_alarms" not in {source.name for source, _ in parts.sources}
    assert values(parts.ledger.snapshot(), CHANGES) == {}
    assert parts.ledger.known("cloudwatch_alarms", target).notes == {}
    parts.collection.own()
    told = values(parts.ledger.snapshot(), "sagemaker_exporter_events_total")
    assert "cloudwatch_alarms" not in {source for _, _, source, _ in told}
    assert values(parts.ledger.snapshot(), "sagemaker_exporter_source_runs_total")
    parts.close()
    days.street.start()
