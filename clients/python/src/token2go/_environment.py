"""A token for tools that read it from the environment or from a file."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from token2go import _options
from token2go._get import obtain
from token2go._options import Options
from token2go._token import Token

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class Environment:
    """What `environment` has set. The files are there while its block runs, and readable by this user alone."""

    token: Token
    token_file: str
    """Holds the token alone, with a line end; WLCG tools find it by BEARER_TOKEN_FILE."""
    header_file: str
    """Holds a line `Authorization: Bearer …`, for `curl --header @FILE` and GDAL_HTTP_HEADER_FILE."""


@contextlib.contextmanager
def environment(
    server: str,
    *,
    token_names: Iterable[str] = (),
    file_names: Iterable[str] = (),
    **options: Unpack[Options],
) -> Iterator[Environment]:
    """Sets variables for this process and those that it starts, and restores them afterwards.

    GDAL_HTTP_AUTH=BEARER and GDAL_HTTP_BEARER are for GDAL, rasterio and what builds on them; GDAL sends the token to
    every host that is read from meanwhile, so read only from those that may have it. BEARER_TOKEN_FILE names a file
    with the token, as WLCG tools expect; BEARER_TOKEN, which they would prefer, is unset. TOKEN2GO_HEADER_FILE names
    one for curl. `token_names` are more variables for the token, `file_names` more for the file's path. The other
    options are those of `get`. The token is not renewed within the block.
    """
    token = obtain(_options.checked(server, **options))
    with contextlib.ExitStack() as stack:
        text = str(token)
        token_file = stack.enter_context(_file(f"{text}\n"))
        header_file = stack.enter_context(_file(f"Authorization: {token.authorization}\n"))
        values: dict[str, str | None] = {
            "BEARER_TOKEN": None,
            "BEARER_TOKEN_FILE": token_file,
            "GDAL_HTTP_AUTH": "BEARER",
            "GDAL_HTTP_BEARER": text,
            "TOKEN2GO_HEADER_FILE": header_file,
            **dict.fromkeys(token_names, text),
            **dict.fromkeys(file_names, token_file),
        }
        stack.callback(_restore, {name: os.environ.get(name) for name in values})
        _restore(values)
        del text, values  # reports of errors show what the functions on the way hold
        yield Environment(token, token_file, header_file)


def _restore(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def _file(text: str) -> Iterator[str]:
    """A file for this user alone. On Linux it is in memory, and gone with the process however that ends."""
    if sys.platform == "linux":
        fd = os.memfd_create("token2go")
        try:
            os.fchmod(fd, 0o600)
            os.write(fd, text.encode())
            del text
            yield f"/proc/{os.getpid()}/fd/{fd}"
        finally:
            os.close(fd)
        return
    with tempfile.TemporaryDirectory(prefix="token2go-") as folder:  # of mode 0700
        path = os.path.join(folder, secrets.token_hex(4))
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        del text
        yield path
