"""What SageMaker's instances cost by list price: an hour of all that runs now, and all that has run, in dollars.

    sagemaker_cost_usd_total{account_id="...",region="...",resource_type="endpoint",instance_type="ml.m5.xlarge"} 5.52

    lists    the price list of a region -> what is known of prices, once a day
    prices   its entries -> the price of an hour
    hours    the census -> how long what ran
    shown    what runs, and prices -> gauges
    idle     invocations -> which endpoints nobody has used for long

All of it is an estimate: without discounts and savings plans, without storage, data and requests. But the time is
exact: that of jobs is what `sagemaker_job_billable_instance_seconds_total` has counted, that of all else what the
inventory shows. Time whose price is not known yet is kept, and counted once it is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import structs

from exporter.aws import Aws
from exporter.catalogue import CATALOGUE
from exporter.catalogue.jobs import BILLABLE_SECONDS, INSTANCES, POLLING, SIZE, scope_of
from exporter.catalogue.training_jobs import POOL_SECONDS
from exporter.config import Config, stands
from exporter.inventory import TAGS_LATE, Census, Fleet, Holding, Inventory, Selection, fleets
from exporter.model import DAY, HOUR, Effect, Event, Failure, Forecast, Known, Reading, Sample, Target
from exporter.sources.cost import hours, idle, prices, shown
from exporter.sources.cost.lists import LISTED, NOTES, Lists
from exporter.sources.cost.prices import Billed, Price

TIME = "cost/time"  # the kind of the one event of a run: what has run since the last one
TOTAL = "sagemaker_cost_usd_total"
UPDATED = "sagemaker_cost_price_updated_timestamp_seconds"

JOBS = {"training": "training_job", "processing": "processing_job", "transform": "transform_job"}

JUST_NOW = 300.0  # seconds before the first run: a look of then is where the count begins, and none that is older

_RAN, _SECONDS, _OWED, _RUN = "ran/", "seconds", "owed", "run"
_OFF = "off"  # nothing counted in the last run: what has run up to the next one does not count either
_STAYS = {*NOTES, _RUN, _OWED}  # of the notes, when what was counted is forgotten: a run is never counted twice


class _Jobs(NamedTuple):
    """Instances of open jobs by what they are billed as and instance type, and instance-seconds of those that ended."""

    open: dict[str, dict[str, float]]
    worked: dict[Billed, float]

    @property
    def held(self) -> set[Billed]:
        """What open jobs hold."""
        return {(kind, one) for kind, of in self.open.items() for one in of}


class _Counted(NamedTuple):
    """What a run has counted: notes, how all resources are and as of when, dollars, and seconds without a price."""

    notes: dict[str, Any]
    ran: dict[str, dict[str, hours.Ran]]
    as_of: dict[str, float]
    usd: dict[Billed, float]
    owed: dict[Billed, float]


class Cost:
    """Multiplies what runs, and what has run, by list prices."""

    name = "cost"
    thrifty = False

    def __init__(self, aws: Aws, inventory: Inventory, config: Config) -> None:
        settings = config.sources.cost
        self._aws = aws
        self._inventory = inventory
        self._every = settings.every
        self._last_good = stands(settings)
        self._jobs_stand = stands(config.sources.job_polling)
        self._looks_stand = max(self._last_good, stands(config.sources.inventory))
        self._idle_after = settings.idle_after
        self._looks = config.sources.inventory.enabled
        self._selection = Selection(config.resources)
        self._on = {name for name, row in CATALOGUE.items() if row.source == self.name and config.on(name)}
        self._lists = Lists(aws)

    def confirm(self, receipts: tuple[Any, ...]) -> None:
        """Do nothing: nothing is used up by reading it."""

    def survey(self, target: Target, now: float) -> tuple[Failure, ...]:  # noqa: ARG002 - a forecast needs no listing
        """List nothing."""
        return ()

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:  # noqa: ARG002 - not slowed
        """Return what an hour takes: a part of the daily price list of each region. It is free."""
        return Forecast((self._every,), {"GetProducts": self._lists.calls(censuses.keys())})

    def read(self, target: Target, known: Known, now: float) -> Reading:
        """Count what has run since the last time, and show what runs now."""
        census, aws_now = self._inventory.census(target), self._aws.now()
        seen = {} if census.late(now, aws_now) else fleets(census)  # the next look will be by our clock as it is now
        wanted = {
            kind: self._wanted(census, kind, _by_aws(fleet, aws_now - now, aws_now), aws_now - now)
            for kind, fleet in seen.items()
        }
        jobs = _Jobs(self._open_jobs(known, now), _worked(known))
        in_use = _billed_as(known, wanted, jobs)
        listed, known_prices, unread, noted = self._lists.prices(target, known.notes, in_use, aws_now)
        on = TOTAL in self._on
        counted = _count(known, wanted, jobs, known_prices, aws_now, counts=on and not known.notes.get(_OFF))
        of_types = {
            kind: shown.seen(census, kind, ran, counted.as_of[kind], self._looks_stand, aws_now)
            for kind, ran in counted.ran.items()
        }
        values = [*shown.values(of_types, jobs.open, counted.owed, known_prices, aws_now + self._last_good)]
        used: dict[str, idle.Used] | None = None
        if shown.IDLE in self._on:
            before = msgspec.convert(known.notes.get(idle.NOTE, {}), dict[str, idle.Used])
            used = idle.noted(known, census, before)
            values += shown.unused(used, census, of_types, known_prices, self._idle_after, aws_now)
        where, run = (target.account_id, target.region), known.notes.get(_RUN, 0) + 1
        samples = [
            Sample(one.family, (*where, *one.labels), one.value, scope=one.scope, until=one.until + now - aws_now)
            for one in values
        ]
        if listed:
            samples += [Sample(UPDATED, where, listed, scope=LISTED, until=now + self._last_good)]
        effects = tuple(Effect(TOTAL, (*where, *of), usd) for of, usd in counted.usd.items())
        seeds = {*shown.billed(of_types), *jobs.held, *counted.usd, *counted.owed} if on else ()
        looked = {one.scope for one in values} | shown.looked(of_types, jobs.open)
        return Reading(
            self.name,
            target,
            now,
            samples=tuple(sample for sample in samples if sample.family in self._on),
            looked=(*sorted(looked), LISTED),
            failed=(*self._unknown(census, of_types), *unread),
            seeds=tuple(Effect(TOTAL, (*where, *of), 0.0) for of in sorted(seeds)),
            events=(Event(TIME, f"{'/'.join(where)}/{run}", now, target, effects),) if effects else (),
            not_before=now - DAY,  # nobody else tells of the time that a run counts
            notes={
                **counted.notes,
                idle.NOTE: None if used is None else msgspec.to_builtins(used),
                _RUN: run,
                _OFF: not on or None,
                **noted,
            },
        )

    def _open_jobs(self, known: Known, now: float) -> dict[str, dict[str, float]]:
        """Return instances of open jobs, of the types of which it is known lately how many there are."""
        found: dict[str, dict[str, float]] = {}
        for name, billed in JOBS.items():
            looked = known.looked(POLLING, scope_of(name, SIZE))
            if looked <= now < looked + self._jobs_stand:
                found[billed] = {}
        for (_, _, job_type, instance_type), number in known.values(INSTANCES).items():
            if JOBS.get(job_type) in found:
                found[JOBS[job_type]][instance_type] = number
        return found

    def _wanted(self, census: Census, kind: str, fleet: Fleet, late: float) -> Fleet:
        """Return the resources of a type: what is not wanted holds nothing, and what that is not known of is unknown.

        AWS tells tags some minutes late, and they are listed seldom.
        """
        tagged = census.tags_at + late - TAGS_LATE if census.tags_at else -math.inf
        by_tags = kind == "endpoint" and self._selection.tags

        def wanted(name: str, one: Holding) -> Holding:
            if by_tags and one.created >= tagged:
                return structs.replace(one, on=None)
            if self._selection.admits(census, kind, name.rpartition("/")[2]):  # apps are in domains
                return one
            return structs.replace(one, on=(), at=max(one.at, fleet.at))

        return Fleet(fleet.at, {name: wanted(name, one) for name, one in fleet.of.items()})

    def _unknown(self, census: Census, of_types: Mapping[str, shown.Seen]) -> Iterator[Failure]:
        """Yield what is missing, in the class of what the inventory failed with, where that is one."""
        classes = {failure.error_class for failure in census.failures}
        error_class = classes.pop() if len(classes) == 1 else "transient"
        for kind, of in of_types.items() if self._looks and census.at else ():
            words = f"{kind.replace('_', ' ')}s"
            if not of.listed:
                yield Failure(kind, error_class, f"nobody has listed {words} lately: their cost is missing")
            elif of.unknown:
                which = f"{len(of.unknown)} of the {words}, such as {of.unknown[0]}"
                yield Failure(kind, error_class, f"nobody has been able to look at {which}: its cost is missing")


def switched_off(target: Target, known: Known, now: float) -> Reading:
    """Return a reading that ends the count on a target: what runs while it is off is not counted."""
    return Reading(Cost.name, target, now, notes=_forgotten(known))


def _forgotten(known: Known) -> dict[str, Any]:
    """Return notes without what has been counted so far."""
    return dict.fromkeys(name for name in known.notes if name not in _STAYS)


def _by_aws(fleet: Fleet, late: float, aws_now: float) -> Fleet:
    """Return a fleet with the times of looks by AWS's clock, which says when things changed: ours is so `late`.

    If it was set since, they are too early, and count nothing, or are not ahead of now.
    """
    of = {name: structs.replace(one, at=min(one.at + late, aws_now)) for name, one in fleet.of.items() if one.at}
    return Fleet(min(fleet.at + late, aws_now) if fleet.at else 0.0, {**fleet.of, **of})


def _worked(known: Known) -> dict[Billed, float]:
    """Return the instance-seconds of ended jobs, and of warm pools, that have been counted so far."""
    jobs = known.values(BILLABLE_SECONDS).items()
    found = {(JOBS[labels[2]], labels[3]): seconds for labels, seconds in jobs if labels[2] in JOBS}
    return found | {("warm_pool", labels[2]): seconds for labels, seconds in known.values(POOL_SECONDS).items()}


def _billed_as(known: Known, wanted: Mapping[str, Fleet], jobs: _Jobs) -> set[Billed]:
    """Return all that a price is needed for."""
    held = ((kind, on) for kind, fleet in wanted.items() for one in fleet.of.values() for on, _ in one.on or ())
    return {*held, *jobs.held, *jobs.worked, *map(prices.billed, known.notes.get(_OWED, {}))}


def _count(
    known: Known,
    wanted: Mapping[str, Fleet],
    jobs: _Jobs,
    known_prices: Mapping[Billed, tuple[Price, ...]],
    aws_now: float,
    *,
    counts: bool,
) -> _Counted:
    """Count what has run since the last time, by AWS's clock: it says when something changed.

    If nothing `counts`, all is to begin anew from now on, or it would count one day.
    """
    notes: dict[str, Any] = {}
    all_ran: dict[str, dict[str, hours.Ran]] = {}
    all_as_of: dict[str, float] = {}
    usd: dict[Billed, float] = defaultdict(float)
    owed: dict[Billed, float] = defaultdict(float)
    owed |= {prices.billed(word): seconds for word, seconds in known.notes.get(_OWED, {}).items()}
    for kind, fleet in wanted.items():
        note = known.notes.get(_RAN + kind, {})
        as_of = note.get("as_of", fleet.at if aws_now - fleet.at < JUST_NOW else aws_now)
        before = msgspec.convert(note.get("of", {}), dict[str, hours.Ran])
        ran, stretches = hours.count(kind, fleet, before, as_of)
        all_ran[kind] = ran
        all_as_of[kind] = max(as_of, fleet.at)
        noted = {"as_of": all_as_of[kind], "of": msgspec.to_builtins(ran)}
        notes[_RAN + kind] = noted if counts else {"as_of": aws_now, "of": {}}
        for of, start, end, number in stretches if counts else ():
            if of in known_prices:
                usd[of] += number * sum(h * price for h, price in prices.pieces(known_prices[of], start, end))
            else:
                owed[of] += number * (end - start)
    paid = known.notes.get(_SECONDS, {})
    for of, seconds in jobs.worked.items() if counts and _SECONDS in known.notes else ():
        owed[of] += max(0.0, seconds - paid.get(prices.word(of), 0.0))
    for of in [of for of in owed if of in known_prices]:
        usd[of] += owed.pop(of) / HOUR * known_prices[of][-1][1]
    left = {of: seconds for of, seconds in owed.items() if seconds}
    notes[_OWED] = {prices.word(of): seconds for of, seconds in left.items()}
    notes[_SECONDS] = {**paid, **{prices.word(of): seconds for of, seconds in jobs.worked.items()}}
    return _Counted(notes, all_ran, all_as_of, {of: dollars for of, dollars in usd.items() if dollars}, left)
