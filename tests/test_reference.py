"""The reference and the schema of the configuration are what the program reads, and lie in the repository."""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from msgspec import Struct
from test_config import BROKEN, WHOLE

from exporter import reference
from exporter.config import Config, parse
from exporter.strict import fields, union

CLONE = Path(__file__).resolve().parent.parent
SCHEMA = json.loads(reference.schema())
VALIDATOR = Draft202012Validator(SCHEMA)


def keys_of(kind, path=""):
    """Yield the path of each key that holds a value, and what is said about it."""
    for name, (hint, about, _) in fields(kind).items():
        first = union(hint)[0]  # of one, or a list of such
        origin, arguments = typing.get_origin(first), typing.get_args(first)
        inner = arguments[0] if origin is tuple else arguments[1] if origin is dict else first
        if isinstance(inner, type) and issubclass(inner, Struct):
            below = "[...]" if origin is tuple else {"queues": ".NAME", "rows": ".FAMILY"}.get(name, "")
            yield from keys_of(inner, f"{path}{name}{below}.")
        else:
            yield path + name, about


KEYS = dict(keys_of(Config))


def test_the_derived_files_are_current(monkeypatch, capsys):
    monkeypatch.chdir(CLONE)
    assert reference.main(check=True) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", reference.FILES)
def test_a_file_that_was_edited_by_hand_is_told(monkeypatch, tmp_path, capsys, name):
    monkeypatch.chdir(tmp_path)
    reference.main(check=False)
    (tmp_path / name).write_text((tmp_path / name).read_text() + "\nby hand\n")
    assert reference.main(check=True) == 1
    assert capsys.readouterr().err == f"{name} is out of date: run `make derive`\n"


# -- the reference -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", KEYS)
def test_every_key_is_explained(path):
    (line,) = re.findall(rf"^\| `{re.escape(path)}` \|.*$", reference.page(), re.MULTILINE)
    assert re.fullmatch(r"[A-Z].*[^.]\.", KEYS[path].text), "a sentence"
    assert line.endswith(f" | {KEYS[path].text} |")
    assert len(re.split(r"(?<!\\)\|", line)) == 7, "a bar would break the table"


def test_the_example_has_every_key_and_is_valid():
    config, text = parse(reference.example(), environment={}), reference.example()
    assert config != Config()
    for path in KEYS:
        assert re.search(rf"\b{path.rpartition('.')[2]}:", text)
    VALIDATOR.validate(yaml.safe_load(text))


@pytest.mark.parametrize("path", [path for path, about in KEYS.items() if about.example])
def test_an_example_is_not_the_default(path):
    assert f"`{KEYS[path].example}` | {KEYS[path].text}" in reference.page()
    name = path.rpartition(".")[2]
    assert f"\n{name}: {KEYS[path].example}\n" not in (CLONE / "config.yaml").read_text()


def test_the_page_shows_durations_as_they_are_written():
    assert "| `sources.cloudwatch_metrics.deep_settle` | duration | `3h` |" in reference.page()
    assert "| `web.zero_hold` | duration | `130s` |" in reference.page()


# -- the schema --------------------------------------------------------------------------------------------------------


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


def test_every_key_of_the_schema_says_what_it_does():
    said = json.dumps(SCHEMA)
    assert [path for path, about in KEYS.items() if json.dumps(about.text) not in said] == []


@pytest.mark.parametrize(
    "text",
    [
        (CLONE / "config.yaml").read_text(),
        WHOLE,
        "{}",
        "sources:\nlimits:\n",
        "targets: [{role_arn: null, account_id: null}]",
        "sources: {inventory: {enabled: '${YES}', every: '${SHORT:-5m}', last_good: 1s}}\nweb: {zero_hold: 0}",
        "limits: {usd_per_month: '${USD}', requests_per_second: {GetMetricData.datapoints: [1, 2.5]}}",
        "rows: {sagemaker_endpoint_invocations_total: {pace: '${PACE}', max_age: 1h30m}}",
        "families: {include: ['sagemaker_*', sagemaker_endpoint_status]}",
        'web: {listen_addresses: [":1", "[::1]:9000"]}',
    ],
)
def test_what_the_program_reads_is_valid(text):
    known = {"EXTERNAL_ID": "x", "YES": "true", "USD": "5", "PACE": "hot"}
    parse(text, environment=known)
    VALIDATOR.validate(yaml.safe_load(text))


# What is broken and passes the schema: it takes places of keys, the environment, or several values at once to see it.
ONLY_THE_PROGRAM = {
    "a key given twice": r"given twice",
    "how a text is written": r"'yes' is not true|YAML's own|merging by <<|012345678901 is read as|may mean octal",
    "the environment": r"ledger.path: '\$' is neither|environment variable",
    "what a glob finds": r"'nothing\*'|always shown",
    "several values": r"already|of the first block|without role_arn|another account|shorter than|is that of a:",
    "where two files are": r"where the ledger is",
    "a key that must be given": r"must be given",
    "a host within a URL": r"names no region",
    "what a pattern is": r"a quotation mark without|is no log group of SageMaker",
    "what another part has": r"there is no '.*' in queues|names? (none|nothing)|has no values|told by no stream",
    "what a key becomes": r"would be tag_",
    "a network": r"is no network|called already",
    "what an operation takes": r"must be two numbers|ListMetrics: .* not a list",
    "how large a number is": r"at least 1s|from 1m to 2h|at least 1MB|at most 1d|longer than|':99999'",
    "all of an address": r"'http:|'::1'",
    "a list that must not be empty": r"must not be (an )?empty",
}


def loaded(text):
    """Return what an editor sees, None for what is no YAML."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


@pytest.mark.parametrize("text", [text for text in BROKEN if loaded(text) is not None])
def test_the_schema_sees_what_it_can_see(text):
    kinds = [kind for kind, words in ONLY_THE_PROGRAM.items() if re.search(words, BROKEN[text])]
    assert VALIDATOR.is_valid(loaded(text)) == bool(kinds), kinds
