"""Whether a server can be reached from here at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from token2go._errors import CertificateError, Token2goError, Unreachable
from token2go._server import is_loopback, parse


def probe(server: str, *, ca_file: str | None = None, timeout: float = 10, allow_http: bool = False) -> None:
    """Asks a server for a sign of life, and takes any answer for one.

    `ca_file` names a file with certificates (PEM) that are trusted besides the system's; HTTPS_PROXY and NO_PROXY
    count. Raises `Unreachable` or `CertificateError`, and `OptionError` for an address that cannot be used.
    """
    import http.client
    import ssl
    import urllib.error
    import urllib.request

    address = parse(server, allow_http)

    class Still(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object, **__: object) -> None:
            return None

    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise CertificateError(f"{ca_file}: {error.strerror or error}") from None
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context), Still()]
    if is_loopback(urlsplit(address).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        urllib.request.build_opener(*handlers).open(f"{address}health", timeout=timeout).close()
    except urllib.error.HTTPError as answer:  # an answer all the same
        answer.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        host = urlsplit(address).netloc
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise CertificateError(f"{host}: {reason.verify_message}") from None
        raise Unreachable(f"{host}: {getattr(reason, 'strerror', None) or reason}") from None


class Beside:
    """A probe that runs beside the wait. Its finding is told at once, and ends nothing: browsers reach more."""

    def __init__(self, tell: Callable[[str], None], server: str, ca_file: str | None, allow_http: bool) -> None:
        # In this thread: a process that ends while another loads ssl can crash (Python 3.10, measured).
        import ssl  # noqa: F401
        import urllib.request  # noqa: F401

        self.finding: Token2goError | None = None
        self._over = False

        def run() -> None:
            try:
                probe(server, ca_file=ca_file, allow_http=allow_http)
            except Token2goError as error:
                self.finding = error
                if not self._over:
                    tell(f"from here, {error}")

        self._thread = threading.Thread(target=run, daemon=True, name="token2go-probe")
        if not is_loopback(urlsplit(server).hostname or ""):  # which was probed before the wait
            self._thread.start()

    def leave(self) -> None:
        """What is found from now on is not told. A probe that is about to end may do so."""
        self._over = True
        if self._thread.ident is not None:
            self._thread.join(0.2)
