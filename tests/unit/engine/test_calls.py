"""Calls are retried for a while, no sooner than the vendor asks, by a monotonic clock."""

import itertools
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.vendor import Script
from pipeline.engine.calls import ATTEMPTS, SystemClock, backoff, with_retries
from pipeline.errors import AccountError, BuyingStopped, PipelineError
from pipeline.providers.base import CallRefused, NotFound, VendorError

rngs = st.integers(0, 2**32).map(random.Random)


class Calls:
    """A call that fails a given number of times before it succeeds, and the pauses in between."""

    def __init__(self, *errors: Exception) -> None:
        self.made = 0
        self.pauses: list[float] = []
        self._script: Script[str] = Script(lambda _: "brought")
        self._script["it"] = list(errors)

    def repeated(self) -> str:
        return with_retries(self._call, self.pauses.append, random.Random(1))

    def _call(self) -> str:
        self.made += 1
        return self._script.answer("it")


def test_temporary_error_is_retried_no_sooner_than_requested() -> None:
    calls = Calls(VendorError("503", after=30), VendorError("reset"))

    assert calls.repeated() == "brought"
    assert calls.made == 3
    assert calls.pauses[0] >= 30


def test_missing_credit_is_no_reason_to_end_what_buys_nothing() -> None:
    calls = Calls(BuyingStopped("402"), BuyingStopped("402"))

    assert calls.repeated() == "brought"
    assert calls.made == 3


def test_missing_credit_that_lasts_is_an_error_of_the_vendor() -> None:
    calls = Calls(*[BuyingStopped("402")] * 9)

    with pytest.raises(VendorError, match=r"^402$"):
        calls.repeated()
    assert calls.made == ATTEMPTS


def test_last_error_is_raised() -> None:
    calls = Calls(*(VendorError(str(number)) for number in range(9)))

    with pytest.raises(VendorError, match=f"^{ATTEMPTS - 1}$"):
        calls.repeated()
    assert calls.made == ATTEMPTS


@pytest.mark.parametrize("error", [NotFound("404"), CallRefused("422"), AccountError("401")])
def test_permanent_error_is_raised_immediately(error: PipelineError) -> None:
    calls = Calls(error)

    with pytest.raises(type(error)):
        calls.repeated()
    assert calls.made == 1
    assert not calls.pauses


@given(st.integers(1, 10_000), rngs)
def test_backoff_grows_to_a_minute(attempt: int, rng: random.Random) -> None:
    assert 0 <= backoff(attempt, rng) <= min(60.0, 0.5 * 2.0 ** min(attempt, 20))


@given(st.integers(1, 50), st.floats(0, 1e5), rngs)
def test_backoff_is_never_shorter_than_requested(attempt: int, asked: float, rng: random.Random) -> None:
    pause = backoff(attempt, rng, asked)

    assert asked <= pause <= max(asked, 60.0)


def test_backoff_has_jitter() -> None:
    rng = random.Random(1)

    assert len({backoff(8, rng) for _ in range(20)}) == 20


def test_waiting_ignores_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    days = itertools.cycle([1e9, 1e9 - 86_400, 1e9 + 86_400])
    monkeypatch.setattr(time, "time", lambda: next(days))
    clock = SystemClock()

    seen = [clock.monotonic() for _ in range(9)]

    assert seen == sorted(seen)
    assert seen[-1] - seen[0] < 3600
