"""The exit code of a run: which one counts if several apply, and how jobs lead to it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import pytest

from pipeline.errors import PRECEDENCE, ExitCode
from pipeline.jobs import Job, JobKey, UpstreamOutput
from pipeline.purchases import UNDECIDED, Decisions, Purchase, PurchaseId, Reason, Status
from pipeline.results.job_status import exit_code, job_statuses
from results.campaign import bought, job, serving_of

A, B = job("a", "walk"), job("b", "dance")
SKETCH = job("sketch", "sketch")
FILM = job("film", "film", SKETCH)
CUT = job("cut", "cut", FILM)


def code(
    jobs: Sequence[Job],
    *purchases: Purchase,
    selected: Collection[Job] | None = None,
    stopped: Collection[ExitCode] = (),
    inputs: Mapping[JobKey, str] | None = None,
    blocked: Collection[JobKey] = (),
    threshold: float = 0.0,
    accepted: Collection[str] = (),
    elsewhere: Collection[PurchaseId] = (),
    decisions: Decisions = UNDECIDED,
) -> ExitCode:
    """The exit code of a run that leaves these purchases."""
    keys = {each.key for each in (jobs if selected is None else selected)}
    assignment = serving_of(jobs, *purchases, decisions=decisions)
    return exit_code(
        assignment,
        job_statuses(assignment, inputs or {}, blocked, elsewhere),
        selected=keys,
        stopped=stopped,
        fail_threshold=threshold,
        accepted=accepted,
        elsewhere=elsewhere,
        inputs=inputs or (),
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.DONE, ExitCode.OK),
        (Status.SUCCEEDED, ExitCode.UNFINISHED),
        (Status.SUBMITTED, ExitCode.UNFINISHED),
        (Status.FAILED, ExitCode.FAILED),
        (Status.ATTENTION, ExitCode.ATTENTION),
        (Status.SUBMITTING, ExitCode.ATTENTION),
        (Status.VOID, ExitCode.UNFINISHED),
    ],
)
def test_how_one_job_stands_decides(status: Status, expected: ExitCode) -> None:
    assert code([A], bought(1, A, status)) is expected


def test_a_job_that_was_not_bought_is_unfinished() -> None:
    assert code([A]) is ExitCode.UNFINISHED


def test_a_job_whose_input_is_gone_has_failed() -> None:
    assert code([A], inputs={A.key: "red.png is not there any more"}) is ExitCode.FAILED


def test_a_job_that_could_not_be_made_again_has_failed_though_its_old_take_serves() -> None:
    assert code([A, B], bought(1, A), bought(2, B), inputs={A.key: "no output"}) is ExitCode.FAILED


def test_a_finished_job_whose_file_is_blocked_is_unfinished() -> None:
    assert code([A], bought(1, A), blocked={A.key}) is ExitCode.UNFINISHED


@pytest.mark.parametrize(("urgent", "other"), list(combinations(PRECEDENCE, 2)))
def test_of_any_two_reasons_the_more_urgent_is_told(urgent: ExitCode, other: ExitCode) -> None:
    assert code([A], bought(1, A), stopped=[other, urgent]) is urgent


def test_the_order_of_urgency_is_this() -> None:
    assert [int(each) for each in PRECEDENCE] == [129, 130, 143, 70, 64, 3, 5, 6, 7, 4, 8, 1]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((Status.FAILED, Status.SUBMITTED), ExitCode.UNFINISHED),
        ((Status.FAILED, Status.ATTENTION), ExitCode.ATTENTION),
        ((Status.SUBMITTED, Status.ATTENTION), ExitCode.ATTENTION),
        ((Status.DONE, Status.FAILED), ExitCode.FAILED),
        ((Status.DONE, Status.DONE), ExitCode.OK),
    ],
)
def test_of_two_jobs_the_more_urgent_decides(statuses: tuple[Status, Status], expected: ExitCode) -> None:
    assert code([A, B], bought(1, A, statuses[0]), bought(2, B, statuses[1])) is expected


def test_a_stop_and_a_job_are_weighed_together() -> None:
    lost = bought(1, A, Status.ATTENTION)
    assert code([A, B], lost, stopped=[ExitCode.STOPPED_BUYING]) is ExitCode.ATTENTION
    assert code([A, B], bought(1, A), stopped=[ExitCode.STOPPED_BUYING]) is ExitCode.STOPPED_BUYING
    assert code([A, B], lost, stopped=[ExitCode.INTERRUPTED]) is ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.0, ExitCode.FAILED), (0.49, ExitCode.FAILED), (0.5, ExitCode.OK)]
)
def test_failures_within_the_threshold_are_no_failure(threshold: float, expected: ExitCode) -> None:
    assert code([A, B], bought(1, A), bought(2, B, Status.FAILED), threshold=threshold) is expected


# Chains


def test_what_waits_for_a_failure_failed_too_and_is_not_unfinished() -> None:
    failed = bought(1, SKETCH, Status.FAILED)
    assert code([SKETCH, FILM, CUT], failed) is ExitCode.FAILED
    # All three fail: of four jobs, that is more than half.
    assert code([SKETCH, FILM, CUT, A], failed, bought(2, A), threshold=0.5) is ExitCode.FAILED
    assert code([SKETCH, FILM, CUT, A], failed, bought(2, A), threshold=0.75) is ExitCode.OK


def test_what_waits_for_an_unknown_outcome_is_told_by_that() -> None:
    assert code([SKETCH, FILM], bought(1, SKETCH, Status.ATTENTION)) is ExitCode.ATTENTION


def test_what_waits_for_one_that_was_not_selected_is_unfinished() -> None:
    assert code([SKETCH, FILM], selected=[FILM]) is ExitCode.UNFINISHED
    assert code([SKETCH, FILM], bought(1, SKETCH, Status.SUBMITTED), selected=[FILM]) is ExitCode.UNFINISHED


def test_what_could_have_been_bought_and_was_not_is_unfinished() -> None:
    assert code([SKETCH, FILM], bought(1, SKETCH)) is ExitCode.UNFINISHED


# Selection, and purchases that serve no job


def test_only_the_selected_jobs_count() -> None:
    failed = bought(1, A, Status.FAILED)
    assert code([A, B], failed, bought(2, B), selected=[B]) is ExitCode.OK
    assert code([A, B], failed, bought(2, B), selected=[A]) is ExitCode.FAILED


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.ATTENTION, ExitCode.ATTENTION),
        (Status.SUBMITTED, ExitCode.UNFINISHED),
        (Status.SUCCEEDED, ExitCode.UNFINISHED),
        (Status.FAILED, ExitCode.OK),
        (Status.DONE, ExitCode.OK),
        (Status.VOID, ExitCode.OK),
    ],
)
@pytest.mark.parametrize("served", ["earlier", "orphan"])
def test_what_serves_no_job_counts_where_it_is_under_way_or_unknown(
    status: Status, expected: ExitCode, served: str
) -> None:
    other = job("a", "before") if served == "earlier" else job("gone", "gone")
    assert code([A], bought(2, A), bought(1, other, status)) is expected


def test_a_deleted_one_counts_for_nothing() -> None:
    gone = replace(bought(1, job("gone", "gone"), Status.ATTENTION), deleted=True)
    assert code([A], bought(2, A), gone) is ExitCode.OK


# Jobs that a run was told to leave under way


@pytest.mark.parametrize("status", [Status.SUBMITTED, Status.SUCCEEDED])
def test_a_run_that_was_to_leave_it_there_is_done(status: Status) -> None:
    assert code([A], bought(1, A, status), accepted=[status.value]) is ExitCode.OK
    assert code([A], bought(1, A, Status.FAILED), accepted=[status.value]) is ExitCode.FAILED


def test_where_a_failure_stopped_the_buying_what_was_not_bought_is_no_news() -> None:
    failed = replace(bought(1, A, Status.FAILED), reason=Reason.VENDOR)
    assert code([A, B], failed, stopped=[ExitCode.FAILED]) is ExitCode.FAILED


def take(number: int) -> Job:
    made = job("t", "take")
    return replace(
        made, coordinates=replace(made.coordinates, take=number), request=replace(made.request, take=number)
    )


def test_a_take_that_is_not_bought_as_another_is_approved_is_not_missing() -> None:
    approved = bought(1, take(1))
    said = Decisions(approved={approved.id: take(1).key})
    film = job("film", "film", take(2))
    assert code([take(1), take(2), film], approved, decisions=said) is ExitCode.OK
    assert code([take(1), take(2), film], approved) is ExitCode.UNFINISHED


# Purchases that another machine is about to send, and jobs that wait for approval


def test_what_another_machine_is_about_to_send_is_unfinished() -> None:
    bought_elsewhere = bought(1, A, Status.ATTENTION)
    idle = bought(2, B, Status.ATTENTION)

    assert code([A], bought_elsewhere, elsewhere={bought_elsewhere.id}) is ExitCode.UNFINISHED
    assert code([A], bought(3, A), idle, elsewhere={idle.id}) is ExitCode.UNFINISHED
    assert code([A], bought_elsewhere, idle, elsewhere={idle.id}) is ExitCode.ATTENTION


def approved_of(name: str, *takes: Job) -> Job:
    """A job that is made from whichever of `takes` is approved."""
    source = UpstreamOutput(takes[0].key, takes=tuple(each.key for each in takes))
    made = job(name, name, takes[0])
    return replace(made, request=replace(made.request, images=(source,)))


def test_what_waits_for_an_approval_and_nothing_else_is_no_unfinished_work() -> None:
    one, two = take(1), take(2)
    film = approved_of("film", one, two)
    cut = job("cut", "cut", film)

    assert code([one, two, film, cut], bought(1, one), bought(2, two)) is ExitCode.OK
    assert code([one, two, film, cut], bought(1, one)) is ExitCode.UNFINISHED
    assert code([one, two, film], bought(1, one, Status.SUBMITTED), bought(2, two)) is ExitCode.UNFINISHED


def test_one_take_that_is_made_is_enough_to_wait_for_its_approval() -> None:
    one, two = take(1), take(2)
    film = approved_of("film", one, two)
    purchases = bought(1, one, Status.FAILED), bought(2, two)

    # The take that failed counts as failed; the film waits and does not.
    assert code([one, two, film], *purchases, threshold=0.34) is ExitCode.OK
    assert code([one, two, film], *purchases) is ExitCode.FAILED
    assert code([one, film], bought(1, one, Status.FAILED), threshold=0.5) is ExitCode.FAILED


def test_who_was_approved_is_bought_from() -> None:
    one, two = take(1), take(2)
    film = approved_of("film", one, two)
    approved = bought(1, one)
    said = Decisions(approved={approved.id: one.key})

    assert code([one, two, film], approved, bought(2, two), decisions=said) is ExitCode.UNFINISHED


def test_an_approval_of_an_approval_is_waited_for_too() -> None:
    one = take(1)
    middle = approved_of("middle", one)
    last = approved_of("last", middle)

    assert code([one, middle, last], bought(1, one)) is ExitCode.OK
