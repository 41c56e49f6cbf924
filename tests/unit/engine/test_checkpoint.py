"""With a checkpoint, nothing is sent that other machines cannot know about."""

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

from engine.harness import USUAL, FakeCheckpoint, Harness, job, jobs
from engine.vendor import FILM, running, success
from pipeline.engine.calls import CallPool, SystemClock
from pipeline.engine.checkpoint import Checkpoint, NoPublication, WavePublisher
from pipeline.engine.reporter import RunReport
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
        settings=replace(USUAL, in_flight=3, wait=False, concurrency=8),
    )

    assert set(ran.statuses.values()) == {"submitted"}
    assert [len(each) for each in harness.published[:2]] == [3, 5]
    assert list(harness.published[0].values()) == ["submitting"] * 3
    assert sent[0] == 0
    assert sent[1] <= 3


def test_every_purchase_is_published_before_it_is_sent(harness: Harness) -> None:
    known: set[str] = set()
    harness.vendor.create_outcomes["job-02"] = [NotSent("refused"), NotSent("refused")]
    for each in jobs(7):
        harness.vendor.poll_answers[each.path] = [running(), running(), success(FILM)]

    ran = harness.run(
        *jobs(7),
        checkpoint=FakeCheckpoint(does=lambda: known.update(harness.published[-1])),
        settings=replace(USUAL, in_flight=2),
    )

    assert set(ran.statuses.values()) == {"done"}
    assert known == ran.records.purchases.keys()
    assert len(known) == len(harness.vendor.creates) == 9


@fails_without(
    "pipeline.engine.checkpoint:WavePublisher._checkpoint_ended",
    "self._end(on_done, result if isinstance",
    swap=("result if isinstance(result, PipelineError) else None", "None"),
)
def test_unpublishable_wave_is_void_and_buying_stops(harness: Harness) -> None:
    ran = harness.run(
        *jobs(5), checkpoint=FakeCheckpoint(does=failing_after(0)), settings=replace(USUAL, in_flight=2)
    )

    assert not harness.vendor.creates
    assert {each.status for each in ran.records.purchases.values()} == {"void"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert ran.report.notes == ["the push was refused; nothing more is bought"]


def test_workflows_in_flight_complete_if_a_later_wave_cannot_be_published(harness: Harness) -> None:
    for each in jobs(2):
        harness.vendor.poll_answers[each.path] = [running(), running(), success(FILM)]

    ran = harness.run(
        *jobs(5), checkpoint=FakeCheckpoint(does=failing_after(1)), settings=replace(USUAL, in_flight=2)
    )

    assert list(ran.statuses.values()) == ["done", "done", "pending", "pending", "pending"]
    assert len(harness.vendor.creates) == 2


@fails_without(
    "pipeline.engine.create:Creator.withdraw",
    "unsent = [*self._cleared",
    swap=("self._cleared, *self._intended", "self._cleared"),
)
@pytest.mark.parametrize("seconds", [1, 60])
def test_stop_while_publishing_voids_the_wave_however_long_it_takes(harness: Harness, seconds: float) -> None:
    harness.executor.held = {"FakeCheckpoint"}
    harness.clock.later(1, lambda: harness.stop.request(ExitCode.INTERRUPTED))
    harness.clock.later(1 + seconds, harness.let_go)

    ran = harness.run(*jobs(3), checkpoint=FakeCheckpoint())

    assert not harness.vendor.creates
    assert [each.status for each in ran.records.purchases.values()] == ["void"] * 3


def test_wave_being_published_is_void_if_credit_runs_out(harness: Harness) -> None:
    harness.vendor.create_outcomes["job-00"] = [AccountRefused(AccountProblem.CREDIT, "402")]

    ran = harness.run(*jobs(4), checkpoint=FakeCheckpoint(), settings=replace(USUAL, in_flight=1))

    assert harness.vendor.creates == ["job-00"]
    assert "submitting" not in {each.status for each in ran.records.purchases.values()}
    assert ran.codes == {ExitCode.STOPPED_BUYING}


def test_wave_whose_intents_cannot_be_written_to_the_results_is_void(harness: Harness) -> None:
    """The command would publish the old results, and succeed."""
    harness.results_cannot_be_written = True

    ran = harness.run(*jobs(3), checkpoint=FakeCheckpoint())

    assert not harness.vendor.creates
    assert [each.status for each in ran.records.purchases.values()] == ["void"] * 3
    assert ran.codes == {ExitCode.UNFINISHED}


def test_unwritable_results_do_not_stop_a_run_without_checkpoint(harness: Harness) -> None:
    harness.results_cannot_be_written = True
    harness.vendor.poll_answers["blue"] = [lambda: running() if harness.clock.time < 1200 else success(FILM)]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert ran.report.notes == ["the results cannot be written"]


def test_results_are_published_periodically_while_a_run_waits(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [lambda: running() if harness.clock.time < 1200 else success(FILM)]
    pushes: list[float] = []

    harness.run(BLUE, checkpoint=FakeCheckpoint(does=lambda: pushes.append(harness.clock.time)))

    assert len(pushes) > 2
    assert all(later - earlier >= 29 for earlier, later in pairwise(pushes[1:]))


@pytest.mark.parametrize("concurrency", [1, 8])
def test_run_continues_while_results_are_written(harness: Harness, concurrency: int) -> None:
    harness.vendor.poll_answers["job-00"] = [
        lambda: running() if harness.clock.time < 1060 else success(FILM)
    ]
    harness.executor.held = {"write"}
    seen: list[list[str]] = []
    harness.clock.later(200, lambda: seen.append(harness.on_disk()))
    harness.clock.later(200, harness.let_go)

    ran = harness.run(*jobs(2), settings=replace(USUAL, concurrency=concurrency, in_flight=1))

    assert seen == [["done", "done"]]
    # The results show the moment at which writing them began.
    assert [list(each.values()) for each in harness.published] == [["submitted"]]
    assert set(ran.statuses.values()) == {"done"}


@fails_without("pipeline.engine.create:Creator._after_publication", "if not self.publisher.has_checkpoint")
def test_intent_not_yet_on_disk_when_results_were_written_is_not_sent(harness: Harness) -> None:
    harness.executor.held, harness.executor.together = {"prepare", "write"}, True
    harness.clock.later(100, harness.let_go)

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert harness.vendor.creates == ["blue"]
    assert harness.published


@fails_without("pipeline.engine.checkpoint:WavePublisher._written", "publication.note()")
def test_wave_is_void_if_the_state_cannot_record_its_publication(harness: Harness) -> None:
    harness.results_cannot_be_noted = True

    ran = harness.run(*jobs(3), checkpoint=FakeCheckpoint())

    assert not harness.vendor.creates
    assert {each.status for each in ran.records.purchases.values()} == {"void"}
    assert ran.report.notes == ["the state takes nothing any more; nothing more is bought"]


@fails_without("pipeline.engine.runner:Runner.run", "self._publisher.end()")
def test_results_not_started_before_the_end_of_a_run_are_not_written_after_it(
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
def test_results_being_written_at_the_end_of_a_run_are_awaited(
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


@fails_without("pipeline.engine.create:Creator._void_unsendable", "self._yield_to_others()")
@fails_without("pipeline.engine.create:Creator._after_publication", "self._read_other_machines()")
def test_only_purchases_published_earlier_by_another_machine_are_skipped(harness: Harness) -> None:
    came_first = FakeCheckpoint(does=lambda: harness.others.append(bought_elsewhere(jobs(3)[1])))

    ran = harness.run(*jobs(3), checkpoint=came_first)

    assert sorted(harness.vendor.creates) == ["job-00", "job-02"]
    assert ran.statuses == {"job-00": "done", "job-01": "attention", "job-02": "done"}
    assert ran.lives(jobs(3)[1]) == ["attention", "void"]
    assert not ran.codes


def test_first_publisher_does_not_yield(harness: Harness) -> None:
    """Results that arrive after a wave was checked were published later, by a machine that knew the wave."""
    came_later = iter([[], [bought_elsewhere(job("blue"))]])
    harness.executor.held = {"send"}
    harness.clock.later(100, harness.let_go)

    ran = harness.run(
        job("blue"), checkpoint=FakeCheckpoint(does=lambda: harness.others.extend(next(came_later, [])))
    )

    assert harness.vendor.creates == ["blue"]
    assert "done" in ran.lives(job("blue"))


def test_retry_is_dropped_if_another_machine_has_bought_it_meanwhile(harness: Harness) -> None:
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
def test_unrelated_purchase_of_another_machine_changes_nothing(harness: Harness, elsewhere: Purchase) -> None:
    harness.others.append(elsewhere)

    assert harness.run(BLUE, checkpoint=FakeCheckpoint()).statuses == {"blue": "done"}


@fails_without("pipeline.engine.create:Creator._write_intent", "if self.others.have_bought(")
@fails_without("pipeline.engine.create:Creator._after_publication", "self._read_other_machines()")
def test_run_without_checkpoint_respects_incoming_results_too(harness: Harness) -> None:
    harness.vendor.poll_answers["job-00"] = [
        lambda: running() if harness.clock.time < 1200 else success(FILM)
    ]
    harness.others.append(bought_elsewhere(jobs(3)[1]))

    ran = harness.run(*jobs(3), settings=replace(USUAL, in_flight=1))

    assert harness.vendor.creates == ["job-00", "job-02"]
    assert ran.statuses == {"job-00": "done", "job-01": "attention", "job-02": "done"}
    assert not ran.codes


@fails_without("pipeline.engine.create:Creator._void_unsendable", "self._keep_the_budget()")
@fails_without("pipeline.engine.create:Creator._keep_the_budget", "self._close(f")
def test_last_jobs_of_a_wave_are_dropped_until_the_budget_covers_purchases_of_others(
    harness: Harness,
) -> None:
    came_first = FakeCheckpoint(
        does=lambda: harness.others.append(bought_elsewhere(job("theirs"), credits=25))
    )
    settings = replace(USUAL, in_flight=4, caps=Caps(budget=50))

    ran = harness.run(*jobs(6), checkpoint=came_first, settings=settings)

    assert list(ran.statuses.values()) == ["done", "done", *["pending"] * 4]
    assert harness.vendor.creates == ["job-00", "job-01"]
    assert ran.codes == {ExitCode.STOPPED_BUYING}
    why = "with what other machines bought, the budget would be exceeded"
    # Each job is reported once, and the run says why it stops.
    assert ran.report.notes == [f"{why}; nothing more is bought"]
    assert [each for each in ran.reporter.lines if "not bought" in each] == [
        f"job-03: not bought: {why}",
        f"job-02: not bought: {why}",
    ]


def test_purchases_of_others_count_before_an_intent_is_written(harness: Harness) -> None:
    came_first = FakeCheckpoint(
        does=lambda: harness.others.append(bought_elsewhere(job("theirs"), credits=25))
    )
    settings = replace(USUAL, in_flight=1, caps=Caps(budget=45))

    ran = harness.run(*jobs(4), checkpoint=came_first, settings=settings)

    assert list(ran.statuses.values()) == ["done", "done", "pending", "pending"]
    assert "void" not in ran.lives(jobs(4)[2])
    assert ran.codes == {ExitCode.STOPPED_BUYING}


@pytest.mark.parametrize(("price", "bought"), [(25, 2), (None, 0)])
def test_purchases_of_others_without_a_price_count_at_the_price_of_today(
    harness: Harness, price: int | None, bought: int
) -> None:
    """If not even that is known, they may have cost any amount."""
    came_first = FakeCheckpoint(does=lambda: harness.others.append(bought_elsewhere(job("theirs"))))
    settings = replace(USUAL, in_flight=4, caps=Caps(budget=50, price_of=lambda _purchase: price))

    ran = harness.run(*jobs(6), checkpoint=came_first, settings=settings)

    assert len(harness.vendor.creates) == bought
    assert ran.codes == {ExitCode.STOPPED_BUYING}


def test_purchases_of_others_stop_nothing_without_a_budget(harness: Harness) -> None:
    dear = bought_elsewhere(job("theirs"), credits=1_000_000)
    caps = Caps(max_credits=40, max_creates=4)

    ran = harness.run(
        *jobs(4),
        checkpoint=FakeCheckpoint(does=lambda: harness.others.append(dear)),
        settings=replace(USUAL, caps=caps),
    )

    assert set(ran.statuses.values()) == {"done"}


def test_next_job_is_the_canary_if_another_machine_bought_the_first(harness: Harness) -> None:
    harness.others.append(bought_elsewhere(jobs(3)[0]))

    ran = harness.run(
        *jobs(3), checkpoint=FakeCheckpoint(), settings=replace(USUAL, canary=True, in_flight=1)
    )

    assert harness.vendor.creates[0] == "job-01"
    assert list(ran.statuses.values())[1:] == ["done", "done"]


def test_buying_stops_if_incoming_purchases_cannot_be_recorded(harness: Harness) -> None:
    came_first = FakeCheckpoint(does=lambda: harness.others.append(bought_elsewhere(job("theirs"))))
    harness.absorbs = False

    ran = harness.run(*jobs(2), checkpoint=came_first)

    assert not harness.vendor.creates
    assert set(ran.lives(jobs(2)[0])) == {"void"}
    assert ran.codes == {ExitCode.UNFINISHED}


@fails_without(
    "pipeline.engine.create:Creator.publish_results",
    "if not self.publisher.is_busy",
    swap=("not self.publisher.is_busy", "True"),
)
def test_results_are_not_written_while_a_command_merges_them(harness: Harness) -> None:
    harness.executor.held = {"FakeCheckpoint"}
    harness.clock.later(100, harness.let_go)
    written: list[int] = []

    ran = harness.run(BLUE, checkpoint=FakeCheckpoint(does=lambda: written.append(len(harness.published))))

    assert ran.statuses == {"blue": "done"}
    assert written[0] == 1


def test_successful_command_has_published() -> None:
    Checkpoint("true")()


@fails_without("pipeline.engine.checkpoint:Checkpoint.__call__", "if code != 0")
def test_failed_command_is_reported_with_its_sanitised_last_line() -> None:
    with pytest.raises(
        Unfinished, match=r"^the checkpoint command failed with exit code 3: no \\x1b\[0m way \(see docs/"
    ):
        Checkpoint("echo first; printf 'no \\033[0m way'; exit 3")()


def test_reason_why_a_command_cannot_start_is_reported() -> None:
    with pytest.raises(
        Unfinished, match=r"^the checkpoint command cannot be started: Argument list too long$"
    ):
        Checkpoint(f"true {'x' * 1_000_000}")()


@fails_without("pipeline.engine.checkpoint:_Process.run", "_kill(process)")
def test_hanging_command_is_killed_and_has_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.engine.checkpoint.TIMEOUT", 0.2)

    with pytest.raises(Unfinished, match=r"did not end within 0\.2 seconds$"):
        Checkpoint(f"sleep 3; touch {shlex.quote(str(tmp_path / 'late'))}")()
    assert not (tmp_path / "late").exists()


@fails_without("pipeline.engine.checkpoint:Checkpoint.end", "self._process.end()")
def test_running_command_is_killed_with_all_its_children(tmp_path: Path) -> None:
    """Otherwise it would write results, or push, while the run writes its last ones."""
    started, late = tmp_path / "started", tmp_path / "late"
    checkpoint = Checkpoint(f"touch {shlex.quote(str(started))}; sh -c 'sleep 3; touch {late}'")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(checkpoint)
        until(started.exists, "the command to start")
        checkpoint.end()
        # Its output has been read to the end, so no process is left that could write more.
        with pytest.raises(Unfinished, match="failed with exit code -9"):
            running.result()
    assert not late.exists()


@fails_without("pipeline.engine.checkpoint:_Process._start", "if self._is_ended")
def test_killed_command_is_not_restarted(tmp_path: Path) -> None:
    """It may just have merged other results and be about to run again."""
    checkpoint = Checkpoint(counting(tmp_path, "exit 75"))
    checkpoint.end()

    with pytest.raises(Unfinished, match="was stopped"):
        checkpoint()

    assert not (tmp_path / "count").exists()


def test_command_runs_in_its_own_session_so_that_ctrl_c_does_not_interrupt_it() -> None:
    ours = os.getsid(0)

    Checkpoint(f"{sys.executable} -c 'import os; assert os.getsid(0) != {ours}'")()


@fails_without(
    "pipeline.engine.checkpoint:Checkpoint.__call__",
    "given = {name: value",
    swap=("not in secrets", "not in ()"),
)
def test_publishing_command_does_not_get_the_vendor_key() -> None:
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
def test_publishing_command_does_not_get_the_key_of_another_provider() -> None:
    environment = {**os.environ, "ACME_API_KEY": "secret"}
    said = 'test -z "${ACME_API_KEY+set}"'

    Checkpoint(said, environment=environment, keys=frozenset({"ACME_API_KEY"}))()
    with pytest.raises(Unfinished):
        Checkpoint(said, environment=environment)()


def test_command_gets_the_input_files_of_the_campaign(tmp_path: Path) -> None:
    names = ("campaigns/a b.yaml", "images/line\nbreak.png", "images/日本.png")

    Checkpoint(f'cp "$PIPELINE_INPUTS" {shlex.quote(str(tmp_path / "copy"))}', names)()

    assert (tmp_path / "copy").read_bytes() == b"".join(f"{name}\0".encode() for name in names)


def counting(tmp_path: Path, ends: str) -> str:
    """A command that counts its runs in a file, and ends as `ends` says for count $n."""
    count = shlex.quote(str(tmp_path / "count"))
    return f"echo >>{count}; n=$(wc -l <{count}); {ends}"


def times(tmp_path: Path) -> int:
    return len((tmp_path / "count").read_text().splitlines())


@fails_without(
    "pipeline.engine.checkpoint:Checkpoint.__call__", "for _ in range", swap=("1 + MAX_JOINS", "1")
)
def test_command_is_rerun_after_a_merge(tmp_path: Path) -> None:
    Checkpoint(counting(tmp_path, "[ $n -eq 4 ] || exit 75"))()

    assert times(tmp_path) == 4


def test_command_that_merges_forever_has_not_published(tmp_path: Path) -> None:
    with pytest.raises(Unfinished, match=r"failed with exit code 75: others were first \(see docs"):
        Checkpoint(counting(tmp_path, "echo others were first; exit 75"))()

    assert times(tmp_path) == 4


def test_failed_command_is_not_rerun(tmp_path: Path) -> None:
    with pytest.raises(Unfinished, match=r"failed with exit code 1 \(see docs"):
        Checkpoint(counting(tmp_path, "exit 1"))()

    assert times(tmp_path) == 1
