"""One run of a source: read, applied, confirmed after the commit, and told of, whatever happens."""

from __future__ import annotations

import logging

import pytest
from worlds import HERE, INVOCATIONS, LABELS, T0, VARIANT, FakeClock, read, values

from exporter.admission import Admission
from exporter.aws import AwsError
from exporter.collection import AGAIN, KEPT_FAILURES, Collection
from exporter.ledger import Ledger, LedgerError
from exporter.ledger.memory import MemoryStore
from exporter.model import (
    DAY,
    HOUR,
    MINUTE,
    Answer,
    Counter,
    Effect,
    Event,
    Failure,
    Read,
    Reading,
    Sample,
    Target,
    Window,
)
from exporter.tally import Tally

GAUGE = "sagemaker_endpoint_variant_current_instances"
THERE = Target(HERE.account_id, "us-east-1")
WHERE = (HERE.account_id, HERE.region, "inventory")


class Store(MemoryStore):
    """A store whose disk may be full."""

    full = False

    def commit(self, changes):
        if self.full:
            raise LedgerError("the disk is full")
        super().commit(changes)


class Source:
    """A source that returns what it is told to, or raises it."""

    def __init__(self, reading=None, *, name="inventory", takes=0.0, clock=None):
        self.name = name
        self.returns = reading
        self.takes = takes
        self.clock = clock
        self.asked = []
        self.confirmed = []

    def read(self, target, known, now):
        self.asked.append((target, known, now))
        if self.clock:
            self.clock.forward(self.takes)
        if isinstance(self.returns, Exception):
            raise self.returns
        return self.returns

    def confirm(self, receipts):
        if isinstance(self.confirmed, Exception):
            raise self.confirmed
        self.confirmed.append(receipts)


class Room:
    """A collection on a ledger in memory."""

    def __init__(self):
        self.clock = FakeClock()
        self.tally = Tally()
        self.store = Store()
        self.ledger = Ledger(self.store, self.clock, self.tally)
        self.collection = Collection(self.ledger, self.clock, self.tally, Admission(200_000))

    def run(self, result=None, *, target=HERE, **more):
        self.source = result if isinstance(result, Source) else Source(result, clock=self.clock, **more)
        return self.collection.run(self.source, target)

    def told(self, name, part=""):
        family = f"sagemaker_exporter_{name}"
        return {s.labels: s.value for s in self.tally.samples("own", 0.0) if s.family == family and s.part == part}

    def shown(self, family):
        return values(self.ledger.snapshot(), family)


@pytest.fixture
def room():
    room = Room()
    yield room
    room.ledger.close()


def reading(*samples, looked=("endpoints",), **more):
    return Reading("inventory", HERE, T0, samples=samples, looked=looked, **more)


def gauge(value=2.0):
    return Sample(GAUGE, LABELS, value, scope="endpoints")


FAILED = Failure("ListEndpoints", "denied", "no permission")
UNREAD = Read(VARIANT, Window(T0, T0 + 60, 60, 0.0, T0), (Answer(INVOCATIONS, complete=False, begin=T0),))


# -- outcomes ----------------------------------------------------------------------------------------------------------


def test_a_whole_reading_is_applied_and_ok(room):
    run = room.run(reading(gauge()))
    assert (run.source, run.target, run.at, run.outcome, run.failures) == ("inventory", HERE, T0, "ok", ())
    assert room.shown(GAUGE) == {LABELS: 2.0}


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (reading(), "ok"),
        (reading(looked=()), "ok"),
        (reading(failed=(FAILED,)), "partial"),
        (reading(looked=(), failed=(FAILED,)), "denied"),
        (reading(looked=(), failed=(FAILED, FAILED)), "denied"),
        (reading(looked=(), failed=(Failure("x", "throttled"),)), "throttled"),
        (reading(looked=(), failed=(Failure("x", "transient"),)), "failed"),
        (reading(looked=(), failed=(FAILED, Failure("x", "throttled"))), "failed"),
        (reading(looked=(), failed=(FAILED,), reads=(UNREAD,)), "denied"),
        (AwsError("denied", "no"), "denied"),
        (AwsError("throttled", "slow down"), "throttled"),
        (AwsError("transient", "500"), "failed"),
        (AwsError("absent", "gone"), "failed"),
        (AwsError("bug", "refused"), "failed"),
        (ValueError("a bug"), "failed"),
        (KeyError("EndpointName"), "failed"),
    ],
)
def test_outcomes(room, result, outcome):
    assert room.run(result).outcome == outcome
    assert room.told("source_runs_total") == {(*WHERE, outcome): 1.0}
    assert room.told("source_up") == {WHERE: float(outcome == "ok")}


def test_one_counter_that_was_read_makes_a_failed_reading_partial(room):
    room.clock.forward(120)
    whole = read(room.clock, {}, T0)
    assert room.run(reading(looked=(), failed=(FAILED,), reads=(whole,))).outcome == "partial"


def test_the_source_gets_the_target_what_is_known_and_the_time(room):
    room.run(reading(gauge(), notes={"last": 5}))
    room.clock.forward(60)
    room.run(reading())
    ((target, known, now),) = room.source.asked
    assert (target, now) == (HERE, T0 + 60)
    assert known.notes == {"last": 5}
    assert known.scopes == {"endpoints"}


# -- bad days ----------------------------------------------------------------------------------------------------------


def test_a_failure_keeps_what_was_shown(room):
    room.run(reading(gauge()))
    for result in (AwsError("denied", "no"), ValueError("a bug"), reading(looked=(), failed=(FAILED,))):
        room.run(result)
        assert room.shown(GAUGE) == {LABELS: 2.0}


def test_a_bug_in_one_source_is_that_source_s_alone(room, caplog):
    run = room.run(ValueError("a bug"), name="cloudwatch_metrics")
    assert run.failures == (Failure("cloudwatch_metrics", "bug", "ValueError('a bug')"),)
    assert "has a bug" in caplog.text
    assert "ValueError: a bug" in caplog.text
    assert room.run(reading(gauge())).outcome == "ok"


def test_a_ledger_that_refuses_is_a_failure_of_the_run(room):
    room.store.full = True
    run = room.run(reading(gauge(), notes={"a": 1}, receipts=("r",)))
    assert run.outcome == "failed"
    assert run.failures == (Failure("ledger", "transient", "the disk is full"),)
    assert room.source.confirmed == []
    assert room.shown(GAUGE) == {LABELS: 2.0}, "gauges go on"
    room.store.full = False
    assert room.run(reading(gauge(3.0), notes={"a": 1})).outcome == "ok"


def test_what_a_run_tells_of_itself_is_told_although_the_ledger_refuses(room):
    """Or an own counter would not be born at 0, which its source says once."""
    room.store.full = True
    labels = (*WHERE[:2], "AWS/SageMaker", "complete")
    room.run(reading(notes={"a": 1}, tallies=(Effect("sagemaker_exporter_query_results_total", labels),)))
    assert room.told("query_results_total") == {labels: 1.0}


def test_receipts_are_confirmed_after_the_commit_and_once(room):
    event = Event("job_events/state", "id-1", T0, HERE, (Effect(INVOCATIONS.family, LABELS),))
    committed = []
    commit = room.store.commit
    room.store.commit = lambda changes: committed.append(len(room.source.confirmed)) or commit(changes)
    room.source = Source()
    source = Source(reading(events=(event,), not_before=T0 - DAY, receipts=("a", "b")))
    room.run(source)
    assert source.confirmed == [("a", "b")]
    assert committed == [0]


def test_nothing_to_confirm_is_not_confirmed(room):
    room.run(reading(gauge()))
    assert room.source.confirmed == []


@pytest.mark.parametrize("error", [AwsError("transient", "500"), ValueError("a bug")])
def test_a_confirmation_that_fails_is_in_the_run_too(room, error):
    source = Source(reading(notes={"a": 1}, receipts=("a",)))
    source.confirmed = error
    assert room.run(source).outcome == "failed"
    assert room.told("source_up") == {WHERE: 0.0}


def test_a_reading_that_can_not_be_applied_is_in_the_run_too(room):
    impossible = Read(VARIANT, Window(T0, T0 + 900, 60, 0.0, T0), (Answer(INVOCATIONS, begin="now"),))
    assert room.run(reading(reads=(impossible,))).outcome == "failed"
    assert room.run(reading(gauge())).outcome == "ok"


STRAY = "sagemaker_no_such_family"


@pytest.mark.parametrize(
    "stray",
    [
        {"samples": (Sample(STRAY, LABELS, 1.0), gauge())},
        {"samples": (gauge(),), "events": (Event("job_events/state", "id-1", T0, HERE, (Effect(STRAY, LABELS),)),)},
        {
            "samples": (gauge(),),
            "reads": (
                Read(VARIANT, Window(T0, T0 + 900, 60, 0.0, T0), (Answer(Counter("A", "Sum", STRAY), begin=T0),)),
            ),
        },
    ],
    ids=["sample", "event", "counter"],
)
def test_a_family_without_a_row_does_not_reach_the_page(room, stray):
    """The renderer could not name it, and would make no page at all."""
    run = room.run(Reading("inventory", HERE, T0, looked=("endpoints",), **stray))
    assert run.outcome == "failed"
    assert STRAY in run.failures[0].detail
    assert room.shown(GAUGE) == {}


# -- the log -----------------------------------------------------------------------------------------------------------


def lines(caplog):
    found = [record.getMessage() for record in caplog.records if record.name == "exporter.collection"]
    caplog.clear()
    return found


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "exporter")
    return caplog


def test_a_failure_is_told_once_and_so_is_its_end(room, log):
    bad, good = reading(looked=(), failed=(FAILED,)), reading()
    room.run(good)
    assert lines(log) == []
    room.run(bad)
    assert lines(log) == [
        "inventory on 123456789012 eu-west-1: could not look at ListEndpoints (denied): no permission"
    ]
    for _ in range(5):
        room.run(bad)
    assert lines(log) == []
    room.run(good)
    assert lines(log) == ["inventory on 123456789012 eu-west-1: complete again"]
    room.run(good)
    assert lines(log) == []


def test_a_failure_that_goes_on_is_told_with_its_number_each_hour(room, log):
    said = []
    for _ in range(150):
        room.run(reading(looked=(), failed=(FAILED,)))
        said.append(lines(log))
        room.clock.forward(60)
    assert {n: line for n, line in enumerate(said) if line} == {
        0: ["inventory on 123456789012 eu-west-1: could not look at ListEndpoints (denied): no permission"],
        60: ["inventory on 123456789012 eu-west-1: still so, 61 times in a row"],
        120: ["inventory on 123456789012 eu-west-1: still so, 121 times in a row"],
    }
    other = Failure("ListEndpoints", "transient", "500")
    room.run(reading(looked=(), failed=(other,)))
    assert "(transient): 500" in lines(log)[0], "what is new is told at once"
    room.clock.forward(AGAIN)
    room.run(reading(looked=(), failed=(other,)))
    assert lines(log) == ["inventory on 123456789012 eu-west-1: still so, 2 times in a row"]


def test_another_failure_is_told(room, log):
    room.run(reading(failed=(FAILED,)))
    lines(log)
    room.run(reading(failed=(FAILED, Failure("ListInferenceComponents", "transient", "500"))))
    assert any("ListInferenceComponents (transient): 500" in line for line in lines(log))


def test_the_words_of_a_failure_may_change(room, log):
    """AWS puts request ids and times in there."""
    room.run(reading(failed=(FAILED,)))
    lines(log)
    room.run(reading(failed=(Failure("ListEndpoints", "denied", "request 2"),)))
    assert lines(log) == []


def test_many_failures_are_told_in_few_lines(room, log):
    room.run(reading(failed=tuple(Failure(f"scope {n}", "transient") for n in range(1000))))
    assert len(lines(log)) <= 6


def test_targets_and_sources_have_their_own_failures(room, log):
    room.run(reading(failed=(FAILED,)))
    room.run(reading(failed=(FAILED,)), target=THERE)
    room.run(reading(failed=(FAILED,)), name="cloudwatch_metrics")
    assert len(lines(log)) == 3


def test_what_a_stop_breaks_off_is_nothing_to_warn_of(room, log):
    room.collection.leave()
    assert room.run(reading(looked=(), failed=(FAILED,))).outcome == "denied"
    assert lines(log) == []


def test_a_bug_is_told_once(room, log):
    for _ in range(3):
        room.run(ValueError("a bug"))
    assert sum("has a bug" in line for line in lines(log)) == 1


# -- what is told of a run ---------------------------------------------------------------------------------------------


def test_durations_and_times(room):
    room.run(reading(), takes=2.5)
    assert room.told("source_last_run_duration_seconds") == {WHERE: 2.5}
    assert room.told("source_run_duration_seconds", "sum") == {("inventory",): 2.5}
    assert room.told("source_last_run_timestamp_seconds") == {WHERE: T0 + 2.5}
    assert room.told("source_last_success_timestamp_seconds") == {WHERE: T0 + 2.5}
    room.clock.forward(60)
    room.run(reading(failed=(FAILED,)))
    assert room.told("source_last_run_timestamp_seconds") == {WHERE: T0 + 62.5}
    assert room.told("source_last_success_timestamp_seconds") == {WHERE: T0 + 2.5}


def test_tallies_of_a_reading_are_taken(room):
    effect = Effect("sagemaker_exporter_query_results_total", (*WHERE[:2], "AWS/SageMaker", "complete"), 5.0)
    room.run(reading(tallies=(effect,)))
    room.run(reading(tallies=(effect,)))
    assert room.told("query_results_total") == {effect.labels: 10.0}


def test_what_the_ledger_found_is_told(room):
    """A revision after the end of a block, a late one, fewer points than before, and time that was lost."""

    def count(points, start=T0, seconds=0.0, **more):
        room.clock.forward(seconds)
        room.run(reading(looked=(), reads=(read(room.clock, points, start, **more),)))

    count({T0: 5.0}, seconds=16 * MINUTE)
    count({T0: 6.0})
    assert room.told("revisions_total") == {(*WHERE[:2], "AWS/SageMaker", "up"): 1.0}
    assert room.told("late_revisions_total") == {}
    count({T0: 4.0}, seconds=HOUR)
    assert room.told("late_revisions_total") == {(*WHERE[:2], "AWS/SageMaker", "down"): 1.0}
    count({})
    assert room.told("query_results_total") == {(*WHERE[:2], "AWS/SageMaker", "short"): 1.0}


def test_the_newest_run_of_each_source_is_kept_for_people(room):
    for n in range(5):
        room.clock.time = T0 + n
        room.run(reading())
    (kept,) = room.collection.runs()
    assert kept.at == T0 + 4
    room.collection.keep({("inventory", HERE)})
    assert room.collection.runs() == (kept,)
    room.collection.keep(())
    assert room.collection.runs() == ()


def test_what_failed_in_a_new_way_is_kept_for_people(room):
    for n in range(2 * KEPT_FAILURES + 5):
        room.clock.time = T0 + n
        room.run(reading(looked=(), failed=(FAILED,) if n % 2 else ()))
        room.run(reading(looked=(), failed=(FAILED,) if n % 2 else ()))
    kept = room.collection.failures()
    assert [run.at - T0 for run in kept] == list(range(5, 2 * KEPT_FAILURES + 5, 2))


# -- the process's own numbers -----------------------------------------------------------------------------------------


def test_own_numbers_are_shown_as_a_reading_like_all_others(room):
    room.tally.set("ready", value=1.0)
    room.run(reading(gauge()))
    room.collection.own()
    assert room.shown("sagemaker_exporter_ready") == {(): 1.0}
    assert room.shown("sagemaker_exporter_source_up") == {WHERE: 1.0}
    assert room.shown("sagemaker_exporter_ledger_persistent") == {(): 0.0}
    assert room.shown("sagemaker_exporter_source_series") == {WHERE: 1.0}
    room.tally.set("ready", value=None)
    room.collection.own()
    assert room.shown("sagemaker_exporter_ready") == {}


def test_own_numbers_go_on_while_the_disk_refuses(room):
    room.store.full = True
    room.tally.set("ready", value=1.0)
    room.run(reading(gauge(), notes={"a": 1}))
    room.collection.own()
    assert room.shown("sagemaker_exporter_ready") == {(): 1.0}
    assert room.shown("sagemaker_exporter_ledger_writes_total")[("failed",)] == 1.0


def test_marks_of_the_ledger_are_shown(room):
    room.clock.forward(HOUR)
    room.run(reading(looked=(), reads=(read(room.clock, {T0: 5.0}, T0),)))
    room.collection.own()
    namespace = (*WHERE[:2], "AWS/SageMaker")
    assert room.shown("sagemaker_exporter_series_ahead") == {namespace: 0.0}
    source = (*WHERE[:2], "cloudwatch_metrics")
    assert room.shown("sagemaker_exporter_checkpoint_timestamp_seconds") == {source: T0 + HOUR}
    assert room.shown("sagemaker_exporter_catching_up") == {source: 0.0}
    assert room.shown("sagemaker_exporter_data_settled_until_timestamp_seconds") == {namespace: float(T0)}


def test_what_becomes_of_events_is_told(room):
    where = (HERE.account_id, HERE.region, "alarm", "ALARM")
    events = tuple(
        Event("cloudwatch_alarms/state", identity, at, HERE, (Effect("sagemaker_alarm_state_changes_total", where),))
        for identity, at in (("a", T0), ("a", T0), ("b", T0), ("c", T0 - 100))
    )
    room.run(Reading("cloudwatch_alarms", HERE, T0, looked=("cloudwatch_alarms",), events=events, not_before=T0))
    assert room.told("events_total") == {
        (HERE.account_id, HERE.region, "cloudwatch_alarms", outcome): count
        for outcome, count in (("counted", 2.0), ("repeated", 1.0), ("too_old", 1.0))
    }


def change(identity, at, *, target=HERE, kind="cloudwatch_alarms/state"):
    where = (target.account_id, target.region, "alarm", "ALARM")
    return Event(kind, identity, at, target, (Effect("sagemaker_alarm_state_changes_total", where),))


def alarms(clock, *events, **more):
    looked = ("cloudwatch_alarms",)
    return Reading("cloudwatch_alarms", HERE, clock.now(), looked=looked, events=events, **more)


def test_how_late_events_are_counted_is_told_of_each_once(room):
    room.clock.forward(100)
    late = alarms(room.clock, change("a", T0 + 91), change("b", T0 - 200), change("c", T0 + 999))
    room.run(late)
    room.run(late)
    parts = {part: room.told("event_lag_seconds", part)[("cloudwatch_alarms",)] for part in ("sum", "count", "10.0")}
    assert parts == {"sum": 9.0 + 300.0, "count": 3.0, "10.0": 2.0}, "no event is from the future"


def test_the_newest_event_is_told_by_where_it_happened(room):
    last = "event_last_timestamp_seconds"
    room.run(alarms(room.clock, change("a", T0 + 5), change("b", T0 + 3), change("c", T0, target=THERE)))
    room.run(alarms(room.clock, change("d", T0 + 4)))
    there = (THERE.account_id, THERE.region, "cloudwatch_alarms")
    assert room.told(last) == {(*WHERE[:2], "cloudwatch_alarms"): T0 + 5, there: T0}
    room.run(alarms(room.clock, change("e", T0 + 6), change("a", T0 + 50)))
    assert room.told(last)[*WHERE[:2], "cloudwatch_alarms"] == T0 + 6, "and what is repeated is no news"


def test_what_the_ledger_refuses_is_no_event_yet(room):
    room.store.full = True
    room.run(alarms(room.clock, change("a", T0), read_until=T0))
    room.collection.own()
    assert room.told("event_lag_seconds", "count") == room.told("event_last_timestamp_seconds") == {}
    assert room.shown("sagemaker_exporter_checkpoint_timestamp_seconds") == {}


def test_identities_are_told_by_the_source_that_their_kind_is_called_by(room):
    room.run(reading())
    room.run(alarms(room.clock), name="cloudwatch_alarms")
    room.collection.own()
    identities, oldest = "sagemaker_exporter_ledger_identities", "sagemaker_exporter_ledger_oldest_timestamp_seconds"
    assert room.shown(identities) == {("cloudwatch_alarms",): 0.0}
    assert room.shown(oldest) == {}
    events = (change("a", T0 + 9), change("b", T0 + 7), change("a", T0 + 8, kind="cloudwatch_alarms/other"))
    room.run(alarms(room.clock, *events, change("a", T0 + 3, kind="cloudtrail/call")), name="cloudwatch_alarms")
    room.collection.own()
    assert room.shown(identities) == {("cloudwatch_alarms",): 3.0, ("cloudtrail",): 1.0}
    assert room.shown(oldest) == {("cloudwatch_alarms",): T0 + 7, ("cloudtrail",): T0 + 3}


def test_events_of_a_kind_that_belongs_to_no_source_are_a_bug(room):
    run = room.run(alarms(room.clock, change("a", T0, kind="alarm")))
    assert [failure.error_class for failure in run.failures] == ["bug"]
    assert "'alarm' belong to no source" in run.failures[0].detail
    assert room.ledger.figures().identities == {}


def test_how_far_a_source_has_read_is_told(room):
    where = (*WHERE[:2], "cloudwatch_alarms")

    def told():
        room.collection.own()
        names = ("checkpoint_timestamp_seconds", "catching_up")
        return tuple(room.shown(f"sagemaker_exporter_{name}").get(where) for name in names)

    room.run(alarms(room.clock, read_until=T0), name="cloudwatch_alarms")
    assert told() == (T0, 0.0)
    room.clock.forward(60)
    room.run(alarms(room.clock, read_until=T0 + 20), name="cloudwatch_alarms")
    assert told() == (T0 + 20, 1.0)
    room.run(AwsError("transient", "500"), name="cloudwatch_alarms")
    assert told() == (T0 + 20, 1.0), "could not look moves no mark"
    room.collection.keep(set())
    assert told() == (None, None)


def test_a_seed_without_a_row_is_a_bug(room):
    run = room.run(Reading("inventory", HERE, T0, seeds=(Effect("sagemaker_nobody_total", ("a",), 0.0),)))
    assert [failure.error_class for failure in run.failures] == ["bug"]


def test_a_run_that_was_under_way_when_its_source_was_switched_off_counts_nothing(room):
    class Slow(Source):
        def read(self, target, known, now):
            room.collection.retire({self.name}, ())
            return super().read(target, known, now)

    room.run(Slow(reading(gauge(), notes={"begun": T0}), clock=room.clock))
    assert not room.ledger.notes("inventory")
    assert not room.shown(GAUGE)
    room.collection.retire((), ())
    room.run(reading(gauge(), notes={"begun": T0}))
    assert room.ledger.notes("inventory")[HERE] == {"begun": T0}
