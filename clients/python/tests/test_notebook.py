"""A notebook that really runs: in nbclient, as papermill and CI run one, and with a kernel that is asked for input."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import token2go
from conftest import SOON, Demo, Person, until

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

pytestmark = pytest.mark.browser


class Notebook:
    """A notebook that runs in another thread, cell after cell."""

    def __init__(self, folder: Path, *cells: str) -> None:
        self.path = folder / "notebook.ipynb"
        self.book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            nbclient.NotebookClient(self.book, timeout=60, kernel_name="python3").execute()
        except Exception as error:
            self.error = error

    def shown(self) -> str:
        return json.dumps([cell.get("outputs", []) for cell in self.book.cells])

    def link(self) -> str:
        pattern = r'href=\\"(http://127[^"]+)\\"'
        until("the link is shown", lambda: bool(re.search(pattern, self.shown())) or not self._thread.is_alive())
        found = re.search(pattern, self.shown())
        assert found, self.error or self.shown()
        return unescape(found[1])

    def end(self) -> str:
        """Waits for the last cell, saves the notebook, and returns all of what is saved."""
        self._thread.join(60)
        assert not self._thread.is_alive()
        nbformat.write(self.book, self.path)
        return self.path.read_text("utf-8")


def secrets_of(token: token2go.Token) -> list[str]:
    """The token, and each part of it that is long enough to be of use."""
    return [str(token), *(part for part in str(token).split(".") if len(part) > 20)]


def mentions(text: str, token: token2go.Token) -> bool:
    return any(part in text for part in secrets_of(token))


def test_saved_notebook_holds_no_secret(demo: Demo, person: Person, tmp_path: Path) -> None:
    book = Notebook(
        tmp_path,
        f"import token2go\ntoken = token2go.get({demo.front!r}, method='loopback')\ntoken",
        "print(repr(token), [token]); token.fingerprint",
    )
    address = book.link()
    question = person.open(address, Sec_Fetch_Site="cross-site")
    assert "token2go for Python" in question.text
    person.decide(question, "allow")
    saved = book.end()
    assert book.error is None
    token = token2go.get(demo.front)
    assert token.fingerprint in saved
    assert re.search(r"Signed in as <b>[\w@.]+</b>, valid until \d{4}-\d\d-\d\d \d\d:\d\d UTC", saved)
    assert not mentions(saved, token)
    assert "state=" not in saved
    assert "flow/redirect" not in saved


def test_notebook_shows_and_raises_a_denial(demo: Demo, person: Person, tmp_path: Path) -> None:
    book = Notebook(tmp_path, f"import token2go\ntoken2go.get({demo.front!r}, method='loopback')")
    person.decide(person.open(book.link(), Sec_Fetch_Site="cross-site"), "deny")
    saved = book.end()
    assert "No token: denied" in saved
    assert "DeniedError" in str(book.error)
    assert "state=" not in saved


def test_magic_sets_a_variable_and_outputs_nothing(demo: Demo, person: Person, tmp_path: Path) -> None:
    token = token2go.get(demo.front, browser=person.open, show=lambda _: None)
    book = Notebook(
        tmp_path,
        "%load_ext token2go",
        f"%token2go {demo.front} --name mine",
        "mine.fingerprint",
        "%token2go http://127.0.0.1:1 --name 'a b'",
    )
    saved = book.end()
    assert token.fingerprint in saved
    assert not mentions(saved, token)
    assert "is not a name of a variable" in saved


def test_aget_leaves_the_event_loop_free(demo: Demo, person: Person, tmp_path: Path) -> None:
    book = Notebook(
        tmp_path,
        "import asyncio, token2go\n"
        "count = 0\n"
        "async def tick():\n"
        "    global count\n"
        "    while True:\n"
        "        count += 1\n"
        "        await asyncio.sleep(0.01)\n"
        "ticking = asyncio.ensure_future(tick())\n"
        f"token = await token2go.aget({demo.front!r}, method='loopback')\n"
        "ticking.cancel(); assert count > 3; token.fingerprint",
    )
    person.open(book.link())
    saved = book.end()
    assert book.error is None
    token = token2go.get(demo.front)
    assert token.fingerprint in saved
    assert "Signed in as" in saved
    assert not mentions(saved, token)


def test_notebook_rejects_paste_without_input(demo: Demo, tmp_path: Path) -> None:
    book = Notebook(tmp_path, f"import token2go\ntoken2go.get({demo.front!r}, method='paste')")
    book.end()
    assert "needs a terminal or a notebook that takes input" in str(book.error)


class Kernel:
    """A kernel as Jupyter Lab, Notebook and VS Code use it, with an input field."""

    def __init__(self, **environment: str) -> None:
        from jupyter_client.manager import KernelManager

        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(env={**os.environ, **environment})
        self.client: Any = self._manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.shown: dict[str, str] = {}
        self.put_out: list[str] = []
        self.results: list[str] = []

    def execute(self, code: str) -> None:
        self._message = self.client.execute(code, allow_stdin=True)

    def asked(self) -> dict[str, Any]:
        """The next request for input."""
        message: dict[str, Any] = self.client.get_stdin_msg(timeout=SOON)
        assert message["msg_type"] == "input_request"
        content: dict[str, Any] = message["content"]
        return content

    def answer(self, text: str) -> None:
        self.client.input(text)

    def pump(self, seconds: float = 0.2) -> bool:
        """Reads what the kernel puts out, and says whether the cell has ended."""
        import queue

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                message = self.client.get_iopub_msg(timeout=0.05)
            except queue.Empty:
                continue
            kind, content = message["msg_type"], message["content"]
            self.put_out.append(json.dumps(content))
            if kind in ("display_data", "update_display_data"):
                self.shown[content["transient"]["display_id"]] = content["data"]["text/html"]
            elif kind in ("execute_result", "error"):
                self.results.append(json.dumps(content))
            elif kind == "status" and message["parent_header"].get("msg_id") == self._message:
                if content["execution_state"] == "idle":
                    return True
        return False

    def link(self) -> str:
        until("the link is shown", lambda: self.pump() or "href=" in self.status)
        found = re.search(r'href="([^"]+)"', self.status)
        assert found, self.put_out
        return unescape(found[1])

    @property
    def status(self) -> str:
        return "".join(self.shown.values())

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()

    def end(self) -> None:
        until("the cell has ended", self.pump)

    def close(self) -> None:
        self.client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture
def hub_kernel() -> Iterator[Kernel]:
    """A kernel that a JupyterHub has started."""
    kernel = Kernel(JUPYTERHUB_SERVICE_PREFIX="/user/alice/")
    yield kernel
    kernel.close()


def sealed_text(person: Person, address: str) -> str:
    shown = person.decide(person.open(address, Sec_Fetch_Site="cross-site"), "allow")
    found = re.search(r"<textarea[^>]*>([^<]+)</textarea>", shown.text)
    assert found, shown.text
    return unescape(found[1])


def test_notebook_on_a_hub_asks_for_the_sealed_text(demo: Demo, person: Person, hub_kernel: Kernel) -> None:
    hub_kernel.execute(f"import token2go\ntoken = token2go.get({demo.front!r})\ntoken.fingerprint")
    assert hub_kernel.asked()["prompt"] == "Paste the sealed text: "
    address = hub_kernel.link()
    assert "responseMode=page" in address
    assert "port=" not in address
    # A token that was copied by mistake gives a warning, and the field again.
    mistaken = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
    hub_kernel.answer(mistaken)
    assert hub_kernel.asked()["password"] is True
    until("it warns", lambda: hub_kernel.pump() or "want the 5 of a compact JWE" in hub_kernel.status)
    hub_kernel.answer(sealed_text(person, address))
    hub_kernel.end()
    token = token2go.get(demo.front)
    assert token.fingerprint in "".join(hub_kernel.results)
    assert "Signed in as" in hub_kernel.status
    put_out = "".join(hub_kernel.put_out)
    assert not mentions(put_out, token)
    assert mistaken not in put_out


def test_notebook_ends_the_wait_when_interrupted(demo: Demo, person: Person, hub_kernel: Kernel) -> None:
    for method in ("loopback", "paste"):
        hub_kernel.shown.clear()
        hub_kernel.execute(f"import token2go\ntoken = token2go.get({demo.front!r}, method={method!r})")
        hub_kernel.link()
        time.sleep(0.3)
        hub_kernel.interrupt()
        hub_kernel.end()
        assert "No token: interrupted" in hub_kernel.status
        assert "KeyboardInterrupt" in hub_kernel.results[-1]
    # And the next call works.
    hub_kernel.shown.clear()
    hub_kernel.execute(f"token = token2go.get({demo.front!r}, method='loopback')")
    person.open(hub_kernel.link())
    hub_kernel.end()
    assert "Signed in as" in hub_kernel.status


def test_notebook_paste_times_out(demo: Demo, hub_kernel: Kernel) -> None:
    hub_kernel.execute(f"import token2go\ntoken = token2go.get({demo.front!r}, timeout=1)")
    hub_kernel.asked()
    hub_kernel.end()
    assert "TimedOutError" in hub_kernel.results[-1]
    assert "No token: timed out" in hub_kernel.status
