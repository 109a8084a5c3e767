"""What SageMaker has besides endpoints and jobs, as plain facts: notebooks, Studio, feature groups, clusters, ...

Whatever changes is dated, the future too, so that what exists and how it stands is a function of the time asked about.
A thing has a status, where its kind has one, and facts that bear the service model's names; a fact may be a function
of the time, for what grows without anybody's doing. How AWS writes it down is
told in `thing_shapes`, how it lists it in `thing_calls`, what it sends about it in `events`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

Facts = Mapping[str, Any]
NO_FACTS: Facts = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing: where it stands in ARNs, and its statuses as the API spells them, the usual one first."""

    name: str
    path: str
    statuses: tuple[str, ...] = ()
    nested: bool = False  # the id of what it belongs to stands before its own


_STUDIO = ("InService", "Deleting", "Failed", "Pending", "Updating", "Update_Failed", "Delete_Failed")
_HYPERPOD = (
    "Created",
    "Creating",
    "CreateFailed",
    "CreateRollbackFailed",
    "Updating",
    "UpdateFailed",
    "UpdateRollbackFailed",
    "Updated",
    "Deleting",
    "DeleteFailed",
    "DeleteRollbackFailed",
    "Deleted",
)
_MLFLOW = ("Created", "Creating", "CreateFailed", "Updating", "Updated", "UpdateFailed", "Deleting", "DeleteFailed")

_KINDS = (
    Kind(
        "notebook_instance",
        "notebook-instance",
        (
            "InService",
            "Pending",
            "Stopping",
            "Stopped",
            "Failed",
            "Deleting",
            "Updating",
            "PendingMaintenance",
            "InMaintenance",
        ),
    ),
    Kind("notebook_lifecycle_config", "notebook-instance-lifecycle-config"),
    Kind(
        "cluster",
        "cluster",
        ("InService", "Creating", "Deleting", "Failed", "RollingBack", "SystemUpdating", "Updating"),
    ),
    Kind(
        "cluster_instance_group",
        "cluster-instance-group",
        ("InService", "Creating", "Updating", "Failed", "Degraded", "SystemUpdating", "Deleting"),
        nested=True,
    ),
    Kind(
        "cluster_node",
        "cluster-node",
        (
            "Running",
            "Failure",
            "Pending",
            "ShuttingDown",
            "SystemUpdating",
            "DeepHealthCheckInProgress",
            "NotFound",
            "DetachInProgress",
            "AttachInProgress",
        ),
        nested=True,
    ),
    Kind("cluster_event", "cluster-event", nested=True),
    Kind("cluster_scheduler_config", "cluster-scheduler-config", _HYPERPOD),
    Kind("compute_quota", "compute-quota", _HYPERPOD),
    Kind("training_plan", "training-plan", ("Active", "Pending", "Scheduled", "Expired", "Failed")),
    Kind("feature_group", "feature-group", ("Created", "Creating", "CreateFailed", "Deleting", "DeleteFailed")),
    Kind("monitoring_alert", "monitoring-alert", ("OK", "InAlert"), nested=True),
    Kind(
        "model_package_group",
        "model-package-group",
        ("Completed", "Pending", "InProgress", "Failed", "Deleting", "DeleteFailed"),
    ),
    Kind("model_package", "model-package", ("Completed", "Pending", "InProgress", "Failed", "Deleting"), nested=True),
    Kind("model", "model"),
    Kind("algorithm", "algorithm", ("Completed", "Pending", "InProgress", "Failed", "Deleting")),
    Kind("domain", "domain", _STUDIO),
    Kind("user_profile", "user-profile", _STUDIO, nested=True),
    Kind("space", "space", _STUDIO, nested=True),
    Kind("app", "app", ("InService", "Pending", "Deleting", "Deleted", "Failed"), nested=True),
    Kind(
        "image",
        "image",
        ("CREATED", "CREATING", "CREATE_FAILED", "UPDATING", "UPDATE_FAILED", "DELETING", "DELETE_FAILED"),
    ),
    Kind(
        "image_version",
        "image-version",
        ("CREATED", "CREATING", "CREATE_FAILED", "DELETING", "DELETE_FAILED"),
        nested=True,
    ),
    Kind(
        "mlflow_tracking_server",
        "mlflow-tracking-server",
        (
            *_MLFLOW,
            "Stopping",
            "Stopped",
            "StopFailed",
            "Starting",
            "Started",
            "StartFailed",
            "MaintenanceInProgress",
            "MaintenanceComplete",
            "MaintenanceFailed",
        ),
    ),
    Kind("mlflow_app", "mlflow-app", (*_MLFLOW, "Deleted")),
    Kind(
        "partner_app",
        "partner-app",
        ("Available", "Creating", "Updating", "Deleting", "Failed", "UpdateFailed", "Deleted"),
    ),
    Kind(
        "hub",
        "hub",
        ("InService", "Creating", "Updating", "Deleting", "CreateFailed", "UpdateFailed", "DeleteFailed"),
    ),
    Kind(
        "project",
        "project",
        (
            "CreateCompleted",
            "Pending",
            "CreateInProgress",
            "CreateFailed",
            "DeleteInProgress",
            "DeleteFailed",
            "DeleteCompleted",
            "UpdateInProgress",
            "UpdateCompleted",
            "UpdateFailed",
        ),
    ),
    Kind("workforce", "workforce", ("Active", "Initializing", "Updating", "Deleting", "Failed")),
    Kind("workteam", "workteam/private-crowd"),
    Kind("inference_router", "inference-router"),
    Kind("experiment", "experiment"),
    Kind("device_fleet", "device-fleet"),
    Kind("edge_deployment_plan", "edge-deployment"),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}


class State(NamedTuple):
    """How a thing stands from `at` on, until its next state."""

    at: float
    status: str = ""
    facts: Facts = NO_FACTS


@dataclass(slots=True, eq=False)
class Thing:
    """One life of a thing, from creation to deletion."""

    kind: Kind
    name: str
    created: float
    states: list[State]
    id: str = ""  # in ARNs, where it is not the name
    parent: str = ""  # what it belongs to, as it stands in ARNs: domain/ID, cluster/ID, ...
    tags: dict[str, str] = field(default_factory=dict)
    deleted: float = math.inf
    number: int = 0  # in the order in which they were added

    @property
    def own(self) -> str:
        """What its ARN ends in."""
        return self.id or self.name

    @property
    def resource(self) -> str:
        """What stands in its ARN, after the account."""
        before = f"{self.parent.partition('/')[2]}/" if self.kind.nested and self.parent else ""
        return f"{self.kind.path}/{before}{self.own}"

    def state(self, now: float) -> State:
        """Return how it stands; before its first state: that one."""
        return next((state for state in reversed(self.states) if state.at <= now), self.states[0])

    def fact(self, name: str, now: float) -> Any:
        """Return a fact as it is now, or None where there is none."""
        value = self.state(now).facts.get(name)
        return value(now) if callable(value) else value

    def exists(self, now: float) -> bool:
        """Tell whether it exists."""
        return self.created <= now < self.deleted

    def statuses(self, now: float = math.inf) -> list[tuple[float, str]]:
        """Return the truth: when it entered which status."""
        states = [state for state in self.states if state.at <= now and state.at < self.deleted]
        changed = [after for before, after in pairwise(states) if after.status != before.status]
        return [(state.at, state.status) for state in (*states[:1], *changed)]


class Change(NamedTuple):
    """A state that a thing enters, with the one before; `gone` when it is deleted."""

    at: float
    number: int  # of the thing
    place: int  # of the state
    thing: Thing
    state: State
    before: State | None
    gone: bool


class Things:
    """All things of an account in a region."""

    def __init__(self) -> None:
        """Begin empty."""
        self._added = 0
        self._lives: dict[str, list[Thing]] = {}  # by resource: ARNs are lower case
        self._called: dict[tuple[str, str], list[Thing]] = {}  # by kind, and name or id
        self._listings: dict[tuple[str, str], list[Thing]] = {}  # by kind and parent

    def __iter__(self) -> Iterator[Thing]:
        for lives in self._lives.values():
            yield from lives

    def add(self, thing: Thing) -> Thing:
        """Take in a thing. ValueError: its name is in use, or its kind has no such status."""
        for state in thing.states:
            _check(thing, state.status)
        lives = self._lives.setdefault(thing.resource.lower(), [])
        if lives and lives[-1].deleted > thing.created:
            raise ValueError(f"{thing.kind.name} {thing.name} exists")
        lives.append(thing)
        self._added += 1
        thing.number = self._added
        for called in {thing.name, thing.own}:
            self._called.setdefault((thing.kind.name, called), []).append(thing)
        for parent in {"", thing.parent.lower()}:
            self._listings.setdefault((thing.kind.name, parent), []).append(thing)
        return thing

    def find(self, resource: str, now: float) -> Thing | None:
        """Return the thing of this resource, as it stands in ARNs, that exists now."""
        return next((life for life in self._lives.get(resource.lower(), ()) if life.exists(now)), None)

    def called(self, kind: str, name: str, now: float) -> list[Thing]:
        """Return the things of a kind with this name, or this id, that exist now."""
        return [thing for thing in self._called.get((kind, name), ()) if thing.exists(now)]

    def listing(self, kind: str, now: float, parent: str = "") -> list[Thing]:
        """Return the things of a kind, or those of a parent, that exist now, in the order in which they were added."""
        return [thing for thing in self._listings.get((kind, parent.lower()), ()) if thing.exists(now)]

    def enter(self, thing: Thing, at: float, status: str | None, facts: Facts, without: Collection[str] = ()) -> None:
        """Let a thing stand otherwise from `at` on; what it would have entered later does not come.

        ValueError: its kind has no such status.
        """
        before = thing.state(at)
        changed = {name: value for name, value in before.facts.items() if name not in without} | dict(facts)
        state = State(at, before.status if status is None else status, changed)
        _check(thing, state.status)
        thing.states = [*(earlier for earlier in thing.states if earlier.at < at), state]

    def delete(self, thing: Thing, at: float) -> None:
        """Remove a thing, and what belongs to it."""
        thing.deleted = at
        for (_, parent), things in self._listings.items():
            if parent == thing.resource.lower():
                for one in things:
                    if one.deleted > at:
                        self.delete(one, max(at, one.created))

    def changes(self, start: float, end: float) -> list[Change]:
        """Return all states that are entered, and deletions, from `start` on and before `end`, in the order of time."""
        found = []
        for thing in self:
            before = None
            for place, state in enumerate(thing.states):
                if start <= state.at < min(end, thing.deleted):
                    found.append(Change(state.at, thing.number, place, thing, state, before, gone=False))
                before = state
            if start <= thing.deleted < end and thing.created < thing.deleted:
                state = thing.state(thing.deleted)
                found.append(Change(thing.deleted, thing.number, len(thing.states), thing, state, state, gone=True))
        return sorted(found, key=lambda change: change[:3])


def _check(thing: Thing, status: str) -> None:
    if status not in (thing.kind.statuses or ("",)):
        raise ValueError(f"{thing.kind.name} has no status {status or 'at all'}")
