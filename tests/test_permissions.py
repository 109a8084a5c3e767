"""The policy that we ship is what the program needs: nothing more, nothing less (law L7)."""

from __future__ import annotations

import re
from unittest import mock

import pytest
from street import ACCOUNT, REGION, PluggedSessions, Street
from worlds import T0

from exporter.aws.operations import OPERATIONS
from exporter.catalogue import permissions
from exporter.config import parse
from exporter.daemon import Parts
from exporter.demo import FakeAws, access_key, default_world
from exporter.ledger.memory import MemoryStore

FREE = {"sts:GetCallerIdentity"}  # nobody needs a permission for it
FOR_ROLES = {"sts:AssumeRole"}  # on the roles that the configuration names, and on nothing else


def allowed(sources=permissions.ACTIONS, **more):
    return {action for statement in permissions.policy(sources, **more)["Statement"] for action in statement["Action"]}


def used(fake):
    """Return the IAM actions that the fake saw us use."""
    return set().union(*fake.bill.actions.values()) - FREE


@pytest.fixture(scope="module")
def quick():
    """No waiting under rate limits: a look at twelve endpoints takes no time."""
    return dict.fromkeys(OPERATIONS, 1e6)


def test_a_street_uses_every_action_that_the_policy_allows_and_no_other(quick):
    street = Street(default_world(begin=T0, endpoints=12), text="resources: {tags: {team: '*'}}")
    street.aws._rates = quick
    for seconds in (60, 60, 3600):
        street.cycle(seconds)
    assert [run.outcome for run in street.runs] == ["ok", "ok"]
    assert used(street.fake) == allowed(tags=True)
    street.kill()


def test_tags_are_asked_for_only_where_they_are_allowed(quick):
    street = Street(default_world(begin=T0, endpoints=2))
    street.aws._rates = quick
    street.cycle(60)
    assert used(street.fake) <= allowed()
    assert "tag:GetResources" not in used(street.fake)
    street.kill()


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("sources: {cloudwatch_metrics: {enabled: false}}", ["inventory"]),
        ("sources: {inventory: {enabled: false}}", ["cloudwatch_metrics"]),
    ],
)
def test_a_source_alone_uses_nothing_outside_its_own_part(quick, monkeypatch, text, sources):
    """The parts as the daemon makes them: what is switched off is not asked."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key(ACCOUNT))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    street = Street(default_world(begin=T0, endpoints=2))
    config = parse(text)
    with mock.patch("exporter.aws.Sessions", PluggedSessions):
        parts = Parts(config, street.clock, MemoryStore())
    fake = FakeAws(street.fake.world, street.true.now)
    parts.aws._sessions.fake, parts.aws._rates = fake, quick
    target = parts.aws.login(config.targets[0], REGION)
    for source, _ in parts.sources:
        parts.collection.run(source, target)
    parts.close()
    street.kill()
    assert used(fake) <= allowed(sources)


def test_the_door_opens_for_what_the_policies_name_and_for_nothing_else():
    assert {operation.action for operation in OPERATIONS.values()} == allowed(tags=True) | FREE | FOR_ROLES


def test_nothing_that_we_may_do_changes_anything():
    for action in allowed(tags=True):
        assert re.fullmatch(r"[a-z-]+:(Get|List|Describe)\w+", action)


def test_a_policy_is_one_statement_a_source():
    policy = permissions.policy(permissions.ACTIONS)
    assert policy["Version"] == "2012-10-17"
    assert [statement["Sid"] for statement in policy["Statement"]] == ["Inventory", "CloudwatchMetrics"]
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        assert statement["Action"] == sorted(set(statement["Action"]))
    assert permissions.policy([])["Statement"] == []
