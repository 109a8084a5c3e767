"""The fake AWS itself: a request in, an answer out, without a socket.

Tells the services apart, knows who calls, lets the faults strike and the bill count, and writes answers and errors down
as AWS's protocols do: AWS JSON for all but STS, which speaks the query protocol, and A2I and S3, which speak REST. What
it has answered is known to CloudTrail. The operations are in `cloudtrail`, `cloudwatch`, `cloudwatch_alarms`,
`sagemaker`, `job_calls`, `thing_calls`, `autoscaling`, `log_calls`, `prices`, `quotas`, `s3`, `sqs`, `tagging`, `sts`.
"""

from __future__ import annotations

import re
from collections import deque
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

import orjson

from exporter.demo import (
    autoscaling,
    cloudtrail,
    cloudwatch,
    cloudwatch_alarms,
    job_calls,
    log_calls,
    prices,
    quotas,
    s3,
    sagemaker,
    sqs,
    sts,
    tagging,
    thing_calls,
)
from exporter.demo.bill import Bill
from exporter.demo.call import Answer, AwsError, Call
from exporter.demo.calls import SAGEMAKER, ApiCall, spelt
from exporter.demo.control import CONTROL, control
from exporter.demo.faults import Faults
from exporter.demo.traffic import number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.demo.world import World


class _Service(NamedTuple):
    name: str
    signed_as: str
    operations: Mapping[str, Callable[[Call], dict[str, Any]]]


MOMENT = 0.1  # seconds that a long poll waits before it looks again: time alone makes messages visible

_BY_TARGET = {
    "AWSPriceListService": _Service("pricing", "pricing", prices.OPERATIONS),
    "AmazonSQS": _Service("sqs", "sqs", sqs.OPERATIONS),
    "AnyScaleFrontendService": _Service("application-autoscaling", "application-autoscaling", autoscaling.OPERATIONS),
    "GraniteServiceVersion20100801": _Service(
        "cloudwatch", "monitoring", cloudwatch.OPERATIONS | cloudwatch_alarms.OPERATIONS
    ),
    "Logs_20140328": _Service("logs", "logs", log_calls.OPERATIONS),
    "ResourceGroupsTaggingAPI_20170126": _Service("tagging", "tagging", tagging.OPERATIONS),
    "SageMaker": _Service(
        "sagemaker", "sagemaker", sagemaker.OPERATIONS | job_calls.OPERATIONS | thing_calls.OPERATIONS
    ),
    "ServiceQuotasV20190624": _Service("servicequotas", "servicequotas", quotas.OPERATIONS),
    "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101": _Service(
        "cloudtrail", "cloudtrail", cloudtrail.OPERATIONS
    ),
}
_STS_NAMES = "https://sts.amazonaws.com/doc/2011-06-15/"
_STS = _Service("sts", "sts", sts.OPERATIONS)
_A2I = _Service("sagemaker-a2i-runtime", "sagemaker", job_calls.A2I_OPERATIONS)
_S3 = _Service("s3", "s3", s3.OPERATIONS)
_LOOPS = "/human-loops"
_FOR_S3 = re.compile(r"Credential=[^,\s]+/s3/aws4_request")
_S3_NAMES = {
    "AccessDeniedException": "AccessDenied",
    "ExpiredTokenException": "ExpiredToken",
    "InternalFailure": "InternalError",
    "ThrottlingException": "SlowDown",
    "UnknownOperationException": "MethodNotAllowed",
    "UnrecognizedClientException": "InvalidAccessKeyId",
}
_S3_STATUS = {"AccessDenied": 403, "MethodNotAllowed": 405, "SlowDown": 503}

_EVENT_SOURCES = {
    "application-autoscaling": "autoscaling.amazonaws.com",
    "cloudtrail": "cloudtrail.amazonaws.com",
    "cloudwatch": "monitoring.amazonaws.com",
    "logs": "logs.amazonaws.com",
    "pricing": "pricing.amazonaws.com",
    "sagemaker": SAGEMAKER,
    "sagemaker-a2i-runtime": SAGEMAKER,
    "servicequotas": "servicequotas.amazonaws.com",
    "sts": "sts.amazonaws.com",
    "tagging": "tagging.amazonaws.com",
}
"""What CloudTrail calls the services of whose calls it keeps management events; of queues and buckets none is made."""

_DATA_EVENTS = frozenset({"GetMetricData", "ListMetrics", "FilterLogEvents"})  # of CloudWatch


class FakeAws:
    """Answers like AWS from a world, by its own clock. Threads may share it."""

    def __init__(self, world: World, now: Callable[[], float], seed: int = 0) -> None:
        """Serve `world`; `now` is Unix time and may be moved by `set_clock` and `advance`."""
        self.world: World = world
        self.bill: Bill = Bill()
        self.faults: Faults = Faults(seed)
        self.calls: deque[dict[str, Any]] = deque(maxlen=10_000)
        self._now = now
        self._ahead = 0.0
        self._seed = seed
        self._answered = 0

    def now(self) -> float:
        """Return the fake's time."""
        return self._now() + self._ahead

    def set_clock(self, to: float) -> None:
        """Let the fake's time go on from `to`."""
        self._ahead = to - self._now()

    def advance(self, seconds: float) -> None:
        """Move the fake's time."""
        self._ahead += seconds

    def truth(
        self,
        account: str,
        region: str,
        namespace: str,
        metric: str,
        dimensions: Mapping[str, str],
        statistic: str,
        start: float,
        end: float,
    ) -> float:
        """Return what CloudWatch will say in the end of `start` <= t < `end`; see World.truth."""
        return self.world.truth(account, region, namespace, metric, dimensions, statistic, start, end)

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Return (status, headers, body). ConnectionResetError: a fault cuts the connection. Never waits."""
        answer = self.answer(method, path, headers, body)
        if answer.reset:
            raise ConnectionResetError("a fault of the fake AWS")
        return answer.status, answer.headers, answer.body

    def answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, patient: bool = False
    ) -> Answer:
        """Return the answer to a request, with what is to become of it on the wire; only the `patient` wait for it."""
        with self.world.lock:
            self._answered += 1
            if path.startswith(CONTROL):
                status, text = control(self, method, path, body)
                return Answer(status, self._headers("application/json", text), text)
            lower = {name.lower(): value for name, value in headers.items()}
            if "x-amz-target" in lower:
                return self._json(lower, body, self._hold if patient else None)
            if _FOR_S3.search(lower.get("authorization", "")):
                return self._s3(lower, method, path)
            if path.startswith(_LOOPS):
                return self._rest(lower, path)
            return self._query(lower, body)

    def _hold(self) -> float:
        """Let go of the world for a moment."""
        self.world.arrival.wait(MOMENT)
        return self.now()

    def _json(self, headers: Mapping[str, str], body: bytes, hold: Callable[[], float] | None) -> Answer:
        prefix, _, operation = headers["x-amz-target"].rpartition(".")
        call, error, extra = None, None, {}
        try:
            call = self._call(_BY_TARGET.get(prefix), operation, headers, partial(_loads, body), hold)
            status, text = 200, orjson.dumps(self._perform(call))
        except AwsError as raised:
            error, status = raised, raised.status
            message = "Message" if error.name.startswith("AccessDenied") else "message"
            text = orjson.dumps({"__type": error.name, message: error.message})
            if headers.get("x-amzn-query-mode") == "true":
                extra = {"x-amzn-query-error": f"{error.query_name};{error.fault}"}
        content_type = headers.get("content-type", "application/x-amz-json-1.1")
        return self._sent(Answer(status, self._headers(content_type, text) | extra, text), call, error)

    def _rest(self, headers: Mapping[str, str], path: str) -> Answer:
        resource, _, query = path.partition("?")
        name = unquote(resource.removeprefix(_LOOPS).strip("/"))
        operation = "DescribeHumanLoop" if name else "ListHumanLoops"
        parameters = {"HumanLoopName": name} if name else dict(parse_qsl(query))
        call, error, extra = None, None, {}
        try:
            call = self._call(_A2I, operation, headers, lambda: parameters)
            status, text = 200, orjson.dumps(self._perform(call))
        except AwsError as raised:
            error, status = raised, raised.status
            text, extra = orjson.dumps({"Message": error.message}), {"x-amzn-ErrorType": error.name}
        return self._sent(Answer(status, self._headers("application/json", text) | extra, text), call, error)

    def _s3(self, headers: Mapping[str, str], method: str, path: str) -> Answer:
        resource, _, query = path.partition("?")
        bucket, _, key = unquote(resource).lstrip("/").partition("/")
        given = dict(parse_qsl(query, keep_blank_values=True)) | {"Bucket": bucket}
        operation = ("GetObject" if key else "ListObjectsV2") if method == "GET" else method
        call, error, body, status = None, None, b"", 200
        sent: dict[str, str] = {}
        try:
            call = self._call(_S3, operation, headers, lambda: given | ({"Key": key} if key else {}))
            answer = self._perform(call)
            if key:
                body = answer["Body"]
                sent = {"ETag": f'"{answer["ETag"]}"', "Last-Modified": formatdate(answer["LastModified"], usegmt=True)}
                sent |= {"Accept-Ranges": "bytes"} | (
                    {"Content-Encoding": answer["Encoding"]} if answer["Encoding"] else {}
                )
            else:
                body = _xml("ListBucketResult", answer, "http://s3.amazonaws.com/doc/2006-03-01/")
        except AwsError as raised:
            error = raised
            code = _S3_NAMES.get(error.name, error.name)
            status = _S3_STATUS.get(code, error.status)
            told = {"Code": code, "Message": error.message, "BucketName": bucket, "Key": key}
            told |= {"RequestId": self._request_id, "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR"}
            known = self.world.buckets.get(bucket)
            if known:
                told["Region"] = sent["x-amz-bucket-region"] = known.region
            body = _xml("Error", told, "")
        content_type = "application/xml" if error or not key else "application/json"
        return self._sent(Answer(status, self._headers(content_type, body) | sent, body), call, error)

    def _query(self, headers: Mapping[str, str], body: bytes) -> Answer:
        parameters = dict(parse_qsl(body.decode("utf-8", "replace")))
        operation = parameters.pop("Action", "")
        call, error = None, None
        try:
            call = self._call(_STS, operation, headers, lambda: parameters)
            result = {f"{operation}Result": self._perform(call), "ResponseMetadata": {"RequestId": self._request_id}}
            status, text = 200, _xml(f"{operation}Response", result, _STS_NAMES)
        except AwsError as raised:
            error, status = raised, raised.status
            told = {"Type": error.fault, "Code": error.query_name, "Message": error.message}
            text = _xml("ErrorResponse", {"Error": told, "RequestId": self._request_id}, _STS_NAMES)
        return self._sent(Answer(status, self._headers("text/xml", text), text), call, error)

    def _call(
        self,
        service: _Service | None,
        operation: str,
        headers: Mapping[str, str],
        parameters: Callable[[], dict[str, Any]],
        hold: Callable[[], float | None] | None = None,
    ) -> Call:
        now = self.now()
        principal, region, signed_as = sts.authenticate(headers, now)
        if service is None or operation not in service.operations:
            raise AwsError("UnknownOperationException", f"The fake AWS does not know the operation {operation}")
        if signed_as != service.signed_as:
            message = f"Credential should be scoped to correct service: '{service.signed_as}'."
            raise AwsError("InvalidSignatureException", message, 403)
        call = Call(
            service=service.name,
            operation=operation,
            principal=principal,
            region=region,
            now=now,
            parameters=parameters(),
            world=self.world,
            meter=self.bill,
            fault_on=self.faults.on_result,
            fails=lambda: self.faults.on_entry(call),
            hold=hold or _never,
            agent=headers.get("user-agent", ""),
        )
        return call

    def _perform(self, call: Call) -> dict[str, Any]:
        self.bill.take(call)
        self.faults.before(call)
        return _OPERATIONS[call.service, call.operation](call)

    def _sent(self, answer: Answer, call: Call | None, error: AwsError | None) -> Answer:
        if call is None:  # nobody knows whose it was
            return answer
        self.calls.append(
            {
                "at": call.now,
                "call": f"{call.service}.{call.operation}",
                "account": call.principal.account,
                "region": call.region,
                "error": error and error.name,
                "queries": len(call.parameters.get("MetricDataQueries", ())),
            }
        )
        self._remember(call, error)
        return self.faults.after(call, answer)

    def _remember(self, call: Call, error: AwsError | None) -> None:
        """Let CloudTrail know of a call."""
        source = _EVENT_SOURCES.get(call.service)
        if source and call.operation not in _DATA_EVENTS:
            answered = ApiCall(
                number_of(self._seed, "answered", self._answered, call.now),
                call.now,
                call.operation,
                sts.identity(call.principal, call.agent),
                source,
                (error.name, error.message) if error else None,
                spelt(call.parameters) or None,
                more={"requestID": self._request_id},
            )
            call.place.calls.hear(answered)

    def _headers(self, content_type: str, body: bytes) -> dict[str, str]:
        return {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Date": formatdate(self.now(), usegmt=True),
            "x-amzn-RequestId": self._request_id,
        }

    @property
    def _request_id(self) -> str:
        digits = f"{number_of(self._seed, self._answered):016x}{self._answered:016x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


_OPERATIONS = {
    (service.name, name): operation
    for service in (*_BY_TARGET.values(), _STS, _A2I, _S3)
    for name, operation in service.operations.items()
}


def _never() -> None:
    """Wait for nothing."""


def _loads(body: bytes) -> dict[str, Any]:
    try:
        parameters = orjson.loads(body or b"{}")
    except ValueError as error:
        raise AwsError("SerializationException", "The body is not JSON") from error
    if not isinstance(parameters, dict):
        raise AwsError("SerializationException", "The body is not a JSON object")
    return parameters


def _xml(element: str, members: dict[str, Any], names: str) -> bytes:
    return f'<{element} xmlns="{names}">{_members(members)}</{element}>'.encode()


def _members(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(_member(name, member) for name, member in value.items())
    return escape(str(value))


def _member(name: str, value: Any) -> str:
    """Return a member; a list is one after the other, as S3 writes them."""
    values = value if isinstance(value, list) else [value]
    return "".join(f"<{name}>{_members(one)}</{name}>" for one in values)
