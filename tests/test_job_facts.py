"""A job is the same whoever tells of it; what can't be read says so, and nothing else is raised."""

from __future__ import annotations

import copy
import math
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.jobs import (
    JOB_TYPES,
    Job,
    Transition,
    UnreadableError,
    WarmPool,
    described,
    entered,
    identity,
    spelled,
    stand_in,
    summary,
    told,
)
from exporter.jobs.failures import MOST_TEXT
from exporter.model import Target

HERE = Target("123456789012", "us-east-1")
T0 = 1_769_868_307.0  # 2026-01-31T14:05:07Z
KINDS = [pytest.param(kind, id=kind.name) for kind in JOB_TYPES.values()]


def arn(resource):
    return f"arn:aws:sagemaker:us-east-1:123456789012:{resource}"


def event(kind, detail, **envelope):
    """An event as EventBridge delivers it."""
    return {
        "version": "0",
        "id": "844e2571-85d4-695f-b930-0153b71dcb42",
        "detail-type": kind.detail_type,
        "source": "aws.sagemaker",
        "account": "123456789012",
        "time": "2026-01-31T15:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": detail,
        **envelope,
    }


# Answers and events as they look


def test_a_training_job_that_ended_as_described():
    answer = {
        "TrainingJobName": "Churn-17",
        "TrainingJobArn": arn("training-job/churn-17"),
        "TuningJobArn": arn("hyper-parameter-tuning-job/churn-tuning"),
        "AutoMLJobArn": arn("automl-job/churn-auto"),
        "TrainingJobStatus": "Failed",
        "SecondaryStatus": "Failed",
        "FailureReason": "AlgorithmError: , exit code: 137",
        "HyperParameters": {"password": "hunter2"},
        "ResourceConfig": {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 2, "VolumeSizeInGB": 50},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400, "MaxWaitTimeInSeconds": 90000},
        "CreationTime": T0 + 0.123,
        "TrainingStartTime": T0 + 60,
        "TrainingEndTime": T0 + 600,
        "LastModifiedTime": T0 + 601,
        "SecondaryStatusTransitions": [
            {"Status": "Starting", "StartTime": T0, "EndTime": T0 + 60, "StatusMessage": "Preparing"},
            {"Status": "Training", "StartTime": T0 + 60, "StatusMessage": "Training"},
        ],
        "EnableManagedSpotTraining": True,
        "TrainingTimeInSeconds": 530,
        "BillableTimeInSeconds": 200,
        "WarmPoolStatus": {"Status": "Reused", "ResourceRetainedBillableTimeInSeconds": 77, "ReusedByJob": "churn-18"},
    }
    assert described(JOB_TYPES["training"], answer) == Job(
        "training",
        "Churn-17",
        "Failed",
        arn=arn("training-job/churn-17"),
        created=T0 + 0.123,
        started=T0 + 60,
        ended=T0 + 600,
        modified=T0 + 601,
        secondary_status="Failed",
        transitions=(Transition("Starting", T0, T0 + 60), Transition("Training", T0 + 60)),
        failure="AlgorithmError: , exit code: 137",
        instances=(("ml.p3.2xlarge", 2),),
        run_seconds=530.0,
        billable_seconds=200.0,
        spot=True,
        max_runtime=86400.0,
        parent_type="hyperparameter_tuning",
        parent_name="churn-tuning",
        warm_pool=WarmPool("Reused", 77.0, "churn-18"),
    )


@pytest.mark.parametrize(
    ("config", "instances"),
    [
        ({"InstanceGroups": [{"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "InstanceGroupName": "a"}] * 2}, 2),
        ({"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroups": []}, 1),
        ({"SelectedInstanceType": "ml.p5.48xlarge", "SelectedInstanceCount": 4, "InstancePreferences": [{}]}, 1),
        ({"VolumeSizeInGB": 30}, 0),
        (None, 0),
    ],
)
def test_instances_are_told_by_group_or_as_aws_chose_them(config, instances):
    answer = {"TrainingJobName": "a", "TrainingJobStatus": "InProgress", "ResourceConfig": config}
    found = described(JOB_TYPES["training"], answer).instances
    assert len(found) == instances
    if config and "SelectedInstanceType" in config:
        assert found == (("ml.p5.48xlarge", 4),)


def test_other_jobs_are_billed_for_the_time_that_they_ran():
    answer = {
        "ProcessingJobName": "clean",
        "ProcessingJobStatus": "Completed",
        "ProcessingStartTime": T0,
        "ProcessingEndTime": T0 + 90,
        "CreationTime": T0 - 60,
        "ExitMessage": "done",
        "MonitoringScheduleArn": arn("monitoring-schedule/drift"),
    }
    job = described(JOB_TYPES["processing"], answer)
    assert (job.run_seconds, job.billable_seconds, job.exit_message) == (90.0, 90.0, "done")
    assert (job.parent_type, job.parent_name) == ("monitoring_schedule", "drift")


def test_what_a_training_job_is_billed_for_only_aws_tells():
    answer = {"TrainingJobName": "a", "TrainingJobStatus": "Failed", "TrainingEndTime": T0}
    job = described(JOB_TYPES["training"], answer)
    assert (job.run_seconds, job.billable_seconds) == (None, None)
    job = described(JOB_TYPES["training"], answer | {"TrainingStartTime": T0 - 9})
    assert (job.run_seconds, job.billable_seconds) == (9.0, None)


def test_what_says_nothing_is_left_out():
    answer = {
        "TrainingJobName": "a",
        "TrainingJobStatus": "InProgress",
        "SecondaryStatusTransitions": [{"Status": ""}, {"Status": "STARTING", "StartTime": None}, None],
        "WarmPoolStatus": {},
        "TuningJobArn": "",
    }
    job = described(JOB_TYPES["training"], answer)
    assert job == Job("training", "a", "InProgress", transitions=(Transition("Starting"),))
    counters = {"TrainingJobStatusCounters": {"Completed": 1, "Completed.Twice": 2, "New": 3}}
    named = {"HyperParameterTuningJobName": "a", "HyperParameterTuningJobStatus": "InProgress"}
    assert summary(JOB_TYPES["hyperparameter_tuning"], named | counters).child_jobs == (("Completed", 1), ("New", 3))


def test_of_a_long_reason_as_much_is_kept_as_is_looked_at():
    item = {"ProcessingJobName": "a", "ProcessingJobStatus": "Failed"}
    for field in ("FailureReason", "ExitMessage"):
        job = summary(JOB_TYPES["processing"], item | {field: "x" * 1_000_000})
        assert len(job.failure + job.exit_message) == MOST_TEXT


def test_without_an_end_the_last_change_of_an_ended_job_is_it():
    item = {"EdgePackagingJobName": "a", "EdgePackagingJobStatus": "INPROGRESS", "LastModifiedTime": T0}
    kind = JOB_TYPES["edge_packaging"]
    assert summary(kind, item).ended is None
    assert summary(kind, item | {"EdgePackagingJobStatus": "COMPLETED"}).ended == T0


def test_a_tuning_job_tells_of_its_children_by_either_road():
    counters = {"Completed": 3, "InProgress": 2, "RetryableError": 0, "NonRetryableError": 1, "Stopped": None}
    limits = {"MaxNumberOfTrainingJobs": 20, "MaxRuntimeInSeconds": 7200}
    common = {
        "HyperParameterTuningJobName": "t",
        "HyperParameterTuningJobStatus": "InProgress",
        "TrainingJobStatusCounters": counters,
        "ObjectiveStatusCounters": {"Succeeded": 3, "Pending": 2, "Failed": 1},
    }
    kind = JOB_TYPES["hyperparameter_tuning"]
    for job in (
        summary(kind, common | {"ResourceLimits": limits}),
        described(kind, common | {"HyperParameterTuningJobConfig": {"ResourceLimits": limits}}),
    ):
        assert job.child_jobs == (("Completed", 3), ("InProgress", 2), ("RetryableError", 0), ("NonRetryableError", 1))
        assert job.child_objectives == (("Succeeded", 3), ("Pending", 2), ("Failed", 1))
        assert (job.child_jobs_limit, job.max_runtime) == (20, 7200.0)


def test_labels_are_counted_without_their_total():
    counters = {"TotalLabeled": 5, "HumanLabeled": 4, "MachineLabeled": 1, "FailedNonRetryableError": 0, "Unlabeled": 9}
    item = {"LabelingJobName": "a", "LabelingJobStatus": "InProgress", "LabelCounters": counters}
    assert dict(summary(JOB_TYPES["labeling"], item).label_counters) == {
        name: counters[name] for name in ("HumanLabeled", "MachineLabeled", "FailedNonRetryableError", "Unlabeled")
    }


def test_reasons_of_an_automl_job_add_up():
    answer = {
        "AutoMLJobName": "a",
        "AutoMLJobStatus": "Failed",
        "FailureReason": "AutoML job failed",
        "PartialFailureReasons": [{"PartialFailureMessage": "no data"}, {"PartialFailureMessage": "no time"}],
        "AutoMLProblemTypeConfig": {
            "TextGenerationJobConfig": {"CompletionCriteria": {"MaxAutoMLJobRuntimeInSeconds": 3600}}
        },
    }
    job = described(JOB_TYPES["automl"], answer)
    assert job.failure == "AutoML job failed\nno data\nno time"
    assert job.max_runtime == 3600.0


def test_a_pipeline_execution_has_the_name_of_its_pipeline_and_its_own():
    kind, execution = JOB_TYPES["pipeline_execution"], arn("pipeline/churn/execution/p3jn9xou90vb")
    listed = summary(
        kind, {"PipelineExecutionArn": execution, "PipelineExecutionStatus": "Executing", "StartTime": T0 + 0.4}
    )
    answer = {"PipelineExecutionArn": execution, "PipelineExecutionStatus": "Executing", "CreationTime": T0 - 1}
    happened = told(
        kind,
        event(
            kind,
            {
                "previousPipelineExecutionStatus": "Executing",
                "currentPipelineExecutionStatus": "Succeeded",
                "executionStartTime": "2026-01-31T14:05:08Z",
                "executionEndTime": "2026-01-31T14:10:07.123456789Z",
                "pipelineArn": arn("pipeline/churn"),
                "pipelineExecutionArn": execution.upper(),
            },
            resources=[arn("pipeline/churn"), execution],
        ),
    )
    assert listed.name == "churn/p3jn9xou90vb"
    assert listed.under == "churn"
    assert listed.started is None
    assert happened.ended == pytest.approx(T0 + 300.123456)
    assert len({identity(HERE, job) for job in (listed, described(kind, answer), happened)}) == 1


def test_an_execution_of_a_schedule_has_the_name_of_its_time():
    item = {
        "MonitoringScheduleName": "drift",
        "ScheduledTime": T0,
        "CreationTime": T0 + 30,
        "LastModifiedTime": T0 + 400,
        "MonitoringExecutionStatus": "CompletedWithViolations",
        "ProcessingJobArn": arn("processing-job/model-monitoring-1"),
    }
    job = summary(JOB_TYPES["monitoring_execution"], item)
    assert (job.name, job.under, job.ended) == ("drift/2026-01-31T14:05:07Z", "drift", T0 + 400)
    assert (job.parent_type, job.parent_name) == ("monitoring_schedule", "drift")
    assert identity(HERE, job) == f"123456789012/us-east-1/monitoring_execution/{job.name.lower()}@{int(T0) + 30}"


def test_an_event_of_a_labeling_job_says_who_it_is_beside_its_detail():
    kind = JOB_TYPES["labeling"]
    happened = told(kind, event(kind, {"LabelingJobStatus": "Completed"}, resources=[arn("labeling-job/cats")]))
    assert (happened.name, happened.status, happened.created) == ("cats", "Completed", None)
    assert happened.arn == arn("labeling-job/cats")
    assert identity(HERE, happened) is None
    assert entered(HERE, happened, "Completed") is None
    assert stand_in(HERE, happened) == "123456789012/us-east-1/labeling/cats?Completed@1769871600"


def test_an_event_of_a_training_job_tells_nothing_final():
    kind = JOB_TYPES["training"]
    detail = {
        "TrainingJobName": "churn-17",
        "TrainingJobArn": arn("training-job/churn-17"),
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        "HyperParameters": {"password": "hunter2"},
        "ResourceConfig": {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 2.0, "VolumeSizeInGB": 50},
        "CreationTime": "1769868307123",
        "TrainingStartTime": None,
        "TrainingEndTime": None,
        "LastModifiedTime": 1769868308000,
        "SecondaryStatusTransitions": [],
        "TrainingTimeInSeconds": 7,
        "Tags": {},
    }
    assert told(kind, event(kind, detail)) == Job(
        "training",
        "churn-17",
        "InProgress",
        arn=arn("training-job/churn-17"),
        created=T0 + 0.123,
        modified=T0 + 1,
        sent=1_769_871_600.0,
        secondary_status="Starting",
        instances=(("ml.p3.2xlarge", 2),),
    )


def test_an_event_of_a_tuning_job_has_an_arn_of_its_own_form():
    kind = JOB_TYPES["hyperparameter_tuning"]
    detail = {"HyperParameterTuningJobStatus": "Running", "CreationTime": str(int(T0 * 1000))}
    happened = told(kind, event(kind, detail, resources=[arn("tuningJob/Deep")]))
    item = {
        "HyperParameterTuningJobName": "deep",
        "HyperParameterTuningJobArn": arn("hyper-parameter-tuning-job/deep"),
        "HyperParameterTuningJobStatus": "InProgress",
        "CreationTime": T0 + 0.999,
    }
    assert happened.status == "Running"
    assert identity(HERE, happened) == identity(HERE, summary(kind, item))


def test_an_event_of_a_human_loop():
    kind = JOB_TYPES["human_loop"]
    detail = {
        "creationTime": "2026-01-31T14:05:07.421Z",
        "failureCode": "ValidationError",
        "failureReason": None,
        "flowDefinitionArn": arn("flow-definition/review"),
        "humanLoopArn": arn("human-loop/loop-1"),
        "humanLoopName": "loop-1",
        "humanLoopOutput": {"outputS3Uri": None},
        "humanLoopStatus": "Failed",
    }
    job = told(kind, event(kind, detail))
    assert (job.failure, job.under, job.created) == ("ValidationError", "review", pytest.approx(T0 + 0.421))


def test_two_jobs_of_one_name_are_two():
    jobs = [Job("training", "a", "Failed", created=created) for created in (T0, T0 + 1)]
    assert identity(HERE, jobs[0]) != identity(HERE, jobs[1])
    others = [HERE, Target("123456789012", "eu-west-1"), Target("210987654321", "us-east-1")]
    assert len({identity(target, jobs[0]) for target in others}) == 3
    assert len({entered(HERE, jobs[0], status) for status in ("Failed", "InProgress")}) == 2
    assert identity(HERE, jobs[0]) != identity(HERE, Job("processing", "a", "Failed", created=T0))


def test_nobody_who_sent_no_event_has_a_stand_in():
    assert stand_in(HERE, Job("training", "a", "Failed")) is None


# Times


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (None, None),
        ("", None),
        (T0, T0),
        (int(T0 * 1000), T0),
        (float(T0 * 1000) + 0.5, T0 + 0.0005),
        (str(int(T0 * 1000)), T0),
        ("1.769868307E12", T0),
        ("1769868307.25", T0 + 0.25),
        ("2026-01-31T14:05:07Z", T0),
        ("2026-01-31T14:05:07.123456789Z", T0 + 0.123456),
        ("2026-01-31T15:05:07+01:00", T0),
        ("2026-01-31T14:05:07", T0),
        ("2026-01-31", T0 - 50707),
    ],
)
def test_times_come_in_many_forms(written, seconds):
    job = summary(JOB_TYPES["training"], {"TrainingJobName": "a", "TrainingJobStatus": "x", "CreationTime": written})
    assert job.created == (None if seconds is None else pytest.approx(seconds, abs=1e-6))


@pytest.mark.parametrize(
    "written",
    [
        "soon",
        "2026-02-31T00:00:00Z",
        "2026-W05-6",
        -1,
        True,
        10**400,
        "9" * 20,
        "9" * 5000,
        math.nan,
        math.inf,
        [],
        {},
        "\u0661\u0662",
        "99999-01-01",
    ],
)
def test_what_is_no_time_is_said_without_saying_it(written):
    with pytest.raises(UnreadableError, match=r"^training, listed: CreationTime is .*, not a time$") as error:
        summary(JOB_TYPES["training"], {"TrainingJobName": "a", "TrainingJobStatus": "x", "CreationTime": written})
    assert str(written) not in str(error.value) or written in (True, [], {})


# What can't be read


NAMED = {"TrainingJobName": "a", "TrainingJobStatus": "InProgress"}


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ([], "training, described: what should hold TrainingJobStatus is a list, not an object"),
        (None, "training, described: TrainingJobStatus is missing"),
        ({"TrainingJobName": "a"}, "training, described: TrainingJobStatus is missing"),
        ({"TrainingJobStatus": "Failed"}, "training, described: the job has no name"),
        (NAMED | {"TrainingJobName": 7}, "training, described: TrainingJobName is a number, not a text"),
        (NAMED | {"StoppingCondition": "now"}, "what should hold MaxRuntimeInSeconds is a text, not an object"),
        (NAMED | {"ResourceConfig": {"InstanceCount": 1.5}}, "InstanceCount is a number, not a whole number"),
        (
            NAMED | {"ResourceConfig": {"InstanceCount": True}},
            "InstanceCount is true or false, not a number of 0 or more",
        ),
        (NAMED | {"TrainingTimeInSeconds": 10**400}, "TrainingTimeInSeconds is a number, not a number of 0 or more"),
        (NAMED | {"BillableTimeInSeconds": -1}, "BillableTimeInSeconds is a number, not a number of 0 or more"),
        (NAMED | {"EnableManagedSpotTraining": "yes"}, "EnableManagedSpotTraining is a text, not true or false"),
        (NAMED | {"SecondaryStatusTransitions": {}}, "SecondaryStatusTransitions is an object, not a list"),
        (
            NAMED | {"SecondaryStatusTransitions": [{"Status": "a"}, {"Status": "b", "EndTime": "x"}]},
            "training, described: SecondaryStatusTransitions[1]: EndTime is a text, not a time",
        ),
    ],
)
def test_what_cannot_be_read_says_what_and_where(answer, complaint):
    with pytest.raises(UnreadableError, match=re.escape(complaint)):
        described(JOB_TYPES["training"], answer)


@pytest.mark.parametrize(
    ("envelope", "complaint"),
    [
        ({}, "training, event: it has no detail"),
        ({"detail": "text"}, "training, event: it has no detail"),
        ({"detail": NAMED, "resources": "x"}, "training, event: resources is a text, not a list"),
        ({"detail": NAMED, "time": "x"}, "training, event: time is a text, not a time"),
    ],
)
def test_an_event_that_cannot_be_read_says_so(envelope, complaint):
    with pytest.raises(UnreadableError, match=f"^{re.escape(complaint)}$"):
        told(JOB_TYPES["training"], envelope)


def test_what_aws_does_not_tell_cannot_be_read():
    with pytest.raises(UnreadableError, match="compilation: AWS sends no events"):
        told(JOB_TYPES["compilation"], {})
    with pytest.raises(UnreadableError, match="monitoring_execution: AWS does not describe"):
        described(JOB_TYPES["monitoring_execution"], {})


# Any job, by any road


def put(item, path, value):
    """Write a value at a dotted path."""
    *above, last = path.split(".")
    for name in above:
        item = item.setdefault(name, {})
    item[last] = value


def written(fields, kind, job, write_time, case=str):
    """Write a job as AWS would in one of its forms."""
    item = {"Tags": {}, "SomethingNew": [1]}
    resource = f"{kind.resources[0] if kind.resources else ''}/{job['name']}"
    if kind.name == "pipeline_execution":
        resource = f"pipeline/{job['under']}/execution/{job['name']}"
    if kind.name == "model_card_export":
        resource = f"model-card/{job['under']}/export-job/{job['name']}"
    put(item, fields.status, job["status"])
    for path, value in ((fields.name, job["name"]), (fields.arn, case(arn(resource))), (fields.under, job["under"])):
        if path:
            put(item, path, value)
    for path, value in (
        (fields.created, job["created"]),
        (fields.scheduled, job["created"] // 3_600_000 * 3_600_000),
        (fields.modified, job["created"] + 5000),
    ):
        if path:
            put(item, path, write_time(value))
    return item, [case(arn(resource))]


def iso(digits):
    def write(ms):
        whole, rest = divmod(ms, 1000)
        fraction = f".{rest:03d}{'0' * (digits - 3)}" if digits else ""
        return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"

    return write


IN_EVENTS = st.sampled_from([str, int, float, iso(0), iso(3), iso(9)])
NAMES = st.from_regex(r"[a-zA-Z0-9](-?[a-zA-Z0-9]){0,20}", fullmatch=True)


@st.composite
def jobs(draw):
    kind = draw(st.sampled_from(list(JOB_TYPES.values())))
    job = {
        "name": draw(NAMES),
        "under": draw(NAMES),
        "status": draw(st.sampled_from(kind.statuses)),
        "created": draw(st.integers(1_500_000_000_000, 4_000_000_000_000)),
    }
    return kind, job


@given(jobs(), IN_EVENTS, st.sampled_from([str, str.lower]))
def test_whoever_tells_of_a_job_tells_of_the_same(pair, write_time, case):
    kind, job = pair
    item, _ = written(kind.summary, kind, job, lambda ms: ms / 1000)
    found = [summary(kind, item)]
    if kind.answer:
        found.append(described(kind, written(kind.answer, kind, job, lambda ms: ms / 1000)[0]))
    if kind.event:
        detail, resources = written(kind.event, kind, job, write_time, case)
        found.append(told(kind, event(kind, detail, resources=["nonsense", 5, *resources])))
    known = {identity(HERE, one) for one in found} - {None if kind.name == "labeling" else ""}
    assert len(known) == 1
    assert None not in known
    assert {one.status for one in found} == {spelled(kind, job["status"])}
    later = {entered(HERE, one, one.status) for one in found} - {None if kind.name == "labeling" else ""}
    assert len(later) == 1


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.just(10**400)
    | st.sampled_from(["2026-01-31T14:05:07Z", "1769868307000", arn("training-job/a"), "arn:aws", "/", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def read(road, kind, item):
    """Return the job, or None for the one error; anything else is raised."""
    try:
        return {"summary": summary, "described": described, "told": told}[road](kind, item)
    except UnreadableError:
        return None


ROADS = st.sampled_from(["summary", "described", "told"])


@given(st.sampled_from(list(JOB_TYPES.values())), ROADS, JSON)
def test_any_json_is_read_or_unreadable(kind, road, item):
    read(road, kind, item)
    if road == "told":
        read(road, kind, {"detail": item, "resources": item, "time": None})


def leaves(fields):
    for name in fields.__struct_fields__:
        value = getattr(fields, name)
        for one in value if isinstance(value, tuple) else (value,):
            path = one[1] if isinstance(one, tuple) else one
            if path:
                yield path.replace("[]", "")


@given(jobs(), ROADS, st.data())
def test_a_job_with_anything_in_a_place_that_is_read_is_read_or_unreadable(pair, road, data):
    kind, job = pair
    fields = {"summary": kind.summary, "described": kind.answer, "told": kind.event}[road]
    if not fields:
        return
    item, resources = written(fields, kind, job, lambda ms: ms / 1000)
    whole = read(road, kind, event(kind, item, resources=resources) if road == "told" else copy.deepcopy(item))
    assert whole
    path = data.draw(st.sampled_from(sorted(leaves(fields))))
    below = data.draw(st.sampled_from(["", ".Status", ".InstanceType", ".InstanceGroups", ".SelectedInstanceCount"]))
    above = path.rsplit(".", data.draw(st.integers(0, path.count("."))))[0] + below
    value = data.draw(JSON | st.lists(st.dictionaries(st.sampled_from(["Status", "StartTime", "InstanceCount"]), JSON)))
    if isinstance(item.get(above.split(".")[0]), str | float | int) and "." in above:
        del item[above.split(".")[0]]
    put(item, above, value)
    found = read(road, kind, event(kind, item, resources=resources) if road == "told" else item)
    if found:
        assert identity(HERE, found) is None or str(HERE.account_id) in identity(HERE, found)
