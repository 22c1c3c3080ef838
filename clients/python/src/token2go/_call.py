"""One question of the redirect flow: its addresses, and whether an answer fits its key, state and format."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode

from cryptography.hazmat.primitives.asymmetric import rsa

from token2go import _claims, _seal
from token2go._errors import StrayError, Token2goError, UnacceptedError, printable, refusal
from token2go._token import Token, is_name, is_token, moment

Fields = Mapping[str, list[str]]

_PATH = "flow/redirect/token"  # where the flow begins, below the server's prefix
_SINGLE = ("error", "error_description", "response", "key", "nonce", "payload")
_PARTS = ("key", "nonce", "payload")

JWE_BEGINS = "eyJ"  # base64url of {", with which a protected header begins


class Verdict(NamedTuple):
    """What ends a wait: a token, or the error that the server sent in its place."""

    token: Token | None = None
    error: Token2goError | None = None
    warning: str = ""


class Call:
    """One question: a fresh key, which never leaves the process, and a fresh state."""

    def __init__(self, server: str, *, triple: bool = False, client: str = "", min_ttl: int = 0) -> None:
        self.server = server
        self.triple = triple
        self.client = client
        self.min_ttl = min_ttl
        self.state = secrets.token_urlsafe(32)
        self.began = datetime.now(timezone.utc)
        self._private = _seal.new_key(rsa_key=triple)
        self._jwk = _seal.jwk(self._private)
        self.words = _seal.words(self._jwk, self.state)

    def to_listener(self, port: int, path: str) -> str:
        """The address of the flow that ends at http://127.0.0.1:port/path."""
        if self.triple:  # 1.0.3 has no other parameter
            return self._address({"target": f"http://127.0.0.1:{port}{path}"})
        # Web application firewalls refuse an address in a query.
        return self._address({"responseMode": "auto", "port": str(port), "path": path})

    def to_target(self, target: str) -> str:
        """The address of the flow that ends at an https address which the operator has allowed.

        The answer is asked for in the query, however long: a hub takes no form from another site.
        """
        return self._address({"responseMode": "query", "target": target})

    def to_paste(self) -> str:
        """The address of the flow that ends at a text to paste."""
        return self._address({"responseMode": "page"})

    def _address(self, way: dict[str, str]) -> str:
        query = {"state": self.state, "client": self.client, **way}
        if self.triple:
            assert isinstance(self._private, rsa.RSAPrivateKey)  # noqa: S101 - for the type checker
            query |= {"publicKeyType": "rsa2048-rfc5280-x509-pem", "publicKey": _seal.pem(self._private)}
        else:
            # In base64url, since web application firewalls refuse JSON in a query.
            query |= {"format": "jwe", "publicKeyType": "jwk", "publicKey": _seal.url64(self._jwk.encode())}
        if self.min_ttl:
            query["minTTL"] = str(self.min_ttl)
        return f"{self.server}{_PATH}?{urlencode(query)}"

    def judge_pasted(self, text: str) -> Verdict:
        """Judges a pasted text without white space: the sealed text, or an address that a browser could not reach."""
        if is_address(text):
            return self.judge(fields(text.partition("?")[2].partition("#")[0]), self.began)
        if not text.startswith(JWE_BEGINS):
            raise UnacceptedError("what was pasted is neither a sealed text nor the address of one")
        return self.judge({"state": [self.state], "response": [text]}, self.began)

    def judge(self, given: Fields, since: datetime | None = None) -> Verdict:
        """Judges the parameters of a possible answer, which was sealed no earlier than `since`, or just now."""
        state = given.get("state", [])
        # What is pasted may hold half a surrogate pair.
        if len(state) != 1 or not hmac.compare_digest(state[0].encode(errors="surrogatepass"), self.state.encode()):
            raise StrayError("it does not hold the state of this call")
        for name in _SINGLE:
            if len(given.get(name, [])) > 1:
                raise UnacceptedError(f"it holds {name} twice")
        only = {name: values[0] for name, values in given.items()}
        sealed, parts = "response" in only, any(name in only for name in _PARTS)
        if "error" in only:
            if sealed or parts:
                raise UnacceptedError("it is a refusal and a token at once")
            return Verdict(error=refusal(only["error"], only.get("error_description", "")))
        if parts and not self.triple:
            raise UnacceptedError("it is in the format triple, and jwe was asked for")
        if sealed and self.triple:
            raise UnacceptedError("it is in the format jwe, and triple was asked for")
        if not sealed and not parts:
            raise UnacceptedError("it holds neither a token nor a refusal")
        return self._open(only, since)

    def _open(self, only: dict[str, str], since: datetime | None) -> Verdict:
        try:
            if "response" in only:
                opened = _seal.open_jwe(self._private, only["response"], self.state)
                return self._read(opened.plaintext, since, opened.issuer, _moment(opened.issued_at))
            assert isinstance(self._private, rsa.RSAPrivateKey)  # noqa: S101 - for the type checker
            plain = _seal.open_triple(self._private, *(only.get(name, "") for name in _PARTS))
        except _seal.EnvelopeError as error:
            raise UnacceptedError(str(error)) from None
        return self._read(plain, since)

    def _read(
        self, plaintext: bytes, since: datetime | None, issuer: str = "", sealed_at: datetime | None = None
    ) -> Verdict:
        """Takes the token out of the plaintext. Other members that are unknown or unusable are ignored.

        Its expiry is a time of the server's clock, and becomes one of ours.
        """
        try:
            document = json.loads(plaintext.decode())
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise UnacceptedError("what it holds is not the JSON of a token")
        text = document.get("secret")
        if not isinstance(text, str) or not is_token(text):
            raise UnacceptedError("it holds no token that can be used")
        header, kind = document.get("header"), document.get("tokenType")
        sealed_at = sealed_at or moment(document.get("timestamp"))
        ahead = clock_ahead(sealed_at, since)
        token = Token(
            text,
            expires_at=_expiry(text, moment(document.get("expires")), sealed_at, ahead),
            header=header if isinstance(header, str) and is_name(header) else "",
            token_type=kind if isinstance(kind, str) and is_name(kind) else "Bearer",
            issuer=issuer if issuer == printable(issuer) else "",
            words=self.words,
        )
        side = "behind" if ahead > 0 else "ahead of"
        warning = f"this computer's clock is {abs(ahead):.0f} s {side} the server's; set it" if ahead else ""
        return Verdict(token, warning=warning)


def is_address(text: str) -> bool:
    """Whether a text is an address, rather than a sealed text."""
    return text.startswith(("http://", "https://", "127.0.0.1:"))


def fields(query: str) -> Fields:
    """Takes a query or a form apart. One that cannot be read is an unexpected request."""
    # The library passes over both without a word.
    if ";" in query or re.search("%(?![0-9A-Fa-f]{2})", query):
        raise StrayError("its parameters cannot be read")
    try:
        return parse_qs(query, keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise StrayError("its parameters cannot be read") from None


def _moment(seconds: int) -> datetime:
    """A number of seconds since 1970, or the last moment there is."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=timezone.utc)


def clock_ahead(at: datetime | None, since: datetime | None = None) -> float:
    """By how many seconds the server's clock is ahead of ours; 0 for a difference of up to a minute.

    `at` is when the server sealed an answer, which may have been at any time between `since` and now.
    """
    if at is None:
        return 0
    now = datetime.now(timezone.utc)
    ahead = (at - now).total_seconds()
    if ahead < 0:
        ahead = min(0.0, (at - (since or now)).total_seconds())
    return ahead if abs(ahead) > 60 else 0


def _expiry(token: str, expires: datetime | None, sealed_at: datetime | None, ahead: float) -> datetime | None:
    """When a token expires by our clock: what the server says, or a JWT itself if that is earlier."""
    claimed = _claims.time(_claims.read(token) or {}, "exp")
    expires = min((at for at in (expires, claimed) if at), default=None)
    if not ahead or expires is None or sealed_at is None:
        return expires
    # Its lifetime counts, from when it was sealed.
    return expires - timedelta(seconds=ahead) if expires > sealed_at else None
