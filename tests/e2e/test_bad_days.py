"""What happens to a process on a bad day, from outside. Bad days, and which tests show what comes of them:

bad configuration           test_every_mistake_of_a_configuration_is_told test_what_is_not_valid_changes_nothing
                            test_reloads_disturb_nobody
nobody, the wrong account   test_denied_login_is_told_and_ends_with_the_denial test_nobody_is_denied
                            test_wrong_account_is_told_and_the_daemon_stays_up
a denied action             test_denied_operation_is_named test_one_denied_metric_is_missing_and_nothing_else
throttles                   test_one_throttled_call_in_twenty_is_waited_out test_throttles_are_waited_out
5xx, time-outs, resets      test_what_may_pass_is_tried_three_times test_dead_network_at_the_start_is_outlived
                            test_nothing_at_all_can_be_read test_six_hours_of_outage_are_caught_up_in_one_step
truncated, garbage bodies   test_answers_that_arrive_damaged_change_nothing
a clock that is off         test_machine_whose_clock_is_an_hour_off_counts_right_and_says_so
                            test_a_clock_that_is_off_is_told_and_counts_nothing_twice
                            test_a_clock_that_steps_back_and_forth
asleep for hours            test_machine_that_was_asleep_for_hours_catches_up
                            test_a_machine_that_was_asleep_for_hours_catches_up_in_one_step
                            test_a_machine_that_slept_runs_once_and_says_what_it_missed
an unknown status           test_a_status_that_is_not_known_passes_through
the same error for days     test_same_error_again_and_again_is_one_line
                            test_a_failure_that_goes_on_is_told_with_its_number_each_hour
SIGTERM                     test_sigterm_during_the_first_round_ends_in_order
                            test_sigterm_during_a_slow_aws_ends_within_the_drain_time
                            test_sigterm_during_a_login_that_hangs_ends_within_the_drain_time
                            test_sigterm_while_throttled_ends_at_once test_second_sigterm_changes_nothing
                            test_a_close_waits_for_a_long_transaction_and_for_what_waits_behind_it
SIGKILL, power loss         test_killed_at_any_instant_nothing_is_lost_or_counted_twice
two daemons, one ledger     test_second_process_on_a_ledger_refuses test_ledger_in_use_is_not_moved_aside
a full disk                 test_full_disk_at_the_start_is_refused_without_the_advice_to_begin_anew
                            test_while_the_disk_refuses_counters_stand_still_and_are_exact_afterwards
a read-only disk            test_read_only_disk_is_refused_without_the_advice_to_begin_anew
                            test_folder_that_cannot_be_written_is_refused
                            test_ledger_on_a_read_only_disk_cannot_be_moved_aside
                            test_identities_of_a_commit_that_was_refused_are_not_remembered
a damaged ledger            test_damaged_ledger_is_refused_with_advice test_empty_file_is_a_new_ledger
                            test_a_page_of_garbage_or_a_file_cut_short_is_refused_or_was_of_no_use
                            test_values_that_nobody_has_written_are_refused
                            test_ledger_that_is_not_ours_is_refused
                            test_folder_in_the_place_of_the_ledger_is_refused_and_stays
                            test_damaged_ledger_is_moved_aside_on_demand
strange label values        test_any_value_under_any_label_is_read_back
"""

from __future__ import annotations

import os
import re
import resource
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from oracle import Page
from programs import ACCOUNT, REGION, Past, fake_aws, free_port, run, wait_until
from small_world import INVOCATIONS, busy, one_endpoint

from exporter.demo import FakeAws, serve
from exporter.model import HOUR, MINUTE

SPEED = 60
QUICK = """
sources: {cloudwatch_metrics: {every: 30s}, inventory: {every: 30s}, job_polling: {enabled: false}}
limits: {requests_per_second: {ListMetrics: 50, LookupEvents: 50}}
web: {zero_hold: 60s}
"""
ONCE = ("once", "--config.file=config.yaml")
DRAIN = 10.0  # seconds that sources have to end
ADVICE = "--ledger.move-aside"


@pytest.fixture
def churn(aws):
    """A fake AWS with one endpoint: the fake and its URL."""
    past = Past(SPEED)
    return aws(one_endpoint(past.origin), past)


def config(folder, more=QUICK):
    return f"{more}ledger: {{path: {folder}/ledger.db}}\n"


@pytest.fixture
def daemon(churn, exporter, tmp_path):
    """A running daemon on a ledger of its own."""
    return exporter(churn[1], config=config(tmp_path), flags=[f"--clock={SPEED}"])


def refused(finished, *words):
    """Say that a command ended as it should when it can't start: code 2, a clear word, no stack trace."""
    assert finished.returncode == 2, finished.stderr
    assert "Traceback" not in finished.stderr
    for word in words:
        assert word in finished.stderr
    return True


def test_every_row_of_the_table_above_has_its_tests():
    here = Path(__file__).parent.parent
    written = "".join(file.read_text() for file in here.rglob("test_*.py"))
    named = re.findall(r"test_\w+", __doc__)
    assert len(named) > 30
    assert [name for name in named if f"def {name}(" not in written] == []


# -- the ledger --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "once"])
def test_second_process_on_a_ledger_refuses(daemon, churn, tmp_path, command):
    daemon.ready()
    flags = [] if command == "once" else [f"--web.listen-address=127.0.0.1:{free_port()}"]
    second = run(tmp_path, command, "--config.file=config.yaml", *flags, aws_url=churn[1])
    assert refused(second, "another process holds the ledger", f"{tmp_path}/ledger.db")
    assert daemon.runs
    assert daemon.answers("/metrics")


def test_ledger_in_use_is_not_moved_aside(daemon, churn, tmp_path):
    """The flag is for a ledger that can't be used, not for one that somebody uses."""
    daemon.ready()
    second = run(tmp_path, "once", "--config.file=config.yaml", ADVICE, aws_url=churn[1])
    assert refused(second, "another process holds the ledger")
    assert [file.name for file in tmp_path.glob("ledger.db.*")] == []


def garbage(path):
    path.write_bytes(b"this is no ledger" * 1000)


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwritten(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))


def wrong_state(path):
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meters SET state = x'93010203'")
    db.close()


def of_another_program(path):
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE grafana (dashboard TEXT)")
    db.close()


def of_the_future(path):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 1000")
    db.close()


@pytest.mark.parametrize(
    "damage",
    [garbage, cut_in_half, overwritten, wrong_state],
)
def test_damaged_ledger_is_refused_with_advice(churn, ruined, tmp_path, damage):
    ledger, damaged = ruined(damage)
    assert refused(run(tmp_path, *ONCE, aws_url=churn[1]), str(ledger), ADVICE)
    assert ledger.read_bytes() == damaged, "the user's file is never touched"


@pytest.mark.parametrize("damage", [of_another_program, of_the_future])
def test_ledger_that_is_not_ours_is_refused(churn, ruined, tmp_path, damage):
    ledger, damaged = ruined(damage)
    assert refused(run(tmp_path, *ONCE, aws_url=churn[1]), str(ledger), "another")
    assert ledger.read_bytes() == damaged


@pytest.mark.parametrize("damage", [garbage, overwritten])
def test_damaged_ledger_is_moved_aside_on_demand(churn, ruined, tmp_path, damage):
    _, damaged = ruined(damage)
    saved = run(tmp_path, *ONCE, ADVICE, aws_url=churn[1])
    assert saved.returncode == 0, saved.stderr
    assert Page(saved.stdout).find(INVOCATIONS)
    aside = min(tmp_path.glob("ledger.db.*"))  # the others are SQLite's companions of it
    assert str(aside) in saved.stderr
    assert aside.read_bytes() == damaged


@pytest.fixture(scope="module")
def good_ledger(tmp_path_factory):
    """The bytes of a ledger that has counted something."""
    folder, past = tmp_path_factory.mktemp("good"), Past()
    (folder / "config.yaml").write_text(config(folder))
    with fake_aws(one_endpoint(past.origin), past)[1] as server:
        assert run(folder, *ONCE, aws_url=server.url).returncode == 0
    return (folder / "ledger.db").read_bytes()


@pytest.fixture
def ruined(good_ledger, tmp_path):
    """Ruin a ledger that was good once; return its path, and its bytes since."""

    def ruin(damage):
        (tmp_path / "config.yaml").write_text(config(tmp_path))
        ledger = tmp_path / "ledger.db"
        ledger.write_bytes(good_ledger)
        damage(ledger)
        return ledger, ledger.read_bytes()

    return ruin


# What makes the modes of files hold for root too, who may write everywhere.
POWERLESS = () if os.geteuid() else ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


def test_folder_that_cannot_be_written_is_refused(churn, tmp_path):
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o500)
    for place in ("/proc/nowhere/ledger.db", f"{folder}/ledger.db", f"{folder}/deeper/ledger.db"):
        (tmp_path / "config.yaml").write_text(f"ledger: {{path: {place}}}\n")
        finished = run(tmp_path, "run", "--config.file=config.yaml", aws_url=churn[1], through=POWERLESS)
        assert refused(finished, "can't open", place)


@pytest.fixture
def disk(good_ledger, tmp_path):
    """A folder with a good ledger: `use(flags, through)` runs a round on it and returns what came of that."""
    folder = tmp_path / "disk"
    folder.mkdir()
    (folder / "ledger.db").write_bytes(good_ledger)
    (tmp_path / "config.yaml").write_text(config(folder))
    yield folder
    folder.chmod(0o700)


def begun_anew(folder):
    return [file.name for file in folder.iterdir() if "ledger.db." in file.name]


@pytest.mark.parametrize(("of_folder", "of_file", "blamed"), [(0o500, 0o600, ""), (0o700, 0o400, "/ledger.db")])
def test_read_only_disk_is_refused_without_the_advice_to_begin_anew(churn, disk, tmp_path, of_folder, of_file, blamed):
    """What has been counted is whole: nobody should leave it, and moving it aside would not help."""
    ledger = disk / "ledger.db"
    ledger.chmod(of_file)
    disk.chmod(of_folder)
    finished = run(tmp_path, *ONCE, aws_url=churn[1], through=POWERLESS)
    assert refused(finished, f"can't open the ledger {ledger}: {disk}{blamed} can't be written")
    assert ADVICE not in finished.stderr
    disk.chmod(0o700)
    ledger.chmod(0o600)
    assert run(tmp_path, *ONCE, aws_url=churn[1]).returncode == 0


def test_ledger_on_a_read_only_disk_cannot_be_moved_aside(churn, disk, tmp_path):
    disk.chmod(0o500)
    finished = run(tmp_path, *ONCE, ADVICE, aws_url=churn[1], through=POWERLESS)
    assert refused(finished, f"can't move the ledger {disk / 'ledger.db'} aside: Permission denied")
    assert begun_anew(disk) == []


@pytest.mark.parametrize("is_new", [True, False])
def test_full_disk_at_the_start_is_refused_without_the_advice_to_begin_anew(churn, disk, tmp_path, is_new):
    """No file may grow: the same to SQLite, but for the word."""
    if is_new:
        (disk / "ledger.db").unlink()
    finished = run(tmp_path, *ONCE, aws_url=churn[1], through=("prlimit", "--fsize=0"))
    assert refused(finished, f"can't open the ledger {disk / 'ledger.db'}")
    assert ADVICE not in finished.stderr
    assert run(tmp_path, *ONCE, aws_url=churn[1]).returncode == 0


def test_empty_file_is_a_new_ledger(churn, disk, tmp_path):
    (disk / "ledger.db").write_bytes(b"")
    finished = run(tmp_path, *ONCE, aws_url=churn[1])
    assert finished.returncode == 0, finished.stderr
    assert Page(finished.stdout).find(INVOCATIONS)


@pytest.mark.parametrize("flags", [(), (ADVICE,)])
def test_folder_in_the_place_of_the_ledger_is_refused_and_stays(churn, tmp_path, flags):
    (tmp_path / "ledger.db").mkdir()
    (tmp_path / "config.yaml").write_text(config(tmp_path))
    assert refused(run(tmp_path, *ONCE, *flags, aws_url=churn[1]), f"{tmp_path}/ledger.db: it is no file")
    assert begun_anew(tmp_path) == []


def test_while_the_disk_refuses_counters_stand_still_and_are_exact_afterwards(daemon, churn):
    """A limit on the size of files, set from outside, is a disk that is full, and has room again."""
    fake, _ = churn
    daemon.counting()
    requests = busy(fake.world, fake.now() + 4 * MINUTE, 8)

    def counted():
        return max(daemon.shows(INVOCATIONS).values(), default=0.0)

    def failed():
        return max(daemon.shows("sagemaker_exporter_ledger_writes_total", outcome="failed").values(), default=0.0)

    wait_until(counted, what="counted requests")
    _, most = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (1, most))
    wait_until(failed, what="a write that failed")
    first, stood = failed(), counted()
    wait_until(lambda: failed() > first + 2, what="more of them")
    page = daemon.page()
    assert set(page.find(INVOCATIONS).values()) <= {stood}
    assert page.one("sagemaker_exporter_source_up", source="cloudwatch_metrics") == 0
    assert page.one("sagemaker_exporter_source_last_run_timestamp_seconds", source="cloudwatch_metrics") > 0
    assert daemon.answers("/-/healthy")
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (most, most))
    wait_until(lambda: counted() == requests, 90, "every request")
    assert daemon.stop()[0] == 0


# -- AWS ---------------------------------------------------------------------------------------------------------------


def test_sigterm_during_a_slow_aws_ends_within_the_drain_time(churn, exporter, tmp_path):
    fake, url = churn
    fake.faults.add("slow", operation="GetMetricData", seconds=25.0)
    daemon = exporter(url, config=config(tmp_path), flags=[f"--clock={SPEED}"])
    wait_until(lambda: fake.bill.requests["cloudwatch.GetMetricData"], what="a call that waits")
    code, seconds = daemon.stop()
    assert code == 0
    assert seconds < DRAIN + 3
    assert "Traceback" not in daemon.said
    assert "abandoned" in daemon.said

    fake.faults.clear()
    daemon.start()
    wait_until(lambda: daemon.shows(INVOCATIONS), what="counters after the restart")


@pytest.mark.slow(35)
def test_sigterm_during_the_first_round_ends_in_order(churn, exporter, tmp_path):
    """Within the login, the listings or the first readings: what was begun is ended or given up, and nothing lost."""
    fake, url = churn
    fake.faults.add("slow", seconds=0.3)
    daemon = exporter(url, config=config(tmp_path), flags=[f"--clock={SPEED}"])
    for operation in ("sts.GetCallerIdentity", "sagemaker.ListEndpoints", "cloudwatch.GetMetricData"):
        before = fake.bill.requests[operation]
        if daemon.process.poll() is not None:
            daemon.start()
        wait_until(lambda: fake.bill.requests[operation] > before, what=operation)  # noqa: B023 - called here
        code, seconds = daemon.stop()
        assert code == 0, operation
        assert seconds < DRAIN + 3
        assert "Traceback" not in daemon.said
    fake.faults.clear()
    daemon.start()
    daemon.counting()
    requests = busy(fake.world, fake.now() + MINUTE, 5)
    wait_until(lambda: max(daemon.shows(INVOCATIONS).values(), default=0.0) == requests, 60, "every request")


def test_sigterm_during_a_login_that_hangs_ends_within_the_drain_time(churn, exporter, tmp_path):
    fake, url = churn
    fake.faults.add("slow", operation="GetCallerIdentity", seconds=25.0)
    daemon = exporter(url, config=config(tmp_path), flags=[f"--clock={SPEED}"])
    wait_until(lambda: fake.bill.requests["sts.GetCallerIdentity"], what="a login that waits")
    code, seconds = daemon.stop()
    assert code == 0
    assert seconds < DRAIN + 3
    assert "Traceback" not in daemon.said


def test_second_sigterm_changes_nothing(churn, exporter, tmp_path):
    """Who repeats it would not have what can still be committed thrown away; SIGKILL is for that."""
    fake, url = churn
    fake.faults.add("slow", operation="GetMetricData", seconds=3.0)
    daemon = exporter(url, config=config(tmp_path), flags=[f"--clock={SPEED}"])
    wait_until(lambda: fake.bill.requests["cloudwatch.GetMetricData"], what="a call that waits")
    daemon.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in daemon.said, what="the first one heard")
    daemon.process.send_signal(signal.SIGINT)
    code, _ = daemon.stop()
    assert code == 0
    assert "Traceback" not in daemon.said
    assert "abandoned" not in daemon.said


def test_sigterm_while_throttled_ends_at_once(churn, exporter, tmp_path):
    """What waits for its turn is told to give up."""
    fake, url = churn
    daemon = exporter(url, config=config(tmp_path))
    wait_until(lambda: fake.bill.requests["sts.GetCallerIdentity"], what="a login")
    fake.faults.add("throttle")
    wait_until(lambda: fake.faults.rules[0].struck > 2, what="throttled calls")
    code, seconds = daemon.stop()
    assert code == 0
    assert seconds < 5
    assert "Traceback" not in daemon.said
    assert "abandoned" not in daemon.said


def test_answers_that_arrive_damaged_change_nothing(churn, exporter, tmp_path):
    """Cut off, empty, garbage, reset, late: over real sockets, one call in five."""
    fake, url = churn
    daemon = exporter(url, config=config(tmp_path), flags=[f"--clock={SPEED}"]).counting()
    for kind in ("truncated", "empty", "garbage", "reset", "slow", "http_500"):
        fake.faults.add(kind, probability=0.05, seconds=0.2)
    requests = busy(fake.world, fake.now() + MINUTE, 10)
    seen = []

    def counted():
        seen.extend(daemon.shows(INVOCATIONS).values())
        return seen and seen[-1]

    wait_until(lambda: counted() == requests, 60, "every request, for all that")
    struck = sum(fault.struck for fault in fake.faults.rules)
    fake.faults.clear()
    up = "sagemaker_exporter_source_up"
    wait_until(lambda: set(daemon.shows(up).values()) == {1.0}, what="whole runs again")
    assert seen == sorted(seen)
    assert struck > 5
    assert counted() == requests
    assert daemon.stop()[0] == 0
    assert "Traceback" not in daemon.said


def test_dead_network_at_the_start_is_outlived(exporter, tmp_path):
    speed, port = 12, free_port()
    began = time.monotonic()
    more = QUICK + f"targets: [{{account_id: '{ACCOUNT}', regions: [{REGION}]}}]\n"
    daemon = exporter(f"http://127.0.0.1:{port}", config=config(tmp_path, more), flags=[f"--clock={speed}"]).up()
    assert daemon.ask("/-/ready").status == 503
    daemon.ready()
    assert time.monotonic() - began > 120 / speed - 1, "readiness does not wait for AWS, but gives it two minutes"
    assert daemon.answers("/-/healthy")
    assert re.search(rf"can't log in to {ACCOUNT} {REGION}: .*127\.0\.0\.1:{port}", daemon.said)

    past = Past(speed)
    with serve(FakeAws(one_endpoint(past.origin), past), port):
        wait_until(lambda: daemon.shows("sagemaker_endpoint_status"), what="the recovery by itself")
        wait_until(lambda: daemon.shows(INVOCATIONS), what="counters")
        up = "sagemaker_exporter_target_up"
        wait_until(lambda: set(daemon.shows(up).values()) == {1.0}, what="the good news")
        assert daemon.stop()[0] == 0


def test_target_that_cannot_be_reached_is_down(exporter, tmp_path):
    more = QUICK + f"targets: [{{account_id: '{ACCOUNT}', regions: [{REGION}]}}]\n"
    url = f"http://127.0.0.1:{free_port()}"
    daemon = exporter(url, config=config(tmp_path, more), flags=["--clock=30"]).up()
    wait_until(lambda: "can't log in" in daemon.said, what="a word about it")
    here = {"account_id": ACCOUNT, "region": REGION}
    wait_until(lambda: daemon.shows("sagemaker_exporter_aws_errors_total"), what="a later look at itself")
    assert set(daemon.shows("sagemaker_exporter_target_up", **here).values()) == {0.0}


def test_wrong_account_is_told_and_the_daemon_stays_up(churn, exporter, tmp_path):
    more = QUICK + f"targets: [{{account_id: '999999999999', regions: [{REGION}]}}, {{regions: [{REGION}]}}]\n"
    daemon = exporter(churn[1], config=config(tmp_path, more), flags=[f"--clock={SPEED}"]).up()
    wait_until(lambda: daemon.shows(INVOCATIONS), what="the other target")
    assert f"logged in to account {ACCOUNT}, but the configuration says 999999999999" in daemon.said
    up = "sagemaker_exporter_target_up"
    wait_until(lambda: daemon.shows(up, account_id=ACCOUNT), what="targets")
    assert set(daemon.shows(up, account_id="999999999999").values()) == {0.0}
    assert set(daemon.shows(up, account_id=ACCOUNT).values()) == {1.0}


def test_denied_login_is_told_and_ends_with_the_denial(churn, exporter, tmp_path):
    fake, url = churn
    fake.faults.add("deny", operation="GetCallerIdentity")
    daemon = exporter(url, config=config(tmp_path), flags=[f"--clock={SPEED}"]).up()
    wait_until(lambda: "can't log in" in daemon.said, what="a word about it")
    assert "sts:GetCallerIdentity" in daemon.said
    daemon.ready()
    fake.faults.clear()
    wait_until(lambda: daemon.shows(INVOCATIONS), what="the recovery by itself")


def test_same_error_again_and_again_is_one_line(exporter, tmp_path):
    daemon = exporter(f"http://127.0.0.1:{free_port()}", config=config(tmp_path), flags=["--clock=300"]).up()
    wait_until(lambda: "can't log in" in daemon.said, what="a word about it")
    tries = 'sagemaker_exporter_aws_requests_total{account_id="",region="us-east-1",aws_service="sts"'
    wait_until(lambda: any(v >= 15 for s, v in daemon.page().values.items() if s.startswith(tries)), what="five tries")
    assert daemon.said.count("can't log in") < 3


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow(25)
@pytest.mark.parametrize("hours", [1, -1])
def test_machine_whose_clock_is_an_hour_off_counts_right_and_says_so(aws, exporter, tmp_path, hours):
    """AWS's clock is an hour behind or ahead of that of the process, which is the same from inside."""
    speed = 180
    past = Past(speed, days=hours / 24)
    fake, url = aws(one_endpoint(past.origin), past)
    daemon = exporter(url, config=config(tmp_path), flags=[f"--clock={speed}"]).counting()
    skew = daemon.shows("sagemaker_exporter_clock_skew_seconds")
    assert [round(seconds / (hours * HOUR)) for seconds in skew.values()] == [1]
    requests = busy(fake.world, fake.now() + MINUTE, 5)
    seen = []

    def counted():
        seen.extend(daemon.shows(INVOCATIONS).values())
        return seen[-1:] == [requests]

    wait_until(counted, 150, "every request")  # an hour of that clock later, where it is behind
    assert seen == sorted(seen)
    page = daemon.page()
    marks = ("checkpoint", "data_newest", "source_last_success", "snapshot", "ledger_last_write")
    times = [at for mark in marks for at in page.find(f"sagemaker_exporter_{mark}_timestamp_seconds").values()]
    assert len(times) > len(marks)
    assert max(times) <= fake.now(), "an age would be negative"
    assert not sum(page.find("sagemaker_exporter_lost_seconds_total").values())


def test_machine_that_was_asleep_for_hours_catches_up(aws, exporter, tmp_path):
    """A process that is stopped by a signal sleeps as its machine does: time goes on without it."""
    speed = 600
    past = Past(speed)
    fake, url = aws(one_endpoint(past.origin), past)
    daemon = exporter(url, config=config(tmp_path), flags=[f"--clock={speed}"]).counting()
    asleep = fake.now()
    daemon.process.send_signal(signal.SIGSTOP)
    requests = busy(fake.world, fake.now() + MINUTE, 60)
    wait_until(lambda: fake.now() > asleep + 2 * HOUR, what="two hours of sleep")
    daemon.process.send_signal(signal.SIGCONT)
    wait_until(lambda: max(daemon.shows(INVOCATIONS).values(), default=0.0) == requests, 60, "every request")
    missed = "sagemaker_exporter_scheduler_skipped_runs_total"
    here = {"source": "cloudwatch_metrics", "reason": "missed"}
    wait_until(lambda: sum(daemon.shows(missed, **here).values()) > 100, what="what was missed")
    assert not sum(daemon.shows("sagemaker_exporter_lost_seconds_total").values())
    assert daemon.stop()[0] == 0


# -- the start ---------------------------------------------------------------------------------------------------------


def test_every_mistake_of_a_configuration_is_told(tmp_path):
    (tmp_path / "config.yaml").write_text(
        "targets: [{account_id: 123456789012}]\nsources:\n  cloudwatch_metrics: {evry: 5m}\nweb: {zero_hold: soon}\n"
    )
    finished = run(tmp_path, "run", "--config.file=config.yaml")
    assert refused(finished, "config.yaml:1:", 'did you mean "every"?', "config.yaml:4:", "3 mistakes")


@pytest.mark.parametrize("flag", ["--clock=60", "--begin=-1h"])
def test_simulated_time_is_for_a_fake_aws_only(tmp_path, flag):
    for elsewhere in ({}, {"AWS_ENDPOINT_URL": "https://aws.example"}):
        assert refused(run(tmp_path, "run", flag, **elsewhere), "loopback")


def test_no_region_is_told(tmp_path):
    assert refused(run(tmp_path, "run", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y"), "AWS_REGION")


def test_healthcheck_says_whether_the_daemon_is_ready(daemon, churn, tmp_path):
    daemon.ready()
    address = f"--web.listen-address=127.0.0.1:{daemon.port}"
    assert run(tmp_path, "healthcheck", address).returncode == 0
    assert daemon.stop()[0] == 0
    ill = run(tmp_path, "healthcheck", address)
    assert ill.returncode == 1
    assert "Traceback" not in ill.stderr
