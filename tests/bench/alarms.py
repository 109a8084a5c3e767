"""What alarms cost: calls, dollars and CPU of a cycle, by how many of them have changed.

    python tests/bench/alarms.py [--alarms 5000] [--others 1000]

The whole street on a clock that stands still, with nothing but the alarms: the SDK, but for its sockets, included.
CPU is that of this process without the fake's. Dollars are those of the fake's own bill; a month has cycles of two
minutes, all of which are alike.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from street import ACCOUNT, REGION, Street
from worlds import T0

from exporter.demo import World
from exporter.demo.alarms import Alarm
from exporter.model import DAY
from exporter.sources import cloudwatch_alarms

EVERY = 120
CYCLES = 30 * DAY / EVERY


def make(alarms, others):
    """Return a street on which so many alarms are SageMaker's, and so many are not."""
    world = World(seed=1)
    for n in range(alarms + others):
        namespace = "AWS/SageMaker" if n < alarms else "AWS/EC2"
        facts = {
            "Namespace": namespace,
            "MetricName": "Invocation5XXErrors",
            "Dimensions": [{"Name": "EndpointName", "Value": f"endpoint-{n}"}],
            "Statistic": "Sum",
            "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "AlarmActions": ["arn:aws:sns:us-east-1:123456789012:on-call"],
        }
        alarm = Alarm(f"alarm-{n:05d}", float(T0 - DAY), facts, scripted=True)
        alarm.enter("OK", T0 - DAY + 60.0, "", 0.0)
        world.put_alarm(ACCOUNT, REGION, alarm)
    street = Street(world)
    street.sources = street.sources[2:]
    return street


def change(street, number):
    """Let so many alarms change within the coming cycle."""
    place, now = street.fake.world.region(ACCOUNT, REGION), street.true.time
    for n in range(number):
        alarm = place.alarms[f"alarm-{n:05d}"][-1]
        state = {"OK": "ALARM"}.get(alarm.state(now), "OK")
        street.fake.world.set_alarm_state(ACCOUNT, REGION, alarm.name, now + 1 + 100 * n / number, state)


def main():
    """Print a line for each kind of cycle."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--alarms", type=int, default=5000)
    parser.add_argument("--others", type=int, default=1000)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    street = make(options.alarms, options.others)
    print(f"{options.alarms} alarms on SageMaker, {options.others} on other services")
    print(
        f"{'cycle':32} {'listing':>8} {'history':>8} {'USD/cycle':>10} {'USD/month':>10} {'CPU ms':>8} {'waits s':>8}"
    )
    bill, theirs = street.fake.bill, [0.0]
    answer = street.fake.answer

    def timed(*request):
        began = time.process_time()
        try:
            return answer(*request)
        finally:
            theirs[0] += time.process_time() - began

    street.fake.answer = timed
    kinds = [("first", 0), ("nothing changes", 0)]
    kinds += [(f"{n} change", n) for n in (1, 20, 50, 500, options.alarms)]
    for name, number in kinds:
        change(street, number)
        street.true.forward(EVERY)
        before, spent, began = dict(bill.requests), bill.dollars, street.true.time
        cpu = time.process_time() - theirs[0]
        street.cycle()
        cpu = time.process_time() - theirs[0] - cpu
        asked = [bill.requests[f"cloudwatch.{op}"] - before.get(f"cloudwatch.{op}", 0) for op in OPERATIONS]
        dollars, waits = bill.dollars - spent, street.true.time - began
        month = f"{dollars * CYCLES:10.2f}" if number == 0 else f"{'':10}"
        print(f"{name:32} {asked[0]:8} {asked[1]:8} {dollars:10.5f} {month} {1000 * cpu:8.0f} {waits:8.1f}")
        assert [run.outcome for run in street.runs] == ["ok"], street.runs
        for _ in range(10):  # all that was asked about it is settled before the next kind of cycle
            street.cycle(EVERY)
    counted = street.store._identities.get(cloudwatch_alarms.KIND, {})
    print(f"{len(counted)} changes counted, {sum(n for _, n in kinds)} made")
    street.kill()


OPERATIONS = ("DescribeAlarms", "DescribeAlarmHistory")

if __name__ == "__main__":
    main()
