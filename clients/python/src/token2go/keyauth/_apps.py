"""Applications that are called with good keys alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any

from token2go.keyauth._checker import Checker
from token2go.keyauth._key import Refused, without_key

KEY = "token2go.key"


class Wsgi:
    """A WSGI application (PEP 3333) behind a Checker. It sees no key of a request, but its owner in `environ`."""

    def __init__(self, app: Callable[..., Iterable[bytes]], checker: Checker) -> None:
        self._app, self._checker = app, checker

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = [
            (name[5:].replace("_", "-").lower(), value) for name, value in environ.items() if name.startswith("HTTP_")
        ]
        query = environ.get("QUERY_STRING", "")
        try:
            environ[KEY] = self._checker.check(
                headers,
                query,
                address=environ.get("REMOTE_ADDR", ""),
                method=environ.get("REQUEST_METHOD", ""),
                path=environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
            )
        except Refused as refused:
            start_response(f"{refused.status} {HTTPStatus(refused.status).phrase}", refused.headers())
            return [refused.body()]
        for name in ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY"):
            if name in environ and self._checker.finder.is_credential(name[5:].replace("_", "-"), environ[name]):
                del environ[name]
        environ["QUERY_STRING"] = without_key(query)
        return self._app(environ, start_response)


Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Asgi:
    """An ASGI application behind a Checker, for HTTP and WebSocket. It sees no key, but its owner in `scope`."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], checker: Checker) -> None:
        self._app, self._checker = app, checker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        import asyncio

        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        query = scope.get("query_string", b"").decode("latin-1")
        try:
            # In a thread: the server may have to be asked.
            key = await asyncio.to_thread(
                self._checker.check,
                headers,
                query,
                address=(scope.get("client") or [""])[0],
                method=scope.get("method", "GET"),
                path=scope.get("path", ""),
            )
        except Refused as refused:
            await _refuse(scope, send, refused)
            return
        kept = [
            pair
            for pair, (name, value) in zip(scope["headers"], headers, strict=True)
            if not self._checker.finder.is_credential(name, value)
        ]
        rest = without_key(query).encode("latin-1")
        await self._app({**scope, "headers": kept, "query_string": rest, KEY: key}, receive, send)


async def _refuse(scope: Scope, send: Send, refused: Refused) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": refused.kind})
        return
    headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in refused.headers()]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": refused.body()})
