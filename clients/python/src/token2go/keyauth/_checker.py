"""Whether the key of a request is good."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from token2go._server import parse
from token2go.keyauth._fetch import UnreachableError, fetch
from token2go.keyauth._key import Clock, Finder, Key, Refused, invalid, unavailable, without_key
from token2go.keyauth._offline import Offline

_log = logging.getLogger("token2go.keyauth")
_MAX_KNOWN = 10_000
# Refusals of this program and not of the key that it asked about.
_OWN = ("peer_not_allowed", "caller_invalid", "grant_missing")


@dataclass(frozen=True)
class Facts:
    """What a request is, besides its key."""

    address: str = ""
    origin: str = ""
    referer: str = ""
    method: str = ""
    uri: str = ""


class Checker:
    """Checks keys, for any number of threads.

    `server` is the address of the API listener. `issuer` is its T2G_API_URL where that differs. `app` is the
    application that this is; without it keys that name applications are refused. `secret` is a key with the grant
    introspect:APP: with it the server is told the caller's address and page, so that keys can be bound to networks and
    hosts; without, it takes this program's address for the caller's. `max_stale` is a minute by default, offline 15
    minutes. `accept_unlisted` takes keys that apikeyserv made, which cannot be revoked one by one offline.
    """

    def __init__(
        self,
        server: str,
        *,
        issuer: str = "",
        app: str = "",
        prefix: str = "t2g",
        secret: str = "",
        offline: bool = False,
        accept_unlisted: bool = False,
        local_keys: object = None,
        allow_query: bool = False,
        max_age: float = 5,
        max_stale: float | None = None,
        allow_http: bool = False,
        clock: Clock = time.time,
    ) -> None:
        self._server = parse(server, allow_http).rstrip("/")
        issuer = issuer.rstrip("/") or self._server
        self.finder = Finder(prefix, issuer, allow_query, accept_unlisted)
        self._app, self._secret, self._max_age, self._clock = app, secret, max_age, clock
        self._max_stale = (900 if offline else 60) if max_stale is None else max_stale
        self._offline = (
            Offline(
                self._server,
                issuer,
                max_stale=self._max_stale,
                accept_unlisted=accept_unlisted,
                local=local_keys,
                clock=clock,
            )
            if offline
            else None
        )
        self._known: OrderedDict[bytes, tuple[Key, float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(
        self,
        headers: Iterable[tuple[str, str]],
        query: str = "",
        *,
        address: str = "",
        method: str = "",
        path: str = "",
    ) -> Key:
        """Returns the good key of a request. Raises Refused."""
        listed = [(name.lower(), value) for name, value in headers]
        found = dict(listed)
        rest = without_key(query)
        uri = f"{path}?{rest}" if rest else path
        facts = Facts(address, found.get("origin", ""), found.get("referer", ""), method, uri)
        return self.check_key(self.finder.find(listed, query), facts)

    def check_key(self, key: str, facts: Facts | None = None) -> Key:
        """`check` for a key that was found already."""
        if self._offline:
            return self._offline.check(key)
        facts = facts or Facts()
        known = hashlib.sha256(json.dumps([key, facts.address, facts.origin, facts.referer]).encode()).digest()
        with self._lock:
            last = self._known.get(known)
        if last and self._clock() - last[1] < self._max_age:
            return self._unexpired(last[0])
        asked = self._clock()
        try:
            good = self._ask(key, facts)
        except UnreachableError as error:
            if last and self._clock() - last[1] < self._max_stale:
                return self._unexpired(last[0])
            _log.warning("API keys cannot be checked: %s", error)
            raise unavailable() from None
        except Refused:
            # Not kept: the key may be made a moment later, and a limit ends by itself.
            with self._lock:
                self._known.pop(known, None)
            raise
        with self._lock:
            self._known[known] = good, asked
            self._known.move_to_end(known)
            if len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
        return self._unexpired(good)

    def _unexpired(self, key: Key) -> Key:
        if key.expires and key.expires.timestamp() <= self._clock():
            raise invalid()
        return key

    def _ask(self, key: str, facts: Facts) -> Key:
        """Asks with the key itself, or in the name of the application. Raises Refused or UnreachableError."""
        address, body = self._server + "/check", None
        if self._secret:
            headers = {"Authorization": f"Bearer {self._secret}", "Content-Type": "application/json"}
            question = {"key": key, "app": self._app, "ip": facts.address, "referer": facts.origin or facts.referer}
            body = json.dumps(question | {"method": facts.method, "uri": facts.uri}).encode()
        else:
            headers = {"Authorization": f"Bearer {key}"}
            headers |= {n: v for n, v in (("Origin", facts.origin), ("Referer", facts.referer)) if v}
            address += f"?app={quote(self._app, safe='')}" if self._app else ""
        try:
            status, answered, text = fetch(address, headers, body)
            content = json.loads(text)
        except (ValueError, RecursionError):
            raise UnreachableError("the answer is no JSON; is the address that of the API listener?") from None
        if status == 200:
            return _key(content)
        kind = content.get("kind") if isinstance(content, dict) else None
        if status not in (401, 403, 429) or not kind or kind in _OWN:
            raise UnreachableError(f"the server answers with status {status}, {kind or 'which is no refusal of a key'}")
        raise Refused(status, str(kind), str(content.get("detail", "")), answered.get("retry-after", ""))


def _key(verdict: object) -> Key:
    try:
        if not isinstance(verdict, dict):
            raise TypeError
        key = verdict["key"]
        expires = key.get("expires")
        return Key(
            id=key["id"],
            kind=key["kind"],
            name=key["name"],
            expires=datetime.fromisoformat(expires.replace("Z", "+00:00")) if expires else None,
            subject=verdict.get("subject", ""),
            login=verdict.get("login", ""),
            email=verdict.get("email", ""),
            roles=tuple(verdict["roles"]),
            groups=tuple(verdict["groups"]),
            apps=tuple(verdict["apps"]),
            config=verdict.get("config") or {},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UnreachableError("the answer is no verdict; is the address that of the API listener?") from None
