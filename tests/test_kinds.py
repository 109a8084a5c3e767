"""The table of kinds of things: equal to the contract, and made of what SageMaker has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from botocore.loaders import Loader

from exporter.catalogue.resources import TAGS_INFO
from exporter.inventory.kinds import COUNTED, KINDS, WITH_ENDPOINTS, counted, wanted

CONTRACT = yaml.safe_load((Path(__file__).parent / "contract" / "families.yaml").read_text())
PROMISED = {row["resource_type"]: row for row in CONTRACT["resource_types"]}
FAMILIES = {family["family"]: family for family in CONTRACT["families"]}
ROWS = [pytest.param(kind, id=kind.name) for kind in KINDS.values()]
CALLS = [pytest.param(kind, call, id=call.operation) for kind in KINDS.values() for call in kind.calls]
TYPES = {str: {"string"}, float: {"integer", "long", "double", "timestamp"}, bool: {"boolean"}}

MODEL = Loader().load_service_model("sagemaker", "service-2")
OPERATIONS, SHAPES = MODEL["operations"], MODEL["shapes"]


def takes(operation):
    return SHAPES[OPERATIONS[operation]["input"]["shape"]]


def gives(operation, member=""):
    """Return the name of the shape of an answer, or of an item in one."""
    shape = OPERATIONS[operation]["output"]["shape"]
    return SHAPES[SHAPES[shape]["members"][member]["shape"]]["member"]["shape"] if member else shape


def at(shape, path):
    """Return the shape at a dotted path; of a list, that of an item."""
    for name in path.split("."):
        shape = SHAPES[shape]["members"][name.removesuffix("[]")]["shape"]
        if name.endswith("[]"):
            shape = SHAPES[shape]["member"]["shape"]
    return shape


def check_facts(shape, facts):
    for path, kind in facts.items():
        if path.endswith("[]"):
            check_facts(at(shape, path), kind)
        else:
            assert SHAPES[at(shape, path)]["type"] in TYPES[kind], path


def check_fixed(operation, fixed):
    members = takes(operation)["members"]
    assert set(fixed) <= set(members)
    for name, value in fixed.items():
        words = SHAPES[members[name]["shape"]].get("enum", ())
        assert not words or value in words, name
    assert {"SortBy", "SortOrder"} & set(members) == {"SortBy", "SortOrder"} & set(fixed)


def test_kinds_are_those_of_the_contract():
    counted_ones = [kind.name for kind in KINDS.values() if kind.counted]
    assert sorted([*counted_ones, *WITH_ENDPOINTS]) == sorted(PROMISED)
    assert {name for name, kind in KINDS.items() if not kind.counted} == {"model_package"}


@pytest.mark.parametrize("kind", [one for one in ROWS if one.values[0].counted])
def test_a_kind_is_as_the_contract_has_it(kind):
    assert PROMISED[kind.name] == {
        "resource_type": kind.name,
        "list": kind.operation,
        "statuses": list(kind.statuses),
        "asked": "by default" if kind.asked else "when named",
    }


@pytest.mark.parametrize("kind", ROWS)
def test_a_kind_is_listed_as_sagemaker_says(kind):
    assert "required" not in takes(kind.operation)
    assert "NextToken" in takes(kind.operation)["members"]
    check_fixed(kind.operation, kind.fixed)
    assert kind.fixed["MaxResults"] == SHAPES[takes(kind.operation)["members"]["MaxResults"]["shape"]]["max"]
    assert kind.fixed.get("SortOrder", "Ascending").lower() == "ascending"
    item = gives(kind.operation, kind.member)
    for field in (*kind.names, *filter(None, (kind.called,))):
        assert SHAPES[at(item, field)]["type"] == "string"
    for field in filter(None, (kind.created, kind.modified)):
        assert SHAPES[at(item, field)]["type"] == "timestamp"
    check_facts(item, kind.facts)


@pytest.mark.parametrize("kind", ROWS)
def test_a_time_that_sagemaker_tells_is_read(kind):
    members = SHAPES[gives(kind.operation, kind.member)]["members"]
    assert bool(kind.created) == bool({"CreationTime", "CreateDate"} & set(members))
    assert bool(kind.modified) == bool({"LastModifiedTime", "LastUpdatedDate"} & set(members))


@pytest.mark.parametrize("kind", ROWS)
def test_an_arn_that_sagemaker_tells_is_read_and_spells_the_kind_so(kind):
    members = SHAPES[gives(kind.operation, kind.member)]["members"]
    own = {"Arn", kind.names[0].removesuffix("Arn").removesuffix("Name").removesuffix("Id") + "Arn"} & set(members)
    assert own == ({kind.arn} if kind.arn else set())
    if not kind.arn:
        assert kind.names[0] == "DomainId", "in a domain, and of its names alone"
        return
    shape = SHAPES[members[kind.arn]["shape"]]
    assert shape["type"] == "string"
    assert re.search(rf":{kind.arn_type}\\?/", shape.get("pattern", f":{kind.arn_type}/")) or shape["pattern"] == ".*"


def test_all_kinds_fit_into_one_listing_of_tags():
    """GetResources takes at most 100 types."""
    assert len({kind.arn_type for kind in KINDS.values()}) == len(KINDS) <= 98


@pytest.mark.parametrize("kind", [one for one in ROWS if one.values[0].status])
def test_statuses_are_those_of_sagemaker(kind):
    assert set(SHAPES[at(gives(kind.operation, kind.member), kind.status)]["enum"]) == set(kind.statuses)
    assert kind.steady <= set(kind.statuses)
    assert bool(kind.steady) == bool([call for call in kind.calls if not call.always])


@pytest.mark.parametrize(("kind", "call"), CALLS)
def test_what_else_is_asked_is_asked_as_sagemaker_says(kind, call):
    members = takes(call.operation)["members"]
    assert set(takes(call.operation).get("required", ())) <= set(call.parameters)
    assert set(call.parameters) <= set(members)
    assert set(call.parameters.values()) <= set(kind.names)
    assert set(call.watches) <= set(kind.facts)
    assert call.only <= set(kind.statuses)
    check_fixed(call.operation, call.fixed)
    check_facts(gives(call.operation, call.member), call.facts)
    assert call.newest == (call.fixed.get("MaxResults") == 1)


def test_a_signal_tells_of_things_as_they_are_called():
    (kind,) = [kind for kind in KINDS.values() if kind.signal]
    signal = kind.signal
    check_fixed(signal.operation, signal.fixed)
    assert SHAPES[takes(signal.operation)["members"][signal.since]["shape"]]["type"] == "timestamp"
    assert signal.fixed["SortOrder"] == "Descending"
    item = gives(signal.operation, signal.member)
    assert at(item, signal.of) == at(gives(kind.operation, kind.member), kind.names[0])
    check_facts(item, signal.facts)


def test_every_family_that_is_listed_belongs_to_a_kind():
    """Those of endpoints have a room of their own."""
    told = {name for kind in KINDS.values() for name in kind.families}
    told |= {name for kind in KINDS.values() for call in kind.calls for name in call.families}
    of_endpoints = {"endpoints", "inference_components", "async_endpoints", "serverless_endpoints"}
    promised = {
        name
        for name, family in FAMILIES.items()
        if family["source"] == "inventory" and family["subject"] not in of_endpoints
    }
    counted_too = {name for name in told if FAMILIES[name]["source"] != "inventory"}  # by who looks at what is listed
    assert told - counted_too == promised - {COUNTED, TAGS_INFO}


# -- what is asked -----------------------------------------------------------------------------------------------------


def asked(*on, kinds=()):
    return {one.kind.name: [call.operation for call in one.calls] for one in wanted(lambda name: name in on, kinds)}


def test_a_kind_of_which_nothing_is_shown_is_not_asked():
    assert asked() == {}
    assert asked("sagemaker_domain_info") == {"domain": []}
    assert asked("sagemaker_notebook_instances", "sagemaker_domain_info") == {"notebook_instance": [], "domain": []}


def test_what_is_told_by_a_call_needs_the_call_and_the_listing():
    assert asked("sagemaker_training_plan_instances") == {"training_plan": ["DescribeTrainingPlan"]}
    assert asked("sagemaker_cluster_node_status") == {"cluster": ["ListClusterNodes"]}
    assert asked("sagemaker_cluster_nodes") == {"cluster": ["ListClusterNodes", "DescribeCluster"]}
    assert asked("sagemaker_model_package_group_packages") == {"model_package_group": [], "model_package": []}


def test_what_is_counted_is_listed_if_the_count_is_shown():
    assert asked(COUNTED, kinds={"model", "hub", "endpoint"}) == {"model": [], "hub": []}
    assert asked("sagemaker_domain_info", kinds={"model"}) == {"domain": []}


def test_what_is_tagged_is_listed_if_tags_are_shown():
    assert asked(TAGS_INFO, kinds={"model", "hub", "endpoint"}) == {"model": [], "hub": []}


def test_which_kinds_are_counted():
    by_default = {name for name, row in PROMISED.items() if row["asked"] == "by default"}
    assert counted((), ()) == by_default
    assert counted(("hub", "work*"), ()) == by_default | {"hub", "workforce", "workteam"}
    assert counted(("*",), ("model*", "endpoint")) == set(PROMISED) - {
        "model",
        "model_package_group",
        "model_card",
        "endpoint",
    }
    assert "model_package" not in counted(("*",), ())
