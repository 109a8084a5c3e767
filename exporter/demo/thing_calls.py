"""SageMaker: lists and descriptions of what is neither an endpoint nor a job.

One way to list for all of them: what is asked for is looked for among all, put in order and cut into pages. A place in
a listing is a thing, not a number: what comes meanwhile shifts nothing. Parameters that the service model does not have
are refused, which is stricter than AWS.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from exporter.demo.call import AwsError, invalid
from exporter.demo.job_shapes import of_kind as jobs_of_kind
from exporter.demo.job_shapes import sagemaker_arn, written
from exporter.demo.jobs import KINDS as JOBS
from exporter.demo.sagemaker import LONGEST_PAGE, constraint, one_of
from exporter.demo.thing_shapes import APIS, View, arn_of, created, of_kind
from exporter.demo.things import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.call import Call
    from exporter.demo.thing_shapes import Api, Fact
    from exporter.demo.things import Thing

_NUMBERS = ("MaxResults", "Version")
_OF_STATUS = ("FeatureGroupStatusEquals", "Status", "StatusEquals", "TrackingServerStatus")
_VALUES: dict[str, tuple[str, ...]] = {
    "AccountDefaultStatus": ("ENABLED", "DISABLED"),
    "CrossAccountFilterOption": ("SameAccount", "CrossAccount"),
    "ModelApprovalStatus": ("Approved", "Rejected", "PendingManualApproval"),
    "ModelPackageType": ("Versioned", "Unversioned", "Both"),
    "OfflineStoreStatusEquals": ("Active", "Blocked", "Disabled"),
    "ResourceType": ("Cluster", "InstanceGroup", "Instance"),
}
"""Of filters that the service model knows all values of, besides those of the status."""
_LONGEST_TOKEN, _LONGEST_PART = 8192, 63


def list_things(api: Api, call: Call) -> dict[str, Any]:
    """Answer a list operation."""
    given = call.parameters
    _check(api, given)
    holder = _parent(api, call)
    things = call.place.things.listing(api.kind, call.now, holder)
    if api.past:
        views = [View(call.place, thing, at) for thing in things for at, _ in thing.statuses(call.now)]
    else:
        views = [View(call.place, thing, call.now) for thing in things]
    wanted = given if holder else {**api.assumed, **given}
    asked = [(holds, wanted[name]) for name, holds in api.filters.items() if wanted.get(name) is not None]
    found = [view for view in views if all(holds(view, value) for holds, value in asked)]
    key = api.sorts.get(given.get("SortBy", api.sort), created)

    def place(view: View) -> tuple[Any, ...]:
        return key(view), view.thing.created, view.thing.number, view.now

    descending = given.get("SortOrder", api.order).upper() == "DESCENDING"
    found.sort(key=place, reverse=descending)
    beyond = call.resumed(invalid("Invalid pagination token"))
    if beyond is not None:
        last = tuple(beyond)
        found = [view for view in found if (place(view) < last if descending else place(view) > last)]
    size = given.get("MaxResults", api.size)
    page = found[:size]
    more = {"NextToken": call.token(place(page[-1]))} if len(found) > size else {}
    return {api.result: [written(api.summary, view) for view in page], **more}


def _check(api: Api, given: dict[str, Any]) -> None:
    """Refuse what the service model does not allow."""
    for name, value in given.items():
        if name not in api.parameters:
            raise invalid(f"{name} is not a parameter of {api.lists}")
        if name.endswith(("After", "Before")):
            _of_type(name, value, int | float, "timestamp")
        elif name == "Filters":
            _check_filters(api, value)
        elif name == "IncludeNodeLogicalIds":
            if not isinstance(value, bool):
                raise AwsError("SerializationException", f"{name} is not a boolean")
        elif name not in _NUMBERS:
            _of_type(name, value, str, "string")
            if name in _OF_STATUS:
                one_of(given, name, api.of.statuses, "")
            elif name in _VALUES:
                one_of(given, name, _VALUES[name], "")
            elif name.endswith("Contains") and len(value) > _LONGEST_PART:
                raise constraint(value, name, f"Member must have length less than or equal to {_LONGEST_PART}")
    size = given.get("MaxResults", api.size)
    if not isinstance(size, int) or not 1 <= size <= LONGEST_PAGE:
        raise constraint(size, "MaxResults", f"Member must have value between 1 and {LONGEST_PAGE}")
    if len(given.get("NextToken", "")) > _LONGEST_TOKEN:
        raise constraint("...", "NextToken", f"Member must have length less than or equal to {_LONGEST_TOKEN}")
    if api.sorts:
        one_of(given, "SortOrder", api.orders, api.order)
        one_of(given, "SortBy", tuple(api.sorts), api.sort)


def _check_filters(api: Api, filters: Any) -> None:
    if not isinstance(filters, list) or not all(isinstance(one, dict) for one in filters):
        raise AwsError("SerializationException", "Filters is not a list of structures")
    for one in filters:
        one_of(one, "Name", ("Status",), "")
        one_of(one, "Value", api.of.statuses, "")


def _of_type(name: str, value: Any, types: Any, called: str) -> None:
    if not isinstance(value, types) or isinstance(value, bool):
        raise AwsError("SerializationException", f"{name} is not a {called}")


def _parent(api: Api, call: Call) -> str:
    """Return the resource whose things are listed, or "" for all."""
    if not api.within:
        return ""
    asked = call.parameters.get(api.within)
    if not asked:
        if api.required:
            raise constraint("null", api.within, "Member must not be null")
        return ""
    if api.parent in JOBS:
        job = call.place.jobs.find(api.parent, asked.lower(), call.now)
        if job is None:
            raise _unknown(call, api.parent, jobs_of_kind(api.parent).unknown, JOBS[api.parent].path, asked)
        return job.resource
    thing = next(iter(_candidates(call, api.parent, asked)), None)
    if thing is None:
        raise _unknown(call, api.parent, of_kind(api.parent).unknown, KINDS[api.parent].path, asked)
    if api.kind == "cluster_event" and thing.fact("NodeProvisioningMode", call.now) != "Continuous":
        raise invalid(f"{api.lists} is only supported for clusters with NodeProvisioningMode Continuous")
    return thing.resource


def describe_thing(api: Api, call: Call) -> dict[str, Any]:
    """Answer a describe operation."""
    for name, value in call.parameters.items():
        if name not in api.by and name not in api.optional:
            raise invalid(f"{name} is not a parameter of {api.describes}")
        if name in _NUMBERS:
            _of_type(name, value, int, "number")
        elif name in api.by:
            _of_type(name, value, str, "string")
    given = {name: value for name in api.by if (value := call.parameters.get(name)) not in (None, "")}
    for name in api.by:
        if name not in given and name not in api.optional:
            raise constraint("null", name, "Member must not be null")
    choice = [name for name in api.by if name in api.optional]
    if choice and not api.newest and not any(name in given for name in choice):
        raise invalid(f"One of {', '.join(choice)} must be given")
    *_, last = api.by
    if last in given:
        things = _candidates(call, api.kind, str(given[last]))
    else:
        things = call.place.things.listing(api.kind, call.now)[::-1]
    for thing in things:
        view = View(call.place, thing, call.now)
        if all(_is(view, call, name, api.by[name], given[name]) for name in given if name != last):
            answer = written(api.description, view)
            return {api.inside: answer} if api.inside else answer
    asked = str(given.get(last, ""))
    _check_name(last, asked)
    raise _unknown(call, api.kind, api.unknown, api.of.path, asked)


def _is(view: View, call: Call, name: str, fact: Fact, wanted: Any) -> bool:
    """Tell whether a parameter besides the name is that of the thing; clusters are known by name and by ARN."""
    if name == "ClusterName":
        return any(cluster.resource == view.thing.parent for cluster in _candidates(call, "cluster", wanted))
    return bool(fact(view) == wanted)


def _candidates(call: Call, kind: str, asked: str) -> list[Thing]:
    """Return what a parameter names, by its name, id or ARN."""
    if asked.startswith("arn:"):
        thing = call.place.things.find(asked.split(":", 5)[-1], call.now)
        whole = thing and thing.kind is KINDS[kind] and arn_of(View(call.place, thing, call.now)) == asked.lower()
        return [thing] if thing and whole else []
    *_, fact = of_kind(kind).by.values()
    things = call.place.things.called(kind, asked, call.now)
    return [thing for thing in things if str(fact(View(call.place, thing, call.now))) == asked]


def _check_name(parameter: str, asked: str) -> None:
    pattern = "[a-zA-Z0-9]([-_.]*[a-zA-Z0-9])*"
    if asked and not asked.startswith("arn:") and not re.fullmatch(pattern, asked):
        raise constraint(asked, parameter, f"Member must satisfy regular expression pattern: {pattern}")


def _unknown(call: Call, kind: str, unknown: tuple[str, str], path: str, asked: str) -> AwsError:
    """Return the error for what does not exist, in AWS's words as far as they are known."""
    code, text = unknown
    whole = asked if asked.startswith("arn:") else sagemaker_arn(call.place, f"{path}/{asked}")
    return AwsError(code, text.format(name=asked, arn=whole, what=kind.replace("_", " ")))


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {
    **{api.lists: partial(list_things, api) for api in APIS if api.lists},
    **{api.describes: partial(describe_thing, api) for api in APIS if api.describes},
}
