"""What follows from the declarations of the configuration, as text: its reference for people, its schema for editors.

`python -m exporter.reference` writes both below the working directory; with `--check` it writes nothing, names what is
out of date and exits with 1. Nothing in them stands here: keys, types, defaults and words are those of `config.py`.
"""

from __future__ import annotations

import inspect
import json
import sys
import typing
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import yaml
from msgspec import Struct

from exporter.catalogue import derive
from exporter.config import Config, FamilyGlob
from exporter.strict import DURATION, SIZE, About, Seconds, Size, bare, fields, meta, union

SCHEMA = "docs/config.schema.json"

_INTRO = """# Configuration

Derived from the declarations in `exporter/config/` by `make derive`; edit them, not this file.

The program reads the file that `--config.file` names, else `config.yaml` if there is one. Every key may be left out.
`sagemaker-exporter check-config` names all mistakes of a file at once, each with its line, and then says what the
configuration asks and costs. Unknown and doubled keys, wrong types and numbers where texts belong are mistakes: nothing
is guessed. SIGHUP, or `POST /-/reload` with `--web.enable-lifecycle`, takes over a changed file; all but `ledger.path`
and `web.listen_addresses` can change so.

**Durations** are written `30s`, `5m`, `3h`, `15d`, `500ms` or `1h30m`; 400 days are the most.

**Sizes** are written `500kB`, `100MB` or `1GB`, in thousands.

**The environment** stands in for `${NAME}` and `${NAME:-default}` in any value, in quotes or not, but not in keys. What
is filled in is text: it is not read as YAML again. A variable that is not set and has no default is a mistake; `$$` is
a dollar. Within `[...]` and `{...}` such a value needs quotes.

**Editors** that know YAML complete and check by the JSON schema beside this file, when the first line says where it is:
`# yaml-language-server: $schema=docs/config.schema.json`. It can't see all that `check-config` sees.
"""

Key = tuple[str, Any, About, Any]  # path, type, what is said about it, default


def page() -> str:
    """Return the reference."""
    parts = [_INTRO]
    for title, about, keys in _sections():
        parts += [f"## {title}\n\n{about}\n", "| key | type | default | example | meaning |", f"|{' --- |' * 5}"]
        parts += [*map(_line, keys), ""]
    parts += ["## All of it\n", "Every key with its example; no configuration that anybody should want.\n"]
    return "\n".join([*parts, f"```yaml\n{example()}```\n"])


def example() -> str:
    """Return a configuration that has every key."""
    return yaml.safe_dump(_example(Config), sort_keys=False, width=1000)


def schema() -> str:
    """Return the JSON schema (draft 2020-12)."""
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of sagemaker-exporter",
        **_schema(Config),
        "$defs": {
            "environment": {"type": "string", "pattern": r"\$\{\w+(:-[^}]*)?\}"},
            "duration": {"anyOf": [{"type": "string", "pattern": f"^({_plain(DURATION)})+$"}, {"const": 0}]},
            "size": {"anyOf": [{"type": "string", "pattern": f"^{_plain(SIZE)}$"}, {"const": 0}]},
            "family": {"type": "string", **(meta(FamilyGlob).extra_json_schema or {})},
        },
    }
    return json.dumps(whole, indent=2) + "\n"


FILES = {"docs/configuration.md": page, SCHEMA: schema}
main = partial(derive.main, files=FILES)


# -- for people --------------------------------------------------------------------------------------------------------


def _sections() -> Iterator[tuple[str, str, list[Key]]]:
    """Yield where values stand: the path, what is said about it, its keys."""
    waiting: list[tuple[str, type[Struct]]] = [("", Config)]
    while waiting:
        path, kind = waiting.pop(0)
        keys = []
        below = []
        for name, (hint, about, default) in fields(kind).items():
            inner = _struct(hint)
            if inner:
                below.append((f"{path}{name}{_within(hint)}.", inner))
            else:
                keys.append((f"{path}{name}", hint, about, default))
        waiting[:0] = below
        if keys:
            yield path.removesuffix("."), inspect.cleandoc(kind.__doc__ or ""), keys


def _line(key: Key) -> str:
    path, hint, about, default = key
    shown = "" if default in (None, "") else f"`{_inline(_said(default, hint))}`"
    sample = f"`{about.example}`" if about.example else shown
    return f"| {' | '.join((f'`{path}`', _type(hint), shown, sample, about.text))} |".replace("|  |", "| |")


def _type(hint: Any) -> str:
    """Return the type of a value in a few words."""
    return " or ".join(_word(kind) for kind in union(hint) if kind is not type(None))


def _word(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        many = "list" if arguments[-1] is Ellipsis else f"list of {len(arguments)}"
        return f"{many}: {_type(arguments[0])}"
    if origin is dict:
        return f"map: {_type(arguments[0])} to {_type(arguments[1])}"
    if origin is Literal:
        return ", ".join(arguments)
    return meta(kind).title or {bool: "true or false", str: "text"}[kind]


def _example(kind: type[Struct]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, (hint, about, default) in fields(kind).items():
        inner = _struct(hint)
        if inner is None:
            found[name] = yaml.safe_load(about.example) if about.example else _said(default, hint)
        elif typing.get_origin(hint) is tuple:
            found[name] = [_example(inner)]
        else:
            found[name] = {_key(hint)["example"]: _example(inner)} if _keyed(hint) else _example(inner)
    return found


def _struct(hint: Any) -> type[Struct] | None:
    """Return the struct that a key holds, or many of."""
    hint = union(hint)[0]  # one, or a list of such
    if typing.get_origin(hint) in {tuple, dict}:
        hint = typing.get_args(hint)[0 if typing.get_origin(hint) is tuple else 1]
    return hint if isinstance(hint, type) and issubclass(hint, Struct) else None


def _within(hint: Any) -> str:
    """Return how what a key holds is reached."""
    return "[...]" if typing.get_origin(hint) is tuple else f".{_key(hint)['stands_for']}" if _keyed(hint) else ""


def _keyed(hint: Any) -> bool:
    return typing.get_origin(hint) is dict


def _key(hint: Any) -> dict[str, Any]:
    """Return what the type of a map's keys says besides."""
    return meta(typing.get_args(hint)[0]).extra or {}


def _said(value: Any, hint: Any) -> Any:
    """Return a default as one writes it."""
    if Seconds in union(hint) and value is not None:
        return _duration(value)
    if Size in union(hint):
        return _size(value)
    if isinstance(value, tuple):
        return list(value)
    return int(value) if isinstance(value, float) and value == int(value) else value


def _duration(seconds: float) -> str:
    for width, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds and seconds % width == 0:
            return f"{seconds / width:g}{unit}"
    return f"{seconds:g}s"


def _size(of: int) -> str:
    width, unit = next(one for one in ((10**9, "GB"), (10**6, "MB"), (1000, "kB")) if of % one[0] == 0)
    return f"{of // width}{unit}"


def _inline(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# -- for editors -------------------------------------------------------------------------------------------------------


def _schema(hint: Any) -> dict[str, Any]:
    """Return the schema of a type."""
    kinds = union(hint)
    return _one(kinds[0]) if len(kinds) == 1 else {"anyOf": [one for kind in kinds for one in _either(kind)]}


def _either(kind: Any) -> list[dict[str, Any]]:
    found = _one(kind)
    several: list[dict[str, Any]] = found["anyOf"] if set(found) == {"anyOf"} else [found]
    return several


def _properties(kind: type[Struct]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, (hint, about, value) in fields(kind).items():
        default = None if _struct(hint) else _said(value, hint)
        said = {"description": about.text} if about.text else {}
        yield name, {**said, **({} if default in (None, "") else {"default": default}), **_schema(hint)}


def _one(kind: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is type(None):
        return {"type": "null"}
    if isinstance(kind, type) and issubclass(kind, Struct):
        about = inspect.cleandoc(kind.__doc__ or "")
        found = {"description": about, "type": ["object", "null"], "additionalProperties": False}
        return {**found, "properties": dict(_properties(kind))}
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return {"type": "array", "items": _schema(arguments[0])}
        several = [_schema(one) for one in arguments]
        return {"type": "array", "prefixItems": several, "minItems": len(several), "maxItems": len(several)}
    if origin is dict:
        names = meta(arguments[0]).extra_json_schema
        return {
            "type": ["object", "null"],
            **({"propertyNames": names} if names else {}),
            "additionalProperties": _schema(arguments[1]),
        }
    return _scalar(kind)


def _scalar(kind: Any) -> dict[str, Any]:
    """Return the schema of a plain value, for which the environment may stand."""
    for name, shared in (("duration", Seconds), ("size", Size), ("family", FamilyGlob)):
        if kind == shared:
            return {"anyOf": [{"$ref": f"#/$defs/{name}"}, _ENVIRONMENT]}
    if typing.get_origin(kind) is Literal:
        return {"anyOf": [{"enum": list(typing.get_args(kind))}, _ENVIRONMENT]}
    says = meta(kind)
    words = {
        "type": {bool: "boolean", int: "integer", float: "number", str: "string"}[bare(kind)],
        "pattern": _plain(says.pattern) if says.pattern else None,
        "minLength": says.min_length,
        "exclusiveMinimum": says.gt,
        "minimum": says.ge,
        "maximum": says.le,
        **(says.extra_json_schema or {}),
    }
    base = {word: value for word, value in words.items() if value is not None}
    return base if base == {"type": "string"} else {"anyOf": [base, _ENVIRONMENT]}


_ENVIRONMENT = {"$ref": "#/$defs/environment"}


def _plain(pattern: str) -> str:
    """Return a pattern as JavaScript, which editors are made of, knows it."""
    return pattern.replace(r"\Z", "$").replace("(?:", "(")


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
