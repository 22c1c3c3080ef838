"""Whether a server can be reached from here at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from token2go._errors import CertificateError, Token2goError, UnreachableError
from token2go._options import Settings
from token2go._server import is_loopback, parse


def probe(server: str, *, ca_file: str | None = None, timeout: float = 10, allow_http: bool = False) -> None:
    """Checks that a server answers at all, within `timeout` seconds.

    `ca_file` names a file with certificates (PEM) that are trusted besides the system's; HTTPS_PROXY, ALL_PROXY and
    NO_PROXY count. Raises `UnreachableError` or `CertificateError`, and `OptionError` for an unusable address.
    """
    # In this thread: a process that ends while another loads ssl can crash (Python 3.10, measured).
    import ssl  # noqa: F401
    import urllib.request  # noqa: F401

    address = parse(server, allow_http)
    outcome: list[Token2goError | None] = []
    # In a thread, since neither a name server nor an answer that comes byte by byte keeps to a socket's timeout.
    thread = threading.Thread(
        target=lambda: outcome.append(_finding(address, ca_file, timeout)), daemon=True, name="token2go-probe"
    )
    thread.start()
    thread.join(timeout)
    finding = outcome[0] if outcome else UnreachableError(f"{urlsplit(address).netloc}: no answer in {timeout:g} s")
    if finding:
        raise finding


def _finding(address: str, ca_file: str | None, timeout: float) -> Token2goError | None:
    """Why a server does not answer, or None."""
    import http.client
    import ssl
    import urllib.error
    import urllib.request

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object, **__: object) -> None:
            return None

    host = urlsplit(address).netloc
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            return CertificateError(f"{ca_file}: {error.strerror or error}")
    proxy = proxy_for(address)
    if proxy and not proxy.startswith("http://"):
        return None  # the library has no TLS to a proxy, and no SOCKS
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context),
        NoRedirect(),
        urllib.request.ProxyHandler({urlsplit(address).scheme: proxy} if proxy else {}),
    )
    try:
        opener.open(f"{address}health", timeout=timeout).close()
    except urllib.error.HTTPError as answer:  # an answer all the same, but for a proxy's
        answer.close()
        return (
            UnreachableError(f"{host}: the proxy answers 407, it wants a user name and password")
            if answer.code == 407
            else None
        )
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return CertificateError(f"{host}: {reason.verify_message}")
        return UnreachableError(f"{host}: {getattr(reason, 'strerror', None) or reason}")
    return None


def proxy_for(address: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The proxy on the way to an address, as openapi/vectors/README.md has it; None for none."""
    environ = os.environ if environ is None else environ
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if is_loopback(host):
        return None

    def variable(name: str) -> str:
        ours = "" if name == "http_proxy" and environ.get("REQUEST_METHOD") else environ.get(name.upper(), "")
        return environ.get(name) or ours

    proxy = variable(f"{parts.scheme}_proxy") or variable("all_proxy")
    if not proxy or any(_matches(entry.strip().lower(), host, port) for entry in variable("no_proxy").split(",")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _matches(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means a host."""
    import ipaddress

    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        pass
    name, _, number = entry.rpartition(":") if entry.rpartition(":")[2].isdigit() else (entry, "", "")
    name = name.strip("[]").lstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}")) and number in ("", str(port))


class Background:
    """A probe that runs during the wait. Its finding is reported at once and ends nothing: a browser may reach more."""

    def __init__(self, report: Callable[[str], None], o: Settings) -> None:
        import ssl  # noqa: F401 - in this thread, as in probe
        import urllib.request  # noqa: F401

        self.finding: Token2goError | None = None
        self._over = False

        def run() -> None:
            try:
                probe(o.server, ca_file=o.ca_file, allow_http=o.allow_http)
            except Token2goError as error:
                self.finding = error
                if not self._over:
                    report(f"from here, {error}")

        self._thread = threading.Thread(target=run, daemon=True, name="token2go-probe")
        # A loopback server was probed before the wait.
        if o.check and not is_loopback(urlsplit(o.server).hostname or ""):
            self._thread.start()

    def leave(self) -> None:
        """Nothing is reported from now on. Waits a moment for a probe that is about to end."""
        self._over = True
        if self._thread.ident is not None:
            self._thread.join(0.2)
