"""Handles receipts by polling the workflow immediately. A receipt is a hint, and is never trusted on its own."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from pipeline.engine.calls import CallPool, result_of
from pipeline.engine.poller import NOT_FOUND_SECONDS, poll
from pipeline.engine.updater import assert_bought
from pipeline.errors import InvalidInput, printable
from pipeline.providers.base import NotFound, Provider, VendorError, Workflow
from pipeline.purchases import Purchase, PurchaseId, Reason, Status, WorkflowId
from pipeline.state.transitions import Identified, may_be_identified
from pipeline.webhooks.receipt import MAX_NAMED, Receipt, ReceiptInbox

if TYPE_CHECKING:
    from pipeline.engine.in_flight import InFlight
    from pipeline.engine.journal import Journal
    from pipeline.engine.reporter import Reporter


@dataclass(kw_only=True, eq=False, slots=True)
class ReceiptHandler:
    """Acts on receipts, in the coordinator's thread.

    A running purchase is polled. A purchase with an unknown outcome, or one that was settled without a workflow, gets
    the workflow that a receipt names, once a GET has shown that it is its own. A receipt for a purchase that is just
    being sent waits until the outcome is known. A receipt has no other effect.
    """

    provider: Provider
    calls: CallPool
    journal: Journal
    in_flight: InFlight
    reporter: Reporter
    inbox: ReceiptInbox

    _early: dict[PurchaseId, Receipt] = field(default_factory=dict, init=False)
    _ready: deque[Receipt] = field(default_factory=deque, init=False)
    _asked: dict[PurchaseId, set[WorkflowId]] = field(default_factory=dict, init=False)
    _to_ask: deque[Receipt] = field(default_factory=deque, init=False)  # each names one workflow
    _not_checked: dict[PurchaseId, Receipt] = field(default_factory=dict, init=False)

    def open(self) -> None:
        """Handle the receipts already in the inbox, and subscribe to new ones."""
        self.inbox.on_receipt(partial(self.calls.notify, self._handle_receipts))
        self._handle_receipts()

    def is_in_doubt(self, intended: Purchase) -> bool:
        """Whether the same may turn out to have been bought before: a receipt of this run named its workflow."""
        named = (self.journal.purchases[purchase_id] for purchase_id, asked in self._asked.items() if asked)
        return any(_could_replace(each, intended) for each in named)

    def due_at(self) -> float | None:
        """0.0 if there is something to do now; None: not before a receipt arrives."""
        return 0.0 if self._ready or self._to_ask else None

    def start_next(self) -> bool:
        """Start to get the next workflow that a receipt named; False if there is none."""
        while self._ready:
            self._act_upon(self._ready.popleft())
        if not self._to_ask:
            return False
        receipt = self._to_ask.popleft()
        (workflow_id,) = receipt.named
        self.calls.charge(1)
        done = partial(self._on_workflow, receipt, workflow_id)
        self.calls.submit(done, poll, self.provider, workflow_id)
        return True

    def outcome_known(self, purchase: Purchase) -> None:
        """Queue a receipt that arrived while the purchase was being sent, to be handled after its outcome."""
        receipt = self._early.pop(purchase.id, None)
        if receipt is not None:
            self._ready.append(receipt)

    def left_over(self) -> list[Receipt]:
        """Receipts that the next run may need: not handled, or the vendor could not be asked for their workflow."""
        not_handled = [*self.inbox.take_all(), *self._early.values(), *self._ready, *self._to_ask]
        receipts = [*not_handled, *self._not_checked.values()]
        return [each for each in receipts if self._may_be_needed(each.purchase)]

    def _may_be_needed(self, purchase_id: PurchaseId) -> bool:
        purchase = self.journal.purchases.get(purchase_id)
        # A receipt for an unknown purchase may belong to another campaign with records in the same folder.
        return purchase is None or purchase.status is Status.SUBMITTING or may_be_identified(purchase)

    def _handle_receipts(self) -> None:
        for receipt in self.inbox.take_all():
            self._act_upon(receipt)

    def _act_upon(self, receipt: Receipt) -> None:
        match self.journal.purchases.get(receipt.purchase):
            case None:
                self._keep(receipt)
            case Purchase(status=Status.SUBMITTED) as purchase:
                self.in_flight.poll_now(purchase.id)
            case Purchase(status=Status.SUBMITTING):
                # The vendor's webhook call arrived before its response to the create.
                before = self._early.get(receipt.purchase, receipt)
                self._early[receipt.purchase] = before.joined(receipt)
            case Purchase() as purchase if may_be_identified(purchase):
                self._ask_for(purchase, receipt)
            case _:
                pass  # it has ended

    def _keep(self, receipt: Receipt) -> None:
        before = self._not_checked.get(receipt.purchase, receipt)
        self._not_checked[receipt.purchase] = before.joined(receipt)

    def _ask_for(self, purchase: Purchase, receipt: Receipt) -> None:
        asked = self._asked.setdefault(purchase.id, set())
        for workflow_id in receipt.named:
            is_free = not self.journal.has_workflow(workflow_id)
            if is_free and workflow_id not in asked and len(asked) < MAX_NAMED:
                asked.add(workflow_id)
                self._to_ask.append(replace(receipt, named=(workflow_id,)))

    def _on_workflow(self, receipt: Receipt, workflow_id: WorkflowId, future: Future[Workflow]) -> None:
        result, purchase = result_of(future), self.journal.purchases[receipt.purchase]
        is_settled = purchase.status is not Status.ATTENTION
        if isinstance(result, NotFound) and is_settled and receipt.age >= NOT_FOUND_SECONDS:
            # It holds back what a person wants to be bought, so it is not checked for ever.
            self.reporter.warn(
                f"{purchase.key}: a webhook named {printable(workflow_id)} as its workflow, but the vendor knows none"
            )
            return
        if isinstance(result, VendorError):
            # Also after a 404: one alone proves nothing, and the id may be recorded nowhere else.
            self._keep(receipt)
            self.reporter.warn(
                f"{purchase.key}: a webhook named {printable(workflow_id)} as its workflow, but checking it failed, "
                f"so the next run checks it again: {printable(str(result))}"
            )
            return
        if not isinstance(result, Workflow):
            raise result
        # Meanwhile the purchase may have been resolved, or another purchase may have got the workflow.
        if not may_be_identified(purchase) or self.journal.has_workflow(workflow_id):
            return
        try:
            assert_bought(result, purchase)
        except InvalidInput as error:
            self.reporter.warn(f"{purchase.key}: a receipt that cannot be confirmed: {printable(str(error))}")
            return
        self.journal.record(purchase.id, Identified(workflow_id), self._identified)

    def _identified(self, purchase: Purchase) -> None:
        # A warning, because the unknown outcome was reported as a warning too.
        found = printable(purchase.workflow_id or "")
        self.reporter.warn(f"{purchase.key}: was bought after all, as {found}: the vendor called")
        self.in_flight.follow(purchase)


def _could_replace(purchase: Purchase, intended: Purchase) -> bool:
    # What failed at the vendor, or is to be bought again, is no reason to wait.
    if purchase.again or purchase.reason is Reason.VENDOR:
        return False
    is_same_request = (purchase.fingerprint, purchase.inputs) == (intended.fingerprint, intended.inputs)
    return is_same_request or purchase.key == intended.key
