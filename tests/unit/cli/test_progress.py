"""The progress of a run in one line: all of it if there is room, and never a part of a word."""

import io
import re
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.progress import BarReporter, duration, summary
from pipeline.engine.durations import TimeLeft
from pipeline.engine.reporter import Tally

numbers = st.integers(0, 100_000)
tallies = st.builds(
    Tally,
    done=numbers,
    under_way=numbers,
    waiting=numbers,
    failed=numbers,
    unknown=numbers,
    credits=st.integers(0, 10_000_000),
    time_left=st.sampled_from(
        [TimeLeft, *(partial(TimeLeft, seconds=each) for each in (1.0, 3000.0, 400_000.0))]
    ),
)
FULL = Tally(
    done=20,
    under_way=14,
    waiting=22,
    failed=3,
    unknown=1,
    credits=3700,
    time_left=lambda: TimeLeft(seconds=11.2),
)


def test_everything_is_shown_if_there_is_room() -> None:
    assert summary(FULL, 79) == "20 of 60 done, 14 under way, 3 failed, 1 unknown, 3,700 credits, 11 s left"


def test_zero_counts_are_omitted() -> None:
    assert summary(Tally(done=2), 79) == "2 of 2 done"
    assert summary(Tally(waiting=2), 79) == "0 of 2 done"


def test_purchases_with_no_known_price_stand_beside_the_credits() -> None:
    def tally(spent: int, unpriced: int) -> Tally:
        return Tally(done=2, credits=spent, unpriced=unpriced)

    assert summary(tally(100, 1), 79) == "2 of 2 done, 100 credits + 1 purchase with no known price"
    assert summary(tally(0, 2), 79) == "2 of 2 done, 2 purchases with no known price"
    assert summary(tally(100, 1), 49) == "2 of 2 done, 100 credits + 1 with no known price"
    # Without room for both, neither stands alone.
    assert summary(tally(100, 1), 40) == "2 of 2 done"


def test_reason_for_unknown_time_left_is_shown_if_there_is_room() -> None:
    def tally(*unseen: str) -> Tally:
        return Tally(
            done=14, under_way=4, waiting=30, credits=2340, time_left=lambda: TimeLeft(unseen=unseen)
        )

    begin = "14 of 48 done, 4 under way, 2,340 credits"
    assert summary(tally("loop"), 79) == f"{begin}, time left known after loop"
    assert summary(tally("loop", "story"), 79) == f"{begin}, time left known after loop and story"
    assert summary(tally("loop", "story", "x"), 79) == f"{begin}, time left known after 3 templates"
    assert summary(tally("loop", "arctic-night"), 79) == f"{begin}, time left unknown"
    assert summary(tally("loop"), 50) == begin


@given(tallies, st.integers(30, 200))
def test_summary_fits_the_width_and_omits_only_whole_parts(tally: Tally, columns: int) -> None:
    shown = summary(tally, columns)

    assert len(shown) <= columns
    whole = summary(tally, 10_000).split(", ")
    assert [part for part in whole if part in shown.split(", ")] == shown.split(", ")


@given(tallies)
def test_failures_take_precedence_over_credits_and_time(tally: Tally) -> None:
    shown = summary(tally, 50)

    assert ("credits" not in shown and "left" not in shown) or not tally.failed or "failed" in shown


def test_duration_is_as_precise_as_the_estimate() -> None:
    assert [duration(each) for each in (0.2, 59.4, 60, 3600, 7199, 7200, 90_000)] == [
        *("1 s", "59 s", "1 min", "60 min", "120 min", "2 h", "25 h"),
    ]


class Screen(io.StringIO):
    """A terminal that wraps what is too long for it, anew when its width changes."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns
        self._lines = [""]
        self._line, self._at = 0, 0

    def write(self, text: str, /) -> int:
        for part in re.split(r"(\x1b\[[A-Z]|[\r\n])", text):
            match part:
                case "\r":
                    self._at -= self._at % self.columns
                case "\n":
                    row = self._row + 1
                    if row == len(self._rows):
                        self._lines.append("")
                    self._move_to(row, self._at % self.columns)
                case "\x1b[A":
                    self._move_to(self._row - 1, self._at % self.columns)
                case "\x1b[J":
                    self._lines[self._line :] = [self._lines[self._line][: self._at]]
                case _:
                    line = self._lines[self._line].ljust(self._at)
                    self._lines[self._line] = line[: self._at] + part + line[self._at + len(part) :]
                    self._at += len(part)
        return len(text)

    @property
    def shown(self) -> list[str]:
        return [text.rstrip() for _, _, text in self._rows]

    @property
    def _rows(self) -> list[tuple[int, int, str]]:
        """Of each row, its line, where in the line it begins, and its text."""
        return [
            (number, begins, line[begins : begins + self.columns])
            for number, line in enumerate(self._lines)
            for begins in range(0, max(len(line), 1), self.columns)
        ]

    @property
    def _row(self) -> int:
        begins = self._at - self._at % self.columns
        places = [(number, at) for number, at, _ in self._rows]
        return places.index((self._line, begins)) if (self._line, begins) in places else len(places) - 1

    def _move_to(self, row: int, column: int) -> None:
        self._line, begins, _ = self._rows[row]
        self._at = begins + column


def test_terminal_that_changes_its_width_keeps_nothing_of_what_was_drawn_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Screen(100)
    monkeypatch.setattr("pipeline.cli.progress.columns_of", lambda _: screen.columns)
    reporter = BarReporter(screen)
    reporter.warn("before")
    for columns in (100, 50, 20, 120, 30):
        screen.columns = columns
        reporter.show(FULL)
        before, bar, words = screen.shown
        assert (before, words) == ("before", summary(FULL, columns - 1))
        assert bar.startswith(" 40% ")

    screen.columns = 25
    reporter.warn("a warning")
    assert [screen.shown[0], screen.shown[1], screen.shown[3]] == ["before", "a warning", summary(FULL, 24)]

    screen.columns = 20
    reporter.close()
    assert screen.shown[3:] == [summary(FULL, 19), ""]


def test_run_with_nothing_to_do_shows_no_progress_bar() -> None:
    stream = io.StringIO()
    reporter = BarReporter(stream)

    reporter.show(Tally())
    reporter.warn("the vendor is slow")
    reporter.close()

    assert stream.getvalue() == "the vendor is slow\n"
