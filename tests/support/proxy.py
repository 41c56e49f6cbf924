"""A network between a run and its database that a test can break: it drops data, delays it, or loses the answer."""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

_BLOCK = 1 << 16

# Decides about a piece of data, given the pieces before it: True passes it on, False ends the connection.
Judge = Callable[["Link", bytes], bool]


def _goes_on(_link: "Link", _piece: bytes) -> bool:
    return True


class Link:
    """One connection through the proxy. Swallowed data is read from its sender and dropped."""

    def __init__(self, proxy: "Proxy", client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server
        self.is_swallowing = False
        self.saw_commit = False
        self.is_asked = False

    def start(self) -> None:
        for source, target, judge in (
            (self.client, self.server, self.proxy.judge_question),
            (self.server, self.client, self.proxy.judge_answer),
        ):
            threading.Thread(target=self._pump, args=(source, target, judge), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, judge: Judge) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_BLOCK):
                if self.is_swallowing:
                    continue
                if not judge(self, piece):
                    break
                target.sendall(piece)
        if not self.is_swallowing:
            self.close()

    def close(self) -> None:
        """Close both sides, which also wakes a thread that waits for data."""
        for side in (self.client, self.server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()


class Proxy:
    """Listens on loopback and forwards to the server's socket. `to_server` and `to_client` judge each piece."""

    host = "127.0.0.1"

    def __init__(self, folder: str, port: int) -> None:
        self._target = (folder, port)
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        self.links: list[Link] = []
        self.to_server: Judge = _goes_on
        self.to_client: Judge = _goes_on
        self._asked: Judge = _goes_on
        self._late: tuple[Link, bytes] | None = None

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        self.close()

    def close(self) -> None:
        """End every connection, and accept no other."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self.links:
            link.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        folder, port = self._target
        try:
            if folder.startswith("/"):
                server = socket.socket(socket.AF_UNIX)
                server.connect(f"{folder}/.s.PGSQL.{port}")
            else:
                server = socket.create_connection((folder, port))
        except OSError:
            client.close()
            return
        link = Link(self, client, server)
        self.links.append(link)
        link.start()

    def judge_question(self, link: Link, piece: bytes) -> bool:
        return self._asked(link, piece) and self.to_server(link, piece)

    def judge_answer(self, link: Link, piece: bytes) -> bool:
        return self.to_client(link, piece)

    def swallow(self) -> None:
        """From now on silently drop everything that is sent on the existing connections."""
        for link in self.links:
            link.is_swallowing = True

    def forget_next_answer_to_commit(self) -> None:
        """Let the next COMMIT through, and end the connection instead of its answer."""

        def to_server(link: Link, piece: bytes) -> bool:
            link.saw_commit = link.saw_commit or b"COMMIT\0" in piece
            return True

        def to_client(link: Link, _piece: bytes) -> bool:
            if link.saw_commit:
                self.to_server = self.to_client = _goes_on
                return False
            return True

        self.to_server, self.to_client = to_server, to_client

    def drop_next_commit(self) -> None:
        """End the connection instead of passing on the next COMMIT."""

        def to_server(_link: Link, piece: bytes) -> bool:
            if b"COMMIT\0" in piece:
                self.to_server = _goes_on
                return False
            return True

        self.to_server = to_server

    def hold_next_commit(self) -> None:
        """End the client's connection at the next COMMIT, which the server receives only by `deliver`."""

        def to_server(link: Link, piece: bytes) -> bool:
            if b"COMMIT\0" not in piece:
                return True
            self._late = (link, piece)
            self.to_server = _goes_on
            link.is_swallowing = True
            link.client.shutdown(socket.SHUT_RDWR)
            return False

        self.to_server = to_server

    def note_answer_to(self, words: bytes) -> threading.Event:
        """An event that is set when the server has answered a query that contains `words`."""
        answered = threading.Event()

        def to_server(link: Link, piece: bytes) -> bool:
            link.is_asked = link.is_asked or words in piece
            return True

        def to_client(link: Link, _piece: bytes) -> bool:
            if link.is_asked:
                answered.set()
            return True

        self._asked, self.to_client = to_server, to_client
        return answered

    def deliver(self) -> None:
        """Send the server the COMMIT that was held."""
        assert self._late is not None
        link, piece = self._late
        link.server.sendall(piece)
