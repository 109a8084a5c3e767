"""Notebooks, clusters and all the rest: by boto3, every answer held against the service model and the truth."""

from __future__ import annotations

import re
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
from exporter.demo.jobs import life
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

    def test_the_bill_knows_all_operations_as_actions(self, fake, raw):
        for api in APIS:
            for operation in filter(None, (api.lists, api.describes)):
                raw(operation, {})
        asked = {operation for api in APIS for operation in (api.lists, api.describes) if operation}
        (actions,) = fake.bill.actions.values()
        assert actions == {f"sagemaker:{operation}" for operation in asked}
        assert fake.bill.requests == {f"sagemaker.{operation}": 1 for operation in asked}

    @pytest.mark.parametrize("api", LISTED, ids=ids)
    def test_parameters_are_those_of_the_model(self, api):
        shape = MODEL.operation_model(api.lists).input_shape
        assert api.parameters == set(shape.members)
        assert bool(api.within and api.required) == bool(shape.required_members)
        if api.sorts:
            assert set(api.sorts) == set(shape.members["SortBy"].enum)
            assert set(api.orders) == set(shape.members["SortOrder"].enum)
            assert api.sort in api.sorts

    @pytest.mark.parametrize("api", LISTED, ids=ids)
    def test_defaults_are_those_that_the_model_tells(self, api):
        members = MODEL.operation_model(api.lists).input_shape.members
        for parameter, default in (("SortBy", api.sort), ("SortOrder", api.order), ("MaxResults", str(api.size))):
            text = re.sub(r"<.*?>", "", members[parameter].documentation) if parameter in members else ""
            told = re.search(r"default (?:value )?(?:for MaxResults )?is (\w+)|(\d+) by default", text)
            if told and (api.lists, parameter) != ("ListWorkteams", "SortBy"):  # its text names no value of its own
                assert default == (told[1] or told[2])

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

    def test_a_full_page_may_be_the_last(self, of_kind, ask):
        of_kind("notebook_instance", 20)
        assert [len(page) for page in everything(ask, shapes.of_kind("notebook_instance"))] == [10, 10]

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

    @pytest.mark.parametrize(
        ("operation", "given", "code"),
        [
            ("ListTrainingPlans", {"Filters": "Active"}, "SerializationException"),
            ("ListTrainingPlans", {"Filters": ["Active"]}, "SerializationException"),
            ("ListTrainingPlans", {"Filters": [{"Name": "Status", "Value": "Sleeping"}]}, "ValidationException"),
            ("ListTrainingPlans", {"Filters": [{"Name": "Size", "Value": "Active"}]}, "ValidationException"),
            ("ListClusterNodes", {"ClusterName": "x", "IncludeNodeLogicalIds": "yes"}, "SerializationException"),
            ("ListClusterNodes", {"ClusterName": 5}, "SerializationException"),
            ("ListClusterNodes", {}, "ValidationException"),
            ("ListModelPackages", {"ModelPackageType": "All"}, "ValidationException"),
            ("ListFeatureGroups", {"OfflineStoreStatusEquals": "Open"}, "ValidationException"),
            ("DescribeImageVersion", {"ImageName": "x", "Version": "1"}, "SerializationException"),
            ("DescribeDomain", {"DomainId": ["x"]}, "SerializationException"),
            ("DescribeDomain", {"DomainId": "d x"}, "ValidationException"),
        ],
    )
    def test_what_breaks_the_model_of_others(self, raw, operation, given, code):
        status, answer = raw(operation, given)
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

    def test_what_is_being_deleted_is_told_once(self, add, change, world):
        notebook = add("notebook_instance", "anna")
        change(notebook, NOW + 60, "Deleting")
        world.delete_thing(*WHERE, notebook, NOW + 90)
        sent = events(world, *WHERE, NOW + 1, NOW + 100)
        assert [(event.at, event.envelope["detail"]["NotebookInstanceStatus"]) for event in sent] == [
            (NOW + 60, "Deleting")
        ]

    def test_a_reason_is_told_while_it_has_failed(self, add, change, client, clock):
        notebook = add("notebook_instance", "anna", status="Failed", FailureReason="Full")
        change(notebook, NOW + 60, "InService")
        described = client.describe_notebook_instance(NotebookInstanceName="anna")
        assert described["FailureReason"] == "Full"
        clock.now = NOW + 60
        assert "FailureReason" not in client.describe_notebook_instance(NotebookInstanceName="anna")

    def test_lifecycle_configurations(self, add, world, client):
        config = add("notebook_lifecycle_config", "auto-stop")
        world.delete_thing(*WHERE, config, NOW + 10)
        sent = events(world, *WHERE, NOW, NOW + 20)
        assert [event.at for event in sent] == [NOW, NOW + 10]  # nothing in it tells which
        assert sent[0].envelope["detail"] == sent[1].envelope["detail"]
        (listed,) = client.list_notebook_instance_lifecycle_configs()["NotebookInstanceLifecycleConfigs"]
        assert listed["NotebookInstanceLifecycleConfigName"] == "auto-stop"


class TestClusters:
    @pytest.fixture
    def cluster(self, add):
        eks = {"Eks": {"ClusterArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/train"}}
        facts = {"NodeProvisioningMode": "Continuous", "NodeRecovery": "Automatic", "Orchestrator": eks}
        return add("cluster", "HyperPod", NOW, id="abcdefghijkl", status="Creating", **facts)

    @pytest.fixture
    def nodes(self, add, cluster):
        for group, wanted in (("controller", 1), ("workers", 3)):
            facts = {"InstanceType": "ml.g5.xlarge", "TargetCount": wanted, "ImageVersionStatus": "UpToDate"}
            add("cluster_instance_group", group, NOW, parent=cluster.resource, status="Creating", **facts)
        return [
            add(
                "cluster_node",
                f"{group}-{nth}",
                NOW + 60 * (nth + 1),
                id=f"i-{group[0]}{nth:016x}",
                parent=cluster.resource,
                status="Pending",
                InstanceGroupName=group,
                InstanceType="ml.g5.xlarge",
            )
            for group, wanted in (("controller", 1), ("workers", 3))
            for nth in range(wanted)
        ]

    def test_groups_count_their_nodes(self, cluster, nodes, change, world, client, clock):
        for node in nodes:
            change(node, node.created + 30, "Running")
        group = world.region(*WHERE).things.find("cluster-instance-group/abcdefghijkl/workers", NOW)
        change(group, NOW + 230, "InService")
        world.delete_thing(*WHERE, nodes[-1], NOW + 1000)

        def counts(at):
            clock.now = at
            answer = client.describe_cluster(ClusterName="HyperPod")
            groups = answer["InstanceGroups"]
            return [
                (one["InstanceGroupName"], one["Status"], one["CurrentCount"], one["TargetCount"]) for one in groups
            ]

        assert counts(NOW + 1) == [("controller", "Creating", 0, 1), ("workers", "Creating", 0, 3)]
        assert counts(NOW + 89) == counts(NOW + 1)  # what is pending does not count
        assert counts(NOW + 90) == [("controller", "Creating", 1, 1), ("workers", "Creating", 1, 3)]
        assert counts(NOW + 300) == [("controller", "Creating", 1, 1), ("workers", "InService", 3, 3)]
        assert counts(NOW + 1000) == [("controller", "Creating", 1, 1), ("workers", "InService", 2, 3)]
        by_arn = client.describe_cluster(ClusterName=arn("cluster/abcdefghijkl"))
        assert by_arn["Orchestrator"]["Eks"]["ClusterArn"].endswith("cluster/train")
        with pytest.raises(ClientError, match=r"ResourceNotFound.*Cluster with name abcdefghijkl was not found"):
            client.describe_cluster(ClusterName="abcdefghijkl")

    def test_nodes_by_group_and_age(self, cluster, nodes, change, client, clock):
        change(nodes[2], NOW + 400, "Failure", Message="The GPU has fallen off the bus")
        clock.now = NOW + 500
        for name in ("HyperPod", arn("cluster/abcdefghijkl")):
            listed = client.list_cluster_nodes(ClusterName=name, InstanceGroupNameContains="work")
            assert [one["InstanceId"] for one in listed["ClusterNodeSummaries"]] == [node.id for node in nodes[1:]]
            late = client.list_cluster_nodes(ClusterName=name, CreationTimeAfter=when(NOW + 60))
            assert len(late["ClusterNodeSummaries"]) == 2
        assert listed["ClusterNodeSummaries"][1]["InstanceStatus"] == {
            "Status": "Failure",
            "Message": "The GPU has fallen off the bus",
        }
        described = client.describe_cluster_node(ClusterName="HyperPod", NodeId=nodes[2].id)["NodeDetails"]
        assert described["InstanceStatus"]["Status"] == "Failure"
        with pytest.raises(ClientError, match="One of NodeLogicalId, NodeId must be given"):
            client.describe_cluster_node(ClusterName="HyperPod")
        with pytest.raises(ClientError, match="ResourceNotFound"):
            client.list_cluster_nodes(ClusterName="other")

    def test_events_are_listed_and_sent(self, cluster, nodes, add, world, client, clock):
        for nth, (level, kind) in enumerate((("Info", "Cluster"), ("Warn", "Instance"), ("Error", "InstanceGroup"))):
            facts = {"EventLevel": level, "ResourceType": kind, "Description": f"Event {nth}"}
            if kind == "Instance":
                facts["InstanceId"] = nodes[0].id
            add(
                "cluster_event",
                f"e{nth}",
                NOW + 60 * nth,
                id=f"0000000{nth}-0000-4000-8000-000000000000",
                parent=cluster.resource,
                **facts,
            )
        clock.now = NOW + 120
        listed = client.list_cluster_events(ClusterName="HyperPod")["Events"]
        assert [one["EventLevel"] for one in listed] == ["Error", "Warn", "Info"]
        (one,) = client.list_cluster_events(ClusterName="HyperPod", ResourceType="Instance")["Events"]
        assert client.list_cluster_events(ClusterName="HyperPod", NodeId=nodes[0].id)["Events"] == [one]
        assert len(client.list_cluster_events(ClusterName="HyperPod", EventTimeAfter=when(NOW))["Events"]) == 2
        described = client.describe_cluster_event(ClusterName="HyperPod", EventId=one["EventId"])["EventDetails"]
        assert described == {**one, "EventDetails": {"EventMetadata": {"Instance": {}}}}
        sent = [event.envelope for event in events(world, *WHERE, NOW, NOW + 121)]
        told = [event for event in sent if event["detail-type"] == "SageMaker HyperPod Cluster Event"]
        assert [event["detail"]["EventDetails"]["EventId"] for event in told] == [
            one["EventId"] for one in reversed(listed)
        ]
        assert told[1]["detail"]["EventDetails"] == {
            **one,
            "EventTime": (NOW + 60) * 1000,
            "EventDetails": {"EventMetadata": {"Instance": {}}},
        }
        assert told[1]["resources"] == [arn("cluster/abcdefghijkl")]
        world.delete_thing(*WHERE, cluster, NOW + 130)
        assert len(events(world, *WHERE, NOW + 121, NOW + 200)) == 1  # of the cluster

    def test_other_clusters_have_no_events_to_list(self, add, client):
        add("cluster", "slurm", id="bcdefghijklm")
        with pytest.raises(ClientError, match=r"ValidationException.*NodeProvisioningMode Continuous"):
            client.list_cluster_events(ClusterName="slurm")

    def test_what_is_sent_of_clusters_and_nodes(self, cluster, nodes, change, world):
        change(cluster, NOW + 500, "InService")
        health = {
            "HealthStatus": "Unhealthy",
            "HealthStatusReason": "NvidiaErrorTerminate",
            "RepairAction": "Replace",
            "Recommendation": "Replace the node",
        }
        change(nodes[1], NOW + 600, "Failure", HealthSummary=health)
        change(nodes[1], NOW + 650, "ShuttingDown")  # as sick as before
        change(nodes[1], NOW + 700, "Running", without=["HealthSummary"])
        change(nodes[2], NOW + 800, HealthSummary=health)
        world.delete_thing(*WHERE, cluster, NOW + 900)
        sent = events(world, *WHERE, NOW, NOW + 1000)
        told = [(event.at - NOW, event.envelope["detail-type"], event.envelope["detail"]) for event in sent]
        state = "SageMaker HyperPod Cluster State Change"
        assert [(at, detail["ClusterStatus"]) for at, kind, detail in told if kind == state] == [
            (0, "Creating"),
            (500, "InService"),
            (900, "Deleting"),
        ]
        (described,) = [detail for at, kind, detail in told if at == 500]
        assert described["FailureMessage"] == ""
        assert described["CreationTime"] == NOW * 1000
        workers = described["InstanceGroups"][1]
        assert (workers["InstanceGroupName"], workers["Status"], workers["TargetCount"]) == ("workers", "Creating", 3)
        sick = [(at, detail) for at, kind, detail in told if kind != state]
        assert [(at, detail["InstanceId"]) for at, detail in sick] == [(600, nodes[1].id), (800, nodes[2].id)]
        assert sick[0][1] == {
            "ClusterName": "HyperPod",
            "ClusterArn": arn("cluster/abcdefghijkl"),
            "InstanceId": nodes[1].id,
            "HealthSummary": health,
        }

    def test_a_cluster_takes_its_nodes_along(self, cluster, nodes, world, add):
        later = add("cluster_node", "later", NOW + 5000, id="i-9", parent=cluster.resource, InstanceGroupName="workers")
        world.delete_thing(*WHERE, cluster, NOW + 900)
        things = world.region(*WHERE).things
        assert [len(things.listing("cluster_node", at)) for at in (NOW + 899, NOW + 900, NOW + 6000)] == [4, 0, 0]
        assert later not in [turn.thing for turn in things.changes(NOW, NOW + 10**4)]


class TestTrainingPlans:
    def test_instances_in_use(self, add, change, client, clock):
        plan = add(
            "training_plan",
            "h100-spring",
            NOW,
            status="Scheduled",
            InstanceType="ml.p5.48xlarge",
            TotalInstanceCount=8,
            InUseInstanceCount=0,
            UpfrontFee="123456.78",
            CurrencyCode="USD",
            StartTime=NOW + 3600,
            EndTime=NOW + 73 * 3600,
            AvailableSpareInstanceCount=1,
        )
        change(plan, NOW + 3600, "Active")
        change(plan, NOW + 4000, InUseInstanceCount=5, UnhealthyInstanceCount=1)
        clock.now = NOW + 4000
        (listed,) = client.list_training_plans(Filters=[{"Name": "Status", "Value": "Active"}])["TrainingPlanSummaries"]
        assert (
            client.list_training_plans(Filters=[{"Name": "Status", "Value": "Failed"}])["TrainingPlanSummaries"] == []
        )
        assert (listed["TotalInstanceCount"], listed["InUseInstanceCount"], listed["AvailableInstanceCount"]) == (
            8,
            5,
            2,
        )
        described = client.describe_training_plan(TrainingPlanName="h100-spring")
        assert (described["UnhealthyInstanceCount"], described["AvailableSpareInstanceCount"]) == (1, 1)
        assert (described["UpfrontFee"], described["CurrencyCode"]) == ("123456.78", "USD")
        assert (described["StartTime"], described["EndTime"]) == (when(NOW + 3600), when(NOW + 73 * 3600))
        assert described["DurationHours"] == 72
        (reserved,) = described["ReservedCapacitySummaries"]
        assert (reserved["InstanceType"], reserved["Status"]) == ("ml.p5.48xlarge", "Active")
        assert client.list_training_plans(StartTimeAfter=when(NOW + 3600))["TrainingPlanSummaries"] == []
        assert len(client.list_training_plans(StartTimeBefore=when(NOW + 3601))["TrainingPlanSummaries"]) == 1


class TestFeatureGroups:
    def test_a_life(self, add, change, world, client, clock):
        group = add(
            "feature_group",
            "customers",
            NOW,
            status="Creating",
            OnlineStoreConfig={"EnableOnlineStore": True, "StorageType": "InMemory"},
            OnlineStoreTotalSizeBytes=lambda now: int(10 * (now - NOW)),
            ThroughputConfig={
                "ThroughputMode": "Provisioned",
                "ProvisionedReadCapacityUnits": 40,
                "ProvisionedWriteCapacityUnits": 20,
            },
        )
        change(group, NOW + 60, "Created", OfflineStoreStatus={"Status": "Active"})
        change(group, NOW + 600, OfflineStoreStatus={"Status": "Blocked", "BlockedReason": "The bucket is gone"})
        change(group, NOW + 700, LastUpdateStatus={"Status": "Failed", "FailureReason": "x"})
        (listed,) = client.list_feature_groups()["FeatureGroupSummaries"]
        assert "OfflineStoreStatus" not in listed
        clock.now = NOW + 700
        (listed,) = client.list_feature_groups(OfflineStoreStatusEquals="Blocked")["FeatureGroupSummaries"]
        assert client.list_feature_groups(OfflineStoreStatusEquals="Active")["FeatureGroupSummaries"] == []
        described = client.describe_feature_group(FeatureGroupName="customers")
        for answer in (listed, described):
            assert answer["FeatureGroupStatus"] == "Created"
            assert answer["OfflineStoreStatus"]["Status"] == "Blocked"
        assert described["OnlineStoreTotalSizeBytes"] == 7000
        assert described["LastUpdateStatus"]["Status"] == "Failed"
        assert described["ThroughputConfig"]["ProvisionedReadCapacityUnits"] == 40
        sent = events(world, *WHERE, NOW, NOW + 1000)
        assert [event.at - NOW for event in sent] == [0, 60, 600]
        details = [event.envelope["detail"] for event in sent]
        assert [detail["FeatureGroupStatus"] for detail in details] == ["Creating", "Active", "Active"]
        assert details[2]["OfflineStoreStatus"]["Status"] == "Blocked"
        assert details[0]["CreationTime"] == NOW * 1000
        assert sent[0].envelope["resources"] == [arn("feature-group/customers")]


class TestMonitoringAlerts:
    def test_alerts_of_a_schedule_and_their_history(self, add, change, world, client, clock):
        for schedule in ("quality", "bias"):
            parent = world.add_job(*WHERE, "monitoring_schedule", schedule, NOW - 900).resource
            alert = add(
                "monitoring_alert", "too-many-violations", parent=parent, DatapointsToAlert=2, EvaluationPeriod=3
            )
        change(alert, NOW + 100, "InAlert")
        change(alert, NOW + 200, DatapointsToAlert=1)
        change(alert, NOW + 300, "OK")
        clock.now = NOW + 250
        (told,) = client.list_monitoring_alerts(MonitoringScheduleName="bias")["MonitoringAlertSummaries"]
        assert (told["AlertStatus"], told["DatapointsToAlert"], told["EvaluationPeriod"]) == ("InAlert", 1, 3)
        (other,) = client.list_monitoring_alerts(MonitoringScheduleName="quality")["MonitoringAlertSummaries"]
        assert other["AlertStatus"] == "OK"
        with pytest.raises(ClientError, match=r"ResourceNotFound.*monitoring schedule with name: nix"):
            client.list_monitoring_alerts(MonitoringScheduleName="nix")
        clock.now = NOW + 300

        def past(**given):
            pages = client.get_paginator("list_monitoring_alert_history").paginate(**given)
            return [
                (one["MonitoringScheduleName"], one["AlertStatus"], one["CreationTime"])
                for page in pages
                for one in page["MonitoringAlertHistory"]
            ]

        whole = [("bias", "OK", when(NOW + 300)), ("bias", "InAlert", when(NOW + 100)), ("bias", "OK", when(NOW))]
        assert past(MonitoringScheduleName="bias") == whole
        assert past(MonitoringScheduleName="bias", PaginationConfig={"PageSize": 1}) == whole
        assert len(past()) == 4
        assert past(StatusEquals="InAlert") == whole[1:2]
        assert past(CreationTimeAfter=when(NOW + 100)) == whole[:1]


class TestTheRegistry:
    def test_versions_and_approvals(self, add, change, world, client, clock):
        group = add("model_package_group", "fraud")
        first, second = (
            add("model_package", f"fraud-{nth}", NOW + nth, id=str(nth), parent=group.resource, status="InProgress")
            for nth in (1, 2)
        )
        change(first, NOW + 60, "Completed")
        change(first, NOW + 120, ModelApprovalStatus="Approved")
        change(second, NOW + 60, "Failed")
        add("model_package", "marketplace", NOW)
        clock.now = NOW + 120
        given = {"ModelPackageGroupName": "fraud"}
        listed = client.list_model_packages(**given)["ModelPackageSummaryList"]
        assert [
            (one["ModelPackageVersion"], one["ModelPackageStatus"], one["ModelApprovalStatus"]) for one in listed
        ] == [(1, "Completed", "Approved"), (2, "Failed", "PendingManualApproval")]
        assert "ModelPackageName" not in listed[0]
        by_arn = client.list_model_packages(
            ModelPackageGroupName=arn("model-package-group/fraud"), ModelApprovalStatus="Approved"
        )
        assert by_arn["ModelPackageSummaryList"] == listed[:1]
        (alone,) = client.list_model_packages()["ModelPackageSummaryList"]
        assert alone["ModelPackageName"] == "marketplace"
        assert len(client.list_model_packages(ModelPackageType="Both")["ModelPackageSummaryList"]) == 3
        described = client.describe_model_package(ModelPackageName=arn("model-package/fraud/1"))
        assert (described["ModelPackageVersion"], described["LastModifiedTime"]) == (1, when(NOW + 120))
        with pytest.raises(ClientError, match="model-package/fraud/3 does not exist"):
            client.describe_model_package(ModelPackageName=arn("model-package/fraud/3"))
        with pytest.raises(ClientError, match="model-package-group/nix does not exist"):
            client.list_model_packages(ModelPackageGroupName="nix")
        sent = [
            event for event in events(world, *WHERE, NOW, NOW + 900) if "/fraud/1" in event.envelope["resources"][0]
        ]
        assert {event.envelope["detail-type"] for event in sent} == {"SageMaker Model Package State Change"}
        details = [event.envelope["detail"] for event in sent]
        assert [(one["ModelPackageStatus"], one["ModelApprovalStatus"]) for one in details] == [
            ("InProgress", "PendingManualApproval"),
            ("Completed", "PendingManualApproval"),
            ("Completed", "Approved"),
        ]
        assert details[2]["UpdatedModelPackageFields"] == ["ModelApprovalStatus"]
        assert (details[2]["ModelPackageGroupName"], details[2]["ModelPackageVersion"]) == ("fraud", 1)
        assert details[2]["ModelPackageName"] is None
        assert details[2]["LastModifiedTime"].endswith("02:00.000Z")

    def test_models_and_algorithms_tell_when_they_come_and_go(self, add, world):
        for kind in ("model", "algorithm"):
            world.delete_thing(*WHERE, add(kind, "churn"), NOW + 60)
        sent = events(world, *WHERE, NOW, NOW + 100)
        assert [(event.at - NOW, event.envelope["detail-type"]) for event in sent] == [
            (0, "SageMaker Model State Change"),
            (0, "SageMaker Algorithm State Change"),
            (60, "SageMaker Model State Change"),
            (60, "SageMaker Algorithm State Change"),
        ]
        assert sent[0].envelope["detail"]["CreationTime"] == NOW * 1000
        assert set(sent[1].envelope["detail"]) == {
            "AlgorithmName",
            "AlgorithmArn",
            "AlgorithmDescription",
            "CertifyForMarketplace",
            "Tags",
        }


class TestStudio:
    @pytest.fixture
    def domain(self, add):
        return add("domain", "team-a", id="d-abcdefghijkl")

    def test_spaces_and_apps(self, add, change, domain, client, clock, world):
        profile = add("user_profile", "anna", parent=domain.resource)
        space = add("space", "shared", parent=domain.resource, AppType="JupyterLab", EbsVolumeSizeInGb=20)
        facts = {
            "AppType": "JupyterLab",
            "InstanceType": "ml.t3.medium",
            "LastUserActivityTimestamp": lambda at: at - 60,
        }
        app = add("app", "default", parent=space.resource, id="JupyterLab/default", status="Pending", **facts)
        canvas = add("app", "default", NOW + 1, parent=profile.resource, id="Canvas/default", AppType="Canvas")
        change(app, NOW + 50, "InService")
        change(space, NOW + 80, EbsVolumeSizeInGb=100)
        clock.now = NOW + 100
        apps = client.list_apps()["Apps"]
        assert [(one.get("SpaceName"), one.get("UserProfileName")) for one in apps] == [
            ("shared", None),
            (None, "anna"),
        ]
        assert client.list_apps(SpaceNameEquals="shared")["Apps"] == apps[:1]
        assert client.list_apps(UserProfileNameEquals="anna", DomainIdEquals="d-abcdefghijkl")["Apps"] == apps[1:]
        named = {"DomainId": "d-abcdefghijkl", "AppName": "default"}
        described = client.describe_app(**named, SpaceName="shared", AppType="JupyterLab")
        assert (described["Status"], described["ResourceSpec"]) == ("InService", {"InstanceType": "ml.t3.medium"})
        assert described["LastUserActivityTimestamp"] == when(NOW + 40)
        assert described["AppArn"] == arn("app/d-abcdefghijkl/shared/jupyterlab/default")
        other = client.describe_app(**named, UserProfileName="anna", AppType="Canvas")
        assert other["CreationTime"] == when(NOW + 1)
        with pytest.raises(ClientError, match="One of UserProfileName, SpaceName must be given"):
            client.describe_app(**named, AppType="Canvas")
        with pytest.raises(ClientError, match="ResourceNotFound"):
            client.describe_app(**named, UserProfileName="anna", AppType="JupyterLab")
        (listed,) = client.list_spaces()["Spaces"]
        disk = {"EbsStorageSettings": {"EbsVolumeSizeInGb": 100}}
        assert listed["SpaceSettingsSummary"] == {"AppType": "JupyterLab", "SpaceStorageSettings": disk}
        one = client.describe_space(DomainId="d-abcdefghijkl", SpaceName="shared")
        assert one["SpaceSettings"]["SpaceStorageSettings"] == disk
        world.delete_thing(*WHERE, domain, NOW + 100)
        assert (client.list_apps()["Apps"], client.list_spaces()["Spaces"], client.list_domains()["Domains"]) == (
            [],
            [],
            [],
        )
        assert canvas.deleted == NOW + 100

    def test_domains_are_known_by_id(self, domain, client):
        assert client.describe_domain(DomainId="d-abcdefghijkl")["DomainName"] == "team-a"
        with pytest.raises(ClientError, match=r"Domain \[team-a\] does not exist"):
            client.describe_domain(DomainId="team-a")


class TestTheRest:
    def test_tracking_servers(self, add, change, world, client, clock):
        server = add("mlflow_tracking_server", "mlflow", status="Creating", TrackingServerSize="Medium")
        change(server, NOW + 60, "CreateFailed")
        change(server, NOW + 120, "Created")
        change(server, NOW + 180, "Stopped")
        active = []
        for clock.now in (NOW, NOW + 120, NOW + 180):
            (listed,) = client.list_mlflow_tracking_servers()["TrackingServerSummaries"]
            active.append((listed["TrackingServerStatus"], listed["IsActive"]))
        assert active == [("Creating", "Inactive"), ("Created", "Active"), ("Stopped", "Inactive")]
        assert client.describe_mlflow_tracking_server(TrackingServerName="mlflow")["TrackingServerSize"] == "Medium"
        world.delete_thing(*WHERE, server, NOW + 240)
        sent = [event.envelope["detail-type"] for event in events(world, *WHERE, NOW, NOW + 300)]
        assert sent == [
            f"SageMaker Tracking Server {state}"
            for state in ("Creating", "Create Failed", "Created", "Stopped", "Deleted")
        ]

    def test_images_and_their_versions(self, add, change, world, client):
        image = add("image", "torch", NOW - 60, status="CREATING")
        change(image, NOW - 50, "CREATED")
        for nth in (1, 2):
            add("image_version", f"torch-{nth}", NOW - 40 + nth, id=str(nth), parent=image.resource)
        world.delete_thing(*WHERE, image, NOW + 60)
        assert client.describe_image(ImageName="torch")["ImageStatus"] == "CREATED"
        versions = client.list_image_versions(ImageName="torch")["ImageVersions"]
        assert [one["Version"] for one in versions] == [2, 1]
        assert client.describe_image_version(ImageName="torch")["Version"] == 2
        assert client.describe_image_version(ImageName="torch", Version=1)["ImageVersionArn"] == arn(
            "image-version/torch/1"
        )
        with pytest.raises(ClientError, match="No Image with the name nix found"):
            client.list_image_versions(ImageName="nix")
        sent = [event.envelope for event in events(world, *WHERE, NOW - 60, NOW + 100)]
        told = [event["detail"].get("ImageStatus") or event["detail"]["ImageVersionStatus"] for event in sent]
        assert told == ["Creating", "Created", "Created", "Created", "Deleting", "Deleting", "Deleting"]
        assert sent[2]["detail"] == {
            "ImageArn": arn("image/torch"),
            "ImageVersionArn": arn("image-version/torch/1"),
            "ImageVersionStatus": "Created",
            "Version": 1.0,
            "Tags": {},
        }

    def test_model_cards(self, world):
        card = world.add_job(*WHERE, "model_card", "credit", NOW, lives=life("model_card", waits=60))
        sent = events(world, *WHERE, NOW, NOW + 100)
        assert [(event.at - NOW, event.envelope["detail"]["ModelCardStatus"]) for event in sent] == [
            (0, "Draft"),
            (30, "PendingReview"),
            (60, "Approved"),
        ]
        assert sent[1].envelope["detail"]["LastModifiedTime"] == "2027-01-15T08:00:30.000000000Z"
        assert sent[1].envelope["resources"] == [arn(card.resource)]

    def test_workteams_have_members(self, add, client):
        add("workteam", "labelers", UserGroups=["day", "night"])
        (listed,) = client.list_workteams()["Workteams"]
        assert len(listed["MemberDefinitions"]) == 2
        assert client.describe_workteam(WorkteamName="labelers")["Workteam"] == listed


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
