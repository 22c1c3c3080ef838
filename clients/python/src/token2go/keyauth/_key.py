"""A key, why one is refused, and where a request has it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

_MAX_KEY = 8 << 10
_IN_QUERY = ("api-key", "api_key", "x-api-key")
_CHALLENGES = ('Bearer realm="token2go", error="invalid_token"', 'Basic realm="token2go", charset="UTF-8"')


@dataclass(frozen=True)
class Key:
    """A good key with what the server says of its owner; offline the first four alone, `subject` being its number."""

    id: str  # public; may be logged
    kind: str  # opaque, jwt or uuid
    expires: datetime | None = None
    subject: str = ""
    name: str = ""
    login: str = ""
    email: str = ""
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


class Refused(Exception):  # noqa: N818 - it is not always an error
    """Why a request is not let through. `kind` is for programs, `detail` for people."""

    def __init__(self, status: int, kind: str, detail: str, retry_after: str = "") -> None:
        super().__init__(f"{kind}: {detail}")
        self.status = status
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after

    def headers(self) -> list[tuple[str, str]]:
        """Of an answer with `body`."""
        headers = [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")]
        if self.status == 401:
            headers += [("WWW-Authenticate", challenge) for challenge in _CHALLENGES]
        if self.retry_after:
            headers.append(("Retry-After", self.retry_after))
        return headers

    def body(self) -> bytes:
        """A problem document (RFC 9457)."""
        return json.dumps({"status": self.status, "kind": self.kind, "detail": self.detail}).encode()


def invalid() -> Refused:
    return Refused(401, "invalid_key", "The API key is not valid.")


def unavailable() -> Refused:
    return Refused(503, "check_unavailable", "API keys cannot be checked at the moment.", retry_after="5")


class Finder:
    """Finds keys by their shape, so that other programs' credentials are left alone."""

    def __init__(self, prefix: str, issuer: str, allow_query: bool, unlisted: bool) -> None:
        self._prefix = prefix + "_"
        self._unlisted = unlisted  # keys of apikeyserv count too, which name neither issuer nor signer
        self._issuer = issuer
        self._allow_query = allow_query

    def is_key(self, text: str) -> bool:
        """Whether a text has the shape of a key of the server, be it cut off."""
        return text.startswith(self._prefix) or self._is_signed(text)

    def _is_signed(self, text: str) -> bool:
        parts = text.split(".")
        if len(text) > _MAX_KEY or len(parts) != 3:
            return False
        try:
            header, claims = part(parts[0]), part(parts[1])
        except ValueError:
            return False
        if header.get("alg") != "EdDSA":
            return False
        if self._unlisted and "kid" not in header and "iss" not in claims:
            return True
        return bool(claims.get("iss") == self._issuer)

    def find(self, headers: Iterable[tuple[str, str]], query: str) -> str:
        """Returns the one key of a request. Raises Refused."""
        texts = [text for name, value in headers for text in _in_header(name, value)]
        if self._allow_query:
            texts += _in_query(query)
        found = {text for text in texts if self.is_key(text)}
        if not found:
            raise Refused(401, "no_credential", "The request has no API key.")
        if len(found) > 1:
            raise Refused(401, "ambiguous_credential", "The request has two different API keys.")
        return found.pop()

    def is_credential(self, name: str, value: str) -> bool:
        """Whether a header holds a key."""
        return any(self.is_key(text) for text in _in_header(name, value))


def _in_header(name: str, value: str) -> list[str]:
    name = name.lower()
    if name == "x-api-key":
        return [value]
    if name != "authorization":
        return []
    scheme, _, rest = value.partition(" ")
    rest = rest.strip(" ")
    if scheme.lower() == "bearer":
        return [rest]
    if scheme.lower() != "basic":
        return []
    try:
        # The user name is never a key: proxies log it.
        return [base64.b64decode(rest, validate=True).decode("latin-1").partition(":")[2]]
    except (binascii.Error, ValueError):
        return []


def _in_query(query: str) -> list[str]:
    pairs = (pair.partition("=") for pair in query.split("&"))
    return [unquote_plus(value) for name, _, value in pairs if unquote_plus(name) in _IN_QUERY]


def without_key(query: str) -> str:
    """A query without the parameters in which a key may be; the others stay as they are."""
    return "&".join(pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]) not in _IN_QUERY)


def decode(text: str) -> bytes:
    """Base64url without padding (RFC 7515); ValueError."""
    if "=" in text or not text.isascii():
        raise ValueError("not base64url")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def part(text: str) -> dict[str, Any]:
    """A part of a JWT that is a JSON object; ValueError."""
    try:
        value = json.loads(decode(text))
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


Clock = Callable[[], float]
