"""What the process counts about itself comes out as samples of families that the catalogue knows."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.catalogue import CATALOGUE
from exporter.model import Effect, Sample
from exporter.tally import Tally

HERE = ("123456789012", "eu-west-1")


@pytest.fixture
def tally():
    return Tally()


def shown(tally, name):
    """Return the values of a family by labels and part."""
    family = f"sagemaker_exporter_{name}"
    return {(s.labels, s.part): s.value for s in tally.samples("own", 0.0) if s.family == family}


def test_counters_add_up(tally):
    tally.add("aws_requests_total", *HERE, "sts", "AssumeRole")
    tally.add("aws_requests_total", *HERE, "sts", "AssumeRole", amount=2)
    tally.add("aws_requests_total", *HERE, "sts", "GetCallerIdentity", amount=0.5)
    assert shown(tally, "aws_requests_total") == {
        ((*HERE, "sts", "AssumeRole"), ""): 3.0,
        ((*HERE, "sts", "GetCallerIdentity"), ""): 0.5,
    }


def test_samples_belong_to_a_scope_and_do_not_age(tally):
    tally.set("ready", value=1.0)
    assert tally.samples("own", 0.0) == (Sample("sagemaker_exporter_ready", (), 1.0, "", "own"),)


def test_gauges_are_set_and_taken_away(tally):
    tally.set("target_up", *HERE, value=1.0)
    tally.set("target_up", *HERE, value=0.0)
    assert shown(tally, "target_up") == {(HERE, ""): 0.0}
    tally.set("target_up", *HERE, value=None)
    tally.set("target_up", *HERE, value=None)
    assert shown(tally, "target_up") == {}


def test_filling_a_gauge_takes_away_what_is_not_named(tally):
    tally.fill("series_ahead", [((*HERE, "a"), 1.0), ((*HERE, "b"), 2.0)])
    tally.fill("series_ahead", [((*HERE, "b"), 3.0)])
    assert shown(tally, "series_ahead") == {((*HERE, "b"), ""): 3.0}
    tally.fill("series_ahead", [])
    assert shown(tally, "series_ahead") == {}


def test_seeds_stand_at_0_and_do_not_touch_what_is_there(tally):
    tally.add("ledger_writes_total", "ok")
    tally.seed("ledger_writes_total", {})
    assert shown(tally, "ledger_writes_total") == {(("ok",), ""): 1.0, (("failed",), ""): 0.0}


def test_what_was_counted_before_the_account_was_known_counts_under_it(tally):
    for account, amount in (("", 1.0), (HERE[0], 2.0)):
        tally.add("aws_requests_total", account, HERE[1], "sts", "GetCallerIdentity", amount=amount)
        tally.set("target_up", account, HERE[1], value=amount)
    tally.add("aws_requests_total", "", "us-east-1", "sts", "GetCallerIdentity")
    tally.move(("", HERE[1]), HERE)
    assert shown(tally, "aws_requests_total") == {
        ((*HERE, "sts", "GetCallerIdentity"), ""): 3.0,
        (("", "us-east-1", "sts", "GetCallerIdentity"), ""): 1.0,
    }
    assert shown(tally, "target_up") == {(HERE, ""): 2.0}


def test_what_is_gone_is_forgotten(tally):
    for source in ("inventory", "cloudwatch_metrics"):
        tally.set("source_up", *HERE, source, value=1.0)
        tally.observe("source_run_duration_seconds", source, value=1.0)
    tally.set("source_up", HERE[0], "us-east-1", "inventory", value=1.0)
    tally.forget(source="inventory")
    assert set(shown(tally, "source_up")) == {((*HERE, "cloudwatch_metrics"), "")}
    assert {labels for labels, _ in shown(tally, "source_run_duration_seconds")} == {("cloudwatch_metrics",)}
    tally.forget(account_id=HERE[0], region=HERE[1])
    assert shown(tally, "source_up") == {}
    assert shown(tally, "source_run_duration_seconds")


def test_what_counts_stands_at_0_first():
    tally = Tally(zero_hold=130.0)
    tally.add("aws_errors_total", *HERE, "sts", "AssumeRole", "denied", amount=7)
    tally.observe("source_run_duration_seconds", "inventory", value=3.0)
    tally.set("ready", value=1.0)

    def at(monotonic, part=""):
        return {s.family[19:]: s.value for s in tally.samples("own", monotonic) if s.part == part}

    assert at(1000.0) == {"aws_errors_total": 0.0, "ready": 1.0}
    assert at(1129.0, "count") == {"source_run_duration_seconds": 0.0}
    assert at(1130.0) == {"aws_errors_total": 7.0, "ready": 1.0}
    assert at(1130.0, "count") == {"source_run_duration_seconds": 1.0}


def test_seeded_histograms_are_whole(tally):
    tally.seed("source_run_duration_seconds", {"source": ["inventory"]})
    buckets = CATALOGUE["sagemaker_exporter_source_run_duration_seconds"].buckets
    parts = {part: value for (_, part), value in shown(tally, "source_run_duration_seconds").items()}
    assert parts == dict.fromkeys([*(repr(float(bound)) for bound in buckets), "+Inf", "sum", "count"], 0.0)


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30))
def test_histograms_count_what_is_at_most_their_bounds(observed):
    tally = Tally()
    for value in observed:
        tally.observe("snapshot_render_duration_seconds", value=value)
    parts = {part: value for (_, part), value in shown(tally, "snapshot_render_duration_seconds").items()}
    bounds = CATALOGUE["sagemaker_exporter_snapshot_render_duration_seconds"].buckets
    assert parts.pop("sum") == pytest.approx(sum(observed))
    assert parts.pop("count") == parts.pop("+Inf") == len(observed)
    assert parts == {repr(float(bound)): sum(value <= bound for value in observed) for bound in bounds}


def test_a_value_on_a_bound_belongs_below_it(tally):
    tally.observe("snapshot_render_duration_seconds", value=0.5)
    assert shown(tally, "snapshot_render_duration_seconds")[(), "0.5"] == 1.0


def test_what_a_reading_tells_of_its_run_is_taken(tally):
    tally.take(
        [
            Effect("sagemaker_exporter_query_results_total", (*HERE, "AWS/SageMaker", "complete"), 5.0),
            Effect("sagemaker_exporter_datapoint_lag_seconds", ("AWS/SageMaker",), 45.0),
        ]
    )
    assert shown(tally, "query_results_total") == {((*HERE, "AWS/SageMaker", "complete"), ""): 5.0}
    assert shown(tally, "datapoint_lag_seconds")[("AWS/SageMaker",), "sum"] == 45.0


@pytest.mark.parametrize(
    "use",
    [
        lambda tally: tally.add("no_such_family_total"),
        lambda tally: tally.add("ready"),
        lambda tally: tally.add("aws_requests_total", "only one label"),
        lambda tally: tally.set("aws_requests_total", *HERE, "sts", "AssumeRole", value=1.0),
        lambda tally: tally.observe("ready", value=1.0),
        lambda tally: tally.seed("ready", {}),
        lambda tally: tally.fill("series_ahead", [(HERE, 1.0)]),
    ],
)
def test_nothing_is_counted_that_the_catalogue_does_not_know(tally, use):
    with pytest.raises((KeyError, ValueError)):
        use(tally)
    assert tally.samples("own", 0.0) == ()


def test_threads_lose_nothing(tally):
    def count():
        for _ in range(500):
            tally.add("ledger_writes_total", "ok")
            tally.observe("ledger_write_duration_seconds", value=0.001)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        tally.samples("own", 0.0)  # while the others count
    for thread in threads:
        thread.join(30)
    assert shown(tally, "ledger_writes_total") == {(("ok",), ""): 4000.0}
    assert shown(tally, "ledger_write_duration_seconds")[(), "count"] == 4000.0
