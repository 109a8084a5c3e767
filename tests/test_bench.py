"""Benchmarks measure the real thing: what is read from their fake is right, and a mistake in it is seen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "bench"))

from canned import METRICS, MINUTE, SERIES, World, canned, environment, named, value
from cycles import AT, check, lab
from instructions import FIGURES, comparable, judge
from kernels import KERNELS
from naive import naive
from trail import took

GATE = FIGURES.with_name("instructions.py")


def test_the_exporter_reads_what_the_fake_holds_on_all_targets():
    with lab(2, targets=2) as house:
        cycles = house.run(4)
        figures = house.ours.do("figures").answer
    assert all(cycle.asked == 2 * 2 * SERIES for cycle in cycles)
    assert cycles[-1].shown > 2 * 2 * SERIES, "and what it says of itself"
    assert cycles[0].points / cycles[0].asked > 4 * 60 - 15, "the first reading goes back to where counting began"
    assert 5 <= cycles[-1].points / cycles[-1].asked < 60
    assert all(cycle.read > 0 and cycle.page > 0 for cycle in cycles)
    check(figures, 2, 1, house.cycles)
    figures["totals"][3] += 0.25
    with pytest.raises(RuntimeError, match=f"1 of {len(figures['totals'])} totals"):
        check(figures, 2, 1, house.cycles)


def test_the_naive_program_asks_as_many_series_and_sets_them():
    with canned(30, at=AT) as fake, naive(at=AT, minutes=27, environment=environment(fake)) as theirs:
        assert theirs.do("read").answer == {"answered": 30 * SERIES}
        assert theirs.do("page").answer["series"] == 30 * SERIES
        counts = fake.do("counts").answer
        newest = theirs.do("values", "ModelLatency", "p99").answer
    assert counts["queries"] == 30 * SERIES
    assert counts["datapoints"] == 27 * 30 * SERIES
    assert counts["GetMetricData"] == -(-30 * SERIES // 500)
    assert counts["ListMetrics"] == 1
    assert len(METRICS) * 30 <= 500
    assert newest == {named(n): value(n, AT - MINUTE) for n in range(30)}


def test_endpoints_that_come_and_go_leave_no_total_wrong():
    with lab(2, inventory=True, counted=60, fake_is={"churn": 120, "names": 6}) as house:
        for _ in range(20):
            assert house.ours.do("inventory").answer["outcomes"] == {"ok": 1}
            house.cycle()
            house.forward()
        figures = house.ours.do("figures").answer
    assert figures["resources"] == 6
    lives = World(2, 1, 120, 6, AT, runs=False)
    minutes = [AT + n * MINUTE for n in range(-1, 19)]
    truth = sum(value(0, at) for at in minutes if 0 in lives.alive(at, at))
    assert set(figures["totals"]) == {truth}
    assert truth < sum(value(0, at) for at in minutes) / 2


def gate(figures, *flags):
    command = [sys.executable, GATE, "--figures", figures, "--only", "answer", *flags]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)


@pytest.mark.slow(20)
def test_the_gate_sees_a_kernel_that_is_five_hundredths_slower(tmp_path):
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not on this machine, and no registry has it")
    figures = tmp_path / "figures.json"
    figures.write_text("{}")
    renewed = gate(figures, "--renew")
    assert renewed.returncode == 0, renewed.stderr
    assert list(json.loads(figures.read_text())) == [comparable()]
    slow = gate(figures, "--plant", "answer")
    assert slow.returncode == 1, slow.stderr
    assert "TOO MANY" in slow.stdout
    assert "make gate ARGS=--renew" in slow.stdout


@pytest.mark.parametrize(("now", "fine"), [(1000, True), (1019, True), (1021, False), (900, True)])
def test_two_hundredths_more_are_too_many(now, fine):
    figures = {"here": {"answer": 1000, "yardstick": 500}}
    lines, found = judge({"answer": now, "yardstick": 500}, figures, "here")
    assert found == fine
    assert ("TOO MANY" in lines[0]) == (not fine)
    assert ("renew" in lines[0]) == (now < 980)


@pytest.mark.parametrize(("now", "fine"), [(1290, True), (1310, False)])
def test_an_interpreter_without_figures_is_told_loudly_and_judged_by_a_yardstick(now, fine):
    figures = {"another": {"answer": 1000, "yardstick": 500}}
    lines, found = judge({"answer": 2 * now, "yardstick": 1000}, figures, "here")
    assert lines[0].startswith("NO FIGURES FOR THIS INTERPRETER: here")
    assert found == fine


def test_a_kernel_without_figures_fails():
    lines, fine = judge({"answer": 1, "new": 1}, {"here": {"answer": 1}}, "here")
    assert not fine
    assert "no figures for new" in lines[1]


def test_without_valgrind_the_gate_says_that_it_did_not_run(tmp_path):
    nothing = {"PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, GATE], check=True, capture_output=True, text=True, env=nothing)
    assert done.stdout.startswith("THE GATE DID NOT RUN: valgrind and vgdb and setarch missing")


def test_committed_figures_are_of_all_kernels():
    assert all(set(known) == set(KERNELS) for known in json.loads(FIGURES.read_text()).values())


def test_a_file_of_a_trail_takes_no_more_memory_when_it_is_larger():
    small, large = took(records=4_000), took(records=40_000)
    assert (small.counted, large.counted) == (1_000, 10_000)
    assert large.size > 9 * small.size > 9e6
    assert large.above < min(40e6, small.above + 6e6)
