"""A YAML text to a frozen struct, or every mistake at once, each with its line and what to do about it.

A struct is the schema: names, types, defaults, and a word about each key. Reading is strict: an unknown or doubled
key, a wrong type, a number where a text belongs is a mistake, never a guess. Times are seconds once they are read.
Nothing here knows a setting.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import yaml
from msgspec import Meta, Struct

LONGEST = 400 * 86_400  # seconds; no duration here means anything beyond
LARGEST = 1 << 20  # characters of a file; a thousand accounts have a fifth of that
MOST = 100_000  # values: aliases of aliases can make millions of a few lines

DURATION = r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)"
Seconds = Annotated[float, Meta(title="duration", description="a duration such as 30s, 5m, 3h or 15d")]
SIZE = r"([0-9]+(?:\.[0-9]+)?)(kB|MB|GB)"
Size = Annotated[int, Meta(title="size", description="a size such as 500kB, 100MB or 1GB")]  # bytes


class About(NamedTuple):
    """What a key does, for people, and a value as an example (YAML); without one, its default is the example."""

    text: str
    example: str = ""


class Mistake(Struct, frozen=True):
    """One thing that is wrong with a configuration: where (line and column from 1), in which key, and what."""

    line: int
    column: int
    path: str
    text: str


class ConfigError(Exception):
    """A configuration that can't be used: all of its mistakes, in the order of the file."""

    def __init__(self, name: str, mistakes: list[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda mistake: (mistake.line, mistake.column))
        lines = [f"{name}:{m.line}:{m.column}  {m.path + ': ' if m.path else ''}{m.text}" for m in self.mistakes]
        count = len(lines)
        super().__init__("\n".join([*lines, f"{count} mistake{'s' if count > 1 else ''}"]))


# Yields what no single value tells: the key within what is given, and what is wrong. The second argument names the
# keys that are wrong already, and stand at their defaults: only what is wrong with another key is worth a word then.
Faults = Callable[[Struct | dict[str, Any], frozenset[str]], Iterator[tuple[str, str]]]


def text_of(path: Path) -> str:
    """Return what stands in a configuration file. Raises `ConfigError`."""
    try:
        content = path.read_bytes()
        return content.decode("utf-8")
    except OSError as error:
        raise ConfigError(str(path), [Mistake(1, 1, "", f"can't be read: {error}")]) from error
    except UnicodeDecodeError as error:
        good = _lines(content[: error.start].decode("utf-8"))
        where = Mistake(len(good), len(good[-1]) + 1, "", "is not UTF-8: save the file in that encoding")
        raise ConfigError(str(path), [where]) from error


def read(text: str, kind: type[Struct], name: str, environment: Mapping[str, str] | None, faults: Faults) -> Any:
    """Return a YAML text as a schema's struct. Raises `ConfigError` with all of its mistakes.

    Without an environment a dollar is a dollar. `faults` knows what no single value tells.
    """
    reader = _Reader(environment, faults)
    try:
        if len(text) > LARGEST:
            raise ConfigError(name, [Mistake(1, 1, "", f"is longer than {LARGEST:,} characters")])
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        found = reader.read(node, kind, "") if node is not None else kind()
    except yaml.YAMLError as error:
        raise ConfigError(name, [_no_yaml(text, error)]) from error
    except RecursionError as error:
        raise ConfigError(name, [Mistake(1, 1, "", "is nested too deeply")]) from error
    except _TooManyError as error:
        raise ConfigError(name, [Mistake(1, 1, "", f"holds more than {MOST:,} values, aliases unfolded")]) from error
    if reader.mistakes:
        raise ConfigError(name, reader.mistakes)
    return found


@cache
def fields(kind: type[Struct]) -> Mapping[str, tuple[Any, About, Any]]:
    """Return the keys of a struct: their types, what is said about them, their defaults.

    A key that is a word of Python's has a _ behind it in the struct.
    """
    hints, empty = typing.get_type_hints(kind, include_extras=True), kind()
    return {key.removesuffix("_"): (*_apart(hints[key]), getattr(empty, key)) for key in kind.__struct_fields__}


def meta(kind: Any) -> Meta:
    """Return what a type says besides."""
    says = typing.get_args(kind)[1:] if _annotated(kind) else ()
    return next((one for one in says if isinstance(one, Meta)), Meta())


def bare(kind: Any) -> Any:
    """Return a type without what it says besides."""
    return typing.get_args(kind)[0] if _annotated(kind) else kind


def union(kind: Any) -> tuple[Any, ...]:
    """Return the types one of which a value must have, None first, if it is one of them."""
    several = typing.get_args(kind) if typing.get_origin(kind) in {typing.Union, types.UnionType} else (kind,)
    return tuple(sorted(several, key=lambda one: one is not type(None)))


def close(name: str, known: Iterable[str]) -> str:
    """Return the known name that may be meant, as a question, if there is one."""
    found = difflib.get_close_matches(name, list(known), 1)
    return f'; did you mean "{found[0]}"?' if found else ""


def wanted(kind: Any) -> str:
    """Return what a value should have been, for people.

    A type's `extra` may say more: `unquoted`, a text even where YAML sees a number; `secret`, never repeated; `check`,
    what is wrong with a value of the type; `hint`, what may be meant by one that is not.
    """
    if _annotated(kind):
        return str(meta(kind).description)
    if typing.get_origin(kind) is Literal:
        return " or ".join(typing.get_args(kind))
    return {bool: "true or false", str: "a text", int: "a whole number", float: "a number"}.get(kind, "a value")


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SPELLED = r"([0-9]+)\s*(?:(s(?:ec(?:ond)?s?)?)|(m(?:in(?:ute)?s?)?)|(h(?:(?:ou)?rs?)?)|(d(?:ays?)?))"
_BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9}
_SPELLED_SIZE = r"([0-9]+)\s*([kmg])(?:i?b)?"
_NUMBER = r"(?:0|[1-9][0-9]{0,99})(?:\.[0-9]+)?"  # int() itself raises at thousands of digits
_MISSING = object()
_TAG = "tag:yaml.org,2002:"
_TAGS = {_TAG + name for name in ("null", "bool", "int", "float", "timestamp", "str", "seq", "map", "merge", "value")}


class _TooManyError(Exception):
    """There are more values than anybody has written."""


class _Reader:
    """Walks a YAML tree along the schema and collects mistakes; what is wrong comes out as `_MISSING`."""

    def __init__(self, environment: Mapping[str, str] | None, faults: Faults) -> None:
        self._environment = environment
        self._faults = faults
        self._places: dict[str, yaml.Node] = {}
        self._left = MOST
        self.mistakes: list[Mistake] = []

    def read(self, node: yaml.Node, kind: Any, path: str) -> Any:
        """Return the value of a node as the schema's type."""
        self._left -= 1
        if not self._left:
            raise _TooManyError
        self._places[path] = node
        if node.tag not in _TAGS:
            return self._complain(node, path, f"the tag {_short(node.tag.replace(_TAG, '!!'))} means nothing here")
        kinds = union(kind)
        if kinds[0] is type(None):
            if _null(node):
                return None
            kinds = kinds[1:]
        lists = [one for one in kinds if typing.get_origin(bare(one)) is tuple]
        kind = lists[0] if lists and isinstance(node, yaml.SequenceNode) else kinds[0]
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if isinstance(kind, type) and issubclass(kind, Struct):
            return self._struct(node, kind, path)
        if origin is tuple:
            return self._list(node, arguments, path)
        if origin is dict:
            return self._dict(node, arguments[0], arguments[1], path)
        return self._scalar(node, kind, path)

    def _struct(self, node: yaml.Node, kind: type[Struct], path: str) -> Any:
        keys = fields(kind)
        if "enabled" in keys and isinstance(node, yaml.ScalarNode) and node.tag.endswith(":bool"):
            hint = f"write {{enabled: {str(node.value.lower() in {'true', 'yes', 'on'}).lower()}}}"
            return self._complain(node, path, f"must be a mapping, not {_what(node)}; {hint}")
        given, misspelt = {}, set[str]()
        for key, key_node, value in self._items(node, path):
            if key in keys:
                given[key] = self.read(value, keys[key][0], _join(path, key))
            else:
                meant = difflib.get_close_matches(key, keys, 1)
                misspelt.update(meant)
                homes = [] if meant else list(_homes(kind, key))
                hint = f'; did you mean "{meant[0]}"?' if meant else f"; known are {', '.join(keys)}"
                hint = f"; it belongs to {homes[0]}" if len(homes) == 1 else hint
                self._complain(key_node, _join(path, _short(key)), f"unknown key{hint}")
        good = {key: value for key, value in given.items() if value is not _MISSING}
        found = kind(**{key if key in kind.__struct_fields__ else f"{key}_": value for key, value in good.items()})
        for key, fault in self._faults(found, frozenset(given.keys() - good.keys())):
            if key not in misspelt:
                self._complain_at(_join(path, key), fault)
        return found if len(good) == len(given) else _MISSING

    def _list(self, node: yaml.Node, kinds: tuple[Any, ...], path: str) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            return self._complain(node, path, f"must be a list, not {_what(node)}")
        if kinds[-1] is not Ellipsis and len(kinds) != len(node.value):
            return self._complain(node, path, f"must be a list of {len(kinds)}, not of {len(node.value)}")
        values = tuple(self.read(item, kinds[0], f"{path}[{n}]") for n, item in enumerate(node.value))
        return values if _MISSING not in values else _MISSING

    def _dict(self, node: yaml.Node, key_kind: Any, kind: Any, path: str) -> Any:
        values = {}
        for key, key_node, value in self._items(node, path):
            fault = _check(key_kind, key)
            if fault:
                self._complain(key_node, _join(path, key), fault)
            values[key] = self.read(value, kind, _join(path, key))
        for key, fault in self._faults(values, frozenset()):
            self._complain_at(_join(path, key), fault)
        return values if _MISSING not in values.values() else _MISSING

    def _items(self, node: yaml.Node, path: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Yield the keys and values of a mapping, each key once."""
        if _null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            self._complain(node, path, f"must be a mapping, not {_what(node)}")
            return
        lines: dict[str, int] = {}
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(key_node, path, f"a key must be a text, not {_what(key_node)}")
                continue
            key = str(key_node.value)
            if key_node.tag.endswith(":merge"):
                text = "is not done here: write the keys out, or let an alias (*name) stand for a whole value"
                self._complain(key_node, path, f"merging by << {text}")
            elif key in lines:
                self._complain(key_node, _join(path, key), f"given twice, first on line {lines[key]}")
            else:
                lines[key] = key_node.start_mark.line + 1
                yield key, key_node, value

    def _scalar(self, node: yaml.Node, kind: Any, path: str) -> Any:
        base = bare(kind)
        if not isinstance(node, yaml.ScalarNode):
            return self._complain(node, path, f"must be {wanted(kind)}, not {_what(node)}")
        text, plain = node.value, node.style is None
        tag = node.tag.rpartition(":")[2]
        extra = meta(kind).extra or {}
        said = "this" if extra.get("secret") else _short(node.value)
        if tag == "null" and not extra.get("unquoted"):
            return self._complain(node, path, f"must be {wanted(kind)}, not {_what(node)}")
        if base is str and plain and not extra.get("unquoted") and (tag != "str" or _digits(text)):
            odd = {"bool": "true or false", "timestamp": "a timestamp", "merge": "YAML's own", "value": "YAML's own"}
            kind_of = odd.get(tag, "a number")
            quoted = "it" if extra.get("secret") else f'"{said}"'
            return self._complain(node, path, f"{said} is read as {kind_of}, write {quoted} in quotes")
        if "$" in text and self._environment is not None:
            expanded = self._expand(node, text, path)
            if expanded is None:
                return _MISSING
            text = expanded
        if kind == Seconds:
            return self._duration(node, text, path)
        if kind == Size:
            return self._size(node, text, path)
        value: Any = text
        if not plain and "$" not in node.value:
            if base in {bool, int, float} and re.fullmatch(f"true|false|{_NUMBER}", text):
                return self._complain(node, path, f'"{text}" in quotes is a text, write {text} without quotes')
        elif base is bool:
            value = {"true": True, "false": False}.get(text.lower(), text)
        elif base in {int, float} and re.fullmatch(_NUMBER, text):
            value = base(text) if base is float or "." not in text else text
        try:
            found = msgspec.convert(value, kind)
        except msgspec.ValidationError:
            hint = extra.get("hint", _nothing)(text) if text == node.value else ""  # of the environment nothing is told
            what = "this" if extra.get("secret") else repr(said)
            return self._complain(node, path, f"{what} is not {wanted(kind)}{hint}")
        fault = _check(kind, found)
        return self._complain(node, path, fault) if fault else found

    def _duration(self, node: yaml.Node, text: str, path: str) -> Any:
        if text == "0":
            return 0.0
        if not re.fullmatch(f"(?:{DURATION})+", text):
            hint = "write 30s, 5m, 3h or 15d"
            spelled = re.fullmatch(_SPELLED, node.value, re.IGNORECASE)
            if spelled:
                hint = f"did you mean {spelled[1]}{'smhd'[(spelled.lastindex or 2) - 2]}?"
            elif _digits(node.value):
                hint = f"it has no unit: write {_short(node.value)}s, {_short(node.value)}m, ..."
            return self._complain(node, path, f"{_short(node.value)!r} is no duration; {hint}")
        seconds = sum(float(number) * _UNITS[unit] for number, unit in re.findall(DURATION, text))
        if seconds > LONGEST:
            return self._complain(node, path, f"is longer than {LONGEST // 86_400} days")
        return seconds

    def _size(self, node: yaml.Node, text: str, path: str) -> Any:
        if text == "0":
            return 0
        found = re.fullmatch(SIZE, text)
        if not found:
            spelled = re.fullmatch(_SPELLED_SIZE, node.value, re.IGNORECASE)
            hint = "write 500kB, 100MB or 1GB"
            if spelled:
                unit = {"k": "kB", "m": "MB", "g": "GB"}[spelled[2].lower()]
                hint = f"did you mean {spelled[1]}{unit}?"
            elif _digits(node.value):
                hint = f"it has no unit: write {_short(node.value)}kB, {_short(node.value)}MB, ..."
            return self._complain(node, path, f"{_short(node.value)!r} is no size; {hint}")
        return int(float(found[1]) * _BYTES[found[2]])

    def _expand(self, node: yaml.Node, text: str, path: str) -> str | None:
        """Return the text with ${VAR} and ${VAR:-default} filled in; `$$` is a dollar."""
        missing = []

        def fill(found: re.Match[str]) -> str:
            if found[0] == "$$":
                return "$"
            if found["name"] is None:
                missing.append(f"{found[0]!r} is neither ${{NAME}} nor $$")
                return ""
            value, default = (self._environment or {}).get(found["name"]), found["default"]
            if value is None and default is None:
                missing.append(f"the environment variable {found['name']} is not set and has no default")
            return value or default or ""

        filled = re.sub(r"\$\$|\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}|\$", fill, text)
        if missing:
            self._complain(node, path, missing[0])
            return None
        return filled

    def _complain_at(self, path: str, text: str) -> None:
        known = path
        while known not in self._places:
            known = re.sub(r"(^|[.\[])[^.\[]*$", "", known)
        self._complain(self._places[known], path, text)

    def _complain(self, node: yaml.Node, path: str, text: str) -> object:
        self.mistakes.append(Mistake(node.start_mark.line + 1, node.start_mark.column + 1, path, text))
        return _MISSING


_PROBLEMS = (  # what the parser says, whether its context is the place to look at, and what people need to know
    (r"found character '\\t'", False, "a tab can't indent, use spaces"),
    (r"found character '(.)' that", False, r"a text that begins with \1 needs quotes"),
    (r"found undefined alias '(.*)'", False, r'*\1 stands for nothing; a text that begins with * needs quotes: "*\1"'),
    (r"mapping values", False, 'a colon too many: quote a text that holds ": ", or indent this line less'),
    (r"could not find expected ':'", True, "a key without a colon"),
    (r"found unexpected end of stream", True, "this quote is not closed"),
    (r"expected ',' or '[]}]'", True, "this bracket is not closed, or a comma or a quote is missing in it"),
    (r"but found '<stream end>'", False, "the file ends within a bracket"),
    (r"expected <block end>, but found ':'", False, "a key is missing before the colon"),
    (r"expected the node content, but found '(.)'", False, r"a text that begins with \1 needs quotes"),
    (r"expected <block end>|unindent does not match", False, "the indentation fits none of the lines above"),
    (r"but found another document", False, "a second document begins here; only one can be read"),
)


def _no_yaml(text: str, error: yaml.YAMLError) -> Mistake:
    """Return why a text is no YAML, in words for people."""
    if isinstance(error, yaml.reader.ReaderError):
        before = _lines(text[: error.position])
        problem = f"the character #x{ord(text[error.position]):04x} may not stand in a file"
        return Mistake(len(before), len(before[-1]) + 1, "", f"is no YAML: {problem}")
    problem = getattr(error, "problem", None) or str(error)
    mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    for pattern, by_context, words in _PROBLEMS:
        found = re.search(pattern, problem)
        if found:
            problem, mark = found.expand(words), (context if by_context else None) or mark
            break
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if "bracket" in problem and re.search(r"[^'\"]\$\{", _lines(text)[line - 1]):
        problem += "; ${...} within brackets needs quotes"
    return Mistake(line, column, "", f"is no YAML: {problem}")


def _lines(text: str) -> list[str]:
    """Return the lines of a text as YAML counts them."""
    return re.split("\r\n|[\n\r\x85\u2028\u2029]", text)


def _homes(kind: type[Struct], key: str, path: str = "") -> Iterator[str]:
    """Yield where else below a struct there is such a key."""
    for name, (hint, *_) in fields(kind).items():
        lists = typing.get_origin(hint) is tuple
        inner = typing.get_args(hint)[0] if lists else hint
        if isinstance(inner, type) and issubclass(inner, Struct):
            below = _join(path, f"{name}[...]" if lists else name)
            if key in fields(inner):
                yield below
            yield from _homes(inner, key, below)


def _apart(hint: Any) -> tuple[Any, About]:
    """Return a type, and what is said about the key that has it."""
    if not _annotated(hint):
        return hint, About("")
    base, *says = typing.get_args(hint)
    about = next((one for one in says if isinstance(one, About)), About(""))
    rest = tuple(one for one in says if not isinstance(one, About))
    return (Annotated[(base, *rest)] if rest else base), about


def _annotated(kind: Any) -> bool:
    return typing.get_origin(kind) is Annotated


def _check(kind: Any, value: Any) -> str:
    """Return what a type's own `check` has against a value."""
    return str((meta(kind).extra or {}).get("check", _nothing)(value))


def _nothing(_: Any) -> str:
    return ""


def _digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")


def _join(path: str, key: str) -> str:
    return ".".join(filter(None, (path, key)))


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}..."


def _what(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "empty; leave the key out" if _null(node) else repr(_short(node.value))
