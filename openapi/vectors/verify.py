"""Opens the test vectors without any code of Token2go.

Usage: verify.py [folder ...]

Each folder holds triple.json, jwe.json, words.json and fingerprint.json; README.md
beside this program explains their fields. Without an argument it is this program's
own folder. Every vector is opened, and its thumbprint, words and fingerprint are
computed anew. It prints "N passed, N failed" and exits with 1 when anything differs.

Needs the packages cryptography and jwcrypto. A JWE is opened twice: by jwcrypto, and
by cryptography's primitives as RFC 7518 describes.
"""

import base64
import hashlib
import json
import pathlib
import struct
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from jwcrypto import jwe, jwk

HERE = pathlib.Path(__file__).resolve().parent
WORD_LIST = HERE.parent.parent / "internal" / "seal" / "words" / "english.txt"
FINGERPRINT_SALT = "03c49494-c1f3-4b3c-a9e3-28b1c4e42177"
LABELS = {
    "rsa2048-rfc5280-x509-pem": "-----BEGIN PUBLIC KEY-----",
    "rsa2048-rfc8017-pksc1-pem": "-----BEGIN RSA PUBLIC KEY-----",
}
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class Mismatch(Exception):
    """Something in a vector is not what it says it is."""


def same(what, got, want):
    if got != want:
        raise Mismatch(f"{what}: got {str(got)[:80]!r}, want {str(want)[:80]!r}")


def url64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def raw64(text):
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    same("canonical base64url", url64(content), text)
    return content


def public_key(vector):
    kind, text = vector["publicKeyType"], vector["publicKey"]
    if kind == "jwk":
        return jwk.JWK.from_json(text)
    same("label", text.splitlines()[0], LABELS[kind])
    return jwk.JWK.from_pem(text.encode())


def thumbprint(key):
    """RFC 7638, with the members as jwcrypto has them but the hash made here."""
    names = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}
    members = json.loads(key.export_public())
    required = {name: members[name] for name in names[members["kty"]]}
    text = json.dumps(required, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).digest()


def four_words(print_of_key, state, words):
    hashed = hashlib.sha256(state.encode()).digest()
    digest = hashlib.sha256(b"token2go words\x00" + print_of_key + hashed).digest()
    bits = "".join(f"{byte:08b}" for byte in digest)
    return [words[int(bits[at : at + 11], 2)] for at in (0, 11, 22, 33)]


def check_names(vector, words):
    key = public_key(vector)
    digest = thumbprint(key)
    same("thumbprint", url64(digest), vector["thumbprint"])
    same("thumbprint by jwcrypto", key.thumbprint(), vector["thumbprint"])
    same("words", four_words(digest, vector["state"], words), vector["words"])


def private_key(vector):
    """The private key, given twice, and the half of the public one."""
    from_pem = serialization.load_pem_private_key(vector["testPrivateKeyPem"].encode(), None)
    from_jwk = jwk.JWK(**vector["testPrivateKeyJwk"])
    same("private key", from_jwk.thumbprint(), vector["thumbprint"])
    half = jwk.JWK.from_pyca(from_pem.public_key())
    same("private key in PEM", half.thumbprint(), vector["thumbprint"])
    return from_pem, from_jwk


def check_triple(vector, words):
    check_names(vector, words)
    private, _ = private_key(vector)
    wrapped, nonce, payload = (
        base64.b64decode(vector[name], validate=True) for name in ("key", "nonce", "payload")
    )
    same("length of nonce", len(nonce), 12)
    content_key = private.decrypt(wrapped, OAEP)
    same("length of key", len(content_key), 32)
    opened = AESGCM(content_key).decrypt(nonce, payload, None)
    same("plaintext", opened.decode(), vector["plaintext"])


def check_jwe(vector, words):
    check_names(vector, words)
    private, private_jwk = private_key(vector)
    protected, wrapped, nonce, ciphertext, tag = vector["response"].split(".")
    header = json.loads(raw64(protected))
    same("header", header, vector["header"])
    check_header(header, vector, private)

    content_key = agree(private, header, wrapped)
    opened = AESGCM(content_key).decrypt(raw64(nonce), raw64(ciphertext) + raw64(tag), protected.encode())
    same("plaintext", opened.decode(), vector["plaintext"])

    token = jwe.JWE(algs=["RSA-OAEP-256", "ECDH-ES", "A256GCM"])
    token.deserialize(vector["response"], key=private_jwk)
    same("plaintext by jwcrypto", token.payload.decode(), vector["plaintext"])


def check_header(header, vector, private):
    is_rsa = isinstance(private, rsa.RSAPrivateKey)
    want = {
        "alg": "RSA-OAEP-256" if is_rsa else "ECDH-ES",
        "enc": "A256GCM",
        "typ": "token2go+jwe",
        "kid": vector["thumbprint"],
        "state_hash": url64(hashlib.sha256(vector["state"].encode()).digest()),
        "exp": header["iat"] + 300,
    }
    for name, value in want.items():
        same(f"header {name}", header.get(name), value)
    optional = {"iss"} if is_rsa else {"iss", "epk"}
    same("unknown header members", set(header) - set(want) - {"iat"} - optional, set())


def agree(private, header, wrapped):
    if isinstance(private, rsa.RSAPrivateKey):
        return private.decrypt(raw64(wrapped), OAEP)
    same("encrypted key", wrapped, "")
    ephemeral = ec.EllipticCurvePublicNumbers(
        int.from_bytes(raw64(header["epk"]["x"]), "big"),
        int.from_bytes(raw64(header["epk"]["y"]), "big"),
        ec.SECP256R1(),
    ).public_key()
    shared = private.exchange(ec.ECDH(), ephemeral)
    info = struct.pack(">I", 7) + b"A256GCM" + struct.pack(">III", 0, 0, 256)
    return ConcatKDFHash(hashes.SHA256(), 32, info).derive(shared)


def check_fingerprint(vector, _words):
    text = (FINGERPRINT_SALT + vector["token"]).encode()
    same("fingerprint", hashlib.new("sha512_256", text).hexdigest(), vector["fingerprint"])


CHECKS = {
    "triple.json": check_triple,
    "jwe.json": check_jwe,
    "words.json": check_names,
    "fingerprint.json": check_fingerprint,
}


def failures_of(path, check, words):
    """Yields for each vector None, or what is wrong with it."""
    vectors = json.loads(path.read_text(encoding="utf-8"))["vectors"]
    if not vectors:
        yield f"{path}: no vectors"
        return
    for vector in vectors:
        try:
            check(vector, words)
            yield None
        except Exception as error:  # whatever a library raises is a vector not opened
            yield f"{path}: {vector.get('name')}: {type(error).__name__}: {error}"


def main(folders):
    words = WORD_LIST.read_text(encoding="ascii").split()
    results = [
        failure
        for folder in folders
        for name, check in CHECKS.items()
        for failure in failures_of(folder / name, check, words)
    ]
    failed = [failure for failure in results if failure]
    for failure in failed:
        print(failure, file=sys.stderr)
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main([pathlib.Path(argument) for argument in sys.argv[1:]] or [HERE]))
