"""The page for people: what is wrong, what runs on which target, when it last worked, how old its data is, its cost.

Everything on it is on /metrics too, but for the words of errors and the dollars of the month. No external assets, no
scripts: what AWS supplies is text here and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from exporter.collection import Run
from exporter.model import Snapshot, Target
from exporter.road import State
from exporter.sources.cloudwatch_metrics.rests import STAGES

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
:root { --line: color-mix(in srgb, currentColor 14%, transparent); }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 66rem; }
header, summary { display: flex; flex-wrap: wrap; gap: .2rem .8rem; align-items: baseline; }
h1 { font-size: 1.35rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0; font-variant-numeric: tabular-nums; }
h2, li, p { overflow-wrap: anywhere; } small, .dim { opacity: .7; font-weight: normal; }
nav { margin-left: auto; } nav a { margin-left: .9rem; }
.note { background: color-mix(in srgb, #d4a72c 22%, transparent); padding: .5rem .8rem; border-radius: .5rem; }
p.note { margin: 1rem 0; }
.trouble { list-style: none; margin: 1rem 0; padding: 0; }
.trouble li { border-left: .3rem solid; border-radius: .3rem; padding: .3rem .8rem; margin: .3rem 0; }
.trouble li { white-space: pre-line; }
.trouble a { color: inherit; font-weight: 600; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem; margin: 1.2rem 0; }
dl div { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .8rem; }
dt { font-size: .8rem; opacity: .7; }
dd { margin: 0; font-size: 1.1rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
details { border: 1px solid var(--line); border-radius: .5rem; padding: .7rem 1rem; margin: .7rem 0; overflow-x: auto; }
summary { cursor: pointer; position: relative; padding-left: 1.3rem; }
summary::before { content: "+"; position: absolute; left: 0; opacity: .7; }
[open] > summary::before { content: "\\2212"; } [open] > summary { margin-bottom: .4rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; font-size: .8rem; opacity: .7; }
td, th { padding: .3rem .9rem .3rem 0; border-top: 1px solid var(--line); white-space: nowrap; }
td, th { vertical-align: baseline; }
tr:first-child th, .why td { border-top: 0; } .number { text-align: right; padding-right: 2rem; }
.why td, td.why { white-space: normal; overflow-wrap: anywhere; font-size: .9rem; padding-top: 0; }
td.why { padding-top: .3rem; } p { margin: .3rem 0; }
.badge { border-radius: 1rem; padding: .05rem .6rem; font-size: .85rem; white-space: nowrap; }
.ok { background: #1a7f3726; color: light-dark(#116329, #56d364); }
.partial { background: #bf870026; color: light-dark(#7d4e00, #e3b341); }
.bad { background: #cf222e26; color: light-dark(#a40e26, #ff7b72); }
footer { font-size: .85rem; margin-top: 1.5rem; }
@media (max-width: 44rem) {
  nav { margin-left: 0; width: 100%; } nav a { margin: 0 .9rem 0 0; }
  table, tbody { display: block; } tr:has(th) { display: none; }
  tr { display: flex; flex-wrap: wrap; gap: 0 .9rem; border-top: 1px solid var(--line); padding: .4rem 0; }
  td, .number { border: 0; padding: .05rem 0; text-align: left; } td:empty { display: none; } .why { border-top: 0; }
  td[data-is]::before { content: attr(data-is) " "; opacity: .7; font-size: .9rem; }
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
OVERDUE = 60.0  # seconds by which a source may be late, beyond three of its intervals, before people are told
_MOST_TROUBLES = 20  # that are listed first
_MOST_WORDS = 400  # characters of what AWS says
_MOST_FAMILIES = 5  # that are named
_MANY = 6  # targets above which those without trouble are folded

Labels = tuple[str, ...]


class View(NamedTuple):
    """What the page is made of.

    `waiting` are targets without a login: who, and why, if that is known yet; `ignored` tells which are never read.
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
    ignored: Sequence[str]
    queues: Sequence[State]
    refused: str  # why the last reload was refused, if it was
    spent: float  # USD of this month,
    limit: float  # and how many it may have
    left_out: Mapping[tuple[Target, str], Mapping[str, int]]  # series by family that did not fit, of a source


class _Trouble(NamedTuple):
    """What people must know first; `target` is where more is said."""

    kind: str  # bad or partial
    words: str
    target: Target | None = None


def page(view: View) -> bytes:
    """Return the page."""
    own = _Own(view)
    troubles = sorted(_troubles(view, own), key=lambda one: one.kind)  # bad ones first
    worst = {one.target: one.kind for one in reversed(troubles)}
    targets = sorted(_sorted({run.target for run in view.runs}), key=lambda target: worst.get(target, "well"))
    banner = f'<p class="note">{_text(view.note)}</p>' if view.note else ""
    folded = len(targets) > _MANY
    sections = "".join(_target(view, own, one, folded=folded and one not in worst) for one in targets)
    waiting = "".join(f"<p>{_text(who)}: logging in</p>" for who, why in view.waiting if not why)
    empty = "" if sections or view.waiting else "<p>No source has run yet.</p>"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>sagemaker-exporter</title><style>{_STYLE}</style></head><body>
<header><h1>sagemaker-exporter <small>{_text(view.version)}</small></h1>{_verdict(view, troubles)}
<small>{time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(view.now))} UTC</small>
<nav><a href="{_text(view.metrics_path)}">metrics</a><a href="/-/healthy">healthy</a><a href="/-/ready">ready</a></nav>
</header>{banner}{_listed(troubles)}{_summary(view, own)}{waiting}{empty}{sections}{_queues(view, own)}
{_failures(view)}
{_LEGEND}</body></html>
""".encode()


_LEGEND = """<footer class="dim"><p><b>ok</b>: the last run of the source was complete; <b>partial</b>: some of it could
not be read; any other outcome: nothing could. <b>took</b>: that run. <b>series</b>: what the source shows on the
metrics page. <b>newest data</b>: the end of the newest period of which CloudWatch has told. Calls count since the
start; prices are AWS's list prices, estimated from what was asked.</p></footer>"""


def _troubles(view: View, own: _Own) -> Iterator[_Trouble]:
    """Yield what is wrong, or will surprise people."""
    if own.one("config_last_reload_successful") == 0:
        yield _Trouble("bad", f"The last reload was refused, the configuration before it stays: {view.refused}")
    for queue in view.queues:
        yield from _troubles_of_queue(own, queue)
    refusals = {failure.detail for run in view.runs for failure in run.failures if failure.scope == "ledger"}
    if refusals:
        yield _Trouble("bad", f"The ledger can't be written, all counters stand still: {min(refusals)}")
    for who, why in view.waiting:
        if why:
            yield _Trouble("bad", f"{who}: no login: {why}")
    for why in view.ignored:
        yield _Trouble("bad", why)
    for target in _sorted({run.target for run in view.runs}):
        found = [one for run in _runs(view, target) for one in _troubles_of(view, own, run)]
        if found:
            yield _Trouble(min(kind for kind, _ in found), "; ".join(words for _, words in found), target)
    for labels, value in own.of("catching_up").items():
        if value:
            words = "catching up: counters that were not read for long come back when they are"
            yield _Trouble("partial", words, Target(*labels[:2]))
    if view.spent > view.limit:
        words = f"limits.usd_per_month is exceeded: {_amount(view.spent)} of {view.limit:,.2f} USD this month"
        yield _Trouble("bad", words)
    dropped = sum(own.of("series_dropped").values())
    if dropped:
        limit = own.one("series_limit") or 0.0
        yield _Trouble("partial", f"{dropped:,.0f} series do not fit into limits.series ({limit:,.0f}): left out")
    for (target, source), families in view.left_out.items():
        most = sorted(families.items(), key=lambda one: (-one[1], one[0]))
        more = f" and {len(most) - _MOST_FAMILIES} more families" if len(most) > _MOST_FAMILIES else ""
        named = ", ".join(f"{family} ({series:,})" for family, series in most[:_MOST_FAMILIES])
        yield _Trouble("partial", f"{source} leaves out {named}{more}", target)
    stage = max(own.of("thinning_stage").values(), default=0.0)
    if stage:
        yield _Trouble(
            "partial",
            f"The dollar limit slows readings, stage {stage:.0f} of {len(STAGES)}: counters stay exact and come later, "
            "errors of endpoints in service within 5 minutes",
        )


def _troubles_of(view: View, own: _Own, run: Run) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a source on a target: how bad it is, in words."""
    worked = own.one("source_last_success_timestamp_seconds", run.target.account_id, run.target.region, run.source)
    since = f"last complete {_ago(view.now - worked)}" if worked else "never complete so far"
    every = own.one("source_interval_seconds", run.source)
    if run.outcome != "ok":
        yield _kind(run), f"{run.source} {run.outcome}, {since}"
    elif every and view.now - run.at - run.seconds > 3 * every + OVERDUE:
        yield "bad", f"{run.source} does not come to an end, {since}"


def _troubles_of_queue(own: _Own, queue: State) -> Iterator[_Trouble]:
    if queue.trouble:
        yield _Trouble("bad", f"queue {queue.name}: {queue.trouble}")
    if not queue.listeners:
        yield _Trouble("partial", f"queue {queue.name}: no source that is enabled reads it, nothing is received")
    dead = own.one("queue_dead_letters", queue.target.account_id, queue.target.region, queue.name)
    if dead:
        yield _Trouble("partial", f"queue {queue.name}: {dead:,.0f} messages are in its dead-letter queue")


def _verdict(view: View, troubles: Sequence[_Trouble]) -> str:
    if troubles:
        bad = sum(one.kind == "bad" for one in troubles)
        return _badge(f"{bad} problem{'' if bad == 1 else 's'}", "bad") if bad else _badge("degraded", "partial")
    return _badge("all is well", "ok") if view.ready else _badge("first round", "partial")


def _listed(troubles: Sequence[_Trouble]) -> str:
    lines = [
        f'<li class="{kind}">{_link(target) if target else ""}{_text(words[:_MOST_WORDS])}</li>'
        for kind, words, target in troubles[:_MOST_TROUBLES]
    ]
    if len(troubles) > _MOST_TROUBLES:
        lines.append(f"<li>and {len(troubles) - _MOST_TROUBLES} more</li>")
    return f'<ul class="trouble">{"".join(lines)}</ul>' if lines else ""


def _sorted(targets: Iterable[Target]) -> list[Target]:
    return sorted(targets, key=lambda target: (target.account_id, target.region))


def _runs(view: View, target: Target) -> list[Run]:
    return sorted((run for run in view.runs if run.target == target), key=lambda run: run.source)


def _link(target: Target) -> str:
    return f'<a href="#{_text(_anchor(target))}">{_text(target.account_id)} {_text(target.region)}</a> '


def _anchor(target: Target) -> str:
    return f"{target.account_id}-{target.region}"


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
    calls = sum(own.of("aws_requests_total").values())
    size, reloaded = own.one("ledger_size_bytes"), own.one("config_last_reload_timestamp_seconds")
    facts = [
        ("targets logged in", f"{sum(up.values()):.0f} of {len(up)}"),
        ("series on /metrics", f"{own.one('series') or 0:,.0f}"),
        ("calls to AWS", f"{calls:,.0f}"),
        ("USD this month", f"{_amount(view.spent)} of {view.limit:,.2f}".removesuffix(".00")),
        ("ledger", f"{size / 1e6:,.1f} MB" if own.one("ledger_persistent") and size is not None else "in memory"),
        ("configuration loaded", _ago(view.now - reloaded) if reloaded else "at the start"),
    ]
    return "<dl>" + "".join(f"<div><dt>{_text(k)}</dt><dd>{_text(v)}</dd></div>" for k, v in facts) + "</dl>"


def _target(view: View, own: _Own, target: Target, *, folded: bool) -> str:
    where = (target.account_id, target.region)
    alias = next((labels[0] for labels in own.of("target_info", *where) if labels[0]), "")
    usd = sum(own.of("aws_cost_usd_total", *where).values())
    calls = sum(own.of("aws_requests_total", *where).values())
    runs = _runs(view, target)
    badges = [_badge("no login", "bad")] if own.one("target_up", *where) == 0 else []
    badges += [_badge(f"{run.source} {run.outcome}", _kind(run)) for run in runs if run.outcome != "ok"]
    if any(own.of("catching_up", *where).values()):
        badges.append(_badge("catching up", "partial"))
    name = f"{_text(target.account_id)} {_text(target.region)}"
    title = f"<h2>{name} <small>{_text(alias)}</small></h2>{''.join(badges) or _badge('ok', 'ok')}"
    cost = f'<span class="dim">{calls:,.0f} calls, {_amount(usd)} USD since the start</span>'
    heads = ("source", "outcome", "last complete", "took", "next run", "series", "newest data")
    head = "".join(f'<th class="number">{name}</th>' if name in _NUMBERS else f"<th>{name}</th>" for name in heads)
    rows = "".join(_row(view, own, run) for run in runs)
    return (
        f'<details id="{_text(_anchor(target))}"{"" if folded else " open"}><summary>{title}{cost}</summary>'
        f"<table><tr>{head}</tr>{rows}</table></details>"
    )


_NUMBERS = ("took", "series", "deleted", "left", "visible", "in flight", "dead letters")


def _row(view: View, own: _Own, run: Run) -> str:
    where = (run.target.account_id, run.target.region, run.source)
    worked = own.one("source_last_success_timestamp_seconds", *where)
    every = own.one("source_interval_seconds", run.source)
    series = own.one("source_series", *where)
    newest = own.of("data_newest_timestamp_seconds", *where[:2]) if run.source == _NAMESPACE_SOURCE else {}
    cells = [
        ("", _text(run.source)),
        ("", _badge(run.outcome, _kind(run))),
        ("last complete", _text(_ago(view.now - worked) if worked else "never")),
        ("took", f"{run.seconds:.1f} s"),
        ("next run", _text(_in(run.at + every - view.now) if every else "")),
        ("series", "" if series is None else f"{series:,.0f}"),
        ("newest data", _text(_ago(view.now - max(newest.values())) if newest else "")),
    ]
    shown = "".join(_cell(label, cell) for label, cell in cells)
    why = f'<tr class="why"><td colspan="{len(cells)}">{"<br>".join(_why(run, 3))}</td></tr>' if run.failures else ""
    return f"<tr>{shown}</tr>{why}"


def _cell(label: str, cell: str) -> str:
    if not label or not cell:
        return f"<td>{cell}</td>"
    number = ' class="number"' if label in _NUMBERS else ""
    return f'<td data-is="{label}"{number}>{cell}</td>'


def _kind(run: Run) -> str:
    return {"ok": "ok", "partial": "partial"}.get(run.outcome, "bad")


def _queues(view: View, own: _Own) -> str:
    if not view.queues:
        return ""
    heads = ("queue", "", "read by", "last looked", "deleted", "left", "visible", "in flight", "dead letters")
    head = "".join(f'<th class="number">{name}</th>' if name in _NUMBERS else f"<th>{name}</th>" for name in heads)
    rows = "".join(_queue(view, own, queue) for queue in view.queues)
    return f"<details open><summary><h2>Queues</h2></summary><table><tr>{head}</tr>{rows}</table></details>"


def _queue(view: View, own: _Own, queue: State) -> str:
    where = (queue.target.account_id, queue.target.region, queue.name)
    became, holds = own.of("queue_received_total", *where), own.of("queue_messages", *where)
    deleted = became.get(("deleted",), 0.0)
    well = "not read" if not queue.listeners else "failed" if queue.trouble else "ok"
    numbers = {
        "deleted": deleted,
        "left": sum(became.values()) - deleted,
        "visible": holds.get(("visible",)),
        "in flight": holds.get(("in_flight",)),
        "dead letters": own.one("queue_dead_letters", *where),
    }
    cells = [
        ("", f"{_text(queue.name)} <small>{_text(queue.target.account_id)} {_text(queue.target.region)}</small>"),
        ("", _badge(well, {"ok": "ok", "not read": "partial"}.get(well, "bad"))),
        ("read by", _text(", ".join(queue.listeners))),
        ("last looked", _text(_ago(view.now - queue.received_at) if queue.received_at else "never")),
        *((name, "" if number is None else f"{number:,.0f}") for name, number in numbers.items()),
    ]
    return f"<tr>{''.join(_cell(label, cell) for label, cell in cells)}</tr>"


def _failures(view: View) -> str:
    if not view.failures:
        return ""
    rows = "".join(
        f"<tr><td>{time.strftime('%m-%d %H:%M:%S', time.gmtime(run.at))}</td>"
        f"<td>{_text(run.target.account_id)} {_text(run.target.region)}</td><td>{_text(run.source)}</td>"
        f'<td class="why">{"<br>".join(_why(run, 2))}</td></tr>'
        for run in reversed(view.failures)
    )
    head = "<tr><th>began (UTC)</th><th>target</th><th>source</th><th>could not look at</th></tr>"
    title = '<h2>Recent failures</h2><span class="dim">the newest first, each kind once</span>'
    return f"<details><summary>{title}</summary><table>{head}{rows}</table></details>"


def _why(run: Run, most: int) -> Iterator[str]:
    for failure in run.failures[:most]:
        yield f"<b>{_text(failure.error_class)}</b> {_text(failure.scope)}: {_text(failure.detail[:_MOST_WORDS])}"
    if len(run.failures) > most:
        yield f"and {len(run.failures) - most} more"


def _amount(usd: float) -> str:
    return f"{usd:,.2f}" if usd >= 1 else f"{usd:.4f}"


def _badge(words: str, kind: str) -> str:
    return f'<span class="badge {kind}">{_text(words)}</span>'


def _text(words: str) -> str:
    """Return words of whomever as HTML: nothing that turns the direction of the text, or that can't be sent at all."""
    return html.escape("".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in words))


def _ago(seconds: float) -> str:
    return "now" if seconds < 1 else f"{_span(seconds)} ago"


def _in(seconds: float) -> str:
    return "now" if seconds < 1 else f"in {_span(seconds)}"


def _span(seconds: float) -> str:
    for width, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * width:
            return f"{seconds / width:.0f} {unit}"
    return f"{seconds:.0f} s"
