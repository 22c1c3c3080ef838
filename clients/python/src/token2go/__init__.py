"""The access token of a person who signs in with a browser, sealed so that only this process can open it.

One call does all of it, in a shell, a program or a notebook:

    token = token2go.get("https://t2g.example.org")
    requests.get(address, headers={"Authorization": f"Bearer {token}"})

`get` makes a fresh key pair, listens on 127.0.0.1 alone and hands out an address for the person's browser.
Behind it the gateway signs the person in, and Token2go sends the token back, sealed for that key. `aget` is the
same to await, `Auth` keeps requests and httpx signed in, `environment` does so for tools that read variables.

A `Token` shows itself as a mask; only `str(token)` and `f"{token}"` reveal it. It is kept in the cache that
the program `token2go` uses as well, so that a shell and a notebook share one sign-in.
"""

from __future__ import annotations

# Type checkers assume that it is true; importing typing would cost more than the rest of this file.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from token2go._auth import Auth as Auth
    from token2go._environment import Environment as Environment
    from token2go._environment import environment as environment
    from token2go._errors import CacheError as CacheError
    from token2go._errors import CertificateError as CertificateError
    from token2go._errors import DeniedError as DeniedError
    from token2go._errors import ExpiringError as ExpiringError
    from token2go._errors import ListenError as ListenError
    from token2go._errors import NoTokenError as NoTokenError
    from token2go._errors import OptionError as OptionError
    from token2go._errors import RefusedError as RefusedError
    from token2go._errors import ServerError as ServerError
    from token2go._errors import TimedOutError as TimedOutError
    from token2go._errors import Token2goError as Token2goError
    from token2go._errors import UnreachableError as UnreachableError
    from token2go._get import aget as aget
    from token2go._get import get as get
    from token2go._get import logout as logout
    from token2go._ipython import load_ipython_extension as load_ipython_extension
    from token2go._options import Options as Options
    from token2go._probe import probe as probe
    from token2go._prompt import Prompt as Prompt
    from token2go._token import Token as Token

__version__ = "0.1.0"

# The module of each public name. It is imported when the name is first used, so that `import token2go` is fast.
_MODULES = {
    "Auth": "_auth",
    "CacheError": "_errors",
    "CertificateError": "_errors",
    "DeniedError": "_errors",
    "Environment": "_environment",
    "ExpiringError": "_errors",
    "ListenError": "_errors",
    "NoTokenError": "_errors",
    "OptionError": "_errors",
    "Options": "_options",
    "Prompt": "_prompt",
    "RefusedError": "_errors",
    "ServerError": "_errors",
    "TimedOutError": "_errors",
    "Token": "_token",
    "Token2goError": "_errors",
    "UnreachableError": "_errors",
    "aget": "_get",
    "environment": "_environment",
    "get": "_get",
    "load_ipython_extension": "_ipython",
    "logout": "_get",
    "probe": "_probe",
}

__all__ = ["__version__", *_MODULES]  # noqa: PLE0604 - they are


def __getattr__(name: str) -> object:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'token2go' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"token2go.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
