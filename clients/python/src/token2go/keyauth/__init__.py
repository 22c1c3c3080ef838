"""Lets an application be called with Token2go's API keys alone: WSGI, ASGI and Django.

    checker = keyauth.Checker("https://keys.example.org", app="maps")
    app = keyauth.Wsgi(app, checker)      # the key's owner is environ["token2go.key"]
    app = keyauth.Asgi(app, checker)      # … scope["token2go.key"]

Django names `token2go.keyauth.ApiKeyMiddleware` in MIDDLEWARE; it has the settings of datadiensten-apikeyclient.

A key is asked about at the server, and the answer is used again for `max_age` seconds: so long may a revoked key go on
working. With `offline=True` keys that are JWTs are verified here, with the server's published keys and its lists of
revoked ones, and opaque keys are refused. Where the server does not answer, both go on with what they know for
`max_stale` seconds, and refuse with 503 after that.
"""

from __future__ import annotations

from token2go.keyauth._apps import Asgi as Asgi
from token2go.keyauth._apps import Wsgi as Wsgi
from token2go.keyauth._checker import Checker as Checker
from token2go.keyauth._django import ApiKeyMiddleware as ApiKeyMiddleware
from token2go.keyauth._key import Key as Key
from token2go.keyauth._key import Refused as Refused

__all__ = ["ApiKeyMiddleware", "Asgi", "Checker", "Key", "Refused"]
