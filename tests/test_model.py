"""The nouns are plain data."""

from __future__ import annotations

import msgspec
import pytest
from worlds import HERE, INVOCATIONS, LABELS, T0, VARIANT

from exporter import model
from exporter.model import Answer, Chunk, Read, Reading, Resource, Sample, Target, Window

NOUNS = [
    kind
    for kind in vars(model).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct
]


@pytest.mark.parametrize("noun", NOUNS)
def test_what_rooms_hand_to_each_other_can_not_be_changed(noun):
    assert noun.__struct_config__.frozen
    assert noun.__doc__


def test_equal_resources_are_one_key():
    twin = Resource(Target(*LABELS[:2]), VARIANT.namespace, VARIANT.dimensions, LABELS)
    assert twin == VARIANT
    assert {VARIANT: 1}[twin] == 1
    assert VARIANT.shape == ("AWS/SageMaker", ("EndpointName", "VariantName"))


def test_a_reading_is_a_literal():
    answer = Answer(INVOCATIONS, blocks=((T0, 5.0, 3),))
    reading = Reading("x", HERE, float(T0), reads=(Read(VARIANT, Window(T0, T0 + 900, 60, 0.0, T0), (answer,)),))
    assert reading.reads[0].answers == (answer,)
    assert reading == msgspec.structs.replace(reading)
    assert Sample("f", (), 1.0) == Sample("f", (), 1.0)


def test_a_chunk_counts_what_it_holds():
    assert Chunk((("a",), ("b",)), {"sum": (1.0, 2.0), "count": (1.0, 2.0), "0.5": (None, 0.0)}).series == 5
    assert Chunk((), {}).series == 0
