"""The table of job types: equal to the contract, and made of what AWS's services have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from botocore.loaders import Loader
from hypothesis import given
from hypothesis import strategies as st

from exporter.jobs import (
    JOB_STATUSES,
    JOB_TYPES,
    PHASES,
    RULE_STATUSES,
    STEP_STATUSES,
    STEP_TYPES,
    STEPS,
    TOLD_BY,
    spelled,
)

CONTRACT = yaml.safe_load((Path(__file__).parent / "contract" / "families.yaml").read_text())
PROMISED = {row["job_type"]: row for row in CONTRACT["job_types"]}
KINDS = [pytest.param(kind, id=kind.name) for kind in JOB_TYPES.values()]
LOADER = Loader()


class Service:
    """What the SDK knows of a service."""

    def __init__(self, name):
        model = LOADER.load_service_model(name, "service-2")
        self.operations, self.shapes = model["operations"], model["shapes"]

    def takes(self, operation):
        return self.shapes[self.operations[operation]["input"]["shape"]]["members"]

    def required(self, operation):
        return set(self.shapes[self.operations[operation]["input"]["shape"]].get("required", ()))

    def gives(self, operation):
        return self.operations[operation]["output"]["shape"]

    def at(self, shape, path):
        """Return the shape at a dotted path."""
        for name in path.removesuffix("[]").split("."):
            shape = self.shapes[shape]["members"][name.removesuffix("[]")]["shape"]
            if name.endswith("[]"):
                shape = self.item(shape)
        return shape

    def item(self, shape):
        return self.shapes[shape]["member"]["shape"]

    def words(self, shape):
        return tuple(self.shapes[shape]["enum"])


SERVICES = {name: Service(name) for name in ("sagemaker", "sagemaker-a2i-runtime")}
SAGEMAKER = SERVICES["sagemaker"]


def paths(fields):
    """Yield what a job's facts are and the paths to them."""
    for name in fields.__struct_fields__:
        value = getattr(fields, name)
        if name == "parents":
            yield from (("parent", path) for _, path in value)
        elif isinstance(value, tuple):
            yield from ((name, path) for path in value)
        elif value:
            yield name, value


def check_listing(service, listing, must):
    takes = service.takes(listing.operation)
    assert {*listing.fixed, listing.since} <= set(takes)
    assert service.required(listing.operation) == must
    assert "NextToken" in takes
    assert service.shapes[takes[listing.since]["shape"]]["type"] == "timestamp"
    assert listing.fixed["MaxResults"] == service.shapes[takes["MaxResults"]["shape"]]["max"]
    assert listing.fixed["SortOrder"] == "Descending"
    for name, value in listing.fixed.items():
        words = service.shapes[takes[name]["shape"]].get("enum", ())
        assert not words or value in words
    assert ("SortBy" in takes) == ("SortBy" in listing.fixed)
    if "SortBy" in takes:
        assert re.fullmatch("creation_?time", listing.fixed["SortBy"], re.IGNORECASE)
    return service.item(service.at(service.gives(listing.operation), listing.member))


def test_types_are_those_of_the_contract():
    assert list(JOB_TYPES) == list(PROMISED) == CONTRACT["enums"]["job_type"]
    assert CONTRACT["enums"]["job_status"] == list(JOB_STATUSES)
    assert CONTRACT["enums"]["training_secondary_status"] == list(PHASES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_type_is_as_the_contract_has_it(kind):
    said = {key: [spelled(kind, status) for status in getattr(kind, key)] for key in ("open", "ended", "removed")}
    said |= {"job_type": kind.name, "list": kind.listing.operation, "event": kind.detail_type or "none"}
    assert said == PROMISED[kind.name]
    assert kind.first in kind.open
    assert (kind.event is None) == (kind.detail_type is None)
    assert (kind.answer is None) == (kind.description is None)


def test_a_job_is_created_in_its_first_status():
    others = {
        "compilation": "Starting",
        "optimization": "Starting",
        "edge_packaging": "Starting",
        "labeling": "Initializing",
        "inference_recommendations": "Pending",
        "inference_experiment": "Creating",
        "pipeline_execution": "Executing",
        "monitoring_execution": "Pending",
    }
    assert {kind.name: spelled(kind, kind.first) for kind in JOB_TYPES.values()} == {
        name: others.get(name, "InProgress") for name in JOB_TYPES
    }


def test_events_are_found_by_their_detail_types():
    promised = {row["event"] for row in PROMISED.values()} - {"none"}
    assert set(TOLD_BY) == promised < set(CONTRACT["enums"]["detail_type"])
    assert all(kind.detail_type == told_by for told_by, kind in TOLD_BY.items())


@pytest.mark.parametrize("kind", KINDS)
def test_a_type_is_listed_as_its_service_says(kind):
    service = SERVICES[kind.service]
    parent = {kind.parent.parameter} if kind.parent else set()
    of_category = {"JobCategory"} if "JobCategory" in kind.listing.fixed else set()
    shape = check_listing(service, kind.listing, parent | of_category)
    check_fields(service, shape, kind.summary)
    assert set(service.words(service.at(shape, kind.summary.status))) == set(kind.statuses)
    if kind.parent:
        above = check_listing(SAGEMAKER, kind.parent.listing, set())
        assert SAGEMAKER.at(above, kind.parent.field)
        assert not kind.parent.used or SAGEMAKER.shapes[SAGEMAKER.at(above, kind.parent.used)]["type"] == "timestamp"


@pytest.mark.parametrize("kind", [one for one in KINDS if one.values[0].description])
def test_a_type_is_described_as_its_service_says(kind):
    service, description = SERVICES[kind.service], kind.description
    assert service.required(description.operation) == {description.parameter, *description.fixed}
    takes = service.takes(description.operation)
    for name, value in description.fixed.items():
        assert value in service.words(takes[name]["shape"])
    assert description.parameter.endswith("Arn") == description.by_arn
    shape = service.gives(description.operation)
    check_fields(service, shape, kind.answer)
    assert kind.answer.arn
    assert service.words(service.at(shape, kind.answer.status)) == service.words(
        service.at(check_listing(service, kind.listing, service.required(kind.listing.operation)), kind.summary.status)
    )


TYPES = {
    "created": "timestamp",
    "started": "timestamp",
    "ended": "timestamp",
    "modified": "timestamp",
    "scheduled": "timestamp",
    "transitions": "list",
    "instances": "structure",
    "run_seconds": "integer",
    "billable_seconds": "integer",
    "spot": "boolean",
    "max_runtime": "integer",
    "child_jobs": "structure",
    "child_objectives": "structure",
    "child_jobs_limit": "integer",
    "label_counters": "structure",
    "warm_pool": "structure",
    "billable_tokens": "long",
    "debugger_rules": "list",
    "profiler_rules": "list",
    "progress": "structure",
    "final_values": "list",
    "best_objective": "structure",
    "recommendations": "list",
}
MEMBERS = {  # of the objects that some facts are read from, or of those in a list
    "instances": {"InstanceType", "InstanceCount"},
    "transitions": {"Status", "StartTime", "EndTime"},
    "debugger_rules": {"RuleConfigurationName", "RuleEvaluationStatus", "LastModifiedTime"},
    "profiler_rules": {"RuleConfigurationName", "RuleEvaluationStatus", "LastModifiedTime"},
    "progress": {"CurrentStep", "TotalStepCountPerEpoch", "CurrentEpoch", "MaxEpoch"},
    "final_values": {"MetricName", "Value"},
    "best_objective": {"MetricName", "Value"},
    "recommendations": {"Metrics", "EndpointConfiguration"},
}


def check_fields(service, shape, fields):
    for name, path in paths(fields):
        found = service.at(shape, path)
        assert service.shapes[found]["type"] == TYPES.get(name, "string"), path
        if name in MEMBERS:
            holder = service.item(found) if service.shapes[found]["type"] == "list" else found
            assert MEMBERS[name] <= set(service.shapes[holder]["members"])


def test_what_else_is_read_is_there():
    shapes = SAGEMAKER.shapes
    for holder in ("ResourceConfig", "ProcessingClusterConfig"):
        assert {"SelectedInstanceType", "SelectedInstanceCount"} <= set(shapes[holder]["members"])
    assert SAGEMAKER.item(SAGEMAKER.at("ResourceConfig", "InstanceGroups")) == "InstanceGroup"
    assert {"InstanceType", "InstanceCount"} <= set(shapes["InstanceGroup"]["members"])
    assert set(shapes["WarmPoolStatus"]["members"]) == {
        "Status",
        "ResourceRetainedBillableTimeInSeconds",
        "ReusedByJob",
    }
    assert {"EndpointName", "InstanceType"} <= set(shapes["EndpointOutputConfiguration"]["members"])
    assert {"ModelLatency", "MaxInvocations", "CostPerHour"} <= set(shapes["RecommendationMetrics"]["members"])
    counters = {
        "child_job_status": "TrainingJobStatusCounters",
        "objective_status": "ObjectiveStatusCounters",
        "label_counter": "LabelCounters",
    }
    for enum, holder in counters.items():
        assert set(CONTRACT["enums"][enum]) == set(shapes[holder]["members"]) - {"TotalLabeled"}
    parents = {kind for one in JOB_TYPES.values() if one.answer for kind, _ in one.answer.parents}
    assert parents | {"none", "pipeline_execution"} == set(CONTRACT["enums"]["parent_type"])  # by the steps of one


def test_steps_of_pipelines_are_as_the_service_says():
    assert {*STEPS.fixed, "PipelineExecutionArn", "NextToken"} <= set(SAGEMAKER.takes(STEPS.operation))
    of_step = SAGEMAKER.item(SAGEMAKER.at(SAGEMAKER.gives(STEPS.operation), STEPS.member))
    told = {"StepName", "StepStatus", "StartTime", "EndTime", "AttemptCount", "CacheHitResult", "IterationContext"}
    assert {*told, "Metadata"} <= set(SAGEMAKER.shapes[of_step]["members"])
    assert {"Index", "ParentStepName"} <= set(SAGEMAKER.shapes["IterationContext"]["members"])
    assert "SourcePipelineExecutionArn" in SAGEMAKER.shapes["CacheHitResult"]["members"]
    assert SAGEMAKER.words("StepStatus") == STEP_STATUSES == tuple(CONTRACT["enums"]["pipeline_step_status"])
    assert set(SAGEMAKER.shapes[SAGEMAKER.at(of_step, "Metadata")]["members"]) == set(STEP_TYPES)
    assert CONTRACT["enums"]["step_type"] == list(STEP_TYPES)
    assert set(SAGEMAKER.words("RuleEvaluationStatus")) == set(RULE_STATUSES)
    assert SAGEMAKER.words("WarmPoolResourceStatus") == tuple(CONTRACT["enums"]["warm_pool_status"])


@pytest.mark.parametrize("kind", KINDS)
def test_arns_begin_as_the_service_says(kind):
    service = SERVICES[kind.service]
    if kind.answer is None:
        assert not kind.resources
        return
    pattern = service.shapes[service.at(service.gives(kind.description.operation), kind.answer.arn)]["pattern"]
    word = kind.resources[0].partition("/")[0]
    assert re.search(rf":{word}\\?/", pattern)
    assert kind.nested == (re.search(r"(pipeline|model-card)\\?/.*/(execution|export-job)", pattern) is not None)


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("INPROGRESS", "InProgress"),
        ("IN_PROGRESS", "InProgress"),
        ("In Progress", "InProgress"),
        ("inprogress", "InProgress"),
        ("DELETED", "Deleted"),
        ("COMPLETEDWITHVIOLATIONS", "CompletedWithViolations"),
        ("Quantum_Leap", "Quantum_Leap"),
        ("", ""),
    ],
)
def test_one_spelling_of_a_status(status, shown):
    assert spelled(JOB_TYPES["compilation"], status) == shown


@pytest.mark.parametrize(
    ("enum", "status", "shown"),
    [
        ("endpoint_status", "IN_SERVICE", "InService"),
        ("endpoint_status", "UPDATE_ROLLBACK_FAILED", "UpdateRollbackFailed"),
        ("domain_status", "UpdateFailed", "Update_Failed"),
        ("notebook_instance_status", "IN MAINTENANCE", "InMaintenance"),
        ("feature_group_status", "Active", "Active"),
    ],
)
def test_words_of_others_are_spelled_as_theirs(enum, status, shown):
    assert spelled(tuple(CONTRACT["enums"][enum]), status) == shown


WORDS = st.sampled_from([tuple(words) for name, words in CONTRACT["enums"].items() if name.endswith("_status")])


@given(WORDS, st.text() | st.sampled_from(JOB_STATUSES).map(str.upper))
def test_what_is_spelled_stays_as_it_is(words, status):
    once = spelled(words, status)
    assert spelled(words, once) == once
    assert once in words or once == status


@given(WORDS.flatmap(lambda words: st.tuples(st.just(words), st.sampled_from(words))), st.data())
def test_any_variant_of_a_word_is_that_word(pair, data):
    words, word = pair
    parts = [one for one in re.split(r"(?<=[a-z])(?=[A-Z])|_", word) if one]
    joint = data.draw(st.sampled_from(["", " ", "_", "-"]))
    variant = data.draw(st.sampled_from([str.upper, str.lower, str]))(joint.join(parts))
    assert spelled(words, variant) == word
