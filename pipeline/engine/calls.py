"""The calls that are in the air: handed to an executor, taken in again by the one who handed them out."""

import queue
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

from pipeline.engine.clock import Clock

P = ParamSpec("P")
T = TypeVar("T")

OnDone = Callable[[], None]


class CallPool:
    """At most `limit` calls at once: nothing waits in the executor, so a stop drops nothing unseen."""

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._count = 0
        # Its put() may be called from a signal handler, unlike that of queue.Queue.
        self._inbox: queue.SimpleQueue[OnDone | None] = queue.SimpleQueue()

    @property
    def is_full(self) -> bool:
        """Whether no further call may be handed out."""
        return self._count >= self._limit

    @property
    def is_empty(self) -> bool:
        """Whether nothing is awaited."""
        return self._count == 0

    def send(
        self,
        executor: Executor,
        land: Callable[["Future[T]"], None],
        call: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Hand out a call; `land` takes it in, in the coordinator's thread, within `take`."""
        future = executor.submit(call, *args, **kwargs)
        self._count += 1
        future.add_done_callback(lambda done: self._inbox.put(lambda: land(done)))

    def wake(self) -> None:
        """Have `take` return. Safe in a signal handler."""
        self._inbox.put(None)

    def take(self, seconds: float | None) -> None:
        """Wait at most `seconds` for a call to come back, and take in all that have."""
        landing = self._clock.take(self._inbox, seconds)
        while landing is not None:
            self._count -= 1
            landing()
            landing = None if self._inbox.empty() else self._clock.take(self._inbox, 0)
