"""What is approved while a run goes on is not bought again by that run."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.protection import fails_without

from engine.harness import USUAL, FakeCheckpoint, Harness, RunResult, job
from pipeline.errors import ExitCode
from pipeline.jobs import Job
from pipeline.purchases import Decisions, Purchase, PurchaseId, Status
from pipeline.state.store import Change

BLUE, RED = job("blue"), job("red")
EDITED = (job("blue", asks="a blue one"), job("red", asks="a red one"))
ONE_BY_ONE = replace(USUAL, in_flight=1)


def approved(*takes: tuple[Purchase, Job]) -> Decisions:
    return Decisions(approved={take.id: job.key for take, job in takes})


def decided_once(harness: Harness, when: Callable[[Change], bool], decisions: Decisions) -> None:
    """Let people decide once a change of this kind is on disk."""

    def decide(change: Change) -> None:
        if when(change):
            harness.decisions = decisions

    harness.on_change = decide


def has_succeeded(change: Change) -> bool:
    return change.after.status is Status.SUCCEEDED


def is_sent(change: Change) -> bool:
    return change.after.status is Status.SUBMITTED


def unreadable_once(harness: Harness, when: Callable[[Change], bool], times: int) -> None:
    """Let the decisions be unreadable that many times, once a change of this kind is on disk."""

    def damage(change: Change) -> None:
        if when(change):
            harness.unreadable_decisions = times

    harness.on_change = damage


def last(ran: RunResult, wanted: Job) -> Purchase:
    return ran.bought(wanted)[-1]


@fails_without("pipeline.engine.create:Creator.start_next", "if self._is_decided(create)")
def test_job_whose_take_is_approved_before_its_create_is_sent_is_not_bought(harness: Harness) -> None:
    before = harness.run(BLUE, RED)
    decided_once(harness, is_sent, approved((last(before, RED), RED)))

    ran = harness.run(*EDITED, settings=ONE_BY_ONE)

    assert harness.vendor.creates == ["blue", "red", "blue"]
    assert not ran.codes
    assert "red: not bought: a take of it was approved during this run" in ran.reporter.lines
    assert ran.report.notes == ["1 job not bought: a take of it was approved during this run"]
    assert harness.on_disk() == ["done", "done", "done", "void"]


def test_job_is_not_bought_if_its_take_is_approved_while_its_wave_is_published(harness: Harness) -> None:
    before = harness.run(BLUE, RED)

    def publish() -> None:
        harness.decisions = approved((last(before, RED), RED))

    ran = harness.run(*EDITED, checkpoint=FakeCheckpoint(does=publish))

    assert harness.vendor.creates == ["blue", "red", "blue"]
    assert not ran.codes
    assert harness.on_disk() == ["done", "done", "done", "void"]


def test_other_decisions_neither_stop_a_purchase_nor_cause_one(harness: Harness) -> None:
    before = harness.run(BLUE, RED)
    blue, red = last(before, BLUE).id, last(before, RED).id
    decided_once(harness, is_sent, Decisions(rejected=frozenset({red}), redo=frozenset({blue})))

    ran = harness.run(*EDITED, settings=ONE_BY_ONE)

    assert harness.vendor.creates == ["blue", "red", "blue", "red"]
    assert not ran.codes


def test_another_take_of_a_job_is_not_bought_once_one_is_approved(harness: Harness) -> None:
    first = job("blue")
    second = replace(first, coordinates=replace(first.coordinates, take=2), path="blue-2")
    second = replace(second, request=replace(second.request, take=2))

    def decide(change: Change) -> None:
        if has_succeeded(change):
            harness.decisions = approved((change.after, first))

    harness.on_change = decide
    ran = harness.run(first, second, settings=ONE_BY_ONE)

    assert len(harness.vendor.creates) == 1
    assert not ran.codes


def test_job_that_shares_its_purchase_with_an_approved_one_is_left_to_the_next_run(harness: Harness) -> None:
    before = harness.run(BLUE, RED)
    decided_once(harness, is_sent, approved((last(before, BLUE), BLUE)))
    first, *sharing = job("a"), job("blue", asks="the same"), job("red", asks="the same")

    ran = harness.run(first, *sharing, settings=ONE_BY_ONE)

    assert harness.vendor.creates == ["blue", "red", "a"]
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "run again" in ran.report.notes[0]


@fails_without("pipeline.engine.create:Creator._is_decided", "if self.decisions.is_outdated(")
@pytest.mark.parametrize("is_served", [True, False])
def test_nothing_is_made_from_a_take_once_another_one_is_approved(harness: Harness, is_served: bool) -> None:
    sketch, edited = job("a-sketch"), job("a-sketch", asks="in colour")
    film = job("film", upstream=sketch)
    before = harness.run(sketch, *([film] if is_served else []))
    decided_once(harness, is_sent, approved((last(before, sketch), sketch)))
    bought = len(harness.vendor.creates)

    ran = harness.run(edited, job("film", upstream=edited))

    assert harness.vendor.creates[bought:] == ["a-sketch"]
    assert ran.codes == (set() if is_served else {ExitCode.UNFINISHED})


def test_nothing_is_made_from_a_take_that_is_sent_back(harness: Harness) -> None:
    sketch = job("a-sketch")
    decided_once(harness, has_succeeded, Decisions(redo=frozenset({PurchaseId(f"{1:016x}")})))

    ran = harness.run(sketch, job("film", upstream=sketch))

    assert harness.vendor.creates == ["a-sketch"]
    assert ran.codes == {ExitCode.UNFINISHED}


@fails_without("pipeline.engine.create:Creator.start_next", "if not self._has_latest_decisions()")
def test_nothing_more_is_bought_once_the_decisions_cannot_be_read(harness: Harness) -> None:
    unreadable_once(harness, is_sent, times=1000)

    ran = harness.run(BLUE, RED, settings=ONE_BY_ONE)

    assert harness.vendor.creates == ["blue"]
    assert ran.codes == {ExitCode.INVALID}
    assert ran.report.notes[0].startswith("spring.decisions.yaml: not YAML; nothing more is bought")
    assert harness.on_disk() == ["done", "void"]


def test_wave_is_not_sent_if_the_decisions_cannot_be_read_after_its_publication(harness: Harness) -> None:
    def publish() -> None:
        harness.unreadable_decisions = 1000

    ran = harness.run(BLUE, RED, checkpoint=FakeCheckpoint(does=publish))

    assert harness.vendor.creates == []
    assert ran.codes == {ExitCode.INVALID}
    assert harness.on_disk() == ["void", "void"]


def test_decisions_that_are_being_written_are_read_a_moment_later(harness: Harness) -> None:
    before = harness.run(BLUE, RED)

    def damage(change: Change) -> None:
        if is_sent(change):
            harness.unreadable_decisions = 1
            harness.decisions = approved((last(before, RED), RED))

    harness.on_change = damage
    ran = harness.run(*EDITED, settings=ONE_BY_ONE)

    assert harness.vendor.creates == ["blue", "red", "blue"]
    assert not ran.codes
    assert harness.unreadable_decisions == 0
