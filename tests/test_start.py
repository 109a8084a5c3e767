"""A start: the port is open before anything is loaded that a scrape does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

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


@pytest.fixture
def loaded(tmp_path):
    """A function that starts the program, and returns the libraries that it loads before its port is open."""

    def start(text, **environment):
        (tmp_path / "config.yaml").write_text(f"{text}\nledger: {{path: ledger.db}}\n")
        done = subprocess.run(
            [sys.executable, "-c", UNTIL_THE_PORT_IS_OPEN],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        distributions = packages_distributions()
        return {distributions[name][0] for name in done.stdout.split() if name in distributions}

    return start


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
