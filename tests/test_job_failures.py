"""Why jobs failed: the classes of the contract, by what AWS writes; nothing hostile keeps the classifier busy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.jobs import JOB_TYPES, REASONS, Job, Transition, failed, failure, spelled
from exporter.jobs.failures import MOST_TEXT, RULES, bounded, classified

TEXTS = yaml.safe_load((Path(__file__).parent / "failure_reasons.yaml").read_text())


def job(status="Failed", **facts):
    return Job("training", "churn", status, **facts)


@pytest.mark.parametrize(("reason", "text"), [(reason, text) for reason, texts in TEXTS.items() for text in texts])
def test_a_text_tells_its_class(reason, text):
    assert failure(job(failure=text)) == reason


def test_texts_are_many_and_of_every_class():
    texts = [text for some in TEXTS.values() for text in some]
    assert len(texts) == len(set(texts)) >= 80
    contract = yaml.safe_load((Path(__file__).parent / "contract" / "families.yaml").read_text())
    assert list(TEXTS) == list(REASONS) == list(contract["failure_reasons"]) == contract["enums"]["failure_reason"]
    assert min(len(some) for reason, some in TEXTS.items() if reason != "unspecified") >= 4


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.reason)
def test_examples_in_the_table_are_true(rule):
    assert classified(rule.example) == rule.reason


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.reason)
def test_every_word_of_a_rule_is_needed(rule):
    """Each alternative finds something among the texts of its class, or it would be a guess that nobody checks."""
    mine = [*TEXTS[rule.reason], rule.example]
    idle = [
        words for words in rule.words if not any(re.search(words, text, re.IGNORECASE | re.DOTALL) for text in mine)
    ]
    assert idle == []


def test_the_first_class_that_fits_is_it():
    text = "AlgorithmError: ExecuteUserScriptError: No space left on device, exit code: 1; ClientError: AccessDenied"
    assert classified(text) == "access_denied"
    assert classified("ClientError: exit code: 1") == "algorithm_error"


def test_the_message_of_the_container_tells_where_aws_does_not():
    assert failure(job(failure="AlgorithmError: exit code: 1", exit_message="MemoryError")) == "out_of_memory"
    assert failure(job(exit_message="AlgorithmError")) == "algorithm_error"


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        ("MaxRuntimeExceeded", "timeout"),
        ("MaxWaitTimeExceeded", "timeout"),
        ("MaxAutoMLJobRuntimeReached", "timeout"),
        ("Interrupted", "spot_interruption"),
    ],
)
def test_aws_stopped_it_for_a_limit_or_for_spot_capacity(phase, reason):
    stopped = job("Stopped", secondary_status=phase)
    assert failed(stopped)
    assert failure(stopped) == reason


def test_a_phase_that_is_over_tells_too():
    limited = job("Stopped", secondary_status="Stopped", transitions=(Transition("MaxRuntimeExceeded"),))
    assert failed(limited)
    assert failure(limited) == "timeout"


def test_what_aws_wrote_tells_of_a_limit_too():
    assert failed(job("Stopped", failure="The job exceeded the maximum allowed runtime"))


def test_what_has_completed_within_its_limits_has_not_failed():
    assert not failed(job("Completed", secondary_status="MaxAutoMLJobRuntimeReached"))
    assert not failed(job("InProgress", secondary_status="Interrupted"))


def test_what_the_user_stopped_has_not_failed():
    waits = (Transition("Training"), Transition("Interrupted"), Transition("Stopping"))
    assert not failed(job("Stopped"))
    assert not failed(job("Stopped", secondary_status="Stopped", transitions=waits))
    assert not failed(job("Stopped", failure="AlgorithmError: exit code: 143"))
    assert not failed(job("Stopped", exit_message="MaxRuntimeExceeded, says the script"))


@pytest.mark.parametrize("kind", JOB_TYPES.values(), ids=lambda kind: kind.name)
def test_of_the_statuses_only_failed_is_a_failure(kind):
    shown = [spelled(kind, status) for status in kind.statuses]
    assert [status for status in shown if failed(job(status))] == (["Failed"] if "Failed" in shown else [])


# Hostile texts


def steps(parsed):
    """Yield how often something may be repeated in a parsed pattern."""
    for code, value in parsed:
        if str(code) in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            yield int(value[1])
            yield from steps(value[2])
        elif str(code) == "SUBPATTERN":
            yield from steps(value[3])
        elif str(code) == "BRANCH":
            for branch in value[1]:
                yield from steps(branch)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.reason)
def test_no_rule_looks_far(rule):
    for words in rule.words:
        repeated = [most for most in steps(re._parser.parse(words)) if most > 2]
        assert sum(repeated) <= 300, words
        assert len(repeated) <= 2, words


def test_of_a_long_text_the_beginning_and_the_end_are_looked_at():
    filling = "x" * 1_000_000
    assert len(bounded(filling)) == MOST_TEXT
    assert bounded("x" * MOST_TEXT) == "x" * MOST_TEXT
    assert classified("NoSuchKey" + filling) == classified(filling + "NoSuchKey") == "data_not_found"
    assert classified(filling + "NoSuchKey" + filling) == "other"


@given(st.text(), st.text())
def test_any_text_has_a_class(text, message):
    assert failure(job(failure=text, exit_message=message)) in REASONS
    assert bounded(bounded(text)) == bounded(text)
