"""Notebooks, clusters and all the rest: by boto3, every answer held against the service model and the truth."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
import yaml
from asking import ACCOUNT, NOW, REGION, when
from botocore.config import Config
from botocore.exceptions import ClientError
from fake_transport import plug
from service_model import MODELS, impossible, snake

from exporter.demo import access_key
from exporter.demo import thing_shapes as shapes
from exporter.demo.events import events
from exporter.demo.thing_shapes import APIS
from exporter.demo.things import KINDS

CONTRACT = yaml.load((Path(__file__).parent.parent / "contract" / "families.yaml").read_text(), yaml.CSafeLoader)
MODEL = MODELS["sagemaker"]
LISTED = [api for api in APIS if api.lists]
DESCRIBED = [api for api in APIS if api.describes]
WHERE = ACCOUNT, REGION

FACTS = {
    "notebook_instance": {"InstanceType": "ml.t3.medium", "DefaultCodeRepository": "https://example.org/code"},
    "cluster": {"NodeProvisioningMode": "Continuous", "ImageVersionStatus": "UpToDate", "NodeRecovery": "Automatic"},
    "cluster_node": {"InstanceGroupName": "workers", "InstanceType": "ml.g5.xlarge"},
    "cluster_event": {"ResourceType": "Instance", "EventLevel": "Info", "InstanceGroupName": "workers"},
    "training_plan": {
        "InstanceType": "ml.p5.48xlarge",
        "TotalInstanceCount": 4,
        "StartTime": NOW,
        "EndTime": NOW + 7200,
    },
    "feature_group": {"OnlineStoreConfig": {"EnableOnlineStore": True}, "OnlineStoreTotalSizeBytes": 2048},
    "app": {"AppType": "JupyterLab", "InstanceType": "ml.t3.medium"},
    "space": {"AppType": "JupyterLab", "EbsVolumeSizeInGb": 20},
}
"""What things of a kind must have, for the model demands it, and some of what they may have."""
CLUSTER = ("cluster", "hyperpod", "abcdefghijkl", FACTS["cluster"])
DOMAIN = ("domain", "team-a", "d-abcdefghijkl", {})
PARENTS = {
    "cluster_node": CLUSTER,
    "cluster_event": CLUSTER,
    "cluster_instance_group": CLUSTER,
    "cluster_scheduler_config": CLUSTER,
    "compute_quota": CLUSTER,
    "model_package": ("model_package_group", "fraud", "", {}),
    "user_profile": DOMAIN,
    "space": DOMAIN,
    "app": DOMAIN,
    "image_version": ("image", "torch", "", {}),
}
"""What a kind belongs to: kind, name, id, facts."""
IDS = {
    "cluster": "{nth:012d}",
    "cluster_scheduler_config": "{nth:012d}",
    "compute_quota": "{nth:012d}",
    "domain": "d-{nth:012d}",
    "image_version": "{nth}",
    "model_package": "{nth}",
}
"""Of kinds whose ARNs do not end in the name."""


def arn(resource):
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{resource}"


def ids(api):
    return f"{api.lists or api.describes}-{api.kind}"


@pytest.fixture
def add(world):
    def add(kind, name, at=NOW, **more):
        return world.add_thing(*WHERE, kind, name, at, **more)

    return add


@pytest.fixture
def change(world):
    def change(thing, at, status=None, **more):
        world.change_thing(*WHERE, thing, at, status, **more)

    return change


@pytest.fixture(scope="module")
def plain(session):
    """A plain client that talks to `plain.fake`, made once: there are hundreds of tests here."""
    made = SimpleNamespace(fake=None)
    client = session.client(
        "sagemaker",
        region_name=REGION,
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id=access_key(ACCOUNT),
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )

    def answer(*request):
        return made.fake.answer(*request)

    made.client = plug(client, SimpleNamespace(answer=answer))
    return made


@pytest.fixture
def client(plain, fake):
    plain.fake = fake
    return plain.client


@pytest.fixture
def ask(client):
    return lambda operation, **given: getattr(client, snake(operation, client))(**given)


@pytest.fixture
def raw(fake):
    """Ask without the SDK, which drops what its model does not have."""

    def raw(operation, given, account=ACCOUNT):
        scope = f"{access_key(account)}/20270115/{REGION}/sagemaker/aws4_request"
        headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}", "X-Amz-Target": f"SageMaker.{operation}"}
        status, _, answer = fake.handle("POST", "/", headers, orjson.dumps(given))
        return status, orjson.loads(answer)

    return raw


@pytest.fixture
def of_kind(add, world):
    """Add `many` things of a kind, a minute apart and the newest now, in turn in each status; return them by age."""

    def of_kind(kind, many=3):
        parent = ""
        if kind in PARENTS:
            holder, name, own, facts = PARENTS[kind]
            parent = add(holder, name, NOW - 10**6, id=own, **facts).resource
        if kind == "app":
            parent = add("space", "studio", NOW - 10**6, parent=parent).resource
        if kind == "monitoring_alert":
            parent = world.add_job(*WHERE, "monitoring_schedule", "quality-hourly", NOW - 10**6).resource
        statuses = KINDS[kind].statuses or ("",)
        return [
            add(
                kind,
                f"{kind.replace('_', '-')[:20]}-{nth:04d}",
                NOW - 60 * nth,
                status=statuses[nth % len(statuses)],
                parent=parent,
                id=IDS.get(kind, "").format(nth=nth),
                **FACTS.get(kind, {}),
            )
            for nth in range(many)
        ]

    return of_kind


def necessary(api):
    """The parameters without which a list operation does not list what `of_kind` has added."""
    if api.kind == "monitoring_alert":
        return {"MonitoringScheduleName": "quality-hourly"}
    return {api.within: PARENTS[api.kind][1]} if api.within else {}


@pytest.fixture
def named(world):
    def named(api, thing):
        """The parameters that name a thing for a describe operation."""
        view = shapes.View(world.region(*WHERE), thing, NOW)
        given = {parameter: fact(view) for parameter, fact in api.by.items()}
        return {name: value for name, value in given.items() if value is not None}

    return named


def everything(ask, api, **given):
    """All pages of a listing."""
    pages = [ask(api.lists, **necessary(api), **given)]
    while "NextToken" in pages[-1]:
        pages.append(ask(api.lists, **necessary(api), **given, NextToken=pages[-1]["NextToken"]))
    return [page[api.result] for page in pages]


def spelt(members, fact):
    """What a member with this fact is called, if there is one."""
    return next((name for name, known in members.items() if known is fact), None)


class TestTheModel:
    def test_every_kind_of_the_contract_is_listed(self, ask):
        for kind in CONTRACT["resource_types"]:
            assert ask(kind["list"])
            of = next((api.of for api in APIS if api.lists == kind["list"]), None)
            if of:
                assert sorted(of.statuses) == sorted(kind["statuses"])

    def test_statuses_are_those_of_the_model(self):
        for api in APIS:
            shape = MODEL.operation_model(api.lists).output_shape.members[api.result].member
            member = spelt(api.summary, shapes.status)
            if member:
                assert sorted(api.of.statuses) == sorted(shape.members[member].enum), api.kind

    @pytest.mark.parametrize("api", LISTED, ids=ids)
    def test_parameters_are_those_of_the_model(self, api):
        shape = MODEL.operation_model(api.lists).input_shape
        assert api.parameters == set(shape.members)
        assert bool(api.within and api.required) == bool(shape.required_members)
        if api.sorts:
            assert set(api.sorts) == set(shape.members["SortBy"].enum)
            assert set(api.orders) == set(shape.members["SortOrder"].enum)
            assert api.sort in api.sorts

    @pytest.mark.parametrize("api", DESCRIBED, ids=ids)
    def test_what_names_one_is_that_of_the_model(self, api):
        shape = MODEL.operation_model(api.describes).input_shape
        assert {*api.by, *api.optional} == set(shape.members)
        assert set(api.by) - set(api.optional) == set(shape.required_members)

    @pytest.mark.parametrize("api", LISTED, ids=ids)
    def test_summaries_have_what_the_model_has(self, api, of_kind, raw):
        of_kind(api.kind, 9)
        status, answer = raw(api.lists, necessary(api))
        assert status == 200, answer
        assert len(answer[api.result]) == 9
        assert list(impossible(MODEL.operation_model(api.lists).output_shape, answer)) == []

    @pytest.mark.parametrize("api", DESCRIBED, ids=ids)
    def test_descriptions_have_what_the_model_has(self, api, of_kind, named, raw):
        for thing in of_kind(api.kind, 9):
            status, answer = raw(api.describes, named(api, thing))
            assert status == 200, answer
            assert list(impossible(MODEL.operation_model(api.describes).output_shape, answer)) == []


class TestPages:
    @pytest.mark.parametrize("api", LISTED, ids=ids)
    def test_usual_size_and_order(self, api, of_kind, ask, world):
        things = of_kind(api.kind, 132)
        pages = everything(ask, api)
        assert {len(page) for page in pages[:-1]} == {api.size}
        assert sum(map(len, pages)) == 132
        assert list(chain.from_iterable(everything(ask, api, MaxResults=100))) == list(chain.from_iterable(pages))
        member = next(filter(None, (spelt(api.summary, fact) for fact in (shapes.own, shapes.name, shapes.arn_of))))
        key = api.sorts.get(api.sort, shapes.created)
        views = [shapes.View(world.region(*WHERE), thing, NOW) for thing in things[::-1]]
        expected = sorted(views, key=lambda view: (key(view), view.thing.created))
        if api.order.upper() == "DESCENDING":
            expected.reverse()
        assert [one[member] for page in pages for one in page] == [api.summary[member](view) for view in expected]

    @pytest.mark.parametrize("api", [api for api in LISTED if api.sorts], ids=ids)
    def test_sorted_either_way(self, api, of_kind, ask):
        of_kind(api.kind, 23)
        for sort in api.sorts:
            orders = [everything(ask, api, SortBy=sort, SortOrder=order) for order in api.orders]
            up, down = [[one for page in pages for one in page] for pages in orders]
            assert up == down[::-1]
            assert len(up) == 23

    @pytest.mark.parametrize("api", LISTED, ids=ids)
    def test_bounds_of_time(self, api, of_kind, ask):
        of_kind(api.kind, 9)
        for name in api.filters:
            if not name.endswith(("After", "Before")) or name.startswith("StartTime"):
                continue
            found = [one for page in everything(ask, api, **{name: when(NOW - 240)}) for one in page]
            inclusive = api.lists == "ListModels" and name.endswith("After")
            assert len(found) == 4 + inclusive, name

    @pytest.mark.parametrize("api", LISTED, ids=ids)
    def test_a_status_that_is_asked_for(self, api, of_kind, ask):
        things = of_kind(api.kind, 25)
        for name in ("StatusEquals", "Status", "FeatureGroupStatusEquals", "TrackingServerStatus"):
            if name in api.filters:
                for status in api.of.statuses:
                    found = [one for page in everything(ask, api, **{name: status}) for one in page]
                    assert len(found) == sum(thing.state(NOW).status == status for thing in things)
                with pytest.raises(ClientError, match="enum value set"):
                    everything(ask, api, **{name: "Sleeping"})

    def test_what_comes_meanwhile_shifts_nothing(self, add, of_kind, client):
        of_kind("notebook_instance", 25)
        order = {"SortBy": "CreationTime", "SortOrder": "Descending"}
        first = client.list_notebook_instances(**order)
        add("notebook_instance", "newest", NOW)
        second = client.list_notebook_instances(**order, NextToken=first["NextToken"])
        names = [one["NotebookInstanceName"] for page in (first, second) for one in page["NotebookInstances"]]
        assert names == [f"notebook-instance-{nth:04d}" for nth in range(20)]
        with pytest.raises(ClientError, match="Invalid pagination token"):
            client.list_notebook_instances(NextToken=first["NextToken"])


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ({"MaxResults": 0}, "ValidationException"),
            ({"MaxResults": 101}, "ValidationException"),
            ({"MaxResults": "ten"}, "ValidationException"),
            ({"SortBy": "Colour"}, "ValidationException"),
            ({"SortOrder": "Up"}, "ValidationException"),
            ({"NameContains": "x" * 64}, "ValidationException"),
            ({"NextToken": "x" * 8193}, "ValidationException"),
            ({"Colour": "red"}, "ValidationException"),
            ({"CreationTimeAfter": "noon"}, "SerializationException"),
            ({"NameContains": 5}, "SerializationException"),
            ({"NextToken": ["x"]}, "SerializationException"),
        ],
    )
    def test_what_breaks_the_model(self, raw, given, code):
        status, answer = raw("ListNotebookInstances", given)
        assert (status, answer["__type"]) == (400, code)

    @pytest.mark.parametrize("api", DESCRIBED, ids=ids)
    def test_what_does_not_exist(self, api, of_kind, named, raw):
        (thing,) = of_kind(api.kind, 1)
        given = named(api, thing)
        *_, last = given
        missing = 7 if last == "Version" else "nix"
        status, answer = raw(api.describes, {**given, last: missing})
        assert (status, answer["__type"]) == (400, api.unknown[0])
        assert str(missing) in answer["message"] or "{" not in api.unknown[1]
        status, answer = raw(api.describes, {})
        assert (status, answer["__type"]) == (400, "ValidationException")
        status, answer = raw(api.describes, {**given, "Colour": "red"})
        assert answer["message"] == f"Colour is not a parameter of {api.describes}"


class TestNotebooks:
    def test_a_life(self, add, change, client, clock, world):
        notebook = add(
            "notebook_instance",
            "Anna",
            NOW,
            status="Pending",
            tags={"team": "risk"},
            InstanceType="ml.t3.medium",
            NotebookInstanceLifecycleConfigName="auto-stop",
        )
        change(notebook, NOW + 100, "InService")
        change(notebook, NOW + 200, "Updating")
        change(notebook, NOW + 300, "InService", InstanceType="ml.g5.xlarge")
        change(notebook, NOW + 400, "Failed", FailureReason="No space left on device")
        world.delete_thing(*WHERE, notebook, NOW + 500)
        told = []
        for clock.now in (NOW + 1, NOW + 100, NOW + 299, NOW + 300, NOW + 499):
            (listed,) = client.list_notebook_instances()["NotebookInstances"]
            described = client.describe_notebook_instance(NotebookInstanceName="Anna")
            for member, value in listed.items():
                assert described[member] == value
            told.append((listed["NotebookInstanceStatus"], listed["InstanceType"], listed["LastModifiedTime"]))
        assert told == [
            ("Pending", "ml.t3.medium", when(NOW)),
            ("InService", "ml.t3.medium", when(NOW + 100)),
            ("Updating", "ml.t3.medium", when(NOW + 200)),
            ("InService", "ml.g5.xlarge", when(NOW + 300)),
            ("Failed", "ml.g5.xlarge", when(NOW + 400)),
        ]
        assert described["FailureReason"] == "No space left on device"
        assert described["NotebookInstanceArn"] == arn("notebook-instance/anna")
        assert client.list_tags(ResourceArn=arn("notebook-instance/anna"))["Tags"] == [{"Key": "team", "Value": "risk"}]
        clock.now = NOW + 500
        assert client.list_notebook_instances()["NotebookInstances"] == []
        with pytest.raises(ClientError, match="RecordNotFound"):
            client.describe_notebook_instance(NotebookInstanceName="Anna")
        add("notebook_instance", "Anna", NOW + 500, InstanceType="ml.t3.large")
        assert client.describe_notebook_instance(NotebookInstanceName="Anna")["CreationTime"] == when(NOW + 500)

    def test_events(self, add, change, world):
        notebook = add("notebook_instance", "Anna", NOW, status="Pending", InstanceType="ml.t3.medium", tags={"a": "b"})
        change(notebook, NOW + 100, "InService")
        change(notebook, NOW + 200, "InService", VolumeSizeInGB=20)
        change(notebook, NOW + 300, "Failed", FailureReason="Full")
        world.delete_thing(*WHERE, notebook, NOW + 400)
        sent = events(world, *WHERE, NOW, NOW + 1000)
        assert {event.envelope["detail-type"] for event in sent} == {"SageMaker Notebook Instance State Change"}
        details = [event.envelope["detail"] for event in sent]
        assert [(event.at, detail["NotebookInstanceStatus"]) for event, detail in zip(sent, details, strict=True)] == [
            (NOW, "Pending"),
            (NOW + 100, "InService"),
            (NOW + 300, "Failed"),
            (NOW + 400, "Deleting"),
        ]
        assert details[2] == {
            "NotebookInstanceName": "Anna",
            "NotebookInstanceArn": arn("notebook-instance/anna"),
            "NotebookInstanceStatus": "Failed",
            "FailureReason": "Full",
            "InstanceType": "ml.t3.medium",
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/sagemaker-things",
            "CreationTime": NOW * 1000,
            "LastModifiedTime": (NOW + 300) * 1000,
            "Tags": {"a": "b"},
        }
        assert len({event.envelope["id"] for event in sent}) == 4

    def test_filters(self, add, client):
        for name, config in (("anna", "auto-stop"), ("ben", "big-disk"), ("carl", None)):
            facts = {"NotebookInstanceLifecycleConfigName": config} if config else {}
            add("notebook_instance", name, InstanceType="ml.t3.medium", AdditionalCodeRepositories=[name], **facts)

        def names(**given):
            return [one["NotebookInstanceName"] for one in client.list_notebook_instances(**given)["NotebookInstances"]]

        assert names() == ["anna", "ben", "carl"]
        assert names(NameContains="N") == ["anna", "ben"]
        assert names(NotebookInstanceLifecycleConfigNameContains="disk") == ["ben"]
        assert names(AdditionalCodeRepositoryEquals="carl") == ["carl"]
        assert names(DefaultCodeRepositoryContains="x") == []

    def test_lifecycle_configurations(self, add, world, client):
        config = add("notebook_lifecycle_config", "auto-stop")
        world.delete_thing(*WHERE, config, NOW + 10)
        sent = events(world, *WHERE, NOW, NOW + 20)
        assert [event.at for event in sent] == [NOW, NOW + 10]  # nothing in it tells which
        assert sent[0].envelope["detail"] == sent[1].envelope["detail"]
        (listed,) = client.list_notebook_instance_lifecycle_configs()["NotebookInstanceLifecycleConfigs"]
        assert listed["NotebookInstanceLifecycleConfigName"] == "auto-stop"


class TestTheWorld:
    def test_what_cannot_be(self, add, change):
        notebook = add("notebook_instance", "anna")
        with pytest.raises(ValueError, match="notebook_instance Anna exists"):
            add("notebook_instance", "Anna", NOW + 5)
        with pytest.raises(ValueError, match="notebook_instance has no status Sleeping"):
            add("notebook_instance", "ben", status="Sleeping")
        with pytest.raises(ValueError, match="notebook_instance has no status Sleeping"):
            change(notebook, NOW + 5, "Sleeping")

    def test_a_change_does_away_with_what_was_to_come(self, add, change, world):
        notebook = add("notebook_instance", "anna", status="Pending", InstanceType="ml.t3.medium")
        change(notebook, NOW + 100, "InService")
        change(notebook, NOW + 200, "Stopping")
        change(notebook, NOW + 50, "Failed", without=["InstanceType"], FailureReason="x")
        assert notebook.statuses() == [(NOW, "Pending"), (NOW + 50, "Failed")]
        assert notebook.statuses(NOW + 49) == [(NOW, "Pending")]
        assert notebook.state(NOW + 60).facts == {"FailureReason": "x"}
        turns = world.thing_changes(*WHERE, NOW, NOW + 50)
        assert [(turn.at, turn.state.status, turn.before) for turn in turns] == [(NOW, "Pending", None)]

    def test_a_fact_may_grow_with_time(self, add):
        notebook = add("notebook_instance", "anna", VolumeSizeInGB=lambda now: int(now - NOW))
        assert [notebook.fact("VolumeSizeInGB", NOW + later) for later in (5, 9)] == [5, 9]
