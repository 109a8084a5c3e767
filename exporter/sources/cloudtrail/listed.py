"""Calls that LookupEvents lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from exporter.aws import Aws
from exporter.config import CloudTrail, Config
from exporter.inventory import Census
from exporter.model import HOUR, Failure, Forecast, Known, Reading, Target
from exporter.sources.cloudtrail import lookup
from exporter.sources.cloudtrail.readings import SOURCE, Readings

_PASSES = "lookup/"  # notes of how far the records of an event source have been looked over


class ListedCalls:
    """Looks up the records of each event source."""

    name = SOURCE
    thrifty = False

    def __init__(self, aws: Aws, trail: CloudTrail, config: Config, begin: float = 0.0) -> None:
        self._aws = aws
        self._every = trail.every
        self._overlap = trail.overlap
        self._readings = Readings("lookup", aws, config, begin)

    def confirm(self, receipts: tuple[Any, ...]) -> None:
        """Do nothing: CloudTrail does not forget what was looked up."""

    def read(self, target: Target, known: Known, now: float) -> Reading:
        """Look over what is due. The sources share the time of a run, each next one has what the last has left."""
        begun = self._readings.begun(known)
        entries: list[Mapping[str, Any]] = []
        failed: list[Failure] = []
        others = {name for name in known.notes if name.startswith(_PASSES)}
        notes: dict[str, Any] = dict.fromkeys(others - {_PASSES + one for one in self._readings.sources})
        until: list[float] = []
        limit = self._aws.now() + 0.8 * self._every
        for source in self._readings.sources:
            note = known.notes.get(_PASSES + source)
            passes = msgspec.convert(note, lookup.Passes, strict=False) if note else lookup.Passes(begun[source])
            found = lookup.run(
                passes, begun[source], self._overlap, partial(self._ask, target, source), self._aws.now, limit
            )
            entries += found.entries
            if found.error:
                failed.append(Failure("LookupEvents", found.error.error_class, str(found.error)))
            notes[_PASSES + source] = msgspec.to_builtins(passes, str_keys=True)
            until.append(lookup.read_until(passes, self._overlap, self._aws.now()))
        return self._readings.make(
            target, known, _records(entries), now, failed=tuple(failed), notes=notes, read_until=min(until)
        )

    def survey(self, target: Target, now: float) -> tuple[Failure, ...]:  # noqa: ARG002 - see below
        """List nothing: how many calls there will be is not to be known."""
        return ()

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:  # noqa: ARG002 - not slowed
        """Return what an hour takes in which nobody calls: a page in each run, and one of each wider pass."""
        sources = len(self._readings.sources) * len(censuses)
        wide = sum(HOUR / every for every in lookup.turns(self._overlap).values())
        return Forecast((self._every,), {"LookupEvents": sources * (HOUR / self._every + wide)})

    def _ask(self, target: Target, source: str, params: Mapping[str, Any]) -> dict[str, Any]:
        attributes = [{"AttributeKey": "EventSource", "AttributeValue": source}]
        return self._aws.call(target, "LookupEvents", LookupAttributes=attributes, **params)


def _records(entries: Iterable[Mapping[str, Any]]) -> Iterator[Any]:
    """Yield the records in entries: each holds its own as a text."""
    for entry in entries:
        try:
            yield msgspec.json.decode(entry.get("CloudTrailEvent") or "")
        except (msgspec.DecodeError, TypeError, ValueError):
            yield None
