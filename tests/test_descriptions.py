"""What the SDK is told of AWS's services: the same as ever, of what we use, and of nothing else."""

from __future__ import annotations

import gzip

import botocore.session
import orjson
import pytest
from botocore.exceptions import EndpointVariantError, NoRegionError
from botocore.loaders import Loader
from botocore.regions import EndpointResolver

from exporter.aws.descriptions import Descriptions
from exporter.aws.operations import OPERATIONS
from exporter.aws.sessions import Sessions

OURS = {"application-autoscaling", "cloudwatch", "resourcegroupstaggingapi", "sagemaker"}
USED = [pytest.param(one.service, one.name, id=one.name) for one in OPERATIONS.values() if one.service in OURS]


@pytest.fixture(scope="module")
def whole():
    """The SDK's own loader."""
    return Loader()


@pytest.fixture(scope="module")
def lean():
    loader = Loader()
    loader.file_loader = Descriptions()
    return loader


def without_prose(value):
    if isinstance(value, dict):
        return {k: without_prose(one) for k, one in value.items() if k != "documentation"}
    return [without_prose(one) for one in value] if isinstance(value, list) else value


def described(model, name, seen=()):
    """Return all that a description says of a shape, with the shapes that it consists of in their places."""
    if name in seen:
        return name
    shape = model["shapes"][name]
    parts = [*shape.get("members", {}).items(), *((k, shape[k]) for k in ("member", "key", "value") if k in shape)]
    return without_prose(shape), [(k, described(model, one["shape"], (*seen, name))) for k, one in parts]


@pytest.mark.parametrize(("service", "operation"), USED)
def test_what_is_used_is_described_as_the_sdk_does(whole, lean, service, operation):
    model, theirs = (loader.load_service_model(service, "service-2") for loader in (lean, whole))
    ours = model["operations"][operation]
    assert ours == without_prose(theirs["operations"][operation])
    for part in (ours["input"], ours["output"], *ours.get("errors", ())):
        assert described(model, part["shape"]) == described(theirs, part["shape"])


@pytest.mark.parametrize("service", sorted(OURS))
def test_all_else_about_a_service_is_as_the_sdk_has_it(whole, lean, service):
    model, theirs = (loader.load_service_model(service, "service-2") for loader in (lean, whole))
    rest = {"operations", "shapes", "documentation"}
    assert {k: v for k, v in model.items() if k not in rest} == {k: v for k, v in theirs.items() if k not in rest}
    assert "documentation" not in model


@pytest.mark.parametrize("service", sorted(OURS))
def test_our_clients_can_do_nothing_else(service):
    """Law L7, once more: no method of theirs changes anything."""
    client = Sessions("x").ambient().client(service, "eu-west-1", lambda *_, **__: None)
    names = set(client.meta.service_model.operation_names)
    assert names == {one.name for one in OPERATIONS.values() if one.service == service}
    client.close()


@pytest.mark.parametrize("service", ["sts", "sso", "sso-oidc", "signin", "ec2"])
def test_other_services_are_left_as_they_are(whole, lean, service):
    assert lean.load_service_model(service, "service-2") == whole.load_service_model(service, "service-2")


def places(loader, prefix):
    """Return where a service is in every region, by every variant of its endpoints."""
    resolver = EndpointResolver(loader.load_data("endpoints"))
    regions = {
        region
        for partition in resolver.get_available_partitions()
        for region in resolver.get_available_endpoints("monitoring", partition)
    }
    found = {}
    for region in [*regions, "aws-global", "eu-nowhere-7", None]:
        for variant in ({}, {"use_fips_endpoint": True}, {"use_dualstack_endpoint": True}):
            try:
                found[region, *variant] = resolver.construct_endpoint(prefix, region, **variant)
            except (EndpointVariantError, NoRegionError) as error:
                found[region, *variant] = str(error)
    return found


@pytest.mark.parametrize("prefix", sorted({one.prefix for one in OPERATIONS.values()} | {"oidc", "portal.sso"}))
def test_services_are_where_the_sdk_says(whole, lean, prefix):
    found = places(lean, prefix)
    assert {"us-east-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1"} < {region for region, *_ in found}
    assert found == places(whole, prefix)


MODEL = {
    "version": "2.0",
    "metadata": {"apiVersion": "2017-07-24", "serviceId": "SageMaker", "documentation": {"title": "no prose"}},
    "operations": {
        "ListEndpoints": {"name": "ListEndpoints", "input": {"shape": "In"}, "output": {"shape": "Tree"}},
        "DeleteEndpoint": {"name": "DeleteEndpoint", "input": {"shape": "Gone"}},
    },
    "shapes": {
        "In": {"type": "structure", "members": {"documentation": {"shape": "Text", "documentation": "prose"}}},
        "Tree": {"type": "structure", "members": {"shape": {"shape": "Trees"}}},
        "Trees": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Tree"}},
        "Text": {"type": "string", "documentation": "prose"},
        "Gone": {"type": "string"},
    },
    "documentation": "prose",
}


@pytest.mark.parametrize(("suffix", "pack"), [(".json", bytes), (".json.gz", gzip.compress)])
def test_descriptions_of_ones_own_are_found_and_read_alike(tmp_path, monkeypatch, suffix, pack):
    """AWS_DATA_PATH leads the SDK to newer descriptions, or to others; a member may have any name."""
    folder = tmp_path / "sagemaker" / "2099-01-01"
    folder.mkdir(parents=True)
    (folder / f"service-2{suffix}").write_bytes(pack(orjson.dumps(MODEL)))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    loader = Sessions("x").session(None).get_component("data_loader")
    model = loader.load_service_model("sagemaker", "service-2")
    assert model["operations"] == {"ListEndpoints": MODEL["operations"]["ListEndpoints"]}
    assert set(model["shapes"]) == {"In", "Tree", "Trees", "Text"}
    assert model["shapes"]["In"]["members"] == {"documentation": {"shape": "Text"}}
    assert model["metadata"] == MODEL["metadata"]


def test_a_file_that_is_not_there_is_none(tmp_path):
    for name in ("sagemaker/2017-07-24/service-2", "sts/2011-06-15/service-2", "endpoints"):
        assert Descriptions().load_file(str(tmp_path / name)) is None


def test_the_loader_reads_files_where_we_have_put_ourselves():
    """`file_loader` is a public name, but of no documented use."""
    read = []

    class Reader(Descriptions):
        def load_file(self, file_path):
            read.append(file_path)
            return super().load_file(file_path)

    session = botocore.session.get_session()
    loader = session.get_component("data_loader")
    loader.file_loader = Reader()
    loader.load_service_model("sagemaker", "service-2")
    assert any(path.endswith("service-2") for path in read)
