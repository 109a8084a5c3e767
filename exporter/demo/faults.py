"""What goes wrong on purpose: rules that say which calls or results are struck, by what, and how often.

Four kinds of fault: an error instead of the answer, a result of GetMetricData that is not what it should be, an entry
of a batch that fails, and an answer that does not arrive as it was sent.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from exporter.demo.call import Answer, AwsError
from exporter.demo.sts import expired

if TYPE_CHECKING:
    from collections.abc import Collection

    from exporter.demo.call import Call

ERRORS = ("throttle", "deny", "http_500", "http_503", "expired_token")
RESULTS = ("partial", "internal_error", "forbidden", "short", "message")
ENTRIES = ("failed_entry",)
DELIVERIES = ("slow", "truncated", "empty", "garbage", "reset")


@dataclass(slots=True)
class Fault:
    """One rule. What is None matches everything; `namespace` and `metric` match calls and results that name them.

    It strikes every `every`-th time it matches, with this `probability`, and only the `first` times.
    """

    kind: str
    service: str | None = None
    operation: str | None = None
    account: str | None = None
    region: str | None = None
    namespace: str | None = None
    metric: str | None = None
    every: int = 1
    first: int | None = None
    probability: float = 1.0
    seconds: float = 1.0  # of a slow answer
    matched: int = 0
    struck: int = 0

    def __post_init__(self) -> None:
        """Refuse a kind that does not exist."""
        if self.kind not in ERRORS + RESULTS + ENTRIES + DELIVERIES:
            raise ValueError(f"no such fault: {self.kind}")


class Faults:
    """The rules in force."""

    def __init__(self, seed: int) -> None:
        """Begin without any rule."""
        self.rules: list[Fault] = []
        self._luck = random.Random(seed)  # noqa: S311 - no secret

    def add(self, kind: str, **rule: Any) -> Fault:
        """Put a rule in force (see Fault) and return it. ValueError: there is no such kind."""
        fault = Fault(kind, **rule)
        self.rules.append(fault)
        return fault

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self.rules.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """Return the rules as JSON."""
        return [asdict(rule) for rule in self.rules]

    def before(self, call: Call) -> None:
        """Raise the error that strikes this call, if one does."""
        for fault in self._striking(ERRORS, call):
            raise _error(fault.kind, call)

    def on_result(self, call: Call, namespace: str, metric: str) -> str | None:
        """Return the kind of fault that strikes the result for this metric."""
        if not self.rules:
            return None
        return next((fault.kind for fault in self._striking(RESULTS, call, {(namespace, metric)})), None)

    def on_entry(self, call: Call) -> bool:
        """Say whether the next entry of a batch fails."""
        return bool(self._striking(ENTRIES, call))

    def after(self, call: Call, answer: Answer) -> Answer:
        """Return the answer as it arrives."""
        for fault in self._striking(DELIVERIES, call):
            answer = _delivered(fault, answer)
        return answer

    def _striking(
        self, kinds: tuple[str, ...], call: Call, metrics: Collection[tuple[Any, Any]] | None = None
    ) -> list[Fault]:
        return [
            rule
            for rule in self.rules
            if rule.kind in kinds
            and rule.service in (None, call.service)
            and rule.operation in (None, call.operation)
            and rule.account in (None, call.principal.account)
            and rule.region in (None, call.region)
            and (rule.namespace is rule.metric is None or _names(rule, _metrics(call) if metrics is None else metrics))
            and self._due(rule)
        ]

    def _due(self, rule: Fault) -> bool:
        rule.matched += 1
        due = (
            rule.matched % rule.every == 0
            and (rule.first is None or rule.struck < rule.first)
            and self._luck.random() < rule.probability
        )
        rule.struck += due
        return due


def _names(rule: Fault, metrics: Collection[tuple[Any, Any]]) -> bool:
    return any(rule.namespace in (None, namespace) and rule.metric in (None, metric) for namespace, metric in metrics)


def _metrics(call: Call) -> set[tuple[Any, Any]]:
    given = call.parameters
    if call.operation == "ListMetrics":
        return {(given.get("Namespace"), given.get("MetricName"))}
    asked = [query.get("MetricStat", {}).get("Metric", {}) for query in given.get("MetricDataQueries", ())]
    return {(metric.get("Namespace"), metric.get("MetricName")) for metric in asked}


def _error(kind: str, call: Call) -> AwsError:
    if kind == "throttle":
        return AwsError("ThrottlingException", "Rate exceeded")
    if kind == "deny":
        return AwsError(
            "AccessDeniedException",
            f"User: {call.principal.arn} is not authorized to perform: {call.action} "
            f"because no identity-based policy allows the {call.action} action",
            403 if call.service == "sts" else 400,
        )
    if kind == "http_500":
        return AwsError("InternalFailure", "We encountered an internal error. Please try again.", 500)
    if kind == "http_503":
        return AwsError("ServiceUnavailable", "The service is unavailable. Please try again.", 503)
    return expired()


def _delivered(fault: Fault, answer: Answer) -> Answer:
    if fault.kind == "slow":
        return replace(answer, delay=answer.delay + fault.seconds)
    if fault.kind == "reset":
        return replace(answer, reset=True)
    if fault.kind == "truncated":  # Content-Length still tells the length of the whole
        return replace(answer, body=answer.body[: len(answer.body) // 2])
    body = b"{}" if fault.kind == "empty" else b"\x00<html>not what you asked for"
    return replace(answer, body=body, headers={**answer.headers, "Content-Length": str(len(body))})
