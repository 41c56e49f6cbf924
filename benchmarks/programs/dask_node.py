"""A scheduler or a worker of a Dask cluster on loopback, until standard input ends.

dask_node scheduler                        prints its address
dask_node worker SCHEDULER FROM THREADS    talks to everybody from the address FROM, as another machine would
"""

import asyncio
import socket
import sys
from typing import Any

import dask

dask.config.set({"distributed.worker.http.routes": [], "distributed.scheduler.http.routes": []})

from distributed import Scheduler, Worker  # noqa: E402 - reads its settings when it is imported


class Socket(socket.socket):
    """A socket that connects from the address that this worker was given."""

    source = ""

    def connect(self, address: Any) -> None:
        if self.family == socket.AF_INET and self.getsockname()[1] == 0:
            self.bind((self.source, 0))
        super().connect(address)


async def _schedule() -> None:
    async with Scheduler(host="127.0.0.1", dashboard_address="127.0.0.1:0") as scheduler:
        print(scheduler.address.removeprefix("tcp://"), flush=True)
        await _input_ended()


async def _work(scheduler: str, source: str, threads: int) -> None:
    async with Worker(f"tcp://{scheduler}", nthreads=threads, host=source, memory_limit=0):
        await _input_ended()


async def _input_ended() -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await ended.wait()


def main() -> None:
    """Be what the arguments say."""
    match sys.argv[1:]:
        case ["scheduler"]:
            asyncio.run(_schedule())
        case ["worker", scheduler, source, threads]:
            Socket.source = source
            socket.socket = Socket  # type: ignore[misc] # a class, which nobody is meant to replace
            asyncio.run(_work(scheduler, source, int(threads)))


if __name__ == "__main__":
    main()
