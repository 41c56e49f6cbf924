"""Signals: an orderly stop saves everything; a second Ctrl-C is immediate and just as safe."""

import signal
from collections.abc import Callable

import pytest
from support.calling import Pipeline
from support.campaigns import Project
from support.checks import assert_nothing_bought_twice, assert_nothing_forgotten, assert_valid
from support.processes import Running, until
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator
from pipeline.json_values import Json

Start = Callable[..., Running]
STILL_RUNNING: Json = {"on": "get", "do": {"patch": {"processing_status": "processing"}}}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_signal_ends_the_run_with_everything_saved(
    project: Project, start: Start, pipeline: Pipeline, vendor: Emulator, number: signal.Signals, code: int
) -> None:
    vendor.fail(STILL_RUNNING)
    run = start("run", project.manifest)
    run.hear("bought as")
    run.hear("bought as")

    run.signal(number)
    ended = run.ended()

    assert ended.code == code, ended.output
    assert "run again" in ended.out
    assert set(project.statuses().values()) == {"submitted"}
    assert_valid(project.results(), "results")
    vendor.clear_faults()
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


def test_interrupted_replace_advises_rerun_without_replace(
    project: Project, start: Start, pipeline: Pipeline, vendor: Emulator
) -> None:
    """With the flag, the next run would replace again what was just replaced."""
    assert pipeline("run", project.manifest).code == 0
    vendor.fail(STILL_RUNNING)
    run = start("run", project.manifest, "--replace", "**/walk")
    run.hear("bought as")

    run.signal(signal.SIGTERM)

    assert "run again, without --replace, to continue" in run.ended().out
    vendor.clear_faults()
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 3


def test_creates_under_way_are_awaited_and_nothing_more_is_sent(
    project: Project, start: Start, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "nth": 1, "do": {"stall": 600}})
    run = start("run", project.manifest, "--concurrency", "1")
    until(lambda: len(vendor.ledger.entries) == 1, "the create to arrive")

    run.signal(signal.SIGTERM)
    run.hear("waiting for the requests in flight")
    vendor.clear_faults()
    ended = run.ended()

    assert ended.code == 143, ended.output
    assert len(vendor.ledger.entries) == 1
    assert sorted(project.statuses().values()) == ["pending", "submitted"]
    assert_nothing_forgotten(project, vendor)


@fails_without(
    "pipeline.cli.signals:stopping.ask",
    "if number == signal.SIGINT and number in received",
    swap=("number in received", "received"),
)
def test_either_of_two_simultaneous_signals_may_be_handled_first(
    project: Project, start: Start, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "nth": 1, "do": {"stall": 600}})
    run = start("run", project.manifest, "--concurrency", "1")
    until(lambda: len(vendor.ledger.entries) == 1, "the create to arrive")

    run.signal(signal.SIGTERM)
    run.hear("waiting for the requests in flight")
    run.signal(signal.SIGINT)
    vendor.clear_faults()
    ended = run.ended()

    assert ended.code == 130, ended.output
    assert "run again" in ended.out
    assert sorted(project.statuses().values()) == ["pending", "submitted"]
    assert_nothing_forgotten(project, vendor)


def test_second_interrupt_is_immediate_and_loses_nothing(
    project: Project, start: Start, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "do": {"stall": 600}})
    run = start("run", project.manifest)
    until(lambda: len(vendor.ledger.entries) == 2, "both creates to arrive")

    run.signal(signal.SIGINT)
    run.signal(signal.SIGINT)

    def is_over() -> bool:
        # The kernel merges two pending signals of one kind, so it is sent until it is handled.
        run.signal(signal.SIGINT)
        return run.process.poll() is not None

    until(is_over, "the end")
    vendor.clear_faults()

    ended = run.ended()
    assert ended.code == 130
    assert "run again" not in ended.output  # an orderly end would say so
    assert pipeline("run", project.manifest).code == 7
    assert len(vendor.ledger.entries) == 2
    assert_nothing_forgotten(project, vendor)


def test_sigterm_after_an_interrupt_does_not_count_as_a_second_interrupt(
    project: Project, start: Start, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "do": {"stall": 600}})
    run = start("run", project.manifest)
    until(lambda: len(vendor.ledger.entries) == 2, "both creates to arrive")

    run.signal(signal.SIGINT)
    run.signal(signal.SIGTERM)
    vendor.clear_faults()
    ended = run.ended()

    assert ended.code in (130, 143), ended.output
    assert set(project.statuses().values()) == {"submitted"}
    assert_nothing_bought_twice(vendor)
