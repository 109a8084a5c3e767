"""Files of a trail: what their keys tell, and their records one by one, broken and hostile ones too."""

from __future__ import annotations

import gzip
import json
import random
import tracemalloc
import zlib
from collections import deque
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Target
from exporter.sources.cloudtrail.files import (
    DIGESTS,
    LARGEST,
    LOGS,
    NETWORK,
    READ,
    FileError,
    digested,
    first_key,
    named,
    records,
)

ACCOUNT, REGION = "123456789012", "eu-west-1"
FOLDER = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/"
KEY = f"{FOLDER}2026/01/01/{ACCOUNT}_CloudTrail_{REGION}_20260101T0005Z_hrLqVPHMpEB4A2pS.json.gz"
AT = datetime(2026, 1, 1, 0, 5, tzinfo=UTC).timestamp()


def packed(*some, **more):
    return gzip.compress(json.dumps({"Records": list(some), **more}).encode())


def cut(body, size=7):
    return [body[first : first + size] for first in range(0, len(body), size)]


def read(body, size=7):
    return [record for record, _ in records(cut(body, size))]


@pytest.mark.parametrize("before", ["", "logs/", "a/b c/AWSLogs/"])
@pytest.mark.parametrize("organisation", ["", "o-abcdef1234/"])
def test_a_key_tells_what_is_in_a_file_and_where_it_was_recorded(before, organisation):
    key = before + KEY.replace("AWSLogs/", f"AWSLogs/{organisation}")
    found = named(key)
    assert (found.kind, found.target, found.at) == (LOGS, Target(ACCOUNT, REGION), AT)
    assert found.folder == f"{before}AWSLogs/{organisation}{ACCOUNT}/CloudTrail/{REGION}/"
    assert found.name == f"{ACCOUNT}_CloudTrail_{REGION}_20260101T0005Z_hrLqVPHMpEB4A2pS"


@pytest.mark.parametrize(
    ("kind", "stamp", "is_read"),
    [
        ("CloudTrail", "20260101T0005Z_hrLqVPHMpEB4A2pS", True),
        ("CloudTrail-NetworkActivity", "20260101T0005Z_hrLqVPHMpEB4A2pS", True),
        ("CloudTrail-Insight", "20260101T0005Z_hrLqVPHMpEB4A2pS", False),
        ("CloudTrail-Aggregated", "20260101T0005Z_hrLqVPHMpEB4A2pS", False),
        ("CloudTrail-Digest", "my-trail_us-east-1_20260101T000500Z", False),
    ],
)
def test_files_of_records_are_told_from_others(kind, stamp, is_read):
    name = f"{ACCOUNT}_{kind}_{REGION}_{stamp}"
    found = named(f"AWSLogs/{ACCOUNT}/{kind}/{REGION}/2026/01/01/{name}.json.gz")
    assert (found.kind, found.at, found.name) == (kind, AT, name)
    assert (found.kind in READ) is is_read
    assert DIGESTS not in READ
    assert NETWORK in READ


@pytest.mark.parametrize(
    "key",
    [
        "",
        KEY.removesuffix(".gz"),
        KEY.replace("T0005Z", "T2505Z"),
        KEY.replace("AWSLogs", "awslogs"),
        KEY.replace(ACCOUNT, "12345678901"),
        KEY.replace("/2026/01/01/", "/"),
        KEY.replace("CloudTrail/", "Config/"),
        f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/01/",
        "a" * 1024,
        "o-/" * 300 + KEY + "\n",
    ],
)
def test_what_is_no_file_of_cloudtrail(key):
    assert named(key) is None


def test_a_listing_can_begin_at_a_minute():
    first = first_key(FOLDER, LOGS, Target(ACCOUNT, REGION), AT)
    assert first < KEY < first_key(FOLDER, LOGS, Target(ACCOUNT, REGION), AT + 60)


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 16])
def test_records_one_by_one(size):
    some = [{"n": n, "text": '}]{"\\é😀', "deep": [{"a": [1.5, None, True]}]} for n in range(40)]
    assert read(packed(*some), size) == some
    assert read(packed()) == []


def test_spaces_and_members_of_gzip():
    text = b' {\n "Records" : [ {"a": 1} ,\t{"b": 2}\r\n ] } \n'
    assert read(gzip.compress(text[:13]) + gzip.compress(text[13:])) == [{"a": 1}, {"b": 2}]


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=5),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
                max_leaves=5,
            ),
            max_size=3,
        ),
        max_size=5,
    ),
    st.booleans(),
    st.integers(1, 50),
)
def test_whatever_records_hold_they_come_as_they_were_written(some, ascii_only, size):
    body = gzip.compress(json.dumps({"Records": some}, ensure_ascii=ascii_only).encode())
    assert read(body, size) == json.loads(gzip.decompress(body))["Records"]


BODY = packed({"a": 1}, {"b": "é"}, {"c": [3]})
TEXT = gzip.decompress(BODY)


@pytest.mark.parametrize("kept", range(len(TEXT)))
def test_a_json_that_is_cut_off_anywhere_is_an_error_after_what_was_whole(kept):
    seen = []
    with pytest.raises(FileError):
        deque((seen.append(record) for record, _ in records(cut(gzip.compress(TEXT[:kept])))), maxlen=0)
    assert seen == [{"a": 1}, {"b": "é"}, {"c": [3]}][: len(seen)]
    assert len(seen) == sum(TEXT.find(end) + len(end) <= kept for end in (b"1}", b'9"}', b"3]}"))


@pytest.mark.parametrize("kept", range(len(BODY)))
def test_a_gzip_that_is_cut_off_anywhere_is_an_error(kept):
    with pytest.raises(FileError):
        read(BODY[:kept])


def test_a_gzip_in_which_any_byte_is_another_is_an_error_or_the_same():
    luck = random.Random(1)
    for place in range(len(BODY)):
        changed = bytearray(BODY)
        changed[place] ^= 1 << luck.randrange(8)
        try:
            assert read(bytes(changed)) == json.loads(TEXT)["Records"]
        except FileError:
            continue
        assert place < 10, "bytes of the header that say nothing of what is in it"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"Records": {}}',
        b'{"records": []}',
        b'{"Records": [1 2]}',
        b'{"Records": [1,]}',
        b'{"Records": [,1]}',
        b'{"Records": [1]} x',
        b'{"Records": [1], "more": 2}',
        b'{"Records": [{"a": "\xff"}]}',
        b'{"Records": [' + b"[" * 200_000,
        b'{"Records": [{' + b'"a": {' * 200_000,
        b'{"Records": ["' + b"x" * (2 * LARGEST),
        b'{"Records": [{"a" "b"}' + b" " * (3 * LARGEST),
        b"SQLite format 3\0",
    ],
    ids=range(16),
)
def test_what_is_no_file_of_records(text):
    with pytest.raises(FileError) as failed:
        read(gzip.compress(text), 1 << 16)
    assert len(str(failed.value)) < 100
    with pytest.raises(FileError):
        read(text)


def test_numbers_of_any_length_and_halves_of_characters():
    text = b'{"Records": [{"a": ' + b"9" * 10_000 + b'}, {"a": "\\ud83d"}, {"b": "\\ud83d\\ude00"}, {"a": NaN}]}'
    huge, half, whole, _ = read(gzip.compress(text), 1 << 16)
    assert huge == {"a": float("inf")}
    assert half is None, "what can't be written down"
    assert whole == {"b": "😀"}


def test_a_bomb_takes_no_room():
    """A gigabyte of spaces in a megabyte, and records without end: at hand is only a piece."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = [packer.compress(b'{"Records": [')]
    bomb += [packer.compress(b" " * (1 << 20)) for _ in range(100)]
    bomb += [packer.compress(b'{"a": 1},' * 1000) for _ in range(100)]
    bomb.append(packer.flush())
    tracemalloc.start()
    try:
        with pytest.raises(FileError):
            assert sum(1 for _ in records(bomb)) == 100_000
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_what_a_digest_names():
    logs = [{"s3Bucket": "logs", "s3Object": KEY, "hashValue": "00"}]
    assert [
        (one.s3_bucket, one.s3_object) for one in digested(cut(gzip.compress(json.dumps({"logFiles": logs}).encode())))
    ] == [("logs", KEY)]
    for broken in (b"", b"{}", b'{"logFiles": [{}]}', b'{"logFiles": null}', b"[" * 100_000):
        with pytest.raises(FileError):
            digested(cut(gzip.compress(broken)))
        with pytest.raises(FileError):
            digested(cut(broken))
