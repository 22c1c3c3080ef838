"""`python -m token2go SERVER` prints the token alone on standard output, and all else on standard error."""

from __future__ import annotations

import argparse
import signal
import sys

from token2go import __version__
from token2go._errors import (
    CacheError,
    CertificateError,
    Denied,
    Expiring,
    ListenError,
    NoToken,
    OptionError,
    Refused,
    ServerError,
    TimedOut,
    Token2goError,
    Unreachable,
)

# The same as those of the program token2go.
_CODES: dict[type[Token2goError], int] = {
    OptionError: 2,
    Denied: 3,
    TimedOut: 4,
    NoToken: 5,
    Expiring: 6,
    Refused: 7,
    Unreachable: 8,
    CertificateError: 9,
    ServerError: 10,
    CacheError: 13,
    ListenError: 14,
}

_EPILOG = """\
examples:
  token=$(python -m token2go https://t2g.example.org)
  python -m token2go --paste https://t2g.example.org      (the browser is on another computer)
  python -m token2go --logout https://t2g.example.org     (forget the token)

exit codes:
  0 a token, 1 anything else, 2 usage, 3 denied, 4 timed out, 5 no token at the gateway, 6 token expiring,
  7 request refused, 8 server unreachable, 9 certificate not trusted, 10 server error, 13 cache not safe to use,
  14 no port to listen on, 130 interrupted
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.logout:
            from token2go._get import logout

            was = logout(options.server, allow_http=options.allow_http)
            print("token2go: " + ("the token is removed" if was else "there was no token"), file=sys.stderr)
            return 0
        from token2go._get import get

        token = get(
            options.server,
            min_ttl=options.min_ttl,
            timeout=options.timeout,
            client=options.client,
            method="paste" if options.paste else "loopback" if options.listen else "auto",
            format="triple" if options.triple else "jwe",
            port=options.port,
            browser=False if options.no_browser else None,
            ca_file=options.ca_file,
            cache=not options.no_cache,
            allow_http=options.allow_http,
        )
        sys.stdout.write(f"{token}\n")
        sys.stdout.flush()
    except Token2goError as error:
        print(f"token2go: {error}", file=sys.stderr)
        return next((code for kind, code in _CODES.items() if isinstance(error, kind)), 1)
    except KeyboardInterrupt:
        print("token2go: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m token2go",
        description="Print the access token that the gateway before SERVER holds for you.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("server", metavar="SERVER", help="address of Token2go, such as https://t2g.example.org")
    add("--min-ttl", type=float, default=60, metavar="SECONDS", help="how long the token must still be valid (60)")
    add("--timeout", type=float, default=300, metavar="SECONDS", help="how long to wait for you (300)")
    add("--client", metavar="NAME", help="the name that the sign-in page shows for this program")
    add("--paste", action="store_true", help="take the sealed text that the page shows, pasted here")
    add(
        "--listen",
        action="store_true",
        help="wait on 127.0.0.1, wherever the browser seems to be",
    )
    add("--triple", action="store_true", help="ask as token2go-server 1.0.3 understands it")
    add("--port", type=int, default=0, help="port of the listener; any that is free unless told")
    add("--no-browser", action="store_true", help="open no browser; print the address alone")
    add("--no-cache", action="store_true", help="neither look into the cache nor keep the token")
    add("--ca-file", metavar="PATH", help="certificates (PEM) to trust besides the system's")
    add("--allow-http", action="store_true", help="take http beyond this computer as well")
    add("--logout", action="store_true", help="remove the token from the cache, and do nothing else")
    add("--version", action="version", version=f"token2go {__version__}")
    return parser


def _catch_signals() -> None:
    """Has other signals end the program as Ctrl-C does, which puts the terminal back."""
    for name in ("SIGTERM", "SIGHUP", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    _catch_signals()
    sys.exit(main())
