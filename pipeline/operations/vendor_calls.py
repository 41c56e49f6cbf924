"""Calls to the vendor one after another, for commands that are no run; a signal ends them in order."""

import queue
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from pipeline.engine.calls import repeated, thread_pool
from pipeline.engine.coordinator import DRAIN_TIMEOUT
from pipeline.engine.reporter import Stop
from pipeline.errors import Stopped

T = TypeVar("T")


class VendorCalls:
    """Repeats calls that may be repeated, with backoff, until a stop is asked for.

    A call that is under way then is waited for, but not for longer than CI runners wait before they kill.
    `on_stopping` hears, in words, that it is.
    """

    def __init__(
        self, executor: Executor, stop: Stop, on_stopping: Callable[[str], object], rng: random.Random
    ) -> None:
        self._executor = executor
        self._stop = stop
        self._on_stopping = on_stopping
        self._rng = rng
        # Its put() may be called from a signal handler, unlike that of queue.Queue.
        self._inbox: queue.SimpleQueue[None] = queue.SimpleQueue()
        stop.on_request(lambda: self._inbox.put(None))

    def __call__(self, call: Callable[[], T]) -> T:
        """What `call` brings, asked for again where it fails.

        Raises:
            Stopped: a stop was asked for before it had brought anything.
            VendorError: the last of its errors, or the first that repeating will not mend.
        """
        return repeated(partial(self._once, call), self._pause, self._rng)

    def _once(self, call: Callable[[], T]) -> T:
        assert_not_stopped(self._stop)
        future = self._executor.submit(call)
        future.add_done_callback(lambda _: self._inbox.put(None))
        self._wait_for(future)
        return future.result()

    def _wait_for(self, future: "Future[T]") -> None:
        limit: float | None = None
        while not future.done():
            if limit is None and self._stop.code is not None:
                limit = time.monotonic() + DRAIN_TIMEOUT
                self._on_stopping(
                    "stopping: nothing more is sent; waiting for the requests in flight, "
                    f"at most {DRAIN_TIMEOUT:.0f} seconds"
                )
            if limit is not None and time.monotonic() >= limit:
                assert_not_stopped(self._stop)
            self._woken(None if limit is None else limit - time.monotonic())

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            assert_not_stopped(self._stop)
            self._woken(left)

    def _woken(self, seconds: float | None) -> None:
        try:
            self._inbox.get(timeout=None if seconds is None else max(0.0, seconds))
        except queue.Empty:
            return


def assert_not_stopped(stop: Stop) -> None:
    """Go on only while nobody has asked for a stop.

    Raises:
        Stopped: somebody has.
    """
    if stop.code is not None:
        raise Stopped(stop.code)


@contextmanager
def vendor_calls(stop: Stop, on_stopping: Callable[[str], object]) -> Iterator[VendorCalls]:
    """Calls from a thread of their own, so that a signal is heeded while one of them hangs."""
    with thread_pool(1) as executor:
        yield VendorCalls(executor=executor, stop=stop, on_stopping=on_stopping, rng=random.Random())  # noqa: S311 - jitter is no secret
