"""Connects to a Dask cluster: an existing one, or processes of this machine. Dask is an optional dependency."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path

from pipeline import system
from pipeline.errors import UsageError, printable, reason_of
from pipeline.executors.remote_calls import ClusterFailed
from pipeline.providers.address import is_loopback_host

try:
    import dask

    # Set before the import, which configures logging: a lost worker is replaced, so its log messages are of no use.
    dask.config.set({"logging.distributed": "critical", "logging.tornado": "critical"})
    # A process of this machine is replaced, however long that takes; with the default, it would be given up.
    dask.config.set({"distributed.deploy.lost-worker-timeout": "1 week"})
    import distributed
    from distributed.security import Security
except ImportError as error:
    raise UsageError(
        "--executor dask: the workers of a cluster need the extra 'dask': pip install 'campaign-pipeline[dask]'"
    ) from error

from pipeline.executors.dask_executor import DaskExecutor

# Seconds to reach a scheduler, and its first worker.
CONNECT_TIMEOUT = 20.0
_CLOSE_TIMEOUT = 5.0
# Settings for processes of this machine: they log nothing, and serve no pages.
_QUIET = {
    "distributed.nanny.pre-spawn-environ": {
        "DASK_LOGGING__DISTRIBUTED": "critical",
        "DASK_LOGGING__TORNADO": "critical",
        "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]",
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    },
    "distributed.scheduler.http.routes": [],
}


@contextmanager
def local_cluster(processes: int, threads: int, scratch: Path) -> Iterator[Executor]:
    """Start processes on this machine, each with `threads` threads; a process that dies is replaced.

    Only they have the certificate that is needed to connect to them. Their temporary files are in `scratch`, which is
    emptied first and removed at the end.

    Raises:
        ClusterFailed: they cannot be started.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        cluster = _started(processes, threads, scratch)
        try:
            with _connected(cluster, cluster.security, "the cluster of this machine") as executor:
                yield executor
        finally:
            with suppress(TimeoutError):
                cluster.close(timeout=_CLOSE_TIMEOUT)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _started(processes: int, threads: int, scratch: Path) -> distributed.LocalCluster:
    try:
        scratch.mkdir(mode=0o700, parents=True)
        # Ctrl-C reaches all processes of a terminal, but only the coordinator should handle it. The tracker is
        # started first, because starting it, as the first process would, unblocks signals.
        resource_tracker.ensure_running()
        with system.held_interrupts(), dask.config.set(_QUIET):
            return distributed.LocalCluster(
                n_workers=processes,
                threads_per_worker=threads,
                host="127.0.0.1",
                protocol="tls://",
                security=Security.temporary(),
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                worker_dashboard_address=None,
                memory_limit=0,
                local_directory=str(scratch),
                env={"TMPDIR": str(scratch)},
                silence_logs=False,
            )
    except (OSError, RuntimeError) as error:
        reason = printable(reason_of(error) or type(error).__name__, 200)
        raise ClusterFailed(f"--executor dask: its processes cannot be started: {reason}") from None


@contextmanager
def cluster_at(address: str, *, may_be_plain: bool) -> Iterator[Executor]:
    """Connect to the scheduler at `address` (HOST:PORT), with TLS if Dask's own settings name certificates.

    Raises:
        UsageError: the key would be sent without encryption, which only `may_be_plain` allows.
        ClusterFailed: it does not respond, or has no workers.
    """
    security = Security()
    is_encrypted = security.get_connection_args("client").get("ssl_context") is not None
    is_here = is_loopback_host(address.rpartition(":")[0].strip("[]"))
    if not (is_encrypted or is_here or may_be_plain):
        raise UsageError(
            f"--executor dask://{address}: the key is not sent without encryption; give Dask certificates "
            "(distributed.comm.tls, see docs/how-to/cluster.md), or set PIPELINE_ALLOW_PLAIN_DASK=1 where nobody "
            "else is on that network"
        )
    scheme = "tls" if is_encrypted else "tcp"
    with _connected(f"{scheme}://{address}", security, f"the cluster at dask://{address}") as executor:
        yield executor


@contextmanager
def _connected(where: object, security: Security, name: str) -> Iterator[Executor]:
    try:
        client = distributed.Client(
            where, security=security, timeout=CONNECT_TIMEOUT, set_as_default=False, name="campaign-pipeline"
        )
    except (OSError, TimeoutError):
        raise ClusterFailed(f"{name}: no scheduler answers there, so nothing is done") from None
    try:
        try:
            client.wait_for_workers(1, timeout=CONNECT_TIMEOUT)
        except TimeoutError:
            raise ClusterFailed(f"{name}: has no workers, so nothing is done") from None
        executor = DaskExecutor(client, name)
        try:
            yield executor
        finally:
            executor.shutdown()
    finally:
        with suppress(TimeoutError, OSError):
            client.close(timeout=_CLOSE_TIMEOUT)
