"""Requests to the server, with the standard library alone."""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException

_TIMEOUT = 5.0
_MAX_BODY = 4 << 20


class UnreachableError(Exception):
    """The server did not decide."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key elsewhere."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect())


def fetch(address: str, headers: dict[str, str], body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    """Returns status, headers in lower case and body. Raises UnreachableError."""
    request = urllib.request.Request(address, data=body, headers=headers)
    try:
        try:
            answer = _OPENER.open(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as refusal:
            answer = refusal
        with answer:
            found = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, found, answer.read(_MAX_BODY)
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise UnreachableError(str(reason)) from None  # the request holds the key
