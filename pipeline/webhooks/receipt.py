"""A receipt: that the vendor called for a purchase, and which workflows it named. It is only a hint."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.json_values import integer_of
from pipeline.records import workflow_id_of

if TYPE_CHECKING:
    from pipeline.purchases import Purchase, PurchaseId, WorkflowId

# The names that the vendor uses for a workflow's id.
_NAMES = ("workflow_id", "batch_id", "media_id", "id")
# The most workflows that may be named for one purchase: anyone who knows its address could otherwise fill the memory.
MAX_NAMED = 4


@dataclass(frozen=True, slots=True)
class Receipt:
    """The vendor called for `purchase`; `named` are the workflows that it named, at most `MAX_NAMED`.

    `age` is in seconds: how long ago the vendor called, as of when the receipt was read.
    """

    purchase: PurchaseId
    named: tuple[WorkflowId, ...] = ()
    age: float = field(default=0.0, compare=False)

    def joined(self, other: Receipt) -> Receipt:
        """Join two receipts of the same purchase."""
        named = tuple(dict.fromkeys((*self.named, *other.named)))[:MAX_NAMED]
        return Receipt(self.purchase, named, min(self.age, other.age))


def workflows_in(body: bytes) -> tuple[WorkflowId, ...]:
    """The valid workflow ids in the body of a call; everything else in it is ignored."""
    try:
        document = json.loads(body, strict=False, parse_int=integer_of)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(document, dict):
        return ()
    named = (workflow_id_of(document.get(name)) for name in _NAMES)
    return tuple(dict.fromkeys(each for each in named if each is not None))


class ReceiptInbox:
    """Receipts that arrived and were not taken yet, one per purchase. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[PurchaseId, Receipt] = {}
        self._wake: Callable[[], object] = lambda: None

    def on_receipt(self, wake: Callable[[], object]) -> None:
        """Call `wake` when a receipt arrives in the empty inbox, in the thread that puts it there."""
        with self._lock:
            self._wake = wake

    def put(self, receipt: Receipt) -> None:
        """Add a receipt; it is joined with a waiting one of the same purchase."""
        with self._lock:
            wake = None if self._waiting else self._wake
            before = self._waiting.get(receipt.purchase)
            self._waiting[receipt.purchase] = receipt if before is None else before.joined(receipt)
        if wake is not None:
            wake()

    def take_all(self) -> list[Receipt]:
        """Remove and return all receipts."""
        with self._lock:
            taken, self._waiting = self._waiting, {}
        return list(taken.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """The webhook settings of a run.

    `address_of` returns the address for a purchase, `templates` are the ids of templates that accept one. If
    `address_of` is None, no address is sent, but receipts are still handled.
    """

    inbox: ReceiptInbox
    address_of: Callable[[PurchaseId], str] | None = None
    templates: frozenset[str] = frozenset()

    def url_for(self, purchase_id: PurchaseId, template_id: str) -> str | None:
        """The `webhook_url` of a create; None if it has none."""
        if self.address_of is None or template_id not in self.templates:
            return None
        return self.address_of(purchase_id)

    def expects(self, purchase: Purchase) -> bool:
        """Whether the vendor will call for a purchase of this run."""
        return self.address_of is not None and purchase.template_id in self.templates
