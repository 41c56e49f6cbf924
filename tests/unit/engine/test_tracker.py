"""What is bought is followed to its end, whatever the vendor says on the way."""

import itertools
from dataclasses import replace

import pytest
from support.protection import fails_without

from engine.desk import Desk, job
from engine.simulated import FakeClock
from engine.vendor import FILM, failure, running, success
from pipeline.engine.reporter import RunSettings
from pipeline.errors import AccountError, ExitCode
from pipeline.providers.base import Bought, NotFound, OutcomeUnknown, VendorError, Workflow
from pipeline.purchases import WorkflowId

BLUE, RED = job("blue"), job("red")
BEGINNING = 1000.0


def gone() -> NotFound:
    return NotFound("404")


def test_a_job_is_bought_polled_and_fetched(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [running(10), running(60), success(FILM)]

    ran = desk.run(BLUE)

    assert ran.lives(BLUE) == ["done"]
    assert not ran.codes
    assert desk.files() == {"blue.mp4": FILM.url}
    assert desk.vendor.calls == ["prepare blue", "create blue", *["get blue"] * 3, f"download {FILM.url}"]


def test_a_second_run_has_nothing_to_do(desk: Desk) -> None:
    desk.run(BLUE)
    desk.vendor.calls.clear()

    ran = desk.run(BLUE)

    assert not desk.vendor.calls
    assert not ran.codes


def test_a_clock_that_jumps_by_days_changes_no_waiting_and_no_outcome(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of day is for records only: a correction, or an hour that comes twice, hurries and delays nothing."""
    desk.vendor.telling["blue"] = [running(10), running(60), success(FILM)]
    steady = desk.run(BLUE)
    calls, waited = list(desk.vendor.calls), desk.clock.time
    days = itertools.cycle(
        ["2026-03-29T02:30:00.000Z", "2026-03-28T02:30:00.000Z", "2026-03-30T01:00:00.000Z"]
    )
    monkeypatch.setattr(FakeClock, "now", lambda _clock: next(days))
    desk.vendor.calls.clear()
    desk.vendor.telling["red"] = [running(10), running(60), success(FILM)]

    ran = desk.run(job("red"))

    assert ran.lives(job("red")) == steady.lives(BLUE) == ["done"]
    assert [call.replace("red", "blue") for call in desk.vendor.calls] == calls
    assert desk.clock.time - waited == pytest.approx(waited - BEGINNING, rel=0.5)


def test_one_404_is_a_hiccup(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [gone(), success(FILM)]

    assert desk.run(BLUE).statuses == {"blue": "done"}


@fails_without(
    "pipeline.planning.planner:Planner._is_retried",
    "return self._options.retry_failed",
    swap=("purchase.reason is Reason.VENDOR and ", ""),
)
def test_a_workflow_that_is_denied_for_ten_minutes_is_lost_and_not_bought_again(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [gone()]
    begun = desk.clock.time

    ran = desk.run(job("blue", retries=3))

    assert ran.statuses == {"blue": "failed (lost)"}
    assert desk.clock.time - begun >= 600
    desk.run(job("blue", retries=3))
    assert desk.vendor.creates == ["blue"]


def test_three_404_within_a_minute_lose_nothing(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [gone(), gone(), gone(), success(FILM)]

    assert desk.run(BLUE, settings=RunSettings(max_poll_interval=15)).statuses == {"blue": "done"}


def test_two_404_that_are_hours_apart_lose_nothing(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [*[running()] * 60, gone(), gone(), success(FILM)]

    ran = desk.run(job("blue", timeout=1e6), settings=RunSettings(max_poll_interval=3600))

    assert ran.statuses == {"blue": "done"}
    first, second, _ = desk.vendor.when("get blue")[-3:]
    assert second - first > 600


def test_denials_count_only_in_a_row(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [*30 * (gone(), running()), success(FILM)]

    assert desk.run(BLUE).statuses == {"blue": "done"}


def test_a_success_may_get_its_result_within_five_minutes(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [success(), success(), success(FILM)]

    assert desk.run(BLUE).statuses == {"blue": "done"}
    assert desk.files() == {"blue.mp4": FILM.url}


def test_a_success_that_stays_empty_has_failed_after_five_minutes(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [success()]
    begun = desk.clock.time

    ran = desk.run(BLUE)

    assert ran.statuses == {"blue": "failed (vendor)"}
    assert 300 <= desk.clock.time - begun < 400


def test_an_unknown_status_is_still_running_and_warned_of_once(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [running(status="dreaming"), running(status="dreaming"), success(FILM)]

    ran = desk.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert [each for each in ran.told.warnings if "dreaming" in each] == [
        "hero/overlay/blue: unknown status 'dreaming', taken as running"
    ]


def test_progress_that_goes_backwards_changes_nothing(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [running(90), running(5), running(None), running(400), success(FILM)]

    assert desk.run(BLUE).statuses == {"blue": "done"}


def test_progress_that_goes_backwards_is_asked_for_as_often_as_if_it_had_not(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [*[running()] * 20, running(90), running(5), success(FILM)]
    begun = desk.clock.time

    desk.run(BLUE)

    before, last = desk.vendor.when("get blue")[-2:]
    assert last - before < (before - begun) / 10


def test_what_has_succeeded_is_not_failed_by_what_the_vendor_says_later(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [success(FILM), failure("no")]
    desk.run(BLUE, settings=RunSettings(download=False))

    ran = desk.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "its files could not be fetched" in ran.report.notes[0]
    desk.vendor.telling["blue"] = [success(FILM)]
    assert desk.run(BLUE).statuses == {"blue": "done"}
    assert desk.vendor.creates == ["blue"]


@pytest.mark.parametrize("status", ["fail", "cancel"])
def test_fail_and_cancel_end_a_purchase_and_what_was_said_is_kept(desk: Desk, status: str) -> None:
    desk.vendor.telling["blue"] = [running(), failure(status=status)]

    ran = desk.run(BLUE)

    assert ran.lives(BLUE) == ["failed (vendor)"]
    assert status in (ran.bought(BLUE)[0].error or "")
    assert not desk.files()


def test_a_failure_is_told_to_the_vendor_where_that_is_wanted(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [failure("no sky")]

    desk.run(BLUE, settings=RunSettings(report_errors=True))

    assert desk.vendor.reports == ["hero/overlay/blue: no sky"]


def test_a_job_whose_time_is_up_stays_submitted_and_the_next_run_goes_on(desk: Desk) -> None:
    slow = job("blue", timeout=3600)
    desk.vendor.telling["blue"] = [running(1)]
    begun = desk.clock.time

    ran = desk.run(slow)

    assert ran.statuses == {"blue": "submitted"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert 3600 <= desk.clock.time - begun < 3700

    desk.vendor.telling["blue"] = [success(FILM)]
    assert desk.run(slow).statuses == {"blue": "done"}
    assert desk.vendor.creates == ["blue"]


def test_time_is_up_even_for_one_of_which_there_is_always_news(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [running(charged=spent) for spent in range(900)]
    begun = desk.clock.time

    ran = desk.run(job("blue", timeout=60))

    assert ran.codes == {ExitCode.UNFINISHED}
    assert ran.statuses == {"blue": "submitted"}
    assert desk.clock.time - begun < 70


def test_hours_in_the_works_costs_few_calls(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [running(1)]

    desk.run(job("blue", timeout=21_600), settings=RunSettings(max_poll_interval=300))

    assert len(desk.vendor.of("get")) < 130


def test_a_vendor_out_of_reach_is_given_up_in_bounded_time(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [VendorError("connection refused")]
    begun = desk.clock.time

    ran = desk.run(BLUE)

    assert ran.statuses == {"blue": "submitted"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "out of reach (connection refused)" in ran.report.notes[0]
    assert len(desk.vendor.of("get")) == 12
    assert desk.clock.time - begun < 12 * 60


def test_a_poll_that_errs_is_repeated_no_sooner_than_asked(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [VendorError("503", after=120), success(FILM)]

    assert desk.run(BLUE).statuses == {"blue": "done"}
    first, second = desk.vendor.when("get blue")
    assert second - first > 119.9


def test_nobody_is_waited_for_longer_than_the_job_has_time(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [VendorError("503", after=86_400)]
    begun = desk.clock.time

    ran = desk.run(job("blue", timeout=600))

    assert ran.codes == {ExitCode.UNFINISHED}
    assert desk.clock.time - begun <= 700


def test_a_key_that_is_refused_ends_the_run_and_leaves_what_is_in_flight(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [AccountError("401")]

    ran = desk.run(BLUE)

    assert ran.codes == {ExitCode.ACCOUNT}
    assert ran.statuses == {"blue": "submitted"}


def test_what_failed_is_asked_about_once_more_when_it_is_collected_only(desk: Desk) -> None:
    desk.vendor.telling["blue"] = [failure()]
    desk.run(BLUE)
    desk.vendor.calls.clear()

    ran = desk.run(BLUE)

    assert not desk.vendor.calls
    assert ran.statuses == {"blue": "failed (vendor)"}


def test_a_run_that_only_buys_leaves_the_rest_to_the_next(desk: Desk) -> None:
    ran = desk.run(BLUE, settings=RunSettings(wait=False))

    assert ran.statuses == {"blue": "submitted"}
    assert not ran.codes
    assert not desk.vendor.of("get")
    assert desk.run(BLUE).statuses == {"blue": "done"}
    assert desk.vendor.creates == ["blue"]


def test_a_run_without_downloads_leaves_the_files_to_the_next(desk: Desk) -> None:
    for _ in range(2):
        ran = desk.run(BLUE, settings=RunSettings(download=False))

        assert ran.statuses == {"blue": "succeeded"}
        assert not desk.files()
    assert desk.run(BLUE).statuses == {"blue": "done"}


def test_polling_learns_how_long_a_template_takes(desk: Desk) -> None:
    def after_400_seconds() -> None:
        begun = desk.clock.time
        desk.vendor.telling.clear()
        desk.vendor.telling["blue"] = [lambda: success(FILM) if desk.clock.time - begun >= 400 else running()]

    settings = RunSettings(max_poll_interval=300)
    after_400_seconds()
    desk.run(job("blue"), settings=settings)
    naive = len(desk.vendor.of("get"))
    desk.vendor.calls.clear()
    after_400_seconds()
    desk.run(job("blue", asks="another"), settings=settings)

    assert len(desk.vendor.of("get")) < naive


def test_orphans_are_followed_to_their_end(desk: Desk) -> None:
    desk.run(BLUE, settings=RunSettings(wait=False))

    ran = desk.run(job("red"))

    assert ran.lives(BLUE) == ["done"]
    assert desk.files().keys() == {"blue.mp4", "red.mp4"}


def test_a_purchase_that_is_replaced_while_it_runs_is_followed_too(desk: Desk) -> None:
    desk.run(BLUE, settings=RunSettings(wait=False))
    # The poll of the old one comes back together with the new one, ready to be bought.
    desk.hands.together = True
    desk.hands.held = {"poll"}
    desk.vendor.preparing["blue"] = [desk.let_go]

    ran = desk.run(BLUE, replacing=[BLUE])

    assert not ran.codes
    assert ran.lives(BLUE) == ["done", "done"]
    assert [each.again for each in ran.bought(BLUE)] == [True, False]


@fails_without(
    "pipeline.engine.poller:Poller._polled",
    "event = self._disowned(tracked",
    swap=("self._disowned(tracked.purchase, answer) or tracked", "tracked"),
)
@pytest.mark.parametrize("told", [running(10), success(FILM), failure("no")])
def test_a_workflow_whose_title_names_another_purchase_is_not_taken_for_ones_own(
    desk: Desk, told: Workflow
) -> None:
    desk.vendor.creating["blue"] = [OutcomeUnknown("garbage")]
    desk.vendor.creating["red"] = [Bought(WorkflowId("wf-of-blue"))]
    desk.vendor.telling["red"] = [replace(told, title=f"blue {1:016x}")]

    first = desk.run(BLUE, RED, settings=RunSettings(concurrency=1))
    second = desk.run(BLUE, RED)

    assert first.statuses == second.statuses == {"blue": "attention", "red": "attention"}
    assert [each.workflow_id for each in second.bought(RED)] == [None]
    assert f"workflow wf-of-blue, whose title names purchase {1:016x}" in first.told.warnings[-1]
    assert desk.vendor.creates == ["blue", "red"]
    assert desk.vendor.of("get") == ["red"]
    assert not desk.files()


@pytest.mark.parametrize("title", ["Spring, final cut", f"red, as {2:016x}, not {1:016x}", f"{9:016x}"])
def test_a_title_that_somebody_changed_at_the_vendor_makes_no_workflow_another_s(
    desk: Desk, title: str
) -> None:
    desk.vendor.telling["red"] = [replace(success(FILM), title=title)]

    ran = desk.run(BLUE, RED, settings=RunSettings(concurrency=1))

    assert ran.statuses == {"blue": "done", "red": "done"}


def test_a_failure_is_asked_about_again_and_a_workflow_of_another_is_no_late_success(desk: Desk) -> None:
    desk.vendor.telling["red"] = [failure(), replace(success(FILM), title=f"blue {1:016x}")]
    desk.run(BLUE, RED, settings=RunSettings(concurrency=1))

    assert desk.collect(BLUE, RED).lives(RED) == ["failed (vendor)"]
