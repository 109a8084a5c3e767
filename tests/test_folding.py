"""Labels keep to their bounds, whatever AWS thinks of next."""

from __future__ import annotations

from street import ACCOUNT, REGION, Street
from worlds import HERE, T0

from exporter.catalogue import CATALOGUE
from exporter.catalogue.labels import LABELS
from exporter.demo import World
from exporter.folding import OTHER, SHOWN, UNKNOWN, Folding
from exporter.model import Chunk, Effect, Event, Reading, Sample, Snapshot
from exporter.tally import Tally

WHERE = (HERE.account_id, HERE.region)
STATUS, CHANGES, COUNTED = "sagemaker_endpoint_status", "sagemaker_alarm_state_changes_total", "sagemaker_alarms"
NOTHING = Snapshot(0, 0.0, {})


class Room:
    def __init__(self, snapshot=NOTHING):
        self.tally = Tally()
        self.folding = Folding(self.tally, snapshot)

    def fold(self, *samples, at=1.0, **more):
        return self.folding.fold(Reading("inventory", HERE, at, samples=samples, **more))

    def folded(self):
        family = "sagemaker_exporter_label_values_folded_total"
        return {s.labels[0]: s.value for s in self.tally.samples("own", 0.0) if s.family == family and s.value}


def status(word, value=1.0, name="churn"):
    return Sample(STATUS, (*WHERE, name, word), value)


def words(reading):
    return [(sample.labels[-1], sample.value) for sample in reading.samples]


def test_what_keeps_to_its_bounds_is_left_as_it_is():
    room = Room()
    samples = tuple(status(word) for word in (*CATALOGUE[STATUS].known("status"), "", "Pondering"))
    reading = Reading(
        "inventory", HERE, 1.0, samples=samples, events=(change("ALARM"),), seeds=(Effect(STATUS, samples[0].labels),)
    )
    assert room.folding.fold(reading) is reading
    assert room.folded() == {}


def test_a_few_unknown_words_pass_and_the_rest_are_one():
    room = Room()
    room.fold(*(status(f"New{n}") for n in range(UNKNOWN)))
    assert words(room.fold(status("New0"), status("Newer"))) == [("New0", 1.0), (OTHER, 1.0)]
    assert words(room.fold(status("Newer"), status("Newest"))) == [(OTHER, 1.0)]
    assert room.folded() == {"status": 2}


def test_states_that_have_become_one_hold_if_any_does_and_counts_are_summed():
    room = Room()
    room.fold(*(status(f"New{n}") for n in range(UNKNOWN)))
    assert words(room.fold(status("A", 0.0), status("B", 1.0), status("C", 0.0))) == [(OTHER, 1.0)]
    counts = (Sample(COUNTED, (*WHERE, "LogAlarm", word), 2.0) for word in "ABC")
    assert words(room.fold(*counts)) == [(OTHER, 6.0)]


def test_of_times_that_have_become_one_the_newest_stands():
    room, family = Room(), "sagemaker_job_last_end_timestamp_seconds"
    room.fold(*(Sample(family, (*WHERE, "training", f"New{n}"), 1.0) for n in range(UNKNOWN)))
    times = (Sample(family, (*WHERE, "training", word), at) for word, at in (("A", 7.0), ("B", 9.0), ("C", 8.0)))
    assert words(room.fold(*times)) == [(OTHER, 9.0)]


def test_what_can_not_be_added_is_not_shown_beyond_its_bound():
    room = Room()
    most = int(LABELS["instance_type"].bound.removeprefix("capped "))
    families = ("sagemaker_cost_price_hourly_usd", "sagemaker_cost_hourly_usd")
    room.fold(*(Sample(families[0], (*WHERE, "endpoint", f"ml.m{n}.large"), 1.0) for n in range(most)))
    types = ("ml.m0.large", "ml.new.large", "ml.newer.large")
    folded = room.fold(*(Sample(family, (*WHERE, "endpoint", one), 2.0) for family in families for one in types))
    assert [(one.family, *one.labels[3:], one.value) for one in folded.samples] == [
        (families[0], "ml.m0.large", 2.0),
        (families[1], "ml.m0.large", 2.0),
        (families[1], OTHER, 4.0),
    ]
    assert room.folded() == {"instance_type": 2}


def change(word):
    effect = Effect(CHANGES, (*WHERE, "churn", word))
    return Event("cloudwatch_alarms/state", word, 1.0, HERE, (effect,))


def test_events_are_counted_under_other_and_end_there():
    room = Room()
    room.fold(*(status(f"New{n}") for n in range(UNKNOWN)))
    effect = Effect(CHANGES, (*WHERE, "churn", "Z"))
    folded = room.fold(events=(change("Y"),), seeds=(effect,), ended=(effect,))
    assert folded.events[0].identity == "Y"
    assert {one.labels[-1] for one in (*folded.events[0].effects, *folded.seeds, *folded.ended)} == {OTHER}


def test_what_ends_alone_ends_where_it_was_counted():
    room = Room()
    room.fold(*(status(f"New{n}") for n in range(UNKNOWN)))
    room.fold(events=(change("Z"),))
    (ended,) = room.fold(ended=(Effect(CHANGES, (*WHERE, "churn", "Z")),)).ended
    assert ended.labels[-1] == OTHER


def test_what_no_reading_has_had_for_long_gives_its_place_to_others():
    room = Room()
    room.fold(*(status(f"New{n}") for n in range(UNKNOWN)))
    assert words(room.fold(status("New7"), status("Newer"), at=1.0 + SHOWN)) == [("New7", 1.0), (OTHER, 1.0)]
    fresh = [status(f"Fresh{n}") for n in range(UNKNOWN)]
    shown = words(room.fold(*fresh, status("New7"), at=2.0 + SHOWN))
    assert shown == [*((f"Fresh{n}", 1.0) for n in range(UNKNOWN - 1)), (OTHER, 1.0), ("New7", 1.0)]


def test_what_events_have_counted_under_keeps_its_place():
    """Or its counter would stand still, and what ends would end another one."""
    labels = tuple((*WHERE, "churn", f"Old{n}") for n in range(UNKNOWN - 2))
    room = Room(Snapshot(1, 0.0, {(CHANGES, HERE): Chunk(labels, {"": (1.0,) * len(labels)})}))
    effect = Effect(CHANGES, (*WHERE, "churn", "Seed"))
    room.fold(events=(change("Event"),), seeds=(effect,))
    room.fold(status("Event"), at=2.0)
    assert words(room.fold(status("Newer"), at=10 * SHOWN)) == [(OTHER, 1.0)]
    (ended,) = room.fold(ended=(effect,), at=10 * SHOWN).ended
    assert ended is effect
    (counted,) = room.fold(events=(change("Event"),), at=10 * SHOWN).events
    assert counted.effects[0].labels[-1] == "Event"


def test_what_was_counted_before_a_restart_goes_on_under_its_name():
    labels = tuple((*WHERE, "churn", f"New{n}") for n in range(UNKNOWN))
    room = Room(Snapshot(1, 0.0, {(CHANGES, HERE): Chunk(labels, {"": (1.0,) * UNKNOWN})}))
    assert words(room.fold(status("New7"), status("Newer"))) == [("New7", 1.0), (OTHER, 1.0)]


def test_a_capped_label_has_its_first_values():
    room, family = Room(), "sagemaker_endpoint_variant_info"
    row = CATALOGUE[family]
    assert LABELS["instance_type"].bound == "capped 300"
    place = row.labels.index("instance_type")
    samples = [
        Sample(family, tuple(f"ml.{n}" if i == place else "x" for i in range(len(row.labels))), 1.0) for n in range(400)
    ]
    shown = {sample.labels[place] for sample in room.fold(*samples).samples}
    assert shown == {f"ml.{n}" for n in range(300)} | {OTHER}


def test_a_flood_of_words_is_remembered_to_a_bound(caplog):
    room = Room()
    room.fold(*(status(f"New{n}") for n in range(5000)))
    assert room.folded() == {"status": 1000}
    assert len(caplog.records) == 1


def test_on_the_street():
    world = World()
    for n in range(30):
        world.add_endpoint(ACCOUNT, REGION, f"e-{n:02}", T0, status=f"New{n}")
    street = Street(world)
    snapshot = street.cycle()
    shown = {
        labels[-1] for (family, _), chunk in snapshot.chunks.items() if family == STATUS for labels in chunk.labels
    }
    assert len(shown - set(CATALOGUE[STATUS].known("status"))) == UNKNOWN + 1
    assert OTHER in shown
    street.kill()
