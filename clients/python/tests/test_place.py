"""Where a program thinks that it runs, and which browser it opens."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import token2go
from certificate import certify
from conftest import until
from token2go import _notebook, _place


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({}, ""),
        ({"JUPYTERHUB_SERVICE_PREFIX": "/user/a/"}, "JupyterHub"),
        ({"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}, "SSH"),
        ({"VSCODE_PROXY_URI": "https://code.example.org/proxy/{{port}}"}, "code-server"),
        ({"container": "podman"}, "a container"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "Kubernetes"),
        ({"SSH_CONNECTION": ""}, ""),
    ],
)
def test_a_machine_that_nobody_sits_in_front_of_is_known(environ: dict[str, str], why: str) -> None:
    assert _place.remote(environ) == why


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
def test_the_way_through_a_hub_is_where_the_operator_says(environ: dict[str, str], address: str) -> None:
    assert _place.proxy(environ) == address


def test_the_browser_that_is_named_is_opened_and_prints_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program, opened = tmp_path / "a browser", tmp_path / "opened"
    program.write_text(f'#!/bin/sh\necho noise; echo noise >&2; echo "$@" > "{opened}"\n')
    program.chmod(0o700)
    warnings: list[str] = []
    for named, want in ((f"'{program}' --new %s", "--new http://a/"), (f"no-such-one:'{program}'", "http://a/")):
        opened.unlink(missing_ok=True)
        monkeypatch.setenv("BROWSER", named)
        assert _place.has_browser()
        _place.open_browser("http://a/", warnings.append)
        until("it is opened", lambda want=want: opened.exists() and opened.read_text() == f"{want}\n")  # type: ignore[misc]
    assert warnings == []
    assert capfd.readouterr() == ("", "")


def test_a_browser_that_does_not_open_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setenv("BROWSER", "false")
    _place.open_browser("http://a/", warnings.append)
    until("it is said", lambda: bool(warnings))
    assert warnings == ["the browser did not open (false ended with 1); open the address above"]

    def broken(_: str) -> None:
        raise ValueError("no window")

    _place.open_with(broken, "http://a/", warnings.append)
    until("it is said", lambda: len(warnings) == 2)
    assert "no window" in warnings[1]


def test_no_address_is_a_command_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BROWSER", raising=False)
    monkeypatch.setenv("WSL_DISTRO_NAME", "Debian")
    monkeypatch.setattr(shutil, "which", lambda _: "/there")
    assert _place._command("https://a/';calc;'/")[-1] == "Start-Process 'https://a/%27;calc;%27/'"


def test_a_machine_without_display_opens_none() -> None:
    assert not _place.has_browser()


@pytest.fixture
def strange_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server whose certificate nobody has signed, at its address, with that certificate's file."""
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


def test_a_certificate_that_is_not_known_is_said_with_the_way_to_trust_it(strange_server: tuple[str, Path]) -> None:
    address, certificate = strange_server
    with pytest.raises(token2go.CertificateError, match="ca_file names a file"):
        token2go.probe(address)
    with pytest.raises(token2go.CertificateError):
        token2go.get(address, timeout=5)
    token2go.probe(address, ca_file=str(certificate))
    with pytest.raises(token2go.CertificateError, match="No such file"):
        token2go.probe(address, ca_file="/no/such/file")


def test_what_answers_and_is_no_web_server_is_said_without_its_escape_sequences() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            visitor, _ = server.accept()
            with visitor:
                visitor.recv(4096)
                visitor.sendall(b"\x1b]0;mine\a\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(token2go.Unreachable) as caught:
            token2go.probe(f"http://127.0.0.1:{server.getsockname()[1]}")
    assert str(caught.value).isprintable()


def test_who_a_token_is_for_is_read_for_showing_alone() -> None:
    assert _notebook.person(token2go.Token("opaque")) == ""
    assert _notebook.person(token2go.Token("a.b.c")) == ""
    assert _notebook.person(token2go.Token("e30.W10.x")) == ""
    # {"sub":"1","preferred_username":"ada"} and one whose name would move the cursor
    assert _notebook.person(token2go.Token("e30.eyJzdWIiOiIxIiwicHJlZmVycmVkX3VzZXJuYW1lIjoiYWRhIn0.x")) == "ada"
    assert _notebook.person(token2go.Token("e30.eyJzdWIiOiJhXHUwMDFiWzJKIn0.x")) == ""
