"""What runs and is not used: endpoints without invocations, apps without their user, for as long as we have watched.

Of notebook instances AWS tells nothing that would say so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from exporter.inventory import Census, Running, Things
from exporter.model import Known

NOTE = "used"  # of endpoints: how often each was invoked, and since when that stands

TOLD = ("endpoint", "app")
INVOKED = ("sagemaker_endpoint_invocations_total", "sagemaker_endpoint_invocations_processed_total")
COMPONENT_INVOKED = "sagemaker_inference_component_invocations_total"


def noted(known: Known, census: Census, now: float) -> dict[str, Any]:
    """Return the note: of endpoints whose invocations are counted, those that there are."""
    before, note = known.notes.get(NOTE, {}), {}
    for name, total in _invocations(known, census).items():
        stood, since = before.get(name, (total, now))
        if name in census.endpoints:
            note[name] = (total, since if stood == total else now)
    return note


def unused(
    note: Mapping[str, Any], census: Census, runs: list[Running], now: float, seconds: float
) -> Iterator[Running]:
    """Yield what has run, and was not used, for so long."""
    for one in runs:
        if one.resource_type == "endpoint":
            used = note.get(one.name, (0.0, now))[1]
        elif one.resource_type == "app":
            used = _active(census, one.name, now)
        else:
            continue
        if now - max(used, one.created) >= seconds:
            yield one


def _invocations(known: Known, census: Census) -> Mapping[str, float]:
    found: dict[str, float] = defaultdict(float)
    for family in INVOKED:
        for labels, total in known.values(family).items():
            found[labels[2]] += total
    for labels, total in known.values(COMPONENT_INVOKED).items():
        component = census.components.get(labels[2])
        if component:
            found[component.endpoint] += total
    return found


def _active(census: Census, name: str, now: float) -> float:
    """Return when an app was last used by somebody; now where that is not told."""
    app = census.things.get("app", Things()).by_key.get(name)
    told = app.told.get("DescribeApp") if app else None
    return float(told.items[0].get("LastUserActivityTimestamp", now)) if told and told.items else now
