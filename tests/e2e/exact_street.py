"""A street on a clock without rounding errors, whose calls leave at the very instant at which their turn comes.

Rates are judged second by second, and age limits minute by minute: a clock whose steps are whole 1024ths of a second
adds up exactly, and calls of GetMetricData that are sent one after the other are sent before time goes on.
"""

from __future__ import annotations

import gzip
import math
from unittest import mock

from oracle import Page
from street import Street
from worlds import FakeClock


class ExactClock(FakeClock):
    """A clock that is moved by whole 1024ths of a second."""

    def forward(self, seconds):
        return super().forward(math.ceil(seconds * 1024) / 1024)


class ExactStreet(Street):
    """See above. `run` returns pages, as a scrape would find them."""

    def __init__(self, world, **more):
        with mock.patch("street.FakeClock", ExactClock):
            super().__init__(world, **more)

    def start(self, text=None):
        super().start(text)
        together = self.aws.metric_data
        self.aws.metric_data = lambda target, calls, take: [
            reply for call in calls for reply in together(target, [call], take)
        ]

    def run(self, minutes, step=60):
        """Let so many minutes pass, a cycle every `step` seconds; return the last page."""
        for _ in range(minutes * 60 // step):
            snapshot = self.cycle(step)
        return Page(gzip.decompress(self.renderer.render(snapshot).text.gzip).decode())
