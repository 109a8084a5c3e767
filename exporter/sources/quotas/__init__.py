"""Service quotas of SageMaker that are in use: their limits, how much is used, and one as a share of the other.

    sagemaker_quota_utilization_ratio{account_id="123456789012",region="us-east-1",quota_code="L-614B09FD"} 0.75

Limits are listed now and then. What is used is counted in each run from what others have seen, which is free; where AWS
has a usage metric for a quota, that is asked for and shown instead, but only for what is in use by our own count, or
what we can't count: each metric is billed.

    names     a quota's name -> what it limits
    usage     census, families about jobs -> how much there is of that
    answers   what AWS says, read into what it must be
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from exporter.aws import Aws, AwsError, MetricCall, Reply
from exporter.aws.metric_data import dimensions, statistic, subject
from exporter.aws.operations import MOST_QUERIES, RECENT
from exporter.catalogue import CATALOGUE
from exporter.config import Config, stands
from exporter.inventory import Census, Inventory, running
from exporter.model import HOUR, MINUTE, Failure, Forecast, Known, Reading, Sample, Target
from exporter.sources.quotas.answers import Limit, limits
from exporter.sources.quotas.usage import Count, Counts, count_of

RUN_EVERY = 1.0 * MINUTE  # between two runs: what is counted is told anew, and what can't be listed is tried again
RETRY_AFTER = 300.0  # seconds until a listing or a metric that could not be had is asked for again
WAITS = 600.0  # seconds for which metrics of what is to be counted wait for those who have not looked yet
PERIOD = 300
PUBLISHED_EVERY = 1200.0  # seconds, as far as is known: AWS documents no period of SageMaker's AWS/Usage
PAGE = 100  # quotas, the most that AWS allows
ASSUMED = 1700  # quotas of an account, where nobody has listed them

_APPLIED: Mapping[str, Any] = {"ServiceCode": "sagemaker", "QuotaAppliedAtLevel": "ACCOUNT", "MaxResults": PAGE}
_DEFAULT: Mapping[str, Any] = {"ServiceCode": "sagemaker", "MaxResults": PAGE}
_LIMIT, _USAGE = "sagemaker_quota_limit", "sagemaker_quota_usage"
_LISTED = "limits"  # the scope of the listing
_RATIO, _INFO = "sagemaker_quota_utilization_ratio", "sagemaker_quota_info"


class _Use(NamedTuple):
    """How much of a quota is used, who says so, until when that may be shown, and of when it is, if AWS tells."""

    value: float
    source: str
    until: float
    time: float | None = None


class _OfTarget:
    """What is known of the quotas of a target."""

    def __init__(self, now: float) -> None:
        self.since = now
        self.limits: dict[str, Limit] = {}
        self.untold: frozenset[str] = frozenset()  # codes of those that are listed without one
        self.whole = False  # whether these are all that there are
        self.due = 0.0  # when they are listed again
        self.failed: list[Failure] = []  # in the last listing,
        self.missed: dict[
            str, Failure
        ] = {}  # and of which quotas the metric could not be had, when it was last asked for
        self.next: dict[str, float] = {}  # when the metric of a quota is asked for again
        self.used: dict[str, _Use] = {}  # what it said


class Quotas:
    """Lists quotas, and shows those that are in use.

    Times that it keeps are by AWS's clock: ours may be set back, and nothing would be due, nor too old, for hours.
    """

    name = "quotas"
    thrifty = False

    def __init__(self, aws: Aws, inventory: Inventory, config: Config) -> None:
        settings = config.sources.quotas
        self._aws = aws
        self._inventory = inventory
        self._every = settings.every
        self._last_good = stands(settings)
        self._delay = config.sources.cloudwatch_metrics.gauge_delay
        self._codes = settings.codes
        self._counts = Counts(config)
        self._on = {name for name, row in CATALOGUE.items() if row.source == self.name and config.on(name)}
        self._kept: dict[Target, _OfTarget] = {}

    def confirm(self, receipts: tuple[Any, ...]) -> None:
        """Do nothing: listings are not used up by reading them."""

    def read(self, target: Target, known: Known, now: float) -> Reading:
        """List what is due, count what is used, and show what is in use."""
        aws_now = self._aws.now()
        kept = self._kept.setdefault(target, _OfTarget(aws_now))
        self._list(target, kept, aws_now)
        census = self._inventory.census(target)
        counts = {name: one.by(aws_now - now) for name, one in self._counts.now(census, known, now).items()}
        self._ask(target, kept, self._asked(kept, counts, census, aws_now), aws_now)
        samples: list[Sample] = []
        looked: set[str] = set()
        for code, limit in kept.limits.items():
            use, named = self._use(kept, limit, counts, aws_now), self._named(limit)
            if use or named:
                looked.add(code)
            if named or (use and use.value > 0):
                until = aws_now + self._last_good if named else 0.0
                samples += self._samples(target, limit, use, until, now - aws_now)
        shown = {one.scope for one in samples}
        listed = kept.limits.keys() | kept.untold
        over = {code for code in known.scopes if code in looked or (kept.whole and code not in listed)}
        return Reading(
            self.name,
            target,
            now,
            samples=tuple(samples),
            looked=tuple(shown | over | ({_LISTED} if kept.whole else set())),
            failed=(*kept.failed, *dict.fromkeys(kept.missed.values())),
        )

    def survey(self, target: Target, now: float) -> tuple[Failure, ...]:  # noqa: ARG002 - AWS's time is taken
        """List the quotas."""
        kept = self._kept[target] = _OfTarget(self._aws.now())
        self._list(target, kept, self._aws.now())
        return tuple(kept.failed)

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:  # noqa: ARG002 - not slowed
        """Return what an hour takes where nothing changes; metrics of what jobs use come on top, if AWS has any."""
        pages = metrics = calls = 0
        for target, census in censuses.items():
            kept = self._kept.get(target)
            if kept and kept.limits:
                asked = len(self._asked(kept, self._counts.now(census, Known(), now), census, self._aws.now()))
            else:
                asked = len({(one.resource_type, one.instance_type) for one in running(census)})
            pages += -(-(len(kept.limits) if kept and kept.limits else ASSUMED) // PAGE)
            metrics += asked
            calls += -(-asked // MOST_QUERIES)
        runs = HOUR / self._every
        by_operation = {"ListServiceQuotas": pages, "ListAWSDefaultServiceQuotas": pages, "GetMetricData": calls}
        hourly = {operation: number * runs for operation, number in by_operation.items()}
        return Forecast((self._every,), hourly, metrics * runs, metrics * runs, metrics * runs)

    def _is_due(self, at: float, now: float) -> bool:
        """Say whether it is time; nothing is put off for longer than that, but by a clock that was wrong then."""
        return not 0 < at - now <= self._every

    # -- limits --------------------------------------------------------------------------------------------------------

    def _list(self, target: Target, kept: _OfTarget, now: float) -> None:
        """List what applies, and the defaults of what nothing was applied to. What can't be listed stays as it was."""
        if not self._is_due(kept.due, now):
            return
        kept.failed = []
        applied = self._pages(target, kept, "ListServiceQuotas", _APPLIED, now)
        # Without these, a default may not be what applies: it would be a wrong limit.
        default = None if applied is None else self._pages(target, kept, "ListAWSDefaultServiceQuotas", _DEFAULT, now)
        kept.due = now + (min(self._every, RETRY_AFTER) if kept.failed else self._every)
        listed = {**(default or {}), **(applied or {})}  # of what applies but can't be told, the default is not it
        fresh = {code: one for code, one in listed.items() if one}
        kept.untold = frozenset(listed.keys() - fresh.keys())
        kept.whole = default is not None
        stays = {} if kept.whole and not kept.failed else kept.limits
        kept.limits = {code: one for code, one in {**stays, **fresh}.items() if now < one.at + self._last_good}
        if not kept.failed:
            kept.next.clear()  # all metrics are asked for together again

    def _pages(
        self, target: Target, kept: _OfTarget, operation: str, asked: Mapping[str, Any], now: float
    ) -> dict[str, Limit | None] | None:
        """Return a whole listing; None, and a failure, if any page of it can't be had."""
        try:
            found, failed = limits(operation, self._aws.pages(target, operation, **asked), now)
        except AwsError as error:
            kept.failed.append(Failure(operation, error.error_class, str(error)))
            return None
        kept.failed += failed
        return found

    def _named(self, limit: Limit) -> bool:
        return any(fnmatch.fnmatchcase(one, glob) for glob in self._codes for one in (limit.code, limit.name))

    # -- use -----------------------------------------------------------------------------------------------------------

    def _asked(self, kept: _OfTarget, counts: Mapping[str, Count], census: Census, now: float) -> list[Limit]:
        """Return the quotas whose metrics are asked for: those in use, and those of which we can't tell."""
        found = []
        for one in kept.limits.values():
            if not one.metric:
                continue
            count = count_of(counts, one.meaning.counted)
            if count:
                wanted = count.of(one.meaning.instance_type) != 0 or self._named(one)
            else:  # or somebody is about to look
                wanted = abs(now - kept.since) >= WAITS or not self._counts.expects(one.meaning.counted, census)
            if wanted:
                found.append(one)
            else:
                kept.used.pop(one.code, None)
        return found

    def _ask(self, target: Target, kept: _OfTarget, wanted: Collection[Limit], now: float) -> None:
        """Ask for the metrics that are due. An empty answer is no use of 0: the newest value stands for its time."""
        due = [one for one in wanted if self._is_due(kept.next.get(one.code, 0.0), now)]
        stays = {one.code for one in wanted}.difference(one.code for one in due)
        kept.missed = {code: failure for code, failure in kept.missed.items() if code in stays}
        start = math.ceil((now - RECENT) / PERIOD) * PERIOD
        end = int((now - self._delay) // PERIOD) * PERIOD
        parts = [due[n : n + MOST_QUERIES] for n in range(0, len(due), MOST_QUERIES)]
        calls = [_call(part, start, end) for part in parts]
        stands = 3 * PUBLISHED_EVERY + self._every + self._delay
        for part, reply in zip(parts, self._aws.metric_data(target, calls), strict=True):
            self._take(kept, part, reply, stands)
            for one in part:
                kept.next[one.code] = now + (min(RETRY_AFTER, self._every) if one.code in kept.missed else self._every)

    def _take(self, kept: _OfTarget, asked: Collection[Limit], reply: Reply | AwsError, stands: float) -> None:
        """Take in what CloudWatch said, as far as it vouches for that."""
        if isinstance(reply, AwsError):
            failure = Failure("GetMetricData", reply.error_class, str(reply))
            kept.missed.update(dict.fromkeys((one.code for one in asked), failure))
            return
        for one, result in zip(asked, reply.results, strict=True):
            if not result.complete:
                error_class = "denied" if result.status == "Forbidden" else "transient"
                text = f"CloudWatch's answer about the use of {one.code} is {result.status}"
                kept.missed[one.code] = Failure("GetMetricData", error_class, text)
            elif len(result.times):
                ended = result.times[-1] + PERIOD
                kept.used[one.code] = _Use(result.values[-1], "usage_metric", ended + stands, ended)

    def _use(self, kept: _OfTarget, limit: Limit, counts: Mapping[str, Count], now: float) -> _Use | None:
        """Return how much of a quota is used; None if that is not known now."""
        told = kept.used.get(limit.code)
        if told and now < told.until:
            return told
        count = count_of(counts, limit.meaning.counted)
        value = count.of(limit.meaning.instance_type) if count else math.nan
        return None if count is None or math.isnan(value) else _Use(value, "inventory", count.until)

    # -- showing -------------------------------------------------------------------------------------------------------

    def _samples(self, target: Target, limit: Limit, use: _Use | None, named: float, early: float) -> Iterator[Sample]:
        """Yield what is shown of a quota: while its use is known or, if it is `named`, until then anyway.

        Our clock is `early` by so much (seconds).
        """
        where = (target.account_id, target.region, limit.code)
        facts = (limit.name, limit.meaning.kind, limit.meaning.instance_type, "true" if limit.adjustable else "false")
        stands = min(limit.at + self._last_good, max(named, use.until if use else 0.0))
        values: list[tuple[str, tuple[str, ...], float, float, float | None]] = [
            (_LIMIT, where, limit.value, stands, None),
            (_INFO, (*where, *facts, use.source if use else "none"), 1.0, stands, None),
        ]
        if use:
            values.append((_USAGE, where, use.value, use.until, use.time))
            if limit.value > 0:
                values.append((_RATIO, where, use.value / limit.value, min(stands, use.until), use.time))
        for family, labels, value, until, time in values:
            if family in self._on:
                yield Sample(family, labels, value, scope=limit.code, until=until + early, time=time)


def _call(asked: Collection[Limit], start: int, end: int) -> MetricCall:
    queries = [
        subject(metric.namespace, metric.name) + dimensions(metric.dimensions) + statistic(PERIOD, metric.statistic)
        for metric in (one.metric for one in asked)
        if metric
    ]
    return MetricCall(start, end, queries, len(queries) * (end - start) // PERIOD, len(queries))
