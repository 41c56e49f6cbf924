"""Progress of a run: a bar on a terminal, lines elsewhere, JSON with `--log-format json`. The only user of tqdm."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TextIO, cast

from pipeline.cli.process_environment import columns_of
from pipeline.cli.terminal import discard, wrapped, write_or_discard
from pipeline.engine.durations import TimeLeft
from pipeline.errors import counted, printable
from pipeline.providers.echoed_key import without_noted_keys

if TYPE_CHECKING:
    from tqdm import tqdm

    from pipeline.engine.reporter import Reporter, Tally
    from pipeline.jobs import JobKey
    from pipeline.json_values import Json

_LONGEST_BAR = 79
_USUAL_COLUMNS = 80
_ERASE_BELOW = "\x1b[J"
# The most templates that are named where the time left is not known.
_MAX_NAMED = 2


def summary(tally: Tally, columns: int) -> str:
    """The tally in words, in at most `columns`: the least important parts are left out if there is no room."""
    left = tally.time_left() if tally.under_way or tally.waiting else TimeLeft()
    parts = list(_parts(tally, left))
    if len(", ".join(text for _, text in parts)) > columns:
        parts = list(_parts(tally, left, is_short=True))
    while len(parts) > 1 and len(", ".join(text for _, text in parts)) > columns:
        parts.remove(max(parts))
    return ", ".join(text for _, text in parts)


def _when_known(left: TimeLeft) -> str:
    """When a time left that is not known will be."""
    unseen = left.unseen
    some = " and ".join(unseen) if len(unseen) <= _MAX_NAMED else f"{len(unseen)} templates"
    return f"time left known after {printable(some)}"


def _cost(tally: Tally, *, is_short: bool) -> str:
    """The credits spent, and the number of purchases with no known price; empty if nothing was bought."""
    known = [counted(tally.credits, "credit")] if tally.credits else []
    if not tally.unpriced:
        return "".join(known)
    unknown = f"{tally.unpriced:,}" if is_short else counted(tally.unpriced, "purchase")
    return " + ".join([*known, f"{unknown} with no known price"])


def _parts(tally: Tally, left: TimeLeft, *, is_short: bool = False) -> Iterator[tuple[int, str]]:
    """The parts of the summary in order; those with the greatest number are left out first."""
    yield 0, f"{tally.done:,} of {tally.total:,} done"
    if tally.under_way:
        yield 3, f"{tally.under_way:,} under way"
    if tally.failed:
        yield 1, f"{tally.failed:,} failed"
    if tally.unknown:
        yield 2, f"{tally.unknown:,} unknown"
    # Credits alone, beside purchases with no known price, would read as all that was spent.
    if cost := _cost(tally, is_short=is_short):
        yield 5, cost
    if left.seconds is not None:
        yield 4, f"{duration(left.seconds)} left"
    elif left.unseen:
        yield 6, "time left unknown" if is_short else _when_known(left)


def duration(seconds: float) -> str:
    """A duration in words, rounded as for an estimate."""
    if seconds < 60:
        return f"{max(1, round(seconds)):.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


class BarReporter:
    """Two lines on a terminal: a bar of the run's jobs, and a summary in words.

    A run that has nothing to do shows no bar. Between two drawings, the cursor is at the beginning of the bar: if the
    terminal becomes narrower and wraps both lines, all of them can be erased from there.
    """

    # The time left is a countdown.
    redraw_interval = 1.0

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._stream = stream
        # Imported here, since most commands show no bar.
        from tqdm import tqdm

        # Each is drawn as soon as it is made.
        self._bar_of = partial(tqdm, total=0, file=stream, bar_format="{percentage:3.0f}% {bar}", position=0)
        self._words_of = partial(tqdm, total=0, file=stream, bar_format="{desc}", position=1, leave=True)
        self._shown: tuple[tqdm[NoReturn], tqdm[NoReturn]] | None = None
        self._tally: Tally | None = None
        self._columns = 0

    def show(self, tally: Tally) -> None:
        if tally.total:
            with self._while_open():
                self._tally = tally
                self._shown = self._shown or (self._bar_of(), self._words_of())
                for each in self._fitted():
                    each.refresh()
                self._to_beginning()

    def _fitted(self) -> tuple[tqdm[NoReturn], ...]:
        """The bar and the words with the last tally, for the terminal as wide as it is now."""
        tally, columns = self._tally, _columns(self._stream)
        if self._shown is None or tally is None:
            return ()
        bar, words = self._shown
        if columns != self._columns:
            self._columns = columns
            self._stream.write(f"\r{_ERASE_BELOW}")
            for each in self._shown:
                # The present one would fill the line with spaces to its former length.
                each.sp = each.status_printer(each.fp)
        bar.total, bar.n = tally.total, tally.ended
        bar.ncols, words.ncols = min(columns, _LONGEST_BAR), columns
        words.set_description_str(summary(tally, columns), refresh=False)
        return self._shown

    def _to_beginning(self) -> None:
        self._stream.write("\r")
        self._stream.flush()

    def report(self, key: JobKey, what: str) -> None:
        # Unless something is wrong, the bar says enough.
        if self._verbose or what.startswith(("failed", "unknown")):
            self.warn(f"{key}: {what}")

    def warn(self, message: str) -> None:
        text = "\n".join(wrapped(printable(message), _columns(self._stream)))
        with self._while_open():
            if self._shown is None:
                self._stream.write(f"{text}\n")
            else:
                bar, *_ = self._fitted()
                bar.write(text, file=bar.fp)
                self._to_beginning()

    def close(self) -> None:
        with self._while_open():
            for each in self._fitted():
                each.close()

    @contextmanager
    def _while_open(self) -> Iterator[None]:
        """Draw on the terminal; if it has been closed, the run goes on and draws nothing more."""
        try:
            yield
        except (OSError, ValueError):
            discard(self._stream)


def _columns(stream: TextIO) -> int:
    """The width of the terminal less its last column, after which some terminals break the line."""
    return max(1, (columns_of(stream) or _USUAL_COLUMNS) - 1)


class LineReporter:
    """Passes one line for each event of a job to `say`: for CI and for files."""

    redraw_interval = None

    def __init__(self, say: Callable[[str], object], *, quiet: bool = False) -> None:
        self._say = say
        self._quiet = quiet

    def show(self, tally: Tally) -> None:
        pass  # Lines report events, not tallies.

    def report(self, key: JobKey, what: str) -> None:
        if not self._quiet:
            self.warn(f"{key}: {what}")

    def warn(self, message: str) -> None:
        self._say(printable(message))

    def close(self) -> None:
        pass


def ignore_tally(_tally: Tally) -> None:
    """Do nothing: no observer wants the tally."""


class TallyingReporter:
    """Wraps another reporter, and also passes each tally to `on_tally`."""

    def __init__(self, reporter: Reporter, on_tally: Callable[[Tally], None]) -> None:
        self._reporter = reporter
        self._on_tally = on_tally

    @property
    def redraw_interval(self) -> float | None:
        return self._reporter.redraw_interval

    def show(self, tally: Tally) -> None:
        self._reporter.show(tally)
        self._on_tally(tally)

    def report(self, key: JobKey, what: str) -> None:
        self._reporter.report(key, what)

    def warn(self, message: str) -> None:
        self._reporter.warn(message)


_LEVELS = ("error", "warning")


def begin_json_log() -> None:
    """From now on, write each line of stderr as one JSON object."""
    sys.stderr = cast("TextIO", JsonLines(sys.stderr))


def json_log() -> JsonLines | None:
    """The JSON log on stderr; None if stderr is plain text."""
    stream: object = sys.stderr
    return stream if isinstance(stream, JsonLines) else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonLines(io.TextIOBase):
    """A stream that writes each of its lines to another stream, as the message of a JSON object.

    A line that begins with `error:` or `warning:` has that level.
    """

    encoding = "utf-8"

    def __init__(self, stream: TextIO, now: Callable[[], str] = _now) -> None:
        super().__init__()
        self._stream = stream
        self._now = now
        self._partial_line = ""

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        *lines, self._partial_line = (self._partial_line + text).split("\n")
        for line in lines:
            self._write_line(line)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def log(self, level: str, message: str, job: JobKey | None = None) -> None:
        """Write one line of the log."""
        # The line may be a plug-in's: its log, a warning, the traceback of its thread.
        message = without_noted_keys(message)
        written: dict[str, Json] = {"time": self._now(), "level": level, "message": message}
        if job is not None:
            written["job"] = job
        # Everything but ASCII is escaped, so no terminal, runner or encoding can misread it.
        write_or_discard(self._stream, json.dumps(written).replace("##[", "\\u0023#[") + "\n")

    def close(self) -> None:
        """Write the last, unfinished line; the other stream stays open."""
        line, self._partial_line = self._partial_line, ""
        self._write_line(line)
        super().close()

    def _write_line(self, line: str) -> None:
        if not line.strip():
            return
        level = next((each for each in _LEVELS if line.startswith(f"{each}: ")), "info")
        self.log(level, line.removeprefix(f"{level}: "))


class LogReporter:
    """Writes the events of a run as objects to `log`, each with its job's key."""

    redraw_interval = None

    def __init__(self, log: JsonLines, *, quiet: bool = False) -> None:
        self._log = log
        self._quiet = quiet

    def show(self, tally: Tally) -> None:
        pass  # Lines report events, not tallies.

    def report(self, key: JobKey, what: str) -> None:
        level = "error" if what.startswith("failed") else "info"
        if level == "error" or not self._quiet:
            self._log.log(level, printable(what), key)

    def warn(self, message: str) -> None:
        self._log.log("warning", printable(message))

    def close(self) -> None:
        pass
