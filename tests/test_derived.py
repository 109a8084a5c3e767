"""What is derived from the rows is what lies in the repository, and is told when it does not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from exporter.catalogue import CATALOGUE, TABLES, derive
from exporter.catalogue.breakdowns import BREAKDOWNS
from exporter.catalogue.labels import LABELS

CLONE = Path(__file__).resolve().parent.parent


def test_the_derived_files_are_current(monkeypatch, capsys):
    monkeypatch.chdir(CLONE)
    assert derive.main(check=True) == 0
    assert capsys.readouterr() == ("", "")


def test_files_are_written_where_there_are_none(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert derive.main(check=True) == 1
    assert re.findall(r"^(\S+) is out of date", capsys.readouterr().err, re.MULTILINE) == list(derive.FILES)
    assert not list(tmp_path.iterdir()), "a check writes nothing"
    assert derive.main(check=False) == 0
    assert derive.main(check=True) == 0
    for name in derive.FILES:
        assert (tmp_path / name).read_bytes() == (CLONE / name).read_bytes()


@pytest.mark.parametrize("name", derive.FILES)
def test_a_file_that_was_edited_by_hand_is_told(monkeypatch, tmp_path, capsys, name):
    monkeypatch.chdir(tmp_path)
    derive.main(check=False)
    (tmp_path / name).write_text((tmp_path / name).read_text() + "\nby hand\n")
    assert derive.main(check=True) == 1
    assert capsys.readouterr().err == f"{name} is out of date: run `make derive`\n"


@pytest.fixture(scope="module")
def page():
    return derive.metrics_page()


def test_the_page_has_a_line_for_each_row_and_says_what_the_row_says(page):
    for row in (row for rows in TABLES.values() for row in rows):
        (line,) = re.findall(rf"^\| `{row.name}`.*$", page, re.MULTILINE)
        assert row.help in line
        assert row.type in line
        assert ("(off" in line) is (not row.on)
        assert ("experimental" in line.partition(" | ")[0]) is (not row.stable)
        for label in row.labels[2:] if row.labels[:2] == ("account_id", "region") else row.labels:
            assert f"`{label}`" in line


def test_the_page_explains_every_label_and_breakdown(page):
    for name, label in LABELS.items():
        assert f"| `{name}` | {label.means} | {label.bound} |" in page
    for breakdown in BREAKDOWNS.values():
        assert f"| `{breakdown.word}` | `{breakdown.of}` |" in page


def test_the_page_counts_what_there_is(page):
    on = sum(row.on for row in CATALOGUE.values())
    assert f"{len(CATALOGUE)} in all, {on} of them on by default" in page


def test_a_table_is_a_table(page):
    """A bar in a help text would break a row into one more column."""
    for line in re.findall(r"^\|.*$", page, re.MULTILINE):
        assert len(re.split(r"(?<!\\)\|", line)) in {5, 6}


def test_stable_names_are_those_of_the_stable_rows():
    lines = derive.stable_names().splitlines()
    assert lines == sorted(lines)
    assert [line.split(" ")[0] for line in lines] == sorted(row.name for row in CATALOGUE.values() if row.stable)


def test_the_policy_is_json():
    assert json.loads(derive.iam_policy())["Statement"]
