"""The head of a request, byte by byte: what is read, and what is refused with which status."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web import heads
from exporter.web.heads import BadRequestError, Request, end, parse

HOST = b"Host: x\r\n"


def head(first=b"GET / HTTP/1.1", *lines, host=HOST):
    return first + b"\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def test_a_whole_request():
    lines = [b"Accept: a", b"ACCEPT:\t b ", b"X-Empty:"]
    assert parse(head(b"GET /metrics?x=1 HTTP/1.1", *lines)) == Request(
        "GET", "/metrics", {"host": "x", "accept": "a, b", "x-empty": ""}, keep=True, body=False
    )


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", "/"),
        (b"/a//b", "/a//b"),
        (b"/a?b?c", "/a"),
        (b"http://host:1/metrics?x", "/metrics"),
        (b"http://host", "/"),
        (b"http://host?x", "/"),
        (b"*", "*"),
        (b"/http://x/", "/http://x/"),
    ],
)
def test_targets(target, path):
    assert parse(head(b"GET " + target + b" HTTP/1.1")).path == path


@pytest.mark.parametrize(
    ("first", "line", "keep"),
    [
        (b"GET / HTTP/1.1", b"X: y", True),
        (b"GET / HTTP/1.1", b"Connection: close", False),
        (b"GET / HTTP/1.1", b"Connection: upgrade, Close", False),
        (b"GET / HTTP/1.0", b"X: y", False),
        (b"GET / HTTP/1.0", b"Connection: Keep-Alive", True),
        (b"GET / HTTP/1.7", b"X: y", True),
    ],
)
def test_who_stays(first, line, keep):
    assert parse(head(first, line)).keep is keep


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (b"Content-Length: 0", False),
        (b"Content-Length: 000", False),
        (b"Content-Length: 1", True),
        (b"Transfer-Encoding: chunked", True),
        (b"Transfer-Encoding:", True),
    ],
)
def test_whether_a_body_follows(line, body):
    assert parse(head(b"POST / HTTP/1.1", line)).body is body


REFUSED = {
    "no version": (b"GET /", 400),
    "no target": (b"GET HTTP/1.1", 400),
    "two spaces": (b"GET  / HTTP/1.1", 400),
    "a space at the end": (b"GET / HTTP/1.1 ", 400),
    "a space in the target": (b"GET /a b HTTP/1.1", 400),
    "no ASCII": ("GET /ü HTTP/1.1".encode(), 400),
    "a NUL": (b"GET /\0 HTTP/1.1", 400),
    "a lone CR": (b"GET /\rX HTTP/1.1", 400),
    "small letters": (b"GET / http/1.1", 400),
    "HTTP/2": (b"PRI * HTTP/2.0", 505),
    "HTTP/0.9": (b"GET / HTTP/0.9", 505),
    "no such method": (b"BREW / HTTP/1.1", 501),
    "a method in small letters": (b"get / HTTP/1.1", 501),
}


@pytest.mark.parametrize("name", REFUSED)
def test_first_lines_that_are_refused(name):
    first, status = REFUSED[name]
    with pytest.raises(BadRequestError) as refused:
        parse(head(first))
    assert refused.value.status == status


@pytest.mark.parametrize(
    "line",
    [
        b"no colon",
        b"Space : x",
        b" folded",
        b"\tfolded",
        b": x",
        b"Bad\0Name: x",
        b"X: a\0b",
        b"X: a\rb",
        b"X: a\x0bb",
        b"Content-Length: -1",
        b"Content-Length: +1",
        b"Content-Length: 1e3",
        b"Content-Length: 0x1",
        b"Content-Length:",
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Host: y",
    ],
)
def test_fields_that_are_refused(line):
    with pytest.raises(BadRequestError) as refused:
        parse(head(b"GET / HTTP/1.1", line))
    assert refused.value.status == 400


def test_a_host_is_needed_since_1_1():
    with pytest.raises(BadRequestError, match="one Host"):
        parse(head(host=b""))
    assert parse(head(b"GET / HTTP/1.0", host=b"")).path == "/"


def test_too_many_fields():
    assert len(parse(head(b"GET / HTTP/1.1", *[b"X: y"] * (heads.FIELDS - 1))).headers) == 2
    with pytest.raises(BadRequestError) as refused:
        parse(head(b"GET / HTTP/1.1", *[b"X: y"] * heads.FIELDS))
    assert refused.value.status == 431


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"x" * heads.LINE, 414),
        (b"GET /" + b"x" * heads.LINE + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * heads.HEAD, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * heads.HEAD + b"\r\n\r\n", 431),
        (b"\x16\x03\x01", 400),
        (b" GET", 400),
    ],
)
def test_what_is_refused_before_its_end_has_come(data, status):
    with pytest.raises(BadRequestError) as refused:
        end(data)
    assert refused.value.status == status


def test_the_end_is_found_wherever_the_pieces_break():
    data = head(b"GET / HTTP/1.1", b"X: y")
    for line_break in (b"\r\n", b"\n"):
        whole = data.replace(b"\r\n", line_break)
        for cut in range(1, len(whole)):
            assert end(whole[:cut]) == 0
            assert end(whole + b"GET", cut) == len(whole)


@given(st.binary(max_size=300) | st.text(alphabet="GET /HTP1.0:\r\nhostx, \t-", max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(data):
    try:
        length = end(data)
        if length:
            request = parse(data[:length])
            assert request.path
    except BadRequestError as error:
        assert error.status in {400, 414, 431, 501, 505}  # noqa: PT017 - it may also be read


@given(st.binary(max_size=100))
def test_any_bytes_in_a_field_are_read_or_refused(data):
    try:
        parse(head(b"GET / HTTP/1.1", b"X: " + data))
    except BadRequestError as error:
        assert error.status == 400  # noqa: PT017 - it may also be read
