"""List prices of instances: products of the price list -> the price of an hour, by what is billed and instance type.

A product says in its usage type what it is for, such as USE1-Host:ml.m5.xlarge; the other attributes of it are not
filled in for all of them. A price has a date from which it holds, so that what was used before it costs what it did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import msgspec
from msgspec import Struct

from exporter.aws import Aws, AwsError
from exporter.model import Target

Billed = tuple[str, str]  # what is billed, by the word of label resource_type, and the instance type
Price = tuple[float, float]  # since when, USD an hour
KEPT = 3  # prices of one instance type: this one, and those before it, for time that has yet to be counted

SERVICE = "AmazonSageMaker"
USED_FOR = {  # what is billed, by words of usage types: the first that has a price
    "endpoint": ("Host", "AsyncInf"),
    "training_job": ("Train",),
    "processing_job": ("Processing",),
    "transform_job": ("Tsform",),
    "warm_pool": ("Train",),  # kept instances are billed as training ones
    "notebook_instance": ("Notebk",),
    "app": ("Studio:JupyterLab", "Studio:CodeEditor", "Studio:KernelGateway", "RStudio:RSessionGateway"),
    "cluster": ("Cluster",),
    "mlflow_tracking_server": ("mlflow",),
}
_INSTANCE = re.compile(r"(?:[A-Z0-9]{2,5}-)?(?P<word>[A-Za-z]+(?::[A-Za-z]+)?)[:-](?P<type>ml\.[a-z0-9-]+\.[a-z0-9]+)")
_MLFLOW = re.compile(r".*mlflow.*[:-](?P<type>small|medium|large)", re.IGNORECASE)  # a guess: no page of AWS names it

List = Mapping[tuple[str, str], Price]  # by word of the usage type, and instance type


def read(aws: Aws, target: Target) -> List:
    """Return the prices of a region. Raises `AwsError`: part of a price list is none."""
    filters = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": target.region}]
    pages = aws.pages(target, "GetProducts", ServiceCode=SERVICE, Filters=filters, FormatVersion="aws_v1")
    return dict(sorted(one for page in pages for text in page["PriceList"] for one in _priced(text)))


def find(prices: List, billed: Billed) -> Price | None:
    """Return the price of an hour on an instance."""
    resource_type, instance_type = billed
    found = (prices.get((word, instance_type)) for word in USED_FOR[resource_type])
    return next(filter(None, found), None)


def learn(known: tuple[Price, ...], price: Price, now: float) -> tuple[Price, ...]:
    """Return what is known of a price, the oldest first, with what a list says now: that it is another one, or not."""
    since, usd = price
    if known and known[-1][1] == usd:
        return known
    since = min(since, now) if not known else min(max(since, known[-1][0]), now)
    return (*known, (since, usd))[-KEPT:]


def pieces(known: tuple[Price, ...], start: float, end: float) -> Iterator[tuple[float, float]]:
    """Yield hours and price of the parts of a time in which one price holds. The first one is that of before, too."""
    for n, (since, usd) in enumerate(known):
        begins = since if n else start
        ends = known[n + 1][0] if n + 1 < len(known) else end
        hours = (min(end, ends) - max(start, begins)) / 3600
        if hours > 0:
            yield hours, usd


class _Dimension(Struct, frozen=True, rename="camel"):
    unit: str = ""
    begin_range: str = "0"
    price_per_unit: dict[str, str] = {}


class _Term(Struct, frozen=True, rename="camel"):
    effective_date: str = ""
    price_dimensions: dict[str, _Dimension] = {}


class _Terms(Struct, frozen=True):
    OnDemand: dict[str, _Term] = {}


class _Attributes(Struct, frozen=True):
    usagetype: str = ""


class _Product(Struct, frozen=True):
    attributes: _Attributes = _Attributes()


class _Entry(Struct, frozen=True):
    product: _Product
    terms: _Terms = _Terms()


def _priced(text: str) -> Iterable[tuple[tuple[str, str], Price]]:
    """Yield the price that an entry tells, if it is one of an instance. Raises `AwsError`."""
    try:
        entry = msgspec.json.decode(text, type=_Entry)
    except msgspec.MsgspecError as error:
        raise AwsError("transient", f"unreadable answer: PriceList: {error}") from error
    usage = entry.product.attributes.usagetype
    if found := _INSTANCE.fullmatch(usage):
        what = (found["word"], found["type"])
    elif found := _MLFLOW.fullmatch(usage):
        what = ("mlflow", found["type"].capitalize())
    else:
        return
    for term in entry.terms.OnDemand.values():
        for one in term.price_dimensions.values():
            usd = _number(one.price_per_unit.get("USD", ""))
            if usd and one.unit.lower().startswith("h") and one.begin_range in {"", "0"}:
                yield what, (_date(term.effective_date), usd)


def _number(text: str) -> float:
    """Return a price; 0, which is none, for what is no number."""
    try:
        return max(0.0, min(float(text), 1e6))
    except ValueError:
        return 0.0


def _date(text: str) -> float:
    """Return Unix seconds; 0, which is long ago, for what is no date."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
