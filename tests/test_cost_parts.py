"""The parts of the cost: price lists as they come, how long what ran, and what nobody uses."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cost import WHERE, dollars, street_of, told, world_with_prices
from worlds import HERE, T0, examples

from exporter.aws import AwsError
from exporter.demo import World
from exporter.demo.resources import Variant
from exporter.inventory import Running, Stopped
from exporter.model import DAY, HOUR, MINUTE, Known
from exporter.sources.cost import hours, idle, prices, switched_off

ACCOUNT, REGION = WHERE
IDLE = "sagemaker_cost_idle_hourly_usd"


# -- prices ------------------------------------------------------------------------------------------------------------


def entry(usage, usd="0.23", since="2026-11-01T00:00:00Z", unit="Hrs", begin="0", currency="USD"):
    dimension = {"unit": unit, "beginRange": begin, "pricePerUnit": {currency: usd}}
    term = {"effectiveDate": since, "priceDimensions": {"a": dimension}}
    return json.dumps({"product": {"attributes": {"usagetype": usage}}, "terms": {"OnDemand": {"b": term}}})


class PriceList:
    """Stands for the door: one page of a price list."""

    def __init__(self, *entries):
        self.entries = entries

    def pages(self, target, operation, **given):
        assert (target, operation, given["ServiceCode"]) == (HERE, "GetProducts", "AmazonSageMaker")
        yield {"PriceList": list(self.entries)}


def found(billed, *entries):
    return prices.find(prices.read(PriceList(*entries), HERE), billed)


NOVEMBER = 1793491200.0

USAGES = [
    (("endpoint", "ml.m5.xlarge"), "USE1-Host:ml.m5.xlarge"),
    (("endpoint", "ml.m5.xlarge"), "Host:ml.m5.xlarge"),  # us-east-1 of old
    (("endpoint", "ml.g6e.12xlarge"), "EU-AsyncInf:ml.g6e.12xlarge"),
    (("training_job", "ml.trn1.32xlarge"), "APN2-Train:ml.trn1.32xlarge"),
    (("warm_pool", "ml.trn1.32xlarge"), "APN2-Train:ml.trn1.32xlarge"),
    (("processing_job", "ml.m5.large"), "EUN1-Processing:ml.m5.large"),
    (("transform_job", "ml.m5.large"), "UGW1-Tsform:ml.m5.large"),
    (("notebook_instance", "ml.t3.medium"), "EU-Notebk:ml.t3.medium"),
    (("app", "ml.g5.xlarge"), "APN2-Studio:JupyterLab-ml.g5.xlarge"),
    (("app", "ml.r5.24xlarge"), "AFS1-Studio:KernelGateway-ml.r5.24xlarge"),
    (("cluster", "ml.p4d.24xlarge"), "USW2-Cluster:ml.p4d.24xlarge"),
    (("mlflow_tracking_server", "Small"), "USE1-MLflow:small"),
]


@pytest.mark.parametrize(("billed", "usage"), USAGES)
def test_a_usage_type_says_what_a_price_is_for(billed, usage):
    assert found(billed, entry(usage)) == (NOVEMBER, 0.23)
    assert found((billed[0], "ml.other.large"), entry(usage)) is None


@pytest.mark.parametrize(
    "other",
    [
        entry("Host:ml.m5.xlarge-HostingParent"),  # of the free tier
        entry("USE1-ReservedCluster:ml.m5.xlarge"),
        entry("USE1-Host:VolumeUsage.gp2", unit="GB-Mo"),
        entry("USE1-Host:ml.m5.xlarge", usd="0.0000000000"),
        entry("USE1-Host:ml.m5.xlarge", unit="Seconds"),
        entry("USE1-Host:ml.m5.xlarge", begin="730"),
        entry("CNN1-Host:ml.m5.xlarge", currency="CNY"),
        entry("USE1-Host:ml.m5.xlarge", usd="a lot"),
        entry(""),
        '{"product": {}}',
    ],
)
def test_what_is_no_price_of_an_instance_is_left_out(other):
    assert found(("endpoint", "ml.m5.xlarge"), other) is None


@pytest.mark.parametrize("broken", ['{"product": ', '{"product": 7}', "[]", '{"terms": {}}'])
def test_a_list_that_can_not_be_read_is_none(broken):
    with pytest.raises(AwsError, match="PriceList"):
        found(("endpoint", "ml.m5.xlarge"), entry("USE1-Host:ml.m5.xlarge"), broken)


def test_a_price_holds_from_its_date_on_but_never_before_the_one_that_it_follows():
    known = prices.learn((), (100.0, 1.0), 500.0)
    assert prices.learn(known, (200.0, 1.0), 600.0) == known  # published again, and the same
    later = prices.learn(known, (400.0, 2.0), 600.0)
    assert later == ((100.0, 1.0), (400.0, 2.0))
    assert prices.learn(later, (50.0, 3.0), 700.0) == (*later, (400.0, 3.0))
    assert prices.learn(later, (9e9, 3.0), 700.0) == (*later, (700.0, 3.0))
    assert list(prices.pieces(later, 0.0, 7200.0)) == [(400 / 3600, 1.0), (6800 / 3600, 2.0)]
    assert list(prices.pieces(later, 1000.0, 4600.0)) == [(1.0, 2.0)]
    assert list(prices.pieces(later, 0.0, 360.0)) == [(0.1, 1.0)]


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


def by_hand(lives, looks):
    """Return instance-seconds by what can be known: each state until the next look, or until it was changed."""
    total = 0.0
    for life in lives:
        for before, after in pairwise(looks):
            was, now = life.now(before), life.now(after)
            if now is None:
                continue
            changed = max(before, now[0]) if now[0] > before else before
            if was is not None and was[1]:
                total += was[1] * (changed - before)
            total += now[1] * (after - changed)
    return total


@settings(max_examples=examples(300), deadline=None)
@given(st.integers(0, 10**9))
def test_what_ran_is_counted_as_far_as_two_looks_tell(seed):
    luck = random.Random(seed)
    lives = [Life(luck, f"endpoint-{n}") for n in range(luck.randint(1, 4))]
    looks = sorted(luck.uniform(0, 1000) for _ in range(luck.randint(2, 8)))
    note, as_of, counted = {}, looks[0], {}
    for at in looks:
        there = {life: life.now(at) for life in lives}
        runs = [
            Running("endpoint", life.name, "ml.m5.large", state[1], life.created, state[0], "InService", at)
            for life, state in there.items()
            if state and state[1]
        ]
        stopped = {
            life.name: Stopped(life.created, state[0]) for life, state in there.items() if state and not state[1]
        }
        note, some = hours.count("endpoint", runs, stopped, at, note, as_of)
        as_of = at
        for of, number in seconds(some).items():
            counted[of] = counted.get(of, 0.0) + number
    assert counted.get(("endpoint", "ml.m5.large"), 0.0) == pytest.approx(by_hand(lives, looks))


def running(name="churn", count=1.0, at=100.0, created=1.0, modified=1.0):
    return Running("endpoint", name, "ml.m5.large", count, created, modified, "InService", at)


def test_what_could_not_be_looked_at_is_counted_later():
    note, _ = hours.count("endpoint", [running(at=100.0), running("rank", at=100.0)], {}, 100.0, {}, 100.0)
    note, some = hours.count("endpoint", [running(at=160.0)], {}, 0.0, note, 100.0)  # rank is not known now
    assert seconds(some) == {("endpoint", "ml.m5.large"): 60.0}
    note, some = hours.count("endpoint", [running(at=160.0), running("rank", at=220.0)], {}, 160.0, note, 100.0)
    assert seconds(some) == {("endpoint", "ml.m5.large"): 120.0}  # of rank; churn was not looked at since
    note, some = hours.count("endpoint", [running(at=260.0)], {}, 260.0, note, 160.0)
    assert seconds(some) == {("endpoint", "ml.m5.large"): 100.0}  # rank is gone: it was last seen at 220
    assert list(note) == ["churn"]


def test_what_is_older_than_what_has_been_counted_counts_nothing():
    note, _ = hours.count("endpoint", [running(at=100.0)], {}, 100.0, {}, 100.0)
    note, some = hours.count("endpoint", [running(at=90.0)], {}, 90.0, note, 100.0)
    assert some == []
    _, some = hours.count("endpoint", [running(at=200.0)], {}, 200.0, note, 90.0)
    assert seconds(some) == {("endpoint", "ml.m5.large"): 100.0}


def test_another_one_by_the_same_name_is_another_one():
    note, _ = hours.count("endpoint", [running(at=100.0, count=5.0)], {}, 100.0, {}, 100.0)
    again = running(at=200.0, created=170.0, modified=180.0)
    _, some = hours.count("endpoint", [again], {}, 200.0, note, 100.0)
    assert seconds(some) == {("endpoint", "ml.m5.large"): 20.0}


# -- the source --------------------------------------------------------------------------------------------------------


def test_what_has_no_price_is_told_and_counted_once_it_has_one():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "new", T0 - DAY, variants=(Variant(instance_type="ml.new.large", instances=2),))
    world.prices.put(REGION, "Host:ml.new.large", T0 + DAY + MINUTE, 3.0)
    street = street_of(world)
    street.cycle()
    street.cycle(HOUR)
    assert told(street, "sagemaker_cost_unpriced_instances") == {("endpoint", "ml.new.large"): 2.0}
    assert told(street, "sagemaker_cost_hourly_usd") == {}
    assert dollars(street) == {("endpoint", "ml.new.large"): 0.0}
    asked = street.fake.bill.requests["pricing.GetProducts"]
    street.cycle(HOUR)
    assert street.fake.bill.requests["pricing.GetProducts"] == asked  # not again and again
    street.cycle(23 * HOUR)
    assert told(street, "sagemaker_cost_unpriced_instances") == {}
    assert dollars(street) == pytest.approx({("endpoint", "ml.new.large"): 2 * 25 * 3.0})
    street.kill()


def test_prices_are_asked_for_in_one_region_that_answers_for_all(monkeypatch):
    street = street_of(world_with_prices())
    seen = []
    answer = street.fake.answer

    def spy(method, path, headers, body, **more):
        lower = {name.lower(): value for name, value in headers.items()}
        if "AWSPriceListService" in lower.get("x-amz-target", ""):
            seen.append(lower["authorization"].split("/")[2])
        return answer(method, path, headers, body, **more)

    monkeypatch.setattr(street.fake, "answer", spy)
    street.cycle()
    assert set(seen) == {"us-east-1"}
    street.kill()


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


def test_idle_endpoints_are_those_that_nobody_has_invoked_for_long():
    world = World()
    world.prices.put(REGION, "Host:ml.m5.xlarge", T0 - DAY, 0.23)
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    text = "{sources: {cost: {idle_after: 1h}}, families: {include: [sagemaker_cost_idle_hourly_usd]}}"
    street = street_of(world, text=text)
    cost = street.sources[-1]
    street.cycle()
    labels = (ACCOUNT, REGION, "churn", "AllTraffic")
    shown, notes = [], {}
    for hour, total in enumerate((5.0, 5.0, 6.0, 6.0, 6.0)):
        street.cycle(HOUR)
        families = {"sagemaker_endpoint_invocations_total": {labels: total}}
        known = Known(notes=notes, values=lambda family, of=families: of.get(family, {}))
        reading = cost.read(street.target, known, street.clock.now())
        notes = {name: note for name, note in reading.notes.items() if note is not None}
        shown += [
            (hour, sample.value)
            for sample in reading.samples
            if sample.family == IDLE and sample.labels[2] == "endpoint"
        ]
    assert shown == [(0, 0.0), (1, 0.23), (2, 0.0), (3, 0.23), (4, 0.23)]
    street.kill()


def test_of_what_is_never_counted_nobody_says_that_it_is_idle():
    known = Known()
    assert idle.noted(known, None, 0.0) == {}
    assert list(idle.unused({}, None, [running()], 9e9, 60.0)) == []
