"""A log line is one line, and both formats say the same."""

from __future__ import annotations

import json
import logging
import re
import shlex
import sys
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import FakeClock

from exporter.aws import AwsError
from exporter.config import parse
from exporter.daemon import Daemon, Parts
from exporter.ledger.memory import MemoryStore
from exporter.logs import LEVELS, Json, Logfmt, set_up


def record(message, *arguments, level=logging.WARNING, error=None):
    made = logging.LogRecord("exporter.daemon", level, "file.py", 1, message, arguments, error)
    made.created, made.msecs = 1_767_225_600.042, 42.0
    return made


def fail():
    raise ValueError("two\nlines")


def caught():
    """Return an exception with its traceback."""
    try:
        fail()
    except ValueError:
        return sys.exc_info()


def test_logfmt():
    line = Logfmt().format(record("could not look at %s (%s)", "ListEndpoints", "denied"))
    assert line == (
        "ts=2026-01-01T00:00:00.042Z level=warning logger=exporter.daemon "
        'msg="could not look at ListEndpoints (denied)"'
    )


def test_json():
    line = Json().format(record("page of %d", 5, level=logging.INFO))
    assert json.loads(line) == {
        "ts": "2026-01-01T00:00:00.042Z",
        "level": "info",
        "logger": "exporter.daemon",
        "msg": "page of 5",
    }


@pytest.mark.parametrize(
    ("message", "written"),
    [
        ("stopping", "msg=stopping"),
        ("", 'msg=""'),
        ("a b", 'msg="a b"'),
        ("a=b", 'msg="a=b"'),
        ('say "no"', r'msg="say \"no\""'),
        ("a\\b", r'msg="a\\b"'),
        ("a\nb\tc", r'msg="a\nb\tc"'),
        ("München", "msg=München"),
    ],
)
def test_values_are_quoted_where_they_must_be(message, written):
    assert Logfmt().format(record(message.replace("%", "%%"))).endswith(written)


@given(st.text())
def test_any_message_is_one_line_and_comes_back(message):
    made = record("%s", message)
    text, structured = Logfmt().format(made), Json().format(made)
    assert not re.search(r"[\n\r\x0b\x0c\x1c-\x1e]", text + structured)
    assert json.loads(structured)["msg"] == message
    value = text.partition(" msg=")[2]
    assert (json.loads(value) if value.startswith('"') else value) == message


@pytest.mark.parametrize("form", [Logfmt(), Json()])
def test_a_traceback_is_part_of_its_line(form):
    line = form.format(record("source %s has a bug", "inventory", error=caught()))
    assert "\n" not in line
    assert "Traceback" in line
    assert r"ValueError: two\nlines" in line


def test_logfmt_can_be_taken_apart_by_a_shell():
    fields = dict(field.split("=", 1) for field in shlex.split(Logfmt().format(record("a b=c"))))
    assert fields["msg"] == "a b=c"


@pytest.fixture
def root():
    """The root logger, put back as it was."""
    logger = logging.getLogger()
    chatty = {name: logging.getLogger(name).level for name in ("apscheduler", "botocore", "urllib3")}
    kept, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = kept
    logger.setLevel(level)
    for name, before in chatty.items():
        logging.getLogger(name).setLevel(before)


@pytest.mark.parametrize("level", LEVELS)
def test_levels(root, capfd, level):
    set_up(level, "logfmt")
    for name in LEVELS:
        logging.getLogger("exporter.x").log(getattr(logging, name.upper()), "%s", name)
    seen = re.findall(r"msg=(\w+)", capfd.readouterr().err)
    assert seen == list(LEVELS[LEVELS.index(level) :])


def test_the_sdk_never_tells_its_secrets(root, capfd):
    """Botocore logs requests with their credentials at debug."""
    set_up("debug", "json")
    for name in ("botocore.auth", "botocore.endpoint", "urllib3.connectionpool", "apscheduler.scheduler"):
        logging.getLogger(name).debug("AWS4-HMAC-SHA256 secret")
        logging.getLogger(name).info("secret")
        logging.getLogger(name).warning("seen")
    written = capfd.readouterr().err
    assert "secret" not in written
    assert written.count("seen") == 4


def test_logs_go_to_standard_error(root, capfd):
    set_up("info", "json")
    logging.getLogger("exporter").info("here")
    captured = capfd.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["msg"] == "here"


def test_a_login_that_fails_again_and_again_is_one_line_an_hour(caplog):
    clock = FakeClock()
    parts = Parts(parse("targets: [{regions: [us-east-1]}]"), clock, MemoryStore())
    daemon = Daemon(parts, lambda: parts.config)
    denied = mock.patch.object(parts.aws, "login", side_effect=AwsError("denied", "no credentials", login=True))
    with denied:
        for _ in range(100):
            daemon._log_in((parts.config.targets[0], "us-east-1"))
            clock.forward(60)
    parts.close()
    assert [record.getMessage() for record in caplog.records] == [
        "can't log in to the ambient account us-east-1: no credentials",
        "can't log in to the ambient account us-east-1 (61 times in a row): no credentials",
    ]
