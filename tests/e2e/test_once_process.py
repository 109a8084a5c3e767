"""`sagemaker-exporter once`: a round for cron, whose ledger makes counters of it."""

from __future__ import annotations

import subprocess

import pytest
from oracle import COUNTER_NAMES, Page
from programs import ACCOUNT, REGION, Past, free_port, run
from small_world import FAILURES, INVOCATIONS, PIPELINE, UNFORESEEN, busy, one_endpoint

from exporter.model import HOUR, MINUTE

ONCE = ("once", "--config.file=config.yaml", "--begin=-1h")


@pytest.fixture
def past():
    return Past()


@pytest.fixture
def fake(aws, past, tmp_path):
    world = one_endpoint(past.origin)
    busy(world, past.origin - 30 * MINUTE, 20)
    put = (ACCOUNT, REGION, "AWS/Sagemaker/ModelBuildingPipeline", "ExecutionFailed", PIPELINE)
    world.put(*put, past.origin - 40 * MINUTE, 2.0)
    fake, fake.url = aws(world, past)
    (tmp_path / "config.yaml").write_text(
        f"ledger: {{path: {tmp_path}/ledger.db}}\nlimits: {{requests_per_second: {{ListMetrics: 50}}}}\n"
    )
    return fake


def once(folder, fake):
    finished = run(folder, *ONCE, aws_url=fake.url)
    assert finished.returncode == 0, finished.stderr
    return Page(finished.stdout)


def test_first_run_shows_0_and_the_next_one_the_value(fake, past, tmp_path):
    first = once(tmp_path, fake)
    counters = first.counters()
    assert counters
    assert set(counters.values()) == {0.0}
    assert first.find(UNFORESEEN)

    second = once(tmp_path, fake)
    assert second.one(INVOCATIONS) == 200
    assert second.one(UNFORESEEN) == 2
    assert second.one(FAILURES) == 0
    assert second.counters().keys() == counters.keys()

    fake.set_clock(past.origin + HOUR)
    busy(fake.world, past.origin + 10 * MINUTE, 10)
    third = once(tmp_path, fake)
    assert third.one(INVOCATIONS) == 300
    assert third.one(UNFORESEEN) == 2
    again = once(tmp_path, fake)
    assert again.counters() == third.counters(), "nothing is counted twice"
    assert {series.partition("{")[0] for series in again.counters()} <= COUNTER_NAMES


def test_output_is_a_page_and_nothing_else(fake, tmp_path, require_tool):
    finished = run(tmp_path, *ONCE, aws_url=fake.url)
    promtool = [require_tool("promtool"), "check", "metrics"]
    checked = subprocess.run(promtool, input=finished.stdout, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_dead_aws_is_told_without_a_stack_trace(tmp_path):
    finished = run(tmp_path, "once", aws_url=f"http://127.0.0.1:{free_port()}")
    assert finished.returncode in {1, 2}
    assert "127.0.0.1" in finished.stderr
    assert "Traceback" not in finished.stderr
