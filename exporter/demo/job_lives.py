"""A lively world of jobs, made from a seed: they start, run, fail for many reasons, are stopped, end.

Tuning jobs have their training jobs, pipelines their executions, steps and the jobs of these, schedules an execution
each hour, flow definitions their loops. Texts of failures are written after the patterns that AWS documents
(DescribeTrainingJob's FailureReason, and the troubleshooting pages of the developer guide).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.demo.jobs import JOB_TYPES, KINDS, Life, Step, Work, life
from exporter.demo.traffic import number_of

if TYPE_CHECKING:
    from exporter.demo.world import World

HOUR, DAY = 3600, 86_400

NEVER_BEGAN = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different instance type.",
    "ClientError: Cannot pull the image 123456789012.dkr.ecr.us-east-1.amazonaws.com/churn:v9: manifest unknown",
    "ClientError: The role arn:aws:iam::123456789012:role/sagemaker-jobs cannot be assumed by sagemaker.amazonaws.com",
    "ResourceLimitExceeded: The account-level service limit 'ml.p3.2xlarge for training job usage' is 2 Instances",
)
"""Of jobs that fail while they wait."""

BROKE = (
    'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: Input contains NaN"',
    'AlgorithmError: ExecuteUserScriptError:\nExitCode 137\nErrorMessage "Killed: out of memory"',
    "AlgorithmError: Exception during training: CUDA out of memory. Tried to allocate 2.00 GiB, exit code: 1",
    "ClientError: Data download failed:S3 key: s3://demo/data/2027 has an illegal char sub-sequence '//' in it",
    "ClientError: Data download failed:NoSuchKey (404): The referenced location(s) must exist",
    "ClientError: Access denied when calling s3:GetObject on s3://demo/data (403): AccessDenied",
    "ClientError: Artifact upload failed:Insufficient disk space: No space left on device",
    "ClientError: Please use an instance type with more memory, or reduce the size of training data processed on it",
    "InternalServerError: We encountered an internal error. Please try again.",
    "InternalServerError: The instance did not pass the health check after 3 attempts.",
)
"""Of jobs that fail while they run."""

LOOP_FAILURES = (
    "The human loop expired before a worker had finished it",
    "The input content could not be rendered in the worker task template",
)

SUBJECTS = ("churn", "fraud", "search", "price", "voice", "route")
WORKS = (
    Work(),
    Work("ml.c5.4xlarge", 2),
    Work("ml.g5.12xlarge", 1, 200),
    Work("ml.p3.2xlarge", 1, 100, spot=True, billed=0.3),
)
MIX: Mapping[str, float] = {
    "training": 40,
    "processing": 30,
    "transform": 15,
    "hyperparameter_tuning": 2,
    "pipeline_execution": 5,
    "human_loop": 8,
} | dict.fromkeys(
    (
        "automl",
        "compilation",
        "optimization",
        "edge_packaging",
        "labeling",
        "inference_recommendations",
        "inference_experiment",
        "model_card_export",
        "ai_benchmark",
        "ai_recommendation",
        *(kind.name for kind in JOB_TYPES.values() if kind.category),
    ),
    1,
)
"""How many of each type there are, one beside the other; monitoring executions come by the hour instead."""

PIPELINES, SCHEDULES = ("train-and-register", "nightly-scores"), ("quality-hourly", "bias-hourly")
FLOWS, CARDS = ("review-forms",), ("credit-model",)
_STEPS = (("Prepare", "processing"), ("Train", "training"), ("Evaluate", "processing"), ("Score", "transform"))


def some_life(luck: random.Random, kind: str, lasts: float) -> Life:
    """Return a life of about so many seconds, with the end that chance gives it."""
    of, dice, waits = KINDS[kind], luck.random(), min(luck.uniform(40, 300), lasts / 2)
    if dice < 0.02 and of.failed:
        return life(kind, of.failed, waits, waits, text=luck.choice(NEVER_BEGAN))
    if dice < 0.12 and of.failed:
        texts = LOOP_FAILURES if kind == "human_loop" else BROKE
        return life(kind, of.failed, waits + (lasts - waits) * luck.uniform(0.1, 1), waits, text=luck.choice(texts))
    if dice < 0.17 and of.stopped:
        if kind != "training":
            return life(kind, of.stopped, lasts, waits)
        phase = luck.choice(("Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"))
        whole = life(kind, of.stopped, lasts, waits, phase)
        return _interrupted(whole) if phase == "MaxWaitTimeExceeded" else whole
    ends = of.done[-1] if luck.random() < 0.1 else of.done[0]
    return life(kind, ends, lasts, waits)


def _interrupted(whole: Life) -> Life:
    """Return the life of a job that lost its spot instances, and got none again."""
    trains = next(step.after for step in whole if step.phase == "Training")
    stops = next(step for step in whole if step.status == "Stopping")
    lost = Step(trains + (stops.after - trains) / 2, "InProgress", "Interrupted", "Spot capacity was reclaimed")
    return tuple(sorted((*whole, lost), key=lambda step: step.after))


@dataclass(frozen=True, slots=True)
class Crowd:
    """Adds the jobs of an account in a region, by chance."""

    world: World
    account: str
    region: str
    luck: random.Random

    def add(self, kind: str, name: str, at: float, lives: Life, parent: str = "", work: Work = WORKS[0]) -> None:
        """Add one job."""
        self.world.add_job(self.account, self.region, kind, name, at, lives=lives, parent=parent, work=work)

    def settle(self, at: float) -> None:
        """Add what jobs belong to."""
        for kind, names in (("pipeline", PIPELINES), ("flow_definition", FLOWS), ("model_card", CARDS)):
            for name in names:
                self.add(kind, name, at, life(kind, waits=60))
        for name, monitors in zip(SCHEDULES, ("DataQuality", "ModelBias"), strict=True):
            work = Work(subject="fraud-score", monitors=monitors)
            self.add("monitoring_schedule", name, at, life("monitoring_schedule", waits=60), work=work)

    def start(self, kind: str, at: float) -> None:
        """Add a job, and what it brings along."""
        prefix = f"{kind.partition('_')[0][:8]}-{self.luck.choice(SUBJECTS)}"
        name = f"{prefix}-{int(at)}-{self.luck.getrandbits(20):05x}"  # of tuning jobs AWS takes 32 characters
        lasts = min(max(self.luck.lognormvariate(7.3, 0.9), 120), 6 * HOUR)  # 25 minutes in the middle
        if kind == "hyperparameter_tuning":
            self._tune(name, at)
        elif kind == "pipeline_execution":
            self._run_pipeline(f"{number_of(name):012x}"[:12], at)
        else:
            parents = {"human_loop": "flow-definition/review-forms", "model_card_export": "model-card/credit-model"}
            self.add(kind, name, at, some_life(self.luck, kind, lasts), parents.get(kind, ""), self.luck.choice(WORKS))

    def _tune(self, name: str, at: float) -> None:
        end, parent = at, f"hyper-parameter-tuning-job/{name}"
        for nth in range(self.luck.randrange(3, 9)):
            child = f"{name}-{nth + 1:03d}-{self.luck.getrandbits(32):08x}"
            begins = at + 30 + 400 * (nth // 2)
            lives = some_life(self.luck, "training", self.luck.uniform(300, 900))
            self.add("training", child, begins, lives, parent, WORKS[3])
            end = max(end, begins + lives[-1].after)
        self.add("hyperparameter_tuning", name, at, life("hyperparameter_tuning", "Completed", end - at + 20))

    def _run_pipeline(self, name: str, at: float) -> None:
        pipeline = f"pipeline/{self.luck.choice(PIPELINES)}"
        begins, ends, text = at + 5, "Succeeded", ""
        resource = f"{pipeline}/execution/{name}"
        for step, kind in _STEPS:
            lives = some_life(self.luck, kind, self.luck.uniform(200, 1200))
            job = f"pipelines-{name}-{step}-{self.luck.getrandbits(40):010x}"
            self.add(kind, job, begins + 4, lives, work=self.luck.choice(WORKS))
            last = lives[-1]
            outcome = {"Completed": "Succeeded"}.get(last.status, last.status)
            work = Work(step_type=kind.capitalize(), produces=f"{KINDS[kind].path}/{job}")
            walk = life("pipeline_step", outcome, last.after + 8, 3, text=last.text)
            self.add("pipeline_step", step, begins, walk, resource, work)
            begins += last.after + 10
            if outcome != "Succeeded":
                ends, text = outcome, "Step failure: One or multiple steps failed."
                break
        walk = life("pipeline_execution", ends, begins - at + 1, 2, text=text)
        self.add("pipeline_execution", name, at, walk, pipeline)

    def monitor(self, hour: float) -> None:
        """Add the executions of an hour."""
        for schedule in SCHEDULES:
            at = hour + self.luck.uniform(60, 600)
            name = f"model-monitoring-{int(hour)}-{self.luck.getrandbits(40):010x}"
            work = Work(subject="fraud-score", monitors="DataQuality" if schedule == SCHEDULES[0] else "ModelBias")
            lives = some_life(self.luck, "monitoring_execution", self.luck.uniform(300, 700))
            parent = f"monitoring-schedule/{schedule}"
            self.add("monitoring_execution", name, at, lives, parent, work)
            same = tuple(
                step._replace(
                    status={"Pending": "InProgress", "CompletedWithViolations": "Completed"}.get(
                        step.status, step.status
                    )
                )
                for step in lives
            )
            self.add("processing", name, at, same, parent, work)


def add_jobs(
    world: World,
    account: str,
    region: str,
    begin: float,
    end: float,
    per_day: float = 140,
    *,
    seed: int = 0,
    mix: Mapping[str, float] = MIX,
) -> None:
    """Let so many jobs a day be created from `begin` on and before `end`, besides those that they bring along.

    The same seed (and world, account, region) gives the same jobs. ValueError: it has been done before.
    """
    luck = random.Random(number_of(world.seed, account, region, "jobs", seed))  # noqa: S311 - no secret
    crowd = Crowd(world, account, region, luck)
    crowd.settle(begin - DAY)
    for hour in range(int(begin // HOUR * HOUR + HOUR), int(end), HOUR):
        crowd.monitor(hour)
    at = begin + luck.expovariate(per_day / DAY)
    while at < end:
        (kind,) = luck.choices(list(mix), list(mix.values()))
        crowd.start(kind, at)
        at += luck.expovariate(per_day / DAY)
