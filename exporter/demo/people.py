"""People, pipelines and pollers: who calls SageMaker all day in the demo, made up when it is asked for.

What changes in the world has its call: somebody creates a job before it is there, stops it, deletes an endpoint.
Besides there are those who only look, again and again, and those who may not, or ask for too much. All of it follows
from the seed, the world and the time, so that nothing is remembered but the calls looked at last.
"""

from __future__ import annotations

import math
import random
from collections import OrderedDict
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from exporter.demo import identities
from exporter.demo.calls import DATA, NETWORK, SAGEMAKER, SLOT, ApiCall, Delay, Delays, lower_camel
from exporter.demo.job_shapes import sagemaker_arn
from exporter.demo.traffic import chance, number_of, poisson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.demo.identities import Identity
    from exporter.demo.jobs import Change
    from exporter.demo.things import Change as Turn
    from exporter.demo.world import Region

HOUR, DAY = 3600, 86_400
KEPT = 20_000  # made-up calls at hand
HOURS_KEPT = 30  # of calls that change the world
EARLIER = 30.0  # seconds: no call is longer before what it changes
_BY_SAGEMAKER = "sagemaker.amazonaws.com"


class Noun(NamedTuple):
    """How the operations about a kind of thing are called: NounVerb, the member with its name, the ARN answered."""

    noun: str
    member: str
    answers: str  # of the operation that creates, or ""
    verbs: tuple[str, ...] = ("Create",)
    creates: str = "Create"


def _noun(noun: str, *verbs: str, member: str = "", answers: str | None = None, creates: str = "Create") -> Noun:
    answered = f"{noun}Arn" if answers is None else answers
    return Noun(noun, member or f"{noun}Name", answered, (creates, *verbs), creates)


JOBS: dict[str, Noun] = {
    "training": _noun("TrainingJob", "Stop"),
    "processing": _noun("ProcessingJob", "Stop"),
    "transform": _noun("TransformJob", "Stop"),
    "hyperparameter_tuning": _noun("HyperParameterTuningJob", "Stop"),
    "automl": Noun("AutoMLJob", "AutoMLJobName", "AutoMLJobArn", ("Create", "Stop")),
    "compilation": _noun("CompilationJob", "Stop"),
    "optimization": _noun("OptimizationJob", "Stop"),
    "edge_packaging": _noun("EdgePackagingJob", "Stop", answers=""),
    "labeling": _noun("LabelingJob", "Stop"),
    "inference_recommendations": _noun("InferenceRecommendationsJob", "Stop", member="JobName", answers="JobArn"),
    "inference_experiment": _noun("InferenceExperiment", "Stop", member="Name"),
    "pipeline_execution": _noun("PipelineExecution", member="PipelineName", creates="Start"),
    "model_card_export": _noun("ModelCardExportJob"),
    "ai_benchmark": _noun("AIBenchmarkJob", "Stop"),
    "ai_recommendation": _noun("AIRecommendationJob", "Stop"),
    **dict.fromkeys(
        (
            "agent_rft",
            "synthetic_data_generation",
            "data_quality_evaluation",
            "agent_rft_evaluation",
            "data_transformation",
        ),
        _noun("Job", "Stop"),
    ),
    "human_loop": _noun("HumanLoop", "Stop", creates="Start"),
    "pipeline": _noun("Pipeline"),
    "monitoring_schedule": _noun("MonitoringSchedule"),
    "flow_definition": _noun("FlowDefinition"),
    "model_card": _noun("ModelCard"),
}
"""Executions of schedules and steps of pipelines are nobody's call."""

THINGS: dict[str, Noun] = {
    "notebook_instance": _noun("NotebookInstance", "Start", "Stop", "Update", "Delete"),
    "notebook_lifecycle_config": _noun("NotebookInstanceLifecycleConfig", "Delete"),
    "cluster": _noun("Cluster", "Update", "Delete"),
    "feature_group": _noun("FeatureGroup", "Update", "Delete"),
    "model_package_group": _noun("ModelPackageGroup", "Delete"),
    "model_package": _noun("ModelPackage", member="ModelPackageGroupName"),
    "model": _noun("Model", "Delete"),
    "algorithm": _noun("Algorithm", "Delete"),
    "domain": _noun("Domain"),
    "user_profile": _noun("UserProfile", "Update", "Delete"),
    "space": _noun("Space", "Update", "Delete"),
    "app": _noun("App", "Delete"),
    "image": _noun("Image", "Update", "Delete"),
    "image_version": _noun("ImageVersion", member="ImageName"),
    "mlflow_tracking_server": _noun(
        "MlflowTrackingServer",
        "Start",
        "Stop",
        "Update",
        "Delete",
        member="TrackingServerName",
        answers="TrackingServerArn",
    ),
    "partner_app": _noun("PartnerApp", member="Name", answers="Arn"),
    "hub": _noun("Hub", "Update", "Delete"),
    "project": _noun("Project", "Update", "Delete"),
}
_VERBS = {"Stopping": "Stop", "Starting": "Start", "Updating": "Update", "UPDATING": "Update"}


class Habit(NamedTuple):
    """What somebody does again and again: a share of all calls, more of them by day if it is a person."""

    who: Identity
    share: float
    operations: tuple[str, ...]
    fails: float = 0.002
    by_day: bool = False
    more: Mapping[str, Any] = {}
    error: tuple[str, str] | None = None  # if it is always the same


_SUBJECTS = {
    "AddTags": ("ResourceArn", "arn"),
    "CreateEndpoint": ("EndpointName", "endpoint"),
    "CreateModel": ("ModelName", "model"),
    "CreatePresignedDomainUrl": ("UserProfileName", "person"),
    "CreatePresignedNotebookInstanceUrl": ("NotebookInstanceName", "person"),
    "CreateTrainingJob": ("TrainingJobName", "job"),
    "DeleteEndpoint": ("EndpointName", "endpoint"),
    "DescribeEndpoint": ("EndpointName", "endpoint"),
    "DescribeEndpointConfig": ("EndpointConfigName", "config"),
    "DescribeModel": ("ModelName", "model"),
    "DescribeNotebookInstance": ("NotebookInstanceName", "person"),
    "DescribeProcessingJob": ("ProcessingJobName", "job"),
    "DescribeTrainingJob": ("TrainingJobName", "job"),
    "DescribeTransformJob": ("TransformJobName", "job"),
    "ListTags": ("ResourceArn", "arn"),
    "StopTrainingJob": ("TrainingJobName", "job"),
    "UpdateEndpointWeightsAndCapacities": ("EndpointName", "endpoint"),
}
"""What a call is about: the member that names it, and of which kind it is. The others name nothing."""

_FAILURES: dict[str, tuple[tuple[str, str], ...]] = {
    "Create": (
        ("ResourceLimitExceeded", "The account-level service limit 'ml.g5.12xlarge for endpoint usage' is 4 Instances"),
        ("ResourceInUse", "The name is in use"),
        ("ValidationException", "1 validation error detected: Value at 'roleArn' failed to satisfy constraint"),
    ),
    "Describe": (
        ("ValidationException", "Could not find what was asked for."),
        ("ThrottlingException", "Rate exceeded"),
    ),
}
_THROTTLED = ("ThrottlingException", "Rate exceeded")
_ENDPOINT_CLOSED = ("VpceAccessDenied", "The request was denied due to a VPC endpoint policy")


@dataclass(frozen=True, slots=True)
class Staff:
    """Who works in an account."""

    anna: Identity
    ben: Identity
    carla: Identity
    junior: Identity
    pipeline: Identity
    deployer: Identity
    pipelines: Identity  # SageMaker's own, with a role of the account
    scaling: Identity
    itself: Identity

    @classmethod
    def of(cls, account: str, region: str) -> Staff:
        """Return those of an account."""
        role = identities.assumed_role
        return cls(
            anna=identities.iam_user(account, "anna", console=True),
            ben=role(
                account,
                "aws-reserved/sso.amazonaws.com/AWSReservedSSO_DataScientist_0a1b2c3d4e5f6789",
                "ben@example.com",
                agent=identities.BROWSER,
                source_identity="ben",
            ),
            carla=identities.identity_center_user(account, region, "carla"),
            junior=identities.federated_user(account, "dora"),
            pipeline=role(account, "ml-pipeline", "nightly", address="203.0.113.20"),
            deployer=role(
                account, "ci-deploy", "GitHubActions", provider="token.actions.example.com", address="192.0.2.81"
            ),
            pipelines=role(account, "sagemaker-jobs", "SageMaker", invoked_by=_BY_SAGEMAKER),
            scaling=role(
                account,
                "aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
                "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
                "AutoScaling-UpdateDesiredCapacity",
                invoked_by="sagemaker.application-autoscaling.amazonaws.com",
            ),
            itself=identities.service_itself(account, _BY_SAGEMAKER),
        )


def habits(staff: Staff, account: str) -> list[Habit]:
    """Return what those of an account do all day, and who else comes by."""
    role = identities.assumed_role
    inventory = role(account, "inventory", "i-0a1b2c3d4e5f60001", address="203.0.113.30")
    config = role(
        account,
        "aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig",
        "AWSConfig-Describe",
        invoked_by="config.amazonaws.com",
    )
    console = {"sessionCredentialFromConsole": "true"}
    private = {"vpcEndpointId": "vpce-0a1b2c3d4e5f60001"}
    visitor = identities.other_account("210987654321", "visitor")
    closed = {"eventType": "AwsVpceEvents", "eventCategory": NETWORK, "vpcEndpointAccountId": account, **private}
    reading = ("ListEndpoints", "ListTrainingJobs", "DescribeEndpoint", "DescribeTrainingJob", "ListTags")
    return [
        Habit(inventory, 30, ("ListEndpoints", "ListModels", "ListTags", "DescribeEndpoint", "DescribeModel"), 0.005),
        Habit(role(account, "grafana", "grafana", **_at("203.0.113.31")), 20, reading, more=private),
        Habit(config, 12, ("DescribeEndpointConfig", "DescribeModel", "ListTags"), 0.02),
        Habit(staff.scaling, 8, ("DescribeEndpoint", "DescribeEndpoint", "UpdateEndpointWeightsAndCapacities")),
        Habit(staff.pipeline, 14, ("DescribeTrainingJob", "DescribeProcessingJob", "DescribeTransformJob", "AddTags")),
        Habit(staff.anna, 5, (*reading, "Search", "CreatePresignedNotebookInstanceUrl"), 0.01, True, console),
        Habit(staff.ben, 5, (*reading, "ListDomains", "CreatePresignedDomainUrl"), 0.01, True, console),
        Habit(staff.carla, 1, ("ListModelPackageGroups", "ListPipelines"), 0.01, True),
        Habit(staff.junior, 1, ("DeleteEndpoint", "CreateEndpoint", "StopTrainingJob", "CreateModel"), 1.0, True),
        Habit(staff.deployer, 1, ("DescribeEndpoint", "CreateTrainingJob", "CreateEndpoint"), 0.7),
        Habit(identities.root(account), 0.05, ("ListDomains", "ListNotebookInstances"), 0, True, console),
        Habit(identities.service("elasticmapreduce.amazonaws.com"), 0.2, ("ListPipelines",)),
        Habit(visitor, 0.3, ("ListModelPackageGroups",), more={"sharedEventID": True}),
        Habit(visitor, 0.2, ("ListEndpoints",), 1.0, more=closed, error=_ENDPOINT_CLOSED),
        Habit(staff.anna, 0.2, ("GetSearchSuggestions",), 0, True, {**console, "eventType": "AwsConsoleAction"}),
    ]


def _at(address: str) -> dict[str, str]:
    return {"address": address, "agent": "aws-sdk-go-v2/1.36 ua/2.1 os/linux lang/go#1.24"}


class People:
    """Calls to one account in one region, from `since` on and before `until`."""

    def __init__(
        self, seed: int, place: Region, since: float, until: float, per_hour: float = 1500, data_per_hour: float = 0
    ) -> None:
        """Let so many calls come in an hour, besides those that change the world.

        `data_per_hour`: data events, which only a trail that logs them shows.
        """
        self.since, self.until = since, until
        self.staff = Staff.of(place.account, place.name)
        self._place = place
        self._number = number_of(seed, place.account, place.name, "people")
        self._habits = habits(self.staff, place.account)
        shares = sum(habit.share for habit in self._habits)
        self._habits = [habit._replace(share=habit.share / shares * per_hour) for habit in self._habits]
        if data_per_hour:
            self._habits += _data(place, data_per_hour)
        self._made: OrderedDict[int, list[ApiCall]] = OrderedDict()
        self._found: dict[int, dict[int, list[ApiCall]]] = {}  # by hour and stretch
        self._found_at = 0
        self.at_hand = 0  # made-up calls that are kept

    def calls(self, slot: int) -> list[ApiCall]:
        """Return the calls of a stretch, in order."""
        made = self._made.get(slot)
        if made is None:
            made = self._made[slot] = sorted(self._routine(slot), key=attrgetter("order"))
            self.at_hand += len(made)
            while self.at_hand > KEPT and len(self._made) > 1:
                self.at_hand -= len(self._made.popitem(last=False)[1])
        changed = self._changed(slot)
        return sorted(made + changed, key=attrgetter("order")) if changed else made

    def _changed(self, slot: int) -> list[ApiCall]:
        """Return the calls of a stretch that change the world; they are found again when it has other changes."""
        if self._found_at != self._place.changed:
            self._found.clear()
            self._found_at = self._place.changed
        hour = slot * SLOT // HOUR
        if hour not in self._found:
            while len(self._found) >= HOURS_KEPT:
                del self._found[next(iter(self._found))]
            found = self._found[hour] = {}
            begin, end = max(hour * HOUR, self.since), min((hour + 1) * HOUR, self.until)
            for call in self._of_changes(begin, end + EARLIER):
                if begin <= call.at < end:
                    found.setdefault(int(call.at // SLOT), []).append(call)
        return self._found[hour].get(slot, [])

    # What changes nothing

    def _routine(self, slot: int) -> Iterator[ApiCall]:
        luck = random.Random(number_of(self._number, slot))  # noqa: S311 - no secret
        begin = slot * SLOT
        day = 1 + 0.9 * math.cos((begin - 14 * HOUR) * (math.tau / DAY))
        for habit in self._habits:
            mean = habit.share * SLOT / HOUR * (day if habit.by_day else 1)
            for _ in range(poisson(mean, luck.random())):
                at = begin + luck.random() * SLOT
                call = self._usual(habit, luck, at)
                if self.since <= at < self.until:
                    yield call

    def _usual(self, habit: Habit, luck: random.Random, at: float) -> ApiCall:
        name, number = luck.choice(habit.operations), luck.getrandbits(64)
        parameters = None if "resources" in habit.more else self._parameters(name, number)  # data events have none
        error = (habit.error or self._failure(habit.who, name, number)) if luck.random() < habit.fails else None
        more, delays = habit.more, None
        if more.get("sharedEventID"):
            more = {**more, "sharedEventID": ApiCall(number, at, "sharedEventID", habit.who).event_id}
        if number % 1000 == 0:
            more, delays = {**more, "addendum": {"reason": "DELIVERY_DELAY"}}, _VERY_LATE
        return ApiCall(number, at, name, habit.who, SAGEMAKER, error, parameters, None, more, delays)

    def _parameters(self, name: str, number: int) -> dict[str, Any] | None:
        member, kind = _SUBJECTS.get(name, ("", ""))
        if not member:
            return {"maxResults": 100} if name.startswith("List") else None
        return {lower_camel(member): self._subject(kind, number)}

    def _subject(self, kind: str, number: int) -> str:
        endpoints = list(self._place.endpoints) or ["fraud-score"]
        endpoint = endpoints[number % len(endpoints)]
        if kind == "arn":
            return sagemaker_arn(self._place, f"endpoint/{endpoint}")
        if kind == "config":
            return f"{endpoint}-v1"
        return {
            "endpoint": endpoint,
            "job": f"training-{endpoint}-{number % 100:04d}",
            "model": f"model-{number % 2 + 1}",
            "person": ("anna", "ben", "carla")[number % 3],
        }[kind]

    def _failure(self, who: Identity, name: str, number: int) -> tuple[str, str]:
        if who is self.staff.junior:
            return self._denied(who, name)
        known = next((errors for verb, errors in _FAILURES.items() if name.startswith(verb)), (_THROTTLED,))
        return known[number % len(known)]

    def _denied(self, who: Identity, name: str) -> tuple[str, str]:
        action = f"sagemaker:{name}"
        text = f"User: {who.arn} is not authorized to perform: {action} on resource: "
        text += f"{sagemaker_arn(self._place, '*')} because no identity-based policy allows the {action} action"
        return "AccessDenied", text

    # What changes the world

    def _of_changes(self, start: float, end: float) -> Iterator[ApiCall]:
        for change in self._place.jobs.changes(start, end):
            yield from self._of_job(change)
        for turn in self._place.things.changes(start, end):
            yield from self._of_thing(turn)
        yield from self._of_endpoints(start, end)

    def _of_job(self, change: Change) -> Iterator[ApiCall]:
        job, noun = change.job, JOBS.get(change.job.kind.name)
        created = change.place == 0
        verb = noun.creates if noun and created else "Stop"
        if noun is None or not (created or change.step.status == job.kind.stopping) or verb not in noun.verbs:
            return
        operation = f"{verb}{noun.noun}" + ("V2" if job.kind.name == "automl" and created else "")
        subject = job.parent.rpartition("/")[2] if noun.member == "PipelineName" else job.name
        answers = {noun.answers: sagemaker_arn(self._place, job.resource)} if created and noun.answers else None
        parent, more = job.parent.partition("/")[0], {}
        who = self.staff.pipeline if change.number % 3 else self.staff.ben
        if parent == "hyper-parameter-tuning-job" and created:
            details = {"tuningJobName": job.parent.partition("/")[2], "trainingJobName": job.name}
            who, more = self.staff.itself, {"eventType": "AwsServiceEvent", "serviceEventDetails": details}
        elif parent in ("pipeline", "monitoring-schedule"):
            who = self.staff.pipelines if job.kind.name != "pipeline_execution" else self.staff.pipeline
        elif not created:
            who = self.staff.anna
        yield self._call(change.at, operation, who, {noun.member: subject}, answers, more, change.number, change.place)

    def _of_thing(self, turn: Turn) -> Iterator[ApiCall]:
        kind, status = turn.thing.kind.name, turn.state.status
        noun = THINGS.get(kind)
        if noun is None:
            return
        before = turn.before.status if turn.before else None
        if turn.gone:
            verb = "" if status.capitalize() in ("Deleting", "Deleted") else "Delete"
        elif turn.before is None:
            verb = "Create"
        elif status != before:
            verb = "Delete" if status.capitalize() == "Deleting" else _VERBS.get(status, "")
            verb = "Start" if (before, status) == ("Stopped", "Pending") else verb
        else:
            verb = "Update"
        if kind == "model_package" and verb == "Update":
            own = {"ModelPackageArn": sagemaker_arn(self._place, turn.thing.resource)}
            yield self._call(turn.at, "UpdateModelPackage", self.staff.anna, own, own, {}, turn.number, turn.place)
        if verb not in noun.verbs:
            return
        named = {noun.member: turn.thing.name}
        whole = turn.thing.parent.split("/")
        if kind in ("user_profile", "space", "app"):
            named = {"DomainId": whole[1]} | ({"SpaceName": whole[-1]} if kind == "app" else {}) | named
        elif turn.thing.parent:  # a version of what is named
            named = {noun.member: whole[-1]}
        answers = {noun.answers: sagemaker_arn(self._place, turn.thing.resource)} if verb == "Create" else None
        who = (self.staff.anna, self.staff.ben, self.staff.carla)[turn.number % 3]
        yield self._call(turn.at, f"{verb}{noun.noun}", who, named, answers, {}, turn.number, turn.place)

    def _of_endpoints(self, start: float, end: float) -> Iterator[ApiCall]:
        place, deployer = self._place, self.staff.deployer
        for lives in place.endpoints.values():
            for life in lives:
                named = {"EndpointName": life.name}
                own = {"EndpointArn": sagemaker_arn(place, f"endpoint/{life.name}")}
                before = None
                for nth, state in enumerate(life.states):
                    created = nth == 0
                    updated = state.status == "Updating" and before != "Updating"
                    if start <= state.at < min(end, life.deleted) and (created or updated):
                        config = state.pending or state.config
                        asked = {**named, "EndpointConfigName": config.name}
                        operation = "CreateEndpoint" if created else "UpdateEndpoint"
                        yield self._call(state.at, operation, deployer, asked, own, {}, life.name, nth)
                    before = state.status
                if start <= life.deleted < end:
                    yield self._call(life.deleted, "DeleteEndpoint", self.staff.ben, named, None, {}, life.name, "gone")
        for config in place.configs.values():
            if start <= config.created < end:
                own = {"EndpointConfigArn": sagemaker_arn(place, f"endpoint-config/{config.name}")}
                named = {"EndpointConfigName": config.name}
                yield self._call(config.created, "CreateEndpointConfig", deployer, named, own, {}, config.name)
        for components in place.components.values():
            for component in components:
                named = {"InferenceComponentName": component.name}
                if start <= component.created < end:
                    own = {"InferenceComponentArn": sagemaker_arn(place, f"inference-component/{component.name}")}
                    yield self._call(
                        component.created, "CreateInferenceComponent", deployer, named, own, {}, component.name
                    )
                if start <= component.deleted < end:
                    yield self._call(
                        component.deleted, "DeleteInferenceComponent", self.staff.ben, named, None, {}, component.name
                    )

    def _call(
        self,
        at: float,
        operation: str,
        who: Identity,
        named: Mapping[str, Any],
        answers: Mapping[str, Any] | None,
        more: Mapping[str, Any],
        *identity: object,
    ) -> ApiCall:
        """Return the call that was completed just before something changed."""
        number = number_of(self._number, operation, at, *identity)
        parameters = {lower_camel(member): value for member, value in named.items()}
        elements = {lower_camel(member): value for member, value in answers.items()} if answers else None
        if who is self.staff.anna:
            more = {**more, "sessionCredentialFromConsole": "true"}
        before = at - 0.2 - 1.5 * chance(number, 1)
        return ApiCall(number, before, operation, who, SAGEMAKER, None, parameters, elements, more)


_VERY_LATE = Delays(*(Delay((1200.0, 3000.0)) for _ in range(3)))


def _data(place: Region, per_hour: float) -> list[Habit]:
    """Return who invokes endpoints and puts records: data events."""
    shop = identities.assumed_role(place.account, "shop", "i-0a1b2c3d4e5f60009", address="203.0.113.50")
    name = next(iter(place.endpoints), "fraud-score")
    return [
        Habit(
            shop,
            per_hour * share,
            (operation,),
            0.01,
            more={"eventCategory": DATA, "readOnly": reads, "resources": [what]},
        )
        for share, operation, reads, what in (
            (0.8, "InvokeEndpoint", True, _resource(place, "Endpoint", f"endpoint/{name}")),
            (0.2, "PutRecord", False, _resource(place, "FeatureGroup", "feature-group/customers")),
        )
    ]


def _resource(place: Region, kind: str, resource: str) -> dict[str, str]:
    own = sagemaker_arn(place, resource)
    return {"accountId": place.account, "type": f"AWS::SageMaker::{kind}", "ARN": own}
