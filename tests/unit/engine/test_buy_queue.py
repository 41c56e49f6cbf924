"""What is bought, in which order, how often, and when buying stops."""

import hashlib
from asyncio import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.protection import fails_without

from engine.harness import USUAL, FakeCheckpoint, Harness, job, jobs
from engine.vendor import FILM, failure, running, success
from pipeline.engine.attachments import InputFailed
from pipeline.engine.durations import TimeLeft
from pipeline.engine.prepare import prepare
from pipeline.engine.reporter import Tally
from pipeline.engine.upstream import NowhereFound, UpstreamFiles
from pipeline.errors import AccountError, BuyingStopped, ExitCode
from pipeline.jobs import LocalFile, UpstreamOutput
from pipeline.providers.base import (
    AccountProblem,
    AccountRefused,
    Bought,
    CallRefused,
    CreateOutcome,
    Deferred,
    DownloadFailed,
    JobRefused,
    Media,
    NotFound,
    NotSent,
    OutcomeUnknown,
    VendorError,
    Workflow,
)
from pipeline.purchases import Output, PurchaseId, WorkflowId
from pipeline.state.store import Caps, Change

BLUE, RED = job("blue"), job("red")
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
STILL = Media("https://media.test/still.png", "image/png")
LOST = OutcomeUnknown("read timeout")
ONE_AT_A_TIME = replace(USUAL, concurrency=1)
ONE_IN_FLIGHT = replace(USUAL, in_flight=1)


def test_jobs_are_bought_in_plan_order(harness: Harness) -> None:
    ran = harness.run(*reversed(jobs(6)))

    assert harness.vendor.creates == [each.path for each in jobs(6)]
    assert set(ran.statuses.values()) == {"done"}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("concurrency", "in_flight"), [(1, 1), (3, 2), (2, 5), (8, 50)])
def test_limits_on_concurrent_calls_and_workflows_in_flight_are_never_exceeded(
    harness: Harness, concurrency: int, in_flight: int, together: bool
) -> None:
    wanted = jobs(6)
    harness.executor.together = together
    for each in wanted:
        harness.vendor.poll_answers[each.path] = [running(), running(), success(FILM)]

    ran = harness.run(*wanted, settings=replace(USUAL, concurrency=concurrency, in_flight=in_flight))

    assert set(ran.statuses.values()) == {"done"}
    assert harness.executor.most <= concurrency
    assert harness.vendor.most_running <= in_flight


def test_in_flight_limit_is_used_fully(harness: Harness) -> None:
    for each in jobs(8):
        harness.vendor.poll_answers[each.path] = [*[running()] * 5, success(FILM)]

    harness.run(*jobs(8), settings=replace(USUAL, in_flight=4))

    assert harness.vendor.most_running == 4


# Chains


@fails_without(
    "pipeline.engine.buy_queue:BuyQueue.add", "if entry.after is None:", swap=("entry.after is None", "True")
)
def test_chained_job_is_bought_after_its_upstream_and_from_its_purchase(
    harness: Harness,
) -> None:
    film = job("film", upstream=BLUE)
    harness.vendor.poll_answers["blue"] = [running(), success(FILM)]

    ran = harness.run(BLUE, film)

    assert ran.statuses == {"blue": "done", "film": "done"}
    calls = harness.vendor.calls
    assert calls.index("prepare film") > [n for n, call in enumerate(calls) if call == "get blue"][1]
    assert ran.bought(film)[0].inputs == (ran.bought(BLUE)[0].id,)
    assert harness.vendor.requests[1].images == (FILM.url,)


def test_chained_job_uses_the_new_purchase_of_its_upstream(harness: Harness) -> None:
    film = job("film", upstream=BLUE)
    harness.run(BLUE, film)

    ran = harness.run(BLUE, film, replacing=[BLUE])

    assert [each.inputs for each in ran.bought(film)] == [(each.id,) for each in ran.bought(BLUE)]


@pytest.mark.parametrize(
    "outcome", [JobRefused("422"), LOST, NotSent("refused")], ids=["refused", "unknown", "not sent"]
)
def test_nothing_is_bought_if_the_upstream_was_not_made(harness: Harness, outcome: CreateOutcome) -> None:
    harness.vendor.create_outcomes["blue"] = [outcome] * 9

    ran = harness.run(BLUE, job("film", upstream=BLUE))

    assert "film" not in harness.vendor.creates
    assert ran.statuses["film"] == "pending"


def test_nothing_is_bought_if_the_upstream_failed(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [failure()]

    ran = harness.run(BLUE, job("film", upstream=BLUE))

    assert harness.vendor.creates == ["blue"]
    assert ran.statuses == {"blue": "failed (vendor)", "film": "pending"}


def test_chained_job_uses_the_retry_of_its_upstream(harness: Harness) -> None:
    sketch = job("blue", retries=1)
    film = job("film", upstream=sketch)
    harness.vendor.poll_answers["blue"] = [failure(), success(FILM)]

    ran = harness.run(sketch, film)

    assert ran.lives(sketch) == ["failed (vendor)", "done"]
    assert ran.bought(film)[0].inputs == (ran.bought(sketch)[1].id,)


def test_upstream_with_expired_url_is_uploaded_from_this_machine(harness: Harness) -> None:
    film = job("film", upstream=BLUE)
    movie = b"\x00\x00\x00\x18ftypmp42" + b"film"
    harness.vendor.contents[FILM.url] = [movie]
    harness.run(BLUE)
    harness.vendor.poll_answers["blue"] = [success()]

    ran = harness.run(BLUE, film)

    assert ran.statuses == {"blue": "done", "film": "done"}
    (image,) = harness.vendor.requests[1].images
    assert not isinstance(image, str)
    assert image.content == movie


def still_is_gone(harness: Harness, *files: Media) -> None:
    """The still among the `files` of blue cannot be downloaded, which is found while red is in flight."""
    harness.vendor.poll_answers["blue"] = [success(*files)]
    harness.vendor.poll_answers["red"] = [*[running()] * 9, success(FILM)]
    harness.vendor.contents[STILL.url] = [DownloadFailed("410", expired=True)] * 99


def test_nothing_is_made_from_a_purchase_of_which_a_file_is_missing(harness: Harness) -> None:
    film = job("film", upstream=BLUE)
    still_is_gone(harness, STILL, FILM)

    ran = harness.run(BLUE, RED, film, settings=ONE_IN_FLIGHT)

    assert harness.vendor.creates == ["blue", "red"]
    assert ran.statuses == {"blue": "succeeded", "red": "done", "film": "pending"}
    assert f"{film.key}: not all files of {BLUE.key} are downloaded; run again" in ran.report.notes
    assert harness.run(BLUE, film).statuses["film"] == "pending"

    harness.vendor.contents[STILL.url] = []
    harness.run(BLUE, film)
    assert harness.run(BLUE, film).statuses == {"blue": "done", "film": "done"}
    assert harness.vendor.requests[-1].images == (STILL.url,)


@fails_without("pipeline.engine.downloader:Downloader._note_failure", "self.journal.record(")
def test_nothing_is_made_from_a_purchase_no_file_of_which_could_be_downloaded(harness: Harness) -> None:
    film = job("film", upstream=BLUE)
    still_is_gone(harness, STILL)

    ran = harness.run(BLUE, RED, film, settings=ONE_IN_FLIGHT)

    assert harness.vendor.creates == ["blue", "red"]
    assert ran.statuses == {"blue": "succeeded", "red": "done", "film": "pending"}
    assert f"{film.key}: none of the files of {BLUE.key} are downloaded; run again" in ran.report.notes
    assert ran.bought(BLUE)[0].error == "its files could not be downloaded (410)"
    assert harness.run(BLUE, film).statuses["film"] == "pending"
    assert harness.run(BLUE, film, settings=replace(USUAL, download=False)).statuses["film"] == "pending"

    harness.vendor.contents[STILL.url] = []
    assert harness.run(BLUE, film).bought(BLUE)[0].error is None
    assert harness.run(BLUE, film).statuses == {"blue": "done", "film": "done"}
    assert harness.vendor.requests[-1].images == (STILL.url,)


@fails_without(
    "pipeline.engine.prepare:Preparer._is_put_back",
    "now, failures = ",
    swap=("self.in_flight.failed_fetches(source.id)", "0"),
)
def test_nothing_is_made_from_a_purchase_while_its_download_fails(harness: Harness) -> None:
    amber, film = job("amber"), job("film", upstream=BLUE)
    harness.vendor.poll_answers["blue"] = [success(STILL)]
    harness.run(BLUE, settings=replace(USUAL, download=False))
    harness.vendor.contents[STILL.url] = [DownloadFailed("reset")] * 2
    harness.vendor.poll_answers["amber"] = [*[running()] * 2, success(FILM)]

    # Amber takes the only place in flight until blue's first download has failed.
    ran = harness.run(amber, BLUE, film, settings=ONE_IN_FLIGHT)

    assert ran.statuses == {"amber": "done", "blue": "done", "film": "done"}
    assert harness.vendor.when(f"download {STILL.url}")[2] < harness.vendor.when("create film")[0]


@pytest.mark.parametrize("files", [(STILL,), (FILM, STILL)])
def test_job_is_bought_in_the_run_in_which_the_files_of_its_upstream_arrive_late(
    harness: Harness, files: tuple[Media, ...]
) -> None:
    amber, film = job("amber"), job("film", upstream=BLUE)
    harness.vendor.poll_answers["blue"] = [success(*files)]
    harness.run(BLUE, settings=replace(USUAL, download=False))
    harness.vendor.contents[STILL.url] = [DownloadFailed("503", after=300.0)] * 2

    ran = harness.run(amber, BLUE, film, settings=ONE_IN_FLIGHT)

    assert ran.statuses == {"amber": "done", "blue": "done", "film": "done"}
    assert not ran.codes
    assert harness.vendor.when("create film")[0] > harness.vendor.when(f"download {STILL.url}")[2]


def test_purchase_whose_files_nobody_has_tried_to_download_is_made_from(harness: Harness) -> None:
    film, settings = job("film", upstream=BLUE), replace(USUAL, download=False)

    assert harness.run(BLUE, film, settings=settings).statuses == {"blue": "succeeded", "film": "succeeded"}


def test_no_other_file_is_sent_in_place_of_one_that_was_not_downloaded(
    tmp_path: Path, harness: Harness
) -> None:
    here = Output("image/png", sha256="0" * 64)
    purchase = replace(harness.run(BLUE).bought(BLUE)[0], outputs=(Output("image/png"), here))
    harness.vendor.poll_answers["blue"] = [NotFound("404")]
    files = {"result": ((tmp_path / "blue-2.png", "0" * 64, "image/png"),)}
    upstream = UpstreamFiles(purchase, WorkflowId("blue"), files, stem="blue")

    with pytest.raises(NowhereFound, match="no longer has the workflow of "):
        prepare(
            provider=harness.vendor,
            job=job("film", upstream=BLUE),
            folder=tmp_path,
            purchase_id=PurchaseId("1" * 16),
            upstream=upstream,
        )


def test_chained_job_fails_before_purchase_if_its_upstream_lacks_the_needed_output(
    harness: Harness,
) -> None:
    film = job("film", images=(UpstreamOutput(BLUE.key, "upscale"),))

    ran = harness.run(BLUE, film)

    assert "has no file in its upscale" in ran.report.inputs[film.key]
    assert ran.lives(film) == []


def test_shared_request_is_bought_once_and_each_job_gets_its_file(harness: Harness) -> None:
    ran = harness.run(job("blue", asks="walk"), job("red", asks="walk"), job("green", asks="walk"))

    assert harness.vendor.creates == ["blue"]
    assert ran.statuses == {"blue": "done", "red": "done", "green": "done"}
    assert harness.files() == dict.fromkeys(["blue.mp4", "green.mp4", "red.mp4"], FILM.url)


# Outcomes of a create


def test_unsent_create_is_retried_as_a_new_purchase_each_time(harness: Harness) -> None:
    harness.vendor.create_outcomes["blue"] = [NotSent("refused"), NotSent("refused")]

    ran = harness.run(BLUE)

    assert ran.lives(BLUE) == ["void", "void", "done"]
    assert len({each.id for each in ran.bought(BLUE)}) == 3
    assert not ran.codes


def test_create_cut_off_while_sending_is_retried_at_most_twice(harness: Harness) -> None:
    harness.vendor.create_outcomes["blue"] = [NotSent("reset", started=True)] * 9

    ran = harness.run(BLUE)

    assert harness.vendor.creates == ["blue"] * 3
    assert ran.lives(BLUE) == ["void"] * 3
    assert ran.codes == {ExitCode.UNFINISHED}


def test_unreachable_vendor_is_retried_a_few_times(harness: Harness) -> None:
    harness.vendor.create_outcomes["blue"] = [NotSent("no such host")] * 99

    ran = harness.run(BLUE)

    assert harness.vendor.creates == ["blue"] * 5
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "unreachable (no such host)" in ran.report.notes[0]


def test_refused_job_fails_without_affecting_others(harness: Harness) -> None:
    harness.vendor.create_outcomes["blue"] = [JobRefused("422: options")]

    ran = harness.run(BLUE, RED)

    assert ran.statuses == {"blue": "failed (rejected)", "red": "done"}
    assert not ran.codes


@fails_without(
    "pipeline.engine.create:event_for",
    "return Unresolved",
    swap=("Unresolved", "NothingBought"),
)
def test_unknown_outcome_is_never_resent(harness: Harness) -> None:
    harness.vendor.create_outcomes["blue"] = [LOST]

    first, second = harness.run(BLUE), harness.run(BLUE)

    assert harness.vendor.creates == ["blue"]
    assert first.lives(BLUE) == second.lives(BLUE) == ["attention"]
    assert "unknown whether it was bought" in first.reporter.warnings[0]


@pytest.mark.parametrize(
    "outcome",
    [
        JobRefused("no https://cdn.test/a?sig=s3cret here"),
        AccountRefused(AccountProblem.KEY, "no https://cdn.test/a#s3cret here"),
        OutcomeUnknown("no https://u:s3cret@cdn.test/a here", "https://cdn.test/a?sig=s3cret"),
    ],
)
def test_secrets_in_the_text_of_any_provider_are_neither_recorded_nor_shown(
    harness: Harness, outcome: CreateOutcome
) -> None:
    changes: list[Change] = []
    harness.on_change = changes.append
    harness.vendor.create_outcomes["blue"] = [outcome]

    ran = harness.run(BLUE)

    assert ran.bought(BLUE)[0].error == "no https://… here"
    shown = [*ran.reporter.lines, *ran.reporter.warnings, *ran.report.notes]
    assert "s3cret" not in str([shown, changes])


def test_secrets_in_the_message_of_a_failed_call_are_cut() -> None:
    assert str(VendorError("no https://cdn.test/a?sig=s3cret here", 2.0)) == "no https://… here"


@fails_without("pipeline.engine.create:send", "try:", swap=("BaseException", "OSError"))
@pytest.mark.parametrize("error", [KeyError("data"), SystemExit(3), CancelledError(), GeneratorExit()])
def test_create_that_raises_may_have_bought(harness: Harness, error: BaseException) -> None:
    def create() -> CreateOutcome:
        raise error

    harness.vendor.create_outcomes["blue"] = [create]

    first, second = harness.run(BLUE), harness.run(BLUE)

    assert harness.vendor.creates == ["blue"]
    assert first.lives(BLUE) == second.lives(BLUE) == ["attention"]


@fails_without("pipeline.engine.journal:Journal.record", "self._workflows.add(after")
@fails_without("pipeline.engine.create:Creator._checked", "if self.journal.has_workflow(bought")
def test_workflow_id_of_another_purchase_is_an_unknown_outcome(harness: Harness) -> None:
    harness.vendor.create_outcomes["blue"] = [Bought(WorkflowId("wf-1"))]
    harness.vendor.create_outcomes["red"] = [Bought(WorkflowId("wf-1"))]

    ran = harness.run(BLUE, RED)

    assert ran.statuses == {"blue": "done", "red": "attention"}
    assert "wf-1" in ran.reporter.warnings[0]


@fails_without("pipeline.engine.create:Creator._checked", "if not is_workflow_id")
@pytest.mark.parametrize("workflow_id", ["", ".", "..", "wf/1", "w" * 129, "wf\n", "wf\ud800"])
def test_unrecordable_workflow_id_is_an_unknown_outcome(harness: Harness, workflow_id: str) -> None:
    harness.vendor.create_outcomes["blue"] = [Bought(WorkflowId(workflow_id))]

    assert harness.run(BLUE).statuses == {"blue": "attention"}
    assert harness.run(BLUE).statuses == {"blue": "attention"}


@fails_without(
    "pipeline.engine.journal:Journal.__init__",
    "self._workflows = {each.workflow_id",
    swap=(
        "self._workflows = {each.workflow_id for each in records.purchases.values()}",
        "self._workflows: set[str | None] = set()",
    ),
)
def test_workflow_id_of_an_earlier_run_is_an_unknown_outcome(harness: Harness) -> None:
    harness.run(BLUE)
    harness.vendor.create_outcomes["red"] = [Bought(WorkflowId("wf-1"))]

    assert harness.run(BLUE, RED).statuses == {"blue": "done", "red": "attention"}


@fails_without("pipeline.engine.buy_queue:", "BREAKER = 3", swap=("3", "300"))
def test_three_unknown_outcomes_in_a_row_stop_buying(harness: Harness) -> None:
    for each in jobs(6):
        harness.vendor.create_outcomes[each.path] = [LOST]

    ran = harness.run(*jobs(6), settings=ONE_AT_A_TIME)

    assert len(harness.vendor.creates) == 3
    assert list(ran.statuses.values()) == ["attention"] * 3 + ["pending"] * 3
    assert ran.codes == {ExitCode.ATTENTION}


@pytest.mark.parametrize("checkpoint", [None, FakeCheckpoint()], ids=["at once", "in a wave"])
def test_unknown_outcomes_in_a_row_stop_buying_at_any_concurrency(
    harness: Harness, checkpoint: FakeCheckpoint | None
) -> None:
    harness.executor.together = True
    for each in jobs(12):
        harness.vendor.create_outcomes[each.path] = [LOST]

    ran = harness.run(*jobs(12), settings=replace(USUAL, concurrency=4), checkpoint=checkpoint)

    unknown = list(ran.statuses.values()).count("attention")
    assert 3 <= unknown == len(harness.vendor.creates) <= 3 + 3
    assert set(ran.statuses.values()) == {"attention", "pending"}
    assert ran.codes == {ExitCode.ATTENTION}


@fails_without(
    "pipeline.engine.buy_queue:BuyQueue.count_outcome",
    "self._unknown_in_a_row =",
    swap=("= self._unknown_in_a_row + 1 if is_unknown else 0", "+= is_unknown"),
)
def test_known_outcome_resets_the_count(harness: Harness) -> None:
    for each in [*jobs(2), *jobs(5)[3:]]:
        harness.vendor.create_outcomes[each.path] = [LOST]

    ran = harness.run(*jobs(6), settings=ONE_AT_A_TIME)

    assert list(ran.statuses.values()) == ["attention", "attention", "done", "attention", "attention", "done"]
    assert not ran.codes


def test_unknown_outcomes_of_a_crashed_run_do_not_count(harness: Harness) -> None:
    for each in jobs(2):
        harness.vendor.create_outcomes[each.path] = [LOST]
    harness.run(*jobs(2), settings=ONE_AT_A_TIME)
    harness.vendor.create_outcomes["job-02"] = [LOST]

    assert harness.run(*jobs(5), settings=ONE_AT_A_TIME).statuses["job-04"] == "done"


@fails_without("pipeline.engine.create:Creator._account_refused", "self.queue.stop(ExitCode.STOPPED_BUYING")
def test_http_402_stops_buying_and_workflows_in_flight_continue(harness: Harness) -> None:
    harness.vendor.poll_answers["job-00"] = [running(), running(), success(FILM)]
    harness.vendor.create_outcomes["job-01"] = [AccountRefused(AccountProblem.CREDIT, "INSUFFICIENT_CREDIT")]

    ran = harness.run(*jobs(4), settings=ONE_AT_A_TIME)

    assert list(ran.statuses.values()) == ["done", "pending", "pending", "pending"]
    assert ran.codes == {ExitCode.STOPPED_BUYING}
    assert ran.lives(jobs(2)[1]) == ["void"]
    assert set(harness.run(*jobs(4)).statuses.values()) == {"done"}


@fails_without("pipeline.engine.create:Creator.start_next", "if self.queue.stopped:")
@pytest.mark.parametrize("checkpoint", [None, FakeCheckpoint()], ids=["at once", "in a wave"])
@pytest.mark.parametrize("refusal", AccountProblem)
def test_nothing_more_is_sent_once_the_account_is_refused(
    harness: Harness, refusal: AccountProblem, checkpoint: FakeCheckpoint | None
) -> None:
    harness.executor.together = True
    for each in jobs(9):
        harness.vendor.create_outcomes[each.path] = [AccountRefused(refusal, "no")]

    ran = harness.run(*jobs(9), settings=replace(USUAL, concurrency=3), checkpoint=checkpoint)

    assert len(harness.vendor.creates) <= 3
    assert set(ran.statuses.values()) == {"pending"}
    assert {each.status for each in ran.records.purchases.values()} == {"void"}
    harness.vendor.create_outcomes.clear()
    assert set(harness.run(*jobs(9)).statuses.values()) == {"done"}


@fails_without("pipeline.engine.create:Creator._account_refused", "self.queue.stop(ExitCode.ACCOUNT")
def test_refused_key_stops_the_run_and_fails_no_job(harness: Harness) -> None:
    harness.vendor.poll_answers["job-00"] = [running()]
    harness.vendor.create_outcomes["job-01"] = [AccountRefused(AccountProblem.KEY, "401")]

    ran = harness.run(*jobs(4), settings=ONE_AT_A_TIME)

    assert list(ran.statuses.values()) == ["submitted", "pending", "pending", "pending"]
    assert ran.codes == {ExitCode.ACCOUNT}
    assert len(harness.vendor.creates) == 2
    assert harness.clock.time < 1030


@pytest.mark.parametrize("after", [2.0, None], ids=["after two seconds", "the vendor does not say"])
def test_http_429_delays_everything_and_the_job_is_retried(harness: Harness, after: float | None) -> None:
    harness.vendor.create_outcomes["blue"] = [Deferred("429", after)]

    ran = harness.run(BLUE, RED, settings=replace(USUAL, concurrency=1, wait=False))

    assert ran.lives(BLUE) == ["void", "submitted"]
    refused, *further = sorted([*harness.vendor.when("create blue"), *harness.vendor.when("create red")])
    assert all(at - refused >= (after or 0.0) for at in further)
    assert not ran.codes


def test_http_429_for_a_day_leaves_the_job_to_the_next_run(harness: Harness) -> None:
    harness.vendor.create_outcomes["blue"] = [Deferred("429", 86_400.0)]
    begun = harness.clock.time

    ran = harness.run(BLUE, RED)

    assert ran.statuses == {"blue": "pending", "red": "done"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert harness.clock.time - begun < 600


def test_endless_http_429_is_given_up(harness: Harness) -> None:
    harness.vendor.create_outcomes["blue"] = [Deferred("429")] * 99

    ran = harness.run(BLUE)

    assert len(harness.vendor.creates) == 11
    assert ran.codes == {ExitCode.UNFINISHED}


# Before a create


PICTURED = job("blue", images=(LocalFile("blue.png", hashlib.sha256(PNG).hexdigest()),))


def test_local_image_is_sent_as_planned(harness: Harness) -> None:
    (harness.folder / "blue.png").write_bytes(PNG)

    harness.run(PICTURED)

    (image,) = harness.vendor.requests[0].images
    assert not isinstance(image, str)
    assert (image.content, image.content_type) == (PNG, "image/png")


@fails_without(
    "pipeline.engine.attachments:attachment",
    "if hashlib.sha256(content",
    swap=("hashlib.sha256(content).hexdigest() !=", "not"),
)
@pytest.mark.parametrize("content", [None, PNG + b"!"], ids=["gone", "changed"])
def test_image_changed_since_planning_fails_its_job_without_a_purchase(
    harness: Harness, content: bytes | None
) -> None:
    if content is not None:
        (harness.folder / "blue.png").write_bytes(content)

    ran = harness.run(PICTURED, RED)

    assert ran.lives(PICTURED) == []
    assert ran.report.inputs.keys() == {PICTURED.key}
    assert ran.statuses["red"] == "done"
    assert harness.vendor.creates == ["red"]


def test_unsendable_job_fails_without_a_purchase(harness: Harness) -> None:
    harness.vendor.preparing["blue"] = [CallRefused("a comma inside an item")]

    ran = harness.run(BLUE)

    assert ran.report.inputs == {BLUE.key: "a comma inside an item"}
    assert not harness.vendor.creates


@pytest.mark.parametrize("fail_fast", [True, False])
def test_failed_input_stops_buying_only_with_fail_fast(harness: Harness, fail_fast: bool) -> None:
    ran = harness.run(PICTURED, RED, settings=replace(USUAL, concurrency=1, fail_fast=fail_fast))

    assert harness.vendor.creates == ([] if fail_fast else ["red"])
    assert ran.codes == ({ExitCode.FAILED} if fail_fast else set())


def test_failed_input_of_chained_job_stops_buying_with_fail_fast(harness: Harness) -> None:
    film = job("film", images=(UpstreamOutput(BLUE.key, "upscale"),))
    harness.vendor.poll_answers["red"] = [running(), running(), running(), success(FILM)]
    settings = replace(USUAL, download=False, fail_fast=True)

    ran = harness.run(BLUE, film, RED, job("late", upstream=RED), settings=settings)

    assert ran.report.inputs.keys() == {film.key}
    assert harness.vendor.creates == ["blue", "red"]
    assert ran.codes == {ExitCode.FAILED}


def test_job_is_bought_although_the_vendor_refuses_once_to_renew_the_url_of_its_upstream(
    harness: Harness,
) -> None:
    film = job("film", upstream=BLUE)
    harness.vendor.poll_answers["blue"] = [success(FILM), CallRefused("422"), success(FILM)]

    ran = harness.run(BLUE, film)

    assert ran.statuses == {"blue": "done", "film": "done"}
    assert not ran.codes


def test_url_that_the_vendor_refuses_to_renew_is_left_to_the_next_run(harness: Harness) -> None:
    film = job("film", upstream=BLUE)
    harness.vendor.poll_answers["blue"] = [success(FILM), CallRefused("HTTP 422")]
    harness.vendor.poll_answers["red"] = [*[running()] * 9, success(FILM)]
    settings = replace(USUAL, fail_fast=True)

    ran = harness.run(BLUE, RED, film, job("late", upstream=RED), settings=settings)

    assert ran.statuses == {"blue": "done", "red": "done", "film": "pending", "late": "done"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert ran.report.inputs == {}
    assert ran.report.notes == [
        f"{film.key}: the vendor refuses to report on the workflow of {BLUE.key} (HTTP 422); run again"
    ]
    assert len(harness.vendor.when("get blue")) == 1 + 5


def test_jobs_that_share_an_unbuyable_request_all_fail(harness: Harness) -> None:
    shared = job("later", asks="blue", images=PICTURED.request.images)

    ran = harness.run(PICTURED, shared)

    assert ran.report.inputs.keys() == {PICTURED.key, shared.key}
    assert ran.reporter.tally == Tally(failed=2)
    assert {line.partition(":")[0] for line in ran.reporter.lines} == {"blue", "later"}


def test_failed_input_is_reported_to_the_vendor(harness: Harness) -> None:
    harness.run(PICTURED, settings=replace(USUAL, report_errors=True))

    (told,) = harness.vendor.reports
    assert "blue.png" in told


def test_uploads_are_retried_and_finally_given_up(harness: Harness) -> None:
    harness.vendor.preparing["blue"] = [VendorError("503"), VendorError("503")]
    harness.vendor.preparing["red"] = [VendorError("503")] * 99

    ran = harness.run(BLUE, RED)

    assert ran.statuses == {"blue": "done", "red": "pending"}
    assert len([call for call in harness.vendor.calls if call == "prepare red"]) == 5
    assert ran.codes == {ExitCode.UNFINISHED}


def test_upload_does_not_outlast_the_job_timeout(harness: Harness) -> None:
    harness.vendor.preparing["blue"] = [VendorError("503", after=86_400)]
    begun = harness.clock.time

    ran = harness.run(BLUE)

    assert ran.codes == {ExitCode.UNFINISHED}
    assert harness.clock.time - begun < 3700


def test_missing_credit_for_an_upload_stops_buying(harness: Harness) -> None:
    harness.vendor.preparing["job-01"] = [BuyingStopped("402")]

    ran = harness.run(*jobs(3), settings=ONE_AT_A_TIME)

    assert list(ran.statuses.values()) == ["done", "pending", "pending"]
    assert ran.codes == {ExitCode.STOPPED_BUYING}


def test_key_refused_for_an_upload_leaves_no_trace_of_other_ready_jobs(
    harness: Harness,
) -> None:
    harness.executor.together = True
    harness.executor.held = {"prepare"}
    harness.clock.later(1, harness.let_go)
    harness.vendor.preparing["job-01"] = [AccountError("401")]

    ran = harness.run(*jobs(2))

    assert ran.codes == {ExitCode.ACCOUNT}
    assert not harness.vendor.creates
    assert not ran.records.purchases


# Caps


def capped(cap: str, amount: int) -> Caps:
    named: Any = {cap: amount}
    return Caps(**named)


@fails_without("pipeline.state.sql.intents:allowed", "if not spent.is_within(caps")
@fails_without(
    "pipeline.purchases:is_free",
    "return status ==",
    swap=("== Status.VOID", "in {Status.VOID, Status.SUBMITTING}"),
)
@pytest.mark.parametrize("most", [0, 2, 3])
@pytest.mark.parametrize("cap", ["max_creates", "max_credits", "budget"])
def test_cap_is_never_exceeded_at_any_concurrency(harness: Harness, most: int, cap: str) -> None:
    harness.executor.together = True
    harness.executor.held = {"prepare"}
    harness.clock.later(1, harness.let_go)
    amount = most if cap == "max_creates" else most * 10 + 9

    ran = harness.run(*jobs(4), settings=replace(USUAL, caps=capped(cap, amount), wait=False))

    assert len(harness.vendor.creates) <= most
    assert ran.codes == {ExitCode.STOPPED_BUYING}
    assert len(ran.records.purchases) == most


@pytest.mark.parametrize("cap", ["max_creates", "max_credits", "budget"])
def test_jobs_within_the_cap_are_bought(harness: Harness, cap: str) -> None:
    amount = 2 if cap == "max_creates" else 29

    ran = harness.run(*jobs(4), settings=replace(USUAL, caps=capped(cap, amount)))

    assert list(ran.statuses.values()) == ["done", "done", "pending", "pending"]
    assert ran.codes == {ExitCode.STOPPED_BUYING}
    assert any(f"not bought: {cap} would be exceeded" in note for note in ran.report.notes)


def test_cap_that_is_met_exactly_stops_nothing(harness: Harness) -> None:
    ran = harness.run(*jobs(3), settings=replace(USUAL, caps=Caps(max_creates=3, max_credits=30, budget=30)))

    assert set(ran.statuses.values()) == {"done"}
    assert not ran.codes


@fails_without(
    "pipeline.state.store:Spent.exceeded",
    "used = (('max_creates'",
    swap=("self.ever", "self.credits"),
)
def test_earlier_spending_counts_only_towards_the_budget(harness: Harness) -> None:
    harness.run(*jobs(2))

    harness.run(*jobs(5), settings=replace(USUAL, caps=Caps(max_creates=2, budget=30)))

    assert len(harness.vendor.creates) == 3


def test_failed_creates_do_not_count(harness: Harness) -> None:
    harness.vendor.create_outcomes["blue"] = [NotSent("refused")]
    harness.vendor.create_outcomes["green"] = [JobRefused("422")]

    settings = replace(USUAL, concurrency=1, caps=Caps(max_credits=20))
    ran = harness.run(BLUE, RED, job("green"), settings=settings)

    assert ran.statuses == {"blue": "done", "green": "failed (rejected)", "red": "done"}


# Retries, canaries, and the first failure


def test_retries_count_across_runs(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [failure()]
    stubborn = job("blue", retries=2)

    harness.run(job("blue"))
    assert harness.vendor.creates == ["blue"]
    ran = harness.run(stubborn)
    assert ran.lives(stubborn) == ["failed (vendor)"] * 3
    ran = harness.run(stubborn)

    assert harness.vendor.creates == ["blue"] * 3


def test_retries_for_which_no_credits_are_left_are_all_named(harness: Harness) -> None:
    stubborn = [job(name, retries=2) for name in ("blue", "red", "green")]
    for each in stubborn:
        harness.vendor.poll_answers[each.path] = [failure()]

    ran = harness.run(*stubborn, settings=replace(USUAL, caps=Caps(budget=40)))

    assert len(harness.vendor.creates) == 4
    (again,) = [each for each in ran.report.notes if "not bought again" in each]
    named = "hero/overlay/blue, hero/overlay/green, hero/overlay/red"
    assert again == f"failed, and not bought again (retries), as the buying ended: {named}"


@pytest.mark.parametrize("answers", [[failure(), success(FILM)], [failure()]])
def test_retries_that_were_bought_are_not_named(harness: Harness, answers: list[Workflow]) -> None:
    harness.vendor.poll_answers["blue"] = [*answers]

    ran = harness.run(job("blue", retries=1), settings=replace(USUAL, caps=Caps(budget=20)))

    assert len(harness.vendor.creates) == 2
    assert not any("not bought" in each for each in ran.report.notes)


@fails_without(
    "pipeline.planning.retries:has_retries_left",
    "return failed.reason is Reason.VENDOR",
    swap=("failed.reason is Reason.VENDOR and ", ""),
)
def test_rejected_request_is_not_bought_again_automatically(harness: Harness) -> None:
    harness.vendor.create_outcomes["blue"] = [JobRefused("422")]

    harness.run(job("blue", retries=3))

    assert harness.vendor.creates == ["blue"]


def test_failed_job_is_bought_again_on_request(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [failure(), success(FILM)]
    harness.run(BLUE)

    assert harness.run(BLUE, retry_failed=True).lives(BLUE) == ["failed (vendor)", "done"]


def test_one_canary_per_template_goes_first(harness: Harness) -> None:
    wanted = [job(f"{template}-{n}", template=template) for template in ("one", "two") for n in range(3)]
    harness.vendor.poll_answers["one-0"] = [running(), running(), success(FILM)]

    ran = harness.run(*wanted, settings=replace(USUAL, canary=True))

    assert set(ran.statuses.values()) == {"done"}
    calls = harness.vendor.calls
    for template in ("one", "two"):
        last_look = max(n for n, call in enumerate(calls) if call == f"get {template}-0")
        assert calls.index(f"create {template}-0") < last_look < calls.index(f"create {template}-1")


def test_failed_canary_saves_the_rest_of_its_template(harness: Harness) -> None:
    wanted = [job(f"{template}-{n}", template=template) for template in ("one", "two") for n in range(3)]
    harness.vendor.poll_answers["one-0"] = [failure()]

    ran = harness.run(*wanted, settings=replace(USUAL, canary=True))

    assert [name for name in harness.vendor.creates if name.startswith("one")] == ["one-0"]
    assert [name for name in harness.vendor.creates if name.startswith("two")] == ["two-0", "two-1", "two-2"]
    assert ran.codes == {ExitCode.FAILED}
    assert "one: 2 jobs not bought" in ran.report.notes[0]
    # They are jobs of this run, for which nothing is made.
    assert ran.reporter.tally is not None
    assert (ran.reporter.tally.waiting, ran.reporter.tally.time_left()) == (2, TimeLeft())


@pytest.mark.parametrize(
    ("preparing", "created"),
    [
        ([VendorError("503")] * 99, []),
        ([InputFailed("no such image")], []),
        ([], [Deferred("429", 86_400.0)]),
    ],
)
def test_job_that_was_never_sent_is_no_canary(
    harness: Harness, preparing: list[Any], created: list[Any]
) -> None:
    wanted = [job(f"one-{n}", template="one") for n in range(4)]
    harness.vendor.preparing["one-0"] = preparing
    harness.vendor.create_outcomes["one-0"] = created
    harness.vendor.poll_answers["one-1"] = [running(), running(), success(FILM)]

    ran = harness.run(*wanted, settings=replace(USUAL, canary=True))

    assert list(ran.statuses.values())[1:] == ["done"] * 3
    calls = harness.vendor.calls
    last_look = max(n for n, call in enumerate(calls) if call == "get one-1")
    assert calls.index("create one-1") < last_look < min(calls.index(f"create one-{n}") for n in (2, 3))


def test_first_failure_stops_buying_with_fail_fast(harness: Harness) -> None:
    harness.vendor.create_outcomes["job-01"] = [JobRefused("422")]
    harness.vendor.poll_answers["job-00"] = [running(), running(), success(FILM)]

    ran = harness.run(*jobs(5), settings=replace(USUAL, concurrency=1, fail_fast=True))

    assert list(ran.statuses.values()) == ["done", "failed (rejected)", "pending", "pending", "pending"]
    assert ran.codes == {ExitCode.FAILED}


def test_replace_keeps_the_old_purchase_marked_as_replaced(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [b"old", b"new"]
    harness.run(BLUE)

    ran = harness.run(BLUE, replacing=[BLUE])

    assert [(each.status, each.again) for each in ran.bought(BLUE)] == [("done", True), ("done", False)]
    assert harness.files() == {"blue.mp4": "new", "blue~0000000.mp4": "old"}
