"""Counters that are read together, taken in at once, are counted as one by one (`Meter`)."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import Counter as Tallies

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from worlds import T0, VARIANT

from exporter.ledger.meter import Meter, Rules
from exporter.ledger.sqlite import SCHEMA
from exporter.model import BLOCK, HOUR, MINUTE, Bulk, Counter, Read, Window

RULES = Rules()
NAMES = ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors")
COUNTERS = tuple(Counter(name, "Sum", "sagemaker_endpoint_invocations_total") for name in NAMES)

# What CloudWatch has of a counter: a value for some of the minutes, which may change or go until it is final.
points = st.dictionaries(st.integers(0, 6) | st.integers(0, 60), st.integers(0, 3), max_size=9)
steps = st.lists(
    st.tuples(
        st.integers(1, 3) | st.integers(1, 40),  # minutes since the step before
        st.sampled_from(["narrow", "settle", "deep", "old"]),
        st.lists(points, min_size=len(NAMES), max_size=len(NAMES)),  # what has come, by minutes ago
        st.sampled_from(["", "", "", "", "pause", "resume", "release", "hide", "spelt", "late"]),
        st.integers(1, len(NAMES)),  # how many of the counters are asked together
    ),
    min_size=1,
    max_size=12,
)


def bulk(values, start, end, spellings):
    """Return what is said of the counters in [start, end)."""
    blocks = {}
    for n, of_counter in enumerate(values):
        for at, value in of_counter.items():
            if start <= at < end:
                sums, numbers = blocks.setdefault(
                    at // BLOCK * BLOCK, (array("d", [0.0] * len(values)), array("H", [0] * len(values)))
                )
                sums[n] += value
                numbers[n] += 1
    counters = COUNTERS[: len(values)]
    keys = tuple((counter.metric, counter.stat) for counter in counters)
    return Bulk(keys, counters, bytes(spellings), tuple((block, *blocks[block]) for block in sorted(blocks)))


def state(meter):
    """Return all that a meter knows, by counter."""
    found = {}
    for i, key in enumerate(meter.counters):
        columns = (
            "closed",
            "exposed",
            "read_until",
            "closed_until",
            "counted_from",
            "increased",
            "paused",
            "began",
            "lease",
        )
        blocks = {block: meter._block(i, block) for block in meter._filled(i)}
        known = {name: repr(getattr(meter, name)[i]) for name in columns}  # NaN is equal to itself
        doubts = {block: doubt for (of, block), doubt in meter.doubts.items() if of == i}
        found[key] = known, blocks, i in meter.ahead, meter.recovering.get(i), doubts, meter.total(i)
    return found


def begin(meter):
    """Let the counters count from a little after T0."""
    for counter in COUNTERS:
        meter._place(counter, T0 + 3 * MINUTE, T0)


@settings(max_examples=200, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(steps, st.booleans())
def test_what_is_counted_at_once_is_what_is_counted_one_by_one(history, shown):
    together, apart = Meter(VARIANT), Meter(VARIANT)
    begin(together)
    begin(apart)
    if shown:
        for meter in (together, apart):
            for i in range(len(NAMES)):
                meter.release(i, T0)
    now, values = float(T0 + BLOCK), [{} for _ in NAMES]
    for n, (minutes, reach, come, event, asked) in enumerate(history):
        now += minutes * MINUTE
        this = int(now) // MINUTE * MINUTE
        for of_counter, new in zip(values, come, strict=True):
            for ago, value in new.items():
                if value < 3:
                    of_counter[this - ago * MINUTE] = value
                else:
                    of_counter.pop(this - ago * MINUTE, None)
        closed = min(together.closed_until)
        ago = {"narrow": 5 * MINUTE, "settle": BLOCK, "deep": now - closed, "old": 5 * HOUR}[reach]
        start = max(int(now - ago) // BLOCK * BLOCK, T0)
        said = bulk(values[:asked], start, this + MINUTE, [event == "spelt"] * asked)
        read = Read(
            VARIANT,
            Window(start, this + MINUTE, MINUTE, float(n if event != "late" else n - 2), now - 5),
            until=now + (1 if event == "hide" else 900),
            bulk=said,
        )
        counted = together.count(read, now, RULES)
        one_by_one = Read(VARIANT, read.window, tuple(said.answers()), until=read.until)
        as_well = apart.count(one_by_one, now, RULES)
        assert Tallies(counted.revisions) == Tallies(as_well.revisions)
        assert counted[1:] == as_well[1:]
        for meter in (together, apart):
            for i in [i for i, (name, _) in enumerate(meter.counters) if name == NAMES[asked - 1]]:
                if event == "pause":
                    meter.pause(i)
                if event == "resume" and meter.paused[i]:
                    meter.resume(i, now)
                if event == "release" and math.isnan(meter.exposed[i]):
                    meter.release(i, now)
        assert state(together) == state(apart)
    assert state(Meter.load(VARIANT, together.dump())).keys() == state(apart).keys()


VALUES = [{T0 + n * MINUTE: n % 5 for n in range(3, 400)} for _ in NAMES]


def usual(n, meter, values=VALUES, spelling=0, **window):
    """Return what is read at minute n: now and then back to the last closed block, else the last five minutes."""
    now = float(T0 + n * MINUTE)
    start = (int(now - 5 * MINUTE) if n % 15 else min(meter.closed_until)) // BLOCK * BLOCK
    asked = {"start": start, "end": int(now) + MINUTE, "period": MINUTE, "began": float(n), "date": now, **window}
    said = bulk(values, asked["start"], asked["end"], [spelling] * len(NAMES))
    return Read(VARIANT, Window(**asked), until=now + 900, bulk=said)


def busy():
    """Return counters that have been read for five hours, and how many of the 290 readings were taken in at once."""
    meter, followed = Meter(VARIANT), 0
    begin(meter)
    for n in range(10, 300):
        read = usual(n, meter)
        if meter._follow(read, read.bulk, read.window.date, RULES) is None:
            meter.count(read, read.window.date, RULES)
        else:
            followed += 1
        if n == 20:
            for i in range(len(NAMES)):
                meter.release(i, read.window.date)
    return meter, followed


def test_the_usual_reading_is_taken_in_at_once():
    """Or all of this would be for nothing, and the test above would compare a thing with itself."""
    meter, followed = busy()
    assert followed > 250
    assert meter.closed_until[0] > T0 + HOUR
    assert [meter.total(i) for i in range(4)] == [sum(v for at, v in VALUES[0].items() if at < T0 + 300 * MINUTE)] * 4


def spoil(meter, what):
    """Let counters be as they rarely are."""
    match what:
        case "paused":
            meter.paused[1] = 1
        case "hidden":
            meter.lease[1] = -math.inf
        case "ahead":
            meter.ahead |= {1}
        case "recovering":
            meter.recovering[1] = T0
        case "doubted":
            meter.doubts[1, T0] = None
        case "first zero":
            meter.exposed[1] = math.nan
        case "read less far":
            meter.read_until[1] -= MINUTE
        case "closed less far":
            meter.closed_until[1] -= BLOCK
        case "counted later":
            meter.counted_from[1] = T0 + 299 * MINUTE
        case "elsewhere":
            meter._arrange([0, 2, 1, 3])


SPOILT = ("paused", "hidden", "ahead", "recovering", "doubted", "first zero", "read less far", "closed less far")
FEWER = [{at: value for at, value in of_counter.items() if at != T0 + 296 * MINUTE} for of_counter in VALUES]
OTHER = {
    "older": {"began": 0.0},
    "coarse": {"period": BLOCK},
    "not up to now": {"recent": False},
    "after a gap": {"start": T0 + 301 * MINUTE, "end": T0 + 302 * MINUTE},
    "spelt otherwise": {"spelling": 1},
    "fewer points": {"values": FEWER},
}


@pytest.mark.parametrize("what", ["", *SPOILT, "counted later", "elsewhere", *OTHER])
def test_what_is_unusual_is_counted_one_by_one(what):
    meter, _ = busy()
    spoil(meter, what)
    read = usual(301, meter, **OTHER.get(what, {}))
    before = state(meter)
    followed = meter._follow(read, read.bulk, read.window.date, RULES)
    assert (followed is None) == bool(what)
    assert (state(meter) == before) == bool(what), "what is not taken in changes nothing"


def test_a_new_layout_of_what_is_kept_is_a_new_schema():
    """A ledger of another layout would be read without an error, and its counters be mixed up."""
    meter, _ = busy()
    dumped = hashlib.sha256(meter.dump()).hexdigest()[:16]
    assert (SCHEMA, dumped) == (3, "606b260fe4c85184"), "raise SCHEMA if this is meant"


def test_counters_that_are_asked_together_come_to_stand_together():
    meter, _ = busy()
    before = state(meter)
    spoil(meter, "elsewhere")
    assert state(meter) == before
    read = usual(301, meter)
    meter.count(read, read.window.date, RULES)
    assert meter.counters == read.bulk.keys
    again = usual(302, meter)
    assert meter._follow(again, again.bulk, again.window.date, RULES) is not None
