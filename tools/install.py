"""Install the real programs that tests run, as pinned in lock.toml. Needs the standard library only.

They live in the user's cache, in a folder named by the hash of lock.toml; `.tools` in the clone links to it. A program
is made in a folder of its own and linked into `bin` when it is whole, so that an interrupted build is never taken for a
finished one. Where a tool cannot be had its line says why and the tests that need it are skipped; in CI that is an
error.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CLONE = Path(__file__).resolve().parent.parent


class AbsentError(Exception):
    """A tool cannot be had on this machine; the text says why."""


@dataclass(frozen=True)
class Tool:
    """One table of lock.toml, where the fields are explained."""

    name: str
    version: str
    kind: str
    commands: Sequence[str]
    ask: Sequence[str] = ("--version",)
    packages: Sequence[str] = ()
    flags: Sequence[str] = ()
    module: str = ""
    package: str = ""
    sha256: str = ""
    files: Mapping[str, Sequence[str]] | None = None
    requirements: str = ""


class House:
    """The folder of one lock.toml: `bin` with the commands, and what they were made of."""

    def __init__(self, lock: Path, cache: Path) -> None:
        tables = tomllib.loads(lock.read_text())
        go = tables["go"]
        self.minimum_go = go.pop("minimum")
        self.go = Tool("go", **go)
        self.tools = [Tool(name, **table) for name, table in tables["tool"].items()]
        self.root = cache / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
        self.bin = self.root / "bin"
        self.bin.mkdir(parents=True, exist_ok=True)

    def provide(self, tool: Tool) -> str:
        """Make sure that the tool's commands are in `bin`; return how it came there."""
        made = self.root / tool.name / "bin"
        stamp = made.with_name("whole")
        commands = {command: made / command for command in tool.commands}
        if stamp.exists():
            how = "have"
        elif on_path := find_on_path(tool):
            how, commands = "have, on PATH", on_path
        else:
            began = time.monotonic()
            shutil.rmtree(made.parent, ignore_errors=True)  # an interrupted build
            made.mkdir(parents=True)
            KINDS[tool.kind](self, tool, made)
            for command, path in commands.items():
                if not tells_version(path, tool):
                    raise AbsentError(f"the {command} that was built is not {tool.version}")
            stamp.touch()
            how = f"built in {time.monotonic() - began:.0f} s"
        for command, path in commands.items():
            replace_link(self.bin / command, path)
        return how

    def go_command(self) -> str:
        """Return a Go that is new enough: the machine's own, else one from Python's registry."""
        own = shutil.which("go")
        if own and numbers(output(own, "env", "GOVERSION")) >= numbers(self.minimum_go):
            return own
        try:
            self.provide(self.go)
        except AbsentError as error:
            raise AbsentError(f"no go >= {self.minimum_go} ({error})") from error
        return str(self.bin / "go")


def build_go(house: House, tool: Tool, made: Path) -> None:
    """Compile `packages` of published modules."""
    go = house.go_command()
    run(made, go, "install", *tool.flags, *tool.packages, GOBIN=str(made))


def build_gocopy(house: House, tool: Tool, made: Path) -> None:
    """Compile `packages` of a copy of the module, whose replace directives `go install` would refuse."""
    go = house.go_command()
    module = json.loads(run(made, go, "mod", "download", "-json", tool.module))["Dir"]
    copy = made.parent / "copy"
    shutil.copytree(module, copy, copy_function=shutil.copyfile)
    for folder in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)  # Go keeps its modules read-only
    run(copy, go, "build", *tool.flags, "-o", f"{made}{os.sep}", *tool.packages)
    shutil.rmtree(copy)


def take_npm(_: House, tool: Tool, made: Path) -> None:
    """Take `files` out of a checked tarball; nothing of it is run."""
    npm = shutil.which("npm")
    if not npm:
        raise AbsentError("no npm")
    tarball = made / run(made, npm, "pack", "--silent", tool.package).strip()
    data = tarball.read_bytes()
    if hashlib.sha256(data).hexdigest() != tool.sha256:
        raise AbsentError(f"{tarball.name} is not the one that was pinned")
    tarball.unlink()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for command, (member, *inner) in (tool.files or {}).items():
            found = tar.extractfile(member)
            content = found.read() if found else b""
            for name in inner:
                content = zipfile.ZipFile(io.BytesIO(content)).read(name)
            (made / command).write_bytes(content)
            (made / command).chmod(0o755)


def make_pypi(_: House, tool: Tool, made: Path) -> None:
    """Make a private environment from a hashed lock."""
    run(CLONE, sys.executable, "-m", "venv", str(made.parent))
    lock = str(CLONE / tool.requirements)
    run(CLONE, str(made / "pip"), "install", "--quiet", "--require-hashes", "--requirement", lock)


KINDS: Mapping[str, Callable[[House, Tool, Path], None]] = {
    "go": build_go,
    "gocopy": build_gocopy,
    "npm": take_npm,
    "pypi": make_pypi,
}


def run(folder: Path, *command: str, **environment: str) -> str:
    """Return what a command prints; raise AbsentError with its last words if it fails."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()
        raise AbsentError(f"{Path(command[0]).name} {command[1]}: {words[-1]}")
    return done.stdout


def output(*command: str) -> str:
    """Return all that a command prints, nothing if it cannot run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except OSError:
        return ""
    return done.stdout + done.stderr


def numbers(version: str) -> tuple[int, ...]:
    """Return the first version number in a text, comparable."""
    found = re.search(r"\d+(\.\d+)+", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def tells_version(command: Path, tool: Tool) -> bool:
    """Say whether a command runs and calls itself the pinned version."""
    exactly = rf"(?<![\d.]){re.escape(tool.version)}(?!\d)"
    return re.search(exactly, output(str(command), *tool.ask)) is not None


def find_on_path(tool: Tool) -> dict[str, Path]:
    """Return the commands already on this machine, if all are there in the pinned version."""
    found = {command: Path(path).resolve() for command in tool.commands if (path := shutil.which(command))}
    whole = len(found) == len(tool.commands) and all(tells_version(path, tool) for path in found.values())
    return found if whole else {}


def replace_link(link: Path, target: Path) -> None:
    """Point a link at its target in one step, wherever it pointed before."""
    new = link.with_name(f"{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def main() -> int:
    """Provide every tool, a line for each; return the exit status."""
    environment = os.environ
    default = Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sagemaker-exporter" / "tools"
    house = House(CLONE / "tools/lock.toml", Path(environment.get("SAGEMAKER_EXPORTER_TOOLS") or default))
    absent = 0
    with (house.root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second clone waits for the first one's build
        replace_link(CLONE / ".tools", house.root)
        for tool in house.tools:
            print(f"{tool.name} {tool.version}: ", end="", flush=True)
            try:
                print(house.provide(tool))
            except AbsentError as error:
                absent += 1
                print(f"SKIPPED: {error}")
    strict = environment.get("CI") == "true" or environment.get("REQUIRE_TOOLS") == "1"
    return 1 if absent and strict else 0


if __name__ == "__main__":
    sys.exit(main())
