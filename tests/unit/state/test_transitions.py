"""The transitions of a purchase: every one in the table, and no others."""

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from purchase_strategies import decisions, records
from support.protection import fails_without

from pipeline.jobs import JobKey
from pipeline.purchases import Output, Purchase, PurchaseId, Reason, Records, Status, WorkflowId, join
from pipeline.state import transitions
from pipeline.state.transitions import (
    ATTENTION,
    DONE,
    FAILED_AT_VENDOR,
    FLAGS,
    LOST,
    REJECTED,
    SUBMITTED,
    SUBMITTING,
    SUCCEEDED,
    TRANSITIONS,
    VOID,
    Event,
    IllegalTransition,
    Phase,
    advance,
    phase,
    recover,
    recovery,
)

OUTPUT = Output("video/mp4", "https://media.example.com/a", "ab", 3)
EXAMPLES: dict[type[Event], Event] = {
    transitions.Accepted: transitions.Accepted(WorkflowId("w1")),
    transitions.NothingBought: transitions.NothingBought("refused"),
    transitions.Rejected: transitions.Rejected("no such template"),
    transitions.Unresolved: transitions.Unresolved("timed out"),
    transitions.Reported: transitions.Reported(credits=7),
    transitions.Finished: transitions.Finished((OUTPUT,), credits=7),
    transitions.VendorFailed: transitions.VendorFailed("bad image"),
    transitions.Vanished: transitions.Vanished("not found"),
    transitions.Disowned: transitions.Disowned("the workflow of another"),
    transitions.Fetched: transitions.Fetched((OUTPUT,)),
    transitions.Identified: transitions.Identified(WorkflowId("w1")),
    transitions.GivenUp: transitions.GivenUp("given up", again=True),
    transitions.Superseded: transitions.Superseded(),
    transitions.Deleted: transitions.Deleted(),
    transitions.Removed: transitions.Removed(),
    transitions.Reworded: transitions.Reworded({"title": "new"}),
}
PHASES = [SUBMITTING, ATTENTION, VOID, SUBMITTED, SUCCEEDED, DONE, REJECTED, FAILED_AT_VENDOR, LOST]


def at(here: Phase) -> Purchase:
    workflow = None if here in (SUBMITTING, ATTENTION, VOID, REJECTED) else WorkflowId("w1")
    return Purchase(
        id=PurchaseId("0" * 16),
        key=JobKey("a/b"),
        fingerprint="v1:0",
        status=here[0],
        bought_at="2026-01-01",
        template_id="t",
        reason=here[1],
        workflow_id=workflow,
        credits=5,
    )


def test_every_event_has_an_example_here_and_every_status_a_place() -> None:
    assert set(EXAMPLES) == set(get_args(Event))
    assert {status for status, _ in PHASES} == set(Status)


@pytest.mark.parametrize(("step", "there"), TRANSITIONS.items())
def test_each_step_of_the_table_leads_where_it_says(step: tuple[Phase, type[Event]], there: Phase) -> None:
    here, event = step
    assert phase(advance(at(here), EXAMPLES[event])) == there


@pytest.mark.parametrize(("here", "event"), list(product(PHASES, EXAMPLES)))
def test_what_is_not_in_the_table_is_refused(here: Phase, event: type[Event]) -> None:
    allowed = (here, event) in TRANSITIONS or (event in FLAGS and here != VOID)
    if allowed:
        advance(at(here), EXAMPLES[event])
    else:
        with pytest.raises(IllegalTransition):
            advance(at(here), EXAMPLES[event])


@pytest.mark.parametrize("mark", FLAGS)
@pytest.mark.parametrize("here", [each for each in PHASES if each != VOID])
def test_a_mark_leaves_the_status_as_it_is(here: Phase, mark: type[Event]) -> None:
    assert phase(advance(at(here), EXAMPLES[mark])) == here


def test_every_place_can_be_reached_from_the_intent() -> None:
    reached = {SUBMITTING}
    while True:
        further = {there for (here, _), there in TRANSITIONS.items() if here in reached} - reached
        if not further:
            break
        reached |= further
    assert reached == set(PHASES)


def test_no_step_leads_back_to_before_the_create_was_sent() -> None:
    assert all(there != SUBMITTING for there in TRANSITIONS.values())
    # Only what the vendor shows of a workflow proves wrong who said that nothing was bought.
    assert [event for here, event in TRANSITIONS if here == VOID] == [transitions.Identified]


@given(st.lists(st.sampled_from(list(EXAMPLES.values())), max_size=30))
def test_on_any_way_through_life_nothing_paid_is_forgotten(events: list[Event]) -> None:
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
        disowned = isinstance(event, transitions.Disowned)
        assert purchase.workflow_id is None or after.workflow_id is not None or disowned
        assert (after.reason is None) == (after.status is not Status.FAILED)
        has_workflow = after.status in {Status.SUBMITTED, Status.SUCCEEDED, Status.DONE}
        assert after.workflow_id is not None or not has_workflow
        # Joining a step with the copy from before it never undoes it, except for a late answer, and for a
        # workflow that is disowned, which the next poll finds out again.
        late = phase(purchase) in (LOST, FAILED_AT_VENDOR)
        if not late and not disowned:
            assert join(_only(purchase), _only(after)).purchases[after.id].status is after.status
        purchase = after


def test_what_the_vendor_leaves_out_stays_and_what_it_says_wins() -> None:
    told = advance(at(SUBMITTED), transitions.Reported(credits=7, created_at="2026-01-02"))
    again = advance(told, transitions.Reported(updated_at="2026-01-03"))
    assert (again.credits, again.created_at, again.updated_at) == (7, "2026-01-02", "2026-01-03")
    assert advance(again, transitions.Finished((OUTPUT,), credits=0)).credits == 0


def test_given_up_keeps_the_wish_to_buy_again() -> None:
    assert advance(at(ATTENTION), transitions.GivenUp("lost", again=True)).again
    assert not advance(at(ATTENTION), transitions.GivenUp("lost")).again


def test_an_error_that_was_mended_is_told_no_more() -> None:
    failed = advance(at(SUBMITTED), transitions.VendorFailed("bad image"))
    assert failed.error == "bad image"
    assert advance(failed, transitions.Finished((OUTPUT,))).error is None


@fails_without(
    "pipeline.state.transitions:recovery",
    "return Unresolved(RUN_ENDED)",
    swap=("Unresolved", "NothingBought"),
)
@pytest.mark.parametrize("here", PHASES)
def test_only_an_unanswered_create_of_a_dead_run_becomes_attention(here: Phase) -> None:
    assert phase(recover(at(here))) == (ATTENTION if here == SUBMITTING else here)


@pytest.mark.parametrize("here", PHASES)
def test_a_rescued_id_is_taken_where_the_purchase_waits_for_one(here: Phase) -> None:
    purchase = at(here)
    if here == LOST:
        purchase = advance(at(ATTENTION), transitions.GivenUp("lost"))
    event = recovery(purchase, WorkflowId("w-rescued"))
    if here in (SUBMITTING, ATTENTION, LOST):
        assert event is not None
        after = advance(purchase, event)
        assert (after.status, after.workflow_id) == (Status.SUBMITTED, "w-rescued")
    else:
        assert event is None


def test_a_rescued_id_does_not_replace_one_that_is_known() -> None:
    assert recovery(at(SUBMITTED), WorkflowId("w-other")) is None
    assert recovery(at(LOST), WorkflowId("w-other")) is None


@given(records, records, decisions)
def test_absorbing_is_joining_and_leaves_nothing_waited_for_by_nobody(mine, theirs, said) -> None:  # type: ignore[no-untyped-def]  # three generated values
    held = transitions.absorb(mine, theirs, said)
    assert held.purchases.keys() == mine.purchases.keys() | theirs.purchases.keys()
    for purchase_id, purchase in held.purchases.items():
        if purchase.status is Status.SUBMITTING:
            assert mine.purchases[purchase_id].status is Status.SUBMITTING
    assert transitions.absorb(held, theirs, said) == held


def _only(purchase: Purchase) -> Records:
    return Records({purchase.id: purchase})


def test_a_rejection_is_told_with_its_reason() -> None:
    rejected = advance(at(SUBMITTING), transitions.Rejected("no such template"))
    assert (rejected.reason, rejected.error, rejected.cost) == (Reason.REJECTED, "no such template", 0)


def test_a_create_of_ours_that_is_still_unanswered_stays_so_in_a_join() -> None:
    mine, theirs = at(SUBMITTING), replace(at(SUBMITTING), id=PurchaseId("1" * 16))
    joined = transitions.absorb(_only(mine), Records({**_only(mine).purchases, theirs.id: theirs}))
    assert joined.purchases[mine.id] == mine
    assert joined.purchases[theirs.id].status is Status.ATTENTION


@fails_without(
    "pipeline.state.transitions:_under_way", "if joined.status is not", swap=("Status.ATTENTION", "None")
)
def test_what_others_make_of_a_create_of_ours_that_is_under_way_tells_nothing() -> None:
    """They have read its intent, and cannot know whether it will be sent."""
    mine = at(SUBMITTING)
    marked = replace(recover(mine), again=True)

    assert transitions.absorb(_only(mine), _only(recover(mine))) == _only(mine)
    assert transitions.absorb(_only(mine), _only(marked)) == _only(replace(mine, again=True))


@pytest.mark.parametrize("here", [VOID, SUBMITTED, DONE, LOST])
def test_what_a_person_has_settled_elsewhere_counts(here: Phase) -> None:
    assert transitions.absorb(_only(at(SUBMITTING)), _only(at(here))) == _only(at(here))


@pytest.mark.parametrize("mine_first", [True, False])
@pytest.mark.parametrize("here", [ATTENTION, SUBMITTED, VOID])
def test_a_part_that_waits_for_an_answer_is_believed_unless_another_part_knows_it(
    here: Phase, mine_first: bool
) -> None:
    mine, theirs = at(SUBMITTING), at(here)
    parts = [_only(mine), _only(theirs)]

    [found] = transitions.observed(parts if mine_first else parts[::-1]).purchases.values()

    assert found == (mine if here == ATTENTION else theirs)


def test_what_no_part_waits_for_is_as_the_parts_have_it() -> None:
    lost = at(ATTENTION)

    [found] = transitions.observed([_only(lost), _only(lost)]).purchases.values()

    assert found == lost
