"""What Service Quotas says, read into what it must be. The SDK hands on what came, with AWS's names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from exporter.aws import AwsError, read_as
from exporter.model import Failure
from exporter.sources.quotas.names import Meaning, meaning

MOST = 10_000  # quotas: AWS lists some 1,700
COUNTED = "ResourceCount"  # in AWS/Usage: how many there are; CallCount is of calls, in each period


class Metric(NamedTuple):
    """The metric in which CloudWatch tells how much of a quota is used."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str


class Limit(Struct, frozen=True):
    """A quota as listed at `at`."""

    code: str
    name: str
    value: float
    adjustable: bool
    meaning: Meaning
    metric: Metric | None
    at: float


def limits(
    operation: str, pages: Iterable[Mapping[str, Any]], now: float
) -> tuple[dict[str, Limit | None], list[Failure]]:
    """Return the quotas of an account by their codes, and what AWS could not tell of one. Raises `AwsError`.

    None: it is listed, without a limit of the account that one could show. AWS can't tell it, or it is one of single
    resources, which has no use that is one number.
    """
    found: dict[str, Limit | None] = {}
    failed: list[Failure] = []
    for page in pages:
        if len(found) > MOST:
            raise AwsError("transient", f"{operation}: more than {MOST:,} quotas, as AWS would never list")
        for one in read_as(_Listed, page["Quotas"]):
            found.setdefault(one.QuotaCode, None)
            if one.QuotaAppliedAtLevel == "RESOURCE":
                continue
            if one.Value is None or not math.isfinite(one.Value):
                why = f"{one.ErrorReason.ErrorCode}: {one.ErrorReason.ErrorMessage}" if one.ErrorReason else "no value"
                failed.append(Failure(operation, "transient", f"AWS can't tell {one.QuotaCode}: {why}"))
                continue
            name = one.QuotaName
            found[one.QuotaCode] = Limit(
                one.QuotaCode, name, one.Value, one.Adjustable, meaning(name), _metric(one.UsageMetric), now
            )
    return found, failed


def _metric(told: _UsageMetric | None) -> Metric | None:
    if told is None or told.MetricName != COUNTED or not told.MetricNamespace:
        return None
    statistic = told.MetricStatisticRecommendation or "Maximum"
    return Metric(told.MetricNamespace, told.MetricName, tuple(sorted(told.MetricDimensions.items())), statistic)


class _UsageMetric(Struct):
    MetricNamespace: str = ""
    MetricName: str = ""
    MetricDimensions: dict[str, str] = {}
    MetricStatisticRecommendation: str = ""


class _ErrorReason(Struct):
    ErrorCode: str = ""
    ErrorMessage: str = ""


class _Listed(Struct):
    QuotaCode: str
    QuotaName: str = ""
    Value: float | None = None
    Adjustable: bool = False
    QuotaAppliedAtLevel: str = "ACCOUNT"
    UsageMetric: _UsageMetric | None = None
    ErrorReason: _ErrorReason | None = None
