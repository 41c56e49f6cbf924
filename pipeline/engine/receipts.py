"""Handles receipts by polling the workflow immediately. A receipt is a hint, and is never trusted on its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from pipeline.engine.calls import CallPool, result_of
from pipeline.engine.identity import assert_bought
from pipeline.engine.poller import NOT_FOUND_SECONDS, poll
from pipeline.errors import InvalidInput, PipelineError, printable
from pipeline.providers.base import NotFound, Provider, VendorError, Workflow
from pipeline.purchases import Purchase, PurchaseId, Reason, Status, WorkflowId
from pipeline.state.events import Identified
from pipeline.state.recovery import may_be_identified
from pipeline.webhooks.receipt import MAX_NAMED, Receipt, ReceiptInbox

if TYPE_CHECKING:
    from pipeline.engine.buy_queue import BuyQueue
    from pipeline.engine.in_flight import InFlight
    from pipeline.engine.journal import Journal
    from pipeline.engine.reporter import Reporter
    from pipeline.jobs import Job
    from pipeline.planning.plan import Entry

_CHECKED_FIRST = "a webhook named the workflow of an earlier purchase, which is checked first; run again"


@dataclass(kw_only=True, eq=False, slots=True)
class ReceiptHandler:
    """Acts on receipts, in the coordinator's thread.

    A running purchase is polled. A purchase with an unknown outcome, or one that was settled without a workflow, gets
    the workflow that a receipt names, once a GET has shown that it is its own. A receipt for a purchase that is just
    being sent waits until the outcome is known. What may have been bought before is not bought until the vendor has
    answered. A receipt has no other effect. `serve` gets a job and the purchase that serves it after all, `follow`
    each purchase that got its workflow.
    """

    provider: Provider
    calls: CallPool
    journal: Journal
    in_flight: InFlight
    queue: BuyQueue
    reporter: Reporter
    inbox: ReceiptInbox
    serve: Callable[[Job, Purchase], None]
    follow: Callable[[Purchase], None]

    _early: dict[PurchaseId, Receipt] = field(default_factory=dict, init=False)
    _ready: deque[Receipt] = field(default_factory=deque, init=False)
    _asked: dict[PurchaseId, set[WorkflowId]] = field(default_factory=dict, init=False)
    _to_ask: deque[Receipt] = field(default_factory=deque, init=False)  # each names one workflow
    _checking: list[Receipt] = field(default_factory=list, init=False)  # those, until the answer is on disk
    _held: list[tuple[Entry, Purchase]] = field(default_factory=list, init=False)
    _not_checked: dict[PurchaseId, Receipt] = field(default_factory=dict, init=False)

    def open(self) -> None:
        """Handle the receipts already in the inbox, and subscribe to new ones."""
        self.inbox.on_receipt(partial(self.calls.notify, self._handle_receipts))
        self._handle_receipts()

    def is_in_doubt(self, intended: Purchase) -> bool:
        """Whether the same may have been bought before: a receipt of this run named its workflow."""
        return bool(self._could_replace(intended))

    def hold(self, entry: Entry, intended: Purchase) -> None:
        """Hold `entry`, whose `intended` purchase is in doubt, until the vendor has answered."""
        self._held.append((entry, intended))
        self._decide_on_held()

    def _could_replace(self, intended: Purchase) -> list[Purchase]:
        named = (self.journal.purchases[purchase_id] for purchase_id, asked in self._asked.items() if asked)
        return [each for each in named if _could_replace(each, intended) and self._may_be_bought(each)]

    def _may_be_bought(self, named: Purchase) -> bool:
        """Whether a purchase was bought, or may have been; not if no workflow that was named for it is its own.

        Then it is as if none had been named, also if its outcome stays unknown: this holds back no changed job.
        """
        is_unclear = named.id in self._not_checked or self._is_being_checked(named)
        return named.workflow_id is not None or is_unclear

    def _is_being_checked(self, named: Purchase) -> bool:
        return any(receipt.purchase == named.id for receipt in self._checking)

    def _decide_on_held(self) -> None:
        held, self._held = self._held, []
        for entry, intended in held:
            earlier = self._could_replace(intended)
            serving = next((each for each in earlier if each.workflow_id and _is_same(each, intended)), None)
            if not earlier:
                self.queue.requeue(entry)
            elif serving is not None and entry.job is not None and not entry.supersedes:
                self.serve(entry.job, serving)
            elif any(map(self._is_being_checked, earlier)):
                self._held.append((entry, intended))
            else:
                unknown = next((each for each in earlier if each.status is Status.ATTENTION), None)
                self.queue.leave_to_next_run(
                    entry, _CHECKED_FIRST if unknown is None else _to_resolve(unknown)
                )

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
        not_handled = [*self.inbox.take_all(), *self._early.values(), *self._ready, *self._checking]
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
                self._checking.append(self._to_ask[-1])

    def _on_workflow(self, receipt: Receipt, workflow_id: WorkflowId, future: Future[Workflow]) -> None:
        result = result_of(future)
        if self._confirms(receipt, workflow_id, result):
            identified = partial(self._identified, receipt)
            self.journal.record(receipt.purchase, Identified(workflow_id), identified)
        else:
            self._checking.remove(receipt)
            self._decide_on_held()

    def _confirms(self, receipt: Receipt, workflow_id: WorkflowId, result: Workflow | PipelineError) -> bool:
        """Whether the answer of the vendor shows that a workflow is that of the purchase of `receipt`."""
        purchase = self.journal.purchases[receipt.purchase]
        is_settled = purchase.status is not Status.ATTENTION
        if isinstance(result, NotFound) and is_settled and receipt.age >= NOT_FOUND_SECONDS:
            # It holds back what a person wants to be bought, so it is not checked for ever.
            self.reporter.warn(
                f"{purchase.key}: a webhook named {printable(workflow_id)} as its workflow, but the vendor knows none"
            )
            return False
        if isinstance(result, VendorError):
            # Also after a 404: one alone proves nothing, and the id may be recorded nowhere else.
            self._keep(receipt)
            self.reporter.warn(
                f"{purchase.key}: a webhook named {printable(workflow_id)} as its workflow, but checking it failed, "
                f"so the next run checks it again: {printable(str(result))}"
            )
            return False
        if not isinstance(result, Workflow):
            raise result
        # Meanwhile the purchase may have been resolved, or another purchase may have got the workflow.
        if not may_be_identified(purchase) or self.journal.has_workflow(workflow_id):
            return False
        try:
            assert_bought(result, purchase)
        except InvalidInput as error:
            self.reporter.warn(f"{purchase.key}: a receipt that cannot be confirmed: {printable(str(error))}")
            return False
        return True

    def _identified(self, receipt: Receipt, purchase: Purchase) -> None:
        # A warning, because the unknown outcome was reported as a warning too.
        found = printable(purchase.workflow_id or "")
        self.reporter.warn(f"{purchase.key}: was bought after all, as {found}: the vendor called")
        self._checking.remove(receipt)
        self.follow(purchase)
        self._decide_on_held()


def _to_resolve(unknown: Purchase) -> str:
    return (
        f"it is unknown whether its earlier purchase {unknown.id} was bought, and the workflow that a webhook named "
        "could not be checked; use `pipeline resolve`"
    )


def _could_replace(purchase: Purchase, intended: Purchase) -> bool:
    # What failed at the vendor, or is to be bought again, is no reason to wait.
    if purchase.again or purchase.reason is Reason.VENDOR:
        return False
    return _is_same(purchase, intended) or purchase.key == intended.key


def _is_same(purchase: Purchase, intended: Purchase) -> bool:
    return (purchase.fingerprint, purchase.inputs) == (intended.fingerprint, intended.inputs)
