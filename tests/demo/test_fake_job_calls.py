"""Lists and descriptions of jobs: by boto3 over the wire, every answer held against the service model and the truth."""

from __future__ import annotations

import sys
from functools import partial
from types import SimpleNamespace

import orjson
import pytest
from asking import ACCOUNT, NOW, REGION, when
from botocore.config import Config
from botocore.exceptions import ClientError
from fake_transport import plug
from service_model import MODELS, impossible, snake

from exporter.demo import FakeAws, World, access_key
from exporter.demo import job_shapes as shapes
from exporter.demo.job_calls import FILTERS
from exporter.demo.job_shapes import APIS, HUMAN_LOOP
from exporter.demo.jobs import JOB_TYPES, KINDS, Work, life

LISTED = [api for api in (*APIS, HUMAN_LOOP) if api.lists]
PARENTS = {
    "pipeline_execution": ("pipeline", "train", "pipeline/train"),
    "pipeline_step": ("pipeline_execution", "abcdefghijkl", "pipeline/train/execution/abcdefghijkl"),
    "monitoring_execution": ("monitoring_schedule", "hourly", "monitoring-schedule/hourly"),
    "model_card_export": ("model_card", "card", "model-card/card"),
    "human_loop": ("flow_definition", "review", "flow-definition/review"),
}
BY_NAME = {"ListHyperParameterTuningJobs", "ListAutoMLJobs", "ListTrainingJobsForHyperParameterTuningJob"}
ASCENDING = {
    "ListCompilationJobs",
    "ListHyperParameterTuningJobs",
    "ListLabelingJobs",
    "ListOptimizationJobs",
    "ListProcessingJobs",
    "ListTrainingJobsForHyperParameterTuningJob",
}
TUNING = "hyper-parameter-tuning-job/tune"


def service(api):
    return "sagemaker-a2i-runtime" if api is HUMAN_LOOP else "sagemaker"


def model(api, operation):
    return MODELS[service(api)].operation_model(operation)


def arn(resource):
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{resource}"


def ids(api):
    return f"{api.lists or api.describes}-{api.kind}"


@pytest.fixture
def add(world):
    def add(kind, name, at=NOW, lives=None, **more):
        return world.add_job(ACCOUNT, REGION, kind, name, at, lives=lives, **more)

    return add


@pytest.fixture
def of_kind(add):
    """Add `many` jobs of a kind, a minute apart and the newest now, ended in turn in each way; return them by age."""

    def of_kind(kind, many=3, **more):
        parent = ""
        if kind in PARENTS:
            holder, name, parent = PARENTS[kind]
            if holder == "pipeline_execution":
                add("pipeline", "train", NOW - 10**6)
            add(holder, name, NOW - 10**6, parent="pipeline/train" if holder == "pipeline_execution" else "")
        of = KINDS[kind]
        ends = (*of.ended, None)
        return [
            add(
                kind,
                f"{kind.replace('_', '-')[:20]}-{nth:04d}",
                NOW - 60 * nth,
                life(kind, ends[nth % len(ends)], 50, 10, text="AlgorithmError: it broke"),
                parent=parent,
                work=Work(subject="fraud"),
                **more,
            )
            for nth in range(many)
        ]

    return of_kind


@pytest.fixture(scope="module")
def clients(session):
    """Plain clients of both services that talk to `clients.fake`, made once: there are hundreds of tests here."""
    made = SimpleNamespace(fake=None)

    def answer(*request):
        return made.fake.answer(*request)

    for name in MODELS:
        client = session.client(
            name,
            region_name=REGION,
            endpoint_url="http://127.0.0.1:9",
            aws_access_key_id=access_key(ACCOUNT),
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}),
        )
        setattr(made, name, plug(client, SimpleNamespace(answer=answer)))
    return made


@pytest.fixture
def ask(clients, fake):
    """Call an operation of an Api row."""
    clients.fake = fake

    def ask(api, operation, **given):
        client = getattr(clients, service(api))
        return getattr(client, snake(operation, client))(**given)

    return ask


@pytest.fixture
def children(add):
    """A tuning job and so many training jobs of it, by age."""

    def children(many):
        add("hyperparameter_tuning", "tune", NOW - 10**6)
        return [add("training", f"tune-{nth:04d}", NOW - 60 * nth, parent=TUNING) for nth in range(many)]

    return children


def necessary(api):
    if api.of.category:
        return {"JobCategory": api.of.category}
    if api.parent == "hyperparameter_tuning":
        return {api.within: "tune"}
    if not api.within:
        return {}
    _, name, resource = PARENTS[api.kind]
    return {api.within: arn(resource) if api.within.endswith("Arn") else name}


def named(api, job):
    more = {"JobCategory": api.of.category} if api.of.category else {}
    return {api.by: arn(job.resource.lower()) if api.by.endswith("Arn") else job.name, **more}


def everything(ask, api, **given):
    """All pages of a listing."""
    pages = [ask(api, api.lists, **necessary(api), **given)]
    while "NextToken" in pages[-1]:
        pages.append(ask(api, api.lists, **necessary(api), **given, NextToken=pages[-1]["NextToken"]))
    return [page[api.result] for page in pages]


class Raw:
    """The answers as they are on the wire: the SDK drops what its model does not have."""

    def __init__(self, fake):
        self.fake = fake

    def __call__(self, api, operation, given, *, account=ACCOUNT):
        scope = f"{access_key(account)}/20270115/{REGION}/sagemaker/aws4_request"
        headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}", "X-Amz-Target": f"SageMaker.{operation}"}
        path, method, body = "/", "POST", orjson.dumps(given)
        if api is HUMAN_LOOP:
            del headers["X-Amz-Target"]
            query = "&".join(f"{name}={value}" for name, value in given.items())
            path = (
                f"/human-loops?{query}" if operation == "ListHumanLoops" else f"/human-loops/{given['HumanLoopName']}"
            )
            method, body = "GET", b""
        status, _, answer = self.fake.handle(method, path, headers, body)
        return status, orjson.loads(answer)


@pytest.fixture
def raw(fake):
    return Raw(fake)


class TestTheModel:
    def test_all_types_are_listed_and_described(self):
        assert {api.kind for api in LISTED} >= set(JOB_TYPES)
        described = {api.kind for api in (*APIS, HUMAN_LOOP) if api.describes}
        assert described >= set(JOB_TYPES) - {"monitoring_execution"}  # AWS has no operation for it

    @pytest.mark.parametrize("api", LISTED, ids=ids)
    def test_parameters_are_those_of_the_model(self, api):
        shape = model(api, api.lists).input_shape
        assert api.parameters == set(shape.members)
        assert set(api.filters) <= set(FILTERS)
        if api.sorts:
            assert set(api.sorts) == set(shape.members["SortBy"].enum)
        assert bool(api.within and api.required) == (
            (bool(shape.required_members) and not api.of.category) or api.kind == "pipeline_step"
        )

    @pytest.mark.parametrize("api", LISTED, ids=ids)
    def test_summaries_have_what_the_model_has(self, api, of_kind, children, raw):
        (children if api.parent == "hyperparameter_tuning" else partial(of_kind, api.kind))(9)
        status, answer = raw(api, api.lists, necessary(api))
        assert status == 200, answer
        assert len(answer[api.result]) == 9
        assert list(impossible(model(api, api.lists).output_shape, answer)) == []

    @pytest.mark.parametrize("api", [api for api in (*APIS, HUMAN_LOOP) if api.describes], ids=ids)
    def test_descriptions_have_what_the_model_has(self, api, of_kind, raw):
        shape = model(api, api.describes).output_shape
        for job in of_kind(api.kind, 9):
            status, answer = raw(api, api.describes, named(api, job))
            assert status == 200, answer
            assert list(impossible(shape, answer)) == []


def spelt(members, fact):
    """What a member with this fact is called, if there is one."""
    return next((name for name, known in members.items() if known is fact), None)


ROWS = [api for api in LISTED if api.kind in JOB_TYPES and api.summary is not shapes.TUNED]


class TestTruth:
    @pytest.mark.parametrize("api", ROWS, ids=ids)
    def test_over_time_lists_and_descriptions_tell_what_happened(self, api, of_kind, ask, clock):
        jobs = sorted(of_kind(api.kind, 5), key=lambda job: job.created)
        oldest_first = {"SortOrder": "Ascending"} | ({"SortBy": spelt(api.sorts, None)} if api.sorts else {})
        status, name = spelt(api.summary, shapes.status), spelt(api.summary, shapes.name)
        for now in (NOW - 241, NOW - 235, NOW - 185, NOW - 129, NOW - 9, NOW + 60):
            clock.now = now
            truth = [(job, job.statuses(now)[-1][1]) for job in jobs if job.statuses(now)]
            listed = [one for page in everything(ask, api, **oldest_first) for one in page]
            assert [one[status] for one in listed] == [told for _, told in truth]
            assert name is None or [one[name] for one in listed] == [job.name for job, _ in truth]
            for job, told in truth if api.describes else ():
                answer = ask(api, api.describes, **named(api, job))
                assert answer[spelt(api.description, shapes.status)] == told


class TestTraining:
    def test_description_of_one_that_failed(self, add, over_http):
        work = Work("ml.p3.2xlarge", 4, 100, spot=True, billed=0.3)
        lives = life("training", "Failed", 3600, 600, text="AlgorithmError: out of memory, exit code: 137")
        add("training", "Train-1", NOW - 7200, lives, parent=TUNING, work=work)
        answer = over_http("sagemaker").describe_training_job(TrainingJobName="Train-1")
        begin = NOW - 7200
        assert (answer["TrainingJobStatus"], answer["SecondaryStatus"]) == ("Failed", "Failed")
        assert answer["FailureReason"] == "AlgorithmError: out of memory, exit code: 137"
        assert answer["TrainingJobArn"] == arn("training-job/train-1")
        assert answer["TuningJobArn"] == arn(TUNING)
        assert answer["ResourceConfig"] == {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 4, "VolumeSizeInGB": 100}
        assert answer["EnableManagedSpotTraining"] is True
        assert [answer[f"{name}Time"] for name in ("Creation", "TrainingStart", "TrainingEnd", "LastModified")] == [
            when(begin),
            when(begin + 600),
            when(begin + 3600),
            when(begin + 3600),
        ]
        assert (answer["TrainingTimeInSeconds"], answer["BillableTimeInSeconds"]) == (3000, 900)
        phases = answer["SecondaryStatusTransitions"]
        assert [phase["Status"] for phase in phases] == ["Starting", "Downloading", "Training", "Uploading", "Failed"]
        assert [phase["EndTime"] for phase in phases[:-1]] == [phase["StartTime"] for phase in phases[1:]]
        assert phases[1]["StartTime"] == when(begin + 600)

    def test_what_has_not_come_yet_is_left_out(self, add, over_http, clock):
        add("training", "t", NOW, life("training", "Completed", 3600, 600))
        client = over_http("sagemaker")
        clock.now = NOW + 1
        answer = client.describe_training_job(TrainingJobName="t")
        absent = {
            "TrainingStartTime",
            "TrainingEndTime",
            "BillableTimeInSeconds",
            "TrainingTimeInSeconds",
            "FailureReason",
        }
        assert not absent & answer.keys()
        assert answer["SecondaryStatusTransitions"] == [
            {
                "Status": "Starting",
                "StartTime": when(NOW),
                "StatusMessage": "Preparing the instances for training",
            }
        ]
        assert client.list_training_jobs()["TrainingJobSummaries"] == [
            {
                "TrainingJobName": "t",
                "TrainingJobArn": arn("training-job/t"),
                "CreationTime": when(NOW),
                "LastModifiedTime": when(NOW),
                "TrainingJobStatus": "InProgress",
                "SecondaryStatus": "Starting",
            }
        ]

    def test_a_tuning_job_counts_its_children(self, add, over_http):
        add("hyperparameter_tuning", "tune", NOW - 9000)
        for nth, ends in enumerate(("Completed", "Completed", "Failed", "Stopped", None)):
            add("training", f"tune-{nth}", NOW - 8000 + nth, life("training", ends, 3600), parent=TUNING)
        client = over_http("sagemaker")
        described = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="tune")
        (listed,) = client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
        for answer in (described, listed):
            assert answer["TrainingJobStatusCounters"] == {
                "Completed": 2,
                "InProgress": 1,
                "RetryableError": 0,
                "NonRetryableError": 1,
                "Stopped": 1,
            }
            assert answer["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 1, "Failed": 2}
        children = client.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName="tune")
        assert [one["TrainingJobName"] for one in children["TrainingJobSummaries"]] == [f"tune-{n}" for n in range(5)]
        assert children["TrainingJobSummaries"][0]["TrainingStartTime"] == when(NOW - 8000 + 120)


class TestPages:
    @pytest.mark.parametrize("api", LISTED, ids=ids)
    def test_usual_size_and_order(self, api, of_kind, children, ask):
        jobs = (children if api.parent == "hyperparameter_tuning" else partial(of_kind, api.kind))(52)
        usual = 50 if api.lists in ("ListJobs", "ListOptimizationJobs") else 10
        pages = everything(ask, api)
        assert {len(page) for page in pages[:-1]} == {usual}
        assert sum(map(len, pages)) == 52
        assert len(everything(ask, api, MaxResults=100)) == 1
        fact = shapes.name if api.lists in BY_NAME else shapes.created
        expected = [fact(shapes.View(None, job, NOW)) for job in jobs]
        told = [one[spelt(api.summary, fact)] for page in pages for one in page]
        if fact is shapes.created:
            expected = [when(at) for at in expected]
        assert told == sorted(expected, reverse=api.lists not in ASCENDING)

    def test_filters_look_at_a_page_that_is_cut_already(self, add, over_http):
        for nth in range(45):
            add("training", f"t-{nth:02d}", NOW - 3600 - nth, life("training", "Failed" if nth == 37 else "Completed"))
        client = over_http("sagemaker")

        def pages(**filters):
            paginator = client.get_paginator("list_training_jobs")
            return [
                [one["TrainingJobName"] for one in page["TrainingJobSummaries"]]
                for page in paginator.paginate(**filters)
            ]

        assert pages(StatusEquals="Failed") == [[], [], [], ["t-37"], []]
        assert pages(StatusEquals="Failed", PaginationConfig={"PageSize": 100}) == [["t-37"]]
        assert pages(LastModifiedTimeAfter=when(NOW - 20)) == [
            [f"t-{n:02d}" for n in range(10)],
            [f"t-{n}" for n in range(10, 20)],
            [],
            [],
            [],
        ]
        assert pages(CreationTimeAfter=when(NOW - 3603)) == [
            ["t-00", "t-01", "t-02"]
        ]  # no later page: it is by an index

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({"CreationTimeAfter": when(NOW - 120)}, [0, 1]),
            ({"CreationTimeBefore": when(NOW - 120)}, [3, 4, 5]),
            ({"CreationTimeAfter": when(NOW - 240), "CreationTimeBefore": when(NOW - 60)}, [2, 3]),
            ({"NameContains": "-0004"}, [4]),
            ({"LastModifiedTimeBefore": when(NOW - 190)}, [5]),
            ({"StatusEquals": "Stopped"}, [2]),
            ({"StatusEquals": "Completed", "NameContains": "-0004"}, [4]),
            ({"StatusEquals": "Completed", "NameContains": "-0002"}, []),
        ],
    )
    def test_bounds_are_exclusive(self, of_kind, over_http, given, expected):
        jobs = of_kind("processing", 6)
        answer = over_http("sagemaker").list_processing_jobs(**given, SortOrder="Descending")
        assert [one["ProcessingJobName"] for one in answer["ProcessingJobSummaries"]] == [
            jobs[n].name for n in expected
        ]

    def test_flow_definitions_that_were_created_at_the_bound(self, of_kind, over_http):
        jobs = of_kind("flow_definition", 3)
        answer = over_http("sagemaker").list_flow_definitions(CreationTimeAfter=when(NOW - 60))
        assert [one["FlowDefinitionName"] for one in answer["FlowDefinitionSummaries"]] == [
            job.name for job in jobs[:2]
        ]

    @pytest.mark.parametrize("sort", ["Name", "Status", "CreationTime"])
    @pytest.mark.parametrize("order", ["Ascending", "Descending"])
    def test_sorted(self, of_kind, in_memory, sort, order):
        jobs = of_kind("transform", 23)
        key = {"Name": lambda job: job.name, "Status": lambda job: job.state(NOW).status}.get(
            sort, lambda job: job.created
        )
        expected = sorted(sorted(jobs, key=lambda job: job.created), key=key)
        pages = in_memory("sagemaker").get_paginator("list_transform_jobs").paginate(SortBy=sort, SortOrder=order)
        names = [one["TransformJobName"] for page in pages for one in page["TransformJobSummaries"]]
        assert names == [job.name for job in (expected if order == "Ascending" else expected[::-1])]

    def test_a_token_belongs_to_its_parameters(self, of_kind, in_memory):
        of_kind("training", 12)
        client = in_memory("sagemaker")
        token = client.list_training_jobs()["NextToken"]
        assert len(client.list_training_jobs(NextToken=token, MaxResults=1)["TrainingJobSummaries"]) == 1
        for other in ({"StatusEquals": "Failed"}, {"SortOrder": "Ascending"}, {"CreationTimeAfter": when(NOW)}):
            with pytest.raises(ClientError, match=r"ValidationException.*Invalid pagination token"):
                client.list_training_jobs(NextToken=token, **other)
        with pytest.raises(ClientError, match="Invalid pagination token"):
            client.list_processing_jobs(NextToken=token)


class TestRefusals:
    @pytest.mark.parametrize(
        ("operation", "given"),
        [
            ("ListTrainingJobs", {"MaxResults": 0}),
            ("ListTrainingJobs", {"MaxResults": 101}),
            ("ListTrainingJobs", {"MaxResults": "ten"}),
            ("ListTrainingJobs", {"SortBy": "LastModifiedTime"}),
            ("ListTrainingJobs", {"SortOrder": "Up"}),
            ("ListTrainingJobs", {"StatusEquals": "COMPLETED"}),
            ("ListTrainingJobs", {"NameContains": "x" * 64}),
            ("ListTrainingJobs", {"NextToken": "x" * 8193}),
            ("ListTrainingJobs", {"Colour": "red"}),
            ("ListTrainingJobs", {"WarmPoolStatusEquals": "Cold"}),
            ("ListPipelineExecutions", {}),
            ("ListJobs", {}),
            ("ListJobs", {"JobCategory": "Training"}),
            ("DescribeTrainingJob", {}),
            ("DescribeTrainingJob", {"TrainingJobName": "under_score"}),
            ("DescribeTrainingJob", {"TrainingJobName": "x" * 64}),
            ("DescribeTrainingJob", {"TrainingJobName": "x", "Colour": "red"}),
            ("DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": "x" * 33}),
            ("DescribePipelineExecution", {"PipelineExecutionArn": "abc"}),
            ("Search", {"Resource": "Endpoint"}),
        ],
    )
    def test_what_breaks_the_model(self, raw, operation, given):
        status, answer = raw(None, operation, given)
        assert (status, answer["__type"]) == (400, "ValidationException")

    @pytest.mark.parametrize("given", [{"CreationTimeAfter": "noon"}, {"NameContains": 5}, {"NextToken": ["x"]}])
    def test_what_is_of_another_type(self, raw, given):
        status, answer = raw(None, "ListTrainingJobs", given)
        assert (status, answer["__type"]) == (400, "SerializationException")

    @pytest.mark.parametrize(
        ("operation", "given", "code", "text"),
        [
            (
                "describe_training_job",
                {"TrainingJobName": "nix"},
                "ValidationException",
                "Requested resource not found.",
            ),
            (
                "describe_processing_job",
                {"ProcessingJobName": "nix"},
                "ValidationException",
                "Could not find requested job with name: nix",
            ),
            (
                "describe_transform_job",
                {"TransformJobName": "nix"},
                "ValidationException",
                "Could not find requested job with name: nix",
            ),
            (
                "describe_hyper_parameter_tuning_job",
                {"HyperParameterTuningJobName": "nix"},
                "ResourceNotFound",
                "Amazon SageMaker can't find a tuning job called nix. Type another name.",
            ),
            ("list_pipeline_executions", {"PipelineName": "nix"}, "ResourceNotFound", "does not exist"),
            ("describe_training_job", {"TrainingJobName": "THERE"}, "ValidationException", "Requested resource not"),
            ("describe_labeling_job", {"LabelingJobName": "nix"}, "ResourceNotFound", "labeling with name: nix"),
        ],
    )
    def test_what_does_not_exist(self, over_http, add, operation, given, code, text):
        add("training", "there")
        with pytest.raises(ClientError) as raised:
            getattr(over_http("sagemaker"), operation)(**given)
        error = raised.value.response["Error"]
        assert error["Code"] == code
        assert text in error["Message"]

    def test_a_loop_that_does_not_exist(self, over_http):
        client = over_http("sagemaker-a2i-runtime")
        with pytest.raises(client.exceptions.ResourceNotFoundException) as raised:
            client.describe_human_loop(HumanLoopName="nix")
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.list_human_loops(FlowDefinitionArn=arn("flow-definition/nix"))

    def test_training_jobs_are_listed_twice_a_second(self, fake, over_http, clock):
        fake.bill.enforced = True
        clients = [
            over_http("sagemaker"),
            over_http("sagemaker", account="210987654321"),
            over_http("sagemaker", region="eu-west-1"),
        ]

        def refused():
            codes = []
            for client in clients:
                for _ in range(3):
                    try:
                        client.list_training_jobs()
                    except ClientError as error:
                        codes.append(error.response["Error"]["Code"])
            return codes

        assert refused() == ["ThrottlingException"] * 3  # the third of each account and region
        clock.now += 0.5
        assert len(refused()) == 9
        clock.now += 0.5
        assert refused() == ["ThrottlingException"] * 3
        clients[0].list_processing_jobs()
        assert fake.bill.highest["sagemaker.ListTrainingJobs"] == 2


class TestNested:
    def test_pipelines_to_the_end(self, add, over_http):
        add("pipeline", "Train-It", NOW - 9000)
        run = add(
            "pipeline_execution",
            "abcdefghijkl",
            NOW - 8000,
            life("pipeline_execution", "Failed", 3000, 0),
            parent="pipeline/Train-It",
        )
        work = Work(step_type="Training", produces="training-job/pipelines-abc-train")
        add(
            "pipeline_step",
            "Train",
            NOW - 7990,
            life("pipeline_step", "Failed", 2900, 10, text="ClientError: x"),
            parent=run.resource,
            work=work,
        )
        client = over_http("sagemaker")
        (pipeline,) = client.list_pipelines()["PipelineSummaries"]
        assert pipeline["LastExecutionTime"] == when(NOW - 8000)
        for name in ("Train-It", pipeline["PipelineArn"]):
            (execution,) = client.list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"]
        assert (execution["PipelineExecutionStatus"], execution["StartTime"]) == ("Failed", when(NOW - 8000))
        whole = execution["PipelineExecutionArn"]
        assert whole == arn("pipeline/train-it/execution/abcdefghijkl")
        assert client.describe_pipeline_execution(PipelineExecutionArn=whole)["PipelineExecutionStatus"] == "Failed"
        (step,) = client.list_pipeline_execution_steps(PipelineExecutionArn=whole)["PipelineExecutionSteps"]
        assert step == {
            "StepName": "Train",
            "StartTime": when(NOW - 7990),
            "EndTime": when(NOW - 5090),
            "StepStatus": "Failed",
            "FailureReason": "ClientError: x",
            "Metadata": {"TrainingJob": {"Arn": arn("training-job/pipelines-abc-train")}},
            "AttemptCount": 1,
        }

    def test_monitoring_executions_of_all_schedules_or_one(self, add, over_http):
        for schedule in ("one", "two"):
            add("monitoring_schedule", schedule, NOW - 9000, work=Work(subject=f"endpoint-{schedule}"))
            for nth in range(3):
                add(
                    "monitoring_execution",
                    f"monitor-{schedule}-{nth}",
                    NOW - 3600 * nth - 1000,
                    life("monitoring_execution", "CompletedWithViolations", 600, 60),
                    parent=f"monitoring-schedule/{schedule}",
                    work=Work(subject=f"endpoint-{schedule}"),
                )
        client = over_http("sagemaker")

        def found(**given):
            answer = client.list_monitoring_executions(**given)
            return [one["MonitoringScheduleName"] for one in answer["MonitoringExecutionSummaries"]]

        assert sorted(found()) == ["one"] * 3 + ["two"] * 3
        assert found(MonitoringScheduleName="two") == ["two"] * 3
        assert found(EndpointName="endpoint-one") == ["one"] * 3
        assert found(MonitoringScheduleName="nix") == []
        assert found(MonitoringTypeEquals="ModelBias") == []
        assert found(StatusEquals="CompletedWithViolations", MonitoringScheduleName="one") == ["one"] * 3
        assert len(found(ScheduledTimeAfter=when(NOW - 7200))) == 2
        summary = client.list_monitoring_executions()["MonitoringExecutionSummaries"][0]
        assert summary["ScheduledTime"] == when(NOW - 3600)
        assert summary["ProcessingJobArn"].startswith(arn("processing-job/monitor-"))

    def test_human_loops_over_rest(self, of_kind, over_http):
        jobs = of_kind("human_loop", 13)
        flow = arn("flow-definition/review")
        client = over_http("sagemaker-a2i-runtime")
        pages = list(client.get_paginator("list_human_loops").paginate(FlowDefinitionArn=flow, SortOrder="Ascending"))
        assert [len(page["HumanLoopSummaries"]) for page in pages] == [10, 3]
        assert pages[0]["HumanLoopSummaries"][0]["HumanLoopName"] == jobs[-1].name
        after = client.list_human_loops(FlowDefinitionArn=flow, CreationTimeAfter=when(NOW - 120), MaxResults=100)
        assert [one["HumanLoopName"] for one in after["HumanLoopSummaries"]] == [jobs[0].name, jobs[1].name]
        failed = client.describe_human_loop(HumanLoopName=jobs[1].name)
        assert (failed["HumanLoopStatus"], failed["FailureCode"]) == ("Failed", "InternalError")
        for wrong in ({"MaxResults": 101}, {"SortOrder": "Up"}, {"NextToken": "x"}):
            with pytest.raises(client.exceptions.ValidationException):
                client.list_human_loops(FlowDefinitionArn=flow, **wrong)

    def test_the_policy_that_human_loops_need(self, of_kind, over_http, fake):
        of_kind("human_loop", 1)
        over_http("sagemaker-a2i-runtime").list_human_loops(FlowDefinitionArn=arn("flow-definition/review"))
        (actions,) = fake.bill.actions.values()
        assert actions == {"sagemaker:ListHumanLoops"}

    def test_tags_of_jobs(self, add, over_http, world):
        run = add("pipeline_execution", "abc", parent="pipeline/P")
        add("agent_rft", "a")
        add("training", "t")
        world.region(ACCOUNT, REGION).tags[arn("training-job/t")] = {"team": "x"}
        client = over_http("sagemaker")
        assert client.list_tags(ResourceArn=arn("training-job/t"))["Tags"] == [{"Key": "team", "Value": "x"}]
        for resource in (run.resource.lower(), "job/agentrft/a"):
            assert client.list_tags(ResourceArn=arn(resource))["Tags"] == []
        for resource in ("training-job/nix", "processing-job/t", "t"):
            with pytest.raises(ClientError, match="Could not find resource"):
                client.list_tags(ResourceArn=arn(resource))

    def test_generic_jobs_by_category(self, add, over_http):
        add("agent_rft", "same", NOW - 60)
        add("data_transformation", "same", NOW - 50, life("data_transformation", "Completed", 40, 10))
        client = over_http("sagemaker")
        (one,) = client.list_jobs(JobCategory="DataTransformation")["JobSummaries"]
        assert (one["JobStatus"], one["JobArn"]) == ("Completed", arn("job/datatransformation/same"))
        answer = client.describe_job(JobCategory="AgentRFT", JobName="same")
        assert (answer["JobStatus"], answer["SecondaryStatus"]) == ("InProgress", "Starting")


class TestSearch:
    @pytest.fixture
    def search(self, over_http):
        client = over_http("sagemaker")

        def search(*filters, resource="TrainingJob", operator="And", **more):
            asked = [dict(zip(("Name", "Operator", "Value"), one, strict=False)) for one in filters]
            expression = {"SearchExpression": {"Filters": asked, "Operator": operator}} if asked else {}
            pages = client.get_paginator("search").paginate(Resource=resource, **expression, **more)
            return [one[resource] for page in pages for one in page["Results"]]

        return search

    def names(self, found):
        return sorted(one["TrainingJobName"] for one in found)

    def test_filters(self, of_kind, search):
        jobs = of_kind("training", 12)
        by_status = {}
        for job in jobs:
            by_status.setdefault(job.state(NOW).status, []).append(job.name)

        def open_ones():
            return search(("TrainingJobStatus", "Equals", "InProgress"))

        assert self.names(open_ones()) == sorted(by_status["InProgress"])
        assert len(search()) == 12
        either = search(("TrainingJobStatus", "In", "Failed, Stopped"), ("FailureReason", "Exists"))
        assert self.names(either) == sorted(by_status["Failed"])
        both = search(
            ("TrainingJobStatus", "Equals", "Failed"), ("TrainingJobStatus", "Equals", "Stopped"), operator="Or"
        )
        assert self.names(both) == sorted(by_status["Failed"] + by_status["Stopped"])
        late = search(("CreationTime", "GreaterThan", "2027-01-15T07:58:00Z"))
        assert self.names(late) == [jobs[0].name, jobs[1].name]
        assert search(("ResourceConfig.InstanceCount", "GreaterThan", "1")) == []
        assert len(search(("TuningJobArn", "NotExists"))) == len(search(("TuningJobArn", "NotEquals", "x"))) == 12
        assert self.names(search(("TrainingJobName", "Contains", "0003"))) == [jobs[3].name]

    def test_other_resources(self, add, search):
        add("hyperparameter_tuning", "tune", NOW - 60)
        add("pipeline", "p", NOW - 60)
        add("pipeline_execution", "abcdefghijkl", NOW - 50, parent="pipeline/p")
        (tuning,) = search(resource="HyperParameterTuningJob")
        assert tuning["HyperParameterTuningJobStatus"] == "InProgress"
        (execution,) = search(("PipelineExecutionStatus", "Equals", "Executing"), resource="PipelineExecution")
        assert execution["PipelineExecutionArn"] == arn("pipeline/p/execution/abcdefghijkl")

    @pytest.mark.parametrize(
        "wrong", [("Colour", "Equals", "red"), ("TrainingJobName", "Like", "x"), ("CreationTime", "LessThan", "noon")]
    )
    def test_refuses(self, of_kind, search, wrong):
        of_kind("training", 1)
        with pytest.raises(ClientError, match="ValidationException"):
            search(wrong)

    @pytest.mark.parametrize("more", [{"SortBy": "Colour"}, {"SortOrder": "Up"}, {"MaxResults": 101}])
    def test_refuses_without_any_job(self, search, more):
        with pytest.raises(ClientError, match="ValidationException"):
            search(**more)

    def test_parts_of_expressions(self, of_kind, over_http):
        jobs = of_kind("training", 12)
        failed = {"Filters": [{"Name": "TrainingJobStatus", "Operator": "Equals", "Value": "Failed"}]}
        old = {"Filters": [{"Name": "TrainingJobName", "Operator": "Contains", "Value": "-0001"}]}
        client = over_http("sagemaker")

        def found(**expression):
            answer = client.search(Resource="TrainingJob", SearchExpression=expression, MaxResults=100)
            return self.names(one["TrainingJob"] for one in answer["Results"])

        everybody = [job.name for job in jobs if job.state(NOW).status == "Failed"]
        assert found(SubExpressions=[failed]) == everybody
        assert found(SubExpressions=[failed, old]) == [jobs[1].name]
        assert found(SubExpressions=[failed, old], Operator="Or") == everybody
        with pytest.raises(ClientError, match="NestedFilters"):
            found(NestedFilters=[{"NestedPropertyName": "InputDataConfig", "Filters": old["Filters"]}])

    @pytest.mark.parametrize("resource", ["TrainingJob", "HyperParameterTuningJob", "PipelineExecution"])
    def test_records_have_what_the_model_has(self, of_kind, raw, resource):
        kind = {"TrainingJob": "training", "PipelineExecution": "pipeline_execution"}.get(
            resource, "hyperparameter_tuning"
        )
        of_kind(kind, 5)
        status, answer = raw(None, "Search", {"Resource": resource})
        assert status == 200
        assert len(answer["Results"]) == 5
        assert list(impossible(MODELS["sagemaker"].operation_model("Search").output_shape, answer)) == []


def steps(function):
    """How many functions a call calls: what it costs, without a clock."""
    count = 0

    def called(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"SortOrder": "Ascending"},
        {"SortBy": "Name"},
        {"StatusEquals": "Failed"},
        {"LastModifiedTimeAfter": NOW - 3600},
        {"CreationTimeAfter": NOW - 3600, "MaxResults": 100},
        {"NameContains": "nothing"},
    ],
)
def test_a_page_of_100_000_jobs_costs_what_it_returns(raw_of_many, given):
    few, many = raw_of_many
    once = [raw(None, "ListTrainingJobs", given)[1] for raw in (few, many)]
    assert len(once[0]["TrainingJobSummaries"]) == len(once[1]["TrainingJobSummaries"])
    given = given | {"NextToken": once[1]["NextToken"]} if "NextToken" in once[1] else given
    cost = [steps(lambda raw=raw: raw(None, "ListTrainingJobs", given)) for raw in (few, many)]
    assert cost[1] < cost[0] + 60  # a few more comparisons to find the place


@pytest.fixture(scope="module")
def raw_of_many():
    usual = life("training", "Completed", 1800)
    fakes = []
    for many in (1_000, 100_000):
        world = World()
        for nth in reversed(range(many)):  # the oldest first, as they come
            world.add_job(ACCOUNT, REGION, "training", f"train-{nth:06d}", NOW - 6 * nth, lives=usual)
        fakes.append(Raw(FakeAws(world, lambda: NOW)))
    return fakes
