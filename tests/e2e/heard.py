"""The exporter's command, with a source that hears the queue `events`; see tests/listening.py."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from listening import Counting

from exporter import cli, daemon

if __name__ == "__main__":
    daemon._listeners = lambda *_: [(Counting(), "events")]
    cli.main()
