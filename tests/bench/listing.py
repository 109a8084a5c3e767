"""How much memory a very long listing of CloudWatch's series takes, where `limits.series` is low.

    python tests/bench/listing.py [--listed 100000 1000000] [--limit 1000]

Each number is listed in a process of its own; AWS's answers are made up page by page.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

from exporter.admission import Admission
from exporter.catalogue import CATALOGUE
from exporter.catalogue.places import places
from exporter.inventory import Inventory, Pacing
from exporter.model import Target

PAGE = 500
NAMESPACE = "AWS/SageMaker"


class Endless:
    """An AWS that lists very many series in one namespace."""

    def __init__(self, number: int) -> None:
        self._number = number

    def pages(self, _target, operation, **asked):
        number = self._number if (operation, asked.get("Namespace")) == ("ListMetrics", NAMESPACE) else 0
        for first in range(0, number, PAGE):
            yield {"Metrics": [self._metric(n) for n in range(first, first + PAGE)]}

    def _metric(self, n):
        pairs = (("EndpointName", f"endpoint-{n}"), ("VariantName", "main"))
        return {"MetricName": "Invocations", "Dimensions": [{"Name": name, "Value": value} for name, value in pairs]}


def peak() -> float:
    """Return the most memory that this process has had (MB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(listed: int, limit: int) -> None:
    known = places([CATALOGUE["sagemaker_endpoint_invocations_total"]])
    inventory = Inventory(Endless(listed), known, Pacing(resources=False), Admission(limit))
    before, began = peak(), time.process_time()
    listing = inventory.look(Target("123456789012", "us-east-1"), 1e9).listings[NAMESPACE]
    cpu = time.process_time() - began
    print(
        f"{listed:,} listed twice: {len(listing.metrics):,} held, {listing.beyond:,} counted, "
        f"peak {before:.0f} -> {peak():.0f} MB, {cpu:.1f} s CPU"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listed", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        measure(options.listed[0], options.limit)
        return
    for number in options.listed:
        flags = ("--child", "--listed", str(number), "--limit", str(options.limit))
        subprocess.run([sys.executable, __file__, *flags], check=True)


if __name__ == "__main__":
    main()
