from __future__ import annotations

from types import SimpleNamespace

import boto3
import pytest
from asking import ACCOUNT, NOW, REGION
from botocore.config import Config
from fake_transport import plug

from exporter.demo import FakeAws, World, access_key, serve


@pytest.fixture(scope="session")
def session():
    return boto3.Session()


@pytest.fixture
def clock():
    return SimpleNamespace(now=float(NOW))


@pytest.fixture
def world():
    return World()


@pytest.fixture
def fake(world, clock):
    return FakeAws(world, lambda: clock.now)


@pytest.fixture
def connect(session):
    """A function that makes clients of a plain SDK: one attempt, keys of an account, any region."""
    clients = []

    def client(service, url="http://127.0.0.1:9", account=ACCOUNT, region=REGION, keys=None, **config):
        made = session.client(
            service,
            region_name=region,
            endpoint_url=url,
            config=Config(retries={"total_max_attempts": 1}, **config),
            **(keys or {"aws_access_key_id": access_key(account), "aws_secret_access_key": "any"}),
        )
        clients.append(made)
        return made

    yield client
    for made in clients:
        made.close()


@pytest.fixture
def server(fake):
    with serve(fake) as running:
        yield running


@pytest.fixture
def over_http(connect, server):
    return lambda service, **more: connect(service, server.url, **more)


@pytest.fixture
def in_memory(connect, fake):
    return lambda service, **more: plug(connect(service, **more), fake)


@pytest.fixture
def put(world):
    """Put a datapoint of one series; by default of Invocations."""

    def put(at, value, available_at=None, metric="Invocations", namespace="AWS/SageMaker", dimensions=None, **more):
        dimensions = {"EndpointName": "e"} if dimensions is None else dimensions
        world.put(ACCOUNT, REGION, namespace, metric, dimensions, at, value, available_at, **more)

    return put
