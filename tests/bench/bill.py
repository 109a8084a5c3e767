"""A day of the demo's world: what the paces save, and that they change no total.

    python tests/bench/bill.py [--hours 24] [--endpoints 50]

Runs the whole street twice on a fake clock, once with the default paces and once asking everything each minute, lets
the world stop and settle, and compares. The bill is the fake's own.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from street import Street, stop
from worlds import T0

from exporter.demo import default_world
from exporter.model import HOUR, MINUTE

PACES = {
    "default": "sources: {cloudwatch_metrics: {every: 60s}}",
    "everything": "sources: {cloudwatch_metrics: {every: 60s, pace: {warm: 60s, cold: 60s}}}",
}


def run(name, hours, endpoints):
    """Live through the hours; return the bill, the totals and how they stand to the truth."""
    logging.disable(logging.WARNING)
    world = default_world(seed=1, endpoints=endpoints, begin=T0)
    end = T0 + hours * HOUR
    stop(world, end)
    street = Street(world, text=PACES[name])
    began = time.process_time()
    begin = None
    while street.true.time < end:
        street.cycle(MINUTE - street.true.time % MINUTE)
        begin = begin or int(street.clock.now()) // MINUTE * MINUTE
    bill = street.fake.bill
    asked, dollars, calls = bill.metrics, bill.dollars, bill.requests["cloudwatch.GetMetricData"]
    cpu = time.process_time() - began
    street.settle()
    totals, wrong = {}, []
    for key, total, truth in street.counted(begin):
        totals[key] = total
        if not math.isclose(truth, total, rel_tol=1e-9):
            wrong.append((key, truth, total))
    return {
        "paces": name,
        "hours": hours,
        "metrics": asked,
        "dollars": dollars,
        "calls": calls,
        "cpu_seconds": round(cpu, 1),
        "counters": len(totals),
        "wrong": wrong,
        "totals": totals,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--endpoints", type=int, default=50)
    parser.add_argument("--only", choices=PACES)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(run(options.only, options.hours, options.endpoints)))
        return
    flags = ["--hours", str(options.hours), "--endpoints", str(options.endpoints)]
    jobs = [
        subprocess.Popen([sys.executable, __file__, *flags, "--only", name], stdout=subprocess.PIPE) for name in PACES
    ]
    results = [json.loads(job.communicate()[0]) for job in jobs]
    for result in results:
        wrong = result["wrong"]
        print(
            f"{result['paces']:<11} {result['metrics']:>10,} metrics  {result['dollars']:>8.2f} USD  "
            f"{result['calls']:>7,} calls  {result['counters']:,} counters, {len(wrong)} not equal to the truth"
        )
        for key, truth, total in wrong[:5]:
            print(f"    {key}: truth {truth}, counted {total}")
    default, everything = results
    same = {key for key in default["totals"] if key in everything["totals"]}
    differ = [key for key in same if not math.isclose(default["totals"][key], everything["totals"][key], rel_tol=1e-9)]
    print(f"everything costs {everything['dollars'] / default['dollars']:.2f} times as much")
    print(f"{len(same)} counters in both, {len(differ)} of them with another total")
    sys.exit(bool(differ or default["wrong"] or everything["wrong"]))


if __name__ == "__main__":
    main()
