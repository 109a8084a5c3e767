"""Pages: what Prometheus's own readers make of them."""

from __future__ import annotations

import gzip
import math
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import GCCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest as write_text
from prometheus_client.openmetrics.exposition import generate_latest as write_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from worlds import HERE, LABELS

from exporter.catalogue import CATALOGUE
from exporter.model import Chunk, Snapshot, Target
from exporter.sinks.gzip_pieces import piece, stitch
from exporter.sinks.prometheus import Process, Renderer

COUNTER = "sagemaker_endpoint_invocations_total"
GAUGE = "sagemaker_endpoint_cpu_utilization_ratio"
SUMMARY = "sagemaker_endpoint_model_latency_seconds"
HISTOGRAM = "sagemaker_exporter_source_run_duration_seconds"
READY = "sagemaker_exporter_ready"

CHUNKS = {
    (COUNTER, HERE): Chunk((LABELS, (*LABELS[:3], "canary")), {"": (5.0, 1e22)}),
    (GAUGE, HERE): Chunk((LABELS,), {"": (0.25,)}),
    (SUMMARY, HERE): Chunk(
        (LABELS, (*LABELS[:3], "canary")),
        {"sum": (2.5, 1.0), "count": (4.0, 1.0), "0.99": (0.9, None), "0.5": (0.5, None)},
    ),
    (HISTOGRAM, None): Chunk(
        (("inventory",),), {"count": (3.0,), "+Inf": (3.0,), "10.0": (2.0,), "0.5": (1.0,), "sum": (30.5,)}
    ),
    (READY, None): Chunk(((),), {"": (1.0,)}),
}


def text_of(member):
    text = gzip.decompress(member.gzip)
    assert len(text) == member.length
    return text.decode()


def samples(families):
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def page(chunks):
    return Renderer().render(Snapshot(1, 0.0, chunks))


def test_text_page_reads_as_it_should():
    assert text_of(page(CHUNKS).text) == (
        "# HELP sagemaker_endpoint_invocations_total Requests sent to an endpoint variant. "
        "[AWS/SageMaker Invocations, Sum]\n"
        "# TYPE sagemaker_endpoint_invocations_total counter\n"
        'sagemaker_endpoint_invocations_total{account_id="123456789012",region="eu-west-1",'
        'endpoint_name="churn",variant_name="main"} 5.0\n'
        'sagemaker_endpoint_invocations_total{account_id="123456789012",region="eu-west-1",'
        'endpoint_name="churn",variant_name="canary"} 1e+22\n'
        "# HELP sagemaker_endpoint_model_latency_seconds Time the model took to answer a request to an endpoint "
        "variant; exact sum and count, quantiles of the newest settled period. "
        "[AWS/SageMaker ModelLatency, Sum SampleCount p50 p90 p99]\n"
        "# TYPE sagemaker_endpoint_model_latency_seconds summary\n"
        'sagemaker_endpoint_model_latency_seconds{account_id="123456789012",region="eu-west-1",'
        'endpoint_name="churn",variant_name="main",quantile="0.5"} 0.5\n'
        'sagemaker_endpoint_model_latency_seconds{account_id="123456789012",region="eu-west-1",'
        'endpoint_name="churn",variant_name="main",quantile="0.99"} 0.9\n'
        'sagemaker_endpoint_model_latency_seconds_sum{account_id="123456789012",region="eu-west-1",'
        'endpoint_name="churn",variant_name="main"} 2.5\n'
        'sagemaker_endpoint_model_latency_seconds_count{account_id="123456789012",region="eu-west-1",'
        'endpoint_name="churn",variant_name="main"} 4.0\n'
        'sagemaker_endpoint_model_latency_seconds_sum{account_id="123456789012",region="eu-west-1",'
        'endpoint_name="churn",variant_name="canary"} 1.0\n'
        'sagemaker_endpoint_model_latency_seconds_count{account_id="123456789012",region="eu-west-1",'
        'endpoint_name="churn",variant_name="canary"} 1.0\n'
        "# HELP sagemaker_endpoint_cpu_utilization_ratio CPU use of the containers of an endpoint instance, where each "
        "fully used core adds 1, average over the newest settled period. "
        "[/aws/sagemaker/Endpoints CPUUtilization, Average]\n"
        "# TYPE sagemaker_endpoint_cpu_utilization_ratio gauge\n"
        'sagemaker_endpoint_cpu_utilization_ratio{account_id="123456789012",region="eu-west-1",'
        'endpoint_name="churn",variant_name="main"} 0.25\n'
        "# HELP sagemaker_exporter_ready 1 once every enabled source has run on every target, 0 before that and while "
        "stopping.\n"
        "# TYPE sagemaker_exporter_ready gauge\n"
        "sagemaker_exporter_ready 1.0\n"
        "# HELP sagemaker_exporter_source_run_duration_seconds Time one run of a source on a target took.\n"
        "# TYPE sagemaker_exporter_source_run_duration_seconds histogram\n"
        'sagemaker_exporter_source_run_duration_seconds_bucket{source="inventory",le="0.5"} 1.0\n'
        'sagemaker_exporter_source_run_duration_seconds_bucket{source="inventory",le="10.0"} 2.0\n'
        'sagemaker_exporter_source_run_duration_seconds_bucket{source="inventory",le="+Inf"} 3.0\n'
        'sagemaker_exporter_source_run_duration_seconds_sum{source="inventory"} 30.5\n'
        'sagemaker_exporter_source_run_duration_seconds_count{source="inventory"} 3.0\n'
    )


def test_both_formats_say_the_same_to_their_readers():
    made = page(CHUNKS)
    text, openmetrics = text_of(made.text), text_of(made.openmetrics)
    assert samples(read_text(text)) == samples(read_openmetrics(openmetrics))
    families = {family.name: family for family in read_openmetrics(openmetrics)}
    assert families["sagemaker_endpoint_invocations"].type == "counter"
    assert families[SUMMARY].unit == "seconds"
    assert openmetrics.endswith("# EOF\n")


def test_targets_of_a_family_stand_together():
    there = Target("1", "eu-west-1")
    chunks = CHUNKS | {(COUNTER, there): Chunk((("1", "eu-west-1", "x", "y"),), {"": (1.0,)})}
    text = text_of(page(chunks).text)
    assert text.count("# TYPE sagemaker_endpoint_invocations_total") == 1
    assert len(samples(read_text(text))) == len(samples(read_text(text_of(page(CHUNKS).text)))) + 1


def test_only_what_changed_is_rendered_again(monkeypatch):
    renderer = Renderer()
    renderer.render(Snapshot(1, 0.0, CHUNKS))
    rendered = []
    original = renderer._lines
    monkeypatch.setattr(renderer, "_lines", lambda row, chunk: rendered.append(row.name) or original(row, chunk))
    changed = CHUNKS | {(GAUGE, HERE): Chunk((LABELS,), {"": (0.5,)})}
    again = renderer.render(Snapshot(2, 1.0, changed))
    assert rendered == [GAUGE]
    assert "} 0.5\n" in text_of(again.text)


@pytest.mark.parametrize(
    "stranger",
    [
        {("sagemaker_of_another_version_total", HERE): Chunk((LABELS,), {"": (1.0,)})},
        {(COUNTER, Target("1", "eu-west-1")): Chunk((LABELS[:2],), {"": (1.0,)})},
    ],
)
def test_what_has_no_row_is_left_out_and_told_once(stranger, caplog):
    renderer = Renderer()
    for n in range(3):
        assert text_of(renderer.render(Snapshot(n, 0.0, CHUNKS | stranger)).text) == text_of(page(CHUNKS).text)
    assert len(caplog.records) == 1


def test_half_a_character_does_not_keep_the_page_from_being_made():
    chunk = Chunk(((*LABELS[:2], "half \ud800", "main"),), {"": (1.0,)})
    assert 'endpoint_name="half ?"' in text_of(page({(COUNTER, HERE): chunk}).text)


def test_a_value_that_is_too_long_is_cut_and_stays_apart_from_others():
    chunk = Chunk(((*LABELS[:2], "x" * 10_000, "main"), (*LABELS[:2], "x" * 9_999, "main")), {"": (1.0, 2.0)})
    text = text_of(page({(COUNTER, HERE): chunk}).text)
    assert len(text) < 4_000
    assert len(samples(read_text(text))) == 2


def test_the_process_is_at_the_end_of_both_formats():
    made = Renderer(Process()).render(Snapshot(1, 0.0, CHUNKS))
    text, openmetrics = text_of(made.text), text_of(made.openmetrics)
    names = {family.name for family in read_text(text)}
    assert names >= {"process_cpu_seconds", "process_open_fds", "python_info", "python_gc_collections"}
    assert names == {family.name for family in read_openmetrics(openmetrics)}
    assert openmetrics.count("# EOF") == 1
    assert text.index("sagemaker_") < text.index("process_")


def test_both_formats_hold_one_reading_of_the_process(monkeypatch):
    class Rising(GCCollector):
        looks = 0

        def collect(self):
            Rising.looks += 1
            return [GaugeMetricFamily("looks", "How often it was read.", Rising.looks)]

    monkeypatch.setattr("exporter.sinks.prometheus.GCCollector", Rising)
    made = Renderer(Process()).render(Snapshot(1, 0.0, CHUNKS))
    text, openmetrics = read_text(text_of(made.text)), read_openmetrics(text_of(made.openmetrics))
    assert samples(text)["looks", ()] == samples(openmetrics)["looks", ()]


def test_label_strings_of_what_is_gone_are_dropped():
    renderer = Renderer()
    for n in range(20):
        labels = tuple((*LABELS[:2], f"endpoint-{n}-{k}", "main") for k in range(500))
        renderer.render(Snapshot(n, 0.0, {(GAUGE, HERE): Chunk(labels, {"": (1.0,) * 500})}))
    assert sum(map(len, renderer._labels.values())) <= 2500


anything = st.floats(allow_nan=True, allow_infinity=True)
names = st.text(st.characters(codec="utf-8", exclude_characters="\r\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e"), max_size=30)


@given(st.dictionaries(st.tuples(names, names), st.tuples(anything, anything), min_size=1, max_size=20))
def test_any_value_under_any_label_is_read_back(series):
    labels = tuple((*LABELS[:2], *key) for key in series)
    columns = {"sum": tuple(a for a, _ in series.values()), "count": tuple(b for _, b in series.values())}
    gauges = Chunk(labels, {"": columns["sum"]})
    text = text_of(page({(GAUGE, HERE): gauges, (SUMMARY, HERE): Chunk(labels, columns)}).text)
    found = samples(read_text(text))
    assert len(found) == 3 * len(series)
    for (endpoint, variant), (a, b) in series.items():
        key = tuple(
            sorted(
                zip(
                    ("account_id", "region", "endpoint_name", "variant_name"),
                    (*LABELS[:2], endpoint, variant),
                    strict=True,
                )
            )
        )
        for name, value in ((GAUGE, a), (f"{SUMMARY}_sum", a), (f"{SUMMARY}_count", b)):
            got = found[name, key]
            assert got == value or (math.isnan(got) and math.isnan(value))


class AsTheirs:
    """Chunks as the families of a registry of prometheus_client, which renders them by itself."""

    def __init__(self, chunks):
        self._chunks = chunks

    def collect(self):
        for (family, _), chunk in self._chunks.items():
            row = CATALOGUE[family]
            metric = Metric(family.removesuffix("_total"), row.help, row.type, row.unit or "")
            for n, values in enumerate(chunk.labels):
                labels = dict(zip(row.labels, values, strict=True))
                for part, column in chunk.columns.items():
                    if part in {"", "sum", "count"}:
                        metric.add_sample("_".join(filter(None, (family, part))), labels, column[n])
                    elif row.type == "histogram":
                        metric.add_sample(f"{family}_bucket", {**labels, "le": part}, column[n])
                    else:
                        metric.add_sample(family, {**labels, "quantile": part}, column[n])
            yield metric


def told(families):
    """Return what a parser has made of a page; no NaN equals another, so values are compared by their text."""
    return {
        (family.name, family.type, family.unit): {
            (sample.name, tuple(sorted(sample.labels.items()))): repr(sample.value) for sample in family.samples
        }
        for family in families
    }


grown = st.floats(min_value=0, allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, 1e22, 1e-7, 2.0**53, 5e-324]
)
shown = anything | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 1e22, 1e16, 123456789.125])
counted = st.integers(0, 2**53).map(float) | st.just(1e22)  # readers refuse half a count,
quantile = grown | st.sampled_from([math.nan, math.inf])  # and a quantile below 0
observed = st.lists(st.integers(0, 2**40), min_size=20, max_size=20)


@given(
    st.dictionaries(
        st.tuples(names, names), st.tuples(counted, grown, shown, quantile, observed), min_size=1, max_size=8
    )
)
@example(
    {
        ("a", "b"): (1e22, 5e-324, math.nan, math.inf, [1] * 20),
        ('"\\\n', "é\U0001f600"): (0.0, 1e16, -math.inf, math.nan, [0] * 20),
    }
)
def test_pages_read_as_those_that_prometheus_client_writes(series):
    labels = tuple((*LABELS[:2], *key) for key in series)
    counts, sums, gauges, quantiles, buckets = zip(*series.values(), strict=True)
    bounds = [*(repr(float(bound)) for bound in CATALOGUE[HISTOGRAM].buckets), "+Inf"]
    cumulated = [list(accumulate(of[: len(bounds)])) for of in buckets]
    columns = {bound: tuple(float(of[n]) for of in cumulated) for n, bound in enumerate(bounds)}
    chunks = {
        (COUNTER, HERE): Chunk(labels, {"": sums}),
        (SUMMARY, HERE): Chunk(labels, {"0.5": quantiles, "0.99": quantiles[::-1], "sum": sums, "count": counts}),
        (GAUGE, HERE): Chunk(labels, {"": gauges}),
        (READY, None): Chunk(((),), {"": (1.0,)}),
        (HISTOGRAM, None): Chunk(
            tuple((repr(key),) for key in series), {**columns, "sum": sums, "count": columns["+Inf"]}
        ),
    }
    made, theirs = page(chunks), AsTheirs(chunks)
    assert told(read_text(text_of(made.text))) == told(read_text(write_text(theirs).decode()))
    ours = told(read_openmetrics(text_of(made.openmetrics)))
    assert ours == told(read_openmetrics(write_openmetrics(theirs).decode()))
    assert len(ours) == len(chunks)


@given(st.lists(st.binary(max_size=2000), max_size=20))
def test_stitched_pieces_are_one_gzip_member(texts):
    member = stitch(piece(text) for text in texts)
    assert gzip.decompress(member.gzip) == b"".join(texts)
    assert member.length == sum(map(len, texts))
