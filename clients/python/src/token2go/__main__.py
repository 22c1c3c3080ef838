"""`python -m token2go SERVER` prints the token alone on standard output, and all else on standard error."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys

from token2go import __version__, _arguments, _output
from token2go._errors import (
    CacheError,
    CertificateError,
    DeniedError,
    ExpiringError,
    ListenError,
    NoTokenError,
    OptionError,
    RefusedError,
    ServerError,
    TimedOutError,
    Token2goError,
    UnreachableError,
)

# The same as those of the program token2go.
_CODES: dict[type[Token2goError], int] = {
    OptionError: 2,
    DeniedError: 3,
    TimedOutError: 4,
    NoTokenError: 5,
    ExpiringError: 6,
    RefusedError: 7,
    UnreachableError: 8,
    CertificateError: 9,
    ServerError: 10,
    CacheError: 13,
    ListenError: 14,
}

# In the words of the command line.
_ADVICE: dict[type[Token2goError], str] = {
    TimedOutError: "ask again; with --paste where the browser cannot reach this computer, with --format triple at a "
    "token2go-server 1.0.3",
    CertificateError: "trust the authority that issued it (--ca-file), or check that the address is the right one",
    ExpiringError: "sign out at the gateway and in again, or ask with a smaller --min-ttl",
}

_EPILOG = """\
examples:
  python -m token2go --output header https://t2g.example.org | curl --header @- https://api.example.org/items
  token=$(python -m token2go https://t2g.example.org)
  python -m token2go --paste https://t2g.example.org      (the browser is on another computer)
  python -m token2go --logout https://t2g.example.org     (forget the token)

exit codes:
  0 a token, 1 anything else, 2 usage, 3 denied, 4 timed out, 5 no token at the gateway, 6 token expiring,
  7 request refused, 8 server unreachable, 9 certificate not trusted, 10 server error, 13 cache unusable (--logout),
  14 no port to listen on, 130 interrupted
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    given = _parser().parse_args(arguments)
    try:
        if given.logout:
            from token2go._get import logout

            removed = logout(given.server, profile=given.profile or "", allow_http=given.allow_http)
            print("token2go: " + ("the token is removed" if removed else "there was no token"), file=sys.stderr)
            return 0
        from token2go._get import get

        token = get(given.server, **_arguments.options(given))
        try:
            if sys.stdout is None:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            print(_output.write(token, given.output), flush=True)
        except OSError as error:  # the reader has gone, or the disk is full
            print(f"token2go: the token was not written: {error.strerror}", file=sys.stderr)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python tries again when it ends
            return 1
    except Token2goError as error:
        error.advice = _ADVICE.get(type(error), error.advice)
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
    _arguments.add(parser)
    forms = f"{', '.join(_output.FORMS)} (token)"
    parser.add_argument("-o", "--output", type=_output.form, metavar="FORM", default="token", help=forms)
    parser.add_argument("--logout", action="store_true", help="remove the token from the cache, and do nothing else")
    parser.add_argument("--version", action="version", version=f"token2go {__version__}")
    return parser


def _catch_signals() -> None:
    """Has other signals end the program as Ctrl-C does, which restores the terminal."""
    for name in ("SIGTERM", "SIGHUP", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    _catch_signals()
    sys.exit(main())
