"""`expand` and `plan` beside a short script that makes the same jobs, as campaigns grow."""

import filecmp
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.campaigns import Campaign
from benchmarks.measuring import Cost, Failed, TooSlow, by_turns
from benchmarks.report import Goal, Row, at_most, too_slow

SIZES = (1_000, 10_000, 100_000)
_LARGEST = SIZES[-1]
# Ten times the jobs may take a little more than ten times as long.
_GROWTH = at_most(11.0)


@dataclass(frozen=True, slots=True)
class Compared:
    """What a command took for one campaign, and what was measured beside it."""

    jobs: int
    product: Sequence[Cost]
    beside: Sequence[Cost]

    @property
    def ratios(self) -> list[float]:
        """How many times as much CPU it took, run by run."""
        return [ours.cpu / theirs.cpu for ours, theirs in zip(self.product, self.beside, strict=True)]

    @property
    def cpu(self) -> float:
        """What the command took, in seconds of CPU."""
        return statistics.median(each.cpu for each in self.product)

    @property
    def peak(self) -> float:
        """What it needed at most, in bytes."""
        return statistics.median(each.peak for each in self.product)


def expand_rows(bench: Bench) -> Iterator[Row]:
    """`expand --format jsonl`, which writes the very lines of the script."""
    yield from _rows(bench, "expand", at_most(2.5), None)


def plan_rows(bench: Bench) -> Iterator[Row]:
    """`plan` of a campaign of which nothing is bought."""
    yield from _rows(bench, "plan", at_most(3.0), at_most(150.0))


def _rows(bench: Bench, command: str, goal: Goal, memory_goal: Goal | None) -> Iterator[Row]:
    for shape, make in bench.shapes():
        found: list[Compared] = []
        for jobs in bench.sizes(*SIZES):
            what = f"{command}, {jobs:,} jobs from a {shape}"
            try:
                compared = _compare(bench, command, make(bench.fresh(shape), jobs))
            except TooSlow as error:
                yield too_slow(f"{what}: × the script", error, goal if jobs == _LARGEST else None)
                break
            found.append(compared)
            yield Row(f"{what}: × the script", compared.ratios, goal=goal if jobs == _LARGEST else None)
            yield Row(
                f"{what}: peak memory",
                [each.peak / 2**20 for each in compared.product],
                "MiB",
                memory_goal if jobs == _LARGEST else None,
                f"the script {statistics.median(each.peak for each in compared.beside) / 2**20:.0f} MiB",
            )
        yield from growth(f"{command} from a {shape}", found)


def _compare(bench: Bench, command: str, campaign: Campaign) -> Compared:
    ours, theirs = bench.fresh("ours.jsonl"), bench.fresh("theirs.jsonl")
    options = ("--format", "jsonl") if command == "expand" else ()
    product = bench.pipeline(command, campaign.manifest, *options, output=ours)
    script = bench.program("yardsticks", "expand", campaign.manifest, output=theirs)
    costs = list(by_turns(bench.times(), script.measure, product.measure))
    if command == "expand" and not filecmp.cmp(ours, theirs, shallow=False):
        raise Failed(f"{ours} and {theirs} differ: the script does not make the same jobs")
    ours.unlink()
    theirs.unlink()
    return Compared(campaign.jobs, [each[1] for each in costs], [each[0] for each in costs])


def growth(what: str, found: Sequence[Compared]) -> Iterator[Row]:
    """From the second largest size to the largest: time, held against ten times as much, and bytes a job."""
    if len(found) < 2:
        return
    less, more = found[-2], found[-1]
    times = more.jobs / less.jobs
    yield Row(
        f"{what}: CPU, {more.jobs:,} jobs × {less.jobs:,}",
        [more.cpu / less.cpu],
        goal=_GROWTH if times == 10 and more.jobs == _LARGEST else None,
        beside=f"{times:g} × the jobs",
    )
    yield Row(f"{what}: bytes a job", [(more.peak - less.peak) / (more.jobs - less.jobs)], "bytes")
