"""What a start takes until the port is open, and until the first page with everything: the command itself, on the fake.

    python tests/bench/compare.py --only start

The first page waits for rates: each endpoint is described, five a second. So it is told with the default rates, and
without any. A first start is not counted: it writes down the bytecode, as installers do, where nobody has yet.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from budgets import Budget, Spread
from canned import SERIES, canned, environment
from processes import cpu_of
from program import configuration

ENDPOINTS = 50
TRIES = 3
PATIENCE = 60.0  # seconds
MOST = 0.5  # seconds of CPU until it listens


def begin(fake, folder, *, free):
    """Start the exporter; return (CPU, wall) until it listens and until its page is whole (s)."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    config = Path(folder) / "config.yaml"
    config.write_text(f"{configuration(1, inventory=True, free=free)}ledger: {{path: {folder}/ledger.db}}\n")
    flags = (f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen([sys.executable, "-m", "exporter", *flags], env={**env, **environment(fake)}, cwd=folder)
    began, found = time.perf_counter(), []
    try:
        for path in ("/-/healthy", "/-/ready"):
            _wait(process, port, path)
            found.append((cpu_of(process.pid), time.perf_counter() - began))
        text = _get(port, "/metrics")[1]
        shown = text.count(b"\nsagemaker_endpoint_") - text.count(b"\nsagemaker_endpoint_created")
        if shown < ENDPOINTS * SERIES / 2:
            raise RuntimeError(f"the first page has {shown} series about endpoints")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    return found


def _wait(process, port, path):
    pause, deadline = threading.Event(), time.perf_counter() + PATIENCE
    while _get(port, path)[0] != 200:
        if process.poll() is not None or time.perf_counter() > deadline:
            raise RuntimeError(f"{path} never came to be")
        pause.wait(0.002)


def _get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except ConnectionRefusedError:
        return 0, b""
    finally:
        connection.close()


def measure() -> Iterator[Budget]:
    """Start it some times; yield the lines about it."""
    with canned(ENDPOINTS) as fake:
        with tempfile.TemporaryDirectory() as folder:
            begin(fake, folder, free=True)
        listening = []
        for free, tries in ((True, TRIES), (False, 1)):
            for _ in range(tries):
                with tempfile.TemporaryDirectory() as folder:
                    (cpu, wall), (full_cpu, full_wall) = begin(fake, folder, free=free)
                listening.append(cpu)
                rates = "no rates" if free else "default rates"
                print(
                    f"listening after {cpu:.2f} s of CPU, {wall:.2f} s; a page with {ENDPOINTS} endpoints after "
                    f"{full_cpu:.2f} s of CPU, {full_wall:.2f} s ({rates})",
                    flush=True,
                )
    spread = Spread.of(listening)
    yield Budget("start: listening", f"under {MOST} s of CPU", f"{spread} s", spread.median < MOST)
