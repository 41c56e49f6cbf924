"""A server that handles a connection as a test wants, and counts the requests that arrive complete."""

import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

NAMES = ("localhost", "api.example.com", "media.example.com")


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for `NAMES` and 127.0.0.1, and its key."""

    path: Path
    key: Path

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key)
        return context


def make_certificate(folder: Path) -> Certificate:
    certificate = Certificate(folder / "server.pem", folder / "server.key")
    names = ",".join([*(f"DNS:{name}" for name in NAMES), "IP:127.0.0.1"])
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", f"subjectAltName={names}"]
    command += ["-out", str(certificate.path), "-keyout", str(certificate.key)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate


@dataclass(frozen=True)
class Received:
    """A request that arrived complete."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Peer:
    """The server's side of one connection."""

    def __init__(self, opened: socket.socket, server: "RawServer") -> None:
        self.socket = opened
        self._server = server

    @property
    def url(self) -> str:
        """The url of the server."""
        return self._server.url

    def start_tls(self) -> None:
        certificate = self._server.certificate
        assert certificate is not None
        self.socket = certificate.context.wrap_socket(self.socket, server_side=True)

    def read_head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                raise EOFError
            head += byte
        return head

    def read(self) -> Received:
        """Read the next request, which counts as received once its last byte has arrived."""
        first, *lines = self.read_head().decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = b""
        while len(body) < int(headers.get("content-length", "0")):
            block = self.socket.recv(1 << 16)
            if not block:
                raise EOFError
            body += block
        method, path, _ = first.split(" ")
        request = Received(method, path, headers, body)
        self._server.received.append(request)
        return request

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_raw(self, data: bytes) -> None:
        """Send bytes below TLS, if there is TLS."""
        socket.socket.sendall(self.socket, data)

    def answer(self, status: int, body: bytes = b"", *headers: str, reason: str = "Reason") -> None:
        lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}", *headers, "", ""]
        self.send("\r\n".join(lines).encode() + body)

    def reset(self) -> None:
        """Reset the connection with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Closing an SSLSocket would reset it too; detach first, so that no TLS close is sent before.
        self._server.drop(self.socket)

    def stall(self) -> None:
        """Send nothing more until the test is over or the client has disconnected."""
        self.socket.settimeout(30)
        with suppress(OSError):
            while self.socket.recv(1 << 16):
                pass


Play = Callable[[Peer], None]


class RawServer:
    """Runs one `Play` for each incoming connection."""

    def __init__(
        self,
        play: Play,
        certificate: Certificate | None = None,
        *,
        handshake: bool = True,
        host: str = "127.0.0.1",
    ) -> None:
        self.certificate = certificate
        self.received: list[Received] = []
        self.connections = 0
        self._play = play
        self._handshake = handshake and certificate is not None
        self._host = f"[{host}]" if ":" in host else host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._opened: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://{self._host}:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                opened, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(opened,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, opened: socket.socket) -> None:
        peer = Peer(opened, self)
        self._opened.append(opened)
        with suppress(OSError, EOFError):
            if self._handshake:
                peer.start_tls()
            self._opened.append(peer.socket)
            self._play(peer)
        self.drop(peer.socket)

    def drop(self, opened: socket.socket) -> None:
        with suppress(OSError):
            opened.close()

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for opened in self._opened:
            with suppress(OSError):
                socket.socket.shutdown(opened, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)


@contextmanager
def raw_server(
    play: Play,
    certificate: Certificate | None = None,
    *,
    handshake: bool = True,
    host: str = "127.0.0.1",
) -> Iterator[RawServer]:
    server = RawServer(play, certificate, handshake=handshake, host=host)
    try:
        yield server
    finally:
        server.stop()
