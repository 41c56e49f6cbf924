"""Resolves a purchase whose outcome is unknown, by a person's decision."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pipeline.engine.identity import assert_bought
from pipeline.errors import InvalidInput, UsageError, printable
from pipeline.operations.clock import now
from pipeline.operations.results_publisher import republish
from pipeline.providers.base import NotFound, Provider
from pipeline.purchases import Purchase, Reason, Status, WorkflowId
from pipeline.state.events import Event, GivenUp, Identified, NothingBought
from pipeline.state.store import Change
from pipeline.state.transitions import advance

if TYPE_CHECKING:
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.provider import VendorCalls


def assert_not_elsewhere(state: CampaignState, purchase: Purchase) -> None:
    """Check that no other machine is about to send the create, judged by its age.

    Raises:
        UsageError: another machine may be.
    """
    if purchase.id in state.elsewhere():
        raise UsageError(
            f"{purchase.id} is under way elsewhere, since {purchase.bought_at}: another machine may be sending it; "
            "wait for its results, or pass --now if that machine is dead"
        )


def give_up(state: CampaignState, purchase: Purchase, *, again: bool) -> Purchase:
    """Give `purchase` up as lost, and with `again` have the next run buy it again; returns it as it is then.

    Raises:
        UsageError: it is neither in attention nor stuck.
        Unfinished, InvalidInput: the records cannot be written.
    """
    if purchase.status not in {Status.ATTENTION, Status.SUBMITTED}:
        again_by = f"; `pipeline run {state.workspace.target} --retry-failed` buys it again"
        hint = again_by if purchase.status is Status.FAILED else ""
        raise UsageError(
            f"{purchase.id} {purchase.in_words}: "
            f"only a purchase that needs attention or is stuck can be given up{hint}"
        )
    return _commit(state, purchase, GivenUp("given up as lost", again))


def not_bought(state: CampaignState, purchase: Purchase) -> Purchase:
    """Take a person's word that the vendor has no workflow of `purchase`: its credits are free again.

    Raises:
        UsageError: it is not in attention.
        Unfinished, InvalidInput: the records cannot be written.
    """
    if purchase.status is not Status.ATTENTION:
        hint = "; --resubmit or --abandon gives it up" if purchase.status is Status.SUBMITTED else ""
        raise UsageError(f"{purchase.id} {purchase.in_words}: there is nothing to resolve{hint}")
    return _commit(state, purchase, NothingBought("a person found no workflow for it at the vendor"))


def identify(
    state: CampaignState,
    purchase: Purchase,
    workflow_id: WorkflowId,
    provider: Provider,
    calls: VendorCalls,
) -> Purchase:
    """Record `workflow_id` as the workflow of `purchase`, once a GET has shown that it is; returns it as it is then.

    A wrong workflow would pass for the result of this job. The purchase may have been given up before, or thought not
    to be bought.

    Raises:
        UsageError: the purchase has a workflow already or is deleted, or another purchase has this workflow.
        InvalidInput: the workflow is not there, or is not what was sent, or names another purchase.
        Unfinished: the vendor does not answer, or the records cannot be written.
        Stopped: a signal arrived before the vendor answered.
    """
    _assert_open(purchase, workflow_id)
    for other in state.records.purchases.values():
        if other.workflow_id == workflow_id and other.id != purchase.id:
            raise UsageError(_taken(state, purchase, other))
    try:
        workflow = calls(partial(provider.get, workflow_id))
    except NotFound:
        raise InvalidInput(f"the vendor knows no workflow {printable(workflow_id)}") from None
    assert_bought(workflow, purchase)
    return _commit(state, purchase, Identified(workflow_id))


def _taken(state: CampaignState, purchase: Purchase, other: Purchase) -> str:
    manifest, key, theirs = state.workspace.target, printable(purchase.key), printable(other.key)
    return (
        f"{printable(other.workflow_id or '')} is the workflow of {other.id} ({theirs}). If that is a mistake, "
        f"{theirs} has what was made for {key}: `pipeline resolve {manifest} {purchase.id} --resubmit` has {key} "
        f"bought again, --abandon gives it up; `pipeline redo {manifest} {other.id}` has {theirs} made again"
    )


def _assert_open(purchase: Purchase, workflow_id: WorkflowId) -> None:
    if purchase.status not in {Status.ATTENTION, Status.VOID} and purchase.reason is not Reason.LOST:
        raise UsageError(f"{purchase.id} {purchase.in_words}: there is nothing to resolve")
    if purchase.deleted:
        raise UsageError(
            f"{purchase.id} was deleted here and is no longer tracked: get what "
            f"{printable(workflow_id)} made from the vendor's site"
        )


def _commit(state: CampaignState, purchase: Purchase, event: Event) -> Purchase:
    after = advance(purchase, event)
    state.store.commit([Change(before=purchase, after=after, at=now(), event=event)])
    republish(state)
    return after
