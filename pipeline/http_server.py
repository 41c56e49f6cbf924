"""A uvicorn server that ends as soon as it is told to. Needs uvicorn, of the extras `serve` and `emulator`."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import uvicorn

# Seconds after which uvicorn looks what there is to do, such as to tell another time in its answers.
_TICK = 0.1


class HttpServer(uvicorn.Server):
    """uvicorn's server, without its pauses at the end: a fifth of a second in which it does nothing.

    What is being answered is finished first, as with uvicorn.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        self._ends = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        super().__init__(config)

    @property
    def should_exit(self) -> bool:
        """Whether it has been told to end. It can be set from any thread and from a handler of signals."""
        return self._ends

    @should_exit.setter
    def should_exit(self, ends: bool) -> None:
        self._ends = ends
        if ends and self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._woken.set)

    async def main_loop(self) -> None:
        """Serve until it is told to end."""
        self._loop = asyncio.get_running_loop()
        tick = 0
        while not await self.on_tick(tick):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _TICK)
            tick += 1

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close idle connections, then wait for those that are being answered."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)  # a closed connection leaves in the next turn of the loop
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
