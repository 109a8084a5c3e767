"""The import contracts of pyproject.toml hold, and each of them can fail."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CLONE = Path(__file__).resolve().parent.parent

# A house of empty rooms with every kind of import that is allowed.
ROOMS = {
    "__init__": [],
    "__main__": ["exporter.cli"],
    "cli": ["exporter.daemon", "exporter.demo.server"],
    "logs": ["json"],
    "estimate": ["exporter.daemon"],
    "daemon": ["exporter.scheduler", "exporter.web.server", "exporter.sources.metrics"],
    "demo.__init__": [],
    "demo.server": ["http.server", "yaml", "exporter.demo.world", "exporter.model"],
    "demo.world": ["exporter.model"],
    "scheduler": ["apscheduler.schedulers", "exporter.road", "exporter.collection"],
    "web.__init__": [],
    "web.passwords": ["bcrypt"],
    "web.config": ["exporter.config"],
    "web.server": ["http.server", "socketserver", "isal.igzip", "exporter.ledger"],
    "road": ["exporter.collection", "exporter.aws"],
    "collection": ["exporter.sources.metrics", "exporter.ledger"],
    "sources.__init__": [],
    "sources.alarms": ["exporter.jobs"],
    "sources.metrics": ["exporter.aws", "exporter.inventory", "exporter.catalogue"],
    "sinks.__init__": [],
    "sinks.otlp": ["exporter.model"],
    "sinks.gzip_pieces": ["isal.isal_zlib"],
    "sinks.prometheus": ["exporter.sinks.gzip_pieces", "prometheus_client", "exporter.model"],
    "ledger.__init__": ["exporter.catalogue"],
    "ledger.sqlite": ["sqlite3"],
    "inventory.__init__": ["exporter.inventory.series"],
    "inventory.series": ["exporter.aws", "exporter.admission"],
    "jobs.__init__": ["exporter.jobs.facts"],
    "jobs.facts": ["exporter.catalogue", "exporter.model", "re"],
    "trail.__init__": ["exporter.trail.records"],
    "trail.records": ["exporter.catalogue", "exporter.model", "re"],
    "aws.__init__": ["exporter.aws.accounts"],
    "aws.accounts": ["boto3", "botocore.config", "urllib3", "exporter.config", "exporter.tally"],
    "reference": ["yaml", "exporter.config", "exporter.strict", "exporter.catalogue"],
    "admission": ["exporter.catalogue", "exporter.model"],
    "config": ["exporter.strict", "exporter.catalogue"],
    "folding": ["exporter.catalogue", "exporter.tally"],
    "strict": ["yaml", "exporter.catalogue"],
    "tally": ["exporter.catalogue"],
    "catalogue.__init__": ["exporter.model"],
    "clock": ["time"],
    "footprint": ["ctypes"],
    "model": [],
}


# What each contract must refuse. Of a foreign library the linter sees the first name.
VIOLATIONS = {
    "Imports run one way": [
        ("model", "exporter.catalogue"),
        ("model", "exporter.clock"),
        ("clock", "exporter.model"),
        ("footprint", "exporter.clock"),
        ("catalogue.__init__", "exporter.tally"),
        ("admission", "exporter.config"),
        ("catalogue.__init__", "exporter.config"),
        ("tally", "exporter.config"),
        ("strict", "exporter.config"),
        ("config", "exporter.reference"),
        ("aws.accounts", "exporter.reference"),
        ("config", "exporter.aws.accounts"),
        ("aws.accounts", "exporter.jobs"),
        ("jobs.facts", "exporter.inventory"),
        ("jobs.facts", "exporter.trail.records"),
        ("inventory.series", "exporter.sources.metrics"),
        ("sources.metrics", "exporter.ledger"),
        ("sinks.prometheus", "exporter.ledger"),
        ("ledger.sqlite", "exporter.collection"),
        ("collection", "exporter.road"),
        ("road", "exporter.scheduler"),
        ("collection", "exporter.scheduler"),
        ("scheduler", "exporter.web.server"),
        ("web.server", "exporter.scheduler"),
        ("daemon", "exporter.demo.server"),
        ("daemon", "exporter.estimate"),
        ("daemon", "exporter.cli"),
        ("cli", "exporter.__main__"),
    ],
    "Sources do not know each other": [("sources.metrics", "exporter.sources.alarms")],
    "Sinks do not know each other": [("sinks.otlp", "exporter.sinks.prometheus")],
    "The fake AWS knows the model only": [
        ("demo.world", "exporter.catalogue"),
        ("demo.world", "exporter.aws.accounts"),
        ("demo.__init__", "exporter.config"),
    ],
    "Calls are data in, data out": [("trail.records", "exporter.aws"), ("trail.__init__", "exporter.tally")],
    "Jobs are data in, data out": [
        ("jobs.facts", "exporter.aws"),
        ("jobs.facts", "exporter.config"),
        ("jobs.__init__", "exporter.tally"),
    ],
    "AWS behind the one door": [
        ("sources.metrics", "boto3"),
        ("aws.__init__", "botocore"),
        ("demo.server", "boto3"),
        ("web.server", "urllib3"),
    ],
    "SQLite in one room": [("ledger.__init__", "sqlite3"), ("sources.metrics", "sqlite3")],
    "APScheduler in one room": [("daemon", "apscheduler")],
    "prometheus_client in one room": [("collection", "prometheus_client")],
    "bcrypt in one room": [("web.server", "bcrypt")],
    "Pages are compressed in one room and inflated by the web": [("sinks.prometheus", "isal")],
    "YAML is read strictly and by the fake AWS": [("catalogue.__init__", "yaml"), ("config", "yaml")],
    "HTTP is served by the web and by the fake AWS": [("sinks.prometheus", "http"), ("cli", "socketserver")],
}


def lint(folder):
    """Return the names of the broken contracts and all that the linter says."""
    command = [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports_command as run; run()"]
    done = subprocess.run(
        [*command, "--no-cache", "--no-logo"], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    said = done.stdout + done.stderr
    broken = set(re.findall(r"^(.+) BROKEN\b", done.stdout, re.MULTILINE))
    assert (done.returncode == 0) == (not broken), said
    return broken, said


@pytest.fixture
def house(tmp_path):
    shutil.copy(CLONE / "pyproject.toml", tmp_path)
    for room, imports in ROOMS.items():
        path = tmp_path / "exporter" / f"{room.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"import {name}\n" for name in imports))
    return tmp_path


def test_the_contracts_hold():
    broken, said = lint(CLONE)
    assert not broken, said


def test_every_allowed_import_is_allowed(house):
    broken, said = lint(house)
    assert not broken, said


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_each_forbidden_import_is_caught(house, contract):
    for room, imported in VIOLATIONS[contract]:
        with (house / "exporter" / f"{room.replace('.', '/')}.py").open("a") as file:
            file.write(f"import {imported}\n")
    broken, said = lint(house)
    assert contract in broken, said
    for room, imported in VIOLATIONS[contract]:
        assert f"exporter.{room.removesuffix('.__init__')} -> {imported} " in said


def test_a_room_without_a_place_is_caught(house):
    (house / "exporter" / "helpers.py").touch()
    broken, said = lint(house)
    assert broken == {"Imports run one way"}
    assert "exporter.helpers" in said


def test_every_contract_is_tried():
    contracts = tomllib.loads((CLONE / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["name"] for contract in contracts} == set(VIOLATIONS)
