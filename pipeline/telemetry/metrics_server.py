"""Serves metrics by HTTP, at `/metrics` only."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

from pipeline.errors import UsageError, printable, reason_of
from pipeline.telemetry.exposition import CONTENT_TYPE

# Seconds that a client may take to send its request.
_TIMEOUT = 10.0


@contextmanager
def listening(address: str, text: Callable[[], str]) -> Iterator[str]:
    """Serve `text` at `address` (`HOST:PORT`, `[HOST]:PORT`, `:PORT` on this machine only); yields the url.

    Raises:
        UsageError: it is not an address, or not one that can be listened on.
    """
    host, port = _parsed(address)
    try:
        family, _, _, _, bound = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        server = _Server(family, bound, text)
    except (OSError, OverflowError) as error:
        reason = reason_of(error)
        raise UsageError(f"--metrics {printable(address, 100)}: cannot listen there: {reason}") from None
    with server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            shown = f"[{host}]" if ":" in host else host
            yield f"http://{shown}:{server.server_address[1]}/metrics"
        finally:
            server.shutdown()
            thread.join()


def _parsed(address: str) -> tuple[str, int]:
    parts = urlsplit(f"//{address}" if not address.isdigit() else f"//:{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if port is None or "@" in parts.netloc or parts.path or parts.query or parts.fragment:
        raise UsageError(
            f"--metrics {printable(address, 100)}: expected HOST:PORT, or :PORT for this machine only"
        )
    return host or "127.0.0.1", port


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, family: int, address: tuple[object, ...], text: Callable[[], str]) -> None:
        self.address_family = family
        self.text = text
        super().__init__(address[:2], _Handler)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the client has disconnected; the run is not affected


class _Handler(BaseHTTPRequestHandler):
    timeout = _TIMEOUT
    server: _Server
    # Do not reveal the system or the version of Python.
    server_version, sys_version = "pipeline", ""

    def do_GET(self) -> None:
        self._respond(with_body=True)

    def do_HEAD(self) -> None:
        self._respond(with_body=False)

    def _respond(self, *, with_body: bool) -> None:
        if urlsplit(self.path).path != "/metrics":
            self.send_error(404)
            return
        body = self.server.text().encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass  # stderr is the run's
