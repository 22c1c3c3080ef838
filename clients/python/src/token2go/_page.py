"""The page that a browser sees when it has brought an answer. It needs nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
from html import escape

_STYLE = """
:root{color-scheme:light dark;--ink:#16202c;--soft:#55606e;--paper:#fff;--ground:#eef1f5;--good:#0b6b45;--bad:#a32020}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf3;--soft:#a3afbd;--paper:#1a222c;--ground:#10161d;
--good:#5fd3a2;--bad:#ff9a8f}}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--ground);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif}
main{background:var(--paper);border-radius:14px;padding:2rem 2.5rem;max-width:30rem;margin:1rem;
overflow-wrap:anywhere;border-top:5px solid var(--good)}
main.bad{border-color:var(--bad)}h1{font-size:1.35rem;margin:0 0 .5rem;color:var(--good)}.bad h1{color:var(--bad)}
p{margin:.5rem 0}.soft{color:var(--soft)}.words{font:600 1.1rem ui-monospace,monospace;word-spacing:.6em}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
}


def page(title: str, text: str, words: tuple[str, ...] = (), *, good: bool = True, close: bool = False) -> str:
    """A whole page. All that it is given is escaped."""
    lines = [f"<h1>{escape(title)}</h1>", f"<p>{escape(text)}</p>"]
    if words:
        lines.append(f'<p class="words" id="words">{escape(" ".join(words))}</p>')
        lines.append('<p class="soft">Your program shows the same four words.</p>')
    if close:
        lines.append('<p class="soft">You can close this page.</p>')
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Token2go</title><style>{_STYLE}</style></head>\n"
        f'<body><main class="{"good" if good else "bad"}">\n' + "\n".join(lines) + "\n</main></body>\n</html>\n"
    )
