"""What CloudTrail brings of itself: files in a bucket, what queues hear of them, and events of API calls."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import Counter
from urllib.parse import unquote_plus

import pytest
from asking import ACCOUNT, NOW, REGION

from exporter.demo import World, calls
from exporter.demo.calls import Delay, Delays, exactly, record
from exporter.demo.events import Road, iso
from exporter.demo.trail import AGGREGATED, DIGESTS, INSIGHTS, LOGS

HOUR, DAY = 3600, 86_400
FOLDER = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/"
OTHER = "210987654321"


@pytest.fixture
def world():
    return World(call_delays=calls.PROMPT)


@pytest.fixture
def bucket(world):
    return world.add_bucket(ACCOUNT, REGION, "trails")


@pytest.fixture
def add(world):
    def add(name="CreateEndpoint", at=NOW - 60, **more):
        return world.add_call(ACCOUNT, REGION, at, name, **more)

    return add


def keys(bucket, now, prefix="", after=""):
    return list(bucket.keys(prefix, after, now))


def content(bucket, key, now):
    return json.loads(gzip.decompress(bucket.find(key, now).body))


def written(bucket, now, prefix=""):
    """The eventIDs of all log files, and how often each is there."""
    found = Counter()
    for key in keys(bucket, now, prefix):
        if "/CloudTrail/" in key:
            found.update(one["eventID"] for one in content(bucket, key, now)["Records"])
    return found


def ids(made, *categories):
    return {call.event_id for call in made if call.category in (categories or ("Management",))}


class TestFiles:
    def test_a_file_every_five_minutes_with_what_has_arrived(self, world, bucket, add):
        world.add_trail(bucket, NOW - HOUR, [(ACCOUNT, REGION)])
        early, late = add(at=NOW - 400), add(at=NOW - 400, delays=exactly(trail=300))
        first, second = (key for key in keys(bucket, NOW + 60) if key.startswith(FOLDER))
        name = rf"{ACCOUNT}_CloudTrail_{REGION}_20270115T(\d{{4}})Z_[A-Za-z0-9]{{16}}\.json\.gz"
        stamps = [re.fullmatch(rf"{FOLDER}2027/01/15/{name}", key)[1] for key in (first, second)]
        assert stamps == ["0755", "0800"]
        expected = [[record(call, ACCOUNT, REGION)] for call in (early, late)]
        assert [content(bucket, key, NOW + 60)["Records"] for key in (first, second)] == expected
        assert keys(bucket, NOW, FOLDER) == [first]
        assert bucket.find(second, NOW) is None

    def test_all_of_the_truth_once_or_twice(self, bucket):
        world = World(3)
        world.add_people(ACCOUNT, REGION, NOW - 4 * HOUR, NOW, per_hour=3000)
        world.add_trail(bucket, NOW - 5 * HOUR, [(ACCOUNT, REGION)])
        found = written(bucket, NOW + 2 * HOUR)
        assert set(found) == ids(world.calls(ACCOUNT, REGION, NOW - 5 * HOUR, NOW))
        assert 0.002 < sum(number == 2 for number in found.values()) / len(found) < 0.01
        assert max(found.values()) == 2

    def test_records_are_in_no_order_and_files_are_several(self, world, bucket):
        world.add_people(ACCOUNT, REGION, NOW - HOUR, NOW, per_hour=12_000)
        world.add_trail(bucket, NOW - HOUR, [(ACCOUNT, REGION)])
        files = keys(bucket, NOW + HOUR, FOLDER)
        stamps = Counter(key.rpartition("_")[0] for key in files)
        assert max(stamps.values()) >= 3
        times = [one["eventTime"] for one in content(bucket, files[0], NOW + HOUR)["Records"]]
        assert times != sorted(times)

    def test_the_same_bytes_each_time(self, bucket):
        bodies = []
        for _ in range(2):
            world = World(3)
            world.add_people(ACCOUNT, REGION, NOW - HOUR, NOW)
            again = world.add_bucket(ACCOUNT, REGION, "trails")
            world.add_trail(again, NOW - HOUR, [(ACCOUNT, REGION)])
            found = keys(again, NOW)
            bodies.append({key: again.find(key, NOW).body for key in (found if not bodies else found[::-1])})
        assert bodies[0] == bodies[1]
        # the time in the head of each is the world's
        assert all(NOW - HOUR < int.from_bytes(body[4:8], "little") <= NOW for body in bodies[0].values())
        assert len(bodies[0]) > 10

    def test_a_prefix_an_organisation_and_more_places(self, world, bucket, add):
        add()
        world.add_call(OTHER, "eu-west-1", NOW - 60, "CreateModel")
        places = [(ACCOUNT, REGION), (OTHER, "eu-west-1")]
        world.add_trail(bucket, NOW - HOUR, places, prefix="my logs", organization="o-abc", kinds=(LOGS,))
        one, other = keys(bucket, NOW + 60)
        assert one.startswith(f"my logs/AWSLogs/o-abc/{ACCOUNT}/CloudTrail/{REGION}/2027/01/15/{ACCOUNT}_")
        assert other.startswith(f"my logs/AWSLogs/o-abc/{OTHER}/CloudTrail/eu-west-1/2027/01/15/{OTHER}_")
        assert content(bucket, other, NOW + 60)["Records"][0]["recipientAccountId"] == OTHER

    def test_two_trails_have_the_same_records_in_files_of_their_own(self, world, bucket, add):
        call = add()
        for name in ("one", "two"):
            world.add_trail(bucket, NOW - HOUR, [(ACCOUNT, REGION)], name)
        assert written(bucket, NOW + 60) == {call.event_id: 2}
        assert len(keys(bucket, NOW + 60, FOLDER)) == 2

    def test_data_events_only_where_a_trail_logs_them(self, world, bucket, add):
        management, data = add(), add("InvokeEndpoint", eventCategory="Data")
        network = add("ListModels", eventCategory="NetworkActivity")
        logs_all = frozenset({"Management", "Data", "NetworkActivity"})
        world.add_trail(bucket, NOW - HOUR, [(ACCOUNT, REGION)], prefix="plain")
        world.add_trail(bucket, NOW - HOUR, [(ACCOUNT, REGION)], prefix="all", categories=logs_all)
        assert set(written(bucket, NOW + 60, "plain/")) == {management.event_id}
        assert set(written(bucket, NOW + 60, "all/")) == {management.event_id, data.event_id, network.event_id}

    def test_one_that_is_asked_for_after_another_and_by_day(self, bucket):
        world = World(3)
        world.add_people(ACCOUNT, REGION, NOW - 30 * DAY, NOW, per_hour=60)
        world.add_trail(bucket, NOW - 30 * DAY, [(ACCOUNT, REGION)])
        day = keys(bucket, NOW, f"{FOLDER}2027/01/10/")
        assert 200 < len(day) < 320
        assert day == sorted(day)
        assert keys(bucket, NOW, f"{FOLDER}2027/01/10/", day[100]) == day[101:]
        assert keys(bucket, NOW, day[7][:-10]) == [day[7]]
        assert next(bucket.keys(FOLDER, f"{FOLDER}2027/01/10/~", NOW)).startswith(f"{FOLDER}2027/01/11/")
        (people,) = world.region(ACCOUNT, REGION).calls.callers
        assert people.at_hand < 3000  # one day and what is beside it, not thirty

    def test_over_http_a_month_is_not_walked_through_for_its_folders(self, world, bucket, over_http):
        world.add_people(ACCOUNT, REGION, NOW - 30 * DAY, NOW, per_hour=60)
        world.add_trail(bucket, NOW - 30 * DAY, [(ACCOUNT, REGION)])
        client = over_http("s3")
        answer = client.list_objects_v2(Bucket="trails", Prefix=f"AWSLogs/{ACCOUNT}/", Delimiter="/")
        found = [one["Prefix"].split("/")[-2] for one in answer["CommonPrefixes"]]
        assert found == ["CloudTrail-Digest", "CloudTrail"]
        key = keys(bucket, NOW, FOLDER)[-1]
        sent = client.get_object(Bucket="trails", Key=key)
        assert sent["ContentEncoding"] == "gzip"
        assert json.loads(gzip.decompress(sent["Body"].read())) == content(bucket, key, NOW)

    @pytest.mark.parametrize(
        "key",
        [
            f"{FOLDER}2027/01/15/{ACCOUNT}_CloudTrail_{REGION}_20270115T0755Z_AAAAAAAAAAAAAAAA.json.gz",
            f"{FOLDER}2027/01/15/{ACCOUNT}_CloudTrail_{REGION}_20279915T0755Z_AAAAAAAAAAAAAAAA.json.gz",
            f"{FOLDER}nothing",
        ],
    )
    def test_other_names_are_no_files(self, world, bucket, add, key):
        world.add_trail(bucket, NOW - HOUR, [(ACCOUNT, REGION)])
        add()
        assert bucket.find(key, NOW + 60) is None


class TestSiblings:
    def test_a_digest_lists_what_was_delivered_in_its_hour(self, world, bucket):
        world.add_people(ACCOUNT, REGION, NOW - 3 * HOUR, NOW)
        world.add_trail(bucket, NOW - 3 * HOUR, [(ACCOUNT, REGION)])
        now = NOW + 3 * HOUR
        digests = keys(bucket, now, f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/")
        folder = f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/2027/01/15"
        assert digests[0] == f"{folder}/{ACCOUNT}_CloudTrail-Digest_{REGION}_trail_{REGION}_20270115T060000Z.json.gz"
        listed, before = [], None
        for key in digests:
            digest = content(bucket, key, now)
            assert (digest["awsAccountId"], digest["digestS3Object"]) == (ACCOUNT, key)
            assert digest["previousDigestS3Object"] == before
            for log in digest["logFiles"]:
                made = bucket.find(log["s3Object"], now)
                assert digest["digestStartTime"] <= iso(made.at) < digest["digestEndTime"]
                assert log["hashValue"] == hashlib.sha256(gzip.decompress(made.body)).hexdigest()
                times = [one["eventTime"] for one in content(bucket, made.key, now)["Records"]]
                assert (log["oldestEventTime"], log["newestEventTime"]) == (min(times), max(times))
                listed.append(made.key)
            before = key
        assert listed == keys(bucket, now, FOLDER)
        assert digest["logFiles"] == []  # there is one without any

    def test_folders_of_no_calls(self, world, bucket):
        kinds = (LOGS, DIGESTS, INSIGHTS, AGGREGATED)
        world.add_trail(bucket, NOW - HOUR, [(ACCOUNT, REGION)], kinds=kinds)
        found = {key.split("/")[2]: content(bucket, key, NOW + 60) for key in keys(bucket, NOW + 60)}
        assert found["CloudTrail-Insight"]["Records"][0]["eventType"] == "AwsCloudTrailInsight"
        assert found["CloudTrail-Aggregated"]["Records"][0]["eventCategory"] == "Aggregated"


class TestNotices:
    @pytest.fixture
    def queue(self, world):
        return world.add_queue(ACCOUNT, REGION, "q")

    def heard(self, world, queue, now):
        with world.lock:
            world.flow(queue, now)
        return [json.loads(message.body) for message in queue.messages.values()]

    @pytest.fixture
    def one(self, world, bucket, add):
        """The key of the only file."""
        world.add_trail(bucket, NOW - HOUR, [(ACCOUNT, REGION)], prefix="my logs", kinds=(LOGS,))
        add()
        (key,) = keys(bucket, NOW + 60)
        return key

    def test_by_s3(self, world, bucket, queue, one):
        world.announce(bucket, queue, NOW - 600)
        test, told = self.heard(world, queue, NOW + 60)
        assert (test["Event"], test["Bucket"]) == ("s3:TestEvent", "trails")
        (told,) = told["Records"]
        assert (told["eventSource"], told["eventName"]) == ("aws:s3", "ObjectCreated:Put")
        assert told["s3"]["bucket"] == {
            "name": "trails",
            "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
            "arn": "arn:aws:s3:::trails",
        }
        assert told["s3"]["object"]["key"].startswith("my+logs/AWSLogs/")
        assert unquote_plus(told["s3"]["object"]["key"]) == one
        made = bucket.find(one, NOW + 60)
        assert (told["s3"]["object"]["size"], told["s3"]["object"]["eTag"]) == made.facts
        (*_, message) = queue.messages.values()
        assert message.sent == made.at

    def test_by_s3_through_a_topic(self, world, bucket, queue, one):
        world.announce(bucket, queue, NOW - 600, "s3_sns")
        test, told = self.heard(world, queue, NOW + 60)
        assert {test["Type"], told["Type"]} == {"Notification"}
        assert told["Subject"] == "Amazon S3 Notification"
        assert told["TopicArn"] == f"arn:aws:sns:{REGION}:{ACCOUNT}:trail"
        assert json.loads(test["Message"])["Event"] == "s3:TestEvent"
        (inside,) = json.loads(told["Message"])["Records"]
        assert unquote_plus(inside["s3"]["object"]["key"]) == one

    def test_by_cloudtrail(self, world, bucket, queue, one):
        world.add_trail(bucket, NOW - HOUR, [(ACCOUNT, REGION)], "digests", kinds=(DIGESTS,))
        world.announce(bucket, queue, NOW - 2 * HOUR, "cloudtrail_sns")
        test, told = self.heard(world, queue, NOW + HOUR)  # and nothing of the digest
        assert test["Message"] == "CloudTrail validation message."
        assert json.loads(told["Message"]) == {"s3Bucket": "trails", "s3ObjectKey": [one]}

    def test_by_eventbridge(self, world, bucket, queue, one):
        world.announce(bucket, queue, NOW - 600, "eventbridge")
        (told,) = self.heard(world, queue, NOW + 60)
        assert (told["source"], told["detail-type"]) == ("aws.s3", "Object Created")
        assert told["detail"]["bucket"] == {"name": "trails"}
        assert told["detail"]["object"]["key"] == one  # as it is
        assert (told["account"], told["region"], told["resources"]) == (ACCOUNT, REGION, ["arn:aws:s3:::trails"])

    def test_of_what_was_put_too_and_of_a_prefix_alone(self, world, bucket, queue):
        world.announce(bucket, queue, NOW, prefix="in/")
        bucket.put("in/1", b"x", NOW + 5)
        bucket.put("out/1", b"x", NOW + 5)
        _, told = self.heard(world, queue, NOW + 10)
        assert told["Records"][0]["s3"]["object"]["key"] == "in/1"
        assert len(self.heard(world, queue, NOW + 20)) == 2

    def test_some_are_lost_and_some_come_twice(self, world, bucket, queue):
        world.announce(bucket, queue, NOW, lost=0.2, repeated=0.2)
        for nth in range(500):
            bucket.put(f"{nth:03d}", b"x", NOW + nth)
        _, *told = self.heard(world, queue, NOW + 1000)
        found = Counter(one["Records"][0]["s3"]["object"]["key"] for one in told)
        assert 50 < 500 - len(found) < 110
        assert 60 < sum(number == 2 for number in found.values()) < 110

    def test_pieces_are_the_whole(self, bucket, world, queue):
        world.add_people(ACCOUNT, REGION, NOW - HOUR, NOW + 2 * HOUR)
        world.add_trail(bucket, NOW - HOUR, [(ACCOUNT, REGION)])
        world.announce(bucket, queue, NOW, "eventbridge")
        for later in range(0, 2 * HOUR, 700):
            self.heard(world, queue, NOW + later)
        told = [one["detail"]["object"]["key"] for one in self.heard(world, queue, NOW + 2 * HOUR)]
        assert len(told) == len(set(told))
        assert set(told) == set(keys(bucket, NOW + 2 * HOUR)) - set(keys(bucket, NOW))


class TestEvents:
    @pytest.fixture
    def told(self, world):
        """What came into a queue by a rule that takes calls."""
        queue = world.add_queue(ACCOUNT, REGION, "q")

        def told(now, **rule):
            if rule:
                world.route(queue, NOW - HOUR, **rule)
            with world.lock:
                world.flow(queue, now)
            return [json.loads(message.body) for message in queue.messages.values()]

        return told

    def test_an_envelope(self, add, told):
        call = add(parameters={"endpointName": "e"})
        (envelope,) = told(NOW, calls="write")
        assert re.fullmatch(r"[0-9a-f-]{36}", envelope.pop("id"))
        assert envelope == {
            "version": "0",
            "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.sagemaker",
            "account": ACCOUNT,
            "time": "2027-01-15T07:59:00Z",
            "region": REGION,
            "resources": [],
            "detail": record(call, ACCOUNT, REGION),
        }

    def test_read_only_calls_only_if_the_rule_says_so(self, world, add, told):
        write, read = add(), add("ListEndpoints", NOW - 50)
        assert [one["detail"]["eventID"] for one in told(NOW, calls="write")] == [write.event_id]
        everything = world.add_queue(ACCOUNT, REGION, "all")
        world.route(everything, NOW - HOUR, calls="all")
        with world.lock:
            world.flow(everything, NOW)
        found = [json.loads(message.body)["detail"]["eventID"] for message in everything.messages.values()]
        assert found == [write.event_id, read.event_id]

    def test_a_rule_takes_calls_or_changes_or_both(self, world, add, told):
        add()
        world.add_job(ACCOUNT, REGION, "training", "t", NOW - 100)
        changes = "SageMaker Training Job State Change"
        assert [one["detail-type"] for one in told(NOW, changes=False, calls="write")] == [
            "AWS API Call via CloudTrail"
        ]
        other = world.add_queue(ACCOUNT, REGION, "other")
        world.route(other, NOW - HOUR)
        with world.lock:
            world.flow(other, NOW)
        assert [json.loads(message.body)["detail-type"] for message in other.messages.values()] == [changes]

    @pytest.mark.parametrize(
        ("kind", "detail_type"),
        [
            ("AwsServiceEvent", "AWS Service Event via CloudTrail"),
            ("AwsConsoleAction", "AWS Console Action via CloudTrail"),
        ],
    )
    def test_other_types(self, add, told, kind, detail_type):
        add(eventType=kind)
        assert [one["detail-type"] for one in told(NOW, calls="write")] == [detail_type]

    def test_data_events_only_with_a_trail_that_logs_them(self, world, add, told, bucket):
        add("InvokeEndpoint", eventCategory="Data", readOnly=True)
        assert told(NOW, calls="write") == []
        world.add_trail(bucket, NOW, [(ACCOUNT, REGION)], categories=frozenset({"Management", "Data"}))
        call = add("InvokeEndpoint", NOW + 5, eventCategory="Data", readOnly=True)
        assert [one["detail"]["eventID"] for one in told(NOW + 10)] == [call.event_id]

    def test_what_is_too_large_does_not_come(self, add, told):
        add(parameters={"environment": "x" * 262_144})
        small = add(parameters={"environment": "x" * 200_000})
        assert [one["detail"]["eventID"] for one in told(NOW, calls="write")] == [small.event_id]

    def test_late_lost_and_repeated(self, world, add, told):
        delays = Delays(bus=Delay((300, 300), again=0.2))
        made = [add(at=NOW - n / 10, delays=delays) for n in range(500)]
        assert told(NOW + 200, calls="write", road=Road(lost=0.1, delay=0.0)) == []
        found = Counter(one["detail"]["eventID"] for one in told(NOW + 2000))
        assert set(found) < ids(made)
        assert 15 < 500 - len(found) < 80
        assert 50 < sum(number == 2 for number in found.values()) < 130

    def test_pieces_are_the_whole(self, told):
        found = []
        for pieces in (1, 9):
            world = World(3)
            world.add_people(ACCOUNT, REGION, NOW - HOUR, NOW)
            queue = world.add_queue(ACCOUNT, REGION, "q")
            world.route(queue, NOW - HOUR, calls="all", changes=False)
            for nth in range(1, pieces + 1):
                with world.lock:
                    world.flow(queue, NOW - HOUR + nth * 2 * HOUR / pieces)
            found.append(Counter(message.body for message in queue.messages.values()))
        assert found[0] == found[1]
        told = {json.loads(body)["detail"]["eventID"] for body in found[0]}
        assert told == ids(world.calls(ACCOUNT, REGION, NOW - HOUR, NOW))
