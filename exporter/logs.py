"""How log lines look: logfmt for people and Loki, JSON for machines. UTC, one line each, never a secret."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import Any

LEVELS = ("debug", "info", "warning", "error")


class _Formatter(logging.Formatter):
    """Shared by both: what a line says."""

    def _fields(self, record: logging.LogRecord) -> dict[str, str]:
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        fields = {"ts": when, "level": record.levelname.lower(), "logger": record.name, "msg": record.getMessage()}
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return fields


class Logfmt(_Formatter):
    """`ts=... level=info logger=exporter.daemon msg="..."`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return " ".join(f"{key}={_quoted(value)}" for key, value in self._fields(record).items())


class Json(_Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return _json(self._fields(record))


def _quoted(value: str) -> str:
    plain = value.isprintable() and value and not any(c in ' ="\\' for c in value)
    return value if plain else _json(value)


def _json(value: Any) -> str:
    """Return JSON that a terminal takes for text only: JSON itself lets the control characters above 7E stand."""
    return re.sub(r"[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def set_up(level: str, form: str) -> None:
    """Let the whole process log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if form == "json" else Logfmt())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("apscheduler", "botocore", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It writes a stack trace for each call that finds no credentials, which we report once, as what they are.
    logging.getLogger("botocore.credentials").setLevel(logging.CRITICAL)
