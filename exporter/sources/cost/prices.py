"""List prices of instances: products of the price list -> the price of an hour, by what is billed and instance type.

A product says in its usage type what it is for, such as USE1-Host:ml.m5.xlarge; the other attributes of it are not
filled in for all of them. A price has a date from which it holds, so that what was used before it costs what it did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

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

MOST_PAGES = 1000  # of a list: a region's has some forty
MOST_USD = 10_000.0  # an hour; the dearest instance costs a hundredth of it: what is above is a mistake

List = Mapping[tuple[str, str], Price | None]  # by word of the usage type, and instance type; None: unreadable


def read(aws: Aws, target: Target, now: float) -> tuple[List, int]:
    """Return the prices of a region that hold by now, and how many entries can't be read. Raises `AwsError`.

    Part of a price list is none, and neither is one that prices no instance: that is not what AWS would say.
    """
    filters = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": target.region}]
    pages = aws.pages(target, "GetProducts", ServiceCode=SERVICE, Filters=filters, FormatVersion="aws_v1")
    found: dict[tuple[str, str], Price] = {}
    unreadable: list[tuple[str, str] | None] = []
    for number, page in enumerate(pages):
        if number == MOST_PAGES:
            raise AwsError("transient", "GetProducts: the pages do not end")
        entries = page["PriceList"]
        if not isinstance(entries, list):
            raise AwsError("transient", "GetProducts: unreadable answer: PriceList is no list")
        for text in entries:
            what = None
            try:
                what = _priced(text)
                prices = _prices(text) if what else ()
            except _UNREADABLE:
                unreadable.append(what)
                continue
            for price in prices:
                if what and price[0] <= now:  # a coming one stands beside the one that holds
                    found[what] = max(found.get(what, price), price)
    if not found:
        text = f"no instance has a price in USD, {len(unreadable)} entries can't be read"
        raise AwsError("transient", f"GetProducts: PriceList: {text}")
    return {**{what: None for what in unreadable if what}, **found}, len(unreadable)


def word(billed: Billed) -> str:
    """Return how notes write what is billed."""
    return "/".join(billed)


def billed(word: str) -> Billed:
    """Return what a word in notes means."""
    kind, _, instance_type = word.partition("/")
    return kind, instance_type


def find(prices: List, billed: Billed) -> Price | None:
    """Return the price of an hour on an instance: none if the first entry about it can't be read.

    The next one may be another price.
    """
    resource_type, instance_type = billed
    words = (word for word in USED_FOR[resource_type] if (word, instance_type) in prices)
    return next((prices[word, instance_type] for word in words), None)


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


class _Entry(Struct, frozen=True):
    terms: _Terms = _Terms()


class _Attributes(Struct, frozen=True):
    usagetype: str = ""


class _Product(Struct, frozen=True):
    attributes: _Attributes = _Attributes()


class _Named(Struct, frozen=True):
    product: _Product = _Product()


_UNREADABLE = (ValueError, TypeError, RecursionError)  # text that is none, no JSON, endless JSON, not what it must be
_WORDS = {word for words in USED_FOR.values() for word in words}


def _priced(text: str) -> tuple[str, str] | None:
    """Return what an entry prices, if it is an instance that we know; nothing else of it is looked at."""
    try:
        usage = msgspec.json.decode(text, type=_Named).product.attributes.usagetype
    except msgspec.ValidationError:
        return None  # it has no usage type, so it is no instance's
    if (found := _INSTANCE.fullmatch(usage)) and found["word"] in _WORDS:
        return found["word"], found["type"]
    if found := _MLFLOW.fullmatch(usage):
        return "mlflow", found["type"].capitalize()
    return None


def _prices(text: str) -> tuple[Price, ...]:
    """Return the prices of an hour that an entry tells. Raises one of `_UNREADABLE`: none of it is to be believed."""
    terms = msgspec.json.decode(text, type=_Entry).terms.OnDemand.values()
    found = [
        (_date(term.effective_date), _usd(one.price_per_unit["USD"]))
        for term in terms
        for one in term.price_dimensions.values()
        if one.unit.lower().startswith("h") and one.begin_range in {"", "0"} and "USD" in one.price_per_unit
    ]
    return tuple(price for price in found if price[1])


def _usd(text: str) -> float:
    """Return a price. Raises ValueError for what is no number, and for one that no price can be."""
    usd = float(text)
    if not 0 <= usd <= MOST_USD:  # nor is NaN
        raise ValueError(f"{text} is no price of an hour")
    return usd


def _date(text: str) -> float:
    """Return Unix seconds; 0, which is long ago, where there is no date. Raises ValueError for what is none."""
    if not text:
        return 0.0
    date = datetime.fromisoformat(text)
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
