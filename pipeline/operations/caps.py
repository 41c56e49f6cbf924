"""The caps of one run: those of the manifest, or lower ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.state.store import Caps

if TYPE_CHECKING:
    from pipeline.manifest.catalog import Catalog
    from pipeline.manifest.model import Campaign
    from pipeline.purchases import Purchase


def caps_of(campaign: Campaign, *, max_creates: int | None = None, max_credits: int | None = None) -> Caps:
    """The manifest's caps, lowered to the given ones, with the prices of its catalogue.

    Raises:
        UsageError: a given cap is above the manifest's.
    """
    limits = campaign.limits
    return Caps(
        max_creates=_lowered("--max-creates", max_creates, limits.max_creates),
        max_credits=_lowered("--max-credits", max_credits, limits.max_credits),
        budget=limits.budget,
        price_of=partial(_price, campaign.catalog),
    )


def _price(catalog: Catalog, purchase: Purchase) -> int | None:
    options: Any = purchase.request.get("options")
    return catalog.price(purchase.template_id, options if isinstance(options, dict) else {})


def _lowered(name: str, wanted: int | None, limit: int | None) -> int | None:
    if wanted is not None and limit is not None and wanted > limit:
        raise UsageError(
            f"{name} {wanted:,} exceeds the manifest's limit of {limit:,}; it can only be lowered"
        )
    return limit if wanted is None else wanted
