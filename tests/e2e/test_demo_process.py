"""`sagemaker-exporter demo`, as a newcomer and a Prometheus see it: a whole page within 20 seconds, named as promised.

The contract (tests/contract/families.yaml) says what must be there. Nothing is asked of the program's own catalogue
but which of the contract's families about the exporter itself exist yet.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, closing
from itertools import product
from pathlib import Path

import pytest
from oracle import CONTRACT, FAMILIES, Page, labels_of
from programs import COMMAND, Exporter, environment, wait_until
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
FIRST = {  # sources that show all they have at once
    "cloudwatch_metrics",
    "cloudwatch_alarms",
    "cloudwatch_logs",
    "inventory",
    "quotas",
}
PROMISED_SECONDS = 20.0  # from the start of the process, for all that comes from AWS
OWN_SECONDS = 30.0  # for its own health: looked at every 15 s from the start on, so that 18 are usual
FROM_AWS = {
    name: family for name, family in FAMILIES.items() if family["default"] == "on" and family["source"] in FIRST
}
OWN = {name: family for name, family in FAMILIES.items() if family["source"] == "own" and name in CATALOGUE}
NOT_YET = {
    "sagemaker_exporter_aws_credentials_expiry_timestamp_seconds",  # the demo's do not expire
    "sagemaker_exporter_aws_errors_total",  # nothing fails
    "sagemaker_exporter_aws_retries_total",
    "sagemaker_exporter_datapoint_lag_seconds",  # data that is new to a second reading: after a minute
    "sagemaker_exporter_revisions_total",  # the same
    "sagemaker_exporter_late_revisions_total",
    "sagemaker_exporter_event_last_timestamp_seconds",  # until an alarm changes
    "sagemaker_exporter_ledger_oldest_timestamp_seconds",
    "sagemaker_exporter_queue_messages",  # until a source hears a queue
    "sagemaker_exporter_queue_received_total",
    "sagemaker_exporter_queue_oldest_message_age_seconds",
    "sagemaker_exporter_queue_dead_letters",
}
EXPECTED = FROM_AWS | {name: family for name, family in OWN.items() if name not in NOT_YET}
EXPOSED_AS = {"stateset": "gauge", "info": "gauge"}  # the text format has no other word for them
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def families_of(page):
    return set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))


class Demo(Exporter):
    """A demo on a free port."""

    def __init__(self, folder, **more):
        super().__init__(folder, command="demo", **more)
        self.began = time.monotonic()

    def seconds_to(self, families):
        """Wait for a page with these families; return the seconds since the process began."""
        missing: set[str] = set()

        def whole():
            nonlocal missing
            try:
                missing = set(families) - families_of(self.ask("/metrics").text)
            except OSError:
                return False
            return not missing

        try:
            wait_until(whole, 60.0)
        except AssertionError:
            pytest.fail(f"not on the page after a minute: {sorted(missing)}\n{self.said}")
        return time.monotonic() - self.began


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """One demo for all tests that only look at it, ten times as fast as real: whole in a few seconds."""
    running = Demo(tmp_path_factory.mktemp("demo"), flags=["--clock=10"])
    running.start()
    try:
        running.seconds_to(EXPECTED)
        running.text = running.ask("/metrics").text
        running.openmetrics = running.ask("/metrics", Accept=OPENMETRICS).text
        yield running
    finally:
        running.kill()
    assert not (running.folder / "went-out").exists()


@pytest.fixture(scope="module")
def text(demo):
    return demo.text


@pytest.fixture(scope="module")
def openmetrics(demo):
    return demo.openmetrics


# -- what is on the page -----------------------------------------------------------------------------------------------


def test_page_is_full_within_the_promised_time(started, tmp_path):
    demo = started(Demo(tmp_path))
    slower = 2 if "PYTEST_XDIST_WORKER" in os.environ else 1  # beside other tests it has less than one of two cores
    assert demo.seconds_to(FROM_AWS) <= PROMISED_SECONDS * slower
    assert demo.seconds_to(EXPECTED) <= OWN_SECONDS * slower


def watched():
    """Return the rows of the README's table of all that can be watched: what, and by which families."""
    _, _, section = (ROOT / "README.md").read_text().partition("\n### All that can be watched\n")
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", section.partition("\n### ")[0], re.MULTILINE)
    return {what: re.findall(r"`(sagemaker_\w+)`", where) for what, where in rows[2:]}


def test_all_that_aws_says_can_be_watched_is_on_the_page(demo):
    """That page of AWS has eleven sentences that say something of it, but for where to read more."""
    table = watched()
    assert len(table) == 11
    assert all(table.values())
    demo.seconds_to({family for families in table.values() for family in families})


def test_what_runs_costs_and_what_has_run_has_cost(demo):
    """Within a few of its minutes: nothing here is without a price, but one size of tracking server that AWS hides."""
    wait_until(lambda: sum(Page(demo.ask("/metrics").text).find("sagemaker_cost_usd_total").values()) > 0)
    page = Page(demo.ask("/metrics").text)
    kinds = {labels_of(series)["resource_type"] for series in page.find("sagemaker_cost_hourly_usd")}
    assert kinds >= {"endpoint", "notebook_instance", "app", "cluster", "training_job"}
    assert {labels_of(one)["resource_type"] for one in page.find("sagemaker_cost_unpriced_instances")} <= {
        "mlflow_tracking_server"
    }


def test_every_family_has_the_type_help_and_labels_of_the_contract(text):
    shown = {}
    for family in read_text(text):
        shown[family.name + "_total" * (family.type == "counter")] = family
    unnamed = {name for name in shown if not name.startswith(("process_", "python_"))} - set(FAMILIES)
    assert unnamed == set(), "a family that nobody has promised"
    for name, promised in EXPECTED.items():
        family = shown[name]
        assert family.type == EXPOSED_AS.get(promised["type"], promised["type"]), name
        assert re.fullmatch(re.escape(promised["help"]) + r"( \[[^\[\]]+\])?", family.documentation), name
        own = {"summary": {"quantile"}, "histogram": {"le"}}.get(promised["type"], set())
        for sample in family.samples:
            assert set(sample.labels) - own == set(promised["labels"]), name


def test_every_family_has_the_unit_of_the_contract(openmetrics):
    shown = {family.name + "_total" * (family.type == "counter"): family for family in read_openmetrics(openmetrics)}
    assert {name: shown[name].unit for name in EXPECTED} == {name: p["unit"] for name, p in EXPECTED.items()}
    assert openmetrics.endswith("\n# EOF\n")
    assert openmetrics.count("# EOF") == 1


def test_both_formats_show_the_same_series(demo):
    """The page changes every second: two that were made of the same snapshot are needed."""

    def same():
        before = demo.ask("/metrics").text
        other = demo.ask("/metrics", Accept=OPENMETRICS).text
        return before == demo.ask("/metrics").text and (before, other)

    text, openmetrics = wait_until(same, what="a page that stands still for a moment")
    assert Page(text).values == Page(openmetrics).values


@pytest.mark.parametrize("name", sorted(name for name, promised in OWN.items() if promised.get("seeded")))
def test_own_counter_is_born_at_0(text, name):
    """What the contract calls seeded stands there for every known value of things that exist."""
    page, promised = Page(text), OWN[name]
    listed = page.find("sagemaker_exporter_discovered_series")
    exist = {
        "account_id": {"123456789012"},
        "region": {"us-east-1"},
        "queue": set(),  # until a source hears one
        "source": {"cloudwatch_metrics", "cloudwatch_alarms", "inventory"},
        "cloudwatch_namespace": {labels_of(series)["cloudwatch_namespace"] for series in listed},
    }
    choices = []
    for label in promised["labels"]:
        words = promised.get("values", {}).get(label)
        known = CONTRACT["enums"][words] if isinstance(words, str) else words
        choices.append(exist[label].intersection(known or exist[label]) if label in exist else known)
    expected = {tuple(zip(promised["labels"], values, strict=True)) for values in product(*choices)}
    shown = page.find(name + "_count" * (promised["type"] == "histogram"))
    assert expected <= {tuple(labels_of(series).items()) for series in shown}


def test_the_process_tells_of_itself_as_all_programs_do(demo, text, openmetrics):
    for page in (text, openmetrics):
        values = Page(page).values
        assert values["process_resident_memory_bytes"] > 1e7
        assert values["process_cpu_seconds_total"] > 0
        assert values['python_gc_collections_total{generation="0"}'] > 0
        assert any(series.startswith("python_info{") for series in values)


def test_states_are_words_of_the_contract(text):
    for name, promised in EXPECTED.items():
        for label, words in promised.get("values", {}).items():
            known = CONTRACT["enums"][words] if isinstance(words, str) else words
            shown = {labels_of(series)[label] for series in Page(text).find(name)} - {""}  # empty: AWS names none
            assert shown <= set(map(str, known)), (name, label)


def test_numbers_are_those_of_a_busy_account(text):
    page = Page(text)
    assert len(page.find("sagemaker_endpoint_created_timestamp_seconds")) in {50, 51}, "one is there for a minute"
    assert len(page.find("sagemaker_endpoint_cpu_utilization_ratio")) > 40
    assert len(page.find("sagemaker_endpoint_model_latency_seconds", quantile="0.99")) > 40
    assert len(page.find("sagemaker_endpoint_invocations_total")) > 40
    statuses = page.find("sagemaker_endpoint_status")
    assert sum(statuses.values()) == len({labels_of(series)["endpoint_name"] for series in statuses})
    lasting = {series: holds for series, holds in statuses.items() if labels_of(series)["endpoint_name"] != "try-out"}
    troubled = {labels_of(s)["status"] for s, holds in lasting.items() if holds} - {"InService"}
    assert troubled in ({"Updating"}, {"RollingBack"}), "a deployment is in progress"
    assert page.one("sagemaker_exporter_target_up") == 1
    assert set(page.find("sagemaker_exporter_source_up").values()) == {1}


def test_tags_are_shown_of_endpoints_and_other_things(text):
    found = Page(text).find("sagemaker_resource_tags_info")
    tags = [labels_of(series) for series in found]
    assert {"endpoint", "inference_component", "notebook_instance", "feature_group"} <= {
        one["resource_type"] for one in tags
    }
    assert {one.get("tag_stage") for one in tags} == {None, "prod", "test"}
    assert all(one["tag_team"] for one in tags)


def test_logs_are_read(text):
    page = Page(text)
    retention = page.find("sagemaker_log_group_retention_seconds")
    assert len(retention) == 58
    assert {float("inf"), 30 * 86_400.0} <= set(retention.values())
    matches = page.find("sagemaker_log_group_matches_total", rule="cuda_out_of_memory")
    assert len(matches) > 50, "0 where there is none"
    assert page.find("sagemaker_log_group_matches_by_stream_total", rule="failed_training")


def test_promtool_has_no_complaint(text, require_tool):
    """None of its lint is waived."""
    checked = subprocess.run(
        [require_tool("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_shape_of_the_page(openmetrics, golden):
    """Families with help, type, unit and labels; no values. What the demo shows only later is left out."""
    lines = []
    for family in read_openmetrics(openmetrics):
        name = family.name + "_total" * (family.type == "counter")
        if name in EXPECTED:
            labels = sorted({label for sample in family.samples for label in sample.labels})
            lines.append(
                f"{name} {family.type} {family.unit or '-'} {{{','.join(labels)}}}\n    {family.documentation}"
            )
    golden("demo_families.txt", "\n".join(sorted(lines)) + "\n")


# -- how it is served --------------------------------------------------------------------------------------------------

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", TEXT_TYPE),
        ("*/*", TEXT_TYPE),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT_TYPE),
        (PROMETHEUS_3, OPENMETRICS_TYPE),
        ("text/plain;q=0.9,application/openmetrics-text;version=1.0.0;q=0.2", TEXT_TYPE),
        ("application/openmetrics-text;version=99.0.0,text/plain;q=0.1", TEXT_TYPE),
    ],
)
@pytest.mark.parametrize("gzipped", [False, True])
def test_client_gets_the_format_and_encoding_that_it_asks_for(demo, accept, kind, gzipped):
    reply = demo.ask("/metrics", Accept=accept, Accept_Encoding="gzip" if gzipped else "identity")
    assert reply.status == 200
    assert reply.headers["content-type"] == kind
    assert reply.headers.get("content-encoding") == ("gzip" if gzipped else None)
    assert reply.headers["content-length"] == str(len(reply.body))
    assert reply.text.endswith("# EOF\n") == (kind == OPENMETRICS_TYPE)


def test_head_is_a_get_without_the_body(demo):
    for path in ("/metrics", "/", "/-/healthy", "/-/ready"):
        reply = demo.ask(path, "HEAD")
        assert reply.status == 200
        assert reply.body == b""
        assert int(reply.headers["content-length"]) > 0


def test_page_for_people_says_that_it_is_a_demo(demo):
    page = demo.ask("/").text
    assert "make-believe" in page
    assert "cloudwatch_metrics" in page
    assert "make-believe" in demo.said


def test_other_paths_and_methods_are_refused(demo):
    assert demo.ask("/nowhere").status == 404
    assert demo.ask("/metrics", "POST").status == 405
    assert demo.ask("/metrics?name[]=up").status == 200


def test_silent_clients_do_not_keep_others_waiting(demo):
    """Nor do those that send a byte and then nothing, or ask and do not listen."""
    with ExitStack() as crowd:
        for n in range(90):
            client = crowd.enter_context(socket.create_connection(("127.0.0.1", demo.port), timeout=5))
            client.sendall((b"", b"G", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 20)[n % 3])
        began = time.monotonic()
        assert demo.ask("/metrics", Accept_Encoding="gzip").status == 200
        assert time.monotonic() - began < 2


def test_second_demo_on_the_port_says_why_it_cannot_start(demo):
    arguments = [COMMAND, "demo", f"--web.listen-address=127.0.0.1:{demo.port}"]
    second = subprocess.run(
        arguments, env=environment(demo.folder), capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 2
    assert re.fullmatch(rf"can't listen on 127\.0\.0\.1:{demo.port}: .*in use.*\n", second.stderr)


# -- how it starts and ends --------------------------------------------------------------------------------------------


def test_counters_of_the_demo_move(demo):
    """They stand at 0 for two minutes first, which pass in seconds here."""

    def requests():
        return sum(demo.shows("sagemaker_endpoint_invocations_total").values())

    first = wait_until(requests, what="requests to endpoints")
    wait_until(lambda: requests() > first, what="more requests")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_demo_ends_at_once_when_asked(started, tmp_path, number):
    demo = started(Demo(tmp_path)).up()
    code, seconds = demo.stop(number)
    assert code == 0
    assert seconds < 5
    assert "Traceback" not in demo.said
    assert "abandoned" not in demo.said


class Trap:
    """A port that takes note of everybody who comes."""

    def __init__(self):
        self.visitors = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self):
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            with closing(visitor):
                visitor.settimeout(1)
                try:
                    self.visitors.append(visitor.recv(200))
                except OSError:
                    self.visitors.append(b"")

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def trap():
    with closing(Trap()) as made:
        yield made


def real_looking(folder, trap):
    """The environment of somebody who works with a real account all day."""
    home = folder / ".aws"
    home.mkdir()
    thief = f"credential_process = touch {folder}/credentials-were-asked-for"
    (home / "config").write_text(f"[default]\nregion = eu-west-1\n{thief}\n[profile prod]\n{thief}\n")
    (home / "credentials").write_text("[prod]\naws_access_key_id = AKIAREAL\naws_secret_access_key = realsecret\n")
    services = ("", "_STS", "_CLOUDWATCH", "_SAGEMAKER", "_APPLICATION_AUTO_SCALING", "_RESOURCE_GROUPS_TAGGING_API")
    return {f"AWS_ENDPOINT_URL{service}": trap.url for service in services} | {
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SECRET_ACCESS_KEY": "realsecret",
        "AWS_SESSION_TOKEN": "realtoken",
        "AWS_PROFILE": "prod",
        "AWS_CONFIG_FILE": str(home / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
        "AWS_ROLE_ARN": "arn:aws:iam::999999999999:role/real",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "credentials"),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": trap.url,
        "AWS_REGION": "eu-west-1",
        "AWS_CA_BUNDLE": "/nowhere.pem",
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": trap.url,
        "AWS_USE_FIPS_ENDPOINT": "true",
    }


def listed(demo):
    """Say whether the demo has read something from its AWS."""
    return demo.shows("sagemaker_endpoint_created_timestamp_seconds")


def test_demo_uses_no_account_and_no_proxy_of_its_environment(started, tmp_path, trap):
    names = ("http_proxy", "https_proxy", "all_proxy")
    proxies = {spelt: trap.url for name in names for spelt in (name, name.upper())}
    demo = started(Demo(tmp_path, **real_looking(tmp_path, trap), **proxies))
    wait_until(lambda: listed(demo) or trap.visitors, what="endpoints of the demo")
    text = demo.ask("/metrics").text
    assert demo.stop()[0] == 0
    assert trap.visitors == []
    assert not (tmp_path / "credentials-were-asked-for").exists()
    assert set(re.findall(r'(?:account_id|region)="([^"]*)"', text)) == {"123456789012", "us-east-1"}
    assert not re.search("AKIAREAL|realsecret|realtoken|999999999999", demo.said)
