"""The settings of each source: a struct each, in which a key is a type, a default, and what it does."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from msgspec import Struct

from exporter.catalogue import log_rules
from exporter.config.words import (
    BucketName,
    Cidr,
    Enabled,
    EventSource,
    FilterPattern,
    Glob,
    GroupGlob,
    KeyPrefix,
    LastGood,
    NetworkName,
    Pages,
    PresetName,
    Principals,
    QueueName,
    ResourceTypeGlob,
    RuleName,
    Way,
)
from exporter.strict import About, Seconds


class Paces(Struct, frozen=True, kw_only=True):
    """How often CloudWatch families that are not hot are asked; METRICS.md tells the pace of each."""

    warm: Annotated[Seconds, About("How often warm families are asked.")] = 300.0
    cold: Annotated[Seconds, About("How often cold families are asked.")] = 3600.0


class CloudWatchMetrics(Struct, frozen=True, kw_only=True):
    """Metrics that SageMaker publishes to CloudWatch: counters that equal its final sums, and gauges."""

    enabled: Enabled = True
    every: Annotated[Seconds, About("How often hot families are asked; at least 1s.")] = 60.0
    pace: Paces = Paces()
    settle: Annotated[Seconds, About("How long CloudWatch's sums usually change; a later revision is a late one.")] = (
        900.0
    )
    deep_settle: Annotated[
        Seconds, About("How long CloudWatch's sums may change; what changes later is not read. Less than 3d.")
    ] = 10_800.0
    gauge_delay: Annotated[
        Seconds, About("A gauge shows the newest period that ended at least so long ago; at most 1d.")
    ] = 120.0
    max_age: Annotated[
        Seconds,
        About("A gauge leaves, and a counter waits to be caught up, when the newest reading is older; at most 1d."),
    ] = 900.0


class ResourceTypes(Struct, frozen=True, kw_only=True):
    """Which kinds of resources `sagemaker_resources` counts.

    By default endpoints and what belongs to them, notebook instances, domains, spaces, apps, feature groups, pipelines,
    model package groups, monitoring schedules, clusters, training plans and MLflow tracking servers. Each other kind is
    one more List call in a run. What has families of its own is listed for these all the same. Of all that is listed
    `sagemaker_resource_tags_info` shows tags (`labels.tags`).
    """

    include: Annotated[
        tuple[ResourceTypeGlob, ...], About("What is counted besides the defaults.", "[hub, project, image]")
    ] = ()
    exclude: Annotated[tuple[ResourceTypeGlob, ...], About("What is not, even if it is included.", "[model]")] = ()


class Inventory(Struct, frozen=True, kw_only=True):
    """What exists: endpoints, all else of SageMaker that is listed, and the series that CloudWatch lists."""

    enabled: Annotated[
        bool, About("Whether what exists is shown and described; CloudWatch's series are listed all the same.")
    ] = True
    every: Annotated[Seconds, About("How often it is listed; at least 1s.")] = 60.0
    last_good: LastGood = None
    describe_every: Annotated[
        Seconds, About("How often a thing is described that is in service and has not changed; at least 1s.")
    ] = 3600.0
    list_metrics_every: Annotated[
        Seconds, About("How often the series of CloudWatch, the bounds of scaling and tags are listed; at least 1s.")
    ] = 300.0
    resource_types: ResourceTypes = ResourceTypes()


class CloudWatchAlarms(Struct, frozen=True, kw_only=True):
    """CloudWatch alarms on SageMaker's metrics and log groups, and composite alarms that refer to such."""

    enabled: Enabled = True
    every: Annotated[
        Seconds, About("How often they are listed: a call for each hundred alarms of the account. At least 1s.")
    ] = 120.0
    last_good: LastGood = None
    names: Annotated[tuple[Glob, ...], About("Other alarms to show, by name.", '["ml-*"]')] = ()
    tags: Annotated[dict[str, str], About("Other alarms to show: those with all of these tags.", "{team: ml-*}")] = {}


class LogRule(Struct, frozen=True, kw_only=True):
    """What of the text of log groups is counted."""

    name: Annotated[RuleName, About("Value of the label `rule`; must be given.", "rejected")] = ""
    group: Annotated[GroupGlob, About("The log groups in which it is looked for.", "/aws/sagemaker/Endpoints/*")] = (
        "/aws/sagemaker/*"
    )
    pattern: Annotated[
        FilterPattern,
        About(
            "A filter pattern of CloudWatch; must be given. Case matters, `A B` is both, `?A ?B` any, `-A` is not, and "
            "a phrase stands in double quotes. A dollar is written `$$`.",
            '"input rejected"',
        ),
    ] = ""
    labels: Annotated[
        tuple[Literal["endpoint", "variant", "job", "instance_group"], ...],
        About("What the names of groups and streams tell, as labels of a counter of its own.", "[variant]"),
    ] = ()


class CloudWatchLogs(Struct, frozen=True, kw_only=True):
    """Log groups of SageMaker, and how many of their events match rules: each counted once, also late ones.

    What CloudWatch takes in up to 2 h late is found within an hour or so, and up to a day late within a day; what is
    later may be missed. Groups of the infrequent access class can't be searched.
    """

    enabled: Enabled = True
    every: Annotated[
        Seconds, About("How often groups are listed, a call for each fifty, and searched; at least 1s.")
    ] = 300.0
    last_good: LastGood = None
    pages_per_cycle: Annotated[
        Pages,
        About(
            "How many pages of FilterLogEvents are read in one run on a target, over all groups and rules. A search of "
            "a group takes one at least, and one search does for all presets. What is left is read in the next runs, "
            "as is what comes after 50,000 new matches."
        ),
    ] = 50
    overlap: Annotated[
        Seconds, About("How far back each search looks beyond the last one: for what comes late. From 1m to 2h.")
    ] = 900.0
    presets: Annotated[
        tuple[PresetName, ...],
        About(f"Rules that are there already: {', '.join(log_rules.PRESETS)}.", "[cuda_out_of_memory, nccl_error]"),
    ] = ()
    rules: Annotated[tuple[LogRule, ...], About("Rules of your own.")] = ()

    @property
    def matches(self) -> bool:
        """Whether any event is looked for."""
        return bool(self.enabled and (self.presets or self.rules))


class Looking(Protocol):
    """The settings of a source that looks now and then."""

    @property
    def every(self) -> float:
        """Seconds between two runs."""

    @property
    def last_good(self) -> float | None:
        """For how long stands what was seen (seconds), if that is configured."""


def stands(source: Looking) -> float:
    """Return for how long stands what a source has seen (seconds), where it can't look again."""
    return source.last_good or max(900.0, 3 * source.every)


class JobPolling(Struct, frozen=True, kw_only=True):
    """Jobs of all types, found by listing them: their changes of state, each counted once, and those that are open.

    And what HyperPod clusters log, if the inventory looks which there are.
    """

    enabled: Enabled = True
    every: Annotated[
        Seconds,
        About(
            "How often new jobs are listed, a call for each of 22 types, and the logs of HyperPod clusters, a call for "
            "each; at least 1s."
        ),
    ] = 60.0
    last_good: LastGood = None


class JobEvents(Struct, frozen=True, kw_only=True):
    """SageMaker's events of jobs and other things, from EventBridge through a queue: told at once, best effort."""

    enabled: Enabled = False
    queue: Annotated[QueueName, About("The queue in `queues` that holds them.")] = "events"


class CloudTrail(Struct, frozen=True, kw_only=True):
    """API calls to SageMaker, as CloudTrail has recorded them. A list of such blocks has them come by several roads.

    What counts, and how, stands in the first block of a list; a call that comes by two roads counts once.
    """

    enabled: Enabled = True
    from_: Annotated[
        Way,
        About(
            "The way: lookup needs nothing set up; queue takes events of EventBridge; s3 reads the files of a trail, "
            "which a queue announces."
        ),
    ] = "lookup"
    every: Annotated[Seconds, About("How often new records are looked up, a call for each event source.")] = 60.0
    overlap: Annotated[
        Seconds, About("How far back is looked each ten minutes: CloudTrail delivers up to a quarter of an hour late.")
    ] = 1200.0
    queue: Annotated[
        QueueName,
        About("The queue in `queues` that holds the events, or tells of new files; for from: queue and from: s3."),
    ] = "events"
    bucket: Annotated[
        BucketName,
        About(
            "The bucket of the trail, in the region of the queue, read by the queue's role; for from: s3.", "my-trail"
        ),
    ] = ""
    prefix: Annotated[KeyPrefix, About("What stands before AWSLogs/ in its keys; for from: s3.", "logs")] = ""
    event_sources: Annotated[tuple[EventSource, ...], About("Whose records count.", "[sagemaker.amazonaws.com]")] = (
        "sagemaker.amazonaws.com",
    )
    principals: Annotated[
        Principals,
        About("How many names of roles and users become labels, the first that call: the family by principal.", "50"),
    ] = 0
    networks: Annotated[
        dict[NetworkName, tuple[Cidr, ...]],
        About("Networks that are values of `origin`.", "{office: [203.0.113.0/24]}"),
    ] = {}

    @property
    def folder(self) -> str:
        """What stands before AWSLogs/ in the keys of its files, with the separator."""
        return f"{self.prefix.removesuffix('/')}/" if self.prefix else ""

    @property
    def way(self) -> tuple[str, ...]:
        """What makes it another way than others are."""
        return {"lookup": ("lookup",), "queue": ("queue", self.queue), "s3": ("s3", self.bucket, self.folder)}[
            self.from_
        ]


class Quotas(Struct, frozen=True, kw_only=True):
    """Service quotas of SageMaker: their limits, and how much of those that are in use is used.

    Use is what AWS's usage metrics say, for a tenth of a cent for each hundred quotas, or what `inventory` and
    `job_polling` see run, and then it is told each minute. Limits are those of the whole account: where `resources`
    includes or excludes by name, jobs are left out, and what they use is not known but by AWS's metrics.
    """

    enabled: Enabled = False
    every: Annotated[
        Seconds,
        About(
            "How often quotas are listed, a free call for each hundred of some 1,700 and of their defaults, and usage "
            "metrics are asked for; at least 1s."
        ),
    ] = 3600.0
    last_good: LastGood = None
    codes: Annotated[
        tuple[Glob, ...],
        About(
            "Quotas to show though they are not in use, by code or by name; `*` for all.",
            '[L-614B09FD, "ml.p5*training*"]',
        ),
    ] = ()


class Cost(Struct, frozen=True, kw_only=True):
    """What endpoints, jobs, notebook instances, apps, clusters and tracking servers cost, by the hours they run.

    Estimates by list price, without discounts, storage, data and requests. What runs is known by `inventory`, what jobs
    took by `job_polling` or `job_events`: where these are off, or the families that they count in, their cost is
    missing.
    """

    enabled: Enabled = True
    every: Annotated[
        Seconds,
        About("How often it is reckoned, which asks AWS nothing but a price list a day for each region. At least 1s."),
    ] = 300.0
    last_good: LastGood = None
    idle_after: Annotated[
        Seconds,
        About("How long a resource is not used until `sagemaker_cost_idle_hourly_usd` (off by default) holds it."),
    ] = 86_400.0


class Sources(Struct, frozen=True, kw_only=True):
    """Where facts come from."""

    cloudwatch_metrics: CloudWatchMetrics = CloudWatchMetrics()
    inventory: Inventory = Inventory()
    cloudwatch_alarms: CloudWatchAlarms = CloudWatchAlarms()
    cloudwatch_logs: CloudWatchLogs = CloudWatchLogs()
    job_polling: JobPolling = JobPolling()
    job_events: JobEvents = JobEvents()
    cloudtrail: CloudTrail | tuple[CloudTrail, ...] = CloudTrail()
    quotas: Quotas = Quotas()
    cost: Cost = Cost()

    @property
    def trails(self) -> tuple[CloudTrail, ...]:
        """The roads by which records of CloudTrail come."""
        several = self.cloudtrail if isinstance(self.cloudtrail, tuple) else (self.cloudtrail,)
        return tuple(one for one in several if one.enabled)

    @property
    def said(self) -> CloudTrail:
        """The block of CloudTrail that says what counts: the first one that is given."""
        return self.cloudtrail[0] if isinstance(self.cloudtrail, tuple) else self.cloudtrail

    @property
    def principals(self) -> int:
        """How many principals become labels."""
        return self.said.principals if self.trails else 0

    @property
    def asking(self) -> frozenset[str]:
        """The names of those that ask AWS, beside what comes out of queues."""
        hears = set[str]() if any(trail.from_ == "lookup" for trail in self.trails) else {"cloudtrail"}
        return self.enabled - hears

    @property
    def enabled(self) -> frozenset[str]:
        """The names of those that run."""
        by_name = {name: getattr(self, name) for name in self.__struct_fields__}
        return frozenset(
            name for name, one in by_name.items() if (self.trails if name == "cloudtrail" else one.enabled)
        )
