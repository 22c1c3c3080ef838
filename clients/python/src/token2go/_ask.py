"""One question to the person: where it is shown, how the answer comes back, and what ends it."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from token2go import _browser, _console, _notebook, _probe, _server, _terminal
from token2go._call import Call
from token2go._errors import OptionError, TimedOutError
from token2go._notebook import Notebook
from token2go._options import Method, Settings
from token2go._paste import Warn
from token2go._prompt import Prompt
from token2go._token import Token
from token2go._wait import CallOff, Wait


def ask(o: Settings, call_off: CallOff | None = None) -> tuple[Token, bool]:
    """Asks the person, and returns the token and whether it may be kept."""
    notebook = _notebook.current()
    way = choose_way(o, notebook)
    if o.check and way != "paste" and _server.is_loopback(urlsplit(o.server).hostname or ""):
        # On this very computer: what this program cannot reach, the browser cannot either.
        _probe.probe(o.server, ca_file=o.ca_file, timeout=min(10, o.timeout))
    call = Call(o.server, triple=o.format == "triple", client=o.client, min_ttl=math.ceil(o.min_ttl))
    until = time.monotonic() + o.timeout
    warn = notebook.warn if notebook else _console.warn
    if notebook and way == "paste":
        prompt = _prompt(o, call, paste_url=call.to_paste(), pasting=True)
        notebook.show(prompt, o.show)
        _open(o, prompt.url, warn, by_default=False)
        return notebook.paste(call, until), True
    with _terminal.restored_on_signals(), Wait(call, warn, call_off) as wait:
        # A terminal takes both: an answer to the listener and pasted text.
        if o.method != "paste":
            wait.listen(o.ports, _browser.proxy() if way == "proxy" else "")
        typing = not notebook and _terminal.usable()
        if typing:
            wait.take_pasted(_terminal.Terminal())
        paste_url = call.to_paste() if typing and not call.triple else ""
        prompt = _prompt(o, call, wait.url, wait.short_url, paste_url, pasting=way == "paste")
        if notebook:
            notebook.show(prompt, o.show)
        elif o.show:
            o.show(prompt)
        else:
            _console.say(_text(prompt, typing, _locate(o).here))
        return _await(o, wait, prompt, notebook=notebook, until=until, warn=warn), wait.keep


def choose_way(o: Settings, notebook: Notebook | None) -> Method:
    """Which method "auto" is, here: the one whose address is shown first and opened."""
    typing = notebook.takes_input if notebook else _terminal.usable()
    if o.method == "paste" and not typing:
        raise OptionError("pasting needs a terminal or a notebook that takes input")
    if o.method == "proxy" and not _browser.proxy():
        raise OptionError('method="proxy" needs TOKEN2GO_PROXY_URL, such as https://hub.example.org')
    if o.method != "auto":
        return o.method
    if notebook and _browser.proxy():
        return "proxy"
    pastes = typing and o.format == "jwe" and not any(o.ports)
    # A notebook's page is a browser of the person's: without a display it may well be on this computer.
    here = _locate(o).here or (notebook is not None and not _browser.is_elsewhere())
    return "paste" if pastes and not here else "loopback"


def opens_by_default(notebook: Notebook | None) -> bool:
    """Whether a browser is opened where the caller does not say: a notebook shows a link instead."""
    return notebook is None and (_browser.locate().here or _terminal.usable())


def _locate(o: Settings) -> _browser.Location:
    return _browser.locate(named=o.browser if isinstance(o.browser, str) else "")


def _await(o: Settings, wait: Wait, prompt: Prompt, *, notebook: Notebook | None, until: float, warn: Warn) -> Token:
    probe = _probe.Background(lambda text: warn("probe", text), o)
    try:
        _open(o, prompt.opened, warn, by_default=opens_by_default(notebook))
        token = wait.run(until)
    except TimedOutError as error:
        raised = probe.finding or error
        if notebook:
            notebook.failed(raised)
        if probe.finding:
            raise probe.finding from error
        raise
    except BaseException as error:
        if notebook:
            notebook.failed(error)
        raise
    finally:
        probe.leave()
    if notebook:
        notebook.done(token)
    return token


def _prompt(
    o: Settings, call: Call, url: str = "", short_url: str = "", paste_url: str = "", *, pasting: bool
) -> Prompt:
    until = datetime.now(timezone.utc) + timedelta(seconds=o.timeout)
    return Prompt(o.server, url or paste_url, short_url, paste_url, pasting, call.words, until)


def _text(prompt: Prompt, typing: bool, here: bool) -> str:
    """What is printed in a terminal or a log: the address that should work first, and the other beside it."""
    lines = [f"to sign in at {prompt.server}, open"]
    short = prompt.short_url and (here or prompt.paste_url)
    if prompt.pasting:
        lines += [f"  {prompt.paste_url}", "  and paste here what the page shows."]
        if prompt.short_url:
            lines += ["  Or, with a browser on this computer, open", f"  {prompt.short_url}"]
    else:
        lines.append(f"  {prompt.short_url if short else prompt.url}")
        if prompt.paste_url:
            lines += ["  Or, with a browser on another computer, open", f"  {prompt.paste_url}"]
            lines.append("  and paste here what the page shows.")
        elif typing:
            lines.append("  With a browser on another computer, paste here the address that it ends up at.")
        if prompt.short_url and not short:
            lines += ["  Or, with a browser on this computer, open", f"  {prompt.short_url}"]
    lines.append(f"  The page shows these words: {' '.join(prompt.words)}")
    return "\n".join(lines)


def _open(o: Settings, address: str, warn: Warn, *, by_default: bool) -> None:
    if callable(o.browser):
        _browser.open_with(o.browser, address, lambda text: warn("browser", text))
    elif isinstance(o.browser, str):
        _browser.open_browser(address, lambda text: warn("browser", text), o.browser)
    elif o.browser or (o.browser is None and by_default and _browser.locate().opens):
        _browser.open_browser(address, lambda text: warn("browser", text))
