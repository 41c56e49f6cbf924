"""Sends the rating of a purchase to the vendor."""

from functools import partial

from pipeline.engine.updater import assert_own
from pipeline.errors import Unfinished, UsageError, printable
from pipeline.operations.campaign_state import CampaignState
from pipeline.operations.clock import now
from pipeline.operations.provider import VendorCalls
from pipeline.operations.selection import purchase_named
from pipeline.providers.base import Changes, Provider, VendorError
from pipeline.purchases import Ownership, Purchase


def rate(
    state: CampaignState,
    name: str,
    provider: Provider,
    calls: VendorCalls,
    *,
    rating: int | None,
    delivered: bool,
) -> Purchase:
    """Tell the vendor the rating (else the decided one) of what `name` means, and whether it was delivered.

    Raises:
        UsageError: no such purchase, it has no workflow, or there is nothing to send.
        InvalidInput: the workflow is not the one that was bought, or nothing proves that it is.
        Unfinished: it could not be sent.
        AccountError: the vendor refused the key.
        Stopped: a signal arrived before it was sent.
    """
    purchase = purchase_named(state, name)
    decided = state.decided.get(purchase.id)
    stars = rating or (decided.rating if decided is not None else None)
    if stars is None and not delivered:
        raise UsageError(f"{printable(name)}: there is no rating: pass --rating or --delivered")
    changes = Changes(rating=stars, delivered_at=now() if delivered else None)
    try:
        calls(partial(_tell, provider, purchase, changes, state.ownership()))
    except VendorError as error:
        raise Unfinished(f"{printable(name)}: could not be sent to the vendor: {error}") from error
    return purchase


def _tell(provider: Provider, purchase: Purchase, changes: Changes, ownership: Ownership) -> None:
    if purchase.workflow_id is None:
        raise UsageError(f"{purchase.id} has no workflow at the vendor")
    assert_own(provider.get(purchase.workflow_id), purchase, ownership)
    provider.update(purchase.workflow_id, changes)
