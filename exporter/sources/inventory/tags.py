"""Tags as labels: those that the configuration names, of all that is looked at.

sagemaker_resource_tags_info{account_id="123456789012",...,resource_type="model",resource_name="a",tag_team="ml"} 1.0
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from exporter.inventory import KINDS, Census, path_of

SCOPE = "tags"


class Tagged(NamedTuple):
    """A resource with the labels of its tags, names and values in turn; when it was last listed, as of which pause.

    `chosen_as` is the kind and the name by which users choose it.
    """

    resource_type: str
    resource_name: str
    labels: tuple[str, ...]
    chosen_as: tuple[str, str]
    at: float
    pause: float = 0.0


def tagged(census: Census, labels: Mapping[str, str]) -> Iterator[Tagged]:
    """Yield what exists and has any of the tags of which these are the labels."""
    for name in census.endpoints:
        if pairs := _pairs(census, f"endpoint/{name}".lower(), labels):
            yield Tagged("endpoint", name, pairs, ("endpoint", name), census.endpoints_at)
    for name in census.components:
        if pairs := _pairs(census, f"inference-component/{name}".lower(), labels):
            chosen_as = ("inference-component", name)
            yield Tagged("inference_component", name, pairs, chosen_as, census.components_at)
    for kind, listed in census.things.items():
        for key, thing in listed.by_key.items():
            if pairs := _pairs(census, thing.tagged_as, labels):
                # As families about it call it; what has none, and an id or ARN of its own, is called by its name.
                unseen = KINDS[kind].called and not KINDS[kind].families
                name = thing.name if unseen else path_of(key)
                yield Tagged(kind, name, pairs, (kind, thing.name), listed.at, listed.pause)


def _pairs(census: Census, end_of_arn: str, labels: Mapping[str, str]) -> tuple[str, ...]:
    tags = census.tags.get(end_of_arn, {})
    return tuple(part for key, label in labels.items() if key in tags for part in (label, tags[key]))
