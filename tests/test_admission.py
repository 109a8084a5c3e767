"""Which series fit: the order, fair shares, places that are kept, and what a reading loses that does not fit."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import HERE

from exporter.admission import NOTE, Admission, Order, Sieve, fair, order
from exporter.catalogue import CATALOGUE
from exporter.model import Chunk, Effect, Event, Known, Reading, Sample, Snapshot, Target

THERE, YONDER = Target(HERE.account_id, "ap-south-1"), Target(HERE.account_id, "us-west-2")
SOURCE = "cloudwatch_metrics"
NOTHING = Snapshot(0, 0.0, {})


def things(number, series=10, of=Order.HOT, prefix="thing"):
    return {(of, f"{prefix}-{n:04}"): series for n in range(number)}


def ask(admission, wanted, target=HERE, source=SOURCE, **more):
    if (target, source) not in admission._asked:
        admission.expect(target, {one: None for of, one in admission._asked if of == target} | {source: None})
    return admission.admit(target, source, wanted, families=lambda _: {"sagemaker_x": 1}, **more)


def admitted(wanted, verdict):
    return {group for group in wanted if group not in verdict.refused}


def used(wanted, verdict):
    return sum(wanted[group] for group in admitted(wanted, verdict))


def test_all_is_admitted_while_it_fits():
    admission = Admission(1000)
    verdict = ask(admission, things(100))
    assert verdict == (frozenset(), None)
    assert admission.admitted(HERE, SOURCE) is None
    assert (admission.dropped(), admission.refused()) == (0, {})


def test_the_important_is_admitted_first():
    admission = Admission(1000)
    wanted = {}
    for of in reversed(Order):
        wanted |= things(25, of=of)
    verdict = ask(admission, wanted)
    have = admitted(wanted, verdict)
    assert [sum(of is group[0] for group in have) for of in Order] == [25, 25, 25, 20, 0]  # 95 % of the limit
    assert admission.dropped() == 300
    assert admission.refused() == {(HERE, SOURCE): {"sagemaker_x": 30}}


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("sagemaker_endpoint_invocations_total", Order.HOT),
        ("sagemaker_endpoint_status", Order.HOT),  # not CloudWatch's: it has no pace
    ],
)
def test_order_of_rows(family, expected):
    row = CATALOGUE[family]
    assert order(row, row.pace) is expected


def test_order_follows_switch_form_and_pace():
    rows = [row for row in CATALOGUE.values() if row.ask]
    for row in rows:
        found = order(row, row.pace)
        assert (found is Order.BREAKDOWN) == (row.base is not None)
        assert (found is Order.OFF) == (row.base is None and not row.on)
    paces = {row.pace: order(row, row.pace) for row in rows if row.on}
    assert paces == {"hot": Order.HOT, "warm": Order.WARM, "cold": Order.COLD}


def test_targets_share_alike_and_what_one_does_not_want_is_the_others():
    admission = Admission(1000)
    targets = {HERE: things(500), THERE: things(10), YONDER: things(500)}
    admission.expect(HERE, {SOURCE: None})
    admission.expect(THERE, {SOURCE: None})
    admission.expect(YONDER, {SOURCE: None})
    for _ in range(2):
        found = {target: used(wanted, ask(admission, wanted, target)) for target, wanted in targets.items()}
    assert found == {HERE: 420, THERE: 100, YONDER: 420}  # of 950, in tens


def test_sources_of_a_target_share_alike_too():
    admission = Admission(1000)
    admission.expect(HERE, {SOURCE: None, "cloudwatch_alarms": None})
    for _ in range(2):
        alarms = ask(admission, things(500), source="cloudwatch_alarms")
        metrics = ask(admission, things(500))
    assert used(things(500), alarms) == used(things(500), metrics) == 470


def test_who_comes_first_does_not_take_what_others_will_want():
    admission = Admission(1000)
    for target in (HERE, THERE, YONDER):
        admission.expect(target, {SOURCE: None})
    wanted = things(500)
    assert used(wanted, ask(admission, wanted, HERE)) == 310
    assert used(wanted, ask(admission, wanted, THERE)) == 310
    assert used(wanted, ask(admission, wanted, YONDER)) == 310


def test_nobody_loses_a_place_to_one_who_has_not_asked_yet():
    """After a start, a large target must not be cut to its share before it is known that the others want theirs."""
    admission = Admission(1000)
    for target in (HERE, THERE, YONDER):
        admission.expect(target, {SOURCE: None})
    wanted = things(90)
    verdict = ask(admission, wanted, HERE, kept=lambda _: True)
    assert verdict == (frozenset(), None)
    assert ask(admission, things(8, of=Order.COLD), THERE) == (frozenset(), None)  # nor does he who wants little wait
    ask(admission, things(1), YONDER)
    ask(admission, things(1), THERE)
    assert ask(admission, wanted, HERE) == (frozenset(), None)


def test_who_has_a_place_keeps_it_though_others_come_before_by_name():
    admission = Admission(100)
    first = things(20, prefix="m")
    had = admitted(first, ask(admission, first))
    assert len(had) == 9
    both = things(20, prefix="a") | first
    assert admitted(both, ask(admission, both)) == had


def test_what_fitted_until_now_goes_before_what_is_new():
    admission = Admission(100)
    first = things(10, prefix="m")
    assert not ask(admission, first).refused
    both = things(10, prefix="a") | first
    assert admitted(both, ask(admission, both)) == things(9, prefix="m").keys()


def test_the_important_takes_the_place_of_the_less_important():
    admission = Admission(100)
    cold = things(20, of=Order.COLD)
    ask(admission, cold)
    both = cold | things(5)
    have = admitted(both, ask(admission, both))
    assert things(5).keys() <= have
    assert len(have) == 9


def test_what_comes_and_goes_elsewhere_moves_no_place():
    """The share of a target falls and rises by less than 5 %: it keeps what it has, and neither gains nor loses."""
    admission = Admission(1000)
    mine, other = things(500, 1), 400
    ask(admission, things(other, 1), THERE)
    seen = set()
    had = admitted(mine, ask(admission, mine, HERE))
    rng = random.Random(1)
    for _ in range(200):
        ask(admission, things(other + rng.randint(-10, 10), 1), THERE)
        have = admitted(mine, ask(admission, mine, HERE))
        assert len(had - have) <= 1 or not had <= have
        seen.add(frozenset(have))
        had = have
    assert len(seen) <= 12  # it may grow into what is free, once
    assert had <= admitted(mine, ask(admission, mine, HERE))


def test_the_limit_binds_until_there_is_room_to_spare():
    admission = Admission(100)
    assert ask(admission, things(11)).refused
    assert ask(admission, things(10)).refused  # it would fit, barely
    assert not ask(admission, things(9)).refused
    assert not ask(admission, things(10)).refused


def test_places_survive_a_restart_by_name():
    admission = Admission(100)
    first = things(20, prefix="m")
    before = ask(admission, first)
    both = things(20, prefix="a") | first
    for _ in range(3):
        admission = Admission(100)
        admission.expect(HERE, {SOURCE: before.noted})
        after = ask(admission, both)
        assert admitted(both, after) == admitted(first, before)
        before = after


def test_a_lower_limit_takes_the_less_important_and_the_last_by_name():
    admission = Admission(1000)
    wanted = things(40) | things(40, of=Order.COLD)
    ask(admission, wanted)
    admission.limit = 500
    assert used(wanted, ask(admission, wanted)) <= 500
    assert (
        admitted(wanted, ask(admission, wanted)) == things(40).keys() | things(9, of=Order.COLD).keys()
    )  # of 498, in tens


def test_a_target_that_is_gone_wants_nothing():
    admission = Admission(100)
    for target in (HERE, THERE):
        admission.expect(target, {SOURCE: None})
        ask(admission, things(20), target)
    admission.expect(THERE, {})
    assert used(things(20), ask(admission, things(20))) == 90
    assert admission.room(HERE) == 100


def test_what_was_not_held_counts_as_refused():
    admission = Admission(100)
    assert ask(admission, things(5), beyond={"series in x": 1000}).refused == frozenset()
    assert admission.dropped() == 1000
    assert admission.refused() == {(HERE, SOURCE): {"series in x": 1000}}


def test_it_is_told_once(caplog):
    caplog.set_level("INFO")
    admission = Admission(100)
    for _ in range(3):
        ask(admission, things(20))
    for _ in range(3):
        ask(admission, things(5))
    told = [record.getMessage() for record in caplog.records]
    where = f"{SOURCE} on {HERE.account_id} {HERE.region}"
    assert told == [
        f"limits.series is 100: 110 series of {where} are left out: sagemaker_x (11)",
        f"limits.series leaves out nothing more of {where}",
    ]


wants = st.dictionaries(st.text(max_size=3), st.integers(0, 50), max_size=6)


@given(wants, st.integers(0, 120))
def test_a_fair_share(wanted, room):
    given_out = fair(wanted, room)
    assert given_out.keys() == wanted.keys()
    assert sum(given_out.values()) == min(room, sum(wanted.values()))
    short = [given_out[one] for one in wanted if given_out[one] < wanted[one]]
    assert not short or max(given_out.values()) - min(short) <= 1  # nobody has more than one who would want more


groups = st.dictionaries(st.tuples(st.sampled_from(Order), st.sampled_from("abcdefgh")), st.integers(1, 30))
runs = st.lists(st.tuples(st.sampled_from((HERE, THERE, YONDER)), groups), max_size=30)


@given(runs, st.integers(1, 300))
def test_never_more_than_the_limit_once_all_have_asked(history, limit):
    admission = Admission(limit)
    newest = {target: {} for target in (HERE, THERE, YONDER)}
    for target in newest:
        admission.expect(target, {SOURCE: None})
    for target, wanted in history:
        newest[target] = wanted
        ask(admission, wanted, target)
    for _ in range(2):
        found = [used(wanted, ask(admission, wanted, target)) for target, wanted in newest.items()]
    assert sum(found) <= limit
    assert admission.dropped() == sum(sum(wanted.values()) for wanted in newest.values()) - sum(found)
    again = [ask(admission, wanted, target).refused for target, wanted in newest.items()]
    assert again == [ask(admission, wanted, target).refused for target, wanted in newest.items()]


# -- readings that show what there is ----------------------------------------------------------------------------------

ALARMS, CHANGES, STATUS = "cloudwatch_alarms", "sagemaker_alarm_state_changes_total", "sagemaker_alarm_status"
WHERE = (HERE.account_id, HERE.region)


def sample(name, state="OK"):
    return Sample(STATUS, (*WHERE, name, state), 1.0, scope=ALARMS)


def change(name, n=0):
    effect = Effect(CHANGES, (*WHERE, name, "ALARM"))
    return Event("cloudwatch_alarms/state", f"{name}/{n}", 5.0, HERE, (effect,))


def sieve_on(limit, source=ALARMS):
    admission = Admission(limit)
    admission.expect(HERE, {source: None})
    return admission, Sieve(admission)


def of_alarms(*names, **more):
    return Reading(ALARMS, HERE, 10.0, samples=tuple(map(sample, names)), looked=(ALARMS,), **more)


def test_a_reading_that_fits_is_what_it_was():
    (_, sieve), reading = sieve_on(100), of_alarms("a", "b", events=(change("a"),))
    assert sieve.sift(reading, Known(), NOTHING) is reading


def test_a_reading_loses_what_does_not_fit_and_its_events_are_seen_all_the_same():
    _, sieve = sieve_on(4)
    events = (change("a"), change("z"))
    sifted = sieve.sift(of_alarms("a", "m", "z", events=events), Known(), NOTHING)
    assert [one.labels[2] for one in sifted.samples] == ["a", "m"]
    assert sifted.events == (change("a"), Event("cloudwatch_alarms/state", "z/0", 5.0, HERE, ()))
    assert sifted.looked == (ALARMS,)
    assert sifted.notes == {NOTE: {"a": [0], "m": [0]}}


def test_what_was_counted_of_one_that_loses_its_place_is_hidden():
    admission, sieve = sieve_on(10)
    labels = tuple((*WHERE, name, "ALARM") for name in "az")
    shown = Snapshot(1, 0.0, {(CHANGES, HERE): Chunk(labels, {"": (3.0, 4.0)})})
    assert sieve.sift(of_alarms("a", "z"), Known(), shown).ended == ()
    admission.limit = 3
    sifted = sieve.sift(of_alarms("a", "z"), Known(), shown)
    assert sifted.hidden == (Effect(CHANGES, labels[1]),)
    without = Snapshot(2, 0.0, {(CHANGES, HERE): Chunk(labels[:1], {"": (3.0,)})})
    for _ in range(3):  # it does not come back because what it had is no longer there to be counted
        assert sieve.sift(of_alarms("a", "z"), Known(), without).samples == (sample("a"),)
    assert admission.dropped() == 2


def test_once_all_fits_again_nothing_is_noted():
    _, sieve = sieve_on(2)
    noted = sieve.sift(of_alarms("a", "b", "c"), Known(), NOTHING).notes
    assert noted[NOTE]
    sifted = sieve.sift(of_alarms("a"), Known(notes=noted), NOTHING)
    assert sifted.notes == {NOTE: None}


def test_scopes_that_were_not_looked_at_still_want_their_places():
    admission, sieve = sieve_on(3, "inventory")
    names = ("a", "b", "c", "d")
    whole = Reading("inventory", HERE, 1.0, samples=tuple(_status(name, "endpoints") for name in names))
    sieve.sift(whole, Known(), NOTHING)
    assert admission.dropped() == 2
    one = Reading("inventory", HERE, 1.0, samples=(_status("d", "endpoint/d"),), looked=("endpoint/d",))
    assert sieve.sift(one, Known(), NOTHING).samples == ()
    assert admission.dropped() == 3


def _status(name, scope):
    return Sample("sagemaker_endpoint_status", (*WHERE, name, "InService"), 1.0, scope=scope)


def test_readings_of_what_is_asked_one_by_one_and_of_the_process_are_left_alone():
    _, sieve = sieve_on(1)
    cpu = Sample("sagemaker_endpoint_cpu_utilization_ratio", (*WHERE, "a", "b"), 1.0)
    metrics = Reading(SOURCE, HERE, 1.0, samples=(cpu, cpu))
    own = Reading("own", None, 1.0, samples=(Sample("sagemaker_exporter_ready", (), 1.0),) * 3)
    assert sieve.sift(metrics, Known(), NOTHING) is metrics
    assert sieve.sift(own, Known(), NOTHING) is own


def test_what_was_refused_and_is_gone_is_no_longer_wanted():
    admission, sieve = sieve_on(3, "inventory")
    for name in "abcd":
        sieve.sift(Reading("inventory", HERE, 1.0, samples=(_status(name, f"endpoint/{name}"),)), Known(), NOTHING)
    assert sieve.scopes(HERE, "inventory") == {f"endpoint/{name}" for name in "abcd"}
    sieve.sift(Reading("inventory", HERE, 1.0, looked=("endpoint/c", "endpoint/d")), Known(), NOTHING)
    assert admission.dropped() == 0
    assert sieve.scopes(HERE, "inventory") == {"endpoint/a", "endpoint/b"}


def test_nothing_that_was_read_by_another_configuration_is_wanted():
    admission, sieve = sieve_on(3, "inventory")
    sieve.sift(Reading("inventory", HERE, 1.0, samples=tuple(_status(n, n) for n in "abcd")), Known(), NOTHING)
    sieve.forget()
    sieve.sift(Reading("inventory", HERE, 1.0, samples=(_status("a", "a"),)), Known(), NOTHING)
    assert admission.dropped() == 0


# -- those who do not ask, or ask too late -----------------------------------------------------------------------------


def test_nobody_waits_for_one_who_could_not_say_what_he_wants():
    admission = Admission(1000)
    admission.expect(HERE, {SOURCE: None, ALARMS: None})
    assert ask(admission, things(90)).refused
    admission.pass_by(HERE, ALARMS)
    assert not ask(admission, things(90)).refused
    admission.pass_by(HERE, SOURCE)  # who has asked still wants what he wanted
    assert ask(admission, things(200)).refused


def test_a_run_of_what_is_no_longer_configured_leaves_no_trace():
    admission = Admission(1000)
    admission.expect(HERE, {SOURCE: None})
    wanted = things(500)
    assert admission.admit(HERE, ALARMS, wanted, families=dict) == (frozenset(), None)
    assert admission.dropped() == 0
    assert not ask(admission, things(90)).refused


def test_one_group_that_is_larger_than_a_share_is_admitted_where_there_is_room():
    admission = Admission(2000)
    targets = [Target("1", f"r-{n:03}") for n in range(100)]
    for target in targets:
        admission.expect(target, {SOURCE: None})
    for _ in range(3):
        found = [used(wanted, ask(admission, wanted, target)) for target in targets for wanted in [things(1, 120)]]
        assert sum(found) == 1920  # 16 of them


def test_names_of_what_is_refused_stay_while_it_can_not_be_looked_at(caplog):
    admission = Admission(100)
    for families in ({"sagemaker_x": 1}, {}, {}):
        admission.expect(HERE, {SOURCE: None})
        admission.admit(HERE, SOURCE, things(20), families=lambda _, families=families: families)
        assert admission.refused() == {(HERE, SOURCE): {"sagemaker_x": 11}}
    assert len(caplog.records) == 1
