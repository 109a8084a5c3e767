"""Where every room gets the time from: the machine's clock, held back by AWS's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

BELIEVED = 300.0  # seconds that one answer of AWS may be off from the others


class Clock(Protocol):
    """Where every room gets the time from, so that a test can own it."""

    def now(self) -> float:
        """Return Unix time in seconds, never ahead of AWS's clock once AWS has answered."""

    def aws(self) -> float:
        """Return AWS's time as last seen plus what has passed since; the local time before that (Unix seconds)."""

    def local(self) -> float:
        """Return the machine's own time, right or wrong (Unix seconds)."""

    def monotonic(self) -> float:
        """Return seconds that only grow, across suspends too; comparable within one process."""

    def witness(self, date: float) -> None:
        """Learn what AWS's clock said in an answer that has just arrived (seconds)."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for the event, at most so many seconds of this clock; return whether it is set."""


def _suspend_aware_monotonic() -> float:
    """Return a monotonic time that counts suspends: a laptop that slept for hours must see a gap."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class _Seen(NamedTuple):
    """What AWS's clock said, and when that was by our monotonic one."""

    date: float
    at: float

    @property
    def ahead(self) -> float:
        """By how much AWS's time is ahead of our monotonic one."""
        return self.date - self.at


class SystemClock:
    """The machine's clock, corrected by AWS's: a local clock that runs ahead must not ask for, or close, the future.

    `speed` and `origin` serve demonstrations against a fake AWS: simulated seconds per second, and the simulated
    time at construction.
    """

    def __init__(
        self,
        speed: float = 1.0,
        origin: float | None = None,
        local: Callable[[], float] = time.time,
        steady: Callable[[], float] = _suspend_aware_monotonic,
    ) -> None:
        self._speed = speed
        self._local = local
        self._steady = steady
        self._real_origin = local()
        self._origin = self._real_origin if origin is None else origin
        self._ceiling: _Seen | None = None
        self._doubted: _Seen | None = None  # by the last answer, if it told another time

    def local(self) -> float:
        """Return the machine's own time, right or wrong (Unix seconds)."""
        return self._origin + (self._local() - self._real_origin) * self._speed

    def now(self) -> float:
        """Return the lesser of the local time and AWS's time as last seen plus what has passed since."""
        return min(self.local(), self.aws())

    def aws(self) -> float:
        """Return AWS's time as last seen plus what has passed since; the local time before that."""
        seen = self._ceiling
        return self.local() if seen is None else self.monotonic() + seen.ahead

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return self._steady() * self._speed

    def witness(self, date: float) -> None:
        """Take AWS's time for the ceiling of ours; one that neither answers so far nor we tell, once two do shortly.

        One server whose clock is wrong would set ours by days, and days would count that have not passed.
        """
        seen = _Seen(date, self.monotonic())
        others = self._ceiling or seen
        if min(abs(seen.ahead - others.ahead), abs(date - self.local())) > BELIEVED:
            doubted, self._doubted = self._doubted, seen
            if doubted is None or seen.at - doubted.at > BELIEVED or abs(seen.ahead - doubted.ahead) > BELIEVED:
                return
        self._doubted = None
        self._ceiling = seen

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for the event, at most so many simulated seconds."""
        return event.wait(max(0.0, seconds) / self._speed)
