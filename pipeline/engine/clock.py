"""Time as a parameter, so that an hour of waiting is tested in a millisecond."""

import queue
import time
from datetime import UTC, datetime
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """What the coordinator knows of time."""

    def now(self) -> str:
        """The time of day: UTC, ISO 8601, to the millisecond. For records only, never for waiting."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...

    def take(self, inbox: "queue.SimpleQueue[T]", seconds: float | None) -> T | None:
        """The next thing in `inbox`, waiting at most `seconds` for it (None: as long as it takes)."""
        ...


class SystemClock:
    """The machine's own."""

    def now(self) -> str:
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def monotonic(self) -> float:
        return time.monotonic()

    def take(self, inbox: "queue.SimpleQueue[T]", seconds: float | None) -> T | None:
        try:
            return inbox.get(timeout=None if seconds is None else max(0.0, seconds))
        except queue.Empty:
            return None
