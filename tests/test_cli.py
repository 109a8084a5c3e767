"""The commands as people type them: what they print, how they end, and that nothing ends in a traceback."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import bcrypt
import pytest
from keys import furnish

from exporter import __version__, cli
from exporter.demo import FakeAws, World, access_key, serve
from exporter.ledger.sqlite import SqliteStore

CLONE = Path(__file__).resolve().parent.parent
ACCOUNT, REGION = "123456789012", "us-east-1"
VARIANT = {"EndpointName": "churn", "VariantName": "AllTraffic"}
INVOCATIONS, MID_STREAM = "sagemaker_endpoint_invocations_total", "sagemaker_endpoint_mid_stream_errors_total"


# -- in this process ---------------------------------------------------------------------------------------------------


@pytest.fixture
def type_in(monkeypatch, tmp_path, capsys):
    """A function that runs a command in an empty folder; returns its exit code and what it wrote out and to errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.logs, "set_up", lambda *_: None)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    monkeypatch.setattr(urllib.request, "_opener", None)  # urllib keeps the proxies of its first call
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        return ended.value.code or 0, *capsys.readouterr()

    return run


def test_version(type_in):
    assert type_in("--version") == (0, f"sagemaker-exporter {__version__}\n", "")


def test_help_names_every_command(type_in):
    code, out, _ = type_in("--help")
    assert code == 0
    for command in ("run", "demo", "once", "iam-policy", "healthcheck"):
        assert re.search(rf"^ +{command}\b", out, re.MULTILINE)


def test_help_of_a_command_names_its_flags_and_no_hidden_ones(type_in):
    code, out, _ = type_in("run", "--help")
    assert code == 0
    for flag in ("config.file", "log.level", "log.format", "web.listen-address", "web.telemetry-path"):
        assert f"--{flag}" in out
    assert "--web.config.file FILE" in out
    assert "--web.enable-lifecycle" in out
    assert "--clock" not in out
    assert "--begin" not in out


@pytest.mark.parametrize(
    "arguments",
    [["walk"], ["run", "--nonsense"], ["--log.level=loud"], ["once", "--begin=yesterday"], ["run", "--clock=fast"]],
)
def test_what_is_no_command_is_refused(type_in, arguments):
    code, out, err = type_in(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: sagemaker-exporter")


BROKEN = "targets:\n  - account_id: 123456789012\nsources:\n  inventory: {evry: 5m}\n"
SAID = """\
config.yaml:2:17  targets[0].account_id: 123456789012 is read as a number, write "123456789012" in quotes
config.yaml:4:15  sources.inventory.evry: unknown key; did you mean "every"?
2 mistakes
"""


@pytest.mark.parametrize("command", ["run", "once", "iam-policy", "healthcheck"])
def test_a_broken_configuration_is_told_with_all_of_its_mistakes(type_in, command):
    Path("config.yaml").write_text(BROKEN)
    assert type_in(command) == (2, "", SAID)


def test_a_configuration_elsewhere(type_in, tmp_path):
    (tmp_path / "my.yaml").write_text("nothing: 1")
    code, _, err = type_in("once", "--config.file", tmp_path / "my.yaml")
    assert (code, err.partition("  ")[0]) == (2, f"{tmp_path}/my.yaml:1:1")


def test_a_configuration_that_is_not_there(type_in):
    code, _, err = type_in("--config.file=nothing.yaml")
    assert code == 2
    assert err.startswith("nothing.yaml:1:1  can't be read")


@pytest.mark.parametrize("command", ["run", "healthcheck"])
def test_a_broken_web_configuration_is_told_with_all_of_its_mistakes(type_in, command):
    Path("web.yml").write_text("basic_auth_users: {john: doe}\nhttp_server_config: {http3: true}\n")
    assert type_in(command, "--web.config.file=web.yml") == (2, "", SAID_OF_THE_WEB)


SAID_OF_THE_WEB = """\
web.yml:1:26  basic_auth_users.john: this is not a bcrypt hash; `htpasswd -nBC 10 NAME` makes one
web.yml:2:22  http_server_config.http3: unknown key; did you mean "http2"?
2 mistakes
"""


def test_the_policy_of_everything_is_the_one_that_is_shipped(type_in):
    code, out, _ = type_in("iam-policy")
    assert code == 0
    assert json.loads(out) == json.loads((CLONE / "deploy/aws/iam-policy.json").read_text())


def actions(out):
    return {action for statement in json.loads(out)["Statement"] for action in statement["Action"]}


def test_the_policy_is_that_of_the_configuration(type_in):
    Path("config.yaml").write_text("sources: {cloudwatch_metrics: {enabled: false}}\nresources: {tags: {team: ml}}")
    _, out, _ = type_in("iam-policy")
    assert "cloudwatch:GetMetricData" not in actions(out)
    assert "tag:GetResources" in actions(out)
    assert all(re.match(r"[\w-]+:(Get|List|Describe|Lookup)", action) for action in actions(out))


def test_without_a_region_the_program_says_what_to_do(type_in, tmp_path):
    Path("config.yaml").write_text("targets: [{regions: [us-east-1]}, {alias: x}]\nledger: {path: ':memory:'}")
    code, out, err = type_in("run", "--web.listen-address=127.0.0.1:0")
    assert (code, out) == (2, "")
    assert err.startswith("targets[1] names no region, and neither does the AWS environment")


@pytest.mark.parametrize("command", ["run", "once", "check-config", "estimate"])
def test_a_profile_that_does_not_exist_is_named_without_a_region_too(type_in, monkeypatch, command):
    monkeypatch.setenv("AWS_PROFILE", "no-such")
    Path("config.yaml").write_text("ledger: {path: ':memory:'}")
    code, out, err = type_in(command)
    text = "targets[0] names no region, and the AWS environment can't be read: The config profile (no-such) could not"
    assert (out if command == "check-config" else err).startswith(text)
    assert code == (1 if command == "check-config" else 2)


@pytest.mark.parametrize("flag", ["--clock=60", "--begin=-1h"])
@pytest.mark.parametrize("url", [None, "https://monitoring.us-east-1.amazonaws.com", "http://192.0.2.1:80", "nonsense"])
@pytest.mark.parametrize("command", ["run", "once"])
def test_a_simulated_clock_is_refused_unless_aws_is_a_fake_on_this_machine(type_in, monkeypatch, command, url, flag):
    if url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    code, _, err = type_in(command, flag)
    assert code == 2
    assert err.startswith("--clock and --begin are for a fake AWS: AWS_ENDPOINT_URL must be on the loopback, not ")


def test_a_simulated_clock_is_refused_where_the_sdk_ignores_the_address_of_the_fake(type_in, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    code, _, err = type_in("run", "--clock=60")
    assert code == 2
    assert "amazonaws.com" in err


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"])
def test_a_simulated_clock_is_taken_on_the_loopback(type_in, monkeypatch, url):
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    Path("config.yaml").write_text("ledger: {path: ':memory:'}")
    code, _, err = type_in("once", "--clock=60", "--begin=-1h")
    assert code == 2
    assert "names no region" in err


def test_a_ledger_that_is_no_ledger_is_told_and_kept(type_in, tmp_path):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"my diary " * 1000)
    Path("config.yaml").write_text(f"ledger: {{path: {path}}}\ntargets: [{{regions: [us-east-1]}}]")
    code, _, err = type_in("once")
    assert code == 2
    assert str(path) in err
    assert "--ledger.move-aside" in err
    assert path.read_bytes().startswith(b"my diary")


@pytest.mark.parametrize("command", ["run", "once", "demo"])
def test_audit_records_that_can_not_be_written_are_told_before_anything_is_left(type_in, tmp_path, command):
    audit, ledger = tmp_path / "none" / "audit.jsonl", tmp_path / "ledger.db"
    Path("config.yaml").write_text(f"ledger: {{path: {ledger}}}\naudit: {{output: file, path: {audit}}}\n")
    code, _, err = type_in(command, "--config.file=config.yaml")
    assert (code, err) == (2, f"audit.path: {audit} can't be written: No such file or directory\n")
    assert not ledger.exists()


@pytest.mark.parametrize("command", ["run", "once"])
def test_audit_records_are_not_written_to_where_the_ledger_will_be(type_in, monkeypatch, tmp_path, command):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("audit: {output: file, path: ledger.db}\n")
    code, out, err = type_in(command)
    assert (code, out, err) == (2, "", "audit.path: ledger.db is where the ledger is\n")
    assert not Path("ledger.db").exists()


def test_once_prints_metrics_and_no_audit_records_among_them(type_in):
    Path("config.yaml").write_text("audit: {output: stdout}\n")
    said = "audit.output: stdout is where `once` prints the metrics; write output: file\n"
    assert type_in("once") == (2, "", said)


def test_a_ledger_is_moved_aside_and_never_deleted(type_in, tmp_path):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"my diary " * 1000)
    Path("config.yaml").write_text(f"ledger: {{path: {path}}}")
    code, _, err = type_in("once", "--ledger.move-aside")
    assert (code, "names no region" in err) == (2, True), "the ledger was no reason to stop"
    (kept,) = tmp_path.glob("ledger.db.2*Z")
    assert kept.read_bytes().startswith(b"my diary")


@pytest.fixture
def held(tmp_path):
    """A ledger that somebody else holds, and a configuration that names it."""
    path = tmp_path / "ledger.db"
    Path("config.yaml").write_text(f"ledger: {{path: {path}}}")
    store = SqliteStore(path)
    yield path
    store.close()


def test_a_ledger_that_is_in_use_is_refused(type_in, held):
    said = f"another process holds the ledger {held}: two exporters can't count into one ledger\n"
    assert type_in("once") == type_in("run") == (2, "", said)


def test_a_ledger_that_is_in_use_is_not_moved_aside(type_in, held):
    _, _, err = type_in("once", "--ledger.move-aside")
    assert not list(held.parent.glob("ledger.db.2*Z"))
    assert "another process holds the ledger" in err


@pytest.fixture
def aws(monkeypatch):
    """A fake AWS that the environment leads to."""
    fake = FakeAws(World(), time.time)
    with serve(fake) as server:
        server.fake = fake
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key(ACCOUNT))
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        yield server


def test_once_without_a_login_says_so_in_a_line(type_in, aws, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASTRANGER")
    Path("config.yaml").write_text("ledger: {path: ':memory:'}")
    code, out, err = type_in("once")
    assert (code, out) == (1, "")
    assert "security token" in err


@pytest.mark.parametrize("command", ["once", "estimate"])
def test_an_account_that_is_there_twice_is_a_mistake_before_anything_is_read(type_in, aws, command):
    targets = f"targets: [{{regions: [{REGION}]}}, {{account_id: '{ACCOUNT}', alias: prod, regions: [{REGION}]}}]"
    Path("config.yaml").write_text(f"{targets}\nledger: {{path: ':memory:'}}")
    code, out, err = type_in(command)
    assert (code, out) == (2, "")
    said = "as the ambient login is: it is not read, or all would be counted twice"
    assert err.splitlines()[-1] == f"prod in {REGION} is account {ACCOUNT}, {said}"
    assert set(aws.fake.bill.requests) == {"sts.GetCallerIdentity"}


def test_check_config_knows_the_region_of_the_environment(type_in, monkeypatch):
    monkeypatch.setenv("AWS_REGION", REGION)
    Path("config.yaml").write_text(f"targets: [{{}}, {{regions: [{REGION}]}}]")
    code, out, _ = type_in("check-config")
    assert code == 1
    assert out == f"targets[1] and targets[0] are both the ambient account in {REGION}: leave one out\n"


def test_a_port_that_does_not_exist_is_told(type_in, aws):
    Path("config.yaml").write_text("ledger: {path: ':memory:'}")
    code, _, err = type_in("run", "--web.listen-address", "127.0.0.1:99999")
    assert code == 2
    assert "can't listen on 127.0.0.1:99999" in err


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
def test_healthcheck(type_in, status, code):
    with answering(status) as port:
        found, out, err = type_in("healthcheck", f"--web.listen-address=127.0.0.1:{port}")
    assert (found, out, err[:4]) == (code, "", "http" if code else "")


def test_healthcheck_when_nobody_listens(type_in):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    code, _, err = type_in("healthcheck", f"--web.listen-address=:{port}")
    assert code == 1
    assert err.startswith(f"http://127.0.0.1:{port}/-/ready: ")


def test_healthcheck_asks_no_proxy(type_in, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with answering(200) as port:
        assert type_in("healthcheck", f"--web.listen-address=127.0.0.1:{port}")[0] == 0


class answering:  # noqa: N801 - reads as a word in `with`
    """A server that gives one answer."""

    def __init__(self, status):
        self._status = status

    def __enter__(self):
        from http.server import BaseHTTPRequestHandler, HTTPServer
        from threading import Thread

        status = self._status

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status if self.path == "/-/ready" else 418)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self._server.server_port

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


# -- processes ---------------------------------------------------------------------------------------------------------


QUICK = """\
sources: {inventory: {every: 1s}, cloudwatch_metrics: {every: 1s}}
limits: {requests_per_second: {ListMetrics: 1000}}
"""


class Processes:
    """The program against a fake AWS whose clock is a day behind, in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.world = World(listed_after=(0, 0))
        self.world.add_endpoint(ACCOUNT, REGION, "churn", time.time() - 100_000)
        self.fake = FakeAws(self.world, time.time)
        self.fake.advance(-86_400)
        self.server = serve(self.fake)
        self.ledger = folder / "ledger.db"
        self.config = folder / "config.yaml"
        self.config.write_text(f"{QUICK}ledger: {{path: {self.ledger}}}\n")
        self.started = []
        inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self.environment = inherited | {
            "AWS_ENDPOINT_URL": self.server.url,
            "AWS_ACCESS_KEY_ID": access_key(ACCOUNT),
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": REGION,
        }

    def start(self, *arguments, **environment):
        command = [sys.executable, "-m", "exporter", *map(str, arguments)]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment | environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.started.append(process)
        return process

    def run(self, *arguments, **environment):
        """Run a command to its end; return exit code, output and errors."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def daemon(self, port, *more):
        """Start the daemon; return it once it is ready and shows what it has read."""
        process = self.start("--web.listen-address", f"127.0.0.1:{port}", *more)
        for _ in range(600):
            assert process.poll() is None, process.stderr.read()
            if get(f"http://127.0.0.1:{port}/-/ready") and INVOCATIONS in get(f"http://127.0.0.1:{port}/metrics"):
                return process
            time.sleep(0.05)  # waits for a condition, at most half a minute
        return pytest.fail("the daemon was never ready")

    def put(self, metric, value):
        self.world.put(ACCOUNT, REGION, "AWS/SageMaker", metric, VARIANT, self.fake.now(), value)

    def close(self):
        for process in self.started:
            process.kill()
            process.communicate()
        self.server.close()


def get(url):
    """Return the body of an answer of 200, None for any other or none."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
            return answer.read().decode()
    except (OSError, urllib.error.URLError):
        return None


@pytest.fixture
def processes(tmp_path):
    made = Processes(tmp_path)
    yield made
    made.close()


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def value(page, family):
    """Return the value of the only series of a family on a page, None if there is none."""
    found = re.findall(rf"^{family}{{.*}} (.*)$", page, re.MULTILINE)
    assert len(found) <= 1
    return float(found[0]) if found else None


def test_once_shows_a_counter_at_0_first_and_its_value_the_next_time(processes):
    code, out, err = processes.run("once")
    assert (code, value(out, INVOCATIONS), value(out, MID_STREAM)) == (0, 0.0, None), err
    processes.put("Invocations", 41)
    processes.put("MidStreamErrors", 3)
    processes.fake.advance(300)
    code, out, err = processes.run("once")
    assert (code, value(out, INVOCATIONS), value(out, MID_STREAM)) == (0, 41.0, 0.0), err
    code, out, err = processes.run("once", "--log.format=json", "--log.level=debug")
    assert (code, value(out, INVOCATIONS), value(out, MID_STREAM)) == (0, 41.0, 3.0), err
    for line in err.splitlines():
        assert {"ts", "level", "logger", "msg"} <= json.loads(line).keys()


def test_a_daemon_serves_holds_its_ledger_and_ends_when_it_is_told_to(processes, port):
    daemon = processes.daemon(port)
    page = get(f"http://127.0.0.1:{port}/metrics")
    assert value(page, INVOCATIONS) == 0.0
    assert "cloudwatch_metrics" in get(f"http://127.0.0.1:{port}/")

    code, out, err = processes.run("healthcheck", "--web.listen-address", f":{port}")
    assert (code, out, err) == (0, "", "")

    code, out, err = processes.run("once")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"another process holds the ledger {processes.ledger}: ")

    processes.config.write_text("ledger: {path: ':memory:'}")
    code, _, err = processes.run("--web.listen-address", f"127.0.0.1:{port}")
    assert code == 2
    assert err.splitlines()[-1].startswith(f"can't listen on 127.0.0.1:{port}: ")
    assert "Traceback" not in err

    daemon.send_signal(signal.SIGTERM)
    _, err = daemon.communicate(timeout=30)
    assert daemon.returncode == 0
    assert "stopping" in err
    assert "Traceback" not in err
    with sqlite3.connect(processes.ledger) as ledger:
        assert ledger.execute("SELECT count(*) FROM meters").fetchone()[0] > 0
    ledger.close()


@pytest.mark.parametrize("mutual", ["", ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem"])
def test_a_daemon_behind_tls_and_a_password_is_checked_from_its_own_machine(processes, port, tmp_path, mutual):
    furnish(tmp_path)
    hashed = bcrypt.hashpw(b"dave123", bcrypt.gensalt(4)).decode()
    web = tmp_path / "web.yml"
    web.write_text(
        f"tls_server_config: {{cert_file: server.crt, key_file: server.key{mutual}}}\n"
        f"basic_auth_users: {{dave: {hashed}}}\n"
    )
    flags = ("--web.config.file", web, "--web.listen-address", f"127.0.0.1:{port}")
    daemon = processes.start("run", *flags)
    deadline = time.monotonic() + 30
    while processes.run("healthcheck", *flags) != (0, "", ""):
        assert time.monotonic() < deadline
    with pytest.raises(urllib.error.URLError):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"https://127.0.0.1:{port}/", timeout=10)
    daemon.send_signal(signal.SIGTERM)
    _, err = daemon.communicate(timeout=30)
    assert f"metrics on https://127.0.0.1:{port}/metrics" in err
    assert "Traceback" not in err


# -- before it runs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("check-config", "other.yaml"), ("--config.check", "--config.file=other.yaml")])
def test_a_valid_configuration_is_priced(type_in, monkeypatch, command):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    Path("other.yaml").write_text("targets: [{regions: [us-east-1, eu-west-1]}]\nsources: {inventory: {every: 5s}}")
    code, out, err = type_in(*command)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("valid. 1 account, 2 targets, 7 sources, ")
    assert lines[1].startswith("assuming 10 endpoints with one variant each and up to 100 alarms in every target; ")
    assert lines[-1].startswith("sources.inventory.every is 5s")


def test_all_mistakes_of_a_configuration_are_printed(type_in):
    Path("config.yaml").write_text("bogus: 1\nweb: {zero_hold: soon}\n")
    code, out, err = type_in("check-config")
    assert (code, err) == (1, "")
    assert out.splitlines()[-1] == "2 mistakes"


def test_a_configuration_without_a_region_is_not_valid(type_in):
    code, out, _ = type_in("check-config")
    assert code == 1
    assert "names no region" in out


def test_an_estimate_looks_at_the_accounts(type_in, aws):
    Path("config.yaml").write_text("")
    code, out, err = type_in("estimate")
    assert (code, err) == (0, "")
    assert re.search(r"^\d+ endpoints, [\d,]+ metrics that CloudWatch lists:$", out, re.MULTILINE)
    assert "cloudwatch_metrics" in out
    asked = {name for name in aws.fake.bill.requests if ".List" not in name}
    called = {"sts.GetCallerIdentity", "cloudwatch.DescribeAlarms", "logs.DescribeLogGroups"}
    assert asked == called, "listings only, if not all by that name"
