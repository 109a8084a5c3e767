"""The log groups of the demo: what containers of endpoints and hosts of jobs write, some of it about trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.demo.logs import INFREQUENT, STANDARD, Chatter, of_jobs, spread
from exporter.demo.resources import arn
from exporter.demo.traffic import chance, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.demo.world import World

DAY = 86_400
PREFIX = "/aws/sagemaker"

_SERVING = (
    ('2026-01-01T00:00:00 [INFO ] ACCESS_LOG - /169.254.178.2:39848 "GET /ping HTTP/1.1" 200 1', 60.0),
    ('2026-01-01T00:00:00 [INFO ] ACCESS_LOG - /169.254.178.2:39848 "POST /invocations HTTP/1.1" 200 14', 30.0),
    ("model - INFO - preprocessing done", 8.0),
)
_IN_TROUBLE = (
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", 1.0),
    ("Traceback (most recent call last):", 1.0),
    ('2026-01-01T00:00:00 [INFO ] ACCESS_LOG - /169.254.178.2:39848 "GET /ping HTTP/1.1" 503 0', 1.0),
)
_LOADING = (("2026-01-01T00:00:00 [ERROR] Load model failed: model, error: Worker died.", 1.0),)
_TRAINING = (
    ("epoch=3 step=1200 loss=0.231 lr=1.0e-04", 50.0),
    ("Invoking script with the following command: python train.py", 1.0),
    ("Traceback (most recent call last):", 0.4),
    ("NCCL WARN NET/OFI Request completed with error", 0.4),
    ("torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp, unhandled system error", 0.3),
    ("RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB", 0.3),
)
_WORKING = (("rows=120000 written=118230", 40.0), ("Traceback (most recent call last):", 0.3))


def add_logs(world: World, account: str, region: str, now: int, until: int, endpoints: Sequence[str]) -> list[str]:
    """Add the log groups of a region, with those of these endpoints, the first one in trouble; return all names.

    Jobs that log are those that are there already.
    """
    jobs = world.region(account, region).jobs
    key = arn("kms", region, account, "key/0a1b2c3d-demo")
    for nth, name in enumerate(endpoints):
        number = number_of(world.seed, account, region, name, "log")
        streams = [f"AllTraffic/i-{number_of(number, n) & 0xFFFFFFFFFFFF:017x}" for n in range(2)]
        created = now - DAY * (1 + nth * 7 % 40)
        rate = 20 if nth else 2
        writers = [Chatter(number, created, until, rate, _SERVING, spread(streams), 0.02)]
        if nth == 0:
            writers.append(Chatter(number + 1, created, until, 45, _IN_TROUBLE, spread(streams), 0.05))
        elif nth % 9 == 4:
            writers.append(Chatter(number + 1, created, until, 700, _IN_TROUBLE, spread(streams)))
        elif nth % 9 == 7:
            writers.append(Chatter(number + 1, created, until, 1100, _LOADING, spread(streams)))
        world.add_log_group(
            account,
            region,
            f"{PREFIX}/Endpoints/{name}",
            created,
            *writers,
            retention=(None, 30, 14, 90)[nth % 4],
            log_class=INFREQUENT if nth % 25 == 24 else STANDARD,
            key=key if nth % 5 == 2 else None,
            metric_filters=int(nth % 6 == 1),
            filters=("archive",) if nth % 3 == 0 else (),
        )
    of_kinds = (
        ("training", "TrainingJobs", "algo-1-{}", 6.0, _TRAINING, 90),
        ("processing", "ProcessingJobs", "algo-1-{}", 15.0, _WORKING, None),
        ("transform", "TransformJobs", "i-0a1b2c3d4e5f60001-{}", 15.0, _WORKING, None),
    )
    for kind, group, host, step, lines, retention in of_kinds:
        number = number_of(world.seed, account, region, group)
        running = [
            (begin, end, f"{job.name}/{host.format(int(begin))}")
            for job in jobs.listing(kind)
            if (begin := job.started()) is not None and (end := job.ended()) is not None
        ]
        writer = Chatter(number, now - DAY, until, step, lines, of_jobs(running), 0.05)
        filters = ("archive",) if kind == "training" else ()
        world.add_log_group(
            account, region, f"{PREFIX}/{group}", now - 90 * DAY, writer, retention=retention, filters=filters
        )
    for nth, (group, names) in enumerate(_others()):
        number = number_of(world.seed, account, region, group)
        writer = Chatter(number, now - DAY, until, 60.0, (("ok", 1.0),), spread(names))
        retention = (None, 365)[chance(number, nth) < 0.5]
        world.add_log_group(account, region, f"{PREFIX}/{group}", now - 60 * DAY, writer, retention=retention)
    world.add_log_group(account, region, "/aws/lambda/orders", now - 60 * DAY)  # nobody here wants to hear of it
    return [name for name in world.region(account, region).log_groups if name.startswith(PREFIX)]


def _others() -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "NotebookInstances", ("lab-1/jupyter.log", "lab-1/LifecycleConfigOnStart")
    yield "studio", ("d-1/anna/KernelGateway/default", "d-1/ben/JupyterLab/default")
    yield "groundtruth/WorkerActivity", ("aws/sagemaker/groundtruth/worker-activity/1/1",)
    yield "InferenceRecommendationsJobs", ("recommend-fraud-score/execution",)
    yield "Clusters/hyperpod-eks/1a2b3c4d5e6f", ("SagemakerHealthMonitoringAgent/workers/i-0a1b2c3d4e5f60001",)
