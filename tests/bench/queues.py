"""What it takes to read a queue of SageMaker's events to its end: receive, open, hear, count in SQLite, delete.

    python tests/bench/compare.py --only queues

The queue is the fake's, in a process of its own on the same cores. Each message tells of the end of a training job, and
half of them of ends that others have told already. The second line is of a queue as far away as AWS is: each of its
answers takes 15 ms.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from budgets import Budget
from listening import ACCOUNT, HERE, REGION, URL, House, event
from processes import Child, flags, obey
from worlds import wait_for

from exporter.admission import Admission
from exporter.config import parse
from exporter.demo import FakeAws, World, access_key, serve
from exporter.inventory import Inventory, Pacing
from exporter.jobs.counts import CHANGES
from exporter.ledger.sqlite import SqliteStore
from exporter.model import Reading
from exporter.sources.job_events import JobEvents

MESSAGES = 10_000
FAR = 0.015  # seconds
LEAST = 500  # messages a second, end to end on two cores


def measure() -> Iterator[Budget]:
    """Read queues to their ends; yield the lines about it."""
    for away in (0.0, FAR):
        with Child(Path(__file__).name, "queue", *flags({"messages": MESSAGES, "away": away})) as queue:
            environment = {
                "AWS_ENDPOINT_URL": queue.start.answer["url"],
                "AWS_ACCESS_KEY_ID": access_key(ACCOUNT),
                "AWS_SECRET_ACCESS_KEY": "any",
            }
            with Child(Path(__file__).name, "reader", environment=environment) as reader:
                busy = queue.cpu()
                took = reader.do("read", MESSAGES)
                busy, left = queue.cpu() - busy, queue.do("left").answer["messages"]
        if took.answer["counted"] != MESSAGES / 2 or left:
            raise RuntimeError(f"events were not counted once: {took.answer}, {left} messages are left")
        rate = MESSAGES / took.answer["seconds"]
        print(
            f"{MESSAGES:,} messages, answers after {1000 * away:.0f} ms: {rate:,.0f} a second; of CPU "
            f"{1e6 * took.cpu / MESSAGES:.0f} us each, and {1e6 * busy / MESSAGES:.0f} of the queue's",
            flush=True,
        )
        where, found = f"messages of a queue, {1000 * away:.0f} ms away", f"{rate:,.0f}"
        if away:
            yield Budget(where, "(stated)", found, holds=True)
        else:
            yield Budget(where, f"at least {LEAST} a second", found, rate >= LEAST)


def _queue(messages, away):
    """Be the queue."""
    fake = FakeAws(World(), time.time)
    queue = fake.world.add_queue(ACCOUNT, REGION, "events")
    began = fake.now()
    for n in range(messages):
        queue.send(_ended(n % (messages // 2), began), fake.now())
    if away:
        fake.faults.add("slow", seconds=away)
    with serve(fake) as server:
        obey({"left": lambda: {"messages": len(queue.messages)}}, url=server.url)


def _ended(number, now):
    """Return the body of the message that a job has ended."""
    name, at = f"churn-{number:05d}", int(1000 * now)
    detail = {
        "TrainingJobName": name,
        "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}",
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "CreationTime": at,
        "TrainingStartTime": at + 10_000,
        "TrainingEndTime": at + 60_000,
        "LastModifiedTime": at + 60_000,
        "HyperParameters": {"epochs": "3", "batch_size": "256"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
    }
    told = event(f"id-{number}", source="aws.sagemaker")
    return json.dumps({**json.loads(told), "detail-type": "SageMaker Training Job State Change", "detail": detail})


def _reader():
    """Be the reader."""
    with tempfile.TemporaryDirectory() as folder:
        house = House(SqliteStore(Path(folder) / "ledger.db"))
        text = f"queues: {{events: {{url: '{URL}'}}}}\nsources: {{job_events: {{enabled: true}}}}"
        source = JobEvents(house.aws, Inventory(house.aws, {}, Pacing(), Admission(1)), parse(text))
        house.ledger.apply(Reading(source.name, HERE, 0.0, notes={"begun": 0.0}))
        house.road.listen([source])

        def read(messages):
            began = time.perf_counter()
            house.road.start()
            for part in range(1, 11):  # each within half a minute
                wait_for(lambda part=part: house.became("deleted") >= part * int(messages) / 10)
            return {"seconds": time.perf_counter() - began, "counted": _ends(house)}

        obey({"read": read})
        house.close()
    sys.stdout.flush()
    os._exit(0)  # a poll that waits is waited for by nobody


def _ends(house):
    """Return how many jobs have ended, as far as is counted."""
    totals = house.ledger._books.totals.items()
    return sum(total.parts[""] for key, total in totals if key.face[0] == CHANGES and key.labels[3] == "Completed")


if __name__ == "__main__":
    if sys.argv[1] == "queue":
        given = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
        _queue(int(given["--messages"]), float(given.get("--away", 0)))
    else:
        _reader()
