"""The arguments that `python -m token2go` and the magic `%token2go` have in common."""

from __future__ import annotations

import argparse
from datetime import timedelta

from token2go._options import Options

_UNITS = {"h": "hours", "m": "minutes", "s": "seconds"}


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the server and the options to a parser."""
    option = parser.add_argument
    option("server", metavar="SERVER", help="address of Token2go, such as https://t2g.example.org")
    option("--min-ttl", type=_seconds, metavar="DUR", help="how long the token must still be valid (60s)")
    option("--unknown-ttl", type=_seconds, metavar="DUR", help="how long a token without a known expiry is used (5m)")
    option("--timeout", type=_seconds, metavar="DUR", help="how long to wait for you (5m)")
    option("--client", metavar="NAME", help="the name that the sign-in page shows for this program")
    option("--profile", metavar="NAME", help="which of several accounts, each with a token of its own in the cache")
    option("--paste", action="store_true", help="take the sealed text that the page shows, pasted here")
    option("--listen", action="store_true", help="wait on 127.0.0.1 even where the browser seems to be elsewhere")
    option("--format", choices=["jwe", "triple"], help="triple is for a token2go-server 1.0.3 (jwe)")
    option("--port", type=_ports, metavar="N[,N...]", help="port of the listener, the first that is free (any)")
    option("--browser", metavar="COMMAND", help="open the address with COMMAND, in which %%s is replaced")
    option("--no-browser", action="store_true", help="open no browser; print the address only")
    option("--fresh", action="store_true", help="ask even where the cache has a token, and replace that one")
    option("--no-cache", action="store_true", help="neither look into the cache nor keep the token")
    option("--no-check", action="store_true", help="do not probe the server; for one that only your browser reaches")
    option("--ca-file", metavar="FILE", help="certificates (PEM) to trust besides the system's")
    option("--allow-http", action="store_true", help="allow http beyond this computer as well")


def options(given: argparse.Namespace) -> Options:
    """The options that were given."""
    chosen: Options = {
        "cache": not given.no_cache,
        "check": not given.no_check,
        "fresh": given.fresh,
        "allow_http": given.allow_http,
        "ca_file": given.ca_file,
    }
    for name in ("min_ttl", "timeout", "client", "profile", "format", "port"):
        value = getattr(given, name)
        if value is not None:
            chosen[name] = value
    if given.paste or given.listen:
        chosen["method"] = "paste" if given.paste else "loopback"
    if given.unknown_ttl is not None:
        chosen["lifetime"] = given.unknown_ttl
    if given.no_browser or given.browser == "none":
        chosen["browser"] = False
    elif given.browser is not None:
        chosen["browser"] = given.browser
    return chosen


def _seconds(text: str) -> float:
    """Reads a duration such as 90s, 10m or 1h30m."""
    total, digits = timedelta(), ""
    try:
        for letter in text:
            if letter in _UNITS:
                total += timedelta(**{_UNITS[letter]: float(digits)})
                digits = ""
            else:
                digits += letter
        if not text or (digits and text != "0"):
            raise ValueError
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration, want one such as 90s, 10m or 1h") from None
    return total.total_seconds()


def _ports(text: str) -> list[int]:
    try:
        return [int(port) for port in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port or a list such as 8400,8401") from None
