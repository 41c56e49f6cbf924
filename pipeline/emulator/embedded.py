"""The emulator as a server: in a thread of this process, or as the whole of a command."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from types import TracebackType
from typing import TYPE_CHECKING, Self

import uvicorn

from pipeline.emulator.app import create_app
from pipeline.emulator.faultfile import read_rules
from pipeline.emulator.faults import FaultRules
from pipeline.emulator.raw_connection import RawAccessProtocol
from pipeline.emulator.webhook_sender import WebhookSender
from pipeline.emulator.workflow_store import WorkflowStore
from pipeline.errors import UsageError
from pipeline.http_server import HttpServer

if TYPE_CHECKING:
    from pipeline.emulator.ledger import Ledger
    from pipeline.emulator.settings import EmulatorSettings
    from pipeline.json_values import Json

LOOPBACK = "127.0.0.1"


class _Server(HttpServer):
    """A server that calls `on_ready` with its address once it accepts requests."""

    def __init__(
        self,
        store: WorkflowStore,
        faults: FaultRules,
        *,
        host: str,
        port: int,
        on_ready: Callable[[str], None],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(store, faults, host),
                host=host,
                port=port,
                http=RawAccessProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._on_ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")


class Emulator:
    """An emulator that runs within its `with`. Port 0 takes any free port. If given, `workers` make the media.

    Raises:
        UsageError: the port is not available.
        OSError: the folder cannot be used.
    """

    def __init__(self, settings: EmulatorSettings, port: int = 0, workers: Executor | None = None) -> None:
        self.settings = settings
        self._workers = workers
        self._port = port
        self._started = threading.Event()
        self._url = ""

    def __enter__(self) -> Self:
        self.store = WorkflowStore(self.settings, workers=self._workers)
        self.faults = FaultRules(self.settings.faults)
        self._webhooks = WebhookSender(self.store, self.faults)
        self._server = _Server(
            self.store, self.faults, host=LOOPBACK, port=self._port, on_ready=self._set_url
        )
        self._thread = threading.Thread(target=self._run, name="emulator", daemon=True)
        self._thread.start()
        self._started.wait()
        if not self._url:
            self.__exit__(None, None, None)
            raise UsageError(f"the emulator cannot listen on {LOOPBACK}:{self._port}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._webhooks.close()
        self.store.close()

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return self._url

    @property
    def ledger(self) -> Ledger:
        """The creates that arrived complete."""
        return self.store.ledger

    def fail(self, *rules: Json) -> None:
        """Add rules, in the form of a faults file: `fail({"on": "create", "nth": 2, "do": "html"})`.

        Raises:
            InvalidInput: one of them is invalid.
        """
        self.faults.add(read_rules(list(rules)))

    def clear_faults(self) -> None:
        """Remove all rules."""
        self.faults.set([])

    def _set_url(self, url: str) -> None:
        self._url = url
        self._started.set()

    def _run(self) -> None:
        try:
            self._server.run()
        except SystemExit:
            # uvicorn exits if the port is taken; `__enter__` raises the error.
            return
        finally:
            self._started.set()


def serve(host: str, port: int, settings: EmulatorSettings, on_ready: Callable[[str], None]) -> None:
    """Serve an emulator until interrupted; calls `on_ready` with its address once it accepts requests.

    Raises:
        UsageError: the port is not available.
        OSError: the folder cannot be used.
    """
    store = WorkflowStore(settings)
    faults = FaultRules(settings.faults)
    webhooks = WebhookSender(store, faults)
    try:
        _Server(store, faults, host=host, port=port, on_ready=on_ready).run()
    except SystemExit as error:
        raise UsageError(f"the emulator cannot listen on {host}:{port}") from error
    finally:
        webhooks.close()
        store.close()
