"""S3: buckets with objects that were put there, or that are made when somebody asks for them (a trail's files).

GetObject and ListObjectsV2, path style. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from heapq import merge
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from exporter.demo.call import AwsError
from exporter.demo.resources import arn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.demo.call import Call

MOST_KEYS = 1000  # of a page
_LAST = "\U0010ffff"  # sorts after all that a key can go on with


@dataclass(frozen=True)
class Object:
    """An object since it was put."""

    key: str
    at: float
    body: bytes = field(repr=False)
    encoding: str = ""  # Content-Encoding

    @cached_property
    def facts(self) -> tuple[int, str]:
        """Its size, and its ETag without quotes."""
        return len(self.body), hashlib.md5(self.body).hexdigest()  # noqa: S324 - what an ETag is


class Maker(Protocol):
    """What makes objects when somebody asks for them: the same each time."""

    def keys(self, prefix: str, after: str, now: float) -> Iterator[str]:
        """Yield the keys that are there now, in order: those with a prefix that come after a text."""

    def find(self, key: str, now: float) -> Object | None:
        """Return an object that is there now."""

    def facts(self, key: str, now: float) -> tuple[float, int, str] | None:
        """Return when an object that is there now came, its size and its ETag."""

    def created(self, start: float, end: float) -> list[tuple[float, str]]:
        """Return (time, key) of what comes at `start` <= t < `end`, in that order."""


@dataclass(slots=True, eq=False)
class Bucket:
    """A bucket. `encrypted`: with which key of KMS, and whether that can be used: usable, denied or disabled."""

    name: str
    account: str
    region: str
    readers: set[str] = field(default_factory=set)  # other accounts that may read it
    encrypted: str = ""
    objects: dict[str, Object] = field(default_factory=dict)
    makers: list[Maker] = field(default_factory=list)

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:{arn('s3', self.region, '', '').split(':')[1]}:s3:::{self.name}"

    def put(self, key: str, body: bytes, at: float) -> Object:
        """Put an object, in place of one that had the key."""
        made = self.objects[key] = Object(key, at, body)
        return made

    def find(self, key: str, now: float) -> Object | None:
        """Return an object that is there now."""
        known = self.objects.get(key)
        if known and known.at <= now:
            return known
        return next((found for maker in self.makers if (found := maker.find(key, now))), None)

    def facts(self, key: str, now: float) -> tuple[float, int, str]:
        """Return when an object that is there now came, its size and its ETag. KeyError: it is not."""
        known = self.objects.get(key)
        if known and known.at <= now:
            return known.at, *known.facts
        for maker in self.makers:
            if facts := maker.facts(key, now):
                return facts
        raise KeyError(key)

    def keys(self, prefix: str, after: str, now: float) -> Iterator[str]:
        """Yield the keys that are there now, in order: those with a prefix that come after a text."""
        own = (key for key, one in self.objects.items() if key.startswith(prefix) and key > after and one.at <= now)
        return merge(sorted(own), *(maker.keys(prefix, after, now) for maker in self.makers))

    def created(self, start: float, end: float) -> list[tuple[float, str]]:
        """Return (time, key) of what comes at `start` <= t < `end`, in that order."""
        own = [(one.at, key) for key, one in self.objects.items() if start <= one.at < end]
        return sorted(own + [one for maker in self.makers for one in maker.created(start, end)])


def get_object(call: Call) -> dict[str, Any]:
    """Answer GetObject."""
    bucket = _bucket(call)
    found = bucket.find(call.parameters["Key"], call.now)
    if found is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
    if bucket.encrypted == "denied":
        key = arn("kms", bucket.region, bucket.account, "key/0a1b2c3d-0000-4000-8000-000000000001")
        text = f"User: {call.principal.arn} is not authorized to perform: kms:Decrypt on resource: {key} because no "
        raise AwsError("AccessDeniedException", text + "identity-based policy allows the kms:Decrypt action", 403)
    if bucket.encrypted == "disabled":
        key = arn("kms", bucket.region, bucket.account, "key/0a1b2c3d-0000-4000-8000-000000000001")
        raise AwsError("KMS.DisabledException", f"{key} is disabled.")
    size, etag = found.facts
    return {"Body": found.body, "LastModified": found.at, "ETag": etag, "Size": size, "Encoding": found.encoding}


def list_objects(call: Call) -> dict[str, Any]:
    """Answer ListObjectsV2: in the order of keys; those that go on alike up to a delimiter count as one."""
    bucket, given = _bucket(call), call.parameters
    prefix, delimiter = given.get("prefix", ""), given.get("delimiter", "")
    most = min(int(given.get("max-keys", MOST_KEYS)), MOST_KEYS)
    wrong = AwsError("InvalidArgument", "The continuation token provided is incorrect")
    place = call.resumed(wrong, "continuation-token")
    after = given.get("start-after", "") if place is None else place
    contents: list[dict[str, Any]] = []
    prefixes: list[dict[str, str]] = []
    more = False
    for key, whole in _listed(bucket, prefix, delimiter, after, call.now):
        if len(contents) + len(prefixes) >= most:
            more = most > 0
            break
        if whole:
            at, size, etag = bucket.facts(key, call.now)
            written = {"Key": _spelt(call, key), "LastModified": iso_ms(at), "ETag": f'"{etag}"', "Size": size}
            contents.append({**written, "StorageClass": "STANDARD"})
            after = key
        else:
            prefixes.append({"Prefix": _spelt(call, key)})
            after = key + _LAST
    answer: dict[str, Any] = {
        "Name": bucket.name,
        "Prefix": _spelt(call, prefix),
        "MaxKeys": most,
        "KeyCount": len(contents) + len(prefixes),
        "IsTruncated": "true" if more else "false",
    }
    if more:
        answer["NextContinuationToken"] = call.token(after)
    for name, member in (("delimiter", "Delimiter"), ("start-after", "StartAfter")):
        if name in given:
            answer[member] = _spelt(call, given[name])
    for name, member in (("continuation-token", "ContinuationToken"), ("encoding-type", "EncodingType")):
        if name in given:
            answer[member] = given[name]
    return answer | {"Contents": contents, "CommonPrefixes": prefixes}


def _listed(bucket: Bucket, prefix: str, delimiter: str, after: str, now: float) -> Iterator[tuple[str, bool]]:
    """Yield (key, True), and once (what keys have in common up to the delimiter, False)."""
    while True:
        for key in bucket.keys(prefix, after, now):
            place = key.find(delimiter, len(prefix)) if delimiter else -1
            if place < 0:
                yield key, True
                continue
            common = key[: place + len(delimiter)]
            yield common, False
            after = common + _LAST  # a year of files is not walked through for its name
            break
        else:
            return


def _spelt(call: Call, key: str) -> str:
    return quote(key) if call.parameters.get("encoding-type") == "url" else key


def _bucket(call: Call) -> Bucket:
    bucket = call.world.buckets.get(call.parameters["Bucket"])
    if bucket is None:
        raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
    if call.principal.account not in {bucket.account, *bucket.readers}:
        raise AwsError("AccessDeniedException", "Access Denied", 403)
    if call.region != bucket.region:
        text = f"The authorization header is malformed; the region '{call.region}' is wrong; expecting "
        raise AwsError("AuthorizationHeaderMalformed", f"{text}'{bucket.region}'")
    return bucket


def iso_ms(at: float) -> str:
    """Return a time as S3 writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {"GetObject": get_object, "ListObjectsV2": list_objects}
