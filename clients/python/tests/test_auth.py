"""The token in requests of requests and httpx: where it goes, and where it does not."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import token2go
from conftest import VECTORS
from token2go import _auth
from token2go._errors import PausedError

httpx = pytest.importorskip("httpx")
requests = pytest.importorskip("requests")

SERVER = "https://t2g.example.org"
_HOSTS: dict[str, Any] = json.loads((VECTORS / "hosts.json").read_text("utf-8"))
assert _HOSTS["cases"]
assert _HOSTS["unusable"]


class Service:
    """A local server that wants one token, and writes down what it got."""

    def __init__(self) -> None:
        self.wants: str | None = None
        self.redirect: dict[str, str] = {}
        self.meanwhile: Callable[[], None] = lambda: None  # happens while a request is answered
        self.got: list[tuple[str, str | None, bytes]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                given = self.headers.get("Authorization")
                service.got.append((self.path, given, body))
                service.meanwhile()
                location = service.redirect.get(self.path)
                status = 303 if location else 200 if service.wants in (None, given) else 401
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def authorizations(self) -> list[str | None]:
        return [given for _, given, _ in self.got]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.close()


@pytest.fixture
def elsewhere() -> Iterator[Service]:
    running = Service()
    yield running
    running.close()


class Gateway:
    """Hands out tokens in the place of a person, one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tokens = ["first", "second", "third"]
        self.asked: list[str] = []
        self.age = timedelta(minutes=2)  # of a token: it comes from the cache
        self.denies_after = 100  # questions
        self.takes = 0.0  # seconds

        def obtain(_options: Any, _call_off: Any = None, refused: str = "", pause: float = 0) -> token2go.Token:
            self.asked.append(refused)
            time.sleep(self.takes)
            if len(self.asked) > self.denies_after:
                raise token2go.DeniedError("not today")
            text = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
            now = datetime.now(timezone.utc)
            return token2go.Token(text, expires_at=now + timedelta(hours=1), obtained_at=now - self.age)

        async def obtain_async(options: Any, refused: str = "", pause: float = 0) -> token2go.Token:
            await asyncio.sleep(0.01)
            return obtain(options, None, refused)

        monkeypatch.setattr(_auth, "obtain", obtain)
        monkeypatch.setattr(_auth, "obtain_async", obtain_async)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    return Gateway(monkeypatch)


def by_requests(auth: token2go.Auth, method: str, url: str, **how: Any) -> int:
    with requests.Session() as session:
        session.trust_env = False
        return int(session.request(method, url, auth=auth, **how).status_code)


def by_httpx(auth: token2go.Auth, method: str, url: str, **how: Any) -> int:
    with httpx.Client(auth=auth, follow_redirects=True, trust_env=False) as client:
        return int(client.request(method, url, **_for_httpx(how)).status_code)


def by_async_httpx(auth: token2go.Auth, method: str, url: str, **how: Any) -> int:
    async def run() -> int:
        async with httpx.AsyncClient(auth=auth, follow_redirects=True, trust_env=False) as client:
            return int((await client.request(method, url, **_for_httpx(how))).status_code)

    return asyncio.run(run())


def _for_httpx(how: dict[str, Any]) -> dict[str, Any]:
    return {"content" if isinstance(value, (str, bytes)) else name: value for name, value in how.items()}


Send = Callable[..., int]
every_library = pytest.mark.parametrize("send", [by_requests, by_httpx, by_async_httpx])


def auth_for(*services: Service) -> token2go.Auth:
    return token2go.Auth(SERVER, hosts=[f"127.0.0.1:{service.port}" for service in services])


@every_library
def test_auth_asks_once_and_signs_a_named_host(send: Send, service: Service, gateway: Gateway) -> None:
    auth = auth_for(service)
    assert send(auth, "GET", service.url) == 200
    assert send(auth, "POST", service.url, data=b"body") == 200
    assert service.authorizations == ["Bearer first"] * 2
    assert gateway.asked == [""]


@every_library
def test_auth_keeps_the_caller_s_authorization(send: Send, service: Service, gateway: Gateway) -> None:
    service.wants = "Basic b3ducw=="
    assert send(auth_for(service), "GET", service.url, headers={"Authorization": "Basic b3ducw=="}) == 200
    assert send(auth_for(service), "GET", service.url, headers={"authorization": "Bearer wrong"}) == 401
    assert service.authorizations == ["Basic b3ducw==", "Bearer wrong"]
    assert gateway.asked == []


def test_auth_replaces_its_own_header_in_a_repeated_request(service: Service, gateway: Gateway) -> None:
    with httpx.Client(auth=auth_for(service), trust_env=False) as client:
        request = client.build_request("GET", service.url)
        assert client.send(request).status_code == 200
        service.wants = "Bearer second"
        assert client.send(request).status_code == 200
    assert service.authorizations == ["Bearer first", "Bearer first", "Bearer second"]


@every_library
def test_auth_signs_no_other_host_or_port(send: Send, service: Service, elsewhere: Service, gateway: Gateway) -> None:
    auth = auth_for(service)
    assert send(auth, "GET", elsewhere.url) == 200
    assert send(auth, "GET", service.url.replace("127.0.0.1", "localhost")) == 200
    assert elsewhere.authorizations == [None]
    assert service.authorizations == [None]
    assert gateway.asked == []


@every_library
def test_auth_does_not_follow_a_redirect_to_another_host(
    send: Send, service: Service, elsewhere: Service, gateway: Gateway
) -> None:
    """Not even where that host is named as well."""
    service.redirect = {"/a": elsewhere.url + "/b", "/c": "/d"}
    for auth in (auth_for(service), auth_for(service, elsewhere)):
        assert send(auth, "GET", service.url + "/a") == 200
    assert elsewhere.authorizations == [None, None]
    assert send(auth, "GET", service.url + "/c") == 200
    assert service.got[-1][:2] == ("/d", service.got[-2][1])


@every_library
def test_auth_asks_no_one_after_a_401_of_a_redirect_elsewhere(
    send: Send, service: Service, elsewhere: Service, gateway: Gateway
) -> None:
    service.redirect = {"/a": elsewhere.url + "/b"}
    elsewhere.wants = "Bearer second"
    assert send(auth_for(service, elsewhere), "GET", service.url + "/a") == 401
    assert gateway.asked == [""]
    assert elsewhere.authorizations == [None]


@every_library
def test_auth_repeats_a_401_once_with_another_token(send: Send, service: Service, gateway: Gateway) -> None:
    service.wants = "Bearer second"
    auth = auth_for(service)
    assert send(auth, "POST", service.url, data=b"body") == 200
    assert [(given, body) for _, given, body in service.got] == [("Bearer first", b"body"), ("Bearer second", b"body")]
    assert gateway.asked == ["", token2go.Token("first").fingerprint]
    service.wants = "Bearer never"
    assert send(auth, "GET", service.url) == 401
    assert service.authorizations[2:] == ["Bearer second", "Bearer third"]


@every_library
def test_auth_does_not_ask_again_for_the_same_refused_token(send: Send, service: Service, gateway: Gateway) -> None:
    gateway.tokens = ["only"]
    service.wants = "Bearer never"
    auth = auth_for(service)
    for _ in range(3):
        assert send(auth, "GET", service.url) == 401
    assert len(gateway.asked) == 2
    assert service.authorizations == ["Bearer only"] * 3


def test_auth_does_not_replace_a_young_token(service: Service, gateway: Gateway) -> None:
    gateway.age = timedelta(0)
    service.wants = "Bearer never"
    auth = auth_for(service)
    for _ in range(3):
        assert by_requests(auth, "GET", service.url) == 401
    assert service.authorizations == ["Bearer first"] * 3
    assert gateway.asked == [""]


def test_auth_repeats_a_file_from_its_position(service: Service, gateway: Gateway) -> None:
    service.wants = "Bearer second"
    file = io.BytesIO(b"not this: body")
    file.seek(10)
    assert by_requests(auth_for(service), "POST", service.url, data=file) == 200
    assert [body for _, _, body in service.got] == [b"body", b"body"]


def test_auth_does_not_repeat_a_file_that_a_redirect_dropped(service: Service, gateway: Gateway) -> None:
    service.redirect = {"/a": "/b"}
    service.wants = "Bearer second"
    assert by_requests(auth_for(service), "POST", service.url + "/a", data=io.BytesIO(b"body")) == 200
    assert [(path, body) for path, _, body in service.got] == [("/a", b"body"), ("/b", b""), ("/b", b"")]


@every_library
def test_auth_returns_the_401_when_there_is_no_other_token(send: Send, service: Service, gateway: Gateway) -> None:
    service.wants = "Bearer never"
    auth = auth_for(service)
    gateway.denies_after = 1
    assert send(auth, "GET", service.url) == 401
    assert len(gateway.asked) == 2


@pytest.mark.parametrize("send", [by_requests, by_httpx])
def test_auth_repeats_a_401_with_a_token_that_another_thread_got(
    send: Send, service: Service, gateway: Gateway
) -> None:
    service.wants = "Bearer second"
    auth = auth_for(service)
    # The token was replaced while the request was on its way.
    service.meanwhile = lambda: setattr(auth, "_token", token2go.Token("second"))
    assert send(auth, "GET", service.url) == 200
    assert service.authorizations == ["Bearer first", "Bearer second"]
    assert gateway.asked == [""]


def test_auth_shares_a_denial_among_threads(service: Service, gateway: Gateway) -> None:
    gateway.denies_after = 0
    gateway.takes = 0.5
    auth = auth_for(service)
    denied: list[str] = []
    together = threading.Barrier(10)

    def run() -> None:
        together.wait()
        try:
            auth(requests.Request("GET", service.url).prepare())
        except token2go.DeniedError as error:
            denied.append(error.detail)

    threads = [threading.Thread(target=run) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert denied == ["not today"] * 10
    assert len(gateway.asked) == 1


def test_auth_shares_a_denial_among_tasks(service: Service, gateway: Gateway) -> None:
    gateway.denies_after = 0

    async def run() -> list[Any]:
        async with httpx.AsyncClient(auth=auth_for(service), trust_env=False) as client:
            return await asyncio.gather(*(client.get(service.url) for _ in range(10)), return_exceptions=True)

    assert [type(outcome) for outcome in asyncio.run(run())] == [token2go.DeniedError] * 10
    assert len(gateway.asked) == 1


@pytest.mark.parametrize("send", [by_requests, by_httpx])
def test_auth_does_not_repeat_a_body_that_it_cannot_rewind(send: Send, service: Service, gateway: Gateway) -> None:
    service.wants = "Bearer second"

    def parts() -> Iterator[bytes]:
        yield b"bo"
        yield b"dy"

    how = {"data": parts()} if send is by_requests else {"content": parts()}
    assert send(auth_for(service), "POST", service.url, **how) == 401
    assert [body for _, _, body in service.got] == [b"body"]


def test_auth_asks_once_for_many_threads(service: Service, gateway: Gateway) -> None:
    auth = auth_for(service)
    threads = [threading.Thread(target=by_requests, args=(auth, "GET", service.url)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert service.authorizations == ["Bearer first"] * 10
    assert len(gateway.asked) == 1


def test_auth_asks_once_for_many_tasks(service: Service, gateway: Gateway) -> None:
    async def run() -> list[int]:
        async with httpx.AsyncClient(auth=auth_for(service), trust_env=False) as client:
            return [
                answer.status_code for answer in await asyncio.gather(*(client.get(service.url) for _ in range(10)))
            ]

    assert asyncio.run(run()) == [200] * 10
    assert len(gateway.asked) == 1


@pytest.mark.parametrize("case", _HOSTS["cases"], ids=lambda case: case["name"])
@pytest.mark.parametrize("library", [requests, httpx], ids=lambda library: library.__name__)
def test_auth_may_compares_the_whole_host(
    library: Any, case: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    auth = token2go.Auth(SERVER, hosts=case["hosts"])
    assert auth._may(case["url"]) == case["token"]
    try:
        request = library.Request("GET", case["url"])
        prepared = request.prepare() if library is requests else request
    except (ValueError, httpx.InvalidURL):  # the library does not send it at all
        return
    if "@" not in case["url"]:  # which both libraries take out
        assert auth._may(str(prepared.url)) == case["token"]


@pytest.mark.parametrize(
    "url", ["https://api.example.org:x/", "ftp://api.example.org/x", "https://evil.example/api.example.org", ""]
)
def test_auth_may_rejects_what_is_no_web_address(url: str) -> None:
    assert not token2go.Auth(SERVER, hosts=["api.example.org"])._may(url)


@pytest.mark.parametrize("name", _HOSTS["unusable"])
def test_auth_refuses_what_is_not_a_host(name: str) -> None:
    with pytest.raises(token2go.OptionError, match=r"is not a host|has no port"):
        token2go.Auth(SERVER, hosts=[name])


def test_auth_says_once_why_no_token_is_sent(
    service: Service, gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    auth = token2go.Auth(SERVER, hosts=["127.0.0.1:1"])
    for _ in range(2):
        assert by_requests(auth, "GET", service.url) == 200
    assert capsys.readouterr().err.count(f"no token is sent to {service.url}, which is not among the hosts") == 1


def test_auth_is_of_the_types_that_both_libraries_name() -> None:
    auth = token2go.Auth(SERVER, hosts=["api.example.org"])
    assert isinstance(auth, requests.auth.AuthBase)
    assert isinstance(auth, httpx.Auth)


@pytest.mark.parametrize("missing", ["requests", "httpx", "requests httpx"])
def test_auth_works_without_either_library(missing: str) -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({missing!r}.split())); import token2go; "
        f"print(token2go.Auth({SERVER!r}, hosts=['api.example.org']))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "api.example.org:443" in out


def test_auth_waits_longer_after_each_question_that_is_not_answered(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[float] = []
    now = 1000.0

    def obtain(*_: Any, pause: float, **__: Any) -> token2go.Token:
        if pause:
            raise PausedError
        asked.append(now)
        raise token2go.TimedOutError

    monkeypatch.setattr(_auth, "obtain", obtain)
    monkeypatch.setattr("token2go._auth.time.monotonic", lambda: now)
    auth = auth_for(service)
    for _ in range(4 * 3600):
        now += 1
        with pytest.raises(token2go.TimedOutError):
            auth(requests.Request("GET", service.url).prepare())
    pauses = [round(after - before) for before, after in itertools.pairwise(asked)]
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert "not asking again for 60 s" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12, which is what is tested
def test_auth_works_in_a_process_that_was_forked_while_its_lock_was_held(service: Service, gateway: Gateway) -> None:
    auth = auth_for(service)
    with auth._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            request = auth(requests.Request("GET", service.url).prepare())
            os._exit(0 if request.headers["Authorization"] == "Bearer first" else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_auth_shows_no_token_and_is_not_pickled(service: Service, gateway: Gateway) -> None:
    auth = auth_for(service)
    by_requests(auth, "GET", service.url)
    assert "first" not in repr(auth)
    with pytest.raises(TypeError, match="make another one"):
        pickle.dumps(auth)
    with pytest.raises(token2go.OptionError, match="hosts is empty"):
        token2go.Auth(SERVER, hosts=[])
