"""The hot path in pieces that run alone, for `instructions` to count: what comes in is made up here.

Run under callgrind it waits for a line, so that what came before need not be counted, and calls `os.getloadavg`, which
nobody else does, before and after each measurement: callgrind begins to count anew there.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import select
import sys
from array import array

WARM, FEW, MANY = 2, 2, 12  # runs; the difference of the last two is free of what is done once
QUERIES, POINTS = 500, 15
RESOURCES = 100
T0 = 1_767_225_600
MINUTE, BLOCK = 60, 900


def value(number, at):
    """Return what a series has at a time: with a fraction, different from minute to minute."""
    return 1000 + number * 17 % 811 + at // MINUTE * 37 % 101 + at // MINUTE % 4 / 4


def answer(queries):
    """Return an answer of CloudWatch to so many queries (bytes)."""
    times = range(T0, T0 + POINTS * MINUTE, MINUTE)
    results = [
        {
            "Id": f"q{n}",
            "Label": "Invocations",
            "Timestamps": [float(at) for at in times],
            "Values": [value(n, at) for at in times],
            "StatusCode": "Complete",
        }
        for n in range(queries)
    ]
    return json.dumps({"MetricDataResults": results, "Messages": []}, separators=(",", ":")).encode()


def query(n):
    """Return a query of ours, but for its id."""
    dimensions = f'[{{"Name":"EndpointName","Value":"endpoint-{n:06d}"}},{{"Name":"VariantName","Value":"AllTraffic"}}]'
    metric = f'{{"Namespace":"AWS/SageMaker","MetricName":"Invocations","Dimensions":{dimensions}}}'
    return f'"MetricStat":{{"Metric":{metric},"Period":60,"Stat":"Sum"}}}}'.encode()


def call(queries):
    """Return a call of so many queries."""
    from exporter.aws.metric_data import MetricCall

    return MetricCall(T0, T0 + POINTS * MINUTE, [query(n) for n in range(queries)], queries * POINTS, queries)


def request_of(queries):
    """Build the body of a request."""
    from exporter.aws import metric_data

    asked = call(queries)
    return lambda: metric_data.body(asked, None)


def answer_of(queries):
    """Decode an answer and put it together."""
    from exporter.aws import metric_data

    asked, text = call(queries), answer(queries)
    return lambda: metric_data.merge(asked, [metric_data.decode(text)], 0.0, float(T0))


def cycle_of(resources):
    """Count what was read of resources, a minute after the last time, and show it: all that follows the answers."""
    from exporter.clock import SystemClock
    from exporter.ledger import Ledger
    from exporter.ledger.memory import MemoryStore
    from exporter.model import Bulk, Column, Counter, Read, Reading, Resource, Target, Window
    from exporter.sinks.prometheus import Renderer
    from exporter.tally import Tally

    target = Target("123456789012", "eu-west-1")
    counters = (
        Counter("Invocations", "Sum", "sagemaker_endpoint_invocations_total"),
        Counter("Invocation4XXErrors", "Sum", "sagemaker_endpoint_invocation_4xx_errors_total"),
        Counter("Invocation5XXErrors", "Sum", "sagemaker_endpoint_invocation_5xx_errors_total"),
        Counter("ModelLatency", "Sum", "sagemaker_endpoint_model_latency_seconds", "sum", 1e-6),
        Counter("ModelLatency", "SampleCount", "sagemaker_endpoint_model_latency_seconds", "count"),
    )
    keys, many = tuple((counter.metric, counter.stat) for counter in counters), len(counters)
    quantiles = ("0.5", "0.9", "0.99")
    things = []
    for n in range(resources):
        dimensions = (("EndpointName", f"endpoint-{n:06d}"), ("VariantName", "AllTraffic"))
        labels = (target.account_id, target.region, dimensions[0][1], "AllTraffic")
        things.append(Resource(target, "AWS/SageMaker", dimensions, labels))
    now = [float(T0)]
    clock = SystemClock(local=lambda: now[0], steady=lambda: now[0] - T0)
    ledger, renderer = Ledger(MemoryStore(), clock, Tally(), zero_hold=0.0), Renderer()

    def reading(at):
        starts = range(max(T0, at - BLOCK) // BLOCK * BLOCK, at, BLOCK)
        blocks = [range(start, min(start + BLOCK, at), MINUTE) for start in starts]
        window = Window(starts[0], at, MINUTE, float(at - T0), float(at))
        reads = []
        for n, thing in enumerate(things):
            sums = tuple(
                (of[0], array("d", [sum(value(n, at) for at in of)] * many), array("H", [len(of)] * many))
                for of in blocks
            )
            reads.append(Read(thing, window, until=at + BLOCK, bulk=Bulk(keys, counters, bytes(many), sums, T0)))
        labels, shown = [thing.labels for thing in things], [1e-6 * value(n, at) for n in range(resources)]
        columns = tuple(Column(counters[3].family, labels, shown, part, at + BLOCK, at) for part in quantiles)
        return Reading("cloudwatch_metrics", target, float(at), columns=columns, reads=tuple(reads))

    readings = [reading(T0 + n * MINUTE) for n in range(1, 1 + WARM + FEW + MANY)]
    coming = iter(readings)  # which hold on to what they are: what is freed is not counted

    def run():
        read = next(coming)
        now[0] = read.at
        ledger.apply(read)
        snapshot = ledger.snapshot()
        renderer.render(snapshot)
        ledger.shown(snapshot)

    return run


def yardstick(queries):
    """Do what no change of ours makes slower: the standard library's reading of an answer."""
    text = answer(queries)
    return lambda: json.loads(text)


KERNELS = {  # name to what makes it, of which size
    "request": (request_of, QUERIES),
    "answer": (answer_of, QUERIES),
    "cycle": (cycle_of, RESOURCES),
    "yardstick": (yardstick, QUERIES),
}


def slower(make, size):
    """Return a kernel with five hundredths more to do."""
    run, more = make(size), make(size // 20)
    return lambda: (run(), more())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=KERNELS, default=tuple(KERNELS))
    parser.add_argument("--plant", nargs="+", choices=KERNELS, default=())
    options = parser.parse_args()
    runs = [
        slower(*KERNELS[name]) if name in options.plant else KERNELS[name][0](KERNELS[name][1]) for name in options.only
    ]
    for run in runs:
        for _ in range(WARM):
            run()
    gc.collect()
    gc.disable()  # its turn comes by how many objects there are: where, a change elsewhere decides
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:  # busy, for valgrind hears of commands only while it runs
        pass
    for run in runs:
        for number in (FEW, MANY):
            os.getloadavg()
            for _ in range(number):
                run()
    os.getloadavg()


if __name__ == "__main__":
    main()
