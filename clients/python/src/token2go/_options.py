"""What a caller can ask for, with defaults and checks."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypedDict

from token2go import _browser
from token2go._errors import OptionError
from token2go._prompt import Prompt
from token2go._server import parse

if TYPE_CHECKING:
    from typing_extensions import Unpack

Method = Literal["auto", "loopback", "paste", "proxy"]
Format = Literal["jwe", "triple"]
Browser = bool | str | Callable[[str], object] | None
Show = Callable[[Prompt], object] | None

_NAME_CATEGORIES = ("L", "M", "N", "P", "S")
_DAY = 86400


class Options(TypedDict, total=False):
    """What `get`, `aget`, `environment` and `Auth` take besides the server. `get` explains each."""

    min_ttl: float
    timeout: float
    client: str
    method: Method
    format: Format
    port: int | Sequence[int]
    browser: Browser
    ca_file: str | None
    cache: bool
    check: bool
    fresh: bool
    profile: str
    lifetime: float
    allow_http: bool
    show: Show


@dataclass(frozen=True)
class Settings:
    """The options with every default. `checked` makes one whose `server` is in its one spelling."""

    server: str
    min_ttl: float = 60
    timeout: float = 300
    client: str = "token2go for Python"
    method: Method = "auto"
    format: Format = "jwe"
    port: int | Sequence[int] = 0
    browser: Browser = None
    ca_file: str | None = None
    cache: bool = True
    check: bool = True
    fresh: bool = False
    profile: str = ""
    lifetime: float = 300
    allow_http: bool = False
    show: Show = None

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports to try, in this order; 0 means any that is free."""
        return (self.port,) if isinstance(self.port, int) else tuple(self.port)


def checked(server: str, **options: Unpack[Options]) -> Settings:
    """Returns the settings, or raises OptionError and names the option that cannot be used."""
    given = Settings(server, **options)
    fault = _fault(given)
    if fault:
        raise OptionError(fault)
    return replace(given, server=parse(server, given.allow_http))


def _fault(o: Settings) -> str:
    if o.format not in ("jwe", "triple"):
        return f'format is {o.format!r}, want "jwe" or "triple"'
    if o.method not in ("auto", "loopback", "paste", "proxy"):
        return f'method is {o.method!r}, want "auto", "loopback", "paste" or "proxy"'
    if not 0 <= o.min_ttl <= _DAY:
        return f"min_ttl is {o.min_ttl}, want 0 to {_DAY} seconds"
    if not 0 < o.timeout <= _DAY:
        return f"timeout is {o.timeout}, want more than 0 and at most {_DAY} seconds"
    if not 0 <= o.lifetime <= _DAY:
        return f"lifetime is {o.lifetime}, want 0 to {_DAY} seconds"
    if not o.ports or not all(type(port) is int and 0 <= port <= 65535 for port in o.ports):
        return f"port is {o.port!r}, want 0 to 65535, or a list of such"
    if not _is_display_name(o.client):
        return "client is not a name, want 1 to 64 letters, digits, signs and single spaces"
    if isinstance(o.browser, str) and not _browser.command(o.browser):
        return f"browser is {o.browser!r}, want a command whose program is found"
    if "\0" in o.profile:
        return "profile holds a NUL"
    if o.method == "paste" and o.format == "triple":
        return "a triple cannot be pasted: want the format jwe"
    return ""


def _is_display_name(text: str) -> bool:
    """Whether the server accepts a text as a program's name."""
    words = text.split(" ")
    letters = all(unicodedata.category(letter)[0] in _NAME_CATEGORIES for letter in text.replace(" ", ""))
    return 1 <= len(text) <= 64 and all(words) and letters
