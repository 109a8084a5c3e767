"""The one door: every attempt counted, priced and timed; what can pass is waited for, what can't fails at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from unittest import mock

import orjson
import pytest
from street import ACCOUNT, REGION, LocalClock, PluggedSessions, WholeSessions, add_one_of_each
from worlds import T0, FakeClock, wait_for

from exporter.aws import PATIENCE, TRIES, WORKERS, Aws, AwsError, MetricCall, SameTargetError, metric_data, spending
from exporter.aws.metric_data import dimensions, statistic, subject
from exporter.aws.operations import OPERATIONS
from exporter.clock import SystemClock
from exporter.config import Account
from exporter.demo import FakeAws, World, access_key, default_world, serve
from exporter.demo.faults import DELIVERIES, ERRORS, RESULTS
from exporter.demo.resources import Role
from exporter.inventory import KINDS
from exporter.jobs import JOB_TYPES, STEPS, summary
from exporter.jobs.cluster_events import CONTINUOUS, LISTING
from exporter.model import HOUR, MINUTE, Target
from exporter.tally import Tally

TARGET = Target(ACCOUNT, REGION)
WHERE = (ACCOUNT, REGION)


class Clock(LocalClock):
    """A clock on which any wait takes time, however short: see test_budget about the last picosecond of a second."""

    def wait(self, event, seconds):
        return super().wait(event, max(seconds, 1e-6))


class Door:
    """A door to a fake AWS, on a clock that stands still, and what it tells of itself."""

    def __init__(self, sessions=WholeSessions, **more):
        self.begin()
        with mock.patch("exporter.aws.sessions.Sessions", sessions):
            self.aws = Aws(self.clock, self.tally, "test", **more)
            self.aws._sessions.fake = self

    def begin(self):
        self.true = FakeClock(T0)
        self.clock = Clock(self.true)
        self.world = World()
        self.fake = FakeAws(self.world, self.true.now)
        self.tally = Tally()

    def begin_again(self):
        """Forget everything but the login and its clients, which take the SDK long to make."""
        self.begin()
        self.aws._clock, self.aws._tally = self.clock, self.tally
        self.aws._limits.clear()
        self.aws.limit({})
        self.aws.stopping.clear()

    def answer(self, *request):
        return self.fake.answer(*request)

    def login(self, region=REGION, **account):
        return self.aws.login(Account(**account), region)

    def told(self, name, part=""):
        """Return the values of an own family by labels."""
        family = f"sagemaker_exporter_{name}"
        return {s.labels: s.value for s in self.tally.samples("own", 0.0) if s.family == family and s.part == part}

    def count(self, name, operation, *more, part=""):
        """Return how often something happened with an operation."""
        found = self.told(name, part)
        return sum(
            value for labels, value in found.items() if operation in labels and all(one in labels for one in more)
        )

    def sent(self, operation):
        """Return the number of requests that the fake has seen."""
        return sum(n for name, n in self.fake.bill.requests.items() if name.endswith("." + operation))


@pytest.fixture
def keys(monkeypatch):
    """Credentials of an account, where the SDK looks for them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key(ACCOUNT))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    return monkeypatch


@pytest.fixture
def fresh(keys):
    """A door before any login."""
    door = Door()
    yield door
    door.aws.close()


@pytest.fixture(scope="module")
def one_door():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", access_key(ACCOUNT))
        patch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        door = Door()
        assert door.login() == TARGET
    yield door
    door.aws.close()


@pytest.fixture
def door(one_door):
    """A door with a login, as nothing had happened since."""
    one_door.begin_again()
    return one_door


def query(stat="Sum", metric="Invocations", name="churn", period=MINUTE):
    return subject("AWS/SageMaker", metric) + dimensions([("EndpointName", name)]) + statistic(period, stat)


def call(*queries, start=T0 - HOUR, end=T0, datapoints=60, metrics=1):
    return MetricCall(start, end, queries or (query(),), datapoints, metrics)


# Each operation once, as the program uses it; what it sends goes through `call` or through `metric_data`.
USES = {
    "ListEndpoints": lambda door: door.aws.call(TARGET, "ListEndpoints"),
    "ListMetrics": lambda door: door.aws.call(TARGET, "ListMetrics", Namespace="AWS/SageMaker"),
    "GetCallerIdentity": lambda door: door.aws.call(TARGET, "GetCallerIdentity"),
    "GetResources": lambda door: door.aws.call(TARGET, "GetResources"),
    "DescribeScalableTargets": lambda door: door.aws.call(
        TARGET, "DescribeScalableTargets", ServiceNamespace="sagemaker"
    ),
    "GetMetricData": lambda door: raised(door.aws.metric_data(TARGET, [call()])[0]),
}


def raised(reply):
    if isinstance(reply, AwsError):
        raise reply
    return reply


def use(door, operation):
    return USES[operation](door)


every_use = pytest.mark.parametrize("operation", USES)


# -- counted, priced, timed --------------------------------------------------------------------------------------------


@every_use
def test_a_call_that_works_is_counted_and_timed(door, operation):
    before = door.count("aws_requests_total", operation)
    use(door, operation)
    assert door.count("aws_requests_total", operation) == before + 1 == door.sent(operation)
    assert door.count("aws_request_duration_seconds", operation, part="count") == before + 1
    assert not door.told("aws_errors_total")
    assert not door.told("aws_retries_total")


def test_labels_of_a_count_are_target_service_and_operation(door):
    use(door, "GetMetricData")
    assert door.told("aws_requests_total")[*WHERE, "monitoring", "GetMetricData"] == 1
    assert door.told("aws_metrics_requested_total") == {WHERE: 1}


def test_datapoints_are_counted_as_they_come(door):
    for minute in range(5):
        door.world.put(
            *WHERE, "AWS/SageMaker", "Invocations", {"EndpointName": "churn"}, T0 - HOUR + minute * MINUTE, 1
        )
    door.aws.metric_data(TARGET, [call()])
    assert door.told("aws_datapoints_total") == {WHERE: 5}


FAULTS = [
    "throttle",
    "deny",
    "http_500",
    "expired_token",
    "empty",
    "garbage",
    "truncated",
]


@pytest.mark.parametrize("kind", FAULTS)
def test_we_say_what_aws_will_bill_whatever_comes_of_the_calls(door, kind):
    door.fake.faults.add(kind, service="cloudwatch", every=2)
    for _ in range(4):
        for operation in ("ListMetrics", "GetMetricData"):
            with suppress(AwsError):
                use(door, operation)
    assert sum(door.told("aws_cost_usd_total").values()) == pytest.approx(door.fake.bill.dollars)
    assert door.told("aws_metrics_requested_total").get(WHERE, 0) == door.fake.bill.metrics


def test_each_source_has_a_bill_of_its_own_and_of_the_trail_events_of_its_calls(door):
    with spending("cloudwatch_metrics"):
        door.aws.metric_data(TARGET, [call(), call(metrics=2)])  # two, by threads of a crew
        use(door, "ListMetrics")
    with spending("inventory"):
        use(door, "ListEndpoints")
    use(door, "GetCallerIdentity")
    bill = {labels[2:]: usd for labels, usd in door.told("source_cost_usd_total").items()}
    assert bill == pytest.approx(
        {
            ("cloudwatch_metrics", "requests"): 4 * 0.01 / 1000,
            ("inventory", "requests"): 0.0,
            ("inventory", "trail_events"): 0.00002,
            ("none", "requests"): 0.0,
            ("none", "trail_events"): 0.00002,
        }
    )
    assert sum(door.told("aws_cost_usd_total").values()) == pytest.approx(4 * 0.01 / 1000)


# -- what can pass -----------------------------------------------------------------------------------------------------

PASSING = {
    "http_500": {},
    "http_503": {},
    "reset": {},
    "truncated": {},
    "empty": {},
    "garbage": {},
    "slow": {"seconds": 31.0},
}


@every_use
@pytest.mark.parametrize("kind", PASSING)
def test_what_may_pass_is_tried_three_times(door, operation, kind):
    """An answer that can't be read is none: it is never taken for an empty one."""
    before = door.sent(operation)
    door.fake.faults.add(kind, operation=operation, **PASSING[kind])
    with pytest.raises(AwsError) as failed:
        use(door, operation)
    assert failed.value.error_class == "transient"
    assert door.sent(operation) - before == TRIES
    assert door.count("aws_requests_total", operation) == before + TRIES
    assert door.count("aws_errors_total", operation, "transient") == TRIES
    assert door.count("aws_retries_total", operation) == TRIES - 1
    assert door.count("aws_request_duration_seconds", operation, part="count") == before + TRIES


@every_use
@pytest.mark.parametrize("kind", PASSING)
def test_what_has_passed_is_an_answer(door, operation, kind):
    door.fake.faults.add(kind, operation=operation, first=TRIES - 1, **PASSING[kind])
    assert use(door, operation)
    assert door.count("aws_errors_total", operation, "transient") == TRIES - 1


@every_use
def test_throttles_are_waited_out(door, operation):
    door.fake.faults.add("throttle", operation=operation, first=5)
    began = door.true.time
    assert use(door, operation)
    assert door.count("aws_errors_total", operation, "throttled") == 5
    assert door.count("aws_retries_total", operation) == 5
    assert (1 + 2 + 4 + 8 + 16) / 2 <= door.true.time - began <= 1 + 2 + 4 + 8 + 16 + 2


@every_use
def test_throttles_use_up_no_tries_of_a_server_error(door, operation):
    door.fake.faults.add("throttle", operation=operation, first=3)
    door.fake.faults.add("http_500", operation=operation, first=TRIES - 1)
    assert use(door, operation)


def test_pages_of_metrics_that_do_not_end_are_given_up(door, monkeypatch):
    page = metric_data.Page([], NextToken="again")
    monkeypatch.setattr(metric_data, "decode", lambda _: page)
    (reply,) = door.aws.metric_data(TARGET, [call()])
    assert isinstance(reply, AwsError)
    assert door.sent("GetMetricData") == 2 * 1


@every_use
def test_throttles_that_do_not_end_are_given_up(door, operation):
    door.fake.faults.add("throttle", operation=operation)
    began = door.true.time
    with pytest.raises(AwsError) as failed:
        use(door, operation)
    assert failed.value.error_class == "throttled"
    assert PATIENCE <= door.true.time - began <= PATIENCE + 21


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        *(("ListEndpoints", kind) for kind in ("deny", "expired_token")),
        *(("GetMetricData", kind) for kind in ("deny", "expired_token")),
        *(("GetCallerIdentity", kind) for kind in ("deny", "expired_token")),
    ],
)
def test_a_denial_is_final(door, operation, kind):
    before, began = door.sent(operation), door.true.time
    door.fake.faults.add(kind, operation=operation)
    with pytest.raises(AwsError, match=operation) as failed:
        use(door, operation)
    assert failed.value.error_class == "denied"
    assert door.sent(operation) == before + 1
    assert door.true.time == began
    assert not door.told("aws_retries_total")


@pytest.mark.parametrize(
    ("operation", "asked", "error_class"),
    [
        ("DescribeEndpoint", {"EndpointName": "gone"}, "absent"),
        ("DescribeEndpointConfig", {"EndpointConfigName": "gone"}, "absent"),
        ("DescribeInferenceComponent", {"InferenceComponentName": "gone"}, "absent"),
        ("ListEndpoints", {"NextToken": "made up"}, "bug"),
        ("ListMetrics", {"RecentlyActive": "PT4H"}, "bug"),
        ("ListEndpoints", {"MaxResults": 1000}, "bug"),
        ("ListEndpoints", {"NoSuchParameter": 1}, "bug"),
    ],
)
def test_what_is_not_there_and_what_is_wrong_is_not_asked_again(door, operation, asked, error_class):
    with pytest.raises(AwsError) as failed:
        door.aws.call(TARGET, operation, **asked)
    assert failed.value.error_class == error_class
    assert door.count("aws_requests_total", operation) == door.sent(operation) <= 1
    assert door.count("aws_errors_total", operation, error_class) == 1


def test_a_query_that_aws_refuses_is_a_bug(door):
    (failed,) = door.aws.metric_data(TARGET, [call(query("no such statistic"))])
    assert (failed.error_class, door.sent("GetMetricData")) == ("bug", 1)


def test_calls_fail_one_by_one(door):
    door.fake.faults.add("deny", metric="Secret")
    replies = door.aws.metric_data(TARGET, [call(), call(query(metric="Secret")), call()])
    assert [getattr(reply, "error_class", "answered") for reply in replies] == ["answered", "denied", "answered"]


def test_nothing_is_called_that_is_not_in_the_table(door):
    with pytest.raises(KeyError):
        door.aws.call(TARGET, "DeleteEndpoint", EndpointName="churn")
    assert not door.fake.bill.requests


# -- answers -----------------------------------------------------------------------------------------------------------


class Nulls(FakeAws):
    """Names what it does not tell, as AWS does now and then: ARNs, and the next page."""

    def answer(self, method, path, headers, body):
        answer = super().answer(method, path, headers, body)
        if answer.headers["Content-Type"] == "text/xml":
            return answer
        text = orjson.dumps(hide_arns({"NextToken": None} | orjson.loads(answer.body)))
        answer.headers["Content-Length"] = str(len(text))
        return type(answer)(answer.status, answer.headers, text)


def hide_arns(value):
    if isinstance(value, dict):
        return {k: None if k.endswith("Arn") else hide_arns(one) for k, one in value.items()}
    return [hide_arns(one) for one in value] if isinstance(value, list) else value


def asked_of_jobs(aws):
    """Return the parameters of all operations about jobs, of which there is one of each type."""
    asked = {}
    for kind in JOB_TYPES.values():
        within = {}
        if kind.parent:
            asked[kind.parent.listing.operation] = kind.parent.listing.fixed
            page = aws.call(TARGET, kind.parent.listing.operation, **kind.parent.listing.fixed)
            within = {kind.parent.parameter: page[kind.parent.listing.member][0][kind.parent.field]}
        asked[kind.listing.operation] = {**kind.listing.fixed, **within}
        page = aws.call(TARGET, kind.listing.operation, **asked[kind.listing.operation])
        job = summary(kind, page[kind.listing.member][0])
        if kind.description:
            who = job.arn if kind.description.by_arn else job.name
            asked[kind.description.operation] = {**kind.description.fixed, kind.description.parameter: who}
        if kind.name == "pipeline_execution":
            asked[STEPS.operation] = {**STEPS.fixed, "PipelineExecutionArn": job.arn}
    return asked


LOGGED = "/aws/sagemaker/Endpoints/fraud-score"


@pytest.mark.parametrize("kind", [FakeAws, Nulls])
def test_answers_are_those_of_the_sdk(door, keys, kind):
    """We read JSON ourselves, and whoever asks must not see a difference: not even a null, which is no answer."""
    world = default_world(endpoints=12, begin=T0 - HOUR)
    add_one_of_each(world, T0 - HOUR)
    door.fake = FakeAws(world, door.true.now)
    of_jobs = asked_of_jobs(door.aws)
    clusters = [one["ClusterName"] for one in door.aws.call(TARGET, "ListClusters")["ClusterSummaries"]]
    modes = {name: door.aws.call(TARGET, "DescribeCluster", ClusterName=name) for name in clusters}
    logging = next(name for name, told in modes.items() if told.get("NodeProvisioningMode") == CONTINUOUS)
    door.fake = kind(world, door.true.now)
    (endpoint, *_), (component, *_) = (
        [one[f"{name}Name"] for one in door.aws.call(TARGET, f"List{name}s")[f"{name}s"]]
        for name in ("Endpoint", "InferenceComponent")
    )
    config = door.aws.call(TARGET, "DescribeEndpoint", EndpointName=endpoint)["EndpointConfigName"]
    asked = {
        "ListMetrics": {"Namespace": "AWS/SageMaker"},
        "DescribeAlarms": {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]},
        "DescribeAlarmHistory": {"HistoryItemType": "StateUpdate"},
        "ListEndpoints": {},
        "DescribeEndpoint": {"EndpointName": endpoint},
        "DescribeEndpointConfig": {"EndpointConfigName": config},
        "ListInferenceComponents": {},
        "DescribeInferenceComponent": {"InferenceComponentName": component},
        "DescribeScalableTargets": {"ServiceNamespace": "sagemaker"},
        "GetResources": {},
        "GetProducts": {"ServiceCode": "AmazonSageMaker"},
        "ListServiceQuotas": {"ServiceCode": "sagemaker"},
        "ListAWSDefaultServiceQuotas": {"ServiceCode": "sagemaker"},
        LISTING.operation: {**LISTING.fixed, "ClusterName": logging},
        "DescribeLogGroups": {},
        "DescribeLogStreams": {"logGroupName": LOGGED},
        "DescribeSubscriptionFilters": {"logGroupName": LOGGED},
        "FilterLogEvents": {"logGroupName": LOGGED, "endTime": round((T0 - HOUR + 600) * 1000)},
        "LookupEvents": {"StartTime": T0 - 3 * HOUR, "EndTime": T0 - 2 * HOUR},  # no record of then comes meanwhile
        **of_jobs,
        **{kind.operation: dict(kind.fixed) for kind in KINDS.values() if kind.operation not in of_jobs},
    }
    others = {"sqs", "s3"}  # what is taken is not there twice, and no body of S3's is JSON
    taken = {name for name, operation in OPERATIONS.items() if operation.service in others}
    taken |= {call.operation for kind in KINDS.values() for call in kind.calls} - asked.keys()  # see test_things_street
    assert asked.keys() == OPERATIONS.keys() - taken - {"GetCallerIdentity", "AssumeRole", "GetMetricData"}
    plain = WholeSessions("theirs")
    plain.fake = door
    sdk = plain.ambient()
    for operation, params in asked.items():
        theirs = sdk.invoke(OPERATIONS[operation].service, REGION, operation, params, lambda *_, **__: None)
        theirs.pop("ResponseMetadata")
        assert theirs[OPERATIONS[operation].member]
        ours = door.aws.call(TARGET, operation, **params)
        assert {name: one for name, one in ours.items() if name != "ResponseMetadata"} == theirs


@pytest.fixture(scope="module")
def two_doors():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", access_key(ACCOUNT))
        patch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        doors = [Door(sessions) for sessions in (WholeSessions, PluggedSessions)]
        assert [door.login() for door in doors] == [TARGET, TARGET]
    yield doors
    for door in doors:
        door.aws.close()


@pytest.mark.parametrize("fault", [None, *ERRORS, *RESULTS, *DELIVERIES])
def test_a_street_hears_what_the_whole_sdk_says(two_doors, fault, monkeypatch):
    """Its requests are cut short: see `cut_short` in the fake's transport."""
    monkeypatch.setattr("random.random", lambda: 0.5)

    def told(door):
        door.begin_again()
        door.world.add_endpoint(*WHERE, "churn", T0 - HOUR)
        door.world.put(*WHERE, "AWS/SageMaker", "Invocations", {"EndpointName": "churn"}, T0 - 600, 7.0)
        if fault:
            door.fake.faults.add(fault, seconds=31.0)
        said = [outcome(door, USES[name]) for name in USES]
        said.append(outcome(door, lambda door: door.aws.call(TARGET, "DescribeEndpoint", EndpointName="nobody")))
        said.append(outcome(door, lambda door: door.aws.call(TARGET, "DescribeEndpoint", NoSuchParameter=1)))
        heard = [(one.name, one.who, one.parameters, one.error) for one in door.world.calls(*WHERE, 0.0, T0 + HOUR)]
        return said, heard, list(door.fake.calls), door.tally.samples("own", 0.0), door.true.time

    whole, short = map(told, two_doors)
    for of_whole, of_short in zip(whole, short, strict=True):
        assert of_short == of_whole
    assert len(whole[1]) > (0 if fault == "slow" else 3)


def outcome(door, use):
    """Return what came of a call: an answer, but for what the SDK notes of it, or an error."""
    try:
        answer = use(door)
    except AwsError as error:
        text = str(error).replace(" (reached max retries: 0)", "")  # which the SDK says of the retries that it has not
        return error.error_class, text, error.login
    return {k: v for k, v in answer.items() if k != "ResponseMetadata"} if isinstance(answer, dict) else answer


@every_use
@pytest.mark.parametrize("text", [b"", b"[]", b"null", b'"Metrics"', b'{"Metrics": [}', b"\xff", b"<html>"])
def test_what_is_no_answer_is_asked_for_again(door, operation, text, monkeypatch):
    before = door.sent(operation)
    answer = door.fake.answer

    def garbled(*request):
        real = answer(*request)
        real.headers["Content-Length"] = str(len(text))
        return type(real)(real.status, real.headers, text)

    monkeypatch.setattr(door.fake, "answer", garbled)
    with pytest.raises(AwsError) as failed:
        use(door, operation)
    assert failed.value.error_class == "transient"
    assert door.sent(operation) == before + TRIES


# -- pages -------------------------------------------------------------------------------------------------------------


def endpoints(door, count):
    for n in range(count):
        door.world.add_endpoint(*WHERE, f"e{n:03d}", T0 - HOUR, tags={"team": "ml"})


def test_pages_are_followed_to_the_end(door):
    endpoints(door, 250)
    pages = list(door.aws.pages(TARGET, "ListEndpoints", MaxResults=100))
    assert [len(page["Endpoints"]) for page in pages] == [100, 100, 50]
    assert len({one["EndpointName"] for page in pages for one in page["Endpoints"]}) == 250


def test_pages_by_another_token_too(door):
    endpoints(door, 3)
    pages = door.aws.pages(TARGET, "GetResources", ResourcesPerPage=1)
    found = [one["ResourceARN"] for page in pages for one in page["ResourceTagMappingList"]]
    assert len(found) == 3 == door.sent("GetResources")


def test_a_page_that_can_not_be_had_ends_the_listing_with_an_error(door):
    endpoints(door, 250)
    pages = door.aws.pages(TARGET, "ListEndpoints", MaxResults=100)
    next(pages)
    door.fake.faults.add("http_500", operation="ListEndpoints")
    with pytest.raises(AwsError):
        next(pages)


class LoopingAws(FakeAws):
    """Answers with one of two tokens for ever."""

    def answer(self, method, path, headers, body):
        answer = super().answer(method, path, headers, orjson.dumps({**orjson.loads(body), "NextToken": None}))
        token = {"a": "b"}.get(orjson.loads(body).get("NextToken"), "a")
        looping = orjson.dumps({**orjson.loads(answer.body), "NextToken": token})
        answer.headers["Content-Length"] = str(len(looping))
        return type(answer)(answer.status, answer.headers, looping)


def test_pages_that_do_not_end_are_an_error(door):
    door.fake = LoopingAws(door.world, door.true.now)
    with pytest.raises(AwsError, match="do not end") as failed:
        list(door.aws.pages(TARGET, "ListEndpoints"))
    assert failed.value.error_class == "transient"
    assert door.count("aws_requests_total", "ListEndpoints") == 3


# -- how fast ----------------------------------------------------------------------------------------------------------


def test_requests_wait_for_their_turn_and_that_is_told(door):
    for _ in range(11):
        use(door, "ListEndpoints")
    assert door.true.time == pytest.approx(T0 + 2.2, abs=0.01)
    assert door.count("aws_budget_wait_seconds_total", "ListEndpoints") == pytest.approx(2.2)


def test_rates_are_per_target_and_operation(door):
    for _ in range(5):
        use(door, "ListEndpoints")
        use(door, "ListMetrics")
    assert door.true.time == T0


def test_rates_can_be_set(door):
    door.aws._rates = {"ListEndpoints": 0.5}
    for _ in range(3):
        use(door, "ListEndpoints")
    assert door.true.time == pytest.approx(T0 + 4.2, abs=0.01)


def test_retries_wait_for_their_turn_too(door):
    door.aws._rates = {"ListEndpoints": 0.1}
    door.fake.faults.add("http_500", operation="ListEndpoints", first=2)
    use(door, "ListEndpoints")
    assert door.true.time == pytest.approx(T0 + 20.2, abs=0.01)


@pytest.mark.parametrize(("start", "name", "rate"), [(T0 - HOUR, "recent", 90_000), (T0 - 9 * HOUR, "older", 198_000)])
def test_datapoints_asked_for_in_a_second_stay_below_half_of_the_quota(door, start, name, rate):
    asked = call(*[query()] * 200, start=start, datapoints=200 * (T0 - start) // MINUTE)
    for _ in range(20):
        door.aws.metric_data(TARGET, [asked])
    assert rate / 2 < door.fake.bill.highest[f"datapoints.{name}"] <= rate


def test_datapoints_in_a_second_are_as_many_as_configured(door):
    door.aws.limit({}, (9_000.0, 20_000.0))
    for _ in range(5):
        door.aws.metric_data(TARGET, [call(*[query()] * 100, datapoints=6_000)])
        door.aws.metric_data(TARGET, [call(*[query()] * 30, start=T0 - 9 * HOUR, datapoints=16_200)])
    highest = door.fake.bill.highest
    assert (highest["datapoints.recent"], highest["datapoints.older"]) == (6_000, 16_200)


# -- who we are --------------------------------------------------------------------------------------------------------


def test_login_says_who_we_are(fresh):
    assert fresh.login(alias="prod") == TARGET
    assert fresh.told("target_up") == {WHERE: 1.0}
    assert fresh.told("target_info") == {(*WHERE, "prod", "aws"): 1.0}


def test_the_account_that_was_expected(fresh):
    assert fresh.login(account_id=ACCOUNT) == TARGET
    assert fresh.told("target_up") == {WHERE: 1.0}


def test_the_wrong_account_is_denied(fresh):
    with pytest.raises(AwsError, match=f"logged in to account {ACCOUNT}, but .* says 999999999999") as failed:
        fresh.login(account_id="999999999999")
    assert (failed.value.error_class, failed.value.login) == ("denied", True)
    assert fresh.told("target_up") == {("999999999999", REGION): 0.0}
    assert not fresh.told("target_info")


def test_a_profile_that_does_not_exist_is_no_login(fresh, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "no-such")
    with pytest.raises(AwsError, match=r"The config profile \(no-such\) could not be found") as failed:
        fresh.login(account_id=ACCOUNT)
    assert (failed.value.error_class, failed.value.login) == ("denied", True)
    assert fresh.told("target_up") == {WHERE: 0.0}


def test_the_second_way_into_a_target_is_none(fresh):
    fresh.login(alias="prod")
    with pytest.raises(SameTargetError, match=f"{ACCOUNT} in {REGION} is account {ACCOUNT}, as prod is"):
        fresh.login(account_id=ACCOUNT)
    assert fresh.told("target_up") == {WHERE: 1.0}
    assert fresh.told("target_info") == {(*WHERE, "prod", "aws"): 1.0}
    assert fresh.login(alias="prod") == TARGET
    fresh.aws.forget(TARGET)
    assert fresh.login(account_id=ACCOUNT) == TARGET


def test_nobody_is_denied(fresh, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AwsError, match="credentials") as failed:
        fresh.login(account_id=ACCOUNT)
    assert (failed.value.error_class, failed.value.login) == ("denied", True)
    assert fresh.told("target_up") == {WHERE: 0.0}


def test_credentials_that_come_later_are_found(fresh):
    with pytest.MonkeyPatch.context() as nobody:
        nobody.delenv("AWS_ACCESS_KEY_ID")
        nobody.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(AwsError):
            fresh.login(account_id=ACCOUNT)
    assert fresh.login(account_id=ACCOUNT) == TARGET
    assert fresh.told("target_up") == {WHERE: 1.0}


def test_strange_keys_are_denied(fresh, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASTRANGER")
    with pytest.raises(AwsError) as failed:
        fresh.login(account_id=ACCOUNT)
    assert (failed.value.error_class, failed.value.login) == ("denied", True)
    assert fresh.told("target_up") == {WHERE: 0.0}


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_partitions(fresh, region, partition):
    answer = {"Account": ACCOUNT, "Arn": f"arn:{partition}:iam::{ACCOUNT}:user/demo"}
    with mock.patch.object(fresh.aws, "_call", return_value=answer):
        fresh.login(region)
    assert fresh.told("target_info") == {(ACCOUNT, region, "", partition): 1.0}


@pytest.mark.parametrize("operation", ["ListEndpoints", "GetMetricData"])
def test_credentials_that_expire_mid_run_take_the_target_down_until_they_work_again(door, operation):
    door.fake.faults.add("expired_token", first=1)
    with pytest.raises(AwsError, match="expired") as failed:
        use(door, operation)
    assert failed.value.login
    assert door.told("target_up") == {WHERE: 0.0}
    use(door, operation)
    assert door.told("target_up") == {WHERE: 1.0}


@pytest.mark.parametrize("kind", ["deny", "throttle", "http_500"])
def test_other_failures_do_not_take_the_target_down(door, kind):
    use(door, "ListMetrics")
    door.fake.faults.add(kind, operation="ListEndpoints")
    with pytest.raises(AwsError):
        use(door, "ListEndpoints")
    assert door.told("target_up") == {WHERE: 1.0}


def test_errors_go_by_both_of_their_names(door):
    """STS speaks the query protocol, CloudWatch keeps its names beside JSON, SageMaker speaks JSON alone."""
    for kind, error_class, told in (
        ("throttle", "throttled", 1),
        ("deny", "denied", 1),
        ("expired_token", "denied", 2),
    ):
        for operation in ("GetCallerIdentity", "ListMetrics", "ListEndpoints"):
            door.fake.faults.add(kind, operation=operation, first=1)
            with suppress(AwsError):
                use(door, operation)
            assert door.count("aws_errors_total", operation, error_class) == told


# -- roles, over the wire ----------------------------------------------------------------------------------------------

ROLE = f"arn:aws:iam::{ACCOUNT}:role/sagemaker-exporter"


class ServedDoor:
    """A door to a fake AWS on a loopback port, in real time: the SDK itself looks when credentials expire."""

    def __init__(self, monkeypatch, role):
        self.world = World()
        self.world.add_role(ACCOUNT, role)
        self.fake = FakeAws(self.world, time.time)
        self.server = serve(self.fake)
        monkeypatch.setenv("AWS_ENDPOINT_URL", self.server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key("111111111111"))
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        self.tally = Tally()
        self.aws = Aws(SystemClock(), self.tally, "test")

    told, count = Door.told, Door.count

    def close(self):
        self.aws.close()
        self.server.close()


@pytest.fixture
def served(monkeypatch):
    made = []

    def serve_with(role):
        made.append(ServedDoor(monkeypatch, role))
        return made[-1]

    yield serve_with
    for door in made:
        door.close()


def test_a_role_is_assumed_with_the_external_id_that_it_demands(served):
    door = served(Role("sagemaker-exporter", "secret-id"))
    target = door.aws.login(Account(account_id=ACCOUNT, role_arn=ROLE, external_id="secret-id"), REGION)
    assert target == TARGET
    assert door.told("target_up") == {WHERE: 1.0}
    assert door.count("aws_requests_total", "AssumeRole") == 1
    assert door.fake.bill.requests["sts.AssumeRole"] == 1
    assert door.told("aws_credentials_expiry_timestamp_seconds")[WHERE] == pytest.approx(time.time() + 3600, abs=60)
    door.aws.call(target, "ListEndpoints")
    assert door.fake.bill.requests["sts.AssumeRole"] == 1, "a role is assumed once"
    assert f"arn:aws:sts::{ACCOUNT}:assumed-role/sagemaker-exporter/sagemaker-exporter" in door.fake.bill.actions


def test_two_regions_share_a_role(served):
    door = served(Role("sagemaker-exporter"))
    account = Account(role_arn=ROLE)
    targets = [door.aws.login(account, region) for region in (REGION, "eu-west-1")]
    assert targets == [TARGET, Target(ACCOUNT, "eu-west-1")]
    assert door.fake.bill.requests["sts.AssumeRole"] == 1


def test_connections_end_with_the_door(served):
    door = served(Role("sagemaker-exporter"))
    target = door.aws.login(Account(role_arn=ROLE), REGION)
    door.aws.call(target, "ListEndpoints")
    port = int(door.server.url.rpartition(":")[2])

    def kept():
        """The connections of this machine to the port of the fake that are established, as Linux tells them."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return [row for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"]

    assert kept()
    door.aws.close()
    wait_for(lambda: not kept())


@pytest.mark.parametrize("external_id", [None, "wrong"])
def test_a_role_that_may_not_be_assumed_is_a_denial(served, external_id):
    door = served(Role("sagemaker-exporter", "secret-id"))
    with pytest.raises(AwsError, match="AssumeRole") as failed:
        door.aws.login(Account(account_id=ACCOUNT, role_arn=ROLE, external_id=external_id), REGION)
    assert failed.value.error_class == "denied"
    assert "secret-id" not in str(failed.value)
    assert door.count("aws_requests_total", "AssumeRole") == 1


def test_a_denied_role_is_not_asked_for_by_every_call(served):
    door = served(Role("sagemaker-exporter", "secret-id"))
    for _ in range(5):
        with pytest.raises(AwsError, match="AssumeRole"):
            door.aws.login(Account(role_arn=ROLE), REGION)
    assert door.fake.bill.requests["sts.AssumeRole"] == 1


def test_logins_at_the_same_time_do_not_take_each_others_accounts(monkeypatch):
    """Each waits for its turn, and is throttled now and then: in between, the others go on."""
    accounts = [str(n) * 12 for n in range(1, 9)]
    door = ServedDoor(monkeypatch, Role("sagemaker-exporter"))
    try:
        for account in accounts:
            door.world.add_role(account, Role("sagemaker-exporter"))
            door.world.add_endpoint(account, REGION, f"of-{account}", time.time() - HOUR)
        door.fake.faults.add("http_503", operation="GetCallerIdentity", first=4)
        wanted = [Account(role_arn=f"arn:aws:iam::{account}:role/sagemaker-exporter") for account in accounts]
        with ThreadPoolExecutor(8) as logins:
            targets = list(logins.map(door.aws.login, wanted, [REGION] * 8))
        assert [target.account_id for target in targets] == accounts
        for target in targets:
            (endpoint,) = door.aws.call(target, "ListEndpoints")["Endpoints"]
            assert endpoint["EndpointName"] == f"of-{target.account_id}"
        assert {labels[0] for labels in door.told("aws_requests_total")} == set(accounts)
    finally:
        door.close()


def test_a_target_whose_role_may_not_be_assumed_is_down(served):
    door = served(Role("sagemaker-exporter", "secret-id"))
    with pytest.raises(AwsError):
        door.aws.login(Account(account_id=ACCOUNT, role_arn=ROLE), REGION)
    assert door.told("target_up") == {WHERE: 0.0}


def test_the_error_is_counted_for_the_operation_that_was_denied(served):
    door = served(Role("sagemaker-exporter", "secret-id"))
    with pytest.raises(AwsError):
        door.aws.login(Account(account_id=ACCOUNT, role_arn=ROLE), REGION)
    assert door.count("aws_errors_total", "AssumeRole", "denied") == 1
    assert door.count("aws_requests_total", "GetCallerIdentity") == door.fake.bill.requests["sts.GetCallerIdentity"]


def test_a_machine_whose_clock_is_hours_ahead_gets_an_error_of_aws(served):
    door = served(Role("sagemaker-exporter"))
    door.fake.advance(-2 * HOUR)
    with pytest.raises(AwsError):
        door.aws.login(Account(role_arn=ROLE), REGION)


def test_aws_that_can_not_be_reached_is_tried_again(served):
    door = served(Role("sagemaker-exporter"))
    door.aws.login(Account(), REGION)
    door.server.close()
    with pytest.raises(AwsError) as failed:
        door.aws.call(Target("111111111111", REGION), "ListEndpoints")
    assert failed.value.error_class == "transient"
    assert door.count("aws_requests_total", "ListEndpoints") == TRIES


# -- what time it is ---------------------------------------------------------------------------------------------------


def test_the_time_of_aws_holds_back_a_clock_that_runs_ahead(door):
    door.clock.off = 3600.0
    use(door, "ListEndpoints")
    assert door.clock.now() == door.true.time
    assert door.told("clock_skew_seconds")[WHERE] == 3600.0
    door.clock.off = -120.0
    use(door, "ListEndpoints")
    assert door.clock.now() == door.true.time - 120
    assert door.told("clock_skew_seconds")[WHERE] == -120.0


def test_a_reply_carries_the_time_of_aws(door):
    door.clock.off = 3600.0
    (reply,) = door.aws.metric_data(TARGET, [call()])
    assert reply.date == door.true.time
    assert reply.began == door.true.steady


def test_an_answer_without_a_date_teaches_nothing(door):
    door.fake._headers = lambda *_: {"Content-Type": "application/json", "Date": "yesterday"}
    door.clock.off = 50.0
    (reply,) = door.aws.metric_data(TARGET, [call()])
    assert reply.date == door.clock.now() == T0 + 50
    assert WHERE not in door.told("clock_skew_seconds")


def test_nothing_is_left_of_the_time_before_the_account_was_known(fresh):
    fresh.login()
    for family in ("target_up", "clock_skew_seconds", "aws_credentials_expiry_timestamp_seconds"):
        assert ("", REGION) not in fresh.told(family)


# -- stopping ----------------------------------------------------------------------------------------------------------


def test_after_a_stop_calls_fail_and_nothing_is_sent(door):
    before = door.fake.bill.requests.total()
    door.aws.stopping.set()
    with pytest.raises(AwsError, match="stopping"):
        use(door, "ListEndpoints")
    with pytest.raises(AwsError, match="stopping"):
        use(door, "GetMetricData")
    assert door.fake.bill.requests.total() == before


def stop_at_the_first_wait(door):
    wait = door.clock.wait

    def stop(event, seconds):
        door.aws.stopping.set()
        return wait(event, 0.0)

    door.clock.wait = stop


@pytest.mark.parametrize("kind", ["throttle", "http_500"])
def test_a_stop_ends_the_wait_for_another_try(door, kind):
    door.fake.faults.add(kind, operation="ListEndpoints")
    stop_at_the_first_wait(door)
    with pytest.raises(AwsError):
        use(door, "ListEndpoints")
    assert door.sent("ListEndpoints") == 1
    assert door.true.time == pytest.approx(T0, abs=0.01)


def test_a_stop_ends_the_wait_for_a_turn(door):
    for _ in range(5):
        use(door, "ListEndpoints")
    stop_at_the_first_wait(door)
    with pytest.raises(AwsError, match="stopping"):
        use(door, "ListEndpoints")
    assert door.sent("ListEndpoints") == 5


def test_after_the_close_calls_fail_as_they_do_when_stopping(fresh):
    fresh.login()
    fresh.aws.close()
    (failed,) = fresh.aws.metric_data(TARGET, [call()])
    assert isinstance(failed, AwsError)


# -- many at once ------------------------------------------------------------------------------------------------------


def test_threads_get_the_answers_to_their_own_questions(door):
    """What a thread hands to the hooks of the SDK must never reach the request of another one."""
    endpoints(door, 20)
    for n in range(20):
        for minute in range(n + 1):
            at = T0 - HOUR + minute * MINUTE
            door.world.put(*WHERE, "AWS/SageMaker", "Invocations", {"EndpointName": f"e{n:03d}"}, at, 1)
    wrong = []

    def describe(n):
        name = f"e{n:03d}"
        if door.aws.call(TARGET, "DescribeEndpoint", EndpointName=name)["EndpointName"] != name:
            wrong.append(name)

    def read(n):
        (reply,) = door.aws.metric_data(TARGET, [call(query(name=f"e{n:03d}"))])
        if sum(reply.results[0].values) != n + 1:
            wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(20) for work in (describe, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert door.count("aws_requests_total", "DescribeEndpoint") == 20
    assert door.count("aws_requests_total", "GetMetricData") == 20


def test_replies_come_in_the_order_of_their_calls(door):
    for n in range(40):
        door.world.put(*WHERE, "AWS/SageMaker", "Invocations", {"EndpointName": f"e{n}"}, T0 - HOUR, n)
    replies = door.aws.metric_data(TARGET, [call(query(name=f"e{n}")) for n in range(40)])
    assert [reply.results[0].values for reply in replies] == [[float(n)] for n in range(40)]


def test_threads_are_kept_for_the_next_run(door):
    door.aws._idle.clear()
    door.aws.metric_data(TARGET, [call(), call()])
    (crew,) = door.aws._idle
    for _ in range(3):
        door.aws.metric_data(TARGET, [call(), call()])
        assert door.aws._idle == [crew]


def test_a_run_that_waits_holds_up_no_other(door, monkeypatch):
    ask, go_on, waiting = door.aws._metric_data, threading.Event(), threading.Semaphore(0)
    door.aws._idle.clear()
    door.aws.metric_data(TARGET, [call(), call()])

    def held_up(target, asked, unpacked):
        if asked.metrics == 0:
            waiting.release()
            go_on.wait(60)
        return ask(target, asked, unpacked)

    monkeypatch.setattr(door.aws, "_metric_data", held_up)
    with ThreadPoolExecutor(2) as runs:
        slow = runs.submit(door.aws.metric_data, TARGET, [call(metrics=0)] * 40)
        try:
            for _ in range(WORKERS):
                assert waiting.acquire(timeout=30)
            quick = runs.submit(door.aws.metric_data, TARGET, [call()] * 4)
            assert len(quick.result(30)) == 4
            assert not slow.done()
        finally:
            go_on.set()
        assert len(slow.result(60)) == 40
    assert len(door.aws._idle) == 2


def test_answers_are_unpacked_one_after_the_other(door, monkeypatch):
    """Each takes ten times its room then. None is while it waits for its next page, or all would wait with it."""
    unpacked, most, another = [], [], threading.Event()

    def taken(_, reply):
        another.wait(0.5)  # for who would come too early
        unpacked.pop()
        another.set()
        return reply

    def decode(text):
        page = decoded(text)
        unpacked.append(page)
        most.append(len(unpacked))
        if len(unpacked) > 1:
            another.set()
        return page

    decoded = metric_data.decode
    monkeypatch.setattr("exporter.aws.metric_data.decode", decode)
    assert len(door.aws.metric_data(TARGET, [call()] * 40, taken)) == 40
    assert (set(most), unpacked) == ({1}, [])
    assert not door.aws._unpacking.locked()


def test_who_waits_for_a_next_page_lets_the_others_unpack(door, monkeypatch):
    told, send, body = [], door.aws._send, metric_data.body
    first = metric_data.Page(["q0"], [metric_data.Result()], "more")
    pages = [first, metric_data.Page(["q0"], [metric_data.Result()])]
    monkeypatch.setattr("exporter.aws.metric_data.decode", lambda _: pages.pop(0))

    def sending(*given):
        told.append(door.aws._unpacking.locked())
        return send(*given)

    monkeypatch.setattr(door.aws, "_send", sending)
    monkeypatch.setattr("exporter.aws.metric_data.body", lambda asked, _: body(asked, None))
    door.aws.metric_data(TARGET, [call()])
    assert told == [False, False]


def test_a_fault_of_ours_leaves_no_call_behind(door, monkeypatch):
    door.aws._idle.clear()
    with monkeypatch.context() as broken:
        broken.setattr(door.aws, "_metric_data", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            door.aws.metric_data(TARGET, [call()] * 20)
    assert not door.aws._idle
    assert len(door.aws.metric_data(TARGET, [call()] * 20)) == 20


def test_a_login_that_hangs_does_not_hold_up_the_end(fresh):
    fresh.login()
    with ThreadPoolExecutor(1) as other, fresh.aws._sessions.lock:  # as long as it asks who it is
        other.submit(fresh.aws.close).result(30)


def test_threads_end_with_the_door(fresh):
    fresh.login()
    before = set(threading.enumerate())
    fresh.aws.metric_data(TARGET, [call()] * 20)
    kept = set(threading.enumerate()) - before
    assert kept
    fresh.aws.close()
    wait_for(lambda: not any(thread.is_alive() for thread in kept))
