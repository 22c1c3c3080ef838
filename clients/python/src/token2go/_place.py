"""Where this program runs: whether a browser of this machine can be meant, and how one is opened."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

# Variables that only a machine which is not in front of the person has, and what they tell.
_REMOTE = {
    "JUPYTERHUB_SERVICE_PREFIX": "JupyterHub",
    "BINDER_SERVICE_HOST": "Binder",
    "COLAB_RELEASE_TAG": "Colab",
    "CODE_SERVER_SESSION_SOCKET": "code-server",
    "VSCODE_PROXY_URI": "code-server",
    "CODESPACES": "Codespaces",
    "SSH_CONNECTION": "SSH",
    "SSH_TTY": "SSH",
    "KUBERNETES_SERVICE_HOST": "Kubernetes",
    "container": "a container",
}


def remote(environ: Mapping[str, str] | None = None) -> str:
    """Why no browser of this machine can be meant, in a word or two; empty where one can."""
    environ = os.environ if environ is None else environ
    for name, why in _REMOTE.items():
        if environ.get(name):
            return why
    return "a container" if _container() else ""


def _container() -> bool:
    """Whether Docker or Podman left its mark."""
    return os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv")


def has_browser() -> bool:
    """Whether there is a browser to open: a display, or a program that the person has named."""
    if os.environ.get("BROWSER") or sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or _wsl())


def open_browser(url: str, warn: Callable[[str], None]) -> None:
    """Opens an address in the person's browser. It does not wait; what goes wrong becomes a warning."""
    if sys.platform == "win32":
        os.startfile(url)  # noqa: S606 - the address is our own
        return
    command = _command(url)
    if not command:
        warn("no browser found; open the address above")
        return
    threading.Thread(target=_run, args=(command, warn), daemon=True, name="token2go-browser").start()


def open_with(opener: Callable[[str], object], url: str, warn: Callable[[str], None]) -> None:
    """Opens an address by a function of the caller's, which may take its time and is not waited for."""

    def run() -> None:
        try:
            opener(url)
        except Exception as error:
            warn(f"the browser did not open ({type(error).__name__}: {error}); open the address above")

    threading.Thread(target=run, daemon=True, name="token2go-browser").start()


def _run(command: list[str], warn: Callable[[str], None]) -> None:
    try:
        # Whatever a browser prints, it is not the token.
        null = subprocess.DEVNULL
        program = subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)
        code = program.wait()
    except OSError as error:
        warn(f"the browser did not open ({error.strerror}); open the address above")
        return
    if code:
        warn(f"the browser did not open ({command[0]} ended with {code}); open the address above")


def _command(url: str) -> list[str]:
    for entry in os.environ.get("BROWSER", "").split(os.pathsep):
        try:
            words = shlex.split(entry)
        except ValueError:
            continue
        if words and shutil.which(words[0]):
            return [w.replace("%s", url) for w in words] if "%s" in entry else [*words, url]
    if sys.platform == "darwin":
        return ["open", url]
    if _wsl():
        script = "Start-Process '{}'".format(url.replace("'", "%27"))  # the server's path may hold one
        return ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script]
    for words in (["xdg-open"], ["gio", "open"], ["sensible-browser"], ["x-www-browser"]):
        if shutil.which(words[0]):
            return [*words, url]
    return []


def _wsl() -> bool:
    """Whether this is Linux inside Windows, whose browser is the one that is meant."""
    return bool(os.environ.get("WSL_DISTRO_NAME")) and shutil.which("powershell.exe") is not None


def proxy(environ: Mapping[str, str] | None = None) -> str:
    """The address behind which jupyter-server-proxy passes PORT/… on to this machine; empty where there is none.

    The operator sets TOKEN2GO_PROXY_URL: to the origin of the hub, to which the person's prefix is added,
    or to a whole address.
    """
    environ = os.environ if environ is None else environ
    told = environ.get("TOKEN2GO_PROXY_URL", "").rstrip("/")
    if not told.startswith("https://"):
        return ""
    if urlsplit(told).path:
        return told + "/"
    prefix = environ.get("JUPYTERHUB_SERVICE_PREFIX", "/").strip("/")
    return f"{told}/{prefix}/proxy/" if prefix else f"{told}/proxy/"
