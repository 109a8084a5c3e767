"""Buckets of the fake, asked by botocore over HTTP."""

from __future__ import annotations

import pytest
from asking import ACCOUNT, NOW, REGION, when
from botocore.exceptions import ClientError, IncompleteReadError, ResponseStreamingError

KEYS = ("a/1", "a/2", "b/c/3", "b/d e+f/4", "z")


@pytest.fixture
def bucket(world):
    bucket = world.add_bucket(ACCOUNT, REGION, "files")
    for nth, key in enumerate(KEYS):
        bucket.put(key, key.encode() * 1000, NOW - 100 + nth)
    return bucket


@pytest.fixture
def s3(over_http):
    return over_http("s3")


def code(raised):
    return raised.value.response["Error"]["Code"]


class TestGet:
    def test_an_object(self, s3, bucket):
        for key in KEYS:
            answer = s3.get_object(Bucket="files", Key=key)
            assert answer["Body"].read() == key.encode() * 1000
            assert (answer["ContentLength"], answer["ETag"]) == (len(key) * 1000, f'"{bucket.objects[key].facts[1]}"')
        assert answer["LastModified"] == when(NOW - 96)

    def test_in_pieces(self, s3, bucket):
        body = s3.get_object(Bucket="files", Key="z")["Body"]
        assert [len(piece) for piece in body.iter_chunks(400)] == [400, 400, 200]

    def test_not_before_it_is_there(self, s3, bucket, clock):
        bucket.put("later", b"x", NOW + 10)
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket="files", Key="later")
        clock.now += 10
        assert s3.get_object(Bucket="files", Key="later")["Body"].read() == b"x"

    @pytest.mark.parametrize(
        ("asked", "error", "status"),
        [
            ({"Bucket": "files", "Key": "nix"}, "NoSuchKey", 404),
            ({"Bucket": "nix", "Key": "a/1"}, "NoSuchBucket", 404),
        ],
    )
    def test_what_there_is_not(self, s3, bucket, asked, error, status):
        with pytest.raises(ClientError) as raised:
            s3.get_object(**asked)
        assert code(raised) == error
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status

    def test_a_key_of_kms_that_may_not_be_used(self, s3, bucket):
        bucket.encrypted = "denied"
        with pytest.raises(
            ClientError, match=r"user/demo is not authorized to perform: kms:Decrypt on .*:key/"
        ) as raised:
            s3.get_object(Bucket="files", Key="z")
        assert code(raised) == "AccessDenied"
        bucket.encrypted = "disabled"
        with pytest.raises(ClientError, match=r"arn:aws:kms:\S+ is disabled") as raised:
            s3.get_object(Bucket="files", Key="z")
        assert code(raised) == "KMS.DisabledException"
        assert s3.list_objects_v2(Bucket="files")["KeyCount"] == len(KEYS)  # which reads no object
        bucket.encrypted = "usable"
        assert s3.get_object(Bucket="files", Key="z")["ContentLength"] == 1000

    def test_other_accounts_by_leave(self, over_http, bucket):
        client = over_http("s3", account="210987654321")
        for ask in (lambda: client.get_object(Bucket="files", Key="z"), lambda: client.list_objects_v2(Bucket="files")):
            with pytest.raises(ClientError) as raised:
                ask()
            assert code(raised) == "AccessDenied"
        bucket.readers.add("210987654321")
        assert client.get_object(Bucket="files", Key="z")["ContentLength"] == 1000

    def test_from_another_region(self, over_http, fake, bucket):
        """The SDK asks again, signed for the region that it is told."""
        client = over_http("s3", region="eu-west-1")
        assert client.get_object(Bucket="files", Key="z")["ContentLength"] == 1000
        errors = [(call["region"], call["error"]) for call in fake.calls if call["call"] == "s3.GetObject"]
        assert errors == [("eu-west-1", "AuthorizationHeaderMalformed"), (REGION, None)]


class TestList:
    def keys(self, s3, **asked):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="files", **asked)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def test_in_the_order_of_keys(self, s3, bucket):
        answer = s3.list_objects_v2(Bucket="files")
        first = answer["Contents"][0]
        assert [one["Key"] for one in answer["Contents"]] == list(KEYS)
        assert (first["Size"], first["ETag"]) == (3000, f'"{bucket.objects["a/1"].facts[1]}"')
        assert first["LastModified"] == when(NOW - 100)
        assert (answer["KeyCount"], answer["IsTruncated"], answer["Name"]) == (5, False, "files")

    def test_pages(self, s3, bucket):
        pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="files", PaginationConfig={"PageSize": 2}))
        assert [[one["Key"] for one in page["Contents"]] for page in pages] == [list(KEYS[:2]), list(KEYS[2:4]), ["z"]]
        assert [page["IsTruncated"] for page in pages] == [True, True, False]
        exact = s3.list_objects_v2(Bucket="files", MaxKeys=5)
        assert (exact["IsTruncated"], "NextContinuationToken" in exact) == (False, False)

    def test_at_most_a_thousand(self, s3, bucket):
        for nth in range(1200):
            bucket.put(f"m/{nth:04d}", b"", NOW - 10)
        answer = s3.list_objects_v2(Bucket="files", MaxKeys=5000, Prefix="m/")
        assert (len(answer["Contents"]), answer["MaxKeys"], answer["IsTruncated"]) == (1000, 1000, True)
        assert len(self.keys(s3, Prefix="m/")) == 1200

    def test_prefix_and_start(self, s3, bucket):
        assert self.keys(s3, Prefix="b/") == ["b/c/3", "b/d e+f/4"]
        assert self.keys(s3, Prefix="b/d e+") == ["b/d e+f/4"]
        assert self.keys(s3, StartAfter="a/2") == list(KEYS[2:])
        assert self.keys(s3, Prefix="a/", StartAfter="a/1") == ["a/2"]
        assert self.keys(s3, Prefix="nix") == []

    def test_what_keys_have_in_common(self, s3, bucket):
        answer = s3.list_objects_v2(Bucket="files", Delimiter="/")
        assert [one["Prefix"] for one in answer["CommonPrefixes"]] == ["a/", "b/"]
        assert [one["Key"] for one in answer["Contents"]] == ["z"]
        assert answer["KeyCount"] == 3
        answer = s3.list_objects_v2(Bucket="files", Delimiter="/", Prefix="b/")
        assert [one["Prefix"] for one in answer["CommonPrefixes"]] == ["b/c/", "b/d e+f/"]
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket="files", Delimiter="/", PaginationConfig={"PageSize": 1}
        )
        found = [[*page.get("CommonPrefixes", ()), *page.get("Contents", ())] for page in pages]
        assert [[one.get("Prefix") or one["Key"] for one in page] for page in found] == [["a/"], ["b/"], ["z"]]

    def test_a_token_of_another_list_is_refused(self, s3, bucket):
        token = s3.list_objects_v2(Bucket="files", MaxKeys=2)["NextContinuationToken"]
        for asked in ({"Prefix": "a/", "ContinuationToken": token}, {"ContinuationToken": "nonsense"}):
            with pytest.raises(ClientError) as raised:
                s3.list_objects_v2(Bucket="files", **asked)
            assert code(raised) == "InvalidArgument"


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "error", "status"),
        [
            ("deny", "AccessDenied", 403),
            ("throttle", "SlowDown", 503),
            ("http_500", "InternalError", 500),
            ("http_503", "ServiceUnavailable", 503),
            ("expired_token", "ExpiredToken", 403),
        ],
    )
    def test_errors_by_their_names_in_s3(self, s3, bucket, fake, kind, error, status):
        fake.faults.add(kind, service="s3", operation="GetObject")
        with pytest.raises(ClientError) as raised:
            s3.get_object(Bucket="files", Key="z")
        assert code(raised) == error
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert s3.list_objects_v2(Bucket="files")["KeyCount"] == 5

    def test_half_a_body(self, s3, bucket, fake):
        fake.faults.add("truncated", operation="GetObject")
        body = s3.get_object(Bucket="files", Key="z")["Body"]
        with pytest.raises((IncompleteReadError, ResponseStreamingError)):
            body.read()

    def test_actions(self, s3, bucket, fake):
        s3.list_objects_v2(Bucket="files")
        s3.get_object(Bucket="files", Key="z")
        (actions,) = fake.bill.actions.values()
        assert actions == {"s3:ListBucket", "s3:GetObject"}
