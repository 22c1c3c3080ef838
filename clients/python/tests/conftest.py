"""What tests share: a cache of their own, a demo that runs, a person with a browser, and an ask that goes on beside."""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

import token2go

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT / "openapi" / "vectors"
SOURCE = ROOT / "clients" / "python" / "src"
SOON = 20.0  # seconds; whatever takes longer is a failure

# What would make a difference to where a program thinks that it runs.
_SURROUNDINGS = (
    *(
        "BROWSER",
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "WSL_DISTRO_NAME",
        "SSH_CONNECTION",
        "SSH_CLIENT",
        "SSH_TTY",
        "container",
    ),
    *("JUPYTERHUB_SERVICE_PREFIX", "BINDER_SERVICE_HOST", "COLAB_RELEASE_TAG", "CODE_SERVER_SESSION_SOCKET"),
    *("VSCODE_PROXY_URI", "CODESPACES", "KUBERNETES_SERVICE_HOST", "TOKEN2GO_PROXY_URL", "XDG_RUNTIME_DIR"),
    *("XDG_CACHE_HOME", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "GITPOD_WORKSPACE_ID", "SUDO_UID"),
)


def missing(what: str) -> None:
    """Skips a test with a message when a program is missing, and fails it where all programs are to be installed."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Every test has a cache of its own and no browser. Returns the cache's folder."""
    for name in _SURROUNDINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("token2go._browser._CONTAINER_MARKS", ())
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))  # for the programs that a test starts
    monkeypatch.setattr("token2go._console._said", set())
    cache = tmp_path / "cache"
    monkeypatch.setenv("TOKEN2GO_CACHE_DIR", str(cache))
    return cache


@pytest.fixture(autouse=True)
def leaks_of_others(request: pytest.FixtureRequest) -> Iterator[None]:
    """What the libraries that drive a kernel leave open is theirs."""
    yield
    if request.node.get_closest_marker("browser"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


class Demo:
    """A real server behind the pretend gateway."""

    def __init__(self, program: Path, *arguments: str, **environment: str) -> None:
        self._process = subprocess.Popen(
            [str(program), "demo", "--port=0", "--server-port=0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
        )
        self.lines: list[str] = []
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if "Ctrl-C ends the demo" in line:
                break
        found = re.search(r"^ +(http://127\S+)/\n", "".join(self.lines), re.M)
        assert found, "".join(self.lines)
        self.front = found[1]
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.lines.extend(self._process.stdout)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(SOON)
        assert self._process.stdout is not None
        self._process.stdout.close()


def built(name: str, given: str | None, folder: Path) -> Path:
    """A program of this tree; or the one that is given."""
    if given:
        return Path(given)
    if not shutil.which("go"):
        missing("go")
    subprocess.run(["go", "build", "-o", f"{folder}/", f"./cmd/{name}"], cwd=ROOT, check=True)
    return folder / name


@pytest.fixture(scope="session")
def server_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server; T2G_TEST_SERVER may name one that is built already."""
    return built("token2go-server", os.environ.get("T2G_TEST_SERVER"), tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="session")
def client_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program token2go; T2G_TEST_CLIENT may name one that is built already."""
    return built("token2go", os.environ.get("T2G_TEST_CLIENT"), tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="session")
def demo(server_program: Path) -> Iterator[Demo]:
    running = Demo(server_program)
    yield running
    running.close()


class Page:
    """Where a request led."""

    def __init__(self, answer: Any) -> None:
        self.status: int = answer.status
        self.url: str = answer.url
        self.headers = answer.headers
        self.text: str = answer.read().decode()


class _Redirects(urllib.request.HTTPRedirectHandler):
    last = ""

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        self.last = arguments[-1]
        return super().redirect_request(*arguments)


class Person:
    """Drives a sign-in by HTTP as a browser would: cookies, redirects, fetch metadata."""

    _TYPED = {  # noqa: RUF012
        "Accept": "text/html",
        "User-Agent": "Mozilla/5.0",
        "Sec-Fetch-Site": "none",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-User": "?1",
        "Sec-Fetch-Dest": "document",
    }

    def __init__(self) -> None:
        self._redirects = _Redirects()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(CookieJar()), urllib.request.ProxyHandler({}), self._redirects
        )

    def last_location(self) -> str:
        """Where the last redirect led to: what the address bar shows when nothing answers there."""
        return self._redirects.last

    def open(self, address: str, form: dict[str, str] | None = None, **headers: str) -> Page:
        body = urllib.parse.urlencode(form).encode() if form is not None else None
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(address, body, {**self._TYPED, **named})
        try:
            with self._opener.open(request, timeout=SOON) as answer:
                return Page(answer)
        except urllib.error.HTTPError as error:
            with error:
                return Page(error)

    def sign_in(self, demo: Demo) -> Person:
        form = self.open(demo.front + "/oauth2/start?rd=%2Fhealth")
        state, person = (re.search(f'name="{name}" value="([^"]+)"', form.text) for name in ("state", "person"))
        assert state, form.text
        assert person, form.text
        landed = self.open(form.url, {"state": state[1], "person": person[1]}, Sec_Fetch_Site="same-origin")
        assert landed.url.endswith("/health"), landed.url
        return self

    def decide(self, question: Page, decision: str) -> Page:
        """Answers the question that the server asks."""
        import html

        action = re.search(r'<form[^>]*id="question"[^>]*action="([^"]+)"', question.text)
        assert action, question.text
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', question.text))
        form = {name: html.unescape(value) for name, value in fields.items()} | {"decision": decision}
        address = urllib.parse.urljoin(question.url, html.unescape(action[1]))
        return self.open(address, form, Sec_Fetch_Site="same-origin", Origin="null")


@pytest.fixture
def person(demo: Demo) -> Person:
    """A person who is signed in."""
    return Person().sign_in(demo)


class Asking:
    """A call that waits in another thread, as long as the test needs it."""

    def __init__(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        self._ready = threading.Event()
        self._over = threading.Event()
        self.asked = 0
        self.opened: list[str] = []
        self.value: Any = None
        self.error: BaseException | None = None
        options.setdefault("show", self._show)
        options.setdefault("browser", self.opened.append)
        self._thread = threading.Thread(target=self._run, args=(call, arguments, options), daemon=True)
        self._thread.start()

    def _show(self, prompt: token2go.Prompt) -> None:
        self.asked += 1
        self._prompt = prompt
        self._ready.set()

    def _run(self, call: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        try:
            self.value = call(*arguments, **options)
        except BaseException as error:
            self.error = error
        finally:
            self._over.set()
            self._ready.set()

    @property
    def prompt(self) -> token2go.Prompt:
        assert self._ready.wait(SOON), "no one was asked"
        if self.asked == 0:
            raise AssertionError("ended before anyone was asked") from self.error
        return self._prompt

    def result(self) -> Any:
        assert self._over.wait(SOON), "it still waits"
        if self.error is not None:
            raise self.error
        return self.value

    @property
    def over(self) -> bool:
        return self._over.is_set()


def until(what: str, holds: Callable[[], bool], seconds: float = SOON) -> None:
    """Waits until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.02)
