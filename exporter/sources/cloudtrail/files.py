"""Files of a trail: what the key of one tells, and its records one by one, however large it is.

    AWSLogs/o-exampleorg/123456789012/CloudTrail/eu-west-1/2026/01/01/
        123456789012_CloudTrail_eu-west-1_20260101T0005Z_hrLqVPHMpEB4A2pS.json.gz

A file is gzip of {"Records": [...]}, and at hand is only what makes the next record. The parser of the standard library
tells where a value ends; one that is cut off is tried again with more text, once or twice in a piece.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
"""

from __future__ import annotations

import codecs
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from exporter.model import Target

LOGS, NETWORK, DIGESTS = "CloudTrail", "CloudTrail-NetworkActivity", "CloudTrail-Digest"
READ = (LOGS, NETWORK)  # what holds records of calls; insights and aggregates tell of calls that have records elsewhere
PIECE = 1 << 18  # bytes that are inflated at once: a few bytes may hold gigabytes
LARGEST = 1 << 19  # characters of a record; AWS cuts them at 256 kB
LARGEST_FILE = 1 << 30  # bytes, inflated: AWS begins another one at 50 MB
LARGEST_DIGEST = 1 << 24  # bytes: it names thirty thousand files of an hour

_KEY = re.compile(
    r"(?:[^\0]*/)?AWSLogs/(?:o-[a-z0-9]{1,32}/)?(?P<account>[0-9]{12})/(?P<kind>CloudTrail[A-Za-z-]{0,32})/"
    r"(?P<region>[a-z0-9-]{1,32})/[0-9]{4}/[0-9]{2}/[0-9]{2}/"
    r"(?P<name>[0-9]{12}_CloudTrail[\w.-]{1,256}_(?P<stamp>[0-9]{8}T[0-9]{4}(?:[0-9]{2})?)Z(?:_\w{1,64})?)\.json\.gz",
    re.ASCII,
)
_NO_SPACE = re.compile(r"[^ \t\r\n]")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # of a character that takes two: alone, it can't be written down


class FileError(ValueError):
    """A file that can't be read to its end. Says what is wrong with it, never what stands there."""


class File(NamedTuple):
    """What a key tells: what is in the file, on which target it was recorded, when it was published (Unix seconds).

    `folder` holds the folders of its days; `name` tells it from all others in there.
    """

    key: str
    kind: str
    target: Target
    at: float
    folder: str
    name: str


class Named(Struct, frozen=True, rename="camel"):
    """A file that a digest names: in which bucket, and by which key."""

    s3_bucket: str
    s3_object: str


class _Digest(Struct, frozen=True, rename="camel"):
    log_files: tuple[Named, ...]


def named(key: str) -> File | None:
    """Return what the key of an object tells; None for one that is no file of CloudTrail."""
    found = _KEY.fullmatch(key)
    if found is None:
        return None
    stamp = found["stamp"]
    try:
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%S" if len(stamp) > 13 else "%Y%m%dT%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    folder = key[: found.end("region") + 1]
    return File(key, found["kind"], Target(found["account"], found["region"]), at.timestamp(), folder, found["name"])


def first_key(folder: str, kind: str, target: Target, at: float) -> str:
    """Return what sorts before all keys of a kind that are published in the minute of `at`, or later on its day."""
    when = datetime.fromtimestamp(at, UTC)
    return f"{folder}{when:%Y/%m/%d}/{target.account_id}_{kind}_{target.region}_{when:%Y%m%dT%H%M}"


def records(pieces: Iterable[bytes]) -> Iterator[tuple[Any, int]]:
    """Yield the records of a file, each as the JSON that it is, with its length in characters.

    It is None for one with half a character in it.

    Raises `FileError` after the last one that can be read, of a file that is broken or cut off.
    """
    text = _Text(_text(_inflated(pieces)))
    for expected in ("{", '"Records"', ":", "["):
        text.expect(expected)
    if text.next() == "]":
        text.expect("]")
    else:
        while True:
            yield text.value()
            if text.next() == "]":
                text.expect("]")
                break
            text.expect(",")
    text.expect("}")
    if text.next():
        raise FileError("it goes on after its records")


def digested(pieces: Iterable[bytes]) -> tuple[Named, ...]:
    """Return the files that a digest names. Raises `FileError`."""
    whole = bytearray()
    for piece in _inflated(pieces):
        whole += piece
        if len(whole) > LARGEST_DIGEST:
            raise FileError(f"a digest of more than {LARGEST_DIGEST} bytes")
    try:
        return msgspec.json.decode(whole, type=_Digest).log_files
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise FileError(f"no digest: {error}") from error


class _Text:
    """Text that comes in pieces, of which only what has yet to be read is at hand."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._text = ""
        self._at = 0

    def next(self) -> str:
        """Return the next character that is no space; "" at the end."""
        while True:
            found = _NO_SPACE.search(self._text, self._at)
            self._at = found.start() if found else len(self._text)
            if found:
                return found[0]
            if not self._more():
                return ""

    def expect(self, word: str) -> None:
        """Go past a word, which must come next."""
        first = self.next()
        while first and len(self._text) - self._at < len(word) and self._more():
            pass
        if not self._text.startswith(word, self._at):
            raise FileError("it is cut off" if not first else "it holds something else than records")
        self._at += len(word)

    def value(self) -> tuple[Any, int]:
        """Return the value that comes next, and its length."""
        self.next()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if self._more():
                    continue
                raise FileError("it is cut off within a record, or that is no JSON") from None
            except RecursionError:
                raise FileError("it holds a record that is nested too deep") from None
            half = _HALF.search(self._text, self._at, end)
            sound = not half or _sound(self._text[self._at : end])
            length, self._at = end - self._at, end
            return found if sound else None, length

    def _more(self) -> bool:
        if len(self._text) - self._at > LARGEST:
            raise FileError(f"it holds a record of more than {LARGEST} characters, or one that is no JSON")
        piece = next(self._pieces, "")
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)


def _number(digits: str) -> float:
    return int(digits) if len(digits) < 1000 else float(digits)  # Python refuses to read thousands of digits


_DECODER = json.JSONDecoder(parse_int=_number)


def _sound(text: str) -> bool:
    """Say whether a JSON text holds only what can be written down again."""
    try:
        msgspec.json.decode(text)
    except ValueError:
        return False
    return True


def _text(pieces: Iterator[bytes]) -> Iterator[str]:
    """Yield text, none of it empty."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in pieces:
            text = decoder.decode(piece)
            if text:
                yield text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise FileError("it holds what is no UTF-8") from None


def _inflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what is in gzip: in one member, or in several, one after the other."""
    inflater = zlib.decompressobj(wbits=31)
    begun, size = False, 0
    try:
        for piece in pieces:
            rest = piece
            while rest:
                if inflater.eof:
                    inflater = zlib.decompressobj(wbits=31)
                begun = True
                inflated = inflater.decompress(rest, PIECE)
                size += len(inflated)
                if size > LARGEST_FILE:
                    raise FileError(f"it holds more than {LARGEST_FILE} bytes")
                if inflated:
                    yield inflated
                rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        while begun and not inflater.eof and (inflated := inflater.decompress(b"", PIECE)):
            yield inflated
    except zlib.error:
        raise FileError("it is no gzip, or a broken one") from None
    if not inflater.eof:
        raise FileError("its gzip is cut off")
