"""What the person needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Prompt:
    """Where the person goes, and what the page there shows. It holds no secret."""

    server: str
    """The server's address."""
    url: str
    """Opens the flow, whose answer comes to this program by itself where the browser reaches it."""
    short_url: str
    """Redirects to `url` during the wait, for browsers of this computer only; empty where nothing listens."""
    paste_url: str
    """Opens a flow that ends in a text to paste, in a browser anywhere; empty where nothing can be pasted."""
    pasting: bool
    """Whether `paste_url` is the one that should work."""
    words: tuple[str, ...]
    """The four words that the page shows."""
    until: datetime
    """When the wait ends, in UTC."""

    @property
    def opened(self) -> str:
        """The address that a browser is opened with."""
        return self.paste_url if self.pasting else self.short_url or self.url
