"""What SageMaker's instances cost by list price: an hour of all that runs now, and all that has run, in dollars.

    sagemaker_cost_usd_total{account_id="...",region="...",resource_type="endpoint",instance_type="ml.m5.xlarge"} 5.52

    prices   the price list -> the price of an hour
    hours    the census -> how long what ran
    idle     invocations -> which endpoints nobody has used for long

All of it is an estimate: without discounts and savings plans, without storage, data and requests. But the time is
exact: that of jobs is what `sagemaker_job_billable_instance_seconds_total` has counted, that of all else what the
inventory shows. Time whose price is not known yet is kept, and counted once it is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from exporter.aws import Aws, AwsError
from exporter.catalogue import CATALOGUE
from exporter.config import JOB_SECONDS, Config
from exporter.inventory import Census, Inventory, Running, Selection, known_since, running, stopped
from exporter.model import DAY, HOUR, Effect, Event, Failure, Forecast, Known, Reading, Sample, Target
from exporter.sources.cost import hours, idle, prices
from exporter.sources.cost.prices import Billed, Price

TIME = "cost/time"  # the kind of the one event of a run: what has run since the last one
TOTAL = "sagemaker_cost_usd_total"
HOURLY = "sagemaker_cost_hourly_usd"
OF_RESOURCE = "sagemaker_cost_resource_hourly_usd"
IDLE = "sagemaker_cost_idle_hourly_usd"
PRICE = "sagemaker_cost_price_hourly_usd"
UPDATED = "sagemaker_cost_price_updated_timestamp_seconds"
UNPRICED = "sagemaker_cost_unpriced_instances"

JOBS = {"training": "training_job", "processing": "processing_job", "transform": "transform_job"}
POOL_SECONDS = "sagemaker_training_job_warm_pool_billable_instance_seconds_total"
JOB_INSTANCES = "sagemaker_job_instances"
OPEN_JOBS = "sagemaker_jobs"  # tells of a type of job, if only that there is none, as long as that is known
LONG_LIVED = {"endpoint", "notebook_instance", "cluster", "mlflow_tracking_server"}
"""What has a series for each resource: jobs and apps come and go by the thousand."""

LIST_EVERY = DAY  # AWS changes prices of instances some times a year
LIST_AGAIN = HOUR  # after one that could not be read
PAGES_OF_LIST = 40  # of a hundred products: the order of a region's

_RAN, _SECONDS, _OWED, _PRICES, _LISTED = "ran/", "seconds", "owed", "prices", "listed"


class _List(NamedTuple):
    """A price list, and when it was read."""

    at: float
    prices: prices.List


class _Seen(NamedTuple):
    """What runs, open jobs by what they are billed as and instance type, and instance-seconds of jobs that ended."""

    runs: list[Running]
    jobs: dict[str, dict[str, float]]
    worked: dict[Billed, float]

    @property
    def billed(self) -> set[Billed]:
        """All that has a price."""
        of_jobs = ((kind, one) for kind, of in self.jobs.items() for one in of)
        return {*((one.resource_type, one.instance_type) for one in self.runs), *of_jobs, *self.worked}


class Cost:
    """Multiplies what runs, and what has run, by list prices."""

    name = "cost"
    thrifty = False

    def __init__(self, aws: Aws, inventory: Inventory, config: Config) -> None:
        settings = config.sources.cost
        self._aws = aws
        self._inventory = inventory
        self._every = settings.every
        self._last_good = settings.last_good or max(900.0, 3 * settings.every)
        self._idle_after = settings.idle_after
        self._selection = Selection(config.resources)
        self._on = {name for name, row in CATALOGUE.items() if row.source == self.name and config.on(name)}
        self._lists: dict[str, _List] = {}  # by region: that of one account is that of all
        self._failed: dict[Target, tuple[float, Failure]] = {}  # when a list could not be read, and why

    def confirm(self, receipts: tuple[Any, ...]) -> None:
        """Do nothing: nothing is used up by reading it."""

    def survey(self, target: Target, now: float) -> tuple[Failure, ...]:  # noqa: ARG002 - a forecast needs no listing
        """List nothing."""
        return ()

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:  # noqa: ARG002 - not slowed
        """Return what an hour takes: a part of the daily price list of each region. It is free."""
        regions = {target.region for target in censuses}
        return Forecast((self._every,), {"GetProducts": len(regions) * PAGES_OF_LIST * HOUR / LIST_EVERY})

    def read(self, target: Target, known: Known, now: float) -> Reading:
        """Count what has run since the last time, and show what runs now."""
        census = self._inventory.census(target)
        since = known_since(census)
        seen = _Seen(
            [one for one in running(census) if self._selected(census, one)],
            _open_jobs(known),
            _worked(known),
        )
        listed, known_prices = self._prices(target, known, seen.billed, now)
        ages = {kind: at + self._stands(census, kind) for kind, at in since.items() if at}
        failed = [_unknown(kind) for kind in since if census.at and ages.get(kind, 0.0) <= now]
        failed += [self._failed[target][1]] if target in self._failed else []
        counts = TOTAL in self._on
        notes, usd = _count(known, census, seen, known_prices, now) if counts else (_forgotten(known), {})
        notes[idle.NOTE] = idle.noted(known, census, now) if IDLE in self._on else None
        unused = list(
            idle.unused(notes[idle.NOTE], census, seen.runs, now, self._idle_after) if IDLE in self._on else ()
        )
        notes |= {_PRICES: {_word(of): list(one) for of, one in known_prices.items()}, _LISTED: listed}
        where = (target.account_id, target.region)
        values = (*_hourly(seen, known_prices), *((IDLE, *one) for one in _idle(unused, known_prices, since)))
        samples = [
            Sample(family, (*where, kind, *labels), value, scope=kind, until=ages.get(kind, now + self._last_good))
            for family, (kind, *labels), value in values
        ]
        samples += [Sample(UPDATED, where, listed, scope=_LISTED)] if listed else []
        event = Event(TIME, repr(now), now, target, tuple(Effect(TOTAL, (*where, *of), one) for of, one in usd.items()))
        return Reading(
            self.name,
            target,
            now,
            samples=tuple(sample for sample in samples if sample.family in self._on),
            looked=(*ages, *seen.jobs, _LISTED),
            failed=tuple(failed),
            seeds=tuple(Effect(TOTAL, (*where, *of), 0.0) for of in sorted(seen.billed) if counts),
            events=(event,) if usd else (),
            not_before=now - DAY,  # nobody else tells of the time that a run counts
            notes=notes,
        )

    def _stands(self, census: Census, kind: str) -> float:
        """Return for how long what runs of a type is shown (seconds): a long listing is made seldom."""
        listing = census.things.get(kind)
        return max(self._last_good, 3 * listing.pause if listing else 0.0)

    def _selected(self, census: Census, one: Running) -> bool:
        return self._selection.admits(census, one.resource_type, one.name.rpartition("/")[2])  # apps are in domains

    def _prices(
        self, target: Target, known: Known, in_use: set[Billed], now: float
    ) -> tuple[float, dict[Billed, tuple[Price, ...]]]:
        """Return when prices were last read, and those known; they are read once a day, or when one is missing."""
        found = {_billed(word): tuple(map(tuple, one)) for word, one in known.notes.get(_PRICES, {}).items()}
        listed = known.notes.get(_LISTED, 0.0)
        latest = self._lists.get(target.region)
        due = now >= listed + LIST_EVERY or not found.keys() >= in_use
        if due and (latest is None or now >= latest.at + LIST_EVERY):
            latest = self._list(target, now)
        if due and latest:
            for of in in_use | found.keys():
                if price := prices.find(latest.prices, of):
                    found[of] = prices.learn(found.get(of, ()), price, now)
            listed = latest.at
        return listed, found

    def _list(self, target: Target, now: float) -> _List | None:
        """Read the prices of a region, unless that has failed a short while ago."""
        failed_at, _ = self._failed.get(target, (-math.inf, None))
        if now < failed_at + LIST_AGAIN:
            return None
        try:
            latest = self._lists[target.region] = _List(now, prices.read(self._aws, target))
        except AwsError as error:
            self._failed[target] = now, Failure("GetProducts", error.error_class, str(error))
            return None
        self._failed.pop(target, None)
        return latest


def switched_off(target: Target, known: Known, now: float) -> Reading:
    """Return a reading that ends the count on a target: what runs while it is off is not counted."""
    return Reading(Cost.name, target, now, notes=_forgotten(known))


def _forgotten(known: Known) -> dict[str, Any]:
    """Return notes without what has been counted so far: all but prices."""
    return dict.fromkeys(name for name in known.notes if name not in {_PRICES, _LISTED})


def _open_jobs(known: Known) -> dict[str, dict[str, float]]:
    """Return instances of open jobs, of the types of which it is known how many there are."""
    told = {labels[2] for labels in known.values(OPEN_JOBS)}
    found: dict[str, dict[str, float]] = {billed: {} for name, billed in JOBS.items() if name in told}
    for (_, _, job_type, instance_type), number in known.values(JOB_INSTANCES).items():
        if JOBS.get(job_type) in found:
            found[JOBS[job_type]][instance_type] = number
    return found


def _worked(known: Known) -> dict[Billed, float]:
    """Return the instance-seconds of ended jobs, and of warm pools, that have been counted so far."""
    jobs = known.values(JOB_SECONDS).items()
    found = {(JOBS[labels[2]], labels[3]): seconds for labels, seconds in jobs if labels[2] in JOBS}
    return found | {("warm_pool", labels[2]): seconds for labels, seconds in known.values(POOL_SECONDS).items()}


def _count(
    known: Known, census: Census, seen: _Seen, known_prices: Mapping[Billed, tuple[Price, ...]], now: float
) -> tuple[dict[str, Any], dict[Billed, float]]:
    """Return the notes of what is counted now, and dollars of it that were not counted before."""
    notes: dict[str, Any] = {}
    usd: dict[Billed, float] = defaultdict(float)
    owed: dict[Billed, float] = defaultdict(float)
    owed |= {_billed(word): seconds for word, seconds in known.notes.get(_OWED, {}).items()}
    for kind, at in known_since(census).items():
        note = known.notes.get(_RAN + kind, {})
        before = msgspec.convert(note.get("of", {}), dict[str, hours.Ran])
        runs = [one for one in seen.runs if one.resource_type == kind]
        as_of = note.get("as_of", now)
        found, stretches = hours.count(kind, runs, stopped(census, kind), at, before, as_of)
        notes[_RAN + kind] = {"as_of": at or as_of, "of": msgspec.to_builtins(found)}
        for of, start, end, number in stretches:
            if of in known_prices:
                usd[of] += number * sum(h * price for h, price in prices.pieces(known_prices[of], start, end))
            else:
                owed[of] += number * (end - start)
    before_jobs = known.notes.get(_SECONDS)
    for of, seconds in seen.worked.items():
        owed[of] += max(0.0, seconds - (seconds if before_jobs is None else before_jobs.get(_word(of), 0.0)))
    for of in [of for of in owed if of in known_prices]:
        usd[of] += owed.pop(of) / HOUR * known_prices[of][-1][1]
    notes[_OWED] = {_word(of): seconds for of, seconds in owed.items() if seconds}
    notes[_SECONDS] = {**(before_jobs or {}), **{_word(of): seconds for of, seconds in seen.worked.items()}}
    return notes, {of: dollars for of, dollars in usd.items() if dollars}


def _hourly(
    seen: _Seen, known_prices: Mapping[Billed, tuple[Price, ...]]
) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Yield what an hour of all that runs costs, and of each long-lived resource: families, labels, values."""
    numbers: dict[Billed, float] = {(kind, one): n for kind, of in seen.jobs.items() for one, n in of.items()}
    of_resources: dict[tuple[str, str], float] = defaultdict(float)
    for one in seen.runs:
        of = (one.resource_type, one.instance_type)
        numbers[of] = numbers.get(of, 0.0) + one.count
        if of in known_prices and one.resource_type in LONG_LIVED:
            of_resources[one.resource_type, one.name] += one.count * known_prices[of][-1][1]
    for of, number in numbers.items():
        if of in known_prices:
            yield HOURLY, of, number * known_prices[of][-1][1]
            yield PRICE, of, known_prices[of][-1][1]
        else:
            yield UNPRICED, of, number
    yield from ((OF_RESOURCE, resource, usd) for resource, usd in of_resources.items())


def _idle(
    unused: Iterable[Running], known_prices: Mapping[Billed, tuple[Price, ...]], kinds: Iterable[str]
) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield what an hour of unused resources costs, 0 where all that can be told to be unused is used."""
    usd = dict.fromkeys((kind for kind in kinds if kind in idle.TOLD), 0.0)
    for one in unused:
        price = known_prices.get((one.resource_type, one.instance_type))
        usd[one.resource_type] += one.count * price[-1][1] if price else 0.0
    yield from (((kind,), dollars) for kind, dollars in usd.items())


def _unknown(kind: str) -> Failure:
    words = kind.replace("_", " ")
    return Failure(kind, "transient", f"not every {words} has been looked at lately: what some cost is missing")


def _word(of: Billed) -> str:
    return "/".join(of)


def _billed(word: str) -> Billed:
    kind, _, instance_type = word.partition("/")
    return kind, instance_type
