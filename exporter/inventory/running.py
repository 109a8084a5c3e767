"""What runs on instances, and on how many of which type, as far as a census tells: what quotas limit and AWS bills.

Jobs are not here: they are told by those who follow them. Neither is the second fleet of an endpoint that is being
updated: AWS does not document which of its instances are told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from exporter.inventory.census import STEADY, Census, Endpoint, Facts, Thing, Things, Variant
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


def running(census: Census) -> Iterator[Running]:
    """Yield what runs, as far as it is known: `known_since` says whether that is all."""
    for kind, name, one, on, at in _found(census):
        for instance_type, count in on or ():
            if count > 0:
                times = one.created, one.modified
                app_type = one.text("AppType") if isinstance(one, Thing) else ""
                yield Running(kind, name, instance_type, count, *times, one.status, at, app_type)


class Stopped(NamedTuple):
    """When a resource was made that is there and holds no instances, and when it was last modified: to be so."""

    created: float
    modified: float


def stopped(census: Census, resource_type: str) -> dict[str, Stopped]:
    """Return, by name, what holds no instances by its status, where AWS tells when that changed."""
    if resource_type == "endpoint":
        some = ((one.name, one) for one in census.endpoints.values() if one.status not in _SERVING)
        return {name: Stopped(one.created, one.modified) for name, one in some}
    statuses = _KINDS[resource_type].statuses
    return {
        key: Stopped(thing.created, thing.modified)
        for key, thing in census.things.get(resource_type, Things()).by_key.items()
        if statuses is not None and thing.status not in statuses and thing.modified
    }


def known_since(census: Census) -> Mapping[str, float]:
    """Return, by resource type, as of when all that runs is known; 0: something of it is not.

    A type that is not looked at is not in it.
    """
    since = {"endpoint": census.endpoints_at}
    since |= {kind: things.at for kind, things in census.things.items() if kind in _KINDS}
    for kind, _, _, on, at in _found(census):
        since[kind] = 0.0 if on is None else min(since[kind], at)
    return since


def _found(census: Census) -> Iterator[tuple[str, str, Endpoint | Thing, list[_On] | None, float]]:
    """Yield what may hold instances, by type and name, which ones, and as of when; None: it could not be looked at."""
    for endpoint in census.endpoints.values():
        if endpoint.status in _SERVING:
            at = _described_at(endpoint, census.endpoints_at)
            yield "endpoint", endpoint.name, endpoint, _of_endpoint(endpoint), at
    for kind, row in _KINDS.items():
        listing = census.things.get(kind, Things())
        for key, thing in listing.by_key.items():
            if row.statuses is None or thing.status in row.statuses:
                facts, at = _facts(thing, row.told_by, listing.at)
                yield kind, key, thing, None if facts is None else list(row.on(thing, facts)), at


# -- endpoints ---------------------------------------------------------------------------------------------------------

_SERVING = {"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"}


def _described_at(endpoint: Endpoint, listed_at: float) -> float:
    """Return when an endpoint was as described, at the latest: the description of a steady one holds on."""
    holds_on = endpoint.status in STEADY and endpoint.described_as == (endpoint.status, endpoint.modified)
    return max(listed_at, endpoint.described_at) if holds_on else endpoint.described_at


def _of_endpoint(endpoint: Endpoint) -> list[_On] | None:
    if not endpoint.described_at:
        return None
    found: list[_On] = []
    for variant in endpoint.variants:
        on = _of_variant(variant)
        if on is None:
            return None
        found += on
    return found


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


def _facts(thing: Thing, operation: str, listed_at: float) -> tuple[Facts | None, float]:
    """Return what an operation told of a thing, None if it has not yet, and as of when; "": the listing."""
    if not operation:
        return thing.facts, listed_at
    call = next(call for call in KINDS[thing.kind].calls if call.operation == operation)
    told = thing.told.get(operation)
    if told is None or not told.at:
        return None, 0.0
    at = max(told.at, listed_at) if holds(KINDS[thing.kind], call, thing) else told.at
    return (told.items[0] if told.items else {}), at
