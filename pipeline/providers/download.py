"""Downloads one file from the vendor's store: whole and checked, or not at all.

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
from urllib.parse import quote, urljoin

from pipeline.errors import UsageError, printable
from pipeline.providers.address import AddressRefused, Guard, shown_url
from pipeline.providers.api_settings import Network
from pipeline.providers.base import Downloaded, DownloadFailed, Media
from pipeline.providers.http.coding import coding_of, is_undone, undone
from pipeline.providers.http.errors import TransportError
from pipeline.providers.http.transport import PRINTABLE, HttpRequest, StreamedResponse, Transport
from pipeline.providers.media import LONGEST_SIGNATURE, sniffed, type_of
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
        """Fetch `media` to `target`, continuing from the part that is here.

        Raises:
            DownloadFailed: it did not come whole or must not be kept; the target is as it was.
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
            # Its length is unknown: a connection that was cut looks like the end of the file, and what is put in
            # its place counts as whole for ever. It is rarely cut twice at the same byte, so what comes again and is
            # the same is what there is. That costs a second transfer, of files from such servers only; to refuse them
            # would lose what is paid for, and to believe them might keep a part.
            again = self._received(media, part)
            if again.sha256 != received.sha256:
                part.discard()
                raise DownloadFailed(f"{shown_url(media.url)} comes without a length, and differs each time")
        return _finished(part, media, received)

    def _received(self, media: Media, part: PartialFile) -> "_Received":
        with self._get(media.url, {}) as response:
            if not _is_all(response):
                _expect(response, 200, media.url)
            return self._receive(response, part, 0, media)

    def _resumed(self, media: Media, part: PartialFile, start: int, etag: str) -> "_Received | None":
        """Fetch the rest; None if the server cannot continue the part that is here, which is then dropped."""
        asked = {"Range": f"bytes={start}-", "If-Range": etag}
        with self._get(media.url, asked) as response:
            if response.status == 200:  # another file by now, or a server without ranges: it starts over
                return self._receive(response, part, 0, media)
            if response.status == 206 and _continues(response, start, etag) and not _coding(response):
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
        coding = _coding(response)
        most = self.largest if media.most is None else min(self.largest, media.most)
        length = None if coding else _promised(response, start, media, most)
        received = _Received(
            served=response.headers.get("content-type", "").partition(";")[0].strip().lower(),
            is_proved=response.has_end,
            coding=coding,
        )
        with part.open(start) as file:
            if start:
                received.take_up(part.path, start)
            blocks = undone(response.blocks(), coding, _is_media)
            for block in _steady(blocks, self.timeout):
                received.add(block)
                if received.size > most:
                    part.discard()  # the bytes would fill the disk, and never be continued
                    raise DownloadFailed(
                        f"{shown_url(media.url)} is larger than {most:,} bytes, which is all that may come",
                        lasting=True,
                    )
                file.write(block)
                # A file that arrives in one block is never continued, so its ETag is not kept.
                if coding is None and received.size == len(block) != length:
                    part.save_etag(response.headers.get("etag", ""))
            file.flush()
            os.fsync(file.fileno())
        return received


def _promised(response: StreamedResponse, start: int, media: Media, most: int) -> int | None:
    """The size of the whole file, if its server says so; refused where the file would be of no use here."""
    shown = shown_url(media.url)
    length = response.headers.get("content-length", "")
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


def _coding(response: StreamedResponse) -> str | None:
    return coding_of(response.headers.get("content-encoding", ""))


def _is_media(first: bytes) -> bool:
    return sniffed(first[:LONGEST_SIGNATURE], "") is not None


def _is_all(response: StreamedResponse) -> bool:
    """Whether a response with another status than 200 holds the whole file all the same."""
    found = re.fullmatch(r"bytes 0-([0-9]{1,18})/([0-9]{1,18})", response.headers.get("content-range", ""))
    is_whole_range = response.status == 206 and found is not None and int(found[1]) == int(found[2]) - 1
    return response.status == 203 or is_whole_range


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
    # Headers are read as Latin-1, whatever their bytes mean.
    sent = quote(location.strip().encode("latin-1", "replace"), safe=PRINTABLE)
    if re.match("https?://", sent, re.IGNORECASE):
        return sent  # as it is spelled
    try:
        return urljoin(url, sent)
    except ValueError:
        raise AddressRefused(f"{shown_url(url)} redirects to something that is not a valid url") from None


def _steady(blocks: Iterable[bytes], timeout: float) -> Iterator[bytes]:
    """The blocks, as long as they come fast enough to be worth the wait."""
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
    """What is known of a file while its bytes arrive: how many, the first of them, and their hash.

    `served` is the type that its server gives; `is_proved`: it ended where the server said it would.
    """

    def __init__(self, *, served: str, is_proved: bool, coding: str | None) -> None:
        self.served = served
        self.is_proved = is_proved
        self.coding = coding
        self.size = 0
        self.head = b""
        self._digest = hashlib.sha256()

    @property
    def is_packed(self) -> bool:
        """Whether it is still compressed, in a way that nothing here undoes."""
        return self.coding is not None and not is_undone(self.coding) and not _is_media(self.head)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def add(self, block: bytes) -> None:
        self.size += len(block)
        self._digest.update(block)
        if len(self.head) < LONGEST_SIGNATURE:
            self.head = (self.head + block)[:LONGEST_SIGNATURE]

    def take_up(self, path: Path, size: int) -> None:
        """Add the first `size` bytes of a file, which arrived before."""
        with path.open("rb") as file:
            while size > 0 and (block := file.read(min(size, _BLOCK))):
                self.add(block)
                size -= len(block)


def _finished(part: PartialFile, media: Media, received: _Received) -> Downloaded:
    """Judge the whole file by its own bytes, and put it in its place."""
    size = received.size
    declared = media.content_type.partition(";")[0].strip().lower()
    content_type = type_of(received.head, declared, received.served)
    problem = None
    if media.size is not None and size != media.size:
        problem = f"is {size:,} bytes, the vendor said {media.size:,}"
    elif size == 0:
        problem = "is empty"
    elif received.is_packed:
        problem = (
            f"comes compressed ({printable(received.coding or '', 60)}), although that was not requested"
        )
    elif content_type is None:
        problem = f"is no {printable(declared, 60) or 'media'} but a text ({printable(received.served, 60)})"
    if problem is not None or content_type is None:
        part.discard()
        raise DownloadFailed(f"{shown_url(media.url)} {problem}")
    part.finish()
    return Downloaded(received.sha256, size, content_type)
