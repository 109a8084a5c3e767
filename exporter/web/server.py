"""A small HTTP server that a slow, silent or hostile client can't block: one thread for each connection, with a cap.

Everything that it sends was made before; only a client that does not take gzip has its page inflated.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
import zlib
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from exporter.tally import Tally
from exporter.web.negotiation import Format, content_type, takes_gzip

CONNECTIONS = 512  # at the same time; more are closed at once
IDLE = 75.0  # seconds that a connection may stay without a request: longer than the usual scrape interval
SENDING = 30.0  # seconds that a client may take to receive an answer
PATHS = ("/", "/metrics", "/-/healthy", "/-/ready", "/-/reload")

_log = logging.getLogger(__name__)


class Reply(NamedTuple):
    """An answer: status, type, body, and whether the body is compressed."""

    status: int
    kind: str
    body: bytes
    gzipped: bool = False


class Site(NamedTuple):
    """What there is to see. Each function returns at once: a scrape never waits for anything."""

    metrics: Callable[[Format], bytes]  # a gzip member
    status: Callable[[], bytes]
    ready: Callable[[], bool]
    metrics_path: str = "/metrics"


class WebServer:
    """Listens on one address. `address` is as in `:10940`, `127.0.0.1:0` or `[::1]:10940`."""

    def __init__(self, address: str, site: Site, tally: Tally) -> None:
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        both = not host and socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if ":" in host or both else socket.AF_INET
        self._server = _Server(family, (host, int(port)), site, tally)
        self._thread = threading.Thread(target=self._server.serve_forever, name=f"web {address}", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, family: socket.AddressFamily, address: tuple[str, int], site: Site, tally: Tally) -> None:
        self.address_family = family
        self.site = site
        self.tally = tally
        self._free = threading.Semaphore(CONNECTIONS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # one socket for addresses of both kinds
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started: its place must not be lost with it
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as socketserver calls it
        _log.debug("connection of %s ended", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE  # of each read
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body of a GET means nothing, and is not read
        began = time.perf_counter()
        path = self.path.partition("?")[0]
        reply = self._reply(path)
        scraped = path == self.server.site.metrics_path
        shown = "/metrics" if scraped else path if path in PATHS and path != "/metrics" else "other"
        self._send(reply)
        self.server.tally.add("http_requests_total", shown, str(reply.status))
        if scraped:
            self.server.tally.observe("http_scrape_duration_seconds", value=time.perf_counter() - began)
            encoding = "gzip" if reply.gzipped else "identity"
            self.server.tally.set("http_scrape_size_bytes", encoding, value=float(len(reply.body)))

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def _refuse(self) -> None:
        self.close_connection = True  # whatever body it may have is not read
        self._send(Reply(405, "text/plain; charset=utf-8", b"only GET and HEAD\n"))
        self.server.tally.add("http_requests_total", "other", "405")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse  # noqa: N815 - the names are http.server's

    def _reply(self, path: str) -> Reply:
        site = self.server.site
        if path == site.metrics_path:
            form, kind = content_type(self.headers.get("Accept", ""))
            member = site.metrics(form)
            if takes_gzip(self.headers.get("Accept-Encoding", "")):
                return Reply(200, kind, member, gzipped=True)
            return Reply(200, kind, zlib.decompress(member, wbits=31))
        if path == "/":
            return Reply(200, "text/html; charset=utf-8", site.status())
        if path in {"/-/healthy", "/healthz"}:
            return Reply(200, "text/plain; charset=utf-8", b"healthy\n")
        if path in {"/-/ready", "/readyz"}:
            ready = site.ready()
            text = b"ready\n" if ready else b"not ready: the first round of all sources has not ended\n"
            return Reply(200 if ready else 503, "text/plain; charset=utf-8", text)
        return Reply(404, "text/plain; charset=utf-8", b"there is nothing here; try / or /metrics\n")

    def _send(self, reply: Reply) -> None:
        """Send an answer in one go, within a bounded time."""
        head = [
            f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
            f"Content-Type: {reply.kind}",
            f"Content-Length: {len(reply.body)}",
            "Vary: Accept, Accept-Encoding",
            "X-Content-Type-Options: nosniff",
        ]
        if reply.gzipped:
            head.append("Content-Encoding: gzip")
        if self.close_connection:
            head.append("Connection: close")
        text = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")
        self.connection.settimeout(SENDING)  # of the whole sendall, however slowly it is taken
        self.connection.sendall(text if self.command == "HEAD" else text + reply.body)
        self.connection.settimeout(IDLE)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        _log.debug(format, *args)
