"""A program in a real terminal: what is printed, what is pasted, and how the terminal is left."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from html import unescape
from urllib.parse import urlsplit

import pytest

import token2go
from conftest import SOON, Demo, Person, until
from sealing import Request, sealed
from token2go.__main__ import main
from token2go._cache import Cache


class Terminal:
    """A program in a pseudo-terminal; its standard output goes elsewhere, as in $(…)."""

    def __init__(self, *arguments: str, run: tuple[str, ...] = ("-m", "token2go"), **environment: str) -> None:
        self._fd, inner = pty.openpty()
        self.before = termios.tcgetattr(inner)
        self._inner = inner
        self.screen = ""

        def own() -> None:
            os.setsid()
            os.close(os.open(os.ttyname(0), os.O_RDWR))  # becomes the controlling terminal

        self.program = subprocess.Popen(
            [sys.executable, *run, *arguments],
            stdin=inner,
            stdout=subprocess.PIPE,
            stderr=inner,
            env={**os.environ, **environment},
            preexec_fn=own,  # noqa: PLW1509 - no thread of ours is in the way
        )

    def read(self) -> str:
        while select.select([self._fd], [], [], 0.05)[0]:
            self.screen += os.read(self._fd, 65536).decode()
        return self.screen

    def shows(self, pattern: str) -> str:
        until(f"the terminal shows {pattern}", lambda: bool(re.search(pattern, self.read())))
        found = re.search(pattern, self.screen)
        assert found
        return found[1] if found.groups() else found[0]

    def type(self, text: str) -> None:
        content = text.encode()
        while content:
            content = content[os.write(self._fd, content[:1024]) :]
            time.sleep(0.005)

    def end(self) -> tuple[int, str]:
        out, _ = self.program.communicate(timeout=SOON)
        self.read()
        assert termios.tcgetattr(self._inner) == self.before, "the terminal is not as it was"
        return self.program.returncode, out.decode()

    def close(self) -> None:
        self.program.kill()
        self.program.wait(SOON)
        os.close(self._fd)
        os.close(self._inner)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def sealed_text(person: Person, address: str) -> str:
    """Goes the way of a person who pastes: opens the address, allows, copies the text."""
    shown = person.decide(person.open(address), "allow")
    found = re.search(r"<textarea[^>]*>([^<]+)</textarea>", shown.text)
    assert found, shown.text
    return unescape(found[1])


def test_main_prints_only_the_token(demo: Demo, person: Person, terminals: list[Terminal]) -> None:
    terminal = Terminal(demo.front, "--listen")
    terminals.append(terminal)
    address = terminal.shows(r"(http://127\.0\.0\.1:\d+/[\w-]{12})\r\n")
    words = terminal.shows(r"these words: ([a-z ]+)\r\n")
    landed = person.open(address)
    code, out = terminal.end()
    assert code == 0
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", out)
    assert words in landed.text
    assert out.strip() not in terminal.screen


def test_main_takes_a_pasted_address(demo: Demo, person: Person, terminals: list[Terminal]) -> None:
    import urllib.error

    terminal = Terminal(demo.front, "--listen")
    terminals.append(terminal)
    short = terminal.shows(r"(http://127\.0\.0\.1:\d+/[\w-]{12})\r\n")
    terminal.shows("and paste here what the page shows")
    # The browser is on another computer: what it would open is known, and its answer ends nowhere.
    flow = _location(short)
    other = flow.replace(f"port={urlsplit(short).port}", "port=1")
    try:
        person.open(other)
        pytest.fail("there is something at port 1")
    except urllib.error.URLError:
        pass
    address = person.last_location()
    assert "response=" in address
    terminal.type(address.replace(":1/", f":{urlsplit(short).port}/") + "\n")
    code, out = terminal.end()
    assert code == 0
    assert out.count(".") == 2


def _location(address: str) -> str:
    import http.client

    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=SOON)
    connection.request("GET", parts.path)
    location = connection.getresponse().headers["Location"]
    connection.close()
    assert location
    return location


@pytest.mark.parametrize("ending", ["\n", "", " \n"])
def test_main_takes_the_sealed_text_over_ssh(
    demo: Demo, person: Person, terminals: list[Terminal], ending: str
) -> None:
    terminal = Terminal(demo.front, SSH_CONNECTION="192.0.2.1 1 192.0.2.2 22")
    terminals.append(terminal)
    address = terminal.shows(r"(http://127\.0\.0\.1:\d+/flow/redirect/token\?\S+)\r\n")
    assert "responseMode=page" in address
    terminal.shows("and paste here what the page shows")
    text = sealed_text(person, address)
    terminal.type(text + ending)
    code, out = terminal.end()
    assert code == 0
    assert out.count(".") == 2
    assert text not in terminal.screen
    assert out.strip() not in terminal.screen


def test_triple_over_ssh_shows_the_address_for_any_computer_first(terminals: list[Terminal]) -> None:
    terminal = Terminal(
        "https://t2g.example.org", "--format", "triple", "--no-cache", "--no-check", SSH_TTY="/dev/pts/1"
    )
    terminals.append(terminal)
    terminal.shows("The page shows these words")
    addresses = re.findall(r"^  (http\S+)\r$", terminal.screen, re.M)
    assert [urlsplit(address).hostname for address in addresses] == ["t2g.example.org", "127.0.0.1"]
    terminal.type("\x03")
    assert terminal.end()[0] == 130


def test_paste_takes_more_than_a_terminal_line(terminals: list[Terminal]) -> None:
    for wrap in (0, 76):
        terminal = Terminal("https://t2g.example.org", "--paste", "--no-cache")
        terminals.append(terminal)
        request = Request(terminal.shows(r"(https://t2g\.example\.org/flow/\S+)\r\n"))
        token = "x" * 9000
        text = sealed(request, token, {}, "")["sealed"]
        assert len(text) > 3 * 4096
        if wrap:
            text = "\n".join(text[at : at + wrap] for at in range(0, len(text), wrap))
        terminal.type(text + "\n")
        assert terminal.end() == (0, token + "\n")


def test_main_warns_of_other_text_and_waits_on(demo: Demo, person: Person, terminals: list[Terminal]) -> None:
    terminal = Terminal(demo.front, "--paste")
    terminals.append(terminal)
    address = terminal.shows(r"(http://127\.0\.0\.1:\d+/flow/redirect/token\?\S+)\r\n")
    terminal.type("hello\n")
    terminal.shows("neither the sealed text nor an address")
    terminal.type(sealed_text(person, address) + "\n")
    assert terminal.end()[0] == 0


def test_main_restores_the_terminal_on_ctrl_c(demo: Demo, terminals: list[Terminal]) -> None:
    terminal = Terminal(demo.front, "--listen")
    terminals.append(terminal)
    terminal.shows("paste here")
    terminal.type("\x03")
    code, out = terminal.end()
    assert (code, out) == (130, "")
    assert "interrupted" in terminal.screen
    assert "Traceback" not in terminal.screen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT], ids=lambda n: n.name)
def test_main_restores_the_terminal_on_signals(demo: Demo, terminals: list[Terminal], number: signal.Signals) -> None:
    terminal = Terminal(demo.front, "--listen")
    terminals.append(terminal)
    terminal.shows("paste here")
    terminal.program.send_signal(number)
    assert terminal.end() == (130, "")
    assert "Traceback" not in terminal.screen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
@pytest.mark.parametrize("call", ["token2go.get(*sys.argv[1:])", "asyncio.run(token2go.aget(*sys.argv[1:]))"])
def test_get_restores_the_terminal_on_signals(
    demo: Demo, terminals: list[Terminal], call: str, number: signal.Signals
) -> None:
    terminal = Terminal(demo.front, run=("-c", f"import asyncio, sys, token2go; {call}"), BROWSER="true")
    terminals.append(terminal)
    terminal.shows("paste here")
    until("echo is off", lambda: termios.tcgetattr(terminal._inner) != terminal.before)
    terminal.program.send_signal(number)
    assert terminal.end() == (-number, "")


def test_paste_of_many_lines_gives_one_warning(terminals: list[Terminal]) -> None:
    terminal = Terminal("https://t2g.example.org", "--paste", "--no-cache", "--no-check")
    terminals.append(terminal)
    request = Request(terminal.shows(r"(https://t2g\.example\.org/flow/\S+)\r\n"))
    terminal.type("one\ntwo\n\nthree\n")
    terminal.shows("neither the sealed text nor an address")
    terminal.type("```\n" + sealed(request, "a-token", {}, "")["sealed"] + "\n```\nthanks\n")
    assert terminal.end() == (0, "a-token\n")
    assert terminal.screen.count("neither") == 1


def test_main_reads_nothing_without_a_terminal(demo: Demo, person: Person) -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "token2go", demo.front, "--listen", "--client", "A script"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stderr
    shown = [program.stderr.readline() for _ in range(5)]
    assert "paste" not in "".join(shown)
    assert shown[2] == "  Or, with a browser on this computer, open\n"
    person.open(shown[1].strip())
    out, err = program.communicate(timeout=SOON)
    assert program.returncode == 0
    assert out.count(".") == 2
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["http://127.0.0.1:1"], 8, "server unreachable"),
        (["t2g.example.org"], 2, "no https://"),
        ([], 2, "usage:"),
        (["https://t2g.example.org", "--nonsense"], 2, "usage:"),
        (["https://t2g.example.org", "--timeout", "0.2s", "--no-cache"], 4, "timed out; ask again; with --paste"),
        (["--logout", "https://t2g.example.org"], 0, "there was no token"),
        (["--help"], 0, ""),
        (["--version"], 0, ""),
    ],
)
def test_main_exit_codes(arguments: list[str], code: int, said: str) -> None:
    environment = {**os.environ, "HTTPS_PROXY": "http://127.0.0.1:1"} if code != 4 else dict(os.environ)
    ended = subprocess.run(
        [sys.executable, "-m", "token2go", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment,
        timeout=SOON,
        check=False,
    )
    if code == 4:
        assert ended.returncode in (4, 8)  # 8 where the probe has found out in time that there is no such server
    else:
        assert ended.returncode == code, ended.stderr
        assert said in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("redirection", "why"),
    [
        (">&-", "Bad file descriptor"),
        ("> /dev/full", "No space left on device"),
        ("| sh -c 'exec <&-; sleep 1'", "Broken pipe"),
    ],
)
def test_main_reports_a_token_that_could_not_be_written(redirection: str, why: str) -> None:
    server = "https://t2g.example.org/"
    Cache(server).store(token2go.Token("a", expires_at=datetime.now(timezone.utc) + timedelta(hours=1)))
    command = f"{sys.executable} -m token2go {server} {redirection}"
    ended = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False, timeout=SOON)
    assert ended.stderr == f"token2go: the token was not written: {why}\n"


def test_main_has_the_exit_codes_of_the_program_for_cache_and_port(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOKEN2GO_CACHE_DIR", "relative")
    assert main(["--logout", "https://t2g.example.org"]) == 13
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["https://t2g.example.org", "--listen", "--no-cache", "--port", port]) == 14
    assert "no listener" in capsys.readouterr().err


def test_main_ends_without_traceback_on_sigint(demo: Demo) -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "token2go", demo.front, "--listen"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stderr
    program.stderr.readline()
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=SOON)
    assert program.returncode == 130
    assert "Traceback" not in err
