"""GetMetricData on the wire: requests joined from prepared bytes, answers decoded into numbers and nothing else.

A call asks hundreds of queries. Through the SDK's generic path it would build, validate and serialise as many trees of
dicts, and make an object of every timestamp: some 25 times the work of this file (tests/bench). The SDK still signs,
sends and refreshes credentials; the hooks through which we hand it a body, and take one from it, are public ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import orjson
from msgspec import Struct

from exporter.aws.operations import MOST_DATAPOINTS, MOST_QUERIES

_IDS = tuple(f"q{n}" for n in range(MOST_QUERIES))
_POSITION = {id_: n for n, id_ in enumerate(_IDS)}
_OPEN = tuple(f'{{"Id":"{id_}",'.encode() for id_ in _IDS)


def subject(namespace: str, metric: str) -> bytes:
    """Return how a query begins: the same for all resources."""
    return b'"MetricStat":{"Metric":{"Namespace":%b,"MetricName":%b,"Dimensions":' % (
        orjson.dumps(namespace),
        orjson.dumps(metric),
    )


def dimensions(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return the middle of a query: the same for all metrics of a resource."""
    return orjson.dumps([{"Name": name, "Value": value} for name, value in pairs])


def statistic(period: int, stat: str) -> bytes:
    """Return how a query ends."""
    return b'},"Period":%d,"Stat":%b}}' % (period, orjson.dumps(stat))


class MetricCall(Struct, frozen=True):
    """Queries that are asked together for [start, end), and what AWS bills for them.

    A query is the three parts above, joined; its id is its place. `datapoints` is AWS's estimate (range by period by
    queries), which counts against its quota; `metrics` is billed.
    """

    start: int
    end: int
    queries: Sequence[bytes]
    datapoints: int
    metrics: int


class Result(Struct, frozen=True, gc=False):
    """What CloudWatch said to one query: points in ascending order, and whether it vouches for them.

    `status` is AWS's (Complete, PartialData, InternalError, Forbidden), or Missing where there was no result at all.
    """

    times: Sequence[float] = ()
    values: Sequence[float] = ()
    status: str = "Missing"

    @property
    def complete(self) -> bool:
        """Whether this is the whole answer."""
        return self.status == "Complete"


class Reply(Struct, frozen=True):
    """The results of a call, in the order of its queries; when it began (monotonic) and AWS's time in the answer."""

    began: float
    date: float
    results: Sequence[Result]
    datapoints: int


class _Message(Struct):
    Code: str = ""
    Value: str = ""


class _Result(Struct, gc=False):
    Id: str
    StatusCode: str = ""
    Timestamps: list[float] = []
    Values: list[float] = []
    Messages: list[_Message] | None = None


class Page(Struct):
    """One page of an answer, with AWS's names."""

    MetricDataResults: list[_Result]  # no default: a body without it was cut off
    NextToken: str | None = None
    Messages: list[_Message] | None = None


_decoder = msgspec.json.Decoder(Page)


def body(call: MetricCall, token: str | None) -> bytes:
    """Return the request of a call, or of its next page."""
    queries = b",".join(map(bytes.__add__, _OPEN, call.queries))
    page = b',"NextToken":' + orjson.dumps(token) if token else b""
    return (
        b'{"MetricDataQueries":[%b],"ScanBy":"TimestampAscending","MaxDatapoints":%d,"StartTime":%d,"EndTime":%d%b}'
        % (
            queries,
            MOST_DATAPOINTS,
            call.start,
            call.end,
            page,
        )
    )


def decode(text: bytes) -> Page:
    """Return a page of an answer; raise `msgspec.MsgspecError` for one that can't be read."""
    return _decoder.decode(text)


def merge(call: MetricCall, pages: Sequence[Page], began: float, date: float) -> Reply:
    """Put the pages of an answer together: by id, the last status counts, a message means that AWS has reservations."""
    doubtful = any(page.Messages for page in pages)
    doubted: set[int] = set()  # by a message on any page
    results: list[Result | None] = [None] * len(call.queries)
    for page in pages:
        for result in page.MetricDataResults:
            n = _POSITION.get(result.Id, len(results))
            if n >= len(results):
                continue
            before = results[n]
            times = result.Timestamps if before is None else [*before.times, *result.Timestamps]
            values = result.Values if before is None else [*before.values, *result.Values]
            status = result.StatusCode
            if result.Messages:
                doubted.add(n)
            if status == "Complete" and (doubtful or n in doubted or len(times) != len(values)):
                status = "PartialData"
            results[n] = Result(times, values, status)
    whole = [result or Result() for result in results]
    return Reply(began, date, whole, sum(len(result.times) for result in whole))
