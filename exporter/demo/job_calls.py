"""SageMaker: lists and descriptions of jobs and of what they belong to, Search, and A2I's human loops.

One way to list for all of them: a page is cut by creation and order, and whatever else is asked for is looked for on
that page alone. So pages come short, or empty with a NextToken, as AWS documents it for the status of training jobs and
users tell it of the time of modification. A place in a listing is a job, not a number: jobs that come meanwhile shift
nothing. Parameters that the service model does not have are refused, which is stricter than AWS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from exporter.demo.call import AwsError, invalid
from exporter.demo.job_shapes import (
    APIS,
    HUMAN_LOOP,
    PIPELINE_EXECUTION,
    TRAINING,
    TUNING,
    View,
    arn_of,
    in_order,
    modified,
    of_kind,
    sagemaker_arn,
    scheduled,
    status,
    written,
)
from exporter.demo.jobs import JOB_TYPES, KINDS, Window
from exporter.demo.sagemaker import LONGEST_PAGE, constraint, one_of

if TYPE_CHECKING:
    from exporter.demo.call import Call
    from exporter.demo.job_shapes import Api, Fact, Members
    from exporter.demo.jobs import Job

Operation = Callable[["Call"], dict[str, Any]]

ORDERS = ("Ascending", "Descending")
_MONITORS = ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability")
_CATEGORIES = {kind.category: kind.name for kind in JOB_TYPES.values() if kind.category}
_NUMBERS = ("MaxResults", "ModelCardVersion")
_LONGEST_TOKEN, _LONGEST_PART = 8192, 63


def _contains(view: View, text: str) -> bool:
    return text.lower() in view.job.name.lower()


def _is_about(view: View, subject: str) -> bool:
    return view.job.work.subject == subject


def _nothing(_: View, __: Any) -> bool:
    return False  # no job of the fake's has what is asked for


FILTERS: dict[str, Callable[[View, Any], bool]] = {
    "EndpointName": _is_about,
    "LastModifiedTimeAfter": lambda view, time: modified(view) > time,
    "LastModifiedTimeBefore": lambda view, time: modified(view) < time,
    "ManagedBy": lambda _, who: who == "CUSTOMER",
    "ModelCardExportJobNameContains": _contains,
    "ModelCardStatus": lambda view, wanted: status(view) == wanted,
    "ModelCardVersion": lambda _, version: version == 1,
    "ModelNameContains": lambda view, text: text.lower() in view.job.work.subject.lower(),
    "ModelNameEquals": _is_about,
    "ModelPackageVersionArnEquals": _nothing,
    "MonitoringJobDefinitionName": lambda view, wanted: (
        wanted == f"{view.job.parent.rpartition('/')[2] or view.job.name}-definition"[:63]
    ),
    "MonitoringTypeEquals": lambda view, wanted: view.job.work.monitors == wanted,
    "NameContains": _contains,
    "OptimizationContains": lambda _, technique: technique.lower() in "quantization",
    "PipelineNamePrefix": lambda view, prefix: view.job.name.startswith(prefix),
    "PipelineVersionAlias": _nothing,
    "ScheduledTimeAfter": lambda view, time: scheduled(view) > time,
    "ScheduledTimeBefore": lambda view, time: scheduled(view) < time,
    "StatusEquals": lambda view, wanted: status(view) == wanted,
    "TrainingPlanArnEquals": _nothing,
    "Type": lambda _, wanted: wanted == "ShadowMode",
    "WarmPoolStatusEquals": _nothing,
}
_VALUES: dict[str, tuple[str, ...]] = {
    "ManagedBy": ("AWS", "CUSTOMER"),
    "MonitoringTypeEquals": _MONITORS,
    "Type": ("ShadowMode",),
    "WarmPoolStatusEquals": ("Available", "Terminated", "Reused", "InUse"),
}


def list_jobs(api: Api, call: Call) -> dict[str, Any]:
    """Answer a list operation."""
    given = call.parameters
    _check(api, given)
    parent = _parent(api, call)
    listing = call.place.jobs.listing(api.kind, parent)
    after, before = (given.get(name) for name in api.window or ("", ""))
    window = Window(*(_bound(after, before)), inclusive=api.inclusive)
    page, place = listing.cut(
        given.get("MaxResults", api.size),
        window,
        call.now,
        sort=in_order(api, given.get("SortBy", api.sort), call.place, call.now),
        descending=given.get("SortOrder", api.order) == "Descending",
        beyond=call.resumed(invalid("Invalid pagination token")),
    )
    views = [View(call.place, job, call.now) for job in page]
    asked = [(FILTERS[name], given[name]) for name in api.filters if given.get(name) is not None]
    found = [written(api.summary, view) for view in views if all(holds(view, value) for holds, value in asked)]
    more = {} if place is None else {"NextToken": call.token(place)}
    return {api.result: found, **more}


def _bound(after: float | None, before: float | None) -> tuple[float, float]:
    usual = Window()
    return usual.after if after is None else after, usual.before if before is None else before


def _check(api: Api, given: dict[str, Any]) -> None:
    """Refuse what the service model does not allow."""
    for name, value in given.items():
        if name not in api.parameters:
            raise invalid(f"{name} is not a parameter of {api.lists}")
        if "Time" in name or name in api.window:
            if not isinstance(value, int | float):
                raise AwsError("SerializationException", f"{name} is not a timestamp")
        elif name not in _NUMBERS and not isinstance(value, str):
            raise AwsError("SerializationException", f"{name} is not a string")
        elif name.endswith("Contains") and len(value) > _LONGEST_PART:
            raise constraint(value, name, f"Member must have length less than or equal to {_LONGEST_PART}")
        elif name in ("StatusEquals", "ModelCardStatus"):
            one_of(given, name, tuple(sorted(api.of.statuses)), "")
        elif name in _VALUES:
            one_of(given, name, _VALUES[name], "")
    size = given.get("MaxResults", api.size)
    if not isinstance(size, int) or not 1 <= size <= LONGEST_PAGE:
        raise constraint(size, "MaxResults", f"Member must have value between 1 and {LONGEST_PAGE}")
    if len(given.get("NextToken", "")) > _LONGEST_TOKEN:
        raise constraint("...", "NextToken", f"Member must have length less than or equal to {_LONGEST_TOKEN}")
    one_of(given, "SortOrder", ORDERS, api.order)
    if api.sorts:
        one_of(given, "SortBy", tuple(api.sorts), api.sort)


def _parent(api: Api, call: Call) -> str:
    """Return the resource whose jobs are listed, or "" for all."""
    if not api.within:
        return ""
    asked = call.parameters.get(api.within)
    if not asked:
        if api.required:
            raise constraint("null", api.within, "Member must not be null")
        return ""
    kind = KINDS[api.parent]
    job = _found(call, api.parent, asked)
    if job:
        return job.resource
    if not api.strict:
        return f"{kind.path}/{asked}"
    raise _unknown(api if api is HUMAN_LOOP else of_kind(api.parent), call, asked)


def describe_job(api: Api, call: Call) -> dict[str, Any]:
    """Answer a describe operation."""
    asked = _required(call, api.by)
    for name in call.parameters:
        if name not in (api.by, *_MORE.get(api.describes, ())):
            raise invalid(f"{name} is not a parameter of {api.describes}")
    job = _found(call, api.kind, asked)
    if job is None:
        _check_name(api, asked)
        raise _unknown(api, call, asked)
    return written(api.description, View(call.place, job, call.now))


_MORE = {
    "DescribeJob": ("JobCategory",),
    "DescribePipeline": ("PipelineVersionId", "PipelineVersionAlias"),
}
"""What describe operations take besides the name."""


def _required(call: Call, name: str) -> str:
    value = call.parameters.get(name)
    if not isinstance(value, str) or not value:
        raise constraint("null", name, "Member must not be null")
    return value


def _found(call: Call, kind: str, asked: str) -> Job | None:
    """Return the job that a parameter names, by its name or its ARN."""
    by_arn = asked.startswith("arn:")
    own = asked.split(":", 5)[-1] if by_arn else asked
    key = own if KINDS[kind].nested else own.rpartition("/")[2]
    job = call.place.jobs.find(kind, key.lower(), call.now)
    if job and by_arn:
        return job if arn_of(View(call.place, job, call.now)) == asked.lower() else None
    return job if job and job.name == asked else None


_LONGEST_NAMES = {
    "automl": 32,
    "hyperparameter_tuning": 32,
    "inference_experiment": 120,
    "inference_recommendations": 64,
    "pipeline": 256,
}
"""Where it is not 63 characters."""


def _check_name(api: Api, asked: str) -> None:
    pattern = f"[a-zA-Z0-9](-*[a-zA-Z0-9]){{0,{_LONGEST_NAMES.get(api.kind, 63) - 1}}}"
    if asked.startswith("arn:"):
        return
    if api.of.nested or not re.fullmatch(pattern, asked):
        raise constraint(asked, api.by, f"Member must satisfy regular expression pattern: {pattern}")


def _unknown(api: Api, call: Call, asked: str) -> AwsError:
    """Return the error for what does not exist, in AWS's words as far as they are known."""
    code, text = api.unknown
    whole = asked if asked.startswith("arn:") else sagemaker_arn(call.place, f"{api.of.path}/{asked}")
    message = text.format(name=asked, arn=whole, what=api.kind.replace("_", " "))
    return AwsError(code, message, 404 if code == "ResourceNotFoundException" else 400)


def _of_category(answer: Callable[[Api, Call], dict[str, Any]], call: Call) -> dict[str, Any]:
    """Answer ListJobs and DescribeJob, which are one operation for five types."""
    _required(call, "JobCategory")
    category = one_of(call.parameters, "JobCategory", tuple(_CATEGORIES), "")
    return answer(of_kind(_CATEGORIES[category]), call)


# Search

_SEARCHED = {
    "HyperParameterTuningJob": ("hyperparameter_tuning", TUNING),
    "PipelineExecution": ("pipeline_execution", PIPELINE_EXECUTION),
    "TrainingJob": ("training", TRAINING),
}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "Contains": lambda has, wanted: wanted in has,
    "Equals": lambda has, wanted: bool(has == wanted),
    "GreaterThan": lambda has, wanted: bool(has > wanted),
    "GreaterThanOrEqualTo": lambda has, wanted: bool(has >= wanted),
    "In": lambda has, wanted: has in [one.strip() for one in wanted.split(",")],
    "LessThan": lambda has, wanted: bool(has < wanted),
    "LessThanOrEqualTo": lambda has, wanted: bool(has <= wanted),
    "NotEquals": lambda has, wanted: bool(has != wanted),
}


def search(call: Call) -> dict[str, Any]:
    """Answer Search: filters, "And" and "Or" and what is nested of these; it looks at each job that there is."""
    given = call.parameters
    resource = one_of(given, "Resource", tuple(_SEARCHED), "")
    kind, members = _SEARCHED[resource]
    size = given.get("MaxResults", 10)
    if not 1 <= size <= LONGEST_PAGE:
        raise constraint(size, "MaxResults", f"Member must have value between 1 and {LONGEST_PAGE}")
    order = one_of(given, "SortOrder", ORDERS, "Descending")
    holds = _expression(given.get("SearchExpression", {}), members)
    key = _property(given.get("SortBy", "LastModifiedTime"), members)
    jobs = call.place.jobs.listing(kind).within(Window(), call.now)
    found = [view for view in (View(call.place, job, call.now) for job in jobs) if holds(view)]
    found.sort(key=lambda view: (key(view) or 0, view.job.key), reverse=order == "Descending")
    page, more = call.page(found, size, invalid("Invalid pagination token"))
    hits = {"TotalHits": {"Value": len(found), "Relation": "EqualTo"}}
    return {"Results": [{resource: written(members, view)} for view in page], **hits, **more}


def _expression(given: dict[str, Any], members: Members) -> Callable[[View], bool]:
    """Return what tells whether a job is searched for."""
    if given.get("NestedFilters"):
        raise invalid("The fake AWS does not know NestedFilters")
    parts = [
        *(_filter(one, members) for one in given.get("Filters", ())),
        *(_expression(one, members) for one in given.get("SubExpressions", ())),
    ]
    if one_of(given, "Operator", ("And", "Or"), "And") == "Or" and parts:
        return lambda view: any(holds(view) for holds in parts)
    return lambda view: all(holds(view) for holds in parts)


def _filter(given: dict[str, Any], members: Members) -> Callable[[View], bool]:
    operator = one_of(given, "Operator", (*_OPERATORS, "Exists", "NotExists"), "Equals")
    name = given["Name"]
    value = _property(name, members)
    if operator in ("Exists", "NotExists"):
        return lambda view: (value(view) is not None) == (operator == "Exists")
    compare, text = _OPERATORS[operator], given.get("Value", "")
    wanted: dict[type, Any] = {}

    def holds(view: View) -> bool:
        has = value(view)
        if has is None:
            return operator == "NotEquals"
        if type(has) not in wanted:
            wanted[type(has)] = _as(text, name, type(has))
        return compare(has, wanted[type(has)])

    return holds


def _property(path: str, members: Members) -> Fact:
    name, *rest = path.split(".")
    if name not in members:
        raise invalid(f"{path} is not a property that can be searched for")
    fact = members[name]
    if not rest:
        return fact

    def inner(view: View) -> Any:
        value = fact(view)
        for part in rest:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    return inner


def _as(text: str, name: str, kind: type) -> Any:
    """Return what a filter asks for, as a property of this type has it."""
    try:
        if kind is bool:
            return text.lower() == "true"
        if issubclass(kind, int | float) and name.endswith("Time"):
            time = datetime.fromisoformat(text)
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
        return float(text) if issubclass(kind, int | float) else text
    except ValueError as error:
        raise invalid(f"{text} is not a value of {name}") from error


OPERATIONS: dict[str, Operation] = {
    **{api.lists: partial(list_jobs, api) for api in APIS if api.lists},
    **{api.describes: partial(describe_job, api) for api in APIS if api.describes},
    "DescribeJob": partial(_of_category, describe_job),
    "ListJobs": partial(_of_category, list_jobs),
    "Search": search,
}


def list_human_loops(call: Call) -> dict[str, Any]:
    """Answer ListHumanLoops, whose parameters come as text."""
    return list_jobs(HUMAN_LOOP, replace(call, parameters=_from_text(call.parameters)))


def _from_text(given: dict[str, str]) -> dict[str, Any]:
    parameters: dict[str, Any] = dict(given)
    try:
        for name in HUMAN_LOOP.window:
            if name in given:
                parameters[name] = datetime.fromisoformat(given[name]).timestamp()
        if "MaxResults" in given:
            parameters["MaxResults"] = int(given["MaxResults"])
    except ValueError as error:
        raise invalid(f"A parameter cannot be read: {error}") from error
    return parameters


A2I_OPERATIONS: dict[str, Operation] = {
    "DescribeHumanLoop": partial(describe_job, HUMAN_LOOP),
    "ListHumanLoops": list_human_loops,
}
"""Of the service `sagemaker-a2i-runtime`."""
