"""An object of AWS's JSON, read strictly: what stands at a path, as the text, time or number that it must be.

AWS's times are seconds in answers (2026-01-31T14:05:07.123Z is 1769868307.123), and in events anything that the guides
show: milliseconds as a number or in digits, ISO 8601 with up to nine digits behind the point, null.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

TIMES_IN_MS = 1e11  # a larger number is milliseconds: as seconds it would be after the year 5000
LATEST = 253_402_300_800.0  # the year 10000
MOST = 2**53  # beyond, numbers of JSON are not whole ones for certain

_NUMBER = re.compile(r"\d{1,20}(?:\.\d{1,9})?(?:[eE]\+?\d{1,2})?", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


class UnreadableError(ValueError):
    """What AWS said can't be read. Says what of it and where it stands, never what stands there."""


class Object:
    """An object, and where it comes from, for those who read of what is wrong with it."""

    def __init__(self, item: Any, where: str) -> None:
        self._item = item
        self._where = where

    def at(self, path: str) -> Any:
        """Return what stands at a path; None where nothing does."""
        found = self._item
        for name in path.split("."):
            if found is None:
                return None
            if not isinstance(found, dict):
                raise UnreadableError(f"{self._where}: what should hold {name} is {_what(found)}, not an object")
            found = found.get(name)
        return found

    def text(self, path: str) -> str:
        """Return a text; "" where there is none."""
        found = self.at(path) if path else None
        if not isinstance(found, str | None):
            raise self.odd(path, found, "a text")
        return found or ""

    def time(self, path: str) -> float | None:
        """Return a time in Unix seconds."""
        found = self.at(path) if path else None
        if isinstance(found, str) and _NUMBER.fullmatch(found):
            found = float(found)
        elif isinstance(found, str) and _ISO.fullmatch(found):
            try:
                parsed = datetime.fromisoformat(found)  # what lies behind microseconds is cut off
            except ValueError:  # a 31st of February
                raise self.odd(path, found, "a time") from None
            found = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
        if found is None or found == "":
            return None
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self.odd(path, found, "a time")
        seconds = found / 1000 if TIMES_IN_MS < found <= LATEST * 1000 else found
        if not 0 <= seconds < LATEST:  # nor is what is not a number
            raise self.odd(path, found, "a time")
        return float(seconds)

    def number(self, path: str) -> float | None:
        """Return a number that is not negative."""
        found = self.at(path) if path else None
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= MOST:  # nor is NaN
            raise self.odd(path, found, "a number of 0 or more")
        return float(found)

    def real(self, path: str) -> float | None:
        """Return any number; None for what says that there is none (AWS writes NaN and infinities as texts)."""
        found = self.at(path)
        if found is None or found in ("NaN", "Infinity", "-Infinity"):
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < math.inf:
            raise self.odd(path, found, "a number")
        return float(found)

    def whole(self, path: str) -> int | None:
        """Return a whole number that is not negative."""
        found = self.number(path)
        if found is not None and not found.is_integer():
            raise self.odd(path, found, "a whole number")
        return None if found is None else int(found)

    def yes(self, path: str) -> bool | None:
        """Return whether something is so."""
        found = self.at(path) if path else None
        if not isinstance(found, bool | None):
            raise self.odd(path, found, "true or false")
        return found

    def odd(self, path: str, found: Any, wanted: str) -> UnreadableError:
        """Return what is raised of something that is not what it should be."""
        return UnreadableError(f"{self._where}: {path} is {_what(found)}, not {wanted}")


def _what(value: Any) -> str:
    """Return what something is, which does not tell what it says."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    named = {str: "a text", list: "a list", dict: "an object", type(None): "empty"}
    return named.get(type(value), "something else")
