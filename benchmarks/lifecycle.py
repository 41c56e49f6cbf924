"""A whole run: buy, wait and fetch, at a vendor that takes no time. Over http and over https."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.campaigns import from_table
from benchmarks.loopback import Certificate, Ledger, make_certificate, vendor
from benchmarks.measuring import Cost
from benchmarks.report import Row, at_least, at_most

# As many as a run has calls in the air, unless it is told otherwise.
_THREADS = 8
_CPU_GOALS = {1_000: at_most(5.0), 10_000: at_most(6.0)}
_STALL_GOALS = {10_000: at_most(0.2)}
_LOOK_EVERY = 0.02
# From so many jobs on, one run takes minutes, and is measured once: what disturbs it evens out within it.
_LONG = 10_000


@dataclass(frozen=True, slots=True)
class Lived:
    """One run of a campaign, and its yardstick; `publications` are those that came before the last call.

    `results` and `state` are bytes on disk when the run has ended.
    """

    product: Cost
    asked: Ledger
    yardstick: Cost
    bare: Ledger
    publications: int
    results: int
    state: int


def rows(bench: Bench) -> Iterator[Row]:
    """Jobs a second, CPU and calls a job, the stall at each publication, and what TLS adds."""
    certificate = make_certificate(bench.folder)
    for jobs in bench.sizes(1_000, 10_000):
        times = bench.times(1 if jobs >= _LONG else None)
        plain = [_live(bench, jobs, None) for _ in range(times)]
        yield from _rows_of(jobs, "http", plain)
        yield _stall(jobs, plain)
        secret = [_live(bench, jobs, certificate) for _ in range(times)]
        yield from _rows_of(jobs, "https", secret)
        yield _tls(bench, jobs, certificate, plain, secret)


def _live(bench: Bench, jobs: int, certificate: Certificate | None) -> Lived:
    folder = bench.fresh("yardstick")
    folder.mkdir()
    with vendor(certificate=certificate) as alone:
        bare = bench.program("yardsticks", "calls", jobs, _THREADS, 0, folder, around=alone.environment)
        yardstick = bare.measure()
    campaign = from_table(bench.fresh("lifecycle"), jobs)
    with vendor(certificate=certificate) as asked, _changes_of(campaign.results) as published:
        product = bench.pipeline("run", campaign.manifest, "--yes", around=asked.environment).measure()
    for ledger in (alone.ledger, asked.ledger):
        ledger.assert_sold(jobs)
    return Lived(
        product=product,
        asked=asked.ledger,
        yardstick=yardstick,
        bare=alone.ledger,
        publications=sum(at < asked.ledger.last for at in published),
        results=campaign.results.stat().st_size,
        state=campaign.state.stat().st_size,
    )


@contextmanager
def _changes_of(path: Path) -> Iterator[Sequence[float]]:
    """When a file was replaced, in monotonic seconds, which all processes of a machine share."""
    times: list[float] = []
    ended = threading.Event()

    def look() -> None:
        before = None
        while not ended.wait(_LOOK_EVERY):
            try:
                stat = path.stat()
            except OSError:
                continue
            if (stat.st_ino, stat.st_mtime_ns) != before:
                before = (stat.st_ino, stat.st_mtime_ns)
                times.append(time.monotonic())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield times
    finally:
        ended.set()
        looking.join()


def _rows_of(jobs: int, scheme: str, lived: Sequence[Lived]) -> Iterator[Row]:
    what = f"lifecycle, {jobs:,} jobs, {scheme}"
    is_plain = scheme == "http"

    def middle(of: Callable[[Lived], float]) -> float:
        return statistics.median(map(of, lived))

    yield Row(
        f"{what}: jobs/s against the yardstick",
        [each.yardstick.wall / each.product.wall for each in lived],
        goal=at_least(1.0) if is_plain else None,
        beside=f"the vendor was busy {middle(lambda e: e.asked.cpu / e.product.wall):.0%} of the time",
    )
    yield Row(
        f"{what}: CPU a job",
        [each.product.cpu / jobs * 1000 for each in lived],
        "ms",
        _CPU_GOALS.get(jobs) if is_plain else None,
        f"yardstick {middle(lambda e: e.yardstick.cpu / jobs * 1000):.2f} ms",
    )
    yield Row(
        f"{what}: calls a job",
        [each.asked.calls / jobs for each in lived],
        "calls",
        beside=f"yardstick {middle(lambda e: e.bare.calls / jobs):.2f}",
    )
    yield Row(
        f"{what}: peak memory",
        [each.product.peak / 2**20 for each in lived],
        "MiB",
        beside=f"yardstick {middle(lambda e: e.yardstick.peak / 2**20):.0f} MiB",
    )
    if is_plain:
        yield Row(f"{what}: results a job", [each.results / jobs / 1024 for each in lived], "KiB")
        yield Row(f"{what}: state a job", [each.state / jobs / 1024 for each in lived], "KiB")


def _stall(jobs: int, lived: Sequence[Lived]) -> Row:
    """How long the vendor heard nothing, at the worst: it always had something to be asked."""
    seen = [each for each in lived if each.publications]
    beside = "no publication fell into the run"
    if seen:
        bare = statistics.median(each.bare.longest_gap for each in seen)
        beside = f"yardstick {bare:.2f} s; {sum(each.publications for each in seen)} publication(s)"
    return Row(
        f"lifecycle, {jobs:,} jobs: longest time without a call in a run that publishes",
        [each.asked.longest_gap for each in seen],
        "s",
        _STALL_GOALS.get(jobs) if seen else None,
        beside,
    )


def _tls(
    bench: Bench, jobs: int, certificate: Certificate, plain: Sequence[Lived], secret: Sequence[Lived]
) -> Row:
    output = bench.fresh("handshakes")
    with vendor(certificate=certificate) as asked:
        number = 20 if bench.smoke else 1_000
        bench.program("yardsticks", "handshakes", number, around=asked.environment, output=output).measure()
    bare = float(output.read_text())
    return Row(
        f"lifecycle, {jobs:,} jobs: CPU that https adds for each create, × a bare handshake",
        [
            (more.product.cpu - less.product.cpu) / jobs / bare
            for more, less in zip(secret, plain, strict=True)
        ],
        goal=at_most(3.0),
        beside=f"a handshake with one context for all: {bare * 1000:.2f} ms",
    )
