"""Who calls in the demo: what changes in the world has its call, and each call is one that AWS knows."""

from __future__ import annotations

from collections import Counter

import pytest
from asking import ACCOUNT, NOW, REGION
from service_model import MODELS

from exporter.demo import World, default_world
from exporter.demo.calls import SLOT, lower_camel, record
from exporter.demo.jobs import KINDS, Work, life
from exporter.demo.people import JOBS, THINGS
from exporter.demo.resources import EndpointConfig
from exporter.demo.things import KINDS as THING_KINDS

HOUR = 3600
WRITES = {
    operation: model.operation_model(operation)
    for model in (MODELS["sagemaker"], MODELS["sagemaker-a2i-runtime"])
    for operation in model.operation_names
}


def arn(resource):
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{resource}"


@pytest.fixture
def quiet(world):
    """Nobody calls but for what changes."""
    world.add_people(ACCOUNT, REGION, NOW - HOUR, NOW + 10 * HOUR, per_hour=0)
    return world


def made(world, start=NOW - HOUR, end=NOW + 10 * HOUR):
    return world.calls(ACCOUNT, REGION, start, end)


def told(call):
    return call.name, dict(call.parameters)


@pytest.mark.parametrize(("kind", "noun"), [*JOBS.items(), *THINGS.items()])
def test_operations_and_members_are_those_of_aws(kind, noun):
    assert kind in KINDS or kind in THING_KINDS
    for verb in noun.verbs:
        operation = WRITES[f"{verb}{noun.noun}"]
        assert noun.member in operation.input_shape.members
        if verb == noun.creates and noun.answers:
            assert noun.answers in operation.output_shape.members


def test_every_call_is_one_that_aws_knows(day):
    for call in day:
        if call.more.get("eventType", "AwsApiCall") != "AwsApiCall":
            continue
        asked = WRITES[call.name].input_shape
        members = {lower_camel(name) for name in asked.members} if asked else set()
        assert set(call.parameters or ()) <= members, call.name
        answered = WRITES[call.name].output_shape
        members = {lower_camel(name) for name in answered.members} if answered else set()
        assert set(call.elements or ()) <= members, call.name


class TestChanges:
    def test_a_job_is_created_before_it_is_there_and_stopped_before_it_stops(self, quiet):
        lives = life("training", "Stopped", 1000, 100)
        quiet.add_job(ACCOUNT, REGION, "training", "T-1", NOW, lives=lives)
        create, stop = made(quiet)
        assert told(create) == ("CreateTrainingJob", {"trainingJobName": "T-1"})
        assert create.elements == {"trainingJobArn": arn("training-job/t-1")}
        assert NOW - 2 < create.at < NOW
        assert told(stop) == ("StopTrainingJob", {"trainingJobName": "T-1"})
        stopping = next(step.after for step in lives if step.status == "Stopping")
        assert NOW + stopping - 2 < stop.at < NOW + stopping

    def test_what_changes_after_somebody_has_asked(self, quiet):
        assert made(quiet) == []
        job = quiet.add_job(ACCOUNT, REGION, "training", "t", NOW)
        assert [call.name for call in made(quiet)] == ["CreateTrainingJob"]
        quiet.enter_status(ACCOUNT, REGION, job, NOW + 60, "Stopping")
        assert [call.name for call in made(quiet)] == ["CreateTrainingJob", "StopTrainingJob"]

    def test_jobs_of_others(self, quiet):
        def add(kind, name, parent, **more):
            quiet.add_job(ACCOUNT, REGION, kind, name, NOW, lives=life(kind, "Completed", 60), parent=parent, **more)

        add("training", "child", "hyper-parameter-tuning-job/tune")
        add("processing", "prepare", "pipeline/p/execution/abc", work=Work())
        quiet.add_job(
            ACCOUNT, REGION, "pipeline_execution", "abc", NOW, lives=life("pipeline_execution"), parent="pipeline/p"
        )
        quiet.add_job(ACCOUNT, REGION, "pipeline_step", "s", NOW, parent="pipeline/p/execution/abc")
        found = {call.name: record(call, ACCOUNT, REGION) for call in made(quiet)}
        assert found.keys() == {"CreateTrainingJob", "CreateProcessingJob", "StartPipelineExecution"}
        child = found["CreateTrainingJob"]
        assert (child["eventType"], child["userIdentity"]) == (
            "AwsServiceEvent",
            {"accountId": ACCOUNT, "invokedBy": "sagemaker.amazonaws.com"},
        )
        assert child["serviceEventDetails"] == {"tuningJobName": "tune", "trainingJobName": "child"}
        assert found["CreateProcessingJob"]["userIdentity"]["invokedBy"] == "sagemaker.amazonaws.com"
        assert found["StartPipelineExecution"]["requestParameters"] == {"pipelineName": "p"}

    def test_endpoints(self, quiet):
        old, new = EndpointConfig("old", NOW), EndpointConfig("new", NOW + 50)
        quiet.add_endpoint(ACCOUNT, REGION, "E", NOW, config=old, status="Creating")
        quiet.update_endpoint(ACCOUNT, REGION, "E", NOW + 20, status="InService")
        quiet.update_endpoint(ACCOUNT, REGION, "E", NOW + 60, status="Updating", pending=new)
        quiet.update_endpoint(ACCOUNT, REGION, "E", NOW + 90, status="RollingBack")
        quiet.delete_endpoint(ACCOUNT, REGION, "E", NOW + 300)
        assert Counter(told(call)[0] for call in made(quiet)) == {
            "CreateEndpointConfig": 2,
            "CreateEndpoint": 1,
            "UpdateEndpoint": 1,
            "DeleteEndpoint": 1,
        }
        update = next(call for call in made(quiet) if call.name == "UpdateEndpoint")
        assert update.parameters == {"endpointName": "E", "endpointConfigName": "new"}

    def test_things(self, quiet):
        where = ACCOUNT, REGION
        notebook = quiet.add_thing(*where, "notebook_instance", "anna", NOW, status="Pending")
        for nth, status in enumerate(("InService", "Stopping", "Stopped", "Pending", "InService"), 1):
            quiet.change_thing(*where, notebook, NOW + 100 * nth, status)
        quiet.delete_thing(*where, notebook, NOW + 900)
        domain = quiet.add_thing(*where, "domain", "d", NOW - 9 * HOUR, id="d-1")
        quiet.add_thing(*where, "user_profile", "ben", NOW + 1000, parent=domain.resource)
        package = quiet.add_thing(*where, "model_package", "g-1", NOW + 1100, id="1", parent="model-package-group/g")
        quiet.change_thing(*where, package, NOW + 1200, ModelApprovalStatus="Approved")
        assert [told(call) for call in made(quiet)] == [
            ("CreateNotebookInstance", {"notebookInstanceName": "anna"}),
            ("StopNotebookInstance", {"notebookInstanceName": "anna"}),
            ("StartNotebookInstance", {"notebookInstanceName": "anna"}),
            ("DeleteNotebookInstance", {"notebookInstanceName": "anna"}),
            ("CreateUserProfile", {"domainId": "d-1", "userProfileName": "ben"}),
            ("CreateModelPackage", {"modelPackageGroupName": "g"}),
            ("UpdateModelPackage", {"modelPackageArn": arn("model-package/g/1")}),
        ]

    def test_outside_of_their_hours_nobody_calls(self, world):
        world.add_people(ACCOUNT, REGION, NOW, NOW + HOUR)
        world.add_job(ACCOUNT, REGION, "training", "early", NOW - 100)
        calls = made(world)
        assert calls
        assert all(NOW <= call.at < NOW + HOUR for call in calls)


@pytest.fixture(scope="module")
def day():
    return made(default_world(begin=NOW), NOW - 24 * HOUR, NOW)


class TestRoutine:
    def test_lively(self, day):
        assert 30_000 < len(day) < 42_000
        kinds = {call.who.record.get("type") for call in day}
        assert kinds == {
            "IAMUser",
            "AssumedRole",
            "Root",
            "AWSService",
            "FederatedUser",
            "IdentityCenterUser",
            "AWSAccount",
            None,
        }
        errors = {call.error and call.error[0] for call in day}
        assert errors >= {None, "AccessDenied", "ThrottlingException", "ValidationException", "ResourceLimitExceeded"}
        types = {call.more.get("eventType", "AwsApiCall") for call in day}
        assert types == {"AwsApiCall", "AwsConsoleAction", "AwsServiceEvent", "AwsVpceEvents"}
        assert {call.category for call in day} == {"Management", "NetworkActivity"}
        assert len({call.event_id for call in day}) == len(day)
        assert any(call.more.get("sessionCredentialFromConsole") for call in day)
        assert any(call.more.get("addendum") == {"reason": "DELIVERY_DELAY"} for call in day)

    def test_people_sleep_and_pollers_do_not(self, day):
        def share(names):
            by_night = [call for call in day if call.who.name in names and call.at % 86_400 < 6 * HOUR]
            return len(by_night) / sum(call.who.name in names for call in day)

        assert share({"anna", "ben@example.com"}) < 0.15
        assert 0.2 < share({"grafana"}) < 0.3

    def test_the_same_each_time_whatever_was_asked_before(self):
        first, second = default_world(begin=NOW), default_world(begin=NOW)
        whole = made(first, NOW - 2 * HOUR, NOW)
        pieces = [call for at in range(NOW - 2 * HOUR, NOW, 700) for call in made(second, at, min(at + 700, NOW))]
        assert pieces == whole

    def test_little_is_kept(self, world):
        world.add_people(ACCOUNT, REGION, NOW - 50 * HOUR, NOW, per_hour=30_000)
        (people,) = world.region(ACCOUNT, REGION).calls.callers
        for slot in range(NOW // SLOT - 20, NOW // SLOT):
            people.calls(slot)
        assert people.at_hand <= 20_000
        assert len(people.calls(NOW // SLOT - 1)) > 2000

    def test_data_events_only_where_the_world_has_them(self, world, day):
        assert not any(call.category == "Data" for call in day)
        world.add_people(ACCOUNT, "eu-west-1", NOW - HOUR, NOW, per_hour=0, data_per_hour=100)
        found = world.calls(ACCOUNT, "eu-west-1", NOW - HOUR, NOW)
        assert {(call.name, call.category) for call in found} == {("InvokeEndpoint", "Data"), ("PutRecord", "Data")}
        told = record(found[0], ACCOUNT, "eu-west-1")
        assert (told["managementEvent"], told["requestParameters"]) == (False, None)
        assert told["resources"][0]["type"].startswith("AWS::SageMaker::")


def test_seeds_differ():
    ids = []
    for seed in (1, 2):
        world = World(seed)
        world.add_people(ACCOUNT, REGION, NOW - HOUR, NOW)
        ids.append({call.event_id for call in made(world)})
    assert not ids[0] & ids[1]
