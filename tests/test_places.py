"""Matching what CloudWatch lists against the rows."""

from __future__ import annotations

from exporter.catalogue import CATALOGUE
from exporter.catalogue.places import places, sweeps

ALL = places(CATALOGUE.values())
ON = places(row for row in CATALOGUE.values() if row.on)


def dims(**values):
    return tuple(sorted(values.items()))


def test_every_spelling_of_a_counter_is_known_and_filed_under_the_first():
    place = ALL["AWS/SageMaker", ("EndpointName", "VariantName")]
    for spelling, metric in enumerate(("Invocation5XXErrors", "Invocations5XXErrors", "Invocation5XX Errors")):
        (asked,) = place.metrics[metric]
        assert (asked.spelling, asked.first) == (spelling, "Invocation5XXErrors")
    (asked,) = ALL["AWS/SageMaker/ModelBuildingPipeline", ("PipelineName",)].metrics["ExecutionFailed"]
    assert asked.spelling == 1


def test_metrics_with_a_word_are_spelt_out_for_known_words_only():
    place = ALL["ContainerInsights", ("ClusterName",)]
    assert {asked.word for known in place.metrics.values() for asked in known} == {
        "schedulable",
        "unschedulable",
        "unschedulable_pending_replacement",
        "unschedulable_pending_reboot",
    }
    assert ALL["/aws/sagemaker/TrainingJobs", ("TrainingJobName",)].metrics == {}


def test_labels_follow_the_order_of_the_row_and_split_at_the_last_slash():
    host = ALL["/aws/sagemaker/TrainingJobs", ("Host",)]
    assert host.labels(dims(Host="team/job-7/algo-1")) == ("team/job-7", "algo-1")
    variant = ALL["AWS/SageMaker", ("EndpointName", "VariantName")]
    assert variant.labels(dims(VariantName="main", EndpointName="churn")) == ("churn", "main")


def test_other_spellings_of_a_dimension_lead_to_the_same_label():
    names = ("EndpointName", "GpuId", "InstanceId", "VariantName")
    place = ALL["/aws/sagemaker/Endpoints", names]
    gpu = dims(EndpointName="e", VariantName="v", InstanceId="i", GpuId="gpu-0")
    assert place.labels(gpu) == ("e", "v", "i", "gpu-0")


def test_fixed_and_limited_values_are_checked():
    usage = ALL["AWS/Usage", ("Class", "Resource", "Service", "Type")]
    assert usage.admits(dims(Service="Sagemaker", Type="API", Class="None", Resource="ListEndpoints"))
    assert not usage.admits(dims(Service="EC2", Type="API", Class="None", Resource="RunInstances"))
    logs = ALL["AWS/Logs", ("LogGroupName",)]
    assert logs.admits(dims(LogGroupName="/aws/sagemaker/Endpoints/churn"))
    assert not logs.admits(dims(LogGroupName="/aws/lambda/thing"))


def test_foreign_namespaces_are_listed_metric_by_metric():
    found = {(s.namespace, s.metric): s for s in sweeps(ON)}
    assert found["AWS/SageMaker", None].counts
    assert not found["/aws/sagemaker/TrainingJobs", None].counts
    assert found["AWS/Logs", "IncomingBytes"].counts
    assert ("AWS/Logs", None) not in found
    assert ("AWS/Usage", "CallCount") not in found  # off by default
    usage = {(s.namespace, s.metric): s for s in sweeps(ALL)}["AWS/Usage", "CallCount"]
    assert dict(usage.fixed) == {"Service": "Sagemaker", "Type": "API", "Class": "None"}
