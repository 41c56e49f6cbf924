"""Files arrive whole and checked, or not at all, whatever the server does."""

import gzip
import hashlib
import logging
import random
import resource
import signal
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.protection import fails_without

from pipeline.providers.address import Guard
from pipeline.providers.api_settings import Network
from pipeline.providers.base import Downloaded, DownloadFailed, Media
from pipeline.providers.download import MediaClient
from providers.create_requests import PNG, a_client
from providers.raw_server import Certificate, Peer, Play, RawServer, raw_server

ETAG = '"strong-1"'


def fetch(
    server: RawServer, target: Path, *, path: str = "/f.png?sig=s3cret", timeout: float = 5.0, **changed: Any
) -> Downloaded:
    fields = {"content_type": "image/png", "size": None, **changed}
    return MediaClient(Network(), Guard(loopback=True), timeout).fetch(
        Media(server.url + path, **fields), target
    )


def answering(status: int, body: bytes = b"", *headers: str) -> Play:
    def play(peer: Peer) -> None:
        while True:
            peer.read()
            peer.answer(status, body, *headers)

    return play


def sending(data: bytes) -> Play:
    def play(peer: Peer) -> None:
        peer.read()
        peer.send(data)

    return play


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def with_part(target: Path, content: bytes, etag: str = ETAG) -> Iterator[None]:
    target.with_name(f"{target.name}.part").write_bytes(content)
    target.with_name(f"{target.name}.part.etag").write_text(etag)
    yield


def test_downloaded_file_is_in_place_and_leaves_nothing_else(tmp_path: Path) -> None:
    with raw_server(answering(200, PNG, "Content-Type: image/png", f"ETag: {ETAG}")) as server:
        fetched = fetch(server, tmp_path / "new" / "f.png", size=len(PNG))
    assert fetched == Downloaded(hashlib.sha256(PNG).hexdigest(), len(PNG), "image/png")
    assert names_in(tmp_path / "new") == ["f.png"]
    assert (tmp_path / "new" / "f.png").read_bytes() == PNG


def test_key_is_not_sent_to_the_media_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with raw_server(answering(200, PNG)) as server:
        a_client(server.url).download(Media(f"{server.url}/f.png", "image/png"), tmp_path / "f.png")
    assert not {"x-api-key", "authorization", "cookie"} & set(server.received[0].headers)


def differing(*bodies: bytes) -> Play:
    """Bodies without a length, a different one on each connection."""
    left = list(bodies)

    def play(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + left.pop(0))

    return play


def in_single_bytes(body: bytes, coding: str) -> Play:
    """A body whose first bytes arrive one by one, as a slow network may deliver any body."""
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body[:20])
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: {coding}\r\n\r\n".encode()
    return sending(head + chunks + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) - 20, body[20:]))


MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(200)
VIDEO = {"content_type": "video/mp4"}
HONEST: dict[str, tuple[Play, dict[str, Any], str]] = {
    "aws-chunked": (answering(200, PNG, "Content-Encoding: aws-chunked"), {}, "image/png"),
    "an empty coding": (answering(200, PNG, "Content-Encoding:"), {}, "image/png"),
    "a charset for a coding": (answering(200, PNG, "Content-Encoding: UTF-8"), {}, "image/png"),
    "a coding that it does not have": (answering(200, PNG, "Content-Encoding: gzip"), {}, "image/png"),
    "gzip": (answering(200, gzip.compress(PNG), "Content-Encoding: gzip"), {"size": len(PNG)}, "image/png"),
    "gzip twice": (
        answering(200, gzip.compress(gzip.compress(PNG)), "Content-Encoding: gzip, gzip"),
        {"size": len(PNG)},
        "image/png",
    ),
    "gzip for the transfer": (
        sending(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
            % (len(gzip.compress(PNG)), gzip.compress(PNG))
        ),
        {"size": len(PNG)},
        "image/png",
    ),
    "gzip in single bytes": (in_single_bytes(gzip.compress(PNG), "gzip"), {"size": len(PNG)}, "image/png"),
    "deflate in single bytes": (in_single_bytes(zlib.compress(PNG), "deflate"), {}, "image/png"),
    "deflate without a header in single bytes": (
        in_single_bytes(zlib.compress(PNG, wbits=-15), "deflate"),
        {},
        "image/png",
    ),
    "a coding that it does not have, in single bytes": (in_single_bytes(PNG, "deflate"), {}, "image/png"),
    "gzip called br": (answering(200, gzip.compress(PNG), "Content-Encoding: br"), {}, "image/png"),
    "gzip that does not say so": (answering(200, gzip.compress(PNG)), {"size": len(PNG)}, "image/png"),
    "gzip that does not say so, in single bytes": (
        in_single_bytes(gzip.compress(MP4), ""),
        VIDEO,
        "video/mp4",
    ),
    "gzip of the size that is stored": (
        answering(200, gzip.compress(PNG), "Content-Encoding: gzip"),
        {"size": len(gzip.compress(PNG))},
        "image/png",
    ),
    "gzip of the size that is stored, which does not say so": (
        answering(200, gzip.compress(PNG)),
        {"size": len(gzip.compress(PNG))},
        "image/png",
    ),
    "gzip in two pieces": (
        answering(200, gzip.compress(PNG[:9]) + gzip.compress(PNG[9:]), "Content-Encoding: x-gzip"),
        {},
        "image/png",
    ),
    "deflate": (answering(200, zlib.compress(PNG), "Content-Encoding: deflate"), {}, "image/png"),
    "deflate without a header": (
        answering(200, zlib.compress(PNG, wbits=-15), "Content-Encoding: deflate"),
        {},
        "image/png",
    ),
    "gzip with padding": (
        answering(200, gzip.compress(PNG) + bytes(512), "Content-Encoding: gzip"),
        {"size": len(PNG)},
        "image/png",
    ),
    "gzip with other bytes behind it": (
        answering(200, gzip.compress(PNG) + b"end", "Content-Encoding: gzip"),
        {},
        "image/png",
    ),
    "deflate with padding": (
        answering(200, zlib.compress(PNG) + b"\0", "Content-Encoding: deflate"),
        {},
        "image/png",
    ),
    "no length": (sending(b"HTTP/1.1 200 OK\r\n\r\n" + PNG), {}, "image/png"),
    "HTTP/1.0": (sending(b"HTTP/1.0 200 OK\r\nContent-Type: image/png\r\n\r\n" + PNG), {}, "image/png"),
    "chunks with extensions and a trailer": (
        sending(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n"
            % (len(PNG), PNG)
        ),
        {},
        "image/png",
    ),
    "an early hint": (
        sending(
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(PNG), PNG)
        ),
        {},
        "image/png",
    ),
    "201": (answering(201, PNG), {}, "image/png"),
    "203": (answering(203, PNG), {}, "image/png"),
    "226": (answering(226, PNG), {}, "image/png"),
    "299": (answering(299, PNG), {}, "image/png"),
    "206 of its whole length": (answering(206, PNG, f"Content-Range: bytes */{len(PNG)}"), {}, "image/png"),
    "206 of all, in another spelling": (
        answering(206, PNG, f"Content-Range: Bytes  0-{len(PNG) - 1} / {len(PNG)}"),
        {},
        "image/png",
    ),
    "206 without a range, of the size that the vendor said": (
        answering(206, PNG),
        {"size": len(PNG)},
        "image/png",
    ),
    "206 of the size that the vendor said": (
        answering(206, PNG, f"Content-Range: bytes 0-{len(PNG) - 1}/*"),
        {"size": len(PNG)},
        "image/png",
    ),
    "206 of all": (answering(206, PNG, f"Content-Range: bytes 0-{len(PNG) - 1}/{len(PNG)}"), {}, "image/png"),
    "no type": (answering(200, MP4), VIDEO, "video/mp4"),
    "a download": (answering(200, MP4, "Content-Type: application/force-download"), VIDEO, "video/mp4"),
    "a type of their own": (answering(200, MP4, "Content-Type: application/x-mp4"), VIDEO, "video/mp4"),
    "a text": (answering(200, MP4, "Content-Type: text/plain; charset=utf-8"), VIDEO, "video/mp4"),
    "a page": (answering(200, MP4, "Content-Type: text/html"), VIDEO, "video/mp4"),
    "two types": (
        answering(200, MP4, "Content-Type: video/mp4", "Content-Type: application/octet-stream"),
        VIDEO,
        "video/mp4",
    ),
    "with parameters": (answering(200, MP4), {"content_type": 'Video/MP4; codecs="avc1"'}, "video/mp4"),
    "octets": (answering(200, MP4), {"content_type": "application/octet-stream"}, "video/mp4"),
    "another kind": (answering(200, b"ID3\x04" + PNG), {}, "audio/mpeg"),
    "a kind that is not listed": (
        answering(200, b"8BPS\0\1"),
        {"content_type": "image/vnd.psd"},
        "image/vnd.psd",
    ),
    "bytes of no kind": (answering(200, b"\0\1\2"), {"content_type": ""}, "application/octet-stream"),
}


@pytest.mark.parametrize("oddity", HONEST)
def test_unusual_but_valid_file_is_accepted(oddity: str, tmp_path: Path) -> None:
    play, told, content_type = HONEST[oddity]
    with raw_server(play) as server:
        fetched = fetch(server, tmp_path / "f", **told)
    assert fetched.content_type == content_type
    content = (tmp_path / "f").read_bytes()
    assert content in (PNG, MP4) or oddity in (
        "another kind",
        "a kind that is not listed",
        "bytes of no kind",
    )
    assert fetched.sha256 == hashlib.sha256(content).hexdigest()
    assert names_in(tmp_path) == ["f"]


def test_archive_stays_compressed(tmp_path: Path) -> None:
    archive = gzip.compress(PNG)
    with raw_server(answering(200, archive)) as server:
        fetched = fetch(server, tmp_path / "f.gz", content_type="application/gzip", size=len(archive))
    assert fetched.content_type == "application/gzip"
    assert (tmp_path / "f.gz").read_bytes() == archive


def test_file_that_is_decompressed_is_not_resumed(tmp_path: Path) -> None:
    """A part of it says nothing of where to go on in what the server has."""
    packed = gzip.compress(random.Random(1).randbytes(1 << 20))
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(packed)}\r\nETag: {ETAG}\r\n\r\n".encode()
    with raw_server(sending(head + packed[:-9])) as server, pytest.raises(DownloadFailed, match="cut off"):
        fetch(server, tmp_path / "f.png")
    assert (tmp_path / "f.png.part").stat().st_size > 0
    assert not (tmp_path / "f.png.part.etag").exists()


def test_decompression_beyond_the_limit_is_aborted(tmp_path: Path) -> None:
    play = answering(200, gzip.compress(PNG + bytes(64 << 20)), "Content-Encoding: gzip")
    downloads = MediaClient(Network(), Guard(loopback=True), 5.0, largest=1 << 20)
    with raw_server(play) as server, pytest.raises(DownloadFailed, match="larger than") as raised:
        downloads.fetch(Media(server.url, "image/png"), tmp_path / "f.png")
    assert raised.value.lasting


SPELLED = [
    "/m/%7Euser/a%2fb/./../v%2bx.mp4?Sig=a%2fb%7E+c'd%27&Exp=1",
    "//two//slashes/?",
    "/x?a=b?c=d&e=%zz",
    '/^{}|\\`"<>[]',
    "?only=query",
]


@pytest.mark.parametrize("target", SPELLED)
def test_url_is_requested_as_spelled(target: str, tmp_path: Path) -> None:
    answers = [(302, b""), (200, PNG)]

    def play(peer: Peer) -> None:
        peer.read()
        peer.answer(*answers.pop(0), f"Location: {peer.url}{target}#here")

    with raw_server(play) as server:
        fetch(server, tmp_path / "f.png", path=f"{target}#there")
    asked = target if target.startswith("/") else f"/{target}"
    assert [each.path for each in server.received] == [asked, asked]


def test_only_characters_invalid_in_a_request_are_encoded(tmp_path: Path) -> None:
    answers = [(302, b""), (200, PNG)]

    def play(peer: Peer) -> None:
        peer.read()
        peer.answer(*answers.pop(0), "Location: /caf\u00e9 b")

    with raw_server(play) as server:
        fetch(server, tmp_path / "f.png", path="/m/\U0001f525 caf\u00e9%2f.png?s=a+b")
    assert [each.path for each in server.received] == [
        "/m/%F0%9F%94%A5%20caf%C3%A9%2f.png?s=a+b",
        "/caf%C3%A9%20b",
    ]


def test_media_server_gets_a_user_agent(tmp_path: Path) -> None:
    with raw_server(answering(200, PNG)) as server:
        fetch(server, tmp_path / "f.png")
    assert server.received[0].headers["user-agent"] == "campaign-pipeline"


UNSOUND: dict[str, tuple[Play, str]] = {
    "short": (sending(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + PNG), "cut off"),
    "a chunk cut short": (
        sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n" + PNG),
        "not valid HTTP|cut off",
    ),
    "empty": (answering(200), "empty"),
    "HTML that says so": (answering(200, b"<html>", "Content-Type: text/html"), r"a text \(text/html\)"),
    "HTML in disguise": (answering(200, b"<html>", "Content-Type: image/png"), "is no image/png but a text"),
    "HTML in UTF-16": (
        answering(200, "\ufeff<html>This link has expired".encode("utf-16-le"), "Content-Type: text/html"),
        r"a text \(text/html\)",
    ),
    "packed in a way that nothing here undoes": (
        answering(200, b"\x8b\x01\x80" + PNG[1:], "Content-Encoding: br"),
        "compressed",
    ),
    "packed in a way that nothing here undoes, then in gzip": (
        answering(200, gzip.compress(b"\x8b\x01\x80" + PNG[1:]), "Content-Encoding: br, gzip"),
        "compressed",
    ),
    "packed and cut short": (answering(200, gzip.compress(PNG)[:-9], "Content-Encoding: gzip"), "cut off"),
    "packed badly": (
        answering(200, b"\x1f\x8b\x08" + PNG, "Content-Encoding: gzip"),
        "compression is broken",
    ),
    "no length, and cut short": (differing(PNG, PNG[:-50]), "differs each time"),
    "100 GB": (sending(b"HTTP/1.1 200 OK\r\nContent-Length: 107374182400\r\n\r\n"), "too large"),
    "500": (answering(500), "HTTP 500"),
    "206 unasked": (answering(206, PNG, f"Content-Range: bytes 0-9/{len(PNG)}"), "HTTP 206"),
    "206 that is shorter than its range": (
        answering(206, PNG[:-50], f"Content-Range: bytes 0-{len(PNG) - 1}/{len(PNG)}", f"ETag: {ETAG}"),
        "the server said",
    ),
    "206 that is longer than its range": (
        answering(206, PNG + b"x", f"Content-Range: bytes 0-{len(PNG) - 1}/{len(PNG)}"),
        "the server said",
    ),
    "206 of a part": (answering(206, PNG, f"Content-Range: bytes */{len(PNG) + 1}"), "HTTP 206"),
    "206 of an unknown length": (answering(206, PNG, f"Content-Range: bytes 0-{len(PNG) - 1}/*"), "HTTP 206"),
    "202": (answering(202, PNG), "HTTP 202"),
    "207": (answering(207, PNG), "HTTP 207"),
    "a second piece that is packed badly": (
        answering(200, gzip.compress(PNG) + b"\x1f\x8b\x08" + PNG, "Content-Encoding: gzip"),
        "compression is broken",
    ),
    "a second piece that is cut short": (
        answering(200, gzip.compress(PNG[:9]) + gzip.compress(PNG[9:])[:-1], "Content-Encoding: gzip"),
        "cut off",
    ),
    "close": (sending(b""), "closed without an answer"),
}


@pytest.mark.parametrize("fault", UNSOUND)
def test_invalid_file_is_never_put_in_place_and_the_query_is_never_shown(fault: str, tmp_path: Path) -> None:
    play, message = UNSOUND[fault]
    target = tmp_path / "f.png"
    target.write_bytes(b"what was there")
    with raw_server(play) as server, pytest.raises(DownloadFailed, match=message) as raised:
        fetch(server, target)
    assert "s3cret" not in str(raised.value)
    assert not raised.value.expired
    assert target.read_bytes() == b"what was there"


def test_no_log_contains_the_query_of_a_url(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with raw_server(answering(200, PNG)) as server:
        fetch(server, tmp_path / "f.png")
    assert "f.png" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("size", [len(PNG) - 1, len(PNG) + 1])
def test_file_of_unexpected_size_is_rejected(size: int, tmp_path: Path) -> None:
    with raw_server(answering(200, PNG)) as server, pytest.raises(DownloadFailed, match="the vendor said"):
        fetch(server, tmp_path / "f.png", size=size)
    assert not (tmp_path / "f.png").exists()


def test_vendor_size_replaces_a_missing_content_length(tmp_path: Path) -> None:
    with raw_server(sending(b"HTTP/1.1 200 OK\r\n\r\n" + PNG)) as server:
        assert fetch(server, tmp_path / "f.png", size=len(PNG)).bytes == len(PNG)
    with raw_server(sending(b"HTTP/1.1 200 OK\r\n\r\n" + PNG[:-1])) as server, pytest.raises(DownloadFailed):
        fetch(server, tmp_path / "g.png", size=len(PNG))


def growing(peer: Peer) -> None:
    """Six megabytes without a declared length."""
    peer.read()
    peer.send(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: {ETAG}\r\n\r\n".encode())
    for _ in range(100):
        peer.send(b"10000\r\n" + PNG.ljust(0x10000, b"x") + b"\r\n")
    peer.send(b"0\r\n\r\n")


@fails_without("pipeline.providers.download:MediaClient._receive", "if received.size > most:")
@pytest.mark.parametrize(("largest", "most"), [(1 << 20, None), (1 << 20, 2 << 20), (2 << 20, 1 << 20)])
def test_file_that_grows_beyond_the_limit_is_aborted_and_leaves_nothing(
    tmp_path: Path, largest: int, most: int | None
) -> None:
    downloads = MediaClient(Network(), Guard(loopback=True), 5.0, largest=largest)
    with (
        raw_server(growing) as server,
        pytest.raises(DownloadFailed, match="larger than 1,048,576") as raised,
    ):
        downloads.fetch(Media(server.url, "image/png", most=most), tmp_path / "f.png")
    assert raised.value.lasting
    assert names_in(tmp_path) == []


def test_file_that_declares_an_excessive_size_is_not_downloaded(tmp_path: Path) -> None:
    downloads, most = MediaClient(Network(), Guard(loopback=True), 5.0), len(PNG) - 1
    play = answering(200, PNG)
    with raw_server(play) as server, pytest.raises(DownloadFailed, match=f"at most {most:,} may come"):
        downloads.fetch(Media(server.url, "image/png", most=most), tmp_path / "f.png")
    assert names_in(tmp_path) == []


def test_trickling_download_is_aborted_and_its_part_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    # A second for each byte.
    time = SimpleNamespace(monotonic=lambda: float(len(sent)))
    monkeypatch.setattr("pipeline.providers.download.time", time)

    def drip(peer: Peer) -> None:
        peer.read()
        peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(PNG)}\r\nETag: {ETAG}\r\n\r\n".encode())
        never = threading.Event()
        for number in range(len(PNG)):
            sent.append(PNG[number : number + 1])
            peer.send(sent[-1])
            never.wait(0.02)

    with raw_server(drip) as server, pytest.raises(DownloadFailed, match="too slowly"):
        fetch(server, tmp_path / "f.png")
    assert PNG.startswith((tmp_path / "f.png.part").read_bytes())


@pytest.mark.parametrize("status", [403, 404, 410])
def test_expired_url_is_reported_as_expired(status: int, tmp_path: Path) -> None:
    with raw_server(answering(status)) as server, pytest.raises(DownloadFailed) as raised:
        fetch(server, tmp_path / "f.png")
    assert raised.value.expired


@pytest.mark.parametrize("status", [429, 503])
def test_media_server_may_request_a_delay(status: int, tmp_path: Path) -> None:
    with (
        raw_server(answering(status, b"", "Retry-After: 25")) as server,
        pytest.raises(DownloadFailed) as raised,
    ):
        fetch(server, tmp_path / "f.png")
    assert raised.value.after == 25
    with (
        with_part(tmp_path / "f.png", PNG[:100]),
        raw_server(answering(status, b"", "Retry-After: 26")) as server,
        pytest.raises(DownloadFailed) as raised,
    ):
        fetch(server, tmp_path / "f.png")
    assert raised.value.after == 26


def test_download_resumes_where_it_was_cut_off(tmp_path: Path) -> None:
    connections = iter([1, 2])

    def play(peer: Peer) -> None:
        first = next(connections) == 1
        request = peer.read()
        if first:
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(PNG)}\r\nETag: {ETAG}\r\n\r\n"
            peer.send(head.encode() + PNG[:100])
            return
        assert request.headers["range"] == "bytes=100-"
        assert request.headers["if-range"] == ETAG
        content_range = f"Content-Range: bytes 100-{len(PNG) - 1}/{len(PNG)}"
        peer.answer(206, PNG[100:], content_range, f"ETag: {ETAG}")

    target = tmp_path / "f.png"
    with raw_server(play) as server:
        with pytest.raises(DownloadFailed, match="cut off"):
            fetch(server, target)
        fetched = fetch(server, target, size=len(PNG))
    assert fetched.sha256 == hashlib.sha256(PNG).hexdigest()
    assert names_in(tmp_path) == ["f.png"]


REST = f"Content-Range: bytes 100-{len(PNG) - 1}/{len(PNG)}"

NOT_TO_BE_GONE_ON_WITH: dict[str, Callable[[Peer], None]] = {
    "200: the whole file": lambda peer: peer.answer(200, PNG),
    "203: the whole file": lambda peer: peer.answer(203, PNG),
    "206 from elsewhere": lambda peer: peer.answer(
        206, PNG[50:], f"Content-Range: bytes 50-{len(PNG) - 1}/*"
    ),
    "206 that ends early": lambda peer: peer.answer(
        206, PNG[100:200], f"Content-Range: bytes 100-199/{len(PNG)}"
    ),
    "206 without a range": lambda peer: peer.answer(206, PNG[100:]),
    "206 without an ETag": lambda peer: peer.answer(206, PNG[100:], REST),
    "206 with a weak ETag": lambda peer: peer.answer(206, PNG[100:], REST, f"ETag: W/{ETAG}"),
    "206 of an unknown whole": lambda peer: peer.answer(
        206, PNG[100:200], "Content-Range: bytes 100-199/*", f"ETag: {ETAG}"
    ),
    "206 without a body": lambda peer: peer.answer(206, b"", REST, f"ETag: {ETAG}"),
    "206 that is shorter than its range": lambda peer: peer.answer(206, PNG[100:200], REST, f"ETag: {ETAG}"),
    "206 that is longer than its range": lambda peer: peer.answer(
        206, PNG[100:] + b"x", REST, f"ETag: {ETAG}"
    ),
    "206 of another file": lambda peer: peer.answer(206, PNG[100:], REST, 'ETag: "other"'),
    "416": lambda peer: peer.answer(416),
}


@pytest.mark.parametrize("response", NOT_TO_BE_GONE_ON_WITH)
def test_download_restarts_if_it_cannot_resume(response: str, tmp_path: Path) -> None:
    def play(peer: Peer) -> None:
        while True:
            if "range" in peer.read().headers:
                NOT_TO_BE_GONE_ON_WITH[response](peer)
            else:
                peer.answer(200, PNG)

    target = tmp_path / "f.png"
    with with_part(target, b"y" * 100), raw_server(play) as server:
        fetched = fetch(server, target)
    assert fetched.sha256 == hashlib.sha256(PNG).hexdigest()
    assert names_in(tmp_path) == ["f.png"]


@pytest.mark.parametrize("etag", ['W/"weak"', "", "no quotes"])
def test_download_does_not_resume_without_a_strong_etag(etag: str, tmp_path: Path) -> None:
    target = tmp_path / "f.png"
    with with_part(target, b"y" * 100, etag), raw_server(answering(200, PNG, f"ETag: {etag}")) as server:
        fetch(server, target)
    assert "range" not in server.received[0].headers
    assert target.read_bytes() == PNG


@fails_without(
    "pipeline.providers.partial_file:PartialFile._descriptor",
    "flags = os.O_WRONLY",
    swap=("system.NO_FOLLOW | system.PRIVATE", "system.PRIVATE"),
)
def test_linked_partial_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "f.png.part").symlink_to(victim)
    with raw_server(answering(200, PNG)) as server, pytest.raises(DownloadFailed, match="cannot be written"):
        fetch(server, tmp_path / "f.png")
    assert victim.read_bytes() == b"precious"


def test_full_disk_keeps_the_partial_file_and_is_reported(tmp_path: Path) -> None:
    large = PNG + bytes(4 << 20)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with (
            raw_server(answering(200, large, f"ETag: {ETAG}")) as server,
            pytest.raises(DownloadFailed) as raised,
        ):
            fetch(server, tmp_path / "f.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert raised.value.lasting
    assert "File too large" in str(raised.value)
    assert (tmp_path / "f.png.part").stat().st_size > 0
    assert not (tmp_path / "f.png").exists()


def test_redirects_are_followed_up_to_a_limit(tmp_path: Path) -> None:
    def play(peer: Peer) -> None:
        while True:
            hop = int(peer.read().path.strip("/"))
            if hop:
                peer.answer(302, b"", f"Location: /{hop - 1}")
            else:
                peer.answer(200, PNG)

    with raw_server(play) as server:
        assert fetch(server, tmp_path / "f.png", path="/5").bytes == len(PNG)
        with pytest.raises(DownloadFailed, match="more than 5 redirects"):
            fetch(server, tmp_path / "g.png", path="/6")


ELSEWHERE = [
    "https://169.254.169.254/latest/meta-data",
    "http://1.1.1.1/f.png",
    "https://user@127.0.0.1/f.png",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://[::ffff:10.0.0.1]/",
    "https://[::1",
    "gopher://127.0.0.1/",
]


@fails_without(
    "pipeline.providers.download:MediaClient._transport",
    "self._local.media = Transport",
    swap=("Transport(self.network, self.guard", "Transport(self.network"),
)
@pytest.mark.parametrize("location", ELSEWHERE)
def test_redirect_to_a_disallowed_address_is_rejected(location: str, tmp_path: Path) -> None:
    play = answering(302, b"", f"Location: {location}")
    with raw_server(play) as server, pytest.raises(DownloadFailed) as raised:
        fetch(server, tmp_path / "f.png")
    assert raised.value.lasting
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "localhost", "[::ffff:127.0.0.1]"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_loopback_serves_files_only_if_the_api_is_on_it(scheme: str, host: str, tmp_path: Path) -> None:
    downloads = MediaClient(Network(), Guard(loopback=False), 5.0)
    with raw_server(answering(200, PNG)) as server, pytest.raises(DownloadFailed) as raised:
        downloads.fetch(Media(f"{scheme}://{host}:{server.port}/f.png", "image/png"), tmp_path / "f.png")
    assert raised.value.lasting
    assert server.connections == 0


@fails_without(
    "pipeline.providers.http.connection:Connection._connect_judged",
    "return create_connection",
    swap=("create_connection((address", "create_connection((self.host"),
)
def test_host_is_resolved_once_and_still_verified_by_tls(
    certificate: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
        asked.append(host)
        return resolve("127.0.0.1" if str(host).endswith("example.com") else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    downloads = MediaClient(Network(ca_bundle=str(certificate.path)), Guard(loopback=True), 5.0)
    with raw_server(answering(200, PNG), certificate) as server:
        media = Media(f"https://media.example.com:{server.port}/f.png", "image/png")
        downloads.fetch(media, tmp_path / "f.png")
        assert asked.count("media.example.com") == 1
        assert server.received[0].headers["host"] == f"media.example.com:{server.port}"
        other = Media(f"https://other.example.com:{server.port}/f.png", "image/png")
        with pytest.raises(DownloadFailed, match="certificate"):
            downloads.fetch(other, tmp_path / "g.png")


def test_address_is_checked_behind_a_proxy_too(tmp_path: Path) -> None:
    with raw_server(answering(200)) as proxy:
        downloads = MediaClient(Network(proxies={"https": proxy.url}), Guard(loopback=False), 5.0)
        with pytest.raises(DownloadFailed, match="not a public address"):
            downloads.fetch(Media("https://10.0.0.1/f.png", "image/png"), tmp_path / "f.png")
    assert proxy.connections == 0
