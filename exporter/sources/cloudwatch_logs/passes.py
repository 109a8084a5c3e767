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

All searches take turns, a page each, the one first that has waited longest, in whichever process: a search with ten
thousand pages takes as long as it takes, and the others do not wait for it. A pass that has read all that
another one was to read stands in for it: where a page is enough, that of an hour spares that of the run.

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
IN_A_ROW = 3  # log groups that fail, after which a run asks no more: the next would meet the same
DENIED = float(HOUR)  # by so much later is the next turn of what may not be read: a policy may name some log groups
MOST = 50_000  # new events of one run, that are held until they are committed

Ask = Callable[["Search", dict[str, Any]], dict[str, Any]]


class Taken(NamedTuple):
    """What came of the events of a page: the time of the newest (ms), and how many are held."""

    newest: int
    held: int


Take = Callable[["Search", Sequence[Any], int, int], Taken]
"""Takes the events of a page, given the first and last times that were asked for (ms)."""


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
    began, `going` are those that are not complete, `served` is when one of each reach last had a page. `gone` is since
    when there has been nothing to search. What is older than `since` does not count: a rule has come to the log group
    then. `kept` is for how long CloudWatch keeps events there (seconds), 0 for ever.
    """

    until: float
    done: dict[float, float]
    going: dict[float, Going] = {}
    gone: float = 0.0
    since: float = 0.0
    served: dict[float, float] = {}
    kept: float = 0.0


def begin(until: float, since: float = 0.0) -> Progress:
    """Return the progress of a search that begins at a time."""
    return Progress(until, dict.fromkeys(WIDE, until), since=since)


class Search(NamedTuple):
    """What is searched for in one log group: `name` is the rule, "" all presets that apply. Nothing before `begun`."""

    group: str
    name: str
    pattern: str
    begun: float


_Id = tuple[str, str, float]  # group and name of a search, and the reach of a pass


class _Pass(NamedTuple):
    search: Search
    progress: Progress
    reach: float
    going: Going


class Run:
    """One run over the searches of a target: changes their progress as it reads. `clock` tells AWS's time."""

    def __init__(self, ask: Ask, take: Take, clock: Callable[[], float]) -> None:
        self.failed: list[Failure] = []
        self.pages = 0
        self.behind: set[tuple[str, str]] = set()  # groups and names of what has not been read up to this run
        self._ask, self._take, self._clock = ask, take, clock
        self._now = -math.inf
        self._held = 0
        self._refused: Tallies[str] = Tallies()  # by name of the search
        self._accepted: set[str] = set()
        self._absent: set[str] = set()  # log groups that are not there
        self._denied: set[str] = set()  # log groups that may not be read
        self._failing: set[str] = set()  # log groups that can't be read now, since the last one that could
        self._given_up: set[str] = set()  # all of these: they are asked no more in this run
        self._restarted: set[_Id] = set()  # passes whose token was refused
        self._covered: set[_Id] = set()  # and those that another one has made needless

    def over(
        self, searches: Mapping[Search, Progress], overlap: float, oldest: float, pages: int, limit: float
    ) -> None:
        """Search, with so many pages at most, until `limit`; nothing before `oldest`."""
        now = self._now = self._clock()
        due = [one for search, progress in searches.items() for one in _due(search, progress, overlap, oldest, now)]
        due.sort(key=_waited)
        queue = deque(due)
        while queue and self.pages < pages and self._held < MOST and self._clock() < limit:
            one = queue.popleft()
            if self._passed_over(one):
                continue
            try:
                more = self._page(one)
            except AwsError as error:
                if not self._goes_on(one, error, queue):
                    break
                continue
            self._failing.clear()
            self._accepted.add(one.search.name)
            if more:
                queue.append(one)
                continue
            self._complete(one, overlap, max(one.search.begun, oldest))
            if one.reach == NEW and one.going.began < now:  # one of an earlier run: what has come since is not read
                queue.append(one._replace(going=_new(one.search, one.progress, overlap, oldest, now)))
        for one in due:
            if one.search.group in self._denied:
                one.progress.served[one.reach] = self._clock() + DENIED
        self.behind = {
            search[:2]
            for search, progress in searches.items()
            if search.group not in self._absent and (progress.until < now or _overdue(progress, now))
        }

    def _passed_over(self, one: _Pass) -> bool:
        """Say whether a pass need not be read in this run: what it would find is known, or it would be refused."""
        name = one.search.name
        refused = self._refused[name] >= IN_A_ROW and name not in self._accepted
        return refused or _id(one) in self._covered or one.search.group in self._given_up

    def _page(self, one: _Pass) -> bool:
        """Read the next page of a pass; return whether there are more."""
        going, search = one.going, one.search
        if not going.token:
            going.asked = max(math.floor(going.start * 1000), going.at)
        end = math.ceil(going.end * 1000)
        token = {"nextToken": going.token} if going.token else {}
        self.pages += 1
        one.progress.served[one.reach] = self._clock()
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
        taken = self._take(search, events, going.asked, end)
        self._held += taken.held
        going.at = max(going.at, taken.newest)
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
            self._given_up.add(search.group)
            return True
        if error.error_class == "bug":
            self._refused[search.name] += 1
            if self._refused[search.name] == 1:
                scope = f"rule {search.name}" if search.name else scope
                self.failed.append(Failure(scope, "bug", f"{search.group}: {error}"))
            return True
        self.failed.append(Failure(scope, error.error_class, str(error)))
        self._given_up.add(search.group)  # its other passes would meet the same, and take the turns of others
        if error.error_class == "denied" and not error.login:
            self._denied.add(search.group)
            return True
        self._failing.add(search.group)
        return error.error_class != "throttled" and len(self._failing) < IN_A_ROW

    def _without_token(self, one: _Pass) -> None:
        """Let a pass go on from the newest event that was read."""
        one.going.token = ""
        one.progress.going[one.reach] = one.going

    def _complete(self, one: _Pass, overlap: float, first: float) -> None:
        """Learn that a pass has come to its end, and which others have nothing left to read.

        None begins before `first`. What another one has read is going no more, or it would stand in the way of the next
        of its reach for ever.
        """
        progress, going = one.progress, one.going
        progress.going.pop(one.reach, None)
        if going.start <= max(progress.until - overlap, first) or one.reach == NEW:
            progress.until = max(progress.until, going.began)
            self._cover(one, NEW)
        for reach in WIDE:
            if going.start <= max(_from(progress, reach, going.began), first):
                progress.done[reach] = max(going.began, progress.done[reach])
                self._cover(one, reach)

    def _cover(self, one: _Pass, reach: float) -> None:
        """Let a pass stand in for that of another reach, if that began no later: it has had its turn."""
        other = one.progress.going.get(reach)
        began = other.began if other else self._now
        if reach != one.reach and began <= one.going.began:
            one.progress.going.pop(reach, None)
            one.progress.served[reach] = self._clock()
            self._covered.add((*one.search[:2], reach))


def _id(one: _Pass) -> _Id:
    return (*one.search[:2], one.reach)


def _waited(one: _Pass) -> tuple[float, ...]:
    """Return a key by which those come first that have waited longest.

    Searches take turns, and the passes of each: of those that have waited equally long the widest, which may stand in
    for the others.
    """
    progress = one.progress
    last = max(progress.served.values(), default=-math.inf)
    return last, progress.served.get(one.reach, -math.inf), -one.reach, progress.until


def _new(search: Search, progress: Progress, overlap: float, oldest: float, now: float) -> Going:
    """Return the pass of a run, at its beginning."""
    return Going(max(search.begun, oldest, min(progress.until, now) - overlap), now, now)


def _due(search: Search, progress: Progress, overlap: float, oldest: float, now: float) -> Iterator[_Pass]:
    """Yield the passes of a search that are due, or not complete yet."""
    begun = max(search.begun, oldest)
    for reach in progress.going.keys() - {NEW, *WIDE}:
        del progress.going[reach]
    new = progress.going.get(NEW) or _new(search, progress, overlap, oldest, now)
    yield _Pass(search, progress, NEW, structs.replace(new))
    for reach, every in WIDE.items():
        going = progress.going.get(reach)
        if going and going.began <= progress.done[reach]:  # as an earlier version may have left it
            del progress.going[reach]
            going = None
        if going is None and now >= progress.done[reach] + every:
            going = Going(max(begun, _from(progress, reach, now)), now, now)
        if going:
            yield _Pass(search, progress, reach, structs.replace(going))


def _from(progress: Progress, reach: float, now: float) -> float:
    """Return from when on a wide pass searches: after an outage from where it would have in time."""
    return min(now, progress.done[reach] + WIDE[reach]) - reach


def _overdue(progress: Progress, now: float) -> bool:
    """Say whether a wide pass should have ended by when the next one is due."""
    return any(now >= progress.done[reach] + 2 * every for reach, every in WIDE.items())


def hold_back(progress: Progress, now: float) -> None:
    """Let nothing have been read in the future, where AWS's clock had been taken for another one."""
    progress.until = min(progress.until, now)
    progress.since = min(progress.since, now)
    progress.done = {reach: min(done, now) for reach, done in progress.done.items()}
    progress.served = {reach: min(at, now + DENIED) for reach, at in progress.served.items()}


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
