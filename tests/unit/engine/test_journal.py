"""Nothing follows a step before it is on disk, and a workflow id that reached us is not lost."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from support.protection import fails_without

from engine.harness import USUAL, Harness, job, jobs
from engine.vendor import FILM, running, success
from pipeline.errors import AccountError, ExitCode
from pipeline.providers.base import DownloadFailed, Media, Workflow
from pipeline.state.events import Accepted, Fetched, Finished, PartlyFetched
from pipeline.state.store import Change

BLUE, RED = job("blue"), job("red")
WITHOUT_WAIT = replace(USUAL, wait=False)


def holds(kind: type, *names: str) -> Callable[[Sequence[Change]], bool]:
    """Whether a transaction contains such an event of one of these jobs (or of any job)."""
    return lambda changes: any(
        isinstance(each.event, kind) and (not names or each.after.path in names) for each in changes
    )


def once(fails: Callable[[Sequence[Change]], bool]) -> Callable[[Sequence[Change]], bool]:
    left = [True]
    return lambda changes: fails(changes) and bool(left and left.pop())


@fails_without(
    "pipeline.engine.journal:Journal._commit",
    "written = self._store.commit_turn",
    swap=(
        "self._store.commit_turn(turn, self._caps)",
        "[Change(before=None, after=each.purchase, at=each.at) for each in turn.intents]",
    ),
)
def test_create_is_sent_only_after_its_intent_is_on_disk(harness: Harness) -> None:
    seen: list[list[str]] = []
    for each in jobs(3):
        harness.vendor.create_outcomes[each.path] = [lambda: seen.append(harness.on_disk())]

    harness.run(*jobs(3), settings=replace(USUAL, concurrency=1, wait=False))

    assert seen == [["submitting"], ["submitted", "submitting"], ["submitted", "submitted", "submitting"]]


@fails_without(
    "pipeline.engine.journal:Journal._commit",
    "written = self._store.commit_turn",
    swap=("commit_turn(turn, self._caps)", "commit_turn(Turn(intents=turn.intents), self._caps)"),
)
def test_workflow_is_polled_and_downloaded_only_after_its_id_is_on_disk(harness: Harness) -> None:
    seen: list[list[str]] = []

    def answer() -> Workflow:
        seen.append(harness.on_disk())
        return success(FILM)

    def sent() -> bytes:
        seen.append(harness.on_disk())
        return b"film"

    harness.vendor.poll_answers["blue"] = [answer]
    harness.vendor.contents[FILM.url] = [sent]

    harness.run(BLUE)

    assert seen == [["submitted"], ["succeeded"]]


def test_workflow_id_that_fails_to_be_written_in_a_batch_is_written_alone(harness: Harness) -> None:
    harness.disk_is_full = once(holds(Accepted))

    ran = harness.run(BLUE, RED, settings=replace(USUAL, concurrency=1))

    assert ran.statuses == {"blue": "submitted", "red": "pending"}
    assert ran.codes == {ExitCode.UNFINISHED}
    harness.disk_is_full = lambda changes: False
    assert harness.run(BLUE, RED).statuses == {"blue": "done", "red": "done"}
    assert harness.vendor.creates == ["blue", "red"]


@fails_without("pipeline.engine.journal:Journal._save", "self._store.rescue(change")
def test_unwritable_workflow_id_is_rescued_and_reported_and_used_by_the_next_run(
    harness: Harness,
) -> None:
    harness.disk_is_full = holds(Accepted)

    ran = harness.run(*jobs(4), settings=replace(USUAL, concurrency=1))

    assert harness.vendor.creates == ["job-00"]
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "bought as workflow wf-1" in ran.reporter.warnings[0]
    harness.disk_is_full = lambda changes: False
    assert set(harness.run(*jobs(4)).statuses.values()) == {"done"}
    assert harness.vendor.creates == [each.path for each in jobs(4)]


def test_all_ids_of_creates_under_way_are_kept_on_a_full_disk(harness: Harness) -> None:
    harness.executor.together = True
    harness.executor.held = {"send"}
    harness.clock.later(1, harness.let_go)
    harness.disk_is_full = holds(Accepted)

    harness.run(*jobs(4))

    harness.disk_is_full = lambda changes: False
    ran = harness.run(*jobs(4))
    assert set(ran.statuses.values()) == {"done"}
    assert len(harness.vendor.creates) == 4


@pytest.mark.parametrize("kind", [Finished, Fetched])
def test_other_unwritable_changes_are_recovered_from_the_vendor(harness: Harness, kind: type) -> None:
    harness.disk_is_full = holds(kind)

    ran = harness.run(BLUE)

    assert ran.codes == {ExitCode.UNFINISHED}
    assert bool(harness.vendor.of("download")) == (kind is Fetched)
    harness.disk_is_full = lambda changes: False
    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert harness.files() == {"blue.mp4": FILM.url}
    assert harness.vendor.creates == ["blue"]


def test_part_that_is_in_place_but_not_recorded_is_recorded_by_the_next_run(harness: Harness) -> None:
    still = Media("https://media.test/still.png", "image/png")
    harness.vendor.poll_answers["blue"] = [success(FILM, still)]
    harness.vendor.contents[still.url] = [DownloadFailed("410", expired=True)] * 2
    harness.disk_is_full = holds(PartlyFetched)

    assert harness.run(BLUE).statuses == {"blue": "succeeded"}

    assert harness.files() == {"blue.mp4": FILM.url}
    harness.disk_is_full = lambda changes: False
    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert harness.files() == {"blue.mp4": FILM.url, "blue-2.png": still.url}
    assert harness.vendor.creates == ["blue"]


@pytest.mark.parametrize("create_comes_first", [True, False])
def test_workflow_id_received_while_the_key_is_refused_is_kept(
    harness: Harness, create_comes_first: bool
) -> None:
    harness.run(*jobs(2), settings=WITHOUT_WAIT)
    for each in jobs(2):
        harness.vendor.poll_answers[each.path] = [AccountError("401")]
    harness.executor.together = True
    harness.executor.newest_first = create_comes_first
    harness.executor.held = {"poll", "send"}
    harness.clock.later(1, harness.let_go)

    ran = harness.run(*jobs(2), BLUE)

    assert ran.codes == {ExitCode.ACCOUNT}
    assert ran.statuses["blue"] == "submitted"


def test_run_continues_what_an_earlier_one_bought(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [running()]
    harness.run(job("blue", timeout=5))
    harness.vendor.poll_answers["blue"] = [success(FILM)]

    ran = harness.run(BLUE, RED)

    assert ran.statuses == {"blue": "done", "red": "done"}
    assert harness.vendor.creates == ["blue", "red"]


def test_spending_of_this_run_is_reported(harness: Harness) -> None:
    harness.run(job("old", price=500))
    ran = harness.run(job("old", price=500), *jobs(3))

    assert ran.reporter.tally is not None
    assert ran.reporter.tally.credits == 30
    # Jobs that were done before are not counted for this run.
    assert ran.reporter.tally.done == ran.reporter.tally.total == 3


def test_purchases_of_this_run_with_no_known_price_are_reported(harness: Harness) -> None:
    harness.run(job("old", price=None))
    ran = harness.run(job("old", price=None), job("new", price=None), BLUE)

    assert ran.reporter.tally is not None
    assert (ran.reporter.tally.credits, ran.reporter.tally.unpriced) == (10, 1)
