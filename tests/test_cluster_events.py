"""What HyperPod clusters log, by events and listings: each record counts once, whatever is lost, late or told twice."""

from __future__ import annotations

import random
from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from job_room import Api as JobApi
from street import ACCOUNT, REGION, Street
from test_job_events import ALONE, BOTH, Room, envelope
from worlds import HERE, T0, examples, values

from exporter.aws import AwsError
from exporter.config import parse
from exporter.demo import World
from exporter.demo.events import deliveries, events
from exporter.inventory import Census, Things, Told
from exporter.inventory import Thing as Listed
from exporter.jobs import UnreadableError, cluster_events
from exporter.jobs.cluster_events import LOGGED
from exporter.model import DAY, HOUR, MINUTE, Reading
from exporter.sources.job_polling import JobPolling, clusters

LISTS = "ListClusterEvents"
CONTINUOUS = {"NodeProvisioningMode": "Continuous"}
LEVELS, ABOUT = ("Info", "Warn", "Error"), ("Cluster", "InstanceGroup", "Instance")
SENT = "SageMaker HyperPod Cluster Event"


class Record:
    """What a cluster logged at a time, and how much later AWS lists it."""

    def __init__(self, cluster, at, level="Info", about="Instance", lag=0.0):
        self.cluster, self.at, self.level, self.about, self.lag = cluster, at, level, about, lag
        self.id = f"{cluster}-{at}-{level}-{about}-{lag}"

    def told(self, at):
        told = {"EventId": self.id, "ClusterName": self.cluster, "ResourceType": self.about, "EventTime": at}
        return told | ({"EventLevel": self.level} if self.level else {})

    def event(self):
        return envelope(SENT, {"EventDetails": self.told(self.at * 1000)}, self.at + 1, id_=f"sent-{self.id}")

    @property
    def labels(self):
        return self.cluster, self.level, self.about


class Api(JobApi):
    """What AWS answers about the logs of clusters, `size` records on a page at the most, and about jobs."""

    def __init__(self, clock, size=100):
        super().__init__(clock)
        self.size, self.records, self.refuse, self.asked = size, [], {}, []

    def call(self, target, operation, **params):
        if operation != LISTS:
            return super().call(target, operation, **params)
        self.calls[operation] += 1
        self.asked.append(params)
        name, now = params["ClusterName"], self.now()
        error = self.fails(operation) or self.refuse.get(name)
        if error:
            raise AwsError(error, f"{operation}: {error}")
        assert (params["SortBy"], params["SortOrder"]) == ("EventTime", "Descending")
        listed = [
            one
            for one in sorted(self.records, key=lambda one: (one.at, one.id), reverse=True)
            if one.cluster == name and params["EventTimeAfter"] < one.at <= now - one.lag
        ]
        if "NextToken" in params:
            if self.refuse.get((name, "rest")):
                raise AwsError(self.refuse[name, "rest"], "in the middle")
            beyond = tuple(params["NextToken"])
            listed = [one for one in listed if (one.at, one.id) < beyond]
        size = min(self.size, params["MaxResults"])
        page, more = listed[:size], len(listed) > size
        token = {"NextToken": [page[-1].at, page[-1].id]} if more else {}
        return {"Events": [one.told(one.at) for one in page], **token}


def cluster(name, created=T0 - DAY, mode=CONTINUOUS, failed=0, status="InService"):
    told = {} if mode is None else {"DescribeCluster": Told((mode,), T0, failed=failed)}
    return Listed("cluster", name, status, created, 0.0, told=told)


class Clusters(Room):
    """The room of events and polls, with clusters in the inventory."""

    def __init__(self, text=BOTH, *there, size=100):
        self.size = size
        super().__init__(text)
        self.there(*there)

    def start(self):
        if self.api.__class__ is not Api:
            self.api = Api(self.clock, self.size)
        super().start()

    def there(self, *there):
        at = self.clock.now()
        self.inventory.now = Census(things={"cluster": Things({one.name: one for one in there}, at)}, endpoints_at=at)

    def polls(self, number, seconds=MINUTE):
        for _ in range(number):
            self.clock.forward(seconds)
            self.run()

    @property
    def polled(self):
        return self.collection.run(self.sources[-1], HERE)


@pytest.fixture
def make():
    made = []

    def room(*there, text=BOTH, size=100):
        made.append(Clusters(text, *there, size=size))
        made[-1].run()
        return made[-1]

    yield room
    for one in made:
        one.ledger.close()


# -- by one record -----------------------------------------------------------------------------------------------------


def test_a_listing_and_an_event_make_the_same_of_a_record():
    one = Record("llm", T0 + 5.25, "Warn", "Cluster")
    listed = cluster_events.logged(HERE, one.told(one.at))
    assert listed == cluster_events.logged(HERE, one.told(one.at * 1000), T0 + 9, "an-envelope")
    assert (listed.identity, listed.at) == (one.id, T0 + 5.25)
    assert listed.effects[0].labels[2:] == ("llm", "Warn", "Cluster")


def test_words_are_spelled_as_in_the_service_model_whoever_writes_them():
    told = Record("llm", T0, "WARN", "INSTANCE_GROUP").told(T0)
    assert cluster_events.logged(HERE, told).effects[0].labels[2:] == ("llm", "Warn", "InstanceGroup")


def test_what_lacks_a_part_is_told_of_by_its_envelope_or_is_not_readable():
    told = Record("llm", T0).told(T0)
    bare = {name: value for name, value in told.items() if name not in {"EventId", "EventTime"}}
    event = cluster_events.logged(HERE, bare, T0 + 3, "an-envelope")
    assert (event.identity, event.at) == ("an-envelope", T0 + 3)
    for missing in ("ClusterName", "EventId", "EventTime"):
        with pytest.raises(UnreadableError, match=f"^an event of a cluster: {missing} is missing$"):
            cluster_events.logged(HERE, {name: value for name, value in told.items() if name != missing})


def test_the_log_is_listed_as_sagemaker_says():
    from test_kinds import SHAPES, check_fixed, gives, takes

    listing = cluster_events.LISTING
    check_fixed(listing.operation, listing.fixed)
    members = takes(listing.operation)["members"]
    assert takes(listing.operation)["required"] == ["ClusterName"]
    assert SHAPES[members[listing.since]["shape"]]["type"] == "timestamp"
    record = gives(listing.operation, listing.member)
    assert {"EventId", "ClusterName", "EventTime", "EventLevel", "ResourceType"} <= set(SHAPES[record]["members"])
    modes = SHAPES[SHAPES["DescribeClusterResponse"]["members"]["NodeProvisioningMode"]["shape"]]
    assert modes["enum"] == [cluster_events.CONTINUOUS]


# -- what is counted ---------------------------------------------------------------------------------------------------


def test_what_no_event_told_counts_and_what_one_told_counts_no_more(make):
    room = make(cluster("llm"))
    told, lost, before = Record("llm", T0 + 10), Record("llm", T0 + 20, "Error"), Record("llm", T0 - 1)
    room.api.records += [told, lost, before]
    room.clock.forward(60)
    room.hear(told.event())
    assert room.shown(LOGGED) == {told.labels: 1}
    room.polls(3)
    room.hear(told.event(), lost.event())
    room.restart()
    room.polls(2)
    assert room.shown(LOGGED) == {told.labels: 1, lost.labels: 1}


def test_of_a_cluster_that_exists_all_known_values_stand_at_0_and_leave_a_day_after_it(make):
    room = make(cluster("llm"))
    zeros = {(*HERE_IS, "llm", level, about) for level in LEVELS for about in ABOUT}
    assert set(values(room.ledger.snapshot(), LOGGED)) == zeros
    room.clock.forward(MINUTE)
    room.there()
    room.run()
    assert set(values(room.ledger.snapshot(), LOGGED)) == zeros
    room.clock.forward(DAY + MINUTE)
    room.there()
    room.run()
    assert not values(room.ledger.snapshot(), LOGGED)


HERE_IS = (HERE.account_id, HERE.region)
STATES = "sagemaker_cluster_state_changes_total"


def test_they_leave_too_where_changes_of_state_are_off_and_those_begin_when_they_are_on(make):
    room = make(cluster("llm"), cluster("gone"), text=f"families: {{exclude: [{STATES}]}}\n" + BOTH)
    assert len(values(room.ledger.snapshot(), LOGGED)) == 18
    assert not values(room.ledger.snapshot(), STATES)
    for status in ("Updating", "InService"):
        room.clock.forward(DAY + MINUTE)
        room.there(cluster("llm", status=status))
        room.run()
    assert len(values(room.ledger.snapshot(), LOGGED)) == 9
    room.config = parse(BOTH % "https://sqs.us-east-1.amazonaws.com/123456789012/events")
    room.restart()
    room.run()
    assert len(values(room.ledger.snapshot(), STATES)) == 7
    assert room.shown(STATES) == {}, "what changed before does not count"


def test_a_cluster_that_events_alone_told_of_leaves_with_its_states(make):
    room = make(text=ALONE)
    one = Record("llm", T0 + 10)
    deleting = {"ClusterName": "llm", "ClusterStatus": "Deleting", "LastModifiedTime": (T0 + 20) * 1000}
    room.clock.forward(60)
    room.hear(one.event(), envelope("SageMaker HyperPod Cluster State Change", deleting, T0 + 20))
    assert room.shown(LOGGED) == {one.labels: 1}
    room.clock.forward(2 * DAY)
    room.run()
    assert not values(room.ledger.snapshot(), LOGGED)


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 200, 201, 700])
def test_pages_end_where_they_end(make, number):
    room = make(cluster("llm"))
    room.api.records += [Record("llm", T0 + 1 + n / 100) for n in range(number)]
    room.api.asked.clear()
    room.polls(1)
    assert sum(room.shown(LOGGED).values()) == number
    assert len(room.api.asked) == max(1, -(-number // 100))
    room.polls(12)
    assert sum(room.shown(LOGGED).values()) == number
    room.api.asked.clear()
    room.polls(1)
    assert len(room.api.asked) == 1, "what is over is not read again"


def test_a_listing_that_breaks_in_the_middle_moves_no_mark(make):
    room = make(cluster("llm"), size=10)
    room.api.records += [Record("llm", T0 + 1 + n) for n in range(40)]
    room.api.refuse["llm", "rest"] = "transient"
    room.clock.forward(60)
    assert [(one.scope, one.error_class) for one in room.polled.failures] == [(LISTS, "transient")]
    assert sum(room.shown(LOGGED).values()) == 10
    room.polls(30)
    room.restart()
    room.polls(2)
    assert sum(room.shown(LOGGED).values()) == 10
    room.api.refuse.clear()
    room.polls(2)
    assert sum(room.shown(LOGGED).values()) == 40


def test_what_the_ledger_refused_is_read_again(make):
    room = make(cluster("llm"))
    room.api.records.append(Record("llm", T0 + 10))
    room.clock.forward(60)
    source = room.sources[-1]
    assert len(logged(source.read(HERE, room.ledger.known(source.name, HERE), room.clock.now()))) == 1
    room.polls(1)
    assert sum(room.shown(LOGGED).values()) == 1
    room.clock.forward(60)
    again = source.read(HERE, room.ledger.known(source.name, HERE), room.clock.now())
    assert not logged(again), "what is committed is not told again"


def logged(reading):
    return [event for event in reading.events if event.kind == cluster_events.KIND]


def test_a_record_that_can_not_be_read_is_complained_of_and_takes_no_other_with_it(make):
    room = make(cluster("llm"))
    good, bad = Record("llm", T0 + 10), Record("llm", T0 + 20)
    bad.id = ["odd"]
    room.api.records += [good, bad]
    room.clock.forward(60)
    (failure,) = room.polled.failures
    assert failure.detail == "an event of a cluster: EventId is a list, not a text"
    assert room.shown(LOGGED) == {good.labels: 1}


def test_a_cluster_that_is_made_again_under_its_name_goes_on(make):
    room = make(cluster("llm"))
    room.api.records.append(Record("llm", T0 + 10))
    room.polls(1)
    room.api.records.clear()
    room.api.refuse["llm"] = "absent"
    assert room.polled.failures == (), "it is gone, and the inventory has not seen it yet"
    room.there()
    room.polls(1)
    room.api.refuse.clear()
    made = room.clock.now() + 1
    room.api.records += [Record("llm", made + 1, "Error"), Record("llm", made + 30)]
    room.clock.forward(HOUR)
    room.there(cluster("llm", made))
    room.polls(2)
    assert room.shown(LOGGED) == {("llm", "Info", "Instance"): 2, ("llm", "Error", "Instance"): 1}
    room.clock.forward(2 * DAY)
    room.there(cluster("llm", made))
    room.run()
    assert room.shown(LOGGED) == {("llm", "Info", "Instance"): 2, ("llm", "Error", "Instance"): 1}


# -- who is asked ------------------------------------------------------------------------------------------------------


def asked(room):
    """Return which clusters are asked in a run, in which order."""
    room.api.asked.clear()
    room.polls(1)
    return [one["ClusterName"] for one in room.api.asked]


def test_only_clusters_that_have_a_log_are_asked_once_in_a_run(make):
    room = make(cluster("a"), cluster("b", mode={}), cluster("c"))
    assert sorted(asked(room)) == ["a", "c"]


def test_one_of_which_that_is_not_known_is_asked_and_if_it_refuses_left_alone_for_an_hour(make):
    room = make(cluster("a", mode=None), cluster("b", failed=1))
    assert sorted(asked(room)) == ["a", "b"], "what it was like before its description failed may be over"
    room.api.refuse["a"] = "bug"
    room.api.records.append(Record("a", T0 + 100))
    assert room.polled.failures == ()
    assert asked(room) == ["b"]
    room.polls(57)
    assert asked(room) == ["b"]
    room.api.refuse.clear()
    assert sorted(asked(room)) == ["a", "b"]
    assert room.shown(LOGGED) == {("a", "Info", "Instance"): 1}
    room.api.refuse["a"] = "bug"
    room.run()
    room.there(cluster("a"))
    assert asked(room) == ["a"], "now it is known that it has one"


def test_one_that_is_known_to_have_a_log_and_refuses_has_failed(make):
    room = make(cluster("a"))
    room.api.refuse["a"] = "bug"
    room.clock.forward(60)
    begun = room.clock.now()
    for _ in range(3):
        assert [(one.scope, one.error_class) for one in room.polled.failures] == [(LISTS, "bug")]
        assert asked(room) == []
    assert reading(room).read_until < begun, "it is not read"


def reading(room):
    source = room.sources[-1]
    found = source.read(HERE, room.ledger.known(source.name, HERE), room.clock.now())
    room.ledger.apply(found)
    return found


def test_what_is_denied_is_named_and_comes_when_it_is_allowed(make):
    room = make(cluster("a"), cluster("b"))
    room.api.records += [Record("a", T0 + 10), Record("b", T0 + 20)]
    room.api.refuse["a"] = "denied"
    room.clock.forward(60)
    assert [(one.scope, one.error_class) for one in room.polled.failures] == [(LISTS, "denied")]
    assert room.shown(LOGGED) == {("b", "Info", "Instance"): 1}, "of each cluster it may be another matter"
    room.polls(60)
    assert reading(room).read_until <= T0
    room.api.refuse.clear()
    room.polls(1)
    assert room.shown(LOGGED) == {("a", "Info", "Instance"): 1, ("b", "Info", "Instance"): 1}
    assert reading(room).read_until > T0 + HOUR


@pytest.mark.parametrize("error", ["throttled", "transient"])
def test_one_that_fails_always_keeps_nobody_else_from_being_asked(make, error):
    room = make(*(cluster(f"c{n}") for n in range(4)))
    room.api.refuse["c0"] = error
    runs = [asked(room) for _ in range(6)]
    assert all(runs)
    assert Counter(name for run in runs for name in run).most_common()[-1][1] >= 3


def test_of_many_clusters_each_has_its_turn(make):
    room = make(*(cluster(f"c{n:03d}") for n in range(150)))
    runs = [asked(room) for _ in range(5)]
    assert {len(run) for run in runs} == {clusters.CALLS}
    assert set(Counter(name for run in runs for name in run).values()) == {2}
    room.api.records += [Record(f"c{n:03d}", room.clock.now() + 1) for n in range(150)]
    room.polls(4)
    assert len(room.shown(LOGGED)) == 150


def test_one_that_has_much_to_tell_leaves_others_their_share(make):
    room = make(cluster("noisy"), cluster("quiet"))
    room.clock.forward(HOUR)
    room.api.records += [Record("noisy", T0 + n / 2) for n in range(7000)]
    room.api.records.append(Record("quiet", T0 + 60))
    assert asked(room).count("noisy") == clusters.PAGES
    assert room.shown(LOGGED)["quiet", "Info", "Instance"] == 1
    room.polls(1)
    room.restart()
    room.polls(20)
    assert room.shown(LOGGED)["noisy", "Info", "Instance"] == 7000
    assert len(asked(room)) == 2


def test_clusters_of_which_nothing_is_known_for_a_while_keep_their_marks(make):
    room = make(cluster("a"))
    room.polls(60)
    room.inventory.now = Census()  # as after a start, or while the inventory is off
    room.api.records.append(Record("a", room.clock.now() + 10))
    assert asked(room) == []
    room.restart()
    assert asked(room) == []
    room.polls(60)
    room.there(cluster("a"))
    asked(room)
    assert min(one["EventTimeAfter"] for one in room.api.asked) >= T0 + HOUR - 11 * MINUTE
    assert room.shown(LOGGED) == {("a", "Info", "Instance"): 1}


@pytest.mark.parametrize("lag", [MINUTE, 9 * MINUTE])
def test_what_is_listed_late_counts_all_the_same(make, lag):
    room = make(cluster("a"))
    room.api.records += [Record("a", T0 + 10 + 60 * n, lag=lag if n % 2 else 0) for n in range(30)]
    room.polls(60)
    assert sum(room.shown(LOGGED).values()) == 30


def test_while_the_family_is_off_nothing_is_asked_and_what_is_logged_never_counts(make):
    room = make(cluster("a"), text=f"families: {{exclude: [{LOGGED}]}}\n" + BOTH)
    room.api.records.append(Record("a", T0 + 10))
    assert asked(room) == []
    assert clusters.NOTE not in room.ledger.known("job_polling", HERE).notes
    room.config = parse(BOTH % "https://sqs.us-east-1.amazonaws.com/123456789012/events")
    room.restart()
    room.run()
    room.api.records.append(Record("a", room.clock.now() + 1, "Error"))
    assert asked(room) == ["a"]
    assert room.shown(LOGGED) == {("a", "Error", "Instance"): 1}


def test_of_what_is_not_chosen_nothing_counts_neither_then_nor_when_it_is(make):
    narrow = "resources: {exclude: [a]}\n" + BOTH
    room = make(cluster("a"), cluster("b"), text=narrow)
    room.api.records += [Record("a", T0 + 10), Record("b", T0 + 10)]
    assert asked(room) == ["b"]
    health = {"ClusterName": "a", "HealthSummary": {"HealthStatus": "Unhealthy", "RepairAction": "Reboot"}}
    room.hear(Record("a", T0 + 11).event(), envelope("SageMaker HyperPod Cluster Node Health Event", health, T0 + 12))
    assert room.shown(LOGGED) == {("b", "Info", "Instance"): 1}
    assert room.shown("sagemaker_cluster_node_health_events_total") == {}
    assert {labels[2] for labels in values(room.ledger.snapshot(), LOGGED)} == {"b"}
    room.config = parse(BOTH % "https://sqs.us-east-1.amazonaws.com/123456789012/events")
    room.restart()
    room.polls(1)
    room.restart()
    room.api.records.append(Record("a", room.clock.now() + 1, "Error"))
    assert sorted(asked(room)) == ["a", "b"]
    assert room.shown(LOGGED) == {("b", "Info", "Instance"): 1, ("a", "Error", "Instance"): 1}


def test_an_hour_takes_a_call_for_each_log_and_run(make):
    room = make()
    census = Census(things={"cluster": Things({n: cluster(n, mode=mode) for n, mode in MODES.items()}, T0)})

    def forecast(text):
        return JobPolling(room.api, room.inventory, parse(text)).forecast({HERE: census}, 0.0, T0).calls.get(LISTS)

    assert forecast("") == 2 * 60
    assert forecast("resources: {exclude: [a]}") == 60
    assert forecast(f"families: {{exclude: [{LOGGED}]}}") is None


MODES = {"a": CONTINUOUS, "b": {}, "c": None}


# -- any history -------------------------------------------------------------------------------------------------------


@st.composite
def histories(draw):
    """Draw what clusters log around the start of counting, and what happens to those who look."""
    number = draw(st.integers(0, 40))
    records = [
        Record(
            draw(st.sampled_from(["a", "b", "c"])),
            T0 + draw(st.integers(-2000, 20_000)) + draw(st.sampled_from([0.0, 0.25])),
            draw(st.sampled_from([*LEVELS, "Odd", ""])),
            draw(st.sampled_from(ABOUT)),
            draw(st.sampled_from([0.0, 60.0, 590.0])),
        )
        for _ in range(number)
    ]
    acts = ["poll"] * 5 + ["fail", "some fail", "breaks", "restart", "no inventory", "replace a"]
    steps = st.tuples(st.sampled_from(acts), st.sampled_from([30, 60, 600, 5000]))
    luck = draw(st.randoms(use_true_random=False))
    return list({one.id: one for one in records}.values()), draw(st.lists(steps, min_size=3, max_size=25)), luck


def arrivals(records, luck, losses):
    """Return the events about records, each with the time of its arrival."""
    found = []
    for one in records:
        copies = 0 if luck.random() < losses else luck.choice([1, 1, 2])
        found += [(one.at + luck.choice([1.0, 500.0, 9000.0]), one) for _ in range(copies)]
    return found


def play(room, history, losses):
    """Let a history happen; return what was listed or told of it, and what may have been, and the events."""
    records, steps, luck = history
    room.api.records = list(records)
    coming, heard, gone = arrivals(records, luck, losses), [], set()
    there = {name: cluster(name) for name in "abc"}
    for step, seconds in [*steps, *(("poll", 3600) for _ in range(9))]:
        room.clock.forward(seconds)
        now = room.clock.now()
        room.api.fails = {
            "fail": lambda _: "transient",
            "some fail": lambda _: luck.choice([None, "transient", "denied", "throttled"]),
        }.get(step, lambda _: None)
        room.api.refuse = dict.fromkeys([(name, "rest") for name in "abc"], "transient") if step == "breaks" else {}
        if step == "restart":
            room.restart()
        room.there(*there.values())
        if step == "no inventory":
            room.inventory.now = Census()
        come = [pair for pair in coming if pair[0] <= now and pair[1].at <= now]
        coming = [pair for pair in coming if pair not in come]
        told = [one.event() for _, one in come]
        luck.shuffle(told)
        heard += told
        if told:
            assert room.hear(*told) == []
        room.run()
        if step == "replace a":  # nothing it logged can be listed any more
            there["a"] = cluster("a", now)
            gone |= {one for one in room.api.records if one.cluster == "a" and one.at <= now}
            room.api.records = [one for one in room.api.records if one not in gone]
    return heard


@pytest.mark.parametrize("text", [BOTH, ALONE])
@settings(max_examples=examples(60))
@given(histories(), st.sampled_from([0.0, 0.5, 1.0]))
def test_every_record_counts_once_by_events_by_polls_or_by_both(text, history, losses):
    records, steps, _ = history
    room = Clusters(text, *(cluster(name) for name in "abc"), size=3)
    try:
        room.run()
        heard = play(room, history, losses)
        now = room.clock.now()
        told = {one["id"] for one in heard}
        shown = Counter(room.shown(LOGGED))
        polled = text == BOTH
        replaced = any(step == "replace a" for step, _ in steps)
        sure = [
            one
            for one in records
            if T0 <= one.at <= now and (f"sent-{one.id}" in told or (polled and (one.cluster != "a" or not replaced)))
        ]
        most = [one for one in records if T0 <= one.at <= now and (polled or f"sent-{one.id}" in told)]
        least = Counter(one.labels for one in sure)
        assert not least - shown
        assert not shown - Counter(one.labels for one in most)
        if not (polled and replaced):
            assert shown == least
        room.clock.forward(60 * DAY)  # their ids are forgotten by now
        room.there(*(cluster(name) for name in "abc"))
        for _ in range(2):
            room.hear(*(one | {"replay-name": "again"} for one in heard))
            room.run()
        assert Counter(room.shown(LOGGED)) == shown
    finally:
        room.ledger.close()


# -- on the street -----------------------------------------------------------------------------------------------------


def lively(luck, until):
    """Return a world with two clusters that log more than a page in an hour, and one that has no log."""
    world = World(seed=1)
    world.add_thing(ACCOUNT, REGION, "cluster", "without", T0 - DAY, id="abcdefghijkl")
    for own, name in (("bcdefghijklm", "first"), ("cdefghijklmn", "second")):
        cluster = world.add_thing(ACCOUNT, REGION, "cluster", name, T0 - DAY, id=own, **CONTINUOUS)
        for _ in range(800):
            uuid = str(UUID(int=luck.getrandbits(128)))
            facts = {"EventLevel": luck.choice(LEVELS), "ResourceType": luck.choice(ABOUT)}
            at = T0 + luck.randrange(-HOUR, until)
            world.add_thing(ACCOUNT, REGION, "cluster_event", uuid, at, id=uuid, parent=cluster.resource, **facts)
    return world


@pytest.mark.parametrize("seed", range(3))
def test_all_that_clusters_log_counts_over_kills_and_faults_on_the_fake(seed):
    luck = random.Random(seed)
    street = Street(lively(luck, 6 * HOUR), run=["inventory", "job_polling"], kinds=True)
    street.aws._rates = {}
    try:
        street.cycle()
        begun = street.ledger.known("job_polling", street.target).notes["begun"]
        for n in range(16):
            if n % 5 == 3:
                street.kill()
                street.start()
            if n % 4 == 2:
                street.fake.faults.add(luck.choice(["http_500", "deny", "throttle"]), operation=LISTS, every=2)
            street.cycle(luck.choice([MINUTE, 10 * MINUTE, HOUR]))
            street.fake.faults.clear()
        for _ in range(3):
            snapshot = street.cycle(2 * HOUR)
        place = street.fake.world.region(ACCOUNT, REGION)
        truth = Counter()
        for one in place.things.listing("cluster_event", street.clock.now()):
            if one.created >= begun:
                name = place.things.find(one.parent, one.created).name
                truth[name, *(one.fact(fact, one.created) for fact in ("EventLevel", "ResourceType"))] += 1
        assert truth.total() > 1000
        assert {labels[2:]: n for labels, n in values(snapshot, LOGGED).items() if n} == truth
        heard = [
            cluster_events.logged(street.target, one["detail"]["EventDetails"], 0.0, one["id"])
            for _, one in deliveries(events(street.fake.world, ACCOUNT, REGION, begun, street.clock.now()))
            if one["detail-type"] == SENT
        ]
        assert len(heard) >= truth.total()
        street.ledger.apply(Reading("job_events", street.target, street.clock.now(), events=tuple(heard)))
        snapshot = street.ledger.snapshot()
        assert {labels[2:]: n for labels, n in values(snapshot, LOGGED).items() if n} == truth, "by the same identities"
    finally:
        street.kill()
