"""API calls as CloudTrail knows them: who called what, when, how it went, and when a record of it arrives where.

The truth, for one account and region: calls that were added one by one, the calls that the fake has answered itself
(the newest of them), and those of people who call all day (`people`), made up when they are asked for. How a record is
looked up is told in `cloudtrail`, how it comes by EventBridge in `rules`, how it gets into files in `trail`.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from dataclasses import dataclass, field
from heapq import merge
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from exporter.demo.events import iso
from exporter.demo.identities import Identity
from exporter.demo.traffic import chance, dice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SAGEMAKER = "sagemaker.amazonaws.com"
SLOT = 300  # seconds: calls are kept, and made up, in stretches of this length
MOST_HEARD = 20_000
"""Of the calls that the fake has answered, so many of each account and region are remembered, the newest."""

STRETCHES = 100
"""For so many stretches is kept when their records arrive: a long poll asks again and again for the same."""

MANAGEMENT, DATA, NETWORK = "Management", "Data", "NetworkActivity"
_READS = re.compile(r"(Describe|Get|List|Lookup|Query|Search|BatchDescribe)[A-Z]|Search$")
_ADDRESS = re.compile(r"[\d.]+")

Road = Literal["lookup", "bus", "trail"]


@dataclass(frozen=True, slots=True)
class Delay:
    """How long records take to arrive, in seconds, and what share of them is late or comes again up to 10 min later."""

    usual: tuple[float, float] = (0.0, 0.0)
    late: float = 0.0
    latest: float = 900.0
    again: float = 0.0

    def arrivals(self, at: float, luck: int) -> list[float]:
        """Return when the record of a call that ended at `at` arrives: once, or twice."""
        least, most = (self.usual[1], self.latest) if chance(luck, 1) < self.late else self.usual
        first = at + least + (most - least) * chance(luck, 2)
        return [first, first + 600 * chance(luck, 4)] if chance(luck, 3) < self.again else [first]

    @property
    def longest(self) -> float:
        """The longest time that a record may take, with its repetition."""
        return max(self.usual[1], self.latest if self.late else 0.0) + (600 if self.again else 0)


@dataclass(frozen=True, slots=True)
class Delays:
    """How late records are: in LookupEvents, through EventBridge, in the files of a trail.

    AWS promises nothing; about five minutes are usual, fifteen are seen.
    """

    lookup: Delay = Delay((45.0, 420.0), late=0.05, again=0.002)
    bus: Delay = Delay((2.0, 60.0), late=0.02)
    trail: Delay = Delay((60.0, 420.0), late=0.05, again=0.005)


def exactly(lookup: float = 0.0, bus: float | None = None, trail: float | None = None) -> Delays:
    """Return delays of just so many seconds; those that are not given are that of LookupEvents."""
    return Delays(*(Delay((after, after)) for after in (lookup, *(lookup if a is None else a for a in (bus, trail)))))


PROMPT = exactly(0.0)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call, and one record. `more`: members of the record that are there besides, or otherwise; None: not there."""

    number: int  # of 64 bits, from which its ids are made
    at: float  # when it was completed
    name: str
    who: Identity
    source: str = SAGEMAKER
    error: tuple[str, str] | None = None  # its code and its text
    parameters: Mapping[str, Any] | None = None
    elements: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    delays: Delays | None = None

    @property
    def order(self) -> tuple[float, int]:
        """Its place among all calls."""
        return self.at, self.number

    @property
    def event_id(self) -> str:
        """What its record is known by."""
        known: str | None = self.more.get("eventID")
        return known or _guid(self.number, 11)

    @property
    def request_id(self) -> str:
        """What the call was known by."""
        known: str | None = self.more.get("requestID")
        return known or _guid(self.number, 21)

    @property
    def category(self) -> str:
        """Management, Data or NetworkActivity: what is only known to a trail that logs it is not Management."""
        return self.more.get("eventCategory") or MANAGEMENT

    @property
    def read_only(self) -> bool:
        """Whether it changes nothing."""
        known: bool | None = self.more.get("readOnly")
        return reads(self.name) if known is None else known

    @property
    def resources(self) -> list[dict[str, str]]:
        """What LookupEvents says it is about: of SageMaker's calls, only those that write and say a name."""
        if self.read_only or self.source != SAGEMAKER:
            return []
        found = re.fullmatch(r"(?:Create|Delete|Update|Start|Stop)([A-Z]\w+)", self.name)
        named = (self.parameters or {}).get(lower_camel(f"{found[1]}Name")) if found else None
        return [{"ResourceType": f"AWS::SageMaker::{found[1]}", "ResourceName": named}] if found and named else []


def reads(name: str) -> bool:
    """Tell whether an operation changes nothing, by its verb."""
    return _READS.match(name) is not None


def lower_camel(name: str) -> str:
    """Return a member's name as records have it."""
    return name[:1].lower() + name[1:]


def spelt(value: Any) -> Any:
    """Return parameters of a request as records have them."""
    if isinstance(value, dict):
        return {lower_camel(name): spelt(member) for name, member in value.items()}
    return [spelt(member) for member in value] if isinstance(value, list) else value


def record(call: ApiCall, account: str, region: str) -> dict[str, Any]:
    """Return the record of a call, as it stands in files, events and LookupEvents."""
    who, kind = dict(call.who.record), call.more.get("eventType", "AwsApiCall")
    if "sessionContext" in who:
        session = who["sessionContext"]
        began = {"creationDate": iso(call.at // 3600 * 3600)}
        who["sessionContext"] = {**session, "attributes": {**began, **session.get("attributes", {})}}
    told: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": who,
        "eventTime": iso(call.at),
        "eventSource": call.source,
        "eventName": call.name,
        "awsRegion": region,
        "sourceIPAddress": call.who.address,
        "userAgent": call.who.agent,
    }
    if call.error:
        told |= {"errorCode": call.error[0], "errorMessage": call.error[1]}
    told |= {
        "requestParameters": call.parameters,
        "responseElements": call.elements,
        "requestID": call.request_id,
        "eventID": call.event_id,
        "readOnly": call.read_only,
        "eventType": kind,
        "managementEvent": call.category == MANAGEMENT,
        "recipientAccountId": account,
        "eventCategory": call.category,
    }
    if kind == "AwsApiCall" and _ADDRESS.fullmatch(call.who.address):
        host = f"api.{call.source.partition('.')[0]}.{region}.amazonaws.com"
        told["tlsDetails"] = {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": host,
        }
    told |= call.more
    return {name: value for name, value in told.items() if value is not None or name not in call.more}


def _guid(number: int, at: int) -> str:
    digits = f"{dice(number, at):016x}{dice(number, at + 1):016x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class Callers(Protocol):
    """Who calls all day, from `since` on and before `until`."""

    since: float
    until: float

    def calls(self, slot: int) -> list[ApiCall]:
        """Return the calls of the SLOT seconds from slot * SLOT on, in order; the same each time."""


class _Kept:
    """Calls that are remembered: by when they were, and by when their records arrive."""

    def __init__(self) -> None:
        self.calls: dict[int, list[ApiCall]] = {}
        self.coming: dict[Road, dict[int, list[tuple[float, ApiCall]]]] = {"bus": {}, "trail": {}}
        self.size = 0

    def add(self, call: ApiCall, delays: Delays) -> None:
        insort(self.calls.setdefault(int(call.at // SLOT), []), call, key=_order)
        for road, slots in self.coming.items():
            for at in _arrivals(call, road, delays):
                slots.setdefault(int(at // SLOT), []).append((at, call))
        self.size += 1

    def forget_oldest(self) -> None:
        """Forget the oldest stretch; of one alone, the older half: time may stand still."""
        oldest = min(self.calls)
        known = self.calls.pop(oldest)
        if not self.calls:
            self.calls[oldest] = known[len(known) // 2 :]
            known = known[: len(known) // 2]
        gone = {call.number for call in known}
        self.size -= len(known)
        for slots in self.coming.values():
            for slot, coming in list(slots.items()):
                slots[slot] = [one for one in coming if one[1].number not in gone]
                if not slots[slot]:
                    del slots[slot]


class _Coming(NamedTuple):
    """When records arrive, as long as these are the delays and the calls."""

    delays: Delays
    calls: list[ApiCall]
    coming: list[tuple[float, ApiCall]]


class Calls:
    """All calls to an account in a region. Records are as late as `delays` say, unless a call says otherwise."""

    def __init__(self, delays: Delays) -> None:
        """Begin without any."""
        self.delays = delays
        self.callers: list[Callers] = []
        self._added, self._heard = _Kept(), _Kept()
        self._coming: OrderedDict[tuple[int, Road, int], _Coming] = OrderedDict()

    def add(self, call: ApiCall) -> ApiCall:
        """Take in a call. One whose record should have arrived before now may be missed by who has looked already."""
        self._added.add(call, self.delays)
        return call

    def hear(self, call: ApiCall) -> None:
        """Take in a call that the fake has answered; old ones are forgotten."""
        self._heard.add(call, self.delays)
        if self._heard.size > MOST_HEARD:
            self._heard.forget_oldest()

    def between(self, start: float, end: float) -> list[ApiCall]:
        """Return the truth: all calls of `start` <= t < `end`, in order."""
        return list(self.newest_first(start, end))[::-1]

    def newest_first(self, start: float, end: float, since: tuple[float, int] | None = None) -> Iterator[ApiCall]:
        """Yield the calls of `start` <= t < `end`, the newest first; those up to the place `since` at most."""
        for slot in self._slots(start, end if since is None else min(end, since[0])):
            parts = []
            for part in self._parts(slot):
                high = bisect_left(part, (end, 0), key=_order)
                if since is not None:
                    high = min(high, bisect_right(part, since, key=_order))
                parts.append(part[bisect_left(part, (start, 0), key=_order) : high][::-1])
            yield from parts[0] if len(parts) == 1 else merge(*parts, key=_order, reverse=True)

    def arrivals(self, call: ApiCall, road: Road) -> list[float]:
        """Return when the record of a call arrives by a road: mostly once."""
        return _arrivals(call, road, self.delays)

    def arriving(self, road: Literal["bus", "trail"], start: float, end: float) -> list[tuple[float, ApiCall]]:
        """Return (arrival, call) for all records that arrive by a road at `start` <= t < `end`, in that order."""
        first, last = int(start // SLOT), int(end // SLOT)
        found = [
            coming
            for kept in (self._added, self._heard)
            for slot in range(first, last + 1)
            for coming in kept.coming[road].get(slot, ())
        ]
        found = [one for one in found if start <= one[0] < end]
        usual = start - getattr(self.delays, road).longest
        for nth, callers in enumerate(self.callers):
            for slot in _range(callers, min(usual, start - LONGEST), end):
                coming = self._coming_of(nth, road, slot)
                found += coming[bisect_left(coming, start, key=_time) : bisect_left(coming, end, key=_time)]
        return sorted(found, key=lambda one: (one[0], one[1].number))

    def _coming_of(self, nth: int, road: Road, slot: int) -> list[tuple[float, ApiCall]]:
        """Return when all records of a stretch of callers arrive, in that order."""
        calls, key = self.callers[nth].calls(slot), (nth, road, slot)
        known = self._coming.get(key)
        if known is None or known.calls != calls or known.delays != self.delays:
            coming = sorted(((at, call) for call in calls for at in self.arrivals(call, road)), key=_time)
            known = self._coming[key] = _Coming(self.delays, calls, coming)
            if len(self._coming) > STRETCHES:
                self._coming.popitem(last=False)
        return known.coming

    def _parts(self, slot: int) -> list[list[ApiCall]]:
        parts = [kept.calls[slot] for kept in (self._added, self._heard) if slot in kept.calls]
        return parts + [callers.calls(slot) for callers in self.callers]

    def _slots(self, start: float, end: float) -> list[int]:
        """Return which stretches of a time hold calls, the newest first."""
        first, last = start // SLOT, end // SLOT
        known = {slot for kept in (self._added, self._heard) for slot in kept.calls if first <= slot <= last}
        return sorted(known.union(*(_range(callers, start, end) for callers in self.callers)), reverse=True)


LONGEST = 3600.0
"""Callers may have records so late, by delays of their own."""


def _range(callers: Callers, start: float, end: float) -> range:
    first, last = max(start, callers.since) // SLOT, min(end, callers.until) // SLOT
    return range(int(first), int(last) + 1)


def _arrivals(call: ApiCall, road: Road, delays: Delays) -> list[float]:
    delay: Delay = getattr(call.delays or delays, road)
    return delay.arrivals(call.at, call.number ^ _SALT[road])


_SALT: dict[Road, int] = {"lookup": 0, "bus": 0x5DEECE66D, "trail": 0xB5026F5AA}


def _time(one: tuple[float, ApiCall]) -> float:
    return one[0]


def _order(call: ApiCall) -> tuple[float, int]:
    return call.at, call.number
