"""The address of a server: whether it can be used, and its one spelling."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from token2go._errors import OptionError

_EXAMPLE = "such as https://t2g.example.org"
_PORTS = {"https": 443, "http": 80}


def parse(text: str, allow_http: bool = False) -> str:
    """Returns the address in its one spelling, with a slash at the end, as `https://t2g.example.org/`.

    Scheme and host are in lower case, a default port is left out. The errors do not
    repeat an address that may hold a password.
    """
    fault = _fault(text, allow_http)
    if fault:
        raise OptionError(f"the server {fault}")
    parts = urlsplit(text)
    host = ascii_host(parts.hostname or "")
    if ":" in host:
        host = f"[{host}]"
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}/"


def _fault(text: str, allow_http: bool) -> str:
    if not isinstance(text, str) or not text:
        return f"is empty, want an address {_EXAMPLE}"
    if any(letter <= " " or letter in '\x7f\\"<>^`{|}' for letter in text):
        return f"holds a character that no address holds, want one {_EXAMPLE}"
    try:
        parts = urlsplit(text)
        port = parts.port
        ascii_host(parts.hostname or "")
    except ValueError:
        return f"is not an address, want one {_EXAMPLE}"
    if not parts.path.isascii():
        return f"holds a character that no address holds, want one {_EXAMPLE}"
    if "@" in parts.netloc:
        return "holds a user name, want an address without"
    if parts.scheme not in _PORTS or not text[len(parts.scheme) :].startswith("://"):
        return f"has no https:// before it, want an address {_EXAMPLE}"
    if not parts.hostname or port == 0:
        return f"has no host or port that can be, want an address {_EXAMPLE}"
    if "?" in text or "#" in text:
        return f"has a query or a fragment, want the address of Token2go alone, {_EXAMPLE}"
    if parts.scheme == "http" and not allow_http and not is_loopback(parts.hostname):
        return "is http and not on this computer, want https (allow_http=True takes http all the same)"
    return ""


def ascii_host(host: str) -> str:
    """A host in lower case and ASCII, as IDNA 2008 (UTS 46, not transitional) has it; ValueError where it cannot be."""
    if host.isascii():
        return host.lower()
    import idna

    return idna.encode(host, uts46=True).decode()


def is_loopback(host: str) -> bool:
    """Whether a host is this computer, whatever a name server says."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin(parts: SplitResult) -> tuple[str, str, int]:
    """Scheme, host and port of a parsed address; ValueError for a host or port that cannot be."""
    scheme = parts.scheme.lower()
    return scheme, ascii_host(parts.hostname or ""), parts.port or _PORTS.get(scheme, 0)
