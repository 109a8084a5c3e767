"""What CloudWatch keeps of the samples of one period, and every statistic it can tell from that.

The statistics are those of AWS's page "CloudWatch statistics definitions": the five basic ones, pNN, and the trimmed
kinds TM, TC, TS, WM, IQM and PR. AWS does not publish how it interpolates; here a percentile is the linear
interpolation between neighbouring samples, and a bound in percent cuts through a sample.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple, TypeAlias

Samples: TypeAlias = Sequence[tuple[float, float]]
"""(value, how many of it) in rising order."""


class Profile(NamedTuple):
    """The spread of many samples in one shape: each is a multiple of their mean and has a share of their number."""

    multiples: Samples

    def around(self, mean: float, number: float) -> Samples:
        """Return `number` samples of this shape with this mean."""
        return [(mean * multiple, number * share) for multiple, share in self.multiples]


class Stat(NamedTuple):
    """The samples of one publishing period: their sum, number, extremes, and spread where it is known.

    Where the extremes are equal the spread is known without being told.
    """

    sum: float
    number: float
    min: float
    max: float
    spread: Samples | Profile = ()

    @classmethod
    def of(cls, values: Sequence[float]) -> Stat:
        """Return the Stat of these samples, at least one."""
        spread = tuple((value, 1.0) for value in sorted(values))
        return cls(math.fsum(values), float(len(values)), min(values), max(values), spread)

    @classmethod
    def alike(cls, total: float, number: float) -> Stat:
        """Return the Stat of `number` equal samples that add up to `total`."""
        return cls(total, number, total / number, total / number)


Statistic: TypeAlias = Callable[[Sequence[Stat]], float | None]
"""Tells a statistic of the Stats that fall into one period; None where CloudWatch shows no datapoint."""


@lru_cache(maxsize=1000)
def statistic(name: str) -> Statistic:
    """Return the statistic that CloudWatch calls by this name. ValueError: there is none."""
    if name in _BASIC:
        return _BASIC[name]
    if name == "IQM":
        return _trimmed("TM", partial(_between_shares, low=0.25, high=0.75))
    if found := re.fullmatch(r"(p|tm|tc|ts|wm)(\d{1,3}(?:\.\d{1,10})?)", name):
        share = float(found[2]) / 100
        if share > 1:
            raise ValueError(f"{name}: more than 100 percent")
        if found[1] == "p":
            return _percentile(share)
        return _trimmed(found[1].upper(), partial(_between_shares, low=0.0, high=share))
    if found := re.fullmatch(r"(TM|TC|TS|WM|PR)\((?:([\d.]+)(%?))?:(?:([\d.]+)(%?))?\)", name):
        kind, *bounds = found.groups()
        return _ranged(kind, *bounds)
    raise ValueError(f"no such statistic: {name}")


def _ranged(kind: str, low: str | None, low_sign: str | None, high: str | None, high_sign: str | None) -> Statistic:
    signs = {sign for sign in (low_sign, high_sign) if sign is not None}
    if len(signs) != 1 or (kind == "PR" and signs != {""}):
        raise ValueError(f"{kind}: one bound at least, both in percent or neither")
    between, scale = (_between_shares, 100) if signs == {"%"} else (_between_values, 1)
    lowest = float(low) / scale if low else -math.inf
    highest = float(high) / scale if high else math.inf
    return _trimmed(kind, partial(between, low=lowest, high=highest))


def _samples(stats: Sequence[Stat]) -> Samples | None:
    """Spread Stats out into samples, or return None where CloudWatch could not.

    As CloudWatch: a statistic set without the samples behind it has percentiles only if all of them are equal, and
    nothing with a negative sample has any.
    """
    together: list[tuple[float, float]] = []
    for stat in stats:
        if stat.min < 0 or not (stat.spread or stat.min == stat.max):
            return None
        if isinstance(stat.spread, Profile):
            together += stat.spread.around(stat.sum / stat.number, stat.number)
        else:
            together += stat.spread or [(stat.min, stat.number)]
    return sorted(together)


def _percentile(share: float) -> Statistic:
    def value(stats: Sequence[Stat]) -> float | None:
        samples = _samples(stats)
        if samples is None:
            return None
        place = share * (sum(weight for _, weight in samples) - 1)
        passed, reached, previous = 0.0, 0.0, samples[0][0]
        for sample, weight in samples:
            if place < passed:  # between the last sample of the group before and the first of this one
                return previous + (sample - previous) * (place - reached) / (passed - reached)
            reached, previous = passed + max(weight - 1, 0.0), sample
            if place <= reached:
                return sample
            passed += weight
        return previous

    return value


def _trimmed(kind: str, between: Callable[[Samples], tuple[Samples, float]]) -> Statistic:
    def value(stats: Sequence[Stat]) -> float | None:
        samples = _samples(stats)
        if samples is None:
            return None
        kept, below = between(samples)
        number = sum(weight for _, weight in kept)
        total = sum(sample * weight for sample, weight in kept)
        everything = sum(weight for _, weight in samples)
        if kind == "TC":
            return number
        if kind == "TS":
            return total
        if kind == "PR":
            return 100 * number / everything
        if not number:
            return None
        if kind == "TM":
            return total / number
        above = everything - number - below
        return (total + below * kept[0][0] + above * kept[-1][0]) / everything

    return value


def _between_values(samples: Samples, low: float, high: float) -> tuple[Samples, float]:
    kept = [pair for pair in samples if low < pair[0] <= high]  # AWS: lower bound exclusive, upper inclusive
    return kept, sum(weight for sample, weight in samples if sample <= low)


def _between_shares(samples: Samples, low: float, high: float) -> tuple[Samples, float]:
    total = sum(weight for _, weight in samples)
    start, end = max(low, 0.0) * total, min(high, 1.0) * total
    kept: list[tuple[float, float]] = []
    passed = 0.0
    for sample, weight in samples:
        inside = min(passed + weight, end) - max(passed, start)
        if inside > 0:
            kept.append((sample, inside))
        passed += weight
    return kept, start


def _average(stats: Sequence[Stat]) -> float:
    return sum([stat.sum for stat in stats]) / sum([stat.number for stat in stats])


_BASIC: dict[str, Statistic] = {  # most periods have one Stat, and these run for each of them
    "Sum": lambda stats: stats[0].sum if len(stats) == 1 else sum([stat.sum for stat in stats]),
    "SampleCount": lambda stats: stats[0].number if len(stats) == 1 else sum([stat.number for stat in stats]),
    "Average": _average,
    "Minimum": lambda stats: stats[0].min if len(stats) == 1 else min([stat.min for stat in stats]),
    "Maximum": lambda stats: stats[0].max if len(stats) == 1 else max([stat.max for stat in stats]),
}
