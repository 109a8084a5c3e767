"""The world of the demo, made from a seed.

Endpoints of every kind under day and night traffic, one of them in the middle of a bad deployment, jobs that come and
go, notebooks and clusters and all other things (`default_things`), their logs (`default_logs`), alarms, and a little of
everything else that SageMaker publishes. The names are AWS's (`names`), the numbers made up
(`measures`).
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import orjson

from exporter.demo.default_alarms import add_alarms
from exporter.demo.default_logs import add_logs
from exporter.demo.default_things import add_things
from exporter.demo.job_lives import MIX, add_jobs, some_life
from exporter.demo.jobs import Work
from exporter.demo.measures import Thing, behaviour
from exporter.demo.names import NAMES, Row
from exporter.demo.quotas import code_of
from exporter.demo.resources import Component, EndpointConfig, EndpointState, Role, ScalableTarget, Serverless, Variant
from exporter.demo.resources import arn as arn_of
from exporter.demo.rules import Road
from exporter.demo.series import Lateness, Schedule
from exporter.demo.traffic import Surge, chance, number_of
from exporter.demo.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exporter.demo.world import Region

HOUR, DAY = 3600, 86400
DAYS_AHEAD = 3
"""For how long jobs and bad deployments go on after the beginning."""

TRIED_OUT = "try-out"
"""The endpoint that is there for a minute only, just after the beginning."""

QUEUE = "sagemaker-events"
"""Into which SageMaker's events come."""

TRAIL_BUCKET, TRAIL_QUEUE = "demo-trail", "trail"
"""Into which CloudTrail writes its files, and the queue, of the first account and region, that hears of them."""

IN_TIME = Lateness(late_by=(120, 180))
"""Late enough to be looked for again, and never so late that a gauge leaves: a page shows all, whenever it is read."""

BEST_EFFORT = Road(lost=0.05, repeated=0.05, redelivered=0.05, late=0.05, latest=600.0)

SAMPLE_WORDS = {"{feature}": "age", "{X}": "DPL", "{metric name of the algorithm}": "validation:auc"}
"""What stands for the parts of metric names that users choose."""

STREAMED = frozenset({"FirstChunkLatency", "FirstChunkModelLatency", "FirstChunkOverheadLatency", "MidStreamErrors"})
SYNCHRONOUS = STREAMED | {"Invocations", "InvocationsPerInstance", "OverheadLatency", "ConcurrentRequestsPerModel"}
ON_GPU = frozenset({"GPUMemoryUtilization", "GPUUtilization"})
ON_INSTANCES = ON_GPU | {"CPUUtilization", "DiskUtilization", "MemoryUtilization"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of endpoint: how it is configured, what it publishes, and what it does not."""

    config: EndpointConfig
    publishes: tuple[str, ...] = ()  # besides what every variant does
    silent: frozenset[str] = STREAMED | ON_GPU
    per_minute: float = 60.0
    cores: int = 4
    accelerators: int = 0
    dimensions: tuple[tuple[str, tuple[str, ...]], ...] = ()  # of its breakdowns, with their values
    components: tuple[str, ...] = ()
    scaled: str | None = None  # the dimension that Application Auto Scaling moves
    troubled: bool = False  # gets a bad model every few hours


def _config(*variants: Variant, **settings: Any) -> EndpointConfig:
    return EndpointConfig("", 0.0, variants or (Variant(instances=2),), **settings)


_GPU = Variant(instance_type="ml.g5.12xlarge", instances=2, routing="LEAST_OUTSTANDING_REQUESTS")
_ON_GPU = Kind(_config(_GPU), silent=STREAMED, cores=48, accelerators=4)
_INSTANCES = ("i-0a1b2c3d4e5f60001", "i-0a1b2c3d4e5f60002")
_POOLS = ("ml.m5.xlarge", "ml.c5.xlarge")

PLAIN = Kind(_config(), scaled="sagemaker:variant:DesiredInstanceCount")
KINDS = (
    Kind(_config(Variant(instances=3), captured_percent=20), per_minute=240.0, troubled=True),
    replace(_ON_GPU, silent=frozenset(), dimensions=(("Host", ("host-1",)),), scaled=PLAIN.scaled),
    replace(
        _ON_GPU,
        config=_config(_GPU, publish_period=10, enhanced=True),
        per_minute=600.0,
        dimensions=(("InstanceId", _INSTANCES), ("AcceleratorId", ("0", "1", "2", "3"))),
    ),
    Kind(_config(asynchronous=True), ("async",), SYNCHRONOUS | ON_GPU, 6.0),
    Kind(
        _config(Variant(instance_type=None, serverless=Serverless(2048, 20, 5))),
        ("serverless",),
        STREAMED | ON_INSTANCES,
        scaled="sagemaker:variant:DesiredProvisionedConcurrency",
    ),
    Kind(_config(Variant(model="many-models", instances=3)), ("multi_model",)),
    Kind(_config(), ("container",), dimensions=(("ContainerName", ("tokenizer", "classifier")),)),
    Kind(_config(shadows=(Variant("Candidate", "model-2"),))),
    replace(
        _ON_GPU,
        config=_config(replace(_GPU, model=None, managed=(1, 4))),
        publishes=("component_host",),
        silent=frozenset(),
        components=("llama-chat", "llama-embed", "llama-adapter"),
        dimensions=(
            ("InstanceId", _INSTANCES[:1]),
            ("ContainerId", ("c-1",)),
            ("AcceleratorId", ("0", "1")),
            ("GpuId", ("0",)),
        ),
    ),
    Kind(
        _config(Variant(instance_type=None, instances=3, pools=_POOLS)),
        dimensions=(("InstanceType", _POOLS),),
    ),
    Kind(_config(explained=True), ("explainer",)),
    Kind(_config(Variant("Champion", instances=2, weight=0.9), Variant("Challenger", "model-2", weight=0.1))),
)
"""The special kinds, one endpoint each; the rest of a region's endpoints are plain."""

_FIRST = ("fraud", "search", "churn", "price", "image", "text", "voice", "route", "stock", "review")
_SECOND = ("score", "rank", "detect", "forecast", "embed")


def endpoint_name(nth: int) -> str:
    """Return the name of the nth endpoint of a region."""
    turn, place = divmod(nth, len(_FIRST) * len(_SECOND))
    name = f"{_FIRST[place % len(_FIRST)]}-{_SECOND[place // len(_FIRST)]}"
    return f"{name}-{turn + 1}" if turn else name


def default_world(
    seed: int = 1,
    endpoints: int = 50,
    accounts: Sequence[str] = ("123456789012",),
    regions: Sequence[str] = ("us-east-1",),
    begin: float | None = None,
    spelling: int = 0,
    *,
    shown: bool = False,
) -> World:
    """Return a world with so many endpoints in each region of each account, as it stands at `begin` (default: now).

    Events, API calls among them, come into a queue there, as well as EventBridge can; a trail of all accounts and
    regions has a bucket. All of it has published for a day or more before.
    `spelling`: which of the names is in use where AWS's own pages disagree (0: the likely one). Every account has a
    role `sagemaker-exporter` that anybody may assume. `shown`: as the demo shows it, with an endpoint that somebody
    tries out and deletes, and no metric later than `IN_TIME`.
    """
    world = World(seed, lateness=IN_TIME if shown else None)
    now = int(time.time() if begin is None else begin)
    for account in accounts:
        world.add_role(account, Role("sagemaker-exporter"))
        for region in regions:
            site = _Site(world, account, region, now, spelling)
            for nth in range(endpoints):
                kind = KINDS[nth] if nth < len(KINDS) else PLAIN
                per_minute = kind.per_minute * (0.2 + 2 * chance(site.number("traffic"), nth))
                created = now - DAY * (1 + nth * 7 % 40)
                site.open_endpoint(endpoint_name(nth), created, replace(kind, per_minute=per_minute))
            if shown:  # as an audit can tell
                world.add_endpoint(account, region, TRIED_OUT, now + 20)
                world.delete_endpoint(account, region, TRIED_OUT, now + 100)
            site.run_jobs()
            names = [endpoint_name(nth) for nth in range(endpoints)]
            until = now + DAYS_AHEAD * DAY
            site.add_the_rest(add_logs(world, account, region, now, until, names))
            site.set_quotas()
            add_things(world, account, region, now, until)
            world.add_people(account, region, now - DAY, until)
            add_alarms(world, account, region, now, names)
            dead = world.add_queue(account, region, f"{QUEUE}-dead")
            redrive = orjson.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": "5"}).decode()
            queue = world.add_queue(account, region, QUEUE, RedrivePolicy=redrive)
            world.route(queue, now, BEST_EFFORT, calls="write")
    places = [(account, region) for account in accounts for region in regions]
    bucket = world.add_bucket(*places[0], TRAIL_BUCKET, readers=set(accounts))
    world.add_trail(bucket, now - DAY, places, organization="o-demo123456" if len(accounts) > 1 else "")
    world.announce(bucket, world.add_queue(*places[0], TRAIL_QUEUE), now, lost=0.02, repeated=0.05)
    return world


def open_endpoint(world: World, account: str, region: str, name: str, at: float, per_minute: float = 60.0) -> None:
    """Create a plain endpoint that publishes from `at` on. ValueError: the name is in use."""
    _Site(world, account, region, int(at)).open_endpoint(name, int(at), replace(PLAIN, per_minute=per_minute))


@dataclass(frozen=True, slots=True)
class _Site:
    """One region of one account, while it is furnished; `now` is when the demo begins."""

    world: World
    account: str
    region: str
    now: int
    spelling: int = 0

    @property
    def place(self) -> Region:
        return self.world.region(self.account, self.region)

    def number(self, *names: object) -> int:
        return number_of(self.world.seed, self.account, self.region, *names)

    def publish(
        self,
        rows: Iterable[Row],
        values: Mapping[str, Sequence[str]],
        thing: Thing,
        schedules: Mapping[str, Schedule],
    ) -> None:
        """Add a series for each row, dimension set, and combination of the values that its dimensions have here.

        Sets with a dimension that has no value here are left out; so is a series that exists.
        """
        for row in rows:
            namespace = row.namespaces[min(self.spelling, len(row.namespaces) - 1)]
            metric = row.metrics[min(self.spelling, len(row.metrics) - 1)]
            for pattern, word in SAMPLE_WORDS.items():
                metric = metric.replace(pattern, word)
            for names in row.sets:
                if not all(name in values or name in row.fixed for name in names):
                    continue
                for chosen in product(*(values.get(name) or (row.fixed[name],) for name in names)):
                    self.world.generate(
                        self.account,
                        self.region,
                        namespace,
                        metric,
                        dict(zip(names, chosen, strict=True)),
                        behaviour(row, metric, thing.part(chosen) if len(names) > 2 else thing),
                        schedules[_measured(row)],
                        row.unit,
                    )

    def open_endpoint(self, name: str, created: int, kind: Kind) -> None:
        config = replace(kind.config, name=f"{name}-v1", created=float(created))
        number = self.number(name)
        tags = {"team": _FIRST[number % 3], "stage": "prod" if number % 2 else "test"} if number % 4 else {}
        endpoint = self.world.add_endpoint(self.account, self.region, name, created, config=config, tags=tags)
        if endpoint.schedules:
            return  # its series are those of an earlier life
        usual = config.publish_period or 60
        endpoint.schedules = {
            "invocations": Schedule(created, usual if config.enhanced else 60),
            "utilization": Schedule(created, usual),
            "concurrency": Schedule(created, 10),
        }
        dimensions = dict(kind.dimensions)
        surge, late = None, {}
        if kind.troubled:
            surge = self._trouble(name, config)
            dimensions["EndpointConfigName"] = (config.name,)
            endpoint.schedules["deployment"] = Schedule(surge.begin, 60)
            late = dict.fromkeys(endpoint.schedules, endpoint.schedules["deployment"])
        for variant in (*config.variants, *config.shadows):
            thing = replace(
                Thing.of(number_of(number, variant.name), kind.per_minute * variant.weight, number % 24 * HOUR),
                instances=max(variant.instances, 1),
                cores=kind.cores,
                accelerators=kind.accelerators,
                surge=surge,
            )
            values = {"EndpointName": (name,), "VariantName": (variant.name,), **dimensions}
            rows = [
                row for by in ("variant", *kind.publishes) for row in NAMES[by] if row.metrics[0] not in kind.silent
            ]
            self.publish(rows, values, thing, endpoint.schedules)
            if late:
                self.publish(rows, {**values, "EndpointConfigName": (f"{name}-v2",)}, thing, late)
            if kind.scaled:
                resource = f"endpoint/{name}/variant/{variant.name}"
                self.place.targets.append(ScalableTarget(resource, kind.scaled, 1, 6, float(created)))
        for component in kind.components:
            self._add_component(f"{name}-{component}", name, created, kind, endpoint.schedules)

    def _trouble(self, name: str, config: EndpointConfig) -> Surge:
        """Deploy a bad model every three hours, for the first time five minutes ago, and roll it back each time."""
        surge = Surge(self.now - 300, 1200, 3 * HOUR, DAYS_AHEAD * 8, 40.0)
        worse = tuple(replace(variant, model="model-2", status="Baking") for variant in config.variants)
        bad = replace(config, name=f"{name}-v2", created=float(surge.begin), variants=worse)
        self.place.configs[bad.name] = bad
        states = self.place.endpoints[name][-1].states
        for begin in range(surge.begin, surge.begin + surge.every * surge.times, surge.every):
            states += [
                EndpointState(begin, "Updating", config, pending=bad),
                EndpointState(begin + surge.lasts, "RollingBack", config, pending=bad),
                EndpointState(begin + surge.lasts + 300, "InService", config),
            ]
        return surge

    def _add_component(
        self, name: str, endpoint: str, created: int, kind: Kind, schedules: Mapping[str, Schedule]
    ) -> None:
        base = f"{endpoint}-{kind.components[0]}" if name.endswith("adapter") else None
        component = Component(
            name,
            endpoint,
            kind.config.variants[0].name,
            float(created),
            model=None if base else "llama",
            base=base,
            copies=2,
            desired_copies=2,
            accelerators=1.0,
            memory_mb=16_384,
            tags={"team": "llm"},
        )
        self.world.add_component(self.account, self.region, component)
        dimension = "sagemaker:inference-component:DesiredCopyCount"
        self.place.targets.append(ScalableTarget(f"inference-component/{name}", dimension, 0, 4, float(created)))
        thing = replace(Thing.of(self.number(name), kind.per_minute / len(kind.components)), instances=2)
        self.publish(NAMES["component"], {"InferenceComponentName": (name,), **dict(kind.dimensions)}, thing, schedules)

    def run_jobs(self) -> None:
        """Start a job of each kind that publishes every half hour, for 35 to 70 minutes, and some of the others.

        Those of the last three hours, and later ones, publish while they run.
        """
        for by in ("training_job", "processing_job", "transform_job"):
            kind = by.removesuffix("_job")
            for nth in range(-42, DAYS_AHEAD * 48):
                number = self.number(by, nth)
                name = f"{kind}-{endpoint_name(number % 50)}-{nth % 10_000:04d}"
                hosts = ["algo-1", "algo-2"] if kind == "training" else ["algo-1"]
                lives = some_life(random.Random(number), kind, 2100 + number % 2100)  # noqa: S311 - no secret
                created = self.now - 3 * HOUR + nth * 1800 + number % 300
                work = Work("ml.m5.2xlarge", len(hosts))
                job = self.world.add_job(self.account, self.region, kind, name, created, lives=lives, work=work)
                begin, end = job.started(), job.ended()
                if nth < 0 or begin is None or end is None:
                    continue
                if kind == "transform":
                    hosts = [f"i-{number & 0xFFFFFFFFFFFF:017x}"]
                values = {"Host": [f"{name}/{host}" for host in hosts], "TrainingJobName": [name]}
                running = {"utilization": Schedule(int(begin), 60, int(end))}
                self.publish(NAMES[by], values, replace(Thing.of(number, 1.0), cores=4), running)
        others = {kind: share for kind, share in MIX.items() if f"{kind}_job" not in NAMES}
        until = self.now + DAYS_AHEAD * DAY
        add_jobs(self.world, self.account, self.region, self.now - DAY, until, 40, mix=others)

    def set_quotas(self) -> None:
        """Let a quota be nearly used up since it was raised a week ago, and another be raised in six hours."""
        self.world.count_usage(self.account, self.region, self.now - DAY)
        for name, changes in {
            "ml.m5.xlarge for endpoint usage": ((self.now - 30 * DAY, 60), (self.now - 7 * DAY, 100)),
            "Number of instances across active endpoints": ((self.now - 30 * DAY, 120), (self.now + 6 * HOUR, 200)),
        }.items():
            for at, value in changes:
                self.world.change_quota(self.account, self.region, code_of(name), at, value)

    def add_the_rest(self, groups: Sequence[str]) -> None:
        """Publish a little of what neither endpoints nor jobs publish; how much comes into these log groups."""
        minutely, hourly = Schedule(self.now - 2 * DAY, 60), Schedule(self.now - 2 * DAY, HOUR)
        schedules = {"invocations": minutely, "utilization": minutely, "hourly": hourly}
        for by, values in _the_rest(self.region, (*groups, "/aws/lambda/orders")):
            nodes = 4 if by == "hyperpod_node" else 1
            thing = replace(Thing.of(self.number(by), 5.0), instances=nodes, begin=self.now - 2 * HOUR)
            kinds = values.get("Type", ("",))
            for row in NAMES[by]:
                if row.fixed.get("Type", kinds[0]) == kinds[0]:
                    whole = tuple(names for names in row.sets if set(names) == set(values))
                    self.publish([replace(row, sets=whole)], values, thing, schedules)
        pipeline = arn_of("sagemaker", self.region, self.account, "pipeline/train-and-register")
        self.place.tags[pipeline] = {"team": "features"}


def _measured(row: Row) -> str:
    """Return which schedule of a thing a metric follows."""
    if row.period == HOUR:
        return "hourly"
    if row.period == 10:
        return "concurrency"
    return "utilization" if row.namespaces[0].startswith("/aws/sagemaker/") else "invocations"


_Values = dict[str, tuple[str, ...]]


def _the_rest(region: str, groups: tuple[str, ...]) -> list[tuple[str, _Values]]:
    """Return who else publishes, and the dimensions of one set each with their values."""
    monitored: _Values = {"Endpoint": (endpoint_name(0),), "MonitoringSchedule": ("quality-hourly",)}
    batch: _Values = {"MonitoringSchedule": ("batch-quality-hourly",)}
    bias: _Values = {"BiasStage": ("Post-Training",), "Label": ("approved",), "LabelValue": ("1",)}
    bias |= {"Facet": ("age",), "FacetValue": ("over-60",)}
    explanation: _Values = {
        "ExplainabilityMethod": ("KernelShap",),
        "Label": ("approved",),
        "ValueType": ("GlobalShapValues",),
    }
    reserved: _Values = {"ReservationName": ("h100-spring",), "ComponentType": ("training-job",)}
    reserved |= {"AvailabilityZone": (f"{region}a",), "InstanceType": ("ml.p5.48xlarge",)}
    pipeline: _Values = {"PipelineName": ("train-and-register",)}
    usage: _Values = {"Service": ("Sagemaker",), "Class": ("None",)}
    node: _Values = {"ClusterName": ("hyperpod-eks",), "InstanceId": _INSTANCES[:1], "NodeName": ("hyperpod-1",)}
    worker: _Values = {"CognitoUserPool": ("pool-1",), "LabelingJob": ("label-images",), "WorkerId": ("w-1", "w-2")}
    return [
        ("feature_group", {"FeatureGroupName": ("customers", "orders"), "OperationName": ("PutRecord", "GetRecord")}),
        ("feature_group", {"OperationName": ("BatchGetRecord",)}),
        ("hyperpod_node", {"ClusterName": ("hyperpod-eks",)}),
        ("hyperpod_node", node),
        ("labeling", {}),
        ("labeling", {"LabelingJobName": ("label-images",)}),
        ("log_group", {"LogGroupName": groups}),
        *(
            ("monitor", {**schedule, **more})
            for schedule in (monitored, batch)
            for more in ({}, {"Feature": ("age",)}, bias, explanation)
        ),
        ("pipeline", {}),
        ("pipeline", pipeline),
        ("pipeline", {**pipeline, "StepName": ("Train", "Evaluate")}),
        ("recommender_job", {"JobName": ("recommend-fraud-score",)}),
        ("recommender_job", {"EndpointName": ("sm-epc-0001",)}),
        ("reservation", {**reserved, "ReservationType": ("training-plan",)}),
        ("usage", {**usage, "Type": ("API",), "Resource": ("InvokeEndpoint", "DescribeEndpoint")}),
        ("usage", {**usage, "Type": ("Resource",), "Resource": ("endpoint/ml.m5.xlarge",)}),
        ("workteam", worker),
    ]
