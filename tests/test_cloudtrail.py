"""API calls that CloudTrail has recorded, counted once: looked up, told by events, or both, and an oracle beside."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest
from msgspec import structs
from street import ACCOUNT, REGION, Street
from worlds import T0, values

from exporter.aws.queues import opened
from exporter.demo import World
from exporter.demo.calls import Delay, Delays, exactly, record
from exporter.demo.identities import assumed_role, iam_user, root
from exporter.ledger import LedgerError
from exporter.model import DAY, HOUR, MINUTE
from exporter.sources.cloudtrail import HeardCalls
from exporter.sources.job_events import JobEvents

CALLS = "sagemaker_api_calls_total"
ERRORS = "sagemaker_api_call_errors_total"
ORIGINS = "sagemaker_api_calls_by_origin_total"
PRINCIPALS = "sagemaker_api_calls_by_principal_total"
LAG = "sagemaker_api_event_delivery_lag_seconds"
NEWEST = "sagemaker_api_last_event_timestamp_seconds"
LAST_CALL = "sagemaker_api_last_call_timestamp_seconds"
LAST_DATA = "sagemaker_api_last_data_call_timestamp_seconds"
DATA = "sagemaker_api_data_calls_total"
OUTCOMES = "sagemaker_exporter_events_total"
SOURCE = "sagemaker.amazonaws.com"
QUEUE = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/events"
LATE = Delays(*(Delay((30.0, 400.0), late=0.3, latest=900.0, again=0.1),) * 3)
NAMES = ("CreateTrainingJob", "DeleteEndpoint", "ListEndpoints", "UpdateDomain", "InvokeSomethingNew")
TROUBLES = (None, None, None, ("AccessDenied", "no"), ("ThrottlingException", ""), ("ResourceLimitExceeded", ""))
CLASSES = {
    "": "none",
    "AccessDenied": "access_denied",
    "ThrottlingException": "throttled",
    "ResourceLimitExceeded": "limit_exceeded",
}


class Trails(Street):
    """A street that looks up calls, and hears of them when events are `told`."""

    def __init__(self, world, text="", **more):
        super().__init__(world, text=text, run=("cloudtrail",), **more)

    def start(self, text=None):
        super().start(text)
        self.listener = HeardCalls(self.aws, self.config)

    def told(self, *calls):
        envelopes = [opened(json.dumps(envelope(call))) for call in calls]
        assert self.collection.hear(self.listener, self.target, envelopes) == []

    def shown(self, family, part=""):
        found = values(self.ledger.snapshot(), family, part)
        return {labels[2:]: value for labels, value in found.items() if labels[:2] == (ACCOUNT, REGION) and value}

    def over(self):
        """Let all that is late arrive; nobody calls any more."""
        for _ in range(30):
            self.cycle(HOUR)


def envelope(call):
    return {
        "version": "0",
        "id": f"envelope of {call.event_id}",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.sagemaker",
        "account": ACCOUNT,
        "time": "2026-01-01T00:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": record(call, ACCOUNT, REGION),
    }


def oracle(world, begun):
    """Return what should be counted of the calls since counting began, told by the truth: calls and errors."""
    calls, errors = Counter(), Counter()
    for one in world.region(ACCOUNT, REGION).calls.between(begun, T0 + 400 * DAY):
        if one.source != SOURCE or one.category != "Management" or "sagemaker-exporter" in one.who.agent:
            continue
        code = one.error[0] if one.error else ""
        read_only = "true" if one.name.startswith("List") else "false"
        calls[SOURCE, one.name, CLASSES[code], one.who.record["type"], read_only] += 1
        if code:
            errors[SOURCE, one.name, code] += 1
    return calls, errors


def busy(luck, world, number, start, end):
    """Let people call; return the calls."""
    who = (
        iam_user(ACCOUNT, "ada"),
        assumed_role(ACCOUNT, "pipelines", "run"),
        root(ACCOUNT),
    )
    return [
        world.add_call(
            ACCOUNT,
            REGION,
            luck.uniform(start, end),
            luck.choice(NAMES),
            who=luck.choice(who),
            error=luck.choice(TROUBLES),
            source=luck.choice([SOURCE] * 9 + ["s3.amazonaws.com"]),
        )
        for _ in range(number)
    ]


@pytest.fixture
def trails():
    made = []

    def start(world=None, text="", **more):
        made.append(Trails(world or World(seed=1, call_delays=LATE), text, **more))
        return made[-1]

    yield start
    for one in made:
        one.kill()


def test_who_called_what_from_where_and_how_it_went(trails):
    one = trails(World(seed=1, call_delays=exactly(30.0)), "sources: {cloudtrail: {principals: 5}}")
    world = one.fake.world
    one.cycle()
    office = iam_user(ACCOUNT, "ada", address="10.1.2.3")
    world.add_call(ACCOUNT, REGION, T0 + 100, "DeleteEndpoint", who=office)
    world.add_call(ACCOUNT, REGION, T0 + 110, "DeleteEndpoint", who=office, error=("AccessDenied", "no"))
    for _ in range(6):
        one.cycle(MINUTE)
    assert one.shown(CALLS) == {
        (SOURCE, "DeleteEndpoint", "none", "IAMUser", "false"): 1,
        (SOURCE, "DeleteEndpoint", "access_denied", "IAMUser", "false"): 1,
    }
    assert one.shown(ERRORS) == {(SOURCE, "DeleteEndpoint", "AccessDenied"): 1}
    assert one.shown(ORIGINS) == {
        (SOURCE, "private_address", "none"): 1,
        (SOURCE, "private_address", "access_denied"): 1,
    }
    assert one.shown(PRINCIPALS) == {
        (SOURCE, "DeleteEndpoint", "none", "ada"): 1,
        (SOURCE, "DeleteEndpoint", "access_denied", "ada"): 1,
    }
    assert one.shown(NEWEST) == {("lookup",): T0 + 110}
    assert one.shown(LAG, "count") == {("lookup",): 2}


def test_calls_of_endpoints_are_seen_only_where_a_trail_logs_data_events(trails):
    """LookupEvents never shows them: that is told by a 0, and not by silence."""
    one = trails(World(seed=1, call_delays=exactly(5.0)), f"families: {{include: [{LAST_CALL}]}}")
    world = one.fake.world
    one.cycle()
    for n in range(3):
        world.add_call(ACCOUNT, REGION, T0 + 10 + n, "InvokeEndpoint", eventCategory="Data", managementEvent=False)
    invoked = list(world.region(ACCOUNT, REGION).calls.between(T0 + 10, T0 + 13))
    world.add_call(ACCOUNT, REGION, T0 + 20, "ListEndpoints")
    for _ in range(6):
        one.cycle(MINUTE)
    assert one.shown(CALLS) == {(SOURCE, "ListEndpoints", "none", "IAMUser", "true"): 1}
    assert one.shown(DATA) == {}
    assert values(one.ledger.snapshot(), LAST_DATA) == {(ACCOUNT, REGION): 0.0}
    one.told(*invoked)
    one.told(invoked[0])
    for _ in range(4):
        one.cycle(MINUTE)
    assert one.shown(DATA) == {(SOURCE, "InvokeEndpoint", "none", "IAMUser"): 3}
    assert one.shown(CALLS) == {(SOURCE, "ListEndpoints", "none", "IAMUser", "true"): 1}, "never mixed"
    for _ in range(2):
        assert one.shown(LAST_DATA) == {(): T0 + 12}
        assert one.shown(LAST_CALL) == {(SOURCE, "InvokeEndpoint"): T0 + 12, (SOURCE, "ListEndpoints"): T0 + 20}
        one.kill()
        one.start()
        one.cycle(MINUTE)


def test_what_was_called_before_counting_began_does_not_count(trails):
    world = World(seed=1, call_delays=exactly(30.0))
    busy(random.Random(1), world, 50, T0 - HOUR, T0)
    one = trails(world)
    one.over()
    assert one.shown(CALLS) == {}


def test_only_so_many_principals_become_labels(trails):
    one = trails(World(seed=1, call_delays=exactly(0.0)), "sources: {cloudtrail: {principals: 2}}")
    one.cycle()
    for n in range(5):
        one.fake.world.add_call(ACCOUNT, REGION, T0 + 10 + n, "DeleteModel", who=iam_user(ACCOUNT, f"user-{n}"))
    for _ in range(5):
        one.cycle(MINUTE)
    assert sum(one.shown(PRINCIPALS).values()) == 5
    assert len({labels[-1] for labels in one.shown(PRINCIPALS)} - {"other"}) == 2


def test_our_own_calls_are_left_out_and_told(trails):
    one = trails(World(seed=1, call_delays=exactly(5.0)))
    for _ in range(5):
        one.aws.call(one.target, "ListEndpoints")
        one.cycle(MINUTE)
    assert one.shown(CALLS) == {}
    assert one.fake.bill.requests["sagemaker.ListEndpoints"] == 5
    one.collection.own()
    assert one.shown(OUTCOMES)["cloudtrail", "own"] >= 4


def test_a_record_that_can_not_be_read_is_told_and_the_rest_counts(trails):
    one = trails(World(seed=1, call_delays=exactly(5.0)))
    one.cycle()
    one.fake.world.add_call(ACCOUNT, REGION, T0 + 20, "DeleteModel", eventID="e" * 2000)
    one.fake.world.add_call(ACCOUNT, REGION, T0 + 20, "DeleteModel", who=iam_user(ACCOUNT, 'a"\n\\😀'))
    for _ in range(4):
        one.cycle(MINUTE)
    assert sum(one.shown(CALLS).values()) == 1
    one.collection.own()
    assert one.shown(OUTCOMES)["cloudtrail", "unparsed"] > 0


@pytest.mark.parametrize("seed", range(4))
def test_each_call_counts_once_by_whatever_roads(trails, seed):
    """Late, repeated and unordered records; events lost and told again; kills, throttles, outages in between."""
    luck = random.Random(seed)
    heard = seed % 2
    one = trails(text="limits: {requests_per_second: {LookupEvents: 2}}")
    world = one.fake.world
    one.cycle()
    known = []
    for n in range(40):
        now = one.true.now()
        known += busy(luck, world, luck.choice([0, 5, 150]), now, now + MINUTE)
        if heard:
            some = [call for call in known if call.at <= now and call.source == SOURCE and luck.random() < 0.3]
            one.told(*luck.sample(some, min(len(some), 20)))
        if n % 9 == 4:
            one.kill()
            one.start()
        if n % 7 == 2:
            one.fake.faults.add(luck.choice(["http_503", "deny"]), operation="LookupEvents")
        one.cycle(luck.choice([MINUTE, MINUTE, HOUR]))
        one.fake.faults.clear()
    one.over()
    calls, errors = oracle(world, T0)
    assert sum(calls.values()) > 500
    assert one.shown(CALLS) == calls
    assert one.shown(ERRORS) == errors
    assert sum(one.shown(LAG, "count").values()) == sum(calls.values())


def test_events_alone_count_each_call_once(trails):
    luck = random.Random(3)
    one = trails(text=f"queues: {{events: {{url: '{QUEUE}'}}}}\nsources: {{cloudtrail: {{from: queue}}}}")
    made = [call for call in busy(luck, one.fake.world, 200, T0, T0 + HOUR) if call.source == SOURCE]
    one.true.forward(HOUR)
    for _ in range(3):
        for first in range(0, len(made), 30):
            one.told(*luck.sample(made[first : first + 30], len(made[first : first + 30])))
    for _ in range(3):
        one.cycle(5 * MINUTE)
        one.told()
    assert one.shown(CALLS) == oracle(one.fake.world, T0)[0]
    assert one.shown(LAG, "count") == {("queue",): len(made)}


def test_an_unreadable_record_stays_in_the_queue_and_the_others_count(trails):
    one = trails(World(seed=1, call_delays=exactly(0.0)))
    one.cycle()
    good, bad, far = busy(random.Random(4), one.fake.world, 3, T0, T0 + 1)
    told = [opened(json.dumps(envelope(call))) for call in (good, bad, far)]
    told[1] = structs.replace(told[1], detail={**told[1].detail, "eventID": None})
    told[2] = structs.replace(told[2], detail={**told[2].detail, "recipientAccountId": "999999999999"})
    assert one.collection.hear(one.listener, one.target, told) == told[1:]
    for _ in range(3):
        one.cycle(5 * MINUTE)
    assert not values(one.ledger.snapshot(), CALLS).keys() - {(ACCOUNT, REGION, *labels) for labels in one.shown(CALLS)}


def test_a_record_from_the_future_tells_nothing_of_what_is_newest(trails):
    one = trails(text=f"queues: {{events: {{url: '{QUEUE}'}}}}\nsources: {{cloudtrail: {{from: queue}}}}")
    (call,) = busy(random.Random(1), one.fake.world, 1, T0 + 5, T0 + 6)
    one.told(call)
    assert one.shown(NEWEST) == {("queue",): float(int(call.at))}
    later = one.fake.world.add_call(ACCOUNT, REGION, T0 + 900 * DAY, "DeleteModel")
    one.told(later)
    assert one.shown(NEWEST) == {("queue",): float(int(call.at))}


@pytest.mark.parametrize("first", ["sagemaker.amazonaws.com", "metrics-sagemaker.amazonaws.com"])
def test_an_event_source_that_is_new_counts_from_now_on(trails, first):
    other = "metrics-sagemaker.amazonaws.com"
    text = "sources: {{cloudtrail: {{event_sources: [{}]}}}}".format
    one = trails(World(seed=1, call_delays=exactly(30.0)), text(first))
    for n in range(20):
        one.fake.world.add_call(ACCOUNT, REGION, T0 + n * HOUR, "BatchPutMetrics", source=other)
    one.cycle()
    for off in ("sagemaker.amazonaws.com", f"sagemaker.amazonaws.com, {other}"):
        for _ in range(9):
            one.cycle(HOUR)
        one.kill()
        one.start(text(off))
        one.cycle(MINUTE)
    counted = sum(one.shown(CALLS).values())
    one.over()
    while_on = 8 if first == other else 0  # those of its first nine hours, but for the one before it began
    assert counted <= while_on + 1
    assert sum(one.shown(CALLS).values()) - counted <= 2, "the last hours alone"


def test_events_of_calls_are_for_this_source_alone(trails):
    one = trails()
    (call,) = busy(random.Random(1), one.fake.world, 1, T0, T0 + 1)
    told = opened(json.dumps(envelope(call)))
    assert one.listener.hears(told)
    assert not JobEvents(one.aws, one.inventory, one.config).hears(told)


def test_an_idle_cycle_is_a_call_for_each_event_source(trails):
    sources = "[sagemaker.amazonaws.com, metrics-sagemaker.amazonaws.com]"
    one = trails(text=f"sources: {{cloudtrail: {{event_sources: {sources}}}}}")
    one.cycle()
    before = one.fake.bill.requests["cloudtrail.LookupEvents"]
    for _ in range(9):
        one.cycle(MINUTE)
    assert one.fake.bill.requests["cloudtrail.LookupEvents"] - before == 18


def test_while_lookup_is_denied_it_says_so_and_nothing_is_lost(trails):
    one = trails(World(seed=1, call_delays=exactly(10.0)))
    one.cycle()
    made = busy(random.Random(2), one.fake.world, 30, T0, T0 + HOUR)
    one.fake.faults.add("deny", operation="LookupEvents")
    for _ in range(10):
        one.cycle(6 * MINUTE)
    assert [run.outcome for run in one.runs] == ["denied"]
    assert one.shown(CALLS) == {}
    one.fake.faults.clear()
    one.over()
    assert sum(one.shown(CALLS).values()) == sum(call.source == SOURCE for call in made)


# -- audit records -----------------------------------------------------------------------------------------------------

AUDITED = "audit: {output: file, path: nowhere}"


def test_each_call_that_counts_has_one_audit_record_whichever_road_told_it(trails):
    one = trails(text=AUDITED)
    luck = random.Random(5)
    one.cycle()
    calls = busy(luck, one.fake.world, 60, T0 + 10, T0 + HOUR)
    for n in range(60):
        one.cycle(MINUTE)
        one.told(*luck.choices(calls, k=3))
        if n % 20 == 10:
            one.kill()
            before = one.audited
            one.start()
            one.audited.extend(before)
    one.over()
    counted = {call.event_id for call in calls if call.source == SOURCE}
    ids = [record["event_id"] for record in one.audited]
    assert sorted(ids) == sorted(counted)
    assert len(ids) == sum(one.shown(CALLS).values())


def test_records_of_a_reading_stand_in_the_order_of_their_times(trails):
    one = trails(World(seed=1, call_delays=exactly(0.0)), AUDITED)
    one.cycle()
    for n in (40, 10, 30, 20):
        one.fake.world.add_call(ACCOUNT, REGION, T0 + n, "DeleteModel", parameters={"modelName": f"m-{n}"})
    one.cycle(MINUTE)
    assert [record["resources"]["modelName"] for record in one.audited] == ["m-10", "m-20", "m-30", "m-40"]


def test_there_are_no_audit_records_of_what_does_not_count(trails):
    one = trails(World(seed=1, call_delays=exactly(0.0)), AUDITED)
    world = one.fake.world
    world.add_call(ACCOUNT, REGION, T0 - 60, "DeleteModel")
    one.cycle()
    one.aws.call(one.target, "ListEndpoints")
    world.add_call(ACCOUNT, REGION, T0 + 5, "DeleteModel", source="s3.amazonaws.com")
    world.add_call(ACCOUNT, REGION, T0 + 6, "DeleteModel", addendum={"reason": "UPDATED_DATA", "originalEventID": "e"})
    for _ in range(4):
        one.cycle(MINUTE)
    assert one.audited == []


def test_what_the_ledger_refuses_has_no_audit_record_until_it_counts(trails, monkeypatch):
    one = trails(World(seed=1, call_delays=exactly(0.0)), AUDITED)
    one.cycle()
    one.fake.world.add_call(ACCOUNT, REGION, T0 + 5, "DeleteModel")

    def refuse(_):
        raise LedgerError("disk full")

    with monkeypatch.context() as full:
        full.setattr(one.store, "commit", refuse)
        one.cycle(MINUTE)
    assert one.audited == []
    one.cycle(MINUTE)
    assert len(one.audited) == 1


def test_where_no_output_is_on_no_records_are_made(trails):
    one = trails(World(seed=1, call_delays=exactly(0.0)))
    one.cycle()
    one.fake.world.add_call(ACCOUNT, REGION, T0 + 5, "DeleteModel")
    for _ in range(4):
        one.cycle(MINUTE)
    assert sum(one.shown(CALLS).values()) == 1
    assert one.audited == []


def test_families_that_are_off_take_nothing_from_audit_records(trails):
    one = trails(World(seed=1, call_delays=exactly(0.0)), AUDITED + "\nfamilies: {exclude: [sagemaker_api_*]}")
    one.cycle()
    one.fake.world.add_call(ACCOUNT, REGION, T0 + 5, "DeleteModel")
    one.cycle(MINUTE)
    assert len(one.audited) == 1
