"""Records -> a reading, the same for all roads: what counts, what is left out, and when the newest was recorded."""

from __future__ import annotations

import ipaddress
import math
from collections import Counter as Tallies
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exporter.aws import Aws
from exporter.catalogue import CATALOGUE
from exporter.config import Config
from exporter.model import MINUTE, Effect, Event, Failure, Known, Reading, Sample, Target
from exporter.trail import HORIZON, Call, Category, RecordError, Seen, audit, call, event, outcome, zeros
from exporter.trail.counts import LAST_CALL, LAST_DATA, LAST_EVENT

SOURCE = "cloudtrail"
AGENT = "sagemaker-exporter/"
EARLIEST = 10.0 * MINUTE  # before the start, at the most, for demonstrations: LookupEvents takes a minute for an hour
AHEAD = 15.0 * MINUTE  # a record that is further in the future tells nothing of what is newest
_BEGUN = "begun"  # note of when counting began, by event source
_OWN = "own"  # and of who we are there: after a start it takes a while until a login tells
_NEWEST = "newest/"  # notes of when the newest record was made, by way
_CALLED = "called/"  # and of when each operation was last called
_DATA = "data/"  # and of when the newest data call was made
EVENTS = "sagemaker_exporter_events_total"


class Readings:
    """Makes readings of the records that come by one way: lookup, s3 or queue.

    `begin` (seconds, 0 or less) moves the start of counting, as that of `Parts` does.
    """

    def __init__(self, way: str, aws: Aws, config: Config, begin: float = 0.0) -> None:
        said = config.sources.said
        self._way = way
        self._aws = aws
        self.sources = said.event_sources
        self._ways = tuple(dict.fromkeys(trail.from_ for trail in config.sources.trails))
        self._networks = {
            name: tuple(ipaddress.ip_network(one) for one in networks) for name, networks in said.networks.items()
        }
        self._since = dict.fromkeys(self.sources, aws.now() + max(begin, -EARLIEST))  # of what has never counted
        self._audited = config.audit.output != "none"
        on = (name for name, row in CATALOGUE.items() if row.source == SOURCE and config.on(name))
        self._on = frozenset(on)

    def since(self, noted: Mapping[str, float]) -> dict[str, float]:
        """Let what has never counted count from times that are noted, if earlier ones; return since when it does."""
        now = self._aws.now()
        self._since = {source: min(at, now, noted.get(source, now)) for source, at in self._since.items()}
        return self._since

    def begun(self, known: Known) -> dict[str, float]:
        """Return when counting began, by event source: of one that was left out until now, now."""
        noted, now = known.notes.get(_BEGUN, {}), self._aws.now()  # our clock may have been ahead of AWS's
        return {source: float(noted.get(source, min(at, now))) for source, at in self._since.items()}

    def make(
        self,
        target: Target,
        known: Known,
        records: Iterable[Any],
        now: float,
        failed: tuple[Failure, ...] = (),
        notes: Mapping[str, Any] | None = None,
        read_until: float | None = None,
        left: Mapping[str, int] | None = None,
    ) -> Reading:
        """Return what records count. `now` is by our clock; `left` is how many others were left out, and why.

        Raises `RecordError` where a queue keeps the unreadable.
        """
        begun, at = self.begun(known), self._aws.now()
        left = +Tallies(left)
        events: list[Event] = []
        newest = known.notes.get(_NEWEST + self._way, -math.inf)
        data = known.notes.get(_DATA + self._way, 0.0)
        called: dict[str, float] = dict(known.notes.get(_CALLED + self._way, {}))
        who = self._aws.identities()
        own = _lasting(who[target]) if target in who else known.notes.get(_OWN)
        seen = self._seen(who, own)
        for record in records:
            try:
                found = call(record, self._networks, target.account_id)
                if Target(found.account, found.region) != target:
                    raise RecordError("a record is of another account or region than where it was found")  # noqa: TRY301
            except RecordError:
                if self._way == "queue":
                    raise
                left["unparsed"] += 1
                continue
            why = outcome(found, seen) or ("too_old" if found.at < begun[found.source] else "")
            if why:
                left[why] += 1
                continue
            events.append(self._only(event(found, self._way, at), audit(found) if self._audited else None))
            if found.at <= at + AHEAD:
                newest = max(newest, found.at)
                data = max(data, found.at) if found.category is Category.DATA else data
                self._note(found, called)
        kept = {_BEGUN: begun, _OWN: own, **(notes or {})}
        if newest > -math.inf:
            kept[_NEWEST + self._way] = newest
        if data:
            kept[_DATA + self._way] = data
        if LAST_CALL in self._on:
            kept[_CALLED + self._way] = called
        return Reading(
            SOURCE,
            target,
            now,
            samples=tuple(self._samples(target, newest, {**known.notes, **kept})),
            looked=() if failed and not (events or left) else (self._way,),
            failed=failed,
            events=tuple(events),
            seeds=tuple(
                zero for zero in zeros(target, self.sources, self._networks, self._ways) if zero.family in self._on
            ),
            not_before=now - HORIZON,
            notes=kept,
            tallies=tuple(_tallies(target, left)),
            read_until=read_until,
        )

    def _seen(self, who: Mapping[Target, str], own: str | None) -> Seen:
        """Return what says which calls are our own, and whose records all come to us: those that are looked up."""
        ours = {_lasting(arn) for arn in who.values()} | ({own} if own else set())
        return Seen(self.sources, AGENT, ours, who.keys() if "lookup" in self._ways else ())

    def _only(self, one: Event, audited: Mapping[str, Any] | None) -> Event:
        return Event(
            one.kind,
            one.identity,
            one.at,
            one.target,
            tuple(effect for effect in one.effects if effect.family in self._on),
            audit=audited,
        )

    def _note(self, found: Call, called: dict[str, float]) -> None:
        name = f"{found.source} {found.name}"
        called[name] = max(found.at, called.get(name, found.at))

    def _samples(self, target: Target, newest: float, notes: Mapping[str, Any]) -> Iterator[Sample]:
        where = (target.account_id, target.region)
        if newest > -math.inf and LAST_EVENT in self._on:
            yield Sample(LAST_EVENT, (*where, self._way), newest, scope=self._way)
        if LAST_DATA in self._on:
            data = max((note for name, note in notes.items() if name.startswith(_DATA)), default=0.0)
            yield Sample(LAST_DATA, where, data, scope=self._way)
        if LAST_CALL in self._on:
            called: dict[str, float] = {}
            for note in (note for name, note in notes.items() if name.startswith(_CALLED)):
                called |= {name: max(at, called.get(name, at)) for name, at in note.items()}
            for name, at in called.items():
                source, _, operation = name.partition(" ")
                yield Sample(LAST_CALL, (*where, source, operation), at, scope=self._way)


def switched_off(target: Target, known: Known, now: float) -> Reading:
    """Return a reading that forgets how far a target was read: calls made while this is off do not count."""
    notes = dict.fromkeys(name for name in known.notes if not name.startswith((_NEWEST, _CALLED, _DATA)))
    return Reading(SOURCE, target, now, notes=notes)


def _tallies(target: Target, left: Mapping[str, int]) -> Iterator[Effect]:
    for why, number in left.items():
        yield Effect(EVENTS, (target.account_id, target.region, SOURCE, why), float(number))


def _lasting(arn: str) -> str:
    """Return account and lasting name of an identity: as in arn:aws:sts::123456789012:assumed-role/name/session."""
    _, _, _, _, account, what = arn.split(":", 5)
    kind, _, name = what.partition("/")
    lasting = name.partition("/")[0] if kind == "assumed-role" else name.rpartition("/")[2] or kind
    return f"{account}/{lasting}"
