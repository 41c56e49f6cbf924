import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from support.processes import PATIENCE

from pipeline import http_server
from pipeline.http_server import HttpServer


class App:
    """It answers once it may."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Event(), threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.set()
        await asyncio.to_thread(self.may_answer.wait, PATIENCE)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})


@contextmanager
def served(app: App) -> Iterator[tuple[HttpServer, threading.Thread]]:
    server = HttpServer(uvicorn.Config(app, port=0, ws="none", lifespan="off", log_config=None))
    started = threading.Event()
    tick = server.on_tick

    async def on_tick(counter: int) -> bool:
        started.set()
        return await tick(counter)

    server.on_tick = on_tick  # type: ignore[method-assign] # to hear that it has started
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(PATIENCE)
    yield server, thread
    server.should_exit = True
    app.may_answer.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def connection(server: HttpServer) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1], timeout=PATIENCE)


def test_idle_server_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "_TICK", 10 * PATIENCE)
    slept: list[float] = []
    sleep = asyncio.sleep

    async def sleeping(seconds: float) -> None:
        slept.append(seconds)
        await sleep(seconds)

    app = App()
    with served(app) as (server, thread):
        client = connection(server)
        client.request("GET", "/")
        app.may_answer.set()
        client.getresponse().read()
        monkeypatch.setattr(asyncio, "sleep", sleeping)

        server.should_exit = True  # while the client stays connected
        thread.join(PATIENCE)

        assert not thread.is_alive()
        assert set(slept) == {0}
        client.close()


def test_answer_under_way_is_finished() -> None:
    app = App()
    with served(app) as (server, _):
        client = connection(server)
        client.request("GET", "/")
        assert app.asked.wait(PATIENCE)

        server.should_exit = True
        app.may_answer.set()

        assert client.getresponse().read() == b"done"
        client.close()
