"""Things that come back to a status: endpoints, notebook instances, clusters and others, a row each.

What is seen of one is a `Sighting`, whoever saw it: a listing or an event. Each run of one status in time counts once,
which is the ledger's to do. Unlike a job, a thing has no end, and no identity but its name: one that is deleted and
made again goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from exporter.catalogue import CATALOGUE
from exporter.jobs import cluster_events
from exporter.jobs.job_types import spelled
from exporter.jobs.objects import Object, UnreadableError
from exporter.model import Effect, Sighting, Target

SOONER = 0.001  # seconds: what a thing was created in comes before what it entered at the same moment


class Thing(Struct, frozen=True):
    """What one who tells of a thing knows of it. `changed` is when it entered the status, or as near as is told.

    `name` is its own among all of its kind, `label` what its series are called by: that of a model package names the
    group.
    """

    kind: str
    name: str
    status: str
    created: float | None = None
    changed: float | None = None
    label: str = ""


class ThingType(Struct, frozen=True):
    """A kind of thing: the family that counts its changes, the status that it is created in ("" for any), its event.

    Of an event: the paths to its name, status and times, and the words before the name in its ARN. `beside` are other
    families of it that stand at 0 for all known values of their labels.
    """

    kind: str
    family: str
    first: str = ""
    detail_type: str = ""
    name: str = ""
    status: str = ""
    created: str = "CreationTime"
    changed: str = "LastModifiedTime"
    grouped: str = ""  # the path to the name of the group whose series it counts in: there may be thousands in one
    beside: tuple[str, ...] = ()

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses that are known."""
        row = CATALOGUE[self.family]
        return row.known(row.labels[-1])


_ROWS = (
    ThingType(
        "endpoint",
        "sagemaker_endpoint_state_changes_total",
        first="Creating",
        detail_type="SageMaker Endpoint State Change",
        name="EndpointName",
        status="EndpointStatus",
    ),
    ThingType("inference_component", "sagemaker_inference_component_state_changes_total", first="Creating"),
    ThingType(
        "notebook_instance",
        "sagemaker_notebook_instance_state_changes_total",
        first="Pending",
        detail_type="SageMaker Notebook Instance State Change",
        name="NotebookInstanceName",
        status="NotebookInstanceStatus",
    ),
    ThingType(
        "cluster",
        "sagemaker_cluster_state_changes_total",
        first="Creating",
        detail_type="SageMaker HyperPod Cluster State Change",
        name="ClusterName",
        status="ClusterStatus",
        beside=(cluster_events.LOGGED,),
    ),
    ThingType(
        "model_package",
        "sagemaker_model_package_group_approval_changes_total",
        detail_type="SageMaker Model Package State Change",
        name="ModelPackageArn",
        status="ModelApprovalStatus",
        grouped="ModelPackageGroupName",
    ),
)
THING_TYPES: Mapping[str, ThingType] = {row.kind: row for row in _ROWS}
THINGS_TOLD_BY: Mapping[str, ThingType] = {row.detail_type: row for row in _ROWS if row.detail_type}


def thing_told(kind: ThingType, detail: Any, sent: float) -> Thing | None:
    """Return what the detail of an event tells; None where it is about nothing that counts. Raises `UnreadableError`.

    Model packages that belong to no group are of no series.
    """
    told = Object(detail, f"{kind.kind}, event")
    status, name, label = told.text(kind.status), told.text(kind.name), ""
    if kind.grouped:
        label = told.text(kind.grouped)
        if not label or not status:
            return None
    if not name or not status:
        raise UnreadableError(f"{kind.kind}, event: {kind.status if name else kind.name} is missing")
    changed = told.time(kind.changed)
    return Thing(
        kind.kind,
        package_name(name) if kind.grouped else name,
        spelled(kind.statuses, status),
        told.time(kind.created),
        sent if changed is None else changed,
        label,
    )


def package_name(arn: str) -> str:
    """Return what tells a version of a model package from all others: GROUP/VERSION, in one spelling."""
    return arn.rpartition(":")[2].partition("/")[2].lower()


def sightings(target: Target, thing: Thing) -> Iterator[Sighting]:
    """Yield what is known of a thing's changes of status: the one that it is in, and the one that it was created in."""
    kind = THING_TYPES[thing.kind]
    called = f"{kind.kind}/{thing.name}"
    where = (target.account_id, target.region, thing.label or thing.name)
    at = thing.changed
    if kind.first and thing.created is not None:
        yield Sighting(called, thing.created, Effect(kind.family, (*where, kind.first)))
        at = None if at is None else max(at, thing.created + SOONER)
    if at is not None:
        yield Sighting(called, at, Effect(kind.family, (*where, thing.status)))


def series(target: Target, thing: Thing) -> Iterator[Effect]:
    """Yield the series that stand at 0 for a thing that exists."""
    kind = THING_TYPES[thing.kind]
    who = (target.account_id, target.region, thing.label or thing.name)
    for row in map(CATALOGUE.__getitem__, (kind.family, *kind.beside)):
        for labels in row.combinations({label: (value,) for label, value in zip(row.labels, who, strict=False)}):
            yield Effect(row.name, labels, 0.0)
