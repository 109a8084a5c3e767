"""What SageMaker's log groups and their streams are called, and what of their text is worth counting: the presets.

https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache
from typing import NamedTuple

PREFIX = "/aws/sagemaker/"
LONGEST_PATTERN = 1024  # characters: FilterLogEvents
LABELS = {  # of a rule, and what they are called on its counter
    "endpoint": "endpoint_name",
    "variant": "variant_name",
    "job": "job_name",
    "instance_group": "instance_group_name",
}


class GroupKind(NamedTuple):
    """A kind of log groups: the name of the one that all share, or what the names of many begin with.

    A group that is of one resource bears its name behind that. `stream` finds labels in the name of a stream.
    """

    name: str
    resource_type: str = ""
    stream: str = ""

    @property
    def labels(self) -> frozenset[str]:
        """The labels of rules that its groups and streams can give."""
        return frozenset(re.compile(self.stream).groupindex) | ({"endpoint"} & {self.resource_type})

    def may_match(self, glob: str) -> bool:
        """Say whether a glob matches any of its groups, as far as can be told."""
        if not self.resource_type:
            return fnmatch.fnmatchcase(self.name, glob)
        head = re.split(r"[*?\[]", glob)[0]
        return head.startswith(self.name) or (self.name.startswith(head) and head != glob)


_JOB = r"(?P<job>[^/]+)"
_VARIANT = r"(?P<variant>[^/]+)/"

GROUP_KINDS = (
    GroupKind(f"{PREFIX}Endpoints/", "endpoint", _VARIANT),
    GroupKind(f"{PREFIX}InferenceComponents/", "inference_component", _VARIANT),
    GroupKind(f"{PREFIX}Clusters/", "cluster", r"[^/]+/(?P<instance_group>[^/]+)/"),
    GroupKind(f"{PREFIX}TrainingJobs", stream=_JOB),
    GroupKind(f"{PREFIX}ProcessingJobs", stream=_JOB),
    GroupKind(f"{PREFIX}TransformJobs", stream=_JOB),
    GroupKind(f"{PREFIX}LabelingJobs", stream=_JOB),
    GroupKind(f"{PREFIX}InferenceRecommendationsJobs", stream=_JOB),
    GroupKind(f"{PREFIX}CompilationJobs", stream=_JOB),
)


def kind_of(group: str) -> GroupKind | None:
    """Return which kind of groups one is of; None for others."""
    for kind in GROUP_KINDS:
        if group == kind.name or (kind.resource_type and group.startswith(kind.name)):
            return kind
    return None


def resource_of(group: str) -> tuple[str, str]:
    """Return type and name of the resource that a group is of; empty where it is of many."""
    kind = kind_of(group)
    if kind is None or not kind.resource_type:
        return "", ""
    return kind.resource_type, group.removeprefix(kind.name).partition("/")[0]


class Preset(NamedTuple):
    """A rule that we bring along: it matches what has any of its `phrases`, in groups that match any of `groups`."""

    phrases: tuple[str, ...]
    groups: tuple[str, ...] = (f"{PREFIX}*",)

    def covers(self, group: str) -> bool:
        """Say whether it applies to a group."""
        return any(fnmatch.fnmatchcase(group, glob) for glob in self.groups)


_SERVING = (f"{PREFIX}Endpoints/*", f"{PREFIX}InferenceComponents/*", f"{PREFIX}TransformJobs")

PRESETS = {
    "cuda_out_of_memory": Preset(("CUDA out of memory", "CUDA error: out of memory", "CUDA_ERROR_OUT_OF_MEMORY")),
    "python_traceback": Preset(("Traceback (most recent call last)",)),
    "nccl_error": Preset(
        (
            "NCCL error",
            "NCCL WARN",
            "ncclInternalError",
            "ncclRemoteError",
            "ncclSystemError",
            "ncclUnhandledCudaError",
            "Watchdog caught collective operation timeout",
        ),
        (f"{PREFIX}TrainingJobs", f"{PREFIX}ProcessingJobs", f"{PREFIX}Clusters/*", *_SERVING),
    ),
    "model_load_failure": Preset(
        ("Load model failed", "Failed to load model", "failed to load model", "Backend worker failed to load"), _SERVING
    ),
    "health_check_failure": Preset(
        (
            *(f'GET /ping HTTP/1.1" {code}' for code in (500, 502, 503, 504)),
            "did not pass the ping health check",
            "Health check failed",
        ),
        _SERVING,
    ),
}
"""By name. Case matters to CloudWatch, so a phrase stands as the frameworks write it."""


def has_any(phrases: tuple[str, ...], message: str) -> bool:
    """Say whether any of these phrases stands in a message, not as a part of longer words."""
    return any(phrase in message and _as_words(phrase).search(message) for phrase in phrases)


@lru_cache
def _as_words(phrase: str) -> re.Pattern[str]:
    before = r"(?<!\w)" if re.match(r"\w", phrase) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", phrase) else ""
    return re.compile(f"{before}{re.escape(phrase)}{after}")


def any_of(phrases: tuple[str, ...]) -> str:
    """Return the filter pattern that matches what has any of these phrases."""
    return " ".join('?"{}"'.format(phrase.replace("\\", "\\\\").replace('"', '\\"')) for phrase in phrases)


def wrong_with(pattern: str) -> str:
    """Say what can be seen to be wrong with a filter pattern."""
    if not pattern.strip():
        return "must be given: what is counted"
    if len(pattern) > LONGEST_PATTERN:
        return f"must have at most {LONGEST_PATTERN:,} characters, as any filter pattern of CloudWatch"
    if len(re.findall(r'(?<!\\)(?:\\\\)*"', pattern)) % 2:
        return "has a quotation mark without a second one"
    return ""


def mixes(pattern: str) -> bool:
    """Say whether `?` stands beside terms without it, where it means nothing to CloudWatch."""
    if pattern.lstrip().startswith(("{", "[", "%")):
        return False
    terms: list[str] = re.findall(r'[?-]?(?:"(?:[^"\\]|\\.)*"|\S+)', pattern)
    return 0 < sum(term.startswith("?") for term in terms) < len(terms)
