"""config.yaml: what is right is read as it is meant, what is wrong is named by line, and nothing is guessed."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.aws.operations import OPERATIONS
from exporter.catalogue import CATALOGUE
from exporter.config import Account, AuditSettings, Config, Limits, doubts, fingerprint, load, parse
from exporter.strict import ConfigError

# -- what is right -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "{}", "targets: [{}]", "sources:\nlimits:\n"])
def test_nothing_said_is_the_default(text):
    assert parse(text) == Config()


def test_the_defaults():
    config = Config()
    metrics, inventory = config.sources.cloudwatch_metrics, config.sources.inventory
    assert (metrics.every, metrics.pace.warm, metrics.pace.cold) == (60, 300, 3600)
    assert (metrics.settle, metrics.deep_settle, metrics.gauge_delay, metrics.max_age) == (900, 10_800, 120, 900)
    assert (inventory.every, inventory.last_good, inventory.describe_every, inventory.list_metrics_every) == (
        60,
        None,
        3600,
        300,
    )
    assert (config.web.listen_addresses, config.web.zero_hold) == ((":10940",), 130)
    assert config.targets == (Account(),)


WHOLE = """
targets:
  - account_id: "123456789012"
    alias: prod
    role_arn: arn:aws:iam::123456789012:role/sagemaker-exporter
    external_id: ${EXTERNAL_ID}
    regions: [us-east-1, us-gov-west-1, cn-north-1]
  - regions:
      - eu-west-1
sources:
  cloudwatch_metrics: {enabled: true, every: 30s, pace: {warm: 10m, cold: 2h}, settle: 20m, deep_settle: 1d}
  inventory: {enabled: false, every: 2m, last_good: 1h30m, describe_every: 6h, list_metrics_every: 10m}
families: {include: ["sagemaker_endpoint_instance_*"], exclude: [sagemaker_pipeline_execution_failed_total]}
rows:
  sagemaker_endpoint_invocations_total: {pace: warm, max_age: 1h, gauge_delay: 90s}
resources: {include: [prod-*], exclude: [prod-old], tags: {team: ml*}}
limits: {requests_per_second: {GetMetricData: 10, ListMetrics: 0.5}}
ledger: {path: ":memory:"}
audit: {output: file, path: /tmp/audit.jsonl, rotate: 1.5GB}
web: {listen_addresses: ["127.0.0.1:9000", "[::1]:9000"], zero_hold: 65s}
"""


def test_all_of_it():
    config = parse(WHOLE, environment={"EXTERNAL_ID": "a:b # c"})
    prod, other = config.targets
    assert prod.external_id == "a:b # c"
    assert prod.regions == ("us-east-1", "us-gov-west-1", "cn-north-1")
    assert other == Account(regions=("eu-west-1",))
    assert config.sources.cloudwatch_metrics.pace.cold == 7200
    assert config.sources.inventory.last_good == 5400
    assert not config.sources.inventory.enabled
    assert config.rows["sagemaker_endpoint_invocations_total"].pace == "warm"
    assert config.resources.tags == {"team": "ml*"}
    assert config.limits.requests_per_second == {"GetMetricData": 10.0, "ListMetrics": 0.5}
    assert config.ledger.path == ":memory:"
    assert config.audit == AuditSettings(output="file", path="/tmp/audit.jsonl", rotate=1_500_000_000)
    assert config.web.listen_addresses == ("127.0.0.1:9000", "[::1]:9000")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("90s", 90),
        ("1.5m", 90),
        ("5m", 300),
        ("3h", 10_800),
        ("1h30m", 5400),
        ("1d2h3m4s", 93_784),
        ("2500ms", 2.5),
        ('"5m"', 300),
        ("'5m'", 300),
    ],
)
def test_durations(text, seconds):
    assert parse(f"sources: {{inventory: {{describe_every: {text}}}}}").sources.inventory.describe_every == seconds


def test_families_that_are_on():
    config = parse("families: {include: ['sagemaker_endpoint_instance_*'], exclude: ['*_total']}")
    assert not config.on("sagemaker_endpoint_invocations_total")
    assert config.on("sagemaker_endpoint_status")
    off = next(n for n, r in CATALOGUE.items() if n.startswith("sagemaker_endpoint_instance_") and r.type == "gauge")
    assert config.on(off)
    assert not Config().on(off)


def test_tags_that_are_labels():
    keys = [
        "team",
        "CostCenter",
        "aws:cloudformation:stack-name",
        "owner@x.y",
        "Équipe 2",
        "k8sName",
        "XMLFile",
        "部門",
    ]
    config = parse(f"labels: {{tags: {keys}}}")
    assert list(config.labelled.items()) == [
        ("team", "tag_team"),
        ("CostCenter", "tag_cost_center"),
        ("aws:cloudformation:stack-name", "tag_aws_cloudformation_stack_name"),
        ("owner@x.y", "tag_owner_x_y"),
        ("Équipe 2", "tag__quipe_2"),
        ("k8sName", "tag_k8s_name"),
        ("XMLFile", "tag_xmlfile"),
        ("部門", "tag___"),
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", False),
        ("families: {include: ['*']}", False),
        ("labels: {tags: []}", False),
        ("labels: {tags: [team]}", True),
        ("labels: {tags: [team]}\nfamilies: {include: [sagemaker_resource_tags_info]}", True),
        ("labels: {tags: [team]}\nfamilies: {exclude: ['*_info']}", False),
        ("labels: {tags: [team]}\nsources: {inventory: {enabled: false}}", False),
    ],
)
def test_tags_are_shown_where_some_are_named(text, shown):
    config = parse(text)
    assert bool(config.labelled) is shown
    assert ("inventory" in config.tagged) is shown
    about = [doubt for doubt in doubts(config) if "labels.tags" in doubt]
    assert len(about) == (not shown and "[team]" in text)


def test_exclude_wins():
    name = "sagemaker_endpoint_invocations_total"
    assert not parse(f"families: {{include: [{name}], exclude: [{name}]}}").on(name)


# -- expansion ---------------------------------------------------------------------------------------------------------

ENVIRONMENT = {"HOME": "/home/me", "EMPTY": "", "DOLLAR": "${HOME}", "YES": "true", "SHORT": "5m", "N": "7"}


def path_of(text, environment=ENVIRONMENT):
    return parse(f"ledger:\n  path: {text}", environment=environment).ledger.path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("plain", "plain"),
        ("${HOME}/ledger.db", "/home/me/ledger.db"),
        ('"${HOME}"', "/home/me"),
        ("'${HOME}'", "/home/me"),
        ("${HOME}${HOME}", "/home/me/home/me"),
        ("${NOPE:-/var/lib}/x", "/var/lib/x"),
        ('"${NOPE:-}"', ""),
        ("${EMPTY:-default}", "default"),
        ("${HOME:-default}", "/home/me"),
        ("$$", "$"),
        ("$${HOME}", "${HOME}"),
        ("$$$${HOME}", "$${HOME}"),
        ("${DOLLAR}", "${HOME}"),
        ("a$$b${NOPE:-c}", "a$bc"),
        ('"${EMPTY}"', ""),
    ],
)
def test_expansion(text, path):
    assert path_of(text) == path


def test_expansion_is_for_values_of_all_kinds():
    text = "sources: {inventory: {enabled: '${YES}', every: '${SHORT}'}}\nlimits: {requests_per_second: {X: '${N}'}}"
    config = parse(text.replace("X", "ListMetrics"), environment=ENVIRONMENT)
    assert config.sources.inventory.enabled is True
    assert config.sources.inventory.every == 300
    assert config.limits.requests_per_second == {"ListMetrics": 7.0}


def test_what_is_expanded_is_text_and_no_yaml():
    """A secret may hold anything."""
    assert path_of('"${X}"', {"X": 'a: [b]\n"c" # d'}) == 'a: [b]\n"c" # d'


def test_keys_are_not_expanded():
    with pytest.raises(ConfigError, match="unknown key"):
        parse("${HOME}: 1", environment={"HOME": "web"})


# -- what is wrong -----------------------------------------------------------------------------------------------------

TOP = "targets, queues, sources, families, rows, resources, labels, limits, ledger, audit, web"
NO_DURATION = "is no duration; write 30s, 5m, 3h or 15d"
ROWS = "rows: {sagemaker_endpoint_invocations_total: "

TWELVE = "\u0661\u0662" * 6  # digits, but not those of AWS

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/sagemaker-events"

BROKEN = {
    # the shape of it
    "bogus: 1": f"1:1  bogus: unknown key; known are {TOP}",
    "tragets: []": '1:1  tragets: unknown key; did you mean "targets"?',
    "- a": "1:1  must be a mapping, not a list",
    "just text": "1:1  must be a mapping, not 'just text'",
    "web: {}\nweb: {}": "2:1  web: given twice, first on line 1",
    "web: {zero_hold: 1s, zero_hold: 2s}": "1:22  web.zero_hold: given twice, first on line 1",
    "ledger: ledger.db": "1:9  ledger: must be a mapping, not 'ledger.db'",
    # targets
    "targets: 5": "1:10  targets: must be a list, not '5'",
    "targets: {}": "1:10  targets: must be a list, not a mapping",
    "targets: [5]": "1:11  targets[0]: must be a mapping, not '5'",
    "targets: [{account_id: 123456789012}]": (
        '1:24  targets[0].account_id: 123456789012 is read as a number, write "123456789012" in quotes'
    ),
    'targets: [{account_id: "12"}]': "1:24  targets[0].account_id: '12' is not an account number of twelve digits",
    "targets: [{role_arn: admin}]": (
        "1:22  targets[0].role_arn: 'admin' is not the ARN of a role, "
        "as in arn:aws:iam::123456789012:role/sagemaker-exporter"
    ),
    f'targets: [{{account_id: "{TWELVE}"}}]': (
        f"1:24  targets[0].account_id: '{TWELVE}' is not an account number of twelve digits"
    ),
    f"targets: [{{role_arn: 'arn:aws:iam::{TWELVE}:role/x'}}]": (
        f"1:22  targets[0].role_arn: 'arn:aws:iam::{TWELVE}:role/x' is not the ARN of a role: "
        f"'{TWELVE}' is no account number of twelve digits"
    ),
    "targets: [{regions: [eu-west-\u0661]}]": (
        "1:22  targets[0].regions[0]: 'eu-west-\u0661' is not a region such as eu-west-1"
    ),
    "targets: [{regions: eu-west-1}]": "1:21  targets[0].regions: must be a list, not 'eu-west-1'",
    "targets: [{}, {regions: [Europe]}]": "1:26  targets[1].regions[0]: 'Europe' is not a region such as eu-west-1",
    "targets: [{external_id: x}]": "1:25  targets[0].external_id: is of no use without role_arn",
    'targets: [{account_id: "111111111111", role_arn: "arn:aws:iam::222222222222:role/a"}]': (
        "1:50  targets[0].role_arn: is a role of another account than 111111111111"
    ),
    "targets: [{alias: [a]}]": "1:19  targets[0].alias: must be a text, not a list",
    "targets: [{alias: 5}]": '1:19  targets[0].alias: 5 is read as a number, write "5" in quotes',
    'targets: [{acount_id: "1"}]': '1:12  targets[0].acount_id: unknown key; did you mean "account_id"?',
    # sources
    "sources: []": "1:10  sources: must be a mapping, not a list",
    "sources: {inventry: {}}": '1:11  sources.inventry: unknown key; did you mean "inventory"?',
    "sources: {job_polling: {every: 0s}}": "1:32  sources.job_polling.every: must be at least 1s",
    "sources: {cost: {every: 500ms}}": "1:25  sources.cost.every: must be at least 1s",
    "sources: {cost: {last_good: 0s}}": "1:29  sources.cost.last_good: must be at least 1s",
    "sources: {insights: {}}": (
        "1:11  sources.insights: unknown key; known are cloudwatch_metrics, inventory, cloudwatch_alarms, "
        "cloudwatch_logs, job_polling, job_events, cloudtrail, quotas, cost"
    ),
    "sources: {cloudwatch_logs: {presets: [nccl_eror]}}": (
        '1:39  sources.cloudwatch_logs.presets[0]: no preset is called so; did you mean "nccl_error"?'
    ),
    "sources: {cloudwatch_logs: {overlap: 5s}}": "1:38  sources.cloudwatch_logs.overlap: must be from 1m to 2h",
    "sources: {cloudwatch_logs: {pages_per_cycle: 0}}": (
        "1:46  sources.cloudwatch_logs.pages_per_cycle: '0' is not a whole number from 1 to 100,000"
    ),
    "sources: {cloudwatch_logs: {rules: [{pattern: a}]}}": (
        "1:37  sources.cloudwatch_logs.rules[0].name: must be given"
    ),
    "sources: {cloudwatch_logs: {rules: [{name: a}]}}": (
        "1:37  sources.cloudwatch_logs.rules[0].pattern: must be given"
    ),
    "sources: {cloudwatch_logs: {rules: [{name: A b, pattern: a}]}}": (
        "1:44  sources.cloudwatch_logs.rules[0].name: is no name of a rule; write small letters, digits and _"
    ),
    "sources: {cloudwatch_logs: {rules: [{name: a, pattern: '\"b'}]}}": (
        "1:56  sources.cloudwatch_logs.rules[0].pattern: has a quotation mark without a second one"
    ),
    "sources: {cloudwatch_logs: {rules: [{name: a, pattern: b}, {name: a, pattern: c}]}}": (
        "1:67  sources.cloudwatch_logs.rules[1].name: a is given twice: a rule counts under its name"
    ),
    "sources: {cloudwatch_logs: {rules: [{name: a, pattern: b, group: /aws/lambda/*}]}}": (
        "1:66  sources.cloudwatch_logs.rules[0].group: is no log group of SageMaker; write "
        "/aws/sagemaker/TrainingJobs or /aws/sagemaker/Endpoints/*"
    ),
    "sources: {cloudwatch_logs: {rules: [{name: a, pattern: b, group: /aws/sagemaker/Tr*, labels: [variant]}]}}": (
        "1:95  sources.cloudwatch_logs.rules[0].labels[0]: variant is told by no stream of /aws/sagemaker/Tr*"
    ),
    "families: {include: [sagemaker_log_group_matches_total]}": (
        "1:22  families.include[0]: counts what sources.cloudwatch_logs.rules and presets name, and they name nothing"
    ),
    "sources: {cloudtrail: {from: s4}}": "1:30  sources.cloudtrail.from: 's4' is not lookup or queue or s3",
    "sources: {cloudtrail: {from: s3, bucket: logs}}": (
        "1:23  sources.cloudtrail.queue: there is no 'events' in queues"
    ),
    f"queues: {{events: {{url: '{QUEUE}'}}}}\nsources: {{cloudtrail: {{from: s3}}}}": (
        "2:23  sources.cloudtrail.bucket: must be given for from: s3"
    ),
    "sources: {cloudtrail: {bucket: s3://logs}}": (
        "1:32  sources.cloudtrail.bucket: 's3://logs' is no name of a bucket; write it alone, without s3:// "
        "and without a prefix"
    ),
    "sources: {cloudtrail: {prefix: logs/AWSLogs/}}": (
        "1:32  sources.cloudtrail.prefix: must be what stands before AWSLogs/ in the keys, as in logs"
    ),
    f"queues: {{a: {{url: '{QUEUE}'}}}}\nsources:\n  cloudtrail:\n    - {{from: s3, queue: a, bucket: logs}}\n"
    "    - {from: s3, queue: a, bucket: logs, prefix: x}\n    - {from: s3, queue: a, bucket: logs, prefix: x/}": (
        "6:7  sources.cloudtrail[2]: is a way that stands here already"
    ),
    "sources: {cloudtrail: {every: 0s}}": "1:31  sources.cloudtrail.every: must be at least 1s",
    "sources: {cloudtrail: {from: queue}}": "1:23  sources.cloudtrail.queue: there is no 'events' in queues",
    "sources: {cloudtrail: [{}, {from: queue, queue: x}]}": (
        "1:49  sources.cloudtrail[1].queue: there is no 'x' in queues"
    ),
    "sources: {cloudtrail: [{}, {from: lookup}]}": "1:28  sources.cloudtrail[1]: is a way that stands here already",
    f"queues: {{e: {{url: '{QUEUE}'}}}}\nsources:\n  cloudtrail: [{{}}, {{from: queue, queue: e, principals: 6}}]": (
        "3:56  sources.cloudtrail[1].principals: must be that of the first block: a call counts once, "
        "whichever road it comes by"
    ),
    "sources: {cloudtrail: []}": ("1:23  sources.cloudtrail: must not be an empty list; write {enabled: false}"),
    "sources: {cloudtrail: {event_sources: []}}": (
        "1:39  sources.cloudtrail.event_sources: must not be empty; leave it out for SageMaker's own"
    ),
    "sources: {cloudtrail: [{queue: a}, {queue: b}]}": (
        "1:36  sources.cloudtrail[1]: is a way that stands here already"
    ),
    "sources: {cloudtrail: {principals: 101}}": (
        "1:36  sources.cloudtrail.principals: '101' is not a whole number from 0 to 100"
    ),
    "sources: {cloudtrail: {event_sources: [sagemaker]}}": (
        "1:40  sources.cloudtrail.event_sources[0]: 'sagemaker' is not a host of AWS"
    ),
    "sources: {cloudtrail: {networks: {office: [10.0.0.1/8]}}}": (
        "1:44  sources.cloudtrail.networks.office[0]: is no network: 10.0.0.1/8 has host bits set"
    ),
    "sources: {cloudtrail: {networks: {console: [10.0.0.0/8]}}}": (
        "1:35  sources.cloudtrail.networks.console: is what an origin is called already"
    ),
    "sources: {cloudtrail: {networks: {Office: [10.0.0.0/8]}}}": (
        "1:35  sources.cloudtrail.networks.Office: is no name; write small letters, digits and _"
    ),
    "families: {include: [sagemaker_api_calls_by_principal_total]}": (
        "1:22  families.include[0]: has no values: say how many by sources.cloudtrail.principals"
    ),
    "sources: {job_events: {enabled: true}}": "1:23  sources.job_events.queue: there is no 'events' in queues",
    "sources: {job_events: {every: 5s}}": "1:24  sources.job_events.every: unknown key; known are enabled, queue",
    # queues
    "queues: []": "1:9  queues: must be a mapping, not a list",
    "queues: {events: null}": f"1:18  queues.events.url: must be given, as in {QUEUE}",
    "queues: {events: {accounts: all}}": f"1:18  queues.events.url: must be given, as in {QUEUE}",
    "queues: {events: {url: events}}": f"1:24  queues.events.url: 'events' is not the URL of a queue, as in {QUEUE}",
    "queues: {events: {url: 'arn:aws:sqs:us-east-1:123456789012:a'}}": (
        "1:24  queues.events.url: 'arn:aws:sqs:us-east-1:123456789012:a' is not the URL of a queue; "
        "did you mean https://sqs.us-east-1.amazonaws.com/123456789012/a?"
    ),
    "queues: {events: {url: 'https://queue.amazonaws.com/123456789012/a'}}": (
        "1:24  queues.events.url: names no region, as sqs.eu-west-1.amazonaws.com does"
    ),
    f"queues: {{a: {{url: '{QUEUE}'}}, b: {{url: '{QUEUE}'}}}}": (
        "1:98  queues.b.url: is that of a: each of the two would miss what the other one reads"
    ),
    f"queues: {{a b: {{url: '{QUEUE}'}}}}": ("1:10  queues.a b: is no name; write letters, digits, - and _"),
    f"queues: {{a: {{url: '{QUEUE}', accounts: some}}}}": "1:98  queues.a.accounts: 'some' is not targets or all",
    f"queues: {{a: {{url: '{QUEUE}', external_id: x}}}}": (
        "1:101  queues.a.external_id: is of no use without role_arn"
    ),
    f"queues: {{a: {{urll: '{QUEUE}'}}}}": '1:14  queues.a.urll: unknown key; did you mean "url"?',
    "sources: {cloudwatch_alarms: {every: 0s}}": "1:38  sources.cloudwatch_alarms.every: must be at least 1s",
    "sources: {cloudwatch_alarms: {names: a}}": "1:38  sources.cloudwatch_alarms.names: must be a list, not 'a'",
    "sources: {inventory: {evry: 60s}}": '1:23  sources.inventory.evry: unknown key; did you mean "every"?',
    "sources: {inventory: {enabled: maybe}}": "1:32  sources.inventory.enabled: 'maybe' is not true or false",
    'sources: {inventory: {enabled: "true"}}': (
        '1:32  sources.inventory.enabled: "true" in quotes is a text, write true without quotes'
    ),
    "sources: {inventory: {enabled: 1}}": "1:32  sources.inventory.enabled: '1' is not true or false",
    "sources: {inventory: {every: 60}}": (
        "1:30  sources.inventory.every: '60' is no duration; it has no unit: write 60s, 60m, ..."
    ),
    "sources: {inventory: {every: 1 minute}}": (
        "1:30  sources.inventory.every: '1 minute' is no duration; did you mean 1m?"
    ),
    "sources: {inventory: {every: -5s}}": f"1:30  sources.inventory.every: '-5s' {NO_DURATION}",
    "sources: {inventory: {every: 5m 3}}": f"1:30  sources.inventory.every: '5m 3' {NO_DURATION}",
    'sources: {inventory: {every: ""}}': f"1:30  sources.inventory.every: '' {NO_DURATION}",
    "sources: {inventory: {every: 0s}}": "1:30  sources.inventory.every: must be at least 1s",
    "sources: {inventory: {every: 999ms}}": "1:30  sources.inventory.every: must be at least 1s",
    "sources: {inventory: {last_good: 0}}": "1:34  sources.inventory.last_good: must be at least 1s",
    "sources: {cloudwatch_alarms: {last_good: 0s}}": "1:42  sources.cloudwatch_alarms.last_good: must be at least 1s",
    "sources: {inventory: {describe_every: 0}}": "1:39  sources.inventory.describe_every: must be at least 1s",
    "sources: {inventory: {list_metrics_every: 10ms}}": (
        "1:43  sources.inventory.list_metrics_every: must be at least 1s"
    ),
    "sources: {inventory: {every: [60s]}}": (
        "1:30  sources.inventory.every: must be a duration such as 30s, 5m, 3h or 15d, not a list"
    ),
    "sources: {cloudwatch_metrics: {pace: 5m}}": ("1:38  sources.cloudwatch_metrics.pace: must be a mapping, not '5m'"),
    "sources: {cloudwatch_metrics: {pace: {hot: 5m}}}": (
        "1:39  sources.cloudwatch_metrics.pace.hot: unknown key; known are warm, cold"
    ),
    "sources: {cloudwatch_metrics: {settle: 3h}}": (
        "1:31  sources.cloudwatch_metrics: settle must be shorter than deep_settle, and that than 3d"
    ),
    "sources: {cloudwatch_metrics: {deep_settle: 3d}}": (
        "1:31  sources.cloudwatch_metrics: settle must be shorter than deep_settle, and that than 3d"
    ),
    # families and rows
    "families: [a]": "1:11  families: must be a mapping, not a list",
    "families: {include: a}": "1:21  families.include: must be a list, not 'a'",
    "families: {include: [sagemaker_endpoint_invocation_total]}": (
        "1:22  families.include[0]: no family is called 'sagemaker_endpoint_invocation_total'; "
        'did you mean "sagemaker_endpoint_invocations_total"?'
    ),
    "families: {exclude: [nothing*]}": "1:22  families.exclude[0]: no family is called 'nothing*'",
    "families: {exclude: ['sagemaker_exporter_*']}": (
        "1:22  families.exclude[0]: what the exporter says of itself is always shown"
    ),
    "families: {only: []}": "1:12  families.only: unknown key; known are include, exclude",
    "rows: {sagemaker_endpoint_invocations: {}}": (
        "1:8  rows.sagemaker_endpoint_invocations: no CloudWatch family is called so; "
        'did you mean "sagemaker_endpoint_invocations_total"?'
    ),
    ROWS + "hot}": "1:46  rows.sagemaker_endpoint_invocations_total: must be a mapping, not 'hot'",
    ROWS + "{pace: 5m}}": "1:53  rows.sagemaker_endpoint_invocations_total.pace: '5m' is not hot or warm or cold",
    ROWS + "{every: 5m}}": (
        "1:47  rows.sagemaker_endpoint_invocations_total.every: unknown key; known are pace, max_age, gauge_delay"
    ),
    ROWS + "{max_age: 900}}": (
        "1:56  rows.sagemaker_endpoint_invocations_total.max_age: '900' is no duration; "
        "it has no unit: write 900s, 900m, ..."
    ),
    ROWS + "{max_age: 2d}}": (
        "1:56  rows.sagemaker_endpoint_invocations_total.max_age: "
        "must be at most 1d: a gauge that old tells nothing of now"
    ),
    "sources: {cloudwatch_metrics: {gauge_delay: 25h}}": (
        "1:45  sources.cloudwatch_metrics.gauge_delay: must be at most 1d: a gauge that old tells nothing of now"
    ),
    # resources and limits
    "resources: {tags: [team]}": "1:19  resources.tags: must be a mapping, not a list",
    "resources: {tags: {team: yes}}": (
        '1:26  resources.tags.team: yes is read as true or false, write "yes" in quotes'
    ),
    "resources: {tags: {day: 2026-01-01}}": (
        '1:25  resources.tags.day: 2026-01-01 is read as a timestamp, write "2026-01-01" in quotes'
    ),
    "limits: {requests_per_second: 5}": "1:31  limits.requests_per_second: must be a mapping, not '5'",
    "limits: {requests_per_second: {ListMetrics: fast}}": (
        "1:45  limits.requests_per_second.ListMetrics: 'fast' is not a number above 0, at most 1,000,000,000"
    ),
    "limits: {requests_per_second: {ListMetrics: -1}}": (
        "1:45  limits.requests_per_second.ListMetrics: '-1' is not a number above 0, at most 1,000,000,000"
    ),
    # ledger and web
    "ledger: {path: true}": '1:16  ledger.path: true is read as true or false, write "true" in quotes',
    'web: {listen_addresses: ":1"}': "1:25  web.listen_addresses: must be a list, not ':1'",
    "web: {listen_addresses: [10940]}": (
        '1:26  web.listen_addresses[0]: 10940 is read as a number, write "10940" in quotes'
    ),
    "web: {port: 1}": "1:7  web.port: unknown key; known are listen_addresses, zero_hold",
    # audit records
    "audit: {output: otlp}": (
        "1:17  audit.output: 'otlp' is not none, stdout or file; records by OTLP come with a later version"
    ),
    "audit: {output: syslog}": "1:17  audit.output: 'syslog' is not none, stdout or file",
    "audit:\n  output: file\n": "2:3  audit.path: must be given for output: file",
    "audit: {rotate: 100}": "1:17  audit.rotate: '100' is no size; it has no unit: write 100kB, 100MB, ...",
    "audit: {rotate: 100mb}": "1:17  audit.rotate: '100mb' is no size; did you mean 100MB?",
    "audit: {rotate: 1 GiB}": "1:17  audit.rotate: '1 GiB' is no size; did you mean 1GB?",
    "audit: {rotate: -1MB}": "1:17  audit.rotate: '-1MB' is no size; write 500kB, 100MB or 1GB",
    "audit: {rotate: daily}": "1:17  audit.rotate: 'daily' is no size; write 500kB, 100MB or 1GB",
    "audit: {rotate: 999kB}": "1:17  audit.rotate: must be at least 1MB, or 0 for never",
    "ledger: {path: /a/b}\naudit: {output: file, path: /a/../a/b}": (
        "2:29  audit.path: is where the ledger is: neither could be read again"
    ),
    "audit: {output: file, path: x}\nledger: {path: x.3}": (
        "1:29  audit.path: is where the ledger is: neither could be read again"
    ),
    # expansion
    "ledger: {path: $HOME}": "1:16  ledger.path: '$' is neither ${NAME} nor $$",
    'ledger: {path: "${NOPE}"}': "1:16  ledger.path: the environment variable NOPE is not set and has no default",
    'ledger: {path: "${NO PE}"}': "1:16  ledger.path: '$' is neither ${NAME} nor $$",
    # no YAML
    "a: [": "1:5  is no YAML: the file ends within a bracket",
    "web:\n  listen_addresses: [':1'\nledger: {}": (
        "2:21  is no YAML: this bracket is not closed, or a comma or a quote is missing in it"
    ),
    "a: b: c": '1:5  is no YAML: a colon too many: quote a text that holds ": ", or indent this line less',
    "\tweb: {}": "1:1  is no YAML: a tab can't indent, use spaces",
    "sources:\n  inventory:\n\t  every: 60s": "3:1  is no YAML: a tab can't indent, use spaces",
    "sources:\n  inventory:\n    every: 60s\n   enabled: true": (
        "4:4  is no YAML: the indentation fits none of the lines above"
    ),
    "sources:\n  inventory:\n    every: 60s\n     enabled: true": (
        '4:13  is no YAML: a colon too many: quote a text that holds ": ", or indent this line less'
    ),
    "families:\n  include: [*_total]": (
        '2:13  is no YAML: *_total stands for nothing; a text that begins with * needs quotes: "*_total"'
    ),
    "families: {include: [%x]}": "1:22  is no YAML: a text that begins with % needs quotes",
    "web: {listen_addresses: [:10940]}": "1:26  is no YAML: a text that begins with : needs quotes",
    'ledger: {path: "abc}': "1:16  is no YAML: this quote is not closed",
    "targets:\n- regions: [eu-west-1]\n  alias prod\n": "3:3  is no YAML: a key without a colon",
    "ledger: {path: ${HOME}}": (
        "1:9  is no YAML: this bracket is not closed, or a comma or a quote is missing in it; ${...} within "
        "brackets needs quotes"
    ),
    ": 1": "1:1  is no YAML: a key is missing before the colon",
    "web: *x": '1:6  is no YAML: *x stands for nothing; a text that begins with * needs quotes: "*x"',
    "web: {}\rtargets: [\r": "3:1  is no YAML: the file ends within a bracket",
    "web: {}\u2028targets: [": "2:11  is no YAML: the file ends within a bracket",
    "a: 1\x85b: 1\r\nc: 1\u2029d: \x00": "4:4  is no YAML: the character #x0000 may not stand in a file",
    "--- {}\n--- {}": "2:1  is no YAML: a second document begins here; only one can be read",
    "ledger: {path: a\x00b}": "1:17  is no YAML: the character #x0000 may not stand in a file",
    "\ufeffweb: {zero_hold: 1}": "1:18  web.zero_hold: '1' is no duration; it has no unit: write 1s, 1m, ...",
    # what YAML has besides
    "web: {<<: {zero_hold: 1s}}": (
        "1:7  web: merging by << is not done here: write the keys out, or let an alias (*name) stand for a whole value"
    ),
    "web: !secret x": "1:6  web: the tag !secret means nothing here",
    "ledger: {path: !!python/object:os.system x}": (
        "1:16  ledger.path: the tag !!python/object:os.system means nothing here"
    ),
    "targets: &a [*a]": "1:10  targets[0]: must be a mapping, not a list",
    "? [a]\n: c": "1:3  a key must be a text, not a list",
    "web: &a {zero_hold: 1s}\nledger: *a": "1:10  ledger.zero_hold: unknown key; known are path",
    # emptiness
    "targets:\n": "1:9  targets: must be a list, not empty; leave the key out",
    "families: {include: }": "1:20  families.include: must be a list, not empty; leave the key out",
    "sources: {inventory: {every: }}": (
        "1:29  sources.inventory.every: must be a duration such as 30s, 5m, 3h or 15d, not empty; leave the key out"
    ),
    "sources: {inventory: {enabled: null}}": (
        "1:32  sources.inventory.enabled: must be true or false, not empty; leave the key out"
    ),
    "resources: {tags: {team: }}": "1:25  resources.tags.team: must be a text, not empty; leave the key out",
    "resources: {include: ['']}": "1:23  resources.include[0]: '' is not a name or a glob such as prod-*",
    # in the wrong place
    "web:\nzero_hold: 1s": "2:1  zero_hold: unknown key; it belongs to web",
    "regions: [eu-west-1]": "1:1  regions: unknown key; it belongs to targets[...]",
    "targets:\n  regions: [eu-west-1]": "2:3  targets: must be a list, not a mapping",
    "sources: {inventory: off}": "1:22  sources.inventory: must be a mapping, not 'off'; write {enabled: false}",
    "apiVersion: v1": (
        "1:1  apiVersion: unknown key; "
        "known are targets, queues, sources, families, rows, resources, labels, limits, ledger, audit, web"
    ),
    # tags as labels
    "labels: {tags: {team: ml}}": "1:16  labels.tags: must be a list, not a mapping",
    "labels: {tags: ['']}": "1:17  labels.tags[0]: must have 1 to 128 characters, as any key of a tag",
    "labels: {tags: ['team*']}": "1:17  labels.tags[0]: 'team*' is no key of a tag: '*' is in none; name each key",
    'labels: {tags: ["a\\nb"]}': "1:17  labels.tags[0]: 'a\\nb' is no key of a tag: '\\n' is in none",
    "labels: {tags: [2026]}": '1:17  labels.tags[0]: 2026 is read as a number, write "2026" in quotes',
    f"labels: {{tags: [{'k' * 129}]}}": "1:17  labels.tags[0]: must have 1 to 128 characters, as any key of a tag",
    "labels:\n  tags:\n    - team\n    - Team": (
        "4:7  labels.tags[1]: Team would be tag_team, as team is: leave one out"
    ),
    "labels: {tags: [cost-center, a, CostCenter]}": (
        "1:33  labels.tags[2]: CostCenter would be tag_cost_center, as cost-center is: leave one out"
    ),
    "labels: {tags: [team, team]}": "1:23  labels.tags[1]: team is given twice",
    "families: {include: [sagemaker_resource_tags_info]}": (
        "1:22  families.include[0]: sagemaker_resource_tags_info shows tags that labels.tags names, and it names none"
    ),
    "limits: {alarms: 5}": "1:10  limits.alarms: unknown key; known are series, usd_per_month, requests_per_second",
    "limits: {series: 0}": "1:18  limits.series: '0' is not a whole number from 1 to 1,000,000,000",
    "limits: {series: -1}": "1:18  limits.series: '-1' is not a whole number from 1 to 1,000,000,000",
    "limits: {series: 1000000001}": ("1:18  limits.series: '1000000001' is not a whole number from 1 to 1,000,000,000"),
    "limits: {series: 010}": (
        "1:18  limits.series: '010' is not a whole number from 1 to 1,000,000,000; a leading 0 may mean octal, write 10"
    ),
    "limits: {usd_per_month: 00.5}": (
        "1:25  limits.usd_per_month: '00.5' is not a number of dollars from 0 to 1,000,000,000; "
        "a leading 0 may mean octal, write 0.5"
    ),
    "limits: {usd_per_month: 1000000000.5}": (
        "1:25  limits.usd_per_month: '1000000000.5' is not a number of dollars from 0 to 1,000,000,000"
    ),
    "limits: {requests_per_second: {ListMetrics: 1000000001}}": (
        "1:45  limits.requests_per_second.ListMetrics: '1000000001' is not a number above 0, at most 1,000,000,000"
    ),
    "limits: {series: \u0661\u0662}": (
        "1:18  limits.series: '\u0661\u0662' is not a whole number from 1 to 1,000,000,000"
    ),
    "web: {zero_hold: \u0661s}": "1:18  web.zero_hold: '\u0661s' is no duration; write 30s, 5m, 3h or 15d",
    "web: {zero_hold: \u0661}": "1:18  web.zero_hold: '\u0661' is no duration; write 30s, 5m, 3h or 15d",
    "limits: {series: 1e5}": "1:18  limits.series: '1e5' is not a whole number from 1 to 1,000,000,000",
    # numbers and texts
    "targets: [{account_id: 012345670123}]": (
        '1:24  targets[0].account_id: 012345670123 is read as a number, write "012345670123" in quotes'
    ),
    "targets: [{account_id: 012345678901}]": (
        '1:24  targets[0].account_id: 012345678901 is read as a number, write "012345678901" in quotes'
    ),
    "targets: [{account_id: 1.23456789012e11}]": (
        "1:24  targets[0].account_id: '1.23456789012e11' is not an account number of twelve digits"
    ),
    "targets: [{account_id: 1234-5678-9012}]": (
        "1:24  targets[0].account_id: '1234-5678-9012' is not an account number of twelve digits; did you mean "
        '"123456789012"?'
    ),
    "targets: [{external_id: 12345, role_arn: 'arn:aws:iam::123456789012:role/x'}]": (
        "1:25  targets[0].external_id: this is read as a number, write it in quotes"
    ),
    "limits: {usd_per_month: $500}": "1:25  limits.usd_per_month: '$' is neither ${NAME} nor $$",
    "limits: {usd_per_month: '500'}": '1:25  limits.usd_per_month: "500" in quotes is a text, write 500 without quotes',
    "limits: {usd_per_month: 500 USD}": (
        "1:25  limits.usd_per_month: '500 USD' is not a number of dollars from 0 to 1,000,000,000"
    ),
    "limits: {usd_per_month: 1e3}": (
        "1:25  limits.usd_per_month: '1e3' is not a number of dollars from 0 to 1,000,000,000"
    ),
    "ledger: {path: =}": '1:16  ledger.path: = is read as YAML\'s own, write "=" in quotes',
    "sources: {inventory: {enabled: yes}}": "1:32  sources.inventory.enabled: 'yes' is not true or false",
    "sources: {inventory: {every: 5min}}": "1:30  sources.inventory.every: '5min' is no duration; did you mean 5m?",
    "sources: {inventory: {every: 5M}}": "1:30  sources.inventory.every: '5M' is no duration; did you mean 5m?",
    "sources: {inventory: {every: 1 month}}": (
        "1:30  sources.inventory.every: '1 month' is no duration; write 30s, 5m, 3h or 15d"
    ),
    "sources: {inventory: {every: 1:30}}": (
        "1:30  sources.inventory.every: '1:30' is no duration; write 30s, 5m, 3h or 15d"
    ),
    "sources: {inventory: {every: 500d}}": "1:30  sources.inventory.every: is longer than 400 days",
    # names of AWS
    "targets: [{role_arn: arn:aws:iam::12345678901:role/x}]": (
        "1:22  targets[0].role_arn: 'arn:aws:iam::12345678901:role/x' is not the ARN of a role: '12345678901' "
        "is no account number of twelve digits"
    ),
    "targets: [{role_arn: 'arn:aws:sts::123456789012:assumed-role/x/me'}]": (
        "1:22  targets[0].role_arn: 'arn:aws:sts::123456789012:assumed-role/x/me' is not the ARN of a role; "
        "did you mean arn:aws:iam::123456789012:role/x?"
    ),
    "targets: [{role_arn: 'arn:aws:iam::123456789012:user/x'}]": (
        "1:22  targets[0].role_arn: 'arn:aws:iam::123456789012:user/x' is not the ARN of a role, but of a user"
    ),
    "targets: [{regions: [eu-west-1a]}]": (
        "1:22  targets[0].regions[0]: 'eu-west-1a' is not a region such as eu-west-1; did you mean eu-west-1?"
    ),
    "targets: [{regions: [EU-WEST-1]}]": (
        "1:22  targets[0].regions[0]: 'EU-WEST-1' is not a region such as eu-west-1; did you mean eu-west-1?"
    ),
    "targets: [{regions: ['*']}]": "1:22  targets[0].regions[0]: '*' is not a region such as eu-west-1",
    "targets: [{regions: [eu-west-1, eu-west-1]}]": "1:33  targets[0].regions[1]: eu-west-1 is given twice",
    "limits: {requests_per_second: {listmetrics: 5}}": (
        '1:32  limits.requests_per_second.listmetrics: is no operation that we call; did you mean "ListMetrics"?'
    ),
    "limits: {requests_per_second: {ListMetrics: [1, 2]}}": (
        "1:45  limits.requests_per_second.ListMetrics: must be a number above 0, not a list"
    ),
    "limits: {requests_per_second: {GetMetricData.datapoints: 90000}}": (
        "1:58  limits.requests_per_second.GetMetricData.datapoints: must be two numbers, as in [90000, 198000]"
    ),
    "limits: {requests_per_second: {GetMetricData.datapoints: [90000]}}": (
        "1:58  limits.requests_per_second.GetMetricData.datapoints: must be a list of 2, not of 1"
    ),
    "limits: {requests_per_second: {GetMetricData.datapoints: [a, 1]}}": (
        "1:59  limits.requests_per_second.GetMetricData.datapoints[0]: 'a' is not a number above 0, at most "
        "1,000,000,000"
    ),
    "rows: {sagemaker_endpoint_status: {}}": (
        "1:8  rows.sagemaker_endpoint_status: is no CloudWatch family: nobody asks for it, more or less often"
    ),
    # one target twice
    "targets: [{}, {}]": (
        "1:15  targets[1]: the ambient account in the ambient region is targets[0] already: all of it would be "
        "counted twice"
    ),
    "targets: [{regions: [eu-west-1]}, {regions: [us-east-1, eu-west-1]}]": (
        "1:57  targets[1].regions[1]: the ambient account in eu-west-1 is targets[0] already: all of it would "
        "be counted twice"
    ),
    (
        "targets:\n- {account_id: '123456789012', regions: [eu-west-1]}\n- {role_arn: "
        "'arn:aws:iam::123456789012:role/x', regions: [eu-west-1]}"
    ): (
        "3:60  targets[1].regions[0]: 123456789012 in eu-west-1 is targets[0] already: all of it would be counted twice"
    ),
    # addresses
    "web: {listen_addresses: [localhost]}": (
        "1:26  web.listen_addresses[0]: 'localhost' is no address; write :10940, 127.0.0.1:10940 or [::1]:10940"
    ),
    "web: {listen_addresses: ['http://localhost:10940']}": (
        "1:26  web.listen_addresses[0]: 'http://localhost:10940' is no address; write :10940, 127.0.0.1:10940 "
        "or [::1]:10940"
    ),
    "web: {listen_addresses: [':99999']}": (
        "1:26  web.listen_addresses[0]: ':99999' is no address; write :10940, 127.0.0.1:10940 or [::1]:10940"
    ),
    "web: {listen_addresses: ['::1']}": (
        "1:26  web.listen_addresses[0]: '::1' is no address; write :10940, 127.0.0.1:10940 or [::1]:10940"
    ),
    "web: {listen_addresses: []}": "1:25  web.listen_addresses: must not be empty",
}


@pytest.mark.parametrize("text", BROKEN)
def test_each_mistake_is_named(text):
    with pytest.raises(ConfigError) as refused:
        parse(text, environment={})
    assert str(refused.value) == f"config.yaml:{BROKEN[text]}\n1 mistake"


def test_all_mistakes_are_named_at_once_in_the_order_of_the_file():
    text = """\
targets:
  - account_id: 123456789012
    regions: [eu-west-1, nowhere]
sources:
  cloudwatch_metrics:
    evry: 60s
    settle: soon
rows: {x: 1}
rows: {}
web: [a]
"""
    with pytest.raises(ConfigError) as refused:
        parse(text, "my.yaml", {})
    assert [line.partition("  ")[0] for line in str(refused.value).splitlines()] == [
        "my.yaml:2:17",
        "my.yaml:3:26",
        "my.yaml:6:5",
        "my.yaml:7:13",
        "my.yaml:8:8",  # of no family
        "my.yaml:8:11",  # no mapping
        "my.yaml:9:1",
        "my.yaml:10:6",
        "8 mistakes",
    ]
    assert [mistake.path for mistake in refused.value.mistakes][:2] == [
        "targets[0].account_id",
        "targets[0].regions[1]",
    ]


def test_a_family_that_does_not_exist_is_named_beside_other_mistakes():
    text = "web: {zero_hold: soon}\nfamilies: {include: [nothing]}\nsources: {inventory: {every: 0s}}"
    with pytest.raises(ConfigError) as refused:
        parse(text)
    assert [mistake.line for mistake in refused.value.mistakes] == [1, 2, 3]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing.yaml:1:1  can't be read: .*No such file"):
        load(tmp_path / "nothing.yaml")


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "config.yaml").write_bytes(b"web: \xff\xfe")
    with pytest.raises(ConfigError, match=r"config.yaml:1:6  is not UTF-8: save the file in that encoding"):
        load(tmp_path / "config.yaml")


def test_a_file_is_read_with_the_environment(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("ledger: {path: '${WHERE}/ü'}", encoding="utf-8")
    assert load(path, {"WHERE": "/x"}).ledger.path == "/x/ü"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources: {inventory: {every: " + "9" * 400 + "s}}", "is longer than 400 days"),
        ('targets: [{regions: ["eu-west-1\\n"]}]', "is not a region such as eu-west-1"),
        ("limits: {series: " + "9" * 5000 + "}", "is not a whole number from 1 to 1,000,000,000"),
        ("limits: {series: 0" + "9" * 5000 + "}", "is not a whole number from 1 to 1,000,000,000"),
        ("limits: {usd_per_month: " + "9" * 400 + "}", "is not a number of dollars from 0 to 1,000,000,000"),
        ("web: {zero_hold: " + "9" * 1_000_000 + "}", "is no duration; it has no unit"),
        ("limits: {requests_per_second: {ListMetrics: 0}}", "'0' is not a number above 0"),
        ("ledger: " + "x" * 5000, f"must be a mapping, not '{'x' * 100}...'"),
        ("x" * 1000 + ": 1", f"{'x' * 100}...: unknown key"),
    ],
    ids=[
        "endless duration",
        "line break",
        "endless number",
        "endless number, padded",
        "no end of dollars",
        "no unit",
        "rate of nothing",
        "long text",
        "long key",
    ],
)
def test_what_is_odd_is_refused(text, said):
    with pytest.raises(ConfigError, match=re.escape(said)) as refused:
        parse(text, environment={})
    assert len(str(refused.value)) < 500


def test_one_wrong_key_hides_no_other():
    text = """\
targets: [{regions: [eu-west-1, eu-west-1]}, {external_id: a, regions: [eu-west-1]}]
families: {include: [nothing, 5, sagemaker_exporter_*]}
limits: {requests_per_second: {Nothing: fast, ListMetrics: [1, 2]}}
web: {listen_addresses: [1, nowhere], zero_hold: soon}
"""
    with pytest.raises(ConfigError) as refused:
        parse(text, environment={})
    assert [mistake.path for mistake in refused.value.mistakes] == [
        "targets[0].regions[1]",
        "targets[1].external_id",
        "targets[1].regions[0]",
        "families.include[0]",
        "families.include[1]",
        "families.include[2]",
        "limits.requests_per_second.Nothing",
        "limits.requests_per_second.Nothing",
        "web.listen_addresses[0]",
        "web.listen_addresses[1]",
        "web.zero_hold",
    ]


def test_a_file_that_is_too_long_is_refused_at_once():
    with pytest.raises(ConfigError, match="1:1  is longer than 1,048,576 characters"):
        parse("# a comment\n" * 100_000)


def test_aliases_do_not_multiply():
    regions = "&r [" + ", ".join(["eu-west-1"] * 1000) + "]"
    text = f"targets: [&t {{regions: {regions}}}, " + ", ".join(["*t"] * 1000) + "]"
    with pytest.raises(ConfigError, match="1:1  holds more than 100,000 values, aliases unfolded"):
        parse(text)


def test_an_alias_stands_for_a_whole_value():
    config = parse("sources: {inventory: {every: &often 30s}, cloudwatch_alarms: {every: *often}}")
    assert config.sources.cloudwatch_alarms.every == 30


def test_a_byte_order_mark_is_no_character():
    assert parse("\ufeffweb: {zero_hold: 1s}").web.zero_hold == 1


@pytest.mark.parametrize(("encoding", "place"), [("utf-16", "1:1"), ("latin-1", "2:16")])
def test_another_encoding_is_named_by_its_first_character(tmp_path, encoding, place):
    (tmp_path / "config.yaml").write_bytes("# ledger\nledger: {path: ü}\n".encode(encoding))
    with pytest.raises(ConfigError, match=f"config.yaml:{place}  is not UTF-8"):
        load(tmp_path / "config.yaml")


def test_datapoints_have_two_rates():
    limits = parse("limits: {requests_per_second: {GetMetricData.datapoints: [9000, 20000], ListMetrics: 2}}").limits
    assert (limits.datapoints, limits.calls) == ((9000.0, 20_000.0), {"ListMetrics": 2.0})
    assert Config().limits.datapoints is None
    assert Limits(requests_per_second={"ListMetrics": 10}).calls == {"ListMetrics": 10}, "as the demo has it"


# -- the fingerprint ---------------------------------------------------------------------------------------------------


def test_the_fingerprint_is_of_what_is_meant():
    same = [parse("web: {zero_hold: 1m}"), parse("# a word\nweb:\n  zero_hold: 60s\n")]
    assert len({fingerprint(config) for config in same}) == 1
    assert fingerprint(parse("web: {zero_hold: 61s}")) != fingerprint(same[0])
    assert fingerprint(Config()) == fingerprint(parse(""))


# -- whatever the file -------------------------------------------------------------------------------------------------


def read(text):
    """Read a text; the only thing that may be raised is a `ConfigError`, with places inside the text."""
    try:
        mistakes = parse(text, environment={"A": "b"}) and ()
    except ConfigError as error:
        mistakes = error.mistakes
    assert all(1 <= mistake.line <= len(text) + 2 and mistake.column >= 1 for mistake in mistakes)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    read(text)


WORDS = """
    targets regions account_id sources inventory every web zero_hold rows families include limits tags
    5m 60 010 true null ~ - : { } [ ] , " ' | > ? # & * ${A} $ &a *a << = !x !!str !!int 1e400 .inf 0x1F 2026-01-01 é
    limits series usd_per_month
"""
ENDS = ["\n", "\r", "\r\n", "\x85", "\u2028", "\u2029"]  # of lines, for YAML
words = st.sampled_from([*WORDS.split(), ": ", "  ", "\t", ", ", "9" * 5000, *ENDS])


numbers = st.from_regex(r"-?[0-9\u0660-\u0669]{1,20}([.e][0-9]{1,20})?(s|m|d)?", fullmatch=True) | st.integers(
    1, 6000
).map("9".__mul__)


@given(st.sampled_from(["limits: {series: %s}", "limits: {usd_per_month: %s}", "web: {zero_hold: %s}"]), numbers)
def test_any_number_is_read_or_refused(text, number):
    read(text % number)


@given(st.lists(words, max_size=40).map("".join))
def test_any_scraps_of_yaml_are_read_or_refused(text):
    read(text)


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
keys = st.sampled_from(["targets", "sources", "families", "rows", "resources", "limits", "ledger", "web"])


@given(st.dictionaries(keys, trees, max_size=4))
def test_any_values_under_the_right_keys_are_read_or_refused(tree):
    read(yaml.safe_dump(tree, allow_unicode=True))


slips = st.tuples(st.integers(0, len(WHOLE) - 1), st.sampled_from(["", *ENDS, *"\t\0 :-[]{}'\"#&*!|>%@`,?0<=$é"]))


@given(st.lists(slips, min_size=1, max_size=3))
def test_any_slips_of_a_finger_in_a_good_file_are_read_or_refused(slips):
    text = list(WHOLE)
    for place, typed in slips:
        text[place] = typed
    read("".join(text))


def test_a_file_that_is_nested_without_end_is_refused():
    try:
        read("[" * 1000)
    except RecursionError:
        pytest.fail("no ConfigError", pytrace=False)  # a traceback of a thousand frames takes seconds to write


def test_a_value_from_the_environment_is_not_repeated():
    with pytest.raises(ConfigError) as refused:
        parse("targets: [{role_arn: '${SECRET}'}]", environment={"SECRET": "hunter2"})
    assert "hunter2" not in str(refused.value)
    assert "'${SECRET}' is not the ARN of a role" in str(refused.value)


@pytest.mark.parametrize(
    ("url", "arn"),
    [
        ("sqs.us-east-1.amazonaws.com/123456789012/a", "arn:aws:sqs:us-east-1:123456789012:a"),
        ("us-east-1.queue.amazonaws.com/123456789012/a", "arn:aws:sqs:us-east-1:123456789012:a"),
        ("sqs-fips.us-gov-west-1.amazonaws.com/123456789012/a", "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:a"),
        ("sqs.cn-north-1.amazonaws.com.cn/123456789012/a", "arn:aws-cn:sqs:cn-north-1:123456789012:a"),
        ("vpce-0ab-1cd.sqs.eu-west-1.vpce.amazonaws.com/123456789012/a", "arn:aws:sqs:eu-west-1:123456789012:a"),
        ("sqs.eu-central-2.api.aws/123456789012/a_b-c.fifo", "arn:aws:sqs:eu-central-2:123456789012:a_b-c.fifo"),
    ],
)
def test_a_queue_is_known_by_its_url(url, arn):
    queue = parse(f"queues: {{a: {{url: 'https://{url}'}}}}").queues["a"]
    assert (queue.arn, queue.accounts, queue.role_arn) == (arn, "targets", None)


def test_a_queue_that_nobody_reads_is_doubted():
    (doubt,) = doubts(parse(f"queues: {{a: {{url: '{QUEUE}'}}}}"))
    assert doubt == "queues.a is read by no source that is enabled: nothing is received from it"


NOT_POLLED = "sources: {job_polling: {enabled: false}, job_events: {enabled: true, queue: q}}"


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", []),
        ("sources: {job_polling: {enabled: false}}", ["sources.cost holds no jobs: no source tells of them"]),
        (
            "families: {exclude: ['*_billable_instance_*']}",
            ["sources.cost holds no jobs: families.exclude names their seconds"],
        ),
        (
            "families: {exclude: [sagemaker_job_instances]}",
            ["sources.cost does not tell what open jobs cost an hour: families.exclude names sagemaker_job_instances"],
        ),
        (
            f"{{queues: {{q: {{url: '{QUEUE}'}}}}, {NOT_POLLED}}}",
            ["sources.cost does not tell what open jobs cost an hour: nobody follows them"],
        ),
        (
            "sources: {inventory: {enabled: false}}",
            ["sources.cost holds jobs alone: what else runs is not known, since sources.inventory is not enabled"],
        ),
        ("sources: {job_polling: {enabled: false}, inventory: {enabled: false}, cost: {enabled: false}}", []),
    ],
)
def test_a_cost_of_which_a_part_is_missing_says_so(text, missing):
    assert list(doubts(parse(text))) == missing


def test_every_operation_may_be_limited():
    rates = ", ".join(f"{operation}: 2" for operation in OPERATIONS)
    assert set(parse(f"limits: {{requests_per_second: {{{rates}}}}}").limits.requests_per_second) == set(OPERATIONS)


@pytest.mark.parametrize(
    ("text", "size"), [("1MB", 10**6), ("100MB", 10**8), ("1.5GB", 1_500_000_000), ("2000kB", 2 * 10**6), ("0", 0)]
)
def test_sizes(text, size):
    assert parse(f"audit: {{rotate: {text}}}").audit.rotate == size


def test_what_is_seldom_meant_is_doubted():
    assert list(doubts(Config())) == []
    (doubt,) = doubts(parse("sources: {cloudtrail: {enabled: false}}\naudit: {output: stdout}"))
    assert doubt == "audit.output is stdout, but no call is known: sources.cloudtrail is not enabled"
    (doubt,) = doubts(parse("sources: {inventory: {every: 5s}}"))
    assert doubt.startswith("sources.inventory.every is 5s")
