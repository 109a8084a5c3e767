"""What the SDK knows of AWS's services, without what nobody here asks for.

The SDK describes each service in a file that it reads whole: hundreds of operations, thousands of shapes, a manual's
worth of prose. Those of our services would take a fifth of the memory of this process. Read is what `operations` names
and what that consists of, so that our clients can't do anything else either.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from botocore.loaders import JSONFileLoader
from msgspec import Raw

from exporter.aws.operations import OPERATIONS

_LOGINS = {"sts", "portal.sso", "oidc", "signin"}  # where the SDK goes for credentials, by itself: left as they are
_PLACES = _LOGINS.union(operation.prefix for operation in OPERATIONS.values())
_USED = {
    service: {operation.name for operation in OPERATIONS.values() if operation.service == service}
    for service in {operation.service for operation in OPERATIONS.values()} - _LOGINS
}


class Descriptions(JSONFileLoader):  # type: ignore[misc]
    """Reads the SDK's files; of our services and of where services are, no more than we use."""

    def load_file(self, file_path: str) -> Any:
        """Return what a file (named without its suffix) says; None if there is none."""
        service, _, name = f"//{file_path}".split("/")[-3:]
        if name == "service-2" and service in _USED:
            text = _text(file_path)
            return text and _service(text, _USED[service])
        if name == "endpoints":
            text = _text(file_path)
            return text and _places(text)
        return super().load_file(file_path)


def _text(path: str) -> bytes | None:
    with suppress(FileNotFoundError), open(f"{path}.json", "rb") as file:  # noqa: PTH123 - as the SDK hands it on
        return file.read()
    with suppress(FileNotFoundError), gzip.open(f"{path}.json.gz") as file:
        return file.read()
    return None


def _service(text: bytes, used: set[str]) -> dict[str, Any]:
    """Return the description of a service with these operations, and the shapes that they consist of."""
    whole = msgspec.json.decode(text, type=dict[str, Raw])
    operations = {name: _read(raw) for name, raw in _parts(whole["operations"]) if name in used}
    every, shapes = dict(_parts(whole["shapes"])), dict[str, Any]()
    wanted = [name for operation in operations.values() for name in _named(operation)]
    while wanted:
        name = wanted.pop()
        if name not in shapes:
            shapes[name] = _read(every[name])
            wanted += _named(shapes[name])
    rest = {name: _read(raw) for name, raw in whole.items() if name not in {"operations", "shapes", "documentation"}}
    settings = whole.get("clientContextParams")  # the SDK reads the prose of these: a line each
    if settings:
        rest["clientContextParams"] = msgspec.json.decode(settings)
    return {**rest, "operations": operations, "shapes": shapes}


def _places(text: bytes) -> dict[str, Any]:
    """Return where our services are, in all partitions."""
    whole = msgspec.json.decode(text, type=dict[str, Raw])
    partitions = []
    for raw in msgspec.json.decode(whole["partitions"], type=list[dict[str, Raw]]):
        services = {name: _read(one) for name, one in _parts(raw["services"]) if name in _PLACES}
        partitions.append(
            {name: _read(one) for name, one in raw.items() if name != "services"} | {"services": services}
        )
    return {name: _read(raw) for name, raw in whole.items() if name != "partitions"} | {"partitions": partitions}


def _parts(raw: Raw) -> Iterator[tuple[str, Raw]]:
    """Yield names and unread values of an object."""
    yield from msgspec.json.decode(raw, type=dict[str, Raw]).items()


def _read(raw: Raw) -> Any:
    return _without_prose(msgspec.json.decode(raw))


def _without_prose(value: Any) -> Any:
    if isinstance(value, Mapping):  # a member may be called documentation too: that is no text
        return {k: _without_prose(v) for k, v in value.items() if k != "documentation" or not isinstance(v, str)}
    return [_without_prose(one) for one in value] if isinstance(value, list) else value


def _named(value: Any) -> Iterator[str]:
    """Yield the shapes that a description refers to."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            if name == "shape" and isinstance(one, str):
                yield one
            else:
                yield from _named(one)
    elif isinstance(value, list):
        for one in value:
            yield from _named(one)
