"""Resources of SageMaker of all kinds, counted; and tags that the configuration names (`labels.tags`), as labels.

Which kinds are looked at is said in `sources.inventory.resource_types`. A resource that has none of the named tags has
no series of `sagemaker_resource_tags_info`, one that lacks some has no label for these. `resource_name` is how other
families call it: `domain_id` for a domain; `d-1/lab` for a space, as in its ARN, since other domains may have one of
that name; for an app the same with its type and name. Nothing else carries tags: README.md shows how they are joined to
what is about the resource.
"""

from __future__ import annotations

from exporter.catalogue.rows import listed

TAGS_INFO = "sagemaker_resource_tags_info"

ROWS = (
    listed(
        "gauge",
        "sagemaker_resources",
        "Resources that exist, by kind and status; status is empty for kinds without one.",
        ("resource_type", "status"),
        "resource_types: one List operation per kind named in the configuration",
        values={"resource_type": "resource_type"},
    ),
    listed(
        "info",
        TAGS_INFO,
        "Tags of a resource as labels, always 1; only tag keys named in the configuration.",
        ("resource_type", "resource_name"),
        "GetResources of the tagging API, ListTags",
        values={"resource_type": "resource_type"},
        on=False,
        label_pattern="tag_*",
    ),
)
