"""A store that lasts as long as its object: for tests, demonstrations and `ledger.path: ":memory:"`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from exporter.ledger.meter import Meter
from exporter.ledger.store import Changes, Key, Remembered, State, Total
from exporter.model import Resource, Target


class MemoryStore:
    """Keeps what was committed. A second ledger on the same object finds it, as after a restart."""

    persistent = False

    def __init__(self) -> None:
        self._meters: dict[Resource, bytes] = {}
        self._totals: dict[Key, Total] = {}
        self._identities: dict[str, dict[str, float]] = {}
        self._remembered: dict[str, Remembered] = {}
        self._notes: dict[tuple[str, Target | None], dict[str, Any]] = {}

    def load(self) -> State:
        """Return what has been committed."""
        return State(
            meters=[Meter.load(resource, dumped) for resource, dumped in self._meters.items()],
            totals=[(key, structs.replace(total, parts=dict(total.parts))) for key, total in self._totals.items()],
            notes=[(owner, dict(notes)) for owner, notes in self._notes.items()],
        )

    def commit(self, changes: Changes) -> None:
        """Keep the changes."""
        for resource, meter in changes.meters.items():
            if meter is None:
                self._meters.pop(resource, None)
            else:
                self._meters[resource] = meter.dump()
        kept_totals = {**self._totals, **changes.totals}
        self._totals = {key: total for key, total in kept_totals.items() if total is not None}
        for (kind, identity), at in changes.identities.items():
            self._identities.setdefault(kind, {})[identity] = at
        for kind, before in changes.forget.items():
            kept = self._identities.get(kind, {})
            self._identities[kind] = {identity: at for identity, at in kept.items() if at >= before}
        touched = {kind for kind, _ in changes.identities} | changes.forget.keys()
        kept_identities = ((kind, self._identities[kind].values()) for kind in touched)
        fresh = {kind: Remembered(len(times), min(times, default=None)) for kind, times in kept_identities}
        self._remembered = self._remembered | fresh
        for owner, notes in changes.notes.items():
            kept_notes = {**self._notes.get(owner, {}), **notes}
            self._notes[owner] = {name: note for name, note in kept_notes.items() if note is not None}

    def seen(self, kind: str, identities: list[str]) -> set[str]:
        """Return which of the identities of a kind have been committed."""
        kept = self._identities.get(kind, {})
        return {identity for identity in identities if identity in kept}

    def remembered(self) -> Mapping[str, Remembered]:
        """Return what is known of the identities, by kind."""
        return self._remembered

    def size(self) -> int:
        """Return 0: nothing is on disk."""
        return 0

    def close(self) -> None:
        """Do nothing: what was kept stays for the next ledger on this object."""
