"""After a stop nothing more is sent, and the calls under way are awaited."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from support.protection import fails_without

from engine.harness import USUAL, Harness, job, jobs
from engine.vendor import FILM, running, success
from pipeline.engine.calls import thread_pool
from pipeline.engine.reporter import Stop
from pipeline.errors import ExitCode
from pipeline.providers.base import Bought, CreateOutcome
from pipeline.purchases import WorkflowId

BLUE = job("blue")


def interrupt(harness: Harness) -> None:
    harness.stop.request(ExitCode.INTERRUPTED)


@fails_without(
    "pipeline.engine.coordinator:Coordinator._drain",
    "while not self.calls",
    swap=("not self.calls.is_empty", "False"),
)
def test_creates_under_way_are_awaited_and_nothing_new_is_sent(harness: Harness) -> None:
    harness.executor.held = {"send"}
    harness.clock.later(1, lambda: interrupt(harness))
    harness.clock.later(3, harness.let_go)

    ran = harness.run(*jobs(9), settings=replace(USUAL, concurrency=3))

    assert list(ran.statuses.values()) == ["submitted"] * 3 + ["pending"] * 6
    assert len(harness.vendor.creates) == 3
    assert not ran.codes


def test_hanging_create_is_awaited_for_seven_seconds_and_needs_attention_in_the_next_run(
    harness: Harness,
) -> None:
    harness.executor.held = {"send"}
    harness.clock.later(1, lambda: interrupt(harness))

    ran = harness.run(BLUE)

    assert harness.clock.time == pytest.approx(1008, abs=1)
    assert ran.lives(BLUE) == ["submitting"]
    assert ran.codes == {ExitCode.UNFINISHED}
    assert harness.run(BLUE).lives(BLUE) == ["attention"]


def test_stop_during_a_create_keeps_its_id(harness: Harness) -> None:
    def stopped() -> CreateOutcome:
        interrupt(harness)
        return Bought(WorkflowId("wf-late"))

    harness.vendor.create_outcomes["job-00"] = [stopped]

    ran = harness.run(*jobs(3), settings=replace(USUAL, concurrency=1))

    assert ran.bought(jobs(1)[0])[0].workflow_id == "wf-late"
    assert harness.vendor.creates == ["job-00"]


def test_job_that_was_only_prepared_leaves_no_trace(harness: Harness) -> None:
    harness.executor.held = {"prepare"}
    harness.clock.later(1, lambda: interrupt(harness))
    harness.clock.later(2, harness.let_go)

    ran = harness.run(*jobs(3))

    assert not ran.records.purchases
    assert not harness.vendor.creates


def test_stop_before_the_first_turn_does_nothing(harness: Harness) -> None:
    interrupt(harness)

    ran = harness.run(*jobs(3))

    assert not harness.vendor.calls
    assert not ran.records.purchases


def test_stop_while_workflows_run_leaves_them_to_the_next_run(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [running()]
    harness.clock.later(100, lambda: interrupt(harness))

    assert harness.run(BLUE).statuses == {"blue": "submitted"}
    harness.stop = Stop()
    harness.vendor.poll_answers["blue"] = [success(FILM)]
    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert harness.vendor.creates == ["blue"]


def test_first_stop_determines_the_exit_code() -> None:
    stop = Stop()

    stop.request(ExitCode.INTERRUPTED)
    stop.request(ExitCode.TERMINATED)

    assert stop.code is ExitCode.INTERRUPTED


def test_stop_awaits_concurrent_calls_in_threads(tmp_path: Path) -> None:
    """Real threads: both creates must be under way before either returns."""
    harness = Harness(tmp_path)
    both = threading.Barrier(2, timeout=10)

    def bought(workflow_id: str) -> CreateOutcome:
        both.wait()
        interrupt(harness)
        return Bought(WorkflowId(workflow_id))

    harness.vendor.create_outcomes["job-00"] = [lambda: bought("wf-a")]
    harness.vendor.create_outcomes["job-01"] = [lambda: bought("wf-b")]

    ran = harness.run(*jobs(5), settings=replace(USUAL, concurrency=2), threads=True)

    assert list(ran.statuses.values()) == ["submitted"] * 2 + ["pending"] * 3
    assert len(harness.vendor.creates) == 2


def test_leaving_the_thread_pool_does_not_wait_for_a_hanging_call() -> None:
    let_go = threading.Event()
    try:
        with thread_pool(1) as pool:
            hanging, queued = pool.submit(let_go.wait, 10), pool.submit(let_go.wait, 10)
        assert not hanging.done()
        assert queued.cancelled()
    finally:
        let_go.set()
