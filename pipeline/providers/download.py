"""Downloads one file from the vendor's store, complete and checked, or not at all.

Servers are not trusted: each redirect is checked, the key is never sent to them, and a file must have the promised
length and the kind of media that was bought.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urljoin

from pipeline.errors import UsageError, printable
from pipeline.providers.address import AddressRefused, Guard, shown_url
from pipeline.providers.api_settings import Network
from pipeline.providers.base import Downloaded, DownloadFailed, Media
from pipeline.providers.http.coding import Decoded
from pipeline.providers.http.content_range import content_range
from pipeline.providers.http.errors import TransportError
from pipeline.providers.http.transport import PRINTABLE, HttpRequest, StreamedResponse, Transport
from pipeline.providers.media import LONGEST_SIGNATURE, sniffed, type_of
from pipeline.providers.partial_file import PartialFile
from pipeline.providers.responses import seconds_to_wait

log = logging.getLogger(__name__)

LARGEST_FILE = 5 << 30
_MAX_REDIRECTS = 5
# The statuses of a complete file: any success, also one that is not known, but for those that mean something else.
_WHOLE = frozenset(range(200, 300)) - {202, 204, 205, 206, 207, 208}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# The statuses of an expired signed url; most stores return 403.
_GONE = frozenset({401, 403, 404, 410})
_BLOCK = 1 << 20
_SLOWEST = 1024  # bytes a second; a slower server is treated as silent


@dataclass
class MediaClient:
    """Fetches files over its own connections, without the key. Safe to use from many threads.

    `timeout` is in seconds: for the headers, and for any period in which almost nothing arrives.
    """

    network: Network
    guard: Guard
    timeout: float
    largest: int = LARGEST_FILE
    _local: threading.local = field(default_factory=threading.local)

    def fetch(self, media: Media, target: Path) -> Downloaded:
        """Fetch `media` to `target`, resuming a partial file if there is one.

        Raises:
            DownloadFailed: it did not arrive in full or is not valid; the target is unchanged.
        """
        try:
            fetched = self._fetch(media, PartialFile(target))
        except (AddressRefused, UsageError) as error:
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
        received = received or self._received(media, part)
        if not received.is_proved and media.size is None:
            # The length is unknown, so a broken connection looks like the end of the file, and a file in place counts
            # as complete for ever. A connection rarely breaks twice at the same byte, so the file is fetched again
            # and compared. That costs a second transfer, only for files from such servers; to refuse them would lose
            # what is paid for, and to trust them could keep a partial file.
            again = self._received(media, part)
            if again.sha256 != received.sha256:
                part.discard()
                raise DownloadFailed(f"{shown_url(media.url)} comes without a length, and differs each time")
        return _finished(part, media, received)

    def _received(self, media: Media, part: PartialFile) -> _Received:
        with self._get(media.url, {}) as response:
            if not _is_all(response, media):
                _expect(response, 200, media.url)
            received = self._receive(response, part, 0, media)
        if not received.is_as_promised:
            part.discard()
            raise DownloadFailed(
                f"{shown_url(media.url)} is {received.size:,} bytes, the server said {received.promised:,}"
            )
        return received

    def _resumed(self, media: Media, part: PartialFile, start: int, etag: str) -> _Received | None:
        """Fetch the rest; None if the server cannot resume the partial file, which is then deleted."""
        asked = {"Range": f"bytes={start}-", "If-Range": etag}
        with self._get(media.url, asked) as response:
            if response.status in _WHOLE:  # the file has changed, or the server has no ranges: start over
                return self._receive(response, part, 0, media)
            if response.status == 206 and _continues(response, start, etag, media) and not response.coding:
                received = self._receive(response, part, start, media)
                if received.is_as_promised:
                    return received
            elif response.status not in (206, 416):
                _expect(response, 206, media.url)
        part.discard()
        return None

    @contextmanager
    def _get(self, url: str, headers: dict[str, str]) -> Iterator[StreamedResponse]:
        for _ in range(_MAX_REDIRECTS + 1):
            self.guard.check(url)
            with self._transport.stream(
                HttpRequest("GET", url, headers), self.timeout, lift_deadline=True
            ) as response:
                if response.status not in _REDIRECTS:
                    yield response
                    return
                url = _next_url(url, response.headers.get("location", ""))
        raise DownloadFailed(f"{shown_url(url)}: more than {_MAX_REDIRECTS} redirects", lasting=True)

    @property
    def _transport(self) -> Transport:
        if not hasattr(self._local, "media"):
            self._local.media = Transport(self.network, self.guard)
        transport: Transport = self._local.media
        return transport

    def _receive(self, response: StreamedResponse, part: PartialFile, start: int, media: Media) -> _Received:
        """Append the body to the first `start` bytes of the partial file, and sync it."""
        coding = response.coding
        most = self.largest if media.most is None else min(self.largest, media.most)
        body = Decoded(
            _steady(response.blocks(), self.timeout), coding or _silent_coding(start, media), _is_media
        )
        is_as_stored = coding is None and not body.is_decompressed
        length = _promised(response, start, media, most) if is_as_stored else None
        received = _Received(
            served=response.headers.get("content-type", "").partition(";")[0].strip().lower(),
            is_proved=response.has_end or length is not None,
            coding=coding if body.is_packed else None,
            promised=length,
        )
        with part.open(start) as file:
            if start:
                received.take_up(part.path, start)
            for block in body:
                received.add(block)
                if received.size > most:
                    part.discard()  # the bytes would fill the disk, and never be resumed
                    raise DownloadFailed(
                        f"{shown_url(media.url)} is larger than {most:,} bytes, which is all that may come",
                        lasting=True,
                    )
                file.write(block)
                # A file that arrives in one block is never resumed, so its ETag is not saved.
                if is_as_stored and received.size == len(block) != length:
                    part.save_etag(response.headers.get("etag", ""))
            file.flush()
            os.fsync(file.fileno())
        if body.is_decompressed:
            received.packed_size = body.taken
        return received


def _promised(response: StreamedResponse, start: int, media: Media, most: int) -> int | None:
    """The size of the complete file, if the server states it.

    Raises:
        DownloadFailed: it is too large, or not the size that the vendor listed.
    """
    shown = shown_url(media.url)
    length = response.headers.get("content-length", "")
    part = content_range(response.headers) if response.status == 206 else None
    size = part.end if part is not None else None
    if size is None:
        if not re.fullmatch(r"[0-9]{1,18}", length):
            return None
        size = start + int(length)
    if size > most:
        raise DownloadFailed(
            f"{shown} is {size:,} bytes, which is too large: at most {most:,} may come", lasting=True
        )
    if media.size is not None and size != media.size:
        raise DownloadFailed(f"{shown} is {size:,} bytes, the vendor said {media.size:,}")
    return size


def _silent_coding(start: int, media: Media) -> str | None:
    """The coding to look for in a body that declares none, as a server may still send media compressed."""
    is_media = media.content_type.lower().startswith(("image/", "video/", "audio/"))
    return "gzip" if is_media and start == 0 else None


def _is_media(first: bytes) -> bool:
    return sniffed(first[:LONGEST_SIGNATURE], "") is not None


def _is_all(response: StreamedResponse, media: Media) -> bool:
    """Whether a response to a request without a range contains the complete file, even if it calls it a range."""
    if response.status != 206:
        return response.status in _WHOLE
    part = content_range(response.headers)
    if part is None:
        return False
    size = media.size if part.size is None else part.size
    if part.last is not None:
        return part.first == 0 and size == part.end
    length = response.headers.get("content-length", "")
    return response.coding is None and bool(re.fullmatch("[0-9]{1,18}", length)) and size == int(length)


def _expect(response: StreamedResponse, status: int, url: str) -> None:
    if response.status != status:
        after = seconds_to_wait(response.headers, datetime.now(UTC))
        raise DownloadFailed(
            f"{shown_url(url)}: HTTP {response.status}", after, expired=response.status in _GONE
        )


def _continues(response: StreamedResponse, start: int, etag: str, media: Media) -> bool:
    """Whether a 206 says that it is everything after the first `start` bytes of the same file.

    Parts may be combined only if each has the same strong validator (RFC 9110, 15.3.7.3), so a 206 without one is not
    taken.
    """
    part = content_range(response.headers)
    if part is None or part.last is None or part.first != start:
        return False
    size = media.size if part.size is None else part.size
    return size == part.end and response.headers.get("etag") == etag


def _next_url(url: str, location: str) -> str:
    # The library decodes headers as Latin-1, whatever their encoding.
    sent = quote(location.strip().encode("latin-1", "replace"), safe=PRINTABLE)
    if re.match("https?://", sent, re.IGNORECASE):
        return sent  # unchanged: a signature covers the spelling
    try:
        return urljoin(url, sent)
    except ValueError:
        raise AddressRefused(f"{shown_url(url)} redirects to something that is not a valid url") from None


def _steady(blocks: Iterable[bytes], timeout: float) -> Iterator[bytes]:
    """Yield the blocks; raises TransportError if they arrive too slowly."""
    since, received = time.monotonic(), 0
    for block in blocks:
        received += len(block)
        yield block
        now = time.monotonic()
        if now - since >= timeout:
            if received < _SLOWEST * timeout:
                raise TransportError("it arrives too slowly")
            since, received = now, 0


class _Received:
    """What is known of a file while it arrives: the number of bytes, the first ones, and the hash.

    `served` is the content type from the server; `is_proved`: the response shows where the file ends; `promised` is
    the size that it states, if it does; `coding` is a compression that is not supported here, in which the file still
    is. `packed_size` is the number of bytes that were decompressed, if they were.
    """

    def __init__(self, *, served: str, is_proved: bool, coding: str | None, promised: int | None) -> None:
        self.served = served
        self.is_proved = is_proved
        self.coding = coding
        self.promised = promised
        self.size = 0
        self.packed_size: int | None = None
        self.head = b""
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def is_as_promised(self) -> bool:
        """Whether as many bytes arrived as the response stated."""
        return self.promised in (None, self.size)

    def add(self, block: bytes) -> None:
        self.size += len(block)
        self._digest.update(block)
        if len(self.head) < LONGEST_SIGNATURE:
            self.head = (self.head + block)[:LONGEST_SIGNATURE]

    def take_up(self, path: Path, size: int) -> None:
        """Add the first `size` bytes of a file, which arrived in an earlier attempt."""
        with path.open("rb") as file:
            while size > 0 and (block := file.read(min(size, _BLOCK))):
                self.add(block)
                size -= len(block)


def _finished(part: PartialFile, media: Media, received: _Received) -> Downloaded:
    """Check the complete file by its own bytes, and put it in place."""
    size = received.size
    declared = media.content_type.partition(";")[0].strip().lower()
    content_type = type_of(received.head, declared, received.served)
    problem = None
    # The size that a vendor states may be that of the file as it is stored, which may be compressed.
    if media.size is not None and media.size not in (size, received.packed_size):
        problem = f"is {size:,} bytes, the vendor said {media.size:,}"
    elif size == 0:
        problem = "is empty"
    elif received.coding is not None:
        problem = f"comes compressed ({printable(received.coding, 60)}), although that was not requested"
    elif content_type is None:
        problem = f"is no {printable(declared, 60) or 'media'} but a text ({printable(received.served, 60)})"
    if problem is not None or content_type is None:
        part.discard()
        raise DownloadFailed(f"{shown_url(media.url)} {problem}")
    part.finish()
    return Downloaded(received.sha256, size, content_type)
