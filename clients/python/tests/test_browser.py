"""Where a program thinks that it runs, and which browser it opens."""

from __future__ import annotations

import contextlib
import gc
import json
import shutil
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import token2go
from certificate import certify
from conftest import VECTORS, Demo, until
from token2go import _ask, _browser, _notebook, _probe
from token2go._options import checked

_CASES: list[dict[str, Any]] = json.loads((VECTORS / "environment.json").read_text("utf-8"))["cases"]
_PROXIES: dict[str, Any] = json.loads((VECTORS / "proxies.json").read_text("utf-8"))
assert _CASES
assert _PROXIES["cases"]
assert _PROXIES["connect"]


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["name"])
def test_ask_shows_first_the_address_that_should_work(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    platform = {"windows": "win32"}.get(case["platform"], case["platform"])
    found = _browser.locate(
        case["environment"], platform, lambda name: name in case["programs"], case.get("wsl", False)
    )
    assert found.here == case["here"]
    monkeypatch.setattr(_browser, "locate", lambda **_: found)
    monkeypatch.setattr("token2go._terminal.usable", lambda: case.get("terminal", True))
    settings = checked(
        "https://t2g.example.org", port=8400 if case.get("port") else 0, format=case.get("format", "jwe")
    )
    assert _ask.choose_way(settings, None) == case["first"]
    assert (found.opens if _ask.opens_by_default(None) else None) == case["opens"]


@pytest.mark.parametrize("case", _PROXIES["cases"], ids=lambda case: case["name"])
def test_proxy_for_reads_the_variables(case: dict[str, Any]) -> None:
    assert _probe.proxy_for(case["server"], case["environment"]) == case["proxy"]


@pytest.mark.parametrize("case", _PROXIES["connect"], ids=lambda case: case["name"])
def test_probe_reports_a_proxy_that_refuses(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(f"HTTP/1.1 {case['status']} No\r\nContent-Length: 0\r\n\r\n".encode())

        threading.Thread(target=answer, daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(token2go.UnreachableError, match=case["detail"]) as caught:
            token2go.probe("https://t2g.example.org")
    assert "secret" not in str(caught.value)
    with warnings.catch_warnings():  # Python 3.10 leaves the connection to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        del caught
        gc.collect()


def test_probe_ends_in_time_though_the_answer_comes_byte_by_byte() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client, contextlib.suppress(OSError):
                for letter in b"HTTP/1.1 200 OK\r\n" * 100:
                    client.sendall(bytes([letter]))
                    time.sleep(0.1)

        threading.Thread(target=answer, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(token2go.UnreachableError, match=r"no answer in 0\.5 s"):
            token2go.probe(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.5)
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, ""),
        ({"TOKEN2GO_PROXY_URL": "http://hub.example.org"}, ""),
        (
            {"TOKEN2GO_PROXY_URL": "https://hub.example.org", "JUPYTERHUB_SERVICE_PREFIX": "/user/a/"},
            "https://hub.example.org/user/a/proxy/",
        ),
        ({"TOKEN2GO_PROXY_URL": "https://hub.example.org/"}, "https://hub.example.org/proxy/"),
        (
            {"TOKEN2GO_PROXY_URL": "https://hub.example.org/x/proxy", "JUPYTERHUB_SERVICE_PREFIX": "/user/a/"},
            "https://hub.example.org/x/proxy/",
        ),
    ],
)
def test_proxy_reads_the_operator_s_variable(environ: dict[str, str], address: str) -> None:
    assert _browser.proxy(environ) == address


def test_open_browser_runs_browser_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program, opened = tmp_path / "a browser", tmp_path / "opened"
    program.write_text(f'#!/bin/sh\necho noise; echo noise >&2; echo "$@" > "{opened}"\n')
    program.chmod(0o700)
    warnings: list[str] = []
    for named, want in ((f"'{program}' --new %s", "--new http://a/"), (f"no-such-one:'{program}'", "http://a/")):
        opened.unlink(missing_ok=True)
        monkeypatch.setenv("BROWSER", named)
        _browser.open_browser("http://a/", warnings.append)
        until("it is opened", lambda want=want: opened.exists() and opened.read_text() == f"{want}\n")  # type: ignore[misc]
    assert warnings == []
    assert capfd.readouterr() == ("", "")


def test_get_runs_the_command_that_is_named(demo: Demo, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$@" > "{opened}"\n')
    program.chmod(0o700)
    with pytest.raises(token2go.TimedOutError):
        token2go.get(
            demo.front, browser=f"'{program}' --new %s", timeout=1, check=False, cache=False, show=lambda _: None
        )
    assert opened.read_text().startswith("--new http://127.0.0.1:")
    with pytest.raises(token2go.OptionError, match="want a command whose program is found"):
        token2go.get(demo.front, browser="no-such-browser")


def test_open_browser_warns_of_a_browser_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setenv("BROWSER", "false")
    _browser.open_browser("http://a/", warnings.append)
    until("it is said", lambda: bool(warnings))
    assert warnings == ["the browser did not open (false ended with 1); open the address above"]

    def broken(_: str) -> None:
        raise ValueError("no window")

    _browser.open_with(broken, "http://a/", warnings.append)
    until("it is said", lambda: len(warnings) == 2)
    assert "no window" in warnings[1]


def test_system_command_quotes_the_address_for_powershell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BROWSER", raising=False)
    monkeypatch.setenv("WSL_DISTRO_NAME", "Debian")
    monkeypatch.setattr(shutil, "which", lambda _: "/there")
    assert _browser._system_command("https://a/';calc;'/")[-1] == "Start-Process 'https://a/%27;calc;%27/'"


@pytest.fixture
def strange_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server with a self-signed certificate, at its address, with that certificate's file."""
    certificate, key = certify(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", "https://t2g.example.org/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"https://localhost:{server.server_address[1]}", certificate
    server.shutdown()
    server.server_close()


def test_probe_reports_an_unknown_certificate_and_how_to_trust_it(strange_server: tuple[str, Path]) -> None:
    address, certificate = strange_server
    with pytest.raises(token2go.CertificateError, match="ca_file names a file"):
        token2go.probe(address)
    with pytest.raises(token2go.CertificateError):
        token2go.get(address, timeout=5)
    token2go.probe(address, ca_file=str(certificate))
    with pytest.raises(token2go.CertificateError, match="No such file"):
        token2go.probe(address, ca_file="/no/such/file")


def test_probe_reports_no_escape_sequences() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(b"\x1b]0;mine\a\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(token2go.UnreachableError) as caught:
            token2go.probe(f"http://127.0.0.1:{server.getsockname()[1]}")
    assert str(caught.value).isprintable()


def test_person_is_read_from_claims() -> None:
    assert _notebook.person(token2go.Token("opaque")) == ""
    assert _notebook.person(token2go.Token("a.b.c")) == ""
    assert _notebook.person(token2go.Token("e30.W10.x")) == ""
    # {"sub":"1","preferred_username":"ada"} and one whose name would move the cursor
    assert (
        _notebook.person(token2go.Token("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIiwicHJlZmVycmVkX3VzZXJuYW1lIjoiYWRhIn0.x"))
        == "ada"
    )
    assert _notebook.person(token2go.Token("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhXHUwMDFiWzJKIn0.x")) == ""
