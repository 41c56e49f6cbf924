"""Sends one request and reads its response, with the connection pools of the HTTP library."""

import logging
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from urllib.parse import quote

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, PoolManager, Timeout
from urllib3.util.ssl_ import create_urllib3_context

from pipeline.errors import UsageError
from pipeline.providers.address import AddressRefused, Guard
from pipeline.providers.api_settings import Network
from pipeline.providers.http.coding import Decoded, coding_of, is_chunked
from pipeline.providers.http.connection import Connection, Route, TlsConnection, Transmission
from pipeline.providers.http.errors import TransportError, reason_for

# Its log messages contain complete urls, and a signed url is a secret.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

LARGEST_RESPONSE = 1 << 20
# Many stores reject a request without a user agent.
USER_AGENT = "campaign-pipeline"
_BLOCK = 1 << 16
# White space and byte order marks, also of UTF-16 and UTF-32.
_BEFORE_JSON = b" \t\r\n\0\xef\xbb\xbf\xfe\xff"
# Extra time for a large body, at the speed of the slowest usable connection, in bytes a second.
_SLOWEST_UPLOAD = 128 * 1024


# The characters that a url may contain unescaped.
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


class Ending(Enum):
    """How a response ended: complete, cut off, or not read further because it is too long.

    `OPEN` had no length, so only its content can show whether it is complete.
    """

    WHOLE = "whole"
    OPEN = "open"
    CUT = "cut"
    CAPPED = "capped"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, with its headers as they are sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """A response. Header names are lowercase; `body` is at most `LARGEST_RESPONSE` bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ending: Ending


class StreamedResponse:
    """A response whose headers were read, and whose body is still to be read.

    `coding` is the compression that they name; `has_end`: they show where the body ends.
    """

    def __init__(self, response: BaseHTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        transfer = response.headers.get("transfer-encoding", "")
        self.coding = coding_of(response.headers.get("content-encoding", ""), transfer)
        # The library reads a length only if it is a number, and 0 for a status that never has a body.
        self.has_end = is_chunked(transfer) or response.length_remaining is not None

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            TransportError: it was cut off.
        """
        try:
            while block := self._response.read1(_BLOCK, decode_content=False):
                yield block
        except Exception as error:  # noqa: BLE001 - whatever the library raises, the response is incomplete
            raise TransportError(reason_for(error)) from None

    def read(self) -> Response:
        """Read the body to its end, or to where it is cut off, but no further than `LARGEST_RESPONSE`."""
        body = bytearray()
        ending = Ending.WHOLE if self.has_end else Ending.OPEN
        try:
            # Some servers compress without declaring it; gzip is recognized by its first bytes.
            coding = coding_of("gzip, gzip", self.coding or "")
            for block in Decoded(self.blocks(), coding, _is_json):
                body += block
                if len(body) > LARGEST_RESPONSE:
                    ending = Ending.CAPPED
                    break
        except TransportError:
            ending = Ending.CUT
        return Response(
            status=self.status,
            headers=self.headers,
            body=_in_utf8(bytes(body[:LARGEST_RESPONSE]), self.headers.get("content-type", "")),
            ending=ending,
        )


class Transport:
    """Sends requests for one thread: no retries, no redirects, no cookies, nothing from the environment.

    It uses the HTTP library's connection pools without its session, which would add all of these. `guard` decides
    which addresses are allowed; None allows all. Without `keep_alive`, each request has its own connection.
    """

    def __init__(self, network: Network, guard: Guard | None = None, *, keep_alive: bool = True) -> None:
        self._network = network
        self._route = Route(guard, keep_alive=keep_alive)
        self._adapter = HTTPAdapter(max_retries=0)
        self._pools: dict[str, HTTPConnectionPool] = {}

    def request(
        self, request: HttpRequest, timeout: float, transmission: Transmission | None = None
    ) -> Response:
        """Send `request` once and read the response, all within `timeout` seconds (longer for a large body).

        Raises:
            TransportError: no headers arrived; `transmission` tells how much of the request was sent.
        """
        with self.stream(request, timeout, transmission) as response:
            return response.read()

    @contextmanager
    def stream(
        self,
        request: HttpRequest,
        timeout: float,
        transmission: Transmission | None = None,
        *,
        lift_deadline: bool = False,
    ) -> Iterator[StreamedResponse]:
        """Send `request` once and yield the response with its body unread.

        The deadline applies until the block ends; with `lift_deadline`, until the headers have arrived, and then to
        each read.

        Raises:
            TransportError: no headers arrived.
            AddressRefused: the guard does not allow the address.
            UsageError: a proxy or a bundle of certificates that is needed cannot be used.
        """
        self._route.transmission = transmission = transmission or Transmission()
        transmission.begin(timeout + len(request.body) / _SLOWEST_UPLOAD)
        response = self._send(request, timeout, transmission)
        connection = response.connection
        if lift_deadline:
            transmission.lift_deadline(timeout)
        try:
            yield StreamedResponse(response)
        finally:
            # If the body was read to its end, the connection is back in its pool; otherwise it cannot be reused.
            response.close()
            response.release_conn()
            if connection is not None and not self._route.keep_alive:
                connection.close()

    def _send(self, request: HttpRequest, timeout: float, transmission: Transmission) -> BaseHTTPResponse:
        origin, target = _split(request.url)
        try:
            pool = self._pools.get(origin) or self._open_pool(origin)
            is_forwarded = pool.proxy is not None and pool.scheme == "http"
            self._route.target = f"{origin}{target}" if is_forwarded else target
            return pool.urlopen(
                request.method,
                f"{origin}/" if is_forwarded else "/",
                body=request.body or None,
                headers={"Accept-Encoding": "identity", "User-Agent": USER_AGENT, **request.headers},
                retries=False,
                redirect=False,
                timeout=Timeout(connect=timeout, read=timeout),
                preload_content=False,
                decode_content=False,
            )
        except (AddressRefused, UsageError):
            raise
        except Exception as error:  # noqa: BLE001 - the outcome never depends on which exception the library raises
            raise TransportError(reason_for(TimeoutError() if transmission.is_over else error)) from None

    def _open_pool(self, origin: str) -> HTTPConnectionPool:
        tls = None if origin.startswith("http:") else {"ssl_context": tls_context(self._network.trusted())}
        manager = self._manager(self._network.proxy_for(origin))
        pool: HTTPConnectionPool = manager.connection_from_url(origin, pool_kwargs=tls)
        pool.ConnectionCls = TlsConnection if pool.scheme == "https" else Connection
        pool.conn_kw["route"] = self._route
        self._pools[origin] = pool
        return pool

    def _manager(self, proxy: str | None) -> PoolManager:
        if proxy is None:
            manager: PoolManager = self._adapter.poolmanager
        elif proxy.startswith("https:"):
            tls = tls_context(self._network.trusted())
            manager = self._adapter.proxy_manager_for(proxy, proxy_ssl_context=tls)
        else:
            manager = self._adapter.proxy_manager_for(proxy)
        return manager


def _split(url: str) -> tuple[str, str]:
    """The origin of `url`, and the request target, unchanged except for characters that no request can contain."""
    start = url.find("://") + 3
    end = next((index for index in range(start, len(url)) if url[index] in "/?#"), len(url))
    target = quote(url[end:].partition("#")[0], safe=PRINTABLE, errors="replace")
    return url[:end].lower(), target if target.startswith("/") else f"/{target}"


def _in_utf8(body: bytes, content_type: str) -> bytes:
    """The body in UTF-8, converted if its header names another charset."""
    charset = re.search(r"charset\s*=\s*[\"']?([A-Za-z0-9._-]{1,40})", content_type, re.IGNORECASE)
    if charset is None or charset[1].lower() in ("utf-8", "utf8"):
        return body
    try:
        return body.decode(charset[1]).encode()
    except (LookupError, ValueError):
        return body


def _is_json(first: bytes) -> bool:
    return first.lstrip(_BEFORE_JSON)[:1] in (b"{", b"[")


@lru_cache
def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """The TLS context, shared by all connections: loading the certificates takes longer than a handshake."""
    context = create_urllib3_context()
    bundle = ca_bundle or DEFAULT_CA_BUNDLE_PATH
    is_folder = os.path.isdir(bundle)  # noqa: PTH112 - pathlib raises for some invalid paths
    context.load_verify_locations(None if is_folder else bundle, bundle if is_folder else None)
    return context
