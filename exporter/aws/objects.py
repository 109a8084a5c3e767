"""A bucket of S3 as a reader needs it: what is in it, and objects in pieces.

By the credentials of the queue that tells of it, which need be no target's. Nothing here knows what an object is good
for, and none is ever held whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from exporter.aws import Aws, AwsError, read_as
from exporter.aws.errors import classify
from exporter.config import Account
from exporter.config import Queue as Settings
from exporter.model import Target

PIECE = 1 << 16  # bytes
SEPARATOR = "/"


class Bucket:
    """One bucket, in the region of its queue. Raises `AwsError` for what can't be done. Thread-safe."""

    def __init__(self, aws: Aws, settings: Settings, name: str) -> None:
        self.name = name
        self.target = Target(settings.account, settings.region)
        self._aws = aws
        self._account = Account(role_arn=settings.role_arn, external_id=settings.external_id)

    def read(self, key: str) -> Iterator[bytes]:
        """Yield an object in pieces. What breaks off midway raises, and is not resumed."""
        body = self._call("GetObject", Key=key)["Body"]
        try:
            while piece := body.read(PIECE):
                yield piece
        except Exception as error:
            raise classify(error) from error
        finally:
            body.close()  # or the connection would stay taken by what nobody reads to its end

    def listed(self, prefix: str, after: str = "") -> Iterator[str]:
        """Yield the keys with a prefix, in their order: those that come after a text."""
        for page in self._pages(prefix, **({"StartAfter": after} if after else {})):
            yield from (one.Key for one in read_as(_Content, page.get("Contents", [])))

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield what stands between a prefix and the next separator: folders that are in a folder."""
        for page in self._pages(prefix, Delimiter=SEPARATOR):
            for one in read_as(_Common, page.get("CommonPrefixes", [])):
                yield one.Prefix.removeprefix(prefix).removesuffix(SEPARATOR)

    def _pages(self, prefix: str, **params: str) -> Iterator[dict[str, Any]]:
        seen: set[str] = set()
        while True:
            answer = self._call("ListObjectsV2", Prefix=prefix, **params)
            yield answer
            token = answer.get("NextContinuationToken", "")
            if not answer["IsTruncated"]:
                return
            if not token or token in seen:
                raise AwsError("transient", "ListObjectsV2: the pages do not end")
            seen.add(token)
            params["ContinuationToken"] = token

    def _call(self, operation: str, **params: str) -> dict[str, Any]:
        return self._aws.call_by(self._account, self.target, operation, Bucket=self.name, **params)


class _Content(Struct, frozen=True):
    Key: str


class _Common(Struct, frozen=True):
    Prefix: str
