"""What every test stands on: real tools, golden files, no network, no AWS account, and how Hypothesis draws."""

from __future__ import annotations

import gc
import ipaddress
import logging
import os
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

CLONE = Path(__file__).resolve().parent.parent
CI = os.environ.get("CI") == "true"
STRICT = CI or os.environ.get("REQUIRE_TOOLS") == "1"

# CI draws the same examples each time: red means that the change is wrong. At home each run looks elsewhere.
settings.register_profile("home", deadline=None, print_blob=True)
settings.register_profile(
    "ci", deadline=None, print_blob=True, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if CI else "home")

# The SDK reads these, here and in the programs that tests start: nobody's real account is ever asked.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}

# A process that tests start compiles thirty thousand lines of the SDK if nobody may keep what comes of it: 0.7 s each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

gc.set_threshold(50_000, 20, 50)  # looking for garbage took a fifteenth of the time, and what tests import is none


def pytest_collection_finish():
    gc.collect()
    gc.freeze()


def pytest_addoption(parser):
    parser.addoption("--golden", action="store_true", help="rewrite the golden files, running their tests only")


@pytest.hookimpl(trylast=True)  # in random order, but the longest first: or the last minute has one core idle
def pytest_collection_modifyitems(config, items):
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(900))  # on a machine that does much else too
    items.sort(key=expected, reverse=True)
    if config.getoption("golden"):
        config.hook.pytest_deselected(items=[item for item in items if "golden" not in item.fixturenames])
        items[:] = [item for item in items if "golden" in item.fixturenames]


def expected(item):
    """Return how many seconds a test says that it takes; 0 for one that is not slow."""
    mark = item.get_closest_marker("slow")
    return 0 if mark is None else (*mark.args, 15)[0]


@pytest.fixture(autouse=True)
def logs_as_before():
    """Put logging back: what a test has run in this process may have set it up for itself, or silenced it."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    logging.disable(logging.NOTSET)
    root.setLevel(level)
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)


@pytest.fixture
def golden(request):
    """Return `check(name, text)`: the text is the one in tests/golden, which `make golden` rewrites."""

    def check(name, text):
        path = CLONE / "tests" / "golden" / name
        if request.config.getoption("golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert text == path.read_text(), f"{name} has changed: run `make golden` and review the diff"

    return check


@pytest.fixture(scope="session")
def require_tool():
    """Return `require(name)`: the path of a real program, or the end of the test that needs it."""

    def require(name):
        path = CLONE / ".tools" / "bin" / name
        if path.exists():
            return path
        give_up = pytest.fail if STRICT else pytest.skip
        return give_up(f"{name} is not in .tools: `make tools` installs it or says why it cannot")

    return require


def pytest_terminal_summary(terminalreporter):
    skips = (str(report.longrepr) for report in terminalreporter.getreports("skipped"))
    missing = Counter(found[1] for skip in skips if (found := re.search(r"(\S+) is not in .tools", skip)))
    if missing:
        terminalreporter.section("TESTS DID NOT RUN: TOOLS ARE MISSING", sep="!", red=True, bold=True)
        for tool, count in sorted(missing.items()):
            terminalreporter.line(f"{tool}: {count} tests")
        terminalreporter.line("`make tools` installs them or says why it cannot")


def stay_home(event, arguments):
    """Refuse whatever would leave this machine, before it does."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if not is_here(host.decode() if isinstance(host, bytes) else host):
        pytest.fail(f"a test may not talk to {host}")


def is_here(host):
    if host in {None, "", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


sys.addaudithook(stay_home)
