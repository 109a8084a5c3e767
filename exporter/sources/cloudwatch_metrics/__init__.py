"""CloudWatch metrics by GetMetricData: counters that equal its final sums, gauges of the newest settled period.

    sagemaker_endpoint_invocations_total{account_id="123456789012",region="us-east-1",endpoint_name="churn",...} 41.0

A reading goes through five files, and each makes of it what the next one takes:

    plan      census + ledger -> Strand    what is asked together about one resource: its counters of one pace, ...
    strands                      Bundle    ... its units, which all resources of its kind share: each a metric in one
                                           spelling, with all its statistics
    windows                      Span      how far back a bundle is asked this time: start, end, period
    fetch     bundle x span   -> Ask       packed into calls; taken apart when one fails; it comes back with results
    answers   asks            -> Read      of a window, the ledger's food: a Bulk of counters, or an Answer for each;
                                 Column    values of one gauge of many resources

Exactness is the ledger's business; this room only has to ask for every period until it is final. So each strand is read
at its pace from where it was read before, every 5 min over the settle window, and every 15 min over all that is not
closed (`Reach`). What a call could not bring leaves its counters where they are, to be asked again, from there, in the
next run (`unheard`), and is named in `failed`:

    throttled                       repeated in `aws/` for a minute, then failed
    denied, no network              failed at once, the whole call
    refused, server error           taken apart until the unit that makes it fail stands alone; the others are read
    a result that is not complete   that counter or gauge
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exporter.admission import NOTE, Admission, order
from exporter.aws import Aws
from exporter.aws.operations import METRIC_PRICE
from exporter.catalogue import CATALOGUE
from exporter.catalogue.places import Places
from exporter.catalogue.rows import Pace, Row
from exporter.config import Config
from exporter.inventory import Census, Inventory, Selection
from exporter.model import (
    HOUR,
    MINUTE,
    Effect,
    Failure,
    Forecast,
    Known,
    Life,
    Metered,
    Reading,
    Resource,
    Sample,
    Switch,
    Target,
)
from exporter.sources.cloudwatch_metrics.answers import Crop, begun
from exporter.sources.cloudwatch_metrics.fetch import Ask, Fetcher, pack
from exporter.sources.cloudwatch_metrics.plan import Begins, Plan, Planner
from exporter.sources.cloudwatch_metrics.rehearsal import Steady, steady
from exporter.sources.cloudwatch_metrics.rests import (
    STAGES,
    Load,
    Purse,
    loads,
    metrics_an_hour,
    months,
    silence,
    slowed,
    stage_for,
    weight,
)
from exporter.sources.cloudwatch_metrics.strands import Bundle, Rank, Reach, Settings, Strand, Unit
from exporter.sources.cloudwatch_metrics.windows import NARROW, gauge_span, marks, spans

HOST_AGE = 30 * MINUTE  # a host of a job is asked while its newest data is younger than this
ENDED = 5 * MINUTE  # after the end of a job, all that its hosts have sent is there
PLAN_LASTS = 5 * MINUTE
CATCH_UP = 6_000_000  # datapoints of catching up in one run, 30 s at our share of the quota: the strands after it wait

_OWN = "sagemaker_exporter_"
_NAMESPACE = "cloudwatch_namespace"


class _OfTarget:
    """What is kept about a target as long as the process lives."""

    def __init__(self, planner: Planner, fetcher: Fetcher) -> None:
        self.planner = planner
        self.fetcher = fetcher
        self.plan: Plan | None = None
        self.planned_at = -math.inf
        self.planned_for: tuple[Any, ...] = ()  # what there was
        self.planned_apart = False
        self.last_run = -math.inf
        self.met: set[str] = set()  # namespaces that have had series


class CloudWatchMetrics:
    """Reads the CloudWatch metrics of targets."""

    name = "cloudwatch_metrics"
    thrifty = True

    def __init__(
        self,
        aws: Aws,
        inventory: Inventory,
        places: Places,
        config: Config,
        admission: Admission,
        notes: Mapping[Target | None, Mapping[str, Any]],
        begin: float = 0.0,
    ) -> None:
        """`notes` are those of all targets. `begin` (s, 0 or less) moves the start of counting at a first start."""
        self._aws = aws
        self._inventory = inventory
        self._places = places
        self._config = config
        self._admission = admission
        self._begin = begin
        self._rules = config.sources.cloudwatch_metrics
        self._settings = row_settings(config)
        self._targets: dict[Target, _OfTarget] = {}
        self._purse = Purse(config.limits.usd_per_month, aws.spent(), months(notes), aws.now())

    def confirm(self, receipts: tuple[Any, ...]) -> None:
        """Do nothing: CloudWatch does not forget what was read."""

    def read(self, target: Target, known: Known, now: float) -> Reading:
        """Ask what is due, and return all that came of it."""
        kept = self._of(target)
        census = self._inventory.census(target)
        notes = self._notes(known.notes, census, kept, now)
        begins = Begins(notes["begin"], known.notes.get("listed", {}), self._aws.now())
        plan = self._plan(kept, census, known, begins, now, notes["attended"])
        kept.last_run = now
        _end(plan, known.lives, now - self._aws.now())
        notes[NOTE] = plan.admitted
        month = known.notes.get("month")
        self._purse.account(target, self._aws.spent(), month, now)
        self._slow(target, kept, now)
        crop = Crop(known.meters, self._rules.max_age, lambda: now + max(0.0, self._aws.now() - begins.at))
        asks = kept.fetcher.fetch(self._asks(plan, known.meters, now), now, crop.take)
        notes["month"] = self._purse.account(target, self._aws.spent(), month, now)  # or a restart forgets this run
        harvest = crop.harvest(asks, target)
        self._mark(asks, now)
        asked = {id(ask.strand) for ask in asks}
        waiting = [begun(strand) for strand in plan.strands.values() if strand.begin and id(strand) not in asked]
        # The scope named after it holds what it says of itself, by the plan. Who got nothing has looked at nothing.
        worked = not harvest.failures or any(ask.heard for ask in asks)
        return Reading(
            self.name,
            target,
            now,
            samples=tuple(self._about(target, plan)),
            columns=tuple(harvest.columns),
            looked=(self.name,) if worked else (),
            failed=tuple(harvest.failures),
            reads=(*harvest.reads, *waiting),
            standings=plan.standings,
            switches=plan.switches,
            forget=plan.forget,
            notes=notes,
            tallies=(*self._zeros(target, kept), *harvest.tallies),
            attended=notes["attended"],
        )

    def survey(self, target: Target, now: float) -> tuple[Failure, ...]:  # noqa: ARG002 - see above
        """List nothing: the inventory has."""
        return ()

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:
        """Return what an hour takes where all of the censuses has data: it is rehearsed, asking nothing."""
        begins = Begins(dict.fromkeys(self._settings, int(now)), {}, now)
        for target in censuses:
            self._admission.expect(target, {self.name: None})
        planners = [(self._of(target).planner, census) for target, census in censuses.items()]
        for planner, census in planners:  # so that each knows what the others want
            planner.plan(census, Known(), begins, {}, now, 0.0)
        weighs: list[Load] = []
        meters: list[Mapping[Resource, Steady]] = []
        for planner, census in planners:
            first = planner.plan(census, Known(), begins, {}, now, 0.0)
            weighs += loads(first.strands.values())
            meters.append(steady(first.strands.values(), self._rules.deep_settle))
        stage = stage_for(weighs, usd / METRIC_PRICE, 0)
        slow = slowed(stage)
        plays = [
            (planner.plan(census, Known(meters=of_target), begins, {}, now, 0.0, apart=stage > 0), of_target)
            for (planner, census), of_target in zip(planners, meters, strict=True)
        ]
        calls = metrics = 0
        steps = int(HOUR // self._rules.every)
        for n in range(2 * steps):  # in the first hour all that is cold is asked once, and takes its turn from then on
            at = now + n * self._rules.every
            for plan, of_target in plays:
                for meter in of_target.values():
                    meter.at(at)
                for strand in plan.strands.values():
                    strand.newest = int(at)
                    strand.rest = slow.get(weight(strand.rank, serves=strand.serves), 0.0)
                packed = pack(self._asks(plan, of_target, at), at, self._aws.datapoint_rates)
                asks = [ask for call in packed for ask in call]
                for ask in asks:
                    ask.whole = True
                self._mark(asks, at)
                if n >= steps:
                    calls += len(packed)
                    metrics += sum(ask.bundle.price for ask in asks)
        everything = sum(one.metrics for one in weighs) * HOUR / self._rules.every
        pace = self._rules.pace
        every = (self._rules.every, *(max(self._rules.every, slow) for slow in (pace.warm, pace.cold)))
        floor = metrics_an_hour(weighs, len(STAGES))
        return Forecast(every, {"GetMetricData": calls}, metrics, floor, everything)

    def _of(self, target: Target) -> _OfTarget:
        if target not in self._targets:
            selection = Selection(self._config.resources)
            planner = Planner(target, self._places, self._settings, selection, self._admission)
            self._targets[target] = _OfTarget(planner, Fetcher(self._aws, target))
        return self._targets[target]

    def _plan(self, kept: _OfTarget, census: Census, known: Known, begins: Begins, now: float, attended: float) -> Plan:
        """Return a new plan; or that of the last run for a while, if what there is has not changed and all is counted.

        Time alone changes a plan slowly: what may rest is asked a few minutes longer.
        """
        last, there_is, apart = kept.plan, _there_is(census), self._purse.stage_now > 0
        if (
            last is None
            or now >= kept.planned_at + PLAN_LASTS
            or not last.settled
            or not self._admission.free
            or kept.planned_for != there_is
            or kept.planned_apart != apart
        ):
            strands = last.strands if last else {}
            kept.plan = last = kept.planner.plan(census, known, begins, strands, now, attended, apart=apart)
            kept.planned_at, kept.planned_for, kept.planned_apart = now, there_is, apart
        return last

    def _notes(self, before: Mapping[str, Any], census: Census, kept: _OfTarget, now: float) -> dict[str, Any]:
        """Return the notes after this run: when each family was switched on, when each namespace was last listed.

        A changed selection of resources lets all new series begin now: what was left out so far must not be counted.
        """
        begin = self._aws.now() + (0.0 if before else self._begin)  # where our clock lags, the past would be counted
        start = int(begin) // MINUTE * MINUTE
        selection = repr(self._config.resources)
        begins = before.get("begin", {}) if before.get("selection", selection) == selection else {}
        on = {name: begins.get(name, start) for name in self._settings}
        listed = {**before.get("listed", {}), **{name: listing.at for name, listing in census.listings.items()}}
        every, listed_every = self._rules.every, self._config.sources.inventory.list_metrics_every
        fresh = max(HOUR, 3 * listed_every)
        whole = all(now - listing.at <= fresh for listing in census.listings.values()) and bool(census.listings)
        passed = now - kept.last_run
        attended = before.get("attended", 0.0) + (passed if whole and 0 < passed <= max(HOUR, 3 * every) else 0.0)
        return {"begin": on, "listed": listed, "selection": selection, "attended": attended}

    def _slow(self, target: Target, kept: _OfTarget, now: float) -> None:
        """Let strands rest: the silent ones, and what comes first if the dollars of the month do not suffice."""
        strands = kept.plan.strands.values() if kept.plan else ()
        silence(strands, now)
        asked = [strand for strand in strands if not self._over(strand, now)]
        slow = slowed(self._purse.stage(target, loads(asked), now))
        for strand in asked if slow else ():
            strand.rest = max(strand.rest, slow.get(weight(strand.rank, serves=strand.serves), 0.0))

    def _asks(self, plan: Plan, meters: Mapping[Any, Metered], now: float) -> list[Ask]:
        """Return what is due, in the windows that it needs."""
        asks: list[Ask] = []
        points = 0  # of catching up
        for strand in plan.strands.values():
            if strand.counts:
                if points <= CATCH_UP:
                    of_strand = self._counting(strand, meters.get(strand.resource), now)
                    points += sum(ask.points for ask in of_strand if not ask.span.recent)
                    asks += of_strand
            else:
                asks += self._showing(strand, strand.bundle, now)
        return asks

    def _showing(self, strand: Strand, bundle: Bundle, now: float) -> list[Ask]:
        """Return what is due of gauges that are asked without counters: all, or those that were not answered."""
        due = self._due(strand, now)
        if self._over(strand, now) or not (due or strand.unheard):
            return []
        if not due:
            bundle = bundle.only([unit for unit in bundle.units if unit.metric in strand.unheard])
        lasts = bundle.lasts(strand.effective)
        span = gauge_span(now, max(lasts, HOST_AGE if strand.host else 0.0) + strand.period, strand.period)
        return [Ask(strand, bundle, span)] if bundle.units else []

    def _due(self, strand: Strand, now: float) -> bool:
        """Say whether all of a strand is to be asked: a run that comes a moment early must not skip a cycle."""
        early = self._rules.every / 2
        return strand.due <= now + early and strand.rested(early) <= now + early

    def _counting(self, strand: Strand, meter: Metered | None, now: float) -> list[Ask]:
        """Return what is due of a strand of counters: all, or those that can't be seen or were not answered.

        One that can't be read must not let the others be asked again and again from where it stands: units share a
        window only where they have the same marks. A gauge among them is then asked by itself.
        """
        all_due, soon = self._due(strand, now), now + self._rules.every / 2
        ends = now + 1.5 * self._rules.every  # what would leave the page before the next run is asked in this one
        alike: dict[tuple[bool, frozenset[tuple[int, int, int]]], Bundle] = {}
        asks: list[Ask] = []
        even = None if strand.unheard else strand.even(meter)
        if even:  # as nearly always
            if all_due or even[3] <= ends:
                alike[even[3] <= now, frozenset([even[:3]])] = strand.bundle
        else:
            apart: dict[tuple[bool, frozenset[tuple[int, int, int]]], list[Unit]] = {}
            for unit in strand.bundle.units:
                counters = strand.counters(unit, meter)
                hidden, leaving = (any(lease <= at for *_, lease in counters) for at in (now, ends))
                if counters and (all_due or leaving or unit.metric in strand.unheard):
                    key = hidden, frozenset(counter[:3] for counter in counters)
                    apart.setdefault(key, []).append(unit)
            alike = {key: strand.bundle.only(units) for key, units in apart.items()}
            alone = [unit for unit in strand.bundle.units if not unit.counts]
            asks += self._showing(strand, Bundle(tuple(alone)), now) if alone else ()
        for (hidden, at), bundle in alike.items():
            reach = Reach.DEEP if hidden or strand.deep_due <= soon else Reach.NARROW
            if reach is Reach.NARROW and strand.settle_due <= soon:
                reach = Reach.SETTLE
            width = max(NARROW if reach is Reach.NARROW else self._rules.settle, bundle.delay + 3 * MINUTE)
            deep = reach is Reach.DEEP
            for span in spans(now, marks(at), width, deep=deep, deep_settle=self._rules.deep_settle):
                if deep and span.recent and bundle.gauges:  # what is shown may be older than all that counts
                    shown_from = gauge_span(now, bundle.lasts(strand.effective) + MINUTE, MINUTE).start
                    asks.append(Ask(strand, bundle, span._replace(start=min(span.start, shown_from)), reach))
                else:
                    asks.append(Ask(strand, bundle if span.period == MINUTE else bundle.coarse, span, reach))
        return asks

    def _over(self, strand: Strand, now: float) -> bool:
        """Say whether a host of a job has had its last data: it stays listed for hours after its end.

        Where nobody tells of the end, only an answer can tell that there was none for long, and it is asked again after
        as long: whatever CloudWatch, or the network, did to us meanwhile must not be taken for the end of a job.
        """
        if strand.looked >= strand.ended + ENDED:
            return True
        return strand.host and strand.looked - strand.newest > HOST_AGE and now < strand.looked + HOST_AGE

    def _mark(self, asks: Iterable[Ask], now: float) -> None:
        """Let each strand plan its next reading by what came of this one; the unit read least far back decides.

        This is not yet committed. If the ledger refuses it, the strand is due too late, but nothing is lost: how far
        back is asked then follows from the ledger.
        """
        of_strands: dict[int, list[Ask]] = {}
        for ask in asks:
            of_strands.setdefault(id(ask.strand), []).append(ask)
        for of_strand in of_strands.values():
            strand = of_strand[0].strand
            missed = {unit.metric for ask in of_strand if not ask.whole for unit in ask.unheard}
            if missed or strand.unheard:
                strand.unheard = strand.unheard.difference(*(ask.bundle.metrics for ask in of_strand)) | missed
            if not strand.unheard:
                strand.looked = now
            heard = [ask.reach for ask in of_strand if not ask.error and ask.bundle.counts == strand.counts]
            if heard and self._due(strand, now):
                strand.heard(now, min(heard))

    def _zeros(self, target: Target, kept: _OfTarget) -> Iterator[Effect]:
        """Yield zeros about namespaces that have series for the first time: own counters are born at 0 (law L8)."""
        strands = kept.plan.strands.values() if kept.plan else ()
        namespaces = {strand.resource.namespace for strand in strands} - kept.met
        kept.met |= namespaces
        rows = [row for row in CATALOGUE.values() if row.source == "own" and row.seeded and _NAMESPACE in row.labels]
        here = {"account_id": [target.account_id], "region": [target.region], _NAMESPACE: sorted(namespaces)}
        for row in rows:
            yield from (Effect(row.name, labels, 0.0) for labels in row.combinations(here))

    def _about(self, target: Target, plan: Plan) -> Iterable[Sample]:
        """Yield what this source says of itself."""
        where = (target.account_id, target.region)
        series: dict[str, int] = {}
        newest: dict[str, int] = {}
        for strand in plan.strands.values():
            namespace = strand.resource.namespace
            series[namespace] = series.get(namespace, 0) + len(strand.bundle.units)
            newest[namespace] = max(newest.get(namespace, 0), strand.newest)
        yield Sample(_OWN + "thinning_stage", where, float(self._purse.stage_now), scope=self.name)
        for namespace, count in series.items():
            yield Sample(_OWN + "discovered_series", (*where, namespace), float(count), scope=self.name)
            if newest[namespace]:
                end = float(newest[namespace])
                yield Sample(_OWN + "data_newest_timestamp_seconds", (*where, namespace), end, scope=self.name)
        for (namespace, reason), count in plan.unasked.items():
            yield Sample(_OWN + "unasked_series", (*where, namespace, reason), float(count), scope=self.name)


def _there_is(census: Census) -> tuple[Any, ...]:
    """Return what of a census a plan depends on."""
    looked = (at > 0 for at in (census.endpoints_at, census.components_at, census.tags_at))
    return census.endpoints, census.components, census.tags, census.listings, *looked


def _end(plan: Plan, lives: Mapping[str, Life], ahead: float) -> None:
    """Note which jobs have ended; our clock is so many seconds ahead of AWS's."""
    for strand in plan.strands.values() if lives else ():
        at, over = lives.get(strand.job, (math.inf, False))
        strand.ended = at + ahead if over else math.inf


def switched_off(target: Target, known: Known, now: float) -> Reading:
    """Return a reading that ends the count of everything on a target: for when the source itself is switched off."""
    switches = tuple(
        Switch(resource, tuple(key for key, i in meter.position.items() if not meter.paused[i]), False, now)
        for resource, meter in known.meters.items()
        if not all(meter.paused)
    )
    return Reading(CloudWatchMetrics.name, target, now, switches=switches)


def row_settings(config: Config) -> dict[str, Settings]:
    """Return how each CloudWatch family that is on is asked (seconds)."""
    source = config.sources.cloudwatch_metrics
    paces = {"hot": source.every, "warm": source.pace.warm, "cold": source.pace.cold}
    found = {}
    for name, row in CATALOGUE.items():
        if row.pace is None or not source.enabled or not config.on(name):
            continue
        own = config.rows.get(name)
        word = own.pace if own and own.pace else row.pace
        found[name] = Settings(
            pace=max(source.every, paces[word]),
            max_age=own.max_age if own and own.max_age is not None else source.max_age,
            gauge_delay=own.gauge_delay if own and own.gauge_delay is not None else source.gauge_delay,
            rank=_rank(row, word),
            order=order(row, word),
        )
    return found


def _rank(row: Row, pace: Pace) -> Rank:
    """Return when a row is slowed, if dollars run short."""
    if not row.on or pace == "cold":
        return Rank.EXTRA
    if pace == "warm":
        return Rank.WARM
    if row.seeded and "_errors" in row.name:
        return Rank.ERROR
    return Rank.COUNTER if row.type in {"counter", "summary"} else Rank.GAUGE
