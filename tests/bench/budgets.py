"""What the design asks for (its section 6), and whether it holds: a line each."""

from __future__ import annotations

import statistics
from typing import NamedTuple


class Spread(NamedTuple):
    """The median of some figures, the least and the most of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures):
        """Return that of figures."""
        figures = list(figures)
        return cls(statistics.median(figures), min(figures), max(figures))

    def __str__(self):
        return f"{self.median:.3g} ({self.least:.3g} to {self.most:.3g})"


class Budget(NamedTuple):
    """One line: what was measured where, what is asked, what was found."""

    what: str
    asked: str
    found: str
    holds: bool

    def __str__(self):
        return f"{'holds ' if self.holds else 'MISSED'} {self.what:64} {self.asked:>28}   {self.found}"


def peak_allowed(series):
    """Return the most memory that so many series may take (bytes)."""
    return 90e6 + 400 * series
