"""The cache that every client of Token2go shares, and the lock that lets one of them ask.

One directory of mode 0700 holds for each server and profile a token (`NAME.json`), a lock (`NAME.lock`, empty and never
deleted) and why the last question gave no token (`NAME.outcome`). What another user could have written or read is not
used: CacheError says why, and how to fix it. What `chmod -R` opened to others is closed again.
"""

from __future__ import annotations

import contextlib
import errno
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

from token2go._errors import SHARED, CacheError, CancelledError, TimedOutError, Token2goError, printable
from token2go._token import Token, fingerprint, is_name, moment

_MAX_FILE = 2 << 20  # bytes of a file
_MAX_AGE = timedelta(hours=24)  # of a token, whatever it says of itself
_STALE = 60  # seconds after which a temporary file was left by a program that is gone
_PAUSE = 0.05  # seconds between two looks at the lock
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)
_ELSEWHERE = "set TOKEN2GO_CACHE_DIR to a directory that only you can enter"
_WINDOWS = sys.platform == "win32"


def directory(environ: Mapping[str, str] | None = None) -> Path:
    """Where the cache is; it need not exist yet. Raises CacheError where the environment names no absolute path."""
    environ = os.environ if environ is None else environ
    given = environ.get("TOKEN2GO_CACHE_DIR", "")
    if given:
        return _absolute("TOKEN2GO_CACHE_DIR", given)
    if _WINDOWS:
        local = environ.get("LOCALAPPDATA")
        return (Path(local) if local else _home(environ) / "AppData" / "Local") / "token2go" / "cache"
    if sys.platform == "darwin":
        return _home(environ) / "Library" / "Caches" / "token2go"
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and _ours(runtime):
        return Path(runtime) / "token2go"
    if sys.platform == "linux":
        # A kernel that a hub started lacks the variable.
        usual = f"/run/user/{os.getuid()}"
        if _ours(usual, mode=0o700):
            return Path(usual) / "token2go"
    cache = environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if os.path.isabs(cache) else _home(environ) / ".cache") / "token2go"


def _home(environ: Mapping[str, str]) -> Path:
    if _WINDOWS:
        return _absolute("USERPROFILE", os.path.expanduser("~"))
    return _absolute("HOME", environ.get("HOME", ""))


def _absolute(variable: str, path: str) -> Path:
    if not os.path.isabs(path):
        raise CacheError(f"{variable} is not an absolute path; {_ELSEWHERE}")
    return Path(path)


def name(server: str, profile: str = "") -> str:
    """What the names of the files of a server and a profile begin with; `server` in its one spelling."""
    whose = server + (f"\0{profile}" if profile else "")
    return hashlib.sha256(f"token2go cache\0{whose}".encode(errors="surrogatepass")).hexdigest()[:32]


class Cache:
    """The cache for one server, whose address is in its one spelling, and one of the person's profiles there."""

    def __init__(self, server: str, profile: str = "") -> None:
        self.server = server
        self.profile = profile
        self._directory = directory()
        self._name = name(server, profile)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self._directory.lstat()
            if _opened(found) and stat.S_ISDIR(found.st_mode):
                _close(self._directory, 0o700)
                found = self._directory.lstat()
        except OSError as error:
            raise self._unusable(self._directory, error) from None
        self._check(found, self._directory, stat.S_ISDIR, "directory")

    def token(
        self,
        min_ttl: float,
        lifetime: float,
        *,
        refused: str = "",
        fresh: bool = False,
        since: datetime | None = None,
        now: datetime | None = None,
    ) -> Token | None:
        """The token, if it is valid for long enough, its fingerprint is not `refused`, and `fresh` is not wanted.

        One that was obtained at `since` or later is what the gateway has: neither of these two counts then.
        """
        now = now or datetime.now(timezone.utc)
        document = self._read("json")
        if document is None or (document.get("server"), document.get("profile", "")) != (self.server, self.profile):
            return None
        token = _token_of(document)
        if token is None:
            return None
        if (fresh or token.fingerprint == refused) and (since is None or token.obtained_at < since):
            return None
        if token.obtained_at > now + timedelta(minutes=1) or now >= token.obtained_at + _MAX_AGE:
            return None  # in the first case the clock was set back, so its age is unknown
        return token if token.valid_for(min_ttl, lifetime=lifetime, now=now) else None

    def store(self, token: Token) -> None:
        """Keeps a token, in place of any other."""
        self._write("json", _document_of(self.server, self.profile, token))
        with contextlib.suppress(OSError):
            (self._directory / f"{self._name}.outcome").unlink(missing_ok=True)

    def outcome(self, since: datetime, now: datetime | None = None) -> Token2goError | None:
        """Why an ask that ended at `since` or later gave no token."""
        document = self._read_outcome()
        if document is None:
            return None
        at, kind = moment(document.get("at")), SHARED.get(str(document.get("error")))
        latest = (now or datetime.now(timezone.utc)) + timedelta(minutes=1)
        if at is None or kind is None or not since <= at <= latest:
            return None
        return kind(str(document.get("detail") or ""))

    def store_outcome(self, error: Token2goError, background: bool = False) -> None:
        """Shares why there is no token with those who wait for the lock.

        Counts the questions of programs in the background that were not answered.
        """
        at = _nanoseconds(datetime.now(timezone.utc))
        document: dict[str, object] = {"version": 1, "at": at, "error": error.code, "detail": error.detail}
        if isinstance(error, TimedOutError):
            unanswered = _unanswered(self._read_outcome()) + background
            document |= {"unanswered": unanswered} if unanswered else {}
        self._write("outcome", document)

    def pause(self, now: datetime | None = None) -> float:
        """For how many seconds a program in the background asks no question: the last were not answered."""
        document = self._read_outcome()
        unanswered, at = _unanswered(document), moment((document or {}).get("at"))
        now = now or datetime.now(timezone.utc)
        if not unanswered or at is None or at > now + timedelta(minutes=1):
            return 0
        pause = min(60 << (min(unanswered, 7) - 1), 3600)
        return max(0.0, pause - (now - at).total_seconds())

    def forget(self) -> bool:
        """Removes the token and reports whether there was one."""
        path = self._directory / f"{self._name}.json"
        removed = path.exists()
        try:
            path.unlink(missing_ok=True)
            path.with_suffix(".outcome").unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(path, error) from None
        return removed

    @contextlib.contextmanager
    def lock(
        self, timeout: float, waiting: Callable[[], None], called_off: Callable[[], bool] = lambda: False
    ) -> Iterator[str]:
        """Holds the lock, which the system releases however the process ends. Yields why it does not; empty if it does.

        `waiting` is called once if another program has it. Raises TimedOutError after `timeout` seconds, CancelledError
        when called off.
        """
        path = self._directory / f"{self._name}.lock"
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            unusable = self._unusable(path, error)
            if not path.is_symlink():
                raise unusable from None
            yield unusable.detail
            return
        try:
            if _opened(os.fstat(fd)):
                _close(fd, 0o600)
            fault = self._fault(os.fstat(fd), path, stat.S_ISREG, "file")
            if not fault and not self._await(fd, path, time.monotonic() + timeout, waiting, called_off):
                fault = f"{path}: the file system has no locks; set TOKEN2GO_CACHE_DIR to a directory on a local disk"
            self._sweep()
            yield fault
        finally:
            _unlock(fd)  # closing alone does not, where a process was forked meanwhile
            os.close(fd)

    def _await(
        self, fd: int, path: Path, until: float, waiting: Callable[[], None], called_off: Callable[[], bool]
    ) -> bool:
        """Reports whether there are locks."""
        said = False
        while not called_off():
            try:
                if _try_lock(fd):
                    return True
            except OSError as error:
                if error.errno in _NO_LOCKS:
                    return False
                raise self._unusable(path, error) from None
            if time.monotonic() >= until:
                raise TimedOutError("another program is still asking")
            if not said:
                said = True
                waiting()
            time.sleep(_PAUSE)
        raise CancelledError

    def _sweep(self) -> None:
        for path in self._directory.glob(f"{self._name}.*.tmp"):
            with contextlib.suppress(OSError):
                if path.lstat().st_mtime < time.time() - _STALE:
                    path.unlink()

    def _read_outcome(self) -> dict[str, object] | None:
        """What others could have written says nothing."""
        try:
            return self._read("outcome")
        except CacheError:
            return None

    def _read(self, kind: str) -> dict[str, object] | None:
        path = self._directory / f"{self._name}.{kind}"
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            fd = os.open(path, flags)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(path, error) from None
        try:
            self._check(os.fstat(fd), path, stat.S_ISREG, "file")
            with open(fd, "rb", closefd=False) as file:
                content = file.read(_MAX_FILE)
        finally:
            os.close(fd)
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) and document.get("version") == 1 else None

    def _write(self, kind: str, document: Mapping[str, object]) -> None:
        path = self._directory / f"{self._name}.{kind}"
        new = self._directory / f"{self._name}.{secrets.token_hex(8)}.tmp"
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
            return CacheError(f"{path} is a link; {_ELSEWHERE}")
        return CacheError(f"{path}: {error.strerror}; {_ELSEWHERE}")

    def _check(self, found: os.stat_result, path: Path, right: Callable[[int], bool], what: str) -> None:
        fault = self._fault(found, path, right, what)
        if fault:
            raise CacheError(fault)

    @staticmethod
    def _fault(found: os.stat_result, path: Path, right: Callable[[int], bool], what: str) -> str:
        """Why others may have written or read a file. On Windows the user profile's own rules prevent that."""
        if stat.S_ISLNK(found.st_mode):
            return f"{path} is a link; {_ELSEWHERE}"
        if not right(found.st_mode):
            return f"{path} is not a {what}; {_ELSEWHERE}"
        if not _WINDOWS and found.st_uid != os.getuid():
            return f"{path} belongs to another user; {_ELSEWHERE}"
        if _opened(found):
            return f"{path} is open to others; {_ELSEWHERE}"
        return ""


def _opened(found: os.stat_result) -> bool:
    return not _WINDOWS and bool(found.st_mode & 0o077)


def _close(path: Path | int, mode: int) -> None:
    """Takes from others what a mode gives them, where that is possible."""
    with contextlib.suppress(OSError):
        if isinstance(path, int):
            os.fchmod(path, mode)
            return
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        try:
            os.fchmod(fd, mode)
        finally:
            os.close(fd)


def _unanswered(document: Mapping[str, object] | None) -> int:
    count = document.get("unanswered") if document and document.get("error") == TimedOutError.code else 0
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0


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


def _document_of(server: str, profile: str, token: Token) -> dict[str, object]:
    document: dict[str, object] = {
        "version": 1,
        "server": server,
        **({"profile": profile} if profile else {}),
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

    def _unlock(_: int) -> None:
        """Windows has no fork."""

    def _try_lock(fd: int) -> bool:
        os.lseek(fd, 0, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _unlock(fd: int) -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)

    def _try_lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
