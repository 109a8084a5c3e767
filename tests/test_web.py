"""The HTTP server over real sockets: the right bytes for everybody, and nobody keeps others from theirs."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import re
import resource
import socket
import struct
import threading
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from worlds import HERE, T0, FakeClock, wait_for

from exporter.collection import Run
from exporter.config import Account, parse
from exporter.daemon import FIRST_ROUND, Daemon, Parts
from exporter.ledger.memory import MemoryStore
from exporter.model import Chunk, Failure, Snapshot, Target
from exporter.road import State
from exporter.scheduler import Entry
from exporter.sinks.gzip_pieces import piece, stitch
from exporter.tally import Tally
from exporter.web import server as web
from exporter.web import status
from exporter.web.server import WebServer
from exporter.web.site import Site

PAGES = {"text": b"# TYPE a gauge\na 1.0\n" * 50, "openmetrics": b"# TYPE a gauge\na 1.0\n# EOF\n"}


class Running:
    """A server on a free port, and what it shows."""

    def __init__(self, address="127.0.0.1:0", metrics_path="/metrics", reload=None):
        self.begin()
        site = Site(lambda form: self.pages[form], lambda: b"<html>status", lambda: self.ready, metrics_path, reload)
        self.server = WebServer(address, site, self.tally)
        self.port = self.server.port

    def begin(self):
        """Show the usual pages; nothing has happened yet."""
        self.pages = {form: stitch([piece(text)]).gzip for form, text in PAGES.items()}
        self.ready = True
        self.tally = Tally()

    def connect(self, host="127.0.0.1"):
        return http.client.HTTPConnection(host, self.port, timeout=30)

    def ask(self, path="/metrics", method="GET", **headers):
        """Return status, headers and body of an answer."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(self.connect()) as connection:
            connection.request(method, path, headers=names)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def raw(self, text, *, read=True):
        """Send bytes as they are; return all that comes until the server closes."""
        with closing(self.dial()) as connection:
            connection.sendall(text)
            found = b""
            while read and (more := connection.recv(65536)):
                found += more
            return found

    def dial(self):
        return socket.create_connection(("127.0.0.1", self.port), 30)

    def told(self, name, part=""):
        family = f"sagemaker_exporter_{name}"
        return {s.labels: s.value for s in self.tally.samples("own", 0.0) if s.family == family and s.part == part}


@pytest.fixture(scope="module")
def one_server():
    made = Running()
    yield made
    made.server.close()


@pytest.fixture
def running(one_server):
    """A server to which nothing has happened: to stop one takes half a second."""
    one_server.begin()
    one_server.server.tally = one_server.tally
    return one_server


# -- what is sent ------------------------------------------------------------------------------------------------------

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


def test_metrics_in_text_for_a_person_with_curl(running):
    status_, headers, body = running.ask()
    assert (status_, body) == (200, PAGES["text"])
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert headers["Content-Length"] == str(len(body))
    assert "Content-Encoding" not in headers
    assert headers["Vary"] == "Accept, Accept-Encoding"


def test_metrics_as_prometheus_asks_for_them(running):
    _, headers, body = running.ask(Accept=OPENMETRICS, Accept_Encoding="gzip")
    assert gzip.decompress(body) == PAGES["openmetrics"]
    assert headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (OPENMETRICS, "openmetrics"),
        ("text/plain;q=0.6,application/openmetrics-text;q=0.5", "text"),
        ("application/openmetrics-text;q=0,*/*", "text"),
        ("*/*", "text"),
    ],
)
@pytest.mark.parametrize(("encoding", "packed"), [("gzip", True), ("gzip;q=0", False), ("identity", False)])
def test_formats_and_encodings_are_independent(running, accept, form, encoding, packed):
    _, headers, body = running.ask(Accept=accept, Accept_Encoding=encoding)
    assert headers.get("Content-Encoding") == ("gzip" if packed else None)
    assert (gzip.decompress(body) if packed else body) == PAGES[form]


def test_a_page_that_was_swapped_is_the_one_that_is_sent(running):
    running.ask()
    running.pages["text"] = stitch([piece(b"new\n")]).gzip
    assert running.ask()[2] == b"new\n"


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/", b"<html>status", "text/html; charset=utf-8"),
        ("/-/healthy", b"healthy\n", "text/plain; charset=utf-8"),
        ("/healthz", b"healthy\n", "text/plain; charset=utf-8"),
        ("/-/ready", b"ready\n", "text/plain; charset=utf-8"),
        ("/readyz", b"ready\n", "text/plain; charset=utf-8"),
        ("/metrics?x=1", PAGES["text"], "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_paths(running, path, body, kind):
    status_, headers, found = running.ask(path)
    assert (status_, found, headers["Content-Type"]) == (200, body, kind)
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/../etc/passwd", "/METRICS", "*"])
def test_what_is_not_there(running, path):
    assert running.ask(path)[0] == 404


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/ready", "/nothing"])
def test_head_is_get_without_the_body(running, path):
    status_, headers, _ = running.ask(path, Accept_Encoding="gzip")
    bare = running.ask(path, method="HEAD", Accept_Encoding="gzip")
    assert (bare[0], bare[1]["Content-Length"], bare[2]) == (status_, headers["Content-Length"], b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/metrics", "/nothing"])
def test_only_get_and_head(running, method, path):
    assert running.ask(path, method=method)[0] == 405


def test_ready_and_healthy_are_two_things(running):
    running.ready = False
    assert running.ask("/-/ready")[0] == running.ask("/readyz")[0] == 503
    assert running.ask("/-/healthy")[0] == running.ask("/metrics")[0] == 200
    running.ready = True
    assert running.ask("/-/ready")[0] == 200


@pytest.fixture
def daemon():
    """A daemon that has not been started, on a clock that stands still."""
    parts = Parts(parse("targets: [{regions: [us-east-1]}]"), FakeClock(), MemoryStore())
    yield Daemon(parts, lambda: parts.config)
    parts.close()


def test_a_daemon_is_ready_after_its_first_round(daemon):
    assert not daemon.ready()
    daemon._add_target((Account(), HERE.region), HERE)
    metrics = next(entry for entry in daemon._entries[HERE] if entry.name == "cloudwatch_metrics")
    for entry in daemon._entries[HERE]:
        entry.runs = 5 * (entry is not metrics)
    daemon._make_page()
    assert not daemon.ready()
    metrics.runs = 1
    assert not daemon.ready(), "no page shows it yet"
    daemon._make_page()
    assert daemon.ready()


def test_a_daemon_is_ready_after_two_minutes_although_aws_is_down(daemon):
    daemon._clock.forward(FIRST_ROUND)
    assert not daemon.ready()
    daemon._clock.forward(1)
    assert daemon.ready()


def test_pages_go_on_while_a_source_ends_and_say_that_the_daemon_stops(daemon):
    begun, free = threading.Event(), threading.Event()
    daemon._scheduler.add(Entry("slow", 60.0, lambda: begun.set() or free.wait(30)))
    daemon._scheduler.tick()
    assert begun.wait(30)
    daemon._clock.forward(FIRST_ROUND + 1)
    daemon._own()
    daemon._make_page()

    def ready():
        return zlib.decompress(daemon._metrics("text"), 31).decode().partition("\nsagemaker_exporter_ready ")[2][:3]

    assert ready() == "1.0"
    daemon._pages.start()
    with ThreadPoolExecutor(1) as stopper:
        stopped = stopper.submit(daemon.stop)
        wait_for(lambda: ready() == "0.0")
        free.set()
        assert stopped.result()


def test_a_daemon_that_stops_is_not_ready(daemon):
    daemon._clock.forward(FIRST_ROUND + 1)
    daemon.ask_to_stop()
    assert not daemon.ready()


@pytest.fixture
def fresh():
    """A function that starts a server of the test's own, and is stopped with it."""
    made = []

    def start(*arguments, **more):
        made.append(Running(*arguments, **more))
        return made[-1]

    yield start
    for running in made:
        running.server.close()


def counted(running, requests):
    """Return the requests by path and code, once there are so many: they are counted after they are answered."""
    wait_for(lambda: sum(running.told("http_requests_total").values()) >= requests)
    return running.told("http_requests_total")


def test_another_path_for_the_metrics(fresh):
    running = fresh(metrics_path="/probe")
    assert running.ask("/probe")[2] == PAGES["text"]
    assert running.ask("/metrics")[0] == 404
    assert counted(running, 2)["/metrics", "200"] == 1.0


def test_what_is_not_the_metrics_page_is_not_measured_as_a_scrape(fresh):
    running = fresh(metrics_path="/probe")
    with closing(running.connect()) as connection:
        for path in ("/metrics", "/-/healthy"):  # on one connection: the first is over when the second is answered
            connection.request("GET", path)
            connection.getresponse().read()
    assert running.told("http_scrape_duration_seconds", "count") == {}
    assert running.told("http_scrape_size_bytes") == {}


def test_requests_are_counted_and_scrapes_measured(fresh):
    running = fresh()
    running.ask(Accept_Encoding="gzip")
    running.ask()
    running.ask("/made-up")
    running.ask("/also-made-up")
    running.ask("/", method="POST")
    assert counted(running, 5) == {("/metrics", "200"): 2.0, ("other", "404"): 2.0, ("/", "405"): 1.0}
    wait_for(lambda: len(running.told("http_scrape_size_bytes")) == 2)
    assert running.told("http_scrape_duration_seconds", "count") == {(): 2.0}
    assert running.told("http_scrape_size_bytes") == {
        ("gzip",): len(running.pages["text"]),
        ("identity",): len(PAGES["text"]),
    }


# -- connections -------------------------------------------------------------------------------------------------------


def test_connections_are_kept_alive(running):
    with closing(running.connect()) as connection:
        sockets = set()
        for path in ("/metrics", "/", "/nothing", "/-/ready"):
            connection.request("GET", path)
            connection.getresponse().read()
            sockets.add(connection.sock.getsockname())
    assert len(sockets) == 1


def test_requests_that_come_together_are_answered_one_after_the_other(running):
    answers = running.raw(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"GET / HTTP/1.0\r\n\r\n")
    assert answers.count(b"HTTP/1.1 200 OK") == 4
    assert answers.count(b"healthy\n") == 3


def test_http_1_0_gets_its_answer_and_the_end(running):
    answer = running.raw(b"GET /metrics HTTP/1.0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close" in head
    assert body == PAGES["text"]


def test_who_says_close_is_closed(running):
    answer = running.raw(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 33\r\n\r\nGET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize(("method", "code"), [(b"GET", b"200"), (b"POST", b"405")])
def test_a_body_is_not_taken_for_another_request(running, method, code, body):
    answer = running.raw(method + b" / HTTP/1.1\r\nHost: x\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 " + code)
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 150 + b"\r\n", b"431"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"BREW /pot HTTP/1.1\r\n\r\n", b"501"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
    ],
)
def test_nonsense_is_refused_and_the_connection_closed(running, request_, code):
    try:
        answer = running.raw(request_)
    except ConnectionResetError:  # closed while we still sent
        answer = b"HTTP/1.1 " + code
    assert re.match(rb"(HTTP/1\.\d )?.*" + code, answer, re.DOTALL)
    assert running.ask("/-/healthy")[0] == 200


def test_clients_that_go_away_leave_no_trace(running, capfd):
    for text in (b"", b"GET", b"GET / HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\n\r\n"):
        with closing(running.dial()) as connection:
            connection.sendall(text)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
    assert running.ask()[0] == 200
    assert capfd.readouterr() == ("", "")


# -- clients that don't play along -------------------------------------------------------------------------------------


def test_a_client_that_does_not_read_does_not_keep_others_waiting(running):
    large = b"a_metric 1.0\n" * 2_000_000  # more than any socket buffers
    running.pages["openmetrics"] = stitch([piece(large)]).gzip
    with closing(running.dial()) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\n\r\n")
        assert slow.recv(10) == b"HTTP/1.1 2"
        for _ in range(5):
            assert running.ask()[2] == PAGES["text"]


def test_a_client_that_does_not_read_is_given_up(running, monkeypatch):
    monkeypatch.setattr(web, "SENDING", 0.1)
    running.pages["text"] = stitch([piece(b"a_metric 1.0\n" * 2_000_000)]).gzip
    with closing(running.dial()) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: running.server.connections == 0)


def silent(running, count):
    return [running.dial() for _ in range(count)]


@pytest.fixture
def many_files():
    """Room for as many sockets as this test opens, at both of their ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip(f"only {hard} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_silent_clients_up_to_the_cap_do_not_block_a_scrape(running, many_files):
    connections = silent(running, web.CONNECTIONS - 1)
    wait_for(lambda: running.server.connections == web.CONNECTIONS - 1)
    assert running.ask()[2] == PAGES["text"]
    for connection in connections:
        connection.close()
    wait_for(lambda: running.server.connections == 0)


def test_for_one_more_than_the_cap_the_one_that_is_idle_longest_goes(fresh, monkeypatch):
    monkeypatch.setattr(web, "CONNECTIONS", 3)
    running = fresh()
    first, second, third = running.connect(), running.connect(), running.connect()
    for n, one in enumerate((first, second, third, first), 1):  # the first has asked again
        one.request("GET", "/-/healthy")
        assert one.getresponse().read() == b"healthy\n"
        wait_for(lambda n=n: sum(running.told("http_requests_total").values()) == n)  # what is counted is idle
    with closing(running.connect()) as one_more:
        one_more.request("GET", "/-/healthy")
        assert one_more.getresponse().read() == b"healthy\n"
        assert second.sock.recv(1) == b""
        assert running.server.connections == 3
        for one in (first, third):
            one.request("GET", "/-/healthy")
            assert one.getresponse().read() == b"healthy\n"
    for one in (first, second, third):
        one.close()


def test_an_answer_under_way_is_not_cut_for_a_newcomer(fresh, monkeypatch):
    monkeypatch.setattr(web, "CONNECTIONS", 2)
    running = fresh()
    large = b"a_metric 1.0\n" * 2_000_000
    running.pages["openmetrics"] = stitch([piece(large)]).gzip
    with closing(running.dial()) as slow:
        slow.sendall(b"GET /metrics HTTP/1.0\r\nAccept: application/openmetrics-text\r\n\r\n")
        found = slow.recv(100)
        for _ in range(5):
            assert running.ask("/-/healthy")[0] == 200
        while more := slow.recv(1 << 20):
            found += more
    assert found.partition(b"\r\n\r\n")[2] == large


def test_where_all_are_being_answered_the_oldest_goes(fresh, monkeypatch):
    monkeypatch.setattr(web, "CONNECTIONS", 2)
    running = fresh()
    running.pages["text"] = stitch([piece(b"a_metric 1.0\n" * 2_000_000)]).gzip
    slow = silent(running, 2)
    for one in slow:
        one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert one.recv(10) == b"HTTP/1.1 2"
    assert running.ask("/-/healthy")[0] == 200
    for one in slow:
        one.close()


def test_without_a_thread_or_a_file_more_the_server_goes_on(fresh, monkeypatch):
    running = fresh()

    def no_thread(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with closing(running.dial()) as refused:
            assert refused.recv(1) == b""
    assert running.server.connections == 0
    assert running.ask("/-/healthy")[0] == 200


def test_silence_ends(running, monkeypatch):
    monkeypatch.setattr(web, "IDLE", 0.1)
    with closing(running.dial()) as quiet:
        assert quiet.recv(1) == b""


def drip(connection, data, ended):
    """Send bytes one by one, until something is over."""
    try:
        for n in range(len(data)):
            connection.sendall(data[n : n + 1])
            if ended.wait(0.01):
                return
    except OSError:
        pass


@pytest.mark.parametrize("data", [b"GET /metrics HTTP/1.1\r\nHost: " + b"x" * 20_000, b"G" * 8_000])
def test_a_byte_now_and_then_gains_no_time(running, monkeypatch, data):
    """The deadline is for the whole head, not for each read."""
    monkeypatch.setattr(web, "HEAD", 0.3)
    ended = threading.Event()
    with closing(running.dial()) as slow, ThreadPoolExecutor(1) as dripping:
        dripping.submit(drip, slow, data, ended)
        began = time.monotonic()
        answer = slow.recv(100)
        took = time.monotonic() - began
        ended.set()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert took < 10
    assert running.ask("/-/healthy")[0] == 200
    assert counted(running, 2)["other", "408"] == 1.0


def closed(connection):
    """Whether the other side ends without a word: by a reset where bytes that it never read were under way."""
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


def test_line_breaks_for_ever_are_no_request(running, monkeypatch):
    monkeypatch.setattr(web, "HEAD", 0.3)
    ended = threading.Event()
    with closing(running.dial()) as slow, ThreadPoolExecutor(1) as dripping:
        dripping.submit(drip, slow, b"\r\n" * 5_000, ended)
        assert closed(slow)
        ended.set()


def taken(sender, size):
    """Send so many bytes; return how many were taken before the connection broke."""
    sent, chunk = 0, b"x" * (1 << 20)
    try:
        while sent < size:
            sent += sender.send(chunk)
    except OSError:
        pass
    return sent


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n", b"405"),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"405"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n", b"200"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1e9\r\n\r\n", b"400"),
    ],
)
def test_a_body_of_a_hundred_megabytes_is_not_waited_for(running, head, code):
    with closing(running.dial()) as sender:
        sender.sendall(head + b"x" * 100_000)  # some of it has come
        assert sender.recv(12) == b"HTTP/1.1 " + code
        assert taken(sender, 100 << 20) < 50 << 20, "it was read"


def test_many_scrapes_at_once(running):
    bodies = []

    def scrape():
        bodies.append(running.ask(Accept_Encoding="gzip")[2])

    threads = [threading.Thread(target=scrape) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert bodies == [running.pages["text"]] * 40


def test_a_page_is_inflated_piece_by_piece(running):
    """A page of 80 MB that nobody reads must not stand in memory as often as somebody asks for it."""
    running.pages["text"] = stitch([piece(b"a_metric 1.0\n" * 100_000)] * 60).gzip
    slow = silent(running, 20)
    for one in slow:
        one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert one.recv(10) == b"HTTP/1.1 2"
    tracemalloc.start()
    assert len(running.ask()[2]) == 60 * 1_300_000
    running.ask("/-/healthy")
    tracemalloc.reset_peak()
    more = silent(running, 20)
    for one in more:
        one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert one.recv(10) == b"HTTP/1.1 2"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6
    for one in slow + more:
        one.close()


# -- reload ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_reloading_is_off_unless_a_flag_says_so(running, method):
    status_, _, body = running.ask("/-/reload", method=method)
    assert status_ == 403
    assert body == b"reloading over HTTP is off; start with --web.enable-lifecycle, or send SIGHUP\n"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_looking_at_the_reload_page_reloads_nothing(running, method):
    status_, headers, _ = running.ask("/-/reload", method=method)
    assert (status_, headers["Allow"]) == (405, "POST, PUT")


def test_a_reload_says_what_came_of_it(fresh):
    outcomes = [None, "config.yaml:1:1  bogus: unknown key\n1 mistake", RuntimeError("hidden")]

    def reload():
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    running = fresh(reload=reload)
    assert running.ask("/-/reload", method="POST")[::2] == (200, b"reloaded\n")
    assert running.ask("/-/reload", method="PUT")[::2] == (
        500,
        b"config.yaml:1:1  bogus: unknown key\n1 mistake\n",
    )
    status_, _, body = running.ask("/-/reload", method="POST")
    assert status_ == 500
    assert b"hidden" not in body
    assert counted(running, 3) == {("/-/reload", "200"): 1.0, ("/-/reload", "500"): 2.0}


def test_aliases_are_counted_as_what_they_stand_for(fresh):
    running = fresh()
    for path in ("/healthz", "/-/healthy", "/readyz"):
        running.ask(path)
    assert counted(running, 3) == {("/-/healthy", "200"): 2.0, ("/-/ready", "200"): 1.0}


def test_a_fault_of_ours_is_an_answer_and_the_log_says_more(fresh, caplog):
    running = fresh()
    running.pages = {}
    assert running.ask()[::2] == (500, b"a fault of the exporter; its log says more\n")
    assert "KeyError" in caplog.text
    assert running.ask("/-/healthy")[0] == 200


def test_the_page_for_people_may_load_nothing(running):
    _, headers, _ = running.ask("/")
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Frame-Options"] == "deny"
    digest = re.search(r"sha256-(\S+)'", policy)[1]
    style = re.search(r"<style>(.*?)</style>", page(run()), re.DOTALL)[1]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() == digest
    assert " style=" not in page(run()), "the policy forbids it"


# -- addresses ---------------------------------------------------------------------------------------------------------


def healthy(running, host):
    with closing(running.connect(host)) as connection:
        connection.request("GET", "/-/healthy")
        return connection.getresponse().status == 200


def test_every_address_of_the_machine(fresh):
    running = fresh(":0")
    assert healthy(running, "127.0.0.1")
    assert not socket.has_dualstack_ipv6() or healthy(running, "::1")


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_one_address_of_ipv6(fresh):
    assert healthy(fresh("[::1]:0"), "::1")


def test_a_port_that_is_taken_is_an_error(running):
    with pytest.raises(OSError, match="in use"):
        Running(f"127.0.0.1:{running.port}")


def test_after_the_close_nobody_listens():
    running = Running()
    running.server.close()
    with pytest.raises(ConnectionRefusedError):
        running.dial()


# -- the page for people -----------------------------------------------------------------------------------------------


def run(outcome="ok", *, source="inventory", target=HERE, at=T0, failures=()):
    return Run(source, target, at, 1.25, outcome, failures)


def own(**values):
    """Return a snapshot in which the exporter says this of itself: by name, values by labels."""
    chunks = {
        (f"sagemaker_exporter_{name}", None): Chunk(tuple(of), {"": tuple(map(float, of.values()))})
        for name, of in values.items()
    }
    return Snapshot(1, T0, chunks)


def page(*runs, failures=(), waiting=(), **more):
    fields = {"note": "", "metrics_path": "/metrics", "ready": True, "refused": "", "spent": 0.0, "limit": 500.0}
    fields |= {"ignored": (), "queues": (), "left_out": {}}
    values = {name: value for name, value in more.items() if name not in fields}
    fields |= {name: value for name, value in more.items() if name in fields}
    tally = {"sagemaker_exporter_aws_requests_total": values.pop("aws_requests_total", {})}
    view = status.View(
        version="0.1.0",
        now=T0 + 90.0,
        snapshot=own(**values),
        tally=tally,
        runs=runs,
        failures=failures,
        waiting=waiting,
        **fields,
    )
    return status.page(view).decode()


def troubles(text):
    """Return what the page lists first, as (kind, words)."""
    found = re.findall(r'<li class="(\w+)">(.*?)</li>', text, re.DOTALL)
    return [(kind, re.sub("<.*?>", "", words)) for kind, words in found]


def verdict(text):
    return re.search(r'</h1><span class="badge (\w+)">(.*?)</span>', text).groups()


WHERE = (HERE.account_id, HERE.region)


def test_the_status_page_shows_each_source_on_each_target():
    text = page(
        run("denied", failures=(Failure("ListEndpoints", "denied", "no permission"),)),
        run(source="cloudwatch_metrics", at=T0 + 60),
        target_up={WHERE: 1},
        target_info={(*WHERE, "prod", "aws"): 1},
        source_last_success_timestamp_seconds={(*WHERE, "cloudwatch_metrics"): T0 + 62},
        source_interval_seconds={("cloudwatch_metrics",): 60, ("inventory",): 60},
        source_series={(*WHERE, "cloudwatch_metrics"): 12_345},
        data_newest_timestamp_seconds={(*WHERE, "AWS/SageMaker"): T0 - 90, (*WHERE, "/aws/sagemaker/Endpoints"): T0},
        aws_requests_total={(*WHERE, "monitoring", "ListMetrics"): 1200, (*WHERE, "sts", "AssumeRole"): 34},
        aws_cost_usd_total={(*WHERE, "monitoring", "GetMetricData"): 0.5},
    )
    for words in (
        "<h2>123456789012 eu-west-1 <small>prod</small></h2>",
        '<span class="badge bad">inventory denied</span>',
        "1,234 calls, 0.5000 USD since the start",
        '<span class="badge bad">denied</span>',
        "<b>denied</b> ListEndpoints: no permission",
        '<td data-is="last complete">28 s ago</td>',
        '<td data-is="last complete">never</td>',
        '<td data-is="next run">in 30 s</td>',
        '<td data-is="series" class="number">12,345</td>',
        '<td data-is="newest data">90 s ago</td>',
    ):
        assert words in text, words


def test_where_nothing_is_wrong_the_page_says_so():
    text = page(run(), target_up={WHERE: 1}, spent=12.5)
    assert verdict(text) == ("ok", "all is well")
    assert troubles(text) == []
    assert "<dd>12.50 of 500</dd>" in text
    assert "<dd>0.0012 of 99.50</dd>" in page(run(), spent=0.0012, limit=99.5)
    assert verdict(page(run(), ready=False)) == ("partial", "first round")


def test_trouble_stands_first_the_worst_before_the_rest():
    text = page(
        run("partial"),
        run("throttled", source="cloudwatch_metrics"),
        refused="config.yaml:1:1: no",
        spent=501.0,
        source_last_success_timestamp_seconds={(*WHERE, "inventory"): T0},
        target_up={WHERE: 0},
        thinning_stage={WHERE: 3},
        catching_up={(*WHERE, "cloudwatch_metrics"): 1},
        series_dropped={("total",): 1234},
        series_limit={(): 200_000},
        left_out={(HERE, "inventory"): {"a": 500, "b": 700, "c": 9, "d": 8, "e": 7, "f": 6, "g": 5}},
        ignored=("333333333333 in us-east-1 is another one",),
        config_last_reload_successful={(): 0},
        failures=(run("failed", failures=(Failure("x", "transient", "once"),)),),
        waiting=(("111111111111 us-east-1", "AccessDenied: no"), ("222222222222 us-east-1", "")),
    )
    assert verdict(text) == ("bad", "5 problems")
    metrics, listing = (
        "cloudwatch_metrics throttled, never complete so far",
        "inventory partial, last complete 90 s ago",
    )
    later = "counters stay exact and come later, errors of endpoints in service within 5 minutes"
    assert troubles(text) == [
        ("bad", "The last reload was refused, the configuration before it stays: config.yaml:1:1: no"),
        ("bad", "111111111111 us-east-1: no login: AccessDenied: no"),
        ("bad", "333333333333 in us-east-1 is another one"),
        (
            "bad",
            f"123456789012 eu-west-1 {metrics}; {listing}",
        ),
        ("bad", "limits.usd_per_month is exceeded: 501.00 of 500.00 USD this month"),
        ("partial", "123456789012 eu-west-1 catching up: counters that were not read for long come back when they are"),
        ("partial", "1,234 series do not fit into limits.series (200,000): left out"),
        (
            "partial",
            "123456789012 eu-west-1 inventory leaves out b (700), a (500), c (9), d (8), e (7) and 2 more families",
        ),
        (
            "partial",
            f"The dollar limit slows readings, stage 3 of 12: {later}",
        ),
    ]
    assert text.index('class="trouble"') < text.index("<dl>") < text.index("<details")
    assert "Recent failures" in text
    assert "222222222222 us-east-1: logging in" in text


def test_what_only_degrades_is_no_problem():
    assert verdict(page(run(), thinning_stage={WHERE: 1})) == ("partial", "degraded")


def test_a_ledger_that_refuses_is_told_once():
    refused = Failure("ledger", "transient", "the disk is full")
    text = page(run("failed", failures=(refused,)), run("failed", source="cloudwatch_metrics", failures=(refused,)))
    words = "The ledger can&#x27;t be written, all counters stand still: the disk is full"
    assert [found for found in troubles(text) if "disk" in found[1]] == [("bad", words)]


def test_a_source_that_does_not_come_to_an_end_is_trouble():
    """It has no run that failed: nothing else on the page would tell."""
    late = run(at=T0 - 160.0)
    assert troubles(page(late, source_interval_seconds={("inventory",): 60})) == [
        ("bad", "123456789012 eu-west-1 inventory does not come to an end, never complete so far")
    ]
    assert troubles(page(late, source_interval_seconds={("inventory",): 120})) == []


def test_of_many_targets_those_in_trouble_come_first_and_the_others_are_folded():
    fine = [run(target=Target(f"{n:012d}", "eu-west-1")) for n in range(20)]
    text = page(*fine, run("denied", target=Target("999999999999", "us-east-1")))
    found = re.findall(r'<details id="([^"]*)"( open)?>', text)
    assert found[0] == ("999999999999-us-east-1", " open")
    assert found[1:] == [(f"{n:012d}-eu-west-1", "") for n in range(20)]
    assert '<a href="#999999999999-us-east-1">' in text
    assert page(*fine[:3]).count("<details id") == page(*fine[:3]).count(" open>") == 3


def test_before_the_first_run_the_page_says_so():
    assert "No source has run yet" in page()


def test_a_note_stands_first():
    assert '<p class="note">a make-believe account</p>' in page(note="a make-believe account")


def test_nothing_is_loaded_from_elsewhere():
    assert not re.search(r"(src|href)=\"?(https?:)?//", page(run()))
    assert "<script" not in page(run())


EVIL = '<script>alert("x")</script>&\'"'


def test_nothing_can_be_injected():
    target = Target(EVIL, EVIL)
    bad = run(EVIL, source=EVIL, target=target, failures=(Failure(EVIL, EVIL, EVIL),))
    info = {(EVIL, EVIL, EVIL, "aws"): 1}
    text = page(
        bad,
        note=EVIL,
        metrics_path=f"/{EVIL}",
        failures=(bad,),
        waiting=((EVIL, EVIL), (EVIL, "")),
        target_info=info,
        refused=EVIL,
        config_last_reload_successful={(): 0},
    )
    assert "<script>" not in text
    assert text.count("&lt;script&gt;") == 30
    assert 'href="/&lt;script' in text


def test_what_can_not_be_sent_or_turns_the_text_is_replaced():
    text = page(run("failed", failures=(Failure("x", "bug", "\ud800 \u202egnp.exe \x00"),)))
    assert "<b>bug</b> x: \ufffd \ufffdgnp.exe \ufffd" in text


def test_many_troubles_do_not_make_a_long_list():
    text = page(*(run("failed", target=Target(f"{n:012d}", "eu-west-1")) for n in range(50)))
    assert len(troubles(text)) == 20
    assert "<li>and 30 more</li>" in text
    assert verdict(text) == ("bad", "50 problems")


def test_many_failures_do_not_make_a_long_page():
    failures = tuple(Failure(f"scope {n}", "transient") for n in range(1000))
    assert "and 997 more" in page(run("partial", failures=failures))
    assert len(page(run("partial", failures=failures))) < 9000


def test_queues_are_shown_and_what_is_wrong_with_them_first():
    queue = (*WHERE, "events")
    text = page(
        queues=(
            State("events", HERE, ("job_events",), T0 - 5, "ReceiveMessage: AccessDenied: no <b>way</b>"),
            State("trail", HERE, (), None, ""),
            State("well", HERE, ("cloudtrail",), T0, ""),
        ),
        queue_received_total={(*queue, "deleted"): 1200, (*queue, "left"): 3, (*queue, "unparsed"): 4},
        queue_messages={(*queue, "visible"): 17, (*queue, "in_flight"): 2},
        queue_dead_letters={queue: 6},
    )
    assert troubles(text) == [
        ("bad", "queue events: ReceiveMessage: AccessDenied: no &lt;b&gt;way&lt;/b&gt;"),
        ("partial", "queue events: 6 messages are in its dead-letter queue"),
        ("partial", "queue trail: no source that is enabled reads it, nothing is received"),
    ]
    rows = re.findall(r"<tr><td>(\w+) <small>.*?</tr>", text)
    assert rows == ["events", "trail", "well"]
    (row,) = re.findall(r"<tr><td>events .*?</tr>", text)
    assert re.sub(r"<[^>]+>", " ", row).split() == [
        *("events", *WHERE, "failed", "job_events", "95", "s", "ago", "1,200", "7", "17", "2", "6")
    ]
    assert "Queues" not in page()
