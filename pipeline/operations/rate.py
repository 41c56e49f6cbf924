"""Sends the ratings of purchases to the vendor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pipeline.engine.identity import assert_own
from pipeline.errors import InvalidInput, PipelineError, Unfinished, UsageError, printable
from pipeline.operations.clock import now
from pipeline.operations.selection import purchase_named
from pipeline.providers.base import Changes, Provider, VendorError

if TYPE_CHECKING:
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.provider import VendorCalls
    from pipeline.purchases import Ownership, Purchase, PurchaseId


def ratings(
    state: CampaignState, names: Sequence[str], *, rating: int | None, delivered: bool
) -> Mapping[PurchaseId, Changes]:
    """What to send for the purchases that `names` refer to: `rating`, or the one decided on, and the delivery time.

    Raises:
        UsageError: there is no such purchase, it has no workflow, or there is nothing to send.
    """
    found: dict[PurchaseId, Changes] = {}
    delivered_at = now() if delivered else None
    for name in names:
        purchase = purchase_named(state, name)
        decided = state.decided.get(purchase.id)
        stars = rating or (decided.rating if decided is not None else None)
        if stars is None and not delivered:
            raise UsageError(f"{printable(name)}: there is no rating: pass --rating or --delivered")
        if purchase.workflow_id is None:
            raise UsageError(f"{purchase.id} has no workflow at the vendor")
        found[purchase.id] = Changes(rating=stars, delivered_at=delivered_at)
    return found


def send(
    state: CampaignState,
    changes: Mapping[PurchaseId, Changes],
    provider: Provider,
    calls: VendorCalls,
    on_sent: Callable[[Purchase], object],
    on_failure: Callable[[Purchase, PipelineError], object],
) -> None:
    """Send one after another; each is passed to `on_sent`, or to `on_failure` if it could not be sent.

    Raises:
        AccountError: the vendor refused the key.
        Stopped: a signal arrived before all were sent.
    """
    ownership = state.ownership()
    for purchase_id, change in changes.items():
        purchase = state.records.purchases[purchase_id]
        try:
            calls(partial(_tell, provider, purchase, change, ownership))
        except VendorError as error:
            on_failure(purchase, Unfinished(f"could not be sent to the vendor: {error}"))
        except InvalidInput as error:
            on_failure(purchase, InvalidInput(f"not sent: {error}"))
        else:
            on_sent(purchase)


def _tell(provider: Provider, purchase: Purchase, changes: Changes, ownership: Ownership) -> None:
    if purchase.workflow_id is None:
        raise UsageError(f"{purchase.id} has no workflow at the vendor")
    assert_own(provider.get(purchase.workflow_id), purchase, ownership)
    provider.update(purchase.workflow_id, changes)
