"""The listener: what a slow, hostile or foreign client can do to it."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import token2go
from conftest import SOON, Asking, Demo, Person, until
from test_cases import exchange
from token2go import _listener, _owner
from token2go._listener import Listener, Request, Response

HOSTILE = {
    "blanks in a name": b"GET / HTTP/1.1\r\nHost: x\r\nA" + b" " * 100_000 + b":\r\n\r\n",
    "blanks in a value": b"GET / HTTP/1.1\r\nHost: x\r\nA:" + b" \t" * 50_000 + b"\x00\r\n\r\n",
    "blanks before a header": b"GET / HTTP/1.1\r\nHost: x\r\n" + b" " * 100_000 + b"\x00:\r\n\r\n",
    "blanks in the request line": b"GET " + b" " * 100_000 + b"\x00 HTTP/1.1\r\n\r\n",
    "runs of blanks": b"GET / HTTP/1.1\r\nHost: x\r\nA:" + (b" " * 190 + b"\x7f") * 500 + b"\x00\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A:\r\n" * 30_000 + b"\r\n",
    "folded headers": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n" + b" c\r\n" * 30_000 + b"\r\n",
    "an extension of a chunk": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b" " * 100_000 + b"\n\r\n"
    ),
    "small chunks": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000,
    "a query of signs": b"GET /?" + b"%" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a query of fields": b"GET /?" + b"&a" * 50_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "line ends": b"\r\n" * 60_000 + b"\r\n",
}


class Running:
    """A listener in a thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.refused = 0
        self.requests: list[Request] = []
        self.listener = Listener(self._selector, (0,), self._respond, self._refuse)
        self.longest = 0.0  # seconds that one event took
        self._over = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _respond(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, "ok")

    def _refuse(self) -> None:
        self.refused += 1

    def _run(self) -> None:
        while not self._over:
            for key, _ in self._selector.select(0.05):
                began = time.thread_time()
                key.data()
                self.longest = max(self.longest, time.thread_time() - began)
            self.listener.sweep()
        self.listener.close()

    def close(self) -> None:
        self._over = True
        self._thread.join()
        self._selector.close()


@pytest.fixture
def running() -> Iterator[Running]:
    started = Running()
    yield started
    started.close()


@pytest.mark.parametrize("name", HOSTILE)
def test_listener_parses_hostile_requests_quickly(running: Running, name: str) -> None:
    exchange(running.listener.port, HOSTILE[name], finish=True)
    assert exchange(running.listener.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
    assert running.longest < 0.1


def test_get_ends_in_time_despite_a_hostile_client(demo: Demo) -> None:
    asking = Asking(token2go.get, demo.front, timeout=1.5, cache=False)
    port = urlsplit(asking.prompt.short_url).port or 0
    began = time.monotonic()
    while not asking.over and time.monotonic() < began + SOON:
        exchange(port, HOSTILE["blanks in a name"], finish=True)
    assert time.monotonic() - began < 4
    with pytest.raises(token2go.TimedOutError):
        asking.result()


@pytest.mark.skipif(os.getuid() != 0 or sys.platform != "linux", reason="only root can be two users")
def test_listener_refuses_another_user(tmp_path: Path) -> None:
    code = """
import json, os, selectors, socket, subprocess, sys, time
from token2go._listener import Listener, Response
os.setgid(65533); os.setuid(65533)
refused = []
selector = selectors.DefaultSelector()
listener = Listener(selector, (0,), lambda _: Response(200), lambda: refused.append(1))
print(listener.port, flush=True)
end = time.monotonic() + 20
while time.monotonic() < end and not os.path.exists(sys.argv[1]):
    for key, _ in selector.select(0.05):
        key.data()
print(len(refused), flush=True)
"""
    connect = """
import os, socket, sys
uid, port, family = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
os.setgid(uid); os.setuid(uid)
s = socket.socket(socket.AF_INET6 if family == "6" else socket.AF_INET)
s.connect(("::ffff:127.0.0.1" if family == "6" else "127.0.0.1", port))
try:
    s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    print(s.recv(100)[9:12].decode())
except OSError:
    print("")
"""
    over = str(tmp_path / "over")
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", code, over], stdout=subprocess.PIPE, text=True, env=environment
    ) as program:
        assert program.stdout
        port = program.stdout.readline().strip()
        answers = {}
        families = ("4", "6") if os.path.exists("/proc/net/tcp6") and _has_mapped_addresses() else ("4",)
        for uid in ("65533", "65532", "0"):
            for family in families:
                command = [sys.executable, "-c", connect, uid, port, family]
                answers[uid + family] = subprocess.run(
                    command, stdout=subprocess.PIPE, text=True, check=True
                ).stdout.strip()
        open(over, "w").close()
        refused = program.stdout.readline().strip()
    wanted = {"65533": "200", "65532": "", "0": "200"}
    assert answers == {uid + family: status for uid, status in wanted.items() for family in families}
    assert refused == str(len(families))


def _has_mapped_addresses() -> bool:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6) as client:
            client.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
    except OSError:
        return False
    return True


def test_other_users_has_a_closed_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose it was, no one can tell any more."""
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            client_port = client.getsockname()[1]
            monkeypatch.setattr(_owner, "_is_ours", lambda _: True)
            assert not _owner.other_users([client_port], port)
        assert _owner.other_users([client_port], port) == {client_port}


def test_listener_reads_the_table_once_for_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading takes long where there are many sockets: one for each connection kept the browser out."""
    readings: list[str] = []
    read = _owner._read

    def counting(table: str) -> str:
        readings.append(table)
        return read(table)

    monkeypatch.setattr(_owner, "_read", counting)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with selectors.DefaultSelector() as selector:
        refused: list[int] = []
        listener = Listener(selector, (0,), lambda _: Response(200), lambda: refused.append(1))
        for _ in range(100):
            socket.create_connection(("127.0.0.1", listener.port)).close()
        selector.select(SOON)
        listener._accept()
        listener.close()
    assert len(refused) == 100
    assert len(readings) <= 2 * _owner._TRIES


def test_short_address_opened_twice_warns_and_keeps_nothing(
    demo: Demo, person: Person, surroundings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asking = Asking(token2go.get, demo.front)
    short = urlsplit(asking.prompt.short_url)
    request = f"GET {short.path} HTTP/1.1\r\nHost: {short.netloc}\r\n\r\n".encode()
    assert exchange(short.port or 0, request).status == 303
    person.open(asking.prompt.short_url)
    assert asking.result()
    assert "the address was opened a second time; the token will not be kept" in capsys.readouterr().err
    assert not list(surroundings.glob("*.json"))


def test_listener_takes_the_first_free_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, selectors.DefaultSelector() as selector:
        port = taken.getsockname()[1]
        listener = Listener(selector, (port, 0), lambda _: Response(200))
        assert listener.port not in (0, port)
        listener.close()
        with pytest.raises(token2go.ListenError, match=f"port {port}"):
            Listener(selector, (port,), lambda _: Response(200))


def test_listener_closes_on_a_slow_body(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_listener, "_LIMIT", 0.3)
    with socket.create_connection(("127.0.0.1", running.listener.port), SOON) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
        began = time.monotonic()
        until("it is closed", lambda: client.recv(1) == b"")
        assert time.monotonic() - began < 3
