"""What a person pastes: a sealed text or an address, whole or in lines, with a label or quotes around it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from urllib.parse import parse_qs

from token2go._call import JWE_BEGINS, Call, Verdict, is_address
from token2go._errors import StrayError, UnacceptedError

Warn = Callable[[str, str], None]
"""Takes the kind of a warning (answer, browser, clock, listener, probe, visit) and its text."""

_MAX_TEXT = 1 << 20  # letters
_TAG = 22  # letters of base64url in the last part of a JWE
_BEGINS = (JWE_BEGINS, "http://", "https://", "127.0.0.1:")
_QUOTES = "\"'`<>()[]\u2018\u2019\u201a\u201c\u201d\u201e\u2039\u203a\u00ab\u00bb"
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


class Pasted:
    """What has come so far of a text. Terminals break lines where they like."""

    def __init__(self, call: Call, end: Callable[[Verdict], None], warn: Warn) -> None:
        self._call = call
        self._end = end
        self._warn = warn
        self._text = ""
        self._why = ""  # the text is no answer yet
        self._fault = ""  # why a text before it was none
        self._over = False  # the answer is there
        self._other = False  # something came that is neither a sealed text nor an address

    def add(self, line: str) -> None:
        """Adds a line. An empty one ends the text before it, as does one that begins another text."""
        begins, line = _cleaned(line, bool(self._text))
        if begins or not line:
            self._finish()
        if not line or self._over:
            return
        if not begins and not self._text:
            self._other = True
            return
        self._text += line
        self._why, whole = self._judge(self._text)
        if whole:
            self._finish()

    def peek(self, rest: str) -> bool:
        """Takes the text if it is an answer together with a line that has not ended."""
        begins, line = _cleaned(rest, bool(self._text))
        why, _ = self._judge(line if begins else self._text + line)
        return not why

    def pause(self) -> None:
        """Warns once of what has come since the last pause and is no answer. The last text may go on."""
        if self._fault:
            self._warn("answer", f"{self._fault}; paste all of what the page shows")
        elif self._other:
            self._warn("answer", "what was pasted is neither the sealed text nor an address; paste what the page shows")
        self._fault, self._other = "", False

    def _finish(self) -> None:
        if self._text and self._why:
            self._fault = self._why
        self._text = self._why = ""

    def _judge(self, text: str) -> tuple[str, bool]:
        """Why a text is no answer, and whether further lines cannot make it one."""
        whole = len(text) > _MAX_TEXT
        parts = text.split(".", 4)
        if text.startswith(JWE_BEGINS) and len(parts) == 5:
            text = ".".join([*parts[:4], parts[4][:_TAG]])
            whole = whole or len(parts[4]) >= _TAG
        try:
            verdict = self._call.judge_pasted(text)
        except StrayError:
            # With all of a state, it is another's.
            states = parse_qs(text.partition("?")[2], errors="replace").get("state", [""])
            return "the pasted address belongs to another request", whole or len(states[0]) >= len(self._call.state)
        except UnacceptedError as error:
            if text.startswith(JWE_BEGINS):
                return f"what was pasted is not accepted: {error}", whole
            return str(error), whole or not is_address(text)
        self._over, self._fault, self._other = True, "", False  # a paste with the answer needs no warning
        self._end(verdict)
        return "", True


def _cleaned(line: str, within: bool) -> tuple[bool, str]:
    """Whether a line begins a text, and the line without what is before that, white space, quotes and the invisible.

    `within` another text only the beginning of a word counts: `eyJ` may well be inside.
    """
    visible = "".join(letter for letter in line if letter not in _QUOTES and unicodedata.category(letter) != "Cf")
    words = visible.split()
    for number, word in enumerate(words):
        found = [at for mark in _BEGINS if (at := word.find(mark)) == 0 or (at > 0 and word[at - 1] not in _WORD)]
        if found and (min(found) == 0 or not within):
            return True, "".join([word[min(found) :], *words[number + 1 :]])
    return False, "".join(words)
