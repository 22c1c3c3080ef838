"""Opens an envelope that only the holder of one private key can open. It does no HTTP and keeps nothing.

A sealed text is safe in an address, a log or a chat. What it is not is proof of who sealed it, so it is bound to
the state of the call. There are two: the JWE (RFC 7516) for a P-256 or RSA key, and the triple of
token2go-server 1.0.3 for an RSA key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import struct
from collections.abc import Callable
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_TYPE = "token2go+jwe"
_MAX_TEXT = 1 << 20  # bytes of a JWE's text; no proxy lets a token of that size pass
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class EnvelopeError(ValueError):
    """The envelope was not opened. Its text holds nothing of a key or of a plaintext."""


class Opened(NamedTuple):
    """What was in an envelope. `issuer` and `issued_at` (seconds since 1970) are the sealer's claims."""

    plaintext: bytes
    issuer: str
    issued_at: int

    def __repr__(self) -> str:
        return f"Opened(issuer={self.issuer!r}, issued_at={self.issued_at})"


def new_key(*, rsa_key: bool = False) -> PrivateKey:
    """A fresh key. P-256 takes microseconds; RSA, for the triple, a good part of a second."""
    if rsa_key:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def jwk(key: PrivateKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> str:
    """The public half as a JWK (RFC 7517) with the required members alone, sorted: what its thumbprint is of."""
    public = key.public_key() if isinstance(key, PrivateKey) else key
    if isinstance(public, ec.EllipticCurvePublicKey):
        point = public.public_numbers()
        members = {"crv": "P-256", "kty": "EC", "x": _fixed(point.x, 32), "y": _fixed(point.y, 32)}
    else:
        numbers = public.public_numbers()
        members = {"e": _fixed(numbers.e), "kty": "RSA", "n": _fixed(numbers.n)}
    return json.dumps(members, separators=(",", ":"), sort_keys=True)


def pem(key: rsa.RSAPrivateKey) -> str:
    """The public half as SubjectPublicKeyInfo in PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def thumbprint(jwk_text: str) -> bytes:
    """The 32 bytes of RFC 7638 for what `jwk` returns."""
    return hashlib.sha256(jwk_text.encode()).digest()


def words(jwk_text: str, state: str) -> tuple[str, ...]:
    """Four words for a person to compare: those that the server shows beside its question."""
    from importlib.resources import files

    text = b"token2go words\x00" + thumbprint(jwk_text) + hashlib.sha256(state.encode()).digest()
    bits = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
    english = files("token2go").joinpath("words.txt").read_text("ascii").split()
    return tuple(english[bits >> (53 - 11 * number) & 0x7FF] for number in range(4))


def open_jwe(private: PrivateKey, text: str, state: str) -> Opened:
    """Opens a compact JWE and checks that it answers `state`.

    Algorithms and type are pinned: what was not asked for is refused before any decryption.
    """
    parts = _split(text)
    is_rsa = isinstance(private, rsa.RSAPrivateKey)
    header = _read_header(parts[0], jwk(private), state, is_rsa)
    if not is_rsa and parts[1]:
        raise EnvelopeError("it holds an encrypted key, want none with ECDH-ES")
    content_key = _unwrap(private, parts[1]) if isinstance(private, rsa.RSAPrivateKey) else _agree(private, header)
    if len(parts[2]) != 12 or len(parts[4]) != 16:
        raise EnvelopeError("its nonce or tag has not the length of A256GCM")
    bound = text.split(".", 1)[0].encode()
    try:
        plaintext = AESGCM(content_key).decrypt(parts[2], parts[3] + parts[4], bound)
    except InvalidTag:
        raise EnvelopeError("sealed to another key, or altered") from None
    return Opened(plaintext, str(header.get("iss", "")), int(str(header["iat"])))


def open_triple(private: rsa.RSAPrivateKey, key: str, nonce: str, payload: str) -> bytes:
    """Opens the three texts of a triple, each in standard base64 with padding."""
    wrapped = _decode(base64.standard_b64decode, base64.standard_b64encode, key)
    if wrapped is None or len(wrapped) != private.key_size // 8:
        raise EnvelopeError(f"its key is not base64 of {private.key_size // 8} bytes")
    number = _decode(base64.standard_b64decode, base64.standard_b64encode, nonce)
    if number is None or len(number) != 12:
        raise EnvelopeError("its nonce is not base64 of 12 bytes")
    sealed = _decode(base64.standard_b64decode, base64.standard_b64encode, payload)
    if sealed is None or len(sealed) < 16:
        raise EnvelopeError("its payload is not base64 of 16 bytes or more")
    content_key = _unwrap(private, wrapped)
    try:
        return AESGCM(content_key).decrypt(number, sealed, None)
    except InvalidTag:
        raise EnvelopeError("its nonce or payload was altered") from None


def _split(text: str) -> list[bytes]:
    """Decodes the five parts. Base64url that is not canonical is refused, so that one envelope has one text."""
    if len(text) > _MAX_TEXT:
        raise EnvelopeError(f"its text has {len(text)} bytes, want at most {_MAX_TEXT}")
    parts = text.split(".")
    if len(parts) != 5:
        raise EnvelopeError(f"it has {len(parts)} parts, want the 5 of a compact JWE")
    decoded = [from_url64(part) for part in parts]
    for number, content in enumerate(decoded, 1):
        if content is None:
            raise EnvelopeError(f"its part {number} is not base64url without padding")
    return [content for content in decoded if content is not None]


def _read_header(content: bytes, jwk_text: str, state: str, is_rsa: bool) -> dict[str, object]:
    """Checks the protected header. What it returns is authentic only after decryption."""
    try:
        header = json.loads(content.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise EnvelopeError("its header is not the JSON of an object") from None
    if not isinstance(header, dict):
        raise EnvelopeError("its header is not the JSON of an object")
    for name in ("zip", "crit", "b64"):
        if name in header:
            raise EnvelopeError(f"its header says {name}, want none")
    pinned = {
        "typ": _TYPE,
        "alg": "RSA-OAEP-256" if is_rsa else "ECDH-ES",
        "enc": "A256GCM",
        "kid": url64(thumbprint(jwk_text)),
        "state_hash": url64(hashlib.sha256(state.encode()).digest()),
    }
    for name, want in pinned.items():
        got = header.get(name)
        # In constant time, since a forger would like to guess state_hash.
        if not isinstance(got, str) or not hmac.compare_digest(_safe(got), want.encode()):
            raise EnvelopeError(_differs(name, want))
    if not isinstance(header.get("iss", ""), str):
        raise EnvelopeError("its iss is not a text")
    for name in ("iat", "exp"):
        seconds = header.get(name)
        if type(seconds) is not int or not 0 <= seconds <= 1 << 40:
            raise EnvelopeError(f"its {name} is not a number of seconds")
    return header


def _differs(name: str, want: str) -> str:
    if name in ("state_hash", "kid"):
        whose = "state" if name == "state_hash" else "key"
        return f"its {name} is that of another {whose}: this is not the answer to this request"
    return f"its {name} is not {want}"


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _agree(private: ec.EllipticCurvePrivateKey, header: dict[str, object]) -> bytes:
    """ECDH-ES in direct agreement: the Concat KDF of NIST SP 800-56A, as RFC 7518, section 4.6.2, fills it in."""
    epk = header.get("epk")
    if not isinstance(epk, dict) or epk.get("kty") != "EC" or epk.get("crv") != "P-256":
        raise EnvelopeError("its epk is not a P-256 key")
    x, y = (from_url64(text) if isinstance(text := epk.get(name), str) else None for name in ("x", "y"))
    if x is None or y is None or len(x) != 32 or len(y) != 32:
        raise EnvelopeError("its epk is not a P-256 key")
    info = struct.pack(">I", 7) + b"A256GCM" + _party(header, "apu") + _party(header, "apv") + struct.pack(">I", 256)
    try:
        # The library checks that the point is on the curve, on which secrecy rests.
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + x + y)
    except ValueError:
        raise EnvelopeError("its epk is not a point of P-256") from None
    shared = private.exchange(ec.ECDH(), point)
    return hashlib.sha256(struct.pack(">I", 1) + shared + info).digest()


def _party(header: dict[str, object], name: str) -> bytes:
    text = header.get(name, "")
    content = from_url64(text) if isinstance(text, str) else None
    if content is None:
        raise EnvelopeError(f"its {name} is not base64url")
    return struct.pack(">I", len(content)) + content


def _unwrap(private: rsa.RSAPrivateKey, wrapped: bytes) -> bytes:
    try:
        content_key = private.decrypt(wrapped, _OAEP)
    except ValueError:
        content_key = b""
    if len(content_key) != 32:
        raise EnvelopeError("sealed to another key, or its key was altered")
    return content_key


def url64(content: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def from_url64(text: str) -> bytes | None:
    """Undoes `url64`; None for any other text."""
    return _decode(lambda t: base64.b64decode(t + "=" * (-len(t) % 4), b"-_", validate=True), url64, text)


def _decode(decode: Callable[[str], bytes], encode: Callable[[bytes], str | bytes], text: str) -> bytes | None:
    """Decodes what is canonical, and nothing else."""
    try:
        content = decode(text)
        again = encode(content)
        return content if (again if isinstance(again, str) else again.decode()) == text else None
    except (binascii.Error, ValueError):
        return None


def _fixed(number: int, size: int = 0) -> str:
    return url64(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def _safe(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
