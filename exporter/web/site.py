"""What there is to see, and which path shows it. Nothing is made for a request: all of it was made before."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.web import status
from exporter.web.heads import Request
from exporter.web.negotiation import Format, content_type, takes_gzip

PATHS = ("/", "/metrics", "/-/healthy", "/-/ready", "/-/reload")  # what requests are counted by; others are "other"
PROBES = ("/-/healthy", "/-/ready", "/healthz", "/readyz")

_ALIASES = {"/healthz": "/-/healthy", "/readyz": "/-/ready"}
_TEXT = "text/plain; charset=utf-8"
_NO_RELOAD = "reloading over HTTP is off; start with --web.enable-lifecycle, or send SIGHUP"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. A body that is a gzip member is sent as it is, or inflated on its way out."""

    status: int
    kind: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    member: bool = False
    inflate: bool = False

    @property
    def length(self) -> int:
        """Bytes of the body as it is sent: the last four of a member tell of it inflated (RFC 1952, ISIZE)."""
        return int.from_bytes(self.body[-4:], "little") if self.inflate else len(self.body)


class Site(NamedTuple):
    """What there is to see. Each function returns at once, `reload` excepted: a scrape never waits for anything."""

    metrics: Callable[[Format], bytes]  # a gzip member
    status: Callable[[], bytes]
    ready: Callable[[], bool]
    metrics_path: str = "/metrics"
    reload: Callable[[], str | None] | None = None  # returns why it failed; None where nobody may reload over HTTP


def text(code: int, sentence: str, **headers: str) -> Reply:
    """Return an answer of one sentence."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(code, _TEXT, f"{sentence}\n".encode(), named)


def answer(site: Site, request: Request) -> Reply:
    """Return what a site answers."""
    path = _ALIASES.get(request.path, request.path)
    allowed = ("POST", "PUT") if path == "/-/reload" else ("GET", "HEAD")
    if request.method not in allowed:
        return text(405, f"only {' and '.join(allowed)}", Allow=", ".join(allowed))
    if path == site.metrics_path:
        form, kind = content_type(request.headers.get("accept", ""))
        packed = takes_gzip(request.headers.get("accept-encoding", ""))
        headers = {"Vary": "Accept, Accept-Encoding"} | ({"Content-Encoding": "gzip"} if packed else {})
        return Reply(200, kind, site.metrics(form), headers, member=True, inflate=not packed)
    if path == "/":
        return Reply(200, "text/html; charset=utf-8", site.status(), status.HEADERS)
    if path == "/-/healthy":
        return text(200, "healthy")
    if path == "/-/ready":
        ready = site.ready()
        return text(*((200, "ready") if ready else (503, "not ready: the first round of all sources has not ended")))
    if path == "/-/reload":
        return _reload(site)
    return text(404, "there is nothing here; try / or /metrics")


def counted(site: Site, path: str) -> str:
    """Return what a path is called in `http_requests_total`."""
    if path == site.metrics_path:
        return "/metrics"
    path = _ALIASES.get(path, path)
    return path if path in PATHS and path != "/metrics" else "other"


def _reload(site: Site) -> Reply:
    if site.reload is None:
        return text(403, _NO_RELOAD)
    failure = site.reload()
    return text(200, "reloaded") if failure is None else text(500, failure)
