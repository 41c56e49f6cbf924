"""A stop sends nothing more, and takes in what is in the air."""

import threading
from pathlib import Path

import pytest
from support.protection import fails_without

from engine.desk import Desk, job, jobs
from engine.vendor import FILM, running, success
from pipeline.engine.executors import hands
from pipeline.engine.reporter import RunSettings, Stop
from pipeline.errors import ExitCode
from pipeline.providers.base import Bought, CreateOutcome
from pipeline.purchases import WorkflowId

BLUE = job("blue")


def interrupt(desk: Desk) -> None:
    desk.stop.request(ExitCode.INTERRUPTED)


@fails_without(
    "pipeline.engine.runner:Run._drain",
    "while not self._at.calls",
    swap=("not self._at.calls.is_empty", "False"),
)
def test_creates_in_the_air_are_taken_in_and_nothing_new_is_sent(desk: Desk) -> None:
    desk.hands.held = {"submit"}
    desk.clock.later(1, lambda: interrupt(desk))
    desk.clock.later(3, desk.let_go)

    ran = desk.run(*jobs(9), settings=RunSettings(concurrency=3))

    assert list(ran.statuses.values()) == ["submitted"] * 3 + ["pending"] * 6
    assert len(desk.vendor.creates) == 3
    assert not ran.codes


def test_a_call_that_hangs_is_waited_for_seven_seconds_and_is_attention_to_the_next_run(desk: Desk) -> None:
    desk.hands.held = {"submit"}
    desk.clock.later(1, lambda: interrupt(desk))

    ran = desk.run(BLUE)

    assert desk.clock.time == pytest.approx(1008, abs=1)
    assert ran.lives(BLUE) == ["submitting"]
    assert ran.codes == {ExitCode.UNFINISHED}
    assert desk.run(BLUE).lives(BLUE) == ["attention"]


def test_a_stop_within_a_create_still_keeps_its_id(desk: Desk) -> None:
    def stopped() -> CreateOutcome:
        interrupt(desk)
        return Bought(WorkflowId("wf-late"))

    desk.vendor.creating["job-00"] = [stopped]

    ran = desk.run(*jobs(3), settings=RunSettings(concurrency=1))

    assert ran.bought(jobs(1)[0])[0].workflow_id == "wf-late"
    assert desk.vendor.creates == ["job-00"]


def test_what_was_only_prepared_leaves_no_trace(desk: Desk) -> None:
    desk.hands.held = {"prepare"}
    desk.clock.later(1, lambda: interrupt(desk))
    desk.clock.later(2, desk.let_go)

    ran = desk.run(*jobs(3))

    assert not ran.records.purchases
    assert not desk.vendor.creates


def test_a_stop_before_the_first_turn_does_nothing(desk: Desk) -> None:
    interrupt(desk)

    ran = desk.run(*jobs(3))

    assert not desk.vendor.calls
    assert not ran.records.purchases


def test_a_stop_while_workflows_run_leaves_them_to_the_next_run(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [running()]
    desk.clock.later(100, lambda: interrupt(desk))

    assert desk.run(BLUE).statuses == {"blue": "submitted"}
    desk.stop = Stop()
    desk.vendor.telling["blue"] = [success(FILM)]
    assert desk.run(BLUE).statuses == {"blue": "done"}
    assert desk.vendor.creates == ["blue"]


def test_the_first_stop_names_the_exit_code() -> None:
    stop = Stop()

    stop.request(ExitCode.INTERRUPTED)
    stop.request(ExitCode.TERMINATED)

    assert stop.code is ExitCode.INTERRUPTED


def test_with_threads_calls_are_in_the_air_at_once_and_a_stop_takes_them_in(tmp_path: Path) -> None:
    """Real threads: both creates must be in there before either returns."""
    desk = Desk(tmp_path)
    both = threading.Barrier(2, timeout=10)

    def bought(workflow_id: str) -> CreateOutcome:
        both.wait()
        interrupt(desk)
        return Bought(WorkflowId(workflow_id))

    desk.vendor.creating["job-00"] = [lambda: bought("wf-a")]
    desk.vendor.creating["job-01"] = [lambda: bought("wf-b")]

    ran = desk.run(*jobs(5), settings=RunSettings(concurrency=2), threads=True)

    assert list(ran.statuses.values()) == ["submitted"] * 2 + ["pending"] * 3
    assert len(desk.vendor.creates) == 2


def test_leaving_the_hands_does_not_wait_for_a_call_that_hangs() -> None:
    let_go = threading.Event()
    try:
        with hands(1) as pool:
            hanging, queued = pool.submit(let_go.wait, 10), pool.submit(let_go.wait, 10)
        assert not hanging.done()
        assert queued.cancelled()
    finally:
        let_go.set()
