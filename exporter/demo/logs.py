"""Log groups and what is written to them.

Events are written down one by one, or made up by a `Chatter` when somebody asks for them, so that months of history and
ten thousand streams take no memory. Each has a time that its writer gave it, a time at which CloudWatch took it in, and
an id of 56 digits. Times of events are milliseconds, as in AWS's answers; all others are Unix seconds.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from exporter.demo.filter_patterns import matcher
from exporter.demo.traffic import chance, dice, number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

STANDARD, INFREQUENT = "STANDARD", "INFREQUENT_ACCESS"
LATEST = 2 * 86_400  # seconds: nothing here comes later than that
_STORED_UNTIL = 3600  # seconds: storedBytes is renewed each hour


class Event(NamedTuple):
    """One log event, in the order in which CloudWatch lists them: by time, then by when it came in."""

    at: int  # ms
    ingested: int  # ms
    id: str
    stream: str
    message: str


class Writes(Protocol):
    """What writes events."""

    @property
    def per_hour(self) -> float:
        """How many events it writes in an hour."""

    def between(self, start: int, end: int) -> Iterator[Event]:
        """Yield the events of `start` <= t <= `end` (ms), in order of their times."""


@dataclass(frozen=True, slots=True)
class Chatter:
    """Writes an event every `step` seconds, from `since` until `until`: the nth of its `lines`, each as often as said.

    `stream` tells by the number of an event, and its time, who writes it: "" for nobody. One event in so many is late
    (`late_share`), up to `latest` seconds.
    """

    number: int
    since: float
    until: float
    step: float
    lines: tuple[tuple[str, float], ...]
    stream: Callable[[int, float], str]
    late_share: float = 0.0
    latest: float = 600.0

    @property
    def per_hour(self) -> float:
        """How many events it writes in an hour."""
        return 3600 / self.step

    def between(self, start: int, end: int) -> Iterator[Event]:  # noqa: D102 - see Writes
        first = max(0, math.floor((start / 1000 - self.since) / self.step) - 1)
        last = math.ceil((min(end / 1000, self.until) - self.since) / self.step) + 1
        for nth in range(first, last):
            at = round((self.since + (nth + chance(self.number, nth)) * self.step) * 1000)
            if start <= at <= end and at < self.until * 1000:
                luck = number_of(self.number, nth)
                stream = self.stream(luck, at / 1000)
                if stream:
                    yield Event(at, self._ingested(at, luck), event_id(self.number, nth, at), stream, self._line(luck))

    def _ingested(self, at: int, luck: int) -> int:
        late = self.latest if chance(luck, 1) < self.late_share else 3.0
        return at + round((0.2 + late * chance(luck, 2)) * 1000)

    def _line(self, luck: int) -> str:
        picked = chance(luck, 3) * sum(often for _, often in self.lines)
        for line, often in self.lines:
            picked -= often
            if picked < 0:
                return line
        return self.lines[-1][0]


def event_id(*names: object) -> str:
    """Return an id as CloudWatch makes them."""
    return f"{number_of('log event', *names):020d}{number_of('log id', *names):020d}".zfill(56)


@dataclass(slots=True)
class LogGroup:
    """One life of a log group. `filters` are names of subscription filters; `retention` is in days."""

    name: str
    created: float
    retention: int | None = None
    log_class: str = STANDARD
    key: str | None = None
    metric_filters: int = 0
    filters: tuple[str, ...] = ()
    writers: Sequence[Writes] = ()
    deleted: float = math.inf
    written: list[Event] = field(default_factory=list)

    def write(self, event: Event) -> None:
        """Write an event down."""
        insort(self.written, event)

    def between(self, start: int, end: int) -> Iterator[Event]:
        """Yield the events of `start` <= t <= `end` (ms) in AWS's order."""
        stop = bisect_left(self.written, (end + 1,))
        here = self.written[bisect_left(self.written, (start,)) : stop]
        yield from heapq.merge(here, *(writer.between(start, end) for writer in self.writers))

    def stored(self, now: float) -> int:
        """Return how many bytes it keeps, about."""
        until = now // _STORED_UNTIL * _STORED_UNTIL
        kept = until - self.created if self.retention is None else min(until - self.created, self.retention * 86_400)
        hourly = sum(writer.per_hour for writer in self.writers)
        return round(max(kept, 0.0) / 3600 * hourly * 120) + 120 * len(self.written)

    def matches(self, pattern: str, start: float, end: float, now: float = math.inf) -> list[Event]:
        """Return the truth: the events of `start` <= t < `end` that match, and have come in by `now`."""
        matching = matcher(pattern)
        until = math.inf if now == math.inf else now * 1000
        return [
            event
            for event in self.between(round(start * 1000), round(end * 1000) - 1)
            if event.ingested <= until and matching(event.message)
        ]


def spread(names: Sequence[str]) -> Callable[[int, float], str]:
    """Return what gives each event one of some streams."""
    return lambda luck, _: names[dice(luck, 7) % len(names)]


def numbered(pattern: str, streams: int) -> Callable[[int, float], str]:
    """Return what gives each event one of very many streams: `{}` stands for the number."""
    return lambda luck, _: pattern.format(dice(luck, 7) % streams)


def of_jobs(jobs: Iterable[tuple[float, float, str]]) -> Callable[[int, float], str]:
    """Return what gives each event the stream of a job that runs then, if there is one: (start, end, stream)."""
    hours: dict[int, list[tuple[float, float, str]]] = {}
    for job in jobs:
        for hour in range(int(job[0] // 3600), int(job[1] // 3600) + 1):
            hours.setdefault(hour, []).append(job)

    def stream(luck: int, at: float) -> str:
        running = [name for begin, end, name in hours.get(int(at // 3600), ()) if begin <= at < end]
        return running[dice(luck, 7) % len(running)] if running else ""

    return stream
