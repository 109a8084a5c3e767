"""200 reloads of good and bad files while somebody scrapes: no scrape fails, no counter falls, nothing piles up."""

from __future__ import annotations

import re
import signal
import threading
from pathlib import Path

import pytest
from oracle import Page
from programs import ACCOUNT, REGION, Past, ask, wait_until
from small_world import INVOCATIONS, busy, one_endpoint

SPEED = 60
RELOADS = 200
WARM = 20  # reloads until everything has been made once
MORE = 10  # threads that runs and clients of that moment may have more than those of another; a leak makes 180
GOOD = """
sources: {{cloudwatch_metrics: {{every: 30s}}, inventory: {{every: 30s, describe_every: {n}h}}}}
web: {{zero_hold: 60s}}
ledger: {{path: {folder}/ledger.db}}
"""
BAD = ("bogus: 1\n", "a: [", "ledger: {path: elsewhere.db}\n", "targets: [{account_id: 5}]\n")


class Scrapes:
    """Scrapes without a pause: how many, which failed, and the values of the requests."""

    def __init__(self, port):
        self.count, self.failed, self.values = 0, [], []
        self._port, self._stop = port, threading.Event()
        self._thread = threading.Thread(target=self._scrape)
        self._thread.start()

    def _scrape(self):
        while not self._stop.is_set():
            try:
                reply = ask(self._port, "/metrics", Accept_Encoding="gzip")
                assert reply.status == 200
                self.values += Page(reply.text).find(INVOCATIONS).values()
            except Exception as error:  # noqa: BLE001 - each is a failure of the test
                self.failed.append(repr(error))
            self.count += 1

    def close(self):
        self._stop.set()
        self._thread.join()


def standing(process):
    """Return the number of threads and the resident memory (kB) of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return tuple(int(re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[1]) for name in ("Threads", "VmRSS"))


@pytest.mark.slow(15)
def test_reloads_disturb_nobody(aws, exporter, tmp_path):
    past = Past(SPEED)
    fake, url = aws(one_endpoint(past.origin), past)

    def good(n):
        return GOOD.format(n=n % 9 + 1, folder=tmp_path)

    daemon = exporter(url, config=good(0), flags=[f"--clock={SPEED}", "--web.enable-lifecycle"]).ready()
    busy(fake.world, fake.now(), 600, 3.0)
    wait_until(lambda: any(daemon.shows(INVOCATIONS).values()), what="counted requests")
    config = tmp_path / "config.yaml"
    said = "a new configuration is in force", "the configuration stays as it was"
    scrapes = Scrapes(daemon.port)
    try:
        for n in range(RELOADS):
            bad = n % 4 == 3
            config.write_text(BAD[n // 4 % len(BAD)] if bad else good(n))
            if n % 2 and n % 8 != 7:
                before = daemon.said.count(said[bad])
                daemon.process.send_signal(signal.SIGHUP)
                wait_until(lambda: daemon.said.count(said[bad]) > before, what=f"reload {n}")  # noqa: B023 - called here
            else:
                reply = daemon.ask("/-/reload", "POST")
                assert reply.status == (500 if bad else 200), reply.text
            if n == WARM:
                threads, memory = standing(daemon.process)
    finally:
        scrapes.close()
    assert scrapes.failed == []
    assert scrapes.count > RELOADS
    assert scrapes.values == sorted(scrapes.values)
    assert scrapes.values[-1] > scrapes.values[0]
    successful = "sagemaker_exporter_config_last_reload_successful"
    wait_until(lambda: 0.0 in daemon.shows(successful).values(), what="the news of a bad file")
    config.write_text(good(0))
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: 1.0 in daemon.shows(successful).values(), what="the news of a good one")
    after = standing(daemon.process)
    assert after[0] <= threads + MORE
    assert after[1] <= memory * 1.25, (memory, after[1])
    assert len(daemon.shows("sagemaker_exporter_config_info")) == 1
    assert daemon.shows("sagemaker_exporter_target_up", account_id=ACCOUNT, region=REGION)
    assert "Traceback" not in daemon.said
    assert daemon.stop()[0] == 0
