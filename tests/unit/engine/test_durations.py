"""When a workflow is polled again, given the durations of earlier ones."""

import math
import random
from collections.abc import Iterator

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.engine.durations import (
    FIRST_PAUSE,
    SHORTEST_PAUSE,
    Durations,
    Expectation,
    TimeLeft,
    chains,
    pause,
    projected,
    time_left,
)
from pipeline.engine.in_flight import recorded_age
from pipeline.jobs import JobKey

ages = st.floats(0, 1e6)
expectations = st.none() | st.builds(Expectation, st.floats(0.05, 1e6), st.floats(0.01, 2))
MINUTES = Expectation(median=300, spread=0.3)


def poll_ages(expected: Expectation | None, *, until: float) -> Iterator[float]:
    """The ages at which a workflow that does not end is polled."""
    age = 0.0
    while (age := age + pause(age, expected)) < until:
        yield age


@given(ages, expectations)
@example(5e-324, Expectation(2.0, 1.0))  # so small that half of it is zero
def test_pause_is_neither_too_short_nor_unbounded(age: float, expected: Expectation | None) -> None:
    seconds = pause(age, expected)

    assert SHORTEST_PAUSE <= seconds < math.inf


def test_workflow_without_history_is_polled_soon_and_then_less_often() -> None:
    first, *others = poll_ages(None, until=100)

    assert first == FIRST_PAUSE
    assert len(others) < 20
    assert others[-1] - others[-2] <= others[-2] / 2 + 1e-9


def test_workflow_is_not_polled_before_an_age_at_which_others_still_ran() -> None:
    assert pause(0, None, longest_running=20) == 20
    assert pause(30, None, longest_running=20) == 15


def test_first_poll_is_when_the_first_of_the_template_end() -> None:
    [first, second, *_] = poll_ages(MINUTES, until=300)

    assert 0.02 < MINUTES.ended(first) < 0.2
    assert second - first < 60


def test_precise_expectation_gives_later_and_closer_polls() -> None:
    [first, *others] = poll_ages(Expectation(300, 0.02), until=320)

    assert first > 285
    assert len(others) > 2


def test_end_of_a_short_workflow_is_noticed_within_a_fraction_of_a_second() -> None:
    [*seen] = poll_ages(Expectation(2, 0.05), until=2.2)

    assert any(2 <= age <= 2.1 for age in seen)


def test_overdue_workflow_is_polled_less_and_less_often() -> None:
    assert pause(3000, MINUTES) == 300


def test_unknown_template_has_no_expectation() -> None:
    durations = Durations({})

    assert durations.expectation("overlay") is None
    durations.learn("another", 10)
    assert durations.expectation("overlay") is None


@given(st.floats(0.5, 5000), st.integers(0, 2**32))
def test_durations_of_this_run_inform_the_next_workflow(seconds: float, seed: int) -> None:
    rng, durations = random.Random(seed), Durations({"overlay": 60.0})
    for _ in range(60):
        durations.learn("overlay", seconds * rng.uniform(0.95, 1.05))

    expected = durations.expectation("overlay")

    assert expected is not None
    assert expected.median / seconds < 1.4
    assert seconds / expected.median < 1.4


def test_one_workflow_or_an_earlier_run_is_enough_to_learn_from() -> None:
    durations = Durations({"overlay": 60.0})
    earlier = durations.expectation("overlay")
    durations.learn("loop", 40)
    first = durations.expectation("loop")

    assert earlier is not None
    assert 50 < earlier.median < 60
    assert first is not None
    assert first.median == 40


@given(st.floats(1, 1e5), st.floats(0.11, 0.99))
def test_progress_predicts_the_end_better_the_further_it_is(age: float, share: float) -> None:
    expected = projected(age, share)

    assert expected is not None
    assert math.isclose(expected.median, age / share)
    assert expected.spread < 0.5


def test_implausible_progress_is_ignored() -> None:
    assert projected(10, 0.0) is None
    assert projected(10, 0.05) is None
    assert projected(0, 0.5) is None
    assert projected(10, 1.0) is None


@given(st.floats(1, 1e4), st.floats(1, 1e4), st.floats(0.03, 1), st.floats(0.03, 1))
def test_history_and_progress_combined_are_more_precise_than_either(
    one: float, other: float, spread: float, another: float
) -> None:
    joined = Expectation(one, spread).joined(Expectation(other, another))

    assert joined.spread < min(spread, another)
    assert min(one, other) - 1e-6 <= joined.median <= max(one, other) + 1e-6


def test_time_left_is_that_of_the_slowest_or_of_the_queue() -> None:
    durations = Durations({"film": 100.0, "still": 10.0})
    film = durations.expectation("film")
    assert film is not None

    assert time_left(durations, [], {}, limit=5) == TimeLeft()
    assert time_left(durations, [("film", 40.0), ("still", 0.0)], {}, limit=5).seconds == film.median - 40
    assert time_left(durations, [], {"film": 3}, limit=5).seconds == film.median
    assert time_left(durations, [], {"film": 50}, limit=5).seconds == film.median * 10


def test_time_left_is_at_least_that_of_the_longest_chain() -> None:
    durations = Durations({"film": 100.0, "still": 10.0})
    film, still = durations.expectation("film"), durations.expectation("still")
    assert film is not None
    assert still is not None
    waiting = {"still": 1, "film": 2}

    both = time_left(durations, [], waiting, limit=5, chains={(None, ("film", "still"))})
    begun = time_left(durations, [("still", 4.0)], {"film": 1}, limit=5, chains={("still", ("film",))})
    ended = time_left(durations, [], {"film": 1}, limit=5, chains={("still", ("film",))})

    assert both.seconds == still.median + film.median
    assert begun.seconds == still.median - 4 + film.median
    assert ended.seconds == film.median


def test_chains_lead_from_what_is_under_way_to_what_waits_for_it() -> None:
    sketch, film, cut, other, of_done = map(JobKey, ("sketch", "film", "cut", "other", "of_done"))
    waiting: dict[JobKey, tuple[str, JobKey | None]] = {
        film: ("film", sketch),
        cut: ("cut", film),
        other: ("film", None),
        of_done: ("film", JobKey("done")),
    }

    assert chains(waiting, {sketch: "still"}) == {("still", ("film",)), ("still", ("cut", "film"))}
    assert chains({**waiting, sketch: ("still", None)}, {}) == {
        (None, ("film", "still")),
        (None, ("cut", "film", "still")),
    }


def test_time_left_grows_while_those_under_way_take_longer_than_usual() -> None:
    durations = Durations({"film": 100.0, "still": 10.0})
    usual = time_left(durations, [("film", 1.0)] * 5, {"film": 50}, limit=5).seconds
    slow = time_left(durations, [("film", 300.0)] * 5, {"film": 50}, limit=5).seconds
    alone = time_left(durations, [("film", 300.0)], {}, limit=5).seconds
    others = time_left(durations, [("film", 300.0)], {"still": 5}, limit=5).seconds

    assert usual is not None
    assert slow is not None
    # All that is known of this run is that it takes at least three times as long.
    assert slow > usual * 2
    assert alone is not None
    assert alone > 150
    # A template is no slower because another one is.
    assert others == alone


def test_one_late_workflow_among_many_hardly_changes_the_time_left() -> None:
    durations = Durations({"film": 100.0})
    usual = time_left(durations, [("film", 50.0)] * 20, {"film": 400}, limit=20).seconds
    one_late = time_left(
        durations, [*[("film", 50.0)] * 19, ("film", 150.0)], {"film": 400}, limit=20
    ).seconds

    assert usual is not None
    assert one_late is not None
    assert usual <= one_late < usual * 1.1


def test_time_left_is_unknown_without_history() -> None:
    durations = Durations({"film": 100.0})

    assert time_left(durations, [("song", 5.0)], {}, limit=5) == TimeLeft(unseen=("song",))
    assert time_left(durations, [], {"film": 1, "song": 1}, limit=5) == TimeLeft(unseen=("song",))
    assert time_left(durations, [], {"film": 1, "song": 0}, limit=5).seconds is not None


def test_templates_are_named_once_as_in_the_manifest() -> None:
    left = TimeLeft(unseen=("song_17", "song_18", "dance_3"))

    assert left.named({"song_17": "song", "song_18": "song"}).unseen == ("song", "dance_3")


@given(st.lists(st.tuples(st.just("film"), ages), max_size=5), st.integers(1, 1000), st.integers(1, 50))
def test_more_jobs_never_take_less_time(running: list[tuple[str, float]], waiting: int, limit: int) -> None:
    durations = Durations({"film": 100.0})
    fewer = time_left(durations, running, {"film": waiting}, limit).seconds
    more = time_left(durations, running, {"film": waiting + 1}, limit).seconds

    assert fewer is not None
    assert more is not None
    assert 0 <= fewer <= more


def test_purchase_dated_in_the_future_has_age_zero() -> None:
    assert recorded_age("9999-12-31T23:59:59.999Z", "2026-11-29T06:00:00.000Z") == 0.0
    assert recorded_age("2026-11-29T05:59:00.000Z", "2026-11-29T06:00:00.000Z") == 60.0
