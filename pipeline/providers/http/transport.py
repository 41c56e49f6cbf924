"""One request, one answer, over the HTTP library's adapter."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool

from pipeline.providers.address import AddressRefused, Guard
from pipeline.providers.http.connection import Connection, Route, TlsConnection, Transmission
from pipeline.providers.http.errors import TransportError, reason_for
from pipeline.providers.network import Network

# What it logs holds whole urls, and a signed url is a secret.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

LARGEST_RESPONSE = 1 << 20
_BLOCK = 1 << 16
# A large body may take longer than a call that asks a question: no line that is of use is slower than this.
_SLOWEST_UPLOAD = 128 * 1024


class Ending(Enum):
    """How an answer ended: whole, cut off on its way, or left unread by us as it is too long.

    `OPEN` came without a length, so only its own content can tell whether it is whole.
    """

    WHOLE = "whole"
    OPEN = "open"
    CUT = "cut"
    CAPPED = "capped"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request: what is sent, with headers as they are."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. Names of headers are in small letters; `body` is at most `LARGEST_RESPONSE`."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ending: Ending


class StreamedResponse:
    """An answer whose headers are here and whose body is still to be read."""

    def __init__(self, response: BaseHTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self.has_end = (
            "content-length" in self.headers
            or "chunked" in self.headers.get("transfer-encoding", "").lower()
            or self.status in (204, 304)
        )

    def blocks(self) -> Iterator[bytes]:
        """The body as it comes.

        Raises:
            TransportError: it was cut off.
        """
        try:
            while block := self._response.read1(_BLOCK, decode_content=False):
                yield block
        except Exception as error:  # noqa: BLE001 - whatever the library raises, the answer did not come whole
            raise TransportError(reason_for(error)) from None

    def read(self) -> Response:
        """All of it, read as far as it comes and no further than `LARGEST_RESPONSE`."""
        body = bytearray()
        ending = Ending.WHOLE if self.has_end else Ending.OPEN
        try:
            for block in self.blocks():
                body += block
                if len(body) > LARGEST_RESPONSE:
                    ending = Ending.CAPPED
                    break
        except TransportError:
            ending = Ending.CUT
        return Response(self.status, self.headers, bytes(body[:LARGEST_RESPONSE]), ending)


class Transport(HTTPAdapter):
    """A way to servers for one thread: no retries, no redirects, no cookies, nothing from the environment.

    An adapter alone, without the session that would add all of these. `guard` judges where it may go; None
    lets it go anywhere.
    """

    def __init__(self, network: Network, guard: Guard | None = None) -> None:
        self._network = network
        self._route = Route(guard)
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(*args, **options)
        if not isinstance(pool, HTTPConnectionPool):
            raise TypeError(type(pool))
        pool.ConnectionCls = TlsConnection if pool.scheme == "https" else Connection
        pool.conn_kw["route"] = self._route
        return pool

    def request(
        self, call: HttpRequest, timeout: float, transmission: Transmission | None = None
    ) -> Response:
        """Send `call` once and read the answer, all within `timeout` seconds (longer for a large body).

        Raises:
            TransportError: no headers came; `transmission` tells how far the request went.
        """
        with self.stream(call, timeout, transmission) as response:
            return response.read()

    @contextmanager
    def stream(
        self,
        call: HttpRequest,
        timeout: float,
        transmission: Transmission | None = None,
        *,
        streamed: bool = False,
    ) -> Iterator[StreamedResponse]:
        """Send `call` once and give the answer with its body unread.

        The deadline holds until the block ends; if `streamed`, until the headers are here.

        Raises:
            TransportError: no headers came.
            AddressRefused: the guard forbids to go there.
        """
        seconds = timeout + len(call.body) / _SLOWEST_UPLOAD
        self._route.transmission = transmission = transmission or Transmission()
        transmission.begin(seconds)
        with _deadline(transmission, seconds) as lift:
            response = self._send(call, timeout, transmission)
            if streamed:
                lift()
            try:
                yield StreamedResponse(response)
            finally:
                # Read to its end, the connection went back by itself; otherwise it is of no more use.
                response.close()
                response.release_conn()

    def _send(self, call: HttpRequest, timeout: float, transmission: Transmission) -> BaseHTTPResponse:
        request = requests.Request(
            call.method,
            call.url,
            headers={"Accept-Encoding": "identity", **call.headers},
            data=call.body or None,
        )
        proxy = self._network.proxy_for(call.url)
        try:
            response = self.send(
                request.prepare(),
                stream=True,
                timeout=(timeout, timeout),
                verify=self._network.ca_bundle or True,
                proxies={"all": proxy} if proxy else {},
            )
        except AddressRefused:
            raise
        except Exception as error:  # noqa: BLE001 - the outcome never depends on what the library raises
            # Where our deadline hung up, the library finds the connection closed.
            raise TransportError(reason_for(TimeoutError() if transmission.expired else error)) from None
        raw: BaseHTTPResponse = response.raw
        return raw


@contextmanager
def _deadline(transmission: Transmission, seconds: float) -> Iterator[Callable[[], None]]:
    """Cut what is not done after `seconds`, unless the function that is given lifts the deadline before.

    A server that drips bytes never lets a read time out, so it takes another thread to end it.
    """
    lifted = threading.Event()
    lock = threading.Lock()

    def expire() -> None:
        with lock:  # the connection may serve the next call by now
            if not lifted.is_set():
                transmission.cut()

    def lift() -> None:
        timer.cancel()
        with lock:
            lifted.set()

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield lift
    finally:
        lift()
