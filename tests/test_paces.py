"""Pace and scrapes change nothing.

The same world read every 10 s, 60 s or hour ends in the same totals, and Prometheus servers that scrape every 15, 30 or
60 s (give or take 2) all see an increase that equals the truth, first values included.
"""

from __future__ import annotations

import random

import pytest
from street import ACCOUNT, REGION, Street
from test_l1 import BEGIN, FAMILIES, Scrapes, lines, only
from worlds import T0

from exporter.demo import World
from exporter.demo.resources import EndpointConfig, Variant
from exporter.model import DAY, HOUR, MINUTE

TRAFFIC = 2 * HOUR


def busy_world():
    """Two hours of traffic, late by up to 50 minutes, revised up and down."""
    luck = random.Random(7)
    world = World(seed=1)
    config = EndpointConfig("churn-config", T0 - DAY, (Variant("main"),))
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY, config=config)
    for line in lines():
        if line.stat != "Sum":
            continue  # the same series
        for minute in range(BEGIN, BEGIN + TRAFFIC, MINUTE):
            if luck.random() < 0.5:
                continue
            value, end = luck.randrange(1, 100), minute + MINUTE
            first = end + luck.choice([0, 30, 90, 400, 900, 3000])
            spot = (ACCOUNT, REGION, line.namespace, line.metric, line.dimensions, minute)
            world.put(*spot, float(value), first, value % 7 + 1)
            if luck.random() < 0.2:
                world.put(*spot, float(luck.randrange(0, 150)), first + luck.randrange(60, 4000), value % 7 + 1)
    return world


@pytest.mark.slow(15)
@pytest.mark.parametrize("every", [10, 60, 3600])
def test_every_pace_ends_in_the_truth_and_every_scrape_interval_sees_it(every):
    world, luck = busy_world(), random.Random(every)
    street = Street(world, text=only(FAMILIES, every=f"{every}s"))
    scrapers = {interval: Scrapes() for interval in (15, 30, 60)}
    clock, end = street.true, T0 + TRAFFIC + 6 * HOUR
    next_cycle = T0 + MINUTE
    next_scrape = {interval: T0 + luck.uniform(0, interval) for interval in scrapers}
    while clock.time < end:
        at = min(next_cycle, *next_scrape.values())
        clock.forward(max(0.0, at - clock.time))
        if at == next_cycle:
            street.cycle()
            next_cycle = max(at + (every if at < T0 + TRAFFIC + HOUR else max(every, 900)), clock.time)
            continue
        snapshot = street.ledger.snapshot()
        street.ledger.shown(snapshot)
        for interval, due in next_scrape.items():
            if due == at:
                scrapers[interval].take(snapshot, FAMILIES)
                next_scrape[interval] = at + interval + luck.uniform(-2, 2)
        street.collection.own()  # the process looks at itself every 15 s
    for _ in range(3):
        snapshot = street.cycle(HOUR if every == 3600 else MINUTE)
        for scraper in scrapers.values():
            scraper.take(snapshot, FAMILIES)
    ahead = sum(street.ledger.figures().ahead.values())
    for line in lines():
        truth = line.truth(world)
        meter = next(
            m
            for m in street.ledger.known("cloudwatch_metrics", street.target).meters.values()
            if (line.metric, line.stat) in m.position and m.resource.labels == line.labels
        )
        assert truth > 0
        assert meter.total(meter.position[line.metric, line.stat]) == truth
        for interval, scraper in scrapers.items():
            key = (line.family, line.part, line.labels)
            seen = scraper.increase(key)
            assert scraper.log[key][0] == 0.0
            assert seen >= truth * line.scale * (1 - 1e-9), f"scraped every {interval} s"
            if not ahead:
                assert seen == pytest.approx(truth * line.scale, rel=1e-9), f"scraped every {interval} s"
