from __future__ import annotations

import pytest
from programs import Exporter, Past, Program, Prometheus, fake_aws


@pytest.fixture(autouse=True)
def stayed_home(tmp_path):
    """See that no process of a test has tried to leave this machine; see at_home/sitecustomize.py."""
    yield
    went_out = tmp_path / "went-out"
    assert not went_out.exists(), went_out.read_text()


@pytest.fixture
def started():
    """Take care of processes: what is handed to it is started, and ends with the test."""
    programs: list[Program] = []
    yield lambda program: programs.append(program) or program.start()
    for program in programs:
        program.kill()


@pytest.fixture
def exporter(started, tmp_path):
    """Start the exporter as a process of its own; see Exporter."""
    return lambda *arguments, **more: started(Exporter(tmp_path, *arguments, **more))


@pytest.fixture
def prometheus(started, tmp_path, require_tool):
    """Start a real Prometheus; see Prometheus."""
    return lambda *arguments, **more: started(Prometheus(require_tool("prometheus"), tmp_path, *arguments, **more)).up()


@pytest.fixture
def aws():
    """Serve a world as a fake AWS whose clock runs in the past: returns the fake and its URL."""
    servers = []

    def serve(world, past=None):
        fake, server = fake_aws(world, past or Past())
        servers.append(server)
        return fake, server.url

    yield serve
    for server in servers:
        server.close()
