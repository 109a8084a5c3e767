"""LookupEvents: which stretches of time to look over, and the pages of each.

CloudTrail lists newest first, two calls a second and fifty records a call, and delivers a record five minutes after its
call in the mean, late ones a quarter of an hour and more. So each stretch is looked over again, the further back the
less often, and the ledger tells what is new:

    each run          the last two minutes, and all since the last run
    every 10 minutes  the `overlap`
    every hour        3 h
    every day         48 h: so a record that is a day late is still found

A pass is complete when CloudTrail gives no further page, and by nothing else: a page of records that are all known
tells nothing of the next one, on which a late record may stand. What a run has no time for, the next one goes on with:
by CloudTrail's token, for one second may hold more records than a run has time for; where that is refused, from the
oldest record that was read, whose second is read again. Where passes take longer than their turn, they have as long a
rest: half of what AWS allows is left to others.

    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from exporter.aws import AwsError
from exporter.model import DAY, HOUR, MINUTE

NARROW = 2 * MINUTE
KEPT = 90 * DAY  # CloudTrail's event history
ON_A_PAGE = 50  # the most that AWS gives
PAGES = 200  # of one run: what is read is held until it is committed

Ask = Callable[[dict[str, Any]], dict[str, Any]]  # parameters to an answer


class Going(Struct):
    """A pass that is not complete: what it looks over (Unix seconds), how far back that is, when it began.

    `oldest` is the time of the oldest record that was read, `token` what brings the next page of this stretch.
    """

    start: float
    end: float
    reach: float
    began: float
    oldest: float = math.inf
    token: str = ""


class Passes(Struct):
    """How far the records of one event source have been looked over: a note, by which the next process goes on.

    `until` is the time up to which a complete pass has read what was there. `done` is when a pass of each reach was
    last complete, `rest` until when it is left alone, `going` are those that are not complete.
    """

    until: float
    done: dict[float, float] = {}
    rest: dict[float, float] = {}
    going: dict[float, Going] = {}


class Found(NamedTuple):
    """What a run has read: the entries as AWS gives them, and what kept it from reading more."""

    entries: list[Mapping[str, Any]]
    error: AwsError | None = None


def turns(overlap: float) -> dict[float, float]:
    """Return how often (s) what lies how far back (s) is looked over."""
    found: dict[float, float] = {}
    for reach, every in ((overlap, 10.0 * MINUTE), (3.0 * HOUR, float(HOUR)), (48.0 * HOUR, float(DAY))):
        found[float(reach)] = min(every, found.get(reach, every))
    return found


def read_until(passes: Passes, overlap: float, now: float) -> float:
    """Return until when all is read, as far as CloudTrail delivers in time: while the overlap takes its turns, all."""
    last = passes.done.get(float(overlap), passes.until)
    return passes.until if now <= last + 2 * turns(overlap)[float(overlap)] else min(last, passes.until)


def run(passes: Passes, begun: float, overlap: float, ask: Ask, clock: Callable[[], float], limit: float) -> Found:
    """Look over what is due until `limit`, changing `passes` page by page. `clock` tells AWS's time.

    Once all that is new is read, each other pass that is due has a page at the least: it must come to its end.
    """
    for known in (passes.done, passes.rest, passes.going):  # of an overlap that has been changed
        for reach in known.keys() - {NARROW, *turns(overlap)}:
            del known[reach]
    entries: list[Mapping[str, Any]] = []
    if begun > clock():  # which has been set back
        return Found(entries)
    left = PAGES
    for one in _due(passes, max(begun, clock() - KEPT), overlap, clock()):
        passes.going[one.reach] = one
        more = True
        try:
            for page, more in _pages(one, ask):  # noqa: B007 - the last one tells
                entries += page
                left -= 1
                if left <= 0 or clock() >= limit:
                    break
        except AwsError as error:
            if one.token and error.error_class != "throttled":  # it may be the token that is refused
                one.token, one.end = "", min(one.end, one.oldest)
            return Found(entries, error)
        if not more:
            _complete(passes, one, overlap, clock())
        elif one.reach == NARROW or left <= 0:
            break
    return Found(entries)


def _due(passes: Passes, oldest: float, overlap: float, now: float) -> Iterator[Going]:
    """Yield the passes that are due, or not complete yet: what is new first, then the less wide before the wider ones.

    So a pass that takes hours does not keep others waiting; with their rests, they leave it half of the time.
    """
    start = passes.until - (
        NARROW if passes.until >= now - overlap else overlap
    )  # after a gap, some came late before it
    yield passes.going.get(NARROW) or Going(max(oldest, min(start, now - NARROW)), now, NARROW, now)
    for reach, every in sorted(turns(overlap).items()):
        going = passes.going.get(reach)
        if going:
            yield going
        elif now >= max(passes.done.get(reach, -math.inf) + every, passes.rest.get(reach, -math.inf)):
            yield Going(max(oldest, now - reach), now, reach, now)


def _pages(one: Going, ask: Ask) -> Iterator[tuple[list[Mapping[str, Any]], bool]]:
    """Yield the pages of a pass that have yet to be read, and whether there are more."""
    while True:
        params: dict[str, Any] = {
            "StartTime": math.floor(one.start),
            "EndTime": math.ceil(one.end),
            "MaxResults": ON_A_PAGE,
            **({"NextToken": one.token} if one.token else {}),
        }
        answer = ask(params)
        page: list[Mapping[str, Any]] = answer["Events"]
        one.token = answer.get("NextToken") or ""
        one.oldest = min([one.oldest, *(at for entry in page if isinstance(at := entry.get("EventTime"), int | float))])
        yield page, bool(one.token)
        if not one.token:
            return


def _complete(passes: Passes, one: Going, overlap: float, now: float) -> None:
    """Learn that a pass has come to its end: with it, all that are narrower and have not been looked over since."""
    del passes.going[one.reach]
    passes.until = max(passes.until, one.began)
    for reach, every in turns(overlap).items():
        if reach <= one.reach:
            passes.done[reach] = max(one.began, passes.done.get(reach, one.began))
        if reach == one.reach and now > one.began + every:
            passes.rest[reach] = now + (now - one.began)
