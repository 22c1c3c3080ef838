"""What a person pastes: a sealed text or an address, whole or in lines."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

from token2go._call import JWE_BEGINS, Call, Verdict, is_address
from token2go._errors import Stray, Unaccepted

Warn = Callable[[str, str], None]
"""Takes the kind of a warning (answer, clock, browser, probe) and its text."""

_MOST = 1 << 20  # letters
_TAG = 22  # letters of base64url in the last part of a JWE


class Pasted:
    """What has come so far of a text. Terminals break lines where they like."""

    def __init__(self, call: Call, end: Callable[[Verdict], None], warn: Warn) -> None:
        self._call = call
        self._end = end
        self._warn = warn
        self._text = ""
        self._why = ""  # it is no answer yet

    def add(self, line: str) -> None:
        """Takes another line. An empty one, and one that begins a text anew, say that the text before has ended."""
        line = _squeezed(line)
        if not line or line.startswith(JWE_BEGINS) or is_address(line):
            self.give_up()
        if not line:
            return
        self._text += line
        self._why, whole = self._judge(self._text)
        if whole:
            self.give_up()

    def peek(self, rest: str) -> bool:
        """Takes what has come if it is an answer as it is, with a line that has not ended."""
        why, _ = self._judge(self._text + _squeezed(rest))
        return not why

    def give_up(self) -> None:
        """Tells why what has come is no answer, and begins anew."""
        if self._text and self._why:
            self._warn("answer", f"{self._why}; paste all of what the page shows")
        self._text = self._why = ""

    def _judge(self, text: str) -> tuple[str, bool]:
        """Why a text is no answer, and whether no further line can make one of it."""
        whole = len(text) > _MOST
        try:
            self._end(self._call.judge_pasted(text))
        except Stray:
            # With all of a state, it is another's.
            states = parse_qs(text.partition("?")[2], errors="replace").get("state", [""])
            whole = whole or len(states[0]) >= len(self._call.state)
            return "the address that was pasted is that of another request", whole
        except Unaccepted as error:
            if text.startswith(JWE_BEGINS):
                return f"what was pasted is not accepted: {error}", whole or _is_whole(text)
            return str(error), whole or not is_address(text)
        return "", True


def _squeezed(line: str) -> str:
    """Takes away white space, and the quotes that programs put around a text."""
    return "".join(letter for letter in line if not letter.isspace() and letter not in "\"'<>")


def _is_whole(text: str) -> bool:
    """Whether a compact JWE has all of its last part."""
    parts = text.split(".")
    return len(parts) > 5 or (len(parts) == 5 and len(parts[4]) >= _TAG)
