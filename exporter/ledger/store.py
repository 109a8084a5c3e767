"""What a commit writes and a start reads, and what every store must do. No store is here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from exporter.ledger.meter import Meter
from exporter.model import Resource, Target

Face = tuple[str, Target | None]  # a family on a target: the unit in which things change and are rendered again


class Key(NamedTuple):
    """Where an event total stands: a face and the values of its labels."""

    face: Face
    labels: tuple[str, ...]


class Spot(NamedTuple):
    """Where a CloudWatch counter stands: a resource, and its metric and statistic."""

    resource: Resource
    counter: tuple[str, str]


class LedgerError(Exception):
    """The store refused a commit: nothing of the reading was counted."""


class LedgerUnusableError(Exception):
    """The store can't be opened: held by another process, damaged, or not ours. The text tells people what to do."""


class LedgerHeldError(LedgerUnusableError):
    """Another process counts into it."""


class NoLedgerError(LedgerUnusableError):
    """What stands in its place is no file."""


class Total(Struct):
    """Event-fed values of one set of labels: the parts of a counter ("" alone) or of a histogram.

    `released` once the values are shown; until then zeros are. `first_shown` is when a page first showed them. What is
    `hidden` is not shown at all, and keeps its values.
    """

    parts: dict[str, float]
    released: bool = False
    first_shown: float = 0.0
    hidden: bool = False


class Changes(NamedTuple):
    """What one commit writes. None removes a meter, an event total, or a note of a source."""

    meters: Mapping[Resource, Meter | None]
    totals: Mapping[Key, Total | None]
    identities: Mapping[tuple[str, str], float]  # (kind, identity) to the time of the event
    notes: Mapping[tuple[str, Target | None], Mapping[str, Any]]
    forget: Mapping[str, float]  # kind to the time before which its identities may go


class Remembered(NamedTuple):
    """How many identities of a kind are kept, and the time of the oldest; None without any."""

    identities: int = 0
    oldest: float | None = None


class State(NamedTuple):
    """All that a store has kept, identities aside."""

    meters: Iterable[Meter]
    totals: Iterable[tuple[Key, Total]]
    notes: Iterable[tuple[tuple[str, Target | None], dict[str, Any]]]


class Store(Protocol):
    """Where commits go. One process owns a store, and one thread at a time uses it, but where it says otherwise."""

    persistent: bool

    def load(self) -> State:
        """Return what has been committed."""

    def commit(self, changes: Changes) -> None:
        """Write everything or nothing; raise `LedgerError` for nothing."""

    def seen(self, kind: str, identities: list[str]) -> set[str]:
        """Return which of the identities of a kind have been committed. Any thread may ask."""

    def remembered(self) -> Mapping[str, Remembered]:
        """Return what is known of the identities that have been committed, by kind. Any thread may ask."""

    def size(self) -> int:
        """Return the bytes on disk. Raises OSError where that can't be seen. Any thread may ask."""

    def close(self) -> None:
        """Give the store up."""
