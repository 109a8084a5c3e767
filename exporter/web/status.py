"""The page for people: what runs on which target, when it last worked, how old its data is, and what it costs.

Everything on it is on /metrics too, but for the words of errors. No external assets, no scripts: what AWS supplies is
text here and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from exporter.collection import Run
from exporter.model import Snapshot, Target

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
:root { --line: color-mix(in srgb, currentColor 14%, transparent); }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 66rem; }
header { display: flex; flex-wrap: wrap; gap: .3rem 1rem; align-items: baseline; }
h1 { font-size: 1.35rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0; font-variant-numeric: tabular-nums; }
small, .dim { opacity: .65; font-weight: normal; }
nav { margin-left: auto; } nav a { margin-left: .9rem; }
.note { background: color-mix(in srgb, #d4a72c 22%, transparent); padding: .5rem .8rem; border-radius: .5rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem; margin: 1.2rem 0; }
dl div { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .8rem; }
dt { font-size: .8rem; opacity: .65; }
dd { margin: 0; font-size: 1.1rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
section { border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; margin: 1rem 0; overflow-x: auto; }
section > div { display: flex; flex-wrap: wrap; gap: .2rem .8rem; align-items: baseline; margin-bottom: .4rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; font-size: .8rem; opacity: .65; }
td, th { padding: .3rem .9rem .3rem 0; border-top: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
tr:first-child th { border-top: 0; } td.why { white-space: normal; overflow-wrap: anywhere; font-size: .9rem; }
section p { margin: 0; }
.badge { border-radius: 1rem; padding: .05rem .6rem; font-size: .85rem; white-space: nowrap; }
.ok { background: #1a7f3726; color: light-dark(#116329, #56d364); }
.partial { background: #bf870026; color: light-dark(#7d4e00, #e3b341); }
.bad { background: #cf222e26; color: light-dark(#a40e26, #ff7b72); }
@media (max-width: 44rem) {
  nav { margin-left: 0; width: 100%; } nav a { margin: 0 .9rem 0 0; }
  table, tbody, tr, td { display: block; } tr:has(th) { display: none; }
  tr { border-top: 1px solid var(--line); padding: .4rem 0; } td { border: 0; padding: .05rem 0; }
  td:empty { display: none; }
  td[data-is]::before { content: attr(data-is) ": "; opacity: .65; }
}
"""

# No name that AWS supplies can become a script, and no other page can frame this one: all that is allowed is our style.
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "deny",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_OWN = "sagemaker_exporter_"
_NAMESPACE_SOURCE = "cloudwatch_metrics"

Labels = tuple[str, ...]


class View(NamedTuple):
    """What the page is made of.

    `waiting` are targets without a login: who, and why, if that is known yet; `ignored` those that are never read.
    """

    version: str
    note: str  # a word that people must see first
    metrics_path: str
    ready: bool
    now: float
    snapshot: Snapshot
    tally: Mapping[str, Mapping[Labels, float]]  # by family and labels
    runs: Sequence[Run]  # the newest of each source on each target
    failures: Sequence[Run]  # the last ones in which something failed, the newest last
    waiting: Sequence[tuple[str, str]]
    ignored: Sequence[tuple[str, str]] = ()


def page(view: View) -> bytes:
    """Return the page."""
    targets = sorted({run.target for run in view.runs}, key=lambda target: (target.account_id, target.region))
    own = _Own(view)
    banner = f'<p class="note">{_text(view.note)}</p>' if view.note else ""
    sections = "".join(_target(view, own, target) for target in targets)
    waiting = "".join(
        f"<section><div><h2>{_text(who)}</h2>{_badge('no login', 'bad' if why else 'partial')}</div>"
        f"<p>{_text(why or 'logging in')}</p></section>"
        for who, why in view.waiting
    ) + "".join(
        f"<section><div><h2>{_text(who)}</h2>{_badge('not read', 'bad')}</div><p>{_text(why)}</p></section>"
        for who, why in view.ignored
    )
    empty = "" if sections or waiting else "<section><p>No source has run yet.</p></section>"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>sagemaker-exporter</title><style>{_STYLE}</style></head><body>
<header><h1>sagemaker-exporter <small>{_text(view.version)}</small></h1>
{_badge("ready", "ok") if view.ready else _badge("first round", "partial")}
<nav><a href="{_text(view.metrics_path)}">metrics</a><a href="/-/healthy">healthy</a><a href="/-/ready">ready</a></nav>
</header>{banner}{_summary(view, own)}{waiting}{sections}{empty}{_failures(view)}</body></html>
""".encode()


class _Own:
    """What the exporter says of itself, by name without the prefix."""

    def __init__(self, view: View) -> None:
        self._values: dict[str, dict[Labels, float]] = {}
        for (family, _), chunk in view.snapshot.chunks.items():
            pairs = zip(chunk.labels, chunk.columns.get("", ()), strict=False)
            self._values.setdefault(family, {}).update({labels: value for labels, value in pairs if value is not None})
        self._values.update({family: dict(values) for family, values in view.tally.items()})

    def of(self, name: str, *first: str) -> Mapping[Labels, float]:
        """Return the values of a family whose labels begin so, by the rest of its labels."""
        found = self._values.get(_OWN + name, {})
        return {labels[len(first) :]: value for labels, value in found.items() if labels[: len(first)] == first}

    def one(self, name: str, *labels: str) -> float | None:
        """Return one value, if there is one."""
        return self._values.get(_OWN + name, {}).get(labels)


def _summary(view: View, own: _Own) -> str:
    up = own.of("target_up")
    usd, calls = sum(own.of("aws_cost_usd_total").values()), sum(own.of("aws_requests_total").values())
    size, reloaded = own.one("ledger_size_bytes"), own.one("config_last_reload_timestamp_seconds")
    facts = [
        ("targets up", f"{sum(up.values()):.0f} of {len(up)}"),
        ("series", f"{own.one('series') or 0:,.0f}"),
        ("AWS calls since the start", f"{calls:,.0f}"),
        ("their price", f"{usd:,.4f} USD"),
        ("ledger", f"{size / 1e6:,.1f} MB" if own.one("ledger_persistent") and size is not None else "in memory"),
        ("configuration loaded", _ago(view.now - reloaded) if reloaded else "at the start"),
    ]
    if own.one("config_last_reload_successful") == 0:
        facts.append(("last reload", "refused, see the log"))
    return "<dl>" + "".join(f"<div><dt>{_text(k)}</dt><dd>{_text(v)}</dd></div>" for k, v in facts) + "</dl>"


def _target(view: View, own: _Own, target: Target) -> str:
    where = (target.account_id, target.region)
    alias = next((labels[0] for labels in own.of("target_info", *where) if labels[0]), "")
    usd = sum(own.of("aws_cost_usd_total", *where).values())
    calls = sum(own.of("aws_requests_total", *where).values())
    badges = [_badge("up", "ok") if own.one("target_up", *where) else _badge("down", "bad")]
    if any(own.of("catching_up", *where).values()):
        badges.append(_badge("catching up", "partial"))
    stage = own.one("thinning_stage", *where)
    if stage:
        badges.append(_badge(f"slowed to stage {stage:.0f} by the dollar limit", "partial"))
    name = f"{_text(target.account_id)} {_text(target.region)}"
    title = f"<h2>{name} <small>{_text(alias)}</small></h2>{''.join(badges)}"
    cost = f'<span class="dim">{calls:,.0f} calls, {usd:,.4f} USD since the start</span>'
    heads = ("source", "outcome", "last success", "took", "next run", "series", "newest data", "could not look at")
    head = "".join(f"<th>{name}</th>" for name in heads)
    runs = sorted((run for run in view.runs if run.target == target), key=lambda run: run.source)
    rows = "".join(_row(view, own, run) for run in runs)
    return f"<section><div>{title}{cost}</div><table><tr>{head}</tr>{rows}</table></section>"


def _row(view: View, own: _Own, run: Run) -> str:
    where = (run.target.account_id, run.target.region, run.source)
    worked = own.one("source_last_success_timestamp_seconds", *where)
    every = own.one("source_interval_seconds", run.source)
    series = own.one("source_series", *where)
    newest = own.of("data_newest_timestamp_seconds", *where[:2]) if run.source == _NAMESPACE_SOURCE else {}
    cells = [
        ("", _text(run.source)),
        ("", _badge(run.outcome, {"ok": "ok", "partial": "partial"}.get(run.outcome, "bad"))),
        ("last success", _text(_ago(view.now - worked) if worked else "never")),
        ("took", f"{run.seconds:.1f} s"),
        ("next run", _text(_in(run.at + every - view.now) if every else "")),
        ("series", "" if series is None else f"{series:,.0f}"),
        ("newest data", _text(_ago(view.now - max(newest.values())) if newest else "")),
    ]
    shown = "".join(f'<td data-is="{label}">{cell}</td>' if label else f"<td>{cell}</td>" for label, cell in cells)
    return f'<tr>{shown}<td class="why">{"<br>".join(_why(run))}</td></tr>'


def _failures(view: View) -> str:
    if not view.failures:
        return ""
    rows = "".join(
        f"<tr><td>{time.strftime('%H:%M:%S', time.gmtime(run.at))}</td>"
        f"<td>{_text(run.target.account_id)} {_text(run.target.region)}</td><td>{_text(run.source)}</td>"
        f'<td class="why">{"<br>".join(_why(run))}</td></tr>'
        for run in reversed(view.failures)
    )
    head = "<tr><th>UTC</th><th>target</th><th>source</th><th>what failed</th></tr>"
    return f"<section><div><h2>Recent failures</h2></div><table>{head}{rows}</table></section>"


def _why(run: Run, most: int = 5) -> Iterator[str]:
    for failure in run.failures[:most]:
        yield f"{_text(failure.scope)} <b>{_text(failure.error_class)}</b> {_text(failure.detail[:300])}"
    if len(run.failures) > most:
        yield f"and {len(run.failures) - most} more"


def _badge(words: str, kind: str) -> str:
    return f'<span class="badge {kind}">{_text(words)}</span>'


def _text(words: str) -> str:
    return html.escape(words)


def _ago(seconds: float) -> str:
    return "now" if seconds < 1 else f"{_span(seconds)} ago"


def _in(seconds: float) -> str:
    return "now" if seconds < 1 else f"in {_span(seconds)}"


def _span(seconds: float) -> str:
    for width, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * width:
            return f"{seconds / width:.0f} {unit}"
    return f"{seconds:.0f} s"
