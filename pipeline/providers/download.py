"""One file from the vendor's store to its place: whole and checked, or not at all.

Servers are not trusted: where they lead is judged at each hop, the key never goes there, and what they send
must be as long as they said and be the kind of media that was bought.
"""

import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

from pipeline.errors import printable
from pipeline.providers.address import AddressRefused, Guard, shown_url
from pipeline.providers.base import Downloaded, DownloadFailed, Media
from pipeline.providers.http.errors import TransportError
from pipeline.providers.http.transport import HttpRequest, StreamedResponse, Transport
from pipeline.providers.media import LONGEST_SIGNATURE, agrees, may_be_media, sniffed
from pipeline.providers.network import Network
from pipeline.providers.partial_file import PartialFile

log = logging.getLogger(__name__)

LARGEST_FILE = 5 << 30
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# A signed url that has expired: most stores say 403.
_GONE = frozenset({401, 403, 404, 410})
_BLOCK = 1 << 20
_SLOWEST = 1024  # bytes a second; a server that sends less is as good as silent


@dataclass
class MediaClient:
    """Fetches files over connections of its own, without the key. Safe to use from many threads.

    `timeout` is in seconds: for the headers, and for any stretch in which nearly nothing comes.
    """

    network: Network
    guard: Guard
    timeout: float
    largest: int = LARGEST_FILE
    _local: threading.local = field(default_factory=threading.local)

    def fetch(self, media: Media, target: Path) -> Downloaded:
        """Fetch `media` to `target`, going on from what came before.

        Raises:
            DownloadFailed: it did not come whole or must not be kept; the target is as it was.
        """
        try:
            fetched = self._fetch(media, PartialFile(target))
        except AddressRefused as error:
            raise DownloadFailed(str(error), lasting=True) from None
        except TransportError as error:
            raise DownloadFailed(f"{shown_url(media.url)}: {error}") from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DownloadFailed(f"{target.name} cannot be written: {reason}", lasting=True) from None
        if log.isEnabledFor(logging.DEBUG):
            log.debug("fetched %s: %d bytes", shown_url(media.url), fetched.bytes)
        return fetched

    def _fetch(self, media: Media, part: PartialFile) -> Downloaded:
        start, etag = part.progress()
        received = self._resumed(media, part, start, etag) if start else None
        if received is None:
            with self._get(media.url, {}) as response:
                _expect(response, 200, media.url)
                received = self._receive(response, part, 0, media)
        return _finished(part, media, received)

    def _resumed(self, media: Media, part: PartialFile, start: int, etag: str) -> "_Received | None":
        """Fetch what is missing; None if the server cannot go on from what is here, which is dropped."""
        asked = {"Range": f"bytes={start}-", "If-Range": etag}
        with self._get(media.url, asked) as response:
            if response.status == 200:  # another file by now, or a server without ranges: it begins anew
                return self._receive(response, part, 0, media)
            if response.status == 206 and _continues(response, start, etag):
                return self._receive(response, part, start, media)
            if response.status not in (206, 416):
                _expect(response, 206, media.url)
        part.discard()
        return None

    @contextmanager
    def _get(self, url: str, headers: dict[str, str]) -> Iterator[StreamedResponse]:
        for _ in range(_MOST_REDIRECTS + 1):
            self.guard.check(url)
            with self._transport.stream(
                HttpRequest("GET", url, headers), self.timeout, lift_deadline=True
            ) as response:
                if response.status not in _REDIRECTS:
                    yield response
                    return
                url = _next_url(url, response.headers.get("location", ""))
        raise DownloadFailed(f"{shown_url(url)}: more than {_MOST_REDIRECTS} redirects", lasting=True)

    @property
    def _transport(self) -> Transport:
        if not hasattr(self._local, "media"):
            self._local.media = Transport(self.network, self.guard)
        transport: Transport = self._local.media
        return transport

    def _receive(
        self, response: StreamedResponse, part: PartialFile, start: int, media: Media
    ) -> "_Received":
        """Write the body behind the `start` bytes that are here, and sync it."""
        length = self._check_promise(response, start, media)
        received = _Received()
        with part.open(start) as file:
            if start:
                received.take_up(part.path, start)
            for block in _steady(response.blocks(), self.timeout):
                received.add(block)
                if received.size > self.largest:
                    raise DownloadFailed(
                        f"{shown_url(media.url)} is larger than {self.largest:,} bytes", lasting=True
                    )
                file.write(block)
                # What comes in one piece is never gone on with.
                if received.size == len(block) != length:
                    part.save_etag(response.headers.get("etag", ""))
            file.flush()
            os.fsync(file.fileno())
        return received

    def _check_promise(self, response: StreamedResponse, start: int, media: Media) -> int | None:
        """Refuse by its headers what would be of no use once it is here; what is whole, in bytes, if that is told."""
        shown = shown_url(media.url)
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not may_be_media(content_type):
            raise DownloadFailed(f"{shown} is {printable(content_type, 60)}, not {media.content_type}")
        if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            raise DownloadFailed(f"{shown} comes compressed, though that was not asked for")
        if not response.has_end and media.size is None:
            raise DownloadFailed(f"{shown} comes without a length, so nobody could tell whether it is whole")
        length = response.headers.get("content-length", "")
        if not re.fullmatch(r"[0-9]{1,18}", length):
            return None
        size = start + int(length)
        if size > self.largest:
            raise DownloadFailed(f"{shown} is {size:,} bytes, which is too large", lasting=True)
        if media.size is not None and size != media.size:
            raise DownloadFailed(f"{shown} is {size:,} bytes, the vendor said {media.size:,}")
        return size


def _expect(response: StreamedResponse, status: int, url: str) -> None:
    if response.status != status:
        raise DownloadFailed(f"{shown_url(url)}: HTTP {response.status}", expired=response.status in _GONE)


def _continues(response: StreamedResponse, start: int, etag: str) -> bool:
    """Whether a 206 holds all that follows the first `start` bytes, of the same file."""
    found = re.fullmatch(
        r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", response.headers.get("content-range", "")
    )
    if not found or int(found[1]) != start:
        return False
    to_the_end = found[3] == "*" or int(found[2]) == int(found[3]) - 1
    return to_the_end and response.headers.get("etag", etag) == etag


def _next_url(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise AddressRefused(f"{shown_url(url)} leads on to no sound url") from None


def _steady(blocks: Iterable[bytes], timeout: float) -> Iterator[bytes]:
    """The blocks, as long as they come fast enough to be worth the wait."""
    since, came = time.monotonic(), 0
    for block in blocks:
        came += len(block)
        yield block
        now = time.monotonic()
        if now - since >= timeout:
            if came < _SLOWEST * timeout:
                raise TransportError("it comes too slowly")
            since, came = now, 0


class _Received:
    """What is known of a file's bytes as they come: how many, the first of them, and their hash."""

    def __init__(self) -> None:
        self.size = 0
        self.head = b""
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def add(self, block: bytes) -> None:
        self.size += len(block)
        self._digest.update(block)
        if len(self.head) < LONGEST_SIGNATURE:
            self.head = (self.head + block)[:LONGEST_SIGNATURE]

    def take_up(self, path: Path, size: int) -> None:
        """Add the first `size` bytes of a file, which came before."""
        with path.open("rb") as file:
            while size > 0 and (block := file.read(min(size, _BLOCK))):
                self.add(block)
                size -= len(block)


def _finished(part: PartialFile, media: Media, received: _Received) -> Downloaded:
    """Judge the whole file by its own bytes, and put it in its place."""
    shown, size = shown_url(media.url), received.size
    content_type = sniffed(received.head, media.content_type)
    problem = None
    if media.size is not None and size != media.size:
        problem = f"is {size:,} bytes, the vendor said {media.size:,}"
    elif content_type is None:
        problem = "is empty" if size == 0 else "is no image, video or sound of a kind that is known"
    elif not agrees(content_type, media.content_type):
        problem = f"is {content_type}, the vendor said {printable(media.content_type, 60)}"
    if problem is not None or content_type is None:
        part.discard()
        raise DownloadFailed(f"{shown} {problem}")
    part.finish()
    return Downloaded(received.sha256, size, content_type)
