"""Proof that a workflow at the vendor is a purchase's own: results may come from a stranger's pull request."""

import re
from dataclasses import dataclass

from pipeline.purchases import Purchase, PurchaseId

# What a campaign's name may hold: beside any other character, it stands for itself.
_OF_NAMES = "[A-Za-z0-9_-]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Whose workflows are whose. `recorded` are the purchases whose intent this state recorded: they are its own."""

    campaign: str
    recorded: frozenset[PurchaseId]

    def is_recorded(self, purchase: Purchase) -> bool:
        """Whether the state itself knows that it sent the create."""
        return purchase.id in self.recorded

    def can_be_proven(self, purchase: Purchase) -> bool:
        """Whether the vendor's answer may show that the workflow is the purchase's own, by what was sent."""
        sent = purchase.request
        return self.is_recorded(purchase) or self.is_named_in(
            purchase.id, str(sent.get("title", "")), str(sent.get("description", ""))
        )

    def is_named_in(self, purchase_id: PurchaseId, *texts: str) -> bool:
        """Whether `texts` hold the purchase's id and the campaign's name, each standing for itself."""
        text = "\n".join(texts)
        name = rf"(?<!{_OF_NAMES}){re.escape(self.campaign)}(?!{_OF_NAMES})"
        return re.search(rf"\b{purchase_id}\b", text) is not None and re.search(name, text) is not None
