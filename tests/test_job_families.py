"""What else jobs tell, by polling: warm pools, rules, progress, results, steps of pipelines, schedules."""

from __future__ import annotations

import pytest
from job_room import Job, Room
from worlds import T0

from exporter.catalogue import CATALOGUE
from exporter.jobs import UnreadableError, step
from exporter.jobs.job_types import JOB_TYPES
from exporter.model import DAY, HOUR, MINUTE

POOLS = "sagemaker_training_job_warm_pools"
POOL_SECONDS = "sagemaker_training_job_warm_pool_billable_instance_seconds_total"
TOKENS = "sagemaker_training_job_billable_tokens_total"
RULES = "sagemaker_training_job_rule_evaluations_total"
EXECUTIONS = "sagemaker_pipeline_executions"
EXECUTION_CHANGES = "sagemaker_pipeline_execution_state_changes_total"
LAST_STATUS = "sagemaker_pipeline_last_execution_status"
LAST_SUCCESS = "sagemaker_pipeline_last_success_timestamp_seconds"
STEP_CHANGES = "sagemaker_pipeline_step_state_changes_total"
CACHE_HITS = "sagemaker_pipeline_step_cache_hits_total"
MONITORED = "sagemaker_model_monitor_executions_total"
OFF = sorted(name for name, row in CATALOGUE.items() if "job_polling" in row.sources and not row.on)


@pytest.fixture
def room(request):
    made = Room(getattr(request, "param", ""))
    yield made
    made.ledger.close()


everything = pytest.mark.parametrize("room", [f"families: {{include: [{', '.join(OFF)}]}}"], indirect=True)


# -- training jobs -----------------------------------------------------------------------------------------------------

CLUSTER = {"ResourceConfig": {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 2}}


def pool(ended, until, status="Terminated"):
    """Return what tells of a warm pool that is kept from the end of a job until a time."""

    def told(now):
        if now < ended:
            return {"Status": "InUse"}
        if now < until:
            return {"Status": "Available"}
        return {"Status": status, "ResourceRetainedBillableTimeInSeconds": until - ended}

    return told


@pytest.mark.parametrize("restart", [False, True])
def test_a_warm_pool_is_shown_while_it_is_there_and_counts_once_it_has_ended(room, restart):
    room.poll()
    told = pool(T0 + 90, T0 + 1500)
    room.api.jobs.append(Job("training", T0 + 10, (T0 + 90, "Completed"), WarmPoolStatus=told, **CLUSTER))
    room.polls(1)
    assert room.shown(POOLS) == {("ml.p4d.24xlarge", "InUse"): 1}
    room.polls(2)
    assert room.shown(POOLS) == {("ml.p4d.24xlarge", "Available"): 1}
    assert room.shown("sagemaker_jobs") == {}
    if restart:
        room.restart()
        room.polls(1)
        assert room.shown(POOLS) == {("ml.p4d.24xlarge", "Available"): 1}
    room.polls(30)
    assert room.shown(POOLS) == {}
    assert room.shown(POOL_SECONDS) == {("ml.p4d.24xlarge",): 2 * 1410}
    calls = room.api.calls["DescribeTrainingJob"]
    room.polls(60)
    assert room.api.calls["DescribeTrainingJob"] == calls, "it is followed no more"
    assert room.shown(POOL_SECONDS) == {("ml.p4d.24xlarge",): 2 * 1410}


def test_a_pool_of_a_job_that_ended_before_counting_began_counts_when_it_ends(room):
    told = pool(T0 - 600, T0 + 600, "Reused")
    job = Job("training", T0 - HOUR, (T0 - 600, "Completed"), WarmPoolStatus=told, **CLUSTER)
    listed = job.told
    job.told = lambda fields, now: {**listed(fields, now), "WarmPoolStatus": told(now)}
    room.api.jobs.append(job)
    room.poll()
    assert room.shown(POOLS) == {("ml.p4d.24xlarge", "Available"): 1}
    room.polls(25)
    assert room.shown(POOLS) == {}
    assert room.shown(POOL_SECONDS) == {("ml.p4d.24xlarge",): 2 * 1200}
    assert room.shown("sagemaker_job_state_changes_total") == {}


def test_a_pool_that_can_not_be_described_is_given_up_after_a_day(room):
    room.poll()
    told = pool(T0 + 30, T0 + 10 * DAY)
    room.api.jobs.append(Job("training", T0 + 10, (T0 + 30, "Completed"), WarmPoolStatus=told, **CLUSTER))
    room.polls(3)
    room.api.fails = lambda operation: "denied" if operation == "DescribeTrainingJob" else None
    room.polls(5, 4 * HOUR)
    room.polls(2, 4 * HOUR)
    calls = room.api.calls["DescribeTrainingJob"]
    room.polls(5, HOUR)
    assert room.api.calls["DescribeTrainingJob"] == calls
    assert room.shown(POOLS) == {}


def test_pools_cost_no_call_while_they_are_off():
    room = Room(f"families: {{exclude: [{POOLS}, {POOL_SECONDS}]}}")
    try:
        room.poll()
        told = pool(T0 + 30, T0 + HOUR)
        room.api.jobs.append(Job("training", T0 + 10, (T0 + 30, "Completed"), WarmPoolStatus=told, **CLUSTER))
        room.polls(20)
        assert room.api.calls["DescribeTrainingJob"] == 1
        assert room.shown(POOLS) == {}
    finally:
        room.ledger.close()


def rule(name, *told):
    """Return the state of a rule: (from when, status), by time."""
    return lambda now: {
        "RuleConfigurationName": name,
        "RuleEvaluationStatus": [status for at, status in told if at <= now][-1],
        "LastModifiedTime": max(at for at, _ in told if at <= now),
    }


@everything
def test_rules_count_once_each_has_judged_the_ended_job(room):
    room.poll()
    quick, slow = (
        rule("overfit", (0, "InProgress"), (T0 + 60, "IssuesFound")),
        rule("loss", (0, "InProgress"), (T0 + 900, "NoIssuesFound")),
    )
    room.api.jobs.append(
        Job(
            "training",
            T0 + 10,
            (T0 + 90, "Completed"),
            DebugRuleEvaluationStatuses=lambda now: [quick(now), slow(now)],
            ProfilerRuleEvaluationStatuses=lambda now: [rule("loss", (0, "InProgress"), (T0 + 100, "Error"))(now)],
        )
    )
    room.polls(1)
    assert room.shown(RULES) == {}, "the job goes on, and may be judged otherwise"
    assert ("profiler", "Stopped") in room.zeros(RULES)
    room.polls(3)
    assert room.shown(RULES) == {("debugger", "IssuesFound"): 1, ("profiler", "Error"): 1}
    room.polls(20)
    done = {("debugger", "IssuesFound"): 1, ("profiler", "Error"): 1, ("debugger", "NoIssuesFound"): 1}
    assert room.shown(RULES) == done
    room.restart()
    room.polls(5)
    assert room.shown(RULES) == done


@everything
def test_progress_and_values_are_those_of_open_jobs_and_values_stay_for_an_hour(room):
    room.poll()
    room.api.jobs.append(
        Job(
            "training",
            T0 + 10,
            (T0 + 200, "Completed"),
            ProgressInfo={"CurrentStep": 7, "TotalStepCountPerEpoch": 100, "CurrentEpoch": 2, "MaxEpoch": 5},
            FinalMetricDataList=[
                {"MetricName": "loss", "Value": -0.5, "Timestamp": T0},
                {"MetricName": "nothing", "Value": "NaN", "Timestamp": T0},
            ],
            BillableTokenCount=1234,
        )
    )
    name = room.api.jobs[0].name
    room.polls(1)
    progress = {
        "sagemaker_training_job_current_step": 7,
        "sagemaker_training_job_steps_per_epoch": 100,
        "sagemaker_training_job_current_epoch": 2,
        "sagemaker_training_job_epochs_limit": 5,
    }
    for family, value in progress.items():
        assert room.shown(family) == {(name,): value}
    assert room.shown("sagemaker_training_job_final_value") == {(name, "loss"): -0.5}
    assert room.shown(TOKENS) == {}
    room.polls(4)
    for family in progress:
        assert room.shown(family) == {}
    assert room.shown(TOKENS) == {(): 1234}
    room.polls(25)  # and it is listed no more
    room.restart()
    room.polls(1)
    assert room.shown("sagemaker_training_job_final_value") == {(name, "loss"): -0.5}
    room.polls(60)
    assert room.shown("sagemaker_training_job_final_value") == {}


def test_what_is_off_is_not_shown_and_leaves_nothing_behind(room):
    room.poll()
    room.api.jobs += [
        Job("training", T0 + 10, (T0 + 200, "Completed"), FinalMetricDataList=[{"MetricName": "loss", "Value": 1.0}]),
        Job("inference_recommendations", T0 + 10, (T0 + 200, "COMPLETED"), InferenceRecommendations=[{"Metrics": {}}]),
    ]
    room.polls(6)
    assert not any(room.shown(family) or room.zeros(family) for family in OFF)
    notes = room.ledger.known("job_polling", room.poll().target).notes
    assert not [name for name in notes if name.partition("/")[0] in {"open", "left", "recent"}]


# -- other jobs --------------------------------------------------------------------------------------------------------


@everything
def test_the_best_objective_of_an_open_tuning_or_automl_job(room):
    room.poll()
    tuned = {"MetricName": "validation:auc", "Value": 0.875, "Type": "Maximize"}
    found = {"MetricName": "F1", "Value": 0.5}
    room.api.jobs += [
        Job("hyperparameter_tuning", T0 + 1, BestTrainingJob={"FinalHyperParameterTuningJobObjectiveMetric": tuned}),
        Job("automl", T0 + 2, (T0 + 100, "Completed"), BestCandidate={"FinalAutoMLJobObjectiveMetric": found}),
        Job("automl", T0 + 3, BestCandidate={"CandidateName": "none has come to an end"}),
    ]
    tuning, automl, _ = (job.name for job in room.api.jobs)
    room.polls(1)
    family = "sagemaker_job_best_objective_value"
    shown = {("hyperparameter_tuning", tuning, "validation:auc"): 0.875, ("automl", automl, "F1"): 0.5}
    assert room.shown(family) == shown
    room.polls(2)
    assert room.shown(family) == {("hyperparameter_tuning", tuning, "validation:auc"): 0.875}


def test_what_became_of_the_objects_of_an_open_labeling_job(room):
    room.poll()
    counters = {"TotalLabeled": 5, "HumanLabeled": 3, "MachineLabeled": 2, "FailedNonRetryableError": 1, "Unlabeled": 9}
    room.api.jobs.append(Job("labeling", T0 + 1, (T0 + 100, "Completed"), LabelCounters=counters))
    name = room.api.jobs[0].name
    room.polls(1)
    assert room.shown("sagemaker_labeling_job_objects") == {
        (name, status): number for status, number in counters.items() if status != "TotalLabeled"
    }
    room.polls(2)
    assert room.shown("sagemaker_labeling_job_objects") == {}


@everything
def test_recommendations_are_shown_for_an_hour_after_the_end(room):
    room.poll()
    told = {
        "RecommendationId": "a/1",
        "EndpointConfiguration": {"EndpointName": "sm-epc-1", "InstanceType": "ml.c5.large", "VariantName": "v"},
        "Metrics": {"CostPerHour": 0.102, "MaxInvocations": 648, "ModelLatency": 263, "CpuUtilization": "NaN"},
    }
    room.api.jobs.append(
        Job(
            "inference_recommendations",
            T0 + 1,
            (T0 + 100, "COMPLETED"),
            InferenceRecommendations=lambda now: [told] if now >= T0 + 100 else None,
        )
    )
    named = (room.api.jobs[0].name, "sm-epc-1", "ml.c5.large")
    families = {"model_latency_seconds": 0.263, "max_invocations": 648, "cost_hourly_usd": 0.102}
    room.polls(1)
    assert room.shown("sagemaker_recommender_job_recommended_max_invocations") == {}
    room.polls(2)
    for family, value in families.items():
        assert room.shown(f"sagemaker_recommender_job_recommended_{family}") == {named: value}
    room.polls(62)
    for family in families:
        assert room.shown(f"sagemaker_recommender_job_recommended_{family}") == {}


def test_executions_of_schedules_count_by_schedule_and_stand_at_zero_once_one_is_known(room):
    room.api.jobs.append(Job("monitoring_execution", T0 - DAY, (T0 - DAY + 60, "Completed"), under="drift"))
    room.poll()
    ended = JOB_TYPES["monitoring_execution"].ended
    assert room.zeros(MONITORED) == {("drift", status) for status in ended}
    room.api.jobs += [
        Job("monitoring_execution", T0 + 10, (T0 + 40, "CompletedWithViolations"), under="drift"),
        Job("monitoring_execution", T0 + 20, (T0 + 40, "Completed"), under="bias"),
        Job("monitoring_execution", T0 + 30, under="bias"),
    ]
    room.polls(2)
    assert room.shown(MONITORED) == {("drift", "CompletedWithViolations"): 1, ("bias", "Completed"): 1}
    room.restart()
    room.polls(1)
    assert room.shown(MONITORED) == {("drift", "CompletedWithViolations"): 1, ("bias", "Completed"): 1}
    room.clock.forward(50 * DAY)
    room.polls(2)
    assert room.shown(MONITORED) == {}
    assert room.zeros(MONITORED) == set(), "schedules that begin nothing any more leave"


# -- pipelines ---------------------------------------------------------------------------------------------------------


def execution(created, *lives, under="parent", **more):
    return Job("pipeline_execution", created, *lives, under=under, **more)


def test_executions_are_counted_by_pipeline(room):
    room.api.pipelines = {"daily": T0 + 10, "idle": None}
    room.poll()
    statuses = CATALOGUE[EXECUTION_CHANGES].known("status")
    assert room.zeros(EXECUTION_CHANGES) == {(name, one) for name in ("daily", "idle") for one in statuses}
    room.api.jobs += [
        execution(T0 + 10, (T0 + 40, "Failed"), under="daily"),
        execution(T0 + 20, (T0 + 400, "Succeeded"), under="daily"),
    ]
    room.polls(2)
    assert room.shown(EXECUTION_CHANGES) == {("daily", "Executing"): 2, ("daily", "Failed"): 1}
    assert room.shown(EXECUTIONS) == {("daily", "Executing"): 1}
    assert room.zeros(EXECUTIONS) == {("daily", "Stopping"), ("idle", "Executing"), ("idle", "Stopping")}
    assert room.shown(LAST_STATUS) == {("daily", "Executing"): 1}
    room.polls(8)
    assert room.shown(EXECUTIONS) == {}
    assert room.shown(LAST_STATUS) == {("daily", "Succeeded"): 1}
    assert room.shown(LAST_SUCCESS) == {("daily",): T0 + 400}
    assert room.shown(EXECUTION_CHANGES) == {
        ("daily", "Executing"): 2,
        ("daily", "Failed"): 1,
        ("daily", "Succeeded"): 1,
    }


def test_the_last_execution_of_a_pipeline_is_known_though_it_ran_long_ago(room):
    room.api.jobs += [
        execution(T0 - 200 * DAY, (T0 - 199 * DAY, "Failed"), under="old"),
        execution(T0 - 9 * DAY, (T0 - 8 * DAY, "Succeeded"), under="weekly"),
        execution(T0 - 2 * DAY, (T0 - DAY, "Stopped"), under="weekly"),
    ]
    room.api.pipelines = {"old": T0 - 200 * DAY, "weekly": T0 - 2 * DAY, "idle": None}
    room.poll()
    assert room.shown(LAST_STATUS) == {("old", "Failed"): 1, ("weekly", "Stopped"): 1}
    assert room.shown(LAST_SUCCESS) == {("weekly",): T0 - 8 * DAY}
    assert room.shown(EXECUTION_CHANGES) == {}
    room.api.calls.clear()
    room.polls(3)
    assert room.api.calls["ListPipelineExecutions"] == 0, "what does not run is not asked for"
    room.restart()
    room.polls(2)
    assert room.shown(LAST_STATUS) == {("old", "Failed"): 1, ("weekly", "Stopped"): 1}
    assert room.shown(LAST_SUCCESS) == {("weekly",): T0 - 8 * DAY}


def test_a_pipeline_is_called_as_it_is_listed_whatever_its_arn_makes_of_it(room):
    room.api.pipelines = {"DailyTrain": T0 + 10, "Old": T0 - 200 * DAY}
    room.api.jobs.append(execution(T0 - 200 * DAY, (T0 - 199 * DAY, "Failed"), under="Old"))
    room.poll()
    job = execution(T0 + 10, (T0 + 100, "Succeeded"), under="DailyTrain")
    room.api.jobs.append(job)
    room.api.steps[job.name] = steps(a_step("a", "Lambda", (T0 + 20, "Starting"), (T0 + 30, "Succeeded")))
    room.polls(1)
    room.restart()
    room.polls(5)
    assert room.shown(EXECUTION_CHANGES) == {("DailyTrain", "Executing"): 1, ("DailyTrain", "Succeeded"): 1}
    assert {labels[0] for labels in room.shown(STEP_CHANGES)} == {"DailyTrain"}
    assert room.shown(LAST_STATUS) == {("DailyTrain", "Succeeded"): 1, ("Old", "Failed"): 1}
    assert {labels[0] for labels in room.zeros(EXECUTION_CHANGES)} == {"DailyTrain", "Old"}


def test_a_pipeline_whose_last_execution_is_not_listed_is_asked_for_once(room):
    room.api.pipelines = {"daily": T0 - 200 * DAY}
    room.poll()
    room.polls(3)
    assert room.api.calls["ListPipelineExecutions"] == 1
    assert room.shown(LAST_STATUS) == {}


def test_a_pipeline_that_is_gone_leaves_a_day_later_with_its_counters(room):
    room.api.pipelines = {"daily": T0 + 10}
    room.poll()
    room.api.jobs.append(execution(T0 + 10, (T0 + 40, "Failed"), under="daily"))
    room.polls(2)
    assert room.shown(EXECUTION_CHANGES)
    room.api.pipelines, room.api.jobs = {}, []
    room.polls(2)
    assert room.shown(LAST_STATUS) == {}
    assert room.shown(EXECUTION_CHANGES) == {("daily", "Executing"): 1, ("daily", "Failed"): 1}
    room.polls(1, DAY + HOUR)
    assert room.shown(EXECUTION_CHANGES) == {}
    assert room.zeros(EXECUTION_CHANGES) == set()


def a_step(name, kind, *told, **more):
    """Return what tells of a step: (from when, status), by time; it has metadata once it works."""

    def at(now):
        seen = [(when, status) for when, status in told if when <= now]
        if not seen:
            return None
        found = {"StepName": name, "StartTime": seen[0][0], "StepStatus": seen[-1][1], "AttemptCount": 1, **more}
        if seen[-1][1] in {"Succeeded", "Failed", "Stopped"}:
            found["EndTime"] = seen[-1][0]
        if len(seen) > 1:
            found["Metadata"] = {kind: {"Arn": "arn:aws:sagemaker:us-east-1:123456789012:any/thing"}}
        return found

    return at


def steps(*them):
    return lambda now: [found for found in (one(now) for one in them) if found]


TRAINED = {
    ("daily", "TrainingJob", "Starting"): 1,
    ("daily", "TrainingJob", "Executing"): 1,
    ("daily", "TrainingJob", "Succeeded"): 1,
    ("daily", "Condition", "Starting"): 1,
    ("daily", "Condition", "Succeeded"): 1,
    ("daily", "ProcessingJob", "Starting"): 1,
    ("daily", "ProcessingJob", "Failed"): 1,
}


def piped(room):
    """Put an execution with three steps, of which two pages tell, into a room."""
    job = execution(T0 + 10, (T0 + 320, "Failed"), under="daily")
    room.api.pipelines = {"daily": T0 + 10}
    room.api.jobs.append(job)
    room.api.steps[job.name] = steps(
        a_step("train", "TrainingJob", (T0 + 20, "Starting"), (T0 + 40, "Executing"), (T0 + 200, "Succeeded")),
        a_step("good?", "Condition", (T0 + 201, "Starting"), (T0 + 202, "Succeeded")),
        a_step("report", "ProcessingJob", (T0 + 210, "Starting"), (T0 + 300, "Failed")),
    )
    return job


@pytest.mark.parametrize("restart", [False, True])
def test_steps_count_once_each_status_and_all_of_them(room, restart):
    room.poll()
    piped(room)
    room.polls(2)
    assert room.shown(STEP_CHANGES) == {
        key: 1 for key in TRAINED if key[1:] in {("TrainingJob", "Starting"), ("TrainingJob", "Executing")}
    }
    statuses = CATALOGUE[STEP_CHANGES].known("status")
    assert {("daily", "TrainingJob", one) for one in statuses[2:]} <= room.zeros(STEP_CHANGES)
    if restart:
        room.restart()
    room.polls(10)
    assert room.shown(STEP_CHANGES) == TRAINED
    calls = room.api.calls["ListPipelineExecutionSteps"]
    room.restart()
    room.polls(20)
    assert room.shown(STEP_CHANGES) == TRAINED
    assert room.api.calls["ListPipelineExecutionSteps"] <= calls + 2, "once more, for it is listed again after a start"


def test_steps_of_an_execution_that_ended_between_two_polls_count(room):
    room.poll()
    piped(room)
    room.polls(1, 10 * MINUTE)
    room.polls(1)
    assert room.shown(STEP_CHANGES) == {key: n for key, n in TRAINED.items() if key[2] != "Executing"}


@pytest.mark.parametrize("error", ["denied", "transient", "throttled"])
def test_steps_that_can_not_be_listed_keep_no_end_from_counting_and_count_later(room, error):
    room.poll()
    piped(room)
    room.api.fails = lambda operation: error if operation == "ListPipelineExecutionSteps" else None
    room.polls(8)
    assert room.shown(EXECUTION_CHANGES) == {("daily", "Executing"): 1, ("daily", "Failed"): 1}
    room.clock.forward(MINUTE)
    assert [one.error_class for one in room.poll().failed] == [error]
    assert room.shown(STEP_CHANGES) == {}
    room.restart()
    room.api.fails = lambda _: None
    room.polls(3)
    assert room.shown(STEP_CHANGES) == {key: n for key, n in TRAINED.items() if key[2] != "Executing"}


def test_steps_are_not_asked_for_while_their_families_are_off():
    room = Room(f"families: {{exclude: [{STEP_CHANGES}]}}")
    try:
        room.poll()
        piped(room)
        room.polls(8)
        assert room.api.calls["ListPipelineExecutionSteps"] == 0
        assert room.shown(EXECUTION_CHANGES)
    finally:
        room.ledger.close()


@everything
def test_a_step_that_is_tried_again_or_taken_from_the_cache_or_from_a_loop(room):
    room.poll()
    job = execution(T0 + 10, (T0 + 100, "Succeeded"), under="daily")
    room.api.pipelines = {"daily": T0 + 10}
    room.api.jobs.append(job)
    source = {"SourcePipelineExecutionArn": "arn:aws:sagemaker:us-east-1:123456789012:pipeline/daily/execution/a"}

    def told(now):
        second = now >= T0 + 50
        again = a_step("train", "TrainingJob", (T0 + 20, "Starting"), (T0 + 30, "Failed"), AttemptCount=1 + second)
        return steps(
            again,
            a_step("data", "ProcessingJob", (T0 + 20, "Starting"), (T0 + 21, "Succeeded"), CacheHitResult=source),
            *(
                a_step(
                    "each",
                    "Lambda",
                    (T0 + 20, "Starting"),
                    (T0 + 22, "Succeeded"),
                    IterationContext={"ParentStepName": "loop", "Index": n},
                )
                for n in range(3)
            ),
        )(now)

    room.api.steps[job.name] = told
    room.polls(1, 40)
    room.polls(3)
    shown = room.shown(STEP_CHANGES)
    assert shown["daily", "TrainingJob", "Failed"] == 2, "each attempt"
    assert shown["daily", "Lambda", "Succeeded"] == 3, "each turn"
    assert room.shown(CACHE_HITS) == {("daily",): 1}


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"StepName": "a"},
        {"StepName": "a", "StepStatus": 7},
        {"StepName": "a", "StepStatus": "Failed", "Metadata": []},
        {"StepName": "a", "StepStatus": "Failed", "AttemptCount": "two"},
        [],
    ],
)
def test_a_step_that_can_not_be_read_is_told(item):
    with pytest.raises(UnreadableError):
        step(JOB_TYPES["pipeline_execution"], item)


def test_a_pipeline_or_schedule_that_is_not_wanted_is_not_shown():
    room = Room("resources: {exclude: [secret-*]}")
    try:
        room.api.pipelines = {"secret-a": T0 - DAY, "daily": None}
        room.api.jobs += [
            execution(T0 - DAY, (T0 - 1000, "Failed"), under="secret-a"),
            Job("monitoring_execution", T0 - DAY, (T0 - 1000, "Failed"), under="secret-b"),
        ]
        room.polls(2)
        assert {labels[0] for labels in room.zeros(EXECUTION_CHANGES)} == {"daily"}
        assert room.shown(LAST_STATUS) == {}
        assert room.zeros(MONITORED) == set()
    finally:
        room.ledger.close()
