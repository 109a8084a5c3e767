"""The policy that we ship is what the program needs: nothing more, nothing less (law L7)."""

from __future__ import annotations

import json
import re
from unittest import mock

import pytest
from street import ACCOUNT, REGION, RUN, PluggedSessions, Street, add_one_of_each
from worlds import T0

from exporter.aws.operations import OPERATIONS
from exporter.aws.queues import opened
from exporter.catalogue import permissions
from exporter.config import parse
from exporter.daemon import Parts
from exporter.demo import FakeAws, World, access_key, default_world
from exporter.demo.events import deliveries, events
from exporter.demo.jobs import KINDS, life
from exporter.jobs import TOLD_BY
from exporter.ledger.memory import MemoryStore
from exporter.sources.job_events import JobEvents

FREE = {"sts:GetCallerIdentity"}  # nobody needs a permission for it
SOURCES = tuple(permissions.ACTIONS)
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:events"
EVENTS = """
queues: {events: {url: "https://sqs.us-east-1.amazonaws.com/123456789012/events"}}
sources: {job_events: {enabled: true}, job_polling: {enabled: false}}
"""
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


def world_with_all():
    """Return a world that has everything that is asked for."""
    world = default_world(begin=T0, endpoints=12)
    add_one_of_each(world, T0)
    return world


def test_a_street_uses_every_action_that_the_policy_allows_and_no_other(quick):
    everything = "families: {include: ['*']}, resources: {tags: {team: '*'}}"
    kinds = "inventory: {resource_types: {include: ['*']}}"
    logs = "cloudwatch_logs: {presets: [nccl_error]}"
    text = f"{{{everything}, sources: {{cloudwatch_alarms: {{tags: {{team: '*'}}}}, {kinds}, {logs}}}}}"
    run = (*RUN, "cloudwatch_logs", "job_polling", "cloudtrail", "quotas", "cost")
    street = Street(world_with_all(), text=text, run=run, kinds=True)
    street.aws._rates = quick
    for seconds in (60, 60, 3600):
        street.cycle(seconds)
    assert [run.outcome for run in street.runs] == ["ok"] * 8
    assert used(street.fake) == allowed(tagged=SOURCES, matches=True)
    street.kill()


def test_tags_are_asked_for_only_where_they_are_allowed(quick):
    street = Street(default_world(begin=T0, endpoints=2))
    street.aws._rates = quick
    street.cycle(60)
    assert used(street.fake) <= allowed()
    assert "tag:GetResources" not in used(street.fake)
    street.kill()


@pytest.mark.parametrize("source", [one for one in SOURCES if one != "job_events"])
def test_a_source_alone_uses_nothing_outside_its_own_part(quick, monkeypatch, source):
    """The parts as the daemon makes them: what is switched off is not asked."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key(ACCOUNT))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    street = Street(world_with_all())
    others = (f"{other}: {{enabled: false}}" for other in SOURCES if other != source)
    settings = {"inventory": ", inventory: {resource_types: {include: ['*']}}", "quotas": ", quotas: {enabled: true}"}
    config = parse(f"families: {{include: ['*']}}\nsources: {{{', '.join(others)}{settings.get(source, '')}}}")
    fake = FakeAws(street.fake.world, street.true.now)
    with mock.patch("exporter.aws.sessions.Sessions", PluggedSessions):
        parts = Parts(config, street.clock, MemoryStore())
        parts.aws._sessions.fake, parts.aws._rates = fake, quick
    target = parts.aws.login(config.targets[0], REGION)
    for _ in range(2):
        for one, _ in parts.sources:
            parts.collection.run(one, target)
        street.true.forward(3600)  # an alarm changes
    parts.close()
    street.kill()
    assert used(fake) == allowed([source])


def test_events_alone_describe_what_has_ended_and_do_nothing_else(quick):
    world = World(seed=1)
    flow = world.add_job(ACCOUNT, REGION, "flow_definition", "review", T0 - 60)
    pipeline = world.add_job(ACCOUNT, REGION, "pipeline", "nightly", T0 - 60)
    card = world.add_job(ACCOUNT, REGION, "model_card", "card", T0 - 60)
    parents = {"human_loop": flow, "pipeline_execution": pipeline, "model_card_export": card}
    for kind in TOLD_BY.values():
        lives = life(kind.name, KINDS[kind.name].done[0], 30.0, 5.0)
        parent = parents[kind.name].resource if kind.name in parents else ""
        world.add_job(
            ACCOUNT, REGION, kind.name, f"a-{kind.name}".replace("_", "-"), T0 + 60, lives=lives, parent=parent
        )
    street = Street(world, text=EVENTS, run=())
    street.aws._rates = quick
    source = JobEvents(street.aws, street.inventory, street.config)
    street.cycle(300)
    told = [opened(json.dumps(sent)) for _, sent in deliveries(events(world, ACCOUNT, REGION, T0, T0 + 200))]
    assert street.collection.hear(source, street.target, told) == []
    street.collection.run(source, street.target)
    assert used(street.fake) == allowed(["job_events"])
    street.kill()


def test_a_source_may_read_tags_where_it_chooses_by_tags():
    tagged = parse("sources: {cloudwatch_alarms: {tags: {a: b}}}").tagged
    policy = permissions.policy(SOURCES, tagged)["Statement"]
    assert [one["Sid"] for one in policy if "tag:GetResources" in one["Action"]] == ["CloudwatchAlarms"]
    assert parse("resources: {tags: {a: b}}").tagged == ("inventory", "cloudwatch_metrics")


def test_the_door_opens_for_what_the_policies_name_and_for_nothing_else():
    everything = allowed(tagged=SOURCES, queues=[QUEUE], buckets=[("arn:aws:s3:::logs", "")], matches=True)
    everything |= FREE | FOR_ROLES
    assert {operation.action for operation in OPERATIONS.values()} == everything


def test_what_a_queue_is_read_by_is_allowed_on_that_queue_alone():
    text = "queues: {a: {url: 'https://sqs.eu-west-1.amazonaws.com/123456789012/events'}, b: {url: "
    config = parse(text + "'https://sqs.cn-north-1.amazonaws.com.cn/210987654321/trail.fifo'}}")
    arns = [queue.arn for queue in config.queues.values()]
    assert arns == [QUEUE, "arn:aws-cn:sqs:cn-north-1:210987654321:trail.fifo"]
    queues, dead = permissions.policy([], queues=arns)["Statement"]
    assert queues == {
        "Sid": "Queues",
        "Effect": "Allow",
        "Action": ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
        "Resource": sorted(arns),
    }
    assert dead["Action"] == ["sqs:GetQueueAttributes"]
    assert dead["Resource"] == ["arn:aws-cn:sqs:cn-north-1:210987654321:*", "arn:aws:sqs:eu-west-1:123456789012:*"]


def test_a_trail_is_read_below_its_prefix_and_its_bucket_is_listed():
    one = "{from: s3, queue: a, bucket: logs, prefix: org/trails/}"
    other = "{from: s3, queue: b, bucket: others}"
    queues = "a: {url: 'https://sqs.eu-west-1.amazonaws.com/123456789012/events'}, b: {url: "
    queues += "'https://sqs.cn-north-1.amazonaws.com.cn/210987654321/trail'}"
    config = parse(f"queues: {{{queues}}}\nsources: {{cloudtrail: [{one}, {other}]}}")
    assert "cloudtrail" not in config.sources.asking, "nothing is looked up"
    files, places = permissions.policy([], buckets=config.buckets)["Statement"]
    assert files["Action"] == ["s3:GetObject"]
    assert files["Resource"] == ["arn:aws-cn:s3:::others/AWSLogs/*", "arn:aws:s3:::logs/org/trails/AWSLogs/*"]
    assert places["Action"] == ["s3:ListBucket"]
    assert places["Resource"] == ["arn:aws-cn:s3:::others", "arn:aws:s3:::logs"]


def test_nothing_that_we_may_do_changes_anything():
    for action in allowed(tagged=SOURCES, buckets=[("arn:aws:s3:::logs", "")], matches=True):
        assert re.fullmatch(r"[a-z0-9-]+:(Get|List|Describe|Lookup|Filter)\w+", action)


def test_nobody_may_read_logs_where_no_rule_looks_for_anything():
    assert "logs:FilterLogEvents" not in allowed(tagged=SOURCES)
    assert not parse(
        "sources: {cloudwatch_logs: {enabled: false, presets: [nccl_error]}}"
    ).sources.cloudwatch_logs.matches
    assert parse("sources: {cloudwatch_logs: {presets: [nccl_error]}}").sources.cloudwatch_logs.matches


def test_a_policy_is_one_statement_a_source():
    policy = permissions.policy(permissions.ACTIONS)
    assert policy["Version"] == "2012-10-17"
    assert [statement["Sid"] for statement in policy["Statement"]] == [
        "Inventory",
        "JobEvents",
        "JobPolling",
        "CloudwatchMetrics",
        "CloudwatchAlarms",
        "CloudwatchLogs",
        "Cloudtrail",
        "Quotas",
        "Cost",
    ]
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        assert statement["Action"] == sorted(set(statement["Action"]))
    assert permissions.policy([])["Statement"] == []
