"""Make-believe measurements: for each publishing period the samples that a metric got in the end.

Everything here is a pure function of a number (the seed of a thing) and a time, so that nothing has to be remembered
and the same seed gives the same world, whatever is asked first. When samples become visible is told in `series`.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist
from typing import ClassVar, Protocol

from exporter.demo.stats import Profile, Stat

_WORD = (1 << 64) - 1
_inverse_normal = NormalDist().inv_cdf


def number_of(*names: object) -> int:
    """Return a number of 64 bits that stands for these names, the same in every process."""
    return int.from_bytes(hashlib.blake2b(repr(names).encode(), digest_size=8).digest(), "big")


def dice(number: int, at: int) -> int:
    """Return 64 bits that look random and depend on `number` and `at` alone (the mixer of SplitMix64)."""
    bits = (number + at * 0x9E3779B97F4A7C15) & _WORD
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _WORD
    return bits ^ (bits >> 31)


def chance(number: int, at: int) -> float:
    """Return a number strictly between 0 and 1."""
    return ((dice(number, at) >> 12) + 0.5) / (1 << 52)


def poisson(mean: float, luck: float) -> int:
    """Return how many independent events happen where `mean` are expected; `luck` between 0 and 1 picks the outcome."""
    if mean > 30:
        return max(0, round(mean + math.sqrt(mean) * _inverse_normal(luck)))
    events, probability = 0, math.exp(-mean)
    while luck > probability and events < 200:
        luck -= probability
        events += 1
        probability *= mean / events
    return events


class Behaviour(Protocol):
    """What a metric measures."""

    @property
    def steady(self) -> bool:
        """True where every period has samples."""

    def samples(self, at: int, period: int) -> Stat | None:
        """Return the samples of the `period` seconds from Unix time `at` on, or None where there are none."""


@dataclass(frozen=True, slots=True)
class Surge:
    """Bad stretches that recur: `lasts` seconds, one every `every` seconds from `begin` on, `times` of them."""

    begin: int
    lasts: int
    every: int
    times: int
    factor: float

    def at(self, at: int) -> float:
        """Return by how much a rate is multiplied at this time."""
        since = at - self.begin
        bad = 0 <= since < self.every * self.times and since % self.every < self.lasts
        return self.factor if bad else 1.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests to one thing: so many a minute, more by day and fewer by night."""

    number: int
    per_minute: float
    swing: float = 0.6
    peak: int = 14 * 3600  # second of the day, UTC
    _recent: dict[int, int] = field(default_factory=dict, init=False, compare=False, repr=False)

    def requests(self, at: int, period: int) -> int:
        """Return how many requests came in the `period` seconds from `at` on."""
        key = at << 12 | period  # a dozen metrics of one variant ask for the same number
        requests = self._recent.get(key)
        if requests is None:
            day = 1 + self.swing * math.cos((at - self.peak) * (math.tau / 86400))
            requests = poisson(self.per_minute * day * period / 60, chance(self.number, at))
            if len(self._recent) > 500:
                self._recent.clear()
            self._recent[key] = requests
        return requests


@dataclass(frozen=True, slots=True)
class Requests:
    """A metric that adds `each` per request: 1 for Invocations, 1/n for InvocationsPerInstance on n instances."""

    traffic: Traffic
    each: float = 1.0
    steady: ClassVar[bool] = False

    def samples(self, at: int, period: int) -> Stat | None:  # noqa: D102 - see Behaviour
        requests = self.traffic.requests(at, period)
        return Stat(requests * self.each, float(requests), self.each, self.each) if requests else None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """A metric that adds 1 for a request with this outcome and 0 for any other: errors, cache hits."""

    traffic: Traffic
    number: int
    ratio: float
    surge: Surge | None = None
    steady: ClassVar[bool] = False

    def samples(self, at: int, period: int) -> Stat | None:  # noqa: D102 - see Behaviour
        requests = self.traffic.requests(at, period)
        if not requests:
            return None
        ratio = min(self.ratio * self.surge.at(at), 1.0) if self.surge else self.ratio
        luck = chance(self.number, at)
        rare = poisson(requests * min(ratio, 1 - ratio), luck)  # the rarer of the two outcomes is drawn
        such = min(rare, requests) if ratio <= 0.5 else max(requests - rare, 0)
        return Stat(float(such), float(requests), float(such == requests), float(such > 0))


@lru_cache(maxsize=100)
def long_tail(sigma: float) -> Profile:
    """Return the usual spread of latencies: log-normal, twelve steps, its mean 1."""
    shares = (0.05, 0.1, 0.15, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.03, 0.015, 0.005)
    raw, passed = [], 0.0
    for share in shares:
        raw.append((math.exp(sigma * _inverse_normal(passed + share / 2)), share))
        passed += share
    mean = sum(value * share for value, share in raw)
    return Profile(tuple((value / mean, share) for value, share in raw))


@dataclass(frozen=True, slots=True)
class Durations:
    """A metric with one sample per request: latencies, times in a queue. Whole numbers of its unit."""

    traffic: Traffic
    number: int
    mean: float
    sigma: float = 0.6
    surge: Surge | None = None
    steady: ClassVar[bool] = False

    def samples(self, at: int, period: int) -> Stat | None:  # noqa: D102 - see Behaviour
        requests = self.traffic.requests(at, period)
        if not requests:
            return None
        mean = self.mean * (0.85 + 0.3 * chance(self.number, at))
        if self.surge:
            mean *= self.surge.at(at)
        profile = long_tail(self.sigma)
        if requests <= 12:  # too few to have the whole profile: some of its steps, each as likely as it is wide
            lucks = (chance(self.number + 1 + nth, at) for nth in range(requests))
            return Stat.of([float(round(mean * _step(profile, luck))) for luck in lucks])
        total = float(round(mean * requests))
        mean = total / requests
        least, most = profile.multiples[0][0], profile.multiples[-1][0]
        return Stat(total, float(requests), mean * least, mean * most, profile)


def _step(profile: Profile, luck: float) -> float:
    for multiple, share in profile.multiples:
        if luck < share:
            return multiple
        luck -= share
    return profile.multiples[-1][0]


@dataclass(frozen=True, slots=True)
class Level:
    """A metric that is measured, not counted: a utilisation, a backlog. It wanders around `middle` within its bounds.

    `sources` instances or cores report one sample each per period.
    """

    number: int
    middle: float
    wander: float = 0.2  # share of `middle`
    lowest: float = 0.0
    highest: float = math.inf
    sources: int = 1
    whole: bool = False
    steady: ClassVar[bool] = True

    def samples(self, at: int, period: int) -> Stat | None:  # noqa: ARG002, D102 - a level is the same in any period
        day = math.cos((at - 14 * 3600) * (math.tau / 86400))
        noise = 2 * chance(self.number, at) - 1
        value = self.middle * (1 + self.wander * (day + noise) / 2)
        value = min(max(value, self.lowest), self.highest)
        value = float(round(value)) if self.whole else round(value, 2)
        return Stat.alike(value * self.sources, float(self.sources))


@dataclass(frozen=True, slots=True)
class Progress:
    """A count that only grows within a job: `per_minute` from `begin` on, up to `total`. Its Maximum is the count."""

    begin: int
    per_minute: float
    total: float
    steady: ClassVar[bool] = True

    def samples(self, at: int, period: int) -> Stat | None:  # noqa: D102 - see Behaviour
        done = min(float(math.floor((at + period - self.begin) / 60 * self.per_minute)), self.total)
        return Stat.alike(max(done, 0.0), 1.0)
