"""The statuses that one thing was seen in, in the order of their times, and the runs of them. Pure.

    InService@100 InService@160 | Updating@200 | InService@230      three runs; a late Updating@130 makes five of them

A sighting between two of one run parts it in two: the thing has been back in between. So whoever tells first, and
whoever tells late, the number of runs is the same in the end. Of a run, the first and the last sighting are kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

LONGEST = 200  # sightings that are kept of a thing: what is told later than that, of before, is no longer counted
CUT = ""  # stands where earlier ones stood


class Run(NamedTuple):
    """A thing entered a status."""

    at: float
    status: str


def seen(known: Iterable[Sequence[float | str]], at: float, status: str) -> tuple[list[list[float | str]], list[Run]]:
    """Take in that a thing was seen in a status; return all that is known now, and the runs that this began."""
    history = [Run(float(when), str(what)) for when, what in known]
    if Run(at, status) in history:  # told again: at an equal time it must not stand behind what came after it
        return [list(run) for run in history], []
    place = bisect_right(history, at, key=itemgetter(0))
    before = history[place - 1] if place else None
    after = history[place] if place < len(history) else None
    begun: list[Run] = []
    if place == 0 and after and after.status == CUT:
        return [list(run) for run in history], begun
    if status not in {run.status for run in (before, after) if run}:
        begun.append(Run(at, status))
        if before and after and before.status == after.status:
            begun.append(after)
    history.insert(place, Run(at, status))
    kept = [run for _, runs in groupby(history, key=itemgetter(1)) for run in _ends(list(runs))]
    if len(kept) > LONGEST:
        kept = kept[-LONGEST // 2 :]
        kept.insert(0, Run(kept[0].at, CUT))
    return [list(run) for run in kept], begun


def _ends(runs: list[Run]) -> list[Run]:
    return runs if len(runs) < 2 else [runs[0], runs[-1]]
