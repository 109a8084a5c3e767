"""What the inventory shows of things that come back to a status: sightings, the series that exist, those that end.

Nothing is asked here: the inventory has listed it. A thing that a complete listing no longer shows keeps its series for
a day, as all counters do; then they go, and what was seen of it is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import structs

from exporter.inventory import Census, Things
from exporter.inventory import Thing as Listed
from exporter.jobs import UnreadableError, deployments
from exporter.jobs.things import THING_TYPES, Thing, package_name, series, sightings
from exporter.model import DAY, Effect, Event, Sighting, Target

THINGS = "things/"  # notes of what there is, by kind and name
_DEPLOYING = "deploying/"  # notes of deployments under way, by endpoint

_Noted = list[Any]  # what its series are called by, its status, when it went: 0 while it is there

Wants = Callable[[Census, Thing], bool]


class Seen(NamedTuple):
    """What a look at a census brings."""

    sightings: list[Sighting]
    seeds: list[Effect]
    ended: list[Effect]
    unseen: list[str]
    events: list[Event]
    notes: dict[str, Any]


def look(
    target: Target, census: Census, known: Mapping[str, Any], wants: Wants, on: Container[str], begun: float
) -> Seen:
    """Return what a census shows, beside what the notes tell of before. Nothing before `begun` counts."""
    seen = Seen([], [], [], [], [], {})
    for kind, at, found in _kinds(census):
        if not at or THING_TYPES[kind].family not in on:
            continue
        wanted = [thing for thing in found if wants(census, thing)]
        before: Mapping[str, _Noted] = known.get(THINGS + kind, {})
        first = THINGS + kind not in known
        there: dict[str, _Noted] = {}
        for thing in wanted:
            there[thing.name] = [thing.label, thing.status, 0.0]
            if thing.changed is None and thing.label and before.get(thing.name) == there[thing.name]:
                continue  # or each of thousands would be written down in each run
            for sighting in sightings(target, _placed(thing, at, first=first)):
                seen.sightings.append(structs.replace(sighting, counts=sighting.at >= begun))
        for name, (label, status, since) in before.items():
            if name not in there and at < (since or at) + DAY:
                there[name] = [label, status, since or at]
            elif name not in there:
                seen.unseen.append(f"{kind}/{name}")
        shown = {label or name for name, (label, _, _) in there.items()}
        over = {label or name: Thing(kind, name, status, label=label) for name, (label, status, _) in before.items()}
        for one in {thing.label or thing.name: thing for thing in wanted}.values():
            seen.seeds.extend(series(target, one))
        for name, thing in over.items():
            if name not in shown:
                seen.ended.extend(series(target, thing))
        seen.notes[THINGS + kind] = there
    if census.endpoints_at and deployments.ENDED in on:
        _deployments(target, census, known, wants, seen)
    return seen


def _placed(thing: Thing, at: float, *, first: bool) -> Thing:
    """Return a thing with the time of its status: that of the look where AWS tells none.

    At the first look of all, it may have been so for years.
    """
    if thing.changed is not None:
        return thing
    return structs.replace(thing, changed=thing.created if first else at)


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
        under_way, event = deployments.follow(target, known.get(note), stands)
        if under_way != known.get(note):
            seen.notes[note] = under_way
        if event:
            seen.events.append(event)
    for note in known:
        if note.startswith(_DEPLOYING) and note.removeprefix(_DEPLOYING) not in census.endpoints:
            seen.notes[note] = None
