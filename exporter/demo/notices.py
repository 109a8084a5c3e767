"""How a queue hears of new objects in a bucket: each form in which AWS tells of them.

"s3": S3 itself, into the queue. "s3_sns": the same, through a topic of SNS. "cloudtrail_sns": CloudTrail tells a topic
of its log files. "eventbridge": "Object Created". Topics wrap what they pass on; with raw delivery it is the first
form.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote_plus

import orjson

from exporter.demo.events import iso
from exporter.demo.resources import arn
from exporter.demo.s3 import iso_ms
from exporter.demo.traffic import chance, number_of

if TYPE_CHECKING:
    from exporter.demo.s3 import Bucket
    from exporter.demo.sqs import Queue
    from exporter.demo.world import World

Form = Literal["s3", "s3_sns", "cloudtrail_sns", "eventbridge"]


@dataclass(slots=True, eq=False)
class Notices:
    """The objects of a bucket are told to a queue, from `since` on. `lost`, `repeated`: shares between 0 and 1."""

    queue: Queue
    bucket: Bucket
    form: Form
    since: float
    prefix: str = ""
    lost: float = 0.0
    repeated: float = 0.0
    tested: bool = False

    def flow(self, world: World, now: float) -> None:
        """Put what has been told by now into the queue; first of all, that it will be."""
        if not self.tested:
            self.tested = True
            self._test()
        if now <= self.since:
            return
        for at, key in self.bucket.created(self.since, now):
            if not key.startswith(self.prefix) or (self.form == "cloudtrail_sns" and "/CloudTrail/" not in key):
                continue
            luck = number_of(world.seed, self.queue.arn, self.bucket.name, key)
            if chance(luck, 1) >= self.lost:
                self._send(self._told(at, key, luck), at)
            if chance(luck, 2) < self.repeated:
                self._send(self._told(at, key, luck), at)
        self.since = now

    def _send(self, told: dict[str, Any], at: float) -> None:
        self.queue.send(orjson.dumps(told).decode(), at)

    def _test(self) -> None:
        at = self.since
        if self.form == "cloudtrail_sns":
            self._send(self._wrapped("CloudTrail validation message.", at, 0), at)
        elif self.form != "eventbridge":
            told = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": iso_ms(at), "Bucket": self.bucket.name}
            told |= {"RequestId": "5582815E1AEA5ADF", "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR"}
            self._send(told if self.form == "s3" else self._wrapped(orjson.dumps(told).decode(), at, 0), at)

    def _told(self, at: float, key: str, luck: int) -> dict[str, Any]:
        if self.form == "eventbridge":
            return self._created(at, key, luck)
        if self.form == "cloudtrail_sns":
            told = {"s3Bucket": self.bucket.name, "s3ObjectKey": [key]}
        else:
            told = self._put(at, key, luck)
        return told if self.form == "s3" else self._wrapped(orjson.dumps(told).decode(), at, luck)

    def _put(self, at: float, key: str, luck: int) -> dict[str, Any]:
        bucket, (_, size, etag) = self.bucket, self.bucket.facts(key, at)
        written = {
            "s3SchemaVersion": "1.0",
            "configurationId": "trail",
            "bucket": {"name": bucket.name, "ownerIdentity": {"principalId": "A3NL1KOZZKExample"}, "arn": bucket.arn},
            "object": {"key": quote_plus(key, "/"), "size": size, "eTag": etag, "sequencer": f"{luck:018X}"},
        }
        told = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": bucket.region,
            "eventTime": iso_ms(at),
            "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "AWS:AROADEMO:regionalDeliverySession"},
            "requestParameters": {"sourceIPAddress": "cloudtrail.amazonaws.com"},
            "responseElements": {"x-amz-request-id": f"{luck:016X}", "x-amz-id-2": f"{luck:032x}"},
            "s3": written,
        }
        return {"Records": [told]}

    def _created(self, at: float, key: str, luck: int) -> dict[str, Any]:
        bucket, (_, size, etag) = self.bucket, self.bucket.facts(key, at)
        detail = {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": {"key": key, "size": size, "etag": etag, "sequencer": f"{luck:018X}"},
            "request-id": f"{luck:016X}",
            "requester": "cloudtrail.amazonaws.com",
            "source-ip-address": "192.0.2.3",
            "reason": "PutObject",
        }
        return {
            "version": "0",
            "id": _uuid(luck),
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": bucket.account,
            "time": iso(at),
            "region": bucket.region,
            "resources": [bucket.arn],
            "detail": detail,
        }

    def _wrapped(self, message: str, at: float, luck: int) -> dict[str, Any]:
        host = f"https://sns.{self.bucket.region}.amazonaws.com/"
        told = {
            "Type": "Notification",
            "MessageId": _uuid(luck + 1),
            "TopicArn": arn("sns", self.bucket.region, self.bucket.account, "trail"),
            "Message": message,
            "Timestamp": iso_ms(at),
            "SignatureVersion": "1",
            "Signature": "EXAMPLEw6JRN",
            "SigningCertURL": f"{host}SimpleNotificationService-0000.pem",
            "UnsubscribeURL": f"{host}?Action=Unsubscribe",
        }
        return told | ({"Subject": "Amazon S3 Notification"} if self.form == "s3_sns" else {})


def _uuid(luck: int) -> str:
    return f"{luck:016x}"[:8] + f"-0000-4000-8000-{luck & 0xFFFFFFFFFFFF:012x}"
