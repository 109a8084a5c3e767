"""What scrapes cost the exporter: one by one, and ten clients that come every second.

python tests/bench/compare.py --only clients
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from budgets import Budget
from cycles import WARM, endpoints, lab

CLIENTS, SECONDS = 10, 10
SCRAPES = 200


def scrape(child):
    """Return the CPU that a process takes for a scrape over a connection that is kept (s)."""
    client = _Client(child.do("serve").answer["port"])
    client.scrape()
    before = child.cpu()
    for _ in range(SCRAPES):
        client.scrape()
    took = child.cpu() - before
    client.close()
    return took / SCRAPES


class _Client:
    """What Prometheus is to us: a connection that is kept, gzip."""

    def __init__(self, port):
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def scrape(self):
        self._connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        answer = self._connection.getresponse()
        if answer.status != 200 or not answer.read():
            raise RuntimeError(f"a scrape was answered by {answer.status}")

    def close(self):
        self._connection.close()


def measure(series=100_000) -> Iterator[Budget]:
    """Let ten clients come every second; yield the line about it."""
    with lab(endpoints(series)) as house:
        house.run(WARM)
        port = house.ours.do("serve").answer["port"]
        clients = [_Client(port) for _ in range(CLIENTS)]
        beats, over = SECONDS * CLIENTS, threading.Event()

        def come(n):
            over.wait(max(0.0, began + n / CLIENTS - time.perf_counter()))  # each at its own moment of the second
            clients[n % CLIENTS].scrape()

        with ThreadPoolExecutor(CLIENTS) as pool:
            began, before = time.perf_counter(), house.ours.cpu()
            list(pool.map(come, range(beats)))
            share = (house.ours.cpu() - before) / (time.perf_counter() - began)
        for client in clients:
            client.close()
    print(f"{CLIENTS} clients, a scrape a second each, {series:,} series: {share:.2%} of a core")
    cost, most = 1000 * share / CLIENTS, max(1.0, series / 100_000)
    yield Budget(f"scrape: {series:,} series", f"at most {most:g} ms of CPU", f"{cost:.2f} ms", cost <= most)
    what = f"{CLIENTS} clients every second: {series:,} series"
    yield Budget(what, "under 2 % of a core", f"{share:.2%}", share < 0.02)
