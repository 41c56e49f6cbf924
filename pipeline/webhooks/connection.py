"""Limits idle and concurrent connections: each takes one of the open files that the serving run may have."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

# More than connected browsers need, but few enough to leave a run enough files to open.
MAX_CONNECTIONS = 256
# Seconds for the request line and headers, counted from the connection or from the last response.
HEADER_SECONDS = 10.0


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with a timeout for each request, and a limit on connections.

    uvicorn's own timeout starts only after the first response, and ends with the first byte of the next request.
    """

    _ends: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_waiting():
            self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_waiting() and not self.transport.is_closing():
            self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_waiting(self) -> bool:
        # None before the first request, despite uvicorn's annotation.
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    def _wait_for_request(self) -> None:
        self._stop_waiting()
        self._ends = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None

    def _give_up(self) -> None:
        if self._is_waiting():
            self.transport.close()
