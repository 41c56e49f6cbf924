"""The vendor's API, as small and as fast as it can be, in a process of its own: it must not be what limits.

Run as a program it prints its address, answers until its standard input ends, then prints its ledger as JSON. It
knows version 1's create, poll and download, and takes from a form only the title and the template. With a bandwidth
it sends clips to each address at that rate, however many connections come from there.
"""

import argparse
import asyncio
import json
import resource
import ssl
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

# A clip by its first bytes. What follows differs from clip to clip, as it does at the vendor.
_HEAD = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
_CLIP_BYTES = 2048
_PIECE = 1 << 16


@dataclass
class Calls:
    """What the vendor was asked, and when."""

    creates: int = 0
    polls: int = 0
    downloads: int = 0
    others: int = 0
    connections: int = 0
    last: float = 0.0
    transfer: float = 0.0
    longest_gap: float = 0.0

    def note(self) -> None:
        """A call came."""
        now = time.monotonic()
        if self.last:
            self.longest_gap = max(self.longest_gap, now - self.last)
        self.last = now


@dataclass
class Workflows:
    """What was bought. Each is done `delay` seconds after its create."""

    delay: float
    size: int = _CLIP_BYTES
    address: str = ""
    calls: Calls = field(default_factory=Calls)
    _ready: dict[bytes, tuple[float, bytes]] = field(default_factory=dict)

    def answer(self, method: bytes, path: bytes, body: bytes) -> tuple[int, bytes, bytes]:
        """Status, content type and body of the answer to one call."""
        calls = self.calls
        calls.note()
        if method == b"GET" and path.startswith(b"/workflow/"):
            calls.polls += 1
            return self._told(path[10:])
        if method == b"GET" and path.startswith(b"/media/"):
            calls.downloads += 1
            return 200, b"video/mp4", _clip(path, self.size)
        if method == b"POST" and path == b"/workflow":
            calls.creates += 1
            return self._bought(body)
        calls.others += 1
        return 404, b"application/json", b'{"message":"NOT_FOUND"}'

    def _bought(self, body: bytes) -> tuple[int, bytes, bytes]:
        workflow = b"wf-%d" % self.calls.creates
        told = b'"id":"%s","title":%s,"model":%s' % (
            workflow,
            _quoted(_field(body, b"title")),
            _quoted(_field(body, b"template_id")),
        )
        self._ready[workflow] = (time.monotonic() + self.delay, told)
        return 200, b"application/json", b'{"data":{%s,"processing_status":"created"}}' % told

    def _told(self, workflow: bytes) -> tuple[int, bytes, bytes]:
        if workflow not in self._ready:
            return 404, b"application/json", b'{"message":"NOT_FOUND"}'
        ready, told = self._ready[workflow]
        left = ready - time.monotonic()
        if left > 0:
            percent = int(100 * (1 - left / self.delay))
            state = b'"processing_status":"processing","progress_percentage":%d' % percent
        else:
            url = b"%s/media/%s.mp4" % (self.address.encode(), workflow)
            state = (
                b'"processing_status":"success","progress_percentage":100,'
                b'"result":[{"content_type":"video/mp4","url":"%s"}],"media_result":[{"url":"%s","size":%d}]'
            ) % (url, url, self.size)
        return 200, b"application/json", b'{"data":{%s,%s}}' % (told, state)


def _clip(path: bytes, size: int) -> bytes:
    return (_HEAD + path).ljust(size, b"\0")


@dataclass
class Lines:
    """The line to each client, by its address: what is sent to it goes one after another, `rate` bytes a second."""

    rate: float
    calls: Calls
    _begun: float = 0.0
    _free: dict[str, float] = field(default_factory=dict)

    def send(self, transport: asyncio.Transport, content: bytes) -> None:
        """Send an answer by and by."""
        loop = asyncio.get_running_loop()
        client = transport.get_extra_info("peername")[0]
        self._begun = self._begun or loop.time()
        at = max(loop.time(), self._free.get(client, 0.0))
        for start in range(0, len(content), _PIECE):
            piece = content[start : start + _PIECE]
            at += len(piece) / self.rate
            loop.call_at(at, transport.write, piece)
        self._free[client] = at
        self.calls.transfer = max(self.calls.transfer, at - self._begun)


def _field(body: bytes, name: bytes) -> bytes:
    """A text field of a form."""
    _, _, rest = body.partition(b'name="%s"' % name)
    _, _, rest = rest.partition(b"\r\n\r\n")
    return rest.partition(b"\r\n--")[0]


def _quoted(text: bytes) -> bytes:
    return json.dumps(text.decode()).encode()


class Connection(asyncio.Protocol):
    """Requests that come one after another on one connection, with or without TLS."""

    def __init__(self, workflows: Workflows, lines: Lines | None) -> None:
        self._workflows = workflows
        self._lines = lines
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._workflows.calls.connections += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end]
            size = _length(head)
            if len(self._buffer) < end + 4 + size:
                return
            body = self._buffer[end + 4 : end + 4 + size]
            self._buffer = self._buffer[end + 4 + size :]
            self._respond(head, body)

    def _respond(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b" ", 2)
        status, content_type, content = self._workflows.answer(method, path, body)
        if self._transport is None:
            return
        answer = b"HTTP/1.1 %d .\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
            status,
            content_type,
            len(content),
            content,
        )
        if self._lines is None or content_type != b"video/mp4":
            self._transport.write(answer)
        else:
            self._lines.send(self._transport, answer)


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def _serve(workflows: Workflows, certificate: Path | None, lines: Lines | None) -> None:
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(workflows, lines), "127.0.0.1", 0, ssl=context, backlog=1024
    )
    port = server.sockets[0].getsockname()[1]
    workflows.address = f"{'https' if context else 'http'}://127.0.0.1:{port}"
    print(workflows.address, flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--size", type=int, default=_CLIP_BYTES)
    parser.add_argument("--bandwidth", type=float, default=0.0)
    given = parser.parse_args()
    workflows = Workflows(given.delay, given.size)
    lines = Lines(given.bandwidth, workflows.calls) if given.bandwidth else None
    asyncio.run(_serve(workflows, given.certificate, lines))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({**vars(workflows.calls), "cpu": usage.ru_utime + usage.ru_stime}))


if __name__ == "__main__":
    main()
