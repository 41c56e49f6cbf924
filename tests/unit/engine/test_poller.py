"""A bought workflow is polled to its end, whatever the vendor answers in between."""

import itertools
import re
from dataclasses import replace

import pytest
from support.protection import fails_without

from engine.harness import USUAL, Harness, job
from engine.simulation import FakeClock
from engine.vendor import FILM, failure, running, success
from pipeline.errors import AccountError, BuyingStopped, ExitCode
from pipeline.providers.base import (
    Bought,
    CallRefused,
    NotFound,
    OutcomeUnknown,
    UnusableAnswer,
    VendorError,
    Workflow,
)
from pipeline.purchases import WorkflowId

BLUE, RED = job("blue"), job("red")
BEGINNING = 1000.0


def gone() -> NotFound:
    return NotFound("404")


def test_job_is_bought_polled_and_downloaded(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [running(10), running(60), success(FILM)]

    ran = harness.run(BLUE)

    assert ran.lives(BLUE) == ["done"]
    assert not ran.codes
    assert harness.files() == {"blue.mp4": FILM.url}
    assert harness.vendor.calls == ["prepare blue", "create blue", *["get blue"] * 3, f"download {FILM.url}"]


def test_second_run_has_nothing_to_do(harness: Harness) -> None:
    harness.run(BLUE)
    harness.vendor.calls.clear()

    ran = harness.run(BLUE)

    assert not harness.vendor.calls
    assert not ran.codes


def test_wall_clock_jump_changes_neither_waiting_nor_outcome(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wall clock is only for records: a correction or a repeated hour neither speeds up nor delays anything."""
    harness.vendor.poll_answers["blue"] = [running(10), running(60), success(FILM)]
    steady = harness.run(BLUE)
    calls, waited = list(harness.vendor.calls), harness.clock.time
    days = itertools.cycle(
        ["2026-03-29T02:30:00.000Z", "2026-03-28T02:30:00.000Z", "2026-03-30T01:00:00.000Z"]
    )
    monkeypatch.setattr(FakeClock, "now", lambda _clock: next(days))
    harness.vendor.calls.clear()
    harness.vendor.poll_answers["red"] = [running(10), running(60), success(FILM)]
    # Of another template, so that durations learned before do not matter.
    red = job("red", template="loop")

    ran = harness.run(red)

    assert ran.lives(red) == steady.lives(BLUE) == ["done"]
    assert [call.replace("red", "blue") for call in harness.vendor.calls] == calls
    assert harness.clock.time - waited == pytest.approx(waited - BEGINNING, rel=0.5)


def test_single_404_is_tolerated(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [gone(), success(FILM)]

    assert harness.run(BLUE).statuses == {"blue": "done"}


@fails_without(
    "pipeline.planning.retries:has_retries_left",
    "return failed.reason is Reason.VENDOR",
    swap=("failed.reason is Reason.VENDOR and ", ""),
)
def test_workflow_not_found_for_ten_minutes_is_lost_and_not_bought_again(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [gone()]
    begun = harness.clock.time

    ran = harness.run(job("blue", retries=3))

    assert ran.statuses == {"blue": "failed (lost)"}
    assert harness.clock.time - begun >= 600
    harness.run(job("blue", retries=3))
    assert harness.vendor.creates == ["blue"]


def test_three_404s_within_a_minute_lose_nothing(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [gone(), gone(), gone(), success(FILM)]

    assert harness.run(BLUE, settings=replace(USUAL, max_poll_interval=15)).statuses == {"blue": "done"}


def test_two_404s_hours_apart_lose_nothing(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [*[running()] * 60, gone(), gone(), success(FILM)]

    ran = harness.run(job("blue", timeout=1e6), settings=replace(USUAL, max_poll_interval=3600))

    assert ran.statuses == {"blue": "done"}
    first, second, _ = harness.vendor.when("get blue")[-3:]
    assert second - first > 600


def test_only_consecutive_404s_count(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [*30 * (gone(), running()), success(FILM)]

    assert harness.run(BLUE).statuses == {"blue": "done"}


def test_success_may_get_its_result_within_five_minutes(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(), success(), success(FILM)]

    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert harness.files() == {"blue.mp4": FILM.url}


def test_success_without_result_fails_after_five_minutes(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success()]
    begun = harness.clock.time

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "failed (vendor)"}
    assert 300 <= harness.clock.time - begun < 400


EMPTY = "the vendor reports success, but no result"
UNUSABLE = "the vendor reports success, but the url of its result cannot be used: file:///x.mp4"


@pytest.mark.parametrize(
    ("answer", "told"), [(success(), EMPTY), (replace(success(), unusable="file:///x.mp4"), UNUSABLE)]
)
def test_success_without_result_is_not_reported_as_running(
    harness: Harness, answer: Workflow, told: str
) -> None:
    harness.vendor.poll_answers["blue"] = [answer]

    ran = harness.run(job("blue", timeout=60))

    assert ran.statuses == {"blue": "submitted"}
    assert ran.report.notes == [f"hero/overlay/blue: {told}; run again to continue"]


def test_failure_without_result_is_recorded_with_its_reason(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success()]

    ran = harness.run(BLUE)

    (purchase,) = ran.records.purchases.values()
    assert purchase.error == EMPTY


@fails_without("pipeline.engine.poller:_succeeded", "if is_over and unusable")
def test_success_with_an_unusable_result_is_held_and_never_bought_again(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [replace(success(), unusable="file:///x.mp4")]
    begun = harness.clock.time

    ran = harness.run(job("blue", retries=3))

    assert ran.statuses == {"blue": "submitted"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert ran.report.notes == [f"hero/overlay/blue: {UNUSABLE}; run again to continue"]
    assert 300 <= harness.clock.time - begun < 400
    harness.run(job("blue", retries=3))
    assert harness.vendor.creates == ["blue"]

    harness.vendor.poll_answers["blue"] = [success(FILM)]
    assert harness.run(BLUE).statuses == {"blue": "done"}


def partial(*, with_steps: bool) -> Workflow:
    """A success that lists one file that can be fetched and one that cannot; of a step `with_steps`."""
    unusable = "" if with_steps else "file:///x.mp4"
    return replace(success(FILM), unusable=unusable, unusable_step="file:///y.mp4")


PARTIAL = "the vendor reports success, but the url of one of its files cannot be used: file:///"


@fails_without(
    "pipeline.engine.poller:_succeeded",
    "if workflow.result and (not unusable",
    swap=("not unusable or", "True or"),
)
@pytest.mark.parametrize("with_steps", [True, False])
def test_success_with_one_unusable_file_waits_until_it_is_whole(harness: Harness, with_steps: bool) -> None:
    other = replace(FILM, url="https://media.test/other.mp4")
    harness.vendor.poll_answers["blue"] = [partial(with_steps=with_steps), success(FILM, other)]

    ran = harness.run(replace(BLUE, steps=with_steps))

    assert ran.statuses == {"blue": "done"}
    assert set(harness.files().values()) == {FILM.url, other.url}
    assert not ran.report.notes


@pytest.mark.parametrize("with_steps", [True, False])
def test_success_with_one_unusable_file_is_left_to_the_next_run(harness: Harness, with_steps: bool) -> None:
    blue = replace(job("blue", retries=3), steps=with_steps)
    harness.vendor.poll_answers["blue"] = [partial(with_steps=with_steps)]
    begun = harness.clock.time

    ran = harness.run(blue)

    assert ran.statuses == {"blue": "submitted"}
    assert ran.codes == {ExitCode.UNFINISHED}
    url = f"{PARTIAL}{'y' if with_steps else 'x'}.mp4"
    assert ran.report.notes == [f"hero/overlay/blue: {url}; run again to continue"]
    assert 300 <= harness.clock.time - begun < 400
    assert not harness.files()

    harness.vendor.poll_answers["blue"] = [success(FILM)]
    assert harness.run(blue).statuses == {"blue": "done"}
    assert harness.vendor.creates == ["blue"]


def test_unusable_file_of_a_step_that_no_job_wants_is_not_waited_for(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [partial(with_steps=True)]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert not ran.report.notes


@fails_without("pipeline.engine.poller:_succeeded", "if workflow.result and is_old")
@pytest.mark.parametrize("timeout", [60.0, 3600.0])
@pytest.mark.parametrize("with_steps", [True, False])
def test_what_is_usable_a_day_after_the_purchase_is_fetched(
    harness: Harness, with_steps: bool, timeout: float
) -> None:
    blue = replace(job("blue", timeout=timeout), steps=with_steps)
    harness.vendor.poll_answers["blue"] = [partial(with_steps=with_steps)]
    harness.run(blue)
    harness.clock.time += 86_400

    ran = harness.run(blue)

    assert ran.statuses == {"blue": "done"}
    assert not ran.codes
    url = f"file:///{'y' if with_steps else 'x'}.mp4"
    told = f"the vendor lists a file whose url cannot be used, so it was not fetched: {url}"
    assert ran.report.notes == [f"hero/overlay/blue: {told}"]
    assert harness.files() == {"blue.mp4": FILM.url}
    assert harness.vendor.creates == ["blue"]


def test_failure_that_became_a_success_with_one_unusable_file_is_fetched(harness: Harness) -> None:
    """It is polled only once, and a purchase that stays failed may be bought again."""
    harness.vendor.poll_answers["blue"] = [failure("broken")]
    assert harness.run(BLUE).statuses == {"blue": "failed (vendor)"}
    harness.vendor.poll_answers["blue"] = [partial(with_steps=False)]

    ran = harness.run(BLUE, collecting=True)

    assert ran.statuses == {"blue": "done"}
    assert harness.vendor.creates == ["blue"]


def test_workflow_running_again_after_success_without_result_is_reported_as_running(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(), running()]

    ran = harness.run(job("blue", timeout=60))

    assert ran.report.notes == ["hero/overlay/blue: still running at its timeout; run again to continue"]
    assert not ran.report.without_result


def test_unknown_status_is_still_running_and_warned_about_once(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [
        running(status="dreaming"),
        running(status="dreaming"),
        success(FILM),
    ]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert [each for each in ran.reporter.warnings if "dreaming" in each] == [
        "hero/overlay/blue: unknown status 'dreaming', treated as running"
    ]


def test_decreasing_progress_changes_nothing(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [
        running(90),
        running(5),
        running(None),
        running(400),
        success(FILM),
    ]

    assert harness.run(BLUE).statuses == {"blue": "done"}


def test_decreasing_progress_is_polled_as_often_as_increasing(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [*[running()] * 20, running(90), running(5), success(FILM)]
    begun = harness.clock.time

    harness.run(BLUE)

    before, last = harness.vendor.when("get blue")[-2:]
    assert last - before < (before - begun) / 10


def test_later_vendor_failure_does_not_undo_a_success(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(FILM), failure("no")]
    harness.run(BLUE, settings=replace(USUAL, download=False))

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "its files could not be downloaded" in ran.report.notes[0]
    harness.vendor.poll_answers["blue"] = [success(FILM)]
    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert harness.vendor.creates == ["blue"]


@pytest.mark.parametrize("status", ["fail", "cancel"])
def test_fail_and_cancel_end_a_purchase_and_keep_the_message(harness: Harness, status: str) -> None:
    harness.vendor.poll_answers["blue"] = [running(), failure(status=status)]

    ran = harness.run(BLUE)

    assert ran.lives(BLUE) == ["failed (vendor)"]
    assert status in (ran.bought(BLUE)[0].error or "")
    assert not harness.files()


def test_failure_is_recorded_without_the_secrets_of_the_urls_that_it_quotes(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [failure("cannot read https://u:PW@h.test/x.png?token=T: gone")]

    ran = harness.run(BLUE)

    assert ran.bought(BLUE)[0].error == "cannot read https://…: gone"
    assert ran.reporter.lines[-1].endswith("cannot read https://…: gone")


def test_failure_is_reported_to_the_vendor_on_request(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [failure("no sky")]

    harness.run(BLUE, settings=replace(USUAL, report_errors=True))

    assert harness.vendor.reports == ["hero/overlay/blue: no sky"]


def test_timed_out_job_stays_submitted_and_the_next_run_continues(harness: Harness) -> None:
    slow = job("blue", timeout=3600)
    harness.vendor.poll_answers["blue"] = [running(1)]
    begun = harness.clock.time

    ran = harness.run(slow)

    assert ran.statuses == {"blue": "submitted"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert 3600 <= harness.clock.time - begun < 3700

    harness.vendor.poll_answers["blue"] = [success(FILM)]
    assert harness.run(slow).statuses == {"blue": "done"}
    assert harness.vendor.creates == ["blue"]


def test_timeout_applies_even_if_there_is_always_news(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [running(charged=spent) for spent in range(900)]
    begun = harness.clock.time

    ran = harness.run(job("blue", timeout=60))

    assert ran.codes == {ExitCode.UNFINISHED}
    assert ran.statuses == {"blue": "submitted"}
    assert harness.clock.time - begun < 70


def test_faulty_call_of_the_provider_leaves_only_its_workflow_to_the_next_run(harness: Harness) -> None:
    def faulty() -> Workflow:
        raise KeyError("status")

    harness.vendor.poll_answers["blue"] = [faulty]
    others = [job(name) for name in ("green", "red", "white", "yellow")]
    begun = harness.clock.time

    ran = harness.run(BLUE, *others, is_plugin=True)

    assert ran.statuses == {"blue": "submitted", **{each.path: "done" for each in others}}
    assert ran.codes == {ExitCode.UNFINISHED}
    [note] = ran.report.notes
    assert re.fullmatch(
        r"hero/overlay/blue: the provider 'scripted' failed in get: KeyError: 'status' \(test_poller\.py:\d+\); "
        "run again to continue",
        note,
    )
    assert harness.clock.time - begun < 30

    harness.vendor.poll_answers["blue"] = [success(FILM)]
    assert harness.run(BLUE, is_plugin=True).statuses == {"blue": "done"}
    assert harness.vendor.creates.count("blue") == 1


def test_faulty_call_after_failures_of_the_vendor_is_repeated(harness: Harness) -> None:
    def faulty() -> Workflow:
        raise KeyError("status")

    harness.vendor.poll_answers["blue"] = [
        *[VendorError("HTTP 503")] * 5,
        *[faulty] * 4,
        VendorError("HTTP 503"),
        faulty,
        success(FILM),
    ]

    assert harness.run(BLUE, is_plugin=True).statuses == {"blue": "done"}


def test_workflow_that_runs_for_hours_costs_few_calls(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [running(1)]

    harness.run(job("blue", timeout=21_600), settings=replace(USUAL, max_poll_interval=300))

    assert len(harness.vendor.of("get")) < 130


def test_vendor_that_refuses_to_report_on_a_workflow_is_not_asked_as_often_as_an_unreachable_one(
    harness: Harness,
) -> None:
    harness.vendor.poll_answers["blue"] = [CallRefused("HTTP 422")]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "submitted"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "the vendor refuses to report on its workflow (HTTP 422)" in ran.report.notes[0]
    assert harness.vendor.of("get") == ["blue"] * 5
    harness.vendor.poll_answers["blue"] = [*[CallRefused("HTTP 400")] * 4, success(FILM)]
    assert harness.run(BLUE).statuses == {"blue": "done"}


def test_vendor_whose_answers_cannot_be_used_is_not_called_unreachable(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [UnusableAnswer("the answer is not JSON")]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "submitted"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "the vendor answers, but not with its workflow (the answer is not JSON)" in ran.report.notes[0]
    assert len(harness.vendor.of("get")) == 12


def test_unreachable_vendor_is_given_up_in_bounded_time(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [VendorError("connection refused")]
    begun = harness.clock.time

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "submitted"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "unreachable (connection refused)" in ran.report.notes[0]
    assert len(harness.vendor.of("get")) == 12
    assert harness.clock.time - begun < 12 * 60


def test_failed_poll_is_retried_no_sooner_than_requested(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [VendorError("503", after=120), success(FILM)]

    assert harness.run(BLUE).statuses == {"blue": "done"}
    first, second = harness.vendor.when("get blue")
    assert second - first > 119.9


def test_no_call_outlasts_the_job_timeout(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [VendorError("503", after=86_400)]
    begun = harness.clock.time

    ran = harness.run(job("blue", timeout=600))

    assert ran.codes == {ExitCode.UNFINISHED}
    assert harness.clock.time - begun <= 700


def test_refused_key_ends_the_run_and_leaves_workflows_in_flight(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [AccountError("401")]

    ran = harness.run(BLUE)

    assert ran.codes == {ExitCode.ACCOUNT}
    assert ran.statuses == {"blue": "submitted"}


@fails_without(
    "pipeline.engine.calls:result_of",
    "return NoCredit(str(error))",
    swap=("return NoCredit(str(error))", "return error"),
)
def test_missing_credit_ends_no_poll_and_is_told_once(harness: Harness) -> None:
    no_credit = [BuyingStopped("no credit (402)")]
    harness.vendor.poll_answers["blue"] = [*no_credit * 3, running(), success(FILM)]
    harness.vendor.poll_answers["red"] = [*no_credit * 2, success(FILM)]

    ran = harness.run(BLUE, RED)

    assert ran.statuses == {"blue": "done", "red": "done"}
    assert not ran.codes
    assert [each for each in ran.reporter.warnings if "402" in each] == [
        "no credit (402); what is already bought is followed all the same"
    ]


def test_workflow_that_is_only_answered_with_missing_credit_is_left_to_the_next_run(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [BuyingStopped("no credit (402)")] * 99

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "submitted"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert ran.report.notes == [
        f"{BLUE.key}: the vendor only answers that there is no credit; run again to continue"
    ]


def test_failed_workflow_is_polled_once_more_only_by_collect(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [failure()]
    harness.run(BLUE)
    harness.vendor.calls.clear()

    ran = harness.run(BLUE)

    assert not harness.vendor.calls
    assert ran.statuses == {"blue": "failed (vendor)"}


def test_run_without_waiting_leaves_the_rest_to_the_next(harness: Harness) -> None:
    ran = harness.run(BLUE, settings=replace(USUAL, wait=False))

    assert ran.statuses == {"blue": "submitted"}
    assert not ran.codes
    assert not harness.vendor.of("get")
    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert harness.vendor.creates == ["blue"]


def test_run_without_download_leaves_the_files_to_the_next(harness: Harness) -> None:
    for _ in range(2):
        ran = harness.run(BLUE, settings=replace(USUAL, download=False))

        assert ran.statuses == {"blue": "succeeded"}
        assert not harness.files()
    assert harness.run(BLUE).statuses == {"blue": "done"}


def test_polling_learns_template_durations(harness: Harness) -> None:
    def after_400_seconds() -> None:
        begun = harness.clock.time
        harness.vendor.poll_answers.clear()
        harness.vendor.poll_answers["blue"] = [
            lambda: success(FILM) if harness.clock.time - begun >= 400 else running()
        ]

    settings = replace(USUAL, max_poll_interval=300)
    after_400_seconds()
    harness.run(job("blue"), settings=settings)
    naive = len(harness.vendor.of("get"))
    harness.vendor.calls.clear()
    after_400_seconds()
    harness.run(job("blue", asks="another"), settings=settings)

    assert len(harness.vendor.of("get")) < naive


def test_orphans_are_polled_to_their_end(harness: Harness) -> None:
    harness.run(BLUE, settings=replace(USUAL, wait=False))

    ran = harness.run(job("red"))

    assert ran.lives(BLUE) == ["done"]
    assert harness.files().keys() == {"blue.mp4", "red.mp4"}


def test_purchase_replaced_while_running_is_still_polled(harness: Harness) -> None:
    harness.run(BLUE, settings=replace(USUAL, wait=False))
    # The poll of the old purchase returns when the new one is ready to be bought.
    harness.executor.together = True
    harness.executor.held = {"poll"}
    harness.vendor.preparing["blue"] = [harness.let_go]

    ran = harness.run(job("blue", asks="another"))

    assert not ran.codes
    assert ran.lives(BLUE) == ["done", "done"]


@fails_without(
    "pipeline.engine.poller:Poller._polled",
    "event = self._disowned(tracked",
    swap=("self._disowned(tracked.purchase, result) or self", "self"),
)
@pytest.mark.parametrize("workflow", [running(10), success(FILM), failure("no")])
@pytest.mark.parametrize("spot", ["title", "description"])
def test_workflow_that_names_another_purchase_is_not_adopted(
    harness: Harness, workflow: Workflow, spot: str
) -> None:
    harness.vendor.create_outcomes["blue"] = [OutcomeUnknown("garbage")]
    harness.vendor.create_outcomes["red"] = [Bought(WorkflowId("wf-of-blue"))]
    named = f"blue {1:016x}"
    title, description = (named, "") if spot == "title" else ("", named)
    harness.vendor.poll_answers["red"] = [replace(workflow, title=title, description=description)]

    first = harness.run(BLUE, RED, settings=replace(USUAL, concurrency=1))
    second = harness.run(BLUE, RED)

    assert first.statuses == second.statuses == {"blue": "attention", "red": "attention"}
    assert [each.workflow_id for each in second.bought(RED)] == [None]
    assert f"workflow wf-of-blue, whose {spot} names purchase {1:016x}" in first.reporter.warnings[-1]
    assert harness.vendor.creates == ["blue", "red"]
    assert harness.vendor.of("get") == ["red"]
    assert not harness.files()


@pytest.mark.parametrize("title", ["Spring, final cut", f"red, as {2:016x}, not {1:016x}", f"{9:016x}"])
def test_edited_title_does_not_make_a_workflow_foreign(harness: Harness, title: str) -> None:
    harness.vendor.poll_answers["red"] = [replace(success(FILM), title=title)]

    ran = harness.run(BLUE, RED, settings=replace(USUAL, concurrency=1))

    assert ran.statuses == {"blue": "done", "red": "done"}


def test_workflow_of_another_purchase_is_not_a_late_success(
    harness: Harness,
) -> None:
    harness.vendor.poll_answers["red"] = [failure(), replace(success(FILM), title=f"blue {1:016x}")]
    harness.run(BLUE, RED, settings=replace(USUAL, concurrency=1))

    assert harness.collect(BLUE, RED).lives(RED) == ["failed (vendor)"]
