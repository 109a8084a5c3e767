"""The dollar limit on the whole street: what it slows and when, what is billed, and what stays as it was.

    python tests/bench/dollars.py [--hours 24] [--endpoints 50] [--times 1.3]

The demo's world on a fake clock over the turn of a month: half of the hours before it, half after. Six of the endpoints
have planted errors at random times, three of them no other traffic. The limit is so many times the floor that
`check-config` prints. Four processes live through the same hours:

    no limit    what all of it costs and counts
    all month   has spent of January what was its share so far
    new         has spent nothing yet: a month's dollars for half a day
    spent       has no dollars left: at the floor until the turn, and over the limit by what the floor costs

Then the world stops and settles, and all totals are compared with each other and with the truth. The bill is the
fake's own, each month's compared with the limit; a delay is the time from the moment CloudWatch shows a planted error
to the page that has it.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from street import ACCOUNT, REGION, Street, stop
from worlds import FakeClock, values

from exporter.config import parse
from exporter.daemon import Parts
from exporter.demo import default_world
from exporter.estimate import HOURS, assumed, estimate
from exporter.ledger.memory import MemoryStore
from exporter.model import DAY, HOUR, MINUTE, Reading, Target
from exporter.sources.cloudwatch_metrics.rests import weight
from exporter.sources.cloudwatch_metrics.strands import Rank

TURN = 1_769_904_000  # 2026-02-01
JANUARY, FEBRUARY = 31 * DAY / HOUR, 28 * DAY / HOUR
LIVES = ("no limit", "all month", "new", "spent")
PLANTED = (
    "planted-silent-0",
    "planted-silent-1",
    "planted-silent-2",
    "planted-busy-0",
    "planted-busy-1",
    "planted-busy-2",
)
ERRORS = "sagemaker_endpoint_invocation_5xx_errors_total"
WITHOUT_LOGS = "families: {exclude: ['sagemaker_log_group_*']}"  # the floor knows of no log groups


def floor(endpoints):
    """Return what check-config prints as the floor (USD a month)."""
    parts = Parts(parse(f"targets: [{{regions: [{REGION}]}}]"), FakeClock(TURN), MemoryStore())
    census = assumed(parts.config, endpoints, float(TURN))
    found = estimate(parts, {Target(ACCOUNT, REGION): census})
    parts.close()
    return round(found.floor * HOURS, 2)


def plant(world, begin, end, luck):
    """Add endpoints with errors about once an hour; return when CloudWatch shows each, by endpoint."""
    shown = {}
    for name in PLANTED:
        world.add_endpoint(ACCOUNT, REGION, name, begin - DAY)
        spot = ("AWS/SageMaker", {"EndpointName": name, "VariantName": "AllTraffic"})
        minutes = range(int(begin) - 60 * MINUTE, int(end), MINUTE)
        failing = {at for at in minutes if at > begin + 10 * MINUTE and luck.random() < 1 / 60}
        for at in minutes:
            seen = at + MINUTE + luck.uniform(0, 2 * MINUTE)
            if "busy" in name or at in failing:
                world.put(ACCOUNT, REGION, spot[0], "Invocations", spot[1], at, 1.0, seen)
            if at in failing:
                world.put(ACCOUNT, REGION, spot[0], "Invocation5XXErrors", spot[1], at, 1.0, seen)
                shown.setdefault(name, []).append(seen)
    return {name: sorted(of_endpoint) for name, of_endpoint in shown.items()}


def run(name, hours, endpoints, usd):
    """Live through the hours; return what was billed, slowed, delayed and counted."""
    begin, end = TURN - hours * HOUR / 2, TURN + hours * HOUR / 2
    world = default_world(seed=1, endpoints=endpoints - len(PLANTED), begin=begin)
    errors = plant(world, begin, end, random.Random(1))
    stop(world, end)
    limit = "" if name == "no limit" else f"limits: {{usd_per_month: {usd}}}"
    street = Street(world, text=f"{WITHOUT_LOGS}\n{limit}", now=begin)
    before = {"all month": usd * (JANUARY - hours / 2) / JANUARY, "spent": usd}.get(name, 0.0)
    if before:
        street.ledger.apply(Reading("cloudwatch_metrics", street.target, begin, notes={"month": ["2026-01", before]}))
    source, began = street.sources[1], time.process_time()
    counting, january, stages, delays, seen = None, 0.0, [], [], Counter()
    strands, asked, datapoints = Counter(), Counter(), []
    while street.true.time < end:
        if street.true.time < TURN:
            january = street.fake.bill.dollars
        points = street.fake.bill.datapoints
        snapshot = street.cycle(MINUTE - street.true.time % MINUTE)
        now = street.true.time
        datapoints.append(street.fake.bill.datapoints - points)
        counting = counting or int(street.clock.now()) // MINUTE * MINUTE
        half = "January" if now < TURN else "February"
        (stage,) = values(snapshot, "sagemaker_exporter_thinning_stage").values()
        if not stages or stages[-1][1] != stage:
            stages.append((round((now - begin) / HOUR, 2), stage))
        for strand in source._of(street.target).plan.strands.values():
            key = half, weight(strand.rank, serves=strand.serves).name
            strands[key] += 1
            asked[key] += strand.last >= now - MINUTE / 2
        for labels, total in values(snapshot, ERRORS).items():
            shown = errors.get(labels[2], [])
            new = range(seen[labels[2]], min(int(total), len(shown)))
            delays += [(half, stage, now - shown[n], n == 0) for n in new]
            seen[labels[2]] = int(total)
    bill = street.fake.bill
    cpu, dollars, ours = time.process_time() - began, bill.dollars, sum(map(sum, street.aws.spent().values()))
    street.settle()
    counted = list(street.counted(counting))
    return {
        "name": name,
        "cpu": round(cpu),
        "january": before + january,
        "february": dollars - january,
        "ours": abs(ours / dollars - 1),
        "stages": stages,
        "every": {f"{half} {rank}": strands[half, rank] / max(1, asked[half, rank]) for half, rank in strands},
        "highest": max(datapoints[60:]),
        "mean": sum(datapoints[60:]) / len(datapoints[60:]),
        "delays": delays,
        "missed": sum(len(shown) for shown in errors.values()) - sum(seen[name] for name in PLANTED),
        "totals": {key: total for key, total, _ in counted},
        "wrong": [one for one in counted if not math.isclose(one[1], one[2], rel_tol=1e-9)],
    }


def tell(result, usd, hours):
    """Print what became of a process; return what is wrong with it."""
    name, mistakes = result["name"], []
    free = name == "no limit"
    print(f"\n{name}: {result['cpu']} s CPU, {len(result['totals']):,} counters, {len(result['wrong'])} not the truth")
    for half, billed, share in (
        ("January", result["january"], 1.0),
        ("February", result["february"], hours / 2 / FEBRUARY),
    ):
        paces = "  ".join(f"{rank.name} {result['every'].get(f'{half} {rank.name}', 0):.1f}" for rank in Rank)
        of = "" if free else f" of {usd * share:7.3f}"
        print(f"  {half:<8} {billed:8.3f} USD{of}   minutes between readings: {paces}")
        if not free and billed > usd * share and not (name == "spent" and half == "January"):
            mistakes.append(f"{name}: {half} has cost {billed:.3f} USD, more than {usd * share:.3f}")
    print("  stages (after hours: stage) " + ", ".join(f"{at:g}: {stage:.0f}" for at, stage in result["stages"]))
    for stage in sorted({stage for _, stage, _, _ in result["delays"]}):
        late = [delay for _, at, delay, _ in result["delays"] if at == stage]
        first = [delay for _, at, delay, is_first in result["delays"] if at == stage and is_first]
        print(
            f"  errors seen at stage {stage:.0f}: {len(late)}, after {sum(late) / len(late):.0f} s in the mean and "
            f"{max(late):.0f} s at the most; first ones: {len(first)}, {max(first, default=0):.0f} s at the most"
        )
    most = f"{result['highest']:,} at the most"
    print(f"  datapoints in a cycle: {result['mean']:,.0f} in the mean, {most}", flush=True)
    late = [delay for *_, delay, _ in result["delays"] if delay > 5 * MINUTE]
    if late:
        mistakes.append(f"{name}: {len(late)} errors seen later than after 5 minutes, the last after {max(late):.0f} s")
    if result["missed"]:
        mistakes.append(f"{name}: {result['missed']} errors not seen")
    if result["ours"] > 1e-6:
        mistakes.append(f"{name}: our own account of the dollars is wrong by {100 * result['ours']:.2f} %")
    mistakes += [f"{name}: {key} is {total}, not {truth}" for key, total, truth in result["wrong"][:5]]
    return mistakes


def main():
    """Live all lives, two at a time; exit 1 if a law was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--endpoints", type=int, default=50)
    parser.add_argument("--times", type=float, default=1.3)
    parser.add_argument("--only", choices=LIVES)
    options = parser.parse_args()
    lowest = floor(options.endpoints)
    usd = round(options.times * lowest, 2)
    if options.only:
        logging.disable(logging.WARNING)
        print(json.dumps(run(options.only, options.hours, options.endpoints, usd)))
        return
    flags = ["--hours", str(options.hours), "--endpoints", str(options.endpoints), "--times", str(options.times)]

    def live(name):
        done = subprocess.run([sys.executable, __file__, *flags, "--only", name], stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    print(f"{options.endpoints} endpoints, {options.hours} h; the floor is {lowest} USD a month, the limit {usd}")
    with ThreadPoolExecutor(2) as pool:
        lives, mistakes = {}, []
        for ended in as_completed([pool.submit(live, name) for name in LIVES]):
            lives[ended.result()["name"]] = ended.result()
            mistakes += tell(ended.result(), usd, options.hours)
    free = lives.pop("no limit")["totals"]
    for result in lives.values():
        same = free.keys() & result["totals"].keys()
        differ = [key for key in same if not math.isclose(free[key], result["totals"][key], rel_tol=1e-9)]
        print(f"{result['name']}: {len(same)} of {len(free)} counters as without a limit, {len(differ)} differ")
        mistakes += [f"{result['name']}: another total of {key}" for key in differ[:5]]
    print("\n".join(mistakes) or "nothing is wrong")
    sys.exit(bool(mistakes))


if __name__ == "__main__":
    main()
