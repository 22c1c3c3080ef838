"""The cases that clients in every language share. openapi/vectors/README.md explains them."""

from __future__ import annotations

import json
import secrets
import selectors
import socket
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest

import token2go
from conftest import SOON, VECTORS
from sealing import Request, sealed
from token2go._call import Call
from token2go._errors import StrayError
from token2go._paste import Pasted
from token2go._wait import Wait

_DOCUMENT: dict[str, Any] = json.loads((VECTORS / "clients.json").read_text("utf-8"))
_ERRORS = {
    "denied": token2go.DeniedError,
    "no_token": token2go.NoTokenError,
    "expiring": token2go.ExpiringError,
    "refused": token2go.RefusedError,
    "server_error": token2go.ServerError,
}
assert _DOCUMENT["cases"]


class Hand:
    """Pastes lines, and records when each has been read."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._pasted: Pasted | None = None
        self._lines: list[str] = []
        self._taken = threading.Event()

    def open(self, selector: selectors.BaseSelector, pasted: Pasted) -> None:
        self._pasted = pasted
        selector.register(self._receiver, selectors.EVENT_READ, self._take)

    def _take(self) -> None:
        self._receiver.recv(1)
        assert self._pasted is not None
        for line in self._lines:
            self._pasted.add(line)
        self._pasted.pause()
        self._taken.set()

    def paste(self, lines: list[str]) -> None:
        self._lines = lines
        self._taken.clear()
        self._sender.send(b"x")
        assert self._taken.wait(SOON)

    def sweep(self) -> None:
        pass

    def next_deadline(self) -> float:
        return float("inf")

    def close(self) -> None:
        self._receiver.close()
        self._sender.close()


class Client:
    """One call that waits, and what it warned of."""

    def __init__(self, case: dict[str, Any]) -> None:
        triple = case.get("format") == "triple"
        self.call = Call("https://t2g.example.org/", triple=triple, client="a test")
        self.warnings: list[str] = []
        self.hand = Hand()
        self.token: token2go.Token | None = None
        self.error: Exception | None = None
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(SOON)
        self.request = Request(self.url)
        self.other_state = secrets.token_urlsafe(32)

    def _run(self, ready: threading.Event) -> None:
        with Wait(self.call, lambda kind, _: self.warnings.append(kind)) as wait:
            wait.listen()
            wait.take_pasted(self.hand)
            self.url, self.short_url = wait.url, wait.short_url
            ready.set()
            try:
                self.token = wait.run(time.monotonic() + SOON)
            except token2go.Token2goError as error:
                self.error = error

    @property
    def waits(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> None:
        self._thread.join(SOON)
        assert not self.waits, "it still waits"

    def fill(self, step: dict[str, Any]) -> Any:
        """The step with every placeholder filled in."""
        token = _DOCUMENT["token"]
        values = {
            "path": self.request.path,
            "pathEscaped": f"{self.request.path[:-1]}%{ord(self.request.path[-1]):02X}",
            "short": urlsplit(self.short_url).path,
            "port": str(self.request.port),
            "state": self.request.state,
            "halfState": self.request.state[: len(self.request.state) // 2],
            "otherState": self.other_state,
            "token": token,
            "kid": self.request.kid,
            "big": "x" * step.get("big", 0),
        }
        if "seal" in step:
            how = _filled(step["seal"], values)
            parts = sealed(self.request, how.get("members", {}).get("secret") or token, how, self.other_state)
            values |= parts | {name + "Escaped": quote(part, safe="") for name, part in parts.items()}
        return _filled(step, values)


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, str):
        for name, text in values.items():
            value = value.replace("{" + name + "}", text)
        return value
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    if isinstance(value, dict):
        return {name: _filled(item, values) for name, item in value.items()}
    return value


class Answer:
    """An HTTP answer, or that there was none (status 0)."""

    def __init__(self, received: bytes) -> None:
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1]) if first else 0
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self.body = body.decode()


def exchange(port: int, content: bytes, finish: bool = False) -> Answer:
    received = b""
    try:
        with socket.create_connection(("127.0.0.1", port), SOON) as connection:
            connection.settimeout(SOON)
            try:
                connection.sendall(content)
                if finish:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has hung up, and may have said why
            while part := connection.recv(1 << 16):
                received += part
    except TimeoutError:
        raise
    except OSError:
        pass
    return Answer(received)


def encoded(pairs: list[list[str]]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)


def send(client: Client, step: dict[str, Any]) -> Answer:
    port = client.request.port
    if "raw" in step:
        return exchange(port, step["raw"].encode("latin-1"), finish=True)
    query = step.get("rawQuery", encoded(step.get("query", [])))
    target = step.get("path", client.request.path) + (f"?{query}" if query else "")
    headers = {"Host": f"127.0.0.1:{port}", **step.get("headers", {})}
    body = step.get("body")
    if "form" in step:
        body = encoded(step["form"])
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    if step.get("chunked") and body is not None:
        headers["Transfer-Encoding"] = "chunked"
        parts = [body[at : at + 16] for at in range(0, len(body), 16)]
        body = "".join(f"{len(part):x}\r\n{part}\r\n" for part in [*parts, ""])
    elif body is not None:
        headers["Content-Length"] = str(len(body.encode()))
    lines = [f"{step.get('method', 'GET')} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items()), "", ""]
    return exchange(port, "\r\n".join(lines).encode() + (body or "").encode())


def check_status(client: Client, wanted: str, answer: Answer) -> None:
    if wanted == "any":
        return
    if wanted in ("refused", "again") and answer.status == 0:
        return
    if wanted in ("4xx", "refused"):
        assert 400 <= answer.status <= 499
        assert "location" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control-allow")]
        assert client.request.state not in answer.body
        return
    assert answer.status == 303
    if wanted == "flow":
        assert answer.headers["location"].startswith("https://t2g.example.org/flow/redirect/token?")
        assert Request(answer.headers["location"]).state == client.request.state
        return
    assert wanted in ("303", "again")
    here = f"http://127.0.0.1:{client.request.port}"
    page = urlsplit(urljoin(here + client.request.path, answer.headers["location"]))
    assert f"{page.scheme}://{page.netloc}" == here
    assert not page.query
    assert client.request.state not in page.path
    last = exchange(client.request.port, f"GET {page.path} HTTP/1.1\r\nHost: {page.netloc}\r\n\r\n".encode())
    assert last.status == 200
    assert last.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in last.headers["content-security-policy"]
    assert last.headers["cache-control"] == "no-store"
    assert all(word in last.body for word in client.call.words)
    assert _DOCUMENT["token"] not in last.body
    assert client.request.state not in last.body


def check_end(client: Client, wanted: dict[str, Any]) -> None:
    client.end()
    if "error" in wanted:
        assert type(client.error) is _ERRORS[wanted["error"]]
        assert wanted.get("detail", "") in str(client.error)
        assert client.error.args[0].isascii()
        return
    token = client.token
    assert token is not None, client.error
    assert str(token) == wanted["token"]
    assert token.words == client.call.words
    for member, name in (("type", "token_type"), ("header", "header"), ("issuer", "issuer")):
        if member in wanted:
            assert getattr(token, name) == wanted[member]
    if "expiresIn" in wanted:
        seconds = wanted["expiresIn"]
        if seconds is None:
            assert token.expires_at is None
        else:
            assert token.expires_at is not None
            assert abs((token.expires_at - datetime.now(timezone.utc)).total_seconds() - seconds) < 5


def do(client: Client, step: dict[str, Any]) -> None:
    before = len(client.warnings)
    filled = client.fill(step)
    if "paste" in step:
        text, width = filled["paste"], step.get("wrap")
        pieces = [text[at : at + width] for at in range(0, len(text), width)] if width else text.splitlines() or [""]
        client.hand.paste(pieces)
    else:
        check_status(client, step["status"], send(client, filled))
    if "ends" in step:
        check_end(client, filled["ends"])
    assert client.warnings[before:] == step.get("warns", [])


def test_judge_pasted_ignores_the_time_before_pasting() -> None:
    """What was sealed since the call began says nothing against the clock."""
    call = Call("https://t2g.example.org/")
    call.began -= timedelta(minutes=4)
    for shift, warns in ((-180, False), (-420, True), (120, True)):
        text = sealed(Request(call.to_paste()), "token", {"iat": shift}, "")["sealed"]
        assert bool(call.judge_pasted(text).warning) == warns


def test_judge_pasted_rejects_half_a_surrogate_pair() -> None:
    with pytest.raises(StrayError):
        Call("https://t2g.example.org/").judge_pasted("http://127.0.0.1:1/x?state=\ud800")


@pytest.mark.parametrize("case", _DOCUMENT["cases"], ids=lambda c: c["name"])
def test_wait_does_what_the_shared_cases_want(case: dict[str, Any]) -> None:
    client = Client(case)
    for step in case["steps"]:
        if "ends" not in step:
            assert client.waits or client.token or client.error
        do(client, step)
    if not any("ends" in step for step in case["steps"]):
        assert client.waits, "it ended, and nothing should have ended it"
        names = ("key", "nonce", "payload") if client.request.triple else ("response",)
        fields = [[name, "{" + ("sealed" if name == "response" else name) + "}"] for name in names]
        good = {"query": [*fields, ["state", "{state}"]], "seal": {}, "status": "303", "ends": {"token": "{token}"}}
        do(client, good)
