"""How AWS writes a thing down: the members of each kind's summary and description, in the service model's names.

A table of rows, one for each list operation; `thing_calls` answers from it, `events` writes by it. Members that a thing
does not have are left out. Facts and defaults are those of the service model 2017-07-24; where it tells no order, the
newest comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from exporter.demo.job_shapes import sagemaker_arn
from exporter.demo.resources import arn
from exporter.demo.things import KINDS

if TYPE_CHECKING:
    from exporter.demo.things import Kind, State, Thing
    from exporter.demo.world import Region


class View(NamedTuple):
    """A thing as it stands at a time."""

    place: Region
    thing: Thing
    now: float

    @property
    def state(self) -> State:
        """The state that it has entered last."""
        return self.thing.state(self.now)

    def fact(self, name: str) -> Any:
        """Return a fact as it is, or None where there is none."""
        return self.thing.fact(name, self.now)

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource beside it."""
        return sagemaker_arn(self.place, resource)

    def of(self, kind: str) -> list[View]:
        """Return what belongs to it."""
        return [
            View(self.place, one, self.now) for one in self.place.things.listing(kind, self.now, self.thing.resource)
        ]


Fact = Callable[[View], Any]
Members = Mapping[str, Fact]
Filter = Callable[[View, Any], bool]


def name(view: View) -> str:
    """Return the name."""
    return view.thing.name


def own(view: View) -> str:
    """Return what the ARN ends in."""
    return view.thing.own


def arn_of(view: View) -> str:
    """Return the ARN."""
    return view.arn(view.thing.resource)


def status(view: View) -> str:
    """Return the status."""
    return view.state.status


def created(view: View) -> float:
    """Return when it was created."""
    return view.thing.created


def modified(view: View) -> float:
    """Return when it was changed last."""
    return view.state.at


def parent(view: View) -> str:
    """Return the last part of what it belongs to."""
    return view.thing.parent.rpartition("/")[2]


def _parent_arn(view: View) -> str:
    return view.arn(view.thing.parent)


def _parent_name(view: View) -> str:
    whole = view.place.things.find(view.thing.parent, view.now)
    return whole.name if whole else parent(view)


def _told(*names: str) -> dict[str, Fact]:
    """Return members that are facts of the same name."""
    return {one: partial(lambda name, view: view.fact(name), one) for one in names}


def _always(value: Any) -> Fact:
    return lambda _: value


def _role(view: View) -> str:
    return arn("iam", "", view.place.account, "role/sagemaker-things")


def _user(view: View) -> dict[str, Any]:
    return {"IamIdentity": {"Arn": _role(view), "PrincipalId": "AROADEMO:anna"}}


def _image(view: View) -> str:
    return f"{view.place.account}.dkr.ecr.{view.place.name}.amazonaws.com/{view.thing.name}:latest"


def _bucket(view: View, folder: str) -> str:
    return f"s3://demo-{view.place.account}/{folder}"


def _noun(noun: str, *facts: str, **more: Fact) -> dict[str, Fact]:
    """Return what most kinds have, spelt with their noun."""
    return {
        f"{noun}Name": name,
        f"{noun}Arn": arn_of,
        "CreationTime": created,
        "LastModifiedTime": modified,
        **_told(*facts),
        **more,
    }


# Filters


def _contains(fact: Fact) -> Filter:
    return lambda view, text: text.lower() in (fact(view) or "").lower()


def _equals(fact: Fact) -> Filter:
    return lambda view, wanted: bool(fact(view) == wanted)


def _of_members(one: str) -> Fact:
    return lambda view: view.fact(one)


def _any(_: View, __: Any) -> bool:
    return True  # says how to answer, or all things of the fake's have it


def _none(_: View, __: Any) -> bool:
    return False  # no thing of the fake's has what is asked for


NAMED: dict[str, Filter] = {"NameContains": _contains(name)}
CREATED: dict[str, Filter] = {
    "CreationTimeAfter": lambda view, time: created(view) > time,
    "CreationTimeBefore": lambda view, time: created(view) < time,
}
_FROM: dict[str, Filter] = CREATED | {"CreationTimeAfter": lambda view, time: created(view) >= time}
_SHORT: dict[str, Filter] = {
    "CreatedAfter": CREATED["CreationTimeAfter"],
    "CreatedBefore": CREATED["CreationTimeBefore"],
}
MODIFIED: dict[str, Filter] = {
    "LastModifiedTimeAfter": lambda view, time: modified(view) > time,
    "LastModifiedTimeBefore": lambda view, time: modified(view) < time,
}
SORTS: dict[str, Fact] = {"Name": name, "CreationTime": created}
_WITH_STATUS: dict[str, Fact] = {**SORTS, "Status": status}
_UPPER: dict[str, Fact] = {"NAME": name, "CREATION_TIME": created}


@dataclass(frozen=True, slots=True)
class Api:
    """How things of one kind are listed and described."""

    kind: str
    lists: str = ""  # the operation
    result: str = ""
    summary: Members = field(default_factory=dict)
    describes: str = ""  # the operation
    by: Mapping[str, Fact] = field(default_factory=dict)  # its parameters, that of the name last
    description: Members = field(default_factory=dict)
    inside: str = ""  # the member of the answer that holds the description, where one does
    optional: tuple[str, ...] = ()  # parameters of the description that may be left out
    filters: Mapping[str, Filter] = field(default_factory=dict)
    assumed: Mapping[str, Any] = field(default_factory=dict)  # filters that hold where all are listed
    sorts: Mapping[str, Fact] = field(default_factory=dict)
    sort: str = "CreationTime"  # the default, as the next three
    order: str = "Descending"
    orders: tuple[str, ...] = ("Ascending", "Descending")
    size: int = 10
    within: str = ""  # the parameter that names what they belong to
    parent: str = ""  # its kind
    required: bool = True  # the parent
    past: bool = False  # each status that one has entered is listed
    unknown: tuple[str, str] = ("ResourceNotFound", "Could not find {what} with name: {name}")

    @property
    def of(self) -> Kind:
        """The kind."""
        return KINDS[self.kind]

    @property
    def parameters(self) -> frozenset[str]:
        """All that the list operation takes."""
        sorting = ("SortBy", "SortOrder") if self.sorts else ()
        return frozenset((*self.filters, *sorting, *((self.within,) if self.within else ()), "MaxResults", "NextToken"))


_ASCENDING: dict[str, Any] = {"order": "Ascending"}
_GONE = "ValidationException", 'Could not find {what} "{arn}".'
_ABSENT = "ValidationException", "{what} {arn} does not exist."

# Notebooks

_NOTEBOOK = _noun(
    "NotebookInstance",
    "InstanceType",
    "NotebookInstanceLifecycleConfigName",
    "DefaultCodeRepository",
    "AdditionalCodeRepositories",
    NotebookInstanceStatus=status,
    Url=lambda view: f"{view.thing.name.lower()}.notebook.{view.place.name}.sagemaker.aws",
)
NOTEBOOK: Members = {
    **_NOTEBOOK,
    **_told("FailureReason", "KmsKeyId"),
    "RoleArn": _role,
    "DirectInternetAccess": _always("Enabled"),
    "VolumeSizeInGB": lambda view: view.fact("VolumeSizeInGB") or 5,
    "RootAccess": _always("Enabled"),
    "PlatformIdentifier": _always("notebook-al2023-v1"),
}
NOTEBOOK_CONFIG: Members = _noun("NotebookInstanceLifecycleConfig")

_NOTEBOOKS = (
    Api(
        "notebook_instance",
        "ListNotebookInstances",
        "NotebookInstances",
        _NOTEBOOK,
        "DescribeNotebookInstance",
        {"NotebookInstanceName": name},
        NOTEBOOK,
        filters={
            **NAMED,
            **CREATED,
            **MODIFIED,
            "StatusEquals": _equals(status),
            "NotebookInstanceLifecycleConfigNameContains": _contains(
                _of_members("NotebookInstanceLifecycleConfigName")
            ),
            "DefaultCodeRepositoryContains": _contains(_of_members("DefaultCodeRepository")),
            "AdditionalCodeRepositoryEquals": lambda view, wanted: (
                wanted in (view.fact("AdditionalCodeRepositories") or ())
            ),
        },
        sorts=_WITH_STATUS,
        sort="Name",
        unknown=("ValidationException", "RecordNotFound"),
        **_ASCENDING,
    ),
    Api(
        "notebook_lifecycle_config",
        "ListNotebookInstanceLifecycleConfigs",
        "NotebookInstanceLifecycleConfigs",
        NOTEBOOK_CONFIG,
        "DescribeNotebookInstanceLifecycleConfig",
        {"NotebookInstanceLifecycleConfigName": name},
        {**NOTEBOOK_CONFIG, "OnCreate": _always([]), "OnStart": _always([])},
        filters={**NAMED, **CREATED, **MODIFIED},
        sorts={**SORTS, "LastModifiedTime": modified},
        unknown=("ValidationException", "Unable to describe Notebook Instance Lifecycle Config '{arn}'"),
    ),
)

APIS: tuple[Api, ...] = (*_NOTEBOOKS,)
"""What the service `sagemaker` answers."""

_BY_KIND: dict[str, Api] = {api.kind: api for api in reversed(APIS)}


def of_kind(kind: str) -> Api:
    """Return the row of a kind, the first if there are more."""
    return _BY_KIND[kind]
