"""What people write who need SageMaker's metrics in Prometheus: boto3, prometheus_client, forty lines.

Every series is a gauge that is set to the newest value of a window. Queries are made once, from what is listed; a cycle
asks them all in calls of 500 by sixteen threads; a scrape renders and compresses the page, as prometheus_client's own
server does.
"""

from __future__ import annotations

import argparse
import gzip
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import boto3
from canned import METRICS, SERIES, places
from processes import Child, flags, obey
from prometheus_client import CollectorRegistry, Gauge, generate_latest

LABELS = ["account_id", "region", "endpoint_name", "variant_name"]


class Naive:
    """The program, and what it may be told."""

    def __init__(self, options):
        self._minutes = options.minutes
        self._now = datetime.fromtimestamp(options.at, UTC)
        self._registry = CollectorRegistry()
        self._pool = ThreadPoolExecutor(16)
        self._gauges = {
            (metric, stat): Gauge(f"sagemaker_{metric}_{stat}".lower(), metric, LABELS, registry=self._registry)
            for metric, stats in METRICS.items()
            for stat in stats
        }
        self._calls = []
        for account, region in places(options.targets):
            session = boto3.Session(aws_access_key_id=f"BENCH{account}", aws_secret_access_key="any")
            self._discover(session.client("cloudwatch", region_name=region), account, region)

    def _discover(self, client, account, region):
        """Make the calls that ask for all that is listed."""
        queries, places = [], []
        for page in client.get_paginator("list_metrics").paginate(Namespace="AWS/SageMaker"):
            for metric in page["Metrics"]:
                dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
                labels = (account, region, dimensions["EndpointName"], dimensions["VariantName"])
                for stat in METRICS[metric["MetricName"]]:
                    stated = {"Metric": metric, "Period": 60, "Stat": stat}
                    queries.append({"Id": f"q{len(queries) % 500}", "MetricStat": stated})
                    places.append((metric["MetricName"], stat, labels))
        self._calls += [(client, queries[n : n + 500], places[n : n + 500]) for n in range(0, len(queries), 500)]

    def read(self):
        """Ask for everything, set every gauge to the newest value."""
        answered = sum(self._pool.map(lambda call: self._ask(*call), self._calls))
        return {"answered": answered}

    def _ask(self, client, queries, places):
        end = self._now.replace(second=0) + timedelta(minutes=1)
        answered = 0
        paginator = client.get_paginator("get_metric_data")
        begin = end - timedelta(minutes=self._minutes + 1)
        for page in paginator.paginate(MetricDataQueries=queries, StartTime=begin, EndTime=end):
            for result in page["MetricDataResults"]:
                if result["Values"]:
                    metric, stat, labels = places[int(result["Id"][1:])]
                    self._gauges[metric, stat].labels(*labels).set(result["Values"][0])
                    answered += 1
        return answered

    def page(self):
        """Answer a scrape."""
        text = generate_latest(self._registry)
        return {"series": text.count(b"\n") - 2 * len(self._gauges), "bytes": len(gzip.compress(text))}

    def values(self, metric, stat):
        """Tell what a family is set to, by endpoint."""
        (family,) = self._gauges[metric, stat].collect()
        return {sample.labels["endpoint_name"]: sample.value for sample in family.samples}

    def forward(self, seconds):
        self._now += timedelta(seconds=float(seconds))


def naive(**options):
    """Start it; return the process."""
    environment = options.pop("environment")
    return Child("naive.py", *flags(options), environment=environment)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=int, default=1)
    parser.add_argument("--at", type=float, required=True, help="where the clock stands (Unix seconds)")
    parser.add_argument("--minutes", type=int, required=True, help="how far back it asks")
    made = Naive(parser.parse_args())
    obey({name: getattr(made, name) for name in ("read", "page", "values", "forward")}, series=SERIES)


if __name__ == "__main__":
    main()
