"""What a caller asks for, with every default in place."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from token2go._errors import OptionError
from token2go._prompt import Prompt
from token2go._server import parse

Method = Literal["auto", "loopback", "paste", "proxy"]
Format = Literal["jwe", "triple"]
Browser = bool | Callable[[str], object] | None
Show = Callable[[Prompt], object] | None

_NAME_CATEGORIES = ("L", "M", "N", "P", "S")


@dataclass(frozen=True)
class Options:
    """Checked options. `server` is in its one spelling, with a slash at the end."""

    server: str
    min_ttl: int
    timeout: float
    client: str
    method: Method
    format: Format
    port: int
    browser: Browser
    ca_file: str | None
    cache: bool
    lifetime: float
    allow_http: bool
    show: Show


def checked(
    server: str,
    *,
    min_ttl: float = 60,
    timeout: float = 300,
    client: str | None = None,
    method: Method = "auto",
    format: Format = "jwe",  # noqa: A002 - the word of the protocol
    port: int = 0,
    browser: Browser = None,
    ca_file: str | None = None,
    cache: bool = True,
    lifetime: float = 300,
    allow_http: bool = False,
    show: Show = None,
) -> Options:
    """Returns the options, or raises OptionError and says which of them cannot be used."""
    client = "token2go for Python" if client is None else client
    fault = ""
    if format not in ("jwe", "triple"):
        fault = f'format is {format!r}, want "jwe" or "triple"'
    elif method not in ("auto", "loopback", "paste", "proxy"):
        fault = f'method is {method!r}, want "auto", "loopback", "paste" or "proxy"'
    elif not 0 <= min_ttl <= 86400:
        fault = f"min_ttl is {min_ttl}, want 0 to 86400 seconds"
    elif not 0 < timeout <= 86400:
        fault = f"timeout is {timeout}, want more than 0 and at most 86400 seconds"
    elif not 0 <= lifetime <= 86400:
        fault = f"lifetime is {lifetime}, want 0 to 86400 seconds"
    elif type(port) is not int or not 0 <= port <= 65535:
        fault = f"port is {port!r}, want 0 to 65535"
    elif not _is_name(client):
        fault = "client is no name, want 1 to 64 letters, digits, signs and single spaces"
    elif method == "paste" and format == "triple":
        fault = 'method="paste" needs the format jwe: a triple cannot be pasted'
    if fault:
        raise OptionError(fault)
    return Options(
        server=parse(server, allow_http),
        min_ttl=math.ceil(min_ttl),
        timeout=timeout,
        client=client,
        method=method,
        format=format,
        port=port,
        browser=browser,
        ca_file=ca_file,
        cache=cache,
        lifetime=lifetime,
        allow_http=allow_http,
        show=show,
    )


def _is_name(text: str) -> bool:
    """Whether the server takes it for a program's name."""
    words = text.split(" ")
    letters = all(unicodedata.category(letter)[0] in _NAME_CATEGORIES for letter in text.replace(" ", ""))
    return 1 <= len(text) <= 64 and all(words) and letters
