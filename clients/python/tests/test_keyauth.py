"""API keys in front of an application: online, offline, WSGI, ASGI and Django."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import threading
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conftest import ROOT, SOURCE, missing
from token2go import keyauth
from token2go.keyauth._checker import Facts

KEY = "t2g_0123456789_" + "a" * 38
OTHER = "t2g_0123456789_" + "b" * 38
ISSUER = "https://keys.example.org"
LIST = f"{ISSUER}/status-lists/3"
FOREIGN = "Bearer eyJhbGciOiJSUzI1NiJ9.e30.AA"
VERDICT = {
    "subject": "7",
    "login": "ada",
    "email": "ada@example.org",
    "roles": ["reader"],
    "groups": ["/engines"],
    "apps": ["maps"],
    "config": {"quota": 5},
    "key": {"id": "0123456789", "name": "nightly", "kind": "opaque", "expires": "2026-11-30T13:00:00Z"},
}
NOON = datetime(2026, 11, 30, 12, tzinfo=timezone.utc).timestamp()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(signer: Ed25519PrivateKey, claims: dict[str, Any], **header: Any) -> str:
    header = {"alg": "EdDSA", "typ": "JWT", "kid": "1"} | header
    text = ".".join(b64(json.dumps({k: v for k, v in o.items() if v is not None}).encode()) for o in (header, claims))
    return f"{text}.{b64(signer.sign(text.encode()))}"


def key_set(signer: Ed25519PrivateKey, **members: Any) -> dict[str, Any]:
    return {
        "keys": [
            {"kty": "OKP", "crv": "Ed25519", "x": b64(signer.public_key().public_bytes_raw()), "kid": "1"} | members
        ]
    }


class Server:
    """A server that answers as told, and the clock that it shares with a Checker."""

    def __init__(self) -> None:
        self.now = NOON
        self.status, self.answer = 200, json.dumps(VERDICT)
        self.down = False
        self.requests: list[str] = []
        self.last: Any = None
        self.body = b""
        self.signer, self.list_signer = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.bits = bytearray(8)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(f"{self.command} {self.path}")
                outer.last, outer.body = self.headers, self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, text = (500, "") if outer.down else outer.respond(self.path)
                self.send_response(status)
                self.send_header("Retry-After", "7")
                if status == 302:
                    self.send_header("Location", "/jwks.json")
                self.end_headers()
                self.wfile.write(text.encode())

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def respond(self, path: str) -> tuple[int, str]:
        if path.startswith("/check"):
            return self.status, self.answer
        if path in ("/jwks.json", "/signingkeys/"):
            return 200, json.dumps(key_set(self.signer))
        if path == "/.well-known/token2go/status.json":
            return 200, json.dumps(key_set(self.list_signer))
        if path == "/status-lists/3":
            packed = b64(zlib.compress(bytes(self.bits)))
            claims = {"sub": LIST, "iat": int(self.now), "exp": int(self.now) + 180, "ttl": 60}
            return 200, signed(
                self.list_signer, claims | {"status_list": {"bits": 1, "lst": packed}}, typ="statuslist+jwt"
            )
        return 404, ""

    def checker(self, **options: Any) -> keyauth.Checker:
        return keyauth.Checker(self.address + "/", issuer=ISSUER, app="maps", clock=lambda: self.now, **options)

    def key(self, **change: Any) -> str:
        claims = {
            "iss": ISSUER,
            "sub": "4711",
            "jti": "0123456789",
            "iat": int(self.now) - 1,
            "exp": int(self.now) + 3600,
        }
        return signed(self.signer, claims | {"status": {"status_list": {"idx": 5, "uri": LIST}}} | change)

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def refused(checker: keyauth.Checker, headers: list[tuple[str, str]], query: str = "") -> keyauth.Refused:
    with pytest.raises(keyauth.Refused) as caught:
        checker.check(headers, query)
    return caught.value


def bearer(key: str = KEY) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {key}")]


def test_check_returns_owner(server: Server) -> None:
    key = server.checker().check(bearer())
    assert key == keyauth.Key(
        id="0123456789",
        kind="opaque",
        expires=datetime(2026, 11, 30, 13, tzinfo=timezone.utc),
        subject="7",
        name="nightly",
        login="ada",
        email="ada@example.org",
        roles=("reader",),
        groups=("/engines",),
        apps=("maps",),
        config={"quota": 5},
    )
    assert server.requests == ["GET /check?app=maps"]
    assert server.last["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("headers", "query", "kind"),
    [
        (bearer(), "", ""),
        ([("authorization", f"bEARER  {KEY}")], "", ""),
        ([("X-Api-Key", KEY)], "", ""),
        ([("Authorization", "Basic " + base64.b64encode(f"x:{KEY}".encode()).decode())], "", ""),
        ([("Authorization", FOREIGN), ("X-Api-Key", KEY)], "", ""),
        ([("X-Api-Key", KEY)], f"a=1&api%2Dkey={KEY}", ""),
        ([], f"api_key={KEY}", ""),
        ([], f"x-api-key={KEY}&b", ""),
        ([("X-Api-Key", OTHER)], f"api-key={KEY}", "ambiguous_credential"),
        ([("Authorization", "Basic " + base64.b64encode(f"{KEY}:".encode()).decode())], "", "no_credential"),
        ([("Authorization", FOREIGN)], "", "no_credential"),
        ([("Authorization", "Basic é")], "", "no_credential"),
        ([], "", "no_credential"),
    ],
)
def test_check_finds_key(server: Server, headers: list[tuple[str, str]], query: str, kind: str) -> None:
    checker = server.checker(allow_query=True)
    if kind:
        assert refused(checker, headers, query).kind == kind
        return
    assert checker.check(headers, query).login == "ada"


def test_query_counts_only_where_allowed(server: Server) -> None:
    assert refused(server.checker(), [], f"api-key={KEY}").kind == "no_credential"


def test_answers_are_used_again_for_a_while(server: Server) -> None:
    checker = server.checker()
    for _ in range(3):
        checker.check(bearer())
    assert len(server.requests) == 1
    checker.check([*bearer(), ("Origin", "https://other.example")])
    assert len(server.requests) == 2
    server.status, server.answer = 401, json.dumps({"kind": "invalid_key", "detail": "no"})
    server.now += 4.9
    checker.check(bearer())
    server.now += 0.1
    assert refused(checker, bearer()).kind == "invalid_key"
    server.down = True  # and is not believed again
    assert refused(checker, bearer()).status == 503


def test_server_that_does_not_answer(server: Server) -> None:
    checker = server.checker()
    checker.check(bearer())
    server.down = True
    server.now += 59.9
    checker.check(bearer())
    assert refused(checker, bearer(OTHER)).status == 503
    server.now += 0.1
    assert refused(checker, bearer()).kind == "check_unavailable"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, "<html>"),
        (200, "{}"),
        (200, "[]"),
        (200, json.dumps(VERDICT | {"key": 1})),
        (302, "{}"),
        (401, "{}"),
        (403, '{"kind":"peer_not_allowed"}'),
        (404, '{"kind":"not_found"}'),
    ],
)
def test_answers_that_decide_nothing(server: Server, status: int, answer: str) -> None:
    server.status, server.answer = status, answer
    found = refused(server.checker(), bearer())
    assert (found.status, found.retry_after) == (503, "5")
    assert KEY not in str(found)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "invalid_key"), (403, "application_not_allowed"), (429, "rate_exceeded")]
)
def test_refusals_are_passed_on(server: Server, status: int, kind: str) -> None:
    server.status, server.answer = status, json.dumps({"kind": kind, "detail": "because"})
    found = refused(server.checker(), bearer())
    assert (found.status, found.kind, found.detail, found.retry_after) == (status, kind, "because", "7")
    assert len([name for name, _ in found.headers() if name == "WWW-Authenticate"]) == (2 if status == 401 else 0)


def test_key_that_expires_is_not_used_again(server: Server) -> None:
    checker = server.checker(max_age=7200)
    checker.check(bearer())
    server.now += 3600
    assert refused(checker, bearer()).kind == "invalid_key"


def test_secret_tells_server_of_caller(server: Server) -> None:
    checker = server.checker(secret=OTHER)
    headers = [*bearer(), ("Referer", "https://page.example/x")]
    checker.check(headers, f"b=1&api-key={KEY}", address="203.0.113.9", method="GET", path="/a")
    assert server.requests == ["POST /check"]
    assert server.last["Authorization"] == f"Bearer {OTHER}"
    expected = {"key": KEY, "app": "maps", "ip": "203.0.113.9", "referer": "https://page.example/x"}
    assert json.loads(server.body) == expected | {"method": "GET", "uri": "/a?b=1"}


def status(index: Any, uri: Any) -> dict[str, Any]:
    return {"status": {"status_list": {"idx": index, "uri": uri}}}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({}, ""),
        ({"exp": None}, ""),
        ({"exp": int(NOON)}, "invalid_key"),
        ({"exp": 0}, "invalid_key"),
        ({"exp": "4102444800"}, "invalid_key"),
        ({"exp": True}, "invalid_key"),
        ({"iss": "https://other.example.org"}, "no_credential"),
        ({"sub": None}, "invalid_key"),
        ({"sub": 1}, "invalid_key"),
        ({"status": None}, "invalid_key"),
        ({"status": []}, "invalid_key"),
        (status(64, LIST), "invalid_key"),
        (status(-1, LIST), "invalid_key"),
        (status("5", LIST), "invalid_key"),
        (status(5, "https://evil.example/status-lists/3"), "invalid_key"),
        (status(5, f"{ISSUER}.evil.example/status-lists/3"), "invalid_key"),
        (status(5, f"{ISSUER}/status-lists/../3"), "invalid_key"),
        (status(5, 7), "invalid_key"),
    ],
)
def test_offline(server: Server, change: dict[str, Any], kind: str) -> None:
    checker = server.checker(offline=True)
    if kind:
        assert refused(checker, bearer(server.key(**change))).kind == kind
        return
    key = checker.check(bearer(server.key(**change)))
    assert (key.subject, key.id, key.kind) == ("4711", "0123456789", "jwt")


def test_offline_asks_no_more_than_it_must(server: Server) -> None:
    checker = server.checker(offline=True)
    for _ in range(3):
        checker.check(bearer(server.key()))
    assert sorted(server.requests) == [
        "GET /.well-known/token2go/status.json",
        "GET /jwks.json",
        "GET /status-lists/3",
    ]
    assert refused(checker, bearer()).kind == "invalid_key"  # opaque


def test_offline_refuses_other_signatures(server: Server) -> None:
    checker = server.checker(offline=True)
    claims = {"iss": ISSUER, "sub": "1", **status(5, LIST)}
    another = Ed25519PrivateKey.generate()
    good = server.key()
    for text in (
        signed(another, claims),
        signed(server.signer, claims, typ="t2g-pass+jwt"),
        signed(server.signer, claims, typ="statuslist+jwt"),
        signed(server.signer, claims, typ=None),
        signed(server.signer, claims, kid="2"),
        signed(server.signer, claims, kid=None),
        signed(server.signer, claims, crit=["b64"]),
        good[:-4] + "AAAA",
        good.rpartition(".")[0] + ".",
    ):
        assert refused(checker, bearer(text)).status == 401
    assert refused(checker, bearer(signed(server.signer, claims, alg="none"))).kind == "no_credential"


def test_offline_sees_revocation(server: Server) -> None:
    checker = server.checker(offline=True)
    key = server.key()
    checker.check(bearer(key))
    server.bits[0] |= 1 << 5
    server.now += 59
    checker.check(bearer(key))  # the server lets lists be kept for so long
    server.now += 1
    assert refused(checker, bearer(key)).kind == "invalid_key"


def test_offline_without_server(server: Server) -> None:
    checker = server.checker(offline=True)
    key = server.key(exp=None)
    server.down = True
    assert refused(checker, bearer(key)).status == 503
    server.down = False
    server.now += 10  # not asked more often
    checker.check(bearer(key))
    server.down = True
    server.now += 899
    checker.check(bearer(key))
    server.now += 1
    assert refused(checker, bearer(key)).kind == "check_unavailable"


def test_offline_reads_keys_of_an_unknown_signer(server: Server) -> None:
    checker = server.checker(offline=True)
    checker.check(bearer(server.key()))
    server.signer = Ed25519PrivateKey.generate()
    assert refused(checker, bearer(server.key())).status == 401
    server.now += 10
    checker.check(bearer(server.key()))


def test_keys_of_apikeyserv_only_where_wanted(server: Server) -> None:
    old = signed(server.signer, {"sub": "12", "exp": int(NOON) + 60}, kid=None)
    assert refused(server.checker(offline=True), bearer(old)).kind == "no_credential"
    checker = server.checker(offline=True, accept_unlisted=True)
    assert checker.check(bearer(old)).subject == "12"
    server.now += 60
    assert refused(checker, bearer(old)).kind == "invalid_key"


@pytest.mark.parametrize("address", ["", "keys.example.org", "http://keys.example.org", "https://u:p@keys.example.org"])
def test_server_must_be_an_address(address: str) -> None:
    with pytest.raises(ValueError, match="server"):
        keyauth.Checker(address)


def test_wsgi(server: Server) -> None:
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.update(environ)
        start_response("200 OK", [])
        return [b"good"]

    def call(**environ: str) -> tuple[str, list[bytes]]:
        answers: list[Any] = []
        body = keyauth.Wsgi(app, server.checker(allow_query=True))(dict(environ), lambda *a: answers.append(a))
        return answers[0][0], list(body)

    facts = {"REQUEST_METHOD": "GET", "PATH_INFO": "/a", "REMOTE_ADDR": "192.0.2.7"}
    given = call(HTTP_AUTHORIZATION=FOREIGN, HTTP_X_API_KEY=KEY, QUERY_STRING=f"a=%2F&api-key={KEY}&b", **facts)
    assert given == ("200 OK", [b"good"])
    assert seen["token2go.key"].login == "ada"
    assert (seen["QUERY_STRING"], seen["HTTP_AUTHORIZATION"]) == ("a=%2F&b", FOREIGN)
    assert "HTTP_X_API_KEY" not in seen
    answer, body = call(QUERY_STRING="", **facts)
    assert answer == "401 Unauthorized"
    assert json.loads(body[0])["kind"] == "no_credential"


def test_asgi(server: Server) -> None:
    seen: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    async def receive() -> None:
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    def call(kind: str, headers: list[tuple[bytes, bytes]]) -> None:
        scope = {
            "type": kind,
            "method": "GET",
            "path": "/a",
            "query_string": b"a=1",
            "headers": headers,
            "client": None,
        }
        asyncio.run(keyauth.Asgi(app, server.checker())(scope, receive, send))

    key = (b"authorization", f"Bearer {KEY}".encode())
    for kind in ("http", "websocket"):
        call(kind, [key, (b"accept", b"*/*")])
        assert seen[-1]["token2go.key"].login == "ada"
        assert seen[-1]["headers"] == [(b"accept", b"*/*")]
    assert not sent
    call("http", [])
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 401
    call("websocket", [])
    assert sent[-1] == {"type": "websocket.close", "code": 1008, "reason": "no_credential"}
    asyncio.run(keyauth.Asgi(app, server.checker())({"type": "lifespan"}, receive, send))
    assert len(seen) == 3


def test_facts_are_part_of_what_is_remembered(server: Server) -> None:
    checker = server.checker()
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
        checker.check_key(KEY, Facts(address=address))
    assert len(server.requests) == 2


# A Django project of one view, which is asked with the lines that it reads.
DJANGO = """
import json, sys
import django
from django.conf import settings
common = {"ROOT_URLCONF": __name__, "ALLOWED_HOSTS": ["*"], "MIDDLEWARE": ["token2go.keyauth.ApiKeyMiddleware"]}
settings.configure(**common, **json.loads(sys.argv[1]))
from django.http import JsonResponse
from django.test import Client
from django.urls import re_path

def view(request):
    return JsonResponse({"subject": getattr(request, "api_key_subject", None), "query": request.GET.dict()})

urlpatterns = [re_path("", view)]
django.setup()
client = Client()
for line in sys.stdin:
    path, headers = json.loads(line)
    answer = client.get(path, headers=headers)
    print(json.dumps([answer.status_code, answer.json()]))
"""


def django(server: Server, asked: list[tuple[str, dict[str, str]]], **settings: Any) -> list[Any]:
    python = os.environ.get("T2G_TEST_APIKEYCLIENT") or str(ROOT / ".cache/originals/apikeyclient/bin/python")
    if not os.path.exists(python):
        missing("T2G_TEST_APIKEYCLIENT, a Python with Django,")
    settings = {"APIKEY_ENDPOINT": server.address + "/signingkeys/", "APIKEY_ISSUER": ISSUER} | settings
    ended = subprocess.run(
        [python, "-W", "error", "-c", DJANGO, json.dumps(settings)],
        input="".join(json.dumps(line) + "\n" for line in asked),
        env={"PYTHONPATH": str(SOURCE), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.mark.slow
def test_django_answers_as_apikeyclient(server: Server) -> None:
    server.now = datetime.now(timezone.utc).timestamp()
    good, bad = server.key(), server.key(exp=1)
    no_key, wrong = [401, {"message": "API key missing"}], [400, {"message": "invalid API key"}]
    through: dict[str, Any] = {"subject": None, "query": {}}
    asked = [
        ("/a", {"X-Api-Key": good}),
        (f"/a?b=1&x-api-key={good}", {}),
        ("/a", {"Authorization": f"Bearer {good}"}),
        ("/a", {"Authorization": FOREIGN, "X-Api-Key": good}),
        ("/a", {}),
        ("/a", {"User-Agent": "Mozilla/5.0"}),
        ("/a", {"X-Api-Key": "x"}),
        ("/a", {"X-Api-Key": ""}),
        ("/a", {"X-Api-Key": bad}),
        ("/v1/wfs", {}),
    ]
    owner = [200, {"subject": "4711", "query": {}}]
    with_query = [200, {"subject": "4711", "query": {"b": "1"}}]
    assert django(server, asked, APIKEY_MANDATORY=True, APIKEY_ALLOW_EMPTY=False) == [
        *(owner, with_query, owner, owner),
        *(no_key, no_key, wrong, wrong, wrong, no_key),
    ]
    settings = {"APIKEY_ALLOW_EMPTY": True, "APIKEY_ALLOW_PATH_PREFIX_WHITELIST": ["/v1/wfs"]}
    assert django(server, asked, APIKEY_MANDATORY=False, **settings) == [
        *(owner, with_query, owner, owner),
        *([200, through], [200, through], wrong, [200, through], wrong, [200, through]),
    ]
    local = key_set(server.signer)["keys"]
    server.down = True
    assert django(server, asked[:1], APIKEY_MANDATORY=True, APIKEY_ALLOW_EMPTY=False)[0][0] == 503
    old = signed(server.signer, {"sub": "12", "exp": int(server.now) + 60}, kid=None)
    unlisted = [("/a", {"X-Api-Key": old}), ("/a", {"X-Api-Key": bad})]
    for keys in (local, json.dumps(local)):
        assert django(server, unlisted, APIKEY_LOCALKEYS=keys) == [[200, {"subject": "12", "query": {}}], wrong]


@pytest.mark.slow
def test_django_online(server: Server) -> None:
    answer = VERDICT | {"key": {"id": "0123456789", "name": "n", "kind": "opaque"}}
    server.answer = json.dumps(answer)
    settings = {"APIKEY_ONLINE": True, "APIKEY_APP": "maps"}
    assert django(server, [("/a", {"X-Api-Key": KEY})], **settings) == [[200, {"subject": "7", "query": {}}]]
    assert server.requests == ["GET /check?app=maps"]
    server.status, server.answer = 403, json.dumps({"kind": "application_not_allowed", "detail": "because"})
    assert django(server, [("/a", {"X-Api-Key": KEY})], **settings) == [[403, {"message": "because"}]]
