"""A Dask cluster of real processes on loopback, which the tests start, and whose workers they kill.

    python -m support.cluster WORKERS THREADS

starts one, prints its address, and ends when its stdin ends. It logs at the most verbose level, to stderr.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from support.processes import PATIENCE, until

WORKERS = 3
_SETTINGS = {
    "DASK_LOGGING__DISTRIBUTED": "debug",
    "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]",
    # A killed worker is replaced however slow the machine is.
    "DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "1 week",
}


class Cluster:
    """A scheduler with workers; a worker that dies is replaced. `log` is the output of all of them."""

    def __init__(self, folder: Path, environment: dict[str, str], workers: int = WORKERS) -> None:
        self.log = folder / "cluster.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "support.cluster", str(workers), "4"],
                cwd=folder,
                env={**environment, **_SETTINGS, "TMPDIR": str(folder)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
            )
        assert self.process.stdout is not None
        self.address = f"dask://{self.process.stdout.readline().strip()}"

    def worker_at(self, port: int) -> int | None:
        """The process id of the worker with a connection from that local port, if there is one."""
        for each in self.workers():
            with suppress(psutil.Error):
                if any(at.laddr.port == port for at in each.net_connections("tcp4")):
                    return int(each.pid)
        return None

    def workers(self) -> list[psutil.Process]:
        """The current worker processes."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [each for each in found if _is_worker(each)]

    def kill(self, process: int) -> None:
        """Kill a worker or the scheduler, as if its machine were lost."""
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    def close(self) -> None:
        """End the whole cluster."""
        assert self.process.stdin is not None
        left = self.workers()
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)
        until(lambda: not any(is_alive(each) for each in left), "their end")


def is_alive(process: psutil.Process) -> bool:
    """Whether the process is still running."""
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "spawn_main" in " ".join(process.cmdline())
    return False


@pytest.fixture(scope="session")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all tests of a process; it has neither a key nor a vendor's address."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), plain_environment())
    yield cluster
    cluster.close()


def plain_environment() -> dict[str, str]:
    """The environment of a cluster that is not set up for any campaign."""
    from support.calling import is_foreign

    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    own = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    return {**own, "PYTHONPATH": path}


def main() -> None:
    from distributed import LocalCluster

    workers, threads = map(int, sys.argv[1:])
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=threads,
        host="127.0.0.1",
        dashboard_address=None,
        memory_limit=0,
        silence_logs=False,
    ) as cluster:
        sys.stdout.write(f"{cluster.scheduler_address.removeprefix('tcp://')}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
