"""EventBridge rules: what SageMaker sends comes into a queue, as far as it arrives at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson

from exporter.demo.events import PERFECT, Road, deliveries, events

__all__ = ["Road", "Rule"]

if TYPE_CHECKING:
    from exporter.demo.sqs import Queue
    from exporter.demo.world import World


@dataclass(slots=True, eq=False)
class Rule:
    """All events of the queue's account and region go to it, from `since` on, by a road."""

    queue: Queue
    since: float
    road: Road = PERFECT
    coming: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)  # sent, not there yet
    numbers: count[int] = field(default_factory=count)

    def flow(self, world: World, now: float) -> None:
        """Put what has arrived by now into the queue."""
        if now <= self.since:
            return
        sent = events(world, self.queue.account, self.queue.region, self.since, now)
        self.since = now
        for at, envelope in deliveries(sent, self.road, world.seed):
            heappush(self.coming, (at, next(self.numbers), envelope))
        while self.coming and self.coming[0][0] <= now:
            at, _, envelope = heappop(self.coming)
            self.queue.send(orjson.dumps(envelope).decode(), at)
