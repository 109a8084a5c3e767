"""The price list: what an hour costs by region and usage type, and since when, and GetProducts, which tells of it.

A usage type begins with a word for the region, as in USE1-Host:ml.m5.xlarge; older ones have none. The other attributes
of a product are filled in for some, as on AWS. Prices of the demo are about those of us-east-1 in 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from exporter.demo.call import AwsError
from exporter.demo.traffic import number_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.call import Call

# https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html
LONGEST_PAGE = 100

SHORT = {  # how usage types call some regions; of others, here, the letters
    "us-east-1": "USE1",
    "us-east-2": "USE2",
    "us-west-2": "USW2",
    "eu-west-1": "EU",
    "eu-central-1": "EUC1",
    "ap-northeast-1": "APN1",
}
WORDS = {  # of usage types, with the component that the console names
    "Host": "Hosting",
    "AsyncInf": "AsyncInf",
    "Train": "Training",
    "Processing": "Processing",
    "Tsform": "BatchTransform",
    "Notebk": "Notebook",
    "Studio:JupyterLab": "Studio-JupyterLab",
    "Studio:CodeEditor": "studio-codeeditor",
    "Studio:KernelGateway": "Studio-Notebook",
    "Studio": "Studio",
    "Cluster": "Cluster",
    "ReservedCluster": "Cluster-Reserved",
}
USUAL = {  # USD an hour of an endpoint
    "ml.t3.medium": 0.05,
    "ml.t3.large": 0.1,
    "ml.t3.xlarge": 0.2,
    "ml.m5.large": 0.115,
    "ml.m5.xlarge": 0.23,
    "ml.m5.2xlarge": 0.461,
    "ml.c5.xlarge": 0.204,
    "ml.c5.4xlarge": 0.816,
    "ml.g5.xlarge": 1.408,
    "ml.g5.12xlarge": 7.09,
    "ml.g4dn.xlarge": 0.736,
    "ml.p3.2xlarge": 3.825,
    "ml.p4d.24xlarge": 25.25,
    "ml.p5.48xlarge": 63.3,
}


_USUAL = {f"{word}:{instance_type}": [(0.0, usd)] for word in WORDS for instance_type, usd in USUAL.items()}


@dataclass(slots=True)
class Prices:
    """Prices of hours: by region and usage type, each since a time; the usual ones of old where none was put."""

    of: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)

    def put(self, region: str, usage: str, since: float, usd: float) -> None:
        """Let an hour cost so much from a time on; the list tells it as soon as it holds."""
        known = self.of.setdefault(region, {}).setdefault(usage, [])
        known.append((since, usd))
        known.sort()

    def listed(self, region: str, now: float) -> Iterator[tuple[str, float, float]]:
        """Yield usage types, since when an hour of each costs what it does now, and how much that is."""
        for usage, prices in sorted(self.of.get(region, _USUAL).items()):
            known = [price for price in prices if price[0] <= now]
            if known:
                yield usage, *known[-1]


def get_products(call: Call) -> dict[str, Any]:
    """Answer GetProducts: products as texts of JSON, by the region that a filter names."""
    given = call.parameters
    if given.get("ServiceCode") != "AmazonSageMaker":
        return {"FormatVersion": "aws_v1", "PriceList": []}
    size = given.get("MaxResults", LONGEST_PAGE)
    if not 1 <= size <= LONGEST_PAGE:
        raise AwsError("InvalidParameterException", f"MaxResults must be between 1 and {LONGEST_PAGE}")
    wanted: dict[str, str] = {
        one["Field"]: one["Value"] for one in given.get("Filters", ()) if one["Type"] == "TERM_MATCH"
    }
    found = [
        product
        for region in ([wanted["regionCode"]] if "regionCode" in wanted else sorted({*SHORT, *call.world.prices.of}))
        for product in _products(call, region)
        if all(product["product"]["attributes"].get(name) == value for name, value in wanted.items())
    ]
    page, more = call.page(found, size, AwsError("InvalidNextTokenException", "The NextToken is not valid."))
    return {"FormatVersion": "aws_v1", "PriceList": [orjson.dumps(product).decode() for product in page], **more}


def _products(call: Call, region: str) -> Iterator[dict[str, Any]]:
    short = SHORT.get(region) or "".join((region[:2], *(part[0] for part in region.split("-")[1:]))).upper()
    for usage, since, usd in call.world.prices.listed(region, call.now):
        word, _, instance_type = usage.partition(":ml.")
        known = {"instanceName": f"ml.{instance_type}", "component": WORDS[word]} if word in WORDS else {}
        separator = "-ml." if ":" in word else ":ml."
        yield _product(region, f"{short}-{word}{separator}{instance_type}", since, usd, "Hrs", known)
    yield _product(region, f"{short}-Host:VolumeUsage.gp2", 0.0, 0.14, "GB-Mo", {})
    yield _product(region, "Host:ml.m5.xlarge-HostingParent", 0.0, 0.0, "Hrs", {"component": "Hosting"})


def _product(region: str, usage: str, since: float, usd: float, unit: str, more: dict[str, str]) -> dict[str, Any]:
    sku = f"{number_of('product', region, usage):016X}"
    dimension = {
        "rateCode": f"{sku}.JRTCKXETXF.6YS6EN2CT7",
        "unit": unit,
        "beginRange": "0",
        "endRange": "Inf",
        "pricePerUnit": {"USD": f"{usd:.10f}"},
    }
    term = {
        "sku": sku,
        "offerTermCode": "JRTCKXETXF",
        "effectiveDate": f"{datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "priceDimensions": {dimension["rateCode"]: dimension},
    }
    attributes = {
        "servicecode": "AmazonSageMaker",
        "regionCode": region,
        "locationType": "AWS Region",
        "usagetype": usage,
        "operation": "RunInstance",
        **more,
    }
    return {
        "product": {"productFamily": "ML Instance" if more else "ML Storage", "sku": sku, "attributes": attributes},
        "serviceCode": "AmazonSageMaker",
        "terms": {"OnDemand": {f"{sku}.JRTCKXETXF": term}},
    }


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {"GetProducts": get_products}
