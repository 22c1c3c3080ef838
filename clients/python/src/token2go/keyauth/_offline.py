"""Verifies keys that are JWTs with what the server publishes."""

from __future__ import annotations

import json
import logging
import threading
import zlib
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from token2go.keyauth._fetch import UnreachableError, fetch
from token2go.keyauth._key import Clock, Key, decode, invalid, part, unavailable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_log = logging.getLogger("token2go.keyauth")
_KEYS_INTERVAL = 300.0  # seconds after which the server's keys are read again
_RETRY = 10.0  # seconds between two requests for one document
_MAX_KEY = 16 << 10
_MAX_LIST = 1 << 20  # bytes that a list may unpack to: eight million keys

T = TypeVar("T")
Keys = list[tuple[str, "Ed25519PublicKey"]]


class _Document(Generic[T]):
    """Something that the server publishes, kept until it is to be read again."""

    def __init__(self, read: Callable[[], tuple[T, float]], max_stale: float, clock: Clock) -> None:
        self._read, self._max_stale, self._clock = read, max_stale, clock
        self._lock = threading.Lock()
        self._known: tuple[T, float, float] | None = None  # value, when it was read, until when it is kept
        self._tried = float("-inf")

    def get(self, force: bool = False) -> T:
        """Raises UnreachableError where it cannot be read, and what is known is too old."""
        now = self._clock()
        usable = self._usable(now)
        # One thread reads; others wait for it only where there is nothing else to go by.
        if (force or not usable or now >= usable[2]) and self._lock.acquire(blocking=usable is None):
            try:
                if not 0 <= now - self._tried < _RETRY:
                    self._tried = now
                    self._refresh(now)
            finally:
                self._lock.release()
            usable = self._usable(now)
        if not usable:
            raise UnreachableError("what the server published is not known, or too old")
        return usable[0]

    def _usable(self, now: float) -> tuple[T, float, float] | None:
        known = self._known
        return known if known and now - known[1] < self._max_stale else None

    def _refresh(self, now: float) -> None:
        try:
            value, until = self._read()
            self._known = value, now, until
        except (UnreachableError, ValueError) as error:
            _log.warning("not read from the server: %s", error)


class Offline:
    """Verifies keys. `local` is a key set to use in place of the server's."""

    def __init__(
        self, server: str, issuer: str, *, max_stale: float, accept_unlisted: bool, local: object, clock: Clock
    ) -> None:
        self._server, self._issuer, self._clock, self._max_stale = server, issuer, clock, max_stale
        self._accept_unlisted = accept_unlisted
        self._local = None if local is None else _key_set(local)
        self._keys = self._key_document("/jwks.json")
        self._signers = self._key_document("/.well-known/token2go/status.json")
        self._lists: dict[str, _Document[bytes]] = {}
        self._lock = threading.Lock()

    def _key_document(self, path: str) -> _Document[Keys]:
        def read() -> tuple[Keys, float]:
            return _key_set(json.loads(self._fetch(path))), self._clock() + _KEYS_INTERVAL

        return _Document(read, self._max_stale, self._clock)

    def _fetch(self, path: str) -> bytes:
        status, _, body = fetch(self._server + path, {})
        if status != 200:
            raise UnreachableError(f"{path}: status {status}")
        return body

    def check(self, text: str) -> Key:
        """Raises Refused."""
        try:
            claims = self._verify(text)
            expires = self._expires(claims)
            if self._revoked(claims):
                raise invalid()
        except UnreachableError:
            raise unavailable() from None
        except (ValueError, TypeError, KeyError):
            raise invalid() from None
        return Key(id=str(claims.get("jti", "")), kind="jwt", subject=claims["sub"], expires=expires)

    def _verify(self, text: str) -> dict[str, Any]:
        """Claims of a key with a good signature; ValueError. A signer who is not known has the keys read again."""
        if self._local is not None:
            return _verified(text, "JWT", self._local, any_signer=self._accept_unlisted)
        try:
            return _verified(text, "JWT", self._keys.get(), any_signer=self._accept_unlisted)
        except ValueError:
            return _verified(text, "JWT", self._keys.get(force=True), any_signer=self._accept_unlisted)

    def _expires(self, claims: dict[str, Any]) -> datetime | None:
        """When a key ends; ValueError for one that has, or whose claims are not those of a key."""
        subject, issuer = claims.get("sub"), claims.get("iss", self._issuer if self._accept_unlisted else None)
        if not isinstance(subject, str) or not subject or issuer != self._issuer:
            raise ValueError("not a key of the server")
        if "exp" not in claims:
            return None
        if isinstance(claims["exp"], bool) or not isinstance(claims["exp"], int) or claims["exp"] <= self._clock():
            raise ValueError("expired")
        return datetime.fromtimestamp(claims["exp"], timezone.utc)

    def _revoked(self, claims: dict[str, Any]) -> bool:
        if "status" not in claims:
            # One that apikeyserv made: the server alone could tell, and only online.
            return not self._accept_unlisted
        status = claims["status"]["status_list"]
        index, address = status["idx"], status["uri"]
        prefix = f"{self._issuer}/status-lists/"
        number = address[len(prefix) :]
        if not address.startswith(prefix) or not number.isascii() or not number.isdigit() or not isinstance(index, int):
            raise ValueError("a list elsewhere")
        bits = self._list(address).get()
        return not 0 <= index < 8 * len(bits) or bool(bits[index // 8] >> (index % 8) & 1)

    def _list(self, address: str) -> _Document[bytes]:
        def read() -> tuple[bytes, float]:
            text = self._fetch(address[len(self._issuer) :]).decode("ascii", "replace").strip()
            try:
                return self._open(text, address, self._signers.get())
            except ValueError:
                return self._open(text, address, self._signers.get(force=True))

        with self._lock:
            if address not in self._lists:
                self._lists[address] = _Document(read, self._max_stale, self._clock)
            return self._lists[address]

    def _open(self, text: str, address: str, signers: Keys) -> tuple[bytes, float]:
        """The bits of a list (IETF Token Status List) and until when they may be kept; ValueError."""
        claims = _verified(text, "statuslist+jwt", signers)
        try:
            packed = claims["status_list"]
            if claims["sub"] != address or packed["bits"] != 1 or claims["exp"] <= self._clock():
                raise ValueError("not this list, or too old")
            unpacker = zlib.decompressobj()
            bits = unpacker.decompress(decode(packed["lst"]), _MAX_LIST)
            if not unpacker.eof:
                raise ValueError("too long, or cut off")
            return bits, float(claims["iat"] + claims["ttl"])
        except (KeyError, TypeError, zlib.error):
            raise ValueError("not a list") from None


def _key_set(document: object) -> Keys:
    """The Ed25519 keys of a JWKS (RFC 7517), of its list of keys, or of either as text; ValueError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if isinstance(document, str):
        document = json.loads(document)
    if isinstance(document, dict):
        document = document.get("keys")
    if not isinstance(document, list):
        raise ValueError("not a key set")
    ours = [key for key in document if isinstance(key, dict) and (key.get("kty"), key.get("crv")) == ("OKP", "Ed25519")]
    return [(str(key.get("kid", "")), Ed25519PublicKey.from_public_bytes(decode(str(key.get("x"))))) for key in ours]


def _verified(text: str, kind: str, keys: Keys, any_signer: bool = False) -> dict[str, Any]:
    """Claims of a JWT of one type that one of the keys has signed; ValueError. None is read before."""
    from cryptography.exceptions import InvalidSignature

    parts = text.split(".")
    if len(parts) != 3 or (kind == "JWT" and len(text) > _MAX_KEY):
        raise ValueError("not a JWT")
    header = part(parts[0])
    if header.get("alg") != "EdDSA" or "crit" in header or str(header.get("typ", "")).lower() != kind.lower():
        raise ValueError("another kind")
    kid = header.get("kid")
    signed = f"{parts[0]}.{parts[1]}".encode()
    for name, key in keys:
        if name != kid and not (any_signer and kid is None):
            continue
        try:
            key.verify(decode(parts[2]), signed)
        except InvalidSignature:
            continue
        return part(parts[1])
    raise ValueError("not signed by the server")
