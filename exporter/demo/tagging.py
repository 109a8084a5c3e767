"""Resource Groups Tagging: GetResources, which knows only what has tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from exporter.demo.call import AwsError
from exporter.demo.cloudwatch_alarms import alarm_arn
from exporter.demo.sagemaker import resources, tags_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.call import Call

# https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
LONGEST_PAGE = 100


def get_resources(call: Call) -> dict[str, Any]:
    """Answer GetResources; the last page has an empty PaginationToken, as AWS's has."""
    given = call.parameters
    if given.get("ResourceARNList") and (given.get("ResourceTypeFilters") or given.get("TagFilters")):
        raise _wrong("ResourceARNList cannot be combined with filters.")
    size = given.get("ResourcesPerPage", LONGEST_PAGE)
    if not 1 <= size <= LONGEST_PAGE:
        raise _wrong(f"ResourcesPerPage must be between 1 and {LONGEST_PAGE}.")
    found = sorted(
        (arn, tags)
        for arn, tags in (
            *resources(call),
            *((alarm_arn(call, a.name), a.tags) for a in call.place.alarms_at(call.now)),
        )
        if tags
        and (not given.get("ResourceARNList") or arn in given["ResourceARNList"])
        and (not given.get("ResourceTypeFilters") or any(_is_a(arn, kind) for kind in given["ResourceTypeFilters"]))
        and all(_has(tags, one) for one in given.get("TagFilters", ()))
    )
    page, more = call.page(found, size, _wrong("The PaginationToken is not valid."), "PaginationToken")
    return {
        "ResourceTagMappingList": [{"ResourceARN": arn, "Tags": tags_of(sorted(tags.items()))} for arn, tags in page],
        "PaginationToken": more.get("PaginationToken", ""),
    }


def _is_a(arn: str, kind: str) -> bool:
    _, _, service, _, _, resource = arn.split(":", 5)
    wanted_service, _, wanted_type = kind.partition(":")
    return service == wanted_service and wanted_type in ("", re.split("[/:]", resource)[0])


def _has(tags: dict[str, str], wanted: dict[str, Any]) -> bool:
    return wanted["Key"] in tags and (not wanted.get("Values") or tags[wanted["Key"]] in wanted["Values"])


def _wrong(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {"GetResources": get_resources}
