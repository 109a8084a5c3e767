"""The counters of one resource: how a total follows CloudWatch's final sums exactly (law L1).

Here: the arithmetic of blocks, and when a counter may be seen. Not here: storage, families, threads.

A meter keeps, for each of its counters, what is `closed` (final, one number) and a ring of `size` open blocks:

    counter i:  closed_until[i]                                   read_until[i]
    ... closed |-- block --|-- block --|-- block --|-- block --|--^-- block --|  (now)
                 place i of row (start // 900) % size in `sums`, `points`, `kinds`

`total` = closed + the open blocks, computed and never accumulated, so that no repeat, restart or late answer can add
anything twice. That is 11 bytes a block and some 60 a counter, in arrays: an object for each block would be ten times
as much. A row holds one block of all counters, so that what is the same for many is done with slices of arrays, at a
tenth of the cost of one counter after the other: `_follow` takes the usual reading so, `_count` any other.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from functools import lru_cache
from itertools import groupby
from operator import add, gt, lt
from typing import NamedTuple, Self

import msgspec

from exporter.model import BLOCK, DAY, MINUTE, Answer, Bulk, Counter, Read, Resource, Window

TOLERANCE = 1e-9  # relative; a fall below it is arithmetic, not a revision
LINGER = DAY  # a counter of a resource that is gone leaves this long after its last increase
RECOVERY = 15 * MINUTE  # a counter that can't be read up to now is shown anyway this long after reads work again
DOUBTS = 3  # a final answer with fewer points is believed when it was given this many times,
DOUBT_APART = 10 * MINUTE  # each this long after the one before
ROOMY = 64  # a ring of more blocks than this is given back once it has emptied

COARSE = 0x80  # of a block's kind: counted at the block's width, not at 60 s; the low bits are the spelling

_OF_BLOCKS = ("sums", "points", "kinds")
_STORED = (
    "closed",
    "exposed",
    "read_until",
    "closed_until",
    "counted_from",
    "increased",
    "first_shown",
    "paused",
    *_OF_BLOCKS,
)


_OWN = (*_STORED, "began", "lease")
_SHARED = ("ahead", "alive", "counters", "position", "resource", "size", "used")


class Rules(NamedTuple):
    """Windows that decide when a block is final and a revision late (seconds)."""

    settle: float = 15 * MINUTE
    deep_settle: float = 180 * MINUTE


class Revision(NamedTuple):
    """A block whose sum changed after an earlier reading had counted it to its end."""

    direction: str
    late: bool


class Counted(NamedTuple):
    """What a reading did to a meter, for those who report it."""

    revisions: tuple[Revision, ...] = ()
    short: int = 0
    lost_seconds: float = 0.0


class _Block(NamedTuple):
    """An open block: its sum, the number of its points, and how they were asked for (spelling, `COARSE`)."""

    sum: float = 0.0
    points: int = 0
    kind: int = 0


class _Doubt(NamedTuple):
    """A final answer that holds fewer points than an earlier one, how often it was given, and when last."""

    given: _Block
    times: int
    at: float


class _Progress(NamedTuple):
    """What one window did to one counter."""

    revisions: list[Revision]
    short: int
    moved: bool  # `read_until` moved on
    whole: bool  # and now stands at the end of the window
    from_closed: bool  # the window began at or before the last closed block


class Meter:
    """The counters of one resource. Treat an instance that others can see as frozen: change a `copy`.

    `exposed` is the value that the counter shows whenever it is visible: its highest total so far, NaN while it still
    stands at its first 0. `ahead` holds the counters that wait there for their total to catch up after a downward
    revision. `lease` says until when a counter is visible without another complete reading; it is infinite for one at
    rest, whose blocks are all closed and which is not asked any more. `lease`, `began`, `ahead`, `recovering` and
    `doubts` live as long as the process: after a start nothing is shown before it is read again.
    """

    __slots__ = (
        "ahead",
        "alive",
        "began",
        "closed",
        "closed_until",
        "counted_from",
        "counters",
        "doubts",
        "exposed",
        "first_shown",
        "increased",
        "kinds",
        "lease",
        "paused",
        "points",
        "position",
        "read_until",
        "recovering",
        "resource",
        "size",
        "sums",
        "used",
    )

    def __init__(self, resource: Resource, size: int = 8) -> None:
        self.resource = resource
        self.size = size
        self.counters, self.position = _named(())
        self.closed = array("d")
        self.exposed = array("d")
        self.read_until = array("I")
        self.closed_until = array("I")
        self.counted_from = array("I")
        self.increased = array("d")
        self.first_shown = array("d")
        self.paused = array("B")
        self.sums = array("d")
        self.points = array("H")
        self.kinds = array("B")
        self.began = array("d")
        self.lease = array("d")
        self.alive = True
        self.used = 0.0
        self.ahead: frozenset[int] = frozenset()
        self.recovering: dict[int, float] = {}
        self.doubts: dict[tuple[int, int], _Doubt] = {}

    def copy(self) -> Self:
        """Return an independent copy, to be changed."""
        twin = object.__new__(type(self))  # what `copy.copy` does, in a third of its time
        for name in _SHARED:
            setattr(twin, name, getattr(self, name))
        for name in _OWN:
            setattr(twin, name, getattr(self, name)[:])
        twin.recovering, twin.doubts = self.recovering.copy(), self.doubts.copy()
        return twin

    # -- what is counted ---------------------------------------------------------------------------------------------

    def total(self, i: int) -> float:
        """Return the total of a counter in AWS's raw unit."""
        return self.closed[i] + sum(self.sums[i :: len(self.counters)])

    def value(self, i: int) -> float:
        """Return what may be shown: the highest total so far, or the first 0."""
        exposed = self.exposed[i]
        return 0.0 if math.isnan(exposed) else exposed

    def visible(self, i: int, now: float) -> bool:
        """Say whether a counter may be seen: read lately, and its resource exists or was busy in the last day."""
        return self.lease[i] > now and (self.alive or self.increased[i] + LINGER > now)

    def changes_at(self, now: float) -> float:
        """Return the time at which the next of its counters leaves by age."""
        if self.alive and min(self.lease, default=math.inf) > now:
            return min(self.lease, default=math.inf)
        ends = (
            min(lease, math.inf if self.alive else busy + LINGER)
            for lease, busy in zip(self.lease, self.increased, strict=True)
        )
        return min((end for end in ends if end > now), default=math.inf)

    def marks(self) -> tuple[int, int] | None:
        """Return the earliest `read_until` and `closed_until` of the counters that are asked for; None without any.

        As far as the meter knows, they are those that are not paused, and not at rest.
        """
        read, closed = self.read_until, self.closed_until
        if any(self.paused) or math.inf in self.lease:
            asked = [i for i, lease in enumerate(self.lease) if lease != math.inf and not self.paused[i]]
            read, closed = (array("I", map(column.__getitem__, asked)) for column in (read, closed))
        return (min(read), min(closed)) if read else None

    def spellings(self, i: int) -> set[int]:
        """Return the spellings that the open blocks of a counter have counted, and must be asked for again."""
        n = len(self.counters)
        if not any(self.points[i::n]):
            return set()
        return {kind & ~COARSE for kind, points in zip(self.kinds[i::n], self.points[i::n], strict=True) if points}

    def count(self, read: Read, now: float, rules: Rules) -> Counted:
        """Count the answers of one window. An answer older than the last one counted is left out."""
        revisions: list[Revision] = []
        short, lost = 0, 0.0
        self.alive = read.alive
        if read.bulk:
            followed = self._follow(read, read.bulk, now, rules)
            if followed is not None:
                return Counted(followed)
        for counter, group in groupby(read.every(), key=_counter):
            answers = tuple(group)
            i = self._place(counter, answers[0].begin, now)
            if i is None or self.paused[i] or read.window.began < self.began[i]:
                continue
            self.began[i] = read.window.began
            lost += self._lose(i, read.lost_before)
            if self.closed_until[i] < min(self.counted_from[i], read.coarse_before):
                lost += self._lose(i, self.closed_until[i] + BLOCK)  # its first block can't be told apart any more
            if all(answer.complete for answer in answers):
                progress = self._count(i, answers, read.window, rules)
                revisions += progress.revisions
                short += progress.short
                self._expose(i, now)
                self._renew(i, read, progress, now)
        if read.bulk:
            self._gather(read.bulk.keys)
        if self.size > ROOMY:
            self._fit()
        return Counted(tuple(revisions), short, lost)

    def _place(self, counter: Counter, begin: int | None, now: float) -> int | None:
        """Return the position of a counter; a new one is counted from `begin`, and one without it is left out."""
        key = (counter.metric, counter.stat)
        i = self.position.get(key)
        if i is not None or begin is None:
            return i
        n = len(self.counters)
        self.counters, self.position = _named((*self.counters, key))
        for end in range(self.size * n, 0, -n) if n else [0] * self.size:
            self.sums.insert(end, 0.0)
            self.points.insert(end, 0)
            self.kinds.insert(end, 0)
        self.closed.append(0.0)
        self.exposed.append(math.nan)
        self.read_until.append(begin)
        self.closed_until.append(begin - begin % BLOCK)
        self.counted_from.append(begin)
        self.increased.append(now)
        self.first_shown.append(0.0)
        self.paused.append(0)
        self.began.append(-math.inf)
        self.lease.append(-math.inf)
        return len(self.counters) - 1

    def _gather(self, keys: tuple[tuple[str, str], ...]) -> None:
        """Let counters that are asked together stand together, as `_follow` wants them."""
        first = self.position.get(keys[0], 0)
        if self.counters[first : first + len(keys)] == keys or not self.position.keys() >= set(keys):
            return
        moved = set(keys)
        self._arrange([self.position[key] for key in (*(key for key in self.counters if key not in moved), *keys)])

    def _arrange(self, order: list[int]) -> None:
        """Put counters into another order, given by their places until now."""
        n = len(order)
        self.counters, self.position = _named(tuple(self.counters[i] for i in order))
        for name in _OWN:
            column = getattr(self, name)
            rows = range(0, len(column), n)
            column[:] = array(column.typecode, (column[row + i] for row in rows for i in order))
        now_at = {i: k for k, i in enumerate(order)}
        self.ahead = frozenset(now_at[i] for i in self.ahead)
        self.recovering = {now_at[i]: since for i, since in self.recovering.items()}
        self.doubts = {(now_at[i], block): doubt for (i, block), doubt in self.doubts.items()}

    def _lose(self, i: int, before: int) -> float:
        """Close what AWS no longer holds as it stands; return the seconds that were never read."""
        if before <= self.closed_until[i]:
            return 0.0
        lost = max(0, before - self.read_until[i])
        self.closed[i] += math.fsum(self._block(i, block).sum for block in self._filled(i, end=before))
        self._clear(i, before)
        self.closed_until[i] = before
        self.read_until[i] = max(self.read_until[i], before)
        self._doubt_no_more(i, before)
        return float(lost)

    def _doubt_no_more(self, i: int, before: int) -> None:
        """Forget what was doubted of blocks before a border: they are closed."""
        self.doubts = {of: doubt for of, doubt in self.doubts.items() if of[0] != i or of[1] >= before}

    def _follow(self, read: Read, bulk: Bulk, now: float, rules: Rules) -> tuple[Revision, ...] | None:
        """Take in the usual reading, with the outcome that `_count` would have; return None for any other, untouched.

        Usual is what nearly all are: single minutes, up to now, from where all of the counters were read before, with
        no fewer points than before, and nothing doubted, paused, partly counted or hidden.
        """
        window, a = read.window, self.position.get(bulk.keys[0], 0)
        n, b = len(self.counters), a + len(bulk.keys)
        if self.counters[a:b] != bulk.keys:
            return None
        start, end, closed, had = window.start, window.end, self.closed_until[a], self.read_until[a]
        counted_from = self.counted_from[a:b]
        from_closed = start <= max(closed, *counted_from)
        first = closed if from_closed else -(-start // BLOCK) * BLOCK  # a block cut by the start is not read
        usual = (
            window.period == MINUTE
            and window.recent
            and max(start, first) <= had <= end <= closed + self.size * BLOCK
            and not ((self.doubts or self.recovering or self.ahead) and self._odd(a, b))
            and _alike(self.closed_until[a:b])
            and _alike(self.read_until[a:b])
            and (not from_closed or max(counted_from) <= closed or _alike(counted_from))
            and max(read.lost_before, read.coarse_before) <= closed
            and not any(self.paused[a:b])
            and max(self.began[a:b]) <= window.began
            and (from_closed or min(self.lease[a:b]) > now)
            and not any(map(math.isnan, self.exposed[a:b]))
        )
        if not usual:
            return None
        given = {block: (sums, points) for block, sums, points in bulk.blocks if block >= first}
        revisions: list[Revision] = []
        rows: dict[int, slice] = {}
        for block in range(first, end, BLOCK):
            row = block // BLOCK % self.size * n
            rows[block] = at = slice(row + a, row + b)
            had_points = self.points[at]
            if block not in given:
                if any(had_points):
                    return None
                continue
            sums, points = given[block]
            if points != had_points and any(map(gt, had_points, points)):
                return None
            if any(had_points) and self.kinds[at].tobytes() != bulk.spellings:
                return None
            if had >= block + BLOCK and sums != self.sums[at]:
                late = window.date > block + BLOCK + rules.settle
                changes = ((one, other) for one, other in zip(sums, self.sums[at], strict=True) if one != other)
                revisions += [
                    Revision("up" if one > other else "down", late) for one, other in changes if not _same(one, other)
                ]
        reach = _reach(window)
        border = (min(reach, math.ceil(window.date - rules.deep_settle) - 1)) // BLOCK * BLOCK
        if from_closed and border > closed:
            final = [sums for block, (sums, _) in given.items() if block < border]
            for block in range(closed, border, BLOCK):
                self._put(rows[block], array("d", bytes(8 * (b - a))), array("H", bytes(2 * (b - a))), bytes(b - a))
            if final:
                self.closed[a:b] = array("d", map(add, self.closed[a:b], map(math.fsum, zip(*final, strict=True))))
            self.closed_until[a:b] = array("I", [border]) * (b - a)
        for block, (sums, points) in given.items():
            if block >= self.closed_until[a]:
                self._put(rows[block], sums, points, bulk.spellings)
        self.read_until[a:b] = array("I", [max(had, reach)]) * (b - a)
        self.began[a:b] = array("d", [window.began]) * (b - a)
        self.lease[a:b] = array("d", [read.until]) * (b - a)
        self._expose_all(a, b, now)
        return tuple(revisions)

    def _odd(self, a: int, b: int) -> bool:
        """Say whether any of the counters at these places is ahead, recovers, or has a block that is doubted."""
        return any(a <= i < b for i in (*self.ahead, *self.recovering, *(i for i, _ in self.doubts)))

    def _put(self, at: slice, sums: array[float], points: array[int], kinds: bytes) -> None:
        self.sums[at], self.points[at], self.kinds[at] = sums, points, array("B", kinds)

    def _expose_all(self, a: int, b: int, now: float) -> None:
        """Expose counters that stand together, none of them at its first 0, as `_expose` would."""
        totals = array("d", map(self.total, range(a, b)))
        exposed = self.exposed[a:b]
        if totals == exposed:
            return
        if any(map(lt, totals, exposed)):
            for i in range(a, b):
                self._expose(i, now)
            return
        self.exposed[a:b] = totals
        for i, total, shown in zip(range(a, b), totals, exposed, strict=True):
            if total > shown * (1 + TOLERANCE):
                self.increased[i] = now

    def _count(self, i: int, answers: tuple[Answer, ...], window: Window, rules: Rules) -> _Progress:
        """Take in what complete answers say of one counter.

        1. Which blocks the window covers: those with points in an answer, and those counted before (now empty?).
        2. Each is taken as it is given, unless it was not asked in its spelling or its answer is doubted.
        3. `read_until` moves over all that was taken, if the window began where it stood.
        4. What is final is closed, in turn, if the window began at the last closed block; the rest is stored open.
        """
        had_closed, had_read = self.closed_until[i], self.read_until[i]
        if window.period == BLOCK and had_closed < self.counted_from[i]:
            return _Progress([], 0, moved=False, whole=False, from_closed=False)  # its first block needs single minutes
        from_closed = window.start <= max(had_closed, self.counted_from[i])
        first = had_closed if from_closed else -(-window.start // BLOCK) * BLOCK  # a block cut by the start is not read
        blocks = {block for answer in answers for block, _, points in answer.blocks if points and block >= first}
        blocks.update(self._filled(i, first, window.end))
        taken: dict[int, _Block] = {}
        reach = _reach(window)
        unread, short = reach, 0
        revisions: list[Revision] = []
        for block in sorted(blocks):
            stored, end = self._block(i, block), block + BLOCK
            given = _choose(answers, block, stored, window.period)
            doubted = given is not None and self._doubted(i, block, stored, given, window.date, rules)
            if given is None or doubted:
                unread, short = min(unread, block), short + doubted
                continue
            taken[block] = given
            if given.sum != stored.sum and min(had_read, window.end) >= end and not _same(given.sum, stored.sum):
                revisions.append(Revision("up" if given.sum > stored.sum else "down", window.date > end + rules.settle))
        if window.start <= had_read:
            self.read_until[i] = max(had_read, unread)
        final = math.ceil(window.date - rules.deep_settle) - 1  # nothing up to it changes any more
        border = min(self.read_until[i], unread, final) // BLOCK * BLOCK
        if from_closed and border > had_closed:
            self._clear(i, border)
            self.closed[i] += math.fsum(given.sum for block, given in taken.items() if block < border)
            self.closed_until[i] = border
        for block, given in taken.items():
            if block >= self.closed_until[i]:
                self._store(i, block, given)
        return _Progress(
            revisions=revisions,
            short=short,
            moved=self.read_until[i] > had_read,
            whole=self.read_until[i] >= reach,
            from_closed=from_closed,
        )

    def _doubted(self, i: int, block: int, stored: _Block, given: _Block, date: float, rules: Rules) -> bool:
        """Say whether an answer holds fewer points than were counted, and is not yet believed all the same.

        A whole block is one point where single minutes were fifteen: only points of one period are compared.
        """
        same_period = (stored.kind & COARSE) == (given.kind & COARSE)
        if given.points >= stored.points or (given.points and not same_period):
            self.doubts.pop((i, block), None)
            return False
        if date <= block + BLOCK + rules.deep_settle:
            return True
        doubt = self.doubts.get((i, block))
        if doubt is None or doubt.given != given:
            doubt = _Doubt(given, 1, date)
        elif date >= doubt.at + DOUBT_APART:
            doubt = _Doubt(given, doubt.times + 1, date)
        self.doubts[i, block] = doubt
        if doubt.times < DOUBTS:
            return True
        del self.doubts[i, block]
        return False

    # -- the ring of open blocks -------------------------------------------------------------------------------------

    def _filled(self, i: int, start: int = 0, end: int | None = None) -> list[int]:
        """Return the starts of the open blocks in [start, end) that hold points."""
        n, closed = len(self.counters), self.closed_until[i]
        if not any(self.points[i::n]):
            return []
        last = closed + self.size * BLOCK
        reach = range(max(start, closed), last if end is None else min(end, last), BLOCK)
        return [block for block in reach if self.points[block // BLOCK % self.size * n + i]]

    def _block(self, i: int, block: int) -> _Block:
        if block >= self.closed_until[i] + self.size * BLOCK:
            return _Block()
        slot = block // BLOCK % self.size * len(self.counters) + i
        return _Block(self.sums[slot], self.points[slot], self.kinds[slot])

    def _store(self, i: int, block: int, given: _Block) -> None:
        need = 1 + (block - self.closed_until[i]) // BLOCK
        if need > self.size:
            self._resize(max(need, self.size + self.size // 2))
        slot = block // BLOCK % self.size * len(self.counters) + i
        self.sums[slot], self.points[slot], self.kinds[slot] = given

    def _clear(self, i: int, before: int) -> None:
        """Empty the open blocks before a border."""
        for block in self._filled(i, end=before):
            self._store(i, block, _Block())

    def _resize(self, size: int) -> None:
        """Lay the ring out anew: a block that can't be read keeps all later ones open."""
        n = len(self.counters)
        sums, points, kinds = (
            array("d", bytes(8 * n * size)),
            array("H", bytes(2 * n * size)),
            array("B", bytes(n * size)),
        )
        for i in range(n):
            for block in self._filled(i):
                slot = block // BLOCK % size * n + i
                sums[slot], points[slot], kinds[slot] = self._block(i, block)
        self.size, self.sums, self.points, self.kinds = size, sums, points, kinds

    def _fit(self) -> None:
        """Give back the space of a ring that had to grow, once its blocks have closed."""
        need = 1 + max(
            (b - self.closed_until[i] for i in range(len(self.counters)) for b in self._filled(i)), default=0
        )
        if 4 * (need // BLOCK + 1) < self.size:
            self._resize(2 * (need // BLOCK + 1))

    # -- what is seen ------------------------------------------------------------------------------------------------

    def _expose(self, i: int, now: float) -> None:
        """Let the shown value follow the total upwards; not while the first 0 stands, and never down."""
        total, shown = self.total(i), self.value(i)
        if total > shown * (1 + TOLERANCE):
            self.increased[i] = now
        if total < shown * (1 - TOLERANCE):
            self.ahead |= {i}
        else:
            self.ahead -= {i}
        if not math.isnan(self.exposed[i]):
            self.exposed[i] = max(self.exposed[i], total)

    def _renew(self, i: int, read: Read, progress: _Progress, now: float) -> None:
        """Decide until when the counter may stand without another complete reading.

        A counter that is seen stays while it is read up to now. One that is not (a start, a gap) returns in one step
        when it has been read from its last closed block up to now; where that takes long, `RECOVERY` after reads
        began to work again, as long as it makes headway.
        """
        up_to_now = progress.whole and read.window.recent
        if up_to_now and progress.from_closed:
            self.recovering.pop(i, None)
        elif self.lease[i] <= now:
            since = self.recovering.setdefault(i, now)
            if not progress.moved or now < since + RECOVERY:
                return
        elif not up_to_now and not (progress.moved and i in self.recovering):
            return
        self.lease[i] = read.until

    def release(self, i: int, now: float) -> None:
        """End the first 0 of a counter: from now on its total is shown."""
        self.exposed[i] = max(0.0, self.total(i))
        self.increased[i] = now

    # -- switches ----------------------------------------------------------------------------------------------------

    def pause(self, i: int) -> None:
        """Stop counting: the open blocks are taken as they stand."""
        self.closed[i] = self.total(i)
        self._clear(i, self.closed_until[i] + self.size * BLOCK)
        self.paused[i] = 1
        self.lease[i] = -math.inf
        self.recovering.pop(i, None)
        self._doubt_no_more(i, self.closed_until[i] + self.size * BLOCK)

    def resume(self, i: int, now: float) -> None:
        """Count again, on top of the old total, from the next block border; never from one that is counted already."""
        border = max(math.ceil(max(now, self.read_until[i]) / BLOCK) * BLOCK, self.closed_until[i])
        self.read_until[i] = self.closed_until[i] = self.counted_from[i] = border
        self.paused[i] = 0

    # -- what is stored ----------------------------------------------------------------------------------------------

    def dump(self) -> bytes:
        """Return all that must survive a restart."""
        stored = {name: getattr(self, name).tobytes() for name in _STORED}
        return msgspec.msgpack.encode((self.counters, self.size, self.alive, self.used, stored))

    @classmethod
    def load(cls, resource: Resource, dumped: bytes) -> Self:
        """Return the meter that was dumped; nothing of it is seen before it is read again. Raises ValueError."""
        counters, size, alive, used, stored = msgspec.msgpack.decode(dumped, type=_Dump)
        meter = cls(resource, size)
        meter.counters, meter.position = _named(counters)
        meter.alive, meter.used = alive, used
        for name in _STORED:
            column = getattr(meter, name)
            column.frombytes(stored.get(name, b""))
            if len(column) != len(counters) * (size if name in _OF_BLOCKS else 1):
                raise ValueError(f"{len(counters)} counters of {resource}, and {len(column)} values of {name}")
        meter.began.extend([-math.inf] * len(counters))
        meter.lease.extend([-math.inf] * len(counters))
        return meter


_Dump = tuple[tuple[tuple[str, str], ...], int, bool, float, dict[str, bytes]]


@lru_cache(maxsize=4096)
def _named(counters: tuple[tuple[str, str], ...]) -> tuple[tuple[tuple[str, str], ...], Mapping[tuple[str, str], int]]:
    """Return counters and their places, the same objects for all meters that have the same counters."""
    return counters, {key: i for i, key in enumerate(counters)}


def _reach(window: Window) -> int:
    """Return up to where a window can be read completely: a minute that goes on has been asked for, and is not over."""
    return min(window.end, int(window.date) // MINUTE * MINUTE)


def _same(one: float, other: float) -> bool:
    """Say whether two sums differ by arithmetic only."""
    return math.isclose(one, other, rel_tol=TOLERANCE)


def _alike(column: array[int]) -> bool:
    return column.count(column[0]) == len(column)


def _counter(answer: Answer) -> Counter:
    return answer.counter


def _choose(answers: tuple[Answer, ...], block: int, stored: _Block, period: int) -> _Block | None:
    """Return what the answers say of a block: of the spelling it has counted, else of the first one with points.

    None if the spelling that it has counted was not asked: spellings are one series, and are never added up.
    """
    coarse = COARSE if period == BLOCK else 0
    kept = stored.kind & ~COARSE if stored.points else None
    asked = [answer for answer in answers if kept is None or answer.spelling == kept]
    for answer in asked:
        for start, total, points in answer.blocks:
            if start == block and points:
                return _Block(total, points, answer.spelling | coarse)
    return _Block(0.0, 0, coarse | (kept or 0)) if asked else None
