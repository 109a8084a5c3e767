"""What follows from the rows, as text: METRICS.md, the IAM policy, the list of stable names.

`python -m exporter.catalogue.derive` writes the files below the working directory; with `--check` it writes nothing,
names what is out of date and exits with 1.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from exporter.catalogue import CATALOGUE, TABLES
from exporter.catalogue.breakdowns import BREAKDOWNS
from exporter.catalogue.labels import LABELS
from exporter.catalogue.permissions import ACTIONS, OFF, policy
from exporter.catalogue.rows import Row

_INTRO = """# Metrics

Derived from the catalogue by `make derive`; edit `exporter/catalogue/`, not this file.

Every family that sagemaker-exporter exposes is in this file: {count} in all, {on} of them on by default.

- **Counters** equal the sum of CloudWatch's *final* values since counting began, over restarts and outages. They never
  go down: after a downward revision they wait (`sagemaker_exporter_series_ahead`). An unforeseen one stands at 0 for
  `web.zero_hold` before its first value, so that `increase()` sees it.
- **Summaries** have an exact `_sum` and `_count` by the same rule. Quantiles are those of the newest settled period and
  do not add up: `rate(x_sum[5m]) / rate(x_count[5m])` is the exact mean over series.
- **Gauges** show the newest period that ended at least `gauge_delay` ago, and vanish when that is too old.
- **State sets** have one series for each state: 1 for the one that holds. State sets and facts (`_info`) are gauges.
- *off* families are switched on by `families.include` in the configuration (`sagemaker_resource_tags_info` by
  `labels.tags`). *experimental* ones may still change: AWS's sources disagree about them, or are silent.
- A **breakdown** is a second form of a family with a finer dimension set, off by default. Never add it to its base: it
  counts the same things again.
"""


def metrics_page() -> str:
    """Return METRICS.md."""
    on = sum(row.on for row in CATALOGUE.values())
    parts = [_INTRO.format(count=len(CATALOGUE), on=on)]
    for subject, rows in TABLES.items():
        about = (importlib.import_module(f"exporter.catalogue.{subject}").__doc__ or "").strip()
        parts.append(f"## {subject.replace('_', ' ').capitalize()}\n\n{about}\n")
        parts.append("| family | type | labels | meaning |\n| --- | --- | --- | --- |")
        parts += [_line(row) for row in rows]
        parts.append("")
    parts += ["## Breakdowns\n", "| word in the name | of | adds the labels | meaning |", "| --- | --- | --- | --- |"]
    for breakdown in BREAKDOWNS.values():
        labels = ", ".join(f"`{label}`" for label in {**breakdown.adds, **(breakdown.instead or {})}.values())
        instead = "" if breakdown.instead is None else " instead of the base labels"
        parts.append(f"| `{breakdown.word}` | `{breakdown.of}` | {labels or 'none'}{instead} | {breakdown.help} |")
    parts += ["\n## Labels\n", "| label | meaning | bound |", "| --- | --- | --- |"]
    parts += [f"| `{name}` | {label.means} | {label.bound} |" for name, label in sorted(LABELS.items())]
    return "\n".join(parts) + "\n"


def _line(row: Row) -> str:
    words = [*([] if row.on else ["off"]), *([] if row.stable else ["experimental"])]
    name = f"`{row.name}`" + (f" ({', '.join(words)})" if words else "")
    kind = row.type + (f", {row.unit}" if row.unit else "")
    own = [label for label in row.labels if label not in {"account_id", "region"}]
    labels = ", ".join(f"`{label}`" for label in (*own, row.label_pattern) if label)
    meaning = row.help
    if row.ask:
        shape = row.ask.shape
        meaning += f" *{shape.namespaces[0]} {row.ask.metrics[0]}: {', '.join(row.ask.stats)}; {row.pace}.*"
    elif row.reads:
        meaning += f" *{row.reads}.*"
    if row.breakdowns:
        meaning += f" Breakdowns: {', '.join(f'`{word}`' for word in row.breakdowns)}."
    return f"| {name} | {kind} | {labels} | {meaning} |"


def stable_names() -> str:
    """Return the promise: stable families with type and labels, a line each, none of which may go or change."""
    stable = (row for row in CATALOGUE.values() if row.stable)
    lines = (f"{row.name} {row.type} {','.join(filter(None, (*row.labels, row.label_pattern)))}" for row in stable)
    return "\n".join(sorted(lines)) + "\n"


def iam_policy() -> str:
    """Return the least-privilege policy for everything that is on by default."""
    return json.dumps(policy([source for source in ACTIONS if source not in OFF]), indent=2) + "\n"


FILES = {
    "METRICS.md": metrics_page,
    "deploy/aws/iam-policy.json": iam_policy,
    "tests/golden/stable_names.txt": stable_names,
}


def main(check: bool, files: Mapping[str, Callable[[], str]] = FILES) -> int:  # noqa: FBT001 - what it is about
    """Write derived files, or check them."""
    stale = [name for name, made in files.items() if not Path(name).exists() or Path(name).read_text() != made()]
    for name in stale:
        if check:
            sys.stderr.write(f"{name} is out of date: run `make derive`\n")
        else:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(files[name]())
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
