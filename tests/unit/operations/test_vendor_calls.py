"""Vendor calls of commands other than `run`: retried if that can help, and given up on a signal."""

import threading
from collections.abc import Iterator

import pytest

from pipeline.engine.calls import ATTEMPTS
from pipeline.engine.reporter import Stop
from pipeline.errors import ExitCode, Stopped
from pipeline.operations import provider as module
from pipeline.operations.provider import VendorCalls, vendor_calls
from pipeline.providers.base import NotFound, VendorError


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the pauses, as their length does not matter here."""
    monkeypatch.setattr("pipeline.engine.calls.FIRST_BACKOFF", 0.0)


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def calls(stop: Stop, said: list[str]) -> Iterator[VendorCalls]:
    with vendor_calls(stop, said.append) as opened:
        yield opened


class Flaky:
    """A call that fails a given number of times before it succeeds."""

    def __init__(self, failures: int, error: type[VendorError] = VendorError) -> None:
        self.asked = 0
        self._failures = failures
        self._error = error

    def __call__(self) -> str:
        self.asked += 1
        if self.asked <= self._failures:
            raise self._error("not now")
        return "done"


def test_failed_call_is_retried(calls: VendorCalls) -> None:
    call = Flaky(ATTEMPTS - 1)

    assert calls(call) == "done"
    assert call.asked == ATTEMPTS


def test_permanent_failure_is_an_error(calls: VendorCalls) -> None:
    call = Flaky(ATTEMPTS)

    with pytest.raises(VendorError):
        calls(call)
    assert call.asked == ATTEMPTS


def test_not_found_is_not_retried(calls: VendorCalls) -> None:
    call = Flaky(1, NotFound)

    with pytest.raises(NotFound):
        calls(call)
    assert call.asked == 1


def test_nothing_is_sent_after_a_stop(calls: VendorCalls, stop: Stop) -> None:
    call = Flaky(0)
    stop.request(ExitCode.TERMINATED)

    with pytest.raises(Stopped) as stopped:
        calls(call)
    assert stopped.value.exit_code is ExitCode.TERMINATED
    assert call.asked == 0


def test_stop_ends_the_wait_for_a_retry(calls: VendorCalls, stop: Stop) -> None:
    def fail() -> str:
        stop.request(ExitCode.INTERRUPTED)
        raise VendorError("not now", after=3600.0)

    with pytest.raises(Stopped):
        calls(fail)


def test_call_under_way_at_a_stop_is_awaited_and_counts(
    calls: VendorCalls, stop: Stop, said: list[str]
) -> None:
    goes_on = threading.Event()

    def slow() -> str:
        stop.request(ExitCode.HUNG_UP)
        assert goes_on.wait(30)
        return "done"

    def hear(line: str) -> None:
        said.append(line)
        goes_on.set()

    with vendor_calls(stop, hear) as opened:
        assert opened(slow) == "done"
    assert ["waiting for the requests in flight" in line for line in said] == [True]


def test_hanging_call_is_awaited_no_longer_than_in_a_run(
    stop: Stop, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DRAIN_TIMEOUT", 0.01)
    ends = threading.Event()

    def hang() -> None:
        stop.request(ExitCode.TERMINATED)
        ends.wait(30)

    try:
        with vendor_calls(stop, said.append) as calls, pytest.raises(Stopped):
            calls(hang)
    finally:
        ends.set()
    assert len(said) == 1


def test_internal_errors_are_not_retried(stop: Stop, said: list[str]) -> None:
    asked = []

    def wrong() -> None:
        asked.append(1)
        raise ValueError("a bug")

    with vendor_calls(stop, said.append) as calls, pytest.raises(ValueError, match="a bug"):
        calls(wrong)
    assert asked == [1]
