"""Connections of a live page: idle ones end, and their number is limited."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from support.processes import PATIENCE, until
from support.protection import fails_without

from pipeline.webhooks import connection
from pipeline.webhooks.connection import BoundedProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n"


async def hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


@contextmanager
def running_server() -> Iterator[int]:
    """A server of such connections; yields its port."""
    app = Starlette(routes=[Route("/", hello)])
    config = uvicorn.Config(app, port=0, http=BoundedProtocol, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "the server")
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(PATIENCE)


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


@pytest.mark.parametrize("said", [b"", REQUEST, REQUEST + b"\r\n" + REQUEST])
@fails_without(
    "pipeline.webhooks.connection:BoundedProtocol._wait_for_request", "self._ends = self.loop.call_later("
)
def test_incomplete_request_closes_its_connection(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.2)
    with running_server() as port, connected(port) as browser:
        browser.sendall(said)
        heard = b"".join(iter(lambda: browser.recv(4096), b""))
    assert heard.count(b"hello") == said.count(b"\r\n\r\n")


@fails_without("pipeline.webhooks.connection:BoundedProtocol.connection_made", "transport.abort()")
def test_connections_beyond_the_limit_are_closed_and_earlier_ones_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 3)
    with running_server() as port, ExitStack() as stack:
        first = [stack.enter_context(connected(port)) for _ in range(3)]
        for each in first:
            each.sendall(REQUEST)
        with connected(port) as late:
            assert _rest_of(late) == b""
        for each in first:
            each.sendall(b"Connection: close\r\n\r\n")
            assert _rest_of(each).endswith(b"hello")


def _rest_of(browser: socket.socket) -> bytes:
    try:
        return b"".join(iter(lambda: browser.recv(4096), b""))
    except ConnectionResetError:
        return b""
