"""A connection that notes how far a request's bytes went.

The library's exceptions cannot tell "never sent" from "processed": each class occurs in both. What can is how
many bytes the kernel took, so it is noted here, below everything that catches, retries or renames exceptions.
"""

import socket
import time
from contextlib import suppress
from enum import IntEnum
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import create_connection

from pipeline.providers.address import Guard


class Stage(IntEnum):
    """How far the bytes of a request went: none left, some left, all are (or may be) with the kernel."""

    UNSENT = 0
    SENDING = 1
    SENT = 2


class Transmission:
    """How far one request has come. Written by its connection, read by who must know what was sent."""

    def __init__(self) -> None:
        self.stage = Stage.UNSENT
        self.expired = False
        self.socket: socket.socket | None = None
        self._ends = time.monotonic()

    def begin(self, seconds: float) -> None:
        """The clock runs; the deadline is `seconds` from now."""
        self._ends = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds until the deadline; never 0, which a socket would take for "do not wait"."""
        return max(self._ends - time.monotonic(), 0.001)

    def cut(self) -> None:
        """End it from another thread: whoever reads or writes wakes up with an error."""
        self.expired = True
        if self.socket is not None:
            with suppress(OSError):  # it is closed already
                # That of SSLSocket would take its state away from the thread that is using it.
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


class Route:
    """What the connections of one thread have in common: the request under way, and who judges addresses."""

    def __init__(self, guard: Guard | None) -> None:
        self.guard = guard
        self.transmission = Transmission()


class Connection(HTTPConnection):
    """A connection that notes how far the bytes went, and goes to judged addresses only."""

    def __init__(self, *args: Any, route: Route, **options: Any) -> None:
        super().__init__(*args, **options)
        self._route = route
        self._requesting = False

    def _new_conn(self) -> socket.socket:
        guard = self._route.guard
        if guard is None:
            opened = super()._new_conn()
        elif self.proxy is not None:
            self._judge_behind_proxy(guard)
            opened = super()._new_conn()
        else:
            opened = self._connect_judged(guard)
        self._route.transmission.socket = opened
        return opened

    def _judge_behind_proxy(self, guard: Guard) -> None:
        # It is the proxy that resolves, and often nobody else can; what can be resolved here is judged here.
        with suppress(OSError):
            guard.addresses(self._tunnel_host or self.host, self._tunnel_port, tls=True)

    def _connect_judged(self, guard: Guard) -> socket.socket:
        failure: OSError | None = None
        for address in guard.addresses(self.host, self.port, tls=isinstance(self, HTTPSConnection)):
            try:
                # The address, as to resolve the name again could lead elsewhere. TLS still checks the name.
                return create_connection(
                    (address, self.port or 0), self.timeout, socket_options=self.socket_options
                )
            except OSError as error:
                failure = error
        raise failure or OSError("no address")

    def request(self, *args: Any, **options: Any) -> None:
        self._requesting = True
        try:
            super().request(*args, **options)
        finally:
            self._requesting = False
        self._route.transmission.stage = Stage.SENT

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if not self._requesting:  # a proxy's CONNECT is not our request
            super().send(data)
            return
        transmission = self._route.transmission
        transmission.socket = self.sock
        if transmission.expired:
            raise TimeoutError
        self.sock.settimeout(transmission.remaining())
        # First the headers, then the body as a whole. What may be the last byte counts as sent before it
        # goes, as an interrupt can strike between the kernel's taking it and our noting it.
        transmission.stage = Stage.SENDING if transmission.stage is Stage.UNSENT else Stage.SENT
        try:
            super().send(data)
        except OSError:
            transmission.stage = Stage.SENDING
            raise


class TlsConnection(Connection, HTTPSConnection):
    """The same over TLS."""
