"""A connection that notes how far a request's bytes went, and keeps to a deadline.

The library's exceptions cannot distinguish "never sent" from "processed": each class occurs in both. What can is how
many bytes the kernel took, so it is noted here, below everything that catches, retries or renames exceptions.
"""

import http.client
import io
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import create_connection

from pipeline.providers.address import Guard

_BLOCK = 1 << 16
_MOST_INFORMATIONAL = 100


class Stage(IntEnum):
    """How far the bytes of a request went: none left, some left, all are (or may be) with the kernel."""

    UNSENT = 0
    SENDING = 1
    SENT = 2


class Transmission:
    """How far one request has got, and its deadline. Written by its connection.

    `may_send` is asked when it is connected, before the first byte.
    """

    def __init__(self, may_send: Callable[[], bool] = lambda: True) -> None:
        self.may_send = may_send
        self.stage = Stage.UNSENT
        self._ends = time.monotonic()
        self._each_read: float | None = None

    def begin(self, seconds: float) -> None:
        """The clock runs; the deadline is `seconds` from now."""
        self._ends = time.monotonic() + seconds

    def lift_deadline(self, seconds: float) -> None:
        """From now on there is no deadline for all of it, but `seconds` for each read."""
        self._each_read = seconds

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self._each_read is None and time.monotonic() >= self._ends

    def remaining(self) -> float:
        """Seconds that the socket may take; never 0, which it would take for "do not wait"."""
        if self._each_read is not None:
            return self._each_read
        return max(self._ends - time.monotonic(), 0.001)


class Route:
    """State shared by the connections of one thread: the request under way, and the guard of addresses.

    `target` is what is asked for, byte for byte: the library would respell a url, and a signature is of the
    spelling. Without `keep_alive` a connection carries one request.
    """

    def __init__(self, guard: Guard | None, *, keep_alive: bool = True) -> None:
        self.guard = guard
        self.keep_alive = keep_alive
        self.transmission = Transmission()
        self.target = "/"


class Connection(HTTPConnection):
    """A connection that notes how far the bytes went, and goes to judged addresses only."""

    def __init__(self, *args: Any, route: Route, **options: Any) -> None:
        super().__init__(*args, **options)
        self._route = route
        self._requesting = False
        self._uses = 0
        # The library makes a response by what stands here, of any socket that gives a file to read from.
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
        # What follows, a proxy's greeting or TLS, ends with the deadline too.
        opened.settimeout(self._route.transmission.remaining())
        return opened

    def _judge_behind_proxy(self, guard: Guard) -> None:
        # The proxy resolves, and often only it can; what can be resolved here is checked here.
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
        if not self._requesting:  # a proxy's CONNECT is not our request
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
        # First the headers, then the body as a whole. What may be the last byte counts as sent before it
        # goes, as an interrupt can strike between the kernel's taking it and our noting it.
        transmission.stage = Stage.SENDING if transmission.stage is Stage.UNSENT else Stage.SENT
        try:
            self._send_within_deadline(memoryview(data))
        except OSError:
            transmission.stage = Stage.SENDING
            raise

    def _send_within_deadline(self, data: memoryview) -> None:
        # Piece by piece, as with TLS `sendall` gives each of its pieces the whole time.
        while data:
            self.sock.settimeout(self._route.transmission.remaining())
            data = data[self.sock.send(data[:_BLOCK]) :]

    def _make_response(self, sock: Any, *args: Any, **options: Any) -> http.client.HTTPResponse:
        return _FinalResponse(_Source(sock, self._route.transmission), *args, **options)  # type: ignore[arg-type]


class _FinalResponse(http.client.HTTPResponse):
    """The answer that counts: the library takes the first one, if only 100 is skipped."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MOST_INFORMATIONAL):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200 or status == http.client.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("endless informational answers")


class TlsConnection(Connection, HTTPSConnection):
    """As the class above, over TLS."""


class _Source:
    """A socket to read a response from, each read only as long as there is time.

    A server that drips bytes never lets a read time out by itself.
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

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._transmission.remaining())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
