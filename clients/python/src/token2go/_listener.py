"""A small HTTP server on 127.0.0.1 that one slow or hostile client cannot block.

It has no thread: the wait runs it.
Each connection carries one request, whose time and size are limited, as is the number
of connections; the oldest is closed first.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote

import h11

from token2go._errors import ListenError
from token2go._owner import other_users

_MAX_HEAD = 128 << 10  # bytes; a triple of a 64 KB token fits into the query
_MAX_LINES = 100  # of the head
_PIECE = 16 << 10  # bytes that are read at a time, so that every client has its turn
_MAX_BODY = 256 << 10  # bytes
_MAX_CONNECTIONS = 128
_HEAD_LIMIT = 5.0  # seconds for the head of a request
_LIMIT = 10.0  # seconds more for its body and the answer
_LINGER = 1.0  # seconds to read what a client still sends, without which it may lose the answer

# h11 needs quadratic time for a header of blanks; no browser sends so many in a row.
_BLANKS = re.compile(rb"[ \t]{200}")


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
    sent: Callable[[], None] | None = None  # called when the client has all of it


class _BadRequestError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Connection:
    def __init__(self, client: socket.socket, until: float) -> None:
        self.socket = client
        self.until = until
        self.received = bytearray()  # until the head is whole
        self.parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self.head: Request | None = None
        self.body = bytearray()
        self.answer = b""
        self.sent: Callable[[], None] | None = None
        self.state = "reading"  # then writing, then lingering


class Listener:
    """Listens from the moment it is made, on the first of the ports that is free."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        ports: tuple[int, ...],
        respond: Callable[[Request], Response],
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        """`refused` is called for every connection of another user."""
        self._selector = selector
        self._respond = respond
        self._refused = refused
        self._connections: dict[socket.socket, _Connection] = {}
        self._socket = _bind(ports)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        selector.register(self._socket, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Closes every connection."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        if self._socket.fileno() >= 0:
            self._selector.unregister(self._socket)
            self._socket.close()

    def next_deadline(self) -> float:
        """When `sweep` has something to do, on the monotonic clock."""
        return min((c.until for c in self._connections.values()), default=float("inf"))

    def sweep(self) -> None:
        """Closes the connections whose time is over."""
        now = time.monotonic()
        for connection in [c for c in self._connections.values() if c.until <= now]:
            self._drop(connection)

    def _accept(self) -> None:
        accepted: dict[int, socket.socket] = {}  # by the client's port
        for _ in range(_MAX_CONNECTIONS):
            try:
                client, address = self._socket.accept()
            except OSError:  # none is waiting
                break
            client.setblocking(False)
            accepted[address[1]] = client
        others = other_users(accepted, self.port)
        for client_port, client in accepted.items():
            if client_port in others:
                client.close()
                self._refused()
            else:
                self._take(client)

    def _take(self, client: socket.socket) -> None:
        while len(self._connections) >= _MAX_CONNECTIONS:
            self._drop(next(iter(self._connections.values())))
        connection = _Connection(client, time.monotonic() + _HEAD_LIMIT)
        self._connections[client] = connection
        self._selector.register(client, selectors.EVENT_READ, lambda: self._turn(connection))

    def _drop(self, connection: _Connection) -> None:
        if self._connections.pop(connection.socket, None):
            self._selector.unregister(connection.socket)
            connection.socket.close()

    def _turn(self, connection: _Connection) -> None:
        if connection.socket not in self._connections:  # closed earlier in the same round
            return
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
        received = connection.socket.recv(_PIECE)
        if not received:
            self._drop(connection)
        elif connection.state == "reading":
            response = self._answer(connection, received)
            if response:
                self._send(connection, response)

    def _answer(self, connection: _Connection, received: bytes) -> Response | None:
        """The answer, as soon as the request is whole or cannot become so."""
        try:
            if connection.head is None:
                whole = _whole_head(connection.received, received)
                if whole is None:
                    return None
                connection.parser.receive_data(whole)
                connection.head = _head(connection.parser.next_event())
                connection.until = time.monotonic() + _LIMIT
            else:
                if "transfer-encoding" in connection.head.headers and (b" " in received or b"\t" in received):
                    raise _BadRequestError(400)  # as _BLANKS; no form in chunks has any
                connection.parser.receive_data(received)
            if not _read_body(connection.parser, connection.body):
                return None
            head = connection.head
            return self._respond(Request(head.method, head.path, head.query, head.headers, bytes(connection.body)))
        except h11.RemoteProtocolError as error:
            return Response(error.error_status_hint)
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
            connection.state = "lingering"
            connection.until = min(connection.until, time.monotonic() + _LINGER)
            connection.socket.shutdown(socket.SHUT_WR)
            if connection.sent:
                connection.sent()


def _bind(ports: tuple[int, ...]) -> socket.socket:
    why = ""
    for port in ports:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows lets another program share the port without
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", port))
            listening.listen(4 * _MAX_CONNECTIONS)
        except OSError as error:
            listening.close()
            why = f"port {port}: {error.strerror or error}"
        else:
            return listening
    raise ListenError(why)


def _whole_head(buffer: bytearray, received: bytes) -> bytes | None:
    """Adds to the buffer, and returns it once it holds a whole head that takes no long time to parse."""
    start = max(0, len(buffer) - 3)
    buffer += received
    end = buffer.find(b"\r\n\r\n", start)
    if max(end, 0 if end >= 0 else len(buffer)) > _MAX_HEAD:
        raise _BadRequestError(431)
    if end < 0:
        return None
    if buffer.count(b"\n", 0, end) > _MAX_LINES or _BLANKS.search(buffer, 0, end):
        raise _BadRequestError(431)
    whole = bytes(buffer)
    buffer.clear()
    return whole


def _head(event: object) -> Request:
    if not isinstance(event, h11.Request):
        raise _BadRequestError(400)
    headers: dict[str, list[str]] = {}
    for name, value in event.headers:
        headers.setdefault(name.decode(), []).append(value.decode("latin-1"))
    if int(headers.get("content-length", ["0"])[0]) > _MAX_BODY:
        raise _BadRequestError(413)
    path, _, query = event.target.decode().partition("?")
    if path.lower().startswith("http://"):  # RFC 9112, section 3.2.2: its host counts
        host, slash, rest = path[len("http://") :].partition("/")
        headers["host"], path = [host], slash + rest
    if not path.startswith("/"):
        raise _BadRequestError(400)
    return Request(event.method.decode(), unquote(path, errors="replace"), query, headers)


def _read_body(parser: h11.Connection, body: bytearray) -> bool:
    """Adds what has come, and reports whether the request is whole."""
    while True:
        event = parser.next_event()
        if not isinstance(event, h11.Data):
            return isinstance(event, h11.EndOfMessage)
        body += event.data
        if len(body) > _MAX_BODY:
            raise _BadRequestError(413)
