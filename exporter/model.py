"""The nouns that rooms hand to each other. Imports nothing of ours; computes nothing.

A source returns a `Reading`: plain data, which a test can write down as a literal. The ledger turns readings into a
frozen `Snapshot`; sinks render it. Times are Unix seconds, grids are UTC, values are in AWS's raw unit until a
snapshot is made.

CloudWatch may still change a sum hours after its time. So a counter is kept as blocks of 15 minutes: open ones are read
again and again; one is closed, for ever, when an answer came that AWS dated after its last possible change.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

MINUTE = 60
BLOCK = 900  # counters are summed in blocks of 15 minutes on the UTC grid: few enough numbers to keep for each series
HOUR = 3600
DAY = 86400


class Target(Struct, frozen=True, cache_hash=True):
    """One account in one region."""

    account_id: str
    region: str


class Resource(Struct, frozen=True, cache_hash=True):
    """What a set of CloudWatch series is about: a namespace and one complete dimension set.

    Some AWS services publish the same under several names of a namespace, dimension or metric: its spellings. A
    resource is filed under the first of them, so that they are one series whichever is found.

    `labels` are the values that its families show, `account_id` and `region` first; they follow from the rest.
    """

    target: Target
    namespace: str
    dimensions: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]

    @property
    def shape(self) -> tuple[str, tuple[str, ...]]:
        """Namespace and dimension names: resources of one shape have the same families."""
        return self.namespace, tuple(name for name, _ in self.dimensions)


class Counter(Struct, frozen=True):
    """One statistic that is counted: its CloudWatch identity within a resource, and where it is shown.

    `part` is "" for a counter family, "sum" or "count" for those parts of a summary. `scale` leads from AWS's unit to
    the base unit.
    """

    metric: str
    stat: str
    family: str
    part: str = ""
    scale: float = 1.0


class Window(Struct, frozen=True):
    """One question to CloudWatch: [start, end) at a period, when it was asked and what AWS's clock said in the answer.

    `began` is monotonic and orders readings within a process; `date` decides which blocks the answer may close.
    A window that is not `recent` ends before the present: catching up takes several.
    """

    start: int
    end: int
    period: int
    began: float
    date: float
    recent: bool = True


class Answer(Struct, frozen=True):
    """What CloudWatch said of one counter in one window.

    `blocks` holds (start, sum, points) for the blocks with data; any other block inside the window was read and is
    empty. `complete` is False where CloudWatch did not vouch for the whole answer. `spelling` is the index of the
    spelling that was asked. `begin` says from when a counter counts that the ledger does not have yet.
    """

    counter: Counter
    complete: bool = True
    blocks: tuple[tuple[int, float, int], ...] = ()
    spelling: int = 0
    begin: int | None = None


class Bulk(Struct, frozen=True):
    """What CloudWatch said of many counters in one window, all of it complete: many an `Answer`, in little room.

    `keys` are their metrics and statistics, `spellings` the index of the spelling of each. `blocks` holds, ascending,
    (start, sums, points) for each block in which any of them has data: arrays ("d", "H") in the order of the counters.
    `begin` is that of each, as in `Answer`.
    """

    keys: tuple[tuple[str, str], ...]
    counters: tuple[Counter, ...]
    spellings: bytes
    blocks: tuple[tuple[int, array[float], array[int]], ...]
    begin: int | None = None

    def answers(self) -> Iterator[Answer]:
        """Yield the same one by one."""
        for n, (counter, spelling) in enumerate(zip(self.counters, self.spellings, strict=True)):
            blocks = tuple((start, sums[n], points[n]) for start, sums, points in self.blocks if points[n])
            yield Answer(counter, True, blocks, spelling, self.begin)


class Read(Struct, frozen=True):
    """The answers about one resource from one window, in `bulk` or one by one.

    Those of one counter, in several spellings, stand together.

    The counters are shown until `until` at most, unless another complete reading follows. If the resource is not
    `alive`, they leave 24 h after their last increase. AWS has forgotten what lies before `lost_before`: what was not
    read by now is lost. Before `coarse_before` it keeps whole blocks only (single minutes live for 15 days), so a
    block in which counting began midway is lost too.
    """

    resource: Resource
    window: Window
    answers: tuple[Answer, ...] = ()
    until: float = math.inf
    alive: bool = True
    lost_before: int = 0
    coarse_before: int = 0
    bulk: Bulk | None = None

    def every(self) -> tuple[Answer, ...]:
        """Return all answers, one by one."""
        return (*self.bulk.answers(), *self.answers) if self.bulk else self.answers

    def counters(self) -> Iterable[Counter]:
        """Return the counters that the answers are about."""
        return (*(self.bulk.counters if self.bulk else ()), *(answer.counter for answer in self.answers))


class Standing(Struct, frozen=True):
    """A resource that was not asked: whether it still exists, as far as a complete listing tells."""

    resource: Resource
    alive: bool


class Switch(Struct, frozen=True):
    """Counters of a resource that are no longer to be counted (off), or again (on, from the next block border).

    `at` is when, by AWS's clock: ours may lag, and would count again what was counted before.
    """

    resource: Resource
    counters: tuple[tuple[str, str], ...]
    on: bool
    at: float


class Sample(Struct, frozen=True):
    """One value as it is to be shown, in its base unit.

    `part` is "" for a plain family; "sum", "count" or a number (quantile or upper bound) for parts of one. It stands
    until `until`, or until its `scope` is read whole without it: what a source sees whole or not at all, such as one
    list of AWS. `time` is the true time of the value, for sinks that send one.
    """

    family: str
    labels: tuple[str, ...]
    value: float
    part: str = ""
    scope: str = ""
    until: float = math.inf
    time: float | None = None


class Column(Struct, frozen=True):
    """Values of one family, and one part of it, that are of one time: many samples without a scope, in little room."""

    family: str
    labels: Sequence[tuple[str, ...]]
    values: Sequence[float]
    part: str = ""
    until: float = math.inf
    time: float | None = None


class Effect(Struct, frozen=True):
    """What happened to a family: a counter grows by the amount, or a histogram with `buckets` observes it."""

    family: str
    labels: tuple[str, ...]
    amount: float = 1.0
    buckets: tuple[float, ...] | None = None


class Event(Struct, frozen=True):
    """Something that happened once on a target, with the identity by which it is counted once, and its effects.

    Several sources may tell of the same event: identities are unique within a `kind`, whoever tells, and all who tell
    of a kind look back equally far. A kind is called by a source that tells of it, and what it is:
    `cloudwatch_alarms/state`. Its `tallies` tell of the process, if it counts, and `audit` is what the audit output
    says of it then; None where there is none.
    """

    kind: str
    identity: str
    at: float
    target: Target
    effects: tuple[Effect, ...] = ()
    tallies: tuple[Effect, ...] = ()
    audit: Mapping[str, Any] | None = None


class Sighting(Struct, frozen=True):
    """A thing was seen in a status that it can come back to: the last label of the effect.

    Statuses stand in the order of their times, whoever saw them and in whatever order they are told; each run of one
    status has its effect once, at its beginning. Where `counts` is False, it is remembered only. All who see a thing
    call it by one name.
    """

    thing: str
    at: float
    effect: Effect
    counts: bool = True


class Failure(Struct, frozen=True):
    """A scope that could not be looked at, the class of the error, and a sentence for people."""

    scope: str
    error_class: str
    detail: str = ""


Life = tuple[float, bool]  # when a job ended, or began; whether it ended


class Reading(Struct, frozen=True):
    """One run of a source on a target (None: on no target), and all that came of it.

    `samples` replace what the scopes in `looked` held; every other sample keeps its last good value until its own age
    limit, as all in `columns` do, and counters go by their `reads`. `failed` is what could not be looked at.
    `standings`, `switches` and `forget` (their totals too) are about resources that need no question. What events feed
    is 0 from its entry in `seeds` on, if nothing has been counted yet; it goes with its total when it is in `ended`,
    and out of sight, until it is seeded or counted again, when it is in `hidden`. Events before `not_before` are too
    old to count, and so are runs that begin before it; things in `unseen` are forgotten with what was seen of them.
    `lives` tell when jobs whose hosts CloudWatch measures, by type and name, ended (True), or began anew under a name.
    Of the scopes in `left_out` something was looked at and may not be shown: `limits.series`.
    `notes` is the source's own state (None removes a note), committed with the rest.
    `receipts` are confirmed at the origin once the reading is committed: a queue deletes what it has delivered only
    then. `tallies` tell of the run itself and last as long as the process. `attended` is for how long (seconds, in all)
    the source has run and listed completely, by which a resource that is not asked for very long is forgotten. A
    `volatile` reading is shown without a commit. A source that reads no counters of CloudWatch says in `read_until`
    until when it has read and counted everything, and in `behind` whether it has left something for the next run; None:
    it has, if that is before the reading. `lost_seconds` are of time that nobody can read any more: told once the
    reading is committed.
    """

    source: str
    target: Target | None
    at: float
    samples: tuple[Sample, ...] = ()
    columns: tuple[Column, ...] = ()
    looked: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    reads: tuple[Read, ...] = ()
    standings: tuple[Standing, ...] = ()
    switches: tuple[Switch, ...] = ()
    forget: tuple[Resource, ...] = ()
    seeds: tuple[Effect, ...] = ()
    ended: tuple[Effect, ...] = ()
    hidden: tuple[Effect, ...] = ()
    events: tuple[Event, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    unseen: tuple[str, ...] = ()
    lives: Mapping[str, Life] = {}
    not_before: float = -math.inf
    notes: Mapping[str, Any] = {}
    receipts: tuple[Any, ...] = ()
    tallies: tuple[Effect, ...] = ()
    attended: float = 0.0
    volatile: bool = False
    read_until: float | None = None
    behind: bool | None = None
    lost_seconds: float = 0.0
    left_out: tuple[str, ...] = ()


class Forecast(NamedTuple):
    """What an hour of a source is expected to take on all targets: how often it asks (s), calls, metrics asked.

    `calls` are by operation. Of metrics, `floor` are asked where all is slowed as far as a dollar limit can, and
    `everything` where all is asked in every run.
    """

    every: tuple[float, ...]
    calls: Mapping[str, float]
    metrics: float = 0.0
    floor: float = 0.0
    everything: float = 0.0


class Metered(Protocol):
    """What the ledger knows of the counters of one resource, each at its `position`: to be read, never changed.

    Everything before `read_until` has been read completely once, everything before `closed_until` is final, nothing
    before `counted_from` counts. Times are Unix seconds.
    """

    alive: bool
    used: float  # what `Reading.attended` was when it was last asked, or its standing changed

    @property
    def position(self) -> Mapping[tuple[str, str], int]:
        """Places of the counters by (metric, statistic)."""

    @property
    def read_until(self) -> Sequence[int]:
        """See above."""

    @property
    def closed_until(self) -> Sequence[int]:
        """See above."""

    @property
    def counted_from(self) -> Sequence[int]:
        """See above."""

    @property
    def paused(self) -> Sequence[int]:
        """1 where counting is switched off."""

    @property
    def lease(self) -> Sequence[float]:
        """Until when each may stand without another complete reading; in the past for what is not shown."""

    def total(self, i: int) -> float:
        """Return the total of a counter in AWS's raw unit."""

    def spellings(self, i: int) -> set[int]:
        """Return the spellings that open blocks have counted, and that must be asked for again."""

    def visible(self, i: int, now: float) -> bool:
        """Say whether a counter is shown."""


def _no_values(family: str) -> Mapping[tuple[str, ...], float]:  # noqa: ARG001 - it is asked for any
    return {}


def _none_counted(kind: str, identities: list[str]) -> set[str]:  # noqa: ARG001 - it is asked for any
    return set()


def _never_looked(source: str, scope: str) -> float:  # noqa: ARG001 - it is asked for any
    return 0.0


class Known(NamedTuple):
    """What the ledger knows of a source on a target: its notes, its counters, the scopes of which it has samples.

    And of things, whoever has seen them: their `runs`, lists of times and statuses, by their names; of jobs that have
    ended a short while ago their `lives`: see `Reading`. `values` returns what all sources have told of a family on the
    target, by its label values: totals as they are counted, without first zeros, and whether or not they are shown.
    `counted` returns which events of a kind have been counted, by their identities, so that a source that finds
    millions again need not hold them. `looked` returns when another source last looked at all of a scope, in this
    process, and 0 if it has not: so that what has no value is known to be nothing.
    """

    notes: Mapping[str, Any] = {}
    meters: Mapping[Resource, Metered] = {}
    scopes: frozenset[str] = frozenset()
    runs: Mapping[str, Any] = {}
    lives: Mapping[str, Life] = {}
    values: Callable[[str], Mapping[tuple[str, ...], float]] = _no_values
    counted: Callable[[str, list[str]], set[str]] = _none_counted
    looked: Callable[[str, str], float] = _never_looked


class Turn(NamedTuple):
    """What is given to a source that follows messages to what they announce.

    `wanted` says whether a target counts; `targets` are all that do, None where those do that are found. `known` is
    what the ledger knows of a target, `now` the time by our clock. `stop` says whether the turn is to end.
    """

    wanted: Callable[[Target], bool]
    targets: Sequence[Target] | None
    known: Callable[[Target], Known]
    now: float
    stop: Callable[[], bool]


class Chunk(Struct, frozen=True):
    """The series of one family on one target: `columns[part][i]` is the value under `labels[i]`.

    It is None where a part is absent, which a family of one part (the column "") never is.
    """

    labels: tuple[tuple[str, ...], ...]
    columns: Mapping[str, tuple[float | None, ...]]

    @property
    def series(self) -> int:
        """Number of series."""
        if len(self.columns) == 1:
            return len(self.labels)
        return sum(len(column) - column.count(None) for column in self.columns.values())


class Snapshot(Struct, frozen=True):
    """Everything that is exposed at one instant, and its number; chunks are by family and target.

    A chunk that has not changed is the same object as before, so that a sink need not render it again.
    """

    number: int
    at: float
    chunks: Mapping[tuple[str, Target | None], Chunk]
