"""The outcome of a create after everything that can happen to a request on a real connection."""

import gzip
import json
import signal
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.protection import fails_without

from pipeline.providers.api_settings import Network
from pipeline.providers.base import (
    AccountProblem,
    AccountRefused,
    Bought,
    CreateOutcome,
    Deferred,
    JobRefused,
    NotSent,
    OutcomeUnknown,
)
from pipeline.providers.http import connection
from pipeline.providers.http.connection import Connection, Route, Stage
from pipeline.providers.vimmerse import Vimmerse
from pipeline.purchases import WorkflowId
from providers.create_requests import KEY, a_client, a_request, an_attachment
from providers.raw_server import Certificate, Peer, Play, raw_server

# The client's timeout in seconds: more than it takes to connect with TLS on a busy machine.
SHORT = 1.5
LARGE = an_attachment(b"\x89PNG\r\n\x1a\n" + bytes(30 << 20))
SOUND = json.dumps({"data": {"id": "wf-1"}}).encode()


def after_reading(act: Callable[[Peer], None]) -> Play:
    def play(peer: Peer) -> None:
        peer.read()
        act(peer)

    return play


def answering(status: int, body: bytes = b"", *headers: str) -> Play:
    return after_reading(lambda peer: peer.answer(status, body, *headers))


def sending(data: bytes) -> Play:
    return after_reading(lambda peer: peer.send(data))


def in_single_bytes(body: bytes, coding: str) -> Play:
    """A body that arrives byte by byte, as a slow network may deliver any body."""
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: {coding}\r\n\r\n"
    return sending(head.encode() + chunks)


def in_chunks(body: bytes, *headers: str, trailer: bytes = b"") -> Play:
    head = "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode()
    return sending(head + b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, trailer))


def raw_deflate(body: bytes) -> bytes:
    """What some servers call deflate: without the header of zlib."""
    return zlib.compress(body, wbits=-zlib.MAX_WBITS)


def with_length(*headers: str) -> Play:
    """An answer with exactly these headers, whose sender then keeps the connection open."""

    def answer(peer: Peer) -> None:
        peer.send("\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode() + SOUND)
        peer.stall()

    return after_reading(answer)


def in_mid_upload(act: Callable[[Peer], None]) -> Play:
    def play(peer: Peer) -> None:
        peer.read_head()
        peer.socket.recv(1000)
        act(peer)

    return play


def silent_in_the_body(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
    peer.stall()


def dripping(peer: Peer) -> None:
    """Headers that take ten times as long as the client's timeout, then what would be a valid answer."""
    peer.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    never = threading.Event()
    for _ in range(200):
        never.wait(0.02)
        peer.send(b"x")  # which fails once the client has disconnected
    peer.send(b"\r\nContent-Length: %d\r\n\r\n%s" % (len(SOUND), SOUND))


AFTER_IT_WAS_SENT: dict[str, Play] = {
    "close": after_reading(lambda _: None),
    "reset": after_reading(Peer.reset),
    "silence": after_reading(Peer.stall),
    "dripping headers": after_reading(dripping),
    "a partial status line": sending(b"HTTP/1.1 2"),
    "partial headers": sending(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "partial headers of a refusal": sending(b"HTTP/1.1 422 Unprocessable\r\nContent-Ty"),
    "a body cut short": sending(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + SOUND),
    "a refusal cut short": sending(b"HTTP/1.1 402 Payment\r\nContent-Length: 99\r\n\r\n{}"),
    "a chunk cut short": sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + SOUND),
    "chunks without their end": sending(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(SOUND), SOUND)
    ),
    "silence in the body": after_reading(silent_in_the_body),
    "a cut body without a length": sending(b"HTTP/1.1 200 OK\r\n\r\n" + SOUND[:-2]),
    "two lengths": sending(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n{}  "),
    "too many headers": sending(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
    "two lengths in one header": sending(b"HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\n{}  "),
    "headers of 2 MB": sending(
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 400_000 + b"Content-Length: %d\r\n\r\n%s" % (len(SOUND), SOUND)
    ),
    # Without its line ends, it would be small enough.
    "blank lines of 2 MB": sending(
        b"HTTP/1.1 200 OK\r\nX: y\r\n"
        + b" \n" * 1_000_000
        + b"Content-Length: %d\r\n\r\n%s" % (len(SOUND), SOUND)
    ),
    "another version of HTTP": sending(
        b"HTTP/2 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(SOUND), SOUND)
    ),
    "a refusal whose headers have no end": sending(b"HTTP/1.1 422 No\r\nContent-Length: 0\r\n"),
    "a refusal whose length is none": sending(b"HTTP/1.1 422 No\r\nContent-Length: many\r\n\r\n<h1>bad"),
    "a refusal that is not in chunks in the end": sending(
        b"HTTP/1.1 422 No\r\nTransfer-Encoding: chunked, gzip\r\n\r\n<h1>bad"
    ),
    "gzip in chunks that was cut off": in_chunks(
        gzip.compress(SOUND)[:-9], "Transfer-Encoding: gzip, chunked"
    ),
    "gzip in gzip that was cut off": answering(
        200, gzip.compress(gzip.compress(SOUND)[:-9]), "Content-Encoding: gzip, gzip"
    ),
    "gzip three times": answering(
        200, gzip.compress(gzip.compress(gzip.compress(SOUND))), "Content-Encoding: gzip, gzip, gzip"
    ),
    "gzip in gzip that becomes 200 MB": answering(
        200,
        gzip.compress(gzip.compress(SOUND[:-1] + b" " * (200 << 20) + b"}", 1), 1),
        "Content-Encoding: gzip, gzip",
    ),
    "gzip in gzip that never becomes anything": answering(
        200, gzip.compress(gzip.compress(b"") * 1_000_000, 1), "Content-Encoding: gzip, gzip"
    ),
    "two documents": answering(200, SOUND + SOUND),
    "a document and a text": answering(200, SOUND + b"\0OK"),
    "what is no HTTP": sending(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "gzip that is none": answering(200, b"no gzip", "Content-Encoding: gzip"),
    "HTML": answering(200, b"<html>welcome</html>"),
    "an empty body": answering(200),
    "204": answering(204),
    "an object without data": answering(200, b"{}"),
    "an id that is null": answering(200, b'{"data": {"id": null}}'),
    "an id that is a fraction": answering(200, b'{"data": {"id": 7.0}}'),
    "an id that is a negative number": answering(200, b'{"data": {"id": -7}}'),
    "an id that is true": answering(200, b'{"data": {"id": true}}'),
    "an id of 5,000 digits": answering(200, b'{"data": {"id": %s}}' % (b"7" * 5000)),
    "an id that is a path": answering(200, b'{"data": {"id": "../x"}}'),
    "an id of dots": answering(200, b'{"data": {"id": ".."}}'),
    "an id with a line end": answering(200, b'{"data": {"id": "wf-1\\n"}}'),
    "an id of 10 KB": answering(200, json.dumps({"data": {"id": "x" * 10_000}}).encode()),
    "an array": answering(200, b'[{"data": {"id": "wf-1"}}]'),
    "an id told twice": answering(200, b'{"data": {"id": "wf-1", "id": "wf-2"}}'),
    "deep JSON": answering(200, b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "an answer of 2 MB": answering(200, SOUND[:-1] + b" " * (2 << 20) + b"}"),
    "an id that is no UTF-8": answering(200, b'{"data": {"id": "wf-1\xff"}}'),
    "a redirect": answering(307, b"", "Location: http://127.0.0.1:9/workflow"),
    "a redirect that would make it a GET": answering(303, b"", "Location: /workflow/1"),
    **{f"HTTP {status}": answering(status, b"<h1>x</h1>") for status in (408, 409, 418, 500, 502, 503, 504)},
    "HTTP 503 that asks to come again": answering(503, b"", "Retry-After: 1"),
}


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("fault", AFTER_IT_WAS_SENT)
def test_create_that_may_have_arrived_is_unknown_and_was_sent_once(
    fault: str, tls: bool, certificate: Certificate
) -> None:
    with raw_server(AFTER_IT_WAS_SENT[fault], certificate if tls else None) as server:
        client = a_client(server.url, timeout=SHORT, ca_bundle=str(certificate.path))
        outcome = client.create(a_request())
    assert isinstance(outcome, OutcomeUnknown), outcome
    assert len(server.received) == 1
    assert server.connections == 1


READABLE: dict[str, Play] = {
    "an early hint": sending(
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(SOUND), SOUND)
    ),
    "gzip": answering(200, gzip.compress(SOUND), "Content-Encoding: gzip"),
    "gzip that does not say so": answering(200, gzip.compress(SOUND)),
    "gzip without a length": sending(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(SOUND)
    ),
    "gzip in single bytes": in_single_bytes(gzip.compress(SOUND), "gzip"),
    "gzip in single bytes that does not say so": in_single_bytes(gzip.compress(SOUND), ""),
    "deflate": answering(200, zlib.compress(SOUND), "Content-Encoding: deflate"),
    "deflate without its header": answering(200, raw_deflate(SOUND), "Content-Encoding: deflate"),
    "x-gzip": answering(200, gzip.compress(SOUND), "Content-Encoding: X-GZip"),
    "gzip with NUL behind": answering(200, gzip.compress(SOUND) + bytes(20), "Content-Encoding: gzip"),
    "gzip twice": answering(200, gzip.compress(gzip.compress(SOUND)), "Content-Encoding: gzip, gzip"),
    "gzip twice, in two headers": answering(
        200, gzip.compress(gzip.compress(SOUND)), "Content-Encoding: gzip", "Content-Encoding: gzip"
    ),
    "gzip twice that is said once": answering(
        200, gzip.compress(gzip.compress(SOUND)), "Content-Encoding: gzip"
    ),
    "gzip once that is said twice": answering(200, gzip.compress(SOUND), "Content-Encoding: gzip, gzip"),
    "gzip twice in single bytes": in_single_bytes(gzip.compress(gzip.compress(SOUND)), "gzip, gzip"),
    "deflate in gzip": answering(200, gzip.compress(raw_deflate(SOUND)), "Content-Encoding: deflate, gzip"),
    "identity": answering(200, SOUND, "Content-Encoding: identity"),
    "gzip for the transfer": in_chunks(gzip.compress(SOUND), "Transfer-Encoding: gzip, chunked"),
    "gzip for the transfer, in two headers": in_chunks(
        gzip.compress(SOUND), "Transfer-Encoding: gzip", "Transfer-Encoding: Chunked"
    ),
    "gzip for the transfer and the content": in_chunks(
        gzip.compress(gzip.compress(SOUND)), "Content-Encoding: gzip", "Transfer-Encoding: gzip, chunked"
    ),
    "gzip for the transfer, without chunks": sending(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n" + gzip.compress(SOUND)
    ),
    "gzip for the transfer, with a length": answering(200, gzip.compress(SOUND), "Transfer-Encoding: gzip"),
    "gzip twice that does not say so": answering(200, gzip.compress(gzip.compress(SOUND))),
    "gzip twice, each with NUL behind": answering(
        200, gzip.compress(gzip.compress(SOUND + b"\0") + b"\0") + b"\0", "Content-Encoding: gzip"
    ),
    "NUL behind, in chunks": in_chunks(SOUND + b"\0", "Transfer-Encoding: chunked"),
    "NUL behind, without a length": sending(b"HTTP/1.1 200 OK\r\n\r\n" + SOUND + b"\0"),
    "deflate for the transfer": in_chunks(raw_deflate(SOUND), "Transfer-Encoding: deflate, chunked"),
    "identity for the transfer": with_length("Transfer-Encoding: identity", f"Content-Length: {len(SOUND)}"),
    "chunks said twice": in_chunks(SOUND, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "chunks and a length": in_chunks(SOUND, "Content-Length: 5", "Transfer-Encoding: chunked"),
    "chunks with trailers": in_chunks(
        SOUND, "Transfer-Encoding: chunked", trailer=b"X-Sum: 1\r\nContent-Length: 5\r\n"
    ),
    "deflate in single bytes": in_single_bytes(zlib.compress(SOUND), "deflate"),
    "said to be packed, in single bytes": in_single_bytes(b"\r\n" + SOUND, "deflate"),
    "said to be packed": answering(200, SOUND, "Content-Encoding: br"),
    "in chunks": sending(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n"
        % (len(SOUND), SOUND)
    ),
    "without a length": sending(b"HTTP/1.1 200 OK\r\n\r\n" + SOUND),
    "HTTP/1.0": sending(b"HTTP/1.0 200 OK\r\n\r\n" + SOUND),
    "no reason": sending(b"HTTP/1.1 200\r\nContent-Length: %d\r\n\r\n%s" % (len(SOUND), SOUND)),
    "an odd reason": sending(
        b"HTTP/1.1 200 T\xc3\xa9l\xe9 402 !\r\nContent-Length: %d\r\n\r\n%s" % (len(SOUND), SOUND)
    ),
    "line ends without CR": sending(b"HTTP/1.1 200 OK\nContent-Length: %d\n\n%s" % (len(SOUND), SOUND)),
    "one length twice in one header": with_length(f"Content-Length: {len(SOUND)}, {len(SOUND)}"),
    "a thousand headers": with_length(*["Set-Cookie: a=b"] * 1000, f"Content-Length: {len(SOUND)}"),
    "a header of 200 KB": with_length(f"X: {'y' * 200_000}", f"Content-Length: {len(SOUND)}"),
    "a header of three lines": with_length(
        "X: 1", "  Content-Length: 5", "\tHTTP/1.1 402 No", f"Content-Length: {len(SOUND)}"
    ),
    "a length on a line of its own": with_length("Content-Length:", f"  {len(SOUND)}"),
    "a lone CR before a colon": with_length(f"Content-Length\r: {len(SOUND)}"),
    "white space before a colon": with_length(f"Content-Length : {len(SOUND)}"),
    "headers after a line that is none": with_length("no header", f"Content-Length: {len(SOUND)}"),
    "one length twice": answering(200, SOUND, f"Content-Length: {len(SOUND)}"),
    "a line that is no header": sending(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n" + SOUND),
    "201": answering(201, SOUND),
    "202": answering(202, SOUND),
    "another type": answering(200, SOUND, "Content-Type: text/html; charset=utf-8"),
    "a byte order mark": answering(200, b"\xef\xbb\xbf" + SOUND),
    "a byte order mark, said to be packed": answering(
        200, b"\xef\xbb\xbf" + SOUND, "Content-Encoding: deflate"
    ),
    **{
        coding: answering(200, SOUND.decode().encode(coding))
        for coding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
    },
    **{
        f"{coding} that says so": answering(
            200, SOUND.decode().encode(coding), f"Content-Type: application/json; charset={coding}"
        )
        for coding in ("utf-8", "utf-16", "utf-16be", "utf-32", "us-ascii")
    },
    "UTF-16 that ends with NUL": answering(200, (SOUND.decode() + "\0").encode("utf-16")),
    **{
        f"{end!r} behind": answering(200, SOUND + end.encode())
        for end in ("\0", "\0\0\n", " \t\r\n\0", "\x0b\x0c", "\x1a", "\ufeff", "\u200b", "\xa0", "\u2028")
    },
    "two byte order marks": answering(200, b"\xef\xbb\xbf" * 2 + SOUND),
    "Latin-1 that says so": answering(
        200, SOUND[:-1] + b', "x": "caf\xe9"}', 'Content-Type: application/json; charset="ISO-8859-1"'
    ),
    **{
        f"a text that is no UTF-8, {named}": answering(200, SOUND[:-1] + b', "x": "caf\xc3"}', *headers)
        for named, headers in {
            "undeclared": (),
            "declared": ("Content-Type: application/json; charset=utf-8",),
            "declared as ASCII": ("Content-Type: application/json; charset=us-ascii",),
        }.items()
    },
    "blank lines around": answering(200, b"\r\n \n" + SOUND + b"\n\n"),
}


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("oddity", READABLE)
def test_readable_response_is_accepted(oddity: str, tls: bool, certificate: Certificate) -> None:
    with raw_server(READABLE[oddity], certificate if tls else None) as server:
        client = a_client(server.url, timeout=SHORT, ca_bundle=str(certificate.path))
        assert client.create(a_request()) == Bought(WorkflowId("wf-1"))
    assert len(server.received) == 1


REFUSED_ODDLY: dict[str, Play] = {
    "an early hint": sending(
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\n{}"
    ),
    "gzip": answering(422, gzip.compress(b'{"message": "no"}'), "Content-Encoding: gzip"),
    "gzip without a length": sending(
        b"HTTP/1.1 422 No\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b'{"message": "no"}')
    ),
    "no reason": sending(b"HTTP/1.1 422\r\nContent-Length: 0\r\n\r\n"),
}


@pytest.mark.parametrize("oddity", REFUSED_ODDLY)
def test_readable_refusal_is_a_refusal(oddity: str) -> None:
    with raw_server(REFUSED_ODDLY[oddity]) as server:
        assert isinstance(a_client(server.url).create(a_request()), JobRefused)


def test_endless_informational_responses_are_an_unknown_outcome() -> None:
    with raw_server(sending(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)) as server:
        assert isinstance(a_client(server.url).create(a_request()), OutcomeUnknown)


def test_create_reset_before_it_was_read_is_unknown() -> None:
    def reset_unread(peer: Peer) -> None:
        while not peer.socket.recv(1 << 16, socket.MSG_PEEK).endswith(b"--\r\n"):
            pass
        peer.reset()

    with raw_server(reset_unread) as server:
        outcome = a_client(server.url).create(a_request())
    assert isinstance(outcome, OutcomeUnknown)
    assert server.received == []
    assert server.connections == 1


@fails_without(
    "pipeline.providers.http.transport:Transport._send",
    "return pool.urlopen",
    swap=("retries=False", "retries=3"),
)
def test_corrupt_tls_after_processing_is_unknown_and_was_sent_once(certificate: Certificate) -> None:
    play = after_reading(lambda peer: peer.send_raw(b"\x17\x03\x03\x00\x20" + b"?" * 32))
    with raw_server(play, certificate) as server:
        outcome = a_client(server.url, ca_bundle=str(certificate.path)).create(a_request())
    assert isinstance(outcome, OutcomeUnknown)
    assert "TLS failed" in outcome.reason
    assert len(server.received) == 1


def test_unknown_outcome_keeps_the_truncated_raw_response() -> None:
    with raw_server(answering(200, b"<html>\0" + b"x" * 500_000)) as server:
        outcome = a_client(server.url).create(a_request())
    assert isinstance(outcome, OutcomeUnknown)
    assert outcome.reason == "HTTP 200 without a valid workflow id"
    assert outcome.response.startswith("<html>x")
    assert len(outcome.response) <= 10_000


ANSWERED: dict[str, tuple[Play, CreateOutcome]] = {
    "a sound id": (answering(200, SOUND), Bought(WorkflowId("wf-1"))),
    "201": (answering(201, SOUND), Bought(WorkflowId("wf-1"))),
    "chunks": (
        sending(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
            % (len(SOUND), SOUND)
        ),
        Bought(WorkflowId("wf-1")),
    ),
    "whole JSON without a length": (sending(b"HTTP/1.1 200 OK\r\n\r\n" + SOUND), Bought(WorkflowId("wf-1"))),
    "422 that may have been cut off": (
        sending(b"HTTP/1.1 422 Unprocessable\r\n\r\n<h1>bad"),
        OutcomeUnknown("the answer (HTTP 422) may have been cut off", "<h1>bad"),
    ),
    "a choice of several, with an id": (
        answering(300, SOUND),
        OutcomeUnknown("HTTP 300", SOUND.decode()),
    ),
    "500": (
        answering(500, b'{"message": "try later"}'),
        OutcomeUnknown("HTTP 500 (try later)", '{"message": "try later"}'),
    ),
    "100 before": (
        sending(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
            % (len(SOUND), SOUND)
        ),
        Bought(WorkflowId("wf-1")),
    ),
    "402": (
        answering(402, b'{"message": "INSUFFICIENT_CREDIT"}'),
        AccountRefused(AccountProblem.CREDIT, "HTTP 402: INSUFFICIENT_CREDIT"),
    ),
    "401": (answering(401, b'{"message": "no"}'), AccountRefused(AccountProblem.KEY, "HTTP 401: no")),
    "403": (answering(403), AccountRefused(AccountProblem.KEY, "HTTP 403")),
    "404": (answering(404, b'{"message": "NOT_FOUND"}'), JobRefused("HTTP 404: NOT_FOUND")),
    "422": (
        answering(422, b'{"detail": [{"loc": ["body", "options"], "msg": "bad \\u001b[31m", "type": "x"}]}'),
        JobRefused("HTTP 422: body.options: bad \\x1b[31m"),
    ),
    "422 of 2 MB": (answering(422, b'{"detail": "' + b"x" * (2 << 20) + b'"}'), JobRefused("HTTP 422")),
    **{f"{status}": (answering(status), JobRefused(f"HTTP {status}")) for status in (400, 405, 413, 415)},
    "429": (answering(429), Deferred("HTTP 429")),
    "429 after 2 seconds": (answering(429, b"", "Retry-After: 2"), Deferred("HTTP 429", 2.0)),
    "429 after a banana": (answering(429, b"", "Retry-After: banana"), Deferred("HTTP 429")),
    "429 after what has passed": (
        answering(429, b"", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"),
        Deferred("HTTP 429"),
    ),
}


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("response", ANSWERED)
def test_complete_response_determines_the_outcome(response: str, tls: bool, certificate: Certificate) -> None:
    play, expected = ANSWERED[response]
    with raw_server(play, certificate if tls else None) as server:
        outcome = a_client(server.url, ca_bundle=str(certificate.path)).create(a_request())
    assert outcome == expected
    assert len(server.received) == 1


MID_UPLOAD: dict[str, Callable[[Peer], None]] = {
    "reset": Peer.reset,
    "close": lambda _: None,
    "half an answer": lambda peer: peer.send(b"HTTP/1.1 402 Pay"),
}


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("fault", MID_UPLOAD)
def test_create_cut_off_during_the_upload_was_not_sent(
    fault: str, tls: bool, certificate: Certificate
) -> None:
    with raw_server(in_mid_upload(MID_UPLOAD[fault]), certificate if tls else None) as server:
        client = a_client(server.url, ca_bundle=str(certificate.path))
        outcome = client.create(a_request(images=(LARGE,)))
    assert isinstance(outcome, NotSent), outcome
    assert outcome.started
    assert outcome.reason
    assert server.received == []


def test_upload_that_the_server_does_not_read_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.providers.http.transport._SLOWEST_UPLOAD", 1 << 40)
    finished = threading.Event()

    def take_no_more_for_long(peer: Peer) -> None:
        finished.wait(10 * SHORT)
        peer.answer(200, SOUND)
        peer.stall()

    with raw_server(in_mid_upload(take_no_more_for_long)) as server:
        outcome = a_client(server.url, timeout=SHORT).create(a_request(images=(LARGE,)))
        finished.set()
    assert isinstance(outcome, NotSent)
    assert outcome.started


@pytest.mark.parametrize("takes_the_rest", [True, False])
def test_early_402_during_the_upload_is_read(takes_the_rest: bool) -> None:
    def refuse(peer: Peer) -> None:
        peer.answer(402, b'{"message": "INSUFFICIENT_CREDIT"}', "Connection: close")
        peer.socket.shutdown(socket.SHUT_WR)
        if takes_the_rest:
            peer.stall()

    with raw_server(in_mid_upload(refuse)) as server:
        outcome = a_client(server.url).create(a_request(images=(LARGE,)))
    assert outcome == AccountRefused(AccountProblem.CREDIT, "HTTP 402: INSUFFICIENT_CREDIT")


def test_complete_500_during_the_upload_is_unknown_and_a_partial_one_is_ignored() -> None:
    """A complete answer counts for more than the number of bytes sent; one that is cut off does not."""

    def whole(peer: Peer) -> None:
        peer.answer(500, b'{"message": "internal error"}', "Connection: close")
        peer.socket.shutdown(socket.SHUT_WR)

    def half(peer: Peer) -> None:
        peer.send(b'HTTP/1.1 500 Internal Server Error\r\nContent-Length: 99\r\n\r\n{"mess')

    outcomes: list[CreateOutcome] = []
    for act in (whole, half):
        with raw_server(in_mid_upload(act)) as server:
            outcomes.append(a_client(server.url).create(a_request(images=(LARGE,))))
        assert server.received == []

    assert isinstance(outcomes[0], OutcomeUnknown), outcomes
    assert isinstance(outcomes[1], NotSent), outcomes
    assert outcomes[1].started


def after_hello(act: Callable[[Peer], None]) -> Play:
    def play(peer: Peer) -> None:
        peer.socket.recv(100)
        act(peer)

    return play


def test_slow_response_is_reported_as_a_timeout() -> None:
    """It is this machine that finally closes the connection."""

    def drip(peer: Peer) -> None:
        never = threading.Event()
        for _ in range(200):
            never.wait(0.02)
            peer.send(b"x")  # which fails once the client has disconnected

    with raw_server(after_reading(drip)) as server:
        outcome = a_client(server.url, timeout=SHORT).create(a_request())
    assert outcome == OutcomeUnknown("after it was sent: no answer in time")


class FakeTime:
    """The time that the deadlines of a test see."""

    def __init__(self) -> None:
        self._passed = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._passed

    def passes(self) -> None:
        """Let every deadline pass."""
        self._passed = 1e6


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(connection, "time", fake)
    return fake


ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(SOUND), SOUND),
        b"X: y\r\n",
    ),
    "empty blocks": (b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n", b"\0\0\0\xff\xff"),
}


@fails_without(
    "pipeline.providers.http.connection:_DeadlineReader.readinto",
    "if self._late_reads > _LATE_READS:",
)
@pytest.mark.parametrize("response", ENDLESS)
def test_response_that_goes_on_and_on_ends_at_the_deadline(response: str, clock: FakeTime) -> None:
    head, more = ENDLESS[response]
    block = more * ((1 << 16) // len(more))
    sent: list[int] = []

    def send_endlessly(peer: Peer) -> None:
        peer.send(head)
        clock.passes()
        while len(sent) < 1000:
            peer.send(block)  # which fails once the client has disconnected
            sent.append(len(block))

    with raw_server(after_reading(send_endlessly)) as server:
        outcome = a_client(server.url).create(a_request())
    assert isinstance(outcome, OutcomeUnknown)
    assert len(sent) < 1000


def test_response_that_arrived_in_time_is_read_after_the_deadline(
    clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a suspension of the process."""
    has_answered = threading.Event()

    def answer(peer: Peer) -> None:
        peer.answer(200, SOUND)
        clock.passes()
        has_answered.set()

    def request_and_wait(self: Connection, *args: Any, **options: Any) -> None:
        request(self, *args, **options)
        assert has_answered.wait(10)

    request = Connection.request
    monkeypatch.setattr(Connection, "request", request_and_wait)
    with raw_server(after_reading(answer)) as server:
        assert a_client(server.url).create(a_request()) == Bought(WorkflowId("wf-1"))


BEFORE_TLS: dict[str, Play] = {
    "silence": Peer.stall,
    "close": after_hello(lambda _: None),
    "reset": after_hello(Peer.reset),
    "plain HTTP": after_hello(lambda peer: peer.send(b"HTTP/1.1 400 Bad\r\n\r\n")),
}


@pytest.mark.parametrize("fault", BEFORE_TLS)
def test_create_that_fails_in_the_handshake_was_not_sent(fault: str, certificate: Certificate) -> None:
    with raw_server(BEFORE_TLS[fault], certificate, handshake=False) as server:
        client = a_client(server.url, timeout=SHORT, ca_bundle=str(certificate.path))
        outcome = client.create(a_request())
    assert isinstance(outcome, NotSent)
    assert not outcome.started


def test_create_is_not_sent_to_a_server_with_an_unknown_certificate(certificate: Certificate) -> None:
    with raw_server(answering(200, SOUND), certificate) as server:
        outcome = a_client(server.url).create(a_request())
    assert isinstance(outcome, NotSent)
    assert "REQUESTS_CA_BUNDLE" in outcome.reason
    assert server.received == []


@contextmanager
def nobody_listens() -> Iterator[str]:
    """An address that is taken, so that nobody else can listen there meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine knows no IPv6")
def test_ipv6_only_vendor_is_reachable() -> None:
    with raw_server(answering(200, SOUND), host="::1") as server:
        assert a_client(server.url).create(a_request()) == Bought(WorkflowId("wf-1"))
    assert len(server.received) == 1


def test_create_is_not_sent_if_the_connection_is_refused() -> None:
    with nobody_listens() as address:
        outcome = a_client(f"http://{address}").create(a_request())
    assert outcome == NotSent("the connection was refused")


def test_create_is_not_sent_if_the_host_cannot_be_resolved() -> None:
    outcome = a_client("https://nothing.invalid").create(a_request())
    assert outcome == NotSent("the host's name cannot be resolved")


def test_create_is_not_sent_if_the_connection_times_out() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with socket.create_connection(address), socket.socket() as waiting:
            waiting.setblocking(False)
            waiting.connect_ex(address)  # the queue is full now
            outcome = a_client(f"http://127.0.0.1:{address[1]}", timeout=SHORT).create(a_request())
    assert outcome == NotSent("no answer in time")


PROXY_FAULTS: dict[str, Play] = {
    "502": answering(502),
    "407": answering(407, b"", 'Proxy-Authenticate: Basic realm="x"'),
    "drop after CONNECT": sending(b"HTTP/1.1 200 Connection established\r\n\r\n"),
    "silence": after_reading(Peer.stall),
}


@pytest.mark.parametrize("fault", PROXY_FAULTS)
def test_create_rejected_by_the_proxy_was_not_sent(fault: str) -> None:
    with raw_server(PROXY_FAULTS[fault]) as proxy:
        network = Network(proxies={"https": proxy.url})
        outcome = a_client("https://api.example.com", timeout=SHORT, network=network).create(a_request())
    assert isinstance(outcome, NotSent), outcome
    assert not outcome.started
    assert [request.method for request in proxy.received] == ["CONNECT"]


def test_create_is_not_sent_if_the_proxy_is_unreachable() -> None:
    with nobody_listens() as address:
        network = Network(proxies={"https": f"http://{address}"})
        outcome = a_client("https://api.example.com", network=network).create(a_request())
    assert outcome == NotSent("at the proxy: the connection was refused")


def test_create_goes_through_a_proxy_that_never_sees_the_key(certificate: Certificate) -> None:
    def tunnel(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        peer.start_tls()
        peer.read()
        peer.answer(200, SOUND)

    with raw_server(tunnel, certificate, handshake=False) as proxy:
        network = Network(
            proxies={"https": f"http://user:pass@127.0.0.1:{proxy.port}"}, ca_bundle=str(certificate.path)
        )
        outcome = a_client("https://api.example.com", network=network).create(a_request())
    assert outcome == Bought(WorkflowId("wf-1"))
    connect, create = proxy.received
    assert "x-api-key" not in connect.headers
    assert connect.headers["proxy-authorization"].startswith("Basic ")
    assert create.headers["x-api-key"] == KEY
    assert "proxy-authorization" not in create.headers


def test_each_create_has_its_own_connection() -> None:
    def keep_alive(peer: Peer) -> None:
        while True:
            peer.read()
            peer.answer(200, SOUND)

    with raw_server(keep_alive) as server:
        client = a_client(server.url)
        for _ in range(3):
            assert client.create(a_request()) == Bought(WorkflowId("wf-1"))
    assert server.connections == 3


def test_redirect_of_a_create_is_not_followed() -> None:
    with raw_server(answering(200, SOUND)) as other:
        with raw_server(answering(308, b"", f"Location: {other.url}/workflow")) as server:
            outcome = a_client(server.url).create(a_request())
        assert isinstance(outcome, OutcomeUnknown)
        assert other.connections == 0


def created(client: Vimmerse) -> CreateOutcome:
    """The outcome of a create. Fails the test if an interrupt escapes, which would end the tests themselves."""
    try:
        return client.create(a_request())
    except KeyboardInterrupt:
        pytest.fail("the interrupt came out, and with it all that was known of the create was lost")


def interrupt_main_thread() -> None:
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


def test_interrupt_after_sending_is_unknown() -> None:
    def interrupt(peer: Peer) -> None:
        interrupt_main_thread()
        peer.stall()

    with raw_server(after_reading(interrupt)) as server:
        outcome = created(a_client(server.url))
    assert isinstance(outcome, OutcomeUnknown)


# Python's ssl leaves the socket to the garbage collector when interrupted during its handshake.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupt_during_the_handshake_is_not_sent(certificate: Certificate) -> None:
    def interrupt(peer: Peer) -> None:
        interrupt_main_thread()
        peer.stall()

    with raw_server(after_hello(interrupt), certificate, handshake=False) as server:
        outcome = created(a_client(server.url, ca_bundle=str(certificate.path)))
    assert isinstance(outcome, NotSent)


class InterruptedAfterTheLastByte:
    """A socket that passes all bytes to the kernel and is then interrupted, before anyone could record it."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    def settimeout(self, seconds: float) -> None:
        self._socket.settimeout(seconds)

    def send(self, data: bytes) -> int:
        self._socket.sendall(data)
        if bytes(data).endswith(b"last"):
            raise KeyboardInterrupt
        return len(data)

    def close(self) -> None:
        self._socket.close()


def test_interrupt_right_after_the_last_byte_counts_as_sent() -> None:
    with raw_server(after_reading(Peer.stall)) as server:
        route = Route(None)
        connection = Connection("127.0.0.1", server.port, route=route)
        route.transmission.begin(10)
        connection.connect()
        connection.sock = InterruptedAfterTheLastByte(connection.sock)
        with pytest.raises(KeyboardInterrupt):
            connection.request("POST", "/workflow", body=b"the last")
        connection.close()
    assert route.transmission.stage is Stage.SENT


def test_request_is_not_sent_if_connecting_exceeds_the_deadline() -> None:
    with raw_server(Peer.stall) as server:
        route = Route(None)
        connection = Connection("127.0.0.1", server.port, route=route)
        route.transmission.begin(10)
        connection.connect()
        route.transmission.begin(0)
        with pytest.raises(TimeoutError):
            connection.request("POST", "/workflow", body=b"body")
        connection.close()
    assert route.transmission.stage is Stage.UNSENT


@fails_without("pipeline.providers.http.connection:Connection.send", "if not transmission.may_send():")
def test_nothing_is_sent_if_sending_is_forbidden_after_connecting() -> None:
    asked: list[int] = []

    def heard(peer: Peer) -> None:
        asked.append(len(peer.socket.recv(1)))

    def may_send() -> bool:
        asked.append(-1)
        return False

    with raw_server(heard) as server:
        outcome = a_client(server.url).create(a_request(may_send=may_send))

    assert isinstance(outcome, NotSent)
    assert not outcome.started
    assert -1 in asked
    assert 1 not in asked
