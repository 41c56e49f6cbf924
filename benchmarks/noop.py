"""`run` of a campaign that is done, beside `expand` of the same: what it takes to see that nothing is to be done."""

import statistics
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.campaigns import Campaign
from benchmarks.expansion import SIZES, Compared, growth
from benchmarks.loopback import vendor
from benchmarks.measuring import Failed, TooSlow, by_turns
from benchmarks.report import Row, at_most, too_slow

_GOAL = at_most(2.0)


def rows(bench: Bench) -> Iterator[Row]:
    """CPU and memory, as campaigns grow."""
    for shape, make in bench.shapes():
        found: list[Compared] = []
        for jobs in bench.sizes(*SIZES):
            what = f"run with nothing to do, {jobs:,} jobs from a {shape}"
            try:
                compared = _compare(bench, make(bench.fresh(f"noop-{shape}"), jobs))
            except TooSlow as error:
                yield too_slow(f"{what}: × expand", error, _GOAL)
                break
            found.append(compared)
            yield Row(f"{what}: × expand", compared.ratios, goal=_GOAL)
            yield Row(
                f"{what}: peak memory",
                [each.peak / 2**20 for each in compared.product],
                "MiB",
                beside=f"expand {statistics.median(each.peak for each in compared.beside) / 2**20:.0f} MiB",
            )
        yield from growth(f"run with nothing to do from a {shape}", found)


def _compare(bench: Bench, campaign: Campaign) -> Compared:
    bench.program("seed", campaign.manifest, "done").measure()
    expand = bench.pipeline("expand", campaign.manifest, "--format", "jsonl")
    with vendor() as asked:
        run = bench.pipeline("run", campaign.manifest, "--yes", around=asked.environment)
        run.measure()  # the first one writes the results manifest, which the others find as it should be
        costs = list(by_turns(bench.times(), expand.measure, run.measure))
    if asked.ledger.calls:
        raise Failed(f"there was something to do: {asked.ledger}")
    return Compared(campaign.jobs, [each[1] for each in costs], [each[0] for each in costs])
