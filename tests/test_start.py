"""A start: the port is open before what a scrape does not need is loaded; then, little is searched for garbage."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from exporter.footprint import YOUNG

# Runs the program up to the moment at which its port is open, and tells which modules of others it has loaded by then.
UNTIL_THE_PORT_IS_OPEN = """
import os, socket, sys
before = set(sys.modules)
from exporter import cli, daemon

class Server(daemon.WebServer):
    def __init__(self, *given):
        super().__init__(*given)
        socket.create_connection(("127.0.0.1", self.port), 10).close()
        loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(*sorted(loaded - sys.stdlib_module_names))
        sys.stdout.flush()
        os._exit(0)

daemon.WebServer = Server
cli.main(["run", "--config.file=config.yaml", "--web.listen-address=127.0.0.1:0"])
"""


# Runs the program until it waits, and tells how garbage is looked for: before its first round, and when that has ended.
UNTIL_IT_HAS_SETTLED = """
import gc, os, sys
from exporter import cli, daemon

def wait(self, settled):
    print(gc.get_freeze_count())
    settled()
    print(gc.get_threshold()[0], gc.get_freeze_count(), len(gc.get_objects()))
    sys.stdout.flush()
    os._exit(0)

daemon.Daemon.wait = wait
cli.main(["run", "--config.file=config.yaml", "--web.listen-address=127.0.0.1:0"])
"""


# Runs the program up to its command, which holds and drops megabytes in many threads, and tells what remains (MB).
UNTIL_ITS_COMMAND = """
import os, sys, threading
from exporter import cli

def resident():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1_000_000

def work():
    for _ in range(20):
        answers = [bytes(size) for size in range(200_000, 2_200_000, 100_000)]
        del answers

def command(options):
    before = resident()
    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(resident() - before)

cli._run = command
cli.main(["run", "--config.file=config.yaml"])
"""


@pytest.fixture
def start(tmp_path):
    """A function that starts a program in a process of its own, and returns the words that it prints."""

    def run(program, text="", **environment):
        (tmp_path / "config.yaml").write_text(f"{text}\nledger: {{path: ledger.db}}\n")
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env=os.environ | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"} | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return run


@pytest.fixture
def loaded(start):
    """A function that starts the program, and returns the libraries that it loads before its port is open."""
    distributions = packages_distributions()

    def libraries(text, **environment):
        names = start(UNTIL_THE_PORT_IS_OPEN, text, **environment)
        return {distributions[name][0] for name in names if name in distributions}

    return libraries


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("", {"AWS_REGION": "eu-west-1"}),
        ("", {"AWS_DEFAULT_REGION": "eu-west-1"}),
        ("targets: [{role_arn: 'arn:aws:iam::123456789012:role/reader', regions: [eu-west-1]}]", {}),
    ],
)
def test_the_port_is_open_before_the_sdk_is_loaded(loaded, text, environment):
    """Nor what ticks. A library that is new here costs every start: it is a decision."""
    assert loaded(text, **environment) - {"sagemaker-exporter", "typing_extensions"} == {  # which msgspec may use
        "PyYAML",
        "bcrypt",
        "isal",
        "msgspec",
        "orjson",
        "prometheus_client",
    }


def test_only_a_region_that_the_environment_does_not_name_is_looked_up_by_the_sdk_first(loaded, tmp_path):
    (tmp_path / "aws").write_text("[default]\nregion = eu-west-3\n")
    assert "botocore" in loaded("", AWS_CONFIG_FILE=str(tmp_path / "aws"))


def test_what_the_start_has_made_is_not_searched_for_garbage(start):
    before, threshold, frozen, others = map(int, start(UNTIL_IT_HAS_SETTLED, AWS_REGION="eu-west-1"))
    assert (before, threshold) == (0, YOUNG)
    assert frozen > 20_000 > 10 * others


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc keeps what threads have freed, and is told not to")
def test_what_answers_took_is_given_back(start):
    (left,) = map(int, start(UNTIL_ITS_COMMAND))
    (kept,) = map(int, start(UNTIL_ITS_COMMAND, MALLOC_ARENA_MAX="64"))  # as the environment wants it
    assert left < 8 < kept
