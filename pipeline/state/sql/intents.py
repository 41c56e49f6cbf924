"""Decides which intents of a turn the caps allow, and which changes they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput
from pipeline.state import transitions
from pipeline.state.events import Superseded
from pipeline.state.store import Caps, Change, Intent, Spent

if TYPE_CHECKING:
    from pipeline.purchases import PurchaseId
    from pipeline.state.sql.rows import Mirror


def assert_priced(intents: Sequence[Intent], caps: Caps) -> None:
    """Refuse intents without a known price if there is a cap on credits.

    Raises:
        InvalidInput: there is one.
    """
    if caps.max_credits is None and caps.budget is None:
        return
    for intent in intents:
        if intent.purchase.credits is None:
            raise InvalidInput(
                f"{intent.purchase.key}: the price of {intent.purchase.template_id} is not known, so no cap "
                "on credits can hold; write it to catalog.credits"
            )


def allowed(intents: Sequence[Intent], spent: Spent, caps: Caps) -> Sequence[Intent]:
    """The intents before the first one that would exceed a cap."""
    for position, intent in enumerate(intents):
        spent = spent.plus(intent.purchase, own=True)
        if not spent.is_within(caps):
            return intents[:position]
    return intents


def changes_of(mirror: Mirror, intents: Sequence[Intent]) -> list[Change]:
    """For each intent, its change, then the flags of the purchases that it supersedes; each is flagged only once."""
    changes: list[Change] = []
    flagged: set[PurchaseId] = set()
    for intent in intents:
        changes.append(Change(before=None, after=intent.purchase, at=intent.at))
        for purchase_id in intent.supersedes:
            before = mirror.purchases[purchase_id]
            if not before.again and purchase_id not in flagged:
                flagged.add(purchase_id)
                after = transitions.advance(before, Superseded())
                changes.append(Change(before=before, after=after, at=intent.at, event=Superseded()))
    return changes
