"""How long what ran: the census, and how it was when it was last counted -> stretches of time on instances.

What is seen now has been so since it was last modified; what was seen before was so until then. So the time of an
outage, or of a restart, is counted too, as if we had been there, but for what came and went meanwhile. What could not
be looked at is counted when it can be; what is gone, up to when it was last seen, for nobody tells when it went.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from exporter.inventory import Fleet
from exporter.sources.cost.prices import Billed


class Stretch(NamedTuple):
    """A time for which so many instances of a type ran."""

    billed: Billed
    start: float
    end: float
    number: float


class Ran(Struct, array_like=True):
    """A resource as it was when it was last counted: since when it exists, until when that was, on how many by type.

    Of one that could not be looked at yet `on` is None, and `until` says since when it is to be counted.
    """

    created: float
    until: float
    on: dict[str, float] | None


def count(
    resource_type: str, fleet: Fleet, before: Mapping[str, Ran], as_of: float
) -> tuple[dict[str, Ran], list[Stretch]]:
    """Return how all resources of a type are now, to be noted, and what is to be counted of them.

    `before` is that note of the last time, `as_of` when all of them were last listed.
    """
    if not fleet.at:
        return dict(before), []
    noted: dict[str, Ran] = {}
    stretches: list[Stretch] = []
    for name, one in fleet.of.items():
        ran = before.get(name)
        if ran is None or ran.created != one.created:  # or another one, by the same name
            ran = Ran(one.created, max(as_of, one.created), None)
        if one.on is None or one.at < ran.until:  # it could not be looked at, or has not been since
            noted[name] = ran
            continue
        on: dict[str, float] = {}
        for instance_type, number in one.on:
            on[instance_type] = on.get(instance_type, 0.0) + number
        changed = ran.until
        if ran.on is None:  # how it was before it was modified is not known
            changed = min(max(ran.until, one.modified), one.at)
        elif ran.on != on:
            changed = min(one.modified, one.at) if one.modified > ran.until else one.at
            stretches += _stretches(resource_type, ran.on, ran.until, changed)
        stretches += _stretches(resource_type, on, changed, one.at)
        noted[name] = Ran(one.created, one.at, on)
    return noted, stretches


def _stretches(resource_type: str, on: Mapping[str, float], start: float, end: float) -> Iterator[Stretch]:
    for instance_type, number in on.items() if end > start else ():
        yield Stretch((resource_type, instance_type), start, end, number)
