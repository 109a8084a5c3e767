"""What AWS would write on the bill, and what its quotas would say: counted here, from the requests alone.

Nothing is taken from the client's own accounts, so that these can be checked against it. Prices are list prices
without the free tier; quotas marked (guess) are not published.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Any

from exporter.demo.call import AwsError

if TYPE_CHECKING:
    from exporter.demo.call import Call

# https://aws.amazon.com/cloudwatch/pricing/
USD_PER_METRIC = 0.01 / 1000
USD_PER_REQUEST = 0.01 / 1000  # of CloudWatch, other than GetMetricData
USD_PER_QUEUE_REQUEST = 0.4 / 1_000_000  # of a standard queue: https://aws.amazon.com/sqs/pricing/

# https://docs.aws.amazon.com/general/latest/gr/cw_region.html: per second, account and region. LookupEvents:
# https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html ListTrainingJobs:
# https://github.com/aws-solutions/deepracer-on-aws/issues/87 Service Quotas:
# https://docs.aws.amazon.com/servicequotas/latest/userguide/reference_limits.html
RECENT_DATAPOINTS = 180_000  # StartTime up to 3 hours ago; asked for, not returned
OLDER_DATAPOINTS = 396_000
REQUESTS = {
    "cloudtrail.LookupEvents": 2,
    "cloudwatch.DescribeAlarmHistory": 20,
    "cloudwatch.DescribeAlarms": 9,
    "cloudwatch.GetMetricData": 500,
    "cloudwatch.ListMetrics": 25,
    "logs.DescribeLogGroups": 10,
    "logs.DescribeLogStreams": 25,
    "logs.FilterLogEvents": 10,
    "sagemaker.ListTrainingJobs": 2,
    "servicequotas.ListAWSDefaultServiceQuotas": 10,
    "servicequotas.ListServiceQuotas": 10,
    "sts.AssumeRole": 600,
    "sts.GetCallerIdentity": 600,
}
OTHER_REQUESTS = 10  # (guess)

# https://docs.aws.amazon.com/general/latest/gr/cwl_region.html
ELSEWHERE = {
    "logs.FilterLogEvents": {
        "us-east-1": 25,
        **dict.fromkeys(("ap-northeast-3", "ap-southeast-3", "ca-west-1", "eu-central-1", "il-central-1"), 5),
    }
}
"""Quotas of regions that have others than most."""


class _Second:
    """How much came within the last second."""

    def __init__(self) -> None:
        self._came: deque[tuple[float, float]] = deque()

    def with_another(self, now: float, amount: float) -> float:
        while self._came and not now - 1 < self._came[0][0] <= now:  # a clock may be set back
            self._came.popleft()
        return sum(came for _, came in self._came) + amount

    def add(self, now: float, amount: float) -> None:
        self._came.append((now, amount))


class Bill:
    """Everything counted since the beginning; `enforced`: over quota is refused with ThrottlingException."""

    def __init__(self) -> None:
        """Start at zero."""
        self.enforced = False
        self.requests: Counter[str] = Counter()  # service.Operation, every attempt
        self.refused: Counter[str] = Counter()  # those over quota
        self.metrics = 0  # by GetMetricData's price rule, each page again
        self.datapoints = 0  # returned
        self.highest: dict[str, float] = {}  # most in any second: operations, and "datapoints.recent" and ".older"
        self.actions: dict[str, set[str]] = defaultdict(set)  # IAM actions by the ARN of who used them
        self._seconds: dict[tuple[str, str, str], _Second] = defaultdict(_Second)

    @property
    def dollars(self) -> float:
        """What all of this costs."""
        requests = sum(
            number
            for name, number in self.requests.items()
            if name.startswith("cloudwatch.") and name != "cloudwatch.GetMetricData"
        )
        of_queues = sum(number for name, number in self.requests.items() if name.startswith("sqs."))
        usd = self.metrics * USD_PER_METRIC + requests * USD_PER_REQUEST
        return usd + of_queues * USD_PER_QUEUE_REQUEST

    def take(self, call: Call) -> None:
        """Count a request. AwsError: there were too many in this second."""
        name = f"{call.service}.{call.operation}"
        self.requests[name] += 1
        self.actions[call.principal.arn].add(call.action)
        usual = math.inf if call.service == "sqs" else OTHER_REQUESTS  # standard queues have nearly no limit
        quota = ELSEWHERE.get(name, {}).get(call.region, REQUESTS.get(name, usual))
        self._within(name, call, 1, quota)

    def admit(self, call: Call, recent: float, older: float) -> None:
        """Count the datapoints that a request asks for. AwsError: too many in this second."""
        if recent:
            self._within("datapoints.recent", call, recent, RECENT_DATAPOINTS)
        if older:
            self._within("datapoints.older", call, older, OLDER_DATAPOINTS)

    def charge(self, metrics: int, datapoints: int) -> None:
        """Count what is paid for, and what was returned for it."""
        self.metrics += metrics
        self.datapoints += datapoints

    def _within(self, what: str, call: Call, amount: float, quota: float) -> None:
        second = self._seconds[call.principal.account, call.region, what]
        total = second.with_another(call.now, amount)
        if self.enforced and total > quota:
            self.refused[what] += 1
            raise AwsError("ThrottlingException", "Rate exceeded")
        second.add(call.now, amount)
        self.highest[what] = max(total, self.highest.get(what, 0))

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        return {
            "enforced": self.enforced,
            "requests": dict(self.requests),
            "refused": dict(self.refused),
            "metrics": self.metrics,
            "datapoints": self.datapoints,
            "highest": self.highest,
            "dollars": self.dollars,
            "actions": {principal: sorted(actions) for principal, actions in self.actions.items()},
        }
