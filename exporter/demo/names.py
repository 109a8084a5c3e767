"""AWS's names: namespaces, metrics, units and dimension sets, as AWS's documentation has them (`aws_names.json`).

Gathered apart from the exporter's catalogue, and never taken from it: a misspelt row there must find nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Row:
    """A metric as one kind of thing publishes it."""

    by: str  # who publishes it: "variant", "async", "feature_group", ...
    namespaces: tuple[str, ...]  # where the sources disagree, all spellings; one of them is in use
    metrics: tuple[str, ...]  # the same
    unit: str
    kind: str  # counter, distribution, gauge or progress
    period: int  # how often it is published, in seconds
    sets: tuple[tuple[str, ...], ...]  # complete sets of dimension names, those of breakdowns last
    fixed: dict[str, str]  # dimensions that have one value


def _row(given: dict[str, Any]) -> Row:
    return Row(
        by=given["by"],
        namespaces=(given["namespace"], *given.get("other_namespaces", ())),
        metrics=(given["metric"], *given.get("other_metrics", ())),
        unit=given["unit"],
        kind=given["kind"],
        period=given["period"],
        sets=tuple(tuple(names) for names in given["sets"] + given.get("rare_sets", [])),
        fixed=given.get("fixed", {}),
    )


def _load() -> dict[str, tuple[Row, ...]]:
    rows = [_row(given) for given in orjson.loads(Path(__file__).with_name("aws_names.json").read_bytes())]
    rows.sort(key=lambda row: row.by)
    return {by: tuple(group) for by, group in groupby(rows, key=lambda row: row.by)}


NAMES: dict[str, tuple[Row, ...]] = _load()
"""All rows, by who publishes them."""
