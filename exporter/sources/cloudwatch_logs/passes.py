"""FilterLogEvents: which stretches of time are searched when, page by page, so that no search starves another.

CloudWatch lists what matches by the times that writers gave, the oldest first, and takes events in seconds later as a
rule, at times hours. So each stretch is searched again, the further back the less often; the ledger tells what is new:

    each run      from the last search on, and `overlap` before it
    every hour    3 h
    every day     48 h: so an event that comes in a day late is still found

A page may be short or empty and still lead on; a pass is complete when CloudWatch gives no token, and by nothing else.
What a run has no pages for, the next one goes on with: by the token, which lives for a day, and where that is refused,
from the newest event that was read, whose millisecond is read again.

    until - overlap |-------- each run -------->| now
      now - 3 h |---------- every hour -------->|
    |------------------- every day ------------>|

All passes that are due take turns, a page each, the one first that has waited longest: a search with ten thousand pages
takes as long as it takes, and the others do not wait for it.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from __future__ import annotations

import math
from collections import Counter as Tallies
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct, structs

from exporter.aws import AwsError
from exporter.model import DAY, HOUR, Failure

NEW = 0.0  # the reach of the pass of each run
WIDE = {3.0 * HOUR: float(HOUR), 48.0 * HOUR: float(DAY)}  # how far back (s) is searched how often (s)
IN_A_ROW = 3  # failures, after which a run asks no more: the next would meet the same
DENIED = float(HOUR)  # by so much later is the next turn of what may not be read: a policy may name some log groups
MOST = 50_000  # events of one run, that are held until they are committed

Ask = Callable[["Search", dict[str, Any]], dict[str, Any]]
Take = Callable[
    ["Search", Sequence[Any], int, int], int
]  # events of a page, and the times asked for; the newest of them


class Going(Struct):
    """A pass that is not complete: what it searches (Unix seconds), when it began, how far it is.

    `at` is the time of the newest event that was read (ms). `token` brings the next page, in a call with the start time
    `asked` (ms), and is good for no other.
    """

    start: float
    end: float
    began: float
    at: int = 0
    asked: int = 0
    token: str = ""


class Progress(Struct):
    """How far a search is: a note, by which the next process goes on.

    What CloudWatch had taken in by `until` has been read. `done` is when the last complete pass of each wide reach
    began, `going` are those that are not complete. `gone` is since when its log group has not been listed. What is
    older than `since` does not count: a rule has come to the log group then.
    """

    until: float
    done: dict[float, float]
    going: dict[float, Going] = {}
    gone: float = 0.0
    since: float = 0.0


def begin(until: float, since: float = 0.0) -> Progress:
    """Return the progress of a search that begins at a time."""
    return Progress(until, dict.fromkeys(WIDE, until), since=since)


class Search(NamedTuple):
    """What is searched for in one log group: `name` is the rule, "" all presets that apply. Nothing before `begun`."""

    group: str
    name: str
    pattern: str
    begun: float


class _Pass(NamedTuple):
    search: Search
    progress: Progress
    reach: float
    going: Going


class Run:
    """One run over the searches of a target: changes their progress as it reads. `clock` tells AWS's time.

    `served` says when each pass last had a page; it may be forgotten at a restart.
    """

    def __init__(
        self, ask: Ask, take: Take, clock: Callable[[], float], served: dict[tuple[str, str, float], float]
    ) -> None:
        self.failed: list[Failure] = []
        self.pages = 0
        self.behind: set[tuple[str, str]] = set()  # groups and names of what has not been read up to this run
        self._ask, self._take, self._clock, self._served = ask, take, clock, served
        self._events = self._in_a_row = 0
        self._refused: Tallies[str] = Tallies()  # by name of the search
        self._accepted: set[str] = set()
        self._absent: set[str] = set()  # log groups
        self._denied: set[str] = set()
        self._restarted: set[tuple[str, str, float]] = set()  # passes whose token was refused

    def over(
        self, searches: Mapping[Search, Progress], overlap: float, oldest: float, pages: int, limit: float
    ) -> None:
        """Search, with so many pages at most, until `limit`; nothing before `oldest`."""
        now = self._clock()
        due = [one for search, progress in searches.items() for one in _due(search, progress, overlap, oldest, now)]
        due.sort(key=lambda one: (self._served.get(_id(one), -math.inf), one.progress.until))
        self.behind = {one.search[:2] for one in due if one.reach == NEW}
        queue = deque(due)
        while queue and self.pages < pages and self._events < MOST and self._clock() < limit:
            one = queue.popleft()
            if self._passed_over(one):
                continue
            try:
                more = self._page(one)
            except AwsError as error:
                if not self._goes_on(one, error, queue):
                    break
                continue
            self._in_a_row = 0
            self._accepted.add(one.search.name)
            if more:
                queue.append(one)
            else:
                self._complete(one, overlap, max(one.search.begun, oldest))
        later = self._clock() + DENIED
        self._served.update((_id(one), later) for one in due if one.search.group in self._denied)

    def _passed_over(self, one: _Pass) -> bool:
        """Say whether a pass need not be read in this run: what it would find is known, or it would be refused."""
        name = one.search.name
        read_by_another = one.reach != NEW and one.progress.done[one.reach] >= one.going.began
        refused = self._refused[name] >= IN_A_ROW and name not in self._accepted
        return read_by_another or refused or one.search.group in self._absent | self._denied

    def _page(self, one: _Pass) -> bool:
        """Read the next page of a pass; return whether there are more."""
        going, search = one.going, one.search
        if not going.token:
            going.asked = max(math.floor(going.start * 1000), going.at)
        end = math.ceil(going.end * 1000)
        token = {"nextToken": going.token} if going.token else {}
        self.pages += 1
        self._served[_id(one)] = self._clock()
        answer = self._ask(search, {"startTime": going.asked, "endTime": end, **token})
        events = answer["events"]
        following = answer.get("nextToken") or ""
        if not isinstance(events, list):
            raise AwsError("transient", "FilterLogEvents: unreadable answer: events are no list")
        if not isinstance(following, str) or not following.isascii():  # it is noted, and must be readable then
            raise AwsError("transient", "FilterLogEvents: unreadable answer: nextToken is no token")
        if following and following == going.token:
            self._without_token(one)
            raise AwsError("transient", "FilterLogEvents: the pages do not end")
        self._events += len(events)
        going.at = max(going.at, self._take(search, events, going.asked, end))
        going.token = following
        if following:
            one.progress.going[one.reach] = going
        return bool(following)

    def _goes_on(self, one: _Pass, error: AwsError, queue: deque[_Pass]) -> bool:
        """Learn that a page could not be read; return whether others are worth a try."""
        search = one.search
        scope = f"FilterLogEvents {search.group} {search.name or 'presets'}"
        if error.error_class == "bug" and one.going.token:  # it may be the token that is refused: it lives for a day
            self._without_token(one)
            if _id(one) in self._restarted:
                self.failed.append(Failure(scope, "bug", str(error)))
            else:
                self._restarted.add(_id(one))
                queue.append(one)
            return True
        if error.error_class == "absent":  # deleted since it was listed, which the next listing tells
            self._absent.add(search.group)
            self.behind.discard(search[:2])
            return True
        if error.error_class == "bug":
            self._refused[search.name] += 1
            if self._refused[search.name] == 1:
                scope = f"rule {search.name}" if search.name else scope
                self.failed.append(Failure(scope, "bug", f"{search.group}: {error}"))
            return True
        self.failed.append(Failure(scope, error.error_class, str(error)))
        if error.error_class == "denied" and not error.login:
            self._denied.add(search.group)
            return True
        self._in_a_row += 1
        return error.error_class != "throttled" and self._in_a_row < IN_A_ROW

    def _without_token(self, one: _Pass) -> None:
        """Let a pass go on from the newest event that was read."""
        one.going.token = ""
        one.progress.going[one.reach] = one.going

    def _complete(self, one: _Pass, overlap: float, first: float) -> None:
        """Learn that a pass has come to its end: with it, all that are less wide. None begins before `first`."""
        progress, going = one.progress, one.going
        progress.going.pop(one.reach, None)
        if going.start <= max(progress.until - overlap, first) or one.reach == NEW:
            progress.until = max(progress.until, going.began)
        for reach in WIDE:
            if going.start <= max(_from(progress, reach, going.began), first):
                progress.done[reach] = max(going.began, progress.done[reach])
        if one.reach == NEW:
            self.behind.discard(one.search[:2])


def _id(one: _Pass) -> tuple[str, str, float]:
    return (*one.search[:2], one.reach)


def _due(search: Search, progress: Progress, overlap: float, oldest: float, now: float) -> Iterator[_Pass]:
    """Yield the passes of a search that are due, or not complete yet."""
    begun = max(search.begun, oldest)
    for reach in progress.going.keys() - {NEW, *WIDE}:
        del progress.going[reach]
    new = Going(max(begun, min(progress.until, now) - overlap), now, now)
    yield _Pass(search, progress, NEW, structs.replace(progress.going.get(NEW, new)))
    for reach, every in WIDE.items():
        going = progress.going.get(reach)
        if going is None and now >= progress.done[reach] + every:
            going = Going(max(begun, _from(progress, reach, now)), now, now)
        if going:
            yield _Pass(search, progress, reach, structs.replace(going))


def _from(progress: Progress, reach: float, now: float) -> float:
    """Return from when on a wide pass searches: after an outage from where it would have in time."""
    return min(now, progress.done[reach] + WIDE[reach]) - reach


def hold_back(progress: Progress, now: float) -> None:
    """Let nothing have been read in the future, where AWS's clock had been taken for another one."""
    progress.until = min(progress.until, now)
    progress.since = min(progress.since, now)
    progress.done = {reach: min(done, now) for reach, done in progress.done.items()}


def rest(progress: Progress, quiet: tuple[float, float]) -> bool:
    """Let a search of a group rest into which nothing came between two times; return whether it does.

    What had been read by the first of them, has been read by the second.
    """
    since, until = quiet
    if progress.going or not since <= progress.until:
        return False
    progress.until = max(progress.until, until)
    for reach, done in progress.done.items():
        if done >= since:
            progress.done[reach] = max(done, until)
    return True


def still_due(progress: Progress, now: float) -> bool:
    """Say whether a wider pass of a search is due that rests."""
    return any(now >= progress.done[reach] + every for reach, every in WIDE.items())
