"""Whether a job failed, and why: the classes of `sagemaker_job_failures_total`, by a table of rules.

AWS tells why in texts for people, which differ by type of job and change with time. The first rule that fits decides;
the order is that of the classes, from causes to who is to blame. Rules are words, and gaps of a few characters at most:
what a user's container writes can be anything, and must not keep us busy.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from exporter.jobs.job import Job

MOST_TEXT = 4096  # characters; AWS's own limit is 1,024 (API_DescribeTrainingJob, FailureReason)
_HEAD = 3072  # of them; the rest is the end of the text, where a traceback has its cause


class Rule(NamedTuple):
    """A class, the words that tell it (any of them, whatever their case), and a text that has some."""

    reason: str
    words: tuple[str, ...]
    example: str


RULES = (
    Rule(
        "spot_interruption",
        (
            r"spot.{0,40}(?:interrupt|reclaim|terminat)",
            r"interrupt.{0,40}\bspot",
        ),
        "Training job was interrupted since managed spot instances were reclaimed",
    ),
    Rule(
        "timeout",
        (
            r"Max(?:imum)? ?(?:Run ?time|Wait ?time|Pending ?time)(?:InSeconds)?",
            r"MaxAutoMLJobRuntime",
            r"(?:maximum|max) (?:allowed )?(?:run|running|runtime|wait|waiting|pending) ?time",
            r"maximum (?:allowed )?(?:runtime|duration)",
        ),
        "MaxRuntimeExceeded: the job ran longer than MaxRuntimeInSeconds",
    ),
    Rule(
        "quota",
        (
            r"ResourceLimitExceeded",
            r"LimitExceededException",
            r"(?:account|service)[- ]level service limit",
            r"service quota",
            r"QuotaExceeded",
        ),
        "ResourceLimitExceeded: The account-level service limit 'ml.p4d.24xlarge for training job usage' is 0",
    ),
    Rule(
        "capacity",
        (
            r"CapacityError",
            r"InsufficientCapacity",
            r"Insufficient\w{0,12}Capacity",
            r"insufficient (?:\w{1,12} )?capacity",
            r"(?:unable|failed) to (?:provision|launch).{0,60}capacity",
            r"capacity.{0,30}(?:not available|unavailable)",
        ),
        "CapacityError: Unable to provision requested ML compute capacity. Please retry using another instance type",
    ),
    Rule(
        "image_pull",
        (
            r"CannotPullContainer",
            r"ImageNotFound",
            r"RepositoryNotFound",
            r"\brepository\b.{0,200}(?:not exist|not found|not grant|could not be found)",
            r"(?:cannot|could not|can't|unable to|failed to) (?:find|pull|access) (?:\w{1,20} ){0,2}(?:image|repo)",
            r"(?:docker|container|ecr|requested|training|inference) image\b.{0,300}not (?:exist|found|be pulled)",
            r"pull access denied",
            r"manifest (?:unknown|for .{1,200} not found)",
        ),
        "ClientError: Cannot find repository: my-training in registry ID: 123456789012",
    ),
    Rule(
        "access_denied",
        (
            r"Access ?Denied",
            r"not authorized",
            r"UnauthorizedOperation",
            r"\b403\b.{0,20}Forbidden",
            r"\(403\)",
            r"(?:not|cannot|unable to|failed to) assume.{0,20} role",
            r"trust relationship policy",
            r"not have (?:the )?(?:\w{1,20} )?permissions?",
            r"role has (?:the )?permission",
            r"ExpiredToken",
            r"KMS\.?(?:Disabled|InvalidState|NotFound)",
        ),
        "ClientError: Data download failed: Failed to download data. Access denied to s3://bucket/train",
    ),
    Rule(
        "data_not_found",
        (
            r"NoSuchKey",
            r"NoSuchBucket",
            r"No (?:S3 )?(?:objects?|files?|data|records?)(?: \w{1,10})? found",
            r"(?:specified|provided) (?:key|bucket|S3 \w{1,10}) (?:does not exist|was not found)",
            r"calling the HeadObject operation: Not Found",
            r"inputs? had no data",
            r"(?:input|training|dataset|channel|prefix|manifest)(?: \w{1,20}){0,2} (?:is|was|are) (?:empty|missing)",
            r"(?:missing|find) (?:the )?(?:required |input )?channel",
            r"S3 (?:object|prefix|key|path|uri|url).{0,200}(?:not exist|not found)",
            r"s3://.{1,300}(?:does not exist|not found)",
            r"No such file or directory: '/opt/ml/(?:processing/)?input",
        ),
        "ClientError: Data download failed: NoSuchKey (404): The specified key does not exist",
    ),
    Rule(
        "out_of_memory",
        (
            r"out ?of ?memory",
            r"\bOOM\b|OOM-?Kill",
            r"MemoryError",
            r"cannot allocate memory",
            r"bad_alloc",
            r"ALLOC_FAILED",
            r"exit(?:ed)?(?: with)?(?: code| status)?[: ]{0,2}137\b",
            r"exit ?code[: ]{0,2}-9\b",
            r"\bSIGKILL\b",
            r"signal 9\b",
        ),
        "AlgorithmError: , exit code: 137",
    ),
    Rule(
        "disk_full",
        (
            r"no space left",
            r"ENOSPC",
            r"Errno 28\b",
            r"disk quota exceeded",
            r"(?:not enough|insufficient|out of|ran out of)(?: \w{1,12})? (?:disk|storage|volume)",
            r"(?:disk|storage|volume)(?: \w{1,12}){0,4} is full",
        ),
        "ClientError: Artifact upload failed: [Errno 28] No space left on device",
    ),
    Rule(
        "health_check",
        (
            r"health[- ]?check",
            r"/ping\b",
        ),
        "ClientError: The primary container for production variant AllTraffic did not pass the ping health check",
    ),
    Rule(
        "child_failed",
        (
            r"step failure",
            r"steps? failed",
            r"(?:training|child|processing|transform|tuning) jobs?(?: [\w-]{1,63}){0,3} failed",
            r"training job failures",
            r"no training jobs? (?:has |have )?succeeded",
            r"candidates?(?: \w{1,20}){0,3} failed",
            r"no (?:\w{1,20} )?candidates?\b",
        ),
        "Step failure: One or multiple steps failed.",
    ),
    Rule(
        "internal_error",
        (
            r"InternalServer(?:Error|Exception)",
            r"Internal(?:Error|Failure)\b",
            r"\A(?:An |We encountered an )?internal (?:server |service )?error",
            r"encountered an internal (?:server |service )?error",
        ),
        "InternalServerError: We encountered an internal error. Please try again.",
    ),
    Rule(
        "algorithm_error",
        (
            r"AlgorithmError",
            r"ExecuteUserScriptError",
            r"exit(?:ed)?(?: with)? ?(?:code|status)[: ]{0,2}-?[1-9]",
            r"non-?zero exit",
            r"Traceback \(most recent call last\)",
        ),
        'AlgorithmError: ExecuteUserScriptError: Command "/usr/bin/python3 train.py", exit code: 1',
    ),
    Rule(
        "client_error",
        (
            r"ClientError",
            r"Validation(?:Error|Exception)",
            r"BadRequest",
        ),
        "ClientError: Please use an instance type with more GPUs",
    ),
)

REASONS = (*(rule.reason for rule in RULES), "other", "unspecified")

_PATTERNS = tuple((rule.reason, re.compile("|".join(rule.words), re.IGNORECASE | re.DOTALL)) for rule in RULES)

_BY_PHASE = {  # secondary statuses that are reasons
    "MaxRuntimeExceeded": "timeout",
    "MaxWaitTimeExceeded": "timeout",
    "MaxAutoMLJobRuntimeReached": "timeout",
    "Interrupted": "spot_interruption",
}
_LIMITS = {"timeout", "spot_interruption"}  # for which AWS stops a job by itself


def failed(job: Job) -> bool:
    """Say whether a job's end is a failure: it is `Failed`, or AWS stopped it, for a limit or for spot capacity.

    A job that was stopped by its user has not failed, whatever its container wrote on leaving.
    """
    return job.status == "Failed" or (job.status == "Stopped" and (_phase(job) or classified(job.failure)) in _LIMITS)


def failure(job: Job) -> str:
    """Return the class of a job's failure: one of `REASONS`. Of a job that has not failed it says nothing."""
    return _phase(job) or classified("\n".join(filter(None, (job.failure, job.exit_message))))


def classified(text: str) -> str:
    """Return the class of a failure that a text tells of."""
    text = bounded(text)
    if not text.strip():
        return "unspecified"
    return next((reason for reason, pattern in _PATTERNS if pattern.search(text)), "other")


def bounded(text: str) -> str:
    """Return the beginning and the end of a text: as much of it as is kept and looked at."""
    if len(text) <= MOST_TEXT:
        return text
    return f"{text[:_HEAD]}\n{text[_HEAD + 1 - MOST_TEXT :]}"


def _phase(job: Job) -> str:
    """Return the class that the phases of a job tell; "" for none.

    Who waits for new spot instances can go on, or be stopped by the user: an interruption counts as the last phase.
    """
    phases = [one.status for one in job.transitions]
    last = job.secondary_status or (phases[-1] if phases else "")
    for phase in (last, *phases):
        reason = _BY_PHASE.get(phase, "")
        if reason and (phase == last or reason == "timeout"):
            return reason
    return ""
