"""The blocks of code in the documents run in order, with only the addresses replaced."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import token2go
from conftest import ROOT, SOON, Demo, Person
from test_auth import Service

PAGES = [ROOT / "docs" / "clients-python.md", ROOT / "clients" / "python" / "README.md"]
REMOTE = ROOT / "docs" / "clients-python-remote.md"


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.close()


@pytest.fixture
def token(demo: Demo, person: Person) -> token2go.Token:
    """The token is in the cache."""
    return token2go.get(demo.front, browser=person.open, show=lambda _: None)


def blocks(page: Path, demo: Demo, service: Service) -> list[tuple[str, str]]:
    text = page.read_text("utf-8").replace("https://t2g.example.org", demo.front)
    text = text.replace("https://api.example.org", service.url).replace("api.example.org", f"127.0.0.1:{service.port}")
    return re.findall(r"^```(python|ipython|sh)\n(.*?)^```$", text, re.S | re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_docs_blocks_run(
    page: Path, demo: Demo, service: Service, token: token2go.Token, monkeypatch: pytest.MonkeyPatch, *, tmp_path: Path
) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    names: dict[str, Any] = {}
    for language, text in blocks(page, demo, service):
        if language == "python":
            exec(compile(text, page.name, "exec"), names)
        elif language == "sh":
            subprocess.run(["/bin/sh", "-euc", text], check=True, timeout=SOON)
    assert set(service.authorizations) == {token.authorization}


@pytest.mark.browser
@pytest.mark.parametrize("page", [PAGES[0], REMOTE], ids=lambda page: page.name)
def test_docs_notebook_blocks_run(
    page: Path, demo: Demo, service: Service, token: token2go.Token, tmp_path: Path
) -> None:
    from test_notebook import Notebook, mentions

    book = Notebook(tmp_path, *[text for language, text in blocks(page, demo, service) if language == "ipython"])
    saved = book.end()
    assert book.error is None
    assert token.fingerprint in saved
    assert not mentions(saved, token)
