"""Pages for people speak of files, verbs, families and settings: these exist."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest

from exporter.catalogue import CATALOGUE, rows, shapes
from exporter.config import Config, doubts, load, parse

CLONE = Path(__file__).resolve().parent.parent
PAGES = ("CONTRIBUTING.md", "README.md", "docs/cloudtrail.md")


def section(title):
    """Return a section of CONTRIBUTING."""
    return re.search(rf"^## {title}\n.*?(?=^## )", (CLONE / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE)[0]


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page):
    text = (CLONE / page).read_text()
    named = set(re.findall(r"`((?:exporter|tests|docs)/[\w/.]+)`", text))
    named |= {(CLONE / page).parent / name for name in re.findall(r"\]\(([\w/.]+)(?:#[\w-]+)?\)", text)}
    assert named
    assert [name for name in named if not (CLONE / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_verbs_that_a_page_names_exist(page):
    known = set(re.findall(r"^(\w+):", (CLONE / "Makefile").read_text(), re.MULTILINE))
    spoken = re.findall(r"\bmake ((?:[a-z]+ ?)+)", "\n".join(re.findall(r"`(make [^`]*)`", (CLONE / page).read_text())))
    assert {verb for words in spoken for verb in words.split()} <= known


def test_newcomers_files_are_seven():
    street = section("Walk down the street")
    assert "Seven files" in street
    assert len(re.findall(r"^\| `exporter/", street, re.MULTILINE)) == 7


def test_words_are_at_home_where_the_page_says():
    homes = re.findall(r"^\|.*\| `([\w/.]+)`(?:, `([\w/.]+)`)? \|$", section("Walk down the street"), re.MULTILINE)
    assert len(homes) > 15
    assert [home for pair in homes for home in pair if not (CLONE / "exporter" / home).exists()] == []


def test_row_of_the_example_is_a_row():
    example = re.search(r"```python\n(.*?)```", section("Add a CloudWatch metric in one minute"), re.DOTALL)[1]
    row = eval(textwrap.dedent(example), {"counter": rows.counter, "VARIANT": shapes.VARIANT})  # noqa: S307 - our own
    assert isinstance(row, rows.Row)
    assert not row.stable


def test_example_configuration_names_every_default():
    assert load(CLONE / "config.yaml", {}) == Config()


@pytest.mark.parametrize("page", PAGES[1:])  # the first invents one, to show how
def test_families_that_a_page_names_exist(page):
    names = set(re.findall(r"\b(sagemaker_[a-z0-9_]+)\b(?![*/])", (CLONE / page).read_text()))
    plain = {name if name in CATALOGUE else re.sub(r"_(sum|count|bucket)$", "", name) for name in names}
    assert names
    assert plain <= CATALOGUE.keys()


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", (CLONE / "docs/cloudtrail.md").read_text(), re.DOTALL)


def test_the_page_about_calls_shows_what_is_taken():
    (text,) = blocks("yaml")
    config = parse(f"families: {{}}\n{text}")
    assert [trail.from_ for trail in config.sources.trails] == ["queue", "s3"]
    assert list(doubts(config)) == []
    assert [json.loads(one)["source"] for one in blocks("json")] == [["aws.sagemaker"]]
