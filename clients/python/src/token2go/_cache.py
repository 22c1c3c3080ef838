"""The cache that every client of Token2go shares, and the lock that lets one of them ask.

One folder of mode 0700 holds for each server a token (`NAME.json`), a lock (`NAME.lock`, empty and never deleted) and
why the last ask gave no token (`NAME.outcome`). What another user could have written or read is refused, not mended.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

from token2go._errors import SHARED, CacheError, TimedOut, Token2goError, printable
from token2go._token import Token, fingerprint, is_name, moment

_MOST = 2 << 20  # bytes of a file
_STALE = 60  # seconds after which a temporary file was left by a program that is gone
_PAUSE = 0.05  # seconds between two looks at the lock
_WINDOWS = sys.platform == "win32"


def folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where the cache is; it need not be there yet."""
    environ = os.environ if environ is None else environ
    told = environ.get("TOKEN2GO_CACHE_DIR", "")
    if told:
        if not os.path.isabs(told):
            raise CacheError("TOKEN2GO_CACHE_DIR is not an absolute path")
        return Path(told)
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    if _WINDOWS:
        local = environ.get("LOCALAPPDATA")
        return (Path(local) if local else home / "AppData" / "Local") / "token2go" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "token2go"
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and _ours(runtime):
        return Path(runtime) / "token2go"
    if sys.platform == "linux":
        # A kernel that a hub started lacks the variable.
        usual = f"/run/user/{os.getuid()}"
        if _ours(usual, mode=0o700):
            return Path(usual) / "token2go"
    cache = environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if os.path.isabs(cache) else home / ".cache") / "token2go"


def name(server: str) -> str:
    """What the files of a server are called; `server` in its one spelling."""
    return hashlib.sha256(b"token2go cache\0" + server.encode()).hexdigest()[:32]


class Cache:
    """The cache for one server, whose address is in its one spelling."""

    def __init__(self, server: str, where: Path | None = None) -> None:
        self.server = server
        self._folder = where or folder()
        self._name = name(server)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CacheError(f"{self._folder}: {error.strerror}; make it, or set TOKEN2GO_CACHE_DIR") from None
        self._check(self._folder.lstat(), self._folder, stat.S_ISDIR, "folder", 0o700)

    def token(
        self,
        min_ttl: float,
        lifetime: float,
        *,
        besides: str = "",
        asked: datetime | None = None,
        now: datetime | None = None,
    ) -> Token | None:
        """The token, if it is there and good for long enough, and its fingerprint is not `besides`.

        One that was obtained at `asked` or later is what the gateway has, `besides` or not.
        """
        now = now or datetime.now(timezone.utc)
        document = self._read("json")
        if document is None or document.get("server") != self.server:
            return None
        token = _token_of(document)
        if token is None:
            return None
        if token.fingerprint == besides and (asked is None or token.obtained_at < asked):
            return None
        if token.obtained_at > now + timedelta(minutes=1):
            return None  # the clock was set back, so nothing is known of its age
        return token if token.valid_for(min_ttl, lifetime=lifetime, now=now) else None

    def store(self, token: Token) -> None:
        """Keeps a token, in place of any other."""
        self._write("json", _document_of(self.server, token))

    def outcome(self, since: datetime, now: datetime | None = None) -> Token2goError | None:
        """Why an ask that ended at `since` or later gave no token."""
        document = self._read("outcome")
        if document is None:
            return None
        at, kind = moment(document.get("at")), SHARED.get(str(document.get("error")))
        latest = (now or datetime.now(timezone.utc)) + timedelta(minutes=1)
        if at is None or kind is None or not since <= at <= latest:
            return None
        return kind(str(document.get("detail") or ""))

    def store_outcome(self, error: Token2goError) -> None:
        """Shares why there is no token with those who wait for the lock."""
        at = datetime.now(timezone.utc)
        document = {"version": 1, "at": _nanoseconds(at), "error": error.code, "detail": error.detail}
        self._write("outcome", document)

    def forget(self) -> bool:
        """Removes the token, and says whether there was one."""
        (self._folder / f"{self._name}.outcome").unlink(missing_ok=True)
        path = self._folder / f"{self._name}.json"
        was = path.exists()
        path.unlink(missing_ok=True)
        return was

    @contextlib.contextmanager
    def lock(
        self, timeout: float, waiting: Callable[[], None], called_off: Callable[[], bool] = lambda: False
    ) -> Iterator[bool]:
        """Holds the lock, and yields whether it was had; it is not only when the wait was called off.

        The system takes it from a process that ends, however that ends. `waiting` is called once if
        somebody else has it. Raises TimedOut after `timeout` seconds.
        """
        path = self._folder / f"{self._name}.lock"
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            raise self._unusable(path, error) from None
        try:
            self._check(os.fstat(fd), path, stat.S_ISREG, "file", 0o600)
            held = self._await(fd, path, time.monotonic() + timeout, waiting, called_off)
            if held:
                self._sweep()
            yield held
        finally:
            os.close(fd)  # which unlocks it

    def _await(
        self, fd: int, path: Path, until: float, waiting: Callable[[], None], called_off: Callable[[], bool]
    ) -> bool:
        told = False
        while not called_off():
            try:
                if _try_lock(fd):
                    return True
            except OSError as error:
                raise self._unusable(path, error) from None
            if time.monotonic() >= until:
                raise TimedOut("another program is still asking")
            if not told:
                told = True
                waiting()
            time.sleep(_PAUSE)
        return False

    def _sweep(self) -> None:
        for path in self._folder.glob(f"{self._name}.*.tmp"):
            with contextlib.suppress(OSError):
                if path.lstat().st_mtime < time.time() - _STALE:
                    path.unlink()

    def _read(self, kind: str) -> dict[str, object] | None:
        path = self._folder / f"{self._name}.{kind}"
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            fd = os.open(path, flags)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(path, error) from None
        try:
            self._check(os.fstat(fd), path, stat.S_ISREG, "file", 0o600)
            with open(fd, "rb", closefd=False) as file:
                content = file.read(_MOST)
        finally:
            os.close(fd)
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) and document.get("version") == 1 else None

    def _write(self, kind: str, document: Mapping[str, object]) -> None:
        path = self._folder / f"{self._name}.{kind}"
        new = self._folder / f"{self._name}.{secrets.token_hex(8)}.tmp"
        try:
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with open(fd, "w", encoding="utf-8") as file:
                    json.dump(document, file, ensure_ascii=False)
                os.replace(new, path)
            except BaseException:
                new.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._unusable(path, error) from None

    @staticmethod
    def _unusable(path: Path, error: OSError) -> CacheError:
        if path.is_symlink():
            return CacheError(f"{path} is a link; remove it: rm '{path}'")
        return CacheError(
            f"{path}: {error.strerror}; set TOKEN2GO_CACHE_DIR to a folder of yours, or ask without cache"
        )

    @staticmethod
    def _check(found: os.stat_result, path: Path, right: Callable[[int], bool], what: str, mode: int) -> None:
        """Refuses what others may have written or read. On Windows the profile's own rules see to that."""
        if stat.S_ISLNK(found.st_mode):
            raise CacheError(f"{path} is a link; remove it: rm '{path}'")
        if not right(found.st_mode):
            raise CacheError(f"{path} is not a {what}; move it away")
        if _WINDOWS:
            return
        if found.st_uid != os.getuid():
            raise CacheError(f"{path} belongs to another user; set TOKEN2GO_CACHE_DIR to a folder of yours")
        if found.st_mode & 0o077:
            raise CacheError(f"{path} is open to others; look who wrote there, then: chmod {mode:o} '{path}'")


def _token_of(document: Mapping[str, object]) -> Token | None:
    text, kind, obtained = document.get("token"), document.get("tokenType"), moment(document.get("obtained"))
    header, issuer = document.get("header"), document.get("issuer")
    expires = moment(document.get("expires"))
    if not isinstance(text, str) or not isinstance(kind, str) or not is_name(kind) or obtained is None:
        return None
    if document.get("expires") is not None and expires is None:
        return None
    try:
        token = Token(
            text,
            expires_at=expires,
            token_type=kind,
            header=header if isinstance(header, str) and is_name(header) else "",
            issuer=issuer if isinstance(issuer, str) and issuer == printable(issuer) else "",
            obtained_at=obtained,
        )
    except ValueError:
        return None
    return token if document.get("fingerprint") == fingerprint(text) else None


def _document_of(server: str, token: Token) -> dict[str, object]:
    document: dict[str, object] = {
        "version": 1,
        "server": server,
        "token": str(token),
        "tokenType": token.token_type,
        "obtained": _nanoseconds(token.obtained_at),
        "fingerprint": token.fingerprint,
    }
    if token.expires_at:
        document["expires"] = _nanoseconds(token.expires_at)
    if token.header:
        document["header"] = token.header
    if token.issuer:
        document["issuer"] = token.issuer
    return document


def _nanoseconds(at: datetime) -> str:
    return f"{at.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%S.%f}000Z"


def _ours(path: str, mode: int | None = None) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    fits = mode is None or stat.S_IMODE(found.st_mode) == mode
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and fits


if sys.platform == "win32":
    import msvcrt

    def _try_lock(fd: int) -> bool:
        os.lseek(fd, 0, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
