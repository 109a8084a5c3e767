"""Audit records of a real daemon: who deleted what, by the README's own commands; killed at any instant, none twice."""

from __future__ import annotations

import json
import random
import re
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from programs import ACCOUNT, PATIENCE, REGION, Exporter, wait_until

from exporter.demo import World
from exporter.demo.calls import PROMPT
from exporter.demo.identities import assumed_role, iam_user
from exporter.ledger.sqlite import SqliteStore

README = Path(__file__).parents[2] / "README.md"
CALLS = "sagemaker_api_calls_total"
KILLS = 4
CONFIG = f"""
targets: [{{regions: [{REGION}]}}]
sources:
  cloudwatch_metrics: {{enabled: false}}
  cloudwatch_alarms: {{enabled: false}}
  job_polling: {{enabled: false}}
  cloudtrail: {{every: 1s}}
web: {{zero_hold: 0s}}
"""


def commands():
    """Return the shell commands of the README's section: those that begin the demo, and the question."""
    section = README.read_text().partition("### Who did it, when, from where")[2].partition("| command | does |")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def counted(path):
    store = SqliteStore(path)
    try:
        return sum(total.parts[""] for key, total in store.load().totals if key.face[0] == CALLS)
    finally:
        store.close()


@pytest.fixture
def daemon(started, aws, tmp_path):
    """Start the exporter on a small world, with the fake that it talks to."""
    fake, url = aws(World(seed=5, call_delays=PROMPT), time.time)

    def start(audit, more=""):
        config = f"{CONFIG}ledger: {{path: {tmp_path}/ledger.db}}\naudit: {audit}\n{more}"
        program = started(Exporter(tmp_path, url, config=config))
        wait_until(lambda: program.shows("sagemaker_api_calls_by_origin_total"), what="a first look")
        return program, fake

    return start


def deleted(fake, name, **more):
    """Let somebody delete an endpoint now."""
    with fake.world.lock:
        asked = {"endpointName": name}
        return fake.world.add_call(ACCOUNT, REGION, fake.now(), "DeleteEndpoint", parameters=asked, **more)


def test_the_readme_tells_who_deleted_an_endpoint_in_the_demo(started, tmp_path):
    begin, question = commands()
    configuration, demo = begin.splitlines()
    assert demo == "sagemaker-exporter demo --config.file=audit.yaml"
    subprocess.run(["sh", "-c", configuration], cwd=tmp_path, check=True)
    started(Exporter(tmp_path, command="demo", flags=["--config.file=audit.yaml", "--clock=90"]))

    def answer():
        return subprocess.run(["sh", "-c", question], cwd=tmp_path, capture_output=True, text=True, check=False).stdout

    (line,) = wait_until(answer, 90, "a deletion").splitlines()
    found = json.loads(line)
    assert found["principal"] == "AWSReservedSSO_DataScientist_0a1b2c3d4e5f6789"
    assert found["session"] == "ben@example.com"
    assert found["source_ip"] == "203.0.113.12"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["time"])


def test_a_person_who_deletes_an_endpoint_is_told_with_time_and_place(daemon, tmp_path):
    path = tmp_path / "audit.jsonl"
    program, fake = daemon(f"{{output: file, path: {path}}}")
    ada = iam_user(ACCOUNT, "ada", address="198.51.100.7", agent="aws-cli/2.31")
    call = deleted(fake, "churn", who=ada)
    deleted(fake, "churn", who=assumed_role(ACCOUNT, "ci", "run-1"), error=("AccessDenied", "no"))
    deleted(fake, "other", who=ada)
    wait_until(lambda: len(records(path)) == 3, what="three lines")
    question = commands()[1].replace("try-out", "churn")

    def answer(command):
        return subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    (line,) = answer(question).splitlines()
    done = json.loads(line)
    tried = map(json.loads, answer(question.partition("|")[0]).splitlines())
    (refused,) = (one for one in tried if one != done)
    assert (done["principal"], done["principal_type"]) == ("ada", "IAMUser")
    assert (done["source_ip"], done["user_agent"]) == ("198.51.100.7", "aws-cli/2.31")
    assert (done["time"], done["event_id"]) == (time.strftime("%FT%TZ", time.gmtime(call.at)), call.event_id)
    assert (refused["principal"], refused["session"], refused["error_code"]) == ("ci", "run-1", "AccessDenied")
    assert path.stat().st_mode & 0o777 == 0o600
    assert program.stop()[0] == 0


def test_records_on_standard_output_are_alone_there(daemon, tmp_path):
    audit = "{output: stdout}"
    program, fake = daemon(audit)
    program.stop()
    process = subprocess.Popen(
        program.arguments, cwd=tmp_path, env=program.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        wait_until(lambda: program.answers("/-/ready"), what="a ready daemon")
        deleted(fake, "churn")
        wait_until(lambda: sum(program.shows(CALLS).values()) == 1, what="a call that counts")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=40)
    finally:
        process.kill()
    assert [json.loads(line)["resources"] for line in out.splitlines()] == [{"endpointName": "churn"}]
    assert b"stopping" in err


def test_what_logrotate_renames_is_followed_and_a_reload_changes_the_path(daemon, tmp_path):
    path, old, new = (tmp_path / name for name in ("audit.jsonl", "audit.old", "new.jsonl"))
    program, fake = daemon(f"{{output: file, path: {path}}}")
    deleted(fake, "a")
    wait_until(lambda: len(records(path)) == 1, what="a line")
    path.rename(old)
    program.process.send_signal(signal.SIGHUP)
    deleted(fake, "b")
    wait_until(lambda: len(records(path)) == 1, what="a line in the new file")
    (tmp_path / "config.yaml").write_text((tmp_path / "config.yaml").read_text().replace(str(path), str(new)))
    program.process.send_signal(signal.SIGHUP)
    wait_until(new.exists, what="the new path")
    deleted(fake, "c")
    wait_until(lambda: len(records(new)) == 1, what="a line at the new path")
    assert [records(one)[0]["resources"]["endpointName"] for one in (old, path, new)] == ["a", "b", "c"]
    assert program.stop()[0] == 0


def test_a_disk_that_is_full_for_the_file_alone_keeps_no_call_from_counting(daemon, tmp_path):
    """The ledger has room, the file has none: it stands at the limit that a process may write up to."""
    path = tmp_path / "audit.jsonl"
    with path.open("wb") as file:
        file.write(b"{}\n")
        file.truncate(64 << 20)
        file.seek((64 << 20) - 1)
        file.write(b"\n")
    program, fake = daemon(f"{{output: file, path: {path}, rotate: 0}}")
    _, most = resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (64 << 20, most))
    for n in range(3):
        deleted(fake, f"e-{n}")
        wait_until(lambda n=n: sum(program.shows(CALLS).values()) == n + 1, what="a call that counts")
    lost = "sagemaker_exporter_audit_records_total"
    wait_until(lambda: sum(program.shows(lost, outcome="lost").values()) == 3, what="lines that are told as lost")
    resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (most, most))
    deleted(fake, "e-3")
    wait_until(lambda: sum(program.shows(lost, outcome="written").values()) == 1, what="a line")
    assert path.read_bytes().splitlines()[-1].endswith(b'"resources":{"endpointName":"e-3"}}')
    assert program.said.count("audit records can't be written") == 1
    assert program.stop()[0] == 0


@pytest.mark.slow(25)
def test_killed_at_any_instant_no_call_has_two_lines_and_none_has_a_line_that_did_not_count(daemon, tmp_path):
    path, ledger = tmp_path / "audit.jsonl", tmp_path / "ledger.db"
    program, fake = daemon(f"{{output: file, path: {path}, rotate: 0}}")
    luck, calls, over = random.Random(11), [], threading.Event()

    def call_all_day():
        while not over.wait(0.05):  # of which LookupEvents gives fifty a second
            calls.append(deleted(fake, f"e-{len(calls)}"))

    people = threading.Thread(target=call_all_day)
    people.start()
    try:
        for n in range(KILLS):
            watched = path if n % 2 else tmp_path / "ledger.db-wal"
            before, deadline = stamp(watched), time.monotonic() + PATIENCE
            while stamp(watched) == before and time.monotonic() < deadline:
                time.sleep(0.0005)
            time.sleep(luck.choice((0.0, 0.0, 0.003, 0.5)))
            program.kill()
            program.start()
            wait_until(lambda: program.answers("/-/healthy"), what="a daemon that is back")
    finally:
        over.set()
        people.join()
    known = {call.event_id for call in calls}
    wait_until(lambda: sum(program.shows(CALLS).values()) == len(known), what="all calls counted")
    assert program.stop()[0] == 0
    ids = []
    for line in path.read_text().splitlines():
        try:
            ids.append(json.loads(line)["event_id"])
        except ValueError:
            continue  # torn by a kill
    assert counted(ledger) == len(known)
    assert len(set(ids)) == len(ids) <= len(known)
    assert set(ids) <= known
    assert len(ids) > 0.5 * len(known), "few are lost: those between a commit and its lines"
    assert "Traceback" not in program.said


def stamp(path):
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def test_the_readme_names_the_keys_in_their_order():
    section = README.read_text().partition("The keys stand in this order")[2].partition("Calls that failed")[0]
    from exporter.trail import audit

    names = re.findall(r"`(\w+)`", section)
    source = Path(audit.__code__.co_filename).read_text()
    assert names == re.findall(r'^        "(\w+)":', source, re.MULTILINE)
