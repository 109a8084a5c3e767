"""Which series fit under `limits.series`: the most important first, fair between targets, stable.

What is refused is refused before it is asked and costs nothing: it is counted here, and held nowhere. What is admitted
or refused as one is a group: all series of an order about one resource.

While everything fits, everything is admitted. Once it does not, 95 % of the limit is shared out: order by order, to the
targets alike, what one does not want to the others; what a target gets, to its sources likewise. Whoever has a place
keeps it until its share is exceeded by 5 %, and only what is free within a share is given to others: so a place does
not go to and fro because something comes and goes elsewhere, and no more is shown than the limit allows.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter as Tallies
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from msgspec import structs

from exporter.catalogue import CATALOGUE
from exporter.catalogue.rows import Pace, Row
from exporter.model import Effect, Known, Reading, Sample, Snapshot, Target

NOTE = "admitted"  # of a source: the names of its groups with their orders, while the limit binds

SHARED = 0.95  # of the limit: what is shared out when it binds, and where it ceases to bind
KEPT = 1.05  # of its share: what a source keeps on a target

_log = logging.getLogger(__name__)
_K = TypeVar("_K", bound=Hashable)


class Order(IntEnum):
    """Who is admitted first."""

    HOT = 0
    WARM = 1
    COLD = 2
    OFF = 3  # off by default, and switched on
    BREAKDOWN = 4


def order(row: Row, pace: Pace | None) -> Order:
    """Return when a row is admitted that is asked at a pace; what CloudWatch is not asked for has none."""
    if row.base:
        return Order.BREAKDOWN
    if not row.on:
        return Order.OFF
    return {"hot": Order.HOT, "warm": Order.WARM, "cold": Order.COLD}[pace or "hot"]


Names = Mapping[str, list[int]]  # of groups, with the orders in which they are admitted
Place = tuple[Target, str]  # a source on a target


class Verdict(NamedTuple):
    """The groups that are refused; and what is admitted, to be noted: None while all is."""

    refused: frozenset[tuple[Order, Any]]
    noted: Names | None


class _Asked(NamedTuple):
    """What a source asked for on a target: series by order, how many were admitted, refused ones by family."""

    wanted: tuple[int, ...]
    used: int
    refused: Mapping[str, int]


_NOTHING = _Asked((0,) * len(Order), 0, {})


class Admission:
    """Decides for all sources on all targets. Thread-safe. `limit` may change: what has a place keeps it if it fits."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._asked: dict[Place, _Asked | None] = {}  # None: not yet
        self._admitted: dict[Place, Names] = {}
        self._all: dict[Place, Collection[Any]] = {}  # groups of those that had all they wanted, when they last asked
        self._binds = False

    def expect(self, target: Target, sources: Mapping[str, Names | None]) -> None:
        """Learn which sources will ask for places on a target, and what they had when the limit last bound."""
        with self._lock:
            for place in [one for one in self._asked if one[0] == target and one[1] not in sources]:
                del self._asked[place]
                self._admitted.pop(place, None)
                self._all.pop(place, None)
            for source, noted in sources.items():
                self._asked.setdefault((target, source), None)
                if noted is not None:
                    self._admitted.setdefault((target, source), noted)
                    self._binds = True

    def expects(self, target: Target, source: str) -> bool:
        """Say whether a source asks for places on a target."""
        with self._lock:
            return (target, source) in self._asked

    def pass_by(self, target: Target, source: str) -> None:
        """Learn that a source could not even say what it wants: nobody waits for it any longer."""
        with self._lock:
            if self._asked.get((target, source), _NOTHING) is None:
                self._asked[target, source] = _NOTHING

    def admit(
        self,
        target: Target,
        source: str,
        wanted: Mapping[tuple[Order, _K], int],
        *,
        spell: Callable[[_K], str] = str,
        kept: Callable[[tuple[Order, _K]], bool] = lambda _: False,
        beyond: Mapping[str, int] = MappingProxyType({}),
        families: Callable[[tuple[Order, _K]], Mapping[str, int]],
    ) -> Verdict:
        """Decide on all that a source wants on a target: series by group.

        `spell` makes the name by which a group is known over restarts. `kept` says whether a group has a place
        although nobody noted it, `beyond` are series that were not even held, by what they are called. `families`
        tells, for people, how many series of which families a group has. Who is not expected (any more) is let through.
        """
        place = (target, source)
        by_order = [0] * len(Order)
        for (of, _), series in wanted.items():
            by_order[of] += series
        everything = sum(by_order)
        by_order[Order.BREAKDOWN] += sum(beyond.values())
        with self._lock:
            if place not in self._asked:
                return Verdict(frozenset(), None)
            before = self._asked[place]
            self._asked[place] = _Asked(tuple(by_order), everything, beyond)
            waiting = None in self._asked.values()
            demand = sum(sum(asked.wanted) for asked in self._asked.values() if asked)
            self._binds = demand > self.limit or (self._binds and (waiting or demand > SHARED * self.limit))
            share = self._shares()[place] if self._binds or waiting else 0
            if not self._binds and not (waiting and sum(by_order) > share):
                self._admitted.pop(place, None)
                self._all[place] = wanted
                self._tell(place, before)
                return Verdict(frozenset(), None)
            most = KEPT * share
            free = self.limit - sum(asked.used for one, asked in self._asked.items() if asked and one != place)
            if waiting:  # what others want is not known yet: nobody loses a place for it
                most = max(most, free)
            had, had_all = self._admitted.get(place, {}), self._all.pop(place, ())
            names = {group: spell(group[1]) for group in wanted}
            new = {
                group
                for group in wanted
                if group[0] not in had.get(names[group], ()) and group not in had_all and not kept(group)
            }
            admitted: dict[str, list[int]] = {}
            refused: set[tuple[Order, _K]] = set()
            used, waits = 0, Order.BREAKDOWN  # the first order of which somebody new waits: later ones let him go first
            for group in sorted(wanted, key=lambda one: (one[0], one in new, names[one])):
                of, series = group[0], wanted[group]
                fits = used + series <= most and (group not in new or used + series <= min(share, free))
                fits |= not used and series <= free * (SHARED if group in new else 1)  # one at least, if it is larger
                if fits and (group not in new or of <= waits):
                    used += series
                    admitted.setdefault(names[group], []).append(int(of))
                else:
                    refused.add(group)
                    waits = min(waits, of)
            by_family = sum((Tallies(families(group)) for group in refused), Tallies(beyond))
            if refused and not by_family and before:  # they could not be looked at this time
                by_family.update(before.refused)
            self._asked[place] = _Asked(tuple(by_order), used, by_family)
            self._admitted[place] = admitted
            self._tell(place, before)
            return Verdict(frozenset(refused), admitted if self._binds else None)

    def admitted(self, target: Target, source: str) -> Names | None:
        """Return what a source has on a target; None if it has all that it wants."""
        with self._lock:
            return self._admitted.get((target, source))

    def room(self, target: Target) -> int:
        """Return how many series a target may have as things stand."""
        with self._lock:
            targets = {one for one, _ in self._asked} | {target}
            others = sum(asked.used for (one, _), asked in self._asked.items() if asked and one != target)
            return max(self.limit // len(targets), self.limit - others)

    @property
    def free(self) -> bool:
        """Whether everybody has asked, and all of it fits."""
        with self._lock:
            return not self._binds and None not in self._asked.values()

    def dropped(self) -> int:
        """Return the number of series that are refused."""
        with self._lock:
            return sum(sum(asked.wanted) - asked.used for asked in self._asked.values() if asked)

    def refused(self) -> Mapping[Place, Mapping[str, int]]:
        """Return the refused series by family, for each source on a target."""
        with self._lock:
            return {place: asked.refused for place, asked in self._asked.items() if asked and asked.refused}

    def _shares(self) -> Mapping[Place, int]:
        """Share out. While somebody has not asked yet, he may want all of it, in any order."""
        shares: Tallies[Place] = Tallies()
        left = int(SHARED * self.limit)
        waiting = None in self._asked.values()
        for of in (slice(None),) if waiting else (slice(of, of + 1) for of in Order):
            wants: dict[Target, dict[str, int]] = {}
            for (target, source), asked in self._asked.items():
                wants.setdefault(target, {})[source] = sum(asked.wanted[of]) if asked else self.limit
            of_targets = fair({target: sum(of_target.values()) for target, of_target in wants.items()}, left)
            for target, of_target in wants.items():
                for source, series in fair(of_target, of_targets[target]).items():
                    shares[target, source] += series
            left -= sum(of_targets.values())
        return shares

    def _tell(self, place: Place, before: _Asked | None) -> None:
        """Say once that something is refused, and once that nothing is any more."""
        now, was_refused = self._asked[place], bool(before and before.refused)
        where = f"{place[1]} on {place[0].account_id} {place[0].region}"
        if now and now.refused and not was_refused:
            most = [f"{family} ({series})" for family, series in Tallies(now.refused).most_common(3)]
            named = ", ".join(most) + (f" and {len(now.refused) - 3} more families" if len(now.refused) > 3 else "")
            text = "limits.series is %d: %d series of %s are left out: %s"
            _log.warning(text, self.limit, sum(now.wanted) - now.used, where, named)
        elif now and was_refused and not now.refused:
            _log.info("limits.series leaves out nothing more of %s", where)


def fair(wants: Mapping[_K, int], room: int) -> dict[_K, int]:
    """Share room out: nobody gets more than is wanted, and what some do not want goes to the others alike."""
    given: dict[_K, int] = {}
    waiting = sorted(wants, key=lambda one: (wants[one], repr(one)))
    for n, one in enumerate(waiting):
        given[one] = min(wants[one], room // (len(waiting) - n))
        room -= given[one]
    return given


# -- readings that show what there is ----------------------------------------------------------------------------------

_Group = tuple[Order, str]
# Families that are not asked for one by one, and their orders, by who tells of them: one source, or several.
_ORDERS: dict[tuple[str, ...], dict[str, Order]] = {}
_FED: set[str] = set()  # those that events feed
_NAMED_BY: dict[str, int] = {}  # the place of the label that names the resource, where it is another than usual
for _name, _row in CATALOGUE.items():
    if _row.ask is None and _row.source != "own":
        _ORDERS.setdefault(_row.sources, {})[_name] = order(_row, None)
        if _row.type in {"counter", "histogram"}:
            _FED.add(_name)
        if _row.labels[2:4] == ("resource_type", "resource_name"):
            _NAMED_BY[_name] = 3


class Sieve:
    """Takes out of readings what has no place, for sources that learn only by reading what there is. Thread-safe.

    A group is here what a source shows of one resource: what has one value in the first label after the target's, but
    for facts about any kind of resource, which have its name in the second. Each series of a breakdown is a group by
    itself: there may be many, and new ones must not take those that are there with them.
    """

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._lock = threading.Lock()
        self._samples: dict[Place, dict[str, Tallies[_Group]]] = {}  # series by scope and group
        self._events: dict[Place, Tallies[_Group]] = {}  # series that events feed, by group

    def forget(self) -> None:
        """Forget what has been read: another configuration reads something else."""
        with self._lock:
            self._samples.clear()
            self._events.clear()

    def scopes(self, target: Target, source: str) -> Collection[str]:
        """Return the scopes of which something is known, be it refused: a source must say when they are gone."""
        with self._lock:
            return frozenset(self._samples.get((target, source), ()))

    def _owner(self, target: Target, tellers: tuple[str, ...]) -> str:
        """Return whose places the series of families are that several sources tell of: the last one's that runs."""
        return next((one for one in reversed(tellers) if self._admission.expects(target, one)), tellers[-1])

    def _barred(self, reading: Reading, target: Target, owner: str, orders: Mapping[str, Order]) -> Reading:
        """Return a reading without what another source, whose places they are, was refused."""
        admitted = self._admission.admitted(target, owner)
        if admitted is None:
            return reading

        def refused(one: Sample | Effect) -> bool:
            if one.family not in orders:
                return False
            of, name = _group(orders, one)
            return of not in admitted.get(name, ())

        return structs.replace(reading, **_without(reading, refused, ()))

    def sift(self, reading: Reading, known: Known, snapshot: Snapshot) -> Reading:
        """Return a reading without what is refused. What was shown of that is hidden, and goes on one day."""
        target = reading.target
        if target is None:
            return reading
        orders: dict[str, Order] = {}
        for tellers, of_them in _ORDERS.items():
            if reading.source in tellers:
                owner = self._owner(target, tellers)
                if owner == reading.source:
                    orders |= of_them
                else:
                    reading = self._barred(reading, target, owner, of_them)
        if not orders:
            return reading
        place = (target, reading.source)
        samples = tuple(sample for sample in reading.samples if sample.family in orders)
        fed = tuple(_fed(reading, orders, snapshot))
        seen: dict[str, Tallies[_Group]] = {}
        for sample in samples:
            seen.setdefault(sample.scope, Tallies())[_group(orders, sample)] += 1
        with self._lock:
            by_scope = self._samples.setdefault(place, {})
            for scope in reading.looked:
                by_scope.pop(scope, None)
            for scope, groups in seen.items():
                by_scope[scope] = by_scope.get(scope, groups) | groups
            wanted: Tallies[_Group] = Tallies()
            for groups in by_scope.values():
                wanted.update(groups)
            before = self._events.get(place, Tallies())  # of what is refused, nothing is there to be counted now
            still = Tallies({group: series for group, series in before.items() if group in wanted})
            self._events[place] = Tallies(_group(orders, effect) for effect in fed) | still
            wanted.update(self._events[place])
        verdict = self._admission.admit(*place, wanted, families=_families(orders, (*samples, *fed)))
        changed: dict[str, Any] = {}
        if verdict.noted is not None or NOTE in known.notes:
            changed["notes"] = {**reading.notes, NOTE: verdict.noted}
        if verdict.refused:
            changed |= _without(
                reading, lambda one: one.family in orders and _group(orders, one) in verdict.refused, fed
            )
        return structs.replace(reading, **changed) if changed else reading


def _fed(reading: Reading, orders: Mapping[str, Order], snapshot: Snapshot) -> Iterator[Effect]:
    """Yield each series of these families that events feed, once: those that are shown, and new ones."""
    told: set[tuple[str, tuple[str, ...]]] = set()
    for family in _FED.intersection(orders):
        chunk = snapshot.chunks.get((family, reading.target))
        told.update((family, labels) for labels in (chunk.labels if chunk else ()))
    told.update((effect.family, effect.labels) for effect in reading.seeds)
    told.update((effect.family, effect.labels) for event in reading.events for effect in event.effects)
    told.update((one.effect.family, one.effect.labels) for one in reading.sightings)
    told.difference_update((effect.family, effect.labels) for effect in reading.ended)
    yield from (Effect(*one) for one in told if one[0] in orders)


def _without(reading: Reading, refused: Callable[[Sample | Effect], bool], fed: Iterable[Effect]) -> Mapping[str, Any]:
    """Return the fields of a reading that change where something is refused: an event is seen all the same."""
    return {
        "samples": tuple(sample for sample in reading.samples if not refused(sample)),
        "left_out": tuple({*reading.left_out, *(one.scope for one in reading.samples if refused(one))}),
        "seeds": tuple(effect for effect in reading.seeds if not refused(effect)),
        "events": tuple(
            structs.replace(event, effects=tuple(effect for effect in event.effects if not refused(effect)))
            for event in reading.events
        ),
        "sightings": tuple(
            structs.replace(one, counts=False) if refused(one.effect) else one for one in reading.sightings
        ),
        "hidden": (*reading.hidden, *(effect for effect in fed if refused(effect))),
    }


def _group(orders: Mapping[str, Order], one: Sample | Effect) -> _Group:
    of, place = orders[one.family], _NAMED_BY.get(one.family, 2)
    if of is Order.BREAKDOWN:
        return of, "\n".join((one.family, *one.labels[2:]))
    return of, one.labels[place] if len(one.labels) > place else ""


def _families(orders: Mapping[str, Order], series: Iterable[Sample | Effect]) -> Callable[[_Group], Mapping[str, int]]:
    """Return what counts the families of a group, once somebody asks."""
    found: dict[_Group, Tallies[str]] = {}

    def of(group: _Group) -> Mapping[str, int]:
        if not found:
            for one in series:
                found.setdefault(_group(orders, one), Tallies())[one.family] += 1
        return found.get(group, {})

    return of
