"""What it takes to read one file of a trail: records a second, and memory at the peak above what it is when idle.

    python tests/bench/trail.py [--records 200000] [--calls 4] [--padding 420]

One file of an organisation of fifty accounts in five regions; each fourth record is of SageMaker and counts, all others
are passed by. It comes from the disk in the pieces in which S3 sends it, and is counted in a ledger on the disk, by the
source, the collection and the ledger as they are. It is made in a process of its own, and of text that packs badly, so
that 200,000 records are about the fifty megabytes that AWS allows. Memory is that of the process by the kernel (Linux).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from budgets import Budget

LEAST = 5_000  # records a second
MOST = 40e6  # bytes above idle
ACCOUNTS, REGIONS = 50, ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1")
HOME, REGION = "100000000000", "us-east-1"
KEY = f"AWSLogs/{HOME}/CloudTrail/{REGION}/2026/01/01/{HOME}_CloudTrail_{REGION}_20260101T0005Z_{'a' * 16}.json.gz"
NAMES = ("CreateTrainingJob", "DescribeTrainingJob", "ListEndpoints", "DeleteModel", "CreateEndpoint")


class Took(NamedTuple):
    """What reading a file took: its bytes, seconds, seconds of CPU, bytes above idle at the peak, what was counted."""

    size: int
    seconds: float
    cpu: float
    above: float
    counted: int


def write(path, records, calls, padding):
    """Write a file of records, each `calls`-th of which is of SageMaker; return nothing: it is another process."""
    luck = random.Random(1)
    with gzip.open(path, "wb", 6) as file:
        file.write(b'{"Records":[')
        for n in range(records):
            one = record(n, calls, luck.randbytes(padding // 2).hex())
            file.write((b"," if n else b"") + json.dumps(one, separators=(",", ":")).encode())
        file.write(b"]}")


def record(n, calls, padding):
    """Return a record as CloudTrail writes it."""
    account = str(100_000_000_000 + n % ACCOUNTS)
    role = f"role-{n % 20}"
    issuer = {"type": "Role", "principalId": "AROAEXAMPLE", "accountId": account, "userName": role}
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": f"AROAEXAMPLE:{n % 977}",
            "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{n % 977}",
            "accountId": account,
            "accessKeyId": f"ASIAEXAMPLE{n % 977:05d}",
            "sessionContext": {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "false"}},
        },
        "eventTime": f"2026-01-01T00:{n % 5:02d}:{n % 60:02d}Z",
        "eventSource": "s3.amazonaws.com" if n % calls else "sagemaker.amazonaws.com",
        "eventName": NAMES[n // calls % len(NAMES)],
        "awsRegion": REGIONS[n // ACCOUNTS % len(REGIONS)],
        "sourceIPAddress": f"203.0.113.{n % 250}",
        "userAgent": "Boto3/1.42 md/Botocore#1.42 ua/2.1 os/linux lang/python#3.12",
        "requestParameters": {"padding": padding},
        "responseElements": None,
        "requestID": f"{n:08x}-0000-4000-8000-{n:012x}",
        "eventID": f"{n:08x}-0000-4000-8000-{n ^ 0x5A5A5A:012x}",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"},
    }


def read(path, folder):
    """Read a file, count what is in it; return what that took."""
    from worlds import T0

    from exporter.admission import Admission
    from exporter.aws import Aws
    from exporter.aws.objects import PIECE
    from exporter.clock import SystemClock
    from exporter.collection import Collection
    from exporter.config import parse
    from exporter.ledger import Ledger
    from exporter.ledger.sqlite import SqliteStore
    from exporter.model import Target
    from exporter.sources.cloudtrail.contents import Contents
    from exporter.sources.cloudtrail.files import named
    from exporter.sources.cloudtrail.readings import SOURCE, Readings
    from exporter.tally import Tally

    class OnDisk:
        name = "logs"

        def read(self, _):
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    yield piece

    clock, tally = SystemClock(local=lambda: T0 + 400.0), Tally()
    ledger = Ledger(SqliteStore(Path(folder) / "ledger.db"), clock, tally)
    collection = Collection(ledger, clock, tally, Admission(200_000))
    readings = Readings("s3", Aws(clock, tally, "bench"), parse(""))
    readings._since = dict.fromkeys(readings.sources, float(T0))
    contents = Contents(OnDisk(), readings)

    class Following:
        name = SOURCE

        def follow(self, told, turn):
            return contents.read(named(KEY), turn)

    home = Target(HOME, REGION)
    idle = peak_since()
    began, cpu = time.perf_counter(), time.process_time()
    turn = collection.turn(SOURCE, lambda _: True, None, lambda: False)
    left = collection.follow(Following(), home, [None], turn)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    above = memory("VmHWM") - idle
    if left:
        raise RuntimeError(f"the file could not be read: {collection.runs()}")
    totals = ledger._books.totals.items()
    counted = sum(one.parts[""] for key, one in totals if key.face[0] == "sagemaker_api_calls_total")
    ledger.close()
    return Took(path.stat().st_size, seconds, cpu, above, int(counted))


def peak_since():
    """Let the peak of memory be told from now on; return what is in use."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def memory(name):
    """Return a figure of this process (bytes)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def took(records=200_000, calls=4, padding=420):
    """Make a file, and read it in a process of its own; return what that took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.json.gz"
        write_it = [sys.executable, __file__, "--write", str(path), str(records), str(calls), str(padding)]
        subprocess.run(write_it, check=True)
        read_it = [sys.executable, __file__, "--read", str(path), folder]
        done = subprocess.run(read_it, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": "."})
        return Took(*json.loads(done.stdout))


def measure(records=200_000, calls=4, padding=420) -> Iterator[Budget]:
    """Tell how fast a file is read and how much memory that takes; yield the lines about it."""
    found = took(records, calls, padding)
    expected = -(-records // calls)
    if found.counted != expected:
        raise RuntimeError(f"{found.counted} calls were counted, not {expected}")
    rate = records / found.seconds
    what = f"{records:,} records in {found.size / 1e6:.1f} MB"
    print(f"{what}, {expected:,} of them counted: {rate:,.0f} a second, {records / found.cpu:,.0f} a second of CPU")
    print(f"memory at the peak: {found.above / 1e6:.1f} MB above idle")
    yield Budget(f"a file of a trail: {what}", f"at least {LEAST:,} a second", f"{rate:,.0f}", rate >= LEAST)
    yield Budget(
        "memory that takes", f"at most {MOST / 1e6:.0f} MB", f"{found.above / 1e6:.1f} MB", found.above <= MOST
    )


def main():
    if sys.argv[1:2] == ["--write"]:
        write(Path(sys.argv[2]), *map(int, sys.argv[3:]))
    elif sys.argv[1:2] == ["--read"]:
        print(json.dumps(read(Path(sys.argv[2]), sys.argv[3])))
    else:
        options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
        for name, usual in (("records", 200_000), ("calls", 4), ("padding", 420)):
            options.add_argument(f"--{name}", type=int, default=usual)
        given = options.parse_args()
        for line in measure(given.records, given.calls, given.padding):
            print(line)


if __name__ == "__main__":
    main()
