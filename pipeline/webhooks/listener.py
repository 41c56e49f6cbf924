"""A server for the vendor's webhook calls during a run. Needs the extra `serve` (uvicorn)."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

import uvicorn

from pipeline.errors import UsageError
from pipeline.http_server import HttpServer
from pipeline.webhooks.connection import BoundedProtocol

if TYPE_CHECKING:
    from pipeline.webhooks.receiver import Application


class _Server(HttpServer):
    """A server that reports when it is ready, and on which port."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self.port = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.port = self.servers[0].sockets[0].getsockname()[1]
        self.ready.set()


class Listener:
    """Serves `application` at `host` and `port` in its own thread, during its `with` block. Port 0: any free port.

    Raises:
        UsageError: it cannot listen at this address.
    """

    def __init__(self, application: Application, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._server = _Server(
            uvicorn.Config(
                application,
                host=host,
                port=port,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                http=BoundedProtocol,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server.ready.wait()
        if not self._server.port:
            self._thread.join()
            raise UsageError(f"--webhook-listen: nothing can listen on {self._host}:{self._port}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.port

    def _run(self) -> None:
        try:
            self._server.run()
        except SystemExit:
            return  # uvicorn exits if the address is taken; `__enter__` reports that
        finally:
            self._server.ready.set()


def address_of(text: str) -> tuple[str, int]:
    """Host and port from `HOST:PORT`, or from `PORT` alone, which means this machine.

    Raises:
        UsageError: it is neither.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port.isascii() or not port.isdecimal() or int(port) > 65_535 or " " in host:
        raise UsageError(f"--webhook-listen {text!r}: expected HOST:PORT, such as 127.0.0.1:8700")
    return host, int(port)
