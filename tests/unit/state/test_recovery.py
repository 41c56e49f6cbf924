"""What a run makes of purchases that are not its own: those of dead runs, of other machines, and of other shards."""

from dataclasses import replace

import pytest
from hypothesis import given
from purchase_strategies import decisions, records
from support.phases import PHASES, at, only
from support.protection import fails_without

from pipeline.purchases import PurchaseId, Records, Status, WorkflowId
from pipeline.state.events import GivenUp
from pipeline.state.recovery import absorb, observed, recover, recovery
from pipeline.state.transitions import (
    ATTENTION,
    DONE,
    LOST,
    SUBMITTED,
    SUBMITTING,
    VOID,
    Phase,
    advance,
    phase,
)


@fails_without(
    "pipeline.state.recovery:recovery",
    "return Unresolved(RUN_ENDED)",
    swap=("Unresolved", "NothingBought"),
)
@pytest.mark.parametrize("here", PHASES)
def test_only_an_unanswered_create_of_a_crashed_run_needs_attention(here: Phase) -> None:
    assert phase(recover(at(here))) == (ATTENTION if here == SUBMITTING else here)


@pytest.mark.parametrize("here", PHASES)
def test_rescued_id_is_accepted_if_the_purchase_has_none_and_may_have_been_bought(here: Phase) -> None:
    purchase = at(here)
    if here == LOST:
        purchase = advance(at(ATTENTION), GivenUp("lost"))
    event = recovery(purchase, WorkflowId("w-rescued"))
    if here in (SUBMITTING, ATTENTION, LOST, VOID):
        assert event is not None
        after = advance(purchase, event)
        assert (after.status, after.workflow_id) == (Status.SUBMITTED, "w-rescued")
    else:
        assert event is None


def test_rescued_id_does_not_replace_a_known_one() -> None:
    assert recovery(at(SUBMITTED), WorkflowId("w-other")) is None
    assert recovery(at(LOST), WorkflowId("w-other")) is None


@given(records, records, decisions)
def test_absorb_merges_and_leaves_no_orphaned_submitting(mine, theirs, said) -> None:  # type: ignore[no-untyped-def]  # three generated values
    held = absorb(mine, theirs, said)
    assert held.purchases.keys() == mine.purchases.keys() | theirs.purchases.keys()
    for purchase_id, purchase in held.purchases.items():
        if purchase.status is Status.SUBMITTING:
            assert mine.purchases[purchase_id].status is Status.SUBMITTING
    assert absorb(held, theirs, said) == held


def test_own_unanswered_create_stays_unanswered_in_a_merge() -> None:
    mine, theirs = at(SUBMITTING), replace(at(SUBMITTING), id=PurchaseId("1" * 16))
    joined = absorb(only(mine), Records({**only(mine).purchases, theirs.id: theirs}))
    assert joined.purchases[mine.id] == mine
    assert joined.purchases[theirs.id].status is Status.ATTENTION


@fails_without(
    "pipeline.state.recovery:_under_way", "if joined.status is not", swap=("Status.ATTENTION", "None")
)
def test_views_of_others_on_our_create_under_way_are_ignored() -> None:
    """They have read its intent, and cannot know whether it will be sent."""
    mine = at(SUBMITTING)
    marked = replace(recover(mine), again=True)

    assert absorb(only(mine), only(recover(mine))) == only(mine)
    assert absorb(only(mine), only(marked)) == only(replace(mine, again=True))


@pytest.mark.parametrize("here", [VOID, SUBMITTED, DONE, LOST])
def test_resolution_by_a_person_elsewhere_counts(here: Phase) -> None:
    assert absorb(only(at(SUBMITTING)), only(at(here))) == only(at(here))


@pytest.mark.parametrize("mine_first", [True, False])
@pytest.mark.parametrize("here", [ATTENTION, SUBMITTED, VOID])
def test_shard_awaiting_a_response_is_believed_unless_another_knows_it(here: Phase, mine_first: bool) -> None:
    mine, theirs = at(SUBMITTING), at(here)
    parts = [only(mine), only(theirs)]

    [found] = observed(parts if mine_first else parts[::-1]).purchases.values()

    assert found == (mine if here == ATTENTION else theirs)


def test_purchase_awaited_by_no_shard_is_unchanged() -> None:
    lost = at(ATTENTION)

    [found] = observed([only(lost), only(lost)]).purchases.values()

    assert found == lost
