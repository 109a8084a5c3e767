"""Things of all `KINDS`: listed each time, and asked more about when that is due."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import structs

from exporter.aws import AwsError
from exporter.inventory.census import Facts, Thing, Things, Told, pause_after
from exporter.inventory.kinds import Call, Kind, Paths, Signal, Wanted
from exporter.inventory.look import MOST_DESCRIBES, RETRY_AFTER, Look
from exporter.jobs import spelled
from exporter.model import HOUR

UNKNOWN_FOR = float(HOUR)  # a region that does not know a kind is asked again so much later


def list_things(look: Look) -> None:
    """List the kinds that are due, keeping what else is told of their things."""
    look.seen["things"] = {one.kind.name: _listed(look, one) for one in look.pacing.kinds}


def ask_about_things(look: Look) -> None:
    """Ask about things that are new, changed, restless or not asked about for long."""
    look.seen["things"] = {
        one.kind.name: _asked(look, one, look.seen["things"][one.kind.name]) for one in look.pacing.kinds
    }


def _listed(look: Look, wanted: Wanted) -> Things:
    kind, before = wanted.kind, look.before.things.get(wanted.kind.name, Things())
    if look.now < max(before.at + before.pause, before.retry_at):
        return before
    found: dict[str, Thing] = {}
    pages = 0
    try:
        for page in look.aws.pages(look.target, kind.operation, **kind.fixed):
            pages += 1
            for key, item in _keyed(kind, page):
                found[key] = _thing(kind, item, before.by_key.get(key))
                if look.pacing.labels and kind.counted:
                    found[key] = structs.replace(found[key], tagged_as=_end_of_arn(kind, key, item))
    except AwsError as error:
        look.complain(kind.operation, error)
        pause = UNKNOWN_FOR if error.error_class == "bug" else pause_after(pages)
        return structs.replace(before, retry_at=look.now + pause)
    return Things(_signalled(look, kind.signal, found) if wanted.calls and kind.signal else found, look.now, pages)


def _keyed(kind: Kind, page: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the items of a page by what tells them apart."""
    for item in items(page, kind.member):
        names = facts(item, dict.fromkeys(kind.names, str))
        if not names.get(kind.names[0]):
            raise _unreadable(kind.names[0])
        yield "/".join(names.get(name, "") for name in kind.names), item


def _thing(kind: Kind, item: Any, before: Thing | None) -> Thing:
    """Return a thing as it is listed now, with what was told of it before."""
    times = facts(item, dict.fromkeys(filter(None, (kind.created, kind.modified)), float))
    texts = facts(item, dict.fromkeys(filter(None, (kind.called or kind.names[-1], kind.status)), str))
    told_apart = dict.fromkeys(kind.names, str) if kind.families else {}
    return Thing(
        kind.name,
        texts.get(kind.called or kind.names[-1], ""),
        spelled(kind.statuses, texts.get(kind.status, "")),
        times.get(kind.created, 0.0),
        times.get(kind.modified, 0.0),
        facts(item, {**told_apart, **kind.facts}) if told_apart else {},
        before.signal if before else (),
        before.told if before else {},
    )


def path_of(key: str) -> str:
    """Return the names that tell a thing from others as they stand in ARNs: without those that are empty."""
    return "/".join(filter(None, key.split("/")))


def _end_of_arn(kind: Kind, key: str, item: Any) -> str:
    """Return how the ARN of a thing ends; of what tells none, it is made of the names."""
    arn = facts(item, {kind.arn: str}).get(kind.arn, "") if kind.arn else ""
    return (arn.split(":", 5)[-1] if arn else f"{kind.arn_type}/{path_of(key)}").lower()


def _signalled(look: Look, signal: Signal, found: dict[str, Thing]) -> dict[str, Thing]:
    """Return things with what a listing over all of them tells of the newest change."""
    newest: dict[str, Hashable] = {}
    try:
        asked = {**signal.fixed, signal.since: look.now - signal.seconds}
        for page in look.aws.pages(look.target, signal.operation, **asked):
            for item in items(page, signal.member):
                name = facts(item, {signal.of: str}).get(signal.of, "")
                newest.setdefault(name, tuple(facts(item, signal.facts).items()))
    except AwsError as error:
        look.complain(signal.operation, error)
        return found
    return {key: structs.replace(thing, signal=newest.get(key, thing.signal)) for key, thing in found.items()}


def _asked(look: Look, wanted: Wanted, things: Things) -> Things:
    by_key = dict(things.by_key)
    for call in wanted.calls:
        due = [(key, state) for key, thing in by_key.items() if (state := _due(look, wanted.kind, call, thing))]
        due.sort(key=lambda pair: _last_tried(by_key[pair[0]].told.get(call.operation)))
        for key, state in due[:MOST_DESCRIBES]:
            thing = by_key[key]
            told = _ask(look, call, thing, state)
            by_key[key] = structs.replace(thing, told={**thing.told, call.operation: told})
    oldest = look.now - _vouched_for(look, len(by_key))
    return structs.replace(things, by_key={key: _not_too_old(thing, oldest) for key, thing in by_key.items()})


def _vouched_for(look: Look, number: int) -> float:
    """Return how long an answer tells how a thing is, if it can't be had anew (seconds): a thing may change unseen.

    Where there are very many, a round of all of them takes longer than the pause between two answers about one.
    """
    round_of_all = -(-number // MOST_DESCRIBES) * (look.now - look.before.at)
    return max(look.pacing.last_good, 3 * max(look.pacing.describe_every, round_of_all))


def _not_too_old(thing: Thing, oldest: float) -> Thing:
    """Return a thing without answers that are too old, and could not be had anew. A slow round is no failure."""
    too_old = {
        operation: Told(failed=one.failed, retry_at=one.retry_at)
        for operation, one in thing.told.items()
        if one.failed and one.at < oldest
    }
    return structs.replace(thing, told={**thing.told, **too_old}) if too_old else thing


def _last_tried(told: Told | None) -> float:
    return max(told.at, told.retry_at) if told else 0.0


def _due(look: Look, kind: Kind, call: Call, thing: Thing) -> tuple[Hashable, ...]:
    """Return the state of a thing if a call about it is due, and nothing if it is not."""
    if call.only and thing.status not in call.only:
        return ()
    state = _state(kind, call, thing)
    told = thing.told.get(call.operation, Told())
    due = (
        look.now >= told.retry_at
        if told.failed
        else call.always
        or not told.at
        or told.of != state
        or thing.status not in kind.steady
        or told.at < told.since + call.settles <= look.now
        or look.now >= told.at + look.pacing.describe_every
    )
    return state if due else ()


def still_told(kind: Kind, thing: Thing, now: float, oldest: float) -> Thing:
    """Return a thing with no more of what was told of it than still holds: not of another state, nor older."""
    holding = {
        call.operation: told
        for call in kind.calls
        if (told := thing.told.get(call.operation))
        and (not call.only or thing.status in call.only)
        and (told.at == now or (told.at >= oldest and holds(kind, call, thing)))
    }
    return structs.replace(thing, told=holding)


def holds(kind: Kind, call: Call, thing: Thing) -> bool:
    """Say whether what a call told of a thing is true still: of a steady state that it is in now."""
    told = thing.told.get(call.operation, Told())
    return not call.always and thing.status in kind.steady and told.of == _state(kind, call, thing)


def _state(kind: Kind, call: Call, thing: Thing) -> tuple[Hashable, ...]:
    """Return what must be the same for an earlier answer to a call to hold still."""
    seen = (
        frozenset(Counter(tuple(item.values()) for item in thing.told[other.operation].items).items())
        for other in kind.calls
        if other.always and not call.always and other.operation in thing.told
    )
    return (thing.status, thing.created, thing.modified, thing.signal, *map(thing.facts.get, call.watches), *seen)


def _ask(look: Look, call: Call, thing: Thing, state: tuple[Hashable, ...]) -> Told:
    """Return what a call tells of a thing; what it told before if it fails, and later if the thing is gone."""
    before = thing.told.get(call.operation, Told())
    try:
        items = tuple(facts(item, call.facts) for item in _answered(look, call, thing))
    except AwsError as error:
        if error.error_class != "absent":
            look.complain(call.operation, error)
        pause = min(look.pacing.describe_every, RETRY_AFTER * 2.0**before.failed)
        return structs.replace(before, failed=before.failed + 1, retry_at=look.now + pause)
    return Told(items, look.now, state, before.since if before.of == state else look.now)


def _answered(look: Look, call: Call, thing: Thing) -> Iterable[Any]:
    """Return the items that a call answers with, or the one answer of a Describe."""
    given = {name: thing.facts[field] for name, field in call.parameters.items() if thing.facts.get(field)}
    if not call.member:
        return [look.aws.call(look.target, call.operation, **given)]
    pages = look.aws.pages(look.target, call.operation, **call.fixed, **given)
    found = [item for page in itertools.islice(pages, 1 if call.newest else None) for item in items(page, call.member)]
    return found[:1] if call.newest else found


# What answers must hold. The SDK hands on what came, and AWS promises some of it only in prose.


def items(page: Mapping[str, Any], member: str) -> list[Any]:
    """Return the items of a page. Raises `AwsError`: not what AWS would say, so not from it."""
    found = page.get(member)
    if not isinstance(found, list):
        raise _unreadable(member)
    return found


def facts(item: Any, paths: Paths) -> Facts:
    """Return what stands at paths, without those where nothing does. Raises `AwsError`."""
    found: dict[str, Any] = {}
    for path, kind in paths.items():
        value = item
        for name in path.removesuffix("[]").split("."):
            if not isinstance(value, dict):
                raise _unreadable(path)
            value = value.get(name)
            if value is None:
                break
        if value is not None:
            found[path] = _fact(path, value, kind)
    return found


def _fact(path: str, value: Any, kind: Any) -> Any:
    if path.endswith("[]") and isinstance(value, list):
        return tuple(facts(one, kind) for one in value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in (str, bool) and isinstance(value, kind):
        return value
    raise _unreadable(path)


def _unreadable(path: str) -> AwsError:
    return AwsError("transient", f"unreadable answer: {path} is not what it should be")


def calls_an_hour(
    things: Mapping[str, Things], kinds: Iterable[Wanted], every: float, described: float
) -> Mapping[str, float]:
    """Return how often operations are called in an hour in which nothing changes.

    All is looked at each `every` seconds; what is asked now and then is asked `described` times an hour.
    """
    calls: dict[str, float] = defaultdict(float)
    for kind, asked in kinds:
        known = things.get(kind.name, Things())
        looks = HOUR / (every * max(1, math.ceil(known.pause / every)))
        calls[kind.operation] += known.pages * looks
        if asked and kind.signal:
            calls[kind.signal.operation] += looks
        for call in asked:
            about = sum(not call.only or thing.status in call.only for thing in known.by_key.values())
            calls[call.operation] += about * (HOUR / every if call.always else described)
    return calls
