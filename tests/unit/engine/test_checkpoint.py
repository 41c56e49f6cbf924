"""With a checkpoint, nothing is sent of which other machines cannot know."""

import os
import shlex
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from support.processes import until
from support.protection import fails_without

from engine.harness import FakeCheckpoint, Harness, job, jobs
from engine.vendor import FILM, running, success
from pipeline.engine.calls import CallPool, SystemClock
from pipeline.engine.checkpoint import Checkpoint, NoPublication, WavePublisher
from pipeline.engine.reporter import RunReport
from pipeline.engine.run_settings import RunSettings
from pipeline.errors import ExitCode, Unfinished
from pipeline.jobs import Job
from pipeline.providers.base import AccountProblem, AccountRefused, NotSent
from pipeline.purchases import Purchase, PurchaseId, Status
from pipeline.state.store import Caps

BLUE = job("blue")


def failing_after(times: int) -> Callable[[], None]:
    left = list(range(times))

    def push() -> None:
        if not left:
            raise Unfinished("the push was refused")
        left.pop()

    return push


@fails_without(
    "pipeline.engine.create:Creator._on_durable",
    "if not self.publisher.has_checkpoint",
    swap=("not self.publisher.has_checkpoint", "True"),
)
@fails_without(
    "pipeline.engine.in_flight:InFlight.is_full",
    "return len(self._running",
    swap=("+ self._reserved ", ""),
)
def test_nothing_is_sent_before_the_whole_wave_is_published(harness: Harness) -> None:
    sent: list[int] = []

    ran = harness.run(
        *jobs(5),
        checkpoint=FakeCheckpoint(does=lambda: sent.append(len(harness.vendor.creates))),
        settings=RunSettings(in_flight=3, wait=False, concurrency=8),
    )

    assert set(ran.statuses.values()) == {"submitted"}
    assert [len(each) for each in harness.published[:2]] == [3, 5]
    assert list(harness.published[0].values()) == ["submitting"] * 3
    assert sent[0] == 0
    assert sent[1] <= 3


def test_every_purchase_stood_in_the_published_results_before_it_was_sent(harness: Harness) -> None:
    known: set[str] = set()
    harness.vendor.create_outcomes["job-02"] = [NotSent("refused"), NotSent("refused")]
    for each in jobs(7):
        harness.vendor.poll_answers[each.path] = [running(), running(), success(FILM)]

    ran = harness.run(
        *jobs(7),
        checkpoint=FakeCheckpoint(does=lambda: known.update(harness.published[-1])),
        settings=RunSettings(in_flight=2),
    )

    assert set(ran.statuses.values()) == {"done"}
    assert known == ran.records.purchases.keys()
    assert len(known) == len(harness.vendor.creates) == 9


@fails_without(
    "pipeline.engine.checkpoint:WavePublisher._published",
    "self._end(on_done, result if isinstance",
    swap=("result if isinstance(result, PipelineError) else None", "None"),
)
def test_a_wave_that_cannot_be_published_is_void_and_nothing_more_is_bought(harness: Harness) -> None:
    ran = harness.run(
        *jobs(5), checkpoint=FakeCheckpoint(does=failing_after(0)), settings=RunSettings(in_flight=2)
    )

    assert not harness.vendor.creates
    assert {each.status for each in ran.records.purchases.values()} == {"void"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert ran.report.notes == ["the push was refused; nothing more is bought"]


def test_what_is_in_flight_ends_when_a_later_wave_cannot_be_published(harness: Harness) -> None:
    for each in jobs(2):
        harness.vendor.poll_answers[each.path] = [running(), running(), success(FILM)]

    ran = harness.run(
        *jobs(5), checkpoint=FakeCheckpoint(does=failing_after(1)), settings=RunSettings(in_flight=2)
    )

    assert list(ran.statuses.values()) == ["done", "done", "pending", "pending", "pending"]
    assert len(harness.vendor.creates) == 2


@fails_without(
    "pipeline.engine.create:Creator.withdraw",
    "unsent = [*self._cleared",
    swap=("self._cleared, *self._intended", "self._cleared"),
)
@pytest.mark.parametrize("seconds", [1, 60])
def test_a_stop_while_a_wave_is_published_makes_it_void_however_long_that_takes(
    harness: Harness, seconds: float
) -> None:
    harness.executor.held = {"FakeCheckpoint"}
    harness.clock.later(1, lambda: harness.stop.request(ExitCode.INTERRUPTED))
    harness.clock.later(1 + seconds, harness.let_go)

    ran = harness.run(*jobs(3), checkpoint=FakeCheckpoint())

    assert not harness.vendor.creates
    assert [each.status for each in ran.records.purchases.values()] == ["void"] * 3


def test_a_wave_that_is_being_published_is_void_when_there_is_no_credit(harness: Harness) -> None:
    harness.vendor.create_outcomes["job-00"] = [AccountRefused(AccountProblem.CREDIT, "402")]

    ran = harness.run(*jobs(4), checkpoint=FakeCheckpoint(), settings=RunSettings(in_flight=1))

    assert harness.vendor.creates == ["job-00"]
    assert "submitting" not in {each.status for each in ran.records.purchases.values()}
    assert ran.codes == {ExitCode.STOPPED_BUYING}


def test_a_wave_whose_intents_cannot_be_written_to_the_results_is_void(harness: Harness) -> None:
    """The command would publish the old results, and succeed."""
    harness.results_cannot_be_written = True

    ran = harness.run(*jobs(3), checkpoint=FakeCheckpoint())

    assert not harness.vendor.creates
    assert [each.status for each in ran.records.purchases.values()] == ["void"] * 3
    assert ran.codes == {ExitCode.UNFINISHED}


def test_results_that_cannot_be_written_now_stop_no_run_that_publishes_nothing(harness: Harness) -> None:
    harness.results_cannot_be_written = True
    harness.vendor.poll_answers["blue"] = [lambda: running() if harness.clock.time < 1200 else success(FILM)]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert ran.report.notes == ["the results cannot be written"]


def test_results_are_published_now_and_then_while_a_run_waits(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [lambda: running() if harness.clock.time < 1200 else success(FILM)]
    pushes: list[float] = []

    harness.run(BLUE, checkpoint=FakeCheckpoint(does=lambda: pushes.append(harness.clock.time)))

    assert len(pushes) > 2
    assert all(later - earlier >= 29 for earlier, later in pairwise(pushes[1:]))


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_run_goes_on_while_its_results_are_written(harness: Harness, concurrency: int) -> None:
    harness.vendor.poll_answers["job-00"] = [
        lambda: running() if harness.clock.time < 1060 else success(FILM)
    ]
    harness.executor.held = {"write"}
    seen: list[list[str]] = []
    harness.clock.later(200, lambda: seen.append(harness.on_disk()))
    harness.clock.later(200, harness.let_go)

    ran = harness.run(*jobs(2), settings=RunSettings(concurrency=concurrency, in_flight=1))

    assert seen == [["done", "done"]]
    # The results show the moment at which writing them began.
    assert [list(each.values()) for each in harness.published] == [["submitted"]]
    assert set(ran.statuses.values()) == {"done"}


@fails_without("pipeline.engine.create:Creator._published", "if not self.publisher.has_checkpoint")
def test_an_intent_that_is_not_on_disk_yet_is_not_sent_when_results_were_written(harness: Harness) -> None:
    harness.executor.held, harness.executor.together = {"prepare", "write"}, True
    harness.clock.later(100, harness.let_go)

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert harness.vendor.creates == ["blue"]
    assert harness.published


@fails_without("pipeline.engine.checkpoint:WavePublisher._written", "publication.note()")
def test_a_wave_that_the_state_cannot_remember_as_published_is_void(harness: Harness) -> None:
    harness.results_cannot_be_noted = True

    ran = harness.run(*jobs(3), checkpoint=FakeCheckpoint())

    assert not harness.vendor.creates
    assert {each.status for each in ran.records.purchases.values()} == {"void"}
    assert ran.report.notes == ["the state takes nothing any more; nothing more is bought"]


@fails_without("pipeline.engine.runner:Runner.run", "self._publisher.end()")
def test_results_that_were_not_begun_before_the_end_of_a_run_are_not_written_after_it(
    harness: Harness,
) -> None:
    """They are older than the last results, which they would overwrite."""
    harness.executor.held = {"write"}
    harness.vendor.poll_answers["blue"] = [running() for _ in range(1000)]
    harness.clock.later(60, lambda: harness.stop.request(ExitCode.TERMINATED))
    harness.run(BLUE)

    harness.let_go()
    harness.executor.work()

    assert not harness.published


@fails_without("pipeline.engine.checkpoint:WavePublisher.end", "wait([self._writing])")
def test_results_that_are_being_written_at_the_end_of_a_run_are_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, goes_on = Event(), Event()
    written: list[str] = []

    class Slow(NoPublication):
        def write(self) -> None:
            begun.set()
            goes_on.wait(30)
            written.append("results")

    def waited_for(futures: "list[Future[None]]") -> None:
        goes_on.set()
        wait(futures)

    monkeypatch.setattr("pipeline.engine.checkpoint.wait", waited_for)
    with ThreadPoolExecutor(1) as pool:
        calls = CallPool(
            clock=SystemClock(),
            limit=1,
            rate=None,
            executor=pool,
            local_executor=pool,
            background_executor=pool,
        )
        publisher = WavePublisher(calls=calls, checkpoint=None, publication=Slow, report=RunReport())
        try:
            publisher.begin(lambda _: None)
            assert begun.wait(30)
            publisher.end()
            assert written
        finally:
            goes_on.set()


def bought_elsewhere(what: Job, **changed: Any) -> Purchase:
    purchase = Purchase(
        id=PurchaseId("f" * 16),
        key=what.key,
        fingerprint=what.fingerprint,
        status=Status.ATTENTION,
        bought_at="2026-01-01",
        template_id="overlay",
    )
    return replace(purchase, **changed)


# Purchases of other machines


@fails_without("pipeline.engine.create:Creator._judge", "self._yield_to_others()")
@fails_without("pipeline.engine.create:Creator._published", "self._read_other_machines()")
def test_what_another_machine_has_published_before_is_not_sent_and_all_else_is(harness: Harness) -> None:
    came_first = FakeCheckpoint(does=lambda: harness.others.append(bought_elsewhere(jobs(3)[1])))

    ran = harness.run(*jobs(3), checkpoint=came_first)

    assert sorted(harness.vendor.creates) == ["job-00", "job-02"]
    assert ran.statuses == {"job-00": "done", "job-01": "attention", "job-02": "done"}
    assert ran.lives(jobs(3)[1]) == ["attention", "void"]
    assert not ran.codes


def test_who_published_first_does_not_yield(harness: Harness) -> None:
    """What arrives after a wave was judged was published later, by a machine that has read of the wave."""
    came_later = iter([[], [bought_elsewhere(job("blue"))]])
    harness.executor.held = {"send"}
    harness.clock.later(100, harness.let_go)

    ran = harness.run(
        job("blue"), checkpoint=FakeCheckpoint(does=lambda: harness.others.extend(next(came_later, [])))
    )

    assert harness.vendor.creates == ["blue"]
    assert "done" in ran.lives(job("blue"))


def test_what_goes_again_is_given_up_where_another_machine_has_bought_it_meanwhile(harness: Harness) -> None:
    refused: list[float] = []

    def refuse() -> NotSent:
        refused.append(harness.clock.time)
        harness.others.append(bought_elsewhere(BLUE))
        return NotSent("refused")

    harness.vendor.create_outcomes["blue"] = [refuse]

    ran = harness.run(BLUE, checkpoint=FakeCheckpoint())

    assert harness.vendor.creates == ["blue"]
    assert "done" not in ran.lives(BLUE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        bought_elsewhere(job("something else")),
        bought_elsewhere(BLUE, status=Status.VOID),
        bought_elsewhere(BLUE, again=True),
    ],
    ids=["another job", "void", "to be bought again"],
)
def test_what_another_machine_bought_for_something_else_hinders_nothing(
    harness: Harness, elsewhere: Purchase
) -> None:
    harness.others.append(elsewhere)

    assert harness.run(BLUE, checkpoint=FakeCheckpoint()).statuses == {"blue": "done"}


@fails_without("pipeline.engine.create:Creator._write_intent", "if self.others.have_bought(")
@fails_without("pipeline.engine.create:Creator._published", "self._read_other_machines()")
def test_a_run_that_publishes_nothing_heeds_what_comes_into_its_results_too(harness: Harness) -> None:
    harness.vendor.poll_answers["job-00"] = [
        lambda: running() if harness.clock.time < 1200 else success(FILM)
    ]
    harness.others.append(bought_elsewhere(jobs(3)[1]))

    ran = harness.run(*jobs(3), settings=RunSettings(in_flight=1))

    assert harness.vendor.creates == ["job-00", "job-02"]
    assert ran.statuses == {"job-00": "done", "job-01": "attention", "job-02": "done"}
    assert not ran.codes


@fails_without("pipeline.engine.create:Creator._judge", "self._keep_the_budget()")
@fails_without("pipeline.engine.create:Creator._keep_the_budget", "self._close(f")
def test_of_a_wave_the_last_ones_are_given_up_until_the_budget_holds_with_what_others_bought(
    harness: Harness,
) -> None:
    came_first = FakeCheckpoint(
        does=lambda: harness.others.append(bought_elsewhere(job("theirs"), credits=25))
    )
    settings = RunSettings(in_flight=4, caps=Caps(budget=50))

    ran = harness.run(*jobs(6), checkpoint=came_first, settings=settings)

    assert list(ran.statuses.values()) == ["done", "done", *["pending"] * 4]
    assert harness.vendor.creates == ["job-00", "job-01"]
    assert ran.codes == {ExitCode.STOPPED_BUYING}
    why = "with what other machines bought, the budget would be exceeded"
    # Each job is told once, and the run why it stops.
    assert ran.report.notes == [f"{why}; nothing more is bought"]
    assert [each for each in ran.reporter.lines if "not bought" in each] == [
        f"job-03: not bought: {why}",
        f"job-02: not bought: {why}",
    ]


def test_what_others_bought_counts_before_an_intent_is_written_too(harness: Harness) -> None:
    came_first = FakeCheckpoint(
        does=lambda: harness.others.append(bought_elsewhere(job("theirs"), credits=25))
    )
    settings = RunSettings(in_flight=1, caps=Caps(budget=45))

    ran = harness.run(*jobs(4), checkpoint=came_first, settings=settings)

    assert list(ran.statuses.values()) == ["done", "done", "pending", "pending"]
    assert "void" not in ran.lives(jobs(4)[2])
    assert ran.codes == {ExitCode.STOPPED_BUYING}


def test_what_others_bought_without_a_budget_stops_nothing(harness: Harness) -> None:
    dear = bought_elsewhere(job("theirs"), credits=1_000_000)
    caps = Caps(max_credits=40, max_creates=4)

    ran = harness.run(
        *jobs(4),
        checkpoint=FakeCheckpoint(does=lambda: harness.others.append(dear)),
        settings=RunSettings(caps=caps),
    )

    assert set(ran.statuses.values()) == {"done"}


def test_where_the_first_of_a_template_is_anothers_the_next_one_goes_first(harness: Harness) -> None:
    harness.others.append(bought_elsewhere(jobs(3)[0]))

    ran = harness.run(*jobs(3), checkpoint=FakeCheckpoint(), settings=RunSettings(canary=True, in_flight=1))

    assert harness.vendor.creates[0] == "job-01"
    assert list(ran.statuses.values())[1:] == ["done", "done"]


def test_what_came_in_and_cannot_be_written_down_stops_the_buying(harness: Harness) -> None:
    came_first = FakeCheckpoint(does=lambda: harness.others.append(bought_elsewhere(job("theirs"))))
    harness.absorbs = False

    ran = harness.run(*jobs(2), checkpoint=came_first)

    assert not harness.vendor.creates
    assert set(ran.lives(jobs(2)[0])) == {"void"}
    assert ran.codes == {ExitCode.UNFINISHED}


@fails_without(
    "pipeline.engine.create:Creator.publish",
    "if not self.publisher.is_busy",
    swap=("not self.publisher.is_busy", "True"),
)
def test_the_results_are_left_alone_while_a_command_joins_into_them(harness: Harness) -> None:
    harness.executor.held = {"FakeCheckpoint"}
    harness.clock.later(100, harness.let_go)
    written: list[int] = []

    ran = harness.run(BLUE, checkpoint=FakeCheckpoint(does=lambda: written.append(len(harness.published))))

    assert ran.statuses == {"blue": "done"}
    assert written[0] == 1


def test_a_command_that_ends_well_has_published() -> None:
    Checkpoint("true")()


@fails_without("pipeline.engine.checkpoint:Checkpoint.__call__", "if code != 0")
def test_a_command_that_fails_is_told_with_its_last_line_made_harmless() -> None:
    with pytest.raises(
        Unfinished, match=r"^the checkpoint command failed with exit code 3: no \\x1b\[0m way \(see docs/"
    ):
        Checkpoint("echo first; printf 'no \\033[0m way'; exit 3")()


def test_why_a_command_cannot_be_started_is_told_in_words() -> None:
    with pytest.raises(
        Unfinished, match=r"^the checkpoint command cannot be started: Argument list too long$"
    ):
        Checkpoint(f"true {'x' * 1_000_000}")()


@fails_without("pipeline.engine.checkpoint:_Process.run", "_kill(process)")
def test_a_command_that_hangs_has_not_published_and_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.engine.checkpoint.TIMEOUT", 0.2)

    with pytest.raises(Unfinished, match=r"did not end within 0\.2 seconds$"):
        Checkpoint(f"sleep 3; touch {shlex.quote(str(tmp_path / 'late'))}")()
    assert not (tmp_path / "late").exists()


@fails_without("pipeline.engine.checkpoint:Checkpoint.end", "self._process.end()")
def test_a_command_that_still_runs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """Otherwise it would write results, or push, while the run writes its last ones."""
    started, late = tmp_path / "started", tmp_path / "late"
    checkpoint = Checkpoint(f"touch {shlex.quote(str(started))}; sh -c 'sleep 3; touch {late}'")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(checkpoint)
        until(started.exists, "the command to start")
        checkpoint.end()
        # Its whole output has been read, so no process is left that could write more.
        with pytest.raises(Unfinished, match="failed with exit code -9"):
            running.result()
    assert not late.exists()


@fails_without("pipeline.engine.checkpoint:_Process._start", "if self._is_ended")
def test_a_command_that_was_ended_does_not_begin_anew(tmp_path: Path) -> None:
    """It may just have joined other results, and be about to run again."""
    checkpoint = Checkpoint(counting(tmp_path, "exit 75"))
    checkpoint.end()

    with pytest.raises(Unfinished, match="was stopped"):
        checkpoint()

    assert not (tmp_path / "count").exists()


def test_a_command_has_a_session_of_its_own_so_that_no_interrupt_of_ours_cuts_it_in_two() -> None:
    ours = os.getsid(0)

    Checkpoint(f"{sys.executable} -c 'import os; assert os.getsid(0) != {ours}'")()


@fails_without(
    "pipeline.engine.checkpoint:Checkpoint.__call__",
    "given = {name: value",
    swap=("not in secrets", "not in ()"),
)
def test_the_vendors_key_is_no_concern_of_a_command_that_publishes() -> None:
    environment = {**os.environ, "VIMMERSE_API_KEY": "secret", "CAMPAIGN_PUSH_TOKEN": "needed"}
    checkpoint = Checkpoint(
        'test -z "${VIMMERSE_API_KEY+set}" && test "$CAMPAIGN_PUSH_TOKEN" = needed', environment=environment
    )

    checkpoint()

    assert "secret" not in repr(checkpoint)


@fails_without(
    "pipeline.engine.checkpoint:Checkpoint.__call__",
    "secrets = SECRETS",
    swap=("SECRETS | self.keys", "SECRETS"),
)
def test_the_key_of_another_provider_is_none_either() -> None:
    environment = {**os.environ, "ACME_API_KEY": "secret"}
    said = 'test -z "${ACME_API_KEY+set}"'

    Checkpoint(said, environment=environment, keys=frozenset({"ACME_API_KEY"}))()
    with pytest.raises(Unfinished):
        Checkpoint(said, environment=environment)()


def test_a_command_is_told_the_files_that_the_campaign_was_read_from(tmp_path: Path) -> None:
    names = ("campaigns/a b.yaml", "images/line\nbreak.png", "images/日本.png")

    Checkpoint(f'cp "$PIPELINE_INPUTS" {shlex.quote(str(tmp_path / "copy"))}', names)()

    assert (tmp_path / "copy").read_bytes() == b"".join(f"{name}\0".encode() for name in names)


def counting(tmp_path: Path, ends: str) -> str:
    """A command that counts its runs in a file, and ends as `ends` says for the count $n."""
    count = shlex.quote(str(tmp_path / "count"))
    return f"echo >>{count}; n=$(wc -l <{count}); {ends}"


def times(tmp_path: Path) -> int:
    return len((tmp_path / "count").read_text().splitlines())


@fails_without(
    "pipeline.engine.checkpoint:Checkpoint.__call__", "for _ in range", swap=("1 + MOST_JOINS", "1")
)
def test_a_command_that_has_joined_is_run_again(tmp_path: Path) -> None:
    Checkpoint(counting(tmp_path, "[ $n -eq 4 ] || exit 75"))()

    assert times(tmp_path) == 4


def test_a_command_that_joins_for_ever_has_not_published(tmp_path: Path) -> None:
    with pytest.raises(Unfinished, match=r"failed with exit code 75: others were first \(see docs"):
        Checkpoint(counting(tmp_path, "echo others were first; exit 75"))()

    assert times(tmp_path) == 4


def test_a_command_that_fails_is_not_run_again(tmp_path: Path) -> None:
    with pytest.raises(Unfinished, match=r"failed with exit code 1 \(see docs"):
        Checkpoint(counting(tmp_path, "exit 1"))()

    assert times(tmp_path) == 1
