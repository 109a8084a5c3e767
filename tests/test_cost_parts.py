"""The parts of the cost: price lists as they come, how long what ran, and what nobody uses."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import msgspec
import pytest
from furnished import furnish
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from test_cost import HOURLY, WHERE, dollars, street_of, told, world_with_prices
from worlds import T0, examples

from exporter.demo import World
from exporter.demo.jobs import Work, life
from exporter.demo.resources import Variant
from exporter.inventory import Census, Fleet, Holding
from exporter.model import DAY, HOUR, MINUTE, Known, Resource, Target
from exporter.sources.cost import hours, switched_off
from exporter.sources.job_polling.passes import Passes

ACCOUNT, REGION = WHERE
IDLE = "sagemaker_cost_idle_hourly_usd"


# -- how long what ran -------------------------------------------------------------------------------------------------


def seconds(stretches):
    total = {}
    for of, start, end, number in stretches:
        assert start < end
        total[of] = total.get(of, 0.0) + number * (end - start)
    return total


class Life:
    """A resource that is made, changes how much it runs on, and goes: what a census would tell of it at any time."""

    def __init__(self, luck, name):
        times = sorted(luck.uniform(0, 1000) for _ in range(luck.randint(1, 5)))
        self.name = name
        self.created = times[0]
        self.states = [(at, luck.choice([0, 1, 2, 5])) for at in times]
        self.deleted = luck.choice([2000.0, luck.uniform(times[-1], 1000)])

    def now(self, at):
        """Return when it was last changed, and how many instances it has; None where it is not there."""
        if not self.created <= at < self.deleted:
            return None
        return [state for state in self.states if state[0] <= at][-1]


def by_hand(one, begun, looks):
    """Return instance-seconds by what can be known: each state until the next look, or until it was changed.

    `looks` are those that saw the resource; before the first one it counts from when it was made, or from `begun`.
    """
    total = 0.0
    start = max(begun, one.created)
    for before, after in pairwise([None, *looks]):
        was, now = None if before is None else one.now(before), one.now(after)
        since = start if before is None else before
        changed = max(since, now[0])
        if was is not None:
            total += was[1] * (changed - since)
        total += now[1] * (after - changed)
    return total


def fleet(at, **of):
    return Fleet(at, of)


def holding(count=1.0, at=100.0, created=1.0, modified=1.0):
    on = None if count is None else (("ml.m5.large", count),) if count else ()
    return Holding(on, created, modified, "InService", at)


@settings(max_examples=examples(300), deadline=None)
@given(st.integers(0, 10**9))
def test_what_ran_is_counted_as_far_as_looks_tell(seed):
    """Also where some could not be looked at, at times: what was missed is counted once that can be."""
    luck = random.Random(seed)
    lives = [Life(luck, f"endpoint-{n}") for n in range(luck.randint(1, 4))]
    looks = sorted(luck.uniform(0, 1000) for _ in range(luck.randint(2, 8)))
    note, as_of, counted, known = {}, looks[0], 0.0, {one: [] for one in lives}
    for at in looks:
        of = {}
        for one in lives:
            state = one.now(at)
            if state:
                could = luck.random() < 0.8
                of[one.name] = holding(state[1] if could else None, at, one.created, state[0])
                if could:
                    known[one].append(at)
        if luck.random() < 0.1 and note:
            assert hours.count("endpoint", Fleet(0.0, {}), note, as_of) == (note, [])  # it was not listed
            for one in lives:
                known[one] = [look for look in known[one] if look != at]
            continue
        note, some = hours.count("endpoint", Fleet(at, of), note, as_of)
        note = msgspec.convert(msgspec.to_builtins(note), dict[str, hours.Ran])  # as over a restart
        as_of = at
        counted += sum(seconds(some).values())
    assert counted == pytest.approx(sum(by_hand(one, looks[0], known[one]) for one in lives))


def test_what_could_not_be_looked_at_is_counted_later():
    note, some = hours.count("endpoint", fleet(100.0, churn=holding(None), rank=holding(2.0)), {}, 100.0)
    assert some == []
    note, some = hours.count("endpoint", fleet(160.0, churn=holding(None), rank=holding(2.0, 160.0)), note, 100.0)
    assert seconds(some) == {("endpoint", "ml.m5.large"): 120.0}
    note, some = hours.count("endpoint", fleet(0.0), note, 160.0)  # after a restart, before anything is listed
    assert (some, set(note)) == ([], {"churn", "rank"})
    note, some = hours.count("endpoint", fleet(220.0, churn=holding(1.0, 220.0)), note, 160.0)
    assert seconds(some) == {("endpoint", "ml.m5.large"): 120.0}  # of churn; rank was last seen at 160, and is gone
    assert list(note) == ["churn"]


def test_what_is_at_no_instance_counts_none_whatever_others_do():
    """One that can't be described does not spoil the others."""
    note, as_of, total = {}, 0.0, 0.0
    for at, count in ((100.0, 2.0), (200.0, 0.0), (300.0, 0.0), (400.0, 2.0), (500.0, 2.0)):
        changed = {200.0: 150.0, 300.0: 150.0, 400.0: 380.0, 500.0: 380.0}.get(at, 1.0)
        of = {"bad": holding(None), "churn": holding(count, at, modified=changed)}
        note, some = hours.count("endpoint", Fleet(at, of), note, as_of or at)
        as_of, total = at, total + sum(seconds(some).values())
    assert total == 2 * (150 - 100) + 2 * (500 - 380)


def test_another_one_by_the_same_name_is_another_one():
    note, _ = hours.count("endpoint", fleet(100.0, churn=holding(5.0)), {}, 100.0)
    again = fleet(200.0, churn=holding(1.0, 200.0, created=170.0, modified=180.0))
    _, some = hours.count("endpoint", again, note, 100.0)
    assert seconds(some) == {("endpoint", "ml.m5.large"): 20.0}


def test_what_tells_no_time_of_modification_counts_from_when_it_was_made():
    _, some = hours.count("app", fleet(200.0, lab=holding(1.0, 200.0, created=170.0, modified=0.0)), {}, 100.0)
    assert seconds(some) == {("app", "ml.m5.large"): 30.0}


def test_what_is_older_than_what_has_been_counted_counts_nothing():
    note, _ = hours.count("endpoint", fleet(100.0, churn=holding()), {}, 100.0)
    note, some = hours.count("endpoint", fleet(90.0, churn=holding(at=90.0)), note, 100.0)
    assert some == []
    _, some = hours.count("endpoint", fleet(200.0, churn=holding(at=200.0)), note, 100.0)
    assert seconds(some) == {("endpoint", "ml.m5.large"): 100.0}


# -- the source --------------------------------------------------------------------------------------------------------


def test_while_the_total_is_off_nothing_counts_and_what_is_shown_is_shown():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    street = street_of(world, text="families: {exclude: [sagemaker_cost_usd_total]}")
    street.cycle()
    street.cycle(HOUR)
    assert told(street, "sagemaker_cost_hourly_usd") == {("endpoint", "ml.m5.xlarge"): 0.23}
    assert dollars(street) == {}
    street.kill()
    street.start("")
    street.cycle(HOUR)
    assert dollars(street) == {("endpoint", "ml.m5.xlarge"): 0.0}  # counting begins now
    street.cycle(HOUR)
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 0.23})
    street.kill()


def test_what_ran_while_the_source_was_switched_off_does_not_count():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    street = street_of(world)
    street.cycle()
    street.cycle(HOUR)
    street.ledger.apply(switched_off(street.target, street.ledger.known("cost", street.target), street.clock.now()))
    street.cycle(10 * HOUR)
    street.cycle(HOUR)
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 2 * 0.23})
    street.kill()


def test_a_census_that_is_not_whole_yet_after_a_restart_loses_nothing():
    """The inventory tells of endpoints before it has listed all else."""
    world = world_with_prices()
    world.add_thing(ACCOUNT, REGION, "notebook_instance", "anna", T0 - DAY, InstanceType="ml.t3.medium")
    street = street_of(world)
    street.cycle()
    street.kill()
    street.start()
    street.true.forward(HOUR)
    street.inventory._listed(street.target, street.clock.now(), street.inventory.census(street.target))
    street.collection.run(street.sources[-1], street.target)
    street.cycle()
    assert dollars(street) == pytest.approx({("notebook_instance", "ml.t3.medium"): 0.05})
    street.kill()


def test_what_is_shown_leaves_when_it_could_not_be_looked_at_for_long():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    street = street_of(world)
    street.cycle()
    street.fake.faults.add("deny", operation="ListEndpoints")
    street.cycle(10 * MINUTE)
    assert told(street, "sagemaker_cost_hourly_usd") == {("endpoint", "ml.m5.xlarge"): 0.23}
    street.cycle(10 * MINUTE)
    assert told(street, "sagemaker_cost_hourly_usd") == {}
    assert street.runs[-1].outcome == "partial"
    street.fake.faults.clear()
    street.cycle(40 * MINUTE)
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 0.23})
    street.kill()


class Counters:
    """Counters of CloudWatch as the ledger holds them, of one endpoint."""

    position = {("Invocations", "Sum"): 0}  # noqa: RUF012 - nobody changes it

    def __init__(self, total, until):
        self.read_until, self.paused, self.alive = [until], [0], True
        self.total = lambda i: (total,)[i]


VARIANT = Resource(
    Target(ACCOUNT, REGION),
    "AWS/SageMaker",
    (("EndpointName", "churn"), ("VariantName", "AllTraffic")),
    (ACCOUNT, REGION, "churn", "AllTraffic"),
)
IDLE_TOO = "{sources: {cost: {idle_after: 1h}}, families: {include: [sagemaker_cost_idle_hourly_usd]}}"


class Watched:
    """A street with an endpoint whose invocations a test tells."""

    def __init__(self):
        world = World()
        world.prices.put(REGION, "Host:ml.m5.xlarge", T0 - DAY, 0.23)
        world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
        self.street = street_of(world, text=IDLE_TOO)
        self.street.cycle()
        self.notes = {}

    def idle(self, total, *, late=0.0):
        """Let an hour pass, with so many invocations in all as counters say that were read so long ago."""
        self.street.cycle(HOUR)
        now = self.street.clock.now()
        meters = {} if total is None else {VARIANT: Counters(total, now - late)}
        reading = self.street.sources[-1].read(self.street.target, Known(notes=self.notes, meters=meters), now)
        self.notes = {name: note for name, note in reading.notes.items() if note is not None}
        values = [one.value for one in reading.samples if one.family == IDLE and one.labels[2] == "endpoint"]
        return values[0] if values else None


def test_idle_endpoints_are_those_that_nobody_has_invoked_for_long():
    watched = Watched()
    assert [watched.idle(total) for total in (5.0, 5.0, 6.0, 6.0, 6.0)] == [0.0, 0.23, 0.0, 0.23, 0.23]
    watched.street.kill()


def test_who_could_not_look_at_invocations_does_not_say_that_there_were_none():
    watched = Watched()
    assert watched.idle(None) is None  # nobody counts them
    assert watched.idle(5.0) == 0.0
    assert watched.idle(5.0, late=1.0 * HOUR) == 0.0  # read up to when it was before
    assert watched.idle(5.0, late=2.0 * HOUR) is None
    assert watched.idle(None) is None  # as after a restart
    assert watched.idle(5.0) == 0.23  # what stood before is not forgotten
    watched.street.kill()


def test_apps_are_idle_when_their_user_has_been_away():
    """It was last active an hour before the beginning; an app is asked about once an hour."""
    street = street_of(furnish(World()), text=IDLE_TOO.replace("1h", "3h"))
    shown = []
    for _ in range(4):
        street.cycle(HOUR)
        shown.append(told(street, IDLE)[("app",)])
    assert shown == [0.0, 0.05, 0.05, 0.05]
    street.kill()


def test_what_holds_nothing_is_not_asked_whether_it_is_used():
    watched = Watched()
    where = watched.street.fake.world, ACCOUNT, REGION
    World.add_endpoint(*where, "failed", T0, status="Failed")
    assert [watched.idle(total) for total in (5.0, 5.0)] == [0.0, 0.23]
    watched.street.kill()


def test_what_costs_something_nobody_knows_is_not_shown_as_cheap():
    world = world_with_prices()
    mixed = (Variant("blue", instances=1), Variant("green", instance_type="ml.new.large", instances=3))
    world.add_endpoint(ACCOUNT, REGION, "mixed", T0 - DAY, variants=mixed)
    street = street_of(world)
    street.cycle()
    assert told(street, "sagemaker_cost_resource_hourly_usd") == {}
    assert told(street, "sagemaker_cost_unpriced_instances") == {("endpoint", "ml.new.large"): 3.0}
    world.add_endpoint(ACCOUNT, REGION, "fresh", street.true.time + 60)
    street.fake.faults.add("deny", operation="DescribeEndpoint")
    street.cycle(5 * MINUTE)  # not all is known now, and no less of this runs
    assert told(street, "sagemaker_cost_unpriced_instances") == {("endpoint", "ml.new.large"): 3.0}
    street.kill()


def test_an_excluded_resource_that_can_not_be_described_counts_nothing_and_is_not_missed():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "bad", T0 - DAY)
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    config = world.region(ACCOUNT, REGION).configs.pop("bad-config")
    street = street_of(world, text="resources: {exclude: [bad]}")
    street.cycle()
    for _ in range(4):
        street.cycle(HOUR)
    assert street.runs[-1].outcome == "ok"
    street.kill()
    world.region(ACCOUNT, REGION).configs["bad-config"] = config
    street.start("")
    street.cycle()
    street.cycle(HOUR)
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): (5 + 1) * 0.23})
    street.kill()


def test_time_in_which_the_total_was_off_does_not_count_though_nobody_could_look_then():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    street = street_of(world)
    street.cycle()
    street.cycle(HOUR)
    street.kill()
    street.start("families: {exclude: [sagemaker_cost_usd_total]}")
    street.fake.faults.add("deny", operation="ListEndpoints")
    for _ in range(10):
        street.cycle(HOUR)
    street.kill()
    street.start("")
    street.cycle(MINUTE)
    street.fake.faults.clear()
    street.cycle(MINUTE)
    street.cycle(HOUR)
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 0.23 * (1 + 1 + 1 / 60)})
    street.kill()


def test_an_endpoint_that_is_younger_than_what_is_known_of_tags_counts_once_that_is_known():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY, tags={"team": "ml"})
    street = street_of(world, text="resources: {tags: {team: ml}}")
    street.cycle()
    street.fake.faults.add("deny", operation="GetResources")
    world.add_endpoint(ACCOUNT, REGION, "fresh", T0 + HOUR, tags={"team": "ml"})
    for _ in range(4):
        street.cycle(HOUR)
    street.fake.faults.clear()
    street.cycle(HOUR)
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 0.23 * (5 + 4)})
    street.kill()


def test_a_clock_that_is_set_back_makes_no_old_look_new():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - 30 * DAY)
    street = street_of(world)
    street.cycle()
    street.cycle(HOUR)
    for operation in ("ListEndpoints", "DescribeEndpoint"):
        street.fake.faults.add("deny", operation=operation)
    street.clock.off = -5.0 * DAY
    for _ in range(10):
        street.cycle(HOUR)
    assert street.runs[-1].outcome == "partial"
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 0.23})
    street.kill()


def test_two_targets_count_at_one_instant():
    """What one has counted is nothing that the other repeats."""
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    street = street_of(world)
    other = Target("210987654321", REGION)
    street.inventory._censuses[other] = Census()
    for _ in range(3):
        street.cycle(HOUR)
        census = street.inventory.census(street.target)
        street.inventory._censuses[other] = census
        street.aws._logins[other] = street.aws._logins[street.target]
        street.collection.run(street.sources[-1], other)
    values = street.ledger.known("cost", other).values("sagemaker_cost_usd_total")
    assert values == pytest.approx({(other.account_id, REGION, "endpoint", "ml.m5.xlarge"): 2 * 0.23})
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 2 * 0.23})
    street.kill()


def test_one_endpoint_that_can_not_be_described_spoils_nothing_but_itself():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "bad", T0 - DAY, variants=(Variant(instance_type="ml.g5.xlarge"),))
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    street = street_of(world)
    world.region(ACCOUNT, REGION).configs.pop("bad-config")
    for _ in range(8):
        street.cycle(5 * MINUTE)
    assert told(street, "sagemaker_cost_hourly_usd") == {("endpoint", "ml.m5.xlarge"): 0.23}
    assert dollars(street)["endpoint", "ml.m5.xlarge"] == pytest.approx(35 / 60 * 0.23)
    assert [(one.scope, "bad" in one.detail) for one in street.runs[-1].failures] == [("endpoint", True)]
    street.kill()


def test_a_run_while_one_of_three_has_just_changed_shows_all_as_they_were():
    world = world_with_prices()
    for name in ("a", "b", "c"):
        world.add_endpoint(ACCOUNT, REGION, name, T0 - DAY)
    street = street_of(world)
    street.cycle()
    for _ in range(6):
        street.cycle(5 * MINUTE)
    world.update_endpoint(ACCOUNT, REGION, "b", street.true.time + 60, status="Updating")
    street.true.forward(5 * MINUTE)
    street.inventory._publish(
        street.target,
        street.inventory._listed(street.target, street.clock.now(), street.inventory.census(street.target)).census(),
    )
    street.collection.run(street.sources[-1], street.target)
    assert told(street, "sagemaker_cost_hourly_usd") == {("endpoint", "ml.m5.xlarge"): pytest.approx(0.69)}
    assert len(told(street, "sagemaker_cost_resource_hourly_usd")) == 3
    street.kill()


def test_tags_that_can_not_be_read_yet_lose_no_hours():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY, tags={"team": "ml"})
    street = street_of(world, text="resources: {tags: {team: ml}}")
    street.cycle()
    street.cycle(HOUR)
    street.kill()
    street.true.forward(10 * HOUR)
    street.start()
    street.fake.faults.add("deny", operation="GetResources")
    street.cycle()
    street.fake.faults.clear()
    street.cycle(HOUR)
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 12 * 0.23})
    street.kill()


def test_time_in_which_a_resource_was_excluded_does_not_count():
    world = world_with_prices()
    for name in ("a", "b"):
        world.add_endpoint(ACCOUNT, REGION, name, T0 - DAY)
    street = street_of(world, text="resources: {exclude: [b]}")
    street.cycle()
    street.cycle(HOUR)
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 0.23})
    street.kill()
    street.true.forward(100 * HOUR)
    street.start("")
    street.cycle()
    street.cycle(HOUR)
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 0.23 * (1 + 100 + 1 + 1)})
    street.kill()


def test_a_clock_that_is_days_behind_begins_no_earlier():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - 30 * DAY)
    street = street_of(world)
    street.clock.off = -5.0 * DAY
    street.cycle()
    street.cycle(5 * MINUTE)
    street.clock.off = 0.0
    street.cycle(5 * MINUTE)
    street.cycle(5 * MINUTE)
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 15 / 60 * 0.23})
    street.kill()


def test_owed_time_of_what_has_ended_is_told_and_counted_once_there_is_a_price():
    world = World()
    world.prices.put(REGION, "Host:ml.m5.xlarge", T0 - DAY, 0.23)
    world.prices.put(REGION, "Train:ml.new.large", T0 + 2 * DAY, 3.0)
    work = Work("ml.new.large", 4)
    lives = life("training", "Completed", lasts=3720, waits=120)
    world.add_job(ACCOUNT, REGION, "training", "train-1", T0 + 600, lives=lives, work=work)
    street = street_of(world)
    for _ in range(4):
        street.cycle(HOUR)
    assert told(street, "sagemaker_cost_unpriced_instances") == {("training_job", "ml.new.large"): 0.0}
    street.cycle(3 * DAY)
    assert told(street, "sagemaker_cost_unpriced_instances") == {}
    assert dollars(street) == pytest.approx({("training_job", "ml.new.large"): 4 * 1.0 * 3.0})
    street.kill()


def test_a_warm_pool_costs_what_training_does():
    known = {"sagemaker_training_job_warm_pool_billable_instance_seconds_total": {(*WHERE, "ml.m5.xlarge"): 0.0}}
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0)
    street = street_of(world)
    street.cycle()
    cost, notes = street.sources[-1], {}
    for seconds_ in (0.0, 7200.0):
        known["sagemaker_training_job_warm_pool_billable_instance_seconds_total"] = {(*WHERE, "ml.m5.xlarge"): seconds_}
        now = street.clock.now()
        of = dict(known)
        reading = cost.read(street.target, Known(notes=notes, values=lambda name, of=of: of.get(name, {})), now)
        notes = dict(reading.notes)
    (event,) = reading.events
    assert {effect.labels[2:]: effect.amount for effect in event.effects} == pytest.approx(
        {("warm_pool", "ml.m5.xlarge"): 0.46}
    )
    street.kill()


# -- what is not known is not shown as nothing -------------------------------------------------------------------------


def training(world, name, at, instances=1, lasts=9 * DAY):
    lives = life("training", "Completed", lasts=lasts, waits=10)
    world.add_job(ACCOUNT, REGION, "training", name, at, lives=lives, work=Work("ml.m5.xlarge", instances))


def test_jobs_that_nobody_could_describe_make_their_sum_unknown_and_not_small():
    world = world_with_prices()
    training(world, "known", T0 - 600)
    street = street_of(world)
    street.cycle()
    street.fake.faults.add("deny", operation="DescribeTrainingJob")
    training(world, "unknown", street.true.now() + 30, 9)
    street.cycle(5 * MINUTE)
    assert told(street, HOURLY) == {("training_job", "ml.m5.xlarge"): 0.23}, "as it was"
    for _ in range(7):
        street.cycle(5 * MINUTE)
    assert told(street, HOURLY) == {}, "and not for ever"
    street.kill()
    street.start()
    street.cycle()
    assert told(street, HOURLY) == {}
    street.fake.faults.clear()
    for _ in range(2):
        street.cycle(5 * MINUTE)
    assert told(street, HOURLY) == pytest.approx({("training_job", "ml.m5.xlarge"): 2.3})
    street.kill()


def test_after_a_restart_all_jobs_are_in_their_sum_or_there_is_none():
    world = world_with_prices()
    for n in range(200):
        training(world, f"job-{n}", T0 - 600)
    street = street_of(world)
    seen = []
    for n in range(5):
        street.cycle()
        seen.append(told(street, HOURLY).get(("training_job", "ml.m5.xlarge")))
        if n == 2:
            street.kill()
            street.start()
    assert seen == pytest.approx([None, 46.0, 46.0, 46.0, 46.0]), "what they are on is noted"
    street.kill()


def test_jobs_that_have_yet_to_be_listed_make_their_sum_unknown(monkeypatch):
    monkeypatch.setattr(Passes.run, "__defaults__", (math.inf, 2))  # pages in a run
    world = world_with_prices(listed_after=(0, 0), repeated=0.0)
    training(world, "old", T0 - 9 * DAY, 8, lasts=20 * DAY)
    training(world, "new", T0 - 600)
    for n in range(250):
        training(world, f"over-{n}", T0 - 8 * DAY + n, lasts=30)
    street = street_of(world)
    seen = []
    for _ in range(4):
        street.cycle()
        seen.append(told(street, HOURLY).get(("training_job", "ml.m5.xlarge")))
    assert seen[0] is None
    assert seen[-1] == pytest.approx(9 * 0.23)
    assert set(seen) == {None, seen[-1]}, "never a part of it"
    street.kill()


@pytest.mark.parametrize(
    ("excluded", "shown"),
    [("sagemaker_jobs", True), ("sagemaker_job_instances", False)],
    ids=["what is not needed", "what is"],
)
def test_a_family_that_is_off_is_not_a_count_of_nothing(excluded, shown):
    world = world_with_prices()
    training(world, "job", T0 - 600)
    lives = life("training", "Completed", lasts=9 * DAY, waits=10)
    world.add_job(ACCOUNT, REGION, "training", "dear", T0 - 600, lives=lives, work=Work("ml.new.large", 5))
    ended = life("training", "Completed", lasts=920, waits=10)
    world.add_job(ACCOUNT, REGION, "training", "over", T0 - 600, lives=ended, work=Work("ml.new.large", 5))
    street = street_of(world, text=f"families: {{exclude: [{excluded}]}}")
    for _ in range(8):
        street.cycle(5 * MINUTE)
    assert told(street, HOURLY) == ({("training_job", "ml.m5.xlarge"): 0.23} if shown else {})
    unpriced = told(street, "sagemaker_cost_unpriced_instances")
    assert unpriced == ({("training_job", "ml.new.large"): 5.0} if shown else {})
    street.kill()


def test_a_job_that_could_not_be_described_in_time_costs_what_it_has_used():
    world = world_with_prices()
    street = street_of(world)
    street.cycle()
    street.kill()
    training(world, "job", street.true.now() + 600, 4, lasts=10 * HOUR + 110)
    street.true.forward(20 * HOUR)
    street.start()
    street.fake.faults.add("deny", operation="DescribeTrainingJob")
    for n in range(5):
        street.cycle(5 * MINUTE)
        if n == 3:
            street.kill()
            street.start()
    assert dollars(street) == {}
    street.fake.faults.clear()
    for _ in range(36):
        street.cycle(5 * MINUTE)
    assert dollars(street) == pytest.approx({("training_job", "ml.m5.xlarge"): 4 * 10 * 0.23}, rel=0.01)
    street.kill()


def test_a_price_that_can_not_be_read_is_not_replaced_by_that_of_something_else():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    world.prices.put(REGION, "AsyncInf:ml.m5.xlarge", T0 - 900 * DAY, 0.99)
    street = street_of(world)
    street.cycle()
    pages = street.aws.pages

    def broken(target, operation, **asked):
        for page in pages(target, operation, **asked):
            if operation == "GetProducts":
                entries = [one.replace('"USD":"0.23', '"USD":"n/a') for one in page["PriceList"]]
                yield {**page, "PriceList": entries}
            else:
                yield page

    street.aws.pages = broken
    for _ in range(2):
        street.cycle(25 * HOUR)
    assert told(street, HOURLY) == {("endpoint", "ml.m5.xlarge"): 0.23}
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 50 * 0.23})
    assert any("price list" in one.detail for one in street.runs[-1].failures)
    street.kill()


def test_when_prices_were_read_is_shown_no_longer_once_the_source_is_off():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    street = street_of(world)
    street.cycle()
    updated = "sagemaker_cost_price_updated_timestamp_seconds"
    assert told(street, updated)
    street.sources = street.sources[:-1]
    street.cycle(HOUR)
    assert told(street, updated) == {}
    street.kill()


def test_time_in_which_the_source_was_off_does_not_count_though_nobody_could_look_then():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    street = street_of(world)
    street.cycle()
    street.cycle(HOUR)
    street.fake.faults.add("deny", operation="ListEndpoints")
    street.ledger.apply(switched_off(street.target, street.ledger.known("cost", street.target), street.clock.now()))
    *others, cost = street.sources
    street.sources = tuple(others)
    for _ in range(10):
        street.cycle(HOUR)
    street.sources = (*others, type(cost)(street.aws, street.inventory, street.config))  # which knows an old census
    street.cycle()
    street.fake.faults.clear()
    street.cycle()
    street.cycle(HOUR)
    assert dollars(street)["endpoint", "ml.m5.xlarge"] == pytest.approx(0.23 * 2, abs=0.23 / 30)
    street.kill()


def test_an_app_of_which_nobody_tells_lately_is_not_idle():
    street = street_of(furnish(World()), text=IDLE_TOO.replace("1h", "6h"))
    street.cycle(HOUR)
    assert told(street, IDLE) == {("app",): 0.0}
    street.fake.faults.add("deny", operation="DescribeApp")
    seen = []
    for _ in range(8):
        street.cycle(HOUR)
        seen.append(told(street, IDLE))
    assert all(one in ({("app",): 0.0}, {}) for one in seen)
    assert seen[-1] == {}
    street.kill()


def test_an_endpoint_whose_components_nobody_can_list_is_not_idle():
    watched = Watched()
    assert watched.idle(5.0) == 0.0
    watched.street.fake.faults.add("deny", operation="ListInferenceComponents")
    assert [watched.idle(5.0) for _ in range(3)] == [0.23, None, None]
    watched.street.kill()


def test_an_endpoint_is_not_idle_by_the_calls_of_one_variant_alone():
    watched = Watched()
    both = (Variant("AllTraffic"), Variant("green"))
    watched.street.fake.world.add_endpoint(ACCOUNT, REGION, "two", T0 - DAY, variants=both)
    one = structs.replace(VARIANT, dimensions=(("EndpointName", "two"), ("VariantName", "AllTraffic")))
    for _ in range(3):
        watched.street.cycle(HOUR)
        now = watched.street.clock.now()
        meters = {VARIANT: Counters(5.0, now), one: Counters(5.0, now)}
        reading = watched.street.sources[-1].read(watched.street.target, Known(notes=watched.notes, meters=meters), now)
        watched.notes = {name: note for name, note in reading.notes.items() if note is not None}
        assert [one.value for one in reading.samples if one.family == IDLE and one.labels[2] == "endpoint"] == []
    watched.street.kill()


def test_a_price_holds_by_the_clock_of_aws():
    """It is learnt with the list of the next day, whatever day it is by our clock."""
    counted = []
    for off in (0.0, -5.0 * DAY):
        world = world_with_prices()
        world.add_endpoint(ACCOUNT, REGION, "churn", T0 - 30 * DAY)
        world.prices.put(REGION, "Host:ml.m5.xlarge", T0 + 2 * HOUR, 0.5)
        street = street_of(world)
        street.clock.off = off
        street.cycle()
        for _ in range(27):
            street.cycle(HOUR)
        assert told(street, HOURLY) == {("endpoint", "ml.m5.xlarge"): 0.5}
        counted.append(dollars(street)["endpoint", "ml.m5.xlarge"])
        street.kill()
    assert counted[1] == pytest.approx(counted[0])


def test_jobs_that_have_no_place_on_the_page_are_not_shown_as_none():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    training(world, "job", T0 - 600)
    street = street_of(world, text="limits: {series: 200}")
    for _ in range(3):
        street.cycle(5 * MINUTE)
    assert told(street, "sagemaker_job_instances") == {}
    assert told(street, HOURLY) == {("endpoint", "ml.m5.xlarge"): 0.23}
    assert told(street, "sagemaker_cost_unpriced_instances") == {}
    assert street.ledger.known("cost", street.target).looked("job_polling", "training/size") == 0.0
    street.kill()


@pytest.mark.parametrize("off", [-2.0 * HOUR, -5.0 * DAY], ids=["two hours", "five days"])
def test_a_clock_that_is_set_back_counts_no_time_that_has_not_passed(off):
    """Neither while all can be looked at, nor where it happens between a look and the count of it."""
    for between in (False, True):
        world = world_with_prices()
        world.add_endpoint(ACCOUNT, REGION, "churn", T0 - 30 * DAY)
        street = street_of(world)
        street.cycle(MINUTE)
        for n in range(12):
            street.true.forward(5 * MINUTE)
            if n == 6 and not between:
                street.clock.off = off
            for source in street.sources:
                if n == 6 and source.name == "cost":
                    street.clock.off = off
                street.collection.run(source, street.target)
            assert dollars(street).get(("endpoint", "ml.m5.xlarge"), 0.0) <= 0.23 * (n + 1) / 12 * 1.001
        assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 0.23}, rel=0.001)
        world.delete_endpoint(ACCOUNT, REGION, "churn", street.true.now() + 60)
        for _ in range(24):
            street.cycle(HOUR)
        assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 0.23}, rel=0.001)
        street.kill()


def test_one_answer_with_a_wrong_date_counts_no_days():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - 30 * DAY)
    street = street_of(world)
    street.cycle()
    for n in range(12):
        street.true.forward(5 * MINUTE)
        for source in street.sources:
            if n == 5 and source.name == "cost":
                street.clock.witness(street.true.now() + 5 * DAY)
            street.collection.run(source, street.target)
    assert dollars(street) == pytest.approx({("endpoint", "ml.m5.xlarge"): 0.23}, rel=0.001)
    street.kill()


@pytest.mark.parametrize("slow", ["job_polling", "inventory"])
def test_what_is_looked_at_seldom_is_known_until_the_next_look(slow):
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    training(world, "job", T0 - 600, 4)
    street = street_of(world, text=f"sources: {{{slow}: {{every: 1h}}}}")
    street.cycle()
    every, seen = street.sources, []
    for n in range(30):
        street.sources = tuple(source for source in every if n % 12 == 11 or source.name != slow)
        street.cycle(5 * MINUTE)
        seen.append(told(street, HOURLY))
    both = {("endpoint", "ml.m5.xlarge"): 0.23, ("training_job", "ml.m5.xlarge"): 0.92}
    assert all(one == pytest.approx(both) for one in seen)
    street.kill()
