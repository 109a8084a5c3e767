"""What is known to exist on a target, as frozen data."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct, structs

from exporter.catalogue.places import Dimensions
from exporter.model import Failure

STEADY = {"InService", "OutOfService", "Failed", "UpdateRollbackFailed"}  # what does not change by itself
NOT_SERVING = {"OutOfService", "Failed", "Deleting"}
PAGE_EVERY = 6.0  # seconds: a listing of many pages is asked the less often, ten pages of a kind a minute on average

Facts = Mapping[str, Any]  # path to text, number, bool, or facts of the items of a list


class Variant(Struct, frozen=True):
    """A variant of an endpoint: answers of DescribeEndpoint and DescribeEndpointConfig (AWS's names and units)."""

    name: str
    role: str
    facts: Mapping[str, Any]
    config: Mapping[str, Any]


class Configured(Struct, frozen=True):
    """A configuration of endpoints: DescribeEndpointConfig's answer, as of a time by AWS's clock."""

    name: str
    facts: Mapping[str, Any]
    at: float


class Endpoint(Struct, frozen=True):
    """An endpoint as listed; `facts` is DescribeEndpoint's answer, empty until there is one."""

    name: str
    status: str
    created: float
    modified: float
    facts: Mapping[str, Any] = {}
    variants: tuple[Variant, ...] = ()
    described_at: float = 0.0
    described_as: tuple[str, float] = ("", 0.0)  # status and time of change that the description belongs to
    failed: int = 0  # descriptions, one after the other,
    retry_at: float = 0.0  # and when the next one is worth it
    configured: Configured | None = None  # None: its configuration is not known

    @property
    def publish_period(self) -> int:
        """How often it sends metrics to CloudWatch (seconds)."""
        return int(self.facts.get("MetricsConfig", {}).get("MetricPublishFrequencyInSeconds", 60))

    @property
    def enhanced(self) -> bool:
        """Whether its invocation metrics follow the publishing period too."""
        return bool(self.facts.get("MetricsConfig", {}).get("EnableEnhancedMetrics", False))


class Component(Struct, frozen=True):
    """An inference component as listed; `facts` is DescribeInferenceComponent's answer, empty until there is one."""

    name: str
    endpoint: str
    variant: str
    status: str
    created: float
    modified: float
    facts: Mapping[str, Any] = {}
    described_at: float = 0.0
    described_as: tuple[str, float] = ("", 0.0)
    failed: int = 0
    retry_at: float = 0.0


class ScalingBound(Struct, frozen=True):
    """Bounds that Application Auto Scaling keeps: of a resource id such as endpoint/a/variant/b, in one dimension."""

    resource: str
    dimension: str
    least: int
    most: int


class Told(Struct, frozen=True):
    """What one operation told of a thing when it was last asked: the facts of one item, or of each in a list.

    `of` is the state of the thing that this belongs to, `since` when it was first seen in it.
    """

    items: tuple[Facts, ...] = ()
    at: float = 0.0  # 0: it has not been told yet
    of: tuple[Hashable, ...] = ()
    since: float = 0.0
    failed: int = 0  # tries, one after the other,
    retry_at: float = 0.0  # and when the next one is worth it


class Thing(Struct, frozen=True):
    """A thing of one of the `KINDS` as listed: facts by their paths in AWS's answer, and what calls have told.

    A time that AWS does not tell is 0. `tagged_as` is how its ARN ends, in lower case: known where tags are shown.
    """

    kind: str
    name: str
    status: str
    created: float
    modified: float
    facts: Facts = {}
    signal: Hashable = ()
    told: Mapping[str, Told] = {}
    tagged_as: str = ""

    def text(self, path: str) -> str:
        """Return a fact of the listing that is a text; "" where there is none."""
        return str(self.facts.get(path, ""))


def pause_after(pages: int) -> float:
    """Return how long to wait after so many pages of a listing (seconds)."""
    return PAGE_EVERY * max(0, pages - 1)


class Things(Struct, frozen=True):
    """The things of a kind by what tells them apart, as of `at`; 0: their listing has never been complete."""

    by_key: Mapping[str, Thing] = {}
    at: float = 0.0
    pages: int = 1  # of the listing
    retry_at: float = 0.0  # when another one is worth it after one that failed

    @property
    def pause(self) -> float:
        """Seconds until they are worth another listing."""
        return pause_after(self.pages)


class Listing(Struct, frozen=True):
    """The series that CloudWatch lists in a namespace, by their dimensions.

    `metrics` were active in the last 3 h, as of `at`; `beyond` counts others that there was no room for. `lasting` had
    data in the last two weeks, as of `lasting_at`; it is kept where something is counted, and `since` is when the first
    such listing of an unbroken row was made: a series that none of them shows has had no data since two weeks before.
    `left_out` counts series that are never asked for.
    """

    at: float
    metrics: Mapping[Dimensions, frozenset[str]]
    left_out: Mapping[str, int] = {}
    lasting_at: float = 0.0
    lasting: Mapping[Dimensions, frozenset[str]] = {}
    since: float = 0.0
    beyond: int = 0


class TagsOf(NamedTuple):
    """Which tags are known: those that are shown, of these kinds, and, if any is `chosen` by tags, all of such ones."""

    chosen: bool = False
    shown: frozenset[str] = frozenset()
    kinds: tuple[str, ...] = ()


class Census(Struct, frozen=True):
    """What exists on a target. A time of 0 says that a listing has never been complete."""

    endpoints: Mapping[str, Endpoint] = {}
    endpoints_at: float = 0.0
    configs: Mapping[str, Configured] = {}
    components: Mapping[str, Component] = {}
    components_at: float = 0.0
    scaling: tuple[ScalingBound, ...] = ()
    scaling_at: float = 0.0
    tags: Mapping[str, Mapping[str, str]] = {}  # of interest, by the end of the ARN in lower case, as in endpoint/churn
    tags_at: float = 0.0
    tags_of: TagsOf = TagsOf()
    things: Mapping[str, Things] = {}  # by kind, those that are looked at
    listings: Mapping[str, Listing] = {}  # by namespace, as it was asked
    failures: tuple[Failure, ...] = ()
    at: float = 0.0
    dated: float = 0.0  # the time by AWS's clock when it was made, shortly after that

    def late(self, now: float, aws_now: float) -> float:
        """Return by how much our clock has been set back since (seconds); 0, too, for what may be the time that passed.

        `now` is the time by it, `aws_now` the same by AWS's.
        """
        late = self.at + max(0.0, aws_now - self.dated) - now if self.at else 0.0
        return late if late > UNNOTICED else 0.0


UNNOTICED = 60.0  # seconds by which a clock is set back that nobody sees: a look may take as long


def set_back(census: Census, seconds: float) -> Census:
    """Return a census as it were if our clock had been so much behind all the time: it has been set back by that.

    Or nothing would be looked at, and nothing grow old, until it is as late again. The series that CloudWatch lists
    stay: with our clock as it is, no newer ones are asked for.
    """

    def earlier(at: float) -> float:
        return at - seconds if at else 0.0

    def described(one: _Described) -> _Described:
        times = {"described_at": earlier(one.described_at), "retry_at": earlier(one.retry_at)}
        return structs.replace(one, **times)

    def told(one: Told) -> Told:
        return structs.replace(one, at=earlier(one.at), since=earlier(one.since), retry_at=earlier(one.retry_at))

    def asked(thing: Thing) -> Thing:
        return structs.replace(thing, told={operation: told(one) for operation, one in thing.told.items()})

    return structs.replace(
        census,
        endpoints={name: described(one) for name, one in census.endpoints.items()},
        components={name: described(one) for name, one in census.components.items()},
        things={
            kind: structs.replace(
                listed,
                by_key={key: asked(thing) for key, thing in listed.by_key.items()},
                at=earlier(listed.at),
                retry_at=earlier(listed.retry_at),
            )
            for kind, listed in census.things.items()
        },
        **{name: earlier(getattr(census, name)) for name in _LOOKS},
    )


_Described = TypeVar("_Described", Endpoint, Component)
_LOOKS = ("endpoints_at", "components_at", "scaling_at", "tags_at", "at")
