"""Snapshots as pages for Prometheus: text format 0.0.4 and OpenMetrics 1.0, compressed.

A family on a target that has not changed since the last page is neither rendered nor compressed again. Lines of samples
are the same in both formats; only what stands above them differs. State sets and facts are gauges in both.

    # HELP sagemaker_endpoint_invocations_total Requests sent to an endpoint variant. [AWS/SageMaker Invocations, Sum]
    # TYPE sagemaker_endpoint_invocations_total counter
    sagemaker_endpoint_invocations_total{account_id="123456789012",region="us-east-1",endpoint_name="a",...} 5.0
"""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Literal, NamedTuple

import orjson
from prometheus_client import CollectorRegistry, GCCollector, Metric, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest as text_of
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_of

from exporter.catalogue import CATALOGUE
from exporter.catalogue.rows import Row
from exporter.model import Chunk, Snapshot, Target
from exporter.sinks.gzip_pieces import Member, Piece, piece, stitch

Format = Literal["text", "openmetrics"]

LONGEST = 1024  # characters of a label value: as much as CloudWatch allows for that of a dimension

_ORDER = {name: n for n, name in enumerate(CATALOGUE)}
_log = logging.getLogger(__name__)
_END = piece(b"# EOF\n")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Page(NamedTuple):
    """Everything that a scrape can ask for, made before it asks; and how many series it holds."""

    snapshot: Snapshot
    text: Member
    openmetrics: Member
    series: int


class Process:
    """What every program of the Python client says of itself: memory, CPU, open files, garbage; no rows of ours."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._now: tuple[Metric, ...] = ()

    def lines(self) -> dict[Format, bytes]:
        """Return it as it is now in both formats, read once: the formats of a page hold the same values."""
        self._now = tuple(self._registry.collect())
        openmetrics: bytes = openmetrics_of(self)  # type: ignore[no-untyped-call]
        return {"text": text_of(self), "openmetrics": openmetrics.removesuffix(b"# EOF\n")}

    def collect(self) -> tuple[Metric, ...]:
        """Return what was read last, as a registry would."""
        return self._now


class Renderer:
    """Renders snapshots one after the other, keeping what did not change. Not thread-safe.

    What a `process` says of itself stands at the end of each page.
    """

    def __init__(self, process: Process | None = None) -> None:
        self._process = process
        self._pieces: dict[tuple[str, Target | None], tuple[Chunk, Piece, int]] = {}  # and the number of series
        self._heads: dict[str, dict[Format, Piece]] = {}
        self._labels: dict[tuple[str, ...], dict[tuple[str, ...], bytes]] = {}
        self._last_labels: dict[tuple[str, ...], tuple[Sequence[tuple[str, ...]], list[bytes]]] = {}
        self._used = 0  # label strings that were in use when it was last seen to
        self._unknown: set[str] = set()  # families that have been told of

    def render(self, snapshot: Snapshot) -> Page:
        """Return the page of a snapshot."""
        with_row = (face for face, chunk in snapshot.chunks.items() if self._has_row(face, chunk))
        faces = sorted(with_row, key=lambda face: (_ORDER[face[0]], *_place(face[1])))
        kept, self._pieces = self._pieces, {}
        formats: dict[Format, list[Piece]] = {"text": [], "openmetrics": []}
        family = None
        for face in faces:
            chunk, known = snapshot.chunks[face], kept.get(face)
            if face[0] != family:
                family = face[0]
                for form, pieces in formats.items():
                    pieces.append(self._head(family, form))
            if known is None or known[0] is not chunk:
                known = chunk, piece(self._lines(CATALOGUE[family], chunk)), chunk.series
            self._pieces[face] = known
            for pieces in formats.values():
                pieces.append(known[1])
        if self._process:
            for form, lines in self._process.lines().items():
                formats[form].append(piece(lines))
        self._forget_labels(snapshot)
        series = sum(number for *_, number in self._pieces.values())
        return Page(snapshot, stitch(formats["text"]), stitch((*formats["openmetrics"], _END)), series)

    def _has_row(self, face: tuple[str, Target | None], chunk: Chunk) -> bool:
        """Say whether a chunk can be rendered: an old ledger may hold totals that this version has no row for."""
        rendered = self._pieces.get(face)
        if rendered and rendered[0] is chunk:
            return True
        family = face[0]
        row = CATALOGUE.get(family)
        if row and all(map(row.takes, set(map(len, chunk.labels)))):
            return True
        if family not in self._unknown:
            self._unknown.add(family)
            _log.warning("the ledger holds %s, which this version does not show so", family)
        return False

    def _head(self, family: str, form: Format) -> Piece:
        heads = self._heads.get(family)
        if heads is None:
            row = CATALOGUE[family]
            heads = self._heads[family] = {
                "text": piece(_head(row, "text")),
                "openmetrics": piece(_head(row, "openmetrics")),
            }
        return heads[form]

    def _lines(self, row: Row, chunk: Chunk) -> bytes:
        """Return the sample lines of a chunk."""
        labels = self._label_bytes(row.labels, chunk.labels)
        name = row.name.encode()
        if set(chunk.columns) == {""}:
            values = _numbers(chunk.columns[""])
            if not row.labels:
                return b"%b %b\n" % (name, values[0])
            lines = zip(repeat(name + b"{"), labels, repeat(b"} "), values, repeat(b"\n"), strict=False)
            return b"".join(chain.from_iterable(lines))
        parts = sorted(chunk.columns, key=_part_order)
        columns = [_numbers(chunk.columns[part]) for part in parts]
        frames = [_frame(row, part) for part in parts]
        if row.labels and not any(b"" in column for column in columns):
            pieces: list[Iterable[bytes]] = []
            for (before, comma, after), column in zip(frames, columns, strict=True):
                pieces += (repeat(before), labels, repeat(comma + after), column, repeat(b"\n"))
            return b"".join(chain.from_iterable(zip(*pieces, strict=False)))
        return b"".join(
            before + label + (comma if label else b"") + after + column[n] + b"\n"
            for n, label in enumerate(labels)
            for (before, comma, after), column in zip(frames, columns, strict=True)
            if column[n]
        )

    def _label_bytes(self, names: tuple[str, ...], labels: Sequence[tuple[str, ...]]) -> list[bytes]:
        """Return `a="x",b="y"` for each set of values: one string for each resource, shared by all its families."""
        last = self._last_labels.get(names)
        if last and last[0] == labels:  # as of nearly all families of a shape
            return last[1]
        known = self._labels.setdefault(names, {})
        rendered = []
        for values in labels:
            text = known.get(values)
            if text is None:
                further = iter(values[len(names) :])  # names and values in turn, which few families have
                pairs = chain(zip(names, values, strict=False), zip(further, further, strict=True))
                named = (f'{name}="{_value(value)}"' for name, value in pairs)
                text = known[values] = ",".join(named).encode(errors="replace")  # JSON can hold half a character
            rendered.append(text)
        self._last_labels[names] = labels, rendered
        return rendered

    def _forget_labels(self, snapshot: Snapshot) -> None:
        """Drop label strings of what is gone, once they outnumber what is there."""
        held = sum(map(len, self._labels.values()))
        if held > 1000 + 2 * self._used:
            self._used = len({values for chunk in snapshot.chunks.values() for values in chunk.labels})
            if held > 1000 + 2 * self._used:
                self._labels.clear()
                self._last_labels.clear()


def _value(value: str) -> str:
    """Return a label value, escaped. One that is longer than any name of AWS is cut; two such stay apart."""
    if len(value) > LONGEST:
        value = f"{value[:LONGEST]}...{zlib.crc32(value.encode(errors='replace')):08x}"
    return value.translate(_ESCAPES)


def _place(target: Target | None) -> tuple[str, str]:
    return (target.account_id, target.region) if target else ("", "")


def _head(row: Row, form: Format) -> bytes:
    """Return what stands above the samples of a family."""
    kind = "gauge" if row.type in {"stateset", "info"} else row.type
    family = row.name.removesuffix("_total") if form == "openmetrics" else row.name
    text = row.help.replace("\\", "\\\\").replace("\n", "\\n") + _origin(row)
    unit = f"# UNIT {family} {row.unit}\n" if form == "openmetrics" and row.unit else ""
    return f"# HELP {family} {text}\n# TYPE {family} {kind}\n{unit}".encode()


def _origin(row: Row) -> str:
    """Return where a value comes from, for whoever wants to trace it."""
    if row.ask is None:
        return ""
    return f" [{row.ask.shape.namespaces[0]} {row.ask.metrics[0]}, {' '.join(row.ask.stats)}]"


def _frame(row: Row, part: str) -> tuple[bytes, bytes, bytes]:
    """Return what stands before the labels of a part, between them and its own label, and before its value.

    As in `name_bucket{` label="x" `,` `le="0.5"} ` 3.0: the comma is left out where there are no labels.
    """
    if part in {"sum", "count"}:
        return (
            (f"{row.name}_{part}{{".encode(), b"", b"} ") if row.labels else (f"{row.name}_{part} ".encode(), b"", b"")
        )
    if row.type == "histogram":
        return f"{row.name}_bucket{{".encode(), b",", f'le="{part}"}} '.encode()
    return f"{row.name}{{".encode(), b",", f'quantile="{part}"}} '.encode()


def _part_order(part: str) -> tuple[int, float]:
    """Sort quantiles or buckets by number, then the sum, then the count."""
    rank = {"sum": 1, "count": 2}.get(part, 0)
    return rank, 0.0 if rank else float(part)


def _numbers(values: Iterable[float | None]) -> list[bytes]:
    """Return values as Prometheus reads them, shortest form that is exact; empty for None."""
    values = tuple(values)
    text = orjson.dumps(values)[1:-1]
    numbers = text.split(b",") if values else []
    if b"null" in text:  # None, NaN and the infinities, which JSON does not have
        numbers = [
            _number(value) if number == b"null" else number for value, number in zip(values, numbers, strict=True)
        ]
    return numbers


def _number(value: float | None) -> bytes:
    if value is None:
        return b""
    return b"NaN" if math.isnan(value) else b"+Inf" if value > 0 else b"-Inf"
