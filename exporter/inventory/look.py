"""One look at a target: what is called, what fails, and what there is to see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct, structs

from exporter.aws import Aws, AwsError, read_as
from exporter.aws.operations import OPERATIONS
from exporter.inventory.census import STEADY, Census, Component, Endpoint
from exporter.inventory.kinds import Wanted
from exporter.model import HOUR, Failure, Target

MOST_DESCRIBES = 150  # of a kind in one look: 30 s at 5 a second; the rest follows in the next one
RETRY_AFTER = 120.0  # seconds until a description that failed is tried again, twice as long each time

_T = TypeVar("_T")
_Thing = TypeVar("_Thing", Endpoint, Component)


class Pacing(NamedTuple):
    """How often to look (seconds), and what is of interest."""

    describe_every: float = HOUR
    list_metrics_every: float = 300.0
    last_good: float = 900.0  # for how long stands what can't be looked at, at the least
    tags: bool = False  # whether endpoints and components are chosen by tags
    labels: frozenset[str] = frozenset()  # keys of the tags that are shown, of all kinds
    resources: bool = True  # False: only CloudWatch's listings
    kinds: tuple[Wanted, ...] = ()  # beside endpoints


class Look:
    """Changes fields of the last census where it saw something, and notes where it did not."""

    def __init__(self, aws: Aws, target: Target, now: float, pacing: Pacing, before: Census) -> None:
        self.aws = aws
        self.target = target
        self.now = now
        self.pacing = pacing
        self.before = before
        self.seen: dict[str, Any] = {}
        self.failures: list[Failure] = []

    def census(self) -> Census:
        """Return what is known now."""
        told = {**self.seen, "failures": tuple(self.failures), "at": self.now, "dated": self.aws.now()}
        return structs.replace(self.before, **told)

    def due(self, known: Iterable[_Thing]) -> list[_Thing]:
        """Return what has to be described, the unknown first, at most so many."""
        due = [
            one
            for one in known
            if (
                self.now >= one.retry_at
                if one.failed
                else one.described_as != (one.status, one.modified)
                or one.status not in STEADY
                or self.now >= one.described_at + self.pacing.describe_every
            )
        ]
        return sorted(due, key=_looked_at)[:MOST_DESCRIBES]

    def later(self, thing: _Thing) -> _Thing:
        """Return a thing that could not be described: each try is an event in CloudTrail, and takes another's place."""
        pause = min(self.pacing.describe_every, RETRY_AFTER * 2.0**thing.failed)
        later: _Thing = structs.replace(thing, failed=thing.failed + 1, retry_at=self.now + pause)
        return later

    def list(self, operation: str, kind: type[_T], **asked: Any) -> list[_T] | None:
        """Return a whole listing; None, and a failure, if any page of it can't be had, or read."""
        member = OPERATIONS[operation].member
        try:
            pages = self.aws.pages(self.target, operation, **asked)
            return [one for page in pages for one in read_as(kind, page[member])]
        except AwsError as error:
            self.complain(operation, error)
            return None

    def complain(self, operation: str, error: AwsError) -> None:
        """Note that a call failed."""
        self.failures.append(Failure(operation, error.error_class, str(error)))

    def describe(self, operation: str, kind: type[Struct], **asked: Any) -> dict[str, Any] | None:
        """Return a description, an empty one of a thing that is gone; None, and a failure, if it can't be had."""
        try:
            described = self.aws.call(self.target, operation, **asked)
            read_as(kind, [described])
        except AwsError as error:
            if error.error_class == "absent":
                return {}
            self.complain(operation, error)
            return None
        return described


def _looked_at(one: Endpoint | Component) -> float:
    return max(one.described_at, one.retry_at)
