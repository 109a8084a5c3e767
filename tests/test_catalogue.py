"""Rows: equal to the contract, well named, and refused when they are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from exporter.catalogue import CATALOGUE, TABLES
from exporter.catalogue.breakdowns import BREAKDOWNS
from exporter.catalogue.enums import ENUMS
from exporter.catalogue.labels import LABELS
from exporter.catalogue.resources import TAGS_INFO
from exporter.catalogue.rows import Row, Shape, counter

CONTRACT = yaml.safe_load((Path(__file__).parent / "contract" / "families.yaml").read_text())
PROMISED = {family["family"]: family for family in CONTRACT["families"]}
BUILT_SOURCES = {
    "cloudtrail",
    "cloudwatch_alarms",
    "cloudwatch_logs",
    "cloudwatch_metrics",
    "cost",
    "inventory",
    "job_events",
    "job_events+job_polling",
    "quotas",
}
VARIANT = Shape(namespaces=("AWS/SageMaker",), dimensions={"EndpointName": "endpoint_name"})


def as_contract(row: Row, subject: str) -> dict:
    """Write a row the way the contract writes a family."""
    family = {
        "family": row.name,
        "type": row.type,
        "unit": row.unit,
        "help": row.help,
        "labels": list(row.labels),
        "source": row.source,
        "default": "on" if row.on else "off",
        "stability": "stable" if row.stable else "experimental",
        "subject": subject,
    }
    if row.values:
        family["values"] = {k: v if isinstance(v, str) else list(v) for k, v in row.values.items()}
    if row.seeded:
        family["seeded"] = row.seeded
    if row.reads:
        family["reads"] = row.reads
    if row.buckets:
        family["buckets"] = list(row.buckets)
    if row.type == "summary":
        family["quantiles"] = list(row.quantiles)
    if row.label_pattern:
        family["label_pattern"] = row.label_pattern
    if row.breakdowns:
        family["breakdowns"] = list(row.breakdowns)
        family["word"] = BREAKDOWNS[row.breakdowns[0]].of
    if row.ask:
        shape = row.ask.shape
        family["pace"] = row.pace
        family["ask"] = {
            "namespace": list(shape.namespaces),
            "metric": list(row.ask.metrics),
            "dimensions": {k: v if isinstance(v, str) else list(v) for k, v in shape.dimensions.items()},
            "stats": list(row.ask.stats),
            "scale": row.ask.scale,
        }
        family["ask"] |= {"period": row.ask.period} if row.ask.period else {}
        family["ask"] |= {"fixed": dict(shape.fixed)} if shape.fixed else {}
        family["ask"] |= {"only": {k: list(v) for k, v in shape.only.items()}} if shape.only else {}
    return family


ROWS = [(row, subject) for subject, table in TABLES.items() for row in table]


@pytest.mark.parametrize(("row", "subject"), ROWS, ids=[row.name for row, _ in ROWS])
def test_row_equals_the_contract(row, subject):
    """What nobody has promised may be there too, as an experiment."""
    if row.name in PROMISED or row.stable:
        assert as_contract(row, subject) == PROMISED[row.name]


def test_every_family_promised_for_now_has_a_row():
    promised = {
        name for name, family in PROMISED.items() if not family.get("later") and family["source"] in BUILT_SOURCES
    }
    rows = {row.name for row in CATALOGUE.values() if row.source != "own"}
    assert promised == rows & PROMISED.keys()


def test_words_and_labels_equal_the_contract():
    assert {word: list(values) for word, values in ENUMS.items()} == {w: CONTRACT["enums"][w] for w in ENUMS}
    assert {name: (label.bound, label.means) for name, label in LABELS.items()} == {
        name: (CONTRACT["labels"][name]["bound"], CONTRACT["labels"][name]["means"]) for name in LABELS
    }


def test_breakdowns_equal_the_contract():
    assert set(BREAKDOWNS) == set(CONTRACT["breakdowns"])
    for word, breakdown in BREAKDOWNS.items():
        promised = CONTRACT["breakdowns"][word]
        assert breakdown.of == promised["of"]
        assert breakdown.adds == promised.get("adds", {})
        assert breakdown.instead == promised.get("instead")
        assert {k: list(v) for k, v in breakdown.aliases.items()} == promised.get("aliases", {})
        assert breakdown.help == promised["help"]


def test_breakdown_is_off_and_carries_its_labels_last():
    form = CATALOGUE["sagemaker_endpoint_instance_invocations_total"]
    assert form.labels == ("account_id", "region", "endpoint_name", "variant_name", "instance_id")
    assert not form.on
    assert form.base == "sagemaker_endpoint_invocations_total"
    assert form.help == "Requests sent to an endpoint variant; per instance; needs enhanced metrics."


def test_one_statistic_has_one_family():
    asked = [
        (row.ask.shape.namespaces[0], tuple(row.ask.shape.dimensions), row.ask.metrics[0], stat)
        for row in CATALOGUE.values()
        if row.ask
        for stat in row.ask.stats
    ]
    assert len(asked) == len(set(asked))


def test_every_label_word_and_breakdown_is_used():
    labels = {label for row in CATALOGUE.values() for label in row.labels}
    words = {values for row in CATALOGUE.values() for values in row.values.values() if isinstance(values, str)}
    assert labels == set(LABELS)
    assert words == set(ENUMS)
    assert set(BREAKDOWNS) == {word for row in CATALOGUE.values() for word in row.breakdowns}


def test_labels_stay_off_the_names_that_prometheus_and_kubernetes_use():
    taken = {"job", "instance", "le", "quantile", "namespace", "service", "endpoint", "pod", "container", "node"}
    assert not taken & set(LABELS)
    assert not any(label.startswith("exported_") or label in CATALOGUE for label in LABELS)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("sagemaker_endpoint_calls", "Calls.", "_total ends the names of counters"),
        ("sagemaker_endpointCalls_total", "Calls.", "snake case"),
        ("endpoint_calls_total", "Calls.", "begins with sagemaker_"),
        ("sagemaker_endpoint_calls_total", "calls", "help is one sentence"),
    ],
)
def test_bad_row_is_refused_with_the_reason(name, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        counter(name, text, VARIANT, "Calls")


def test_further_labels_belong_to_facts_and_come_in_pairs():
    tags = CATALOGUE[TAGS_INFO]
    assert [number for number in range(3, 10) if tags.takes(number)] == [4, 6, 8]
    up = CATALOGUE["sagemaker_endpoint_status"]
    assert [number for number in range(3, 10) if up.takes(number)] == [4]
    with pytest.raises(ValueError, match="further labels belong to facts"):
        replace(up, label_pattern="tag_*")


def test_unknown_label_is_refused():
    shape = Shape(namespaces=("AWS/SageMaker",), dimensions={"EndpointName": "endpint"})
    with pytest.raises(ValueError, match=r"unknown labels \['endpint'\]"):
        counter("sagemaker_endpoint_calls_total", "Calls.", shape, "Calls")
