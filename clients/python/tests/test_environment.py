"""Tools that read a variable or a file, for as long as a block lasts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import token2go
from conftest import Asking, Demo, Person, missing
from test_auth import Service
from token2go._cache import Cache
from token2go._server import parse

SERVER = "https://t2g.example.org"


@pytest.fixture(autouse=True)
def signed_in() -> token2go.Token:
    """The token is in the cache already."""
    token = token2go.Token("a-token.of-the.tests", expires_at=datetime.now(timezone.utc) + timedelta(hours=1))
    Cache(parse(SERVER)).store(token)
    return token


def test_environment_sets_and_restores_variables_and_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_HTTP_AUTH", "BASIC")
    monkeypatch.setenv("BEARER_TOKEN", "old")
    monkeypatch.delenv("GDAL_HTTP_BEARER", raising=False)
    before = dict(os.environ)
    with token2go.environment(SERVER, token_names=["MY_TOKEN"], file_names=["MY_FILE"]) as environment:
        assert os.environ["GDAL_HTTP_AUTH"] == "BEARER"
        assert os.environ["GDAL_HTTP_BEARER"] == os.environ["MY_TOKEN"] == "a-token.of-the.tests"
        assert "BEARER_TOKEN" not in os.environ
        path = os.environ["BEARER_TOKEN_FILE"]
        assert path == os.environ["MY_FILE"] == environment.token_file
        assert Path(path).read_text() == "a-token.of-the.tests\n"
        assert Path(path).stat().st_mode & 0o777 == 0o600
        header = os.environ["TOKEN2GO_HEADER_FILE"]
        assert Path(header).read_text() == "Authorization: Bearer a-token.of-the.tests\n"
        assert "a-token.of-the.tests" not in repr(environment)
    assert dict(os.environ) == before
    assert not os.path.exists(path)
    assert not os.path.exists(header)


def test_environment_restores_variables_after_an_exception() -> None:
    before = dict(os.environ)
    with pytest.raises(ZeroDivisionError), token2go.environment(SERVER):
        _ = 1 / 0
    assert dict(os.environ) == before


def test_environment_holds_no_token_in_local_variables() -> None:
    block: Any = token2go.environment(SERVER)
    with block:
        held = dict(block.gen.gi_frame.f_locals)
        stack = [call for _, call in held["stack"]._exit_callbacks]
        files = [call.__self__.gen.gi_frame.f_locals for call in stack if hasattr(call, "__self__")]
        assert len(files) == 2
        assert "a-token.of-the.tests" not in repr((held, files))


def test_environment_files_are_readable_by_children() -> None:
    with token2go.environment(SERVER):
        for _ in range(2):
            command = 'cat "$BEARER_TOKEN_FILE"; printf %s "$GDAL_HTTP_BEARER"'
            out = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
            assert out == "a-token.of-the.tests\na-token.of-the.tests"


def test_environment_leaves_no_file_of_a_killed_program(tmp_path: Path) -> None:
    code = f"""
import os, signal, token2go
with token2go.environment({SERVER!r}) as e:
    print(e.token_file, open(e.token_file).read(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    path, token = ended.stdout.split()
    assert token == "a-token.of-the.tests"
    assert not os.path.exists(path)
    assert list(tmp_path.rglob("*token2go*")) == []


def test_environment_header_file_works_with_curl(demo: Demo, person: Person) -> None:
    if not shutil.which("curl"):
        missing("curl")

    def call(**options: Any) -> str:
        with token2go.environment(demo.front, **options):
            command = f'curl -s --header @"$TOKEN2GO_HEADER_FILE" {service.url}'
            return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout

    service = Service()
    try:
        asking = Asking(call)
        person.open(asking.prompt.url)
        assert asking.result() == "ok"
        assert service.authorizations == [token2go.get(demo.front).authorization]
    finally:
        service.close()


class Rasters(SimpleHTTPRequestHandler):
    """Serves files to those who hold the token, as storage behind a gateway does."""

    refused = 0

    def send_head(self) -> Any:
        if self.headers.get("Authorization") != "Bearer a-token.of-the.tests":
            type(self).refused += 1
            self.send_error(401)
            return None
        return super().send_head()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.browser
def test_environment_works_with_gdal(tmp_path: Path) -> None:
    """With the real GDAL that rasterio brings."""
    pytest.importorskip("rasterio")
    write = (
        "import numpy, rasterio, sys\n"
        "with rasterio.open(sys.argv[1], 'w', driver='GTiff', width=2, height=2, count=1, dtype='uint8',\n"
        "                   transform=rasterio.Affine(1, 0, 0, 0, -1, 2)) as raster:\n"
        "    raster.write(numpy.full((1, 2, 2), 7, 'uint8'))\n"
    )
    read = "import rasterio, sys; print(rasterio.open(sys.argv[1]).read(1).sum())"
    subprocess.run([sys.executable, "-c", write, str(tmp_path / "a.tif")], check=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Rasters, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"/vsicurl/http://127.0.0.1:{server.server_address[1]}/a.tif"
    try:
        command = [sys.executable, "-c", read, address]
        before = subprocess.run(command, capture_output=True, text=True, check=False)
        assert before.returncode != 0
        assert Rasters.refused
        with token2go.environment(SERVER):
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert out == "28\n"
    finally:
        server.shutdown()
        server.server_close()
