"""Which things exist now, as far as we know: endpoints, components, all other kinds of things, listed series.

A `Census` is frozen and has an age; looking makes a new one out of the last one, and what can't be looked at stays as
it was, with its own age. Describes are CloudTrail events that somebody pays for, so a thing is described when it is
new, when it changed, while it is not in service, and now and then. Nothing here makes a sample.

    census      what is known, as frozen data
    look        one look at a target: its calls, and what fails
    endpoints   endpoints, components, scaling bounds; tags of all
    kinds       the table of all other kinds of things
    things      the things of these kinds
    running     what of all that runs on instances, on which, on how many
    series      the series that CloudWatch lists
"""

from __future__ import annotations

import fnmatch
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Self

from msgspec import structs

from exporter.admission import Admission
from exporter.aws import Aws
from exporter.catalogue.places import Places, sweeps
from exporter.config import Resources
from exporter.inventory import endpoints, series, things
from exporter.inventory.census import (
    NOT_SERVING,
    STEADY,
    Census,
    Component,
    Endpoint,
    Facts,
    Listing,
    ScalingBound,
    Thing,
    Things,
    Told,
    Variant,
    set_back,
)
from exporter.inventory.kinds import COUNTED, KINDS, WITH_ENDPOINTS, Kind, counted, wanted
from exporter.inventory.look import Look, Pacing
from exporter.inventory.running import Fleet, Holding, Running, fleets, known_since, running
from exporter.inventory.things import path_of, still_told
from exporter.model import HOUR, Resource, Target

__all__ = [
    "COUNTED",
    "KINDS",
    "NOT_SERVING",
    "STEADY",
    "TAGS_LATE",
    "WITH_ENDPOINTS",
    "Census",
    "Component",
    "Endpoint",
    "Facts",
    "Fleet",
    "Holding",
    "Inventory",
    "Kind",
    "Listing",
    "Pacing",
    "Running",
    "ScalingBound",
    "Selection",
    "Thing",
    "Things",
    "Told",
    "Variant",
    "counted",
    "fleets",
    "known_since",
    "path_of",
    "running",
    "still_told",
    "wanted",
]


class Selection:
    """Which resources the user wants, by globs of their names and by tags."""

    def __init__(self, wanted: Resources) -> None:
        self._wanted = wanted

    @property
    def tags(self) -> bool:
        """Whether tags must be known to decide."""
        return bool(self._wanted.tags)

    @property
    def everything(self) -> bool:
        """Whether no name is left out, of whatever: what is chosen by tags may be."""
        return not self._wanted.exclude and (not self._wanted.include or "*" in self._wanted.include)

    def admits(self, census: Census, kind: str, name: str) -> bool:
        """Say whether a resource is wanted. Only endpoints and inference components can be chosen by tags."""
        if not self._named(name):
            return False
        if self._wanted.tags and kind in _TAGGED:
            tags = census.tags.get(f"{kind}/{name}".lower(), {})
            return all(fnmatch.fnmatchcase(tags.get(key, ""), pattern) for key, pattern in self._wanted.tags.items())
        return True

    def bars(self, census: Census, kind: str, name: str) -> bool:
        """Say whether a resource is known not to be wanted: of one whose tags have not been read it is not."""
        if not self._named(name):
            return True
        there = census.endpoints if kind == "endpoint" else census.components
        one = there.get(name) if self._wanted.tags and kind in _TAGGED else None
        return one is not None and one.created < census.tags_at - TAGS_LATE and not self.admits(census, kind, name)

    def _named(self, name: str) -> bool:
        """Say whether no name keeps a resource out."""
        wanted = self._wanted
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted.exclude):
            return False
        return not wanted.include or any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted.include)


_TAGGED = {"endpoint", "inference-component"}
TAGS_LATE = 300.0  # seconds after which a resource that has tags is told to have them


class Inventory:
    """The newest census of each target. Thread-safe."""

    def __init__(
        self,
        aws: Aws,
        known: Places,
        pacing: Pacing,
        admission: Admission,
        on: Callable[[str], bool] = lambda _: True,
        before: Self | None = None,
    ) -> None:
        """`on` says whether a family is asked for, which goes before the rest where there is no room for all.

        `before` has seen the same world, by another configuration: what it knows need not be looked at again.
        """
        self._aws = aws
        self._places = known
        self._sweeps = sweeps(known)
        self._pacing = pacing
        self._admission = admission
        self._on = on
        self._lock = threading.Lock()
        self._censuses = {target: self._still(census) for target, census in before.censuses().items()} if before else {}

    def _still(self, census: Census) -> Census:
        """Return what a census tells of what is still of interest."""
        if self._pacing.tags and not census.tags_of.chosen:  # not all are known by which one may choose now
            census = structs.replace(census, tags={}, tags_at=0.0)
        namespaces = {sweep.namespace for sweep in self._sweeps}
        listings = {name: listing for name, listing in census.listings.items() if name in namespaces}
        if not self._pacing.resources:
            tags, at, of = census.tags, census.tags_at, census.tags_of
            return Census(listings=listings, tags=tags, tags_at=at, tags_of=of, at=census.at, dated=census.dated)
        wanted = {one.kind.name for one in self._pacing.kinds}
        known = {name: listed for name, listed in census.things.items() if name in wanted}
        return structs.replace(census, listings=listings, things=known, failures=())

    def censuses(self) -> Mapping[Target, Census]:
        """Return the newest census of each target."""
        with self._lock:
            return dict(self._censuses)

    def census(self, target: Target) -> Census:
        """Return the newest census; an empty one before the first look."""
        with self._lock:
            return self._censuses.get(target, Census())

    def look(self, target: Target, now: float, counted: Iterable[Resource] = ()) -> Census:
        """Look again at what is due, and return what is known now. Raises nothing: failures are in the census.

        What is `counted` is held for certain; of the rest of what is listed, as much as there may be room for.

        Listings come first and are published before the slow part, so that series are asked while things are described.
        """
        look = self._listed(target, now, self.census(target), counted)
        self._publish(target, look.census())
        if self._pacing.resources:
            endpoints.list_scaling(look)
            endpoints.describe_endpoints(look)
            endpoints.describe_components(look)
            things.list_things(look)
            things.ask_about_things(look)
        return self._publish(target, look.census())

    def survey(self, target: Target, now: float) -> Census:
        """Look anew at what the listings show, describing nothing."""
        look = self._listed(target, now, Census())
        if self._pacing.resources:
            things.list_things(look)
        return self._publish(target, look.census())

    def _listed(self, target: Target, now: float, before: Census, counted: Iterable[Resource] = ()) -> Look:
        """Return a look that has listed what is due."""
        if late := before.late(now, self._aws.now()):
            before = set_back(before, late)
        look = Look(self._aws, target, now, self._pacing, before)
        if self._pacing.resources:
            endpoints.list_endpoints(look)
            endpoints.list_components(look)
        room = series.Room(self._admission, target, counted, self._on)
        series.list_series(look, room, self._places, self._sweeps)
        if self._pacing.tags or self._pacing.labels:
            endpoints.list_tags(look)
        return look

    def calls_an_hour(self, census: Census, every: float) -> Mapping[str, float]:
        """Return how often operations are called in an hour where all that exists is in service and nothing changes."""
        hour = float(HOUR)
        listed, described = (  # what is due between two looks waits for the second
            hour / (every * math.ceil(timer / every))
            for timer in (self._pacing.list_metrics_every, self._pacing.describe_every)
        )
        calls: dict[str, float] = {"ListMetrics": 0.0}
        for sweep in self._sweeps:
            listing = census.listings.get(sweep.namespace)
            recent = _pages(sum(map(len, listing.metrics.values())) if listing else 0, series.LISTED)
            lasting = _pages(sum(map(len, listing.lasting.values())) if listing else 0, series.LISTED)
            calls["ListMetrics"] += recent * listed + (lasting if sweep.counts else 0)
        if self._pacing.resources:
            calls["ListEndpoints"] = _pages(len(census.endpoints), 100) * hour / every
            calls["ListInferenceComponents"] = _pages(len(census.components), 100) * hour / every
            calls["DescribeEndpoint"] = len(census.endpoints) * described
            calls["DescribeInferenceComponent"] = len(census.components) * described
            calls["DescribeScalableTargets"] = listed
            calls |= things.calls_an_hour(census.things, self._pacing.kinds, every, described)
        if self._pacing.tags or self._pacing.labels:  # at most: what never had a tag is not listed
            kinds = [one.kind for one in self._pacing.kinds if one.kind.counted and self._pacing.labels]
            others = sum(len(census.things.get(kind.name, Things()).by_key) for kind in kinds)
            calls["GetResources"] = _pages(len(census.endpoints) + len(census.components) + others, 100) * listed
        return calls

    def _publish(self, target: Target, census: Census) -> Census:
        with self._lock:
            self._censuses[target] = census
        return census


def _pages(things: int, on_a_page: int) -> int:
    return max(1, -(-things // on_a_page))
