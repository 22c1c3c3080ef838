"""Middleware for Django with the settings of datadiensten-apikeyclient."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from token2go.keyauth._checker import Checker, Facts
from token2go.keyauth._key import Key, Refused

_ENDPOINTS = ("/signingkeys", "/jwks.json")


class ApiKeyMiddleware:
    """Django middleware that checks API keys. `request.api_key_subject` is whose key it is, `request.api_key` the key.

    Settings, as datadiensten-apikeyclient has them:

    - APIKEY_ENDPOINT: where the server publishes its signing keys, such as https://keys.example.org/signingkeys/.
    - APIKEY_MANDATORY: requests without a key are refused.
    - APIKEY_ALLOW_EMPTY: an empty key is let through.
    - APIKEY_ALLOW_PATH_PREFIX_WHITELIST: paths that are let through without a key; () by default, not ("/v1/wfs",).
    - APIKEY_LOCALKEYS: the signing keys, in place of the server's. Such keys cannot be revoked one by one.
    - APIKEY_LOGGER: name of a logger that is told whose key came; never the key itself.

    And of its own: APIKEY_ONLINE has the server asked about each key, so that opaque ones are good too; with it
    APIKEY_APP and APIKEY_SECRET are as in `Checker`. APIKEY_ISSUER, APIKEY_PREFIX, APIKEY_ALLOW_HTTP, APIKEY_MAX_AGE
    and APIKEY_MAX_STALE likewise. APIKEY_ACCEPT_UNLISTED takes keys that apikeyserv made, which only APIKEY_ONLINE can
    revoke.

    Expired and revoked keys are refused, and browsers need a key like everyone else.
    """

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        from django.conf import settings  # type: ignore[import-not-found, unused-ignore]

        def setting(name: str, default: Any) -> Any:
            return getattr(settings, f"APIKEY_{name}", default)

        self._get_response = get_response
        self._mandatory = bool(setting("MANDATORY", True))
        self._allow_empty = bool(setting("ALLOW_EMPTY", False))
        self._open_paths = tuple(setting("ALLOW_PATH_PREFIX_WHITELIST", ()))
        self._logger = logging.getLogger(name) if (name := setting("LOGGER", None)) else None
        local = setting("LOCALKEYS", None)
        online = bool(setting("ONLINE", False))
        self._checker = Checker(
            _server(setting("ENDPOINT", setting("ISSUER", "https://localhost" if local is not None else ""))),
            issuer=setting("ISSUER", ""),
            app=setting("APP", ""),
            prefix=setting("PREFIX", "t2g"),
            secret=setting("SECRET", ""),
            offline=not online,
            accept_unlisted=bool(setting("ACCEPT_UNLISTED", local is not None)),
            local_keys=local,
            allow_http=bool(setting("ALLOW_HTTP", False)),
            max_age=float(setting("MAX_AGE", 5)),
            max_stale=setting("MAX_STALE", None),
        )

    def __call__(self, request: Any) -> Any:
        if self._open_paths and request.path.startswith(self._open_paths):
            return self._get_response(request)
        key = self._key(request)
        if key is None and self._mandatory:
            return _answer("API key missing", 401)
        if key is None or (not key.strip() and self._allow_empty):
            return self._get_response(request)
        try:
            good = self._check(key, request)
        except Refused as refused:
            if self._logger:
                self._logger.info("API key refused: %s", refused.kind)
            return _refusal(refused)
        if self._logger:
            self._logger.info("API key of %s, ID %s", good.subject, good.id)
        request.api_key, request.api_key_subject = good, good.subject
        return self._get_response(request)

    def _key(self, request: Any) -> str | None:
        """The key of a request, which is taken out of the query; whatever X-Api-Key holds is meant as one."""
        key: str | None = request.headers.get("X-Api-Key")
        if key is not None:
            return key
        key = request.GET.get("x-api-key")
        if key:
            request.GET = request.GET.copy()
            del request.GET["x-api-key"]
            return key
        authorization = request.headers.get("Authorization", "")
        try:
            return self._checker.finder.find([("Authorization", authorization)], "")
        except Refused:
            return key

    def _check(self, key: str, request: Any) -> Key:
        facts = Facts(
            address=request.META.get("REMOTE_ADDR", ""),
            origin=request.headers.get("Origin", ""),
            referer=request.headers.get("Referer", ""),
            method=request.method or "",
            uri=request.path,
        )
        return self._checker.check_key(key, facts)


def _server(endpoint: str) -> str:
    """The server's address: the endpoint without its path of signing keys."""
    address = endpoint.rstrip("/")
    for path in _ENDPOINTS:
        address = address.removesuffix(path)
    return address


def _refusal(refused: Refused) -> Any:
    if refused.status == 401:
        return _answer("invalid API key", 400)
    return _answer(refused.detail, refused.status, refused.retry_after)


def _answer(message: str, status: int, retry_after: str = "") -> Any:
    from django.http import JsonResponse  # type: ignore[import-not-found, unused-ignore]

    answer = JsonResponse({"message": message}, status=status)
    if retry_after:
        answer["Retry-After"] = retry_after
    return answer
