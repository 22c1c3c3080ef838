"""Every block of code in the docs runs as it stands, one after the other as a reader would, but for the addresses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import token2go
from conftest import ROOT, SOON, Demo, Person, missing
from test_auth import Service

REMOTE = ROOT / "docs" / "clients-python-remote.md"
PAGES = [ROOT / "docs" / "clients-python.md", ROOT / "clients" / "python" / "README.md"]


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text("utf-8"), re.S | re.M)
    assert {language for language, _ in found} <= {"python", "ipython", "sh"}
    return [(language, text) for language, text in found if language in languages]


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.close()


@pytest.fixture
def token(demo: Demo, person: Person) -> token2go.Token:
    """The reader is signed in, so the token is in the cache."""
    return token2go.get(demo.front, browser=person.open, show=lambda _: None)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python` is the one that runs this."""
    if not shutil.which("curl"):
        missing("curl")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


def here(text: str, demo: Demo, service: Service) -> str:
    text = text.replace("https://t2g.example.org", demo.front).replace("https://api.example.org", service.url)
    return text.replace("api.example.org", f"127.0.0.1:{service.port}")


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_docs_blocks_run(
    page: Path, demo: Demo, service: Service, token: token2go.Token, capfd: pytest.CaptureFixture[str]
) -> None:
    found = blocks(page, "python", "sh")
    assert {language for language, _ in found} == {"python", "sh"}
    names: dict[str, Any] = {}
    for language, text in found:
        text = here(text, demo, service)  # noqa: PLW2901
        if language == "python":
            exec(compile(text, page.name, "exec"), names)
        else:
            command = [*(["/bin/sh", "-euc"]), text]
            subprocess.run(command, check=True, timeout=SOON)
    assert service.got
    assert set(service.authorizations) == {token.authorization}
    printed = capfd.readouterr().out
    if page.name == "clients-python.md":
        assert f"{token.expires_at} {token.fingerprint} {token}" in printed


@pytest.mark.browser
@pytest.mark.parametrize("page", [PAGES[0], REMOTE], ids=lambda page: page.name)
def test_docs_notebook_blocks_run(
    page: Path, demo: Demo, service: Service, token: token2go.Token, tmp_path: Path
) -> None:
    from test_notebook import Notebook, mentions

    cells = [here(text, demo, service) for _, text in blocks(page, "ipython")]
    assert len(cells) == 2
    book = Notebook(tmp_path, *cells)
    saved = book.end()
    assert book.error is None
    assert token.fingerprint in saved
    assert not mentions(saved, token)


def test_docs_name_every_public_name() -> None:
    text = PAGES[0].read_text("utf-8")
    for name in set(token2go.__all__) - {"__version__", "Environment", "Prompt", "Token", "load_ipython_extension"}:
        assert name in text, name
