"""Call -> the event by which it counts once, by the id of its record, whichever road it came by.

What is left out, and counted as what it is (`outcome`): our own calls, other services, corrections of records that have
counted, second copies of a call, and what tells of calls instead of being one.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import NamedTuple

from exporter.catalogue import CATALOGUE
from exporter.model import DAY, Effect, Event, Target
from exporter.trail.records import Call, Category

KIND = "cloudtrail/call"
HORIZON = 91 * DAY  # what is older is never counted, by whichever road: a day more than CloudTrail lists

CALLS = "sagemaker_api_calls_total"
ERRORS = "sagemaker_api_call_errors_total"
BY_ORIGIN = "sagemaker_api_calls_by_origin_total"
BY_PRINCIPAL = "sagemaker_api_calls_by_principal_total"
DATA = "sagemaker_api_data_calls_total"
BY_ENDPOINT = "sagemaker_api_data_calls_by_endpoint_total"
SERVICE = "sagemaker_api_service_events_total"
NETWORK = "sagemaker_api_network_denials_total"
LAG = "sagemaker_api_event_delivery_lag_seconds"
LAST_CALL = "sagemaker_api_last_call_timestamp_seconds"
LAST_DATA = "sagemaker_api_last_data_call_timestamp_seconds"
LAST_EVENT = "sagemaker_api_last_event_timestamp_seconds"


class Seen(NamedTuple):
    """What is to be known in order to say what becomes of a call.

    `sources` are the event sources that count. `own` are principals of this exporter, as in `123456789012/role-name`,
    and `agent` the word in its user agents. `targets` are those of which all calls are surely read.
    """

    sources: Collection[str]
    agent: str
    own: Collection[str]
    targets: Collection[Target]


def outcome(call: Call, seen: Seen) -> str:
    """Return why a call does not count: ignored, own, corrected; "" for one that does.

    An action that concerns two accounts is recorded in both: it counts where it was called, where that is surely read,
    else where it is read first.
    """
    if call.source not in seen.sources or call.category is Category.OTHER:
        return "ignored"
    if call.corrects:
        return "corrected"
    if seen.agent in call.user_agent and f"{call.caller}/{call.principal}" in seen.own:
        return "own"
    if (
        call.shared
        and call.category is Category.MANAGEMENT
        and call.caller != call.account
        and Target(call.caller, call.region) in seen.targets
    ):
        return "ignored"
    return ""


def event(call: Call, way: str, now: float) -> Event:
    """Return the event by which a call counts, told by a way of delivery: lookup, s3 or queue."""
    target = Target(call.account, call.region)
    where = (call.account, call.region)
    what = (*where, call.source, call.name)
    effects: list[Effect] = []
    match call.category:
        case Category.MANAGEMENT:
            read_only = "true" if call.read_only else "false"
            effects.append(Effect(CALLS, (*what, call.error_class, call.principal_type, read_only)))
            effects.append(Effect(BY_ORIGIN, (*where, call.source, call.origin, call.error_class)))
            effects.append(Effect(BY_PRINCIPAL, (*what, call.error_class, call.principal)))
            if call.error_code:
                effects.append(Effect(ERRORS, (*what, call.error_code)))
        case Category.DATA:
            effects.append(Effect(DATA, (*what, call.error_class, call.principal_type)))
            if call.endpoint:
                effects.append(Effect(BY_ENDPOINT, (*where, call.name, call.endpoint, call.error_class)))
        case Category.SERVICE:
            effects.append(Effect(SERVICE, (*where, call.name)))
        case Category.NETWORK:
            effects.append(Effect(NETWORK, (*where, call.name)))
    effects.append(Effect(LAG, (*where, way), max(0.0, now - call.at), CATALOGUE[LAG].buckets))
    return Event(KIND, call.shared or call.id, call.at, target, tuple(effects))


def zeros(target: Target, sources: Collection[str], origins: Collection[str], ways: Collection[str]) -> list[Effect]:
    """Return zeros of what may come to count of a target, of families whose labels are known before."""
    where = (target.account_id, target.region)
    classes = CATALOGUE[BY_ORIGIN].known("error_class")
    known = (*CATALOGUE[BY_ORIGIN].known("origin"), *origins)
    found = [Effect(BY_ORIGIN, (*where, *one), 0.0) for one in itertools.product(sources, known, classes)]
    return found + [Effect(LAG, (*where, way), 0.0, CATALOGUE[LAG].buckets) for way in ways]
