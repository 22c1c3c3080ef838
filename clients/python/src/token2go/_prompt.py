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
    """Opens the flow, in a browser anywhere."""
    short_url: str
    """Redirects to `url` while the wait lasts, for browsers of this computer only; empty where nothing listens."""
    pasting: bool
    """Whether the flow ends in a text that is pasted here."""
    words: tuple[str, ...]
    """The page shows the same four."""
    until: datetime
    """When the wait ends, in UTC."""
