"""Price lists as they are kept: one of a region for all of its accounts, read once a day, and what is known by them.

What a target knows of prices goes into its notes, so that a process that starts reads no list anew within the day.
What the list had no price for is noted too: it is not asked for again before the next one is due.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from exporter.aws import Aws, AwsError
from exporter.model import DAY, HOUR, Failure, Target
from exporter.sources.cost import prices
from exporter.sources.cost.prices import Billed, Price, billed, word

OPERATION = "GetProducts"
LIST_EVERY = DAY  # AWS changes prices of instances some times a year
LIST_AGAIN = HOUR  # after one that could not be read
LIST_WAIT = 60.0  # seconds for which one who lacks a price waits while another account reads the list
PAGES_OF_LIST = 40  # of a hundred products: the order of a region's

PRICES, LISTED, UNLISTED = "prices", "listed", "unlisted"
NOTES = {PRICES, LISTED, UNLISTED}


class Listed(NamedTuple):
    """When the prices of a target were last read, those that are known, what went wrong, and what is to be noted."""

    at: float
    prices: dict[Billed, tuple[Price, ...]]
    failures: tuple[Failure, ...]
    notes: dict[str, Any]


class _List(NamedTuple):
    """A price list, when it was read, and how many of its entries could not be."""

    at: float
    prices: prices.List
    unreadable: int


class Lists:
    """The price lists of all regions, for targets that read at the same time. Thread-safe."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._lists: dict[str, _List] = {}  # by region: that of one account is that of all
        self._reading: dict[str, threading.Lock] = {}  # held by the one that reads the list of a region
        self._failed: dict[Target, tuple[float, Failure]] = {}  # when a list could not be read, and why
        self._told: set[Target] = set()  # that there is none

    def calls(self, targets: Collection[Target]) -> float:
        """Return how many calls an hour takes: a part of the daily list of each region."""
        regions = {target.region for target in targets if self._aws.answers(target, OPERATION)}
        return len(regions) * PAGES_OF_LIST * HOUR / LIST_EVERY

    def prices(self, target: Target, noted: Mapping[str, Any], in_use: set[Billed], now: float) -> Listed:
        """Return what is known of prices at a time by AWS's clock: it says from when they hold.

        They are read once a day, or when one is missing that was not asked for.
        """
        found = {billed(one): tuple(map(tuple, known)) for one, known in noted.get(PRICES, {}).items()}
        at = noted.get(LISTED, 0.0)
        unlisted = set(map(billed, noted.get(UNLISTED, ())))
        failures: list[Failure] = []
        missing = not in_use <= found.keys() | unlisted
        if not self._aws.answers(target, OPERATION):
            failures += self._nowhere(target)
        elif missing or abs(now - at) >= LIST_EVERY:  # a clock that was ahead is no reason never to ask again
            if latest := self._latest(target, now, missing=missing):
                for of in in_use | found.keys():
                    if price := prices.find(latest.prices, of):
                        found[of] = prices.learn(found.get(of, ()), price, now)
                at, unlisted = latest.at, in_use - found.keys()
                self._failed.pop(target, None)  # another account of the region may have read it
            elif target in self._failed:
                failures.append(self._failed[target][1])
        last = self._lists.get(target.region)
        if last and last.at == at and last.unreadable:
            text = f"{last.unreadable} entries of the price list can't be read: prices may be missing"
            failures.append(Failure(OPERATION, "transient", text))
        notes = {
            PRICES: {word(of): list(known) for of, known in found.items()},
            LISTED: at,
            UNLISTED: sorted(map(word, unlisted)),
        }
        return Listed(at, found, tuple(failures), notes)

    def _nowhere(self, target: Target) -> list[Failure]:
        """Return that a partition has no price list, once: it will not have one the next time either."""
        if target in self._told:
            return []
        self._told.add(target)
        return [Failure(OPERATION, "absent", "no price list of this partition can be read: nothing has a price")]

    def _latest(self, target: Target, now: float, *, missing: bool) -> _List | None:
        """Return the list of a region, read now if there is none of the day; None if it can't be had now.

        One account reads, and others that lack a price wait for it. Those that have one, though of yesterday, do not.
        """
        reading = self._reading.setdefault(target.region, threading.Lock())
        if latest := self._fresh(target, now):
            return latest
        if target in self._failed and abs(now - self._failed[target][0]) < LIST_AGAIN:
            return None
        if not reading.acquire(timeout=LIST_WAIT if missing else 0.0):
            return None
        try:
            return self._fresh(target, now) or self._read(target, now)
        finally:
            reading.release()

    def _fresh(self, target: Target, now: float) -> _List | None:
        latest = self._lists.get(target.region)
        return latest if latest and abs(now - latest.at) < LIST_EVERY else None

    def _read(self, target: Target, now: float) -> _List | None:
        try:
            latest = self._lists[target.region] = _List(now, *prices.read(self._aws, target, now))
        except AwsError as error:
            self._failed[target] = now, Failure(OPERATION, error.error_class, str(error))
            return None
        return latest
