"""A notebook's kernel: the person is shown a link and a status, and no secret."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from token2go import _claims
from token2go._errors import OptionError, TimedOutError, Token2goError, printable
from token2go._options import Show
from token2go._prompt import Prompt
from token2go._token import Token

if TYPE_CHECKING:
    from token2go._call import Call, Verdict

_BOX = "border-left:4px solid {};padding:.5em 1em;margin:.25em 0;line-height:1.6"
_COLOURS = {"asks": "#3367d6", "done": "#188038", "failed": "#b3261e"}


def current() -> Notebook | None:
    """The notebook in which this program runs; None where there is no kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    kernel = getattr(shell, "kernel", None)
    return Notebook(kernel) if kernel is not None else None


class Notebook:
    """Shows one ask. What it shows is replaced as things go on; the saved notebook holds the last of it."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._handle: Any = None
        self._prompt: Prompt | None = None
        self._notes: list[str] = []

    @property
    def takes_input(self) -> bool:
        """Whether the front end has an input field; nbclient and papermill have none."""
        return bool(getattr(self._kernel, "_allow_stdin", False))

    def show(self, prompt: Prompt, show: Show = None) -> None:
        """Shows the link, and calls a function of the caller's."""
        self._prompt = prompt
        if show:
            show(prompt)
        self._ask()

    def warn(self, _: str, text: str) -> None:
        """Adds a note to what is shown."""
        self._notes = [*self._notes, printable(text)][-3:]
        self._ask()

    def done(self, token: Token) -> None:
        """Shows that it worked, for whom, and until when."""
        who = person(token)
        end = f"{token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else "an unknown time"
        notes = "".join(f"<br><small>{escape(note)}</small>" for note in self._notes if "clock" in note)
        whom = f"Signed in as <b>{escape(who)}</b>" if who else "Signed in"
        plain = f"signed in as {who}" if who else "signed in"
        self._put(
            "done",
            f"{whom}, valid until {end}. <small>Token <code>{token.fingerprint[:12]}</code></small>{notes}",
            f"token2go: {plain}, valid until {end}",
        )

    def failed(self, error: BaseException) -> None:
        """Shows that there is no token. The exception says the rest."""
        why = str(error) if isinstance(error, Token2goError) else "interrupted"
        if self._handle is not None:
            self._put("failed", f"No token: {escape(why)}", f"token2go: no token: {why}")

    def paste(self, call: Call, until: float) -> Token:
        """Asks for the sealed text in the notebook's own input field, until there is a verdict."""
        from token2go._paste import Pasted

        verdicts: list[Verdict] = []
        pasted = Pasted(call, verdicts.append, self.warn)
        try:
            while not verdicts:
                for line in self._input(until).splitlines():
                    pasted.add(line)
                pasted.add("")
                pasted.pause()
            verdict = verdicts[0]
            if verdict.warning:
                self.warn("clock", verdict.warning)
            if verdict.error:
                raise verdict.error
        except BaseException as error:
            self.failed(error)
            raise
        assert verdict.token is not None  # noqa: S101 - for the type checker
        self.done(verdict.token)
        return verdict.token

    def _input(self, until: float) -> str:
        """A hidden field, so that a token pasted by mistake is not in the saved notebook."""
        ask: Callable[[str], str] = self._kernel.getpass
        alarm = _Alarm(until - time.monotonic())
        try:
            with alarm:
                return ask("Paste the sealed text: ")
        except KeyboardInterrupt:
            if alarm.rang:
                raise TimedOutError() from None
            raise
        except Exception as error:
            if type(error).__name__ == "StdinNotImplementedError":
                raise OptionError("pasting needs a notebook that takes input") from None
            raise

    def _ask(self) -> None:
        prompt = self._prompt
        if prompt is None:
            return
        link = f'<a href="{escape(prompt.url)}" target="_blank" rel="noopener noreferrer"><b>Sign in</b></a>'
        then = (
            "then copy the sealed text that the page shows into the field below."
            if prompt.pasting
            else "then come back here. <small>Is your browser on another computer? "
            'Ask with <code>method="paste"</code>.</small>'
        )
        notes = "".join(f"<br><small>{escape(note)}</small>" for note in self._notes)
        html = (
            f"{link} at {escape(prompt.server)}, {then}"
            f"<br><small>The page there shows these words: <b>{escape(' '.join(prompt.words))}</b></small>{notes}"
        )
        lines = [f"token2go: sign in at {prompt.url}", f"token2go: the page shows {' '.join(prompt.words)}"]
        self._put("asks", html, "\n".join([*lines, *self._notes]))

    def _put(self, kind: str, html: str, plain: str) -> None:
        import IPython.display

        box = f'<div style="{_BOX.format(_COLOURS[kind])}">{html}</div>'
        content = {"text/html": box, "text/plain": plain}
        if self._handle is None:
            display: Any = IPython.display.display
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


class _Alarm:
    """Interrupts the main thread when the time is over, and not after the block has ended."""

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(max(0.0, seconds), self._ring)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._over = False
        self.rang = False

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True

    def _ring(self) -> None:
        import _thread

        with self._lock:
            if not self._over:
                self.rang = True
                _thread.interrupt_main()


def person(token: Token) -> str:
    """Whose token it claims to be, unproven and for showing; empty where it does not say."""
    claims = _claims.read(str(token)) or {}
    names = ("preferred_username", "email", "upn", "unique_name", "name", "sub")
    found = (_claims.text(claims, name) for name in names)
    return next((text for text in found if text.isprintable() and 0 < len(text) <= 200), "")
