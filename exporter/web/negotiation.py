"""Which format and encoding a client gets: RFC 9110, sections 12.4.2 (q-values), 12.5.1 and 12.5.3."""

from __future__ import annotations

from typing import Literal

Format = Literal["text", "openmetrics"]

_OPENMETRICS = "application/openmetrics-text"
_TEXT = "text/plain"
_VERSIONS = ("1.0.0", "0.0.1")  # of OpenMetrics


def content_type(accept: str) -> tuple[Format, str]:
    """Return the format that an Accept header prefers among ours, and its Content-Type; text where it has no word."""
    best: tuple[float, Format, str] = (0.0, "text", f"{_TEXT}; version=0.0.4; charset=utf-8")
    for kind, quality, parameters in _entries(accept):
        version = parameters.get("version")
        if kind == _OPENMETRICS and version in {None, *_VERSIONS}:
            offer: tuple[Format, str] = ("openmetrics", f"{kind}; version={version or '1.0.0'}; charset=utf-8")
        elif kind in {_TEXT, "text/*", "*/*"} and version in {None, "0.0.4"}:
            offer = ("text", f"{_TEXT}; version=0.0.4; charset=utf-8")
        else:
            continue
        if quality > best[0]:
            best = (quality, *offer)
    return best[1], best[2]


def takes_gzip(accept_encoding: str) -> bool:
    """Say whether an Accept-Encoding header allows gzip."""
    qualities = {coding: quality for coding, quality, _ in _entries(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _entries(header: str) -> list[tuple[str, float, dict[str, str]]]:
    """Return the entries of a header: name, q-value, other parameters, in its order."""
    found = []
    for entry in header.split(","):
        name, *rest = (part.strip() for part in entry.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        if name:
            found.append((name.lower(), quality, parameters))
    return found
