"""The progress of a run in one line: all of it if there is room, and never a part of a word."""

import io
from functools import partial

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


def test_run_with_nothing_to_do_shows_no_progress_bar() -> None:
    stream = io.StringIO()
    reporter = BarReporter(stream)

    reporter.show(Tally())
    reporter.warn("the vendor is slow")
    reporter.close()

    assert stream.getvalue() == "the vendor is slow\n"
