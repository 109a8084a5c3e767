"""Processes that do what they are told, line by line, and how much CPU they took, seen from outside.

A `Child` is the end of whoever measures, `obey` that of the one who is measured. A command is a line, its answer JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent


def cpu_of(pid):
    """Return the user and system time of all threads of a process (s), by the kernel's CPU clock of it."""
    return time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) makes its id; /proc counts in steps of 10 ms


class Took(NamedTuple):
    """What a command answered, and what it took (s): CPU of all threads of its process, and wall time."""

    answer: dict
    cpu: float
    wall: float


class Child:
    """A program of this folder in a process of its own. Its first line tells that it is ready: the `start`."""

    def __init__(self, program, *words, environment=None):
        command = [sys.executable, str(HERE / program), *map(str, words)]
        began = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": "0", **(environment or {})},
        )
        self.pid = self._process.pid
        self.start = Took(self._line(), self.cpu(), time.perf_counter() - began)

    def _line(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args[1]} ended with {self._process.wait()}")
        return json.loads(line)

    def cpu(self):
        """Return the user and system time of all its threads (s)."""
        return cpu_of(self.pid)

    def do(self, *words):
        """Give a command, wait for its answer."""
        cpu, wall = self.cpu(), time.perf_counter()
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        answer = self._line()
        return Took(answer, self.cpu() - cpu, time.perf_counter() - wall)

    def peak(self):
        """Return the most memory it has had (bytes)."""
        return self._memory("status", "VmHWM")

    def steady(self):
        """Return the memory it has now (bytes), its share of what is shared."""
        return self._memory("smaps_rollup", "Pss")

    def _memory(self, file, name):
        lines = Path(f"/proc/{self.pid}/{file}").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))

    def close(self):
        """End it."""
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def flags(options):
    """Yield options as a command line has them; what is false or 0 is left out."""
    for name, given in options.items():
        if given:
            yield f"--{name}"
        if given and given is not True:
            yield given


def obey(commands, **ready):
    """Be a child: say that all is ready, then do one command after the other until there are no more."""
    say(ready)
    for line in sys.stdin:
        name, *words = line.split()
        say(commands[name](*words) or {})


def say(answer):
    """Answer a command."""
    print(json.dumps(answer), flush=True)
