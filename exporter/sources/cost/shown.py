"""What is shown of what runs now: an hour of it by type and by resource, prices, and what has none.

A sum that lacks something is none: while a resource is new, and nobody has looked at it yet, the sums of its type stay
as they were. What can't be looked at for long is left out of them, and told as a failure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from exporter.inventory import Census
from exporter.sources.cost import idle
from exporter.sources.cost.hours import Ran
from exporter.sources.cost.prices import Billed, Price

HOURLY = "sagemaker_cost_hourly_usd"
OF_RESOURCE = "sagemaker_cost_resource_hourly_usd"
IDLE = "sagemaker_cost_idle_hourly_usd"
PRICE = "sagemaker_cost_price_hourly_usd"
UNPRICED = "sagemaker_cost_unpriced_instances"

LONG_LIVED = ("endpoint", "notebook_instance", "cluster", "mlflow_tracking_server")
"""What has a series for each resource: jobs and apps come and go by the thousand."""


class Value(NamedTuple):
    """A value, its labels after the target's, what is seen whole with it or not at all, and until when it stands."""

    family: str
    labels: tuple[str, ...]
    value: float
    scope: str
    until: float


class Seen(NamedTuple):
    """What is known lately of the resources of a type, and until when that stands.

    `whole` says whether that is all of them, but for those that are `unknown` for long.
    """

    ran: Mapping[str, Ran]
    stands: float  # seconds
    listed: bool
    whole: bool
    unknown: tuple[str, ...]


def seen(census: Census, kind: str, ran: Mapping[str, Ran], as_of: float, last_good: float, now: float) -> Seen:
    """Return what is known of a type at a time by AWS's clock; it was last listed at `as_of`."""
    listing = census.things.get(kind)
    stands = max(last_good, 3 * listing.pause if listing else 0.0)  # a long listing is made seldom
    lately = {name: one for name, one in ran.items() if one.on is not None and now < one.until + stands}
    long_ago = tuple(sorted(name for name, one in ran.items() if now >= one.until + stands))
    listed = now < as_of + stands
    return Seen(lately, stands, listed, listed and len(lately) + len(long_ago) == len(ran), long_ago)


def billed(of_types: Mapping[str, Seen]) -> set[Billed]:
    """Return what runs, by type and instance type."""
    return {(kind, on) for kind, of in of_types.items() for one in of.ran.values() for on in one.on or ()}


def values(
    of_types: Mapping[str, Seen],
    jobs: Mapping[str, Mapping[str, float]],
    owed: Mapping[Billed, float],
    known_prices: Mapping[Billed, tuple[Price, ...]],
    until: float,
) -> Iterator[Value]:
    """Yield what runs and what it costs; what is known of `jobs`, by type and instance type, stands `until`."""
    told: set[Billed] = set()
    for kind, of in of_types.items():
        if of.whole:
            numbers: dict[str, float] = defaultdict(float)
            for one in of.ran.values():
                for instance_type, number in (one.on or {}).items():
                    numbers[instance_type] += number
            stands = min((one.until for one in of.ran.values()), default=until) + of.stands
            told |= {(kind, one) for one in numbers}
            for instance_type, number in numbers.items():
                yield from _of((kind, instance_type), number, known_prices, stands)
        for name, one in of.ran.items() if kind in LONG_LIVED else ():
            prices = {on: known_prices.get((kind, on)) for on in one.on or {}}
            usd = [number * price[-1][1] for on, number in (one.on or {}).items() if (price := prices[on])]
            if usd and all(prices.values()):  # or it would look cheap
                yield Value(OF_RESOURCE, (kind, name), sum(usd), resources(kind), one.until + of.stands)
    for kind, by_type in jobs.items():
        told |= {(kind, one) for one in by_type}
        for instance_type, number in by_type.items():
            yield from _of((kind, instance_type), number, known_prices, until)
    known = settled(of_types, jobs)
    for what in owed.keys() - told:
        if what[0] in known:  # it does not run, and has yet to be counted
            yield Value(UNPRICED, what, 0.0, owed_of(what[0]), until)


def settled(of_types: Mapping[str, Seen], jobs: Collection[str]) -> set[str]:
    """Return the types of which it is known what runs; of warm pools nothing is, and they are billed at their end."""
    return {*(kind for kind, of in of_types.items() if of.whole), *jobs, "warm_pool"}


def looked(of_types: Mapping[str, Seen], jobs: Collection[str]) -> set[str]:
    """Return the scopes that are seen whole: what is not shown of them now is gone."""
    whole = {kind for kind, of in of_types.items() if of.whole}
    single = {resources(kind) for kind, of in of_types.items() if of.listed}
    return {*whole, *jobs, *single, *map(owed_of, settled(of_types, jobs))}


def owed_of(kind: str) -> str:
    """Return the scope of what ran and has no price yet."""
    return f"{kind}/owed"


def resources(kind: str) -> str:
    """Return the scope of what is shown of single resources."""
    return f"{kind}/resources"


def _of(what: Billed, number: float, known_prices: Mapping[Billed, tuple[Price, ...]], until: float) -> Iterator[Value]:
    if what in known_prices:
        price = known_prices[what][-1][1]
        yield Value(HOURLY, what, number * price, what[0], until)
        yield Value(PRICE, what, price, what[0], until)
    else:
        yield Value(UNPRICED, what, number, what[0], until)


def unused(
    used: Mapping[str, idle.Used],
    census: Census,
    of_types: Mapping[str, Seen],
    known_prices: Mapping[Billed, tuple[Price, ...]],
    after: float,
    now: float,
) -> Iterator[Value]:
    """Yield what an hour of all that nobody has used for long costs, of the types of which that can be told."""
    for kind, of in of_types.items():
        running = {name: one for name, one in of.ran.items() if one.on}
        since = {name: idle.since(kind, name, used, census, now) for name in running}
        if not of.whole or kind not in idle.TOLD or None in since.values():
            continue
        idling = [one for name, one in running.items() if now - max(since[name] or 0.0, one.created) >= after]
        held = [(number, known_prices.get((kind, on))) for one in idling for on, number in (one.on or {}).items()]
        if all(price for _, price in held):
            usd = math.fsum(number * price[-1][1] for number, price in held if price)
            yield Value(IDLE, (kind,), usd, f"{kind}/idle", now + of.stands)
