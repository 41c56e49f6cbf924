"""A clock and an executor under the test's control: an hour takes a millisecond, and each run is deterministic."""

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Far more turns than any run here has: a run that reaches it is in a busy loop.
_MAX_TURNS = 20_000


@dataclass(eq=False)
class _Call:
    name: str
    do: Callable[[], None]
    is_ready: bool = True

    def be_ready(self) -> None:
        self.is_ready = True


class FakeExecutor(Executor):
    """Calls stay under way until a run waits for results, so that many are under way together.

    They end one by one, or all `together`, the oldest or the newest first; those whose function is `held` do not
    end. With `slowly`, a call may end only after `slowly` has called the function that it was given.
    """

    def __init__(self) -> None:
        self.most = 0
        self.together = False
        self.newest_first = False
        self.held: set[str] = set()
        self.slowly: Callable[[Callable[[], None]], None] | None = None
        self._calls: list[_Call] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        future: Future[T] = Future()
        call = partial(fn, *args, **kwargs)
        name = getattr(fn, "__name__", type(fn).__name__)
        self._calls.append(_Call(name, lambda: _do(call, future), self.slowly is None))
        if self.slowly is not None:
            self.slowly(self._calls[-1].be_ready)
        self.most = max(self.most, len(self._calls))
        return future

    def work(self) -> None:
        """Let one call end, or all of them."""
        while free := [each for each in self._calls if each.is_ready and each.name not in self.held]:
            call = free[-1 if self.newest_first else 0]
            self._calls.remove(call)
            call.do()
            if not self.together:
                return

    @contextmanager
    def pool(self, _number: int) -> Iterator[Executor]:
        yield self


def _do(call: Callable[[], T], future: "Future[T]") -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        # As a thread executor does. An exception that kills a run also ends its call, as the run awaits it.
        future.set_exception(error)
        if not isinstance(error, Exception):
            raise
    else:
        future.set_result(result)


@dataclass
class FakeClock:
    """Advances only when a run waits and no call under way returns."""

    executor: FakeExecutor
    time: float = 1000.0
    turns: int = field(default=0, repr=False)
    alarms: list[tuple[float, Callable[[], object]]] = field(default_factory=list, repr=False)

    def later(self, seconds: float, do: Callable[[], object]) -> None:
        """Schedule a call this many seconds from now."""
        self.alarms.append((self.time + seconds, do))

    def now(self) -> str:
        moment = _BEGINNING + timedelta(seconds=self.time)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def monotonic(self) -> float:
        return self.time

    def wait(self, inbox: "queue.SimpleQueue[T]", seconds: float | None) -> T | None:
        self.turns += 1
        assert self.turns < _MAX_TURNS, "a busy loop"
        if inbox.empty():
            self.executor.work()
        if not inbox.empty():
            return inbox.get()
        assert seconds is not None, "it waits for ever"
        self._pass(max(0.0, seconds))
        return None

    def _pass(self, seconds: float) -> None:
        until = self.time + seconds
        alarm = min(self.alarms, key=lambda each: each[0], default=None)
        if alarm is not None and alarm[0] <= until:
            self.alarms.remove(alarm)
            self.time = alarm[0]
            alarm[1]()
        else:
            self.time = until
