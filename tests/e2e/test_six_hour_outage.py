"""Six hours without AWS, in the world of fifty endpoints: all of it is caught up, in one step, within the limits.

In one process on a clock that stands still, because the rates of single seconds are what is judged: the fake counts
every call and every datapoint asked for at the instant at which it comes. (On a real clock two calls a second apart may
reach AWS together: the limits are half of its quotas for such reasons.)
"""

from __future__ import annotations

import pytest
from exact_street import ExactStreet
from oracle import increase, truth
from street import ACCOUNT, REGION
from worlds import T0

from exporter.demo import default_world
from exporter.model import HOUR, MINUTE

# Calls a second as promised (config.yaml, limits); half of AWS's quota of datapoints.
MOST = {
    "cloudwatch.GetMetricData": 25,
    "cloudwatch.ListMetrics": 5,
    "datapoints.recent": 90_000,
    "datapoints.older": 198_000,
}


class Scraped(ExactStreet):
    """A street whose every page is looked at: the values of each counter, in order."""

    def __init__(self, world, **more):
        self.log = {}
        super().__init__(world, **more)

    def run(self, minutes, step=MINUTE):
        for _ in range(minutes * MINUTE // step):
            page = super().run(step // MINUTE, step)
            for series, value in page.counters().items():
                self.log.setdefault(series, []).append(value)
        return page


@pytest.fixture
def street():
    world = default_world(begin=T0)
    world.arrivals._room = world.arrivals._free = 1_000_000  # or the fake makes up the same datapoints again and again
    made = Scraped(world)
    made.fake.bill.enforced = True
    yield made
    made.kill()


@pytest.mark.slow(20)
def test_six_hours_of_outage_are_caught_up_in_one_step(street):
    fake, begin = street.fake, T0 + MINUTE
    before = street.run(8)
    assert len(before.counters()) > 500

    fake.faults.add("http_503")
    during = street.run(6 * HOUR // MINUTE, step=30 * MINUTE)
    assert not during.counters(), "what cannot be read is not frozen"
    fake.faults.clear()

    # The first reading that works brings back every counter, with all that it missed: one step.
    recovered = street.run(1)
    assert before.counters().keys() <= recovered.counters().keys()
    known = truth(fake.world, ACCOUNT, REGION, begin, street.true.time - 15 * MINUTE)
    busy = [series for series in before.counters() if before.values[series] > 0]
    assert len(busy) > 100
    for series in busy:
        assert recovered.values[series] >= known[series] * (1 - 1e-9), f"{series} came back before it was caught up"
    assert not any(recovered.find("sagemaker_exporter_catching_up").values())

    # In the end each block that is closed is the truth, and whoever scraped has seen everything once.
    street.run(3)
    street.run(4 * HOUR // MINUTE, step=4 * HOUR)
    page = street.run(2)
    assert not sum(page.find("sagemaker_exporter_lost_seconds_total").values())
    outage_settled = T0 + 6 * HOUR
    totals = 0.0
    for meter in street.ledger.known("cloudwatch_metrics", street.target).meters.values():
        resource = meter.resource
        for (metric, stat), i in meter.position.items():
            about = (resource.namespace, metric, dict(resource.dimensions), stat)
            until = meter.closed_until[i]
            closed = fake.truth(ACCOUNT, REGION, *about, meter.counted_from[i], until)
            assert until >= outage_settled, about
            assert meter.closed[i] == pytest.approx(closed, rel=1e-9), about
            totals += closed
    assert totals > 100_000
    for series, values in street.log.items():
        assert values == sorted(values), f"{series} fell"
        assert values[0] == 0.0, f"{series} began above 0"
        assert increase(values) == pytest.approx(values[-1], rel=1e-9)

    # And nothing was asked faster than was promised, nor than AWS allows.
    for what, most in MOST.items():
        assert fake.bill.highest[what] <= most, what
    assert fake.bill.highest["datapoints.older"] > MOST["datapoints.older"] / 2, "catching up has been paced"
    assert not fake.bill.refused
