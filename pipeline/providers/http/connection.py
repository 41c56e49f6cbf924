"""A connection that records how much of a request was sent, and enforces a deadline.

The library's exceptions cannot distinguish "never sent" from "processed": each class occurs in both cases. The number
of bytes that the kernel accepted can, so it is recorded here, below all code that catches, retries or renames
exceptions.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import create_connection

from pipeline.providers.http.final_response import FinalResponse

if TYPE_CHECKING:
    from pipeline.providers.address import Guard

_BLOCK = 1 << 16
# Of blocks, after the deadline.
_LATE_READS = 64


class Stage(IntEnum):
    """How much of a request was sent: nothing, a part, or everything that the kernel has (or may have) accepted."""

    UNSENT = 0
    SENDING = 1
    SENT = 2


class Transmission:
    """The progress of one request, and its deadline. Its connection updates it.

    `may_send` is called once it is connected, before the first byte is sent.
    """

    def __init__(self, may_send: Callable[[], bool] = lambda: True) -> None:
        self.may_send = may_send
        self.stage = Stage.UNSENT
        self._ends = time.monotonic()
        self._each_read: float | None = None

    def begin(self, seconds: float) -> None:
        """Set the deadline to `seconds` from now."""
        self._ends = time.monotonic() + seconds

    def lift_deadline(self, seconds: float) -> None:
        """Replace the deadline by a timeout of `seconds` for each read."""
        self._each_read = seconds

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self._each_read is None and time.monotonic() >= self._ends

    def remaining(self) -> float:
        """The timeout for the socket, in seconds; never 0, which would mean "do not wait"."""
        if self._each_read is not None:
            return self._each_read
        return max(self._ends - time.monotonic(), 0.001)


class Route:
    """State shared by the connections of one thread: the current request, and the guard of addresses.

    `target` is the request target, byte for byte: the library would normalize a url, and a signature covers its
    spelling. Without `keep_alive`, a connection carries one request.
    """

    def __init__(self, guard: Guard | None, *, keep_alive: bool = True) -> None:
        self.guard = guard
        self.keep_alive = keep_alive
        self.transmission = Transmission()
        self.target = "/"


class Connection(HTTPConnection):
    """A connection that records how much was sent, and connects only to allowed addresses."""

    def __init__(self, *args: Any, route: Route, **options: Any) -> None:
        super().__init__(*args, **options)
        self._route = route
        self._requesting = False
        self._uses = 0
        # The library calls this to make a response, from any object with `makefile`.
        self.response_class = self._make_response  # type: ignore[assignment]

    def _new_conn(self) -> socket.socket:
        guard = self._route.guard
        if guard is None:
            opened = super()._new_conn()
        elif self.proxy is not None:
            self._judge_behind_proxy(guard)
            opened = super()._new_conn()
        else:
            opened = self._connect_judged(guard)
        self._uses = 0
        # The deadline also covers what follows: a proxy's greeting, or TLS.
        opened.settimeout(self._route.transmission.remaining())
        return opened

    def _judge_behind_proxy(self, guard: Guard) -> None:
        # The proxy resolves the name, and often only it can; a name that resolves here is checked here.
        with suppress(OSError):
            guard.addresses(self._tunnel_host or self.host, self._tunnel_port, tls=True)

    def _connect_judged(self, guard: Guard) -> socket.socket:
        failure: OSError | None = None
        for address in guard.addresses(self.host, self.port, tls=isinstance(self, HTTPSConnection)):
            try:
                # Connect to the checked address: resolving the name again could return another. TLS still checks the
                # name.
                return create_connection(
                    (address, self.port or 0), self.timeout, socket_options=self.socket_options
                )
            except OSError as error:
                failure = error
        raise failure or OSError("no address")

    def request(self, method: str, url: str, *args: Any, **options: Any) -> None:
        del url
        self._requesting = True
        try:
            super().request(method, self._route.target, *args, **options)
        finally:
            self._requesting = False
        self._route.transmission.stage = Stage.SENT

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if not self._requesting:  # a CONNECT to a proxy is not the request itself
            super().send(data)
            return
        transmission = self._route.transmission
        if transmission.is_over:
            raise TimeoutError
        if transmission.stage is Stage.UNSENT:
            self._uses += 1
            if self._uses > 1 and not self._route.keep_alive:
                raise ConnectionError("a connection for one request was used again")
            if not transmission.may_send():
                raise ConnectionAbortedError("it may not be sent any more")
        # The library sends the headers, then the whole body. The body counts as sent before it is sent, because an
        # interrupt can arrive after the kernel has accepted the last byte, but before that is recorded here.
        transmission.stage = Stage.SENDING if transmission.stage is Stage.UNSENT else Stage.SENT
        try:
            self._send_within_deadline(memoryview(data))
        except OSError:
            transmission.stage = Stage.SENDING
            raise

    def _send_within_deadline(self, data: memoryview) -> None:
        # Piece by piece: with TLS, `sendall` would apply the whole timeout to each piece.
        while data:
            self.sock.settimeout(self._route.transmission.remaining())
            data = data[self.sock.send(data[:_BLOCK]) :]

    def _make_response(self, sock: Any, *args: Any, **options: Any) -> http.client.HTTPResponse:
        return FinalResponse(_Source(sock, self._route.transmission), *args, **options)  # type: ignore[arg-type]


class TlsConnection(Connection, HTTPSConnection):
    """A `Connection` over TLS."""


class _Source:
    """A socket to read a response from, with the remaining time as the timeout of each read.

    With a fixed timeout, a server that sends single bytes would never let a read time out.
    """

    def __init__(self, sock: socket.socket, transmission: Transmission) -> None:
        self._sock = sock
        self._transmission = transmission

    def makefile(self, mode: str) -> io.BufferedReader:
        raw = self._sock.makefile(mode, buffering=0)  # type: ignore[call-overload]
        return io.BufferedReader(_DeadlineReader(raw, self._sock, self._transmission), _BLOCK)


class _DeadlineReader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: socket.socket, transmission: Transmission) -> None:
        self._raw = raw
        self._sock = sock
        self._transmission = transmission
        self._late_reads = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._transmission.is_over:
            # What has arrived is still read, as this process may have been suspended; but not what a server keeps
            # sending.
            self._late_reads += 1
            if self._late_reads > _LATE_READS:
                raise TimeoutError
        self._sock.settimeout(self._transmission.remaining())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
