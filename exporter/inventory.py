"""Which things exist now, as far as we know: endpoints, components, scaling bounds, tags, series that CloudWatch lists.

A `Census` is frozen and has an age; looking makes a new one out of the last one, and what can't be looked at stays as
it was, with its own age. Describes are CloudTrail events that somebody pays for, so a thing is described when it is
new, when it changed, while it is not in service, and now and then. Nothing here makes a sample.
"""

from __future__ import annotations

import fnmatch
import math
import threading
from collections.abc import Callable, Container, Hashable, Iterable, Mapping
from typing import Any, NamedTuple, Self, TypeVar

from msgspec import Struct, structs

from exporter.admission import Admission, Order, order
from exporter.aws import Aws, AwsError, read_as
from exporter.aws.operations import OPERATIONS
from exporter.catalogue.places import Dimensions, Place, Places, Sweep, named, sweeps
from exporter.config import Resources
from exporter.model import DAY, HOUR, Failure, Resource, Target

MOST_DESCRIBES = 150  # of a kind in one look: 30 s at 5 a second; the rest follows in the next one
LASTING_EVERY = HOUR  # how often everything is listed that had data in the last two weeks
UNBROKEN = 13 * DAY  # such listings leave no hole in time if no further apart than this
STEADY = {"InService", "OutOfService", "Failed", "UpdateRollbackFailed"}  # what does not change by itself
LISTED = 500  # series on a page of ListMetrics
HELD = 4  # metrics that are held for each series that there may be room for: not all of them are on
HELD_ANYWAY = 10_000
TOLD_APART = 100_000  # series that are left out, so that each is counted once
NOT_SERVING = {"OutOfService", "Failed", "Deleting"}
RETRY_AFTER = 120.0  # seconds until a description that failed is tried again, twice as long each time

_T = TypeVar("_T")


_OLDEST_FIRST: Mapping[str, Any] = {"SortBy": "CreationTime", "SortOrder": "Ascending", "MaxResults": 100}


class Variant(Struct, frozen=True):
    """A variant of an endpoint: answers of DescribeEndpoint and DescribeEndpointConfig (AWS's names and units)."""

    name: str
    role: str
    facts: Mapping[str, Any]
    config: Mapping[str, Any]


class Endpoint(Struct, frozen=True):
    """An endpoint as listed; `facts` is DescribeEndpoint's answer, empty until there is one."""

    name: str
    status: str
    created: float
    modified: float
    facts: Mapping[str, Any] = {}
    variants: tuple[Variant, ...] = ()
    described_at: float = 0.0
    described_as: tuple[str, float] = ("", 0.0)  # status and time of change that the description belongs to
    failed: int = 0  # descriptions, one after the other,
    retry_at: float = 0.0  # and when the next one is worth it

    @property
    def publish_period(self) -> int:
        """How often it sends metrics to CloudWatch (seconds)."""
        return int(self.facts.get("MetricsConfig", {}).get("MetricPublishFrequencyInSeconds", 60))

    @property
    def enhanced(self) -> bool:
        """Whether its invocation metrics follow the publishing period too."""
        return bool(self.facts.get("MetricsConfig", {}).get("EnableEnhancedMetrics", False))


class Component(Struct, frozen=True):
    """An inference component as listed; `facts` is DescribeInferenceComponent's answer, empty until there is one."""

    name: str
    endpoint: str
    variant: str
    status: str
    created: float
    modified: float
    facts: Mapping[str, Any] = {}
    described_at: float = 0.0
    described_as: tuple[str, float] = ("", 0.0)
    failed: int = 0
    retry_at: float = 0.0


class ScalingBound(Struct, frozen=True):
    """Bounds that Application Auto Scaling keeps: of a resource id such as endpoint/a/variant/b, in one dimension."""

    resource: str
    dimension: str
    least: int
    most: int


class Listing(Struct, frozen=True):
    """The series that CloudWatch lists in a namespace, by their dimensions.

    `metrics` were active in the last 3 h, as of `at`; `beyond` counts others that there was no room for. `lasting` had
    data in the last two weeks, as of `lasting_at`; it is kept where something is counted, and `since` is when the first
    such listing of an unbroken row was made: a series that none of them shows has had no data since two weeks before.
    `left_out` counts series that are never asked for.
    """

    at: float
    metrics: Mapping[Dimensions, frozenset[str]]
    left_out: Mapping[str, int] = {}
    lasting_at: float = 0.0
    lasting: Mapping[Dimensions, frozenset[str]] = {}
    since: float = 0.0
    beyond: int = 0


class Census(Struct, frozen=True):
    """What exists on a target. A time of 0 says that a listing has never been complete."""

    endpoints: Mapping[str, Endpoint] = {}
    endpoints_at: float = 0.0
    configs: Mapping[str, Mapping[str, Any]] = {}
    components: Mapping[str, Component] = {}
    components_at: float = 0.0
    scaling: tuple[ScalingBound, ...] = ()
    scaling_at: float = 0.0
    tags: Mapping[str, Mapping[str, str]] = {}  # by type and name, as in endpoint/churn, in lower case as in ARNs
    tags_at: float = 0.0
    listings: Mapping[str, Listing] = {}  # by namespace, as it was asked
    failures: tuple[Failure, ...] = ()
    at: float = 0.0


class Selection:
    """Which resources the user wants, by globs of their names and by tags."""

    def __init__(self, wanted: Resources) -> None:
        self._wanted = wanted

    @property
    def tags(self) -> bool:
        """Whether tags must be known to decide."""
        return bool(self._wanted.tags)

    def admits(self, census: Census, kind: str, name: str) -> bool:
        """Say whether a resource is wanted. Only endpoints and inference components can be chosen by tags."""
        wanted = self._wanted
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted.exclude):
            return False
        if wanted.include and not any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted.include):
            return False
        if wanted.tags and kind in {"endpoint", "inference-component"}:
            tags = census.tags.get(f"{kind}/{name}".lower(), {})
            return all(fnmatch.fnmatchcase(tags.get(key, ""), pattern) for key, pattern in wanted.tags.items())
        return True


class Pacing(NamedTuple):
    """How often to look (seconds), and whether tags are of interest."""

    describe_every: float = HOUR
    list_metrics_every: float = 300.0
    tags: bool = False
    resources: bool = True  # False: only CloudWatch's listings


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
        namespaces = {sweep.namespace for sweep in self._sweeps}
        listings = {name: listing for name, listing in census.listings.items() if name in namespaces}
        if not self._pacing.resources:
            return Census(listings=listings, tags=census.tags, tags_at=census.tags_at, at=census.at)
        return structs.replace(census, listings=listings, failures=())

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
            look.list_scaling()
            look.describe_endpoints()
            look.describe_components()
        return self._publish(target, look.census())

    def survey(self, target: Target, now: float) -> Census:
        """Look anew at what the listings show, describing nothing."""
        return self._publish(target, self._listed(target, now, Census()).census())

    def _listed(self, target: Target, now: float, before: Census, counted: Iterable[Resource] = ()) -> _Look:
        """Return a look that has listed what is due."""
        look = _Look(self._aws, target, now, self._pacing, before, Room(self._admission, target, counted, self._on))
        if self._pacing.resources:
            look.list_endpoints()
            look.list_components()
        look.list_series(self._places, self._sweeps)
        if self._pacing.tags:
            look.list_tags()
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
            recent = _pages(sum(map(len, listing.metrics.values())) if listing else 0, LISTED)
            lasting = _pages(sum(map(len, listing.lasting.values())) if listing else 0, LISTED)
            calls["ListMetrics"] += recent * listed + (lasting if sweep.counts else 0)
        if self._pacing.resources:
            calls["ListEndpoints"] = _pages(len(census.endpoints), 100) * hour / every
            calls["ListInferenceComponents"] = _pages(len(census.components), 100) * hour / every
            calls["DescribeEndpoint"] = len(census.endpoints) * described
            calls["DescribeInferenceComponent"] = len(census.components) * described
            calls["DescribeScalableTargets"] = listed
        if self._pacing.tags:
            calls["GetResources"] = _pages(len(census.endpoints) + len(census.components), 100) * listed
        return calls

    def _publish(self, target: Target, census: Census) -> Census:
        with self._lock:
            self._censuses[target] = census
        return census


def _pages(things: int, on_a_page: int) -> int:
    return max(1, -(-things // on_a_page))


class _Look:
    """One look at a target: changes fields of the last census where it saw something, and notes where it did not."""

    def __init__(self, aws: Aws, target: Target, now: float, pacing: Pacing, before: Census, room: Room) -> None:
        self._aws = aws
        self._target = target
        self._now = now
        self._pacing = pacing
        self._before = before
        self._room = room
        self._seen: dict[str, Any] = {}
        self._failures: list[Failure] = []

    def census(self) -> Census:
        return structs.replace(self._before, **self._seen, failures=tuple(self._failures), at=self._now)

    def list_endpoints(self) -> None:
        """List endpoints, keeping the descriptions that there are."""
        listed = self._list("ListEndpoints", _ListedEndpoint, **_OLDEST_FIRST)
        if listed is None:
            return
        known = self._before.endpoints
        self._seen["endpoints_at"] = self._now
        self._seen["endpoints"] = {
            one.EndpointName: structs.replace(
                known.get(one.EndpointName, Endpoint(one.EndpointName, "", 0.0, 0.0)),
                status=one.EndpointStatus,
                created=one.CreationTime,
                modified=one.LastModifiedTime,
            )
            for one in listed
        }

    def describe_endpoints(self) -> None:
        """Describe endpoints that are new, changed, restless or not described for long, and their configurations."""
        endpoints = dict(self._seen.get("endpoints", self._before.endpoints))
        configs = dict(self._before.configs)
        for endpoint in self._due(endpoints.values()):
            facts = self._describe("DescribeEndpoint", _Described, EndpointName=endpoint.name)
            if not facts:
                endpoints[endpoint.name] = self._later(endpoint)
                continue
            name = facts.get("EndpointConfigName", "")
            changed = endpoint.described_at and endpoint.described_as[1] != endpoint.modified  # maybe to an equal name
            looked = structs.replace(endpoint, failed=0)
            if name and (name not in configs or changed):
                config = self._describe("DescribeEndpointConfig", _Described, EndpointConfigName=name)
                if config is None:
                    looked = self._later(endpoint)  # what the endpoint itself says is shown all the same
                else:
                    configs[name] = config
            endpoints[endpoint.name] = structs.replace(
                looked,
                facts=facts,
                variants=_variants(facts, configs.get(name, {})),
                described_at=self._now,
                described_as=(endpoint.status, endpoint.modified),
            )
        used = {endpoint.facts.get("EndpointConfigName") for endpoint in endpoints.values()}
        self._seen["endpoints"] = endpoints
        self._seen["configs"] = {name: config for name, config in configs.items() if name in used}

    def list_components(self) -> None:
        """List inference components, keeping the descriptions that there are."""
        listed = self._list("ListInferenceComponents", _ListedComponent, **_OLDEST_FIRST)
        if listed is None:
            return
        known = self._before.components
        self._seen["components_at"] = self._now
        self._seen["components"] = {
            one.InferenceComponentName: structs.replace(
                known.get(one.InferenceComponentName, Component(one.InferenceComponentName, "", "", "", 0.0, 0.0)),
                endpoint=one.EndpointName,
                variant=one.VariantName,
                status=one.InferenceComponentStatus,
                created=one.CreationTime,
                modified=one.LastModifiedTime,
            )
            for one in listed
        }

    def describe_components(self) -> None:
        """Describe inference components by the same rule."""
        components = dict(self._seen.get("components", self._before.components))
        for component in self._due(components.values()):
            facts = self._describe("DescribeInferenceComponent", _Described, InferenceComponentName=component.name)
            if not facts:
                components[component.name] = self._later(component)
                continue
            components[component.name] = structs.replace(
                component,
                facts=facts,
                described_at=self._now,
                described_as=(component.status, component.modified),
                failed=0,
            )
        self._seen["components"] = components

    def list_scaling(self) -> None:
        """Look at the bounds of Application Auto Scaling, on the slow timer."""
        if self._now < self._before.scaling_at + self._pacing.list_metrics_every:
            return
        listed = self._list("DescribeScalableTargets", _ListedBound, ServiceNamespace="sagemaker")
        if listed is not None:
            self._seen["scaling_at"] = self._now
            self._seen["scaling"] = tuple(
                ScalingBound(one.ResourceId, one.ScalableDimension, one.MinCapacity, one.MaxCapacity) for one in listed
            )

    def list_tags(self) -> None:
        """Look at the tags of endpoints and components, on the slow timer."""
        if self._now < self._before.tags_at + self._pacing.list_metrics_every:
            return
        kinds = ["sagemaker:endpoint", "sagemaker:inference-component"]
        listed = self._list("GetResources", _ListedTags, ResourceTypeFilters=kinds, ResourcesPerPage=100)
        if listed is not None:
            self._seen["tags_at"] = self._now
            self._seen["tags"] = {
                one.ResourceARN.split(":", 5)[-1].lower(): {tag.Key: tag.Value for tag in one.Tags} for one in listed
            }

    def list_series(self, known: Places, all_sweeps: Iterable[Sweep]) -> None:
        """List the series of each namespace, on the slow timer. A namespace counts as listed when all of it was."""
        listings = dict(self._before.listings)
        by_namespace: dict[str, list[Sweep]] = {}
        for sweep in all_sweeps:
            by_namespace.setdefault(sweep.namespace, []).append(sweep)
        for namespace, of_namespace in by_namespace.items():
            before = listings.get(namespace)
            if before is None or self._now >= before.at + self._pacing.list_metrics_every:
                now = self._gather(namespace, of_namespace, known, recent=True)
                if now:
                    before = listings[namespace] = structs.replace(
                        before or Listing(0.0, {}),
                        at=self._now,
                        metrics=now.metrics(),
                        left_out=now.left_out(),
                        beyond=now.beyond,
                    )
            counts = before is not None and any(sweep.counts for sweep in of_namespace)
            if before and counts and self._now >= before.lasting_at + LASTING_EVERY:
                lasting = self._gather(namespace, of_namespace, known, recent=False)
                if lasting:
                    unbroken = self._now - before.lasting_at <= UNBROKEN
                    listings[namespace] = structs.replace(
                        before,
                        lasting_at=self._now,
                        lasting=lasting.metrics(),
                        since=before.since if unbroken else self._now,
                    )
        self._seen["listings"] = listings

    def _gather(self, namespace: str, of_namespace: list[Sweep], known: Places, *, recent: bool) -> _Gathered | None:
        """Return all that is listed in a namespace; None if any part of it can't be had."""
        before = self._before.listings.get(namespace)
        gathered = _Gathered(namespace, known, self._room, before.metrics if before else {})
        whole = all(self._sweep(sweep, gathered, recent=recent) for sweep in of_namespace)
        return gathered if whole else None

    def _sweep(self, sweep: Sweep, gathered: _Gathered, *, recent: bool) -> bool:
        """Gather all that a sweep lists: what was active in the last 3 h, or in two weeks. Say whether it was all."""
        asked: dict[str, Any] = {"Namespace": sweep.namespace}
        if sweep.metric:
            asked["MetricName"] = sweep.metric
        if sweep.fixed:
            asked["Dimensions"] = [{"Name": name, "Value": value} for name, value in sweep.fixed]
        if recent:
            asked["RecentlyActive"] = "PT3H"
        scope = f"ListMetrics {sweep.namespace}"
        try:
            for page in self._aws.pages(self._target, "ListMetrics", **asked):
                gathered.add(read_as(_ListedMetric, page["Metrics"]))
        except AwsError as error:
            self._failures.append(Failure(scope, error.error_class, str(error)))
            return False
        return True

    def _due(self, known: Iterable[_Thing]) -> list[_Thing]:
        """Return what has to be described, the unknown first, at most so many."""
        due = [
            one
            for one in known
            if (
                self._now >= one.retry_at
                if one.failed
                else one.described_as != (one.status, one.modified)
                or one.status not in STEADY
                or self._now >= one.described_at + self._pacing.describe_every
            )
        ]
        return sorted(due, key=_looked_at)[:MOST_DESCRIBES]

    def _later(self, thing: _Thing) -> _Thing:
        """Return a thing that could not be described: each try is an event in CloudTrail, and takes another's place."""
        pause = min(self._pacing.describe_every, RETRY_AFTER * 2.0**thing.failed)
        later: _Thing = structs.replace(thing, failed=thing.failed + 1, retry_at=self._now + pause)
        return later

    def _list(self, operation: str, kind: type[_T], **asked: Any) -> list[_T] | None:
        """Return a whole listing; None, and a failure, if any page of it can't be had, or read."""
        member = OPERATIONS[operation].member
        try:
            pages = self._aws.pages(self._target, operation, **asked)
            return [one for page in pages for one in read_as(kind, page[member])]
        except AwsError as error:
            self._failures.append(Failure(operation, error.error_class, str(error)))
            return None

    def _describe(self, operation: str, kind: type[Struct], **asked: Any) -> dict[str, Any] | None:
        """Return a description, an empty one of a thing that is gone; None, and a failure, if it can't be had."""
        try:
            described = self._aws.call(self._target, operation, **asked)
            read_as(kind, [described])
        except AwsError as error:
            if error.error_class == "absent":
                return {}
            self._failures.append(Failure(operation, error.error_class, str(error)))
            return None
        return described


_Thing = TypeVar("_Thing", Endpoint, Component)


def _looked_at(one: Endpoint | Component) -> float:
    return max(one.described_at, one.retry_at)


# What answers must hold, with AWS's names. The SDK hands on what came, and AWS promises some of it only in prose.


class _ListedEndpoint(Struct):
    EndpointName: str
    EndpointStatus: str
    CreationTime: float
    LastModifiedTime: float


class _ListedComponent(Struct):
    InferenceComponentName: str
    EndpointName: str
    VariantName: str
    CreationTime: float
    LastModifiedTime: float
    InferenceComponentStatus: str = ""


class _ListedBound(Struct):
    ResourceId: str
    ScalableDimension: str
    MinCapacity: int
    MaxCapacity: int


class _Tag(Struct):
    Key: str
    Value: str


class _ListedTags(Struct):
    ResourceARN: str
    Tags: list[_Tag] = []


class _Dimension(Struct):
    Name: str
    Value: str


class _ListedMetric(Struct):
    MetricName: str
    Dimensions: list[_Dimension] = []


class _NamedVariant(Struct):
    VariantName: str


class _Described(Struct):
    EndpointConfigName: str = ""
    ProductionVariants: list[_NamedVariant] | None = None
    ShadowProductionVariants: list[_NamedVariant] | None = None
    MetricsConfig: dict[str, Any] = {}


def _variants(facts: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[Variant, ...]:
    """Return the variants of an endpoint with what its configuration says of them."""
    kinds = (("ProductionVariants", "production"), ("ShadowProductionVariants", "shadow"))
    configured = {one["VariantName"]: one for kind, _ in kinds for one in config.get(kind) or ()}
    return tuple(
        Variant(one["VariantName"], role, one, configured.get(one["VariantName"], {}))
        for kind, role in kinds
        for one in facts.get(kind) or ()
    )


class Room:
    """How much of what is listed on a target is worth holding, and what goes first."""

    def __init__(
        self, admission: Admission, target: Target, counted: Iterable[Resource], on: Callable[[str], bool]
    ) -> None:
        self._on = on
        self.metrics = max(HELD_ANYWAY, HELD * admission.room(target))
        self._admitted = admission.admitted(target, "cloudwatch_metrics") or {}
        self._counted = counted

    def order(self, place: Place, name: str) -> Order | None:
        """Return when a metric at a place is admitted; None if nobody asks for it."""
        orders = [order(asked.row, asked.row.pace) for asked in place.metrics[name] if self._on(asked.row.name)]
        return min(orders, default=None)

    def sure(self) -> frozenset[str]:
        """Return the names of what has a place: it must not look as if it were gone."""
        return frozenset(self._admitted) | {named(one.namespace, one.dimensions) for one in self._counted}


class _Gathered:
    """The pages of a listing, boiled down: what is asked for by dimensions; of everything else only the number.

    Where there is no room for all, what has a place goes first, then what is admitted first, then what was listed
    before, then by name. What nobody asks for goes last, and is not missed.
    """

    def __init__(self, namespace: str, known: Places, room: Room, before: Container[Dimensions]) -> None:
        self._namespace = namespace
        self._places = known
        self._room = room
        self._before = before
        self._found: dict[Dimensions, set[str]] = {}
        self._metrics = 0  # in `found`
        self._sure: frozenset[str] | None = None
        self._orders: dict[tuple[tuple[str, ...], str], Order | None] = {}  # by dimension names and metric
        self._beyond = _Distinct()
        self._left_out = {"dimension_set": _Distinct(), "metric": _Distinct(), "filtered": _Distinct()}

    def add(self, page: Iterable[_ListedMetric]) -> None:
        for one in page:
            dimensions = tuple(sorted((pair.Name, pair.Value) for pair in one.Dimensions))
            place = self._places.get((self._namespace, tuple(name for name, _ in dimensions)))
            if place is None:
                reason = "dimension_set"
            elif not place.admits(dimensions):
                reason = "filtered"
            elif one.MetricName not in place.metrics:
                reason = "metric"
            else:
                names = self._found.setdefault(dimensions, set())
                self._metrics += one.MetricName not in names
                names.add(one.MetricName)
                continue
            self._left_out[reason].add((dimensions, one.MetricName))
        if self._metrics > 2 * self._room.metrics:
            self._shrink()

    def metrics(self) -> dict[Dimensions, frozenset[str]]:
        """Return the metrics by dimensions. Most resources have the same ones: one set serves them all."""
        if self._metrics > self._room.metrics:
            self._shrink()
        same: dict[frozenset[str], frozenset[str]] = {}
        return {d: same.setdefault(frozenset(names), frozenset(names)) for d, names in self._found.items()}

    def left_out(self) -> dict[str, int]:
        """Return the number of other series by reason."""
        return {reason: series.count for reason, series in self._left_out.items()}

    @property
    def beyond(self) -> int:
        """Number of series that there was no room for."""
        return self._beyond.count

    def _shrink(self) -> None:
        """Let go of what there is no room for."""
        if self._sure is None:
            self._sure = self._room.sure()
        held = 0
        for dimensions in sorted(self._found, key=self._rank):
            held += len(self._found[dimensions])
            if held > self._room.metrics and self._rank(dimensions)[0]:
                for name in self._found.pop(dimensions):
                    if self._order(dimensions, name) is not None:
                        self._beyond.add((dimensions, name))
        self._metrics = sum(map(len, self._found.values()))

    def _rank(self, dimensions: Dimensions) -> tuple[bool, int, bool, Dimensions]:
        place = self._places[self._namespace, tuple(name for name, _ in dimensions)]
        sure = bool(self._sure) and named(place.shape.namespaces[0], dimensions) in (self._sure or ())
        orders = [self._order(dimensions, name) for name in self._found[dimensions]]
        first = min((one for one in orders if one is not None), default=len(Order))
        return not sure, first, dimensions not in self._before, dimensions

    def _order(self, dimensions: Dimensions, name: str) -> Order | None:
        names = tuple(one for one, _ in dimensions)
        if (names, name) not in self._orders:
            self._orders[names, name] = self._room.order(self._places[self._namespace, names], name)
        return self._orders[names, name]


class _Distinct:
    """Counts what differs, for AWS lists some twice; what comes after very many is taken to differ."""

    def __init__(self) -> None:
        self.count = 0
        self._hashes: set[int] = set()

    def add(self, one: Hashable) -> None:
        mark = hash(one)
        if mark not in self._hashes:
            self.count += 1
            if len(self._hashes) < TOLD_APART:
                self._hashes.add(mark)
