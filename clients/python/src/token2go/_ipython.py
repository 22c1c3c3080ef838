"""`%load_ext token2go` and the magic `%token2go`."""

from __future__ import annotations

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Called by `%load_ext token2go`."""
    shell.register_magic_function(token2go, magic_kind="line", magic_name="token2go")


def token2go(line: str) -> None:
    """%token2go SERVER [--name VARIABLE] [options of python -m token2go]

    Gets the token of the person who signs in at SERVER, and puts it into a variable, `token` by default. It
    returns nothing, so that nothing of the token is in the output.
    """
    import argparse
    import shlex

    from IPython.core.error import UsageError
    from IPython.core.getipython import get_ipython

    from token2go import _arguments
    from token2go._get import get

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> Any:
            raise UsageError(f"%token2go: {message}")

    parser = Parser(prog="%token2go", add_help=False, allow_abbrev=False)
    _arguments.add(parser)
    parser.add_argument("--name", default="token")
    given = parser.parse_args(shlex.split(line))
    if not given.name.isidentifier():
        raise UsageError(f"%token2go: {given.name!r} is not a name of a variable")
    token = get(given.server, **_arguments.options(given))
    shell: Any = get_ipython()
    if shell is not None:
        shell.push({given.name: token})
