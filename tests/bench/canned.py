"""A fake CloudWatch that is never the bottleneck: answers are joined from bytes that it has made before.

    python tests/bench/canned.py --endpoints 50 --spacing 1 --at 1767225600

In every account and region there are the same endpoints of one variant, each with `SERIES` series. A series has a
datapoint every `spacing` minutes, as soon as its minute is over; what it is follows from the time and the number of the
endpoint, so that reading again finds the same. With `--churn`, an endpoint goes every so many seconds, and another one
comes, by a new name or (`--names`) by one of a pool that is used again and again.

The clock is the machine's, or stands `--at` a time, or `--runs` from there; `forward SECONDS` moves it. `counts` tells
of calls by operation, of queries and of datapoints so far. Only what the exporter and a plain boto3 ask is understood,
and nothing of it is checked: `exporter.demo` is the fake to be right against.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import re
import sys
import time
from collections import Counter
from email.utils import formatdate
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent))

from processes import Child, flags, say

METRICS = {  # of a variant, all of them hot and on by default, with the statistics that are asked
    "Invocations": ("Sum",),
    "Invocation4XXErrors": ("Sum",),
    "Invocation5XXErrors": ("Sum",),
    "InvocationModelErrors": ("Sum",),
    "InvocationsPerInstance": ("Sum",),
    "MidStreamErrors": ("Sum",),
    "ModelLatency": ("Sum", "SampleCount", "p50", "p90", "p99"),
    "OverheadLatency": ("Sum", "SampleCount", "Maximum"),
    "FirstChunkLatency": ("Sum", "SampleCount", "p50", "p90", "p99"),
    "ConcurrentRequestsPerModel": ("Maximum",),
}
SERIES = sum(map(len, METRICS.values()))
NAMESPACE, VARIANT = "AWS/SageMaker", "AllTraffic"
ON_A_PAGE = 500
KINDS = 499  # of endpoints, by their values: more than fit into the window of a compressor
CREATED = 1_700_000_000
FIRST_ACCOUNT, REGIONS = 111111111111, ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1")
MINUTE, HOUR, DAY = 60, 3600, 86400

_TAIL = {name: re.compile(b'"%b": ?([0-9]+)' % name) for name in (b"StartTime", b"EndTime", b"Period")}
_NUMBER = re.compile(rb'endpoint-with-a-name-0*(\d+)"')
_ID = [b'{"Id":"q%d","Label":"Invocations",' % n for n in range(500)]
_EMPTY = {
    "ListInferenceComponents": {"InferenceComponents": []},
    "DescribeScalableTargets": {"ScalableTargets": []},
    "GetResources": {"ResourceTagMappingList": []},
    "DescribeAlarms": {"MetricAlarms": [], "CompositeAlarms": []},
    "DescribeAlarmHistory": {"AlarmHistoryItems": []},
}


def value(number, at):
    """Return what every series of an endpoint has at a time: in quarters, so that sums are exact."""
    minute = int(at) // MINUTE
    return 1000 + (number % KINDS) * 17 % 811 + minute * 37 % 101 + (minute % 4) / 4


def named(number):
    """Return the name of an endpoint; all are equally long."""
    return f"endpoint-with-a-name-{number:06d}"


class World:
    """What there is, and how often somebody has asked."""

    def __init__(self, endpoints, spacing, churn, pool, at, *, runs):
        self.endpoints, self.spacing, self.churn = endpoints, spacing * MINUTE, churn
        self.pool = pool or math.inf  # names
        self._begin = self._at = at
        self._runs_since = time.monotonic() if runs else None
        self.counts = Counter()
        self._texts = {}  # (kind or number, start, end, newest first) to what a result ends with, and its points

    def now(self):
        return self._at + (time.monotonic() - self._runs_since if self._runs_since else 0.0)

    def forward(self, seconds):
        self._at += seconds
        self._texts.clear()  # other windows from now on

    def alive(self, begin, end):
        """Return the numbers of the endpoints that there were at some time between."""
        if not self.churn:
            return range(self.endpoints)
        first, last = (max(0, int((at - self._begin) // self.churn)) for at in (begin, end))
        end = min(last + self.endpoints, first + self.pool)
        return [n if self.pool == math.inf else n % self.pool for n in range(first, end)]

    def result(self, number, start, end, *, newest_first):
        """Return the end of a result (bytes), and how many datapoints it has."""
        number = number if self.churn else number % KINDS
        last = min(end, int(self.now()) // MINUTE * MINUTE)
        key = (number, start, last, newest_first)
        found = self._texts.get(key)
        if found is None:
            first = start + (number * MINUTE - start) % self.spacing  # they take turns, or cycles would differ
            times = list(range(first, last, self.spacing))
            if self.churn:
                times = [at for at in times if number in self.alive(at, at)]
            if newest_first:
                times.reverse()
            stamps = ",".join(f"{str(at)[0]}.{str(at)[1:].rstrip('0')}E9" for at in times)  # as AWS's JSON has them
            values = ",".join(repr(value(number, at)) for at in times)
            text = f'"Timestamps":[{stamps}],"Values":[{values}],"StatusCode":"Complete"}}'
            found = self._texts[key] = text.encode(), len(times)
        return found

    # -- operations --------------------------------------------------------------------------------------------------

    def get_metric_data(self, body):
        start, end, _ = (int(pattern.findall(body)[-1]) for pattern in _TAIL.values())
        of_result = partial(self.result, start=start, end=end, newest_first=b"TimestampAscending" not in body)
        texts, points = zip(*map(of_result, map(int, _NUMBER.findall(body))), strict=True)
        self.counts.update(queries=len(texts), datapoints=sum(points))
        return b'{"MetricDataResults":[%b],"Messages":[]}' % b",".join(map(bytes.__add__, _ID, texts))

    def list_metrics(self, asked):
        if asked["Namespace"] != NAMESPACE:
            return {"Metrics": []}
        since = self.now() - (3 * HOUR if "RecentlyActive" in asked else 14 * DAY)
        alive, first = self.alive(since, self.now()), int(asked.get("NextToken", 0))
        end = min(first + ON_A_PAGE, len(alive) * len(METRICS))
        metrics = tuple(METRICS)
        listed = [self._listed(alive[n // len(metrics)], metrics[n % len(metrics)]) for n in range(first, end)]
        return {"Metrics": listed, **({"NextToken": str(end)} if end < len(alive) * len(metrics) else {})}

    def _listed(self, number, metric):
        dimensions = [{"Name": "EndpointName", "Value": named(number)}, {"Name": "VariantName", "Value": VARIANT}]
        return {"Namespace": NAMESPACE, "MetricName": metric, "Dimensions": dimensions}

    def list_endpoints(self, asked):
        alive, first = self.alive(self.now(), self.now()), int(asked.get("NextToken", 0))
        times = {"CreationTime": CREATED, "LastModifiedTime": CREATED, "EndpointStatus": "InService"}
        listed = [
            {"EndpointName": named(n), "EndpointArn": f"arn:aws:sagemaker:::endpoint/{named(n)}", **times}
            for n in alive[first : first + 100]
        ]
        return {"Endpoints": listed, **({"NextToken": str(first + 100)} if first + 100 < len(alive) else {})}

    def describe_endpoint(self, asked):
        variant = {"VariantName": VARIANT, "CurrentInstanceCount": 2, "DesiredInstanceCount": 2, "CurrentWeight": 1.0}
        return {
            "EndpointName": asked["EndpointName"],
            "EndpointArn": f"arn:aws:sagemaker:::endpoint/{asked['EndpointName']}",
            "EndpointConfigName": "the-same-for-all",
            "EndpointStatus": "InService",
            "CreationTime": CREATED,
            "LastModifiedTime": CREATED,
            "ProductionVariants": [variant],
        }

    def describe_endpoint_config(self, asked):
        variant = {"VariantName": VARIANT, "ModelName": "a", "InstanceType": "ml.m5.large", "InitialInstanceCount": 2}
        return {
            **asked,
            "EndpointConfigArn": "arn:aws:sagemaker:::",
            "CreationTime": CREATED,
            "ProductionVariants": [variant],
        }

    def sts(self, body, key):
        """Answer in XML, which is all that STS speaks. An access key ends with the number of its account."""
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if asked["Action"] == "AssumeRole":
            account = asked["RoleArn"].split(":")[4]
            until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + DAY))
            told = (
                f"<Credentials><AccessKeyId>BENCH{account}</AccessKeyId><SecretAccessKey>any</SecretAccessKey>"
                f"<SessionToken>any</SessionToken><Expiration>{until}</Expiration></Credentials>"
            )
        else:
            account = key[-12:]
            told = f"<Arn>arn:aws:sts::{account}:assumed-role/a/b</Arn><UserId>a</UserId><Account>{account}</Account>"
        action = asked["Action"]
        return f"<{action}Response><{action}Result>{told}</{action}Result></{action}Response>".encode()

    def answer(self, operation, body, key):
        """Return the body of an answer."""
        if operation == "GetMetricData":
            self.counts[operation] += 1
            return self.get_metric_data(body)
        if not operation:
            self.counts["sts"] += 1
            return self.sts(body, key)
        self.counts[operation] += 1
        asked = orjson.loads(body)
        known = {
            "ListMetrics": self.list_metrics,
            "ListEndpoints": self.list_endpoints,
            "DescribeEndpoint": self.describe_endpoint,
            "DescribeEndpointConfig": self.describe_endpoint_config,
        }
        return orjson.dumps(known[operation](asked) if operation in known else _EMPTY[operation])


class Connection(asyncio.Protocol):
    """A connection that is kept: heads and bodies by Content-Length, one after the other."""

    def __init__(self, world, latency):
        self._world, self._latency = world, latency
        self._came = bytearray()
        self._wants = 0  # bytes until there is anything to do

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._came += data
        while len(self._came) >= self._wants:
            end = self._came.find(b"\r\n\r\n")
            if end < 0:
                return
            lines = bytes(self._came[:end]).decode("latin-1").split("\r\n")
            headers = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines[1:])}
            whole = end + 4 + int(headers.get("content-length", 0))
            if len(self._came) < whole:
                self._wants = whole
                return
            body = bytes(self._came[end + 4 : whole])
            del self._came[:whole]
            self._wants = 1
            answer = self._answer(headers, body)
            asyncio.get_running_loop().call_later(self._latency, self._write, answer)

    def _answer(self, headers, body):
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        key = re.search(r"Credential=([^/]*)/", headers.get("authorization", "Credential=/"))[1]
        answer = self._world.answer(operation, body, key)
        kind = "application/x-amz-json-1.0" if operation else "text/xml"
        head = f"HTTP/1.1 200 OK\r\nDate: {formatdate(self._world.now(), usegmt=True)}\r\nContent-Type: {kind}\r\n"
        return b"%bContent-Length: %d\r\n\r\n%b" % (head.encode(), len(answer), answer)

    def _write(self, answer):
        if not self._transport.is_closing():
            self._transport.write(answer)


def places(number):
    """Return so many accounts and regions: accounts of five regions each."""
    return [(str(FIRST_ACCOUNT + n // len(REGIONS)), REGIONS[n % len(REGIONS)]) for n in range(number)]


def canned(endpoints, **options):
    """Start it; return the process. The answer to its start holds the `url`."""
    return Child("canned.py", "--endpoints", endpoints, *flags(options))


def environment(fake):
    """Return the variables by which an SDK finds it."""
    return {
        "AWS_ENDPOINT_URL": fake.start.answer["url"],
        "AWS_ACCESS_KEY_ID": f"BENCH{FIRST_ACCOUNT}",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


async def serve(options):
    """Serve until standard input ends."""
    at, runs = options.at or time.time(), options.runs or not options.at
    world = World(options.endpoints, options.spacing, options.churn, options.names, at, runs=runs)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(world, options.latency), "127.0.0.1", 0, backlog=512)
    say({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"})
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).split():
        if line[0] == b"forward":
            world.forward(float(line[1]))
        say(world.counts)
    server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoints", type=int, required=True, help="in every account and region")
    parser.add_argument("--spacing", type=int, default=1, help="minutes between two datapoints")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until a call is answered")
    parser.add_argument("--at", type=float, default=0.0, help="where the clock stands (Unix seconds); else it runs")
    parser.add_argument("--runs", action="store_true", help="the clock runs from there")
    parser.add_argument("--churn", type=float, default=0.0, help="seconds after which an endpoint goes and one comes")
    parser.add_argument("--names", type=int, default=0, help="how many names there are for those that come")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
