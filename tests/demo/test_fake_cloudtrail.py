"""LookupEvents of the fake: what AWS's documentation says of it, and the traps between the lines."""

from __future__ import annotations

import json
import re
from collections import Counter
from types import SimpleNamespace

import orjson
import pytest
from asking import ACCOUNT, NOW, REGION, when
from botocore.exceptions import ClientError, ConnectionClosedError
from service_model import MODELS, impossible

from exporter.demo import FakeAws, World, access_key, calls, identities
from exporter.demo.calls import Delay, Delays, exactly
from exporter.demo.resources import Role

HOUR = 3600
SAGEMAKER = ("EventSource", "sagemaker.amazonaws.com")  # or the look itself is found too


@pytest.fixture
def world():
    return World(call_delays=calls.PROMPT)


@pytest.fixture
def add(world):
    def add(name="CreateEndpoint", at=NOW - 60, **more):
        return world.add_call(ACCOUNT, REGION, at, name, **more)

    return add


@pytest.fixture
def trail(in_memory):
    return in_memory("cloudtrail")


def attributes(key, value):
    return [{"AttributeKey": key, "AttributeValue": value}]


def entries(client, attribute=None, **asked):
    if attribute:
        asked["LookupAttributes"] = attributes(*attribute)
    pages = client.get_paginator("lookup_events").paginate(**asked)
    return [entry for page in pages for entry in page["Events"]]


def ids(client, *attribute, **asked):
    return [entry["EventId"] for entry in entries(client, *attribute, **asked)]


def record_of(entry):
    return json.loads(entry["CloudTrailEvent"])


def code(raised):
    return raised.value.response["Error"]["Code"]


class TestEntries:
    def test_as_the_documentation_has_them(self, add, trail):
        call = add(
            parameters={"endpointName": "fraud"},
            elements={"endpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud"},
            vpcEndpointId="vpce-1",
        )
        (entry,) = entries(trail)
        record = json.loads(entry.pop("CloudTrailEvent"))
        assert entry.pop("EventTime") == when(NOW - 60)
        assert entry == {
            "EventId": call.event_id,
            "EventName": "CreateEndpoint",
            "ReadOnly": "false",
            "AccessKeyId": record["userIdentity"]["accessKeyId"],
            "EventSource": "sagemaker.amazonaws.com",
            "Username": "anna",
            "Resources": [{"ResourceType": "AWS::SageMaker::Endpoint", "ResourceName": "fraud"}],
        }
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", call.event_id)
        identity = record.pop("userIdentity")
        assert (identity["type"], identity["userName"]) == ("IAMUser", "anna")
        assert identity["arn"] == f"arn:aws:iam::{ACCOUNT}:user/anna"
        assert record.pop("userAgent").startswith("Boto3/")
        assert record.pop("tlsDetails")["tlsVersion"] == "TLSv1.3"
        assert record == {
            "eventVersion": "1.11",
            "eventTime": "2027-01-15T07:59:00Z",
            "eventSource": "sagemaker.amazonaws.com",
            "eventName": "CreateEndpoint",
            "awsRegion": REGION,
            "sourceIPAddress": "203.0.113.11",
            "requestParameters": {"endpointName": "fraud"},
            "responseElements": {"endpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud"},
            "requestID": call.request_id,
            "eventID": call.event_id,
            "readOnly": False,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": ACCOUNT,
            "eventCategory": "Management",
            "vpcEndpointId": "vpce-1",
        }

    def test_the_service_model_knows_all_of_it(self, add, fake, world):
        world.add_people(ACCOUNT, REGION, NOW - 900, NOW)
        shape = MODELS["cloudtrail"].operation_model("LookupEvents").output_shape
        answer = _ask(fake, {})
        assert len(answer["Events"]) == 50
        assert not list(impossible(shape, answer))
        assert all(isinstance(entry["EventTime"], int) for entry in answer["Events"])

    def test_a_call_that_failed_and_one_of_an_old_version(self, add, trail):
        add("DescribeEndpoint", NOW - 60, error=("ValidationException", "Could not find endpoint"))
        add("ListEndpoints", NOW - 50, eventCategory=None, managementEvent=None, eventVersion="1.05", tlsDetails=None)
        listed, failed = (record_of(entry) for entry in entries(trail))
        assert (failed["errorCode"], failed["errorMessage"]) == ("ValidationException", "Could not find endpoint")
        assert failed["responseElements"] is None
        assert "errorCode" not in listed
        assert not listed.keys() & {"eventCategory", "managementEvent", "tlsDetails"}
        assert listed["eventVersion"] == "1.05"

    @pytest.mark.parametrize(
        ("who", "kind", "name"),
        [
            (identities.iam_user(ACCOUNT, "anna", console=True), "IAMUser", "anna"),
            (identities.assumed_role(ACCOUNT, "path/ci", "build-7"), "AssumedRole", "build-7"),
            (identities.root(ACCOUNT), "Root", "root"),
            (identities.service("autoscaling.amazonaws.com"), "AWSService", None),
            (identities.service_itself(ACCOUNT, "sagemaker.amazonaws.com"), None, None),
            (identities.federated_user(ACCOUNT, "dora"), "FederatedUser", "dora"),
            (identities.identity_center_user(ACCOUNT, REGION, "carla"), "IdentityCenterUser", None),
            (identities.other_account("210987654321", "x"), "AWSAccount", None),
            (identities.web_identity_user("accounts.example.com", "s"), "WebIdentityUser", "s"),
        ],
    )
    def test_who(self, add, trail, who, kind, name):
        add(who=who)
        (entry,) = entries(trail)
        told = record_of(entry)["userIdentity"]
        assert (told.get("type"), entry.get("Username")) == (kind, name)
        assert told.get("accessKeyId") == entry.get("AccessKeyId")
        assert None not in told.values()

    def test_a_session_of_a_role(self, add, trail):
        add(who=identities.assumed_role(ACCOUNT, "path/ci", "build-7", invoked_by="sagemaker.amazonaws.com"))
        told = record_of(entries(trail)[0])
        identity = told["userIdentity"]
        assert identity["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/build-7"
        issuer = identity["sessionContext"]["sessionIssuer"]
        assert (issuer["type"], issuer["userName"]) == ("Role", "ci")
        assert issuer["arn"] == f"arn:aws:iam::{ACCOUNT}:role/path/ci"
        assert identity["principalId"] == f"{issuer['principalId']}:build-7"
        attributes = {"creationDate": "2027-01-15T07:00:00Z", "mfaAuthenticated": "false"}
        assert identity["sessionContext"]["attributes"] == attributes
        assert {identity["invokedBy"], told["sourceIPAddress"], told["userAgent"]} == {"sagemaker.amazonaws.com"}
        assert "tlsDetails" not in told

    def test_a_correction_is_a_record_of_its_own(self, world, add, trail):
        call = add(error=("InternalFailure", "x"))
        fixed = world.correct_call(ACCOUNT, REGION, call, "errorCode", error=None)
        told = {record["eventID"]: record for record in map(record_of, entries(trail))}
        assert told.keys() == {call.event_id, fixed.event_id}
        assert told[fixed.event_id]["addendum"] == {
            "reason": "UPDATED_DATA",
            "updatedFields": "errorCode",
            "originalRequestID": call.request_id,
            "originalEventID": call.event_id,
        }
        assert "errorCode" not in told[fixed.event_id]
        assert told[fixed.event_id]["eventTime"] == told[call.event_id]["eventTime"]

    def test_only_management_events(self, add, trail):
        add("InvokeEndpoint", eventCategory="Data")
        add("ListModels", eventCategory="NetworkActivity", eventType="AwsVpceEvents")
        console = add("GetSearchSuggestions", eventType="AwsConsoleAction")
        service = add("CreateTrainingJob", eventType="AwsServiceEvent")
        assert set(ids(trail)) == {console.event_id, service.event_id}
        assert entries(trail, EventCategory="insight") == []

    def test_each_account_and_region_has_its_own(self, world, add, in_memory):
        here = add()
        there = world.add_call(ACCOUNT, "eu-west-1", NOW - 60, "CreateEndpoint")
        other = world.add_call("210987654321", REGION, NOW - 60, "CreateEndpoint")
        found = [ids(in_memory("cloudtrail", **where)) for where in ({}, {"region": "eu-west-1"})]
        found.append(ids(in_memory("cloudtrail", account="210987654321")))
        assert found == [[here.event_id], [there.event_id], [other.event_id]]
        assert len({here.event_id, there.event_id, other.event_id}) == 3


class TestWindow:
    def test_newest_first_and_both_ends_included_in_whole_seconds(self, add, trail):
        made = [add(at=NOW - 100 + half / 2) for half in range(20)]
        asked = {"StartTime": when(NOW - 98), "EndTime": when(NOW - 95)}
        wanted = [call.event_id for call in made if NOW - 98 <= int(call.at) <= NOW - 95]
        assert len(wanted) == 8
        assert ids(trail, **asked) == wanted[::-1]
        assert ids(trail, StartTime=when(NOW - 98), EndTime=when(NOW - 98)) == [made[5].event_id, made[4].event_id]

    def test_ninety_days(self, add, trail, clock):
        call = add(at=NOW)
        clock.now += 90 * 86_400
        for asked in ({}, {"StartTime": when(NOW - 5)}):
            assert ids(trail, SAGEMAKER, **asked) == [call.event_id]
        clock.now += 1
        for asked in ({}, {"StartTime": when(NOW - 5)}):
            assert ids(trail, SAGEMAKER, **asked) == []

    def test_pages_hold_fifty_at_most(self, add, trail):
        made = [add(at=NOW - 1000 + n) for n in range(120)]
        asked = {"LookupAttributes": attributes(*SAGEMAKER)}
        pages = list(trail.get_paginator("lookup_events").paginate(**asked))
        assert [len(page["Events"]) for page in pages] == [50, 50, 20]
        assert "NextToken" not in pages[-1]
        assert [e["EventId"] for page in pages for e in page["Events"]] == [call.event_id for call in made][::-1]
        assert len(trail.lookup_events(MaxResults=7)["Events"]) == 7
        assert ids(trail, SAGEMAKER, PaginationConfig={"PageSize": 7}) == [call.event_id for call in made][::-1]

    def test_many_in_one_second(self, add, trail):
        made = {add(at=NOW - 60 + n / 1000).event_id for n in range(130)} | {add(at=NOW - 60).event_id for _ in "ab"}
        found = ids(trail, StartTime=when(NOW - 60), EndTime=when(NOW - 60))
        assert len(found) == 132
        assert set(found) == made

    def test_what_arrives_while_somebody_pages(self, world, add, trail, clock):
        """It is on a later page if it is older than what was shown, else in the next look; nothing is shown twice."""
        made = [add(at=NOW - 1000 + 10 * n) for n in range(60)]
        late = [add(at=NOW - 1000 + 10 * n + 5, delays=exactly(lookup=2000)) for n in (3, 55)]
        first = trail.lookup_events(StartTime=when(NOW - 2000))
        clock.now += 2000
        second = trail.lookup_events(StartTime=when(NOW - 2000), NextToken=first["NextToken"])
        assert [e["EventId"] for e in first["Events"]] == [call.event_id for call in made[:9:-1]]
        expected = [call.event_id for call in made[:10]]
        assert [e["EventId"] for e in second["Events"]] == [*expected[:4], late[0].event_id, *expected[4:]][::-1]
        assert late[1].event_id in ids(trail, StartTime=when(NOW - 2000))

    def test_thirty_thousand_can_be_looked_up(self, world, fake, clock):
        clock.now += HOUR  # all have arrived
        world.add_people(ACCOUNT, REGION, NOW - HOUR, NOW, per_hour=30_000)
        wanted = [
            call.event_id for call in world.calls(ACCOUNT, REGION, NOW - HOUR, NOW) if call.category == "Management"
        ]
        assert 28_000 < len(wanted) < 32_000
        found, token = [], None
        while token or not found:
            asked = {"StartTime": NOW - HOUR, "EndTime": NOW} | ({"NextToken": token} if token else {})
            answer = _ask(fake, asked)
            found += [entry["EventId"] for entry in answer["Events"]]
            token = answer.get("NextToken")
        assert found == wanted[::-1]
        (people,) = world.region(ACCOUNT, REGION).calls.callers
        assert people.at_hand < 23_000


class TestAttributes:
    @pytest.fixture
    def some(self, add):
        role = identities.assumed_role(ACCOUNT, "ci", "build-7")
        return {
            "create": add("CreateEndpoint", parameters={"endpointName": "fraud"}),
            "update": add("UpdateEndpoint", parameters={"endpointName": "fraud"}, who=role),
            "list": add("ListEndpoints", who=role),
            "assume": add("AssumeRole", source="sts.amazonaws.com", readOnly=True),
        }

    @pytest.mark.parametrize(
        ("key", "value", "wanted"),
        [
            ("EventName", "ListEndpoints", {"list"}),
            ("EventName", "listendpoints", set()),
            ("EventSource", "sagemaker.amazonaws.com", {"create", "update", "list"}),
            ("ReadOnly", "true", {"list", "assume"}),
            ("ReadOnly", "false", {"create", "update"}),
            ("ReadOnly", "True", set()),
            ("Username", "build-7", {"update", "list"}),
            ("ResourceType", "AWS::SageMaker::Endpoint", {"create", "update"}),
            ("ResourceName", "fraud", {"create", "update"}),
        ],
    )
    def test_one_of_them(self, some, trail, key, value, wanted):
        assert set(ids(trail, (key, value))) == {some[name].event_id for name in wanted}

    def test_ids_and_keys(self, some, trail):
        assert ids(trail, ("EventId", some["list"].event_id)) == [some["list"].event_id]
        key = some["update"].who.access_key
        assert set(ids(trail, ("AccessKeyId", key))) == {some["update"].event_id, some["list"].event_id}

    def test_a_rare_one_comes_in_short_pages(self, add, trail, monkeypatch):
        monkeypatch.setattr("exporter.demo.cloudtrail.LOOKED_AT", 100)
        for n in range(400):
            add("ListModels", NOW - 1000 + n)
        rare = [add("DeleteEndpoint", NOW - 1000 + n + 0.5) for n in (20, 30, 390)]
        asked = {"LookupAttributes": attributes("EventName", "DeleteEndpoint")}
        pages = list(trail.get_paginator("lookup_events").paginate(**asked))
        assert [len(page["Events"]) for page in pages] == [1, 0, 0, 2, 0]
        assert [e["EventId"] for page in pages for e in page["Events"]] == [call.event_id for call in rare][::-1]


class TestRefused:
    @pytest.mark.parametrize(
        ("asked", "error"),
        [
            ({"StartTime": when(NOW), "EndTime": when(NOW - 1)}, "InvalidTimeRangeException"),
            ({"MaxResults": 51}, "InvalidMaxResultsException"),
            ({"NextToken": "nonsense"}, "InvalidNextTokenException"),
            (
                {"LookupAttributes": [{"AttributeKey": "Colour", "AttributeValue": "x"}]},
                "InvalidLookupAttributesException",
            ),
            (
                {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "x"}] * 2},
                "InvalidLookupAttributesException",
            ),
            ({"EventCategory": "data"}, "InvalidEventCategoryException"),
        ],
    )
    def test_what_can_not_be(self, trail, asked, error):
        with pytest.raises(ClientError) as raised:
            trail.lookup_events(**asked)
        assert code(raised) == error

    def test_a_token_belongs_to_its_parameters(self, add, trail):
        for n in range(60):
            add(at=NOW - 1000 + n)
        asked = {"StartTime": when(NOW - 2000), "EndTime": when(NOW)}
        token = trail.lookup_events(**asked)["NextToken"]
        for other in ({"StartTime": when(NOW - 1999)}, {"LookupAttributes": attributes("EventName", "CreateEndpoint")}):
            with pytest.raises(ClientError) as raised:
                trail.lookup_events(**{**asked, **other, "NextToken": token})
            assert code(raised) == "InvalidNextTokenException"
        assert len(trail.lookup_events(**asked, NextToken=token)["Events"]) == 10

    def test_two_requests_a_second(self, fake, trail, in_memory, clock):
        fake.bill.enforced = True
        trail.lookup_events()
        trail.lookup_events()
        with pytest.raises(ClientError) as raised:
            trail.lookup_events()
        assert code(raised) == "ThrottlingException"
        in_memory("cloudtrail", region="eu-west-1").lookup_events()  # which has a quota of its own
        clock.now += 1
        trail.lookup_events()

    def test_faults_strike_it(self, fake, over_http, add):
        add()
        client = over_http("cloudtrail")
        fake.faults.add("deny", operation="LookupEvents", first=1)
        with pytest.raises(ClientError, match=r"is not authorized to perform: cloudtrail:LookupEvents") as raised:
            client.lookup_events()
        assert code(raised) == "AccessDeniedException"
        fake.faults.add("throttle", service="cloudtrail", first=1)
        with pytest.raises(ClientError, match="Rate exceeded"):
            client.lookup_events()
        fake.faults.add("reset", service="cloudtrail", first=1)
        with pytest.raises(ConnectionClosedError):
            client.lookup_events()
        fake.faults.add("empty", service="cloudtrail", first=1)
        assert "Events" not in client.lookup_events()
        assert len(client.lookup_events(LookupAttributes=attributes(*SAGEMAKER))["Events"]) == 1


class TestLateness:
    def test_a_record_is_there_when_it_has_arrived(self, add, trail, clock):
        call = add(at=NOW, delays=exactly(lookup=300))
        clock.now += 299
        assert ids(trail, SAGEMAKER) == []
        clock.now += 1
        assert ids(trail, SAGEMAKER) == [call.event_id]

    def test_as_the_world_says(self, connect, clock):
        world = World(seed=5)
        made = [world.add_call(ACCOUNT, REGION, NOW, "ListModels") for _ in range(1000)]
        place = world.region(ACCOUNT, REGION).calls
        for road in ("lookup", "bus", "trail"):
            delays = sorted(place.arrivals(call, road)[0] - NOW for call in made)
            assert delays[0] > 0
            assert delays[-1] <= 900
            assert delays[-1] > 450 if road == "lookup" else True
        first = [place.arrivals(call, "lookup") for call in made]
        assert first == [place.arrivals(call, "lookup") for call in made]
        late = [
            {call.number for call in made if place.arrivals(call, road)[0] > NOW + 420} for road in ("lookup", "trail")
        ]
        assert len(late[0] & late[1]) < 20 < min(map(len, late))  # one road says nothing about another

    def test_some_come_twice(self, world, add, trail, clock):
        twice = Delays(lookup=Delay(again=0.5))
        made = [add(at=NOW - n, delays=twice) for n in range(100)]
        clock.now += 600
        found = Counter(ids(trail, SAGEMAKER))
        assert set(found) == {call.event_id for call in made}
        assert 30 < sum(count == 2 for count in found.values()) < 70
        assert max(found.values()) == 2
        assert Counter(ids(trail, SAGEMAKER, PaginationConfig={"PageSize": 1})) == found


class TestOwnCalls:
    def test_the_calls_of_who_asks_the_fake(self, connect, over_http, in_memory, fake):
        client = in_memory("sagemaker", user_agent="sagemaker-exporter/0.1")
        answer = client.list_training_jobs(MaxResults=5)
        (entry,) = entries(in_memory("cloudtrail"), ("EventName", "ListTrainingJobs"))
        told = record_of(entry)
        assert told["userAgent"].startswith("sagemaker-exporter/0.1")
        identity = in_memory("sts").get_caller_identity()
        assert told["userIdentity"]["arn"] == identity["Arn"]
        assert told["userIdentity"]["principalId"] == identity["UserId"]
        assert (entry["AccessKeyId"], entry["Username"]) == (access_key(ACCOUNT), "demo")
        assert told["requestParameters"] == {"maxResults": 5}
        assert told["requestID"] == answer["ResponseMetadata"]["RequestId"]
        assert (told["readOnly"], told["eventTime"]) == (True, "2027-01-15T08:00:00Z")

    def test_as_a_role(self, world, in_memory):
        world.add_role(ACCOUNT, Role("exporter"))
        arn = f"arn:aws:iam::{ACCOUNT}:role/exporter"
        given = in_memory("sts").assume_role(RoleArn=arn, RoleSessionName="scout")["Credentials"]
        keys = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
        in_memory("sagemaker", keys=keys).list_endpoints()
        (entry,) = entries(in_memory("cloudtrail"), ("EventName", "ListEndpoints"))
        told, identity = record_of(entry)["userIdentity"], in_memory("sts", keys=keys).get_caller_identity()
        assert (told["arn"], told["principalId"]) == (identity["Arn"], identity["UserId"])
        assert told["sessionContext"]["sessionIssuer"]["userName"] == "exporter"
        assert entry["Username"] == "scout"

    def test_what_failed_too(self, in_memory, fake):
        client = in_memory("sagemaker")
        fake.faults.add("deny", operation="ListModels")
        for ask in (client.list_models, lambda: client.describe_endpoint(EndpointName="nix")):
            with pytest.raises(ClientError):
                ask()
        found = {e["EventName"]: record_of(e)["errorCode"] for e in entries(in_memory("cloudtrail"))}
        assert found == {"ListModels": "AccessDeniedException", "DescribeEndpoint": "ValidationException"}

    def test_other_services_by_their_names_and_no_data_events(self, in_memory, world):
        world.add_queue(ACCOUNT, REGION, "q")
        in_memory("cloudwatch").list_metrics()
        in_memory("cloudwatch").describe_alarms()
        in_memory("sts").get_caller_identity()
        in_memory("sqs").receive_message(QueueUrl=f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/q")
        trail = in_memory("cloudtrail")
        entries(trail)
        found = {(entry["EventSource"], entry["EventName"]) for entry in entries(trail)}
        assert found == {
            ("monitoring.amazonaws.com", "DescribeAlarms"),
            ("sts.amazonaws.com", "GetCallerIdentity"),
            ("cloudtrail.amazonaws.com", "LookupEvents"),
        }

    @pytest.mark.parametrize("pause", [0, 300])  # time may stand still
    def test_the_oldest_are_forgotten(self, world, in_memory, clock, monkeypatch, pause):
        monkeypatch.setattr(calls, "MOST_HEARD", 100)
        client = in_memory("sagemaker")
        for nth in range(30):
            for _ in range(10):
                client.list_models(MaxResults=nth + 1)
            clock.now += pause
        kept = world.calls(ACCOUNT, REGION, NOW, NOW + 3 * HOUR)
        assert 50 <= len(kept) <= 100
        place = world.region(ACCOUNT, REGION).calls
        assert [call for _, call in place.arriving("trail", NOW, NOW + 3 * HOUR)] == kept
        if pause:
            assert {call.parameters["maxResults"] for call in kept} == set(range(31 - len(kept) // 10, 31))

    def test_two_fakes_of_one_world_make_two_events(self, world, clock, connect):
        found = set()
        for nth in range(2):
            fake = FakeAws(world, lambda nth=nth: clock.now + nth)
            _ask(fake, {})
        found = {call.event_id for call in world.calls(ACCOUNT, REGION, NOW, NOW + 10)}
        assert len(found) == 2


def test_by_the_seed_alone():
    def made(seed):
        world = World(seed)
        world.add_call(ACCOUNT, REGION, NOW, "ListModels")
        world.add_people(ACCOUNT, REGION, NOW, NOW + HOUR)
        return [calls.record(call, ACCOUNT, REGION) for call in world.calls(ACCOUNT, REGION, NOW, NOW + HOUR)]

    assert made(1) == made(1)
    assert not {record["eventID"] for record in made(1)} & {record["eventID"] for record in made(2)}


def _ask(fake, asked):
    """LookupEvents without the SDK, which is slow in thousands."""
    scope = f"{access_key(ACCOUNT)}/20270115/{REGION}/cloudtrail/aws4_request"
    status, _, body = fake.handle(
        "POST",
        "/",
        {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}",
            "X-Amz-Target": "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents",
        },
        orjson.dumps(asked),
    )
    assert status == 200, body
    return orjson.loads(body)


def test_when_records_arrive_is_found_out_again_as_calls_and_delays_change():
    first, second = (calls.ApiCall(n, NOW + n, "ListModels", identities.iam_user(ACCOUNT, "ada")) for n in (1, 2))
    said = [first]
    callers = SimpleNamespace(since=NOW, until=NOW + 300, calls=lambda slot: said if slot == NOW // calls.SLOT else [])
    here = calls.Calls(exactly(10.0))
    here.callers.append(callers)
    assert here.arriving("bus", NOW, NOW + 60) == [(NOW + 11, first)]
    said = [first, second]
    assert here.arriving("bus", NOW, NOW + 60) == [(NOW + 11, first), (NOW + 12, second)]
    here.delays = exactly(10.0, bus=20.0)
    assert here.arriving("bus", NOW, NOW + 60) == [(NOW + 21, first), (NOW + 22, second)]
    assert here.arriving("trail", NOW, NOW + 60) == [(NOW + 11, first), (NOW + 12, second)]
