"""Repeats a call that may be repeated, with backoff; for commands that make one call after another."""

import random
from collections.abc import Callable
from typing import TypeVar

from pipeline.engine.backoff import backoff
from pipeline.providers.base import CallRefused, NotFound, VendorError

T = TypeVar("T")

ATTEMPTS = 5


def repeated(call: Callable[[], T], pause: Callable[[float], object], rng: random.Random) -> T:
    """What `call` brings, asked for at most so often; `pause` waits between, in seconds.

    Raises:
        VendorError: the last of its errors, or the first that repeating will not mend.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return call()
        except (NotFound, CallRefused):
            raise
        except VendorError as error:
            pause(backoff(attempt, rng, error.after))
    return call()
