"""The access token of a person who signs in with a browser, sealed so that only this process can open it.

One call does all of it, in a shell, a program or a notebook:

    token = token2go.get("https://t2g.example.org")
    requests.get(address, headers={"Authorization": f"Bearer {token}"})

`get` makes a fresh key pair, listens on 127.0.0.1 alone and hands out an address for the person's browser.
Behind it the gateway signs the person in, and Token2go sends the token back, sealed for that key. `aget` is the
same to await, `Auth` keeps requests and httpx signed in, `environment` does so for tools that read variables.

A `Token` shows itself as a mask; only `str(token)` and `f"{token}"` give it away. It is kept in the cache that
the program `token2go` uses as well, so that a shell and a notebook share one sign-in.
"""

from __future__ import annotations

# Type checkers take it for true; typing itself would cost more than the rest of this file.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from token2go._auth import Auth as Auth
    from token2go._environment import Environment as Environment
    from token2go._environment import environment as environment
    from token2go._errors import CacheError as CacheError
    from token2go._errors import CertificateError as CertificateError
    from token2go._errors import Denied as Denied
    from token2go._errors import Expiring as Expiring
    from token2go._errors import ListenError as ListenError
    from token2go._errors import NoToken as NoToken
    from token2go._errors import OptionError as OptionError
    from token2go._errors import Refused as Refused
    from token2go._errors import ServerError as ServerError
    from token2go._errors import TimedOut as TimedOut
    from token2go._errors import Token2goError as Token2goError
    from token2go._errors import Unreachable as Unreachable
    from token2go._get import aget as aget
    from token2go._get import get as get
    from token2go._get import logout as logout
    from token2go._magic import load_ipython_extension as load_ipython_extension
    from token2go._probe import probe as probe
    from token2go._prompt import Prompt as Prompt
    from token2go._token import Token as Token

__version__ = "0.1.0"

# Where each public name lives. A module is imported when its first name is used, so
# that `import token2go` costs next to nothing.
_HOMES = {
    "Auth": "_auth",
    "CacheError": "_errors",
    "CertificateError": "_errors",
    "Denied": "_errors",
    "Environment": "_environment",
    "Expiring": "_errors",
    "ListenError": "_errors",
    "NoToken": "_errors",
    "OptionError": "_errors",
    "Prompt": "_prompt",
    "Refused": "_errors",
    "ServerError": "_errors",
    "TimedOut": "_errors",
    "Token": "_token",
    "Token2goError": "_errors",
    "Unreachable": "_errors",
    "aget": "_get",
    "environment": "_environment",
    "get": "_get",
    "load_ipython_extension": "_magic",
    "logout": "_get",
    "probe": "_probe",
}

__all__ = [
    "Auth",
    "CacheError",
    "CertificateError",
    "Denied",
    "Environment",
    "Expiring",
    "ListenError",
    "NoToken",
    "OptionError",
    "Prompt",
    "Refused",
    "ServerError",
    "TimedOut",
    "Token",
    "Token2goError",
    "Unreachable",
    "__version__",
    "aget",
    "environment",
    "get",
    "load_ipython_extension",
    "logout",
    "probe",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'token2go' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"token2go.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
