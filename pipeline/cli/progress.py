"""Tells people how a run goes: a bar on a terminal, quiet lines elsewhere. The only user of tqdm."""

from collections.abc import Callable
from typing import TextIO

from tqdm import tqdm

from pipeline.engine.reporter import Tally
from pipeline.errors import printable
from pipeline.jobs import JobKey
from pipeline.purchases import Status

# What a person wants to know first, and in which words.
_SHOWN = (
    (Status.SUBMITTING.value, "buying"),
    (Status.SUBMITTED.value, "running"),
    (Status.SUCCEEDED.value, "fetching"),
    (Status.FAILED.value, "failed"),
    (Status.ATTENTION.value, "unknown"),
    ("pending", "to go"),
)


def _counts(tally: Tally) -> str:
    counts = [f"{tally.by_status[status]} {word}" for status, word in _SHOWN if tally.by_status.get(status)]
    # Nothing where no price is known: a zero would read as free.
    return ", ".join([*counts, *([f"{tally.credits:,} credits"] if tally.credits else [])])


class BarReporter:
    """A bar for a terminal: jobs done, the rest by state, credits, and the time it will take."""

    def __init__(self, stream: TextIO, total: int, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._bar = tqdm(
            total=total,
            file=stream,
            unit="job",
            dynamic_ncols=True,
            # The postfix brings its own comma; the bar takes what the words leave of the line.
            bar_format="{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} jobs, {remaining} left{postfix}",
        )

    def show(self, tally: Tally) -> None:
        self._bar.n = tally.ended
        self._bar.set_postfix_str(_counts(tally), refresh=True)

    def tell(self, key: JobKey, what: str) -> None:
        # A bar says enough where nothing is wrong.
        if self._verbose or what.startswith("failed"):
            self.warn(f"{key}: {what}")

    def warn(self, message: str) -> None:
        self._bar.write(printable(message), file=self._bar.fp)

    def close(self) -> None:
        self._bar.close()


class LineReporter:
    """One line for each thing that happened to a job, to `say`: for CI and for files."""

    def __init__(self, say: Callable[[str], object], *, quiet: bool = False) -> None:
        self._say = say
        self._quiet = quiet

    def show(self, tally: Tally) -> None:
        pass  # Lines tell what happened, not how the jobs stand.

    def tell(self, key: JobKey, what: str) -> None:
        if not self._quiet:
            self.warn(f"{key}: {what}")

    def warn(self, message: str) -> None:
        self._say(printable(message))

    def close(self) -> None:
        pass
