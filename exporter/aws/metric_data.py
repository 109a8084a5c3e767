"""GetMetricData on the wire: requests joined from prepared bytes, answers decoded into numbers and nothing else.

A call asks hundreds of queries. Through the SDK's generic path it would build, validate and serialise as many trees of
dicts, and make an object of every timestamp: some 25 times the work of this file (tests/bench). The SDK still signs,
sends and refreshes credentials; the hooks through which we hand it a body, and take one from it, are public ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec
import orjson
from msgspec import Raw, Struct

from exporter.aws.operations import MOST_DATAPOINTS, MOST_QUERIES

_IDS = [f"q{n}" for n in range(MOST_QUERIES)]
_OPEN = tuple(f'{{"Id":"{id_}",'.encode() for id_ in _IDS)


def subject(namespace: str, metric: str) -> bytes:
    """Return how a query begins: the same for all resources."""
    return b'"MetricStat":{"Metric":{"Namespace":%b,"MetricName":%b,"Dimensions":' % (
        orjson.dumps(namespace),
        orjson.dumps(metric),
    )


def dimensions(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return the middle of a query: the same for all metrics of a resource."""
    made = orjson.dumps([{"Name": name, "Value": value} for name, value in pairs])
    return bytes(memoryview(made))  # of its own length: what orjson returns lies in four kilobytes


def statistic(period: int, stat: str) -> bytes:
    """Return how a query ends."""
    return b'},"Period":%d,"Stat":%b}}' % (period, orjson.dumps(stat))


class Queries(Protocol):
    """Queries as bytes; those of many calls need not all be made at once."""

    def __iter__(self) -> Iterator[bytes]: ...
    def __len__(self) -> int: ...


class MetricCall(Struct, frozen=True):
    """Queries that are asked together for [start, end), and what AWS bills for them.

    A query is the three parts above, joined; its id is its place. `datapoints` is AWS's estimate (range by period by
    queries), which counts against its quota; `metrics` is billed.
    """

    start: int
    end: int
    queries: Queries
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


class Page(Struct):
    """One page of an answer: ids and results, and of which of them, or of all, AWS itself is not sure."""

    ids: Sequence[str]
    results: Sequence[Result] = ()
    NextToken: str | None = None
    doubted: Collection[str] = ()
    doubtful: bool = False


class _Message(Struct):
    Code: str = ""
    Value: str = ""


class _Result(Struct, gc=False):
    Id: str
    StatusCode: str = ""
    Timestamps: Raw = Raw(b"[]")
    Values: list[float] = []
    Messages: list[_Message] | None = None


class _Answer(Struct):
    MetricDataResults: list[_Result]  # no default: a body without it was cut off
    NextToken: str | None = None
    Messages: list[_Message] | None = None


_answer = msgspec.json.Decoder(_Answer)
_times = msgspec.json.Decoder(list[float])


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
    answer = _answer.decode(text)
    known: dict[bytes, list[float]] = {}  # most results of a call have the same times: they are read once, and shared
    results, doubted = [], set()
    for one in answer.MetricDataResults:
        written = bytes(one.Timestamps)
        times = known.get(written)
        if times is None:
            times = known[written] = _times.decode(written)
        if one.Messages or len(times) != len(one.Values):
            doubted.add(one.Id)
        results.append(Result(times, one.Values, one.StatusCode))
    ids = [one.Id for one in answer.MetricDataResults]
    return Page(ids, results, answer.NextToken, doubted, bool(answer.Messages))


def merge(call: MetricCall, pages: Sequence[Page], began: float, date: float) -> Reply:
    """Put the pages of an answer together: by id, the last status counts, a message means that AWS has reservations."""
    results = pages[0].results
    if len(pages) > 1 or pages[0].doubted or pages[0].doubtful or pages[0].ids != _IDS[: len(call.queries)]:
        results = _by_id(call, pages)  # which hardly ever has to be
    return Reply(began, date, results, sum(len(result.times) for result in results))


def _by_id(call: MetricCall, pages: Sequence[Page]) -> list[Result]:
    """Return the results in the order of the queries, whatever the order in which they came, and on which pages."""
    doubtful = any(page.doubtful for page in pages)
    doubted = {id_ for page in pages for id_ in page.doubted}
    found = dict.fromkeys(_IDS[: len(call.queries)], Result())
    for page in pages:
        for id_, result in zip(page.ids, page.results, strict=True):
            before = found.get(id_)
            if before is not None:  # or nobody asked for it
                sure = result.status != "Complete" or not (doubtful or id_ in doubted)
                status = result.status if sure else "PartialData"
                found[id_] = Result([*before.times, *result.times], [*before.values, *result.values], status)
    return list(found.values())
