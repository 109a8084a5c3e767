"""What a configuration will ask and cost, before it runs: the real planner on a real or an assumed inventory.

Prices are AWS's list prices; an estimate is no bill. But for `survey`, nothing here asks AWS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exporter.aws.operations import METRIC_PRICE, OPERATIONS, TRAIL_PRICE
from exporter.catalogue import CATALOGUE
from exporter.catalogue.places import Dimensions, places
from exporter.catalogue.shapes import VARIANT, VARIANT_HOSTS
from exporter.collection import Follower, Source
from exporter.config import Config
from exporter.daemon import Parts
from exporter.inventory import Census, Endpoint, Listing, Variant
from exporter.model import DAY, Failure, Target

HOURS = 730.0  # of a month, as AWS reckons


class Line(NamedTuple):
    """What a source takes: how often it asks (s), and calls, metrics asked and USD in an hour.

    And how many of the calls are management events of CloudTrail, which USD does not hold.
    """

    source: str
    every: tuple[float, ...]
    calls: float
    metrics: float
    usd: float
    trailed: float


class Estimate(NamedTuple):
    """What all sources take on all targets (USD an hour).

    `floor` is what they cost however low the dollar limit is, `everything` with all rows asked in every run.
    `left_out` is the number of CloudWatch's series that do not fit into `limits.series`.
    """

    lines: tuple[Line, ...]
    floor: float
    everything: float
    left_out: int

    @property
    def usd(self) -> float:
        """USD an hour."""
        return sum(line.usd for line in self.lines)


def assumed(config: Config, endpoints: int, now: float) -> Census:
    """Return a census of so many endpoints in service, each with one variant that has what a variant usually has."""
    rows = [row for row in CATALOGUE.values() if row.ask and row.on and config.on(row.name)]
    known = places(row for row in rows if row.ask and row.ask.shape in (VARIANT, VARIANT_HOSTS))
    names = [f"endpoint-{n}" for n in range(endpoints)]
    listings: dict[str, Listing] = {}
    for place in known.values():
        first = place.namespace == place.shape.namespaces[0]  # nothing is published in the other spellings
        metrics = frozenset(name for name, asked in place.metrics.items() if name == asked[0].first)
        variants: list[Dimensions] = [(("EndpointName", name), ("VariantName", "AllTraffic")) for name in names]
        listed = dict.fromkeys(variants if first else (), metrics)
        listings[place.namespace] = Listing(now, listed, lasting_at=now, lasting=listed)
    variant = Variant("AllTraffic", "production", {}, {})
    found = {name: Endpoint(name, "InService", now - DAY, now - DAY, variants=(variant,)) for name in names}
    return Census(endpoints=found, endpoints_at=now, components_at=now, listings=listings, at=now)


def survey(parts: Parts, target: Target) -> tuple[Failure, ...]:
    """Let all sources list what they need for their forecasts; return what could not be listed."""
    now = parts.clock.now()
    return tuple(failure for source, _ in parts.sources for failure in source.survey(target, now))


def estimate(parts: Parts, censuses: Mapping[Target, Census]) -> Estimate:
    """Return what the sources of `parts` take in an hour on targets where this exists, once they have been running."""
    lines = []
    left = parts.config.limits.usd_per_month / HOURS
    floor = everything = 0.0
    sources: list[Source | Follower] = [source for source, _ in parts.sources]
    sources += [one for one, _ in parts.listeners if isinstance(one, Follower)]
    for source in sorted(sources, key=lambda one: getattr(one, "thrifty", False)):  # these live on what others leave
        hour = source.forecast(censuses, left, parts.clock.now())
        fixed = sum(number * OPERATIONS[name].price for name, number in hour.calls.items())
        usd = fixed + hour.metrics * METRIC_PRICE
        trailed = sum(number for name, number in hour.calls.items() if OPERATIONS[name].trailed)
        lines.append(Line(source.name, hour.every, sum(hour.calls.values()), hour.metrics, usd, trailed))
        floor, everything = (
            floor + fixed + hour.floor * METRIC_PRICE,
            everything + fixed + hour.everything * METRIC_PRICE,
        )
        left -= usd
    return Estimate(tuple(lines), floor, everything, parts.admission.dropped())


def told(found: Estimate, config: Config, censuses: Mapping[Target, Census], assumption: str) -> Iterable[str]:
    """Yield the lines that people read."""
    accounts = len({target.account_id for target in censuses})
    on = sum(config.on(name) for name, row in CATALOGUE.items() if row.source != "own")
    off = sum(not config.on(name) for name, row in CATALOGUE.items() if row.source != "own")
    counts = (_count(accounts, "account"), _count(len(censuses), "target"), _count(len(found.lines), "source"))
    yield f"valid. {', '.join(counts)}, {on} families ({off} off)"
    yield f"{assumption}:"
    yield f"{'source':<20} {'asks every':<14} {'calls/h':>9} {'metrics/h':>11} {'USD/month':>11}"
    for line in found.lines:
        every = " ".join(_duration(seconds) for seconds in dict.fromkeys(line.every))
        usd = line.usd * HOURS
        yield f"{line.source:<20} {every:<14} {line.calls:>9,.0f} {line.metrics:>11,.0f} {usd:>11,.2f}"
    saved = found.everything / found.usd if found.usd else 1.0
    yield (
        f"estimated bill {found.usd * HOURS:,.2f} USD/month (list prices, up to five statistics billed as one; "
        f"{saved:.1f} times less than asking everything each time)"
    )
    trailed = sum(line.trailed for line in found.lines)
    yield (
        f"its calls are {trailed:,.0f} management events of CloudTrail an hour: free in the first trail of an account, "
        f"{trailed * TRAIL_PRICE * HOURS:,.2f} USD/month in each further one"
    )
    limit, floor = config.limits.usd_per_month, found.floor * HOURS
    if floor > limit:
        yield f"limits.usd_per_month is {limit:,.2f}, but however slowly all is asked it costs {floor:,.2f}: exceeded"
    elif found.usd * HOURS > limit * 1.01:
        yield f"more than limits.usd_per_month, {limit:,.2f}: paces will be slowed (the floor is {floor:,.2f})"
    else:
        yield f"within limits.usd_per_month, {limit:,.2f} (the floor is {floor:,.2f})"
    if found.left_out:
        series = f"{found.left_out:,} series of CloudWatch do not fit and are left out"
        others = "more where other sources need room (theirs are not reckoned here)"
        yield f"limits.series is {config.limits.series:,}: {series}, and {others}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    for width, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * width or seconds == width:
            return f"{seconds / width:g}{unit}"
    return f"{seconds:g}s"
