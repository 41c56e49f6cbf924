"""The emulator in this process, in a thread of its own, or as the whole of a command."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import uvicorn

from pipeline.emulator.connection import OpenProtocol
from pipeline.emulator.faultfile import read_rules
from pipeline.emulator.faults import Faults
from pipeline.emulator.ledger import Ledger
from pipeline.emulator.server import create_app
from pipeline.emulator.settings import Settings
from pipeline.emulator.webhooks import Postman
from pipeline.emulator.work import Work
from pipeline.errors import UsageError
from pipeline.jobs import Json

LOOPBACK = "127.0.0.1"


class _Server(uvicorn.Server):
    """uvicorn's server, which tells when it answers and on which port."""

    def __init__(
        self, work: Work, faults: Faults, host: str, port: int, ready: Callable[[str], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(work, faults),
                host=host,
                port=port,
                http=OpenProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")


class Emulator:
    """An emulator over `settings`, alive within its `with`. Port 0 takes any that is free.

    Raises:
        UsageError: the port cannot be had.
        OSError: the folder cannot be used.
    """

    def __init__(self, settings: Settings, port: int = 0) -> None:
        self.settings = settings
        self._port = port
        self._answers = threading.Event()
        self._url = ""

    def __enter__(self) -> Self:
        self.work = Work(self.settings)
        self.faults = Faults(self.settings.faults)
        self._postman = Postman(self.work, self.faults)
        self._server = _Server(self.work, self.faults, LOOPBACK, self._port, self._is_ready)
        self._thread = threading.Thread(target=self._run, name="emulator", daemon=True)
        self._thread.start()
        self._answers.wait()
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
        self._postman.close()
        self.work.close()

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return self._url

    @property
    def ledger(self) -> Ledger:
        """All creates that arrived whole."""
        return self.work.ledger

    def fail(self, *rules: Json) -> None:
        """Add rules, in the form of a faults file: `fail({"on": "create", "nth": 2, "do": "html"})`.

        Raises:
            InvalidInput: one cannot be understood.
        """
        self.faults.add(read_rules(list(rules)))

    def heal(self) -> None:
        """Take all rules away."""
        self.faults.set([])

    def _is_ready(self, url: str) -> None:
        self._url = url
        self._answers.set()

    def _run(self) -> None:
        try:
            self._server.run()
        except SystemExit:
            # uvicorn's word for a port that is taken; `__enter__` says it better.
            return
        finally:
            self._answers.set()


def serve(host: str, port: int, settings: Settings, on_ready: Callable[[str], None]) -> None:
    """Be an emulator until interrupted; `on_ready` gets the address once it answers.

    Raises:
        UsageError: the port cannot be had.
        OSError: the folder cannot be used.
    """
    work = Work(settings)
    faults = Faults(settings.faults)
    postman = Postman(work, faults)
    try:
        _Server(work, faults, host, port, on_ready).run()
    except SystemExit as error:
        raise UsageError(f"the emulator cannot listen on {host}:{port}") from error
    finally:
        postman.close()
        work.close()
