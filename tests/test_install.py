"""tools/install.py, with a Go that is a shell script."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CLONE = Path(__file__).resolve().parent.parent

LOCK = """
[go]
minimum = "1.26.7"
version = "1.27.3"
kind = "npm"
commands = ["go"]

[tool.gauge]
version = "3.16.0"
kind = "go"
commands = ["gauge", "gaugetool"]
packages = ["example.invalid/gauge@v3"]
"""

GO = """
[ $1 = env ] && echo go{version} && exit
for command in gauge gaugetool; do
  echo '#!/bin/sh' > $GOBIN/$command
  echo 'echo gauge, version {builds} of today' >> $GOBIN/$command
  /bin/chmod +x $GOBIN/$command
  {then}
done
echo built >> {log}
"""


class Machine:
    """A clone, a cache and a PATH of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "path"
        self.lock = folder / "clone/tools/lock.toml"
        self.path.mkdir()
        self.lock.parent.mkdir(parents=True)
        self.lock.write_text(LOCK)
        shutil.copy(CLONE / "tools/install.py", self.lock.parent)

    def has(self, command, script):
        program = self.path / command
        program.write_text(f"#!/bin/sh\n{script}")
        program.chmod(0o755)

    def has_go(self, version="1.26.8", builds="3.16.0", then=":"):
        self.has("go", GO.format(version=version, builds=builds, then=then, log=self.folder / "log"))

    def install(self, **environment):
        done = subprocess.run(
            [sys.executable, self.lock.with_name("install.py")],
            env={"PATH": str(self.path), "XDG_CACHE_HOME": str(self.folder / "cache"), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.stderr
        return re.sub(r"\d+ s$", "N s", done.stdout.strip()), done.returncode

    def tool(self, command):
        return self.folder / "clone/.tools/bin" / command

    def builds(self):
        log = self.folder / "log"
        return log.read_text().count("built") if log.exists() else 0


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_tool_is_built_once(machine):
    machine.has_go()
    assert machine.install() == ("gauge 3.16.0: built in N s", 0)
    assert machine.install() == ("gauge 3.16.0: have", 0)
    assert machine.builds() == 1
    assert b"3.16.0" in subprocess.run([machine.tool("gaugetool")], capture_output=True, check=True).stdout
    assert machine.tool("gauge").resolve().is_relative_to(machine.folder / "cache/sagemaker-exporter/tools")


def test_an_interrupted_build_is_not_taken_for_a_finished_one(machine):
    machine.has_go(then="echo the lights went out >&2; exit 1")
    assert machine.install() == ("gauge 3.16.0: SKIPPED: go install: the lights went out", 0)
    assert not machine.tool("gauge").exists()
    machine.has_go()
    assert machine.install() == ("gauge 3.16.0: built in N s", 0)


def test_a_new_pin_is_built_beside_the_old_one(machine):
    machine.has_go()
    machine.install()
    machine.has_go(builds="3.17.0")
    machine.lock.write_text(LOCK.replace("3.16.0", "3.17.0"))
    assert machine.install() == ("gauge 3.17.0: built in N s", 0)
    machine.lock.write_text(LOCK)
    assert machine.install() == ("gauge 3.16.0: have", 0)


def test_a_build_of_another_version_is_refused(machine):
    machine.has_go(builds="3.16.01")
    said, _ = machine.install()
    assert said == "gauge 3.16.0: SKIPPED: the gauge that was built is not 3.16.0"


@pytest.mark.parametrize(("on_path", "how"), [("3.16.0", "have, on PATH"), ("3.15.0", "built in N s")])
def test_a_tool_on_path_is_taken_if_it_is_the_pinned_one(machine, on_path, how):
    machine.has_go()
    machine.has("gauge", f"echo gauge {on_path}")
    machine.has("gaugetool", f"echo gaugetool {on_path} >&2")
    assert machine.install() == (f"gauge 3.16.0: {how}", 0)


@pytest.mark.parametrize("version", [None, "1.26.6"])
@pytest.mark.parametrize(("environment", "status"), [({}, 0), ({"CI": "true"}, 1), ({"REQUIRE_TOOLS": "1"}, 1)])
def test_without_go_it_says_so(machine, version, environment, status):
    if version:
        machine.has_go(version)
    said = "gauge 3.16.0: SKIPPED: no go >= 1.26.7 (no npm)"
    assert machine.install(**environment) == (said, status)


def test_the_cache_may_lie_elsewhere(machine):
    machine.has_go()
    machine.install(SAGEMAKER_EXPORTER_TOOLS=str(machine.folder / "elsewhere"))
    assert machine.tool("gauge").resolve().is_relative_to(machine.folder / "elsewhere")
