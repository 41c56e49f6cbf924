"""Waiting on a clock that jumps: how late an end is seen, and what very many workflows in flight cost."""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.bench import Bench
from benchmarks.campaigns import from_table
from benchmarks.measuring import TooSlow
from benchmarks.report import Row, at_most, too_slow

# As many as a run has in flight, unless it is told otherwise.
_IN_FLIGHT = 50
_SIZES = (10_000, 100_000)


def rows(bench: Bench) -> Iterator[Row]:
    """How late ends are seen beside the vendor's sample client, and with how many polls."""
    number = 40 if bench.smoke else 1_000
    # Each measurement with other durations: nothing else differs between two of them.
    found = [_detect(bench, number, seed) for seed in range(bench.times())]
    for run, name in enumerate(("first run", "second run, which knows the templates")):
        what = f"detection, {number:,} workflows of minutes, {name}"
        runs = [each[run] for each in found]
        lag = statistics.median(each["sample_lag"] for each in runs)
        polls = statistics.median(each["sample_polls"] for each in runs)
        yield Row(
            f"{what}: mean lag against the vendor's sample client",
            [each["lag"] / each["sample_lag"] for each in runs],
            goal=at_most(0.5),
            beside=f"asked every 30 s: {lag:.1f} s",
        )
        yield Row(
            f"{what}: polls against the vendor's sample client",
            [each["polls"] / each["sample_polls"] for each in runs],
            goal=at_most(1.0),
            beside=f"asked every 30 s: {polls / number:.1f} a workflow",
        )


def _detect(bench: Bench, number: int, seed: int) -> Sequence[Mapping[str, float]]:
    output = bench.fresh("detected.json")
    bench.program("detect", number, _IN_FLIGHT, seed, output=output).measure()
    told: Sequence[Mapping[str, float]] = json.loads(output.read_bytes())
    return told


def in_flight_rows(bench: Bench) -> Iterator[Row]:
    """Bytes a workflow in flight, and the time a poll as they become more."""
    polls = 200 if bench.smoke else 10_000
    each_poll: list[float] = []
    sizes = bench.sizes(*_SIZES)
    for jobs in sizes:
        what = f"in flight, {jobs:,} workflows: bytes each, beside its job and plan"
        goal = at_most(2048.0) if jobs == _SIZES[-1] else None
        campaign = from_table(bench.fresh("flying"), jobs)
        try:
            bench.program("seed", campaign.manifest, "submitted").measure()
            output = bench.fresh("flown.json")
            bench.program("fly", campaign.manifest, polls, bench.times(), output=output).measure()
        except TooSlow as error:
            yield too_slow(what, error, goal)
            return
        told = json.loads(output.read_bytes())
        each_poll.append(statistics.median(told["seconds_a_poll"]))
        yield Row(what, [told["bytes"]], "bytes", goal)
    if len(sizes) > 1:
        yield Row(
            f"in flight: CPU a poll, {sizes[-1]:,} workflows × {sizes[-2]:,}",
            [each_poll[-1] / each_poll[-2]],
            goal=at_most(1.5),
            beside=f"with {sizes[-2]:,} {each_poll[-2] * 1e6:.0f} µs",
        )
