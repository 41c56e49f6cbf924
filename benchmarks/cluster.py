"""A cluster for transfers: what three workers fetch where a media host bounds the rate of each client."""

import statistics
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.campaigns import from_table
from benchmarks.installation import environment
from benchmarks.loopback import vendor
from benchmarks.report import Row, at_least

_WORKERS = 3
_THREADS = 4


def rows(bench: Bench) -> Iterator[Row]:
    """How many times the bytes a second of one process a cluster brings, and how much sooner the command ends."""
    [jobs] = bench.sizes(60) if bench.jobs is None else bench.jobs[:1]
    size = (1 << 20) // 10 if bench.smoke else 1 << 20
    faster, sooner, alone = [], [], []
    for _ in range(bench.times()):
        transfer, wall = _fetched(bench, jobs, size, "threads")
        with _cluster(bench) as address:
            by_cluster, wall_by_cluster = _fetched(bench, jobs, size, f"dask://{address}")
        faster.append(transfer / by_cluster)
        sooner.append(wall / wall_by_cluster)
        alone.append(jobs * size / transfer / 2**20)
    clips = f"{jobs:,} clips of {size / 2**20:.2g} MiB, a bounded rate for each client"
    what = f"cluster of {_WORKERS} workers, {clips}"
    beside = f"one process {statistics.median(alone):.1f} MiB a second"
    yield Row(f"{what}: bytes a second", faster, goal=at_least(2.5), beside=beside)
    yield Row(f"{what}: the whole run, with its start, is × shorter", sooner)


def _fetched(bench: Bench, jobs: int, size: int, executor: str) -> tuple[float, float]:
    """Seconds that the clips took, and those of the command that fetched them."""
    campaign = from_table(bench.fresh("fetched"), jobs)
    with vendor(size=size, bandwidth=1 << 20) as asked:
        run = ("run", campaign.manifest, "--yes")
        # First all is made, so that nothing but the clips is waited for.
        bench.pipeline(*run, "--no-download", around=asked.environment).measure()
        at_once = ("--concurrency", str(_WORKERS * _THREADS), "--executor", executor)
        wall = bench.pipeline(*run, *at_once, around=asked.environment).measure().wall
    asked.ledger.assert_sold(jobs)
    return asked.ledger.transfer, wall


@contextmanager
def _cluster(bench: Bench) -> Iterator[str]:
    """The address of a scheduler with workers, each of which has an address of its own."""
    with ExitStack() as stack:
        scheduler = _node(bench, stack, "scheduler")
        if scheduler.stdout is None:
            raise TypeError(scheduler)
        address = scheduler.stdout.readline().strip()
        for number in range(_WORKERS):
            _node(bench, stack, "worker", address, f"127.0.0.{number + 2}", str(_THREADS))
        # A run is content with the first worker.
        bench.program("dask_ready", address, _WORKERS).measure()
        yield address


def _node(bench: Bench, stack: ExitStack, *arguments: str) -> "subprocess.Popen[str]":
    program: list[str | Path] = [
        bench.installation.python,
        "-P",
        "-m",
        "benchmarks.programs.dask_node",
        *arguments,
    ]
    process = subprocess.Popen(
        program,
        cwd=bench.folder,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    stack.callback(process.communicate)
    return process
