"""Whoever is told about a run may fail: nothing that is bought is lost by it, and nothing more is bought."""

import errno
import itertools
from dataclasses import dataclass, field, replace

import pytest
from support.protection import fails_without

from engine.harness import USUAL, Harness, RecordingReporter, job, jobs
from engine.vendor import FILM, running, success
from pipeline.engine.reporter import Tally
from pipeline.engine.runner import Runner
from pipeline.errors import ExitCode
from pipeline.providers.base import OutcomeUnknown
from pipeline.purchases import Purchase
from pipeline.state.store import Change

ERRORS = [
    BrokenPipeError(errno.EPIPE, "Broken pipe"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EIO, "Input/output error"),
    RuntimeError("a callback of the user's"),
    SystemExit(3),
    KeyboardInterrupt(),
]
each_error = pytest.mark.parametrize("error", ERRORS, ids=repr)


@dataclass
class Failing(RecordingReporter):
    """Raises an error in one of its methods, from the first create that is bought on."""

    error: BaseException = field(default_factory=RuntimeError)
    method: str = ""
    times: int = 0

    def _do(self, method: str) -> None:
        if method == self.method:
            self.times += 1
            raise self.error

    def show(self, tally: Tally) -> None:
        if tally.under_way:
            self._do("show")

    def report(self, key: str, what: str) -> None:
        self._do("report")

    def warn(self, message: str) -> None:
        self._do("warn")

    def changed(self, change: Change) -> None:
        if change.after.workflow_id is not None:
            self._do("changed")


@each_error
@pytest.mark.parametrize("method", ["show", "report", "warn", "changed"])
@fails_without(
    "pipeline.engine.coordinator:Coordinator._is_ending",
    "return",
    swap=("self.listeners.error is not None", "False"),
)
def test_error_of_a_listener_is_raised_once_everything_in_flight_is_recorded(
    harness: Harness, error: BaseException, method: str
) -> None:
    harness.reporter = reporter = Failing(error=error, method=method)
    harness.on_change = reporter.changed
    harness.vendor.create_outcomes["job-00"] = [OutcomeUnknown("it hung up")] if method == "warn" else []
    harness.executor.held, harness.executor.together = {"send"}, True
    harness.clock.later(3, harness.let_go)

    with pytest.raises(type(error)) as raised:
        harness.run(*jobs(9), settings=replace(USUAL, concurrency=4))

    assert raised.value is error
    assert reporter.times == 1
    assert len(harness.vendor.creates) == 4
    unknown = ["attention"] if method == "warn" else []
    assert [each for each in harness.on_disk() if each != "void"] == unknown + ["submitted"] * (
        4 - len(unknown)
    )


def test_bug_in_the_engine_is_raised_once_everything_in_flight_is_recorded(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(_runner: Runner, _purchase: Purchase) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Runner, "_follow_bought", follow)
    harness.executor.held = {"send"}
    harness.clock.later(3, harness.let_go)

    with pytest.raises(ZeroDivisionError):
        harness.run(*jobs(9), settings=replace(USUAL, concurrency=4))

    assert [each for each in harness.on_disk() if each != "void"] == ["submitted"] * 4


def test_tally_is_shown_soon_after_a_change_and_not_only_at_the_next_poll(harness: Harness) -> None:
    harness.reporter = reporter = RecordingReporter(clock=harness.clock)
    harness.vendor.poll_answers["red"] = [*[running()] * 12, success(FILM)]
    harness.run(job("red"))  # From now on the duration is known, so that the first poll comes late.
    reporter.shown.clear()
    began = harness.clock.time

    harness.run(job("blue"))

    first_poll = harness.vendor.times[harness.vendor.calls.index("get blue")]
    assert first_poll > began + 2
    assert any(at < began + 1 and tally.under_way and tally.credits for at, tally in reporter.shown)


def test_countdown_is_redrawn_each_second_where_a_person_sees_it(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [running()]
    harness.clock.later(60, lambda: harness.stop.request(ExitCode.INTERRUPTED))
    harness.reporter = reporter = RecordingReporter(clock=harness.clock, redraw_interval=1.0)

    harness.run(job("blue"))

    moments = [at for at, _ in reporter.shown]
    assert 55 < len(moments) < 90
    assert max(later - sooner for sooner, later in itertools.pairwise(moments[:-1])) <= 1


def test_run_that_nobody_watches_wakes_only_for_its_work(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [running()]
    harness.clock.later(600, lambda: harness.stop.request(ExitCode.INTERRUPTED))

    harness.run(job("blue"))

    # A poll is started in one turn, ends in another, and is shown in a third.
    assert harness.clock.turns < 4 * harness.vendor.calls.count("get blue") + 30
