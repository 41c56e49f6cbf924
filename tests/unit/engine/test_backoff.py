"""When to ask again."""

import random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.backoff import FLOOR, backoff, next_poll

seconds = st.floats(0, 1e6)
percents = st.none() | st.floats(-10, 110)
chance = st.integers(0, 2**32).map(random.Random)


@given(seconds, percents, st.none() | seconds, st.floats(0.01, 600), chance)
def test_polls_keep_between_floor_and_ceiling_but_for_jitter(
    elapsed: float, percent: float | None, typical: float | None, max_interval: float, rng: random.Random
) -> None:
    pause = next_poll(elapsed, percent, typical, max_interval, rng)

    assert min(FLOOR, max_interval) * 0.8 <= pause <= max_interval


@given(st.floats(10, 1e5), st.floats(0, 0.99), chance)
def test_while_a_template_usually_still_runs_the_next_poll_is_half_way_to_its_end(
    typical: float, share: float, rng: random.Random
) -> None:
    left = typical * (1 - share)

    pause = next_poll(typical * share, None, typical, 1e6, rng)

    assert pause <= max(left / 2, typical / 40, FLOOR)
    assert pause >= 0.8 * left / 2 - 1e-9


@given(st.floats(1, 1e5), st.floats(0.5, 99.5), chance)
def test_without_experience_the_progress_tells_when_to_ask(
    elapsed: float, percent: float, rng: random.Random
) -> None:
    left = elapsed * (100 - percent) / percent

    pause = next_poll(elapsed, percent, None, 1e9, rng)

    assert 0.8 * left / 2 - 1e-6 <= pause <= max(left / 2, elapsed / 20, FLOOR)


def test_one_that_runs_longer_than_usual_is_asked_for_by_its_progress() -> None:
    assert next_poll(100, 50, 10, 1e6, random.Random(1)) > 0.8 * 100 / 2 - 1


@given(st.integers(1, 10_000), chance)
def test_backoff_grows_to_a_minute_and_no_further(attempt: int, rng: random.Random) -> None:
    assert 0 <= backoff(attempt, rng) <= min(60.0, 0.5 * 2.0 ** min(attempt, 20))


@given(st.integers(1, 50), st.floats(0, 1e5), chance)
def test_backoff_is_never_sooner_than_asked(attempt: int, asked: float, rng: random.Random) -> None:
    pause = backoff(attempt, rng, asked)

    assert asked <= pause <= max(asked, 60.0)


def test_backoff_has_jitter_so_that_many_do_not_come_back_at_once() -> None:
    rng = random.Random(1)

    assert len({backoff(8, rng) for _ in range(20)}) == 20
