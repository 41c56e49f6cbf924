"""Tells people how a run goes: a bar on a terminal, quiet lines elsewhere. The only user of tqdm."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NoReturn, TextIO

from pipeline.cli.environment import columns_of
from pipeline.cli.wrapping import wrapped
from pipeline.engine.reporter import Reporter, Tally
from pipeline.errors import printable
from pipeline.jobs import JobKey

_LONGEST_BAR = 79
_USUAL_COLUMNS = 80


def summary(tally: Tally, columns: int) -> str:
    """The tally in words, in at most `columns`: what matters least is left out where there is no room."""
    parts = list(_parts(tally))
    while len(parts) > 1 and len(", ".join(text for _, text in parts)) > columns:
        parts.remove(max(parts))
    return ", ".join(text for _, text in parts)


def _parts(tally: Tally) -> Iterator[tuple[int, str]]:
    """What there is to say, in its order; the greater the number, the sooner it may be left out."""
    yield 0, f"{tally.done:,} of {tally.total:,} done"
    if tally.under_way:
        yield 3, f"{tally.under_way:,} under way"
    if tally.failed:
        yield 1, f"{tally.failed:,} failed"
    if tally.unknown:
        yield 2, f"{tally.unknown:,} unknown"
    # Nothing where no price is known: a zero would read as free.
    if tally.credits:
        yield 5, f"{tally.credits:,} credits"
    if tally.under_way or tally.waiting:
        seconds = tally.time_left()
        if seconds is not None:
            yield 4, f"{duration(seconds)} left"


def duration(seconds: float) -> str:
    """So long in words, as exactly as an estimate can be."""
    if seconds < 60:
        return f"{max(1, round(seconds)):.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


class BarReporter:
    """Two lines on a terminal: a bar of what this run has to do, and how it stands in words.

    A run that has nothing to do shows none.
    """

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._stream = stream
        # Most commands show no bar.
        from tqdm import tqdm

        # Each is drawn as soon as it is made.
        self._bar_of = partial(tqdm, total=0, file=stream, bar_format="{percentage:3.0f}% {bar}", position=0)
        self._words_of = partial(tqdm, total=0, file=stream, bar_format="{desc}", position=1, leave=True)
        self._shown: tuple[tqdm[NoReturn], tqdm[NoReturn]] | None = None

    def show(self, tally: Tally) -> None:
        if not tally.total:
            return
        self._shown = self._shown or (self._bar_of(), self._words_of())
        bar, words = self._shown
        columns = _columns(self._stream)
        bar.total, bar.n = tally.total, tally.ended
        bar.ncols, words.ncols = min(columns, _LONGEST_BAR), columns
        words.set_description_str(summary(tally, columns), refresh=False)
        bar.refresh()
        words.refresh()

    def tell(self, key: JobKey, what: str) -> None:
        # A bar says enough where nothing is wrong.
        if self._verbose or what.startswith(("failed", "unknown")):
            self.warn(f"{key}: {what}")

    def warn(self, message: str) -> None:
        text = "\n".join(wrapped(printable(message), _columns(self._stream)))
        if self._shown is None:
            self._stream.write(f"{text}\n")
        else:
            bar, _ = self._shown
            bar.write(text, file=bar.fp)

    def close(self) -> None:
        for each in self._shown or ():
            each.close()


def _columns(stream: TextIO) -> int:
    """The width of the terminal, less the last column, behind which some terminals break the line."""
    return max(1, (columns_of(stream) or _USUAL_COLUMNS) - 1)


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


def ignore_tally(_tally: Tally) -> None:
    """Do nothing: nobody asked."""


class TallyingReporter:
    """Another reporter, with how the jobs stand told to `on_tally` too."""

    def __init__(self, reporter: Reporter, on_tally: Callable[[Tally], None]) -> None:
        self._reporter = reporter
        self._on_tally = on_tally

    def show(self, tally: Tally) -> None:
        self._reporter.show(tally)
        self._on_tally(tally)

    def tell(self, key: JobKey, what: str) -> None:
        self._reporter.tell(key, what)

    def warn(self, message: str) -> None:
        self._reporter.warn(message)
