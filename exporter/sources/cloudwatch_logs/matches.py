"""Which rules apply to which log groups, and what log events count."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import math
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from exporter.aws import Aws
from exporter.catalogue import log_rules
from exporter.catalogue.logs import BY_STREAM, MATCHES, SOURCE
from exporter.config import CloudWatchLogs, LogRule
from exporter.inventory import Census
from exporter.model import DAY, HOUR, MINUTE, Effect, Event, Failure, Known, Reading, Target
from exporter.sources.cloudwatch_logs import passes
from exporter.sources.cloudwatch_logs.groups import STANDARD, Groups, LogGroup
from exporter.sources.cloudwatch_logs.passes import Progress, Search, Taken

KIND = f"{SOURCE}/match"  # of its events
HORIZON = 45 * DAY  # what is older is never counted
STREAMS = 500  # series by streams at a time on a target
OTHER = "other"
EARLIEST = float(HOUR)  # before the start, at the most, for demonstrations
LISTED_LATE = HOUR  # a log group that is not older than that may be missed when groups are listed, or lack its tags
ACTIVE = 15 * MINUTE  # how old CloudWatch's list of active groups may be,
UNLISTED = 30 * MINUTE  # how long before it a group may have become active, and not be on it: CloudWatch says 15 min,
QUIET = 2 * HOUR  # and for how long before it nothing has come into a group that is not: CloudWatch says 3 h

_BEGUN, LISTED, _STREAMS = "begun", "listed", "streams"
_SEARCH = "search/"  # notes of the progress of searches, by name and log group
_EVENTS = "sagemaker_exporter_events_total"
_FOLDED = "sagemaker_exporter_label_values_folded_total"

Counted = Callable[[str, list[str]], set[str]]


class LogEvent(Struct, rename="camel"):
    """A log event as FilterLogEvents tells of it."""

    event_id: str
    timestamp: int
    log_stream_name: str = ""
    message: str = ""


class _Match(NamedTuple):
    """When an event was written that a rule counts, and into which stream."""

    at: float
    rule: str
    stream: str


class Rules:
    """The rules in force, and the log groups in which each is looked for."""

    def __init__(self, settings: CloudWatchLogs, on: set[str]) -> None:
        self.by_stream = BY_STREAM in on
        self._presets = {name: log_rules.PRESETS[name] for name in settings.presets if MATCHES in on}
        self._rules = {rule.name: rule for rule in settings.rules if MATCHES in on}

    @property
    def presets(self) -> set[str]:
        """The presets among them."""
        return set(self._presets)

    @property
    def all(self) -> dict[str, list[Any]]:
        """The filter pattern of each by name, and whether it is a preset's."""
        presets = {name: [log_rules.any_of(preset.phrases), True] for name, preset in self._presets.items()}
        return presets | {name: [rule.pattern, False] for name, rule in self._rules.items()}

    def exists(self, name: str) -> bool:
        """Say whether there may be a search of this name."""
        return name in self._rules if name else bool(self._presets)

    def searches(self, groups: Iterable[LogGroup]) -> list[tuple[str, str, str]]:
        """Return what is to be searched: log group, name ("" for all presets that apply) and filter pattern."""
        found = []
        for name in (group.log_group_name for group in groups if group.log_group_class == STANDARD):
            phrases = tuple(chain.from_iterable(self._presets[one].phrases for one in self._covering(name)))
            found += [(name, "", log_rules.any_of(phrases))] if phrases else []
            found += [(name, rule.name, rule.pattern) for rule in self._rules.values() if _applies(rule, name)]
        return found

    def unsearchable(self, groups: Iterable[LogGroup]) -> Iterator[Failure]:
        """Yield a failure for each rule that names, without a glob, a group that can't be searched."""
        other = {group.log_group_name: group.log_group_class for group in groups if group.log_group_class != STANDARD}
        for rule in self._rules.values():
            if rule.group in other:
                text = f"CloudWatch searches no log group of the class {other[rule.group]}, and it can't be changed"
                yield Failure(f"rule {rule.name} in {rule.group}", "denied", text)

    def of(self, group: str, name: str) -> tuple[str, ...]:
        """Return the rules for which a search counts."""
        return (name,) if name else tuple(self._covering(group))

    def matched(self, group: str, name: str, message: str) -> Sequence[str]:
        """Return which of them an event has matched that CloudWatch has found: none, if it can't be told.

        Of several presets those whose phrases stand in the message as words; where none does, for AWS does not document
        where a word ends, those whose phrases are in it anyhow.
        """
        rules = self.of(group, name)
        if len(rules) == 1:  # CloudWatch has decided
            return rules
        found = [one for one in rules if log_rules.has_any(self._presets[one].phrases, message)]
        return found or [one for one in rules if any(text in message for text in self._presets[one].phrases)]

    def labels(self, name: str) -> Sequence[str]:
        """Return the labels that a rule asks for."""
        return self._rules[name].labels if self.by_stream and name in self._rules else ()

    def _covering(self, group: str) -> Iterator[str]:
        return (name for name, preset in self._presets.items() if preset.covers(group))


def _applies(rule: LogRule, group: str) -> bool:
    return fnmatch.fnmatchcase(group, rule.group)


class Matched:
    """What a run has found on a target, and what is to be noted of it."""

    def __init__(
        self,
        target: Target,
        rules: Rules,
        begun: Mapping[str, float],
        streams: dict[str, float],
        counted: Counted,
        now: float,
    ) -> None:
        self.horizon = float(HORIZON)
        self.failed: list[Failure] = []
        self.seeds: list[Effect] = []
        self.ended: list[Effect] = []
        self.events: list[Event] = []
        self.notes: dict[str, Any] = {}
        self.read_until: float | None = None
        self.behind = False
        self.unparsed = 0
        self.repeated = 0
        self.lost_seconds = 0.0
        self.folded: dict[tuple[str, str], None] = {}  # labels and values that there was no place for
        self.streams = streams  # by labels, when the newest event of each was, or it was found
        self._now = now
        self._target, self._rules, self._begun, self._counted = target, rules, begun, counted
        self._identities: set[str] = set()  # of `events`
        self._effects: dict[tuple[str, str, str], tuple[Effect, ...]] = {}

    @property
    def tallies(self) -> Iterator[Effect]:
        """What is told of the run itself."""
        where = (self._target.account_id, self._target.region, SOURCE)
        for outcome, number in (("unparsed", self.unparsed), ("repeated", self.repeated)):
            if number:
                yield Effect(_EVENTS, (*where, outcome), float(number))
        yield from (Effect(_FOLDED, (label,)) for label, _ in self.folded)

    def take(self, search: Search, events: Sequence[Any], start: int, end: int) -> Taken:
        """Take the events of a page in: hold those that have not been counted."""
        newest = 0
        found: dict[str, _Match] = {}  # by identity
        for given in events:
            try:
                one = msgspec.convert(given, LogEvent)
            except msgspec.ValidationError:
                self.unparsed += 1
                continue
            if not one.event_id or not start <= one.timestamp <= end:  # not what was asked for, so not from CloudWatch
                self.unparsed += 1
                continue
            newest = max(newest, one.timestamp)
            at = one.timestamp / 1000
            matched = self._rules.matched(search.group, search.name, one.message)
            self.unparsed += not matched
            for rule in matched:
                if at >= self._begun[rule] and at >= search.begun:
                    identity = _identity(self._target, search.group, one.event_id, rule)
                    self.repeated += identity in found or identity in self._identities
                    found[identity] = _Match(at, rule, one.log_stream_name)
        new = [identity for identity in found if identity not in self._identities]
        known = self._counted(KIND, new)  # nearly all of a wide pass: these need not be held
        self.repeated += len(known)
        new = [identity for identity in new if identity not in known]
        for identity in new:
            at, rule, stream = found[identity]
            effects = self._effects_at(search.group, rule, stream, at)
            self.events.append(Event(KIND, identity, at, self._target, effects))
        self._identities.update(new)
        return Taken(newest, len(new))

    def _effects_at(self, group: str, rule: str, stream: str, at: float) -> tuple[Effect, ...]:
        """Return what an event adds to: one object for all of a stream, since there may be thousands."""
        key = (group, rule, stream if self._rules.labels(rule) else "")
        known = self._effects.get(key)
        if known is None:
            known = self._effects[key] = tuple(self._effects_of(group, rule, stream))
        for effect in known[1:]:
            place = _place(effect.labels)
            self.streams[place] = max(at, self.streams.get(place, at))
        return known

    def _effects_of(self, group: str, rule: str, stream: str) -> Iterator[Effect]:
        here = (self._target.account_id, self._target.region, group, rule)
        yield Effect(MATCHES, here)
        asked = self._rules.labels(rule)
        if asked:
            told = _told(group, stream)
            labels = (*here, *(told.get(label, "") if label in asked else "" for label in log_rules.LABELS))
            if _place(labels) not in self.streams and len(self.streams) >= STREAMS:
                self.folded |= {(log_rules.LABELS[one], told[one]): None for one in asked if one in told}
                labels = (*here, *(OTHER if label in asked else "" for label in log_rules.LABELS))
            self.streams.setdefault(_place(labels), self._now)  # it may be late, and must be seen all the same
            yield Effect(BY_STREAM, labels)


class Matches:
    """Searches log groups for what rules count."""

    def __init__(self, aws: Aws, rules: Rules, settings: CloudWatchLogs, begin: float) -> None:
        self._aws = aws
        self._rules = rules
        self._pages = settings.pages_per_cycle
        self._overlap = settings.overlap
        self._begin = max(begin, -EARLIEST)
        self._folded: set[tuple[str, str]] = set()  # labels and values that have been told of

    def read(self, target: Target, known: Known, groups: Groups, census: Census, limit: float) -> Matched:
        """Search what is due until `limit`, and return what was found."""
        now = self._aws.now()
        noted: Mapping[str, Any] = known.notes.get(_BEGUN, {})
        before = {name: _progress(note) for name, note in known.notes.items() if name.startswith(_SEARCH)}
        wanted = groups.wanted if groups.listed else _searched(groups.wanted, before)
        first = now if LISTED in known.notes else now + self._begin
        begun = {  # time, pattern, whether it is a preset: another one of its name is counted from now on
            name: [min(noted[name][0], now) if name in noted and list(noted[name][1:]) == rule else first, *rule]
            for name, rule in self._rules.all.items()
        }
        since: dict[str, float] = {name: note[0] for name, note in begun.items()}
        found = Matched(target, self._rules, since, dict(known.notes.get(_STREAMS, {})), known.counted, now)
        searches = self._searches(wanted, before, since, known.notes.get(LISTED), now)
        left_out = groups.barred.union(group.log_group_name for group in wanted)  # there, if they are not searched
        self._end(target, found, before, searches, noted, left_out, now)
        self._end_streams(found, known.values(BY_STREAM), now)
        by_name = {group.log_group_name: group for group in wanted}
        for search, progress in searches.items():
            progress.gone = 0.0
            passes.hold_back(progress, now)
            group = by_name[search.group]
            if groups.listed:
                progress.kept = group.retention if math.isfinite(group.retention) else 0.0
            kept_since = now - min(HORIZON, progress.kept or math.inf)
            if progress.until < kept_since:
                found.lost_seconds += max(0.0, kept_since - max(progress.until, group.created or 0.0))
                progress.until = kept_since
            here = (target.account_id, target.region, search.group)
            rules = self._rules.of(search.group, search.name)
            found.seeds += [Effect(MATCHES, (*here, rule), 0.0) for rule in rules]
        found.failed += self._rules.unsearchable(wanted)
        due = self._awake(searches, census, now)
        run = passes.Run(lambda search, asked: self._ask(target, search, asked), found.take, self._aws.now)
        run.over(due, self._overlap, now - HORIZON, self._pages, limit)
        found.failed += run.failed
        self._note(found, searches, begun)
        if groups.listed:
            found.notes[LISTED] = now
        if self._rules.all:
            late = [one.until for search, one in searches.items() if search not in due or search[:2] in run.behind]
            late += [] if groups.listed else [known.notes[LISTED]]  # there may be others since
            found.read_until = min(late, default=math.inf)
            # A group that rests is as good as read: nothing came, says CloudWatch.
            found.behind = bool(run.behind) or not groups.listed
        found.folded = {one: None for one in found.folded if one not in self._folded}
        self._folded |= found.folded.keys() if len(self._folded) < STREAMS else set()
        return found

    def _searches(
        self,
        groups: Sequence[LogGroup],
        before: Mapping[str, Progress],
        since: Mapping[str, float],
        listed: float | None,
        now: float,
    ) -> dict[Search, Progress]:
        """Return what is to be searched, with how far it is. What is new begins with its log group, or now."""
        created = {group.log_group_name: group.created for group in groups}
        found = {}
        for group, name, pattern in self._rules.searches(groups):
            begun = min(since[rule] for rule in self._rules.of(group, name))
            progress = before.get(_named(group, name))
            if progress is None:
                made = created[group] or 0.0
                new = listed is None or made > min(listed, now) - LISTED_LATE
                progress = passes.begin(max(begun, made - DAY)) if new else passes.begin(max(begun, now), now)
            found[Search(group, name, pattern, max(begun, progress.since))] = progress
        return found

    def _awake(self, searches: Mapping[Search, Progress], census: Census, now: float) -> Mapping[Search, Progress]:
        """Return the searches that a run has to care for.

        Where there are more of them than pages, groups rest that CloudWatch does not list as active: ListMetrics shows
        whose IncomingLogEvents had a value in the last three hours, and the inventory lists that anyhow.
        """
        listing = census.listings.get("AWS/Logs")
        if len(searches) <= self._pages or listing is None or listing.beyond or listing.at < now - ACTIVE:
            return searches
        quiet = (listing.at - QUIET, listing.at - UNLISTED)
        active = {value for dimensions in listing.metrics for name, value in dimensions if name == "LogGroupName"}
        return {
            search: progress
            for search, progress in searches.items()
            if search.group in active or not passes.rest(progress, quiet) or passes.still_due(progress, now)
        }

    def _ask(self, target: Target, search: Search, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._aws.call(
            target, "FilterLogEvents", logGroupName=search.group, filterPattern=search.pattern, **asked
        )

    def _end(
        self,
        target: Target,
        found: Matched,
        before: Mapping[str, Progress],
        searches: Mapping[Search, Progress],
        noted: Mapping[str, Any],
        left_out: Container[str],
        now: float,
    ) -> None:
        """End the counts of rules that are no more, and a day later those of log groups that are searched no more.

        Of those that are `left_out`, for nobody wants them searched, nothing counts meanwhile.
        """
        presets = {name for name, note in noted.items() if note[2]}
        removed = presets - self._rules.presets
        current = {_named(*search[:2]) for search in searches}
        for note, progress in before.items():
            group, name = _parts(note)
            here = (target.account_id, target.region, group)
            gone = set() if name else removed
            if note not in current:
                left = passes.begin(now, now) if group in left_out else progress
                left.gone = progress.gone or now
                over = not self._rules.exists(name) or now >= left.gone + DAY
                found.notes[note] = None if over else msgspec.to_builtins(left, str_keys=True)
                gone = (presets if not name else {name}) if over else gone
            found.ended += [Effect(MATCHES, (*here, rule)) for rule in gone]

    def _end_streams(self, found: Matched, standing: Container[tuple[str, ...]], now: float) -> None:
        """End the counts of streams that are a day old, and of those that no rule asks for.

        A place whose count is not `standing` is held by nothing: what was to count could not be.
        """
        for place, at in list(found.streams.items()):
            labels = tuple(msgspec.json.decode(place, type=list[str]))
            if at < now - DAY or labels not in standing or not self._rules.labels(labels[3]):
                del found.streams[place]
                found.ended.append(Effect(BY_STREAM, labels))

    def _note(self, found: Matched, searches: Mapping[Search, Progress], begun: Mapping[str, Any]) -> None:
        found.notes |= {
            _named(*search[:2]): msgspec.to_builtins(progress, str_keys=True) for search, progress in searches.items()
        }
        found.notes |= {_BEGUN: begun, _STREAMS: found.streams}


def switched_off(target: Target, known: Known, now: float) -> Reading:
    """Return a reading that ends the count of all matches on a target: for when it is switched off."""
    ended = []
    for note in known.notes:
        if note.startswith(_SEARCH):
            group, name = _parts(note)
            rules = (name,) if name else known.notes.get(_BEGUN, {})
            ended += [Effect(MATCHES, (target.account_id, target.region, group, rule)) for rule in rules]
    for place in known.notes.get(_STREAMS, {}):
        ended += [Effect(BY_STREAM, tuple(msgspec.json.decode(place, type=list[str])))]
    return Reading(SOURCE, target, now, ended=tuple(ended), notes=dict.fromkeys(known.notes))


def searched(notes: Mapping[str, Any]) -> list[str]:
    """Return the log groups of which there are notes: they have been searched, maybe some time ago."""
    return list(dict.fromkeys(_parts(note)[0] for note in notes if note.startswith(_SEARCH)))


def _searched(groups: Sequence[LogGroup], before: Mapping[str, Progress]) -> list[LogGroup]:
    """Return those of the groups that were searched the last time."""
    names = {_parts(note)[0] for note, one in before.items() if not one.gone}
    return [group for group in groups if group.log_group_name in names]


def _progress(note: Any) -> Progress:
    return msgspec.convert(note, Progress, strict=False)


def _named(group: str, name: str) -> str:
    return f"{_SEARCH}{name}@{group}"


def _parts(note: str) -> tuple[str, str]:
    name, _, group = note.removeprefix(_SEARCH).partition("@")
    return group, name


def _place(labels: Sequence[str]) -> str:
    return msgspec.json.encode(labels).decode()


def _told(group: str, stream: str) -> dict[str, str]:
    """Return the labels that the names of a group and of a stream tell."""
    kind = log_rules.kind_of(group)
    if kind is None:
        return {}
    found = re.match(kind.stream, stream.encode(errors="replace").decode())
    told = {name: value for name, value in found.groupdict().items() if value} if found else {}
    if kind.resource_type == "endpoint":
        told["endpoint"] = log_rules.resource_of(group)[1]
    return told


def _identity(target: Target, group: str, event: str, rule: str) -> str:
    """Return by what a match is known: 16 characters, since there may be millions."""
    whole = f"{target.account_id}\n{target.region}\n{group}\n{event}\n{rule}"
    return base64.b64encode(hashlib.blake2b(whole.encode(errors="surrogatepass"), digest_size=12).digest()).decode()
