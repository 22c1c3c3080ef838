"""A token for requests and httpx, which goes to the hosts that are named and to no others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from token2go import _console, _options
from token2go._errors import OptionError, PausedError, TimedOutError, Token2goError
from token2go._get import obtain, obtain_async
from token2go._options import Options
from token2go._server import ascii_host, is_loopback, origin
from token2go._token import Token

if TYPE_CHECKING:
    import httpx
    import requests
    from httpx import Auth as HttpxAuth
    from requests.auth import AuthBase
    from typing_extensions import Unpack
else:  # both libraries are optional
    try:
        from requests.auth import AuthBase
    except ImportError:

        class AuthBase:
            pass

    try:
        from httpx import Auth as HttpxAuth
    except ImportError:

        class HttpxAuth:
            pass


_YOUNG = timedelta(minutes=1)
_FIRST_PAUSE = 60.0  # seconds without a question after one that was not answered; doubled each time
_MAX_PAUSE = 3600.0


class Auth(AuthBase, HttpxAuth):
    """Signs requests in: `requests.get(address, auth=auth)`, `httpx.Client(auth=auth)`, `httpx.AsyncClient(auth=auth)`.

    server: the address of Token2go; more options are those of `get`.
    hosts: which hosts may get the token: names such as "api.example.org", with a port unless it is 443. ".example.org"
        matches all hosts below.

    The token goes out over https only, or to this computer, and never across a redirect to another host. An
    Authorization that the caller gave stays. An answer of 401 makes it ask for another token, once for each request
    whose body can be sent again; a token that was refused is not used again where the gateway has another, and one
    younger than a minute is not replaced. One Auth can serve many threads and tasks: one of them asks, and all share
    its token or its error. After a question that no one answered it asks again only after a minute, then two, and so on
    up to an hour; until then it raises TimedOutError at once.
    """

    def __init__(self, server: str, *, hosts: Iterable[str], **options: Unpack[Options]) -> None:
        self._options = _options.checked(server, **options)
        self._hosts = frozenset(_host(name) for name in ([hosts] if isinstance(hosts, str) else hosts))
        if not self._hosts:
            raise OptionError('hosts is empty, want names of hosts that may get the token, such as ["api.example.org"]')
        self._token: Token | None = None
        self._refused = ""  # the fingerprint of a token that a host did not take
        self._failure: tuple[float, type[Token2goError], str] | None = None  # when and why there was no token
        self._pause = 0.0  # seconds, after a question that was not answered
        self._not_before = 0.0  # when the next question may be asked, on the monotonic clock
        self._lock, self._process = threading.Lock(), os.getpid()
        self._tasks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    def __repr__(self) -> str:
        hosts = ", ".join(sorted(f"{host}:{port}" for host, port in self._hosts))
        return f"<Auth of {self._options.server} for {hosts}>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("an Auth is not pickled, so that its token does not end up in a file; make another one")

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Called by requests for each request."""
        if self._may(request.url) and "Authorization" not in request.headers:
            used = self._get("")
            request.headers["Authorization"] = used.authorization
            position = _position(request.body)
            request.register_hook("response", lambda r, **how: self._again(r, used, position, how))  # type: ignore[no-untyped-call]
        return request

    def _again(
        self, response: requests.Response, used: Token, position: int | None, how: dict[str, Any]
    ) -> requests.Response:
        """Sends a request of requests once more, with another token."""
        request = response.request
        # After a redirect to another host the library has taken the header away.
        kept = request.headers.get("Authorization") == used.authorization
        if response.status_code != 401 or not kept or not self._may(request.url):
            return response
        if request.body is not None and position is None and not isinstance(request.body, (str, bytes)):
            return response
        token = self._another(used)
        if token == used:
            return response
        _ = response.content  # frees the connection
        response.close()
        second = request.copy()
        second.hooks["response"] = []  # once
        if position is not None and second.body is not None:  # a redirect may have taken it away
            second.body.seek(position)  # type: ignore[union-attr]
        second.headers["Authorization"] = token.authorization
        answer = response.connection.send(second, **how)
        answer.history.append(response)
        answer.request = second
        return answer

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Called by httpx for each request."""
        if not self._may(str(request.url)) or _has_its_own(request):
            yield request
            return
        used = self._get("")
        _sign(request, used)
        response = yield request
        if self._worth_another(request, response):
            token = self._another(used)
            if token != used:
                _sign(request, token)
                yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Called by httpx.AsyncClient for each request."""
        if not self._may(str(request.url)) or _has_its_own(request):
            yield request
            return
        used = await self._aget("")
        _sign(request, used)
        response = yield request
        if self._worth_another(request, response):
            try:
                token = await self._aget(used.fingerprint)
            except Token2goError:
                return  # 401 is an answer, and says as much
            if token != used:
                _sign(request, token)
                yield request

    def _worth_another(self, request: httpx.Request, response: httpx.Response) -> bool:
        import httpx

        same_host = _origin(str(response.request.url)) == _origin(str(request.url))  # no redirect led elsewhere
        return response.status_code == 401 and same_host and isinstance(request.stream, httpx.ByteStream)

    def _may(self, url: str | None) -> bool:
        """Whether the token may go to an address."""
        scheme, host, port = _origin(url or "")
        if not host or not all(host.split(".")):
            return False
        above = {host[at:] for at, letter in enumerate(host) if letter == "."}
        names = {name for name, _ in self._hosts} & {host, *above}
        secure = scheme == "https" or (scheme == "http" and is_loopback(host))
        if secure and any((name, port) in self._hosts for name in names):
            return True
        if names:
            _console.warn_once(
                f"no token is sent to {scheme}://{host}:{port}, which is not among the hosts of {self!r}"
            )
        return False

    def _get(self, refused: str) -> Token:
        """A token that is good, and not the one that was refused, if there is another."""
        began = time.monotonic()
        if self._process != os.getpid():  # forked, perhaps while another thread held the lock
            self._lock, self._process = threading.Lock(), os.getpid()
        with self._lock:
            token = self._kept(refused)
            if token is None:
                with self._sharing(began) as pause:
                    token = obtain(self._options, refused=self._refused, pause=pause)
                self._token = token
            return token

    def _another(self, used: Token) -> Token:
        """Another token than one that was refused, or that one where there is none to be had."""
        try:
            return self._get(used.fingerprint)
        except Token2goError:
            return used

    async def _aget(self, refused: str) -> Token:
        if not _runs_asyncio():
            import anyio.to_thread  # which httpx has, for trio

            return await anyio.to_thread.run_sync(self._get, refused)
        began = time.monotonic()
        lock = self._tasks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with lock:
            token = self._kept(refused)
            if token is None:
                with self._sharing(began) as pause:
                    token = await obtain_async(self._options, self._refused, pause)
                self._token = token
            return token

    @contextlib.contextmanager
    def _sharing(self, began: float) -> Iterator[float]:
        """Yields the pause that is left. Shares an error with those who waited, so that a person says no once."""
        if self._failure and self._failure[0] >= began:
            _, kind, detail = self._failure
            raise kind(detail)
        try:
            yield max(0.0, self._not_before - time.monotonic())
        except PausedError:
            raise
        except Token2goError as error:
            now = time.monotonic()
            self._failure = now, type(error), error.detail
            if isinstance(error, TimedOutError):
                self._pause = min(2 * self._pause or _FIRST_PAUSE, _MAX_PAUSE)
                self._not_before = now + self._pause
                _console.say(f"the question was not answered; not asking again for {self._pause:.0f} s")
            raise
        self._pause = 0.0

    def _kept(self, refused: str) -> Token | None:
        """The token at hand, unless it has become of no use."""
        token = self._token
        if token is None:
            return None
        if refused and token.fingerprint == refused:
            if self._refused == refused or token.obtained_at > datetime.now(timezone.utc) - _YOUNG:
                # Asked for another already, and got the same; or just now. A host that takes no token
                # at all opens one tab, not one for each request.
                return token
            self._refused = refused
            return None
        # The time is used up on the way, so the margin is smaller than that of a new one.
        margin = min(self._options.min_ttl, 10)
        return token if token.valid_for(margin, lifetime=self._options.lifetime) else None


_MARK = "token2go"


def _runs_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _sign(request: httpx.Request, token: Token) -> None:
    """Puts a token into a request of httpx, and marks it as ours."""
    request.headers["Authorization"] = token.authorization
    request.extensions = {**request.extensions, _MARK: token}


def _has_its_own(request: httpx.Request) -> bool:
    """Whether the caller gave an Authorization, which stays; a request that is sent twice may hold ours."""
    given = request.headers.get("Authorization")
    ours = request.extensions.get(_MARK)
    return given is not None and not (isinstance(ours, Token) and given == ours.authorization)


def _host(name: str) -> tuple[str, int]:
    """Reads the name of a host, with or without a port; a leading dot matches all hosts below."""
    below = "." if name.startswith(".") else ""
    try:
        parts = urlsplit(f"//{name[len(below) :]}")
        host, port = ascii_host(parts.hostname or ""), parts.port
    except ValueError:
        host, port = "", 0
    bad = set("*/?#@\\% ") & set(name) or name.endswith(":") or not all(host.split(".")) or (below and "." not in host)
    if bad or port == 0:
        raise OptionError(
            f"{name!r} is not a host, want one such as api.example.org, api.example.org:8443 or .example.org"
        )
    if port is None and is_loopback(host):
        raise OptionError(f"{name!r} has no port, want the one that is called, such as {name}:8000")
    return below + host, port or 443


def _origin(url: str) -> tuple[str, str, int]:
    """Where an address leads; nowhere when it holds a user of its own, or cannot be read."""
    try:
        parts = urlsplit(url)
        return origin(parts) if "@" not in parts.netloc else ("", "", 0)
    except ValueError:
        return "", "", 0


def _position(body: Any) -> int | None:
    """The position in a file that can be read again; None for anything else."""
    try:
        return int(body.tell()) if hasattr(body, "seek") else None
    except OSError:
        return None
