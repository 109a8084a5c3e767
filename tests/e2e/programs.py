"""Real processes, and what they are asked: the exporter's commands, a Prometheus, a fake AWS in the past.

A fake AWS that lives in the past makes days out of minutes: the daemon takes AWS's clock for its own, and `--clock`
says how fast that runs. Whatever is started here listens on the loopback and ends with its test.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from oracle import Page

from exporter.demo import FakeAws, access_key, serve
from exporter.model import BLOCK, DAY

ACCOUNT, REGION = "123456789012", "us-east-1"
COMMAND = Path(sys.executable).with_name("sagemaker-exporter")
AT_HOME = Path(__file__).parent / "at_home"
PATIENCE = 60.0  # on a machine that does much else too


def wait_until(condition, seconds=PATIENCE, what="the condition"):
    """Wait until a condition holds, and return what it said; looking is all that happens meanwhile."""
    deadline = time.monotonic() + seconds
    while True:
        said = condition()
        if said:
            return said
        assert time.monotonic() < deadline, f"{what} did not come true in {seconds} s"
        time.sleep(0.1)  # each look reads a whole page


def free_port():
    """Return a port that nobody listens on, below those that the system gives to clients by itself."""
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "0")) or 0)
    luck = random.Random()
    while True:
        port = 20_000 + 400 * (worker % 30) + luck.randrange(400)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Past:
    """A clock in the past that runs so many times as fast as ours, from a block border on."""

    def __init__(self, speed=1.0, days=60):
        self.speed = speed
        self.origin = int(time.time() - days * DAY) // BLOCK * BLOCK
        self._began = time.monotonic()

    def __call__(self):
        return self.origin + (time.monotonic() - self._began) * self.speed


def fake_aws(world, past):
    """Return a fake AWS with this world and clock, and its server."""
    fake = FakeAws(world, past)
    return fake, serve(fake)


class Reply(NamedTuple):
    """What a server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self):
        gzipped = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if gzipped else self.body).decode()


def ask(port, path, method="GET", timeout=10.0, **headers):
    """Send one request to a port of the loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


class Program:
    """A process that is started and ended, maybe several times; all it says goes to `log`."""

    def __init__(self, arguments, folder, environment=None):
        self.arguments = [str(argument) for argument in arguments]
        self.folder = folder
        self.environment = environment
        self.log = folder / f"{Path(self.arguments[0]).name}.log"
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.arguments, cwd=self.folder, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        return self

    @property
    def runs(self):
        return self.process is not None and self.process.poll() is None

    @property
    def said(self):
        return self.log.read_text() if self.log.exists() else ""

    def kill(self):
        """End it as a power cut does."""
        if self.runs:
            self.process.kill()
        if self.process:
            self.process.wait()

    def stop(self, number=signal.SIGTERM, seconds=40.0):
        """Ask it to end; return its exit code and how long that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(seconds), time.monotonic() - began


def environment(folder, aws_url=None, **more):
    """Return the environment of a command: no proxy, no AWS account but the fake one."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PYTEST_", "XDG_")) and not name.lower().endswith("_proxy")
    }
    mine = {
        "HOME": str(folder),
        "PYTHONPATH": str(AT_HOME),
        "E2E_WENT_OUT": str(folder / "went-out"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    if aws_url:
        mine |= {
            "AWS_ACCESS_KEY_ID": access_key(ACCOUNT),
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": aws_url,
        }
    return {**kept, **mine, **more}


def run(folder, *arguments, aws_url=None, seconds=60.0, through=(), **more):
    """Run a command to its end, `through` another one, if there is one; return what came of it."""
    return subprocess.run(
        [*through, COMMAND, *map(str, arguments)],
        cwd=folder,
        env=environment(folder, aws_url, **more),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


class Exporter(Program):
    """The daemon, or its demo, on a port that stays the same over restarts."""

    def __init__(self, folder, aws_url=None, *, config="", command="run", flags=(), **more):
        self.port = free_port()
        arguments = [COMMAND, command, f"--web.listen-address=127.0.0.1:{self.port}", *flags]
        if config:
            (folder / "config.yaml").write_text(config)
            arguments.append("--config.file=config.yaml")
        super().__init__(arguments, folder, environment(folder, aws_url, **more))

    def ask(self, path, method="GET", **headers):
        return ask(self.port, path, method, **headers)

    def answers(self, path, status=200):
        """Say whether it answers a request so."""
        try:
            return self.ask(path).status == status
        except OSError:
            return False

    def page(self):
        """Return what a scrape finds now."""
        return Page(self.ask("/metrics", Accept_Encoding="gzip").text)

    def shows(self, name, **labels):
        """Return the values of a family; nothing while it can't be reached."""
        try:
            return self.page().find(name, **labels)
        except OSError:
            return {}

    def up(self, seconds=PATIENCE):
        """Wait until it listens."""
        wait_until(lambda: self.answers("/-/healthy"), seconds, "a healthy daemon")
        return self

    def counting(self, seconds=PATIENCE):
        """Wait until it has read counters: what happens from now on counts.

        To be ready is not enough where its clock runs fast: two minutes of that pass before a busy machine has begun.
        """
        read = "sagemaker_exporter_source_last_success_timestamp_seconds"
        wait_until(lambda: self.shows(read, source="cloudwatch_metrics"), seconds, "a first reading")
        return self

    def ready(self, seconds=PATIENCE):
        """Wait until it is ready."""
        wait_until(lambda: self.answers("/-/ready"), seconds, "a ready daemon")
        return self


class Prometheus(Program):
    """A real Prometheus that scrapes one port every `interval` seconds, and answers queries."""

    def __init__(self, program, folder, target, interval=1):
        self.port = free_port()
        scrape = {"job_name": "sagemaker", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        (folder / "prometheus.yaml").write_text(  # JSON is YAML
            json.dumps(
                {
                    "global": {"scrape_interval": f"{interval}s", "scrape_timeout": f"{interval}s"},
                    "scrape_configs": [scrape],
                }
            )
        )
        flags = [
            "--config.file=prometheus.yaml",
            "--storage.tsdb.path=tsdb",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        super().__init__([program, *flags], folder)

    def up(self, seconds=PATIENCE):
        def ready():
            try:
                return ask(self.port, "/-/ready").status == 200
            except OSError:
                return False

        wait_until(ready, seconds, "a ready Prometheus")
        return self

    def query(self, expression):
        """Return the result of an instant query."""
        reply = ask(self.port, "/api/v1/query?" + urlencode({"query": expression}))
        answer = json.loads(reply.body)
        assert answer["status"] == "success", answer
        return answer["data"]["result"]

    def values(self, expression):
        """Return the values of an instant query, by labels."""
        return {_labels(one): float(one["value"][1]) for one in self.query(expression)}

    def samples(self, selector, over="30m"):
        """Return the raw samples (time, value) of each series, without the moments in which it was absent."""
        return {
            _labels(one): [(at, float(value)) for at, value in one["values"]]
            for one in self.query(f"{selector}[{over}]")
        }


def _labels(one):
    """Return what a series is called on a page: its labels without those of the scrape."""
    return tuple(sorted((name, value) for name, value in one["metric"].items() if name not in {"job", "instance"}))
