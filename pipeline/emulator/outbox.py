"""Receipts that are to be sent to whoever asked for one with a `webhook_url`, and when."""

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pipeline.emulator.faults import Delivery

# How long to sleep at most, in seconds: the clock that says what is due may be set meanwhile.
_LONGEST_SLEEP = 5.0


@dataclass(frozen=True, slots=True, order=True)
class Letter:
    """The receipt of one workflow, due at that time. `delivery` is None until the rules were asked."""

    due: float
    workflow_id: str
    attempt: int = 1
    delivery: Delivery | None = field(default=None, compare=False)

    def again(self, due: float, delivery: Delivery) -> "Letter":
        """The next attempt to deliver it, in the same way."""
        return replace(self, due=due, attempt=self.attempt + 1, delivery=delivery)


class Outbox:
    """Letters in the order in which they are due. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._letters: list[Letter] = []
        self._closed = False
        self._changed = threading.Condition()

    def put(self, letter: Letter) -> None:
        """Add one."""
        with self._changed:
            heapq.heappush(self._letters, letter)
            self._changed.notify()

    def take(self) -> Letter | None:
        """Wait for the next that is due; None once it is closed."""
        with self._changed:
            while not self._closed:
                ahead = self._letters[0].due - self._clock() if self._letters else _LONGEST_SLEEP
                if ahead <= 0:
                    return heapq.heappop(self._letters)
                self._changed.wait(min(ahead, _LONGEST_SLEEP))
            return None

    def close(self) -> None:
        """Nothing is given out any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
