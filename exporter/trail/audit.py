"""Call -> what an audit record says of it: what, who, when, from where, on what.

Of what was asked for, only that passes which stands in the tables here, so that what AWS adds some day stays away until
somebody has looked at it. Names, ARNs, ids and settings stand there; secrets, maps of texts (environment variables,
hyperparameters, tags), contents and descriptions do not. What AWS answered (presigned URLs) is not read at all.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from exporter.trail.records import Call, object_in, text_in

LONGEST = 1024  # characters of a text
MOST = 20  # values of a list, and ARNs of a record

RESOURCES = frozenset(
    """
    actionName aIBenchmarkJobName aIRecommendationJobName aIWorkloadConfigName algorithmName appImageConfigName
    appName arn artifactArn artifactName autoMLJobName clusterArn clusterName clusterSchedulerConfigId
    codeRepositoryName compilationJobName computeQuotaId contextName destinationArn deviceFleetName deviceName
    domainId domainName edgeDeploymentPlanName edgePackagingJobName endpointConfigName endpointName experimentName
    extensionArn featureGroupName flowDefinitionArn flowDefinitionName hubContentName hubContentType hubName
    humanLoopName humanTaskUiArn humanTaskUiName hyperParameterTuningJobName imageName inferenceComponentName
    inferenceRecommendationsJobName inferenceRouterName instanceGroupName jobArn jobDefinitionName jobName
    labelingJobName lineageGroupName modelCardExportJobArn modelCardExportJobName modelCardName modelName
    modelPackageArn modelPackageGroupArn modelPackageGroupName modelPackageName modelPackageVersionArn
    monitoringAlertName monitoringScheduleName name nodeId nodeIds notebookInstanceLifecycleConfigName
    notebookInstanceName optimizationJobName pipelineArn pipelineExecutionArn pipelineName processingJobName
    projectName reservedCapacityArn resourceArn sourceArn sourceClusterArn spaceName stageName
    studioLifecycleConfigName targetClusterArn trackingServerName trainingJobName trainingPlanArn trainingPlanName
    trainingSessionName transformJobName trialComponentName trialName userProfileName variantName volumeId
    workforceName workteamArn workteamName
    """.split()  # noqa: SIM905 - a table to be read
)
"""Names of what a call is about, as they stand in its parameters."""

PARAMETERS = frozenset(
    """
    appType authMode desiredState directInternetAccess enableInterContainerTrafficEncryption enableManagedSpotTraining
    enableNetworkIsolation executionRoleArn instanceCount instanceType jobCategory jobType modelApprovalStatus
    nodeRecovery pipelineVersionId retainAllVariantProperties retainDeploymentConfig roleArn rootAccess securityGroupIds
    sessionExpirationDurationInSeconds subnetId subnetIds targetVersion trackingServerSize version volumeSizeInGB vpcId
    desiredRuntimeConfig.copyCount
    desiredWeightsAndCapacities.desiredInstanceCount desiredWeightsAndCapacities.desiredWeight
    desiredWeightsAndCapacities.variantName
    instanceGroups.instanceCount instanceGroups.instanceGroupName instanceGroups.instanceType
    networkConfig.enableInterContainerTrafficEncryption networkConfig.enableNetworkIsolation
    processingResources.clusterConfig.instanceCount processingResources.clusterConfig.instanceType
    productionVariants.initialInstanceCount productionVariants.initialVariantWeight productionVariants.instanceType
    productionVariants.modelName productionVariants.variantName
    resourceConfig.instanceCount resourceConfig.instanceType resourceConfig.volumeSizeInGB
    resourceSpec.instanceType
    retentionPolicy.homeEfsFileSystem
    runtimeConfig.copyCount
    stoppingCondition.maxRuntimeInSeconds
    transformResources.instanceCount transformResources.instanceType
    vpcConfig.securityGroupIds vpcConfig.subnets
    """.split()  # noqa: SIM905 - a table to be read
)
"""What else passes of the parameters, by its path: through lists too, whose values become one list."""


def _by_word(paths: Iterable[str]) -> dict[str, list[str]]:
    """Return paths by their first words."""
    found: dict[str, list[str]] = {}
    for path in sorted(paths):
        found.setdefault(path.partition(".")[0], []).append(path)
    return found


_RESOURCES, _PARAMETERS = _by_word(RESOURCES), _by_word(PARAMETERS)
_SAID = {"access_denied", "throttled", "limit_exceeded", "not_found", "conflict"}  # of which messages pass
_FROM_THERE = re.compile("[\"'`{\\[=\u2018\u201c]|https?:")
"""Where a message begins to quote: from there on it may hold anything that was asked for, cut off anywhere."""


def audit(call: Call) -> dict[str, Any]:
    """Return the record of a call: texts, numbers, and maps and lists of such. What is not told is not there."""
    said = call.record
    identity, asked = object_in(said, "userIdentity"), object_in(said, "requestParameters")
    arn = text_in(identity, "arn")
    record = {
        "time": text_in(said, "eventTime"),
        "event_name": call.name,
        "event_source": call.source,
        "category": call.category.value,
        "account_id": call.account,
        "region": call.region,
        "principal_type": call.principal_type,
        "principal": call.principal,
        "session": arn.rpartition("/")[2] if ":assumed-role/" in arn else "",
        "source_identity": text_in(object_in(identity, "sessionContext"), "sourceIdentity"),
        "principal_arn": arn,
        "principal_account_id": call.caller,
        "invoked_by": text_in(identity, "invokedBy"),
        "source_ip": text_in(said, "sourceIPAddress"),
        "origin": call.origin,
        "vpc_endpoint_id": text_in(said, "vpcEndpointId"),
        "user_agent": call.user_agent,
        "error_code": call.error_code,
        "error_message": _said(call.error_class, text_in(said, "errorMessage")),
        "request_id": text_in(said, "requestID"),
        "event_id": call.id,
        "read_only": call.read_only,
        "resources": _passed(asked, _RESOURCES),
        "resource_arns": list(_arns(said)),
        "parameters": _passed(asked, _PARAMETERS),
    }
    cut = {key: _cut(value) if isinstance(value, str) else value for key, value in record.items()}
    return {key: value for key, value in cut.items() if value not in ("", {}, [])}


def _said(error_class: str, message: str) -> str:
    """Return what passes of a message: why somebody was refused, but no part of what was asked for.

    Messages about a request that was wrong in itself quote it, in any wording, and a model that failed says what it
    likes: nothing of these passes.
    """
    if error_class not in _SAID:
        return ""
    found = _FROM_THERE.search(message)
    return f"{message[: found.start()]}..." if found else message


def _passed(asked: Mapping[str, Any], table: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return what of the parameters stands in a table, by its path there."""
    paths = (path for word in asked for path in table.get(word, ()))  # few words, where the table is long
    found = {path: _value(asked, path.split(".")) for path in paths}
    return {path: value for path, value in found.items() if value not in (None, [])}


def _value(within: Any, path: Sequence[str]) -> Any:
    """Return the plain value at the end of a path, or a list of them where it leads through one; else None."""
    if isinstance(within, list):
        found = (_value(one, path) for one in within if not isinstance(one, list))
        return list(itertools.islice(_flat(found), MOST))
    if path:
        return _value(within.get(path[0]), path[1:]) if isinstance(within, dict) else None
    if isinstance(within, str):
        return _cut(within)
    if isinstance(within, int | float) and abs(within) < 2**53:  # what all readers of JSON tell from its neighbours
        return within
    return None


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from value
        elif value is not None:
            yield value


def _arns(said: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ARNs of what a data event is about."""
    resources = said.get("resources")
    for one in resources[:MOST] if isinstance(resources, list) else ():
        arn = text_in(one, "ARN") if isinstance(one, dict) else ""
        if arn:
            yield _cut(arn)


def _cut(text: str) -> str:
    """Return a text of bounded length that can be encoded, whatever it held."""
    cut = text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
    return cut if cut.isascii() else cut.encode("utf-8", "replace").decode()
