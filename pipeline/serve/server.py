"""The server of the live page: a whole command, or a thread of a run, which it never harms."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.routing import BaseRoute, Mount

from pipeline.errors import PipelineError, UsageError
from pipeline.operations.report import media_reader
from pipeline.operations.webhooks import keeping_receipts
from pipeline.operations.workspace import Workspace, cache_folder
from pipeline.report.stills import StillCache
from pipeline.serve.access import Access, ListenAddress, access_for
from pipeline.serve.app import create_app
from pipeline.serve.campaign_watch import CampaignWatch
from pipeline.serve.feed import Feed
from pipeline.serve.state_source import StateOfRun, StateOnDisk
from pipeline.serve.stills import Stills
from pipeline.serve.watcher import Watcher
from pipeline.webhooks.connection import BoundedProtocol

# Seconds that a run waits for its page to end; it ends without it, as nothing depends on it.
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Where to listen and who may do what. `by` is the reviewer's name. Beyond loopback `token_file` is needed."""

    address: ListenAddress
    token_file: Path | None = None
    read_only: bool = False
    by: str | None = None


class LivePage:
    """The live page of campaigns. `reopen` reads the manifest of each again when it has changed.

    A run that serves its own page is the `source`. `open_routes` need no token.

    Raises:
        InvalidInput: records of a campaign are wrong.
        UsageError: it may not be served there.
    """

    def __init__(
        self,
        workspaces: Sequence[Workspace],
        settings: ServeSettings,
        *,
        reopen: Callable[[int], Workspace] | None = None,
        source: StateOfRun | None = None,
        open_routes: Sequence[BaseRoute] = (),
    ) -> None:
        self._settings = settings
        self._source = source
        self.access: Access = access_for(settings.address, settings.token_file)
        reader = media_reader()
        campaigns = [
            CampaignWatch(
                workspace,
                number,
                Stills(StillCache(cache_folder(workspace.campaign.manifest.parent)), reader),
                source or StateOnDisk(workspace),
                None if reopen is None else _again(reopen, number),
            )
            for number, workspace in enumerate(workspaces)
        ]
        self.watcher = Watcher(
            campaigns,
            Feed(),
            can_decide=not settings.read_only,
            makes_stills=reader is not None,
        )
        self._app = create_app(self.watcher, self.access, by=settings.by, open_routes=open_routes)

    def serve(self, on_ready: Callable[[str], None]) -> None:
        """Serve until interrupted; `on_ready` is called with the address, token and all, once it answers.

        Raises:
            UsageError: the port cannot be had.
        """
        looking = threading.Thread(target=self.watcher.run, name="looking", daemon=True)
        looking.start()
        try:
            self._server(on_ready).run()
        except SystemExit as error:
            raise UsageError(
                f"--listen: {self._where} cannot be used: is something else listening there?"
            ) from error
        finally:
            self.watcher.stop()
            looking.join()

    @contextmanager
    def in_background(self) -> Iterator[str]:
        """Serve from a thread of its own while this lasts; gives the address, token and all.

        Raises:
            UsageError: the port cannot be had.
        """
        ready, url = threading.Event(), ""

        def on_ready(address: str) -> None:
            nonlocal url
            url = address
            ready.set()

        server = self._server(on_ready)

        def run() -> None:
            try:
                server.run()
            except SystemExit:
                return  # the port is taken, which is reported below
            finally:
                ready.set()

        threads = [
            threading.Thread(target=run, name="serve", daemon=True),
            threading.Thread(target=self.watcher.run, name="looking", daemon=True),
        ]
        for thread in threads:
            thread.start()
        ready.wait()
        try:
            if not url:
                raise UsageError(f"--serve: {self._where} cannot be used: is something else listening there?")
            yield url
        finally:
            if self._source is not None:
                self._source.end()
            with suppress(PipelineError, OSError):
                self.watcher.finish()
            server.should_exit = True
            self.watcher.stop()
            for thread in threads:
                thread.join(_PATIENCE)

    @property
    def _where(self) -> str:
        return f"{self._settings.address.host}:{self._settings.address.port}"

    def _server(self, on_ready: Callable[[str], None]) -> "_Server":
        address = self._settings.address

        def started(port: int) -> None:
            on_ready(f"{address.url(port)}/?token={self.access.token}")

        config = uvicorn.Config(
            self._app,
            host=address.host,
            port=address.port,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        return _Server(config, self.watcher, started)


def _again(reopen: Callable[[int], Workspace], number: int) -> Callable[[], Workspace]:
    return lambda: reopen(number)


class _Server(uvicorn.Server):
    """uvicorn's server, which reports its port once it answers, and ends the streams of events when it is to stop."""

    def __init__(self, config: uvicorn.Config, watcher: Watcher, on_ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._watcher = watcher
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready(self.servers[0].sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._watcher.feed.close()
        await super().shutdown(sockets)


def webhook_routes(workspaces: Iterable[Workspace], url: str) -> list[BaseRoute]:
    """The routes to what keeps the vendor's calls below `url`, with its path and without: a proxy may take that off.

    Raises:
        UsageError: the url, or the secret in the environment, is of no use.
        InvalidInput, Unfinished: the secret cannot be read or made.
    """
    application = keeping_receipts(workspaces, url)
    before = urlsplit(url).path.rstrip("/")
    return [Mount(f"{each}/hooks", app=application) for each in dict.fromkeys(("", before))]
