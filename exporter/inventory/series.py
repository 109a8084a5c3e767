"""The series that CloudWatch lists, as far as there may be room for them."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable
from typing import Any

from msgspec import Struct, structs

from exporter.admission import Admission, Order, order
from exporter.aws import AwsError, read_as
from exporter.catalogue.places import Dimensions, Place, Places, Sweep, named
from exporter.inventory.census import Listing
from exporter.inventory.look import Look
from exporter.model import DAY, HOUR, Failure, Resource, Target

LASTING_EVERY = HOUR  # how often everything is listed that had data in the last two weeks
UNBROKEN = 13 * DAY  # such listings leave no hole in time if no further apart than this
LISTED = 500  # series on a page of ListMetrics
HELD = 4  # metrics that are held for each series that there may be room for: not all of them are on
HELD_ANYWAY = 10_000
TOLD_APART = 100_000  # series that are left out, so that each is counted once


def list_series(look: Look, room: Room, known: Places, all_sweeps: Iterable[Sweep]) -> None:
    """List the series of each namespace, on the slow timer. A namespace counts as listed when all of it was."""
    listings = dict(look.before.listings)
    by_namespace: dict[str, list[Sweep]] = {}
    for sweep in all_sweeps:
        by_namespace.setdefault(sweep.namespace, []).append(sweep)
    for namespace, of_namespace in by_namespace.items():
        before = listings.get(namespace)
        held = before.metrics if before else {}
        if before is None or look.now >= before.at + look.pacing.list_metrics_every:
            now = _Gathered(namespace, known, room, held)
            if _gather(look, of_namespace, now, recent=True):
                before = listings[namespace] = structs.replace(
                    before or Listing(0.0, {}),
                    at=look.now,
                    metrics=now.metrics(),
                    left_out=now.left_out(),
                    beyond=now.beyond,
                )
        counts = before is not None and any(sweep.counts for sweep in of_namespace)
        if before and counts and look.now >= before.lasting_at + LASTING_EVERY:
            lasting = _Gathered(namespace, known, room, held)
            if _gather(look, of_namespace, lasting, recent=False):
                unbroken = look.now - before.lasting_at <= UNBROKEN
                listings[namespace] = structs.replace(
                    before,
                    lasting_at=look.now,
                    lasting=lasting.metrics(),
                    since=before.since if unbroken else look.now,
                )
    look.seen["listings"] = listings


def _gather(look: Look, of_namespace: list[Sweep], gathered: _Gathered, *, recent: bool) -> bool:
    """Gather all that is listed in a namespace; say whether it was all."""
    return all(_sweep(look, sweep, gathered, recent=recent) for sweep in of_namespace)


def _sweep(look: Look, sweep: Sweep, gathered: _Gathered, *, recent: bool) -> bool:
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
        for page in look.aws.pages(look.target, "ListMetrics", **asked):
            gathered.add(read_as(_ListedMetric, page["Metrics"]))
    except AwsError as error:
        look.failures.append(Failure(scope, error.error_class, str(error)))
        return False
    return True


class _Dimension(Struct):
    Name: str
    Value: str


class _ListedMetric(Struct):
    MetricName: str
    Dimensions: list[_Dimension] = []


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
