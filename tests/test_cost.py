"""What SageMaker costs by list price: an account worked out by hand, a year of months, and what goes wrong."""

from __future__ import annotations

import pytest
from street import ACCOUNT, REGION, Street
from worlds import T0, values

from exporter.aws.operations import OPERATIONS
from exporter.demo import World
from exporter.demo.jobs import Work, life
from exporter.demo.resources import EndpointConfig, Variant
from exporter.model import DAY, HOUR, MINUTE

RUN = ("inventory", "job_polling", "cost")
WHERE = (ACCOUNT, REGION)
TOTAL = "sagemaker_cost_usd_total"
HOURLY = "sagemaker_cost_hourly_usd"


def world_with_prices(**more):
    world = World(**more)
    world.prices.put(REGION, "Host:ml.m5.xlarge", T0 - 900 * DAY, 0.23)
    world.prices.put(REGION, "Host:ml.g5.xlarge", T0 - 900 * DAY, 1.408)
    world.prices.put(REGION, "Train:ml.m5.xlarge", T0 - 900 * DAY, 0.23)
    world.prices.put(REGION, "Processing:ml.m5.large", T0 - 900 * DAY, 0.115)
    world.prices.put(REGION, "Notebk:ml.t3.medium", T0 - 900 * DAY, 0.05)
    return world


class QuickStreet(Street):
    """A street on which no call waits for its turn: its minutes are those of the test."""

    def start(self, text=None):
        super().start(text)
        self.aws.limit(dict.fromkeys(OPERATIONS, 1000.0))


def street_of(world, **more):
    return QuickStreet(world, run=RUN, kinds=True, **more)


def told(street, family):
    """Return the values of a family by its labels after the target's."""
    return {labels[2:]: value for labels, value in values(street.ledger.snapshot(), family).items()}


def dollars(street):
    """Return what has been counted, without first zeros."""
    return {labels[2:]: usd for labels, usd in street.ledger.known("cost", street.target).values(TOTAL).items()}


def test_an_account_with_three_endpoints_two_jobs_and_a_notebook():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY, variants=(Variant(instances=2),))
    mixed = (Variant("blue", instances=1), Variant("green", instance_type="ml.g5.xlarge", instances=3))
    world.add_endpoint(ACCOUNT, REGION, "fraud", T0 - DAY, variants=mixed)
    world.add_endpoint(ACCOUNT, REGION, "rank", T0 + 90 * MINUTE, variants=(Variant(instances=1),))
    training = life("training", "Completed", lasts=3720, waits=120)  # an hour of work
    world.add_job(ACCOUNT, REGION, "training", "train-1", T0 + 600, lives=training, work=Work("ml.m5.xlarge", 4))
    world.add_job(ACCOUNT, REGION, "processing", "clean-1", T0 + 600, work=Work("ml.m5.large", 2))  # goes on
    world.add_thing(ACCOUNT, REGION, "notebook_instance", "anna", T0 - DAY, InstanceType="ml.t3.medium")
    street = street_of(world)
    for _ in range(37):
        street.cycle(5 * MINUTE)  # the first at T0 + 5 min: what ran before that does not count
    assert told(street, HOURLY) == pytest.approx(
        {
            ("endpoint", "ml.m5.xlarge"): 4 * 0.23,  # 2 of churn, 1 of fraud, 1 of rank
            ("endpoint", "ml.g5.xlarge"): 3 * 1.408,
            ("processing_job", "ml.m5.large"): 2 * 0.115,
            ("notebook_instance", "ml.t3.medium"): 0.05,
        }
    )
    assert told(street, "sagemaker_cost_resource_hourly_usd") == pytest.approx(
        {
            ("endpoint", "churn"): 0.46,
            ("endpoint", "fraud"): 0.23 + 4.224,
            ("endpoint", "rank"): 0.23,
            ("notebook_instance", "anna"): 0.05,
        }
    )
    # three hours, but 90 minutes of rank less the five of the start, which it shares: T0 + 5 min to T0 + 185 min
    assert dollars(street) == pytest.approx(
        {
            ("endpoint", "ml.m5.xlarge"): 3 * 3.0 * 0.23 + (185 - 90) / 60 * 0.23,
            ("endpoint", "ml.g5.xlarge"): 3 * 3.0 * 1.408,
            ("notebook_instance", "ml.t3.medium"): 3.0 * 0.05,
            ("training_job", "ml.m5.xlarge"): 4 * 1.0 * 0.23,
            ("processing_job", "ml.m5.large"): 0.0,
        }
    )
    assert told(street, "sagemaker_cost_price_hourly_usd")["notebook_instance", "ml.t3.medium"] == 0.05
    assert told(street, "sagemaker_cost_unpriced_instances") == {}
    assert told(street, "sagemaker_cost_price_updated_timestamp_seconds") == {(): T0 + 300}
    assert {run.outcome for run in street.runs} == {"ok"}
    street.kill()


MONTH = 30 * DAY  # 720 hours


def month(number):
    return T0 + number * MONTH


def furnish_a_year(world):
    """Let things come, change and go within a year, and prices change."""
    world.prices.put(REGION, "Host:ml.m5.xlarge", month(3.5), 0.25)
    world.prices.put(REGION, "Host:ml.m5.xlarge", month(8.25), 0.20)
    world.prices.put(REGION, "Train:ml.m5.xlarge", month(6.2), 0.30)
    world.prices.put(REGION, "Host:ml.new.large", month(9), 3.0)  # nobody knew its price before
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY, variants=(Variant(instances=2),))
    small, large = (
        EndpointConfig(f"rank-{n}", T0, (Variant("blue", instance_type="ml.g5.xlarge", instances=n),)) for n in (1, 3)
    )
    world.add_endpoint(ACCOUNT, REGION, "rank", month(2.25), config=small)
    world.update_endpoint(ACCOUNT, REGION, "rank", month(5.5), config=large)
    world.delete_endpoint(ACCOUNT, REGION, "rank", month(9.3))
    world.add_endpoint(ACCOUNT, REGION, "new", month(1), variants=(Variant(instance_type="ml.new.large", instances=1),))
    anna = world.add_thing(ACCOUNT, REGION, "notebook_instance", "anna", T0 - DAY, InstanceType="ml.t3.medium")
    world.change_thing(ACCOUNT, REGION, anna, month(4.2), "Stopped")
    world.change_thing(ACCOUNT, REGION, anna, month(6.6), "InService")
    for n in range(12):
        training = life("training", "Completed", lasts=10 * HOUR + 120, waits=120)
        work = Work("ml.m5.xlarge", 4)
        world.add_job(ACCOUNT, REGION, "training", f"train-{n}", month(n + 0.9), lives=training, work=work)


BY_HAND = {
    ("endpoint", "ml.m5.xlarge"): 2
    * 720
    * (
        5 * 0.23  # no list was read in months 4 and 5: the price of 3.5 was not known yet
        + (8.25 - 5) * 0.25  # from month 6 on by the list; the one of 8.25 splits month 9
        + (12 - 8.25) * 0.20
    ),
    ("endpoint", "ml.g5.xlarge"): 720 * 1.408 * ((5.5 - 2.25) * 1 + (9 - 5.5) * 3),  # last seen at 9
    ("endpoint", "ml.new.large"): 720 * 3.0 * (12 - 1),  # owed for eight months, and then paid
    ("notebook_instance", "ml.t3.medium"): 720 * 0.05 * (4.2 + 12 - 6.6),
    ("training_job", "ml.m5.xlarge"): 4 * 10 * (6 * 0.23 + 6 * 0.30),  # a job each month, at the price when it counts
}


@pytest.mark.parametrize("killed", [False, True])
def test_a_year_of_months_with_restarts_price_changes_and_outages(killed):
    world = world_with_prices()
    furnish_a_year(world)
    street = street_of(world)
    street.cycle()
    for n in range(1, 13):
        street.fake.faults.clear()
        if n in {4, 5}:
            street.fake.faults.add("deny", operation="GetProducts")
        if n == 7:
            continue  # and the exporter is down: the eighth month begins with two
        if n == 10:
            street.fake.faults.add("deny", service="sagemaker")
        street.true.forward(month(n) - street.true.time)
        if killed:  # with a reading that is not committed
            cost = street.sources[-1]
            cost.read(street.target, street.ledger.known(cost.name, street.target), street.clock.now())
        if n in {3, 8, 11} or killed:
            street.kill()
            street.start()
        street.cycle()
        read = told(street, "sagemaker_cost_price_updated_timestamp_seconds").get(())
        assert read == (month(3) if n in {4, 5} else month(n))
        (run,) = (run for run in street.runs if run.source == "cost")
        assert run.outcome == ("partial" if n in {4, 5, 10} else "ok")
    assert dollars(street) == pytest.approx(BY_HAND)
    street.kill()
