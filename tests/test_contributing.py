"""CONTRIBUTING and README speak of files and verbs: these exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter.config import Config, load

CLONE = Path(__file__).resolve().parent.parent
PAGES = ("CONTRIBUTING.md", "README.md")


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page):
    text = (CLONE / page).read_text()
    named = set(re.findall(r"`((?:exporter|tests|docs)/[\w/.]+)`", text)) | set(re.findall(r"\]\(([\w/.]+)\)", text))
    assert named
    assert [name for name in named if not (CLONE / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_verbs_that_a_page_names_exist(page):
    known = set(re.findall(r"^(\w+):", (CLONE / "Makefile").read_text(), re.MULTILINE))
    spoken = re.findall(r"\bmake ((?:[a-z]+ ?)+)", "\n".join(re.findall(r"`(make [^`]*)`", (CLONE / page).read_text())))
    assert {verb for words in spoken for verb in words.split()} <= known


def test_newcomers_files_are_seven():
    table = re.search(r"## Read seven files\n.*?\n## ", (CLONE / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert len(re.findall(r"^\| `exporter/", table[0], re.MULTILINE)) == 7


def test_example_configuration_names_every_default():
    assert load(CLONE / "config.yaml", {}) == Config()
