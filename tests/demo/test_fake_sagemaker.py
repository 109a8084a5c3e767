from __future__ import annotations

import pytest
from asking import ACCOUNT, NOW, REGION, when
from botocore.exceptions import ClientError

from exporter.demo import World
from exporter.demo.resources import Component, EndpointConfig, ScalableTarget, Serverless, Variant
from exporter.demo.series import Schedule
from exporter.demo.traffic import Level

DAY = 86400


@pytest.fixture
def world():
    world = World()
    for number in range(25):
        world.add_endpoint(ACCOUNT, REGION, f"Endpoint-{number:02d}", NOW - DAY * (number + 1), tags={"n": str(number)})
    return world


def arn(resource):
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{resource}"


def message(raised):
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


class TestListEndpoints:
    def test_pages_of_ten_newest_first(self, over_http):
        pages = list(over_http("sagemaker").get_paginator("list_endpoints").paginate())
        assert [len(page["Endpoints"]) for page in pages] == [10, 10, 5]
        first = pages[0]["Endpoints"][0]
        assert first == {
            "EndpointName": "Endpoint-00",
            "EndpointArn": arn("endpoint/endpoint-00"),
            "CreationTime": when(NOW - DAY),
            "LastModifiedTime": when(NOW - DAY),
            "EndpointStatus": "InService",
        }

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({"NameContains": "point-0"}, range(10)),
            ({"CreationTimeAfter": when(NOW - 3 * DAY)}, range(3)),
            ({"CreationTimeBefore": when(NOW - 23 * DAY)}, range(22, 25)),
            ({"LastModifiedTimeAfter": when(NOW - 3 * DAY)}, range(2)),
            ({"LastModifiedTimeBefore": when(NOW - 23 * DAY)}, range(23, 25)),
            ({"StatusEquals": "Updating"}, [7]),
            ({"MaxResults": 2, "SortBy": "Name", "SortOrder": "Ascending"}, range(25)),
            ({"SortBy": "Status", "SortOrder": "Descending", "NameContains": "point-07"}, [7]),
        ],
    )
    def test_filters(self, in_memory, world, filters, expected):
        world.update_endpoint(ACCOUNT, REGION, "Endpoint-07", NOW - 7.5 * DAY, status="Updating")
        pages = in_memory("sagemaker").get_paginator("list_endpoints").paginate(**filters)
        names = [one["EndpointName"] for page in pages for one in page["Endpoints"]]
        assert sorted(names) == [f"Endpoint-{number:02d}" for number in expected]
        if filters.get("SortOrder") == "Ascending":
            assert names == sorted(names)

    @pytest.mark.parametrize(
        "wrong", [{"MaxResults": 101}, {"SortBy": "Size"}, {"SortOrder": "Up"}, {"NextToken": "x"}]
    )
    def test_refuses(self, in_memory, wrong):
        with pytest.raises(ClientError) as raised:
            in_memory("sagemaker").list_endpoints(**wrong)
        assert message(raised)[0] == "ValidationException"


class TestListEndpointConfigs:
    def test_pages_and_bounds(self, in_memory, world, clock):
        client = in_memory("sagemaker")
        pages = list(client.get_paginator("list_endpoint_configs").paginate())
        found = [one["EndpointConfigName"] for page in pages for one in page["EndpointConfigs"]]
        assert found == [f"Endpoint-{number:02d}-config" for number in range(25)]
        assert len(pages) == 3
        since = client.list_endpoint_configs(CreationTimeAfter=when(NOW - 3 * DAY), SortBy="Name")
        assert [one["EndpointConfigName"] for one in since["EndpointConfigs"]] == found[2::-1]
        with pytest.raises(ClientError, match="enum value set"):
            client.list_endpoint_configs(SortBy="Status")
        world.region(ACCOUNT, REGION).configs["later"] = EndpointConfig("later", NOW + 60)
        assert client.list_endpoint_configs(NameContains="later")["EndpointConfigs"] == []
        clock.now = NOW + 60
        (config,) = client.list_endpoint_configs(NameContains="LATER")["EndpointConfigs"]
        assert config["EndpointConfigArn"] == arn("endpoint-config/later")


class TestDescribeEndpoint:
    def test_everything_the_model_has(self, over_http, world):
        config = EndpointConfig(
            "full-config",
            NOW - 100,
            (
                Variant("Blue", "m-1", "ml.m5.xlarge", 3, 0.7, managed=(1, 5), routing="RANDOM", status="Baking"),
                Variant("Green", None, None, 5, 0.3, pools=("ml.m5.xlarge", "ml.c5.xlarge")),
                Variant("Less", "m-2", None, serverless=Serverless(4096, 10, 3)),
            ),
            shadows=(Variant("Shade", "m-3"),),
            asynchronous=True,
            explained=True,
            captured_percent=15,
            publish_period=10,
            enhanced=True,
        )
        world.add_endpoint(ACCOUNT, REGION, "full", NOW - 50, config=config, status="Creating")
        world.update_endpoint(ACCOUNT, REGION, "full", NOW - 20, status="Updating", pending=config, failure="none yet")
        client = over_http("sagemaker")
        answer = client.describe_endpoint(EndpointName="full")
        assert answer["EndpointStatus"] == "Updating"
        assert answer["LastModifiedTime"] == when(NOW - 20)
        blue, green, less = answer["ProductionVariants"]
        assert (blue["CurrentInstanceCount"], blue["DesiredInstanceCount"], blue["CurrentWeight"]) == (3, 3, 0.7)
        assert blue["ManagedInstanceScaling"] == {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 5}
        assert blue["RoutingConfig"] == {"RoutingStrategy": "RANDOM"}
        assert blue["VariantStatus"][0]["Status"] == "Baking"
        assert blue["DeployedImages"][0]["SpecifiedImage"].endswith("/m-1:latest")
        assert green["InstancePools"] == [
            {"InstanceType": "ml.m5.xlarge", "CurrentInstanceCount": 3},
            {"InstanceType": "ml.c5.xlarge", "CurrentInstanceCount": 2},
        ]
        assert "DeployedImages" not in green
        assert less["CurrentServerlessConfig"] == {
            "MemorySizeInMB": 4096,
            "MaxConcurrency": 10,
            "ProvisionedConcurrency": 3,
        }
        assert answer["ShadowProductionVariants"][0]["VariantName"] == "Shade"
        assert answer["DataCaptureConfig"]["CurrentSamplingPercentage"] == 15
        assert answer["MetricsConfig"] == {"EnableEnhancedMetrics": True, "MetricPublishFrequencyInSeconds": 10}
        assert answer["PendingDeploymentSummary"]["StartTime"] == when(NOW - 20)
        assert answer["FailureReason"] == "none yet"
        assert {"AsyncInferenceConfig", "ExplainerConfig"} <= answer.keys()

        described = client.describe_endpoint_config(EndpointConfigName="full-config")
        blue, green, less = described["ProductionVariants"]
        assert (blue["ModelName"], blue["InstanceType"], blue["InitialInstanceCount"]) == ("m-1", "ml.m5.xlarge", 3)
        assert green["InstancePools"][1] == {"InstanceType": "ml.c5.xlarge", "Priority": 2}
        assert less["ServerlessConfig"]["MaxConcurrency"] == 10
        assert described["ShadowProductionVariants"][0]["ModelName"] == "m-3"
        assert described["DataCaptureConfig"]["InitialSamplingPercentage"] == 15
        assert described["MetricsConfig"]["MetricPublishFrequencyInSeconds"] == 10

    @pytest.mark.parametrize(
        ("operation", "argument", "thing"),
        [
            ("describe_endpoint", "EndpointName", "endpoint"),
            ("describe_endpoint_config", "EndpointConfigName", "endpoint configuration"),
            ("describe_inference_component", "InferenceComponentName", "inference component"),
        ],
    )
    def test_what_does_not_exist(self, over_http, operation, argument, thing):
        with pytest.raises(ClientError) as raised:
            getattr(over_http("sagemaker"), operation)(**{argument: "nix"})
        code, text = message(raised)
        assert code == "ValidationException"
        assert text.startswith(f'Could not find {thing} "arn:aws:sagemaker:{REGION}:{ACCOUNT}:')

    def test_state_is_a_matter_of_time(self, in_memory, world, clock):
        world.update_endpoint(ACCOUNT, REGION, "Endpoint-01", NOW + 60, status="Updating")
        world.update_endpoint(ACCOUNT, REGION, "Endpoint-01", NOW + 120, status="InService")
        world.delete_endpoint(ACCOUNT, REGION, "Endpoint-01", NOW + 180)
        client = in_memory("sagemaker")
        seen = []
        for later in (0, 70, 130, 190, 70):
            clock.now = NOW + later
            try:
                seen.append(client.describe_endpoint(EndpointName="Endpoint-01")["EndpointStatus"])
            except ClientError:
                seen.append(None)
        assert seen == ["InService", "Updating", "InService", None, "Updating"]


class TestLives:
    def test_a_name_is_in_use_once(self, world):
        with pytest.raises(ValueError, match="exists"):
            world.add_endpoint(ACCOUNT, REGION, "Endpoint-01", NOW)
        with pytest.raises(KeyError):
            world.delete_endpoint(ACCOUNT, REGION, "nix", NOW)

    def test_an_endpoint_created_again_goes_on_with_the_same_series(self, world, in_memory, clock):
        endpoint = world.add_endpoint(ACCOUNT, REGION, "again", NOW - 3600)
        endpoint.schedules = {"invocations": Schedule(NOW - 3600, 60)}
        identity = ("AWS/SageMaker", "Invocations", {"EndpointName": "again"})
        world.generate(ACCOUNT, REGION, *identity, Level(1, 5.0), endpoint.schedules["invocations"])
        world.delete_endpoint(ACCOUNT, REGION, "again", NOW - 1800)
        world.add_endpoint(ACCOUNT, REGION, "again", NOW - 600)
        counts = [
            world.truth(ACCOUNT, REGION, *identity, "SampleCount", start, start + 600)
            for start in range(NOW - 3600, NOW, 600)
        ]
        assert counts == [10, 10, 10, 0, 0, 10]
        assert in_memory("sagemaker").describe_endpoint(EndpointName="again")["CreationTime"] == when(NOW - 600)

    def test_the_publishing_period_changes_with_the_configuration(self, world, in_memory, clock):
        endpoint = world.add_endpoint(ACCOUNT, REGION, "fast", NOW - 3600)
        endpoint.schedules = {"utilization": Schedule(NOW - 3600, 60), "invocations": Schedule(NOW - 3600, 60)}
        world.change_period(ACCOUNT, REGION, "fast", NOW - 600, 10)
        assert (endpoint.schedules["utilization"].period, endpoint.schedules["invocations"].period) == (10, 60)
        answer = in_memory("sagemaker").describe_endpoint(EndpointName="fast")
        assert answer["MetricsConfig"]["MetricPublishFrequencyInSeconds"] == 10


class TestInferenceComponents:
    @pytest.fixture(autouse=True)
    def components(self, world):
        for number in range(12):
            component = Component(f"ic-{number:02d}", "Endpoint-01", "AllTraffic", NOW - 60 * number, copies=number)
            world.add_component(ACCOUNT, REGION, component)
        adapter = Component("adapter", "Endpoint-02", "v", NOW - 5, model=None, base="ic-01", tags={"a": "b"})
        world.add_component(ACCOUNT, REGION, adapter)

    def test_list(self, over_http):
        paginator = over_http("sagemaker").get_paginator("list_inference_components")
        assert [len(page["InferenceComponents"]) for page in paginator.paginate()] == [10, 3]
        (page,) = paginator.paginate(EndpointNameEquals="Endpoint-02", VariantNameEquals="v")
        assert [one["InferenceComponentName"] for one in page["InferenceComponents"]] == ["adapter"]

    def test_describe(self, over_http, world, clock):
        client = over_http("sagemaker")
        answer = client.describe_inference_component(InferenceComponentName="ic-03")
        assert answer["RuntimeConfig"] == {"DesiredCopyCount": 1, "CurrentCopyCount": 3}
        needs = answer["Specification"]["ComputeResourceRequirements"]
        assert needs == {"NumberOfCpuCoresRequired": 1.0, "MinMemoryRequiredInMb": 1024}
        adapter = client.describe_inference_component(InferenceComponentName="adapter")
        assert adapter["Specification"] == {"BaseInferenceComponentName": "ic-01"}
        world.delete_component(ACCOUNT, REGION, "ic-03", NOW + 10)
        clock.now = NOW + 20
        with pytest.raises(ClientError):
            client.describe_inference_component(InferenceComponentName="ic-03")


class TestTags:
    def test_list_tags(self, over_http):
        client = over_http("sagemaker")
        assert client.list_tags(ResourceArn=arn("endpoint/endpoint-03"))["Tags"] == [{"Key": "n", "Value": "3"}]
        with pytest.raises(ClientError, match="Could not find"):
            client.list_tags(ResourceArn=arn("endpoint/nix"))

    def test_get_resources_knows_only_what_has_tags(self, over_http, world):
        world.add_endpoint(ACCOUNT, REGION, "untagged", NOW - 60)
        world.region(ACCOUNT, REGION).tags[arn("feature-group/f")] = {"team": "x", "n": "3"}
        client = over_http("resourcegroupstaggingapi")

        def found(**filters):
            pages = client.get_paginator("get_resources").paginate(**filters)
            return [one["ResourceARN"] for page in pages for one in page["ResourceTagMappingList"]]

        assert len(found(ResourcesPerPage=4)) == len(set(found())) == 26
        assert len(found(ResourceTypeFilters=["sagemaker:endpoint"])) == 25
        assert len(found(ResourceTypeFilters=["sagemaker"])) == 26
        assert found(ResourceTypeFilters=["ec2"]) == []
        threes = found(TagFilters=[{"Key": "n", "Values": ["3", "4"]}])
        assert threes == [arn("endpoint/endpoint-03"), arn("endpoint/endpoint-04"), arn("feature-group/f")]
        assert found(TagFilters=[{"Key": "team"}, {"Key": "n"}]) == [arn("feature-group/f")]
        assert found(ResourceARNList=[arn("endpoint/untagged"), arn("endpoint/endpoint-01")]) == [
            arn("endpoint/endpoint-01")
        ]
        for wrong in ({"PaginationToken": "x"}, {"ResourceARNList": ["a"], "TagFilters": [{"Key": "n"}]}):
            with pytest.raises(ClientError) as raised:
                client.get_resources(**wrong)
            assert message(raised)[0] == "InvalidParameterException"


def test_scalable_targets(over_http, world):
    for number in range(60):
        resource, dimension = f"endpoint/e-{number}/variant/v", "sagemaker:variant:DesiredInstanceCount"
        world.region(ACCOUNT, REGION).targets.append(ScalableTarget(resource, dimension, 1, 4, NOW - 60))
    client = over_http("application-autoscaling")
    pages = list(client.get_paginator("describe_scalable_targets").paginate(ServiceNamespace="sagemaker"))
    assert [len(page["ScalableTargets"]) for page in pages] == [50, 10]
    first = pages[0]["ScalableTargets"][0]
    assert (first["ResourceId"], first["MinCapacity"], first["MaxCapacity"]) == ("endpoint/e-0/variant/v", 1, 4)
    some = client.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=["endpoint/e-7/variant/v"])
    assert len(some["ScalableTargets"]) == 1
    assert client.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"] == []
    with pytest.raises(ClientError) as raised:
        client.describe_scalable_targets(ServiceNamespace="sagemaker", NextToken="x")
    assert message(raised)[0] == "InvalidNextTokenException"
