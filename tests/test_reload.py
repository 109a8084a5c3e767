"""A configuration taken over while the daemon runs: what is new begins, what is gone ends, what stays has no gap."""

from __future__ import annotations

import json
import re
import threading

import pytest
from street import ACCOUNT, REGION, PluggedSessions
from worlds import T0, FakeClock, values, wait_for

from exporter.aws import AwsError
from exporter.catalogue.resources import TAGS_INFO
from exporter.config import parse
from exporter.daemon import Daemon, Parts
from exporter.demo import FakeAws, World, access_key
from exporter.demo.calls import exactly
from exporter.ledger import LedgerError
from exporter.ledger.memory import MemoryStore
from exporter.model import DAY, MINUTE, Reading, Target
from exporter.sources.cloudwatch_metrics.rests import STAGES, month_of

JOBS = "sagemaker_job_state_changes_total"
INVOCATIONS = "sagemaker_endpoint_invocations_total"
ERRORS = "sagemaker_endpoint_invocation_5xx_errors_total"
ELSEWHERE = "eu-west-1"


class Running:
    """A daemon on a clock that stands still, ticked by hand; its configuration is `text`."""

    def __init__(self, text):
        self.text = text
        self.clock = FakeClock(T0)
        self.world = World(seed=1, listed_after=(0, 0), repeated=0)
        for region in (REGION, ELSEWHERE):
            self.world.add_endpoint(ACCOUNT, region, f"in-{region}", T0 - DAY)
        for minute in range(-60, 240):
            at = T0 + minute * MINUTE
            for region in (REGION, ELSEWHERE):
                variant = {"EndpointName": f"in-{region}", "VariantName": "AllTraffic"}
                self.world.put(ACCOUNT, region, "AWS/SageMaker", "Invocations", variant, at, 1.0, at + MINUTE)
        self.fake = FakeAws(self.world, self.clock.now)
        self.parts = Parts(self.load(), self.clock, MemoryStore())
        self.parts.aws._sessions.fake = self.fake
        self.daemon = Daemon(self.parts, self.load)
        with self.daemon._lock:
            for login in self.daemon._logins:
                self.daemon._wait_for(login)

    def load(self):
        return parse(self.text)

    def reload(self, text):
        self.text = text
        return self.daemon.reload()

    def ticks(self, minutes=1):
        """Let minutes pass; what is due runs to its end, as often as one thing lets the next one run."""
        for _ in range(minutes):
            self.clock.forward(MINUTE)
            for _ in range(4):
                self.daemon._scheduler.tick()
                for run in tuple(self.daemon._scheduler._running):
                    run.result(30)
                wait_for(lambda: not any(entry.running for entry in self.daemon._scheduler._schedule.entries))
            self.parts.collection.own()
            self.parts.ledger.shown(self.parts.ledger.snapshot())

    def shown(self, family):
        return values(self.parts.ledger.snapshot(), family)

    def own(self, name):
        return self.shown(f"sagemaker_exporter_{name}")


@pytest.fixture
def running(monkeypatch):
    """Start a daemon with a configuration; it ends with the test."""
    monkeypatch.setattr("exporter.aws.sessions.Sessions", PluggedSessions)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key(ACCOUNT))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    begun = []

    def start(text=f"targets: [{{regions: [{REGION}]}}]\n"):
        begun.append(Running(text))
        return begun[-1]

    yield start
    for one in begun:
        one.parts.aws.close()
        one.daemon._scheduler.stop(30)
        one.parts.close()


def here(region=REGION):
    return f"targets: [{{regions: [{region}]}}]\n"


def test_what_is_not_valid_changes_nothing(running):
    one = running()
    one.ticks(3)
    reason = one.reload(here() + "bogus: 1\n")
    assert "bogus: unknown key" in reason
    one.ticks(3)
    assert one.own("config_last_reload_successful") == {(): 0.0}
    assert one.shown(INVOCATIONS)
    assert one.reload(here()) is None
    one.ticks()
    assert one.own("config_last_reload_successful") == {(): 1.0}


def test_the_status_page_tells_why_a_reload_was_refused_and_what_the_month_has_cost(running):
    one = running()
    one.ticks(3)
    before = one.fake.bill.dollars
    one.ticks(2)
    one.reload(here() + "bogus: 1\n")
    one.daemon._make_page()
    page = one.daemon._site.status().decode()
    assert "bogus: unknown key" in page
    (spent,) = re.findall(r"<dd>([0-9.]+) of 500</dd>", page)
    assert before <= float(spent) <= one.fake.bill.dollars
    one.reload(here())
    assert "bogus" not in one.daemon._site.status().decode()


def test_what_reads_what_others_tell_begins_when_they_have_told_it(running):
    one = running()
    one.clock.forward(MINUTE)
    target, first = Target(ACCOUNT, REGION), {}
    for _ in range(6):
        one.daemon._scheduler.tick()
        for run in tuple(one.daemon._scheduler._running):
            run.result(30)
        wait_for(lambda: not any(entry.running for entry in one.daemon._scheduler._schedule.entries))
        for entry in one.daemon._entries.get(target, ()):
            if entry.runs:
                first.setdefault(entry.name, len(first))
    assert first["cost"] > first["inventory"]
    assert first["cost"] > first["job_polling"]
    assert one.shown("sagemaker_cost_hourly_usd") == {(ACCOUNT, REGION, "endpoint", "ml.m5.xlarge"): 0.23}


def test_without_an_inventory_the_cost_is_that_of_jobs_and_nothing_is_wrong(running):
    one = running(here() + "sources: {inventory: {enabled: false}}\n")
    one.ticks(8)
    assert one.own("source_up")[ACCOUNT, REGION, "cost"] == 1.0
    assert one.shown("sagemaker_cost_hourly_usd") == {}


def test_once_all_has_run_and_is_shown_the_start_is_over(running):
    one, settled, before = running(), [], []

    def first_round():
        one.ticks(3)
        before.append(list(settled))
        one.daemon._make_page()

    for step in (str, first_round, str, str, one.daemon.ask_to_stop):
        one.daemon._asked.put(step)
    one.daemon.wait(lambda: settled.append("once"))
    assert (before, settled) == ([[]], ["once"])


@pytest.mark.parametrize("step", ["exporter.daemon.InventorySource", "exporter.daemon.CloudWatchAlarms", "load"])
def test_a_fault_of_ours_refuses_a_reload_and_ends_nothing(running, monkeypatch, caplog, step):
    one = running()
    one.ticks(3)
    before = one.parts.config, one.parts.inventory, one.parts.sources, one.daemon._entries
    told_at = one.own("config_last_reload_timestamp_seconds")

    def fail(*_):
        raise ZeroDivisionError("unforeseen")

    with monkeypatch.context() as broken:
        broken.setattr(*((one.daemon, "_load", fail) if step == "load" else (step, fail)))
        one.text = here() + "limits: {series: 1}"
        one.daemon.ask_to_reload()
        one.daemon._asked.put(one.daemon.ask_to_stop)
        one.daemon.wait()
    assert len([record for record in caplog.records if record.exc_info]) == 1, "its traceback once"
    assert "ZeroDivisionError" in caplog.messages[-1]
    assert (one.parts.config, one.parts.inventory, one.parts.sources, one.daemon._entries) == before
    assert one.parts.admission.limit == 200_000
    one.ticks(3)
    assert one.own("config_last_reload_successful") == {(): 0.0}
    assert one.own("config_last_reload_timestamp_seconds") == told_at
    assert one.own("config_reloads_total")["rejected",] == 1
    assert one.shown(INVOCATIONS)
    assert one.reload(one.text) is None
    assert one.parts.admission.limit == 1


@pytest.mark.parametrize("text", ["web: {}\rtargets: [\r", "limits: {series: " + "9" * 5000 + "}"])
def test_no_file_ends_the_daemon(running, caplog, text):
    one = running()
    assert one.reload(text).startswith("config.yaml:")
    assert not [record for record in caplog.records if record.exc_info]


def test_a_disk_that_refuses_refuses_a_reload_that_must_write(running, monkeypatch):
    one = running()
    one.ticks(3)
    before = len(one.daemon._entries[Target(ACCOUNT, REGION)])

    def refuse(_):
        raise LedgerError("the disk is full")

    off = here() + "sources: {cloudwatch_alarms: {enabled: false}}"
    with monkeypatch.context() as full:
        full.setattr(one.parts.ledger._store, "commit", refuse)
        assert one.reload(off) == "the disk is full"
        assert one.parts.config.sources.cloudwatch_alarms.enabled
        assert len(one.daemon._entries[Target(ACCOUNT, REGION)]) == before
    assert one.reload(off) is None
    assert len(one.daemon._entries[Target(ACCOUNT, REGION)]) == before - 1


def test_what_a_removed_target_has_spent_is_spent(running):
    one = running(f"targets: [{{regions: [{REGION}, {ELSEWHERE}]}}]\n")
    one.ticks(3)
    month = {"month": (month_of(one.clock.now()), 501.0)}
    one.parts.ledger.apply(Reading("cloudwatch_metrics", Target(ACCOUNT, ELSEWHERE), one.clock.now(), notes=month))
    assert one.reload(here()) is None
    one.ticks(2)
    assert one.own("thinning_stage")[ACCOUNT, REGION] == len(STAGES)
    one.daemon._make_page()
    assert "limits.usd_per_month is exceeded: 501." in one.daemon._site.status().decode()


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("ledger: {path: elsewhere.db}", "ledger.path"),
        ('web: {listen_addresses: [":1"]}', "web.listen_addresses"),
        ('ledger: {path: b.db}\nweb: {listen_addresses: [":1"]}', "ledger.path and web.listen_addresses"),
    ],
)
def test_what_can_not_change_is_refused_by_name(running, more, named):
    one = running()
    assert one.reload(here() + more) == f"{named} can't change by a reload: restart the exporter"
    assert one.parts.config.web.listen_addresses == (":10940",)


def test_counters_go_on_without_a_gap(running):
    one = running()
    one.ticks(10)
    (before,) = one.shown(INVOCATIONS).values()
    assert before > 0
    seen = []
    for n in range(20):
        assert one.reload(here() + f"sources: {{inventory: {{describe_every: {n + 1}h}}}}\n") is None
        one.ticks()
        seen += one.shown(INVOCATIONS).values()
    assert len(seen) == 20
    assert seen == [before + n + 1 for n in range(20)]
    assert len(one.own("config_info")) == 1


def test_a_target_that_is_gone_is_asked_no_more_and_said_nothing_of(running):
    one = running(f"targets: [{{regions: [{REGION}, {ELSEWHERE}]}}]\n")
    one.ticks(5)
    assert {labels[1] for labels in one.own("target_up")} == {REGION, ELSEWHERE}
    assert one.reload(here()) is None
    one.ticks()
    assert {labels[1] for name in ("target_up", "source_up", "aws_requests_total") for labels in one.own(name)} == {
        REGION
    }
    requests = sum(one.fake.bill.requests.values())
    one.ticks(16)
    assert {labels[1] for labels in one.shown(INVOCATIONS)} == {REGION}
    assert sum(one.fake.bill.requests.values()) > requests


def test_a_target_that_is_new_begins(running):
    one = running()
    one.ticks(3)
    assert one.reload(f"targets: [{{regions: [{REGION}, {ELSEWHERE}]}}]\n") is None
    one.ticks(5)
    assert {labels[1] for labels in one.shown(INVOCATIONS)} == {REGION, ELSEWHERE}
    assert one.parts.aws.login


def test_a_family_that_is_switched_off_leaves_and_comes_back(running):
    one = running()
    one.ticks(10)
    (counted,) = one.shown(INVOCATIONS).values()
    assert one.reload(here() + f"families: {{exclude: [{INVOCATIONS}]}}\n") is None
    one.ticks(2)
    assert one.shown(INVOCATIONS) == {}
    one.ticks(60)
    assert one.reload(here()) is None
    one.ticks(30)
    (again,) = one.shown(INVOCATIONS).values()
    assert counted <= again <= counted + 35, "the hour in between is not counted"


@pytest.mark.parametrize(
    "off",
    [f"families: {{exclude: [{JOBS}]}}\n", "sources: {job_polling: {enabled: false}}\n"],
    ids=["family", "source"],
)
def test_what_events_feed_leaves_with_its_family_or_its_source_and_comes_back(running, off):
    one = running()
    one.ticks(5)
    counted = one.shown(JOBS)
    assert counted
    assert one.reload(here() + off) is None
    one.ticks(2)
    assert one.shown(JOBS) == {}
    assert one.reload(here()) is None
    one.ticks(5)
    assert one.shown(JOBS).keys() >= counted.keys()


def test_a_source_that_is_switched_off_says_nothing_more_of_itself(running):
    one = running()
    one.ticks(5)
    assert one.reload(here() + "sources: {cloudwatch_metrics: {enabled: false}}\n") is None
    one.ticks(2)
    told = {labels[2] for labels in one.own("source_up")}
    assert told == {source.name for source, _ in one.parts.sources}
    assert "inventory" in told
    assert "cloudwatch_metrics" not in told
    assert one.shown(INVOCATIONS) == {}
    assert one.reload(here()) is None
    one.ticks(40)
    assert one.shown(INVOCATIONS)


def test_rates_paces_and_first_zeros_follow(running):
    one = running()
    one.ticks(3)
    limits = "limits: {requests_per_second: {ListMetrics: 0.5}}\nweb: {zero_hold: 10s}\n"
    assert one.reload(here() + limits + "sources: {inventory: {every: 5m}}\n") is None
    one.ticks(6)
    target = Target(ACCOUNT, REGION)
    assert one.parts.aws._limits[target, "ListMetrics"].rate == 0.5
    inventory, *_ = one.daemon._entries[target]
    assert inventory.runs == 2


def test_a_run_of_before_ends_before_the_next_one_begins(running, monkeypatch):
    one = running()
    one.ticks(3)
    begun, free = threading.Event(), threading.Event()
    _, metrics, *_ = one.parts.sources
    usual = metrics[0].read

    def slow(*arguments):
        begun.set()
        assert free.wait(30)
        return usual(*arguments)

    monkeypatch.setattr(metrics[0], "read", slow)
    one.clock.forward(MINUTE)
    one.daemon._scheduler.tick()
    assert begun.wait(30)
    assert one.reload(here() + f"families: {{exclude: [{INVOCATIONS}]}}\n") is None
    one.clock.forward(MINUTE)
    one.daemon._scheduler.tick()
    _, waits, *_ = one.daemon._entries[Target(ACCOUNT, REGION)]
    assert not waits.running
    assert not waits.runs
    free.set()
    one.ticks(2)
    assert waits.runs
    assert one.shown(INVOCATIONS) == {}


@pytest.mark.parametrize("between", [here(), here(ELSEWHERE)], ids=["the same target", "another one meanwhile"])
def test_a_run_of_before_ends_first_after_however_many_reloads(running, monkeypatch, between):
    one = running()
    one.ticks(3)
    begun, free = threading.Event(), threading.Event()
    _, metrics, *_ = one.parts.sources

    def slow(*_):
        begun.set()
        assert free.wait(30)
        raise AwsError("transient", "the run of before")

    monkeypatch.setattr(metrics[0], "read", slow)
    one.clock.forward(MINUTE)
    one.daemon._scheduler.tick()
    assert begun.wait(30)
    for text in (between, here() + f"families: {{exclude: [{INVOCATIONS}]}}\n"):
        assert one.reload(text) is None
    for _ in range(3):  # where a login comes first
        one.clock.forward(MINUTE)
        one.daemon._scheduler.tick()
        wait_for(lambda: not one.daemon._waiting)
    _, waits, *_ = one.daemon._entries[Target(ACCOUNT, REGION)]
    assert waits.name == metrics[0].name
    assert not waits.running
    assert not waits.runs
    free.set()
    one.ticks(3)
    assert waits.runs


def test_a_login_that_is_no_longer_wanted_is_given_up(running):
    one = running()
    one.fake.faults.add("deny", operation="GetCallerIdentity")
    one.ticks(2)
    assert one.reload(here(ELSEWHERE)) is None
    one.fake.faults.clear()
    one.ticks(3)
    assert list(one.daemon._entries) == [Target(ACCOUNT, ELSEWHERE)]


AGAIN = f"{{account_id: '{ACCOUNT}', alias: again, regions: [{REGION}, {ELSEWHERE}]}}"
TWICE = f"targets: [{{regions: [{REGION}]}}, {AGAIN}]\n"


def test_what_turns_out_to_be_another_target_is_not_read_and_said_aloud(running, caplog):
    one = running(TWICE)
    one.ticks(5)
    assert sorted(target.region for target in one.daemon._entries) == [ELSEWHERE, REGION]
    assert one.own("ignored_targets") == {(): 1.0}
    assert one.own("target_up") == {(ACCOUNT, REGION): 1.0, (ACCOUNT, ELSEWHERE): 1.0}
    assert sum(labels[:2] == (ACCOUNT, REGION) for labels in one.own("target_info")) == 1
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert f"in {REGION} is account {ACCOUNT}, as " in line
    assert "counted twice" in line
    page = one.daemon._status("", "/metrics").decode()
    assert line.removeprefix("the configuration is wrong: ") in page
    assert one.daemon.ready() or one.daemon._ran(), "nobody waits for it"
    asked = one.fake.bill.requests["sts.GetCallerIdentity"]
    one.ticks(5)
    assert one.fake.bill.requests["sts.GetCallerIdentity"] == asked, "nor is it tried again"
    assert sorted(target.region for target in one.daemon._targets.values()) == [ELSEWHERE, REGION]


def test_a_target_that_was_another_one_is_read_when_that_is_gone(running):
    one = running(TWICE)
    one.ticks(3)
    assert one.reload(f"targets: [{AGAIN}]\n") is None
    one.ticks(3)
    assert one.own("ignored_targets") == {(): 0.0}
    assert {labels[2] for labels in one.own("target_info")} == {"again"}
    assert set(one.daemon._targets.values()) == {Target(ACCOUNT, REGION), Target(ACCOUNT, ELSEWHERE)}


def test_the_region_of_the_environment_given_twice_is_refused(running, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    one = running()
    text = f"targets: [{{}}, {{regions: [{REGION}]}}]"
    assert one.reload(text) == f"targets[1] and targets[0] are both the ambient account in {REGION}: leave one out"


def test_tags_that_are_shown_are_those_of_the_configuration(running):
    one = running(here() + "labels: {tags: [team]}\n")
    churn = one.world.region(ACCOUNT, REGION).endpoint(f"in-{REGION}", T0)
    churn.tags |= {"team": "ml", "stage": "prod"}
    who = (ACCOUNT, REGION, "endpoint", f"in-{REGION}")
    one.ticks()
    assert set(one.shown(TAGS_INFO)) == {(*who, "tag_team", "ml")}
    one.reload(here() + "labels: {tags: [stage]}\n")
    one.ticks()
    assert set(one.shown(TAGS_INFO)) == {(*who, "tag_stage", "prod")}, "at once, not when tags are due again"
    one.reload(here() + "labels: {tags: [stage, team]}\nresources: {exclude: ['in-*']}\n")
    one.ticks()
    assert one.shown(TAGS_INFO) == {}
    one.reload(here() + "labels: {tags: [stage, team]}\n")
    one.ticks()
    assert set(one.shown(TAGS_INFO)) == {(*who, "tag_stage", "prod", "tag_team", "ml")}
    one.reload(here())
    one.ticks()
    assert one.shown(TAGS_INFO) == {}


def test_tags_of_a_new_configuration_that_can_not_be_listed_yet_come_later_and_the_others_stay(running):
    one = running(here() + "labels: {tags: [team]}\n")
    one.world.region(ACCOUNT, REGION).endpoint(f"in-{REGION}", T0).tags |= {"team": "ml", "stage": "prod"}
    one.ticks()
    one.fake.faults.add("deny", operation="GetResources")
    one.reload(here() + "labels: {tags: [stage, team]}\n")
    one.ticks(3)
    assert [labels[4:] for labels in one.shown(TAGS_INFO)] == [("tag_team", "ml")]
    one.fake.faults.clear()
    one.ticks()
    assert [labels[4:] for labels in one.shown(TAGS_INFO)] == [("tag_stage", "prod", "tag_team", "ml")]


def test_what_is_chosen_by_tags_that_were_not_kept_stays_what_it_was_until_they_are_known(running):
    one = running(here() + "labels: {tags: [stage]}\n")
    one.world.region(ACCOUNT, REGION).endpoint(f"in-{REGION}", T0).tags |= {"team": "ml", "stage": "prod"}
    one.ticks(5)
    (before,) = one.shown(INVOCATIONS).values()
    one.fake.faults.add("deny", operation="GetResources")
    one.reload(here() + "labels: {tags: [stage]}\nresources: {tags: {team: ml}}\n")
    one.ticks(5)
    one.fake.faults.clear()
    one.ticks(5)
    (after,) = one.shown(INVOCATIONS).values()
    assert after == before + 10, "not a minute is left out"


# -- audit records -----------------------------------------------------------------------------------------------------


def told(path):
    return [json.loads(line)["resources"]["modelName"] for line in path.read_text().splitlines()]


def test_audit_records_go_where_the_new_configuration_says(running, tmp_path):
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    audit = "sources: {cloudtrail: {every: 60s}}\naudit: {output: %s, path: %s}\n"
    one = running(here())

    def called(name):
        at = one.clock.now()
        one.world.add_call(ACCOUNT, REGION, at, "DeleteModel", parameters={"modelName": name}, delays=exactly(0.0))
        one.ticks(3)

    one.ticks(3)
    called("before")
    assert one.reload(here() + audit % ("file", first)) is None
    called("a")
    wait_for(lambda: one.parts.tally.told()["sagemaker_exporter_audit_records_total"][("written",)] == 1)
    assert told(first) == ["a"]
    assert one.reload(here() + audit % ("file", second)) is None
    called("b")
    reason = one.reload(here() + audit % ("file", tmp_path / "none" / "audit.jsonl"))
    assert reason == f"audit.path: {tmp_path}/none/audit.jsonl can't be written: No such file or directory"
    called("c")
    wait_for(lambda: one.parts.tally.told()["sagemaker_exporter_audit_records_total"][("written",)] == 3)
    assert one.reload(here() + audit % ("none", second)) is None
    called("d")
    assert told(first) == ["a"]
    assert told(second) == ["b", "c"]
    assert one.own("audit_records_total")["lost",] == 0


def test_a_refused_configuration_leaves_no_file_behind(running, tmp_path):
    one = running(here())
    one.ticks(3)
    bad = f"ledger: {{path: elsewhere}}\naudit: {{output: file, path: {tmp_path}/audit.jsonl}}\n"
    assert "ledger.path can't change" in one.reload(here() + bad)
    assert list(tmp_path.iterdir()) == []


def test_an_audit_file_that_can_not_be_written_any_more_keeps_no_other_change_out(running, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    audit = f"audit: {{output: file, path: {folder}/audit.jsonl}}\n"
    one = running(here() + audit)
    folder.rmdir()
    assert one.reload(here(ELSEWHERE) + audit) is None
