"""How a run takes over purchases that are not its own: those of dead runs, and of other machines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pipeline.join import join_all, with_flags_of
from pipeline.purchases import UNDECIDED, Decisions, Purchase, Records, Status, WorkflowId
from pipeline.state.events import Accepted, Event, Identified, Unresolved
from pipeline.state.transitions import ATTENTION, LOST, VOID, advance, phase

# The error of a create whose run, here or elsewhere, has not recorded the vendor's response.
RUN_ENDED = "the run ended before the vendor's answer was known"


def may_be_identified(purchase: Purchase) -> bool:
    """Whether its workflow may still turn up: the outcome is unknown, or was settled without a workflow."""
    return purchase.workflow_id is None and phase(purchase) in (ATTENTION, LOST, VOID)


def recovery(purchase: Purchase, rescued: WorkflowId | None = None) -> Event | None:
    """The event by which a new run takes over a purchase of a dead run; None if nothing has to change.

    `rescued` is the workflow id that the dead run could not store in the state.
    """
    if rescued is not None and purchase.workflow_id is None:
        if purchase.status is Status.SUBMITTING:
            return Accepted(rescued)
        if may_be_identified(purchase):
            return Identified(rescued)
    if purchase.status is Status.SUBMITTING:
        return Unresolved(RUN_ENDED)
    return None


def recover(purchase: Purchase) -> Purchase:
    """A purchase of a dead run, or of another machine, as this run treats it: `submitting` becomes `attention`."""
    event = recovery(purchase)
    return purchase if event is None else advance(purchase, event)


def absorb(mine: Records, theirs: Records, decisions: Decisions = UNDECIDED) -> Records:
    """Join both. A `submitting` that only `theirs` has becomes `attention`: no run here waits for its outcome."""
    joined = join_all((mine, theirs), decisions)
    ours = {each.id: each for each in mine.purchases.values() if each.status is Status.SUBMITTING}
    known = {
        purchase_id: _under_way(ours[purchase_id], purchase) if purchase_id in ours else recover(purchase)
        for purchase_id, purchase in joined.purchases.items()
    }
    return replace(joined, purchases=known)


def observed(parts: Iterable[Records]) -> Records:
    """Join the records of several parts of a campaign; a create that one of them waits for stays `submitting`.

    Each part is as its own run left or has it, so a `submitting` belongs to a run that waits for the outcome.
    """
    parts = list(parts)
    joined = join_all(parts)
    waited_for = {
        each.id: each
        for part in parts
        for each in part.purchases.values()
        if each.status is Status.SUBMITTING
    }
    known = {
        purchase_id: _under_way(waited_for[purchase_id], purchase) if purchase_id in waited_for else purchase
        for purchase_id, purchase in joined.purchases.items()
    }
    return replace(joined, purchases=known)


def _under_way(mine: Purchase, joined: Purchase) -> Purchase:
    """Keep a run's own unanswered create `submitting`: that others see it as `attention` is not an outcome."""
    if joined.status is not Status.ATTENTION:
        return joined
    return with_flags_of(mine, joined)
