"""Time as the machine tells it."""

import itertools
import time

import pytest

from pipeline.engine.clock import SystemClock


def test_no_waiting_is_measured_by_the_time_of_day_which_may_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    days = itertools.cycle([1e9, 1e9 - 86_400, 1e9 + 86_400])
    monkeypatch.setattr(time, "time", lambda: next(days))
    clock = SystemClock()

    seen = [clock.monotonic() for _ in range(9)]

    assert seen == sorted(seen)
    assert seen[-1] - seen[0] < 3600
