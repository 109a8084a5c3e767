"""Which stretches of time to ask for: pure arithmetic on the marks of counters.

All times are Unix seconds; windows begin and end on the grid of their period.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from exporter.model import BLOCK, DAY, HOUR, MINUTE

NARROW = 5 * MINUTE
FINE_REACH = 6 * HOUR  # what is older is caught up at the width of a block
MARGIN = 10 * MINUTE  # a request is not answered at once, and CloudWatch empties what is too old without a word
KEPT_FINEST = 3 * HOUR - MARGIN  # how long CloudWatch keeps periods below a minute: API_GetMetricData, StartTime
KEPT_FINE = 15 * DAY - MARGIN  # how long it keeps 60 s
KEPT = 63 * DAY - MARGIN  # how long it keeps 300 s, and so the width of a block


class Marks(NamedTuple):
    """How far counters have been read, at the least; `partial` are open blocks in which counting began midway."""

    read_until: int
    closed_until: int
    partial: tuple[int, ...] = ()


class Span(NamedTuple):
    """A window to ask for: [start, end) at a period. See `model.Window` and `model.Read`."""

    start: int
    end: int
    period: int
    recent: bool = True
    lost_before: int = 0
    coarse_before: int = 0


def marks(counters: Iterable[tuple[int, int, int]]) -> Marks:
    """Return the marks of counters, given as (read_until, closed_until, counted_from)."""
    known = tuple(counters)
    return Marks(
        read_until=min(read for read, _, _ in known),
        closed_until=min(closed for _, closed, _ in known),
        partial=tuple(sorted({closed for _, closed, counted in known if closed < counted})),
    )


def spans(now: float, at: Marks, width: float, *, deep: bool, deep_settle: float) -> list[Span]:
    """Return the windows that a reading needs, the oldest first; none if counting has yet to begin.

    `width` (seconds) is how far back to look at least; a deep reading goes back to the last closed block, so that
    blocks can be closed.
    """
    end = int(now) // MINUTE * MINUTE + MINUTE
    start = min(at.closed_until, _border(now - deep_settle)) if deep else _border(min(at.read_until, now - width))
    start = max(start, at.closed_until)
    if start >= end:
        return []
    lost = _border(now - KEPT) + BLOCK if start < now - KEPT else 0
    start = max(start, lost)
    fine = _border(now - FINE_REACH)
    if start >= fine:
        return [Span(start, end, MINUTE, lost_before=lost)]
    span = partial(Span, lost_before=lost, coarse_before=_border(now - KEPT_FINE) + BLOCK)
    found = []
    for block in at.partial:
        if block >= now - KEPT_FINE:
            found.append(span(block, block + BLOCK, MINUTE, recent=False))
            if start == block:
                start += BLOCK
    if start < fine:
        found.append(span(start, fine, BLOCK, recent=False))
    return [*found, span(fine, end, MINUTE)]


def gauge_span(now: float, width: float, period: int) -> Span:
    """Return the window in which the newest value of a gauge is looked for."""
    if period < MINUTE:  # kept for 3 h only: beyond that the answer is Complete and empty
        width = min(width, KEPT_FINEST - 2 * period)
    end = int(now) // period * period + period
    return Span(end - period * (1 + -(-int(width) // period)), end, period)


def _border(at: float) -> int:
    """Return the block border at or before a time."""
    return int(at) // BLOCK * BLOCK
