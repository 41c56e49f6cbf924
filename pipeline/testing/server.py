"""A server whose behaviour on a connection a check controls, down to the bytes."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from pipeline.testing.vendor import Call, Reply

# Seconds after which an open connection is abandoned.
_LIFE = 60.0
# Seconds of silence after which a client should have closed the connection: many times its timeout.
LONGEST_SILENCE = 20.0
_REASONS = {200: "OK", 206: "Partial Content", 302: "Found", 307: "Temporary Redirect", 404: "Not Found"}


class Connection:
    """The server's side of one connection, and how many requests have begun on it."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._buffer = b""
        self.has_outlasted = False
        self.requests = 0

    def read_head(self) -> tuple[str, str, dict[str, str]] | None:
        """Method, target and headers of the next request; None if the client has closed the connection."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._receive():
                return None
        self.requests += 1
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _version = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        return method, target, {name.strip().lower(): value.strip() for name, _, value in pairs}

    def read_body(self, headers: dict[str, str]) -> bytes | None:
        """The body that belongs to `headers`; None if the client closed the connection before its end."""
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._read_chunks()
        return self._read(int(headers.get("content-length", "0")))

    def _read_chunks(self) -> bytes | None:
        body = b""
        while True:
            while b"\r\n" not in self._buffer:
                if not self._receive():
                    return None
            size, _, self._buffer = self._buffer.partition(b"\r\n")
            chunk = self._read(int(size.split(b";")[0], 16) + 2)
            if chunk is None:
                return None
            if chunk == b"\r\n":
                return body
            body += chunk[:-2]

    def _read(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            if not self._receive():
                return None
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return body

    def _receive(self) -> bool:
        block = self._socket.recv(1 << 16)
        self._buffer += block
        return bool(block)

    def send(self, data: bytes) -> None:
        """Send these bytes as they are."""
        self._socket.sendall(data)

    def answer(self, reply: Reply, *headers: tuple[str, str]) -> None:
        """Send a complete response."""
        self.send(head_of(reply, ("Content-Length", str(len(reply.body))), *headers) + reply.body)

    def reset(self) -> None:
        """End the connection with a RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Close the connection as servers do."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def stall(self) -> None:
        """Send nothing more until the client closes the connection; if it never does, set `has_outlasted`."""
        self._socket.settimeout(LONGEST_SILENCE)
        try:
            while self._socket.recv(1 << 16):
                pass
        except TimeoutError:
            self.has_outlasted = True
        except OSError:
            pass


def head_of(reply: Reply, *headers: tuple[str, str]) -> bytes:
    """Status line and headers of a response."""
    status = f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Status')}"
    lines = [status, *(f"{name}: {value}" for name, value in (*reply.headers, *headers))]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")


Handler = Callable[[Connection, Call], None]
HeadHandler = Callable[[Connection, str, str], bool]


class Server:
    """Answers each call with `handle`; `at_head`, called first, may end the connection before the body is read.

    `accepted` is set once the first connection is open.
    """

    def __init__(self, handle: Handler, at_head: HeadHandler) -> None:
        self._handle = handle
        self._at_head = at_head
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._opened: list[socket.socket] = []
        self.accepted = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        """The server's url."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            # Closing it alone does not wake the thread in `accept`.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for opened in self._opened:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        self._thread.join(_LIFE)

    def _accept(self) -> None:
        serving: list[threading.Thread] = []
        while True:
            try:
                opened, _ = self._listener.accept()
            except OSError:
                break
            self.accepted.set()
            opened.settimeout(_LIFE)
            self._opened.append(opened)
            serving.append(threading.Thread(target=self._serve, args=(opened,), daemon=True))
            serving[-1].start()
        for thread in serving:
            thread.join(_LIFE)

    def _serve(self, opened: socket.socket) -> None:
        connection = Connection(opened)
        with suppress(OSError, ValueError), opened:
            while (head := connection.read_head()) is not None:
                method, target, headers = head
                if self._at_head(connection, method, target):
                    return
                body = connection.read_body(headers)
                if body is None:
                    return
                self._handle(connection, Call(method, target, headers, body))
                if opened.fileno() < 0:
                    return


@contextmanager
def closed_port() -> Iterator[str]:
    """An address at which no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
