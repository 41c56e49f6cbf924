"""Chooses the executor for the calls of a run that may be repeated. Loads only the chosen one."""

import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from pathlib import Path

from pipeline.errors import UsageError, printable

# Opens an executor for the given number of concurrent calls.
OpenExecutor = Callable[[int], AbstractContextManager[Executor]]

_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):(?P<port>[0-9]{1,5})")
_EXPECTED = "expected `threads`, `dask`, or the address of a scheduler as dask://HOST:PORT"


def workers_of(named: str, variables: Mapping[str, str], scratch: Path) -> OpenExecutor | None:
    """The function that opens the workers that `--executor` names; None for threads of this process.

    `scratch` is a folder for temporary files of workers on this machine.

    Raises:
        UsageError: the name is not valid, or the extra that it needs is not installed.
    """
    if named == "threads":
        return None
    if named == "dask":
        import_module("pipeline.executors.dask_cluster")
        return partial(_local, scratch)
    scheme, separator, address = named.partition("://")
    if scheme != "dask":
        shown = f"{printable(scheme, 40)}://…" if separator else printable(scheme, 40)
        raise UsageError(f"--executor {shown}: {_EXPECTED}")
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise UsageError(f"--executor dask://…: {_EXPECTED}")
    import_module("pipeline.executors.dask_cluster")
    may_be_plain = variables.get("PIPELINE_ALLOW_PLAIN_DASK") == "1"
    return partial(_scheduler, address, may_be_plain=may_be_plain)


def _local(scratch: Path, calls: int) -> AbstractContextManager[Executor]:
    from pipeline.executors.dask_cluster import local_cluster

    processes = max(1, min(calls, max(2, os.cpu_count() or 1)))
    return local_cluster(processes, -(-calls // processes), scratch)


def _scheduler(address: str, calls: int, *, may_be_plain: bool) -> AbstractContextManager[Executor]:
    from pipeline.executors.dask_cluster import cluster_at

    del calls  # the workers decide how many calls they make at once
    return cluster_at(address, may_be_plain=may_be_plain)
