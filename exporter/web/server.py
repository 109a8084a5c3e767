"""A small HTTP server that a slow, silent or hostile client can't block: one thread for each connection, with a cap.

Everything that it sends was made before; only a client that does not take gzip has its page inflated, piece by piece.
Each thing that a client does has a deadline for the whole of it, so that a byte now and then gains nothing.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from http import HTTPStatus

from exporter.tally import Tally
from exporter.web import heads
from exporter.web.config import borne
from exporter.web.gate import Gate
from exporter.web.heads import BadRequestError, Request
from exporter.web.site import Reply, Site, answer, counted, text

CONNECTIONS = 512  # at the same time; for one more, the one that has been idle longest is closed
MAKING_ROOM = 1.0  # seconds that a connection has to go when its place is needed
ALL_BUSY = 0.25  # seconds after which one that is being answered goes, if none has become idle
HANDSHAKE = 10.0  # seconds for that of TLS
IDLE = 75.0  # seconds that a connection may stay without a request: longer than the usual scrape interval
HEAD = 10.0  # seconds for the head of a request, from its first byte on
SENDING = 30.0  # seconds that a client may take to receive an answer
LINGERING = 1.0  # seconds in which a client whose body is not read may read our answer
LEFTOVER = 256 * 1024  # bytes that are taken from it meanwhile, and dropped
PIECE = 64 * 1024  # bytes that are inflated or sent at once

_log = logging.getLogger(__name__)


class WebServer:
    """Listens on one address. `address` is as in `:10940`, `127.0.0.1:0` or `[::1]:10940`."""

    def __init__(self, address: str, site: Site, tally: Tally, gate: Gate | None = None) -> None:
        self.site = site
        self.tally = tally
        self.gate = gate or Gate()
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        both = not host and socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if ":" in host or both else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            if family == socket.AF_INET6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # one socket for both kinds
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, int(port)))
            self._socket.listen(128)
            self._socket.setblocking(False)  # who is gone before we accept them must not hold us up
        except BaseException:
            self._socket.close()
            raise
        self.port = int(self._socket.getsockname()[1])
        self._change = threading.Condition()
        self._open: dict[Connection, None] = {}
        self._closing = threading.Event()
        self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name=f"web {address}", daemon=True)
        self._thread.start()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open)

    @property
    def closing(self) -> bool:
        """Whether nobody is listened to any more."""
        return self._closing.is_set()

    def close(self) -> None:
        """Stop listening, and close what is idle; what is being answered is answered."""
        self._closing.set()
        self._wake[1].send(b".")
        self._thread.join()
        self._socket.close()
        for end in self._wake:
            end.close()
        with self._change:
            for connection in self._open:
                if connection.idle_since is not None:
                    connection.hang_up()

    def gone(self, connection: Connection) -> None:
        """Give the place of a connection to another."""
        with self._change:
            self._open.pop(connection, None)
            self._change.notify_all()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._wake[0], selectors.EVENT_READ)
            while True:
                selector.select()
                if self._closing.is_set():
                    return
                try:
                    self._take()
                except Exception:  # noqa: BLE001 - who would take the next one?
                    _log.exception("a connection could not be taken")

    def _take(self) -> None:
        """Take one connection, if it is still there."""
        try:
            client, address = self._socket.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:  # no more files: without a pause and a closed connection this would spin
            self.gate.complain(f"can't accept a connection: {error}")
            self._make_room(max(0, self.connections - 1))
            self._closing.wait(0.1)
            return
        self._begin(client, str(address[0]))

    def _begin(self, client: socket.socket, address: str) -> None:
        if not self._make_room(CONNECTIONS - 1):
            client.close()
            return
        connection = Connection(self, client, address)
        with self._change:
            self._open[connection] = None
        try:
            threading.Thread(target=connection.run, name="web client", daemon=True).start()
        except RuntimeError:  # no thread can be started: its place must not be lost with it
            self.gone(connection)
            client.close()

    def _make_room(self, most: int) -> bool:
        """If there are more connections than `most`, close the one idle longest; return whether it went."""
        with self._change:
            deadline = time.monotonic() + ALL_BUSY
            while True:
                if len(self._open) <= most:
                    return True
                idle = [(at, n, one) for n, one in enumerate(self._open) if (at := one.idle_since) is not None]
                if idle or time.monotonic() > deadline:
                    break
                self._change.wait(0.01)  # an answer of ours takes less than that, or its client is slow
            oldest = min(idle)[2] if idle else next(iter(self._open))
            oldest.hang_up()
            return self._change.wait_for(lambda: len(self._open) <= most, MAKING_ROOM)


class Connection:
    """One client, from its first byte to its last. `idle_since` is when it last got something, None while it does."""

    def __init__(self, server: WebServer, client: socket.socket, address: str) -> None:
        self.idle_since: float | None = time.monotonic()
        self._server = server
        self._socket = client
        self._address = address
        self._left = bytearray()  # what was read and is not used yet
        self._swap = threading.Lock()  # while the socket becomes one of TLS
        self._hung_up = False
        self._certified = True  # has shown the certificate that is asked for, if one is

    def run(self) -> None:
        """Answer requests until one of us has enough."""
        try:
            client = self._socket
            client.setblocking(True)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._shake_hands():
                while self._serve():
                    pass
        except (OSError, ValueError) as error:  # of a socket; a closed one is a ValueError to TLS
            _log.debug("connection of %s ended: %s", self._address, error)
        except Exception:  # noqa: BLE001 - a thread must not end in a traceback
            _log.exception("a connection ended by a fault of ours")
        finally:
            self._server.gone(self)
            self._close()

    def hang_up(self) -> None:
        """End it from another thread: whatever it waits for ends at once. Its own thread closes the socket."""
        with self._swap, contextlib.suppress(OSError):
            self._hung_up = True
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # TLS's own would let plain text through behind it

    def _shake_hands(self) -> bool:
        """Speak TLS from now on, if that is asked for; return whether the client may go on."""
        gate = self._server.gate
        terms, here = gate.terms, gate.is_here(self._address)
        tls = terms.tls_here if here else terms.tls
        if tls is None:
            return True
        with self._swap:
            if self._hung_up:
                return False
            client = tls.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
            self._socket = client
        client.settimeout(HANDSHAKE)
        try:
            client.do_handshake()  # the time is for all of it
        except ssl.SSLError as error:
            if error.reason == "HTTP_REQUEST":
                self._refuse_plain()
            elif not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
                reason = (error.reason or str(error)).lower().replace("_", " ")
                gate.complain(f"a client could not agree with us on TLS: {reason}", f"(from {self._address})")
            return False
        certificate = client.getpeercert()
        names = borne(certificate)
        allowed = terms.names is None or bool(terms.names & names)
        self._certified = allowed and (certificate is not None or not terms.certificates)
        if not allowed and not here:
            shown = ", ".join(sorted(names))[:200] or "none"
            gate.complain("a client's certificate has no name of client_allowed_sans;", "it has", ascii(shown))
        return allowed or here

    def _refuse_plain(self) -> None:
        """Tell a client of plain HTTP what is wrong, in plain HTTP."""
        said = (
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nHTTPS is spoken here\n"
        )
        socket.socket.send(self._socket, said)
        self._server.tally.add("http_requests_total", "other", "400")
        self._linger()

    def _serve(self) -> bool:
        """Answer one request; return whether another may follow."""
        server = self._server
        request, began = None, 0.0
        try:
            head = self._read_head()
            if head is None:
                return False
            self.idle_since, began = None, time.perf_counter()
            request = heads.parse(head)
            reply = server.gate.refusal(request, self._address, certified=self._certified) or self._answer(request)
        except BadRequestError as error:
            self.idle_since = None
            reply = text(error.status, str(error))
        keep = request is not None and request.keep and not request.body and not server.closing
        self._send(reply, request, keep=keep)
        self.idle_since = time.monotonic()
        path = counted(server.site, request.path) if request else "other"
        server.tally.add("http_requests_total", path, str(reply.status))
        if reply.member:
            server.tally.observe("http_scrape_duration_seconds", value=time.perf_counter() - began)
            encoding = "identity" if reply.inflate else "gzip"
            server.tally.set("http_scrape_size_bytes", encoding, value=float(reply.length))
        if request is None or request.body:
            self._linger()
        return keep

    def _answer(self, request: Request) -> Reply:
        try:
            return answer(self._server.site, request)
        except Exception:  # noqa: BLE001 - a fault of ours is no reason to say nothing
            _log.exception("%s could not be answered", request.path)
            return text(500, "a fault of the exporter; its log says more")

    def _read_head(self) -> bytes | None:
        """Return the next head, None if the client goes or stays silent. Raises `BadRequestError`."""
        data, seen, begun = self._left, 0, bool(self._left)
        deadline = time.monotonic() + (HEAD if begun else IDLE)
        while True:
            while data.startswith((b"\r", b"\n")):  # some end a request with one line break too many
                del data[:1]
            length = heads.end(data, seen)
            if length:
                head = bytes(data[:length])
                del data[:length]
                return head
            seen = len(data)
            left = deadline - time.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError  # noqa: TRY301 - as the socket does
                self._socket.settimeout(left)
                more = self._socket.recv(heads.HEAD)
            except TimeoutError:
                if data:
                    raise BadRequestError(408, f"the head of a request must come within {HEAD:g} s") from None
                return None
            if not more:
                return None
            if not begun:
                begun, deadline = True, time.monotonic() + HEAD
            data += more

    def _send(self, reply: Reply, request: Request | None, *, keep: bool) -> None:
        """Send an answer, all of it within a bounded time."""
        headers = {
            "Content-Type": reply.kind,
            "Content-Length": str(reply.length),
            "X-Content-Type-Options": "nosniff",
            **reply.headers,
            **self._server.gate.terms.headers,
            "Connection": "keep-alive" if keep else "close",
        }
        lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        deadline = time.monotonic() + SENDING
        bodiless = request is not None and request.method == "HEAD"
        for piece in (head,) if bodiless else _with(head, _pieces(reply)):
            rest = memoryview(piece)
            while rest:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("an answer was taken too slowly")
                self._socket.settimeout(left)
                rest = rest[self._socket.send(rest) :]

    def _linger(self) -> None:
        """Let a client read our answer: a socket that is closed on unread bytes is reset, and the answer lost."""
        self._say_goodbye()
        socket.socket.shutdown(self._socket, socket.SHUT_WR)
        deadline, taken = time.monotonic() + LINGERING, 0
        while taken < LEFTOVER and (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            more = socket.socket.recv(self._socket, PIECE)  # below TLS: nobody looks at it
            if not more:
                return
            taken += len(more)

    def _say_goodbye(self) -> None:
        """End TLS in order, without waiting for the client to do so too."""
        if isinstance(self._socket, ssl.SSLSocket):
            self._socket.settimeout(0)
            with contextlib.suppress(OSError, ValueError):
                self._socket.unwrap()

    def _close(self) -> None:
        self._say_goodbye()
        self._socket.close()


def _pieces(reply: Reply) -> Iterator[bytes | memoryview]:
    """Yield the body in pieces: a page inflated whole, times as many slow clients, would be too much memory."""
    if not reply.inflate:
        for start in range(0, len(reply.body), PIECE):
            yield memoryview(reply.body)[start : start + PIECE]
        return
    inflater = zlib.decompressobj(wbits=31)
    for start in range(0, len(reply.body), PIECE // 8):
        packed = reply.body[start : start + PIECE // 8]
        while packed:
            yield inflater.decompress(packed, PIECE)
            packed = inflater.unconsumed_tail
    yield inflater.flush()


def _with(head: bytes, pieces: Iterator[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Yield the pieces, the head in one with the first of them: a small answer is one packet."""
    yield head + bytes(next(pieces, b""))
    yield from pieces
