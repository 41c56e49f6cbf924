"""How calls go together: whatever they have in common or not, each is answered."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any, cast

from distributed import Client
from support.processes import PATIENCE

from pipeline.executors.dask_executor import DaskExecutor


class HeldBack:
    """Takes tasks once it is let go, and does them in a thread: meanwhile calls wait, to go together."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self.let_go = Event()

    def submit(self, fn: Callable[..., Any], /, *args: Any, priority: int, **more: Any) -> Future[Any]:
        assert self.let_go.wait(PATIENCE)
        return self._threads.submit(fn, *args, **more)


class OneWorker:
    """As much of a client as an executor uses."""

    def __init__(self, tasks: HeldBack) -> None:
        self._tasks = tasks

    def get_executor(self, *, pure: bool) -> HeldBack:
        assert not pure
        return self._tasks

    def nthreads(self) -> Mapping[str, int]:
        return {"worker": 1}


def test_calls_with_nothing_in_common_are_each_answered() -> None:
    with ThreadPoolExecutor() as threads:
        tasks = HeldBack(threads)
        executor = DaskExecutor(cast("Client", OneWorker(tasks)), "a cluster")
        answers: list[Future[Any]] = [
            executor.submit(int),
            executor.submit(int),
            executor.submit(str, 5),
            executor.submit(int),
        ]
        tasks.let_go.set()
        assert [each.result(PATIENCE) for each in answers] == [0, 0, "5", 0]
        executor.shutdown()
