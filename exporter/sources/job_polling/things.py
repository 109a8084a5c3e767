"""What the inventory shows of things that come back to a status: sightings, the series that exist, those that end.

Nothing is asked here: the inventory has listed it. A thing that a complete listing no longer shows keeps its series for
a day, as all counters do; then they go, and what was seen of it is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import structs

from exporter.inventory import Census
from exporter.jobs import UnreadableError, deployments
from exporter.jobs.things import THING_TYPES, Thing, series, sightings
from exporter.model import DAY, Effect, Event, Sighting, Target

_THINGS = "things/"  # notes of what there is, by kind: names with what their series are called by, and when they went
_DEPLOYING = "deploying/"  # notes of deployments under way, by endpoint

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
        before: Mapping[str, tuple[str, float]] = known.get(_THINGS + kind, {})
        first = _THINGS + kind not in known
        there: dict[str, tuple[str, float]] = {}
        for thing in wanted:
            there[thing.name] = (thing.label, 0.0)
            seen.seeds.extend(series(target, thing))
            for one in sightings(target, _placed(thing, at, first=first)):
                seen.sightings.append(structs.replace(one, counts=one.at >= begun))
        gone = {name: (label, since or at) for name, (label, since) in before.items() if name not in there}
        for name, (label, since) in gone.items():
            if at < since + DAY:
                there[name] = (label, since)
                continue
            seen.unseen.append(f"{kind}/{name}")
            if not label or label not in {of for other, (of, _) in (*before.items(), *there.items()) if other != name}:
                seen.ended.extend(series(target, Thing(kind, name, "", label=label)))
        seen.notes[_THINGS + kind] = {name: list(of) for name, of in there.items()}
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
