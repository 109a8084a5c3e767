"""CloudWatch: GetMetricData and ListMetrics, with AWS's limits and the words of its errors.

What is known of their behaviour comes from the API reference and, where that is silent, from public reports; metric
math and Metrics Insights are refused. What there is to read is in `world`, what it costs in `bill`.
"""

from __future__ import annotations

import math
import random
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from exporter.demo.call import AwsError, invalid
from exporter.demo.series import FORGOTTEN_AFTER
from exporter.demo.stats import statistic
from exporter.demo.traffic import chance

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.call import Call
    from exporter.demo.series import Series
    from exporter.demo.stats import Stat, Statistic
    from exporter.demo.world import Key

DAY = 86400

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
MOST_QUERIES = 500
MOST_DATAPOINTS = 100_800
FINE_PERIODS = (1, 5, 10, 20, 30)
FINE_KEPT = 3 * 3600
KEPT = ((15 * DAY, 60), (63 * DAY, 300), (455 * DAY, 3600))
"""(age, grid): data up to this age is kept on this grid, StartTime is rounded down to it, periods are its multiples."""

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html
MOST_LISTED = 500
RECENT = 3 * 3600
RECENT_SLACK = 50 * 60

# https://aws.amazon.com/cloudwatch/pricing/: up to five statistics of a metric in a request are one metric
STATISTICS_PER_METRIC = 5


_ID = re.compile(r"^[a-z][a-zA-Z0-9_]*$")


class _Query(NamedTuple):
    id: str
    label: str
    metric: Key
    period: int
    statistic: Statistic
    unit: str | None
    account: str | None
    returned: bool


class _Place(NamedTuple):
    """How far the pages of an answer have come: all of them show what was seen at the time of the first one."""

    now: float
    query: int = 0
    datapoint: int = 0


def get_metric_data(call: Call) -> dict[str, Any]:
    """Answer GetMetricData; see AWS's API reference for the shapes."""
    parameters = call.parameters
    queries = _queries(parameters)
    start, end = _moment(parameters, "StartTime"), _moment(parameters, "EndTime")
    if start == end:
        raise invalid("The parameter StartTime must not equal parameter EndTime.")
    if start > end:
        raise invalid("The parameter StartTime must be less than the parameter EndTime.")
    scan = parameters.get("ScanBy", "TimestampDescending")
    if scan not in ("TimestampDescending", "TimestampAscending"):
        raise invalid(f"The value {scan} for parameter ScanBy is not supported.")
    limit = parameters.get("MaxDatapoints", MOST_DATAPOINTS)
    if not 1 <= limit <= MOST_DATAPOINTS:
        raise invalid(f"The value {limit} for parameter MaxDatapoints must be between 1 and {MOST_DATAPOINTS}.")
    wrong_token = AwsError("InvalidNextToken", "The next token specified is invalid.")
    place = _Place(*(call.resumed(wrong_token) or [call.now]))

    estimated = sum((end - start) / query.period for query in queries)
    recent = call.now - start <= FINE_KEPT
    call.meter.admit(call, estimated if recent else 0, 0 if recent else estimated)
    asked = [query for query in queries if query.returned]
    results, following = _page(call, asked, _Reader(call, start, end, place.now), scan, place, limit)
    call.meter.charge(_billed(queries), sum(len(result["Values"]) for result in results))
    answer: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
    if following:
        answer["NextToken"] = call.token([following.now, following.query, following.datapoint])
    return answer


def _queries(parameters: dict[str, Any]) -> list[_Query]:
    given = parameters.get("MetricDataQueries")
    if not given:
        raise invalid("The parameter MetricDataQueries is required.")
    if len(given) > MOST_QUERIES:
        raise invalid(f"The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}.")
    queries = [_query(query, place) for place, query in enumerate(given, 1)]
    if len({query.id for query in queries}) < len(queries):
        raise invalid("The values for parameter id in MetricDataQueries are not unique.")
    return queries


def _query(query: dict[str, Any], place: int) -> _Query:
    identity = query.get("Id", "")
    if not _ID.fullmatch(identity):
        raise _wrong(place, "Id", f"is not matching the expected pattern {_ID.pattern}", identity)
    asked = query.get("MetricStat")
    if (asked is None) == (query.get("Expression") is None):
        raise _wrong(place, "MetricStat", "or Expression is required, and not both")
    if asked is None:
        raise _wrong(place, "Expression", "cannot be evaluated by this fake AWS")
    metric = asked.get("Metric", {})
    namespace, name = metric.get("Namespace"), metric.get("MetricName")
    period, stat = asked.get("Period"), asked.get("Stat")
    if not (namespace and name and period and stat):
        required = {"Metric.Namespace": namespace, "Metric.MetricName": name, "Period": period, "Stat": stat}
        missing = next(member for member, value in required.items() if not value)
        raise _wrong(place, f"MetricStat.{missing}", "is required")
    if period not in FINE_PERIODS and (period < 60 or period % 60):
        raise _wrong(place, "MetricStat.Period", "must be a value in the set [1, 5, 10, 20, 30] or a multiple of 60")
    try:
        tell = statistic(stat)
    except ValueError as error:
        raise _wrong(place, "MetricStat.Stat", "is not supported", stat) from error
    dimensions = [(one["Name"], one["Value"]) for one in metric.get("Dimensions", ())]
    if len(dimensions) > 30:
        raise _wrong(place, "MetricStat.Metric.Dimensions", "must not have a size greater than 30")
    dimensions.sort()
    return _Query(
        identity,
        query.get("Label", name),
        (namespace, name, tuple(dimensions)),
        period,
        tell,
        asked.get("Unit"),
        query.get("AccountId"),
        query.get("ReturnData", True),
    )


def _wrong(place: int, member: str, rule: str, value: Any = None) -> AwsError:
    parameter = f"parameter MetricDataQueries.member.{place}.{member}"
    return invalid(f"The {parameter} {rule}." if value is None else f"The value {value} for {parameter} {rule}.")


def _moment(parameters: dict[str, Any], name: str) -> float:
    value = parameters.get(name)
    if value is None:
        raise invalid(f"The parameter {name} is required.")
    if not isinstance(value, int | float):
        raise AwsError("SerializationException", f"{name} is not a timestamp: AWS JSON has epoch seconds here.")
    return float(value)


def _billed(queries: list[_Query]) -> int:
    statistics: dict[tuple[str | None, Key], int] = {}
    for query in queries:
        key = (query.account, query.metric)
        statistics[key] = statistics.get(key, 0) + 1
    return sum(math.ceil(number / STATISTICS_PER_METRIC) for number in statistics.values())


def _page(
    call: Call, queries: list[_Query], read: _Reader, scan: str, place: _Place, limit: int
) -> tuple[list[dict[str, Any]], _Place | None]:
    """Return the results of one page and where the next one begins, if there is one.

    Results are filled in the order of the queries, so that the limit may cut one in the middle. A page names those
    that the pages before did not complete; what it does not reach it calls PartialData, without a datapoint.
    """
    results: list[dict[str, Any]] = []
    following: _Place | None = None
    for number in range(place.query, len(queries)):
        query = queries[number]
        result: dict[str, Any] = {"Id": query.id, "Label": query.label, "Timestamps": [], "Values": []}
        result["StatusCode"] = "PartialData"
        results.append(result)
        if following:
            continue
        skipped = place.datapoint if number == place.query else 0
        fault = call.fault_on(call, *query.metric[:2])
        if fault == "forbidden" or query.account not in (None, call.principal.account):
            result["StatusCode"] = "Forbidden"
            result["Messages"] = [{"Code": "Forbidden", "Value": "You are not authorized to read this metric."}]
            continue
        if fault == "internal_error":
            result["StatusCode"] = "InternalError"
            continue
        points = read(query)
        if scan == "TimestampDescending":
            points.reverse()
        if fault in ("short", "message"):
            points = points[1::2]
        if fault == "message":
            result["Messages"] = [{"Code": "InternalError", "Value": "Some data could not be read."}]
        if fault == "partial":  # as when CloudWatch gives up: no NextToken leads to the rest
            points = points[: len(points) // 2]
        shown = points[skipped : skipped + limit]
        limit -= len(shown)
        result["Timestamps"] = [at for at, _ in shown]
        result["Values"] = [value for _, value in shown]
        if skipped + len(shown) < len(points):
            following = _Place(place.now, number, skipped + len(shown))
        elif fault != "partial":
            result["StatusCode"] = "Complete"
    return results, following


class _Reader:
    """Reads series over the window of one request; statistics of the same metric share the work."""

    def __init__(self, call: Call, start: float, end: float, now: float) -> None:
        self._place = call.place
        self._start, self._end, self._now = start, end, now
        self._windows: dict[int, tuple[float, float] | None] = {}
        self._periods: dict[tuple[Key, int], list[tuple[float, list[Stat]]]] = {}

    def __call__(self, query: _Query) -> list[tuple[float, float]]:
        """Return (start of the period, value) by time."""
        series = self._place.series.get(query.metric)
        if series is None or query.unit not in (None, series.unit):
            return []
        key = (query.metric, query.period)
        periods = self._periods.get(key)
        if periods is None:
            periods = self._periods[key] = self._read(series, query.period)
        tell = query.statistic
        return [(at, value) for at, stats in periods if (value := tell(stats)) is not None]

    def _read(self, series: Series, period: int) -> list[tuple[float, list[Stat]]]:
        if period not in self._windows:
            self._windows[period] = window(self._start, self._end, period, self._now)
        borders = self._windows[period]
        periods: list[tuple[float, list[Stat]]] = []
        if borders:
            newest = None
            for at, stat in series.points(*borders, self._now, fine=period < 60):
                start = at - at % period
                if start == newest:
                    periods[-1][1].append(stat)
                else:
                    periods.append((float(start), [stat]))  # AWS writes timestamps as 1.7E9
                    newest = start
        return periods


def window(start: float, end: float, period: int, now: float) -> tuple[float, float] | None:
    """Return the stretch of time whose data CloudWatch reads for this request, or None where it keeps none.

    A period too fine for the age of `start` is not an error: the answer is Complete, and empty.
    """
    age = now - start
    if period < 60:
        return (start // period * period, end) if age <= FINE_KEPT else None
    grid = next((grid for kept, grid in KEPT if age <= kept), KEPT[-1][1])
    if period % grid:
        return None
    oldest = math.ceil((now - KEPT[-1][0]) / grid) * grid
    if grid > 60:  # rolled up: what is kept on the grid cannot be cut
        end = math.ceil(end / grid) * grid
    return max(start // grid * grid, oldest), end


def list_metrics(call: Call) -> dict[str, Any]:
    """Answer ListMetrics: by page, in no order, and now and then with a series twice."""
    parameters = call.parameters
    recently = parameters.get("RecentlyActive")
    if recently not in (None, "PT3H"):
        raise invalid(
            f"1 validation error detected: Value '{recently}' at 'recentlyActive' failed to satisfy constraint: "
            "Member must satisfy enum value set: [PT3H]"
        )
    filters = [(one["Name"], one.get("Value")) for one in parameters.get("Dimensions", ())]
    if len(filters) > 10:
        raise invalid("The collection Dimensions must not have a size greater than 10.")
    place = call.resumed(AwsError("InvalidParameterValueException", "Invalid nextToken")) or 0

    region = call.place
    namespace, metric = parameters.get("Namespace"), parameters.get("MetricName")
    listing = region.by_namespace.get(namespace, []) if namespace else region.listing
    repeats = chance(call.world.seed, place + 1) < call.world.repeated
    page: list[Series] = []
    while place < len(listing) and len(page) < MOST_LISTED - repeats:
        series = listing[place]
        place += 1
        if (not metric or series.metric == metric) and _matches(series, filters) and _listed(series, call, recently):
            page.append(series)
    random.Random(place).shuffle(page)  # noqa: S311 - no secret
    if page and repeats:
        page.append(page[0])
    answer: dict[str, Any] = {"Metrics": [_described(series) for series in page]}
    if parameters.get("IncludeLinkedAccounts"):
        answer["OwningAccounts"] = [call.principal.account] * len(page)
    if place < len(listing):
        answer["NextToken"] = call.token(place)
    return answer


def _matches(series: Series, filters: list[tuple[str, str | None]]) -> bool:
    return all(
        any(name == wanted and value in (None, has) for name, has in series.dimensions) for wanted, value in filters
    )


def _listed(series: Series, call: Call, recently: str | None) -> bool:
    if series.hidden:
        return False
    activity = series.activity(call.now)
    if activity is None:
        return False
    soonest, latest = call.world.listed_after
    share = (series.number >> 20 & 0xFFF) / 0x1000
    if activity.first + soonest + (latest - soonest) * share > call.now:
        return False
    kept = FORGOTTEN_AFTER
    if recently:  # "a low probability that results are up to 50 minutes older"
        kept = RECENT + (RECENT_SLACK if series.number % 20 == 0 else 0)
    return activity.last > call.now - kept


def _described(series: Series) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in series.dimensions]
    if series.number % 2:  # AWS promises no order
        dimensions.reverse()
    return {"Namespace": series.namespace, "MetricName": series.metric, "Dimensions": dimensions}


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "GetMetricData": get_metric_data,
    "ListMetrics": list_metrics,
}
