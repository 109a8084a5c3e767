"""What runs on instances, and on how many of which type, as far as a census tells: what quotas limit and AWS bills.

Jobs are not here: they are told by those who follow them. Neither is the second fleet of an endpoint that is being
updated: AWS does not document which of its instances are told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from exporter.inventory.census import STEADY, Census, Endpoint, Facts, Thing, Variant
from exporter.inventory.kinds import KINDS
from exporter.inventory.things import holds

_SYSTEM = "system"  # the instance type of apps that run on none of the user's
_KERNEL_ON = "ml.t3.medium"  # what AWS takes instead for a KernelGateway app

_On = tuple[str, float]  # an instance type, and how many of it


class Running(Struct, frozen=True):
    """Instances of one type that a resource runs on; the type of a tracking server is its size.

    `resource_type` is a word of the label of that name, `name` what tells the resource from others of its type. One
    with several types, variants or groups is there several times. It was so at `at`, for all we know.
    """

    resource_type: str
    name: str
    instance_type: str
    count: float
    created: float
    modified: float
    status: str
    at: float
    app_type: str = ""


class Holding(Struct, frozen=True):
    """A resource that exists, and the instances that it held at `at`: type and number; None where nobody could look."""

    on: tuple[_On, ...] | None
    created: float
    modified: float  # 0 where AWS does not tell
    status: str
    at: float
    app_type: str = ""


class Fleet(NamedTuple):
    """All resources of a type by name, and when they were listed; 0: they never were."""

    at: float
    of: Mapping[str, Holding]


def fleets(census: Census) -> dict[str, Fleet]:
    """Return what exists and may hold instances, by resource type; a type that is not looked at is not in it."""
    endpoints = {one.name: _of_endpoint(one, census.endpoints_at) for one in census.endpoints.values()}
    found = {"endpoint": Fleet(census.endpoints_at, endpoints)}
    for kind, listing in census.things.items():
        if kind in _KINDS:
            things = {key: _of_thing(_KINDS[kind], thing, listing.at) for key, thing in listing.by_key.items()}
            found[kind] = Fleet(listing.at, things)
    return found


def running(census: Census) -> Iterator[Running]:
    """Yield what runs, as far as it is known: `known_since` says whether that is all."""
    for kind, fleet in fleets(census).items():
        for name, one in fleet.of.items():
            for instance_type, count in one.on or ():
                times = one.created, one.modified
                yield Running(kind, name, instance_type, count, *times, one.status, one.at, one.app_type)


def known_since(census: Census) -> Mapping[str, float]:
    """Return, by resource type, as of when all that runs is known; 0: something of it is not.

    A type that is not looked at is not in it.
    """
    return {
        kind: min([fleet.at, *(0.0 if one.on is None else one.at for one in fleet.of.values())])
        for kind, fleet in fleets(census).items()
    }


# -- endpoints ---------------------------------------------------------------------------------------------------------

_SERVING = {"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"}


def _of_endpoint(endpoint: Endpoint, listed_at: float) -> Holding:
    """Return what an endpoint holds: the description of a steady one holds on."""
    told = endpoint.created, endpoint.modified, endpoint.status
    if endpoint.status not in _SERVING:
        return Holding((), *told, listed_at)
    if not endpoint.described_at:
        return Holding(None, *told, 0.0)
    holds_on = endpoint.status in STEADY and endpoint.described_as == (endpoint.status, endpoint.modified)
    at = max(listed_at, endpoint.described_at) if holds_on else endpoint.described_at
    found: list[_On] = []
    for variant in endpoint.variants:
        on = _of_variant(variant)
        if on is None:
            return Holding(None, *told, 0.0)
        found += on
    return Holding(_held(found), *told, at)


def _held(on: Iterable[_On]) -> tuple[_On, ...]:
    return tuple((instance_type, count) for instance_type, count in on if count > 0)


def _of_variant(variant: Variant) -> list[_On] | None:
    """Return the instances of a variant; None where their type is not known."""
    facts, config = variant.facts, variant.config
    if facts.get("InstancePools"):
        return [(pool["InstanceType"], pool.get("CurrentInstanceCount", 0)) for pool in facts["InstancePools"]]
    count = facts.get("CurrentInstanceCount", 0)
    if not count or facts.get("CurrentServerlessConfig"):
        return []
    return [(config["InstanceType"], count)] if "InstanceType" in config else None


# -- things of other kinds ---------------------------------------------------------------------------------------------


class _Kind(NamedTuple):
    """While in which statuses things of a kind hold instances (None: in any), which operation tells, and which ones."""

    statuses: frozenset[str] | None
    told_by: str  # "": the listing
    on: Callable[[Thing, Facts], Iterator[_On]]


def _notebook(notebook: Thing, _: Facts) -> Iterator[_On]:
    yield notebook.text("InstanceType"), 1


def _app(app: Thing, _: Facts) -> Iterator[_On]:
    instance_type = app.text("ResourceSpec.InstanceType")
    if instance_type == _SYSTEM and app.text("AppType") == "KernelGateway":
        instance_type = _KERNEL_ON
    if instance_type not in {"", _SYSTEM}:
        yield instance_type, 1


def _cluster(_: Thing, facts: Facts) -> Iterator[_On]:
    for path in ("InstanceGroups[]", "RestrictedInstanceGroups[]"):
        for group in facts.get(path, ()):
            types: tuple[Mapping[str, Any], ...] = group.get("InstanceTypeDetails[]") or (group,)
            for one in types:
                yield one.get("InstanceType", ""), one.get("CurrentCount", 0)


def _server(server: Thing, facts: Facts) -> Iterator[_On]:
    if server.text("IsActive") != "Inactive":
        yield facts.get("TrackingServerSize", ""), 1


_KINDS: Mapping[str, _Kind] = {
    "notebook_instance": _Kind(frozenset({"InService"}), "", _notebook),
    "app": _Kind(frozenset({"InService"}), "", _app),
    "cluster": _Kind(None, "DescribeCluster", _cluster),
    "mlflow_tracking_server": _Kind(
        frozenset(
            {
                "Created",
                "Updating",
                "Updated",
                "UpdateFailed",
                "Started",
                "Stopping",
                "StopFailed",
                "MaintenanceInProgress",
                "MaintenanceComplete",
                "MaintenanceFailed",
            }
        ),
        "DescribeMlflowTrackingServer",
        _server,
    ),
}


def _of_thing(row: _Kind, thing: Thing, listed_at: float) -> Holding:
    """Return what a thing holds, by its listing or by an operation that tells."""
    told = thing.created, thing.modified, thing.status
    app_type = thing.text("AppType")
    if row.statuses is not None and thing.status not in row.statuses:
        return Holding((), *told, listed_at, app_type)
    if not row.told_by:
        return Holding(_held(row.on(thing, thing.facts)), *told, listed_at, app_type)
    call = next(call for call in KINDS[thing.kind].calls if call.operation == row.told_by)
    answer = thing.told.get(row.told_by)
    if answer is None or not answer.at:
        return Holding(None, *told, 0.0, app_type)
    at = max(answer.at, listed_at) if holds(KINDS[thing.kind], call, thing) else answer.at
    return Holding(_held(row.on(thing, answer.items[0] if answer.items else {})), *told, at, app_type)
