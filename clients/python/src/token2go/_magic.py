"""`%load_ext token2go` and the magic `%token2go`."""

from __future__ import annotations

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Is called by `%load_ext token2go`."""
    shell.register_magic_function(token2go, magic_kind="line", magic_name="token2go")


def token2go(line: str) -> None:
    """%token2go SERVER [--name token] [--min-ttl SECONDS] [--timeout SECONDS] [--paste] [--triple] [--no-cache]

    Gets the token of the person who signs in at SERVER, and puts it into a variable, `token` unless told. It
    returns nothing, so that nothing of the token is put out.
    """
    import argparse
    import shlex

    from IPython.core.error import UsageError
    from IPython.core.getipython import get_ipython

    from token2go._get import get

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> Any:
            raise UsageError(f"%token2go: {message}")

    parser = Parser(prog="%token2go", add_help=False, allow_abbrev=False)
    parser.add_argument("server")
    parser.add_argument("--name", default="token")
    parser.add_argument("--min-ttl", type=float, default=60)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--client")
    parser.add_argument("--paste", action="store_true")
    parser.add_argument("--triple", action="store_true")
    parser.add_argument("--no-cache", action="store_true")
    options = parser.parse_args(shlex.split(line))
    if not options.name.isidentifier():
        raise UsageError(f"%token2go: {options.name!r} is no name of a variable")
    token = get(
        options.server,
        min_ttl=options.min_ttl,
        timeout=options.timeout,
        client=options.client,
        method="paste" if options.paste else "auto",
        format="triple" if options.triple else "jwe",
        cache=not options.no_cache,
    )
    shell: Any = get_ipython()
    if shell is not None:
        shell.push({options.name: token})
