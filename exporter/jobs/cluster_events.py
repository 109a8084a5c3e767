"""What HyperPod clusters log of themselves: each record counts once, by its own id, whoever tells of it.

An event of EventBridge holds the very record that a listing shows; so both are read here, by one function. Only a
cluster that provisions its nodes continuously has such a log.
"""

from __future__ import annotations

from typing import Any

from exporter.catalogue import CATALOGUE
from exporter.jobs.job_types import Listing, spelled
from exporter.jobs.objects import Object, UnreadableError
from exporter.model import Effect, Event, Target

KIND = "job_events/cluster"
LOGGED = "sagemaker_cluster_events_total"
CONTINUOUS = "Continuous"  # the NodeProvisioningMode of a cluster that has a log: API_ListClusterEvents
LISTING = Listing(
    "ListClusterEvents",
    "Events",
    since="EventTimeAfter",
    fixed={"SortBy": "EventTime", "SortOrder": "Descending", "MaxResults": 100},
)
"""The log of one cluster, by its ClusterName."""


def logged(target: Target, record: Any, sent: float | None = None, envelope: str = "") -> Event:
    """Return what a cluster logged, as a listing shows it, or an event of EventBridge under EventDetails.

    What a record in an event lacks, its envelope tells: when it was `sent`, an id. Raises `UnreadableError`.
    """
    told = Object(record, "an event of a cluster")
    name = told.text("ClusterName") or told.text("ClusterArn").rpartition("/")[2]
    who, at = told.text("EventId") or envelope, told.time("EventTime")
    at = sent if at is None else at
    if not name or not who or at is None:
        missing = "ClusterName" if not name else "EventId" if not who else "EventTime"
        raise UnreadableError(f"an event of a cluster: {missing} is missing")
    row = CATALOGUE[LOGGED]
    level = spelled(row.known("event_level"), told.text("EventLevel"))
    about = spelled(row.known("resource_level"), told.text("ResourceType"))
    labels = (target.account_id, target.region, name, level, about)
    return Event(KIND, who, at, target, (Effect(LOGGED, labels),))
