"""The gate: how many instructions the hot path takes, which is the same in every run, and never more than it did.

    python tests/bench/instructions.py            compare with instructions.json; more than 2 % above it fails
    python tests/bench/instructions.py --renew    write what is measured into it

Times wobble by half on a busy machine, counts of instructions by hardly a thousandth. They are counted by callgrind for
the kernels of `kernels`, each run 2 and 12 times, of which the difference counts. Figures hold for one interpreter, its
libraries and the processor's kind; where there are none, ratios to a yardstick are compared with those of another one,
which sees only what is much slower, and says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

from kernels import FEW, KERNELS, MANY

HERE = Path(__file__).resolve().parent
FIGURES = HERE / "instructions.json"
RENEW = "make gate ARGS=--renew"
MORE = 0.02  # of the committed figure
MUCH_MORE = 0.30  # of the ratio to the yardstick, on an interpreter without figures
LIBRARIES = ("orjson", "msgspec", "isal")
ALIKE = {  # what is hashed and where memory comes from would differ from run to run
    "PYTHONHASHSEED": "0",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}


def comparable():
    """Return what figures belong to: all that changes the number of instructions, and is none of ours."""
    flags = sysconfig.get_config_var("CONFIG_ARGS") or ""
    made = [word for word in ("enable-optimizations", "with-lto", "enable-shared") if word in flags]
    processor = Path("/proc/cpuinfo").read_text()
    kinds = [kind for kind in ("avx2", "avx512f", "asimd") if re.search(rf"\b{kind}\b", processor)]
    interpreter = f"{platform.python_implementation()} {platform.python_version()}"
    libraries = " ".join(f"{name} {version(name)}" for name in LIBRARIES)
    compiler = " ".join((*platform.python_compiler().split()[:2], *made))
    machine = " ".join((platform.machine(), *kinds))
    return f"{interpreter}, {compiler}, {' '.join(platform.libc_ver())}, {machine}, {libraries}"


def count(only, planted):
    """Return the instructions of one run of each kernel."""
    with tempfile.TemporaryDirectory() as folder:
        callgrind = (
            "valgrind",
            "--quiet",
            "--tool=callgrind",
            "--instr-atstart=no",  # the start would take most of the time
            "--dump-before=getloadavg",
            f"--callgrind-out-file={folder}/counts",
            f"--vgdb-prefix={folder}/vgdb",
        )
        program = (
            sys.executable,
            str(HERE / "kernels.py"),
            "--only",
            *only,
            *(("--plant", *planted) if planted else ()),
        )
        with subprocess.Popen(
            ["setarch", "-R", *callgrind, *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**ALIKE, "PATH": os.environ["PATH"]},
        ) as process:
            if not process.stdout.readline():
                raise RuntimeError(f"the kernels ended with {process.wait()} before they began")
            switch = ("vgdb", f"--vgdb-prefix={folder}/vgdb", f"--pid={process.pid}", "instrumentation", "on")
            subprocess.run(switch, check=True, capture_output=True)
            process.stdin.write("go\n")
            process.stdin.close()
            if process.wait():
                raise RuntimeError(f"the kernels ended with {process.returncode}")
        parts = [_total(Path(folder) / f"counts.{n}") for n in range(2, 2 + 2 * len(only))]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {name: round((many - few) / (MANY - FEW)) for name, (few, many) in zip(only, pairs, strict=True)}


def _total(part):
    return int(re.search(r"^totals: (\d+)", part.read_text(), re.MULTILINE)[1])


def judge(counted, figures, key):
    """Return a line about each kernel, and whether all are within their bound."""
    own = key in figures
    known = figures[key] if own else next(iter(figures.values()))  # any is as good as another
    lines, fine = [], True
    if not own:
        lines.append(
            f"NO FIGURES FOR THIS INTERPRETER: {key}\nratios to json.loads are compared with those of another one, and "
            f"only what is {MUCH_MORE:.0%} slower is seen; `{RENEW}` adds figures"
        )
    for name, was in known.items():
        if name == "yardstick" or name not in counted:
            continue
        now, before = counted[name], was
        if not own:
            now, before = now / counted["yardstick"], before / known["yardstick"]
        change = now / before - 1
        over = change > (MORE if own else MUCH_MORE)
        fine = fine and not over
        told = f"{counted[name]:,} instructions" if own else f"{now:.3f} yardsticks"
        verdict = (
            "TOO MANY" if over else "less: renew, or it may be lost again unseen" if own and change < -MORE else "ok"
        )
        lines.append(f"{name:10} {told:>24}, {change:+.2%}  {verdict}")
    if unknown := counted.keys() - known.keys():
        lines.append(f"no figures for {', '.join(sorted(unknown))}: `{RENEW}`")
        fine = False
    if not fine:
        lines.append(f"If this is worth it, renew the figures and say why in the commit: `{RENEW}`")
    return lines, fine


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--renew", action="store_true", help="write what is measured into the file")
    parser.add_argument("--figures", type=Path, default=FIGURES, metavar="FILE")
    parser.add_argument("--only", nargs="+", choices=KERNELS, default=tuple(KERNELS), metavar="KERNEL")
    parser.add_argument("--plant", nargs="+", default=(), metavar="KERNEL", help="let kernels be 5 %% slower")
    options = parser.parse_args()
    absent = [name for name in ("valgrind", "vgdb", "setarch") if not shutil.which(name)]
    if absent:
        print(
            f"THE GATE DID NOT RUN: {' and '.join(absent)} missing (Debian: valgrind, util-linux); no registry has it"
        )
        return
    key, counted = comparable(), count(options.only, options.plant)
    figures = json.loads(options.figures.read_text()) if options.figures.exists() else {}
    if options.renew:
        figures[key] = counted
        options.figures.write_text(json.dumps(figures, indent=2) + "\n")
        print(f"{options.figures.name} holds {counted}")
        return
    lines, fine = judge(counted, figures, key)
    print("\n".join(lines))
    sys.exit(not fine)


if __name__ == "__main__":
    main()
