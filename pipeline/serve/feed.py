"""The stream of events for any number of browsers; each continues from the last event that it received.

Events are kept once for all browsers, so a browser that reads slowly, or not at all, uses no memory.
"""

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress

from pipeline.operations.clock import now

# Seconds between heartbeats to a browser, which reconnects when they stop.
BEAT = 5.0
_RETRY_MS = 1_000


class Feed:
    """Numbered events: the newest `most`, of at most `most_bytes` together.

    The last event of a stream that the server ends says so, so that no browser takes it for a lost connection. A
    browser that continues from an event that is gone, or from another server's, gets a reset.
    """

    def __init__(self, most: int = 2_000, most_bytes: int = 16 << 20) -> None:
        # Distinguishes the events of this server from those of an earlier one with the same numbers.
        self._name = secrets.token_hex(4)
        self._most = most
        self._most_bytes = most_bytes
        self._kept: deque[bytes] = deque()
        self._bytes = 0
        self._last = 0
        self._ends = False
        self._closed = False
        self._nobody = threading.Event()
        self._nobody.set()
        self._lock = threading.Lock()
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def last_id(self) -> str:
        """The id of the newest event."""
        return f"{self._name}-{self._last}"

    @property
    def listeners(self) -> int:
        """The number of connected browsers."""
        return len(self._listeners)

    def add(self, data: bytes) -> None:
        """Send `data`, one line, to every browser. Callable from any thread."""
        with self._lock:
            self._last += 1
            self._kept.append(data)
            self._bytes += len(data)
            while len(self._kept) > self._most or (self._bytes > self._most_bytes and len(self._kept) > 1):
                self._bytes -= len(self._kept.popleft())
        self._wake()

    def end(self, timeout: float) -> None:
        """Tell every browser that the server ends, then close: when all have left, or after `timeout` seconds.

        A browser leaves once it has fetched everything that it will go on showing. Callable from any thread but the
        server's.
        """
        self._ends = True
        self._wake()
        self._nobody.wait(timeout)
        self.close()

    def close(self) -> None:
        """End every stream. Callable from any thread."""
        self._ends = self._closed = True
        self._wake()

    def _wake(self) -> None:
        for loop, woken in list(self._listeners):
            with suppress(RuntimeError):  # that browser's server has ended
                loop.call_soon_threadsafe(woken.set)

    async def stream(self, after: str, beat: float = BEAT) -> AsyncGenerator[bytes]:
        """The events after the one with the id `after`, as server-sent events, until the feed is closed."""
        woken = asyncio.Event()
        listener = (asyncio.get_running_loop(), woken)
        self._listeners.add(listener)
        self._nobody.clear()
        has_said_end = False
        # The first beat says that everything so far was sent: a browser may leave then, and look again later.
        pause = 0.0
        try:
            yield b"retry: %d\n\n" % _RETRY_MS
            position = self._position(after)
            while True:
                woken.clear()
                # Read before the frames, so that events added before the end are still sent.
                ends, closed = self._ends, self._closed
                frames, position = self._frames(position)
                if frames:
                    yield b"".join(frames)
                    continue
                if ends and not has_said_end:
                    has_said_end = True
                    yield b"event: end\ndata:\n\n"
                if closed:
                    return
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), pause)
                    continue
                pause = beat
                if not ends:
                    yield _beat()
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self._nobody.set()

    def _position(self, after: str) -> int | None:
        """The number in the event id `after`; None if it is not an id of this feed."""
        name, _, number = after.partition("-")
        is_ours = name == self._name and number.isascii() and number.isdecimal() and len(number) < 16
        return int(number) if is_ours and int(number) <= self._last else None

    def _frames(self, position: int | None) -> tuple[list[bytes], int]:
        with self._lock:
            first = self._last - len(self._kept)
            if position is None or position < first:
                return [b"event: reset\nid: %s\ndata:\n\n" % self.last_id.encode()], self._last
            new = list(self._kept)[position - first :]
            frames = [
                b"id: %s-%d\ndata: %s\n\n" % (self._name.encode(), number, data)
                for number, data in enumerate(new, start=position + 1)
            ]
            return frames, self._last


def _beat() -> bytes:
    """A heartbeat with the server's time, since the browser's clock may differ."""
    return b"event: beat\ndata: %s\n\n" % now().encode()
