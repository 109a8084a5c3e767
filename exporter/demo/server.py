"""The fake AWS on a loopback port: HTTP/1.1 with connections that stay open, and the faults that only a wire can have.

Everything it says comes from `fake`; it only sends bytes, or does not.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from exporter.demo.fake import FakeAws


class Server:
    """A running server; `url` is what AWS_ENDPOINT_URL wants. Close it, or use it as a context manager."""

    def __init__(self, fake: FakeAws, host: str, port: int) -> None:
        """Listen and answer in daemon threads. ValueError: the address is not a loopback one."""
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"the fake AWS serves on loopback addresses only, not on {host}")
        self._http = _Http((host, port), fake)
        self.url = f"http://{host}:{self._http.server_address[1]}"
        self._thread = Thread(target=self._http.serve_forever, args=(0.05,), name="fake-aws", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and cut every connection."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(fake: FakeAws, port: int = 0, host: str = "127.0.0.1") -> Server:
    """Serve on a port of a loopback address (IPv4); 0 picks a free one."""
    return Server(fake, host, port)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], fake: FakeAws) -> None:
        self.fake = fake
        self._connections: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            clean = request in self._connections
            self._connections.discard(request)
        if clean:
            super().shutdown_request(request)
        else:
            self.close_request(request)

    def reset(self, connection: socket.socket) -> None:
        """Let the client see a reset, not a clean end: closing without lingering and without a goodbye sends RST."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with self._lock:
            self._connections.discard(connection)

    def server_close(self) -> None:
        """Close the listening socket and wake every thread that waits for the next request."""
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.server.fake.answer(self.command, self.path, dict(self.headers.items()), body, patient=True)
        if answer.delay:
            time.sleep(answer.delay)
        if answer.reset:
            self.server.reset(self.connection)
            self.close_connection = True
            return
        head = [f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('',))[0]}"]
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        self.wfile.write("\r\n".join([*head, "", ""]).encode("latin-1") + answer.body)
        if len(answer.body) < int(answer.headers["Content-Length"]):
            self.close_connection = True  # a truncated body ends with the connection

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - names that http.server looks for

    def handle(self) -> None:
        with suppress(ConnectionError):  # a client may go at any time
            super().handle()

    def log_message(self, *_: object) -> None:
        """Say nothing; `fake` remembers the calls."""
