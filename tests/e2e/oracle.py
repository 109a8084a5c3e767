"""What must be seen, worked out without the program: from its contract, from the fake's truth, from scrapes alone."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path

import yaml

CONTRACT = yaml.safe_load((Path(__file__).parent.parent / "contract" / "families.yaml").read_text())
FAMILIES = {family["family"]: family for family in CONTRACT["families"] if not family.get("later")}
COUNTED = {
    name: family
    for name, family in FAMILIES.items()
    if family["source"] == "cloudwatch_metrics" and family["type"] in {"counter", "summary"}
}
COUNTER_NAMES = frozenset(
    name + suffix
    for name, family in COUNTED.items()
    for suffix in ([""] if family["type"] == "counter" else ["_sum", "_count"])
)
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Page:
    """A page of metrics in the text format: values by series, each as it is written."""

    def __init__(self, text):
        self.text = text
        lines = (line.rpartition(" ") for line in text.splitlines() if line and line[0] != "#")
        self.values = {series: float(value) for series, _, value in lines}

    def find(self, name, **labels):
        """Return the values of a name under these labels, by all of their labels."""
        wanted = labels.items()
        named = {series: value for series, value in self.values.items() if series.partition("{")[0] == name}
        return {series: value for series, value in named.items() if wanted <= labels_of(series).items()}

    def one(self, name, **labels):
        """Return the only value of a name under these labels."""
        found = self.find(name, **labels)
        assert len(found) == 1, f"{name} {labels}: {found}"
        return next(iter(found.values()))

    def counters(self):
        """Return all series that count what CloudWatch summed."""
        return {series: value for series, value in self.values.items() if series.partition("{")[0] in COUNTER_NAMES}


def labels_of(series):
    """Return the labels of a series as it is written."""
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', series)}


def written(name, labels):
    """Return a series as a page writes it; labels in the contract's order."""
    pairs = (label + '="' + value.translate(_ESCAPES) + '"' for label, value in labels.items())
    return name + "{" + ",".join(pairs) + "}"


def truth(world, account, region, start=-math.inf, end=math.inf, now=math.inf):
    """Return what every counter that is on by default must show in the end, by series: the fake's sums."""
    expected = {}
    place = world.region(account, region)
    with world.lock:
        for namespace, metric, dimensions in place.series:
            for name, family in COUNTED.items():
                labels = _labels(family, namespace, metric, dict(dimensions)) if family["default"] == "on" else None
                if labels is None:
                    continue
                where = {"account_id": account, "region": region} | labels
                for suffix, stat, scale in _parts(family):
                    total = world.truth(account, region, namespace, metric, dict(dimensions), stat, start, end, now)
                    expected[written(name + suffix, where)] = total * scale
    return expected


def _labels(family, namespace, metric, dimensions):
    """Return the labels under which a family shows a series of CloudWatch; None if it does not."""
    asked = family["ask"]
    fixed = asked.get("fixed", {})
    if namespace not in asked["namespace"] or metric not in asked["metric"]:
        return None
    if set(dimensions) != set(asked["dimensions"]) | set(fixed):
        return None
    if any(dimensions[name] != value for name, value in fixed.items()):
        return None
    return {label: dimensions[name] for name, label in asked["dimensions"].items()}


def _parts(family):
    scale = family["ask"]["scale"]
    if family["type"] == "counter":
        return [("", family["ask"]["stats"][0], scale)]
    return [("_sum", "Sum", scale), ("_count", "SampleCount", 1.0)]


def increase(values):
    """Return PromQL's increase over samples, without extrapolation: a fall is a reset, a first value is no increase."""
    return math.fsum(after - before if after >= before else after for before, after in pairwise(values))
