"""The forms in which `python -m token2go` prints a token: those of the program token2go that need no file."""

from __future__ import annotations

import argparse
import re
import shlex

from token2go._token import Token

FORMS = ("token", "env", "env:NAME", "header", "curl-config")


def form(text: str) -> str:
    """Checks the value of --output."""
    kind, colon, name = text.partition(":")
    if colon and kind == "env" and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return text
    if not colon and text in FORMS:
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(FORMS)}")


def write(token: Token, form: str) -> str:
    """The token in a form that was checked, without a line end."""
    kind, _, name = form.partition(":")
    header = f"Authorization: {token.authorization}"
    if kind == "env":
        return f"export {name or 'ACCESS_TOKEN'}={shlex.quote(str(token))}"
    if kind == "curl-config":
        quoted = header.replace("\\", "\\\\").replace('"', '\\"')
        return f'header = "{quoted}"'
    return header if kind == "header" else str(token)
