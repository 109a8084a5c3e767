"""How much of what quotas limit is in use, counted from what others have seen: the inventory, and who follows jobs.

What they have not seen yet, or not for too long, is not known here: that is not nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self

from exporter.catalogue.jobs import FACTS, INSTANCES, KEPT, POLLING, SIZE, scope_of
from exporter.catalogue.training_jobs import POOLS
from exporter.config import Config, stands
from exporter.inventory import Census, Selection, known_since, running
from exporter.model import Known

FOR_JOBS: Mapping[str, tuple[str, ...]] = {  # what is counted of jobs, and the families by which they are known
    "training": (INSTANCES,),
    "on_demand_training": (INSTANCES, FACTS),
    "spot_training": (INSTANCES, FACTS),
    "warm_pool": (POOLS,),
    "processing": (INSTANCES,),
    "transform": (INSTANCES,),
}
_INSTANCES_OF = ("endpoint", "notebook_instance", "cluster")  # of these, instances are counted; of others, things
_THINGS = ("domain", "user_profile", "space", "mlflow_tracking_server", "pipeline", "monitoring_schedule")
_FOLDED = "other"  # the type that jobs are on whose type is beyond the bound of the label: any that has no number
_STANDS = 300.0  # seconds for which stands what is known of jobs: it leaves the ledger when it is too old


class Count(NamedTuple):
    """How many there are by instance type, and until when that may be shown; NaN: how many can't be told."""

    by_type: Mapping[str, float]
    until: float

    def of(self, instance_type: str) -> float:
        """Return how many there are of a type, or of all."""
        if instance_type:
            unseen = math.nan if _FOLDED in self.by_type else 0.0
            return self.by_type.get(instance_type, self.by_type.get("", unseen))
        return math.fsum(self.by_type.values())

    def by(self, late: float) -> Self:
        """Return it by a clock that ours is so `late` by (seconds)."""
        return self._replace(until=self.until + late)


class Counts:
    """What is counted, from what is known now."""

    def __init__(self, config: Config) -> None:
        settings = config.sources.inventory
        self._looks = settings.enabled
        self._age = stands(settings)
        polling = config.sources.job_polling
        self._job_age = stands(polling)
        # A limit is the account's: jobs of which some are left out would look like less use than there is.
        follows = polling.enabled and Selection(config.resources).everything
        self._jobs = {counted for counted, families in FOR_JOBS.items() if follows and all(map(config.on, families))}

    def expects(self, counted: str, census: Census) -> bool:
        """Say whether somebody looks at it, so that it will be known."""
        kind = "app" if counted.startswith("app/") or counted == "running_app" else counted
        return counted in self._jobs or (self._looks and (kind == "endpoint" or kind in census.things))

    def now(self, census: Census, known: Known, now: float) -> dict[str, Count]:
        """Return what is known of each that can be counted now."""
        found = dict(self._of_inventory(census, now)) if self._looks else {}
        if self._jobs:
            found |= {name: count for name, count in _of_jobs(known, now, self._job_age) if name in self._jobs}
        return found

    def _of_inventory(self, census: Census, now: float) -> Iterator[tuple[str, Count]]:
        instances: dict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        for one in running(census):
            instances[f"app/{one.app_type}" if one.app_type else one.resource_type][one.instance_type] += one.count
        since = known_since(census)
        apps = {name for name in instances if name.startswith("app/")}
        for kind, at in since.items():
            until = min(at, now) + self._stands(census, kind)  # our clock may have been set back since
            if at and now < until:
                if kind in _INSTANCES_OF:
                    yield kind, Count(instances[kind], until)
                elif kind == "app":
                    yield from ((name, Count(instances[name], until)) for name in apps)
                    yield "app", Count({}, until)  # of kinds of which none runs
        for kind in (*_THINGS, "app"):
            listing = census.things.get(kind)
            until = min(listing.at, now) + self._stands(census, kind) if listing else 0.0
            if listing and listing.at and now < until:
                alive = (kind != "app" or one.status == "InService" for one in listing.by_key.values())
                yield "running_app" if kind == "app" else kind, Count({"": float(sum(alive))}, until)

    def _stands(self, census: Census, kind: str) -> float:
        listing = census.things.get(kind)
        return max(self._age, 3 * listing.pause if listing else 0.0)


def count_of(counts: Mapping[str, Count], counted: str) -> Count | None:
    """Return the count of what a quota limits; None: it is not known."""
    return counts.get(counted) or (counts.get("app") if counted.startswith("app/") else None)


def _of_jobs(known: Known, now: float, age: float) -> Iterator[tuple[str, Count]]:
    """Yield what is known lately of jobs."""
    instances: dict[str, dict[str, float]] = defaultdict(dict)
    for (_, _, job_type, instance_type), number in known.values(INSTANCES).items():
        instances[job_type][instance_type] = number
    until = now + _STANDS

    def sees(job_type: str, what: str) -> bool:
        looked = known.looked(POLLING, scope_of(job_type, what))
        return looked <= now < looked + age

    for job_type in ("training", "processing", "transform"):
        if sees(job_type, SIZE):
            yield job_type, Count(instances[job_type], until)
    if sees("training", SIZE):
        spot = _spot(known)
        shares = {one: spot.get(one, spot.get("", math.nan)) for one in instances["training"]}
        by_spot = {one: number * shares[one] for one, number in instances["training"].items()}
        rest = {one: number - by_spot[one] for one, number in instances["training"].items()}
        yield "spot_training", Count(by_spot, until)
        yield "on_demand_training", Count(rest, until)
    if sees("training", KEPT):
        pools = {one: math.nan for _, _, one, _ in known.values(POOLS)}  # of how many instances, nobody tells
        yield "warm_pool", Count(pools, until)


def _spot(known: Known) -> dict[str, float]:
    """Return by instance type whether training jobs on it are spot (1) or not (0); NaN: some are, which is not told.

    A job on instances of several types tells none of them: it may be on any.
    """
    told: dict[str, set[float]] = defaultdict(set)
    for _, _, job_type, _, instance_type, spot, _, _ in known.values(FACTS):
        if job_type == "training":
            told[instance_type].add(float(spot == "true"))
    anywhere = told.pop("", set[float]())
    by_type = {one: found | anywhere for one, found in told.items()} | ({"": anywhere} if anywhere else {})
    return {one: found.pop() if len(found) == 1 else math.nan for one, found in by_type.items()}
