"""The exit code of a run: which one counts if several apply, and how jobs lead to it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import pytest

from pipeline.errors import PRECEDENCE, ExitCode
from pipeline.jobs import Job, JobKey, UpstreamOutput
from pipeline.purchases import UNDECIDED, Decisions, Purchase, PurchaseId, Reason, Status
from pipeline.results.job_status import exit_code, job_statuses
from results.campaign import assignment_of, bought, job

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
    assignment = assignment_of(jobs, *purchases, decisions=decisions)
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
def test_status_of_a_single_job_determines_the_code(status: Status, expected: ExitCode) -> None:
    assert code([A], bought(1, A, status)) is expected


def test_unbought_job_is_unfinished() -> None:
    assert code([A]) is ExitCode.UNFINISHED


def test_job_with_a_missing_input_has_failed() -> None:
    assert code([A], inputs={A.key: "red.png is not there any more"}) is ExitCode.FAILED


def test_job_that_could_not_be_remade_has_failed_even_if_its_old_take_is_kept() -> None:
    assert code([A, B], bought(1, A), bought(2, B), inputs={A.key: "no output"}) is ExitCode.FAILED


def test_finished_job_with_a_blocked_file_is_unfinished() -> None:
    assert code([A], bought(1, A), blocked={A.key}) is ExitCode.UNFINISHED


@pytest.mark.parametrize(("urgent", "other"), list(combinations(PRECEDENCE, 2)))
def test_more_urgent_of_two_stop_reasons_wins(urgent: ExitCode, other: ExitCode) -> None:
    assert code([A], bought(1, A), stopped=[other, urgent]) is urgent


def test_order_of_urgency() -> None:
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
def test_more_urgent_of_two_jobs_wins(statuses: tuple[Status, Status], expected: ExitCode) -> None:
    assert code([A, B], bought(1, A, statuses[0]), bought(2, B, statuses[1])) is expected


def test_stop_and_job_are_ranked_together() -> None:
    lost = bought(1, A, Status.ATTENTION)
    assert code([A, B], lost, stopped=[ExitCode.STOPPED_BUYING]) is ExitCode.ATTENTION
    assert code([A, B], bought(1, A), stopped=[ExitCode.STOPPED_BUYING]) is ExitCode.STOPPED_BUYING
    assert code([A, B], lost, stopped=[ExitCode.INTERRUPTED]) is ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.0, ExitCode.FAILED), (0.49, ExitCode.FAILED), (0.5, ExitCode.OK)]
)
def test_failures_within_the_threshold_are_accepted(threshold: float, expected: ExitCode) -> None:
    assert code([A, B], bought(1, A), bought(2, B, Status.FAILED), threshold=threshold) is expected


# Chains


def test_job_waiting_for_a_failed_one_counts_as_failed() -> None:
    failed = bought(1, SKETCH, Status.FAILED)
    assert code([SKETCH, FILM, CUT], failed) is ExitCode.FAILED
    # All three fail: of four jobs, that is more than half.
    assert code([SKETCH, FILM, CUT, A], failed, bought(2, A), threshold=0.5) is ExitCode.FAILED
    assert code([SKETCH, FILM, CUT, A], failed, bought(2, A), threshold=0.75) is ExitCode.OK


def test_job_waiting_for_an_unknown_outcome_needs_attention() -> None:
    assert code([SKETCH, FILM], bought(1, SKETCH, Status.ATTENTION)) is ExitCode.ATTENTION


def test_job_waiting_for_an_unselected_one_is_unfinished() -> None:
    assert code([SKETCH, FILM], selected=[FILM]) is ExitCode.UNFINISHED
    assert code([SKETCH, FILM], bought(1, SKETCH, Status.SUBMITTED), selected=[FILM]) is ExitCode.UNFINISHED


def test_buyable_job_that_was_not_bought_is_unfinished() -> None:
    assert code([SKETCH, FILM], bought(1, SKETCH)) is ExitCode.UNFINISHED


# Selection, and purchases that serve no job


def test_only_selected_jobs_count() -> None:
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
def test_unassigned_purchase_counts_if_under_way_or_unknown(
    status: Status, expected: ExitCode, served: str
) -> None:
    other = job("a", "before") if served == "earlier" else job("gone", "gone")
    assert code([A], bought(2, A), bought(1, other, status)) is expected


def test_deleted_purchase_does_not_count() -> None:
    gone = replace(bought(1, job("gone", "gone"), Status.ATTENTION), deleted=True)
    assert code([A], bought(2, A), gone) is ExitCode.OK


# Jobs that a run was told not to wait for


@pytest.mark.parametrize("status", [Status.SUBMITTED, Status.SUCCEEDED])
def test_run_ends_ok_at_its_accepted_status(status: Status) -> None:
    assert code([A], bought(1, A, status), accepted=[status.value]) is ExitCode.OK
    assert code([A], bought(1, A, Status.FAILED), accepted=[status.value]) is ExitCode.FAILED


def test_jobs_unbought_after_a_failure_do_not_count() -> None:
    failed = replace(bought(1, A, Status.FAILED), reason=Reason.VENDOR)
    assert code([A, B], failed, stopped=[ExitCode.FAILED]) is ExitCode.FAILED


def take(number: int) -> Job:
    made = job("t", "take")
    return replace(
        made, coordinates=replace(made.coordinates, take=number), request=replace(made.request, take=number)
    )


def test_take_superseded_by_an_approved_one_is_not_missing() -> None:
    approved = bought(1, take(1))
    said = Decisions(approved={approved.id: take(1).key})
    film = job("film", "film", take(2))
    assert code([take(1), take(2), film], approved, decisions=said) is ExitCode.OK
    assert code([take(1), take(2), film], approved) is ExitCode.UNFINISHED


# Purchases that another machine is about to send, and jobs that wait for approval


def test_create_pending_on_another_machine_is_unfinished() -> None:
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


def test_job_waiting_only_for_an_approval_is_not_unfinished() -> None:
    one, two = take(1), take(2)
    film = approved_of("film", one, two)
    cut = job("cut", "cut", film)

    assert code([one, two, film, cut], bought(1, one), bought(2, two)) is ExitCode.OK
    assert code([one, two, film, cut], bought(1, one)) is ExitCode.UNFINISHED
    assert code([one, two, film], bought(1, one, Status.SUBMITTED), bought(2, two)) is ExitCode.UNFINISHED


def test_one_finished_take_is_enough_to_wait_for_approval() -> None:
    one, two = take(1), take(2)
    film = approved_of("film", one, two)
    purchases = bought(1, one, Status.FAILED), bought(2, two)

    # The take that failed counts as failed; the film waits and does not.
    assert code([one, two, film], *purchases, threshold=0.34) is ExitCode.OK
    assert code([one, two, film], *purchases) is ExitCode.FAILED
    assert code([one, film], bought(1, one, Status.FAILED), threshold=0.5) is ExitCode.FAILED


def test_job_with_an_approved_upstream_must_be_bought() -> None:
    one, two = take(1), take(2)
    film = approved_of("film", one, two)
    approved = bought(1, one)
    said = Decisions(approved={approved.id: one.key})

    assert code([one, two, film], approved, bought(2, two), decisions=said) is ExitCode.UNFINISHED


def test_approval_of_an_approval_is_awaited_too() -> None:
    one = take(1)
    middle = approved_of("middle", one)
    last = approved_of("last", middle)

    assert code([one, middle, last], bought(1, one)) is ExitCode.OK
