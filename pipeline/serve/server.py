"""The server of the live page: as a command, or in a thread of a run, which it never disturbs."""

from __future__ import annotations

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
from pipeline.http_server import HttpServer
from pipeline.operations.page_commands import folder_of_commands
from pipeline.operations.report import media_reader
from pipeline.operations.webhooks import keeping_receipts
from pipeline.operations.workspace import Workspace, cache_folder
from pipeline.report.stills import StillCache
from pipeline.serve.access import Access, ListenAddress, access_for
from pipeline.serve.all_parts import AllParts
from pipeline.serve.app import create_app
from pipeline.serve.campaign_watch import CampaignWatch
from pipeline.serve.feed import Feed
from pipeline.serve.state_source import StateOfRun, StateOnDisk
from pipeline.serve.stills import Stills
from pipeline.serve.watcher import Watcher
from pipeline.webhooks.connection import BoundedProtocol

# Seconds that a run waits for its page to end; then it ends anyway, since nothing depends on the page.
_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Where to listen, and who may do what. `by` is the reviewer's name. Beyond loopback, it needs a `token_file`."""

    address: ListenAddress
    token_file: Path | None = None
    read_only: bool = False
    by: str | None = None


class LivePage:
    """The live page of campaigns. `reopen` reads a manifest again when it has changed.

    `source` is given by a run that serves its own page. The vendor's calls below `webhook_url` are stored.

    Raises:
        InvalidInput: the records of a campaign, or the secret of its webhooks, are invalid.
        Unfinished: that secret cannot be read or made.
        UsageError: it may not be served at that address, or the url or its secret is invalid.
    """

    def __init__(
        self,
        workspaces: Sequence[Workspace],
        settings: ServeSettings,
        *,
        reopen: Callable[[int], Workspace] | None = None,
        source: StateOfRun | None = None,
        webhook_url: str | None = None,
    ) -> None:
        self._settings = settings
        self._source = source
        self.access: Access = access_for(settings.address, settings.token_file)
        reader = media_reader()
        commands_in = folder_of_commands([each.campaign.manifest for each in workspaces])
        campaigns = [
            CampaignWatch(
                workspace,
                number,
                Stills(StillCache(cache_folder(workspace.campaign.manifest.parent)), reader),
                AllParts(workspace, source or StateOnDisk(workspace, workspace.part)),
                None if reopen is None else _again(reopen, number),
                commands_in,
            )
            for number, workspace in enumerate(workspaces)
        ]
        self.watcher = Watcher(
            campaigns,
            Feed(),
            can_decide=not settings.read_only,
            makes_stills=reader is not None,
        )
        routes = webhook_routes(campaigns, webhook_url) if webhook_url else ()
        self._app = create_app(self.watcher, self.access, by=settings.by, open_routes=routes)

    @property
    def warnings(self) -> list[str]:
        """What to say before it is served: approvals that only results know."""
        return [lost for each in self.watcher.campaigns if (lost := each.lost_approvals) is not None]

    def serve(self, on_ready: Callable[[str], None]) -> None:
        """Serve until interrupted; `on_ready` is called with the address, including the token, once it answers.

        Raises:
            UsageError: the port cannot be used.
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
        """Serve in a separate thread within this context; yields the address, including the token.

        Raises:
            UsageError: the port cannot be used.
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
                return  # the port is in use, which is reported below
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
                thread.join(_TIMEOUT)

    @property
    def for_others(self) -> str:
        """How others open the page, if that is not at the address for this machine; else empty."""
        return self._settings.address.for_others

    @property
    def _where(self) -> str:
        return f"{self._settings.address.host}:{self._settings.address.port}"

    def _server(self, on_ready: Callable[[str], None]) -> _Server:
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


class _Server(HttpServer):
    """A server that reports its port once it answers, and ends the streams of events when it shuts down."""

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


def webhook_routes(campaigns: Iterable[CampaignWatch], url: str) -> list[BaseRoute]:
    """The routes that receive the vendor's calls below `url`, with and without its path: a proxy may remove that.

    Raises:
        UsageError: the URL, or the secret in the environment, is invalid.
        InvalidInput, Unfinished: the secret cannot be read or made.
    """
    application = keeping_receipts([(each.workspace, each.knows) for each in campaigns], url)
    before = urlsplit(url).path.rstrip("/")
    return [Mount(f"{each}/hooks", app=application) for each in dict.fromkeys(("", before))]
