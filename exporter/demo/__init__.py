"""A fake AWS: the demo's make-believe account, and the double that tests talk to through the ordinary SDK.

    world (series, resources, jobs, things, calls, logs) -> fake (who calls, faults, bill) -> server (a loopback port)
                 `-> rules, notices (what comes into queues), trail (what comes into buckets)

It behaves like AWS as far as is known, not like our client; knows the truth that a client should arrive at; and has a
clock that can be set. It imports nothing of ours. Any account works: its access key is `AKIADEMO` and the account
number, with any secret (see `sts`). What AWS does not do is under `/_fake/` (see `control`).
"""

from exporter.demo.default_world import QUEUE, TRAIL_BUCKET, TRAIL_QUEUE, default_world
from exporter.demo.fake import FakeAws
from exporter.demo.series import Lateness
from exporter.demo.server import Server, serve
from exporter.demo.sts import access_key
from exporter.demo.world import World

__all__ = [
    "QUEUE",
    "TRAIL_BUCKET",
    "TRAIL_QUEUE",
    "FakeAws",
    "Lateness",
    "Server",
    "World",
    "access_key",
    "default_world",
    "serve",
]
