"""EventBridge rules: what SageMaker and CloudTrail send comes into a queue, as far as it arrives at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

import orjson

from exporter.demo.calls import MANAGEMENT, record
from exporter.demo.events import PERFECT, Event, Road, deliveries, event_id, events, iso

__all__ = ["Road", "Rule"]

if TYPE_CHECKING:
    from exporter.demo.calls import ApiCall
    from exporter.demo.sqs import Queue
    from exporter.demo.world import Region, World

LARGEST = 256 * 1024  # bytes; larger events are not delivered

_DETAIL_TYPES = {
    "AwsApiCall": "AWS API Call via CloudTrail",
    "AwsConsoleAction": "AWS Console Action via CloudTrail",
    "AwsConsoleSignIn": "AWS Console Sign In via CloudTrail",
    "AwsServiceEvent": "AWS Service Event via CloudTrail",
    "AwsVpceEvents": "AWS Network Activity Event via CloudTrail",
}


@dataclass(slots=True, eq=False)
class Rule:
    """Events of the queue's account and region go to it, from `since` on, by a road: see World.route."""

    queue: Queue
    since: float
    road: Road = PERFECT
    changes: bool = True
    calls: Literal["none", "write", "all"] = "none"
    coming: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)  # sent, not there yet
    numbers: count[int] = field(default_factory=count)

    def flow(self, world: World, now: float) -> None:
        """Put what has arrived by now into the queue."""
        if now <= self.since:
            return
        place = world.region(self.queue.account, self.queue.region)
        sent = events(world, place.account, place.name, self.since, now) if self.changes else []
        if self.calls != "none":
            sent += self._told(world.seed, place, now)
        self.since = now
        for at, envelope in deliveries(sent, self.road, world.seed):
            heappush(self.coming, (at, next(self.numbers), envelope))
        while self.coming and self.coming[0][0] <= now:
            at, _, envelope = heappop(self.coming)
            self.queue.send(orjson.dumps(envelope).decode(), at)

    def _told(self, seed: int, place: Region, now: float) -> list[Event]:
        """Return what CloudTrail has sent since the last time: a record each."""
        sent = []
        for at, call in place.calls.arriving("bus", self.since, now):
            if self._wanted(place, call):
                envelope = _envelope(seed, place, at, call)
                if len(orjson.dumps(envelope)) <= LARGEST:
                    sent.append(Event(at, envelope))
        return sent

    def _wanted(self, place: Region, call: ApiCall) -> bool:
        if call.category != MANAGEMENT:
            return call.category in place.logged
        return self.calls == "all" or not call.read_only


def _envelope(seed: int, place: Region, at: float, call: ApiCall) -> dict[str, Any]:
    return {
        "version": "0",
        "id": event_id(seed, place.account, place.name, at, call.event_id),
        "detail-type": _DETAIL_TYPES[call.more.get("eventType", "AwsApiCall")],
        "source": f"aws.{call.source.partition('.')[0]}",
        "account": place.account,
        "time": iso(call.at),
        "region": place.name,
        "resources": [],
        "detail": record(call, place.account, place.name),
    }
