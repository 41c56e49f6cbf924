"""When to ask again: polls that learn, backoff with jitter. Pure, but for the generator it is given."""

import random

# Seconds between two polls of one workflow, at the least; the ceiling is `--poll-interval`.
FLOOR = 0.25
# Between two calls of any kind, so that a large campaign does not knock like a flood.
SPACING = 0.02
_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 60.0


def next_poll(
    elapsed: float, percent: float | None, typical: float | None, max_interval: float, rng: random.Random
) -> float:
    """Seconds until a workflow that runs for `elapsed` is asked for again.

    Half of what is probably left: by how long its template takes (`typical`), else by its progress, else by
    how long it has run. With jitter, so that many do not ask at once.
    """
    if typical is not None and typical > elapsed:
        left = typical - elapsed
        floor = max(FLOOR, typical / 40)
    elif percent is not None and 0 < percent < 100:
        left = elapsed * (100 - percent) / percent
        floor = max(FLOOR, elapsed / 20)
    else:
        left = elapsed / 2
        floor = FLOOR
    return min(max_interval, max(floor, left / 2)) * rng.uniform(0.8, 1.0)


def backoff(attempt: int, rng: random.Random, asked: float | None = None) -> float:
    """Seconds before attempt number `attempt` + 1: exponential with full jitter, never sooner than asked."""
    most = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0 ** min(attempt, 20))
    return max(asked or 0.0, rng.uniform(0.0, most))
