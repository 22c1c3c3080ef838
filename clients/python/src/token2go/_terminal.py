"""Text that is pasted into a terminal.

A terminal in line mode silently cuts a line at 4,095 bytes, and a sealed text may be longer. So the terminal is read
raw while the wait lasts, without echo, and a text is taken as soon as it opens; Ctrl-C works as ever.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import sys
import time
from collections.abc import Callable, Iterator

from token2go._paste import Pasted

_QUIET = 0.3  # seconds without a byte after which a line without an end is tried
_PAUSE = 2.0  # seconds without a byte after which a paste is over
_MAX_PASTE = 2 << 20  # bytes


def usable() -> bool:
    """Whether a person can paste: standard input is a terminal, and this program is in its foreground."""
    try:
        fd = sys.stdin.fileno()
        if not os.isatty(fd):
            return False
        return not hasattr(os, "tcgetpgrp") or os.tcgetpgrp(fd) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # no standard input, or one that is no file
        return False


@contextlib.contextmanager
def restored_on_signals() -> Iterator[None]:
    """Gives the terminal its settings back where SIGTERM, SIGHUP or SIGQUIT ends the program within the block.

    Only the main thread can arrange that, and only where the program has no handler of its own.
    """
    import threading

    if sys.platform == "win32" or not usable() or threading.current_thread() is not threading.main_thread():
        yield
        return
    import signal
    import termios

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)

    def end(number: int, _: object) -> None:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(fd, termios.TCSANOW, before)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    numbers = [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]
    taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


class Terminal:
    """Reads the terminal at standard input while it is open."""

    def __init__(self) -> None:
        self._line = ""  # what has come of a line that has not ended
        self._quiet_at = float("inf")
        self._pause_at = float("inf")
        self._undo: list[Callable[[], object]] = []
        self._pasted: Pasted | None = None

    def open(self, selector: selectors.BaseSelector, pasted: Pasted) -> None:
        """Begins to read."""
        self._pasted = pasted
        if sys.platform == "win32":
            self._open_lines(selector)
        else:
            self._open_raw(selector)

    def close(self) -> None:
        """Leaves the terminal as it was."""
        while self._undo:
            self._undo.pop()()

    def next_deadline(self) -> float:
        """When a paste is taken to be over."""
        return min(self._quiet_at, self._pause_at)

    def sweep(self) -> None:
        """Tries a text whose last line has no end, once no more comes, and warns once of a paste that is over."""
        now = time.monotonic()
        if self._pasted and now >= self._quiet_at:
            self._quiet_at = float("inf")
            if self._line.strip() and self._pasted.peek(self._line):
                self._line = ""
        if self._pasted and now >= self._pause_at:
            self._pause_at = float("inf")
            self._pasted.pause()

    def _add(self, text: str) -> None:
        for mark in ("\x1b[200~", "\x1b[201~"):  # that some terminals put around a paste
            text = text.replace(mark, "")
        *lines, self._line = (self._line + text.replace("\r\n", "\n").replace("\r", "\n"))[-_MAX_PASTE:].split("\n")
        for line in lines:
            if self._pasted:
                self._pasted.add(line)
        self._quiet_at = time.monotonic() + _QUIET
        self._pause_at = time.monotonic() + _PAUSE

    if sys.platform != "win32":

        def _open_raw(self, selector: selectors.BaseSelector) -> None:
            import termios

            fd = sys.stdin.fileno()
            before = termios.tcgetattr(fd)
            raw = termios.tcgetattr(fd)
            raw[3] &= ~(termios.ICANON | termios.ECHO)
            raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
            # Not flushing keeps what was typed ahead, and what is pasted before the mode has changed.
            self._undo.append(lambda: termios.tcsetattr(fd, termios.TCSANOW, before))
            termios.tcsetattr(fd, termios.TCSANOW, raw)
            selector.register(fd, selectors.EVENT_READ, lambda: self._read(selector, fd))
            self._undo.append(lambda: self._leave(selector, fd))

        def _read(self, selector: selectors.BaseSelector, fd: int) -> None:
            try:
                received = os.read(fd, 64 << 10)
            except OSError:  # the terminal is gone
                received = b""
            if received:
                self._add(received.decode("utf-8", "replace"))
            else:
                self._leave(selector, fd)

        @staticmethod
        def _leave(selector: selectors.BaseSelector, fd: int) -> None:
            with contextlib.suppress(KeyError):
                selector.unregister(fd)

    else:

        def _open_lines(self, selector: selectors.BaseSelector) -> None:
            """Windows cannot wait for its console and a socket at once; a thread reads lines, which it does not cut."""
            import socket
            import threading

            receiver, sender = socket.socketpair()

            def read() -> None:
                with contextlib.suppress(OSError, ValueError):
                    for line in sys.stdin:
                        sender.sendall(line.encode())

            threading.Thread(target=read, daemon=True, name="token2go-paste").start()
            selector.register(
                receiver,
                selectors.EVENT_READ,
                lambda: self._add(receiver.recv(64 << 10).decode("utf-8", "replace")),
            )
            self._undo += [sender.close, receiver.close, lambda: selector.unregister(receiver)]
