"""WHAT an API call is, whichever road its record came by: data in, data out.

    records   a record as CloudTrail writes it -> `Call`: what, who, when, from where, and what came of it
    counts    Call -> the event by which it counts once, and the families that it counts in
    audit     Call -> what an audit record says of it, and what it keeps to itself

Nothing here calls AWS or keeps anything. Whatever a record holds, the one error is `RecordError`.
"""

from __future__ import annotations

from exporter.trail.audit import audit
from exporter.trail.counts import HORIZON, KIND, Seen, event, outcome, zeros
from exporter.trail.records import Call, Category, Networks, RecordError, call

__all__ = [
    "HORIZON",
    "KIND",
    "Call",
    "Category",
    "Networks",
    "RecordError",
    "Seen",
    "audit",
    "call",
    "event",
    "outcome",
    "zeros",
]
