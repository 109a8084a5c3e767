"""EventBridge: what SageMaker sends when something in the world changes, and how it arrives.

The same truth that the API answers from, written down as the events of each type are: times as texts of milliseconds,
numbers or ISO 8601, statuses of endpoints in capitals and those of images not, pipelines in lowerCamel, labeling jobs
with hardly anything.
Sending is best effort, by AWS's own words: what `deliveries` yields is lost, repeated, late and out of order by chance,
and the same for the same seed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from exporter.demo.job_shapes import (
    HUMAN_LOOP,
    MODEL_CARD_EXPORT,
    MONITORING_SCHEDULE,
    TRAINING,
    TUNING,
    View,
    ended,
    failure,
    of_kind,
    sagemaker_arn,
    step_metadata,
    written,
)
from exporter.demo.resources import arn
from exporter.demo.thing_shapes import (
    ALGORITHM,
    CLUSTER,
    CLUSTER_EVENT_DETAILS,
    FEATURE_GROUP,
    MODEL_DESCRIPTION,
    MODEL_PACKAGE,
    NOTEBOOK,
    NOTEBOOK_CONFIG,
    TRACKING_SERVER,
)
from exporter.demo.thing_shapes import View as ThingView
from exporter.demo.traffic import chance, number_of

if TYPE_CHECKING:
    from exporter.demo.resources import Endpoint, EndpointConfig, EndpointState
    from exporter.demo.things import Change
    from exporter.demo.world import Region, World


class Event(NamedTuple):
    """An event when it is sent."""

    at: float
    envelope: dict[str, Any]


class _Told(NamedTuple):
    """What is in an event: its type, the ARNs that it is about, and its detail."""

    detail_type: str
    resources: list[str]
    detail: dict[str, Any]


# Times


def iso(at: float) -> str:
    """Return a time as most envelopes and some details have it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _iso_ms(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _iso_ns(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")


def _ms(at: float) -> int:
    return round(at * 1000)


def _ms_text(at: float) -> str:
    return str(_ms(at))


def _timed(detail: dict[str, Any], spelt: Callable[[float], Any], *nulls: str) -> dict[str, Any]:
    """Return a detail with its times spelt, and null for the times that have not come."""
    return dict.fromkeys(nulls) | {
        name: spelt(value) if name.endswith("Time") else value for name, value in detail.items()
    }


# Jobs


def _training(view: View) -> _Told:
    detail = written(TRAINING, view)
    left_out = ("TrainingTimeInSeconds", "BillableTimeInSeconds", "EnableManagedSpotTraining", "ModelArtifacts")
    detail = {name: value for name, value in detail.items() if name not in left_out}
    detail |= {"SecondaryStatusTransitions": [], "Tags": {}}
    detail = _timed(detail, _ms_text, "TrainingStartTime", "TrainingEndTime")
    return _Told("SageMaker Training Job State Change", [detail["TrainingJobArn"]], detail)


def _tuning(view: View) -> _Told:
    place, resource = view.place, f"tuningJob/{view.job.name}"  # as in AWS's sample, and not in its API
    own = arn("sagemaker", place.name, place.account, resource)
    detail = written(TUNING, view) | {"HyperParameterTuningJobArn": own, "TrainingJobDefinition": {}, "Tags": {}}
    detail = _timed(detail, _ms_text, "HyperParameterTuningEndTime")
    return _Told("SageMaker HyperParameter Tuning Job State Change", [own], detail)


def _transform(view: View) -> _Told:
    detail = written(of_kind("transform").description, view) | {"Tags": {}}
    detail = _timed(detail, iso, "TransformStartTime", "TransformEndTime")
    return _Told("SageMaker Transform Job State Change", [detail["TransformJobArn"]], detail)


def _processing(view: View) -> _Told:
    detail = written(of_kind("processing").description, view) | {"Tags": {}}
    detail = _timed(detail, _ms, "ProcessingStartTime", "ProcessingEndTime")
    return _Told("SageMaker Processing Job State Change", [detail["ProcessingJobArn"]], detail)


def _labeling(view: View) -> _Told | None:
    if ended(view) is None:
        return None
    resource = view.arn(view.job.resource)
    return _Told(
        "SageMaker Ground Truth Labeling Job State Change", [resource], {"LabelingJobStatus": view.state.status}
    )


def _human_loop(view: View) -> _Told | None:
    if ended(view) is None:
        return None
    told = written(HUMAN_LOOP.description, view)
    output = told.get("HumanLoopOutput", {}).get("OutputS3Uri")
    detail = {
        "creationTime": _iso_ms(view.job.created),
        "failureCode": told.get("FailureCode"),
        "failureReason": told.get("FailureReason"),
        "flowDefinitionArn": told["FlowDefinitionArn"],
        "humanLoopArn": told["HumanLoopArn"],
        "humanLoopName": told["HumanLoopName"],
        "humanLoopOutput": {"outputS3Uri": output},
        "humanLoopStatus": told["HumanLoopStatus"],
    }
    return _Told("SageMaker A2I HumanLoop Status Change", [told["HumanLoopArn"]], detail)


def _status_change(view: View) -> dict[str, str | None] | None:
    """Return the status that it has entered just now, and the one before; None where only the phase has changed."""
    entered = view.job.statuses(view.now)
    if entered[-1][0] < view.now:
        return None
    return {"current": entered[-1][1], "previous": entered[-2][1] if len(entered) > 1 else None}


def _pipeline_execution(view: View) -> _Told | None:
    change, end = _status_change(view), ended(view)
    if change is None:
        return None
    pipeline, execution = view.arn(view.job.parent), view.arn(view.job.resource)
    detail = {
        "pipelineExecutionDescription": "",
        "pipelineExecutionDisplayName": f"execution-{view.job.name}",
        **{f"{which}PipelineExecutionStatus": status for which, status in change.items()},
        "executionStartTime": iso(view.job.created),
        "executionEndTime": None if end is None else iso(end),
        "pipelineArn": pipeline,
        "pipelineExecutionArn": execution,
    }
    return _Told("SageMaker Model Building Pipeline Execution Status Change", [pipeline, execution], detail)


def _pipeline_step(view: View) -> _Told | None:
    change, end = _status_change(view), ended(view)
    if change is None:
        return None
    execution = view.arn(view.job.parent)
    pipeline = execution.partition("/execution/")[0]
    work = view.job.work
    metadata = {kind[0].lower() + kind[1:]: {"arn": job["Arn"]} for kind, job in (step_metadata(view) or {}).items()}
    detail = {
        "metadata": metadata,
        "stepStartTime": iso(view.job.created),
        "stepEndTime": None if end is None else iso(end),
        "stepName": view.job.name,
        "stepType": work.step_type,
        **{f"{which}StepStatus": status for which, status in change.items() if status},
        "cacheHitResult": {"sourcePipelineExecutionArn": ""},
        "failureReason": failure(view) or "",
        "pipelineArn": pipeline,
        "pipelineExecutionArn": execution,
    }
    return _Told("SageMaker Model Building Pipeline Execution Step Status Change", [pipeline, execution], detail)


def _model_card_export(view: View) -> _Told:
    detail = written(MODEL_CARD_EXPORT, view)  # nothing is published: by analogy
    detail |= {name: _ms(detail[name]) for name in ("CreatedAt", "LastModifiedAt")}
    return _Told("SageMaker Model Card Export Job State Change", [detail["ModelCardExportJobArn"]], detail)


def _monitoring_schedule(view: View) -> _Told:
    detail = _timed(written(MONITORING_SCHEDULE, view), _ms)  # nothing is published: by analogy
    return _Told("SageMaker Monitoring Schedule State Change", [detail["MonitoringScheduleArn"]], detail)


def _model_card(view: View) -> _Told:
    detail = {
        "CreationTime": _iso_ns(view.job.created),
        "CreatedBy": {},
        "LastModifiedTime": _iso_ns(view.now),
        "LastModifiedBy": {},
        "ModelCardName": view.job.name,
        "ModelCardStatus": view.state.status,
        "ModelCardVersion": 1,
    }
    return _Told("SageMaker Model Card State Change", [view.arn(view.job.resource)], detail)


_TELLERS: dict[str, Callable[[View], _Told | None]] = {
    "human_loop": _human_loop,
    "hyperparameter_tuning": _tuning,
    "labeling": _labeling,
    "model_card": _model_card,
    "model_card_export": _model_card_export,
    "monitoring_schedule": _monitoring_schedule,
    "pipeline_execution": _pipeline_execution,
    "pipeline_step": _pipeline_step,
    "processing": _processing,
    "training": _training,
    "transform": _transform,
}
"""Of the other types SageMaker sends nothing."""


# Endpoints


def _capitals(status: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status).upper()


def _endpoint(place: Region, endpoint: Endpoint, status: str, state: EndpointState, at: float) -> Iterator[_Told]:
    own = sagemaker_arn(place, f"endpoint/{endpoint.name}")
    common: dict[str, Any] = {
        "EndpointName": endpoint.name,
        "EndpointArn": own,
        "EndpointConfigName": state.config.name,
        "EndpointStatus": _capitals(status),
    }
    detail = {
        **common,
        "ProductionVariants": [
            {"DesiredWeight": variant.weight, "DesiredInstanceCount": variant.instances}
            for variant in state.config.variants
        ],
        "FailureReason": state.failure,
        "CreationTime": float(_ms(endpoint.created)),
        "LastModifiedTime": float(_ms(at)),
        "Tags": dict(endpoint.tags),
    }
    yield _Told("SageMaker Endpoint State Change", [own], detail)
    if state.pending and at < endpoint.deleted:
        detail = {
            **common,
            "ProductionVariants": _deployed(state.config),
            "PendingDeploymentSummary": {
                "EndpointConfigName": state.pending.name,
                "ProductionVariants": _deployed(state.pending, at),
                "StartTime": _ms(at),
            },
            "CreationTime": _ms(endpoint.created),
            "LastModifiedTime": _ms(at),
        }
        yield _Told("SageMaker Endpoint Deployment State Change", [own], detail)


def _deployed(config: EndpointConfig, since: float | None = None) -> list[dict[str, Any]]:
    variants = []
    for variant in config.variants:
        told: dict[str, Any] = {
            "VariantName": variant.name,
            "CurrentWeight": variant.weight,
            "DesiredWeight": variant.weight,
            "CurrentInstanceCount": variant.instances,
            "DesiredInstanceCount": variant.instances,
        }
        if since is not None and variant.status:
            told["VariantStatus"] = [{"Status": variant.status, "StartTime": _ms(since)}]
        variants.append(told)
    return variants


def _endpoint_config(place: Region, config: EndpointConfig) -> _Told:
    own = sagemaker_arn(place, f"endpoint-config/{config.name}")
    variants = [
        {"VariantName": variant.name, "ModelName": variant.model, "InitialInstanceCount": variant.instances}
        for variant in config.variants
    ]
    detail = {
        "EndpointConfigName": config.name,
        "EndpointConfigArn": own,
        "ProductionVariants": variants,
        "CreationTime": _ms(config.created),
        "Tags": {},
    }
    return _Told("SageMaker Endpoint Config State Change", [own], detail)


def _of_endpoints(place: Region, start: float, end: float) -> Iterator[tuple[float, _Told]]:
    for lives in place.endpoints.values():
        for endpoint in lives:
            before = None
            for state in endpoint.states:
                if start <= state.at < min(end, endpoint.deleted) and (state.status != before or state.pending):
                    for told in _endpoint(place, endpoint, state.status, state, state.at):
                        yield state.at, told
                before = state.status
            if start <= endpoint.deleted < end:
                for told in _endpoint(place, endpoint, "Deleting", endpoint.state(endpoint.deleted), endpoint.deleted):
                    yield endpoint.deleted, told
    for config in place.configs.values():
        if start <= config.created < end:
            yield config.created, _endpoint_config(place, config)


# Other things


def _notebook(view: ThingView, status: str) -> _Told:
    left_out = ("Url", "DirectInternetAccess", "VolumeSizeInGB", "RootAccess", "PlatformIdentifier")
    detail = {name: value for name, value in written(NOTEBOOK, view).items() if name not in left_out}
    detail = _timed(detail, _ms) | {"NotebookInstanceStatus": status, "Tags": dict(view.thing.tags)}
    return _Told("SageMaker Notebook Instance State Change", [detail["NotebookInstanceArn"]], detail)


def _notebook_config(view: ThingView, _: str) -> _Told:
    detail = _timed(written(NOTEBOOK_CONFIG, view), _ms) | {"Tags": dict(view.thing.tags)}
    own = detail["NotebookInstanceLifecycleConfigArn"]
    return _Told("SageMaker Notebook Lifecycle Config State Change", [own], detail)


def _cluster(view: ThingView, status: str) -> _Told:
    left_out = ("Orchestrator", "NodeRecovery", "NodeProvisioningMode")
    detail = {name: value for name, value in written(CLUSTER, view).items() if name not in left_out}
    detail = {"FailureMessage": ""} | _timed(detail, _ms) | {"ClusterStatus": status}
    return _Told("SageMaker HyperPod Cluster State Change", [detail["ClusterArn"]], detail)


def _cluster_node(view: ThingView, _: str) -> _Told | None:
    health, place = view.fact("HealthSummary"), view.place
    cluster = place.things.find(view.thing.parent, view.now)
    if health is None or cluster is None:
        return None
    own = view.arn(cluster.resource)
    detail = {"ClusterName": cluster.name, "ClusterArn": own, "InstanceId": view.thing.own, "HealthSummary": health}
    return _Told("SageMaker HyperPod Cluster Node Health Event", [own], detail)


def _cluster_event(view: ThingView, _: str) -> _Told:
    told = _timed(written(CLUSTER_EVENT_DETAILS, view), _ms)
    return _Told("SageMaker HyperPod Cluster Event", [told["ClusterArn"]], {"EventDetails": told})


def _feature_group(view: ThingView, status: str) -> _Told:
    detail = {name: value for name, value in written(FEATURE_GROUP, view).items() if name in _OF_FEATURE_GROUPS}
    spelt = {"Created": "Active"}.get(status, status)  # as in AWS's sample, and not in its API
    detail = _timed(detail, _ms) | {"FeatureGroupStatus": spelt, "Tags": dict(view.thing.tags)}
    return _Told("SageMaker Feature Group State Change", [detail["FeatureGroupArn"]], detail)


_OF_FEATURE_GROUPS = frozenset(
    {
        "FeatureGroupArn",
        "FeatureGroupName",
        "RecordIdentifierFeatureName",
        "EventTimeFeatureName",
        "FeatureDefinitions",
        "CreationTime",
        "OnlineStoreConfig",
        "OfflineStoreConfig",
        "OfflineStoreStatus",
        "RoleArn",
    }
)


def _model(view: ThingView, _: str) -> _Told:
    left_out = ("EnableNetworkIsolation",)
    detail = {name: value for name, value in written(MODEL_DESCRIPTION, view).items() if name not in left_out}
    detail = _timed(detail, _ms) | {"Tags": dict(view.thing.tags)}
    return _Told("SageMaker Model State Change", [detail["ModelArn"]], detail)


def _model_package(view: ThingView, status: str) -> _Told:
    left_out = ("CreatedBy", "LastModifiedBy")
    detail = {name: value for name, value in written(MODEL_PACKAGE, view).items() if name not in left_out}
    if view.thing.parent:
        detail["ModelPackageName"] = None
    detail = _timed(detail, _iso_ms) | {"ModelPackageStatus": status}
    changed = view.thing.states.index(view.state)
    if changed:
        before = view.thing.states[changed - 1].facts
        detail["UpdatedModelPackageFields"] = [
            name for name, value in view.state.facts.items() if before.get(name) != value
        ]
    return _Told("SageMaker Model Package State Change", [detail["ModelPackageArn"]], detail)


def _algorithm(view: ThingView, _: str) -> _Told:
    told = written(ALGORITHM, view)
    detail = {name: told[name] for name in ("AlgorithmName", "AlgorithmArn", "AlgorithmDescription")}
    detail |= {"CertifyForMarketplace": False, "Tags": dict(view.thing.tags)}
    return _Told("SageMaker Algorithm State Change", [told["AlgorithmArn"]], detail)


def _camel(status: str) -> str:
    """Return a status in capitals as the events of images have it."""
    return "".join(part.capitalize() for part in status.split("_"))


def _image(view: ThingView, status: str) -> _Told:
    own = view.arn(view.thing.resource)
    detail = {
        "ImageName": view.thing.name,
        "ImageArn": own,
        "ImageStatus": _camel(status),
        "Version": float(len(view.of("image_version"))),
        "Tags": dict(view.thing.tags),
    }
    return _Told("SageMaker Image State Change", [own], detail)


def _image_version(view: ThingView, status: str) -> _Told:
    own = view.arn(view.thing.resource)
    detail = {
        "ImageArn": view.arn(view.thing.parent),
        "ImageVersionArn": own,
        "ImageVersionStatus": _camel(status),
        "Version": float(view.thing.own),
        "Tags": dict(view.thing.tags),
    }
    return _Told("SageMaker Image Version State Change", [own], detail)


def _tracking_server(view: ThingView, status: str) -> _Told:
    state = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", status)
    told = written(TRACKING_SERVER, view)
    left_out = ("CreatedBy", "LastModifiedBy")  # of the rest nothing is published: by analogy
    detail = _timed({name: value for name, value in told.items() if name not in left_out}, _ms)
    return _Told(f"SageMaker Tracking Server {state}", [told["TrackingServerArn"]], detail)


_THING_TELLERS: dict[str, Callable[[ThingView, str], _Told | None]] = {
    "algorithm": _algorithm,
    "cluster": _cluster,
    "cluster_event": _cluster_event,
    "cluster_node": _cluster_node,
    "feature_group": _feature_group,
    "image": _image,
    "image_version": _image_version,
    "mlflow_tracking_server": _tracking_server,
    "model": _model,
    "model_package": _model_package,
    "notebook_instance": _notebook,
    "notebook_lifecycle_config": _notebook_config,
}
"""Of the other kinds SageMaker sends nothing."""

_TOLD_BY_FACTS: dict[str, tuple[str, ...]] = {
    "cluster_node": ("HealthSummary",),
    "feature_group": ("OfflineStoreStatus",),
    "model_package": ("ModelApprovalStatus", "ModelLifeCycle"),
}
"""What is told of when it changes, besides the status."""

_UNTOLD = frozenset({"cluster_event", "cluster_node"})
"""What is not told of when it goes."""


def _of_thing(place: Region, change: Change) -> _Told | None:
    """Return what is sent when a thing comes, enters another status, or goes."""
    kind, status, before = change.thing.kind, change.state.status, change.before
    tell = _THING_TELLERS.get(kind.name)
    if tell is None or (change.gone and kind.name in _UNTOLD):
        return None
    if change.gone and kind.name == "mlflow_tracking_server":
        status = "Deleted"  # no status of the API
    elif change.gone:  # what goes is being deleted from then on, as endpoints are
        status = next((one for one in kind.statuses if one.capitalize() == "Deleting"), status)
        if kind.statuses and status == change.state.status:
            return None  # that was told of already
    elif before:
        facts = _TOLD_BY_FACTS.get(kind.name, ())
        same = all(change.state.facts.get(name) == before.facts.get(name) for name in facts)
        if same and (before.status == status or kind.name == "cluster_node"):
            return None
    return tell(ThingView(place, change.thing, change.at), status)


# Sending


def events(world: World, account: str, region: str, start: float, end: float) -> list[Event]:
    """Return all that SageMaker has to tell from `start` on and before `end`, in the order of time."""
    with world.lock:
        place = world.region(account, region)
        told = [(at, 0, one) for at, one in _of_endpoints(place, start, end)]
        for change in place.jobs.changes(start, end):
            tell = _TELLERS.get(change.job.kind.name)
            one = tell(View(place, change.job, change.at)) if tell else None
            if one:
                told.append((change.at, change.place, one))
        for turn in place.things.changes(start, end):
            one = _of_thing(place, turn)
            if one:
                told.append((turn.at, turn.number, one))
        told += [
            (at, nth, _Told(detail_type, list(resources), detail))
            for nth, (at, detail_type, resources, detail) in enumerate(place.notices)
            if start <= at < end
        ]
        told.sort(key=lambda one: one[0])
        return [Event(at, _envelope(world.seed, place, at, nth, one)) for at, nth, one in told]


def _envelope(seed: int, place: Region, at: float, nth: int, told: _Told) -> dict[str, Any]:
    return {
        "version": "0",
        "id": event_id(seed, place.account, place.name, at, nth, told.detail_type, told.resources),
        "detail-type": told.detail_type,
        "source": "aws.sagemaker",
        "account": place.account,
        "time": iso(at),
        "region": place.name,
        "resources": told.resources,
        "detail": told.detail,
    }


def event_id(*names: object) -> str:
    """Return an id of an envelope."""
    digits = f"{number_of(*names, 1):016x}{number_of(*names, 2):016x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


@dataclass(frozen=True, slots=True)
class Road:
    """How events arrive: shares between 0 and 1, delays in seconds."""

    lost: float = 0.0
    repeated: float = 0.0  # sent once more, with another id and time
    redelivered: float = 0.0  # arrives once more, the same
    delay: float = 2.0  # the usual one, at most
    late: float = 0.0
    latest: float = 3600.0  # the delay of those that are late, at most


PERFECT = Road(delay=0.0)


def deliveries(sent: Iterable[Event], road: Road = PERFECT, seed: int = 0) -> list[tuple[float, dict[str, Any]]]:
    """Return (when it arrives, envelope) in the order of arrival; what becomes of an event depends on it and `seed`."""
    arriving: list[tuple[float, dict[str, Any]]] = []
    for at, envelope in sent:
        luck = number_of(seed, envelope["id"])
        copies = [(at, envelope)]
        if chance(luck, 1) < road.repeated:
            again = at + 1 + 2 * chance(luck, 2)
            copies.append((again, {**envelope, "id": event_id(seed, envelope["id"]), "time": iso(again)}))
        if chance(luck, 3) < road.redelivered:
            copies.append((at, envelope))
        for nth, (sent_at, copy) in enumerate(copies, 1):
            if chance(luck, 10 * nth) < road.lost:
                continue
            longest = road.latest if chance(luck, 10 * nth + 1) < road.late else road.delay
            arriving.append((sent_at + longest * chance(luck, 10 * nth + 2), copy))
    return sorted(arriving, key=lambda one: one[0])
