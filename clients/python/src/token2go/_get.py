"""One call gets a token: from the cache, from whoever asks already, or from the person."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

from token2go import _options
from token2go._errors import CacheError, OptionError, TimedOut, Token2goError
from token2go._options import Browser, Format, Method, Options, Show
from token2go._prompt import Prompt
from token2go._token import Token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from token2go._call import Call
    from token2go._notebook import Notebook
    from token2go._wait import CallOff, Wait


def get(
    server: str,
    *,
    min_ttl: float = 60,
    timeout: float = 300,
    client: str | None = None,
    method: Method = "auto",
    format: Format = "jwe",  # noqa: A002 - the word of the protocol
    port: int = 0,
    browser: Browser = None,
    ca_file: str | None = None,
    cache: bool = True,
    lifetime: float = 300,
    allow_http: bool = False,
    show: Show = None,
) -> Token:
    """Returns a token of the person who signs in at `server`, asking only where the cache has none.

    server: the address of Token2go behind its gateway, a path prefix included; https, or http on loopback.
    min_ttl: for how many seconds the token must still be valid, up to a day.
    timeout: for how many seconds the person is waited for.
    client: the name that the person is shown.
    method: "loopback" waits on 127.0.0.1; "paste" takes a sealed text that the person pastes; "proxy" waits behind
        jupyter-server-proxy, at the address in TOKEN2GO_PROXY_URL. "auto" chooses.
    format: "jwe", or "triple" for a token2go-server 1.0.3.
    port: of the listener, for a firewall or a tunnel that needs to know; 0: any that is free.
    browser: True opens the system's browser, False none, a function is called with the address. None: whether
        there is a display decides; in a notebook none is opened, since the link is there.
    ca_file: a file of certificates (PEM) to trust besides the system's when the server is looked for.
    cache: whether to use the cache that all clients of Token2go share.
    lifetime: for how many seconds a token of unknown expiry is kept.
    allow_http: take http beyond loopback as well; whoever is on the way can then ask in this program's place.
    show: is told once where the person goes, in place of what is printed on standard error.

    Raises a Token2goError: Denied, TimedOut, NoToken, Expiring, Refused, ServerError, Unreachable, CertificateError,
    ListenError, CacheError or OptionError. Ctrl-C (KeyboardInterrupt) ends the wait and leaves nothing behind.
    """
    return obtain(
        _options.checked(
            server,
            min_ttl=min_ttl,
            timeout=timeout,
            client=client,
            method=method,
            format=format,
            port=port,
            browser=browser,
            ca_file=ca_file,
            cache=cache,
            lifetime=lifetime,
            allow_http=allow_http,
            show=show,
        )
    )


async def aget(server: str, **options: Any) -> Token:
    """Is `get` to await, with the same arguments. Cancelling it ends the wait.

    In a notebook where the answer is pasted, the kernel does nothing else until it is there.
    """
    return await obtain_async(_options.checked(server, **options))


def logout(server: str, *, allow_http: bool = False) -> bool:
    """Removes the token from the cache, and says whether there was one. At the gateway, the person stays signed in."""
    from token2go._cache import Cache
    from token2go._server import parse

    return Cache(parse(server, allow_http)).forget()


async def obtain_async(o: Options, besides: str = "") -> Token:
    """Is `obtain` to await: it runs in a thread of its own."""
    import asyncio

    from token2go import _notebook
    from token2go._wait import CallOff

    notebook = _notebook.current()
    if notebook and _way(o, notebook) == "paste":
        return obtain(o, besides=besides)
    call_off = CallOff()
    running = asyncio.ensure_future(asyncio.to_thread(obtain, o, call_off, besides))
    running.add_done_callback(lambda _: call_off.close())
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        call_off.call()
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # was looked at
        raise


def obtain(o: Options, call_off: CallOff | None = None, besides: str = "") -> Token:
    """Returns a token whose fingerprint is not `besides`, unless the gateway hands out that one again."""
    if not o.cache:
        return _ask(o, call_off)
    from token2go._cache import Cache

    cache = Cache(o.server)
    found = cache.token(o.min_ttl, o.lifetime, besides=besides)
    if found:
        return found
    asked = datetime.now(timezone.utc)
    with cache.lock(o.timeout, _others, lambda: bool(call_off and call_off.called)) as held:
        if not held:
            from token2go._wait import Cancelled

            raise Cancelled
        found = cache.token(o.min_ttl, o.lifetime, besides=besides, asked=asked)
        if found:
            return found
        shared = cache.outcome(asked)
        if shared:
            raise shared
        try:
            token = _ask(o, call_off)
        except Token2goError as error:
            told = error.__cause__ if isinstance(error.__cause__, TimedOut) else error
            if told.code:
                _keep(cache.store_outcome, told)
            raise
        _keep(cache.store, token)
        return token


def _keep(store: Callable[[Any], None], what: Any) -> None:
    """Stores what is of use all the same where that fails: the person has signed in, or said no."""
    try:
        store(what)
    except CacheError as error:
        _tell(f"nothing was kept: {error}")


def _ask(o: Options, call_off: CallOff | None) -> Token:
    from token2go import _notebook, _place, _probe, _server
    from token2go._call import Call
    from token2go._wait import Wait

    notebook = _notebook.current()
    way = _way(o, notebook)
    if way != "paste" and _server.is_loopback(urlsplit(o.server).hostname or ""):
        # On this very computer: what is not there for us is not there for the browser.
        _probe.probe(o.server, ca_file=o.ca_file, timeout=min(10, o.timeout))
    call = Call(o.server, triple=o.format == "triple", client=o.client, min_ttl=o.min_ttl)
    until = time.monotonic() + o.timeout
    if notebook and way == "paste":
        return notebook.paste(call, o, until)
    warn = notebook.warn if notebook else _warn
    with Wait(call, warn, call_off) as wait:
        if way == "paste":
            wait.url = call.to_paste()
        else:
            wait.listen(o.port, _place.proxy() if way == "proxy" else "")
        if not notebook:
            _take_pasted(wait)
        (notebook.show if notebook else _print)(o, _prompt(o, call, wait, way))
        return _await(o, wait, notebook, until, warn)


def _await(o: Options, wait: Wait, notebook: Notebook | None, until: float, warn: Callable[[str, str], None]) -> Token:
    from token2go._probe import Beside

    probe = Beside(lambda text: warn("probe", text), o.server, o.ca_file, o.allow_http)
    try:
        _open(o, wait.short_url or wait.url, notebook, warn)
        token = wait.run(until)
    except TimedOut as error:
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


def _way(o: Options, notebook: Notebook | None) -> Method:
    """Which method "auto" is, here."""
    from token2go import _place, _terminal

    typing = notebook.takes_input if notebook else _terminal.usable()
    if o.method == "paste" and not typing:
        raise OptionError('method="paste" needs a terminal or a notebook that takes input')
    if o.method == "proxy" and not _place.proxy():
        raise OptionError('method="proxy" needs TOKEN2GO_PROXY_URL, such as https://hub.example.org')
    if o.method != "auto":
        return o.method
    if notebook and _place.proxy():
        return "proxy"
    if typing and o.format == "jwe" and not o.port and _place.remote():
        return "paste"
    return "loopback"


def _take_pasted(wait: Wait) -> None:
    from token2go import _terminal

    if _terminal.usable():
        wait.take_pasted(_terminal.Terminal())


def _prompt(o: Options, call: Call, wait: Wait, way: Method) -> Prompt:
    until = datetime.now(timezone.utc) + timedelta(seconds=o.timeout)
    return Prompt(o.server, wait.url, wait.short_url, way == "paste", call.words, until)


def _print(o: Options, prompt: Prompt) -> None:
    """Tells the person, on standard error: standard output is for tokens."""
    if o.show:
        o.show(prompt)
        return
    from token2go import _place, _terminal

    here = o.method == "loopback" or not _place.remote()
    lines = [
        f"to sign in at {prompt.server}, open",
        f"  {prompt.short_url if here and prompt.short_url else prompt.url}",
        f"  The page there shows these words: {' '.join(prompt.words)}",
    ]
    if prompt.pasting:
        lines.append("  Then paste here what it shows:")
    elif _terminal.usable():
        lines.append("  Where the browser cannot reach this computer, paste here the address that it ends up at.")
    _tell("\n".join(lines))


def _open(o: Options, address: str, notebook: Notebook | None, warn: Callable[[str, str], None]) -> None:
    from token2go import _place

    if callable(o.browser):
        _place.open_with(o.browser, address, lambda text: warn("browser", text))
    elif o.browser or (o.browser is None and not notebook and _place.has_browser() and not _place.remote()):
        _place.open_browser(address, lambda text: warn("browser", text))


def _others() -> None:
    _tell("another program is asking for this token already; waiting for it")


def _warn(_: str, text: str) -> None:
    _tell(text)


def _tell(text: str) -> None:
    if sys.stderr is not None:
        print(f"token2go: {text}", file=sys.stderr, flush=True)
