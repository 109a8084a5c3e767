"""How long what ran: the census, and how it was when it was last counted -> stretches of time on instances.

What is seen now has been so since it was last modified; what was seen before was so until then. So the time of an
outage, or of a restart, is counted too, as if we had been there, but for what came and went meanwhile. What has stopped
is counted up to then; what is gone, up to when it was last seen, for nobody tells when it went.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from exporter.inventory import Running, Stopped
from exporter.sources.cost.prices import Billed


class Stretch(NamedTuple):
    """A time for which so many instances of a type ran."""

    billed: Billed
    start: float
    end: float
    number: float


class Ran(Struct, array_like=True):
    """A resource as it was when it was last counted, until when that was, and since when it exists."""

    created: float
    until: float
    on: dict[str, float]  # instances by type


def count(
    resource_type: str,
    running: Iterable[Running],
    stopped: Mapping[str, Stopped],
    known_at: float,
    note: Mapping[str, Ran],
    as_of: float,
) -> tuple[dict[str, Ran], list[Stretch]]:
    """Return what ran of a type, to be noted, and what is to be counted of it.

    `known_at` is as of when all that runs is known, 0 where something is not; `as_of` is that of the last time.
    """
    found: dict[str, Ran] = {}
    modified: dict[str, float] = {}
    for one in running:
        ran = found.setdefault(one.name, Ran(one.created, one.at, {}))
        ran.until = min(ran.until, one.at)
        ran.on[one.instance_type] = ran.on.get(one.instance_type, 0.0) + one.count
        modified[one.name] = one.modified
    stretches: list[Stretch] = []
    for name, now in found.items():
        before = note.get(name)
        if before and before.created != now.created:  # another one, by the same name
            before = None
        if before and now.until <= before.until:  # it has not been looked at since
            found[name] = before
            continue
        since = max(before.until if before else as_of, now.created)
        changed = min(max(since, modified[name]), now.until)
        if before and before.on != now.on:
            at = changed if modified[name] > before.until else now.until
            stretches += _stretches(resource_type, before.on, since, at)
            since = at
        elif not before:
            since = changed
        stretches += _stretches(resource_type, now.on, since, now.until)
    for name, before in note.items():
        over = stopped.get(name)
        if name not in found and over and over.created == before.created:
            stretches += _stretches(resource_type, before.on, before.until, over.modified)
        elif name not in found and not known_at:
            found[name] = before
    return found, stretches


def _stretches(resource_type: str, on: Mapping[str, float], start: float, end: float) -> Iterator[Stretch]:
    for instance_type, number in on.items() if end > start else ():
        yield Stretch((resource_type, instance_type), start, end, number)
