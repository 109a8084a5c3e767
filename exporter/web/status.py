"""The page for people: which source ran on which target, when, and what came of it. No external assets."""

from __future__ import annotations

import base64
import hashlib
import html
import time
from collections.abc import Iterable

from exporter.collection import Run

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h1 small { font-weight: normal; opacity: .6; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
td, th { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
.ok { color: #1a7f37; } .partial { color: #9a6700; } .denied, .throttled, .failed { color: #cf222e; }
.note { background: color-mix(in srgb, #d4a72c 20%, transparent); padding: .5rem .8rem; border-radius: .4rem; }
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


def page(version: str, runs: Iterable[Run], note: str, metrics_path: str) -> bytes:
    """Return the page; `note` is a word that people must see first."""
    newest = {(run.source, run.target): run for run in runs}
    rows = "".join(
        _row(run) for _, run in sorted(newest.items(), key=lambda item: (item[0][1].account_id, *item[0][:1]))
    )
    banner = f'<p class="note">{html.escape(note)}</p>' if note else ""
    body = rows or '<tr><td colspan="7">no source has run yet</td></tr>'
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>sagemaker-exporter</title><style>{_STYLE}</style></head><body>
<h1>sagemaker-exporter <small>{html.escape(version)}</small></h1>{banner}
<p>Amazon SageMaker as Prometheus data:
<a href="{html.escape(metrics_path)}">metrics</a> · <a href="/-/healthy">healthy</a> · <a href="/-/ready">ready</a></p>
<table><tr><th>account</th><th>region</th><th>source</th><th>last run</th><th>took</th><th>outcome</th>
<th>could not look at</th></tr>{body}</table></body></html>
""".encode()


def _row(run: Run) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(run.at))
    failures = "; ".join(f"{failure.scope} ({failure.error_class})" for failure in run.failures[:5])
    cells = (run.target.account_id, run.target.region, run.source, when, f"{run.seconds:.1f} s", run.outcome, failures)
    marked = "".join(
        f"<td{f' class={run.outcome}' if n == 5 else ''}>{html.escape(c)}</td>" for n, c in enumerate(cells)
    )
    return f"<tr>{marked}</tr>"
