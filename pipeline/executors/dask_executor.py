"""Runs calls as tasks of a Dask cluster, with the interface of `concurrent.futures`."""

from __future__ import annotations

import operator
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar

from distributed import Client
from distributed.scheduler import KilledWorker

from pipeline import __version__
from pipeline.engine.failures import report_error
from pipeline.engine.poller import poll
from pipeline.engine.updater import update
from pipeline.errors import printable
from pipeline.executors.remote_calls import (
    MAX_IN_A_TASK,
    ClusterFailed,
    Sealed,
    carry_out,
    carry_out_long,
    result_in,
    sealed,
    sealed_call,
)
from pipeline.providers.base import VendorError

P = ParamSpec("P")
T = TypeVar("T")

# Seconds that a cluster may be without any worker, and seconds between two checks of that.
TIMEOUT = 60.0
_LOOK_INTERVAL = 2.0
# Calls of one or two requests, which share a task. Every other call is a task of its own.
_SHORT: frozenset[Callable[..., object]] = frozenset({poll, update, report_error})


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    future: Future[Any]
    shared: tuple[object, ...]
    sealed: Sealed
    is_long: bool

    @property
    def on_notes(self) -> Callable[[Sequence[object]], object] | None:
        """The function that receives notes made on the worker: the provider's `on_notes`, if it has one."""
        return getattr(self.shared[0], "on_notes", None) if self.shared else None

    def goes_with(self, other: _Call) -> bool:
        """Whether both calls may share a task."""
        return not (self.is_long or other.is_long) and _are_same(self.shared, other.shared)


@dataclass(eq=False)
class DaskExecutor(Executor):
    """Runs calls on the workers of the cluster `name`, and repeats them if a worker dies; polls are sent in batches.

    The first argument of a call is assumed to be shared by many calls: it is sent separately, and a worker unpickles
    it once. `timeout` is how long the cluster may be without workers, in seconds. A call that fails because of the
    cluster raises `ClusterFailed`; one whose workers died repeatedly raises `VendorError`, which is retried.
    """

    client: Client
    name: str
    timeout: float = TIMEOUT
    _waiting: deque[_Call] = field(default_factory=deque, init=False)
    _pending: set[Future[Any]] = field(default_factory=set, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)
    _closed: threading.Event = field(default_factory=threading.Event, init=False)
    _failure: ClusterFailed | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        for work in (self._send, self._watch):
            threading.Thread(target=work, name=f"dask{work.__name__}", daemon=True).start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        call = _Call(future, args[:1], sealed_call(fn, args[1:], kwargs), fn not in _SHORT)
        with self._changed:
            failure = self._failure
            if failure is None:
                self._pending.add(future)
                self._waiting.append(call)
                self._changed.notify()
        if failure is not None:
            future.set_exception(failure)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Send nothing more, and do not wait for calls under way: they may be repeated."""
        del wait, cancel_futures
        self._closed.set()
        self._end_all(ClusterFailed(f"{self.name}: is not used any more"))

    # Runs in its own thread, because sending takes time; calls that arrive meanwhile are then sent together.

    def _send(self) -> None:
        shared: tuple[tuple[object, ...], Sealed] = ((), sealed(()))
        while calls := self._next_calls():
            first = calls[0].shared
            if not _are_same(first, shared[0]):
                shared = (first, sealed(first))
            # Two function names, from which the scheduler learns the duration of each kind; short calls take
            # priority.
            function, priority = (carry_out_long, 0) if calls[0].is_long else (carry_out, 1)
            work = tuple(each.sealed for each in calls)
            try:
                task = self.client.submit(
                    function, __version__, shared[1], work, pure=False, priority=priority
                )
                self.client.loop.add_callback(self._await, calls, task)
            except Exception as error:  # noqa: BLE001 - whatever the error is, the calls have to end
                self._fail(calls, self._failed(error))

    def _next_calls(self) -> Sequence[_Call]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed.is_set())
            calls = [self._waiting.popleft()] if self._waiting else []
            while self._waiting and len(calls) < MAX_IN_A_TASK and calls[0].goes_with(self._waiting[0]):
                calls.append(self._waiting.popleft())
            return calls

    async def _await(self, calls: Sequence[_Call], task: Any) -> None:
        """Complete the calls when their task ends; runs in the client's event loop.

        The client's own executor waits only for the result: it would never complete a call whose result is lost with
        its worker, and which fails when it is repeated.
        """
        try:
            results: tuple[Sealed, ...] = await self.client.gather(task, asynchronous=True)
        except CancelledError:
            self._fail(calls, ClusterFailed(f"{self.name}: the scheduler is lost; run again to continue"))
        except KilledWorker:
            self._fail(calls, VendorError("on a worker: each that tried it died"))
        except Exception as error:  # noqa: BLE001 - an error of the cluster: the calls themselves raise nothing there
            self._fail(calls, self._failed(error))
        else:
            for call, result in zip(calls, results, strict=True):
                self._end(call.future, partial(result_in, result, call.on_notes))

    def _failed(self, error: Exception) -> ClusterFailed:
        return ClusterFailed(f"{self.name}: {printable(f'{type(error).__name__}: {error}', 200)}")

    def _fail(self, calls: Sequence[_Call], error: Exception) -> None:
        for call in calls:
            self._end(call.future, partial(_raise, error))

    def _end(self, future: Future[Any], read: Callable[[], object]) -> None:
        with self._changed:
            if future not in self._pending:
                return
            self._pending.remove(future)
        try:
            future.set_result(read())
        except Exception as error:  # noqa: BLE001 - what the call raised
            future.set_exception(error)

    # Runs in its own thread: a cluster does not report that it has lost all its workers.

    def _watch(self) -> None:
        missing = 0.0
        while not self._closed.wait(_LOOK_INTERVAL):
            missing = 0.0 if self._has_workers() else missing + _LOOK_INTERVAL
            if missing >= self.timeout:
                self._give_up()
                return

    def _has_workers(self) -> bool:
        try:
            return bool(self.client.nthreads())
        except Exception:  # noqa: BLE001 - an unreachable scheduler counts as having no workers
            return False

    def _give_up(self) -> None:
        error = ClusterFailed(
            f"{self.name}: has had no workers for {self.timeout:.0f} seconds; run again to continue"
        )
        self._end_all(error)

    def _end_all(self, error: ClusterFailed) -> None:
        with self._changed:
            self._failure = error
            left = list(self._pending)
            self._waiting.clear()
            self._changed.notify()
        for future in left:
            self._end(future, partial(_raise, error))


def _are_same(some: tuple[object, ...], others: tuple[object, ...]) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))


def _raise(error: Exception) -> None:
    raise error
