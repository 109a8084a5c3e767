"""Messages out of their envelopes: bare, through SNS, of S3; what is none of these is told apart, never guessed."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.aws.queues import S3_NOTIFICATION, S3_TEST, EnvelopeError, Told, opened

EVENT = {
    "version": "0",
    "id": "844e2571-85d4-695f-b930-0153b71dcb42",
    "detail-type": "SageMaker Training Job State Change",
    "source": "aws.sagemaker",
    "account": "123456789012",
    "time": "2018-10-06T12:26:13Z",
    "region": "us-east-1",
    "resources": ["arn:aws:sagemaker:us-east-1:123456789012:training-job/kmeans-1"],
    "detail": {"TrainingJobName": "kmeans-1", "TrainingJobStatus": "Failed", "CreationTime": 1583831889050},
}
AT = 1_538_828_773.0
TOLD = Told(
    EVENT["id"],
    "aws.sagemaker",
    "SageMaker Training Job State Change",
    "123456789012",
    "us-east-1",
    AT,
    tuple(EVENT["resources"]),
    EVENT["detail"],
    sent=7.0,
)
RECORD = {
    "eventVersion": "2.1",
    "eventSource": "aws:s3",
    "awsRegion": "eu-west-1",
    "eventTime": "2018-10-06T12:26:13.000Z",
    "eventName": "ObjectCreated:Put",
    "s3": {"bucket": {"name": "trail"}, "object": {"key": "AWSLogs/a+b.json.gz", "size": 1024}},
}
NOTIFICATION = {"Records": [RECORD, RECORD]}
TEST = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2018-10-06T12:26:13.000Z",
    "Bucket": "trail",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
}


def by_sns(said):
    """Return what SNS makes of a message where delivery is not raw."""
    return {
        "Type": "Notification",
        "MessageId": "dc1e94d9-56c5-5e96-808d-cc7f68faa162",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:events",
        "Message": said if isinstance(said, str) else json.dumps(said),
        "Timestamp": "2021-02-16T21:41:19.978Z",
        "SignatureVersion": "1",
    }


def of(body, sent=7.0):
    return opened(body if isinstance(body, str) else json.dumps(body), sent)


def test_an_event_is_what_it_says():
    assert of(EVENT) == TOLD


def test_an_event_through_sns_is_the_same():
    assert of(by_sns(EVENT)) == TOLD


@pytest.mark.parametrize(
    ("time", "at"),
    [
        ("2018-10-06T12:26:13Z", AT),
        ("2018-10-06T14:26:13.250+02:00", AT + 0.25),
        (1538828773000, AT),
        ("1538828773250", AT + 0.25),
    ],
)
def test_times_are_iso_or_milliseconds(time, at):
    assert of({**EVENT, "time": time}).at == at


def test_a_replay_is_told():
    assert of({**EVENT, "replay-name": "again"}).replayed == "again"
    assert of(EVENT).replayed == ""


def test_keys_that_nobody_knows_pass():
    assert of({**EVENT, "novel": {"a": [1]}}) == TOLD


@pytest.mark.parametrize("wrap", [dict, by_sns])
def test_a_notification_of_s3_is_passed_on_as_it_is(wrap):
    told = of(wrap(NOTIFICATION))
    assert (told.source, told.detail_type, told.account, told.region) == ("aws.s3", S3_NOTIFICATION, "", "eu-west-1")
    assert (told.detail, told.at, told.id) == (NOTIFICATION, AT, "")


@pytest.mark.parametrize("wrap", [dict, by_sns])
def test_so_is_its_test_event(wrap):
    told = of(wrap(TEST))
    assert (told.source, told.detail_type, told.detail, told.at) == ("aws.s3", S3_TEST, TEST, AT)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "no JSON object"),
        ("hello", "no JSON object"),
        ("[]", "no JSON object"),
        ('{"a": 1} trailing', "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ('{"a": ' * 100_000, "no JSON object"),
        ("\ud800", "no JSON object"),
        ({}, "its keys are none"),
        ({"b": 1, "a": 2}, "its keys are a, b"),
        ({"Records": []}, "neither an event of EventBridge nor"),
        ({"Records": [RECORD, {"eventSource": "aws:sqs"}]}, "neither an event of EventBridge nor"),
        ({**TEST, "Time": "yesterday"}, "'yesterday' is no time"),
        ({"Records": [{**RECORD, "eventTime": None}]}, "'None' is no time"),
        (by_sns(by_sns(EVENT)), "neither an event of EventBridge nor"),
        (by_sns("hello"), "no JSON object"),
        ({**by_sns(""), "Message": None}, "a notification of SNS without a message"),
        ({**by_sns(""), "Type": "SubscriptionConfirmation"}, "neither an event of EventBridge nor"),
        ({**EVENT, "time": "2018-10-06T12:26:13"}, "names no time zone"),
        ({**EVENT, "time": "9" * 400}, "is no time"),
        ({**EVENT, "id": ""}, "length >= 1 - at `$.id`"),
        ({**EVENT, "account": "anybody"}, "at `$.account`"),
        ({**EVENT, "account": "\u0661" * 12}, "at `$.account`"),
        ({**EVENT, "region": "a b"}, "at `$.region`"),
        ({**EVENT, "id": 7}, "Expected `str`, got `int` - at `$.id`"),
        ({**EVENT, "detail": "text"}, "at `$.detail`"),
        ({**EVENT, "resources": "text"}, "at `$.resources`"),
        *(({k: v for k, v in EVENT.items() if k != key}, key) for key in ("id", "source", "account", "region", "time")),
    ],
    ids=str,
)
def test_what_can_not_be_read_is_told(body, said):
    with pytest.raises(EnvelopeError) as caught:
        of(body)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*EVENT, *TEST, "Records", "Type", "TopicArn", "Message"]), _VALUES))
@example({**EVENT, "time": 1e300})
def test_whatever_comes_is_read_or_refused(changes):
    for body in (changes, {**EVENT, **changes}, by_sns({**EVENT, **changes}), {**TEST, **changes}):
        try:
            told = of(body)
        except EnvelopeError:
            continue
        assert isinstance(told.at, float)
        assert msgspec.json.decode(msgspec.json.encode(told.detail)) == told.detail


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_no_text_is_too_strange(text):
    with pytest.raises(EnvelopeError):
        opened(text)
