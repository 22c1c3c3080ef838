"""What is read from a JWT, by the cases that all programs share."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import VECTORS
from sealing import url64
from token2go import _claims
from token2go._token import moment

_CASES: list[dict[str, Any]] = json.loads((VECTORS / "claims.json").read_text("utf-8"))["cases"]
_TIMES = {"expires": "exp", "issued": "iat", "notBefore": "nbf"}
_TEXTS = {"issuer": "iss", "subject": "sub", "scope": "scope", "username": "preferred_username"}
assert _CASES


def token_of(case: dict[str, Any]) -> str:
    if "token" in case:
        return str(case["token"])
    payload = case["payload"]
    for name, text, times in case.get("repeat", []):
        payload = payload.replace(name, text * times)
    header = case.get("header", '{"alg":"RS256"}')
    return f"{url64(header.encode())}.{url64(payload.encode())}.c2lnbmF0dXJl"


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["name"])
def test_read_loses_only_the_odd_claim(case: dict[str, Any]) -> None:
    claims = _claims.read(token_of(case))
    assert ("opaque" if claims is None else "JWT") == case["type"]
    for member, name in _TIMES.items() if claims is not None else ():
        assert _claims.time(claims or {}, name) == moment(case.get(member))
    for member, name in _TEXTS.items() if claims is not None else ():
        assert _claims.text(claims or {}, name) == case.get(member, "")
