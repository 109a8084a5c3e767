"""HOW we reach AWS: the one door. `login`, `call`, `pages`, `metric_data`; nothing outside knows the SDK.

Behind it: logins and clients (`sessions`), what may be called and what it costs (`operations`), how fast (`budget`),
what an error means (`errors`), and GetMetricData on the wire (`metric_data`). Beside it stand `queues` and `objects`,
which call through it. Every attempt is counted and priced here, whoever asked. Nothing here knows a family, a source or
what an answer is good for.
"""

from __future__ import annotations

import email.utils
import logging
import math
import os
import random
import threading
from collections import Counter as Tallies
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from exporter.aws import metric_data
from exporter.aws.budget import Limit
from exporter.aws.errors import AwsError, classify
from exporter.aws.metric_data import MetricCall, Reply
from exporter.aws.operations import (
    ANSWERS_AT,
    DATAPOINT_RATES,
    METRIC_PRICE,
    OPERATIONS,
    RECENT,
    TRAIL_PRICE,
    Operation,
)
from exporter.clock import Clock
from exporter.config import Account
from exporter.model import Target
from exporter.tally import Tally

if TYPE_CHECKING:
    from exporter.aws.sessions import Session, Sessions

__all__ = ["Aws", "AwsError", "MetricCall", "Reply", "SameTargetError", "Spent", "endpoints", "read_as", "spending"]

WORKERS = 16  # GetMetricData calls in flight, for each run on a target
TRIES = 3  # of a call that fails with a server error, a time-out or an unreadable answer
PATIENCE = 60.0  # seconds that a call waits out throttles before it gives up
LONGEST_PAUSE = 20.0
DENIED_FOR = 30.0  # seconds for which a denied AssumeRole is believed: every call would try it again
MOST_PAGES = 500  # of a call of GetMetricData, which is made to fit into one: a page for each query

_EPOCH = datetime.fromtimestamp(0, UTC)
_NOTHING = {"MetricDataQueries": [], "StartTime": _EPOCH, "EndTime": _EPOCH}
"""What the SDK makes a request of, into which goes our body. (It would look up the time zone of the machine, four
times a call, for times that are numbers.)"""

_BY_OTHERS = {"sqs", "s3", "pricing"}
"""What tells nothing of the login to a target: called by credentials of their own, or answered far from its region."""

_spender: ContextVar[str] = ContextVar("spender", default="none")
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class _Attempt(threading.local):
    """The request that this thread is sending: what the SDK's hooks are told, and what they tell."""

    def __init__(self) -> None:
        self.payload: bytes | None = None  # the body to send instead of the SDK's
        self.sent: Callable[[], object] = str  # to be called when it goes out
        self.began = 0.0
        self.body: bytes | None = None  # of the answer, taken from the SDK; None for one that it reads itself
        self.date = 0.0  # of the answer; 0 while there is none
        self.accepted = False  # AWS has answered, and done what was asked

    def begin(self, now: float, sent: Callable[[], object]) -> None:
        self.began, self.sent = now, sent
        self.body, self.date, self.accepted = None, 0.0, False


@contextmanager
def spending(source: str) -> Iterator[None]:
    """Let what is called meanwhile be on the bill of a source."""
    before = _spender.set(source)
    try:
        yield
    finally:
        _spender.reset(before)


class Spent(NamedTuple):
    """What a target has cost since the process began (USD), by list price: for metrics asked, and for all else."""

    metrics: float = 0.0
    other: float = 0.0


class SameTargetError(AwsError):
    """A login turned out to be into an account and region that another one is in already."""

    def __init__(self, text: str) -> None:
        super().__init__("denied", text, login=True)


def _reply(_: MetricCall, reply: Reply) -> Reply:
    return reply


class Aws:
    """The way to AWS of this process. Thread-safe."""

    def __init__(self, clock: Clock, tally: Tally, user_agent: str) -> None:
        self.stopping = threading.Event()  # once set, nothing waits any more and calls fail
        self._clock = clock
        self._tally = tally
        self.datapoint_rates = DATAPOINT_RATES  # of GetMetricData in force: for starts within 3 h, and for older ones
        self._rates: Mapping[str, float] = {}
        self._user_agent = user_agent
        self._opened: Sessions | None = None
        self._sessions_of: dict[Account, Session] = {}
        self._logins: dict[Target, Session] = {}
        self._owners: dict[Target, Account] = {}  # the first to log in to a target has it
        self._arns: dict[Target, str] = {}  # who we are there
        self._limits: dict[tuple[Target, str], Limit] = {}
        self._spent: dict[Target, Spent] = {}
        self._denied: dict[tuple[Target, Account], tuple[float, AwsError]] = {}  # AssumeRole, and when
        self._lock = threading.Lock()
        self._attempt = _Attempt()
        self._unpacking = threading.Lock()
        self._idle: list[ThreadPoolExecutor] = []  # as many at the most as runs of which each has had one

    @property
    def region(self) -> str | None:
        """The region of the SDK's own configuration, for a target that names none. Raises `AwsError`: no profile."""
        known = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        try:
            return known or self._sessions.region
        except Exception as error:
            raise classify(error) from error

    @property
    def _sessions(self) -> Sessions:
        """All logins. The SDK is loaded with the first: that takes as long as all else before the port is open."""
        with self._lock:
            if self._opened is None:
                from exporter.aws.sessions import Sessions  # noqa: PLC0415 - not before it is needed

                self._opened = Sessions(self._user_agent)
            return self._opened

    def now(self) -> float:
        """Return AWS's time as last seen plus what has passed since (Unix seconds)."""
        return self._clock.aws()

    def limit(self, rates: Mapping[str, float], datapoints: tuple[float, float] | None = None) -> None:
        """Let operations be called, and datapoints asked for, at most so often a second from now on, on each target."""
        self._rates = rates
        self.datapoint_rates = datapoints or DATAPOINT_RATES

    def spent(self) -> dict[Target, Spent]:
        """Return what each target has cost since the process began."""
        with self._lock:
            return dict(self._spent)

    def identities(self) -> Mapping[Target, str]:
        """Return the ARN that we have on each target that we are logged in to: of a user, or of a role's session."""
        return dict(self._arns)

    def forget(self, target: Target) -> None:
        """Give up the login to a target."""
        self._arns.pop(target, None)
        self._logins.pop(target, None)
        self._owners.pop(target, None)

    def login(self, account: Account, region: str) -> Target:
        """Find out who we are in a region; return the target. Raises `AwsError`: nobody, the wrong one, or no way.

        Whoever is where another one is already gets a `SameTargetError`, and the target stays with the other one.
        """
        supposed = Target(account.supposed, region)
        if self._owners.get(supposed, account) == account:  # or another one is up there
            self._tally.set("target_up", *_labels(supposed), value=0.0)
        session = self._session_of(account, region)
        who = self._call(session, supposed, "GetCallerIdentity")
        target = Target(who["Account"], region)
        if account.account_id not in {None, target.account_id}:
            self._tally.set("target_up", *_labels(supposed), value=0.0)
            text = f"logged in to account {target.account_id}, but the configuration says {account.account_id}"
            raise AwsError("denied", text, login=True)
        self._sessions_of[account] = session
        owner = self._owners.setdefault(target, account)
        if target != supposed:
            self._tally.move(_labels(supposed), _labels(target))
        if owner != account:
            here = f"{_named(account)} in {region} is account {target.account_id}"
            raise SameTargetError(f"{here}, as {_named(owner)} is: it is not read, or all would be counted twice")
        self._logins[target] = session
        self._arns[target] = who["Arn"]
        self._tally.set("target_up", *_labels(target), value=1.0)
        self._tally.set("target_info", *_labels(target), account.alias or "", who["Arn"].split(":")[1], value=1.0)
        return target

    def _session_of(self, account: Account, region: str) -> Session:
        """Return the login of an account, the one that has worked, if any has. Raises `AwsError`."""
        try:
            return self._sessions_of.get(account) or self._session(account, region)
        except Exception as error:  # the SDK's own configuration is wrong: it names a profile that does not exist
            raise classify(error) from error

    def _session(self, account: Account, region: str) -> Session:
        """Return the login of an account: one for all of its regions."""
        if not account.role_arn:
            return self._sessions.ambient()
        there = Target(account.supposed, region)
        assume = partial(self._assume, there, account)
        return self._sessions.role(account.role_arn, account.external_id, region, assume)

    def _assume(self, target: Target, account: Account, send: Callable[[], _T]) -> _T:
        """Let the SDK assume a role, on the way to the call that needs it; not again and again where that is denied."""
        denied_at, denied = self._denied.get((target, account), (-math.inf, None))
        if denied and self._clock.monotonic() < denied_at + DENIED_FOR:
            raise denied
        self._count(target, OPERATIONS["AssumeRole"])
        try:
            return send()
        except Exception as error:
            failed = classify(error)
            failure = AwsError(failed.error_class, str(failed), login=True, operation="AssumeRole")
            if failed.error_class == "denied":
                self._denied[target, account] = self._clock.monotonic(), failure
            raise failure from error

    def call(self, target: Target, operation: str, **params: Any) -> dict[str, Any]:
        """Return the answer of an operation. Raises `AwsError` after its retries."""
        return self._call(self._logins[target], target, operation, **params)

    def call_by(self, account: Account, target: Target, operation: str, **params: Any) -> dict[str, Any]:
        """Return the answer of an operation by an account's credentials, which need be those of no target."""
        session = self._session_of(account, target.region)
        try:
            answer = self._call(session, target, operation, **params)
        except AwsError as error:
            if error.login:  # others may be found the next time
                self._sessions_of.pop(account, None)
            raise
        self._sessions_of[account] = session
        return answer

    def _call(self, session: Session, target: Target, operation: str, **params: Any) -> dict[str, Any]:
        known = OPERATIONS[operation]

        def send() -> dict[str, Any]:
            answer: dict[str, Any] = self._send(session, target, known, params, _read)
            if known.member and known.member not in answer:
                raise AwsError("transient", f"{operation}: the answer has no {known.member}, it was cut off")
            return answer

        return self._insist(target, known, send)

    def answers(self, target: Target, operation: str) -> bool:
        """Say whether an operation has an endpoint in the partition of a target."""
        return bool(_region(OPERATIONS[operation], target))

    def pages(self, target: Target, operation: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield the pages of an answer. Raises `AwsError` where one can't be had: then the rest is unknown."""
        token_name = OPERATIONS[operation].token
        seen: set[str] = set()
        while True:
            answer = self.call(target, operation, **params)
            yield answer
            token = answer.get(token_name)
            if not token:
                return
            if token in seen:
                raise AwsError("transient", f"{operation}: the pages do not end")
            seen.add(token)
            params[token_name] = token

    def metric_data(
        self, target: Target, calls: Sequence[MetricCall], take: Callable[[MetricCall, Reply], Any] = _reply
    ) -> list[Any]:
        """Ask CloudWatch; return the reply to each call, or the `AwsError` that went wrong with it.

        With `take`, what that makes of a reply, in the thread to which it came: replies of thousands of series are
        large, and need not all be held until the last one has come.
        """
        spender = _spender.get()  # which threads of a crew do not know

        def ask(call: MetricCall) -> Any:
            with ExitStack() as unpacked, spending(spender):
                try:
                    reply = self._metric_data(target, call, unpacked)
                except AwsError as error:
                    return error
                return take(call, reply)

        if len(calls) < 2:
            return [ask(call) for call in calls]
        with self._crew() as crew:
            return list(crew.map(ask, calls))

    def close(self) -> None:
        """Let nothing wait any more, and close what is kept open."""
        self.stopping.set()
        with suppress(IndexError):  # there are no more; a run that goes on may have taken the last
            while True:
                self._idle.pop().shutdown(wait=False)
        if self._opened:
            self._opened.close()

    # -- behind the door ---------------------------------------------------------------------------------------------

    @contextmanager
    def _crew(self) -> Iterator[ThreadPoolExecutor]:
        """Lend threads to one run at a time, so that one that is throttled for a minute does not hold up the others."""
        try:
            crew = self._idle.pop()
        except IndexError:
            crew = ThreadPoolExecutor(WORKERS, "get-metric-data")
        try:
            yield crew
        except BaseException:  # then some may still be at work
            crew.shutdown(cancel_futures=True)
            raise
        self._idle.append(crew)  # to make them anew takes a tenth of the CPU of a call, and more

    def _metric_data(self, target: Target, call: MetricCall, unpacked: ExitStack) -> Reply:
        """Ask page by page. From when an answer is decoded until `unpacked` is closed, it has the only place there is.

        Decoded, an answer takes ten times its room, up to eight megabytes: sixteen at once would be the peak of the
        process, and for nothing, since only one thread decodes at a time.
        """

        def decode(text: bytes) -> metric_data.Page:
            unpacked.enter_context(self._unpacking)
            return metric_data.decode(text)

        operation = OPERATIONS["GetMetricData"]
        recent = call.start >= self._clock.now() - RECENT
        quota = self._limit(target, f"datapoints {'recent' if recent else 'old'}", self.datapoint_rates[not recent])
        pages: list[metric_data.Page] = []
        began = date = 0.0
        token: str | None = None
        seen: set[str] = set()
        while not pages or token:
            text = metric_data.body(call, token)

            def send(text: bytes = text) -> tuple[metric_data.Page, float, float]:
                unpacked.close()  # or nobody would decode while we wait for AWS
                self._attempt.payload = text
                try:
                    page = self._send(self._logins[target], target, operation, _NOTHING, decode)
                finally:
                    self._attempt.payload = None
                    if self._attempt.accepted:  # and billed, even if the answer did not reach us whole
                        self._tally.add("aws_metrics_requested_total", *_labels(target), amount=call.metrics)
                        self._spend(target, operation, call.metrics * METRIC_PRICE)
                # Never ahead of what others say: what it closes is closed for ever.
                return page, self._attempt.began, min(self._attempt.date or math.inf, self._clock.aws())

            page, sent, answered = self._insist(target, operation, send, (quota, call.datapoints))
            if not pages:  # what later pages say is no newer than this
                began, date = sent, answered
            pages.append(page)
            token = page.NextToken
            if token and (token in seen or len(pages) == MOST_PAGES):
                raise AwsError("transient", "GetMetricData: the pages do not end")
            seen.add(token or "")
        reply = metric_data.merge(call, pages, began, date)
        self._tally.add("aws_datapoints_total", *_labels(target), amount=reply.datapoints)
        return reply

    def _insist(self, target: Target, operation: Operation, send: Callable[[], _T], *quotas: tuple[Limit, float]) -> _T:
        """Send until there is an answer, or no hope of one."""
        tries: Tallies[str] = Tallies()  # by error class: throttles use up no tries of a server error
        waited = 0.0
        calls = self._limit(target, operation.name, operation.rate)
        while True:
            for quota, units in (*quotas, (calls, 1.0)):  # the request's own turn last, so that it leaves in it
                self._wait(target, operation, quota, units)
            try:
                answer = send()
            except Exception as error:
                failed = error if isinstance(error, AwsError) else classify(error)
                culprit = OPERATIONS[failed.operation] if failed.operation else operation
                self._tally.add("aws_errors_total", *_labels(target), culprit.prefix, culprit.name, failed.error_class)
                tries[failed.error_class] += 1
                pause = self._pause(failed, tries[failed.error_class], waited)
                if pause is None or self.stopping.is_set():
                    self._note_login(target, operation, failed)
                    raise failed from error
                self._tally.add("aws_retries_total", *_labels(target), culprit.prefix, culprit.name)
                self._clock.wait(self.stopping, pause)
                waited += pause
            else:
                self._note_login(target, operation, None)
                return answer

    def _pause(self, error: AwsError, tries: int, waited: float) -> float | None:
        """Return the seconds before the next attempt, with jitter; None for no further one."""
        jitter = 0.5 + random.random() / 2  # noqa: S311 - no secret
        if error.error_class == "throttled" and waited < PATIENCE:
            return min(LONGEST_PAUSE, 2.0 ** (tries - 1)) * jitter
        if error.error_class == "transient" and tries < TRIES:
            return min(LONGEST_PAUSE, 0.1 * 4.0 ** (tries - 1)) * jitter
        return None

    def _send(
        self,
        session: Session,
        target: Target,
        operation: Operation,
        params: Mapping[str, Any],
        read: Callable[[bytes], Any],
    ) -> Any:
        """Send one request; count it as soon as it is on its way, whatever comes of it. JSON is `read` by us."""
        attempt = self._attempt
        attempt.begin(self._clock.monotonic(), partial(self._count, target, operation))
        try:
            region = _region(operation, target)
            answer = session.invoke(operation.service, region, operation.name, params, self._watch)
        except (AttributeError, KeyError, TypeError) as error:
            if not attempt.accepted:
                raise
            raise AwsError("transient", f"{operation.name}: unreadable answer: {error!r}") from error  # by the SDK
        finally:
            took = self._clock.monotonic() - attempt.began
            self._tally.observe("aws_request_duration_seconds", operation.prefix, operation.name, value=took)
            if attempt.date:
                self._clock.witness(attempt.date)
                skew = self._clock.local() - attempt.date
                self._tally.set("clock_skew_seconds", *_labels(target), value=skew)
            if operation.service not in _BY_OTHERS:
                self._tally.set("aws_credentials_expiry_timestamp_seconds", *_labels(target), value=session.expiry())
        body, attempt.body = attempt.body, None
        if body is None:
            return answer
        try:
            return read(body)
        except msgspec.MsgspecError as error:
            raise AwsError("transient", f"{operation.name}: unreadable answer: {error}") from error

    def _watch(self, event: str, **of: Any) -> None:
        """Hear what the SDK tells of the request that this thread is sending."""
        attempt = self._attempt
        if event == "before-call" and attempt.payload is not None:
            of["params"]["body"] = attempt.payload
        elif event == "before-send":
            attempt.began = self._clock.monotonic()
            attempt.sent()
        elif event == "before-parse":
            answer = of["response_dict"]
            headers = {name.lower(): value for name, value in answer["headers"].items()}
            attempt.date = _date(headers.get("date"))
            attempt.accepted = answer["status_code"] < 300
            whole, here = headers.get("content-length"), answer["body"]
            if whole is not None and isinstance(here, bytes) and whole.strip() != str(len(here)):  # no stream
                raise AwsError("transient", f"{of['operation_model'].name}: the answer was cut off")
            if attempt.accepted and of["operation_model"].service_model.resolved_protocol == "json":
                attempt.body, answer["body"] = answer["body"], b"{}"

    def _count(self, target: Target, operation: Operation) -> None:
        self._tally.add("aws_requests_total", *_labels(target), operation.prefix, operation.name)
        self._spend(target, operation, operation.price)
        if operation.trailed:
            bill = (*_labels(target), _spender.get(), "trail_events")
            self._tally.add("source_cost_usd_total", *bill, amount=TRAIL_PRICE)

    def _spend(self, target: Target, operation: Operation, price: float) -> None:
        with self._lock:
            metrics, other = self._spent.get(target, Spent())
            asked = operation.name == "GetMetricData"
            self._spent[target] = Spent(metrics + price * asked, other + price * (not asked))
        self._tally.add("aws_cost_usd_total", *_labels(target), operation.prefix, operation.name, amount=price)
        self._tally.add("source_cost_usd_total", *_labels(target), _spender.get(), "requests", amount=price)

    def _limit(self, target: Target, name: str, rate: float) -> Limit:
        with self._lock:
            limit = self._limits.get((target, name))
            if limit is None:
                limit = self._limits[target, name] = Limit(rate, self._clock, self.stopping)
            limit.rate = self._rates.get(name, rate)
            return limit

    def _wait(self, target: Target, operation: Operation, limit: Limit, units: float) -> None:
        """Wait for our turn under a limit."""
        waited = 0.0 if self.stopping.is_set() else limit.take(units)
        if waited:
            self._tally.add(
                "aws_budget_wait_seconds_total", *_labels(target), operation.prefix, operation.name, amount=waited
            )
        if self.stopping.is_set():
            raise AwsError("transient", f"{operation.name}: stopping")

    def _note_login(self, target: Target, operation: Operation, error: AwsError | None) -> None:
        if operation.service not in _BY_OTHERS and (error is None or error.login):
            self._tally.set("target_up", *_labels(target), value=0.0 if error else 1.0)


def _read(text: bytes) -> dict[str, Any]:
    """Return an answer as the SDK's parser would, in a tenth of its time: what is null is not there."""
    answer = msgspec.json.decode(text, type=dict[str, Any])
    told = {name: one for name, one in answer.items() if one is not None}  # such as the token of no next page
    deeper = text.count(b"null") > len(answer) - len(told)
    return _without_nulls(told) if deeper else told


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def read_as(kind: type[_T], items: Any) -> list[_T]:
    """Return items of an answer as what they must be. Raises `AwsError`: not what AWS would say, so not from it."""
    try:
        return msgspec.convert(items, list[kind])  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        raise AwsError("transient", f"unreadable answer: {error}") from error


def endpoints() -> list[str]:
    """Return where the SDK sends calls, as far as the environment decides that. ValueError: nowhere it could."""
    from exporter.aws.sessions import Sessions  # noqa: PLC0415 - a daemon on the real AWS has no need of it

    ambient = Sessions("").ambient()
    return [ambient.endpoint(service) for service in sorted({operation.service for operation in OPERATIONS.values()})]


def _named(account: Account) -> str:
    """Return what people call a login."""
    return account.alias or account.role_arn or account.account_id or "the ambient login"


def _region(operation: Operation, target: Target) -> str:
    """Return the region whose endpoint answers, "" where none of the partition does."""
    places = ANSWERS_AT.get(operation.service, ())
    return next((region for begin, region in places if target.region.startswith(begin)), target.region)


def _labels(target: Target) -> tuple[str, str]:
    return target.account_id, target.region


def _date(header: str | None) -> float:
    """Return the time of a Date header (Unix seconds), 0 for one that is missing or no date."""
    try:
        return email.utils.parsedate_to_datetime(header or "").timestamp()
    except (ValueError, OverflowError):
        return 0.0
