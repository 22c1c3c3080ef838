"""The wait for one answer: what comes to the listener, what is pasted, the time limit, and the way out."""

from __future__ import annotations

import contextlib
import hmac
import secrets
import selectors
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Protocol
from urllib.parse import urlsplit

from token2go._call import Call, Verdict, fields
from token2go._errors import CancelledError, StrayError, TimedOutError, UnacceptedError
from token2go._listener import Listener, Request, Response
from token2go._page import HEADERS, page
from token2go._paste import Pasted, Warn
from token2go._token import Token

_TICK = 0.5  # seconds; where the system does not wake a wait for Ctrl-C, this is how late it is noticed
_PATIENCE = 2.0  # seconds for the browser to fetch the last page


class Pasting(Protocol):
    """Where pasted text comes from."""

    def open(self, selector: selectors.BaseSelector, pasted: Pasted) -> None:
        """Begins to hand over what is pasted."""

    def sweep(self) -> None:
        """Hands over what has become quiet."""

    def next_deadline(self) -> float:
        """When `sweep` has something to do, on the monotonic clock."""

    def close(self) -> None:
        """Leaves everything as it was."""


class CallOff:
    """Ends a wait from another thread."""

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self.called = False

    def call(self) -> None:
        """Ends the wait, now or as soon as it begins."""
        self.called = True
        with contextlib.suppress(OSError):  # the wait is over, and this closed
            self._sender.send(b"x")

    def register(self, selector: selectors.BaseSelector) -> None:
        """Has `call` wake a select."""
        selector.register(self._receiver, selectors.EVENT_READ, lambda: None)

    def close(self) -> None:
        """Closes both ends."""
        self._receiver.close()
        self._sender.close()


class Wait:
    """Waits for the answer to one call."""

    def __init__(self, call: Call, warn: Warn, call_off: CallOff | None = None) -> None:
        self._call = call
        self._warn = warn
        self._call_off = call_off
        self._stack = ExitStack()
        self._selector = selectors.DefaultSelector()
        self._stack.callback(self._selector.close)
        if call_off:
            call_off.register(self._selector)
        self._answer_path, self._done_path = _random_path(), _random_path()
        self._short_path = "/" + secrets.token_urlsafe(9)
        self._listener: Listener | None = None
        self._hosts: set[str] = set()
        self._pasting: Pasting | None = None
        self._verdict: Verdict | None = None
        self._shown = True  # whether the browser has got its last page
        self._refused_user = False
        self._answer: tuple[str, bytes] | None = None  # that the verdict is about
        self._opened = 0  # how often the short address was
        self.url = ""
        self.short_url = ""

    def __enter__(self) -> Wait:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def listen(self, ports: tuple[int, ...] = (0,), proxy: str = "") -> None:
        """Binds 127.0.0.1 at the first of the ports that is free; 0 means any.

        `proxy` is an https address whose server forwards `proxy`PORT/… to that port.
        """
        self._listener = Listener(self._selector, ports, self._respond, self._refuse_user)
        self._stack.callback(self._listener.close)
        port = self._listener.port
        self._hosts = {f"127.0.0.1:{port}"} | ({"127.0.0.1"} if port == 80 else set())
        if proxy:
            self._hosts.add(urlsplit(proxy).netloc.lower())
            self.url = self._call.to_target(f"{proxy}{port}{self._answer_path}")
        else:
            self.url = self._call.to_listener(port, self._answer_path)
            self.short_url = f"http://127.0.0.1:{port}{self._short_path}"

    def take_pasted(self, pasting: Pasting) -> None:
        """Takes what is pasted as well; whichever comes first wins."""
        self._pasting = pasting
        self._stack.callback(pasting.close)
        pasting.open(self._selector, Pasted(self._call, self._end, self._warn))

    def run(self, until: float) -> Token:
        """Waits until a moment of the monotonic clock, and returns the token or raises why there is none."""
        while self._verdict is None:
            if time.monotonic() >= until:
                raise TimedOutError()
            self._turn(until)
        parting = time.monotonic() + _PATIENCE
        while not self._shown and time.monotonic() < parting:
            self._turn(parting)
        if self._verdict.warning:
            self._warn("clock", self._verdict.warning)
        if self._verdict.error:
            raise self._verdict.error
        assert self._verdict.token is not None  # noqa: S101 - for the type checker
        return self._verdict.token

    def _turn(self, until: float) -> None:
        sources: Iterable[Listener | Pasting] = [s for s in (self._listener, self._pasting) if s]
        next_one = min([until, *(source.next_deadline() for source in sources)])
        pause = min(_TICK, max(0.0, next_one - time.monotonic()))
        for key, _ in self._selector.select(pause):
            key.data()
            if time.monotonic() >= until:  # many clients may be waiting
                break
        if self._call_off and self._call_off.called:
            raise CancelledError
        for source in sources:
            source.sweep()

    def _refuse_user(self) -> None:
        if not self._refused_user:
            self._refused_user = True
            self._warn("listener", "a connection of another user of this computer was refused")

    def _end(self, verdict: Verdict) -> None:
        self._verdict = self._verdict or verdict

    def _respond(self, request: Request) -> Response:
        if request.header("host").lower() not in self._hosts:
            return _problem(421, "Wrong address", "This listener goes by another name.")
        is_answer = _same(request.path, self._answer_path)
        if request.method != "GET" and not (is_answer and request.method == "POST"):
            problem = _problem(405, "Method not allowed", "A program waits here for one answer.")
            return Response(405, problem.body, {**HEADERS, "Allow": "GET, POST" if is_answer else "GET"})
        if not _is_page_view(request):
            return _problem(403, "Not a page view", "A request that shows no page decides nothing.")
        if is_answer:
            return self._answered(request)
        if _same(request.path, self._done_path) and self._verdict:
            return Response(200, self._last_page(self._verdict), HEADERS, sent=self._seen)
        if _same(request.path, self._short_path) and self.short_url and not request.query and not self._verdict:
            return self._redirect_to_flow()
        return _problem(404, "Nothing here", "A program waits here for one answer, and this is not it.")

    def _redirect_to_flow(self) -> Response:
        self._opened += 1
        if self._opened == 2:
            self._warn(
                "visit",
                "the address was opened a second time; the token will not be kept. If it was not you, another user of "
                "this computer has read the address: press Ctrl-C and ask again",
            )
        return Response(303, "", {**HEADERS, "Location": self.url})

    @property
    def keep(self) -> bool:
        """Whether the token may be kept: not after the short address was opened twice."""
        return self._opened < 2

    def _answered(self, request: Request) -> Response:
        given = (request.query, request.body)
        if self._verdict and given != self._answer:
            return _problem(410, "Too late", "There has been an answer already.")
        try:
            if not self._verdict:  # else the person has gone back, or reloaded
                self._verdict = self._call.judge(_fields_of(request))
                self._answer = given
        except StrayError:
            return _problem(403, "Not expected", "This is no answer to what the program asked.")
        except UnacceptedError as error:
            self._warn("answer", f"an answer is not accepted: {error}; still waiting")
            return _problem(400, "Not accepted", f"The program did not accept this answer: {error}.")
        self._shown = False
        # Relative, so that it holds behind a proxy with a prefix as well.
        return Response(303, "", {**HEADERS, "Location": self._done_path.lstrip("/")})

    def _last_page(self, verdict: Verdict) -> str:
        if verdict.error:
            text = f"The program got no token: {verdict.error}."
            return page(f"No token: {verdict.error.kind}", text, self._call.words, good=False, close=True)
        return page("Done", "The program has its token.", self._call.words, close=True)

    def _seen(self) -> None:
        self._shown = True


def _fields_of(request: Request) -> dict[str, list[str]]:
    if request.method == "GET":
        return dict(fields(request.query))
    kind = request.header("content-type").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" or request.query:
        raise StrayError("it is no form, or not the form alone")
    try:
        return dict(fields(request.body.decode("ascii")))
    except UnicodeDecodeError:
        raise StrayError("its parameters cannot be read") from None


def _is_page_view(request: Request) -> bool:
    """Whether a browser opens a page that a person will see: neither ahead of time nor inside of another.

    Origin and Sec-Fetch-Site are not looked at: a genuine answer has null and cross-site there.
    """
    ahead = [value for name in ("sec-purpose", "purpose", "x-moz") for value in request.headers.get(name, [])]
    if any("prefetch" in value or "prerender" in value for value in ahead):
        return False
    return all(value == "document" for value in request.headers.get("sec-fetch-dest", []))


def _problem(status: int, title: str, text: str) -> Response:
    return Response(status, page(title, text, good=False), HEADERS)


def _random_path() -> str:
    return "/" + secrets.token_urlsafe(24)


def _same(got: str, want: str) -> bool:
    return hmac.compare_digest(got.encode(), want.encode())
