"""An access token that does not show itself."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from typing import NoReturn, SupportsIndex

# Goes before a token when its fingerprint is taken. It is part of the protocol.
_SALT = "03c49494-c1f3-4b3c-a9e3-28b1c4e42177"


def fingerprint(text: str) -> str:
    """64 hex characters: SHA-512/256 over the protocol's salt and the token."""
    salted = (_SALT + text).encode()
    try:
        return hashlib.new("sha512_256", salted, usedforsecurity=False).hexdigest()
    except ValueError:  # an OpenSSL without it
        from cryptography.hazmat.primitives import hashes

        digest = hashes.Hash(hashes.SHA512_256())
        digest.update(salted)
        return digest.finalize().hex()


class Token:
    """An access token. Its `repr` is a mask; `str(token)` and `f"{token}"` reveal it.

    It cannot be pickled, and so does not end up in files by accident: where another
    process needs it, hand over `str(token)`.
    """

    __slots__ = ("_text", "expires_at", "fingerprint", "header", "issuer", "obtained_at", "token_type", "words")

    expires_at: datetime | None
    """When it expires, in UTC; None: unknown."""
    fingerprint: str
    """64 hex characters, the same that the server shows; safe to print."""
    token_type: str
    """The scheme of the Authorization header, such as Bearer."""
    header: str
    """The header that the gateway sent it in, for showing; may be empty."""
    issuer: str
    """The server's own claim, unproven and for showing; may be empty."""
    obtained_at: datetime
    """When this computer received it, in UTC."""
    words: tuple[str, ...]
    """The four words of the call that got it; empty where it comes from the cache."""

    def __init__(
        self,
        text: str,
        *,
        expires_at: datetime | None = None,
        token_type: str = "Bearer",  # noqa: S107 - the name of a scheme
        header: str = "",
        issuer: str = "",
        obtained_at: datetime | None = None,
        words: tuple[str, ...] = (),
    ) -> None:
        if not is_token(text):
            raise ValueError("a token is not empty, and holds no space and no control character")
        self._text = text
        self.fingerprint = fingerprint(text)
        self.expires_at = expires_at
        self.token_type = token_type
        self.header = header
        self.issuer = issuer
        self.obtained_at = obtained_at or datetime.now(timezone.utc)
        self.words = words

    @property
    def authorization(self) -> str:
        """The value of the header Authorization. It holds the token."""
        return f"{self.token_type} {self._text}"

    @property
    def expires_in(self) -> float | None:
        """Seconds until it expires, negative when it has; None: unknown."""
        if self.expires_at is None:
            return None
        return (self.expires_at - datetime.now(timezone.utc)).total_seconds()

    def valid_for(self, seconds: float, *, lifetime: float = 300, now: datetime | None = None) -> bool:
        """Whether it lives for at least another number of seconds.

        One whose expiry is unknown counts as valid for `lifetime` seconds from when it was obtained.
        """
        now = now or datetime.now(timezone.utc)
        if self.expires_at is None:
            return now < self.obtained_at + timedelta(seconds=lifetime)
        return (self.expires_at - now).total_seconds() >= seconds

    def __str__(self) -> str:
        return self._text

    def __format__(self, spec: str) -> str:
        return format(self._text, spec)

    def __repr__(self) -> str:
        end = f"valid until {self.expires_at:%Y-%m-%d %H:%M:%S} UTC" if self.expires_at else "expiry unknown"
        return f"<Token {self.fingerprint[:12]}… {end}>"

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, Token) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __copy__(self) -> Token:
        return self

    def __deepcopy__(self, memo: object) -> Token:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a Token is not pickled, so that it does not end up in a file; hand over str(token)")


def is_token(text: str) -> bool:
    """Whether a text can be sent in a header as it is."""
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return bool(text) and not any(letter <= " " or "\x7f" <= letter <= "\x9f" or letter.isspace() for letter in text)


def is_name(text: str) -> bool:
    """Whether a text is a token as RFC 9110, section 5.6.2, has it: a header's name, an authentication scheme."""
    odd = set(text) - set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return 0 < len(text) <= 100 and not odd


def moment(text: object) -> datetime | None:
    """Reads a time of RFC 3339 (UTC or an offset, any fraction of a second); None for anything else."""
    import re

    form = r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-]\d\d:\d\d))"
    found = re.fullmatch(form, text, re.ASCII) if isinstance(text, str) else None
    if not found:
        return None
    day, clock, fraction, offset = found.groups()
    try:
        read = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0'):0<6.6}{offset or '+00:00'}")
        return read.astimezone(timezone.utc)
    except (ValueError, OverflowError):  # a 13th month, or a year that UTC does not reach
        return None
