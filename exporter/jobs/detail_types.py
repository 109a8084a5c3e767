"""The kinds of events that SageMaker sends, a row each: where the status stands, if the event tells one.

AWS publishes no description of the service's events. These are the detail-types of its list of events (EventBridge
reference, automating-sagemaker-with-eventbridge); of some, no payload has been published, and of some the state is in
the detail-type itself.
"""

from __future__ import annotations

from typing import NamedTuple

from exporter.catalogue.enums import ENUMS
from exporter.jobs.job_types import spelled
from exporter.jobs.objects import Object


class DetailType(NamedTuple):
    """A kind of event: its status, or the path to it in the detail."""

    name: str
    path: str = ""
    status: str = ""


_SERVER = (  # states of tracking servers, in the detail-type
    "Creating",
    "Created",
    "Create Failed",
    "Updating",
    "Updated",
    "Update Failed",
    "Deleting",
    "Deleted",
    "Delete Failed",
    "Starting",
    "Started",
    "Start Failed",
    "Stopping",
    "Stopped",
    "Stop Failed",
    "Maintenance In Progress",
    "Maintenance Complete",
    "Maintenance Failed",
)
_DATA = (  # what happens to the data on one
    "Creating Run",
    "Creating RegisteredModel",
    "Creating ModelVersion",
    "Transitioning ModelVersion Stage",
    "Setting Registered Model Alias",
)

_ROWS = (
    DetailType("SageMaker Training Job State Change", path="TrainingJobStatus"),
    DetailType("SageMaker HyperParameter Tuning Job State Change", path="HyperParameterTuningJobStatus"),
    DetailType("SageMaker Transform Job State Change", path="TransformJobStatus"),
    DetailType("SageMaker Processing Job State Change", path="ProcessingJobStatus"),
    DetailType("SageMaker Endpoint State Change", path="EndpointStatus"),
    DetailType("SageMaker Endpoint Deployment State Change", path="EndpointStatus"),
    DetailType("SageMaker Endpoint Config State Change"),
    DetailType("SageMaker Model State Change"),
    DetailType("SageMaker Notebook Instance State Change", path="NotebookInstanceStatus"),
    DetailType("SageMaker Notebook Lifecycle Config State Change"),
    DetailType("SageMaker Algorithm State Change"),
    DetailType("SageMaker Model Package State Change", path="ModelPackageStatus"),
    DetailType("SageMaker Feature Group State Change", path="FeatureGroupStatus"),
    DetailType("SageMaker Image State Change", path="ImageStatus"),
    DetailType("SageMaker Image Version State Change", path="ImageVersionStatus"),
    DetailType("SageMaker Model Card State Change", path="ModelCardStatus"),
    DetailType("SageMaker Model Card Export Job State Change"),
    DetailType("SageMaker Monitoring Schedule State Change"),
    DetailType("SageMaker Evaluation Job Status Change"),
    DetailType("SageMaker Model Building Pipeline Execution Status Change", path="currentPipelineExecutionStatus"),
    DetailType("SageMaker Model Building Pipeline Execution Step Status Change", path="currentStepStatus"),
    DetailType("SageMaker Ground Truth Labeling Job State Change", path="LabelingJobStatus"),
    DetailType("SageMaker Ground Truth Labeling Job Task Status Change", path="State"),
    DetailType("SageMaker A2I HumanLoop Status Change", path="humanLoopStatus"),
    DetailType("SageMaker Human Loop Finished", status="Finished"),
    DetailType("SageMaker Human Loop Step Execution Finished", status="Finished"),
    DetailType("SageMaker Human Task Accepted", status="Accepted"),
    DetailType("SageMaker Human Task Created", status="Created"),
    DetailType("SageMaker Human Task Declined", status="Declined"),
    DetailType("SageMaker Human Task Expired", status="Expired"),
    DetailType("SageMaker Human Task Returned", status="Returned"),
    DetailType("SageMaker Human Task Submitted", status="Submitted"),
    DetailType("SageMaker HyperPod Cluster State Change", path="ClusterStatus"),
    DetailType("SageMaker HyperPod Cluster Node Health Event", path="HealthSummary.HealthStatus"),
    DetailType("SageMaker HyperPod Cluster Event", path="EventDetails.EventLevel"),
    DetailType(
        "SageMaker MLFlow Tracking Server Transitioning ModelVersion Stage", status="Transitioning ModelVersion Stage"
    ),
    DetailType(
        "SageMaker MLFlow Tracking Server Setting Registered Model Alias", status="Setting Registered Model Alias"
    ),
    *(DetailType(f"SageMaker Tracking Server {state}", status=state.replace(" ", "")) for state in _SERVER),
    *(DetailType(f"SageMaker MLFlow Tracking Server {what}", status=what) for what in _DATA),
)
DETAIL_TYPES = {row.name: row for row in _ROWS}


def status_of(detail_type: str, detail: Object) -> str:
    """Return the status that an event tells, in the spelling of the service model; "" where it tells none.

    Raises `UnreadableError`.
    """
    row = DETAIL_TYPES.get(detail_type)
    return spelled(ENUMS["event_status"], (row.status or detail.text(row.path)) if row else "")
