"""Why there is no token, and what to do next. No error holds a token."""

from __future__ import annotations


class Token2goError(Exception):
    """No token, and why. `detail` is one line of ASCII, safe for a terminal, and may be empty."""

    kind = "no token"
    advice = ""
    code = ""  # under which the cache shares it with programs that wait; empty: it is not shared

    def __init__(self, detail: str = "") -> None:
        self.detail = printable(detail)
        super().__init__(self.detail)

    def __str__(self) -> str:
        text = f"{self.kind}: {self.detail}" if self.detail else self.kind
        return f"{text}; {self.advice}" if self.advice else text


class OptionError(Token2goError, ValueError):
    """An argument cannot be used."""

    kind = "unusable argument"


class CacheError(Token2goError):
    """The cache's folder or files are not safe to use, or cannot be used."""

    kind = "the cache cannot be used"


class ListenError(Token2goError):
    """No listener on 127.0.0.1."""

    kind = "no listener on 127.0.0.1"
    advice = "choose another port, or 0 for any that is free"


class UnreachableError(Token2goError):
    """The server does not answer."""

    kind = "server unreachable"
    advice = "check the address, the network and the proxy"


class CertificateError(Token2goError):
    """The server's certificate is not trusted here."""

    kind = "certificate not trusted"
    advice = (
        "trust the authority that issued it (ca_file names a file with its certificate), "
        "or check that the address is the right one"
    )


class DeniedError(Token2goError):
    """The person said no."""

    kind = "denied"
    advice = "ask again and choose Allow if the four words are the same in both places"
    code = "denied"


class TimedOutError(Token2goError):
    """No one finished signing in within the time limit."""

    kind = "timed out"
    advice = (
        'ask again; with method="paste" where the browser cannot reach this computer, with format="triple" at a '
        "token2go-server 1.0.3"
    )
    code = "timed_out"


class PausedError(TimedOutError):
    """Nothing was asked, since the last questions were not answered."""


class NoTokenError(Token2goError):
    """The gateway sends no token that can be used."""

    kind = "no token at the gateway"
    advice = "tell the operator: the gateway must forward the access token (the server's page /echo says how)"
    code = "no_token"


class ExpiringError(Token2goError):
    """The gateway's token expires too soon."""

    kind = "token expiring"
    advice = "sign out at the gateway and in again, or ask with a smaller min_ttl"
    code = "expiring"


class RefusedError(Token2goError):
    """The server does not allow this request."""

    kind = "request refused"
    advice = "ask the operator what is allowed, or change what is asked for"
    code = "refused"


class ServerError(Token2goError):
    """The server failed."""

    kind = "server error"
    advice = "try again in a moment; the server's log says more"
    code = "server_error"


class CancelledError(Exception):
    """The wait was called off."""


class UnacceptedError(Exception):
    """An answer holds the state and is not accepted; the wait goes on."""


class StrayError(Exception):
    """A request without the state of this call. It is answered and not reported."""


SHARED: dict[str, type[Token2goError]] = {
    kind.code: kind for kind in (DeniedError, TimedOutError, NoTokenError, ExpiringError, RefusedError, ServerError)
}

_REFUSALS: dict[str, type[Token2goError]] = {
    "access_denied": DeniedError,
    "token_not_found": NoTokenError,
    "token_expiring": ExpiringError,
    "server_error": ServerError,
    "invalid_request": RefusedError,
}


def refusal(code: str, description: str) -> Token2goError:
    """What an `error` with the right state means (RFC 6749, section 4.1.2.1, and two codes of our own)."""
    kind = _REFUSALS.get(code)
    if kind is None:
        return RefusedError(f"{code} {description}".strip())
    return kind(description)


def printable(text: str, limit: int = 400) -> str:
    """Makes a text from outside safe for a terminal: one line of ASCII, shortened."""
    if len(text) > limit:
        text = text[:limit] + "..."
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)
