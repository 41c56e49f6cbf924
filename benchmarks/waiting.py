"""Waiting: workflows that take seconds, all of them in flight at once."""

import statistics
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.campaigns import from_table
from benchmarks.loopback import vendor
from benchmarks.report import Row, at_most

_PAUSE = 0.25


def rows(bench: Bench) -> Iterator[Row]:
    """How much longer than one workflow they all take, from the start of the command to its end, and the polls."""
    [jobs] = bench.sizes(200) if bench.jobs is None else bench.jobs[:1]
    delay = 0.2 if bench.smoke else 2.0
    times, polls, bare_times, bare_polls = [], [], [], []
    for _ in range(bench.times()):
        folder = bench.fresh("yardstick")
        folder.mkdir()
        with vendor(delay=delay) as alone:
            bare = bench.program("yardsticks", "calls", jobs, jobs, _PAUSE, folder, around=alone.environment)
            bare_times.append(bare.measure().wall / delay)
        bare_polls.append(alone.ledger.polls)
        campaign = from_table(bench.fresh("waiting"), jobs)
        with vendor(delay=delay) as asked:
            run = ("run", campaign.manifest, "--yes", "--in-flight", str(jobs))
            times.append(bench.pipeline(*run, around=asked.environment).measure().wall / delay)
        asked.ledger.assert_sold(jobs)
        polls.append(asked.ledger.polls)
    what = f"waiting, {jobs:,} workflows of {delay:g} s in flight"
    yield Row(
        f"{what}: × the delay",
        times,
        goal=at_most(1.5),
        beside=f"{jobs} threads {statistics.median(bare_times):.2f} ×",
    )
    yield Row(
        f"{what}: polls",
        polls,
        "polls",
        at_most(10 * jobs),
        f"{jobs} threads {statistics.median(bare_polls):,.0f}",
    )
