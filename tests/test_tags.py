"""Tags as labels, from the fake AWS to the page: of all kinds, as the truth has them, whatever fails."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from pathlib import Path

import pytest
from furnished import WHERE, furnish
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from street import ACCOUNT, REGION, Street
from worlds import T0

from exporter.aws.operations import OPERATIONS
from exporter.catalogue import CATALOGUE, permissions
from exporter.catalogue.labels import patterned
from exporter.catalogue.resources import TAGS_INFO
from exporter.config import parse
from exporter.demo import World
from exporter.demo.resources import Component
from exporter.inventory import COUNTED, KINDS
from exporter.model import DAY, HOUR, MINUTE

README = Path(__file__).parent.parent / "README.md"
SLOW = 5 * MINUTE  # how often tags are listed
AGE = 3 * SLOW
EVERY_KIND = "sources: {inventory: {resource_types: {include: ['*']}}}"


class Account:
    """A street on which only the inventory runs, and no rate limit binds."""

    def __init__(self, text, world=None):
        self.world = world or World()
        self.street = Street(self.world, text=text, kinds=True)
        self.street.aws._rates = dict.fromkeys(OPERATIONS, 1e6)
        self.street.sources = self.street.sources[:1]
        self.given = {}
        self._pages, self.street.aws.pages = self.street.aws.pages, self._noting

    def _noting(self, target, operation, **given):
        self.given[operation] = given
        return self._pages(target, operation, **given)

    @property
    def now(self):
        return self.street.true.time

    def look(self, seconds=MINUTE):
        """Let time pass and look; return the tags that are shown, by the type and the name of the resource."""
        self.street.fake.calls.clear()
        self.snapshot = self.street.cycle(seconds)
        return self.shown()

    def shown(self):
        chunk = self.snapshot.chunks.get((TAGS_INFO, self.street.target))
        found = {}
        for labels, value in zip(chunk.labels, chunk.columns[""], strict=True) if chunk else ():
            assert labels[:2] == (ACCOUNT, REGION)
            assert value == 1.0
            assert labels[2:4] not in found, "one series for each resource"
            found[labels[2:4]] = dict(zip(labels[4::2], labels[5::2], strict=True))
        return found

    def asked(self):
        return [call for call in self.street.fake.calls if call["call"].endswith(".GetResources")]

    def page(self):
        return self.street.renderer.render(self.snapshot)


@pytest.fixture
def account():
    """Make accounts, which end with the test."""
    made = []

    def make(text, world=None):
        made.append(Account(text, world))
        return made[-1]

    yield make
    for one in made:
        one.street.kill()


def text_of(member):
    return gzip.decompress(member.gzip).decode()


def series_of(families):
    return [sample.labels for family in families if family.name == TAGS_INFO for sample in family.samples]


# -- which resources, under which names --------------------------------------------------------------------------------


def tag_all(world):
    """Give a tag that tells its kind to all that there is."""
    place = world.region(*WHERE)
    for endpoint in place.endpoints_at(T0):
        endpoint.tags["Kind"] = "endpoint"
    for thing in place.things:
        thing.tags |= {"Kind": thing.kind.name, "Other": "x"}
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:"
    for kind, word in {
        "pipeline": "pipeline/train",
        "model_card": "model-card/card",
        "flow_definition": "flow-definition/review",
        "monitoring_schedule": "monitoring-schedule/quality",
        "endpoint_config": f"endpoint-config/{next(iter(place.configs)).lower()}",
    }.items():
        place.tags[arn + word] = {"Kind": kind}
    return world


@pytest.fixture(scope="module")
def everything():
    world = furnish(World())
    world.add_component(*WHERE, Component("Llama", "churn", "AllTraffic", T0 - HOUR, tags={"Kind": "x"}))
    made = Account(f"labels: {{tags: [Kind, absent]}}\n{EVERY_KIND}", tag_all(world))
    made.look()
    yield made
    made.street.kill()


def test_every_kind_of_resource_shows_its_tags(everything):
    shown = everything.shown()
    assert [(run.outcome, run.failures) for run in everything.street.runs] == [("ok", ())]
    assert {kind for kind, _ in shown} == set(CATALOGUE[TAGS_INFO].known("resource_type"))
    for (kind, _), tags in shown.items():
        assert tags == {"tag_kind": "x" if kind == "inference_component" else kind}


def test_resources_are_called_as_other_families_call_them(everything):
    shown = everything.shown()
    names = {kind: {name for of, name in shown if of == kind} for kind, _ in shown}
    assert names["endpoint"] == {"churn"}
    assert names["inference_component"] == {"Llama"}
    assert names["notebook_instance"] == {"nb-0", "nb-1", "nb-2", "old"}
    assert names["cluster"] == {"frontier"}, "though its ARN has an id"
    assert names["domain"] == {"d-000000000001"}, "the domain_id of other families, not the name that people gave it"
    assert names["space"] == {"d-000000000001/lab"}
    assert names["user_profile"] == {"d-000000000001/ann"}
    assert names["app"] == {"d-000000000001/lab/JupyterLab/default"}
    assert names["compute_quota"] == {"team"}, "its own name, not an id that no other family has"
    assert names["partner_app"] == {"some-partner-app"}


def test_all_kinds_are_asked_for_in_one_call_and_nothing_else_is(everything):
    assert len(everything.asked()) == 1
    kinds = everything.given["GetResources"]["ResourceTypeFilters"]
    assert len(set(kinds)) == len(kinds) == len(CATALOGUE[TAGS_INFO].known("resource_type"))
    assert {kind.partition(":")[0] for kind in kinds} == {"sagemaker"}
    assert not {"sagemaker:model-package", "sagemaker:training-job"} & set(kinds), "there may be a million"
    census = everything.street.inventory.census(everything.street.target)
    assert all(set(tags) == {"Kind"} for tags in census.tags.values()), "what nobody shows is not kept"
    things = [thing for listed in census.things.values() for thing in listed.by_key.values()]
    assert all(bool(thing.tagged_as) == KINDS[thing.kind].counted for thing in things)


def test_without_labels_nothing_of_it_is_asked_or_kept(account):
    one = account("families: {include: ['*']}", tag_all(furnish(World())))
    assert one.look() == {}
    assert one.asked() == []
    census = one.street.inventory.census(one.street.target)
    assert not any(thing.tagged_as for listed in census.things.values() for thing in listed.by_key.values())


# -- tags come and go --------------------------------------------------------------------------------------------------


def test_tags_appear_change_and_vanish_with_the_next_listing_of_them(account):
    one = account("labels: {tags: [team, CostCenter]}")
    endpoint = one.world.add_endpoint(*WHERE, "Churn", T0 - DAY)
    assert one.look() == {}
    endpoint.tags |= {"team": "ml", "other": "x"}
    assert one.look(MINUTE) == {}, "tags are listed seldom"
    assert one.look(SLOW) == {("endpoint", "Churn"): {"tag_team": "ml"}}
    endpoint.tags |= {"team": "risk", "CostCenter": "7"}
    assert one.look(SLOW) == {("endpoint", "Churn"): {"tag_team": "risk", "tag_cost_center": "7"}}
    del endpoint.tags["team"]
    assert one.look(SLOW) == {("endpoint", "Churn"): {"tag_cost_center": "7"}}
    endpoint.tags["CostCenter"] = ""
    assert one.look(SLOW) == {("endpoint", "Churn"): {"tag_cost_center": ""}}, "there it is, with nothing in it"
    endpoint.tags.clear()
    assert one.look(SLOW) == {}


def test_what_is_deleted_takes_its_tags_with_it_at_once(account):
    one = account("labels: {tags: [team]}")
    one.world.add_endpoint(*WHERE, "churn", T0 - DAY, tags={"team": "ml"})
    notebook = one.world.add_thing(*WHERE, "notebook_instance", "nb", T0 - DAY, tags={"team": "risk"})
    assert set(one.look()) == {("endpoint", "churn"), ("notebook_instance", "nb")}
    one.world.delete_thing(*WHERE, notebook, one.now + 1)
    assert set(one.look(MINUTE)) == {("endpoint", "churn")}
    one.world.delete_endpoint(*WHERE, "churn", one.now + 1)
    assert one.look(MINUTE) == {}
    assert one.asked() == []


def test_labels_stand_in_the_order_of_the_configuration(account):
    one = account("labels: {tags: [b, a, c]}")
    one.world.add_endpoint(*WHERE, "churn", T0 - DAY, tags={"a": "1", "b": "2"})
    one.look()
    (labels,) = one.snapshot.chunks[TAGS_INFO, one.street.target].labels
    assert labels[2:] == ("endpoint", "churn", "tag_b", "2", "tag_a", "1")


def test_a_single_key_is_filtered_by_aws(account):
    for keys, filters in (("[team]", [{"Key": "team"}]), ("[team, stage]", None)):
        one = account(f"labels: {{tags: {keys}}}")
        one.world.add_endpoint(*WHERE, "churn", T0 - DAY, tags={"team": "ml"})
        one.world.add_endpoint(*WHERE, "fraud", T0 - DAY, tags={"else": "x"})
        assert one.look() == {("endpoint", "churn"): {"tag_team": "ml"}}
        assert one.given["GetResources"].get("TagFilters") == filters


# -- what is wanted ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resources", "shown"),
    [
        ("{}", {"churn", "fraud", "nb-churn"}),
        ("{include: ['*churn']}", {"churn", "nb-churn"}),
        ("{exclude: [nb-*]}", {"churn", "fraud"}),
        ("{tags: {stage: prod}}", {"fraud", "nb-churn"}),  # endpoints alone are chosen by tags
        ("{tags: {team: m*}}", {"churn", "nb-churn"}),
    ],
)
def test_only_what_is_wanted_shows_its_tags(account, resources, shown):
    one = account(f"{{labels: {{tags: [team]}}, resources: {resources}}}")
    one.world.add_endpoint(*WHERE, "churn", T0 - DAY, tags={"team": "ml"})
    one.world.add_endpoint(*WHERE, "fraud", T0 - DAY, tags={"team": "risk", "stage": "prod"})
    one.world.add_thing(*WHERE, "notebook_instance", "nb-churn", T0 - DAY, tags={"team": "nb"})
    assert {name for _, name in one.look()} == shown


def test_what_chooses_is_listed_beside_what_is_shown(account):
    one = account("{labels: {tags: [team]}, resources: {tags: {stage: prod}}}")
    one.world.add_endpoint(*WHERE, "churn", T0 - DAY, tags={"stage": "prod"})
    one.world.add_endpoint(*WHERE, "fraud", T0 - DAY, tags={"team": "risk"})
    assert one.look() == {}
    created = one.snapshot.chunks["sagemaker_endpoint_created_timestamp_seconds", one.street.target]
    assert [labels[2] for labels in created.labels] == ["churn"], "though it has none of what is shown"


def test_a_kind_that_is_not_looked_at_shows_none(account):
    world = tag_all(furnish(World()))
    only = "sources: {inventory: {resource_types: {exclude: [model, endpoint]}}}"
    shown = account(f"labels: {{tags: [Kind]}}\n{only}", world).look()
    kinds = {kind for kind, _ in shown}
    assert not kinds & {"model", "hub"}
    assert "endpoint" in kinds, "not counted, but there are other families about it"


def test_kinds_are_looked_at_for_their_tags_alone(account):
    one = account(f"labels: {{tags: [Kind]}}\nfamilies: {{exclude: [{COUNTED}]}}", tag_all(furnish(World())))
    assert ("model", "some-model") in one.look()


# -- bad days ----------------------------------------------------------------------------------------------------------


def test_tags_that_can_not_be_listed_stay_for_their_time(account):
    one = account("labels: {tags: [team]}")
    one.world.add_endpoint(*WHERE, "churn", T0 - DAY, tags={"team": "ml"})
    good = one.look()
    one.street.fake.faults.add("deny", operation="GetResources")
    assert one.look(SLOW) == good
    (run,) = one.street.runs
    assert run.outcome == "partial"
    assert [(failure.scope, failure.error_class) for failure in run.failures] == [("GetResources", "denied")]
    assert one.look(AGE - SLOW - 1) == good
    assert one.look(1) == {}
    one.street.fake.faults.clear()
    assert one.look() == good


@pytest.mark.parametrize("fault", ["garbage", "truncated", "empty", "http_500"])
def test_half_a_listing_of_tags_is_none(account, fault):
    one = account("labels: {tags: [team, stage]}")
    for n in range(150):
        one.world.add_endpoint(*WHERE, f"e-{n}", T0 - DAY, tags={"team": "ml"})
    assert len(one.look()) == 150
    one.street.fake.faults.add(fault, operation="GetResources")
    assert len(one.look(SLOW)) == 150


def test_what_can_not_be_listed_itself_keeps_its_tags_as_long_as_what_else_is_told_of_it(account):
    one = account("labels: {tags: [team]}")
    one.world.add_thing(*WHERE, "notebook_instance", "nb", T0 - DAY, tags={"team": "risk"}, InstanceType="ml.t3.medium")
    good = one.look()
    one.street.fake.faults.add("deny", operation="ListNotebookInstances")
    status = ("sagemaker_notebook_instance_status", one.street.target)
    for seconds, stays in ((SLOW, True), (AGE - SLOW - 1, True), (1, False)):
        assert one.look(seconds) == (good if stays else {})
        assert (status in one.snapshot.chunks) is stays


def test_a_slow_timer_leaves_no_gap(account):
    one = account("labels: {tags: [team]}\nsources: {inventory: {list_metrics_every: 1h}}")
    one.world.add_endpoint(*WHERE, "churn", T0 - DAY, tags={"team": "ml"})
    for _ in range(20):
        assert one.look(HOUR / 10)


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_tags_that_do_not_fit_are_left_out_resource_by_resource(account):
    one = account("labels: {tags: [team]}\nlimits: {series: 50}")
    for n in range(60):
        one.world.add_thing(*WHERE, "model", f"m-{n:02}", T0 - DAY, tags={"team": "ml"})
    shown = one.look()
    assert 0 < len(shown) < 60
    own = {name for name, row in CATALOGUE.items() if row.source == "own"}
    assert sum(chunk.series for (family, _), chunk in one.snapshot.chunks.items() if family not in own) <= 50
    assert one.street.admission.dropped() >= 60 - len(shown)
    assert one.look() == shown


def test_an_hour_takes_as_many_calls_as_are_forecast(account):
    one = account(f"labels: {{tags: [team, stage]}}\n{EVERY_KIND}", tag_all(furnish(World())))
    for n in range(120):
        one.world.add_thing(*WHERE, "model", f"m-{n}", T0 - DAY, tags={"team": "ml"})
    one.look()
    (source,) = one.street.sources
    forecast = source.forecast({one.street.target: one.street.inventory.census(one.street.target)}, 0.0, 0.0)
    calls = 0
    for _ in range(60):
        one.look(MINUTE)
        calls += len(one.asked())
    assert calls == forecast.calls["GetResources"] == 2 * 12


def test_the_policy_allows_it_to_who_shows_it():
    config = parse("labels: {tags: [team]}")
    policy = permissions.policy(permissions.ACTIONS, config.tagged)["Statement"]
    assert [one["Sid"] for one in policy if "tag:GetResources" in one["Action"]] == ["Inventory"]


# -- what Prometheus reads ---------------------------------------------------------------------------------------------

ODD = {
    "team": 'a "quoted"\\ one',
    "aws:cloudformation:stack-name": "line\nbreak\tand more",
    "Équipe 2": "Ünïcode 部門 🎈",
    "CostCenter": "=1+1@x.y",
    "long": "x" * 5000,
}


@pytest.fixture
def odd(account):
    keys = json.dumps(list(ODD), ensure_ascii=False)
    one = account(f"labels: {{tags: {keys}}}")
    one.world.add_endpoint(*WHERE, "churn", T0 - DAY, tags=dict(ODD))
    one.world.add_endpoint(*WHERE, "fraud", T0 - DAY, tags={"CostCenter": "7"})
    assert set(one.look()) == {("endpoint", "churn"), ("endpoint", "fraud")}
    return one


def test_odd_keys_and_values_are_read_back(odd):
    page = odd.page()
    for series in (series_of(read_text(text_of(page.text))), series_of(read_openmetrics(text_of(page.openmetrics)))):
        churn, fraud = sorted(series, key=lambda labels: labels["resource_name"])
        where = {"account_id": ACCOUNT, "region": REGION, "resource_type": "endpoint"}
        long = churn.pop("tag_long")
        assert (long[:1024], len(long)) == ("x" * 1024, 1024 + 3 + 8)
        assert churn == {
            **where,
            "resource_name": "churn",
            "tag_team": ODD["team"],
            "tag_aws_cloudformation_stack_name": ODD["aws:cloudformation:stack-name"],
            "tag__quipe_2": ODD["Équipe 2"],
            "tag_cost_center": "=1+1@x.y",
        }
        assert fraud == {**where, "resource_name": "fraud", "tag_cost_center": "7"}


def test_promtool_has_no_complaint(odd, require_tool):
    checked = subprocess.run(
        [require_tool("promtool"), "check", "metrics"],
        input=text_of(odd.page().text),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_the_readme_joins_them(account, require_tool, tmp_path):
    """On the page as it is: a duplicate under resource_name would make the join fail."""
    found = re.search(r"^sum by \(tag_team\) .*?\)\)$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    one = account("labels: {tags: [team, stage]}")
    for name, tags in {"churn": {"team": "ml", "stage": "prod"}, "fraud": {"team": "ml"}, "plain": {}}.items():
        one.world.add_endpoint(*WHERE, name, T0 - DAY, tags=tags)
        one.world.add_thing(*WHERE, "model", name, T0 - DAY, tags=tags)
    one.look()
    lines = [line for line in text_of(one.page().text).splitlines() if line.startswith(f"{TAGS_INFO}{{")]
    assert len(lines) == 4
    series = [{"series": line.rpartition(" ")[0], "values": "1x20"} for line in lines]
    for name in ("churn", "fraud", "plain"):
        where = f'account_id="{ACCOUNT}",region="{REGION}",endpoint_name="{name}",variant_name="a"'
        series.append({"series": f"sagemaker_endpoint_invocations_total{{{where}}}", "values": "0+60x20"})
    expected = {"expr": found[0], "eval_time": "20m", "exp_samples": [{"labels": '{tag_team="ml"}', "value": 2}]}
    tests = tmp_path / "tests.yml"
    tests.write_text(json.dumps({"tests": [{"input_series": series, "promql_expr_test": [expected]}]}))
    run = subprocess.run(
        [require_tool("promtool"), "test", "rules", tests], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@given(st.text(max_size=128))
def test_whatever_the_key_its_label_is_one_for_prometheus(key):
    label = patterned("tag_*", key)
    line = f'a{{{label}="x"}} 1\n'
    ((sample,),) = [family.samples for family in read_text(line)]
    assert sample.labels == {label: "x"}
    assert label.isascii()
    assert label == label.lower()
