"""The package opens what every server seals, and names it alike."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

import token2go
from conftest import ROOT, VECTORS
from token2go import _seal


def vectors(name: str) -> list[Any]:
    found: list[Any] = json.loads((VECTORS / name).read_text("utf-8"))["vectors"]
    assert found
    return found


def public_jwk(vector: dict[str, Any]) -> str:
    if vector["publicKeyType"] == "jwk":
        members = json.loads(vector["publicKey"])
        needed = ("e", "kty", "n") if members["kty"] == "RSA" else ("crv", "kty", "x", "y")
        return json.dumps({name: members[name] for name in needed}, separators=(",", ":"), sort_keys=True)
    key = load_pem_public_key(vector["publicKey"].encode())
    assert isinstance(key, rsa.RSAPublicKey)
    return _seal.jwk(key)


def private(vector: dict[str, Any]) -> Any:
    return load_pem_private_key(vector["testPrivateKeyPem"].encode(), None)


@pytest.mark.parametrize("vector", vectors("fingerprint.json"), ids=lambda v: v["name"])
def test_fingerprint_equals_the_server_s(vector: dict[str, str]) -> None:
    from token2go._token import fingerprint

    assert fingerprint(vector["token"]) == vector["fingerprint"]
    try:
        assert token2go.Token(vector["token"]).fingerprint == vector["fingerprint"]
    except ValueError:
        assert " " in vector["token"] or not vector["token"].isprintable() or not vector["token"]


@pytest.mark.parametrize("vector", vectors("words.json") + vectors("jwe.json") + vectors("triple.json"))
def test_words_follow_the_vectors(vector: dict[str, Any]) -> None:
    jwk = public_jwk(vector)
    assert _seal.url64(_seal.thumbprint(jwk)) == vector["thumbprint"]
    assert list(_seal.words(jwk, vector["state"])) == vector["words"]


@pytest.mark.parametrize("vector", vectors("jwe.json"), ids=lambda v: v["name"])
def test_open_jwe_opens_the_vectors(vector: dict[str, Any]) -> None:
    opened = _seal.open_jwe(private(vector), vector["response"], vector["state"])
    assert opened.plaintext.decode() == vector["plaintext"]
    assert opened.issuer == vector["header"].get("iss", "")
    assert opened.issued_at == vector["header"]["iat"]
    assert vector["plaintext"] not in repr(opened)
    assert _seal.jwk(private(vector)) == public_jwk(vector)


@pytest.mark.parametrize("vector", vectors("jwe.json"), ids=lambda v: v["name"])
def test_open_jwe_rejects_altered_vectors(vector: dict[str, Any]) -> None:
    key, text, state = private(vector), vector["response"], vector["state"]
    with pytest.raises(_seal.EnvelopeError):
        _seal.open_jwe(key, text, state + "x")
    for place in range(0, len(text), 7):
        other = "A" if text[place] != "A" else "B"
        with pytest.raises(_seal.EnvelopeError):
            _seal.open_jwe(key, text[:place] + other + text[place + 1 :], state)
    for changed in (text + "A", text + "=", text[:-1], " " + text, text + "\n", text.replace(".", "..", 1), text + "."):
        with pytest.raises(_seal.EnvelopeError):
            _seal.open_jwe(key, changed, state)


@pytest.mark.parametrize("vector", vectors("triple.json"), ids=lambda v: v["name"])
def test_open_triple_opens_the_vectors_and_rejects_altered_ones(vector: dict[str, Any]) -> None:
    key, parts = private(vector), [vector["key"], vector["nonce"], vector["payload"]]
    assert _seal.open_triple(key, *parts).decode() == vector["plaintext"]
    for place in range(3):
        whole = parts[place]
        for changed in (whole[:-6] + "AAAAA" + whole[-1], whole[4:], "\n" + whole, whole + "="):
            with pytest.raises(_seal.EnvelopeError):
                _seal.open_triple(key, *[*parts[:place], changed, *parts[place + 1 :]])


def test_words_list_equals_the_server_s() -> None:
    ours = ROOT / "clients" / "python" / "src" / "token2go" / "words.txt"
    assert ours.read_bytes() == (ROOT / "internal" / "seal" / "words" / "english.txt").read_bytes()
