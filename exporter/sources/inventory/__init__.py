"""What exists: the census as families about endpoints, inference components and all other things.

sagemaker_endpoint_status{account_id="123456789012",region="us-east-1",endpoint_name="churn",status="InService"} 1.0

    endpoints   what is told of endpoints, components and bounds of scaling
    things      what is told of things of all other kinds
    tags        tags of all of them, as labels
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from exporter.catalogue import CATALOGUE
from exporter.catalogue.resources import TAGS_INFO
from exporter.config import Config, stands
from exporter.inventory import KINDS, Census, Inventory, Kind, Selection, Things, counted, still_told
from exporter.model import Failure, Forecast, Known, Reading, Sample, Target
from exporter.sources.inventory import endpoints, tags, things
from exporter.sources.inventory.values import Value, states

_KIND_OF = {kind.operation: kind for kind in KINDS.values()} | {
    call.operation: kind for kind in KINDS.values() for call in kind.calls
}  # by what comes first in the name of a scope


class InventorySource:
    """Looks at the inventory and shows it."""

    name = "inventory"
    thrifty = False

    def __init__(self, inventory: Inventory, config: Config) -> None:
        settings = config.sources.inventory
        self._inventory = inventory
        self._every = settings.every
        self._shown = settings.enabled
        self._slow = settings.list_metrics_every
        self._last_good = stands(settings)
        self._too_old = settings.describe_every + self._last_good  # of what is told of a thing
        self._selection = Selection(config.resources)
        self._labels = config.labelled
        self._counted = counted(settings.resource_types.include, settings.resource_types.exclude)
        self._on = {name for name, row in CATALOGUE.items() if row.source == self.name and config.on(name)}

    def confirm(self, receipts: tuple[Any, ...]) -> None:
        """Do nothing: listings are not used up by reading them."""

    def read(self, target: Target, known: Known, now: float) -> Reading:
        """Look at what is due; return what is known, scope by scope."""
        census = self._inventory.look(target, now, known.meters)
        scopes: dict[str, list[Value]] = {}
        gone: set[str] = set()
        if self._shown:
            if census.endpoints_at == now:
                self._endpoints(census, now, scopes)
            if census.components_at == now:
                self._components(census, now, scopes)
            if census.scaling_at == now:
                scopes["scaling"] = [value for bound in census.scaling for value in endpoints.of_scaling(bound)]
            for name, known_things in census.things.items():
                if known_things.at == now:
                    self._things(census, KINDS[name], now, scopes)
            gone = self._gone(known.scopes, census, now)
        samples = (
            Sample(
                f"sagemaker_{name}",
                (target.account_id, target.region, *labels),
                float(value),
                scope=scope,
                until=now + self._age(self._pause(census, scope)),
            )
            for scope, values in scopes.items()
            for name, labels, value in values
            if value is not None and f"sagemaker_{name}" in self._on
        )
        tagged = self._tagged(target, census, now) if self._labels and census.tags_at else None
        return Reading(
            self.name,
            target,
            now,
            samples=(*samples, *(tagged or ())),
            looked=(*scopes, *gone, *(() if tagged is None else (tags.SCOPE,))),
            failed=census.failures,
        )

    def survey(self, target: Target, now: float) -> tuple[Failure, ...]:
        """List what exists."""
        return self._inventory.survey(target, now).failures

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:  # noqa: ARG002 - not slowed
        """Return what an hour takes where all that exists is in service and nothing changes."""
        calls: dict[str, float] = {}
        for census in censuses.values():
            for operation, number in self._inventory.calls_an_hour(census, self._every).items():
                calls[operation] = calls.get(operation, 0.0) + number
        return Forecast((self._every,), calls)

    def _age(self, pause: float) -> float:
        """Return how long stands (seconds) what is looked at with such a pause."""
        return max(self._last_good, 3 * pause)

    def _pause(self, census: Census, scope: str) -> float:
        """Return how long a scope may not be looked at: by the slow timer, or because its listing is long."""
        kind = _KIND_OF.get(scope.partition("/")[0])
        return census.things[kind.name].pause if kind else self._slow if scope == "scaling" else 0.0

    def _tagged(self, target: Target, census: Census, now: float) -> Iterator[Sample]:
        """Yield the tags that are shown; neither they nor the listing of the resource may be too old."""
        for one in tags.tagged(census, self._labels):
            until = min(census.tags_at + self._age(self._slow), one.at + self._age(one.pause))
            if now < until and self._selection.admits(census, *one.chosen_as):
                labels = (target.account_id, target.region, one.resource_type, one.resource_name, *one.labels)
                yield Sample(TAGS_INFO, labels, 1.0, scope=tags.SCOPE, until=until)

    def _endpoints(self, census: Census, now: float, scopes: dict[str, list[Value]]) -> None:
        listed = scopes.setdefault("endpoints", [])
        wanted = [one for one in census.endpoints.values() if self._selection.admits(census, "endpoint", one.name)]
        for endpoint in wanted:
            listed += states("endpoint_status", (endpoint.name,), endpoint.status)
            listed.append(("endpoint_created_timestamp_seconds", (endpoint.name,), endpoint.created))
            listed.append(("endpoint_last_modified_timestamp_seconds", (endpoint.name,), endpoint.modified))
            if endpoints.described(endpoint, now):
                scopes[f"endpoint/{endpoint.name}"] = [
                    *endpoints.of_endpoint(endpoint),
                    *endpoints.of_variants(endpoint),
                ]
        listed += self._resources("endpoint", (one.status for one in wanted))

    def _components(self, census: Census, now: float, scopes: dict[str, list[Value]]) -> None:
        listed = scopes.setdefault("components", [])
        components, kind = census.components.values(), "inference-component"
        wanted = [one for one in components if self._selection.admits(census, kind, one.name)]
        for component in wanted:
            listed += states("inference_component_status", (component.name,), component.status)
            changed = "inference_component_last_modified_timestamp_seconds"
            listed.append((changed, (component.name,), component.modified))
            if endpoints.described(component, now):
                scopes[f"component/{component.name}"] = list(endpoints.of_component(component))
        listed += self._resources("inference_component", (one.status for one in wanted))

    def _things(self, census: Census, kind: Kind, now: float, scopes: dict[str, list[Value]]) -> None:
        """Show the things of a kind: what the listing tells and, thing by thing, what else was told and still holds."""
        wanted = {
            key: still_told(kind, thing, now, now - self._too_old)
            for key, thing in census.things[kind.name].by_key.items()
            if self._selection.admits(census, kind.name, thing.name)
        }
        listed = [value for thing in wanted.values() for value in things.listed(thing)]
        listed += things.sums(kind, wanted.values())
        if kind.name == "model_package":
            listed += things.registry(self._groups(census, now), wanted.values())
        listed += self._resources(kind.name, (one.status for one in wanted.values()))
        scopes[kind.operation] = listed
        for key, thing in wanted.items():
            for operation in thing.told:
                scopes[f"{operation}/{key}"] = list(things.told(thing, operation))

    def _groups(self, census: Census, now: float) -> list[str]:
        """Return the names of groups of model packages, empty ones too; none if they could not be listed for long."""
        groups = census.things.get("model_package_group", Things())
        fresh = now <= groups.at + max(self._last_good, 3 * groups.pause)
        return [name for name in groups.by_key if fresh and self._selection.admits(census, "model_package_group", name)]

    def _resources(self, kind: str, statuses: Iterable[str]) -> Iterable[Value]:
        return things.resources(kind, statuses) if kind in self._counted else ()

    def _gone(self, scopes: Collection[str], census: Census, now: float) -> set[str]:
        """Return the scopes of things that a complete listing no longer shows, or that nobody wants to see any more."""
        gone = set()
        for scope in scopes:
            first, _, key = scope.partition("/")
            kind = _KIND_OF.get(first)
            if (
                (kind and kind.name not in census.things)
                or (key and not self._stays(first, key, census, now))
                or (scope == tags.SCOPE and not self._labels)
            ):
                gone.add(scope)
        return gone

    def _stays(self, first: str, key: str, census: Census, now: float) -> bool:
        """Say whether a thing is there and wanted, or may be for all we know."""
        if first == "endpoint":
            return census.endpoints_at != now or (
                key in census.endpoints and self._selection.admits(census, "endpoint", key)
            )
        if first == "component":
            return census.components_at != now or (
                key in census.components and self._selection.admits(census, "inference-component", key)
            )
        kind = _KIND_OF[first].name
        found = census.things[kind]
        thing = found.by_key.get(key)
        return found.at != now or (thing is not None and self._selection.admits(census, kind, thing.name))
