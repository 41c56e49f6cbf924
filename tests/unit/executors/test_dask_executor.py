"""How calls are batched: whatever they have in common or not, each is answered."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, cast

from distributed import Client, get_worker
from support.cluster import Cluster, plain_environment
from support.processes import PATIENCE

from pipeline.executors.dask_executor import DaskExecutor
from pipeline.providers.base import VendorError


class HeldBack:
    """Runs tasks in a thread once it is released; until then calls wait, to be batched."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self.let_go = Event()

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        assert self.let_go.wait(PATIENCE)
        return self._threads.submit(fn, *args)

    def add_callback(self, fn: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Like the method of a client's loop."""
        self._threads.submit(asyncio.run, fn(*args))


class OneWorker:
    """The part of a client that an executor uses."""

    def __init__(self, tasks: HeldBack) -> None:
        self._tasks = tasks

    @property
    def loop(self) -> HeldBack:
        return self._tasks

    def submit(self, fn: Callable[..., Any], /, *args: Any, pure: bool, priority: int) -> Future[Any]:
        assert not pure
        return self._tasks.submit(fn, *args)

    async def gather(self, task: Future[Any], *, asynchronous: bool) -> Any:
        assert asynchronous
        return task.result()

    def nthreads(self) -> Mapping[str, int]:
        return {"worker": 1}


def test_unrelated_calls_are_each_answered() -> None:
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


def test_call_fails_if_its_lost_result_cannot_be_recomputed(
    tmp_path: Path,
) -> None:
    cluster = Cluster(tmp_path, plain_environment(), workers=1)
    try:
        with Client(cluster.address.replace("dask://", "tcp://")) as client:
            executor = DaskExecutor(client, "a cluster")
            answer = executor.submit(lost_once, str(tmp_path / "made"))

            assert isinstance(answer.exception(PATIENCE), VendorError)
            executor.shutdown()
    finally:
        cluster.close()


def lost_once(made: str) -> str:
    """Kills its worker when the result is fetched; on a second attempt, kills it immediately."""
    if Path(made).exists():
        os._exit(1)
    Path(made).touch()
    get_worker().handlers["get_data"] = lambda **_: os._exit(1)
    return "made"
