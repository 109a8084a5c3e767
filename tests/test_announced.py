"""API calls in files of a trail: told by a queue in every form, found by listing; by other roads too, and an oracle."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime
from functools import partial

import pytest
from street import ACCOUNT, REGION, Street
from test_cloudtrail import CALLS, ERRORS, LATE, OUTCOMES, SOURCE, busy, envelope, oracle
from worlds import T0, values

from exporter import road as of_road
from exporter.aws import AwsError
from exporter.aws.queues import Queue
from exporter.demo import World
from exporter.demo.calls import record
from exporter.demo.identities import iam_user
from exporter.demo.trail import AGGREGATED, DIGESTS, INSIGHTS, LOGS
from exporter.model import DAY, HOUR, MINUTE, Target
from exporter.road import Road
from exporter.sources.cloudtrail import AnnouncedCalls, HeardCalls

OTHER = "210987654321"
URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/trail"
S3 = "{from: s3, queue: trail, bucket: logs}"
TEXT = f"queues: {{trail: {{url: '{URL}'}}}}\nsources: {{cloudtrail: %s}}"
FORMS = ("s3", "s3_sns", "cloudtrail_sns", "eventbridge")
WHERE = (ACCOUNT, REGION)


class Trails(Street):
    """A street with a bucket, a trail that writes into it, and a queue that may tell of its files."""

    def __init__(self, world, text=TEXT % S3, **settings):
        self.bucket = world.add_bucket(*WHERE, "logs")
        self.queue = world.add_queue(*WHERE, "trail")
        self.meant = {Target(*WHERE)}
        super().__init__(world, text=text, run=("cloudtrail",), **settings)

    def start(self, text=None):
        super().start(text)
        queue = self.config.queues["trail"]
        self.road = Road(
            "trail",
            Queue(self.aws, queue),
            self.collection,
            self.clock,
            self.tally,
            lambda: self.meant,
            every=queue.accounts == "all",
            meet=str,
        )
        made = {"s3": partial(AnnouncedCalls, self.aws), "queue": lambda _, config: HeardCalls(self.aws, config)}
        trails = [trail for trail in self.config.sources.trails if trail.from_ in made]
        self.road.listen(made[trail.from_](trail, self.config) for trail in trails)

    def cycle(self, seconds=0.0):
        self.true.forward(seconds)
        self.turn()
        return super().cycle()

    def turn(self):
        """Take out of the queue what can be had, after a look at the bucket if that is due."""
        waiting = None
        while waiting is None or (waiting and waiting != len(self.visible())):
            waiting = len(self.visible())
            self.road._turn()

    def visible(self):
        now = self.true.now()
        return [one for one in self.queue.messages.values() if one.visible <= now and one.sent <= now]

    def shown(self, family, where=WHERE, part=""):
        found = values(self.ledger.snapshot(), family, part)
        return {labels[2:]: value for labels, value in found.items() if labels[:2] == where and value}

    def over(self, hours=12):
        for _ in range(hours):
            self.cycle(HOUR)

    def heal(self):
        """Look at the bucket although that is not due."""
        for one in self.road._listeners:
            one._healing._next = 0.0
        self.cycle()

    def asked(self, operation):
        return self.fake.bill.requests[f"s3.{operation}"]

    def put(self, *records, name="a" * 16, minute=5, account=ACCOUNT, region=REGION, body=None, kind="CloudTrail"):
        """Put a file with these records; return its key."""
        stamp = f"20260101T00{minute:02d}Z"
        folder = f"AWSLogs/{account}/{kind}/{region}/2026/01/01"
        key = f"{folder}/{account}_{kind}_{region}_{stamp}_{name}.json.gz"
        body = gzip.compress(json.dumps({"Records": records}).encode()) if body is None else body
        self.bucket.put(key, body, self.true.now())
        return key

    def tell(self, *keys, bucket="logs", event="ObjectCreated:Put"):
        """Let the queue hear of these keys, in one message."""
        told = [
            {
                "eventSource": "aws:s3",
                "eventName": event,
                "awsRegion": REGION,
                "eventTime": "2026-01-01T00:00:00.000Z",
                "s3": {"bucket": {"name": bucket}, "object": {"key": key}},
            }
            for key in keys
        ]
        self.send({"Records": told})

    def send(self, body):
        self.queue.send(body if isinstance(body, str) else json.dumps(body), self.true.now())


@pytest.fixture
def trails(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1")  # where S3 writes the bucket into the path
    made = []

    def start(world=None, text=TEXT % S3, **more):
        made.append(Trails(world or World(seed=1, call_delays=LATE), text, **more))
        return made[-1]

    yield start
    for one in made:
        one.kill()


def made_call(n, account=ACCOUNT, region=REGION, **more):
    """Return a record of a call, as CloudTrail writes it."""
    world = World(seed=n)
    call = world.add_call(account, region, T0 + 10 + n, "DeleteModel", who=iam_user(account, "ada"), **more)
    return record(call, account, region)


def calls(one, where=WHERE):
    """Return how many calls have been counted, shown yet or not."""
    totals = one.ledger._books.totals
    return sum(total.parts[""] for key, total in totals.items() if key.face[0] == CALLS and key.labels[:2] == where)


# -- forms and files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_each_form_in_which_aws_tells_of_files(trails, form):
    one = trails()
    world = one.fake.world
    trail = world.add_trail(one.bucket, T0, [WHERE], prefix="")
    world.announce(one.bucket, one.queue, T0, form)
    assert trail.kinds == (LOGS, DIGESTS)
    one.cycle()
    busy(random.Random(1), world, 300, T0, T0 + HOUR)
    for _ in range(20):
        one.cycle(5 * MINUTE)
    assert one.shown(CALLS) == oracle(world, T0)[0]
    assert one.queue.messages == {}, "all that was told is deleted, tests and digests too"
    one.collection.own()
    assert one.shown(OUTCOMES)["cloudtrail", "ignored"] > 10, "those of other services"
    assert one.shown("sagemaker_api_event_delivery_lag_seconds", part="count").keys() == {("s3",)}


def test_files_that_hold_no_calls_are_not_read(trails):
    one = trails()
    world = one.fake.world
    world.add_trail(one.bucket, T0, [WHERE], kinds=(LOGS, DIGESTS, INSIGHTS, AGGREGATED))
    world.announce(one.bucket, one.queue, T0 + HOUR)
    one.heal()
    made = busy(random.Random(1), world, 50, T0, T0 + HOUR)
    for _ in range(30):
        one.cycle(5 * MINUTE)
    names = [key.split("/")[2] for key in one.bucket.keys("", "", one.true.now())]
    assert {LOGS, DIGESTS, INSIGHTS, AGGREGATED} == set(names)
    assert calls(one) == sum(call.source == SOURCE for call in made)
    assert 0 <= one.asked("GetObject") - names.count(LOGS) <= names.count(DIGESTS), "one may have come too late"
    assert one.queue.messages == {}


def test_a_key_is_decoded_as_s3_has_encoded_it(trails):
    text = TEXT % "{from: s3, queue: trail, bucket: logs, prefix: 'my logs+é'}"
    one = trails(text=text)
    one.cycle()
    key = f"my logs+é/{one.put(made_call(1))}"
    one.bucket.objects[key] = one.bucket.objects.popitem()[1]
    one.tell(key.replace("+", "%2B").replace(" ", "+"))
    one.turn()
    assert calls(one) == 1


@pytest.mark.parametrize(
    "message",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-01T00:00:00.000Z", "Bucket": "logs"},
        "CloudTrail validation message.",
        {"s3Bucket": "another", "s3ObjectKey": ["x"]},
        {"s3Bucket": "logs", "s3ObjectKey": []},
        {"s3Bucket": "logs", "s3ObjectKey": ["no/file", "../..", ""]},
    ],
)
def test_what_tells_of_no_file_of_ours_is_deleted(trails, message):
    one = trails()
    one.heal()
    one.send(message)
    one.tell(one.put(made_call(1)), bucket="another")
    one.tell(one.put(made_call(1)), event="ObjectRemoved:Delete")
    one.turn()
    assert one.queue.messages == {}
    assert calls(one) == 0


@pytest.mark.parametrize(
    "message",
    [
        {"s3Bucket": "logs", "s3ObjectKey": "AWSLogs"},
        {"s3Bucket": "logs", "s3ObjectKey": [7]},
        {"s3Bucket": None, "s3ObjectKey": []},
        {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "2026-01-01T00:00:00Z"}]},
        "another message.",
    ],
)
def test_what_can_not_be_read_is_left(trails, message):
    one = trails()
    one.cycle()
    one.send(message)
    one.tell(one.put(made_call(1)))
    one.turn()
    assert len(one.queue.messages) == 1
    assert calls(one) == 1


def test_a_file_told_again_is_not_read_again(trails):
    one = trails()
    one.cycle()
    key = one.put(made_call(1), made_call(2))
    for _ in range(3):
        one.tell(key, key)
        one.turn()
    one.kill()
    one.start()
    one.tell(key)
    one.turn()
    assert one.asked("GetObject") == 1
    assert calls(one) == 2


# -- targets -----------------------------------------------------------------------------------------------------------


def test_only_configured_targets_count(trails):
    one = trails()
    one.cycle()
    mixed = [made_call(1), made_call(2, OTHER), made_call(3, ACCOUNT, "eu-west-1")]
    one.tell(one.put(*mixed), one.put(made_call(4, OTHER), account=OTHER), one.put(made_call(5), name="b" * 16))
    one.turn()
    assert calls(one) == 2
    assert {key.labels[:2] for key in one.ledger._books.totals} == {WHERE}
    assert one.asked("GetObject") == 2, "a file of an account that does not count is not read"
    one.collection.own()
    assert one.shown(OUTCOMES)["cloudtrail", "ignored"] == 3


def test_all_accounts_count_where_the_queue_says_so(trails):
    one = trails(text=TEXT.replace("'}", "', accounts: all}") % S3)
    one.cycle()
    mixed = [made_call(1), made_call(2, OTHER), made_call(3, ACCOUNT, "eu-west-1")]
    one.tell(one.put(*mixed), one.put(made_call(4, OTHER), account=OTHER))
    one.turn()
    assert [calls(one, where) for where in (WHERE, (OTHER, REGION), (ACCOUNT, "eu-west-1"))] == [1, 2, 1]
    one.put(made_call(5, OTHER), account=OTHER, name="b" * 16)
    one.heal()
    assert calls(one, (OTHER, REGION)) == 3


# -- broken files ------------------------------------------------------------------------------------------------------

WHOLE = gzip.compress(json.dumps({"Records": [made_call(1), made_call(2)]}).encode(), mtime=0)


@pytest.mark.parametrize(
    ("body", "counted"),
    [
        (b"", 0),
        (b"no gzip", 0),
        (WHOLE[:-4], 2),
        (WHOLE[:40], 0),
        (gzip.compress(gzip.decompress(WHOLE)[:-30]), 1),
        (gzip.compress(b'{"Records": [' + b"[" * 100_000), 0),
    ],
    ids=["empty", "no_gzip", "no_end_of_gzip", "half_a_gzip", "no_end_of_json", "too_deep"],
)
def test_a_broken_file_is_told_left_and_tried_again_and_the_rest_goes_on(trails, body, counted):
    one = trails()
    one.cycle()
    broken = one.put(body=body)
    one.tell(broken)
    one.tell(one.put(made_call(7), name="b" * 16))
    one.turn()
    assert calls(one) == counted + 1
    assert len(one.queue.messages) == 1
    (run,) = one.collection.runs()
    assert (run.outcome, len(run.failures)) == ("partial", 1)
    assert broken in run.failures[0].detail
    one.bucket.put(broken, WHOLE, one.true.now())
    one.cycle(2 * MINUTE)  # it is visible again
    assert calls(one) == 3
    assert one.queue.messages == {}
    assert one.collection.runs()[0].outcome == "ok"


@pytest.mark.parametrize("kind", ["denied", "disabled", "gone", "http_503", "truncated"])
def test_a_file_that_can_not_be_had_is_told_left_and_tried_again(trails, kind):
    one = trails()
    one.cycle()
    key = one.put(made_call(1))
    if kind == "gone":
        kept = one.bucket.objects.pop(key)
    elif kind in {"denied", "disabled"}:
        one.bucket.encrypted = kind
    else:
        one.fake.faults.add(kind, operation="GetObject")
    one.tell(key)
    one.turn()
    assert calls(one) == 0
    assert len(one.queue.messages) == 1
    (run,) = one.collection.runs()
    assert run.outcome == ("denied" if kind in {"denied", "disabled"} else "failed")
    one.fake.faults.clear()
    one.bucket.encrypted = ""
    if kind == "gone":
        one.bucket.objects[key] = kept
    one.cycle(2 * MINUTE)
    assert calls(one) == 1
    assert one.queue.messages == {}


def test_hostile_records_are_counted_as_such_or_under_bounded_names(trails):
    one = trails()
    one.cycle()
    long = made_call(1) | {"eventName": "x" * 5000}
    nobody = made_call(2) | {"recipientAccountId": '"} 1\nevil 1', "awsRegion": "../../x"}
    half = gzip.decompress(WHOLE).replace(b"DeleteModel", b"Delete\\ud800", 1)
    corrected = made_call(3) | {"addendum": {"reason": "UPDATED_DATA", "originalEventID": "e"}}
    late = made_call(4) | {"addendum": {"reason": "DELIVERY_DELAY"}}
    one.tell(
        one.put(long, nobody, corrected, late, None, [], 7, "x", {}),
        one.put(body=gzip.compress(half), name="b" * 16),
    )
    one.turn()
    one.collection.own()
    assert calls(one) == 2
    assert one.shown(OUTCOMES)["cloudtrail", "unparsed"] == 8
    assert one.shown(OUTCOMES)["cloudtrail", "corrected"] == 1
    one.renderer.render(one.ledger.snapshot())


# -- healing -----------------------------------------------------------------------------------------------------------


def test_files_that_nobody_told_of_are_found_within_the_hour_and_read_once(trails):
    one = trails()
    world = one.fake.world
    world.add_trail(one.bucket, T0, [WHERE])
    one.cycle()
    busy(random.Random(1), world, 200, T0, T0 + 3 * HOUR)
    one.over(6)
    assert one.shown(CALLS) == oracle(world, T0)[0]
    files = list(one.bucket.keys("", "", one.true.now()))
    assert one.asked("GetObject") == len(files), "digests too"
    one.kill()
    one.start()
    one.cycle()
    assert one.asked("GetObject") <= len(files) + 1, "one may have come"


def test_a_look_takes_a_page_for_each_folder_and_day(trails):
    one = trails()
    one.fake.world.add_trail(one.bucket, T0 - 20 * DAY, [WHERE])
    one.fake.world.add_people(*WHERE, T0 - 20 * DAY, T0 + DAY, per_hour=40)
    one.over(10)
    before = one.asked("ListObjectsV2")
    one.cycle(HOUR)
    assert one.asked("ListObjectsV2") - before == 1 + 3, "the top, a day of two kinds of files, and of digests"
    assert one.asked("GetObject") < 13 * 14


def test_a_broken_file_is_tried_again_each_hour_and_others_are_read_meanwhile(trails):
    one = trails()
    one.cycle()
    broken, gone = one.put(body=WHOLE[:50]), one.put(made_call(3), name="b" * 16)
    one.bucket.encrypted = ""
    one.heal()
    assert calls(one) == 1
    one.put(made_call(4), name="c" * 16, minute=55)
    one.over(14)
    assert calls(one) == 2
    assert one.runs == []
    (run,) = one.collection.runs()
    assert run.outcome == "failed"
    assert broken in run.failures[0].detail
    assert gone not in str(run.failures)
    one.bucket.put(broken, WHOLE, one.true.now())
    one.cycle(HOUR)
    assert calls(one) == 4
    one.cycle(HOUR)
    assert one.collection.runs()[0].outcome == "ok"


def test_what_a_digest_names_and_is_not_there_is_told(trails):
    one = trails()
    one.cycle()
    lost = one.put(made_call(1))
    body = gzip.compress(json.dumps({"logFiles": [{"s3Bucket": "logs", "s3Object": lost}]}).encode())
    path = f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/2026/01/01"
    one.put(body=b"", name="b" * 16)
    one.bucket.objects.clear()
    one.put(made_call(2), name="c" * 16)
    digest = f"{path}/{ACCOUNT}_CloudTrail-Digest_{REGION}_trail_{REGION}_20260101T010000Z.json.gz"
    one.bucket.put(digest, body, one.true.now())
    one.cycle(HOUR)
    assert calls(one) == 1
    (run,) = one.collection.runs()
    assert [failure.error_class for failure in run.failures] == ["absent"]
    assert lost in run.failures[0].detail
    one.over(30)
    assert one.collection.runs()[0].outcome == "ok", "a day later it is given up"


def test_while_the_bucket_is_closed_no_mark_moves(trails):
    one = trails()
    one.cycle()
    one.fake.faults.add("deny", operation="ListObjectsV2")
    one.put(made_call(1))
    one.over(20)
    (run,) = one.collection.runs()
    assert run.outcome == "denied"
    one.fake.faults.clear()
    one.fake.faults.add("throttle", operation="GetObject")
    one.heal()
    assert calls(one) == 0
    one.fake.faults.clear()
    one.over(2)
    assert calls(one) == 1


def test_a_look_that_takes_long_is_broken_off_and_goes_on(trails, monkeypatch):
    one = trails()
    one.cycle()
    for n in range(40):
        one.put(made_call(n), name=f"{n:016d}")
    read = of_road.Road._turn
    turns = []
    monkeypatch.setattr(Road, "_turn", lambda road: (turns.append(1), read(road))[1])
    contents = one.road._listeners[0]._contents
    slow = contents.bucket.read
    monkeypatch.setattr(contents.bucket, "read", lambda key: (one.true.forward(10.0), slow(key))[1])
    one.true.forward(HOUR)
    while calls(one) < 40:
        one.turn()
        assert len(turns) < 20
    assert len(turns) >= 6
    assert one.asked("GetObject") == 40


# -- bad days of a bucket ----------------------------------------------------------------------------------------------

ALL = TEXT.replace("'}", "', accounts: all}") % S3


def slowly(monkeypatch, bucket, method, forward, seconds):
    """Let each call of a bucket's method take some seconds."""
    real = getattr(bucket, method)
    monkeypatch.setattr(bucket, method, lambda *given, **more: (forward(seconds), real(*given, **more))[1])


def of_bucket(one):
    return one.road._listeners[0]._contents.bucket


def late_file(one, ago, account=ACCOUNT):
    """Put a file with one call of some seconds ago; return its key. Nobody is told."""
    at = one.true.now() - ago
    call = World(seed=1).add_call(account, REGION, at, "DeleteModel", who=iam_user(account, "ada"))
    when = datetime.fromtimestamp(at + 300, UTC)
    name = f"{account}_CloudTrail_{REGION}_{when:%Y%m%dT%H%M}Z_{'a' * 16}.json.gz"
    key = f"AWSLogs/{account}/CloudTrail/{REGION}/{when:%Y/%m/%d}/{name}"
    one.bucket.put(key, gzip.compress(json.dumps({"Records": [record(call, account, REGION)]}).encode()), at + 300)
    return key


@pytest.mark.parametrize(("text", "account"), [(TEXT % S3, ACCOUNT), (ALL, OTHER)])
@pytest.mark.parametrize("told", [True, False])
def test_the_first_file_of_a_target_counts_though_it_comes_while_nobody_runs(trails, text, account, told):
    """Counting begins with the first start, not with the first file."""
    one = trails(text=text)
    one.cycle()
    one.over(3)
    one.kill()
    one.true.forward(HOUR)
    key = late_file(one, HOUR / 2, account)
    one.start()
    if told:
        one.tell(key)
    one.over(3)
    assert calls(one, (account, REGION)) == 1


def test_calls_that_events_tell_of_count_from_the_first_start_on(trails):
    one = trails(text=TEXT % "{from: queue, queue: trail}")
    one.cycle()
    one.kill()
    one.true.forward(HOUR)
    call = one.fake.world.add_call(*WHERE, one.true.now() - HOUR / 2, "DeleteModel")
    one.send(envelope(call))
    one.start()
    one.turn()
    assert calls(one) == 1


def test_a_call_that_two_accounts_have_a_record_of_counts_once(trails):
    one = trails(text=ALL)
    one.cycle()
    first = made_call(1, OTHER) | {"sharedEventID": "11111111-1111-1111-1111-111111111111", "eventID": "a"}
    second = first | {"eventID": "b", "recipientAccountId": ACCOUNT}
    one.tell(one.put(second), one.put(first, account=OTHER))
    one.turn()
    assert calls(one) + calls(one, (OTHER, REGION)) == 1


def test_calls_of_our_own_are_known_before_we_have_logged_in_again(trails):
    one = trails()
    one.cycle()
    one.kill()
    one.start()
    (who,) = one.aws.identities().values()
    one.aws._arns.clear()
    assert one.aws.identities() == {}
    name = who.rpartition("/")[2]
    ours = made_call(3) | {"userAgent": "x sagemaker-exporter/1"}
    ours["userIdentity"] |= {"userName": name, "arn": who}
    one.tell(one.put(ours))
    one.turn()
    assert calls(one) == 0


def test_more_broken_files_than_are_remembered_keep_no_other_from_being_read(trails):
    one = trails()
    one.cycle()
    broken = [one.put(body=b"x", name=f"{n:016d}") for n in range(105)]
    one.over(2)
    one.put(made_call(9), name="g" * 16, minute=30)
    one.over(1)
    assert calls(one) == 1
    assert "and others: its mark stands still" in str(one.collection.runs()[0].failures)
    for key in broken[1:]:
        one.bucket.put(key, gzip.compress(json.dumps({"Records": [made_call(int(key[-24:-8]))]}).encode()), 0)
    one.over(2)
    assert calls(one) == 104, "the ninth was in two files"
    one.bucket.put(broken[0], WHOLE, 0)
    one.over(2)
    assert one.collection.runs()[0].outcome == "ok"


def test_files_that_are_slow_and_broken_hold_up_no_other_folder(trails, monkeypatch):
    one = trails(text=ALL)
    one.cycle()
    for n in range(8):
        one.put(body=b"x", name=f"{n:016d}")
    one.put(made_call(1, OTHER), account=OTHER)
    slowly(monkeypatch, of_bucket(one), "read", one.true.forward, 10.0)
    for _ in range(10):
        one.true.forward(6 * MINUTE)
        one.road._turn()
    assert calls(one, (OTHER, REGION)) == 1
    assert one.asked("GetObject") <= 8 * 2 + 1, "each once an hour"


def test_a_key_of_the_future_moves_no_mark_past_now(trails, monkeypatch):
    one = trails()
    one.cycle()
    one.put(made_call(1))
    key = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/01/{ACCOUNT}_CloudTrail_{REGION}_21000101T0000Z_z.json.gz"
    one.bucket.put(key, WHOLE, one.true.now())
    slowly(monkeypatch, of_bucket(one), "read", one.true.forward, 40.0)
    one.over(3)
    one.put(made_call(5), name="c" * 16, minute=55)
    one.over(3)
    assert calls(one) == 3


def test_accounts_that_do_not_count_are_not_listed(trails):
    one = trails()
    one.cycle()
    for n in range(50):
        one.put(made_call(1), account=f"{n + 100000000000}")
    before = one.asked("ListObjectsV2")
    one.over(1)
    assert one.asked("ListObjectsV2") - before < 10


def test_a_look_ends_with_its_minute_and_when_the_road_ends(trails, monkeypatch):
    one = trails(text=ALL)
    one.cycle()
    for n in range(60):
        one.put(made_call(1), account=f"{n + 100000000000}")
    slowly(monkeypatch, of_bucket(one), "_call", one.true.forward, 1.0)
    one.true.forward(HOUR)
    began = one.true.now()
    one.road._heal(one.meant)
    assert 60 <= one.true.now() - began < 70
    assert one.road._listeners[0].due(), "for the rest of it"
    one.road.stop()
    before = one.asked("ListObjectsV2")
    one.road._heal(one.meant)
    assert one.asked("ListObjectsV2") == before


def test_many_files_that_are_slow_and_broken_hold_up_nobody_either(trails, monkeypatch):
    """More than are remembered, and more than a minute is enough for."""
    one = trails(text=ALL)
    one.cycle()
    for n in range(130):
        one.put(body=b"x", name=f"{n:016d}")
    one.put(made_call(1), name="z" * 16, minute=50)
    one.put(made_call(2, OTHER), account=OTHER)
    slowly(monkeypatch, of_bucket(one), "read", one.true.forward, 3.0)
    for _ in range(20):
        one.true.forward(MINUTE)
        one.road._turn()
    assert (calls(one), calls(one, (OTHER, REGION))) == (1, 1)


def test_what_waits_is_tried_again_though_digests_can_not_be_listed(trails, monkeypatch):
    one = trails()
    one.cycle()
    broken = one.put(body=b"x")
    bucket = of_bucket(one)
    real = bucket.listed

    def listed(prefix, after=""):
        if DIGESTS in prefix:
            raise AwsError("denied", "no s3:ListBucket there")
        return real(prefix, after)

    monkeypatch.setattr(bucket, "listed", listed)
    one.over(3)
    one.bucket.put(broken, WHOLE, one.true.now())
    one.over(2)
    assert calls(one) == 2


def digest_of(one, *keys):
    """Put a digest that names keys; return its own."""
    path = f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/2026/01/01"
    key = f"{path}/{ACCOUNT}_CloudTrail-Digest_{REGION}_trail_{REGION}_20260101T010000Z.json.gz"
    files = [{"s3Bucket": "logs", "s3Object": name} for name in keys]
    one.bucket.put(key, gzip.compress(json.dumps({"logFiles": files}).encode()), one.true.now())
    return key


def test_a_digest_is_kept_until_all_that_it_names_is_read(trails, monkeypatch):
    one = trails()
    one.cycle()
    key = digest_of(one)
    one.bucket.put(key, b"x", one.true.now())
    one.over(10)
    late = one.put(made_call(5), name="late", minute=12)
    digest_of(one, late)
    bucket = of_bucket(one)
    real = bucket.read

    def read(key):
        if key == late:
            raise AwsError("throttled", "GetObject: SlowDown")
        return real(key)

    monkeypatch.setattr(bucket, "read", read)
    one.cycle(HOUR)
    assert calls(one) == 0
    monkeypatch.setattr(bucket, "read", real)
    one.over(2)
    assert calls(one) == 1


def test_a_digest_that_takes_long_is_broken_off_too(trails, monkeypatch):
    one = trails()
    one.cycle()
    name = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/01/{ACCOUNT}_CloudTrail_{REGION}_20260101T0010Z_%05d.json.gz"
    digest_of(one, *(name % n for n in range(300)))
    slowly(monkeypatch, of_bucket(one), "read", one.true.forward, 1.0)
    one.true.forward(HOUR)
    began = one.true.now()
    one.road._heal(one.meant)
    assert one.true.now() - began < 70


@pytest.mark.parametrize("ago", [10, 20])
def test_files_are_lost_two_weeks_after_the_first_try_and_not_before(trails, ago):
    """However old they are: nobody may have looked for weeks."""
    one = trails()
    one.cycle()
    one.kill()
    keys = [one.put(made_call(n + 1), name=f"{n:016d}") for n in range(150)]
    one.bucket.encrypted = "denied"
    one.true.forward(ago * DAY)
    one.start()
    one.over(1)
    one.bucket.encrypted = ""
    one.over(2)
    assert calls(one) == len(keys)


def test_what_was_wrong_with_a_message_is_over_in_an_hour(trails):
    one = trails(text=TEXT % "[{}, {from: queue, queue: trail}]")
    one.cycle()
    bad = envelope(one.fake.world.add_call(*WHERE, T0 + 1, "DeleteModel"))
    del bad["detail"]["eventTime"]
    one.send(bad)
    one.road._turn()
    one.cycle(MINUTE)
    assert one.collection.runs()[0].outcome == "partial"
    one.queue.messages.clear()  # SQS has moved it to the dead-letter queue
    one.over(2)
    assert one.collection.runs()[0].outcome == "ok"


def test_what_was_wrong_before_a_reload_is_not_told_for_ever(trails, monkeypatch):
    one = trails(text=TEXT % f"[{{}}, {S3}]")
    one.cycle()
    one.put(made_call(1))
    (trail,) = (way for way in one.config.sources.trails if way.from_ == "s3")
    new = AnnouncedCalls(one.aws, trail, one.config)

    def folders(prefix):
        one.road.listen([new])  # as a reload does, while the old one looks
        one.collection.retire((), [new])
        raise AwsError("denied", "no s3:ListBucket")

    monkeypatch.setattr(of_bucket(one), "folders", folders)
    one.true.forward(HOUR)
    one.road._turn()
    one.over(2)
    assert one.collection.runs()[0].outcome == "ok"


def test_data_calls_that_two_accounts_have_a_record_of_are_not_left_to_lookup(trails):
    one = trails(text=ALL.replace(S3, f"[{{}}, {S3}]"))
    one.cycle()
    told = made_call(1, OTHER) | {"sharedEventID": "11111111-1111-1111-1111-111111111111", "eventCategory": "Data"}
    told["userIdentity"] = told["userIdentity"] | {"accountId": ACCOUNT}
    one.tell(one.put(told | {"managementEvent": False}, account=OTHER))
    one.turn()
    totals = one.ledger._books.totals.items()
    assert sum(total.parts[""] for key, total in totals if key.face[0] == "sagemaker_api_data_calls_total") == 1


@pytest.mark.parametrize("prefix", ["logs", "logs/CloudTrail"])
def test_digests_are_found_below_any_prefix(trails, prefix):
    one = trails(text=TEXT % f"{{from: s3, queue: trail, bucket: logs, prefix: {prefix}}}")
    one.cycle()
    lost = f"{prefix}/{one.put(made_call(1))}"
    path = f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/2026/01/01"
    name = f"{ACCOUNT}_CloudTrail-Digest_{REGION}_trail_{REGION}_20260101T010000Z.json.gz"
    body = json.dumps({"logFiles": [{"s3Bucket": "logs", "s3Object": lost}]}).encode()
    one.bucket.put(f"{prefix}/{path}/{name}", gzip.compress(body), one.true.now())
    one.cycle(HOUR)
    (run,) = one.collection.runs()
    assert [failure.error_class for failure in run.failures] == ["absent"]


def test_a_digest_that_can_not_be_read_is_tried_again_for_days(trails):
    one = trails()
    one.cycle()
    path = f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/2026/01/01"
    key = f"{path}/{ACCOUNT}_CloudTrail-Digest_{REGION}_trail_{REGION}_20260101T010000Z.json.gz"
    one.bucket.put(key, b"x", one.true.now())
    one.over(20)
    (run,) = one.collection.runs()
    assert [(failure.scope, failure.error_class) for failure in run.failures] == [("digests", "broken")]
    one.bucket.put(key, gzip.compress(json.dumps({"logFiles": []}).encode()), one.true.now())
    one.over(2)
    assert one.collection.runs()[0].outcome == "ok"


@pytest.mark.parametrize("prefix", ["", "other"])
def test_a_wrong_prefix_is_told_after_an_hour(trails, prefix):
    one = trails(text=TEXT % f"{{from: s3, queue: trail, bucket: logs, prefix: '{prefix}'}}")
    one.cycle()
    key = one.put(made_call(1))
    kept = one.bucket.objects.pop(key)
    one.bucket.put(f"trail/{key}", kept.body, kept.at)
    one.over(1)
    assert one.collection.runs()[0].outcome == "ok", "a new trail has written nothing yet"
    one.over(1)
    assert "no trail has written anything below logs/" in str(one.collection.runs()[0].failures)


def test_what_is_wrong_with_the_bucket_is_not_hidden_by_messages_that_are_read(trails, caplog):
    one = trails(text=TEXT % f"[{{}}, {S3}]")
    one.cycle()
    one.fake.faults.add("deny", operation="ListObjectsV2")
    for n in range(12):
        one.tell(one.put(made_call(n + 1), name=f"{n:016d}", minute=n))
        one.cycle(10 * MINUTE)
        if n > 6:
            assert one.collection.runs()[0].outcome == "partial"
            one.collection.own()
            up = values(one.ledger.snapshot(), "sagemaker_exporter_source_up")
            assert up[ACCOUNT, REGION, "cloudtrail"] == 0.0
    said = [line.message for line in caplog.records if "could not look at ListObjectsV2" in line.message]
    assert (calls(one), len(said)) == (12, 1)
    one.fake.faults.clear()
    one.over(1)
    assert one.collection.runs()[0].outcome == "ok"


def test_a_key_of_kms_is_told_apart(trails):
    one = trails()
    one.cycle()
    one.bucket.encrypted = "denied"
    one.tell(one.put(made_call(1)))
    one.turn()
    assert {failure.scope for failure in one.collection.runs()[0].failures} == {"trail keys"}


# -- all roads at once -------------------------------------------------------------------------------------------------

MIXES = [
    S3,
    f"[{{}}, {S3}]",
    f"[{{from: queue, queue: trail}}, {S3}]",
    f"[{S3}, {{}}, {{from: queue, queue: trail}}]",
]


@pytest.mark.parametrize("seed", range(8))
def test_each_call_counts_once_by_whatever_roads(trails, seed):
    """Notifications lost and repeated, two trails, late records, kills, faults and outages, and other roads besides."""
    luck = random.Random(seed)
    mix, form = MIXES[seed % 4], luck.choice(FORMS)
    one = trails(text=f"limits: {{requests_per_second: {{LookupEvents: 2}}}}\n{TEXT % mix}")
    world = one.fake.world
    for name in ("one", "two")[: luck.choice([1, 2])]:
        world.add_trail(one.bucket, T0, [WHERE], name)
    world.announce(one.bucket, one.queue, T0, form, lost=luck.choice([0.0, 0.5, 1.0]), repeated=0.3)
    one.cycle()
    known = []
    for n in range(30):
        now = one.true.now()
        known += busy(luck, world, luck.choice([0, 5, 120]), now, now + MINUTE)
        if "from: queue" in mix:
            some = [call for call in known if call.at <= now and call.source == SOURCE and luck.random() < 0.2]
            for call in luck.sample(some, min(len(some), 20)):
                one.send(envelope(call))
        if n % 9 == 4:
            one.kill()
            one.start()
        if n % 4 == 2:
            fault = luck.choice(["http_503", "deny", "truncated", "throttle"])
            one.fake.faults.add(fault, operation=luck.choice(["GetObject", "ListObjectsV2", "LookupEvents"]))
            one.bucket.encrypted = luck.choice(["", "denied"])
        one.cycle(luck.choice([MINUTE, 5 * MINUTE, HOUR]))
        one.fake.faults.clear()
        one.bucket.encrypted = ""
    one.over(16)
    counted, errors = oracle(world, T0)
    assert sum(counted.values()) > 500
    assert one.shown(CALLS) == counted
    assert one.shown(ERRORS) == errors
    assert one.queue.messages == {}
