"""Waiting on a clock that jumps: how late an end is seen, and what very many workflows in flight cost."""

import json
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.campaigns import from_table
from benchmarks.report import Row, at_most

# As many as a run has in flight, unless it is told otherwise.
_IN_FLIGHT = 50
_SIZES = (10_000, 100_000)


def rows(bench: Bench) -> Iterator[Row]:
    """How late ends are seen beside the vendor's sample client, and with how many polls."""
    number = 40 if bench.smoke else 1_000
    output = bench.fresh("detected.json")
    bench.script("simulation", "detect", number, _IN_FLIGHT, output=output).measure()
    names = ("first run", "second run, which knows the templates")
    for run, found in zip(names, json.loads(output.read_bytes()), strict=True):
        what = f"detection, {number:,} workflows of minutes, {run}"
        yield Row(
            f"{what}: mean lag against the vendor's sample client",
            [found["lag"] / found["sample_lag"]],
            goal=at_most(0.5),
            beside=f"asked every 30 s: {found['sample_lag']:.1f} s",
        )
        yield Row(
            f"{what}: polls against the vendor's sample client",
            [found["polls"] / found["sample_polls"]],
            goal=at_most(1.0),
            beside=f"asked every 30 s: {found['sample_polls'] / number:.1f} a workflow",
        )


def flight_rows(bench: Bench) -> Iterator[Row]:
    """Bytes a workflow in flight, and the time a poll as they become more."""
    polls = 200 if bench.smoke else 10_000
    each_poll: list[float] = []
    sizes = bench.sizes(*_SIZES)
    for jobs in sizes:
        campaign = from_table(bench.fresh("flying"), jobs)
        bench.script("simulation", "seed", campaign.manifest, "submitted").measure()
        found = [_fly(bench, campaign.manifest, polls) for _ in range(bench.times())]
        each_poll.append(statistics.median(each["seconds_a_poll"] for each in found))
        what = f"in flight, {jobs:,} workflows"
        yield Row(
            f"{what}: bytes each, beside its job and plan",
            [each["bytes"] for each in found],
            "bytes",
            at_most(2048.0) if jobs == _SIZES[-1] else None,
            f"with both {statistics.median(each['bytes_with_plan'] for each in found):,.0f} bytes",
        )
    if len(sizes) > 1:
        yield Row(
            f"in flight: CPU a poll, {sizes[-1]:,} workflows × {sizes[-2]:,}",
            [each_poll[-1] / each_poll[-2]],
            goal=at_most(1.5),
            beside=f"with {sizes[-2]:,} {each_poll[-2] * 1e6:.0f} µs",
        )


def _fly(bench: Bench, manifest: Path, polls: int) -> Mapping[str, float]:
    output = bench.fresh("flown.json")
    bench.script("simulation", "fly", manifest, polls, output=output).measure()
    told: Mapping[str, float] = json.loads(output.read_bytes())
    return told
