"""One call gets a token: from the cache, from a program that is asking already, or from the person."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TypeVar

from token2go import _console, _options
from token2go._errors import CacheError, PausedError, TimedOutError, Token2goError
from token2go._options import Options, Settings
from token2go._token import Token

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from token2go._cache import Cache
    from token2go._wait import CallOff

T = TypeVar("T")


def get(server: str, **options: Unpack[Options]) -> Token:
    """Returns a token of the person who signs in at `server`, asking only where the cache has none.

    server: the address of Token2go behind its gateway, a path prefix included; https, or http on loopback.
    min_ttl: for how many seconds the token must still be valid, up to a day (60).
    timeout: for how many seconds to wait for the person (300).
    client: the name that the person is shown ("token2go for Python").
    method: "loopback" waits on 127.0.0.1; "paste" takes a sealed text that the person pastes; "proxy" waits behind
        jupyter-server-proxy, at the address in TOKEN2GO_PROXY_URL. "auto" (default) chooses.
    format: "jwe" (default), or "triple" for a token2go-server 1.0.3.
    port: of the listener, or a list of which the first free one is used; 0 (default): any that is free.
    browser: True opens the system's browser, False none; a text is a command, in which %s is replaced by the address;
        a function is called with the address. None (default): opened where there is a display; not in a notebook,
        which shows a link.
    ca_file: a file of certificates (PEM) to trust besides the system's when the server is probed.
    cache: whether to use the cache that all clients of Token2go share (True).
    check: whether to probe the server from here; False where only the browser reaches it (True).
    fresh: whether to ask even where the cache has a token, and replace that one (False).
    profile: which of several accounts at the server; each has its own token in the cache ("": the only one).
    lifetime: for how many seconds a token of unknown expiry is kept (300).
    allow_http: whether http is allowed beyond loopback, where others on the network can ask in this program's name.
    show: called once with a Prompt, in place of what is printed on standard error.

    Raises a Token2goError. Ctrl-C (KeyboardInterrupt) ends the wait and leaves nothing behind.
    """
    return obtain(_options.checked(server, **options))


async def aget(server: str, **options: Unpack[Options]) -> Token:
    """Does what `get` does, to await, with the same arguments. Cancelling it ends the wait.

    In a notebook where the answer is pasted, the kernel does nothing else until it is there.
    """
    return await obtain_async(_options.checked(server, **options))


def logout(server: str, *, profile: str = "", allow_http: bool = False) -> bool:
    """Removes the token from the cache and reports whether there was one. The gateway's session stays."""
    from token2go._cache import Cache
    from token2go._server import parse

    return Cache(parse(server, allow_http), profile).forget()


async def obtain_async(o: Settings, refused: str = "", pause: float | None = None) -> Token:
    """Does what `obtain` does, in a thread of its own."""
    import asyncio

    from token2go import _notebook, _terminal
    from token2go._ask import choose_way
    from token2go._wait import CallOff

    notebook = _notebook.current()
    if notebook and choose_way(o, notebook) == "paste":
        return obtain(o, refused=refused, pause=pause)
    call_off = CallOff()
    with _terminal.restored_on_signals():  # which only the main thread can arrange
        running = asyncio.ensure_future(asyncio.to_thread(obtain, o, call_off, refused, pause))
        running.add_done_callback(lambda _: call_off.close())
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            call_off.call()
            await asyncio.wait([running])
            if not running.cancelled():
                running.exception()  # or asyncio reports that it was not looked at
            raise


def obtain(o: Settings, call_off: CallOff | None = None, refused: str = "", pause: float | None = None) -> Token:
    """Returns a token whose fingerprint is not `refused`, unless the gateway hands out that one again.

    A program in the background gives for how many seconds it must not ask; the cache may have a longer pause.

    What cannot be kept is returned all the same, with one warning.
    """
    from token2go._cache import Cache

    cache = None
    with contextlib.ExitStack() as stack:
        try:
            if o.cache:
                cache = Cache(o.server, o.profile)
                found = _from_cache(cache, o, call_off, refused, stack)
                if found:
                    return found
        except CacheError as error:
            cache = None
            _console.warn_once(f"no token is kept: {error.detail}")
        left = max(pause, cache.pause() if cache else 0) if pause is not None else 0
        if left:
            raise PausedError(f"the last question was not answered; the next is possible in {left:.0f} s")
        from token2go._ask import ask

        try:
            token, keep = ask(o, call_off)
        except Token2goError as error:
            outcome = error.__cause__ if isinstance(error.__cause__, TimedOutError) else error
            if cache and outcome.code:
                _keep(lambda error: cache.store_outcome(error, background=pause is not None), outcome)
            raise
        if cache and keep:
            _keep(cache.store, token)
        return token


def _from_cache(
    cache: Cache, o: Settings, call_off: CallOff | None, refused: str, stack: contextlib.ExitStack
) -> Token | None:
    """Returns the token that is kept, or None once this program holds the lock and has to ask."""
    began = datetime.now(timezone.utc)
    try:
        found = None if o.fresh else cache.token(o.min_ttl, o.lifetime, refused=refused)
    except CacheError as error:
        found = None
        _console.warn_once(f"the token in the cache is not used: {error.detail}")
    if found:
        return found
    unlocked = stack.enter_context(cache.lock(o.timeout, _say_waiting, lambda: bool(call_off and call_off.called)))
    if unlocked:
        _console.warn_once(f"other programs may ask for the same token meanwhile: {unlocked}")
    with contextlib.suppress(CacheError):
        found = cache.token(o.min_ttl, o.lifetime, refused=refused, fresh=o.fresh, since=began)
    shared = None if found else cache.outcome(began)
    if shared:
        raise shared
    return found


def _keep(store: Callable[[T], None], what: T) -> None:
    try:
        store(what)
    except CacheError as error:
        _console.warn_once(f"no token is kept: {error.detail}")


def _say_waiting() -> None:
    _console.say("another program is asking for this token already; waiting for it")
