"""Where the person's browser is, and how it is opened. openapi/vectors/README.md has the rules."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

# On these computers the editor or desktop is a web page.
_ELSEWHERE = (
    *("CODESPACES", "VSCODE_PROXY_URI", "CODE_SERVER_SESSION_SOCKET", "GITPOD_WORKSPACE_ID"),
    *("JUPYTERHUB_SERVICE_PREFIX", "BINDER_SERVICE_HOST", "COLAB_RELEASE_TAG"),
)
_SSH = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
_TUNNELS = ("/.vscode/cli/", "/.vscode-cli/")


class Location(NamedTuple):
    """Where the person's browser is."""

    here: bool
    """Whether it reaches 127.0.0.1 of this computer."""
    opens: list[str] | Literal["system"] | None
    """A command in which {url} is replaced by the address, the platform's usual way, or nothing."""


def locate(
    environ: Mapping[str, str] | None = None,
    platform: str = sys.platform,
    find: Callable[[str], object] = shutil.which,
    wsl: bool | None = None,
    named: str = "",
) -> Location:
    """Says where the person's browser is. `named` is a command that counts in place of BROWSER."""
    environ = os.environ if environ is None else environ
    chosen = command(named, platform, find) if named else _browser_command(environ.get("BROWSER", ""), platform, find)
    words = chosen if isinstance(chosen, list) else None
    if any(environ.get(name) for name in _ELSEWHERE) or (words and any(part in words[0] for part in _TUNNELS)):
        return Location(False, words)
    if words:
        return Location(True, words)
    if any(environ.get(name) for name in _SSH):
        return Location(False, None)
    wsl = _wsl(environ) if wsl is None else wsl
    if platform in ("darwin", "win32") or wsl or environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        return Location(True, None if chosen == "none" else "system")
    return Location(False, None)


def is_elsewhere() -> bool:
    """Whether the browser is known to be on another computer, rather than not known to be on this one."""
    return any(os.environ.get(name) for name in (*_ELSEWHERE, *_SSH, "KUBERNETES_SERVICE_HOST", "container")) or any(
        os.path.exists(mark) for mark in _CONTAINER_MARKS
    )


def _browser_command(variable: str, platform: str, find: Callable[[str], object]) -> list[str] | Literal["none"] | None:
    """The first alternative of BROWSER whose program is found, "none", or None."""
    for entry in _alternatives(variable, platform):
        if entry.strip() == "none":
            return "none"
        found = command(entry, platform, find)
        if found:
            return found
    return None


def command(text: str, platform: str = sys.platform, find: Callable[[str], object] = shutil.which) -> list[str] | None:
    """The words of a command, {url} among them; None where its program is not found or a quote does not end."""
    if text.strip() and find(text.strip()):
        return [text.strip(), "{url}"]
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    lexer.escape = "" if platform == "win32" else "\\"
    try:
        words = list(lexer)
    except ValueError:
        return None
    if words[-1:] == ["&"]:
        words.pop()
    if not words or not find(words[0]):
        return None
    placed = any("%s" in word for word in words)
    return [word.replace("%s", "{url}") for word in words] + ([] if placed else ["{url}"])


def _alternatives(variable: str, platform: str) -> Iterator[str]:
    """Splits BROWSER at separators outside of quotes."""
    separator, escape = (";", "") if platform == "win32" else (":", "\\")
    entry, quote, escaped = "", "", False
    for letter in variable:
        if letter == separator and not quote and not escaped:
            yield entry
            entry = ""
            continue
        entry += letter
        if escaped:
            escaped = False
        elif letter == escape and quote != "'":
            escaped = True
        elif letter in "\"'" and quote in ("", letter):
            quote = "" if quote else letter
    yield entry


def open_browser(url: str, warn: Callable[[str], None], named: str = "") -> None:
    """Opens an address in the person's browser, or by the command that is named, without waiting for it.

    A failure becomes a warning.
    """
    opens = locate(named=named).opens
    words: list[str]
    if isinstance(opens, list):
        words = [word.replace("{url}", url) for word in opens]
    elif sys.platform == "win32":
        os.startfile(url)  # noqa: S606 - the address is our own
        return
    else:
        words = _system_command(url)
    if not words:
        warn("no browser found; open the address above")
        return
    threading.Thread(target=_run, args=(words, warn), daemon=True, name="token2go-browser").start()


def open_with(opener: Callable[[str], object], url: str, warn: Callable[[str], None]) -> None:
    """Opens an address by a function of the caller's, which is not waited for."""

    def run() -> None:
        try:
            opener(url)
        except Exception as error:
            warn(f"the browser did not open ({type(error).__name__}: {error}); open the address above")

    threading.Thread(target=run, daemon=True, name="token2go-browser").start()


def _run(command: list[str], warn: Callable[[str], None]) -> None:
    try:
        null = subprocess.DEVNULL  # what a browser prints must not mix with the token
        program = subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)
        code = program.wait()
    except OSError as error:
        warn(f"the browser did not open ({error.strerror}); open the address above")
        return
    if code:
        warn(f"the browser did not open ({command[0]} ended with {code}); open the address above")


def _system_command(url: str) -> list[str]:
    if sys.platform == "darwin":
        return ["open", url]
    if _wsl(os.environ):
        script = "Start-Process '{}'".format(url.replace("'", "%27"))  # the server's path may hold one
        return ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script]
    for words in (["xdg-open"], ["gio", "open"], ["sensible-browser"], ["x-www-browser"]):
        if shutil.which(words[0]):
            return [*words, url]
    return []


def _wsl(environ: Mapping[str, str]) -> bool:
    """Whether this is Linux inside Windows, whose browser is the person's."""
    return bool(environ.get("WSL_DISTRO_NAME")) and shutil.which("powershell.exe") is not None


def proxy(environ: Mapping[str, str] | None = None) -> str:
    """The address behind which jupyter-server-proxy forwards PORT/… to this computer; empty where there is none.

    The operator sets TOKEN2GO_PROXY_URL: to the origin of the hub, to which the person's prefix is added,
    or to a whole address.
    """
    environ = os.environ if environ is None else environ
    base = environ.get("TOKEN2GO_PROXY_URL", "").rstrip("/")
    if not base.startswith("https://"):
        return ""
    if urlsplit(base).path:
        return base + "/"
    prefix = environ.get("JUPYTERHUB_SERVICE_PREFIX", "/").strip("/")
    return f"{base}/{prefix}/proxy/" if prefix else f"{base}/proxy/"
