"""A bucket read through the door: by the credentials of its queue, in pieces, and what keeps one from reading it."""

from __future__ import annotations

import itertools
import time

import pytest
from listening import ACCOUNT, REGION, URL
from worlds import T0

from exporter.aws import Aws, AwsError
from exporter.aws.objects import PIECE, Bucket
from exporter.clock import SystemClock
from exporter.config import Queue
from exporter.demo import FakeAws, World, access_key, serve
from exporter.demo.resources import Role
from exporter.tally import Tally

LOGS = "210987654321"  # the account that keeps the logs
ROLE = f"arn:aws:iam::{LOGS}:role/reads-logs"


class Shelf:
    """A bucket of a fake AWS that is served over HTTP, and the same one as the door sees it."""

    def __init__(self, monkeypatch):
        self.world = World()
        self.fake = FakeAws(self.world, time.time)
        self.server = serve(self.fake)
        monkeypatch.setenv("AWS_ENDPOINT_URL", self.server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key(ACCOUNT))
        self.real = self.world.add_bucket(ACCOUNT, REGION, "logs")
        self.tally = Tally()
        self.aws = Aws(SystemClock(), self.tally, "test")
        self.bucket = self.seen()

    def seen(self, name="logs", **settings):
        return Bucket(self.aws, Queue(url=URL, **settings), name)

    def put(self, *keys, body=b"x"):
        for key in keys:
            self.real.put(key, body, T0 - 10)

    def told(self, name, operation):
        found = self.tally.told().get(f"sagemaker_exporter_{name}", {})
        return sum(value for labels, value in found.items() if operation in labels)


@pytest.fixture
def shelf(monkeypatch):
    one = Shelf(monkeypatch)
    yield one
    one.aws.close()
    one.server.close()


def failed(read):
    with pytest.raises(AwsError) as raised:
        list(read)
    return raised.value


def test_an_object_comes_in_pieces_and_is_priced(shelf):
    body = bytes(range(256)) * 1000
    shelf.put("a b/é+c", body=body)
    pieces = list(shelf.bucket.read("a b/é+c"))
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) == PIECE
    assert shelf.told("aws_cost_usd_total", "GetObject") == pytest.approx(4e-7)
    assert shelf.told("aws_requests_total", "GetObject") == shelf.fake.bill.requests["s3.GetObject"] == 1


def test_what_nobody_reads_to_its_end_is_given_up(shelf):
    shelf.put("a", body=b"x" * (4 * PIECE))
    reading = shelf.bucket.read("a")
    assert len(next(reading)) == PIECE
    reading.close()
    assert sum(map(len, shelf.bucket.read("a"))) == 4 * PIECE


def test_keys_are_listed_in_order_over_all_pages_after_a_text(shelf):
    keys = [f"a/{n:04d} é+" for n in range(2300)]
    shelf.put("0", *keys, "b")
    assert list(shelf.bucket.listed("a/")) == keys
    assert list(shelf.bucket.listed("a/", "a/2298")) == keys[2298:]
    assert list(shelf.bucket.listed("c/")) == []
    assert shelf.told("aws_cost_usd_total", "ListObjectsV2") == pytest.approx(5 * 5e-6)


def test_folders_are_listed_without_what_is_in_them(shelf):
    shelf.put("a/1/x", "a/1/y", "a/2/z/z", "a/3", "b/4/x")
    assert list(shelf.bucket.folders("a/")) == ["1", "2"]
    assert list(shelf.bucket.folders("")) == ["a", "b"]


def test_a_role_reads_a_bucket_of_another_account(shelf):
    shelf.real.account = LOGS
    shelf.put("a")
    assert failed(shelf.bucket.read("a")).error_class == "denied"
    shelf.world.add_role(LOGS, Role("reads-logs"))
    assert list(shelf.seen(role_arn=ROLE).read("a")) == [b"x"]


@pytest.mark.parametrize(
    ("key", "bucket", "encrypted", "error_class"),
    [
        ("nix", "logs", "", "absent"),
        ("a", "nix", "", "absent"),
        ("a", "logs", "denied", "denied"),
        ("a", "logs", "disabled", "denied"),
    ],
)
def test_what_keeps_an_object_from_being_read(shelf, key, bucket, encrypted, error_class):
    shelf.put("a")
    shelf.real.encrypted = encrypted
    error = failed(shelf.seen(bucket).read(key))
    assert error.error_class == error_class
    assert not error.login, "others are read by the same login"
    assert shelf.told("aws_errors_total", "GetObject") == 1


@pytest.mark.parametrize("kind", ["http_503", "throttle", "reset"])
def test_what_passes_is_tried_again(shelf, kind):
    shelf.put("a", body=b"x" * (3 * PIECE))
    shelf.fake.faults.add(kind, operation="GetObject", first=1)
    assert sum(map(len, shelf.bucket.read("a"))) == 3 * PIECE


def test_what_breaks_off_midway_may_be_whole_the_next_time(shelf):
    shelf.put("a", body=b"x" * (3 * PIECE))
    shelf.fake.faults.add("truncated", operation="GetObject", first=1)
    assert failed(shelf.bucket.read("a")).error_class == "transient"
    assert sum(map(len, shelf.bucket.read("a"))) == 3 * PIECE


def test_pages_that_do_not_end_are_an_error(shelf):
    page = {"IsTruncated": True, "NextContinuationToken": "again", "Contents": [{"Key": "a"}]}
    shelf.aws.call_by = lambda *_, **__: page
    assert len(list(itertools.islice(shelf.bucket.listed(""), 2))) == 2
    assert failed(shelf.bucket.listed("")).error_class == "transient"
    page["Contents"] = [{"Name": "a"}]
    assert failed(shelf.bucket.listed("")).error_class == "transient"
