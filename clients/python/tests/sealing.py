"""Seals as a server would, and as a hostile one: written for the tests alone, from RFC 7516 and 7518."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import struct
import time
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.serialization import load_pem_public_key

_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_KEY_SIZES = {"A128GCM": 16, "A256GCM": 32, "A256CBC-HS512": 64}

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


def url64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def raw64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Request:
    """What a client asks for, read from the address of its flow."""

    def __init__(self, url: str) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query, strict_parsing=True).items()}
        self.query = query
        self.state = query["state"]
        self.triple = "format" not in query
        self.key: PublicKey
        if query["publicKeyType"] == "jwk":
            members = json.loads(raw64(query["publicKey"]))
            x, y = (int.from_bytes(raw64(members[name]), "big") for name in ("x", "y"))
            self.key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            self.port, self.path = int(query.get("port", 0)), query.get("path", "")
        else:
            key = load_pem_public_key(query["publicKey"].encode())
            assert isinstance(key, rsa.RSAPublicKey)
            self.key = key
            target = urlsplit(query["target"])
            self.port, self.path = target.port or 80, target.path

    @property
    def kid(self) -> str:
        return kid(self.key)


def kid(key: PublicKey) -> str:
    numbers: Any = key.public_numbers()
    if isinstance(key, rsa.RSAPublicKey):
        e, n = (url64(v.to_bytes((v.bit_length() + 7) // 8, "big")) for v in (numbers.e, numbers.n))
        text = f'{{"e":"{e}","kty":"RSA","n":"{n}"}}'
    else:
        x, y = (url64(v.to_bytes(32, "big")) for v in (numbers.x, numbers.y))
        text = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
    return url64(hashlib.sha256(text.encode()).digest())


def other_key(triple: bool) -> PublicKey:
    if triple:
        return rsa.generate_private_key(65537, 2048).public_key()
    return ec.generate_private_key(ec.SECP256R1()).public_key()


def sealed(request: Request, token: str, how: dict[str, Any], other_state: str) -> dict[str, str]:
    """The fields of an answer, made as openapi/vectors/README.md says."""
    triple = how["format"] == "triple" if "format" in how else request.triple
    key = request.key
    if how.get("key") == "other" or triple != isinstance(key, rsa.RSAPublicKey):
        key = other_key(triple)
    shift = how.get("iat", 0)
    text = how.get("text") or json.dumps(plaintext(token, shift, how.get("members", {})), ensure_ascii=False)
    if triple:
        content_key, nonce = os.urandom(32), os.urandom(12)
        payload = AESGCM(content_key).encrypt(nonce, text.encode(), None)
        if how.get("alter"):
            payload = payload[:-1] + bytes([payload[-1] ^ 1])
        assert isinstance(key, rsa.RSAPublicKey)
        wrapped = key.encrypt(content_key, _OAEP)
        parts = {"key": wrapped, "nonce": nonce, "payload": payload}
        return {name: base64.b64encode(content).decode() for name, content in parts.items()}
    state = other_state if how.get("state") == "other" else request.state
    now = int(time.time()) + shift
    header = {
        "alg": how.get("alg", "ECDH-ES"),
        "enc": how.get("enc", "A256GCM"),
        "typ": "token2go+jwe",
        "iss": "https://t2g.example",
        "iat": now,
        "exp": now + 300,
        "state_hash": url64(hashlib.sha256(state.encode()).digest()),
        "kid": kid(key),
    }
    header = {n: v for n, v in {**header, **how.get("header", {})}.items() if v is not None}
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return {"sealed": jwe(key, header, how.get("alg", "ECDH-ES"), text, bool(how.get("alter")))}


def plaintext(token: str, shift: int, members: dict[str, Any]) -> dict[str, Any]:
    def at(seconds: float) -> str:
        return datetime.fromtimestamp(int(time.time() + seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    document = {
        "timestamp": at(shift),
        "fingerprint": "0" * 64,
        "secret": token,
        "expires": at(3600 + shift),
        "header": "X-Forwarded-Access-Token",
        "tokenType": "Bearer",
    }
    return {n: v for n, v in {**document, **members}.items() if v is not None}


def jwe(key: ec.EllipticCurvePublicKey, header: dict[str, Any], alg: str, text: str, alter: bool) -> str:
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    numbers = ephemeral.public_key().public_numbers()
    point = {name: url64(value.to_bytes(32, "big")) for name, value in (("x", numbers.x), ("y", numbers.y))}
    header = {**header, "epk": {"crv": "P-256", "kty": "EC", **point}}
    size = _KEY_SIZES[header["enc"]]
    name, bits = (header["enc"], size) if alg == "ECDH-ES" else (alg, 32)
    info = struct.pack(">I", len(name)) + name.encode() + struct.pack(">III", 0, 0, bits * 8)
    agreed = ConcatKDFHash(hashes.SHA256(), bits, info).derive(ephemeral.exchange(ec.ECDH(), key))
    content_key, wrapped = agreed, b""
    if alg != "ECDH-ES":
        content_key = os.urandom(size)
        wrapped = keywrap.aes_key_wrap(agreed, content_key)
    protected = url64(json.dumps(header, separators=(",", ":")).encode())
    nonce, ciphertext, tag = _encrypt(header["enc"], content_key, text.encode(), protected.encode())
    if alter:
        tag = tag[:-1] + bytes([tag[-1] ^ 1])
    return ".".join([protected, *(url64(part) for part in (wrapped, nonce, ciphertext, tag))])


def _encrypt(enc: str, key: bytes, content: bytes, bound: bytes) -> tuple[bytes, bytes, bytes]:
    if enc.endswith("GCM"):
        nonce = os.urandom(12)
        both = AESGCM(key).encrypt(nonce, content, bound)
        return nonce, both[:-16], both[-16:]
    nonce, padder = os.urandom(16), block_padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key[32:]), modes.CBC(nonce)).encryptor()
    ciphertext = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
    mac = hmac.digest(key[:32], bound + nonce + ciphertext + struct.pack(">Q", len(bound) * 8), "sha512")
    return nonce, ciphertext, mac[:32]
