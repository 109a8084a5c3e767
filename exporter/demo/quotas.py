"""Service Quotas of SageMaker: what an account may use, and AWS/Usage, in which CloudWatch counts what it does use.

Names are AWS's, and so are the codes that are known from public lists; other codes have AWS's form and are made from
the name. Values are made up, and so is which quotas have a usage metric, but for those that public reports name:
totals, domains, instance types of endpoints. That SageMaker counts every 20 minutes is from such a report too.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from exporter.demo.call import AwsError
from exporter.demo.resources import arn
from exporter.demo.series import Activity, Series
from exporter.demo.stats import Stat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.demo.call import Call
    from exporter.demo.resources import EndpointState, Variant
    from exporter.demo.series import Point
    from exporter.demo.world import Region

MINUTE = 60
COUNTED_EVERY = 20 * MINUTE
COUNTED_AFTER = 4 * MINUTE  # (guess) until a count can be seen
LONGEST_PAGE = 100
"""https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html"""

_SIZES = ("large", "xlarge", "2xlarge", "4xlarge", "12xlarge")
_CPU = tuple(f"ml.{family}.{size}" for family in ("m5", "c5", "r5") for size in _SIZES)
_GPU = (
    "ml.g4dn.xlarge",
    "ml.g5.xlarge",
    "ml.g5.2xlarge",
    "ml.g5.12xlarge",
    "ml.g5.48xlarge",
    "ml.g6.xlarge",
    "ml.p3.2xlarge",
    "ml.p4d.24xlarge",
    "ml.p5.48xlarge",
)
_SMALL = ("ml.t3.medium", "ml.t3.large", "ml.t3.xlarge")

_USES = (  # how the name goes, the instance types, what it limits (see `used`), and a usual value
    ("{} for endpoint usage", (*_CPU, *_GPU, "ml.t2.medium", "ml.inf2.xlarge"), "endpoint/{}", 8),
    ("{} for training job usage", (*_CPU, *_GPU), "training-job/{}", 8),
    ("{} for spot training job usage", (*_CPU, *_GPU), "spot-training-job/{}", 4),
    ("{} for training warm pool usage", (*_CPU, *_GPU), "", 2),
    ("{} for processing job usage", (*_CPU, *_GPU, *_SMALL), "processing-job/{}", 8),
    ("{} for transform job usage", (*_CPU, *_GPU), "transform-job/{}", 8),
    ("{} for notebook instance usage", (*_CPU, *_GPU, *_SMALL), "notebook-instance/{}", 4),
    ("{} for cluster usage", (*_CPU, *_GPU, *_SMALL), "cluster/{}", 8),
    ("Studio JupyterLab Apps running on {} instances", (*_SMALL, *_GPU), "app/JupyterLab/{}", 4),
    ("Studio CodeEditor Apps running on {} instances", (*_SMALL, *_GPU), "app/CodeEditor/{}", 4),
    ("Studio KernelGateway Apps running on {} instance", (*_SMALL, *_CPU), "app/KernelGateway/{}", 4),
    ("RSessionGateway Apps running on {} instance", (*_SMALL, *_CPU), "app/RSessionGateway/{}", 4),
)
_TOTAL_OF = ("training-job", "processing-job", "transform-job", "notebook-instance")
_MEASURED = ("endpoint/", "studio/", *(f"{one}/total" for one in _TOTAL_OF))
"""How begins what AWS/Usage counts."""

_TOTALS = (  # name, what it limits, value
    ("Number of instances across active endpoints", "endpoint/total_instance_count", 200),
    ("Number of instances across all training jobs", "training-job/total_instance_count", 50),
    ("Number of instances across all processing jobs", "processing-job/total_instance_count", 50),
    ("Number of instances across all transform jobs", "transform-job/total_instance_count", 50),
    ("Total number of notebook instances", "notebook-instance/total_count", 20),
    ("Total domains", "studio/total_domains", 5),
    ("Maximum number of Studio user profiles allowed per account", "studio/max_user_profiles_per_domain", 200),
    ("Maximum number of running Studio apps allowed per account", "", 100),
    ("Maximum number of Studio spaces allowed per account", "", 1000),
    ("Maximum number of MLflow Tracking Servers", "", 3),
    ("Maximum number of pipelines allowed per account", "", 1000),
    ("Total Monitoring Schedules", "", 100),
    ("Maximum number of Ground Truth labeling jobs", "", 10),
    ("Maximum number of instances per training job", "", 20),
    ("Maximum number of training jobs each hyper parameter tuning job can run in parallel at once", "", 10),
    ("Longest run time for an AutoML job, from creation to termination", "", 2592000),
    ("RStudioServerPro Apps running on system instances", "", 1),
)
_RATES = (
    "CreateEndpoint",
    "CreateModel",
    "CreateNotebookInstanceLifecycleConfig",
    "CreateStudioLifecycleConfig",
    "CreateWorkteam",
    "DeleteEndpoint",
    "DeleteTransformJob",
    "DescribeEndpointConfig",
    "DescribeFlowDefinition",
    "DescribeTransformJob",
    "InvokeEndpoint",
    "ListFlowDefinitions",
    "ListHumanTaskUis",
    "ListMonitoringAlerts",
    "StopNotebookInstance",
    "StopTrainingJob",
    "UpdateEndpointWeightsAndCapacities",
    "UpdateTrainingJob",
)
_FIXED = frozenset({"Longest run time for an AutoML job, from creation to termination"})  # nobody can have more
_DEFAULT_ONLY = frozenset({"Maximum number of Ground Truth labeling jobs", "Maximum number of MLflow Tracking Servers"})
"""That have no applied value: ListServiceQuotas leaves such out."""

_CODES = {
    "Longest run time for an AutoML job, from creation to termination": "L-05D71277",
    "Maximum number of Ground Truth labeling jobs": "L-150039CA",
    "Maximum number of MLflow Tracking Servers": "L-6BC1B1A9",
    "Maximum number of Studio spaces allowed per account": "L-8E5333B4",
    "Maximum number of Studio user profiles allowed per account": "L-AC46C40F",
    "Maximum number of instances per training job": "L-622CFD70",
    "Maximum number of pipelines allowed per account": "L-E8EADE50",
    "Maximum number of running Studio apps allowed per account": "L-4E39DDC4",
    "Maximum number of training jobs each hyper parameter tuning job can run in parallel at once": "L-11294128",
    "Number of instances across active endpoints": "L-7A3DF611",
    "Number of instances across all processing jobs": "L-F311B08F",
    "Number of instances across all training jobs": "L-00C91CB5",
    "Number of instances across all transform jobs": "L-60D2A6F0",
    "RStudioServerPro Apps running on system instances": "L-B89C4B79",
    "Rate of CreateEndpoint requests": "L-56A14E33",
    "Rate of CreateModel requests": "L-BA5EF415",
    "Rate of DeleteEndpoint requests": "L-0AFC5B08",
    "Rate of InvokeEndpoint requests": "L-612DD414",
    "Studio JupyterLab Apps running on ml.g6.xlarge instances": "L-AABA5942",
    "Studio KernelGateway Apps running on ml.c5.large instance": "L-1476E09A",
    "Studio KernelGateway Apps running on ml.m5.4xlarge instance": "L-0132CA88",
    "Studio KernelGateway Apps running on ml.r5.large instance": "L-59F3BE31",
    "RSessionGateway Apps running on ml.m5.2xlarge instance": "L-09249843",
    "RSessionGateway Apps running on ml.t3.large instance": "L-0FCBFBBD",
    "Total Monitoring Schedules": "L-9966108C",
    "Total domains": "L-B683BCB0",
    "Total number of notebook instances": "L-04CE2E67",
    "ml.c5.2xlarge for cluster usage": "L-539D704C",
    "ml.c5.large for endpoint usage": "L-4D27DFDD",
    "ml.g4dn.xlarge for endpoint usage": "L-B67CFA0C",
    "ml.g4dn.xlarge for transform job usage": "L-4C5C5CA8",
    "ml.g5.12xlarge for processing job usage": "L-B013C051",
    "ml.g5.12xlarge for spot training job usage": "L-03E19172",
    "ml.g5.12xlarge for transform job usage": "L-5F0C4D2F",
    "ml.g5.2xlarge for cluster usage": "L-596C3331",
    "ml.g5.48xlarge for endpoint usage": "L-0100B823",
    "ml.g5.xlarge for processing job usage": "L-BE792A7A",
    "ml.g5.xlarge for training job usage": "L-B6D80D9C",
    "ml.g5.xlarge for transform job usage": "L-135CF62D",
    "ml.g6.xlarge for training job usage": "L-56AE9D73",
    "ml.m5.12xlarge for endpoint usage": "L-A9F2A8B3",
    "ml.m5.2xlarge for cluster usage": "L-60995545",
    "ml.m5.2xlarge for training job usage": "L-AD0A282D",
    "ml.m5.4xlarge for training job usage": "L-AFB011B4",
    "ml.m5.4xlarge for training warm pool usage": "L-03767DF9",
    "ml.m5.large for endpoint usage": "L-614B09FD",
    "ml.m5.large for training job usage": "L-611FA074",
    "ml.m5.xlarge for processing job usage": "L-0307F515",
    "ml.m5.xlarge for spot training job usage": "L-4CEE6BA6",
    "ml.m5.xlarge for training warm pool usage": "L-0BEF44E8",
    "ml.p4d.24xlarge for endpoint usage": "L-09F79647",
    "ml.p4d.24xlarge for spot training job usage": "L-09D56C4F",
    "ml.p4d.24xlarge for training job usage": "L-09B4A649",
    "ml.r5.large for endpoint usage": "L-B156D5EC",
    "ml.t3.medium for processing job usage": "L-0CE343FE",
}


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota, with AWS's default; `limits` is what it limits, as `used` and AWS/Usage call it."""

    code: str
    name: str
    default: float
    limits: str = ""

    @property
    def measured(self) -> bool:
        """Whether it has a usage metric."""
        return self.limits.startswith(_MEASURED)

    @property
    def dimensions(self) -> dict[str, str]:
        """Those of its usage metric."""
        return {"Service": "SageMaker", "Class": "None", "Type": "Resource", "Resource": self.limits}


def code_of(name: str) -> str:
    """Return the code of the quota of this name."""
    return _CODES.get(name) or f"L-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest().upper()}"


@lru_cache(1)
def table() -> dict[str, Quota]:
    """Return all quotas by code."""
    found = [
        Quota(code_of(name), name, 0.0 if "p4d" in of or "p5" in of else float(value), limits.format(of))
        for pattern, types, limits, value in _USES
        for of in types
        for name in (pattern.format(of),)
    ]
    found += [Quota(code_of(name), name, float(value), limits) for name, limits, value in _TOTALS]
    found += [Quota(code_of(f"Rate of {one} requests"), f"Rate of {one} requests", 10.0) for one in _RATES]
    return {one.code: one for one in found}


# -- the truth ---------------------------------------------------------------------------------------------------------

_SERVES = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"})


def used(place: Region, now: float) -> Counter[str]:
    """Return what is in use now: instances by what runs on them and their type, as in endpoint/ml.m5.xlarge; totals."""
    found: Counter[str] = Counter()
    for endpoint in place.endpoints_at(now):
        for instance_type, count in _of_endpoint(endpoint.state(now)):
            found[f"endpoint/{instance_type}"] += count
            found["endpoint/total_instance_count"] += count
    for kind in ("training", "processing", "transform"):
        for job in place.jobs.listing(kind):
            ended = job.ended(now)
            if job.created <= now < job.deleted and ended is None:
                spot = "spot-" if kind == "training" and job.work.spot else ""
                found[f"{spot}{kind}-job/{job.work.instance_type}"] += job.work.instances
                found[f"{kind}-job/total_instance_count"] += job.work.instances
    for notebook in place.things.listing("notebook_instance", now):
        found["notebook-instance/total_count"] += 1
        if notebook.state(now).status == "InService":
            found[f"notebook-instance/{notebook.fact('InstanceType', now)}"] += 1
    for app in place.things.listing("app", now):
        if app.state(now).status == "InService":
            found[f"app/{app.fact('AppType', now)}/{app.fact('InstanceType', now)}"] += 1
    for node in place.things.listing("cluster_node", now):
        if node.state(now).status != "Pending":
            found[f"cluster/{node.fact('InstanceType', now)}"] += 1
    found["studio/total_domains"] = len(place.things.listing("domain", now))
    found["studio/max_user_profiles_per_domain"] = len(place.things.listing("user_profile", now))
    return found


def _of_endpoint(state: EndpointState) -> Iterator[tuple[str, int]]:
    if state.status in _SERVES:
        for variant in (*state.config.variants, *state.config.shadows):
            yield from _of_variant(variant)


def _of_variant(variant: Variant) -> Iterator[tuple[str, int]]:
    if variant.pools:
        share, rest = divmod(variant.instances, len(variant.pools))
        yield from ((one, share + (nth < rest)) for nth, one in enumerate(variant.pools))
    elif variant.instance_type and not variant.serverless:
        yield variant.instance_type, variant.instances


class Usage(Series):
    """A series of AWS/Usage, counted from what there is; nothing is published where nothing is in use (guess)."""

    __slots__ = ("_kept", "_place", "_since")

    def __init__(self, place: Region, quota: Quota, since: float, kept: dict[tuple[int, int], Counter[str]]) -> None:
        """`kept` are counts made before, which the series of a region share."""
        dimensions = tuple(sorted(quota.dimensions.items()))
        number = int.from_bytes(hashlib.blake2b(quota.code.encode(), digest_size=8).digest())
        super().__init__("AWS/Usage", "ResourceCount", dimensions, "None", number)
        self._place = place
        self._since = since
        self._kept = kept

    def points(self, begin: float, end: float, now: float, *, fine: bool = False) -> list[Point]:  # noqa: D102
        found: list[Point] = []
        first = math.ceil(max(begin, self._since) / COUNTED_EVERY) * COUNTED_EVERY
        for at in range(first, math.ceil(min(end, now - COUNTED_AFTER)), COUNTED_EVERY) if not fine else ():
            number = self._used(at)
            if number:
                found.append((at, Stat.alike(float(number), 1.0)))
        return found

    def activity(self, now: float) -> Activity | None:  # noqa: D102
        last = int((now - COUNTED_AFTER) // COUNTED_EVERY) * COUNTED_EVERY
        return Activity(int(self._since), last) if last > self._since and self._used(last) else None

    def _used(self, at: int) -> int:
        key = (at, self._place.changed)
        if key not in self._kept:
            if len(self._kept) > 50:
                self._kept.clear()
            self._kept[key] = used(self._place, at)
        return self._kept[key][dict(self.dimensions)["Resource"]]


def usage_series(place: Region, since: float) -> Iterator[Usage]:
    """Yield the series of AWS/Usage that a region has from then on."""
    kept: dict[tuple[int, int], Counter[str]] = {}
    yield from (Usage(place, quota, since, kept) for quota in table().values() if quota.measured)


# -- Service Quotas ----------------------------------------------------------------------------------------------------


def list_service_quotas(call: Call) -> dict[str, Any]:
    """Answer ListServiceQuotas: values that apply, of those that have one."""
    level = call.parameters.get("QuotaAppliedAtLevel", "ACCOUNT")
    if level not in ("ACCOUNT", "RESOURCE", "ALL"):
        raise _illegal(f"Value '{level}' at 'quotaAppliedAtLevel' failed to satisfy constraint")
    known = {} if level == "RESOURCE" else table()
    return _page(call, [one for one in known.values() if one.name not in _DEFAULT_ONLY], applied=True)


def list_default_quotas(call: Call) -> dict[str, Any]:
    """Answer ListAWSDefaultServiceQuotas."""
    return _page(call, list(table().values()), applied=False)


def _page(call: Call, quotas: list[Quota], *, applied: bool) -> dict[str, Any]:
    given = call.parameters
    service = given.get("ServiceCode")
    if not service:
        raise _illegal("Value at 'serviceCode' failed to satisfy constraint: Member must not be null")
    if service != "sagemaker":
        raise AwsError("NoSuchResourceException", "The request failed because the specified service does not exist.")
    size = given.get("MaxResults", LONGEST_PAGE)
    if not 1 <= size <= LONGEST_PAGE:
        raise _illegal(f"Value '{size}' at 'maxResults' failed to satisfy constraint")
    wanted = given.get("QuotaCode")
    quotas = [one for one in quotas if wanted in (None, one.code)]
    page, more = call.page(quotas, size, AwsError("InvalidPaginationTokenException", "Invalid token was provided."))
    return {"Quotas": [_described(call, one, applied=applied) for one in page], **more}


def _described(call: Call, quota: Quota, *, applied: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ServiceCode": "sagemaker",
        "ServiceName": "Amazon SageMaker",
        "QuotaArn": arn("servicequotas", call.region, call.principal.account, f"sagemaker/{quota.code}"),
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": value_of(call.place, quota, call.now) if applied else quota.default,
        "Unit": "None",
        "Adjustable": quota.name not in _FIXED,
        "GlobalQuota": False,
    }
    if quota.name.startswith("Rate of "):
        told["Period"] = {"PeriodValue": 1, "PeriodUnit": "SECOND"}
    if applied:
        told["QuotaAppliedAtLevel"] = "ACCOUNT"
    if quota.measured:
        told["UsageMetric"] = {
            "MetricNamespace": "AWS/Usage",
            "MetricName": "ResourceCount",
            "MetricDimensions": quota.dimensions,
            "MetricStatisticRecommendation": "Maximum",
        }
    return told


def value_of(place: Region, quota: Quota, now: float) -> float:
    """Return the value that applies."""
    changes = place.quotas.get(quota.code, ())
    nth = bisect_right(changes, now, key=lambda change: change[0])
    return changes[nth - 1][1] if nth else quota.default


def _illegal(why: str) -> AwsError:
    return AwsError("IllegalArgumentException", f"Invalid input was provided. {why}")


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "ListAWSDefaultServiceQuotas": list_default_quotas,
    "ListServiceQuotas": list_service_quotas,
}
