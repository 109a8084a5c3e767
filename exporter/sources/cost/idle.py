"""Since when what runs has not been used: endpoints without invocations, apps without their user.

Of notebook instances AWS tells nothing that would say so. Invocations are those that CloudWatch's counters hold: time
in which these were not read is no time without any.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from exporter.catalogue import CATALOGUE
from exporter.inventory import Census, Things
from exporter.model import HOUR, Known, Resource

NOTE = "used"
TOLD = ("endpoint", "app")
LATELY = 2 * HOUR  # how long ago counters may have been read, at the most

_INVOKED = (
    "sagemaker_endpoint_invocations_total",
    "sagemaker_endpoint_invocations_processed_total",
    "sagemaker_inference_component_invocations_total",
)
_METRICS = {metric for name in _INVOKED for metric in getattr(CATALOGUE[name].ask, "metrics", ())}


class Used(Struct, array_like=True):
    """How often an endpoint was invoked, since when that stands, and up to when that is known."""

    total: float
    since: float
    until: float


def noted(known: Known, census: Census, before: Mapping[str, Used]) -> dict[str, Used]:
    """Return how endpoints are used: what is not told now stays as it was."""
    if not census.endpoints_at:
        return dict(before)
    totals: dict[str, Used] = {}
    counted: dict[str, set[str]] = {}  # variants
    for resource, meter in known.meters.items():
        name = _endpoint(resource, census)
        for (metric, stat), i in meter.position.items() if name in census.endpoints else ():
            if metric in _METRICS and stat == "Sum" and meter.alive and not meter.paused[i]:
                one = totals.setdefault(name, Used(0.0, 0.0, float(meter.read_until[i])))
                counted.setdefault(name, set()).add(dict(resource.dimensions).get("VariantName", ""))
                one.total += meter.total(i)
                one.until = min(one.until, float(meter.read_until[i]))
    found = {name: one for name, one in before.items() if name in census.endpoints}
    for name, one in totals.items():
        if not {variant.name for variant in census.endpoints[name].variants} <= counted[name]:
            continue  # by those that are not counted it may be used
        stood = found.get(name)
        one.since = stood.since if stood and stood.total == one.total else one.until
        found[name] = one
    return found


def since(kind: str, name: str, used: Mapping[str, Used], census: Census, now: float) -> float | None:
    """Return since when something has not been used; None where that can't be told."""
    if kind == "app":
        app = census.things.get("app", Things()).by_key.get(name)
        told = app.told.get("DescribeApp") if app else None
        if told is None or not told.items or now - told.at >= LATELY:  # its user may be active since
            return None
        active = told.items[0].get("LastUserActivityTimestamp")
        return None if active is None else float(active)
    one = used.get(name)
    if one is None or now - min(one.until, census.components_at) >= LATELY:  # whose invocations are those of endpoints
        return None
    return one.since + now - one.until  # as much time as is known to be without any


def _endpoint(resource: Resource, census: Census) -> str:
    """Return the endpoint that a resource of CloudWatch belongs to; "" for none."""
    dimensions = dict(resource.dimensions)
    if "InferenceComponentName" in dimensions:
        component = census.components.get(dimensions["InferenceComponentName"])
        return component.endpoint if component else ""
    return dimensions.get("EndpointName", "")
