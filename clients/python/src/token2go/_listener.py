"""A very small HTTP server on 127.0.0.1 that one slow or hostile visitor cannot hold up.

It has no thread: whoever waits turns it. Each connection carries one request, has a time limit for all of it, and
limits for its size; there is a limit to their number, and the oldest goes first.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from token2go._errors import ListenError

_MOST_HEAD = 128 << 10  # bytes; a triple of a 64 KB token fits into the query
_MOST_BODY = 256 << 10  # bytes
_MOST_CONNECTIONS = 128
_HEAD_LIMIT = 5.0  # seconds for the head of a request
_LIMIT = 10.0  # seconds more for its body and the answer
_FAREWELL = 1.0  # seconds to read what a visitor still sends, without which it may lose the answer

_LINE = re.compile(rb"([A-Z]{1,20}) (/[!-~]*) HTTP/1\.[01]")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")


@dataclass(frozen=True)
class Request:
    """One request. `headers` has names in lower case; one that comes twice has its values in a list."""

    method: str
    path: str
    query: str
    headers: dict[str, list[str]]
    body: bytes = b""

    def header(self, name: str) -> str:
        """The only value of a header; empty when it is missing or there more than once."""
        values = self.headers.get(name, [])
        return values[0] if len(values) == 1 else ""


@dataclass(frozen=True)
class Response:
    """What is answered. A status of 303 has a Location among its headers."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    sent: Callable[[], None] | None = None  # called when the visitor has all of it


class _BadRequestError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Connection:
    def __init__(self, visitor: socket.socket, until: float) -> None:
        self.socket = visitor
        self.until = until
        self.received = bytearray()
        self.head: Request | None = None
        self.length = 0  # of the body
        self.answer = b""
        self.sent: Callable[[], None] | None = None
        self.state = "reading"  # then writing, then leaving


class Listener:
    """Listens from the moment it is made."""

    def __init__(self, selector: selectors.BaseSelector, port: int, respond: Callable[[Request], Response]) -> None:
        self._selector = selector
        self._respond = respond
        self._connections: dict[socket.socket, _Connection] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows lets another program in beside us without
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(("127.0.0.1", port))
            self._socket.listen(4 * _MOST_CONNECTIONS)
        except OSError as error:
            self._socket.close()
            raise ListenError(f"port {port}: {error.strerror or error}") from None
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        selector.register(self._socket, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Hangs up on everybody."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        if self._socket.fileno() >= 0:
            self._selector.unregister(self._socket)
            self._socket.close()

    def next_deadline(self) -> float:
        """When `sweep` has something to do, on the monotonic clock."""
        return min((c.until for c in self._connections.values()), default=float("inf"))

    def sweep(self) -> None:
        """Hangs up on those whose time is over."""
        now = time.monotonic()
        for connection in [c for c in self._connections.values() if c.until <= now]:
            self._drop(connection)

    def _accept(self) -> None:
        for _ in range(_MOST_CONNECTIONS):
            try:
                visitor, _address = self._socket.accept()
            except OSError:  # nobody more
                return
            visitor.setblocking(False)
            while len(self._connections) >= _MOST_CONNECTIONS:
                self._drop(next(iter(self._connections.values())))
            self._welcome(_Connection(visitor, time.monotonic() + _HEAD_LIMIT))

    def _welcome(self, connection: _Connection) -> None:
        self._connections[connection.socket] = connection
        self._selector.register(connection.socket, selectors.EVENT_READ, lambda: self._turn(connection))

    def _drop(self, connection: _Connection) -> None:
        if self._connections.pop(connection.socket, None):
            self._selector.unregister(connection.socket)
            connection.socket.close()

    def _turn(self, connection: _Connection) -> None:
        try:
            if connection.state == "writing":
                self._write(connection)
            else:
                self._read(connection)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)

    def _read(self, connection: _Connection) -> None:
        received = connection.socket.recv(64 << 10)
        if not received:
            self._drop(connection)
        elif connection.state == "reading":
            connection.received += received
            response = self._answer(connection)
            if response:
                self._send(connection, response)

    def _answer(self, connection: _Connection) -> Response | None:
        """The answer, as soon as the request is whole or cannot become so."""
        try:
            if connection.head is None:
                first, end, rest = connection.received.partition(b"\r\n\r\n")
                if not end:
                    if len(connection.received) > _MOST_HEAD:
                        raise _BadRequestError(431)
                    return None
                connection.head = _parse(bytes(first))
                connection.until = time.monotonic() + _LIMIT
                connection.length = _length(connection.head)
                connection.received = rest
            if len(connection.received) < connection.length:
                return None
            head = connection.head
            body = bytes(connection.received[: connection.length])
            return self._respond(Request(head.method, head.path, head.query, head.headers, body))
        except _BadRequestError as error:
            return Response(error.status)

    def _send(self, connection: _Connection, response: Response) -> None:
        content = response.body.encode()
        head_only = connection.head is not None and connection.head.method == "HEAD"
        lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        lines += [f"Content-Length: {len(content)}", "Connection: close", "", ""]
        connection.answer = "\r\n".join(lines).encode("latin-1") + (b"" if head_only else content)
        connection.sent = response.sent
        connection.state = "writing"
        self._write(connection)

    def _write(self, connection: _Connection) -> None:
        try:
            written = connection.socket.send(connection.answer)
        except BlockingIOError:
            written = 0
        connection.answer = connection.answer[written:]
        events = selectors.EVENT_WRITE if connection.answer else selectors.EVENT_READ
        self._selector.modify(connection.socket, events, lambda: self._turn(connection))
        if not connection.answer:
            connection.state = "leaving"
            connection.until = min(connection.until, time.monotonic() + _FAREWELL)
            connection.socket.shutdown(socket.SHUT_WR)
            if connection.sent:
                connection.sent()


def _parse(head: bytes) -> Request:
    if len(head) > _MOST_HEAD:
        raise _BadRequestError(431)
    first, *rest = head.split(b"\r\n")
    line = _LINE.fullmatch(first)
    if not line:
        raise _BadRequestError(400)
    headers: dict[str, list[str]] = {}
    for text in rest:
        found = _HEADER.fullmatch(text)
        if not found or len(headers) > 100:
            raise _BadRequestError(400)
        headers.setdefault(found[1].decode().lower(), []).append(found[2].decode("latin-1"))
    path, _, query = line[2].decode().partition("?")
    return Request(line[1].decode(), path, query, headers)


def _length(head: Request) -> int:
    """How many bytes of body the answer depends on."""
    if head.method != "POST":
        return 0
    text = head.header("content-length")
    if "transfer-encoding" in head.headers or not re.fullmatch("[0-9]{1,12}", text):
        raise _BadRequestError(411)
    if int(text) > _MOST_BODY:
        raise _BadRequestError(413)
    return int(text)
