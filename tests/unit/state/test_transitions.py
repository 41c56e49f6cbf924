"""The transitions of a purchase: every one in the table, and no others."""

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.phases import PHASES, at, only
from support.protection import fails_without

from pipeline.join import join
from pipeline.purchases import Output, PurchaseId, Reason, Status, WorkflowId
from pipeline.state.events import (
    Accepted,
    Deleted,
    Disowned,
    Event,
    Fetched,
    Finished,
    GivenUp,
    Identified,
    NothingBought,
    NothingFetched,
    PartlyFetched,
    Rejected,
    Removed,
    Reported,
    Reworded,
    Superseded,
    TookOver,
    Unresolved,
    Vanished,
    VendorFailed,
)
from pipeline.state.transitions import (
    ATTENTION,
    DONE,
    FAILED_AT_VENDOR,
    FLAGS,
    LOST,
    SUBMITTED,
    SUBMITTING,
    TRANSITIONS,
    VOID,
    IllegalTransition,
    Phase,
    advance,
    phase,
)

OUTPUT = Output("video/mp4", "https://media.example.com/a", "ab", 3)
EXAMPLES: dict[type[Event], Event] = {
    Accepted: Accepted(WorkflowId("w1")),
    NothingBought: NothingBought("refused"),
    Rejected: Rejected("no such template"),
    Unresolved: Unresolved("timed out"),
    Reported: Reported(credits=7),
    Finished: Finished((OUTPUT,), credits=7),
    VendorFailed: VendorFailed("bad image"),
    Vanished: Vanished("not found"),
    Disowned: Disowned("the workflow of another"),
    NothingFetched: NothingFetched("410"),
    PartlyFetched: PartlyFetched((OUTPUT,)),
    Fetched: Fetched((OUTPUT,)),
    Identified: Identified(WorkflowId("w1")),
    GivenUp: GivenUp("given up", again=True),
    Superseded: Superseded(),
    Deleted: Deleted(),
    Removed: Removed(),
    TookOver: TookOver((PurchaseId("f" * 16),)),
    Reworded: Reworded({"title": "new"}),
}


def test_every_event_has_an_example_and_every_status_a_phase() -> None:
    assert set(EXAMPLES) == set(get_args(Event))
    assert {status for status, _ in PHASES} == set(Status)


@pytest.mark.parametrize(("step", "there"), TRANSITIONS.items())
def test_each_transition_leads_where_the_table_says(step: tuple[Phase, type[Event]], there: Phase) -> None:
    here, event = step
    assert phase(advance(at(here), EXAMPLES[event])) == there


@pytest.mark.parametrize(("here", "event"), list(product(PHASES, EXAMPLES)))
def test_transition_not_in_the_table_is_rejected(here: Phase, event: type[Event]) -> None:
    allowed = (here, event) in TRANSITIONS or (event in FLAGS and here != VOID)
    if allowed:
        advance(at(here), EXAMPLES[event])
    else:
        with pytest.raises(IllegalTransition):
            advance(at(here), EXAMPLES[event])


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("here", [each for each in PHASES if each != VOID])
def test_flag_event_keeps_the_status(here: Phase, flag: type[Event]) -> None:
    assert phase(advance(at(here), EXAMPLES[flag])) == here


def test_every_phase_is_reachable_from_the_intent() -> None:
    reached = {SUBMITTING}
    while True:
        further = {there for (here, _), there in TRANSITIONS.items() if here in reached} - reached
        if not further:
            break
        reached |= further
    assert reached == set(PHASES)


def test_no_transition_leads_back_to_before_the_create_was_sent() -> None:
    assert all(there != SUBMITTING for there in TRANSITIONS.values())
    # Only a workflow seen at the vendor overrides the claim that nothing was bought.
    assert [event for here, event in TRANSITIONS if here == VOID] == [Identified]


@given(st.lists(st.sampled_from(list(EXAMPLES.values())), max_size=30))
def test_no_sequence_of_events_forgets_anything_paid(events: list[Event]) -> None:
    purchase = at(SUBMITTING)
    for event in events:
        try:
            after = advance(purchase, event)
        except IllegalTransition:
            continue
        assert (after.id, after.key, after.fingerprint, after.bought_at) == (
            purchase.id,
            purchase.key,
            purchase.fingerprint,
            purchase.bought_at,
        )
        assert after.deleted >= purchase.deleted
        assert after.again >= purchase.again
        disowned = isinstance(event, Disowned)
        assert purchase.workflow_id is None or after.workflow_id is not None or disowned
        assert (after.reason is None) == (after.status is not Status.FAILED)
        has_workflow = after.status in {Status.SUBMITTED, Status.SUCCEEDED, Status.DONE}
        assert after.workflow_id is not None or not has_workflow
        # Merging a step with the earlier copy never undoes it, except for a late response and for a
        # workflow that is disowned, which the next poll detects again.
        late = phase(purchase) in (LOST, FAILED_AT_VENDOR)
        if not late and not disowned:
            assert join(only(purchase), only(after)).purchases[after.id].status is after.status
        purchase = after


def test_missing_vendor_fields_keep_their_values_and_given_ones_win() -> None:
    told = advance(at(SUBMITTED), Reported(credits=7, created_at="2026-01-02"))
    again = advance(told, Reported(updated_at="2026-01-03"))
    assert (again.credits, again.created_at, again.updated_at) == (7, "2026-01-02", "2026-01-03")
    assert advance(again, Finished((OUTPUT,), credits=0)).credits == 0


@fails_without(
    "pipeline.state.transitions:_time_of_change",
    "return told if told",
    swap=("_a_second_after(known)", "known"),
)
@fails_without("pipeline.state.transitions:_answered", "return replace(purchase", swap=("max(", "min("))
@pytest.mark.parametrize(("before", "after"), [("a walk", "a long walk"), ("a long walk", "a walk")])
@pytest.mark.parametrize(
    "told", ["2026-01-02 23:59:59.75+00:00", "2026-01-02 23:59:59.5+00:00", None, "x" * 101]
)
@pytest.mark.parametrize("known", ["2026-01-02 23:59:59.5+00:00", "2026-01-02T23:59:59Z", None])
def test_new_wording_wins_over_a_copy_with_the_old_one(
    known: str | None, told: str | None, before: str, after: str
) -> None:
    stale = replace(at(SUBMITTED), request={"title": before}, updated_at=known)

    worded = advance(stale, Reworded({"title": after}, updated_at=told))
    new = advance(worded, Reported(updated_at=known))

    assert new.request == {"title": after}
    for one, other in ((stale, new), (new, stale)):
        assert join(only(one), only(other)) == only(new)


@pytest.mark.parametrize(
    ("known", "told", "expected"),
    [
        ("2026-01-02 10:00:00.5+00:00", "2026-01-02 10:00:01.25+00:00", "2026-01-02 10:00:01.25+00:00"),
        ("2026-01-02 23:59:59.5+00:00", "2026-01-02 10:00:00+00:00", "2026-01-03 00:00:00.5+00:00"),
        ("2026-01-02T10:00:00Z", None, "2026-01-02T10:00:01Z"),
        # No time that one could count on in.
        ("2026-01-02", None, "2026-01-02"),
        ("9999-12-31 23:59:59", None, "9999-12-31 23:59:59"),
        ("2026-01-02 10:00:99", None, "2026-01-02 10:00:99"),
    ],
)
def test_time_of_a_rewording_is_the_vendors_if_it_is_later(
    known: str, told: str | None, expected: str
) -> None:
    before = replace(at(DONE), updated_at=known)
    assert advance(before, Reworded({"title": "new"}, updated_at=told)).updated_at == expected


def test_giving_up_keeps_the_request_to_buy_again() -> None:
    assert advance(at(ATTENTION), GivenUp("lost", again=True)).again
    assert not advance(at(ATTENTION), GivenUp("lost")).again


def test_resolved_error_is_no_longer_reported() -> None:
    failed = advance(at(SUBMITTED), VendorFailed("bad image"))
    assert failed.error == "bad image"
    assert advance(failed, Finished((OUTPUT,))).error is None


def test_rejection_has_its_reason() -> None:
    rejected = advance(at(SUBMITTING), Rejected("no such template"))
    assert (rejected.reason, rejected.error, rejected.cost) == (Reason.REJECTED, "no such template", 0)
