"""CloudWatch alarms about SageMaker: their states, and each change of one counted once.

    sagemaker_alarm_state_changes_total{account_id="123456789012",region="us-east-1",alarm_name="a",status="ALARM"} 3.0

One listing (DescribeAlarms, a call for each hundred alarms of the account) shows everything but the past. The past is
asked for only where it has moved on: DescribeAlarmHistory of an alarm whose last change is not the one that is known.

    choice    alarms -> those about SageMaker
    track     looks and items of the history -> changes that count
    answers   what AWS says, read into what it must be

Not seen is an alarm that was made and deleted between two listings.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any

import msgspec
from msgspec import structs

from exporter.aws import Aws, AwsError, read_as
from exporter.catalogue import CATALOGUE
from exporter.catalogue.places import Places
from exporter.config import Config, stands
from exporter.inventory import Census
from exporter.model import DAY, HOUR, Effect, Event, Failure, Forecast, Known, Reading, Sample, Target
from exporter.sources.cloudwatch_alarms import track as tracks
from exporter.sources.cloudwatch_alarms.answers import (
    COMPOSITE,
    KINDS,
    LOG,
    Alarm,
    HistoryItem,
    TaggedArn,
    alarms,
    state_update,
)
from exporter.sources.cloudwatch_alarms.choice import Choice, resource, watched
from exporter.sources.cloudwatch_alarms.track import Change, Track

CHANGES = "sagemaker_alarm_state_changes_total"
KIND = "cloudwatch_alarms/state"  # of its events
PAGE = 100  # items, the most that AWS allows
HORIZON = 45 * DAY  # what is older is never counted, whoever tells of it
MOST_CALLS = 100  # for the history in one run: 20 s at 5 a second; the rest follows in the next one
ONE_BY_ONE = 20  # histories; more of a kind are listed together, which is given up at half of their price

_TRACK = "alarm/"  # notes of tracks, by name
_HISTORY = "DescribeAlarmHistory"
_FOR_ALL = {"denied", "throttled"}  # what the next history would meet too

Value = tuple[str, tuple[str, ...], float | None]  # family without its prefix, label values after the target's, value


class CloudWatchAlarms:
    """Lists alarms, shows those about SageMaker, and counts their changes of state."""

    name = "cloudwatch_alarms"
    thrifty = False

    def __init__(self, aws: Aws, known: Places, config: Config) -> None:
        settings = config.sources.cloudwatch_alarms
        self._aws = aws
        self._choice = Choice(known, settings.names)
        self._tags = settings.tags
        self._every = settings.every
        self._last_good = stands(settings)
        self._on = {name for name, row in CATALOGUE.items() if row.source == self.name and config.on(name)}
        self._unknown_kinds: dict[Target, set[str]] = {}  # kinds of alarms that a region does not have yet
        self._chosen: dict[Target, frozenset[str]] = {}  # names, as of the last run
        self._found: dict[Target, dict[str, int]] = {}  # things in the last listing of a survey, by operation

    def confirm(self, receipts: tuple[Any, ...]) -> None:
        """Do nothing: listings are not used up by reading them."""

    def read(self, target: Target, known: Known, now: float) -> Reading:
        """List all alarms; read the history of those that have changed. Raises `AwsError` if they can't be listed."""
        failed: list[Failure] = []
        listed = self._list(target)
        tagged = self._tagged(target, failed)
        before = self._chosen.get(target, frozenset()) | set(_names(known))
        ours = self._choice.ours(
            listed, lambda alarm: alarm.AlarmName in before if tagged is None else alarm.AlarmArn in tagged
        )
        self._chosen[target] = frozenset(ours)
        samples = self._samples(target, ours.values(), now + self._last_good)
        if CHANGES not in self._on:
            ended = switched_off(target, known, now)
            changes = _Changes(target, known, now)
            changes.notes, changes.ended = dict(ended.notes), list(ended.ended)
        else:
            changes = _Changes(target, known, now)
            changes.look(ours)
            failed += _Histories(self._aws, target, changes).read()
            changes.close()
        return Reading(
            self.name,
            target,
            now,
            samples=tuple(samples),
            looked=(self.name,),
            failed=tuple(failed),
            seeds=tuple(changes.seeds),
            ended=tuple(changes.ended),
            events=tuple(changes.events),
            not_before=max(changes.begun, now - HORIZON),
            notes=changes.notes,
            lost_seconds=changes.lost_seconds,
            read_until=changes.read_until(),
        )

    def survey(self, target: Target, now: float) -> tuple[Failure, ...]:  # noqa: ARG002 - alarms have no age here
        """List all alarms, and those with the tags that are wanted."""
        failed: list[Failure] = []
        found = self._found[target] = {}
        try:
            found["DescribeAlarms"] = len(self._list(target))
        except AwsError as error:
            failed.append(Failure("DescribeAlarms", error.error_class, str(error)))
        tagged = self._tagged(target, failed)
        if tagged is not None:
            found["GetResources"] = len(tagged)
        return tuple(failed)

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:  # noqa: ARG002 - not slowed
        """Return what an hour takes in which no alarm changes: a page at least, where nobody has surveyed."""
        calls: dict[str, float] = {}
        for operation in ("DescribeAlarms", *(("GetResources",) if self._tags else ())):
            things = [self._found.get(target, {}).get(operation, 0) for target in censuses]
            calls[operation] = sum(max(1, -(-number // PAGE)) for number in things) * HOUR / self._every
        return Forecast((self._every,), calls)

    # -- looking -----------------------------------------------------------------------------------------------------

    def _list(self, target: Target) -> list[Alarm]:
        """Return all alarms. Without AlarmTypes, AWS would show metric alarms only."""
        unknown = self._unknown_kinds.setdefault(target, set())
        kinds = [kind for kind in KINDS if kind not in unknown]
        try:
            return self._pages(target, kinds)
        except AwsError as error:
            if error.error_class != "bug" or LOG in unknown:
                raise
            found = self._pages(target, [kind for kind in kinds if kind != LOG])
            unknown.add(LOG)  # a region that does not know the word has no such alarms
            return found

    def _pages(self, target: Target, kinds: list[str]) -> list[Alarm]:
        pages = self._aws.pages(target, "DescribeAlarms", AlarmTypes=kinds, MaxRecords=PAGE)
        return [alarm for page in pages for alarm in alarms(page)]

    def _tagged(self, target: Target, failed: list[Failure]) -> frozenset[str] | None:
        """Return the ARNs of the alarms with the tags that are wanted; None, and a failure, if that can't be known."""
        if not self._tags:
            return frozenset()
        filters = [{"Key": key} for key in self._tags]
        asked: Mapping[str, Any] = {"ResourceTypeFilters": ["cloudwatch:alarm"], "TagFilters": filters}
        try:
            pages = self._aws.pages(target, "GetResources", ResourcesPerPage=PAGE, **asked)
            found = [one for page in pages for one in read_as(TaggedArn, page["ResourceTagMappingList"])]
        except AwsError as error:
            failed.append(Failure("GetResources", error.error_class, str(error)))
            return None
        return frozenset(one.ResourceARN for one in found if self._has_tags(one))

    def _has_tags(self, one: TaggedArn) -> bool:
        tags = {tag["Key"]: tag["Value"] for tag in one.Tags}
        return all(key in tags and fnmatch.fnmatchcase(tags[key], glob) for key, glob in self._tags.items())

    # -- showing -----------------------------------------------------------------------------------------------------

    def _samples(self, target: Target, ours: Iterable[Alarm], until: float) -> Iterator[Sample]:
        ours = list(ours)
        values = [value for alarm in ours for value in _alarm(alarm)]
        counted: dict[tuple[str, ...], float] = dict.fromkeys(product(KINDS, _of_status("alarm_status")), 0.0)
        for alarm in ours:
            counted[alarm.kind, alarm.StateValue] = counted.get((alarm.kind, alarm.StateValue), 0.0) + 1
        values += [("alarms", labels, count) for labels, count in counted.items()]
        for name, labels, value in values:
            family = f"sagemaker_{name}"
            if value is not None and family in self._on:
                shown = (target.account_id, target.region, *labels)
                yield Sample(family, shown, value, scope=self.name, until=until)


def _alarm(alarm: Alarm) -> Iterator[Value]:
    """Yield all that is shown of an alarm."""
    name = (alarm.AlarmName,)
    yield from _states("alarm_status", name, alarm.StateValue)
    yield "alarm_info", (*name, alarm.kind, *watched(alarm), alarm.ComparisonOperator, *resource(alarm)), 1.0
    yield "alarm_last_change_timestamp_seconds", name, alarm.StateTransitionedTimestamp
    yield "alarm_last_update_timestamp_seconds", name, alarm.StateUpdatedTimestamp
    yield "alarm_threshold", name, alarm.Threshold
    yield "alarm_actions_enabled", name, float(alarm.ActionsEnabled)
    actions = (("OK", alarm.OKActions), ("ALARM", alarm.AlarmActions))
    for state, run in (*actions, ("INSUFFICIENT_DATA", alarm.InsufficientDataActions)):
        yield "alarm_actions", (*name, state), float(len(run))
    if alarm.kind == COMPOSITE:
        yield "alarm_actions_suppressed", name, float(bool(alarm.ActionsSuppressedBy))
    yield from _states("alarm_evaluation_status", name, alarm.EvaluationState or "")


def _states(name: str, labels: tuple[str, ...], holds: str) -> Iterator[Value]:
    """Yield a state set: 1 for what holds, 0 for the other known states; an unknown one passes through."""
    for state in dict.fromkeys((*_of_status(name), *filter(None, (holds,)))):
        yield name, (*labels, state), float(state == holds)


def _of_status(name: str) -> tuple[str, ...]:
    return CATALOGUE[f"sagemaker_{name}"].known("status")


# -- counting --------------------------------------------------------------------------------------------------------


class _Changes:
    """What a run learns of the changes of all alarms of a target: tracks, events, notes."""

    def __init__(self, target: Target, known: Known, now: float) -> None:
        self.target = target
        self.now = now
        self.begun: float = known.notes.get("begun", now)  # nothing before the first run counts
        self._looked: float = known.notes.get("looked", now)
        self._known = {name: msgspec.convert(known.notes[_TRACK + name], Track) for name in _names(known)}
        self.tracks = dict(self._known)
        self.notes: dict[str, Any] = {"begun": self.begun, "looked": now}
        self.seeds: list[Effect] = []
        self.ended: list[Effect] = []
        self.events: list[Event] = []
        self.lost_seconds = 0.0

    def look(self, ours: Mapping[str, Alarm]) -> None:
        """Learn how all alarms stand."""
        for name, alarm in ours.items():
            self.seeds += _effects(self.target, name)  # each time: it may have had no place until now
            track = self.tracks.get(name)
            if track is None:
                since = max(self.begun, self._looked)
                self.tracks[name] = tracks.begin(alarm.kind, alarm.changed, alarm.StateValue, since)
            else:
                self.tracks[name] = tracks.look(
                    track, alarm.kind, alarm.changed, alarm.StateValue, self.now, self._looked
                )
        for name in self.tracks.keys() - ours.keys():
            self.tracks[name] = tracks.miss(self.tracks[name], self.now, self._looked)

    def due(self) -> list[str]:
        """Return whose history is to be read, the one that waits longest first."""
        due = [name for name, track in self.tracks.items() if track.due and track.due <= self.now]
        return sorted(due, key=lambda name: self.tracks[name].due)

    def hear(self, name: str, items: Iterable[Change], until: float | None = None) -> None:
        """Learn the history of an alarm; `until` where there is more of it."""
        track, fresh = tracks.hear(self.tracks[name], items, until)
        track, proved = tracks.prove(track)  # now: what a history no longer holds is behind us once it is read
        self._count(name, (*fresh, *proved))
        lost = 0.0
        if until is None:
            track, lost = tracks.settle(track, self.now)
        self.tracks[name] = track
        self.lost_seconds += lost

    def later(self, name: str) -> None:
        """Let an alarm whose history could not be read wait, and others go before it."""
        self.tracks[name] = structs.replace(self.tracks[name], due=self.now + tracks.SETTLED)

    def read_until(self) -> float:
        """Return until when all changes have been read."""
        return min((track.since for track in self.tracks.values() if tracks.behind(track)), default=self.now)

    def close(self) -> None:
        """Count what the looks prove beyond the histories; forget what is over; note what has changed."""
        for name, track in list(self.tracks.items()):
            self.tracks[name], proved = tracks.prove(track)
            self._count(name, proved)
            if tracks.over(self.tracks[name], self.now):
                del self.tracks[name]
                self.notes[_TRACK + name] = None
                self.ended += _effects(self.target, name)
            elif self.tracks[name] != self._known.get(name):
                self.notes[_TRACK + name] = msgspec.to_builtins(self.tracks[name])

    def _count(self, name: str, fresh: Iterable[Change]) -> None:
        here = (self.target.account_id, self.target.region)
        for change in fresh:
            told = "look" if change.old == tracks.LOOK else "history"  # one may count where the other was taken back
            identity = "/".join((*here, name, f"{change.at:.3f}", change.new, told))
            effects = (Effect(CHANGES, (*here, name, change.new)),)
            self.events.append(Event(KIND, identity, change.at, self.target, effects))


def _names(known: Known) -> list[str]:
    """Return the names of the alarms whose changes are counted."""
    return [name.removeprefix(_TRACK) for name in known.notes if name.startswith(_TRACK)]


def _effects(target: Target, name: str) -> list[Effect]:
    """Return nothing counted in each state of an alarm."""
    known = {"account_id": [target.account_id], "region": [target.region], "alarm_name": [name]}
    return [Effect(CHANGES, labels, 0.0) for labels in CATALOGUE[CHANGES].combinations(known)]


def switched_off(target: Target, known: Known, now: float) -> Reading:
    """Return a reading that ends the count of all changes on a target: for when it is switched off."""
    ended = tuple(effect for name in _names(known) for effect in _effects(target, name))
    return Reading(CloudWatchAlarms.name, target, now, ended=ended, notes=dict.fromkeys(known.notes))


class _Histories:
    """Reads the histories that are due, one by one or together, with so many calls at most."""

    def __init__(self, aws: Aws, target: Target, changes: _Changes) -> None:
        self._aws = aws
        self._target = target
        self._changes = changes
        self._calls = 0
        self._failed: list[Failure] = []

    def read(self) -> list[Failure]:
        """Read what is due; return what could not be read. What waits is due again in the next run."""
        try:
            for kind in KINDS:
                self._together(kind)
            for name in self._changes.due():
                if self._calls < MOST_CALLS:
                    self._one(name)
        except AwsError as error:
            self._failed.append(Failure(_HISTORY, error.error_class, str(error)))
        else:
            waiting = len(self._changes.due())
            if waiting:
                text = f"{waiting} alarms wait for the next run"
                self._failed.append(Failure(_HISTORY, "throttled", text))
        return self._failed

    def _together(self, kind: str) -> None:
        """Read the histories of all alarms of a kind at once, others' too, unless that would be dearer."""
        due = {name for name in self._changes.due() if self._changes.tracks[name].kind == kind}
        if len(due) <= ONE_BY_ONE:
            return
        # At most half of what may be asked: or a listing that does not end would leave nothing to read one by one.
        most = self._calls + min(len(due), MOST_CALLS - self._calls) // 2
        since = min(self._changes.tracks[name].since for name in due)
        found: dict[str, list[Change]] = {name: [] for name in due}
        try:
            for items, more in self._pages(kind, since):
                for item in items:
                    if item.AlarmName in found:
                        found[item.AlarmName].append(_change(item))
                if more and self._calls >= most:
                    return  # what came is in order of time, and whole for nobody
        except AwsError as error:
            if error.error_class in _FOR_ALL:
                raise
            return  # one by one it costs only those whose history can't be read
        for name, changes in found.items():
            self._changes.hear(name, changes)

    def _one(self, name: str) -> None:
        track = self._changes.tracks[name]
        found: list[Change] = []
        try:
            for items, more in self._pages(track.kind, track.since, AlarmName=name):
                found += map(_change, items)
                if more and self._calls >= MOST_CALLS:
                    self._changes.hear(name, found, max((change.at for change in found), default=track.since))
                    return
        except AwsError as error:
            if error.error_class in _FOR_ALL:
                raise
            self._failed.append(Failure(f"{_HISTORY} {name}", error.error_class, str(error)))
            self._changes.later(name)
        else:
            self._changes.hear(name, found)

    def _pages(self, kind: str, since: float, **more: Any) -> Iterator[tuple[list[HistoryItem], bool]]:
        """Yield the items of each page, and whether there is another one; the oldest come first."""
        asked = {"AlarmTypes": [kind], "HistoryItemType": "StateUpdate", "ScanBy": "TimestampAscending", **more}
        for page in self._aws.pages(self._target, _HISTORY, StartDate=since - 1, MaxRecords=PAGE, **asked):
            self._calls += 1
            yield read_as(HistoryItem, page["AlarmHistoryItems"]), bool(page.get("NextToken"))


def _change(item: HistoryItem) -> Change:
    told = state_update(item.HistoryData)
    return Change(item.Timestamp, told.old_state.state_value, told.new_state.state_value)
