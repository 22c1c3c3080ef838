"""The cache and the lock, which every client of Token2go shares."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import token2go
from conftest import SOON, VECTORS, Asking, Demo, Person, until
from token2go import _cache, _console
from token2go._cache import Cache
from token2go._errors import SHARED
from token2go._server import parse
from token2go._token import moment

_VECTORS: dict[str, Any] = json.loads((VECTORS / "cache.json").read_text("utf-8"))
SERVER = "https://t2g.example.org/"
assert _VECTORS["names"]
assert _VECTORS["entries"]
assert _VECTORS["outcomes"]


def put(folder: Path, kind: str, text: str, server: str = SERVER) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{_cache.name(server)}.{kind}"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


@pytest.mark.parametrize("vector", _VECTORS["names"], ids=lambda v: v["server"])
def test_cache_name_is_the_same_for_every_spelling(vector: dict[str, str]) -> None:
    assert parse(vector["server"]) == vector["canonical"]
    assert _cache.name(vector["canonical"], vector.get("profile", "")) == vector["name"]


@pytest.mark.parametrize("vector", _VECTORS["entries"], ids=lambda v: v["name"])
def test_cache_token_follows_the_shared_cases(vector: dict[str, Any], surroundings: Path) -> None:
    server = _VECTORS["server"]
    put(surroundings, "json", vector["text"], server)
    token = Cache(server).token(vector["minTTL"], vector["lifetime"], now=moment(vector["now"]))
    assert (str(token) if token else None) == (_VECTORS["token"] if vector["good"] else None)


@pytest.mark.parametrize("vector", _VECTORS["outcomes"], ids=lambda v: v["name"])
def test_outcome_shares_what_another_client_got(vector: dict[str, Any], surroundings: Path) -> None:
    put(surroundings, "outcome", vector["text"])
    asked = moment(vector["asked"])
    assert asked
    shared = Cache(SERVER).outcome(asked, now=asked + timedelta(seconds=2))
    assert (shared.code if shared else None) == vector["shared"]
    if shared and "detail" in vector["text"]:
        assert "the person said no" in str(shared)


@pytest.mark.parametrize("vector", _VECTORS["unanswered"], ids=lambda v: v["name"])
def test_pause_follows_the_shared_cases(vector: dict[str, Any], surroundings: Path) -> None:
    if vector["text"]:
        put(surroundings, "outcome", vector["text"])
    now, until_ = moment(vector["now"]), moment(vector["until"])
    assert now
    assert Cache(SERVER).pause(now) == ((until_ - now).total_seconds() if until_ else 0)


def test_auth_shares_its_pause_and_ends_it_with_a_token(demo: Demo, person: Person) -> None:
    def auth() -> token2go.Auth:
        return token2go.Auth(
            demo.front, hosts=["api.example.org"], timeout=0.3, check=False, browser=False, show=lambda _: None
        )

    cache = Cache(parse(demo.front))
    with pytest.raises(token2go.TimedOutError):
        auth()._get("")
    assert 50 < cache.pause() <= 60
    with pytest.raises(token2go.TimedOutError, match="the next is possible in"):
        auth()._get("")
    with pytest.raises(token2go.TimedOutError):  # a call of the person's own does not wait, and does not count
        token2go.get(demo.front, timeout=0.3, check=False, browser=False, show=lambda _: None)
    assert 50 < cache.pause() <= 60
    token = token2go.get(demo.front, browser=person.open, show=lambda _: None)
    assert cache.pause() == 0
    assert auth()._get("") == token


def test_cache_reads_what_it_stored(surroundings: Path) -> None:
    cache = Cache(SERVER)
    now = datetime.now(timezone.utc)
    token = token2go.Token(
        "tøken-of-the.tests",
        expires_at=now + timedelta(hours=1),
        header="X-Forwarded-Access-Token",
        issuer="https://t2g.example.org",
        token_type="DPoP",
    )
    cache.store(token)
    read = cache.token(60, 300)
    assert read is not None
    for name in ("fingerprint", "expires_at", "header", "issuer", "token_type", "obtained_at"):
        assert getattr(read, name) == getattr(token, name)
    assert cache.token(60, 300, refused=token.fingerprint) is None
    document = json.loads((surroundings / f"{_cache.name(SERVER)}.json").read_text("utf-8"))
    assert document["version"] == 1
    assert document["server"] == SERVER
    assert document["token"] == str(token)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", document["obtained"])
    for path in surroundings.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert surroundings.stat().st_mode & 0o777 == 0o700
    assert cache.token(60, 300).token_type == "DPoP"  # type: ignore[union-attr]


def test_cache_shares_a_refused_token_that_was_asked_for_since() -> None:
    """Or each of them would open a tab for the same."""
    cache = Cache(SERVER)
    began = datetime.now(timezone.utc)
    token = token2go.Token("a", expires_at=began + timedelta(hours=1))
    cache.store(token)
    refused = token.fingerprint
    assert cache.token(60, 300, refused=refused) is None
    assert cache.token(60, 300, refused=refused, since=token.obtained_at + timedelta(seconds=1)) is None
    assert cache.token(60, 300, refused=refused, since=began) == token


@pytest.mark.parametrize("kind", SHARED.values(), ids=lambda k: k.code)
def test_outcome_is_shared_only_with_those_who_waited(kind: type[token2go.Token2goError]) -> None:
    cache = Cache(SERVER)
    before = datetime.now(timezone.utc)
    cache.store_outcome(kind("because so"))
    shared = cache.outcome(before)
    assert type(shared) is kind
    assert str(shared) == str(kind("because so"))
    assert cache.outcome(datetime.now(timezone.utc) + timedelta(milliseconds=1)) is None


def test_outcome_ignores_the_future(surroundings: Path) -> None:
    at = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    put(surroundings, "outcome", f'{{"version":1,"at":"{at}","error":"denied"}}')
    assert Cache(SERVER).outcome(datetime.now(timezone.utc)) is None


def test_cache_rejects_what_others_could_have_written(surroundings: Path, tmp_path: Path) -> None:
    token = token2go.Token("a", expires_at=datetime.now(timezone.utc) + timedelta(hours=1))
    cache = Cache(SERVER)
    cache.store(token)
    path = surroundings / f"{_cache.name(SERVER)}.json"
    path.chmod(0o640)
    with pytest.raises(token2go.CacheError, match="is open to others"):
        cache.token(0, 300)
    path.rename(surroundings / "elsewhere")
    path.symlink_to(surroundings / "elsewhere")
    with pytest.raises(token2go.CacheError, match="is a link"):
        cache.token(0, 300)
    path.unlink()
    path.mkdir()
    with pytest.raises(token2go.CacheError):
        cache.token(0, 300)
    (surroundings / f"{_cache.name(SERVER)}.lock").symlink_to(tmp_path / "elsewhere")
    with cache.lock(1, lambda: None) as fault:
        assert "is a link" in fault
    assert not (tmp_path / "elsewhere").exists()


def test_cache_rejects_a_directory_that_is_a_link(surroundings: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    surroundings.symlink_to(tmp_path / "real")
    with pytest.raises(token2go.CacheError, match="is a link"):
        Cache(SERVER)


def _unusable_directory(what: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if what == "link":
        path.symlink_to("/nowhere")
    elif what == "file":
        path.touch()
    else:
        path.mkdir(mode=0o700)
    if what == "modes":  # of a file system that does not change them
        path.chmod(0o770)
        monkeypatch.setattr("token2go._cache.os.fchmod", lambda *_: None)
    if what in ("read-only", "full"):
        code = errno.EROFS if what == "read-only" else errno.ENOSPC
        genuine = os.open

        def fail(file: Any, flags: int, *more: Any, **named: Any) -> int:
            if flags & os.O_CREAT:
                raise OSError(code, os.strerror(code))
            return genuine(file, flags, *more, **named)

        monkeypatch.setattr("token2go._cache.os.open", fail)


@pytest.mark.parametrize("what", ["modes", "link", "file", "read-only", "full"])
def test_get_asks_and_warns_once_where_nothing_can_be_kept(
    what: str, demo: Demo, surroundings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _unusable_directory(what, surroundings, monkeypatch)
    browser = Person().sign_in(demo)
    for _ in range(2):
        assert token2go.get(demo.front, browser=browser.open, show=lambda _: None)
    printed = capsys.readouterr().err
    assert printed.count("no token is kept") == 1
    assert printed.count("\n") == 1
    assert "TOKEN2GO_CACHE_DIR" in printed


@pytest.mark.parametrize("what", ["directory", "file", "lock"])
def test_get_closes_what_chmod_opened(
    what: str, demo: Demo, person: Person, surroundings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `chmod -R g+rwX ~` does, and Kubernetes with an fsGroup. A file that was open to others is not used."""
    token2go.get(demo.front, browser=person.open, show=lambda _: None)
    capsys.readouterr()
    name = _cache.name(parse(demo.front))
    path, mode = {
        "directory": (surroundings, 0o770),
        "file": (surroundings / f"{name}.json", 0o660),
        "lock": (surroundings / f"{name}.lock", 0o660),
    }[what]
    path.chmod(mode)
    asked: list[token2go.Prompt] = []
    for _ in range(2):
        assert token2go.get(demo.front, fresh=what == "lock", browser=person.open, show=asked.append)
    assert len(asked) == {"directory": 0, "file": 1, "lock": 2}[what]
    assert path.stat().st_mode & 0o777 == mode & 0o700
    assert capsys.readouterr().err.count("the token in the cache is not used") == (what == "file")


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_cache_without_locks_works_and_warns_once(
    code: int, demo: Demo, person: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_console, "_said", set())

    def flock(*_: object) -> None:
        raise OSError(code, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    token = token2go.get(demo.front, browser=person.open, show=lambda _: None)
    assert token2go.get(demo.front, show=lambda _: pytest.fail("asked again")) == token
    token2go.get(demo.front, browser=person.open, show=lambda _: None, fresh=True)
    printed = capsys.readouterr().err
    assert printed.count("other programs may ask for the same token meanwhile") == 1
    assert printed.count("set TOKEN2GO_CACHE_DIR to a directory on a local disk") == 1


@pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "."}, {"HOME": "~"}])
def test_get_without_home_writes_no_file(
    home: dict[str, str], demo: Demo, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "TOKEN2GO_CACHE_DIR"):
        monkeypatch.delenv(name)
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(_cache, "_ours", lambda *_, **__: False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert token2go.get(demo.front, browser=person.open, show=lambda _: None)
    assert list((tmp_path / "work").iterdir()) == []


def test_get_fresh_replaces_the_kept_token(demo: Demo, person: Person) -> None:
    asked: list[str] = []

    def browser(address: str) -> None:
        asked.append(address)
        person.open(address)

    def ask(**options: Any) -> token2go.Token:
        return token2go.get(demo.front, browser=browser, show=lambda _: None, **options)

    first = ask()
    second = ask(fresh=True)
    assert len(asked) == 2
    assert second.obtained_at > first.obtained_at
    assert ask().obtained_at == second.obtained_at
    assert len(asked) == 2


def test_get_keeps_profiles_apart(demo: Demo, person: Person, surroundings: Path) -> None:
    for profile in ("", "work"):
        token2go.get(demo.front, profile=profile, browser=person.open, show=lambda _: None)
    documents = [json.loads(path.read_text()) for path in surroundings.glob("*.json")]
    assert sorted(document.get("profile", "") for document in documents) == ["", "work"]
    assert token2go.logout(demo.front, profile="work")
    assert token2go.logout(demo.front)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_cache_rejects_the_directory_of_another_user(surroundings: Path) -> None:
    surroundings.mkdir(mode=0o700)
    os.chown(surroundings, 65534, -1)
    with pytest.raises(token2go.CacheError, match="belongs to another user"):
        Cache(SERVER)


def test_cache_directory_is_that_of_the_other_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = {"HOME": "/home/x"}
    monkeypatch.setattr(_cache, "_ours", lambda path, mode=None: path == str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert _cache.directory({**home, "TOKEN2GO_CACHE_DIR": "/a/b"}) == Path("/a/b")
    with pytest.raises(token2go.CacheError, match="absolute"):
        _cache.directory({"TOKEN2GO_CACHE_DIR": "a/b"})
    assert _cache.directory({**home, "XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "token2go"
    assert _cache.directory({**home, "XDG_RUNTIME_DIR": "/not/ours"}) == Path("/home/x/.cache/token2go")
    assert _cache.directory({**home, "XDG_CACHE_HOME": "/c"}) == Path("/c/token2go")
    assert _cache.directory({**home, "XDG_CACHE_HOME": "c"}) == Path("/home/x/.cache/token2go")
    monkeypatch.setattr(_cache, "_ours", lambda path, mode=None: path.startswith("/run/user/") and mode == 0o700)
    assert _cache.directory(home) == Path(f"/run/user/{os.getuid()}/token2go")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert _cache.directory(home) == Path("/home/x/Library/Caches/token2go")


def test_lock_removes_stale_temporary_files(surroundings: Path) -> None:
    name = _cache.name(SERVER)
    old, young = put(surroundings, "old.tmp", "x"), put(surroundings, "young.tmp", "x")
    other = put(surroundings, "other.tmp", "x", "https://other.example/")
    for path in (old, other):
        os.utime(path, (time.time() - 120,) * 2)
    with Cache(SERVER).lock(1, lambda: None):
        pass
    assert sorted(path.name for path in surroundings.iterdir()) == sorted([young.name, other.name, f"{name}.lock"])


def test_lock_is_flock(surroundings: Path) -> None:
    surroundings.mkdir(mode=0o700)
    path = put(surroundings, "lock", "")
    called: list[bool] = []
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(token2go.TimedOutError, match="another program is still asking"):  # noqa: SIM117
            with Cache(SERVER).lock(0.2, lambda: called.append(True)):
                pass
        assert called == [True]
    with Cache(SERVER).lock(0.2, lambda: called.append(True)), open(path) as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert called == [True]
    assert path.read_bytes() == b""


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_lock_is_not_held_by_a_forked_process() -> None:
    with Cache(SERVER).lock(1, lambda: None):
        child = os.fork()
        if child == 0:
            signal.pause()
    try:
        with Cache(SERVER).lock(1, lambda: pytest.fail("the lock is held")):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


_PROGRAM = """
import sys, token2go
opened = open(sys.argv[2], "a")
try:
    token = token2go.get(sys.argv[1], browser=lambda url: print(url, file=opened, flush=True))
except token2go.Token2goError as error:
    sys.exit(type(error).__name__)
print(token.fingerprint)
"""


def start_programs(demo: Demo, opened: Path) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _PROGRAM, demo.front, str(opened)]
    pipe = subprocess.PIPE
    return [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) for _ in range(20)]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.slow
@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_twenty_programs_open_one_tab(demo: Demo, person: Person, tmp_path: Path, decision: str) -> None:
    opened = tmp_path / "opened"
    programs = start_programs(demo, opened)
    until("one of them asks", lambda: len(lines(opened)) == 1)
    time.sleep(3)  # until the others have come
    question = person.open(lines(opened)[0], Sec_Fetch_Site="cross-site")
    person.decide(question, decision)
    ends = [program.communicate(timeout=SOON) for program in programs]
    assert len(lines(opened)) == 1
    if decision == "allow":
        assert len({out for out, _ in ends}) == 1
        assert all(len(out.strip()) == 64 for out, _ in ends)
    else:
        assert all(err.strip().endswith("DeniedError") and not out for out, err in ends)
    waiting = [err for _, err in ends if "another program is asking" in err]
    assert len(waiting) == 19
    assert all(err.count("another program is asking") == 1 for err in waiting)


def test_get_asks_when_the_program_before_it_is_killed(demo: Demo, person: Person, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    command = [sys.executable, "-c", _PROGRAM, demo.front, str(opened)]
    first = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until("it asks", lambda: len(lines(opened)) == 1)
    second = Asking(token2go.get, demo.front)
    time.sleep(0.3)
    assert second.asked == 0
    first.kill()
    first.wait(SOON)
    person.open(second.prompt.url)
    assert second.result()


def test_get_shares_a_question_among_threads(demo: Demo, person: Person) -> None:
    first, second = Asking(token2go.get, demo.front), None
    assert first.prompt
    second = Asking(token2go.get, demo.front)
    time.sleep(0.3)
    person.open(first.prompt.url)
    assert str(first.result()) == str(second.result())
    assert second.asked == 0


def open_page(person: Person, address: str) -> None:
    """Opens an address whose program may be gone by then."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        person.open(address)


@pytest.mark.slow
def test_killed_program_leaves_only_the_cache_and_no_lock(
    demo: Demo, person: Person, tmp_path: Path, surroundings: Path
) -> None:
    """Kills a program at many moments of its life, and looks what is there."""
    opened = tmp_path / "opened"
    command = [sys.executable, "-c", _PROGRAM, demo.front, str(opened)]
    seen: set[str] = set()
    for round_ in range(14):
        token2go.logout(demo.front)
        opened.unlink(missing_ok=True)
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE)
        until("it asks or has ended", lambda: bool(lines(opened)) or program.poll() is not None)  # noqa: B023
        if round_ >= 4:
            address = lines(opened)[0]
            threading.Thread(target=open_page, args=(person, address), daemon=True).start()
            time.sleep((round_ - 4) * 0.012)
        program.kill()
        program.communicate(timeout=SOON)
        for path in surroundings.rglob("*"):
            assert path.suffix in (".json", ".lock", ".tmp"), path
            if path.suffix == ".lock":
                assert path.read_bytes() == b""
            seen.add(path.suffix)
        with Cache(parse(demo.front)).lock(1, lambda: pytest.fail("a lock was left")):
            pass
    assert ".lock" in seen
    for place in (Path("/tmp"), tmp_path):
        assert not [path for path in place.glob("*token2go*") if path.is_file() and b"eyJ" in path.read_bytes()]
