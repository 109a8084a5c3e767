"""config.yaml to a frozen `Config`, or every mistake at once, each with its line and what to do about it.

The structs below are the schema: names, types, defaults. Reading is strict: an unknown or doubled key, a wrong type, an
account number without quotes is a mistake, never a guess. Times are seconds once they are read.
"""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import os
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta, Struct, structs

from exporter.catalogue import CATALOGUE
from exporter.catalogue.permissions import ACTIONS, LOGIN, TAGS

Seconds = Annotated[float, Meta(description="a duration such as 30s, 5m, 3h or 15d")]
Pace = Literal["hot", "warm", "cold"]
AccountId = Annotated[str, Meta(pattern=r"^\d{12}\Z", description="an account number of twelve digits")]
Region = Annotated[str, Meta(pattern=r"^[a-z]{2,4}(-[a-z]+)+-\d\Z", description="a region such as eu-west-1")]
RoleArn = Annotated[str, Meta(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/\S+\Z", description="the ARN of a role")]
Rate = Annotated[float, Meta(gt=0, description="a number above 0")]


class Account(Struct, frozen=True, kw_only=True):
    """One entry of `targets`: a login, and the regions in which it is used."""

    account_id: AccountId | None = None
    alias: str | None = None
    role_arn: RoleArn | None = None
    external_id: str | None = None
    regions: tuple[Region, ...] = ()

    @property
    def supposed(self) -> str:
        """The account number, as far as the configuration tells; empty for that of the ambient login."""
        return self.account_id or (self.role_arn.split(":")[4] if self.role_arn else "")


class Paces(Struct, frozen=True, kw_only=True):
    """How often rows that are not hot are asked."""

    warm: Seconds = 300.0
    cold: Seconds = 3600.0


class CloudWatchMetrics(Struct, frozen=True, kw_only=True):
    """The source of CloudWatch metrics."""

    enabled: bool = True
    every: Seconds = 60.0
    pace: Paces = Paces()
    settle: Seconds = 900.0
    deep_settle: Seconds = 10_800.0
    gauge_delay: Seconds = 120.0
    max_age: Seconds = 900.0


class Inventory(Struct, frozen=True, kw_only=True):
    """What exists: listed each cycle, described when it changed and now and then."""

    enabled: bool = True
    every: Seconds = 60.0
    last_good: Seconds | None = None
    describe_every: Seconds = 3600.0
    list_metrics_every: Seconds = 300.0


class CloudWatchAlarms(Struct, frozen=True, kw_only=True):
    """The source of CloudWatch alarms; `names` (globs) and `tags` choose what does not show that it is SageMaker's."""

    enabled: bool = True
    every: Seconds = 120.0
    last_good: Seconds | None = None
    names: tuple[str, ...] = ()
    tags: dict[str, str] = {}


class Sources(Struct, frozen=True, kw_only=True):
    """Where facts come from."""

    cloudwatch_metrics: CloudWatchMetrics = CloudWatchMetrics()
    inventory: Inventory = Inventory()
    cloudwatch_alarms: CloudWatchAlarms = CloudWatchAlarms()


class Families(Struct, frozen=True, kw_only=True):
    """Names or globs of families that are switched on besides the defaults, and off; exclude wins."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class RowSettings(Struct, frozen=True, kw_only=True):
    """What is changed about one CloudWatch family."""

    pace: Pace | None = None
    max_age: Seconds | None = None
    gauge_delay: Seconds | None = None


class Resources(Struct, frozen=True, kw_only=True):
    """Which resources are exported, by globs of their names and by tags."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    tags: dict[str, str] = {}


class Limits(Struct, frozen=True, kw_only=True):
    """What must not be exceeded: on all targets together, but for `requests_per_second`."""

    series: Annotated[int, Meta(ge=1, description="a number of series")] = 200_000
    usd_per_month: Annotated[float, Meta(ge=0, description="an amount of dollars")] = 500.0
    requests_per_second: dict[str, Rate] = {}


class LedgerSettings(Struct, frozen=True, kw_only=True):
    """Where the ledger is kept; `:memory:` forgets at a restart."""

    path: str | None = None


class Web(Struct, frozen=True, kw_only=True):
    """The HTTP server."""

    listen_addresses: tuple[str, ...] = (":10940",)
    zero_hold: Seconds = 130.0


class Config(Struct, frozen=True, kw_only=True):
    """Everything that can be configured."""

    targets: tuple[Account, ...] = (Account(),)
    sources: Sources = Sources()
    families: Families = Families()
    rows: dict[str, RowSettings] = {}
    resources: Resources = Resources()
    limits: Limits = Limits()
    ledger: LedgerSettings = LedgerSettings()
    web: Web = Web()

    @property
    def tagged(self) -> tuple[str, ...]:
        """Sources that must know tags in order to choose."""
        by_resources = ("inventory", "cloudwatch_metrics") if self.resources.tags else ()
        return (*by_resources, *(("cloudwatch_alarms",) if self.sources.cloudwatch_alarms.tags else ()))

    def on(self, family: str) -> bool:
        """Say whether a family is exposed, as far as its name decides."""
        if any(fnmatch.fnmatchcase(family, pattern) for pattern in self.families.exclude):
            return False
        return CATALOGUE[family].on or any(fnmatch.fnmatchcase(family, glob) for glob in self.families.include)


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


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration in a file. Raises `ConfigError` with all of its mistakes."""
    return parse(text_of(path), str(path), environment)


def text_of(path: Path) -> str:
    """Return what stands in a configuration file. Raises `ConfigError`."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [Mistake(1, 1, "", f"can't be read: {error}")]) from error


def parse(text: str, name: str = "config.yaml", environment: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration in a text. Raises `ConfigError` with all of its mistakes."""
    return typing.cast("Config", read(text, Config, name, environment, _faults))


def read(text: str, kind: type[Struct], name: str, environment: Mapping[str, str] | None, faults: Faults) -> Any:
    """Return a YAML text as a schema's struct. Raises `ConfigError` with all of its mistakes.

    Without an environment a dollar is a dollar. `faults` knows what no single value tells.
    """
    reader = _Reader(environment, faults)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(name, [Mistake(line, column, "", f"is no YAML: {problem}")]) from error
    except RecursionError as error:
        raise ConfigError(name, [Mistake(1, 1, "", "is nested too deeply")]) from error
    found = reader.read(node, kind, "") if node is not None else kind()
    if reader.mistakes:
        raise ConfigError(name, reader.mistakes)
    return found


def doubts(config: Config) -> Iterator[str]:
    """Yield what can be meant so, but seldom is."""
    for name, source in structs.asdict(config.sources).items():
        if source.enabled and source.every < 10:
            yield f"sources.{name}.every is {source.every:g}s: CloudWatch's data is a minute old, and each run costs"


def fingerprint(config: Config) -> str:
    """Return a short hash of what is configured, whatever the file looks like."""
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()[:16]


LONGEST = 400 * 86_400  # seconds; no duration here means anything beyond

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_MISSING = object()

# Yields what no single value tells: the key within what is given, and what is wrong. The second argument names the
# keys that are wrong already, and stand at their defaults: only what is wrong with another key is worth a word then.
Faults = Callable[[Struct | dict[str, Any], frozenset[str]], Iterator[tuple[str, str]]]


class _Reader:
    """Walks a YAML tree along the schema and collects mistakes; what is wrong comes out as `_MISSING`."""

    def __init__(self, environment: Mapping[str, str] | None, faults: Faults) -> None:
        self._environment = environment
        self._faults = faults
        self._places: dict[str, yaml.Node] = {}
        self.mistakes: list[Mistake] = []

    def read(self, node: yaml.Node, kind: Any, path: str) -> Any:
        """Return the value of a node as the schema's type."""
        self._places[path] = node
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in {typing.Union, typing.get_origin(int | None)} and type(None) in arguments:
            if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"):
                return None
            (kind,) = (argument for argument in arguments if argument is not type(None))
            return self.read(node, kind, path)
        if isinstance(kind, type) and issubclass(kind, Struct):
            return self._struct(node, kind, path)
        if origin is tuple:
            return self._list(node, arguments[0], path)
        if origin is dict:
            return self._dict(node, arguments[1], path)
        return self._scalar(node, kind, path)

    def _struct(self, node: yaml.Node, kind: type[Struct], path: str) -> Any:
        types = typing.get_type_hints(kind, include_extras=True)
        given, misspelt = {}, set[str]()
        for key, key_node, value in self._items(node, path):
            if key in types:
                given[key] = self.read(value, types[key], _join(path, key))
            else:
                close = difflib.get_close_matches(key, types, 1)
                misspelt.update(close)
                hint = f'; did you mean "{close[0]}"?' if close else f"; known are {', '.join(types)}"
                self._complain(key_node, _join(path, key), f"unknown key{hint}")
        good = {key: value for key, value in given.items() if value is not _MISSING}
        found = kind(**good)
        for key, fault in self._faults(found, frozenset(given.keys() - good.keys())):
            if key not in misspelt:
                self._complain_at(_join(path, key), fault)
        return found if len(good) == len(given) else _MISSING

    def _list(self, node: yaml.Node, kind: Any, path: str) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            return self._complain(node, path, f"must be a list, not {_what(node)}")
        values = tuple(self.read(item, kind, f"{path}[{n}]") for n, item in enumerate(node.value))
        return values if _MISSING not in values else _MISSING

    def _dict(self, node: yaml.Node, kind: Any, path: str) -> Any:
        values = {key: self.read(value, kind, _join(path, key)) for key, _, value in self._items(node, path)}
        for key, fault in self._faults(values, frozenset()):
            self._complain_at(_join(path, key), fault)
        return values if _MISSING not in values.values() else _MISSING

    def _items(self, node: yaml.Node, path: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Yield the keys and values of a mapping, each key once."""
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"):
            return
        if not isinstance(node, yaml.MappingNode):
            self._complain(node, path, f"must be a mapping, not {_what(node)}")
            return
        lines: dict[str, int] = {}
        for key_node, value in node.value:
            key = str(key_node.value)
            if key in lines:
                self._complain(key_node, _join(path, key), f"given twice, first on line {lines[key]}")
            else:
                lines[key] = key_node.start_mark.line + 1
                yield key, key_node, value

    def _scalar(self, node: yaml.Node, kind: Any, path: str) -> Any:
        base = typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind
        if not isinstance(node, yaml.ScalarNode):
            return self._complain(node, path, f"must be {_wanted(kind)}, not {_what(node)}")
        text, plain = node.value, node.style is None
        tag = node.tag.rpartition(":")[2]
        extra = _extra(kind)
        if base is str and plain and tag != "str" and not extra.get("unquoted"):
            kind_of = {"int": "a number", "float": "a number", "bool": "true or false"}.get(tag, f"a {tag}")
            return self._complain(node, path, f'{text} is read as {kind_of}, write "{text}" in quotes')
        if "$" in text and self._environment is not None:
            expanded = self._expand(node, text, path)
            if expanded is None:
                return _MISSING
            text = expanded
        if kind == Seconds:
            return self._duration(node, text, path)
        value: Any = text
        if not plain and "$" not in node.value:
            pass  # in quotes it is a text
        elif base is bool:
            value = {"true": True, "false": False}.get(text.lower(), text)
        elif base in {int, float} and re.fullmatch(r"\d+(\.\d+)?", text):
            value = base(text) if base is float or "." not in text else text
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            what = "this" if extra.get("secret") else repr(node.value)
            return self._complain(node, path, f"{what} is not {_wanted(kind)}")

    def _duration(self, node: yaml.Node, text: str, path: str) -> Any:
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        if text == "0":
            return 0.0
        if "".join(number + unit for number, unit in parts) != text or not parts:
            return self._complain(node, path, f"{node.value!r} is no duration; write 30s, 5m, 3h or 15d")
        if seconds > LONGEST:
            return self._complain(node, path, f"is longer than {LONGEST // 86_400} days")
        return seconds

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


def _faults(given: Struct | dict[str, Any], wrong: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield what no single value of a configuration tells; see `Faults`."""
    if wrong:
        return
    match given:
        case Account():
            for n, region in enumerate(given.regions):
                if region in given.regions[:n]:
                    yield f"regions[{n}]", f"{region} is given twice"
            if given.external_id is not None and not given.role_arn:
                yield "external_id", "is of no use without role_arn"
            if given.role_arn and given.supposed != given.role_arn.split(":")[4]:
                yield "role_arn", f"is a role of another account than {given.account_id}"
        case CloudWatchMetrics():
            if not given.settle < given.deep_settle < 3 * 86_400:
                yield "", "settle must be shorter than deep_settle, and that than 3d"
        case Families():
            for which, patterns in (("include", given.include), ("exclude", given.exclude)):
                for n, pattern in enumerate(patterns):
                    named = fnmatch.filter(CATALOGUE, pattern)
                    if not named:
                        yield f"{which}[{n}]", f"no family is called {pattern!r}{_close(pattern, CATALOGUE)}"
                    elif all(CATALOGUE[name].source == "own" for name in named):
                        yield f"{which}[{n}]", "what the exporter says of itself is always shown"
        case Limits():
            known = {action.partition(":")[2] for actions in (*ACTIONS.values(), TAGS, LOGIN) for action in actions}
            for operation in given.requests_per_second.keys() - known:
                yield f"requests_per_second.{operation}", f"is no operation that we call{_close(operation, known)}"
        case Config():
            if not given.targets:
                yield "targets", "must not be empty; leave it out for the ambient account"
        case Web():
            if not given.listen_addresses:
                yield "listen_addresses", "must not be empty"
            for n, address in enumerate(given.listen_addresses):
                port = address.rpartition(":")[2]
                if ":" not in address or not port.isdecimal() or int(port) > 65_535:
                    yield f"listen_addresses[{n}]", f"{address!r} is no address; write :10940 or 127.0.0.1:10940"
        case dict() if any(isinstance(value, RowSettings) for value in given.values()):
            asked = [name for name, row in CATALOGUE.items() if row.ask]
            for name in given.keys() - set(asked):
                yield name, f"no CloudWatch family is called so{_close(name, asked)}"
        case _:
            pass
    if isinstance(given, CloudWatchMetrics | Inventory | CloudWatchAlarms) and given.every < 1:
        yield "every", "must be at least 1s"
    if isinstance(given, CloudWatchMetrics | RowSettings):
        for key in ("gauge_delay", "max_age"):
            if (getattr(given, key) or 0.0) > 86_400:
                yield key, "must be at most 1d: a gauge that old tells nothing of now"


def _close(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _join(path: str, key: str) -> str:
    return ".".join(filter(None, (path, key)))


def _what(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return f"{node.value!r}"


def _extra(kind: Any) -> dict[str, Any]:
    """Return what a type says besides: `unquoted`, a text even where YAML sees a number; `secret`, never repeated."""
    return dict(getattr(typing.get_args(kind)[1], "extra", None) or {}) if typing.get_origin(kind) is Annotated else {}


def _wanted(kind: Any) -> str:
    """Return what a value should have been, for people."""
    if typing.get_origin(kind) is Annotated:
        return str(typing.get_args(kind)[1].description)
    if typing.get_origin(kind) is Literal:
        return " or ".join(typing.get_args(kind))
    return {bool: "true or false", str: "a text", int: "a whole number", float: "a number"}.get(kind, "a value")
