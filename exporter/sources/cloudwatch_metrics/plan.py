"""Which series of a target are asked: what is listed, what is seeded, and what still has open blocks.

Pure: the census, what the ledger knows and the notes go in; strands, switches and standings come out. The strands of
the last plan are taken over where nothing about them has changed, with their timers.
"""

from __future__ import annotations

import math
from collections import Counter as Tallies
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from msgspec import structs

from exporter.admission import NOTE, Admission, Names, Order
from exporter.aws.metric_data import dimensions as encode
from exporter.catalogue.places import Dimensions, Place, Places, named
from exporter.inventory import NOT_SERVING, Census, Endpoint, Listing, Selection
from exporter.model import BLOCK, DAY, HOUR, MINUTE, Known, Metered, Resource, Standing, Switch, Target
from exporter.sources.cloudwatch_metrics.strands import HOT, Bundle, Rank, Settings, Strand, Unit, units

FORGET_AFTER = 63 * DAY  # as long as CloudWatch keeps what could still be counted
BEFORE_LISTED = HOUR  # CloudWatch lists a new series up to 15 minutes late: what was not shown may be older by that

SOURCE = "cloudwatch_metrics"
QUIET_PACE = float(HOUR)  # of counters without data in the last 3 h: they are asked so that what comes late is counted

_INVOCATIONS, _HOSTS, _COMPONENT_HOSTS = (
    "AWS/SageMaker",
    "/aws/sagemaker/Endpoints",
    "/aws/sagemaker/InferenceComponents",
)
_TAGGED = ("EndpointName", "InferenceComponentName")
StrandKey = tuple[Resource, bool, int, float, Rank, Order, bool]  # resource, counts, period, pace, rank, order, quiet
Group = tuple[Order, Resource]  # what is admitted or refused together


class Plan(NamedTuple):
    """What to ask on a target, and what the ledger must be told about what is not asked."""

    strands: Mapping[StrandKey, Strand]
    switches: tuple[Switch, ...]
    standings: tuple[Standing, ...]
    forget: tuple[Resource, ...]
    unasked: Mapping[tuple[str, str], int]  # by namespace and reason
    admitted: Names | None  # to be noted: see `admission`
    refused: bool = False  # whether anything found no place

    @property
    def settled(self) -> bool:
        """Whether all has its place, and the ledger need be told nothing, and knows all that is counted."""
        told = self.switches or self.standings or self.forget
        placed = self.admitted is None and not self.refused
        return placed and not told and not any(strand.begin for strand in self.strands.values())


class Begins(NamedTuple):
    """From when series without state are counted: by family when it was switched on, by namespace when last listed.

    `at` is when the plan is made, by AWS's clock: what is switched on again is counted from then on.
    """

    families: Mapping[str, int]
    listed: Mapping[str, float]
    at: float

    def of(self, family: str, namespace: str, created: float, *, left_out: bool) -> int:
        """Return the first second that counts for a new series of a family.

        It was not listed the last time, so what is older than that (and CloudWatch's delay) does not exist. After a
        long gap, neither does anything older than the thing itself; within a short one it may have been deleted and
        created again under its name. What was left out until now is counted from now on.
        """
        since = self.listed.get(namespace, 0.0) - BEFORE_LISTED
        if since < self.at - DAY:
            since = max(since, created)
        chosen = int(self.at) // MINUTE * MINUTE if left_out else 0
        return max(self.families[family], int(since) // BLOCK * BLOCK, chosen)


class _Draft:
    """A plan in the making."""

    def __init__(self, known: Mapping[Resource, Metered], at: float) -> None:
        self.known = known
        self.at = at
        self.asked: dict[tuple[Resource, bool], dict[int, tuple[Place, set[str]]]] = {}  # places by their identity
        self.metrics: dict[Resource, set[str]] = {}  # asked at their own pace, in the first spelling
        self.idle: dict[Resource, set[str]] = {}  # asked now and then, likewise
        self.switches: list[Switch] = []
        self.unasked: Tallies[tuple[str, str]] = Tallies()
        self.beyond: Tallies[str] = Tallies()  # series that are listed and were not even held

    def ask(self, resource: Resource, place: Place, names: Iterable[str], *, quiet: bool = False) -> None:
        by_place = self.asked.setdefault((resource, quiet), {})
        by_place.setdefault(id(place), (place, set()))[1].update(names)
        known = (self.idle if quiet else self.metrics).setdefault(resource, set())
        known.update(asked.first for name in names for asked in place.metrics[name])


class Planner:
    """Makes the plans of one target. Keeps resources and units, so that equal ones are one object."""

    def __init__(
        self,
        target: Target,
        places: Places,
        settings: Mapping[str, Settings],
        selection: Selection,
        admission: Admission,
    ) -> None:
        self._target = target
        self._admission = admission
        self._places = places
        self._settings = settings
        self._selection = selection
        self._resources: dict[tuple[str, Dimensions], Resource] = {}  # of this plan
        self._resources_before: dict[tuple[str, Dimensions], Resource] = {}  # and of the last one
        self._idle: dict[tuple[Resource, str], float] = {}  # since when metrics are seen to be idle,
        self._idle_before: dict[tuple[Resource, str], float] = {}  # as of this plan and of the last one
        self._unwanted: set[Resource] = set()  # listed, and left out by the selection,
        self._unwanted_before: set[Resource] = set()  # likewise
        self._units: dict[tuple[int, str, int], list[Unit]] = {}
        self._bundles: dict[tuple[int, ...], Bundle] = {}  # of this plan and of the last one
        self._bundles_before: dict[tuple[int, ...], Bundle] = {}
        self._begins: dict[tuple[tuple[tuple[str, str], int], ...], Mapping[tuple[str, str], int]] = {}  # of this plan
        self._counted: dict[int, Mapping[tuple[str, str], Order]] = {}
        self._apart = False  # see `plan`
        self._had: Names | None = None  # what had a place until now; None: all
        self._spelt = _spellings(places)

    def plan(
        self,
        census: Census,
        known: Known,
        begins: Begins,
        kept: Mapping[StrandKey, Strand],
        now: float,
        attended: float,
        *,
        apart: bool = False,
    ) -> Plan:
        """Return the plan for what is known now.

        What is hot is asked together, unless it is to be slowed by rank, and so must be `apart`.
        """
        # By the note, if there is one: a place that was given in a run that could not be committed was not given.
        noted = known.notes.get(NOTE)
        self._had = self._admission.admitted(self._target, SOURCE) if noted is None else noted
        self._resources_before, self._resources = self._resources, {}
        self._idle_before, self._idle = self._idle, {}
        self._unwanted_before, self._unwanted = self._unwanted, set()
        self._bundles_before, self._bundles = self._bundles, {}
        self._begins = {}
        draft = _Draft(known.meters, begins.at)
        for namespace, listing in census.listings.items():
            self._add_listed(draft, namespace, listing, census)
        self._add_seeded(draft, census)
        for namespace, listing in census.listings.items():
            self._add_lasting(draft, namespace, listing, census)
        for resource, meter in known.meters.items():
            self._add_known(draft, resource, meter, census)
        before: dict[Resource, list[Strand]] = {}
        for strand in kept.values():
            before.setdefault(strand.resource, []).append(strand)
        self._apart = apart
        strands: dict[StrandKey, Strand] = {}
        for (resource, quiet), by_place in draft.asked.items():
            state = known.meters.get(resource)
            for strand in self._strands(resource, by_place.values(), census, state, begins, quiet=quiet):
                key = (resource, strand.counts, strand.period, strand.pace, strand.rank, strand.order, quiet)
                strands[key] = _take_over(strand, kept.get(key), before.get(resource, ()))
        every = len(strands)
        strands, admitted = self._admit(draft, strands, now)
        counting = _counting(strands)
        idle = [(resource, meter) for resource, meter in known.meters.items() if resource not in counting]
        return Plan(
            strands,
            tuple(draft.switches),
            tuple(Standing(r, not m.alive) for r, m in idle if self._alive(r, census) != m.alive),
            tuple(r for r, m in idle if attended - m.used >= FORGET_AFTER and not _shown(m, now)),
            draft.unasked,
            admitted,
            refused=len(strands) < every or bool(draft.beyond),
        )

    # -- what is asked -----------------------------------------------------------------------------------------------

    def _add_listed(self, draft: _Draft, namespace: str, listing: Listing, census: Census) -> None:
        """Ask for what is listed, as far as its families are on and its resource is wanted."""
        for reason, count in listing.left_out.items():
            draft.unasked[namespace, reason] += count
        if listing.beyond:
            draft.beyond[f"series in {namespace}"] += listing.beyond
        for dimensions, names in listing.metrics.items():
            place = self._places[namespace, tuple(name for name, _ in dimensions)]
            on = {name for name in names if any(asked.row.name in self._settings for asked in place.metrics[name])}
            draft.unasked[namespace, "disabled"] += len(names) - len(on)
            resource = self._resource(place, dimensions)
            if not self._wanted(resource, census, draft):
                self._unwanted.add(resource)
                draft.unasked[namespace, "filtered"] += len(on)
            elif on:
                draft.ask(resource, place, on)

    def _add_lasting(self, draft: _Draft, namespace: str, listing: Listing, census: Census) -> None:
        """Ask now and then for counters that had data in the last two weeks, but not lately."""
        for dimensions, names in listing.lasting.items():
            idle = names - listing.metrics.get(dimensions, frozenset())
            if not idle:
                continue
            place = self._places[namespace, tuple(name for name, _ in dimensions)]
            resource = self._resource(place, dimensions)
            if self._wanted(resource, census, draft):
                asked = draft.metrics.get(resource, set())
                counted = {metric for metric, _ in self._counters(place)} - asked
                meter = draft.known.get(resource)
                if meter:
                    counted -= self._at_rest(resource, meter, counted, draft)
                names_of = {name for name in idle if any(one.first in counted for one in place.metrics[name])}
                if names_of:
                    draft.ask(resource, place, names_of, quiet=True)

    def _at_rest(self, resource: Resource, meter: Metered, metrics: set[str], draft: _Draft) -> set[str]:
        """Return the metrics whose counters are closed up to where they were first seen idle: they need no question."""
        rest = set()
        for metric in metrics:
            key = (resource, metric)
            since = self._idle[key] = self._idle_before.get(key, draft.at)
            places = [i for (of, _), i in meter.position.items() if of == metric]
            if places and all(meter.closed_until[i] >= since and meter.lease[i] > draft.at for i in places):
                rest.add(metric)
        return rest

    def _add_seeded(self, draft: _Draft, census: Census) -> None:
        """Ask for what stands at 0 from the start, whether it is listed or not."""
        place = self._places.get((_INVOCATIONS, ("EndpointName", "VariantName")))
        if place is None:
            return
        seeded = {
            asked.first
            for known in place.metrics.values()
            for asked in known
            if asked.row.seeded == "inventory" and asked.row.name in self._settings
        }
        for endpoint in (one for one in census.endpoints.values() if one.status not in NOT_SERVING):
            for variant in endpoint.variants:
                resource = self._resource(place, (("EndpointName", endpoint.name), ("VariantName", variant.name)))
                if self._wanted(resource, census, draft):
                    draft.ask(resource, place, seeded - draft.metrics.get(resource, set()))

    def _add_known(self, draft: _Draft, resource: Resource, meter: Metered, census: Census) -> None:
        """Switch counters on and off; ask for open blocks of what is not listed, and for spellings that they keep."""
        place = self._places.get(resource.shape)
        if place is None:
            return
        counted = self._counters(place) if self._wanted(resource, census, draft) else {}
        on = tuple(key for key, i in meter.position.items() if meter.paused[i] and key in counted)
        off = tuple(key for key, i in meter.position.items() if not meter.paused[i] and key not in counted)
        draft.switches += [
            Switch(resource, keys, which, draft.at) for keys, which in ((on, True), (off, False)) if keys
        ]
        often, idle = draft.metrics.get(resource, set()).copy(), draft.idle.get(resource, set()).copy()
        for (metric, stat), i in meter.position.items():
            if (metric, stat) not in counted:
                continue
            spelt = self._spelt[resource.shape][metric]
            quiet, spellings = metric in idle, meter.spellings(i)
            if metric not in often and not quiet:
                since = max(_unlisted_since(census, place) for place, _ in spelt.values())
                resumed = meter.lease[i] == -math.inf and not meter.paused[i]  # nothing shows it before it is read
                if meter.closed_until[i] >= since and not resumed:
                    continue  # all that it may have had is counted
                quiet, spellings = since < math.inf, spellings or {0}
            for spelling in spellings:
                spelt_place, name = spelt[spelling]
                draft.ask(resource, spelt_place, (name,), quiet=quiet)

    # -- how it is asked ---------------------------------------------------------------------------------------------

    def _strands(
        self,
        resource: Resource,
        by_place: Iterable[tuple[Place, set[str]]],
        census: Census,
        meter: Metered | None,
        begins: Begins,
        *,
        quiet: bool,
    ) -> Iterable[Strand]:
        """Return the strands of a resource: one for each way in which some of its metrics are asked together.

        A strand costs as much time as some ten of its series, so there are as few as can be. A gauge that is asked with
        counters is asked as far back as they are, at no price.
        """
        period, created = _publishing(resource, census), _created(resource, census)
        had = None if self._had is None else self._had.get(spelt(resource), ())
        groups: dict[tuple[bool, int, float, Rank | None, Order], list[Unit]] = {}
        for place, names in by_place:
            for unit in self._units_of(place, names, period):
                pace = max(unit.pace, QUIET_PACE) if quiet else unit.pace
                together = unit.rank >= HOT and not self._apart
                counts, rank = (True, None) if together else (unit.counts, unit.rank)
                groups.setdefault((counts, unit.period, pace, rank, unit.order), []).append(unit)
        middle, alive = encode(resource.dimensions), self._alive(resource, census)
        endpoint = census.endpoints.get(dict(resource.dimensions).get("EndpointName", ""))
        serves = endpoint is not None and endpoint.status not in NOT_SERVING
        for (_, at, pace, _, order), of_group in groups.items():
            left_out = resource in self._unwanted_before or not (had is None or order in had)
            known = meter.position if meter else {}
            new = {
                (counter.metric, counter.stat): begins.of(counter.family, unit.namespace, created, left_out=left_out)
                for unit in of_group
                for counter in unit.counters
                if counter and (counter.metric, counter.stat) not in known
            }
            bundle = self._bundle(tuple(of_group))
            begin = self._begins.setdefault(tuple(new.items()), new)  # thousands at a start, nearly all the same
            rank = max(unit.rank for unit in of_group)
            yield Strand(resource, bundle, bundle.counts, at, pace, rank, middle, alive, serves, order, quiet, begin)

    def _units_of(self, place: Place, names: Iterable[str], period: int) -> Iterator[Unit]:
        for name in sorted(names):
            key = (id(place), name, period)
            if key not in self._units:
                self._units[key] = units(place, name, self._settings, period)
            yield from self._units[key]

    def _bundle(self, of_group: tuple[Unit, ...]) -> Bundle:
        key = tuple(map(id, of_group))  # equal units are one object
        made = self._bundles.get(key) or self._bundles_before.get(key) or Bundle(of_group)
        self._bundles[key] = made
        return made

    def _counters(self, place: Place) -> Mapping[tuple[str, str], Order]:
        """Return the counters that are on at a place, by metric and statistic, and when each is admitted."""
        if id(place) not in self._counted:
            made = self._units_of(place, place.metrics, MINUTE)
            keys = {(counter.metric, counter.stat): unit.order for unit in made for counter in unit.counters if counter}
            self._counted[id(place)] = keys
        return self._counted[id(place)]

    # -- whether it fits -----------------------------------------------------------------------------------------------

    def _admit(
        self, draft: _Draft, strands: dict[StrandKey, Strand], now: float
    ) -> tuple[dict[StrandKey, Strand], Names | None]:
        """Return the strands that have a place; switch off what has lost its own, and on only what has one."""
        by_group: dict[Group, list[Strand]] = {}
        for strand in strands.values():
            by_group.setdefault((strand.order, strand.resource), []).append(strand)
        wanted = Tallies({group: sum(one.bundle.series for one in of_group) for group, of_group in by_group.items()})
        asked: dict[Resource, set[tuple[str, str]]] = {}
        for strand in strands.values():
            if strand.counts:
                asked.setdefault(strand.resource, set()).update(counted.key for counted in strand.bundle.counted)
        for resource, meter in draft.known.items():  # what is not asked may stand all the same
            orders, others = self._orders(resource), asked.get(resource, set())
            shown = (key for key, i in meter.position.items() if key not in others and meter.visible(i, now))
            wanted.update((orders[key], resource) for key in shown if key in orders)
        for switch in draft.switches:
            if switch.on and draft.known[switch.resource].alive:
                orders, others = self._orders(switch.resource), asked.get(switch.resource, set())
                wanted.update((orders[key], switch.resource) for key in switch.counters if key not in others)
        verdict = self._admission.admit(
            self._target,
            SOURCE,
            wanted,
            spell=spelt,
            kept=lambda group: any(True for _ in self._unpaused(group, draft)),
            beyond=draft.beyond,
            families=lambda group: Tallies(
                family for one in by_group.get(group, ()) for unit in one.bundle.units for family in unit.families
            ),
        )
        refused = verdict.refused
        if not refused:
            return strands, verdict.noted
        draft.switches = [
            structs.replace(switch, counters=tuple(key for key in switch.counters if self._fits(switch, key, refused)))
            for switch in draft.switches
        ]
        off = ((group[1], tuple(self._unpaused(group, draft))) for group in refused)
        draft.switches += [Switch(resource, keys, False, draft.at) for resource, keys in off]
        draft.switches = [switch for switch in draft.switches if switch.counters]
        return {key: one for key, one in strands.items() if (one.order, one.resource) not in refused}, verdict.noted

    def _fits(self, switch: Switch, key: tuple[str, str], refused: Container[Group]) -> bool:
        return not switch.on or (self._orders(switch.resource)[key], switch.resource) not in refused

    def _orders(self, resource: Resource) -> Mapping[tuple[str, str], Order]:
        place = self._places.get(resource.shape)
        return self._counters(place) if place else {}

    def _unpaused(self, group: Group, draft: _Draft) -> Iterator[tuple[str, str]]:
        """Yield what is being counted of a group."""
        order, resource = group
        meter, orders = draft.known.get(resource), self._orders(resource)
        if meter:
            yield from (key for key, i in meter.position.items() if orders.get(key) is order and not meter.paused[i])

    # -- whose it is -------------------------------------------------------------------------------------------------

    def _resource(self, place: Place, dimensions: Dimensions) -> Resource:
        namespace = place.shape.namespaces[0]
        key = (namespace, dimensions)
        known = self._resources.get(key) or self._resources_before.get(key)
        if known is None:
            labels = (self._target.account_id, self._target.region, *place.labels(dimensions))
            known = Resource(self._target, namespace, dimensions, labels)
        self._resources[key] = known
        return known

    def _wanted(self, resource: Resource, census: Census, draft: _Draft) -> bool:
        """Say whether a resource is chosen. One whose tags can't be known, or are gone with it, stays what it was."""
        values = dict(resource.dimensions)
        tagged = self._selection.tags and not values.keys().isdisjoint(_TAGGED)
        if tagged and not (census.tags_at and self._alive(resource, census)):
            meter = draft.known.get(resource)
            return meter is not None and not all(meter.paused)
        if "InferenceComponentName" in values:
            return self._selection.admits(census, "inference-component", values["InferenceComponentName"])
        if "EndpointName" in values:
            return self._selection.admits(census, "endpoint", values["EndpointName"])
        return len(resource.labels) < 3 or self._selection.admits(census, "", resource.labels[2])

    def _alive(self, resource: Resource, census: Census) -> bool:
        """Say whether a resource exists; what could not be looked at does."""
        values = dict(resource.dimensions)
        if "InferenceComponentName" in values:
            return not census.components_at or values["InferenceComponentName"] in census.components
        if "EndpointName" in values:
            endpoint = census.endpoints.get(values["EndpointName"])
            variant = values.get("VariantName")
            if endpoint is None:
                return not census.endpoints_at
            return variant is None or not endpoint.variants or any(one.name == variant for one in endpoint.variants)
        spelt = self._spelt.get(resource.shape, {})
        namespaces = {place.namespace for of_metric in spelt.values() for place, _ in of_metric.values()}
        listings = [census.listings[namespace] for namespace in namespaces if namespace in census.listings]
        dimensions = resource.dimensions
        return not listings or any(dimensions in one.metrics or dimensions in one.lasting for one in listings)


def spelt(resource: Resource) -> str:
    """Return the name of a resource over restarts."""
    return named(resource.namespace, resource.dimensions)


def _counting(strands: Iterable[StrandKey]) -> set[Resource]:
    return {resource for resource, counts, *_ in strands if counts}


def _spellings(places: Places) -> dict[tuple[str, tuple[str, ...]], dict[str, dict[int, tuple[Place, str]]]]:
    """Return, by shape and metric in the first spelling, the place and name of each spelling."""
    found: dict[tuple[str, tuple[str, ...]], dict[str, dict[int, tuple[Place, str]]]] = {}
    for place in places.values():
        of_shape = found.setdefault((place.shape.namespaces[0], place.names), {})
        for name, known in place.metrics.items():
            for asked in known:
                of_shape.setdefault(asked.first, {})[asked.spelling] = (place, name)
    return found


def _unlisted_since(census: Census, place: Place) -> float:
    """Return since when what a namespace does not list has had no data; for ever if it could not be listed."""
    listing = census.listings.get(place.namespace)
    return listing.since if listing and listing.since else math.inf


def _take_over(strand: Strand, same: Strand | None, of_resource: Iterable[Strand]) -> Strand:
    """Return the strand of the plan before if it asks the same, else the new one.

    A new one that asks nothing but what was asked, together or apart, goes on with the timers of those who did.
    """
    if same and same.bundle is strand.bundle:
        same.alive, same.serves, same.begin = strand.alive, strand.serves, strand.begin
        return same
    units = set(strand.bundle.units)
    known = [before for before in of_resource if not units.isdisjoint(before.bundle.units)]
    if not units.issubset(chain.from_iterable(before.bundle.units for before in known)):
        return strand
    strand.due, strand.settle_due = min(one.due for one in known), min(one.settle_due for one in known)
    strand.deep_due, strand.last = min(one.deep_due for one in known), min(one.last for one in known)
    strand.looked, strand.newest = min(one.looked for one in known), max(one.newest for one in known)
    strand.born = min((one.born for one in known if one.born), default=0.0)
    strand.unheard = strand.bundle.metrics.intersection(chain.from_iterable(one.unheard for one in known))
    return strand


def _endpoint(resource: Resource, census: Census) -> Endpoint | None:
    values = dict(resource.dimensions)
    component = census.components.get(values.get("InferenceComponentName", ""))
    return census.endpoints.get(component.endpoint if component else values.get("EndpointName", ""))


def _publishing(resource: Resource, census: Census) -> int:
    """Return the publishing period of a resource (seconds): of its hosts, or with enhanced metrics of all it has."""
    endpoint = _endpoint(resource, census)
    follows = resource.namespace in {_HOSTS, _COMPONENT_HOSTS} or (endpoint is not None and endpoint.enhanced)
    return endpoint.publish_period if endpoint and follows else MINUTE


def _created(resource: Resource, census: Census) -> float:
    """Return when a resource was created, 0 if that is not known."""
    values = dict(resource.dimensions)
    thing = census.components.get(values.get("InferenceComponentName", "")) or _endpoint(resource, census)
    return thing.created if thing else 0.0


def _shown(meter: Metered, now: float) -> bool:
    return any(meter.visible(i, now) for i in range(len(meter.lease)))
