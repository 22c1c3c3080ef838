"""A real server behind the pretend gateway, a person who signs in, and one call."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import token2go
from conftest import SOON, Asking, Demo, Page, Person, until


def is_jwt(token: token2go.Token) -> bool:
    return str(token).count(".") == 2


@pytest.mark.parametrize("form", ["jwe", "triple"])
def test_get_returns_the_token_of_a_person_who_signs_in(demo: Demo, person: Person, form: str) -> None:
    asking = Asking(token2go.get, demo.front, format=form)
    landed = person.open(asking.prompt.url)
    token = asking.result()
    assert is_jwt(token)
    assert token.token_type == "Bearer"
    assert token.expires_at is not None
    assert 200 < (token.expires_in or 0) <= 300
    assert token.words == asking.prompt.words
    assert landed.status == 200
    assert "The program has its token" in landed.text
    assert " ".join(token.words) in landed.text
    assert "?" not in landed.url
    assert str(token) not in landed.text
    assert asking.opened == [asking.prompt.short_url]
    audit = [line for line in demo.lines if token.fingerprint[:12] in line or '"handed_over"' in line]
    assert audit
    assert str(token) not in "".join(demo.lines)


def test_short_address_redirects_to_the_flow(demo: Demo, person: Person) -> None:
    asking = Asking(token2go.get, demo.front)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{12}", asking.prompt.short_url)
    landed = person.open(asking.prompt.short_url)
    assert "The program has its token" in landed.text
    assert is_jwt(asking.result())


def test_get_shows_the_words_of_the_question(demo: Demo, person: Person) -> None:
    asking = Asking(token2go.get, demo.front, client="A notebook")
    question = person.open(asking.prompt.url, Sec_Fetch_Site="cross-site")
    assert "Hand over your token?" in question.text
    assert "A notebook" in question.text
    assert all(word in question.text for word in asking.prompt.words)
    landed = person.decide(question, "allow")
    assert "The program has its token" in landed.text
    assert is_jwt(asking.result())


def test_get_reports_a_denial(demo: Demo, person: Person) -> None:
    asking = Asking(token2go.get, demo.front)
    landed = person.decide(person.open(asking.prompt.url, Sec_Fetch_Site="cross-site"), "deny")
    assert "No token: denied" in landed.text
    with pytest.raises(token2go.DeniedError, match="choose Allow if the four words are the same"):
        asking.result()


def test_get_reports_a_token_that_expires_too_soon(demo: Demo, person: Person) -> None:
    asking = Asking(token2go.get, demo.front, min_ttl=3600)
    person.open(asking.prompt.url)
    with pytest.raises(token2go.ExpiringError, match="smaller min_ttl"):
        asking.result()


def test_get_reports_a_mode_that_is_switched_off(server_program: Path) -> None:
    demo = Demo(server_program, T2G_FLOW_MODES="page")
    try:
        asking = Asking(token2go.get, demo.front, timeout=5)
        Person().sign_in(demo).open(asking.prompt.url)
        with pytest.raises(token2go.RefusedError, match="ask the operator"):
            asking.result()
    finally:
        demo.close()


def test_get_takes_a_large_answer_from_a_form(server_program: Path) -> None:
    demo = Demo(server_program, T2G_FLOW_MAX_URL="600")
    try:
        asking = Asking(token2go.get, demo.front)
        page = Person().sign_in(demo)
        form = page.open(asking.prompt.url)
        action = re.search(r'action="(http://127[^"]+)"', form.text)
        assert action, form.text
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form.text))
        landed = page.open(action[1], fields, Origin="null", Sec_Fetch_Site="cross-site")
        assert "The program has its token" in landed.text
        assert is_jwt(asking.result())
    finally:
        demo.close()


def test_get_takes_the_token_from_the_cache(demo: Demo, person: Person) -> None:
    asking = Asking(token2go.get, demo.front)
    person.open(asking.prompt.url)
    first = asking.result()
    again = token2go.get(demo.front, show=lambda _: pytest.fail("asked again"))
    assert str(again) == str(first)
    assert again.expires_at == first.expires_at
    assert token2go.logout(demo.front)
    assert not token2go.logout(demo.front)
    assert Asking(token2go.get, demo.front, timeout=0.2, check=False).prompt


def test_get_returns_a_token_that_cannot_be_kept(
    demo: Demo, person: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise token2go.CacheError("no space left")

    monkeypatch.setattr("token2go._cache.Cache._write", full)
    asking = Asking(token2go.get, demo.front)
    person.open(asking.prompt.url)
    assert is_jwt(asking.result())
    assert "no space left" in capsys.readouterr().err
    asking = Asking(token2go.get, demo.front)
    person.decide(person.open(asking.prompt.url, Sec_Fetch_Site="cross-site"), "deny")
    with pytest.raises(token2go.DeniedError):
        asking.result()


def test_get_without_cache_keeps_nothing(demo: Demo, person: Person, surroundings: Path) -> None:
    asking = Asking(token2go.get, demo.front, cache=False)
    person.open(asking.prompt.url)
    asking.result()
    assert not surroundings.exists()


def test_aget_returns_and_is_cancelled(demo: Demo, person: Person) -> None:
    async def ask() -> token2go.Token:
        prompts: list[token2go.Prompt] = []
        waiting = asyncio.ensure_future(token2go.aget(demo.front, show=prompts.append, browser=False))
        while not prompts:
            await asyncio.sleep(0.01)
        opening = asyncio.get_running_loop().run_in_executor(None, person.open, prompts[0].url)
        token = await waiting
        await opening
        return token

    async def call_off() -> float:
        prompts: list[token2go.Prompt] = []
        waiting = asyncio.ensure_future(token2go.aget(demo.front, show=prompts.append, browser=False, cache=False))
        while not prompts:
            await asyncio.sleep(0.01)
        began = time.monotonic()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        port = urlsplit(prompts[0].short_url).port
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port or 0), 1)
        return time.monotonic() - began

    assert is_jwt(asyncio.run(ask()))
    assert asyncio.run(call_off()) < 2


def test_get_times_out_with_advice(demo: Demo) -> None:
    with pytest.raises(token2go.TimedOutError, match=r'format="triple" at a token2go-server 1\.0\.3'):
        token2go.get(demo.front, timeout=0.3, check=False, browser=False, show=lambda _: None)


def test_get_reports_a_missing_local_server_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(token2go.UnreachableError, match="check the address"):
            token2go.get(f"http://127.0.0.1:{port}")
        assert time.monotonic() - began < 5


def test_get_names_an_unreachable_server_at_the_time_limit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise token2go.UnreachableError("t2g.example.org: no such name")

    monkeypatch.setattr("token2go._probe.probe", refused)
    with pytest.raises(token2go.UnreachableError, match="no such name"):
        token2go.get("https://t2g.example.org", timeout=0.5, browser=False)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "from here, server unreachable: t2g.example.org: no such name" in printed.err


def test_get_prints_address_and_words_and_no_secret(
    demo: Demo, person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    asking = Asking(token2go.get, demo.front, show=None, browser=None)
    printed = ""

    def address() -> str:
        nonlocal printed
        printed += capsys.readouterr().err
        found = re.search(r"  (http://127\S+)\n", printed)
        return found[1] if found and "words" in printed else ""

    until("the address is printed", lambda: bool(address()))
    person.open(address())
    token = asking.result()
    assert " ".join(token.words) in printed
    rest = capsys.readouterr()
    assert str(token) not in printed + rest.err
    assert rest.out == ""


def test_get_reports_a_taken_port(demo: Demo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(token2go.ListenError, match="another port"):
        token2go.get(demo.front, port=taken.getsockname()[1], show=lambda _: None, cache=False)


def test_listener_binds_only_127_0_0_1_before_show(demo: Demo) -> None:
    connected: list[bool] = []

    def show(prompt: token2go.Prompt) -> None:
        port = urlsplit(prompt.short_url).port or 0
        with socket.create_connection(("127.0.0.1", port), 1):
            connected.append(True)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), 1)
        query = parse_qs(urlsplit(prompt.url).query)
        assert len(query["path"][0]) > 30
        assert len(query["state"][0]) == 43

    with pytest.raises(token2go.TimedOutError):
        token2go.get(demo.front, show=show, timeout=0.3, check=False, browser=False)
    assert connected == [True]


def test_get_uses_fresh_key_state_path_and_words(demo: Demo) -> None:
    prompts: list[token2go.Prompt] = []
    for _ in range(2):
        with pytest.raises(token2go.TimedOutError):
            token2go.get(demo.front, show=prompts.append, timeout=0.1, check=False, browser=False)
    first, second = (parse_qs(urlsplit(prompt.url).query) for prompt in prompts)
    for name in ("publicKey", "state", "path"):
        assert first[name] != second[name]
    assert prompts[0].words != prompts[1].words


def test_get_works_beside_many_slow_clients(demo: Demo, person: Person) -> None:
    asking = Asking(token2go.get, demo.front)
    port = urlsplit(asking.prompt.short_url).port or 0
    clients = [socket.create_connection(("127.0.0.1", port), SOON) for _ in range(200)]
    try:
        for client in clients[-50:]:
            client.send(b"GET /")
        began = time.monotonic()
        landed = person.open(asking.prompt.url)
        assert is_jwt(asking.result())
        assert time.monotonic() - began < 5
        assert "The program has its token" in landed.text
    finally:
        for client in clients:
            client.close()


def test_get_leaves_nothing_behind_on_ctrl_c(demo: Demo, surroundings: Path) -> None:
    import _thread

    prompts: list[token2go.Prompt] = []
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        token2go.get(demo.front, show=prompts.append, browser=False)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(prompts[0].short_url).port or 0), 1)
    assert [path.suffix for path in surroundings.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"server": ""}, "is empty"),
        ({"server": "t2g.example.org"}, "no https://"),
        ({"server": "http://t2g.example.org"}, "not on this computer"),
        ({"server": "https://me:secret@t2g.example.org"}, "user name"),
        ({"server": "https://t2g.example.org/?x=1"}, "a query"),
        ({"server": "https://t2g.example.org/#"}, "a fragment"),
        ({"server": "https://t2g.example.org:99999"}, "not an address"),
        ({"server": "https://t2g example.org"}, "no address"),
        ({"server": "ftp://t2g.example.org"}, "no https://"),
        ({"format": "jws"}, "format"),
        ({"method": "device"}, "method"),
        ({"min_ttl": -1}, "min_ttl"),
        ({"min_ttl": float("nan")}, "min_ttl"),
        ({"timeout": 0}, "timeout"),
        ({"port": 70000}, "port"),
        ({"client": ""}, "client"),
        ({"client": "a  b"}, "client"),
        ({"client": "a\u202eb"}, "client"),
        ({"method": "paste", "format": "triple"}, "triple"),
        ({"method": "paste"}, "needs a terminal"),
        ({"method": "proxy"}, "TOKEN2GO_PROXY_URL"),
    ],
)
def test_get_names_an_unusable_argument(wrong: dict[str, object], said: str) -> None:
    options = {"server": "https://t2g.example.org", "show": lambda _: None, "timeout": 1, **wrong}
    with pytest.raises(token2go.OptionError, match=said) as caught:
        token2go.get(**options)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


def test_last_page_loads_nothing(demo: Demo, person: Person) -> None:
    asking = Asking(token2go.get, demo.front)
    landed: Page = person.open(asking.prompt.url)
    asking.result()
    assert not re.search(r"(src|href)=|url\(|<script", landed.text)
