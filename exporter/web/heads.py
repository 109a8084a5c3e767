"""The head of an HTTP/1.x request, from bytes to a `Request` or to the reason why not: RFC 9112, sections 2 to 7.

Strict where two readers of the same bytes could disagree (a folded line, a space before a colon, a lone CR), since a
proxy may stand before us. A body is never read: that one follows is all there is to know of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

LINE = 8 * 1024  # bytes of the first line
HEAD = 32 * 1024  # bytes of all of it
FIELDS = 100  # header fields

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT")

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a token of the grammar
_FIRST = re.compile(rf"({_TOKEN}) ([!-~]+) HTTP/([0-9])\.([0-9])")
_FIELD = re.compile(rf"({_TOKEN}):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_END = re.compile(rb"\n\r?\n")


@dataclass(frozen=True, slots=True)
class Request:
    """What a client wants. Names of header fields are in small letters; `body` says that one follows."""

    method: str
    path: str
    headers: Mapping[str, str]
    keep: bool
    body: bool


class BadRequestError(Exception):
    """A head that is refused, and the status that says so."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


def end(data: bytes | bytearray, seen: int = 0) -> int:
    """Return where the head ends, 0 if its end has not come. The first `seen` bytes were looked at before.

    Raises `BadRequestError` as soon as what has come is too much, or is no HTTP.
    """
    found = _END.search(data, max(0, seen - 2))
    length = found.end() if found else 0
    if data.find(b"\n", 0, LINE) < 0 and len(data) >= LINE:
        raise BadRequestError(414, f"the first line is longer than {LINE} bytes")
    if (length or len(data)) > HEAD:
        raise BadRequestError(431, f"the head is longer than {HEAD} bytes")
    if data and not re.match(rb"[A-Za-z]", data):
        raise BadRequestError(400, "this is no HTTP")
    return length


def parse(head: bytes) -> Request:
    """Return the request of a whole head. Raises `BadRequestError`."""
    first, *lines = re.split(r"\r?\n", head.decode("latin-1").rstrip("\r\n"))
    found = _FIRST.fullmatch(first)
    if not found:
        raise BadRequestError(400, "the first line is no request of HTTP")
    method, target, major, minor = found.groups()
    if major != "1":
        raise BadRequestError(505, "HTTP/1.1 is spoken here")
    if method not in METHODS:
        raise BadRequestError(501, "there is no such method")
    if len(lines) > FIELDS:
        raise BadRequestError(431, f"there are more than {FIELDS} header fields")
    headers: dict[str, str] = {}
    for line in lines:
        one = _FIELD.fullmatch(line)
        if not one:
            raise BadRequestError(400, "a line of the head is no header field")
        name = one[1].lower()
        headers[name] = f"{headers[name]}, {one[2]}" if name in headers else one[2]
    if minor != "0" and ("host" not in headers or "," in headers["host"]):
        raise BadRequestError(400, "one Host is needed")
    length = headers.get("content-length", "0")
    if not re.fullmatch(r"[0-9]+", length):
        raise BadRequestError(400, "Content-Length is no length")
    options = {option.strip().lower() for option in headers.get("connection", "").split(",")}
    return Request(
        method,
        re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*(?=[/?]|$)", "", target).partition("?")[0] or "/",
        headers,
        keep="close" not in options and (minor != "0" or "keep-alive" in options),
        body="transfer-encoding" in headers or length.strip("0") != "",
    )
