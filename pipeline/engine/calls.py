"""Starts calls and collects their results: limits concurrency and rate, and computes backoffs.

The clock is a parameter, so that a test of an hour's wait takes a millisecond.
"""

from __future__ import annotations

import queue
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import ParamSpec, Protocol, TypeVar

from pipeline.errors import AccountError, BuyingStopped, PipelineError
from pipeline.providers.base import CallRefused, NotFound, VendorError

P = ParamSpec("P")
T = TypeVar("T")

# Base of the exponential backoff, and the longest backoff, in seconds.
FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 60.0
# How many times `with_retries` tries.
ATTEMPTS = 5
# Seconds to wait for calls under way after a signal; CI runners kill the process soon after.
DRAIN_TIMEOUT = 7.0


class Clock(Protocol):
    """The clock of the coordinator."""

    def now(self) -> str:
        """The time of day: UTC, ISO 8601, to the millisecond. For records only, never for waiting."""
        ...

    def monotonic(self) -> float:
        """Monotonic seconds."""
        ...

    def wait(self, inbox: queue.SimpleQueue[T], seconds: float | None) -> T | None:
        """The next item of `inbox`, or None after waiting `seconds` (None: wait indefinitely)."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> str:
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, inbox: queue.SimpleQueue[T], seconds: float | None) -> T | None:
        try:
            return inbox.get(timeout=None if seconds is None else max(0.0, seconds))
        except queue.Empty:
            return None


class NoCredit(VendorError):
    """The vendor says that there is no credit, in answer to a call other than a create.

    Only buying ends because of that: what is already bought is followed, so such a call is repeated.
    """


class TokenBucket:
    """Allows `rate` requests a second on average, in bursts of at most a tenth of a second's worth.

    More tokens than there are may be spent; the next request then waits until the debt is repaid.
    """

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock = clock
        self._rate = rate
        self._capacity = max(1.0, rate / 10)
        self._tokens = self._capacity
        self._counted_at = clock.monotonic()

    def spend(self, tokens: int) -> None:
        """Count requests that are made now."""
        self._refill()
        self._tokens -= tokens

    def ready_at(self) -> float:
        """When the next request may be made, in monotonic seconds."""
        self._refill()
        # Rounding errors can leave a whole token slightly below one.
        lacking = 1.0 - self._tokens - 1e-9
        return self._counted_at + max(0.0, lacking) / self._rate

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._capacity, self._tokens + (now - self._counted_at) * self._rate)
        self._counted_at = now


class CallPool:
    """Runs at most `limit` calls at once; none is queued in an executor, where a stop would drop it unnoticed.

    Calls that may be repeated go to `executor`, which may be a cluster. Calls that may not go to `local_executor` in
    this process, because no cluster guarantees that a task runs at most once. Other work goes to
    `background_executor`. `rate` limits the requests a second; None means no limit.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        limit: int,
        rate: float | None,
        executor: Executor,
        local_executor: Executor,
        background_executor: Executor,
    ) -> None:
        self._clock = clock
        self._limit = limit
        self._bucket = None if rate is None else TokenBucket(clock, rate)
        self._executor = executor
        self._local_executor = local_executor
        self._background_executor = background_executor
        self._count = self._count_background = 0
        # Its put() may be called from a signal handler, unlike that of queue.Queue.
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    @property
    def has_workers(self) -> bool:
        """Whether calls that may be repeated are made by other processes, perhaps on other machines."""
        return self._executor is not self._local_executor

    @property
    def is_full(self) -> bool:
        """Whether no further call may be started."""
        return self._count >= self._limit

    @property
    def is_empty(self) -> bool:
        """Whether nothing is under way."""
        return self._count + self._count_background == 0

    def ready_at(self) -> float:
        """When the rate allows the next call, in monotonic seconds."""
        return 0.0 if self._bucket is None else self._bucket.ready_at()

    def charge(self, requests: int) -> None:
        """Count requests to the vendor against the rate, before or after a call makes them."""
        if self._bucket is not None:
            self._bucket.spend(requests)

    def submit(
        self,
        on_done: Callable[[Future[T]], None],
        call: Callable[P, T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Start a call that may be repeated; `on_done` gets its future, in the thread that calls `collect`."""
        self._started(self._executor.submit(call, *args, **kwargs), on_done)

    def submit_local(
        self,
        on_done: Callable[[Future[T]], None],
        call: Callable[P, T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """As `submit`, for a call that must not run twice, or needs this machine's files."""
        self._started(self._local_executor.submit(call, *args, **kwargs), on_done)

    def submit_background(
        self,
        on_done: Callable[[Future[T]], None],
        work: Callable[P, T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Future[T]:
        """As `submit_local`, for work that makes no call to the vendor and does not count towards the limit."""
        future = self._background_executor.submit(work, *args, **kwargs)
        self._count_background += 1

        def ended(done: Future[T]) -> None:
            self._count_background -= 1
            on_done(done)

        future.add_done_callback(lambda done: self._inbox.put(lambda: ended(done)))
        return future

    def _started(self, future: Future[T], on_done: Callable[[Future[T]], None]) -> None:
        self._count += 1
        future.add_done_callback(lambda done: self._inbox.put(lambda: self._ended(on_done, done)))

    def _ended(self, on_done: Callable[[Future[T]], None], future: Future[T]) -> None:
        self._count -= 1
        on_done(future)

    def notify(self, what: Callable[[], None]) -> None:
        """Run `what` in the thread that calls `collect`. Safe in any thread."""
        self._inbox.put(what)

    def wake(self) -> None:
        """Make `collect` return. Safe in a signal handler."""
        self._inbox.put(None)

    def collect(self, seconds: float | None) -> None:
        """Wait at most `seconds` for a call to end, then run the callbacks of all that have ended."""
        done = self._clock.wait(self._inbox, seconds)
        while done is not None:
            done()
            done = None if self._inbox.empty() else self._clock.wait(self._inbox, 0)


@contextmanager
def thread_pool(threads: int) -> Iterator[Executor]:
    """A pool of that many threads; on exit, it does not wait for calls that hang: their results are not needed."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="call")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def result_of(future: Future[T]) -> T | PipelineError:
    """The result of a call, or the error that it raised; only an `AccountError` is raised again.

    Missing credit is a `NoCredit`, which is a `VendorError`, so that it is handled as one where nothing is bought.

    Raises:
        AccountError: the vendor refused the key; this ends the run.
    """
    try:
        return future.result()
    except AccountError:
        raise
    except BuyingStopped as error:
        return NoCredit(str(error))
    except PipelineError as error:
        return error


def backoff(attempt: int, rng: random.Random, after: float | None = None) -> float:
    """Seconds before attempt number `attempt` + 1: exponential with full jitter, never sooner than `after`."""
    most = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(attempt, 20))
    return max(after or 0.0, rng.uniform(0.0, most))


def with_retries(call: Callable[[], T], pause: Callable[[float], object], rng: random.Random) -> T:
    """The result of `call`, tried up to `ATTEMPTS` times; `pause` sleeps for the given seconds in between.

    Raises:
        VendorError: the last error, or the first one that a retry cannot fix.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return call()
        except (NotFound, CallRefused):
            raise
        except VendorError as error:
            pause(backoff(attempt, rng, error.after))
        except BuyingStopped:
            pause(backoff(attempt, rng))
    try:
        return call()
    except BuyingStopped as error:
        raise NoCredit(str(error)) from None
