"""How much may be asked in a second: exact sliding windows, on a clock that tests can own."""

from __future__ import annotations

import threading
from collections import deque

from exporter.clock import Clock

LEEWAY = 0.1  # seconds by which calls may leave later than their turn came, some more than others


class Limit:
    """At most `rate` units in any second, also as AWS sees them come. Thread-safe.

    A token bucket would let twice its rate through in the second after a rest, which is what quotas count.
    """

    def __init__(self, rate: float, clock: Clock, stopping: threading.Event) -> None:
        self.rate = rate
        self._clock = clock
        self._stopping = stopping
        self._turn = threading.Lock()
        self._spent: deque[tuple[float, float]] = deque()  # (time, units) within the last second

    def take(self, units: float = 1.0) -> float:
        """Wait until the units fit, spend them, return the seconds waited. More than a second's worth goes alone."""
        second = max(1.0, 1.0 / self.rate)  # a rate below one a second has a longer window
        most, width = self.rate * second, second + LEEWAY
        came = self._clock.monotonic()
        with self._turn:  # those who came first have theirs
            while not self._stopping.is_set():
                now = self._clock.monotonic()
                while self._spent and self._spent[0][0] + width <= now:  # rounded as the pause below
                    self._spent.popleft()
                if not self._spent or sum(spent for _, spent in self._spent) + units <= most:
                    break
                self._clock.wait(self._stopping, self._spent[0][0] + width - now)
            now = self._clock.monotonic()
            self._spent.append((now, units))
        return now - came
