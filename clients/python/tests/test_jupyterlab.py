"""A real JupyterLab in a real Chromium: type the cell, run it, click the link, see the result."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import token2go
from certificate import certify
from conftest import Demo, until
from test_notebook import mentions

playwright = pytest.importorskip("playwright.sync_api")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("jupyterlab")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_PATIENCE = 45_000  # milliseconds
_KEY = "a-key-of-the-tests"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Lab:
    """JupyterLab, or Notebook 7, with one empty notebook."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        module: str = "jupyterlab",
        origin: str = "http://127.0.0.1",
        **environment: str,
    ) -> None:
        self.pages = "lab/tree" if module == "jupyterlab" else "notebooks"
        self.port = free_port()
        self.notebook = folder / "work" / "notebook.ipynb"
        self.notebook.parent.mkdir(exist_ok=True)
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        cell = nbformat.v4.new_code_cell("")
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), self.notebook)
        quiet = folder / "JUPYTER_CONFIG_DIR" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
        quiet.mkdir(parents=True, exist_ok=True)
        (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
        base = environment.get("JUPYTERHUB_SERVICE_PREFIX", "/")
        self.address = f"{origin}:{self.port}{base}"
        self._log = open(folder / "lab.log", "w")  # noqa: SIM115 - closed with the lab
        command = [sys.executable, "-m", module, "--no-browser", "--allow-root", "--ip=127.0.0.1"]
        settings = {"port": self.port, "token": _KEY, "root_dir": self.notebook.parent, "base_url": base}
        command += [f"--ServerApp.{name}={value}" for name, value in settings.items()]
        home = {name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
        self._process = subprocess.Popen(
            [*command, *arguments],
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, **home, **environment, "PYTHONUNBUFFERED": "1"},
        )
        until("JupyterLab answers", self._answers, seconds=60)

    def _answers(self) -> bool:
        assert self._process.poll() is None, Path(self._log.name).read_text()
        try:
            unverified = ssl._create_unverified_context() if self.address.startswith("https") else None
            urllib.request.urlopen(f"{self.address}api/status?token={_KEY}", timeout=5, context=unverified).close()
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    program = os.environ.get("T2G_TEST_CHROMIUM") or shutil.which("chromium")
    if not program:
        pytest.fail("chromium is missing") if os.environ.get("CI") == "true" else pytest.skip("chromium is missing")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Any) -> Iterator[Any]:
    opened = chromium.new_context(ignore_https_errors=True, viewport={"width": 1100, "height": 760})
    opened.set_default_timeout(_PATIENCE)
    yield opened
    opened.close()


def open_notebook(context: Any, lab: Lab) -> Any:
    page = context.new_page()
    page.goto(f"{lab.address}{lab.pages}/notebook.ipynb?token={_KEY}")
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.wait_for()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
    return page


def run_cell(page: Any, code: str, cell: int = 0, keys: str = "Control+Enter") -> None:
    editor = page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(cell)
    editor.click()
    page.keyboard.insert_text(code)
    prompt = page.locator(".jp-CodeCell .jp-InputPrompt").nth(cell)

    def runs() -> bool:
        """JupyterLab drops what is run before it has found its kernel, so the keys are pressed again."""
        if re.search(r"[*\d]", prompt.inner_text()):
            return True
        editor.click()  # Shift+Enter goes on to the next cell, also when it is dropped
        page.keyboard.press(keys)
        page.wait_for_timeout(2000)
        return False

    until("the cell runs", runs, seconds=60)


def follow_link(context: Any, page: Any) -> Any:
    """Clicks the link in the cell's output, and signs in at the pretend gateway."""
    with context.expect_page() as opened:
        page.locator(".jp-OutputArea a", has_text="Sign in").click()
    tab = opened.value
    tab.locator("button", has_text="Sign in").click()
    tab.locator("button.person").first.click()
    tab.locator("[data-id=allow]").wait_for()
    return tab


def words_on(page: Any) -> str:
    found = re.search(r"these words: ((?:[a-z]+ ?){4})", page.locator(".jp-OutputArea").first.inner_text())
    assert found
    return found[1].strip()


def saved(page: Any, lab: Lab) -> str:
    """Saves the notebook as a person does, and returns the file."""
    page.locator('.jp-NotebookPanel-toolbar [data-jp-item-name="save"]').click()
    until("the notebook is saved", lambda: "Signed in as" in lab.notebook.read_text("utf-8"))
    return lab.notebook.read_text("utf-8")


def picture(page: Any, name: str) -> None:
    """Keeps a picture where TOKEN2GO_TEST_PICTURES names a folder."""
    if folder := os.environ.get("TOKEN2GO_TEST_PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png")


@pytest.fixture(params=["jupyterlab", "notebook"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    running = Lab(tmp_path, module=request.param)
    yield running
    running.close()


def decide(page: Any, answer: str) -> None:
    """Reads the question to its end, and presses Allow or Deny once they take clicks."""
    button, rest = page.locator(f"[data-id={answer}]"), "document.querySelector('[data-read]')"
    button.wait_for()
    while page.evaluate(f"{rest}?.scrollIntoView(), Boolean({rest})"):
        page.wait_for_timeout(100)
    button.click()


def test_jupyterlab_gets_the_answer_after_a_click(demo: Demo, lab: Lab, context: Any) -> None:
    page = open_notebook(context, lab)
    run_cell(page, f"import token2go\ntoken = token2go.get({demo.front!r}, method='loopback')\ntoken")
    page.locator(".jp-OutputArea a", has_text="Sign in").wait_for()
    words = words_on(page)
    picture(page, f"{lab.pages[:3]}-asks")
    tab = follow_link(context, page)
    assert tab.locator("[data-id=client]").inner_text() == "token2go for Python"
    question = tab.locator("[data-id=question]").inner_text()
    assert all(word in question for word in words.split())
    decide(tab, "allow")
    tab.get_by_text("The program has its token.").wait_for()
    assert tab.locator("#words").inner_text() == words
    assert "?" not in tab.url
    page.get_by_text("Signed in as").wait_for()
    page.locator(".jp-OutputArea-executeResult", has_text="<Token ").wait_for()
    picture(page, f"{lab.pages[:3]}-done")
    text = saved(page, lab)
    token = token2go.get(demo.front)
    assert token.fingerprint[:12] in text
    assert not mentions(text, token)
    assert "flow/redirect" not in text


def test_jupyterlab_on_a_hub_takes_the_pasted_text(demo: Demo, tmp_path: Path, context: Any) -> None:
    lab = Lab(tmp_path, SSH_CONNECTION="192.0.2.1 1 192.0.2.2 22")
    try:
        page = open_notebook(context, lab)
        run_cell(page, f"import token2go\ntoken = token2go.get({demo.front!r})\ntoken.fingerprint")
        field = page.locator(".jp-Stdin-input")
        field.wait_for()
        assert field.get_attribute("type") == "password"
        picture(page, "notebook-pastes")
        tab = follow_link(context, page)
        decide(tab, "allow")
        sealed = tab.locator("[data-id=sealed]").input_value()
        field.fill(sealed)
        field.press("Enter")
        page.get_by_text("Signed in as").wait_for()
        text = saved(page, lab)
        token = token2go.get(demo.front)
        assert token.fingerprint in text
        assert not mentions(text, token)
        assert sealed not in text
    finally:
        lab.close()


def test_jupyterlab_behind_a_proxy_gets_the_answer(server_program: Path, tmp_path: Path, context: Any) -> None:
    pytest.importorskip("jupyter_server_proxy")
    certificate, key = certify(tmp_path)
    lab = Lab(
        tmp_path,
        f"--ServerApp.certfile={certificate}",
        f"--ServerApp.keyfile={key}",
        origin="https://localhost",
        JUPYTERHUB_SERVICE_PREFIX="/user/alice/",
        TOKEN2GO_PROXY_URL="https://localhost:0",
    )
    demo = Demo(server_program, T2G_FLOW_TARGETS=f"https://localhost:{lab.port}/user/*/proxy/**")
    try:
        page = open_notebook(context, lab)
        run_cell(
            page,
            f"import os, token2go\nos.environ['TOKEN2GO_PROXY_URL'] = 'https://localhost:{lab.port}'\n"
            f"token = token2go.get({demo.front!r})\ntoken.fingerprint",
        )
        page.locator(".jp-OutputArea a", has_text="Sign in").wait_for()
        words = words_on(page)
        tab = follow_link(context, page)
        assert f"https://localhost:{lab.port}/user/alice/proxy/" in tab.locator("[data-id=target]").inner_text()
        decide(tab, "allow")
        tab.get_by_text("The program has its token.").wait_for()
        assert tab.locator("#words").inner_text() == words
        assert tab.url.startswith(f"https://localhost:{lab.port}/user/alice/proxy/")
        page.get_by_text("Signed in as").wait_for()
        token = token2go.get(demo.front)
        assert not mentions(saved(page, lab), token)
    finally:
        lab.close()
        demo.close()
