"""What the inventory shows of things that come back to a status: sightings, the series that exist, those that end.

Nothing is asked here: the inventory has listed it. A thing that a complete listing no longer shows keeps its series for
a day, as all counters do. What was seen of it is forgotten when no event of it can count any more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import structs

from exporter.inventory import Census, Things
from exporter.inventory import Thing as Listed
from exporter.jobs import UnreadableError, counts, deployments
from exporter.jobs.things import THING_TYPES, Thing, package_name, series, sightings
from exporter.model import DAY, Effect, Event, Known, Sighting, Target

THINGS = "things/"  # notes of what there is, by kind and name
_SINCE = "since/"  # notes of when a kind was first looked at, since its family is on
_DEPLOYING = "deploying/"  # notes of deployments under way, by endpoint

_Noted = list[Any]  # what its series are called by, its status and since when, when it went: 0 while it is there

Wants = Callable[[Census, Thing], bool]


class Seen(NamedTuple):
    """What a look at a census brings."""

    sightings: list[Sighting]
    seeds: list[Effect]
    ended: list[Effect]
    unseen: list[str]
    events: list[Event]
    notes: dict[str, Any]


def look(target: Target, census: Census, known: Known, wants: Wants, on: Container[str], begun: float) -> Seen:
    """Return what a census shows, beside what the notes tell of before. Nothing before `begun` counts.

    Nor does what happened while a kind was not looked at, since its family was off.
    """
    seen = Seen([], [], [], [], [], {})
    for kind, at, found in _kinds(census):
        row = THING_TYPES[kind]
        counted = row.family in on
        if not counted:
            seen.notes[_SINCE + kind] = None
        if at and (counted or any(family in on for family in row.beside)):
            since = known.notes.get(_SINCE + kind, max(begun, at)) if counted else math.inf
            _look(target, kind, at, [thing for thing in found if wants(census, thing)], known, since, seen)
    if census.endpoints_at and deployments.ENDED in on:
        _deployments(target, census, known.notes, wants, seen)
    return seen


def _look(target: Target, kind: str, at: float, found: Iterable[Thing], known: Known, since: float, seen: Seen) -> None:
    """Look at the things of a kind. Their changes count `since` a time: never, where only what is beside them is on."""
    if since < math.inf:
        seen.notes[_SINCE + kind] = since
    before: Mapping[str, _Noted] = known.notes.get(THINGS + kind, {})
    there: dict[str, _Noted] = {}
    exist: dict[str, Thing] = {}
    for thing in found:
        there[thing.name] = [thing.label, thing.status, thing.changed, 0.0]
        exist[thing.label or thing.name] = thing
        if before.get(thing.name) == there[thing.name] and (thing.changed is not None or thing.label):
            continue  # it is known; of the few whose changes have no time, each look tells that they stand still
        since_when = thing.changed
        if since_when is None:  # AWS tells no time: that of the look, or of its creation, where nobody had looked at it
            since_when = at if thing.name in before else thing.created
        for sighting in sightings(target, structs.replace(thing, changed=since_when)):
            seen.sightings.append(structs.replace(sighting, counts=sighting.at >= since))
    over: dict[str, Thing] = {}
    for name, (label, status, changed, gone) in before.items():
        if name not in there and at < (gone or at) + DAY:
            there[name] = [label, status, changed, gone or at]
        elif name not in there:
            over[label or name] = Thing(kind, name, status, label=label)
    for called, history in known.runs.items():
        of_kind, _, name = called.partition("/")
        newest = history[-1][0]
        if of_kind != kind or name in there:
            continue
        if newest < at - counts.HORIZON - DAY:  # no event that is so late counts
            seen.unseen.append(called)
        elif name not in before and at - 2 * DAY < newest < at - DAY and not THING_TYPES[kind].grouped:
            over[name] = Thing(kind, name, "")  # events alone have told of it
    shown = {label or name for name, (label, *_) in there.items()}
    for thing in exist.values():
        seen.seeds.extend(series(target, thing))
    for name, thing in over.items():
        if name not in shown:
            seen.ended.extend(series(target, thing))
    seen.notes[THINGS + kind] = there


def _kinds(census: Census) -> Iterator[tuple[str, float, Iterable[Thing]]]:
    """Yield kinds of things, when they were last listed, and what there is."""
    endpoints = (
        Thing("endpoint", one.name, one.status, one.created, one.modified) for one in census.endpoints.values()
    )
    yield "endpoint", census.endpoints_at, endpoints
    components = (
        Thing("inference_component", one.name, one.status, one.created, one.modified)
        for one in census.components.values()
    )
    yield "inference_component", census.components_at, components
    for kind in ("notebook_instance", "cluster"):
        of_kind = census.things.get(kind, Things())
        yield kind, of_kind.at, (_thing(one) for one in of_kind.by_key.values())
    packages = census.things.get("model_package", Things())
    yield "model_package", packages.at, filter(None, map(_package, packages.by_key.items()))


def _thing(listed: Listed) -> Thing:
    return Thing(listed.kind, listed.name, listed.status, listed.created or None, listed.modified or None)


def _package(item: tuple[str, Listed]) -> Thing | None:
    """Return a version of a group, by its approval."""
    arn, listed = item
    approval = listed.text("ModelApprovalStatus")
    if not approval or not listed.name:
        return None
    return Thing(
        "model_package", package_name(arn), approval, listed.created or None, label=listed.text("ModelPackageGroupName")
    )


def _deployments(target: Target, census: Census, known: Mapping[str, Any], wants: Wants, seen: Seen) -> None:
    """Follow the deployments of endpoints, as far as they are described."""
    for endpoint in census.endpoints.values():
        thing = Thing("endpoint", endpoint.name, endpoint.status)
        if not endpoint.facts or not wants(census, thing):
            continue
        seen.seeds.extend(deployments.series(target, endpoint.name))
        note = _DEPLOYING + endpoint.name
        try:
            stands = deployments.described(endpoint.facts, endpoint.modified)
        except UnreadableError:  # the inventory complains of it
            continue
        course, events = deployments.follow(target, known.get(note), stands)
        seen.events.extend(events)
        if course.start or note in known:  # looks come in order: how it was settled need not be remembered
            seen.notes[note] = list(course) if course.start else None
    for note in known:
        if note.startswith(_DEPLOYING) and note.removeprefix(_DEPLOYING) not in census.endpoints:
            seen.notes[note] = None
