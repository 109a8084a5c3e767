"""Pieces of a gzip member that are compressed once and stitched together often.

A piece is raw deflate that ends on a byte border and refers to nothing before it (Z_FULL_FLUSH), so pieces can follow
each other in any order: RFC 1951 for the data, RFC 1952 for the ten bytes before and the eight after.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import NamedTuple

from isal import isal_zlib

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # gzip, deflate, no name, no time, unknown system
_END = b"\x03\x00"  # an empty last block


class Piece(NamedTuple):
    """Compressed text, the checksum of the text and its length in bytes."""

    deflated: bytes
    crc: int
    length: int


class Member(NamedTuple):
    """A whole gzip member, and the length of the text inside (bytes)."""

    gzip: bytes
    length: int


def piece(text: bytes) -> Piece:
    """Compress a text. ISA-L's level 1: 14 times as fast as zlib's level 6 on our pages, and hardly larger."""
    compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = compressor.compress(text) + compressor.flush(isal_zlib.Z_FULL_FLUSH)
    return Piece(deflated, isal_zlib.crc32(text), len(text))


def stitch(pieces: Iterable[Piece]) -> Member:
    """Return the gzip member of all the texts in a row, without touching any of them."""
    parts, crc, length = [_HEADER], 0, 0
    for deflated, piece_crc, piece_length in pieces:
        parts.append(deflated)
        crc = isal_zlib.crc32_combine(crc, piece_crc, piece_length)
        length += piece_length
    parts += (_END, crc.to_bytes(4, "little"), (length % 2**32).to_bytes(4, "little"))
    return Member(b"".join(parts), length)
