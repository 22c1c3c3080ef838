"""What is said on standard error: standard output is for tokens."""

from __future__ import annotations

import sys

from token2go._errors import printable

_said: set[str] = set()


def say(text: str) -> None:
    """Prints a text, which may have several lines."""
    if sys.stderr is not None:
        print(f"token2go: {text}", file=sys.stderr, flush=True)


def warn(_: str, text: str) -> None:
    """Prints a warning of a kind."""
    say(printable(text))


def warn_once(text: str) -> None:
    """Prints a warning that this process has not printed before."""
    if text not in _said:
        _said.add(text)
        say(printable(text))
