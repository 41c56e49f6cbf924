"""When a workflow is polled again."""

import random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.in_flight import MIN_POLL_INTERVAL, poll_pause

seconds = st.floats(0, 1e6)
percents = st.none() | st.floats(-10, 110)
rngs = st.integers(0, 2**32).map(random.Random)


@given(seconds, percents, st.none() | seconds, st.floats(0.01, 600), rngs)
def test_polls_keep_between_the_least_and_the_most_but_for_jitter(
    elapsed: float, percent: float | None, typical: float | None, max_interval: float, rng: random.Random
) -> None:
    pause = poll_pause(
        elapsed=elapsed, percent=percent, typical=typical, max_poll_interval=max_interval, rng=rng
    )

    assert min(MIN_POLL_INTERVAL, max_interval) * 0.8 <= pause <= max_interval


@given(st.floats(10, 1e5), st.floats(0, 0.99), rngs)
def test_while_a_template_usually_still_runs_the_next_poll_is_half_way_to_its_end(
    typical: float, share: float, rng: random.Random
) -> None:
    left = typical * (1 - share)

    pause = poll_pause(elapsed=typical * share, percent=None, typical=typical, max_poll_interval=1e6, rng=rng)

    assert pause <= max(left / 2, typical / 40, MIN_POLL_INTERVAL)
    assert pause >= 0.8 * left / 2 - 1e-9


@given(st.floats(1, 1e5), st.floats(0.5, 99.5), rngs)
def test_without_experience_the_progress_tells_when_to_ask(
    elapsed: float, percent: float, rng: random.Random
) -> None:
    left = elapsed * (100 - percent) / percent

    pause = poll_pause(elapsed=elapsed, percent=percent, typical=None, max_poll_interval=1e9, rng=rng)

    assert 0.8 * left / 2 - 1e-6 <= pause <= max(left / 2, elapsed / 20, MIN_POLL_INTERVAL)


def test_one_that_runs_longer_than_usual_is_asked_for_by_its_progress() -> None:
    pause = poll_pause(elapsed=100, percent=50, typical=10, max_poll_interval=1e6, rng=random.Random(1))

    assert pause > 0.8 * 100 / 2 - 1
